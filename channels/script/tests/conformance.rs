//! The suites of all channels, on a file of these tests and on those that come with the program.
#![allow(clippy::unwrap_used)]

mod common;
mod platforms;

use std::sync::Arc;

use async_trait::async_trait;
use common::{House, SECRET};
use platforms::{PLATFORMS, Shipped};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel,
    conformance::{
        self,
        sending::{self, Outgoing, TokenAt},
        table, webhook,
    },
    fake,
    fake::platform::{Call, FarPlatform, Reply},
};
use tandem_channel_script::script::BUILT_IN;

/// Where what the suites tried is written down.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/channels");

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
    for platform in PLATFORMS {
        let subject = Shipped::open(platform).await;
        let report = webhook::report(&subject).await;
        let written = table::documented(DOCS.as_ref(), platform.name, &report);
        assert_eq!(written, Ok(()), "{}", platform.name);
    }
}

#[tokio::test]
async fn messages_are_sent_as_every_channel_sends_them() {
    for platform in PLATFORMS {
        let subject = Arc::new(Shipped::open(platform).await);
        let report = sending::report(subject).await;
        let written = table::documented(DOCS.as_ref(), platform.name, &report);
        assert_eq!(written, Ok(()), "{}", platform.name);
    }
    assert_eq!(sending::check(Arc::new(Tokens)).await, Ok(()));
}

#[test]
fn every_file_has_its_platform() {
    let files: Vec<&str> = BUILT_IN.iter().map(|(name, ..)| *name).collect();
    assert_eq!(PLATFORMS.map(|platform| platform.name).to_vec(), files);
}

#[tokio::test]
async fn whatever_is_said_fits_and_is_sent() {
    let platform = FarPlatform::start().await.unwrap();
    platform.on("*", |_| Reply::json(200, &json!({"ids": ["n"]})));
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

#[tokio::test]
async fn whatever_is_said_fits_each_platform() {
    for platform in PLATFORMS {
        let subject = Shipped::open(platform).await;
        let far = FarPlatform::start().await.unwrap();
        let outward = &platform.outward;
        far.on("*", |_| Reply::json(200, &json!({})));
        far.on(outward.path, |_| (outward.taken)());
        if let Some((path, give)) = outward.token {
            far.on(path, move |_| give("t"));
        }
        if outward.context.is_some() || platform.name == "feishu" {
            // These answer only what was asked, or upload first: their fixtures show it.
            continue;
        }
        let channel = Outgoing::channel(&subject, &far).await;
        let account = fake::account(platform.name, "a");
        let checked = conformance::check(channel, &account, outward.conversation).await;
        assert_eq!(checked, Ok(()), "{}", platform.name);
    }
}
