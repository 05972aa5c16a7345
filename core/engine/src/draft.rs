//! A turn being written down: effects become rows here, and nothing is stored until all of them
//! are there.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tandem_channel_kit::render;
use tandem_domain::{
    ActionId, ContactId, Locale, MessageId, OutboxId, TicketId, TimerId, Timestamp, Value,
    WorkspaceId,
    action::Meta,
    conversation::{Conversation, Handoff, HandoffMode, IllegalMove, Move, Priority},
    message::{Author, Content, Delivery, Outbound, ReplyContext, SendOp},
    store::{
        ActionRow, Contact, Event, Message, Once, OutboxRow, OutboxState, Ticket, TimerRow,
        Visibility, Write,
    },
};
use tandem_flow::step::Effect;

use crate::engine::Connected;

/// Rows of one turn, in the order they are written, and what must be started once they stand.
pub(crate) struct Draft {
    workspace: WorkspaceId,
    now: Timestamp,
    /// What this turn is an answer to: outbox ids are derived from it, so that a turn run again
    /// writes the same rows.
    cause: String,
    ordinal: u32,
    connected: Option<Arc<Connected>>,
    reply_context: Option<ReplyContext>,
    pub conversation: Conversation,
    pub contact: Contact,
    contact_changed: bool,
    /// Sensitive attributes of the contact that this turn learned.
    pub private: tandem_domain::Map,
    pub writes: Vec<Write>,
    pub lines: Vec<Message>,
    pub actions: Vec<ActionRow>,
    pub events: u32,
    pub sends: bool,
    pub timers: bool,
}

impl Draft {
    pub fn new(
        workspace: WorkspaceId,
        now: Timestamp,
        cause: String,
        connected: Option<Arc<Connected>>,
        conversation: Conversation,
        contact: Contact,
    ) -> Self {
        Self {
            workspace,
            now,
            cause,
            ordinal: 0,
            connected,
            reply_context: None,
            conversation,
            contact,
            contact_changed: false,
            private: tandem_domain::Map::new(),
            writes: Vec::with_capacity(10),
            lines: Vec::with_capacity(3),
            actions: Vec::new(),
            events: 0,
            sends: false,
            timers: false,
        }
    }

    pub fn reply_context(&mut self, context: Option<ReplyContext>) {
        self.reply_context = context;
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A new line of the transcript.
    pub fn line(
        &mut self,
        author: Author,
        content: Content,
        visibility: Visibility,
        client_id: Option<String>,
    ) -> MessageId {
        self.conversation.last_seq += 1;
        self.conversation.updated_at = self.now;
        let message = Message {
            id: MessageId::fresh(),
            conversation: self.conversation.id,
            lane: self.conversation.lane,
            seq: self.conversation.last_seq,
            author,
            content,
            visibility,
            client_id,
            delivery: None,
            delivery_code: None,
            created_at: self.now,
        };
        let id = message.id;
        self.lines.push(message);
        id
    }

    /// A line to the customer, with the rows that carry it to them.
    pub fn say(&mut self, author: Author, content: Content, client_id: Option<String>) {
        let message = self.line(
            author.clone(),
            content.clone(),
            Visibility::Public,
            client_id,
        );
        let read_from_transcript = self
            .connected
            .as_ref()
            .is_none_or(|c| c.channel.reads_transcript());
        let delivery = if read_from_transcript {
            Delivery::Sent
        } else {
            Delivery::Queued
        };
        if let Some(line) = self.lines.last_mut() {
            line.delivery = Some(delivery);
        }
        let Some(connected) = self.connected.clone().filter(|_| !read_from_transcript) else {
            return;
        };
        // One row a native send, so that a retry never repeats part one.
        let capabilities = connected.channel.capabilities();
        for part in render::render(&content, &capabilities, &|_| None).sends {
            self.ordinal += 1;
            let uuid = OutboxId::derive(&[&self.cause, &self.ordinal.to_string()]);
            self.writes.push(Write::OutboxPut(Box::new(OutboxRow {
                outbound: Outbound {
                    uuid,
                    workspace: self.workspace.clone(),
                    account: self.conversation.account.clone(),
                    lane: self.conversation.lane,
                    conversation_id: self.conversation.id,
                    conversation: self.conversation.native.clone(),
                    content: part,
                    op: SendOp::Send,
                    seq: self.conversation.last_seq,
                    author: author.clone(),
                    reply_context: self.reply_context.clone(),
                },
                message,
                state: OutboxState::Ready {
                    attempts: 0,
                    not_before: self.now,
                },
                created_at: self.now,
            })));
            self.sends = true;
        }
    }

    pub fn event(&mut self, name: &str, data: Value) {
        self.events += 1;
        self.writes.push(Write::EventPut(Event {
            seq: 0,
            name: name.to_owned(),
            conversation: Some(self.conversation.id),
            data,
            at: self.now,
        }));
    }

    /// Moves the conversation along the table and logs it.
    pub fn advance(&mut self, what: Move) -> Result<(), IllegalMove> {
        self.conversation.apply(what, self.now)?;
        let name = match what {
            Move::Handoff => "conversation.handoff",
            Move::Resolve | Move::BotResolve | Move::Abandon => "conversation.resolved",
            Move::Reopen => "conversation.reopened",
            Move::ReturnToBot => "conversation.returned",
            _ => "conversation.updated",
        };
        let data = json!({
            "status": self.conversation.status,
            "routing_state": self.conversation.routing_state,
            "control": self.conversation.control,
            "control_epoch": self.conversation.control_epoch,
            "session": self.conversation.session,
        });
        self.event(name, data);
        Ok(())
    }

    /// Turns what the stepper wants into rows. Answers to local requests are not among them.
    pub fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Say {
                content,
                via: Some(channel),
                to,
                ..
            } => self.other_channel(&channel, to, &content),
            Effect::Say { content, .. } => self.say(Author::Bot, content, None),
            Effect::Note { text } => {
                self.line(Author::System, Content::text(text), Visibility::Note, None);
            }
            Effect::Act {
                key,
                request,
                timeout_ms,
                pack,
                write,
                retry,
                idempotency_key,
                once,
            } => {
                let row = ActionRow {
                    id: self.action_id(&key),
                    lane: self.conversation.lane,
                    conversation: self.conversation.id,
                    key,
                    request,
                    meta: Meta {
                        workspace: self.workspace.clone(),
                        conversation: self.conversation.id,
                        contact: self.contact.id,
                        locale: self.conversation.locale.clone(),
                        pack,
                        now: self.now,
                        timeout_ms,
                        retries: retry,
                        idempotency_key,
                        write,
                    },
                    once: once.map(|claim| Once {
                        key: claim.key,
                        for_ms: claim.for_ms,
                    }),
                    started: false,
                    created_at: self.now,
                    result: None,
                };
                self.writes.push(Write::ActionPut(Box::new(row.clone())));
                self.actions.push(row);
            }
            Effect::CancelAct { key } => {
                let id = self.action_id(&key);
                self.actions.retain(|row| row.id != id);
                self.writes.push(Write::ActionCancel(id));
            }
            Effect::SetTimer {
                key,
                due_at,
                payload,
            } => {
                self.timers = true;
                self.writes.push(Write::TimerPut(TimerRow {
                    id: TimerId::derive(&[
                        &self.conversation.lane.to_string(),
                        &key,
                        &self.cause,
                        &due_at.0.to_string(),
                    ]),
                    lane: self.conversation.lane,
                    key,
                    due_at,
                    payload,
                }));
            }
            Effect::CancelTimer { key } => self.writes.push(Write::TimerCancel {
                lane: self.conversation.lane,
                key,
            }),
            Effect::Handoff {
                skill,
                priority,
                summary,
                tags,
                mode,
            } => self.handoff(skill, priority, summary, tags, mode),
            Effect::Ticket {
                title,
                skill,
                fields,
                via,
                to,
            } => {
                if let Some(channel) = via {
                    self.other_channel(&channel, to, &Content::text(title.clone()));
                }
                self.ticket("ticket", title, skill, Priority::Normal, fields);
            }
            Effect::Tag { word } => {
                if !self.conversation.tags.contains(&word) {
                    self.conversation.tags.push(word);
                }
            }
            Effect::Remember {
                name,
                value,
                sensitive: true,
            } => {
                self.private.insert(name, value);
            }
            Effect::Remember { name, value, .. } => {
                self.contact_changed = true;
                self.contact.attributes.insert(name, value);
            }
            Effect::Resolve { outcome } => {
                self.conversation.outcome = Some(outcome);
                // A person who took over in the same moment keeps the conversation.
                if self.advance(Move::BotResolve).is_err() {
                    tracing::debug!(conversation = %self.conversation.id, "The flow ended, and the conversation was not the bot's to resolve.");
                }
            }
            Effect::Locale { locale } => self.locale(locale),
        }
    }

    pub fn locale(&mut self, locale: Locale) {
        if self.contact.locale.as_ref() != Some(&locale) {
            self.contact_changed = true;
            self.contact.locale = Some(locale.clone());
        }
        self.conversation.locale = locale;
    }

    pub fn contact_is_new(&mut self) {
        self.contact_changed = true;
    }

    /// The id of the action a frame waits for under this key.
    pub fn action_id(&self, key: &str) -> ActionId {
        ActionId::derive(&[&self.conversation.id.to_string(), key])
    }

    /// Everything but the lane, the inbox row and the journal.
    pub fn finish(&mut self) {
        if self.contact_changed {
            self.writes.push(Write::ContactPut(self.contact.clone()));
        }
        if let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) {
            let data = json!({"from": first.seq, "to": last.seq});
            self.event("message.created", data);
        }
        for line in &self.lines {
            self.writes.push(Write::MessagePut(line.clone()));
        }
        self.writes
            .push(Write::ConversationPut(Box::new(self.conversation.clone())));
    }

    fn handoff(
        &mut self,
        skill: String,
        priority: Priority,
        summary: Option<String>,
        tags: Vec<String>,
        mode: HandoffMode,
    ) {
        if mode != HandoffMode::Queue {
            let kind = match mode {
                HandoffMode::Callback => "callback",
                _ => "ticket",
            };
            let title = summary.unwrap_or_else(|| skill.clone());
            let mut fields = tandem_domain::Map::new();
            if !tags.is_empty() {
                fields.insert("tags".into(), json!(tags));
            }
            self.ticket(kind, title, skill, priority, fields);
            return;
        }
        // The customer may have waited before: then they keep their place.
        let waiting_since = match (&self.conversation.handoff, self.conversation.resolved_at) {
            (Some(before), None) if self.conversation.control != Default::default() => {
                before.waiting_since
            }
            _ => self.now,
        };
        self.conversation.handoff = Some(Handoff {
            skill,
            priority,
            mode,
            summary,
            tags,
            waiting_since,
        });
        if let Err(refused) = self.advance(Move::Handoff) {
            tracing::debug!(conversation = %self.conversation.id, %refused, "A handoff came when people had the conversation already.");
        }
    }

    fn ticket(
        &mut self,
        kind: &str,
        title: String,
        skill: String,
        priority: Priority,
        fields: tandem_domain::Map,
    ) {
        let id = TicketId::fresh();
        self.event(
            "ticket.created",
            json!({"ticket": id, "kind": kind, "skill": skill, "title": title}),
        );
        self.writes.push(Write::TicketPut(Ticket {
            id,
            conversation: self.conversation.id,
            contact: self.contact.id,
            title,
            skill,
            priority,
            status: "open".into(),
            kind: kind.into(),
            fields,
            created_at: self.now,
        }));
    }

    /// Words meant for another of the business's channels: kept, and shown to people.
    fn other_channel(&mut self, channel: &str, to: Option<String>, content: &Content) {
        self.event(
            "message.via",
            json!({"via": channel, "to": to, "content": content}),
        );
        let text = format!("via {channel}: {}", content.plain());
        self.line(Author::System, Content::text(text), Visibility::Note, None);
    }
}

/// A contact seen for the first time.
pub(crate) fn new_contact(
    account: &tandem_domain::AccountId,
    sender: &tandem_domain::message::Sender,
    now: Timestamp,
) -> Contact {
    Contact {
        id: ContactId::fresh(),
        account: account.clone(),
        native_id: sender.id.clone(),
        name: sender.name.clone(),
        locale: sender.locale.clone(),
        attributes: tandem_domain::Map::new(),
        created_at: now,
    }
}

/// How long ago a conversation ended, if it did.
pub(crate) fn ended(conversation: &Conversation, now: Timestamp) -> Option<Duration> {
    conversation.resolved_at.map(|at| now.since(at))
}
