//! Rows to write.

use serde_json::json;
use tandem_domain::{
    AccountId, ActionId, ContactId, ConversationId, FileId, InboxId, LaneId, Locale, Map,
    MessageId, OutboxId, TicketId, TimerId, Timestamp, WorkspaceId,
    action::{Meta, Request},
    conversation::{Control, Conversation, Handoff, HandoffMode, Priority, RoutingState, Status},
    message::{
        Author, Content, ConversationKind, Delivery, Inbound, InboundKind, NativeConversation,
        Outbound, Part, SendOp, Sender,
    },
    store::{
        ActionRow, Commit, Contact, Event, FileRow, Guard, InboxRow, InboxState, JournalRow,
        LaneRow, Message, Once, OnceRow, OutboxRow, OutboxState, Outcome, PackRow, Store, Ticket,
        TimerRow, Visibility, Write,
    },
};

/// An instant to count from.
pub const START: Timestamp = Timestamp(1_760_000_000_000);

/// `START` and some milliseconds.
#[must_use]
pub fn at(millis: i64) -> Timestamp {
    Timestamp(START.0 + millis)
}

/// A lane with its conversation and contact, and rows that belong to it.
#[derive(Clone, Debug)]
pub struct Thread {
    pub workspace: WorkspaceId,
    pub account: AccountId,
    pub native: NativeConversation,
    pub lane: LaneId,
    pub conversation: ConversationId,
    pub contact: ContactId,
}

impl Thread {
    /// A thread of the default workspace.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::of(WorkspaceId::default(), name)
    }

    #[must_use]
    pub fn of(workspace: WorkspaceId, name: &str) -> Self {
        let account = AccountId::new("web-1");
        let native = NativeConversation {
            kind: ConversationKind::Dm,
            id: name.to_owned(),
            thread: None,
        };
        Self {
            lane: native.lane(&workspace, &account),
            workspace,
            account,
            native,
            conversation: ConversationId::fresh(),
            contact: ContactId::fresh(),
        }
    }

    /// The same ids in another workspace.
    #[must_use]
    pub fn in_workspace(&self, workspace: &str) -> Self {
        Self {
            workspace: WorkspaceId::new(workspace),
            ..self.clone()
        }
    }

    /// The next conversation on the same lane.
    #[must_use]
    pub fn rolled_over(&self) -> Self {
        Self {
            conversation: ConversationId::fresh(),
            ..self.clone()
        }
    }

    /// A commit of these writes without guards.
    #[must_use]
    pub fn commit(&self, writes: Vec<Write>) -> Commit {
        self.guarded(Vec::new(), writes)
    }

    #[must_use]
    pub fn guarded(&self, guards: Vec<Guard>, writes: Vec<Write>) -> Commit {
        Commit {
            workspace: self.workspace.clone(),
            guards,
            writes,
        }
    }

    /// Commits the writes and expects it to succeed.
    pub async fn write(&self, store: &dyn Store, writes: Vec<Write>) {
        let outcome = store.commit(self.commit(writes)).await.unwrap();
        assert_eq!(outcome, Outcome::Committed);
    }

    /// The outcome of a commit that has this guard and writes a marker.
    pub async fn try_guard(&self, store: &dyn Store, guard: Guard) -> Outcome {
        let marker = Write::KvPut {
            scope: "marker".into(),
            key: "last".into(),
            value: json!(1),
            expires_at: None,
        };
        store
            .commit(self.guarded(vec![guard], vec![marker]))
            .await
            .unwrap()
    }

    #[must_use]
    pub fn inbound(&self, id: &str) -> Inbound {
        Inbound {
            id: id.to_owned(),
            channel: "web".into(),
            account: self.account.clone(),
            conversation: self.native.clone(),
            sender: Sender {
                id: "visitor-1".into(),
                name: Some("Ann".into()),
                is_self: false,
                locale: Some(Locale::new("en")),
            },
            ts: START,
            kind: InboundKind::Message,
            message_id: Some(id.to_owned()),
            parts: vec![Part::text("Where is my order 12345678?")],
            quote: None,
            mentions_me: false,
            album: None,
            reply_context: None,
        }
    }

    #[must_use]
    pub fn inbox(&self, dedupe: &str) -> InboxRow {
        InboxRow {
            id: InboxId::fresh(),
            account: self.account.clone(),
            dedupe: dedupe.to_owned(),
            lane: self.lane,
            event: self.inbound(dedupe),
            received_at: START,
            state: InboxState::Pending,
            attempts: 0,
        }
    }

    #[must_use]
    pub fn lane(&self, version: u64) -> LaneRow {
        LaneRow {
            id: self.lane,
            version,
            conversation: self.conversation,
            contact: self.contact,
            format: 1,
            state: b"{\"frames\":[{\"flow\":\"return\",\"step\":\"order_no\",\"slots\":{}}]}"
                .to_vec(),
        }
    }

    #[must_use]
    pub fn conversation(&self) -> Conversation {
        Conversation {
            id: self.conversation,
            lane: self.lane,
            contact: self.contact,
            channel: "web".into(),
            account: self.account.clone(),
            native: self.native.clone(),
            locale: Locale::new("en"),
            status: Status::Pending,
            routing_state: RoutingState::None,
            control: Control::Bot,
            control_epoch: 0,
            session: 1,
            last_seq: 0,
            handoff: None,
            assignee: None,
            tags: Vec::new(),
            outcome: None,
            previous: None,
            created_at: START,
            updated_at: START,
            resolved_at: None,
        }
    }

    /// The conversation as it waits for a person.
    #[must_use]
    pub fn queued(&self, skill: &str) -> Conversation {
        Conversation {
            status: Status::Open,
            routing_state: RoutingState::Queued,
            control: Control::Human,
            control_epoch: 1,
            handoff: Some(Handoff {
                skill: skill.to_owned(),
                priority: Priority::High,
                mode: HandoffMode::Queue,
                summary: Some("wants a refund".into()),
                tags: vec!["refund".into()],
                waiting_since: START,
            }),
            ..self.conversation()
        }
    }

    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact {
            id: self.contact,
            account: self.account.clone(),
            native_id: self.native.id.clone(),
            name: Some("Ann".into()),
            locale: Some(Locale::new("en")),
            attributes: Map::from_iter([("tier".to_owned(), json!("gold"))]),
            created_at: START,
        }
    }

    #[must_use]
    pub fn message(&self, seq: u64) -> Message {
        Message {
            id: MessageId::fresh(),
            conversation: self.conversation,
            lane: self.lane,
            seq,
            author: Author::Contact,
            content: Content::text("Where is my order 12345678?"),
            visibility: Visibility::Public,
            client_id: None,
            delivery: None,
            delivery_code: None,
            changed: None,
            created_at: START,
        }
    }

    /// A line of the bot, under an id of ours.
    #[must_use]
    pub fn our_message(&self, seq: u64, client_id: &str) -> Message {
        Message {
            author: Author::Bot,
            client_id: Some(client_id.to_owned()),
            ..self.message(seq)
        }
    }

    #[must_use]
    pub fn event(&self, name: &str) -> Event {
        Event {
            seq: 0,
            name: name.to_owned(),
            conversation: Some(self.conversation),
            data: json!({"by": "test"}),
            at: START,
        }
    }

    /// A row that is ready at `START`.
    #[must_use]
    pub fn outbox(&self, seq: u64) -> OutboxRow {
        OutboxRow {
            outbound: Outbound {
                uuid: OutboxId(MessageId::fresh().0),
                workspace: self.workspace.clone(),
                account: self.account.clone(),
                lane: self.lane,
                conversation_id: self.conversation,
                conversation: self.native.clone(),
                content: Content::text("It is on its way and should be with you on Friday."),
                op: SendOp::Send,
                seq,
                author: Author::Bot,
                choice_style: None,
                more: false,
                also: Vec::new(),
                last_inbound_id: None,
                reply_context: None,
            },
            message: MessageId::fresh(),
            state: OutboxState::Ready {
                attempts: 0,
                not_before: START,
            },
            tried_at: None,
            created_at: START,
        }
    }

    #[must_use]
    pub fn timer(&self, key: &str, due_at: Timestamp) -> TimerRow {
        TimerRow {
            id: TimerId::fresh(),
            lane: self.lane,
            key: key.to_owned(),
            due_at,
            payload: json!({"step": key}),
        }
    }

    #[must_use]
    pub fn action(&self, key: &str) -> ActionRow {
        ActionRow {
            id: ActionId::fresh(),
            lane: self.lane,
            conversation: self.conversation,
            key: key.to_owned(),
            request: Request::Http {
                connection: "shop".into(),
                operation: "find_order".into(),
                args: json!({"number": "12345678"}),
            },
            meta: Meta {
                workspace: self.workspace.clone(),
                conversation: self.conversation,
                contact: self.contact,
                locale: Locale::new("en"),
                pack: "abc".into(),
                now: START,
                timeout_ms: 5000,
                retries: Some(1),
                idempotency_key: Some("k".into()),
                write: false,
            },
            once: Some(Once {
                key: "return".into(),
                for_ms: 1000,
            }),
            started: false,
            created_at: START,
            result: None,
        }
    }

    #[must_use]
    pub fn once(&self, key: &str, expires_at: Timestamp) -> OnceRow {
        OnceRow {
            contact: self.contact,
            key: key.to_owned(),
            action: ActionId::fresh(),
            expires_at,
            result: Some(json!({"label_url": "https://x.test/l"})),
        }
    }

    #[must_use]
    pub fn journal(&self, version: u64) -> JournalRow {
        JournalRow {
            lane: self.lane,
            conversation: self.conversation,
            version,
            at: START,
            body: vec![0x7b; 400],
        }
    }

    #[must_use]
    pub fn ticket(&self) -> Ticket {
        Ticket {
            id: TicketId::fresh(),
            conversation: self.conversation,
            contact: self.contact,
            title: "Call back".into(),
            skill: "orders".into(),
            priority: Priority::Normal,
            status: "open".into(),
            kind: "callback".into(),
            fields: Map::from_iter([("phone".to_owned(), json!("+49"))]),
            created_at: START,
        }
    }

    #[must_use]
    pub fn file(&self) -> FileRow {
        FileRow {
            id: FileId::fresh(),
            lane: self.lane,
            name: "photo.jpg".into(),
            mime: "image/jpeg".into(),
            size: 12_345,
            created_at: START,
        }
    }

    #[must_use]
    pub fn kv(&self, key: &str, value: i64) -> Write {
        Write::KvPut {
            scope: "pack".into(),
            key: key.to_owned(),
            value: json!(value),
            expires_at: None,
        }
    }

    /// One whole turn: an event accepted and answered, in one commit. `version` is the lane's
    /// after it.
    #[must_use]
    pub fn turn(&self, version: u64) -> Commit {
        let mut inbox = self.inbox(&format!("{}-{version}", self.native.id));
        inbox.state = InboxState::Done;
        let mut conversation = self.conversation();
        conversation.last_seq = version * 2;
        conversation.updated_at = at(i64::try_from(version).unwrap());
        let question = self.message(version * 2 - 1);
        let mut answer = self.message(version * 2);
        answer.author = Author::Bot;
        answer.delivery = Some(Delivery::Queued);
        let mut outbox = self.outbox(version * 2);
        outbox.message = answer.id;
        self.guarded(
            vec![
                Guard::NotAccepted {
                    account: self.account.clone(),
                    dedupe: inbox.dedupe.clone(),
                },
                Guard::LaneVersion {
                    lane: self.lane,
                    version: version.checked_sub(1).filter(|before| *before > 0),
                },
            ],
            vec![
                Write::InboxPut(inbox),
                Write::LanePut(self.lane(version)),
                Write::ConversationPut(Box::new(conversation)),
                Write::MessagePut(question),
                Write::MessagePut(answer),
                Write::OutboxPut(Box::new(outbox)),
                Write::JournalPut(self.journal(version)),
            ],
        )
    }
}

/// A version of a pack.
#[must_use]
pub fn pack(name: &str, hash: &str, structure: &str, created_at: Timestamp) -> PackRow {
    PackRow {
        name: name.to_owned(),
        hash: hash.to_owned(),
        structure: structure.to_owned(),
        files: vec![(
            "pack.yaml".to_owned(),
            format!("name: {name}\n# 版本 {hash}"),
        )],
        created_at,
    }
}
