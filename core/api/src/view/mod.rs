//! What the API shows: its own shapes, so that a change inside is not one outside.
//!
//! * here – conversations, contacts, tickets and the other rows;
//! * [`message`] – lines of the transcript and what they are made of.
//!
//! Instants are milliseconds since 1970 in UTC.

pub mod message;

use serde::{Deserialize, Serialize};
use tandem_domain::{
    AccountId, ContactId, ConversationId, LaneId, Locale, Map, OutboxId, TicketId, TimerId,
    Timestamp, Value, conversation as domain, store,
};
use utoipa::ToSchema;

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Hand it back as `cursor` (or `after`) for what follows; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The first `limit` of the items; one more shows that there is a next page, which begins
    /// after the last item's `cursor`.
    pub(crate) fn of<R>(
        mut rows: Vec<R>,
        limit: usize,
        cursor: impl Fn(&R) -> String,
        show: impl Fn(R) -> T,
    ) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self {
            items: rows.into_iter().map(show).collect(),
            next,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Pending,
    Open,
    Snoozed,
    Resolved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoutingState {
    None,
    Queued,
    Offered,
    Assigned,
    Wrapping,
}

/// Who may write to the customer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    Bot,
    Human,
    None,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffMode {
    Queue,
    Ticket,
    Callback,
}

/// One run of contact with a customer.
#[derive(Serialize, ToSchema)]
pub struct Conversation {
    #[schema(value_type = String, format = Uuid)]
    pub id: ConversationId,
    /// The thread it belongs to; conversations of one thread follow each other.
    #[schema(value_type = String, format = Uuid)]
    pub lane: LaneId,
    #[schema(value_type = String, format = Uuid)]
    pub contact: ContactId,
    /// The adapter's name: `web`, `telegram`.
    pub channel: String,
    #[schema(value_type = String)]
    pub account: AccountId,
    #[schema(value_type = String, example = "en")]
    pub locale: Locale,
    #[schema(value_type = Status)]
    pub status: domain::Status,
    #[schema(value_type = RoutingState)]
    pub routing_state: domain::RoutingState,
    #[schema(value_type = Control)]
    pub control: domain::Control,
    /// Raised whenever control changes hands.
    pub control_epoch: u64,
    /// The open-to-resolved cycle it is in, from 1.
    pub session: u32,
    /// The number of the transcript's last line; lines are numbered from 1.
    pub last_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff: Option<Handoff>,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The conversation before this one on the same lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub previous: Option<ConversationId>,
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    #[schema(value_type = i64)]
    pub updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub resolved_at: Option<Timestamp>,
}

/// A conversation with the person it is with.
#[derive(Serialize, ToSchema)]
pub struct ConversationDetail {
    #[serde(flatten)]
    pub conversation: Conversation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<Contact>,
}

/// What the bot tells the people it hands over to.
#[derive(Serialize, ToSchema)]
pub struct Handoff {
    pub skill: String,
    #[schema(value_type = Priority)]
    pub priority: domain::Priority,
    #[schema(value_type = HandoffMode)]
    pub mode: domain::HandoffMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    pub tags: Vec<String>,
    /// When the customer began to wait.
    #[schema(value_type = i64)]
    pub waiting_since: Timestamp,
}

/// A customer on one channel.
#[derive(Serialize, ToSchema)]
pub struct Contact {
    #[schema(value_type = String, format = Uuid)]
    pub id: ContactId,
    #[schema(value_type = String)]
    pub account: AccountId,
    /// Who they are to the channel.
    pub native_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub locale: Option<Locale>,
    /// What the business and the flows know.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub attributes: Map,
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub struct Ticket {
    #[schema(value_type = String, format = Uuid)]
    pub id: TicketId,
    #[schema(value_type = String, format = Uuid)]
    pub conversation: ConversationId,
    #[schema(value_type = String, format = Uuid)]
    pub contact: ContactId,
    pub title: String,
    pub skill: String,
    #[schema(value_type = Priority)]
    pub priority: domain::Priority,
    /// `open` or `closed`.
    pub status: String,
    /// `ticket` or `callback`.
    pub kind: String,
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub fields: Map,
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
}

/// Something a flow waits to do.
#[derive(Serialize, ToSchema)]
pub struct Timer {
    #[schema(value_type = String, format = Uuid)]
    pub id: TimerId,
    pub key: String,
    #[schema(value_type = i64)]
    pub due_at: Timestamp,
}

/// A message that did not go out, or of which nobody knows.
#[derive(Serialize, ToSchema)]
pub struct DeadLetter {
    #[schema(value_type = String, format = Uuid)]
    pub id: OutboxId,
    #[schema(value_type = String, format = Uuid)]
    pub conversation: ConversationId,
    #[schema(value_type = String, format = Uuid)]
    pub message: tandem_domain::MessageId,
    #[schema(value_type = String)]
    pub account: AccountId,
    #[schema(value_type = message::Content)]
    pub content: tandem_domain::message::Content,
    pub state: DeadState,
    /// The platform's code, on a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub reason: String,
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadState {
    /// The platform did not take it.
    Failed,
    /// The platform may have it; sending it again may say it twice.
    Uncertain,
}

/// A line of the event log.
#[derive(Serialize, ToSchema)]
pub struct Event {
    /// Without gaps within the workspace.
    pub seq: u64,
    #[schema(example = "conversation.handoff")]
    pub event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub conversation: Option<ConversationId>,
    pub data: Value,
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

impl From<domain::Conversation> for Conversation {
    fn from(row: domain::Conversation) -> Self {
        Self {
            id: row.id,
            lane: row.lane,
            contact: row.contact,
            channel: row.channel,
            account: row.account,
            locale: row.locale,
            status: row.status,
            routing_state: row.routing_state,
            control: row.control,
            control_epoch: row.control_epoch,
            session: row.session,
            last_seq: row.last_seq,
            handoff: row.handoff.map(|handoff| Handoff {
                skill: handoff.skill,
                priority: handoff.priority,
                mode: handoff.mode,
                summary: handoff.summary,
                tags: handoff.tags,
                waiting_since: handoff.waiting_since,
            }),
            assignee: row.assignee,
            tags: row.tags,
            outcome: row.outcome,
            previous: row.previous,
            created_at: row.created_at,
            updated_at: row.updated_at,
            resolved_at: row.resolved_at,
        }
    }
}

impl From<store::Contact> for Contact {
    fn from(row: store::Contact) -> Self {
        Self {
            id: row.id,
            account: row.account,
            native_id: row.native_id,
            name: row.name,
            locale: row.locale,
            attributes: row.attributes,
            created_at: row.created_at,
        }
    }
}

impl From<store::Ticket> for Ticket {
    fn from(row: store::Ticket) -> Self {
        Self {
            id: row.id,
            conversation: row.conversation,
            contact: row.contact,
            title: row.title,
            skill: row.skill,
            priority: row.priority,
            status: row.status,
            kind: row.kind,
            fields: row.fields,
            created_at: row.created_at,
        }
    }
}

impl From<store::TimerRow> for Timer {
    fn from(row: store::TimerRow) -> Self {
        Self {
            id: row.id,
            key: row.key,
            due_at: row.due_at,
        }
    }
}

impl From<store::OutboxRow> for DeadLetter {
    fn from(row: store::OutboxRow) -> Self {
        let (state, code, reason) = match row.state {
            store::OutboxState::Failed { code, message } => {
                (DeadState::Failed, Some(code), message)
            }
            store::OutboxState::Uncertain { message } => (DeadState::Uncertain, None, message),
            // The store lists no others.
            _ => (DeadState::Failed, None, String::new()),
        };
        Self {
            id: row.outbound.uuid,
            conversation: row.outbound.conversation_id,
            message: row.message,
            account: row.outbound.account,
            content: row.outbound.content,
            state,
            code,
            reason,
            created_at: row.created_at,
        }
    }
}

impl From<store::Event> for Event {
    fn from(row: store::Event) -> Self {
        Self {
            seq: row.seq,
            event: row.name,
            conversation: row.conversation,
            data: row.data,
            at: row.at,
        }
    }
}
