//! An encrypted message verified, opened and understood; then the same behind axum with an inbox
//! in memory, beside a handler that only reads its body.

use std::{hint::black_box, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode},
    routing::post,
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tandem_channel_kit::{Channel as _, Inbox, fake, kind::Secret};
use tandem_channel_wechat::{
    Family, Settings, WechatChannel,
    fields::{self, element},
    inbound,
    sealed::Seal,
};
use tandem_domain::Timestamp;
use tandem_net::Transport;
use tower::ServiceExt as _;

const TOKEN: &str = "tandem-token";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const APP: &str = "wx2c2769f8efd9abc2";
const TIME: &str = "1760000000";
const NONCE: &str = "1372623149";

struct Call {
    signature: String,
    body: String,
}

fn call(seal: &Seal) -> Call {
    let plain = format!(
        "<xml>{}{}<CreateTime>{TIME}</CreateTime>{}{}<MsgId>6054768590064713728</MsgId></xml>",
        element("ToUserName", "gh_7f083739789a"),
        element("FromUserName", "oia2TjjewbmiOUlr6X-1crbLOvLw"),
        element("MsgType", "text"),
        element("Content", "我的订单 12345678 在哪里？"),
    );
    let sealed = seal.seal(plain.as_bytes(), *b"0123456789abcdef", TIME, NONCE);
    Call {
        body: format!(
            "<xml>{}{}</xml>",
            element("ToUserName", "gh_7f083739789a"),
            element("Encrypt", &sealed.encrypt)
        ),
        signature: sealed.signature,
    }
}

fn understanding(c: &mut Criterion) {
    let seal = Seal::new(TOKEN, KEY, APP).expect("the key is one");
    let call = call(&seal);
    let account = fake::account("wechat", "a");
    let now = Timestamp(1_760_000_000_500);
    c.bench_function("webhook/WeChat, verify, open and parse", |b| {
        b.iter(|| {
            let outer = fields::read(black_box(call.body.as_bytes()))?;
            let encrypt = fields::text(&outer, "Encrypt")?;
            if !seal.admits(&call.signature, TIME, NONCE, &encrypt) {
                return None;
            }
            let inner = fields::read(&seal.open(&encrypt)?)?;
            inbound::read(Family::OfficialAccount, &account, &inner, now)
        });
    });
}

/// One request after the other, so that what is measured is the work and the hops between threads.
/// The mini program's channel answers once the message is accepted; the Official Account's goes on
/// to wait for the bot.
fn handlers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let seal = Seal::new(TOKEN, KEY, APP).expect("the key is one");
    let Call { signature, body } = call(&seal);
    let transport = Transport::system().expect("an HTTP client can be made");
    let settings = json!({
        "app_id": APP, "app_secret": Secret::found("s"), "token": Secret::found(TOKEN),
        "encoding_aes_key": Secret::found(KEY),
    });
    let bare = Router::new().route("/bare", post(async |_: Bytes| StatusCode::OK));
    let mut routers = vec![("axum/bare handler", "/bare".to_owned(), bare)];
    for (name, family) in [
        ("axum/mini program, accepted", Family::MiniProgram),
        (
            "axum/Official Account, accepted and nothing said",
            Family::OfficialAccount,
        ),
    ] {
        let account = fake::account(family.name(), "a");
        let settings = Settings::read(family, &settings).expect("the settings fit");
        let folder = std::env::temp_dir();
        let channel = WechatChannel::new(account.clone(), settings, &transport, folder)
            .expect("the settings fit");
        let inbox = Inbox::new(account, Arc::new(fake::MemorySink::new()));
        let path = format!("/hooks/{}/a", family.name());
        routers.push((name, path, channel.routes(inbox)));
    }
    for (name, path, router) in routers {
        let uri = format!("{path}?msg_signature={signature}&timestamp={TIME}&nonce={NONCE}");
        c.bench_function(name, |b| {
            b.iter(|| {
                let request = Request::post(&uri)
                    .body(Body::from(body.clone()))
                    .expect("a request");
                let answer = runtime.block_on(router.clone().oneshot(request));
                assert_eq!(answer.expect("a router never fails").status(), 200);
            });
        });
    }
}

criterion_group!(benches, understanding, handlers);
criterion_main!(benches);
