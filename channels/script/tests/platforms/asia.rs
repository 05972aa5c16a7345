//! DingTalk, Douyin, Feishu, LINE, QQ.

use serde_json::json as value;
use tandem_channel_kit::{cipher, conformance::webhook::Request, fake::platform::Reply};
use tandem_channel_script::prim::{
    digest::{Hash, md5, sha1, sha256},
    keys, time,
};

use super::{Inward, Outward, Platform, base64, hex, json, mac, never, post};

const DINGTALK_SECRET: &str = "a secret of DingTalk's";

pub const DINGTALK: Platform = Platform {
    name: "dingtalk",
    settings: &[
        ("client_id", "ding1"),
        ("client_secret", DINGTALK_SECRET),
        ("robot_code", "ding1"),
    ],
    inward: Inward {
        body: |said, at| {
            value!({
                "msgId": format!("msg{}", said.number), "conversationId": "cid1",
                "conversationType": "1", "senderStaffId": said.customer, "senderNick": "Ann",
                "createAt": at, "msgtype": "text", "text": {"content": said.text},
            })
            .to_string()
        },
        sign: |_, body, at| dingtalk(Hash::Sha256, at, at, body),
        signed: &["timestamp", "sign"],
        // Its signature covers the time alone.
        signs_body: false,
        window: Some(3600),
        weaker: |body, at| {
            vec![
                ("an older hash", dingtalk(Hash::Sha1, at, at, body)),
                (
                    "the signature of another time",
                    dingtalk(Hash::Sha256, at - 1, at, body),
                ),
            ]
        },
        same: never,
        odd: r#"{"msgtype": "text"}"#,
        patience: 5,
    },
    outward: Outward {
        address: "https://api.dingtalk.com",
        path: "/v1.0/robot/oToMessages/batchSend",
        conversation: "staff1",
        context: None,
        taken: || json(200, r#"{"processQueryKey": "k"}"#),
        throttled: || json(429, r#"{"code": "Throttling.User", "message": "slowly"}"#),
        pause: 10,
        refused: || json(400, r#"{"code": "invalidParameter", "message": "no"}"#),
        unauthorized: || json(401, r#"{"code": "InvalidAuthentication", "message": "no"}"#),
        token: Some(("/v1.0/oauth2/accessToken", |token| {
            Reply::json(200, &value!({"accessToken": token, "expireIn": 7200}))
        })),
        bearer: ("x-acs-dingtalk-access-token", ""),
    },
};

fn dingtalk(hash: Hash, signed: i64, at: i64, body: &str) -> Request {
    let text = format!("{signed}\n{DINGTALK_SECRET}");
    let sign = base64(&mac(hash, DINGTALK_SECRET, text.as_bytes()));
    post(
        "dingtalk",
        &[("timestamp", at.to_string()), ("sign", sign)],
        body,
    )
}

const DOUYIN_SECRET: &str = "a secret of Douyin's";

pub const DOUYIN: Platform = Platform {
    name: "douyin",
    settings: &[
        ("client_key", "awx1"),
        ("client_secret", DOUYIN_SECRET),
        ("open_id", "shop"),
        ("refresh_token", "consent"),
    ],
    inward: Inward {
        body: |said, at| {
            value!({
                "event": "im_receive_msg", "client_key": "awx1", "from_user_id": said.customer,
                "to_user_id": "shop", "content": {
                    "conversation_short_id": "@c", "server_message_id": format!("m{}", said.number),
                    "conversation_type": 1, "create_time": at, "message_type": "text",
                    "text": said.text,
                },
            })
            .to_string()
        },
        sign: |_, body, _| douyin(&sha1(format!("{DOUYIN_SECRET}{body}").as_bytes()), body),
        signed: &["x-douyin-signature"],
        signs_body: true,
        window: None,
        weaker: |body, _| {
            vec![
                (
                    "a digest without the secret",
                    douyin(&sha1(body.as_bytes()), body),
                ),
                (
                    "an older hash",
                    douyin(&md5(format!("{DOUYIN_SECRET}{body}").as_bytes()), body),
                ),
                (
                    "words after the document",
                    douyin(
                        &sha1(format!("{DOUYIN_SECRET}{body} more").as_bytes()),
                        &format!("{body} more"),
                    ),
                ),
            ]
        },
        same: never,
        odd: r#"{"event": "im_receive_msg", "to_user_id": "shop"}"#,
        patience: 5,
    },
    outward: Outward {
        address: "https://open.douyin.com",
        path: "/im/send/msg/",
        conversation: "customer1",
        context: Some("m1 @c"),
        taken: || json(200, r#"{"data": {"error_code": 0, "msg_id": "m"}}"#),
        throttled: || json(429, r#"{"data": {"error_code": 28001052}}"#),
        pause: 60,
        refused: || {
            json(
                200,
                r#"{"data": {"error_code": 28003017, "description": "no"}}"#,
            )
        },
        unauthorized: || {
            json(
                200,
                r#"{"data": {"error_code": 28001008, "description": "old"}}"#,
            )
        },
        token: Some(("/oauth/refresh_token/", |token| {
            let data = value!({
                "error_code": 0, "access_token": token, "expires_in": 1_296_000,
                "refresh_token": "r", "refresh_expires_in": 2_592_000,
            });
            Reply::json(200, &value!({"data": data}))
        })),
        bearer: ("access-token", ""),
    },
};

fn douyin(digest: &[u8], body: &str) -> Request {
    post("douyin", &[("x-douyin-signature", hex(digest))], body)
}

const ENCRYPT_KEY: &str = "kudryavka";

pub const FEISHU: Platform = Platform {
    name: "feishu",
    settings: &[
        ("app_id", "cli_1"),
        ("app_secret", "s"),
        ("encrypt_key", ENCRYPT_KEY),
        ("verification_token", "v"),
    ],
    inward: Inward {
        body: |said, at| {
            let (id, at) = (format!("om_{}", said.number), at.to_string());
            let content = value!({"text": said.text}).to_string();
            value!({
                "schema": "2.0",
                "header": {
                    "event_id": "e", "event_type": "im.message.receive_v1", "create_time": at,
                    "token": "v", "app_id": "cli_1", "tenant_key": "t",
                },
                "event": {
                    "sender": {"sender_id": {"open_id": said.customer}, "sender_type": "user"},
                    "message": {
                        "message_id": id, "create_time": at, "chat_id": said.customer,
                        "chat_type": "p2p", "message_type": "text", "content": content,
                    },
                },
            })
            .to_string()
        },
        sign: |_, body, at| feishu(&sealed(body), &sealed(body), at),
        signed: &[
            "x-lark-request-timestamp",
            "x-lark-request-nonce",
            "x-lark-signature",
        ],
        signs_body: true,
        window: None,
        weaker: |body, at| {
            vec![
                ("an open body and no signature", post("feishu", &[], body)),
                (
                    "a sealed body and no signature",
                    post("feishu", &[], &sealed(body)),
                ),
                (
                    "an open body under the signature of the sealed",
                    feishu(&sealed(body), body, at),
                ),
            ]
        },
        same: never,
        odd: r#"{"header": {"event_type": "im.message.receive_v1"}, "event": {}}"#,
        patience: 3,
    },
    outward: Outward {
        address: "https://open.feishu.cn",
        path: "/open-apis/im/v1/messages",
        conversation: "oc_1",
        context: None,
        taken: || json(200, r#"{"code": 0, "data": {"message_id": "om_1"}}"#),
        throttled: || {
            json(400, r#"{"code": 99991400, "msg": "slowly"}"#).with("x-ogw-ratelimit-reset", "7")
        },
        pause: 7,
        refused: || json(400, r#"{"code": 230013, "msg": "no"}"#),
        unauthorized: || json(400, r#"{"code": 99991663, "msg": "old"}"#),
        token: Some(
            ("/open-apis/auth/v3/tenant_access_token/internal", |token| {
                let given = value!({"code": 0, "tenant_access_token": token, "expire": 7200});
                Reply::json(200, &given)
            }),
        ),
        bearer: ("authorization", "Bearer "),
    },
};

fn sealed(body: &str) -> String {
    let iv = md5(body.as_bytes());
    let key = sha256(ENCRYPT_KEY.as_bytes());
    let sealed = cipher::encrypt(&key, &iv, body.as_bytes(), 16).unwrap();
    value!({"encrypt": base64(&[iv, sealed].concat())}).to_string()
}

fn feishu(signed: &str, body: &str, at: i64) -> Request {
    let (time, nonce) = ((at / 1000).to_string(), "1372623149");
    let digest = sha256(format!("{time}{nonce}{ENCRYPT_KEY}{signed}").as_bytes());
    let headers = [
        ("x-lark-request-timestamp", time),
        ("x-lark-request-nonce", nonce.to_owned()),
        ("x-lark-signature", hex(&digest)),
    ];
    post("feishu", &headers, body)
}

const LINE_SECRET: &str = "a secret of LINE's";

pub const LINE: Platform = Platform {
    name: "line",
    settings: &[
        ("channel_secret", LINE_SECRET),
        ("channel_access_token", "t"),
    ],
    inward: Inward {
        body: |said, at| {
            let event = value!({
                "type": "message", "mode": "active", "timestamp": at,
                "webhookEventId": format!("e-{}", said.number), "replyToken": "r",
                "source": {"type": "user", "userId": said.customer},
                "deliveryContext": {"isRedelivery": false},
                "message": {"id": said.number.to_string(), "type": "text", "text": said.text},
            });
            value!({"destination": "bot", "events": [event]}).to_string()
        },
        sign: |_, body, _| line(&mac(Hash::Sha256, LINE_SECRET, body.as_bytes()), body),
        signed: &["x-line-signature"],
        signs_body: true,
        window: None,
        weaker: |body, _| {
            vec![
                (
                    "an older hash",
                    line(&mac(Hash::Sha1, LINE_SECRET, body.as_bytes()), body),
                ),
                (
                    "a digest without the secret",
                    line(&sha256(body.as_bytes()), body),
                ),
            ]
        },
        same: never,
        odd: "[1, 2]",
        patience: 2,
    },
    outward: Outward {
        address: "https://api.line.me",
        path: "/v2/bot/message/push",
        conversation: "U1",
        context: None,
        taken: || json(200, r#"{"sentMessages": [{"id": "1"}]}"#),
        throttled: || {
            json(
                429,
                r#"{"message": "The API rate limit has been exceeded."}"#,
            )
        },
        pause: 7,
        refused: || json(400, r#"{"message": "The request body has 1 error(s)"}"#),
        unauthorized: || json(401, r#"{"message": "Authentication failed"}"#),
        token: None,
        bearer: ("authorization", "Bearer "),
    },
};

fn line(mac: &[u8], body: &str) -> Request {
    post("line", &[("x-line-signature", base64(mac))], body)
}

const QQ_SECRET: &str = "DG5g3B4j9X2KOErG";

pub const QQ: Platform = Platform {
    name: "qq",
    settings: &[("app_id", "11111111"), ("app_secret", QQ_SECRET)],
    inward: Inward {
        body: |said, at| {
            value!({
                "id": format!("C2C_MESSAGE_CREATE:{}", said.number), "op": 0,
                "t": "C2C_MESSAGE_CREATE",
                "d": {
                    "id": format!("m{}", said.number), "author": {"user_openid": said.customer},
                    "content": said.text, "timestamp": time::format(at, "rfc3339"),
                },
            })
            .to_string()
        },
        sign: |_, body, at| qq(&seed(), at, at, body),
        signed: &["x-signature-timestamp", "x-signature-ed25519"],
        signs_body: true,
        window: None,
        weaker: |body, at| {
            let challenge = r#"{"op": 13, "d": {"plain_token": "t", "event_ts": "1"}}"#;
            vec![
                ("another's key", qq(&[7; 32], at, at, body)),
                (
                    "the signature of another time",
                    qq(&seed(), at - 1000, at, body),
                ),
                ("a challenge and no signature", post("qq", &[], challenge)),
            ]
        },
        // Letters of hex have no case.
        same: |changed, good| {
            let plain = |request: &Request| {
                let headers = request.headers.iter();
                let mut headers: Vec<_> = headers
                    .map(|(name, value)| (name.clone(), value.to_ascii_lowercase()))
                    .collect();
                headers.sort();
                (headers, request.body.clone())
            };
            plain(changed) == plain(good)
        },
        odd: r#"{"op": 0, "id": "x", "t": "C2C_MESSAGE_CREATE", "d": 7}"#,
        patience: 5,
    },
    outward: Outward {
        address: "https://api.bot.qq.com",
        path: "/v2/users/u1/messages",
        conversation: "user:u1",
        context: Some("message m1"),
        taken: || json(200, r#"{"id": "n"}"#),
        throttled: || json(429, r#"{"code": 100001, "message": "slowly"}"#),
        pause: 7,
        refused: || json(400, r#"{"code": 40034001, "message": "no"}"#),
        unauthorized: || json(401, r#"{"code": 11243, "message": "old"}"#),
        token: Some(("/app/getAppAccessToken", |token| {
            let given = value!({"access_token": token, "expires_in": "7200"});
            Reply::json(200, &given)
        })),
        bearer: ("authorization", "QQBot "),
    },
};

fn seed() -> Vec<u8> {
    QQ_SECRET
        .as_bytes()
        .iter()
        .copied()
        .cycle()
        .take(32)
        .collect()
}

fn qq(seed: &[u8], signed: i64, at: i64, body: &str) -> Request {
    let text = format!("{}{body}", signed / 1000);
    let signature = keys::ed25519_sign(seed, text.as_bytes()).unwrap();
    let headers = [
        ("x-signature-timestamp", (at / 1000).to_string()),
        ("x-signature-ed25519", hex(&signature)),
    ];
    post("qq", &headers, body)
}
