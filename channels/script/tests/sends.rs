//! What becomes of a message on its way out.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use common::{House, NOW, SECRET};
use serde_json::{Value, json};
use tandem_channel_kit::{Channel as _, fake};
use tandem_channel_script::ScriptChannel;
use tandem_domain::{
    channel::{Receipt, SendError},
    message::{Choice, ChoiceStyle, Content, Media, MediaKind, Outbound, Part, ReplyUse, SendOp},
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{header, method, path},
};

fn outbound(text: &str) -> Outbound {
    fake::outbound(&fake::account("test", "a"), "c", Content::text(text))
}

async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/send"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

async fn sent(answer: ResponseTemplate, text: &str) -> (Result<Receipt, SendError>, Vec<Request>) {
    let server = answering(answer).await;
    let house = House::with("", "", &server.uri()).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let result = channel.send(&outbound(text)).await;
    (result, server.received_requests().await.unwrap())
}

fn ok() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"ids": ["n1", 2]}))
}

#[tokio::test]
async fn a_message_reaches_the_platform_as_the_file_says() {
    let (result, requests) = sent(ok(), "hello").await;
    assert_eq!(result.unwrap().native_ids, ["n1", "2"]);
    let body: Value = requests[0].body_json().unwrap();
    assert_eq!(body["parts"], json!([{"type": "text", "text": "hello"}]));
    assert_eq!(body["conversation"], json!({"kind": "dm", "id": "c"}));
    assert_eq!(body["op"], "send");
    assert_eq!(body["key22"].as_str().unwrap().len(), 22);
}

#[tokio::test]
async fn answers_become_errors_the_outbox_understands() {
    let status = ResponseTemplate::new;
    let (result, _) = sent(status(429).insert_header("retry-after", "7"), "x").await;
    assert!(matches!(result, Err(SendError::RetryAfter(d)) if d == Duration::from_secs(7)));
    let (result, _) = sent(status(400), "x").await;
    assert!(matches!(result, Err(SendError::Rejected { code, .. }) if code == "400"));
    let (result, _) = sent(status(401), "x").await;
    assert!(matches!(result, Err(SendError::Unauthorized(_))));
    let (result, _) = sent(status(503), "x").await;
    assert!(
        matches!(result, Err(SendError::Uncertain(_))),
        "no key: it may have been taken"
    );
    let (result, _) = sent(status(503), "keyed").await;
    assert!(
        matches!(result, Err(SendError::Transient(_))),
        "with a key it may be repeated"
    );
}

#[tokio::test]
async fn nothing_that_may_have_arrived_is_ever_sent_again() {
    let (result, requests) = sent(ok(), "twice").await;
    assert!(matches!(result, Err(SendError::Uncertain(_))), "{result:?}");
    assert_eq!(requests.len(), 1);
    let (result, requests) = sent(ok(), "broken").await;
    assert!(matches!(result, Err(SendError::Uncertain(_))), "{result:?}");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_file_reaches_its_hosts_only_and_stops_when_its_time_is_up() {
    let (result, requests) = sent(ok(), "elsewhere").await;
    assert!(matches!(result, Err(SendError::Rejected { code, .. }) if code == "refused"));
    assert!(requests.is_empty());
    let (result, _) = sent(ok(), "spin").await;
    assert!(matches!(result, Err(SendError::Transient(_))), "{result:?}");
}

#[tokio::test]
async fn a_platform_that_is_away_costs_nothing_but_time() {
    let house = House::with("", "", "http://127.0.0.1:1").await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let result = channel.send(&outbound("x")).await;
    assert!(matches!(result, Err(SendError::Transient(_))), "{result:?}");
}

/// A file with tokens; the platform takes the token `good` only.
async fn with_tokens(values: &'static [&'static str]) -> (House, MockServer, Arc<AtomicU32>) {
    let server = MockServer::start().await;
    let fetched = Arc::new(AtomicU32::new(0));
    let count = fetched.clone();
    Mock::given(path("/token"))
        .respond_with(move |_: &Request| {
            let n = count.fetch_add(1, Relaxed) as usize;
            let value = values[n.min(values.len() - 1)];
            ResponseTemplate::new(200)
                .set_body_json(json!({"token": value, "expires_in": 100}))
                .set_delay(Duration::from_millis(20))
        })
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/send"))
        .and(header("authorization", "good"))
        .respond_with(ok())
        .mount(&server)
        .await;
    Mock::given(path("/send"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&server)
        .await;
    let more = r#"acquire_token = function(c)
        local r = http {url = c.api .. "/token", method = "POST"}
        return {value = r.json.token, expires_in = r.json.expires_in}
    end,"#;
    let house = House::with("", more, &server.uri()).await;
    (house, server, fetched)
}

async fn fifty(channel: &ScriptChannel) -> Vec<Result<Receipt, SendError>> {
    let messages: Vec<Outbound> = (0..50).map(|_| outbound("x")).collect();
    futures::future::join_all(messages.iter().map(|m| channel.send(m))).await
}

#[tokio::test]
async fn fifty_sends_share_one_token_and_its_renewal() {
    let (house, _server, fetched) = with_tokens(&["good"]).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    assert!(fifty(&channel).await.iter().all(Result::is_ok));
    assert_eq!(fetched.load(Relaxed), 1);
    house.clock.store(NOW + 80_000, Relaxed);
    assert!(fifty(&channel).await.iter().all(Result::is_ok));
    assert_eq!(fetched.load(Relaxed), 2);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_within_the_send() {
    let (house, _server, fetched) = with_tokens(&["old", "good"]).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    assert!(fifty(&channel).await.iter().all(Result::is_ok));
    assert_eq!(fetched.load(Relaxed), 2);
}

#[tokio::test]
async fn a_credential_refused_twice_is_the_accounts_trouble() {
    let (house, server, _) = with_tokens(&["old"]).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let result = channel.send(&outbound("x")).await;
    assert!(matches!(result, Err(SendError::Unauthorized(why)) if why == "revoked"));
    let sends = server.received_requests().await.unwrap();
    let sends = sends.iter().filter(|r| r.url.path() == "/send").count();
    assert_eq!(sends, 2);
}

#[tokio::test]
async fn an_operation_the_platform_lacks_is_refused_without_a_call() {
    let house = House::new().await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let mut message = outbound("x");
    message.op = SendOp::Delete { id: "n".into() };
    let result = channel.send(&message).await;
    assert!(matches!(result, Err(SendError::Rejected { code, .. }) if code == "unsupported"));
    message.op = SendOp::Typing;
    assert_eq!(channel.send(&message).await.unwrap(), Receipt::default());
}

#[tokio::test]
async fn what_the_outbox_claimed_and_knows_reaches_the_file() {
    let server = answering(ok()).await;
    let house = House::with("", "", &server.uri()).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let mut message = outbound("x");
    message.conversation.thread = Some("t".into());
    message.op = SendOp::Edit { id: "n".into() };
    message.choice_style = Some(ChoiceStyle::QuickReplies);
    message.content.choices = vec![Choice {
        label: "Yes".into(),
        value: "y".into(),
        url: None,
    }];
    message.last_inbound_id = Some("m".into());
    message.reply_context = Some(ReplyUse {
        token: "r".into(),
        number: 2,
    });
    channel.send(&message).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let body: Value = requests[0].body_json().unwrap();
    for (name, expected) in [
        ("op", json!("edit")),
        ("target", json!("n")),
        (
            "conversation",
            json!({"kind": "dm", "id": "t", "parent": "c"}),
        ),
        ("choice_style", json!("quick_replies")),
        ("choices", json!([{"label": "Yes", "value": "y"}])),
        ("last_inbound_id", json!("m")),
        ("reply_context", json!({"token": "r", "use": 2})),
        ("uuid", json!(message.uuid.to_string())),
        ("key22", json!(message.key22())),
    ] {
        assert_eq!(body[name], expected, "{name}");
    }
}

#[tokio::test]
async fn a_medium_that_came_with_an_address_is_sent_by_it() {
    let server = answering(ok()).await;
    let house = House::with("", "", &server.uri()).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let link = "https://help.example.test/files/default/f?s=x";
    let medium = Part::Media(Media {
        media: MediaKind::Image,
        reference: link.to_owned(),
        mime: "image/png".into(),
        name: None,
        size: Some(3),
        alt: None,
    });
    let message = Outbound {
        content: Content {
            parts: vec![Part::text("x"), medium],
            ..Content::default()
        },
        ..outbound("")
    };
    channel.send(&message).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let body: Value = requests[0].body_json().unwrap();
    assert_eq!(body["parts"][1]["url"], link);
}

#[tokio::test]
async fn a_medium_is_fetched_over_redirects_without_handing_the_credential_on() {
    let (platform, store) = (MockServer::start().await, MockServer::start().await);
    let there = format!("{}/x", store.uri());
    Mock::given(path("/media/9"))
        .and(header("authorization", "Bearer key"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", there.as_str()))
        .mount(&platform)
        .await;
    Mock::given(path("/x"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes([1, 2, 3]))
        .mount(&store)
        .await;
    let more = r#"fetch_media = function(part, c)
        return {url = c.api .. "/media/" .. part.ref, headers = {authorization = "Bearer key"}}
    end,"#;
    let media = Media {
        media: MediaKind::Image,
        reference: "9".into(),
        mime: "image/*".into(),
        name: None,
        size: None,
        alt: None,
    };
    let house = House::with(r#"hosts = {"127.0.0.1"},"#, more, &platform.uri()).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let fetched = channel.fetch(&media).await.unwrap();
    assert_eq!(&fetched.bytes[..], [1, 2, 3]);
    let asked = store.received_requests().await.unwrap();
    assert!(!asked[0].headers.contains_key("authorization"));

    // A redirect leads no further than the file's hosts.
    let house = House::with("", more, &platform.uri()).await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    assert!(channel.fetch(&media).await.is_err());
    assert_eq!(store.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_medium_on_a_host_the_file_does_not_name_says_where_to_name_it() {
    let house = House::new().await;
    let (channel, _inbox) = house.channel("a", SECRET, None);
    let media = Media {
        media: MediaKind::Image,
        reference: "https://pics.nowhere.example/1.jpg".to_owned(),
        mime: "image/*".to_owned(),
        name: None,
        size: None,
        alt: None,
    };
    let said = channel.fetch(&media).await.unwrap_err().to_string();
    assert!(said.contains("pics.nowhere.example"), "{said}");
    assert!(
        said.contains("add the host to caps.hosts of test.luau"),
        "{said}"
    );
}
