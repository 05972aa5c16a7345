//! What 微信客服 gives when its messages are fetched.

use std::time::Duration;

use serde_json::Value;
use tandem_channel_kit::Account;
use tandem_domain::{
    Timestamp,
    message::{Delivery, Inbound, InboundKind, MediaKind, Part, ReplyContext},
};

use crate::{
    family::Family,
    fields::{number, seconds, text},
    inbound::{blank, data, link, media},
};

/// Where an entry comes from: the customer.
const CUSTOMER: i64 = 3;
/// How a session changed: it was ended.
const ENDED: i64 = 3;

/// One page of messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// In the order they came.
    pub events: Vec<Inbound>,
    /// Entries that are none of any known form.
    pub odd: Vec<Value>,
    /// Where to go on from.
    pub cursor: Option<String>,
    /// There is another page.
    pub more: bool,
}

/// Reads an answer of `kf/sync_msg` for one of the account's desks.
#[must_use]
pub fn page(account: &Account, desks: &[String], answer: &Value, now: Timestamp) -> Page {
    let mut page = Page {
        cursor: text(answer, "next_cursor"),
        more: answer.get("has_more").and_then(Value::as_i64) == Some(1),
        ..Page::default()
    };
    let entries = answer.get("msg_list").and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        match event(account, desks, entry, now) {
            Some(event) => page.events.extend(event),
            None => page.odd.push(entry.clone()),
        }
    }
    page
}

/// The desk a conversation is with, where that is not the account's first.
fn thread(desks: &[String], desk: String) -> Option<String> {
    (desks.first() != Some(&desk)).then_some(desk)
}

/// `Some(None)` is no talk: what staff or the system said, states that changed.
fn event(
    account: &Account,
    desks: &[String],
    entry: &Value,
    now: Timestamp,
) -> Option<Option<Inbound>> {
    let kind = text(entry, "msgtype")?;
    let id = text(entry, "msgid")?;
    let at = Timestamp(seconds(entry, "send_time")? * 1000);
    let body = entry.get(&kind)?;
    let named = if kind == "event" { body } else { entry };
    let about = |name: &str| text(named, name);
    let start = || {
        let customer = about("external_userid")?;
        let thread = thread(desks, about("open_kfid")?);
        Some(Inbound {
            id: id.clone(),
            ..blank(account, &customer, thread, at)
        })
    };
    if kind != "event" {
        if entry.get("origin").and_then(Value::as_i64) != Some(CUSTOMER) {
            return Some(None);
        }
        let (kind, parts) = message(&kind, body)?;
        return Some(Some(Inbound {
            kind,
            parts,
            message_id: Some(id.clone()),
            ..start()?
        }));
    }
    let told = match text(body, "event_type")?.as_str() {
        "enter_session" => {
            let scene = [
                ("scene", text(body, "scene")),
                ("scene_param", text(body, "scene_param")),
            ];
            let window = Family::CustomerService.capabilities().window;
            let brief = window.and_then(|window| window.brief);
            let welcome = text(body, "welcome_code").zip(brief);
            let reply_context = welcome.map(|(token, brief)| ReplyContext {
                token,
                expires_at: Some(now.min(at) + Duration::from_secs(brief.secs)),
                uses_left: Some(brief.quota),
            });
            Inbound {
                kind: InboundKind::System {
                    name: "open".to_owned(),
                    data: data(scene),
                },
                reply_context,
                ..start()?
            }
        }
        "msg_send_fail" => Inbound {
            kind: InboundKind::Receipt {
                status: Delivery::Failed,
                ids: vec![text(body, "fail_msgid")?],
                until: None,
                code: Some(failure(body.get("fail_type").and_then(Value::as_i64))),
                message: None,
            },
            ..start()?
        },
        "user_recall_msg" => Inbound {
            kind: InboundKind::Delete,
            message_id: Some(text(body, "recall_msgid")?),
            ..start()?
        },
        "session_status_change"
            if body.get("change_type").and_then(Value::as_i64) == Some(ENDED) =>
        {
            Inbound {
                kind: InboundKind::System {
                    name: "session_ended".to_owned(),
                    data: Value::Null,
                },
                ..start()?
            }
        }
        _ => return Some(None),
    };
    Some(Some(told))
}

/// Why a message of ours did not arrive.
fn failure(kind: Option<i64>) -> String {
    match kind {
        Some(4 | 6) => "window".to_owned(),
        Some(10) => "refused".to_owned(),
        Some(other) => format!("fail_type_{other}"),
        None => "failed".to_owned(),
    }
}

fn message(kind: &str, body: &Value) -> Option<(InboundKind, Vec<Part>)> {
    let medium = |kind, mime| Some(media(kind, text(body, "media_id")?, mime));
    let part = match kind {
        "text" => {
            let words = text(body, "content").unwrap_or_default();
            if let Some(value) = text(body, "menu_id") {
                let label = Some(words);
                return Some((InboundKind::Action { value, label }, Vec::new()));
            }
            Part::text(words)
        }
        "image" => medium(MediaKind::Image, "image/jpeg")?,
        "voice" => medium(MediaKind::Audio, "audio/amr")?,
        "video" => medium(MediaKind::Video, "video/mp4")?,
        "file" => medium(MediaKind::File, "application/octet-stream")?,
        "location" => Part::Location {
            lat: number(body, "latitude")?,
            lon: number(body, "longitude")?,
            name: text(body, "name").or_else(|| text(body, "address")),
        },
        "link" => link(text(body, "title"), text(body, "url")),
        other => Part::Unsupported {
            native: other.to_owned(),
        },
    };
    Some((InboundKind::Message, vec![part]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_channel_kit::fake;

    use super::*;

    fn read(entries: Value) -> Page {
        let account = fake::account("wxkf", "a");
        let desks = ["wk1".to_owned(), "wk2".to_owned()];
        let answer = json!({"next_cursor": "c", "has_more": 0, "msg_list": entries});
        page(&account, &desks, &answer, Timestamp(1_760_000_000_000))
    }

    #[test]
    fn a_second_desk_is_a_conversation_of_its_own() {
        let entry = |desk: &str| {
            json!({"msgid": desk, "open_kfid": desk, "external_userid": "u", "origin": 3,
                "send_time": 1_760_000_000, "msgtype": "text", "text": {"content": "hi"}})
        };
        let page = read(json!([entry("wk1"), entry("wk2")]));
        let threads: Vec<_> = page
            .events
            .iter()
            .map(|e| e.conversation.thread.clone())
            .collect();
        assert_eq!(threads, [None, Some("wk2".to_owned())]);
    }

    #[test]
    fn what_has_no_known_form_is_kept_apart_from_the_rest() {
        let good = json!({"msgid": "1", "open_kfid": "wk1", "external_userid": "u", "origin": 3,
            "send_time": 1_760_000_000, "msgtype": "text", "text": {"content": "hi"}});
        let recalled = json!({"msgid": "2", "send_time": 1_760_000_000, "origin": 4, "msgtype": "event",
            "event": {"event_type": "user_recall_msg", "open_kfid": "wk1", "external_userid": "u", "recall_msgid": "1"}});
        let page = read(json!([{"msgtype": "text"}, good, 7, recalled]));
        assert_eq!(page.odd.len(), 2);
        assert_eq!(page.events.len(), 2);
        assert_eq!(page.events[1].kind, InboundKind::Delete);
        assert_eq!(page.events[1].message_id.as_deref(), Some("1"));
    }
}
