//! The suites that every channel passes, against Discord in memory.
#![allow(clippy::unwrap_used)]

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::Method;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tandem_channel_discord::{
    DiscordChannel,
    fake::{FakeDiscord, TOKEN},
};
use tandem_channel_kit::{
    Account, Channel,
    conformance::{
        self,
        sending::{self, Outgoing},
        table,
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake::{
        self,
        platform::{Call, FarPlatform, Reply},
    },
    kind,
};
use tandem_domain::{Timestamp, message::Inbound};

const NOW: i64 = 1_760_000_000;
/// Where what the suites tried is written down.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/channels");

fn open(more: Value) -> Arc<dyn Channel> {
    let mut settings = json!({"token": kind::Secret::found(TOKEN)});
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let settings = kind::read(&settings).unwrap();
    let clock = Arc::new(|| Timestamp(NOW * 1000));
    // Nothing of it is written: neither suite connects.
    let folder = PathBuf::from("/nonexistent");
    let account = fake::account("discord", "main");
    Arc::new(DiscordChannel::new(account, settings, &folder, clock).unwrap())
}

#[tokio::test]
async fn discord_shows_what_its_capabilities_say_and_stops() {
    let discord = FakeDiscord::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({"token": kind::Secret::found(TOKEN), "api": discord.api()});
    let settings = kind::read(&settings).unwrap();
    let account = fake::account("discord", "main");
    let clock = Arc::new(Timestamp::now);
    let channel = DiscordChannel::new(account.clone(), settings, folder.path(), clock).unwrap();
    let native = discord.person("ann").alone;
    let talk = native.to_string();
    let checked = conformance::check(Arc::new(channel), &account, &talk);
    checked.await.unwrap();
    let rows = |message: &Value| message["components"].as_array().map_or(0, Vec::len);
    assert_eq!(discord.said(native).iter().map(rows).max(), Some(4));
}

struct Sends;

#[async_trait]
impl Outgoing for Sends {
    fn account(&self) -> Account {
        fake::account("discord", "main")
    }

    fn conversation(&self) -> String {
        "645027906669510667".to_owned()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        open(json!({"api": format!("{}/api/v10", platform.url())}))
    }

    fn path(&self) -> String {
        "/api/v10/channels/645027906669510667/messages".to_owned()
    }

    fn taken(&self, call: &Call) -> Reply {
        assert_eq!(call.header("authorization"), format!("Bot {TOKEN}"));
        assert!(call.json()["nonce"].as_str().unwrap().len() <= 25);
        Reply::json(200, &json!({"id": "801", "content": "Hello"}))
    }

    fn throttled(&self, secs: u64) -> Reply {
        let told = json!({"message": "You are being rate limited.", "retry_after": secs});
        Reply::json(429, &told).with("retry-after", &secs.to_string())
    }

    fn refused(&self) -> Reply {
        let told = json!({"code": 50007, "message": "Cannot send messages to this user"});
        Reply::json(403, &told)
    }
}

#[tokio::test]
async fn discord_says_how_each_send_ended() {
    let report = sending::report(Arc::new(Sends)).await;
    table::documented(DOCS.as_ref(), "discord", &report).unwrap();
}

struct Interactions(Ed25519KeyPair);

impl Interactions {
    fn sign(&self, body: Vec<u8>, at: i64) -> Request {
        let at = at.to_string();
        let signature = self.0.sign(&[at.as_bytes(), &body].concat());
        let header = |name: &str, value: String| (name.to_owned(), value);
        Request {
            method: Method::POST,
            uri: "/hooks/discord/main".to_owned(),
            headers: vec![
                header("content-type", "application/json".to_owned()),
                header("x-signature-timestamp", at),
                header("x-signature-ed25519", hex::encode(signature)),
            ],
            body,
        }
    }

    fn body(said: &Said) -> Vec<u8> {
        let user = said.customer.bytes().map(u64::from).sum::<u64>();
        json!({
            "id": (786_008_729_715_212_338 + u64::from(said.number)).to_string(), "type": 2,
            "application_id": "8", "token": "t", "channel_id": user.to_string(),
            "channel": {"id": user.to_string(), "type": 1},
            "user": {"id": user.to_string(), "username": said.customer},
            "data": {"name": "say", "options": [{"name": "text", "type": 3, "value": said.text}]},
        })
        .to_string()
        .into_bytes()
    }
}

impl Webhook for Interactions {
    fn account(&self) -> Account {
        fake::account("discord", "main")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        let key = hex::encode(self.0.public_key().as_ref());
        open(json!({"interactions": "webhook", "public_key": key}))
    }

    fn request(&self, said: &Said) -> Request {
        self.sign(Self::body(said), NOW)
    }

    fn words(&self, event: &Inbound) -> String {
        event.text().trim_start_matches("/say ").to_owned()
    }

    fn signed(&self) -> Vec<Signed> {
        vec![
            Signed::Header("x-signature-ed25519"),
            Signed::Header("x-signature-timestamp"),
        ]
    }

    fn stale(&self, said: &Said) -> Option<Request> {
        Some(self.sign(Self::body(said), NOW - 301))
    }

    fn downgrades(&self, said: &Said) -> Vec<(&'static str, Request)> {
        let good = self.request(said);
        let under = |signature: String| {
            let mut request = good.clone();
            let header = request.headers.last_mut().unwrap();
            assert_eq!(header.0, "x-signature-ed25519");
            header.1 = signature;
            request
        };
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        let text = [NOW.to_string().as_bytes(), &good.body].concat();
        vec![
            (
                "the signature of the body alone",
                under(hex::encode(self.0.sign(&good.body))),
            ),
            ("another's key", under(hex::encode(other.sign(&text)))),
            ("a signature of zeros", under("00".repeat(64))),
        ]
    }

    fn not_understood(&self) -> Request {
        let odd = br#"{"id": "1", "application_id": "8", "type": 99}"#;
        self.sign(odd.to_vec(), NOW)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(3)
    }
}

#[tokio::test]
async fn discord_takes_signed_interactions_once_and_no_others() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let report = webhook::report(&Interactions(pair)).await;
    table::documented(DOCS.as_ref(), "discord", &report).unwrap();
}
