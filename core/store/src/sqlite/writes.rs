//! Writes: one row changed each, inside the writer's transaction. None of them can fail on a
//! constraint; what can fail (the disk) fails the whole transaction.

use rusqlite::{Connection, params};
use tandem_domain::{
    LaneId, TimerId,
    conversation::Conversation,
    message::Author,
    store::{
        ActionRow, Contact, Event, FileRow, InboxRow, InboxState, JournalRow, LaneRow, Message,
        OnceRow, PackRow, Ticket, TimerRow, Write,
    },
};

use super::{
    edge,
    failure::Failure,
    outbox,
    rows::{
        LISTED_LATE, delivery_column, delivery_rank, inbox_column, int, key, routing_column, run,
        settled, status_column,
    },
    writer::Space,
};

/// Applies all writes of a commit. `documents` holds the document of each, see
/// [`super::rows::document`].
pub(super) fn apply(
    conn: &Connection,
    space: &mut Space,
    writes: &[Write],
    documents: &[String],
) -> Result<(), Failure> {
    let carried = carried(writes);
    for (at, (write, document)) in writes.iter().zip(documents).enumerate() {
        let w = space.number;
        match write {
            Write::JournalPut(_) if carried.is_some_and(|(_, entry)| entry == at) => {}
            Write::InboxPut(row) => {
                // A turn that accepts and works off in one commit never stores the body.
                let done = row.state == InboxState::Done
                    || writes[at + 1..]
                        .iter()
                        .any(|later| matches!(later, Write::InboxDone(id) if *id == row.id));
                let state = if done { InboxState::Done } else { row.state };
                inbox_put(conn, w, row, state, document)?;
            }
            Write::InboxDone(id) => {
                let done = run(
                    conn,
                    "UPDATE inbox SET state = 1, event = NULL, reason = NULL \
                     WHERE workspace = ?1 AND id = ?2 AND state = 0",
                    params![w, key(id.0)],
                )?;
                if done == 0 {
                    run(
                        conn,
                        "UPDATE inbox SET state = 1, event = NULL, reason = NULL \
                         WHERE workspace = ?1 AND id = ?2 AND state = 2",
                        params![w, key(id.0)],
                    )?;
                }
            }
            Write::InboxDead { id, reason } => {
                run(
                    conn,
                    "UPDATE inbox SET state = 2, reason = ?3 \
                     WHERE workspace = ?1 AND id = ?2 AND state = 0",
                    params![w, key(id.0), reason],
                )?;
            }
            Write::LanePut(row) => lane_put(conn, w, row)?,
            Write::ConversationPut(row) => conversation_put(conn, w, row, document)?,
            Write::ContactPut(row) => contact_put(conn, w, row, document)?,
            Write::MessagePut(row) => {
                let entry = carried
                    .filter(|(line, _)| *line == at)
                    .and_then(|(_, entry)| match &writes[entry] {
                        Write::JournalPut(entry) => Some(entry),
                        _ => None,
                    });
                message_put(conn, w, row, document, entry)?;
            }
            Write::MessageChange(row) => {
                run(
                    conn,
                    "UPDATE messages SET body = ?3 WHERE workspace = ?1 AND id = ?2",
                    params![w, key(row.id.0), document],
                )?;
            }
            Write::MessageDelivery { id, delivery, code } => {
                let rank = delivery_rank("delivery");
                run(
                    conn,
                    &format!(
                        "UPDATE messages SET delivery = ?3, delivery_code = ?4 \
                         WHERE workspace = ?1 AND id = ?2 AND (?5 = 0 OR {rank} < ?5)"
                    ),
                    params![
                        w,
                        key(id.0),
                        delivery_column(*delivery),
                        code,
                        delivery.rank()
                    ],
                )?;
            }
            Write::EventPut(event) => event_put(conn, space, event, document)?,
            Write::OutboxPut(row) => outbox::put(conn, w, row, document)?,
            Write::OutboxState { id, state } => {
                let document = settled(state).then_some(document.as_str());
                outbox::set_state(conn, w, *id, state, document)?;
            }
            Write::Heard { lane, at, .. } => edge::heard(conn, w, *lane, *at, document)?,
            Write::ReplyGiven { lane, at, .. } => edge::reply_given(conn, w, *lane, *at, document)?,
            Write::ReachSent(lane) => edge::sent(conn, w, *lane)?,
            Write::ReplyUsed(lane) => edge::reply_used(conn, w, *lane)?,
            Write::NativePut(row) => edge::native_put(conn, w, row, document)?,
            Write::ReceiptPark(row) => edge::park(conn, w, row)?,
            Write::ReceiptUnpark { account, native } => edge::unpark(conn, w, account, native)?,
            Write::UnknownPut(row) => edge::unknown_put(conn, w, row)?,
            Write::FetchPut(row) => edge::fetch_put(conn, w, row, document)?,
            Write::FetchDone(file) => edge::fetch_done(conn, w, *file)?,
            Write::LeasesEnd(now) => outbox::leases_end(conn, w, *now)?,
            Write::TimerPut(row) => timer_put(conn, w, row, document)?,
            Write::TimerCancel { lane, key: name } => timer_cancel(conn, w, *lane, name)?,
            Write::TimerFired(id) => timer_remove(conn, w, *id)?,
            Write::ActionPut(row) => action_put(conn, w, row, document)?,
            Write::ActionDone { id, result: _ } => {
                run(
                    conn,
                    "UPDATE actions SET pending = 0, result = ?3 WHERE workspace = ?1 AND id = ?2",
                    params![w, key(id.0), document],
                )?;
            }
            Write::ActionCancel(id) => {
                run(
                    conn,
                    "UPDATE actions SET pending = 0 \
                     WHERE workspace = ?1 AND id = ?2 AND pending = 1",
                    params![w, key(id.0)],
                )?;
            }
            Write::OncePut(row) => once_put(conn, w, row, document)?,
            Write::JournalPut(row) => journal_put(conn, w, row)?,
            Write::TicketPut(row) => ticket_put(conn, w, row, document)?,
            Write::KvPut {
                scope,
                key,
                value: _,
                expires_at,
            } => {
                run(
                    conn,
                    "INSERT OR REPLACE INTO kv (workspace, scope, key, value, expires_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![w, scope, key, document, expires_at.map(|at| at.0)],
                )?;
            }
            Write::KvDelete { scope, key } => {
                run(
                    conn,
                    "DELETE FROM kv WHERE workspace = ?1 AND scope = ?2 AND key = ?3",
                    params![w, scope, key],
                )?;
            }
            Write::FilePut(row) => file_put(conn, w, row)?,
            Write::SecretPut {
                owner,
                name,
                sealed,
            } => {
                run(
                    conn,
                    "INSERT OR REPLACE INTO secrets (workspace, owner, name, sealed) \
                     VALUES (?1, ?2, ?3, ?4)",
                    params![w, owner, name, sealed],
                )?;
            }
            Write::SecretErase { owner } => {
                // A deleted row leaves its bytes in the page: they are overwritten first.
                run(
                    conn,
                    "UPDATE secrets SET sealed = zeroblob(length(sealed)) \
                     WHERE workspace = ?1 AND owner = ?2",
                    params![w, owner],
                )?;
                run(
                    conn,
                    "DELETE FROM secrets WHERE workspace = ?1 AND owner = ?2",
                    params![w, owner],
                )?;
            }
            Write::PackPut(row) => pack_put(conn, w, row, document)?,
            Write::PackActivate { name, hash } => {
                run(
                    conn,
                    "INSERT OR REPLACE INTO active_packs (workspace, name, hash) \
                     SELECT workspace, name, hash FROM packs \
                     WHERE workspace = ?1 AND name = ?2 AND hash = ?3",
                    params![w, name, hash],
                )?;
            }
        }
    }
    Ok(())
}

/// Which line carries which journal entry, as places among the writes: an entry that a line of the
/// same turn can carry costs no row and no index entry of its own.
fn carried(writes: &[Write]) -> Option<(usize, usize)> {
    writes.iter().enumerate().find_map(|(at, write)| {
        let Write::JournalPut(entry) = write else {
            return None;
        };
        let line = writes.iter().rposition(|other| {
            matches!(other, Write::MessagePut(line) if line.conversation == entry.conversation
                && line.lane == entry.lane
                && line.created_at == entry.at)
        })?;
        Some((line, at))
    })
}

fn inbox_put(
    conn: &Connection,
    w: i64,
    row: &InboxRow,
    state: InboxState,
    document: &str,
) -> Result<(), Failure> {
    let event = (state != InboxState::Done).then_some(document);
    run(
        conn,
        "INSERT INTO inbox \
         (workspace, account, dedupe, id, lane, state, attempts, received_at, event) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (workspace, account, dedupe) DO UPDATE SET \
         lane = excluded.lane, state = excluded.state, attempts = excluded.attempts, \
         received_at = excluded.received_at, event = excluded.event \
         WHERE id = excluded.id",
        params![
            w,
            row.account.as_str(),
            row.dedupe,
            key(row.id.0),
            key(row.lane.0),
            inbox_column(state),
            row.attempts,
            row.received_at.0,
            event,
        ],
    )?;
    Ok(())
}

fn lane_put(conn: &Connection, w: i64, row: &LaneRow) -> Result<(), Failure> {
    let values = params![
        w,
        key(row.id.0),
        int(row.version),
        key(row.conversation.0),
        key(row.contact.0),
        row.format,
        row.state,
    ];
    let changed = run(
        conn,
        "UPDATE lanes SET version = ?3, conversation = ?4, contact = ?5, format = ?6, state = ?7 \
         WHERE workspace = ?1 AND id = ?2",
        values,
    )?;
    if changed == 0 {
        run(
            conn,
            "INSERT INTO lanes (workspace, id, version, conversation, contact, format, state) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            values,
        )?;
    }
    Ok(())
}

fn conversation_put(
    conn: &Connection,
    w: i64,
    row: &Conversation,
    document: &str,
) -> Result<(), Failure> {
    let (id, lane, contact) = (key(row.id.0), key(row.lane.0), key(row.contact.0));
    let (status, routing) = (status_column(row.status), routing_column(row.routing_state));
    let skill = row.handoff.as_ref().map(|handoff| handoff.skill.as_str());
    let (epoch, updated_at) = (int(row.control_epoch), row.updated_at.0);
    // Naming a column in SET rewrites its index entries even where the value stays. Within a
    // minute most changes leave all indexed columns alone.
    let changed = run(
        conn,
        "UPDATE conversations SET control_epoch = ?8, updated_at = ?9, body = ?10 \
         WHERE workspace = ?1 AND id = ?2 \
         AND lane = ?3 AND contact = ?4 AND status = ?5 AND routing = ?6 AND skill IS ?7 \
         AND listed_at <= ?9 AND listed_at > ?11",
        params![
            w,
            id,
            lane,
            contact,
            status,
            routing,
            skill,
            epoch,
            updated_at,
            document,
            updated_at - LISTED_LATE,
        ],
    )?;
    if changed == 0 {
        run(
            conn,
            "INSERT INTO conversations \
             (workspace, id, lane, contact, status, routing, skill, control_epoch, updated_at, \
              listed_at, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10) \
             ON CONFLICT (workspace, id) DO UPDATE SET \
             lane = excluded.lane, contact = excluded.contact, status = excluded.status, \
             routing = excluded.routing, skill = excluded.skill, \
             control_epoch = excluded.control_epoch, updated_at = excluded.updated_at, \
             listed_at = excluded.listed_at, body = excluded.body",
            params![
                w, id, lane, contact, status, routing, skill, epoch, updated_at, document,
            ],
        )?;
    }
    Ok(())
}

fn contact_put(conn: &Connection, w: i64, row: &Contact, document: &str) -> Result<(), Failure> {
    let values = params![
        w,
        key(row.id.0),
        row.account.as_str(),
        row.native_id,
        document
    ];
    run(
        conn,
        "INSERT INTO contacts (workspace, id, account, native_id, body) \
         VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (workspace, id) DO UPDATE SET \
         account = excluded.account, native_id = excluded.native_id, body = excluded.body",
        values,
    )?;
    Ok(())
}

fn message_put(
    conn: &Connection,
    w: i64,
    row: &Message,
    document: &str,
    entry: Option<&JournalRow>,
) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO messages \
         (workspace, id, conversation, lane, seq, client_id, delivery, delivery_code, created_at, \
          ours, body, version, journal) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
         ON CONFLICT (workspace, id) DO UPDATE SET \
         conversation = excluded.conversation, lane = excluded.lane, seq = excluded.seq, \
         client_id = excluded.client_id, delivery = excluded.delivery, \
         delivery_code = excluded.delivery_code, created_at = excluded.created_at, \
         ours = excluded.ours, body = excluded.body, \
         version = coalesce(excluded.version, version), \
         journal = coalesce(excluded.journal, journal)",
        params![
            w,
            key(row.id.0),
            key(row.conversation.0),
            key(row.lane.0),
            int(row.seq),
            row.client_id,
            row.delivery.map(delivery_column),
            row.delivery_code,
            row.created_at.0,
            row.author != Author::Contact,
            document,
            entry.map(|entry| int(entry.version)),
            entry.map(|entry| &entry.body),
        ],
    )?;
    Ok(())
}

fn event_put(
    conn: &Connection,
    space: &mut Space,
    event: &Event,
    document: &str,
) -> Result<(), Failure> {
    space.last_event += 1;
    run(
        conn,
        "INSERT INTO events (workspace, seq, name, conversation, at, data) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            space.number,
            space.last_event,
            event.name,
            event.conversation.map(|id| key(id.0)),
            event.at.0,
            document,
        ],
    )?;
    Ok(())
}

fn timer_put(conn: &Connection, w: i64, row: &TimerRow, document: &str) -> Result<(), Failure> {
    // The same id under another key, or another id under the same key: both give way.
    timer_remove(conn, w, row.id)?;
    run(
        conn,
        "INSERT OR REPLACE INTO timers (workspace, lane, key, id, due_at, payload) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            w,
            key(row.lane.0),
            row.key,
            key(row.id.0),
            row.due_at.0,
            document
        ],
    )?;
    Ok(())
}

fn timer_cancel(conn: &Connection, w: i64, lane: LaneId, name: &str) -> Result<(), Failure> {
    run(
        conn,
        "DELETE FROM timers WHERE workspace = ?1 AND lane = ?2 AND key = ?3",
        params![w, key(lane.0), name],
    )?;
    Ok(())
}

fn timer_remove(conn: &Connection, w: i64, id: TimerId) -> Result<(), Failure> {
    run(
        conn,
        "DELETE FROM timers WHERE workspace = ?1 AND id = ?2",
        params![w, key(id.0)],
    )?;
    Ok(())
}

fn action_put(conn: &Connection, w: i64, row: &ActionRow, document: &str) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO actions (workspace, id, pending, created_at, body) \
         VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (workspace, id) DO UPDATE SET \
         pending = excluded.pending, created_at = excluded.created_at, result = NULL, \
         body = excluded.body",
        params![
            w,
            key(row.id.0),
            row.result.is_none(),
            row.created_at.0,
            document
        ],
    )?;
    Ok(())
}

fn once_put(conn: &Connection, w: i64, row: &OnceRow, document: &str) -> Result<(), Failure> {
    run(
        conn,
        "INSERT OR REPLACE INTO onces (workspace, contact, key, action, expires_at, result) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            w,
            key(row.contact.0),
            row.key,
            key(row.action.0),
            row.expires_at.0,
            row.result.is_some().then_some(document),
        ],
    )?;
    Ok(())
}

fn journal_put(conn: &Connection, w: i64, row: &JournalRow) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO journal (workspace, conversation, version, lane, at, body) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (workspace, conversation, version) DO UPDATE SET \
         lane = excluded.lane, at = excluded.at, body = excluded.body",
        params![
            w,
            key(row.conversation.0),
            int(row.version),
            key(row.lane.0),
            row.at.0,
            row.body,
        ],
    )?;
    Ok(())
}

fn ticket_put(conn: &Connection, w: i64, row: &Ticket, document: &str) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO tickets (workspace, id, conversation, created_at, body) \
         VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (workspace, id) DO UPDATE SET \
         conversation = excluded.conversation, created_at = excluded.created_at, \
         body = excluded.body",
        params![
            w,
            key(row.id.0),
            key(row.conversation.0),
            row.created_at.0,
            document
        ],
    )?;
    Ok(())
}

fn file_put(conn: &Connection, w: i64, row: &FileRow) -> Result<(), Failure> {
    run(
        conn,
        "INSERT OR REPLACE INTO files (workspace, id, lane, name, mime, size, created_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            w,
            key(row.id.0),
            key(row.lane.0),
            row.name,
            row.mime,
            int(row.size),
            row.created_at.0,
        ],
    )?;
    Ok(())
}

fn pack_put(conn: &Connection, w: i64, row: &PackRow, document: &str) -> Result<(), Failure> {
    run(
        conn,
        "INSERT INTO packs (workspace, name, hash, structure, created_at, files) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (workspace, name, hash) DO UPDATE SET \
         structure = excluded.structure, created_at = excluded.created_at, files = excluded.files",
        params![
            w,
            row.name,
            row.hash,
            row.structure,
            row.created_at.0,
            document
        ],
    )?;
    Ok(())
}
