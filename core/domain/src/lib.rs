//! The nouns of Tandem and the seams between its parts.
//!
//! Everything here is plain data or a trait; nothing does I/O and nothing depends on
//! another Tandem crate. Read in this order:
//!
//! * [`id`], [`time`], [`locale`] – names of things, instants, languages;
//! * [`message`], [`capabilities`] – what comes in, what goes out, what a channel can show;
//! * [`conversation`] – the three fields of a conversation and the table of legal moves;
//! * [`reading`] – what understanding makes of a message, and the trait it stands behind;
//! * [`embedder`] – texts as vectors, where a model is at hand;
//! * [`emotion`] – how a customer feels, and which words say so;
//! * [`entity`] – numbers, money, days and addresses in a message;
//! * [`action`] – calls to the outside that a flow asks for;
//! * [`store`], [`edge`], [`bus`] – durable rows, those of a channel's edge among them, and wake-ups;
//! * [`channel`] – how one attempt to send can end.

pub mod action;
pub mod bus;
pub mod capabilities;
pub mod channel;
pub mod conversation;
pub mod edge;
pub mod embedder;
pub mod emotion;
pub mod entity;
pub mod id;
pub mod locale;
pub mod message;
pub mod reading;
pub mod store;
pub mod time;

pub use id::{
    AccountId, ActionId, ContactId, ConversationId, FileId, InboxId, LaneId, MessageId, OutboxId,
    TicketId, TimerId, UnknownId, WorkspaceId,
};
pub use locale::{Locale, Text};
pub use time::Timestamp;

/// A slot value, a response body, an argument: JSON everywhere.
pub type Value = serde_json::Value;
/// An object whose keys are sorted, so that equal maps have equal bytes.
pub type Map = serde_json::Map<String, Value>;
/// Any error whose kind nobody branches on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
