//! The plugins of a running server: opened before it answers anybody, reloaded as their files are
//! saved, ended after everybody was answered.
//!
//! * [`PluginSet`] – all of them, over their reloads; [`BadPlugin`] – one that stops a start;
//! * [`action`] – flows call them; [`services`] – what they ask of the server; `reload` – files that
//!   are saved;
//! * [`report`] – how they stand, for the API; [`contracts`] – what packs expect of them;
//! * [`look`] – plugins that are looked at and not loaded; [`private`] – where copies lie;
//! * [`probe_with`], [`native_was_loaded`] – what the program's `main` sees to.

pub mod action;
pub mod contracts;
pub mod look;
pub mod private;
mod reload;
pub mod report;
pub mod services;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tandem_domain::Timestamp;
use tandem_flow::diagnostic::{Words, words};
use tandem_plugin_host::{
    HostConfig, Kind, Limits, Manifest, Plugin, PluginConfig, PluginKind, Plugins, Probe, Refusal,
    Retired, Said,
};
use tokio::sync::watch;

pub use look::Looks;
pub use private::Private;
pub use services::PluginServices;

use crate::config::{Config, Environment, PluginSettings};
use reload::Stamp;

/// How long a library may take in the child that tries it out.
const PROBE: Duration = Duration::from_secs(10);

/// The program that tries libraries out.
static PROGRAM: OnceLock<Vec<OsString>> = OnceLock::new();
/// Whether code of a plugin was mapped into this process.
static NATIVE: AtomicBool = AtomicBool::new(false);

/// From now on libraries are tried out by this command, to which the library's path is added. For
/// the beginning of a program: the first call counts. Without one they are loaded untried.
pub fn probe_with(command: Vec<OsString>) {
    let _ = PROGRAM.set(command);
}

/// Whether a library was loaded into this process. Its exit handlers may hang, so that such a
/// process ends by [`exit_now`](tandem_plugin_host::library::exit_now).
#[must_use]
pub fn native_was_loaded() -> bool {
    NATIVE.load(Ordering::Relaxed)
}

pub(crate) fn note_native(plugins: &Plugins) {
    if plugins.images().0 > 0 {
        NATIVE.store(true, Ordering::Relaxed);
    }
}

fn probe() -> Option<Probe> {
    let command = PROGRAM.get()?.clone();
    let limit = PROBE;
    Some(Probe { command, limit })
}

/// A plugin that is refused stops the server before it begins.
#[derive(Debug, thiserror::Error)]
#[error("the plugin `{name}` is refused: {}", .why.en)]
pub struct BadPlugin {
    pub name: String,
    pub why: Words,
}

impl BadPlugin {
    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        format!("插件 `{}` 被拒绝：{}", self.name, self.why.zh)
    }
}

/// All plugins of the configuration.
pub struct PluginSet {
    host: Arc<Plugins>,
    services: Arc<PluginServices>,
    entries: BTreeMap<String, Entry>,
    folders: Vec<PathBuf>,
    environment: Environment,
    /// The folders of the packs, which say what they expect.
    packs: Vec<PathBuf>,
}

/// One plugin as it is configured, and what became of it.
struct Entry {
    settings: PluginSettings,
    state: Mutex<State>,
    /// Whether a channel is configured that is this plugin.
    channel: bool,
    /// One reload at a time.
    busy: tokio::sync::Mutex<()>,
    /// How many times it was loaded anew.
    reloads: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    /// Its file as it was last loaded, or refused.
    seen: Option<Stamp>,
    last: Option<LastLoad>,
    /// What it is, where it is a channel and nothing else: it has instances for accounts alone.
    channel: Option<Manifest>,
    /// What packs expect and it does not keep.
    differences: Vec<Words>,
}

/// How the last load over the first one ended.
#[derive(Clone)]
struct LastLoad {
    at: Timestamp,
    refused: Option<Words>,
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PluginSet {
    /// Loads every plugin. One that is optional may be refused; any other stops the start.
    ///
    /// # Errors
    /// [`BadPlugin`], or when there is no place for copies of libraries.
    pub async fn open(
        config: &Config,
        environment: &Environment,
        services: Arc<PluginServices>,
    ) -> anyhow::Result<Arc<Self>> {
        let private = config.data_dir.join("plugins");
        private::sweep(&private);
        let set = Self::unloaded(config, environment, services, private)?;
        for (name, entry) in &set.entries {
            let Err(why) = set.load(name, entry).await else {
                continue;
            };
            if !entry.settings.optional {
                set.shutdown().await;
                let name = name.clone();
                return Err(BadPlugin { name, why }.into());
            }
            tracing::warn!(
                plugin = name,
                why = why.en,
                "A plugin is refused; the server starts without it."
            );
        }
        set.compare();
        for (pack, absent) in set.packs.iter().map(|pack| (pack, set.absent(pack))) {
            if !absent.is_empty() {
                let (pack, plugins) = (pack.display(), absent.join(", "));
                tracing::info!(%pack, plugins, "A pack has contracts of plugins that the configuration does not name; calls of them fail as `unavailable`.");
            }
        }
        Ok(set)
    }

    /// Loads every plugin that can be, for a program that goes on without the others: those are told.
    /// Of the data folder nothing is touched, copies of libraries go into `private`; so a server may
    /// run beside it.
    ///
    /// # Errors
    /// When there is no place for copies of libraries.
    pub async fn open_beside(
        config: &Config,
        environment: &Environment,
        services: Arc<PluginServices>,
        private: &Private,
    ) -> anyhow::Result<(Arc<Self>, Vec<BadPlugin>)> {
        let private = private.path().to_owned();
        let set = Self::unloaded(config, environment, services, private)?;
        let mut refused = Vec::new();
        for (name, entry) in &set.entries {
            if let Err(why) = set.load(name, entry).await {
                let name = name.clone();
                refused.push(BadPlugin { name, why });
            }
        }
        set.compare();
        Ok((set, refused))
    }

    fn unloaded(
        config: &Config,
        environment: &Environment,
        services: Arc<PluginServices>,
        private: PathBuf,
    ) -> anyhow::Result<Arc<Self>> {
        let host = HostConfig {
            folders: config.plugin_folders.clone(),
            private,
            probe: probe(),
            limits: Limits::default(),
        };
        let host = Plugins::new(host, services.clone()).map_err(|refusal| anyhow::anyhow!(refusal));
        let entries = config.plugins.iter().map(|(name, settings)| {
            let entry = Entry {
                settings: settings.clone(),
                channel: config
                    .channels
                    .others
                    .values()
                    .any(|other| other.plugin.as_deref() == Some(name)),
                state: Mutex::default(),
                busy: tokio::sync::Mutex::default(),
                reloads: watch::Sender::default(),
            };
            (name.clone(), entry)
        });
        let packs: BTreeSet<_> = config.workspaces.values().map(|w| w.pack.clone()).collect();
        Ok(Arc::new(Self {
            host: Arc::new(host.context("copies of plugins cannot be kept")?),
            services,
            entries: entries.collect(),
            folders: config.plugin_folders.clone(),
            environment: environment.clone(),
            packs: packs.into_iter().collect(),
        }))
    }

    /// The plugin of this name, where it is loaded.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Plugin>> {
        self.host.get(name)
    }

    /// How a plugin is configured: secrets are named by where they are kept.
    #[must_use]
    pub fn settings(&self, name: &str) -> Option<&PluginSettings> {
        Some(&self.entries.get(name)?.settings)
    }

    /// Changes each time that a plugin was loaded anew, for whoever holds on to what it said.
    #[must_use]
    pub fn reloads(&self, name: &str) -> Option<watch::Receiver<u32>> {
        Some(self.entries.get(name)?.reloads.subscribe())
    }

    /// The host, for whoever loads more of what is configured here.
    #[must_use]
    pub fn host(&self) -> &Arc<Plugins> {
        &self.host
    }

    /// What plugins may ask.
    #[must_use]
    pub fn services(&self) -> &Arc<PluginServices> {
        &self.services
    }

    /// The channel that a plugin is; `None` where it was refused and is optional. Its accounts are
    /// opened by the kind, and reloaded with the plugin.
    ///
    /// # Errors
    /// When there is no such plugin, or it is no channel.
    pub fn kind(&self, channel: &str, plugin: &str) -> anyhow::Result<Option<PluginKind>> {
        let entry = self
            .entries
            .get(plugin)
            .context("there is no such plugin")?;
        let alone = entry.state().channel.clone();
        let manifest = match alone {
            Some(manifest) => manifest,
            None => match self.get(plugin).and_then(|plugin| plugin.manifest()) {
                Some(manifest) => manifest,
                None => return Ok(None),
            },
        };
        let config = self
            .told(plugin, entry)
            .map_err(|why| anyhow::anyhow!(why.en))?;
        let kind = PluginKind::new(channel, config, manifest);
        Ok(Some(kind.with_plugins(self.host.clone())))
    }

    /// Remembers whether code of a plugin is in this process by now.
    pub(crate) fn note_native(&self) {
        note_native(&self.host);
    }

    /// What the host is told of a plugin, with its secrets looked up now.
    ///
    /// # Errors
    /// Why it cannot be told, or `None` where no such plugin is configured.
    pub fn configured(&self, name: &str) -> Option<Result<PluginConfig, Words>> {
        Some(self.told(name, self.entries.get(name)?))
    }

    fn told(&self, name: &str, entry: &Entry) -> Result<PluginConfig, Words> {
        let told = entry.settings.host(name, &self.folders, &self.environment);
        told.map_err(|error| {
            words(
                format!("its configuration: {error}"),
                format!("它的配置：{}", error.zh()),
            )
        })
    }

    /// Loads one, or loads it anew.
    async fn load(&self, name: &str, entry: &Entry) -> Result<Option<Retired>, Words> {
        // Before it is read: what is saved meanwhile is another file.
        entry.state().seen = entry.stamp(&self.folders);
        let loaded = match self.told(name, entry) {
            Ok(config) => {
                let loaded = self.load_all(entry, config).await;
                loaded.map_err(|refusal| said(&refusal))
            }
            Err(why) => Err(why),
        };
        note_native(&self.host);
        entry.state().last = Some(LastLoad {
            at: Timestamp::now(),
            refused: loaded.as_ref().err().cloned(),
        });
        loaded
    }

    /// The plugin itself, unless it is a channel alone, then the accounts that are open. The first
    /// that is refused leaves the others as they were.
    async fn load_all(
        &self,
        entry: &Entry,
        config: PluginConfig,
    ) -> Result<Option<Retired>, Refusal> {
        let name = config.name.clone();
        let own = self.host.get(&name);
        let mut ended = None;
        if own.is_none() && entry.channel {
            let manifest = self.host.look(&config).await?;
            let offered = Kind::ALL.into_iter().filter(|kind| manifest.offers(*kind));
            if offered.eq([Kind::Channel]) {
                entry.state().channel = Some(manifest);
            } else {
                self.host.load(config).await?;
            }
        } else {
            ended = match own {
                Some(plugin) => Some(plugin.reload(Some(config)).await?),
                None => {
                    self.host.load(config).await?;
                    None
                }
            };
        }
        for account in self.host.accounts(&name) {
            let retired = account.reload(None).await?;
            if ended.is_none() || matches!(retired, Retired::Leaked(_)) {
                ended = Some(retired);
            }
        }
        Ok(ended)
    }

    /// Looks again at what packs expect of plugins, and tells the log what is new.
    pub fn compare(&self) {
        for (name, entry) in &self.entries {
            let Some(loaded) = self.host.get(name).and_then(|plugin| plugin.manifest()) else {
                continue;
            };
            let mut found = Vec::new();
            for pack in &self.packs {
                if let Some(promised) = contracts::contract(pack, name) {
                    found.extend(contracts::differences(name, &promised, &loaded));
                }
            }
            let mut state = entry.state();
            for new in found.iter().filter(|new| !state.differences.contains(new)) {
                tracing::warn!(plugin = name, "A pack expects something else: {}", new.en);
            }
            state.differences = found;
        }
    }

    /// The plugins whose contracts a pack keeps and that are not configured.
    fn absent(&self, pack: &Path) -> Vec<String> {
        let names = contracts::names(pack).into_iter();
        names
            .filter(|name| !self.entries.contains_key(name))
            .collect()
    }

    /// Ends all of them: nothing calls them any more.
    pub async fn shutdown(&self) {
        for (plugin, retired) in self.host.shutdown().await {
            if let Retired::Leaked(left) = retired {
                tracing::warn!(
                    plugin,
                    why = %left.said(),
                    "A plugin did not end in time and was left behind."
                );
            }
        }
    }
}

fn said(refusal: &Refusal) -> Words {
    let Said { en, zh } = refusal.said();
    words(en, zh)
}
