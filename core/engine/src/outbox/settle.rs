//! What follows from the end of an attempt: recorded in one commit with what it means for the
//! line, the quota and the platform's names for it.

use std::time::Duration;

use serde_json::json;
use tandem_domain::{
    OutboxId,
    bus::{Signal, Topic},
    capabilities::Capabilities,
    channel::SendError,
    edge::NativeRow,
    message::{Delivery, SendOp},
    store::{Commit, Event, Guard, OutboxRow, OutboxState, Outcome, Write},
};

use super::Ending;
use crate::{accounts::Connected, engine::Engine};

/// What a platform may ask us to wait is clamped to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What an ending means.
struct Verdict {
    state: OutboxState,
    /// How far the line has come by it, with a code.
    delivery: Option<(Delivery, Option<String>)>,
    /// The platform counts it.
    counts: bool,
}

impl Engine {
    /// Records how an attempt ended and what follows from it. `epoch` is the account's when the
    /// attempt began.
    pub(crate) async fn settle_send(
        &self,
        connected: &Connected,
        row: OutboxRow,
        ending: Ending,
        epoch: u64,
    ) {
        let OutboxState::Leased {
            attempts, lease, ..
        } = row.state
        else {
            return;
        };
        let (workspace, outbound) = (&connected.account.workspace, &row.outbound);
        let mut verdict = self.verdict(connected, &row, attempts, ending, epoch);
        let says = outbound.op == SendOp::Send;
        let mut commit = Commit::new(workspace.clone());
        commit.guards.push(Guard::OutboxLease {
            id: row.id(),
            lease,
        });
        if !says {
            self.settle_change(&row, &mut verdict, &mut commit);
        }
        if let Some((told, code)) = &verdict.delivery {
            delivery(&row, *told, code.clone(), &mut commit);
            commit.writes.push(Write::EventPut(Event {
                seq: 0,
                name: "message.delivery".into(),
                conversation: Some(outbound.conversation_id),
                data: json!({
                    "message": row.message, "seq": outbound.seq, "delivery": told, "code": code,
                }),
                at: self.now(),
            }));
        }
        if verdict.counts && connected.caps.window.is_some() {
            commit.writes.push(Write::ReachSent(outbound.lane));
        }
        let mut natives = Vec::new();
        if let (true, OutboxState::Sent { native_ids }) = (says, &verdict.state) {
            natives.extend(native_ids.iter().map(|native| NativeRow {
                account: outbound.account.clone(),
                native: native.clone(),
                outbox: row.id(),
                message: row.message,
                also: outbound.also.clone(),
                lane: outbound.lane,
                conversation: outbound.conversation_id,
                seq: outbound.seq,
                more: outbound.more,
                at: self.now(),
            }));
        }
        commit
            .writes
            .extend(natives.iter().cloned().map(Write::NativePut));
        commit.writes.push(Write::OutboxState {
            id: row.id(),
            state: verdict.state,
        });
        match self.0.store.commit(commit).await {
            Ok(Outcome::Committed) => {}
            Ok(_) => {
                tracing::warn!(outbox = %row.id(), "The lease ran out before the attempt ended.");
                return;
            }
            Err(error) => {
                tracing::error!(outbox = %row.id(), %error, "The end of an attempt could not be recorded; the lease decides.");
                return;
            }
        }
        if connected.caps.receipts {
            self.unpark(natives).await;
        }
        self.changed(
            outbound.lane,
            outbound.conversation_id,
            outbound.seq,
            workspace,
        );
    }

    /// What changes a line, or tells a state, says nothing of the line's own delivery. A change
    /// that was not taken is told to people; a state that was not is logged and no more.
    fn settle_change(&self, row: &OutboxRow, verdict: &mut Verdict, commit: &mut Commit) {
        let told = verdict.delivery.take();
        verdict.counts = false;
        let Some((Delivery::Failed | Delivery::Uncertain, code)) = told else {
            return;
        };
        let outbound = &row.outbound;
        if let SendOp::Session { state } = outbound.op {
            tracing::warn!(account = %outbound.account, conversation = %outbound.conversation_id, ?state, code, "The platform was not told who has the conversation.");
            verdict.state = OutboxState::Sent {
                native_ids: Vec::new(),
            };
            return;
        }
        commit.writes.push(Write::EventPut(Event {
            seq: 0,
            name: "message.change_failed".into(),
            conversation: Some(outbound.conversation_id),
            data: json!({"message": row.message, "seq": outbound.seq, "code": code}),
            at: self.now(),
        }));
    }

    /// Tells everyone who listens that a line has changed.
    pub(crate) fn changed(
        &self,
        lane: tandem_domain::LaneId,
        conversation: tandem_domain::ConversationId,
        seq: u64,
        workspace: &tandem_domain::WorkspaceId,
    ) {
        if let Some(cell) = self.0.lanes.peek(lane) {
            cell.forget_tail();
        }
        let transcript = Signal::Transcript {
            lane,
            conversation,
            seq,
        };
        self.wake(&Topic::Lane(lane), transcript);
        self.wake_events(workspace);
    }

    fn verdict(
        &self,
        connected: &Connected,
        row: &OutboxRow,
        attempts: u32,
        ending: Ending,
        epoch: u64,
    ) -> Verdict {
        let outbound = &row.outbound;
        let dead = |state, delivery, code: Option<&str>| Verdict {
            state,
            delivery: Some((delivery, code.map(str::to_owned))),
            counts: false,
        };
        let waits = |state| Verdict {
            state,
            delivery: None,
            counts: false,
        };
        let refused = |code: &str, message: String| {
            let state = OutboxState::Failed {
                code: code.to_owned(),
                message,
            };
            dead(state, Delivery::Failed, Some(code))
        };
        let (result, by_reply) = match ending {
            Ending::Tried { result, by_reply } => (result, by_reply),
            Ending::Interrupted => {
                let message =
                    "the server stopped while it was being sent; the customer may have it".into();
                let state = OutboxState::Uncertain { message };
                return Verdict {
                    counts: true,
                    ..dead(state, Delivery::Uncertain, None)
                };
            }
            Ending::Hold { until, code } => {
                tracing::info!(outbox = %row.id(), account = %outbound.account, code, %until, "A message waits for the customer to write again.");
                return waits(OutboxState::Held {
                    attempts: attempts.saturating_sub(1),
                    until,
                    code,
                });
            }
            Ending::Refuse { code, why } => {
                tracing::warn!(outbox = %row.id(), account = %outbound.account, code, why, "A message is a dead letter.");
                return refused(code, why);
            }
            Ending::Dropped => {
                return Verdict {
                    state: OutboxState::Sent {
                        native_ids: Vec::new(),
                    },
                    delivery: None,
                    counts: false,
                };
            }
        };
        let account = outbound.account.to_string();
        let error = match result {
            Ok(receipt) => {
                metrics::counter!("tandem_sent_total", "account" => account).increment(1);
                connected.governor().went_through();
                connected.taken(epoch);
                return Verdict {
                    state: OutboxState::Sent {
                        native_ids: receipt.native_ids,
                    },
                    delivery: (!outbound.more).then_some((Delivery::Sent, None)),
                    counts: !by_reply,
                };
            }
            Err(error) => error,
        };
        metrics::counter!("tandem_send_errors_total", "account" => account).increment(1);
        tracing::warn!(outbox = %row.id(), account = %outbound.account, attempts, %error, "A message was not sent.");
        let now = self.now();
        let again = |pause: Duration, attempts: u32| {
            waits(OutboxState::Ready {
                attempts,
                not_before: now + pause,
            })
        };
        let asked = |pause: Duration| pause.clamp(Duration::from_secs(1), LONGEST_PAUSE);
        let last = attempts >= self.0.config.send_attempts;
        match error {
            SendError::Uncertain(why) => {
                let tried = row.tried_at.map(|at| now.since(at));
                let again_is_same = outbound.op != SendOp::Send;
                if !last && (again_is_same || may_repeat(&connected.caps, tried)) {
                    return again(backoff(row.id(), attempts), attempts);
                }
                let message = why.to_string();
                Verdict {
                    counts: !by_reply,
                    ..dead(
                        OutboxState::Uncertain { message },
                        Delivery::Uncertain,
                        None,
                    )
                }
            }
            SendError::Rejected { code, message } => {
                // The credential was good enough to be told so.
                connected.taken(epoch);
                refused(&code, message)
            }
            // The message is not at fault: it waits without using up its attempts.
            SendError::Unauthorized(why) => {
                connected.refuse(&why, epoch, now);
                again(Duration::ZERO, attempts.saturating_sub(1))
            }
            SendError::RetryAfter(pause) => {
                let pause = asked(pause);
                connected
                    .governor()
                    .told_to_wait(outbound.lane, now + pause);
                again(pause, attempts.saturating_sub(1).max(1))
            }
            SendError::AccountRetryAfter(pause) => {
                let pause = asked(pause);
                connected.governor().pause(now + pause);
                again(pause, attempts.saturating_sub(1).max(1))
            }
            SendError::Transient(why) if last => refused("gave_up", why.to_string()),
            SendError::Transient(_) => again(backoff(row.id(), attempts), attempts),
        }
    }
}

/// How far the row's lines have come. A line that leaves in several sends is sent with the last.
pub(super) fn delivery(
    row: &OutboxRow,
    delivery: Delivery,
    code: Option<String>,
    commit: &mut Commit,
) {
    let lines = std::iter::once(&row.message).chain(&row.outbound.also);
    commit
        .writes
        .extend(lines.map(|line| Write::MessageDelivery {
            id: *line,
            delivery,
            code: code.clone(),
        }));
}

/// Whether a message that may have arrived is sent again under its own key: only while the
/// platform still knows the key.
pub(super) fn may_repeat(caps: &Capabilities, since_first: Option<Duration>) -> bool {
    caps.idempotency_secs
        .is_some_and(|secs| since_first.is_none_or(|span| span < Duration::from_secs(secs)))
}

/// 1 s, 2 s, 4 s … 10 min, each a little off by the message's own id, so that many that failed
/// together don't come back together.
fn backoff(id: OutboxId, attempts: u32) -> Duration {
    let base =
        Duration::from_secs(1 << attempts.saturating_sub(1).min(9)).min(Duration::from_secs(600));
    let spread = u64::from(id.0.as_bytes()[15]);
    base + base * u32::try_from(spread).unwrap_or(0) / 512
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

    #[test]
    fn a_key_is_good_as_long_as_the_platform_knows_it() {
        let mut caps = Capabilities::plain(10);
        let hour = Duration::from_secs(3600);
        assert!(!may_repeat(&caps, None));
        caps.idempotency_secs = Some(3600);
        assert!(may_repeat(&caps, Some(hour / 2)));
        assert!(!may_repeat(&caps, Some(hour)));
    }
}
