//! Forgetting, in steps so short that commits don't notice.
//!
//! Rows of the inbox, the outbox and the actions stand in the order they came, so the old ones
//! are at the front of the table: no index over time is needed. A cursor for each table passes
//! over rows at the front that must stay.

use std::time::Duration;

use rusqlite::{Connection, params};
use tandem_domain::Timestamp;

use super::{
    failure::Failure,
    rows::{list, run},
};

/// Rows looked at in one table in one step.
const STEP: i64 = 500;

/// Where the walk through each table stands. Kept between steps, so that a step never begins
/// with the same rows that stay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursors {
    inbox: i64,
    outbox: i64,
    actions: i64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) removed: u64,
    /// There may be more to remove.
    pub(super) more: bool,
}

pub(super) fn step(
    conn: &Connection,
    cursors: &mut Cursors,
    now: Timestamp,
    keep: Duration,
) -> Result<Step, Failure> {
    let mut step = Step::default();
    expired(
        conn,
        &mut step,
        now,
        "DELETE FROM kv WHERE (workspace, scope, key) IN (SELECT workspace, scope, key FROM kv \
         INDEXED BY kv_expiry WHERE expires_at IS NOT NULL AND expires_at <= ?1 LIMIT ?2)",
    )?;
    expired(
        conn,
        &mut step,
        now,
        "DELETE FROM onces WHERE (workspace, contact, key) IN (SELECT workspace, contact, key \
         FROM onces INDEXED BY onces_expiry WHERE expires_at <= ?1 LIMIT ?2)",
    )?;
    let before = (now - keep).0;
    walk(
        conn,
        &mut step,
        &mut cursors.inbox,
        before,
        "SELECT rowid, received_at, state = 1 FROM inbox WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
        "DELETE FROM inbox WHERE rowid = ?1",
    )?;
    walk(
        conn,
        &mut step,
        &mut cursors.outbox,
        before,
        "SELECT rowid, created_at, state = 2 FROM outbox WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
        "DELETE FROM outbox WHERE rowid = ?1",
    )?;
    walk(
        conn,
        &mut step,
        &mut cursors.actions,
        before,
        "SELECT rowid, created_at, pending = 0 FROM actions WHERE rowid > ?1 \
         ORDER BY rowid LIMIT ?2",
        "DELETE FROM actions WHERE rowid = ?1",
    )?;
    Ok(step)
}

fn expired(conn: &Connection, step: &mut Step, now: Timestamp, sql: &str) -> Result<(), Failure> {
    let removed = run(conn, sql, params![now.0, STEP])?;
    step.removed += removed as u64;
    step.more |= i64::try_from(removed).is_ok_and(|removed| removed == STEP);
    Ok(())
}

fn walk(
    conn: &Connection,
    step: &mut Step,
    cursor: &mut i64,
    before: i64,
    look: &str,
    delete: &str,
) -> Result<(), Failure> {
    let rows = list(conn, look, params![*cursor, STEP], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, bool>(2)?,
        ))
    })?;
    let full = i64::try_from(rows.len()).is_ok_and(|found| found == STEP);
    let mut reached = full;
    for (rowid, at, finished) in rows {
        if at >= before {
            reached = false;
            break;
        }
        *cursor = rowid;
        if finished {
            run(conn, delete, params![rowid])?;
            step.removed += 1;
        }
    }
    if reached {
        step.more = true;
    } else {
        // The next walk looks again at what had to stay this time.
        *cursor = 0;
    }
    Ok(())
}
