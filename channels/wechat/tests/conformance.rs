//! The suites of all channels, for each channel of the family.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::Method;
use common::{
    DESK, NOW, callback, code, envelope, ok, plain_signature, platform, seal, token, xml,
};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Account, Channel,
    conformance::{
        self,
        sending::{self, Outgoing, TokenAt},
        table,
        webhook::{self, Request, Said, Signed, Webhook},
    },
    fake::platform::{Call, FarPlatform, Reply},
};
use tandem_channel_wechat::{Family, fields};

/// Where what the suites tried is written down.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/channels");

struct Subject {
    family: Family,
    platform: FarPlatform,
    folder: tempfile::TempDir,
    /// What 微信客服 has for us.
    waiting: Arc<Mutex<Vec<Value>>>,
}

impl Subject {
    async fn new(family: Family) -> Self {
        let platform = platform().await;
        let waiting: Arc<Mutex<Vec<Value>>> = Arc::default();
        let list = waiting.clone();
        platform.on("/cgi-bin/kf/sync_msg", move |call| {
            let list = list.lock().unwrap();
            let from: usize = call.json()["cursor"]
                .as_str()
                .map_or(0, |c| c.parse().unwrap());
            let from = from.min(list.len());
            let to = (from + 20).min(list.len());
            ok(json!({
                "next_cursor": to.to_string(), "has_more": u8::from(to < list.len()),
                "msg_list": list[from..to],
            }))
        });
        Self {
            family,
            platform,
            folder: tempfile::tempdir().unwrap(),
            waiting,
        }
    }

    fn signed(&self, plain: &str) -> Request {
        let (uri, body) = envelope(self.family, plain);
        post(uri, body)
    }

    fn plain(&self, said: &Said) -> String {
        match self.family {
            Family::MiniProgram => json!({
                "ToUserName": "gh_1", "FromUserName": said.customer, "CreateTime": NOW,
                "MsgType": "text", "Content": said.text, "MsgId": said.number,
            })
            .to_string(),
            Family::CustomerService => {
                let entry = json!({
                    "msgid": format!("m-{}", said.number), "open_kfid": DESK, "origin": 3,
                    "external_userid": said.customer, "send_time": NOW, "msgtype": "text",
                    "text": {"content": said.text},
                });
                let mut waiting = self.waiting.lock().unwrap();
                // The messages of a burst wait together, all others alone.
                let burst = |entry: &Value| entry["msgid"].as_str().unwrap().len() > 4;
                if !burst(&entry) || waiting.first().is_some_and(|first| !burst(first)) {
                    waiting.clear();
                }
                if !waiting.contains(&entry) {
                    waiting.push(entry);
                }
                callback(DESK, &format!("t-{}", said.number))
            }
            _ => xml(&said.customer, u64::from(said.number), &said.text),
        }
    }
}

fn post(uri: String, body: String) -> Request {
    Request {
        method: Method::POST,
        uri,
        headers: Vec::new(),
        body: body.into_bytes(),
    }
}

impl Webhook for Subject {
    fn account(&self) -> Account {
        common::account(self.family)
    }

    fn channel(&self) -> Arc<dyn Channel> {
        let fresh: PathBuf = tempfile::tempdir_in(&self.folder).unwrap().keep();
        common::channel(self.family, &self.platform.url(), &fresh)
    }

    fn request(&self, said: &Said) -> Request {
        self.signed(&self.plain(said))
    }

    fn signed(&self) -> Vec<Signed> {
        ["msg_signature", "timestamp", "nonce"]
            .map(Signed::Query)
            .to_vec()
    }

    /// What stands around the sealed message is nobody's word.
    fn means_the_same(&self, changed: &Request, good: &Request) -> bool {
        let sealed = |request: &Request| {
            fields::read(&request.body).and_then(|outer| fields::text(&outer, "Encrypt"))
        };
        changed.uri == good.uri && sealed(changed).is_some() && sealed(changed) == sealed(good)
    }

    fn downgrades(&self, said: &Said) -> Vec<(&'static str, Request)> {
        let plain = self.plain(said);
        let good = self.signed(&plain);
        let path = format!("/hooks/{}/a", self.family.name());
        let (time, nonce) = (NOW.to_string(), "1372623149");
        let own = plain_signature(&time, nonce);
        let open = format!("{path}?signature={own}&timestamp={time}&nonce={nonce}");
        let body = String::from_utf8(good.body.clone()).unwrap();
        let uri = good.uri.clone();
        vec![
            (
                "a plain body under the plain signature",
                post(open.clone(), plain.clone()),
            ),
            (
                "a plain body under the good signatures",
                post(uri.clone(), plain),
            ),
            (
                "the sealed body under the plain signature",
                post(open.clone(), body.clone()),
            ),
            (
                "the plain signature in place of the other",
                post(format!("{open}&msg_signature={own}"), body.clone()),
            ),
            (
                "its signature twice",
                post(format!("{uri}&msg_signature=0"), body.clone()),
            ),
            ("no query at all", post(path, body)),
            (
                "an empty Encrypt",
                post(uri.clone(), "<xml><Encrypt></Encrypt></xml>".to_owned()),
            ),
            (
                "an Encrypt that is none",
                post(uri.clone(), "<xml><Encrypt>AAAA</Encrypt></xml>".to_owned()),
            ),
            ("an empty body", post(uri, String::new())),
        ]
    }

    fn not_understood(&self) -> Request {
        self.signed("<xml><Song>la</Song><Song>la</Song></xml>")
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }
}

#[async_trait]
impl Outgoing for Subject {
    fn account(&self) -> Account {
        common::account(self.family)
    }

    fn conversation(&self) -> String {
        "oUser1".to_owned()
    }

    async fn channel(&self, platform: &FarPlatform) -> Arc<dyn Channel> {
        common::channel(self.family, &platform.url(), self.folder.path())
    }

    fn path(&self) -> String {
        match self.family {
            Family::OfficialAccount | Family::MiniProgram => "/cgi-bin/message/custom/send",
            Family::WeCom => "/cgi-bin/message/send",
            Family::CustomerService => "/cgi-bin/kf/send_msg",
        }
        .to_owned()
    }

    fn taken(&self, _: &Call) -> Reply {
        ok(json!({"msgid": "n-1"}))
    }

    fn refused(&self) -> Reply {
        code(40003)
    }

    fn unauthorized(&self) -> Reply {
        code(42001)
    }

    fn token(&self) -> Option<TokenAt> {
        let path = match self.family.is_corporate() {
            true => "/cgi-bin/gettoken",
            false => "/cgi-bin/stable_token",
        };
        Some(TokenAt {
            path: path.to_owned(),
            give: token,
        })
    }

    fn token_of(&self, call: &Call) -> Option<String> {
        let mut pairs = call.query.split('&');
        pairs.find_map(|pair| pair.strip_prefix("access_token=").map(str::to_owned))
    }
}

#[tokio::test]
async fn requests_are_taken_as_every_channel_takes_them() {
    for family in Family::ALL {
        let subject = Subject::new(family).await;
        let report = webhook::report(&subject).await;
        let written = table::documented(DOCS.as_ref(), family.name(), &report);
        assert_eq!(written, Ok(()), "{}", family.name());
    }
}

#[tokio::test]
async fn messages_are_sent_as_every_channel_sends_them() {
    for family in Family::ALL {
        let subject = Subject::new(family).await;
        let report = sending::report(Arc::new(subject)).await;
        let written = table::documented(DOCS.as_ref(), family.name(), &report);
        assert_eq!(written, Ok(()), "{}", family.name());
    }
}

#[tokio::test]
async fn whatever_is_said_fits_and_is_sent() {
    for family in Family::ALL {
        let subject = Subject::new(family).await;
        let channel = Outgoing::channel(&subject, &subject.platform).await;
        let account = Webhook::account(&subject);
        let checked = conformance::check(channel, &account, "oUser1").await;
        assert_eq!(checked, Ok(()), "{}", family.name());
        let sent = subject.platform.calls_to(&Outgoing::path(&subject));
        assert!(sent.iter().all(|call| call.json()["touser"] == "oUser1"));
        // Their JSON is read as it is written: no letter may stand as an escape.
        assert!(
            sent.iter().all(|call| !call.text().contains("\\u")),
            "{}",
            family.name()
        );
    }
}

#[tokio::test]
async fn a_mini_program_is_understood_in_xml_as_well() {
    let subject = Subject::new(Family::MiniProgram).await;
    let router = Webhook::channel(&subject).routes(tandem_channel_kit::Inbox::new(
        Webhook::account(&subject),
        Arc::new(tandem_channel_kit::fake::MemorySink::new()),
    ));
    let (uri, body) = envelope(Family::MiniProgram, &xml("o1", 7, "hi"));
    let (status, said) = common::post(&router, &uri, body).await;
    assert_eq!((status.as_u16(), said.as_str()), (200, "success"));
    assert!(!format!("{:?}", seal()).contains(common::TOKEN));
}
