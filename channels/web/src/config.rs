//! What an operator sets for one widget.

use serde::{Deserialize, Serialize};
use tandem_domain::Text;

/// Settings of a web account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Pages that may use the widget, as `https://shop.example`: scheme, host and port, exactly.
    /// Pages of the server's own address always may. `*` allows every page.
    pub origins: Vec<String>,
    /// Refuse requests that name no origin. Browsers always do; programs do not.
    pub require_origin: bool,
    /// Keys that tokens are signed with. The first signs, all are believed: to change a key, put
    /// the new one first and take the old one out a `token_days` later.
    pub keys: Vec<Key>,
    /// The secret the business signs `identity` with, to say who is logged in. Without it nobody
    /// can be identified.
    pub identity_secret: Option<String>,
    /// Days a visitor's token holds; renewed while it is used.
    pub token_days: u32,
    pub appearance: Appearance,
    pub limits: Limits,
    pub files: Files,
    /// Take the client's address from the last entry of `X-Forwarded-For`. Only behind a proxy
    /// that sets it.
    pub trust_forwarded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Stands in every token, so that the right key is found.
    pub id: String,
    /// 32 random bytes or more, in any writing.
    pub secret: String,
}

/// How the widget looks and what it says first. Public.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Appearance {
    /// At the head of the panel.
    pub title: Option<Text>,
    pub subtitle: Option<Text>,
    /// Said before anyone has written; not part of the conversation.
    pub greeting: Option<Text>,
    /// Offered before anyone has written; pressing one writes it.
    pub suggestions: Option<Text<Vec<String>>>,
    /// The accent, `#rrggbb`.
    pub color: Option<String>,
    /// Seconds on a page after which the flows are told, for those that start on a page. Empty:
    /// pages are not reported, and nobody connects who does not write.
    pub page_after: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of one message's text.
    pub text: usize,
    /// Messages a visitor may write at once.
    pub burst: u32,
    /// Messages a second they may go on with.
    pub per_second: f64,
    /// New sessions from one address at once.
    pub sessions_burst: u32,
    pub sessions_per_second: f64,
    /// Messages from one address at once, whoever writes them; 0 for no limit.
    pub per_ip_burst: u32,
    pub per_ip_per_second: f64,
    /// Open sockets from one address; 0 for no limit.
    pub connections_per_ip: usize,
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text: 16 * 1024,
            burst: 20,
            per_second: 5.0,
            sessions_burst: 60,
            sessions_per_second: 1.0,
            per_ip_burst: 200,
            per_ip_per_second: 50.0,
            connections_per_ip: 100,
            connections: 50_000,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    pub enabled: bool,
    pub max_bytes: usize,
    /// Media types by what the bytes are, not by name: `image/png`, `image/*`.
    pub types: Vec<String>,
    /// Uploads received at the same time.
    pub concurrent: usize,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            enabled: true,
            max_bytes: 10 * 1024 * 1024,
            types: [
                "image/*",
                "audio/*",
                "video/mp4",
                "video/webm",
                "video/quicktime",
                "application/pdf",
                "text/plain",
                "application/msword",
                "application/vnd.ms-excel",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            ]
            .map(str::to_owned)
            .to_vec(),
            concurrent: 16,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            require_origin: false,
            keys: Vec::new(),
            identity_secret: None,
            token_days: 30,
            appearance: Appearance::default(),
            limits: Limits::default(),
            files: Files::default(),
            trust_forwarded: false,
        }
    }
}

impl Config {
    /// # Errors
    /// One sentence on the first setting that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        if self.keys.is_empty() {
            return Err("keys: at least one key is needed to sign tokens with".to_owned());
        }
        for (i, key) in self.keys.iter().enumerate() {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            if key.id.is_empty() || key.id.len() > 32 || !key.id.chars().all(plain) {
                return Err(format!(
                    "keys[{i}].id must be 1 to 32 letters, digits, '-' or '_'"
                ));
            }
            if key.secret.len() < 32 {
                return Err(format!("keys[{i}].secret is shorter than 32 bytes"));
            }
            if self.keys[..i].iter().any(|k| k.id == key.id) {
                return Err(format!("keys[{i}].id is used twice: {}", key.id));
            }
        }
        if self.identity_secret.as_ref().is_some_and(|s| s.len() < 16) {
            return Err("identity_secret is shorter than 16 bytes".to_owned());
        }
        for origin in &self.origins {
            if origin != "*" && !is_origin(origin) {
                return Err(format!(
                    "origins: {origin:?} is not an origin like https://shop.example"
                ));
            }
        }
        if self.token_days == 0 {
            return Err("token_days must be at least 1".to_owned());
        }
        if let Some(color) = &self.appearance.color
            && !(color.len() == 7
                && color.starts_with('#')
                && color[1..].bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(format!("appearance.color: {color:?} is not like #2f6f5e"));
        }
        let rate = |name: &str, burst: u32, per_second: f64| {
            (burst > 0 && per_second.is_finite() && per_second > 0.0)
                .then_some(())
                .ok_or(format!("limits: {name} must be above 0"))
        };
        let limits = &self.limits;
        rate("burst and per_second", limits.burst, limits.per_second)?;
        rate(
            "sessions_burst and sessions_per_second",
            limits.sessions_burst,
            limits.sessions_per_second,
        )?;
        // An address without a limit still has a number that can be counted with.
        rate(
            "per_ip_burst and per_ip_per_second",
            limits.per_ip_burst.max(1),
            limits.per_ip_per_second,
        )?;
        if limits.text == 0 || limits.connections == 0 {
            return Err("limits: text and connections must be above 0".to_owned());
        }
        if self.files.concurrent == 0 || self.files.max_bytes == 0 {
            return Err("files: concurrent and max_bytes must be above 0".to_owned());
        }
        Ok(())
    }
}

fn is_origin(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|host| {
        !host.is_empty()
            && host == host.to_ascii_lowercase()
            && !host.contains(['/', '?', '#', '@', ' ', '*', '\\'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let good = Config {
            keys: vec![Key {
                id: "a".to_owned(),
                secret: "x".repeat(32),
            }],
            ..Config::default()
        };
        assert_eq!(good.validate(), Ok(()));
        type Change = fn(&mut Config);
        let wrong: [(&str, Change); 7] = [
            ("keys", |c| c.keys.clear()),
            ("secret", |c| c.keys[0].secret.truncate(31)),
            ("twice", |c| c.keys.push(c.keys[0].clone())),
            ("origins", |c| {
                c.origins = vec!["https://shop.example/".to_owned()]
            }),
            ("origins", |c| c.origins = vec!["shop.example".to_owned()]),
            ("color", |c| c.appearance.color = Some("red;}".to_owned())),
            ("per_second", |c| c.limits.per_second = f64::NAN),
        ];
        for (word, change) in wrong {
            let mut config = good.clone();
            change(&mut config);
            let error = config.validate().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
