//! The suite of the way in, as far as it is about a page of our own: what a visitor writes is taken
//! under their token, once.

mod common;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::http::Method;
use common::{NOW, Rig, SHOP, config};
use serde_json::json;
use tandem_channel_kit::{
    Account, Channel,
    conformance::{
        table,
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake::{self, MemorySink},
};
use tandem_channel_web::WebChannel;
use tandem_domain::Timestamp;

/// Where what the suite tried is written down.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/channels");

struct Widget {
    token: String,
    /// Given out so long ago that it counts no more.
    old: String,
}

impl Widget {
    async fn new() -> Self {
        let rig = Rig::with(config(), MemorySink::new());
        let token = rig.session().await;
        let year = Duration::from_secs(366 * 86_400).as_millis();
        rig.clock
            .fetch_sub(i64::try_from(year).unwrap_or(0), Ordering::Relaxed);
        let old = rig.session().await;
        Self { token, old }
    }

    fn write(token: &str, body: String) -> Request {
        Request {
            method: Method::POST,
            uri: "/web/shop/messages".to_owned(),
            headers: vec![
                ("origin".to_owned(), SHOP.to_owned()),
                ("authorization".to_owned(), format!("Bearer {token}")),
            ],
            body: body.into_bytes(),
        }
    }

    fn body(said: &Said) -> String {
        json!({"client_id": format!("c-{}", said.number), "text": said.text}).to_string()
    }
}

impl Webhook for Widget {
    fn account(&self) -> Account {
        fake::account("web", "shop")
    }

    fn channel(&self) -> Arc<dyn Channel> {
        let clock = Arc::new(|| Timestamp(NOW));
        let channel = WebChannel::with_clock(self.account(), config(), clock);
        Arc::new(channel.expect("the configuration is good"))
    }

    fn request(&self, said: &Said) -> Request {
        Self::write(&self.token, Self::body(said))
    }

    fn signed(&self) -> Vec<Signed> {
        vec![Signed::Header("authorization")]
    }

    /// The token says who writes; what they write is theirs to choose.
    fn signs_body(&self) -> bool {
        false
    }

    fn stale(&self, said: &Said) -> Option<Request> {
        Some(Self::write(&self.old, Self::body(said)))
    }

    fn downgrades(&self, said: &Said) -> Vec<(&'static str, Request)> {
        let good = self.request(said);
        let with = |name: &str, value: String| {
            let mut request = good.clone();
            request.headers.retain(|(known, _)| known != name);
            request.headers.push((name.to_owned(), value));
            request
        };
        let mut query = good.clone();
        query.headers.retain(|(name, _)| name != "authorization");
        query.uri += &format!("?token={}", self.token);
        let unsigned = self.token.rsplit_once('.').map_or("", |(said, _)| said);
        vec![
            (
                "a page of another site",
                with("origin", "https://other.example".to_owned()),
            ),
            ("the token in the address", query),
            (
                "a token without its signature",
                with("authorization", format!("Bearer {unsigned}.")),
            ),
        ]
    }

    fn not_understood(&self) -> Request {
        Self::write(&self.token, "[1, 2]".to_owned())
    }

    /// Our own page is told so.
    fn keeps_unknown(&self) -> bool {
        false
    }

    fn body_limit(&self) -> usize {
        64 * 1024
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(60)
    }
}

#[tokio::test]
async fn what_a_visitor_writes_is_taken_as_every_channel_takes_it() {
    let report = webhook::report(&Widget::new().await).await;
    let written = table::documented(DOCS.as_ref(), "web", &report);
    assert_eq!(written, Ok(()));
}
