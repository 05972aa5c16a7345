//! The outbox: which row of a lane may leave next.
//!
//! A lane's rows leave in order of (conversation, transcript line, arrival). `due_at` is set on
//! exactly one unsettled row of a lane, its head; the index over it is the work list. The head is
//! the first unsettled row, unless another one is already leased: then that one finishes first.

use std::time::Duration;

use rusqlite::{Connection, params};
use tandem_domain::{
    AccountId, OutboxId, Timestamp,
    store::{OutboxRow, OutboxState},
};

use super::{
    failure::Failure,
    rows::{self, OUTBOX, at_most, first, key, list, outbox_columns, run, settled},
};

pub(super) fn put(
    conn: &Connection,
    w: i64,
    row: &OutboxRow,
    document: &str,
) -> Result<(), Failure> {
    let outbound = &row.outbound;
    let lane = key(outbound.lane.0);
    let state = outbox_columns(&row.state);
    let waits = !settled(&row.state);
    let outcome = if waits {
        None
    } else {
        Some(serde_json::to_string(&row.state)?)
    };
    // With nothing before it in the lane the row is the head at once; otherwise it waits, and in
    // the rare case that it goes before others the lane is put in order below.
    let ahead = if waits {
        head_of(conn, w, &lane)?
    } else {
        None
    };
    let overtakes = ahead.as_ref().is_some_and(|ahead| {
        (key(outbound.conversation_id.0), rows::int(outbound.seq)) < ahead.place
    });
    let due_at = (waits && ahead.is_none()).then_some(state.at);
    let inserted = run(
        conn,
        "INSERT INTO outbox (workspace, id, lane, conversation, seq, message, created_at, \
         state, attempts, at, lease, due_at, outcome, body, account, held, tried_at, \
         interrupted) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
         ?18) \
         ON CONFLICT (workspace, id) DO NOTHING",
        params![
            w,
            key(outbound.uuid.0),
            lane,
            key(outbound.conversation_id.0),
            rows::int(outbound.seq),
            key(row.message.0),
            row.created_at.0,
            state.state,
            state.attempts.unwrap_or(0),
            state.at,
            state.lease.unwrap_or(0).cast_signed(),
            due_at,
            outcome,
            document,
            outbound.account.as_str(),
            state.held,
            row.tried_at.map(|at| at.0),
            state.interrupted,
        ],
    )?;
    if inserted == 0 {
        run(
            conn,
            "UPDATE outbox SET lane = ?3, conversation = ?4, seq = ?5, message = ?6, \
             created_at = ?7, state = ?8, attempts = ?9, at = ?10, lease = max(lease, ?11), \
             due_at = NULL, outcome = ?12, body = ?13, account = ?14, held = ?15, \
             tried_at = ?16, interrupted = ?17 WHERE workspace = ?1 AND id = ?2",
            params![
                w,
                key(outbound.uuid.0),
                lane,
                key(outbound.conversation_id.0),
                rows::int(outbound.seq),
                key(row.message.0),
                row.created_at.0,
                state.state,
                state.attempts.unwrap_or(0),
                state.at,
                state.lease.unwrap_or(0).cast_signed(),
                outcome,
                document,
                outbound.account.as_str(),
                state.held,
                row.tried_at.map(|at| at.0),
                state.interrupted,
            ],
        )?;
    }
    if inserted == 0 || overtakes || (ahead.is_some() && state.state == 1) {
        put_in_order(conn, w, &lane)?;
    }
    Ok(())
}

/// Sets the state of a row; `document` is the state itself when it is settled.
pub(super) fn set_state(
    conn: &Connection,
    w: i64,
    id: OutboxId,
    state: &OutboxState,
    document: Option<&str>,
) -> Result<(), Failure> {
    let found = first(
        conn,
        "SELECT rowid, lane, state, due_at IS NOT NULL FROM outbox WHERE workspace = ?1 AND id = ?2",
        params![w, key(id.0)],
        |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, [u8; 16]>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, bool>(3)?,
            ))
        },
    )?;
    let Some((rowid, lane, before, was_head)) = found else {
        return Ok(());
    };
    let columns = outbox_columns(state);
    let waits = !settled(state);
    let due_at = (waits && was_head).then_some(columns.at);
    run(
        conn,
        "UPDATE outbox SET state = ?2, attempts = coalesce(?3, attempts), at = ?4, \
         lease = coalesce(?5, lease), due_at = ?6, outcome = ?7, held = ?8, interrupted = ?9, \
         tried_at = iif(?3 = 0, NULL, tried_at) WHERE rowid = ?1",
        params![
            rowid,
            columns.state,
            columns.attempts,
            columns.at,
            columns.lease.map(u64::cast_signed),
            due_at,
            document,
            columns.held,
            columns.interrupted,
        ],
    )?;
    if waits {
        // A settled row that goes back to work, or one taken out of its turn.
        if before > 1 || !was_head {
            put_in_order(conn, w, &lane)?;
        }
    } else if was_head && let Some(next) = head_of(conn, w, &lane)? {
        run(
            conn,
            "UPDATE outbox SET due_at = at WHERE rowid = ?1",
            params![next.rowid],
        )?;
    }
    Ok(())
}

/// Leases the heads that are due, longest due first.
pub(super) fn lease(
    conn: &Connection,
    w: i64,
    account: &AccountId,
    now: Timestamp,
    span: Duration,
    limit: usize,
) -> Result<Vec<OutboxRow>, Failure> {
    let until = now + span;
    let due = list(
        conn,
        "SELECT rowid, lane FROM outbox INDEXED BY outbox_due \
         WHERE workspace = ?1 AND account = ?2 AND due_at IS NOT NULL AND due_at <= ?3 \
         ORDER BY due_at, rowid LIMIT ?4",
        params![w, account.as_str(), now.0, at_most(limit)],
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?)),
    )?;
    let mut leased = Vec::with_capacity(due.len());
    for (mut rowid, lane) in due {
        // An expired lease may stand on a row that another one was since put in front of.
        if let Some(ahead) = head_of(conn, w, &lane)?
            && ahead.rowid != rowid
        {
            for (row, head) in [(rowid, false), (ahead.rowid, true)] {
                run(
                    conn,
                    "UPDATE outbox SET due_at = CASE WHEN ?2 THEN at END, \
                     interrupted = max(interrupted, state = 1), state = 0 WHERE rowid = ?1",
                    params![row, head],
                )?;
            }
            if ahead.at > now.0 {
                continue;
            }
            rowid = ahead.rowid;
        }
        run(
            conn,
            "UPDATE outbox SET interrupted = max(interrupted, state = 1), state = 1, attempts = attempts + 1, \
             lease = lease + 1, at = ?2, due_at = ?2, held = NULL, \
             tried_at = coalesce(tried_at, ?3) WHERE rowid = ?1",
            params![rowid, until.0, now.0],
        )?;
        leased.extend(first(
            conn,
            &format!("SELECT {OUTBOX} FROM outbox WHERE rowid = ?1"),
            params![rowid],
            rows::outbox,
        )?);
    }
    Ok(leased)
}

/// Whoever held a lease is gone: each has run out by now.
pub(super) fn leases_end(conn: &Connection, w: i64, now: Timestamp) -> Result<(), Failure> {
    run(
        conn,
        "UPDATE outbox SET at = ?2, due_at = ?2 WHERE workspace = ?1 AND state = 1",
        params![w, now.0],
    )?;
    Ok(())
}

/// When the account's first head is due.
pub(super) fn next(
    conn: &Connection,
    w: i64,
    account: &AccountId,
) -> Result<Option<Timestamp>, Failure> {
    first(
        conn,
        "SELECT due_at FROM outbox INDEXED BY outbox_due \
         WHERE workspace = ?1 AND account = ?2 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1",
        params![w, account.as_str()],
        |row| Ok(Timestamp(row.get(0)?)),
    )
}

struct Head {
    rowid: i64,
    place: ([u8; 16], i64),
    at: i64,
}

/// The lane's first unsettled row.
fn head_of(conn: &Connection, w: i64, lane: &[u8; 16]) -> Result<Option<Head>, Failure> {
    first(
        conn,
        "SELECT rowid, conversation, seq, at FROM outbox INDEXED BY outbox_lane \
         WHERE workspace = ?1 AND lane = ?2 AND state < 2 \
         ORDER BY conversation, seq, rowid LIMIT 1",
        params![w, lane],
        |row| {
            Ok(Head {
                rowid: row.get(0)?,
                place: (row.get(1)?, row.get(2)?),
                at: row.get(3)?,
            })
        },
    )
}

/// Finds the lane's head anew among all its unsettled rows.
fn put_in_order(conn: &Connection, w: i64, lane: &[u8; 16]) -> Result<(), Failure> {
    let open = list(
        conn,
        "SELECT rowid, state, due_at IS NOT NULL FROM outbox INDEXED BY outbox_lane \
         WHERE workspace = ?1 AND lane = ?2 AND state < 2 ORDER BY conversation, seq, rowid",
        params![w, lane],
        |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, bool>(2)?,
            ))
        },
    )?;
    let head = open
        .iter()
        .find(|(_, state, _)| *state == 1)
        .or(open.first())
        .map(|(rowid, ..)| *rowid);
    for (rowid, _, is_head) in open {
        if (Some(rowid) == head) != is_head {
            run(
                conn,
                "UPDATE outbox SET due_at = CASE WHEN ?2 THEN at END WHERE rowid = ?1",
                params![rowid, !is_head],
            )?;
        }
    }
    Ok(())
}
