//! Windows, reply contexts, native ids, receipts, what was not understood.

use std::time::Duration;

use tandem_domain::{
    FileId, MessageId, Timestamp, UnknownId,
    edge::{FetchRow, Keep, NativeRow, ParkedReceipt, UNKNOWN_KEPT, UnknownRow},
    message::{Delivery, Media, MediaKind, ReplyContext},
    store::{Guard, InboxState, OutboxRow, OutboxState, Outcome, Write},
};

use super::{
    Backend,
    samples::{START, Thread, at},
};

fn heard(thread: &Thread, when: Timestamp, token: Option<&str>) -> Write {
    Write::Heard {
        lane: thread.lane,
        at: when,
        reply: token.map(|token| ReplyContext {
            token: token.into(),
            expires_at: Some(at(1_000)),
            uses_left: Some(1),
        }),
    }
}

/// Our line 1 under a native id.
pub fn native(thread: &Thread, id: &str) -> NativeRow {
    NativeRow {
        account: thread.account.clone(),
        native: id.into(),
        outbox: thread.outbox(1).id(),
        message: MessageId::derive(&[&thread.lane.to_string(), "1"]),
        also: vec![thread.message(2).id],
        lane: thread.lane,
        conversation: thread.conversation,
        seq: 1,
        more: true,
        at: START,
    }
}

pub fn receipt(thread: &Thread, id: &str, delivery: Delivery) -> ParkedReceipt {
    ParkedReceipt {
        account: thread.account.clone(),
        native: id.into(),
        delivery,
        code: Some("c".into()),
        at: START,
    }
}

pub fn unknown(thread: &Thread, body: &[u8], when: Timestamp) -> UnknownRow {
    UnknownRow {
        id: UnknownId::fresh(),
        account: thread.account.clone(),
        reason: "no known event".into(),
        body: body.to_vec(),
        at: when,
    }
}

/// A picture that came with this event.
pub fn fetch(thread: &Thread, event: &str, due: Timestamp) -> FetchRow {
    FetchRow {
        file: FileId::derive(&[event]),
        account: thread.account.clone(),
        lane: thread.lane,
        conversation: thread.conversation,
        media: Media {
            media: MediaKind::Image,
            reference: "native-1".into(),
            mime: "image/png".into(),
            name: None,
            size: Some(9),
            alt: None,
        },
        attempts: 0,
        due_at: Some(due),
        problem: None,
        created_at: START,
    }
}

pub async fn media_are_fetched_when_due_and_until_given_up(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let w = &thread.workspace;
    let (early, late) = (fetch(&thread, "1", at(5)), fetch(&thread, "2", at(9)));
    let gone = FetchRow {
        due_at: None,
        problem: Some("no such media".into()),
        ..fetch(&thread, "3", at(0))
    };
    assert_eq!(store.next_fetch(w).await.unwrap(), None);
    let writes = [&late, &early, &gone].map(|row| Write::FetchPut(row.clone()));
    thread.write(&*store, writes.into()).await;
    assert_eq!(store.next_fetch(w).await.unwrap(), Some(at(5)));
    assert_eq!(store.fetches_due(w, at(4), 9).await.unwrap(), []);
    let due = store.fetches_due(w, at(9), 9).await.unwrap();
    assert_eq!(due, [early.clone(), late.clone()]);
    assert_eq!(store.fetches_due(w, at(9), 1).await.unwrap().len(), 1);
    let again = FetchRow {
        attempts: 1,
        due_at: Some(at(20)),
        ..early.clone()
    };
    let writes = vec![Write::FetchPut(again.clone()), Write::FetchDone(late.file)];
    thread.write(&*store, writes).await;
    assert_eq!(store.next_fetch(w).await.unwrap(), Some(at(20)));
    assert_eq!(store.fetch(w, early.file).await.unwrap(), Some(again));
    assert_eq!(store.fetch(w, late.file).await.unwrap(), None);
    assert_eq!(store.fetch(w, gone.file).await.unwrap(), Some(gone.clone()));
    // What was given up is forgotten with everything else that is old; what waits stays.
    const DAY: i64 = 24 * 3600 * 1000;
    let keep = Keep::all(Duration::from_secs(3600));
    assert_eq!(store.purge(at(DAY), &keep).await.unwrap(), 1);
    assert_eq!(store.fetch(w, gone.file).await.unwrap(), None);
    assert!(store.fetch(w, early.file).await.unwrap().is_some());
}

pub async fn leases_end_with_those_who_held_them(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let (w, hour) = (&thread.workspace, Duration::from_secs(3600));
    let row = thread.outbox(1);
    thread
        .write(&*store, vec![Write::OutboxPut(Box::new(row))])
        .await;
    let lease = |now| store.lease_outbox(w, &thread.account, now, hour, 9);
    assert_eq!(lease(at(1)).await.unwrap().len(), 1);
    assert_eq!(lease(at(2)).await.unwrap().len(), 0);
    thread.write(&*store, vec![Write::LeasesEnd(at(3))]).await;
    assert_eq!(
        store.next_outbox(w, &thread.account).await.unwrap(),
        Some(at(3))
    );
    let again = lease(at(3)).await.unwrap();
    // The message may have left under the lease that ended.
    assert!(matches!(
        again[..],
        [OutboxRow {
            state: OutboxState::Leased {
                lease: 2,
                interrupted: true,
                ..
            },
            ..
        }]
    ));
}

pub async fn sends_are_counted_since_the_customer_wrote(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let read = || store.reach(&thread.workspace, thread.lane);
    assert_eq!(read().await.unwrap(), None);
    // Nobody wrote yet: there is nothing to count from.
    thread
        .write(&*store, vec![Write::ReachSent(thread.lane)])
        .await;
    assert_eq!(read().await.unwrap(), None);
    thread
        .write(&*store, vec![heard(&thread, at(5), Some("t"))])
        .await;
    let sends = vec![
        Write::ReachSent(thread.lane),
        Write::ReachSent(thread.lane),
        Write::ReplyUsed(thread.lane),
    ];
    thread.write(&*store, sends).await;
    let reach = read().await.unwrap().unwrap();
    assert_eq!(
        (reach.heard_at, reach.sent, reach.reply_used),
        (at(5), 2, 1)
    );
    assert_eq!(reach.reply.unwrap().token, "t");
    // An older word opens no window anew; a context that may live stays without a new one.
    thread
        .write(&*store, vec![heard(&thread, at(3), None)])
        .await;
    let reach = read().await.unwrap().unwrap();
    assert_eq!(
        (reach.heard_at, reach.sent, reach.reply_used),
        (at(5), 0, 1)
    );
    thread
        .write(&*store, vec![heard(&thread, at(9), Some("u"))])
        .await;
    let reach = read().await.unwrap().unwrap();
    assert_eq!(
        (reach.heard_at, reach.sent, reach.reply_used),
        (at(9), 0, 0)
    );
    assert_eq!(reach.reply.unwrap().token, "u");
}

pub async fn a_way_to_answer_opens_no_window(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let given = |token: &str| Write::ReplyGiven {
        lane: thread.lane,
        at: at(7),
        reply: ReplyContext {
            token: token.into(),
            expires_at: Some(at(60)),
            uses_left: Some(3),
        },
    };
    thread.write(&*store, vec![given("t")]).await;
    let read = || store.reach(&thread.workspace, thread.lane);
    let reach = read().await.unwrap().unwrap();
    assert_eq!((reach.heard_at, reach.sent), (Timestamp(0), 0));
    assert_eq!(reach.next_use(at(8)), Some(1));
    let more = vec![
        heard(&thread, at(8), None),
        Write::ReachSent(thread.lane),
        Write::ReplyUsed(thread.lane),
        given("u"),
    ];
    thread.write(&*store, more).await;
    // What the customer's own words opened and used stands as it is.
    let reach = read().await.unwrap().unwrap();
    assert_eq!(
        (reach.heard_at, reach.sent, reach.reply_used),
        (at(8), 1, 0)
    );
    assert_eq!(reach.reply.unwrap().token, "u");
}

pub async fn the_native_ids_of_a_line_are_listed_in_order(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let rows = ["n2", "n1"].map(|id| native(&thread, id));
    let puts = rows.iter().cloned().map(Write::NativePut).collect();
    thread.write(&*store, puts).await;
    let found = store.natives_of(&thread.workspace, rows[0].message).await;
    assert_eq!(found.unwrap(), rows);
    let other = MessageId::derive(&["another"]);
    let found = store.natives_of(&thread.workspace, other).await;
    assert!(found.unwrap().is_empty());
}

pub async fn a_use_of_a_reply_context_is_claimed_once(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    thread
        .write(&*store, vec![heard(&thread, at(5), Some("t"))])
        .await;
    let claim = |heard_at, reply_used| {
        let guard = Guard::ReachIs {
            lane: thread.lane,
            heard_at,
            reply_used,
        };
        thread.guarded(vec![guard], vec![Write::ReplyUsed(thread.lane)])
    };
    assert_eq!(
        store.commit(claim(at(5), 0)).await.unwrap(),
        Outcome::Committed
    );
    assert_eq!(
        store.commit(claim(at(5), 0)).await.unwrap(),
        Outcome::Conflict(0)
    );
    assert_eq!(
        store.commit(claim(at(4), 1)).await.unwrap(),
        Outcome::Conflict(0)
    );
    assert_eq!(
        store.commit(claim(at(5), 1)).await.unwrap(),
        Outcome::Committed
    );
}

pub async fn a_native_id_names_its_line(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let row = native(&thread, "n1");
    let guard = Guard::NoNative {
        account: thread.account.clone(),
        native: "n1".into(),
    };
    assert_eq!(
        thread.try_guard(&*store, guard.clone()).await,
        Outcome::Committed
    );
    thread
        .write(&*store, vec![Write::NativePut(row.clone())])
        .await;
    assert_eq!(thread.try_guard(&*store, guard).await, Outcome::Conflict(0));
    let read = |id: &'static str| store.native(&thread.workspace, &thread.account, id);
    assert_eq!(read("n1").await.unwrap(), Some(row));
    assert_eq!(read("n2").await.unwrap(), None);
    let other = "other".into();
    let theirs = store.native(&thread.workspace, &other, "n1").await;
    assert_eq!(theirs.unwrap(), None);
}

pub async fn of_parked_receipts_the_one_that_says_most_stays(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let read = || store.parked(&thread.workspace, &thread.account, "n1");
    for (told, stays) in [
        (Delivery::Sent, Delivery::Sent),
        (Delivery::Read, Delivery::Read),
        (Delivery::Delivered, Delivery::Read),
    ] {
        let park = Write::ReceiptPark(receipt(&thread, "n1", told));
        thread.write(&*store, vec![park]).await;
        assert_eq!(
            read().await.unwrap(),
            Some(receipt(&thread, "n1", stays)),
            "after {told:?}"
        );
    }
    let unpark = Write::ReceiptUnpark {
        account: thread.account.clone(),
        native: "n1".into(),
    };
    thread.write(&*store, vec![unpark]).await;
    assert_eq!(read().await.unwrap(), None);
}

pub async fn the_newest_unknown_events_are_kept(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::new("a");
    let mut other = Thread::new("b");
    other.account = "other".into();
    let theirs = unknown(&other, b"theirs", START);
    let rows: Vec<_> = (0..UNKNOWN_KEPT + 3)
        .map(|n| unknown(&thread, n.to_string().as_bytes(), START))
        .collect();
    let mut writes = vec![Write::UnknownPut(theirs.clone())];
    writes.extend(rows.iter().cloned().map(Write::UnknownPut));
    thread.write(&*store, writes).await;
    let kept = store.unknowns(&thread.workspace, 9_999).await.unwrap();
    let mut expected: Vec<_> = rows[3..].iter().rev().cloned().collect();
    expected.push(theirs);
    assert_eq!(kept, expected);
    let two = store.unknowns(&thread.workspace, 2).await.unwrap();
    assert_eq!(two, expected[..2]);
}

pub async fn purge_forgets_the_edge_and_keeps_events_as_long_as_asked(backend: &dyn Backend) {
    const DAY: i64 = 24 * 3600 * 1000;
    let store = backend.open().await;
    let thread = Thread::new("a");
    let mut mine = thread.inbox("mine");
    mine.state = InboxState::Done;
    let (mut longer, mut ever) = (mine.clone(), mine.clone());
    (longer.account, longer.id) = ("longer".into(), thread.inbox("x").id);
    (ever.account, ever.id) = ("ever".into(), thread.inbox("y").id);
    let writes = vec![
        Write::InboxPut(ever),
        Write::InboxPut(longer),
        Write::InboxPut(mine),
        Write::NativePut(native(&thread, "old")),
        Write::NativePut(NativeRow {
            at: at(9 * DAY),
            ..native(&thread, "young")
        }),
        Write::ReceiptPark(receipt(&thread, "old", Delivery::Read)),
        Write::UnknownPut(unknown(&thread, b"old", START)),
    ];
    thread.write(&*store, writes).await;
    let mut keep = Keep::all(Duration::from_secs(8 * 24 * 3600));
    let longest = Duration::from_secs(20 * 24 * 3600);
    keep.events.insert("longer".into(), Some(longest));
    keep.events.insert("ever".into(), None);
    assert_eq!(store.purge(at(10 * DAY), &keep).await.unwrap(), 4);
    let w = &thread.workspace;
    let known = async |account: &str| {
        let found = store.accepted(w, &account.into(), "mine").await.unwrap();
        found.is_some()
    };
    assert!(!known(thread.account.as_str()).await);
    assert!(known("longer").await && known("ever").await);
    let young = store.native(w, &thread.account, "young").await.unwrap();
    assert!(young.is_some());
    assert_eq!(store.purge(at(30 * DAY), &keep).await.unwrap(), 2);
    assert!(!known("longer").await && known("ever").await);
}
