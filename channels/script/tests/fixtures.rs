//! What fixtures show of a file before it is used.
#![allow(clippy::unwrap_used)]

mod common;

use common::{FILE, fixtures};
use serde_json::{Value, json};
use tandem_channel_script::script::{Loaded, load};
use tandem_lua::Runner;

const MORE: &str = r#"
  acquire_token = function(c)
    local r = http {url = c.api .. "/token", form = {refresh = kv.get("refresh") or c.secret}}
    kv.put("refresh", r.json.refresh)
    return {value = r.json.token, expires_in = 3600}
  end,
  fetch_media = function(part) return {url = part.ref} end,
"#;

/// The file, with functions of its own and a list of hosts, and these lines beside the usual.
async fn played(lines: &[Value]) -> Loaded {
    let source = FILE
        .replace("--CAPS", "hosts = {\"*.cdn.example\"},")
        .replace("--MORE", MORE);
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let text = fixtures() + &lines.join("\n");
    load("test", &source, Some(&text), &Runner::new(2)).await
}

fn config() -> Value {
    json!({"secret": "r-1", "api": "https://api.example.com"})
}

async fn wrong(line: Value) -> String {
    let loaded = played(&[line]).await;
    assert!(loaded.version.is_none(), "it is not used");
    let told: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    told.join("\n")
}

#[tokio::test]
async fn what_is_kept_before_and_after_can_be_said() {
    let line = |before: Value, sent: &str, after: &str| {
        json!({
            "name": "renewed", "call": "acquire_token", "config": config(), "kv": before,
            "http": [{
                "request": {"form": {"refresh": sent}},
                "reply": {"json": {"refresh": "r-3", "token": "t"}},
            }],
            "expect": {"value": "t", "kv": {"refresh": after}},
        })
    };
    let loaded = played(&[
        line(json!({}), "r-1", "r-3"),
        line(json!({"refresh": "r-2"}), "r-2", "r-3"),
    ])
    .await;
    assert_eq!(loaded.problems, []);
    let told = wrong(line(json!({"refresh": "r-2"}), "r-2", "r-4")).await;
    assert!(
        told.contains(r#"expect.kv.refresh is "r-3", expected "r-4""#),
        "{told}"
    );
}

#[tokio::test]
async fn an_address_the_server_would_not_call_fails() {
    let fetched = |url: &str| {
        json!({
            "name": "a picture", "call": "fetch_media", "config": config(),
            "part": {"type": "media", "media": "image", "ref": url}, "expect": {"url": url},
        })
    };
    let good = [
        fetched("https://a.cdn.example/1.jpg"),
        fetched("https://api.example.com/1"),
    ];
    assert_eq!(played(&good).await.problems, []);
    let told = wrong(fetched("https://nowhere.example/1.jpg")).await;
    assert!(
        told.contains("https://nowhere.example/1.jpg is neither in caps.hosts"),
        "{told}"
    );
    let told = wrong(json!({
        "name": "elsewhere", "config": config(),
        "message": {"parts": [{"type": "text", "text": "elsewhere"}], "conversation": {"id": "c"}},
        "http": [{"request": {}, "reply": {"fail": "refused"}}], "expect": {"error": "rejected"},
    }))
    .await;
    assert!(
        told.contains("http: http://127.0.0.2:1/ is neither"),
        "{told}"
    );
}

#[tokio::test]
async fn a_misspelt_field_of_a_message_is_told() {
    let line = |message: Value| {
        json!({
            "name": "choices", "config": config(), "message": message,
            "http": [{"request": {}, "reply": {"json": {"ids": ["1"]}}}],
            "expect": {"status": "sent"},
        })
    };
    let parts = json!([{"type": "text", "text": "hi"}]);
    let choice = json!({"label": "A", "value": "1", "colour": "red"});
    let told = wrong(line(json!({"parts": parts, "choices": [choice]}))).await;
    assert!(
        told.contains("message.choices: unknown field `colour`"),
        "{told}"
    );
    let told = wrong(line(json!({"parts": parts, "choises": []}))).await;
    assert!(told.contains("message: unknown field `choises`"), "{told}");
}

#[tokio::test]
async fn a_refused_request_says_why_and_nothing_that_follows_from_it() {
    let source = FILE.replace(
        "--CAPS",
        "replay = {timestamp = \"x-time\", unit = \"ms\", window = 300},",
    );
    let loaded = load("test", &source, Some(&fixtures()), &Runner::new(2)).await;
    let told: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "test.fixtures.jsonl:1: nothing: the answer is 401 (replay: there is no time in x-time), expected 200"
        ]
    );
    let source = FILE.replace("return eq(hex", "return not eq(hex");
    let loaded = load("test", &source, Some(&fixtures()), &Runner::new(2)).await;
    let told = loaded.problems[0].to_string();
    assert!(
        told.contains("the answer is 401 (verify returned false)"),
        "{told}"
    );
}
