//! What people at the desk do to what the customer sees: files, typing, second thoughts; and who
//! has the conversation, for platforms that keep that themselves.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{House, Platform, Service};
use tandem_channel_kit::{Sink as _, inbox::NewFile, link::Pass};
use tandem_domain::{
    capabilities::{Brief, Capabilities, MediaBy, MediaLimit, Window},
    channel::SendError,
    message::{
        Content, Delivery, InboundKind, Media, MediaKind, Outbound, Part, ReplyContext, SendOp,
        SessionState,
    },
    store::{Change, Message, Visibility},
};
use tandem_engine::{Amendment, Person, PersonError};
use tokio::sync::Notify;

fn with(change: impl FnOnce(&mut Capabilities)) -> Platform {
    let mut caps = Capabilities::plain(4000);
    change(&mut caps);
    Platform {
        caps: Some(caps),
        ..Platform::default()
    }
}

fn kim() -> Person {
    Person {
        id: "kim".into(),
        name: None,
    }
}

impl House {
    async fn write(&self, content: Content) -> Message {
        let (id, w) = (self.conversation().await.id, &self.account.workspace);
        let reply = self
            .engine
            .reply(w, id, kim(), content, Visibility::Public, None);
        reply.await.unwrap()
    }

    async fn amend(&self, line: &Message, what: Amendment) -> Result<Message, PersonError> {
        let (w, by) = (&self.account.workspace, kim());
        let amended = self.engine.amend(w, line.conversation, line.seq, &by, what);
        amended.await
    }

    async fn line(&self, seq: u64) -> Message {
        let id = self.conversation().await.id;
        let lines = self.store.messages(&self.account.workspace, id, seq - 1, 1);
        lines.await.unwrap().remove(0)
    }

    /// Waits until the line is delivered so far.
    async fn until_line(&self, seq: u64, delivery: Delivery) -> Message {
        let looked = async {
            loop {
                let line = self.line(seq).await;
                if line.delivery == Some(delivery) {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), looked).await;
        waited.expect("the line gets there")
    }

    async fn close(&self, returned: bool) {
        let (id, w) = (self.conversation().await.id, &self.account.workspace);
        let closed = self.engine.close(w, id, kim(), None, returned);
        closed.await.unwrap();
    }
}

fn why(refused: Result<Message, PersonError>) -> String {
    refused.unwrap_err().to_string()
}

fn sessions(sent: &[Outbound]) -> Vec<SessionState> {
    let states = sent.iter().filter_map(|message| match message.op {
        SendOp::Session { state } => Some(state),
        _ => None,
    });
    states.collect()
}

#[tokio::test]
async fn a_file_is_a_link_where_the_channel_cannot_carry_it() {
    let by_url = |caps: &mut Capabilities| {
        let image = MediaLimit {
            by: MediaBy::Url,
            max: None,
        };
        caps.media.insert(MediaKind::Image, image);
    };
    let house = House::build(with(by_url), Service::default()).await;
    house.accept("1", "hello").await;
    house.sent(1).await;
    let lane = house.conversation().await.lane;
    let file = NewFile {
        name: "label.pdf".into(),
        mime: "application/pdf".into(),
        bytes: "%PDF".into(),
    };
    let row = house
        .engine
        .store_file(&house.account, lane, file)
        .await
        .unwrap();
    let part = |media| {
        Part::Media(Media {
            media,
            reference: format!("file:{}", row.id),
            mime: row.mime.clone(),
            name: Some(row.name.clone()),
            size: Some(row.size),
            alt: None,
        })
    };
    let content = |media| Content {
        parts: vec![part(media)],
        ..Content::default()
    };
    // What it cannot take at all is said in words, with the link.
    house.write(content(MediaKind::File)).await;
    let sent = house.sent(2).await.remove(1);
    let words = sent.content.plain();
    let base = format!("label.pdf: https://help.test/files/default/{}?s=", row.id);
    let signature = words.strip_prefix(&base).unwrap();
    let links = house.engine.links(&house.account.workspace).unwrap();
    let now = tandem_domain::Timestamp(support::START);
    assert_eq!(links.check(row.id, signature, now), Pass::Good);
    // What it fetches by itself has the same link for its address.
    house.write(content(MediaKind::Image)).await;
    let sent = house.sent(3).await.remove(2);
    let Part::Media(media) = &sent.content.parts[0] else {
        panic!("{sent:?}")
    };
    assert!(words.ends_with(&media.reference), "{media:?}");
    // The transcript keeps the file.
    let line = house.line(4).await;
    assert_eq!(line.content.parts, [part(MediaKind::Image)]);
}

#[tokio::test]
async fn what_a_person_said_is_changed_and_taken_back() {
    let able = |caps: &mut Capabilities| (caps.edit_secs, caps.delete_secs) = (Some(60), Some(-1));
    let house = House::build(with(able), Service::default()).await;
    house.accept("1", "hello").await;
    house.sent(1).await;
    *house.platform.ids.lock().unwrap() = vec!["n1".into()];
    let said = house.write(Content::text("it is 5 euro")).await;
    house.until_line(said.seq, Delivery::Sent).await;
    let edit = |text: &str| Amendment::Edit(text.into());
    let edited = house.amend(&said, edit("it is 6 euro")).await.unwrap();
    assert_eq!(edited.content.plain(), "it is 6 euro");
    let sent = house.sent(3).await.remove(2);
    assert_eq!(sent.op, SendOp::Edit { id: "n1".into() });
    assert_eq!(sent.content.plain(), "it is 6 euro");
    let line = house.line(said.seq).await;
    assert_eq!(line.changed.unwrap().how, Change::Edited);
    assert_eq!(line.delivery, Some(Delivery::Sent));
    // Too late to change, never too late to take back.
    house.pass(61);
    let late = why(house.amend(&said, edit("7")).await);
    assert!(late.contains("cannot change"), "{late}");
    house.amend(&said, Amendment::Delete).await.unwrap();
    let sent = house.sent(4).await.remove(3);
    assert_eq!(sent.op, SendOp::Delete { id: "n1".into() });
    let gone = house.line(said.seq).await;
    assert!(gone.content.parts.is_empty());
    // Once more changes nothing, and there is nothing left to change.
    house.amend(&said, Amendment::Delete).await.unwrap();
    assert!(house.amend(&said, edit("8")).await.is_err());
    assert_eq!(house.platform.sent.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_with_the_reason() {
    let able = |caps: &mut Capabilities| caps.edit_secs = Some(-1);
    let house = House::build(with(able), Service::default()).await;
    house.accept("1", "hello").await;
    house.sent(1).await;
    let theirs = house.line(1).await;
    let edit = || Amendment::Edit("x".into());
    assert!(why(house.amend(&theirs, edit()).await).contains("only what a person said"));
    let said = house.write(Content::text("hi")).await;
    house.until_line(said.seq, Delivery::Sent).await;
    assert!(why(house.amend(&said, edit()).await).contains("gave it no id"));
    *house.platform.ids.lock().unwrap() = vec!["n2".into()];
    let said = house.write(Content::text("there")).await;
    house.until_line(said.seq, Delivery::Sent).await;
    let taken_back = house.amend(&said, Amendment::Delete).await;
    assert!(why(taken_back).contains("cannot take back"));
    let long = Amendment::Edit("word ".repeat(2000));
    assert!(why(house.amend(&said, long).await).contains("does not fit"));
    let missing = Message { seq: 99, ..said };
    let none = house.amend(&missing, edit()).await;
    assert!(matches!(none, Err(PersonError::NoLine)));
}

#[tokio::test]
async fn a_change_that_the_platform_refuses_is_told_and_says_nothing_of_the_delivery() {
    let able = |caps: &mut Capabilities| caps.edit_secs = Some(-1);
    let house = House::build(with(able), Service::default()).await;
    house.accept("1", "hello").await;
    house.sent(1).await;
    *house.platform.ids.lock().unwrap() = vec!["n1".into()];
    let said = house.write(Content::text("hi")).await;
    house.until_line(said.seq, Delivery::Sent).await;
    *house.platform.answers.lock().unwrap() = vec![SendError::Rejected {
        code: "gone".into(),
        message: "no such message".into(),
    }];
    house
        .amend(&said, Amendment::Edit("ho".into()))
        .await
        .unwrap();
    house.sent(3).await;
    let told = async {
        loop {
            let events = house.store.events(&house.account.workspace, 0, 100);
            let events = events.await.unwrap();
            if let Some(event) = events.iter().find(|e| e.name == "message.change_failed") {
                return event.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(20), told).await;
    assert_eq!(told.unwrap().data["code"], "gone");
    assert_eq!(house.line(said.seq).await.delivery, Some(Delivery::Sent));
}

#[tokio::test(start_paused = true)]
async fn a_slow_bot_and_a_person_are_seen_typing() {
    let able = |caps: &mut Capabilities| caps.typing = true;
    let service = Service {
        held: Some(Notify::new()),
        ..Service::default()
    };
    let house = House::build(with(able), service).await;
    house.accept("1", "book something").await;
    // Once it lasts, and again before the platform takes the sign away.
    let sent = house.sent(2).await;
    assert!(sent.iter().all(|m| m.op == SendOp::Typing), "{sent:?}");
    house.service.held.as_ref().unwrap().notify_one();
    let count = loop {
        let sent = house.platform.sent.lock().unwrap().clone();
        let is_words = |m: &Outbound| m.op == SendOp::Send;
        if sent.last().is_some_and(is_words) {
            assert_eq!(sent.last().unwrap().content.plain(), "Booked.");
            break sent.len();
        }
        house.platform.sent_one.notified().await;
    };
    let conversation = house.conversation().await.id;
    let show = || house.engine.typing(&house.account.workspace, conversation);
    show().await.unwrap();
    let sent = house.sent(count + 1).await;
    assert_eq!(sent[count].op, SendOp::Typing);
}

#[tokio::test]
async fn nobody_is_shown_typing_where_the_channel_cannot() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.accept("1", "hello").await;
    house.sent(1).await;
    let conversation = house.conversation().await.id;
    let shown = house.engine.typing(&house.account.workspace, conversation);
    shown.await.unwrap();
    house.write(Content::text("hi")).await;
    assert_eq!(house.sent(2).await[1].op, SendOp::Send);
}

#[tokio::test]
async fn the_platform_hears_who_has_the_conversation() {
    let able = |caps: &mut Capabilities| caps.sessions = true;
    let house = House::build(with(able), Service::default()).await;
    house.accept("1", "talk to a human").await;
    assert_eq!(sessions(&house.sent(1).await), [SessionState::Human]);
    house.close(true).await;
    house.write(Content::text("once more me")).await;
    house.close(false).await;
    let all = async {
        loop {
            let sent = house.platform.sent.lock().unwrap().clone();
            if sessions(&sent).len() == 3 {
                return sessions(&sent);
            }
            house.platform.sent_one.notified().await;
        }
    };
    let all = tokio::time::timeout(Duration::from_secs(20), all).await;
    use SessionState::{Bot, Ended, Human};
    assert_eq!(all.unwrap(), [Human, Bot, Ended]);
    // Nothing of it stands in the transcript.
    let texts = house.lines().await;
    assert!(texts.iter().all(|(_, text, _)| !text.is_empty()));
}

#[tokio::test]
async fn people_of_the_platform_end_a_conversation() {
    let able = |caps: &mut Capabilities| caps.sessions = true;
    let house = House::build(with(able), Service::default()).await;
    house.accept("1", "talk to a human").await;
    house.sent(1).await;
    let mut ended = house.event("2", "");
    ended.parts.clear();
    ended.kind = InboundKind::System {
        name: "session_ended".into(),
        data: Default::default(),
    };
    let events = vec![ended];
    house.engine.accept(&house.account, events).await.unwrap();
    let conversation = house.conversation().await;
    assert_eq!(conversation.outcome.as_deref(), Some("resolved"));
    house.accept("3", "start counting").await;
    let asks = |m: &Outbound| m.content.plain() == "Next number?";
    let asked = async {
        while !house.platform.sent.lock().unwrap().iter().any(asks) {
            house.platform.sent_one.notified().await;
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(20), asked).await;
    asked.expect("the bot goes on");
}

#[tokio::test]
async fn an_event_that_is_no_message_opens_no_window() {
    let brief = |caps: &mut Capabilities| {
        caps.window = Some(Window {
            secs: 3600,
            quota: Some(5),
            outside: Default::default(),
            brief: Some(Brief { secs: 60, quota: 1 }),
        });
    };
    let house = House::build(with(brief), Service::default()).await;
    // The account's menu, which may be answered once within a minute.
    let mut press = house.event("1", "");
    press.parts.clear();
    press.kind = InboundKind::Action {
        value: "x".into(),
        label: Some("talk to a human".into()),
    };
    press.reply_context = Some(ReplyContext {
        token: "t".into(),
        expires_at: Some(tandem_domain::Timestamp(support::START + 60_000)),
        uses_left: Some(1),
    });
    let events = vec![press];
    house.engine.accept(&house.account, events).await.unwrap();
    let sent = house.sent(1).await;
    assert_eq!(sent[0].reply_context.as_ref().unwrap().token, "t");
    let line = house.write(Content::text("one too many")).await;
    let line = house.until_line(line.seq, Delivery::Failed).await;
    assert_eq!(line.delivery_code.as_deref(), Some("window"));
    // Words open it.
    house.accept("2", "hello?").await;
    let said = house.write(Content::text("here I am")).await;
    house.until_line(said.seq, Delivery::Sent).await;
}
