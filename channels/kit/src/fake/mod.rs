//! Stand-ins for tests and examples: a sink that keeps everything in memory, and
//! [`platform::FarPlatform`], which answers over HTTP as it is told.

pub mod platform;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tandem_domain::{
    AccountId, ConversationId, FileId, InboxId, LaneId, MessageId, OutboxId, Timestamp,
    WorkspaceId,
    bus::{Heard, Listener, Signal},
    channel::{Receipt, SendError},
    message::{
        Author, Content, Delivery, Inbound, InboundKind, NativeConversation, Outbound, SendOp,
    },
    store::{FileRow, Message, Visibility},
};
use tokio::sync::broadcast;

use crate::{Accepted, Account, Claim, File, InboxError, NewFile, ReplyClaim, Sink};

/// Answers an event at once; what it returns is said by the bot.
pub type Bot = Box<dyn Fn(&Inbound) -> Vec<Content> + Send + Sync>;

/// A sink in memory: one conversation a lane, transcripts, files, signals, and a bot if wanted.
/// Shared by its clones.
#[derive(Clone, Default)]
pub struct MemorySink {
    inner: Arc<Mutex<Inner>>,
    bot: Option<Arc<Bot>>,
}

#[derive(Default)]
struct Inner {
    accepted: HashMap<(AccountId, String), InboxId>,
    events: Vec<Inbound>,
    lanes: HashMap<LaneId, Lane>,
    turns: HashMap<InboxId, (LaneId, usize, usize)>,
    files: HashMap<(WorkspaceId, FileId), File>,
    receipts: Vec<(LaneId, MessageId, Delivery)>,
    unknown: Vec<(AccountId, String, Vec<u8>)>,
    addresses: HashMap<String, Account>,
    waits: Vec<Duration>,
    /// What the next in-band answer claims.
    offered: Option<Vec<Outbound>>,
    /// How each claim ended: written or not; none where nobody ended it.
    claims: Vec<Option<bool>>,
    failure: Option<InboxError>,
}

struct Lane {
    conversation: ConversationId,
    messages: Vec<Message>,
    signals: broadcast::Sender<Signal>,
}

impl Lane {
    fn new() -> Self {
        Self {
            conversation: ConversationId::fresh(),
            messages: Vec::new(),
            signals: broadcast::channel(64).0,
        }
    }

    fn push(&mut self, lane: LaneId, author: Author, content: Content, client_id: Option<String>) {
        let seq = self.messages.len() as u64 + 1;
        self.messages.push(Message {
            id: MessageId::fresh(),
            conversation: self.conversation,
            lane,
            seq,
            author,
            content,
            visibility: Visibility::Public,
            client_id,
            delivery: None,
            delivery_code: None,
            changed: None,
            created_at: Timestamp::now(),
        });
    }

    fn announce(&self, lane: LaneId) {
        // Nobody listening is not an error.
        let _ = self.signals.send(Signal::Transcript {
            lane,
            conversation: self.conversation,
            seq: self.messages.len() as u64,
        });
    }
}

impl MemorySink {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with_bot(bot: impl Fn(&Inbound) -> Vec<Content> + Send + Sync + 'static) -> Self {
        Self {
            bot: Some(Arc::new(Box::new(bot))),
            ..Self::default()
        }
    }

    /// Says something in a lane, as the engine or a person would.
    pub fn say(&self, lane: LaneId, author: Author, content: Content) {
        let mut inner = self.lock();
        let entry = inner.lanes.entry(lane).or_insert_with(Lane::new);
        entry.push(lane, author, content, None);
        entry.announce(lane);
    }

    /// The next call that commits fails like this.
    pub fn fail_next(&self, error: InboxError) {
        self.lock().failure = Some(error);
    }

    /// Every event accepted so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Inbound> {
        self.lock().events.clone()
    }

    #[must_use]
    pub fn receipts(&self) -> Vec<(LaneId, MessageId, Delivery)> {
        self.lock().receipts.clone()
    }

    /// What was kept because nobody understood it: account, reason, bytes.
    #[must_use]
    pub fn unknown(&self) -> Vec<(AccountId, String, Vec<u8>)> {
        self.lock().unknown.clone()
    }

    /// How long each in-band reply was waited for.
    #[must_use]
    pub fn waits(&self) -> Vec<Duration> {
        self.lock().waits.clone()
    }

    /// The next in-band answer that is waited for is this.
    pub fn claim_next(&self, outbound: Vec<Outbound>) {
        self.lock().offered = Some(outbound);
    }

    /// How each claim ended: written or not; none where nobody has ended it.
    #[must_use]
    pub fn claims(&self) -> Vec<Option<bool>> {
        self.lock().claims.clone()
    }

    /// Makes an account known under an address of its platform.
    pub fn know(&self, address: &str, account: Account) {
        self.lock().addresses.insert(address.to_owned(), account);
    }

    /// Every line of a lane.
    #[must_use]
    pub fn messages(&self, lane: LaneId) -> Vec<Message> {
        self.lock()
            .lanes
            .get(&lane)
            .map(|l| l.messages.clone())
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Sink for MemorySink {
    async fn accept(
        &self,
        account: &Account,
        events: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, InboxError> {
        let mut inner = self.lock();
        if let Some(error) = inner.failure.take() {
            return Err(error);
        }
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            let key = (account.id.clone(), event.id.clone());
            if let Some(id) = inner.accepted.get(&key) {
                answers.push(Accepted::Duplicate(*id));
                continue;
            }
            let id = InboxId::fresh();
            inner.accepted.insert(key, id);
            let lane = event.lane(&account.workspace);
            let client_id = event.message_id.clone().unwrap_or_else(|| event.id.clone());
            let line = match &event.kind {
                InboundKind::Message => Some(Content {
                    parts: event.parts.clone(),
                    choices: Vec::new(),
                    quote: event.quote.clone(),
                }),
                InboundKind::Action { value, label } => {
                    Some(Content::text(label.as_ref().unwrap_or(value)))
                }
                _ => None,
            };
            let replies = self.bot.as_ref().map(|bot| bot(&event)).unwrap_or_default();
            let entry = inner.lanes.entry(lane).or_insert_with(Lane::new);
            let from = entry.messages.len();
            if let Some(content) = line {
                entry.push(lane, Author::Contact, content, Some(client_id));
            }
            for content in replies {
                entry.push(lane, Author::Bot, content, None);
            }
            let to = entry.messages.len();
            if to > from {
                entry.announce(lane);
            }
            inner.turns.insert(id, (lane, from, to));
            inner.events.push(event);
            answers.push(Accepted::New(id));
        }
        Ok(answers)
    }

    async fn reply_within(
        &self,
        _account: &Account,
        _id: InboxId,
        limit: Duration,
        _most: usize,
    ) -> Option<ReplyClaim> {
        let mut inner = self.lock();
        inner.waits.push(limit);
        let outbound = inner.offered.take()?;
        inner.claims.push(None);
        let claim = MemoryClaim {
            sink: self.clone(),
            number: inner.claims.len() - 1,
        };
        Some(ReplyClaim::new(outbound, Box::new(claim)))
    }

    async fn settled(
        &self,
        _account: &Account,
        id: InboxId,
        _limit: Duration,
    ) -> Option<Arc<Vec<Message>>> {
        let inner = self.lock();
        let (lane, from, to) = inner.turns.get(&id)?;
        Some(Arc::new(
            inner.lanes.get(lane)?.messages[*from..*to].to_vec(),
        ))
    }

    async fn transcript(
        &self,
        _account: &Account,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, InboxError> {
        let inner = self.lock();
        let Some(lane) = inner.lanes.get(&lane) else {
            return Ok(Vec::new());
        };
        let known = after.and_then(|id| lane.messages.iter().position(|m| m.id == id));
        Ok(match known {
            Some(at) => lane.messages[at + 1..]
                .iter()
                .take(limit)
                .cloned()
                .collect(),
            None => lane.messages[lane.messages.len().saturating_sub(limit)..].to_vec(),
        })
    }

    async fn receipt(
        &self,
        _account: &Account,
        lane: LaneId,
        up_to: MessageId,
        status: Delivery,
    ) -> Result<(), InboxError> {
        self.lock().receipts.push((lane, up_to, status));
        Ok(())
    }

    fn typing(&self, _account: &Account, lane: LaneId, agent: bool) {
        let mut inner = self.lock();
        let entry = inner.lanes.entry(lane).or_insert_with(Lane::new);
        let _ = entry.signals.send(Signal::Typing { lane, agent });
    }

    fn listen(&self, _account: &Account, lane: LaneId) -> Box<dyn Listener> {
        let mut inner = self.lock();
        let entry = inner.lanes.entry(lane).or_insert_with(Lane::new);
        Box::new(Ear(entry.signals.subscribe()))
    }

    async fn store_file(
        &self,
        account: &Account,
        lane: LaneId,
        file: NewFile,
    ) -> Result<FileRow, InboxError> {
        let mut inner = self.lock();
        if let Some(error) = inner.failure.take() {
            return Err(error);
        }
        let row = FileRow {
            id: FileId::fresh(),
            lane,
            name: file.name,
            mime: file.mime,
            size: file.bytes.len() as u64,
            created_at: Timestamp::now(),
        };
        inner.files.insert(
            (account.workspace.clone(), row.id),
            File {
                row: row.clone(),
                bytes: file.bytes,
            },
        );
        Ok(row)
    }

    fn account(&self, account: &Account, address: &str) -> Option<Account> {
        let found = self.lock().addresses.get(address).cloned()?;
        (found.workspace == account.workspace && found.channel == account.channel).then_some(found)
    }

    async fn keep_unknown(
        &self,
        account: &Account,
        reason: String,
        body: Vec<u8>,
    ) -> Result<(), InboxError> {
        let mut inner = self.lock();
        if let Some(error) = inner.failure.take() {
            return Err(error);
        }
        inner.unknown.push((account.id.clone(), reason, body));
        Ok(())
    }

    async fn load_file(&self, account: &Account, id: FileId) -> Result<Option<File>, InboxError> {
        let file = (account.workspace.clone(), id);
        Ok(self.lock().files.get(&file).cloned())
    }
}

struct MemoryClaim {
    sink: MemorySink,
    number: usize,
}

#[async_trait]
impl Claim for MemoryClaim {
    async fn written(self: Box<Self>, _: Receipt) {
        self.sink.lock().claims[self.number] = Some(true);
    }

    async fn failed(self: Box<Self>, _: SendError) {
        self.sink.lock().claims[self.number] = Some(false);
    }
}

struct Ear(broadcast::Receiver<Signal>);

#[async_trait]
impl Listener for Ear {
    async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(signal) => Heard::Signal(signal),
            Err(broadcast::error::RecvError::Lagged(_)) => Heard::Missed,
            Err(broadcast::error::RecvError::Closed) => Heard::Closed,
        }
    }
}

/// An account of a channel in the default workspace.
#[must_use]
pub fn account(channel: &str, id: &str) -> Account {
    Account {
        workspace: WorkspaceId::default(),
        id: AccountId::new(id),
        channel: channel.to_owned(),
    }
}

/// A message as the outbox would hand it to `send`.
#[must_use]
pub fn outbound(account: &Account, native: &str, content: Content) -> Outbound {
    let conversation = NativeConversation {
        kind: tandem_domain::message::ConversationKind::Dm,
        id: native.to_owned(),
        thread: None,
    };
    Outbound {
        uuid: OutboxId::fresh(),
        workspace: account.workspace.clone(),
        account: account.id.clone(),
        lane: conversation.lane(&account.workspace, &account.id),
        conversation_id: ConversationId::fresh(),
        conversation,
        content,
        op: SendOp::Send,
        seq: 1,
        author: Author::Bot,
        choice_style: None,
        more: false,
        also: Vec::new(),
        last_inbound_id: None,
        reply_context: None,
    }
}
