//! Forgetting, in steps so short that commits don't notice.
//!
//! Rows of the inbox, the outbox and the actions stand in the order they came, so the old ones
//! are at the front of the table: no index over time is needed. A cursor for each table passes
//! over rows at the front that must stay.

use rusqlite::{Connection, params};
use tandem_domain::{Timestamp, edge::Keep};

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
    natives: i64,
    parked: i64,
    unknowns: i64,
    fetches: i64,
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
    keep: &Keep,
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
    let before = now - keep.rows;
    walk(
        conn,
        &mut step,
        &mut cursors.inbox,
        before,
        Some(&|account, at| {
            keep.events_before(account, now)
                .is_some_and(|before| at < before.0)
        }),
        "SELECT rowid, received_at, state = 1, account FROM inbox WHERE rowid > ?1 \
         ORDER BY rowid LIMIT ?2",
        "DELETE FROM inbox WHERE rowid = ?1",
    )?;
    for (cursor, look, delete) in [
        (
            &mut cursors.natives,
            "SELECT rowid, at, 1 FROM natives WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
            "DELETE FROM natives WHERE rowid = ?1",
        ),
        (
            &mut cursors.parked,
            "SELECT rowid, at, 1 FROM parked WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
            "DELETE FROM parked WHERE rowid = ?1",
        ),
        (
            &mut cursors.unknowns,
            "SELECT rowid, at, 1 FROM unknowns WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
            "DELETE FROM unknowns WHERE rowid = ?1",
        ),
        (
            &mut cursors.fetches,
            "SELECT rowid, created_at, due_at IS NULL FROM fetches WHERE rowid > ?1 \
             ORDER BY rowid LIMIT ?2",
            "DELETE FROM fetches WHERE rowid = ?1",
        ),
    ] {
        walk(conn, &mut step, cursor, before, None, look, delete)?;
    }
    walk(
        conn,
        &mut step,
        &mut cursors.outbox,
        before,
        None,
        "SELECT rowid, created_at, state = 2 FROM outbox WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
        "DELETE FROM outbox WHERE rowid = ?1",
    )?;
    walk(
        conn,
        &mut step,
        &mut cursors.actions,
        before,
        None,
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

/// Whether a row of this account and time may go, where accounts differ: its fourth column then
/// names the account.
type MayGo<'a> = &'a dyn Fn(&str, i64) -> bool;

fn walk(
    conn: &Connection,
    step: &mut Step,
    cursor: &mut i64,
    before: Timestamp,
    account_may_go: Option<MayGo<'_>>,
    look: &str,
    delete: &str,
) -> Result<(), Failure> {
    let rows = list(conn, look, params![*cursor, STEP], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, bool>(2)?
                && match account_may_go {
                    Some(may_go) => may_go(&row.get::<_, String>(3)?, row.get(1)?),
                    None => true,
                },
        ))
    })?;
    let full = i64::try_from(rows.len()).is_ok_and(|found| found == STEP);
    let mut reached = full;
    for (rowid, at, finished) in rows {
        if at >= before.0 {
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
