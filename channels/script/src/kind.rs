//! A channel's file as a kind of channel that the configuration names: its own settings, checked
//! before anything is opened.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde_json::json;
use tandem_channel_kit::{
    Channel, Kind, Opening,
    kind::{Complaint, OpenError, Secret},
};
use tandem_domain::capabilities::Capabilities;
use tandem_domain::{Map, Timestamp, Value, store::Store};
use tandem_lua::Runner;
use tandem_net::Transport;
use tokio::sync::OnceCell;

use crate::{
    Host, Script, ScriptChannel, Settings,
    caps::{RESERVED, Setting, Settings as Declared},
    memory::StoreMemory,
    problem::{Problem, Words},
    script::{BUILT_IN, read_pair},
    version::Version,
};

/// Largest request where the configuration names no other.
const BODY_LIMIT: usize = 1 << 20;
/// Where the server is reached when nobody said: platforms cannot, a test on this machine can.
const HERE: &str = "http://localhost:8080";

/// What the files of a server share.
#[derive(Clone)]
pub struct House {
    pub store: Arc<dyn Store>,
    pub transport: Transport,
    /// Bounds how many requests compute at once.
    pub runner: Runner,
    /// The files that are in use, for whoever watches them.
    pub opened: Opened,
}

/// Files in use.
#[derive(Clone, Debug, Default)]
pub struct Opened(Arc<Mutex<Vec<Arc<Script>>>>);

impl Opened {
    fn add(&self, script: &Arc<Script>) {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push(script.clone());
    }

    #[must_use]
    pub fn all(&self) -> Vec<Arc<Script>> {
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.clone()
    }
}

/// A file that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the channel file {file} has errors: {}", first(.problems))]
pub struct BadFile {
    pub file: String,
    pub problems: Vec<Problem>,
}

fn first(problems: &[Problem]) -> String {
    let error = problems.iter().find(|problem| problem.is_error());
    error.map(ToString::to_string).unwrap_or_default()
}

/// One file, as the configuration knows it.
pub struct ScriptKind {
    name: String,
    /// None for a file that comes with the program.
    folder: Option<PathBuf>,
    declared: Declared,
    capabilities: Capabilities,
    /// None where settings are only checked.
    house: Option<House>,
    script: OnceCell<Arc<Script>>,
}

impl ScriptKind {
    /// The files that come with the program. Without a house they can be checked only.
    #[must_use]
    pub fn built_in(house: Option<&House>) -> Vec<Self> {
        BUILT_IN
            .iter()
            .filter_map(|(name, source, _)| Self::new(name, source, None, house).ok())
            .collect()
    }

    /// A file of the operator's own.
    ///
    /// # Errors
    /// When it cannot be read or has errors; its fixtures are played when it is opened.
    pub fn of_file(path: &Path, house: Option<&House>) -> Result<Self, BadFile> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let (source, _) = read_pair(&folder, &name).map_err(|problem| BadFile {
            file: path.display().to_string(),
            problems: vec![*problem],
        })?;
        Self::new(&name, &source, Some(folder), house)
    }

    fn new(
        name: &str,
        source: &str,
        folder: Option<PathBuf>,
        house: Option<&House>,
    ) -> Result<Self, BadFile> {
        let (version, problems) = Version::read(name, source);
        let Some(version) = version else {
            return Err(BadFile {
                file: format!("{name}.luau"),
                problems,
            });
        };
        Ok(Self {
            name: name.to_owned(),
            folder,
            declared: version.settings,
            capabilities: version.caps.capabilities,
            house: house.cloned(),
            script: OnceCell::new(),
        })
    }

    async fn script(&self, house: &House) -> Result<&Arc<Script>, BadFile> {
        self.script
            .get_or_try_init(|| async {
                let opened = Script::open(&self.name, self.folder.as_deref(), &house.runner).await;
                let script = opened.map_err(|problems| BadFile {
                    file: format!("{}.luau", self.name),
                    problems,
                })?;
                house.opened.add(&script);
                Ok(script)
            })
            .await
    }
}

#[async_trait]
impl Kind for ScriptKind {
    fn name(&self) -> &str {
        &self.name
    }

    fn schema(&self) -> Value {
        let kept = json!({
            "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
            "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
        });
        let mut properties: Map = self
            .declared
            .iter()
            .map(|(name, setting)| {
                let schema = match setting {
                    Setting::Secret => kept.clone(),
                    _ => json!({"anyOf": [{"type": "string"}, kept]}),
                };
                (name.clone(), schema)
            })
            .collect();
        properties.insert("address".to_owned(), json!({"type": "string"}));
        properties.insert(
            "body_limit".to_owned(),
            json!({"type": "integer", "minimum": 1024}),
        );
        let needed = self.declared.iter();
        let needed: Vec<&String> = needed
            .filter(|(_, setting)| **setting != Setting::OptionalText)
            .map(|(name, _)| name)
            .collect();
        json!({"type": "object", "properties": properties, "required": needed})
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        let (read, mut found) = read_all(settings, &self.declared);
        // Where a secret is only named, anything stands in for it.
        let mut values = read.values;
        for name in read.kept {
            let stand_in = match self.declared.get(&name) {
                Some(Setting::Url) => HERE,
                _ => "-",
            };
            values.entry(name).or_insert_with(|| stand_in.to_owned());
        }
        // What was said already is not also missing.
        let said = |name: &str| found.iter().any(|c| c.path == [name]);
        let wrong: Vec<Complaint> = crate::caps::fit(&self.declared, &values, HERE)
            .err()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !said(name))
            .map(|(name, words)| complaint(&name, words))
            .collect();
        found.extend(wrong);
        found
    }

    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        let failed = |error: tandem_domain::BoxError| OpenError::Failed(error);
        let Some(house) = &self.house else {
            return Err(failed(
                "this kind of channel was made to check settings only".into(),
            ));
        };
        let read = read(&opening.settings, &self.declared).map_err(OpenError::Settings)?;
        let script = self.script(house).await.map_err(|bad| failed(bad.into()))?;
        let public_url = opening.public_url.as_deref().unwrap_or(HERE);
        let path = opening.webhook_path();
        let memory = StoreMemory::new(house.store.clone(), opening.account.workspace.clone());
        let channel = ScriptChannel::new(
            opening.account,
            script.clone(),
            Settings {
                values: read.values,
                public_url: public_url
                    .parse()
                    .map_err(|_| failed(format!("{public_url} is no address of a site").into()))?,
                address: read.address,
                body_limit: read.body_limit,
            },
            Host {
                transport: house.transport.clone(),
                memory: Arc::new(memory),
                clock: Arc::new(Timestamp::now),
            },
        )
        .map_err(|e| failed(e.into()))?;
        match opening.public_url {
            Some(_) => tracing::info!(
                webhook = channel.webhook_url(),
                "A channel's webhook is ready; enter its address at the platform."
            ),
            None => tracing::warn!(
                webhook = path,
                "A channel's webhook is ready on this machine only: server.public_url is not set, so no platform can reach it."
            ),
        }
        Ok(Arc::new(channel))
    }
}

/// An account's settings, taken apart.
struct Read {
    values: BTreeMap<String, String>,
    /// Settings that only say where they are kept.
    kept: Vec<String>,
    address: Option<String>,
    body_limit: usize,
}

/// The settings, or the first thing that is wrong with how they are written.
fn read(settings: &Value, declared: &Declared) -> Result<Read, Complaint> {
    let (read, mut wrong) = read_all(settings, declared);
    match wrong.is_empty() {
        true => Ok(read),
        false => Err(wrong.remove(0)),
    }
}

/// What of the settings is well written, and everything that is not.
fn read_all(settings: &Value, declared: &Declared) -> (Read, Vec<Complaint>) {
    let mut found = Vec::new();
    let mut read = Read {
        values: BTreeMap::new(),
        kept: Vec::new(),
        address: None,
        body_limit: BODY_LIMIT,
    };
    let empty = Map::new();
    for (name, value) in settings.as_object().unwrap_or(&empty) {
        let mut wrong =
            |en: &str, zh: &str| found.push(complaint(name, crate::problem::words(en, zh)));
        match name.as_str() {
            "address" => match value.as_str() {
                Some(text) => read.address = Some(text.to_owned()),
                None => wrong("this is a text in quotes", "此处是带引号的文字"),
            },
            "body_limit" => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
                Some(bytes) if (1024..=16 << 20).contains(&bytes) => read.body_limit = bytes,
                _ => wrong(
                    "this is a number of bytes between 1024 and 16777216",
                    "此处是 1024 与 16777216 之间的字节数",
                ),
            },
            _ if Secret::is_reference(value) => read.kept.push(name.clone()),
            _ => {
                let looked_up = value.get("secret").and_then(Value::as_str);
                let text = match (looked_up, value.as_str(), declared.get(name)) {
                    (Some(found), _, _) => found,
                    (None, Some(_), Some(Setting::Secret)) => {
                        wrong(
                            "a secret is never written here: name where it is kept, {env: NAME} or {file: /run/secrets/name}",
                            "此处不得直接写入密钥：请写明存放位置，{env: 变量名} 或 {file: /run/secrets/文件名}",
                        );
                        continue;
                    }
                    (None, Some(text), _) => text,
                    (None, None, Some(_)) => {
                        wrong("this is a text in quotes", "此处是带引号的文字");
                        continue;
                    }
                    // That there is no such setting is said with all that are unknown.
                    (None, None, None) => "-",
                };
                read.values.insert(name.clone(), text.to_owned());
            }
        }
    }
    debug_assert!(RESERVED.contains(&"address"));
    (read, found)
}

fn complaint(path: &str, words: Words) -> Complaint {
    Complaint {
        path: vec![path.to_owned()],
        en: words.en,
        zh: words.zh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> ScriptKind {
        let mut kinds = ScriptKind::built_in(None).into_iter();
        kinds.find(|kind| kind.name() == "line").unwrap()
    }

    #[test]
    fn settings_are_checked_without_their_secrets() {
        let kept = json!({"env": "X"});
        let good = json!({"channel_secret": kept, "channel_access_token": kept, "address": "U1"});
        assert_eq!(line().check(&good), []);
        for (wrong, part) in [
            (
                json!({"channel_secret": kept}),
                "`channel_access_token` is missing",
            ),
            (
                json!({"channel_secret": "s", "channel_access_token": kept}),
                "never written here",
            ),
            (
                json!({"channel_secret": kept, "channel_access_token": kept, "x": "y"}),
                "no setting `x`",
            ),
            (json!({"body_limit": 3}), "number of bytes"),
        ] {
            let found = line().check(&wrong);
            assert!(found[0].en.contains(part), "{found:?}");
        }
        // All of them at once, each at its place, and nothing twice.
        let wrong = json!({"channel_secret": 7, "x": 7, "body_limit": 3});
        let mut places: Vec<_> = line().check(&wrong).into_iter().map(|c| c.path).collect();
        places.sort();
        let all = ["body_limit", "channel_access_token", "channel_secret", "x"];
        assert_eq!(places, all.map(|name| [name]));
    }
}
