//! Channels in one Luau file, on the real server: a platform that calls a webhook and is answered.
#![allow(clippy::unwrap_used)]

use std::{path::Path, time::Duration};

use axum::{Json, Router, extract::State, routing::post};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tandem_channel_script::prim::{codec, digest};
use tandem_tests::{
    command,
    server::{Server, Setup},
};
use tokio::sync::mpsc;

const BINARY: &str = env!("CARGO_BIN_EXE_tandem-under-test");
const SECRET: &str = "what the platform signs with";
const FLOWS: &str = r#"
version: 1
faqs:
  hours: {title: Hours, phrases: [when are you open], answer: hours}
responses:
  hours: We open at nine.
"#;

/// The platform: it takes messages and tells them to the test.
async fn platform() -> (String, mpsc::Receiver<Value>) {
    let (sent, received) = mpsc::channel(100);
    let take = async |State(sent): State<mpsc::Sender<Value>>, Json(message): Json<Value>| {
        sent.send(message).await.unwrap();
        Json(json!({"id": "n-1"}))
    };
    let router = Router::new()
        .route("/messages", post(take))
        .with_state(sent);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

async fn server(folder: &Path, api: &str) -> Server {
    let made = command::run(
        BINARY,
        &["channel", "new", "postbird", "--folder", "channels"],
        folder,
    );
    assert!(made.status.success());
    std::fs::create_dir(folder.join("pack")).unwrap();
    std::fs::write(
        folder.join("pack/pack.yaml"),
        "name: shop\nlocales: [en]\ntime_zone: UTC\n",
    )
    .unwrap();
    std::fs::write(folder.join("pack/main.flow.yaml"), FLOWS).unwrap();
    let setup = Setup {
        environment: vec![
            ("POSTBIRD_SECRET".into(), SECRET.into()),
            ("POSTBIRD_KEY".into(), "a key".into()),
        ],
        config: json!({"channels": {"postbird": {
            "file": folder.join("channels/postbird.luau"),
            "accounts": {"bird": {
                "signing_secret": {"env": "POSTBIRD_SECRET"},
                "api_key": {"env": "POSTBIRD_KEY"},
                "api": api,
            }},
        }}}),
        ..Setup::default()
    };
    Server::start_as(BINARY, &folder.join("pack"), setup)
        .await
        .unwrap()
}

async fn webhook(server: &Server, id: &str, secret: &str) -> StatusCode {
    let body = json!({
        "type": "message", "id": id, "sent_at": 1_760_000_000_000_i64,
        "from": {"id": "u-7", "name": "Ann"}, "text": "when are you open",
    })
    .to_string();
    let mac = digest::hmac(digest::Hash::Sha256, secret.as_bytes(), body.as_bytes()).unwrap();
    let request = server
        .http
        .post(format!("{}/hooks/postbird/bird", server.url))
        .header("x-signature", codec::hex_encode(&mac))
        .body(body);
    request.send().await.unwrap().status()
}

/// What the platform is sent next.
async fn next(platform: &mut mpsc::Receiver<Value>) -> String {
    let message = tokio::time::timeout(Duration::from_secs(20), platform.recv()).await;
    let message = message.unwrap().unwrap();
    assert_eq!(message["to"], "u-7");
    message["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_channel_answers_once_across_repeats_forgeries_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (api, mut platform) = platform().await;
    let mut server = server(folder.path(), &api).await;
    assert_eq!(webhook(&server, "m-1", SECRET).await, 200);
    assert_eq!(next(&mut platform).await, "We open at nine.");
    assert_eq!(webhook(&server, "m-0", "not the secret").await, 401);
    for _ in 0..2 {
        assert_eq!(webhook(&server, "m-1", SECRET).await, 200);
    }
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    for _ in 0..2 {
        assert_eq!(webhook(&server, "m-1", SECRET).await, 200);
    }
    // A lane answers in order: when this one's answer is here, no other is on its way.
    assert_eq!(webhook(&server, "m-2", SECRET).await, 200);
    assert_eq!(next(&mut platform).await, "We open at nine.");
    assert!(platform.try_recv().is_err());
}

#[tokio::test]
async fn a_saved_file_is_live_and_one_that_fails_its_fixtures_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (api, mut platform) = platform().await;
    let server = server(folder.path(), &api).await;
    let file = folder.path().join("channels/postbird.luau");
    let fixtures = folder.path().join("channels/postbird.fixtures.jsonl");
    let source = std::fs::read_to_string(&file).unwrap();
    let (from, to) = (
        "text = message.parts[1].text,",
        "text = \"> \" .. message.parts[1].text,",
    );
    assert!(source.contains(from));

    // The fixture still says otherwise, so nothing changes; then it agrees.
    std::fs::write(&file, source.replace(from, to)).unwrap();
    assert_eq!(webhook(&server, "m-1", SECRET).await, 200);
    assert_eq!(next(&mut platform).await, "We open at nine.");
    let lines = std::fs::read_to_string(&fixtures).unwrap();
    let agreed = lines.replace(
        "\"to\": \"u-7\", \"text\": \"",
        "\"to\": \"u-7\", \"text\": \"> ",
    );
    assert_ne!(lines, agreed);
    std::fs::write(&fixtures, agreed).unwrap();
    let mut n = 1;
    loop {
        n += 1;
        assert!(n < 500, "the saved file never came to life");
        assert_eq!(webhook(&server, &format!("m-{n}"), SECRET).await, 200);
        if next(&mut platform).await == "> We open at nine." {
            break;
        }
    }

    // One that lets everybody in is refused: the forgeries of its fixtures are not.
    let open = source
        .replace(from, to)
        .replace("return eq(", "return true or eq(");
    std::fs::write(&file, open).unwrap();
    assert_eq!(webhook(&server, "m-0", "not the secret").await, 401);
    assert_eq!(webhook(&server, "last", SECRET).await, 200);
    assert_eq!(next(&mut platform).await, "> We open at nine.");
}
