//! Interactions that PyNaCl signed, with what Discord's documentation says they mean.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tandem_channel_discord::{DiscordChannel, inbound::Ticket};
use tandem_channel_kit::{Channel as _, Inbox, fake, kind};
use tandem_domain::{Timestamp, message::Inbound};
use tower::ServiceExt as _;

const FIXTURES: &str = include_str!("../fixtures/discord.fixtures.jsonl");

/// An event in the fixtures' form, without the account, which is the application's there.
fn shown(event: &Inbound) -> Value {
    let native = &event.conversation;
    let conversation = match &native.thread {
        Some(thread) => json!({"kind": native.kind, "id": thread, "parent": native.id}),
        None => json!({"kind": native.kind, "id": native.id}),
    };
    let kind = serde_json::to_value(&event.kind).unwrap();
    let context = event.reply_context.as_ref().unwrap();
    let life = context.expires_at.unwrap().since(event.ts).as_secs();
    assert!((800..900).contains(&life));
    let mut shown = json!({
        "id": event.id, "kind": kind["type"], "conversation": conversation, "ts": event.ts,
        "sender": {"id": event.sender.id, "name": event.sender.name},
        "reply_context": {"token": Ticket::read(&context.token).unwrap().token, "ttl": 900},
    });
    if let Some(id) = &event.message_id {
        shown["message_id"] = json!(id);
    }
    if !event.parts.is_empty() {
        shown["parts"] = json!(event.parts);
    }
    if kind["type"] == "action" {
        shown["action"] = json!({"value": kind["value"]});
    }
    shown
}

#[tokio::test]
async fn what_an_independent_library_signed_is_understood() {
    let mut count = 0;
    for line in FIXTURES.lines() {
        let fixture: Value = serde_json::from_str(line).unwrap();
        let name = fixture["name"].as_str().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let account = fake::account("discord", "test");
        let settings = json!({
            "token": kind::Secret::found("t"), "interactions": "webhook",
            "public_key": fixture["config"]["public_key"],
        });
        let now = Timestamp(fixture["now"].as_i64().unwrap());
        let clock = Arc::new(move || now);
        let settings = kind::read(&settings).unwrap();
        let channel = DiscordChannel::new(account.clone(), settings, folder.path(), clock).unwrap();
        let sink = fake::MemorySink::new();
        let router = channel.routes(Inbox::new(account, Arc::new(sink.clone())));

        let request = &fixture["request"];
        let mut http = Request::post("/hooks/discord/test");
        for (name, value) in request["headers"].as_object().unwrap() {
            http = http.header(name, value.as_str().unwrap());
        }
        let body = Body::from(request["body"].as_str().unwrap().to_owned());
        let answer = router.oneshot(http.body(body).unwrap()).await.unwrap();
        let expect = &fixture["expect"];
        assert_eq!(
            u64::from(answer.status().as_u16()),
            expect["status"].as_u64().unwrap(),
            "{name}"
        );
        if let Some(response) = expect.get("response") {
            let mime = answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned();
            assert_eq!(mime, "application/json", "{name}");
            let body = axum::body::to_bytes(answer.into_body(), 1 << 16)
                .await
                .unwrap();
            assert_eq!(body, response["body"].as_str().unwrap(), "{name}");
        }
        let mut expected = expect["events"].clone();
        for event in expected.as_array_mut().unwrap() {
            event.as_object_mut().unwrap().remove("account");
        }
        let events: Vec<Value> = sink.events().iter().map(shown).collect();
        assert_eq!(json!(events), expected, "{name}");
        count += 1;
    }
    assert_eq!(count, 9);
}
