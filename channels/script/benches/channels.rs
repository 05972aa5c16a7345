//! Webhook requests verified and accepted per second, each channel beside a bare handler in one run:
//! `cargo bench -p tandem-channel-script --bench channels`, a table on the standard output.
//!
//! Every request is one of its own, signed before the clock starts, and goes through the channel's
//! routes without a socket. The database lies in `TANDEM_BENCH_DIR` or the target folder, on a disk
//! that really syncs.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/platforms/mod.rs"]
mod platforms;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{self, Method, StatusCode},
    routing::post,
};
use platforms::{NOW, PLATFORMS, Shipped};
use serde_json::json;
use tandem_channel_discord::DiscordChannel;
use tandem_channel_kit::{
    Accepted, Account, Channel as _, File, Inbox, InboxError, NewFile, ReplyClaim, Sink,
    conformance::webhook::{Request, Said, Webhook as _},
    fake::{self, MemorySink},
    kind::{self, Secret},
};
use tandem_channel_script::prim::{codec, keys};
use tandem_channel_telegram::{TelegramChannel, signature};
use tandem_channel_wechat::{Family, Settings, WechatChannel, fields::element, sealed::Seal};
use tandem_domain::{
    FileId, InboxId, LaneId, MessageId, Timestamp,
    bus::Listener,
    message::{Delivery, Inbound, InboundKind, NativeConversation, Part, Sender},
    store::{Commit, FileRow, Guard, InboxRow, InboxState, Message, Outcome, Store, Write},
};
use tandem_net::Transport;
use tandem_store::{SqliteOptions, open_sqlite};
use tower::ServiceExt as _;

/// Requests made one after the other, and 64 at once.
const ONE: u32 = 1_500;
const MANY: u32 = 16_000;
const AT_ONCE: usize = 64;

/// Accepts an event as the engine does before its turn: one durable row, no event twice.
struct Durable {
    store: Arc<dyn Store>,
    rest: MemorySink,
}

#[async_trait]
impl Sink for Durable {
    async fn accept(
        &self,
        account: &Account,
        events: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, InboxError> {
        let mut commit = Commit::new(account.workspace.clone());
        let mut ids = Vec::new();
        for event in events {
            let row = InboxRow {
                id: InboxId::fresh(),
                account: account.id.clone(),
                dedupe: event.id.clone(),
                lane: event.lane(&account.workspace),
                event,
                received_at: Timestamp(NOW),
                state: InboxState::Pending,
                attempts: 1,
            };
            ids.push(Accepted::New(row.id));
            commit.guards.push(Guard::NotAccepted {
                account: account.id.clone(),
                dedupe: row.dedupe.clone(),
            });
            commit.writes.push(Write::InboxPut(row));
        }
        match self.store.commit(commit).await? {
            Outcome::Committed => Ok(ids),
            other => panic!("every request is a new one: {other:?}"),
        }
    }

    async fn reply_within(
        &self,
        _: &Account,
        _: InboxId,
        _: Duration,
        _: usize,
    ) -> Option<ReplyClaim> {
        None
    }

    async fn settled(
        &self,
        account: &Account,
        id: InboxId,
        limit: Duration,
    ) -> Option<Arc<Vec<Message>>> {
        self.rest.settled(account, id, limit).await
    }

    async fn transcript(
        &self,
        account: &Account,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, InboxError> {
        self.rest.transcript(account, lane, after, limit).await
    }

    async fn receipt(
        &self,
        account: &Account,
        lane: LaneId,
        up_to: MessageId,
        status: Delivery,
    ) -> Result<(), InboxError> {
        self.rest.receipt(account, lane, up_to, status).await
    }

    fn typing(&self, account: &Account, lane: LaneId, agent: bool) {
        self.rest.typing(account, lane, agent);
    }

    fn listen(&self, account: &Account, lane: LaneId) -> Box<dyn Listener> {
        self.rest.listen(account, lane)
    }

    async fn store_file(
        &self,
        account: &Account,
        lane: LaneId,
        file: NewFile,
    ) -> Result<FileRow, InboxError> {
        self.rest.store_file(account, lane, file).await
    }

    fn account(&self, account: &Account, address: &str) -> Option<Account> {
        self.rest.account(account, address)
    }

    async fn keep_unknown(
        &self,
        _: &Account,
        reason: String,
        _: Vec<u8>,
    ) -> Result<(), InboxError> {
        panic!("every request is understood: {reason}")
    }

    async fn load_file(&self, account: &Account, id: FileId) -> Result<Option<File>, InboxError> {
        self.rest.load_file(account, id).await
    }
}

/// What is measured.
struct Subject {
    name: String,
    account: Account,
    routes: Box<dyn Fn(Inbox) -> Router>,
    request: Box<dyn Fn(&Said) -> Request>,
}

fn said(number: u32) -> Said {
    Said {
        number,
        // Many talk at once.
        customer: format!("{}", 1_000_000 + number % 997),
        text: "我的订单 12345678 在哪里？ Where is it?".to_owned(),
    }
}

fn request(uri: String, headers: Vec<(String, String)>, body: String) -> Request {
    Request {
        method: Method::POST,
        uri,
        headers,
        body: body.into_bytes(),
    }
}

/// A handler that reads the body, and one that commits an event without looking at it.
fn bare() -> [Subject; 2] {
    let account = fake::account("bare", "a");
    let body = |said: &Said| json!({"n": said.number, "text": said.text}).to_string();
    let quiet = |_| Router::new().route("/bare", post(async |_: Bytes| StatusCode::OK));
    let commits = |inbox: Inbox| {
        Router::new()
            .route("/bare", post(commit_unseen))
            .with_state(inbox)
    };
    [
        Subject {
            name: "bare handler, nothing accepted".to_owned(),
            account: account.clone(),
            routes: Box::new(quiet),
            request: Box::new(move |said| request("/bare".to_owned(), Vec::new(), body(said))),
        },
        Subject {
            name: "bare handler, an event accepted unverified".to_owned(),
            account,
            routes: Box::new(commits),
            request: Box::new(move |said| request("/bare".to_owned(), Vec::new(), body(said))),
        },
    ]
}

async fn commit_unseen(State(inbox): State<Inbox>, _body: Bytes) -> StatusCode {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let conversation = NativeConversation {
        kind: Default::default(),
        id: (number % 997).to_string(),
        thread: None,
    };
    let event = Inbound {
        id: format!("b{number}"),
        channel: inbox.account().channel.clone(),
        account: inbox.account().id.clone(),
        sender: Sender {
            id: conversation.id.clone(),
            ..Sender::default()
        },
        conversation,
        ts: Timestamp(NOW),
        kind: InboundKind::Message,
        message_id: None,
        album: None,
        parts: vec![Part::text("我的订单 12345678 在哪里？ Where is it?")],
        quote: None,
        mentions_me: false,
        reply_context: None,
    };
    match inbox.accept(vec![event]).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn telegram() -> Subject {
    const SECRET: &str = "a-secret-of-this-bench";
    let settings = json!({
        "token": Secret::found("2:token"), "mode": "webhook", "secret_token": Secret::found(SECRET),
    });
    let settings: tandem_channel_telegram::Settings = serde_json::from_value(settings).unwrap();
    let account = fake::account("telegram", "a");
    let hook = "https://help.example.test/hooks/telegram/a"
        .parse()
        .unwrap();
    let api = settings.api().unwrap();
    let channel = TelegramChannel::open(account.clone(), &settings, &api, Some(hook)).unwrap();
    Subject {
        name: "Telegram".to_owned(),
        account,
        routes: Box::new(move |inbox| channel.routes(inbox)),
        request: Box::new(|said| {
            let chat: i64 = said.customer.parse().unwrap();
            let body = json!({"update_id": said.number, "message": {
                "message_id": said.number, "date": NOW / 1000, "text": said.text,
                "from": {"id": chat, "is_bot": false, "first_name": "Ada", "language_code": "en"},
                "chat": {"id": chat, "type": "private", "first_name": "Ada"},
            }});
            let headers = vec![(signature::HEADER.to_owned(), SECRET.to_owned())];
            request("/hooks/telegram/a".to_owned(), headers, body.to_string())
        }),
    }
}

fn discord() -> Subject {
    const SEED: [u8; 32] = [7; 32];
    let public = keys::ed25519_public(&SEED).unwrap();
    let settings = json!({
        "token": Secret::found("t"), "interactions": "webhook",
        "public_key": codec::hex_encode(&public),
    });
    let settings = kind::read(&settings).unwrap();
    let account = fake::account("discord", "a");
    let clock = Arc::new(|| Timestamp(NOW));
    let folder = Path::new("/nonexistent");
    let channel = DiscordChannel::new(account.clone(), settings, folder, clock).unwrap();
    Subject {
        name: "Discord, interactions".to_owned(),
        account,
        routes: Box::new(move |inbox| channel.routes(inbox)),
        request: Box::new(|said| {
            let id = (786_008_729_715_212_338 + u64::from(said.number)).to_string();
            let body = json!({
                "id": id, "type": 2, "application_id": "8", "token": "t",
                "channel_id": said.customer, "channel": {"id": said.customer, "type": 1},
                "user": {"id": said.customer, "username": "ada"},
                "data": {"name": "say", "options": [{"name": "t", "type": 3, "value": said.text}]},
            })
            .to_string();
            let at = (NOW / 1000).to_string();
            let signature = keys::ed25519_sign(&SEED, format!("{at}{body}").as_bytes()).unwrap();
            let headers = vec![
                ("x-signature-timestamp".to_owned(), at),
                (
                    "x-signature-ed25519".to_owned(),
                    codec::hex_encode(&signature),
                ),
            ];
            request("/hooks/discord/a".to_owned(), headers, body)
        }),
    }
}

fn wechat(family: Family, name: &str) -> Subject {
    const TOKEN: &str = "tandem-token";
    const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    const ID: &str = "wx2c2769f8efd9abc2";
    let mut settings = json!({
        "token": Secret::found(TOKEN), "encoding_aes_key": Secret::found(KEY),
    });
    let own = match family {
        Family::WeCom => json!({"corp_id": ID, "agent_id": 1, "secret": Secret::found("s")}),
        _ => json!({"app_id": ID, "app_secret": Secret::found("s")}),
    };
    for (name, value) in own.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let settings = Settings::read(family, &settings).unwrap();
    let account = fake::account(family.name(), "a");
    let transport = Transport::system().unwrap();
    let folder = std::env::temp_dir();
    let channel = WechatChannel::new(account.clone(), settings, &transport, folder).unwrap();
    let seal = Seal::new(TOKEN, KEY, ID).unwrap();
    Subject {
        name: name.to_owned(),
        account,
        routes: Box::new(move |inbox| channel.routes(inbox)),
        request: Box::new(move |said| {
            let (time, nonce) = ((NOW / 1000).to_string(), "1372623149");
            let plain = format!(
                "<xml>{}{}<CreateTime>{time}</CreateTime>{}{}<MsgId>{}</MsgId></xml>",
                element("ToUserName", "gh_7f083739789a"),
                element("FromUserName", &said.customer),
                element("MsgType", "text"),
                element("Content", &said.text),
                said.number,
            );
            let sealed = seal.seal(plain.as_bytes(), *b"0123456789abcdef", &time, nonce);
            let body = format!("<xml>{}</xml>", element("Encrypt", &sealed.encrypt));
            let uri = format!(
                "/hooks/{}/a?msg_signature={}&timestamp={time}&nonce={nonce}",
                family.name(),
                sealed.signature
            );
            request(uri, Vec::new(), body)
        }),
    }
}

async fn lua() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for platform in PLATFORMS {
        let shipped = Arc::new(Shipped::open(platform).await);
        let channel = shipped.channel();
        subjects.push(Subject {
            name: format!("{}.luau", platform.name),
            account: fake::account(platform.name, "a"),
            routes: Box::new(move |inbox| channel.routes(inbox)),
            request: Box::new(move |said| shipped.request(said)),
        });
    }
    subjects
}

fn http(request: Request) -> http::Request<Body> {
    let mut built = http::Request::builder()
        .method(request.method)
        .uri(request.uri);
    for (name, value) in request.headers {
        built = built.header(name, value);
    }
    built.body(Body::from(request.body)).unwrap()
}

/// Makes these requests, so many at a time, and tells how long that took.
async fn serve(router: &Router, requests: Vec<http::Request<Body>>, at_once: usize) -> Duration {
    let share = requests.len() / at_once;
    let mut requests = requests.into_iter();
    let shares: Vec<Vec<_>> = (0..at_once)
        .map(|_| requests.by_ref().take(share).collect())
        .collect();
    let begun = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for share in shares {
        let router = router.clone();
        clients.spawn(async move {
            for request in share {
                let answer = router.clone().oneshot(request).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
            }
        });
    }
    clients.join_all().await;
    begun.elapsed()
}

struct Figures {
    name: String,
    /// Accepted by an inbox in memory, one after the other.
    memory: Duration,
    one: f64,
    many: f64,
}

async fn measure(subject: &Subject, folder: &Path) -> Figures {
    let signed = |from: u32, count: u32| -> Vec<http::Request<Body>> {
        let numbers = from..from + count;
        numbers.map(|n| http((subject.request)(&said(n)))).collect()
    };
    let memory = MemorySink::new();
    let inbox = Inbox::new(subject.account.clone(), Arc::new(memory));
    let router = (subject.routes)(inbox);
    serve(&router, signed(0, ONE), 1).await;
    let in_memory = serve(&router, signed(ONE, 2 * ONE), 1).await;

    let name = subject
        .name
        .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let store = open_sqlite(folder.join(format!("{name}.db")), SqliteOptions::default());
    let sink = Durable {
        store: store.unwrap(),
        rest: MemorySink::new(),
    };
    let inbox = Inbox::new(subject.account.clone(), Arc::new(sink));
    let router = (subject.routes)(inbox);
    let one = serve(&router, signed(0, ONE), 1).await;
    let many = serve(&router, signed(ONE, MANY), AT_ONCE).await;
    Figures {
        name: subject.name.clone(),
        memory: in_memory / (2 * ONE),
        one: f64::from(ONE) / one.as_secs_f64(),
        many: f64::from(MANY) / many.as_secs_f64(),
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let root =
        std::env::var("TANDEM_BENCH_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").into());
    let folder = tempfile::tempdir_in(root).unwrap();
    runtime.block_on(async {
        let mut subjects = Vec::from(bare());
        subjects.extend([
            telegram(),
            discord(),
            wechat(Family::OfficialAccount, "Official Account, encrypted"),
            wechat(Family::MiniProgram, "mini program, encrypted"),
            wechat(Family::WeCom, "WeCom, encrypted"),
        ]);
        subjects.extend(lua().await);
        println!(
            "| | in memory, µs | 1 at a time, /s | {AT_ONCE} at once, /s |\n|---|---|---|---|"
        );
        for subject in &subjects {
            let Figures {
                name,
                memory,
                one,
                many,
            } = measure(subject, folder.path()).await;
            let micros = memory.as_secs_f64() * 1e6;
            println!("| {name} | {micros:.1} | {one:.0} | {many:.0} |");
        }
    });
}
