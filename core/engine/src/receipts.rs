//! What platforms tell of messages we sent. A receipt takes no turn: it finds its line by the
//! platform's id, or waits until that is known.

use serde_json::json;
use tandem_channel_kit::{Account, InboxError};
use tandem_domain::{
    ConversationId, LaneId, MessageId, Timestamp,
    edge::{NativeRow, ParkedReceipt},
    message::{Author, Delivery, Inbound, InboundKind},
    store::{Commit, Event, Guard, Message, OutboxState, Outcome, StoreError, Visibility, Write},
};

use crate::engine::Engine;

/// Lines that a receipt up to an instant looks back over.
const BACK: usize = 100;
/// A receipt is parked or found after so many looks, or the store is in trouble.
const TRIES: usize = 4;

/// What is told of a message.
struct Told {
    delivery: Delivery,
    code: Option<String>,
    words: Option<String>,
}

impl Engine {
    /// Takes a receipt in. It may come any number of times: it only ever moves a line on.
    pub(crate) async fn take_receipt(
        &self,
        account: &Account,
        event: &Inbound,
    ) -> Result<(), InboxError> {
        let InboundKind::Receipt {
            status,
            ids,
            until,
            code,
            message,
        } = &event.kind
        else {
            return Ok(());
        };
        let told = Told {
            delivery: *status,
            code: code.clone(),
            words: message.clone(),
        };
        for native in ids {
            self.receipt_for(account, native, &told).await?;
        }
        if let Some(until) = until {
            let lane = event.lane(&account.workspace);
            self.receipt_until(account, lane, *until, &told).await?;
        }
        Ok(())
    }

    async fn receipt_for(
        &self,
        account: &Account,
        native: &str,
        told: &Told,
    ) -> Result<(), InboxError> {
        for _ in 0..TRIES {
            let store = &self.0.store;
            let known = store.native(&account.workspace, &account.id, native);
            if let Some(row) = known.await? {
                return Ok(self.tell(account, &row, told).await?);
            }
            // Our own id is stored a moment after the platform gave it.
            let mut commit = Commit::new(account.workspace.clone());
            commit.guards.push(Guard::NoNative {
                account: account.id.clone(),
                native: native.to_owned(),
            });
            commit.writes.push(Write::ReceiptPark(ParkedReceipt {
                account: account.id.clone(),
                native: native.to_owned(),
                delivery: told.delivery,
                code: told.code.clone(),
                at: self.now(),
            }));
            if store.commit(commit).await? == Outcome::Committed {
                return Ok(());
            }
        }
        Err(InboxError::Unavailable("the inbox is contended".into()))
    }

    /// Applies what was told of these messages before their ids were known.
    pub(crate) async fn unpark(&self, natives: Vec<NativeRow>) {
        for row in natives {
            let Some(connected) = self.channel(&row.account) else {
                return;
            };
            let account = &connected.account;
            let store = &self.0.store;
            let applied = async {
                let parked = store.parked(&account.workspace, &row.account, &row.native);
                let Some(parked) = parked.await? else {
                    return Ok(());
                };
                let told = Told {
                    delivery: parked.delivery,
                    code: parked.code,
                    words: None,
                };
                self.tell(account, &row, &told).await?;
                let mut commit = Commit::new(account.workspace.clone());
                commit.writes.push(Write::ReceiptUnpark {
                    account: row.account.clone(),
                    native: row.native.clone(),
                });
                store.commit(commit).await.map(|_| ())
            };
            if let Err::<(), StoreError>(error) = applied.await {
                tracing::warn!(account = %row.account, %error, "What became of a message could not be recorded.");
            }
        }
    }

    /// Moves the lines of one send on.
    async fn tell(
        &self,
        account: &Account,
        row: &NativeRow,
        told: &Told,
    ) -> Result<(), StoreError> {
        // The other sends of the line may be on their way still; a failure is one of the line.
        if row.more && told.delivery != Delivery::Failed {
            return Ok(());
        }
        let store = &self.0.store;
        let before = row.seq.saturating_sub(1);
        let line = store.messages(&account.workspace, row.conversation, before, 1);
        let stands = line.await?.pop().filter(|line| line.id == row.message);
        if !told.delivery.follows(stands.and_then(|line| line.delivery)) {
            return Ok(());
        }
        let lines: Vec<MessageId> = std::iter::once(row.message)
            .chain(row.also.iter().copied())
            .collect();
        let mut commit = Commit::new(account.workspace.clone());
        for line in &lines {
            commit.writes.push(Write::MessageDelivery {
                id: *line,
                delivery: told.delivery,
                code: told.code.clone(),
            });
        }
        if told.delivery == Delivery::Failed {
            // It was taken and then not brought: a person may send it once more.
            commit.writes.push(Write::OutboxState {
                id: row.outbox,
                state: OutboxState::Failed {
                    code: told.code.clone().unwrap_or_else(|| "failed".into()),
                    message: told
                        .words
                        .clone()
                        .unwrap_or_else(|| "the platform took it and could not deliver it".into()),
                },
            });
        }
        let event = self.delivery_event(row.conversation, row.message, row.seq, told);
        commit.writes.push(event);
        store.commit(commit).await?;
        self.changed(row.lane, row.conversation, row.seq, &account.workspace);
        Ok(())
    }

    /// What the API's stream tells of a line that was moved on.
    fn delivery_event(
        &self,
        conversation: ConversationId,
        message: MessageId,
        seq: u64,
        told: &Told,
    ) -> Write {
        Write::EventPut(Event {
            seq: 0,
            name: "message.delivery".into(),
            conversation: Some(conversation),
            data: json!({
                "message": message, "seq": seq,
                "delivery": told.delivery, "code": told.code,
            }),
            at: self.now(),
        })
    }

    /// Moves on everything we said in the lane up to an instant.
    async fn receipt_until(
        &self,
        account: &Account,
        lane: LaneId,
        until: Timestamp,
        told: &Told,
    ) -> Result<(), StoreError> {
        let store = &self.0.store;
        let lines = store
            .lane_messages(&account.workspace, lane, None, BACK)
            .await?;
        let moves = |line: &&Message| {
            line.author != Author::Contact
                && line.visibility == Visibility::Public
                && line.created_at <= until
                && line.delivery.is_some_and(|d| d != Delivery::Queued)
                && told.delivery.follows(line.delivery)
        };
        let lines: Vec<&Message> = lines.iter().filter(moves).collect();
        let Some(last) = lines.last() else {
            return Ok(());
        };
        let mut commit = Commit::new(account.workspace.clone());
        for line in &lines {
            commit.writes.push(Write::MessageDelivery {
                id: line.id,
                delivery: told.delivery,
                code: told.code.clone(),
            });
            let event = self.delivery_event(line.conversation, line.id, line.seq, told);
            commit.writes.push(event);
        }
        store.commit(commit).await?;
        self.changed(lane, last.conversation, last.seq, &account.workspace);
        Ok(())
    }
}
