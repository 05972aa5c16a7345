//! What becomes of a webhook request.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::Ordering::Relaxed;

use axum::{body::Body, http::Request};
use common::{House, NOW, SECRET, message, post, sign, signed};
use serde_json::json;
use tandem_channel_kit::{Channel as _, InboxError, Stop, fake};
use tandem_channel_script::Reload;
use tandem_domain::message::ConversationKind;
use tower::ServiceExt as _;

fn events(list: &[serde_json::Value]) -> String {
    json!({"events": list}).to_string()
}

#[tokio::test]
async fn a_signed_request_is_committed_once_however_often_it_comes() {
    let house = House::new().await;
    let router = house.router();
    let body = events(&[message("1", "hello"), message("2", "there")]);
    for _ in 0..4 {
        assert_eq!(
            signed(&router, &body).await,
            (200.try_into().unwrap(), String::new())
        );
    }
    let texts: Vec<String> = house.sink.events().iter().map(|e| e.text()).collect();
    assert_eq!(texts, ["hello", "there"]);
}

#[tokio::test]
async fn a_request_that_is_not_the_platforms_is_refused_and_does_nothing() {
    let house = House::new().await;
    let router = house.router();
    let body = events(&[message("1", "hello")]);
    let good = sign(SECRET, &body);
    for (body, signature) in [
        (body.as_str(), ""),
        (&body, &good[1..]),
        (&body, &sign("another secret", &body)),
        (&body.replace("hello", "hallo"), &good),
    ] {
        let (status, _) = post(&router, "/hooks/test/a", body, signature).await;
        assert_eq!(status, 401);
    }
    let unsigned = Request::get("/hooks/test/a").body(Body::empty()).unwrap();
    assert_eq!(
        router.clone().oneshot(unsigned).await.unwrap().status(),
        401
    );
    let long = events(&[message("1", &"x".repeat(10_000))]);
    assert_eq!(signed(&router, &long).await.0, 413);
    assert!(house.sink.events().is_empty());
    assert!(house.sink.unknown().is_empty());
}

#[tokio::test]
async fn what_is_signed_and_not_understood_is_kept_and_acknowledged() {
    let house = House::new().await;
    let router = house.router();
    for body in [
        "{}",
        "not json",
        r#"{"crash": 1}"#,
        r#"{"events": [{"id": "x"}]}"#,
        r#"{"events": "some"}"#,
    ] {
        assert_eq!(signed(&router, body).await.0, 200, "{body}");
    }
    let kept = house.sink.unknown();
    assert_eq!(kept.len(), 5);
    assert!(kept.iter().any(|(_, why, _)| why.contains("test.luau:")));
    assert!(kept.iter().any(|(_, _, body)| body == b"not json"));
    assert!(house.sink.events().is_empty());
    // Where it cannot be kept, the platform keeps it.
    house.sink.fail_next(InboxError::Full("disk".into()));
    assert_eq!(signed(&router, "[]").await.0, 503);
}

#[tokio::test]
async fn what_cannot_be_committed_is_left_to_the_platform() {
    let house = House::new().await;
    let router = house.router();
    let body = events(&[message("1", "hello")]);
    for error in [
        InboxError::Unavailable("busy".into()),
        InboxError::Full("disk".into()),
        InboxError::Failed("bad".into()),
    ] {
        house.sink.fail_next(error);
        assert_eq!(signed(&router, &body).await.0, 503);
    }
    assert_eq!(signed(&router, &body).await.0, 200);
    assert_eq!(house.sink.events().len(), 1);
}

#[tokio::test]
async fn a_signed_challenge_is_answered_in_the_files_words() {
    let house = House::new().await;
    let answer = signed(&house.router(), r#"{"challenge": "abc"}"#).await;
    assert_eq!(answer, (202.try_into().unwrap(), "abc".to_owned()));
}

#[tokio::test]
async fn a_handshake_answers_before_anything_is_verified() {
    let more = r#"handshake = function(r, c)
        if r.method == "GET" and eq(r.query.token, c.secret) then return {body = r.query.echo} end
    end,"#;
    let house = House::with("", more, "http://127.0.0.1:9").await;
    let router = house.router();
    let get = async |query: &str| {
        let request = Request::get(format!("/hooks/test/a?{query}"));
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap());
        response.await.unwrap().status()
    };
    assert_eq!(get("token=a%20secret+of%20this%20test&echo=1").await, 200);
    assert_eq!(get("token=wrong&echo=1").await, 401);
    assert_eq!(signed(&router, &events(&[message("1", "hi")])).await.0, 200);
}

#[tokio::test]
async fn an_old_signature_is_refused_a_repeated_one_is_a_duplicate() {
    let caps = r#"replay = {timestamp = "x-time", unit = "s", window = 300},"#;
    let house = House::with("--CAPS", "", "http://127.0.0.1:9").await;
    house.save("--CAPS", caps);
    // The file's fixture has no time, so it cannot be loaded: its good request is stale.
    assert!(matches!(house.script.reload().await, Reload::Refused(_)));
    house.save(
        "hmac_sha256(c.secret, r.body)",
        "hmac_sha256(c.secret, (r.headers[\"x-time\"] or \"\") .. r.body)",
    );
    let line = json!({
        "name": "nothing", "config": {"secret": "s", "api": "https://api.example.com"}, "now": NOW,
        "request": {
            "headers": {"X-Signature": sign("s", "1760000000{\"events\":[]}"), "X-Time": "1760000000"},
            "body": "{\"events\":[]}",
        },
        "expect": {},
    });
    let path = house.folder.path().join("test.fixtures.jsonl");
    let kept = std::fs::read_to_string(&path).unwrap();
    let send = kept.lines().nth(1).unwrap();
    std::fs::write(&path, format!("{line}\n{send}\n")).unwrap();
    let reloaded = house.script.reload().await;
    assert_eq!(reloaded, Reload::Swapped);

    let router = house.router();
    let body = events(&[message("1", "hi")]);
    let at = async |time: &str| {
        let request = Request::post("/hooks/test/a")
            .header("x-time", time)
            .header("x-signature", sign(SECRET, &format!("{time}{body}")))
            .body(Body::from(body.clone()))
            .unwrap();
        router.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(at("1760000000").await, 200);
    assert_eq!(at("1760000000").await, 200);
    assert_eq!(at("1759999699").await, 401);
    assert_eq!(at("+1760000000").await, 401);
    house.clock.store(NOW + 301_000, Relaxed);
    assert_eq!(at("1760000000").await, 401);
    assert_eq!(house.sink.events().len(), 1);
}

#[tokio::test]
async fn an_address_selects_its_account_when_that_one_would_accept_the_request_too() {
    let house = House::new().await;
    for (address, id) in [("+1", "a"), ("+2", "b"), ("+3", "c")] {
        house.sink.know(address, fake::account("test", id));
    }
    let (first, inbox) = house.channel("a", SECRET, Some("+1"));
    let router = first.routes(inbox);
    let (same, inbox) = house.channel("b", SECRET, Some("+2"));
    let _routes = same.routes(inbox);
    let (other, inbox) = house.channel("c", "another secret", Some("+3"));
    let _routes = other.routes(inbox);
    let to = |id: &str, address: &str| {
        let mut event = message(id, "hi");
        event["account"] = json!(address);
        event
    };
    let body = events(&[
        to("1", "+2"),
        to("2", "+1"),
        to("3", "+3"),
        to("4", "+4"),
        message("5", "hi"),
    ]);
    assert_eq!(signed(&router, &body).await.0, 200);
    let mut found: Vec<(String, String)> = house
        .sink
        .events()
        .iter()
        .map(|e| (e.id.clone(), e.account.to_string()))
        .collect();
    found.sort();
    let expected = [("1", "b"), ("2", "a"), ("5", "a")];
    assert_eq!(found, expected.map(|(i, a)| (i.to_owned(), a.to_owned())));
    // One that no account has, one whose account does not take this signature.
    assert_eq!(house.sink.unknown().len(), 2);
}

#[tokio::test]
async fn a_conversations_kind_is_looked_up_where_the_platform_leaves_it_out() {
    let house = House::new().await;
    let router = house.router();
    let mut group = message("1", "hi");
    group["conversation"]["kind"] = json!("group");
    let mut silent = message("2", "hi");
    silent["conversation"] = json!({"id": "c"});
    let mut unknown = message("3", "hi");
    unknown["conversation"] = json!({"id": "d"});
    let body = events(&[group, silent.clone(), unknown]);
    assert_eq!(signed(&router, &body).await.0, 200);
    // After a restart, too.
    let router = house.router();
    silent["id"] = json!("4");
    assert_eq!(signed(&router, &events(&[silent])).await.0, 200);
    let kinds: Vec<ConversationKind> = house
        .sink
        .events()
        .iter()
        .map(|e| e.conversation.kind)
        .collect();
    use ConversationKind::{Dm, Group};
    assert_eq!(kinds, [Group, Group, Dm, Group]);
}

#[tokio::test]
async fn a_stopped_channel_takes_nothing_more() {
    let house = House::new().await;
    let (channel, inbox) = house.channel("a", SECRET, None);
    let router = channel.routes(inbox.clone());
    let stop = Stop::new();
    stop.stop();
    channel.run(inbox, stop).await.unwrap();
    assert_eq!(signed(&router, &events(&[])).await.0, 503);
}

#[tokio::test]
async fn a_saved_file_is_live_and_a_broken_one_changes_nothing() {
    let house = House::new().await;
    let router = house.router();
    house.save("status = 202", "status = 203");
    assert_eq!(house.script.reload().await, Reload::Swapped);
    assert_eq!(house.script.reload().await, Reload::Unchanged);
    let challenge = r#"{"challenge": "abc"}"#;
    assert_eq!(signed(&router, challenge).await.0, 203);
    for (from, to) in [
        ("status = 203", "status = "),
        ("verify =", "verifi ="),
        ("return eq(", "return nil and eq("),
        ("return eq(", "return true or eq("),
        ("max = 2000", "max = 0"),
        (
            "secret = \"secret\"",
            "secret = \"secret\", more = \"string?\", \"x\"",
        ),
        (
            "secret = \"secret\"",
            "secret = \"secret\", more = \"secret\"",
        ),
    ] {
        house.save(from, to);
        let outcome = house.script.reload().await;
        assert!(matches!(outcome, Reload::Refused(_)), "{to}: {outcome:?}");
        assert_eq!(signed(&router, challenge).await.0, 203);
        house.save(to, from);
    }
}

#[tokio::test]
async fn fifty_requests_at_once_are_all_taken() {
    let house = House::new().await;
    let router = house.router();
    let many = (0..50).map(|i| {
        let router = router.clone();
        async move {
            let body = events(&[message(&i.to_string(), "hi")]);
            signed(&router, &body).await.0
        }
    });
    let answers = futures::future::join_all(many).await;
    assert!(answers.iter().all(|status| *status == 200));
    assert_eq!(house.sink.events().len(), 50);
}
