//! Pigeon: JSON by a webhook signed with HMAC-SHA256 over `time.body`; messages out by a bearer
//! token.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tandem_channel_kit::{
    Account, Channel, ChannelError, Inbox, Kind, Opening, Stop,
    kind::{self, Complaint, OpenError, Secret},
};
use tandem_domain::{
    Timestamp,
    capabilities::{Capabilities, Choices, Limit, Unit},
    channel::{Receipt, SendError},
    message::{
        ConversationKind, Inbound, InboundKind, NativeConversation, Outbound, Part, SendOp, Sender,
    },
};

/// Longest body of a webhook; Pigeon's own limit is half of it.
const BODY_MAX: usize = 64 * 1024;
/// How far the signed time may be off, in seconds.
const WINDOW: i64 = 300;

/// One account's settings; what is not named here is refused by the configuration's reader.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    signing_key: Secret,
    token: Secret,
    #[serde(default = "api")]
    api: String,
}

fn api() -> String {
    "https://api.pigeon.example".to_owned()
}

pub struct PigeonKind;

#[async_trait]
impl Kind for PigeonKind {
    fn name(&self) -> &str {
        "pigeon"
    }

    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    fn check(&self, settings: &Value) -> Vec<Complaint> {
        kind::check::<Settings>(settings, |_| Vec::new())
    }

    async fn open(&self, opening: Opening) -> Result<Arc<dyn Channel>, OpenError> {
        let settings = opening.settings()?;
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| OpenError::Failed(error.into()))?;
        Ok(Arc::new(Pigeon {
            path: opening.webhook_path(),
            settings: Arc::new(settings),
            client,
        }))
    }
}

struct Pigeon {
    path: String,
    settings: Arc<Settings>,
    client: reqwest::Client,
}

/// What Pigeon shows.
fn capabilities() -> Capabilities {
    let limit = |max| Limit {
        max,
        unit: Unit::Char,
    };
    Capabilities {
        buttons: Some(Choices {
            max: 5,
            text: None,
            label: limit(20),
            value: limit(100),
            url: false,
        }),
        ..Capabilities::plain(1000)
    }
}

/// What Pigeon calls us with.
#[derive(Deserialize)]
struct Delivery {
    id: String,
    from: String,
    text: Option<String>,
    pressed: Option<String>,
}

fn event(account: &Account, body: &[u8], now: Timestamp) -> Option<Inbound> {
    let delivery: Delivery = serde_json::from_slice(body).ok()?;
    let (kind, parts) = match (delivery.text, delivery.pressed) {
        (Some(text), None) => (InboundKind::Message, vec![Part::text(text)]),
        (None, Some(value)) => (InboundKind::Action { value, label: None }, Vec::new()),
        _ => return None,
    };
    Some(Inbound {
        id: delivery.id.clone(),
        channel: account.channel.clone(),
        account: account.id.clone(),
        conversation: NativeConversation {
            kind: ConversationKind::Dm,
            id: delivery.from.clone(),
            thread: None,
        },
        sender: Sender {
            id: delivery.from,
            ..Sender::default()
        },
        ts: now,
        kind,
        message_id: Some(delivery.id),
        parts,
        quote: None,
        mentions_me: false,
        album: None,
        reply_context: None,
    })
}

/// Verify, read, commit, and only then answer 200.
async fn receive(
    State((settings, inbox)): State<(Arc<Settings>, Inbox)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let now = Timestamp::now();
    if !is_theirs(settings.signing_key.expose(), &headers, &body, now) {
        return StatusCode::UNAUTHORIZED;
    }
    let done = match event(inbox.account(), &body, now) {
        Some(event) => inbox.accept(vec![event]).await.map(|_| ()),
        // Signed, and not understood: kept for a person to look at.
        None => inbox.accept_unknown("no message and no press", &body).await,
    };
    match done {
        Ok(()) => StatusCode::OK,
        // Pigeon keeps it and comes again.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn is_theirs(key: &str, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(time), Some(signature)) = (text("x-pigeon-time"), text("x-pigeon-signature")) else {
        return false;
    };
    let fresh = time
        .parse::<i64>()
        .is_ok_and(|at| at.abs_diff(now.0 / 1000) <= WINDOW.unsigned_abs());
    let digits = signature.as_bytes();
    // Exactly what Pigeon writes: its hex has small letters.
    if !fresh || digits.len() != 64 || digits.iter().any(u8::is_ascii_uppercase) {
        return false;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key will do");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    let told: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
        .collect();
    // In constant time.
    told.is_some_and(|told| mac.verify_slice(&told).is_ok())
}

#[async_trait]
impl Channel for Pigeon {
    fn capabilities(&self) -> Capabilities {
        capabilities()
    }

    /// Everything comes by the webhook: there is nothing to do until the end.
    async fn run(&self, _inbox: Inbox, stop: Stop) -> Result<(), ChannelError> {
        stop.stopped().await;
        Ok(())
    }

    fn routes(&self, inbox: Inbox) -> Router {
        Router::new()
            .route(&self.path, post(receive))
            .layer(DefaultBodyLimit::max(BODY_MAX))
            .with_state((self.settings.clone(), inbox))
    }

    /// One attempt; the error says what the outbox may do next.
    async fn send(&self, message: &Outbound) -> Result<Receipt, SendError> {
        if message.op != SendOp::Send {
            return Ok(Receipt::default());
        }
        let choices = message.content.choices.iter();
        let body = json!({
            "to": message.conversation.id,
            "text": message.content.plain(),
            "buttons": choices.map(|c| json!({"label": c.label, "value": c.value})).collect::<Vec<_>>(),
        });
        let call = self
            .client
            .post(format!("{}/messages", self.settings.api))
            .bearer_auth(self.settings.token.expose())
            .json(&body);
        let response = call
            .send()
            .await
            .map_err(|error| match error.is_connect() {
                true => SendError::Transient(error.without_url().into()),
                // It may have arrived, and Pigeon knows no idempotency key.
                false => SendError::Uncertain(error.without_url().into()),
            })?;
        let status = response.status().as_u16();
        let patience = response.headers().get("retry-after").cloned();
        let told = response.json::<Value>().await.unwrap_or_default();
        match status {
            200..=299 => Ok(Receipt {
                native_ids: told["id"].as_str().map(str::to_owned).into_iter().collect(),
            }),
            401 | 403 => Err(SendError::Unauthorized("Pigeon refused the token".into())),
            429 => {
                let secs = patience.and_then(|value| value.to_str().ok()?.parse().ok());
                let wait = Duration::from_secs(secs.unwrap_or(5));
                Err(SendError::AccountRetryAfter(wait))
            }
            // Pigeon answers these before it does anything.
            500.. => Err(SendError::Transient(
                format!("Pigeon answered {status}").into(),
            )),
            _ => Err(SendError::Rejected {
                code: status.to_string(),
                message: told["error"].as_str().unwrap_or_default().to_owned(),
            }),
        }
    }
}
