//! Domain types to columns and back.

use rusqlite::{Connection, Params, Row};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tandem_domain::{
    AccountId, ConversationId, InboxId, LaneId, MessageId, TimerId, Timestamp, Value,
    action::ActionError,
    conversation::{RoutingState, Status},
    message::{Author, Content, Delivery},
    store::{
        ActionRow, Changed, InboxRow, InboxState, Message, OutboxRow, OutboxState, TimerRow,
        Visibility, Write,
    },
};
use uuid::Uuid;

use super::failure::Failure;

/// An id as its key column.
pub(super) fn key(id: Uuid) -> [u8; 16] {
    id.into_bytes()
}

/// A count as its column. SQLite's integers end where no count of ours gets.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A limit as SQL wants it.
pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid, Failure> {
    Ok(Uuid::from_bytes(row.get(column)?))
}

pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64, Failure> {
    let stored: i64 = row.get(column)?;
    u64::try_from(stored).map_err(|_| Failure::corrupt("a stored number is negative"))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Failure> {
    let text = row
        .get_ref(column)?
        .as_str()
        .map_err(|error| Failure::corrupt(error.to_string()))?;
    Ok(serde_json::from_str(text)?)
}

pub(super) fn json_or_none<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<T>, Failure> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => json(row, column).map(Some),
    }
}

/// Milliseconds by which the place of a conversation in its indexes may trail its `updated_at`,
/// at most: `listed_at <= updated_at < listed_at + LISTED_LATE`.
pub(super) const LISTED_LATE: i64 = 60_000;

/// The first row of a query.
pub(super) fn first<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    match rows.next()? {
        Some(row) => read(row).map(Some),
        None => Ok(None),
    }
}

/// All rows of a query.
pub(super) fn list<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Runs a statement and says how many rows it changed.
pub(super) fn run(conn: &Connection, sql: &str, params: impl Params) -> Result<usize, Failure> {
    Ok(conn.prepare_cached(sql)?.execute(params)?)
}

/// The document of a write, made on the caller's thread so that the writer only stores it.
/// Empty where the row has none.
pub(super) fn document(write: &Write) -> Result<String, Failure> {
    let text = match write {
        Write::InboxPut(row) if row.state == InboxState::Done => return Ok(String::new()),
        Write::InboxPut(row) => serde_json::to_string(&row.event),
        Write::ConversationPut(row) => serde_json::to_string(row),
        Write::ContactPut(row) => serde_json::to_string(row),
        Write::MessagePut(row) => serde_json::to_string(&Line::of(row)),
        Write::MessageChange(row) => serde_json::to_string(&Line::of(row)),
        Write::EventPut(event) => serde_json::to_string(&event.data),
        Write::OutboxPut(row) => serde_json::to_string(&row.outbound),
        Write::FetchPut(row) => serde_json::to_string(row),
        Write::OutboxState { state, .. } if settled(state) => serde_json::to_string(state),
        Write::TimerPut(row) => serde_json::to_string(&row.payload),
        Write::ActionPut(row) => serde_json::to_string(row),
        Write::ActionDone { result, .. } => serde_json::to_string(result),
        Write::OncePut(row) => match &row.result {
            Some(result) => serde_json::to_string(result),
            None => return Ok(String::new()),
        },
        Write::TicketPut(row) => serde_json::to_string(row),
        Write::KvPut { value, .. } => serde_json::to_string(value),
        Write::PackPut(row) => serde_json::to_string(&row.files),
        Write::NativePut(row) if row.also.is_empty() => return Ok(String::new()),
        Write::NativePut(row) => serde_json::to_string(&row.also),
        Write::Heard {
            reply: Some(reply), ..
        }
        | Write::ReplyGiven { reply, .. } => serde_json::to_string(reply),
        Write::InboxDone(_)
        | Write::InboxDead { .. }
        | Write::LanePut(_)
        | Write::MessageDelivery { .. }
        | Write::OutboxState { .. }
        | Write::Heard { .. }
        | Write::ReachSent(_)
        | Write::ReplyUsed(_)
        | Write::ReceiptPark(_)
        | Write::ReceiptUnpark { .. }
        | Write::UnknownPut(_)
        | Write::FetchDone(_)
        | Write::LeasesEnd(_)
        | Write::TimerCancel { .. }
        | Write::TimerFired(_)
        | Write::ActionCancel(_)
        | Write::JournalPut(_)
        | Write::KvDelete { .. }
        | Write::FilePut(_)
        | Write::SecretPut { .. }
        | Write::SecretErase { .. }
        | Write::PackActivate { .. } => return Ok(String::new()),
    };
    text.map_err(|error| Failure::corrupt(format!("a document cannot be written: {error}")))
}

/// What of a message stands in its document; the rest has columns.
#[derive(Serialize)]
struct Line<'a> {
    author: &'a Author,
    content: &'a Content,
    visibility: Visibility,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
}

impl<'a> Line<'a> {
    fn of(row: &'a Message) -> Self {
        Self {
            author: &row.author,
            content: &row.content,
            visibility: row.visibility,
            changed: row.changed,
        }
    }
}

#[derive(Deserialize)]
struct StoredLine {
    author: Author,
    content: Content,
    visibility: Visibility,
    #[serde(default)]
    changed: Option<Changed>,
}

pub(super) const MESSAGE: &str = "m.id, m.conversation, m.lane, m.seq, m.client_id, m.delivery, m.delivery_code, m.created_at, m.body";

pub(super) fn message(row: &Row<'_>) -> Result<Message, Failure> {
    let line: StoredLine = json(row, 8)?;
    let delivery: Option<i64> = row.get(5)?;
    Ok(Message {
        id: MessageId(uuid(row, 0)?),
        conversation: ConversationId(uuid(row, 1)?),
        lane: LaneId(uuid(row, 2)?),
        seq: count(row, 3)?,
        author: line.author,
        content: line.content,
        visibility: line.visibility,
        client_id: row.get(4)?,
        delivery: delivery.map(delivery_of).transpose()?,
        delivery_code: row.get(6)?,
        changed: line.changed,
        created_at: Timestamp(row.get(7)?),
    })
}

pub(super) const INBOX: &str = "id, account, dedupe, lane, event, received_at, state, attempts";

pub(super) fn inbox(row: &Row<'_>) -> Result<InboxRow, Failure> {
    let account: String = row.get(1)?;
    Ok(InboxRow {
        id: InboxId(uuid(row, 0)?),
        account: AccountId::new(&account),
        dedupe: row.get(2)?,
        lane: LaneId(uuid(row, 3)?),
        event: json(row, 4)?,
        received_at: Timestamp(row.get(5)?),
        state: match row.get(6)? {
            0 => InboxState::Pending,
            1 => InboxState::Done,
            2 => InboxState::Dead,
            other => return Err(unknown("state of an inbox row", other)),
        },
        attempts: row.get(7)?,
    })
}

pub(super) const OUTBOX: &str =
    "message, state, attempts, at, lease, outcome, created_at, body, held, tried_at, interrupted";

pub(super) fn outbox(row: &Row<'_>) -> Result<OutboxRow, Failure> {
    let attempts = row.get(2)?;
    let at = Timestamp(row.get(3)?);
    Ok(OutboxRow {
        outbound: json(row, 7)?,
        message: MessageId(uuid(row, 0)?),
        state: match row.get(1)? {
            0 => match row.get(8)? {
                Some(code) => OutboxState::Held {
                    attempts,
                    until: at,
                    code,
                },
                None => OutboxState::Ready {
                    attempts,
                    not_before: at,
                },
            },
            1 => OutboxState::Leased {
                attempts,
                lease: row.get::<_, i64>(4)?.cast_unsigned(),
                until: at,
                interrupted: row.get(10)?,
            },
            _ => json(row, 5)?,
        },
        tried_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        created_at: Timestamp(row.get(6)?),
    })
}

/// The columns of an outbox state. What a settled one has besides is its document.
pub(super) struct OutboxColumns<'a> {
    pub(super) state: i64,
    pub(super) attempts: Option<u32>,
    pub(super) at: i64,
    pub(super) lease: Option<u64>,
    pub(super) held: Option<&'a str>,
    pub(super) interrupted: bool,
}

pub(super) fn outbox_columns(state: &OutboxState) -> OutboxColumns<'_> {
    let settled = |state| OutboxColumns {
        state,
        attempts: None,
        at: 0,
        lease: None,
        held: None,
        interrupted: false,
    };
    match state {
        OutboxState::Ready {
            attempts,
            not_before,
        } => OutboxColumns {
            attempts: Some(*attempts),
            at: not_before.0,
            ..settled(0)
        },
        OutboxState::Held {
            attempts,
            until,
            code,
        } => OutboxColumns {
            attempts: Some(*attempts),
            at: until.0,
            held: Some(code),
            ..settled(0)
        },
        OutboxState::Leased {
            attempts,
            lease,
            until,
            interrupted,
        } => OutboxColumns {
            attempts: Some(*attempts),
            at: until.0,
            lease: Some(*lease),
            interrupted: *interrupted,
            ..settled(1)
        },
        OutboxState::Sent { .. } => settled(2),
        OutboxState::Failed { .. } => settled(3),
        OutboxState::Uncertain { .. } => settled(4),
    }
}

/// Nobody will send it again by itself.
pub(super) fn settled(state: &OutboxState) -> bool {
    !matches!(
        state,
        OutboxState::Ready { .. } | OutboxState::Held { .. } | OutboxState::Leased { .. }
    )
}

pub(super) const TIMER: &str = "id, lane, key, due_at, payload";

pub(super) fn timer(row: &Row<'_>) -> Result<TimerRow, Failure> {
    Ok(TimerRow {
        id: TimerId(uuid(row, 0)?),
        lane: LaneId(uuid(row, 1)?),
        key: row.get(2)?,
        due_at: Timestamp(row.get(3)?),
        payload: json(row, 4)?,
    })
}

pub(super) const ACTION: &str = "body, result";

pub(super) fn action(row: &Row<'_>) -> Result<ActionRow, Failure> {
    let mut action: ActionRow = json(row, 0)?;
    let result: Option<Result<Value, ActionError>> = json_or_none(row, 1)?;
    if result.is_some() {
        action.result = result;
    }
    Ok(action)
}

pub(super) fn status_column(status: Status) -> i64 {
    match status {
        Status::Pending => 0,
        Status::Open => 1,
        Status::Snoozed => 2,
        Status::Resolved => 3,
    }
}

pub(super) fn routing_column(state: RoutingState) -> i64 {
    match state {
        RoutingState::None => 0,
        RoutingState::Queued => 1,
        RoutingState::Offered => 2,
        RoutingState::Assigned => 3,
        RoutingState::Wrapping => 4,
    }
}

pub(super) fn inbox_column(state: InboxState) -> i64 {
    match state {
        InboxState::Pending => 0,
        InboxState::Done => 1,
        InboxState::Dead => 2,
    }
}

pub(super) fn delivery_column(delivery: Delivery) -> i64 {
    match delivery {
        Delivery::Queued => 0,
        Delivery::Sent => 1,
        Delivery::Delivered => 2,
        Delivery::Read => 3,
        Delivery::Failed => 4,
        Delivery::Uncertain => 5,
    }
}

/// The rank of the delivery in a column, as [`Delivery::rank`] has it; -1 where there is none.
pub(super) fn delivery_rank(column: &str) -> String {
    let mut sql = format!("CASE {column}");
    for delivery in [
        Delivery::Queued,
        Delivery::Sent,
        Delivery::Delivered,
        Delivery::Read,
        Delivery::Failed,
        Delivery::Uncertain,
    ] {
        let (column, rank) = (delivery_column(delivery), delivery.rank());
        sql.push_str(&format!(" WHEN {column} THEN {rank}"));
    }
    sql + " ELSE -1 END"
}

pub(super) fn delivery_of(column: i64) -> Result<Delivery, Failure> {
    Ok(match column {
        0 => Delivery::Queued,
        1 => Delivery::Sent,
        2 => Delivery::Delivered,
        3 => Delivery::Read,
        4 => Delivery::Failed,
        5 => Delivery::Uncertain,
        other => return Err(unknown("delivery of a message", other)),
    })
}

fn unknown(what: &str, found: i64) -> Failure {
    Failure::corrupt(format!("the {what} is {found}, which means nothing"))
}
