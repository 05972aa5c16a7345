//! What the edge of a channel is promised: menus in words, windows, receipts, credentials, order.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{House, Platform, Service};
use tandem_channel_kit::{Accepted, Health, Sink as _};
use tandem_domain::{
    FileId, OutboxId, Timestamp,
    capabilities::{Capabilities, Pace, Window},
    channel::{Receipt, SendError},
    message::{
        Author, Choice, Content, Delivery, Inbound, InboundKind, Media, MediaKind, Part,
        ReplyContext,
    },
    store::{Commit, Message, OutboxState, Visibility, Write},
};
use tandem_engine::Person;

fn with(caps: Capabilities) -> Platform {
    Platform {
        caps: Some(caps),
        ..Platform::default()
    }
}

fn window(secs: u64, quota: Option<u32>) -> Capabilities {
    Capabilities {
        window: Some(Window {
            secs,
            quota,
            outside: Default::default(),
            brief: None,
        }),
        ..Capabilities::plain(4000)
    }
}

fn kim() -> Person {
    Person {
        id: "kim".into(),
        name: None,
    }
}

fn failed(code: &str) -> impl Fn(&OutboxState) -> bool {
    move |state| matches!(state, OutboxState::Failed { code: c, .. } if c == code)
}

impl House {
    async fn take(&self, event: Inbound) -> Accepted {
        let events = vec![event];
        self.engine.accept(&self.account, events).await.unwrap()[0]
    }

    /// Writes as a person, and gives the line.
    async fn write(&self, content: Content) -> Message {
        let (id, w) = (self.conversation().await.id, &self.account.workspace);
        let reply = self
            .engine
            .reply(w, id, kim(), content, Visibility::Public, None);
        reply.await.unwrap()
    }

    async fn all(&self) -> Vec<Message> {
        let id = self.conversation().await.id;
        let lines = self.store.messages(&self.account.workspace, id, 0, 999);
        lines.await.unwrap()
    }

    /// The outbox row of the n-th send of a turn, by the event that caused it.
    fn row_of(&self, accepted: Accepted, ordinal: u32) -> OutboxId {
        let cause = format!("inbox:{}", accepted.id().unwrap());
        OutboxId::derive(&[&cause, &ordinal.to_string()])
    }

    async fn sent_state(&self, id: OutboxId) -> OutboxState {
        let done = |s: &OutboxState| matches!(s, OutboxState::Sent { .. });
        self.until(id, done).await
    }
}

fn receipt(house: &House, id: &str, status: Delivery, native: &str) -> Inbound {
    let mut event = house.event(id, "");
    event.parts.clear();
    event.kind = InboundKind::Receipt {
        status,
        ids: vec![native.into()],
        until: None,
        code: None,
        message: None,
    };
    event
}

fn menu() -> Content {
    let choice = |label: &str| Choice {
        label: label.into(),
        value: format!("value of {label}"),
        url: None,
    };
    Content {
        choices: vec![choice("Red"), choice("Blue")],
        ..Content::text("Which colour?")
    }
}

/// What the stepper was told in the newest turns: presses by their token.
async fn presses(house: &House) -> Vec<String> {
    let id = house.conversation().await.id;
    let rows = house.store.journal(&house.account.workspace, id);
    let rows = rows.await.unwrap();
    let texts = rows
        .iter()
        .map(|row| String::from_utf8_lossy(&row.body).into_owned());
    texts
        .filter_map(|text| {
            let (_, token) = text.split_once("\"token\":\"")?;
            Some(token.split_once('"')?.0.to_owned())
        })
        .collect()
}

#[tokio::test]
async fn a_number_names_a_choice_of_the_menu_once() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.accept("1", "hello").await;
    house.write(menu()).await;
    let sent = house.sent(2).await;
    let shown = sent.last().unwrap().content.plain();
    assert_eq!(shown, "Which colour?\n\n1. Red\n2. Blue");
    house.accept("2", "green, please").await;
    assert!(presses(&house).await.is_empty(), "other words stay words");
    house.accept("3", "２").await;
    assert_eq!(presses(&house).await, ["value of Blue"]);
    // The customer's own words stand in the transcript.
    let lines = house.all().await;
    let theirs = lines.iter().rfind(|line| line.author == Author::Contact);
    assert_eq!(theirs.unwrap().content.plain(), "２");
    house.accept("4", "1").await;
    assert_eq!(presses(&house).await.len(), 1, "a menu is used once");
}

#[tokio::test]
async fn a_menu_outlives_a_restart_and_not_its_time() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.accept("1", "hello").await;
    house.write(menu()).await;
    house.sent(2).await;
    // Another engine over the same store has nothing in memory.
    let folder = tempfile::tempdir().unwrap();
    let again = House::on(
        house.store.clone(),
        folder,
        Platform::default(),
        Service::default(),
    )
    .await;
    again.accept("2", "①").await;
    assert_eq!(presses(&again).await, ["value of Red"]);
    again.write(menu()).await;
    again.pass(25 * 3600);
    again.accept("3", "1").await;
    assert_eq!(presses(&again).await.len(), 1);
}

#[tokio::test]
async fn a_short_key_stands_for_its_value_after_its_menu_is_gone() {
    let limit = |max| tandem_domain::capabilities::Limit {
        max,
        unit: Default::default(),
    };
    let buttons = tandem_domain::capabilities::Choices {
        max: 3,
        text: None,
        label: limit(20),
        value: limit(10),
        url: false,
    };
    let caps = Capabilities {
        buttons: Some(buttons),
        ..Capabilities::plain(400)
    };
    let house = House::build(with(caps), Service::default()).await;
    house.accept("1", "hello").await;
    house.write(menu()).await;
    let sent = house.sent(2).await;
    let old = sent.last().unwrap().content.choices[0].value.clone();
    assert!(old.len() <= 10);
    let mut other = menu();
    other.choices[0].value = "something else that is long".into();
    house.write(other).await;
    let mut press = house.event("2", "");
    press.parts.clear();
    press.kind = InboundKind::Action {
        value: old,
        label: None,
    };
    house.take(press).await;
    assert_eq!(presses(&house).await, ["value of Red"]);
}

#[tokio::test]
async fn outside_of_the_window_a_message_is_a_dead_letter_with_its_reason() {
    let house = House::build(with(window(3600, None)), Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(accepted, 1)).await;
    house.pass(3601);
    house.write(Content::text("Still there?")).await;
    let dead = loop {
        let dead = house.store.dead_letters(&house.account.workspace, 9);
        match dead.await.unwrap().pop() {
            Some(dead) => break dead,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(failed("window")(&dead.state), "{:?}", dead.state);
    assert_eq!(house.platform.sent.lock().unwrap().len(), 1);
    let line = house.all().await.pop().unwrap();
    assert_eq!(line.delivery, Some(Delivery::Failed));
    assert_eq!(line.delivery_code.as_deref(), Some("window"));
}

#[tokio::test]
async fn what_a_quota_has_no_room_for_waits_for_the_customer() {
    let house = House::build(with(window(3600, Some(2))), Service::default()).await;
    house.accept("1", "start counting").await;
    house.sent(1).await;
    house.write(Content::text("two")).await;
    house.sent(2).await;
    let third = house.write(Content::text("three")).await;
    let held = loop {
        let row = house
            .store
            .next_outbox(&house.account.workspace, &house.account.id);
        // Held until the window ends, which is about an hour away.
        match row.await.unwrap() {
            Some(at) if at > Timestamp(support::START + 3_000_000) => break at,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert!(held <= Timestamp(support::START + 3_700_000));
    assert_eq!(house.platform.sent.lock().unwrap().len(), 2);
    house.accept("2", "7").await;
    let sent = house.sent(3).await;
    assert_eq!(sent[2].seq, third.seq);
}

#[tokio::test]
async fn where_sends_are_few_lines_of_a_turn_leave_as_one() {
    let house = House::build(with(window(3600, Some(5))), Service::default()).await;
    let first = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(first, 1)).await;
    let second = house.accept("2", "7").await;
    house.sent_state(house.row_of(second, 1)).await;
    let sent = house.sent(2).await;
    assert_eq!(sent[1].content.plain(), "Got 7.\n\nNext number?");
    let lines = house.all().await;
    let bot = lines.iter().filter(|line| line.author == Author::Bot);
    let deliveries: Vec<_> = bot.map(|line| line.delivery).collect();
    assert_eq!(deliveries, [Some(Delivery::Sent); 3]);
}

#[tokio::test]
async fn a_reply_context_is_used_as_often_as_it_allows() {
    let house = House::build(with(window(3600, Some(1))), Service::default()).await;
    let mut event = house.event("1", "start counting");
    event.message_id = Some("native-1".into());
    event.reply_context = Some(ReplyContext {
        token: "t".into(),
        expires_at: Some(Timestamp(support::START) + Duration::from_secs(600)),
        uses_left: Some(2),
    });
    house.take(event).await;
    house.sent(1).await;
    house.write(Content::text("two")).await;
    house.sent(2).await;
    // Two uses of the context count for nothing; the quota has one.
    house.write(Content::text("three")).await;
    let sent = house.sent(3).await;
    let uses: Vec<_> = sent
        .iter()
        .map(|s| s.reply_context.as_ref().map(|r| r.number))
        .collect();
    assert_eq!(uses, [Some(1), Some(2), None]);
    assert_eq!(sent[0].last_inbound_id.as_deref(), Some("native-1"));
    assert_eq!(sent[0].reply_context.as_ref().unwrap().token, "t");
}

#[tokio::test]
async fn receipts_move_a_line_on_in_whatever_order_they_come() {
    let platform = with(Capabilities {
        receipts: true,
        ..Capabilities::plain(400)
    });
    platform.ids.lock().unwrap().push("n1".into());
    let house = House::build(platform, Service::default()).await;
    // It comes before our own id is stored: nothing is known of it yet.
    house
        .take(receipt(&house, "r1", Delivery::Delivered, "n1"))
        .await;
    let accepted = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(accepted, 1)).await;
    let delivery = async |wanted: Delivery| {
        for _ in 0..400 {
            if house.all().await[1].delivery == Some(wanted) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    };
    assert!(delivery(Delivery::Delivered).await);
    house
        .take(receipt(&house, "r2", Delivery::Read, "n1"))
        .await;
    assert!(delivery(Delivery::Read).await);
    house
        .take(receipt(&house, "r3", Delivery::Delivered, "n1"))
        .await;
    assert!(delivery(Delivery::Read).await);
    let events = house
        .store
        .events(&house.account.workspace, 0, 99)
        .await
        .unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.name == "message.delivery")
        .map(|event| event.data["delivery"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, ["sent", "delivered", "read"]);
    // A receipt makes no conversation and no line.
    assert_eq!(house.all().await.len(), 2);
}

#[tokio::test]
async fn our_own_words_coming_back_are_no_message() {
    let platform = Platform::default();
    platform.ids.lock().unwrap().push("n1".into());
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    house.sent_state(house.row_of(accepted, 1)).await;
    let mut echo = house.event("2", "Next number?");
    echo.message_id = Some("n1".into());
    assert_eq!(house.take(echo).await, Accepted::Skipped);
    let mut echo = house.event("3", "Next number?");
    echo.sender.id = "our-bot".into();
    assert_eq!(house.take(echo).await, Accepted::Skipped);
    assert_eq!(house.all().await.len(), 2);
    let known = |address| house.engine.account(&house.account, address);
    assert_eq!(known("our-bot"), Some(house.account.clone()));
    assert_eq!(known("somebody"), None);
}

#[tokio::test]
async fn an_edit_that_comes_with_its_message_replaces_it_and_a_later_one_is_recorded() {
    let house = House::build(Platform::default(), Service::default()).await;
    let mut message = house.event("1", "start cuonting");
    message.message_id = Some("m1".into());
    let mut edit = house.event("2", "start counting");
    (edit.message_id, edit.kind) = (Some("m1".into()), InboundKind::Edit);
    let mut late = edit.clone();
    late.id = "3".into();
    late.parts = vec![Part::text("never mind")];
    let accepted = house.engine.accept(&house.account, vec![message, edit]);
    let first = accepted.await.unwrap()[0].id().unwrap();
    let limit = Duration::from_secs(10);
    let lines = house.engine.settled(&house.account, first, limit).await;
    let lines: Vec<_> = lines.unwrap().iter().map(|l| l.content.plain()).collect();
    assert_eq!(lines, ["start counting", "Next number?"]);
    house.take(late).await;
    assert_eq!(house.all().await[0].content.plain(), "start counting");
    let events = house
        .store
        .events(&house.account.workspace, 0, 99)
        .await
        .unwrap();
    let edits = events.iter().filter(|event| event.name == "message.edited");
    assert_eq!(edits.count(), 1);
    let w = &house.account.workspace;
    assert!(
        house
            .store
            .inbox_pending(w, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn an_event_after_a_batch_never_overtakes_it() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.say("0", "start counting").await;
    for round in 0..20 {
        let event = |n: u32| house.event(&format!("{round}-{n}"), &(round * 10 + n).to_string());
        let batch = (1..=4).map(event).collect();
        house.engine.accept(&house.account, batch).await.unwrap();
        house.take(event(5)).await;
    }
    let theirs: Vec<u32> = house
        .all()
        .await
        .iter()
        .filter(|line| line.author == Author::Contact)
        .filter_map(|line| line.content.plain().parse().ok())
        .collect();
    let expected: Vec<u32> = (0..20)
        .flat_map(|r| (1..=5).map(move |n| r * 10 + n))
        .collect();
    assert_eq!(theirs, expected);
}

#[tokio::test]
async fn a_refused_credential_pauses_the_account_until_it_is_taken_again() {
    let platform = Platform::default();
    *platform.answers.lock().unwrap() = vec![
        SendError::Unauthorized("expired".into()),
        SendError::Unauthorized("expired".into()),
    ];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    house.sent(1).await;
    let health = async || {
        for _ in 0..400 {
            let status = house.engine.accounts().remove(0);
            if status.health != Health::Good {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the account stays well")
    };
    let status = health().await;
    assert_eq!(status.health, Health::Unauthorized("expired".into()));
    assert!(status.since.is_some());
    // Resumed too early: one message is tried, and the account waits again.
    house.pass(0);
    house.sent(2).await;
    health().await;
    house.pass(0);
    house.sent_state(house.row_of(accepted, 1)).await;
    assert_eq!(house.engine.accounts()[0].health, Health::Good);
    let uuids: Vec<_> = house.sent(3).await.iter().map(|s| s.uuid).collect();
    assert_eq!(
        uuids, [uuids[0]; 3],
        "the message waited and nothing else left"
    );
}

/// A row that a server which stopped in the middle of sending has left.
async fn interrupted(caps: Capabilities) -> (House, OutboxId) {
    let platform = with(caps);
    *platform.answers.lock().unwrap() = vec![SendError::AccountRetryAfter(Duration::from_secs(9))];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    let id = house.row_of(accepted, 1);
    let waits = |s: &OutboxState| matches!(s, OutboxState::Ready { attempts: 1, .. });
    house.until(id, waits).await;
    let mut commit = Commit::new(house.account.workspace.clone());
    commit.writes.push(Write::OutboxState {
        id,
        state: OutboxState::Leased {
            attempts: 2,
            lease: 1 << 60,
            until: Timestamp(support::START),
            interrupted: false,
        },
    });
    house.store.commit(commit).await.unwrap();
    house.pass(10);
    (house, id)
}

#[tokio::test]
async fn a_send_that_was_cut_off_is_uncertain_where_the_platform_knows_no_key() {
    let (house, id) = interrupted(Capabilities::plain(400)).await;
    let uncertain = |s: &OutboxState| matches!(s, OutboxState::Uncertain { .. });
    house.until(id, uncertain).await;
    assert_eq!(house.platform.sent.lock().unwrap().len(), 1);
    assert_eq!(house.all().await[1].delivery, Some(Delivery::Uncertain));
}

#[tokio::test]
async fn a_send_that_was_cut_off_is_repeated_under_its_key() {
    let caps = Capabilities {
        idempotency_secs: Some(3600),
        ..Capabilities::plain(400)
    };
    let (house, id) = interrupted(caps).await;
    house.sent_state(id).await;
    let sent = house.sent(2).await;
    assert_eq!(sent[0].uuid, sent[1].uuid);
}

#[tokio::test]
async fn no_answer_is_repeated_under_a_key_only_while_the_platform_knows_it() {
    let platform = with(Capabilities {
        idempotency_secs: Some(60),
        ..Capabilities::plain(400)
    });
    let lost = || SendError::Uncertain("no answer".into());
    *platform.answers.lock().unwrap() = vec![lost(), lost()];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    let id = house.row_of(accepted, 1);
    let waits = |s: &OutboxState| matches!(s, OutboxState::Ready { attempts: 1, .. });
    house.until(id, waits).await;
    house.pass(120);
    let uncertain = |s: &OutboxState| matches!(s, OutboxState::Uncertain { .. });
    house.until(id, uncertain).await;
    assert_eq!(house.sent(2).await.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_put_off_for_too_long_is_a_dead_letter_that_can_be_replayed() {
    let platform = Platform::default();
    *platform.answers.lock().unwrap() = vec![SendError::RetryAfter(Duration::from_secs(3600))];
    let house = House::build(platform, Service::default()).await;
    let accepted = house.accept("1", "start counting").await;
    let id = house.row_of(accepted, 1);
    let waits = |s: &OutboxState| matches!(s, OutboxState::Ready { attempts: 1, .. });
    house.until(id, waits).await;
    house.pass(25 * 3600);
    house.until(id, failed("expired")).await;
    assert!(
        house
            .engine
            .resend(&house.account.workspace, id)
            .await
            .unwrap()
    );
    house.sent_state(id).await;
    assert_eq!(house.all().await[1].delivery, Some(Delivery::Sent));
}

#[tokio::test]
async fn paces_hold_for_the_conversation() {
    let mut caps = Capabilities::plain(400);
    caps.rate.chat = vec![Pace::new(1, 60)];
    let house = House::build(with(caps), Service::default()).await;
    house.accept("1", "start counting").await;
    house.sent(1).await;
    let second = house.accept("2", "7").await;
    let id = house.row_of(second, 1);
    let waits = |s: &OutboxState| {
        matches!(s, OutboxState::Ready { attempts: 0, not_before }
            if *not_before > Timestamp(support::START + 50_000))
    };
    house.until(id, waits).await;
    assert_eq!(house.platform.sent.lock().unwrap().len(), 1);
    house.pass(60);
    house.sent_state(id).await;
}

#[tokio::test]
async fn an_answer_in_band_takes_what_it_has_room_for_and_leaves_the_rest_to_the_outbox() {
    let platform = Platform {
        in_band: Some(Duration::from_secs(600)),
        ..Platform::default()
    };
    let house = House::build(platform, Service::default()).await;
    let limit = Duration::from_secs(5);
    let first = house.accept("1", "start counting").await;
    // No room at all: everything leaves by the outbox at once.
    let none = house
        .engine
        .reply_within(&house.account, first.id().unwrap(), limit, 0);
    assert!(none.await.is_none());
    house.sent_state(house.row_of(first, 1)).await;
    let accepted = house.accept("2", "7").await;
    let id = accepted.id().unwrap();
    let claim = house.engine.reply_within(&house.account, id, limit, 1);
    let claim = claim.await.unwrap();
    assert_eq!(claim.outbound.len(), 1);
    assert_eq!(claim.outbound[0].content.plain(), "Got 7.");
    claim.written(Receipt::default()).await;
    house.sent_state(house.row_of(accepted, 1)).await;
    house.sent_state(house.row_of(accepted, 2)).await;
    let sent = house.platform.sent.lock().unwrap().clone();
    assert_eq!(sent.last().unwrap().content.plain(), "Next number?");
    assert!(sent.iter().all(|s| s.content.plain() != "Got 7."));
}

#[tokio::test]
async fn an_event_that_brings_a_way_to_answer_opens_it() {
    let house = House::build(with(window(3600, Some(5))), Service::default()).await;
    let mut event = house.event("1", "");
    event.parts.clear();
    event.kind = InboundKind::System {
        name: "follow".into(),
        data: Default::default(),
    };
    let lane = event.lane(&house.account.workspace);
    house.take(event.clone()).await;
    let reach = house.store.reach(&house.account.workspace, lane).await;
    assert_eq!(
        reach.unwrap(),
        None,
        "a customer who says nothing opens no window"
    );
    event.id = "2".into();
    event.reply_context = Some(ReplyContext {
        token: "t".into(),
        expires_at: None,
        uses_left: Some(3),
    });
    house.take(event.clone()).await;
    let reach = house.store.reach(&house.account.workspace, lane).await;
    assert_eq!(reach.unwrap().unwrap().reply, event.reply_context);
}

#[tokio::test]
async fn an_answer_in_band_is_there_at_once_after_a_restart() {
    let platform = || Platform {
        in_band: Some(Duration::from_secs(600)),
        ..Platform::default()
    };
    let house = House::build(platform(), Service::default()).await;
    let first = house.accept("1", "start counting").await.id().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let again = House::on(house.store.clone(), folder, platform(), Service::default()).await;
    let repeated = again.accept("1", "start counting").await;
    assert_eq!(repeated, Accepted::Duplicate(first));
    let waits = Duration::from_secs(3600);
    let claim = again.engine.reply_within(&again.account, first, waits, 1);
    let claim = claim.await.unwrap();
    assert_eq!(claim.outbound[0].content.plain(), "Next number?");
    claim.written(Receipt::default()).await;
    // And it is there once.
    let claim = again.engine.reply_within(&again.account, first, waits, 1);
    assert!(claim.await.is_none());
}

#[tokio::test]
async fn what_is_not_understood_is_kept() {
    let house = House::build(Platform::default(), Service::default()).await;
    let kept = house
        .engine
        .keep_unknown(&house.account, "odd".into(), b"{}".to_vec());
    kept.await.unwrap();
    let rows = house
        .store
        .unknowns(&house.account.workspace, 9)
        .await
        .unwrap();
    assert_eq!(
        (rows[0].reason.as_str(), rows[0].body.as_slice()),
        ("odd", &b"{}"[..])
    );
}

fn picture(house: &House, id: &str) -> Inbound {
    let mut event = house.event(id, "");
    event.parts = vec![Part::Media(Media {
        media: MediaKind::Image,
        reference: format!("native-{id}"),
        mime: "image/*".into(),
        name: Some("chair".into()),
        size: None,
        alt: None,
    })];
    event
}

/// The stored file that the newest line of the customer names.
async fn named(house: &House) -> FileId {
    let lines = house.all().await;
    let line = lines.iter().rfind(|line| line.author == Author::Contact);
    let Some(Part::Media(media)) = line.unwrap().content.parts.first() else {
        panic!("no picture in {lines:?}");
    };
    media
        .reference
        .strip_prefix("file:")
        .unwrap()
        .parse()
        .unwrap()
}

/// Waits for an event of the workspace that tells of this file.
async fn told(house: &House, name: &str, file: FileId) {
    let looked = async {
        loop {
            let events = house.store.events(&house.account.workspace, 0, 999);
            let events = events.await.unwrap();
            let here = |e: &tandem_domain::store::Event| {
                e.name == name && e.data["file"] == file.to_string()
            };
            if events.iter().any(here) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), looked);
    waited
        .await
        .unwrap_or_else(|_| panic!("nobody was told of {name}"));
}

#[tokio::test]
async fn a_picture_is_named_at_once_and_fetched_until_it_is_here() {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
    let platform = Platform {
        // The last is the first.
        media: vec![Ok(PNG), Err(SendError::Transient("down".into()))].into(),
        ..Platform::default()
    };
    let house = House::build(platform, Service::default()).await;
    let event = picture(&house, "1");
    let taken = house.take(event.clone()).await;
    let file = named(&house).await;
    let w = &house.account.workspace;
    let waits = async {
        loop {
            let row = house.store.fetch(w, file).await.unwrap().unwrap();
            if row.problem.is_some() {
                return row;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let row = tokio::time::timeout(Duration::from_secs(20), waits)
        .await
        .unwrap();
    assert_eq!(row.problem.unwrap(), "not sent: down");
    assert!(house.engine.file(w, file).await.unwrap().is_none());
    // The same event again is the same file, asked for once.
    assert_eq!(
        house.take(event).await,
        Accepted::Duplicate(taken.id().unwrap())
    );
    house.pass(60);
    told(&house, "media.stored", file).await;
    let stored = house.engine.file(w, file).await.unwrap().unwrap();
    assert_eq!(&stored.bytes[..], PNG);
    // The bytes say what it is, not the platform.
    assert_eq!(
        (stored.row.mime.as_str(), stored.row.name.as_str()),
        ("image/png", "chair.png")
    );
    assert_eq!(house.store.fetch(w, file).await.unwrap(), None);
    let asked = house.platform.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|media| media.reference == "native-1"));
}

#[tokio::test]
async fn a_picture_that_is_gone_is_given_up_and_told() {
    let house = House::build(Platform::default(), Service::default()).await;
    house.take(picture(&house, "1")).await;
    let file = named(&house).await;
    told(&house, "media.failed", file).await;
    let row = house.store.fetch(&house.account.workspace, file).await;
    let row = row.unwrap().unwrap();
    assert_eq!(row.due_at, None);
    assert_eq!(row.problem.unwrap(), "404: no such media");
}

#[tokio::test]
async fn an_album_is_read_as_one_message() {
    let house = House::build(Platform::default(), Service::default()).await;
    let piece = |id: &str, album: &str, caption: Option<&str>| {
        let mut event = house.event(id, "");
        let picture = Part::Media(Media {
            media: MediaKind::Image,
            reference: format!("platform-{id}"),
            mime: "image/jpeg".into(),
            name: None,
            size: None,
            alt: None,
        });
        event.parts = std::iter::once(picture)
            .chain(caption.map(Part::text))
            .collect();
        event.album = Some(album.into());
        event
    };
    let theirs = async || {
        let lines = house.all().await;
        let theirs = lines.into_iter().filter(|l| l.author == Author::Contact);
        theirs.map(|l| l.content.parts.len()).collect::<Vec<_>>()
    };
    // One after the other, the last of them twice; and in one batch.
    house.take(piece("1", "a", None)).await;
    house.take(piece("2", "a", Some("two chairs"))).await;
    let third = house.take(piece("3", "a", None)).await;
    let again = house.take(piece("3", "a", None)).await;
    assert_eq!(again, Accepted::Duplicate(third.id().unwrap()));
    house.sent(1).await;
    assert_eq!(theirs().await, [4]);
    let batch = vec![piece("4", "b", None), piece("5", "b", Some("hello"))];
    house.engine.accept(&house.account, batch).await.unwrap();
    house.sent(2).await;
    assert_eq!(theirs().await, [4, 3]);
    // Words that come at once do not wait for pieces that may come.
    house.take(piece("6", "c", None)).await;
    house.accept("7", "hello").await;
    assert_eq!(theirs().await, [4, 3, 1, 1]);
}

#[tokio::test]
async fn what_an_action_found_is_still_written_into_the_request() {
    let platform = Platform {
        in_band: Some(Duration::from_secs(15)),
        ..Platform::default()
    };
    let service = Service {
        held: Some(tokio::sync::Notify::new()),
        ..Service::default()
    };
    let house = House::build(platform, service).await;
    let id = house.accept("1", "book something").await.id().unwrap();
    house.service.held.as_ref().unwrap().notify_one();
    let limit = Duration::from_secs(10);
    let claim = house.engine.reply_within(&house.account, id, limit, 1);
    let claim = claim.await.expect("the answer is there");
    assert_eq!(claim.outbound[0].content.plain(), "Booked.");
    claim.written(Receipt::default()).await;
    assert!(house.platform.sent.lock().unwrap().is_empty());
}
