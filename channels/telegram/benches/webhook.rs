//! An update as Telegram brings it, verified, understood and accepted by an inbox in memory, beside
//! a handler that only reads its body.

use std::{hint::black_box, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode},
    routing::post,
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tandem_channel_kit::{
    Channel as _, Inbox,
    fake::{self, MemorySink},
    kind::Secret,
};
use tandem_channel_telegram::{Settings, TelegramChannel, inbound::Reader, signature};
use tandem_domain::Timestamp;
use tower::ServiceExt as _;

const SECRET: &str = "a-secret-of-this-bench";
const BODY: &str = r#"{"update_id":10000,"message":{"message_id":1365,"from":{"id":1111111,"is_bot":false,"first_name":"Ada","last_name":"L","username":"ada","language_code":"en"},"chat":{"id":1111111,"type":"private","first_name":"Ada"},"date":1760000000,"text":"Where is my order 12345678?"}}"#;

fn understanding(c: &mut Criterion) {
    let account = fake::account("telegram", "a");
    let reader = Reader {
        account: &account,
        bot: 2,
        username: Some("tandem_bot"),
        now: Timestamp(1_760_000_000_500),
    };
    c.bench_function("telegram/verify and parse", |b| {
        b.iter(|| {
            assert!(signature::matches(
                black_box(SECRET),
                Some(SECRET.as_bytes())
            ));
            reader.read(black_box(BODY.as_bytes()))
        });
    });
}

/// One request after the other.
fn handlers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let settings: Settings = serde_json::from_value(json!({
        "token": Secret::found("2:token"), "mode": "webhook", "secret_token": Secret::found(SECRET),
    }))
    .expect("these are settings");
    let api = settings.api().expect("this is an address");
    let path = "/hooks/telegram/a";
    let hook = format!("https://help.example.test{path}");
    let hook = hook.parse().expect("this is an address");
    let account = fake::account("telegram", "a");
    let channel = TelegramChannel::open(account.clone(), &settings, &api, Some(hook))
        .expect("a client can be made");
    let inbox = Inbox::new(account, Arc::new(MemorySink::new()));
    let bare = Router::new().route(path, post(async |_: Bytes| StatusCode::OK));
    for (name, router) in [
        ("axum/bare handler", bare),
        ("axum/Telegram, accepted", channel.routes(inbox)),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| {
                let request = Request::post(path)
                    .header(signature::HEADER, SECRET)
                    .body(Body::from(BODY))
                    .expect("a request");
                let answer = runtime.block_on(router.clone().oneshot(request));
                assert_eq!(answer.expect("a router never fails").status(), 200);
            });
        });
    }
}

criterion_group!(benches, understanding, handlers);
criterion_main!(benches);
