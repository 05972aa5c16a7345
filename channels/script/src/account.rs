//! One configured account of a channel's file.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use lru::LruCache;
use tandem_channel_kit::{Account, ChannelError, Inbox, MEDIA_MAX, Stop, token::Tokens};
use tandem_domain::{
    Timestamp, capabilities::Capabilities, message::ConversationKind, store::StoreError,
};
use tandem_net::{Client, Policy, Transport};
use tokio::sync::{Notify, Semaphore};
use url::Url;

use crate::{
    caps::{Setting, settle},
    machine::Values,
    memory::Memory,
    problem::{Words, words},
    script::Script,
    version::Version,
};

/// Requests that may be under way at once; more are told to come back.
const REQUESTS: usize = 512;
/// Conversations remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8192).expect("8192 is not zero");
/// Largest answer to a call of a file.
const ANSWER_MAX: usize = 2 << 20;

/// What the wall clock says; a test hands in its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What an operator sets for one account.
#[derive(Clone)]
pub struct Settings {
    /// The settings that the file declares, by name; secrets as they are.
    pub values: BTreeMap<String, String>,
    /// How the platform reaches this server: `https://help.example.com`.
    pub public_url: Url,
    /// Our address on the platform, where several accounts share one webhook.
    pub address: Option<String>,
    /// Largest request.
    pub body_limit: usize,
}

/// What an account needs of the house it is in.
#[derive(Clone)]
pub struct Host {
    pub transport: Transport,
    pub memory: Arc<dyn Memory>,
    pub clock: Clock,
}

/// A version made ready for an account.
pub(crate) struct Ready {
    pub version: Arc<Version>,
    pub values: Arc<Values>,
    pub client: Client,
    /// The same hosts, for larger answers.
    pub media: Client,
}

/// Everything the endpoint and the sends of one account share.
pub(crate) struct Shared {
    pub account: Account,
    pub script: Arc<Script>,
    pub settings: Settings,
    pub webhook: Url,
    pub host: Host,
    pub tokens: Tokens,
    pub stop: Stop,
    /// As they were at the start: they do not change while the channel runs.
    pub capabilities: Capabilities,
    pub requests: Semaphore,
    pub inbox: OnceLock<Inbox>,
    /// Told when another version is live.
    pub swapped: Notify,
    ready: ArcSwap<Ready>,
    /// Kinds of conversations, for events that do not say.
    kinds: Mutex<LruCache<String, ConversationKind>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Ready {
    /// Fails with every setting of the account that does not fit the file.
    pub fn new(version: Arc<Version>, shared: &Shared) -> Result<Self, Vec<Words>> {
        Self::fit(version, &shared.settings, &shared.webhook, &shared.host)
    }

    fn fit(
        version: Arc<Version>,
        settings: &Settings,
        webhook: &Url,
        host: &Host,
    ) -> Result<Self, Vec<Words>> {
        let values = settle(&version.settings, &settings.values, webhook.as_str())?;
        let policy = policy(&version, &values)?;
        let media = Policy {
            max_body: MEDIA_MAX,
            timeout: Duration::from_secs(30),
            ..policy.clone()
        };
        Ok(Self {
            client: Client::with_transport(policy, &host.transport),
            media: Client::with_transport(media, &host.transport),
            version,
            values: Arc::new(values),
        })
    }
}

/// What a file may reach for an account.
///
/// # Errors
/// When a host of it is none.
pub(crate) fn policy(version: &Version, values: &Values) -> Result<Policy, Vec<Words>> {
    // An address that the operator set is their own word for where the service is; keys are
    // fetched by the host itself.
    let set = version
        .settings
        .iter()
        .filter(|(_, kind)| **kind == Setting::Url)
        .filter_map(|(name, _)| values.0.get(name))
        .chain(&version.caps.edge.keys);
    let mut hosts = version.caps.edge.hosts.clone();
    hosts.extend(set.filter_map(|url| authority(url)));
    Policy {
        name: version.name.clone(),
        // Private addresses are still reached only where the list names them literally.
        allow_private: true,
        max_body: ANSWER_MAX,
        // The outbox decides what is tried again.
        retries: 0,
        ..Policy::default()
    }
    .with_hosts(&hosts)
    .map_err(|error| vec![words(error.to_string(), error.to_string())])
}

impl Shared {
    pub fn new(
        account: Account,
        script: Arc<Script>,
        settings: Settings,
        host: Host,
    ) -> Result<Arc<Self>, ChannelError> {
        let config = |text: String| ChannelError::Config(text);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let id = account.id.as_str();
        if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
            return Err(config(format!(
                "the account id {id:?} must be 1 to 64 letters, digits, '-', '_' or '.'"
            )));
        }
        let mut webhook = settings.public_url.clone();
        webhook.set_query(None);
        webhook.set_fragment(None);
        webhook
            .path_segments_mut()
            .map_err(|()| config("the public address is no http or https address".to_owned()))?
            .pop_if_empty()
            .extend(["hooks", &account.channel, id]);
        let ready = Ready::fit(script.version(), &settings, &webhook, &host).map_err(|wrong| {
            let wrong: Vec<String> = wrong.into_iter().map(|w| w.en).collect();
            config(wrong.join("; "))
        })?;
        let shared = Arc::new(Self {
            account,
            script,
            settings,
            webhook,
            host,
            tokens: Tokens::default(),
            capabilities: ready.version.caps.capabilities.clone(),
            stop: Stop::new(),
            requests: Semaphore::new(REQUESTS),
            inbox: OnceLock::new(),
            swapped: Notify::new(),
            ready: ArcSwap::from_pointee(ready),
            kinds: Mutex::new(LruCache::new(REMEMBERED)),
        });
        shared.script.join(&shared);
        Ok(shared)
    }

    pub fn now(&self) -> Timestamp {
        (self.host.clock)()
    }

    pub fn ready(&self) -> Arc<Ready> {
        self.ready.load_full()
    }

    /// Goes over to a new version; what was refused of the old one is tried anew.
    pub fn swap(&self, ready: Ready) {
        self.ready.store(Arc::new(ready));
        self.tokens.forget();
        self.swapped.notify_one();
    }

    /// Where this account's values are kept, apart from those of all others.
    pub fn scope(&self, what: &str) -> String {
        format!("hooks/{}/{}/{what}", self.account.channel, self.account.id)
    }

    /// The kind of a conversation whose event does not say; what events do say is remembered.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn kind(
        &self,
        id: &str,
        said: Option<ConversationKind>,
    ) -> Result<ConversationKind, StoreError> {
        let known = lock(&self.kinds).get(id).copied();
        let scope = self.scope("kinds");
        let kind = match (said, known) {
            (Some(kind), Some(known)) if kind == known => return Ok(kind),
            (Some(kind), _) => {
                // Most talk to us alone: that is what nothing kept means.
                let kept = known.unwrap_or_default();
                if kind != kept {
                    let value = serde_json::json!(kind);
                    self.host.memory.put(&scope, id, value, None).await?;
                }
                kind
            }
            (None, Some(known)) => return Ok(known),
            (None, None) => {
                let kept = self.host.memory.get(&scope, id, self.now()).await?;
                kept.and_then(|kind| serde_json::from_value(kind).ok())
                    .unwrap_or_default()
            }
        };
        lock(&self.kinds).put(id.to_owned(), kind);
        Ok(kind)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Host and port of a URL, as an allow-list writes them.
fn authority(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}
