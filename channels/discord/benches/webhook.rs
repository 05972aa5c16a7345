//! An interaction verified, understood and accepted behind axum with an inbox in memory, beside a
//! handler that only reads its body; and a message of the gateway read.

use std::{collections::BTreeSet, hint::black_box, path::Path, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode},
    routing::post,
};
use criterion::{Criterion, criterion_group, criterion_main};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tandem_channel_discord::{
    DiscordChannel,
    config::PublicKey,
    inbound::{Me, Reader},
    native::{Event, Frame, Snowflake},
    place::Place,
    signature::is_signed,
};
use tandem_channel_kit::{Channel as _, Inbox, fake, kind};
use tandem_domain::Timestamp;
use tower::ServiceExt as _;

const NOW: Timestamp = Timestamp(1_760_000_000_500);
const AT: &str = "1760000000";
const PATH: &str = "/hooks/discord/a";
const BODY: &str = r#"{"id":"786008729715212338","application_id":"845027738276462632","token":"aW50ZXJhY3Rpb246ODQ1","version":1,"locale":"en-US","guild_id":"290926798626357999","channel_id":"645027906669510667","channel":{"id":"645027906669510667","type":0},"member":{"user":{"id":"53908232506183680","username":"ada","global_name":"Ada"},"roles":[],"permissions":"0"},"type":2,"data":{"id":"771825006014889984","type":1,"name":"order","options":[{"name":"id","type":3,"value":"12345678"}]}}"#;
const FRAME: &str = r#"{"op":0,"s":7,"t":"MESSAGE_CREATE","d":{"id":"786008729715212338","channel_id":"645027906669510667","type":0,"content":"Where is my order 12345678?","author":{"id":"53908232506183680","username":"ada","global_name":"Ada","avatar":null,"discriminator":"0"},"timestamp":"2026-01-02T03:04:05.678000+00:00","edited_timestamp":null,"tts":false,"mention_everyone":false,"mentions":[],"mention_roles":[],"attachments":[],"embeds":[],"pinned":false}}"#;

fn understanding(c: &mut Criterion) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed");
    let key = pair.public_key().as_ref().try_into();
    let key = PublicKey(key.expect("a public key has 32 bytes"));
    let signature = hex::encode(pair.sign(format!("{AT}{BODY}").as_bytes()));
    c.bench_function("discord/signature", |b| {
        b.iter(|| {
            let (at, signature) = (AT.as_bytes(), black_box(signature.as_bytes()));
            assert!(is_signed(&key, at, signature, BODY.as_bytes(), NOW));
        });
    });
    let account = fake::account("discord", "a");
    let channels = BTreeSet::new();
    let reader = Reader {
        account: &account,
        me: Me {
            user: Snowflake(9),
            application: Snowflake(8),
        },
        channels: &channels,
    };
    c.bench_function("discord/a message of the gateway, read", |b| {
        b.iter(|| {
            let frame: Frame = serde_json::from_str(black_box(FRAME)).expect("it is a frame");
            let name = frame.t.expect("it has a name");
            let Ok(Event::Message(message)) = Event::read(&name, frame.d) else {
                panic!("it is a message");
            };
            assert!(reader.heeds(&message, Some(&Place::Dm)));
            reader.message(&message, &Place::Dm)
        });
    });
}

/// One request after the other, so that what is measured is the work and the hops between threads.
fn handlers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed");
    let settings = json!({
        "token": kind::Secret::found("t"), "interactions": "webhook",
        "public_key": hex::encode(pair.public_key().as_ref()),
    });
    let settings = kind::read(&settings).expect("the settings are good");
    let account = fake::account("discord", "a");
    let folder = Path::new("/nonexistent");
    let channel = DiscordChannel::new(account.clone(), settings, folder, Arc::new(|| NOW))
        .expect("the token can stand in a header");
    let inbox = Inbox::new(account, Arc::new(fake::MemorySink::new()));
    let bare = Router::new().route(PATH, post(async |_: Bytes| StatusCode::OK));
    let signature = hex::encode(pair.sign(format!("{AT}{BODY}").as_bytes()));
    for (name, router) in [
        ("axum/bare handler", bare),
        ("axum/discord, accepted", channel.routes(inbox)),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| {
                let request = Request::post(PATH)
                    .header("x-signature-timestamp", AT)
                    .header("x-signature-ed25519", &signature)
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
