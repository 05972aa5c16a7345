//! Who answers: the types that a decision is made of and recorded in.
//!
//! Deciding is a pure function of a snapshot and a time, so that every decision can be explained
//! and run again. For now this crate holds the shapes that queues, the API and the event log share.

use serde::{Deserialize, Serialize};
use tandem_domain::{
    ConversationId, Timestamp,
    conversation::{Handoff, Priority},
};

/// A conversation that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    pub conversation: ConversationId,
    pub skill: String,
    pub priority: Priority,
    /// Kept over re-queuing.
    pub since: Timestamp,
}

impl Waiting {
    #[must_use]
    pub fn new(conversation: ConversationId, handoff: &Handoff) -> Self {
        Self {
            conversation,
            skill: handoff.skill.clone(),
            priority: handoff.priority,
            since: handoff.waiting_since,
        }
    }
}

/// Why somebody was not considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Disabled,
    Away,
    NotAccepting,
    OtherTeam,
    OutOfHours,
    MissingSkill,
    AtCapacity,
    RejectedLately,
}

/// One person looked at for one conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub agent: String,
    /// Higher is better; none where a reason rules the person out.
    pub score: Option<i64>,
    pub reason: Option<Reason>,
}

/// What was decided, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub conversation: ConversationId,
    pub at: Timestamp,
    pub chosen: Option<String>,
    pub candidates: Vec<Candidate>,
}
