//! Events that were accepted and wait for their turn: each lane is worked off in order, on a task of
//! its own.

use std::{
    collections::{BTreeSet, HashSet},
    sync::atomic::Ordering,
    time::Duration,
};

use tandem_domain::{
    InboxId, LaneId, WorkspaceId,
    message::InboundKind,
    store::{Commit, Guard, InboxRow, StoreError, Write},
};

use super::is_piece;
use crate::{
    engine::Engine,
    lanes::{Cell, Lane},
    turn::{Cause, TurnError, Turned},
};

/// Rows of a lane read at a time.
const PAGE: usize = 32;
/// How long the next piece of an album is waited for: platforms send them one after the other, and
/// never say which is the last.
const PIECE: Duration = Duration::from_secs(1);
/// Pieces that are waited for, at most; no platform's albums are larger.
const PIECES: u32 = 10;

impl Engine {
    /// Takes up every event an earlier run accepted and did not finish.
    pub(crate) async fn recover_inbox(&self, workspace: &WorkspaceId) -> Result<(), StoreError> {
        let mut after = None;
        let mut lanes = BTreeSet::new();
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
    pub(super) fn drain_later(&self, workspace: &WorkspaceId, lane: LaneId, pieces: u32) {
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
    pub(super) async fn drain_locked(
        &self,
        cell: &Cell,
        slot: &mut Option<Lane>,
    ) -> Result<(), StoreError> {
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
