//! A conversation: three orthogonal fields instead of one status, and the table of legal moves.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ContactId, ConversationId, LaneId, Locale, Timestamp, message::NativeConversation,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The bot has it.
    #[default]
    Pending,
    /// People have it, or should.
    Open,
    Snoozed,
    Resolved,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingState {
    #[default]
    None,
    Queued,
    Offered,
    Assigned,
    Wrapping,
}

/// Who may write to the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    #[default]
    Bot,
    Human,
    None,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    pub id: ConversationId,
    pub lane: LaneId,
    pub contact: ContactId,
    pub channel: String,
    pub account: AccountId,
    pub native: NativeConversation,
    pub locale: Locale,
    pub status: Status,
    pub routing_state: RoutingState,
    pub control: Control,
    /// Raised whenever `control` changes: a bot reply begun under an older epoch is discarded.
    pub control_epoch: u64,
    /// The open→resolve cycle this is in, from 1.
    pub session: u32,
    /// The transcript's last line; lines are numbered from 1.
    pub last_seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handoff: Option<Handoff>,
    /// The person who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How the last flow or person ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The conversation before this one on the same lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ConversationId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
}

/// What the bot tells the people it hands over to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handoff {
    pub skill: String,
    pub priority: Priority,
    pub mode: HandoffMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When the customer began to wait; kept over re-queuing, so nobody loses their place.
    pub waiting_since: Timestamp,
}

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Urgent,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoffMode {
    /// Wait for a person now.
    #[default]
    Queue,
    /// Leave a ticket; the bot stays.
    Ticket,
    /// A person calls back.
    Callback,
}

/// What can happen to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Move {
    Handoff,
    Reserve,
    Accept,
    /// Rejected, timed out, or the agent was lost while it rang.
    Unreserve,
    Abandon,
    Transfer,
    AgentLost,
    ReturnToBot,
    /// A person closes it.
    Resolve,
    /// The time to wrap up is over.
    WrapUp,
    /// A flow ended `resolved`.
    BotResolve,
    /// A person writes to the customer.
    PersonReplies,
    /// The customer writes again within the window.
    Reopen,
}

/// A move the table does not have: a 409 at the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a conversation that is {from:?}/{routing:?} cannot take the move {what:?}")]
pub struct IllegalMove {
    pub from: Status,
    pub routing: RoutingState,
    pub what: Move,
}

impl Conversation {
    /// Moves along the table, raising `control_epoch` when control changes hands.
    ///
    /// # Errors
    /// [`IllegalMove`] for everything the table does not have; the conversation is unchanged.
    pub fn apply(&mut self, what: Move, now: Timestamp) -> Result<(), IllegalMove> {
        use Control as C;
        use RoutingState as R;
        use Status as S;
        let next = match (self.status, self.routing_state, what) {
            (S::Pending, R::None, Move::Handoff) => (S::Open, R::Queued, C::Human),
            (S::Open, R::Queued, Move::Reserve) => (S::Open, R::Offered, C::Human),
            (S::Open, R::Offered, Move::Accept) => (S::Open, R::Assigned, C::Human),
            (S::Open, R::Offered, Move::Unreserve) => (S::Open, R::Queued, C::Human),
            (S::Open, R::Queued | R::Offered, Move::Abandon) => (S::Resolved, R::None, C::Bot),
            (S::Open, R::Assigned, Move::Transfer | Move::AgentLost) => {
                (S::Open, R::Queued, C::Human)
            }
            (S::Open, R::Queued | R::Offered | R::Assigned, Move::ReturnToBot) => {
                (S::Pending, R::None, C::Bot)
            }
            (S::Open, R::Assigned, Move::Resolve) => (S::Resolved, R::Wrapping, C::Bot),
            // A supervisor may close what still waits.
            (S::Open, R::Queued | R::Offered, Move::Resolve) => (S::Resolved, R::None, C::Bot),
            (S::Pending, R::None, Move::Resolve | Move::BotResolve) => {
                (S::Resolved, R::None, C::Bot)
            }
            (S::Resolved, R::Wrapping, Move::WrapUp) => (S::Resolved, R::None, C::Bot),
            (S::Pending, R::None, Move::PersonReplies)
            | (S::Open, R::Queued | R::Offered | R::Assigned, Move::PersonReplies) => {
                (S::Open, R::Assigned, C::Human)
            }
            (S::Resolved, R::None | R::Wrapping, Move::Reopen) => (S::Pending, R::None, C::Bot),
            (from, routing, what) => {
                return Err(IllegalMove {
                    from,
                    routing,
                    what,
                });
            }
        };
        if next.2 != self.control {
            self.control_epoch += 1;
        }
        (self.status, self.routing_state, self.control) = next;
        self.updated_at = now;
        match what {
            Move::Resolve | Move::BotResolve | Move::Abandon => self.resolved_at = Some(now),
            Move::Reopen => {
                self.resolved_at = None;
                self.session += 1;
            }
            _ => {}
        }
        if !matches!(self.routing_state, R::Assigned | R::Wrapping) {
            self.assignee = None;
        }
        Ok(())
    }
}
