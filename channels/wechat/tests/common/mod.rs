//! Accounts of every channel of the family, and the platform's side of them.
#![allow(dead_code, clippy::unwrap_used)]

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{Request as HttpRequest, StatusCode},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel,
    fake::{
        self,
        platform::{FarPlatform, Reply},
    },
    kind::Secret,
};
use tandem_channel_wechat::{Family, Settings, WechatChannel, fields::element, sealed::Seal};
use tandem_net::Transport;
use tower::ServiceExt as _;

pub const TOKEN: &str = "tandem-token";
pub const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// The id of every app and company here.
pub const ID: &str = "wx2c2769f8efd9abc2";
pub const DESK: &str = "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q";
pub const NOW: i64 = 1_760_000_000;

pub fn account(family: Family) -> Account {
    fake::account(family.name(), "a")
}

/// Settings that call this API, with these changes.
pub fn settings(family: Family, api: &str, changes: &Value) -> Settings {
    let mut settings = json!({
        "token": Secret::found(TOKEN), "encoding_aes_key": Secret::found(KEY), "api": api,
    });
    let secret = Secret::found("a secret of this test");
    let own = match family {
        Family::OfficialAccount | Family::MiniProgram => {
            json!({"app_id": ID, "app_secret": secret})
        }
        Family::WeCom => json!({"corp_id": ID, "agent_id": "218", "secret": secret}),
        Family::CustomerService => json!({"corp_id": ID, "open_kfid": DESK, "secret": secret}),
    };
    for part in [&own, changes] {
        for (name, value) in part.as_object().into_iter().flatten() {
            settings[name] = value.clone();
        }
    }
    Settings::read(family, &settings).unwrap()
}

pub fn channel_of(settings: Settings, folder: &Path) -> Arc<dyn Channel> {
    let transport = Transport::system().unwrap();
    let account = account(settings.family);
    let folder = folder.to_owned();
    Arc::new(WechatChannel::new(account, settings, &transport, folder).unwrap())
}

pub fn channel(family: Family, api: &str, folder: &Path) -> Arc<dyn Channel> {
    channel_of(settings(family, api, &json!({})), folder)
}

pub fn seal() -> Seal {
    Seal::new(TOKEN, KEY, ID).unwrap()
}

/// A platform that gives tokens and takes everything.
pub async fn platform() -> FarPlatform {
    let platform = FarPlatform::start().await.unwrap();
    platform.on("/cgi-bin/*", |_| ok(json!({"msgid": "native-1"})));
    platform.on("/cgi-bin/media/upload", |_| ok(json!({"media_id": "m-1"})));
    platform.on("/cgi-bin/kf/sync_msg", |_| {
        ok(json!({"next_cursor": "", "has_more": 0, "msg_list": []}))
    });
    for path in ["/cgi-bin/stable_token", "/cgi-bin/gettoken"] {
        platform.on(path, |_| token("token-1"));
    }
    platform
}

pub fn ok(more: Value) -> Reply {
    let mut body = json!({"errcode": 0, "errmsg": "ok"});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    Reply::json(200, &body)
}

pub fn code(code: i64) -> Reply {
    Reply::json(
        200,
        &json!({"errcode": code, "errmsg": "words of the platform"}),
    )
}

pub fn token(value: &str) -> Reply {
    ok(json!({"access_token": value, "expires_in": 7200}))
}

/// A text in the form of an Official Account or a WeCom app.
pub fn xml(from: &str, id: u64, text: &str) -> String {
    format!(
        "<xml>{}{}<CreateTime>{NOW}</CreateTime>{}{}<MsgId>{id}</MsgId><AgentID>218</AgentID></xml>",
        element("ToUserName", "gh_1"),
        element("FromUserName", from),
        element("MsgType", "text"),
        element("Content", text),
    )
}

/// The callback of 微信客服.
pub fn callback(desk: &str, token: &str) -> String {
    format!(
        "<xml>{}<CreateTime>{NOW}</CreateTime>{}{}{}{}</xml>",
        element("ToUserName", ID),
        element("MsgType", "event"),
        element("Event", "kf_msg_or_event"),
        element("Token", token),
        element("OpenKfId", desk),
    )
}

/// Path and body of a sealed and signed message.
pub fn envelope(family: Family, plain: &str) -> (String, String) {
    let (time, nonce) = (NOW.to_string(), "1372623149");
    let sealed = seal().seal(plain.as_bytes(), *b"0123456789abcdef", &time, nonce);
    let signature = &sealed.signature;
    let mut query = format!("msg_signature={signature}&timestamp={time}&nonce={nonce}");
    if matches!(family, Family::OfficialAccount | Family::MiniProgram) {
        let own = plain_signature(&time, nonce);
        query = format!("signature={own}&openid=o1&encrypt_type=aes&{query}");
    }
    let body = match plain.starts_with('{') {
        true => json!({"ToUserName": "gh_1", "Encrypt": sealed.encrypt}).to_string(),
        false => format!(
            "<xml>{}{}</xml>",
            element("ToUserName", "gh_1"),
            element("Encrypt", &sealed.encrypt)
        ),
    };
    (format!("/hooks/{}/a?{query}", family.name()), body)
}

pub fn plain_signature(time: &str, nonce: &str) -> String {
    tandem_channel_wechat::signature::sign(&[TOKEN, time, nonce])
}

pub async fn post(router: &Router, uri: &str, body: String) -> (StatusCode, String) {
    let request = HttpRequest::post(uri).body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}
