//! The way in by polling, against a Bot API that forgets what is confirmed.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};

use common::{account, error, far, method, ok, press, update};
use serde_json::{Value, json};
use tandem_channel_kit::{
    ChannelError, Inbox, InboxError, Stop,
    fake::{
        MemorySink,
        platform::{FarPlatform, Reply},
    },
};
use tandem_domain::message::InboundKind;

/// Lets the Bot API deliver these: whatever an offset confirms is gone.
fn deliver(far: &FarPlatform, updates: Vec<Value>) {
    let pending = Arc::new(Mutex::new(updates));
    far.on(&method("GetUpdates"), move |call| {
        let mut pending = pending.lock().unwrap();
        if let Some(offset) = call.json()["offset"].as_i64() {
            pending.retain(|update| update["update_id"].as_i64() >= Some(offset));
        }
        ok(&json!(*pending))
    });
}

/// Polls until the Bot API was asked for updates so often.
async fn poll(far: &FarPlatform, sink: &MemorySink, polls: usize) -> Result<(), ChannelError> {
    let channel = common::poller(&far.url()).await;
    let inbox = Inbox::new(account(), Arc::new(sink.clone()));
    let stop = Stop::new();
    let polls = polls + far.calls_to(&method("GetUpdates")).len();
    let until = async {
        far.wait_for(&method("GetUpdates"), polls).await;
        stop.stop();
    };
    tokio::select! {
        biased;
        ended = channel.run(inbox, stop.child()) => ended,
        () = async { until.await; std::future::pending().await } => unreachable!(),
    }
}

fn texts(sink: &MemorySink) -> Vec<String> {
    sink.events().iter().map(|event| event.text()).collect()
}

#[tokio::test]
async fn nothing_is_confirmed_before_it_is_committed() {
    let far = far().await;
    let batch = (1..=5).map(|n| update(n, 5, &format!("m{n}"))).collect();
    deliver(&far, batch);
    let sink = MemorySink::new();
    sink.fail_next(InboxError::Unavailable("locked".into()));
    let ended = poll(&far, &sink, 9).await;
    assert!(matches!(ended, Err(ChannelError::Lost(_))), "{ended:?}");
    let asked = far.calls_to(&method("GetUpdates"));
    assert!(asked.iter().all(|call| call.json().get("offset").is_none()));

    // A start that is cut off after the commit and before the next question.
    assert!(poll(&far, &sink, 1).await.is_ok());
    assert_eq!(texts(&sink), ["m1", "m2", "m3", "m4", "m5"]);
    // What comes again is known.
    assert!(poll(&far, &sink, 2).await.is_ok());
    assert_eq!(sink.events().len(), 5);
    let asked = far.calls_to(&method("GetUpdates"));
    assert_eq!(asked.last().unwrap().json()["offset"], 6);
    let first = asked[0].json();
    let kinds = [
        "message",
        "edited_message",
        "callback_query",
        "message_reaction",
        "my_chat_member",
    ];
    assert_eq!(first["allowed_updates"], json!(kinds));
}

#[tokio::test]
async fn a_poisoned_update_is_kept_and_stops_nothing() {
    let far = far().await;
    let mut odd = update(2, 5, "x");
    odd["message"]["chat"] = json!("nowhere");
    // The inbox takes no empty value, whatever else comes with it.
    let empty = press(4, 5, "q4", &"v".repeat(5000));
    let batch = vec![
        update(1, 5, "first"),
        odd,
        json!({"update_id": 3, "telepathy": {}}),
        empty,
        json!("what is this"),
        update(5, 5, "last"),
    ];
    deliver(&far, batch);
    let sink = MemorySink::new();
    assert!(poll(&far, &sink, 2).await.is_ok());
    assert_eq!(texts(&sink), ["first", "last"]);
    let unknown = sink.unknown();
    let kept: Vec<&str> = unknown.iter().map(|(_, why, _)| why.as_str()).collect();
    assert_eq!(kept.len(), 4, "{kept:?}");
    let bytes = String::from_utf8_lossy(&unknown[0].2);
    assert!(bytes.contains("nowhere"), "{bytes}");
}

#[tokio::test]
async fn a_press_is_acknowledged_once_it_is_committed() {
    let far = far().await;
    deliver(
        &far,
        vec![press(1, 5, "q1", "yes"), press(2, 5, "q2", "no")],
    );
    // Telegram may be tired of it; the press counts all the same.
    far.next(
        &method("AnswerCallbackQuery"),
        error(400, "Bad Request: query is too old"),
    );
    let sink = MemorySink::new();
    sink.fail_next(InboxError::Full("no room".into()));
    assert!(poll(&far, &sink, 9).await.is_err());
    assert!(far.calls_to(&method("AnswerCallbackQuery")).is_empty());
    assert!(poll(&far, &sink, 2).await.is_ok());
    let answered = far.calls_to(&method("AnswerCallbackQuery"));
    assert_eq!(answered.len(), 2);
    let kinds: Vec<InboundKind> = sink.events().into_iter().map(|event| event.kind).collect();
    let action = |value: &str| InboundKind::Action {
        value: value.to_owned(),
        label: None,
    };
    assert_eq!(kinds, [action("yes"), action("no")]);
}

#[tokio::test]
async fn every_end_of_a_poll_says_what_it_is() {
    let lost = |reply: Reply| async {
        let far = far().await;
        far.on(&method("GetUpdates"), move |_| reply.clone());
        match poll(&far, &MemorySink::new(), 9).await {
            Err(ChannelError::Lost(why)) => why.to_string(),
            other => format!("{other:?}"),
        }
    };
    let conflict = error(409, "Conflict: terminated by other getUpdates request");
    assert!(lost(conflict).await.contains("another program"));
    assert!(lost(Reply::Cut).await.contains("broke the connection"));
    assert!(
        lost(error(502, "Bad Gateway"))
            .await
            .contains("out of order")
    );
    assert!(lost(Reply::text(200, "hello")).await.contains("status 200"));

    for (code, description) in [(401, "Unauthorized"), (404, "Not Found")] {
        let far = far().await;
        far.on(&method("GetMe"), move |_| error(code, description));
        let ended = poll(&far, &MemorySink::new(), 9).await;
        let Err(ChannelError::Unauthorized(why)) = ended else {
            panic!("{ended:?}");
        };
        assert!(
            why.contains("@BotFather") && !why.contains("tandem-token"),
            "{why}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn telegram_s_wish_for_patience_is_kept() {
    let far = far().await;
    let tired = json!({
        "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 9",
        "parameters": {"retry_after": 9},
    });
    far.next(&method("GetUpdates"), Reply::json(429, &tired));
    let begun = tokio::time::Instant::now();
    assert!(poll(&far, &MemorySink::new(), 2).await.is_ok());
    assert!(begun.elapsed().as_secs() >= 9);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_bot_forgets_where_it_was() {
    let far = far().await;
    deliver(&far, vec![update(1000, 5, "one")]);
    let sink = MemorySink::new();
    assert!(poll(&far, &sink, 3).await.is_ok());
    let asked = far.calls_to(&method("GetUpdates"));
    let offsets: Vec<Value> = asked
        .iter()
        .map(|call| call.json()["offset"].clone())
        .collect();
    assert_eq!(offsets, [Value::Null, json!(1001), Value::Null]);
}
