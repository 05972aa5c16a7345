//! The channels: `web` with settings of its own, and any number of others, each by the name of a
//! native kind or with the file that describes it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap as _,
};
use serde_json::{Map, Value};
use tandem_channel_kit::kind;

use super::{Environment, Secret, SecretError, WebAccount};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Channels {
    pub web: Web,
    /// By name.
    pub others: BTreeMap<String, Other>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// By name; the name stands in the widget's address.
    pub accounts: BTreeMap<String, WebAccount>,
}

/// A channel other than the web.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Other {
    /// The file that describes the channel; none where the program knows it by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The plugin that the channel is, by its name under `plugins`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// By name; the name stands in the address of the account's webhook.
    pub accounts: BTreeMap<String, OtherAccount>,
}

/// One account of it.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherAccount {
    /// The workspace its customers belong to.
    pub workspace: String,
    /// Everything else, as the channel understands it; secrets say where they are kept.
    pub settings: Value,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::from([("web".to_owned(), WebAccount::default())]),
        }
    }
}

impl Channels {
    /// Every account with its channel's name.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &str)> {
        let web = self.web.accounts.keys().map(|name| ("web", name.as_str()));
        let others = self.others.iter().flat_map(|(channel, other)| {
            let names = other.accounts.keys();
            names.map(move |name| (channel.as_str(), name.as_str()))
        });
        web.chain(others)
    }
}

impl Other {
    /// Relative paths start from `folder`.
    pub(super) fn rebase(&mut self, folder: &Path) {
        if let Some(file) = &mut self.file {
            *file = folder.join(&*file);
        }
        for account in self.accounts.values_mut() {
            secrets(&mut account.settings, &mut |setting| {
                if let Some(Value::String(path)) = setting.get_mut("file") {
                    *path = folder.join(&*path).display().to_string();
                }
                Ok::<_, SecretError>(())
            })
            .expect("naming another folder does not fail");
        }
    }
}

impl OtherAccount {
    /// The settings with every secret looked up.
    ///
    /// # Errors
    /// When one is not where the configuration says.
    pub fn found(&self, env: &Environment) -> Result<Value, SecretError> {
        let mut settings = self.settings.clone();
        secrets(&mut settings, &mut |setting| {
            let text = |key: &str| setting.get(key).and_then(Value::as_str);
            let secret = match (text("env"), text("file")) {
                (Some(name), _) => Secret::Env(name.to_owned()),
                (None, path) => Secret::File(path.unwrap_or_default().into()),
            };
            *setting = kind::Secret::found(secret.resolve(env)?.expose());
            Ok(())
        })?;
        Ok(settings)
    }
}

/// Shows every place where a secret is named.
pub(super) fn secrets<E>(
    setting: &mut Value,
    show: &mut impl FnMut(&mut Value) -> Result<(), E>,
) -> Result<(), E> {
    if kind::Secret::is_reference(setting) {
        return show(setting);
    }
    match setting {
        Value::Object(map) => map.values_mut().try_for_each(|inner| secrets(inner, show)),
        Value::Array(list) => list.iter_mut().try_for_each(|inner| secrets(inner, show)),
        _ => Ok(()),
    }
}

impl Serialize for Channels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.others.len()))?;
        map.serialize_entry("web", &self.web)?;
        for (name, other) in &self.others {
            map.serialize_entry(name, other)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Channels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            type Value = Channels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_unit<E>(self) -> Result<Channels, E> {
                Ok(Channels::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Channels, A::Error> {
                let mut channels = Channels::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "web" {
                        channels.web = map.next_value()?;
                    } else {
                        channels.others.insert(name, map.next_value()?);
                    }
                }
                Ok(channels)
            }
        }

        deserializer.deserialize_map(Named)
    }
}

impl JsonSchema for Channels {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Channels".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (web, other) = (
            generator.subschema_for::<Web>(),
            generator.subschema_for::<Other>(),
        );
        json_schema!({
            "type": "object",
            "properties": {"web": web},
            "additionalProperties": other
        })
    }
}

impl Serialize for OtherAccount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let settings = self.settings.as_object();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("workspace", &self.workspace)?;
        for (name, value) in settings.into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for OtherAccount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Settings;

        impl<'de> Visitor<'de> for Settings {
            type Value = OtherAccount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OtherAccount, A::Error> {
                let mut account = OtherAccount {
                    workspace: super::default_workspace(),
                    settings: Value::Null,
                };
                let mut settings = Map::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "workspace" {
                        account.workspace = map.next_value()?;
                    } else {
                        settings.insert(name, map.next_value()?);
                    }
                }
                account.settings = Value::Object(settings);
                Ok(account)
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<OtherAccount, E> {
                Ok(OtherAccount {
                    workspace: super::default_workspace(),
                    settings: Value::Object(Map::new()),
                })
            }
        }

        deserializer.deserialize_any(Settings)
    }
}

impl JsonSchema for OtherAccount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Account".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "One account; its settings are the channel's own.",
            "properties": {
                "workspace": {
                    "type": "string",
                    "default": "default",
                    "description": "The workspace its customers belong to."
                }
            }
        })
    }
}
