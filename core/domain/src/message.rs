//! What a channel hands in and what it is asked to send.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ConversationId, LaneId, Locale, MessageId, OutboxId, Timestamp, Value, WorkspaceId,
};

/// One event from a channel, verified and decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inbound {
    /// The platform's id of this event: the dedupe key within the account.
    pub id: String,
    /// The adapter's name: `web`, `telegram`.
    pub channel: String,
    pub account: AccountId,
    pub conversation: NativeConversation,
    pub sender: Sender,
    /// When the customer sent it, by the platform's clock.
    pub ts: Timestamp,
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
    /// What the platform calls the album this is a piece of: its customer sent it as one message,
    /// and it is read as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
}

impl Inbound {
    /// The text of all text parts, joined by line breaks.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }

    /// The lane this event belongs to.
    #[must_use]
    pub fn lane(&self, workspace: &WorkspaceId) -> LaneId {
        self.conversation.lane(workspace, &self.account)
    }
}

/// The text of all text parts, joined by line breaks.
#[must_use]
pub fn text_of(parts: &[Part]) -> String {
    let texts: Vec<&str> = parts
        .iter()
        .filter_map(|p| match p {
            Part::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    texts.join("\n")
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum InboundKind {
    Message,
    Edit,
    Delete,
    /// A button or menu entry was pressed; `value` is what we put on it.
    Action {
        value: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
    },
    Reaction {
        emoji: String,
    },
    /// The platform tells the fate of messages we sent: of those with these ids, or of all in the
    /// conversation up to an instant.
    Receipt {
        status: Delivery,
        #[serde(default)]
        ids: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// The platform's words for a failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Anything else that flows may start on: `page`, `typing`, `follow`, an API event.
    System {
        name: String,
        #[serde(default)]
        data: Value,
    },
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

impl NativeConversation {
    #[must_use]
    pub fn lane(&self, workspace: &WorkspaceId, account: &AccountId) -> LaneId {
        LaneId::derive(&[
            workspace.as_str(),
            account.as_str(),
            &self.id,
            self.thread.as_deref().unwrap_or(""),
        ])
    }
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
    pub locale: Option<Locale>,
}

/// A way to answer that the platform gives with a message and takes back after a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplyContext {
    pub token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
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

impl MediaKind {
    #[must_use]
    pub fn of_mime(mime: &str) -> Self {
        match mime.split('/').next() {
            Some("image") => Self::Image,
            Some("audio") => Self::Audio,
            Some("video") => Self::Video,
            _ => Self::File,
        }
    }
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
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            parts: vec![Part::text(text)],
            ..Self::default()
        }
    }

    /// The text of all text parts, joined by line breaks.
    #[must_use]
    pub fn plain(&self) -> String {
        text_of(&self.parts)
    }
}

/// One native send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outbound {
    /// The same on every attempt: channels hand it on as their idempotency key.
    pub uuid: OutboxId,
    pub workspace: WorkspaceId,
    pub account: AccountId,
    pub lane: LaneId,
    pub conversation_id: ConversationId,
    pub conversation: NativeConversation,
    pub content: Content,
    #[serde(default)]
    pub op: SendOp,
    /// The line of the transcript this is.
    pub seq: u64,
    /// Who speaks.
    pub author: Author,
    /// How the choices are meant to be shown; none without choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice_style: Option<ChoiceStyle>,
    /// More sends of the same line follow: only with the last of them the line is sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Other lines of the transcript that leave with this one, where sends are few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<MessageId>,
    /// The platform's id of the customer's message this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_inbound_id: Option<String>,
    /// A way to answer that is this send's alone; there only while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_context: Option<ReplyUse>,
}

impl Outbound {
    /// The uuid in 22 characters, for platforms whose keys are shorter than 36.
    #[must_use]
    pub fn key22(&self) -> String {
        self.uuid.key22()
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
    /// Somebody is writing. Never stored: it comes late or not at all.
    Typing,
    /// Who has the conversation now, for platforms that keep that themselves.
    Session {
        state: SessionState,
    },
}

/// Who has a conversation, as far as its platform has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    Bot,
    /// It waits for a person.
    Human,
    /// A person has ended it.
    Ended,
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

impl Delivery {
    /// Its place in the order a message comes through them.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Sent => 1,
            Self::Uncertain => 2,
            Self::Failed => 3,
            Self::Delivered => 4,
            Self::Read => 5,
        }
    }

    /// Whether a message that stands at `before` may come to this.
    #[must_use]
    pub fn follows(self, before: Option<Self>) -> bool {
        self == Self::Queued || before.is_none_or(|before| self.rank() > before.rank())
    }
}
