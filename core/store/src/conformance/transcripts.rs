//! Conversations and their lines: lists, filters, pages, delivery.

use tandem_domain::{
    conversation::{Conversation, RoutingState, Status},
    message::{Content, Delivery},
    store::{Change, Changed, ConversationQuery, Message, Store, Write},
};

use super::{
    Backend,
    samples::{Thread, at},
};

fn updated(mut conversation: Conversation, millis: i64) -> Conversation {
    conversation.updated_at = at(millis);
    conversation
}

async fn put(store: &dyn Store, thread: &Thread, conversation: &Conversation) {
    let write = Write::ConversationPut(Box::new(conversation.clone()));
    thread.write(store, vec![write]).await;
}

pub async fn conversations_are_listed_newest_first_and_paged(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut all = Vec::new();
    for n in 0..25_i64 {
        let thread = Thread::new(&n.to_string());
        // All statuses, and some that were updated in the same millisecond.
        let mut row = updated(thread.conversation(), n / 3);
        row.status = [Status::Pending, Status::Open, Status::Resolved][(n % 3) as usize];
        put(&*store, &thread, &row).await;
        // Updated again: soon after, later in an order of its own, or back in time.
        let again = match n % 4 {
            0 => row.updated_at.0 + 1 + (n * 7919) % 50_000,
            1 => row.updated_at.0 + (n * 104_729) % 900_000,
            2 => row.updated_at.0 - n * 10_000,
            _ => row.updated_at.0,
        };
        row.updated_at.0 = again;
        put(&*store, &thread, &row).await;
        all.push(row);
    }
    let w = Thread::new("0").workspace;
    for status in [None, Some(Status::Open)] {
        let mut listed = Vec::new();
        let mut query = ConversationQuery {
            status,
            limit: 4,
            ..Default::default()
        };
        loop {
            let page = store.conversations(&w, &query).await.unwrap();
            assert!(page.len() <= 4);
            let Some(last) = page.last() else { break };
            query.before = Some(last.id);
            listed.extend(page);
        }
        let expected: Vec<_> = all
            .iter()
            .filter(|row| status.is_none_or(|status| row.status == status))
            .collect();
        assert_eq!(listed.len(), expected.len());
        assert!(
            listed
                .windows(2)
                .all(|pair| pair[0].updated_at >= pair[1].updated_at)
        );
        assert!(expected.iter().all(|row| listed.contains(row)));
        // In one page just the same.
        query.before = None;
        query.limit = 99;
        assert_eq!(store.conversations(&w, &query).await.unwrap(), listed);
    }
    let unknown = ConversationQuery {
        before: Some(Thread::new("x").conversation),
        limit: 9,
        ..Default::default()
    };
    assert!(store.conversations(&w, &unknown).await.unwrap().is_empty());
}

pub async fn conversations_are_filtered(backend: &dyn Backend) {
    let store = backend.open().await;
    let (bot, orders, returns) = (Thread::new("bot"), Thread::new("o"), Thread::new("r"));
    let rolled = bot.rolled_over();
    let w = &bot.workspace;
    let mut resolved = updated(bot.conversation(), 1);
    resolved.status = Status::Resolved;
    let rows = [
        resolved,
        updated(rolled.conversation(), 2),
        updated(orders.queued("orders"), 3),
        updated(returns.queued("returns"), 4),
    ];
    for row in &rows {
        put(&*store, &bot, row).await;
    }
    let base = ConversationQuery {
        limit: 9,
        ..Default::default()
    };
    let cases = [
        (base.clone(), vec![3, 2, 1, 0]),
        (
            ConversationQuery {
                status: Some(Status::Open),
                ..base.clone()
            },
            vec![3, 2],
        ),
        (
            ConversationQuery {
                routing_state: Some(RoutingState::Queued),
                ..base.clone()
            },
            vec![3, 2],
        ),
        (
            ConversationQuery {
                routing_state: Some(RoutingState::None),
                ..base.clone()
            },
            vec![1, 0],
        ),
        (
            ConversationQuery {
                skill: Some("orders".into()),
                ..base.clone()
            },
            vec![2],
        ),
        (
            ConversationQuery {
                skill: Some("orders".into()),
                routing_state: Some(RoutingState::Queued),
                status: Some(Status::Open),
                ..base.clone()
            },
            vec![2],
        ),
        (
            ConversationQuery {
                skill: Some("orders".into()),
                status: Some(Status::Resolved),
                ..base.clone()
            },
            vec![],
        ),
        (
            ConversationQuery {
                lane: Some(bot.lane),
                ..base.clone()
            },
            vec![1, 0],
        ),
        (
            ConversationQuery {
                contact: Some(bot.contact),
                status: Some(Status::Resolved),
                ..base.clone()
            },
            vec![0],
        ),
        (
            ConversationQuery {
                contact: Some(returns.contact),
                ..base.clone()
            },
            vec![3],
        ),
        (ConversationQuery { limit: 1, ..base }, vec![3]),
    ];
    for (query, expected) in cases {
        let found = store.conversations(w, &query).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(|at| rows[at].clone()).collect();
        assert_eq!(found, expected, "{query:?}");
    }
}

pub async fn a_conversation_moves_between_filters(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let queued = ConversationQuery {
        routing_state: Some(RoutingState::Queued),
        limit: 9,
        ..Default::default()
    };
    let pending = ConversationQuery {
        status: Some(Status::Pending),
        limit: 9,
        ..Default::default()
    };
    let mut other_skill = thread.queued("returns");
    other_skill.contact = Thread::new("b").contact;
    for (row, in_pending, in_queued) in [
        (thread.conversation(), 1, 0),
        (thread.queued("orders"), 0, 1),
        (other_skill.clone(), 0, 1),
        (thread.conversation(), 1, 0),
    ] {
        put(&*store, &thread, &row).await;
        let found = store.conversation(w, thread.conversation).await.unwrap();
        assert_eq!(found, Some(row));
        for (query, expected) in [(&pending, in_pending), (&queued, in_queued)] {
            let found = store.conversations(w, query).await.unwrap();
            assert_eq!(found.len(), expected, "{query:?}");
        }
    }
    let of_other = ConversationQuery {
        contact: Some(other_skill.contact),
        limit: 9,
        ..Default::default()
    };
    assert!(store.conversations(w, &of_other).await.unwrap().is_empty());
}

pub async fn messages_are_paged_in_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let (thread, other) = (Thread::new("a"), Thread::new("b"));
    let w = &thread.workspace;
    let mut lines: Vec<_> = (1..=7).map(|seq| thread.message(seq)).collect();
    // Written out of order.
    for at in [3, 0, 6, 1, 5, 2, 4] {
        thread
            .write(&*store, vec![Write::MessagePut(lines[at].clone())])
            .await;
    }
    other
        .write(&*store, vec![Write::MessagePut(other.message(1))])
        .await;
    let read = |after, limit| store.messages(w, thread.conversation, after, limit);
    assert_eq!(read(0, 99).await.unwrap(), lines);
    assert_eq!(read(0, 3).await.unwrap(), lines[..3]);
    assert_eq!(read(3, 3).await.unwrap(), lines[3..6]);
    assert!(read(7, 3).await.unwrap().is_empty());
    assert!(read(u64::MAX, 3).await.unwrap().is_empty());
    assert!(read(0, 0).await.unwrap().is_empty());
    lines.clear();
}

pub async fn lane_messages_cross_conversations(backend: &dyn Backend) {
    let store = backend.open().await;
    let first = Thread::new("a");
    let second = first.rolled_over();
    let other = Thread::new("b");
    let w = &first.workspace;
    let mut lines = Vec::new();
    for thread in [&first, &second] {
        put(&*store, thread, &thread.conversation()).await;
        for seq in 1..=3 {
            let line = thread.message(seq);
            thread
                .write(&*store, vec![Write::MessagePut(line.clone())])
                .await;
            lines.push(line);
        }
    }
    put(&*store, &other, &other.conversation()).await;
    let stranger = other.message(1);
    other
        .write(&*store, vec![Write::MessagePut(stranger.clone())])
        .await;
    let read = |after, limit| store.lane_messages(w, first.lane, after, limit);
    assert_eq!(read(None, 99).await.unwrap(), lines);
    assert_eq!(read(None, 4).await.unwrap(), lines[2..]);
    assert_eq!(read(None, 2).await.unwrap(), lines[4..]);
    assert_eq!(read(Some(lines[0].id), 99).await.unwrap(), lines[1..]);
    assert_eq!(read(Some(lines[1].id), 3).await.unwrap(), lines[2..5]);
    assert_eq!(read(Some(lines[2].id), 1).await.unwrap(), lines[3..4]);
    assert!(read(Some(lines[5].id), 9).await.unwrap().is_empty());
    // Another lane's line is no place in this one.
    assert_eq!(read(Some(stranger.id), 2).await.unwrap(), lines[4..]);
}

pub async fn delivery_of_a_message_changes_alone_and_only_goes_on(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let mut line = thread.message(1);
    line.delivery = Some(Delivery::Queued);
    thread
        .write(&*store, vec![Write::MessagePut(line.clone())])
        .await;
    for (delivery, code, goes_on) in [
        (Delivery::Queued, None, true),
        (Delivery::Sent, None, true),
        (Delivery::Uncertain, None, true),
        (Delivery::Sent, None, false),
        (Delivery::Failed, Some("blocked".to_owned()), true),
        (Delivery::Delivered, None, true),
        (Delivery::Failed, Some("late".to_owned()), false),
        (Delivery::Read, None, true),
        (Delivery::Delivered, None, false),
        (Delivery::Queued, None, true),
        (Delivery::Read, None, true),
    ] {
        assert_eq!(delivery.follows(line.delivery), goes_on, "{delivery:?}");
        let write = Write::MessageDelivery {
            id: line.id,
            delivery,
            code: code.clone(),
        };
        thread.write(&*store, vec![write]).await;
        if goes_on {
            line.delivery = Some(delivery);
            line.delivery_code = code;
        }
        let found = store.messages(w, thread.conversation, 0, 9).await.unwrap();
        assert_eq!(found, vec![line.clone()]);
    }
}

pub async fn a_message_is_found_by_its_client_id(backend: &dyn Backend) {
    let store = backend.open().await;
    let (thread, other) = (Thread::new("a"), Thread::new("b"));
    let w = &thread.workspace;
    let mut theirs = thread.message(1);
    theirs.client_id = Some("c1".into());
    let line = thread.our_message(2, "c1");
    let lines = [&theirs, &line, &thread.message(3)];
    let lines = lines.map(|line| Write::MessagePut(line.clone())).to_vec();
    thread.write(&*store, lines).await;
    let find = |thread: &Thread, client_id: &'static str| {
        let (store, w, conversation) = (store.clone(), w.clone(), thread.conversation);
        async move {
            store
                .message_by_client_id(&w, conversation, client_id)
                .await
                .unwrap()
        }
    };
    assert_eq!(find(&thread, "c1").await, Some(line));
    assert_eq!(find(&thread, "c2").await, None);
    assert_eq!(find(&other, "c1").await, None);
}

pub async fn what_a_message_says_changes_alone(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let line = thread.our_message(1, "c");
    let changed = Message {
        content: Content::text("better said"),
        changed: Some(Changed {
            how: Change::Edited,
            at: at(5),
        }),
        ..line.clone()
    };
    let writes = vec![
        Write::MessagePut(line.clone()),
        Write::MessageDelivery {
            id: line.id,
            delivery: Delivery::Read,
            code: None,
        },
        Write::MessageChange(Box::new(changed.clone())),
        // Nobody's line.
        Write::MessageChange(Box::new(thread.our_message(9, "d"))),
    ];
    thread.write(&*store, writes).await;
    let lines = store.messages(&thread.workspace, thread.conversation, 0, 9);
    let expected = Message {
        delivery: Some(Delivery::Read),
        ..changed
    };
    assert_eq!(lines.await.unwrap(), [expected]);
}
