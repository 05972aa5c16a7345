//! What every channel is built from.
//!
//! A channel turns a platform's bytes into [`Inbound`](tandem_domain::message::Inbound) events,
//! hands them to its [`Inbox`], and makes one attempt to send each
//! [`Outbound`](tandem_domain::message::Outbound) it is given. Everything that all channels would
//! otherwise do on their own is here, once:
//!
//! * [`channel`] – the [`Channel`] trait, how it stops, how it fails;
//! * [`inbox`] – the handle a channel accepts events through, and the [`Sink`] behind it;
//! * [`clean`] – what is done to every text from outside.

pub mod channel;
pub mod clean;
pub mod inbox;

pub use channel::{Channel, ChannelError, Stop};
pub use inbox::{
    Accepted, Account, Claim, File, Inbox, InboxError, Limits, NewFile, ReplyClaim, Sink,
};
