//! Answers that are written into the platform's own request.

use std::sync::Arc;

use async_trait::async_trait;
use tandem_channel_kit::Claim;
use tandem_domain::{
    channel::{Receipt, SendError},
    store::OutboxRow,
};

use crate::{accounts::Connected, engine::Engine, outbox::Ending};

/// Outbox rows that are written into the answer of a platform's own request.
pub(super) struct Claimed {
    pub engine: Engine,
    pub connected: Arc<Connected>,
    pub epoch: u64,
    pub rows: Vec<OutboxRow>,
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
