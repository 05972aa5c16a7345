//! Wake-ups between tasks and nodes. A signal names rows; the rows carry the data, so a lost
//! signal costs latency and never a message.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{AccountId, ConversationId, LaneId, WorkspaceId};

/// What to listen for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Everything that happens in one lane, across the conversations it rolls through.
    Lane(LaneId),
    /// New rows in a workspace's event log.
    Events(WorkspaceId),
    /// Rows waiting in the outbox.
    Outbox,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case")]
pub enum Signal {
    /// The transcript grew up to `seq`, or a line in it changed state.
    Transcript {
        lane: LaneId,
        conversation: ConversationId,
        seq: u64,
    },
    /// Somebody is writing; not stored.
    Typing {
        lane: LaneId,
        agent: bool,
    },
    Events {
        workspace: WorkspaceId,
    },
    Outbox {
        account: AccountId,
    },
}

#[async_trait]
pub trait Bus: Send + Sync {
    /// Never blocks and never fails loudly: losing a signal is allowed.
    fn publish(&self, topic: &Topic, signal: Signal);
    /// Signals published from now on. A slow listener misses some and is told so.
    fn subscribe(&self, topic: &Topic) -> Box<dyn Listener>;
}

#[async_trait]
pub trait Listener: Send {
    async fn next(&mut self) -> Heard;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Signal(Signal),
    /// Some were missed: read the rows again.
    Missed,
    /// The bus has shut down.
    Closed,
}
