//! Each write, and the reads that show it.

use serde_json::json;
use tandem_domain::{
    Locale, Value,
    message::{Content, Delivery, Part},
    store::{Depths, Event, Guard, InboxState, OutboxState, Write},
};

use super::{
    Backend,
    samples::{START, Thread, at, pack},
};

pub async fn a_turn_is_there_after_one_commit(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let commit = thread.turn(1);
    let outcome = store.commit(commit.clone()).await.unwrap();
    assert_eq!(outcome, tandem_domain::store::Outcome::Committed);
    let w = &thread.workspace;
    assert_eq!(store.workspaces().await.unwrap(), vec![w.clone()]);
    let mut seen = 0;
    for write in commit.writes {
        match write {
            Write::InboxPut(row) => {
                let id = store.accepted(w, &row.account, &row.dedupe).await.unwrap();
                assert_eq!(id, Some(row.id));
                assert!(store.inbox_pending(w, None, 9).await.unwrap().is_empty());
            }
            Write::LanePut(row) => {
                assert_eq!(store.lane(w, row.id).await.unwrap(), Some(row));
            }
            Write::ConversationPut(row) => {
                assert_eq!(store.conversation(w, row.id).await.unwrap(), Some(*row));
            }
            Write::MessagePut(row) => {
                let lines = store
                    .messages(w, row.conversation, row.seq - 1, 1)
                    .await
                    .unwrap();
                assert_eq!(lines, vec![row]);
            }
            Write::OutboxPut(row) => {
                assert_eq!(store.outbox(w, row.id()).await.unwrap(), Some(*row));
            }
            Write::JournalPut(row) => {
                let rows = store.journal(w, row.conversation).await.unwrap();
                assert_eq!(rows, vec![row]);
            }
            other => panic!("a turn does not write {other:?}"),
        }
        seen += 1;
    }
    assert_eq!(seen, 7);
}

pub async fn a_put_replaces_the_row_of_its_id(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let mut inbox = thread.inbox("m1");
    let mut lane = thread.lane(1);
    let mut contact = thread.contact();
    let mut message = thread.message(1);
    let mut outbox = thread.outbox(1);
    let mut action = thread.action("k");
    let mut once = thread.once("k", at(10));
    let mut journal = thread.journal(1);
    let mut ticket = thread.ticket();
    let mut file = thread.file();
    let mut stored = pack("retail", "h1", "s1", START);
    for round in 0..2 {
        if round == 1 {
            inbox.attempts = 3;
            lane.version = 2;
            lane.state = vec![0, 1, 255];
            contact.native_id = "other".into();
            contact.attributes.clear();
            message.content = Content::text("edited");
            message.delivery = Some(Delivery::Read);
            message.client_id = Some("c".into());
            outbox.outbound.content = Content::text("other words");
            outbox.state = OutboxState::Uncertain {
                message: "no answer".into(),
            };
            action.started = true;
            once.result = None;
            once.expires_at = at(20);
            journal.body = vec![1, 2, 3];
            ticket.status = "closed".into();
            file.size = u64::from(u32::MAX) * 8;
            stored.structure = "s2".into();
        }
        thread
            .write(
                &*store,
                vec![
                    Write::InboxPut(inbox.clone()),
                    Write::LanePut(lane.clone()),
                    Write::ContactPut(contact.clone()),
                    Write::MessagePut(message.clone()),
                    Write::OutboxPut(Box::new(outbox.clone())),
                    Write::ActionPut(Box::new(action.clone())),
                    Write::OncePut(once.clone()),
                    Write::JournalPut(journal.clone()),
                    Write::TicketPut(ticket.clone()),
                    Write::FilePut(file.clone()),
                    Write::PackPut(stored.clone()),
                    thread.kv("k", round),
                    Write::SecretPut {
                        owner: "o".into(),
                        name: "n".into(),
                        sealed: vec![u8::try_from(round).unwrap(); 3],
                    },
                ],
            )
            .await;
        let conversation = thread.conversation;
        assert_eq!(
            store.inbox_pending(w, None, 9).await.unwrap(),
            vec![inbox.clone()]
        );
        assert_eq!(store.lane(w, lane.id).await.unwrap(), Some(lane.clone()));
        assert_eq!(
            store.contact(w, contact.id).await.unwrap(),
            Some(contact.clone())
        );
        assert_eq!(
            store
                .contact_of(w, &contact.account, &contact.native_id)
                .await
                .unwrap(),
            Some(contact.clone())
        );
        assert_eq!(
            store.messages(w, conversation, 0, 9).await.unwrap(),
            vec![message.clone()]
        );
        assert_eq!(
            store.outbox(w, outbox.id()).await.unwrap(),
            Some(outbox.clone())
        );
        assert_eq!(
            store.action(w, action.id).await.unwrap(),
            Some(action.clone())
        );
        assert_eq!(
            store.once(w, thread.contact, "k", START).await.unwrap(),
            Some(once.clone())
        );
        assert_eq!(
            store.journal(w, conversation).await.unwrap(),
            vec![journal.clone()]
        );
        assert_eq!(
            store.tickets(w, Some(conversation), 9).await.unwrap(),
            vec![ticket.clone()]
        );
        assert_eq!(store.file(w, file.id).await.unwrap(), Some(file.clone()));
        assert_eq!(
            store.pack(w, "retail", "h1").await.unwrap(),
            Some(stored.clone())
        );
        assert_eq!(
            store.kv(w, "pack", "k", START).await.unwrap(),
            Some(json!(round))
        );
        assert_eq!(
            store.secrets(w, "o").await.unwrap(),
            vec![("n".to_owned(), vec![u8::try_from(round).unwrap(); 3])]
        );
    }
    assert_eq!(
        store.contact_of(w, &contact.account, "a").await.unwrap(),
        None
    );
    assert!(
        store
            .pack_by_structure(w, "retail", "s1")
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn a_second_event_with_the_same_key_is_skipped(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let (first, second) = (thread.inbox("m1"), thread.inbox("m1"));
    for row in [&first, &second] {
        thread
            .write(&*store, vec![Write::InboxPut(row.clone())])
            .await;
    }
    assert_eq!(
        store.inbox_pending(w, None, 9).await.unwrap(),
        vec![first.clone()]
    );
    // Nor does the second one's end touch the first.
    thread
        .write(&*store, vec![Write::InboxDone(second.id)])
        .await;
    assert_eq!(store.inbox_pending(w, None, 9).await.unwrap(), vec![first]);
}

pub async fn inbox_rows_wait_in_order_until_worked_off(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (Thread::new("a"), Thread::new("b"));
    let w = &a.workspace;
    let rows: Vec<_> = (0..6)
        .map(|n| if n % 2 == 0 { &a } else { &b }.inbox(&format!("m{n}")))
        .collect();
    for row in &rows {
        a.write(&*store, vec![Write::InboxPut(row.clone())]).await;
    }
    assert_eq!(store.inbox_pending(w, None, 99).await.unwrap(), rows);
    assert_eq!(store.inbox_pending(w, None, 2).await.unwrap(), rows[..2]);
    assert_eq!(
        store.inbox_pending(w, Some(rows[1].id), 2).await.unwrap(),
        rows[2..4]
    );
    let of_a: Vec<_> = rows.iter().step_by(2).cloned().collect();
    assert_eq!(store.lane_pending(w, a.lane, 9).await.unwrap(), of_a);
    assert_eq!(store.lane_pending(w, a.lane, 1).await.unwrap(), of_a[..1]);
    a.write(&*store, vec![Write::InboxDone(rows[0].id)]).await;
    assert_eq!(store.lane_pending(w, a.lane, 9).await.unwrap(), of_a[1..]);
    assert_eq!(store.inbox_pending(w, None, 99).await.unwrap(), rows[1..]);
    // Accepted and worked off in one commit.
    let at_once = a.inbox("m9");
    a.write(
        &*store,
        vec![
            Write::InboxPut(at_once.clone()),
            Write::InboxDone(at_once.id),
        ],
    )
    .await;
    assert_eq!(store.inbox_pending(w, None, 99).await.unwrap(), rows[1..]);
    assert_eq!(
        store.accepted(w, &a.account, "m9").await.unwrap(),
        Some(at_once.id)
    );
}

pub async fn a_dead_inbox_row_no_longer_waits(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let mut row = thread.inbox("m1");
    thread
        .write(
            &*store,
            vec![
                Write::InboxPut(row.clone()),
                Write::InboxDead {
                    id: row.id,
                    reason: "the step failed five times".into(),
                },
            ],
        )
        .await;
    assert!(store.inbox_pending(w, None, 9).await.unwrap().is_empty());
    assert!(
        store
            .lane_pending(w, thread.lane, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.depths(w).await.unwrap().dead, 1);
    // A person may have it tried again: it is put as pending.
    row.attempts = 0;
    row.state = InboxState::Pending;
    thread
        .write(&*store, vec![Write::InboxPut(row.clone())])
        .await;
    assert_eq!(
        store.inbox_pending(w, None, 9).await.unwrap(),
        vec![row.clone()]
    );
    assert_eq!(store.depths(w).await.unwrap().dead, 0);
    // Or discard it.
    thread
        .write(
            &*store,
            vec![
                Write::InboxDead {
                    id: row.id,
                    reason: "again".into(),
                },
                Write::InboxDone(row.id),
            ],
        )
        .await;
    assert_eq!(store.depths(w).await.unwrap(), Depths::default());
}

pub async fn events_are_numbered_densely(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let names = ["conversation.created", "message.created", "message.created"];
    for name in names {
        thread
            .write(&*store, vec![Write::EventPut(thread.event(name))])
            .await;
        // A commit that fails takes no number.
        let failing = thread.guarded(
            vec![Guard::LaneVersion {
                lane: thread.lane,
                version: Some(9),
            }],
            vec![Write::EventPut(thread.event("never"))],
        );
        store.commit(failing).await.unwrap();
    }
    thread
        .write(
            &*store,
            vec![
                Write::EventPut(thread.event("a")),
                Write::EventPut(Event {
                    conversation: None,
                    data: Value::Null,
                    ..thread.event("b")
                }),
            ],
        )
        .await;
    let events = store.events(w, 0, 99).await.unwrap();
    let expected: Vec<_> = (1..)
        .zip(names.into_iter().chain(["a"]))
        .map(|(seq, name)| Event {
            seq,
            ..thread.event(name)
        })
        .collect();
    assert_eq!(events[..4], expected);
    assert_eq!((events[4].seq, events[4].conversation), (5, None));
    assert_eq!(store.events(w, 2, 2).await.unwrap(), events[2..4]);
    assert!(store.events(w, 5, 9).await.unwrap().is_empty());
}

pub async fn the_journal_is_in_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let next = thread.rolled_over();
    let w = &thread.workspace;
    for version in [1, 2, 12, 3] {
        thread
            .write(&*store, vec![Write::JournalPut(thread.journal(version))])
            .await;
    }
    next.write(&*store, vec![Write::JournalPut(next.journal(4))])
        .await;
    // Turns that write lines, and one whose line is of another time.
    let mut late = thread.message(3);
    late.created_at = at(9);
    for (version, line) in [(5, thread.message(1)), (4, thread.message(2)), (6, late)] {
        let (line, entry) = (Write::MessagePut(line), thread.journal(version));
        thread
            .write(&*store, vec![line, Write::JournalPut(entry)])
            .await;
    }
    let rows = store.journal(w, thread.conversation).await.unwrap();
    let expected = [1, 2, 3, 4, 5, 6, 12].map(|version| thread.journal(version));
    assert_eq!(rows, expected);
    let rows = store.journal(w, next.conversation).await.unwrap();
    assert_eq!(rows, [next.journal(4)]);
}

pub async fn tickets_are_listed_newest_first(backend: &dyn Backend) {
    let store = backend.open().await;
    let (a, b) = (Thread::new("a"), Thread::new("b"));
    let w = &a.workspace;
    let mut tickets = Vec::new();
    for n in 0..4 {
        let thread = if n % 2 == 0 { &a } else { &b };
        let mut ticket = thread.ticket();
        ticket.created_at = at(n);
        thread
            .write(&*store, vec![Write::TicketPut(ticket.clone())])
            .await;
        tickets.insert(0, ticket);
    }
    assert_eq!(store.tickets(w, None, 99).await.unwrap(), tickets);
    assert_eq!(store.tickets(w, None, 3).await.unwrap(), tickets[..3]);
    let of_b = store.tickets(w, Some(b.conversation), 9).await.unwrap();
    assert_eq!(of_b, [tickets[0].clone(), tickets[2].clone()]);
}

pub async fn files_and_secrets_are_kept_and_secrets_erased(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let file = thread.file();
    let secret = |owner: &str, name: &str| Write::SecretPut {
        owner: owner.into(),
        name: name.into(),
        sealed: vec![0, 159, 146, 150],
    };
    thread
        .write(
            &*store,
            vec![
                Write::FilePut(file.clone()),
                secret("c1", "iban"),
                secret("c1", "birthday"),
                secret("c2", "iban"),
            ],
        )
        .await;
    assert_eq!(store.file(w, file.id).await.unwrap(), Some(file));
    let kept = store.secrets(w, "c1").await.unwrap();
    let names: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["birthday", "iban"]);
    assert_eq!(kept[0].1, [0, 159, 146, 150]);
    thread
        .write(&*store, vec![Write::SecretErase { owner: "c1".into() }])
        .await;
    assert!(store.secrets(w, "c1").await.unwrap().is_empty());
    assert_eq!(store.secrets(w, "c2").await.unwrap().len(), 1);
    // Values go the same way.
    thread
        .write(&*store, vec![thread.kv("k", 1), thread.kv("l", 2)])
        .await;
    let delete = Write::KvDelete {
        scope: "pack".into(),
        key: "k".into(),
    };
    thread.write(&*store, vec![delete]).await;
    assert_eq!(store.kv(w, "pack", "k", START).await.unwrap(), None);
    assert_eq!(
        store.kv(w, "pack", "l", START).await.unwrap(),
        Some(json!(2))
    );
}

pub async fn packs_are_kept_by_content_and_one_is_active(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let (first, reworded, rebuilt) = (
        pack("retail", "h1", "s1", START),
        pack("retail", "h2", "s1", at(1)),
        pack("retail", "h3", "s2", at(2)),
    );
    let activate = |hash: &str| Write::PackActivate {
        name: "retail".into(),
        hash: hash.into(),
    };
    // One that is not stored changes nothing.
    thread.write(&*store, vec![activate("h1")]).await;
    assert_eq!(store.active_pack(w, "retail").await.unwrap(), None);
    for row in [&first, &reworded, &rebuilt] {
        thread
            .write(
                &*store,
                vec![Write::PackPut(row.clone()), activate(&row.hash)],
            )
            .await;
        let active = store.active_pack(w, "retail").await.unwrap();
        assert_eq!(active.as_ref(), Some(row));
    }
    thread
        .write(&*store, vec![activate("h2"), activate("h9")])
        .await;
    let active = store.active_pack(w, "retail").await.unwrap();
    assert_eq!(active.as_ref(), Some(&reworded));
    let newest = store.pack_by_structure(w, "retail", "s1").await.unwrap();
    assert_eq!(newest, Some(reworded));
    let exact = store.pack(w, "retail", "h1").await.unwrap();
    assert_eq!(exact, Some(first));
    assert_eq!(store.pack(w, "other", "h1").await.unwrap(), None);
    assert_eq!(store.active_pack(w, "other").await.unwrap(), None);
}

pub async fn odd_texts_come_back_as_they_were(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("订单'; DROP TABLE lanes; --");
    let w = &thread.workspace;
    let odd = "zero\0byte \u{202e}bidi\u{200b} 😀 \"quotes' \\ \u{1}\n您好".to_owned();
    let mut message = thread.our_message(1, &odd);
    message.content.parts = vec![
        Part::text(odd.clone()),
        Part::text("字".repeat(400_000)),
        Part::Location {
            lat: 52.520_008,
            lon: -0.1,
            name: Some(odd.clone()),
        },
    ];
    let mut contact = thread.contact();
    contact.name = Some(odd.clone());
    contact.locale = Some(Locale::new("zh-Hans"));
    let mut lane = thread.lane(1);
    lane.state = (0..=255).collect();
    thread
        .write(
            &*store,
            vec![
                Write::MessagePut(message.clone()),
                Write::ContactPut(contact.clone()),
                Write::LanePut(lane.clone()),
                Write::KvPut {
                    scope: odd.clone(),
                    key: odd.clone(),
                    value: json!({ odd.clone(): [1.5, i64::MIN, u64::MAX, null] }),
                    expires_at: None,
                },
            ],
        )
        .await;
    let found = store
        .message_by_client_id(w, thread.conversation, &odd)
        .await
        .unwrap();
    assert_eq!(found, Some(message));
    let found = store
        .contact_of(w, &thread.account, &thread.native.id)
        .await
        .unwrap();
    assert_eq!(found, Some(contact));
    assert_eq!(store.lane(w, thread.lane).await.unwrap(), Some(lane));
    assert_eq!(
        store.kv(w, &odd, &odd, START).await.unwrap(),
        Some(json!({ odd: [1.5, i64::MIN, u64::MAX, null] }))
    );
}

pub async fn depths_count_what_waits(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    assert_eq!(store.depths(w).await.unwrap(), Depths::default());
    let (worked, dead) = (thread.inbox("m1"), thread.inbox("m2"));
    let (sent, failed) = (thread.outbox(1), thread.outbox(2));
    let fired = thread.timer("idle", START);
    let (done, cancelled) = (thread.action("a"), thread.action("b"));
    thread
        .write(
            &*store,
            vec![
                Write::InboxPut(worked.clone()),
                Write::InboxPut(dead.clone()),
                Write::InboxPut(thread.inbox("m3")),
                Write::OutboxPut(Box::new(sent.clone())),
                Write::OutboxPut(Box::new(failed.clone())),
                Write::OutboxPut(Box::new(thread.outbox(3))),
                Write::TimerPut(fired.clone()),
                Write::TimerPut(thread.timer("remind", START)),
                Write::ActionPut(Box::new(done.clone())),
                Write::ActionPut(Box::new(cancelled.clone())),
                Write::ActionPut(Box::new(thread.action("c"))),
            ],
        )
        .await;
    let all = Depths {
        inbox: 3,
        outbox: 3,
        dead: 0,
        timers: 2,
        actions: 3,
    };
    assert_eq!(store.depths(w).await.unwrap(), all);
    thread
        .write(
            &*store,
            vec![
                Write::InboxDone(worked.id),
                Write::InboxDead {
                    id: dead.id,
                    reason: "x".into(),
                },
                Write::OutboxState {
                    id: sent.id(),
                    state: OutboxState::Sent {
                        native_ids: vec!["1".into()],
                    },
                },
                Write::OutboxState {
                    id: failed.id(),
                    state: OutboxState::Failed {
                        code: "x".into(),
                        message: "y".into(),
                    },
                },
                Write::TimerFired(fired.id),
                Write::ActionDone {
                    id: done.id,
                    result: Ok(json!({})),
                },
                Write::ActionCancel(cancelled.id),
            ],
        )
        .await;
    let left = Depths {
        inbox: 1,
        outbox: 1,
        dead: 2,
        timers: 1,
        actions: 1,
    };
    assert_eq!(store.depths(w).await.unwrap(), left);
}

pub async fn ping_answers(backend: &dyn Backend) {
    let store = backend.open().await;
    store.ping().await.unwrap();
    store.ping().await.unwrap();
    assert!(store.workspaces().await.unwrap().is_empty());
}
