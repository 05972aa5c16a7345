//! What an operator sets for one account.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::json;
use tandem_channel_kit::kind::{Complaint, Secret, said};
use tandem_domain::{Map, Value};
use url::Url;

use crate::{api::DISCORD, native::Snowflake};

/// Commands of one application.
const COMMANDS: usize = 100;
const OPTIONS: usize = 25;
/// Characters of a command's name, and of its description.
const NAME: usize = 32;
const DESCRIPTION: usize = 100;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The bot's.
    pub token: Secret,
    /// 64 hex digits; needed where interactions come by webhook.
    #[serde(default)]
    pub public_key: Option<PublicKey>,
    #[serde(default)]
    pub interactions: Interactions,
    /// Channels in which everything is for the bot, as are the threads in them.
    #[serde(default)]
    pub channels: BTreeSet<Snowflake>,
    /// Slash commands; absent leaves those that are registered as they are.
    #[serde(default)]
    pub commands: Option<Vec<Command>>,
    /// Another address of Discord's interface: a proxy's, a test's.
    #[serde(default)]
    pub api: Api,
}

/// How presses and commands come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interactions {
    #[default]
    Gateway,
    Webhook,
}

/// An address without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api(pub String);

impl Default for Api {
    fn default() -> Self {
        Self(DISCORD.to_owned())
    }
}

impl<'de> Deserialize<'de> for Api {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let good = Url::parse(&text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match good {
            true => Ok(Self(text.trim_end_matches('/').to_owned())),
            false => Err(de::Error::custom(said(
                "this is no http or https address",
                "此处不是 http 或 https 地址",
            ))),
        }
    }
}

/// What Discord signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut key = [0; 32];
        match hex::decode_to_slice(text.trim(), &mut key) {
            Ok(()) => Ok(Self(key)),
            Err(_) => Err(de::Error::custom(said(
                "the public key is the 64 hex digits of the application's general page",
                "公钥是应用「General Information」页上的 64 位十六进制数字",
            ))),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    pub name: Words,
    pub description: Words,
    /// Texts to be given with it.
    #[serde(default)]
    pub options: Vec<Given>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    pub name: Words,
    pub description: Words,
    #[serde(default)]
    pub required: bool,
}

/// Words for everybody, or in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub plain: String,
    pub zh: Option<String>,
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or one in `en` and one in `zh`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Words, E> {
                Ok(Words {
                    plain: text.to_owned(),
                    zh: None,
                })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Words, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Both {
                    en: Option<String>,
                    zh: Option<String>,
                }
                let both = Both::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let plain = both.en.or_else(|| both.zh.clone());
                let plain = plain.ok_or_else(|| de::Error::missing_field("en"))?;
                Ok(Words { plain, zh: both.zh })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What stands against these settings, beyond their form.
pub(crate) fn object(settings: &Settings) -> Vec<Complaint> {
    let mut wrong = Vec::new();
    let mut complain = |path: &[&str], en: &str, zh: &str| {
        wrong.push(Complaint {
            path: path.iter().map(|step| (*step).to_owned()).collect(),
            en: en.to_owned(),
            zh: zh.to_owned(),
        });
    };
    if settings.interactions == Interactions::Webhook && settings.public_key.is_none() {
        complain(
            &["public_key"],
            "interactions by webhook are signed: copy the public key from the application's general page",
            "通过 Webhook 接收交互需要验证签名：请从应用「General Information」页复制公钥",
        );
    }
    let commands = settings.commands.as_deref().unwrap_or_default();
    if commands.len() > COMMANDS {
        complain(
            &["commands"],
            "Discord takes at most 100 commands",
            "Discord 最多支持 100 个命令",
        );
    }
    let mut seen = BTreeSet::new();
    for (at, command) in commands.iter().enumerate() {
        let at = at.to_string();
        let place = ["commands", at.as_str()];
        if !seen.insert(&command.name.plain) {
            complain(
                &place,
                "there is a command of this name already",
                "命令名重复",
            );
        }
        if command.options.len() > OPTIONS {
            complain(
                &place,
                "Discord takes at most 25 options of a command",
                "每个命令最多 25 个选项",
            );
        }
        let given = command.options.iter().map(|o| (&o.name, &o.description));
        for (name, description) in given.chain([(&command.name, &command.description)]) {
            if !is_name(name) {
                complain(
                    &place,
                    "a name is 1 to 32 letters, digits, '-' or '_', without capitals",
                    "名称为 1 到 32 个字母、数字、「-」或「_」，不含大写字母",
                );
            }
            if !fits(description) {
                complain(
                    &place,
                    "a description has 1 to 100 characters",
                    "描述为 1 到 100 个字符",
                );
            }
        }
        let required: Vec<bool> = command.options.iter().map(|o| o.required).collect();
        if !required.is_sorted_by(|a, b| a >= b) {
            complain(
                &place,
                "options that are required stand before those that are not",
                "必填选项须排在可选选项之前",
            );
        }
    }
    wrong
}

fn all(words: &Words, good: impl Fn(&str) -> bool) -> bool {
    good(&words.plain) && words.zh.as_deref().is_none_or(good)
}

fn is_name(words: &Words) -> bool {
    all(words, |name| {
        let known = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        (1..=NAME).contains(&name.chars().count())
            && name.chars().all(known)
            && name.to_lowercase() == name
    })
}

fn fits(words: &Words) -> bool {
    all(words, |text| {
        (1..=DESCRIPTION).contains(&text.chars().count())
    })
}

/// The commands as Discord is told them.
pub(crate) fn registered(commands: &[Command]) -> Value {
    let named = |name: &Words, description: &Words, kind: u8| {
        let mut map = Map::new();
        for (key, words) in [("name", name), ("description", description)] {
            map.insert(key.to_owned(), json!(words.plain));
            if let Some(zh) = &words.zh {
                let both = json!({"zh-CN": zh, "zh-TW": zh});
                map.insert(format!("{key}_localizations"), both);
            }
        }
        map.insert("type".to_owned(), json!(kind));
        map
    };
    let commands = commands.iter().map(|command| {
        // 1: a slash command; 3: a text.
        let mut map = named(&command.name, &command.description, 1);
        let options = command.options.iter().map(|option| {
            let mut map = named(&option.name, &option.description, 3);
            map.insert("required".to_owned(), json!(option.required));
            Value::Object(map)
        });
        map.insert("options".to_owned(), options.collect());
        Value::Object(map)
    });
    commands.collect()
}

/// JSON Schema of the settings.
pub(crate) fn schema() -> Value {
    let kept = json!({
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
        "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
    });
    let words = json!({"anyOf": [{"type": "string"}, {
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "properties": {"en": {"type": "string"}, "zh": {"type": "string"}},
    }]});
    let option = json!({
        "type": "object", "required": ["name", "description"], "additionalProperties": false,
        "properties": {"name": words, "description": words, "required": {"type": "boolean"}},
    });
    json!({
        "type": "object",
        "required": ["token"],
        "properties": {
            "token": kept,
            "public_key": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"},
            "interactions": {"enum": ["gateway", "webhook"]},
            "channels": {"type": "array", "items": {"type": ["string", "integer"]}},
            "commands": {"type": "array", "maxItems": COMMANDS, "items": {
                "type": "object", "required": ["name", "description"],
                "additionalProperties": false,
                "properties": {
                    "name": words, "description": words,
                    "options": {"type": "array", "maxItems": OPTIONS, "items": option},
                },
            }},
            "api": {"type": "string", "format": "uri"},
        },
    })
}

#[cfg(test)]
mod tests {
    use tandem_channel_kit::kind::{check, read};

    use super::*;

    fn complaints(more: Value) -> Vec<String> {
        let mut settings = json!({"token": {"env": "T"}});
        for (name, value) in more.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let found = check(&settings, object);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn settings_are_good_or_their_place_is_told() {
        let good = json!({
            "channels": ["645027906669510667", 645_027_906_669_510_668_u64],
            "commands": [{"name": {"en": "order", "zh": "订单"}, "description": "Where is it?",
                "options": [{"name": "id", "description": "Its number", "required": true}]}],
            "public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "interactions": "webhook", "api": "http://127.0.0.1:1/api/v10/",
        });
        assert_eq!(complaints(good), Vec::<String>::new());
        for (wrong, part) in [
            (json!({"token": "s3cret"}), "never written here"),
            (
                json!({"interactions": "webhook"}),
                "public_key: interactions by webhook",
            ),
            (json!({"public_key": "abc"}), "64 hex digits"),
            (json!({"channels": ["general"]}), "channels.0: "),
            (json!({"api": "discord.com"}), "no http or https"),
            (
                json!({"commands": [{"name": "Order", "description": "x"}]}),
                "without capitals",
            ),
            (
                json!({"commands": [{"name": "order", "description": ""}]}),
                "commands.0: a description",
            ),
            (
                json!({"commands": [{"name": "order"}]}),
                "missing field `description`",
            ),
            (json!({"tokens": 1}), "unknown field"),
        ] {
            let found = complaints(wrong.clone());
            assert!(found.iter().any(|c| c.contains(part)), "{wrong}: {found:?}");
            assert!(!found.concat().contains("s3cret"));
        }
    }

    #[test]
    fn commands_are_registered_in_both_languages() {
        let settings: Settings = read(&json!({"token": {"env": "T"}, "commands": [
            {"name": {"en": "order", "zh": "订单"}, "description": {"en": "Where is it?", "zh": "查订单"}}]}))
        .unwrap();
        let list = registered(&settings.commands.unwrap());
        assert_eq!(list[0]["name"], "order");
        assert_eq!(list[0]["name_localizations"]["zh-CN"], "订单");
        assert_eq!(list[0]["description_localizations"]["zh-TW"], "查订单");
    }
}
