//! A bot whose Bot API is a fake of these tests.
#![allow(dead_code)]

use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel, Kind, Opening, fake,
    fake::platform::{FarPlatform, Reply},
    kind::Secret,
};
use tandem_channel_telegram::TelegramKind;

pub const TOKEN: &str = "2:tandem-token";
pub const SECRET: &str = "tandem_secret-1";

pub fn account() -> Account {
    fake::account("telegram", "test")
}

pub async fn poller(api: &str) -> Arc<dyn Channel> {
    open(json!({"token": Secret::found(TOKEN), "api": api})).await
}

pub async fn webhook(api: &str) -> Arc<dyn Channel> {
    open(json!({
        "token": Secret::found(TOKEN), "api": api,
        "mode": "webhook", "secret_token": Secret::found(SECRET),
    }))
    .await
}

async fn open(settings: Value) -> Arc<dyn Channel> {
    let opening = Opening {
        account: account(),
        settings,
        public_url: Some("https://hooks.example.test".to_owned()),
        data_dir: PathBuf::new(),
    };
    TelegramKind.open(opening).await.unwrap()
}

/// The path of a method.
pub fn method(name: &str) -> String {
    format!("/bot{TOKEN}/{name}")
}

pub fn ok(result: &Value) -> Reply {
    Reply::json(200, &json!({"ok": true, "result": result}))
}

pub fn error(code: u16, description: &str) -> Reply {
    let body = json!({"ok": false, "error_code": code, "description": description});
    Reply::json(code, &body)
}

/// A Bot API that takes everything and has nothing to tell.
pub async fn far() -> FarPlatform {
    let far = FarPlatform::start().await.unwrap();
    far.on("/*", |_| ok(&json!({"message_id": 9, "chat": {"id": 5}})));
    for name in ["DeleteWebhook", "SetWebhook", "AnswerCallbackQuery"] {
        far.on(&method(name), |_| ok(&json!(true)));
    }
    far.on(&method("GetMe"), |_| {
        ok(&json!({"id": 2, "is_bot": true, "first_name": "T", "username": "tandem_bot"}))
    });
    far.on(&method("GetUpdates"), |_| ok(&json!([])));
    far
}

/// An update with a text of a customer.
pub fn update(id: i32, chat: i64, text: &str) -> Value {
    json!({"update_id": id, "message": {
        "message_id": id, "date": 1_760_000_000, "text": text,
        "from": {"id": chat, "is_bot": false, "first_name": "Ann"},
        "chat": {"id": chat, "type": "private", "first_name": "Ann"},
    }})
}

/// An update with a press.
pub fn press(id: i32, chat: i64, query: &str, data: &str) -> Value {
    json!({"update_id": id, "callback_query": {
        "id": query, "chat_instance": "1", "data": data,
        "from": {"id": chat, "is_bot": false, "first_name": "Ann"},
        "message": {"message_id": 7, "date": 1_760_000_000, "text": "Well?",
            "from": {"id": 2, "is_bot": true, "first_name": "T"},
            "chat": {"id": chat, "type": "private", "first_name": "Ann"}},
    }})
}
