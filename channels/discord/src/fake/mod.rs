//! Discord in memory: its HTTP interface and its gateway on this machine, with one bot, people who
//! write to it, and everything that may go wrong.
//!
//! It behaves as Discord does: it plays a session's events again from where the bot says it has come
//! to, knows a nonce for a while, lets an interaction's token live only once it was acknowledged, and
//! refuses what is too long.

mod gateway;
mod rest;

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use serde_json::json;
use tandem_channel_kit::{Stop, fake::platform::FarPlatform};
use tandem_domain::{Timestamp, Value};
use tokio::sync::watch;

use crate::native::Snowflake;

/// The bot's.
pub const TOKEN: &str = "a token of a bot that there is not";
/// The bot itself, as a user and as an application.
pub const BOT: Snowflake = Snowflake(9_000_001);
pub const APPLICATION: Snowflake = Snowflake(9_000_002);
/// A server, a channel in it, and one in which everything is for the bot.
pub const GUILD: Snowflake = Snowflake(9_000_010);
pub const CHANNEL: Snowflake = Snowflake(9_000_011);
pub const OWN: Snowflake = Snowflake(9_000_012);
/// A thread in the second.
pub const THREAD: Snowflake = Snowflake(9_000_013);

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a person sees change.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A message of the bot, and the sizes of the files in it.
    New(Value, Vec<usize>),
    Changed(Value),
    Gone(Snowflake),
}

/// What is done to the next message that the bot sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// "Come back in a second."
    Throttle,
    Fail,
    /// It is taken, and the connection cut before the answer.
    CutAfterAccept,
}

/// A person who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: Snowflake,
    pub name: String,
    /// Where they talk with the bot alone.
    pub alone: Snowflake,
}

pub struct FakeDiscord {
    http: FarPlatform,
    world: Arc<World>,
}

pub(crate) struct World {
    inner: Mutex<Inner>,
    /// Counts what changed, for whoever waits.
    changed: watch::Sender<u64>,
    stop: Stop,
    files: String,
    gateway: String,
}

type Watcher = Arc<dyn Fn(&Seen) + Send + Sync>;

#[derive(Default)]
pub(crate) struct Inner {
    last_id: u64,
    sessions: Vec<Session>,
    /// Raised to break every connection; with the code they are closed with, if any.
    broken: (u64, Option<u16>),
    people: HashMap<String, Person>,
    /// Everything that was written, by channel, oldest first.
    messages: HashMap<Snowflake, Vec<Value>>,
    nonces: HashMap<String, Value>,
    asked: HashMap<String, Asked>,
    files: HashMap<String, Bytes>,
    wrong: VecDeque<Wrong>,
    commands: Option<Value>,
    /// What each identify asked to hear.
    intents: Vec<u64>,
    watcher: Option<Watcher>,
}

/// A session of the gateway, with everything that it was sent.
struct Session {
    id: String,
    frames: Vec<Arc<str>>,
    /// What the bot says it has come to.
    confirmed: u64,
    known: bool,
}

/// An interaction that lives.
#[derive(Clone, Debug)]
struct Asked {
    channel: Snowflake,
    /// The kind of its acknowledgement.
    acknowledged: Option<u64>,
    /// What answers it, or says "is thinking".
    original: Option<Value>,
}

impl Drop for FakeDiscord {
    fn drop(&mut self) {
        self.world.stop.stop();
    }
}

impl FakeDiscord {
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let http = FarPlatform::start().await?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let world = Arc::new(World {
            inner: Mutex::default(),
            changed: watch::Sender::new(0),
            stop: Stop::new(),
            files: http.url(),
            gateway: format!("ws://{}", listener.local_addr()?),
        });
        rest::serve(&http, &world);
        tokio::spawn(gateway::serve(listener, world.clone()));
        Ok(Self { http, world })
    }

    /// The account's `api`.
    #[must_use]
    pub fn api(&self) -> String {
        format!("{}/api/v10", self.http.url())
    }

    /// What the bot called.
    #[must_use]
    pub fn http(&self) -> &FarPlatform {
        &self.http
    }

    /// Tells of everything that people see, as it happens.
    pub fn watch(&self, watcher: impl Fn(&Seen) + Send + Sync + 'static) {
        self.inner().watcher = Some(Arc::new(watcher));
    }

    /// A person of this name, with a talk of their own.
    #[must_use]
    pub fn person(&self, name: &str) -> Person {
        let mut inner = self.inner();
        if let Some(person) = inner.people.get(name) {
            return person.clone();
        }
        let person = Person {
            id: inner.id(),
            name: name.to_owned(),
            alone: inner.id(),
        };
        inner.people.insert(name.to_owned(), person.clone());
        person
    }

    /// A person writes; `more` is laid over the message.
    pub fn write(&self, channel: Snowflake, who: &str, text: &str, more: Value) -> Snowflake {
        let person = self.person(who);
        let mut inner = self.inner();
        let id = inner.id();
        let mut message = json!({
            "id": id, "channel_id": channel, "type": 0, "content": text, "tts": false,
            "author": {"id": person.id, "username": who, "global_name": who, "avatar": null},
            "attachments": [], "embeds": [], "mentions": [], "mention_roles": [], "pinned": false,
        });
        if channel != person.alone {
            message["guild_id"] = json!(GUILD);
        }
        lay(&mut message, more);
        inner
            .messages
            .entry(channel)
            .or_default()
            .push(message.clone());
        inner.dispatch("MESSAGE_CREATE", &message);
        drop(inner);
        self.world.tell();
        id
    }

    /// Keeps a file, and gives the attachment that carries it.
    #[must_use]
    pub fn attachment(&self, name: &str, mime: &str, bytes: &[u8]) -> Value {
        let mut inner = self.inner();
        let id = inner.id();
        let path = format!("/attachments/{id}/{name}");
        inner
            .files
            .insert(path.clone(), Bytes::copy_from_slice(bytes));
        json!({
            "id": id, "filename": name, "size": bytes.len(), "content_type": mime,
            "url": format!("{}{path}?ex=1&is=2&hm=3", self.world.files),
        })
    }

    /// A person presses a button, or chooses an entry, under a message.
    pub fn press(&self, channel: Snowflake, who: &str, message: Snowflake, pressed: &Value) {
        let more = json!({
            "type": 3, "data": pressed, "message": self.message(message).unwrap_or_default(),
        });
        self.ask(channel, who, more);
    }

    /// A person commands.
    pub fn command(&self, channel: Snowflake, who: &str, name: &str, options: Value) {
        let data = json!({"id": "1", "type": 1, "name": name, "options": options});
        self.ask(channel, who, json!({"type": 2, "data": data}));
    }

    fn ask(&self, channel: Snowflake, who: &str, more: Value) {
        let asked = self.asked(channel, who, more);
        self.dispatch("INTERACTION_CREATE", &asked);
    }

    /// An interaction as it comes by webhook.
    #[must_use]
    pub fn asked(&self, channel: Snowflake, who: &str, more: Value) -> Value {
        let person = self.person(who);
        let mut inner = self.inner();
        let id = inner.id();
        let token = format!("token-of-{id}");
        let user = json!({"id": person.id, "username": who, "global_name": who});
        let mut asked = json!({
            "id": id, "application_id": APPLICATION, "token": token, "version": 1,
            "channel_id": channel, "locale": "en-US",
        });
        let alone = channel == person.alone;
        asked["channel"] = match channel {
            _ if alone => json!({"id": channel, "type": 1}),
            THREAD => json!({"id": channel, "type": 11, "parent_id": OWN}),
            _ => json!({"id": channel, "type": 0}),
        };
        if alone {
            asked["user"] = user;
        } else {
            asked["guild_id"] = json!(GUILD);
            asked["member"] = json!({"user": user, "roles": []});
        }
        lay(&mut asked, more);
        let live = Asked {
            channel,
            acknowledged: None,
            original: None,
        };
        inner.asked.insert(token, live);
        asked
    }

    /// Tells every session that is known.
    pub fn dispatch(&self, name: &str, data: &Value) {
        self.inner().dispatch(name, data);
        self.world.tell();
    }

    /// Delivers the newest messages of people again, as new events of the session.
    pub fn repeat(&self, count: usize) {
        let mut inner = self.inner();
        let mut all: Vec<Value> = inner.messages.values().flatten().cloned().collect();
        all.retain(|message| message["author"]["id"] != json!(BOT));
        all.sort_by_key(|message| message["id"].as_str().and_then(Snowflake::read));
        let from = all.len().saturating_sub(count);
        for message in &all[from..] {
            inner.dispatch("MESSAGE_CREATE", message);
        }
        drop(inner);
        self.world.tell();
    }

    /// Breaks every connection, with a close code or without a word.
    pub fn drop_connections(&self, code: Option<u16>) {
        let mut inner = self.inner();
        inner.broken = (inner.broken.0 + 1, code);
        drop(inner);
        self.world.tell();
    }

    /// No session can be taken up again.
    pub fn forget_sessions(&self) {
        let mut inner = self.inner();
        inner
            .sessions
            .iter_mut()
            .for_each(|session| session.known = false);
    }

    /// What happens to the next messages the bot sends.
    pub fn goes_wrong(&self, wrong: Wrong, sends: usize) {
        self.inner().wrong.extend(std::iter::repeat_n(wrong, sends));
    }

    /// What the bot wrote in a channel, oldest first.
    #[must_use]
    pub fn said(&self, channel: Snowflake) -> Vec<Value> {
        let inner = self.inner();
        let all = inner.messages.get(&channel).into_iter().flatten();
        all.filter(|message| message["author"]["id"] == json!(BOT))
            .cloned()
            .collect()
    }

    #[must_use]
    pub fn message(&self, id: Snowflake) -> Option<Value> {
        let inner = self.inner();
        let mut all = inner.messages.values().flatten();
        all.find(|message| message["id"] == json!(id)).cloned()
    }

    /// The commands that are registered.
    #[must_use]
    pub fn commands(&self) -> Option<Value> {
        self.inner().commands.clone()
    }

    /// How many sessions were begun, and what the last asked to hear.
    #[must_use]
    pub fn sessions(&self) -> (usize, u64) {
        let inner = self.inner();
        (
            inner.intents.len(),
            inner.intents.last().copied().unwrap_or(0),
        )
    }

    /// How an interaction stands: the kind of its acknowledgement, and what answers it.
    #[must_use]
    pub fn answered(&self, token: &str) -> Option<(u64, Option<Value>)> {
        let inner = self.inner();
        let asked = inner.asked.get(token)?;
        Some((asked.acknowledged?, asked.original.clone()))
    }

    /// Waits until the bot says that it has come to the end of the session.
    ///
    /// # Panics
    /// When it does not.
    pub async fn confirmed(&self) {
        self.until("the bot confirms everything", |inner| {
            let session = inner.sessions.last();
            session.is_some_and(|s| s.known && s.confirmed >= s.frames.len() as u64)
        })
        .await;
    }

    /// Waits until so many sessions were begun.
    ///
    /// # Panics
    /// When they are not.
    pub async fn begun(&self, sessions: usize) {
        self.until("a session begins", |inner| inner.intents.len() >= sessions)
            .await;
    }

    async fn until(&self, what: &str, done: impl Fn(&Inner) -> bool) {
        let mut changed = self.world.changed.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !done(&self.inner()) {
                // The sender lives as long as we do.
                let _ = changed.changed().await;
            }
        });
        assert!(waited.await.is_ok(), "{what}: it did not");
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.world.lock()
    }
}

impl World {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Inner {
    /// A new id, made now and larger than all before.
    fn id(&mut self) -> Snowflake {
        self.last_id = Snowflake::at(Timestamp::now()).0.max(self.last_id + 1);
        Snowflake(self.last_id)
    }

    fn dispatch(&mut self, name: &str, data: &Value) {
        for session in self.sessions.iter_mut().filter(|session| session.known) {
            session.push(name, data);
        }
    }

    fn see(&self, seen: &Seen) {
        if let Some(watcher) = &self.watcher {
            watcher(seen);
        }
    }
}

impl Session {
    fn push(&mut self, name: &str, data: &Value) {
        let seq = self.frames.len() + 1;
        let frame = json!({"op": 0, "t": name, "s": seq, "d": data});
        self.frames.push(frame.to_string().into());
    }
}

fn lay(over: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        for (name, value) in more {
            over[name] = value;
        }
    }
}
