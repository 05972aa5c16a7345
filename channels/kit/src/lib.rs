//! What every channel is built from.
//!
//! A channel turns a platform's bytes into [`Inbound`](tandem_domain::message::Inbound) events,
//! hands them to its [`Inbox`], and makes one attempt to send each
//! [`Outbound`](tandem_domain::message::Outbound) it is given. Everything that all channels would
//! otherwise do on their own is here, once:
//!
//! * [`channel`] – the [`Channel`] trait, how it stops, how it fails;
//! * [`inbox`] – the handle a channel accepts events through, and the [`Sink`] behind it;
//! * [`hook`] – reading a webhook's request, and refusing it;
//! * [`clean`] – what is done to every text from outside;
//! * [`mod@render`], [`menu`], [`mod@split`] – making a message fit a channel, and reading the answer to what
//!   was shown;
//! * [`mod@file_type`] – what a file is by its bytes;
//! * [`link`] – links to stored files that anybody who has one can open, for a while;
//! * [`governor`] – how fast an account may send;
//! * [`token`] – access tokens, fetched by one for all;
//! * [`kind`] – how a server is configured with it;
//! * [`xml`], [`cipher`] – what several platforms wrap their messages in;
//! * [`fake`], [`conformance`] – for the tests of channels.

pub mod channel;
pub mod cipher;
pub mod clean;
pub mod conformance;
pub mod fake;
pub mod file_type;
pub mod governor;
pub mod hook;
pub mod inbox;
pub mod kind;
pub mod link;
pub mod menu;
pub mod render;
pub mod split;
pub mod token;
pub mod xml;

pub use channel::{Channel, ChannelError, Fetched, Health, MEDIA_MAX, Stop};
pub use file_type::FileType;
pub use governor::Governor;
pub use inbox::{
    Accepted, Account, Claim, File, Inbox, InboxError, Limits, NewFile, ReplyClaim, Sink,
};
pub use kind::{Kind, Opening};
pub use link::Links;
pub use menu::{Menu, MenuOption, menu_answer};
pub use render::{Rendered, Style, render};
