//! The configuration: one YAML file, overridden by the environment, with secrets by reference.
//!
//! * [`Config`] – the settings themselves; `default.yaml` names each with its default;
//! * [`env`] – overrides; [`secret`] – where secrets are kept; [`units`] – `30s`, `10mb`;
//! * [`understanding`] – the embedding model; [`channels`] – accounts of every channel, [`web`] – of
//!   the web channel; [`plugins`] – plugins; [`wire`] – what engine and API are built with;
//! * `gather`, `tree`, `read`, `problem`, `check` – from text to settings with every mistake placed;
//! * `inspect`, `inspect_plugins` – what the settings name outside of the file.

pub mod channels;
mod check;
pub mod diagnostic;
pub mod env;
mod gather;
mod inspect;
mod inspect_plugins;
pub mod plugins;
mod problem;
mod read;
pub mod secret;
mod tree;
pub mod understanding;
pub mod units;
pub mod web;
pub mod wire;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_api::Scope;
use tandem_flow::diagnostic::Severity;

pub use channels::{Channels, Other, OtherAccount, Web};
pub use diagnostic::Diagnostic;
pub use env::Environment;
pub use plugins::PluginSettings;
pub use secret::{Secret, SecretError, SecretText};
pub use understanding::Understanding;
pub use units::{Bytes, Listen, Span};
pub use web::WebAccount;

use gather::{file_text, gather, settle, told};
use problem::Problem;
use tree::Place;

use crate::channels::Kinds;

/// Every setting, commented.
pub const DEFAULT_YAML: &str = include_str!("default.yaml");

/// Settings of a Tandem server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Tandem configuration")]
pub struct Config {
    pub server: Server,
    /// Where the database, uploads and generated keys live.
    pub data_dir: PathBuf,
    pub store: Store,
    /// Each is a business of its own: its bot, its channels, its people.
    pub workspaces: BTreeMap<String, Workspace>,
    pub channels: Channels,
    /// The folders that plugins may lie in.
    pub plugin_folders: Vec<PathBuf>,
    /// By the name that flows call each by.
    pub plugins: BTreeMap<String, PluginSettings>,
    pub api: Api,
    pub log: Log,
    pub limits: Limits,
    pub understanding: Understanding,
    pub secrets: Secrets,
    pub demo: Demo,
    /// The file it was read from, to be read again.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub listen: Listen,
    /// How customers and agents reach this server from outside, as https://help.example.com.
    pub public_url: Option<String>,
    /// Largest request to the API; uploads have limits of their own.
    pub body_limit: Bytes,
    /// How long an API request may take.
    pub request_timeout: Span,
    /// How long a connection may leave us waiting for its next request to be complete; longer
    /// than a proxy in front keeps its connections, which is often 60 seconds.
    pub idle_timeout: Span,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    pub kind: StoreKind,
    /// The database file; tandem.db in the data folder when absent.
    pub path: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    #[default]
    Sqlite,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// The folder of the pack its bot speaks by.
    pub pack: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Who may use the API; nobody without a token.
    pub tokens: Vec<Token>,
    /// Let anyone read /metrics.
    pub open_metrics: bool,
    /// Event streams open at the same time.
    #[schemars(range(min = 1))]
    pub streams: usize,
}

/// A program or person that may use the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Shown as the author of what it writes.
    pub name: String,
    /// The one workspace it can see.
    #[serde(default = "default_workspace")]
    pub workspace: String,
    pub scopes: Vec<Scope>,
    /// The token itself, 32 characters or more; or its hash below.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// SHA-256 of the token in hex.
    #[serde(default)]
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: LogFormat,
    /// error, warn, info, debug or trace; or by part, as in info,tandem_engine=debug.
    pub level: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Within this time a customer goes on in the same conversation.
    pub reopen_window: Span,
    /// Conversations kept in memory.
    #[schemars(range(min = 1))]
    pub lanes_in_memory: usize,
    /// Calls to other services at one time.
    #[schemars(range(min = 1))]
    pub actions_at_once: usize,
    /// Messages of one account sent at one time.
    #[schemars(range(min = 1))]
    pub sends_at_once: usize,
    /// Longer than any platform takes to answer.
    pub send_lease: Span,
    /// After these a message waits for a person.
    #[schemars(range(min = 1))]
    pub send_attempts: u32,
    /// So long after it was first tried a message waits for a person, whatever held it up.
    pub send_ttl: Span,
    /// Times the work on an event may fail before it is put aside.
    #[schemars(range(min = 1))]
    pub turn_attempts: u32,
    /// How long stopping waits for work that has begun.
    pub drain: Span,
    /// How long events worked off are remembered, so that repeats are seen.
    pub remember: Span,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Secrets {
    /// 32 bytes as 64 hex digits; seals sensitive answers at rest. Made in the data folder when
    /// absent.
    pub seal_key: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Demo {
    /// The demo shop and its page.
    pub enabled: bool,
    /// Where the shop's own service listens.
    pub shop_listen: Listen,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server::default(),
            data_dir: PathBuf::from("data"),
            store: Store::default(),
            workspaces: BTreeMap::from([(
                default_workspace(),
                Workspace {
                    pack: PathBuf::from("flows/retail"),
                },
            )]),
            channels: Channels::default(),
            plugin_folders: plugins::default_folders(),
            plugins: BTreeMap::new(),
            api: Api::default(),
            log: Log::default(),
            limits: Limits::default(),
            understanding: Understanding::default(),
            secrets: Secrets::default(),
            demo: Demo::default(),
            file: None,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: Listen(([127, 0, 0, 1], 8080).into()),
            public_url: None,
            body_limit: Bytes(1 << 20),
            request_timeout: Span::secs(30),
            idle_timeout: Span::secs(75),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            open_metrics: false,
            streams: 256,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reopen_window: Span::secs(24 * 3600),
            lanes_in_memory: 20_000,
            actions_at_once: 64,
            sends_at_once: 64,
            send_lease: Span::secs(60),
            send_attempts: 12,
            send_ttl: Span::secs(24 * 3600),
            turn_attempts: 3,
            drain: Span::secs(10),
            remember: Span::secs(30 * 24 * 3600),
        }
    }
}

impl Default for Demo {
    fn default() -> Self {
        Self {
            enabled: false,
            shop_listen: Listen(([127, 0, 0, 1], 4010).into()),
        }
    }
}

impl Token {
    /// May do everything in the default workspace: for the demo, whose token lives as long as the
    /// process.
    #[must_use]
    pub fn demo(token: &str) -> Self {
        let hash = tandem_api::Token::hash(token);
        Self {
            name: "demo".to_owned(),
            workspace: default_workspace(),
            scopes: vec![Scope::Admin],
            secret: None,
            sha256: Some(hash.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

fn default_workspace() -> String {
    "default".to_owned()
}

impl Config {
    /// Reads the file, if there is one, and the environment. Opens nothing else: what is referred
    /// to is looked at when the server starts.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place and, where one can be named, a way out.
    pub fn load(path: Option<&Path>, env: &Environment) -> Result<Self, Vec<Diagnostic>> {
        Self::load_with(path, env, &Kinds::shipped())
    }

    /// As [`load`](Self::load), with these kinds of channels.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(
        path: Option<&Path>,
        env: &Environment,
        kinds: &Kinds,
    ) -> Result<Self, Vec<Diagnostic>> {
        let Some(path) = path else {
            return Self::parse_with("", "", env, kinds);
        };
        let file = path.display().to_string();
        let text = file_text(path).map_err(|fault| {
            let problem = Problem::at(fault, Place::Unknown, Vec::new());
            vec![Diagnostic::new(&problem, "", &file)]
        })?;
        let mut config = Self::parse_with(&text, &file, env, kinds)?;
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            config.rebase(folder);
        }
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Reads the text of a configuration; `file` is what messages call it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(text: &str, file: &str, env: &Environment) -> Result<Self, Vec<Diagnostic>> {
        Self::parse_with(text, file, env, &Kinds::shipped())
    }

    /// As [`parse`](Self::parse), with these kinds of channels.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse_with(
        text: &str,
        file: &str,
        env: &Environment,
        kinds: &Kinds,
    ) -> Result<Self, Vec<Diagnostic>> {
        settle(text, env, kinds).map_err(|problems| told(&problems, text, file))
    }

    /// Everything that is wrong with a file: what [`load`](Self::load) finds, and what a start
    /// would find after it of the files of channels, of plugins, the settings both ask for, what
    /// packs expect of plugins, and the places of secrets. Nothing is connected and no database is opened; plugins are tried out in
    /// processes of their own.
    pub async fn inspect(path: &Path, env: &Environment, kinds: &Kinds) -> Vec<Diagnostic> {
        let file = path.display().to_string();
        let text = match file_text(path) {
            Ok(text) => text,
            Err(fault) => {
                let problem = Problem::at(fault, Place::Unknown, Vec::new());
                return vec![Diagnostic::new(&problem, "", &file)];
            }
        };
        let problems = match gather(&text, env) {
            Ok((config, tree)) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                let mut problems = check::sense(&config, &tree, kinds);
                problems.extend(inspect::files(&config, &tree, folder, kinds).await);
                problems.extend(inspect::secrets(&tree, folder, env));
                // One that is wrong in itself need not be looked for.
                let is_error = |problem: &Problem| problem.fault.severity() == Severity::Error;
                if !problems.iter().any(is_error) {
                    let found = inspect_plugins::plugins(&config, &tree, path, env);
                    problems.extend(found.await);
                }
                problems
            }
            Err(problems) => problems,
        };
        told(&problems, &text, &file)
    }

    /// JSON Schema of the file, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(Self).to_value();
        let known = schema.pointer_mut("/$defs/Channels/properties");
        if let Some(known) = known.and_then(serde_json::Value::as_object_mut) {
            for (name, account) in Kinds::shipped().schemas() {
                let accounts = serde_json::json!({
                    "type": "object",
                    "additionalProperties": {"allOf": [{"$ref": "#/$defs/Account"}, account]}
                });
                let channel = serde_json::json!({
                    "type": "object", "properties": {"accounts": accounts},
                    "additionalProperties": false
                });
                known.insert(name.to_owned(), channel);
            }
        }
        schema
    }

    /// The database file.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.store
            .path
            .clone()
            .unwrap_or_else(|| self.data_dir.join("tandem.db"))
    }

    /// Relative paths start from `folder`.
    fn rebase(&mut self, folder: &Path) {
        self.data_dir = folder.join(&self.data_dir);
        if let Some(path) = &mut self.store.path {
            *path = folder.join(&*path);
        }
        for workspace in self.workspaces.values_mut() {
            workspace.pack = folder.join(&workspace.pack);
        }
        let embedder = self.understanding.embedder.as_mut();
        let mut of_embedder = None;
        if let Some(embedder) = embedder {
            if let Some(folder_of_model) = &mut embedder.model_dir {
                *folder_of_model = folder.join(&*folder_of_model);
            }
            of_embedder = embedder.endpoint.as_mut().and_then(|e| e.api_key.as_mut());
        }
        for other in self.channels.others.values_mut() {
            other.rebase(folder);
        }
        for plugins in &mut self.plugin_folders {
            *plugins = folder.join(&*plugins);
        }
        for plugin in self.plugins.values_mut() {
            plugin.rebase(folder);
        }
        let accounts = self.channels.web.accounts.values_mut();
        let of_accounts = accounts.flat_map(|account| {
            let keys = account.keys.iter_mut().map(|key| &mut key.secret);
            keys.chain(&mut account.identity_secret)
        });
        let of_tokens = self.api.tokens.iter_mut().flat_map(|t| &mut t.secret);
        for secret in of_accounts
            .chain(of_tokens)
            .chain(&mut self.secrets.seal_key)
            .chain(of_embedder)
        {
            secret.rebase(folder);
        }
    }
}
