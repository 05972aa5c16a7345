//! A message as one call of the Bot API.

use bytes::Bytes;
use serde::Deserialize;
use tandem_channel_kit::{Inbox, InboxError};
use tandem_domain::{
    FileId,
    channel::{Receipt, SendError},
    message::{Choice, Media, MediaKind, Outbound, Part, SendOp},
};
use teloxide::{
    payloads::{
        DeleteMessage, EditMessageReplyMarkup, EditMessageText, SendAnimation, SendAudio,
        SendChatAction, SendDocument, SendMessage, SendPhoto, SendVideo, SendVoice,
    },
    types::{
        ChatAction, ChatId, FileId as NativeFile, InlineKeyboardButton, InlineKeyboardMarkup,
        InputFile, MessageId, ReplyMarkup, ReplyParameters, ThreadId,
    },
};
use url::Url;

use crate::{
    api::{ATTACHED, Api, Failure, result},
    inbound::{chat_and_message, native_id},
};

/// Largest picture that is shown as one; a larger one goes as a file.
const PHOTO_MAX: u64 = 10 << 20;
/// What a row of buttons holds on a phone, in columns of Latin letters.
const ROW: usize = 30;

/// Sends, in one attempt. A group that has become a supergroup is followed to its new id: under
/// the old one nothing was taken.
pub(crate) async fn send(
    api: &Api,
    inbox: Option<&Inbox>,
    message: &Outbound,
) -> Result<Receipt, SendError> {
    let to = To::new(message)?;
    let what = What::new(inbox, message).await?;
    let sent = match attempt(api, &to, &what).await {
        Err(Failure::Moved(id)) => {
            let chat = ChatId(id);
            attempt(api, &To { chat, ..to }, &what).await
        }
        sent => sent,
    };
    Ok(sent?)
}

/// Where it goes, and what goes with it whatever it is.
struct To {
    chat: ChatId,
    thread: Option<ThreadId>,
    quote: Option<ReplyParameters>,
    markup: Option<InlineKeyboardMarkup>,
}

/// What is done there.
enum What {
    Typing,
    Delete(MessageId),
    EditText(MessageId, String),
    /// Only the buttons change.
    EditChoices(MessageId),
    Text(String),
    File(Shape, File),
}

/// How Telegram shows a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Photo,
    Animation,
    Video,
    Voice,
    Audio,
    Document,
}

enum File {
    /// Telegram fetches it.
    Web(Url),
    /// Telegram has it.
    Theirs(NativeFile),
    Ours {
        name: String,
        mime: String,
        bytes: Bytes,
    },
}

impl To {
    fn new(message: &Outbound) -> Result<Self, SendError> {
        let native = &message.conversation;
        let nowhere = || refused("conversation", "this is no chat of Telegram");
        let chat = native.id.parse().map_err(|_| nowhere())?;
        let thread = match &native.thread {
            Some(thread) => Some(ThreadId(MessageId(thread.parse().map_err(|_| nowhere())?))),
            None => None,
        };
        let quote = message.content.quote.as_deref().and_then(chat_and_message);
        Ok(Self {
            chat: ChatId(chat),
            thread,
            quote: quote
                .filter(|(quoted, _)| *quoted == chat)
                // It may be gone; what we say of it is worth saying.
                .map(|(_, id)| ReplyParameters::new(MessageId(id)).allow_sending_without_reply()),
            markup: keyboard(&message.content.choices),
        })
    }
}

impl What {
    async fn new(inbox: Option<&Inbox>, message: &Outbound) -> Result<Self, SendError> {
        let content = &message.content;
        let target = |id: &str| {
            let id = chat_and_message(id).map(|(_, id)| MessageId(id));
            id.ok_or_else(|| refused("message", "this is no message of Telegram"))
        };
        let text = || with_links(content.plain(), &content.choices);
        match &message.op {
            SendOp::Typing => return Ok(Self::Typing),
            SendOp::Delete { id } => return Ok(Self::Delete(target(id)?)),
            SendOp::Edit { id } if content.parts.is_empty() => {
                return Ok(Self::EditChoices(target(id)?));
            }
            SendOp::Edit { id } => return Ok(Self::EditText(target(id)?, text())),
            SendOp::Session { .. } => {
                return Err(refused("unsupported", "Telegram keeps no such state"));
            }
            SendOp::Send => {}
        }
        match content.parts.as_slice() {
            [Part::Media(media)] => Self::media(inbox, media).await,
            _ => match text() {
                text if text.trim().is_empty() => {
                    Err(refused("empty", "nothing of this message can be shown"))
                }
                text => Ok(Self::Text(text)),
            },
        }
    }

    async fn media(inbox: Option<&Inbox>, media: &Media) -> Result<Self, SendError> {
        if let Some(id) = media.reference.strip_prefix("file:") {
            let id: FileId = id
                .parse()
                .map_err(|_| refused("media", "this is no stored file"))?;
            let later = |text: String| SendError::Transient(text.into());
            let inbox = inbox.ok_or_else(|| later("the channel has not begun".to_owned()))?;
            let found = inbox.load_file(id).await;
            let found = found.map_err(|error: InboxError| later(error.to_string()))?;
            let file = found.ok_or_else(|| refused("media", "the file is gone"))?;
            let shape = shape(media.media, &file.row.mime, Some(file.row.size));
            return Ok(Self::File(
                shape,
                File::Ours {
                    name: file.row.name,
                    mime: file.row.mime,
                    bytes: file.bytes,
                },
            ));
        }
        let web = Url::parse(&media.reference).ok();
        let Some(url) = web.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            let file = File::Theirs(NativeFile(media.reference.clone()));
            return Ok(Self::File(
                shape(media.media, &media.mime, media.size),
                file,
            ));
        };
        let shape = shape(media.media, &media.mime, media.size);
        // Telegram fetches only these as files; of others the customer gets the address.
        let fetched = ["application/pdf", "application/zip", "image/gif"];
        if shape == Shape::Document && !fetched.contains(&media.mime.as_str()) {
            let name = media.alt.as_deref().or(media.name.as_deref());
            return Ok(Self::Text(match name {
                Some(name) => format!("{name}: {url}"),
                None => url.to_string(),
            }));
        }
        Ok(Self::File(shape, File::Web(url)))
    }
}

/// Only what Telegram plays is sent as such; the rest is a file.
fn shape(kind: MediaKind, mime: &str, size: Option<u64>) -> Shape {
    let large = size.is_some_and(|size| size > PHOTO_MAX);
    match (kind, mime) {
        (MediaKind::Image, "image/gif") => Shape::Animation,
        (MediaKind::Image, "image/jpeg" | "image/png" | "image/webp" | "image/*") if !large => {
            Shape::Photo
        }
        (MediaKind::Video, "video/mp4" | "video/*") => Shape::Video,
        (MediaKind::Audio, "audio/ogg" | "audio/opus") => Shape::Voice,
        (
            MediaKind::Audio,
            "audio/mpeg" | "audio/mp3" | "audio/mp4" | "audio/m4a" | "audio/x-m4a" | "audio/*",
        ) => Shape::Audio,
        _ => Shape::Document,
    }
}

fn refused(code: &str, message: &str) -> SendError {
    SendError::Rejected {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// The address of a choice that is a link, where it can be one.
fn link(choice: &Choice) -> Option<Result<Url, &str>> {
    let url = choice.url.as_deref()?;
    Some(Url::parse(url).map_err(|_| url))
}

/// As many buttons in a row as a phone shows whole.
fn keyboard(choices: &[Choice]) -> Option<InlineKeyboardMarkup> {
    let mut rows: Vec<Vec<InlineKeyboardButton>> = Vec::new();
    let mut room = 0;
    for choice in choices {
        let button = match link(choice) {
            Some(Ok(url)) => InlineKeyboardButton::url(&choice.label, url),
            Some(Err(_)) => continue,
            None => InlineKeyboardButton::callback(&choice.label, &choice.value),
        };
        let width = choice.label.chars().map(columns).sum::<usize>() + 3;
        match rows.last_mut() {
            Some(row) if width <= room => {
                room -= width;
                row.push(button);
            }
            _ => {
                room = ROW.saturating_sub(width);
                rows.push(vec![button]);
            }
        }
    }
    (!rows.is_empty()).then(|| InlineKeyboardMarkup::new(rows))
}

/// Chinese and its neighbours are twice as wide as Latin.
fn columns(c: char) -> usize {
    if c < '\u{1100}' { 1 } else { 2 }
}

/// Links that are no addresses are said in words.
fn with_links(mut text: String, choices: &[Choice]) -> String {
    for choice in choices {
        if let Some(Err(url)) = link(choice) {
            text.push_str(&format!("\n{}: {url}", choice.label));
        }
    }
    text
}

/// Puts what goes with every message on a payload.
macro_rules! addressed {
    ($payload:expr, $to:expr) => {{
        let mut payload = $payload;
        payload.message_thread_id = $to.thread;
        payload.reply_parameters = $to.quote.clone();
        payload.reply_markup = $to.markup.clone().map(ReplyMarkup::InlineKeyboard);
        payload
    }};
}

async fn attempt(api: &Api, to: &To, what: &What) -> Result<Receipt, Failure> {
    let chat = to.chat;
    let (answer, changed) = match what {
        What::Typing => {
            let mut payload = SendChatAction::new(chat, ChatAction::Typing);
            payload.message_thread_id = to.thread;
            api.call(&payload).await?;
            return Ok(Receipt::default());
        }
        What::Delete(id) => {
            let deleted = api.call(&DeleteMessage::new(chat, *id)).await;
            (
                deleted.or_else(|failure| as_wished(failure, "message to delete not found")),
                Some(*id),
            )
        }
        What::EditText(id, text) => {
            let mut payload = EditMessageText::new(chat, *id, text);
            payload.reply_markup.clone_from(&to.markup);
            (unless_same(api.call(&payload).await), Some(*id))
        }
        What::EditChoices(id) => {
            let mut payload = EditMessageReplyMarkup::new(chat, *id);
            payload.reply_markup.clone_from(&to.markup);
            (unless_same(api.call(&payload).await), Some(*id))
        }
        What::Text(text) => {
            let payload = addressed!(SendMessage::new(chat, text), to);
            (api.call(&payload).await, None)
        }
        What::File(shape, file) => (send_file(api, to, *shape, file).await, None),
    };
    let answer = answer?;
    let ids = match changed {
        Some(MessageId(id)) => Some(native_id(chat.0, id)),
        None => result(&answer).ok().map(|sent: Sent| {
            let chat = sent.chat.map_or(chat.0, |chat| chat.id);
            native_id(chat, sent.message_id)
        }),
    };
    Ok(Receipt {
        native_ids: ids.into_iter().collect(),
    })
}

/// What we ask of a message that Telegram took.
#[derive(Deserialize)]
struct Sent {
    message_id: i32,
    #[serde(default)]
    chat: Option<Chat>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
}

/// A refusal that says that it is so already.
fn as_wished(failure: Failure, words: &str) -> Result<Bytes, Failure> {
    match failure.words().starts_with(words) {
        true => Ok(Bytes::new()),
        false => Err(failure),
    }
}

fn unless_same(edited: Result<Bytes, Failure>) -> Result<Bytes, Failure> {
    edited.or_else(|failure| as_wished(failure, "message is not modified"))
}

async fn send_file(api: &Api, to: &To, shape: Shape, file: &File) -> Result<Bytes, Failure> {
    let input = match file {
        File::Web(url) => InputFile::url(url.clone()),
        File::Theirs(id) => InputFile::file_id(id.clone()),
        File::Ours { .. } => {
            let attached = Url::parse(&format!("attach://{ATTACHED}"));
            InputFile::url(attached.expect("this is an address"))
        }
    };
    macro_rules! sent {
        ($payload:ident) => {{
            let payload = addressed!($payload::new(to.chat, input), to);
            match file {
                File::Ours { name, mime, bytes } => api.upload(&payload, name, mime, bytes).await,
                _ => api.call(&payload).await,
            }
        }};
    }
    match shape {
        Shape::Photo => sent!(SendPhoto),
        Shape::Animation => sent!(SendAnimation),
        Shape::Video => sent!(SendVideo),
        Shape::Voice => sent!(SendVoice),
        Shape::Audio => sent!(SendAudio),
        Shape::Document => sent!(SendDocument),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(labels: &[&str]) -> Vec<usize> {
        let choices: Vec<Choice> = labels
            .iter()
            .map(|label| Choice {
                label: (*label).to_owned(),
                value: (*label).to_owned(),
                url: None,
            })
            .collect();
        let markup = keyboard(&choices).unwrap();
        markup.inline_keyboard.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_row_holds_what_a_phone_shows_whole() {
        assert_eq!(rows(&["Yes", "No"]), [2]);
        assert_eq!(rows(&["Track my parcel", "Send it back", "Other"]), [1, 2]);
        assert_eq!(rows(&["查询我的订单物流", "退货", "其他"]), [2, 1]);
        assert_eq!(rows(&[&"long ".repeat(20), "No"]), [1, 1]);
        assert!(keyboard(&[]).is_none());
    }

    #[test]
    fn what_telegram_does_not_play_goes_as_a_file() {
        let shape = |kind, mime| super::shape(kind, mime, Some(1000));
        assert_eq!(shape(MediaKind::Image, "image/png"), Shape::Photo);
        assert_eq!(shape(MediaKind::Image, "image/svg+xml"), Shape::Document);
        assert_eq!(shape(MediaKind::Image, "image/gif"), Shape::Animation);
        assert_eq!(shape(MediaKind::Audio, "audio/ogg"), Shape::Voice);
        assert_eq!(shape(MediaKind::Audio, "audio/wav"), Shape::Document);
        assert_eq!(shape(MediaKind::Video, "video/webm"), Shape::Document);
        let large = super::shape(MediaKind::Image, "image/png", Some(PHOTO_MAX + 1));
        assert_eq!(large, Shape::Document);
    }

    #[test]
    fn a_link_that_is_none_is_said_in_words() {
        let choice = Choice {
            label: "Track".to_owned(),
            value: String::new(),
            url: Some("shop/track".to_owned()),
        };
        assert!(keyboard(std::slice::from_ref(&choice)).is_none());
        assert_eq!(
            with_links("Here".to_owned(), &[choice]),
            "Here\nTrack: shop/track"
        );
    }
}
