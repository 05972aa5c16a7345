//! Calls of plugins from steps and scripts: what comes of them, and what a crash in the middle of one
//! does.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tandem_bus::LocalBus;
use tandem_channel_kit::{Account, Sink as _};
use tandem_domain::{
    AccountId, Locale, Timestamp, Value, WorkspaceId,
    action::{Action, ActionError, Meta, Ran, Request},
    message::{Author, Inbound, InboundKind, NativeConversation, Part, Sender},
    store::{ConversationQuery, Store},
};
use tandem_engine::{
    Config, Engine, Parts, Site,
    actions::{Runner, Tools, http::Web},
    files::Files,
    journal::Entry,
    packs::PackSet,
    seal::SealKey,
};
use tandem_understanding::PhraseTrainer;
use tokio::sync::Notify;

mod support;
use support::{Platform, START};

const PACK: &str = "
version: 1
slots:
  tracking: {type: object, source: plugin}
  told: {type: text, source: lua}
flows:
  track:
    title: your parcel
    start_when: {phrases: [where is my parcel]}
    steps:
      - plugin: parcel.track
        with: {number: PF-1001}
        save: tracking
        retry: 2
        timeout: 1s
        on_error:
          not_found: [{say: Nobody knows it.}, {end: unknown}]
          timeout: [{say: That took too long.}, {end: slow}]
          other: [{say: Not now.}, {end: away}]
      - say: It is in {{ tracking.place }}.
  book:
    title: a pick-up
    start_when: {phrases: [pick it up]}
    steps:
      - plugin: parcel.book
        effect: write
        on_error:
          unknown: [{say: Perhaps it is booked.}, {end: unknown}]
          other: [{say: Not booked.}, {end: failed}]
      - say: Booked.
  change:
    title: another day
    start_when: {phrases: [another day please]}
    steps:
      - {plugin: parcel.change, effect: write}
      - say: Changed.
  script:
    title: by a script
    start_when: {phrases: [let a script ask]}
    steps:
      - {lua: carrier.ask, with: {number: PF-1001}, save: told}
      - say: \"{{ told }}\"
";

const SCRIPT: &str = r#"
local carrier = {}
function carrier.ask(args)
  local _, why = plugin.call("parcel", "book")
  local found = plugin.call("parcel", "track", {number = args.number})
  return found.place .. " " .. why.code
end
return carrier
"#;

const CONTRACT: &str = r#"{"name": "parcel", "version": "0.3.0", "methods": {
  "action.track": {"params": {"type": "object", "required": ["number"]}},
  "action.book": {}, "action.change": {"idempotent": true, "timeout_ms": 2000}}}"#;

/// What the plugin does with a call.
enum Deed {
    Gives(Value),
    Fails(&'static str),
    /// Never comes back.
    Hangs,
}

#[derive(Default)]
struct Plugin {
    deeds: Mutex<VecDeque<Deed>>,
    seen: Mutex<Vec<(String, Value, Meta)>>,
    called: Notify,
}

#[async_trait]
impl Action for Plugin {
    async fn run(&self, request: &Request, meta: &Meta) -> Ran {
        let Request::Plugin { method, args, .. } = request else {
            panic!("only plugins are asked here: {request:?}");
        };
        let seen = (method.clone(), args.clone(), meta.clone());
        self.seen.lock().unwrap().push(seen);
        self.called.notify_one();
        let deed = self.deeds.lock().unwrap().pop_front();
        match deed {
            Some(Deed::Gives(value)) => Ok(value).into(),
            Some(Deed::Fails(code)) => Err(ActionError::new(code, "as it was told")).into(),
            Some(Deed::Hangs) | None => std::future::pending().await,
        }
    }
}

/// A server over a store, which may have been another's before.
struct Home {
    engine: Engine,
    account: Account,
    store: Arc<dyn Store>,
    plugin: Arc<Plugin>,
}

impl Home {
    async fn open(store: &Arc<dyn Store>, deeds: Vec<Deed>) -> Self {
        let files = [
            ("pack.yaml", "name: t\nlocales: [en]\n"),
            ("desk.yaml", "skills: [general]\n"),
            ("main.flow.yaml", PACK),
            ("carrier.luau", SCRIPT),
            ("plugins/parcel.json", CONTRACT),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let loaded = tandem_flow::load::load_files(files.to_vec());
        let pack = loaded
            .pack
            .unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let workspace = WorkspaceId::default();
        let trainer = Arc::new(PhraseTrainer);
        let packs = PackSet::open(workspace.clone(), store.clone(), trainer, pack).await;
        let packs = Arc::new(packs.unwrap());
        let plugin = Arc::new(Plugin {
            deeds: Mutex::new(deeds.into()),
            ..Plugin::default()
        });
        let transport = tandem_net::Transport::system().unwrap();
        let tools = Tools {
            store: store.clone(),
            web: Arc::new(Web::new(transport, Arc::new(|_: &str| None))),
            scripts: tandem_lua::Runner::new(1),
            plugins: plugin.clone(),
        };
        let sites = HashMap::from([(workspace.clone(), packs.clone())]);
        let begun = tokio::time::Instant::now();
        let engine = Engine::new(Parts {
            store: store.clone(),
            bus: Arc::new(LocalBus::default()),
            sites: vec![Site {
                workspace: workspace.clone(),
                packs,
            }],
            action: Arc::new(Runner::new(sites, tools)),
            files: Files::new(std::env::temp_dir().join("tandem-no-files")),
            seal: SealKey::new(&[7; 32]).unwrap(),
            clock: Arc::new(move || Timestamp(START) + begun.elapsed()),
            config: Config::default(),
        });
        let account = Account {
            workspace,
            id: AccountId::new("fake"),
            channel: "fake".into(),
        };
        let platform = Platform {
            from_transcript: true,
            ..Platform::default()
        };
        engine.connect(account.clone(), Arc::new(platform));
        engine.start().await.unwrap();
        Self {
            engine,
            account,
            store: store.clone(),
            plugin,
        }
    }

    async fn accept(&self, text: &str) -> tandem_channel_kit::Accepted {
        let event = Inbound {
            id: text.into(),
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
            album: None,
            parts: vec![Part::text(text)],
            quote: None,
            mentions_me: false,
            reply_context: None,
        };
        let accepted = self.engine.accept(&self.account, vec![event]).await;
        accepted.unwrap()[0]
    }

    async fn say(&self, text: &str) -> Vec<String> {
        let id = self.accept(text).await.id().unwrap();
        let wait = Duration::from_secs(20);
        let lines = self.engine.settled(&self.account, id, wait).await.unwrap();
        lines
            .iter()
            .filter(|l| l.author == Author::Bot)
            .map(|l| l.content.plain())
            .collect()
    }

    async fn conversation(&self) -> tandem_domain::ConversationId {
        let query = ConversationQuery {
            limit: 1,
            ..Default::default()
        };
        let found = self.store.conversations(&self.account.workspace, &query);
        found.await.unwrap()[0].id
    }

    /// Everything the bot has said, once it has said anything.
    async fn said(&self) -> Vec<String> {
        let spoken = async {
            loop {
                let id = self.conversation().await;
                let workspace = &self.account.workspace;
                let lines = self.store.messages(workspace, id, 0, 100).await.unwrap();
                let bot = lines.iter().filter(|l| l.author == Author::Bot);
                let texts: Vec<String> = bot.map(|l| l.content.plain()).collect();
                if !texts.is_empty() {
                    return texts;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), spoken).await;
        waited.expect("the bot says something")
    }

    async fn entries(&self) -> Vec<Entry> {
        let id = self.conversation().await;
        let rows = self.store.journal(&self.account.workspace, id).await;
        let rows = rows.unwrap();
        rows.iter().map(|row| Entry::read(row).unwrap()).collect()
    }

    /// The calls that the journal tells of.
    async fn journal(&self) -> Vec<Value> {
        let entries = self.entries().await.into_iter();
        entries.flat_map(|entry| entry.calls).collect()
    }

    /// What the trace says of plugins.
    async fn traced(&self) -> Vec<String> {
        let entries = self.entries().await.into_iter();
        let lines = entries.flat_map(|entry| entry.trace);
        lines
            .filter(|line| line.kind == "plugin")
            .map(|line| line.text)
            .collect()
    }

    fn seen(&self) -> Vec<(String, Value, Meta)> {
        self.plugin.seen.lock().unwrap().clone()
    }

    fn keys(&self) -> Vec<Option<String>> {
        let seen = self.seen().into_iter();
        seen.map(|(_, _, meta)| meta.idempotency_key).collect()
    }
}

fn store() -> Arc<dyn Store> {
    tandem_store::open_sqlite(":memory:", tandem_store::SqliteOptions::default()).unwrap()
}

#[tokio::test]
async fn a_result_goes_on_and_the_journal_tells_which_how_and_how_long() {
    let home = Home::open(&store(), vec![Deed::Gives(json!({"place": "Leipzig"}))]).await;
    assert_eq!(home.say("where is my parcel").await, ["It is in Leipzig."]);
    let (method, args, meta) = home.seen().remove(0);
    assert_eq!(
        (method.as_str(), args),
        ("track", json!({"number": "PF-1001"}))
    );
    assert_eq!(meta.timeout_ms, 1000);
    let mut line = home.journal().await.remove(0);
    let ms = line["ms"].take();
    assert_eq!(
        home.traced().await,
        [format!("parcel.track 0.3.0: ok, {ms} ms")]
    );
    assert_eq!(
        line,
        json!({"name": "plugin.call", "args": {"plugin": "parcel", "method": "track"},
            "version": "0.3.0", "ms": null, "outcome": "ok"})
    );
}

#[tokio::test]
async fn a_plugins_own_code_chooses_the_way() {
    let home = Home::open(&store(), vec![Deed::Fails("not_found")]).await;
    assert_eq!(home.say("where is my parcel").await, ["Nobody knows it."]);
    assert_eq!(home.journal().await[0]["outcome"], "not_found");
}

#[tokio::test]
async fn one_that_is_unavailable_is_done_without() {
    let home = Home::open(&store(), vec![Deed::Fails("unavailable")]).await;
    assert_eq!(home.say("where is my parcel").await, ["Not now."]);
    let (.., meta) = home.seen().remove(0);
    assert_eq!((meta.retries, meta.write), (Some(2), false));
    assert!(meta.idempotency_key.is_some());
}

#[tokio::test]
async fn one_that_never_answers_ends_with_the_steps_time() {
    let home = Home::open(&store(), vec![Deed::Hangs]).await;
    assert_eq!(
        home.say("where is my parcel").await,
        ["That took too long."]
    );
    let line = home.journal().await.remove(0);
    assert_eq!(
        (line["outcome"].as_str(), line["args"]["method"].as_str()),
        (Some("timeout"), Some("track"))
    );
}

#[tokio::test]
async fn a_write_has_a_key_only_where_the_method_knows_keys() {
    let deeds = vec![Deed::Fails("unavailable"), Deed::Gives(Value::Null)];
    let home = Home::open(&store(), deeds).await;
    assert_eq!(home.say("pick it up").await, ["Not booked."]);
    assert_eq!(home.say("another day please").await, ["Changed."]);
    assert!(home.seen().iter().all(|(.., meta)| meta.write));
    // The step does not say how long it may take; the second method does.
    let times: Vec<u64> = home.seen().iter().map(|(.., m)| m.timeout_ms).collect();
    assert_eq!(times, [10_000, 2000]);
    let keys: Vec<bool> = home.keys().iter().map(Option::is_some).collect();
    assert_eq!(keys, [false, true]);
}

/// A call is under way, and the server is gone; another opens on what it left.
async fn cut_off(text: &str, then: Vec<Deed>) -> (Vec<Option<String>>, Home) {
    let store = store();
    let first = Home::open(&store, vec![Deed::Hangs]).await;
    first.accept(text).await;
    first.plugin.called.notified().await;
    let keys = first.keys();
    // It never learns what became of the call, and nothing of it runs on but that.
    std::mem::forget(first);
    (keys, Home::open(&store, then).await)
}

#[tokio::test]
async fn a_reading_call_that_was_cut_off_is_made_again() {
    let place = Deed::Gives(json!({"place": "Leipzig"}));
    let (before, home) = cut_off("where is my parcel", vec![place]).await;
    assert_eq!(home.said().await, ["It is in Leipzig."]);
    assert_eq!(home.keys(), before);
}

#[tokio::test]
async fn a_write_that_was_cut_off_is_never_made_again() {
    let (before, home) = cut_off("pick it up", vec![]).await;
    assert_eq!(home.said().await, ["Perhaps it is booked."]);
    assert_eq!(before, [None]);
    assert_eq!(home.seen().len(), 0);
}

#[tokio::test]
async fn a_write_that_knows_keys_is_made_again_with_the_same_one() {
    let done = Deed::Gives(Value::Null);
    let (before, home) = cut_off("another day please", vec![done]).await;
    assert_eq!(home.said().await, ["Changed."]);
    assert!(before[0].is_some());
    assert_eq!(home.keys(), before);
}

#[tokio::test]
async fn a_script_asks_plugins_and_asks_the_same_again_after_a_crash() {
    let answers = || {
        vec![
            Deed::Fails("full"),
            Deed::Gives(json!({"place": "Leipzig"})),
        ]
    };
    let (before, home) = cut_off("let a script ask", answers()).await;
    assert_eq!(home.said().await, ["Leipzig full"]);
    let keys = home.keys();
    assert_eq!(keys[0], before[0]);
    assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1]);
    assert!(home.seen()[0].2.timeout_ms < 10_000);
    let lines = home.journal().await;
    let told: Vec<_> = lines
        .iter()
        .map(|l| {
            (
                l["ordinal"].clone(),
                l["outcome"].clone(),
                l["version"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!(0), json!("full"), json!("0.3.0")),
            (json!(1), json!("ok"), json!("0.3.0"))
        ]
    );
    assert_eq!(lines[1]["args"]["args"], json!({"number": "PF-1001"}));
    let traced = home.traced().await;
    assert!(traced[0].starts_with("parcel.book 0.3.0: full, ") && traced.len() == 2);
}
