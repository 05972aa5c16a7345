//! The path of a message with a real store: what is promised of it, one test a promise.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use support::{House, Platform, Service};
use tandem_channel_kit::{Accepted, Sink as _};
use tandem_domain::{
    ActionId, ConversationId, LaneId, Locale, Timestamp,
    action::Meta,
    action::Request,
    channel::SendError,
    conversation::{Control, RoutingState, Status},
    message::{Author, Content, Delivery, Inbound},
    store::{ActionRow, Commit, OutboxState, Visibility, Write},
};
use tandem_engine::Person;
use tokio::sync::Notify;

fn quiet() -> Platform {
    Platform {
        from_transcript: true,
        ..Platform::default()
    }
}

fn ann() -> Person {
    Person {
        id: "kim".into(),
        name: Some("Kim".into()),
    }
}

#[tokio::test]
async fn an_event_delivered_twice_is_answered_once() {
    let house = House::build(quiet(), Service::default()).await;
    let first = house.accept("1", "start counting").await;
    let second = house.accept("1", "start counting").await;
    assert_eq!(second, Accepted::Duplicate(first.id().unwrap()));
    assert_eq!(house.lines().await.len(), 2);
}

#[tokio::test]
async fn a_batch_is_accepted_whole_and_worked_off_in_order() {
    let house = House::build(quiet(), Service::default()).await;
    house.say("0", "start counting").await;
    let mut events: Vec<Inbound> = (1..=40)
        .map(|n| house.event(&format!("n{n}"), &n.to_string()))
        .collect();
    events.push(house.event("n7", "7"));
    let accepted = house.engine.accept(&house.account, events).await.unwrap();
    assert_eq!(accepted[40], Accepted::Duplicate(accepted[6].id().unwrap()));
    let last = accepted[39].id().unwrap();
    house
        .engine
        .settled(&house.account, last, Duration::from_secs(10))
        .await
        .unwrap();
    let got: Vec<String> = house
        .lines()
        .await
        .into_iter()
        .filter(|(_, text, _)| text.starts_with("Got"))
        .map(|(_, text, _)| text)
        .collect();
    let wanted: Vec<String> = (1..=40).map(|n| format!("Got {n}.")).collect();
    assert_eq!(got, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_on_one_lane_keep_every_answer() {
    let house = Arc::new(House::build(quiet(), Service::default()).await);
    house.say("0", "start counting").await;
    let mut tasks = Vec::new();
    for n in 1..=50 {
        let house = house.clone();
        tasks.push(tokio::spawn(async move {
            house.say(&format!("n{n}"), &n.to_string()).await
        }));
    }
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap()[0], format!("Got {}.", n + 1));
    }
}

#[tokio::test]
async fn a_service_is_called_between_turns_and_its_answer_continues_the_flow() {
    let house = House::build(quiet(), Service::default()).await;
    assert_eq!(house.say("1", "book something").await[0], "Booked.");
    assert_eq!(house.service.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_comes_after_a_person_took_over_is_a_note() {
    let service = Service {
        held: Some(Notify::new()),
        ..Service::default()
    };
    let house = House::build(quiet(), service).await;
    house.accept("1", "book something").await;
    let id = house.conversation().await.id;
    let workspace = &house.account.workspace;
    house
        .engine
        .reply(
            workspace,
            id,
            ann(),
            Content::text("Hello, Kim here."),
            Visibility::Public,
            None,
        )
        .await
        .unwrap();
    let conversation = house.conversation().await;
    assert_eq!(conversation.control, Control::Human);
    assert_eq!(conversation.routing_state, RoutingState::Assigned);
    house.service.held.as_ref().unwrap().notify_one();
    // The next turn of the lane comes after the late result's.
    let mut bot = Vec::new();
    for _ in 0..100 {
        tokio::task::yield_now().await;
        bot = house.lines().await;
        if bot.iter().any(|(_, _, v)| *v == Visibility::Note) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        bot.iter().any(|(_, _, v)| *v == Visibility::Note),
        "{bot:?}"
    );
    assert!(
        !bot.iter()
            .any(|(a, t, _)| *a == Author::Bot && t == "Booked.")
    );
}

#[tokio::test]
async fn a_result_for_a_conversation_that_has_ended_is_kept_and_never_fetched_again() {
    let house = House::build(quiet(), Service::default()).await;
    house.say("1", "start counting").await;
    let (now, workspace) = (house.conversation().await, &house.account.workspace);
    let row = ActionRow {
        id: ActionId::fresh(),
        lane: now.lane,
        conversation: ConversationId::fresh(),
        key: "1/add".into(),
        request: Request::Http {
            connection: "ledger".into(),
            operation: "add".into(),
            args: Default::default(),
        },
        meta: Meta {
            workspace: workspace.clone(),
            conversation: now.id,
            contact: now.contact,
            locale: Locale::new("en"),
            pack: String::new(),
            now: Timestamp(0),
            timeout_ms: 1_000,
            retries: None,
            idempotency_key: None,
            write: false,
        },
        once: None,
        started: false,
        created_at: Timestamp(0),
        result: None,
    };
    let mut commit = Commit::new(workspace.clone());
    commit.writes.push(Write::ActionPut(Box::new(row.clone())));
    house.store.commit(commit).await.unwrap();
    // Taken up as at a start.
    house.engine.start().await.unwrap();
    for _ in 0..500 {
        if house
            .store
            .actions_pending(workspace, 9)
            .await
            .unwrap()
            .is_empty()
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stored = house
        .store
        .action(workspace, row.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.result, Some(Ok(serde_json::json!({"id": 1}))));
    assert!(
        house
            .store
            .actions_pending(workspace, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(house.service.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_receipt_for_an_old_line_is_recorded_and_a_strangers_is_not() {
    let house = House::build(quiet(), Service::default()).await;
    house.say("0", "start counting").await;
    for n in 1..20 {
        house.say(&n.to_string(), &n.to_string()).await;
    }
    let (conversation, workspace) = (house.conversation().await, &house.account.workspace);
    let delivery = || async {
        let lines = house
            .store
            .messages(workspace, conversation.id, 0, 2)
            .await
            .unwrap();
        (lines[1].id, lines[1].delivery)
    };
    let (line, before) = delivery().await;
    let stranger = LaneId::derive(&["somebody else"]);
    let receipt = |lane| {
        house
            .engine
            .receipt(&house.account, lane, line, Delivery::Read)
    };
    receipt(stranger).await.unwrap();
    assert_eq!(delivery().await.1, before);
    receipt(conversation.lane).await.unwrap();
    assert_eq!(delivery().await.1, Some(Delivery::Read));
}

#[tokio::test]
async fn a_handoff_silences_the_bot_until_a_person_is_done() {
    let house = House::build(quiet(), Service::default()).await;
    house.say("1", "talk to a human").await;
    let conversation = house.conversation().await;
    assert_eq!(conversation.status, Status::Open);
    assert_eq!(conversation.routing_state, RoutingState::Queued);
    assert!(house.say("2", "start counting").await.is_empty());
    let workspace = &house.account.workspace;
    let said = house
        .engine
        .reply(
            workspace,
            conversation.id,
            ann(),
            Content::text("Hi"),
            Visibility::Public,
            Some("c1".into()),
        )
        .await
        .unwrap();
    let again = house
        .engine
        .reply(
            workspace,
            conversation.id,
            ann(),
            Content::text("Hi"),
            Visibility::Public,
            Some("c1".into()),
        )
        .await
        .unwrap();
    assert_eq!(said.id, again.id);
    let closed = house
        .engine
        .close(workspace, conversation.id, ann(), None, false)
        .await
        .unwrap();
    assert_eq!(closed.status, Status::Resolved);
    assert!(
        house
            .engine
            .close(workspace, conversation.id, ann(), None, false)
            .await
            .is_err()
    );
    assert_eq!(house.say("3", "start counting").await, ["Next number?"]);
    assert_eq!(house.conversation().await.session, 2);
}

#[tokio::test]
async fn a_sensitive_answer_is_not_in_the_state_nor_in_the_journal() {
    let house = House::build(quiet(), Service::default()).await;
    house.say("1", "change my mail address").await;
    house.say("2", "ann@example.com").await;
    let conversation = house.conversation().await;
    let workspace = &house.account.workspace;
    let lane = house
        .store
        .lane(workspace, conversation.lane)
        .await
        .unwrap()
        .unwrap();
    assert!(!String::from_utf8_lossy(&lane.state).contains("ann@example.com"));
    let journal = house
        .store
        .journal(workspace, conversation.id)
        .await
        .unwrap();
    for row in journal {
        assert!(!String::from_utf8_lossy(&row.body).contains("ann@example.com"));
    }
}

#[tokio::test]
async fn what_a_platform_says_decides_what_becomes_of_a_message() {
    let platform = Platform::default();
    *platform.answers.lock().unwrap() = vec![
        SendError::Transient("later".into()),
        SendError::RetryAfter(Duration::from_secs(3)),
    ];
    let house = House::build(platform, Service::default()).await;
    house.accept("1", "start counting").await;
    let waits = |attempts| move |s: &OutboxState| matches!(s, OutboxState::Ready { attempts: a, .. } if *a == attempts);
    for attempt in 1..=2 {
        let id = house.sent(attempt).await[0].uuid;
        house
            .until(id, waits(u32::try_from(attempt).unwrap()))
            .await;
        house.pass(4);
    }
    let sent = house.sent(3).await;
    assert_eq!(
        sent[0].uuid, sent[2].uuid,
        "every attempt carries the same id"
    );
}

#[tokio::test]
async fn what_may_have_arrived_is_never_sent_again_by_itself() {
    let platform = Platform::default();
    *platform.answers.lock().unwrap() = vec![SendError::Uncertain("no answer".into())];
    let house = House::build(platform, Service::default()).await;
    house.accept("1", "start counting").await;
    let workspace = &house.account.workspace;
    let dead = loop {
        let dead = house.store.dead_letters(workspace, 10).await.unwrap();
        if !dead.is_empty() {
            break dead;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(matches!(dead[0].state, OutboxState::Uncertain { .. }));
    assert_eq!(house.platform.sent.lock().unwrap().len(), 1);
    assert!(house.engine.resend(workspace, dead[0].id()).await.unwrap());
    while house.platform.sent.lock().unwrap().len() < 2 {
        house.platform.sent_one.notified().await;
    }
}

#[tokio::test]
async fn a_server_that_stops_accepts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = tandem_store::open_sqlite(
        folder.path().join("t.db").as_path(),
        tandem_store::SqliteOptions::default(),
    )
    .unwrap();
    let house = House::on(store, folder, quiet(), Service::default()).await;
    house.engine.shutdown().await;
    let refused = house
        .engine
        .accept(&house.account, vec![house.event("1", "start counting")])
        .await;
    assert!(refused.is_err(), "a server that stops accepts nothing");
    let accepted = house
        .store
        .accepted(&house.account.workspace, &house.account.id, "1")
        .await
        .unwrap();
    assert!(accepted.is_none());
}
