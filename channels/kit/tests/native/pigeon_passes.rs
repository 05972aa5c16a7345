use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::Method;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel, Kind as _, Opening,
    conformance::{
        self,
        sending::{self, Outgoing},
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake,
    fake::platform::{Call, FarPlatform, Reply},
    kind::Secret,
};
use tandem_domain::Timestamp;

use super::pigeon::PigeonKind;

const KEY: &str = "what Pigeon signs with";

/// How Pigeon speaks, as far as the suite must know.
struct Subject;

fn opening(api: &str) -> Opening {
    let settings = json!({
        "signing_key": Secret::found(KEY), "token": Secret::found("t"), "api": api,
    });
    Opening {
        account: fake::account("pigeon", "main"),
        settings,
        public_url: None,
        data_dir: PathBuf::new(),
    }
}

fn signed(at: i64, body: &Value) -> Request {
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
static NOW: LazyLock<i64> = LazyLock::new(|| Timestamp::now().0 / 1000);

fn words(said: &Said) -> Value {
    json!({"id": format!("m{}", said.number), "from": said.customer, "text": said.text})
}

impl Webhook for Subject {
    fn account(&self) -> Account {
        fake::account("pigeon", "main")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        let opened = PigeonKind.open(opening("http://127.0.0.1:9"));
        futures::executor::block_on(opened).unwrap()
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

    fn body_limit(&self) -> usize {
        64 * 1024
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
        PigeonKind.open(opening(&platform.url())).await.unwrap()
    }

    fn path(&self) -> String {
        "/messages".into()
    }

    fn taken(&self, _call: &Call) -> Reply {
        Reply::json(200, &json!({"id": "p-1"}))
    }
}

#[tokio::test]
async fn it_takes_what_is_signed_and_nothing_else() {
    assert_eq!(webhook::check(&Subject).await, Ok(()));
}

#[tokio::test]
async fn each_attempt_to_send_ends_as_it_must() {
    assert_eq!(sending::check(Arc::new(Subject)).await, Ok(()));
}

#[tokio::test]
async fn it_shows_what_it_says_it_can_and_stops() {
    let platform = FarPlatform::start().await.unwrap();
    platform.on("/messages", |call| Subject.taken(call));
    let channel = Outgoing::channel(&Subject, &platform).await;
    let account = fake::account("pigeon", "main");
    assert_eq!(conformance::check(channel, &account, "ann").await, Ok(()));
}
