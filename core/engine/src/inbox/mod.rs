//! The way in. One event whose lane is free is committed together with its turn; everything else
//! is committed first and worked off after, in order.

mod claim;
mod drain;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use tandem_channel_kit::{
    Accepted, Account, InboxError, ReplyClaim, Sink,
    inbox::{File, NewFile},
};
use tandem_domain::{
    FileId, InboxId, LaneId, MessageId, OutboxId, UnknownId, WorkspaceId,
    bus::{Listener, Signal, Topic},
    edge::UnknownRow,
    message::{Delivery, Inbound, InboundKind},
    store::{
        Commit, FileRow, Guard, InboxRow, InboxState, Message, OutboxRow, Outcome, StoreError,
        Visibility, Write,
    },
};

use self::claim::Claimed;
use crate::{
    accounts::Connected,
    engine::Engine,
    turn::{Cause, TurnError, Turned, of_event},
};

/// Sends of one turn.
const SENDS: u32 = 1024;

#[async_trait]
impl Sink for Engine {
    async fn accept(
        &self,
        account: &Account,
        mut events: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, InboxError> {
        if self.0.stop.is_stopped() {
            return Err(InboxError::Unavailable(
                "the server is shutting down".into(),
            ));
        }
        let connected = self.channel(&account.id).filter(|c| !c.reads_transcript);
        if let Some(connected) = connected {
            return self.accept_from(&connected, events).await;
        }
        if events.len() == 1
            && let Some(event) = events.pop()
        {
            return Ok(vec![self.accept_one(account, event).await?]);
        }
        self.accept_many(account, events).await
    }

    async fn reply_within(
        &self,
        account: &Account,
        id: InboxId,
        limit: Duration,
        most: usize,
    ) -> Option<ReplyClaim> {
        let connected = self.channel(&account.id)?;
        let cause = of_event(id);
        let row = |ordinal: u32| OutboxId::derive(&[&cause, &ordinal.to_string()]);
        // Rows are committed with their turn: where the first is there, perhaps since before a
        // restart, there is nothing to wait for.
        let first = self.0.store.outbox(&account.workspace, row(1)).await;
        if !matches!(first, Ok(Some(_))) {
            self.await_settled(id, limit).await?;
        }
        let mut claimed = Vec::new();
        // The turn numbered its sends from 1; the first that is missing ends them.
        for uuid in (1..=SENDS).map(row) {
            let waited = if claimed.len() < most {
                let row = self.claim(&account.workspace, uuid).await;
                let waited = row.is_some();
                claimed.extend(row);
                waited
            } else {
                // What finds no room in the answer leaves by the outbox at once.
                let released = self.release(&account.workspace, uuid).await;
                released.unwrap_or(false)
            };
            if !waited {
                break;
            }
        }
        connected.wake.notify_one();
        if claimed.is_empty() {
            return None;
        }
        let outbound = claimed.iter().map(|row| row.outbound.clone()).collect();
        Some(ReplyClaim::new(
            outbound,
            Box::new(Claimed {
                engine: self.clone(),
                epoch: connected.epoch(),
                connected,
                rows: claimed,
            }),
        ))
    }

    async fn settled(
        &self,
        _account: &Account,
        id: InboxId,
        limit: Duration,
    ) -> Option<Arc<Vec<Message>>> {
        self.await_settled(id, limit).await
    }

    async fn transcript(
        &self,
        account: &Account,
        lane: LaneId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<Message>, InboxError> {
        if let Some(after) = after
            && let Some(cell) = self.0.lanes.peek(lane)
            && let Some(lines) = cell.lines_after(after, limit)
        {
            return Ok(lines);
        }
        let mut public = Vec::new();
        let mut from = after;
        loop {
            let page = self
                .0
                .store
                .lane_messages(&account.workspace, lane, from, limit)
                .await?;
            let full = page.len() == limit;
            let next = page.last().map(|line| line.id);
            public.extend(
                page.into_iter()
                    .filter(|line| line.visibility == Visibility::Public),
            );
            // Notes between the lines must not end the transcript early.
            if !full || public.len() >= limit || from.is_none() {
                public.truncate(limit);
                return Ok(public);
            }
            from = next;
        }
    }

    async fn receipt(
        &self,
        account: &Account,
        lane: LaneId,
        up_to: MessageId,
        status: Delivery,
    ) -> Result<(), InboxError> {
        // The id comes from outside: it counts only where it names a line of this very lane.
        let mut commit = Commit::new(account.workspace.clone());
        commit.guards.push(Guard::LineOfLane {
            lane,
            message: up_to,
        });
        commit.writes.push(Write::MessageDelivery {
            id: up_to,
            delivery: status,
            code: None,
        });
        self.0.store.commit(commit).await?;
        Ok(())
    }

    fn typing(&self, _account: &Account, lane: LaneId, agent: bool) {
        self.wake(&Topic::Lane(lane), Signal::Typing { lane, agent });
    }

    fn listen(&self, _account: &Account, lane: LaneId) -> Box<dyn Listener> {
        self.0.bus.subscribe(&Topic::Lane(lane))
    }

    async fn store_file(
        &self,
        account: &Account,
        lane: LaneId,
        file: NewFile,
    ) -> Result<FileRow, InboxError> {
        let row = FileRow {
            id: FileId::fresh(),
            lane,
            name: file.name,
            mime: file.mime,
            size: file.bytes.len() as u64,
            created_at: self.now(),
        };
        self.0
            .files
            .write(&account.workspace, row.id, &file.bytes)
            .await
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    InboxError::Full(error.to_string())
                }
                _ => InboxError::Unavailable(error.to_string()),
            })?;
        let mut commit = Commit::new(account.workspace.clone());
        commit.writes.push(Write::FilePut(row.clone()));
        self.0.store.commit(commit).await?;
        Ok(row)
    }

    fn account(&self, account: &Account, address: &str) -> Option<Account> {
        self.channels()
            .into_iter()
            .find(|known| {
                let Account {
                    workspace, channel, ..
                } = &known.account;
                (workspace, channel) == (&account.workspace, &account.channel)
                    && (known.account.id.as_str() == address
                        || known.channel.addresses().iter().any(|a| a == address))
            })
            .map(|known| known.account.clone())
    }

    async fn keep_unknown(
        &self,
        account: &Account,
        reason: String,
        body: Vec<u8>,
    ) -> Result<(), InboxError> {
        metrics::counter!("tandem_unknown_events_total", "account" => account.id.to_string())
            .increment(1);
        tracing::error!(account = %account.id, reason, bytes = body.len(), "The platform sent something that was not understood; it is kept, and the API shows it.");
        let mut commit = Commit::new(account.workspace.clone());
        commit.writes.push(Write::UnknownPut(UnknownRow {
            id: UnknownId::fresh(),
            account: account.id.clone(),
            reason,
            body,
            at: self.now(),
        }));
        self.0.store.commit(commit).await?;
        Ok(())
    }

    async fn load_file(&self, account: &Account, id: FileId) -> Result<Option<File>, InboxError> {
        self.file(&account.workspace, id).await
    }
}

impl Engine {
    /// A stored file with its bytes; `None` when the workspace has none of that id.
    ///
    /// # Errors
    /// When the store or the disk cannot be read.
    pub async fn file(
        &self,
        workspace: &WorkspaceId,
        id: FileId,
    ) -> Result<Option<File>, InboxError> {
        let Some(row) = self.0.store.file(workspace, id).await? else {
            return Ok(None);
        };
        let read = self.0.files.read(workspace, id).await;
        let bytes = read.map_err(|error| InboxError::Failed(error.to_string()))?;
        Ok(Some(File {
            row,
            bytes: bytes.into(),
        }))
    }

    /// Takes in what a platform delivered: receipts apart, our own words dropped, edits read into
    /// what they edit where that came with them.
    async fn accept_from(
        &self,
        connected: &Connected,
        events: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, InboxError> {
        let account = &connected.account;
        let mut answers = Vec::with_capacity(events.len());
        let (mut talk, mut receipts) = (Vec::new(), Vec::new());
        for event in events {
            if matches!(event.kind, InboundKind::Receipt { .. }) {
                answers.push(Some(Accepted::New(InboxId::fresh())));
                receipts.push(event);
            } else if self.is_echo(connected, &event).await? {
                answers.push(Some(Accepted::Skipped));
            } else {
                answers.push(None);
                talk.push(event);
            }
        }
        let taken = match talk.len() {
            0 => Vec::new(),
            1 => {
                let event = talk.remove(0);
                vec![self.accept_one(account, event).await?]
            }
            _ => self.accept_many(account, talk).await?,
        };
        for receipt in &receipts {
            self.take_receipt(account, receipt).await?;
        }
        let mut taken = taken.into_iter();
        Ok(answers
            .into_iter()
            .filter_map(|known| known.or_else(|| taken.next()))
            .collect())
    }

    /// Whether the event is a message of ours coming back.
    async fn is_echo(&self, connected: &Connected, event: &Inbound) -> Result<bool, StoreError> {
        if event.kind != InboundKind::Message {
            return Ok(false);
        }
        let Account { workspace, id, .. } = &connected.account;
        if connected.channel.addresses().contains(&event.sender.id) {
            return Ok(true);
        }
        let Some(message) = &event.message_id else {
            return Ok(false);
        };
        Ok(self.0.store.native(workspace, id, message).await?.is_some())
    }

    /// Acceptance and turn in one transaction, where the lane has nothing older to do.
    async fn accept_one(&self, account: &Account, event: Inbound) -> Result<Accepted, InboxError> {
        if is_piece(&event) {
            return self.accept_piece(account, event).await;
        }
        let row = self.row(account, event);
        let cell = self.0.lanes.get(&account.workspace, row.lane);
        let mut slot = cell.work.lock().await;
        if slot.is_none() || cell.behind.load(Ordering::Acquire) {
            // An earlier run, or a batch before this event, may have left events in the lane.
            self.drain_locked(&cell, &mut slot).await?;
        }
        let id = row.id;
        let cause = Cause::Inbound {
            row: Box::new(row),
            accepted: false,
            edits: Vec::new(),
        };
        match self.turn(&cell, &mut slot, &cause).await {
            Ok(Turned::Done(_) | Turned::Stale) => Ok(Accepted::New(id)),
            Ok(Turned::Duplicate(id)) => Ok(Accepted::Duplicate(id)),
            Err(TurnError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::error!(lane = %cell.id, %error, "The turn failed; the event is kept and tried again.");
                let Cause::Inbound { row, .. } = cause else {
                    return Ok(Accepted::New(id));
                };
                let outcome = self.put_pending(account, *row).await?;
                if let Accepted::New(_) = outcome {
                    self.drain_locked(&cell, &mut slot).await?;
                }
                Ok(outcome)
            }
        }
    }

    /// A piece of an album is committed at once and worked off when no more of them come.
    async fn accept_piece(
        &self,
        account: &Account,
        event: Inbound,
    ) -> Result<Accepted, InboxError> {
        let row = self.row(account, event);
        let lane = row.lane;
        let mut commit = Commit::new(account.workspace.clone());
        commit.guards.push(Guard::NotAccepted {
            account: account.id.clone(),
            dedupe: row.dedupe.clone(),
        });
        let id = row.id;
        commit.writes.push(Write::InboxPut(row));
        match self.0.store.commit(commit).await? {
            Outcome::Committed => {
                self.drain_later(&account.workspace, lane, 1);
                Ok(Accepted::New(id))
            }
            Outcome::Duplicate(id) => Ok(Accepted::Duplicate(id)),
            Outcome::Conflict(_) => Err(InboxError::Unavailable("the inbox is contended".into())),
        }
    }

    async fn accept_many(
        &self,
        account: &Account,
        events: Vec<Inbound>,
    ) -> Result<Vec<Accepted>, InboxError> {
        let mut rows: Vec<InboxRow> = events.into_iter().map(|e| self.row(account, e)).collect();
        let mut answers: Vec<Accepted> = rows.iter().map(|row| Accepted::New(row.id)).collect();
        // The same event twice in one batch counts once.
        for i in 0..rows.len() {
            if let Some(first) = rows[..i].iter().position(|r| r.dedupe == rows[i].dedupe) {
                answers[i] = Accepted::Duplicate(answers[first].id().unwrap_or(rows[first].id));
            }
        }
        loop {
            let mut commit = Commit::new(account.workspace.clone());
            let open: Vec<usize> = (0..rows.len())
                .filter(|i| matches!(answers[*i], Accepted::New(_)))
                .collect();
            for i in &open {
                commit.guards.push(Guard::NotAccepted {
                    account: account.id.clone(),
                    dedupe: rows[*i].dedupe.clone(),
                });
                commit.writes.push(Write::InboxPut(rows[*i].clone()));
            }
            match self.0.store.commit(commit).await? {
                Outcome::Committed => break,
                Outcome::Duplicate(known) => {
                    // Which one it was is not said; ask for each that is still open.
                    let mut found = false;
                    for i in open {
                        let accepted = self
                            .0
                            .store
                            .accepted(&account.workspace, &account.id, &rows[i].dedupe)
                            .await?;
                        if let Some(id) = accepted {
                            answers[i] = Accepted::Duplicate(id);
                            found = true;
                        }
                    }
                    if !found {
                        return Err(InboxError::Failed(format!(
                            "the event {known} counts as accepted and cannot be found"
                        )));
                    }
                }
                Outcome::Conflict(_) => {
                    return Err(InboxError::Unavailable("the inbox is contended".into()));
                }
            }
        }
        rows.retain(|row| answers.contains(&Accepted::New(row.id)));
        // Lanes whose newest event is a piece of an album, with how many of them came.
        let mut lanes: BTreeMap<LaneId, u32> = BTreeMap::new();
        for row in &rows {
            let pieces = lanes.entry(row.lane).or_default();
            *pieces = match is_piece(&row.event) {
                true => *pieces + 1,
                false => 0,
            };
        }
        for (lane, pieces) in lanes {
            self.drain_later(&account.workspace, lane, pieces);
        }
        Ok(answers)
    }

    fn row(&self, account: &Account, event: Inbound) -> InboxRow {
        InboxRow {
            id: InboxId::fresh(),
            account: account.id.clone(),
            dedupe: event.id.clone(),
            lane: event.lane(&account.workspace),
            event,
            received_at: self.now(),
            state: InboxState::Pending,
            attempts: 0,
        }
    }

    async fn put_pending(&self, account: &Account, row: InboxRow) -> Result<Accepted, InboxError> {
        let mut commit = Commit::new(account.workspace.clone());
        commit.guards.push(Guard::NotAccepted {
            account: account.id.clone(),
            dedupe: row.dedupe.clone(),
        });
        let id = row.id;
        commit
            .writes
            .push(Write::InboxPut(InboxRow { attempts: 1, ..row }));
        match self.0.store.commit(commit).await? {
            Outcome::Committed => Ok(Accepted::New(id)),
            Outcome::Duplicate(id) => Ok(Accepted::Duplicate(id)),
            Outcome::Conflict(_) => Err(InboxError::Unavailable("the inbox is contended".into())),
        }
    }

    /// Leases one outbox row for an in-band answer.
    async fn claim(&self, workspace: &WorkspaceId, id: OutboxId) -> Option<OutboxRow> {
        self.lease_one(workspace, id).await.ok().flatten()
    }
}

/// Whether the event is one message among several that are to be read as one.
fn is_piece(event: &Inbound) -> bool {
    event.album.is_some() && event.kind == InboundKind::Message
}
