//! The channel of one account: what the outbox and the host of channels see of it.

use std::{
    collections::BTreeSet,
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lru::LruCache;
use reqwest::Method;
use tandem_channel_kit::{Account, Channel, ChannelError, Fetched, File, Health, Inbox, Stop};
use tandem_domain::{
    BoxError, OutboxId, Timestamp, Value,
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Media, Outbound, SendOp},
};
use url::Url;

use crate::{
    api::Api,
    config::{Interactions, Settings},
    fault::{Fault, GONE, NO_ACCESS},
    gateway,
    inbound::{Me, Reader, Ticket},
    native::{Interaction, Snowflake},
    outbound::{self, Body},
    place::Places,
    state::State,
    webhook,
};

/// Interactions whose first answer is remembered; they live for fifteen minutes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8192).expect("8192 is not zero");
/// An interaction that Discord does not know may not have been acknowledged yet.
const YOUNG: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_secs(1);
/// A message that only says "is thinking".
const LOADING: u64 = 1 << 7;

/// What the wall clock says; a test hands in its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One bot.
#[derive(Clone, Debug)]
pub struct DiscordChannel(Arc<Hub>);

/// Everything that receiving and sending share.
pub(crate) struct Hub {
    pub account: Account,
    pub settings: Settings,
    pub api: Api,
    pub places: Places,
    pub file: PathBuf,
    clock: Clock,
    /// What outlives the process, and whether it was read.
    state: Mutex<State>,
    loaded: OnceLock<()>,
    health: Mutex<Health>,
    inbox: OnceLock<Inbox>,
    /// Commands that came to this process.
    commands: Mutex<LruCache<Snowflake, Ticket>>,
    /// Whose answer replaces "is thinking", by the interaction.
    answers: Mutex<LruCache<Snowflake, OutboxId>>,
    /// Messages that may have arrived by an interaction's token, where nothing tells repeats apart.
    doubtful: Mutex<LruCache<OutboxId, ()>>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl DiscordChannel {
    /// `folder` is where it keeps how far it has read.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub fn new(
        account: Account,
        settings: Settings,
        folder: &Path,
        clock: Clock,
    ) -> Result<Self, BoxError> {
        let api = Api::new(&settings.api.0, &settings.token)?;
        Ok(Self(Arc::new(Hub {
            account,
            settings,
            api,
            places: Places::default(),
            file: folder.join("gateway.json"),
            clock,
            state: Mutex::default(),
            loaded: OnceLock::new(),
            health: Mutex::default(),
            inbox: OnceLock::new(),
            commands: Mutex::new(LruCache::new(REMEMBERED)),
            answers: Mutex::new(LruCache::new(REMEMBERED)),
            doubtful: Mutex::new(LruCache::new(REMEMBERED)),
        })))
    }
}

impl Hub {
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Reads what the last process left, once.
    pub async fn load(&self) -> Result<(), ChannelError> {
        if self.loaded.get().is_none() {
            let path = self.file.clone();
            let state = tokio::task::spawn_blocking(move || State::load(&path)).await;
            *self.state() = state.map_err(|error| ChannelError::Lost(error.into()))?;
            let _ = self.loaded.set(());
        }
        Ok(())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn set_health(&self, health: Health) {
        *lock(&self.health) = health;
    }

    pub fn me(&self) -> Me {
        self.state().me.unwrap_or_default()
    }

    pub fn reader(&self) -> Reader<'_> {
        Reader {
            account: &self.account,
            me: self.me(),
            channels: self.channels(),
        }
    }

    /// Which bot a session is of, and what it asked to hear: another's is not taken up.
    pub fn made_for(&self, intents: u64) -> String {
        let token = self.settings.token.expose().trim();
        let whole = format!("{intents}\n{token}");
        blake3::hash(whole.as_bytes()).to_hex()[..16].to_owned()
    }

    pub fn channels(&self) -> &BTreeSet<Snowflake> {
        &self.settings.channels
    }

    /// What an interaction tells beside its event: where its channel is, and how a command is
    /// answered.
    pub fn learn(&self, asked: &Interaction) {
        if let Some(channel) = &asked.channel {
            self.places.learn(channel);
        }
        let ticket = Ticket::of(asked);
        if ticket.thinking {
            lock(&self.commands).put(asked.id, ticket);
        }
    }

    /// Sends a new message: as the answer to a command where one waits for it, else to the channel.
    async fn say(&self, channel: Snowflake, message: &Outbound) -> Result<Receipt, SendError> {
        if lock(&self.doubtful).contains(&message.uuid) {
            return Err(SendError::Uncertain(
                "an earlier attempt may have arrived, and this way of sending knows no repeats"
                    .into(),
            ));
        }
        let body = outbound::body(&message.content, message.choice_style);
        let files = self.files(&body).await?;
        let reply = message.reply_context.as_ref();
        let ticket = reply.and_then(|reply| Ticket::read(&reply.token));
        if let Some(command) = ticket
            .as_ref()
            .and_then(|given| self.command(given, message))
            && self.is_first(&command, message, &body).await?
        {
            let path = command.original();
            let put = self.api.put(Method::PATCH, &path, &body, files.clone());
            match put.await {
                Ok(made) => return Ok(receipt(&made)),
                Err(fault) if GONE.contains(&fault.code()) => self.given_up(&command)?,
                Err(fault) => return Err(fault.ending(true)),
            }
        }
        let fresh = outbound::fresh(body.clone(), message);
        let path = format!("/channels/{channel}/messages");
        let put = self.api.put(Method::POST, &path, &fresh, files.clone());
        match (put.await, ticket) {
            (Ok(made), _) => Ok(receipt(&made)),
            (Err(fault), Some(ticket)) if NO_ACCESS.contains(&fault.code()) => {
                self.further(&ticket, message, &body, files, fault).await
            }
            (Err(fault), _) => Err(fault.ending(false)),
        }
    }

    /// The command that a message answers. Several may wait in one channel, each for its own.
    fn command(&self, given: &Ticket, message: &Outbound) -> Option<Ticket> {
        let answered = message.last_inbound_id.as_deref();
        let answered = answered.and_then(Snowflake::read).unwrap_or(given.id);
        let ticket = match answered == given.id {
            true => given.clone(),
            false => lock(&self.commands).get(&answered)?.clone(),
        };
        (ticket.thinking && ticket.lives(self.now())).then_some(ticket)
    }

    /// Whether this message is the one that replaces "is thinking": the first answer, in all its
    /// attempts.
    async fn is_first(
        &self,
        ticket: &Ticket,
        message: &Outbound,
        body: &Body,
    ) -> Result<bool, SendError> {
        let known = lock(&self.answers).get(&ticket.id).copied();
        if let Some(first) = known {
            return Ok(first == message.uuid);
        }
        // Not even a command that has just come is certainly open: it may have come again.
        let first = self.is_open(ticket, body).await?;
        if first {
            lock(&self.answers).put(ticket.id, message.uuid);
        }
        Ok(first)
    }

    /// Whether "is thinking" still stands there, or this very message already.
    async fn is_open(&self, ticket: &Ticket, body: &Body) -> Result<bool, SendError> {
        let standing = match self.api.get_message(&ticket.original()).await {
            Ok(standing) => standing,
            Err(fault) if GONE.contains(&fault.code()) => {
                return self.given_up(ticket).map(|()| false);
            }
            Err(fault) => return Err(fault.ending(true)),
        };
        let flags = standing.get("flags").and_then(Value::as_u64).unwrap_or(0);
        let count = |list: Option<&Value>| list.and_then(Value::as_array).map_or(0, Vec::len);
        let same = standing.get("content") == body.fields.get("content")
            && count(standing.get("embeds")) == count(body.fields.get("embeds"));
        Ok(flags & LOADING != 0 || same)
    }

    /// Discord does not know the interaction: a moment after it came that will change, later it was
    /// not acknowledged in time and the channel is left to answer in.
    fn given_up(&self, ticket: &Ticket) -> Result<(), SendError> {
        match self.now().since(ticket.id.time()) < YOUNG {
            true => Err(SendError::RetryAfter(SOON)),
            false => Ok(()),
        }
    }

    /// Where the bot may press on in a conversation but not write in its channel.
    async fn further(
        &self,
        ticket: &Ticket,
        message: &Outbound,
        body: &Body,
        files: Vec<File>,
        refused: Fault,
    ) -> Result<Receipt, SendError> {
        let path = ticket.further();
        let put = self.api.put(Method::POST, &path, body, files);
        match put.await {
            Ok(made) => Ok(receipt(&made)),
            // It lived long enough to be tried, and no longer: what the channel said counts.
            Err(fault) if GONE.contains(&fault.code()) => Err(refused.ending(false)),
            Err(fault) => {
                let ending = fault.ending(false);
                if matches!(ending, SendError::Uncertain(_)) {
                    lock(&self.doubtful).put(message.uuid, ());
                }
                Err(ending)
            }
        }
    }

    /// The stored files that go up.
    async fn files(&self, body: &Body) -> Result<Vec<File>, SendError> {
        let mut files = Vec::with_capacity(body.files.len());
        for id in &body.files {
            let inbox = self.inbox.get();
            let inbox = inbox.ok_or_else(|| SendError::Transient("not started yet".into()))?;
            let loaded = inbox.load_file(*id).await;
            let loaded = loaded.map_err(|error| SendError::Transient(error.into()))?;
            files.push(loaded.ok_or_else(|| SendError::Rejected {
                code: "media".to_owned(),
                message: format!("the file {id} is not stored any more"),
            })?);
        }
        Ok(files)
    }
}

#[async_trait]
impl Channel for DiscordChannel {
    fn capabilities(&self) -> Capabilities {
        outbound::capabilities()
    }

    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        // Routes may have set it before; both handles are the same account's.
        let _ = self.0.inbox.set(inbox.clone());
        gateway::run(&self.0, &inbox, &stop).await
    }

    fn routes(&self, inbox: Inbox) -> axum::Router {
        let _ = self.0.inbox.set(inbox.clone());
        let settings = &self.0.settings;
        match (settings.interactions, settings.public_key) {
            (Interactions::Webhook, Some(key)) => webhook::routes(self.0.clone(), inbox, key),
            _ => axum::Router::new(),
        }
    }

    fn addresses(&self) -> Vec<String> {
        let me = self.0.state().me;
        me.map(|me| me.user.to_string()).into_iter().collect()
    }

    fn health(&self) -> Health {
        lock(&self.0.health).clone()
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        let hub = &self.0;
        let Some(channel) = outbound::channel(message) else {
            return Err(SendError::Rejected {
                code: "conversation".to_owned(),
                message: "the conversation has no id of Discord's".to_owned(),
            });
        };
        let place = |id: &str| match Snowflake::read(id) {
            Some(id) => Ok(format!("/channels/{channel}/messages/{id}")),
            None => Err(SendError::Rejected {
                code: "message".to_owned(),
                message: "the message has no id of Discord's".to_owned(),
            }),
        };
        match &message.op {
            SendOp::Send => hub.say(channel, message).await,
            SendOp::Edit { id } => {
                let body = outbound::body(&message.content, message.choice_style);
                let files = hub.files(&body).await?;
                let path = place(id)?;
                let put = hub.api.put(Method::PATCH, &path, &body, files);
                put.await
                    .map(|made| receipt(&made))
                    .map_err(|fault| fault.ending(true))
            }
            SendOp::Delete { id } => match hub.api.delete(&place(id)?).await {
                Ok(()) => Ok(Receipt::default()),
                // It is gone, as it should be.
                Err(fault) if GONE.contains(&fault.code()) => Ok(Receipt::default()),
                Err(fault) => Err(fault.ending(true)),
            },
            SendOp::Session { .. } => Err(SendError::Rejected {
                code: "unsupported".to_owned(),
                message: "Discord keeps no such state".to_owned(),
            }),
            SendOp::Typing => hub
                .api
                .typing(channel)
                .await
                .map(|()| Receipt::default())
                .map_err(|fault| fault.ending(true)),
        }
    }

    /// An address runs out after a day; Discord then gives another.
    async fn fetch(&self, media: &Media) -> Result<Fetched, SendError> {
        let api = &self.0.api;
        let url = Url::parse(&media.reference).map_err(|_| SendError::Rejected {
            code: "media".to_owned(),
            message: "the file has no address".to_owned(),
        })?;
        let refused = match api.file(&url).await {
            Err(SendError::Rejected { code, message }) if code == "403" || code == "404" => {
                SendError::Rejected { code, message }
            }
            other => return other,
        };
        match api.refresh(&media.reference).await {
            Ok(Some(fresh)) if fresh != url => api.file(&fresh).await,
            Ok(_) => Err(refused),
            Err(fault) if matches!(fault.status(), 400 | 404) => Err(refused),
            Err(fault) => Err(fault.ending(true)),
        }
    }
}

fn receipt(made: &Value) -> Receipt {
    let id = made.get("id").and_then(Value::as_str);
    Receipt {
        native_ids: id.map(str::to_owned).into_iter().collect(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
