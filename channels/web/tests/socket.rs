//! The live connection.
#![allow(clippy::unwrap_used)]

mod common;

use std::{collections::HashSet, time::Duration};

use common::{Client, Rig, SHOP, config, line};
use serde_json::json;
use tandem_channel_kit::{InboxError, fake::MemorySink};
use tandem_channel_web::config::Limits;
use tandem_domain::message::{Author, Content, Delivery, InboundKind};
use tokio_tungstenite::tungstenite::Message as Ws;

#[tokio::test]
async fn a_conversation_is_live() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    client.say("c1", "hello").await;
    let ack = client.until("ack").await;
    assert_eq!(
        (ack["client_id"].as_str(), ack["duplicate"].as_bool()),
        (Some("c1"), Some(false))
    );
    let lines = client.lines(2).await;
    assert_eq!(lines[1], ("bot".to_owned(), "You said: hello".to_owned()));
    client
        .send(json!({"type": "action", "client_id": "c2", "value": "v9", "label": "Nine"}))
        .await;
    assert_eq!(
        client.lines(2).await,
        [
            ("contact".to_owned(), "Nine".to_owned()),
            ("bot".to_owned(), "You pressed: v9".to_owned())
        ]
    );
    client.send(json!({"type": "ping"})).await;
    client.until("pong").await;
}

#[tokio::test]
async fn a_person_answers_and_is_seen_typing() {
    let rig = Rig::with(config(), MemorySink::new());
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    client.say("c1", "hello").await;
    client.until("message").await;
    let lane = rig.sink.events()[0].lane(&Default::default());
    rig.inbox.typing(lane, false);
    rig.inbox.typing(lane, true);
    client.until("typing").await;
    let ann = Author::Agent {
        id: "a-17".to_owned(),
        name: Some("Ann".to_owned()),
    };
    rig.sink.say(lane, ann, Content::text("Hi"));
    let said = client.until("message").await;
    assert_eq!(said["author"], json!({"kind": "agent", "name": "Ann"}));
    client.send(json!({"type": "read", "id": said["id"]})).await;
    client.send(json!({"type": "ping"})).await;
    client.until("pong").await;
    assert_eq!(rig.sink.receipts()[0].2, Delivery::Read);
}

#[tokio::test]
async fn a_reconnect_loses_and_doubles_nothing() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut seen = HashSet::new();
    let mut texts = Vec::new();
    let mut cursor: Option<String> = None;
    // Each round: connect, send this round's message and the last one's again, read a little,
    // and drop the connection without a word.
    for round in 0..12 {
        let mut client = Client::hello(address, &token, cursor.as_deref()).await;
        if round > 0 {
            client
                .say(&format!("c{}", round - 1), &format!("m{}", round - 1))
                .await;
        }
        client.say(&format!("c{round}"), &format!("m{round}")).await;
        for _ in 0..round % 4 {
            let frame = client.next().await;
            if frame["type"] == "message" {
                assert!(seen.insert(frame["id"].to_string()), "doubled: {frame}");
                cursor = Some(frame["id"].as_str().unwrap().to_owned());
                texts.push(line(&frame).1);
            }
        }
    }
    let mut client = Client::hello(address, &token, cursor.as_deref()).await;
    client.say("c11", "m11").await;
    while texts.len() < 24 {
        let frame = client.until("message").await;
        assert!(seen.insert(frame["id"].to_string()), "doubled: {frame}");
        texts.push(line(&frame).1);
    }
    let expected: HashSet<String> = (0..12)
        .flat_map(|n| [format!("m{n}"), format!("You said: m{n}")])
        .collect();
    assert_eq!(texts.iter().cloned().collect::<HashSet<_>>(), expected);
    assert_eq!(rig.sink.events().len(), 12);
}

#[tokio::test]
async fn what_was_missed_comes_in_order_over_several_pages() {
    let rig = Rig::with(config(), MemorySink::new());
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    client.say("c", "start").await;
    let first = client.until("message").await;
    drop(client);
    let lane = rig.sink.events()[0].lane(&Default::default());
    for n in 0..350 {
        rig.sink
            .say(lane, Author::Bot, Content::text(n.to_string()));
    }
    let mut client = Client::hello(address, &token, first["id"].as_str()).await;
    for (n, (_, text)) in client.lines(350).await.into_iter().enumerate() {
        assert_eq!(text, n.to_string());
    }
}

#[tokio::test]
async fn a_second_tab_sees_everything() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut one = Client::hello(address, &token, None).await;
    let mut two = Client::hello(address, &token, None).await;
    one.say("c1", "hello").await;
    assert_eq!(one.lines(2).await, two.lines(2).await);
}

#[tokio::test]
async fn bad_tokens_and_origins_do_not_get_in() {
    let rig = Rig::new();
    let address = rig.serve().await;
    assert!(Client::from(address, "https://evil.example").await.is_err());
    for hello in [
        json!({"type": "hello", "token": "forged"}),
        json!({"type": "hello", "token": "v1.k1.e30.AAAA"}),
    ] {
        let mut client = Client::open(address).await;
        client.send(hello).await;
        assert_eq!(u16::from(client.closed().await.unwrap().code), 4401);
    }
    let mut client = Client::open(address).await;
    client.say("c", "no hello").await;
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1008);
}

#[tokio::test]
async fn malformed_frames_are_answered_and_the_connection_stays() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    for bad in [
        "",
        "{",
        "null",
        "[]",
        "{\"type\":\"nothing\"}",
        "{\"type\":\"message\"}",
        "{\"type\":\"message\",\"client_id\":5}",
        "{\"type\":\"page\",\"url\":\"javascript:1\"}",
        "{\"type\":\"read\",\"id\":\"x\"}",
        "\"\\ud800\"",
        &"[".repeat(50_000),
        &"{\"type\":".repeat(5000),
    ] {
        client.raw(Ws::text(bad.to_owned())).await;
        let error = client.until("error").await;
        assert!(
            error["code"].as_str().unwrap().starts_with("bad_"),
            "{bad}: {error}"
        );
    }
    client.say("c1", "still here").await;
    client.until("ack").await;
}

#[tokio::test]
async fn oversize_frames_end_the_connection() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    for bytes in [70_000, 1_000_000, 1_048_576] {
        let mut client = Client::hello(address, &token, None).await;
        client.raw(Ws::text("x".repeat(bytes))).await;
        assert_eq!(
            u16::from(client.closed().await.unwrap().code),
            1009,
            "{bytes}"
        );
    }
    let mut client = Client::hello(address, &token, None).await;
    client.raw(Ws::binary(vec![0; 10])).await;
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1003);
    let mut client = Client::open(address).await;
    client.raw(Ws::text("x".repeat(1_000_000))).await;
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1009);
}

#[tokio::test]
async fn a_flood_is_slowed_and_the_connection_stays() {
    let mut config = config();
    config.limits = Limits {
        per_second: 50.0,
        ..Limits::default()
    };
    let rig = Rig::with(config, MemorySink::new());
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    for n in 0..24 {
        client.say(&format!("c{n}"), "x").await;
    }
    let error = client.until("error").await;
    assert_eq!(error["code"], "rate_limited");
    assert!(error["retry_after_ms"].as_u64().unwrap() <= 20);
    // What was not acknowledged is sent again, as the widget does.
    let mut acked = HashSet::new();
    while acked.len() < 24 {
        for n in (0..24)
            .filter(|n| !acked.contains(&format!("c{n}")))
            .collect::<Vec<_>>()
        {
            client.say(&format!("c{n}"), "x").await;
            let frame = loop {
                let frame = client.next().await;
                if frame["type"] != "message" {
                    break frame;
                }
            };
            if frame["type"] == "ack" {
                acked.insert(frame["client_id"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(rig.sink.events().len(), 24);
}

#[tokio::test]
async fn a_store_that_is_full_is_said_in_a_frame() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    rig.sink.fail_next(InboxError::Full("x".to_owned()));
    client.say("c1", "hello").await;
    let error = client.until("error").await;
    assert_eq!(
        (error["code"].as_str(), error["client_id"].as_str()),
        (Some("unavailable"), Some("c1"))
    );
    client.say("c1", "hello").await;
    assert_eq!(client.until("ack").await["duplicate"], false);
}

#[tokio::test]
async fn pages_are_reported_without_what_is_after_the_hash() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    client
        .send(json!({"type": "page", "url": "https://shop.example/lamp?x=1#secret", "seconds": 30}))
        .await;
    client.send(json!({"type": "ping"})).await;
    client.until("pong").await;
    let InboundKind::System { name, data } = &rig.sink.events()[0].kind else {
        panic!("not a system event");
    };
    assert_eq!(name, "page");
    assert_eq!(
        *data,
        json!({"url": "https://shop.example/lamp?x=1", "seconds": 30})
    );
}

#[tokio::test]
async fn one_address_opens_only_so_many() {
    let mut config = config();
    config.limits.connections_per_ip = 2;
    let rig = Rig::with(config, MemorySink::new());
    let address = rig.serve().await;
    let one = Client::from(address, SHOP).await.unwrap();
    let _two = Client::from(address, SHOP).await.unwrap();
    assert!(Client::from(address, SHOP).await.is_err());
    assert_eq!(rig.channel.connections(), 2);
    drop(one);
    while Client::from(address, SHOP).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn shutting_down_says_goodbye() {
    let rig = Rig::new();
    let address = rig.serve().await;
    let token = rig.session().await;
    let mut client = Client::hello(address, &token, None).await;
    let (stop, task) = rig.run();
    stop.stop();
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1001);
    tokio::time::timeout(Duration::from_secs(10), task)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rig.channel.connections(), 0);
}
