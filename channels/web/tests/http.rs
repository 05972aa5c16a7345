//! The endpoints that are plain requests.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, atomic::Ordering};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use common::{NOW, Rig, SHOP, config};
use serde_json::{Value, json};
use tandem_channel_kit::{InboxError, conformance, fake, fake::MemorySink};
use tandem_channel_web::{WebChannel, config::Limits};
use tandem_domain::message::{Author, Content, InboundKind};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

#[tokio::test]
async fn the_channel_conforms() {
    let account = fake::account("web", "shop");
    let channel = WebChannel::new(account.clone(), config()).unwrap();
    conformance::check(Arc::new(channel), &account, "visitor")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_message_is_answered_within_the_request() {
    let rig = Rig::new();
    let token = rig.session().await;
    let said = json!({"client_id": "c1", "text": "hello", "locale": "zh-CN"});
    let answer = rig.post("/web/shop/messages?wait=5000", &token, said).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    let texts: Vec<_> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(common::line)
        .collect();
    assert_eq!(texts[0], ("contact".to_owned(), "hello".to_owned()));
    assert_eq!(texts[1], ("bot".to_owned(), "You said: hello".to_owned()));
    assert_eq!(body["messages"][0]["client_id"], "c1");
    assert_eq!(body["cursor"], body["messages"][1]["id"]);
    let event = &rig.sink.events()[0];
    assert_eq!(event.sender.locale.as_ref().unwrap().as_str(), "zh-CN");
    assert_eq!(event.message_id.as_deref(), Some("c1"));
}

#[tokio::test]
async fn repeating_a_client_id_is_the_same_message() {
    let rig = Rig::new();
    let token = rig.session().await;
    let said = json!({"client_id": "c1", "text": "hello"});
    for duplicate in [false, true, true] {
        let answer = rig
            .post("/web/shop/messages?wait=100", &token, said.clone())
            .await;
        assert_eq!(answer.json()["duplicate"], duplicate);
        assert_eq!(answer.json()["messages"].as_array().unwrap().len(), 2);
    }
    assert_eq!(rig.sink.events().len(), 1);
}

#[tokio::test]
async fn two_visitors_may_choose_the_same_client_id() {
    let rig = Rig::new();
    for _ in 0..2 {
        let token = rig.session().await;
        let said = json!({"client_id": "1", "text": "hello"});
        let answer = rig.post("/web/shop/messages", &token, said).await;
        assert_eq!(answer.json()["duplicate"], false);
    }
    assert_eq!(rig.sink.events().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_waited_for() {
    let rig = Rig::with(config(), MemorySink::new());
    let token = rig.session().await;
    let sink = rig.sink.clone();
    let said = json!({"client_id": "c1", "text": "hello"});
    let later = async {
        while sink.events().is_empty() {
            tokio::task::yield_now().await;
        }
        let lane = sink.events()[0].lane(&Default::default());
        let name = Some("Ann".to_owned());
        sink.say(
            lane,
            Author::Agent {
                id: "a-17".to_owned(),
                name,
            },
            Content::text("Hi!"),
        );
    };
    let (answer, ()) = tokio::join!(
        rig.post("/web/shop/messages?wait=20000", &token, said),
        later
    );
    let body = answer.json();
    assert_eq!(
        body["messages"][1]["author"],
        json!({"kind": "agent", "name": "Ann"})
    );
    let said = json!({"client_id": "c2", "text": "anyone?"});
    let answer = rig.post("/web/shop/messages?wait=2000", &token, said).await;
    assert_eq!(answer.json()["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn reading_goes_on_from_the_cursor() {
    let rig = Rig::new();
    let token = rig.session().await;
    for n in 0..3 {
        let said = json!({"client_id": format!("c{n}"), "text": n.to_string()});
        rig.post("/web/shop/messages", &token, said).await;
    }
    let first = rig.get("/web/shop/messages?limit=2", &token).await.json();
    assert_eq!(
        first["messages"].as_array().unwrap().len(),
        2,
        "the last two"
    );
    let all = rig.get("/web/shop/messages", &token).await.json();
    let all = all["messages"].as_array().unwrap();
    assert_eq!(all.len(), 6);
    let after = all[2]["id"].as_str().unwrap();
    let rest = rig
        .get(&format!("/web/shop/messages?after={after}"), &token)
        .await
        .json();
    assert_eq!(rest["messages"].as_array().unwrap()[..], all[3..]);
}

#[tokio::test]
async fn forged_expired_and_foreign_tokens_are_refused() {
    let rig = Rig::new();
    let token = rig.session().await;
    let other = Rig::account("other", config(), MemorySink::new());
    let foreign = other.post("/web/other/session", "", json!({})).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut forged = token.clone().into_bytes();
    forged[12] ^= 1;
    let forged = String::from_utf8(forged).unwrap();
    for bad in [forged.as_str(), &foreign, "x", "v1.k1.e30.e30", ""] {
        let answer = rig
            .post(
                "/web/shop/messages",
                bad,
                json!({"client_id": "c", "text": "x"}),
            )
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bad}");
        assert_eq!(answer.code(), "unauthorized");
    }
    rig.clock.store(NOW + 31 * 86_400_000, Ordering::Relaxed);
    let answer = rig.get("/web/shop/messages", &token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(rig.sink.events().is_empty());
}

#[tokio::test]
async fn a_session_is_renewed_for_the_same_visitor() {
    let rig = Rig::new();
    let first = rig.post("/web/shop/session", "", json!({})).await.json();
    rig.clock.fetch_add(86_400_000, Ordering::Relaxed);
    let again = rig
        .post("/web/shop/session", "", json!({"token": first["token"]}))
        .await
        .json();
    assert_eq!(again["visitor"], first["visitor"]);
    assert!(again["expires_at"].as_i64() > first["expires_at"].as_i64());
    let bad = rig
        .post("/web/shop/session", "", json!({"token": "junk"}))
        .await
        .json();
    assert_ne!(bad["visitor"], first["visitor"]);
}

/// Signed with the secret of [`config`] by Python's hmac.
fn ann() -> Value {
    json!({"id": "42", "name": "Ann", "hash": "ceca9857e9d07fdb4ba22723fa4826f37761629a019f22d047f3ca4ebefa1a99"})
}

fn bob() -> Value {
    json!({"id": "43", "name": "Bob", "hash": "b7cd145ba9ed0ff54face2590c1261d87b25bd1050338c92dbc8be97ce8463b7"})
}

#[tokio::test]
async fn the_business_says_who_is_logged_in() {
    let rig = Rig::new();
    let session = |body: Value| rig.post("/web/shop/session", "", body);
    let anonymous = session(json!({})).await.json();
    let ann_here = session(json!({"token": anonymous["token"], "identity": ann()}))
        .await
        .json();
    assert_eq!(
        ann_here["visitor"], anonymous["visitor"],
        "logging in keeps the conversation"
    );
    assert_eq!(ann_here["user"], "42");
    let event = &rig.sink.events()[0];
    assert!(matches!(&event.kind, InboundKind::System { name, data }
        if name == "identify" && data["name"] == "Ann"));

    session(json!({"token": ann_here["token"], "identity": ann()})).await;
    assert_eq!(
        rig.sink.events().len(),
        1,
        "saying the same again is no news"
    );

    let bob_here = session(json!({"token": ann_here["token"], "identity": bob()}))
        .await
        .json();
    assert_ne!(
        bob_here["visitor"], ann_here["visitor"],
        "somebody else on the same browser"
    );
    let bob_there = session(json!({"identity": bob()})).await.json();
    assert_eq!(
        bob_there["visitor"], bob_here["visitor"],
        "the same user on another device"
    );

    let mut forged = ann();
    forged["id"] = json!("43");
    let answer = session(json!({"identity": forged})).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::FORBIDDEN, "identity_refused")
    );
}

#[tokio::test]
async fn only_listed_origins_are_served() {
    let rig = Rig::new();
    for (origin, expected) in [
        (SHOP, StatusCode::OK),
        ("https://evil.example", StatusCode::FORBIDDEN),
        ("null", StatusCode::FORBIDDEN),
    ] {
        let request = Request::post("/web/shop/session")
            .header("origin", origin)
            .body(Body::empty())
            .unwrap();
        let answer = rig.request(request).await;
        assert_eq!(answer.status, expected, "{origin}");
        let allowed = answer.headers.get("access-control-allow-origin");
        assert_eq!(allowed.is_some(), expected == StatusCode::OK);
    }
    let preflight = Request::options("/web/shop/messages")
        .header("origin", SHOP)
        .body(Body::empty())
        .unwrap();
    let answer = rig.request(preflight).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.headers["access-control-allow-origin"], SHOP);
}

#[tokio::test(start_paused = true)]
async fn a_flood_over_http_is_told_to_wait() {
    let mut config = config();
    config.limits = Limits::default();
    let rig = Rig::with(config, MemorySink::new());
    let token = rig.session().await;
    let mut refused = 0;
    for n in 0..100 {
        let said = json!({"client_id": format!("c{n}"), "text": "x"});
        let answer = rig.post("/web/shop/messages", &token, said).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.headers["retry-after"], "1");
            refused += 1;
        }
    }
    assert_eq!(refused, 80);
    assert_eq!(rig.sink.events().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_in_is_given_up() {
    let rig = Rig::new();
    let token = rig.session().await;
    let drops = futures::stream::unfold((), |()| async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });
    let request = Request::post("/web/shop/messages")
        .header("origin", SHOP)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from_stream(drops));
    let answer = rig.request(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.code(), "timeout");
}

#[tokio::test]
async fn what_cannot_be_a_message_is_refused() {
    let rig = Rig::new();
    let token = rig.session().await;
    let cases = [
        (json!({"client_id": "c"}), 400, "empty"),
        (json!({"client_id": "c", "text": " \n"}), 400, "empty"),
        (
            json!({"client_id": "c", "text": "\u{200b}\u{202e}\u{0}"}),
            400,
            "empty",
        ),
        (json!({"client_id": "", "text": "x"}), 400, "bad_client_id"),
        (
            json!({"client_id": "a b", "text": "x"}),
            400,
            "bad_client_id",
        ),
        (
            json!({"client_id": "c".repeat(65), "text": "x"}),
            400,
            "bad_client_id",
        ),
        (json!({"client_id": "c", "text": 5}), 400, "bad_request"),
        (json!("c"), 400, "bad_request"),
        (json!({"client_id": "c", "files": ["x"]}), 400, "bad_file"),
        (
            json!({"client_id": "c", "files": vec!["x"; 11]}),
            400,
            "too_many_files",
        ),
        (
            json!({"client_id": "c", "text": "x".repeat(17_000)}),
            413,
            "too_long",
        ),
        (
            json!({"client_id": "c", "text": "x".repeat(1_000_000)}),
            413,
            "too_large",
        ),
        (
            json!({"client_id": "c", "action": {"value": "v".repeat(3000)}}),
            413,
            "too_long",
        ),
    ];
    for (body, status, code) in cases {
        let answer = rig.post("/web/shop/messages", &token, body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    assert!(rig.sink.events().is_empty());
}

#[tokio::test]
async fn tricks_with_characters_are_taken_out_and_html_stays_text() {
    let rig = Rig::new();
    let token = rig.session().await;
    let html = "<img src=x onerror=alert(1)> {{ 7*7 }} \u{202e}gnp\u{0}.exe 👩‍👩‍👧";
    rig.post(
        "/web/shop/messages",
        &token,
        json!({"client_id": "c", "text": html}),
    )
    .await;
    let text = rig.sink.events()[0].text();
    assert_eq!(text, "<img src=x onerror=alert(1)> {{ 7*7 }} gnp.exe 👩‍👩‍👧");
    let lines = rig.get("/web/shop/messages", &token).await;
    assert_eq!(lines.headers["content-type"], "application/json");
    assert_eq!(lines.json()["messages"][0]["parts"][0]["text"], text);
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_message_can_be_sent_again() {
    let rig = Rig::new();
    let token = rig.session().await;
    let said = json!({"client_id": "c", "text": "x"});
    rig.sink
        .fail_next(InboxError::Full("no space left on device".to_owned()));
    let answer = rig.post("/web/shop/messages", &token, said.clone()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!String::from_utf8_lossy(&answer.bytes).contains("device"));
    let answer = rig.post("/web/shop/messages", &token, said).await;
    assert_eq!(answer.json()["duplicate"], false);
}

#[tokio::test]
async fn an_uploaded_file_goes_into_a_message_and_comes_back() {
    let rig = Rig::new();
    let token = rig.session().await;
    let uploaded = rig.upload(&token, "%E7%85%A7%E7%89%87.png", PNG).await;
    assert_eq!(uploaded.status, StatusCode::CREATED);
    let uploaded = uploaded.json();
    assert_eq!(uploaded["name"], "照片.png");
    let said = json!({"client_id": "c", "text": "look", "files": [uploaded["ref"]]});
    let answer = rig
        .post("/web/shop/messages?wait=100", &token, said)
        .await
        .json();
    let part = &answer["messages"][0]["parts"][1];
    assert_eq!(
        (part["media"].as_str(), part["mime"].as_str()),
        (Some("image"), Some("image/png"))
    );
    let file = rig.get(part["url"].as_str().unwrap(), "").await;
    assert_eq!(file.status, StatusCode::OK);
    assert_eq!(&file.bytes[..], PNG);
    assert_eq!(file.headers["x-content-type-options"], "nosniff");
    assert_eq!(
        file.headers["content-security-policy"],
        "default-src 'none'; sandbox"
    );
    assert!(
        file.headers["content-disposition"]
            .to_str()
            .unwrap()
            .starts_with("inline; ")
    );
}

#[tokio::test]
async fn a_multipart_upload_is_taken_too() {
    let rig = Rig::new();
    let token = rig.session().await;
    let mut body = b"--X\r\ncontent-disposition: form-data; name=note\r\n\r\nhi\r\n--X\r\n\
        content-disposition: form-data; name=file; filename=\"../../etc/pass wd.png\"\r\n\
        content-type: text/html\r\n\r\n"
        .to_vec();
    body.extend_from_slice(PNG);
    body.extend_from_slice(b"\r\n--X--\r\n");
    let request = Request::post("/web/shop/files")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "multipart/form-data; boundary=X")
        .body(Body::from(body))
        .unwrap();
    let answer = rig.request(request).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let row = answer.json();
    assert_eq!(
        (row["name"].as_str(), row["mime"].as_str()),
        (Some("pass wd.png"), Some("image/png"))
    );
}

#[tokio::test]
async fn wrong_disguised_and_oversize_files_are_refused() {
    let mut config = config();
    config.files.max_bytes = 1000;
    let rig = Rig::with(config, MemorySink::new());
    let token = rig.session().await;
    let cases: [(&str, &[u8], u16, &str); 6] = [
        (
            "a.png",
            b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0",
            415,
            "file_type",
        ),
        (
            "a.png",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            415,
            "file_type",
        ),
        (
            "a.txt",
            b"\xef\xbb\xbf <!doctype html><script>1</script>",
            415,
            "file_type",
        ),
        ("a.zip", b"PK\x03\x04\x14\0\0\0\0\0", 415, "file_type"),
        ("a.txt", b"", 400, "empty"),
        ("a.txt", &[b'x'; 1001], 413, "too_large"),
    ];
    for (name, bytes, status, code) in cases {
        let answer = rig.upload(&token, name, bytes).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{name}"
        );
    }
    let answer = rig.upload("forged", "a.png", PNG).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let disguised = rig.upload(&token, "..%2F..%2Fphoto.exe", PNG).await.json();
    assert_eq!(disguised["name"], "photo.exe.png");
}

#[tokio::test]
async fn a_file_is_only_its_own_visitors() {
    let rig = Rig::new();
    let (ann, eve) = (rig.session().await, rig.session().await);
    let uploaded = rig.upload(&ann, "a.png", PNG).await.json();
    let id = uploaded["id"].as_str().unwrap();
    let path = format!("/web/shop/files/{id}");
    assert_eq!(rig.get(&path, &ann).await.status, StatusCode::OK);
    assert_eq!(
        rig.get(&format!("{path}?token={ann}"), "").await.status,
        StatusCode::OK
    );
    assert_eq!(rig.get(&path, &eve).await.status, StatusCode::NOT_FOUND);
    assert_eq!(rig.get(&path, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        rig.get(&format!("{path}?sig=v1.k1.x.y"), "").await.status,
        StatusCode::NOT_FOUND
    );
    let said = json!({"client_id": "c", "files": [uploaded["ref"]]});
    let answer = rig.post("/web/shop/messages", &eve, said).await;
    assert_eq!(answer.code(), "bad_file");
    let link = uploaded["url"].as_str().unwrap();
    assert_eq!(rig.get(link, "").await.status, StatusCode::OK);
    rig.clock.fetch_add(3 * 86_400_000, Ordering::Relaxed);
    assert_eq!(rig.get(link, "").await.status, StatusCode::NOT_FOUND);
    for id in ["../../etc/passwd", "%2e%2e%2f", "x"] {
        let answer = rig.get(&format!("/web/shop/files/{id}"), &ann).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn dangerous_links_never_reach_a_browser() {
    let rig = Rig::with(
        config(),
        MemorySink::with_bot(|_| {
            let choice = |url: &str| tandem_domain::message::Choice {
                label: "x".to_owned(),
                value: String::new(),
                url: Some(url.to_owned()),
            };
            vec![Content {
                choices: vec![
                    choice("javascript:alert(1)"),
                    choice("//evil.test"),
                    choice("https://ok.test"),
                ],
                ..Content::text("links")
            }]
        }),
    );
    let token = rig.session().await;
    let said = json!({"client_id": "c", "text": "x"});
    let body = rig
        .post("/web/shop/messages?wait=100", &token, said)
        .await
        .json();
    let choices = &body["messages"][1]["choices"];
    assert_eq!(choices[0]["url"], Value::Null);
    assert_eq!(choices[1]["url"], Value::Null);
    assert_eq!(choices[2]["url"], "https://ok.test");
}

#[tokio::test]
async fn nothing_is_taken_during_shutdown() {
    let rig = Rig::new();
    let token = rig.session().await;
    let (stop, task) = rig.run();
    stop.stop();
    task.await.unwrap();
    let answer = rig
        .post(
            "/web/shop/messages",
            &token,
            json!({"client_id": "c", "text": "x"}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn settings_are_public_and_hold_no_secret() {
    let rig = Rig::new();
    let answer = rig.get("/web/shop/settings", "").await;
    let body = answer.json();
    assert_eq!(body["files"]["max_bytes"], 10 * 1024 * 1024);
    assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret"));
}
