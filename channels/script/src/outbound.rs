//! A message as a channel's file is handed it.

use serde_json::json;
use tandem_domain::{
    Map, Value,
    message::{Card, NativeConversation, Outbound, Part, SendOp},
};

/// The message as Lua sees it. What is not there is nil.
pub(crate) fn message(outbound: &Outbound) -> Value {
    let content = &outbound.content;
    let (op, target) = match &outbound.op {
        SendOp::Send => ("send", None),
        SendOp::Edit { id } => ("edit", Some(id)),
        SendOp::Delete { id } => ("delete", Some(id)),
        SendOp::Typing => ("typing", None),
        SendOp::Session { .. } => ("session", None),
    };
    let parts: Vec<Value> = content.parts.iter().map(part).collect();
    let mut message = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            message.insert(name.to_owned(), value);
        }
    };
    put("uuid", json!(outbound.uuid));
    put("key22", json!(outbound.key22()));
    put("op", json!(op));
    put("target", json!(target));
    if let SendOp::Session { state } = outbound.op {
        put("session", json!(state));
    }
    put("conversation", conversation(&outbound.conversation));
    put("parts", json!(parts));
    if !content.choices.is_empty() {
        put("choices", json!(content.choices));
        put("choice_style", json!(outbound.choice_style));
    }
    put("quote", json!(content.quote));
    put("reply_context", json!(outbound.reply_context));
    put("last_inbound_id", json!(outbound.last_inbound_id));
    Value::Object(message)
}

/// The way back of what an event said: a thread stands under its own id, the group as its parent.
fn conversation(native: &NativeConversation) -> Value {
    match &native.thread {
        Some(thread) => json!({"kind": native.kind, "id": thread, "parent": native.id}),
        None => json!({"kind": native.kind, "id": native.id}),
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text { text } => json!({"type": "text", "text": text}),
        Part::Media(media) => {
            let mut value = json!({
                "type": "media",
                "media": media.media,
                "ref": media.reference,
                "mime": media.mime,
                "name": media.name,
                "size": media.size,
                "alt": media.alt,
            });
            // What a platform is to fetch has an address by now; the bytes of others are uploaded.
            if media.reference.starts_with("https://") {
                // The picture itself stands for its preview: platforms scale it down.
                value["preview_url"] = json!(media.reference);
                value["url"] = json!(media.reference);
            }
            value
        }
        Part::Location { lat, lon, name } => {
            json!({"type": "location", "lat": lat, "lon": lon, "name": name})
        }
        Part::Card(Card {
            title,
            text,
            image,
            url,
            choices,
        }) => json!({
            "type": "card", "title": title, "text": text, "image": image, "url": url,
            "choices": choices,
        }),
        Part::Mention { id, name } => json!({"type": "mention", "id": id, "name": name}),
        Part::Template {
            name,
            language,
            params,
            text,
        } => json!({
            "type": "template", "name": name, "language": language, "params": params, "text": text,
        }),
        Part::Unsupported { native } => json!({"type": "unsupported", "native": native}),
    }
}
