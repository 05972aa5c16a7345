//! What customers and their browsers send.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tandem_channel_kit::Account;
use tandem_channel_web::{
    Config,
    config::Key,
    signature::{Keys, Visitor as Claims},
};
use tandem_domain::{AccountId, Timestamp, WorkspaceId};
use tandem_tests::{live::Live, server::Setup, visitor::text};
use tokio_tungstenite::tungstenite::Message;

use super::{conversations, files::PNG, is_answered, own_ids, refusal, small};

#[tokio::test]
async fn a_megabyte_of_text_is_refused_and_the_conversation_goes_on() {
    let (server, _pack) = small(Setup::default()).await;
    let mut ann = server.visitor().await.unwrap();
    is_answered(&mut ann).await;
    for (size, code) in [
        (1 << 20, "too_large"),
        (60_000, "too_long"),
        (16_385, "too_long"),
    ] {
        let body = json!({"client_id": "big", "text": "x".repeat(size)});
        let answer = refusal(ann.post(&body).await.unwrap()).await;
        assert_eq!(answer, (413, code.to_owned()), "{size} bytes");
    }
    let mut live = ann.live().await.unwrap();
    live.send(&json!({"type": "message", "client_id": "big", "text": "x".repeat(60_000)}))
        .await
        .unwrap();
    let error = live.until("error").await.unwrap();
    assert_eq!(
        (&error["code"], &error["client_id"]),
        (&json!("too_long"), &json!("big"))
    );
    // A frame that nobody reads to its end is the last one.
    for size in [1 << 20, 100_000] {
        let mut live = ann.live().await.unwrap();
        live.send(&json!({"type": "message", "client_id": "big", "text": "x".repeat(size)}))
            .await
            .unwrap();
        assert_eq!(live.closed().await.unwrap(), 1009, "{size} bytes");
    }
    let mut live = ann.live().await.unwrap();
    // Beyond what is received at all: hung up on, with a goodbye where it still gets through.
    let huge = Message::text("x".repeat(40 << 20));
    let _ = live.send_raw(huge).await;
    assert!(live.frame().await.is_err());

    // 16 kB are a message like any other.
    let longest = json!({"client_id": "long", "text": "y".repeat(16_384)});
    assert_eq!(ann.post(&longest).await.unwrap().status(), 200);
    is_answered(&mut ann).await;
    let transcript = ann.transcript().await.unwrap();
    assert_eq!(own_ids(&transcript), ["m1", "long", "m2"]);
}

#[tokio::test]
async fn tricks_with_characters_neither_hide_nor_turn_anything() {
    let (server, _pack) = small(Setup::default()).await;
    let mut ann = server.visitor().await.unwrap();
    // Invisible characters do not keep a question from being understood.
    let lines = ann
        .say("wh\u{200b}en a\u{2060}re you \u{feff}open\u{0}")
        .await
        .unwrap();
    assert_eq!(text(&lines[0]), "We open at nine.");
    ann.say("sign me up").await.unwrap();
    ann.say("Ann\u{202e}nnA\u{202c}\u{0}\u{7}\u{1b}[31m\u{9b}\u{85} Lee\u{e0041}")
        .await
        .unwrap();
    let welcome = ann.say("Köln 科隆 👩‍👩‍👧").await.unwrap();
    let welcome = text(&welcome[0]);
    assert!(welcome.contains("Lee of Köln 科隆 👩‍👩‍👧!"), "{welcome}");
    // Nothing at all, however many characters it has.
    for nothing in ["\u{200b}\u{200b}", " \n\t", "\u{202e}", "\u{0}\u{1}"] {
        let body = json!({"client_id": "none", "text": nothing});
        let answer = refusal(ann.post(&body).await.unwrap()).await;
        assert_eq!(answer, (400, "empty".to_owned()), "{nothing:?}");
    }
    let found = conversations(&server).await;
    let id = found[0]["id"].as_str().unwrap();
    let (_, kept) = server
        .api(Method::GET, &format!("/conversations/{id}/messages"), None)
        .await
        .unwrap();
    let odd = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2060}'..='\u{206f}').contains(&c)
            || matches!(c, '\u{200b}' | '\u{feff}' | '\u{e0041}')
    };
    for line in kept["items"].as_array().unwrap() {
        let said = line["content"]["parts"][0]["text"].as_str().unwrap();
        assert!(!said.contains(odd), "{said:?}");
    }
}

fn keyed() -> Value {
    let keys = json!([{"id": "k", "secret": {"env": "WEB_KEY"}}]);
    json!({
        "workspaces": {"other": {}},
        "channels": {"web": {"accounts": {
            "web": {"keys": keys},
            "second": {"keys": keys, "origins": ["*"]},
        }}},
    })
}

/// A token as the account's own key signs it.
fn token(account: &str, workspace: &str, secret: &str, expires_at: Timestamp) -> String {
    let account = Account {
        workspace: WorkspaceId::new(workspace),
        id: AccountId::new(account),
        channel: "web".into(),
    };
    let config = Config {
        keys: vec![Key {
            id: "k".into(),
            secret: secret.into(),
        }],
        ..Config::default()
    };
    Keys::new(&account, &config).visitor_token(&Claims {
        id: "somebody".into(),
        user: None,
        name: None,
        told: None,
        expires_at,
    })
}

#[tokio::test]
async fn tokens_that_are_not_good_open_nothing() {
    const SECRET: &str = "a key of the test's own, 32 bytes or more";
    let pack = super::pack();
    let mut config = keyed();
    config["workspaces"]["other"] = json!({"pack": pack.path()});
    let setup = Setup {
        environment: vec![("WEB_KEY".into(), SECRET.into())],
        config,
        ..Setup::default()
    };
    let (server, _pack) = small(setup).await;
    let later = Timestamp(Timestamp::now().0 + 3_600_000);
    let good = token("web", "default", SECRET, later);
    let flipped = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let payload = good.split('.').nth(2).unwrap();
    let second = token("second", "default", SECRET, later);
    let bad = [
        ("none", String::new()),
        ("a word", "letmein".into()),
        ("a bit of the claims", flipped(10)),
        ("a bit of the signature", flipped(good.len() - 8)),
        ("cut short", good[..good.len() - 1].to_owned()),
        ("longer", format!("{good}A")),
        ("without its signature", format!("v1.k.{payload}.")),
        ("another algorithm", good.replacen("v1", "none", 1)),
        ("another account's", second.clone()),
        ("another workspace's", token("web", "other", SECRET, later)),
        (
            "another key's",
            token("web", "default", &SECRET.to_uppercase(), later),
        ),
        (
            "expired",
            token("web", "default", SECRET, Timestamp(Timestamp::now().0 - 1)),
        ),
        ("very long", "v1.".to_owned() + &"x".repeat(6_000)),
    ];
    let web = |path: &str| format!("{}/web/web/{path}", server.url);
    for (what, token) in &bad {
        let said = json!({"client_id": "c", "text": "hello"});
        let asks: [RequestBuilder; 3] = [
            server.http.post(web("messages")).json(&said),
            server.http.get(web("messages")),
            server
                .http
                .post(web("files"))
                .header("x-file-name", "a.png")
                .body(PNG),
        ];
        for ask in asks {
            let answer = refusal(ask.bearer_auth(token).send().await.unwrap()).await;
            assert_eq!(answer, (401, "unauthorized".to_owned()), "{what}");
        }
        let mut live = Live::connect(&server.url).await.unwrap();
        live.send(&json!({"type": "hello", "token": token}))
            .await
            .unwrap();
        assert_eq!(live.closed().await.unwrap(), 4401, "{what}");
        // Renewing a bad one makes a new visitor, not the one it claims.
        let renewed = server
            .http
            .post(web("session"))
            .json(&json!({"token": token}));
        let renewed: Value = renewed.send().await.unwrap().json().await.unwrap();
        assert_ne!(renewed["visitor"], "somebody", "{what}");
    }
    assert!(conversations(&server).await.is_empty());
    // The same tokens are good where they belong.
    let own = [("web", &good), ("second", &second)];
    for (account, token) in own {
        let url = format!("{}/web/{account}/messages", server.url);
        let said = json!({"client_id": "c", "text": "hello"});
        let answer = server.http.post(url).bearer_auth(token).json(&said);
        assert_eq!(answer.send().await.unwrap().status(), 200, "{account}");
    }
    assert_eq!(conversations(&server).await.len(), 2);
}

#[tokio::test]
async fn html_and_script_stay_text_wherever_they_stand() {
    let (server, _pack) = small(Setup::default()).await;
    let mut ann = server.visitor().await.unwrap();
    let script = "<script>alert(1)</script>";
    let image = "<img src=x onerror=alert(2)>";
    let template = "{{ 7 * 7 }}{% raw %}";
    ann.say("sign me up").await.unwrap();
    ann.say(&format!("{script}{template}")).await.unwrap();
    let welcome = ann.say(image).await.unwrap();
    assert_eq!(
        text(&welcome[0]),
        format!("Welcome, {script}{template} of {image}!"),
        "said as it was written, and never run"
    );

    // A file's name, to the API and in its header.
    let name = "\"><script>alert(3)</script>\r\nset-cookie: a=b; x=\"\u{202e}.txt";
    let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let stored = server
        .http
        .post(format!("{}/web/web/files", server.url))
        .bearer_auth(&ann.token)
        .header("content-type", "text/html")
        .header("x-file-name", encoded)
        .body("a plain text");
    let stored = stored.send().await.unwrap();
    assert_eq!(stored.status(), 201);
    let stored: Value = stored.json().await.unwrap();
    let kept = stored["name"].as_str().unwrap();
    assert!(
        !kept.contains(['<', '>', '"', '\r', '\n', '\u{202e}', '/']),
        "{kept}"
    );
    assert_eq!(stored["mime"], "text/plain");
    let said = json!({"client_id": "f", "files": [stored["ref"]]});
    assert_eq!(ann.post(&said).await.unwrap().status(), 200);
    let link = format!("{}{}", server.url, stored["url"].as_str().unwrap());
    let file = server.http.get(link).send().await.unwrap();
    assert_eq!(file.status(), 200);
    let header = |name: &str| {
        let value = file
            .headers()
            .get(name)
            .unwrap_or_else(|| panic!("no {name}"));
        value.to_str().unwrap().to_owned()
    };
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; sandbox"
    );
    assert_eq!(header("content-type"), "text/plain; charset=utf-8");
    let disposition = header("content-disposition");
    assert!(
        disposition.starts_with("attachment; filename=\""),
        "{disposition}"
    );
    assert!(!disposition.contains('<'), "{disposition}");
    assert!(file.headers().get("set-cookie").is_none());

    // Whatever a browser is pointed at, it is JSON to it.
    let id = conversations(&server).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let messages = format!("{}/api/v1/conversations/{id}/messages", server.url);
    let told = server
        .http
        .get(messages)
        .bearer_auth(tandem_tests::server::TOKEN);
    let told = told.send().await.unwrap();
    assert_eq!(told.headers()["content-type"], "application/json");
    assert_eq!(told.headers()["x-content-type-options"], "nosniff");
    let transcript = server.http.get(format!("{}/web/web/messages", server.url));
    let transcript = transcript.bearer_auth(&ann.token).send().await.unwrap();
    assert_eq!(transcript.headers()["content-type"], "application/json");
    assert_eq!(transcript.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn frames_and_bodies_that_are_none_are_told_so_and_harm_nobody() {
    let (server, _pack) = small(Setup::default()).await;
    let mut ann = server.visitor().await.unwrap();
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let nested = format!(r#"{{"type":"message","client_id":"a","text":"x","y":{deep}}}"#);
    let nonsense = [
        "",
        "{",
        "null",
        "[]",
        "\"message\"",
        "{}",
        r#"{"type":"nope"}"#,
        r#"{"type":"message"}"#,
        r#"{"type":"message","client_id":"a","text":{"a":1}}"#,
        r#"{"type":"message","client_id":"a","text":"\ud800"}"#,
        r#"{"type":"message","client_id":"a","client_id":"b","text":"x"}"#,
        r#"{"type":"hello","token":"again"}"#,
        &deep,
        &nested,
    ];
    let mut live = ann.live().await.unwrap();
    for frame in nonsense {
        live.send_raw(Message::text(frame.to_owned()))
            .await
            .unwrap();
        let error = live.until("error").await.unwrap();
        assert_eq!(error["code"], "bad_frame", "{frame}");
    }
    for (id, code) in [
        ("", "bad_client_id"),
        ("a b", "bad_client_id"),
        ("../a", "bad_client_id"),
    ] {
        live.send(&json!({"type": "message", "client_id": id, "text": "x"}))
            .await
            .unwrap();
        assert_eq!(live.until("error").await.unwrap()["code"], code);
    }
    // The connection has outlived it all.
    live.send(&json!({"type": "message", "client_id": "good", "text": "when are you open"}))
        .await
        .unwrap();
    live.until("ack").await.unwrap();
    drop(live);

    let mut live = ann.live().await.unwrap();
    live.send_raw(Message::binary(vec![0xff; 64]))
        .await
        .unwrap();
    assert_eq!(live.closed().await.unwrap(), 1003);
    // What comes before the first word.
    for first in [r#"{"type":"ping"}"#, "}", &nested] {
        let mut live = Live::connect(&server.url).await.unwrap();
        live.send_raw(Message::text(first.to_owned()))
            .await
            .unwrap();
        assert_eq!(live.closed().await.unwrap(), 1008);
    }

    let url = format!("{}/web/web/messages", server.url);
    // A body may have more in it than is read, however deep, as long as it has a message.
    for body in nonsense
        .iter()
        .filter(|body| !body.is_empty() && **body != nested)
        .map(|b| b.as_bytes())
        .chain([&b"\xff\xfe{}"[..]])
    {
        let answer = server
            .http
            .post(&url)
            .bearer_auth(&ann.token)
            .body(body.to_vec());
        let (status, code) = refusal(answer.send().await.unwrap()).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
        assert_eq!((status, code.as_str()), (400, "bad_request"), "{shown}");
    }
    is_answered(&mut ann).await;
    assert_eq!(own_ids(&ann.transcript().await.unwrap()), ["good", "m1"]);
}

#[tokio::test]
async fn pages_of_other_origins_are_kept_out() {
    let account = |require: bool| {
        Setup::config(json!({"channels": {"web": {"accounts": {"web": {
            "origins": ["https://shop.example"], "require_origin": require,
        }}}}}))
    };
    let (server, _pack) = small(account(false)).await;
    let ann = server.visitor().await.unwrap();
    let said = json!({"client_id": "c", "text": "hello"});
    let ask = |method: Method, path: &str, origin: Option<&str>| {
        let mut ask = server
            .http
            .request(method, format!("{}/web/web/{path}", server.url))
            .bearer_auth(&ann.token);
        if let Some(origin) = origin {
            ask = ask.header("origin", origin);
        }
        ask
    };
    for other in [
        "https://evil.example",
        "http://shop.example",
        "null",
        "https://shop.example.evil.example",
    ] {
        let asks = [
            ask(Method::POST, "messages", Some(other)).json(&said),
            ask(Method::GET, "messages", Some(other)),
            ask(Method::POST, "session", Some(other)).json(&json!({})),
            ask(Method::GET, "settings", Some(other)),
            ask(Method::OPTIONS, "messages", Some(other)),
            ask(Method::POST, "files", Some(other)).body(PNG),
        ];
        for ask in asks {
            let answer = ask.send().await.unwrap();
            assert!(
                answer
                    .headers()
                    .get("access-control-allow-origin")
                    .is_none()
            );
            assert_eq!(refusal(answer).await, (403, "origin".to_owned()), "{other}");
        }
        assert!(
            Live::connect_from(&server.url, Some(other)).await.is_err(),
            "{other}"
        );
    }
    for own in [
        Some("https://shop.example"),
        Some(server.url.as_str()),
        None,
    ] {
        let answer = ask(Method::POST, "messages", own)
            .json(&said)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{own:?}");
        assert!(
            Live::connect_from(&server.url, own).await.is_ok(),
            "{own:?}"
        );
    }
    drop(server);

    let (strict, _pack) = small(account(true)).await;
    let url = format!("{}/web/web/session", strict.url);
    let answer = strict
        .http
        .post(&url)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        refusal(answer).await,
        (403, "origin".to_owned()),
        "a program names no page"
    );
    let answer = strict
        .http
        .post(&url)
        .header("origin", "https://shop.example");
    assert_eq!(answer.json(&json!({})).send().await.unwrap().status(), 200);
}
