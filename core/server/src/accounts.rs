//! Accounts of the configured channels while the server runs: each is opened, run and reached by
//! its routes, and can be opened anew with other settings without a restart.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context as _, bail};
use axum::{Router, extract::Request};
use tandem_api::AccountReload;
use tandem_channel_kit::{Account, Channel, Health, Kind, Opening, Stop};
use tandem_domain::{AccountId, Value, WorkspaceId};
use tandem_engine::Engine;
use tokio::{sync::Mutex, task::JoinHandle};
use tower::ServiceExt as _;

use crate::{
    channels::Kinds,
    config::{Config, Environment, OtherAccount},
};

/// How long a channel may take to end before the one in its place begins all the same.
const END: Duration = Duration::from_secs(10);
/// How often settings are looked at for an account whose credential was refused.
const LOOK: Duration = Duration::from_secs(15);

/// Where an account's settings come from, and what they are to be opened with.
pub(crate) struct Source {
    /// None where there is no file; secrets are looked up again all the same.
    pub config: Option<PathBuf>,
    pub environment: Environment,
    pub kinds: Kinds,
    pub public_url: Option<String>,
    pub data_dir: PathBuf,
}

/// Every account but those of the web channel.
pub(crate) struct Accounts {
    engine: Engine,
    source: Source,
    stop: Stop,
    open: Mutex<BTreeMap<AccountId, Open>>,
    routes: Arc<Routes>,
}

/// One that runs.
struct Open {
    kind: Arc<dyn Kind>,
    /// As configured; secrets say where they are kept.
    configured: OtherAccount,
    /// As found, to see whether anything is new.
    settings: Value,
    account: Account,
    stop: Stop,
    running: JoinHandle<()>,
}

impl Accounts {
    pub fn new(engine: Engine, source: Source, stop: Stop) -> Self {
        Self {
            engine,
            source,
            stop,
            open: Mutex::default(),
            routes: Arc::default(),
        }
    }

    /// Opens an account and begins to run it.
    ///
    /// # Errors
    /// When its settings or secrets cannot be used.
    pub async fn open(
        &self,
        kind: Arc<dyn Kind>,
        channel: &str,
        id: &str,
        configured: &OtherAccount,
    ) -> anyhow::Result<()> {
        let setting = format!("channels.{channel}.accounts.{id}");
        let account = Account {
            workspace: WorkspaceId::new(&configured.workspace),
            id: AccountId::new(id),
            channel: channel.to_owned(),
        };
        let settings = self
            .found(&*kind, configured)
            .with_context(|| setting.clone())?;
        let opening = self.opening(&account, &settings);
        let channel = kind.open(opening).await.with_context(|| setting)?;
        let (stop, running) = self.run(&account, channel);
        let open = Open {
            kind,
            configured: configured.clone(),
            settings,
            account: account.clone(),
            stop,
            running,
        };
        self.open.lock().await.insert(account.id, open);
        Ok(())
    }

    /// What answers requests: the routes of the accounts as they are now, then `rest`.
    pub fn router(&self, rest: Router) -> Router {
        self.routes.set_rest(rest);
        let routes = self.routes.clone();
        Router::new().fallback_service(tower::service_fn(move |request: Request| {
            let router = routes.current();
            async move { router.oneshot(request).await }
        }))
    }

    /// Reads an account's settings and secrets again and, where anything is new, opens it with
    /// them. What waits to be sent waits on and then goes.
    ///
    /// # Errors
    /// When they cannot be used; the account goes on as it was.
    pub async fn reload(self: &Arc<Self>, id: &AccountId) -> anyhow::Result<AccountReload> {
        let (accounts, id) = (self.clone(), id.clone());
        // Whoever asked may be gone halfway, when one channel has ended and the other not begun.
        let reload = tokio::spawn(async move { accounts.reload_now(&id).await });
        reload.await.context("the reload failed")?
    }

    async fn reload_now(&self, id: &AccountId) -> anyhow::Result<AccountReload> {
        let mut accounts = self.open.lock().await;
        let Some(open) = accounts.get_mut(id) else {
            bail!("the accounts of the web channel are read when the server starts");
        };
        let configured = self.configured(open).await?;
        let settings = self.found(&*open.kind, &configured)?;
        if configured.workspace != open.configured.workspace {
            bail!("an account moves to another workspace when the server starts");
        }
        if settings == open.settings {
            return Ok(AccountReload::Unchanged);
        }
        let opening = self.opening(&open.account, &settings);
        let channel = open.kind.open(opening).await?;
        // Two that receive at once would take each other's events.
        open.stop.stop();
        if tokio::time::timeout(END, &mut open.running).await.is_err() {
            open.running.abort();
        }
        (open.stop, open.running) = self.run(&open.account, channel);
        (open.configured, open.settings) = (configured, settings);
        tracing::info!(account = %id, "The account has new settings and runs with them.");
        Ok(AccountReload::Changed)
    }

    /// Until `stop`, looks now and then for new settings of accounts that cannot work with those
    /// they have.
    pub async fn watch(self: &Arc<Self>, stop: Stop) {
        while stop.or(tokio::time::sleep(LOOK)).await.is_some() {
            for status in self.engine.accounts() {
                let (Health::Unauthorized(_) | Health::Broken(_)) = status.health else {
                    continue;
                };
                if let Err(error) = self.reload(&status.account.id).await {
                    tracing::debug!(account = %status.account.id, error = format!("{error:#}"), "There are no new settings that could be used.");
                }
            }
        }
    }

    fn run(&self, account: &Account, channel: Arc<dyn Channel>) -> (Stop, JoinHandle<()>) {
        let inbox = self.engine.connect(account.clone(), channel.clone());
        self.routes.set(&account.id, channel.routes(inbox.clone()));
        let (engine, stop) = (self.engine.clone(), self.stop.child());
        let (id, until) = (account.id.clone(), stop.clone());
        let running = tokio::spawn(async move { engine.run_channel(&id, inbox, until).await });
        (stop, running)
    }

    /// The account as it is configured now.
    async fn configured(&self, open: &Open) -> anyhow::Result<OtherAccount> {
        let Some(path) = self.source.config.clone() else {
            return Ok(open.configured.clone());
        };
        let (environment, kinds) = (self.source.environment.clone(), self.source.kinds.clone());
        let read = tokio::task::spawn_blocking(move || {
            Config::load_with(Some(&path), &environment, &kinds).map_err(|problems| {
                let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("the configuration has errors: {}", told.join("; "))
            })
        });
        let config = read.await.context("the configuration's reader failed")??;
        let (channel, id) = (&open.account.channel, open.account.id.as_str());
        let other = config.channels.others.get(channel);
        let configured = other.and_then(|other| other.accounts.get(id)).cloned();
        configured.with_context(|| {
            format!("channels.{channel}.accounts.{id} is not in the configuration any more; it goes when the server starts anew")
        })
    }

    fn found(&self, kind: &dyn Kind, configured: &OtherAccount) -> anyhow::Result<Value> {
        let settings = configured.found(&self.source.environment)?;
        match kind.check(&settings).first() {
            Some(complaint) => bail!("{complaint}"),
            None => Ok(settings),
        }
    }

    fn opening(&self, account: &Account, settings: &Value) -> Opening {
        let folder = self.source.data_dir.join("channels").join(&account.channel);
        Opening {
            account: account.clone(),
            settings: settings.clone(),
            public_url: self.source.public_url.clone(),
            data_dir: folder.join(account.id.as_str()),
        }
    }
}

/// The routes of every account, put together anew when one of them changes.
#[derive(Default)]
struct Routes(RwLock<Table>);

#[derive(Default)]
struct Table {
    accounts: BTreeMap<AccountId, Router>,
    rest: Router,
    whole: Router,
}

impl Routes {
    fn set(&self, account: &AccountId, routes: Router) {
        self.change(|table| {
            table.accounts.insert(account.clone(), routes);
        });
    }

    fn set_rest(&self, rest: Router) {
        self.change(|table| table.rest = rest);
    }

    fn change(&self, change: impl FnOnce(&mut Table)) {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut table);
        let accounts = table.accounts.values().cloned();
        let whole = accounts.fold(Router::new(), Router::merge);
        table.whole = whole.fallback_service(table.rest.clone());
    }

    fn current(&self) -> Router {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.whole.clone()
    }
}
