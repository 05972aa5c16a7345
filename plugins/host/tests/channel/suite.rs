//! The suite every channel passes, over the channel of the documentation.

use async_trait::async_trait;
use tandem_channel_kit::conformance::{
    self,
    sending::{self, Outgoing},
    webhook::{self, Request, Said, Signed, Webhook},
};

use super::{pigeon::Pigeon, *};

const KEY: &str = "what Pigeon signs with";

#[test]
fn the_document_shows_what_is_tested() {
    let example = include_str!("../../examples/pigeon.rs");
    for document in [
        include_str!("../../../../docs/channels/plugin.md"),
        include_str!("../../../../docs/channels/plugin.zh.md"),
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
    let headers = ["x-pigeon-time", "x-pigeon-signature"];
    let body = body.to_string().into_bytes();
    signed::signed("/hooks/pigeon/main", headers, KEY, at, body)
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
