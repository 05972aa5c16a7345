//! Workspaces are apart: rows of one are invisible and untouchable from another that uses the
//! very same ids.
//!
//! Nothing can be forgotten: a read that is new in the trait stops [`Tally`] from compiling until
//! it is listed, and once listed the tests fail until [`everything`] calls it. In the same way
//! [`kind_of_write`] and [`kind_of_guard`] stop compiling at a new write or guard.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tandem_domain::{
    AccountId, ActionId, ContactId, ConversationId, FileId, InboxId, LaneId, MessageId, OutboxId,
    Timestamp, Value, WorkspaceId,
    conversation::Conversation,
    edge::{FetchRow, Keep, NativeRow, ParkedReceipt, Reach, UnknownRow},
    message::{Content, Delivery, ReplyContext},
    store::{
        ActionRow, Commit, Contact, ConversationQuery, Depths, Event, FileRow, Guard, InboxRow,
        JournalRow, LaneRow, Message, OnceRow, OutboxRow, OutboxState, Outcome, PackRow, Result,
        Store, Ticket, TimerRow, Write,
    },
};

use super::{
    Backend, edge,
    samples::{START, Thread, at, pack},
};

/// One row of each kind.
#[derive(Clone, Debug)]
pub struct Rows {
    pub thread: Thread,
    pub inbox: InboxRow,
    pub lane: LaneRow,
    pub conversation: Conversation,
    pub contact: Contact,
    pub message: Message,
    pub outbox: OutboxRow,
    pub dead: OutboxRow,
    pub timer: TimerRow,
    pub action: ActionRow,
    pub once: OnceRow,
    pub journal: JournalRow,
    pub ticket: Ticket,
    pub file: FileRow,
    pub pack: PackRow,
    pub unknown: UnknownRow,
}

impl Rows {
    fn new(thread: &Thread) -> Self {
        let message = thread.our_message(1, "c1");
        let mut dead = Thread::new("dead").outbox(1);
        dead.state = OutboxState::Failed {
            code: "blocked".into(),
            message: "no".into(),
        };
        Self {
            inbox: thread.inbox("m1"),
            lane: thread.lane(1),
            conversation: thread.queued("orders"),
            contact: thread.contact(),
            message,
            outbox: thread.outbox(1),
            dead,
            timer: thread.timer("idle", START),
            action: thread.action("k"),
            once: thread.once("return", at(1_000)),
            journal: thread.journal(1),
            ticket: thread.ticket(),
            file: thread.file(),
            pack: pack("retail", "h1", "s1", START),
            unknown: edge::unknown(thread, b"x", START),
            thread: thread.clone(),
        }
    }

    fn puts(&self) -> Vec<Write> {
        vec![
            Write::InboxPut(self.inbox.clone()),
            Write::LanePut(self.lane.clone()),
            Write::ConversationPut(Box::new(self.conversation.clone())),
            Write::ContactPut(self.contact.clone()),
            Write::MessagePut(self.message.clone()),
            Write::EventPut(self.thread.event("conversation.created")),
            Write::OutboxPut(Box::new(self.outbox.clone())),
            Write::OutboxPut(Box::new(self.dead.clone())),
            Write::TimerPut(self.timer.clone()),
            Write::ActionPut(Box::new(self.action.clone())),
            Write::OncePut(self.once.clone()),
            Write::JournalPut(self.journal.clone()),
            Write::TicketPut(self.ticket.clone()),
            Write::KvPut {
                scope: "s".into(),
                key: "k".into(),
                value: json!("mine"),
                expires_at: None,
            },
            Write::FilePut(self.file.clone()),
            Write::SecretPut {
                owner: "o".into(),
                name: "n".into(),
                sealed: vec![1],
            },
            Write::Heard {
                lane: self.thread.lane,
                at: START,
                reply: None,
            },
            Write::NativePut(edge::native(&self.thread, "n1")),
            Write::ReceiptPark(edge::receipt(&self.thread, "n2", Delivery::Delivered)),
            Write::UnknownPut(self.unknown.clone()),
            Write::FetchPut(edge::fetch(&self.thread, "m1", START)),
            Write::PackPut(self.pack.clone()),
            Write::PackActivate {
                name: self.pack.name.clone(),
                hash: self.pack.hash.clone(),
            },
        ]
    }

    /// The same ids with other content, and everything that ends, erases or cancels.
    fn attacks(&self) -> Vec<Write> {
        let mut theirs = self.clone();
        theirs.inbox.attempts = 9;
        theirs.lane.version = 99;
        theirs.conversation.control_epoch = 99;
        theirs.contact.name = None;
        theirs.message.content = Content::text("stolen");
        theirs.outbox.outbound.content = Content::text("stolen");
        theirs.dead.outbound.content = Content::text("stolen");
        theirs.timer.due_at = at(-9_999);
        theirs.action.started = true;
        theirs.once.result = None;
        theirs.journal.body = vec![];
        theirs.ticket.status = "closed".into();
        theirs.file.name = "stolen".into();
        theirs.pack.structure = "stolen".into();
        theirs.unknown.reason = "stolen".into();
        let mut writes = theirs.puts();
        writes.extend([
            Write::InboxDead {
                id: self.inbox.id,
                reason: "x".into(),
            },
            Write::InboxDone(self.inbox.id),
            Write::MessageChange(Box::new(theirs.message.clone())),
            Write::MessageDelivery {
                id: self.message.id,
                delivery: Delivery::Failed,
                code: None,
            },
            Write::OutboxState {
                id: self.outbox.id(),
                state: OutboxState::Sent { native_ids: vec![] },
            },
            Write::OutboxState {
                id: self.dead.id(),
                state: OutboxState::Sent { native_ids: vec![] },
            },
            Write::TimerFired(self.timer.id),
            Write::TimerCancel {
                lane: self.timer.lane,
                key: self.timer.key.clone(),
            },
            Write::ActionCancel(self.action.id),
            Write::ActionDone {
                id: self.action.id,
                result: Ok(json!("stolen")),
            },
            Write::KvPut {
                scope: "s".into(),
                key: "k".into(),
                value: json!("stolen"),
                expires_at: Some(START),
            },
            Write::KvDelete {
                scope: "s".into(),
                key: "k".into(),
            },
            Write::SecretErase { owner: "o".into() },
            Write::Heard {
                lane: self.thread.lane,
                at: at(9_999),
                reply: None,
            },
            Write::ReplyGiven {
                lane: self.thread.lane,
                at: at(9_999),
                reply: ReplyContext {
                    token: "stolen".into(),
                    expires_at: None,
                    uses_left: None,
                },
            },
            Write::FetchPut(FetchRow {
                due_at: None,
                ..edge::fetch(&self.thread, "m1", START)
            }),
            Write::FetchDone(edge::fetch(&self.thread, "m1", START).file),
            Write::LeasesEnd(at(9_999)),
            Write::ReachSent(self.thread.lane),
            Write::ReplyUsed(self.thread.lane),
            Write::NativePut(NativeRow {
                seq: 99,
                ..edge::native(&self.thread, "n1")
            }),
            Write::ReceiptPark(edge::receipt(&self.thread, "n2", Delivery::Read)),
            Write::ReceiptUnpark {
                account: self.thread.account.clone(),
                native: "n2".into(),
            },
        ]);
        writes
    }
}

/// Writes one row of each kind in the thread's workspace.
pub async fn populate(store: &dyn Store, thread: &Thread) -> Rows {
    let rows = Rows::new(thread);
    thread.write(store, rows.puts()).await;
    rows
}

/// What every read says about these rows in a workspace: an empty text where it finds nothing.
/// `lease_outbox`, which changes what it finds, is not among them.
pub async fn everything(
    store: &dyn Store,
    workspace: &WorkspaceId,
    rows: &Rows,
) -> Vec<(&'static str, String)> {
    fn one<T: Debug>(found: Result<Option<T>>) -> String {
        many(found.map(|row| row.into_iter().collect()))
    }
    fn many<T: Debug>(found: Result<Vec<T>>) -> String {
        let found = found.unwrap();
        if found.is_empty() {
            String::new()
        } else {
            format!("{found:?}")
        }
    }
    let w = workspace;
    let thread = &rows.thread;
    let account = &thread.account;
    let all = ConversationQuery {
        limit: 9,
        ..Default::default()
    };
    let mut listed = String::new();
    for query in [
        all.clone(),
        ConversationQuery {
            status: Some(rows.conversation.status),
            ..all.clone()
        },
        ConversationQuery {
            routing_state: Some(rows.conversation.routing_state),
            ..all.clone()
        },
        ConversationQuery {
            skill: Some("orders".into()),
            ..all.clone()
        },
        ConversationQuery {
            contact: Some(thread.contact),
            ..all.clone()
        },
        ConversationQuery {
            lane: Some(thread.lane),
            ..all
        },
    ] {
        listed += &many(store.conversations(w, &query).await);
    }
    let depths = store.depths(w).await.unwrap();
    let tickets = [
        many(store.tickets(w, None, 9).await),
        many(store.tickets(w, Some(thread.conversation), 9).await),
    ];
    let lane_messages = [
        many(store.lane_messages(w, thread.lane, None, 9).await),
        many(
            store
                .lane_messages(w, thread.lane, Some(MessageId::fresh()), 9)
                .await,
        ),
    ];
    vec![
        ("lane", one(store.lane(w, thread.lane).await)),
        ("accepted", one(store.accepted(w, account, "m1").await)),
        ("inbox_pending", many(store.inbox_pending(w, None, 9).await)),
        (
            "lane_pending",
            many(store.lane_pending(w, thread.lane, 9).await),
        ),
        (
            "conversation",
            one(store.conversation(w, thread.conversation).await),
        ),
        ("conversations", listed),
        ("contact", one(store.contact(w, thread.contact).await)),
        (
            "contact_of",
            one(store.contact_of(w, account, &thread.native.id).await),
        ),
        (
            "messages",
            many(store.messages(w, thread.conversation, 0, 9).await),
        ),
        ("lane_messages", lane_messages.concat()),
        (
            "message_by_client_id",
            one(store
                .message_by_client_id(w, thread.conversation, "c1")
                .await),
        ),
        ("events", many(store.events(w, 0, 9).await)),
        ("outbox", one(store.outbox(w, rows.outbox.id()).await)),
        ("dead_letters", many(store.dead_letters(w, 9).await)),
        ("next_outbox", one(store.next_outbox(w, account).await)),
        ("reach", one(store.reach(w, thread.lane).await)),
        ("native", one(store.native(w, account, "n1").await)),
        (
            "natives_of",
            many(
                store
                    .natives_of(w, edge::native(thread, "n1").message)
                    .await,
            ),
        ),
        ("parked", one(store.parked(w, account, "n2").await)),
        ("unknowns", many(store.unknowns(w, 9).await)),
        ("fetches_due", many(store.fetches_due(w, START, 9).await)),
        ("next_fetch", one(store.next_fetch(w).await)),
        (
            "fetch",
            one(store.fetch(w, edge::fetch(thread, "m1", START).file).await),
        ),
        ("timers_due", many(store.timers_due(w, START, 9).await)),
        ("next_timer", one(store.next_timer(w).await)),
        ("lane_timers", many(store.lane_timers(w, thread.lane).await)),
        ("actions_pending", many(store.actions_pending(w, 9).await)),
        ("action", one(store.action(w, rows.action.id).await)),
        (
            "once",
            one(store.once(w, thread.contact, "return", START).await),
        ),
        ("journal", many(store.journal(w, thread.conversation).await)),
        ("tickets", tickets.concat()),
        ("kv", one(store.kv(w, "s", "k", START).await)),
        ("file", one(store.file(w, rows.file.id).await)),
        ("secrets", many(store.secrets(w, "o").await)),
        ("pack", one(store.pack(w, "retail", "h1").await)),
        (
            "pack_by_structure",
            one(store.pack_by_structure(w, "retail", "s1").await),
        ),
        ("active_pack", one(store.active_pack(w, "retail").await)),
        (
            "depths",
            one(Ok((depths != Depths::default()).then_some(depths))),
        ),
    ]
}

/// A store that notes which of its reads are called.
struct Tally {
    store: Arc<dyn Store>,
    called: Mutex<BTreeSet<&'static str>>,
}

macro_rules! tally {
    ($($read:ident($($arg:ident: $type:ty),*) -> $answer:ty;)*) => {
        /// Every method that is about one workspace.
        const READS: &[&str] = &[$(stringify!($read)),*];

        #[async_trait]
        impl Store for Tally {
            $(
                async fn $read(
                    &self,
                    workspace: &WorkspaceId
                    $(, $arg: $type)*
                ) -> Result<$answer> {
                    self.called.lock().unwrap().insert(stringify!($read));
                    self.store.$read(workspace $(, $arg)*).await
                }
            )*

            async fn commit(&self, commit: Commit) -> Result<Outcome> {
                self.store.commit(commit).await
            }
            async fn workspaces(&self) -> Result<Vec<WorkspaceId>> {
                self.store.workspaces().await
            }
            async fn purge(&self, now: Timestamp, keep: &Keep) -> Result<u64> {
                self.store.purge(now, keep).await
            }
            async fn ping(&self) -> Result<()> {
                self.store.ping().await
            }
        }
    };
}

tally! {
    lane(lane: LaneId) -> Option<LaneRow>;
    accepted(account: &AccountId, dedupe: &str) -> Option<InboxId>;
    inbox_pending(after: Option<InboxId>, limit: usize) -> Vec<InboxRow>;
    lane_pending(lane: LaneId, limit: usize) -> Vec<InboxRow>;
    conversation(id: ConversationId) -> Option<Conversation>;
    conversations(query: &ConversationQuery) -> Vec<Conversation>;
    contact(id: ContactId) -> Option<Contact>;
    contact_of(account: &AccountId, native_id: &str) -> Option<Contact>;
    messages(conversation: ConversationId, after: u64, limit: usize) -> Vec<Message>;
    lane_messages(lane: LaneId, after: Option<MessageId>, limit: usize) -> Vec<Message>;
    message_by_client_id(conversation: ConversationId, client_id: &str) -> Option<Message>;
    events(after: u64, limit: usize) -> Vec<Event>;
    lease_outbox(account: &AccountId, now: Timestamp, lease: Duration, limit: usize) -> Vec<OutboxRow>;
    next_outbox(account: &AccountId) -> Option<Timestamp>;
    reach(lane: LaneId) -> Option<Reach>;
    native(account: &AccountId, native: &str) -> Option<NativeRow>;
    natives_of(message: MessageId) -> Vec<NativeRow>;
    parked(account: &AccountId, native: &str) -> Option<ParkedReceipt>;
    unknowns(limit: usize) -> Vec<UnknownRow>;
    fetches_due(now: Timestamp, limit: usize) -> Vec<FetchRow>;
    next_fetch() -> Option<Timestamp>;
    fetch(file: FileId) -> Option<FetchRow>;
    outbox(id: OutboxId) -> Option<OutboxRow>;
    dead_letters(limit: usize) -> Vec<OutboxRow>;
    timers_due(now: Timestamp, limit: usize) -> Vec<TimerRow>;
    next_timer() -> Option<Timestamp>;
    lane_timers(lane: LaneId) -> Vec<TimerRow>;
    actions_pending(limit: usize) -> Vec<ActionRow>;
    action(id: ActionId) -> Option<ActionRow>;
    once(contact: ContactId, key: &str, now: Timestamp) -> Option<OnceRow>;
    journal(conversation: ConversationId) -> Vec<JournalRow>;
    tickets(conversation: Option<ConversationId>, limit: usize) -> Vec<Ticket>;
    kv(scope: &str, key: &str, now: Timestamp) -> Option<Value>;
    file(id: FileId) -> Option<FileRow>;
    secrets(owner: &str) -> Vec<(String, Vec<u8>)>;
    pack(name: &str, hash: &str) -> Option<PackRow>;
    pack_by_structure(name: &str, structure: &str) -> Option<PackRow>;
    active_pack(name: &str) -> Option<PackRow>;
    depths() -> Depths;
}

pub async fn no_read_reaches_another_workspace(backend: &dyn Backend) {
    let tally = Tally {
        store: backend.open().await,
        called: Mutex::default(),
    };
    let thread = Thread::of(WorkspaceId::new("a"), "t");
    let foreign = thread.in_workspace("b");
    let rows = populate(&tally, &thread).await;
    // The other workspace is there, and almost empty.
    foreign.write(&tally, vec![foreign.kv("other", 1)]).await;
    for (read, found) in everything(&tally, &foreign.workspace, &rows).await {
        assert_eq!(found, "", "{read} reaches into another workspace");
    }
    let lease = Duration::from_secs(1);
    let now = at(1_000_000);
    let leased = tally.lease_outbox(&foreign.workspace, &thread.account, now, lease, 9);
    assert!(leased.await.unwrap().is_empty());
    // A place in the lists of one workspace is none in another's.
    let page = ConversationQuery {
        before: Some(thread.conversation),
        limit: 9,
        ..Default::default()
    };
    let found = tally.conversations(&foreign.workspace, &page).await;
    assert!(found.unwrap().is_empty());

    for (read, found) in everything(&tally, &thread.workspace, &rows).await {
        assert_ne!(found, "", "{read} finds nothing in its own workspace");
    }
    let called = tally.called.lock().unwrap().clone();
    assert_eq!(called, READS.iter().copied().collect());
}

pub async fn no_write_reaches_another_workspace(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::of(WorkspaceId::new("a"), "t");
    let foreign = thread.in_workspace("b");
    let rows = populate(&*store, &thread).await;
    let before = everything(&*store, &thread.workspace, &rows).await;
    let attacks = rows.attacks();
    let kinds: BTreeSet<_> = attacks.iter().map(kind_of_write).collect();
    assert_eq!(kinds, WRITES.iter().copied().collect());
    for write in attacks {
        let what = kind_of_write(&write);
        foreign.write(&*store, vec![write]).await;
        let after = everything(&*store, &thread.workspace, &rows).await;
        assert_eq!(before, after, "{what} reaches into another workspace");
    }
    // What the other one wrote under these ids is its own.
    let theirs = store.lane(&foreign.workspace, thread.lane).await.unwrap();
    assert_eq!(theirs.unwrap().version, 99);
    // Leasing there leaves the rows here alone.
    foreign
        .write(
            &*store,
            vec![Write::OutboxPut(Box::new(rows.outbox.clone()))],
        )
        .await;
    let lease = Duration::from_secs(1);
    for w in [&foreign.workspace, &thread.workspace] {
        let leased = store
            .lease_outbox(w, &thread.account, START, lease, 9)
            .await
            .unwrap();
        assert_eq!(leased.len(), 1, "in {w}");
    }
}

pub async fn guards_see_their_own_workspace_only(backend: &dyn Backend) {
    let store = backend.open().await;
    let thread = Thread::of(WorkspaceId::new("a"), "t");
    let foreign = thread.in_workspace("b");
    let rows = populate(&*store, &thread).await;
    let mut leased = rows.outbox.clone();
    leased.outbound.uuid = OutboxId(MessageId::fresh().0);
    leased.outbound.seq = 9;
    leased.state = OutboxState::Leased {
        attempts: 1,
        lease: 7,
        until: at(10),
        interrupted: false,
    };
    thread
        .write(
            &*store,
            vec![
                Write::OutboxPut(Box::new(leased.clone())),
                thread.kv("k", 1),
            ],
        )
        .await;
    foreign.write(&*store, vec![foreign.kv("k", 1)]).await;
    // Each guard speaks of a row that is in `a` and not in `b`.
    let cases = [
        (
            Guard::NotAccepted {
                account: thread.account.clone(),
                dedupe: "m1".into(),
            },
            false,
        ),
        (Guard::InboxPending(rows.inbox.id), true),
        (
            Guard::LaneVersion {
                lane: thread.lane,
                version: Some(1),
            },
            true,
        ),
        (
            Guard::LaneVersion {
                lane: thread.lane,
                version: None,
            },
            false,
        ),
        (
            Guard::ControlEpoch {
                conversation: thread.conversation,
                epoch: 1,
            },
            true,
        ),
        (Guard::TimerSet(rows.timer.id), true),
        (Guard::ActionPending(rows.action.id), true),
        (
            Guard::OutboxLease {
                id: leased.id(),
                lease: 7,
            },
            true,
        ),
        (Guard::OutboxReady(rows.outbox.id()), true),
        (
            Guard::NoClientId {
                conversation: thread.conversation,
                client_id: "c1".into(),
            },
            false,
        ),
        (
            Guard::LineOfLane {
                lane: thread.lane,
                message: rows.message.id,
            },
            true,
        ),
        (
            Guard::OnceFree {
                contact: thread.contact,
                key: "return".into(),
                now: START,
            },
            false,
        ),
        (
            Guard::NoContact {
                account: thread.account.clone(),
                native_id: thread.native.id.clone(),
            },
            false,
        ),
        (
            Guard::ReachIs {
                lane: thread.lane,
                heard_at: START,
                reply_used: 0,
            },
            true,
        ),
        (
            Guard::NoNative {
                account: thread.account.clone(),
                native: "n1".into(),
            },
            false,
        ),
    ];
    let kinds: BTreeSet<_> = cases
        .iter()
        .map(|(guard, _)| kind_of_guard(guard))
        .collect();
    assert_eq!(kinds, GUARDS.iter().copied().collect());
    for (guard, holds_here) in cases {
        for (side, holds) in [(&thread, holds_here), (&foreign, !holds_here)] {
            let outcome = side.try_guard(&*store, guard.clone()).await;
            assert_eq!(
                outcome == Outcome::Committed,
                holds,
                "{guard:?} in {}",
                side.workspace
            );
        }
    }
}

pub async fn event_numbers_are_each_workspaces_own(backend: &dyn Backend) {
    let store = backend.open().await;
    let a = Thread::of(WorkspaceId::new("a"), "t");
    let b = a.in_workspace("b");
    for thread in [&a, &b, &a, &a, &b] {
        thread
            .write(&*store, vec![Write::EventPut(thread.event("x"))])
            .await;
    }
    for (thread, expected) in [(&a, vec![1, 2, 3]), (&b, vec![1, 2])] {
        let events = store.events(&thread.workspace, 0, 9).await.unwrap();
        let numbers: Vec<_> = events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, expected);
    }
}

const WRITES: &[&str] = &[
    "InboxPut",
    "InboxDone",
    "InboxDead",
    "LanePut",
    "ConversationPut",
    "ContactPut",
    "MessagePut",
    "MessageChange",
    "MessageDelivery",
    "EventPut",
    "OutboxPut",
    "OutboxState",
    "Heard",
    "ReplyGiven",
    "ReachSent",
    "ReplyUsed",
    "NativePut",
    "ReceiptPark",
    "ReceiptUnpark",
    "UnknownPut",
    "FetchPut",
    "FetchDone",
    "LeasesEnd",
    "TimerPut",
    "TimerCancel",
    "TimerFired",
    "ActionPut",
    "ActionDone",
    "ActionCancel",
    "OncePut",
    "JournalPut",
    "TicketPut",
    "KvPut",
    "KvDelete",
    "FilePut",
    "SecretPut",
    "SecretErase",
    "PackPut",
    "PackActivate",
];

/// A new write belongs here, in [`WRITES`] and in [`Rows::attacks`].
fn kind_of_write(write: &Write) -> &'static str {
    match write {
        Write::InboxPut(_) => "InboxPut",
        Write::InboxDone(_) => "InboxDone",
        Write::InboxDead { .. } => "InboxDead",
        Write::LanePut(_) => "LanePut",
        Write::ConversationPut(_) => "ConversationPut",
        Write::ContactPut(_) => "ContactPut",
        Write::MessagePut(_) => "MessagePut",
        Write::MessageChange(_) => "MessageChange",
        Write::MessageDelivery { .. } => "MessageDelivery",
        Write::EventPut(_) => "EventPut",
        Write::OutboxPut(_) => "OutboxPut",
        Write::OutboxState { .. } => "OutboxState",
        Write::Heard { .. } => "Heard",
        Write::ReplyGiven { .. } => "ReplyGiven",
        Write::ReachSent(_) => "ReachSent",
        Write::ReplyUsed(_) => "ReplyUsed",
        Write::NativePut(_) => "NativePut",
        Write::ReceiptPark(_) => "ReceiptPark",
        Write::ReceiptUnpark { .. } => "ReceiptUnpark",
        Write::UnknownPut(_) => "UnknownPut",
        Write::FetchPut(_) => "FetchPut",
        Write::FetchDone(_) => "FetchDone",
        Write::LeasesEnd(_) => "LeasesEnd",
        Write::TimerPut(_) => "TimerPut",
        Write::TimerCancel { .. } => "TimerCancel",
        Write::TimerFired(_) => "TimerFired",
        Write::ActionPut(_) => "ActionPut",
        Write::ActionDone { .. } => "ActionDone",
        Write::ActionCancel(_) => "ActionCancel",
        Write::OncePut(_) => "OncePut",
        Write::JournalPut(_) => "JournalPut",
        Write::TicketPut(_) => "TicketPut",
        Write::KvPut { .. } => "KvPut",
        Write::KvDelete { .. } => "KvDelete",
        Write::FilePut(_) => "FilePut",
        Write::SecretPut { .. } => "SecretPut",
        Write::SecretErase { .. } => "SecretErase",
        Write::PackPut(_) => "PackPut",
        Write::PackActivate { .. } => "PackActivate",
    }
}

const GUARDS: &[&str] = &[
    "NotAccepted",
    "InboxPending",
    "LaneVersion",
    "ControlEpoch",
    "TimerSet",
    "ActionPending",
    "OutboxLease",
    "OutboxReady",
    "NoClientId",
    "OnceFree",
    "NoContact",
    "LineOfLane",
    "ReachIs",
    "NoNative",
];

/// A new guard belongs here, in [`GUARDS`] and in the cases above.
fn kind_of_guard(guard: &Guard) -> &'static str {
    match guard {
        Guard::NotAccepted { .. } => "NotAccepted",
        Guard::InboxPending(_) => "InboxPending",
        Guard::LaneVersion { .. } => "LaneVersion",
        Guard::ControlEpoch { .. } => "ControlEpoch",
        Guard::TimerSet(_) => "TimerSet",
        Guard::ActionPending(_) => "ActionPending",
        Guard::OutboxLease { .. } => "OutboxLease",
        Guard::OutboxReady(_) => "OutboxReady",
        Guard::NoClientId { .. } => "NoClientId",
        Guard::OnceFree { .. } => "OnceFree",
        Guard::NoContact { .. } => "NoContact",
        Guard::LineOfLane { .. } => "LineOfLane",
        Guard::ReachIs { .. } => "ReachIs",
        Guard::NoNative { .. } => "NoNative",
    }
}
