//! The conformance suite against a channel that does everything right, and against ones that each
//! do one thing wrong: a suite that lets a fault through is none.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tandem_channel_kit::{
    Account, Channel, ChannelError, Inbox, Stop,
    conformance::{
        sending::{self, Outgoing, TokenAt},
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake,
    fake::platform::{Call, FarPlatform, Reply},
};
use tandem_domain::{
    Timestamp,
    capabilities::Capabilities,
    channel::{Receipt, SendError},
    message::{Inbound, InboundKind, NativeConversation, Outbound, Part, Sender},
};
use tokio::sync::Mutex;

const SECRET: &[u8] = b"a secret of some length";
const NOW: u64 = 1_700_000_000;
/// Over all starts of the channel.
static DELIVERIES: AtomicU64 = AtomicU64::new(0);

/// What the toy does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    BelievesUnsigned,
    IgnoresTime,
    ForgetsFailures,
    DropsOddOnes,
    NewIdEachTime,
    WaitsTooLong,
    TriesTwice,
    ResendsBlindly,
    TokenForEach,
    IgnoresRetryAfter,
}

/// A channel over a made-up platform: HMAC-SHA256 over "time.body", a bearer token.
struct Toy {
    fault: Fault,
    url: String,
    client: reqwest::Client,
    token: Mutex<Option<String>>,
}

impl Toy {
    fn new(fault: Fault, url: &str) -> Arc<Self> {
        Arc::new(Self {
            fault,
            url: url.to_owned(),
            client: reqwest::Client::new(),
            token: Mutex::new(None),
        })
    }
}

fn sign(time: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Toy {
    fn is_theirs(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let value = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let (Some(signature), Some(time)) = (value("x-signature"), value("x-time")) else {
            return self.fault == Fault::BelievesUnsigned;
        };
        let fresh = time.parse::<u64>().is_ok_and(|at| at.abs_diff(NOW) <= 300);
        signature == sign(time, body) && (fresh || self.fault == Fault::IgnoresTime)
    }

    fn event(&self, inbox: &Inbox, body: &[u8]) -> Option<Inbound> {
        let said: Value = serde_json::from_slice(body).ok()?;
        let mut id = said.get("id")?.as_str()?.to_owned();
        if self.fault == Fault::NewIdEachTime {
            id += &DELIVERIES.fetch_add(1, Ordering::SeqCst).to_string();
        }
        Some(Inbound {
            id,
            channel: "toy".into(),
            account: inbox.account().id.clone(),
            conversation: NativeConversation {
                kind: Default::default(),
                id: said.get("from")?.as_str()?.to_owned(),
                thread: None,
            },
            sender: Sender {
                id: said.get("from")?.as_str()?.to_owned(),
                ..Sender::default()
            },
            ts: Timestamp(0),
            kind: InboundKind::Message,
            message_id: None,
            parts: vec![Part::text(said.get("text")?.as_str()?)],
            quote: None,
            mentions_me: false,
            album: None,
            reply_context: None,
        })
    }

    async fn take(&self, inbox: &Inbox, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        if !self.is_theirs(headers, body) {
            return StatusCode::UNAUTHORIZED;
        }
        let Some(event) = self.event(inbox, body) else {
            if self.fault == Fault::DropsOddOnes {
                return StatusCode::OK;
            }
            return match inbox.accept_unknown("no known event", body).await {
                Ok(()) => StatusCode::OK,
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
        };
        let Ok(accepted) = inbox.accept(vec![event]).await else {
            return match self.fault {
                Fault::ForgetsFailures => StatusCode::OK,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
        };
        if let Some(id) = accepted[0].id() {
            let patience = match self.fault {
                Fault::WaitsTooLong => Duration::from_secs(5),
                _ => Duration::from_millis(4500),
            };
            drop(inbox.reply_within(id, patience, 1).await);
        }
        StatusCode::OK
    }

    async fn token(&self, old: Option<&str>) -> Result<String, SendError> {
        let mut token = self.token.lock().await;
        let stale = token.as_deref().is_none() || token.as_deref() == old;
        if stale || (self.fault == Fault::TokenForEach && old.is_some()) {
            let got = self.client.post(format!("{}/token", self.url)).send().await;
            let got = got.map_err(|e| SendError::Transient(e.into()))?;
            *token = Some(
                got.text()
                    .await
                    .map_err(|e| SendError::Transient(e.into()))?,
            );
        }
        Ok(token.clone().unwrap())
    }

    async fn once(&self, message: &Outbound, token: &str) -> Result<Receipt, SendError> {
        let call = self
            .client
            .post(format!("{}/send", self.url))
            .bearer_auth(token)
            .json(&json!({"text": message.content.plain()}));
        let response = call.send().await.map_err(|error| {
            if error.is_connect() {
                SendError::Transient(error.into())
            } else {
                SendError::Uncertain(error.into())
            }
        })?;
        let status = response.status().as_u16();
        let wait = response.headers().get("retry-after").cloned();
        let body = response.text().await.unwrap_or_default();
        match status {
            200 => match serde_json::from_str::<Value>(&body) {
                Ok(told) => Ok(Receipt {
                    native_ids: vec![told["id"].to_string()],
                }),
                Err(error) => Err(SendError::Uncertain(error.into())),
            },
            429 => {
                let secs = wait.and_then(|v| v.to_str().ok()?.parse().ok());
                let secs = match self.fault {
                    Fault::IgnoresRetryAfter => 1,
                    _ => secs.unwrap_or(1),
                };
                Err(SendError::RetryAfter(Duration::from_secs(secs)))
            }
            401 => Err(SendError::Unauthorized(body)),
            400..500 => Err(SendError::Rejected {
                code: status.to_string(),
                message: body,
            }),
            _ => Err(SendError::Uncertain(body.into())),
        }
    }
}

#[async_trait]
impl Channel for Toy {
    fn capabilities(&self) -> Capabilities {
        Capabilities::plain(500)
    }

    async fn run(&self, _inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        stop.stopped().await;
        Ok(())
    }

    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        let token = self.token(None).await?;
        let end = self.once(message, &token).await;
        match &end {
            Err(SendError::Unauthorized(_)) => {
                let token = self.token(Some(&token)).await?;
                self.once(message, &token).await
            }
            Err(SendError::RetryAfter(_)) if self.fault == Fault::TriesTwice => {
                self.once(message, &token).await
            }
            Err(SendError::Uncertain(why)) if self.fault == Fault::ResendsBlindly => {
                Err(SendError::Transient(why.to_string().into()))
            }
            _ => end,
        }
    }

    fn routes(&self, inbox: Inbox) -> axum::Router {
        let toy = Toy::new(self.fault, &self.url);
        axum::Router::new()
            .route("/hooks/toy/main", post(receive))
            .layer(DefaultBodyLimit::max(4096))
            .with_state((toy, inbox))
    }
}

async fn receive(
    State((toy, inbox)): State<(Arc<Toy>, Inbox)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    toy.take(&inbox, &headers, &body).await
}

struct Subject(Fault);

impl Subject {
    fn signed_at(&self, time: u64, body: &Value) -> Request {
        let (time, body) = (time.to_string(), body.to_string().into_bytes());
        Request {
            method: Method::POST,
            uri: "/hooks/toy/main".into(),
            headers: vec![
                ("x-signature".into(), sign(&time, &body)),
                ("x-time".into(), time),
            ],
            body,
        }
    }

    fn body(said: &Said) -> Value {
        json!({"id": format!("m{}", said.number), "from": said.customer, "text": said.text})
    }
}

impl Webhook for Subject {
    fn account(&self) -> Account {
        fake::account("toy", "main")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        Toy::new(self.0, "")
    }

    fn request(&self, said: &Said) -> Request {
        self.signed_at(NOW, &Self::body(said))
    }

    fn signed(&self) -> Vec<Signed> {
        vec![Signed::Header("x-signature"), Signed::Header("x-time")]
    }

    fn stale(&self, said: &Said) -> Option<Request> {
        Some(self.signed_at(NOW - 301, &Self::body(said)))
    }

    fn not_understood(&self) -> Request {
        self.signed_at(NOW, &json!({"what": "is this"}))
    }

    fn body_limit(&self) -> usize {
        4096
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[async_trait]
impl Outgoing for Subject {
    fn account(&self) -> Account {
        fake::account("toy", "main")
    }

    fn conversation(&self) -> String {
        "ann".into()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        Toy::new(self.0, &platform.url())
    }

    fn path(&self) -> String {
        "/send".into()
    }

    fn taken(&self, _call: &Call) -> Reply {
        Reply::json(200, &json!({"id": 1}))
    }

    fn token(&self) -> Option<TokenAt> {
        Some(TokenAt {
            path: "/token".into(),
            give: |token| Reply::text(200, token),
        })
    }

    fn token_of(&self, call: &Call) -> Option<String> {
        Some(
            call.header("authorization")
                .strip_prefix("Bearer ")?
                .to_owned(),
        )
    }
}

#[tokio::test]
async fn a_channel_that_does_everything_right_passes() {
    assert_eq!(webhook::check(&Subject(Fault::None)).await, Ok(()));
    assert_eq!(sending::check(Arc::new(Subject(Fault::None))).await, Ok(()));
}

#[tokio::test]
async fn each_fault_on_the_way_in_is_found() {
    for (fault, words) in [
        (Fault::BelievesUnsigned, "missing"),
        (Fault::IgnoresTime, "a time too old"),
        (Fault::ForgetsFailures, "the platform forgets it"),
        (Fault::DropsOddOnes, "not understood"),
        (Fault::NewIdEachTime, "delivered four times"),
        (Fault::WaitsTooLong, "the platform waits"),
    ] {
        let wrong = webhook::check(&Subject(fault)).await.unwrap_err();
        assert!(
            wrong.iter().any(|w| w.contains(words)),
            "{fault:?}: {wrong:#?}"
        );
    }
}

#[tokio::test]
async fn each_fault_on_the_way_out_is_found() {
    for (fault, words) in [
        (Fault::TriesTwice, "calls 2 times in one attempt"),
        (Fault::ResendsBlindly, "gets no answer ends with"),
        (Fault::TokenForEach, "a new token is asked for"),
        (Fault::IgnoresRetryAfter, "is asked to wait 7 s ends with"),
    ] {
        let wrong = sending::check(Arc::new(Subject(fault))).await.unwrap_err();
        assert!(
            wrong.iter().any(|w| w.contains(words)),
            "{fault:?}: {wrong:#?}"
        );
    }
}

#[tokio::test]
async fn a_far_platform_answers_as_it_is_told() {
    let platform = FarPlatform::start().await.unwrap();
    platform.on("/bot*", |call| Reply::text(200, &call.path));
    platform.next("/bot*", Reply::json(429, &json!({"wait": 1})));
    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{}{path}?a=1", platform.url())).send();
    assert_eq!(get("/Bot1/GetMe").await.unwrap().status(), 429);
    let answer = get("/Bot1/GetMe").await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "/Bot1/GetMe");
    assert_eq!(get("/other").await.unwrap().status(), 404);
    platform.next("/bot*", Reply::Cut);
    let cut = get("/bot2/send").await.unwrap_err();
    assert!(!cut.is_connect() && !cut.is_timeout(), "{cut:?}");
    platform.next("/bot*", Reply::Hang);
    let hung = client
        .get(format!("{}/bot3", platform.url()))
        .timeout(Duration::from_millis(100))
        .send();
    assert!(hung.await.unwrap_err().is_timeout());
    let calls = platform.wait_for("/bot*", 4).await;
    assert_eq!(calls[0].query, "a=1");
}
