//! What the edge of a channel has to remember: how a customer can be reached, which native id is
//! which line, receipts that came too early, media that are still on their platform, and what was
//! signed and not understood.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ConversationId, FileId, LaneId, MessageId, OutboxId, Timestamp, UnknownId,
    message::{Delivery, Media, ReplyContext},
};

/// How the customer of a lane can be reached, on channels with a window or with reply contexts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reach {
    pub lane: LaneId,
    /// When the customer last wrote.
    pub heard_at: Timestamp,
    /// Sends since then.
    pub sent: u32,
    /// The newest way to answer that the platform gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyContext>,
    /// Uses of it that were claimed.
    pub reply_used: u32,
}

impl Reach {
    /// The number of the next use of the reply context, if it lives and has one left.
    #[must_use]
    pub fn next_use(&self, now: Timestamp) -> Option<u32> {
        let reply = self.reply.as_ref()?;
        let lives = reply.expires_at.is_none_or(|at| now < at);
        let left = reply.uses_left.is_none_or(|uses| self.reply_used < uses);
        (lives && left).then(|| self.reply_used.saturating_add(1))
    }
}

/// A message of ours as the platform names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeRow {
    pub account: AccountId,
    /// The platform's id.
    pub native: String,
    /// The row that carried it.
    pub outbox: OutboxId,
    pub message: MessageId,
    /// Other lines that left with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<MessageId>,
    pub lane: LaneId,
    pub conversation: ConversationId,
    /// The line's number in the conversation.
    pub seq: u64,
    /// More sends of the same line followed: its delivery says nothing of the whole line.
    pub more: bool,
    pub at: Timestamp,
}

/// A receipt for a native id that is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedReceipt {
    pub account: AccountId,
    pub native: String,
    pub delivery: Delivery,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub at: Timestamp,
}

/// A medium that a customer sent and that is not stored here yet. The transcript names the file
/// that it becomes from the beginning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchRow {
    pub file: FileId,
    pub account: AccountId,
    pub lane: LaneId,
    pub conversation: ConversationId,
    /// As the platform names it.
    pub media: Media,
    /// Attempts begun.
    pub attempts: u32,
    /// When the next attempt begins; none once it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    pub created_at: Timestamp,
}

/// A request or frame that was the platform's and was not understood, for a person to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownRow {
    pub id: UnknownId,
    pub account: AccountId,
    /// Why it was not understood.
    pub reason: String,
    /// As it came, cut where it is very long.
    pub body: Vec<u8>,
    pub at: Timestamp,
}

/// Rows of [`UnknownRow`] kept for each account.
pub const UNKNOWN_KEPT: usize = 200;

/// How long rows that are worked off are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    pub rows: Duration,
    /// Accounts whose events count as known for longer; none: for ever.
    pub events: BTreeMap<AccountId, Option<Duration>>,
}

impl Keep {
    /// Everything for the same time.
    #[must_use]
    pub fn all(rows: Duration) -> Self {
        Self {
            rows,
            events: BTreeMap::new(),
        }
    }

    /// The instant before which an event of this account may be forgotten; none: never.
    #[must_use]
    pub fn events_before(&self, account: &str, now: Timestamp) -> Option<Timestamp> {
        match self.events.get(&AccountId::new(account)) {
            Some(None) => None,
            Some(Some(longer)) => Some(now - self.rows.max(*longer)),
            None => Some(now - self.rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_context_is_used_as_often_as_it_says_and_while_it_lives() {
        let mut reach = Reach {
            lane: LaneId::derive(&["a"]),
            heard_at: Timestamp(0),
            sent: 0,
            reply: Some(ReplyContext {
                token: "t".into(),
                expires_at: Some(Timestamp(10)),
                uses_left: Some(2),
            }),
            reply_used: 0,
        };
        assert_eq!(reach.next_use(Timestamp(9)), Some(1));
        assert_eq!(reach.next_use(Timestamp(10)), None);
        reach.reply_used = 1;
        assert_eq!(reach.next_use(Timestamp(9)), Some(2));
        reach.reply_used = 2;
        assert_eq!(reach.next_use(Timestamp(9)), None);
        reach.reply = None;
        assert_eq!(reach.next_use(Timestamp(9)), None);
    }

    #[test]
    fn events_are_kept_at_least_as_long_as_their_account_asks() {
        let (day, now) = (Duration::from_secs(86_400), Timestamp(100 * 86_400_000));
        let mut keep = Keep::all(day * 8);
        keep.events.insert("long".into(), Some(day * 20));
        keep.events.insert("short".into(), Some(day));
        keep.events.insert("ever".into(), None);
        assert_eq!(keep.events_before("other", now), Some(now - day * 8));
        assert_eq!(keep.events_before("short", now), Some(now - day * 8));
        assert_eq!(keep.events_before("long", now), Some(now - day * 20));
        assert_eq!(keep.events_before("ever", now), None);
    }
}
