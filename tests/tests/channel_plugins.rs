//! Channels that are processes, in the running server: one as `tandem plugin new` makes it, and one
//! that carries files.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_channel_kit::fake::platform::{Call, FarPlatform, Reply};
use tandem_tests::{
    command::{self, err, out},
    libraries, packs, require, root,
    server::{Server, Setup},
};
use tempfile::TempDir;

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem-under-test");
/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

fn tandem(args: &[&str], folder: &Path) -> std::process::Output {
    command::run(TANDEM, args, folder)
}

const PACK: &[(&str, &str)] = &[
    (
        "pack.yaml",
        "name: p\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n",
    ),
    ("desk.yaml", "skills: [general]\n"),
    (
        "main.flow.yaml",
        r"
version: 1
faqs:
  hours: {title: Hours, phrases: [when are you open], answer: hours}
responses:
  hours: We open at nine.
flows: {}
",
    ),
];

/// A project as it is made, in a folder that plugins may lie in.
fn made(test: &str) -> Option<TempDir> {
    if !require::tool("python3", test) {
        return None;
    }
    let folder = libraries::folder().unwrap();
    let args = [
        "plugin",
        "new",
        "hey-you",
        "--language",
        "python",
        "--kind",
        "channel",
    ];
    let made = tandem(&args, folder.path());
    assert!(made.status.success(), "{}", err(&made));
    assert!(
        out(&made).contains("docs/channels/plugin.md"),
        "{}",
        out(&made)
    );
    let at = folder.path().join("hey-you");
    fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
    Some(folder)
}

/// What it is configured with, its platform there.
fn configured(folder: &Path, api: &str) -> Value {
    fs::write(folder.join("key"), KEY).unwrap();
    fs::write(folder.join("token"), "the token").unwrap();
    let account = json!({
        "signing_key": {"file": folder.join("key")},
        "token": {"file": folder.join("token")},
        "api": api,
    });
    json!({
        "plugin_folders": [folder],
        "plugins": {"hey-you": {"command": ["python3", "hey-you/hey-you.py"], "kinds": ["channel"]}},
        "channels": {"hey": {"plugin": "hey-you", "accounts": {"one": account, "two": account}}},
    })
}

/// What the platform signs with.
const KEY: &[u8] = b"signed with this";

/// The platform delivers a question to the account `two`: how it was answered.
async fn deliver(server: &Server, id: &str, key: &[u8]) -> u16 {
    let body = json!({"id": id, "from": "ann", "text": "when are you open?"}).to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let time = now.as_secs().to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let digits = mac.finalize().into_bytes();
    let signature: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    let request = server.http.post(format!("{}/hooks/hey/two", server.url));
    let request = request
        .header("x-time", &time)
        .header("x-signature", signature);
    let answered = request.body(body).send().await.unwrap();
    answered.status().as_u16()
}

#[test]
fn a_new_channel_in_python_passes_its_test_and_each_account_is_checked() {
    let Some(folder) = made("a new channel in Python") else {
        return;
    };
    let (folder, at) = (folder.path(), folder.path().join("hey-you"));
    let mut unittest = Command::new("python3");
    let tested = unittest
        .args(["-m", "unittest"])
        .current_dir(&at)
        .output()
        .unwrap();
    assert!(tested.status.success(), "{}", err(&tested));
    assert!(err(&tested).contains("Ran 2 tests"), "{}", err(&tested));
    let inspected = tandem(&["plugin", "inspect", "hey-you/hey-you.py"], folder);
    assert!(
        out(&inspected).contains("channel.http"),
        "{}",
        out(&inspected)
    );

    // Without an account there is nothing that a start would do, and that is said.
    let check = |lang: &str| {
        let args = ["plugin", "check", "hey-you", "--lang", lang];
        let checked = tandem(&args, folder);
        (checked.status.code(), out(&checked) + &err(&checked))
    };
    let file = tandem(&["plugin", "check", "hey-you/hey-you.py"], folder);
    assert_eq!(file.status.code(), Some(0), "{}", err(&file));
    assert!(
        out(&file).contains("– not tried: an instance with an account's settings"),
        "{}",
        out(&file)
    );
    assert!(!out(&file).contains("is loaded"), "{}", out(&file));

    // Nobody is there: nothing is asked of the platform.
    let config = configured(folder, "http://127.0.0.1:9");
    let write = |config: &Value| fs::write(folder.join("tandem.yaml"), config.to_string()).unwrap();
    write(&config);
    let (code, said) = check("en");
    assert_eq!(code, Some(0), "{said}");
    for account in ["one", "two"] {
        for step in [
            format!("the settings of the account `{account}` fit its schema"),
            format!("an instance for `{account}` is loaded and opened"),
            format!("the instance for `{account}` ends"),
        ] {
            assert!(said.contains(&step), "{step}: {said}");
        }
    }
    assert!(said.contains("texts up to 4096"), "{said}");
    let (code, said) = check("zh");
    assert_eq!(code, Some(0), "{said}");
    for step in [
        "账号 `two` 的设置符合",
        "账号 `two` 的实例已加载并打开",
        "账号 `two` 的实例已结束",
    ] {
        assert!(said.contains(step), "{step}: {said}");
    }

    // What a start would refuse, with the account it is about.
    let wrong = |path: &str, value: Value| {
        let mut config = config.clone();
        *config.pointer_mut(path).unwrap() = value;
        write(&config);
        let ((code, en), (_, zh)) = (check("en"), check("zh"));
        assert_eq!(code, Some(1), "{en}");
        assert!(en.contains("the instance for `one` ends"), "{en}");
        (en, zh)
    };
    let two = "/channels/hey/accounts/two";
    let (en, zh) = wrong(&format!("{two}/api"), json!("ftp://far"));
    assert!(
        en.contains("✗") && en.contains("channels.hey.accounts.two: api: "),
        "{en}"
    );
    assert!(
        zh.contains("channels.hey.accounts.two：api: 该设置不符合插件的要求"),
        "{zh}"
    );
    let (en, zh) = wrong(&format!("{two}/token"), json!({"env": "NOT_HERE"}));
    assert!(
        en.contains("channels.hey.accounts.two: ") && en.contains("NOT_HERE"),
        "{en}"
    );
    assert!(zh.contains("未设置环境变量 NOT_HERE"), "{zh}");

    // Configured, and without an account of it.
    let mut none = config.clone();
    none["channels"]["hey"]["accounts"] = json!({});
    write(&none);
    let args = ["plugin", "check", "hey-you", "--format", "json"];
    let checked: Value = serde_json::from_str(&out(&tandem(&args, folder))).unwrap();
    assert_eq!(checked["ok"], true, "{checked}");
    let last = checked["checks"].as_array().unwrap().last().unwrap();
    assert_eq!(last["ok"], Value::Null, "{checked}");
    assert!(
        last["what"]["zh"].as_str().unwrap().starts_with("未尝试"),
        "{checked}"
    );

    // A plugin that is named and no channel's has to begin by itself, as at a start.
    none["channels"] = json!({});
    write(&none);
    let (code, said) = check("en");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("those of an account, under `channels`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_channel_in_python_answers_customers_and_goes_over_to_other_settings() {
    let Some(folder) = made("a new channel in Python") else {
        return;
    };
    let platform = FarPlatform::start().await.unwrap();
    platform.on("/messages", |_| Reply::json(200, &json!({"id": "m-1"})));
    let pack = packs::folder(PACK);
    let setup = Setup::config(configured(folder.path(), &platform.url()));
    let mut server = Server::start_as(TANDEM, pack.path(), setup).await.unwrap();
    let deliver = async |id: &str, key: &[u8]| deliver(&server, id, key).await;
    assert_eq!(deliver("e-1", b"forged").await, 401);
    for _ in 0..3 {
        // The platform comes again, and is answered once.
        assert_eq!(deliver("e-1", KEY).await, 200);
    }
    let answer = json!({"to": "ann", "text": "We open at nine."});
    let calls = platform.wait_for("/messages", 1).await;
    assert_eq!(calls[0].json(), answer);
    assert_eq!(calls[0].header("authorization"), "Bearer the token");

    // The account goes over to another address of the platform.
    let moved = FarPlatform::start().await.unwrap();
    moved.on("/messages", |_| Reply::json(200, &json!({"id": "m-2"})));
    let reload = async |api: &str| {
        let accounts = json!({"two": {"api": api}});
        let config = json!({"channels": {"hey": {"accounts": accounts}}});
        server.configure(&config).unwrap();
        let reload = server.api(Method::POST, "/accounts/two/reload", None);
        reload.await.unwrap()
    };
    let (status, said) = reload("ftp://far").await;
    assert_eq!(status, 422, "{said}");
    let (status, said) = reload(&moved.url()).await;
    assert_eq!(
        (status, &said["outcome"]),
        (200, &json!("changed")),
        "{said}"
    );
    assert_eq!(deliver("e-1", KEY).await, 200);
    assert_eq!(deliver("e-2", KEY).await, 200);
    assert_eq!(moved.wait_for("/messages", 1).await[0].json(), answer);
    assert!(!server.log().contains("Traceback"), "{}", server.log());
    server.stop().await.unwrap();
    assert_eq!(moved.calls_to("/messages").len(), 1);
    assert_eq!(platform.calls_to("/messages").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_the_platform_refuses_is_replaced_while_the_server_runs() {
    let Some(folder) = made("a token that is refused") else {
        return;
    };
    let platform = FarPlatform::start().await.unwrap();
    platform.on("/messages", |call| match call.header("authorization") {
        "Bearer another" => Reply::json(200, &json!({"id": "m-1"})),
        _ => Reply::json(401, &json!({"error": "expired"})),
    });
    let pack = packs::folder(PACK);
    let setup = Setup::config(configured(folder.path(), &platform.url()));
    let server = Server::start_as(TANDEM, pack.path(), setup).await.unwrap();
    let seen = Seen {
        server: &server,
        token: tandem_tests::server::TOKEN,
    };
    let state = async |wanted: &str| {
        let so = |page: &Value| {
            let mut accounts = page["items"].as_array()?.iter();
            let two = accounts.find(|account| account["id"] == "two")?;
            (two["state"] == wanted).then_some(())
        };
        seen.until("/accounts", so).await;
    };
    assert_eq!(deliver(&server, "e-1", KEY).await, 200);
    state("unauthorized").await;
    fs::write(folder.path().join("token"), "another").unwrap();
    let reload = server.api(Method::POST, "/accounts/two/reload", None);
    let (status, said) = reload.await.unwrap();
    assert_eq!(
        (status, &said["outcome"]),
        (200, &json!("changed")),
        "{said}"
    );
    state("good").await;
    let another = |call: &Call| call.header("authorization") == "Bearer another";
    let mut count = 2;
    while !platform
        .wait_for("/messages", count)
        .await
        .iter()
        .any(another)
    {
        count += 1;
    }
    let calls = platform.calls_to("/messages");
    let (taken, refused): (Vec<_>, Vec<_>) = calls.iter().partition(|call| another(call));
    assert!(!refused.is_empty());
    assert_eq!(taken.len(), 1, "what waited went, once");
    assert_eq!(taken[0].json()["text"], "We open at nine.");
}

/// Its customers send pictures, and it writes down which files it was given to send.
const PHOTOS: &str = r#"
import base64, json, os, sys, threading
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tandem_plugin import Plugin
plugin = Plugin("photos", "1", config={"type": "object", "required": ["sent"]})
stopped = threading.Event()
plugin.method("channel", "channel.run")(lambda params, meta: stopped.wait() and None)
plugin.method("channel", "channel.stop")(lambda params, meta: stopped.set())
@plugin.method("channel", "channel.open")
def opened(params, meta):
    by = {"by": "upload"}
    return {"text": {"max": 1000}, "media": {"image": by, "file": by}}
@plugin.method("channel", "channel.http")
def http(params, meta):
    said = json.loads(base64.b64decode(params["body"]))
    part = {"type": "media", "media": "file", "ref": said["ref"], "mime": "text/plain", "name": said["ref"]}
    plugin.host("inbox.accept", events=[{"id": said["ref"], "conversation": {"id": "ann"},
        "sender": {"id": "ann"}, "ts": 1, "kind": {"type": "message"}, "parts": [part]}])
    return {"status": 200}
@plugin.method("channel", "channel.fetch")
def fetch(params, meta):
    ref = params["media"]["ref"]
    data = b"x" * (11 << 20) if ref == "large" else ref.encode() * 3
    return {"mime": "text/plain", "data": base64.b64encode(data).decode()}
@plugin.method("channel", "channel.send")
def send(params, meta):
    for part in params["message"]["content"]["parts"]:
        if part["type"] == "media":
            data, mime, name = plugin.media(part)
            with open(plugin.config["sent"], "a") as sent:
                sent.write(json.dumps([data.decode(), mime, name]) + "\n")
    return {}
plugin.run()
"#;

/// One workspace as somebody with its token sees it.
struct Seen<'s> {
    server: &'s Server,
    token: &'s str,
}

impl Seen<'_> {
    async fn api(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.server.url);
        let mut request = self
            .server
            .http
            .request(method, url)
            .bearer_auth(self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Waits until this is so.
    async fn until<T>(&self, path: &str, so: impl Fn(&Value) -> Option<T>) -> T {
        let begun = std::time::Instant::now();
        loop {
            let (_, seen) = self.api(Method::GET, path, None).await;
            if let Some(found) = so(&seen) {
                return found;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{path}: {seen:#}\n{}",
                self.server.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A customer sends this file: the conversation, and what the file is called here.
    async fn receives(&self, account: &str, file: &str) -> (String, String) {
        let url = format!("{}/hooks/photos/{account}", self.server.url);
        let body = json!({"ref": file}).to_string();
        let taken = self.server.http.post(url).body(body).send().await.unwrap();
        assert_eq!(taken.status(), 200);
        let conversations = self.until("/conversations", |page| {
            let id = page["items"][0]["id"].as_str()?;
            Some(id.to_owned())
        });
        let conversation = conversations.await;
        let path = format!("/conversations/{conversation}/messages");
        let kept = self.until(&path, |page| {
            let parts = page["items"]
                .as_array()?
                .iter()
                .map(|line| &line["content"]["parts"][0]);
            let mut named = parts.filter(|part| part["name"] == file);
            Some(named.next()?["ref"].as_str()?.to_owned())
        });
        let kept = kept.await;
        let id = kept.strip_prefix("file:").unwrap();
        let begun = std::time::Instant::now();
        while self.api(Method::GET, &format!("/files/{id}"), None).await.0 != 200 {
            assert!(begun.elapsed() < PATIENCE, "{}", self.server.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (conversation, kept)
    }

    /// A person answers with this file: how that ended.
    async fn answers(&self, conversation: &str, file: &str) -> (String, Value) {
        let path = format!("/conversations/{conversation}/messages");
        let part = json!({"type": "media", "media": "file", "ref": file, "mime": "text/plain"});
        let body = json!({"content": {"parts": [part]}});
        let (status, line) = self.api(Method::POST, &path, Some(body)).await;
        assert_eq!(status, 201, "{line}");
        let all = format!("{path}?limit=100");
        let ended = self.until(&all, |page| {
            let mut lines = page["items"].as_array()?.iter();
            let line = lines.find(|other| other["id"] == line["id"])?;
            let delivery = line["delivery"].as_str()?;
            let settled = matches!(delivery, "sent" | "failed" | "uncertain");
            settled.then(|| (delivery.to_owned(), line["delivery_code"].clone()))
        });
        ended.await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_sends_the_files_of_its_own_workspace() {
    if !require::tool("python3", "a channel that carries files") {
        return;
    }
    let folder = libraries::folder().unwrap();
    let module = root().join("plugins/examples/python-loyalty/tandem_plugin.py");
    libraries::replace(&module, &folder.path().join("tandem_plugin.py")).unwrap();
    let program = folder.path().join("photos.py");
    fs::write(&program, PHOTOS).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    let (pack, sent) = (packs::folder(PACK), folder.path().join("sent"));
    let others = "a-token-of-another-workspace-0123456789abcdef";
    let settings = |workspace: &str| json!({"workspace": workspace, "sent": sent});
    let setup = Setup {
        environment: vec![("OTHER_TOKEN".to_owned(), others.to_owned())],
        config: json!({
            "plugin_folders": [folder.path()],
            "plugins": {"photos": {"command": ["python3", "photos.py"]}},
            "workspaces": {"other": {"pack": pack.path()}},
            "channels": {"photos": {"plugin": "photos", "accounts": {
                "ours": settings("default"), "theirs": settings("other")}}},
            "api": {"tokens": [
                {"name": "test", "scopes": ["admin"], "secret": {"env": "TEST_TOKEN"}},
                {"name": "other", "scopes": ["admin"], "workspace": "other", "secret": {"env": "OTHER_TOKEN"}},
            ]},
        }),
        ..Setup::default()
    };
    let server = Server::start_as(TANDEM, pack.path(), setup).await.unwrap();
    let token = tandem_tests::server::TOKEN;
    let (ours, theirs) = (
        Seen {
            server: &server,
            token,
        },
        Seen {
            server: &server,
            token: others,
        },
    );
    let (conversation, bill) = ours.receives("ours", "bill").await;
    let sent_well = ("sent".to_owned(), Value::Null);
    assert_eq!(ours.answers(&conversation, &bill).await, sent_well);
    let refused = |code: &str| ("failed".to_owned(), json!(code));

    // Another workspace's, one that is not there, one that is too large.
    let (another, secret) = theirs.receives("theirs", "secret").await;
    assert_eq!(theirs.answers(&another, &bill).await, refused("not_found"));
    assert_eq!(
        ours.answers(&conversation, &secret).await,
        refused("not_found")
    );
    let gone = format!("file:{}", uuid::Uuid::now_v7());
    assert_eq!(
        ours.answers(&conversation, &gone).await,
        refused("not_found")
    );
    let (_, large) = ours.receives("ours", "large").await;
    assert_eq!(
        ours.answers(&conversation, &large).await,
        refused("too_large")
    );
    assert_eq!(theirs.answers(&another, &secret).await, sent_well);

    let lines = fs::read_to_string(&sent).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let plain = |text: &str, name: &str| json!([text, "text/plain", name]);
    assert_eq!(
        lines,
        [
            plain("billbillbill", "bill.txt"),
            plain("secretsecretsecret", "secret.txt")
        ]
    );
}
