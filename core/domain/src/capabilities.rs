//! What a channel can show, as numbers: one pass in the host adapts every message to them.
//!
//! Native channels return a [`Capabilities`]; a scripted channel declares the same fields as its
//! `caps`. Everything absent is "cannot".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::message::MediaKind;

/// How a limit on text is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    #[default]
    Char,
    Byte,
    Utf16,
    Grapheme,
}

/// At most `max`, counted in `unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub max: usize,
    #[serde(default)]
    pub unit: Unit,
}

/// How the platform reads a text we send. Parts are always plain text: the channel escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Plain,
    Markdown,
    Html,
}

/// The longest text of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextLimit {
    pub max: usize,
    #[serde(default)]
    pub unit: Unit,
    #[serde(default)]
    pub format: Format,
}

impl TextLimit {
    #[must_use]
    pub fn limit(self) -> Limit {
        Limit {
            max: self.max,
            unit: self.unit,
        }
    }
}

/// A kind of choice a channel shows natively. Absent means it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// How many on one message.
    pub max: usize,
    /// The longest text they may stand under, where that is less than without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Limit>,
    pub label: Limit,
    pub value: Limit,
    /// Whether a choice may be a link.
    #[serde(default)]
    pub url: bool,
}

/// How a kind of media is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaBy {
    /// The platform fetches it from an address.
    Url,
    /// We hand over the bytes.
    Upload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaLimit {
    pub by: MediaBy,
    /// Bytes; absent means the platform names no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// What happens to a message outside of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// Refused, with the code `window`.
    #[default]
    Reject,
    /// Only an approved template passes.
    Template,
}

/// When we may write: for a while after the customer did, perhaps only so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Seconds after the customer's last message.
    pub secs: u64,
    /// Sends within it; absent means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u32>,
    #[serde(default)]
    pub outside: Outside,
    /// What an event that is no message gives instead, such as following the account or choosing
    /// from its menu: it opens no window. Absent means that every event opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<Brief>,
}

/// A short while to answer an event that is no message. Its sends count apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    pub secs: u64,
    /// Sends within it.
    pub quota: u32,
}

/// At most `count` sends in any `secs` seconds. A bare number is that many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PaceForm")]
pub struct Pace {
    pub count: u32,
    pub secs: u32,
}

impl Pace {
    #[must_use]
    pub const fn new(count: u32, secs: u32) -> Self {
        Self { count, secs }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number a second or {count, secs} is wanted")]
enum PaceForm {
    PerSecond(u32),
    Full(PaceFields),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaceFields {
    count: u32,
    #[serde(default = "one")]
    secs: u32,
}

fn one() -> u32 {
    1
}

impl From<PaceForm> for Pace {
    fn from(form: PaceForm) -> Self {
        match form {
            PaceForm::PerSecond(count) => Self { count, secs: 1 },
            PaceForm::Full(PaceFields { count, secs }) => Self { count, secs },
        }
    }
}

/// How fast the platform lets us send. Each is one [`Pace`] or a list of them that all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rate {
    /// Over all conversations of the account.
    #[serde(
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub account: Vec<Pace>,
    /// In one conversation.
    #[serde(
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub chat: Vec<Pace>,
    /// In one conversation of many people, besides.
    #[serde(
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub group: Vec<Pace>,
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Pace>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "write 5, {count = 100, secs = 60}, or a list of such"
    )]
    enum Form {
        One(Pace),
        Many(Vec<Pace>),
    }
    Ok(match Form::deserialize(from)? {
        Form::One(pace) => vec![pace],
        Form::Many(paces) => paces,
    })
}

/// Longer than any platform is known to deliver an event again.
pub const DEDUPE_SECS: u64 = 8 * 24 * 3600;

/// Everything absent is "cannot".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    pub text: TextLimit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buttons: Option<Choices>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<Choices>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick_replies: Option<Choices>,
    /// Parts in one native send.
    pub batch_max: usize,
    /// Whether a card stands as one; else it becomes image, text and link.
    pub cards: bool,
    /// What kinds of media it takes, and how.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub media: BTreeMap<MediaKind, MediaLimit>,
    /// Seconds in which what we sent can be changed; -1 is always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit_secs: Option<i64>,
    /// Seconds in which what we sent can be taken back; -1 is always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_secs: Option<i64>,
    /// The platform tells what was delivered and read.
    pub receipts: bool,
    /// It can show that somebody is writing.
    pub typing: bool,
    /// The platform keeps itself who has a conversation, and wants to be told.
    pub sessions: bool,
    /// When we may write; absent means always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// May the business write first?
    pub proactive: bool,
    pub rate: Rate,
    /// How long an event id counts as known, at least: longer than the platform goes on
    /// delivering an event again. 0 is for ever.
    pub dedupe_secs: u64,
    /// How long the platform knows our `uuid`, so that a send whose fate is unknown may be
    /// repeated; absent means that it never may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_secs: Option<u64>,
}

impl Default for Capabilities {
    /// Short plain text, one part a send: the floor that every message survives.
    fn default() -> Self {
        Self {
            text: TextLimit {
                max: 1000,
                unit: Unit::Char,
                format: Format::Plain,
            },
            buttons: None,
            list: None,
            quick_replies: None,
            batch_max: 1,
            cards: false,
            media: BTreeMap::new(),
            edit_secs: None,
            delete_secs: None,
            receipts: false,
            typing: false,
            sessions: false,
            window: None,
            proactive: false,
            rate: Rate::default(),
            dedupe_secs: DEDUPE_SECS,
            idempotency_secs: None,
        }
    }
}

impl Capabilities {
    /// Nothing but plain text of at most `max` characters.
    #[must_use]
    pub fn plain(max: usize) -> Self {
        let mut caps = Self::default();
        caps.text.max = max;
        caps
    }

    /// Whether a medium of this kind and size goes out as one.
    #[must_use]
    pub fn takes(&self, kind: MediaKind, size: Option<u64>) -> bool {
        self.media.get(&kind).is_some_and(|limit| {
            limit
                .max
                .is_none_or(|max| size.is_none_or(|size| size <= max))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn capabilities_are_read_as_a_file_declares_them() {
        let caps: Capabilities = serde_json::from_value(json!({
            "text": {"max": 4096, "unit": "utf16", "format": "html"},
            "buttons": {"max": 3, "text": {"max": 1024}, "label": {"max": 20},
                        "value": {"max": 256, "unit": "byte"}, "url": true},
            "batch_max": 5,
            "media": {"image": {"by": "url", "max": 1024}, "file": {"by": "upload"}},
            "edit_secs": -1, "receipts": true,
            "window": {"secs": 172_800, "quota": 5, "outside": "template",
                       "brief": {"secs": 60, "quota": 3}},
            "rate": {"account": 30, "chat": [1, {"count": 5, "secs": 10}], "group": {"count": 20, "secs": 60}},
            "dedupe_secs": 0, "idempotency_secs": 3600,
        }))
        .unwrap();
        assert_eq!(caps.text.unit, Unit::Utf16);
        assert_eq!(caps.text.format, Format::Html);
        assert_eq!(caps.buttons.unwrap().text.unwrap().max, 1024);
        assert!(caps.takes(MediaKind::Image, Some(1024)));
        assert!(!caps.takes(MediaKind::Image, Some(1025)));
        assert!(caps.takes(MediaKind::File, Some(u64::MAX)));
        assert!(!caps.takes(MediaKind::Video, None));
        let window = caps.window.unwrap();
        assert_eq!(window.outside, Outside::Template);
        assert_eq!(window.brief.unwrap().quota, 3);
        assert_eq!(caps.rate.account, [Pace::new(30, 1)]);
        assert_eq!(caps.rate.chat, [Pace::new(1, 1), Pace::new(5, 10)]);
        assert_eq!(caps.rate.group, [Pace::new(20, 60)]);
        let again = serde_json::to_value(&caps).unwrap();
        assert_eq!(serde_json::from_value::<Capabilities>(again).unwrap(), caps);
    }

    #[test]
    fn what_is_absent_cannot_and_what_is_misspelt_is_refused() {
        let caps: Capabilities = serde_json::from_value(json!({})).unwrap();
        assert_eq!(caps, Capabilities::default());
        assert_eq!(caps.dedupe_secs, 8 * 24 * 3600);
        assert!(serde_json::from_value::<Capabilities>(json!({"buton": {}})).is_err());
        assert!(serde_json::from_value::<Capabilities>(json!({"window": {"sec": 1}})).is_err());
    }
}
