//! Each guard: when it holds and when it does not.

use serde_json::json;
use tandem_domain::{
    AccountId, ActionId, ContactId, InboxId, OutboxId, TimerId,
    action::ActionError,
    store::{Guard, OutboxState, Outcome, Write},
};

use super::{
    Backend,
    samples::{START, Thread, at},
};

const HOLDS: Outcome = Outcome::Committed;
const FAILS: Outcome = Outcome::Conflict(0);

pub async fn not_accepted_tells_the_first_id(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let guard = |dedupe: &str| Guard::NotAccepted {
        account: thread.account.clone(),
        dedupe: dedupe.into(),
    };
    assert_eq!(thread.try_guard(&*store, guard("m1")).await, HOLDS);
    let row = thread.inbox("m1");
    thread
        .write(&*store, vec![Write::InboxPut(row.clone())])
        .await;
    let duplicate = Outcome::Duplicate(row.id);
    assert_eq!(thread.try_guard(&*store, guard("m1")).await, duplicate);
    assert_eq!(thread.try_guard(&*store, guard("m2")).await, HOLDS);
    let elsewhere = Guard::NotAccepted {
        account: AccountId::new("web-2"),
        dedupe: "m1".into(),
    };
    assert_eq!(thread.try_guard(&*store, elsewhere).await, HOLDS);
    // The key outlives the work.
    thread.write(&*store, vec![Write::InboxDone(row.id)]).await;
    assert_eq!(thread.try_guard(&*store, guard("m1")).await, duplicate);
    let found = store
        .accepted(&thread.workspace, &thread.account, "m1")
        .await
        .unwrap();
    assert_eq!(found, Some(row.id));
}

pub async fn inbox_pending_holds_until_done_or_dead(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let (done, dead) = (thread.inbox("m1"), thread.inbox("m2"));
    let unknown = Guard::InboxPending(InboxId::fresh());
    assert_eq!(thread.try_guard(&*store, unknown).await, FAILS);
    thread
        .write(
            &*store,
            vec![Write::InboxPut(done.clone()), Write::InboxPut(dead.clone())],
        )
        .await;
    for id in [done.id, dead.id] {
        let guard = Guard::InboxPending(id);
        assert_eq!(thread.try_guard(&*store, guard).await, HOLDS);
    }
    thread
        .write(
            &*store,
            vec![
                Write::InboxDone(done.id),
                Write::InboxDead {
                    id: dead.id,
                    reason: "it panicked".into(),
                },
            ],
        )
        .await;
    for id in [done.id, dead.id] {
        let guard = Guard::InboxPending(id);
        assert_eq!(thread.try_guard(&*store, guard).await, FAILS);
    }
}

pub async fn lane_version_must_match(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let guard = |version| Guard::LaneVersion {
        lane: thread.lane,
        version,
    };
    assert_eq!(thread.try_guard(&*store, guard(None)).await, HOLDS);
    assert_eq!(thread.try_guard(&*store, guard(Some(0))).await, FAILS);
    thread
        .write(&*store, vec![Write::LanePut(thread.lane(1))])
        .await;
    assert_eq!(thread.try_guard(&*store, guard(Some(1))).await, HOLDS);
    assert_eq!(thread.try_guard(&*store, guard(None)).await, FAILS);
    thread
        .write(&*store, vec![Write::LanePut(thread.lane(2))])
        .await;
    assert_eq!(thread.try_guard(&*store, guard(Some(1))).await, FAILS);
    assert_eq!(thread.try_guard(&*store, guard(Some(2))).await, HOLDS);
}

pub async fn control_epoch_must_match(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let guard = |epoch| Guard::ControlEpoch {
        conversation: thread.conversation,
        epoch,
    };
    // A conversation that is only about to be written stands at 0.
    assert_eq!(thread.try_guard(&*store, guard(0)).await, HOLDS);
    assert_eq!(thread.try_guard(&*store, guard(1)).await, FAILS);
    for (conversation, right, wrong) in [(thread.conversation(), 0, 1), (thread.queued("a"), 1, 0)]
    {
        let put = Write::ConversationPut(Box::new(conversation));
        thread.write(&*store, vec![put]).await;
        assert_eq!(thread.try_guard(&*store, guard(right)).await, HOLDS);
        assert_eq!(thread.try_guard(&*store, guard(wrong)).await, FAILS);
    }
}

pub async fn timer_set_holds_until_fired_or_cancelled(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let (fired, cancelled) = (thread.timer("idle", at(5)), thread.timer("remind", at(6)));
    let unknown = Guard::TimerSet(TimerId::fresh());
    assert_eq!(thread.try_guard(&*store, unknown).await, FAILS);
    thread
        .write(
            &*store,
            vec![
                Write::TimerPut(fired.clone()),
                Write::TimerPut(cancelled.clone()),
            ],
        )
        .await;
    for id in [fired.id, cancelled.id] {
        assert_eq!(thread.try_guard(&*store, Guard::TimerSet(id)).await, HOLDS);
    }
    thread
        .write(
            &*store,
            vec![
                Write::TimerFired(fired.id),
                Write::TimerCancel {
                    lane: thread.lane,
                    key: "remind".into(),
                },
            ],
        )
        .await;
    for id in [fired.id, cancelled.id] {
        assert_eq!(thread.try_guard(&*store, Guard::TimerSet(id)).await, FAILS);
    }
}

pub async fn action_pending_holds_until_done_or_cancelled(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let rows = ["done", "failed", "cancelled"].map(|key| thread.action(key));
    let unknown = Guard::ActionPending(ActionId::fresh());
    assert_eq!(thread.try_guard(&*store, unknown).await, FAILS);
    for row in &rows {
        let put = Write::ActionPut(Box::new(row.clone()));
        thread.write(&*store, vec![put]).await;
        let guard = Guard::ActionPending(row.id);
        assert_eq!(thread.try_guard(&*store, guard).await, HOLDS);
    }
    thread
        .write(
            &*store,
            vec![
                Write::ActionDone {
                    id: rows[0].id,
                    result: Ok(json!(null)),
                },
                Write::ActionDone {
                    id: rows[1].id,
                    result: Err(ActionError::new("timeout", "too slow")),
                },
                Write::ActionCancel(rows[2].id),
            ],
        )
        .await;
    for row in &rows {
        let guard = Guard::ActionPending(row.id);
        assert_eq!(thread.try_guard(&*store, guard).await, FAILS);
    }
}

pub async fn outbox_lease_must_be_the_callers(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let row = thread.outbox(1);
    let guard = |lease| Guard::OutboxLease {
        id: row.id(),
        lease,
    };
    thread
        .write(&*store, vec![Write::OutboxPut(Box::new(row.clone()))])
        .await;
    assert_eq!(thread.try_guard(&*store, guard(0)).await, FAILS);
    let state = OutboxState::Leased {
        attempts: 1,
        lease: 7,
        until: at(10),
        interrupted: false,
    };
    let take = Write::OutboxState {
        id: row.id(),
        state,
    };
    thread.write(&*store, vec![take]).await;
    assert_eq!(thread.try_guard(&*store, guard(7)).await, HOLDS);
    assert_eq!(thread.try_guard(&*store, guard(6)).await, FAILS);
    let sent = Write::OutboxState {
        id: row.id(),
        state: OutboxState::Sent { native_ids: vec![] },
    };
    thread.write(&*store, vec![sent]).await;
    assert_eq!(thread.try_guard(&*store, guard(7)).await, FAILS);
}

pub async fn outbox_ready_holds_until_leased_or_settled(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let row = thread.outbox(1);
    let guard = Guard::OutboxReady(row.id());
    let unknown = Guard::OutboxReady(OutboxId(row.message.0));
    assert_eq!(thread.try_guard(&*store, unknown).await, FAILS);
    thread
        .write(&*store, vec![Write::OutboxPut(Box::new(row.clone()))])
        .await;
    assert_eq!(thread.try_guard(&*store, guard.clone()).await, HOLDS);
    for (state, outcome) in [
        (
            OutboxState::Leased {
                attempts: 1,
                lease: 7,
                until: at(10),
                interrupted: false,
            },
            FAILS,
        ),
        (
            OutboxState::Ready {
                attempts: 1,
                not_before: at(99),
            },
            HOLDS,
        ),
        (OutboxState::Sent { native_ids: vec![] }, FAILS),
    ] {
        let change = Write::OutboxState {
            id: row.id(),
            state,
        };
        thread.write(&*store, vec![change]).await;
        assert_eq!(thread.try_guard(&*store, guard.clone()).await, outcome);
    }
}

pub async fn client_id_must_be_new(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let guard = |thread: &Thread, client_id: &str| Guard::NoClientId {
        conversation: thread.conversation,
        client_id: client_id.into(),
    };
    // What the customer calls their own line takes no name from ours.
    let mut theirs = thread.message(1);
    theirs.client_id = Some("c1".into());
    thread.write(&*store, vec![Write::MessagePut(theirs)]).await;
    assert_eq!(thread.try_guard(&*store, guard(&thread, "c1")).await, HOLDS);
    let ours = thread.our_message(2, "c1");
    thread.write(&*store, vec![Write::MessagePut(ours)]).await;
    assert_eq!(thread.try_guard(&*store, guard(&thread, "c1")).await, FAILS);
    assert_eq!(thread.try_guard(&*store, guard(&thread, "c2")).await, HOLDS);
    let next = thread.rolled_over();
    assert_eq!(thread.try_guard(&*store, guard(&next, "c1")).await, HOLDS);
}

pub async fn a_line_is_known_by_its_lane(backend: &dyn Backend) {
    let store = backend.open().await;
    let (thread, other) = (Thread::new("a"), Thread::new("b"));
    let line = thread.message(1);
    let of = |thread: &Thread| Guard::LineOfLane {
        lane: thread.lane,
        message: line.id,
    };
    assert_eq!(thread.try_guard(&*store, of(&thread)).await, FAILS);
    thread
        .write(&*store, vec![Write::MessagePut(line.clone())])
        .await;
    assert_eq!(thread.try_guard(&*store, of(&thread)).await, HOLDS);
    assert_eq!(thread.try_guard(&*store, of(&other)).await, FAILS);
}

pub async fn once_is_free_until_claimed(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let guard = |key: &str, now| Guard::OnceFree {
        contact: thread.contact,
        key: key.into(),
        now,
    };
    assert_eq!(thread.try_guard(&*store, guard("r", START)).await, HOLDS);
    thread
        .write(&*store, vec![Write::OncePut(thread.once("r", at(10)))])
        .await;
    assert_eq!(thread.try_guard(&*store, guard("r", at(9))).await, FAILS);
    assert_eq!(thread.try_guard(&*store, guard("r", at(10))).await, HOLDS);
    assert_eq!(thread.try_guard(&*store, guard("s", at(9))).await, HOLDS);
    let another = Guard::OnceFree {
        contact: ContactId::fresh(),
        key: "r".into(),
        now: START,
    };
    assert_eq!(thread.try_guard(&*store, another).await, HOLDS);
}

pub async fn contact_must_be_new(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let guard = |account: &str, native_id: &str| Guard::NoContact {
        account: AccountId::new(account),
        native_id: native_id.into(),
    };
    assert_eq!(thread.try_guard(&*store, guard("web-1", "a")).await, HOLDS);
    thread
        .write(&*store, vec![Write::ContactPut(thread.contact())])
        .await;
    assert_eq!(thread.try_guard(&*store, guard("web-1", "a")).await, FAILS);
    assert_eq!(thread.try_guard(&*store, guard("web-1", "b")).await, HOLDS);
    assert_eq!(thread.try_guard(&*store, guard("web-2", "a")).await, HOLDS);
}

pub async fn a_failing_guard_writes_nothing(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    thread
        .write(&*store, vec![Write::LanePut(thread.lane(1))])
        .await;
    // The turn that would make version 2 again, and everything else it could write.
    let mut commit = thread.turn(3);
    commit.writes.extend([
        Write::ContactPut(thread.contact()),
        Write::EventPut(thread.event("conversation.created")),
        Write::TimerPut(thread.timer("idle", START)),
        Write::ActionPut(Box::new(thread.action("k"))),
        Write::TicketPut(thread.ticket()),
        thread.kv("k", 1),
    ]);
    let outcome = store.commit(commit).await.unwrap();
    assert_eq!(outcome, Outcome::Conflict(1));
    let w = &thread.workspace;
    let lane = store.lane(w, thread.lane).await.unwrap().unwrap();
    assert_eq!(lane.version, 1);
    assert_eq!(
        store.accepted(w, &thread.account, "a-3").await.unwrap(),
        None
    );
    assert_eq!(
        store.conversation(w, thread.conversation).await.unwrap(),
        None
    );
    assert_eq!(store.contact(w, thread.contact).await.unwrap(), None);
    assert!(
        store
            .messages(w, thread.conversation, 0, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.events(w, 0, 10).await.unwrap().is_empty());
    assert!(
        store
            .journal(w, thread.conversation)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.tickets(w, None, 10).await.unwrap().is_empty());
    assert_eq!(store.kv(w, "pack", "k", START).await.unwrap(), None);
    assert_eq!(store.depths(w).await.unwrap(), Default::default());
}

pub async fn the_first_failing_guard_decides(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let row = thread.inbox("m1");
    thread
        .write(&*store, vec![Write::InboxPut(row.clone())])
        .await;
    let accepted = Guard::NotAccepted {
        account: thread.account.clone(),
        dedupe: "m1".into(),
    };
    let holds = Guard::InboxPending(row.id);
    let fails = Guard::TimerSet(TimerId::fresh());
    for (guards, outcome) in [
        (vec![], Outcome::Committed),
        (vec![holds.clone()], Outcome::Committed),
        (
            vec![holds.clone(), fails.clone(), accepted.clone()],
            Outcome::Conflict(1),
        ),
        (vec![holds, accepted, fails], Outcome::Duplicate(row.id)),
    ] {
        let commit = thread.guarded(guards, vec![thread.kv("k", 1)]);
        assert_eq!(store.commit(commit).await.unwrap(), outcome);
    }
}
