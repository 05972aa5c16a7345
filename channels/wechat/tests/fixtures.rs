//! Requests that wechatpy sealed and signed, and what they mean; answers of ours as wechatpy seals
//! them; pages of 微信客服 as its documentation shows them.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use common::{ok, platform, token};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tandem_channel_kit::{Channel as _, Inbox, fake, kind::Secret};
use tandem_channel_wechat::{
    Family, Settings, WechatChannel, customer_service, fields,
    inbound::{self, Heard, Told},
    sealed::Seal,
};
use tandem_domain::{
    Timestamp,
    message::{Inbound, InboundKind, Part},
};
use tandem_net::Transport;
use tower::ServiceExt as _;

const WECHAT: &str = include_str!("../fixtures/wechat.fixtures.jsonl");
const MINIPROGRAM: &str = include_str!("../fixtures/miniprogram.fixtures.jsonl");
const WECOM: &str = include_str!("../fixtures/wecom.fixtures.jsonl");
const WXKF: &str = include_str!("../fixtures/wxkf.fixtures.jsonl");

fn all() -> impl Iterator<Item = (Family, Value)> {
    let files = [WECHAT, MINIPROGRAM, WECOM, WXKF];
    Family::ALL
        .into_iter()
        .zip(files)
        .flat_map(|(family, file)| {
            file.lines()
                .map(move |line| (family, serde_json::from_str(line).unwrap()))
        })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn seal(config: &Value) -> Seal {
    let id = config["app_id"]
        .as_str()
        .or(config["corp_id"].as_str())
        .unwrap();
    Seal::new(text(config, "token"), text(config, "encoding_aes_key"), id).unwrap()
}

fn settings(family: Family, config: &Value, api: &str) -> Settings {
    let mut settings = json!({
        "token": Secret::found(text(config, "token")),
        "encoding_aes_key": Secret::found(text(config, "encoding_aes_key")),
        "api": api,
    });
    let secret = Secret::found("s");
    match family {
        Family::OfficialAccount | Family::MiniProgram => {
            settings["app_id"] = config["app_id"].clone();
            settings["app_secret"] = secret;
        }
        Family::WeCom => {
            settings["corp_id"] = config["corp_id"].clone();
            settings["agent_id"] = config["agent_id"].clone();
            settings["secret"] = secret;
        }
        Family::CustomerService => {
            settings["corp_id"] = config["corp_id"].clone();
            settings["open_kfid"] = json!(common::DESK);
            settings["secret"] = secret;
        }
    }
    Settings::read(family, &settings).unwrap()
}

/// An event in the fixtures' words.
fn shown(to: &str, event: &Inbound, now: Timestamp) -> Value {
    let mut shown = json!({
        "id": event.id, "account": to, "ts": event.ts.0,
        "conversation": {"kind": "dm", "id": event.conversation.id},
    });
    assert_eq!(event.sender.id, event.conversation.id);
    let mut put = |name: &str, value: Value| shown[name] = value;
    match &event.kind {
        InboundKind::Message => put("kind", json!("message")),
        InboundKind::Action { value, label } => {
            put("kind", json!("action"));
            let mut action = json!({"value": value});
            if let Some(label) = label {
                action["label"] = json!(label);
            }
            put("action", action);
        }
        InboundKind::System { name, data } => {
            put("kind", json!("system"));
            put("system", json!(name));
            if !data.is_null() {
                put("data", data.clone());
            }
        }
        InboundKind::Receipt {
            status, ids, code, ..
        } => {
            put("kind", json!("receipt"));
            put(
                "receipt",
                json!({"status": status, "ids": ids, "code": code}),
            );
        }
        other => panic!("{other:?}"),
    }
    if !matches!(event.kind, InboundKind::Receipt { .. }) {
        put("sender", json!({"id": event.sender.id}));
    }
    if let Some(id) = &event.message_id {
        put("message_id", json!(id));
    }
    if !event.parts.is_empty() {
        let parts = event.parts.iter().map(|part| {
            let mut shown = serde_json::to_value(part).unwrap();
            if let Part::Media(media) = part {
                assert!(media.mime.contains('/'));
                shown.as_object_mut().unwrap().remove("mime");
            }
            shown
        });
        put("parts", parts.collect());
    }
    if let Some(reply) = &event.reply_context {
        let ttl = reply.expires_at.unwrap().since(now).as_secs();
        put(
            "reply_context",
            json!({"token": reply.token, "ttl": ttl, "uses": reply.uses_left}),
        );
    }
    shown
}

#[test]
fn what_wechatpy_seals_means_what_the_documentation_says() {
    let mut read = 0;
    for (family, line) in all() {
        let name = text(&line, "name").to_owned();
        let expected = line["expect"]["events"].as_array();
        if line["request"]["method"] != "POST" || line["expect"]["status"] != 200 {
            continue;
        }
        let now = Timestamp(line["now"].as_i64().unwrap());
        let outer = fields::read(text(&line["request"], "body").as_bytes()).unwrap();
        let message = seal(&line["config"]).open(&fields::text(&outer, "Encrypt").unwrap());
        let inner = fields::read(&message.unwrap()).unwrap();
        let account = fake::account(family.name(), "a");
        let events: Vec<Value> = match inbound::read(family, &account, &inner, now).expect(&name) {
            Told::Event(heard) => {
                let Heard { to, inbound } = *heard;
                vec![shown(&to, &inbound, now)]
            }
            Told::Nothing => Vec::new(),
            Told::Fetch { desk, token } => {
                let sync = &line["expect"]["sync"];
                assert_eq!(json!({"open_kfid": desk, "token": token}), *sync, "{name}");
                Vec::new()
            }
        };
        assert_eq!(&events, expected.unwrap(), "{name}");
        read += 1;
    }
    assert!(read > 30, "{read}");
}

#[tokio::test]
async fn each_request_is_answered_as_it_must_be() {
    let platform = platform().await;
    platform.on("/cgi-bin/gettoken", |_| token("t"));
    platform.on("/cgi-bin/kf/sync_msg", |_| {
        ok(json!({"next_cursor": "c", "has_more": 0, "msg_list": []}))
    });
    let transport = Transport::system().unwrap();
    for (family, line) in all().filter(|(_, line)| line.get("request").is_some()) {
        let name = text(&line, "name");
        let folder = tempfile::tempdir().unwrap();
        let account = fake::account(family.name(), "test");
        let settings = settings(family, &line["config"], &platform.url());
        let folder = folder.path().to_owned();
        let channel = WechatChannel::new(account.clone(), settings, &transport, folder).unwrap();
        let sink = fake::MemorySink::new();
        let router = channel.routes(Inbox::new(account, Arc::new(sink.clone())));
        let request = &line["request"];
        let url = text(request, "url");
        let query = url
            .split_once('?')
            .map(|(_, query)| query)
            .unwrap_or_default();
        let http = Request::builder()
            .method(Method::from_bytes(text(request, "method").as_bytes()).unwrap())
            .uri(format!("/hooks/{}/test?{query}", family.name()))
            .body(Body::from(text(request, "body").to_owned()))
            .unwrap();
        let response = router.oneshot(http).await.unwrap();
        let expect = &line["expect"];
        assert_eq!(
            json!(response.status().as_u16()),
            expect["status"],
            "{name}"
        );
        let good = response.status() == StatusCode::OK;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        if let Some(told) = expect["response"]["body"].as_str() {
            assert_eq!(body, told.as_bytes(), "{name}");
        } else if good {
            assert_eq!(body, &b"success"[..], "{name}");
        }
        let ids: Vec<Value> = sink.events().iter().map(|event| json!(event.id)).collect();
        let expected = expect["events"].as_array().unwrap();
        let expected: Vec<Value> = expected.iter().map(|event| event["id"].clone()).collect();
        assert_eq!(ids, expected, "{name}");
        assert!(sink.unknown().is_empty(), "{name}");
    }
}

#[test]
fn what_we_seal_is_what_wechatpy_seals() {
    let mut sealed = 0;
    for (_, line) in all() {
        let Some(ask) = line.get("seal") else {
            continue;
        };
        let random = text(ask, "random").as_bytes().try_into().unwrap();
        let (plain, time, nonce) = (
            text(ask, "plain"),
            text(ask, "timestamp"),
            text(ask, "nonce"),
        );
        let made = seal(&line["config"]).seal(plain.as_bytes(), random, time, nonce);
        assert_eq!(
            made.encrypt,
            text(&line["expect"], "encrypt"),
            "{}",
            line["name"]
        );
        assert_eq!(
            made.signature,
            text(&line["expect"], "msg_signature"),
            "{}",
            line["name"]
        );
        sealed += 1;
    }
    assert_eq!(sealed, 4);
}

#[test]
fn every_message_of_a_page_counts() {
    let mut pages = 0;
    for (family, line) in all() {
        let Some(answer) = line.get("sync") else {
            continue;
        };
        let account = fake::account(family.name(), "a");
        let desks = [common::DESK.to_owned()];
        let now = Timestamp(1_760_000_000_000);
        let page = customer_service::page(&account, &desks, answer, now);
        let expect = &line["expect"];
        let shown: Vec<Value> = page
            .events
            .iter()
            .map(|e| shown(&desks[0], e, now))
            .collect();
        assert_eq!(
            &shown,
            expect["events"].as_array().unwrap(),
            "{}",
            line["name"]
        );
        assert_eq!(json!(page.cursor), expect["cursor"]);
        assert_eq!(json!(page.more), expect["more"]);
        assert!(page.odd.is_empty());
        pages += 1;
    }
    assert_eq!(pages, 6);
}
