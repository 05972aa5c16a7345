//! Leasing: what may leave next.

use std::time::Duration;

use tandem_domain::{
    OutboxId, Timestamp, WorkspaceId,
    store::{Guard, OutboxRow, OutboxState, Outcome, Store, Write},
};

use super::{
    Backend,
    samples::{START, Thread, at},
};

const LEASE: Duration = Duration::from_millis(100);

async fn lease(store: &dyn Store, w: &WorkspaceId, now: Timestamp) -> Vec<OutboxRow> {
    let account = Thread::new("a").account;
    store
        .lease_outbox(w, &account, now, LEASE, 99)
        .await
        .unwrap()
}

fn ids(rows: &[OutboxRow]) -> Vec<OutboxId> {
    rows.iter().map(OutboxRow::id).collect()
}

fn number(row: &OutboxRow) -> u64 {
    match row.state {
        OutboxState::Leased { lease, .. } => lease,
        ref other => panic!("not leased: {other:?}"),
    }
}

async fn put(store: &dyn Store, thread: &Thread, row: &OutboxRow) {
    let write = Write::OutboxPut(Box::new(row.clone()));
    thread.write(store, vec![write]).await;
}

/// Sets the state as its lease holder.
async fn settle(store: &dyn Store, thread: &Thread, leased: &OutboxRow, state: OutboxState) {
    let id = leased.id();
    let guard = Guard::OutboxLease {
        id,
        lease: number(leased),
    };
    let commit = thread.guarded(vec![guard], vec![Write::OutboxState { id, state }]);
    assert_eq!(store.commit(commit).await.unwrap(), Outcome::Committed);
}

fn sent() -> OutboxState {
    OutboxState::Sent {
        native_ids: vec!["n1".into()],
    }
}

fn again(attempts: u32, not_before: Timestamp) -> OutboxState {
    OutboxState::Ready {
        attempts,
        not_before,
    }
}

pub async fn rows_of_a_lane_leave_in_order_one_at_a_time(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let next = thread.rolled_over();
    let w = &thread.workspace;
    // Two rows of one line leave in the order they were put; a later conversation's line 1
    // leaves after all of them.
    let rows = [
        thread.outbox(2),
        thread.outbox(2),
        thread.outbox(4),
        next.outbox(1),
    ];
    for row in &rows {
        put(&*store, &thread, row).await;
    }
    let endings = [
        sent(),
        OutboxState::Failed {
            code: "blocked".into(),
            message: "the customer blocked us".into(),
        },
        OutboxState::Uncertain {
            message: "no answer".into(),
        },
        sent(),
    ];
    for (row, ending) in rows.iter().zip(endings) {
        let leased = lease(&*store, w, START).await;
        let mut expected = row.clone();
        expected.state = OutboxState::Leased {
            attempts: 1,
            lease: number(&leased[0]),
            until: START + LEASE,
            interrupted: false,
        };
        expected.tried_at = Some(START);
        assert_eq!(leased, [expected.clone()]);
        assert_eq!(store.outbox(w, row.id()).await.unwrap(), Some(expected));
        assert!(lease(&*store, w, START).await.is_empty());
        settle(&*store, &thread, &leased[0], ending.clone()).await;
        let stored = store.outbox(w, row.id()).await.unwrap().unwrap();
        assert_eq!(stored.state, ending);
    }
    assert!(lease(&*store, w, at(1_000_000)).await.is_empty());
}

pub async fn lanes_do_not_wait_for_each_other(backend: &dyn Backend) {
    let store = backend.open().await;
    let threads: Vec<_> = (0..5).map(|n| Thread::new(&n.to_string())).collect();
    let w = &threads[0].workspace;
    let mut firsts = Vec::new();
    for thread in &threads {
        for seq in 1..=3 {
            let row = thread.outbox(seq);
            put(&*store, thread, &row).await;
            if seq == 1 {
                firsts.push(row.id());
            }
        }
    }
    let some = store
        .lease_outbox(w, &threads[0].account, START, LEASE, 2)
        .await
        .unwrap();
    assert_eq!(ids(&some), firsts[..2]);
    assert_eq!(ids(&lease(&*store, w, START).await), firsts[2..]);
    assert!(lease(&*store, w, START).await.is_empty());
}

pub async fn a_row_waits_until_its_time(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let mut row = thread.outbox(1);
    row.state = again(0, at(10));
    put(&*store, &thread, &row).await;
    assert!(lease(&*store, w, at(9)).await.is_empty());
    assert_eq!(ids(&lease(&*store, w, at(10)).await), [row.id()]);
}

pub async fn an_expired_lease_is_given_again_under_a_new_number(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let row = thread.outbox(1);
    put(&*store, &thread, &row).await;
    put(&*store, &thread, &thread.outbox(2)).await;
    let lost = lease(&*store, w, START).await.remove(0);
    assert!(lease(&*store, w, at(99)).await.is_empty());
    let taken = lease(&*store, w, at(100)).await.remove(0);
    assert_eq!(taken.id(), row.id());
    assert!(number(&taken) > number(&lost));
    assert!(matches!(
        taken.state,
        OutboxState::Leased { attempts: 2, until, interrupted: true, .. } if until == at(200)
    ));
    assert_eq!(taken.tried_at, Some(START));
    // Whoever lost the lease can no longer say how it ended.
    let id = row.id();
    let guard = Guard::OutboxLease {
        id,
        lease: number(&lost),
    };
    let late = thread.guarded(vec![guard], vec![Write::OutboxState { id, state: sent() }]);
    assert_eq!(store.commit(late).await.unwrap(), Outcome::Conflict(0));
    settle(&*store, &thread, &taken, again(2, at(300))).await;
    // The number goes on rising after a retry.
    let third = lease(&*store, w, at(300)).await.remove(0);
    assert!(number(&third) > number(&taken));
    let whole = OutboxState::Leased {
        attempts: 3,
        lease: number(&third),
        until: at(400),
        interrupted: false,
    };
    assert_eq!(
        third.state, whole,
        "a lease that was ended is no interruption"
    );
}

pub async fn a_retry_keeps_its_place(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let (first, second) = (thread.outbox(1), thread.outbox(2));
    put(&*store, &thread, &first).await;
    put(&*store, &thread, &second).await;
    let leased = lease(&*store, w, START).await.remove(0);
    settle(&*store, &thread, &leased, again(1, at(50))).await;
    assert!(lease(&*store, w, at(49)).await.is_empty());
    let leased = lease(&*store, w, at(50)).await.remove(0);
    assert_eq!(leased.id(), first.id());
    assert!(matches!(
        leased.state,
        OutboxState::Leased { attempts: 2, .. }
    ));
    settle(&*store, &thread, &leased, sent()).await;
    assert_eq!(ids(&lease(&*store, w, at(50)).await), [second.id()]);
}

pub async fn a_row_put_late_goes_before_those_after_it(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let rows: Vec<_> = (1..=3).map(|seq| thread.outbox(seq)).collect();
    put(&*store, &thread, &rows[2]).await;
    put(&*store, &thread, &rows[1]).await;
    let leased = lease(&*store, w, START).await.remove(0);
    assert_eq!(leased.id(), rows[1].id());
    // One in flight a lane, even when an earlier line appears meanwhile.
    put(&*store, &thread, &rows[0]).await;
    assert!(lease(&*store, w, START).await.is_empty());
    // The lease runs out: the lane's first goes first.
    let leased = lease(&*store, w, at(100)).await;
    assert_eq!(ids(&leased), [rows[0].id()]);
    settle(&*store, &thread, &leased[0], sent()).await;
    for row in &rows[1..] {
        let leased = lease(&*store, w, at(100)).await;
        assert_eq!(ids(&leased), [row.id()]);
        settle(&*store, &thread, &leased[0], sent()).await;
    }
    assert!(lease(&*store, w, at(9_999)).await.is_empty());
}

pub async fn a_row_claimed_by_hand_holds_its_lane(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let (first, second) = (thread.outbox(1), thread.outbox(2));
    put(&*store, &thread, &first).await;
    put(&*store, &thread, &second).await;
    for row in [&first, &second] {
        let claim = thread.guarded(
            vec![Guard::OutboxReady(row.id())],
            vec![Write::OutboxState {
                id: row.id(),
                state: OutboxState::Leased {
                    attempts: 1,
                    lease: 77,
                    until: at(100),
                    interrupted: false,
                },
            }],
        );
        assert_eq!(store.commit(claim).await.unwrap(), Outcome::Committed);
        assert!(lease(&*store, w, at(99)).await.is_empty());
        let write = Write::OutboxState {
            id: row.id(),
            state: sent(),
        };
        thread.write(&*store, vec![write]).await;
    }
    // The second may be claimed before the first is through: then the first waits.
    let (third, fourth) = (thread.outbox(3), thread.outbox(4));
    put(&*store, &thread, &third).await;
    put(&*store, &thread, &fourth).await;
    let claim = Write::OutboxState {
        id: fourth.id(),
        state: OutboxState::Leased {
            attempts: 1,
            lease: 78,
            until: at(100),
            interrupted: false,
        },
    };
    thread.write(&*store, vec![claim]).await;
    assert!(lease(&*store, w, START).await.is_empty());
    let write = Write::OutboxState {
        id: fourth.id(),
        state: sent(),
    };
    thread.write(&*store, vec![write]).await;
    assert_eq!(ids(&lease(&*store, w, START).await), [third.id()]);
}

pub async fn a_replayed_dead_letter_leaves_again(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let (dead, next) = (thread.outbox(1), thread.outbox(2));
    put(&*store, &thread, &dead).await;
    put(&*store, &thread, &next).await;
    let leased = lease(&*store, w, START).await.remove(0);
    let failed = OutboxState::Failed {
        code: "x".into(),
        message: "y".into(),
    };
    settle(&*store, &thread, &leased, failed).await;
    let replay = Write::OutboxState {
        id: dead.id(),
        state: again(0, at(5)),
    };
    thread.write(&*store, vec![replay]).await;
    assert!(store.dead_letters(w, 9).await.unwrap().is_empty());
    assert!(lease(&*store, w, START).await.is_empty());
    let leased = lease(&*store, w, at(5)).await;
    assert_eq!(ids(&leased), [dead.id()]);
    settle(&*store, &thread, &leased[0], sent()).await;
    assert_eq!(ids(&lease(&*store, w, at(5)).await), [next.id()]);
}

pub async fn rows_put_as_settled_never_leave(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let mut row = thread.outbox(1);
    row.state = sent();
    let next = thread.outbox(2);
    put(&*store, &thread, &row).await;
    put(&*store, &thread, &next).await;
    assert_eq!(ids(&lease(&*store, w, START).await), [next.id()]);
    assert_eq!(store.outbox(w, row.id()).await.unwrap(), Some(row));
    // One replaced by its settled self frees the lane too.
    let (first, second) = (thread.outbox(3), thread.outbox(4));
    let mut settled = next;
    settled.state = sent();
    for row in [&first, &second, &settled] {
        put(&*store, &thread, row).await;
    }
    assert_eq!(ids(&lease(&*store, w, START).await), [first.id()]);
}

pub async fn dead_letters_are_listed_newest_first(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let mut dead = Vec::new();
    for seq in 1..=4 {
        let mut row = thread.outbox(seq);
        row.state = if seq % 2 == 0 {
            OutboxState::Failed {
                code: "blocked".into(),
                message: "no".into(),
            }
        } else {
            OutboxState::Uncertain {
                message: "no answer".into(),
            }
        };
        put(&*store, &thread, &row).await;
        dead.insert(0, row);
    }
    put(&*store, &thread, &thread.outbox(5)).await;
    assert_eq!(store.dead_letters(w, 9).await.unwrap(), dead);
    assert_eq!(store.dead_letters(w, 2).await.unwrap(), dead[..2]);
}

pub async fn a_long_backlog_behind_a_waiting_head_is_not_leased(backend: &dyn Backend) {
    let store = backend.open().await;
    let (blocked, free) = (Thread::new("a"), Thread::new("b"));
    let w = &blocked.workspace;
    let mut head = blocked.outbox(1);
    head.state = again(3, at(1_000));
    put(&*store, &blocked, &head).await;
    let backlog = (2..500).map(|seq| Write::OutboxPut(Box::new(blocked.outbox(seq))));
    blocked.write(&*store, backlog.collect()).await;
    let other = free.outbox(1);
    put(&*store, &free, &other).await;
    assert_eq!(ids(&lease(&*store, w, START).await), [other.id()]);
    let leased = lease(&*store, w, at(1_000)).await;
    assert!(ids(&leased).contains(&head.id()));
}

pub async fn accounts_do_not_wait_for_each_other(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, mut b) = (Thread::new("a"), Thread::new("b"));
    b.account = "other".into();
    let w = &a.workspace;
    let (mine, mut theirs) = (a.outbox(1), b.outbox(1));
    theirs.state = again(0, at(50));
    put(&*store, &a, &mine).await;
    put(&*store, &b, &theirs).await;
    let lease = |account, now| store.lease_outbox(w, account, now, LEASE, 9);
    let next = |account| store.next_outbox(w, account);
    assert_eq!(next(&b.account).await.unwrap(), Some(at(50)));
    assert!(lease(&b.account, START).await.unwrap().is_empty());
    assert_eq!(ids(&lease(&a.account, START).await.unwrap()), [mine.id()]);
    assert_eq!(next(&a.account).await.unwrap(), Some(START + LEASE));
    assert_eq!(
        ids(&lease(&b.account, at(50)).await.unwrap()),
        [theirs.id()]
    );
    assert_eq!(next(&"nobody".into()).await.unwrap(), None);
}

pub async fn a_held_row_leaves_when_the_customer_writes_or_its_time_comes(backend: &dyn Backend) {
    let store = backend.open().await;
    let (thread, other) = (Thread::new("a"), Thread::new("b"));
    let w = &thread.workspace;
    let hold = |row: &OutboxRow| Write::OutboxState {
        id: row.id(),
        state: OutboxState::Held {
            attempts: 0,
            until: at(500),
            code: "quota".into(),
        },
    };
    for thread in [&thread, &other] {
        let row = thread.outbox(1);
        put(&*store, thread, &row).await;
        put(&*store, thread, &thread.outbox(2)).await;
        thread.write(&*store, vec![hold(&row)]).await;
        let stored = store.outbox(w, row.id()).await.unwrap().unwrap();
        assert!(matches!(stored.state, OutboxState::Held { ref code, .. } if code == "quota"));
        assert_eq!(stored.tried_at, None);
    }
    assert!(lease(&*store, w, at(499)).await.is_empty());
    let heard = Write::Heard {
        lane: thread.lane,
        at: at(100),
        reply: None,
    };
    thread.write(&*store, vec![heard]).await;
    let leased = lease(&*store, w, at(100)).await;
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].outbound.lane, thread.lane);
    let leased = lease(&*store, w, at(500)).await;
    assert!(leased.iter().any(|row| row.outbound.lane == other.lane));
}
