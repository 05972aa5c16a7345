//! No statement of a turn walks a table: each is served by an index, whatever is stored beside.

use std::{cell::RefCell, collections::BTreeSet};

use rusqlite::{
    Connection,
    trace::{TraceEvent, TraceEventCodes},
};
use tandem_domain::{
    TimerId,
    store::{Guard, InboxState, Write},
};

use super::{guards, open, reads, rows::document, writer::Space, writes};
use crate::conformance::samples::{START, Thread};

thread_local! {
    static SEEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

fn note(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(statement, _) = event {
        SEEN.with_borrow_mut(|seen| seen.insert(statement.sql().into_owned()));
    }
}

/// What SQLite says it will do for a statement.
fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for place in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(place, 1).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get(3).unwrap());
    }
    steps
}

/// The writes of a turn that accepts an event, answers it, sets and clears timers, asks for an
/// action, and settles one that was asked for before.
fn turn(thread: &Thread, version: u64) -> (Vec<Guard>, Vec<Write>) {
    let mut commit = thread.turn(version);
    let (timer, action) = (thread.timer("wait", START), thread.action("look"));
    let accepted = thread.inbox("accepted before");
    commit.guards.extend([
        Guard::InboxPending(accepted.id),
        Guard::ControlEpoch {
            conversation: thread.conversation,
            epoch: 0,
        },
        Guard::TimerSet(timer.id),
        Guard::ActionPending(action.id),
        Guard::NoClientId {
            conversation: thread.conversation,
            client_id: "c".into(),
        },
        Guard::LineOfLane {
            lane: thread.lane,
            message: thread.message(1).id,
        },
        Guard::NoContact {
            account: thread.account.clone(),
            native_id: "somebody else".into(),
        },
    ]);
    commit.writes.extend([
        Write::InboxPut(accepted.clone()),
        Write::InboxDone(accepted.id),
        Write::ContactPut(thread.contact()),
        Write::EventPut(thread.event("message.created")),
        Write::TimerFired(TimerId::derive(&["another"])),
        Write::TimerPut(timer),
        Write::TimerCancel {
            lane: thread.lane,
            key: "wait".into(),
        },
        Write::ActionCancel(action.id),
        Write::ActionPut(Box::new(action)),
        Write::JournalPut(thread.rolled_over().journal(version)),
    ]);
    (commit.guards, commit.writes)
}

#[test]
fn no_statement_of_a_turn_walks_a_table() {
    let mut conn = Connection::open_in_memory().unwrap();
    open::migrate(&mut conn).unwrap();
    let mut space = Space {
        number: 1,
        last_event: 0,
    };
    conn.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note));
    let thread = Thread::new("ann");
    for version in 1..=3 {
        let (guards, writes) = turn(&thread, version);
        for guard in &guards {
            guards::check(&conn, 1, std::slice::from_ref(guard)).unwrap();
        }
        let documents: Vec<String> = writes.iter().map(|w| document(w).unwrap()).collect();
        writes::apply(&conn, &mut space, &writes, &documents).unwrap();
        let mut dead = thread.inbox(&format!("dead-{version}"));
        dead.state = InboxState::Dead;
        writes::apply(
            &conn,
            &mut space,
            &[Write::InboxPut(dead.clone()), Write::InboxDone(dead.id)],
            &["{}".into(), String::new()],
        )
        .unwrap();
        // What a turn and whoever reads its answer ask for.
        let line = reads::messages(&conn, 1, thread.conversation, 0, 9).unwrap();
        let last = line.last().map(|line| line.id);
        assert!(last.is_some());
        reads::lane(&conn, 1, thread.lane).unwrap();
        reads::lane_pending(&conn, 1, thread.lane, 9).unwrap();
        reads::conversation(&conn, 1, thread.conversation).unwrap();
        reads::contact(&conn, 1, thread.contact).unwrap();
        reads::contact_of(&conn, 1, &thread.account, "visitor-1").unwrap();
        reads::accepted(&conn, 1, &thread.account, "x").unwrap();
        reads::secrets(&conn, 1, "owner").unwrap();
        reads::lane_messages(&conn, 1, thread.lane, last, 9).unwrap();
        reads::lane_messages(&conn, 1, thread.lane, None, 9).unwrap();
        reads::message_by_client_id(&conn, 1, thread.conversation, "c").unwrap();
        reads::next_timer(&conn, 1).unwrap();
        reads::timers_due(&conn, 1, START, 9).unwrap();
    }
    let seen = SEEN.take();
    assert!(seen.len() > 30, "{seen:#?}");
    for sql in seen {
        for step in plan(&conn, &sql) {
            assert!(step.starts_with("SEARCH"), "{step:?} is a step of {sql}");
        }
    }
}
