//! A person changes or takes back what they said, where the platform can. The transcript changes
//! at once; the change leaves by the outbox, behind what the lane said before it.

use serde_json::json;
use tandem_channel_kit::render;
use tandem_domain::{
    ConversationId, MessageId, OutboxId, WorkspaceId,
    message::{Author, Content, Media, Outbound, Part, SendOp},
    store::{
        Change, Changed, Commit, Event, Guard, Message, OutboxRow, OutboxState, Visibility, Write,
    },
};

use crate::{
    engine::Engine,
    people::{Person, PersonError},
};

/// What is to become of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Amendment {
    /// Other words. Nothing but text can be changed, and only into text.
    Edit(String),
    Delete,
}

impl Engine {
    /// Changes a public line that a person wrote, here and on the platform. Done twice, a deletion
    /// is done once.
    ///
    /// # Errors
    /// [`PersonError::Unchangeable`] says why the line must stay as it is.
    pub async fn amend(
        &self,
        workspace: &WorkspaceId,
        id: ConversationId,
        seq: u64,
        by: &Person,
        what: Amendment,
    ) -> Result<Message, PersonError> {
        let store = &self.0.store;
        let known = store
            .conversation(workspace, id)
            .await?
            .ok_or(PersonError::NotFound)?;
        let cell = self.0.lanes.get(workspace, known.lane);
        // Nothing is said in between.
        let _work = cell.work.lock().await;
        let before = seq.checked_sub(1).ok_or(PersonError::NoLine)?;
        let lines = store.messages(workspace, id, before, 1).await?;
        let line = lines.into_iter().find(|line| line.seq == seq);
        let line = line.ok_or(PersonError::NoLine)?;
        let gone = line.changed.is_some_and(|c| c.how == Change::Deleted);
        if gone && what == Amendment::Delete {
            return Ok(line);
        }
        let theirs = matches!(line.author, Author::Agent { .. });
        if !theirs || line.visibility != Visibility::Public || gone {
            return Err(PersonError::Unchangeable(
                "only what a person said to the customer and did not take back can be changed",
            ));
        }
        let sends = self.changes(workspace, &line, &what).await?;
        let now = self.now();
        let (how, content) = match what {
            Amendment::Edit(text) => (Change::Edited, Content::text(text)),
            Amendment::Delete => (Change::Deleted, Content::default()),
        };
        let line = Message {
            content: Content {
                quote: line.content.quote.clone(),
                ..content
            },
            changed: Some(Changed { how, at: now }),
            ..line
        };
        let mut commit = Commit::new(workspace.clone());
        commit.guards.push(Guard::LineOfLane {
            lane: line.lane,
            message: line.id,
        });
        commit
            .writes
            .push(Write::MessageChange(Box::new(line.clone())));
        for (op, content) in sends {
            let uuid = OutboxId::derive(&["change", &MessageId::fresh().to_string()]);
            commit.writes.push(Write::OutboxPut(Box::new(OutboxRow {
                outbound: Outbound {
                    uuid,
                    workspace: workspace.clone(),
                    account: known.account.clone(),
                    lane: line.lane,
                    conversation_id: id,
                    conversation: known.native.clone(),
                    content,
                    op,
                    seq,
                    author: by.author(),
                    choice_style: None,
                    more: false,
                    also: Vec::new(),
                    last_inbound_id: None,
                    reply_context: None,
                },
                message: line.id,
                state: OutboxState::Ready {
                    attempts: 0,
                    not_before: now,
                },
                tried_at: None,
                created_at: now,
            })));
        }
        let name = match how {
            Change::Edited => "message.edited",
            Change::Deleted => "message.deleted",
        };
        commit.writes.push(Write::EventPut(Event {
            seq: 0,
            name: name.to_owned(),
            conversation: Some(id),
            data: json!({"message": line.id, "seq": seq, "by": by.id}),
            at: now,
        }));
        store.commit(commit).await?;
        self.changed(line.lane, id, seq, workspace);
        if let Some(connected) = self.channel(&known.account) {
            connected.wake.notify_one();
        }
        Ok(line)
    }

    /// What the platform is to be told, one operation a message of its own.
    async fn changes(
        &self,
        workspace: &WorkspaceId,
        line: &Message,
        what: &Amendment,
    ) -> Result<Vec<(SendOp, Content)>, PersonError> {
        let no = |why| Err(PersonError::Unchangeable(why));
        let natives = self.0.store.natives_of(workspace, line.id).await?;
        let Some(first) = natives.first() else {
            return no(
                "the platform has not taken it yet, or gave it no id; try again in a moment",
            );
        };
        let Some(connected) = self.channel(&first.account) else {
            return no("its channel is not configured any more");
        };
        let caps = &connected.caps;
        let age = i64::try_from(self.now().since(line.created_at).as_secs()).unwrap_or(i64::MAX);
        if natives.iter().any(|native| !native.also.is_empty()) {
            return no("it left together with other lines as one message");
        }
        match what {
            Amendment::Delete => {
                let mut ops = Vec::with_capacity(natives.len());
                for native in natives {
                    let op = SendOp::Delete { id: native.native };
                    match render::operation(&op, caps, age) {
                        Some(op) => ops.push((op, Content::default())),
                        None => {
                            return no(
                                "this channel cannot take back what was sent, or not any more",
                            );
                        }
                    }
                }
                Ok(ops)
            }
            Amendment::Edit(text) => {
                let op = SendOp::Edit {
                    id: first.native.clone(),
                };
                if render::operation(&op, caps, age).as_ref() != Some(&op) {
                    return no("this channel cannot change what was sent, or not any more");
                }
                let words = |part: &Part| matches!(part, Part::Text { .. });
                let plain = line.content.parts.iter().all(words) && line.content.choices.is_empty();
                if natives.len() != 1 || !plain {
                    return no("only a text that left as one message can be changed");
                }
                let none = |_: &Media| None;
                let mut sends = render::render(&Content::text(text), caps, &none).sends;
                match (sends.pop(), sends.is_empty()) {
                    (Some(content), true) => Ok(vec![(op, content)]),
                    _ => no("the new text does not fit into one message"),
                }
            }
        }
    }
}
