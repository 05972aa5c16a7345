//! What is there after closing and opening again.

use std::time::Duration;

use tandem_domain::store::{OutboxState, Outcome, Write};

use super::{
    Backend,
    samples::{START, Thread, at, pack},
    tenants::{everything, populate},
};

pub async fn everything_is_there_after_reopening(backend: &dyn Backend) {
    if !backend.lasts() {
        return;
    }
    let thread = Thread::new("a");
    let store = backend.open().await;
    let rows = populate(&*store, &thread).await;
    let before = everything(&*store, &thread.workspace, &rows).await;
    assert!(before.iter().all(|(_, found)| !found.is_empty()));
    drop(store);
    let store = backend.open().await;
    let after = everything(&*store, &thread.workspace, &rows).await;
    assert_eq!(before, after);
}

pub async fn numbers_go_on_after_reopening(backend: &dyn Backend) {
    if !backend.lasts() {
        return;
    }
    let thread = Thread::new("a");
    let w = &thread.workspace;
    for round in 1..=3 {
        let store = backend.open().await;
        let outcome = store.commit(thread.turn(round)).await.unwrap();
        assert_eq!(outcome, Outcome::Committed);
        thread
            .write(&*store, vec![Write::EventPut(thread.event("a"))])
            .await;
        let events = store.events(w, 0, 9).await.unwrap();
        let numbers: Vec<_> = events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=round).collect::<Vec<_>>());
        // The row that a dead process leased is leased again, under a higher number.
        let leased = store
            .lease_outbox(
                w,
                &thread.account,
                at(i64::try_from(round).unwrap() * 100),
                Duration::from_millis(50),
                9,
            )
            .await
            .unwrap();
        assert_eq!(leased.len(), 1);
        assert!(matches!(
            leased[0].state,
            OutboxState::Leased { lease, .. } if lease == round
        ));
    }
}

pub async fn pending_work_is_found_after_reopening(backend: &dyn Backend) {
    if !backend.lasts() {
        return;
    }
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let rows: Vec<_> = (0..5).map(|n| thread.inbox(&format!("m{n}"))).collect();
    let timer = thread.timer("idle", START);
    let action = thread.action("k");
    let active = pack("retail", "h", "s", START);
    let store = backend.open().await;
    let mut writes: Vec<_> = rows.iter().cloned().map(Write::InboxPut).collect();
    writes.extend([
        Write::InboxDone(rows[2].id),
        Write::TimerPut(timer.clone()),
        Write::ActionPut(Box::new(action.clone())),
        Write::PackPut(active.clone()),
        Write::PackActivate {
            name: "retail".into(),
            hash: "h".into(),
        },
    ]);
    thread.write(&*store, writes).await;
    drop(store);

    let store = backend.open().await;
    assert_eq!(store.workspaces().await.unwrap(), vec![w.clone()]);
    let mut expected = rows;
    expected.remove(2);
    assert_eq!(store.inbox_pending(w, None, 9).await.unwrap(), expected);
    assert_eq!(store.timers_due(w, START, 9).await.unwrap(), vec![timer]);
    assert_eq!(store.actions_pending(w, 9).await.unwrap(), vec![action]);
    assert_eq!(store.active_pack(w, "retail").await.unwrap(), Some(active));
}
