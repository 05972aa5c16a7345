//! WeChat with an Official Account or a mini program, in the encrypted mode.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_channel_kit::fake::platform::{Call, FarPlatform, Reply};
use tandem_channel_wechat::{
    Family,
    fields::{self, element},
    sealed::Seal,
    signature,
};
use tandem_domain::Timestamp;

use super::{Board, Platform, Shown, Trouble, courier::Courier, scenarios};
use crate::server::Setup;

pub const TOKEN: &str = "tandem-token";
pub const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const APP: &str = "wx2c2769f8efd9abc2";
const ACCOUNT: &str = "gh_7f083739789a";
const ACCESS: &str = "an access token";
/// How long WeChat waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages that a customer's own message allows.
const QUOTA: u32 = 5;

/// WeChat and what it knows of its customers.
pub struct WechatSystem {
    family: Family,
    far: FarPlatform,
    courier: Courier,
    told: Arc<Told>,
    events: AtomicUsize,
}

/// What the platform has been told, and what it does to us.
#[derive(Default)]
pub(super) struct Told {
    pub board: Board,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// Who was shown what can be pressed: (customer, label, id), newest last.
    choices: Vec<(String, String, String)>,
    /// Sends to each customer since they wrote.
    sent: BTreeMap<String, u32>,
    pub picture: Vec<u8>,
    throttle: usize,
    fail: usize,
    cut: usize,
}

impl Told {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn wrote(&self, who: &str) {
        self.state().sent.insert(who.to_owned(), 0);
    }

    pub fn trouble(&self, trouble: Trouble) {
        let mut state = self.state();
        match trouble {
            Trouble::Throttle { sends } => state.throttle = sends,
            Trouble::Fail { sends } => state.fail = sends,
            Trouble::CutAfterAccept { sends } => state.cut = sends,
            Trouble::Drop => {}
        }
    }

    /// The newest choice of this label that the customer was shown.
    pub fn choice(&self, who: &str, label: &str) -> anyhow::Result<String> {
        let state = self.state();
        let mut shown = state.choices.iter().rev();
        let found = shown.find(|(of, known, _)| of == who && known == label);
        found
            .map(|(_, _, id)| id.clone())
            .with_context(|| format!("{who} was shown no {label:?}"))
    }

    /// Shows a message: its text, and what can be pressed with its ids.
    pub fn show(&self, who: &str, id: String, text: String, choices: Vec<(String, String)>) {
        let mut labels = Vec::new();
        for (label, id) in choices {
            labels.push(label.clone());
            self.state().choices.push((who.to_owned(), label, id));
        }
        self.board.show(Shown {
            who: who.to_owned(),
            id,
            text,
            choices: labels,
            files: Vec::new(),
        });
    }

    /// A message that the server sends by the API: what goes wrong with it, else it is shown.
    pub fn take(&self, who: &str, id: String, body: &Value) -> Reply {
        let counted = |left: &mut usize| {
            let hit = *left > 0;
            *left = left.saturating_sub(1);
            hit
        };
        let cut = {
            let mut state = self.state();
            if counted(&mut state.throttle) {
                return Reply::text(429, "slowly").with("retry-after", "1");
            }
            if counted(&mut state.fail) {
                return Reply::text(503, "not now");
            }
            let sent = state.sent.entry(who.to_owned()).or_insert(QUOTA);
            *sent += 1;
            if *sent > QUOTA {
                return Reply::json(200, &json!({"errcode": 45047, "errmsg": "out of quota"}));
            }
            counted(&mut state.cut)
        };
        let menu = &body["msgmenu"];
        let text = body["text"]["content"].as_str();
        let text = text.or(menu["head_content"].as_str()).unwrap_or_default();
        let entries = menu["list"].as_array().into_iter().flatten();
        let choices = entries
            .filter_map(|entry| {
                let entry = entry.get("click").unwrap_or(entry);
                Some((
                    entry["content"].as_str()?.to_owned(),
                    entry["id"].as_str()?.to_owned(),
                ))
            })
            .collect();
        self.show(who, id.clone(), text.to_owned(), choices);
        match cut {
            true => Reply::Cut,
            false => Reply::json(200, &json!({"errcode": 0, "errmsg": "ok", "msgid": id})),
        }
    }
}

fn seal() -> Seal {
    Seal::new(TOKEN, KEY, APP).expect("the key has 43 characters")
}

/// Whether a call carries the token that counts.
pub(super) fn is_known(call: &Call) -> bool {
    let token = ACCESS.replace(' ', "+");
    call.query
        .split('&')
        .any(|pair| pair == format!("access_token={token}"))
}

pub(super) fn stale() -> Reply {
    Reply::json(
        200,
        &json!({"errcode": 40001, "errmsg": "invalid credential"}),
    )
}

pub(super) fn token() -> Reply {
    Reply::json(
        200,
        &json!({"errcode": 0, "access_token": ACCESS, "expires_in": 7200}),
    )
}

impl WechatSystem {
    /// # Errors
    /// When no port can be had.
    pub async fn start(family: Family) -> std::io::Result<Self> {
        let far = FarPlatform::start().await?;
        let told = Arc::<Told>::default();
        far.on("/cgi-bin/stable_token", |_| token());
        far.on("/cgi-bin/message/custom/send", {
            let told = told.clone();
            move |call| {
                if !is_known(call) {
                    return stale();
                }
                let body = call.json();
                let who = body["touser"].as_str().unwrap_or_default().to_owned();
                let id = format!("sent-{}", told.board.len());
                told.take(&who, id, &body)
            }
        });
        far.on("/cgi-bin/media/get", {
            let told = told.clone();
            move |call| match is_known(call) {
                true => Reply::bytes(200, "image/png", told.state().picture.clone()),
                false => stale(),
            }
        });
        let courier = Courier::new({
            let told = told.clone();
            move |answer| passive(&told, answer)
        });
        Ok(Self {
            family,
            far,
            courier,
            told,
            events: AtomicUsize::new(0),
        })
    }

    /// Everything that was sent by the API rather than in an answer.
    #[must_use]
    pub fn called(&self) -> usize {
        self.far.calls_to("/cgi-bin/message/custom/send").len()
    }

    fn deliver(&self, who: &str, kind: &str, more: &[(&str, &str)]) {
        self.told.wrote(who);
        let id = (6_054_768_590_064_000_000 + self.events.fetch_add(1, Relaxed)).to_string();
        let at = (Timestamp::now().0 / 1000).to_string();
        let mut named = vec![
            ("ToUserName", ACCOUNT),
            ("FromUserName", who),
            ("CreateTime", &at),
            ("MsgType", kind),
            ("MsgId", &id),
        ];
        named.extend(more);
        let message = match self.family {
            Family::MiniProgram => {
                let fields = named
                    .iter()
                    .map(|(name, text)| ((*name).to_owned(), json!(text)));
                Value::Object(fields.collect()).to_string()
            }
            _ => {
                let fields: String = named
                    .iter()
                    .map(|(name, text)| element(name, text))
                    .collect();
                format!("<xml>{fields}</xml>")
            }
        };
        let hook = format!("/hooks/{}/{}", self.family.name(), self.account());
        self.courier.send(Arc::new(move |client, url| {
            let at = (Timestamp::now().0 / 1000).to_string();
            let nonce = "1372623149";
            let sealed = seal().seal(message.as_bytes(), *b"sixteen letters!", &at, nonce);
            let body = match message.starts_with('{') {
                true => json!({"ToUserName": ACCOUNT, "Encrypt": sealed.encrypt}).to_string(),
                false => format!(
                    "<xml>{}{}</xml>",
                    element("ToUserName", ACCOUNT),
                    element("Encrypt", &sealed.encrypt)
                ),
            };
            let plain = signature::sign(&[TOKEN, &at, nonce]);
            client
                .post(format!("{url}{hook}"))
                .query(&[
                    ("signature", plain.as_str()),
                    ("timestamp", &at),
                    ("nonce", nonce),
                    ("encrypt_type", "aes"),
                    ("msg_signature", &sealed.signature),
                ])
                .timeout(PATIENCE)
                .body(body)
        }));
    }
}

/// What the server wrote into WeChat's own request.
fn passive(told: &Told, answer: &[u8]) {
    if answer == b"success" || answer.is_empty() {
        return;
    }
    let opened = || {
        let outer = fields::read(answer)?;
        let field = |name: &str| fields::text(&outer, name);
        let encrypt = field("Encrypt")?;
        let signed = seal().admits(
            &field("MsgSignature")?,
            &field("TimeStamp")?,
            &field("Nonce")?,
            &encrypt,
        );
        let message = signed.then(|| seal().open(&encrypt)).flatten()?;
        fields::read(&message)
    };
    let Some(message) = opened() else {
        // The customer is told that the account is out of order.
        let id = format!("broken-{}", told.board.len());
        told.show(
            "nobody",
            id,
            String::from_utf8_lossy(answer).into_owned(),
            Vec::new(),
        );
        return;
    };
    let who = fields::text(&message, "ToUserName").unwrap_or_default();
    let content = fields::text(&message, "Content").unwrap_or_default();
    let (text, choices) = links(&content);
    let id = format!("passive-{}", told.board.len());
    told.show(&who, id, text, choices);
}

/// The text as it is shown, and the links in it that say something when pressed.
fn links(content: &str) -> (String, Vec<(String, String)>) {
    let mut pieces = content.split("<a href=\"weixin://bizmsgmenu?msgmenucontent=");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    let mut choices = Vec::new();
    for piece in pieces {
        let link = || {
            let (said, rest) = piece.split_once("&msgmenuid=")?;
            let (id, rest) = rest.split_once("\">")?;
            let (label, rest) = rest.split_once("</a>")?;
            Some((said.replace("%20", " "), id, label, rest))
        };
        match link() {
            Some((said, id, label, rest)) => {
                choices.push((said, id.to_owned()));
                text.push_str(label);
                text.push_str(rest);
            }
            None => text.push_str(piece),
        }
    }
    (text, choices)
}

#[async_trait]
impl Platform for WechatSystem {
    fn setup(&self) -> Setup {
        let settings = json!({
            "app_id": APP,
            "app_secret": {"env": "APP_SECRET"},
            "token": {"env": "APP_TOKEN"},
            "encoding_aes_key": {"env": "APP_KEY"},
            "api": self.far.url(),
        });
        let environment = [("APP_SECRET", "s"), ("APP_TOKEN", TOKEN), ("APP_KEY", KEY)];
        Setup {
            environment: environment
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .to_vec(),
            config: scenarios::account(self.family.name(), self.account(), settings),
            ..Setup::default()
        }
    }

    fn account(&self) -> &'static str {
        "shop-wechat"
    }

    async fn reach(&self, url: &str) {
        self.courier.reach(url);
    }

    async fn write(&self, who: &str, text: &str) {
        self.deliver(who, "text", &[("Content", text)]);
    }

    async fn picture(&self, who: &str, png: &[u8]) {
        self.told.state().picture = png.to_vec();
        self.deliver(
            who,
            "image",
            &[("MediaId", "media-1"), ("PicUrl", "http://mmbiz.qpic.cn/1")],
        );
    }

    async fn press(&self, who: &str, label: &str) -> anyhow::Result<()> {
        let id = self.told.choice(who, label)?;
        self.deliver(who, "text", &[("Content", label), ("bizmsgmenuid", &id)]);
        Ok(())
    }

    async fn delivered(&self) {
        self.courier.delivered().await;
    }

    async fn repeat(&self, count: usize) {
        self.courier.repeat(count);
    }

    fn trouble(&self, trouble: Trouble) {
        self.told.trouble(trouble);
    }

    fn board(&self) -> &Board {
        &self.told.board
    }
}
