//! The suites of all channels, on a file of these tests and on those that come with the program.
#![allow(clippy::unwrap_used)]

mod common;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::Method;
use common::{House, Notes, SECRET};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel,
    conformance::{
        self,
        sending::{self, Outgoing, TokenAt},
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake,
    fake::platform::{Call, FarPlatform, Reply},
};
use tandem_channel_script::{
    Host, Script, ScriptChannel, Settings,
    prim::{codec, digest},
};
use tandem_domain::Timestamp;
use tandem_lua::Runner;
use tandem_net::Transport;

const NOW: i64 = 1_760_000_000_000;

/// A channel of a file that comes with the program.
fn built_in(script: &Arc<Script>, values: &[(&str, &str)]) -> Arc<dyn Channel> {
    let channel = ScriptChannel::new(
        fake::account(script.name(), "a"),
        script.clone(),
        Settings {
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            public_url: "https://help.example.test".parse().unwrap(),
            address: None,
            body_limit: 1 << 20,
            link_key: vec![7; 32],
        },
        Host {
            transport: Transport::system().unwrap(),
            memory: Arc::new(Notes::default()),
            clock: Arc::new(|| Timestamp(NOW)),
        },
    );
    Arc::new(channel.unwrap())
}

async fn open(name: &str) -> Arc<Script> {
    Script::open(name, None, &Runner::new(2)).await.unwrap()
}

fn mac(data: &[u8]) -> Vec<u8> {
    digest::hmac(digest::Hash::Sha256, SECRET.as_bytes(), data).unwrap()
}

fn post(path: &str, headers: &[(&str, String)], body: &str) -> Request {
    Request {
        method: Method::POST,
        uri: path.to_owned(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        body: body.as_bytes().to_vec(),
    }
}

/// A platform that signs the body.
struct Line(Arc<Script>);

impl Line {
    fn signed(body: &str) -> Request {
        let signature = codec::base64_encode(&mac(body.as_bytes()));
        post("/hooks/line/a", &[("x-line-signature", signature)], body)
    }
}

impl Webhook for Line {
    fn account(&self) -> Account {
        fake::account("line", "a")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        built_in(
            &self.0,
            &[("channel_secret", SECRET), ("channel_access_token", "t")],
        )
    }

    fn request(&self, said: &Said) -> Request {
        let event = json!({
            "type": "message", "mode": "active", "webhookEventId": format!("e-{}", said.number),
            "timestamp": NOW, "source": {"type": "user", "userId": said.customer},
            "message": {"id": said.number.to_string(), "type": "text", "text": said.text},
        });
        Self::signed(&json!({"destination": "bot", "events": [event]}).to_string())
    }

    fn signed(&self) -> Vec<Signed> {
        vec![Signed::Header("x-line-signature")]
    }

    fn not_understood(&self) -> Request {
        Self::signed("[1, 2]")
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// A platform that signs time, key and body, and takes messages at an address of its own.
struct Generic(Arc<Script>);

impl Generic {
    fn signed(at: i64, key: &str, body: &str) -> Request {
        let time = (at / 1000).to_string();
        let signature = codec::hex_encode(&mac(format!("{time}.{key}.{body}").as_bytes()));
        let headers = [
            ("idempotency-key", key.to_owned()),
            ("x-tandem-timestamp", time),
            ("x-tandem-signature", format!("sha256={signature}")),
        ];
        post("/hooks/webhook/a", &headers, body)
    }

    fn said(at: i64, said: &Said) -> Request {
        let body = json!({
            "conversation": {"kind": "dm", "id": said.customer}, "text": said.text,
        });
        Self::signed(at, &format!("k-{}", said.number), &body.to_string())
    }
}

impl Webhook for Generic {
    fn account(&self) -> Account {
        fake::account("webhook", "a")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        built_in(
            &self.0,
            &[("secret", SECRET), ("callback_url", "http://127.0.0.1:9")],
        )
    }

    fn request(&self, said: &Said) -> Request {
        Self::said(NOW, said)
    }

    fn signed(&self) -> Vec<Signed> {
        [
            "idempotency-key",
            "x-tandem-timestamp",
            "x-tandem-signature",
        ]
        .map(Signed::Header)
        .to_vec()
    }

    fn stale(&self, said: &Said) -> Option<Request> {
        Some(Self::said(NOW - 301_000, said))
    }

    fn not_understood(&self) -> Request {
        Self::signed(NOW, "k-odd", "{\"kind\": \"song\"}")
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[async_trait]
impl Outgoing for Generic {
    fn account(&self) -> Account {
        fake::account("webhook", "a")
    }

    fn conversation(&self) -> String {
        "c".to_owned()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        let url = format!("{}/in", platform.url());
        built_in(&self.0, &[("secret", SECRET), ("callback_url", &url)])
    }

    fn path(&self) -> String {
        "/in".to_owned()
    }

    fn taken(&self, _: &Call) -> Reply {
        Reply::json(200, &json!({"ids": ["n"]}))
    }
}

/// A platform without keys, whose tokens expire.
struct Tokens;

#[async_trait]
impl Outgoing for Tokens {
    fn account(&self) -> Account {
        fake::account("test", "a")
    }

    fn conversation(&self) -> String {
        "c".to_owned()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        let more = r#"acquire_token = function(c)
            local r = http {url = c.api .. "/token", method = "POST"}
            return {value = r.json.token, expires_in = 7200}
        end,"#;
        let house = House::with("", more, &platform.url()).await;
        Arc::new(house.channel("a", SECRET, None).0)
    }

    fn path(&self) -> String {
        "/send".to_owned()
    }

    fn taken(&self, _: &Call) -> Reply {
        Reply::json(200, &json!({"ids": ["n"]}))
    }

    fn token(&self) -> Option<TokenAt> {
        Some(TokenAt {
            path: "/token".to_owned(),
            give: |token| Reply::json(200, &json!({"token": token})),
        })
    }

    fn token_of(&self, call: &Call) -> Option<String> {
        Some(call.header("authorization").to_owned())
    }
}

#[tokio::test]
async fn requests_are_taken_as_every_channel_takes_them() {
    assert_eq!(webhook::check(&Line(open("line").await)).await, Ok(()));
    assert_eq!(
        webhook::check(&Generic(open("webhook").await)).await,
        Ok(())
    );
}

#[tokio::test]
async fn messages_are_sent_as_every_channel_sends_them() {
    let generic = Arc::new(Generic(open("webhook").await));
    assert_eq!(sending::check(generic).await, Ok(()));
    assert_eq!(sending::check(Arc::new(Tokens)).await, Ok(()));
}

#[tokio::test]
async fn whatever_is_said_fits_and_is_sent() {
    let platform = FarPlatform::start().await.unwrap();
    platform.on("*", |_| Reply::json(200, &json!({"ids": ["n"]})));
    let generic = Generic(open("webhook").await);
    let channel = Outgoing::channel(&generic, &platform).await;
    let account = Webhook::account(&generic);
    assert_eq!(conformance::check(channel, &account, "c").await, Ok(()));

    let caps = r#"list = {max = 10, label = {max = 24}, value = {max = 200}},
        media = {file = {by = "url"}},"#;
    let house = House::with(caps, "", &platform.url()).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let account = fake::account("test", "a");
    let checked = conformance::check(Arc::new(channel), &account, "c").await;
    assert_eq!(checked, Ok(()));
    let texts: Vec<Value> = platform.calls().iter().map(Call::json).collect();
    assert!(texts.iter().all(|body| body["conversation"]["id"] == "c"));
}
