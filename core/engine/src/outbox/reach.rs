//! Whether a message may leave now: the platform's window after the customer wrote, how often we
//! may write in it, and the way to answer that it gave.

use std::time::Duration;

use tandem_domain::{
    Timestamp,
    capabilities::{Outside, Window},
    edge::Reach,
    message::{Outbound, Part, ReplyUse},
    store::{Commit, Guard, Outcome, StoreError, Write},
};

use super::Ending;
use crate::{accounts::Connected, engine::Engine};

/// Tries to claim a use while the customer goes on writing.
const TRIES: usize = 5;

impl Engine {
    /// The way to answer this message is to take, if there is one; or why it cannot leave.
    pub(super) async fn room(
        &self,
        connected: &Connected,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<Option<ReplyUse>, Ending> {
        for _ in 0..TRIES {
            let reach = self
                .0
                .store
                .reach(&outbound.workspace, outbound.lane)
                .await
                .map_err(unread)?;
            let Some((reach, number)) = reach
                .as_ref()
                .and_then(|reach| Some((reach, reach.next_use(now)?)))
            else {
                return match connected.caps.window {
                    Some(window) => open(window, reach.as_ref(), outbound, now).map(|()| None),
                    None => Ok(None),
                };
            };
            let mut commit = Commit::new(outbound.workspace.clone());
            commit.guards.push(Guard::ReachIs {
                lane: outbound.lane,
                heard_at: reach.heard_at,
                reply_used: reach.reply_used,
            });
            commit.writes.push(Write::ReplyUsed(outbound.lane));
            if self.0.store.commit(commit).await.map_err(unread)? == Outcome::Committed {
                let token = reach.reply.as_ref().map(|reply| reply.token.clone());
                return Ok(token.map(|token| ReplyUse { token, number }));
            }
        }
        Err(unread(StoreError::Unavailable(
            "the conversation kept moving".into(),
        )))
    }
}

/// Nothing left: the message is tried again.
fn unread(error: StoreError) -> Ending {
    Err(tandem_domain::channel::SendError::Transient(error.into())).into()
}

fn open(
    window: Window,
    reach: Option<&Reach>,
    outbound: &Outbound,
    now: Timestamp,
) -> Result<(), Ending> {
    let span = Duration::from_secs(window.secs);
    let Some(reach) = reach.filter(|reach| now < reach.heard_at + span) else {
        let template = |part: &Part| matches!(part, Part::Template { .. });
        let parts = &outbound.content.parts;
        if window.outside == Outside::Template && !parts.is_empty() && parts.iter().all(template) {
            return Ok(());
        }
        let last = match reach.filter(|reach| reach.heard_at > Timestamp(0)) {
            Some(reach) => format!("the customer last wrote at {}", reach.heard_at),
            None => "the customer has not written yet".to_owned(),
        };
        return Err(Ending::Refuse {
            code: "window",
            why: format!(
                "{last}, and the platform takes messages for {span:?} after that{}",
                match window.outside {
                    Outside::Template => "; send an approved template",
                    Outside::Reject => "",
                }
            ),
        });
    };
    match window.quota {
        Some(quota) if reach.sent >= quota => Err(Ending::Hold {
            until: reach.heard_at + span,
            code: "quota".to_owned(),
        }),
        _ => Ok(()),
    }
}
