//! The engine: what a server is made of, how it starts and how it stops.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lru::LruCache;
use tandem_channel_kit::{Account, Channel, Inbox, Links, Stop};
use tandem_domain::{
    AccountId, InboxId, Timestamp, WorkspaceId,
    action::Action,
    bus::{Bus, Signal, Topic},
    store::{Commit, Message, Store, Write},
};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::{accounts::Connected, files::Files, lanes::Lanes, packs::PackSet, seal::SealKey};

/// How the engine behaves; every figure has a reason beside it.
#[derive(Clone, Debug)]
pub struct Config {
    /// A customer who writes again within this time goes on in the same conversation.
    pub reopen_window: Duration,
    /// Lanes kept in memory; the others are read when they speak again.
    pub lanes_in_memory: usize,
    /// Calls to the outside at one time.
    pub actions_at_once: usize,
    /// Sends of one account at one time.
    pub sends_at_once: usize,
    /// Longer than any platform's answer takes.
    pub send_lease: Duration,
    /// After these the message is a dead letter.
    pub send_attempts: u32,
    /// So long after its first attempt a message is a dead letter, whatever it waited for.
    pub send_ttl: Duration,
    /// Times the work on an event may fail before it is put aside.
    pub turn_attempts: u32,
    /// How long shutdown waits for work that has begun.
    pub drain: Duration,
    /// How this server is reached from outside; without it no file has a public link.
    pub public_url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reopen_window: Duration::from_secs(24 * 3600),
            lanes_in_memory: 20_000,
            actions_at_once: 64,
            sends_at_once: 64,
            send_lease: Duration::from_secs(60),
            send_attempts: 12,
            send_ttl: Duration::from_secs(24 * 3600),
            turn_attempts: 3,
            drain: Duration::from_secs(10),
            public_url: None,
        }
    }
}

/// A workspace and the pack its bot speaks by.
pub struct Site {
    pub workspace: WorkspaceId,
    pub packs: Arc<PackSet>,
}

/// What an engine is built from.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub sites: Vec<Site>,
    pub action: Arc<dyn Action>,
    pub files: Files,
    pub seal: SealKey,
    /// What time it is; [`Timestamp::now`] but in tests.
    pub clock: Clock,
    pub config: Config,
}

/// Gives the present moment.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub sites: HashMap<WorkspaceId, Arc<Site>>,
    pub action: Arc<dyn Action>,
    pub files: Files,
    pub seal: SealKey,
    /// Public links to the files of each workspace, where the server can be reached.
    links: HashMap<WorkspaceId, Links>,
    pub clock: Clock,
    pub config: Config,
    pub lanes: Lanes,
    channels: RwLock<HashMap<AccountId, Arc<Connected>>>,
    /// What the turns of recent events said, for whoever waits for an answer.
    settled: Mutex<LruCache<InboxId, Settled>>,
    pub timers_changed: Notify,
    pub fetches_changed: Notify,
    /// A write that is done once for a contact has its result, or was given up.
    pub claims_changed: Notify,
    pub action_permits: Arc<Semaphore>,
    /// Whether accounts that are connected now are sent for at once.
    started: AtomicBool,
    pub stop: Stop,
    pub tasks: TaskTracker,
}

enum Settled {
    Done(Arc<Vec<Message>>),
    Waiting(watch::Sender<Option<Arc<Vec<Message>>>>),
}

impl Engine {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let links = parts.config.public_url.iter().flat_map(|url| {
            let base = url.trim_end_matches('/');
            parts.sites.iter().map(move |site| {
                let base = format!("{base}/files/{}", site.workspace);
                (site.workspace.clone(), base)
            })
        });
        let links = links
            .map(|(workspace, base)| {
                let links = Links::new(parts.seal.bytes(), workspace.as_str(), &base);
                (workspace, links)
            })
            .collect();
        let remembered = NonZeroUsize::new(4096).expect("4096 is not zero");
        Self(Arc::new(Inner {
            store: parts.store,
            bus: parts.bus,
            sites: parts
                .sites
                .into_iter()
                .map(|site| (site.workspace.clone(), Arc::new(site)))
                .collect(),
            action: parts.action,
            files: parts.files,
            seal: parts.seal,
            links,
            clock: parts.clock,
            lanes: Lanes::new(parts.config.lanes_in_memory),
            channels: RwLock::default(),
            settled: Mutex::new(LruCache::new(remembered)),
            timers_changed: Notify::new(),
            fetches_changed: Notify::new(),
            claims_changed: Notify::new(),
            action_permits: Arc::new(Semaphore::new(parts.config.actions_at_once)),
            started: AtomicBool::new(false),
            stop: Stop::new(),
            tasks: TaskTracker::new(),
            config: parts.config,
        }))
    }

    /// Makes a channel known and gives the inbox it hands its events to. It takes the place of
    /// one that served the account before: end that one first.
    pub fn connect(&self, account: Account, channel: Arc<dyn Channel>) -> Inbox {
        let inbox = Inbox::new(account.clone(), Arc::new(self.clone()));
        let id = account.id.clone();
        let connected = Arc::new(Connected::new(
            account,
            channel,
            self.0.config.sends_at_once,
            self.0.stop.child(),
        ));
        let before = self
            .0
            .channels
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, connected.clone());
        if let Some(before) = before {
            // What it is sending it still settles; what waits is the other's now.
            before.replaced.stop();
            self.0.fetches_changed.notify_one();
        }
        if self.0.started.load(Ordering::Acquire) {
            self.send_for(connected);
        }
        inbox
    }

    fn send_for(&self, connected: Arc<Connected>) {
        if !connected.reads_transcript {
            let engine = self.clone();
            self.0
                .tasks
                .spawn(async move { engine.run_outbox(connected).await });
        }
    }

    /// Takes up what an earlier run left and begins to work. Call it after the channels are
    /// connected.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(&self) -> Result<(), tandem_domain::store::StoreError> {
        let inner = &self.0;
        for workspace in inner.sites.keys() {
            // One process has the store: what an earlier one was sending, nobody sends now.
            let mut commit = Commit::new(workspace.clone());
            commit.writes.push(Write::LeasesEnd(self.now()));
            inner.store.commit(commit).await?;
            self.recover_inbox(workspace).await?;
            self.recover_actions(workspace).await?;
        }
        let engine = self.clone();
        inner.tasks.spawn(async move { engine.run_timers().await });
        let engine = self.clone();
        inner.tasks.spawn(async move { engine.run_fetches().await });
        if !inner.started.swap(true, Ordering::AcqRel) {
            for connected in self.channels() {
                self.send_for(connected);
            }
        }
        Ok(())
    }

    /// Stops taking up work and waits for what has begun, at most [`Config::drain`]. What is not
    /// finished then is finished by the next start.
    pub async fn shutdown(&self) {
        self.0.stop.stop();
        self.0.timers_changed.notify_waiters();
        self.0.tasks.close();
        if tokio::time::timeout(self.0.config.drain, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("Some work did not finish in time; it goes on at the next start.");
        }
    }

    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    #[must_use]
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.0.bus
    }

    #[must_use]
    pub fn site(&self, workspace: &WorkspaceId) -> Option<Arc<Site>> {
        self.0.sites.get(workspace).cloned()
    }

    /// Makes and checks public links to the workspace's files: `/files/WORKSPACE/FILE?s=…` of the
    /// configured address. None where nobody said how this server is reached.
    #[must_use]
    pub fn links(&self, workspace: &WorkspaceId) -> Option<&Links> {
        self.0.links.get(workspace)
    }

    #[must_use]
    pub fn channels(&self) -> Vec<Arc<Connected>> {
        self.0
            .channels
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }

    #[must_use]
    pub fn channel(&self, account: &AccountId) -> Option<Arc<Connected>> {
        self.0
            .channels
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(account)
            .cloned()
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    pub(crate) fn wake(&self, topic: &Topic, signal: Signal) {
        self.0.bus.publish(topic, signal);
    }

    /// The workspace's event log has grown.
    pub(crate) fn wake_events(&self, workspace: &WorkspaceId) {
        let workspace = workspace.clone();
        let topic = Topic::Events(workspace.clone());
        self.wake(&topic, Signal::Events { workspace });
    }

    /// The turn of an event has ended with these public lines.
    pub(crate) fn settle(&self, id: InboxId, lines: Arc<Vec<Message>>) {
        let before = self.settled().put(id, Settled::Done(lines.clone()));
        if let Some(Settled::Waiting(waiting)) = before {
            // Nobody waiting any more is fine.
            let _ = waiting.send(Some(lines));
        }
    }

    /// What the turn of an event said, once it has ended.
    pub(crate) async fn await_settled(
        &self,
        id: InboxId,
        limit: Duration,
    ) -> Option<Arc<Vec<Message>>> {
        let mut ended = {
            let mut settled = self.settled();
            match settled.get(&id) {
                Some(Settled::Done(lines)) => return Some(lines.clone()),
                Some(Settled::Waiting(waiting)) => waiting.subscribe(),
                None => {
                    let (waiting, ended) = watch::channel(None);
                    settled.put(id, Settled::Waiting(waiting));
                    ended
                }
            }
        };
        let settled = tokio::time::timeout(limit, ended.wait_for(Option::is_some)).await;
        settled.ok()?.ok()?.clone()
    }

    fn settled(&self) -> MutexGuard<'_, LruCache<InboxId, Settled>> {
        self.0
            .settled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
