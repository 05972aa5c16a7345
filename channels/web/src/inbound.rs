//! What a browser sends, as events for the inbox.

use serde::Deserialize;
use serde_json::json;
use tandem_channel_kit::Account;
use tandem_domain::{
    Locale, Timestamp,
    message::{Inbound, InboundKind, Media, MediaKind, Part, Sender},
};
use uuid::Uuid;

use crate::{
    Shared,
    signature::{Identity, Keys, Visitor},
};

/// Files that one message may carry.
const FILES_MAX: usize = 10;

/// A frame from the widget.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Frame {
    /// The first frame of every socket. `after` is the last line the widget has.
    Hello {
        token: String,
        #[serde(default)]
        after: Option<String>,
    },
    Message(Said),
    Action(Pressed),
    Typing,
    Page(Page),
    /// Everything up to this line was seen.
    Read {
        id: String,
    },
    Ping,
}

/// What a visitor writes. `client_id` is theirs to choose, once a message: repeating it is
/// repeating the same message.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Said {
    pub client_id: String,
    #[serde(default)]
    pub text: Option<String>,
    /// References that uploading gave.
    #[serde(default)]
    pub files: Vec<String>,
    #[serde(default)]
    pub action: Option<Press>,
    #[serde(default)]
    pub locale: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Press {
    pub value: String,
    #[serde(default)]
    pub label: Option<String>,
}

/// A pressed button, as a frame.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Pressed {
    pub client_id: String,
    #[serde(flatten)]
    pub press: Press,
    #[serde(default)]
    pub locale: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Page {
    pub url: String,
    #[serde(default)]
    pub seconds: u32,
    #[serde(default)]
    pub locale: Option<String>,
}

/// Why a frame or a request was not taken; said to the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this is not a frame of the protocol")]
    BadFrame,
    #[error("client_id must be 1 to 64 letters, digits, '-', '_', '.' or ':'")]
    BadClientId,
    #[error("there is nothing in it")]
    Empty,
    #[error("the text is longer than {0} bytes")]
    TooLong(usize),
    #[error("a file is not an upload of this conversation")]
    BadFile,
    #[error("more than {FILES_MAX} files")]
    TooManyFiles,
    #[error("the address is not a web page's")]
    BadPage,
}

impl Refusal {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BadFrame => "bad_frame",
            Self::BadClientId => "bad_client_id",
            Self::Empty => "empty",
            Self::TooLong(_) => "too_long",
            Self::BadFile => "bad_file",
            Self::TooManyFiles => "too_many_files",
            Self::BadPage => "bad_page",
        }
    }
}

impl From<Pressed> for Said {
    fn from(pressed: Pressed) -> Self {
        Self {
            client_id: pressed.client_id,
            action: Some(pressed.press),
            locale: pressed.locale,
            ..Self::default()
        }
    }
}

/// Reads a frame.
///
/// # Errors
/// [`Refusal::BadFrame`] for anything else.
pub fn frame(text: &str) -> Result<Frame, Refusal> {
    serde_json::from_str(text).map_err(|_| Refusal::BadFrame)
}

/// Makes the events of one visitor.
pub struct Decoder<'a> {
    pub account: &'a Account,
    pub keys: &'a Keys,
    pub visitor: &'a Visitor,
    pub text_max: usize,
    pub now: Timestamp,
}

impl Decoder<'_> {
    /// # Errors
    /// See [`Refusal`].
    pub fn said(&self, said: Said) -> Result<Inbound, Refusal> {
        if !is_client_id(&said.client_id) {
            return Err(Refusal::BadClientId);
        }
        let locale = said.locale.as_deref().and_then(locale);
        if let Some(press) = said.action {
            if press.value.is_empty() {
                return Err(Refusal::Empty);
            }
            if press.value.len() > 2048 || press.label.as_ref().is_some_and(|l| l.len() > 2048) {
                return Err(Refusal::TooLong(2048));
            }
            let kind = InboundKind::Action {
                value: press.value,
                label: press.label,
            };
            return Ok(self.event(&said.client_id, kind, Vec::new(), locale));
        }
        let mut parts = Vec::new();
        if let Some(text) = said.text.filter(|t| !t.trim().is_empty()) {
            if text.len() > self.text_max {
                return Err(Refusal::TooLong(self.text_max));
            }
            parts.push(Part::Text { text });
        }
        if said.files.len() > FILES_MAX {
            return Err(Refusal::TooManyFiles);
        }
        let lane =
            Shared::conversation(&self.visitor.id).lane(&self.account.workspace, &self.account.id);
        for file in &said.files {
            let upload = self.keys.upload(file, lane).map_err(|_| Refusal::BadFile)?;
            parts.push(Part::Media(Media {
                media: MediaKind::of_mime(&upload.mime),
                reference: format!("file:{}", upload.id),
                mime: upload.mime,
                name: Some(upload.name),
                size: Some(upload.size),
                alt: None,
            }));
        }
        if parts.is_empty() {
            return Err(Refusal::Empty);
        }
        Ok(self.event(&said.client_id, InboundKind::Message, parts, locale))
    }

    /// # Errors
    /// [`Refusal::BadPage`].
    pub fn page(&self, page: &Page) -> Result<Inbound, Refusal> {
        let web = page.url.starts_with("https://") || page.url.starts_with("http://");
        if !web || page.url.len() > 2048 {
            return Err(Refusal::BadPage);
        }
        // What stands after '#' is the page's own business.
        let url = page.url.split('#').next().unwrap_or_default();
        let kind = InboundKind::System {
            name: "page".to_owned(),
            data: json!({"url": url, "seconds": page.seconds}),
        };
        let locale = page.locale.as_deref().and_then(locale);
        Ok(self.event(&Uuid::now_v7().to_string(), kind, Vec::new(), locale))
    }

    /// The business says who the visitor is.
    #[must_use]
    pub fn identified(&self, identity: &Identity) -> Inbound {
        let kind = InboundKind::System {
            name: "identify".to_owned(),
            data: json!({
                "id": identity.id,
                "name": identity.name,
                "email": identity.email,
                "attributes": identity.attributes,
            }),
        };
        let id = Uuid::now_v7().to_string();
        self.event(&id, kind, Vec::new(), identity.locale.clone())
    }

    fn event(
        &self,
        client_id: &str,
        kind: InboundKind,
        parts: Vec<Part>,
        locale: Option<Locale>,
    ) -> Inbound {
        Inbound {
            // Another visitor's same choice of id is another message.
            id: format!("{}:{client_id}", self.visitor.id),
            channel: "web".to_owned(),
            account: self.account.id.clone(),
            conversation: Shared::conversation(&self.visitor.id),
            sender: Sender {
                id: self.visitor.id.clone(),
                name: self.visitor.name.clone(),
                is_self: false,
                locale,
            },
            ts: self.now,
            kind,
            message_id: Some(client_id.to_owned()),
            parts,
            quote: None,
            mentions_me: false,
            album: None,
            reply_context: None,
        }
    }
}

fn is_client_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

/// A language tag, if it looks like one.
#[must_use]
pub fn locale(tag: &str) -> Option<Locale> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    ((2..=35).contains(&tag.len()) && tag.bytes().all(plain)).then(|| Locale::new(tag))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tandem_channel_kit::fake;

    use super::*;
    use crate::config::{Config, Key};

    fn decode(text: &str) -> Result<Option<Inbound>, Refusal> {
        let account = fake::account("web", "shop");
        let config = Config {
            keys: vec![Key {
                id: "k".to_owned(),
                secret: "s".repeat(32),
            }],
            ..Config::default()
        };
        let decoder = Decoder {
            account: &account,
            keys: &Keys::new(&account, &config),
            visitor: &Visitor {
                id: "v".to_owned(),
                user: None,
                name: None,
                told: None,
                expires_at: Timestamp(1),
            },
            text_max: 100,
            now: Timestamp(0),
        };
        match frame(text)? {
            Frame::Message(said) => decoder.said(said).map(Some),
            Frame::Action(pressed) => decoder.said(pressed.into()).map(Some),
            Frame::Page(page) => decoder.page(&page).map(Some),
            _ => Ok(None),
        }
    }

    #[test]
    fn every_frame_of_the_protocol_is_read() {
        for text in [
            r#"{"type":"hello","token":"t","after":null}"#,
            r#"{"type":"message","client_id":"a","text":"hi","locale":"zh-Hans-CN"}"#,
            r#"{"type":"action","client_id":"a","value":"v","label":"L"}"#,
            r#"{"type":"typing"}"#,
            r#"{"type":"page","url":"https://shop.example/","seconds":5}"#,
            r#"{"type":"read","id":"x"}"#,
            r#"{"type":"ping","extra":"is ignored"}"#,
        ] {
            assert!(decode(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn an_odd_locale_is_left_out() {
        for (tag, kept) in [("en", true), ("zh-CN", true), ("e", false), ("../x", false)] {
            assert_eq!(locale(tag).is_some(), kept, "{tag}");
        }
    }

    proptest! {
        #[test]
        fn no_frame_panics_and_every_event_is_its_visitors(text in prop_oneof![
            "\\PC{0,200}",
            r#"\{"type":"(message|action|page|hello|read|x)","(client_id|url|text|value|files|seconds)":("[^"\\]{0,30}"|-?[0-9]{1,25}|null|\[\]),"(client_id|text|value|url)":"[^"\\]{0,150}"\}"#,
        ]) {
            if let Ok(Some(event)) = decode(&text) {
                prop_assert!(event.id.starts_with("v:"));
                prop_assert_eq!(event.sender.id, "v");
                prop_assert_eq!(event.conversation.id, "v");
            }
        }
    }
}
