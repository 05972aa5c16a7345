//! A credential that the platform refuses, changed while the server runs: what waited goes, and
//! nothing is lost or said twice.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    routing::get,
};
use serde::Deserialize;
use serde_json::Value;
use tandem_channel_kit::{
    Channel, ChannelError, Inbox, Kind, Opening, Stop,
    kind::{self, Complaint, OpenError, Secret},
};
use tandem_domain::{
    Timestamp,
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Inbound, InboundKind, NativeConversation, Outbound, Part, Sender},
};
use tandem_server::{
    app::App,
    channels::Kinds,
    config::{Config, Environment},
};
use tower::ServiceExt as _;

const API: &str = "a-token-for-this-test-0123456789abcdef";

/// A platform that takes one token only.
#[derive(Default)]
struct Far {
    taken: Mutex<Vec<String>>,
    refused: Mutex<u32>,
    runs: Mutex<Vec<&'static str>>,
    inbox: OnceLock<Inbox>,
}

struct Parrots(Arc<Far>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token: Secret,
}

struct Parrot {
    far: Arc<Far>,
    token: String,
    path: String,
}

#[async_trait]
impl Kind for Parrots {
    fn name(&self) -> &str {
        "parrot"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        kind::check::<Settings>(settings, |_| Vec::new())
    }

    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        let settings: Settings = opening.settings()?;
        Ok(Arc::new(Parrot {
            far: self.0.clone(),
            token: settings.token.expose().to_owned(),
            path: opening.webhook_path(),
        }))
    }
}

#[async_trait]
impl Channel for Parrot {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn run(&self, inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        let _ = self.far.inbox.set(inbox);
        self.far.runs.lock().unwrap().push("begun");
        stop.stopped().await;
        self.far.runs.lock().unwrap().push("ended");
        Ok(())
    }

    fn routes(&self, _: Inbox) -> Router {
        let token = self.token.clone();
        Router::new().route(&self.path, get(move || async move { token }))
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        if self.token != "new" {
            *self.far.refused.lock().unwrap() += 1;
            return Err(SendError::Unauthorized("wrong token".into()));
        }
        self.far.taken.lock().unwrap().push(message.content.plain());
        Ok(Receipt::default())
    }
}

async fn ask(router: &Router, method: &str, path: &str) -> (StatusCode, Value, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {API}"))
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20);
    let text = String::from_utf8(bytes.await.unwrap().to_vec()).unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or_default(),
        text,
    )
}

async fn until(mut there: impl FnMut() -> bool) {
    let looked = async {
        while !there() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let looked = tokio::time::timeout(Duration::from_secs(20), looked).await;
    looked.expect("it comes to that");
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[tokio::test]
async fn a_changed_secret_is_taken_up_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("pack")).unwrap();
    write(
        folder,
        "pack/pack.yaml",
        "name: p\nlocales: [en]\ntime_zone: UTC\n",
    );
    write(
        folder,
        "pack/main.flow.yaml",
        "version: 1\nflows:\n  greet:\n    title: a greeting\n    start_when: {phrases: [hello]}\n    steps:\n      - say: Hello there.\n",
    );
    let settings = "workspaces: {default: {pack: pack}}\napi: {tokens: [{name: t, scopes: [admin], secret: {env: API}}]}\nchannels: {parrot: {accounts: {main: {token: {file: token}}}}}\n";
    write(folder, "tandem.yaml", settings);
    write(folder, "token", "old");
    let far = Arc::new(Far::default());
    let kinds = Kinds::shipped().with(Arc::new(Parrots(far.clone())));
    let environment = Environment::from([("API", API)]);
    let path = folder.join("tandem.yaml");
    let config = Config::load_with(Some(&path), &environment, &kinds).unwrap();
    let app = App::build_with(&config, &environment, &kinds)
        .await
        .unwrap();
    app.engine.start().await.unwrap();
    let (router, engine) = (app.router.clone(), app.engine.clone());
    until(|| far.inbox.get().is_some()).await;
    let inbox = far.inbox.get().unwrap();
    let event = Inbound {
        id: "1".into(),
        channel: "parrot".into(),
        account: inbox.account().id.clone(),
        conversation: NativeConversation {
            kind: Default::default(),
            id: "ann".into(),
            thread: None,
        },
        sender: Sender {
            id: "ann".into(),
            ..Sender::default()
        },
        ts: Timestamp::now(),
        kind: InboundKind::Message,
        message_id: None,
        parts: vec![Part::text("hello")],
        quote: None,
        mentions_me: false,
        album: None,
        reply_context: None,
    };
    inbox.accept(vec![event]).await.unwrap();
    until(|| *far.refused.lock().unwrap() > 0).await;
    let reload = "/api/v1/accounts/main/reload";
    // Nothing is new: it goes on as it was.
    let (status, body, _) = ask(&router, "POST", reload).await;
    assert_eq!(
        (status, &body["outcome"]),
        (StatusCode::OK, &Value::from("unchanged"))
    );
    // What cannot be used changes nothing.
    write(
        folder,
        "tandem.yaml",
        &settings.replace("{file: token}", "t0ken"),
    );
    let (status, body, text) = ask(&router, "POST", reload).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["error"]["code"], "account_refused");
    assert!(!text.contains("t0ken"), "{text}");
    write(folder, "tandem.yaml", settings);
    assert_eq!(ask(&router, "GET", "/hooks/parrot/main").await.2, "old");
    assert!(far.taken.lock().unwrap().is_empty());
    // The operator changes the secret where it is kept.
    write(folder, "token", "new");
    let (status, body, _) = ask(&router, "POST", reload).await;
    assert_eq!(
        (status, &body["outcome"]),
        (StatusCode::OK, &Value::from("changed"))
    );
    until(|| !far.taken.lock().unwrap().is_empty()).await;
    assert_eq!(*far.taken.lock().unwrap(), ["Hello there."]);
    assert_eq!(ask(&router, "GET", "/hooks/parrot/main").await.2, "new");
    until(|| far.runs.lock().unwrap().len() == 3).await;
    // The one ended before the other began.
    assert_eq!(*far.runs.lock().unwrap(), ["begun", "ended", "begun"]);
    let states = engine.accounts();
    assert!(
        states
            .iter()
            .all(|s| s.health == tandem_channel_kit::Health::Good),
        "{states:?}"
    );
    // The rest of the server is reached as before.
    assert_eq!(ask(&router, "GET", "/healthz").await.0, StatusCode::OK);
    let (status, body, _) = ask(&router, "GET", "/nowhere").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(body["error"]["code"], "not_found");
    let (status, ..) = ask(&router, "POST", "/api/v1/accounts/none/reload").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    engine.shutdown().await;
}
