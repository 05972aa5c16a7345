//! Lines of the transcript. The domain's own types are what is sent; those here describe them,
//! and a test holds the two together.

use serde::Serialize;
use tandem_domain::{ConversationId, MessageId, Timestamp, message as domain, store};
use utoipa::ToSchema;

/// A line of the transcript.
#[derive(Serialize, ToSchema)]
pub struct Message {
    #[schema(value_type = String, format = Uuid)]
    pub id: MessageId,
    #[schema(value_type = String, format = Uuid)]
    pub conversation: ConversationId,
    /// From 1, without gaps within the conversation.
    pub seq: u64,
    #[schema(value_type = Author)]
    pub author: domain::Author,
    #[schema(value_type = Content)]
    pub content: domain::Content,
    #[schema(value_type = Visibility)]
    pub visibility: store::Visibility,
    /// The sender's own id for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Delivery>)]
    pub delivery: Option<domain::Delivery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_code: Option<String>,
    /// Its writer changed it, or took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Changed>)]
    pub changed: Option<store::Changed>,
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
}

/// When it was changed last, and how.
#[derive(Serialize, ToSchema)]
pub struct Changed {
    pub how: Change,
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Edited,
    /// Nothing of its content is left.
    Deleted,
}

impl From<store::Message> for Message {
    fn from(row: store::Message) -> Self {
        Self {
            id: row.id,
            conversation: row.conversation,
            seq: row.seq,
            author: row.author,
            content: row.content,
            visibility: row.visibility,
            client_id: row.client_id.map(shown_client_id),
            delivery: row.delivery,
            delivery_code: row.delivery_code,
            changed: row.changed,
            created_at: row.created_at,
        }
    }
}

/// What stands before a key that came over the API. No channel's own ids hold a slash there, so
/// a customer cannot take a key away.
pub(crate) fn kept_client_id(token: &str, key: &str) -> String {
    format!("api/{token}/{key}")
}

fn shown_client_id(kept: String) -> String {
    match kept
        .strip_prefix("api/")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((_, key)) => key.to_owned(),
        None => kept,
    }
}

/// `public` is said to the customer; `note` and `whisper` are for the desk.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    Public,
    Note,
    Whisper,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    Queued,
    Sent,
    Delivered,
    Read,
    Failed,
    /// The platform may or may not have it.
    Uncertain,
}

#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Author {
    Contact,
    Bot,
    Agent {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    System,
}

/// What is said.
#[derive(Serialize, ToSchema)]
pub struct Content {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub parts: Vec<Part>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub choices: Vec<Choice>,
    /// The id of the message quoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    Text {
        text: String,
    },
    Media {
        media: MediaKind,
        /// `file:` and an id, or an https address.
        r#ref: String,
        mime: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        /// What a screen reader says of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        alt: Option<String>,
    },
    Location {
        lat: f64,
        lon: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    Card {
        title: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schema(required = false)]
        choices: Vec<Choice>,
    },
    Mention {
        id: String,
        name: String,
    },
    /// Something the channel showed that has no word here.
    Unsupported {
        native: String,
    },
    /// Words the platform has approved, for when nothing else may be sent.
    Template {
        name: String,
        language: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        #[schema(required = false)]
        params: Vec<String>,
        /// What it says, for channels that know no templates.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    File,
}

/// A thing to press.
#[derive(Serialize, ToSchema)]
pub struct Choice {
    pub label: String,
    /// Comes back when it is pressed; empty on a link.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
