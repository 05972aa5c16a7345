//! One account's settings.

use serde::Deserialize;
use serde_json::{Value, json};

/// A nick on a network.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `irc.libera.chat`, or with a port behind a colon.
    pub server: String,
    pub nick: String,
    #[serde(default = "yes")]
    pub tls: bool,
    /// Certificates in PEM that are trusted in place of the system's.
    #[serde(default)]
    pub ca: Option<String>,
    #[serde(default)]
    pub realname: Option<String>,
    #[serde(default)]
    pub channels: Vec<String>,
    /// The server's own password.
    #[serde(default)]
    pub password: Option<String>,
    /// The name of the nick's account where it is not the nick.
    #[serde(default)]
    pub account: Option<String>,
    /// The account's password, for SASL.
    #[serde(default)]
    pub sasl: Option<String>,
    /// The same for servers without SASL: told to NickServ.
    #[serde(default)]
    pub nickserv: Option<String>,
    /// How long somebody who was answered in a channel need not name us again.
    #[serde(default = "follow")]
    pub follow_secs: u64,
    /// Milliseconds from line to line, once a few have gone at once; 0 is for a server of one's own.
    #[serde(default = "line")]
    pub line_ms: u64,
}

fn yes() -> bool {
    true
}

fn follow() -> u64 {
    300
}

fn line() -> u64 {
    1000
}

impl Settings {
    #[must_use]
    pub fn schema() -> Value {
        let secret = json!({"type": "string", "minLength": 1, "maxLength": 300, "writeOnly": true});
        json!({
            "type": "object",
            "required": ["server", "nick"],
            "additionalProperties": false,
            "properties": {
                "server": {"type": "string", "pattern": "^[^\\s/:]+(:[0-9]{1,5})?$",
                    "description": "irc.libera.chat, or with a port: irc.libera.chat:6697"},
                "nick": {"type": "string", "pattern": "^[A-Za-z\\[\\]\\\\`_^{}|][A-Za-z0-9\\[\\]\\\\`_^{}|-]{0,29}$"},
                "tls": {"type": "boolean", "default": true},
                "ca": {"type": "string", "minLength": 1, "maxLength": 65536},
                "realname": {"type": "string", "pattern": "^[^\\r\\n\\u0000]{1,100}$"},
                "channels": {"type": "array", "maxItems": 50,
                    "items": {"type": "string", "pattern": "^[#&][^\\s,:\\u0007]{1,49}$"}},
                "password": secret,
                "account": {"type": "string", "pattern": "^\\S{1,50}$"},
                "sasl": secret,
                "nickserv": secret,
                "follow_secs": {"type": "integer", "minimum": 0, "maximum": 86400, "default": 300},
                "line_ms": {"type": "integer", "minimum": 0, "maximum": 10000, "default": 1000},
            },
        })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> (&str, u16) {
        let usual = if self.tls { 6697 } else { 6667 };
        match self.server.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().unwrap_or(usual)),
            None => (&self.server, usual),
        }
    }

    /// Whether a secret can stand in a line.
    #[must_use]
    pub fn objection(&self) -> Option<&'static str> {
        let odd = |text: &Option<String>| {
            text.as_ref()
                .is_some_and(|text| text.contains(['\r', '\n', '\0']))
        };
        if odd(&self.password) || odd(&self.sasl) || odd(&self.nickserv) {
            return Some("a password holds a line break");
        }
        if self.ca.is_some() && !self.tls {
            return Some("`ca` means nothing with `tls: false`");
        }
        if self.tls && !cfg!(feature = "tls") {
            return Some("this plugin was built without TLS: say `tls: false`");
        }
        None
    }
}
