//! A turn being written down: effects become rows here, and nothing is stored until all of them
//! are there.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tandem_channel_kit::{Links, Menu, Style, render};
use tandem_domain::{
    ActionId, ContactId, InboxId, Locale, MessageId, OutboxId, TicketId, TimerId, Timestamp, Value,
    WorkspaceId,
    action::Meta,
    conversation::{Conversation, Handoff, HandoffMode, IllegalMove, Move, Priority, Status},
    edge::FetchRow,
    message::{Author, Content, Delivery, InboundKind, Media, Outbound, SendOp, SessionState},
    store::{
        ActionRow, Contact, Event, InboxRow, Message, Once, OutboxRow, OutboxState, Ticket,
        TimerRow, Visibility, Write,
    },
};
use tandem_flow::step::Effect;

use crate::accounts::Connected;

/// Longest that a platform is believed to have kept an event before it delivered it.
const LATEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Lines on their way to the customer as one message.
struct Said {
    message: MessageId,
    /// Lines before it that leave with it.
    also: Vec<MessageId>,
    seq: u64,
    author: Author,
    contents: Vec<Content>,
}

impl Said {
    fn takes(&self, next: &Self) -> bool {
        let ours = self.contents.last().zip(next.contents.first());
        self.author == next.author && ours.is_some_and(|(a, b)| render::joins(a, b))
    }

    /// The row is the newest line's, so that what comes after it keeps its place.
    fn take(&mut self, next: Self) {
        self.also.push(self.message);
        (self.message, self.seq) = (next.message, next.seq);
        self.contents.extend(next.contents);
    }
}

/// Rows of one turn, in the order they are written, and what must be started once they stand.
pub(crate) struct Draft {
    pub workspace: WorkspaceId,
    pub now: Timestamp,
    /// What this turn is an answer to: outbox ids are derived from it, so that a turn run again
    /// writes the same rows.
    cause: String,
    ordinal: u32,
    connected: Option<Arc<Connected>>,
    /// For files that the channel cannot carry.
    links: Option<Links>,
    /// What is to be sent; rendered when all of it is known.
    said: Vec<Said>,
    /// Sends are left to who answers in-band until then.
    reserved: Option<Timestamp>,
    last_inbound_id: Option<String>,
    /// Who has the conversation now, where that moved.
    session: Option<SessionState>,
    /// The choices that were shown last.
    pub menu: Option<Menu>,
    pub conversation: Conversation,
    pub contact: Contact,
    contact_changed: bool,
    /// Sensitive attributes of the contact that this turn learned.
    pub private: tandem_domain::Map,
    pub writes: Vec<Write>,
    pub lines: Vec<Message>,
    pub actions: Vec<ActionRow>,
    pub events: u32,
    /// Something may leave that could not before.
    pub sends: bool,
    pub timers: bool,
    /// Media are to be fetched.
    pub fetches: bool,
}

impl Draft {
    pub fn new(
        workspace: WorkspaceId,
        now: Timestamp,
        cause: String,
        connected: Option<Arc<Connected>>,
        links: Option<Links>,
        conversation: Conversation,
        contact: Contact,
    ) -> Self {
        Self {
            workspace,
            now,
            cause,
            ordinal: 0,
            connected,
            links,
            said: Vec::new(),
            reserved: None,
            last_inbound_id: None,
            session: None,
            menu: None,
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
            fetches: false,
        }
    }

    /// The customer wrote this: what is sent in this turn answers it.
    pub fn heard(&mut self, row: &InboxRow) {
        let Some(connected) = self.connected.clone().filter(|c| !c.reads_transcript) else {
            return;
        };
        let event = &row.event;
        self.last_inbound_id.clone_from(&event.message_id);
        self.reserved = connected
            .channel
            .in_band()
            .map(|span| row.received_at + span)
            .filter(|until| *until > self.now);
        if connected.caps.window.is_none() && event.reply_context.is_none() {
            return;
        }
        // What was held for their next message may leave.
        self.sends = true;
        let brief = connected.caps.window.is_some_and(|w| w.brief.is_some());
        if brief && event.message_id.is_none() && event.kind != InboundKind::Message {
            // It opens no window: there is only what the platform gave with it.
            let given = event.reply_context.clone();
            self.writes.extend(given.map(|reply| Write::ReplyGiven {
                lane: row.lane,
                at: row.received_at,
                reply,
            }));
            return;
        }
        // The platform counts from when the customer wrote; a clock that cannot be true is not
        // believed.
        let believable = row.received_at - LATEST..=row.received_at;
        self.writes.push(Write::Heard {
            lane: row.lane,
            at: if believable.contains(&event.ts) {
                event.ts
            } else {
                row.received_at
            },
            reply: event.reply_context.clone(),
        });
    }

    /// What is said answers this event, which came before this turn.
    pub fn answers(&mut self, id: InboxId) {
        let span = self.connected.as_ref().and_then(|c| c.channel.in_band());
        let came = id.0.get_timestamp().map(|at| at.to_unix());
        self.reserved = came.zip(span).and_then(|((secs, nanos), span)| {
            let came = i64::try_from(secs).ok()?.checked_mul(1000)? + i64::from(nanos / 1_000_000);
            let until = (Timestamp(came) + span).min(self.now + span);
            (until > self.now).then_some(until)
        });
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
            changed: None,
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
        let read_from_transcript = self.connected.as_ref().is_none_or(|c| c.reads_transcript);
        let delivery = if read_from_transcript {
            Delivery::Sent
        } else {
            Delivery::Queued
        };
        if let Some(line) = self.lines.last_mut() {
            line.delivery = Some(delivery);
        }
        if read_from_transcript {
            return;
        }
        let next = Said {
            message,
            also: Vec::new(),
            seq: self.conversation.last_seq,
            author,
            contents: vec![content],
        };
        let few = self.connected.as_ref().is_some_and(|c| {
            let quota = c.caps.window.and_then(|window| window.quota);
            quota.is_some()
        });
        match self.said.last_mut() {
            Some(before) if few && before.takes(&next) => before.take(next),
            _ => self.said.push(next),
        }
    }

    /// What was said as rows: one a native send, so that a retry never repeats part one.
    fn send(&mut self) {
        let said = std::mem::take(&mut self.said);
        let Some(connected) = self.connected.clone().filter(|_| !said.is_empty()) else {
            return;
        };
        for said in said {
            let content = render::joined(said.contents);
            let link = |media: &Media| {
                let links = self.links.as_ref()?;
                links.of(&media.reference, self.now)
            };
            let rendered = render::render(&content, &connected.caps, &link);
            let last = rendered.sends.len();
            for (at, content) in (1..).zip(rendered.sends) {
                self.ordinal += 1;
                let uuid = OutboxId::derive(&[&self.cause, &self.ordinal.to_string()]);
                let choice_style = rendered.style.and_then(Style::native);
                self.writes.push(Write::OutboxPut(Box::new(OutboxRow {
                    outbound: Outbound {
                        uuid,
                        workspace: self.workspace.clone(),
                        account: self.conversation.account.clone(),
                        lane: self.conversation.lane,
                        conversation_id: self.conversation.id,
                        conversation: self.conversation.native.clone(),
                        choice_style: choice_style.filter(|_| !content.choices.is_empty()),
                        content,
                        op: SendOp::Send,
                        seq: said.seq,
                        author: said.author.clone(),
                        more: at < last,
                        also: said.also.clone(),
                        last_inbound_id: self.last_inbound_id.clone(),
                        reply_context: None,
                    },
                    message: said.message,
                    state: OutboxState::Ready {
                        attempts: 0,
                        not_before: self.reserved.unwrap_or(self.now),
                    },
                    tried_at: None,
                    created_at: self.now,
                })));
                self.sends = true;
            }
            self.menu = rendered.menu.or_else(|| self.menu.take());
        }
    }

    /// Tells the platform who has the conversation, behind what was said in this turn.
    fn tell_session(&mut self, after: bool) {
        let wants = self.connected.as_ref().is_some_and(|c| c.caps.sessions);
        let Some(state) = self.session.take().filter(|_| wants) else {
            return;
        };
        if state == SessionState::Ended && after {
            // It would close the platform's door before the flow is through.
            return;
        }
        let uuid = OutboxId::derive(&[&self.cause, "session"]);
        self.writes.push(Write::OutboxPut(Box::new(OutboxRow {
            outbound: Outbound {
                uuid,
                workspace: self.workspace.clone(),
                account: self.conversation.account.clone(),
                lane: self.conversation.lane,
                conversation_id: self.conversation.id,
                conversation: self.conversation.native.clone(),
                content: Content::default(),
                op: SendOp::Session { state },
                seq: self.conversation.last_seq,
                author: Author::System,
                choice_style: None,
                more: false,
                also: Vec::new(),
                last_inbound_id: None,
                reply_context: None,
            },
            // No line: nothing is told of its delivery.
            message: MessageId::derive(&[&uuid.to_string()]),
            state: OutboxState::Ready {
                attempts: 0,
                not_before: self.now,
            },
            tried_at: None,
            created_at: self.now,
        })));
        self.sends = true;
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

    /// A medium is to be fetched from its platform.
    pub fn fetch(&mut self, row: FetchRow) {
        self.fetches = true;
        self.writes.push(Write::FetchPut(row));
    }

    /// Moves the conversation along the table and logs it.
    pub fn advance(&mut self, what: Move) -> Result<(), IllegalMove> {
        self.conversation.apply(what, self.now)?;
        self.session = match what {
            Move::Handoff => Some(SessionState::Human),
            Move::ReturnToBot => Some(SessionState::Bot),
            Move::Resolve | Move::Abandon => Some(SessionState::Ended),
            _ => self.session,
        };
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

    /// Everything but the lane, the inbox row and the journal. `after`: whether a flow spoke on to
    /// the customer of a conversation that a person closed, before this turn and now.
    pub fn finish(&mut self, after: [bool; 2]) {
        self.send();
        if after == [true, false] && self.conversation.status == Status::Resolved {
            self.session = Some(SessionState::Ended);
        }
        self.tell_session(after[1]);
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
