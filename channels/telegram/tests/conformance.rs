//! The suites of all channels.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::Method;
use common::{account, error, far, method, ok, update};
use serde_json::json;
use tandem_channel_kit::{
    Account, Channel,
    conformance::{
        self,
        sending::{self, Outgoing},
        table,
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake,
    fake::platform::{Call, FarPlatform, Reply},
};
use tandem_channel_telegram::signature;
use tandem_domain::{channel::SendError, message::Content};

/// Where what the suites tried is written down.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/channels");

struct Hook(Arc<dyn Channel>);

impl Hook {
    fn signed(body: &str) -> Request {
        Request {
            method: Method::POST,
            uri: "/hooks/telegram/test".to_owned(),
            headers: vec![(signature::HEADER.to_owned(), common::SECRET.to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }
}

impl Webhook for Hook {
    fn account(&self) -> Account {
        account()
    }

    fn channel(&self) -> Arc<dyn Channel> {
        self.0.clone()
    }

    fn request(&self, said: &Said) -> Request {
        let customer = said.customer.bytes().map(i64::from).sum();
        let number = i32::try_from(said.number).unwrap();
        Self::signed(&update(number, customer, &said.text).to_string())
    }

    fn signed(&self) -> Vec<Signed> {
        vec![Signed::Header(signature::HEADER)]
    }

    /// Telegram signs nothing: the secret is all.
    fn signs_body(&self) -> bool {
        false
    }

    fn downgrades(&self, said: &Said) -> Vec<(&'static str, Request)> {
        let good = self.request(said);
        let secret = common::SECRET;
        let carrying = |headers: Vec<(&str, &str)>, query: &str| Request {
            uri: format!("{}{query}", good.uri),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            ..good.clone()
        };
        let query = format!("?secret_token={secret}");
        vec![
            ("the secret in the address", carrying(Vec::new(), &query)),
            (
                "the secret in another header",
                carrying(vec![("authorization", secret)], ""),
            ),
            (
                "the beginning of the secret",
                carrying(vec![(signature::HEADER, &secret[..1])], ""),
            ),
        ]
    }

    fn not_understood(&self) -> Request {
        Self::signed(r#"{"update_id": 4, "telepathy": {}}"#)
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }
}

struct Sends;

#[async_trait]
impl Outgoing for Sends {
    fn account(&self) -> Account {
        account()
    }

    fn conversation(&self) -> String {
        "5".to_owned()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        common::poller(&platform.url()).await
    }

    fn path(&self) -> String {
        method("SendMessage")
    }

    fn taken(&self, _: &Call) -> Reply {
        ok(&json!({"message_id": 9, "chat": {"id": 5}}))
    }

    fn throttled(&self, secs: u64) -> Reply {
        let body = json!({
            "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 7",
            "parameters": {"retry_after": secs},
        });
        Reply::json(429, &body)
    }

    fn broken(&self) -> Reply {
        error(500, "Internal Server Error")
    }

    fn refused(&self) -> Reply {
        error(403, "Forbidden: bot was blocked by the user")
    }

    fn unauthorized(&self) -> Reply {
        error(401, "Unauthorized")
    }
}

#[tokio::test]
async fn requests_are_taken_as_every_channel_takes_them() {
    let hook = Hook(common::webhook("http://127.0.0.1:9").await);
    let report = webhook::report(&hook).await;
    let written = table::documented(DOCS.as_ref(), "telegram", &report);
    assert_eq!(written, Ok(()));
}

#[tokio::test]
async fn messages_are_sent_as_every_channel_sends_them() {
    let report = sending::report(Arc::new(Sends)).await;
    let written = table::documented(DOCS.as_ref(), "telegram", &report);
    assert_eq!(written, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_never_answered_is_uncertain() {
    let far = far().await;
    far.on(&method("SendMessage"), |_| Reply::Hang);
    let channel = common::poller(&far.url()).await;
    let message = fake::outbound(&account(), "5", Content::text("hi"));
    let end = channel.send(&message).await;
    assert!(matches!(end, Err(SendError::Uncertain(_))), "{end:?}");
    assert_eq!(far.calls_to(&method("SendMessage")).len(), 1);
}

#[tokio::test]
async fn whatever_is_said_fits_and_is_sent() {
    let far = far().await;
    for channel in [
        common::poller(&far.url()).await,
        common::webhook(&far.url()).await,
    ] {
        assert_eq!(conformance::check(channel, &account(), "5").await, Ok(()));
    }
    assert!(!far.calls_to(&method("SendPhoto")).is_empty());
    assert!(!far.calls_to(&method("SendDocument")).is_empty());
}
