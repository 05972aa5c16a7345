//! The way out: rows are leased, sent once, and settled. What happens after a failure is decided
//! here and nowhere else.

use std::time::Duration;

use tandem_domain::{
    OutboxId, WorkspaceId,
    bus::{Signal, Topic},
    channel::{Receipt, SendError},
    message::Delivery,
    store::{Commit, Guard, OutboxRow, OutboxState, Outcome, StoreError, Write},
};

use crate::engine::Engine;

/// The slow look for rows whose lease ran out or whose pause is over.
const SWEEP: Duration = Duration::from_millis(500);
const PAGE: usize = 64;
/// What a platform may ask us to wait is clamped to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

impl Engine {
    pub(crate) async fn run_outbox(&self) {
        loop {
            let changed = self.0.outbox_changed.notified();
            let leased = match self.send_ready().await {
                Ok(leased) => leased,
                Err(error) => {
                    tracing::warn!(%error, "The outbox waits for the store.");
                    0
                }
            };
            if leased > 0 {
                continue;
            }
            let waited = self
                .0
                .stop
                .or(async {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep(SWEEP) => {}
                    }
                })
                .await;
            if waited.is_none() {
                return;
            }
        }
    }

    /// Leases what may go and sends it, each on a task of its own.
    async fn send_ready(&self) -> Result<usize, StoreError> {
        // Without any channel that is sent to, nothing can be waiting.
        if self.channels().iter().all(|c| c.channel.reads_transcript()) {
            return Ok(0);
        }
        let mut leased = 0;
        for workspace in self.0.sites.keys() {
            if self.0.stop.is_stopped() {
                return Ok(0);
            }
            let rows = self
                .0
                .store
                .lease_outbox(workspace, self.now(), self.0.config.send_lease, PAGE)
                .await?;
            leased += rows.len();
            for row in rows {
                let permit = self
                    .0
                    .send_permits
                    .clone()
                    .acquire_owned()
                    .await
                    .expect("the semaphore is never closed");
                let (engine, workspace) = (self.clone(), workspace.clone());
                self.0.tasks.spawn(async move {
                    let result = engine.send(&row).await;
                    engine.settle_send(&workspace, row, result).await;
                    drop(permit);
                    engine.0.outbox_changed.notify_one();
                });
            }
        }
        Ok(leased)
    }

    async fn send(&self, row: &OutboxRow) -> Result<Receipt, SendError> {
        let Some(connected) = self.channel(&row.outbound.account) else {
            return Err(SendError::Unauthorized(format!(
                "the account {} is not configured",
                row.outbound.account
            )));
        };
        // Well inside the lease: a send that hangs must not meet its own second attempt.
        let limit = self.0.config.send_lease * 3 / 4;
        match tokio::time::timeout(limit, connected.channel.send(&row.outbound)).await {
            Ok(result) => result,
            Err(_) => Err(SendError::Uncertain(
                format!("no answer within {limit:?}").into(),
            )),
        }
    }

    /// Records how an attempt ended and what follows from it.
    pub(crate) async fn settle_send(
        &self,
        workspace: &WorkspaceId,
        row: OutboxRow,
        result: Result<Receipt, SendError>,
    ) {
        let OutboxState::Leased {
            attempts, lease, ..
        } = row.state
        else {
            return;
        };
        let (state, delivery) = self.verdict(&row, attempts, result);
        let mut commit = Commit::new(workspace.clone());
        commit.guards.push(Guard::OutboxLease {
            id: row.id(),
            lease,
        });
        if let Some((delivery, code)) = delivery {
            commit.writes.push(Write::MessageDelivery {
                id: row.message,
                delivery,
                code,
            });
        }
        commit.writes.push(Write::OutboxState {
            id: row.id(),
            state,
        });
        match self.0.store.commit(commit).await {
            Ok(Outcome::Committed) => self.wake(
                &Topic::Lane(row.outbound.lane),
                Signal::Transcript {
                    lane: row.outbound.lane,
                    conversation: row.outbound.conversation_id,
                    seq: row.outbound.seq,
                },
            ),
            Ok(_) => {
                tracing::warn!(outbox = %row.id(), "The lease ran out before the attempt ended.");
            }
            Err(error) => {
                tracing::error!(outbox = %row.id(), %error, "The end of an attempt could not be recorded; the lease decides.");
            }
        }
    }

    fn verdict(
        &self,
        row: &OutboxRow,
        attempts: u32,
        result: Result<Receipt, SendError>,
    ) -> (OutboxState, Option<(Delivery, Option<String>)>) {
        let account = row.outbound.account.to_string();
        let again = |pause: Duration, attempts: u32| OutboxState::Ready {
            attempts,
            not_before: self.now() + pause,
        };
        let error = match result {
            Ok(receipt) => {
                metrics::counter!("tandem_sent_total", "account" => account).increment(1);
                let state = OutboxState::Sent {
                    native_ids: receipt.native_ids,
                };
                return (state, Some((Delivery::Sent, None)));
            }
            Err(error) => error,
        };
        metrics::counter!("tandem_send_errors_total", "account" => account).increment(1);
        tracing::warn!(outbox = %row.id(), account = %row.outbound.account, attempts, %error, "A message was not sent.");
        match error {
            SendError::Uncertain(why) => (
                OutboxState::Uncertain {
                    message: why.to_string(),
                },
                Some((Delivery::Uncertain, None)),
            ),
            SendError::Rejected { code, message } => {
                let delivery = (Delivery::Failed, Some(code.clone()));
                (OutboxState::Failed { code, message }, Some(delivery))
            }
            // The message is not at fault: it waits without using up its attempts.
            SendError::Unauthorized(_) => (
                again(Duration::from_secs(60), attempts.saturating_sub(1)),
                None,
            ),
            SendError::RetryAfter(pause) => (
                again(
                    pause.clamp(Duration::from_secs(1), LONGEST_PAUSE),
                    attempts.saturating_sub(1),
                ),
                None,
            ),
            SendError::Transient(why) if attempts >= self.0.config.send_attempts => (
                OutboxState::Failed {
                    code: "gave_up".into(),
                    message: why.to_string(),
                },
                Some((Delivery::Failed, Some("gave_up".into()))),
            ),
            SendError::Transient(_) => (again(backoff(row.id(), attempts), attempts), None),
        }
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
}

/// 1 s, 2 s, 4 s … 10 min, each a little off by the message's own id, so that many that failed
/// together don't come back together.
fn backoff(id: OutboxId, attempts: u32) -> Duration {
    let base =
        Duration::from_secs(1 << attempts.saturating_sub(1).min(9)).min(Duration::from_secs(600));
    let spread = u64::from(id.0.as_bytes()[15]);
    base + base * u32::try_from(spread).unwrap_or(0) / 512
}

/// Rows that a person may look at and send again.
impl Engine {
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
        self.0.store.commit(commit).await?;
        self.0.outbox_changed.notify_one();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_ten_minutes() {
        let id = OutboxId::derive(&["x"]);
        assert!(backoff(id, 1) >= Duration::from_secs(1));
        assert!(backoff(id, 1) < Duration::from_secs(2));
        assert!(backoff(id, 30) <= Duration::from_secs(900));
        assert!(backoff(id, 4) > backoff(id, 3));
    }
}
