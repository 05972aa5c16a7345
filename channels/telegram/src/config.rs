//! What an operator sets for one bot, and the kind of channel that the configuration names.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_channel_kit::{
    Channel, Kind, Opening,
    kind::{self, Complaint, OpenError, Secret},
};
use tandem_domain::capabilities::Capabilities;
use url::Url;

use crate::{TelegramChannel, channel::capabilities, signature};

/// Telegram's own Bot API.
pub const API: &str = "https://api.telegram.org";

/// Settings of an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What @BotFather gave.
    pub token: Secret,
    #[serde(default)]
    pub mode: Mode,
    /// What Telegram repeats with every webhook; made of the token where there is none.
    #[serde(default)]
    pub secret_token: Option<Secret>,
    /// A Bot API server of one's own.
    #[serde(default)]
    pub api: Option<String>,
}

/// How updates come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// We ask for them; nothing of ours needs to be reachable.
    #[default]
    Poll,
    /// Telegram brings them.
    Webhook,
}

impl Settings {
    /// Where the Bot API is.
    ///
    /// # Errors
    /// When the setting is no address that methods can be added to.
    pub fn api(&self) -> Result<Url, Complaint> {
        let text = self.api.as_deref().unwrap_or(API);
        let usable = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        Url::parse(text).ok().filter(usable).ok_or_else(|| {
            complaint(
                "api",
                "this is the address of a Bot API server, as http://127.0.0.1:8081, with neither a name nor a token in it",
                "此处为 Bot API 服务器的地址，例如 http://127.0.0.1:8081，不含用户名或令牌",
            )
        })
    }

    /// What only the values themselves can get wrong.
    fn object(&self) -> Option<Complaint> {
        if bot_id(self.token.expose()).is_none() {
            return Some(complaint(
                "token",
                "this is no token: @BotFather's look like 123456789:AA…",
                "令牌不正确：@BotFather 给出的形如 123456789:AA…",
            ));
        }
        let secret = self.secret_token.as_ref()?;
        (!signature::is_secret(secret.expose())).then(|| {
            complaint(
                "secret_token",
                "Telegram takes 1 to 256 of A-Z a-z 0-9 _ -",
                "Telegram 只接受 1 到 256 位的 A-Z a-z 0-9 _ -",
            )
        })
    }
}

/// The bot's id, which its token begins with.
#[must_use]
pub fn bot_id(token: &str) -> Option<u64> {
    let (id, secret) = token.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let digits = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    (digits && !secret.is_empty() && secret.chars().all(plain))
        .then(|| id.parse().ok())
        .flatten()
}

fn complaint(path: &str, en: &str, zh: &str) -> Complaint {
    Complaint {
        path: vec![path.to_owned()],
        en: en.to_owned(),
        zh: zh.to_owned(),
    }
}

/// Telegram, as the configuration knows it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TelegramKind;

#[async_trait]
impl Kind for TelegramKind {
    fn name(&self) -> &str {
        "telegram"
    }

    fn schema(&self) -> Value {
        let kept = json!({
            "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
            "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
        });
        json!({
            "type": "object",
            "properties": {
                "token": kept,
                "mode": {"enum": ["poll", "webhook"], "default": "poll"},
                "secret_token": kept,
                "api": {"type": "string", "format": "uri", "default": API},
            },
            "required": ["token"],
        })
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        kind::check(settings, |settings: &Settings| {
            settings.api().err().into_iter().collect()
        })
    }

    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        let settings: Settings = opening.settings()?;
        if let Some(complaint) = settings.object() {
            return Err(OpenError::Settings(complaint));
        }
        let api = settings.api().map_err(OpenError::Settings)?;
        let webhook = match settings.mode {
            Mode::Poll => None,
            Mode::Webhook => Some(address(&opening, settings.api.is_none())?),
        };
        let channel = TelegramChannel::open(opening.account, &settings, &api, webhook)
            .map_err(|error| OpenError::Failed(error.into()))?;
        Ok(Arc::new(channel))
    }
}

/// The webhook's address. Telegram itself calls https on four ports; a Bot API server of one's
/// own calls anything.
fn address(opening: &Opening, theirs: bool) -> Result<Url, OpenError> {
    let url = opening
        .webhook_url()
        .and_then(|url| Url::parse(&url).ok())
        .ok_or_else(|| {
            OpenError::Settings(complaint(
                "mode",
                "a webhook needs server.public_url: how Telegram reaches this server",
                "使用 webhook 需要设置 server.public_url，即 Telegram 访问本服务器的地址",
            ))
        })?;
    let port = url.port_or_known_default().unwrap_or_default();
    if theirs && (url.scheme() != "https" || ![443, 80, 88, 8443].contains(&port)) {
        return Err(OpenError::Settings(complaint(
            "mode",
            "Telegram calls https on the ports 443, 80, 88 and 8443 only, and server.public_url is another; poll instead",
            "Telegram 只访问 443、80、88、8443 端口的 https 地址，server.public_url 不符合；请改用 poll",
        )));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn check(settings: &Value) -> Vec<String> {
        TelegramKind
            .check(settings)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    async fn open(settings: Value, public_url: Option<&str>) -> Result<(), String> {
        let opening = Opening {
            account: tandem_channel_kit::fake::account("telegram", "shop"),
            settings,
            public_url: public_url.map(str::to_owned),
            data_dir: PathBuf::new(),
        };
        let opened = TelegramKind.open(opening).await;
        opened.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_checked_without_their_secrets() {
        let kept = json!({"env": "X"});
        assert!(check(&json!({"token": kept})).is_empty());
        let all =
            json!({"token": kept, "mode": "webhook", "secret_token": kept, "api": "http://[::1]"});
        assert!(check(&all).is_empty());
        for (wrong, part) in [
            (json!({}), "missing field `token`"),
            (json!({"token": "123:abc"}), "never written here"),
            (json!({"token": kept, "mode": "push"}), "unknown variant"),
            (json!({"token": kept, "secret": kept}), "unknown field"),
            (json!({"token": kept, "api": "api.telegram.org"}), "api: "),
            (json!({"token": kept, "api": "https://a:b@x.test"}), "api: "),
        ] {
            let found = check(&wrong).join(" ");
            assert!(found.contains(part), "{wrong}: {found}");
        }
    }

    #[tokio::test]
    async fn what_cannot_work_is_said_at_the_start() {
        let token = |text: &str| json!({"token": Secret::found(text)});
        assert_eq!(open(token("123:a-B_9"), None).await, Ok(()));
        for bad in [
            "",
            "123",
            "123:",
            ":abc",
            "12x:abc",
            "123:a/../b",
            "bot123:abc",
        ] {
            let said = open(token(bad), None).await.unwrap_err();
            assert!(said.contains("token: "), "{bad:?}: {said}");
        }
        let hook = |secret: &str| {
            let mut settings = token("123:abc");
            settings["mode"] = json!("webhook");
            if !secret.is_empty() {
                settings["secret_token"] = Secret::found(secret);
            }
            settings
        };
        assert_eq!(open(hook(""), Some("https://x.test")).await, Ok(()));
        assert_eq!(
            open(hook("a-B_9"), Some("https://x.test:8443/")).await,
            Ok(())
        );
        for (settings, url, part) in [
            (hook(""), None, "public_url"),
            (hook(""), Some("http://x.test"), "https"),
            (hook(""), Some("https://x.test:8080"), "ports"),
            (hook("with space"), Some("https://x.test"), "256"),
        ] {
            let said = open(settings, url).await.unwrap_err();
            assert!(said.contains(part), "{said}");
        }
        let mut own = hook("");
        own["api"] = json!("http://127.0.0.1:8081");
        assert_eq!(open(own, Some("http://127.0.0.1:8080")).await, Ok(()));
    }
}
