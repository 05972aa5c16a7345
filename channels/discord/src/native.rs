//! Discord's objects, as far as they are read. Everything that may be absent is optional and what is
//! not known is passed over: Discord adds to its objects at any time.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serenity::constants::Opcode;
use tandem_domain::{Timestamp, Value};

/// Milliseconds of the first of January 2015, where Discord's ids begin to count.
const EPOCH: i64 = 1_420_070_400_000;

/// An id. Larger ones were made later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snowflake(pub u64);

impl Snowflake {
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        // `parse` takes a sign, which no id has.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| digits).map(Self)
    }

    /// When it was made.
    #[must_use]
    pub fn time(self) -> Timestamp {
        Timestamp(i64::try_from(self.0 >> 22).unwrap_or(0) + EPOCH)
    }

    /// The first id that can be made at this time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        let millis = u64::try_from(time.0 - EPOCH).unwrap_or(0);
        Self(millis.min(u64::MAX >> 22) << 22)
    }

    /// One that is so much older.
    #[must_use]
    pub fn before(self, millis: u64) -> Self {
        Self(self.0.saturating_sub(millis << 22))
    }
}

impl fmt::Display for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Snowflake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(number) => Some(Self(number)),
            Form::Text(text) => Self::read(&text),
        }
        .ok_or_else(|| D::Error::custom("an id is a number of at most 64 bits"))
    }
}

/// A frame of the gateway.
#[derive(Debug, Deserialize)]
pub struct Frame {
    pub op: Opcode,
    #[serde(default)]
    pub d: Value,
    #[serde(default)]
    pub s: Option<u64>,
    #[serde(default)]
    pub t: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct User {
    pub id: Snowflake,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub global_name: Option<String>,
    #[serde(default)]
    pub bot: bool,
    #[serde(default)]
    pub system: bool,
}

impl User {
    /// What others see.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.global_name.as_deref().unwrap_or(&self.username)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Member {
    #[serde(default)]
    pub nick: Option<String>,
    #[serde(default)]
    pub user: Option<User>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Attachment {
    #[serde(default)]
    pub filename: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub content_type: Option<String>,
    #[serde(default)]
    pub size: Option<u64>,
    pub url: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Sticker {
    pub id: Snowflake,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub format_type: u8,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Reference {
    /// 0 quotes, 1 forwards.
    #[serde(default, rename = "type")]
    pub kind: u8,
    #[serde(default)]
    pub message_id: Option<Snowflake>,
}

/// The author of a message that is quoted; the rest of it is not looked at.
#[derive(Clone, Debug, Deserialize)]
pub struct Quoted {
    #[serde(default)]
    pub author: Option<User>,
}

/// What is forwarded.
#[derive(Clone, Debug, Deserialize)]
pub struct Snapshot {
    pub message: Said,
}

/// What a message says.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Said {
    #[serde(default)]
    pub content: String,
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    #[serde(default)]
    pub sticker_items: Vec<Sticker>,
    #[serde(default)]
    pub poll: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    pub id: Snowflake,
    pub channel_id: Snowflake,
    #[serde(default)]
    pub guild_id: Option<Snowflake>,
    /// Absent where only a part of a message is told to have changed.
    #[serde(default)]
    pub author: Option<User>,
    #[serde(default)]
    pub member: Option<Member>,
    #[serde(default, rename = "type")]
    pub kind: u8,
    #[serde(default)]
    pub webhook_id: Option<Snowflake>,
    #[serde(default)]
    pub edited_timestamp: Option<String>,
    #[serde(default)]
    pub mentions: Vec<User>,
    #[serde(default)]
    pub message_reference: Option<Reference>,
    #[serde(default)]
    pub referenced_message: Option<Quoted>,
    #[serde(default)]
    pub message_snapshots: Vec<Snapshot>,
    #[serde(flatten)]
    pub said: Said,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Deleted {
    #[serde(default)]
    pub id: Option<Snowflake>,
    #[serde(default)]
    pub ids: Vec<Snowflake>,
    pub channel_id: Snowflake,
    #[serde(default)]
    pub guild_id: Option<Snowflake>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Emoji {
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Reaction {
    pub user_id: Snowflake,
    pub channel_id: Snowflake,
    pub message_id: Snowflake,
    #[serde(default)]
    pub guild_id: Option<Snowflake>,
    #[serde(default)]
    pub message_author_id: Option<Snowflake>,
    #[serde(default)]
    pub member: Option<Member>,
    pub emoji: Emoji,
}

/// A channel, or a thread in one.
#[derive(Clone, Debug, Deserialize)]
pub struct Channel {
    pub id: Snowflake,
    #[serde(default, rename = "type")]
    pub kind: u8,
    #[serde(default)]
    pub guild_id: Option<Snowflake>,
    #[serde(default)]
    pub parent_id: Option<Snowflake>,
    #[serde(default)]
    pub last_message_id: Option<Snowflake>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Guild {
    pub id: Snowflake,
    #[serde(default)]
    pub channels: Vec<Channel>,
    #[serde(default)]
    pub threads: Vec<Channel>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Threads {
    #[serde(default)]
    pub threads: Vec<Channel>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Named {
    pub id: Snowflake,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    pub session_id: String,
    #[serde(default)]
    pub resume_gateway_url: Option<String>,
    pub user: User,
    pub application: Named,
    #[serde(default)]
    pub guilds: Vec<Named>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Interaction {
    pub id: Snowflake,
    pub application_id: Snowflake,
    /// 1 PING, 2 a command, 3 a component, 4 what completes a command.
    #[serde(rename = "type")]
    pub kind: u8,
    #[serde(default)]
    pub token: String,
    #[serde(default)]
    pub data: Pressed,
    #[serde(default)]
    pub guild_id: Option<Snowflake>,
    #[serde(default)]
    pub channel_id: Option<Snowflake>,
    #[serde(default)]
    pub channel: Option<Channel>,
    #[serde(default)]
    pub member: Option<Member>,
    #[serde(default)]
    pub user: Option<User>,
    #[serde(default)]
    pub message: Option<Shown>,
    #[serde(default)]
    pub locale: Option<String>,
}

/// What was pressed, chosen or commanded.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Pressed {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub options: Vec<Given>,
    #[serde(default)]
    pub custom_id: String,
    #[serde(default)]
    pub values: Option<Vec<String>>,
}

/// A value given to a command; a command within it has options of its own.
#[derive(Clone, Debug, Deserialize)]
pub struct Given {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub value: Option<Value>,
    #[serde(default)]
    pub options: Vec<Given>,
}

/// The message that a pressed button stands under.
#[derive(Clone, Debug, Deserialize)]
pub struct Shown {
    pub id: Snowflake,
    #[serde(default)]
    pub components: Vec<Value>,
}

/// What the gateway tells, as far as it is listened to.
#[derive(Clone, Debug)]
pub enum Event {
    Ready(Box<Ready>),
    Resumed,
    Message(Box<Message>),
    Edited(Box<Message>),
    Deleted(Deleted),
    Reaction(Box<Reaction>),
    Interaction(Box<Interaction>),
    Guild(Box<Guild>),
    /// Channels and threads as they are now.
    Channels(Vec<Channel>),
    Other,
}

impl Event {
    /// Reads what came under this name.
    ///
    /// # Errors
    /// When it does not have what every such event has.
    pub fn read(name: &str, data: Value) -> Result<Self, serde_json::Error> {
        fn of<T: for<'de> Deserialize<'de>>(data: Value) -> Result<T, serde_json::Error> {
            serde_json::from_value(data)
        }
        Ok(match name {
            "READY" => Self::Ready(of(data)?),
            "RESUMED" => Self::Resumed,
            "MESSAGE_CREATE" => Self::Message(of(data)?),
            "MESSAGE_UPDATE" => Self::Edited(of(data)?),
            "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => Self::Deleted(of(data)?),
            "MESSAGE_REACTION_ADD" => Self::Reaction(of(data)?),
            "INTERACTION_CREATE" => Self::Interaction(of(data)?),
            // One that is out of order comes as no more than its id.
            "GUILD_CREATE" => Self::Guild(of(data)?),
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
                Self::Channels(vec![of(data)?])
            }
            "THREAD_LIST_SYNC" => Self::Channels(of::<Threads>(data)?.threads),
            _ => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_knows_when_it_was_made() {
        let id = Snowflake::read("786008729715212338").unwrap();
        assert_eq!(id.time(), Timestamp(1_607_469_484_500));
        assert!(Snowflake::at(id.time()) <= id);
        assert_eq!(id.before(1000).time(), Timestamp(1_607_469_483_500));
        for wrong in ["", "+1", "-1", "1.0", "99999999999999999999", "../1"] {
            assert_eq!(Snowflake::read(wrong), None, "{wrong}");
        }
    }
}
