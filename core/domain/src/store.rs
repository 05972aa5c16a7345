//! Durable rows. There are no interactive transactions: whoever changes something reads, decides,
//! and hands over one [`Commit`] whose guards say what must still be true.
//!
//! Contract for a backend:
//! * a commit is all or nothing and durable (fsynced) when `commit` returns `Committed`;
//! * guards are checked in order inside the transaction; the first that fails decides the outcome;
//! * every row belongs to the commit's workspace, and no read or write reaches another one;
//! * event-log numbers are dense and increase in commit order within a workspace;
//! * an error of one commit never fails another that shared its transaction.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ActionId, ContactId, ConversationId, FileId, InboxId, LaneId, Locale, Map,
    MessageId, OutboxId, TicketId, TimerId, Timestamp, Value, WorkspaceId,
    action::{ActionError, Meta, Request},
    conversation::{Conversation, Priority, RoutingState, Status},
    edge::{FetchRow, Keep, NativeRow, ParkedReceipt, Reach, UnknownRow},
    message::{Author, Content, Delivery, Inbound, Outbound, ReplyContext},
};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Try again later: locked, shutting down, out of reach.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The disk or the quota is full. Nothing was written.
    #[error("the store is full: {0}")]
    Full(String),
    /// The data cannot be read as what it should be. Needs a person.
    #[error("the store's data is damaged: {0}")]
    Corrupt(String),
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// One atomic change.
#[derive(Clone, Debug)]
pub struct Commit {
    pub workspace: WorkspaceId,
    pub guards: Vec<Guard>,
    pub writes: Vec<Write>,
}

impl Commit {
    #[must_use]
    pub fn new(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            guards: Vec::new(),
            writes: Vec::new(),
        }
    }
}

/// What must be true for a commit to happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Guard {
    /// The event was not accepted before. Fails as [`Outcome::Duplicate`].
    NotAccepted { account: AccountId, dedupe: String },
    /// The inbox row waits to be worked on.
    InboxPending(InboxId),
    /// The lane's row has this version; `None`: there is no row yet.
    LaneVersion { lane: LaneId, version: Option<u64> },
    /// Nobody took or gave control since. A conversation without a row stands at 0.
    ControlEpoch {
        conversation: ConversationId,
        epoch: u64,
    },
    /// The timer still stands and is not fired.
    TimerSet(TimerId),
    /// The action waits for a result.
    ActionPending(ActionId),
    /// The lease on an outbox row is still the caller's.
    OutboxLease { id: OutboxId, lease: u64 },
    /// The outbox row waits to be sent; nobody has leased it.
    OutboxReady(OutboxId),
    /// No line of the conversation that is ours has this client id. The customer's own lines are
    /// not looked at: they are known by their inbox rows.
    NoClientId {
        conversation: ConversationId,
        client_id: String,
    },
    /// The line stands in this lane's transcript.
    LineOfLane { lane: LaneId, message: MessageId },
    /// No claim under this key holds at `now`; with [`Write::OncePut`] two lanes cannot both win.
    OnceFree {
        contact: ContactId,
        key: String,
        now: Timestamp,
    },
    /// Nobody of this native id is known yet on the account, so that two lanes cannot both
    /// make a contact of one person.
    NoContact {
        account: AccountId,
        native_id: String,
    },
    /// The customer has not written since, and nobody claimed a use of their reply context.
    ReachIs {
        lane: LaneId,
        heard_at: Timestamp,
        reply_used: u32,
    },
    /// No message of ours is known by this native id yet.
    NoNative { account: AccountId, native: String },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Committed,
    /// The event was accepted before, under this id.
    Duplicate(InboxId),
    /// The guard at this index does not hold. Nothing was written.
    Conflict(usize),
}

/// One row changed. A `*Put` inserts or replaces the row of its id.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a write is built once and moved once; the common variants are the large ones"
)]
pub enum Write {
    /// A second row with the same (account, dedupe) is skipped; put a
    /// [`Guard::NotAccepted`] before it where that must not pass silently. A row's dedupe key
    /// never changes; one put as [`InboxState::Done`] is stored without its body.
    InboxPut(InboxRow),
    /// The row is worked off: its body goes, its dedupe key stays.
    InboxDone(InboxId),
    /// The row could not be worked off after several tries; kept with its reason.
    InboxDead {
        id: InboxId,
        reason: String,
    },
    LanePut(LaneRow),
    ConversationPut(Box<Conversation>),
    ContactPut(Contact),
    MessagePut(Message),
    /// What the line says now; how far it was delivered stays. Nothing where it is not there.
    MessageChange(Box<Message>),
    /// Only goes on, see [`Delivery`]; what stands further already stays.
    MessageDelivery {
        id: MessageId,
        delivery: Delivery,
        code: Option<String>,
    },
    /// Gets the workspace's next number.
    EventPut(Event),
    OutboxPut(Box<OutboxRow>),
    OutboxState {
        id: OutboxId,
        state: OutboxState,
    },
    /// The customer wrote: sends are counted anew, rows held for it are due, and a reply context
    /// takes the place of the one before.
    Heard {
        lane: LaneId,
        at: Timestamp,
        reply: Option<ReplyContext>,
    },
    /// A platform's way to answer, given with something that opens no window: it takes the place
    /// of the one before, and rows held for the customer are due.
    ReplyGiven {
        lane: LaneId,
        at: Timestamp,
        reply: ReplyContext,
    },
    /// One send more since the customer wrote.
    ReachSent(LaneId),
    /// One use more of the lane's reply context.
    ReplyUsed(LaneId),
    NativePut(NativeRow),
    /// Of several for one id the one that says most stays.
    ReceiptPark(ParkedReceipt),
    ReceiptUnpark {
        account: AccountId,
        native: String,
    },
    /// Of each account only the newest are kept.
    UnknownPut(UnknownRow),
    /// A medium to be fetched, or how it stands.
    FetchPut(FetchRow),
    /// It is stored.
    FetchDone(FileId),
    /// The leases of the outbox that stand now are nobody's any more: whoever held them is gone.
    LeasesEnd(Timestamp),
    TimerPut(TimerRow),
    /// Removes every timer of the lane with this key.
    TimerCancel {
        lane: LaneId,
        key: String,
    },
    /// Removes the timer.
    TimerFired(TimerId),
    ActionPut(Box<ActionRow>),
    /// The result is recorded; the row no longer waits.
    ActionDone {
        id: ActionId,
        result: Result<Value, ActionError>,
    },
    /// Nobody waits for the result any more; the row stays without one.
    ActionCancel(ActionId),
    OncePut(OnceRow),
    JournalPut(JournalRow),
    TicketPut(Ticket),
    KvPut {
        scope: String,
        key: String,
        value: Value,
        expires_at: Option<Timestamp>,
    },
    KvDelete {
        scope: String,
        key: String,
    },
    FilePut(FileRow),
    /// A sensitive slot, sealed by the engine before it comes here.
    SecretPut {
        owner: String,
        name: String,
        sealed: Vec<u8>,
    },
    SecretErase {
        owner: String,
    },
    PackPut(PackRow),
    /// Makes a version the one new conversations use. Nothing changes when it is not stored.
    PackActivate {
        name: String,
        hash: String,
    },
}

/// An accepted event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboxRow {
    pub id: InboxId,
    pub account: AccountId,
    pub dedupe: String,
    pub lane: LaneId,
    pub event: Inbound,
    pub received_at: Timestamp,
    pub state: InboxState,
    /// Times the work on it was begun.
    pub attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    Pending,
    Done,
    Dead,
}

/// A lane and the flow state of its present conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneRow {
    pub id: LaneId,
    /// Raised by one with every commit that touches the lane.
    pub version: u64,
    pub conversation: ConversationId,
    pub contact: ContactId,
    /// Opaque to the store; `format` says how the engine reads it.
    pub format: u32,
    pub state: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    pub id: ContactId,
    /// Who they are on the channel they came by.
    pub account: AccountId,
    pub native_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// What the business and `keep: contact` slots know: `tier`, `email`.
    #[serde(default)]
    pub attributes: Map,
    pub created_at: Timestamp,
}

/// A line of the transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub lane: LaneId,
    /// Numbered from 1 without gaps within the conversation.
    pub seq: u64,
    pub author: Author,
    pub content: Content,
    pub visibility: Visibility,
    /// The sender's own id for it: a visitor's, an API client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_code: Option<String>,
    /// What its writer did to it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    pub created_at: Timestamp,
}

/// A line that is not as it was said first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub how: Change,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Edited,
    /// Nothing of its content is left.
    Deleted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    #[default]
    Public,
    /// For the desk only.
    Note,
    Whisper,
}

/// A line of the workspace's event log: `conversation.handoff`, `message.created`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 0 until stored.
    #[serde(default)]
    pub seq: u64,
    pub name: String,
    pub conversation: Option<ConversationId>,
    #[serde(default)]
    pub data: Value,
    pub at: Timestamp,
}

/// A message on its way out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    pub outbound: Outbound,
    /// The line of the transcript it carries.
    pub message: MessageId,
    pub state: OutboxState,
    /// When its first attempt began; none while it has made none that counts.
    pub tried_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

impl OutboxRow {
    #[must_use]
    pub fn id(&self) -> OutboxId {
        self.outbound.uuid
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OutboxState {
    /// Waits for its turn. Within a lane rows leave in order of their transcript line. A row
    /// without attempts counts as never tried.
    Ready {
        attempts: u32,
        not_before: Timestamp,
    },
    /// Waits for the customer to write, at most until then; the code says why.
    Held {
        attempts: u32,
        until: Timestamp,
        code: String,
    },
    /// Somebody is sending it until the lease runs out.
    Leased {
        attempts: u32,
        lease: u64,
        until: Timestamp,
        /// A lease before this one ran out: the message may have left under it.
        interrupted: bool,
    },
    Sent {
        native_ids: Vec<String>,
    },
    Failed {
        code: String,
        message: String,
    },
    Uncertain {
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimerRow {
    pub id: TimerId,
    pub lane: LaneId,
    /// What the stepper calls it; unique within the lane, a new one replaces the old.
    pub key: String,
    pub due_at: Timestamp,
    pub payload: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionRow {
    pub id: ActionId,
    pub lane: LaneId,
    pub conversation: ConversationId,
    /// (frame, step, epoch): what the stepper matches the result by.
    pub key: String,
    pub request: Request,
    pub meta: Meta,
    /// When its result is kept for 'once per contact'.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<Once>,
    pub started: bool,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Result<Value, ActionError>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Once {
    pub key: String,
    /// Milliseconds the claim holds.
    pub for_ms: u64,
}

/// A write that a contact gets once, across lanes, with the result the first one had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OnceRow {
    pub contact: ContactId,
    pub key: String,
    pub action: ActionId,
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// Everything a replay needs of one turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalRow {
    pub lane: LaneId,
    pub conversation: ConversationId,
    /// The lane version this turn made.
    pub version: u64,
    pub at: Timestamp,
    /// The engine's own format: event, reading, calls, hashes, trace.
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    pub id: TicketId,
    pub conversation: ConversationId,
    pub contact: ContactId,
    pub title: String,
    pub skill: String,
    pub priority: Priority,
    /// `open` or `closed`.
    pub status: String,
    /// `ticket` or `callback`.
    pub kind: String,
    #[serde(default)]
    pub fields: Map,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileRow {
    pub id: FileId,
    pub lane: LaneId,
    pub name: String,
    pub mime: String,
    /// Bytes.
    pub size: u64,
    pub created_at: Timestamp,
}

/// A version of a pack, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackRow {
    pub name: String,
    /// Of everything in it.
    pub hash: String,
    /// Of everything but texts: what a running frame is pinned to.
    pub structure: String,
    /// path → content, as the loader reads it.
    pub files: Vec<(String, String)>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, Default)]
pub struct ConversationQuery {
    pub status: Option<Status>,
    pub routing_state: Option<RoutingState>,
    pub skill: Option<String>,
    pub contact: Option<ContactId>,
    pub lane: Option<LaneId>,
    /// Conversations updated before this one, newest first.
    pub before: Option<ConversationId>,
    pub limit: usize,
}

/// How much waits, for metrics and health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    pub inbox: u64,
    pub outbox: u64,
    pub dead: u64,
    pub timers: u64,
    pub actions: u64,
}

#[async_trait]
pub trait Store: Send + Sync {
    async fn commit(&self, commit: Commit) -> Result<Outcome>;

    /// The workspaces that have rows; recovery walks them.
    async fn workspaces(&self) -> Result<Vec<WorkspaceId>>;

    async fn lane(&self, workspace: &WorkspaceId, lane: LaneId) -> Result<Option<LaneRow>>;
    async fn accepted(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        dedupe: &str,
    ) -> Result<Option<InboxId>>;
    /// Accepted and not worked off, oldest first, after the given id.
    async fn inbox_pending(
        &self,
        workspace: &WorkspaceId,
        after: Option<InboxId>,
        limit: usize,
    ) -> Result<Vec<InboxRow>>;
    /// The lane's accepted rows that wait, oldest first.
    async fn lane_pending(
        &self,
        workspace: &WorkspaceId,
        lane: LaneId,
        limit: usize,
    ) -> Result<Vec<InboxRow>>;

    async fn conversation(
        &self,
        workspace: &WorkspaceId,
        id: ConversationId,
    ) -> Result<Option<Conversation>>;
    async fn conversations(
        &self,
        workspace: &WorkspaceId,
        query: &ConversationQuery,
    ) -> Result<Vec<Conversation>>;
    async fn contact(&self, workspace: &WorkspaceId, id: ContactId) -> Result<Option<Contact>>;
    async fn contact_of(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        native_id: &str,
    ) -> Result<Option<Contact>>;
    /// The first lines after `after`, in order.
    async fn messages(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Message>>;
    /// Lines of a lane over all its conversations, in order: the last ones, or the first ones
    /// after a line of it. An unknown line counts as none.
    async fn lane_messages(
        &self,
        workspace: &WorkspaceId,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>>;
    /// A line that is ours, by the id its writer gave it.
    async fn message_by_client_id(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
        client_id: &str,
    ) -> Result<Option<Message>>;
    async fn events(&self, workspace: &WorkspaceId, after: u64, limit: usize)
    -> Result<Vec<Event>>;

    /// Leases rows of an account that are ready (or held for long enough, or whose lease ran
    /// out), at most one a lane: always the lane's first unsettled one, so that no message
    /// overtakes another. Raises `attempts`.
    async fn lease_outbox(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<OutboxRow>>;
    /// When the account's next row may leave, or its next lease runs out.
    async fn next_outbox(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
    ) -> Result<Option<Timestamp>>;
    async fn reach(&self, workspace: &WorkspaceId, lane: LaneId) -> Result<Option<Reach>>;
    /// Our message by the id the platform gave it.
    async fn native(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        native: &str,
    ) -> Result<Option<NativeRow>>;
    /// The platform's ids of a line, in the order they were given.
    async fn natives_of(
        &self,
        workspace: &WorkspaceId,
        message: MessageId,
    ) -> Result<Vec<NativeRow>>;
    async fn parked(
        &self,
        workspace: &WorkspaceId,
        account: &AccountId,
        native: &str,
    ) -> Result<Option<ParkedReceipt>>;
    /// Media whose next attempt is due, longest due first.
    async fn fetches_due(
        &self,
        workspace: &WorkspaceId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<FetchRow>>;
    /// When the next attempt to fetch one is due.
    async fn next_fetch(&self, workspace: &WorkspaceId) -> Result<Option<Timestamp>>;
    async fn fetch(&self, workspace: &WorkspaceId, file: FileId) -> Result<Option<FetchRow>>;
    /// Newest first.
    async fn unknowns(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<UnknownRow>>;
    async fn outbox(&self, workspace: &WorkspaceId, id: OutboxId) -> Result<Option<OutboxRow>>;
    /// Failed and uncertain rows, newest first.
    async fn dead_letters(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<OutboxRow>>;

    async fn timers_due(
        &self,
        workspace: &WorkspaceId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TimerRow>>;
    /// When the next timer is due.
    async fn next_timer(&self, workspace: &WorkspaceId) -> Result<Option<Timestamp>>;
    async fn lane_timers(&self, workspace: &WorkspaceId, lane: LaneId) -> Result<Vec<TimerRow>>;

    /// Actions without a result, oldest first.
    async fn actions_pending(
        &self,
        workspace: &WorkspaceId,
        limit: usize,
    ) -> Result<Vec<ActionRow>>;
    async fn action(&self, workspace: &WorkspaceId, id: ActionId) -> Result<Option<ActionRow>>;
    async fn once(
        &self,
        workspace: &WorkspaceId,
        contact: ContactId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<OnceRow>>;

    async fn journal(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
    ) -> Result<Vec<JournalRow>>;
    /// Newest first.
    async fn tickets(
        &self,
        workspace: &WorkspaceId,
        conversation: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<Ticket>>;
    async fn kv(
        &self,
        workspace: &WorkspaceId,
        scope: &str,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Value>>;
    async fn file(&self, workspace: &WorkspaceId, id: FileId) -> Result<Option<FileRow>>;
    async fn secrets(&self, workspace: &WorkspaceId, owner: &str)
    -> Result<Vec<(String, Vec<u8>)>>;
    async fn pack(
        &self,
        workspace: &WorkspaceId,
        name: &str,
        hash: &str,
    ) -> Result<Option<PackRow>>;
    /// The newest stored version with this structure.
    async fn pack_by_structure(
        &self,
        workspace: &WorkspaceId,
        name: &str,
        structure: &str,
    ) -> Result<Option<PackRow>>;
    async fn active_pack(&self, workspace: &WorkspaceId, name: &str) -> Result<Option<PackRow>>;

    /// Forgets what nobody asks for again, in small steps: dedupe keys of events worked off,
    /// messages sent with their native ids, actions settled, receipts parked and events not
    /// understood, each older than `keep` says; claims and values that expired. Dead letters stay.
    /// Returns how many rows went.
    async fn purge(&self, now: Timestamp, keep: &Keep) -> Result<u64>;

    async fn depths(&self, workspace: &WorkspaceId) -> Result<Depths>;
    /// A write and a read; for readiness.
    async fn ping(&self) -> Result<()>;
}
