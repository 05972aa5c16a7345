//! Discord's events as the inbox takes them.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_channel_kit::Account;
use tandem_domain::{
    Locale, Timestamp, Value,
    message::{
        ConversationKind, Inbound, InboundKind, Media, MediaKind, NativeConversation, Part,
        ReplyContext, Sender,
    },
};

use crate::{
    choice,
    native::{
        Attachment, Deleted, Given, Interaction, Member, Message, Reaction, Said, Snowflake,
        Sticker, User,
    },
    place::Place,
};

/// How long an interaction may be answered by its token, with half a minute left for the way.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15 * 60 - 30);

/// Types of messages that people write: plain ones and replies. All others are Discord's own notes.
const WRITTEN: [u8; 2] = [0, 19];
/// A lottie sticker, which is no picture.
const LOTTIE: u8 = 3;
const GIF: u8 = 4;

/// Who we are on Discord.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Me {
    pub user: Snowflake,
    pub application: Snowflake,
}

/// Reads events for one account.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub account: &'a Account,
    pub me: Me,
    /// Channels where everything is for us.
    pub channels: &'a BTreeSet<Snowflake>,
}

/// What an interaction is, and how it is acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Discord tries the endpoint.
    Ping,
    /// A command: acknowledged by "is thinking", which the answer then replaces.
    Command(Box<Inbound>),
    /// A press: acknowledged by nothing to be seen.
    Press(Box<Inbound>),
    /// Discord asks how a command could be completed: nothing to offer.
    Completion,
    /// Of a kind we never show.
    Unknown,
}

impl Asked {
    /// What Discord is told within three seconds.
    #[must_use]
    pub fn acknowledgement(&self) -> Value {
        match self {
            Self::Ping => json!({"type": 1}),
            Self::Command(_) => json!({"type": 5}),
            Self::Press(_) | Self::Unknown => json!({"type": 6}),
            Self::Completion => json!({"type": 8, "data": {"choices": []}}),
        }
    }
}

/// How an interaction may be answered, as it goes through the inbox and comes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// A command's: "is thinking" stands there until it is answered.
    pub thinking: bool,
    pub application: Snowflake,
    /// The interaction's.
    pub id: Snowflake,
    pub token: String,
}

impl Ticket {
    #[must_use]
    pub fn of(asked: &Interaction) -> Self {
        Self {
            thinking: asked.kind == 2,
            application: asked.application_id,
            id: asked.id,
            token: asked.token.clone(),
        }
    }

    /// Whether it still opens anything.
    pub(crate) fn lives(&self, now: Timestamp) -> bool {
        now < self.id.time() + ANSWERED_WITHIN
    }

    /// Where the answer to it stands, or "is thinking".
    pub(crate) fn original(&self) -> String {
        format!("{}/messages/@original", self.further())
    }

    /// Where more is said in answer to it.
    pub(crate) fn further(&self) -> String {
        format!("/webhooks/{}/{}", self.application, self.token)
    }

    #[must_use]
    pub fn write(&self) -> String {
        let kind = if self.thinking { "command" } else { "press" };
        format!("{kind}.{}.{}.{}", self.application, self.id, self.token)
    }

    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, '.');
        Some(Self {
            thinking: fields.next()? == "command",
            application: Snowflake::read(fields.next()?)?,
            id: Snowflake::read(fields.next()?)?,
            token: fields.next()?.to_owned(),
        })
    }
}

impl Reader<'_> {
    /// Whether a message is for us: said to us alone, naming or answering us, or in one of our
    /// channels. `place` is asked only where it decides.
    #[must_use]
    pub fn heeds(&self, message: &Message, place: Option<&Place>) -> bool {
        let by_person = message
            .author
            .as_ref()
            .is_some_and(|a| !a.bot && !a.system && a.id != self.me.user);
        if !by_person || message.webhook_id.is_some() || !WRITTEN.contains(&message.kind) {
            return false;
        }
        self.names_us(message) || place.is_some_and(|place| self.is_ours(message.channel_id, place))
    }

    /// Whether everything in a channel, or in the channel of a thread, is for us.
    #[must_use]
    pub fn is_ours(&self, channel: Snowflake, place: &Place) -> bool {
        match place {
            Place::Dm => true,
            Place::Group => self.channels.contains(&channel),
            Place::Thread { parent } => {
                self.channels.contains(&channel) || self.channels.contains(parent)
            }
        }
    }

    #[must_use]
    pub fn names_us(&self, message: &Message) -> bool {
        let quoted = message.referenced_message.as_ref();
        let quoted = quoted.and_then(|quoted| quoted.author.as_ref());
        message.mentions.iter().any(|user| user.id == self.me.user)
            || quoted.is_some_and(|author| author.id == self.me.user)
    }

    /// A message that [`heeds`](Self::heeds) let through.
    #[must_use]
    pub fn message(&self, message: &Message, place: &Place) -> Inbound {
        let mut event = self.event(
            message.id.to_string(),
            conversation(message.channel_id, place),
            message.id.time(),
            InboundKind::Message,
        );
        if let Some(author) = &message.author {
            event.sender = sender(author, message.member.as_ref());
        }
        event.message_id = Some(message.id.to_string());
        event.parts = self.parts(message);
        let reference = message.message_reference.as_ref();
        let quoted = reference.filter(|reference| reference.kind == 0);
        event.quote = quoted
            .and_then(|reference| reference.message_id)
            .map(|id| id.to_string());
        event.mentions_me = self.names_us(message);
        event
    }

    /// A message that was changed; none where nobody changed it, as when a link in it is looked up.
    #[must_use]
    pub fn edit(&self, message: &Message, place: &Place) -> Option<Inbound> {
        let edited = message.edited_timestamp.as_deref()?;
        let at: jiff::Timestamp = edited.parse().ok()?;
        let mut event = self.message(message, place);
        event.id = format!("{}:edit:{}", message.id, at.as_millisecond());
        event.ts = Timestamp(at.as_millisecond());
        event.kind = InboundKind::Edit;
        Some(event)
    }

    /// Messages that were taken back. Discord does not say by whom.
    pub fn deleted<'b>(
        &'b self,
        deleted: &'b Deleted,
        place: &'b Place,
        now: Timestamp,
    ) -> impl Iterator<Item = Inbound> + 'b {
        deleted.id.iter().chain(&deleted.ids).map(move |id| {
            let mut event = self.event(
                format!("{id}:delete"),
                conversation(deleted.channel_id, place),
                now,
                InboundKind::Delete,
            );
            event.message_id = Some(id.to_string());
            event
        })
    }

    /// A reaction to a message of ours, or in a channel of ours.
    #[must_use]
    pub fn reaction(&self, reaction: &Reaction, place: &Place, now: Timestamp) -> Option<Inbound> {
        let ours = reaction.message_author_id == Some(self.me.user)
            || self.is_ours(reaction.channel_id, place);
        let user = reaction.member.as_ref().and_then(|m| m.user.as_ref());
        if reaction.user_id == self.me.user || user.is_some_and(|u| u.bot) || !ours {
            return None;
        }
        let emoji = reaction.emoji.name.clone()?;
        let mut event = self.event(
            format!("{}:{}:{emoji}", reaction.message_id, reaction.user_id),
            conversation(reaction.channel_id, place),
            now,
            InboundKind::Reaction { emoji },
        );
        event.message_id = Some(reaction.message_id.to_string());
        event.sender.id = reaction.user_id.to_string();
        if let Some(user) = user {
            event.sender = sender(user, reaction.member.as_ref());
        }
        Some(event)
    }

    /// A command or a press, by the gateway or by webhook.
    #[must_use]
    pub fn interaction(&self, asked: &Interaction) -> Asked {
        match asked.kind {
            1 => return Asked::Ping,
            4 => return Asked::Completion,
            2 | 3 => {}
            _ => return Asked::Unknown,
        }
        let member = asked.member.as_ref();
        let user = asked.user.as_ref().or(member.and_then(|m| m.user.as_ref()));
        let channel = asked.channel.as_ref();
        let Some((user, channel_id)) = user.zip(channel.map(|c| c.id).or(asked.channel_id)) else {
            return Asked::Unknown;
        };
        let place = match (channel, asked.guild_id) {
            (Some(channel), _) => Place::of(channel),
            (None, Some(_)) => Place::Group,
            (None, None) => Place::Dm,
        };
        let thinking = asked.kind == 2;
        let kind = if thinking {
            InboundKind::Message
        } else {
            let chosen = asked
                .data
                .values
                .as_deref()
                .and_then(|values| values.first());
            let pressed = chosen.unwrap_or(&asked.data.custom_id);
            let shown = asked.message.iter().flat_map(|message| &message.components);
            InboundKind::Action {
                label: shown
                    .into_iter()
                    .find_map(|part| choice::label(part, pressed)),
                value: choice::read(pressed),
            }
        };
        let at = asked.id.time();
        let mut event = self.event(
            asked.id.to_string(),
            conversation(channel_id, &place),
            at,
            kind,
        );
        event.sender = sender(user, member);
        event.sender.locale = asked.locale.as_deref().map(Locale::new);
        let shown = asked.message.as_ref().map(|message| message.id);
        // A command is its own message, so that its answer can be told from that to another.
        let meant = shown.or(thinking.then_some(asked.id));
        event.message_id = meant.map(|id| id.to_string());
        event.reply_context = Some(ReplyContext {
            token: Ticket::of(asked).write(),
            expires_at: Some(at + ANSWERED_WITHIN),
            uses_left: None,
        });
        if thinking {
            let mut text = format!("/{}", asked.data.name);
            spell(&asked.data.options, &mut text);
            event.parts.push(Part::text(text));
            event.mentions_me = true;
            return Asked::Command(Box::new(event));
        }
        Asked::Press(Box::new(event))
    }

    fn event(
        &self,
        id: String,
        conversation: NativeConversation,
        ts: Timestamp,
        kind: InboundKind,
    ) -> Inbound {
        Inbound {
            id,
            channel: self.account.channel.clone(),
            account: self.account.id.clone(),
            conversation,
            sender: Sender::default(),
            ts,
            kind,
            message_id: None,
            parts: Vec::new(),
            quote: None,
            mentions_me: false,
            album: None,
            reply_context: None,
        }
    }

    fn parts(&self, message: &Message) -> Vec<Part> {
        let mut parts = Vec::new();
        let forwarded = message.message_snapshots.iter().map(|s| &s.message);
        for said in std::iter::once(&message.said).chain(forwarded) {
            let text = self.words(&said.content, &message.mentions);
            if !text.is_empty() {
                parts.push(Part::text(text));
            }
            files(said, &mut parts);
        }
        if parts.is_empty() && !message.said.content.is_empty() {
            // Nothing but our name: that we were called is what they say.
            let me = message.mentions.iter().find(|u| u.id == self.me.user);
            let name = me.map_or("?", User::shown);
            parts.push(Part::text(format!("@{name}")));
        }
        for user in message.mentions.iter().filter(|u| u.id != self.me.user) {
            parts.push(Part::Mention {
                id: user.id.to_string(),
                name: user.shown().to_owned(),
            });
        }
        if parts.is_empty() {
            parts.push(Part::Unsupported {
                native: "a message without words".to_owned(),
            });
        }
        parts
    }

    /// What people see: ids of people are their names, an emoji of the server is its name. Our own
    /// name is how we were called, not what was said.
    fn words(&self, content: &str, mentions: &[User]) -> String {
        let mut words = String::with_capacity(content.len());
        let mut rest = content;
        while let Some(at) = rest.find('<') {
            words.push_str(&rest[..at]);
            rest = &rest[at..];
            let inside = rest.find('>').map(|end| (&rest[1..end], end + 1));
            let Some((shown, length)) = inside.and_then(|(inside, length)| {
                self.mark(inside, mentions).map(|shown| (shown, length))
            }) else {
                words.push('<');
                rest = &rest[1..];
                continue;
            };
            words.push_str(&shown);
            rest = &rest[length..];
        }
        words.push_str(rest);
        words.trim().to_owned()
    }

    /// What stands between `<` and `>`, where it is Discord's: `@ID`, `@!ID`, `:name:ID`.
    fn mark(&self, inside: &str, mentions: &[User]) -> Option<String> {
        if let Some(id) = inside.strip_prefix('@') {
            let id = Snowflake::read(id.strip_prefix('!').unwrap_or(id))?;
            if id == self.me.user {
                return Some(String::new());
            }
            let user = mentions.iter().find(|user| user.id == id)?;
            return Some(format!("@{}", user.shown()));
        }
        let emoji = inside.strip_prefix('a').unwrap_or(inside);
        let (name, id) = emoji.strip_prefix(':')?.split_once(':')?;
        Snowflake::read(id)?;
        Some(format!(":{name}:"))
    }
}

fn conversation(channel: Snowflake, place: &Place) -> NativeConversation {
    let (kind, id, thread) = match place {
        Place::Dm => (ConversationKind::Dm, channel, None),
        Place::Group => (ConversationKind::Group, channel, None),
        Place::Thread { parent } => (ConversationKind::Thread, *parent, Some(channel)),
    };
    NativeConversation {
        kind,
        id: id.to_string(),
        thread: thread.map(|id| id.to_string()),
    }
}

fn sender(user: &User, member: Option<&Member>) -> Sender {
    let nick = member.and_then(|member| member.nick.as_deref());
    Sender {
        id: user.id.to_string(),
        name: Some(nick.unwrap_or(user.shown()).to_owned()),
        is_self: false,
        locale: None,
    }
}

fn files(said: &Said, parts: &mut Vec<Part>) {
    parts.extend(said.attachments.iter().map(attachment));
    parts.extend(said.sticker_items.iter().map(sticker));
    if said.poll.is_some() {
        parts.push(Part::Unsupported {
            native: "poll".to_owned(),
        });
    }
}

fn attachment(file: &Attachment) -> Part {
    let mime = file.content_type.as_deref();
    // `text/plain; charset=utf-8` says more than is asked for.
    let mime = mime.and_then(|mime| mime.split(';').next()).map(str::trim);
    let mime = mime.unwrap_or("application/octet-stream");
    Part::Media(Media {
        media: MediaKind::of_mime(mime),
        reference: file.url.clone(),
        mime: mime.to_owned(),
        name: Some(file.filename.clone()).filter(|name| !name.is_empty()),
        size: file.size,
        alt: file.description.clone(),
    })
}

fn sticker(sticker: &Sticker) -> Part {
    let (ending, host) = match sticker.format_type {
        LOTTIE => {
            return Part::Unsupported {
                native: format!("sticker {}", sticker.name),
            };
        }
        GIF => ("gif", "media.discordapp.net"),
        _ => ("png", "cdn.discordapp.com"),
    };
    Part::Media(Media {
        media: MediaKind::Image,
        reference: format!("https://{host}/stickers/{}.{ending}", sticker.id),
        mime: format!("image/{ending}"),
        name: Some(format!("{}.{ending}", sticker.name)),
        size: None,
        alt: Some(sticker.name.clone()),
    })
}

/// What was given to a command, as one would type it.
fn spell(given: &[Given], text: &mut String) {
    for one in given {
        text.push(' ');
        match &one.value {
            Some(Value::String(value)) => text.push_str(value),
            Some(value) => text.push_str(&value.to_string()),
            None => text.push_str(&one.name),
        }
        spell(&one.options, text);
    }
}

#[cfg(test)]
mod tests;
