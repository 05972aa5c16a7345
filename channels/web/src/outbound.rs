//! What a browser is sent. Lines of the transcript go out as they are, with stored files as signed
//! links and addresses of other schemes than the web's left out.

use serde::Serialize;
use tandem_domain::{
    ConversationId, FileId, InboxId, MessageId, Timestamp,
    message::{Author, Card, Choice, Content, Media, MediaKind, Part},
    store::Message,
};

use crate::Shared;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// A frame to the widget.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame<'a> {
    /// The token was believed; what was missed follows.
    Ready {
        visitor: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a str>,
        /// A renewed token, when the old one is past half its time.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    Message(Line<'a>),
    /// Everything that was missed has been sent; what follows is new.
    Synced,
    /// What the visitor wrote is committed.
    Ack {
        client_id: &'a str,
        id: InboxId,
        duplicate: bool,
    },
    /// Somebody is writing to the visitor.
    Typing,
    Error {
        code: &'a str,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    Pong,
}

/// A line of the transcript. Its `id` is the cursor to read on from.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub seq: u64,
    pub author: Speaker<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    pub parts: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Pressable<'a>>,
    pub at: Timestamp,
}

#[derive(Debug, Serialize)]
pub struct Speaker<'a> {
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Shown<'a> {
    Text {
        text: &'a str,
    },
    Media {
        media: MediaKind,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        mime: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        size: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        alt: Option<&'a str>,
    },
    Location {
        lat: f64,
        lon: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
    Card {
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        choices: Vec<Pressable<'a>>,
    },
}

#[derive(Debug, Serialize)]
pub struct Pressable<'a> {
    pub label: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<&'a str>,
}

impl Shared {
    /// A line as its visitor sees it.
    pub(crate) fn line<'a>(&self, visitor: &str, message: &'a Message) -> Line<'a> {
        Line {
            id: message.id,
            conversation: message.conversation,
            seq: message.seq,
            author: match &message.author {
                Author::Contact => Speaker::of("contact", None),
                Author::Bot => Speaker::of("bot", None),
                // Who they are inside the business is not the visitor's.
                Author::Agent { name, .. } => Speaker::of("agent", name.as_deref()),
                Author::System => Speaker::of("system", None),
            },
            client_id: match (&message.author, &message.client_id) {
                (Author::Contact, Some(id)) => Some(own_id(visitor, id)),
                _ => None,
            },
            parts: self.parts(&message.content),
            choices: message.content.choices.iter().map(pressable).collect(),
            at: message.created_at,
        }
    }

    fn parts<'a>(&self, content: &'a Content) -> Vec<Shown<'a>> {
        content.parts.iter().filter_map(|p| self.shown(p)).collect()
    }

    fn shown<'a>(&self, part: &'a Part) -> Option<Shown<'a>> {
        Some(match part {
            Part::Text { text } => Shown::Text { text },
            Part::Mention { name, .. } => Shown::Text { text: name },
            Part::Media(media) => self.media(media),
            Part::Location { lat, lon, name } => Shown::Location {
                lat: *lat,
                lon: *lon,
                name: name.as_deref(),
            },
            Part::Card(Card {
                title,
                text,
                image,
                url,
                choices,
            }) => Shown::Card {
                title,
                text: text.as_deref(),
                image: image.as_deref().and_then(|i| self.link(i)),
                url: url.as_deref().filter(|u| opens(u)),
                choices: choices.iter().map(pressable).collect(),
            },
            Part::Template { text, .. } => Shown::Text {
                text: text.as_deref()?,
            },
            Part::Unsupported { .. } => return None,
        })
    }

    fn media<'a>(&self, media: &'a Media) -> Shown<'a> {
        Shown::Media {
            media: media.media,
            url: self.link(&media.reference),
            mime: &media.mime,
            name: media.name.as_deref(),
            size: media.size,
            alt: media.alt.as_deref(),
        }
    }

    /// An address the browser can load: a stored file's signed one, or one of the web.
    fn link(&self, reference: &str) -> Option<String> {
        if let Some(id) = reference.strip_prefix("file:") {
            return Some(self.file_link(id.parse().ok()?));
        }
        let own = reference.starts_with('/') && !reference.starts_with("//");
        (own || is_web(reference)).then(|| reference.to_owned())
    }

    /// Holds for a day or two, and stays the same for a day, so that browsers may cache it.
    pub(crate) fn file_link(&self, id: FileId) -> String {
        let until = Timestamp((self.now().0 / DAY + 2) * DAY);
        format!(
            "/web/{}/files/{id}?sig={}",
            self.account.id,
            self.keys.file_signature(id, until)
        )
    }
}

impl<'a> Speaker<'a> {
    fn of(kind: &'static str, name: Option<&'a str>) -> Self {
        Self { kind, name }
    }
}

fn pressable(choice: &Choice) -> Pressable<'_> {
    Pressable {
        label: &choice.label,
        value: &choice.value,
        url: choice.url.as_deref().filter(|u| opens(u)),
    }
}

/// The id the visitor gave, without what keeps it apart from other visitors'.
pub(crate) fn own_id<'a>(visitor: &str, id: &'a str) -> &'a str {
    id.strip_prefix(visitor)
        .and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or(id)
}

fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

/// May a link lead there?
fn opens(address: &str) -> bool {
    let own = address.starts_with('/') && !address.starts_with("//");
    own || is_web(address) || address.starts_with("mailto:") || address.starts_with("tel:")
}
