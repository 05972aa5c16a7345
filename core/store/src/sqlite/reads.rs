//! Queries. Each names the workspace first and is served by an index, so that none grows with
//! history.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use rusqlite::{Connection, params, params_from_iter, types::Value as SqlValue};
use tandem_domain::{
    AccountId, ActionId, ContactId, ConversationId, FileId, InboxId, LaneId, MessageId, OutboxId,
    Timestamp, Value, WorkspaceId,
    conversation::{Conversation, RoutingState, Status},
    store::{
        ActionRow, Contact, ConversationQuery, Depths, Event, FileRow, InboxRow, JournalRow,
        LaneRow, Message, OnceRow, OutboxRow, PackRow, Ticket, TimerRow,
    },
};
use uuid::Uuid;

use super::{
    failure::Failure,
    rows::{
        self, ACTION, INBOX, LISTED_LATE, MESSAGE, OUTBOX, TIMER, at_most, count, first, int, json,
        json_or_none, key, list, routing_column, status_column, uuid,
    },
};

pub(super) fn workspaces(conn: &Connection) -> Result<Vec<WorkspaceId>, Failure> {
    list(
        conn,
        "SELECT name FROM workspaces ORDER BY number",
        [],
        |row| Ok(WorkspaceId::new(&row.get::<_, String>(0)?)),
    )
}

pub(super) fn lane(conn: &Connection, w: i64, lane: LaneId) -> Result<Option<LaneRow>, Failure> {
    first(
        conn,
        "SELECT version, conversation, contact, format, state FROM lanes \
         WHERE workspace = ?1 AND id = ?2",
        params![w, key(lane.0)],
        |row| {
            Ok(LaneRow {
                id: lane,
                version: count(row, 0)?,
                conversation: ConversationId(uuid(row, 1)?),
                contact: ContactId(uuid(row, 2)?),
                format: row.get(3)?,
                state: row.get(4)?,
            })
        },
    )
}

pub(super) fn accepted(
    conn: &Connection,
    w: i64,
    account: &AccountId,
    dedupe: &str,
) -> Result<Option<InboxId>, Failure> {
    first(
        conn,
        "SELECT id FROM inbox WHERE workspace = ?1 AND account = ?2 AND dedupe = ?3",
        params![w, account.as_str(), dedupe],
        |row| Ok(InboxId(uuid(row, 0)?)),
    )
}

pub(super) fn inbox_pending(
    conn: &Connection,
    w: i64,
    after: Option<InboxId>,
    limit: usize,
) -> Result<Vec<InboxRow>, Failure> {
    list(
        conn,
        &format!(
            "SELECT {INBOX} FROM inbox INDEXED BY inbox_pending \
             WHERE workspace = ?1 AND state = 0 AND id > ?2 ORDER BY id LIMIT ?3"
        ),
        params![w, key(after.map_or(Uuid::nil(), |id| id.0)), at_most(limit)],
        rows::inbox,
    )
}

pub(super) fn lane_pending(
    conn: &Connection,
    w: i64,
    lane: LaneId,
    limit: usize,
) -> Result<Vec<InboxRow>, Failure> {
    list(
        conn,
        &format!(
            "SELECT {INBOX} FROM inbox INDEXED BY inbox_lane \
             WHERE workspace = ?1 AND lane = ?2 AND state = 0 ORDER BY id LIMIT ?3"
        ),
        params![w, key(lane.0), at_most(limit)],
        rows::inbox,
    )
}

pub(super) fn conversation(
    conn: &Connection,
    w: i64,
    id: ConversationId,
) -> Result<Option<Conversation>, Failure> {
    first(
        conn,
        "SELECT body FROM conversations WHERE workspace = ?1 AND id = ?2",
        params![w, key(id.0)],
        |row| json(row, 0),
    )
}

/// A page is read by the index that narrows most; without any filter the four statuses are read
/// apart and merged, each from its own end.
pub(super) fn conversations(
    conn: &Connection,
    w: i64,
    query: &ConversationQuery,
) -> Result<Vec<Conversation>, Failure> {
    let before = match query.before {
        None => None,
        Some(id) => {
            let place = first(
                conn,
                "SELECT updated_at, rowid FROM conversations WHERE workspace = ?1 AND id = ?2",
                params![w, key(id.0)],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )?;
            match place {
                Some(place) => Some(place),
                None => return Ok(Vec::new()),
            }
        }
    };
    let routed = query
        .routing_state
        .is_some_and(|state| state != RoutingState::None);
    let index = if query.contact.is_some() {
        "conversations_contact"
    } else if query.lane.is_some() {
        "conversations_lane"
    } else if routed {
        "conversations_routing"
    } else if query.skill.is_some() {
        "conversations_skill"
    } else {
        "conversations_status"
    };
    let statuses = match query.status {
        Some(status) => vec![Some(status)],
        None if index == "conversations_status" => [
            Status::Pending,
            Status::Open,
            Status::Snoozed,
            Status::Resolved,
        ]
        .map(Some)
        .to_vec(),
        None => vec![None],
    };

    let mut found: Vec<(i64, i64)> = Vec::new();
    for status in statuses {
        let mut sql = format!(
            "SELECT listed_at, updated_at, rowid FROM conversations INDEXED BY {index} \
             WHERE workspace = ?"
        );
        let mut values = vec![SqlValue::Integer(w)];
        let mut narrow = |condition: &str, value: Option<SqlValue>| {
            if let Some(value) = value {
                sql.push_str(condition);
                values.push(value);
            }
        };
        let blob = |id: Uuid| SqlValue::Blob(id.as_bytes().to_vec());
        let number = SqlValue::Integer;
        narrow(" AND status = ?", status.map(|s| number(status_column(s))));
        narrow(
            if routed {
                " AND routing <> 0 AND routing = ?"
            } else {
                " AND routing = ?"
            },
            query.routing_state.map(|s| number(routing_column(s))),
        );
        narrow(" AND skill = ?", query.skill.clone().map(SqlValue::Text));
        narrow(" AND contact = ?", query.contact.map(|id| blob(id.0)));
        narrow(" AND lane = ?", query.lane.map(|id| blob(id.0)));
        if let Some((at, rowid)) = before {
            narrow(" AND listed_at <= ?", Some(number(at)));
            narrow(" AND (updated_at, rowid) < (?", Some(number(at)));
            narrow(", ?)", Some(number(rowid)));
        }
        sql.push_str(" ORDER BY listed_at DESC");
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        newest(&mut rows, query.limit, &mut found)?;
    }
    found.sort_unstable_by_key(|place| Reverse(*place));
    found.truncate(query.limit);
    let mut page = Vec::with_capacity(found.len());
    for (_, rowid) in found {
        page.extend(first(
            conn,
            "SELECT body FROM conversations WHERE rowid = ?1",
            params![rowid],
            |row| json(row, 0),
        )?);
    }
    Ok(page)
}

/// Adds the `limit` newest (updated_at, rowid) of rows that come in order of `listed_at`. As that
/// trails `updated_at` by a bounded time, reading ends that much after the last one wanted.
fn newest(
    rows: &mut rusqlite::Rows<'_>,
    limit: usize,
    found: &mut Vec<(i64, i64)>,
) -> Result<(), Failure> {
    // The best so far, the least of them on top.
    let mut best = BinaryHeap::new();
    while let Some(row) = rows.next()? {
        let (listed_at, place): (i64, (i64, i64)) = (row.get(0)?, (row.get(1)?, row.get(2)?));
        if best.len() == limit {
            match best.peek() {
                Some(Reverse((least, _))) if listed_at + LISTED_LATE > *least => {}
                _ => break,
            }
        }
        best.push(Reverse(place));
        if best.len() > limit {
            best.pop();
        }
    }
    found.extend(best.into_iter().map(|Reverse(place)| place));
    Ok(())
}

pub(super) fn contact(
    conn: &Connection,
    w: i64,
    id: ContactId,
) -> Result<Option<Contact>, Failure> {
    first(
        conn,
        "SELECT body FROM contacts WHERE workspace = ?1 AND id = ?2",
        params![w, key(id.0)],
        |row| json(row, 0),
    )
}

pub(super) fn contact_of(
    conn: &Connection,
    w: i64,
    account: &AccountId,
    native_id: &str,
) -> Result<Option<Contact>, Failure> {
    first(
        conn,
        "SELECT body FROM contacts WHERE workspace = ?1 AND account = ?2 AND native_id = ?3 \
         ORDER BY rowid LIMIT 1",
        params![w, account.as_str(), native_id],
        |row| json(row, 0),
    )
}

pub(super) fn messages(
    conn: &Connection,
    w: i64,
    conversation: ConversationId,
    after: u64,
    limit: usize,
) -> Result<Vec<Message>, Failure> {
    list(
        conn,
        &format!(
            "SELECT {MESSAGE} FROM messages m INDEXED BY messages_seq \
             WHERE workspace = ?1 AND conversation = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4"
        ),
        params![w, key(conversation.0), int(after), at_most(limit)],
        rows::message,
    )
}

pub(super) fn lane_messages(
    conn: &Connection,
    w: i64,
    lane: LaneId,
    after: Option<MessageId>,
    limit: usize,
) -> Result<Vec<Message>, Failure> {
    let from = match after {
        None => None,
        Some(id) => first(
            conn,
            "SELECT c.rowid, m.seq FROM messages m \
             JOIN conversations c ON c.workspace = m.workspace AND c.id = m.conversation \
             WHERE m.workspace = ?1 AND m.id = ?2 AND m.lane = ?3",
            params![w, key(id.0), key(lane.0)],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )?,
    };
    match from {
        Some((conversation, seq)) => lane_lines_after(conn, w, lane, conversation, seq, limit),
        None => lane_lines_last(conn, w, lane, limit),
    }
}

fn lane_lines_after(
    conn: &Connection,
    w: i64,
    lane: LaneId,
    conversation: i64,
    seq: i64,
    limit: usize,
) -> Result<Vec<Message>, Failure> {
    let mut conversations = conn.prepare_cached(
        "SELECT rowid, id FROM conversations INDEXED BY conversations_lane \
         WHERE workspace = ?1 AND lane = ?2 AND rowid >= ?3 ORDER BY rowid",
    )?;
    let mut rows = conversations.query(params![w, key(lane.0), conversation])?;
    let mut lines = Vec::new();
    while lines.len() < limit
        && let Some(row) = rows.next()?
    {
        let after = if row.get::<_, i64>(0)? == conversation {
            seq
        } else {
            0
        };
        let id = ConversationId(uuid(row, 1)?);
        let left = limit - lines.len();
        lines.extend(messages(
            conn,
            w,
            id,
            u64::try_from(after).unwrap_or(0),
            left,
        )?);
    }
    Ok(lines)
}

fn lane_lines_last(
    conn: &Connection,
    w: i64,
    lane: LaneId,
    limit: usize,
) -> Result<Vec<Message>, Failure> {
    let mut conversations = conn.prepare_cached(
        "SELECT id FROM conversations INDEXED BY conversations_lane \
         WHERE workspace = ?1 AND lane = ?2 ORDER BY rowid DESC",
    )?;
    let mut rows = conversations.query(params![w, key(lane.0)])?;
    let mut lines = Vec::new();
    while lines.len() < limit
        && let Some(row) = rows.next()?
    {
        lines.extend(list(
            conn,
            &format!(
                "SELECT {MESSAGE} FROM messages m INDEXED BY messages_seq \
                 WHERE workspace = ?1 AND conversation = ?2 ORDER BY seq DESC LIMIT ?3"
            ),
            params![w, row.get::<_, [u8; 16]>(0)?, at_most(limit - lines.len())],
            rows::message,
        )?);
    }
    lines.reverse();
    Ok(lines)
}

pub(super) fn message_by_client_id(
    conn: &Connection,
    w: i64,
    conversation: ConversationId,
    client_id: &str,
) -> Result<Option<Message>, Failure> {
    first(
        conn,
        &format!(
            "SELECT {MESSAGE} FROM messages m \
             WHERE workspace = ?1 AND conversation = ?2 AND client_id = ?3 AND ours = 1"
        ),
        params![w, key(conversation.0), client_id],
        rows::message,
    )
}

pub(super) fn events(
    conn: &Connection,
    w: i64,
    after: u64,
    limit: usize,
) -> Result<Vec<Event>, Failure> {
    list(
        conn,
        "SELECT seq, name, conversation, at, data FROM events \
         WHERE workspace = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        params![w, int(after), at_most(limit)],
        |row| {
            let conversation: Option<[u8; 16]> = row.get(2)?;
            Ok(Event {
                seq: count(row, 0)?,
                name: row.get(1)?,
                conversation: conversation.map(|id| ConversationId(Uuid::from_bytes(id))),
                at: Timestamp(row.get(3)?),
                data: json(row, 4)?,
            })
        },
    )
}

pub(super) fn outbox(
    conn: &Connection,
    w: i64,
    id: OutboxId,
) -> Result<Option<OutboxRow>, Failure> {
    first(
        conn,
        &format!("SELECT {OUTBOX} FROM outbox WHERE workspace = ?1 AND id = ?2"),
        params![w, key(id.0)],
        rows::outbox,
    )
}

pub(super) fn dead_letters(
    conn: &Connection,
    w: i64,
    limit: usize,
) -> Result<Vec<OutboxRow>, Failure> {
    list(
        conn,
        &format!(
            "SELECT {OUTBOX} FROM outbox INDEXED BY outbox_dead \
             WHERE workspace = ?1 AND state > 2 ORDER BY rowid DESC LIMIT ?2"
        ),
        params![w, at_most(limit)],
        rows::outbox,
    )
}

pub(super) fn timers_due(
    conn: &Connection,
    w: i64,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<TimerRow>, Failure> {
    list(
        conn,
        &format!(
            "SELECT {TIMER} FROM timers INDEXED BY timers_due \
             WHERE workspace = ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?3"
        ),
        params![w, now.0, at_most(limit)],
        rows::timer,
    )
}

pub(super) fn next_timer(conn: &Connection, w: i64) -> Result<Option<Timestamp>, Failure> {
    first(
        conn,
        "SELECT due_at FROM timers INDEXED BY timers_due \
         WHERE workspace = ?1 ORDER BY due_at LIMIT 1",
        params![w],
        |row| Ok(Timestamp(row.get(0)?)),
    )
}

pub(super) fn lane_timers(
    conn: &Connection,
    w: i64,
    lane: LaneId,
) -> Result<Vec<TimerRow>, Failure> {
    list(
        conn,
        // The plus keeps SQLite from walking all timers by the index over due_at.
        &format!(
            "SELECT {TIMER} FROM timers WHERE workspace = ?1 AND lane = ?2 ORDER BY +due_at, key"
        ),
        params![w, key(lane.0)],
        rows::timer,
    )
}

pub(super) fn actions_pending(
    conn: &Connection,
    w: i64,
    limit: usize,
) -> Result<Vec<ActionRow>, Failure> {
    list(
        conn,
        &format!(
            "SELECT {ACTION} FROM actions INDEXED BY actions_pending \
             WHERE workspace = ?1 AND pending = 1 ORDER BY created_at, rowid LIMIT ?2"
        ),
        params![w, at_most(limit)],
        rows::action,
    )
}

pub(super) fn action(
    conn: &Connection,
    w: i64,
    id: ActionId,
) -> Result<Option<ActionRow>, Failure> {
    first(
        conn,
        &format!("SELECT {ACTION} FROM actions WHERE workspace = ?1 AND id = ?2"),
        params![w, key(id.0)],
        rows::action,
    )
}

pub(super) fn once(
    conn: &Connection,
    w: i64,
    contact: ContactId,
    claim: &str,
    now: Timestamp,
) -> Result<Option<OnceRow>, Failure> {
    first(
        conn,
        "SELECT action, expires_at, result FROM onces \
         WHERE workspace = ?1 AND contact = ?2 AND key = ?3 AND expires_at > ?4",
        params![w, key(contact.0), claim, now.0],
        |row| {
            Ok(OnceRow {
                contact,
                key: claim.to_owned(),
                action: ActionId(uuid(row, 0)?),
                expires_at: Timestamp(row.get(1)?),
                result: json_or_none(row, 2)?,
            })
        },
    )
}

pub(super) fn journal(
    conn: &Connection,
    w: i64,
    conversation: ConversationId,
) -> Result<Vec<JournalRow>, Failure> {
    let mut entries = BTreeMap::new();
    // An entry is on the last line of its turn, or, where the turn wrote none, in a row of its own.
    for sql in [
        "SELECT lane, version, created_at, journal FROM messages INDEXED BY messages_seq \
         WHERE workspace = ?1 AND conversation = ?2 AND version IS NOT NULL ORDER BY seq",
        "SELECT lane, version, at, body FROM journal WHERE workspace = ?1 AND conversation = ?2",
    ] {
        let found = list(conn, sql, params![w, key(conversation.0)], |row| {
            Ok(JournalRow {
                lane: LaneId(uuid(row, 0)?),
                conversation,
                version: count(row, 1)?,
                at: Timestamp(row.get(2)?),
                body: row.get(3)?,
            })
        })?;
        entries.extend(found.into_iter().map(|entry| (entry.version, entry)));
    }
    Ok(entries.into_values().collect())
}

pub(super) fn tickets(
    conn: &Connection,
    w: i64,
    conversation: Option<ConversationId>,
    limit: usize,
) -> Result<Vec<Ticket>, Failure> {
    match conversation {
        Some(id) => list(
            conn,
            "SELECT body FROM tickets INDEXED BY tickets_conversation \
             WHERE workspace = ?1 AND conversation = ?2 \
             ORDER BY created_at DESC, rowid DESC LIMIT ?3",
            params![w, key(id.0), at_most(limit)],
            |row| json(row, 0),
        ),
        None => list(
            conn,
            "SELECT body FROM tickets INDEXED BY tickets_created WHERE workspace = ?1 \
             ORDER BY created_at DESC, rowid DESC LIMIT ?2",
            params![w, at_most(limit)],
            |row| json(row, 0),
        ),
    }
}

pub(super) fn kv(
    conn: &Connection,
    w: i64,
    scope: &str,
    name: &str,
    now: Timestamp,
) -> Result<Option<Value>, Failure> {
    first(
        conn,
        "SELECT value FROM kv WHERE workspace = ?1 AND scope = ?2 AND key = ?3 \
         AND (expires_at IS NULL OR expires_at > ?4)",
        params![w, scope, name, now.0],
        |row| json(row, 0),
    )
}

pub(super) fn file(conn: &Connection, w: i64, id: FileId) -> Result<Option<FileRow>, Failure> {
    first(
        conn,
        "SELECT lane, name, mime, size, created_at FROM files WHERE workspace = ?1 AND id = ?2",
        params![w, key(id.0)],
        |row| {
            Ok(FileRow {
                id,
                lane: LaneId(uuid(row, 0)?),
                name: row.get(1)?,
                mime: row.get(2)?,
                size: count(row, 3)?,
                created_at: Timestamp(row.get(4)?),
            })
        },
    )
}

pub(super) fn secrets(
    conn: &Connection,
    w: i64,
    owner: &str,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    list(
        conn,
        "SELECT name, sealed FROM secrets WHERE workspace = ?1 AND owner = ?2 ORDER BY name",
        params![w, owner],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn pack_row(row: &rusqlite::Row<'_>) -> Result<PackRow, Failure> {
    Ok(PackRow {
        name: row.get(0)?,
        hash: row.get(1)?,
        structure: row.get(2)?,
        created_at: Timestamp(row.get(3)?),
        files: json(row, 4)?,
    })
}

pub(super) fn pack(
    conn: &Connection,
    w: i64,
    name: &str,
    hash: &str,
) -> Result<Option<PackRow>, Failure> {
    first(
        conn,
        "SELECT name, hash, structure, created_at, files FROM packs \
         WHERE workspace = ?1 AND name = ?2 AND hash = ?3",
        params![w, name, hash],
        pack_row,
    )
}

pub(super) fn pack_by_structure(
    conn: &Connection,
    w: i64,
    name: &str,
    structure: &str,
) -> Result<Option<PackRow>, Failure> {
    first(
        conn,
        "SELECT name, hash, structure, created_at, files FROM packs INDEXED BY packs_structure \
         WHERE workspace = ?1 AND name = ?2 AND structure = ?3 \
         ORDER BY created_at DESC, rowid DESC LIMIT 1",
        params![w, name, structure],
        pack_row,
    )
}

pub(super) fn active_pack(
    conn: &Connection,
    w: i64,
    name: &str,
) -> Result<Option<PackRow>, Failure> {
    first(
        conn,
        "SELECT p.name, p.hash, p.structure, p.created_at, p.files \
         FROM active_packs a JOIN packs p \
         ON p.workspace = a.workspace AND p.name = a.name AND p.hash = a.hash \
         WHERE a.workspace = ?1 AND a.name = ?2",
        params![w, name],
        pack_row,
    )
}

/// Counts what waits, by indexes that hold nothing else.
pub(super) fn depths(conn: &Connection, w: i64) -> Result<Depths, Failure> {
    let found = first(
        conn,
        "SELECT \
         (SELECT count(*) FROM inbox WHERE workspace = ?1 AND state = 0), \
         (SELECT count(*) FROM outbox WHERE workspace = ?1 AND state < 2), \
         (SELECT count(*) FROM outbox WHERE workspace = ?1 AND state > 2) \
         + (SELECT count(*) FROM inbox WHERE workspace = ?1 AND state = 2), \
         (SELECT count(*) FROM timers INDEXED BY timers_due WHERE workspace = ?1), \
         (SELECT count(*) FROM actions WHERE workspace = ?1 AND pending = 1)",
        params![w],
        |row| {
            Ok(Depths {
                inbox: count(row, 0)?,
                outbox: count(row, 1)?,
                dead: count(row, 2)?,
                timers: count(row, 3)?,
                actions: count(row, 4)?,
            })
        },
    )?;
    Ok(found.unwrap_or_default())
}

pub(super) fn heartbeat(conn: &Connection) -> Result<(), Failure> {
    first(conn, "SELECT beats FROM heartbeat", [], |row| {
        Ok(row.get::<_, i64>(0)?)
    })?;
    Ok(())
}
