//! What depends on time: timers, actions, claims, values that expire, forgetting.

use std::time::Duration;

use serde_json::json;
use tandem_domain::{
    action::ActionError,
    edge::Keep,
    store::{InboxState, OutboxState, Write},
};

use super::{
    Backend,
    samples::{START, Thread, at},
};

pub async fn timers_fire_when_due_and_once(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (Thread::new("a"), Thread::new("b"));
    let w = &a.workspace;
    assert_eq!(store.next_timer(w).await.unwrap(), None);
    let (late, early, middle) = (
        a.timer("late", at(30)),
        b.timer("early", at(10)),
        a.timer("middle", at(20)),
    );
    for timer in [&late, &early, &middle] {
        a.write(&*store, vec![Write::TimerPut(timer.clone())]).await;
    }
    assert_eq!(store.next_timer(w).await.unwrap(), Some(at(10)));
    assert!(store.timers_due(w, at(9), 9).await.unwrap().is_empty());
    let due = store.timers_due(w, at(20), 9).await.unwrap();
    assert_eq!(due, [early.clone(), middle.clone()]);
    let due = store.timers_due(w, at(99), 1).await.unwrap();
    assert_eq!(due, vec![early.clone()]);
    assert_eq!(
        store.lane_timers(w, a.lane).await.unwrap(),
        [middle.clone(), late.clone()]
    );
    a.write(
        &*store,
        vec![Write::TimerFired(early.id), Write::TimerFired(middle.id)],
    )
    .await;
    assert_eq!(
        store.timers_due(w, at(99), 9).await.unwrap(),
        vec![late.clone()]
    );
    assert_eq!(store.next_timer(w).await.unwrap(), Some(at(30)));
    assert!(store.lane_timers(w, b.lane).await.unwrap().is_empty());
}

pub async fn a_timer_is_replaced_by_its_key_and_cancelled_by_it(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (Thread::new("a"), Thread::new("b"));
    let w = &a.workspace;
    let (old, mut new, other) = (
        a.timer("idle", at(10)),
        a.timer("idle", at(20)),
        b.timer("idle", at(15)),
    );
    for timer in [&old, &new, &other] {
        a.write(&*store, vec![Write::TimerPut(timer.clone())]).await;
    }
    assert_eq!(
        store.timers_due(w, at(99), 9).await.unwrap(),
        [other.clone(), new.clone()]
    );
    // The old one fires no more, and its end does not touch the new one.
    a.write(&*store, vec![Write::TimerFired(old.id)]).await;
    assert_eq!(store.lane_timers(w, a.lane).await.unwrap(), [new.clone()]);
    // The same timer at another time, then under another key.
    new.due_at = at(5);
    a.write(&*store, vec![Write::TimerPut(new.clone())]).await;
    new.key = "remind".into();
    a.write(&*store, vec![Write::TimerPut(new.clone())]).await;
    assert_eq!(store.lane_timers(w, a.lane).await.unwrap(), [new.clone()]);
    assert_eq!(store.next_timer(w).await.unwrap(), Some(at(5)));
    let cancel = |key: &str| Write::TimerCancel {
        lane: a.lane,
        key: key.into(),
    };
    a.write(&*store, vec![cancel("idle")]).await;
    assert_eq!(store.lane_timers(w, a.lane).await.unwrap(), [new]);
    a.write(&*store, vec![cancel("remind")]).await;
    assert!(store.lane_timers(w, a.lane).await.unwrap().is_empty());
    assert_eq!(store.lane_timers(w, b.lane).await.unwrap(), [other]);
}

pub async fn actions_wait_for_their_result(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let mut rows = Vec::new();
    for (n, key) in (0..).zip(["first", "second", "third"]) {
        let mut row = thread.action(key);
        row.created_at = at(n);
        thread
            .write(&*store, vec![Write::ActionPut(Box::new(row.clone()))])
            .await;
        rows.push(row);
    }
    assert_eq!(store.actions_pending(w, 9).await.unwrap(), rows);
    assert_eq!(store.actions_pending(w, 2).await.unwrap(), rows[..2]);
    rows[0].started = true;
    thread
        .write(&*store, vec![Write::ActionPut(Box::new(rows[0].clone()))])
        .await;
    assert_eq!(store.actions_pending(w, 9).await.unwrap(), rows);
    for (at, result) in [
        Ok(json!({"status": "sent"})),
        Err(ActionError::new("404", "no such order")),
        Ok(json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        let id = rows[at].id;
        let done = Write::ActionDone {
            id,
            result: result.clone(),
        };
        thread.write(&*store, vec![done]).await;
        rows[at].result = Some(result);
        let found = store.action(w, id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&rows[at]));
        assert_eq!(store.actions_pending(w, 9).await.unwrap(), rows[at + 1..]);
    }
}

pub async fn a_cancelled_action_stays_without_result(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let row = thread.action("k");
    thread
        .write(
            &*store,
            vec![
                Write::ActionPut(Box::new(row.clone())),
                Write::ActionCancel(row.id),
            ],
        )
        .await;
    assert!(store.actions_pending(w, 9).await.unwrap().is_empty());
    assert_eq!(store.action(w, row.id).await.unwrap(), Some(row));
}

pub async fn claims_expire(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (Thread::new("a"), Thread::new("b"));
    let w = &a.workspace;
    let claim = a.once("return", at(10));
    a.write(&*store, vec![Write::OncePut(claim.clone())]).await;
    let read = |contact, key: &'static str, now| store.once(w, contact, key, now);
    assert_eq!(
        read(a.contact, "return", at(9)).await.unwrap(),
        Some(claim.clone())
    );
    assert_eq!(read(a.contact, "return", at(10)).await.unwrap(), None);
    assert_eq!(read(a.contact, "other", START).await.unwrap(), None);
    assert_eq!(read(b.contact, "return", START).await.unwrap(), None);
    // After it expired another may stand.
    let next = a.once("return", at(50));
    a.write(&*store, vec![Write::OncePut(next.clone())]).await;
    assert_eq!(read(a.contact, "return", at(10)).await.unwrap(), Some(next));
}

pub async fn values_expire(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let put = |expires_at| Write::KvPut {
        scope: "s".into(),
        key: "k".into(),
        value: json!({"n": 1}),
        expires_at,
    };
    thread.write(&*store, vec![put(Some(at(10)))]).await;
    let read = |scope: &'static str, key: &'static str, now| store.kv(w, scope, key, now);
    assert_eq!(read("s", "k", at(9)).await.unwrap(), Some(json!({"n": 1})));
    assert_eq!(read("s", "k", at(10)).await.unwrap(), None);
    assert_eq!(read("s", "other", START).await.unwrap(), None);
    assert_eq!(read("other", "k", START).await.unwrap(), None);
    thread.write(&*store, vec![put(None)]).await;
    assert_eq!(
        read("s", "k", at(i64::from(u32::MAX))).await.unwrap(),
        Some(json!({"n": 1}))
    );
}

pub async fn purge_forgets_what_is_old_and_settled(backend: &dyn Backend) {
    const DAY: i64 = 24 * 3600 * 1000;
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let keep = &Keep::all(Duration::from_secs(8 * 24 * 3600));
    let now = at(10 * DAY);
    assert_eq!(store.purge(now, keep).await.unwrap(), 0);

    let inbox = |dedupe: &str, received_at, state| {
        let mut row = thread.inbox(dedupe);
        (row.received_at, row.state) = (received_at, state);
        row
    };
    // Old rows that must stay come first, so that purging has to pass them.
    let (waits, young) = (
        inbox("waits", START, InboxState::Pending),
        inbox("young", at(9 * DAY), InboxState::Done),
    );
    let mut writes = vec![Write::InboxPut(waits.clone())];
    let old = 1_200;
    writes.extend(
        (0..old).map(|n| Write::InboxPut(inbox(&format!("old{n}"), START, InboxState::Done))),
    );
    writes.push(Write::InboxPut(young.clone()));
    let states = [
        OutboxState::Sent { native_ids: vec![] },
        OutboxState::Failed {
            code: "x".into(),
            message: String::new(),
        },
        OutboxState::Uncertain {
            message: String::new(),
        },
        OutboxState::Ready {
            attempts: 0,
            not_before: START,
        },
    ];
    let outbox: Vec<_> = states
        .into_iter()
        .map(|state| {
            let mut row = thread.outbox(1);
            row.state = state;
            row
        })
        .collect();
    writes.extend(
        outbox
            .iter()
            .map(|row| Write::OutboxPut(Box::new(row.clone()))),
    );
    let (done, pending) = (thread.action("done"), thread.action("pending"));
    writes.extend([
        Write::ActionPut(Box::new(pending.clone())),
        Write::ActionPut(Box::new(done.clone())),
        Write::ActionDone {
            id: done.id,
            result: Ok(json!(1)),
        },
        Write::OncePut(thread.once("old", at(DAY))),
        Write::OncePut(thread.once("young", at(11 * DAY))),
        Write::KvPut {
            scope: "s".into(),
            key: "old".into(),
            value: json!(1),
            expires_at: Some(at(DAY)),
        },
        thread.kv("forever", 1),
    ]);
    thread.write(&*store, writes).await;

    // The old dedupe keys, one sent message, one action, one claim, one value.
    assert_eq!(store.purge(now, keep).await.unwrap(), old + 4);
    assert_eq!(store.purge(now, keep).await.unwrap(), 0);
    let accepted = |dedupe: &'static str| store.accepted(w, &thread.account, dedupe);
    assert_eq!(accepted("old7").await.unwrap(), None);
    assert_eq!(accepted("waits").await.unwrap(), Some(waits.id));
    assert_eq!(accepted("young").await.unwrap(), Some(young.id));
    for (at, row) in outbox.iter().enumerate() {
        let there = store.outbox(w, row.id()).await.unwrap().is_some();
        assert_eq!(there, at > 0);
    }
    assert_eq!(store.action(w, done.id).await.unwrap(), None);
    assert_eq!(store.action(w, pending.id).await.unwrap(), Some(pending));
    assert!(
        store
            .once(w, thread.contact, "young", now)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        store.kv(w, "pack", "forever", now).await.unwrap(),
        Some(json!(1))
    );
    // Later the young one is old.
    assert_eq!(store.purge(at(18 * DAY), keep).await.unwrap(), 2);
    assert_eq!(accepted("young").await.unwrap(), None);
}
