//! Showing the customer that somebody writes: a person at the desk, or the bot while what it needs
//! takes long. Never stored and never counted; what cannot be shown at once is not shown.

use std::{sync::Arc, time::Duration};

use tandem_domain::{
    ConversationId, OutboxId, WorkspaceId,
    bus::{Signal, Topic},
    channel::SendError,
    conversation::{Control, Conversation},
    message::{Author, Content, Outbound, SendOp},
    store::{ActionRow, StoreError},
};

use crate::{accounts::Connected, engine::Engine, people::PersonError};

/// A bot that answers sooner needs no sign.
const SLOW: Duration = Duration::from_secs(1);
/// Platforms take the sign away after five seconds or more; shown again before.
const AGAIN: Duration = Duration::from_secs(4);
/// No longer than this: whoever waits on should hear words.
const LONGEST: Duration = Duration::from_secs(60);
/// A sign that takes longer comes too late.
const PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// A person writes to the customer: shown where the channel can, for some seconds.
    ///
    /// # Errors
    /// When there is no such conversation.
    pub async fn typing(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
    ) -> Result<(), PersonError> {
        let known = self.0.store.conversation(workspace, conversation).await?;
        let known = known.ok_or(PersonError::NotFound)?;
        self.show_typing(&known, Author::System);
        Ok(())
    }

    /// Shows that the bot works as long as this action runs. Ends when it is dropped.
    pub(crate) async fn show_work(&self, row: &ActionRow) {
        tokio::time::sleep(SLOW).await;
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < LONGEST {
            let store = &self.0.store;
            let known = store.conversation(&row.meta.workspace, row.conversation);
            match known.await {
                Ok(Some(known)) if known.control == Control::Bot => {
                    self.show_typing(&known, Author::Bot);
                }
                Ok(_) => {}
                Err(StoreError::Corrupt(_)) => return,
                // The next look may see it.
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn show_typing(&self, conversation: &Conversation, author: Author) {
        let lane = conversation.lane;
        let Some(connected) = self.channel(&conversation.account) else {
            return;
        };
        if connected.reads_transcript {
            return self.wake(&Topic::Lane(lane), Signal::Typing { lane, agent: true });
        }
        let now = self.now();
        if !connected.caps.typing || !connected.may_show(lane, now, AGAIN / 2) {
            return;
        }
        let outbound = Outbound {
            uuid: OutboxId::derive(&["typing", &lane.to_string(), &now.0.to_string()]),
            workspace: connected.account.workspace.clone(),
            account: conversation.account.clone(),
            lane,
            conversation_id: conversation.id,
            conversation: conversation.native.clone(),
            content: Content::default(),
            op: SendOp::Typing,
            seq: conversation.last_seq,
            author,
            choice_style: None,
            more: false,
            also: Vec::new(),
            last_inbound_id: None,
            reply_context: None,
        };
        let engine = self.clone();
        self.0
            .tasks
            .spawn(async move { engine.send_typing(&connected, &outbound).await });
    }

    async fn send_typing(&self, connected: &Arc<Connected>, outbound: &Outbound) {
        let epoch = connected.epoch();
        let sent = connected.channel.send(outbound);
        let error = match self.0.stop.or(tokio::time::timeout(PATIENCE, sent)).await {
            Some(Ok(Err(error))) => error,
            _ => return,
        };
        let now = self.now();
        match error {
            SendError::Unauthorized(why) => connected.refuse(&why, epoch, now),
            // Words would be refused now, too.
            SendError::RetryAfter(pause) => {
                let mut governor = connected.governor();
                governor.told_to_wait(outbound.lane, now + pause.min(LONGEST));
            }
            SendError::AccountRetryAfter(pause) => {
                connected.governor().pause(now + pause.min(LONGEST));
            }
            error => tracing::debug!(account = %outbound.account, %error, "Typing was not shown."),
        }
    }
}
