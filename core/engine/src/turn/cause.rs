//! What makes a turn happen: the guards that say it was not done before, and the rows that say it
//! is done now.

use std::time::Duration;

use tandem_domain::{
    ConversationId, InboxId, Timestamp,
    action::Ran,
    message::Content,
    store::{ActionRow, Commit, Guard, InboxRow, InboxState, OnceRow, TimerRow, Visibility, Write},
};

use crate::people::Person;

/// What makes a turn happen.
pub(crate) enum Cause {
    /// An event from a channel; `accepted`: its row stands already. Accepted edits that were read
    /// into it are done with it.
    Inbound {
        row: Box<InboxRow>,
        accepted: bool,
        edits: Vec<InboxId>,
    },
    Timer(TimerRow),
    ActionDone {
        row: Box<ActionRow>,
        ran: Ran,
    },
    Reply {
        by: Person,
        content: Content,
        visibility: Visibility,
        client_id: Option<String>,
    },
    Close {
        by: Person,
        outcome: Option<String>,
        returned: bool,
    },
}

/// What the sends that answer an event are numbered under.
pub(crate) fn of_event(id: InboxId) -> String {
    format!("inbox:{id}")
}

impl Cause {
    /// What the rows of this turn are derived from.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Inbound { row, .. } => of_event(row.id),
            Self::Timer(row) => format!("timer:{}", row.id),
            Self::ActionDone { row, .. } => format!("action:{}", row.id),
            Self::Reply { by, client_id, .. } => {
                let id = client_id
                    .clone()
                    .unwrap_or_else(|| InboxId::fresh().to_string());
                format!("reply:{}:{id}", by.id)
            }
            Self::Close { .. } => format!("close:{}", InboxId::fresh()),
        }
    }

    /// The guards that say this was not done before; true where acceptance and turn are one.
    pub(super) fn guard(&self, commit: &mut Commit, conversation: ConversationId) -> bool {
        match self {
            Self::Inbound {
                row,
                accepted: false,
                ..
            } => {
                commit.guards.push(Guard::NotAccepted {
                    account: row.account.clone(),
                    dedupe: row.dedupe.clone(),
                });
                return true;
            }
            Self::Inbound { row, edits, .. } => {
                let rows = std::iter::once(&row.id).chain(edits);
                commit.guards.extend(rows.copied().map(Guard::InboxPending));
            }
            Self::Timer(row) => commit.guards.push(Guard::TimerSet(row.id)),
            Self::ActionDone { row, .. } => commit.guards.push(Guard::ActionPending(row.id)),
            Self::Reply {
                client_id: Some(client_id),
                ..
            } => commit.guards.push(Guard::NoClientId {
                conversation,
                client_id: client_id.clone(),
            }),
            Self::Reply { .. } | Self::Close { .. } => {}
        }
        false
    }

    /// The rows that say it is done.
    pub(super) fn settle(&self, commit: &mut Commit, now: Timestamp, fused: bool) {
        match self {
            Self::Inbound { row, .. } if fused => {
                let mut row = (**row).clone();
                row.state = InboxState::Done;
                commit.writes.push(Write::InboxPut(row));
            }
            Self::Inbound { row, edits, .. } => {
                let rows = std::iter::once(&row.id).chain(edits);
                commit.writes.extend(rows.copied().map(Write::InboxDone));
            }
            Self::Timer(row) => commit.writes.push(Write::TimerFired(row.id)),
            Self::ActionDone { row, ran } => {
                commit.writes.push(Write::ActionDone {
                    id: row.id,
                    result: ran.result.clone(),
                });
                if let (Some(once), Ok(value)) = (&row.once, &ran.result) {
                    commit.writes.push(Write::OncePut(OnceRow {
                        contact: row.meta.contact,
                        key: once.key.clone(),
                        action: row.id,
                        expires_at: now + Duration::from_millis(once.for_ms),
                        result: Some(value.clone()),
                    }));
                }
            }
            Self::Reply { .. } | Self::Close { .. } => {}
        }
    }
}
