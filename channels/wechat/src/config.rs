//! The settings of one account, as they are written and as they are used.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, json};
use tandem_channel_kit::kind::{self, Complaint, Secret, said};
use url::Url;

use crate::{
    family::Family,
    menu::{Entry, objections},
    sealed::Seal,
};

/// An account's settings, whichever channel of the family it is of.
#[derive(Clone, Debug)]
pub struct Settings {
    pub family: Family,
    /// The app's id, or the company's.
    pub id: String,
    pub secret: Secret,
    pub token: Secret,
    pub encoding_aes_key: Secret,
    /// Takes messages that are neither encrypted nor covered by their signature.
    pub plaintext: bool,
    /// The number of a WeCom app; 0 elsewhere.
    pub agent: u64,
    /// Accounts of 微信客服, the first of which speaks where a conversation names none.
    pub desks: Vec<String>,
    /// Who has a conversation of 微信客服 that is handed over: `pool`, or one of WeCom's people.
    /// None: people who answer from here.
    pub handoff_to: Option<String>,
    /// What an Official Account's menu is to be; empty leaves it as it is.
    pub menu: Vec<Entry>,
    /// Said where the answer is too late for WeChat's own request; `1` then brings it.
    pub late_prompt: Option<String>,
    /// WeCom compares what it is sent with what it was sent.
    pub duplicate_check: bool,
    pub api: Url,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct App {
    app_id: Name,
    app_secret: Secret,
    token: Secret,
    encoding_aes_key: Secret,
    #[serde(default)]
    plaintext: bool,
    #[serde(default)]
    menu: Vec<Entry>,
    #[serde(default)]
    late_prompt: Option<String>,
    #[serde(default)]
    api: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    corp_id: Name,
    agent_id: Number,
    secret: Secret,
    token: Secret,
    encoding_aes_key: Secret,
    #[serde(default)]
    duplicate_check: bool,
    #[serde(default)]
    api: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Desk {
    corp_id: Name,
    open_kfid: Names,
    #[serde(default)]
    handoff_to: Option<Servicer>,
    secret: Secret,
    token: Secret,
    encoding_aes_key: Secret,
    #[serde(default)]
    api: Option<Address>,
}

/// An id of the platform's.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            return Err(D::Error::custom(said(
                "an id of the platform has 1 to 64 letters, digits, '-' or '_'",
                "平台的 ID 由 1 到 64 个字母、数字、'-' 或 '_' 组成",
            )));
        }
        Ok(Self(text))
    }
}

/// One id, or a list of them.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        let names: Result<Vec<Name>, _> = list.into_iter().map(Name::deserialize).collect();
        match names {
            Ok(names) if !names.is_empty() => Ok(Self(names.into_iter().map(|n| n.0).collect())),
            _ => Err(D::Error::custom(said(
                "this is the id of an account of 微信客服 (wk…), or a list of such ids",
                "此处是微信客服账号的 ID（wk…），或这样的 ID 的列表",
            ))),
        }
    }
}

/// `pool`, or the userid of one of WeCom's people.
struct Servicer(String);

impl<'de> Deserialize<'de> for Servicer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
            return Err(D::Error::custom(said(
                "write `pool`, or the userid of a person at WeCom",
                "请写 `pool`，或企业微信中接待人员的 userid",
            )));
        }
        Ok(Self(text))
    }
}

/// The number of an app, as a number or in quotes.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| {
            D::Error::custom(said(
                "the AgentId is a number, as the app's page at WeCom shows it",
                "AgentId 是数字，见企业微信的应用页面",
            ))
        })
    }
}

/// Where an API is.
struct Address(Url);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let url = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
        });
        url.map(Self).ok_or_else(|| {
            D::Error::custom(said(
                "this is no http or https address",
                "这不是 http 或 https 地址",
            ))
        })
    }
}

impl Settings {
    /// # Errors
    /// The first setting that does not fit.
    pub fn read(family: Family, settings: &Value) -> Result<Self, Complaint> {
        let standard = || Url::parse(family.api()).expect("our own address is one");
        let api = |given: Option<Address>| given.map_or_else(standard, |address| address.0);
        Ok(match family {
            Family::OfficialAccount | Family::MiniProgram => {
                let app: App = kind::read(settings)?;
                Self {
                    family,
                    id: app.app_id.0,
                    secret: app.app_secret,
                    token: app.token,
                    encoding_aes_key: app.encoding_aes_key,
                    plaintext: app.plaintext,
                    agent: 0,
                    desks: Vec::new(),
                    handoff_to: None,
                    menu: app.menu,
                    late_prompt: app.late_prompt,
                    duplicate_check: false,
                    api: api(app.api),
                }
            }
            Family::WeCom => {
                let app: Agent = kind::read(settings)?;
                Self {
                    family,
                    id: app.corp_id.0,
                    secret: app.secret,
                    token: app.token,
                    encoding_aes_key: app.encoding_aes_key,
                    plaintext: false,
                    agent: app.agent_id.0,
                    desks: Vec::new(),
                    handoff_to: None,
                    menu: Vec::new(),
                    late_prompt: None,
                    duplicate_check: app.duplicate_check,
                    api: api(app.api),
                }
            }
            Family::CustomerService => {
                let desk: Desk = kind::read(settings)?;
                Self {
                    family,
                    id: desk.corp_id.0,
                    secret: desk.secret,
                    token: desk.token,
                    encoding_aes_key: desk.encoding_aes_key,
                    plaintext: false,
                    agent: 0,
                    desks: desk.open_kfid.0,
                    handoff_to: desk.handoff_to.map(|to| to.0),
                    menu: Vec::new(),
                    late_prompt: None,
                    duplicate_check: false,
                    api: api(desk.api),
                }
            }
        })
    }

    /// What is wrong with secrets that are known already: where they are only named, nothing.
    #[must_use]
    pub fn objections(&self) -> Vec<Complaint> {
        let mut wrong = Vec::new();
        let mut object = |name: &str, en: &str, zh: &str| {
            wrong.push(Complaint {
                path: vec![name.to_owned()],
                en: en.to_owned(),
                zh: zh.to_owned(),
            });
        };
        let key = self.encoding_aes_key.expose();
        if !key.is_empty() && Seal::new("-", key, "-").is_none() {
            object(
                "encoding_aes_key",
                "an EncodingAESKey has 43 letters and digits",
                "EncodingAESKey 为 43 位字母和数字",
            );
        }
        let token = self.token.expose();
        if token.len() > 32 || !token.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            object(
                "token",
                "a Token has 3 to 32 letters and digits",
                "Token 为 3 至 32 位字母和数字",
            );
        }
        let account = self.family == Family::OfficialAccount;
        for (name, set) in [
            ("menu", !self.menu.is_empty()),
            ("late_prompt", self.late_prompt.is_some()),
        ] {
            if set && !account {
                object(
                    name,
                    "only an Official Account (the channel `wechat`) has this",
                    "只有公众号（渠道 `wechat`）才有此项",
                );
            }
        }
        let prompt = self.late_prompt.as_deref();
        if prompt.is_some_and(|prompt| prompt.trim().is_empty() || prompt.len() > 600) {
            object(
                "late_prompt",
                "this is a text of 1 to 600 bytes that asks the customer to write 1",
                "此处为 1 到 600 字节的文字，请客户回复 1",
            );
        }
        wrong.extend(objections(&self.menu));
        wrong
    }

    /// What the account signs and seals with; none where a secret is missing.
    #[must_use]
    pub fn seal(&self) -> Option<Seal> {
        let token = self.token.expose();
        if token.is_empty() || self.secret.expose().is_empty() {
            return None;
        }
        Seal::new(token, self.encoding_aes_key.expose(), &self.id)
    }
}

/// JSON Schema of one account's settings.
#[must_use]
pub fn schema(family: Family) -> Value {
    let kept = json!({
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
        "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
    });
    let id = json!({"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"});
    let mut properties = json!({
        "token": kept, "encoding_aes_key": kept,
        "api": {"type": "string", "format": "uri", "default": family.api()},
    });
    let mut required = vec!["token", "encoding_aes_key"];
    let own: &[(&str, Value, bool)] = match family {
        Family::OfficialAccount | Family::MiniProgram => &[
            ("app_id", id, true),
            ("app_secret", kept, true),
            (
                "plaintext",
                json!({"type": "boolean", "default": false}),
                false,
            ),
            ("menu", menu(2), false),
            ("late_prompt", json!({"type": "string"}), false),
        ],
        Family::WeCom => &[
            ("corp_id", id, true),
            ("agent_id", json!({"type": ["string", "integer"]}), true),
            ("secret", kept, true),
            (
                "duplicate_check",
                json!({"type": "boolean", "default": false}),
                false,
            ),
        ],
        Family::CustomerService => &[
            ("corp_id", id.clone(), true),
            (
                "open_kfid",
                json!({"anyOf": [id, {"type": "array", "minItems": 1, "items": id}]}),
                true,
            ),
            ("handoff_to", json!({"type": "string"}), false),
            ("secret", kept, true),
        ],
    };
    for (name, schema, needed) in own {
        properties[*name] = schema.clone();
        if *needed {
            required.push(name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// Entries of a menu with so many levels.
fn menu(levels: u32) -> Value {
    let text = json!({"type": "string"});
    let mut entry = json!({"label": text, "say": text, "url": text});
    if levels > 1 {
        entry["menu"] = menu(levels - 1);
    }
    json!({"type": "array", "items": {
        "type": "object", "properties": entry, "required": ["label"], "additionalProperties": false,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(family: Family) -> Value {
        let kept = json!({"env": "X"});
        match family {
            Family::OfficialAccount | Family::MiniProgram => json!({
                "app_id": "wx1", "app_secret": kept, "token": kept, "encoding_aes_key": kept,
            }),
            Family::WeCom => json!({
                "corp_id": "ww1", "agent_id": "1000002", "secret": kept, "token": kept,
                "encoding_aes_key": kept,
            }),
            Family::CustomerService => json!({
                "corp_id": "ww1", "open_kfid": "wk1", "secret": kept, "token": kept,
                "encoding_aes_key": kept,
            }),
        }
    }

    #[test]
    fn each_channel_has_its_own_settings() {
        for family in Family::ALL {
            let settings = Settings::read(family, &given(family)).unwrap();
            assert!(settings.objections().is_empty());
            assert!(settings.seal().is_none(), "no secret is known yet");
            let mut unknown = given(family);
            unknown["colour"] = json!("red");
            assert_eq!(
                Settings::read(family, &unknown).unwrap_err().path,
                ["colour"]
            );
            let mut written = given(family);
            written["token"] = json!("t0ken");
            let complaint = Settings::read(family, &written).unwrap_err();
            assert_eq!(complaint.path, ["token"]);
            assert!(!complaint.en.contains("t0ken"));
            for needed in schema(family)["required"].as_array().unwrap() {
                let mut short = given(family);
                short
                    .as_object_mut()
                    .unwrap()
                    .remove(needed.as_str().unwrap());
                assert!(Settings::read(family, &short).is_err(), "{needed}");
            }
        }
    }

    #[test]
    fn what_cannot_be_is_said_in_both_languages() {
        let mut several = given(Family::CustomerService);
        several["open_kfid"] = json!(["wk1", "wk2"]);
        let settings = Settings::read(Family::CustomerService, &several).unwrap();
        assert_eq!(settings.desks, ["wk1", "wk2"]);
        for (family, name, bad, part) in [
            (
                Family::CustomerService,
                "open_kfid",
                json!([]),
                "微信客服账号的 ID",
            ),
            (
                Family::CustomerService,
                "open_kfid",
                json!("../up"),
                "微信客服账号的 ID",
            ),
            (Family::WeCom, "agent_id", json!("x"), "AgentId 是数字"),
            (Family::WeCom, "corp_id", json!(""), "平台的 ID"),
            (
                Family::OfficialAccount,
                "api",
                json!("ftp://x"),
                "这不是 http",
            ),
        ] {
            let mut settings = given(family);
            settings[name] = bad;
            let complaint = Settings::read(family, &settings).unwrap_err();
            assert!(complaint.zh.contains(part), "{complaint:?}");
        }
        let mut known = given(Family::OfficialAccount);
        known["encoding_aes_key"] = Secret::found("short");
        let known = Settings::read(Family::OfficialAccount, &known).unwrap();
        assert_eq!(known.objections()[0].path, ["encoding_aes_key"]);
    }
}
