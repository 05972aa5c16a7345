//! Many at once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tandem_domain::store::{Guard, Outcome, Write};
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    Backend,
    samples::{START, Thread, at},
};

const COMMITTERS: usize = 64;

pub async fn one_committer_wins_each_version(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Arc::new(Thread::new("a"));
    let barrier = Arc::new(Barrier::new(COMMITTERS));
    let mut tasks = JoinSet::new();
    for _ in 0..COMMITTERS {
        let (store, thread, barrier) = (store.clone(), thread.clone(), barrier.clone());
        tasks.spawn(async move {
            let mut won = Vec::new();
            for version in 1..=10 {
                barrier.wait().await;
                let mut commit = thread.turn(version);
                // Each with an event of its own, so that only the version decides.
                commit.guards.remove(0);
                commit.writes.remove(0);
                commit
                    .writes
                    .push(Write::EventPut(thread.event("message.created")));
                match store.commit(commit).await.unwrap() {
                    Outcome::Committed => won.push(version),
                    Outcome::Conflict(0) => {}
                    other => panic!("{other:?}"),
                }
            }
            won
        });
    }
    let mut won: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    won.sort_unstable();
    assert_eq!(won, (1..=10).collect::<Vec<_>>());
    let w = &thread.workspace;
    let lane = store.lane(w, thread.lane).await.unwrap().unwrap();
    assert_eq!(lane.version, 10);
    // Nothing of the losers was written.
    let lines = store
        .messages(w, thread.conversation, 0, 999)
        .await
        .unwrap();
    assert_eq!(lines.len(), 20);
    assert_eq!(store.events(w, 0, 999).await.unwrap().len(), 10);
    assert_eq!(store.depths(w).await.unwrap().outbox, 10);
}

pub async fn events_stay_dense_under_concurrency(backend: &dyn Backend) {
    const EACH: usize = 20;
    let store = backend.open().await;
    let mut tasks = JoinSet::new();
    for committer in 0..COMMITTERS {
        let store = store.clone();
        tasks.spawn(async move {
            let thread = Thread::new(&committer.to_string());
            for n in 0..EACH {
                let mut event = thread.event("message.created");
                event.data = serde_json::json!({"committer": committer, "n": n});
                // Every third commit fails and must leave no gap.
                let guards = if n % 3 == 2 {
                    let failing = Guard::LaneVersion {
                        lane: thread.lane,
                        version: Some(1),
                    };
                    let commit =
                        thread.guarded(vec![failing], vec![Write::EventPut(thread.event("never"))]);
                    assert_eq!(store.commit(commit).await.unwrap(), Outcome::Conflict(0));
                    vec![]
                } else {
                    vec![]
                };
                let commit = thread.guarded(guards, vec![Write::EventPut(event)]);
                assert_eq!(store.commit(commit).await.unwrap(), Outcome::Committed);
            }
        });
    }
    // A reader that follows the log sees each number once, in order, while it is written.
    let reader = {
        let store = store.clone();
        tokio::spawn(async move {
            let w = Thread::new("x").workspace;
            let mut seen = Vec::new();
            while seen.len() < COMMITTERS * EACH {
                let after = seen.len() as u64;
                for event in store.events(&w, after, 50).await.unwrap() {
                    assert_eq!(event.seq, seen.len() as u64 + 1);
                    seen.push(event);
                }
                tokio::task::yield_now().await;
            }
            seen
        })
    };
    tasks.join_all().await;
    let events = reader.await.unwrap();
    // A committer's own events are in the order it committed them.
    let mut next = vec![0; COMMITTERS];
    for event in events {
        let committer = usize::try_from(event.data["committer"].as_u64().unwrap()).unwrap();
        assert_eq!(event.data["n"], next[committer]);
        next[committer] += 1;
    }
}

pub async fn leases_are_given_once_under_concurrency(backend: &dyn Backend) {
    let store = backend.open().await;
    let lanes = 200;
    for lane in 0..lanes {
        let thread = Thread::new(&lane.to_string());
        let rows = (1..=2).map(|seq| Write::OutboxPut(Box::new(thread.outbox(seq))));
        thread.write(&*store, rows.collect()).await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.spawn(async move {
            let Thread {
                workspace: w,
                account,
                ..
            } = Thread::new("x");
            let mut mine = Vec::new();
            loop {
                let rows = store
                    .lease_outbox(&w, &account, START, Duration::from_secs(60), 7)
                    .await
                    .unwrap();
                if rows.is_empty() {
                    return mine;
                }
                mine.extend(rows.into_iter().map(|row| (row.outbound.lane, row.id())));
            }
        });
    }
    let leased: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(leased.len(), lanes);
    let lanes_seen: HashSet<_> = leased.iter().map(|(lane, _)| *lane).collect();
    assert_eq!(lanes_seen.len(), lanes);
}

pub async fn one_event_is_accepted_once_under_concurrency(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Arc::new(Thread::new("a"));
    let mut tasks = JoinSet::new();
    for _ in 0..COMMITTERS {
        let (store, thread) = (store.clone(), thread.clone());
        tasks.spawn(async move {
            let row = thread.inbox("m1");
            let id = row.id;
            let guard = Guard::NotAccepted {
                account: thread.account.clone(),
                dedupe: "m1".into(),
            };
            let commit = thread.guarded(vec![guard], vec![Write::InboxPut(row)]);
            match store.commit(commit).await.unwrap() {
                Outcome::Committed => (true, id),
                Outcome::Duplicate(first) => (false, first),
                other => panic!("{other:?}"),
            }
        });
    }
    let answers = tasks.join_all().await;
    let winners: Vec<_> = answers.iter().filter(|(won, _)| *won).collect();
    assert_eq!(winners.len(), 1);
    assert!(answers.iter().all(|(_, id)| *id == winners[0].1));
}

pub async fn one_claim_wins_under_concurrency(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Arc::new(Thread::new("a"));
    let mut tasks = JoinSet::new();
    for _ in 0..COMMITTERS {
        let (store, thread) = (store.clone(), thread.clone());
        tasks.spawn(async move {
            let free = Guard::OnceFree {
                contact: thread.contact,
                key: "return".into(),
                now: START,
            };
            let claim = Write::OncePut(thread.once("return", at(10)));
            let commit = thread.guarded(vec![free], vec![claim]);
            store.commit(commit).await.unwrap() == Outcome::Committed
        });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won);
    assert_eq!(won.count(), 1);
}
