//! A LINE webhook verified and understood: in Rust, and in the file that comes with the program;
//! then the same behind axum with an inbox in memory, beside a handler that only reads its body.

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request as HttpRequest, StatusCode},
    routing::post,
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde::Deserialize;
use tandem_channel_kit::{Channel as _, Inbox, fake};
use tandem_channel_script::{
    Host, Script, ScriptChannel, Settings,
    event::Event,
    machine::{Received, Values},
    memory::Memory,
    prim::{codec, digest},
    request::Request,
    version::Version,
};
use tandem_domain::{
    Timestamp, Value,
    message::{
        ConversationKind, Inbound, InboundKind, NativeConversation, Part, ReplyContext, Sender,
    },
    store::StoreError,
};
use tandem_lua::Runner;
use tandem_net::Transport;
use tower::ServiceExt as _;

const SECRET: &str = "a secret of this bench";
const NOW: Timestamp = Timestamp(1_760_000_000_500);
const BODY: &str = r#"{"destination":"Ubot","events":[{"type":"message","webhookEventId":"01H810YECXQQZ37VAXPF6H9E6T","mode":"active","timestamp":1760000000000,"source":{"type":"user","userId":"U4af4980629"},"replyToken":"nHuyWiB7yP5Zw52FIkcQobQuGDXCTA","deliveryContext":{"isRedelivery":false},"message":{"id":"444573844083572737","type":"text","quoteToken":"q3Plxr4AgKd","text":"Where is my order 12345678?"}}]}"#;

fn signature() -> String {
    let mac = digest::hmac(digest::Hash::Sha256, SECRET.as_bytes(), BODY.as_bytes());
    codec::base64_encode(&mac.expect("the key is not empty"))
}

#[derive(Deserialize)]
struct Delivery {
    events: Vec<Native>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Native {
    webhook_event_id: String,
    timestamp: i64,
    source: Source,
    reply_token: Option<String>,
    message: Option<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    user_id: String,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    text: Option<String>,
}

/// What a channel in Rust does with the request.
fn native(signature: &[u8], body: &[u8]) -> Option<Vec<Inbound>> {
    let mac = digest::hmac(digest::Hash::Sha256, SECRET.as_bytes(), body)?;
    if !digest::eq(codec::base64_encode(&mac).as_bytes(), signature) {
        return None;
    }
    let delivery: Delivery = serde_json::from_slice(body).ok()?;
    let account = fake::account("line", "a");
    let events = delivery.events.into_iter().map(|event| Inbound {
        id: event.webhook_event_id,
        channel: account.channel.clone(),
        account: account.id.clone(),
        conversation: NativeConversation {
            kind: ConversationKind::Dm,
            id: event.source.user_id.clone(),
            thread: None,
        },
        sender: Sender {
            id: event.source.user_id,
            ..Sender::default()
        },
        ts: Timestamp(event.timestamp),
        kind: InboundKind::Message,
        message_id: event.message.as_ref().map(|m| m.id.clone()),
        parts: event
            .message
            .and_then(|m| m.text)
            .map(|text| vec![Part::Text { text }])
            .unwrap_or_default(),
        quote: None,
        mentions_me: false,
        album: None,
        reply_context: event.reply_token.map(|token| ReplyContext {
            token,
            expires_at: Some(Timestamp(event.timestamp) + Duration::from_secs(50)),
            uses_left: Some(1),
        }),
    });
    Some(events.collect())
}

fn values() -> BTreeMap<String, String> {
    [
        ("channel_secret", SECRET),
        ("channel_access_token", "token"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn understanding(c: &mut Criterion) {
    let signature = signature();
    c.bench_function("webhook/native, verify and parse", |b| {
        b.iter(|| native(black_box(signature.as_bytes()), black_box(BODY.as_bytes())));
    });

    let source = include_str!("../files/line.luau");
    let version = Version::read("line", source).0.expect("the file is good");
    let values = Values(values());
    let account = fake::account("line", "a");
    c.bench_function("webhook/Lua, verify and parse", |b| {
        b.iter(|| {
            let headers = [("x-line-signature", signature.as_bytes())];
            let url = "https://help.example.test/hooks/line/a";
            let body = Bytes::from_static(BODY.as_bytes());
            let request = Request::new("POST", url, headers, body, NOW);
            let Received::Understood { events, .. } = version.receive(&request, &values) else {
                panic!("it is signed");
            };
            let events = Event::read_all(events).expect("these are events");
            let events = events.into_iter();
            events
                .map(|event| event.inbound(&account, ConversationKind::Dm, NOW))
                .collect::<Vec<_>>()
        });
    });
}

struct Nothing;

#[async_trait]
impl Memory for Nothing {
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

async fn native_hook(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("x-line-signature");
    let signature = signature.map(|value| value.as_bytes()).unwrap_or_default();
    let Some(events) = native(signature, &body) else {
        return StatusCode::UNAUTHORIZED;
    };
    match inbox.accept(events).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn inbox() -> Inbox {
    Inbox::new(
        fake::account("line", "a"),
        Arc::new(fake::MemorySink::new()),
    )
}

/// One request after the other, so that what is measured is the work and the hops between threads.
fn handlers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let script = runtime
        .block_on(Script::open("line", None, &Runner::new(2)))
        .expect("the file is good");
    let settings = Settings {
        values: values(),
        public_url: "https://help.example.test".parse().expect("an address"),
        address: None,
        body_limit: 1 << 20,
    };
    let host = Host {
        transport: Transport::system().expect("an HTTP client can be made"),
        memory: Arc::new(Nothing),
        clock: Arc::new(|| NOW),
    };
    let channel = ScriptChannel::new(fake::account("line", "a"), script, settings, host)
        .expect("the settings fit");
    let path = "/hooks/line/a";
    let bare = Router::new().route(path, post(async |_: Bytes| StatusCode::OK));
    let native = Router::new()
        .route(path, post(native_hook))
        .with_state(inbox());
    let routers = [
        ("axum/bare handler", bare),
        ("axum/native, accepted", native),
        ("axum/Lua, accepted", channel.routes(inbox())),
    ];
    let signature = signature();
    for (name, router) in routers {
        c.bench_function(name, |b| {
            b.iter(|| {
                let request = HttpRequest::post(path)
                    .header("x-line-signature", &signature)
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
