//! Pigeon: JSON by a webhook signed with HMAC-SHA256 over `time.body`; messages out by a bearer
//! token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tandem_plugin_sdk::{
    About, Channel, Error, Host, Meta, Plugin, SendError, Stop, export_plugin,
    runtime::Runtime,
    wire::{
        Capabilities, HttpRequest, HttpResponse, Inbound, InboundKind, Outbound, Receipt, SendOp,
    },
};

/// How far the signed time may be off, in seconds.
const WINDOW: u64 = 300;

/// One account's settings. The schema below says the same to `tandem check`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    signing_key: String,
    token: String,
    #[serde(default = "api")]
    api: String,
}

fn api() -> String {
    "https://api.pigeon.example".to_owned()
}

pub struct Pigeon {
    settings: Settings,
    host: Host,
    stop: Stop,
    client: reqwest::Client,
    runtime: Runtime,
}

impl Plugin for Pigeon {
    type Config = Settings;

    fn about() -> About {
        // A setting that is `writeOnly` is a secret: it is never written into the configuration.
        let secret = json!({"type": "string", "minLength": 1, "writeOnly": true});
        About::new("pigeon", "0.1.0").config(json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["signing_key", "token"],
            "properties": {"signing_key": secret, "token": secret, "api": {"type": "string"}},
        }))
    }

    fn create(settings: Settings, host: Host) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|why| Error::new("no_client", why))?;
        Ok(Self {
            settings,
            host,
            stop: Stop::new(),
            client,
            runtime: Runtime::new(1)?,
        })
    }
}

impl Channel for Pigeon {
    /// What Pigeon shows; what is left out it cannot.
    fn open(&self) -> Result<Capabilities, Error> {
        let limit = |max: u32| json!({"max": max});
        Ok(json!({
            "text": limit(1000),
            "buttons": {"max": 5, "label": limit(20), "value": limit(100)},
        }))
    }

    /// Everything comes by the webhook: there is nothing to do until the end.
    fn run(&self) -> Result<(), Error> {
        self.stop.wait();
        Ok(())
    }

    fn stop(&self) {
        self.stop.stop();
    }

    /// Verify, read, commit, and only then answer 200.
    fn http(&self, request: HttpRequest, _: &Meta) -> Result<HttpResponse, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        if !self.is_theirs(&request, now.as_secs()) {
            return Ok(HttpResponse::status(401));
        }
        let inbox = self.host.inbox();
        let ts = i64::try_from(now.as_millis()).unwrap_or_default();
        let done = match event(&request.body.0, ts) {
            Some(event) => inbox.accept(&[event]).map(drop),
            // Signed, and not understood: kept for a person to look at.
            None => inbox.accept_unknown("no message and no press", &request.body.0),
        };
        Ok(HttpResponse::status(match done {
            Ok(()) => 200,
            // Pigeon keeps it and comes again.
            Err(_) => 503,
        }))
    }

    /// One attempt; the error says what the outbox may do next.
    fn send(&self, message: Outbound, meta: &Meta) -> Result<Receipt, SendError> {
        if message.op != SendOp::Send {
            return Ok(Receipt::default());
        }
        let choices = message.content.choices.iter();
        let body = json!({
            "to": message.conversation.id,
            "text": message.content.plain(),
            "buttons": choices.map(|c| json!({"label": c.label, "value": c.value})).collect::<Vec<_>>(),
        });
        let call = self.client.post(format!("{}/messages", self.settings.api));
        let call = call.bearer_auth(&self.settings.token).json(&body);
        let sent = self.runtime.within(meta.deadline_ms, async {
            Ok(match call.send().await {
                Ok(response) => told(response).await,
                Err(error) if error.is_connect() => {
                    Err(SendError::Transient(error.without_url().to_string()))
                }
                // It may have arrived, and Pigeon knows no idempotency key.
                Err(error) => Err(SendError::Uncertain(error.without_url().to_string())),
            })
        });
        sent.unwrap_or_else(|late| Err(SendError::Uncertain(late.to_string())))
    }
}

impl Pigeon {
    fn is_theirs(&self, request: &HttpRequest, now: u64) -> bool {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let (Some(time), Some(signature)) = (header("x-pigeon-time"), header("x-pigeon-signature"))
        else {
            return false;
        };
        let fresh = time
            .parse::<u64>()
            .is_ok_and(|at| at.abs_diff(now) <= WINDOW);
        let digits = signature.as_bytes();
        // Exactly what Pigeon writes: its hex has small letters.
        if !fresh || digits.len() != 64 || digits.iter().any(u8::is_ascii_uppercase) {
            return false;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(self.settings.signing_key.as_bytes())
            .expect("any key will do");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(&request.body.0);
        let told: Option<Vec<u8>> = digits
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok())
            .collect();
        // In constant time.
        told.is_some_and(|told| mac.verify_slice(&told).is_ok())
    }
}

/// What Pigeon calls with: a text, or the value of a button that was pressed.
fn event(body: &[u8], ts: i64) -> Option<Inbound> {
    #[derive(Deserialize)]
    struct Delivery {
        id: String,
        from: String,
        text: Option<String>,
        pressed: Option<String>,
    }
    let delivery: Delivery = serde_json::from_slice(body).ok()?;
    let (id, from) = (&delivery.id, &delivery.from);
    match (delivery.text, delivery.pressed) {
        (Some(text), None) => Some(Inbound::text(id, from, ts, &text)),
        (None, Some(value)) => Some(Inbound {
            kind: InboundKind::Action { value, label: None },
            parts: Vec::new(),
            ..Inbound::text(id, from, ts, "")
        }),
        _ => None,
    }
}

/// What Pigeon said to a message.
async fn told(response: reqwest::Response) -> Result<Receipt, SendError> {
    let status = response.status().as_u16();
    let patience = response.headers().get("retry-after").cloned();
    let told: Value = response.json().await.unwrap_or_default();
    match status {
        200..=299 => Ok(Receipt {
            native_ids: told["id"].as_str().map(str::to_owned).into_iter().collect(),
        }),
        401 | 403 => Err(SendError::Unauthorized(
            "Pigeon refused the token".to_owned(),
        )),
        429 => {
            let secs = patience.and_then(|value| value.to_str().ok()?.parse().ok());
            let wait = Duration::from_secs(secs.unwrap_or(5));
            Err(SendError::AccountRetryAfter(wait))
        }
        // Pigeon answers these before it does anything.
        500.. => Err(SendError::Transient(format!("Pigeon answered {status}"))),
        _ => Err(SendError::Rejected {
            code: status.to_string(),
            message: told["error"].as_str().unwrap_or_default().to_owned(),
        }),
    }
}

export_plugin!(Pigeon: channel);
