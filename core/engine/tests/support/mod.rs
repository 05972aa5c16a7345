//! An engine with a real store, a platform that answers as it was told, and a clock to turn.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses its own part"
)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tandem_bus::LocalBus;
use tandem_channel_kit::{
    Accepted, Account, Channel, ChannelError, Fetched, Inbox, Sink as _, Stop,
};
use tandem_domain::{
    AccountId, Locale, OutboxId, Timestamp, WorkspaceId,
    action::{Action, Meta, Ran, Request},
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Author, Inbound, InboundKind, Media, NativeConversation, Outbound, Part, Sender},
    store::{ConversationQuery, OutboxState, Store, Visibility},
};
use tandem_engine::{Config, Engine, Parts, Site, files::Files, packs::PackSet, seal::SealKey};
use tandem_understanding::PhraseTrainer;
use tokio::sync::Notify;

pub const START: i64 = 1_740_000_000_000;

pub const PACK: &str = r#"
version: 1
slots:
  n: {type: integer}
  email: {type: email, sensitive: true}
  entry: {type: object, source: http}
flows:
  count:
    title: counting
    start_when: {phrases: [start counting]}
    steps:
      - id: next
        collect: n
        always_ask: true
        ask: Next number?
      - say: Got {{ n }}.
      - {goto: next, max: 1000}
  book:
    title: booking
    start_when: {phrases: [book something]}
    steps:
      - http: ledger.add
        effect: write
        save: entry
        on_error: {other: [{say: It failed.}]}
      - say: Booked.
  mail:
    title: your address
    start_when: {phrases: [change my mail address]}
    steps:
      - collect: email
        ask: Which address?
      - say: Noted.
  later:
    title: a reminder
    start_when: {phrases: [remind me of it]}
    steps:
      - say: I will.
      - remind: Here it is.
        after: 1h
handoff_triggers:
  - {phrases: [talk to a human], skill: general}
"#;

/// Does nothing until it is let go, and counts.
#[derive(Default)]
pub struct Service {
    pub calls: AtomicU32,
    pub held: Option<Notify>,
}

#[async_trait]
impl Action for Service {
    async fn run(&self, _request: &Request, _meta: &Meta) -> Ran {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(held) = &self.held {
            held.notified().await;
        }
        Ok(serde_json::json!({"id": 1})).into()
    }
}

/// A platform that answers as it was told.
#[derive(Default)]
pub struct Platform {
    pub from_transcript: bool,
    pub caps: Option<Capabilities>,
    pub in_band: Option<Duration>,
    /// The platform's ids of what it takes.
    pub ids: Mutex<Vec<String>>,
    pub sent: Mutex<Vec<Outbound>>,
    pub answers: Mutex<Vec<SendError>>,
    /// What comes of asking for media, last first; nothing left: it is gone.
    pub media: Mutex<Vec<Result<&'static [u8], SendError>>>,
    pub asked: Mutex<Vec<Media>>,
    pub sent_one: Notify,
}

#[async_trait]
impl Channel for Platform {
    fn capabilities(&self) -> Capabilities {
        self.caps
            .clone()
            .unwrap_or_else(|| Capabilities::plain(4000))
    }

    async fn run(&self, _inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        stop.stopped().await;
        Ok(())
    }

    fn reads_transcript(&self) -> bool {
        self.from_transcript
    }

    fn in_band(&self) -> Option<Duration> {
        self.in_band
    }

    fn addresses(&self) -> Vec<String> {
        vec!["our-bot".into()]
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        let answer = self.answers.lock().unwrap().pop();
        self.sent.lock().unwrap().push(message.clone());
        self.sent_one.notify_one();
        match answer {
            Some(error) => Err(error),
            None => Ok(Receipt {
                native_ids: self.ids.lock().unwrap().pop().into_iter().collect(),
            }),
        }
    }

    async fn fetch(&self, media: &Media) -> Result<Fetched, SendError> {
        self.asked.lock().unwrap().push(media.clone());
        let bytes = self
            .media
            .lock()
            .unwrap()
            .pop()
            .unwrap_or_else(|| Err(gone()))?;
        Ok(Fetched {
            mime: Some("text/html".into()),
            bytes: bytes.into(),
        })
    }
}

fn gone() -> SendError {
    SendError::Rejected {
        code: "404".into(),
        message: "no such media".into(),
    }
}

pub struct House {
    pub engine: Engine,
    pub account: Account,
    pub store: Arc<dyn Store>,
    pub platform: Arc<Platform>,
    pub service: Arc<Service>,
    pub ahead: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl House {
    pub async fn build(platform: Platform, service: Service) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = tandem_store::open_sqlite(
            folder.path().join("t.db").as_path(),
            tandem_store::SqliteOptions::default(),
        )
        .unwrap();
        Self::on(store, folder, platform, service).await
    }

    pub async fn on(
        store: Arc<dyn Store>,
        folder: tempfile::TempDir,
        platform: Platform,
        service: Service,
    ) -> Self {
        let files = vec![
            ("pack.yaml".to_owned(), "name: t\nlocales: [en]\n".to_owned()),
            ("desk.yaml".to_owned(), "skills: [general]\n".to_owned()),
            (
                "connections.yaml".to_owned(),
                "connections:\n  ledger:\n    base_url: https://l.test\n    hosts: [l.test]\n    operations: {add: {method: POST, path: /add}}\n".to_owned(),
            ),
            ("main.flow.yaml".to_owned(), PACK.to_owned()),
        ];
        let loaded = tandem_flow::load::load_files(files);
        let pack = loaded
            .pack
            .unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let workspace = WorkspaceId::default();
        let packs = PackSet::open(
            workspace.clone(),
            store.clone(),
            Arc::new(PhraseTrainer),
            pack,
        )
        .await
        .unwrap();
        let (platform, service) = (Arc::new(platform), Arc::new(service));
        let ahead = Arc::new(AtomicU64::new(0));
        let engine = Engine::new(Parts {
            store: store.clone(),
            bus: Arc::new(LocalBus::default()),
            sites: vec![Site {
                workspace: workspace.clone(),
                packs: Arc::new(packs),
            }],
            action: service.clone(),
            files: Files::new(folder.path().join("files")),
            seal: SealKey::new(&[7; 32]).unwrap(),
            clock: {
                let ahead = ahead.clone();
                let begun = tokio::time::Instant::now();
                Arc::new(move || {
                    let ahead = Duration::from_secs(ahead.load(Ordering::SeqCst));
                    Timestamp(START) + begun.elapsed() + ahead
                })
            },
            config: Config {
                public_url: Some("https://help.test".into()),
                ..Config::default()
            },
        });
        let account = Account {
            workspace,
            id: AccountId::new("fake"),
            channel: "fake".into(),
        };
        engine.connect(account.clone(), platform.clone());
        engine.start().await.unwrap();
        Self {
            engine,
            account,
            store,
            platform,
            service,
            ahead,
            _folder: folder,
        }
    }

    /// Time goes by at once; who waited for it looks again.
    pub fn pass(&self, secs: u64) {
        self.ahead.fetch_add(secs, Ordering::SeqCst);
        self.engine.resume(&self.account.id);
    }

    /// Waits until the platform was sent so many messages.
    pub async fn sent(&self, count: usize) -> Vec<Outbound> {
        let all = async {
            loop {
                let sent = self.platform.sent.lock().unwrap().clone();
                if sent.len() >= count {
                    return sent;
                }
                self.platform.sent_one.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
        waited.expect("the platform is sent what it waits for")
    }

    /// Waits until the row has come so far, and gives its state.
    pub async fn until(&self, id: OutboxId, there: impl Fn(&OutboxState) -> bool) -> OutboxState {
        let looked = async {
            loop {
                let row = self
                    .store
                    .outbox(&self.account.workspace, id)
                    .await
                    .unwrap();
                let state = row.unwrap().state;
                if there(&state) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), looked).await;
        waited.expect("the row gets there")
    }

    pub fn event(&self, id: &str, text: &str) -> Inbound {
        Inbound {
            id: id.into(),
            channel: "fake".into(),
            account: self.account.id.clone(),
            conversation: NativeConversation {
                kind: Default::default(),
                id: "ann".into(),
                thread: None,
            },
            sender: Sender {
                id: "ann".into(),
                locale: Some(Locale::new("en")),
                ..Default::default()
            },
            ts: Timestamp(0),
            kind: InboundKind::Message,
            message_id: None,
            parts: vec![Part::text(text)],
            quote: None,
            mentions_me: false,
            album: None,
            reply_context: None,
        }
    }

    pub async fn accept(&self, id: &str, text: &str) -> Accepted {
        self.engine
            .accept(&self.account, vec![self.event(id, text)])
            .await
            .unwrap()[0]
    }

    /// Says it and waits until the turn, services included, is over.
    pub async fn say(&self, id: &str, text: &str) -> Vec<String> {
        let accepted = self.accept(id, text).await;
        let lines = self
            .engine
            .settled(
                &self.account,
                accepted.id().unwrap(),
                Duration::from_secs(10),
            )
            .await
            .unwrap();
        lines
            .iter()
            .filter(|l| l.author == Author::Bot)
            .map(|l| l.content.plain())
            .collect()
    }

    pub async fn conversation(&self) -> tandem_domain::conversation::Conversation {
        let query = ConversationQuery {
            limit: 10,
            ..Default::default()
        };
        self.store
            .conversations(&self.account.workspace, &query)
            .await
            .unwrap()
            .remove(0)
    }

    pub async fn lines(&self) -> Vec<(Author, String, Visibility)> {
        let id = self.conversation().await.id;
        self.store
            .messages(&self.account.workspace, id, 0, 1000)
            .await
            .unwrap()
            .into_iter()
            .map(|l| (l.author, l.content.plain(), l.visibility))
            .collect()
    }
}
