//! A system of one's own behind the signed webhook.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anyhow::Context as _;
use async_trait::async_trait;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tandem_channel_kit::fake::platform::{Call, FarPlatform, Reply};
use tandem_domain::Timestamp;

use super::{Board, Platform, Shown, Trouble, courier::Courier, scenarios};
use crate::server::Setup;

const SECRET: &str = "what both systems sign with";

/// The system and what it knows of its customers.
pub struct SignedSystem {
    far: FarPlatform,
    courier: Courier,
    board: Arc<Board>,
    told: Arc<Mutex<Told>>,
    events: AtomicUsize,
    picture: Arc<Mutex<Vec<u8>>>,
}

#[derive(Default)]
struct Told {
    /// Keys of messages that were taken.
    known: std::collections::BTreeSet<String>,
    /// Who was shown what can be pressed: (customer, label, value), newest last.
    choices: Vec<(String, String, String)>,
    throttle: usize,
    fail: usize,
    cut: usize,
}

impl SignedSystem {
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let far = FarPlatform::start().await?;
        let (board, told) = (Arc::<Board>::default(), Arc::<Mutex<Told>>::default());
        let picture = Arc::<Mutex<Vec<u8>>>::default();
        far.on("/callback", {
            let (board, told) = (board.clone(), told.clone());
            move |call| take(&board, &told, call)
        });
        far.on("/picture.png", {
            let picture = picture.clone();
            move |_| {
                let bytes = picture
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                Reply::bytes(200, "image/png", bytes)
            }
        });
        Ok(Self {
            far,
            courier: Courier::new(|_| {}),
            board,
            told,
            events: AtomicUsize::new(0),
            picture,
        })
    }

    fn deliver(&self, who: &str, mut event: Value) {
        let key = format!("e-{}", self.events.fetch_add(1, Relaxed));
        event["conversation"] = json!({"id": who});
        event["sender"] = json!({"id": who});
        let body = event.to_string();
        self.courier.send(Arc::new(move |client, url| {
            let ts = (Timestamp::now().0 / 1000).to_string();
            client
                .post(format!("{url}/hooks/webhook/own"))
                .header("idempotency-key", &key)
                .header("x-tandem-timestamp", &ts)
                .header("x-tandem-signature", sign(&ts, &key, body.as_bytes()))
                .body(body.clone())
        }));
    }
}

fn sign(ts: &str, key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(format!("{ts}.{key}.").as_bytes());
    mac.update(body);
    let digits = mac.finalize().into_bytes();
    let hex: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// A message that the server sends to a customer.
fn take(board: &Board, told: &Mutex<Told>, call: &Call) -> Reply {
    let (key, ts) = (
        call.header("idempotency-key"),
        call.header("x-tandem-timestamp"),
    );
    if call.header("x-tandem-signature") != sign(ts, key, &call.body) {
        return Reply::text(401, "the signature is wrong");
    }
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = |left: &mut usize| {
        let hit = *left > 0;
        *left = left.saturating_sub(1);
        hit
    };
    if counted(&mut told.throttle) {
        return Reply::text(429, "slowly").with("retry-after", "1");
    }
    if counted(&mut told.fail) {
        return Reply::text(503, "not now");
    }
    if !told.known.insert(key.to_owned()) {
        return Reply::text(409, "known");
    }
    let message = call.json();
    let who = message["conversation"]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let parts = || message["parts"].as_array().into_iter().flatten();
    let texts: Vec<&str> = parts().filter_map(|part| part["text"].as_str()).collect();
    let mut choices = Vec::new();
    for choice in message["choices"].as_array().into_iter().flatten() {
        let text = |name: &str| choice[name].as_str().unwrap_or_default().to_owned();
        choices.push(text("label"));
        told.choices
            .push((who.clone(), text("label"), text("value")));
    }
    board.show(Shown {
        who,
        id: format!("n-{key}"),
        text: texts.join("\n"),
        choices,
        files: parts()
            .filter(|part| part["type"] == "media")
            .map(|_| 0)
            .collect(),
    });
    if counted(&mut told.cut) {
        return Reply::Cut;
    }
    Reply::json(200, &json!({"ids": [format!("n-{key}")]}))
}

#[async_trait]
impl Platform for SignedSystem {
    fn setup(&self) -> Setup {
        let settings = json!({
            "secret": {"env": "OWN_SECRET"},
            "callback_url": format!("{}/callback", self.far.url()),
        });
        Setup {
            environment: vec![("OWN_SECRET".into(), SECRET.into())],
            config: scenarios::account("webhook", self.account(), settings),
            ..Setup::default()
        }
    }

    fn account(&self) -> &'static str {
        "own"
    }

    async fn reach(&self, url: &str) {
        self.courier.reach(url);
    }

    async fn write(&self, who: &str, text: &str) {
        self.deliver(who, json!({"text": text}));
    }

    async fn picture(&self, who: &str, png: &[u8]) {
        *self.picture.lock().unwrap_or_else(PoisonError::into_inner) = png.to_vec();
        let part = json!({
            "type": "media", "media": "image", "mime": "image/png", "name": "chair.png",
            "ref": format!("{}/picture.png", self.far.url()),
        });
        self.deliver(who, json!({"parts": [part]}));
    }

    async fn press(&self, who: &str, label: &str) -> anyhow::Result<()> {
        let value = {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let shown = told.choices.iter().rev();
            let found = shown
                .into_iter()
                .find(|(of, known, _)| of == who && known == label);
            found.map(|(_, _, value)| value.clone())
        };
        let value = value.with_context(|| format!("{who} was shown no {label:?}"))?;
        self.deliver(
            who,
            json!({"kind": "action", "action": {"value": value, "label": label}}),
        );
        Ok(())
    }

    async fn delivered(&self) {
        self.courier.delivered().await;
    }

    async fn repeat(&self, count: usize) {
        self.courier.repeat(count);
    }

    fn trouble(&self, trouble: Trouble) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match trouble {
            Trouble::Throttle { sends } => told.throttle = sends,
            Trouble::Fail { sends } => told.fail = sends,
            Trouble::CutAfterAccept { sends } => told.cut = sends,
            Trouble::Drop => {}
        }
    }

    fn board(&self) -> &Board {
        &self.board
    }
}
