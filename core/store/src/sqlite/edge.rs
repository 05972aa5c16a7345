//! What the edge of channels remembers: windows and reply contexts, native ids, parked receipts,
//! media to be fetched, events that were not understood.

use rusqlite::{Connection, Row, params};
use tandem_domain::{
    AccountId, ConversationId, FileId, LaneId, MessageId, OutboxId, Timestamp, UnknownId,
    edge::{FetchRow, NativeRow, ParkedReceipt, Reach, UNKNOWN_KEPT, UnknownRow},
};

use super::{
    failure::Failure,
    rows::{
        at_most, count, delivery_column, delivery_of, delivery_rank, first, int, json,
        json_or_none, key, list, run, uuid,
    },
};

/// `reply` is the document of the new reply context; empty leaves the one before.
pub(super) fn heard(
    conn: &Connection,
    w: i64,
    lane: LaneId,
    at: Timestamp,
    reply: &str,
) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO reaches (workspace, lane, heard_at, sent, reply, reply_used) \
         VALUES (?1, ?2, ?3, 0, nullif(?4, ''), 0) \
         ON CONFLICT (workspace, lane) DO UPDATE SET heard_at = max(heard_at, ?3), sent = 0, \
         reply = coalesce(excluded.reply, reply), \
         reply_used = iif(excluded.reply IS NULL, reply_used, 0)",
        params![w, key(lane.0), at.0, reply],
    )?;
    release_held(conn, w, lane, at)
}

/// `reply` is the document of the new reply context. A lane nobody was heard in keeps its zero.
pub(super) fn reply_given(
    conn: &Connection,
    w: i64,
    lane: LaneId,
    at: Timestamp,
    reply: &str,
) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO reaches (workspace, lane, heard_at, sent, reply, reply_used) \
         VALUES (?1, ?2, 0, 0, ?3, 0) \
         ON CONFLICT (workspace, lane) DO UPDATE SET reply = excluded.reply, reply_used = 0",
        params![w, key(lane.0), reply],
    )?;
    release_held(conn, w, lane, at)
}

/// Rows held until the customer says something are due.
fn release_held(conn: &Connection, w: i64, lane: LaneId, at: Timestamp) -> Result<(), Failure> {
    run(
        conn,
        "UPDATE outbox INDEXED BY outbox_lane \
         SET held = NULL, at = ?3, due_at = iif(due_at IS NULL, NULL, ?3) \
         WHERE workspace = ?1 AND lane = ?2 AND state < 2 AND state = 0 AND held IS NOT NULL",
        params![w, key(lane.0), at.0],
    )?;
    Ok(())
}

pub(super) fn sent(conn: &Connection, w: i64, lane: LaneId) -> Result<(), Failure> {
    run(
        conn,
        "UPDATE reaches SET sent = sent + 1 WHERE workspace = ?1 AND lane = ?2",
        params![w, key(lane.0)],
    )?;
    Ok(())
}

pub(super) fn reply_used(conn: &Connection, w: i64, lane: LaneId) -> Result<(), Failure> {
    run(
        conn,
        "UPDATE reaches SET reply_used = reply_used + 1 WHERE workspace = ?1 AND lane = ?2",
        params![w, key(lane.0)],
    )?;
    Ok(())
}

/// `also` is the document of the other lines, empty without any.
pub(super) fn native_put(
    conn: &Connection,
    w: i64,
    row: &NativeRow,
    also: &str,
) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO natives \
         (workspace, account, native, message, lane, conversation, seq, more, at, outbox, also) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, nullif(?11, '')) \
         ON CONFLICT (workspace, account, native) DO UPDATE SET outbox = excluded.outbox, \
         message = excluded.message, also = excluded.also, lane = excluded.lane, \
         conversation = excluded.conversation, seq = excluded.seq, more = excluded.more, \
         at = excluded.at",
        params![
            w,
            row.account.as_str(),
            row.native,
            key(row.message.0),
            key(row.lane.0),
            key(row.conversation.0),
            int(row.seq),
            row.more,
            row.at.0,
            key(row.outbox.0),
            also,
        ],
    )?;
    Ok(())
}

pub(super) fn park(conn: &Connection, w: i64, row: &ParkedReceipt) -> Result<(), Failure> {
    let rank = delivery_rank("parked.delivery");
    run(
        conn,
        &format!(
            "INSERT INTO parked (workspace, account, native, delivery, code, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (workspace, account, native) DO UPDATE SET \
             delivery = excluded.delivery, code = excluded.code, at = excluded.at \
             WHERE {rank} < ?7"
        ),
        params![
            w,
            row.account.as_str(),
            row.native,
            delivery_column(row.delivery),
            row.code,
            row.at.0,
            row.delivery.rank(),
        ],
    )?;
    Ok(())
}

pub(super) fn unpark(
    conn: &Connection,
    w: i64,
    account: &AccountId,
    native: &str,
) -> Result<(), Failure> {
    run(
        conn,
        "DELETE FROM parked WHERE workspace = ?1 AND account = ?2 AND native = ?3",
        params![w, account.as_str(), native],
    )?;
    Ok(())
}

pub(super) fn unknown_put(conn: &Connection, w: i64, row: &UnknownRow) -> Result<(), Failure> {
    run(
        conn,
        "INSERT OR REPLACE INTO unknowns (workspace, account, id, at, reason, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            w,
            row.account.as_str(),
            key(row.id.0),
            row.at.0,
            row.reason,
            row.body,
        ],
    )?;
    run(
        conn,
        "DELETE FROM unknowns WHERE workspace = ?1 AND account = ?2 AND id <= \
         (SELECT id FROM unknowns WHERE workspace = ?1 AND account = ?2 \
          ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        params![w, row.account.as_str(), at_most(UNKNOWN_KEPT)],
    )?;
    Ok(())
}

pub(super) fn fetch_put(
    conn: &Connection,
    w: i64,
    row: &FetchRow,
    document: &str,
) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO fetches (workspace, file, created_at, due_at, body) \
         VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (workspace, file) DO UPDATE SET due_at = excluded.due_at, \
         body = excluded.body",
        params![
            w,
            key(row.file.0),
            row.created_at.0,
            row.due_at.map(|at| at.0),
            document,
        ],
    )?;
    Ok(())
}

pub(super) fn fetch_done(conn: &Connection, w: i64, file: FileId) -> Result<(), Failure> {
    run(
        conn,
        "DELETE FROM fetches WHERE workspace = ?1 AND file = ?2",
        params![w, key(file.0)],
    )?;
    Ok(())
}

pub(super) fn fetches_due(
    conn: &Connection,
    w: i64,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<FetchRow>, Failure> {
    list(
        conn,
        "SELECT body FROM fetches INDEXED BY fetches_due \
         WHERE workspace = ?1 AND due_at IS NOT NULL AND due_at <= ?2 ORDER BY due_at LIMIT ?3",
        params![w, now.0, at_most(limit)],
        |row| json(row, 0),
    )
}

pub(super) fn next_fetch(conn: &Connection, w: i64) -> Result<Option<Timestamp>, Failure> {
    first(
        conn,
        "SELECT due_at FROM fetches INDEXED BY fetches_due \
         WHERE workspace = ?1 AND due_at IS NOT NULL ORDER BY due_at LIMIT 1",
        params![w],
        |row| Ok(Timestamp(row.get(0)?)),
    )
}

pub(super) fn fetch(conn: &Connection, w: i64, file: FileId) -> Result<Option<FetchRow>, Failure> {
    first(
        conn,
        "SELECT body FROM fetches WHERE workspace = ?1 AND file = ?2",
        params![w, key(file.0)],
        |row| json(row, 0),
    )
}

pub(super) fn reach(conn: &Connection, w: i64, lane: LaneId) -> Result<Option<Reach>, Failure> {
    first(
        conn,
        "SELECT heard_at, sent, reply, reply_used FROM reaches \
         WHERE workspace = ?1 AND lane = ?2",
        params![w, key(lane.0)],
        |row| {
            Ok(Reach {
                lane,
                heard_at: Timestamp(row.get(0)?),
                sent: row.get(1)?,
                reply: json_or_none(row, 2)?,
                reply_used: row.get(3)?,
            })
        },
    )
}

pub(super) fn native(
    conn: &Connection,
    w: i64,
    account: &AccountId,
    native: &str,
) -> Result<Option<NativeRow>, Failure> {
    first(
        conn,
        "SELECT message, lane, conversation, seq, more, at, outbox, also FROM natives \
         WHERE workspace = ?1 AND account = ?2 AND native = ?3",
        params![w, account.as_str(), native],
        |row| native_of(row, account.clone(), native.to_owned()),
    )
}

fn native_of(row: &Row<'_>, account: AccountId, native: String) -> Result<NativeRow, Failure> {
    Ok(NativeRow {
        account,
        native,
        outbox: OutboxId(uuid(row, 6)?),
        message: MessageId(uuid(row, 0)?),
        also: json_or_none(row, 7)?.unwrap_or_default(),
        lane: LaneId(uuid(row, 1)?),
        conversation: ConversationId(uuid(row, 2)?),
        seq: count(row, 3)?,
        more: row.get(4)?,
        at: Timestamp(row.get(5)?),
    })
}

pub(super) fn natives_of(
    conn: &Connection,
    w: i64,
    message: MessageId,
) -> Result<Vec<NativeRow>, Failure> {
    list(
        conn,
        "SELECT message, lane, conversation, seq, more, at, outbox, also, account, native \
         FROM natives INDEXED BY natives_message \
         WHERE workspace = ?1 AND message = ?2 ORDER BY rowid",
        params![w, key(message.0)],
        |row| {
            let (account, native): (String, String) = (row.get(8)?, row.get(9)?);
            native_of(row, AccountId::new(&account), native)
        },
    )
}

pub(super) fn parked(
    conn: &Connection,
    w: i64,
    account: &AccountId,
    native: &str,
) -> Result<Option<ParkedReceipt>, Failure> {
    first(
        conn,
        "SELECT delivery, code, at FROM parked \
         WHERE workspace = ?1 AND account = ?2 AND native = ?3",
        params![w, account.as_str(), native],
        |row| {
            Ok(ParkedReceipt {
                account: account.clone(),
                native: native.to_owned(),
                delivery: delivery_of(row.get(0)?)?,
                code: row.get(1)?,
                at: Timestamp(row.get(2)?),
            })
        },
    )
}

pub(super) fn unknowns(
    conn: &Connection,
    w: i64,
    limit: usize,
) -> Result<Vec<UnknownRow>, Failure> {
    // Few rows by their very rule: no index over all accounts.
    list(
        conn,
        "SELECT id, account, reason, body, at FROM unknowns \
         WHERE workspace = ?1 ORDER BY id DESC LIMIT ?2",
        params![w, at_most(limit)],
        |row| {
            let account: String = row.get(1)?;
            Ok(UnknownRow {
                id: UnknownId(uuid(row, 0)?),
                account: AccountId::new(&account),
                reason: row.get(2)?,
                body: row.get(3)?,
                at: Timestamp(row.get(4)?),
            })
        },
    )
}
