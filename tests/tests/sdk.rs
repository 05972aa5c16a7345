//! Requests that the platforms' own SDKs sign are taken, and refused once a bit has changed; what
//! is answered to a platform, its SDK accepts.
//!
//! The SDKs are Python's: `TANDEM_SDK_PYTHON` names an interpreter that has
//! `channels/script/sdk/requirements.txt` installed, `python3` otherwise.
#![allow(clippy::unwrap_used)]

#[path = "../../channels/script/tests/platforms/mod.rs"]
mod platforms;

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use platforms::{PLATFORMS, Shipped};
use serde_json::{Value, json};
use tandem_channel_discord::DiscordChannel;
use tandem_channel_kit::{
    Channel as _, Inbox,
    conformance::{self, sending::Outgoing},
    fake::{self, platform::FarPlatform},
    kind::{self, Secret},
};
use tandem_channel_script::{
    machine::{Received, Values},
    prim::codec,
    request::Request,
    script::{BUILT_IN, load},
    version::Version,
};
use tandem_channel_wechat::{Family, Settings, WechatChannel, fields, sealed::Seal};
use tandem_domain::{
    Timestamp,
    message::{Content, ReplyUse},
};
use tandem_lua::Runner;
use tandem_net::Transport;
use tandem_tests::{require, root};
use tower::Service as _;

const TEXTS: [&str; 4] = [
    "hello",
    "你好 😀，我的订单呢？",
    "a < b && c > \"d\" 'e' \\ %41 +",
    "x",
];

/// `channels/script/sdk/judge.py`, which tells how it is spoken to.
struct Judge {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Judge {
    /// None where Python or an SDK is missing.
    fn start() -> Option<Self> {
        let python = std::env::var("TANDEM_SDK_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut process = Command::new(python)
            .arg(root().join("channels/script/sdk/judge.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut judge = Self {
            input: process.stdin.take()?,
            output: BufReader::new(process.stdout.take()?),
            process,
        };
        judge.ask(&json!({"op": "list"})).map(|_| judge)
    }

    /// None where it has ended.
    fn ask(&mut self, what: &Value) -> Option<Value> {
        writeln!(self.input, "{what}").ok()?;
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }

    fn sign(&mut self, platform: &str, config: &Value, more: &Value) -> Value {
        let mut ask = json!({"op": "sign", "platform": platform, "config": config});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let signed = self.ask(&ask).unwrap();
        assert_eq!(signed["ok"], true, "{platform}: {signed}");
        signed
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A shipped file with the settings its fixtures use.
struct File {
    name: &'static str,
    version: Version,
    config: Value,
    url: String,
}

impl File {
    async fn shipped() -> Vec<Self> {
        let runner = Runner::new(1);
        let mut files = Vec::new();
        for (name, source, fixtures) in BUILT_IN {
            let loaded = load(name, source, Some(fixtures), &runner).await;
            let mut lines = fixtures
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap());
            let line = lines.find(|line| line.get("request").is_some()).unwrap();
            files.push(Self {
                name,
                version: loaded.version.unwrap(),
                config: line["config"].clone(),
                url: format!("https://hooks.example.test/hooks/{name}/test"),
            });
        }
        files
    }

    fn receive(&self, request: &Value, change: impl Fn(&mut Vec<u8>)) -> Received {
        let text = request["body"].as_str().map(|t| t.as_bytes().to_vec());
        let mut body = text.unwrap_or_else(|| {
            let coded = request["body_base64"].as_str().unwrap_or_default();
            codec::base64_decode(coded.as_bytes()).unwrap()
        });
        change(&mut body);
        let headers: Vec<(&str, &[u8])> = request["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().as_bytes()))
            .collect();
        let url = request["url"].as_str().unwrap_or(&self.url);
        let method = request["method"].as_str().unwrap_or("POST");
        let request = Request::new(method, url, headers, Bytes::from(body), Timestamp::now());
        let mut values: BTreeMap<String, String> =
            serde_json::from_value(self.config.clone()).unwrap();
        values.insert("webhook_url".to_owned(), self.url.clone());
        self.version.receive(&request, &Values(values))
    }
}

#[tokio::test]
async fn what_an_sdk_signs_is_taken_and_refused_with_a_bit_changed() {
    let Some(mut judge) = Judge::start() else {
        require::skip(
            "sdk",
            "an SDK of channels/script/sdk/requirements.txt is missing",
        );
        return;
    };
    for file in File::shipped().await {
        for text in TEXTS {
            let more = json!({"text": text, "url": file.url});
            let signed = judge.sign(file.name, &file.config, &more);
            let request = &signed["request"];
            let Received::Understood { events, .. } = file.receive(request, |_| ()) else {
                panic!("{}: {request}", file.name);
            };
            let [event] = &events[..] else {
                panic!("{}: {events:?}", file.name);
            };
            assert_eq!(event["id"], signed["expect"]["id"], "{}", file.name);
            assert_eq!(event["parts"][0]["text"], text, "{}", file.name);
            // DingTalk signs the time alone.
            if file.name != "dingtalk" {
                for place in [0, 1, 2] {
                    let changed = file.receive(request, |body| {
                        let at = body.len() * place / 3;
                        body[at] ^= 1;
                    });
                    assert!(
                        matches!(changed, Received::Refused(_)),
                        "{}: {changed:?}",
                        file.name
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_platform_that_tries_the_address_gets_its_answer() {
    let Some(mut judge) = Judge::start() else {
        require::skip(
            "sdk",
            "an SDK of channels/script/sdk/requirements.txt is missing",
        );
        return;
    };
    let listed = judge.ask(&json!({"op": "list"})).unwrap();
    let mut tried = 0;
    for file in File::shipped().await {
        let can = listed["platforms"][file.name]["sign"].as_array().unwrap();
        if !can.contains(&json!("challenge")) {
            continue;
        }
        tried += 1;
        let more = json!({"kind": "challenge", "url": file.url});
        let signed = judge.sign(file.name, &file.config, &more);
        let (Received::Handshake(answer)
        | Received::Understood {
            response: answer, ..
        }) = file.receive(&signed["request"], |_| ())
        else {
            panic!("{}: {signed}", file.name);
        };
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        let expect = &signed["expect"];
        if let Some(text) = expect["answer"].as_str() {
            assert_eq!(body, text, "{}", file.name);
        } else if !expect["json"].is_null() {
            let told: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(&told, &expect["json"], "{}", file.name);
        } else {
            // Ours to sign, the SDK's to check.
            let mut ask = json!({
                "op": "judge", "platform": file.name, "config": file.config,
                "answer": {"status": answer.status, "body": body},
            });
            ask.as_object_mut()
                .unwrap()
                .extend(expect.as_object().unwrap().clone());
            assert_eq!(
                judge.ask(&ask).unwrap()["ok"],
                true,
                "{}: {body}",
                file.name
            );
        }
    }
    assert!(tried >= 6, "{tried}");
}

#[tokio::test]
async fn what_is_sent_the_sdks_know_field_by_field() {
    let Some(mut judge) = Judge::start() else {
        require::skip(
            "sdk",
            "an SDK of channels/script/sdk/requirements.txt is missing",
        );
        return;
    };
    let judged = PLATFORMS
        .into_iter()
        .filter(|platform| matches!(platform.name, "line" | "slack"));
    for platform in judged {
        let (name, outward) = (platform.name, &platform.outward);
        let far = FarPlatform::start().await.unwrap();
        far.on("*", |_| (outward.taken)());
        let subject = Shipped::open(platform).await;
        let channel = Outgoing::channel(&subject, &far).await;
        let account = fake::account(name, "a");
        let all = conformance::check(channel.clone(), &account, outward.conversation);
        assert_eq!(all.await, Ok(()), "{name}");
        // In answer to a message LINE is spoken to elsewhere.
        let mut answer = subject.outbound(Content::text("hi"));
        answer.reply_context = Some(ReplyUse {
            token: "r".to_owned(),
            number: 1,
        });
        channel.send(&answer).await.unwrap();

        let mut ask = |path: &str, sent: &Value| {
            let call = json!({"url": format!("{}{path}", outward.address), "json": sent});
            let ask = json!({"op": "judge", "platform": name, "call": call});
            judge.ask(&ask).unwrap()
        };
        let calls = far.calls();
        assert!(calls.len() > 8, "{name}: {}", calls.len());
        let mut refused = 0;
        for call in calls {
            let mut sent = call.json();
            let told = ask(&call.path, &sent);
            assert_eq!(told["ok"], true, "{name}: {told} {sent}");
            // What is in the message is really looked at.
            for list in ["/messages/0", "/blocks/0"] {
                if let Some(item) = sent.pointer_mut(list) {
                    item["type"] = json!("telepathy");
                    refused += usize::from(ask(&call.path, &sent)["ok"] == false);
                }
            }
        }
        assert!(refused > 3, "{name}: {refused}");
    }
}

/// What wechatpy calls the channels of the family, and what it is told of an account.
fn wechat() -> [(Family, &'static str, Value); 4] {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    let app =
        json!({"token": "sdk-token", "encoding_aes_key": key, "app_id": "wx2c2769f8efd9abc2"});
    let corp =
        json!({"token": "sdk-token", "encoding_aes_key": key, "corp_id": "ww5823bf96d3bd56c7"});
    [
        (Family::OfficialAccount, "wechat", app.clone()),
        (Family::MiniProgram, "miniprogram", app),
        (Family::WeCom, "wecom", corp.clone()),
        (Family::CustomerService, "wxkf", corp),
    ]
}

/// An account with an inbox in memory.
struct Hook {
    router: Router,
    sink: fake::MemorySink,
    path: String,
}

impl Hook {
    fn new(family: Family, config: &Value) -> Self {
        let secret = |name: &str| Secret::found(config[name].as_str().unwrap());
        let own = Secret::found("s");
        let settings = match family {
            Family::OfficialAccount | Family::MiniProgram => json!({
                "app_id": config["app_id"], "app_secret": own,
            }),
            Family::WeCom => json!({"corp_id": config["corp_id"], "agent_id": 1, "secret": own}),
            Family::CustomerService => json!({
                "corp_id": config["corp_id"], "open_kfid": "wk1", "secret": own,
            }),
        };
        let mut settings = settings;
        settings["token"] = secret("token");
        settings["encoding_aes_key"] = secret("encoding_aes_key");
        let settings = Settings::read(family, &settings).unwrap();
        let account = fake::account(family.name(), "a");
        let transport = Transport::system().unwrap();
        let folder = std::env::temp_dir();
        let channel = WechatChannel::new(account.clone(), settings, &transport, folder).unwrap();
        let sink = fake::MemorySink::new();
        Self {
            router: channel.routes(Inbox::new(account, std::sync::Arc::new(sink.clone()))),
            sink,
            path: format!("/hooks/{}/a", family.name()),
        }
    }

    /// The status and the body of the answer.
    async fn call(&self, request: &Value, change: impl Fn(&mut Vec<u8>)) -> (u16, String) {
        let url = request["url"].as_str().unwrap();
        let query = url.split_once('?').map(|(_, query)| query).unwrap();
        let mut body = request["body"]
            .as_str()
            .unwrap_or_default()
            .as_bytes()
            .to_vec();
        change(&mut body);
        let http = axum::http::Request::builder()
            .method(request["method"].as_str().unwrap_or("POST"))
            .uri(format!("{}?{query}", self.path))
            .body(Body::from(body))
            .unwrap();
        let response = self.router.clone().call(http).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn what_wechatpy_seals_is_opened_and_what_we_seal_wechatpy_opens() {
    let Some(mut judge) = Judge::start() else {
        require::skip(
            "sdk",
            "an SDK of channels/script/sdk/requirements.txt is missing",
        );
        return;
    };
    for (family, platform, config) in wechat() {
        let more = json!({"kind": "challenge"});
        let tried = judge.sign(platform, &config, &more);
        let hook = Hook::new(family, &config);
        let (status, echo) = hook.call(&tried["request"], |_| ()).await;
        assert_eq!(
            (status, json!(echo)),
            (200, tried["expect"]["answer"].clone()),
            "{platform}"
        );

        for text in TEXTS
            .into_iter()
            .filter(|_| family != Family::CustomerService)
        {
            let signed = judge.sign(platform, &config, &json!({"text": text}));
            let (request, hook) = (&signed["request"], Hook::new(family, &config));
            for place in [0, 1, 2] {
                let change = |body: &mut Vec<u8>| {
                    let at = body.len() * place / 3;
                    body[at] ^= 1;
                };
                let (status, _) = hook.call(request, change).await;
                assert_eq!(status, 401, "{platform}: {request}");
            }
            assert!(hook.sink.events().is_empty());
            let (status, _) = hook.call(request, |_| ()).await;
            assert_eq!(status, 200, "{platform}: {request}");
            let events = hook.sink.events();
            assert_eq!(json!(events[0].id), signed["expect"]["id"], "{platform}");
            assert_eq!(events[0].text(), text, "{platform}");
        }

        let id = config["app_id"]
            .as_str()
            .or(config["corp_id"].as_str())
            .unwrap();
        let key = config["encoding_aes_key"].as_str().unwrap();
        let seal = Seal::new("sdk-token", key, id).unwrap();
        for (n, text) in (0u8..).zip(TEXTS) {
            let plain = format!("<xml>{}</xml>", fields::element("Content", text));
            let time = (Timestamp::now().0 / 1000).to_string();
            let sealed = seal.seal(plain.as_bytes(), [n; 16], &time, "nonce");
            let answer = json!({"status": 200, "body": sealed.envelope(&time, "nonce")});
            let ask =
                json!({"op": "judge", "platform": platform, "config": config, "answer": answer});
            let judged = judge.ask(&ask).unwrap();
            assert_eq!(judged["value"], json!(plain), "{platform}: {judged}");
        }
    }
}

#[tokio::test]
async fn discord_tries_the_address_and_is_answered_only_as_itself() {
    let Some(mut judge) = Judge::start() else {
        require::skip(
            "sdk",
            "an SDK of channels/script/sdk/requirements.txt is missing",
        );
        return;
    };
    let fixtures = root().join("channels/discord/fixtures/discord.fixtures.jsonl");
    let fixtures = std::fs::read_to_string(fixtures).unwrap();
    let fixture: Value = serde_json::from_str(fixtures.lines().next().unwrap()).unwrap();
    let config = &fixture["config"];
    let settings = kind::read(&json!({
        "token": kind::Secret::found("t"), "interactions": "webhook",
        "public_key": config["public_key"],
    }));
    let folder = tempfile::tempdir().unwrap();
    let account = fake::account("discord", "test");
    let clock = std::sync::Arc::new(Timestamp::now);
    let channel =
        DiscordChannel::new(account.clone(), settings.unwrap(), folder.path(), clock).unwrap();
    let inbox = Inbox::new(account, std::sync::Arc::new(fake::MemorySink::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/hooks/discord/test",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move { axum::serve(listener, channel.routes(inbox)).await });

    let signed = judge.sign("discord", config, &json!({"kind": "challenge"}));
    let request = &signed["request"];
    let client = reqwest::Client::new();
    let call = |body: String| {
        let headers = request["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap()));
        headers
            .fold(client.post(&url), |call, (name, value)| {
                call.header(name, value)
            })
            .body(body)
            .send()
    };
    let body = request["body"].as_str().unwrap();
    let answer = call(body.to_owned()).await.unwrap();
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        signed["expect"]["json"]
    );
    let forged = call(body.replacen('1', "3", 1)).await.unwrap();
    assert_eq!(forged.status(), 401);
}
