//! An update as an event.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tandem_channel_kit::Account;
use tandem_domain::{
    Locale, Timestamp,
    message::{
        ConversationKind, Inbound, InboundKind, Media, MediaKind, NativeConversation, Part, Sender,
    },
};
use teloxide::types::{
    AllowedUpdate, CallbackQuery, Chat, ChatMemberKind, ChatMemberUpdated, FileMeta,
    InlineKeyboardButtonKind, InlineKeyboardMarkup, MediaKind as Native, Message, MessageCommon,
    MessageEntity, MessageEntityKind, MessageId, MessageKind, MessageReactionUpdated, ReactionType,
    ThreadId, User,
};

/// What we ask Telegram for; it sends nothing else.
pub const ALLOWED: [AllowedUpdate; 5] = [
    AllowedUpdate::Message,
    AllowedUpdate::EditedMessage,
    AllowedUpdate::CallbackQuery,
    AllowedUpdate::MessageReaction,
    AllowedUpdate::MyChatMember,
];

/// Nesting of an update. Telegram's own reach a dozen; teloxide's reader takes much more room for
/// each level than serde's own limit allows for.
const DEPTH_MAX: usize = 32;

/// Telegram's own account, which brings what a linked channel posts into its group.
const SERVICE: u64 = 777_000;

/// One update.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// None where even that cannot be read.
    pub id: Option<i32>,
    pub says: Says,
    /// A button was pressed, and its spinner turns until this is answered.
    pub press: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Says {
    Event(Box<Inbound>),
    /// Nothing that anybody here waits for.
    Nothing,
    /// Why it was not understood.
    Unknown(&'static str),
}

/// Whose updates are read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub account: &'a Account,
    /// The bot's id.
    pub bot: u64,
    /// The bot's name, without the `@`; none as long as Telegram has not said it.
    pub username: Option<&'a str>,
    pub now: Timestamp,
}

/// Names a message among all chats.
#[must_use]
pub fn native_id(chat: i64, message: i32) -> String {
    format!("{chat}:{message}")
}

/// The way back.
#[must_use]
pub fn chat_and_message(native: &str) -> Option<(i64, i32)> {
    let (chat, message) = native.split_once(':')?;
    Some((chat.parse().ok()?, message.parse().ok()?))
}

impl Reader<'_> {
    /// Reads one update as it came.
    #[must_use]
    pub fn read(&self, body: &[u8]) -> Update {
        let mut fields = match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            _ => return Update::unknown(None, "it is no JSON object"),
        };
        let id = fields.remove("update_id");
        let Some(id) = id.and_then(|id| i32::try_from(id.as_i64()?).ok()) else {
            return Update::unknown(None, "it has no update_id");
        };
        let mut update = Update {
            id: Some(id),
            says: Says::Nothing,
            press: None,
        };
        if !fields.values().all(|value| is_shallow(value, DEPTH_MAX)) {
            update.says = Says::Unknown("it is nested too deeply");
            return update;
        }
        update.says = if let Some(message) = fields.remove("message") {
            read(message, |message| self.message(&message, false))
        } else if let Some(message) = fields.remove("edited_message") {
            read(message, |message| self.message(&message, true))
        } else if let Some(query) = fields.remove("callback_query") {
            update.press = query.get("id").and_then(Value::as_str).map(str::to_owned);
            read(query, |query| self.press(&query))
        } else if let Some(reaction) = fields.remove("message_reaction") {
            // teloxide panics where nobody is named; an anonymous one is nobody to us.
            match reaction.get("user") {
                Some(Value::Object(_)) => read(reaction, |reaction| self.reaction(&reaction)),
                _ => Says::Nothing,
            }
        } else if let Some(member) = fields.remove("my_chat_member") {
            read(member, |member| self.member(&member))
        } else {
            other(&fields)
        };
        if let Says::Event(event) = &mut update.says {
            event.id = id.to_string();
        }
        update
    }

    fn message(&self, message: &Message, edited: bool) -> Says {
        if message.chat.is_channel() {
            return Says::Nothing;
        }
        let Some(sender) = self.sender_of(message) else {
            return Says::Nothing;
        };
        let common = match &message.kind {
            MessageKind::Common(common) => common,
            MessageKind::Dice(_) => {
                let parts = vec![unsupported("dice")];
                return self.event(message, sender, InboundKind::Message, parts);
            }
            MessageKind::Empty {} => return Says::Unknown("a message of no known kind"),
            // What Telegram tells of the chat itself.
            _ => return Says::Nothing,
        };
        if common.is_automatic_forward {
            return Says::Nothing;
        }
        if let Native::Migration(migration) = &common.media_kind {
            let kind = InboundKind::System {
                name: "migrate".to_owned(),
                data: json!(migration),
            };
            return self.event(message, sender, kind, Vec::new());
        }
        let mut parts = Vec::new();
        let entities = contents(&common.media_kind, &mut parts);
        let kind = match edited {
            true => InboundKind::Edit,
            false => InboundKind::Message,
        };
        let mut mentioned = self.is_mine(common.reply_to_message.as_deref());
        if let Some((text, entities)) = entities {
            mentioned |= self.is_mentioned(text, entities);
            let text = match self.command(text, entities) {
                Some(text) => text,
                None => text.to_owned(),
            };
            if !text.is_empty() {
                parts.push(Part::Text { text });
            }
        }
        if parts.is_empty() {
            return Says::Nothing;
        }
        let mut says = self.event(message, sender, kind, parts);
        if let Says::Event(event) = &mut says {
            event.mentions_me = mentioned;
            event.quote = quoted(message, common);
            if !edited {
                event.album = message.media_group_id().map(|id| id.0.clone());
            }
            if let (true, Some(at)) = (edited, common.edit_date) {
                event.ts = Timestamp(at.timestamp_millis());
            }
        }
        says
    }

    /// Who wrote; none where it is nobody to talk to.
    fn sender_of(&self, message: &Message) -> Option<Sender> {
        let from = message.from.as_ref()?;
        if let Some(chat) = &message.sender_chat {
            // An administrator who writes as the group.
            return (from.id.0 != SERVICE).then(|| Sender {
                id: chat.id.0.to_string(),
                name: chat.title().map(str::to_owned),
                ..Sender::default()
            });
        }
        let mine = from.id.0 == self.bot;
        // Two bots that answer each other never end.
        (mine || !from.is_bot).then(|| self.sender(from))
    }

    fn sender(&self, user: &User) -> Sender {
        Sender {
            id: user.id.0.to_string(),
            name: Some(user.full_name()),
            is_self: user.id.0 == self.bot,
            locale: user.language_code.as_deref().map(Locale::new),
        }
    }

    fn event(
        &self,
        message: &Message,
        sender: Sender,
        kind: InboundKind,
        parts: Vec<Part>,
    ) -> Says {
        let native = conversation(&message.chat, topic(message));
        let mut event = self.blank(native, sender, message.date.timestamp_millis(), kind);
        event.message_id = Some(native_id(message.chat.id.0, message.id.0));
        event.parts = parts;
        Says::Event(Box::new(event))
    }

    fn blank(
        &self,
        conversation: NativeConversation,
        sender: Sender,
        ts: i64,
        kind: InboundKind,
    ) -> Inbound {
        Inbound {
            id: String::new(),
            channel: self.account.channel.clone(),
            account: self.account.id.clone(),
            conversation,
            sender,
            ts: Timestamp(ts),
            kind,
            message_id: None,
            parts: Vec::new(),
            quote: None,
            mentions_me: false,
            album: None,
            reply_context: None,
        }
    }

    fn press(&self, query: &CallbackQuery) -> Says {
        // A press under a message sent by inline mode belongs to no conversation of ours.
        let (Some(under), Some(value)) = (&query.message, &query.data) else {
            return Says::Nothing;
        };
        let message = under.regular_message();
        let markup = message.and_then(Message::reply_markup);
        let kind = InboundKind::Action {
            value: value.clone(),
            label: markup.and_then(|markup| label(markup, value)),
        };
        let native = conversation(under.chat(), message.and_then(topic));
        let mut event = self.blank(native, self.sender(&query.from), self.now.0, kind);
        event.message_id = Some(native_id(under.chat().id.0, under.id().0));
        Says::Event(Box::new(event))
    }

    /// Only what was added is said; a reaction taken back says nothing.
    fn reaction(&self, reaction: &MessageReactionUpdated) -> Says {
        let added = reaction
            .new_reaction
            .iter()
            .filter(|new| !reaction.old_reaction.contains(new))
            .find_map(|new| match new {
                ReactionType::Emoji { emoji } => Some(emoji.clone()),
                _ => None,
            });
        let (Some(emoji), Some(user)) = (added, reaction.actor.user()) else {
            return Says::Nothing;
        };
        let native = conversation(&reaction.chat, None);
        let ts = reaction.date.timestamp_millis();
        let kind = InboundKind::Reaction { emoji };
        let mut event = self.blank(native, self.sender(user), ts, kind);
        event.message_id = Some(native_id(reaction.chat.id.0, reaction.message_id.0));
        Says::Event(Box::new(event))
    }

    /// The bot was blocked, or let in again; in groups, taken in or put out.
    fn member(&self, change: &ChatMemberUpdated) -> Says {
        let is_in = |kind: &ChatMemberKind| match kind {
            ChatMemberKind::Left | ChatMemberKind::Banned(_) => false,
            ChatMemberKind::Restricted(restricted) => restricted.is_member,
            _ => true,
        };
        let (before, after) = (
            is_in(&change.old_chat_member.kind),
            is_in(&change.new_chat_member.kind),
        );
        if before == after || change.chat.is_channel() {
            return Says::Nothing;
        }
        let name = match (change.chat.is_private(), after) {
            (true, true) => "follow",
            (true, false) => "unfollow",
            (false, true) => "join",
            (false, false) => "leave",
        };
        let kind = InboundKind::System {
            name: name.to_owned(),
            data: Value::Null,
        };
        let native = conversation(&change.chat, None);
        let ts = change.date.timestamp_millis();
        let event = self.blank(native, self.sender(&change.from), ts, kind);
        Says::Event(Box::new(event))
    }

    fn is_mine(&self, message: Option<&Message>) -> bool {
        let from = message.and_then(|message| message.from.as_ref());
        from.is_some_and(|from| from.id.0 == self.bot)
    }

    fn is_mentioned(&self, text: &str, entities: &[MessageEntity]) -> bool {
        entities.iter().any(|entity| match &entity.kind {
            MessageEntityKind::Mention | MessageEntityKind::BotCommand => {
                slice(text, entity).is_some_and(|words| self.is_me(words))
            }
            MessageEntityKind::TextMention { user } => user.id.0 == self.bot,
            _ => false,
        })
    }

    /// `@name` or `/command@name`.
    fn is_me(&self, words: &str) -> bool {
        let named = words.split_once('@').map(|(_, name)| name);
        matches!((named, self.username), (Some(name), Some(own)) if name.eq_ignore_ascii_case(own))
    }

    /// A text that begins with a command for this bot by name, as groups write it, without the
    /// name: `/order@shop_bot A-1001` is `/order A-1001`.
    fn command(&self, text: &str, entities: &[MessageEntity]) -> Option<String> {
        let first = entities.first().filter(|entity| {
            entity.offset == 0 && matches!(entity.kind, MessageEntityKind::BotCommand)
        })?;
        let words = slice(text, first).filter(|words| self.is_me(words))?;
        let (command, _) = words.split_once('@')?;
        Some(format!("{command}{}", &text[words.len()..]))
    }
}

impl Update {
    fn unknown(id: Option<i32>, why: &'static str) -> Self {
        Self {
            id,
            says: Says::Unknown(why),
            press: None,
        }
    }
}

fn is_shallow(value: &Value, left: usize) -> bool {
    let Some(left) = left.checked_sub(1) else {
        return false;
    };
    match value {
        Value::Array(items) => items.iter().all(|item| is_shallow(item, left)),
        Value::Object(fields) => fields.values().all(|field| is_shallow(field, left)),
        _ => true,
    }
}

fn read<T: DeserializeOwned>(value: Value, meaning: impl FnOnce(T) -> Says) -> Says {
    match T::deserialize(value) {
        Ok(read) => meaning(read),
        Err(_) => Says::Unknown("it has a form that this version does not know"),
    }
}

/// A kind of update that we did not ask for: it may come from before we said what we ask for.
fn other(fields: &Map<String, Value>) -> Says {
    let known = |name: &String| AllowedUpdate::deserialize(json!(name)).is_ok();
    match fields.keys().any(known) {
        true => Says::Nothing,
        false => Says::Unknown("a kind of update that this version does not know"),
    }
}

fn conversation(chat: &Chat, topic: Option<ThreadId>) -> NativeConversation {
    NativeConversation {
        kind: match (topic, chat.is_private()) {
            (Some(_), _) => ConversationKind::Thread,
            (None, true) => ConversationKind::Dm,
            (None, false) => ConversationKind::Group,
        },
        id: chat.id.0.to_string(),
        thread: topic.map(|ThreadId(MessageId(id))| id.to_string()),
    }
}

/// The topic of a forum. Where there are no topics, a thread is only who answered whom.
fn topic(message: &Message) -> Option<ThreadId> {
    message.thread_id.filter(|_| message.is_topic_message)
}

/// The message this one answers. In a topic everything answers its first message, by Telegram's
/// way of keeping it together.
fn quoted(message: &Message, common: &MessageCommon) -> Option<String> {
    let to = common.reply_to_message.as_ref()?;
    let opens = matches!(to.kind, MessageKind::ForumTopicCreated(_));
    (!opens).then(|| native_id(message.chat.id.0, to.id.0))
}

/// What stands on the button that carries this value.
fn label(markup: &InlineKeyboardMarkup, value: &str) -> Option<String> {
    markup
        .inline_keyboard
        .iter()
        .flatten()
        .find(|button| {
            matches!(&button.kind, InlineKeyboardButtonKind::CallbackData(data) if data == value)
        })
        .map(|button| button.text.clone())
}

/// Adds what a message holds beside text, and gives its text with what Telegram found in it.
fn contents<'a>(
    native: &'a Native,
    parts: &mut Vec<Part>,
) -> Option<(&'a str, &'a [MessageEntity])> {
    let caption = |text: &'a Option<String>, entities: &'a Vec<MessageEntity>| {
        Some((text.as_deref()?, entities.as_slice()))
    };
    match native {
        Native::Text(text) => return Some((text.text.as_str(), text.entities.as_slice())),
        Native::Photo(photo) => {
            // The same picture in several sizes.
            let largest = photo
                .photo
                .iter()
                .max_by_key(|size| u64::from(size.width) * u64::from(size.height));
            parts.extend(
                largest.map(|size| media(MediaKind::Image, &size.file, "image/jpeg", None)),
            );
            return caption(&photo.caption, &photo.caption_entities);
        }
        Native::Document(document) => {
            let own = &document.document;
            let mime = own.mime_type.as_ref().map(ToString::to_string);
            let mime = mime.as_deref().unwrap_or("application/octet-stream");
            let name = own.file_name.as_deref();
            parts.push(media(MediaKind::of_mime(mime), &own.file, mime, name));
            return caption(&document.caption, &document.caption_entities);
        }
        Native::Voice(voice) => {
            let mime = voice.voice.mime_type.as_ref().map(ToString::to_string);
            let mime = mime.as_deref().unwrap_or("audio/ogg");
            parts.push(media(MediaKind::Audio, &voice.voice.file, mime, None));
            return caption(&voice.caption, &voice.caption_entities);
        }
        Native::Audio(audio) => {
            let own = &audio.audio;
            let mime = own.mime_type.as_ref().map(ToString::to_string);
            let mime = mime.as_deref().unwrap_or("audio/mpeg");
            let name = own.file_name.as_deref().or(own.title.as_deref());
            parts.push(media(MediaKind::Audio, &own.file, mime, name));
            return caption(&audio.caption, &audio.caption_entities);
        }
        Native::Video(video) => {
            let own = &video.video;
            let mime = own.mime_type.as_ref().map(ToString::to_string);
            let mime = mime.as_deref().unwrap_or("video/mp4");
            let name = own.file_name.as_deref();
            parts.push(media(MediaKind::Video, &own.file, mime, name));
            return caption(&video.caption, &video.caption_entities);
        }
        Native::Animation(animation) => {
            let own = &animation.animation;
            let mime = own.mime_type.as_ref().map(ToString::to_string);
            let mime = mime.as_deref().unwrap_or("video/mp4");
            let name = own.file_name.as_deref();
            parts.push(media(MediaKind::of_mime(mime), &own.file, mime, name));
            return caption(&animation.caption, &animation.caption_entities);
        }
        Native::VideoNote(note) => {
            let file = &note.video_note.file;
            parts.push(media(MediaKind::Video, file, "video/mp4", None));
        }
        // A picture of nothing: what counts is the feeling.
        Native::Sticker(sticker) => parts.push(match &sticker.sticker.emoji {
            Some(emoji) => unsupported(&format!("sticker {emoji}")),
            None => unsupported("sticker"),
        }),
        Native::Location(location) => parts.push(Part::Location {
            lat: location.location.latitude,
            lon: location.location.longitude,
            name: None,
        }),
        Native::Venue(venue) => {
            let venue = &venue.venue;
            parts.push(Part::Location {
                lat: venue.location.latitude,
                lon: venue.location.longitude,
                name: Some(format!("{}, {}", venue.title, venue.address)),
            });
        }
        // As text, so that whoever asked for a number finds it.
        Native::Contact(contact) => {
            let contact = &contact.contact;
            let last = contact.last_name.as_deref().unwrap_or_default();
            let words = [&contact.first_name, last, &contact.phone_number];
            let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
            parts.push(Part::text(words.join(" ")));
        }
        Native::Poll(_) => parts.push(unsupported("poll")),
        Native::Checklist(_) => parts.push(unsupported("checklist")),
        Native::Story(_) => parts.push(unsupported("story")),
        Native::Game(_) => parts.push(unsupported("game")),
        Native::PaidMedia(_) => parts.push(unsupported("paid media")),
        Native::Migration(_) => {}
    }
    None
}

fn unsupported(native: &str) -> Part {
    Part::Unsupported {
        native: native.to_owned(),
    }
}

fn media(kind: MediaKind, file: &FileMeta, mime: &str, name: Option<&str>) -> Part {
    Part::Media(Media {
        media: kind,
        reference: file.id.0.clone(),
        mime: mime.to_owned(),
        name: name.map(str::to_owned),
        // teloxide's word for "Telegram did not say".
        size: (file.size != u32::MAX).then(|| u64::from(file.size)),
        alt: None,
    })
}

/// The piece of a text that an entity covers; offsets are counted as UTF-16 does.
fn slice<'a>(text: &'a str, entity: &MessageEntity) -> Option<&'a str> {
    let at = |units: usize| {
        let mut seen = 0;
        for (at, c) in text.char_indices() {
            if seen >= units {
                return Some(at);
            }
            seen += c.len_utf16();
        }
        (seen >= units).then_some(text.len())
    };
    let end = entity.offset.checked_add(entity.length)?;
    text.get(at(entity.offset)?..at(end)?)
}

#[cfg(test)]
mod tests;
