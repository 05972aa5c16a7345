//! The JSON types that cross between Tandem and its plugins, in memory and over stdio alike.
//!
//! Both sides ignore fields they do not know, so that either may be the newer one.
//!
//! * [`manifest`] – what a plugin is: its kinds, methods and schemas;
//! * [`message`] – what a channel hands in and is asked to send;
//! * [`payload`] – parameters and results of the other kinds;
//! * [`bytes`] – media, as base64.

pub mod bytes;
pub mod manifest;
pub mod message;
pub mod payload;

pub use bytes::Bytes;
pub use manifest::{Fault, Kind, Manifest, MethodSpec};
pub use message::{
    Accepted, Author, Capabilities, Card, Choice, ChoiceStyle, Content, ConversationKind, Delivery,
    FetchParams, Fetched, Inbound, InboundKind, Media, MediaKind, NativeConversation, Outbound,
    Part, Receipt, ReplyClaim, ReplyContext, ReplyUse, SendOp, SendParams, Sender, StoredMedia,
};
pub use payload::{
    ChatMessage, Embed, Embedded, ExportBatch, ExportReceipt, Finish, Generate, Generated,
    HttpRequest, HttpResponse, ImageText, ReadImage, Segment, Speak, Speech, Transcribe,
    Transcript, Translate, Translated, Usage,
};
use std::{fmt, str::Utf8Error};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What every call carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request<P> {
    pub params: P,
    #[serde(default)]
    pub meta: Meta,
}

/// The circumstances of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    pub workspace: String,
    /// Absent where the call belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Milliseconds from now on that the host waits; 0 is for ever.
    pub deadline_ms: u64,
    /// The same when the same call is made again: hand it on, so that nothing happens twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

/// Reads JSON that comes from outside.
///
/// # Errors
/// When it is not UTF-8, not JSON, or not of this shape. The parser alone would let bad UTF-8
/// through in what it skips.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(Unreadable::Text)?;
    serde_json::from_str(text).map_err(Unreadable::Json)
}

/// Why bytes from outside could not be read.
#[derive(Debug)]
pub enum Unreadable {
    /// They are not UTF-8.
    Text(Utf8Error),
    /// They are not JSON, or not of the shape that was wanted.
    Json(serde_json::Error),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(why) => write!(f, "not UTF-8: {why}"),
            Self::Json(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Unreadable {}
