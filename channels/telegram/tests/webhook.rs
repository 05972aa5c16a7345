//! How a webhook is set, and seen to stay.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use common::{SECRET, account, far, method, ok, update};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Channel, ChannelError, Health, Inbox, Stop,
    fake::{MemorySink, platform::FarPlatform},
};
use tandem_channel_telegram::signature;
use tower::ServiceExt as _;

const URL: &str = "https://hooks.example.test/hooks/telegram/test";

/// Runs for as long as it takes to ask once how the webhook stands.
async fn run(channel: &Arc<dyn Channel>) -> Result<(), ChannelError> {
    let inbox = Inbox::new(account(), Arc::new(MemorySink::new()));
    let run = channel.run(inbox, Stop::new());
    let ended = tokio::time::timeout(Duration::from_secs(310), run).await;
    ended.unwrap_or(Ok(()))
}

fn stands(far: &FarPlatform, info: Value) {
    far.on(&method("GetWebhookInfo"), move |_| ok(&info));
}

#[tokio::test(start_paused = true)]
async fn telegram_is_given_the_address_and_asked_whether_it_reaches_it() {
    let far = far().await;
    let channel = common::webhook(&far.url()).await;
    stands(&far, json!({"url": URL}));
    run(&channel).await.unwrap();
    let set = far.calls_to(&method("SetWebhook"))[0].json();
    assert_eq!(
        (&set["url"], &set["secret_token"]),
        (&json!(URL), &json!(SECRET))
    );
    assert_eq!(set["allowed_updates"][2], "callback_query");
    assert!(far.calls_to(&method("DeleteWebhook")).is_empty());
    assert_eq!(channel.health(), Health::Good);

    let now = tandem_domain::Timestamp::now().0 / 1000;
    let trouble = json!({"url": URL, "last_error_date": now, "last_error_message": "SSL error"});
    stands(&far, trouble);
    run(&channel).await.unwrap();
    assert!(matches!(channel.health(), Health::Degraded(why) if why.contains("SSL error")));

    stands(
        &far,
        json!({"url": URL, "last_error_date": now - 3600, "last_error_message": "SSL error"}),
    );
    run(&channel).await.unwrap();
    assert_eq!(channel.health(), Health::Good);

    stands(&far, json!({"url": "https://elsewhere.example.test"}));
    let ended = run(&channel).await;
    assert!(
        matches!(ended, Err(ChannelError::Lost(why)) if why.to_string().contains("another program"))
    );
}

#[tokio::test]
async fn while_it_stops_telegram_keeps_what_it_has() {
    let far = far().await;
    let channel = common::webhook(&far.url()).await;
    let sink = MemorySink::new();
    let router = channel.routes(Inbox::new(account(), Arc::new(sink.clone())));
    let call = |secret: &'static str| {
        let request = Request::post("/hooks/telegram/test")
            .header(signature::HEADER, secret)
            .body(Body::from(update(1, 5, "hi").to_string()))
            .unwrap();
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap().status() }
    };
    let stop = Stop::new();
    stop.stop();
    let inbox = Inbox::new(account(), Arc::new(MemorySink::new()));
    channel.run(inbox, stop).await.unwrap();
    assert_eq!(call(SECRET).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(call("forged").await, StatusCode::UNAUTHORIZED);
    assert!(sink.events().is_empty());
}

#[tokio::test]
async fn a_bot_that_polls_has_no_webhook() {
    let channel = common::poller("http://127.0.0.1:9").await;
    let router = channel.routes(Inbox::new(account(), Arc::new(MemorySink::new())));
    let request = Request::post("/hooks/telegram/test")
        .header(signature::HEADER, SECRET)
        .body(Body::from(update(1, 5, "hi").to_string()))
        .unwrap();
    let status = router.oneshot(request).await.unwrap().status();
    assert_eq!(status, StatusCode::NOT_FOUND);
}
