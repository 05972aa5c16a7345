//! A real engine on a real store, with a pack of four flows, behind the API's router.

#![allow(dead_code, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tandem_api::{
    AccountReload, ApiConfig, ApiState, Images, PluginState, PluginView, Plugins, Problem, Reload,
    ReloadOutcome, Reloads, Scope, Token, router,
};
use tandem_bus::LocalBus;
use tandem_channel_kit::{Account, Channel, ChannelError, Inbox, Stop};
use tandem_domain::{
    AccountId, Locale, Text, Timestamp, WorkspaceId,
    action::{Action, ActionError, Meta, Ran, Request as ActionRequest},
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    entity::Entity,
    message::{Inbound, InboundKind, NativeConversation, Outbound, Part, Sender},
    reading::{Candidate, Passage, Query, Reading, Trainer, TrainingSet, Understanding},
};
use tandem_engine::{Config, Engine, Parts, Site, files::Files, packs::PackSet, seal::SealKey};
use tandem_store::SqliteOptions;
use tempfile::TempDir;
use tower::ServiceExt as _;

const PACK: &str = "name: tiny\nlocales: [en, zh]\ntime_zone: UTC\ndefault_skill: general\n";
const FLOWS: &str = r#"
version: 1
flows:
  greet:
    title: a greeting
    start_when: {phrases: [hello]}
    steps:
      - say: {en: Hello there., zh: 你好。}
  person:
    title: a person
    start_when: {phrases: [person please]}
    steps:
      - handoff: general
        summary: wants a person
  leave_word:
    title: a ticket
    start_when: {phrases: [leave word]}
    steps:
      - ticket: {title: Call back, skill: general}
      - say: Noted.
  shipped:
    title: a parcel
    start_when: {event: order.shipped}
    steps:
      - say: Your parcel is on its way.
"#;

pub struct Bench {
    pub app: Router,
    pub engine: Engine,
    pub stop: Stop,
    /// The inbox of the account `shop` in the workspace `default`.
    pub shop: Inbox,
    /// The inbox of the account `rival` in the workspace `other`.
    pub rival: Inbox,
    /// The inbox of `mail`, whose platform refuses everything.
    pub mail: Inbox,
    pub reloads: Arc<Pretend>,
    pub plugins: Arc<Parcel>,
    _folder: TempDir,
}

/// Every scope has a token of its own, named like it; `none` has no scope, `rival` all of them in
/// another workspace, `both` may write as anybody.
pub fn token(name: &str) -> String {
    format!("token-of-{name}-which-is-long-enough")
}

fn tokens() -> Vec<Token> {
    let mut tokens = vec![
        a_token("none", "default", &[]),
        a_token("rival", "other", &[Scope::Admin]),
        a_token(
            "both",
            "default",
            &[Scope::ConversationsWrite, Scope::ConversationsImpersonate],
        ),
    ];
    for scope in Scope::ALL {
        tokens.push(a_token(scope.as_str(), "default", &[scope]));
    }
    tokens
}

fn a_token(name: &str, workspace: &str, scopes: &[Scope]) -> Token {
    Token {
        name: name.replace(':', "-"),
        workspace: WorkspaceId::new(workspace),
        scopes: scopes.to_vec(),
        hash: Token::hash(&token(name)),
    }
}

pub async fn bench() -> Bench {
    bench_with(ApiConfig::default()).await
}

pub async fn bench_with(config: ApiConfig) -> Bench {
    build(config, Config::default(), SqliteOptions::default()).await
}

pub async fn build(config: ApiConfig, behaviour: Config, options: SqliteOptions) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = tandem_store::open_sqlite(folder.path().join("t.db"), options).unwrap();
    let mut sites = Vec::new();
    for workspace in ["default", "other"] {
        let files = vec![
            ("pack.yaml".to_owned(), PACK.to_owned()),
            ("main.flow.yaml".to_owned(), FLOWS.to_owned()),
        ];
        let loaded = tandem_flow::load::load_files(files);
        let pack = loaded.pack.expect("the tiny pack loads");
        let workspace = WorkspaceId::new(workspace);
        let packs = PackSet::open(workspace.clone(), store.clone(), Arc::new(Letters), pack)
            .await
            .unwrap();
        sites.push(Site {
            workspace,
            packs: Arc::new(packs),
        });
    }
    let engine = Engine::new(Parts {
        store,
        bus: Arc::new(LocalBus::default()),
        sites,
        action: Arc::new(NoAction),
        files: Files::new(folder.path().join("files")),
        seal: SealKey::generate(),
        clock: Arc::new(Timestamp::now),
        config: behaviour,
    });
    let connect = |workspace: &str, id: &str, channel: Arc<dyn Channel>| {
        let account = Account {
            workspace: WorkspaceId::new(workspace),
            id: AccountId::new(id),
            channel: "web".to_owned(),
        };
        engine.connect(account, channel)
    };
    let shop = connect("default", "shop", Arc::new(Page));
    let rival = connect("other", "rival", Arc::new(Page));
    let mail = connect("default", "mail", Arc::new(Refusing));
    engine.start().await.unwrap();
    let reloads = Arc::new(Pretend::default());
    let plugins = Arc::new(Parcel::default());
    let stop = Stop::new();
    let app = router(ApiState::new(
        engine.clone(),
        ApiConfig {
            tokens: tokens(),
            ..config
        },
        reloads.clone(),
        plugins.clone(),
        Arc::new(|| "# figures\n".to_owned()),
        stop.clone(),
    ));
    Bench {
        app,
        engine,
        stop,
        shop,
        rival,
        mail,
        reloads,
        plugins,
        _folder: folder,
    }
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn items(&self) -> &Vec<Value> {
        self.body["items"].as_array().expect("a page")
    }
}

pub struct Ask {
    method: Method,
    path: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub fn get(path: impl Into<String>) -> Ask {
    ask(Method::GET, path)
}

pub fn post(path: impl Into<String>, body: Value) -> Ask {
    let mut ask = ask(Method::POST, path).header("content-type", "application/json");
    ask.body = body.to_string().into_bytes();
    ask
}

pub fn ask(method: Method, path: impl Into<String>) -> Ask {
    Ask {
        method,
        path: path.into(),
        token: Some(token("admin")),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

impl Ask {
    pub fn by(mut self, name: &str) -> Self {
        self.token = Some(token(name));
        self
    }

    pub fn without_token(mut self) -> Self {
        self.token = None;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn raw(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn to(self, bench: &Bench) -> Answer {
        let mut request = Request::builder().method(self.method).uri(self.path);
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body)).unwrap();
        let response = bench.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }
}

impl Bench {
    /// A customer writes; the turn has ended when this returns. Gives the conversation's id.
    pub async fn says(&self, inbox: &Inbox, visitor: &str, id: &str, text: &str) -> String {
        let account = inbox.account();
        let event = Inbound {
            id: id.to_owned(),
            channel: account.channel.clone(),
            account: account.id.clone(),
            conversation: NativeConversation {
                kind: Default::default(),
                id: visitor.to_owned(),
                thread: None,
            },
            sender: Sender {
                id: visitor.to_owned(),
                ..Sender::default()
            },
            ts: Timestamp::now(),
            kind: InboundKind::Message,
            message_id: None,
            parts: vec![Part::text(text)],
            quote: None,
            mentions_me: false,
            album: None,
            reply_context: None,
        };
        let lane = event.lane(&account.workspace);
        inbox.accept(vec![event]).await.unwrap();
        let row = self.engine.store().lane(&account.workspace, lane).await;
        row.unwrap()
            .expect("the lane has a row")
            .conversation
            .to_string()
    }

    /// A conversation of a new visitor that waits for a person.
    pub async fn waiting(&self, visitor: &str) -> String {
        self.says(
            &self.shop,
            visitor,
            &format!("m-{visitor}"),
            "person please",
        )
        .await
    }

    pub async fn reply(&self, conversation: &str, text: &str) -> Answer {
        post(
            format!("/api/v1/conversations/{conversation}/messages"),
            json!({"text": text}),
        )
        .to(self)
        .await
    }
}

/// A channel whose customers read the transcript.
struct Page;

#[async_trait]
impl Channel for Page {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn run(&self, _: Inbox, stop: Stop) -> Result<(), ChannelError> {
        stop.stopped().await;
        Ok(())
    }

    fn reads_transcript(&self) -> bool {
        true
    }

    async fn send(&self, _: &Outbound) -> Result<Receipt, SendError> {
        Ok(Receipt::default())
    }
}

/// A platform that takes nothing: texts with "maybe" leave without an answer.
struct Refusing;

#[async_trait]
impl Channel for Refusing {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    async fn run(&self, _: Inbox, stop: Stop) -> Result<(), ChannelError> {
        stop.stopped().await;
        Ok(())
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        if message.content.plain().contains("maybe") {
            return Err(SendError::Uncertain("no answer".into()));
        }
        Err(SendError::Rejected {
            code: "blocked".to_owned(),
            message: "the customer blocked us".to_owned(),
        })
    }
}

fn capabilities() -> Capabilities {
    Capabilities::plain(4000)
}

struct NoAction;

#[async_trait]
impl Action for NoAction {
    async fn run(&self, _: &ActionRequest, _: &Meta) -> Ran {
        Err(ActionError::new(
            "unavailable",
            "there is nothing outside of this test",
        ))
        .into()
    }
}

/// Understands what is said letter for letter.
struct Letters;

struct Known(TrainingSet);

impl Trainer for Letters {
    fn train(&self, set: &TrainingSet) -> Arc<dyn Understanding> {
        Arc::new(Known(set.clone()))
    }
}

impl Understanding for Known {
    fn read(&self, text: &str, _: &Locale) -> Reading {
        let candidates = self
            .0
            .examples
            .iter()
            .filter(|example| example.text == text)
            .map(|example| Candidate {
                target: example.target.clone(),
                confidence: 0.95,
                phrase: Some(example.text.clone()),
            })
            .collect();
        Reading {
            candidates,
            ..Reading::default()
        }
    }

    fn entities(&self, _: &str, _: &Locale) -> Vec<Entity> {
        Vec::new()
    }

    fn retrieve(&self, _: &Query) -> Vec<Passage> {
        Vec::new()
    }
}

/// Reloads that end as they are told to.
#[derive(Default)]
pub struct Pretend {
    pub refuse: Mutex<bool>,
    pub panic: Mutex<bool>,
    pub hang: Mutex<bool>,
    last: Mutex<Option<Reload>>,
}

#[async_trait]
impl Reloads for Pretend {
    fn last(&self, _: &WorkspaceId) -> Option<Reload> {
        self.last.lock().unwrap().clone()
    }

    async fn reload(&self, _: &WorkspaceId) -> Reload {
        let hang = *self.hang.lock().unwrap();
        if hang {
            std::future::pending::<()>().await;
        }
        assert!(!*self.panic.lock().unwrap(), "told to panic");
        let refused = *self.refuse.lock().unwrap();
        let problem = Problem {
            severity: "error".to_owned(),
            code: "flow.unknown_step".to_owned(),
            file: "main.flow.yaml".to_owned(),
            line: 7,
            column: 9,
            source: Some("      - sya: Hello".to_owned()),
            message: Text([(Locale::new("en"), "no such step".to_owned())].into()),
            hint: None,
        };
        let reload = Reload {
            at: Timestamp::now(),
            outcome: match refused {
                true => ReloadOutcome::Refused,
                false => ReloadOutcome::Swapped,
            },
            problems: if refused { vec![problem] } else { Vec::new() },
        };
        *self.last.lock().unwrap() = Some(reload.clone());
        reload
    }

    async fn reload_account(&self, _: &AccountId) -> Result<AccountReload, String> {
        match *self.refuse.lock().unwrap() {
            true => Err("nothing of it can be used".to_owned()),
            false => Ok(AccountReload::Unchanged),
        }
    }
}

/// One plugin, `parcel`, whose reload is refused where it is told so.
#[derive(Default)]
pub struct Parcel {
    pub refuse: Mutex<bool>,
    off_by: Mutex<Option<String>>,
}

#[async_trait]
impl Plugins for Parcel {
    fn list(&self) -> Vec<PluginView> {
        let off_by = self.off_by.lock().unwrap().clone();
        vec![PluginView {
            name: "parcel".to_owned(),
            version: Some("0.3.0".to_owned()),
            kinds: vec!["action".to_owned()],
            process: false,
            state: match off_by {
                Some(_) => PluginState::Disabled,
                None => PluginState::Ok,
            },
            why: off_by.map(|by| Text([(Locale::new("en"), by)].into())),
            loads: 1,
            calls: 7,
            faults: 0,
            running: 0,
            waiting: 0,
            stuck: 0,
            last_load: None,
            warnings: Vec::new(),
        }]
    }

    fn images(&self) -> Images {
        Images {
            loaded: 1,
            most: 256,
        }
    }

    async fn reload(&self, name: &str) -> Option<Result<(), Text>> {
        let refused = *self.refuse.lock().unwrap();
        let why = Text([(Locale::new("en"), "it is cut off".to_owned())].into());
        (name == "parcel").then_some(match refused {
            true => Err(why),
            false => Ok(()),
        })
    }

    fn switch(&self, name: &str, on: bool, by: &str) -> bool {
        let known = name == "parcel";
        if known {
            *self.off_by.lock().unwrap() = (!on).then(|| by.to_owned());
        }
        known
    }
}
