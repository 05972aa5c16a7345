//! What a channel hands in and what it is asked to send: the JSON of Tandem's own messages, as far
//! as a plugin needs it. Times are milliseconds since 1970 in UTC.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Bytes;

/// What a channel can show and take, with the fields that a channel in a script declares as its
/// `caps`: `{"text": {"max": 4096}, "buttons": {"max": 3, …}}`. What is absent cannot; what is
/// misspelt is refused by the host when the channel opens.
///
/// Two more say what concerns the way in: `in_band_ms`, how long after an event its answer is left
/// to [`Inbox::reply_within`](crate::Inbox::reply_within), and `addresses`, what the platform calls
/// this account.
pub type Capabilities = Value;

/// One event of a channel, verified and decoded. The host adds the channel and the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The platform's id of this event: an event of the same id is accepted once.
    pub id: String,
    pub conversation: NativeConversation,
    pub sender: Sender,
    /// When the customer sent it, by the platform's clock.
    pub ts: i64,
    pub kind: InboundKind,
    /// The platform's id of the message meant: this one, or the one edited, deleted, reacted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The platform's id of the message this one quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentions_me: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_context: Option<ReplyContext>,
}

impl Inbound {
    /// A text message between one person and us.
    #[must_use]
    pub fn text(id: &str, sender: &str, ts: i64, text: &str) -> Self {
        Self {
            id: id.to_owned(),
            conversation: NativeConversation {
                kind: ConversationKind::Dm,
                id: sender.to_owned(),
                thread: None,
            },
            sender: Sender {
                id: sender.to_owned(),
                ..Sender::default()
            },
            ts,
            kind: InboundKind::Message,
            message_id: None,
            parts: vec![Part::text(text)],
            quote: None,
            mentions_me: false,
            reply_context: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InboundKind {
    Message,
    Edit,
    Delete,
    /// A button or menu entry was pressed; `value` is what was put on it.
    Action {
        value: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    },
    Reaction {
        emoji: String,
    },
    /// The fate of messages we sent: of those with these ids, or of all in the conversation up to
    /// an instant.
    Receipt {
        status: Delivery,
        #[serde(default)]
        ids: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Anything else that flows may start on.
    System {
        name: String,
        #[serde(default)]
        data: Value,
    },
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accepted {
    /// Committed now, under this id.
    New(String),
    /// Committed before; nothing happens again.
    Duplicate(String),
    /// Not meant for the inbox: our own message coming back, or nothing was left of it.
    Skipped,
}

/// The platform took the message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The platform's ids of what it made of the message.
    #[serde(default)]
    pub native_ids: Vec<String>,
}

/// Messages that may be written into the platform's own request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyClaim {
    /// Hand it to `settle`.
    pub claim: String,
    pub outbound: Vec<Outbound>,
}

/// The parameters of `channel.send`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendParams {
    pub message: Outbound,
}

/// The parameters of `channel.fetch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchParams {
    pub media: Media,
}

/// A medium as the platform gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// What the platform says it is; the host looks into the bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    pub data: Bytes,
}

/// A stored file that a message to the platform carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMedia {
    pub mime: String,
    /// What it was called by whoever sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub data: Bytes,
}

/// One native send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outbound {
    /// The same on every attempt.
    pub uuid: String,
    pub conversation: NativeConversation,
    pub content: Content,
    #[serde(default)]
    pub op: SendOp,
    /// Who speaks.
    pub author: Author,
    /// How the choices are meant to be shown; none without choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice_style: Option<ChoiceStyle>,
    /// The platform's id of the customer's message this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_inbound_id: Option<String>,
    /// A way to answer that is this send's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_context: Option<ReplyUse>,
}

/// A thread as its platform names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NativeConversation {
    #[serde(default)]
    pub kind: ConversationKind,
    pub id: String,
    /// The thread or topic inside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    #[default]
    Dm,
    Group,
    Thread,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sender {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Our own account speaking; filtered before the inbox.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_self: bool,
    /// The language the platform says this person uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// A way to answer that the platform gives with a message and takes back after a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyContext {
    pub token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
}

/// One use of a [`ReplyContext`], claimed for one send and for no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyUse {
    pub token: String,
    /// From 1.
    #[serde(rename = "use")]
    pub number: u32,
}

/// A piece of a message, in either direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    Text {
        text: String,
    },
    Media(Media),
    Location {
        lat: f64,
        lon: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Card(Card),
    Mention {
        id: String,
        name: String,
    },
    /// Something the channel showed us that Tandem has no word for.
    Unsupported {
        native: String,
    },
    /// Words the platform has approved, for when nothing else may be sent. Outbound only.
    Template {
        name: String,
        language: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        params: Vec<String>,
        /// What it says, for channels that know no templates.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Something a newer host sends: leave it out.
    #[serde(other)]
    Other,
}

impl Part {
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    pub media: MediaKind,
    /// A file id (`file:…`) once stored, else the platform's own handle or an `https` URL.
    #[serde(rename = "ref")]
    pub reference: String,
    pub mime: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What a screen reader says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    File,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

/// A thing to press. Channels that cannot show it number it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    pub label: String,
    /// Comes back as [`InboundKind::Action`]; empty on a link.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What is said, before any channel's limits are applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// The platform's or our id of the message quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
}

impl Content {
    /// The text of all text parts, joined by line breaks.
    #[must_use]
    pub fn plain(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// The ways of showing choices natively, richest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceStyle {
    Buttons,
    List,
    QuickReplies,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum SendOp {
    #[default]
    Send,
    Edit {
        id: String,
    },
    Delete {
        id: String,
    },
    Typing,
    /// Something a newer host asks for: refuse it.
    #[serde(other)]
    Other,
}

/// Who wrote a line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Author {
    Contact,
    Bot,
    /// A person at the desk or behind the API.
    Agent {
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    System,
    #[serde(other)]
    Other,
}

/// How far a message has come. It only goes on from [`Queued`](Self::Queued) over sent, uncertain,
/// failed and delivered to read, whatever order the platform tells it in; a message that is sent
/// once more begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Committed, not sent yet.
    Queued,
    Sent,
    Delivered,
    Read,
    /// The platform refused it; see the code.
    Failed,
    /// The platform may or may not have it; never resent blindly.
    Uncertain,
}
