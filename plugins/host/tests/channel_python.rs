//! The beginning of a channel in Python, as `tandem plugin new` makes it: as a process it passes the
//! suite that every channel passes.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel, Kind as _, Opening,
    conformance::{
        self,
        sending::{self, Outgoing},
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake::{
        self,
        platform::{Call, FarPlatform, Reply},
    },
    kind::Secret,
};
use tandem_plugin_host::{NoServices, PluginConfig, PluginKind};

mod common;
#[path = "common/signed.rs"]
mod signed;

use common::{World, mode, skip};

const KEY: &str = "what the platform signs with";

/// Whether there is a Python to try it with.
fn python() -> bool {
    let found = Command::new("python3").arg("--version").output().is_ok();
    if !found {
        skip("python3");
    }
    found
}

/// The project as it is made, in a folder.
fn make(folder: &Path) -> PathBuf {
    let files = [
        (
            "pager.py",
            include_str!("../../new/python-channel/plugin.py.in"),
        ),
        (
            "tandem_plugin.py",
            include_str!("../../examples/python-loyalty/tandem_plugin.py"),
        ),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text.replace("{{name}}", "pager")).unwrap();
        mode(&path, 0o644);
    }
    folder.join("pager.py")
}

/// The channel as its platform knows it.
#[derive(Default)]
struct Subject {
    /// Where the programs lie, as long as the test runs.
    folders: Mutex<Vec<tempfile::TempDir>>,
}

impl Subject {
    /// Opened by a host of its own, as after a start.
    async fn fresh(&self, api: &str) -> Arc<dyn Channel> {
        let World {
            plugins,
            folder,
            _all: kept,
        } = World::with(common::limits(), Arc::new(NoServices));
        self.folders.lock().unwrap().push(kept);
        let (plugins, program) = (Arc::new(plugins), make(&folder));
        let command = json!(["python3", program]);
        let entry = json!({"name": "pager", "command": command, "kinds": ["channel"]});
        let config: PluginConfig = serde_json::from_value(entry).unwrap();
        let manifest = plugins.look(&config).await.unwrap();
        let kind = PluginKind::new("pager", config, manifest).with_plugins(plugins);
        let settings = json!({
            "signing_key": Secret::found(KEY), "token": Secret::found("t"), "api": api,
        });
        assert_eq!(kind.check(&settings), []);
        let opened = kind.open(Opening {
            account: fake::account("pager", "main"),
            settings,
            public_url: None,
            data_dir: PathBuf::new(),
        });
        opened.await.unwrap()
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

fn signed(at: u64, body: Vec<u8>) -> Request {
    let headers = ["x-time", "x-signature"];
    signed::signed("/hooks/pager/main", headers, KEY, at, body)
}

fn saying(at: u64, what: &Value) -> Request {
    signed(at, what.to_string().into_bytes())
}

impl Webhook for Subject {
    fn account(&self) -> Account {
        fake::account("pager", "main")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        let open = self.fresh("http://127.0.0.1:9");
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(open))
    }

    fn request(&self, said: &Said) -> Request {
        saying(*NOW, &words(said))
    }

    fn signed(&self) -> Vec<Signed> {
        vec![Signed::Header("x-time"), Signed::Header("x-signature")]
    }

    fn stale(&self, said: &Said) -> Option<Request> {
        Some(saying(*NOW - 400, &words(said)))
    }

    fn not_understood(&self) -> Request {
        saying(*NOW, &json!({"what": "is this"}))
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[async_trait]
impl Outgoing for Subject {
    fn account(&self) -> Account {
        fake::account("pager", "main")
    }

    fn conversation(&self) -> String {
        "ann".into()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        self.fresh(&platform.url()).await
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
    if python() {
        assert_eq!(webhook::check(&Subject::default()).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_to_send_ends_as_it_must() {
    if python() {
        assert_eq!(sending::check(Arc::new(Subject::default())).await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_shows_what_it_says_it_can_and_stops() {
    if !python() {
        return;
    }
    let (subject, platform) = (Subject::default(), FarPlatform::start().await.unwrap());
    platform.on("/messages", |_| Reply::json(200, &json!({"id": "p-1"})));
    let channel = Outgoing::channel(&subject, &platform).await;
    let account = fake::account("pager", "main");
    assert_eq!(conformance::check(channel, &account, "ann").await, Ok(()));
}

/// Signed, and made to hurt whoever reads it: each is kept for a person, and the process lives on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_platform_says_is_kept_and_costs_nothing() {
    if !python() {
        return;
    }
    let subject = Subject::default();
    let channel = subject.fresh("http://127.0.0.1:9").await;
    let sink = fake::MemorySink::new();
    let inbox =
        tandem_channel_kit::Inbox::new(fake::account("pager", "main"), Arc::new(sink.clone()));
    let router = channel.routes(inbox);
    let call = async |body: Vec<u8>| {
        let request = signed(*NOW, body);
        let mut http = axum::http::Request::post(&request.uri);
        for (name, value) in &request.headers {
            http = http.header(name, value);
        }
        let http = http.body(axum::body::Body::from(request.body)).unwrap();
        let answered = tower::ServiceExt::oneshot(router.clone(), http).await;
        answered.unwrap().status().as_u16()
    };
    let none = [
        b"".to_vec(),
        b"\xff\xfe{".to_vec(),
        b"[".repeat(100_000),
        b"null".to_vec(),
        br#"{"id": 7, "from": "ann", "text": "hi"}"#.to_vec(),
        br#"{"id": "1", "from": {}, "text": "hi"}"#.to_vec(),
    ];
    for (kept, body) in none.into_iter().enumerate() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(call(body).await, 200, "{shown}");
        assert_eq!(sink.unknown().len(), kept + 1, "{shown}");
    }
    // Half of a character is no reason to lose the rest.
    let half = br#"{"id": "1", "from": "ann", "text": "where \ud83d is it"}"#;
    assert_eq!(call(half.to_vec()).await, 200);
    assert_eq!(sink.events()[0].text(), "where ? is it");
    assert_eq!(
        call(
            json!({"id": "2", "from": "ann", "text": "好"})
                .to_string()
                .into_bytes()
        )
        .await,
        200
    );
    assert_eq!(sink.events()[1].text(), "好");
}
