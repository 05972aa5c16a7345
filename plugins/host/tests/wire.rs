//! The messages of the border are the domain's own: what one side writes, the other reads.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tandem_domain::message as domain;
use tandem_plugin_sdk::wire;

fn inbound(kind: Value) -> Value {
    json!({
        "id": "e1", "ts": 1_700_000_000_000_i64, "kind": kind, "message_id": "m1", "quote": "m0",
        "mentions_me": true,
        "conversation": {"kind": "group", "id": "c1", "thread": "t1"},
        "sender": {"id": "ada", "name": "Ada", "is_self": true, "locale": "de"},
        "reply_context": {"token": "r", "expires_at": 5, "uses_left": 2},
        "parts": [
            {"type": "text", "text": "hello"},
            {"type": "media", "media": "image", "ref": "https://a/b", "mime": "image/png",
             "name": "n", "size": 7, "alt": "a"},
            {"type": "location", "lat": 1.5, "lon": 2.5, "name": "here"},
            {"type": "card", "title": "t", "text": "x", "image": "i", "url": "u",
             "choices": [{"label": "l", "value": "v"}, {"label": "l", "url": "u"}]},
            {"type": "mention", "id": "bob", "name": "Bob"},
            {"type": "unsupported", "native": "poll"},
            {"type": "template", "name": "n", "language": "de", "params": ["1"], "text": "x"},
        ],
    })
}

#[test]
fn what_a_channel_hands_in_is_what_the_server_reads() {
    for kind in [
        json!({"type": "message"}),
        json!({"type": "edit"}),
        json!({"type": "delete"}),
        json!({"type": "action", "value": "v", "label": "l"}),
        json!({"type": "reaction", "emoji": "+"}),
        json!({"type": "receipt", "status": "failed", "ids": ["a"], "until": 7, "code": "c",
            "message": "m"}),
        json!({"type": "system", "name": "follow", "data": {"a": 1}}),
    ] {
        let written: wire::Inbound = serde_json::from_value(inbound(kind.clone())).unwrap();
        let mut given = serde_json::to_value(&written).unwrap();
        assert_eq!(given, inbound(kind), "nothing is lost on the plugin's side");
        // What the host adds.
        given["channel"] = json!("irc");
        given["account"] = json!("irc-1");
        let read: domain::Inbound = serde_json::from_value(given.clone()).unwrap();
        assert_eq!(
            serde_json::to_value(read).unwrap(),
            given,
            "nor on the server's"
        );
    }
    for status in ["queued", "sent", "delivered", "read", "failed", "uncertain"] {
        let status = json!(status);
        let ours: wire::Delivery = serde_json::from_value(status.clone()).unwrap();
        let theirs: domain::Delivery = serde_json::from_value(json!(ours)).unwrap();
        assert_eq!(json!(theirs), status);
    }
}

#[test]
fn what_the_server_sends_is_what_a_channel_reads() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (op, author, style) in [
        (json!({"op": "send"}), json!({"kind": "bot"}), "buttons"),
        (
            json!({"op": "edit", "id": "n"}),
            json!({"kind": "agent", "id": "a", "name": "A"}),
            "list",
        ),
        (
            json!({"op": "delete", "id": "n"}),
            json!({"kind": "system"}),
            "quick_replies",
        ),
        (
            json!({"op": "typing"}),
            json!({"kind": "contact"}),
            "buttons",
        ),
    ] {
        let whole = json!({
            "uuid": id, "workspace": "w", "account": "a", "lane": id, "conversation_id": id,
            "conversation": {"kind": "dm", "id": "c"}, "seq": 3, "author": author, "op": op,
            "content": {"parts": inbound(json!({}))["parts"], "quote": "q",
                "choices": [{"label": "l", "value": "v"}]},
            "choice_style": style, "last_inbound_id": "m", "more": true,
            "reply_context": {"token": "t", "use": 1},
        });
        let sent: domain::Outbound = serde_json::from_value(whole.clone()).unwrap();
        let read: wire::Outbound = serde_json::from_value(json!(sent)).unwrap();
        let read = serde_json::to_value(read).unwrap();
        for (field, value) in read.as_object().unwrap() {
            assert_eq!(*value, whole[field], "{field}");
        }
        assert_eq!(
            read.as_object().unwrap().len(),
            8,
            "all but what is the server's own"
        );
    }
}
