//! The Bot API, and the people in whose private chats a bot talks.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use serde_json::{Value, json};
use tandem_channel_kit::fake::platform::{Call, FarPlatform, Reply};
use tokio::sync::Notify;

use super::{Board, Platform, Shown, Trouble, courier::Courier, scenarios};
use crate::server::Setup;

const TOKEN: &str = "2:a-token-of-the-far-tests";
const BOT: i64 = 2;
/// Confirmed updates that can be delivered again.
const REMEMBERED: usize = 1_000;
/// Messages that may stand under one keyboard's press, and the longest values on buttons.
const DATA_MAX: usize = 64;
const TEXT_MAX: usize = 4096;

/// The Bot API as one bot meets it.
pub struct Telegram {
    far: FarPlatform,
    shared: Arc<Shared>,
    /// Delivers where a webhook is set.
    courier: Courier,
    webhook: bool,
}

#[derive(Default)]
struct Shared {
    board: Board,
    state: Mutex<State>,
    /// Something is to be delivered, was confirmed, or breaks.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Names of people and their chats.
    chats: BTreeMap<String, i64>,
    messages: i64,
    updates: i64,
    /// Not yet confirmed.
    pending: VecDeque<Update>,
    confirmed: VecDeque<Update>,
    /// The number of the poll that counts; an earlier one is told to go.
    poll: u64,
    /// How often polls were broken.
    drops: u64,
    hook: Option<Hook>,
    /// Buttons that hang in chats: (message, chat, label, data), newest last.
    buttons: Vec<(i64, i64, String, String)>,
    /// Presses whose spinners turn.
    presses: BTreeSet<String>,
    pictures: Vec<Vec<u8>>,
    throttle: usize,
    fail: usize,
    cut: usize,
}

#[derive(Clone)]
struct Update {
    id: i64,
    body: Value,
    /// It was on its way at least once: only then can an offset confirm it.
    given: bool,
}

#[derive(Clone)]
struct Hook {
    path: String,
    secret: String,
}

/// Calls that send something.
const SENDS: [&str; 7] = [
    "sendmessage",
    "sendphoto",
    "senddocument",
    "sendvoice",
    "sendaudio",
    "sendvideo",
    "sendanimation",
];

impl Telegram {
    /// With a bot that polls.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn polled() -> std::io::Result<Self> {
        Self::start(false).await
    }

    /// With a bot that is called.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn called() -> std::io::Result<Self> {
        Self::start(true).await
    }

    async fn start(webhook: bool) -> std::io::Result<Self> {
        let far = FarPlatform::start().await?;
        let shared = Arc::<Shared>::default();
        far.on_held("/*", {
            let shared = shared.clone();
            move |call| answer(&shared, call)
        });
        let courier = Courier::new({
            let shared = shared.clone();
            // What a webhook is answered with may be a call.
            move |body: &[u8]| {
                let called: Value = serde_json::from_slice(body).unwrap_or_default();
                if called["method"] == "answerCallbackQuery" {
                    shared.state().answered(&called);
                }
            }
        });
        Ok(Self {
            far,
            shared,
            courier,
            webhook,
        })
    }

    /// Presses whose spinners still turn.
    #[must_use]
    pub fn spinning(&self) -> usize {
        self.shared.state().presses.len()
    }

    fn deliver(&self, kind: &str, event: Value) {
        let mut state = self.shared.state();
        state.updates += 1;
        let update = Update {
            id: state.updates,
            body: json!({"update_id": state.updates, kind: event}),
            given: false,
        };
        if self.webhook {
            let shared = self.shared.clone();
            let body = update.body.to_string();
            self.courier.send(Arc::new(move |client, url| {
                let hook = shared.state().hook.clone();
                // Before the bot has said where, nothing is there.
                let hook = hook.unwrap_or(Hook {
                    path: "/nowhere".to_owned(),
                    secret: String::new(),
                });
                client
                    .post(format!("{url}{}", hook.path))
                    .header("content-type", "application/json")
                    .header("x-telegram-bot-api-secret-token", hook.secret)
                    .body(body.clone())
            }));
        } else {
            state.pending.push_back(update);
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// A message of a person with these fields.
    fn message(&self, who: &str, fields: &Value) {
        let mut message = {
            let mut state = self.shared.state();
            let chat = state.chat(who);
            let id = state.message();
            json!({
                "message_id": id, "date": 1_760_000_000, "chat": private(chat, who),
                "from": person(chat, who),
            })
        };
        if let (Some(message), Some(fields)) = (message.as_object_mut(), fields.as_object()) {
            message.extend(fields.clone());
        }
        self.deliver("message", message);
    }
}

fn person(chat: i64, who: &str) -> Value {
    json!({"id": chat, "is_bot": false, "first_name": who})
}

fn private(chat: i64, who: &str) -> Value {
    json!({"id": chat, "type": "private", "first_name": who})
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn chat(&mut self, who: &str) -> i64 {
        let next = 1_000 + i64::try_from(self.chats.len()).unwrap_or_default();
        *self.chats.entry(who.to_owned()).or_insert(next)
    }

    /// Who a chat is with; none where nobody has begun one.
    fn who(&self, chat: i64) -> Option<String> {
        let found = self.chats.iter().find(|(_, id)| **id == chat);
        found.map(|(who, _)| who.clone())
    }

    /// A bot's private chats count their messages together.
    fn message(&mut self) -> i64 {
        self.messages += 1;
        self.messages
    }

    fn answered(&mut self, call: &Value) -> bool {
        let id = call["callback_query_id"].as_str().unwrap_or_default();
        self.presses.remove(id)
    }

    fn confirm(&mut self, offset: i64) {
        let (gone, left): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|update| update.given && update.id < offset);
        self.pending = left;
        self.confirmed.extend(gone);
        let over = self.confirmed.len().saturating_sub(REMEMBERED);
        self.confirmed.drain(..over);
    }

    fn shows_buttons(&mut self, message: i64, chat: i64, markup: &Value) -> Vec<String> {
        self.buttons.retain(|(of, ..)| *of != message);
        let rows = markup["inline_keyboard"].as_array().into_iter().flatten();
        let mut labels = Vec::new();
        for button in rows.flat_map(|row| row.as_array().into_iter().flatten()) {
            let text = |name: &str| button[name].as_str().unwrap_or_default().to_owned();
            labels.push(text("text"));
            self.buttons
                .push((message, chat, text("text"), text("callback_data")));
        }
        labels
    }
}

fn good(result: &Value) -> Reply {
    Reply::json(200, &json!({"ok": true, "result": result}))
}

fn bad(code: u16, description: &str) -> Reply {
    let body = json!({"ok": false, "error_code": code, "description": description});
    Reply::json(code, &body)
}

fn answer(shared: &Arc<Shared>, call: &Call) -> BoxFuture<'static, Reply> {
    if let Some(path) = call.path.strip_prefix(&format!("/file/bot{TOKEN}/")) {
        return ready(picture(shared, path)).boxed();
    }
    let Some(method) = call.path.strip_prefix(&format!("/bot{TOKEN}/")) else {
        return ready(bad(401, "Unauthorized")).boxed();
    };
    let method = method.to_ascii_lowercase();
    if method == "getupdates" {
        return updates(shared.clone(), call.json()).boxed();
    }
    ready(immediate(shared, &method, call)).boxed()
}

/// A poll: held until there is something, time is up, another poll comes, or it breaks.
async fn updates(shared: Arc<Shared>, asked: Value) -> Reply {
    let (own, drops) = {
        let mut state = shared.state();
        if state.hook.is_some() {
            return bad(
                409,
                "Conflict: can't use getUpdates method while webhook is active",
            );
        }
        state.poll += 1;
        if let Some(offset) = asked["offset"].as_i64() {
            state.confirm(offset);
        }
        (state.poll, state.drops)
    };
    shared.changed.notify_waiters();
    let limit = usize::try_from(asked["limit"].as_u64().unwrap_or(100)).unwrap_or(100);
    let span = Duration::from_secs(asked["timeout"].as_u64().unwrap_or_default());
    let found = async {
        loop {
            let changed = shared.changed.notified();
            {
                let mut state = shared.state();
                if state.drops != drops {
                    return Reply::Cut;
                }
                if state.poll != own {
                    return bad(409, "Conflict: terminated by other getUpdates request");
                }
                if !state.pending.is_empty() {
                    let next = state.pending.iter_mut().take(limit);
                    let bodies: Vec<Value> = next
                        .map(|update| {
                            update.given = true;
                            update.body.clone()
                        })
                        .collect();
                    return good(&json!(bodies));
                }
            }
            changed.await;
        }
    };
    let waited = tokio::time::timeout(span, found).await;
    waited.unwrap_or_else(|_| good(&json!([])))
}

fn immediate(shared: &Shared, method: &str, call: &Call) -> Reply {
    let fields = fields(call);
    let mut state = shared.state();
    match method {
        "getme" => good(&json!({
            "id": BOT, "is_bot": true, "first_name": "Shop", "username": "shop_bot",
        })),
        "deletewebhook" => {
            state.hook = None;
            good(&json!(true))
        }
        "setwebhook" => {
            let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
            let url = text("url");
            let path = url.find("/hooks/").and_then(|at| url.get(at..));
            state.hook = Some(Hook {
                path: path.unwrap_or_default().to_owned(),
                secret: text("secret_token"),
            });
            good(&json!(true))
        }
        "answercallbackquery" => match state.answered(&fields) {
            true => good(&json!(true)),
            false => bad(
                400,
                "Bad Request: query is too old and response timeout expired or query id is invalid",
            ),
        },
        "sendchataction" => good(&json!(true)),
        "getfile" => {
            let id = fields["file_id"].as_str().unwrap_or_default();
            match id.strip_prefix("picture-") {
                Some(number) => good(&json!({
                    "file_id": id, "file_unique_id": number, "file_path": format!("photos/{number}.png"),
                })),
                None => bad(400, "Bad Request: invalid file_id"),
            }
        }
        "editmessagetext" | "editmessagereplymarkup" | "deletemessage" => {
            change(shared, &mut state, method, &fields)
        }
        send if SENDS.contains(&send) => take(shared, &mut state, send, call, &fields),
        _ => bad(404, "Not Found"),
    }
}

fn picture(shared: &Shared, path: &str) -> Reply {
    let number = path
        .strip_prefix("photos/")
        .and_then(|n| n.strip_suffix(".png"));
    let number: Option<usize> = number.and_then(|n| n.parse().ok());
    let state = shared.state();
    match number.and_then(|number| state.pictures.get(number)) {
        Some(bytes) => Reply::bytes(200, "application/octet-stream", bytes.clone()),
        None => Reply::text(404, "Not Found"),
    }
}

fn change(shared: &Shared, state: &mut State, method: &str, fields: &Value) -> Reply {
    let (chat, message) = (fields["chat_id"].as_i64(), fields["message_id"].as_i64());
    let (Some(chat), Some(message)) = (chat, message) else {
        return bad(400, "Bad Request: message identifier is not specified");
    };
    let choices = state.shows_buttons(message, chat, &fields["reply_markup"]);
    let text = match method {
        "deletemessage" => Some(String::new()),
        _ => fields["text"].as_str().map(str::to_owned),
    };
    let id = format!("{chat}:{message}");
    shared.board.change(&id, text, Some(choices));
    good(
        &json!({"message_id": message, "date": 1_760_000_000, "chat": {"id": chat, "type": "private"}}),
    )
}

/// A message that the bot sends.
fn take(shared: &Shared, state: &mut State, method: &str, call: &Call, fields: &Value) -> Reply {
    let counted = |left: &mut usize| {
        let hit = *left > 0;
        *left = left.saturating_sub(1);
        hit
    };
    if counted(&mut state.throttle) {
        let mut body = json!({
            "ok": false, "error_code": 429, "description": "Too Many Requests: retry after 1",
        });
        body["parameters"] = json!({"retry_after": 1});
        return Reply::json(429, &body);
    }
    if counted(&mut state.fail) {
        return bad(500, "Internal Server Error");
    }
    let chat = fields["chat_id"].as_i64().unwrap_or_default();
    let Some(who) = state.who(chat) else {
        return bad(400, "Bad Request: chat not found");
    };
    let text = fields["text"].as_str().unwrap_or_default();
    if method == "sendmessage" && text.trim().is_empty() {
        return bad(400, "Bad Request: message text is empty");
    }
    if text.encode_utf16().count() > TEXT_MAX {
        return bad(400, "Bad Request: message is too long");
    }
    let rows = fields["reply_markup"]["inline_keyboard"].as_array();
    let buttons = rows.into_iter().flatten();
    for button in buttons.flat_map(|row| row.as_array().into_iter().flatten()) {
        let data = button["callback_data"].as_str();
        if data.is_some_and(|data| data.is_empty() || data.len() > DATA_MAX) {
            return bad(400, "Bad Request: BUTTON_DATA_INVALID");
        }
    }
    let message = state.message();
    let choices = state.shows_buttons(message, chat, &fields["reply_markup"]);
    shared.board.show(Shown {
        who: who.clone(),
        id: format!("{chat}:{message}"),
        text: text.to_owned(),
        choices,
        files: match method {
            "sendmessage" => Vec::new(),
            _ => vec![attached(call).map_or(0, <[u8]>::len)],
        },
    });
    if counted(&mut state.cut) {
        return Reply::Cut;
    }
    good(&json!({
        "message_id": message, "date": 1_760_000_000, "chat": private(chat, &who), "text": text,
    }))
}

/// The fields of a call, as JSON or as a form.
fn fields(call: &Call) -> Value {
    if !call.header("content-type").starts_with("multipart/") {
        return call.json();
    }
    let text = call.text();
    let mut fields = json!({});
    for part in text.split("form-data; name=\"").skip(1) {
        let Some((name, rest)) = part.split_once('"') else {
            continue;
        };
        if let Some((value, _)) = rest
            .split_once("\r\n\r\n")
            .and_then(|(_, v)| v.split_once("\r\n"))
        {
            let read = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            fields[name] = read;
        }
    }
    fields
}

/// The bytes of the file that came with a form.
fn attached(call: &Call) -> Option<&[u8]> {
    let body: &[u8] = &call.body;
    let at = |what: &[u8], from: usize| {
        let found = body
            .get(from..)?
            .windows(what.len())
            .position(|w| w == what);
        found.map(|place| from + place)
    };
    let file = at(b"filename=", 0)?;
    let start = at(b"\r\n\r\n", file)? + 4;
    let end = at(b"\r\n--", start)?;
    body.get(start..end)
}

#[async_trait]
impl Platform for Telegram {
    fn setup(&self) -> Setup {
        let mut settings = json!({"token": {"env": "BOT_TOKEN"}, "api": self.far.url()});
        if self.webhook {
            settings["mode"] = json!("webhook");
        }
        let mut config = scenarios::account("telegram", self.account(), settings);
        config["server"] = json!({"public_url": "https://shop.example.test"});
        Setup {
            environment: vec![("BOT_TOKEN".into(), TOKEN.into())],
            config,
            ..Setup::default()
        }
    }

    fn account(&self) -> &'static str {
        "bot"
    }

    async fn reach(&self, url: &str) {
        self.courier.reach(url);
    }

    async fn write(&self, who: &str, text: &str) {
        self.message(who, &json!({"text": text}));
    }

    async fn picture(&self, who: &str, png: &[u8]) {
        let number = {
            let mut state = self.shared.state();
            state.pictures.push(png.to_vec());
            state.pictures.len() - 1
        };
        let sizes: Vec<Value> = [(90, "tiny".to_owned()), (1280, format!("picture-{number}"))]
            .into_iter()
            .map(|(side, id)| {
                json!({"file_id": id, "file_unique_id": id, "width": side, "height": side, "file_size": png.len()})
            })
            .collect();
        self.message(who, &json!({"photo": sizes}));
    }

    async fn press(&self, who: &str, label: &str) -> anyhow::Result<()> {
        let query = {
            let mut state = self.shared.state();
            let chat = state.chat(who);
            let found = state
                .buttons
                .iter()
                .rev()
                .find(|(_, of, known, _)| *of == chat && known == label);
            let (message, _, label, data) = found
                .cloned()
                .with_context(|| format!("{who} was shown no {label:?}"))?;
            let id = format!("press-{}", state.updates);
            state.presses.insert(id.clone());
            json!({
                "id": id, "from": person(chat, who), "chat_instance": "1", "data": data,
                "message": {
                    "message_id": message, "date": 1_760_000_000, "text": "…",
                    "from": {"id": BOT, "is_bot": true, "first_name": "Shop"},
                    "chat": private(chat, who),
                    "reply_markup": {"inline_keyboard": [[{"text": label, "callback_data": data}]]},
                },
            })
        };
        self.deliver("callback_query", query);
        Ok(())
    }

    async fn delivered(&self) {
        self.courier.delivered().await;
        loop {
            let changed = self.shared.changed.notified();
            if self.shared.state().pending.is_empty() {
                return;
            }
            changed.await;
        }
    }

    async fn repeat(&self, count: usize) {
        self.courier.repeat(count);
        {
            let mut state = self.shared.state();
            let from = state.confirmed.len().saturating_sub(count);
            let again = state.confirmed.split_off(from);
            for update in again.into_iter().rev() {
                let given = false;
                state.pending.push_front(Update { given, ..update });
            }
        }
        self.shared.changed.notify_waiters();
    }

    fn trouble(&self, trouble: Trouble) {
        {
            let mut state = self.shared.state();
            match trouble {
                Trouble::Throttle { sends } => state.throttle = sends,
                Trouble::Fail { sends } => state.fail = sends,
                Trouble::CutAfterAccept { sends } => state.cut = sends,
                Trouble::Drop => state.drops += 1,
            }
        }
        self.shared.changed.notify_waiters();
    }

    fn board(&self) -> &Board {
        &self.shared.board
    }
}
