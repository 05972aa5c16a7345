//! Channels that are plugins: the suite every channel passes, and what a plugin may do wrong.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use axum::http::Method;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel, ChannelError, Health, Inbox, InboxError, Kind as _, NewFile, Opening, Stop,
    conformance::{
        self,
        sending::{self, Outgoing},
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake::{
        self, MemorySink,
        platform::{Call, FarPlatform, Reply},
    },
    kind::Secret,
};
use tandem_domain::{
    LaneId, WorkspaceId,
    channel::SendError,
    message::{Content, Media, MediaKind, Part},
};
use tandem_plugin_host::{NoServices, PluginConfig, PluginKind, Plugins, Retired};
use tandem_plugin_sdk::{
    About, Error, Host, HostError, Meta, Plugin,
    abi::table::Table,
    ffi::{Exported, linked},
    implement_plugin,
    wire::{
        self, Capabilities, Fetched, HttpRequest, HttpResponse, Inbound, Manifest, Outbound,
        Receipt,
    },
};

mod common;
#[path = "../examples/pigeon.rs"]
mod pigeon;

use common::World;
use pigeon::Pigeon;

const KEY: &str = "what Pigeon signs with";

/// A channel whose accounts are instances of this linked plugin.
fn kind<P: Exported>(plugins: &Arc<Plugins>) -> PluginKind {
    let manifest = P::methods().manifest();
    let entry = json!({"name": manifest.name, "kinds": ["channel"]});
    let config: PluginConfig = serde_json::from_value(entry).unwrap();
    let table: Table = linked::<P>();
    PluginKind::new(&manifest.name.clone(), config, manifest).linked(plugins.clone(), table)
}

fn opening(channel: &str, account: &str, settings: Value) -> Opening {
    Opening {
        account: fake::account(channel, account),
        settings,
        public_url: None,
        data_dir: PathBuf::new(),
    }
}

/// A host of its own for each, as after a start; it stays until the test ends.
fn world() -> World {
    World::with(common::limits(), Arc::new(NoServices))
}

#[test]
fn the_document_shows_what_is_tested() {
    let example = include_str!("../examples/pigeon.rs");
    for document in [
        include_str!("../../../docs/channels/plugin.md"),
        include_str!("../../../docs/channels/plugin.zh.md"),
    ] {
        assert!(
            document.contains(example),
            "the example differs from its test"
        );
    }
}

/// How Pigeon speaks, as far as the suite must know.
struct Subject;

fn pigeons(api: &str) -> Opening {
    let settings = json!({
        "signing_key": Secret::found(KEY), "token": Secret::found("t"), "api": api,
    });
    opening("pigeon", "main", settings)
}

async fn fresh_pigeon(api: &str) -> Arc<dyn Channel> {
    let World { plugins, .. } = world();
    let kind = kind::<Pigeon>(&Arc::new(plugins));
    kind.open(pigeons(api)).await.unwrap()
}

fn signed(at: u64, body: &Value) -> Request {
    let (time, body) = (at.to_string(), body.to_string().into_bytes());
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&body);
    let digits = mac.finalize().into_bytes();
    let signature = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    Request {
        method: Method::POST,
        uri: "/hooks/pigeon/main".into(),
        headers: vec![
            ("x-pigeon-time".into(), time),
            ("x-pigeon-signature".into(), signature),
        ],
        body,
    }
}

/// When all of it happens: the same words are the same request.
static NOW: LazyLock<u64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
});

fn words(said: &Said) -> Value {
    json!({"id": format!("m{}", said.number), "from": said.customer, "text": said.text})
}

impl Webhook for Subject {
    fn account(&self) -> Account {
        fake::account("pigeon", "main")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        let open = fresh_pigeon("http://127.0.0.1:9");
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(open))
    }

    fn request(&self, said: &Said) -> Request {
        signed(*NOW, &words(said))
    }

    fn signed(&self) -> Vec<Signed> {
        vec![
            Signed::Header("x-pigeon-time"),
            Signed::Header("x-pigeon-signature"),
        ]
    }

    fn stale(&self, said: &Said) -> Option<Request> {
        Some(signed(*NOW - 400, &words(said)))
    }

    fn not_understood(&self) -> Request {
        signed(*NOW, &json!({"what": "is this"}))
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[async_trait]
impl Outgoing for Subject {
    fn account(&self) -> Account {
        fake::account("pigeon", "main")
    }

    fn conversation(&self) -> String {
        "ann".into()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        fresh_pigeon(&platform.url()).await
    }

    fn path(&self) -> String {
        "/messages".into()
    }

    fn taken(&self, _call: &Call) -> Reply {
        Reply::json(200, &json!({"id": "p-1"}))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_what_is_signed_and_nothing_else() {
    assert_eq!(webhook::check(&Subject).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_to_send_ends_as_it_must() {
    assert_eq!(sending::check(Arc::new(Subject)).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shows_what_it_says_it_can_and_stops() {
    let platform = FarPlatform::start().await.unwrap();
    platform.on("/messages", |call| Subject.taken(call));
    let channel = Outgoing::channel(&Subject, &platform).await;
    let account = fake::account("pigeon", "main");
    assert_eq!(conformance::check(channel, &account, "ann").await, Ok(()));
}

/// The library, which cargo builds with all tests, but not when it is asked for this one alone.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let debug = test.parent().unwrap().parent().unwrap();
    let library = debug.join("examples/libpigeon.so");
    if !library.exists() {
        let build = ["build", "-p", "tandem-plugin-host", "--example", "pigeon"];
        let built = std::process::Command::new(env!("CARGO"))
            .args(build)
            .status();
        assert!(built.unwrap().success());
    }
    library
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_of_a_library_are_apart_and_share_its_image() {
    let World {
        plugins,
        folder,
        _all: _kept,
    } = world();
    let plugins = Arc::new(plugins);
    let path = folder.join("libpigeon.so");
    std::fs::copy(library(), &path).unwrap();
    common::mode(&path, 0o644);
    let config: PluginConfig =
        serde_json::from_value(json!({"name": "pigeon", "path": path, "kinds": ["channel"]}))
            .unwrap();
    let manifest = plugins.look(&config).await.unwrap();
    let kind = PluginKind::new("pigeon", config, manifest).with_plugins(plugins.clone());
    let mut houses = Vec::new();
    for account in ["main", "second"] {
        let opening = Opening {
            account: fake::account("pigeon", account),
            ..pigeons("http://127.0.0.1:9")
        };
        assert_eq!(kind.check(&opening.settings), []);
        let channel = kind.open(opening).await.unwrap();
        let sink = MemorySink::new();
        let inbox = Inbox::new(fake::account("pigeon", account), Arc::new(sink.clone()));
        houses.push((channel.routes(inbox), sink, channel));
    }
    assert_eq!(plugins.images().0, 1, "one image serves both");
    let names: Vec<String> = plugins.health().into_iter().map(|h| h.name).collect();
    assert_eq!(names, ["pigeon.main", "pigeon.second"]);

    let said = Said {
        number: 1,
        customer: "ann".into(),
        text: "hello".into(),
    };
    let (router, sink, _) = &houses[0];
    for round in 0..3 {
        let request = Subject.request(&said);
        let mut http = axum::http::Request::post(&request.uri);
        for (name, value) in &request.headers {
            http = http.header(name, value);
        }
        let http = http.body(axum::body::Body::from(request.body)).unwrap();
        let answered = tower::ServiceExt::oneshot(router.clone(), http).await;
        assert_eq!(answered.unwrap().status(), 200);
        assert_eq!(sink.events().len(), 1, "round {round}");
        assert_eq!(sink.events()[0].account.as_str(), "main");
        assert_eq!(sink.events()[0].channel, "pigeon");
        // The same file again: the same image.
        let plugin = plugins.get("pigeon.main").unwrap();
        assert_eq!(plugin.reload(None).await.unwrap(), Retired::Destroyed);
    }
    assert_eq!(plugins.images().0, 1);
    assert!(
        houses[1].1.events().is_empty(),
        "the other account heard nothing"
    );
    assert_eq!(plugins.shutdown().await.len(), 2);
}

/// The far side of [`Tape`]: what was not confirmed is read again. By the names of its settings.
static FAR: Mutex<BTreeMap<String, Far>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
struct Far {
    waiting: std::collections::VecDeque<u32>,
    sent: Vec<String>,
}

fn far() -> MutexGuard<'static, BTreeMap<String, Far>> {
    FAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a tape and writes to it, and misbehaves as it is told.
struct Tape {
    name: String,
    host: Host,
    stop: tandem_plugin_sdk::Stop,
}

/// Runs of [`Tape`]s that do not come back.
static HUNG: AtomicU32 = AtomicU32::new(0);

impl Plugin for Tape {
    type Config = Value;

    fn about() -> About {
        About::new("tape", "0.1.0").concurrency(4)
    }

    fn create(config: Value, host: Host) -> Result<Self, Error> {
        Ok(Self {
            name: config["name"].as_str().unwrap().to_owned(),
            host,
            stop: tandem_plugin_sdk::Stop::new(),
        })
    }
}

impl tandem_plugin_sdk::Channel for Tape {
    fn open(&self) -> Result<Capabilities, Error> {
        match self.name.as_str() {
            "closed" => Err(Error::new("config", "there is no such tape")),
            "odd" => Ok(json!({"text": {"max": 1}})),
            "panics" => panic!("as the test wants it"),
            _ => Ok(json!({"text": {"max": 400}, "in_band_ms": 500, "addresses": ["tape"]})),
        }
    }

    fn run(&self) -> Result<(), Error> {
        match self.name.as_str() {
            "refused" => return Err(Error::new("unauthorized", "wrong ribbon")),
            "hangs" => {
                HUNG.fetch_add(1, Ordering::SeqCst);
                // Deaf to its end, for as long as the test lives.
                while !self.stop.within(Duration::from_secs(1)) || self.name == "hangs" {}
            }
            _ => {}
        }
        while !self.stop.is_stopped() {
            let next = far()
                .get(&self.name)
                .and_then(|far| far.waiting.front().copied());
            let Some(number) = next else {
                let _ = self.stop.within(Duration::from_millis(1));
                continue;
            };
            let event = Inbound::text(&number.to_string(), "ada", 1, &number.to_string());
            match self.host.inbox().accept(&[event]) {
                // Only now the platform may forget it.
                Ok(_) => {
                    far().get_mut(&self.name).unwrap().waiting.pop_front();
                }
                Err(HostError::Busy | HostError::Failed(_)) => {}
                Err(error) => return Err(Error::new("lost", error)),
            }
        }
        Ok(())
    }

    fn stop(&self) {
        self.stop.stop();
    }

    fn send(&self, message: Outbound, meta: &Meta) -> Result<Receipt, SendErrorOf> {
        assert_eq!(meta.idempotency_key.as_deref(), Some(message.uuid.as_str()));
        if let Some(wire::Part::Media(media)) = message.content.parts.first() {
            let file = self
                .host
                .media(&media.reference)
                .map_err(HostError::before_send)?;
            let (name, size) = (file.name.as_deref(), file.data.0.len());
            let text = format!("{} {} {size}", name.unwrap_or("-"), file.mime);
            far().get_mut(&self.name).unwrap().sent.push(text);
            return Ok(Receipt::default());
        }
        match message.content.plain().as_str() {
            "panic" => panic!("as the test wants it"),
            "hang" => loop {
                let _ = self.stop.within(Duration::from_secs(1));
            },
            "wait" => Err(SendErrorOf::RetryAfter(Duration::from_secs(1 << 40))),
            "ids" => Ok(Receipt {
                native_ids: vec![String::new()],
            }),
            text => {
                let mut far = far();
                far.get_mut(&self.name).unwrap().sent.push(text.to_owned());
                Ok(Receipt {
                    native_ids: vec!["t1".to_owned()],
                })
            }
        }
    }

    fn http(&self, request: HttpRequest, _: &Meta) -> Result<HttpResponse, Error> {
        let inbox = self.host.inbox();
        match request.path.as_str() {
            "/panic" => panic!("as the test wants it"),
            "/later" => Err(Error::new("full", "later").retry_after(Duration::from_millis(1500))),
            "/fail" => Err(Error::new("fail", "no")),
            "/in-band" => {
                let event = Inbound::text("asked", "ada", 1, "now?");
                let accepted = inbox.accept(&[event]).unwrap();
                let tandem_plugin_sdk::wire::Accepted::New(id) = &accepted[0] else {
                    return Ok(HttpResponse::status(200));
                };
                let claim = inbox.reply_within(id, 400).unwrap().unwrap();
                let words = claim.outbound[0].content.plain();
                inbox.settle(&claim.claim, Ok(&Receipt::default())).unwrap();
                let again = inbox.settle(&claim.claim, Ok(&Receipt::default()));
                assert!(matches!(again, Err(HostError::BadInput(_))), "{again:?}");
                Ok(HttpResponse::status(200).body("text/plain", words))
            }
            path => {
                let said = json!({"path": path, "query": request.query, "method": request.method});
                Ok(HttpResponse::status(200).body("application/json", said.to_string()))
            }
        }
    }

    fn fetch(
        &self,
        media: tandem_plugin_sdk::wire::Media,
        _: &Meta,
    ) -> Result<Fetched, SendErrorOf> {
        match media.reference.as_str() {
            "panic" => panic!("as the test wants it"),
            "gone" => Err(SendErrorOf::Rejected {
                code: "404".into(),
                message: "no more".into(),
            }),
            _ => Ok(Fetched {
                mime: Some(media.mime),
                data: tandem_plugin_sdk::Bytes(b"bytes".to_vec()),
            }),
        }
    }
}

type SendErrorOf = tandem_plugin_sdk::SendError;

implement_plugin!(Tape: channel);

/// A tape of this name, over a host of its own.
struct Taped {
    plugins: Arc<Plugins>,
    channel: Arc<dyn Channel>,
    sink: MemorySink,
    account: Account,
    _all: tempfile::TempDir,
}

impl Taped {
    async fn new(name: &str) -> Self {
        let World { plugins, _all, .. } = World::with(
            tandem_plugin_host::Limits {
                stop: Duration::from_millis(300),
                ..common::limits()
            },
            Arc::new(NoServices),
        );
        far().insert(name.to_owned(), Far::default());
        let plugins = Arc::new(plugins);
        let kind = kind::<Tape>(&plugins);
        let opened = kind.open(opening("tape", name, json!({"name": name})));
        Self {
            channel: opened.await.unwrap(),
            plugins,
            sink: MemorySink::new(),
            account: fake::account("tape", name),
            _all,
        }
    }

    fn inbox(&self) -> Inbox {
        Inbox::new(self.account.clone(), Arc::new(self.sink.clone()))
    }

    fn plugin(&self) -> Arc<tandem_plugin_host::Plugin> {
        let name = format!("tape.{}", self.account.id);
        self.plugins.get(&name).unwrap()
    }

    async fn send(&self, text: &str) -> Result<tandem_domain::channel::Receipt, SendError> {
        let message = fake::outbound(&self.account, "ada", Content::text(text));
        self.channel.send(&message).await
    }

    fn run(&self, stop: &Stop) -> tokio::task::JoinHandle<Result<(), ChannelError>> {
        let (channel, inbox, stop) = (self.channel.clone(), self.inbox(), stop.clone());
        tokio::spawn(async move { channel.run(inbox, stop).await })
    }

    async fn call(&self, path: &str) -> (u16, axum::http::HeaderMap, String) {
        let router = self.channel.routes(self.inbox());
        let request = axum::http::Request::post(path).body(axum::body::Body::empty());
        let answered = tower::ServiceExt::oneshot(router, request.unwrap()).await;
        let (parts, body) = answered.unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (parts.status.as_u16(), parts.headers, body)
    }
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_traffic_loses_doubles_and_reorders_nothing() {
    const EVENTS: u32 = 400;
    let tape = Taped::new("traffic").await;
    let stop = Stop::new();
    let running = tape.run(&stop);
    let writing = tokio::spawn({
        async move {
            for number in 0..EVENTS {
                far().get_mut("traffic").unwrap().waiting.push_back(number);
                tokio::task::yield_now().await;
            }
        }
    });
    let mut sent = Vec::new();
    for round in 0..12 {
        let before = tape.sink.events().len();
        let (plugin, sends) = (tape.plugin(), (0..4).map(|n| format!("{round}-{n}")));
        sent.extend(sends.clone());
        let tape = &tape;
        let sends = sends.map(|text| async move { (text.clone(), tape.send(&text).await) });
        let (retired, ends) = tokio::join!(plugin.reload(None), futures::future::join_all(sends));
        assert_eq!(retired.unwrap(), Retired::Destroyed);
        for (text, end) in ends {
            assert!(end.is_ok(), "{text}: {end:?}");
        }
        if before < EVENTS as usize {
            until(|| tape.sink.events().len() > before).await;
        }
    }
    writing.await.unwrap();
    until(|| tape.sink.events().len() == EVENTS as usize).await;
    stop.stop();
    running.await.unwrap().unwrap();
    let texts: Vec<String> = tape.sink.events().iter().map(|e| e.text()).collect();
    let expected: Vec<String> = (0..EVENTS).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
    let mut left = far()["traffic"].sent.clone();
    left.sort();
    sent.sort();
    assert_eq!(left, sent, "each message left once");
    assert_eq!(tape.plugins.shutdown().await[0].1, Retired::Destroyed);
    let gone = tape.send("late").await;
    assert!(matches!(gone, Err(SendError::Transient(_))), "{gone:?}");
    assert!(matches!(tape.channel.health(), Health::Broken(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_opened_anew_goes_over_once_and_refused_settings_change_nothing() {
    const EVENTS: u32 = 300;
    let mut tape = Taped::new("anew").await;
    let kind = kind::<Tape>(&tape.plugins);
    let mut stop = Stop::new();
    let mut running = tape.run(&stop);
    let writing = tokio::spawn(async move {
        for number in 0..EVENTS {
            far().get_mut("anew").unwrap().waiting.push_back(number);
            tokio::task::yield_now().await;
        }
    });
    let mut left = Vec::new();
    for round in 0..8 {
        let refused = kind.open(opening("tape", "anew", json!({"name": "closed"})));
        let refused = refused.await.err().unwrap().to_string();
        assert!(refused.contains("there is no such tape"), "{refused}");
        let before = tape.sink.events().len();
        if before < EVENTS as usize {
            until(|| tape.sink.events().len() > before).await;
        }

        // As the server does it: opened, then the one before is stopped, then the new one runs.
        let settings = json!({"name": "anew", "round": round});
        let sends = (0..4).map(|n| format!("{round}-{n}"));
        left.extend(sends.clone());
        let before = &tape;
        let sends = sends.map(|text| async move { before.send(&text).await });
        let opened = kind.open(opening("tape", "anew", settings));
        let (channel, ends) = tokio::join!(opened, futures::future::join_all(sends));
        assert!(ends.iter().all(Result::is_ok), "{ends:?}");
        stop.stop();
        running.await.unwrap().unwrap();
        tape.channel = channel.unwrap();
        stop = Stop::new();
        running = tape.run(&stop);
        // A reload of its file serves the new settings as well.
        assert_eq!(
            tape.plugin().reload(None).await.unwrap(),
            Retired::Destroyed
        );
    }
    writing.await.unwrap();
    until(|| tape.sink.events().len() == EVENTS as usize).await;
    stop.stop();
    running.await.unwrap().unwrap();
    let texts: Vec<String> = tape.sink.events().iter().map(|e| e.text()).collect();
    let expected: Vec<String> = (0..EVENTS).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
    let mut sent = far()["anew"].sent.clone();
    sent.sort();
    left.sort();
    assert_eq!(sent, left, "each message left once");
    assert_eq!(tape.plugins.health().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_stored_is_read_again() {
    let tape = Taped::new("locked").await;
    for _ in 0..2 {
        far()
            .get_mut("locked")
            .unwrap()
            .waiting
            .extend([1, 2, 2, 3]);
    }
    tape.sink
        .fail_next(InboxError::Unavailable("locked".into()));
    let stop = Stop::new();
    let running = tape.run(&stop);
    until(|| far()["locked"].waiting.is_empty()).await;
    stop.stop();
    running.await.unwrap().unwrap();
    let ids: Vec<String> = tape.sink.events().into_iter().map(|e| e.id).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(tape.channel.addresses(), ["tape"]);
    assert_eq!(tape.channel.in_band(), Some(Duration::from_millis(500)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_send_that_went_wrong_means_is_never_guessed() {
    let tape = Taped::new("sends").await;
    let receipt = tape.send("hello").await.unwrap();
    assert_eq!(receipt.native_ids, ["t1"]);
    let end = tape.send("panic").await;
    assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
    let end = tape.send("ids").await;
    assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
    let end = tape.send("wait").await;
    let day = Duration::from_secs(24 * 3600);
    assert!(
        matches!(end, Err(SendError::RetryAfter(d)) if d == day),
        "{end:?}"
    );
    assert_eq!(far()["sends"].sent, ["hello"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_never_returns_is_uncertain_and_others_go_on() {
    let World { plugins, .. } = world();
    let plugins = Arc::new(plugins);
    far().insert("slow".into(), Far::default());
    let manifest: Manifest = Tape::methods().manifest();
    let entry = json!({"name": "tape", "timeout_ms": 200});
    let config: PluginConfig = serde_json::from_value(entry).unwrap();
    let kind = PluginKind::new("tape", config, manifest).linked(plugins.clone(), linked::<Tape>());
    let opening = opening("tape", "slow", json!({"name": "slow"}));
    let channel = kind.open(opening).await.unwrap();
    let account = fake::account("tape", "slow");
    let send = async |text: &str| {
        let message = fake::outbound(&account, "ada", Content::text(text));
        channel.send(&message).await
    };
    for _ in 0..3 {
        let end = send("hang").await;
        assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
        assert!(send("quick").await.is_ok());
    }
    let end = send("hang").await;
    assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
    let refused = send("not begun").await;
    assert!(
        matches!(refused, Err(SendError::Transient(_))),
        "{refused:?}"
    );
    assert!(matches!(channel.health(), Health::Broken(why) if why.contains("4 calls")));
    assert_eq!(far()["slow"].sent, ["quick"; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_does_not_open_is_refused_with_the_reason() {
    let World { plugins, .. } = world();
    let plugins = Arc::new(plugins);
    for (name, why) in [
        ("closed", "there is no such tape"),
        ("odd", "text.max"),
        ("panics", "panicked"),
    ] {
        let opened = kind::<Tape>(&plugins)
            .open(opening("tape", name, json!({"name": name})))
            .await;
        let refused = opened.err().unwrap().to_string();
        assert!(refused.contains(why), "{refused}");
        assert!(plugins.get(&format!("tape.{name}")).is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_ends_receiving_until_it_is_mended() {
    let tape = Taped::new("refused").await;
    let ended = tape.channel.run(tape.inbox(), Stop::new()).await;
    assert!(matches!(ended, Err(ChannelError::Unauthorized(why)) if why == "wrong ribbon"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_never_ends_is_left_behind_and_the_next_takes_over() {
    let tape = Taped::new("hangs").await;
    let stop = Stop::new();
    let running = tape.run(&stop);
    until(|| HUNG.load(Ordering::SeqCst) == 1).await;
    let retired = tape.plugin().reload(None).await.unwrap();
    assert!(matches!(retired, Retired::Leaked(_)), "{retired:?}");
    until(|| HUNG.load(Ordering::SeqCst) == 2).await;
    stop.stop();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_the_platform_are_answered_or_come_again() {
    let tape = Taped::new("http").await;
    let base = "/hooks/tape/http";
    let (status, _, body) = tape.call(&format!("{base}/a/%41?b=c")).await;
    let said: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({"path": "/a/%41", "query": "b=c", "method": "POST"});
    assert_eq!((status, said), (200, expected));
    let (status, headers, _) = tape.call(&format!("{base}/later")).await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    assert_eq!(tape.call(&format!("{base}/fail")).await.0, 500);
    assert_eq!(tape.call(&format!("{base}/panic")).await.0, 500);
    assert_eq!(tape.call("/hooks/tape/other").await.0, 404);
    tape.plugin().disable("maintenance");
    assert_eq!(tape.call(base).await.0, 503);
    assert!(matches!(tape.channel.health(), Health::Broken(why) if why.contains("maintenance")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_written_into_the_platforms_own_request_once() {
    let tape = Taped::new("claims").await;
    let answer = fake::outbound(&tape.account, "ada", Content::text("right now"));
    tape.sink.claim_next(vec![answer.clone()]);
    let (status, headers, body) = tape.call("/hooks/tape/claims/in-band").await;
    assert_eq!((status, body.as_str()), (200, "right now"));
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(
        tape.sink.claims(),
        [Some(true)],
        "the second end of it was refused"
    );
    assert_eq!(tape.sink.waits(), [Duration::from_millis(400)]);
    // Asked again, it is a duplicate and nothing is written.
    assert_eq!(tape.call("/hooks/tape/claims/in-band").await.2, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_are_fetched_by_their_reference() {
    let tape = Taped::new("media").await;
    let fetch = async |reference: &str| {
        let media = Media {
            media: MediaKind::Image,
            reference: reference.into(),
            mime: "image/png".into(),
            name: None,
            size: None,
            alt: None,
        };
        tape.channel.fetch(&media).await
    };
    let fetched = fetch("m1").await.unwrap();
    assert_eq!(fetched.mime.as_deref(), Some("image/png"));
    assert_eq!(&fetched.bytes[..], b"bytes");
    let gone = fetch("gone").await;
    assert!(matches!(gone, Err(SendError::Rejected { code, .. }) if code == "404"));
    let panicked = fetch("panic").await;
    assert!(matches!(panicked, Err(SendError::Transient(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_with_a_stored_file_leaves_with_its_bytes() {
    let tape = Taped::new("files").await;
    let send = async |reference: String| {
        let media = Media {
            media: MediaKind::File,
            reference,
            mime: "text/plain".into(),
            name: None,
            size: None,
            alt: None,
        };
        let content = Content {
            parts: vec![Part::Media(media)],
            ..Content::default()
        };
        let message = fake::outbound(&tape.account, "ada", content);
        tape.channel.send(&message).await
    };
    let store = async |inbox: &Inbox, name: &str, bytes: usize| {
        let file = NewFile {
            name: name.into(),
            mime: "application/pdf".into(),
            bytes: vec![7; bytes].into(),
        };
        let row = inbox
            .store_file(LaneId::derive(&["l"]), file)
            .await
            .unwrap();
        format!("file:{}", row.id)
    };
    let refused = async |reference: String, why: &str| {
        let end = send(reference).await;
        assert!(
            matches!(&end, Err(SendError::Rejected { code, .. }) if code == why),
            "{end:?}"
        );
    };
    let inbox = tape.inbox();
    let ours = store(&inbox, "bill.pdf", 10 << 20).await;
    let unnamed = store(&inbox, "", 3).await;
    let large = store(&inbox, "film.mp4", (10 << 20) + 1).await;
    let theirs = Account {
        workspace: WorkspaceId::new("another"),
        ..tape.account.clone()
    };
    let theirs = Inbox::new(theirs, Arc::new(tape.sink.clone()));
    let theirs = store(&theirs, "secret.pdf", 3).await;

    // Nobody has connected the account yet.
    let end = send(ours.clone()).await;
    assert!(matches!(end, Err(SendError::Transient(_))), "{end:?}");
    let _routes = tape.channel.routes(tape.inbox());
    send(ours.clone()).await.unwrap();
    send(unnamed).await.unwrap();
    assert_eq!(
        far()["files"].sent,
        ["bill.pdf application/pdf 10485760", "- application/pdf 3"]
    );
    refused(theirs, "not_found").await;
    refused(
        format!("file:{}", tandem_domain::FileId::fresh()),
        "not_found",
    )
    .await;
    refused("file:../../etc/passwd".into(), "not_found").await;
    refused(large, "too_large").await;
    refused("https://shop.example/a.pdf".into(), "bad_input").await;
    assert_eq!(far()["files"].sent.len(), 2);
}
