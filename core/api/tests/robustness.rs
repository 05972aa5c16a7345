//! What does not fit: bodies, addresses, methods; and what every answer carries.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

use support::{Answer, ask, bench, bench_with, build, get, post};
use tandem_api::{ApiConfig, openapi};
use tandem_engine::Config;
use tandem_store::SqliteOptions;

fn is_an_error(answer: &Answer, status: StatusCode, code: &str) {
    assert_eq!(
        (answer.status, answer.code()),
        (status, code),
        "{}",
        answer.text
    );
    let error = &answer.body["error"];
    assert!(!error["message"].as_str().unwrap().is_empty());
    assert_eq!(
        error["request_id"],
        answer.headers["x-request-id"].to_str().unwrap()
    );
}

#[tokio::test]
async fn unknown_addresses_and_methods_answer_in_json() {
    let bench = bench().await;
    for path in [
        "/",
        "/nowhere",
        "/api/v1",
        "/api/v1/nothing",
        "/api/v2/conversations",
    ] {
        let answer = get(path).without_token().to(&bench).await;
        is_an_error(&answer, StatusCode::NOT_FOUND, "not_found");
    }
    for id in [
        "x",
        "..",
        "%00",
        "1",
        "00000000-0000-0000-0000-000000000000",
    ] {
        let answer = get(format!("/api/v1/conversations/{id}")).to(&bench).await;
        is_an_error(&answer, StatusCode::NOT_FOUND, "not_found");
    }
    for method in [
        Method::DELETE,
        Method::PUT,
        Method::from_bytes(b"BREW").unwrap(),
    ] {
        let answer = ask(method, "/api/v1/packs").to(&bench).await;
        is_an_error(
            &answer,
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
        );
        assert!(answer.headers.contains_key("allow"));
    }
}

#[tokio::test]
async fn bad_bodies_are_refused_and_change_nothing() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let path = format!("/api/v1/conversations/{id}/messages");
    let send = |raw: Vec<u8>| post(&path, json!(null)).raw(raw);
    for raw in [
        "{",
        "nul",
        "\u{feff}{}",
        "{\"text\": \"x\"} x",
        "{\"text\": \"\\ud800\"}",
    ] {
        let answer = send(raw.as_bytes().to_vec()).to(&bench).await;
        is_an_error(&answer, StatusCode::BAD_REQUEST, "bad_json");
    }
    is_an_error(
        &send(vec![b'"', 0xff, b'"']).to(&bench).await,
        StatusCode::BAD_REQUEST,
        "bad_json",
    );
    let deep = format!("{{\"text\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
    is_an_error(
        &send(deep.into_bytes()).to(&bench).await,
        StatusCode::BAD_REQUEST,
        "bad_json",
    );
    let large = json!({"text": "x".repeat(2 << 20)}).to_string();
    is_an_error(
        &send(large.into_bytes()).to(&bench).await,
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
    );
    let form = ask(Method::POST, path.clone())
        .header("content-type", "text/plain")
        .raw("{\"text\": \"x\"}")
        .to(&bench)
        .await;
    is_an_error(
        &form,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
    );
    let invalid: [(Value, &str); 14] = [
        (json!({}), "text"),
        (json!({"text": ""}), "text"),
        (json!({"text": " \u{200b}\n"}), "text"),
        (json!({"text": "x".repeat(17_000)}), "text"),
        (json!({"text": 5}), "text"),
        (json!({"text": "x", "content": {"parts": []}}), "text"),
        (json!({"text": "x", "colour": "red"}), "colour"),
        (json!({"text": "x", "visibility": "secret"}), "visibility"),
        (json!({"text": "x", "client_id": "a b"}), "client_id"),
        (
            json!({"content": {"parts": [{"type": "text"}]}}),
            "content.parts[0]",
        ),
        (
            json!({"content": {"parts": vec![json!({"type": "text", "text": "x"}); 21]}}),
            "content.parts",
        ),
        (
            json!({"content": {"parts": [{"type": "media", "media": "image", "mime": "image/png", "ref": "javascript:1"}]}}),
            "content.parts.ref",
        ),
        (
            json!({"content": {"parts": [{"type": "text", "text": "x"}], "choices": [{"label": "x", "url": "data:text/html,x"}]}}),
            "content.choices.url",
        ),
        (
            json!({"content": {"parts": [{"type": "location", "lat": 400, "lon": 0}]}}),
            "content.parts",
        ),
    ];
    for (body, field) in invalid {
        let answer = post(&path, body.clone()).to(&bench).await;
        is_an_error(&answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        assert_eq!(answer.body["error"]["details"]["field"], field, "{body}");
    }
    let lines = get(path).to(&bench).await;
    assert!(
        lines
            .items()
            .iter()
            .all(|line| line["author"]["kind"] != "agent")
    );
}

#[tokio::test]
async fn a_panic_answers_like_any_failure() {
    let bench = bench().await;
    *bench.reloads.panic.lock().unwrap() = true;
    let answer = post("/api/v1/packs/reload", json!({})).to(&bench).await;
    is_an_error(&answer, StatusCode::INTERNAL_SERVER_ERROR, "internal");
    assert!(!answer.text.contains("told to panic"));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_ended() {
    let bench = bench_with(ApiConfig {
        request_timeout: Duration::from_millis(20),
        ..ApiConfig::default()
    })
    .await;
    *bench.reloads.hang.lock().unwrap() = true;
    let answer = post("/api/v1/packs/reload", json!({})).to(&bench).await;
    is_an_error(&answer, StatusCode::GATEWAY_TIMEOUT, "timeout");
}

#[tokio::test]
async fn a_server_that_shuts_down_takes_no_events() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    bench.engine.shutdown().await;
    let body = json!({"name": "order.shipped", "conversation": id});
    let answer = post("/api/v1/events", body).to(&bench).await;
    is_an_error(&answer, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_loses_nothing() {
    let options = SqliteOptions {
        max_pages: Some(120),
        ..SqliteOptions::default()
    };
    let bench = build(ApiConfig::default(), Config::default(), options).await;
    let id = bench.waiting("ann").await;
    let mut written = 0;
    let full = loop {
        let answer = bench.reply(&id, &"x".repeat(8000)).await;
        if answer.status != StatusCode::CREATED {
            break answer;
        }
        written += 1;
        assert!(written < 500, "the limit holds");
    };
    is_an_error(&full, StatusCode::INSUFFICIENT_STORAGE, "full");
    assert!(full.headers.contains_key("retry-after"));
    let lines = get(format!("/api/v1/conversations/{id}/messages?limit=200"))
        .to(&bench)
        .await;
    let replies = lines
        .items()
        .iter()
        .filter(|line| line["author"]["kind"] == "agent");
    assert_eq!(replies.count(), written);
}

#[tokio::test]
async fn a_reply_to_an_ended_conversation_names_the_newer_one() {
    let behaviour = Config {
        reopen_window: Duration::ZERO,
        ..Config::default()
    };
    let bench = build(ApiConfig::default(), behaviour, SqliteOptions::default()).await;
    let old = bench.waiting("ann").await;
    let path = format!("/api/v1/conversations/{old}/resolve");
    assert_eq!(
        post(path, json!({})).to(&bench).await.status,
        StatusCode::OK
    );
    let new = bench.says(&bench.shop, "ann", "m2", "hello").await;
    assert_ne!(old, new);
    let answer = bench.reply(&old, "Still here").await;
    is_an_error(&answer, StatusCode::CONFLICT, "superseded");
    assert_eq!(answer.body["error"]["details"]["conversation"], new);
}

#[tokio::test]
async fn what_a_person_writes_is_cleaned() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    let answer = bench.reply(&id, "a\u{0}b\u{202e}c\r\nd<script>").await;
    assert_eq!(answer.body["content"]["parts"][0]["text"], "abc\nd<script>");
}

#[tokio::test]
async fn every_answer_carries_the_safe_headers() {
    let bench = bench().await;
    for path in [
        "/healthz",
        "/readyz",
        "/nowhere",
        "/api/v1/packs",
        "/metrics",
    ] {
        let answer = get(path).to(&bench).await;
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
    }
}

#[tokio::test]
async fn a_server_that_stops_is_alive_and_not_ready() {
    let bench = bench().await;
    assert_eq!(get("/readyz").to(&bench).await.body["status"], "ok");
    bench.stop.stop();
    let answer = get("/readyz").to(&bench).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get("/healthz").to(&bench).await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_are_as_the_description_says() {
    let bench = bench().await;
    let id = bench.waiting("ann").await;
    bench.says(&bench.shop, "bob", "t", "leave word").await;
    let content = json!({
        "parts": [
            {"type": "text", "text": "Look"},
            {"type": "media", "media": "image", "ref": "https://shop.example/a.png", "mime": "image/png", "name": "a.png", "size": 5, "alt": "a"},
            {"type": "location", "lat": 1.5, "lon": 2.5, "name": "Shop"},
            {"type": "card", "title": "Chair", "text": "Oak", "url": "https://shop.example/c", "choices": [{"label": "Buy", "value": "buy"}]},
        ],
        "choices": [{"label": "Yes", "value": "y"}, {"label": "Site", "url": "https://shop.example"}],
        "quote": "m1",
    });
    let path = format!("/api/v1/conversations/{id}/messages");
    let reply = post(&path, json!({"content": content, "client_id": "c"}))
        .to(&bench)
        .await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text);
    let document = serde_json::to_value(openapi()).unwrap();
    let contact = get(format!("/api/v1/conversations/{id}"))
        .to(&bench)
        .await
        .body["contact"]
        .clone();
    let contact = contact.as_str().unwrap();
    let shown = [
        ("/api/v1/conversations", "/api/v1/conversations".to_owned()),
        (
            "/api/v1/conversations/{id}",
            format!("/api/v1/conversations/{id}"),
        ),
        ("/api/v1/conversations/{id}/messages", path.clone()),
        (
            "/api/v1/conversations/{id}/trace",
            format!("/api/v1/conversations/{id}/trace"),
        ),
        (
            "/api/v1/conversations/{id}/timers",
            format!("/api/v1/conversations/{id}/timers"),
        ),
        ("/api/v1/tickets", "/api/v1/tickets".to_owned()),
        (
            "/api/v1/contacts/{id}",
            format!("/api/v1/contacts/{contact}"),
        ),
        ("/api/v1/dead-letters", "/api/v1/dead-letters".to_owned()),
        ("/api/v1/events", "/api/v1/events".to_owned()),
        ("/api/v1/packs", "/api/v1/packs".to_owned()),
    ];
    for (route, address) in shown {
        let answer = get(address).to(&bench).await;
        assert_eq!(answer.status, StatusCode::OK, "{route}");
        let pointer = route.replace('~', "~0").replace('/', "~1");
        let at = format!("/paths/{pointer}/get/responses/200/content/application~1json/schema");
        holds(&document, &at, &answer.body, route);
    }
    let error = get("/api/v1/conversations/x").to(&bench).await;
    holds(
        &document,
        "/components/schemas/ErrorBody",
        &error.body,
        "an error",
    );
    let served = get("/api/v1/openapi.json").by("none").to(&bench).await;
    assert_eq!(served.body, document);
}

fn holds(document: &Value, at: &str, body: &Value, what: &str) {
    let schema = document
        .pointer(at)
        .unwrap_or_else(|| panic!("{at} is described"));
    let whole = json!({"components": document["components"], "allOf": [schema]});
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new(), "{what}: {body}");
}

#[tokio::test]
async fn a_message_is_explained_and_nothing_else_happens() {
    let bench = bench().await;
    let explain = |body: Value| post("/api/v1/understanding/explain", body).by("packs:read");
    let told = explain(json!({"text": "hello"})).to(&bench).await;
    assert_eq!(told.status, StatusCode::OK, "{}", told.text);
    assert_eq!(told.body["decision"], "answer");
    assert_eq!(told.body["candidates"][0]["kind"], "flow");
    assert_eq!(told.body["candidates"][0]["name"], "greet");
    assert_eq!(told.body["candidates"][0]["phrase"], "hello");
    assert_eq!(told.body["words"][0]["text"], "hello");
    let none = explain(json!({"text": "quite another thing", "locale": "zh"}))
        .to(&bench)
        .await;
    assert_eq!(none.body["decision"], "none");
    let empty = explain(json!({"text": ""})).to(&bench).await;
    assert_eq!(empty.status, StatusCode::OK, "{}", empty.text);
    let long = explain(json!({"text": "a".repeat(5_000)})).to(&bench).await;
    is_an_error(&long, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    let typo = explain(json!({"txt": "hello"})).to(&bench).await;
    assert!(typo.status.is_client_error(), "{}", typo.text);
    let talks = get("/api/v1/conversations")
        .by("conversations:read")
        .to(&bench)
        .await;
    assert_eq!(talks.body["items"].as_array().map(Vec::len), Some(0));
}
