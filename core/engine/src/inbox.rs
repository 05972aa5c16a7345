//! The way in. One event whose lane is free is committed together with its turn; everything else
//! is committed first and worked off after, in order.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use tandem_channel_kit::{
    Accepted, Account, Claim, InboxError, ReplyClaim, Sink,
    inbox::{File, NewFile},
};
use tandem_domain::{
    FileId, InboxId, LaneId, MessageId, OutboxId, UnknownId, WorkspaceId,
    bus::{Listener, Signal, Topic},
    channel::{Receipt, SendError},
    edge::UnknownRow,
    message::{Delivery, Inbound, InboundKind},
    store::{
        Commit, FileRow, Guard, InboxRow, InboxState, Message, OutboxRow, Outcome, StoreError,
        Visibility, Write,
    },
};

use crate::{
    accounts::Connected,
    engine::Engine,
    lanes::{Cell, Lane},
    outbox::Ending,
    turn::{Cause, TurnError, Turned, of_event},
};

/// Sends of one turn.
const SENDS: u32 = 1024;
/// Rows of a lane read at a time.
const PAGE: usize = 32;
/// How long the next piece of an album is waited for: platforms send them one after the other, and
/// never say which is the last.
const PIECE: Duration = Duration::from_secs(1);
/// Pieces that are waited for, at most; no platform's albums are larger.
const PIECES: u32 = 10;

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

    /// Takes up every event an earlier run accepted and did not finish.
    pub(crate) async fn recover_inbox(&self, workspace: &WorkspaceId) -> Result<(), StoreError> {
        let mut after = None;
        let mut lanes = std::collections::BTreeSet::new();
        loop {
            let rows = self.0.store.inbox_pending(workspace, after, 500).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id);
            for row in &rows {
                if lanes.insert(row.lane) {
                    self.drain_later(workspace, row.lane, 0);
                }
            }
        }
        if !lanes.is_empty() {
            tracing::info!(
                lanes = lanes.len(),
                "Events that were accepted before the last stop are being answered."
            );
        }
        Ok(())
    }

    /// Works off a lane's accepted events on a task of its own, and keeps at it while the store
    /// is out of reach. After so many pieces of an album, the next one is waited for.
    fn drain_later(&self, workspace: &WorkspaceId, lane: LaneId, pieces: u32) {
        let engine = self.clone();
        let cell = self.0.lanes.get(workspace, lane);
        // Before anybody is told that the events were accepted: what they hand in next comes after.
        cell.behind.store(true, Ordering::Release);
        let seen = cell.pieces.fetch_add(pieces, Ordering::AcqRel) + pieces;
        self.0.tasks.spawn(async move {
            if (1..PIECES).contains(&seen) {
                // What shutdown cuts short is worked off by the next start.
                if engine.0.stop.or(tokio::time::sleep(PIECE)).await.is_none() {
                    return;
                }
                if cell.pieces.load(Ordering::Acquire) > seen {
                    // Another piece came, and its own task waits on.
                    return;
                }
            }
            let mut pause = Duration::from_millis(100);
            loop {
                let drained = {
                    let mut slot = cell.work.lock().await;
                    engine.drain_locked(&cell, &mut slot).await
                };
                let Err(error) = drained else { return };
                tracing::warn!(lane = %cell.id, %error, "The lane's events wait for the store.");
                if engine.0.stop.or(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(Duration::from_secs(30));
            }
        });
    }

    /// Works off a lane's accepted events, oldest first. An event whose turn keeps failing is
    /// handed to people with its words in the transcript.
    async fn drain_locked(&self, cell: &Cell, slot: &mut Option<Lane>) -> Result<(), StoreError> {
        // What is accepted from here on is seen by the last look, or says so again.
        cell.behind.store(false, Ordering::Release);
        cell.pieces.store(0, Ordering::Release);
        let drained = self.drain(cell, slot).await;
        if drained.is_err() {
            cell.behind.store(true, Ordering::Release);
        }
        drained
    }

    async fn drain(&self, cell: &Cell, slot: &mut Option<Lane>) -> Result<(), StoreError> {
        loop {
            let rows = self
                .0
                .store
                .lane_pending(&cell.workspace, cell.id, PAGE)
                .await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut done = HashSet::new();
            for (at, row) in rows.iter().enumerate() {
                if done.contains(&row.id) {
                    continue;
                }
                let mut row = row.clone();
                let mut with = read_edits(&mut row, &rows[at + 1..]);
                with.extend(read_album(&mut row, &rows[at + 1..]));
                done.extend(with.iter().copied());
                self.work_off(cell, slot, row, with).await?;
            }
        }
    }

    async fn work_off(
        &self,
        cell: &Cell,
        slot: &mut Option<Lane>,
        mut row: InboxRow,
        edits: Vec<InboxId>,
    ) -> Result<(), StoreError> {
        loop {
            let cause = Cause::Inbound {
                row: Box::new(row.clone()),
                accepted: true,
                edits: edits.clone(),
            };
            let error = match self.turn(cell, slot, &cause).await {
                Ok(Turned::Stale) => return self.over(cell, row.id).await,
                Ok(_) => return Ok(()),
                Err(TurnError::Store(error)) => return Err(error),
                Err(error) => error,
            };
            row.attempts += 1;
            tracing::error!(lane = %cell.id, attempts = row.attempts, %error, "The turn failed.");
            let mut commit = Commit::new(cell.workspace.clone());
            commit.guards.push(Guard::InboxPending(row.id));
            // One try more than the stepper gets: that one hands the message to people.
            if row.attempts > self.0.config.turn_attempts {
                commit.writes.push(Write::InboxDead {
                    id: row.id,
                    reason: error.to_string(),
                });
                self.0.store.commit(commit).await?;
                metrics::counter!("tandem_inbox_dead_total").increment(1);
                return Ok(());
            }
            commit.writes.push(Write::InboxPut(row.clone()));
            self.0.store.commit(commit).await?;
        }
    }

    /// An event that had nobody to change or tell does not wait any longer.
    async fn over(&self, cell: &Cell, id: InboxId) -> Result<(), StoreError> {
        let mut commit = Commit::new(cell.workspace.clone());
        commit.guards.push(Guard::InboxPending(id));
        commit.writes.push(Write::InboxDone(id));
        self.0.store.commit(commit).await.map(|_| ())
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

/// Reads the other pieces of an album that wait behind the first into it; gives their ids. Doing
/// it again adds nothing.
fn read_album(row: &mut InboxRow, behind: &[InboxRow]) -> Vec<InboxId> {
    if !is_piece(&row.event) {
        return Vec::new();
    }
    let mut read = Vec::new();
    for other in behind {
        let event = &other.event;
        let same = event.album == row.event.album && event.sender.id == row.event.sender.id;
        if !same || !is_piece(event) {
            continue;
        }
        read.push(other.id);
        for part in &event.parts {
            if !row.event.parts.contains(part) {
                row.event.parts.push(part.clone());
            }
        }
        row.event.mentions_me |= event.mentions_me;
        if event.reply_context.is_some() {
            row.event.reply_context.clone_from(&event.reply_context);
        }
        if row.event.quote.is_none() {
            row.event.quote.clone_from(&event.quote);
        }
    }
    read
}

/// Reads edits that wait behind a message into it: the newest says what it is now. The rows that
/// are done with it.
fn read_edits(row: &mut InboxRow, behind: &[InboxRow]) -> Vec<InboxId> {
    let message = &mut row.event;
    if message.kind != InboundKind::Message || message.message_id.is_none() {
        return Vec::new();
    }
    let mut edits = Vec::new();
    for edit in behind {
        if edit.event.kind == InboundKind::Edit && edit.event.message_id == message.message_id {
            message.parts.clone_from(&edit.event.parts);
            edits.push(edit.id);
        }
    }
    edits
}

/// Outbox rows that are written into the answer of a platform's own request.
struct Claimed {
    engine: Engine,
    connected: Arc<Connected>,
    epoch: u64,
    rows: Vec<OutboxRow>,
}

impl Claimed {
    async fn settle(&self, row: OutboxRow, result: Result<Receipt, SendError>) {
        let ending = Ending::Tried {
            result,
            by_reply: true,
        };
        self.engine
            .settle_send(&self.connected, row, ending, self.epoch)
            .await;
    }
}

#[async_trait]
impl Claim for Claimed {
    async fn written(mut self: Box<Self>, receipt: Receipt) {
        for row in std::mem::take(&mut self.rows) {
            self.settle(row, Ok(receipt.clone())).await;
        }
    }

    async fn failed(mut self: Box<Self>, error: SendError) {
        let error = Arc::new(error);
        for row in std::mem::take(&mut self.rows) {
            self.settle(row, Err(again(&error))).await;
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return;
        }
        let lost = Self {
            engine: self.engine.clone(),
            connected: self.connected.clone(),
            epoch: self.epoch,
            rows: Vec::new(),
        };
        self.engine.0.tasks.spawn(async move {
            for row in rows {
                let error = SendError::Uncertain("the answer was dropped half-way".into());
                lost.settle(row, Err(error)).await;
            }
        });
    }
}

/// The same ending for another row: the error's source cannot be copied, its words can.
fn again(error: &SendError) -> SendError {
    match error {
        SendError::RetryAfter(pause) => SendError::RetryAfter(*pause),
        SendError::AccountRetryAfter(pause) => SendError::AccountRetryAfter(*pause),
        SendError::Transient(why) => SendError::Transient(why.to_string().into()),
        SendError::Rejected { code, message } => SendError::Rejected {
            code: code.clone(),
            message: message.clone(),
        },
        SendError::Unauthorized(why) => SendError::Unauthorized(why.clone()),
        SendError::Uncertain(why) => SendError::Uncertain(why.to_string().into()),
    }
}
