//! What is sent, how files go both ways, and what 微信客服 is fetched.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use common::{DESK, NOW, account, callback, code, envelope, ok, platform, token};
use serde_json::{Value, json};
use tandem_channel_kit::{
    Inbox, InboxError, NewFile, Sink as _, Stop,
    fake::{self, MemorySink, platform::Reply},
};
use tandem_channel_wechat::Family;
use tandem_domain::{
    channel::SendError,
    message::{Choice, Content, Media, MediaKind, Outbound, Part, ReplyUse, SendOp, SessionState},
};

const CUSTOM: &str = "/cgi-bin/message/custom/send";
const SEND: &str = "/cgi-bin/kf/send_msg";
const SYNC: &str = "/cgi-bin/kf/sync_msg";

fn message(family: Family, content: Content) -> Outbound {
    fake::outbound(&account(family), "oUser1", content)
}

fn choices() -> Content {
    let choice = |label: &str, value: &str, url: Option<&str>| Choice {
        label: label.to_owned(),
        value: value.to_owned(),
        url: url.map(str::to_owned),
    };
    Content {
        choices: vec![
            choice("查订单", "track", None),
            choice("官网", "", Some("https://shop.example.test")),
        ],
        ..Content::text("请选择")
    }
}

fn medium(media: MediaKind, reference: &str, mime: &str) -> Content {
    Content {
        parts: vec![Part::Media(Media {
            media,
            reference: reference.to_owned(),
            mime: mime.to_owned(),
            name: Some("lamp.png".to_owned()),
            size: None,
            alt: None,
        })],
        ..Content::default()
    }
}

#[tokio::test]
async fn choices_are_shown_in_each_channels_own_way() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    for (family, path, expected) in [
        (
            Family::CustomerService,
            SEND,
            json!({"msgtype": "msgmenu", "touser": "oUser1", "open_kfid": DESK, "msgmenu": {
                "head_content": "请选择", "list": [
                    {"type": "click", "click": {"id": "track", "content": "查订单"}},
                    {"type": "view", "view": {"url": "https://shop.example.test", "content": "官网"}},
                ],
            }}),
        ),
        (
            Family::WeCom,
            "/cgi-bin/message/send",
            json!({"msgtype": "template_card", "touser": "oUser1", "agentid": 218, "template_card": {
                "card_type": "button_interaction", "main_title": {"title": "请选择"},
                "button_list": [
                    {"type": 0, "text": "查订单", "key": "track"},
                    {"type": 1, "text": "官网", "url": "https://shop.example.test"},
                ],
            }}),
        ),
    ] {
        let channel = common::channel(family, &platform.url(), folder.path());
        let message = message(family, choices());
        let receipt = channel.send(&message).await.unwrap();
        assert_eq!(receipt.native_ids, ["native-1"]);
        let mut sent = platform.calls_to(path).pop().unwrap().json();
        let key = match family {
            Family::WeCom => sent["template_card"]
                .as_object_mut()
                .unwrap()
                .remove("task_id"),
            _ => sent.as_object_mut().unwrap().remove("msgid"),
        };
        assert_eq!(key, Some(json!(message.key22())));
        assert_eq!(sent, expected);
    }
    let channel = common::channel(Family::OfficialAccount, &platform.url(), folder.path());
    let mut only = choices();
    only.choices.pop();
    channel
        .send(&message(Family::OfficialAccount, only))
        .await
        .unwrap();
    let sent = platform.calls_to(CUSTOM).pop().unwrap().json();
    assert_eq!(
        sent["msgmenu"]["list"],
        json!([{"id": "track", "content": "查订单"}])
    );
    let typing = Outbound {
        op: SendOp::Typing,
        ..message(Family::OfficialAccount, Content::default())
    };
    channel.send(&typing).await.unwrap();
    let sent = platform
        .calls_to("/cgi-bin/message/custom/typing")
        .pop()
        .unwrap();
    assert_eq!(
        sent.json(),
        json!({"touser": "oUser1", "command": "Typing"})
    );
}

#[tokio::test]
async fn a_stored_picture_is_uploaded_once_and_sent_by_its_id() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let family = Family::OfficialAccount;
    let channel = common::channel(family, &platform.url(), folder.path());
    let sink = MemorySink::new();
    let inbox = Inbox::new(account(family), Arc::new(sink.clone()));
    drop(channel.routes(inbox));
    let lane = message(family, Content::default()).lane;
    let file = NewFile {
        name: "la\"mp.png".to_owned(),
        mime: "image/png".to_owned(),
        bytes: Bytes::from_static(b"\x89PNG picture"),
    };
    let row = sink.store_file(&account(family), lane, file).await.unwrap();
    let picture = medium(MediaKind::Image, &format!("file:{}", row.id), "image/png");
    for _ in 0..2 {
        channel
            .send(&message(family, picture.clone()))
            .await
            .unwrap();
    }
    let uploads = platform.calls_to("/cgi-bin/media/upload");
    assert_eq!(uploads.len(), 1);
    assert!(uploads[0].query.contains("type=image"));
    let form = String::from_utf8_lossy(&uploads[0].body).into_owned();
    assert!(
        form.contains("name=\"media\"; filename=\"la_mp.png\""),
        "{form}"
    );
    assert!(form.contains("PNG picture"), "{form}");
    let sent = platform.calls_to(CUSTOM).pop().unwrap().json();
    assert_eq!(sent["image"], json!({"media_id": "m-1"}));

    // The platform has forgotten it: the next attempt uploads it anew.
    platform.next(CUSTOM, code(40007));
    let end = channel.send(&message(family, picture.clone())).await;
    assert!(matches!(end, Err(SendError::Transient(_))), "{end:?}");
    channel.send(&message(family, picture)).await.unwrap();
    assert_eq!(platform.calls_to("/cgi-bin/media/upload").len(), 2);

    let tune = medium(MediaKind::Audio, &format!("file:{}", row.id), "audio/ogg");
    let end = channel.send(&message(family, tune)).await;
    assert!(
        matches!(&end, Err(SendError::Rejected { code, .. }) if code == "media"),
        "{end:?}"
    );
    let gone = medium(MediaKind::Image, "file:none", "image/png");
    let end = channel.send(&message(family, gone)).await;
    assert!(
        matches!(&end, Err(SendError::Rejected { code, .. }) if code == "media"),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_customers_file_is_fetched_with_its_own_errors() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let channel = common::channel(Family::OfficialAccount, &platform.url(), folder.path());
    let media = Media {
        media: MediaKind::Image,
        reference: "media & id".to_owned(),
        mime: "image/jpeg".to_owned(),
        name: None,
        size: None,
        alt: None,
    };
    let get = "/cgi-bin/media/get";
    platform.next(get, Reply::bytes(200, "image/jpeg", "JPEG"));
    let fetched = channel.fetch(&media).await.unwrap();
    assert_eq!(fetched.mime.as_deref(), Some("image/jpeg"));
    assert_eq!(fetched.bytes, "JPEG");
    let call = platform.calls_to(get).pop().unwrap();
    assert_eq!(call.query, "access_token=token-1&media_id=media+%26+id");

    platform.next(get, code(40007));
    let end = channel.fetch(&media).await;
    assert!(matches!(end, Err(SendError::Rejected { .. })), "{end:?}");
    platform.next(get, code(-1));
    let end = channel.fetch(&media).await;
    assert!(matches!(end, Err(SendError::Transient(_))), "{end:?}");
    // A video is somewhere else, and only WeChat's own hosts are somewhere.
    platform.next(
        get,
        Reply::json(200, &json!({"video_url": "http://169.254.169.254/latest"})),
    );
    let end = channel.fetch(&media).await;
    assert!(matches!(end, Err(SendError::Rejected { .. })), "{end:?}");
    platform.next(
        get,
        Reply::bytes(200, "image/jpeg", vec![1; (25 << 20) + 1]),
    );
    let end = channel.fetch(&media).await;
    assert!(matches!(end, Err(SendError::Rejected { .. })), "{end:?}");
}

#[tokio::test]
async fn a_token_that_is_given_again_after_its_refusal_is_forced() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let channel = common::channel(Family::OfficialAccount, &platform.url(), folder.path());
    platform.on("/cgi-bin/stable_token", |call| {
        let forced = call.json()["force_refresh"] == true;
        token(if forced { "new" } else { "old" })
    });
    platform.on(CUSTOM, |call| {
        match call.query.contains("access_token=new") {
            true => ok(json!({})),
            false => code(40001),
        }
    });
    let hello = message(Family::OfficialAccount, Content::text("hello"));
    channel.send(&hello).await.unwrap();
    let asked: Vec<Value> = platform
        .calls_to("/cgi-bin/stable_token")
        .iter()
        .map(|c| c.json()["force_refresh"].clone())
        .collect();
    assert_eq!(asked, [json!(false), json!(false), json!(true)]);
    // What names no account of ours pauses it.
    let channel = common::channel(Family::OfficialAccount, &platform.url(), folder.path());
    platform.on("/cgi-bin/stable_token", |_| code(40125));
    let end = channel.send(&hello).await;
    assert!(
        matches!(&end, Err(SendError::Unauthorized(why)) if why.contains("40125")),
        "{end:?}"
    );
}

#[tokio::test]
async fn wecom_says_who_is_out_of_reach_with_success() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let channel = common::channel(Family::WeCom, &platform.url(), folder.path());
    platform.next(
        "/cgi-bin/message/send",
        ok(json!({"invaliduser": "oUser1", "msgid": "m"})),
    );
    let end = channel
        .send(&message(Family::WeCom, Content::text("hi")))
        .await;
    assert!(
        matches!(&end, Err(SendError::Rejected { code, .. }) if code == "81013"),
        "{end:?}"
    );
    assert_eq!(channel.capabilities().idempotency_secs, None);
    let changed = common::settings(
        Family::WeCom,
        &platform.url(),
        &json!({"duplicate_check": true}),
    );
    let channel = common::channel_of(changed, folder.path());
    assert_eq!(channel.capabilities().idempotency_secs, Some(1800));
    channel
        .send(&message(Family::WeCom, Content::text("hi")))
        .await
        .unwrap();
    let sent = platform
        .calls_to("/cgi-bin/message/send")
        .pop()
        .unwrap()
        .json();
    assert_eq!(sent["enable_duplicate_check"], 1);
}

#[tokio::test]
async fn a_conversation_that_is_nobodys_is_taken_and_one_of_a_person_is_left() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let channel = common::channel(Family::CustomerService, &platform.url(), folder.path());
    let hello = message(Family::CustomerService, Content::text("hello"));
    let (get, trans) = (
        "/cgi-bin/kf/service_state/get",
        "/cgi-bin/kf/service_state/trans",
    );
    platform.next(SEND, code(95018));
    platform.next(get, ok(json!({"service_state": 2})));
    channel.send(&hello).await.unwrap();
    let taken = platform.calls_to(trans).pop().unwrap().json();
    assert_eq!(
        taken,
        json!({"open_kfid": DESK, "external_userid": "oUser1", "service_state": 1})
    );
    let sent: Vec<Value> = platform
        .calls_to(SEND)
        .iter()
        .map(|call| call.json()["msgid"].clone())
        .collect();
    assert_eq!(sent, [json!(hello.key22()), json!(hello.key22())]);

    for state in [3, 4] {
        platform.next(SEND, code(95018));
        platform.next(get, ok(json!({"service_state": state})));
        let end = channel.send(&hello).await;
        assert!(
            matches!(&end, Err(SendError::Rejected { code, .. }) if code == "95018"),
            "{end:?}"
        );
    }
    assert_eq!(platform.calls_to(trans).len(), 1);
}

#[tokio::test]
async fn a_welcome_answers_the_event_and_a_second_desk_speaks_for_itself() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let family = Family::CustomerService;
    let channel = common::channel(family, &platform.url(), folder.path());
    let mut welcome = message(family, Content::text("欢迎"));
    welcome.reply_context = Some(ReplyUse {
        token: "welcome-code".to_owned(),
        number: 1,
    });
    channel.send(&welcome).await.unwrap();
    let sent = platform
        .calls_to("/cgi-bin/kf/send_msg_on_event")
        .pop()
        .unwrap()
        .json();
    assert_eq!(
        sent,
        json!({
            "code": "welcome-code", "msgid": welcome.key22(), "msgtype": "text", "text": {"content": "欢迎"},
        })
    );
    assert!(platform.calls_to(SEND).is_empty());
    let mut other = message(family, Content::text("hi"));
    other.conversation.thread = Some("wk2".to_owned());
    channel.send(&other).await.unwrap();
    assert_eq!(
        platform.calls_to(SEND).pop().unwrap().json()["open_kfid"],
        "wk2"
    );
}

fn entry(n: usize) -> Value {
    json!({
        "msgid": format!("m-{n}"), "open_kfid": DESK, "external_userid": "u", "send_time": NOW,
        "origin": 3, "msgtype": "text", "text": {"content": n.to_string()},
    })
}

/// What is there of `total` messages, three a page.
fn pages(total: &Arc<AtomicUsize>) -> impl Fn(&fake::platform::Call) -> Reply + use<> {
    let total = total.clone();
    move |call| {
        let total = total.load(Ordering::SeqCst);
        let from: usize = call.json()["cursor"]
            .as_str()
            .map_or(0, |c| c.parse().unwrap());
        let to = (from + 3).min(total);
        let list: Vec<Value> = (from..to).map(entry).collect();
        ok(
            json!({"next_cursor": to.to_string(), "has_more": u8::from(to < total), "msg_list": list}),
        )
    }
}

#[tokio::test]
async fn messages_are_fetched_in_order_and_on_from_there_after_a_restart() {
    let platform = platform().await;
    let total = Arc::new(AtomicUsize::new(8));
    platform.on(SYNC, pages(&total));
    let folder = tempfile::tempdir().unwrap();
    let family = Family::CustomerService;
    let sink = MemorySink::new();
    let inbox = Inbox::new(account(family), Arc::new(sink.clone()));
    let channel = common::channel(family, &platform.url(), folder.path());
    let router = channel.routes(inbox.clone());
    let (uri, body) = envelope(family, &callback(DESK, "callback-token"));

    // The third page cannot be stored: what is there stays, and the cursor with it.
    let stored = sink.clone();
    let full = pages(&total);
    platform.on(SYNC, move |call| {
        if call.json()["cursor"] == "3" && stored.events().len() == 3 {
            stored.fail_next(InboxError::Full("no room".into()));
        }
        full(call)
    });
    let (status, _) = common::post(&router, &uri, body.clone()).await;
    assert_eq!(status.as_u16(), 503);
    assert_eq!(sink.events().len(), 3);
    let kept = std::fs::read_to_string(folder.path().join(format!("{DESK}.cursor"))).unwrap();
    assert_eq!(kept, "3");
    platform.on(SYNC, pages(&total));
    let (status, said) = common::post(&router, &uri, body.clone()).await;
    assert_eq!((status.as_u16(), said.as_str()), (200, "success"));
    let asked = platform.calls_to(SYNC).pop().unwrap().json();
    assert_eq!(asked["token"], "callback-token");
    assert_eq!(asked["cursor"], "6");

    // More comes while nobody is there; the next start fetches it without any callback.
    total.store(10, Ordering::SeqCst);
    let before = platform.calls_to(SYNC).len();
    let channel = common::channel(family, &platform.url(), folder.path());
    let stop = Stop::new();
    let running = tokio::spawn({
        let (channel, inbox, stop) = (channel.clone(), inbox.clone(), stop.clone());
        async move { channel.run(inbox, stop).await }
    });
    platform.wait_for(SYNC, before + 1).await;
    let router = channel.routes(inbox);
    // One that asks now waits for the fetch under way, and sees what it brought.
    let (status, _) = common::post(&router, &uri, body).await;
    assert_eq!(status.as_u16(), 200);
    stop.stop();
    running.await.unwrap().unwrap();
    let texts: Vec<String> = sink.events().iter().map(|event| event.text()).collect();
    let expected: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
    assert_eq!(platform.calls_to(SYNC)[before].json()["cursor"], "8");
}

#[tokio::test]
async fn a_burst_of_callbacks_is_few_fetches_and_an_old_token_is_left_out() {
    let platform = platform().await;
    let total = Arc::new(AtomicUsize::new(2));
    platform.on(SYNC, pages(&total));
    let folder = tempfile::tempdir().unwrap();
    let family = Family::CustomerService;
    let sink = MemorySink::new();
    let inbox = Inbox::new(account(family), Arc::new(sink.clone()));
    let router = common::channel(family, &platform.url(), folder.path()).routes(inbox);
    let (uri, body) = envelope(family, &callback(DESK, "t"));
    let calls = (0..50).map(|_| common::post(&router, &uri, body.clone()));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|(status, _)| status.as_u16() == 200));
    assert!(
        platform.calls_to(SYNC).len() <= 3,
        "{}",
        platform.calls_to(SYNC).len()
    );
    assert_eq!(sink.events().len(), 2);

    total.store(3, Ordering::SeqCst);
    platform.next(SYNC, code(95007));
    let (status, _) = common::post(&router, &uri, body).await;
    assert_eq!(status.as_u16(), 200);
    assert!(
        platform
            .calls_to(SYNC)
            .pop()
            .unwrap()
            .json()
            .get("token")
            .is_none()
    );
    assert_eq!(sink.events().len(), 3);

    // Somebody else's desk under the same company.
    let before = platform.calls_to(SYNC).len();
    let (uri, body) = envelope(family, &callback("wk-other", "t"));
    let (status, _) = common::post(&router, &uri, body).await;
    assert_eq!(status.as_u16(), 200);
    assert_eq!(platform.calls_to(SYNC).len(), before);
}

#[tokio::test]
async fn what_can_never_be_accepted_does_not_hold_up_the_rest() {
    let platform = platform().await;
    let mut long = entry(1);
    long["msgid"] = json!("m".repeat(5000));
    let list = json!([entry(0), long, {"msgtype": "text"}, entry(2)]);
    platform.on(SYNC, move |_| {
        ok(json!({"next_cursor": "c", "has_more": 0, "msg_list": list}))
    });
    let folder = tempfile::tempdir().unwrap();
    let family = Family::CustomerService;
    let sink = MemorySink::new();
    let inbox = Inbox::new(account(family), Arc::new(sink.clone()));
    let router = common::channel(family, &platform.url(), folder.path()).routes(inbox);
    let (uri, body) = envelope(family, &callback(DESK, "t"));
    let (status, _) = common::post(&router, &uri, body).await;
    assert_eq!(status.as_u16(), 200);
    let texts: Vec<String> = sink.events().iter().map(|event| event.text()).collect();
    assert_eq!(texts, ["0", "2"]);
    assert_eq!(sink.unknown().len(), 2);
}

#[tokio::test]
async fn a_desk_hears_who_has_the_conversation() {
    const TRANS: &str = "/cgi-bin/kf/service_state/trans";
    const GET: &str = "/cgi-bin/kf/service_state/get";
    use SessionState::{Bot, Ended, Human};
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let family = Family::CustomerService;
    for (handoff_to, state, present, expected) in [
        (None, Human, 0, Some(1)),
        (None, Human, 1, None),
        (Some("pool"), Human, 1, Some(2)),
        (Some("lisa"), Human, 0, Some(3)),
        (Some("lisa"), Human, 2, None),
        (None, Bot, 1, None),
        (Some("pool"), Bot, 3, Some(4)),
        (None, Ended, 1, Some(4)),
        (None, Ended, 4, None),
    ] {
        let changes = match handoff_to {
            Some(to) => json!({"handoff_to": to}),
            None => json!({}),
        };
        let settings = common::settings(family, &platform.url(), &changes);
        let channel = common::channel_of(settings, folder.path());
        platform.on(GET, move |_| ok(json!({"service_state": present})));
        let before = platform.calls_to(TRANS).len();
        let message = Outbound {
            op: SendOp::Session { state },
            ..message(family, Content::default())
        };
        channel.send(&message).await.unwrap();
        let calls = platform.calls_to(TRANS);
        let told = calls.get(before).map(|call| call.json());
        let what = format!("{handoff_to:?} {state:?} {present}");
        assert_eq!(
            told.as_ref()
                .and_then(|told| told["service_state"].as_i64()),
            expected,
            "{what}"
        );
        if let Some(told) = told {
            assert_eq!(told["external_userid"], "oUser1", "{what}");
            let servicer = (expected == Some(3)).then_some("lisa");
            assert_eq!(told["servicer_userid"].as_str(), servicer, "{what}");
        }
    }
}

#[tokio::test]
async fn the_menu_is_told_when_the_account_begins() {
    let platform = platform().await;
    let folder = tempfile::tempdir().unwrap();
    let family = Family::OfficialAccount;
    let menu = json!({"menu": [{"label": "人工"}]});
    let settings = common::settings(family, &platform.url(), &menu);
    let channel = common::channel_of(settings, folder.path());
    let stop = Stop::new();
    let inbox = Inbox::new(account(family), Arc::new(MemorySink::new()));
    let running = channel.run(inbox, stop.clone());
    let told = async {
        while platform.calls_to("/cgi-bin/menu/create").is_empty() {
            tokio::task::yield_now().await;
        }
        stop.stop();
    };
    let (ended, ()) = tokio::join!(running, told);
    ended.unwrap();
    let told = platform.calls_to("/cgi-bin/menu/create").pop().unwrap();
    let entry = json!({"type": "click", "name": "人工", "key": "人工"});
    assert_eq!(told.json(), json!({"button": [entry]}));
}
