//! The way in. One event whose lane is free is committed together with its turn; everything else
//! is committed first and worked off after, in order.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tandem_channel_kit::{
    Accepted, Account, Claim, InboxError, ReplyClaim, Sink,
    inbox::{File, NewFile},
};
use tandem_domain::{
    FileId, InboxId, LaneId, MessageId, OutboxId, WorkspaceId,
    bus::{Listener, Signal, Topic},
    channel::{Receipt, SendError},
    message::{Delivery, Inbound},
    store::{
        Commit, FileRow, Guard, InboxRow, InboxState, Message, OutboxRow, Outcome, StoreError,
        Visibility, Write,
    },
};

use crate::{
    engine::Engine,
    lanes::{Cell, Lane},
    turn::{Cause, TurnError, Turned},
};

/// Rows of a lane read at a time.
const PAGE: usize = 32;

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
    ) -> Option<ReplyClaim> {
        let lines = self.await_settled(id, limit).await?;
        let cause = format!("inbox:{id}");
        let mut claimed = Vec::new();
        // The turn numbered its sends from 1; the first that is missing ends them.
        for ordinal in 1..=u32::try_from(lines.len().saturating_mul(8)).unwrap_or(64) {
            let uuid = OutboxId::derive(&[&cause, &ordinal.to_string()]);
            match self.claim(&account.workspace, uuid).await {
                Some(row) => claimed.push(row),
                None => break,
            }
        }
        if claimed.is_empty() {
            return None;
        }
        let outbound = claimed.iter().map(|row| row.outbound.clone()).collect();
        Some(ReplyClaim::new(
            outbound,
            Box::new(Claimed {
                engine: self.clone(),
                workspace: account.workspace.clone(),
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

    async fn load_file(&self, account: &Account, id: FileId) -> Result<Option<File>, InboxError> {
        let Some(row) = self.0.store.file(&account.workspace, id).await? else {
            return Ok(None);
        };
        let bytes = self
            .0
            .files
            .read(&account.workspace, id)
            .await
            .map_err(|error| InboxError::Failed(error.to_string()))?;
        Ok(Some(File {
            row,
            bytes: bytes.into(),
        }))
    }
}

impl Engine {
    /// Acceptance and turn in one transaction, where the lane has nothing older to do.
    async fn accept_one(&self, account: &Account, event: Inbound) -> Result<Accepted, InboxError> {
        let row = self.row(account, event);
        let cell = self.0.lanes.get(&account.workspace, row.lane);
        let mut slot = cell.work.lock().await;
        if slot.is_none() {
            // Nothing is known of the lane: an earlier run may have left events in it.
            self.drain_locked(&cell, &mut slot).await?;
        }
        let id = row.id;
        let cause = Cause::Inbound {
            row: Box::new(row),
            accepted: false,
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
        let mut lanes: Vec<LaneId> = rows.iter().map(|row| row.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        for lane in lanes {
            self.drain_later(&account.workspace, lane);
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
                    self.drain_later(workspace, row.lane);
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
    /// is out of reach.
    fn drain_later(&self, workspace: &WorkspaceId, lane: LaneId) {
        let engine = self.clone();
        let cell = self.0.lanes.get(workspace, lane);
        self.0.tasks.spawn(async move {
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
        loop {
            let rows = self
                .0
                .store
                .lane_pending(&cell.workspace, cell.id, PAGE)
                .await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                self.work_off(cell, slot, row).await?;
            }
        }
    }

    async fn work_off(
        &self,
        cell: &Cell,
        slot: &mut Option<Lane>,
        mut row: InboxRow,
    ) -> Result<(), StoreError> {
        loop {
            let cause = Cause::Inbound {
                row: Box::new(row.clone()),
                accepted: true,
            };
            let error = match self.turn(cell, slot, &cause).await {
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

    /// Leases one outbox row for an in-band answer.
    async fn claim(&self, workspace: &WorkspaceId, id: OutboxId) -> Option<OutboxRow> {
        self.lease_one(workspace, id).await.ok().flatten()
    }
}

/// Outbox rows that are written into the answer of a platform's own request.
struct Claimed {
    engine: Engine,
    workspace: WorkspaceId,
    rows: Vec<OutboxRow>,
}

#[async_trait]
impl Claim for Claimed {
    async fn written(mut self: Box<Self>, receipt: Receipt) {
        for row in std::mem::take(&mut self.rows) {
            self.engine
                .settle_send(&self.workspace, row, Ok(receipt.clone()))
                .await;
        }
    }

    async fn failed(mut self: Box<Self>, error: SendError) {
        let error = Arc::new(error);
        for row in std::mem::take(&mut self.rows) {
            self.engine
                .settle_send(&self.workspace, row, Err(again(&error)))
                .await;
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return;
        }
        let (engine, workspace) = (self.engine.clone(), self.workspace.clone());
        self.engine.0.tasks.spawn(async move {
            for row in rows {
                let lost = SendError::Uncertain("the answer was dropped half-way".into());
                engine.settle_send(&workspace, row, Err(lost)).await;
            }
        });
    }
}

/// The same ending for another row: the error's source cannot be copied, its words can.
fn again(error: &SendError) -> SendError {
    match error {
        SendError::RetryAfter(pause) => SendError::RetryAfter(*pause),
        SendError::Transient(why) => SendError::Transient(why.to_string().into()),
        SendError::Rejected { code, message } => SendError::Rejected {
            code: code.clone(),
            message: message.clone(),
        },
        SendError::Unauthorized(why) => SendError::Unauthorized(why.clone()),
        SendError::Uncertain(why) => SendError::Uncertain(why.to_string().into()),
    }
}
