//! Kinds of channels as a server is configured with them: what an account's settings are, and how
//! they become a [`Channel`].
//!
//! A kind is registered once. Everything else that has to do with its settings is done for it: the
//! configuration's reader places its complaints, looks up its secrets and puts its schema into the
//! whole one.

use std::{fmt, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Value, json};
use tandem_domain::{BoxError, capabilities::Capabilities};

use crate::{Account, Channel};

/// Keeps the two languages of a message apart while it passes through serde, which knows one
/// string only.
const BETWEEN: char = '\u{1f}';

/// A message in both languages for `de::Error::custom` of a settings type; [`read`] takes it apart.
#[must_use]
pub fn said(en: &str, zh: &str) -> String {
    format!("{en}{BETWEEN}{zh}")
}

/// One kind of channel: telegram, or what one file of a scripted channel describes.
#[async_trait]
pub trait Kind: Send + Sync + 'static {
    /// Its name in the configuration, in addresses and as [`Account::channel`].
    fn name(&self) -> &str;

    /// JSON Schema of one account's settings, for editors.
    fn schema(&self) -> Value {
        json!({"type": "object"})
    }

    /// What its accounts can show and take, before their settings change anything of it.
    fn capabilities(&self) -> Capabilities;

    /// What is wrong with an account's settings. Opens nothing: each [`Secret`] says only where it
    /// is kept.
    fn check(&self, settings: &Value) -> Vec<Complaint>;

    /// The channel of one account, its secrets looked up. Connects to nothing yet: that is
    /// [`Channel::run`]'s.
    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError>;
}

/// What a channel is opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    pub account: Account,
    /// As configured, with every secret in its place.
    pub settings: Value,
    /// How the server is reached from outside, without a slash at the end.
    pub public_url: Option<String>,
    /// Where the channel may keep files of its own.
    pub data_dir: PathBuf,
}

impl Opening {
    /// The settings as the kind's own type.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, OpenError> {
        read(&self.settings).map_err(OpenError::Settings)
    }

    /// The path of the account's webhook on this server.
    #[must_use]
    pub fn webhook_path(&self) -> String {
        format!("/hooks/{}/{}", self.account.channel, self.account.id)
    }

    /// The whole address of the webhook, for the platform; none where nobody said how the server
    /// is reached.
    #[must_use]
    pub fn webhook_url(&self) -> Option<String> {
        let base = self.public_url.as_deref()?.trim_end_matches('/');
        Some(format!("{base}{}", self.webhook_path()))
    }
}

/// Why a channel could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Settings(Complaint),
    /// What it needs beside its settings is not there.
    #[error("{0}")]
    Failed(#[source] BoxError),
}

/// Something wrong with an account's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// From the account's settings on; empty for the whole.
    pub path: Vec<String>,
    pub en: String,
    pub zh: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_slice() {
            [] => f.write_str(&self.en),
            path => write!(f, "{}: {}", path.join("."), self.en),
        }
    }
}

/// Reads settings as a kind's own type; the type refuses what it does not know.
///
/// # Errors
/// What does not fit, with its place. Values are never repeated.
pub fn read<T: DeserializeOwned>(settings: &Value) -> Result<T, Complaint> {
    serde_path_to_error::deserialize(settings).map_err(|error| {
        let path = error
            .path()
            .iter()
            .filter_map(|step| match step {
                serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
                serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                serde_path_to_error::Segment::Enum { .. }
                | serde_path_to_error::Segment::Unknown => None,
            })
            .collect();
        let words = error.inner().to_string();
        let (en, zh) = match words.split_once(BETWEEN) {
            Some((en, zh)) => (en.to_owned(), zh.to_owned()),
            None => (words.clone(), format!("该设置无法使用：{words}")),
        };
        Complaint { path, en, zh }
    })
}

/// See [`Kind::check`]: the settings as `T`, and what `T` itself objects to.
pub fn check<T: DeserializeOwned>(
    settings: &Value,
    object: impl FnOnce(&T) -> Vec<Complaint>,
) -> Vec<Complaint> {
    match read(settings) {
        Ok(read) => object(&read),
        Err(complaint) => vec![complaint],
    }
}

/// A secret among settings: written as where it is kept, `{env: NAME}` or `{file: PATH}`, and
/// looked up before the channel is opened. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    /// What a looked-up secret stands as among settings.
    #[must_use]
    pub fn found(text: &str) -> Value {
        json!({"secret": text})
    }

    /// Whether a setting says where a secret is kept.
    #[must_use]
    pub fn is_reference(setting: &Value) -> bool {
        setting.as_object().is_some_and(|map| {
            map.len() == 1 && ["env", "file"].iter().any(|key| map.get(*key).is_some())
        })
    }

    /// The secret; empty as long as it is not looked up.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let setting = Value::deserialize(deserializer)?;
        if Self::is_reference(&setting) {
            return Ok(Self(None));
        }
        match setting.get("secret").and_then(Value::as_str) {
            Some(text) if setting.as_object().is_some_and(|map| map.len() == 1) => {
                Ok(Self(Some(text.to_owned())))
            }
            _ => Err(D::Error::custom(said(
                "a secret is never written here: name where it is kept, {env: NAME} or {file: /run/secrets/name}",
                "此处不得直接写入密钥：请写明存放位置，{env: 变量名} 或 {file: /run/secrets/文件名}",
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        token: Secret,
        #[serde(default)]
        hosts: Vec<String>,
    }

    fn complaints(settings: &Value) -> Vec<Complaint> {
        check::<Settings>(settings, |_| Vec::new())
    }

    #[test]
    fn a_secret_is_where_it_is_kept_and_then_what_it_is() {
        let written = json!({"token": {"env": "TOKEN"}});
        assert!(complaints(&written).is_empty());
        let read: Settings = super::read(&json!({"token": Secret::found("s3cret")})).unwrap();
        assert_eq!(read.token.expose(), "s3cret");
        assert!(read.hosts.is_empty());
        assert!(!format!("{read:?}").contains("s3cret"));
        let plain = complaints(&json!({"token": "s3cret"}));
        assert_eq!(plain[0].path, ["token"]);
        assert!(!plain[0].to_string().contains("s3cret"), "{plain:?}");
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let wrong = json!({"token": {"file": "/run/t"}, "hosts": ["a", 7]});
        assert_eq!(complaints(&wrong)[0].path, ["hosts", "1"]);
        let unknown = json!({"token": {"file": "/run/t"}, "host": []});
        assert!(complaints(&unknown)[0].en.contains("unknown field `host`"));
        assert_eq!(complaints(&json!({}))[0].en, "missing field `token`");
    }

    #[test]
    fn a_webhook_has_one_address() {
        let opening = Opening {
            account: crate::fake::account("line", "main"),
            settings: Value::Null,
            public_url: Some("https://help.example.com/".to_owned()),
            data_dir: PathBuf::new(),
        };
        let address = "https://help.example.com/hooks/line/main";
        assert_eq!(opening.webhook_url().unwrap(), address);
    }
}
