//! What a message or an event means.

use std::time::Duration;

use serde_json::{Map, Value};
use tandem_channel_kit::Account;
use tandem_domain::{
    Timestamp,
    message::{
        ConversationKind, Inbound, InboundKind, Media, MediaKind, NativeConversation, Part,
        ReplyContext, Sender,
    },
};

use crate::{
    family::Family,
    fields::{number, seconds, text},
    signature,
};

/// Longest id that is made of other fields.
const ID_MAX: usize = 200;

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Event(Box<Heard>),
    /// Something that is no talk: a link of the account's menu was opened, a mass message was sent.
    Nothing,
    /// 微信客服 has something for us to fetch.
    Fetch {
        desk: String,
        /// Good for ten minutes; without one fetches are few.
        token: Option<String>,
    },
}

/// An event, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// What the platform calls our side: the account, or the app's number.
    pub to: String,
    pub inbound: Inbound,
}

/// Reads an opened message. `None` where it is not understood.
#[must_use]
pub fn read(family: Family, account: &Account, fields: &Value, now: Timestamp) -> Option<Told> {
    let kind = text(fields, "MsgType")?;
    if family == Family::CustomerService {
        return (kind == "event").then(|| callback(fields))?;
    }
    let from = text(fields, "FromUserName")?;
    let at = seconds(fields, "CreateTime")?;
    let name = match family {
        Family::WeCom => "AgentID",
        _ => "ToUserName",
    };
    let mut event = Read {
        family,
        fields,
        from: &from,
        at,
        now,
        message_id: text(fields, "MsgId"),
        id: text(fields, "MsgId"),
        parts: Vec::new(),
        reply: None,
    };
    let Some(kind) = (match kind.as_str() {
        "event" => event.event()?,
        kind => Some(event.message(kind)?),
    }) else {
        return Some(Told::Nothing);
    };
    let id = event.id.clone().unwrap_or_else(|| format!("{from}:{at}"));
    Some(Told::Event(Box::new(Heard {
        to: text(fields, name).or_else(|| text(fields, "ToUserName"))?,
        inbound: Inbound {
            id,
            kind,
            message_id: event.message_id,
            parts: event.parts,
            reply_context: event.reply,
            ..blank(account, &from, None, Timestamp(at * 1000))
        },
    })))
}

/// An event of this customer without anything in it.
pub(crate) fn blank(
    account: &Account,
    customer: &str,
    thread: Option<String>,
    ts: Timestamp,
) -> Inbound {
    Inbound {
        id: String::new(),
        channel: account.channel.clone(),
        account: account.id.clone(),
        conversation: NativeConversation {
            kind: ConversationKind::Dm,
            id: customer.to_owned(),
            thread,
        },
        sender: Sender {
            id: customer.to_owned(),
            ..Sender::default()
        },
        ts,
        kind: InboundKind::Message,
        message_id: None,
        parts: Vec::new(),
        quote: None,
        mentions_me: false,
        album: None,
        reply_context: None,
    }
}

/// A file of a customer's, by the id under which it can be fetched for three days.
pub(crate) fn media(kind: MediaKind, id: String, mime: &str) -> Part {
    Part::Media(Media {
        media: kind,
        reference: id,
        mime: mime.to_owned(),
        name: None,
        size: None,
        alt: None,
    })
}

/// A page somebody shared: what it is called and where it is.
pub(crate) fn link(title: Option<String>, url: Option<String>) -> Part {
    let lines: Vec<String> = [title, url].into_iter().flatten().collect();
    Part::text(lines.join("\n"))
}

/// Names and their values, without those that are not there.
pub(crate) fn data(named: [(&str, Option<String>); 2]) -> Value {
    let there: Map<String, Value> = named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
        .collect();
    if there.is_empty() {
        Value::Null
    } else {
        Value::Object(there)
    }
}

fn callback(fields: &Value) -> Option<Told> {
    if text(fields, "Event")? != "kf_msg_or_event" {
        return Some(Told::Nothing);
    }
    Some(Told::Fetch {
        desk: text(fields, "OpenKfId")?,
        token: text(fields, "Token"),
    })
}

/// One message or event while it is read.
struct Read<'a> {
    family: Family,
    fields: &'a Value,
    from: &'a str,
    at: i64,
    now: Timestamp,
    id: Option<String>,
    message_id: Option<String>,
    parts: Vec<Part>,
    reply: Option<ReplyContext>,
}

impl Read<'_> {
    fn text(&self, name: &str) -> Option<String> {
        text(self.fields, name)
    }

    fn message(&mut self, kind: &str) -> Option<InboundKind> {
        let medium = |read: &Self, kind, mime| Some(media(kind, read.text("MediaId")?, mime));
        let part = match kind {
            "text" => {
                let words = self.text("Content").unwrap_or_default();
                if let Some(value) = self.text("bizmsgmenuid") {
                    let label = Some(words);
                    return Some(InboundKind::Action { value, label });
                }
                Part::text(words)
            }
            "image" => medium(self, MediaKind::Image, "image/jpeg")?,
            "voice" => {
                let mime = match self.text("Format").as_deref() {
                    Some("speex" | "Speex") => "audio/speex",
                    Some("mp3") => "audio/mpeg",
                    _ => "audio/amr",
                };
                medium(self, MediaKind::Audio, mime)?
            }
            "video" | "shortvideo" => medium(self, MediaKind::Video, "video/mp4")?,
            "location" => Part::Location {
                lat: number(self.fields, "Location_X")?,
                lon: number(self.fields, "Location_Y")?,
                name: self.text("Label"),
            },
            "link" => link(self.text("Title"), self.text("Url")),
            other => Part::Unsupported {
                native: other.to_owned(),
            },
        };
        self.parts.push(part);
        // What speech recognition made of a voice message.
        self.parts.extend(self.text("Recognition").map(Part::text));
        Some(InboundKind::Message)
    }

    /// `Some(None)` is an event that is no talk.
    fn event(&mut self) -> Option<Option<InboundKind>> {
        let name = self.text("Event")?;
        let key = self.text("EventKey");
        let mut id = format!("{}:{}:{name}", self.from, self.at);
        if let Some(key) = &key {
            id.push(':');
            id.push_str(key);
        }
        if id.len() > ID_MAX {
            id = signature::sign(&[&id]);
        }
        self.id = Some(id);
        self.message_id = None;
        let system = |name: &str, data: Value| InboundKind::System {
            name: name.to_owned(),
            data,
        };
        let scene = |scene: Option<String>| data([("scene", scene), ("", None)]);
        let account = self.family == Family::OfficialAccount;
        Some(Some(match (name.to_ascii_lowercase().as_str(), key) {
            ("subscribe", key) => {
                self.may_write();
                let key = key.map(|key| key.trim_start_matches("qrscene_").to_owned());
                system("follow", scene(key))
            }
            ("scan", key) if account => {
                self.may_write();
                system("scan", scene(key))
            }
            ("unsubscribe", _) => system("unfollow", Value::Null),
            ("click", Some(value)) => {
                self.may_write();
                InboundKind::Action { value, label: None }
            }
            ("template_card_event", Some(value)) => {
                self.message_id = self.text("ResponseCode");
                InboundKind::Action { value, label: None }
            }
            ("enter_agent", _) => system("open", Value::Null),
            ("user_enter_tempsession", _) => {
                self.may_write();
                system("open", scene(self.text("SessionFrom")))
            }
            _ => return Some(None),
        }))
    }

    /// Some events may be answered though the customer said nothing, for a short while.
    fn may_write(&mut self) {
        let window = self.family.capabilities().window;
        let brief = window.and_then(|window| window.brief);
        self.reply = brief.map(|brief| ReplyContext {
            token: self.from.to_owned(),
            expires_at: Some(self.now + Duration::from_secs(brief.secs)),
            uses_left: Some(brief.quota),
        });
    }
}
