//! The HTTP interface of the fake.

use std::{collections::HashSet, sync::Arc};

use axum::http::Method;
use serde_json::json;
use tandem_channel_kit::fake::platform::{Call, FarPlatform, Reply};
use tandem_domain::Value;

use super::{APPLICATION, Asked, BOT, GUILD, Inner, OWN, Seen, THREAD, TOKEN, World, Wrong, lay};
use crate::native::Snowflake;

const BASE: &str = "/api/v10";

pub(super) fn serve(http: &FarPlatform, world: &Arc<World>) {
    let known = world.clone();
    http.on("/attachments/*", move |call| {
        let inner = known.lock();
        match inner.files.get(&call.path) {
            Some(bytes) => Reply::bytes(200, "application/octet-stream", bytes.clone()),
            None => Reply::text(404, "This content is no longer available."),
        }
    });
    let world = world.clone();
    http.on(&format!("{BASE}/*"), move |call| {
        let reply = answer(&world, call);
        world.tell();
        reply
    });
}

fn refused(status: u16, code: u64, message: &str) -> Reply {
    Reply::json(status, &json!({"code": code, "message": message}))
}

fn good(value: &Value) -> Reply {
    Reply::json(200, value)
}

fn answer(world: &World, call: &Call) -> Reply {
    if call.header("authorization") != format!("Bot {TOKEN}") {
        return refused(401, 0, "401: Unauthorized");
    }
    let path = call.path.strip_prefix(BASE).unwrap_or(&call.path);
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut inner = world.lock();
    match (&call.method, steps.as_slice()) {
        (&Method::GET, ["gateway", "bot"]) => good(&json!({
            "url": world.gateway, "shards": 1,
            "session_start_limit":
                {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1},
        })),
        (&Method::GET, ["channels", id]) => channel(&inner, id),
        (&Method::GET, ["channels", id, "messages"]) => page(&inner, id, &call.query),
        (&Method::POST, ["channels", id, "messages"]) => match Snowflake::read(id) {
            Some(channel) => send(&mut inner, channel, call),
            None => refused(404, 10_003, "Unknown Channel"),
        },
        (&Method::PATCH, ["channels", _, "messages", id]) => change(&mut inner, id, call),
        (&Method::DELETE, ["channels", _, "messages", id]) => remove(&mut inner, id),
        (&Method::POST, ["channels", _, "typing"]) => Reply::bytes(204, "text/plain", ""),
        (&Method::POST, ["interactions", id, token, "callback"]) => {
            acknowledge(&mut inner, id, token, call)
        }
        (method, ["webhooks", application, token, rest @ ..])
            if *application == APPLICATION.to_string() =>
        {
            hook(&mut inner, method, token, rest, call)
        }
        (&Method::PUT, ["applications", id, "commands"]) if *id == APPLICATION.to_string() => {
            inner.commands = Some(call.json());
            good(&call.json())
        }
        _ => refused(404, 0, "404: Not Found"),
    }
}

fn channel(inner: &Inner, id: &str) -> Reply {
    let Some(id) = Snowflake::read(id) else {
        return refused(404, 10_003, "Unknown Channel");
    };
    if inner.people.values().any(|person| person.alone == id) {
        return good(&json!({"id": id, "type": 1}));
    }
    good(&match id {
        THREAD => json!({"id": id, "type": 11, "parent_id": OWN, "guild_id": GUILD}),
        _ => json!({"id": id, "type": 0, "guild_id": GUILD}),
    })
}

/// The first messages after one, newest first as Discord gives them.
fn page(inner: &Inner, id: &str, query: &str) -> Reply {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .and_then(|(_, value)| value.parse::<u64>().ok())
    };
    let (after, limit) = (value("after").unwrap_or(0), value("limit").unwrap_or(50));
    let all = Snowflake::read(id).and_then(|id| inner.messages.get(&id));
    let mut found: Vec<Value> = all
        .into_iter()
        .flatten()
        .filter(|message| id_of(message) > after)
        .take(usize::try_from(limit).unwrap_or(100))
        .map(|message| {
            // What the gateway says of the server is not said here.
            let mut message = message.clone();
            message
                .as_object_mut()
                .map(|fields| fields.remove("guild_id"));
            message
        })
        .collect();
    found.reverse();
    good(&Value::Array(found))
}

fn id_of(message: &Value) -> u64 {
    let id = message["id"].as_str().and_then(Snowflake::read);
    id.unwrap_or_default().0
}

fn send(inner: &mut Inner, channel: Snowflake, call: &Call) -> Reply {
    let (body, files) = form(call);
    if let Some(problem) = problem(&body, &files) {
        return refused(400, 50_035, &problem);
    }
    let wrong = inner.wrong.pop_front();
    match wrong {
        Some(Wrong::Throttle) => {
            let told = json!({"message": "You are being rate limited.", "retry_after": 1.0, "global": false});
            return Reply::json(429, &told).with("x-ratelimit-scope", "user");
        }
        Some(Wrong::Fail) => return refused(503, 0, "upstream is down"),
        _ => {}
    }
    let nonce = body["nonce"].as_str().unwrap_or_default().to_owned();
    let known = inner
        .nonces
        .get(&nonce)
        .filter(|_| body["enforce_nonce"] == true);
    let message = match known.cloned() {
        Some(message) => message,
        None => {
            let message = make(inner, channel, &body, &files);
            inner.nonces.insert(nonce, message.clone());
            message
        }
    };
    match wrong {
        Some(Wrong::CutAfterAccept) => Reply::Cut,
        _ => good(&message),
    }
}

/// A message of the bot's, shown and told to its own session.
fn make(inner: &mut Inner, channel: Snowflake, body: &Value, files: &[usize]) -> Value {
    let mut message = json!({
        "id": inner.id(), "channel_id": channel, "type": 0,
        "author": {"id": BOT, "username": "tandem", "bot": true},
        "mentions": [], "attachments": [],
    });
    lay(&mut message, body.clone());
    inner
        .messages
        .entry(channel)
        .or_default()
        .push(message.clone());
    inner.see(&Seen::New(message.clone(), files.to_vec()));
    inner.dispatch("MESSAGE_CREATE", &message);
    message
}

fn change(inner: &mut Inner, id: &str, call: &Call) -> Reply {
    let (body, files) = form(call);
    if let Some(problem) = problem(&body, &files) {
        return refused(400, 50_035, &problem);
    }
    let mut all = inner.messages.values_mut().flatten();
    let Some(message) = all.find(|message| message["id"] == *id) else {
        return refused(404, 10_008, "Unknown Message");
    };
    lay(message, body);
    let message = message.clone();
    inner.see(&Seen::Changed(message.clone()));
    good(&message)
}

fn remove(inner: &mut Inner, id: &str) -> Reply {
    let mut gone = None;
    for (channel, all) in &mut inner.messages {
        all.retain(|message| {
            let this = message["id"] == *id;
            if this {
                gone = Some(*channel);
            }
            !this
        });
    }
    let (Some(channel), Some(id)) = (gone, Snowflake::read(id)) else {
        return refused(404, 10_008, "Unknown Message");
    };
    inner.see(&Seen::Gone(id));
    inner.dispatch("MESSAGE_DELETE", &json!({"id": id, "channel_id": channel}));
    Reply::bytes(204, "text/plain", "")
}

fn acknowledge(inner: &mut Inner, id: &str, token: &str, call: &Call) -> Reply {
    let kind = call.json()["type"].as_u64();
    let Some(asked) = inner.asked.get_mut(token) else {
        return refused(404, 10_062, "Unknown interaction");
    };
    if asked.acknowledged.is_some() {
        return refused(400, 40_060, "Interaction has already been acknowledged.");
    }
    asked.acknowledge(id, kind.unwrap_or(0));
    Reply::bytes(204, "text/plain", "")
}

impl Asked {
    fn acknowledge(&mut self, id: &str, kind: u64) {
        self.acknowledged = Some(kind);
        if kind == 5 {
            self.original = Some(json!({"id": id, "content": "", "flags": 128}));
        }
    }
}

impl super::FakeDiscord {
    /// The answer to an interaction that came by webhook.
    pub fn acknowledge(&self, token: &str, kind: u64) {
        if let Some(asked) = self.inner().asked.get_mut(token) {
            let id = token.trim_start_matches("token-of-").to_owned();
            asked.acknowledge(&id, kind);
        }
    }
}

/// What an interaction's token opens.
fn hook(inner: &mut Inner, method: &Method, token: &str, rest: &[&str], call: &Call) -> Reply {
    let unknown = || refused(404, 10_015, "Unknown Webhook");
    let Some(asked) = inner.asked.get(token).cloned() else {
        return unknown();
    };
    if asked.acknowledged.is_none() {
        return unknown();
    }
    match (method, rest) {
        (&Method::GET, ["messages", "@original"]) => match asked.original {
            Some(original) => good(&original),
            None => refused(404, 10_008, "Unknown Message"),
        },
        (&Method::PATCH, ["messages", "@original"]) => {
            let (body, files) = form(call);
            let Some(mut original) = asked.original else {
                return refused(404, 10_008, "Unknown Message");
            };
            let first = original["flags"] == 128;
            original["flags"] = json!(0);
            lay(&mut original, body);
            let shown = if first {
                make(inner, asked.channel, &original, &files)
            } else {
                inner.see(&Seen::Changed(original.clone()));
                original
            };
            if let Some(asked) = inner.asked.get_mut(token) {
                asked.original = Some(shown.clone());
            }
            good(&shown)
        }
        (&Method::POST, []) => {
            let (body, files) = form(call);
            good(&make(inner, asked.channel, &body, &files))
        }
        _ => unknown(),
    }
}

/// The message, and the sizes of the files that came with it.
fn form(call: &Call) -> (Value, Vec<usize>) {
    let Some((_, boundary)) = call.header("content-type").split_once("boundary=") else {
        return (call.json(), Vec::new());
    };
    let mark = format!("--{boundary}");
    let (mut body, mut files) = (Value::Null, Vec::new());
    let mut rest = &call.body[..];
    while let Some(at) = find(rest, mark.as_bytes()) {
        rest = &rest[at + mark.len()..];
        let end = find(rest, mark.as_bytes()).unwrap_or(rest.len());
        let Some(head) = find(&rest[..end], b"\r\n\r\n") else {
            continue;
        };
        let content = &rest[head + 4..end.saturating_sub(2).max(head + 4)];
        let named = String::from_utf8_lossy(&rest[..head]);
        if named.contains("name=\"payload_json\"") {
            body = serde_json::from_slice(content).unwrap_or_default();
        } else if named.contains("name=\"files[") {
            files.push(content.len());
        }
    }
    (body, files)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// What Discord has against a message.
fn problem(body: &Value, files: &[usize]) -> Option<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let length = |value: &Value| value.as_str().unwrap_or_default().chars().count();
    let content = length(&body["content"]);
    let embeds = list(&body["embeds"]);
    if content > 2000 {
        return Some("content: Must be 2000 or fewer in length.".to_owned());
    }
    if content == 0 && embeds.is_empty() && files.is_empty() && list(&body["components"]).is_empty()
    {
        return Some("Cannot send an empty message".to_owned());
    }
    let long = |e: &Value| length(&e["title"]) > 256 || length(&e["description"]) > 4096;
    if embeds.len() > 10 || embeds.iter().any(long) {
        return Some("embeds: too many or too long".to_owned());
    }
    if length(&body["nonce"]) > 25 {
        return Some("nonce: Must be 25 or fewer in length.".to_owned());
    }
    let rows = list(&body["components"]);
    let mut ids = HashSet::new();
    if rows.len() > 5 {
        return Some("components: more than 5 rows".to_owned());
    }
    for row in rows {
        let parts = list(&row["components"]);
        if row["type"] != 1 || parts.is_empty() || parts.len() > 5 {
            return Some("components: a row of 1 to 5".to_owned());
        }
        for part in parts {
            let id = part["custom_id"].as_str().unwrap_or_default().to_owned();
            let options = list(&part["options"]);
            let link = part["url"].is_string();
            let fine = match part["type"].as_u64() {
                Some(2) => (1..=80).contains(&length(&part["label"])) && link == id.is_empty(),
                Some(3) => (1..=25).contains(&options.len()),
                _ => false,
            };
            if !fine || id.chars().count() > 100 || (!link && !ids.insert(id)) {
                return Some(format!("components: not {part}"));
            }
            let mut values = HashSet::new();
            for option in options {
                let fine = (1..=100).contains(&length(&option["label"]))
                    && (1..=100).contains(&length(&option["value"]));
                if !fine || !values.insert(option["value"].to_string()) {
                    return Some(format!("options: not {option}"));
                }
            }
        }
    }
    None
}
