//! The way in: a channel hands events to its [`Inbox`], which cleans them, caps them, drops echoes
//! and passes them on to the [`Sink`] that the engine implements.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::body::Bytes;
use tandem_domain::{
    AccountId, FileId, InboxId, LaneId, MessageId, WorkspaceId,
    bus::Listener,
    channel::{Receipt, SendError},
    message::{Delivery, Inbound, InboundKind, NativeConversation, Outbound, Part},
    store::{FileRow, Message, StoreError},
};

use crate::clean;

/// The configured account that events come by and messages leave by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    pub workspace: WorkspaceId,
    pub id: AccountId,
    /// The adapter's name: `web`, `telegram`.
    pub channel: String,
}

/// What became of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Committed now.
    New(InboxId),
    /// Committed before, under this id; nothing happens again.
    Duplicate(InboxId),
    /// Not meant for the inbox: our own message coming back, or nothing left of it after cleaning.
    Skipped,
}

impl Accepted {
    #[must_use]
    pub fn id(self) -> Option<InboxId> {
        match self {
            Self::New(id) | Self::Duplicate(id) => Some(id),
            Self::Skipped => None,
        }
    }
}

/// Why events were not accepted. Nothing of the batch was committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// Try again: locked, overloaded or shutting down. A webhook answers 503.
    #[error("the inbox is not available: {0}")]
    Unavailable(String),
    /// The disk or the quota is full. A webhook answers 503, too: the platform keeps the event.
    #[error("the inbox is full: {0}")]
    Full(String),
    /// No event of this shape is ever accepted; repeating it cannot help.
    #[error("not a usable event: {0}")]
    Invalid(String),
    /// Something is larger than allowed.
    #[error("{what} is larger than {max}")]
    TooLarge { what: &'static str, max: u64 },
    /// A person has to look at it.
    #[error("the inbox failed: {0}")]
    Failed(String),
}

impl InboxError {
    /// Whether the event itself is at fault, so that it can never be accepted.
    #[must_use]
    pub fn is_of_the_event(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::TooLarge { .. })
    }
}

impl From<StoreError> for InboxError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::Full(why) => Self::Full(why),
            StoreError::Corrupt(why) => Self::Failed(why),
        }
    }
}

/// A file before it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Shown to people, never used as a path.
    pub name: String,
    /// As found in the bytes.
    pub mime: String,
    pub bytes: Bytes,
}

/// A stored file with its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub row: FileRow,
    pub bytes: Bytes,
}

/// What stands behind every inbox; the engine implements it, [`MemorySink`] in tests.
///
/// [`MemorySink`]: crate::fake::MemorySink
///
/// All calls come with the account, whose workspace bounds what may be read or written.
///
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Commits all events in one transaction, durably, before it returns; one answer an event,
    /// in order. Events are clean, within the limits and never our own.
    ///
    /// A transcript line made from an event has the event's `message_id` (else its `id`) as
    /// `client_id`.
    async fn accept(
        &self,
        account: &Account,
        events: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, InboxError>;

    /// Waits for the outbox rows that the event causes and claims the first of them, at most
    /// `most`, so that the caller can write them into the answer of the platform's own request;
    /// the others leave by the outbox. `None` after `limit`.
    async fn reply_within(
        &self,
        account: &Account,
        id: InboxId,
        limit: Duration,
        most: usize,
    ) -> Option<ReplyClaim>;

    /// Waits until the event is worked off and gives the public lines its turn wrote, the
    /// customer's own first. `None` when `limit` passes before that, or when nobody here remembers
    /// the event any more: read the transcript then.
    async fn settled(
        &self,
        account: &Account,
        id: InboxId,
        limit: Duration,
    ) -> Option<Arc<Vec<Message>>>;

    /// Public lines of the lane over all its conversations, oldest first. With `after`, the first
    /// `limit` lines after that one; without, the last `limit` lines. An `after` that the lane
    /// does not know counts as absent.
    async fn transcript(
        &self,
        account: &Account,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, InboxError>;

    /// The customer's side has received or read everything we wrote up to this line.
    async fn receipt(
        &self,
        account: &Account,
        lane: LaneId,
        up_to: MessageId,
        status: Delivery,
    ) -> Result<(), InboxError>;

    /// Somebody is writing: an agent (or the bot), else the customer. Never stored.
    fn typing(&self, account: &Account, lane: LaneId, agent: bool);

    /// Signals of the lane from now on.
    fn listen(&self, account: &Account, lane: LaneId) -> Box<dyn Listener>;

    /// Stores a file that the lane may read, outside the database, durably.
    async fn store_file(
        &self,
        account: &Account,
        lane: LaneId,
        file: NewFile,
    ) -> Result<FileRow, InboxError>;

    /// The account of the same channel and workspace that has this name, or that the platform
    /// knows by this address.
    fn account(&self, account: &Account, address: &str) -> Option<Account>;

    /// Keeps what was the platform's and not understood, for a person to look at, durably.
    async fn keep_unknown(
        &self,
        account: &Account,
        reason: String,
        body: Vec<u8>,
    ) -> Result<(), InboxError>;

    /// The file with its bytes; `None` when the workspace has none of that id.
    async fn load_file(&self, account: &Account, id: FileId) -> Result<Option<File>, InboxError>;
}

/// Outbox rows that one caller may send in-band.
///
/// End it with [`written`](Self::written) or [`failed`](Self::failed). Dropped without either,
/// the rows stand as uncertain: their bytes may have left.
pub struct ReplyClaim {
    pub outbound: Vec<Outbound>,
    claim: Box<dyn Claim>,
}

/// What the outbox does when a claim ends; its `Drop` covers a claim that nobody ended.
#[async_trait]
pub trait Claim: Send + Sync {
    async fn written(self: Box<Self>, receipt: Receipt);
    async fn failed(self: Box<Self>, error: SendError);
}

impl ReplyClaim {
    #[must_use]
    pub fn new(outbound: Vec<Outbound>, claim: Box<dyn Claim>) -> Self {
        Self { outbound, claim }
    }

    /// The platform took the messages.
    pub async fn written(self, receipt: Receipt) {
        self.claim.written(receipt).await;
    }

    /// The platform did not; the outbox goes on from this error.
    pub async fn failed(self, error: SendError) {
        self.claim.failed(error).await;
    }
}

impl fmt::Debug for ReplyClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyClaim")
            .field("outbound", &self.outbound)
            .finish_non_exhaustive()
    }
}

/// How much of an event is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events in one call.
    pub events: usize,
    /// Bytes of all text in one event; what is over is cut off at a whole character.
    pub text: usize,
    /// Parts of one event; what is over is dropped.
    pub parts: usize,
    /// Bytes of an id, value, label, name or reference.
    pub field: usize,
    /// Bytes of a system event's data as JSON.
    pub data: usize,
    /// Bytes kept of something that was not understood.
    pub unknown: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events: 500,
            text: 16 * 1024,
            parts: 32,
            field: 2048,
            data: 16 * 1024,
            unknown: 64 * 1024,
        }
    }
}

/// A channel's handle on the inbox. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    account: Arc<Account>,
    sink: Arc<dyn Sink>,
    limits: Limits,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Inbox {
    #[must_use]
    pub fn new(account: Account, sink: Arc<dyn Sink>) -> Self {
        Self {
            account: Arc::new(account),
            sink,
            limits: Limits::default(),
        }
    }

    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The lane of a native conversation of this account.
    #[must_use]
    pub fn lane(&self, conversation: &NativeConversation) -> LaneId {
        conversation.lane(&self.account.workspace, &self.account.id)
    }

    /// Commits the events, all or none; one answer an event, in order. Texts are cleaned and
    /// capped first, and what our own account said is skipped.
    ///
    /// # Errors
    /// [`InboxError::Unavailable`] and [`Full`](InboxError::Full): let the platform try again.
    /// The others: trying again cannot help.
    pub async fn accept(&self, events: Vec<Inbound>) -> Result<Vec<Accepted>, InboxError> {
        if events.len() > self.limits.events {
            return Err(InboxError::TooLarge {
                what: "a batch of events",
                max: self.limits.events as u64,
            });
        }
        let mut answers = Vec::with_capacity(events.len());
        let mut kept = Vec::with_capacity(events.len());
        for event in events {
            let kept_one = self.admit(event)?;
            answers.push(kept_one.is_none());
            kept.extend(kept_one);
        }
        if kept.is_empty() {
            return Ok(vec![Accepted::Skipped; answers.len()]);
        }
        let expected = kept.len();
        let accepted = self.sink.accept(&self.account, kept).await?;
        if accepted.len() != expected {
            return Err(InboxError::Failed(format!(
                "{expected} events were handed in and {} answered",
                accepted.len()
            )));
        }
        let mut accepted = accepted.into_iter();
        Ok(answers
            .into_iter()
            .map(|skipped| match skipped {
                true => Accepted::Skipped,
                false => accepted.next().unwrap_or(Accepted::Skipped),
            })
            .collect())
    }

    /// Keeps something that was verified and not understood, with an alert; the platform is then
    /// told that all is well, because sending it again would change nothing. What is very long is
    /// cut.
    ///
    /// # Errors
    /// When it cannot be stored: let the platform try again.
    pub async fn accept_unknown(&self, reason: &str, raw: &[u8]) -> Result<(), InboxError> {
        let reason = clean::line(reason, 500);
        let body = raw[..raw.len().min(self.limits.unknown)].to_vec();
        self.sink.keep_unknown(&self.account, reason, body).await
    }

    /// The inbox of the account that the platform knows by this address, or that is configured
    /// under this name: where one web address serves several accounts, an event says which one it
    /// is for. Only accounts of this channel and workspace are found.
    #[must_use]
    pub fn of(&self, address: &str) -> Option<Self> {
        if address == self.account.id.as_str() {
            return Some(self.clone());
        }
        let account = self.sink.account(&self.account, address)?;
        Some(Self {
            account: Arc::new(account),
            ..self.clone()
        })
    }

    /// See [`Sink::reply_within`].
    pub async fn reply_within(
        &self,
        id: InboxId,
        limit: Duration,
        most: usize,
    ) -> Option<ReplyClaim> {
        self.sink.reply_within(&self.account, id, limit, most).await
    }

    /// See [`Sink::settled`].
    pub async fn settled(&self, id: InboxId, limit: Duration) -> Option<Arc<Vec<Message>>> {
        self.sink.settled(&self.account, id, limit).await
    }

    /// See [`Sink::transcript`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn transcript(
        &self,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, InboxError> {
        self.sink
            .transcript(&self.account, lane, after, limit)
            .await
    }

    /// See [`Sink::receipt`].
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn receipt(
        &self,
        lane: LaneId,
        up_to: MessageId,
        status: Delivery,
    ) -> Result<(), InboxError> {
        self.sink.receipt(&self.account, lane, up_to, status).await
    }

    /// See [`Sink::typing`].
    pub fn typing(&self, lane: LaneId, agent: bool) {
        self.sink.typing(&self.account, lane, agent);
    }

    /// See [`Sink::listen`].
    #[must_use]
    pub fn listen(&self, lane: LaneId) -> Box<dyn Listener> {
        self.sink.listen(&self.account, lane)
    }

    /// See [`Sink::store_file`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn store_file(&self, lane: LaneId, file: NewFile) -> Result<FileRow, InboxError> {
        self.sink.store_file(&self.account, lane, file).await
    }

    /// See [`Sink::load_file`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn load_file(&self, id: FileId) -> Result<Option<File>, InboxError> {
        self.sink.load_file(&self.account, id).await
    }

    /// The event as the sink may have it; `None` when it is skipped.
    fn admit(&self, mut event: Inbound) -> Result<Option<Inbound>, InboxError> {
        if event.sender.is_self {
            return Ok(None);
        }
        self.identifier("an event id", &event.id)?;
        self.identifier("a conversation id", &event.conversation.id)?;
        if let Some(id) = &event.message_id {
            self.identifier("a message id", id)?;
        }
        if let Some(thread) = &event.conversation.thread {
            self.identifier("a thread id", thread)?;
        }
        if event.account != self.account.id {
            return Err(InboxError::Invalid(format!(
                "an event of the account {} came by {}",
                event.account, self.account.id
            )));
        }
        if let Some(context) = &event.reply_context {
            self.identifier("a reply token", &context.token)?;
        }
        if let Some(name) = event.sender.name.take() {
            event.sender.name = Some(clean::line(&name, 200)).filter(|n| !n.is_empty());
        }
        match &mut event.kind {
            InboundKind::Action { value, label } => {
                if value.len() > self.limits.field {
                    return Err(InboxError::TooLarge {
                        what: "a value",
                        max: self.limits.field as u64,
                    });
                }
                if let Some(label) = label {
                    *label = clean::line(label, self.limits.field);
                }
            }
            InboundKind::Reaction { emoji } => *emoji = clean::line(emoji, 64),
            InboundKind::System { name, data } => {
                self.identifier("an event name", name)?;
                if data.to_string().len() > self.limits.data {
                    return Err(InboxError::TooLarge {
                        what: "an event's data",
                        max: self.limits.data as u64,
                    });
                }
            }
            InboundKind::Message | InboundKind::Edit | InboundKind::Delete => {}
            InboundKind::Receipt {
                ids, code, message, ..
            } => {
                if ids.len() > self.limits.events {
                    return Err(InboxError::TooLarge {
                        what: "a list of message ids",
                        max: self.limits.events as u64,
                    });
                }
                for id in ids {
                    self.identifier("a message id", id)?;
                }
                for words in [code, message].into_iter().flatten() {
                    *words = clean::line(words, self.limits.field);
                }
            }
        }
        let had_parts = !event.parts.is_empty();
        event.parts = self.parts(event.parts);
        let empty = event.parts.is_empty() && had_parts;
        if empty && matches!(event.kind, InboundKind::Message | InboundKind::Edit) {
            return Ok(None);
        }
        Ok(Some(event))
    }

    fn identifier(&self, what: &'static str, id: &str) -> Result<(), InboxError> {
        if id.is_empty() {
            return Err(InboxError::Invalid(format!("{what} is empty")));
        }
        if id.len() > self.limits.field {
            return Err(InboxError::TooLarge {
                what,
                max: self.limits.field as u64,
            });
        }
        Ok(())
    }

    fn parts(&self, parts: Vec<Part>) -> Vec<Part> {
        let mut room = self.limits.text;
        parts
            .into_iter()
            .take(self.limits.parts)
            .filter_map(|part| match part {
                Part::Text { text } => {
                    let text = clean::text(&text, room);
                    room -= text.len();
                    (!text.trim().is_empty()).then_some(Part::Text { text })
                }
                Part::Media(mut media) => {
                    media.name = media.name.map(|n| clean::line(&n, 255));
                    media.alt = media.alt.map(|a| clean::line(&a, 500));
                    (media.reference.len() <= self.limits.field).then_some(Part::Media(media))
                }
                Part::Location { lat, lon, name } => {
                    (lat.is_finite() && lon.is_finite()).then(|| Part::Location {
                        lat,
                        lon,
                        name: name.map(|n| clean::line(&n, 255)),
                    })
                }
                Part::Card(mut card) => {
                    card.title = clean::line(&card.title, self.limits.field);
                    card.text = card.text.map(|t| clean::text(&t, self.limits.field));
                    Some(Part::Card(card))
                }
                Part::Mention { id, name } => Some(Part::Mention {
                    id,
                    name: clean::line(&name, 200),
                }),
                Part::Unsupported { native } => Some(Part::Unsupported {
                    native: clean::text(&native, self.limits.field),
                }),
                // Only we send these.
                Part::Template { .. } => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
