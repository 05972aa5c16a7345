//! The platforms of the files that come with the program, as far as tests need them: how each signs
//! what a customer says, and what it answers to what is sent.
#![allow(dead_code, clippy::unwrap_used)]

mod asia;
mod west;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::Method;
use serde_json::Value;
use tandem_channel_kit::{
    Account, Channel,
    conformance::{
        sending::{Outgoing, TokenAt},
        webhook::{Request, Said, Signed, Webhook},
    },
    fake,
    fake::platform::{Call, FarPlatform, Reply},
};
use tandem_channel_script::{
    Host, Script, ScriptChannel, Settings,
    memory::Memory,
    prim::{
        codec,
        digest::{self, Hash},
    },
    script::BUILT_IN,
};
use tandem_domain::{
    Timestamp,
    message::{Content, Outbound, ReplyUse},
    store::StoreError,
};
use tandem_lua::Runner;
use tandem_net::Transport;

/// When everything is signed, and what the channels' clock says.
pub const NOW: i64 = 1_760_000_000_000;

/// A file and its platform.
pub struct Platform {
    pub name: &'static str,
    pub settings: &'static [(&'static str, &'static str)],
    pub inward: Inward,
    pub outward: Outward,
}

/// What it brings.
pub struct Inward {
    /// A body that says what a customer said, at this time.
    pub body: fn(&Said, i64) -> String,
    /// The request that brings a body, signed at this time; a key stands beside the body where
    /// that is where its id is.
    pub sign: fn(&str, &str, i64) -> Request,
    /// The headers a request is signed by.
    pub signed: &'static [&'static str],
    pub signs_body: bool,
    /// Seconds that a signed time counts for.
    pub window: Option<i64>,
    /// A body under less than a good signature.
    pub weaker: fn(&str, i64) -> Vec<(&'static str, Request)>,
    /// Whether a changed request means the same.
    pub same: fn(&Request, &Request) -> bool,
    /// A body of no known form.
    pub odd: &'static str,
    /// Seconds that the platform waits.
    pub patience: u64,
}

/// Gives out a token.
pub type Give = fn(&str) -> Reply;

/// What it takes.
pub struct Outward {
    /// Its address, as it stands in the file or its settings.
    pub address: &'static str,
    pub path: &'static str,
    pub conversation: &'static str,
    /// What answers are given under, where a bot cannot begin.
    pub context: Option<&'static str>,
    pub taken: fn() -> Reply,
    pub throttled: fn() -> Reply,
    /// Seconds that are waited then.
    pub pause: u64,
    pub refused: fn() -> Reply,
    pub unauthorized: fn() -> Reply,
    /// Where tokens are had, and how one is given out.
    pub token: Option<(&'static str, Give)>,
    /// The header that holds the token, and what stands before it.
    pub bearer: (&'static str, &'static str),
}

/// All of them.
pub const PLATFORMS: [&Platform; 11] = [
    &asia::DINGTALK,
    &asia::DOUYIN,
    &asia::FEISHU,
    &asia::LINE,
    &west::MESSENGER,
    &asia::QQ,
    &west::SLACK,
    &west::TWILIO,
    &west::VIBER,
    &west::WEBHOOK,
    &west::WHATSAPP,
];

fn mac(hash: Hash, key: &str, data: &[u8]) -> Vec<u8> {
    digest::hmac(hash, key.as_bytes(), data).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    codec::base64_encode(bytes)
}

fn hex(bytes: &[u8]) -> String {
    codec::hex_encode(bytes)
}

fn post(name: &str, headers: &[(&str, String)], body: &str) -> Request {
    Request {
        method: Method::POST,
        uri: format!("/hooks/{name}/a"),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn never(_: &Request, _: &Request) -> bool {
    false
}

fn json(status: u16, body: &str) -> Reply {
    Reply::json(status, &serde_json::from_str(body).unwrap())
}

/// Remembers nothing.
struct Forgetful;

#[async_trait]
impl Memory for Forgetful {
    async fn get(&self, _: &str, _: &str, _: Timestamp) -> Result<Option<Value>, StoreError> {
        Ok(None)
    }

    async fn put(
        &self,
        _: &str,
        _: &str,
        _: Value,
        _: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A file as it comes with the program, and its platform.
pub struct Shipped {
    pub platform: &'static Platform,
    script: Arc<Script>,
}

impl Shipped {
    pub async fn open(platform: &'static Platform) -> Self {
        let script = Script::open(platform.name, None, &Runner::new(2)).await;
        Self {
            platform,
            script: script.unwrap(),
        }
    }

    fn serve(&self, script: Arc<Script>, address: &str) -> Arc<dyn Channel> {
        let own = self.platform.outward.address;
        let values = self.platform.settings.iter();
        let values: BTreeMap<String, String> = values
            .map(|(name, value)| ((*name).to_owned(), value.replace(own, address)))
            .collect();
        let settings = Settings {
            values,
            public_url: "https://help.example.test".parse().unwrap(),
            address: None,
            body_limit: 1 << 20,
        };
        let host = Host {
            transport: Transport::system().unwrap(),
            memory: Arc::new(Forgetful),
            clock: Arc::new(|| Timestamp(NOW)),
        };
        let account = fake::account(self.platform.name, "a");
        Arc::new(ScriptChannel::new(account, script, settings, host).unwrap())
    }

    /// The file with its platform moved to another address, and a fixture of each kind: the
    /// others stand for the file as it ships.
    async fn moved(&self, address: &str) -> Arc<Script> {
        let name = self.platform.name;
        let (_, source, fixtures) = BUILT_IN.iter().find(|(n, ..)| *n == name).unwrap();
        let own = self.platform.outward.address;
        let (own_host, host) = (bare(own), bare(address));
        let moved = |text: &str| {
            text.replace(own, address)
                .replace(&format!("\"{own_host}\""), &format!("\"{host}\""))
        };
        let folder = tempfile::tempdir().unwrap();
        let file = |end: &str| folder.path().join(format!("{name}.{end}"));
        std::fs::write(file("luau"), moved(source)).unwrap();
        let first = |kind: &str| {
            let is = |line: &&str| serde_json::from_str::<Value>(line).unwrap()[kind].is_object();
            fixtures.lines().find(is).unwrap()
        };
        let kept = [first("request").to_owned(), moved(first("message"))];
        std::fs::write(file("fixtures.jsonl"), kept.join("\n")).unwrap();
        let opened = Script::open(name, Some(folder.path()), &Runner::new(2)).await;
        opened.unwrap()
    }
}

fn bare(address: &str) -> &str {
    address.split_once("://").unwrap().1
}

impl Webhook for Shipped {
    fn account(&self) -> Account {
        fake::account(self.platform.name, "a")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        let address = self.platform.outward.address;
        self.serve(self.script.clone(), address)
    }

    fn request(&self, said: &Said) -> Request {
        let Inward { body, sign, .. } = self.platform.inward;
        sign(&format!("k-{}", said.number), &body(said, NOW), NOW)
    }

    fn signed(&self) -> Vec<Signed> {
        let signed = self.platform.inward.signed.iter();
        signed.map(|name| Signed::Header(name)).collect()
    }

    fn signs_body(&self) -> bool {
        self.platform.inward.signs_body
    }

    fn means_the_same(&self, changed: &Request, good: &Request) -> bool {
        (self.platform.inward.same)(changed, good)
    }

    fn stale(&self, said: &Said) -> Option<Request> {
        let Inward {
            body, sign, window, ..
        } = self.platform.inward;
        let then = NOW - (window? + 1) * 1000;
        Some(sign(&format!("k-{}", said.number), &body(said, then), then))
    }

    fn downgrades(&self, said: &Said) -> Vec<(&'static str, Request)> {
        let Inward { body, weaker, .. } = self.platform.inward;
        weaker(&body(said, NOW), NOW)
    }

    fn not_understood(&self) -> Request {
        let Inward { sign, odd, .. } = self.platform.inward;
        sign("k-odd", odd, NOW)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(self.platform.inward.patience)
    }
}

#[async_trait]
impl Outgoing for Shipped {
    fn account(&self) -> Account {
        fake::account(self.platform.name, "a")
    }

    fn conversation(&self) -> String {
        self.platform.outward.conversation.to_owned()
    }

    fn outbound(&self, content: Content) -> Outbound {
        let account = Outgoing::account(self);
        let mut message = fake::outbound(&account, &self.conversation(), content);
        message.reply_context = self.platform.outward.context.map(|token| ReplyUse {
            token: token.to_owned(),
            number: 1,
        });
        message
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        let address = platform.url();
        self.serve(self.moved(&address).await, &address)
    }

    fn path(&self) -> String {
        self.platform.outward.path.to_owned()
    }

    fn taken(&self, _: &Call) -> Reply {
        (self.platform.outward.taken)()
    }

    fn throttled(&self, secs: u64) -> Reply {
        (self.platform.outward.throttled)().with("retry-after", &secs.to_string())
    }

    fn pause(&self) -> Duration {
        Duration::from_secs(self.platform.outward.pause)
    }

    fn refused(&self) -> Reply {
        (self.platform.outward.refused)()
    }

    fn unauthorized(&self) -> Reply {
        (self.platform.outward.unauthorized)()
    }

    fn token(&self) -> Option<TokenAt> {
        let (path, give) = self.platform.outward.token?;
        Some(TokenAt {
            path: path.to_owned(),
            give,
        })
    }

    fn token_of(&self, call: &Call) -> Option<String> {
        let (header, before) = self.platform.outward.bearer;
        call.header(header).strip_prefix(before).map(str::to_owned)
    }
}
