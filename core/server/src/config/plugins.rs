//! Plugins: the folders they may lie in, and each by the name that flows call it by.

use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_plugin_host::{
    Kind, Manifest, PluginConfig, Refusal,
    manifest::{CONCURRENCY_MAX, TIMEOUT_MAX_MS, is_name},
};

use super::{Bytes, Config, Environment, Secret, SecretError, Span, channels::secrets};

/// The least memory a process can begin in.
const MEMORY_MIN: Bytes = Bytes(16 << 20);

/// One plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginSettings {
    /// The shared library, from a plugin folder on. Either this or `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A program with its arguments, run as a process of its own: one of the words is a file in a
    /// plugin folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// What the plugin is given, as its own schema says it. Secrets are named by where they are
    /// kept.
    #[serde(default = "nothing")]
    #[schemars(schema_with = "any_settings")]
    pub config: Value,
    /// The kinds it may be; whatever it offers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "kind_names")]
    pub kinds: Option<Vec<Kind>>,
    /// Calls at once, where fewer than the plugin says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: Option<u32>,
    /// The longest a call may take, in place of what the plugin says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// The address space of a `command`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Start without it where it is refused.
    #[serde(default)]
    pub optional: bool,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

fn any_settings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["object", "null"]})
}

fn kind_names(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    json_schema!({
        "type": ["array", "null"], "minItems": 1,
        "items": {"type": "string", "enum": names}
    })
}

/// Where plugins lie when nobody says.
pub(super) fn default_folders() -> Vec<PathBuf> {
    vec![PathBuf::from("plugins")]
}

impl PluginSettings {
    /// Relative paths of secrets start from `folder`. The plugin's own path starts from a plugin
    /// folder, and the host finds it.
    pub(super) fn rebase(&mut self, folder: &Path) {
        secrets(&mut self.config, &mut |setting| {
            if let Some(Value::String(path)) = setting.get_mut("file") {
                *path = folder.join(&*path).display().to_string();
            }
            Ok::<_, SecretError>(())
        })
        .expect("naming another folder does not fail");
    }

    /// The file that is loaded or run, where there is one.
    #[must_use]
    pub fn file(&self, folders: &[PathBuf]) -> Option<PathBuf> {
        match &self.path {
            Some(path) => Some(placed(path, folders)),
            None => {
                let words = self.command.iter().flatten();
                words.into_iter().find_map(|word| found(word, folders))
            }
        }
    }

    /// What the host is told, with every secret looked up.
    ///
    /// # Errors
    /// When one is not where the configuration says.
    pub fn host(
        &self,
        name: &str,
        folders: &[PathBuf],
        env: &Environment,
    ) -> Result<PluginConfig, SecretError> {
        let mut config = self.config_or_nothing();
        secrets(&mut config, &mut |setting| {
            *setting = Value::String(named(setting).resolve(env)?.expose().to_owned());
            Ok(())
        })?;
        Ok(self.with(name, folders, config))
    }

    /// The same as far as it goes: secrets that are not here stay references, and their places are
    /// told.
    pub(super) fn host_here(
        &self,
        name: &str,
        folders: &[PathBuf],
        folder: &Path,
        env: &Environment,
    ) -> (PluginConfig, Vec<Vec<String>>) {
        let mut settings = self.clone();
        settings.rebase(folder);
        let mut config = settings.config_or_nothing();
        let mut absent = Vec::new();
        look_up(&mut config, &mut Vec::new(), env, &mut absent);
        (self.with(name, folders, config), absent)
    }

    fn config_or_nothing(&self) -> Value {
        match &self.config {
            Value::Null => nothing(),
            config => config.clone(),
        }
    }

    fn with(&self, name: &str, folders: &[PathBuf], config: Value) -> PluginConfig {
        let mut command = self.command.clone();
        // The first word that is a file among the plugins is that file, wherever the server runs.
        for word in command.iter_mut().flatten() {
            if let Some(file) = found(word, folders) {
                *word = file.display().to_string();
                break;
            }
        }
        PluginConfig {
            name: name.to_owned(),
            path: self.path.as_ref().map(|path| placed(path, folders)),
            command,
            config,
            kinds: self.kinds.clone(),
            concurrency: self.concurrency,
            timeout_ms: self.timeout.map(millis),
            memory_mb: self.memory.map(|memory| memory.0.div_ceil(1 << 20)),
        }
    }
}

impl Config {
    /// Whether a plugin is nothing but a channel that is configured: it has an instance for each
    /// account and none of its own.
    pub(crate) fn is_channel_alone(&self, plugin: &str, manifest: &Manifest) -> bool {
        let mut channels = self.channels.others.values();
        channels.any(|other| other.plugin.as_deref() == Some(plugin))
            && Kind::ALL
                .into_iter()
                .all(|kind| manifest.offers(kind) == (kind == Kind::Channel))
    }
}

fn millis(span: Span) -> u64 {
    u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX)
}

/// A path as it stands, or in the first plugin folder that has it.
fn placed(path: &Path, folders: &[PathBuf]) -> PathBuf {
    if path.is_absolute() {
        return path.to_owned();
    }
    let mut places = folders.iter().map(|folder| folder.join(path));
    let first = folders.first().map(|folder| folder.join(path));
    places
        .find(|place| place.exists())
        .or(first)
        .unwrap_or_else(|| path.to_owned())
}

/// The file among the plugins that a word of a command names.
fn found(word: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = Path::new(word);
    if path.is_absolute() {
        let inside = folders.iter().any(|folder| path.starts_with(folder));
        return (inside && path.is_file()).then(|| path.to_owned());
    }
    let mut places = folders.iter().map(|folder| folder.join(path));
    let found = places.find(|place| place.is_file())?;
    // It runs in the folder of its file, from where a way from here would lead elsewhere.
    std::path::absolute(found).ok()
}

/// Where a reference says that its secret is kept.
fn named(reference: &Value) -> Secret {
    let text = |key: &str| reference.get(key).and_then(Value::as_str);
    match (text("env"), text("file")) {
        (Some(name), _) => Secret::Env(name.to_owned()),
        (None, path) => Secret::File(path.unwrap_or_default().into()),
    }
}

fn look_up(
    setting: &mut Value,
    path: &mut Vec<String>,
    env: &Environment,
    absent: &mut Vec<Vec<String>>,
) {
    if tandem_channel_kit::kind::Secret::is_reference(setting) {
        match named(setting).resolve(env) {
            Ok(text) => *setting = Value::String(text.expose().to_owned()),
            Err(_) => absent.push(path.clone()),
        }
        return;
    }
    let inner: Vec<(String, &mut Value)> = match setting {
        Value::Object(map) => map.iter_mut().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(list) => (0..)
            .map(|at: usize| at.to_string())
            .zip(list.iter_mut())
            .collect(),
        _ => return,
    };
    for (step, inner) in inner {
        path.push(step);
        look_up(inner, path, env, absent);
        path.pop();
    }
}

/// What is wrong between settings that are each readable: where below `plugins`, in English and in
/// Chinese.
pub(super) fn objections(config: &Config) -> Vec<(Vec<String>, String, String)> {
    let mut said = Vec::new();
    for (name, plugin) in &config.plugins {
        let mut say = |key: Option<&str>, en: String, zh: String| {
            let path = ["plugins", name].into_iter().chain(key);
            said.push((path.map(str::to_owned).collect(), en, zh));
        };
        let mut refuse = |refusal: &Refusal| say(None, refusal.to_string(), refusal.zh());
        if !is_name(name) {
            refuse(&Refusal::BadName);
        }
        match (&plugin.path, &plugin.command) {
            (Some(_), None) => {}
            (None, Some(words)) if !words.is_empty() => {}
            _ => refuse(&Refusal::PathOrCommand),
        }
        if let Some(calls) = plugin.concurrency
            && !(1..=CONCURRENCY_MAX).contains(&calls)
        {
            say(
                Some("concurrency"),
                format!("this must lie between 1 and {CONCURRENCY_MAX}"),
                format!("须在 1 与 {CONCURRENCY_MAX} 之间"),
            );
        }
        if let Some(timeout) = plugin.timeout
            && !(1..=TIMEOUT_MAX_MS).contains(&millis(timeout))
        {
            let most = Span(std::time::Duration::from_millis(TIMEOUT_MAX_MS));
            say(
                Some("timeout"),
                format!("this must lie between 1ms and {most}"),
                format!("须在 1ms 与 {most} 之间"),
            );
        }
        match plugin.memory {
            Some(_) if plugin.path.is_some() => say(
                Some("memory"),
                "only a `command` has memory of its own; a library is part of the server".into(),
                "只有 `command` 才有自己的内存；动态库是服务器的一部分".into(),
            ),
            Some(memory) if memory < MEMORY_MIN => say(
                Some("memory"),
                format!("this must be at least {MEMORY_MIN}"),
                format!("至少为 {MEMORY_MIN}"),
            ),
            _ => {}
        }
        if plugin.kinds.as_ref().is_some_and(Vec::is_empty) {
            say(
                Some("kinds"),
                "a plugin that may be nothing is of no use: leave `kinds` out, or name one".into(),
                "什么种类都不允许的插件没有用处：请省略 `kinds`，或至少写一种".into(),
            );
        }
        if !plugin.config.is_object() && !plugin.config.is_null() {
            say(
                Some("config"),
                "a group of settings belongs here".into(),
                "此处应为一组设置".into(),
            );
        }
    }
    if config.plugin_folders.is_empty() && !config.plugins.is_empty() {
        said.push((
            vec!["plugin_folders".to_owned()],
            "plugins lie in a folder that is named here".into(),
            "插件须位于此处写明的目录中".into(),
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Diagnostic;

    fn parse(text: &str) -> Result<Config, Vec<Diagnostic>> {
        Config::parse(text, "tandem.yaml", &Environment::default())
    }

    const ALL: &str = "
plugin_folders: [/opt/plugins, mine]
plugins:
  parcel:
    path: libparcel.so
    config: {url: https://carrier.example, token: {env: TOKEN}, hosts: [{key: {file: k.txt}}]}
    kinds: [action]
    concurrency: 4
    timeout: 5s
  loyalty:
    command: [python3, loyalty/plugin.py]
    memory: 512MiB
    optional: true
";

    #[test]
    fn plugins_are_read_written_alike_and_fit_the_schema() {
        let config = parse(ALL).unwrap();
        let again = serde_json::to_value(&config).unwrap();
        assert_eq!(serde_json::from_value::<Config>(again).unwrap(), config);
        let schema = jsonschema::validator_for(&Config::schema()).unwrap();
        let value: Value = serde_yaml::from_str(ALL).unwrap();
        assert!(
            schema.is_valid(&value),
            "{:?}",
            schema.iter_errors(&value).next()
        );
        for wrong in [
            "plugins: {a: {pth: x.so}}",
            "plugins: {a: {path: x.so, kinds: [acton]}}",
            "plugins: {a: {path: x.so, config: 7}}",
            "plugins: {a: {path: x.so, timeout: soon}}",
        ] {
            let value: Value = serde_yaml::from_str(wrong).unwrap();
            assert!(!schema.is_valid(&value), "{wrong}");
            parse(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn mistakes_between_settings_are_told_with_their_place() {
        let text = "
plugins:
  Parcel: {path: a.so}
  both: {path: a.so, command: [b]}
  none:
    config: {}
  empty: {command: []}
  small:
    command: [b]
    memory: 1mb
    timeout: 1h
    concurrency: 0
    kinds: []
  library:
    path: a.so
    memory: 512mb
    config: text
";
        let told = parse(text).unwrap_err();
        let said: Vec<_> = told.iter().map(|d| (d.setting.as_str(), d.line)).collect();
        let expected = [
            ("plugins.Parcel", Some(3)),
            ("plugins.both", Some(4)),
            ("plugins.empty", Some(7)),
            ("plugins.library.memory", Some(16)),
            ("plugins.library.config", Some(17)),
            ("plugins.none", Some(6)),
            ("plugins.small.concurrency", Some(12)),
            ("plugins.small.timeout", Some(11)),
            ("plugins.small.memory", Some(10)),
            ("plugins.small.kinds", Some(13)),
        ];
        assert_eq!(said, expected, "{told:#?}");
        let misspelt = parse("plugins: {a: {path: a.so, kinds: [actoin]}}").unwrap_err();
        assert!(misspelt[0].to_string().contains("did you mean `action`"));
        let none = parse("plugin_folders: []\nplugins: {a: {path: a.so}}").unwrap_err();
        assert_eq!(none[0].setting, "plugin_folders");
    }

    #[test]
    fn the_host_is_told_places_units_and_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::create_dir_all(second.join("loyalty")).unwrap();
        std::fs::write(second.join("loyalty/plugin.py"), "").unwrap();
        std::fs::write(second.join("libparcel.so"), "").unwrap();
        std::fs::write(folder.path().join("k.txt"), "kept\n").unwrap();
        let mut config = parse(ALL).unwrap();
        config.plugin_folders = vec![first.clone(), second.clone()];
        config.rebase(folder.path());
        let env = Environment::from([("TOKEN", "t0ken")]);
        let told = |name: &str| {
            let settings = &config.plugins[name];
            settings.host(name, &config.plugin_folders, &env).unwrap()
        };
        let parcel = told("parcel");
        assert_eq!(parcel.path, Some(second.join("libparcel.so")));
        assert_eq!(parcel.config["token"], "t0ken");
        assert_eq!(parcel.config["hosts"][0]["key"], "kept");
        assert_eq!(
            (parcel.timeout_ms, parcel.concurrency),
            (Some(5000), Some(4))
        );
        let loyalty = told("loyalty");
        let file = second.join("loyalty/plugin.py");
        let words = ["python3".to_owned(), file.display().to_string()];
        assert_eq!(loyalty.command.as_deref(), Some(&words[..]));
        assert_eq!(loyalty.memory_mb, Some(512));
        assert_eq!(loyalty.config, nothing());
        assert_eq!(
            config.plugins["loyalty"].file(&config.plugin_folders),
            Some(file)
        );
        // What is nowhere is looked for in the first folder, which the refusal then names.
        assert_eq!(
            placed(Path::new("c.so"), &config.plugin_folders),
            first.join("c.so")
        );
        let here = found("Cargo.toml", &[PathBuf::from(".")]);
        assert!(here.unwrap().is_absolute());
        let gone = Environment::default();
        assert!(config.plugins["parcel"].host("parcel", &[], &gone).is_err());
    }
}
