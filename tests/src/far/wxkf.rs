//! 微信客服: its callback tells only that there is something; the server fetches it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_channel_kit::fake::platform::{Call, FarPlatform, Reply};
use tandem_channel_wechat::{Family, fields::element, sealed::Seal};
use tandem_domain::Timestamp;

use super::{
    Board, Platform, Trouble,
    courier::Courier,
    scenarios,
    wechat::{KEY, TOKEN, Told, is_known, stale, token},
};
use crate::server::Setup;

const CORP: &str = "ww1234567890abcdef";
const DESK: &str = "wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q";
/// How long WeCom waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Fewer than the server asks for, as happens.
const PAGE: usize = 300;

/// WeCom and what it knows of its customers.
pub struct DeskSystem {
    far: FarPlatform,
    courier: Courier,
    told: Arc<Told>,
    waiting: Arc<Waiting>,
    /// The next callback gets lost.
    lost: AtomicBool,
}

/// Every message, in the order it came.
#[derive(Default)]
struct Waiting(Mutex<Vec<Value>>);

impl Waiting {
    fn all(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, call: &Call) -> Reply {
        let ask = call.json();
        let from = ask["cursor"]
            .as_str()
            .and_then(|cursor| cursor.parse().ok());
        let all = self.all();
        let from: usize = from.unwrap_or(0);
        let to = (from + PAGE).min(all.len());
        let list = all.get(from..to).unwrap_or_default();
        Reply::json(
            200,
            &json!({
                "errcode": 0, "errmsg": "ok", "next_cursor": to.to_string(),
                "has_more": u8::from(to < all.len()), "msg_list": list,
            }),
        )
    }
}

impl DeskSystem {
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let far = FarPlatform::start().await?;
        let (told, waiting) = (Arc::<Told>::default(), Arc::<Waiting>::default());
        far.on("/cgi-bin/gettoken", |_| token());
        far.on("/cgi-bin/kf/sync_msg", {
            let waiting = waiting.clone();
            move |call| match is_known(call) {
                true => waiting.page(call),
                false => stale(),
            }
        });
        far.on("/cgi-bin/kf/send_msg", {
            let told = told.clone();
            let known = Mutex::<BTreeSet<String>>::default();
            move |call| {
                if !is_known(call) {
                    return stale();
                }
                let body = call.json();
                let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                let (who, id) = (text("touser"), text("msgid"));
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.contains(&id) {
                    return Reply::json(200, &json!({"errcode": 0, "msgid": id}));
                }
                let before = told.board.len();
                let reply = told.take(&who, id.clone(), &body);
                if told.board.len() > before {
                    known.insert(id);
                }
                reply
            }
        });
        far.on("/cgi-bin/media/get", {
            let told = told.clone();
            move |call| match is_known(call) {
                true => Reply::bytes(200, "image/png", told.state().picture.clone()),
                false => stale(),
            }
        });
        Ok(Self {
            far,
            courier: Courier::new(|_| {}),
            told,
            waiting,
            lost: AtomicBool::new(false),
        })
    }

    fn came(&self, who: &str, kind: &str, body: Value) {
        self.told.wrote(who);
        {
            let mut all = self.waiting.all();
            let id = format!("msg-{}", all.len());
            let at = Timestamp::now().0 / 1000;
            all.push(json!({
                "msgid": id, "open_kfid": DESK, "external_userid": who, "send_time": at,
                "origin": 3, "msgtype": kind, (kind): body,
            }));
        }
        if !self.lost.swap(false, Relaxed) {
            self.call_back();
        }
    }

    fn call_back(&self) {
        let hook = format!(
            "/hooks/{}/{}",
            Family::CustomerService.name(),
            self.account()
        );
        self.courier.send(Arc::new(move |client, url| {
            let at = (Timestamp::now().0 / 1000).to_string();
            let nonce = "1372623149";
            let message = format!(
                "<xml>{}<CreateTime>{at}</CreateTime>{}{}{}{}</xml>",
                element("ToUserName", CORP),
                element("MsgType", "event"),
                element("Event", "kf_msg_or_event"),
                element("Token", "a token of this callback"),
                element("OpenKfId", DESK),
            );
            let seal = Seal::new(TOKEN, KEY, CORP).expect("the key has 43 characters");
            let sealed = seal.seal(message.as_bytes(), *b"sixteen letters!", &at, nonce);
            let body = format!(
                "<xml>{}{}</xml>",
                element("ToUserName", CORP),
                element("Encrypt", &sealed.encrypt)
            );
            client
                .post(format!("{url}{hook}"))
                .query(&[
                    ("msg_signature", sealed.signature.as_str()),
                    ("timestamp", &at),
                    ("nonce", nonce),
                ])
                .timeout(PATIENCE)
                .body(body)
        }));
    }
}

#[async_trait]
impl Platform for DeskSystem {
    fn setup(&self) -> Setup {
        let settings = json!({
            "corp_id": CORP,
            "open_kfid": DESK,
            "secret": {"env": "KF_SECRET"},
            "token": {"env": "KF_TOKEN"},
            "encoding_aes_key": {"env": "KF_KEY"},
            "api": self.far.url(),
        });
        let environment = [("KF_SECRET", "s"), ("KF_TOKEN", TOKEN), ("KF_KEY", KEY)];
        Setup {
            environment: environment
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .to_vec(),
            config: scenarios::account(Family::CustomerService.name(), self.account(), settings),
            ..Setup::default()
        }
    }

    fn account(&self) -> &'static str {
        "help-wxkf"
    }

    async fn reach(&self, url: &str) {
        self.courier.reach(url);
    }

    async fn write(&self, who: &str, text: &str) {
        self.came(who, "text", json!({"content": text}));
    }

    async fn picture(&self, who: &str, png: &[u8]) {
        self.told.state().picture = png.to_vec();
        self.came(who, "image", json!({"media_id": "media-1"}));
    }

    async fn press(&self, who: &str, label: &str) -> anyhow::Result<()> {
        let id = self.told.choice(who, label)?;
        self.came(who, "text", json!({"content": label, "menu_id": id}));
        Ok(())
    }

    async fn delivered(&self) {
        self.courier.delivered().await;
    }

    /// The newest messages stand in the list once more.
    async fn repeat(&self, count: usize) {
        {
            let mut all = self.waiting.all();
            let from = all.len().saturating_sub(count);
            let again: Vec<Value> = all[from..].to_vec();
            all.extend(again);
        }
        self.call_back();
    }

    fn trouble(&self, trouble: Trouble) {
        self.lost.store(trouble == Trouble::Drop, Relaxed);
        self.told.trouble(trouble);
    }

    fn board(&self) -> &Board {
        &self.told.board
    }
}
