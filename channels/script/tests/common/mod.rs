//! A house for one file: an inbox in memory, a clock that stands, the platform on this machine.
#![allow(dead_code, clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt as _;
use tandem_channel_kit::{Account, Channel as _, Inbox, fake};
use tandem_channel_script::{
    Host, Script, ScriptChannel, Settings, memory::Memory, prim::codec, prim::digest,
};
use tandem_domain::{Timestamp, Value, store::StoreError};
use tandem_lua::Runner;
use tandem_net::Transport;
use tower::ServiceExt as _;

pub const NOW: i64 = 1_760_000_000_000;
pub const SECRET: &str = "a secret of this test";

/// A file as short as one can be; `API` becomes the platform's address.
pub const FILE: &str = r#"
local function outcome(r)
  if r.status == 200 then return {status = "sent", ids = r.json and r.json.ids or {}} end
  if r.status == 401 then return {error = "unauthorized", message = "revoked"} end
  if r.status == 429 then return {error = "retry_after"} end
  if r.status >= 500 then return {error = "transient", message = r.body} end
  return {error = "rejected", code = tostring(r.status), message = r.body}
end

return {
  config = {secret = "secret", api = "url"},
  caps = {
    text = {max = 2000}, batch_max = 3, edit_secs = -1,
    quick_replies = {max = 5, label = {max = 20}, value = {max = 100}},
    --CAPS
  },
  verify = function(r, c) return eq(hex.encode(hmac_sha256(c.secret, r.body)), r.headers["x-signature"]) end,
  parse = function(r)
    local body = json.decode(r.body)
    if body.challenge then return {}, {status = 202, headers = {["content-type"] = "text/plain"}, body = body.challenge} end
    if body.crash then error("no such thing") end
    return body.events
  end,
  send = function(m, c, token)
    if m.parts[1].text == "twice" then
      http {url = c.api .. "/send", json = {n = 1}}
      http {url = c.api .. "/send", json = {n = 2}}
    end
    if m.parts[1].text == "spin" then while true do end end
    if m.parts[1].text == "broken" then http {url = c.api .. "/send", json = {}} error("after") end
    if m.parts[1].text == "elsewhere" then http {url = "http://127.0.0.2:1/", json = {}} end
    return outcome(http {url = c.api .. "/send", idempotent = m.parts[1].text == "keyed", headers = {authorization = token}, json = m})
  end,
  --MORE
}
"#;

/// Fixtures of [`FILE`].
pub fn fixtures() -> String {
    let body = r#"{"events": []}"#;
    let line = serde_json::json!({
        "name": "nothing", "config": {"secret": "s", "api": "https://api.example.com"},
        "request": {"headers": {"X-Signature": sign("s", body)}, "body": body}, "expect": {},
    });
    let send = serde_json::json!({
        "name": "a text", "config": {"secret": "s", "api": "https://api.example.com"},
        "message": {"parts": [{"type": "text", "text": "hi"}], "conversation": {"id": "c"}},
        "http": [{"request": {"method": "POST", "url": "https://api.example.com/send"}, "reply": {"json": {"ids": ["1"]}}}],
        "expect": {"status": "sent", "ids": ["1"]},
    });
    format!("{line}\n{send}\n")
}

pub fn sign(secret: &str, body: &str) -> String {
    let mac = digest::hmac(digest::Hash::Sha256, secret.as_bytes(), body.as_bytes());
    codec::hex_encode(&mac.unwrap())
}

/// A memory that outlives a channel.
#[derive(Default)]
pub struct Notes {
    pub kept: Mutex<BTreeMap<(String, String), Value>>,
}

#[async_trait]
impl Memory for Notes {
    async fn get(&self, scope: &str, key: &str, _: Timestamp) -> Result<Option<Value>, StoreError> {
        let key = (scope.to_owned(), key.to_owned());
        Ok(self.kept.lock().unwrap().get(&key).cloned())
    }

    async fn put(
        &self,
        scope: &str,
        key: &str,
        value: Value,
        _: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let key = (scope.to_owned(), key.to_owned());
        self.kept.lock().unwrap().insert(key, value);
        Ok(())
    }

    async fn delete(&self, scope: &str, key: &str) -> Result<(), StoreError> {
        let key = (scope.to_owned(), key.to_owned());
        self.kept.lock().unwrap().remove(&key);
        Ok(())
    }
}

/// Everything a test holds.
pub struct House {
    pub folder: tempfile::TempDir,
    pub script: Arc<Script>,
    pub notes: Arc<Notes>,
    pub clock: Arc<AtomicI64>,
    pub sink: fake::MemorySink,
    pub api: String,
}

impl House {
    /// With `caps` and further functions put into the file.
    pub async fn with(caps: &str, more: &str, api: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = FILE.replace("--CAPS", caps).replace("--MORE", more);
        std::fs::write(folder.path().join("test.luau"), source).unwrap();
        std::fs::write(folder.path().join("test.fixtures.jsonl"), fixtures()).unwrap();
        let opened = Script::open("test", Some(folder.path()), &Runner::new(4)).await;
        Self {
            script: opened.unwrap(),
            folder,
            notes: Arc::default(),
            clock: Arc::new(AtomicI64::new(NOW)),
            sink: fake::MemorySink::new(),
            api: api.to_owned(),
        }
    }

    pub async fn new() -> Self {
        Self::with("", "", "http://127.0.0.1:9").await
    }

    pub fn channel(&self, id: &str, secret: &str, address: Option<&str>) -> (ScriptChannel, Inbox) {
        let account = fake::account("test", id);
        let clock = self.clock.clone();
        let channel = ScriptChannel::new(
            account.clone(),
            self.script.clone(),
            Settings {
                values: BTreeMap::from([
                    ("secret".to_owned(), secret.to_owned()),
                    ("api".to_owned(), self.api.clone()),
                ]),
                public_url: "https://help.example.test".parse().unwrap(),
                address: address.map(str::to_owned),
                body_limit: 10_000,
            },
            Host {
                transport: Transport::system().unwrap(),
                memory: self.notes.clone(),
                clock: Arc::new(move || Timestamp(clock.load(Relaxed))),
            },
        );
        (channel.unwrap(), self.inbox(account))
    }

    pub fn inbox(&self, account: Account) -> Inbox {
        Inbox::new(account, Arc::new(self.sink.clone()))
    }

    pub fn router(&self) -> Router {
        let (channel, inbox) = self.channel("a", SECRET, None);
        channel.routes(inbox)
    }

    pub fn save(&self, from: &str, to: &str) {
        let path = self.folder.path().join("test.luau");
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(source.contains(from));
        std::fs::write(path, source.replace(from, to)).unwrap();
    }
}

pub async fn post(
    router: &Router,
    path: &str,
    body: &str,
    signature: &str,
) -> (StatusCode, String) {
    let request = Request::post(path)
        .header("x-signature", signature)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A signed request to the account `a`.
pub async fn signed(router: &Router, body: &str) -> (StatusCode, String) {
    post(router, "/hooks/test/a", body, &sign(SECRET, body)).await
}

pub fn message(id: &str, text: &str) -> Value {
    serde_json::json!({
        "id": id, "kind": "message", "ts": NOW, "conversation": {"kind": "dm", "id": "c"},
        "sender": {"id": "u"}, "message_id": id, "parts": [{"type": "text", "text": text}],
    })
}
