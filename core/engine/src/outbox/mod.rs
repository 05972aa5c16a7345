//! The way out: rows of an account are leased, sent once each, and settled.
//!
//! One task an account, so that none waits for another's platform. It leases as many rows as the
//! account's paces and open sends allow, one a lane, longest waiting first.
//!
//! * [`reach`] – whether a message may leave now: windows, quotas, reply contexts;
//! * [`settle`] – what follows from the end of an attempt, decided there and nowhere else.

mod reach;
mod settle;

use std::{sync::Arc, time::Duration};

use tandem_channel_kit::render;
use tandem_domain::{
    OutboxId, Timestamp, WorkspaceId,
    channel::{Receipt, SendError},
    message::SendOp,
    store::{Commit, Guard, OutboxRow, OutboxState, Outcome, StoreError, Write},
};

use crate::{
    accounts::{Connected, Leave},
    engine::Engine,
};

/// Rows leased at a time.
const PAGE: usize = 64;
/// The longest sleep: a clock that was set forward is noticed after it.
const LONGEST: Duration = Duration::from_secs(30);

/// How an attempt ended, or why none was made.
pub(crate) enum Ending {
    Tried {
        result: Result<Receipt, SendError>,
        /// It went by the platform's own way to answer, which no quota counts.
        by_reply: bool,
    },
    /// An earlier attempt was cut off; nobody knows whether it arrived.
    Interrupted,
    /// Until the customer writes, or until then.
    Hold {
        until: Timestamp,
        code: String,
    },
    Refuse {
        code: &'static str,
        why: String,
    },
    /// The channel has nothing to do for it.
    Dropped,
}

impl From<Result<Receipt, SendError>> for Ending {
    fn from(result: Result<Receipt, SendError>) -> Self {
        Self::Tried {
            result,
            by_reply: false,
        }
    }
}

impl Engine {
    pub(crate) async fn run_outbox(&self, connected: Arc<Connected>) {
        loop {
            let changed = connected.wake.notified();
            let pause = match self.send_ready(&connected).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(account = %connected.account.id, %error, "The outbox waits for the store.");
                    Duration::from_secs(1)
                }
            };
            let waited = connected
                .replaced
                .or(async {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                })
                .await;
            if waited.is_none() {
                return;
            }
        }
    }

    /// Sends what may leave, each on a task of its own, and says how long there is nothing more
    /// to do.
    async fn send_ready(&self, connected: &Arc<Connected>) -> Result<Duration, StoreError> {
        let (workspace, account) = (&connected.account.workspace, &connected.account.id);
        while !connected.replaced.is_stopped() {
            let now = self.now();
            let mut most = connected.permits.available_permits().min(PAGE);
            if most == 0 {
                // Whoever ends a send wakes us.
                return Ok(LONGEST);
            }
            match connected.may_leave(now) {
                Leave::Free => {}
                Leave::Probe => most = 1,
                Leave::Wait(until) => return Ok(pause(now, until)),
            }
            {
                let governor = connected.governor();
                most = most.min(governor.room(now));
                if most == 0 {
                    return Ok(pause(now, governor.free_at(now)));
                }
            }
            let lease = self.0.config.send_lease;
            let rows = self
                .0
                .store
                .lease_outbox(workspace, account, now, lease, most)
                .await?;
            if rows.is_empty() {
                let next = self.0.store.next_outbox(workspace, account).await?;
                return Ok(next.map_or(LONGEST, |at| pause(now, at)));
            }
            for row in rows {
                let (lane, kind) = (row.outbound.lane, row.outbound.conversation.kind);
                let go = connected.governor().take(lane, kind, now);
                match go {
                    Ok(()) => self.spawn_send(connected, row),
                    Err(at) => self.put_off(workspace, &row, at).await?,
                }
            }
        }
        Ok(LONGEST)
    }

    fn spawn_send(&self, connected: &Arc<Connected>, row: OutboxRow) {
        let permit = connected.permits.clone().try_acquire_owned();
        let (engine, connected) = (self.clone(), connected.clone());
        self.0.tasks.spawn(async move {
            let permit = match permit {
                Ok(permit) => permit,
                // Only this account's one task takes permits, and only as many as there were.
                Err(_) => return,
            };
            let epoch = connected.epoch();
            let ending = engine.attempt(&connected, &row).await;
            engine.settle_send(&connected, row, ending, epoch).await;
            drop(permit);
            connected.wake.notify_one();
            if connected.replaced.is_stopped()
                && let Some(next) = engine.channel(&connected.account.id)
            {
                // What was put back waits for that one.
                next.wake.notify_one();
            }
        });
    }

    /// A leased row whose conversation was written to a moment ago goes back untried.
    async fn put_off(
        &self,
        workspace: &WorkspaceId,
        row: &OutboxRow,
        not_before: Timestamp,
    ) -> Result<(), StoreError> {
        let OutboxState::Leased {
            attempts,
            lease,
            interrupted,
            ..
        } = row.state
        else {
            return Ok(());
        };
        if interrupted {
            // What it was before is in the lease alone: it is looked at again when that runs out.
            return Ok(());
        }
        let mut commit = Commit::new(workspace.clone());
        commit.guards.push(Guard::OutboxLease {
            id: row.id(),
            lease,
        });
        commit.writes.push(Write::OutboxState {
            id: row.id(),
            state: OutboxState::Ready {
                attempts: attempts.saturating_sub(1),
                not_before,
            },
        });
        self.0.store.commit(commit).await?;
        Ok(())
    }

    /// One attempt, where one may be made.
    async fn attempt(&self, connected: &Connected, row: &OutboxRow) -> Ending {
        let now = self.now();
        let caps = &connected.caps;
        let tried = row.tried_at.map(|at| now.since(at));
        if let OutboxState::Leased {
            interrupted: true, ..
        } = row.state
            // What changes a message, or tells a state, is the same when it is done again.
            && row.outbound.op == SendOp::Send
            && !settle::may_repeat(caps, tried)
        {
            return Ending::Interrupted;
        }
        if tried.is_some_and(|span| span > self.0.config.send_ttl) {
            return Ending::Refuse {
                code: "expired",
                why: format!(
                    "it could not be sent within {:?} of its first attempt",
                    self.0.config.send_ttl
                ),
            };
        }
        let mut outbound = row.outbound.clone();
        let age = i64::try_from(now.since(row.created_at).as_secs()).unwrap_or(i64::MAX);
        match render::operation(&outbound.op, caps, age) {
            Some(op) => outbound.op = op,
            None => return Ending::Dropped,
        }
        if outbound.op == SendOp::Send {
            match self.room(connected, &outbound, now).await {
                Ok(reply) => outbound.reply_context = reply,
                Err(ending) => return ending,
            }
        }
        let by_reply = outbound.reply_context.is_some();
        // Well inside the lease: a send that hangs must not meet its own second attempt.
        let limit = self.0.config.send_lease * 3 / 4;
        let send = connected.channel.send(&outbound);
        let result = match tokio::time::timeout(limit, send).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Uncertain(
                format!("no answer within {limit:?}").into(),
            )),
        };
        Ending::Tried { result, by_reply }
    }

    /// Takes one row for an in-band answer; none when it is already on its way.
    pub(crate) async fn lease_one(
        &self,
        workspace: &WorkspaceId,
        id: OutboxId,
    ) -> Result<Option<OutboxRow>, StoreError> {
        let Some(mut row) = self.0.store.outbox(workspace, id).await? else {
            return Ok(None);
        };
        let OutboxState::Ready { attempts, .. } = row.state else {
            return Ok(None);
        };
        let now = self.now();
        // Fencing numbers come from the clock: later claims have larger ones.
        let lease = u64::try_from(now.0).unwrap_or(0);
        row.state = OutboxState::Leased {
            attempts: attempts + 1,
            lease,
            until: now + self.0.config.send_lease,
            interrupted: false,
        };
        let mut commit = Commit::new(workspace.clone());
        commit.guards.push(Guard::OutboxReady(id));
        commit.writes.push(Write::OutboxState {
            id,
            state: row.state.clone(),
        });
        match self.0.store.commit(commit).await? {
            Outcome::Committed => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    /// A row that was reserved for an in-band answer leaves by the outbox. False when there is
    /// none that waits.
    pub(crate) async fn release(
        &self,
        workspace: &WorkspaceId,
        id: OutboxId,
    ) -> Result<bool, StoreError> {
        let mut commit = Commit::new(workspace.clone());
        commit.guards.push(Guard::OutboxReady(id));
        commit.writes.push(Write::OutboxState {
            id,
            state: OutboxState::Ready {
                attempts: 0,
                not_before: self.now(),
            },
        });
        Ok(self.0.store.commit(commit).await? == Outcome::Committed)
    }

    /// Makes a dead letter ready to be sent once more. False when it is not one.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn resend(&self, workspace: &WorkspaceId, id: OutboxId) -> Result<bool, StoreError> {
        let Some(row) = self.0.store.outbox(workspace, id).await? else {
            return Ok(false);
        };
        if !matches!(
            row.state,
            OutboxState::Failed { .. } | OutboxState::Uncertain { .. }
        ) {
            return Ok(false);
        }
        let mut commit = Commit::new(workspace.clone());
        commit.writes.push(Write::OutboxState {
            id,
            state: OutboxState::Ready {
                attempts: 0,
                not_before: self.now(),
            },
        });
        if row.outbound.op == SendOp::Send {
            settle::delivery(
                &row,
                tandem_domain::message::Delivery::Queued,
                None,
                &mut commit,
            );
        }
        self.0.store.commit(commit).await?;
        if let Some(connected) = self.channel(&row.outbound.account) {
            connected.wake.notify_one();
        }
        Ok(true)
    }
}

/// From now until then, at least a moment: rounded up, so that it is time when we wake.
fn pause(now: Timestamp, until: Timestamp) -> Duration {
    (until.since(now) + Duration::from_millis(1)).min(LONGEST)
}
