//! An event as a file returns it, and what it means to the inbox.

use serde::{Deserialize, Deserializer, de};
use tandem_channel_kit::Account;
use tandem_domain::{
    Locale, Map, Timestamp, Value,
    message::{
        Card, ConversationKind, Delivery, Inbound, InboundKind, Media, MediaKind,
        NativeConversation, Part, ReplyContext, Sender,
    },
};

use crate::{
    problem::{Words, words},
    read::{Misread, listed, typed},
};

/// What a file says happened. Unknown fields are refused: they are misspelt ones.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    #[serde(deserialize_with = "id")]
    pub id: String,
    pub kind: Kind,
    /// Our address on the platform.
    #[serde(default, deserialize_with = "maybe_id")]
    pub account: Option<String>,
    #[serde(deserialize_with = "whole")]
    pub ts: i64,
    pub conversation: Conversation,
    #[serde(default)]
    pub sender: From,
    #[serde(default, deserialize_with = "maybe_id")]
    pub message_id: Option<String>,
    #[serde(default)]
    pub parts: Vec<EventPart>,
    #[serde(default, deserialize_with = "maybe_id")]
    pub quote: Option<String>,
    #[serde(default)]
    pub mentions_me: bool,
    #[serde(default)]
    pub reply_context: Option<Context>,
    #[serde(default)]
    pub action: Option<Action>,
    #[serde(default)]
    pub reaction: Option<Reaction>,
    #[serde(default)]
    pub receipt: Option<Receipt>,
    /// The name of a system event.
    #[serde(default)]
    pub system: Option<String>,
    #[serde(default)]
    pub data: Option<Map>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Message,
    Edit,
    Delete,
    Action,
    Reaction,
    Receipt,
    System,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    /// Looked up when the platform does not say.
    #[serde(default)]
    pub kind: Option<ConversationKind>,
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// The group that a thread is in.
    #[serde(default, deserialize_with = "maybe_id")]
    pub parent: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    #[serde(default, deserialize_with = "maybe_id")]
    pub id: Option<String>,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub is_self: bool,
    #[serde(default)]
    pub locale: Option<String>,
    /// Other names of the same person, as `unionid`.
    #[serde(default)]
    pub links: Option<Map>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    #[serde(deserialize_with = "id")]
    pub token: String,
    /// Seconds from `ts`.
    #[serde(default)]
    pub ttl: Option<u32>,
    #[serde(default, deserialize_with = "maybe_whole")]
    pub expires_at: Option<i64>,
    #[serde(default)]
    pub uses: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    #[serde(deserialize_with = "id")]
    pub value: String,
    #[serde(default)]
    pub label: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reaction {
    pub emoji: String,
    #[serde(default, deserialize_with = "maybe_id")]
    pub message_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub status: Status,
    #[serde(default, deserialize_with = "ids")]
    pub ids: Vec<String>,
    /// Everything up to this instant, in milliseconds, where the platform names no ids.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub until: Option<i64>,
    #[serde(default, deserialize_with = "maybe_id")]
    pub code: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Sent,
    Delivered,
    Read,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum EventPart {
    Text {
        text: String,
    },
    Media {
        media: MediaKind,
        #[serde(rename = "ref", deserialize_with = "id")]
        reference: String,
        #[serde(default)]
        mime: Option<String>,
        #[serde(default)]
        name: Option<String>,
        #[serde(default, deserialize_with = "maybe_whole")]
        size: Option<i64>,
    },
    Location {
        lat: f64,
        lon: f64,
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        address: Option<String>,
    },
    Card {
        title: String,
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        image: Option<String>,
        #[serde(default)]
        url: Option<String>,
    },
    Mention {
        #[serde(deserialize_with = "id")]
        id: String,
        #[serde(default)]
        name: Option<String>,
    },
    Unsupported {
        #[serde(deserialize_with = "id")]
        native: String,
    },
}

impl Event {
    /// Reads the events a file returned.
    ///
    /// # Errors
    /// With the first that is none, and where.
    pub fn read_all(events: Vec<Value>) -> Result<Vec<Self>, Words> {
        events
            .into_iter()
            .enumerate()
            .map(|(i, mut event)| {
                let root = format!("events[{}]", i + 1);
                for list in ["/parts", "/receipt/ids"] {
                    event.pointer_mut(list).map(listed);
                }
                let read: Self = typed(&event, &root).map_err(|Misread { words, .. }| words)?;
                match read.lacks() {
                    None => Ok(read),
                    Some(lack) => Err(words(
                        format!("{root}: {lack} is missing"),
                        format!("{root}：缺少 {lack}"),
                    )),
                }
            })
            .collect()
    }

    /// What an event of this kind cannot do without.
    fn lacks(&self) -> Option<&'static str> {
        let missing = match self.kind {
            Kind::Message => self.parts.is_empty().then_some("parts"),
            Kind::Edit | Kind::Delete => self.message_id.is_none().then_some("message_id"),
            Kind::Action => self.action.is_none().then_some("action"),
            Kind::Reaction => self.reaction.is_none().then_some("reaction"),
            Kind::Receipt => match &self.receipt {
                Some(receipt) if receipt.ids.is_empty() && receipt.until.is_none() => {
                    Some("receipt.ids or receipt.until")
                }
                Some(_) => None,
                None => Some("receipt"),
            },
            Kind::System => self.system.is_none().then_some("system"),
        };
        let empty = |id: &str, name| id.is_empty().then_some(name);
        empty(&self.id, "id")
            .or_else(|| empty(&self.conversation.id, "conversation.id"))
            .or(missing)
    }

    /// The thread it belongs to. `kind` stands in where the platform did not say.
    #[must_use]
    pub fn conversation(&self, kind: ConversationKind) -> NativeConversation {
        let own = &self.conversation;
        let kind = own.kind.unwrap_or(kind);
        match &own.parent {
            Some(parent) => NativeConversation {
                kind,
                id: parent.clone(),
                thread: Some(own.id.clone()),
            },
            None => NativeConversation {
                kind,
                id: own.id.clone(),
                thread: None,
            },
        }
    }

    /// As the inbox takes it. `now` bounds what the platform's clock says of a reply context.
    #[must_use]
    pub fn inbound(self, account: &Account, kind: ConversationKind, now: Timestamp) -> Inbound {
        let conversation = self.conversation(kind);
        let ts = Timestamp(self.ts);
        let reply_context = self.reply_context.map(|context| ReplyContext {
            token: context.token,
            expires_at: context.expires_at.map(Timestamp).or_else(|| {
                let from = ts.min(now);
                let span = std::time::Duration::from_secs(context.ttl?.into());
                Some(from + span)
            }),
            uses_left: context.uses,
        });
        let mut message_id = self.message_id;
        let what = match self.kind {
            Kind::Message => InboundKind::Message,
            Kind::Edit => InboundKind::Edit,
            Kind::Delete => InboundKind::Delete,
            Kind::Action => {
                let (value, label) = self
                    .action
                    .map(|action| (action.value, action.label))
                    .unwrap_or_default();
                InboundKind::Action { value, label }
            }
            Kind::Reaction => {
                let (emoji, target) = self
                    .reaction
                    .map(|reaction| (reaction.emoji, reaction.message_id))
                    .unwrap_or_default();
                message_id = target.or(message_id);
                InboundKind::Reaction { emoji }
            }
            Kind::Receipt => {
                let receipt = self.receipt.unwrap_or_default();
                InboundKind::Receipt {
                    status: receipt.status.into(),
                    ids: receipt.ids,
                    until: receipt.until.map(Timestamp),
                    code: receipt.code,
                    message: receipt.message,
                }
            }
            Kind::System => InboundKind::System {
                name: self.system.unwrap_or_default(),
                data: self.data.map(Value::Object).unwrap_or_default(),
            },
        };
        let sender = Sender {
            // Whoever writes to us alone is the conversation.
            id: self.sender.id.unwrap_or_else(|| conversation.id.clone()),
            name: self.sender.name,
            is_self: self.sender.is_self,
            locale: self.sender.locale.map(|tag| Locale::new(&tag)),
        };
        Inbound {
            id: self.id,
            channel: account.channel.clone(),
            account: account.id.clone(),
            conversation,
            sender,
            ts,
            kind: what,
            message_id,
            parts: self.parts.into_iter().map(EventPart::part).collect(),
            quote: self.quote,
            mentions_me: self.mentions_me,
            album: None,
            reply_context,
        }
    }
}

impl EventPart {
    fn part(self) -> Part {
        match self {
            Self::Text { text } => Part::Text { text },
            Self::Media {
                media,
                reference,
                mime,
                name,
                size,
            } => Part::Media(Media {
                media,
                reference,
                mime: mime.unwrap_or_else(|| general(media).to_owned()),
                name,
                size: size.and_then(|size| u64::try_from(size).ok()),
                alt: None,
            }),
            Self::Location {
                lat,
                lon,
                name,
                address,
            } => Part::Location {
                lat,
                lon,
                name: name.or(address),
            },
            Self::Card {
                title,
                text,
                image,
                url,
            } => Part::Card(Card {
                title,
                text,
                image,
                url,
                choices: Vec::new(),
            }),
            Self::Mention { id, name } => Part::Mention {
                name: name.unwrap_or_else(|| id.clone()),
                id,
            },
            Self::Unsupported { native } => Part::Unsupported { native },
        }
    }
}

impl std::convert::From<Status> for Delivery {
    fn from(status: Status) -> Self {
        match status {
            Status::Sent => Self::Sent,
            Status::Delivered => Self::Delivered,
            Status::Read => Self::Read,
            Status::Failed => Self::Failed,
        }
    }
}

/// The media type of a medium whose platform names none.
fn general(media: MediaKind) -> &'static str {
    match media {
        MediaKind::Image => "image/*",
        MediaKind::Audio => "audio/*",
        MediaKind::Video => "video/*",
        MediaKind::File => "application/octet-stream",
    }
}

/// Ids come as texts and as numbers.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text or a whole number")]
enum Id {
    Text(String),
    Whole(i64),
}

impl Id {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(int) => int.to_string(),
        }
    }
}

fn id<'de, D: Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    Id::deserialize(value).map(Id::text)
}

fn maybe_id<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Id>::deserialize(value)?.map(Id::text))
}

fn ids<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    let ids = Vec::<Id>::deserialize(value)?;
    Ok(ids.into_iter().map(Id::text).collect())
}

fn whole<'de, D: Deserializer<'de>>(value: D) -> Result<i64, D::Error> {
    match Id::deserialize(value)? {
        Id::Whole(int) => Ok(int),
        Id::Text(text) => text
            .parse()
            .map_err(|_| de::Error::custom("a whole number, or its digits, is needed")),
    }
}

fn maybe_whole<'de, D: Deserializer<'de>>(value: D) -> Result<Option<i64>, D::Error> {
    match Option::<Id>::deserialize(value)? {
        None => Ok(None),
        Some(Id::Whole(int)) => Ok(Some(int)),
        Some(Id::Text(text)) => text
            .parse()
            .map(Some)
            .map_err(|_| de::Error::custom("a whole number, or its digits, is needed")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_channel_kit::fake;

    use super::*;

    fn message() -> Value {
        json!({
            "id": 12, "kind": "message", "ts": "1700000000123",
            "conversation": {"kind": "thread", "id": "t", "parent": "g"},
            "sender": {"id": "u", "links": {"unionid": "x"}},
            "parts": [{"type": "text", "text": "hi"}, {"type": "media", "media": "image", "ref": 9}],
            "reply_context": {"token": "r", "ttl": 50, "uses": 1},
        })
    }

    #[test]
    fn an_event_becomes_what_the_inbox_takes() {
        let [event] = &Event::read_all(vec![message()]).unwrap()[..] else {
            panic!("one event");
        };
        let account = fake::account("line", "a");
        let inbound =
            event
                .clone()
                .inbound(&account, ConversationKind::Dm, Timestamp(1_700_000_001_000));
        assert_eq!(inbound.id, "12");
        assert_eq!(inbound.conversation.id, "g");
        assert_eq!(inbound.conversation.thread.as_deref(), Some("t"));
        let context = inbound.reply_context.unwrap();
        assert_eq!(context.expires_at, Some(Timestamp(1_700_000_050_123)));
        let Part::Media(media) = &inbound.parts[1] else {
            panic!("a medium");
        };
        assert_eq!((&*media.reference, &*media.mime), ("9", "image/*"));
    }

    #[test]
    fn what_is_no_event_is_named() {
        let with = |change: fn(&mut Value)| {
            let mut event = message();
            change(&mut event);
            Event::read_all(vec![event]).unwrap_err()
        };
        for (change, part) in [
            (
                (|e| e["knd"] = json!(1)) as fn(&mut Value),
                "unknown field `knd`",
            ),
            (|e| e["kind"] = json!("mesage"), "events[1].kind"),
            (|e| e["ts"] = json!("soon"), "events[1].ts"),
            (|e| e["parts"] = json!([]), "parts is missing"),
            (|e| e["id"] = json!(""), "id is missing"),
            (|e| e["kind"] = json!("receipt"), "receipt is missing"),
            (|e| e["conversation"] = json!({}), "missing field `id`"),
        ] {
            let said = with(change);
            assert!(said.en.contains(part), "{} lacks {part}", said.en);
            assert!(!said.zh.is_empty());
        }
    }
}
