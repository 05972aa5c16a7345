//! Messenger, Slack, Twilio, Viber, WhatsApp, and systems of one's own.

use serde_json::json as value;
use tandem_channel_kit::conformance::webhook::Request;
use tandem_channel_script::prim::{
    codec,
    digest::{Hash, sha256},
};

use super::{Inward, Outward, Platform, base64, hex, json, mac, never, post};

const META_SECRET: &str = "a secret of Meta's";

/// What Meta signs, and how it could be weaker.
fn meta(name: &str, body: &str) -> Request {
    let mac = mac(Hash::Sha256, META_SECRET, body.as_bytes());
    hub(name, "x-hub-signature-256", "sha256", &mac, body)
}

fn hub(name: &str, header: &str, hash: &str, mac: &[u8], body: &str) -> Request {
    post(name, &[(header, format!("{hash}={}", hex(mac)))], body)
}

fn weaker_meta(name: &str, body: &str) -> Vec<(&'static str, Request)> {
    let old = mac(Hash::Sha1, META_SECRET, body.as_bytes());
    vec![
        (
            "the older header alone",
            hub(name, "x-hub-signature", "sha1", &old, body),
        ),
        (
            "the older hash in the header",
            hub(name, "x-hub-signature-256", "sha1", &old, body),
        ),
        (
            "a digest without the secret",
            hub(
                name,
                "x-hub-signature-256",
                "sha256",
                &sha256(body.as_bytes()),
                body,
            ),
        ),
    ]
}

pub const MESSENGER: Platform = Platform {
    name: "messenger",
    settings: &[
        ("app_secret", META_SECRET),
        ("page_access_token", "t"),
        ("verify_token", "v"),
    ],
    inward: Inward {
        body: |said, at| {
            let message = value!({
                "sender": {"id": said.customer}, "recipient": {"id": "1"}, "timestamp": at,
                "message": {"mid": format!("m_{}", said.number), "text": said.text},
            });
            let entry = value!({"id": "1", "time": at, "messaging": [message]});
            value!({"object": "page", "entry": [entry]}).to_string()
        },
        sign: |_, body, _| meta("messenger", body),
        signed: &["x-hub-signature-256"],
        signs_body: true,
        window: None,
        weaker: |body, _| weaker_meta("messenger", body),
        same: never,
        odd: r#"{"object": "planet"}"#,
        patience: 5,
    },
    outward: Outward {
        address: "https://graph.facebook.com",
        path: "/v25.0/me/messages",
        conversation: "2",
        context: None,
        taken: || json(200, r#"{"recipient_id": "2", "message_id": "m_1"}"#),
        throttled: || json(400, r#"{"error": {"code": 613, "message": "slowly"}}"#),
        pause: 60,
        refused: || json(400, r#"{"error": {"code": 551, "message": "no"}}"#),
        unauthorized: || json(400, r#"{"error": {"code": 190, "message": "old"}}"#),
        token: None,
        bearer: ("authorization", "Bearer "),
    },
};

pub const WHATSAPP: Platform = Platform {
    name: "whatsapp",
    settings: &[
        ("app_secret", META_SECRET),
        ("access_token", "t"),
        ("verify_token", "v"),
        ("phone_number_id", "106540352242922"),
    ],
    inward: Inward {
        body: |said, at| {
            let message = value!({
                "from": said.customer, "id": format!("wamid.{}", said.number), "type": "text",
                "timestamp": (at / 1000).to_string(), "text": {"body": said.text},
            });
            let told = value!({
                "messaging_product": "whatsapp",
                "metadata": {"phone_number_id": "106540352242922"},
                "contacts": [{"profile": {"name": "Ann"}, "wa_id": said.customer}],
                "messages": [message],
            });
            let change = value!({"field": "messages", "value": told});
            let entry = value!({"id": "1", "changes": [change]});
            value!({"object": "whatsapp_business_account", "entry": [entry]}).to_string()
        },
        sign: |_, body, _| meta("whatsapp", body),
        signed: &["x-hub-signature-256"],
        signs_body: true,
        window: None,
        weaker: |body, _| weaker_meta("whatsapp", body),
        same: never,
        odd: r#"{"object": "page"}"#,
        patience: 5,
    },
    outward: Outward {
        address: "https://graph.facebook.com",
        path: "/v25.0/106540352242922/messages",
        conversation: "16505551234",
        context: None,
        taken: || json(200, r#"{"messages": [{"id": "wamid.1"}]}"#),
        throttled: || json(429, r#"{"error": {"code": 130429, "message": "slowly"}}"#),
        pause: 7,
        refused: || json(400, r#"{"error": {"code": 131026, "message": "no"}}"#),
        unauthorized: || json(401, r#"{"error": {"code": 190, "message": "old"}}"#),
        token: None,
        bearer: ("authorization", "Bearer "),
    },
};

const SLACK_SECRET: &str = "a secret of Slack's";

pub const SLACK: Platform = Platform {
    name: "slack",
    settings: &[("signing_secret", SLACK_SECRET), ("bot_token", "xoxb-t")],
    inward: Inward {
        body: |said, at| {
            let ts = format!("{}.{:06}", at / 1000, said.number);
            value!({
                "type": "event_callback", "event_id": format!("Ev{}", said.number),
                "authorizations": [{"user_id": "UBOT"}],
                "event": {
                    "type": "message", "channel": format!("D{}", said.customer), "ts": ts,
                    "channel_type": "im", "user": said.customer, "text": said.text, "event_ts": ts,
                },
            })
            .to_string()
        },
        sign: |_, body, at| slack("v0=", Hash::Sha256, at, at, body),
        signed: &["x-slack-request-timestamp", "x-slack-signature"],
        signs_body: true,
        window: Some(300),
        weaker: |body, at| {
            vec![
                ("no version", slack("", Hash::Sha256, at, at, body)),
                ("another version", slack("v1=", Hash::Sha256, at, at, body)),
                ("an older hash", slack("v0=", Hash::Sha1, at, at, body)),
                (
                    "the signature of another time",
                    slack("v0=", Hash::Sha256, at - 1000, at, body),
                ),
            ]
        },
        same: never,
        odd: r#"{"type": "event_callback"}"#,
        patience: 3,
    },
    outward: Outward {
        address: "https://slack.com",
        path: "/api/chat.postMessage",
        conversation: "D1",
        context: None,
        taken: || json(200, r#"{"ok": true, "ts": "1760000000.000001"}"#),
        throttled: || json(429, r#"{"ok": false, "error": "ratelimited"}"#),
        pause: 7,
        refused: || json(200, r#"{"ok": false, "error": "channel_not_found"}"#),
        unauthorized: || json(200, r#"{"ok": false, "error": "invalid_auth"}"#),
        token: None,
        bearer: ("authorization", "Bearer "),
    },
};

fn slack(version: &str, hash: Hash, signed: i64, at: i64, body: &str) -> Request {
    let text = format!("v0:{}:{body}", signed / 1000);
    let signature = hex(&mac(hash, SLACK_SECRET, text.as_bytes()));
    let headers = [
        ("x-slack-request-timestamp", (at / 1000).to_string()),
        ("x-slack-signature", format!("{version}{signature}")),
    ];
    post("slack", &headers, body)
}

const TWILIO_SECRET: &str = "a secret of Twilio's";
const TWILIO_ACCOUNT: &str = "ACa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";

pub const TWILIO: Platform = Platform {
    name: "twilio",
    settings: &[
        ("account_sid", TWILIO_ACCOUNT),
        ("auth_token", TWILIO_SECRET),
        ("from", "+14158141829"),
    ],
    inward: Inward {
        body: |said, _| {
            let sid = format!("SM{:032x}", said.number);
            codec::form_encode([
                ("MessageSid", sid.as_str()),
                ("AccountSid", TWILIO_ACCOUNT),
                ("From", &said.customer),
                ("To", "+14158141829"),
                ("Body", &said.text),
                ("NumMedia", "0"),
            ])
        },
        sign: |_, body, _| twilio(Hash::Sha1, body, body),
        signed: &["x-twilio-signature"],
        signs_body: true,
        window: None,
        weaker: |body, _| {
            vec![
                (
                    "the signature of the address alone",
                    twilio(Hash::Sha1, "", body),
                ),
                ("an unknown hash", twilio(Hash::Sha512, body, body)),
            ]
        },
        // Letters of percent-encoding have no case.
        same: |changed, good| {
            let fields = |request: &Request| {
                let mut fields = codec::form_decode(&request.body)?;
                fields.sort();
                Some(fields)
            };
            changed.headers == good.headers && fields(changed) == fields(good)
        },
        odd: "Hello=1",
        patience: 15,
    },
    outward: Outward {
        address: "https://api.twilio.com",
        path: "/2010-04-01/Accounts/ACa1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1/Messages.json",
        conversation: "+14158675309",
        context: None,
        taken: || json(201, r#"{"sid": "SM1"}"#),
        throttled: || json(429, r#"{"code": 20429, "message": "slowly"}"#),
        pause: 7,
        refused: || json(400, r#"{"code": 21211, "message": "no"}"#),
        unauthorized: || json(401, r#"{"code": 20003, "message": "old"}"#),
        token: None,
        bearer: ("authorization", "Basic "),
    },
};

fn twilio(hash: Hash, signed: &str, body: &str) -> Request {
    let mut fields = codec::form_decode(signed.as_bytes()).unwrap();
    fields.sort();
    let mut text = b"https://help.example.test/hooks/twilio/a".to_vec();
    for (name, value) in fields {
        text.extend([name, value].concat());
    }
    let signature = base64(&mac(hash, TWILIO_SECRET, &text));
    post("twilio", &[("x-twilio-signature", signature)], body)
}

const VIBER_SECRET: &str = "a secret of Viber's";

pub const VIBER: Platform = Platform {
    name: "viber",
    settings: &[("auth_token", VIBER_SECRET), ("sender_name", "Tandem")],
    inward: Inward {
        body: |said, at| {
            value!({
                "event": "message", "timestamp": at, "chat_hostname": "SN",
                "message_token": 5_741_311_803_571_721_000_u64 + u64::from(said.number),
                "sender": {"id": said.customer, "name": "Ann"},
                "message": {"type": "text", "text": said.text},
            })
            .to_string()
        },
        sign: |_, body, _| viber(&mac(Hash::Sha256, VIBER_SECRET, body.as_bytes()), body),
        signed: &["x-viber-content-signature"],
        signs_body: true,
        window: None,
        weaker: |body, _| {
            vec![
                (
                    "an older hash",
                    viber(&mac(Hash::Sha1, VIBER_SECRET, body.as_bytes()), body),
                ),
                (
                    "a digest without the secret",
                    viber(&sha256(body.as_bytes()), body),
                ),
            ]
        },
        same: never,
        odd: r#"{"event": "message"}"#,
        patience: 5,
    },
    outward: Outward {
        address: "https://chatapi.viber.com",
        path: "/pa/send_message",
        conversation: "01=",
        context: None,
        taken: || json(200, r#"{"status": 0, "message_token": 5}"#),
        throttled: || json(200, r#"{"status": 12, "status_message": "slowly"}"#),
        pause: 30,
        refused: || json(200, r#"{"status": 6, "status_message": "no"}"#),
        unauthorized: || json(200, r#"{"status": 2, "status_message": "old"}"#),
        token: None,
        bearer: ("x-viber-auth-token", ""),
    },
};

fn viber(mac: &[u8], body: &str) -> Request {
    post("viber", &[("x-viber-content-signature", hex(mac))], body)
}

const OWN_SECRET: &str = "a secret of two systems";

pub const WEBHOOK: Platform = Platform {
    name: "webhook",
    settings: &[
        ("secret", OWN_SECRET),
        ("callback_url", "https://own.example.test/in"),
    ],
    inward: Inward {
        body: |said, _| {
            value!({
                "conversation": {"kind": "dm", "id": said.customer}, "text": said.text,
            })
            .to_string()
        },
        sign: |key, body, at| {
            let time = at / 1000;
            own(Hash::Sha256, &format!("{time}.{key}.{body}"), key, body, at)
        },
        signed: &[
            "idempotency-key",
            "x-tandem-timestamp",
            "x-tandem-signature",
        ],
        signs_body: true,
        window: Some(300),
        weaker: |body, at| {
            let time = at / 1000;
            vec![
                (
                    "a key that is not signed",
                    own(Hash::Sha256, &format!("{time}.{body}"), "k", body, at),
                ),
                (
                    "an older hash",
                    own(Hash::Sha1, &format!("{time}.k.{body}"), "k", body, at),
                ),
            ]
        },
        same: never,
        odd: r#"{"kind": "song"}"#,
        patience: 5,
    },
    outward: Outward {
        address: "https://own.example.test",
        path: "/in",
        conversation: "c",
        context: None,
        taken: || json(200, r#"{"ids": ["n"]}"#),
        throttled: || json(429, "{}"),
        pause: 7,
        refused: || json(400, "{}"),
        unauthorized: || json(401, "{}"),
        token: None,
        bearer: ("x-tandem-signature", ""),
    },
};

fn own(hash: Hash, signed: &str, key: &str, body: &str, at: i64) -> Request {
    let signature = hex(&mac(hash, OWN_SECRET, signed.as_bytes()));
    let headers = [
        ("idempotency-key", key.to_owned()),
        ("x-tandem-timestamp", (at / 1000).to_string()),
        ("x-tandem-signature", format!("sha256={signature}")),
    ];
    post("webhook", &headers, body)
}
