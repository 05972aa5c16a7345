//! What each update becomes, and what each message becomes on the wire, as written down beside the
//! other channels' fixtures.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Inbox, fake,
    fake::{
        MemorySink,
        platform::{Call, FarPlatform, Reply},
    },
};
use tandem_domain::{
    channel::{Receipt, SendError},
    message::{Content, ConversationKind, Inbound, InboundKind, NativeConversation, SendOp},
};
use tower::ServiceExt as _;

const LINES: &str = include_str!("../fixtures/telegram.fixtures.jsonl");
const API: &str = "https://api.telegram.org";

fn lines(what: &str) -> Vec<Value> {
    let lines = LINES
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines
        .filter(|line: &Value| line.get(what).is_some())
        .collect();
    assert!(!lines.is_empty());
    lines
}

/// An event as fixtures write it: nothing where there is nothing.
fn written(event: &Inbound) -> Value {
    let kind = match event.kind {
        InboundKind::Message => "message",
        InboundKind::Edit => "edit",
        InboundKind::Action { .. } => "action",
        InboundKind::Reaction { .. } => "reaction",
        InboundKind::System { .. } => "system",
        _ => "other",
    };
    let native = &event.conversation;
    let mut value = json!({
        "id": event.id, "kind": kind, "ts": event.ts.0, "sender": event.sender,
        "conversation": match &native.thread {
            Some(thread) => json!({"kind": native.kind, "id": thread, "parent": native.id}),
            None => json!({"kind": native.kind, "id": native.id}),
        },
    });
    let mut put = |name: &str, what: Value| {
        if !matches!(&what, Value::Null | Value::Bool(false)) && what != json!([]) {
            value[name] = what;
        }
    };
    put("message_id", json!(event.message_id));
    put("parts", json!(event.parts));
    put("quote", json!(event.quote));
    put("mentions_me", json!(event.mentions_me));
    put("reply_context", json!(event.reply_context));
    match &event.kind {
        InboundKind::Action { value, label } => {
            let mut action = json!({"value": value});
            if let Some(label) = label {
                action["label"] = json!(label);
            }
            put("action", action);
        }
        InboundKind::Reaction { emoji } => put("reaction", json!({"emoji": emoji})),
        InboundKind::System { name, data } => {
            put("system", json!(name));
            put("data", data.clone());
        }
        _ => {}
    }
    value
}

#[tokio::test]
async fn every_update_becomes_what_its_fixture_says() {
    let far = common::far().await;
    let channel = common::webhook(&far.url()).await;
    // The bot learns its name.
    let stop = tandem_channel_kit::Stop::new();
    let inbox = Inbox::new(common::account(), Arc::new(MemorySink::new()));
    let running = tokio::spawn({
        let (channel, stop) = (channel.clone(), stop.child());
        async move { channel.run(inbox, stop).await }
    });
    far.wait_for(&common::method("SetWebhook"), 1).await;
    for line in lines("request") {
        let name = &line["name"];
        let sink = MemorySink::new();
        let inbox = Inbox::new(common::account(), Arc::new(sink.clone()));
        let mut request = Request::post("/hooks/telegram/test");
        for (header, value) in line["request"]["headers"].as_object().unwrap() {
            request = request.header(header, value.as_str().unwrap());
        }
        let body = line["request"]["body"].as_str().unwrap().to_owned();
        let request = request.body(Body::from(body)).unwrap();
        let response = channel.routes(inbox).oneshot(request).await.unwrap();
        assert_eq!(
            json!(response.status().as_u16()),
            line["expect"]["status"],
            "{name}"
        );
        let body = axum::body::to_bytes(response.into_body(), 1 << 16)
            .await
            .unwrap();
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        let expected = line["expect"]["response"]["body"]
            .as_str()
            .unwrap_or("null");
        assert_eq!(
            told,
            serde_json::from_str::<Value>(expected).unwrap(),
            "{name}"
        );

        let mut events: Vec<Value> = sink.events().iter().map(written).collect();
        let alert = line["expect"]["alert"] == true;
        assert_eq!(sink.unknown().len(), usize::from(alert), "{name}");
        let expected = line["expect"]["events"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for (event, expected) in events.iter_mut().zip(&expected) {
            if expected.get("ts").is_none() {
                event.as_object_mut().unwrap().remove("ts");
            }
        }
        assert_eq!(events, expected, "{name}");
    }
    stop.stop();
    running.await.unwrap().unwrap();
}

fn conversation(value: &Value) -> NativeConversation {
    let id = value["id"].as_str().unwrap().to_owned();
    let (id, thread) = match value["parent"].as_str() {
        Some(parent) => (parent.to_owned(), Some(id)),
        None => (id, None),
    };
    let kind: ConversationKind = serde_json::from_value(value["kind"].clone()).unwrap();
    NativeConversation { kind, id, thread }
}

fn ended(end: Result<Receipt, SendError>) -> Value {
    match end {
        Ok(receipt) => json!({"status": "sent", "ids": receipt.native_ids}),
        Err(SendError::RetryAfter(pause)) => {
            json!({"error": "retry_after", "seconds": pause.as_secs()})
        }
        Err(SendError::Rejected { code, .. }) => json!({"error": "rejected", "code": code}),
        Err(SendError::Unauthorized(_)) => json!({"error": "unauthorized"}),
        Err(SendError::Transient(_)) => json!({"error": "transient"}),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_message_becomes_the_call_its_fixture_says() {
    for line in lines("message") {
        let name = &line["name"];
        let exchanges = line["http"].as_array().unwrap().clone();
        let far = FarPlatform::start().await.unwrap();
        let replies: Vec<Value> = exchanges.iter().map(|e| e["reply"].clone()).collect();
        let left = Mutex::new(replies.into_iter());
        far.on("/*", move |_: &Call| {
            let reply = left.lock().unwrap().next().unwrap();
            let status = u16::try_from(reply["status"].as_u64().unwrap()).unwrap();
            Reply::json(status, &reply["json"])
        });
        let channel = common::poller(&far.url()).await;
        let message = &line["message"];
        let content: Content = serde_json::from_value(json!({
            "parts": message["parts"],
            "choices": message.get("choices").unwrap_or(&json!([])),
            "quote": message["quote"],
        }))
        .unwrap();
        let mut outbound = fake::outbound(&common::account(), "", content);
        outbound.conversation = conversation(&message["conversation"]);
        let id = message["target"].as_str().unwrap_or_default().to_owned();
        outbound.op = match message["op"].as_str() {
            Some("typing") => SendOp::Typing,
            Some("edit") => SendOp::Edit { id },
            Some("delete") => SendOp::Delete { id },
            _ => SendOp::Send,
        };
        assert_eq!(
            ended(channel.send(&outbound).await),
            line["expect"],
            "{name}"
        );
        let calls: Vec<Value> = far
            .calls()
            .iter()
            .map(|call| json!({"url": format!("{API}{}", call.path), "json": call.json()}))
            .collect();
        let expected: Vec<Value> = exchanges.iter().map(|e| e["request"].clone()).collect();
        assert_eq!(calls, expected, "{name}");
    }
}
