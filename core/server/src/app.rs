//! The house put together: store, packs, engine, channels and API of one server.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tandem_api::ApiState;
use tandem_bus::LocalBus;
use tandem_channel_kit::{Account, Channel, Kind, Stop};
use tandem_channel_script::{House, Script, kind::Opened};
use tandem_channel_web::WebChannel;
use tandem_domain::{AccountId, Timestamp, WorkspaceId, store::Store};
use tandem_engine::{
    Engine, Parts, Site,
    actions::{Runner, Tools, http::Web},
    files::Files,
    packs::PackSet,
};
use tandem_flow::{diagnostic::Diagnostic, model::Pack};
use tokio::sync::watch;

use crate::{
    accounts::{Accounts, Source},
    channels::Kinds,
    config::{Config, Environment, Other},
    listen::{self, Bounds},
    plugins::{PluginServices, PluginSet, action::PluginAction, report::Report},
    reload::{Reloader, Reloaders, Saves},
};

/// Scripts that may compute at the same time.
const SCRIPTS: usize = 4;
/// How often worked-off rows are looked through for old ones.
const PURGE: Duration = Duration::from_secs(3600);

/// A pack that does not load stops the server before it begins.
#[derive(Debug, thiserror::Error)]
#[error("the pack in {folder} has errors")]
pub struct BadPack {
    pub folder: PathBuf,
    pub diagnostics: Vec<Diagnostic>,
}

/// A server that is ready to listen.
pub struct App {
    pub engine: Engine,
    pub router: axum::Router,
    store: Arc<dyn Store>,
    reloads: Arc<Reloaders>,
    scripts: Opened,
    plugins: Arc<PluginSet>,
    /// Changes when packs have to be trained anew.
    relearn: Option<watch::Receiver<u32>>,
    remember: Duration,
    bounds: Bounds,
    stop: Stop,
}

impl App {
    /// Opens the store, loads the packs and the plugins and connects the channels. Nothing listens
    /// yet.
    ///
    /// # Errors
    /// When anything of it cannot be had, with what to do about it.
    pub async fn build(config: &Config, environment: &Environment) -> anyhow::Result<Self> {
        Self::build_with(config, environment, &Kinds::shipped()).await
    }

    /// As [`build`](Self::build), with these kinds of channels.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn build_with(
        config: &Config,
        environment: &Environment,
        kinds: &Kinds,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&config.data_dir).with_context(|| {
            format!(
                "the data folder {} cannot be made",
                config.data_dir.display()
            )
        })?;
        let store = tandem_store::open_sqlite(
            config.store_path().as_path(),
            tandem_store::SqliteOptions::default(),
        )
        .context("the database cannot be opened")?;
        let bus = Arc::new(LocalBus::default());
        let stop = Stop::new();

        let transport = tandem_net::Transport::system().context("no HTTP client can be made")?;

        let mut read = Vec::new();
        for (name, workspace) in &config.workspaces {
            read.push((WorkspaceId::new(name), read_pack(&workspace.pack).await?));
        }
        // Packs are trained with a plugin where that is the embedding model.
        let services = Arc::new(PluginServices::new(store.clone()));
        let plugins = PluginSet::open(config, environment, services).await?;
        let embedder = config.understanding.embedder.as_ref();
        let embedder = embedder.and_then(|embedder| embedder.plugin.as_deref());
        let relearn = embedder.and_then(|plugin| plugins.reloads(plugin));
        let trainer = crate::embedding::trainer(config, environment, &transport, &plugins).await?;

        let mut sites = Vec::new();
        let mut packs = HashMap::new();
        for (id, pack) in read {
            let set = PackSet::open(id.clone(), store.clone(), trainer.clone(), pack).await;
            let set =
                set.with_context(|| format!("the pack of the workspace `{id}` cannot be opened"))?;
            let set = Arc::new(set);
            packs.insert(id.clone(), set.clone());
            sites.push(Site {
                workspace: id,
                packs: set,
            });
        }
        let reloads = config.workspaces.iter().filter_map(|(name, workspace)| {
            let id = WorkspaceId::new(name);
            let set = packs.get(&id)?.clone();
            let reloader = Reloader::new(workspace.pack.clone(), set, plugins.clone());
            Some((id, Arc::new(reloader)))
        });
        let reloads: HashMap<_, _> = reloads.collect();
        let lookup = {
            let environment = environment.clone();
            Arc::new(move |name: &str| environment.get(name).map(str::to_owned))
        };
        let slots = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let scripts = Opened::default();
        let kinds = kinds.clone().with_natives(Some(&transport));
        let kinds = kinds.with_scripts(Some(&House {
            store: store.clone(),
            transport: transport.clone(),
            runner: tandem_lua::Runner::new(slots),
            opened: scripts.clone(),
        }));
        let web = Arc::new(Web::new(transport, lookup));
        let runner = Runner::new(
            packs,
            Tools {
                store: store.clone(),
                web,
                scripts: tandem_lua::Runner::new(SCRIPTS),
                plugins: Arc::new(PluginAction(plugins.clone())),
            },
        );
        let engine = Engine::new(Parts {
            store: store.clone(),
            bus,
            sites,
            action: Arc::new(runner),
            files: Files::new(config.data_dir.join("files")),
            seal: config.seal_key(environment)?,
            clock: Arc::new(Timestamp::now),
            config: tandem_engine::Config {
                public_url: config.server.public_url.clone(),
                ..(&config.limits).into()
            },
        });

        let mut router = tandem_channel_web::assets::routes();
        for (name, account) in &config.channels.web.accounts {
            let workspace = WorkspaceId::new(&account.workspace);
            if engine.site(&workspace).is_none() {
                bail!(
                    "channels.web.accounts.{name} belongs to the workspace `{workspace}`, which is not configured"
                );
            }
            let identity = Account {
                workspace,
                id: AccountId::new(name),
                channel: "web".into(),
            };
            let settings = config.web_account(name, account, environment)?;
            let channel = Arc::new(WebChannel::new(identity.clone(), settings)?);
            router = router.merge(connect(&engine, identity, channel, &stop));
        }
        let source = Source {
            config: config.file.clone(),
            environment: environment.clone(),
            kinds: kinds.clone(),
            public_url: config.server.public_url.clone(),
            data_dir: config.data_dir.clone(),
        };
        let accounts = Arc::new(Accounts::new(engine.clone(), source, stop.clone()));
        for (name, other) in &config.channels.others {
            let Some(kind) = kind(&kinds, &plugins, name, other)? else {
                tracing::warn!(
                    channel = name,
                    "The plugin of a channel was refused; the server starts without its accounts."
                );
                continue;
            };
            for (id, account) in &other.accounts {
                accounts.open(kind.clone(), name, id, account).await?;
            }
        }
        plugins.note_native();
        let reloads = Arc::new(Reloaders {
            packs: reloads,
            accounts: accounts.clone(),
        });
        let metrics = crate::metrics::install();
        let state = ApiState::new(
            engine.clone(),
            config.api(environment)?,
            reloads.clone(),
            Arc::new(Report(plugins.clone())),
            metrics,
            stop.clone(),
        );
        let router = accounts.router(router.merge(tandem_api::router(state)));
        Ok(Self {
            engine,
            router,
            store,
            reloads,
            scripts,
            plugins,
            relearn,
            remember: config.limits.remember.0,
            bounds: Bounds {
                idle: config.server.idle_timeout.0,
                drain: config.limits.drain.0,
            },
            stop,
        })
    }

    /// Serves until `until` resolves, then finishes what has begun.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        until: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        self.engine
            .start()
            .await
            .context("the store cannot be read")?;
        {
            let (accounts, stop) = (self.reloads.accounts.clone(), self.stop.child());
            tokio::spawn(async move { accounts.watch(stop).await });
        }
        for reloader in self.reloads.packs.values() {
            let (reloader, stop) = (reloader.clone(), self.stop.child());
            tokio::spawn(async move {
                let folder = reloader.folder().to_path_buf();
                if let Err(error) = reloader.watch(stop).await {
                    tracing::warn!(folder = %folder.display(), %error, "The pack's folder cannot be watched; reload it over the API.");
                }
            });
        }
        if let Some(mut relearn) = self.relearn {
            let (reloads, stop) = (self.reloads.clone(), self.stop.child());
            tokio::spawn(async move {
                while let Some(Ok(())) = stop.or(relearn.changed()).await {
                    for reloader in reloads.packs.values() {
                        reloader.retrain().await;
                    }
                }
            });
        }
        watch_scripts(self.scripts.all(), &self.stop);
        self.plugins.watch(&self.stop);
        let purge = {
            let (store, remember, stop) = (self.store.clone(), self.remember, self.stop.child());
            let engine = self.engine.clone();
            tokio::spawn(async move {
                while stop.or(tokio::time::sleep(PURGE)).await.is_some() {
                    let keep = engine.keep(remember);
                    if let Err(error) = store.purge(Timestamp::now(), &keep).await {
                        tracing::warn!(%error, "Old rows could not be removed.");
                    }
                }
            })
        };
        let stop = self.stop.clone();
        listen::serve(listener, self.router, self.bounds, async move {
            until.await;
            tracing::info!("Stopping: no new work is taken.");
            stop.stop();
        })
        .await;
        self.engine.shutdown().await;
        // Nothing calls them any more, and what they flushed was taken.
        self.plugins.shutdown().await;
        purge.abort();
        Ok(())
    }
}

/// The kind of channel that the configuration names; none where it is a plugin that may be missing.
fn kind(
    kinds: &Kinds,
    plugins: &PluginSet,
    name: &str,
    other: &Other,
) -> anyhow::Result<Option<Arc<dyn Kind>>> {
    match (&other.plugin, &other.file) {
        (Some(plugin), _) => {
            let kind = plugins.kind(name, plugin);
            let kind = kind.with_context(|| format!("channels.{name}.plugin: {plugin}"))?;
            Ok(kind.map(|kind| Arc::new(kind) as Arc<dyn Kind>))
        }
        (None, Some(file)) => kinds
            .of_file(file)
            .map(Some)
            .with_context(|| format!("channels.{name}.file: {}", file.display())),
        (None, None) => kinds
            .native(name)
            .cloned()
            .map(Some)
            .with_context(|| format!("channels.{name}: there is no channel of this name")),
    }
}

/// Makes a channel known, runs it, and gives its routes.
fn connect(
    engine: &Engine,
    account: Account,
    channel: Arc<dyn Channel>,
    stop: &Stop,
) -> axum::Router {
    let id = account.id.clone();
    let inbox = engine.connect(account, channel.clone());
    let routes = channel.routes(inbox.clone());
    let (engine, stop) = (engine.clone(), stop.child());
    tokio::spawn(async move { engine.run_channel(&id, inbox, stop).await });
    routes
}

/// Reloads the channel files of each folder as they are saved.
fn watch_scripts(scripts: Vec<Arc<Script>>, stop: &Stop) {
    let mut folders: BTreeMap<PathBuf, Vec<Arc<Script>>> = BTreeMap::new();
    for script in scripts {
        if let Some(folder) = script.folder() {
            folders.entry(folder.to_owned()).or_default().push(script);
        }
    }
    for (folder, scripts) in folders {
        let stop = stop.child();
        tokio::spawn(async move {
            let mode = notify::RecursiveMode::NonRecursive;
            let mut saves = match Saves::in_folder(&folder, mode) {
                Ok(saves) => saves,
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "The channels' folder cannot be watched; restart after changes.");
                    return;
                }
            };
            while saves.next(&stop).await {
                for script in &scripts {
                    script.reload().await;
                }
            }
        });
    }
}

async fn read_pack(folder: &Path) -> anyhow::Result<Pack> {
    let path = folder.to_path_buf();
    let loaded = tokio::task::spawn_blocking(move || tandem_flow::load::load_dir(&path))
        .await
        .context("the loader failed")?;
    loaded.pack.ok_or_else(|| {
        let bad = BadPack {
            folder: folder.to_path_buf(),
            diagnostics: loaded.diagnostics,
        };
        bad.into()
    })
}
