//! All plugins of a server, and the way a plugin is loaded.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tandem_plugin_abi::table::Table;
use tandem_plugin_sdk::wire::{Kind, Manifest, manifest::is_name};

use crate::{
    HostConfig, Plugin, PluginConfig, PluginHealth, Refusal, Retired, Said, Services,
    channel::{self, Desk, Front, Opened},
    elf,
    file::{PrivateCopy, admit, private_folder},
    library::Images,
    native::Native,
    plugin::{Backend, Generation},
    probe,
    schema::{Schemas, check_config},
    stdio::{Process, Start},
    threads::apart,
};

/// All plugins by name. One for a process: it counts the images that were loaded.
#[derive(Debug)]
pub struct Plugins {
    loader: Arc<Loader>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: BTreeMap<String, Arc<Plugin>>,
    /// Names that are being loaded right now.
    loading: BTreeSet<String>,
    /// No more are taken in.
    closed: bool,
}

/// Everything loading needs.
pub(crate) struct Loader {
    pub(crate) config: HostConfig,
    services: Arc<dyn Services>,
    /// Where channels hand in what they received.
    desk: Arc<Desk>,
    images: Arc<Images>,
    /// The images of channels by what is in their file: accounts share one.
    shared: Mutex<BTreeMap<[u8; 32], (Table, Manifest)>>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.config.fmt(f)
    }
}

impl Plugins {
    /// No plugin yet.
    ///
    /// # Errors
    /// When the private folder cannot be made, or is not private.
    pub fn new(config: HostConfig, services: Arc<dyn Services>) -> Result<Self, Refusal> {
        private_folder(&config.private)?;
        let images = Arc::new(Images::new(config.limits.images));
        let desk = Arc::new(Desk::default());
        Ok(Self {
            loader: Arc::new(Loader {
                config,
                services: Arc::new(Front::new(desk.clone(), services)),
                desk,
                images,
                shared: Mutex::default(),
            }),
            known: Mutex::default(),
        })
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.loader.desk
    }

    /// Loads one more. Has to be called within a runtime.
    ///
    /// # Errors
    /// Why it is not loaded; the others are as they were.
    pub async fn load(&self, config: PluginConfig) -> Result<Arc<Plugin>, Refusal> {
        self.add(config, None).await
    }

    /// Takes one in that is linked into the program, by its table; `path` and `command` stay empty.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub async fn link(&self, config: PluginConfig, table: Table) -> Result<Arc<Plugin>, Refusal> {
        self.add(config, Some(table)).await
    }

    async fn add(
        &self,
        config: PluginConfig,
        linked: Option<Table>,
    ) -> Result<Arc<Plugin>, Refusal> {
        if !is_name(&config.name) && !channel::is_account(&config.name) {
            return Err(Refusal::BadName);
        }
        let _name = self.reserve(&config.name)?;
        let generation = self.loader.load(&config, linked).await?;
        let name = config.name.clone();
        let loader = self.loader.clone();
        let plugin = Arc::new(Plugin::new(config, linked, generation, loader));
        let too_late = {
            let mut known = self.known();
            if !known.closed {
                known.by_name.insert(name, plugin.clone());
            }
            known.closed
        };
        if too_late {
            plugin.unload().await;
            return Err(Refusal::Closed);
        }
        Ok(plugin)
    }

    /// What a library or program is, without loading it into this process or giving it a
    /// configuration.
    ///
    /// # Errors
    /// As [`load`](Self::load) would say before that.
    pub async fn inspect(&self, path: &Path) -> Result<Manifest, Refusal> {
        let copy = self.loader.copy("inspect", path).await?;
        match &self.loader.config.probe {
            Some(probe) => probe.run(copy.path()).await,
            None => Err(Refusal::Probe {
                why: probe::no_command(),
            }),
        }
    }

    /// What a configured plugin is, library or program, without giving it its configuration. The
    /// configuration is held against it by [`misfits`](crate::schema::misfits).
    ///
    /// # Errors
    /// As [`load`](Self::load) would say before that.
    pub async fn look(&self, config: &PluginConfig) -> Result<Manifest, Refusal> {
        let manifest = match (&config.path, &config.command) {
            (Some(path), None) => self.inspect(path).await?,
            (None, Some(_)) => {
                let start = self.loader.start(config)?;
                Process::look(start, &self.loader.config.limits).await?
            }
            _ => return Err(Refusal::PathOrCommand),
        };
        allowed(config, &manifest)?;
        Schemas::of(&manifest)?;
        Ok(manifest)
    }

    /// The accounts of a channel that this plugin is, by name.
    #[must_use]
    pub fn accounts(&self, plugin: &str) -> Vec<Arc<Plugin>> {
        let mut all = self.all();
        all.retain(|one| channel::plugin_of(one.name()) == plugin && one.name() != plugin);
        all
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Plugin>> {
        self.known().by_name.get(name).cloned()
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Plugin>> {
        self.known().by_name.values().cloned().collect()
    }

    #[must_use]
    pub fn health(&self) -> Vec<PluginHealth> {
        self.all().iter().map(|plugin| plugin.health()).collect()
    }

    /// Images loaded since the process began, of how many it may load.
    #[must_use]
    pub fn images(&self) -> (usize, usize) {
        (
            self.loader.images.loaded(),
            self.loader.config.limits.images,
        )
    }

    /// Ends one and forgets it; `None` when there is none of that name.
    pub async fn unload(&self, name: &str) -> Option<Retired> {
        let plugin = self.known().by_name.remove(name)?;
        Some(plugin.unload().await)
    }

    /// Ends all of them at once. Afterwards the process should end by
    /// [`exit_now`](crate::library::exit_now): what plugins left behind may hang in exit handlers.
    pub async fn shutdown(&self) -> Vec<(String, Retired)> {
        let all = {
            let mut known = self.known();
            known.closed = true;
            std::mem::take(&mut known.by_name)
        };
        let mut ending = tokio::task::JoinSet::new();
        for (name, plugin) in all {
            ending.spawn(async move { (name, plugin.unload().await) });
        }
        let mut ended = ending.join_all().await;
        ended.sort_by(|a, b| a.0.cmp(&b.0));
        ended
    }

    /// Keeps the name until it is dropped, so that two loads at once cannot both take it.
    fn reserve(&self, name: &str) -> Result<Reserved<'_>, Refusal> {
        let mut known = self.known();
        if known.closed {
            return Err(Refusal::Closed);
        }
        if known.by_name.contains_key(name) || !known.loading.insert(name.to_owned()) {
            return Err(Refusal::SameName);
        }
        Ok(Reserved(self, name.to_owned()))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reserved<'p>(&'p Plugins, String);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.known().loading.remove(&self.1);
    }
}

impl Loader {
    /// Everything up to a running instance.
    pub(crate) async fn load(
        &self,
        config: &PluginConfig,
        linked: Option<Table>,
    ) -> Result<Generation, Refusal> {
        let (manifest, backend) = match (&config.path, &config.command, linked) {
            (Some(path), None, None) => self.native(config, path).await?,
            (None, Some(_), None) => self.process(config).await?,
            (None, None, Some(table)) => {
                let manifest = probe::manifest(&table, self.config.limits.manifest)?;
                self.create(config, table, manifest).await?
            }
            _ => return Err(Refusal::PathOrCommand),
        };
        let mut generation = Generation {
            load: 1,
            opening: 0,
            schemas: Schemas::of(&manifest)?,
            manifest,
            backend,
            timeout: config.timeout_ms.map(Duration::from_millis),
            opened: None,
        };
        if channel::is_account(&config.name) {
            match Opened::of(&generation, self.config.limits.load).await {
                Ok(opened) => generation.opened = Some(opened),
                Err(why) => {
                    let limit = self.config.limits.stop;
                    generation.retire(&config.name, limit).await;
                    return Err(Refusal::Open { why });
                }
            }
        }
        Ok(generation)
    }

    async fn native(
        &self,
        config: &PluginConfig,
        path: &Path,
    ) -> Result<(Manifest, Backend), Refusal> {
        let copy = self.copy(&config.name, path).await?;
        let content =
            channel::is_account(&config.name).then(|| *blake3::hash(copy.bytes()).as_bytes());
        if let Some((table, manifest)) = content.and_then(|content| self.shared(&content)) {
            return self.create(config, table, manifest).await;
        }
        if let Some(probe) = &self.config.probe {
            let manifest = probe.run(copy.path()).await?;
            // All that can be said against it is said before it is in this process.
            self.agree(config, &manifest)?;
        }
        let (table, manifest) = self.map(&config.name, copy).await?;
        if let Some(content) = content {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.insert(content, (table, manifest.clone()));
        }
        self.create(config, table, manifest).await
    }

    /// An image that another account of the same library has loaded.
    fn shared(&self, content: &[u8; 32]) -> Option<(Table, Manifest)> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(content).cloned()
    }

    /// An instance, once manifest and configuration go together.
    async fn create(
        &self,
        config: &PluginConfig,
        table: Table,
        manifest: Manifest,
    ) -> Result<(Manifest, Backend), Refusal> {
        let concurrency = self.agree(config, &manifest)?;
        let services = self.services.clone();
        let native = Native::create(
            &config.name,
            table,
            &manifest,
            concurrency,
            &config.config,
            services,
            &self.config.limits,
        )
        .await?;
        Ok((manifest, Backend::Native(native)))
    }

    /// The checks that run nothing of it.
    async fn copy(&self, name: &str, path: &Path) -> Result<PrivateCopy, Refusal> {
        let limits = &self.config.limits;
        let (path, most) = (path.to_path_buf(), limits.file);
        let (folders, private) = (self.config.folders.clone(), self.config.private.clone());
        let read = move || {
            let path = admit(&path, &folders)?;
            let copy = PrivateCopy::of(&path, &private, most)?;
            elf::inspect(copy.bytes())?;
            Ok(copy)
        };
        match apart(name, limits.load, read).await {
            Some(copy) => copy,
            None => Err(Refusal::Copy {
                why: Said::new("reading it did not end in time", "读取没有及时完成"),
            }),
        }
    }

    /// Loads the copy into this process and asks it what it is.
    async fn map(&self, name: &str, copy: PrivateCopy) -> Result<(Table, Manifest), Refusal> {
        let limits = &self.config.limits;
        let (images, most) = (self.images.clone(), limits.manifest);
        let load = move || {
            let table = images.load(copy.path())?;
            let manifest = probe::manifest(&table, most)?;
            Ok((table, manifest))
        };
        match apart(name, limits.load, load).await {
            Some(loaded) => loaded,
            None => Err(Refusal::Load {
                why: Said::new("loading it did not end in time", "加载没有及时完成"),
            }),
        }
    }

    async fn process(&self, config: &PluginConfig) -> Result<(Manifest, Backend), Refusal> {
        let start = self.start(config)?;
        let services = self.services.clone();
        let agree = |manifest: &Manifest| self.agree(config, manifest);
        let (process, manifest) =
            Process::start(start, services, &self.config.limits, agree).await?;
        Ok((manifest, Backend::Process(process)))
    }

    /// How a command is started.
    fn start(&self, config: &PluginConfig) -> Result<Start, Refusal> {
        let command = config.command.clone().unwrap_or_default();
        let folder = self.program(&command)?;
        Ok(Start {
            name: config.name.clone(),
            command,
            folder,
            config: config.config.clone(),
            memory_mb: config.memory_mb.unwrap_or(self.config.limits.memory_mb),
        })
    }

    /// The folder of the file a command runs: the program itself, or what an interpreter is given.
    /// One of them has to lie where plugins lie. A way from here would lead elsewhere from there, so
    /// that whether it starts would hang on where the server was started.
    fn program(&self, command: &[String]) -> Result<PathBuf, Refusal> {
        let mut first = None;
        for word in command.iter().map(Path::new) {
            if word.is_relative() {
                continue;
            }
            match admit(word, &self.config.folders) {
                Ok(found) => {
                    let folder = found.parent().unwrap_or(&found).to_path_buf();
                    return Ok(folder);
                }
                Err(Refusal::NotFound { .. }) => {}
                Err(refusal) => {
                    first.get_or_insert(refusal);
                }
            }
        }
        Err(first.unwrap_or_else(|| Refusal::NoProgram {
            command: command.join(" "),
        }))
    }

    /// Whether the configuration and the manifest go together; how many calls at once then.
    fn agree(&self, config: &PluginConfig, manifest: &Manifest) -> Result<u32, Refusal> {
        allowed(config, manifest)?;
        Schemas::of(manifest)?;
        check_config(manifest, &config.config)?;
        if manifest.serial {
            return Ok(1);
        }
        let useful = manifest
            .concurrency
            .unwrap_or(self.config.limits.concurrency);
        Ok(config.concurrency.unwrap_or(useful).min(useful).max(1))
    }
}

/// Whether it offers no kind but those the configuration allows.
fn allowed(config: &PluginConfig, manifest: &Manifest) -> Result<(), Refusal> {
    let Some(allowed) = &config.kinds else {
        return Ok(());
    };
    let offered = Kind::ALL.into_iter().filter(|kind| manifest.offers(*kind));
    let mut others = offered.filter(|kind| !allowed.contains(kind));
    match others.next() {
        Some(kind) => Err(Refusal::KindNotAllowed(kind)),
        None => Ok(()),
    }
}
