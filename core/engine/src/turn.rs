//! One turn: load the lane, read the message, step, and commit everything at once.
//!
//! The lane's lock keeps turns of one lane in line on this machine, and the guards of the commit
//! keep them in line everywhere: where one does not hold, the step is thrown away and done again
//! on what is stored.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use serde_json::json;
use tandem_domain::{
    ConversationId, InboxId, Locale, Map, Timestamp, Value, WorkspaceId,
    action::{ActionError, Ran, Request},
    bus::{Signal, Topic},
    conversation::{
        Control, Conversation, HandoffMode, IllegalMove, Move, Priority, RoutingState, Status,
    },
    message::{Author, Content, Inbound, InboundKind, Sender},
    reading::Reading,
    store::{
        ActionRow, Commit, Contact, Guard, InboxRow, InboxState, JournalRow, LaneRow, Message,
        OnceRow, Outcome, StoreError, TimerRow, Visibility, Write,
    },
};
use tandem_flow::{
    model::Pack,
    step::{self, Around, Event, Host, LuaAnswer, Packs as _, State},
};

use tandem_lua::{Limits, Session};

use crate::{
    draft::{self, Draft},
    engine::{Engine, Site},
    journal::{self, Entry, LuaCall, Steps},
    lanes::{Cell, Lane},
    packs::{PackError, View},
    people::Person,
    seal::SealKey,
};

/// Tries of a turn whose guards failed because somebody else moved the lane.
const TRIES: usize = 5;
/// Local answers one turn may ask for, one after the other.
const LOCAL_ANSWERS: usize = 8;
/// The name of a lane's wrapped key, and of its sealed slots, among its secrets.
const KEY: &str = "key";
const SLOTS: &str = "slots";

/// What makes a turn happen.
pub(crate) enum Cause {
    /// An event from a channel; `accepted`: its row stands already.
    Inbound {
        row: Box<InboxRow>,
        accepted: bool,
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

/// How a turn ended.
#[derive(Debug)]
pub(crate) enum Turned {
    /// The lines it wrote.
    Done(Vec<Message>),
    /// The event was accepted before, under this id.
    Duplicate(InboxId),
    /// Somebody else did it, or its time has passed; nothing was to be done.
    Stale,
}

#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Pack(#[from] PackError),
    #[error("the lane kept moving under the turn")]
    Contended,
    #[error("the workspace `{0}` is not served here")]
    NoSite(WorkspaceId),
    #[error("the stepper failed: {0}")]
    Panicked(String),
    #[error("the stored state of this lane cannot be read: {0}")]
    State(String),
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    #[error("this conversation has ended and a newer one has begun on its lane")]
    Superseded,
}

impl Engine {
    /// Runs a turn to its commit. The caller holds the lane's lock, and says so by handing over
    /// what the lock guards.
    pub(crate) async fn turn(
        &self,
        cell: &Cell,
        slot: &mut Option<Lane>,
        cause: Cause,
    ) -> Result<Turned, TurnError> {
        let site = self
            .site(&cell.workspace)
            .ok_or_else(|| TurnError::NoSite(cell.workspace.clone()))?;
        for _ in 0..TRIES {
            let lane = match slot.take() {
                Some(lane) => lane,
                None => match self.load(cell, &site, &cause).await? {
                    Some(lane) => lane,
                    None => return Ok(Turned::Stale),
                },
            };
            // From here to the commit's answer the memory is empty: whatever goes wrong, the next
            // turn reads what is stored.
            let (draft, lane, steps) = match self.work(&site, lane, &cause)? {
                Worked::Draft(worked) => *worked,
                Worked::Stale(lane) => {
                    *slot = Some(*lane);
                    return Ok(Turned::Stale);
                }
            };
            match self.commit(cell, &site, &cause, draft, lane, steps).await? {
                Committed::Done { lane, lines } => {
                    *slot = Some(*lane);
                    return Ok(Turned::Done(lines));
                }
                Committed::Duplicate(id) => return Ok(Turned::Duplicate(id)),
                Committed::Stale => return Ok(Turned::Stale),
                Committed::Moved => cell.forget_tail(),
            }
        }
        Err(TurnError::Contended)
    }

    /// Reads the lane, or begins it. None: a timer, an action or a person speaks of a lane that
    /// does not exist.
    async fn load(
        &self,
        cell: &Cell,
        site: &Site,
        cause: &Cause,
    ) -> Result<Option<Lane>, TurnError> {
        let store = &self.0.store;
        let Some(row) = store.lane(&cell.workspace, cell.id).await? else {
            let Cause::Inbound { row, .. } = cause else {
                return Ok(None);
            };
            return Ok(Some(self.begin(cell, site, &row.event).await?));
        };
        let damaged = |what: &str| {
            StoreError::Corrupt(format!("lane {} names a {what} that is not there", row.id))
        };
        let conversation = store
            .conversation(&cell.workspace, row.conversation)
            .await?
            .ok_or_else(|| damaged("conversation"))?;
        let contact = store
            .contact(&cell.workspace, row.contact)
            .await?
            .ok_or_else(|| damaged("contact"))?;
        if row.format > step::STATE_FORMAT {
            return Err(TurnError::State(format!(
                "it has form {}, this version reads up to {}",
                row.format,
                step::STATE_FORMAT
            )));
        }
        let mut state: State =
            serde_json::from_slice(&row.state).map_err(|e| TurnError::State(e.to_string()))?;
        let (key, private) = self.unseal(cell, &mut state, &contact).await?;
        site.packs.ensure(&state.pins()).await?;
        Ok(Some(Lane {
            version: Some(row.version),
            contact,
            contact_is_new: false,
            private,
            conversation,
            state,
            key,
            awaiting: None,
        }))
    }

    /// Opens what is sealed: the lane's slots and the contact's attributes.
    async fn unseal(
        &self,
        cell: &Cell,
        state: &mut State,
        contact: &Contact,
    ) -> Result<(Option<SealKey>, Map), TurnError> {
        let store = &self.0.store;
        let broken = |e: &dyn std::fmt::Display| TurnError::State(e.to_string());
        let mut private = Map::new();
        for (name, sealed) in store
            .secrets(&cell.workspace, &contact.id.to_string())
            .await?
        {
            let plain = self.0.seal.open(&sealed).map_err(|e| broken(&e))?;
            let value = serde_json::from_slice(&plain).map_err(|e| broken(&e))?;
            private.insert(name, value);
        }
        let secrets = store.secrets(&cell.workspace, &cell.id.to_string()).await?;
        let find = |name: &str| secrets.iter().find(|(n, _)| n == name).map(|(_, s)| s);
        let Some(wrapped) = find(KEY) else {
            return Ok((None, private));
        };
        let key = self.0.seal.open(wrapped).map_err(|e| broken(&e))?;
        let key = SealKey::new(&key).map_err(|e| broken(&e))?;
        if let Some(sealed) = find(SLOTS) {
            let plain = key.open(sealed).map_err(|e| broken(&e))?;
            state.set_secrets(serde_json::from_slice(&plain).map_err(|e| broken(&e))?);
        }
        Ok((Some(key), private))
    }

    /// A lane's first conversation, with a contact who may be known from another lane.
    async fn begin(&self, cell: &Cell, site: &Site, event: &Inbound) -> Result<Lane, TurnError> {
        let now = self.now();
        let known = self
            .0
            .store
            .contact_of(&cell.workspace, &event.account, &event.sender.id)
            .await?;
        let contact_is_new = known.is_none();
        let contact =
            known.unwrap_or_else(|| draft::new_contact(&event.account, &event.sender, now));
        let view = site.packs.view();
        let locale = self.locale_of(&view, contact.locale.as_ref(), &event.sender);
        Ok(Lane {
            version: None,
            conversation: Conversation {
                id: ConversationId::fresh(),
                lane: cell.id,
                contact: contact.id,
                channel: event.channel.clone(),
                account: event.account.clone(),
                native: event.conversation.clone(),
                locale,
                status: Status::Pending,
                routing_state: RoutingState::None,
                control: Control::Bot,
                control_epoch: 0,
                session: 1,
                last_seq: 0,
                handoff: None,
                assignee: None,
                tags: Vec::new(),
                outcome: None,
                previous: None,
                created_at: now,
                updated_at: now,
                resolved_at: None,
            },
            contact,
            contact_is_new,
            private: Map::new(),
            state: State::default(),
            key: None,
            awaiting: None,
        })
    }

    fn locale_of(&self, view: &View, known: Option<&Locale>, sender: &Sender) -> Locale {
        let pack = view.current();
        sender
            .locale
            .as_ref()
            .and_then(|l| l.best(&pack.locales))
            .or_else(|| known.and_then(|l| l.best(&pack.locales)))
            .unwrap_or_else(|| pack.default_locale())
            .clone()
    }

    /// Everything between load and commit: pure but for the clock and fresh ids.
    fn work(&self, site: &Site, mut lane: Lane, cause: &Cause) -> Result<Worked, TurnError> {
        let now = self.now();
        let view = site.packs.view();
        let connected = self.channel(&lane.conversation.account);
        self.roll_over(&mut lane, cause, now);
        let mut draft = Draft::new(
            site.workspace.clone(),
            now,
            cause.name(),
            connected,
            lane.conversation.clone(),
            lane.contact.clone(),
        );
        if lane.version.is_none() {
            draft.contact_is_new();
        }
        if lane.conversation.last_seq == 0 && lane.conversation.created_at == now
            || lane.version.is_none()
        {
            draft.event(
                "conversation.created",
                json!({"channel": lane.conversation.channel}),
            );
        }
        let Some(event) = self.event(&view, &mut draft, &lane, cause)? else {
            // Only written down; the flows don't see it.
            draft.finish();
            return Ok(Worked::Draft(Box::new((draft, lane, Vec::new()))));
        };
        let Some(event) = event else {
            return Ok(Worked::Stale(Box::new(lane)));
        };
        if let Cause::Inbound { row, .. } = cause
            && row.attempts >= self.0.config.turn_attempts
        {
            // The flows cannot cope with this message; a person can.
            draft.effect(step::Effect::Handoff {
                skill: view.current().default_skill.clone(),
                priority: Priority::High,
                summary: None,
                tags: vec!["internal_error".into()],
                mode: HandoffMode::Queue,
            });
            draft.finish();
            return Ok(Worked::Draft(Box::new((draft, lane, Vec::new()))));
        }
        let mut stepping = Stepping {
            now,
            session: None,
            calls: Vec::new(),
        };
        let mut worked = Vec::new();
        let mut trace = Vec::new();
        let mut queue = vec![event];
        let mut state = std::mem::take(&mut lane.state);
        for _ in 0..LOCAL_ANSWERS {
            let Some(event) = queue.pop() else { break };
            let around = around(&draft, &lane);
            let turn = step::Turn {
                packs: &*view,
                host: &mut stepping,
                event: &event,
                now,
                around: &around,
            };
            // A defect in the stepper must not take the lane down with it.
            let stepped = catch_unwind(AssertUnwindSafe(|| step::step(turn, state)))
                .map_err(|panic| TurnError::Panicked(panic_text(&*panic)))?;
            state = stepped.state;
            trace.extend(stepped.trace);
            worked.push(journal::Step {
                event,
                around,
                calls: std::mem::take(&mut stepping.calls),
            });
            for effect in stepped.effects {
                match effect {
                    step::Effect::Act {
                        key,
                        request: Request::Answer { query },
                        ..
                    } => {
                        let passages = view.current.model.retrieve(&query);
                        let result = serde_json::to_value(passages)
                            .map_err(|e| ActionError::new("bad_response", e.to_string()));
                        queue.push(Event::ActionDone { key, result });
                    }
                    effect => draft.effect(effect),
                }
            }
        }
        lane.state = state;
        draft.finish();
        let entry = WorkedSteps {
            pack: view.current().hash.clone(),
            steps: worked,
            trace,
        };
        Ok(Worked::Draft(Box::new((draft, lane, vec![entry]))))
    }

    /// A resolved conversation whose customer writes goes on within the window and is followed by
    /// a new one after it; an open `after` frame keeps it as it is.
    fn roll_over(&self, lane: &mut Lane, cause: &Cause, now: Timestamp) {
        let speaks = matches!(cause, Cause::Inbound { row, .. }
            if matches!(row.event.kind, InboundKind::Message | InboundKind::Action { .. }));
        if !speaks || lane.state.in_after() {
            return;
        }
        let Some(ago) = draft::ended(&lane.conversation, now) else {
            return;
        };
        if ago <= self.0.config.reopen_window {
            return;
        }
        let old = &lane.conversation;
        lane.conversation = Conversation {
            id: ConversationId::fresh(),
            status: Status::Pending,
            routing_state: RoutingState::None,
            control: Control::Bot,
            control_epoch: 0,
            session: 1,
            last_seq: 0,
            handoff: None,
            assignee: None,
            tags: Vec::new(),
            outcome: None,
            previous: Some(old.id),
            created_at: now,
            updated_at: now,
            resolved_at: None,
            ..old.clone()
        };
        lane.state = State::default();
    }

    /// Writes the cause into the draft and says what the stepper sees of it. Outer none: nothing;
    /// inner none: its time has passed.
    fn event(
        &self,
        view: &View,
        draft: &mut Draft,
        lane: &Lane,
        cause: &Cause,
    ) -> Result<Option<Option<Event>>, TurnError> {
        Ok(Some(Some(match cause {
            Cause::Inbound { row, .. } => {
                return Ok(self.inbound_event(view, draft, lane, row).map(Some));
            }
            Cause::Timer(row) => Event::Timer {
                key: row.key.clone(),
                payload: row.payload.clone(),
            },
            Cause::ActionDone { row, ran } => {
                if row.conversation != lane.conversation.id {
                    return Ok(Some(None));
                }
                Event::ActionDone {
                    key: row.key.clone(),
                    result: ran.result.clone(),
                }
            }
            Cause::Reply {
                by,
                content,
                visibility,
                client_id,
            } => {
                let author = by.author();
                if *visibility != Visibility::Public {
                    draft.line(author, content.clone(), *visibility, client_id.clone());
                    return Ok(None);
                }
                let was_bot = lane.conversation.control == Control::Bot;
                if lane.conversation.status == Status::Resolved {
                    draft.advance(Move::Reopen)?;
                }
                draft.advance(Move::PersonReplies)?;
                draft.conversation.assignee = Some(by.id.clone());
                draft.say(author, content.clone(), client_id.clone());
                if !was_bot {
                    return Ok(None);
                }
                Event::TakenOver
            }
            Cause::Close {
                by,
                outcome,
                returned,
            } => {
                let what = if *returned {
                    Move::ReturnToBot
                } else {
                    Move::Resolve
                };
                draft.advance(what)?;
                if !returned {
                    draft.conversation.outcome =
                        Some(outcome.clone().unwrap_or_else(|| "resolved".into()));
                }
                tracing::debug!(conversation = %draft.conversation.id, by = %by.id, returned, "A person let go of the conversation.");
                Event::Closed {
                    returned: *returned,
                }
            }
        })))
    }

    fn inbound_event(
        &self,
        view: &View,
        draft: &mut Draft,
        lane: &Lane,
        row: &InboxRow,
    ) -> Option<Event> {
        let event = &row.event;
        draft.reply_context(event.reply_context.clone());
        let client_id = Some(event.message_id.clone().unwrap_or_else(|| event.id.clone()));
        let reopen = |draft: &mut Draft| {
            if draft.conversation.status == Status::Resolved && !lane.state.in_after() {
                // Resolved conversations can always be reopened.
                let _ = draft.advance(Move::Reopen);
            }
        };
        match &event.kind {
            InboundKind::Message => {
                reopen(draft);
                draft.line(
                    Author::Contact,
                    Content {
                        parts: event.parts.clone(),
                        quote: event.quote.clone(),
                        ..Content::default()
                    },
                    Visibility::Public,
                    client_id,
                );
                Some(Event::Message {
                    id: event.id.clone(),
                    parts: event.parts.clone(),
                    reading: self.read(view, draft, lane, &event.text()),
                })
            }
            InboundKind::Action { value, label } => {
                reopen(draft);
                let label = label
                    .clone()
                    .or_else(|| lane.state.label_of(value))
                    .filter(|l| !l.is_empty());
                let shown = label.clone().unwrap_or_else(|| "…".into());
                draft.line(
                    Author::Contact,
                    Content::text(shown),
                    Visibility::Public,
                    client_id,
                );
                let reading = label
                    .as_deref()
                    .map(|l| self.read(view, draft, lane, l))
                    .unwrap_or_default();
                Some(Event::Press {
                    token: value.clone(),
                    label,
                    reading,
                })
            }
            InboundKind::System { name, data } if name == "page" => Some(Event::Page {
                url: text(data, "url"),
                seconds: data.get("seconds").and_then(Value::as_u64).unwrap_or(0),
            }),
            InboundKind::System { name, data } if name == "identify" => {
                // Verified by the channel before it came here.
                self.identify(draft, data);
                None
            }
            InboundKind::System { name, data } => Some(Event::Signal {
                name: name.clone(),
                data: data.clone(),
            }),
            InboundKind::Edit => {
                draft.event(
                    "message.edited",
                    json!({"message": event.message_id, "text": event.text()}),
                );
                None
            }
            InboundKind::Delete => {
                draft.event("message.deleted", json!({"message": event.message_id}));
                None
            }
            InboundKind::Reaction { emoji } => {
                draft.event(
                    "message.reaction",
                    json!({"message": event.message_id, "emoji": emoji}),
                );
                None
            }
            InboundKind::Receipt { status, ids, code } => {
                draft.event(
                    "message.receipt",
                    json!({"status": status, "ids": ids, "code": code}),
                );
                None
            }
        }
    }

    fn read(&self, view: &View, draft: &Draft, lane: &Lane, text: &str) -> Reading {
        let model = &view.current.model;
        model.read_after(text, &draft.conversation.locale, &[lane.state.said()])
    }

    /// What the business says of a visitor who is logged in.
    fn identify(&self, draft: &mut Draft, data: &Value) {
        if let Some(name) = data.get("name").and_then(Value::as_str) {
            draft.contact.name = Some(name.to_owned());
        }
        if let Some(attributes) = data.get("attributes").and_then(Value::as_object) {
            for (name, value) in attributes {
                draft.contact.attributes.insert(name.clone(), value.clone());
            }
        }
        for name in ["email", "external_id"] {
            if let Some(value) = data.get(name).filter(|v| v.is_string()) {
                draft.contact.attributes.insert(name.into(), value.clone());
            }
        }
        draft.contact_is_new();
    }

    async fn commit(
        &self,
        cell: &Cell,
        site: &Site,
        cause: &Cause,
        mut draft: Draft,
        mut lane: Lane,
        mut steps: Vec<WorkedSteps>,
    ) -> Result<Committed, TurnError> {
        let now = draft.now();
        let mut commit = Commit::new(site.workspace.clone());
        let fused = cause.guard(&mut commit, draft.conversation.id);
        let of_the_cause = commit.guards.len();
        commit.guards.push(Guard::LaneVersion {
            lane: cell.id,
            version: lane.version,
        });
        if lane.contact_is_new {
            // Another lane of the same person may begin in this moment.
            commit.guards.push(Guard::NoContact {
                account: draft.contact.account.clone(),
                native_id: draft.contact.native_id.clone(),
            });
        }
        cause.settle(&mut commit, now, fused);
        commit.writes.append(&mut draft.writes);
        let version = lane.version.unwrap_or(0) + 1;
        self.seal_slots(cell, &mut lane, &mut commit);
        for (name, value) in std::mem::take(&mut draft.private) {
            commit.writes.push(Write::SecretPut {
                owner: draft.contact.id.to_string(),
                name: name.clone(),
                sealed: self.0.seal.seal(value.to_string().as_bytes()),
            });
            lane.private.insert(name, value);
        }
        if let Some(worked) = steps.pop() {
            let entry = Entry {
                cause: cause.name(),
                now,
                pack: worked.pack,
                steps: Steps::keep(worked.steps, self.journal_key(&lane).as_ref()),
                calls: match cause {
                    Cause::ActionDone { ran, .. } => ran.calls.clone(),
                    _ => Vec::new(),
                },
                trace: worked.trace,
            };
            commit.writes.push(Write::JournalPut(JournalRow {
                lane: cell.id,
                conversation: draft.conversation.id,
                version,
                at: now,
                body: serde_json::to_vec(&entry).map_err(|e| TurnError::State(e.to_string()))?,
            }));
        }
        commit.writes.push(Write::LanePut(LaneRow {
            id: cell.id,
            version,
            conversation: draft.conversation.id,
            contact: draft.contact.id,
            format: step::STATE_FORMAT,
            state: serde_json::to_vec(&lane.state).map_err(|e| TurnError::State(e.to_string()))?,
        }));
        match self.0.store.commit(commit).await? {
            Outcome::Duplicate(id) => return Ok(Committed::Duplicate(id)),
            Outcome::Conflict(guard) if guard < of_the_cause => return Ok(Committed::Stale),
            Outcome::Conflict(_) => return Ok(Committed::Moved),
            Outcome::Committed => {}
        }
        lane.version = Some(version);
        lane.contact_is_new = false;
        lane.conversation = draft.conversation;
        lane.contact = draft.contact;
        let lines = self.announce(
            cell,
            &mut lane,
            cause,
            draft.lines,
            !draft.actions.is_empty(),
        );
        if draft.sends {
            self.0.outbox_changed.notify_one();
        }
        if draft.timers {
            self.0.timers_changed.notify_one();
        }
        for action in draft.actions {
            self.start_action(action);
        }
        metrics::counter!("tandem_turns_total").increment(1);
        Ok(Committed::Done {
            lane: Box::new(lane),
            lines,
        })
    }

    /// What the inputs of a turn are sealed under: nothing, where nothing sensitive is among them.
    fn journal_key(&self, lane: &Lane) -> Option<SealKey> {
        let private = !lane.private.is_empty();
        lane.key
            .clone()
            .or_else(|| private.then(|| self.0.seal.clone()))
    }

    /// Puts sensitive slots under the lane's own key, made with the first of them.
    fn seal_slots(&self, cell: &Cell, lane: &mut Lane, commit: &mut Commit) {
        let Some(secrets) = lane.state.changed_secrets() else {
            return;
        };
        let plain = serde_json::to_vec(secrets).unwrap_or_default();
        let owner = cell.id.to_string();
        let key = lane.key.get_or_insert_with(|| {
            let key = SealKey::generate();
            commit.writes.push(Write::SecretPut {
                owner: owner.clone(),
                name: KEY.into(),
                sealed: self.0.seal.seal(key.bytes()),
            });
            key
        });
        commit.writes.push(Write::SecretPut {
            owner,
            name: SLOTS.into(),
            sealed: key.seal(&plain),
        });
    }

    /// Tells everyone who listens, after the commit.
    fn announce(
        &self,
        cell: &Cell,
        lane: &mut Lane,
        cause: &Cause,
        lines: Vec<Message>,
        acting: bool,
    ) -> Vec<Message> {
        cell.remember(&lines);
        if let Some(last) = lines.last() {
            self.wake(
                &Topic::Lane(cell.id),
                Signal::Transcript {
                    lane: cell.id,
                    conversation: last.conversation,
                    seq: last.seq,
                },
            );
        }
        let public: Vec<Message> = lines
            .iter()
            .filter(|l| l.visibility == Visibility::Public)
            .cloned()
            .collect();
        let said = public.iter().any(|l| l.author == Author::Bot);
        if let Cause::Inbound { row, .. } = cause {
            if acting && !said {
                lane.awaiting = Some((row.id, public.clone()));
            } else {
                self.settle(row.id, Arc::new(public));
            }
        } else if let Some((id, mut before)) = lane.awaiting.take() {
            before.extend(public.iter().cloned());
            if acting && !said {
                lane.awaiting = Some((id, before));
            } else {
                self.settle(id, Arc::new(before));
            }
        }
        lines
    }
}

impl Cause {
    /// What the rows of this turn are derived from.
    fn name(&self) -> String {
        match self {
            Self::Inbound { row, .. } => format!("inbox:{}", row.id),
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
    fn guard(&self, commit: &mut Commit, conversation: ConversationId) -> bool {
        match self {
            Self::Inbound {
                row,
                accepted: false,
            } => {
                commit.guards.push(Guard::NotAccepted {
                    account: row.account.clone(),
                    dedupe: row.dedupe.clone(),
                });
                return true;
            }
            Self::Inbound { row, .. } => commit.guards.push(Guard::InboxPending(row.id)),
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
    fn settle(&self, commit: &mut Commit, now: Timestamp, fused: bool) {
        match self {
            Self::Inbound { row, .. } if fused => {
                let mut row = (**row).clone();
                row.state = InboxState::Done;
                commit.writes.push(Write::InboxPut(row));
            }
            Self::Inbound { row, .. } => commit.writes.push(Write::InboxDone(row.id)),
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

enum Worked {
    Draft(Box<(Draft, Lane, Vec<WorkedSteps>)>),
    Stale(Box<Lane>),
}

struct WorkedSteps {
    pack: String,
    steps: Vec<journal::Step>,
    trace: Vec<step::TraceLine>,
}

enum Committed {
    Done {
        lane: Box<Lane>,
        lines: Vec<Message>,
    },
    Duplicate(InboxId),
    Stale,
    /// The lane moved: load it and do the turn again.
    Moved,
}

/// Lua's pure functions for one turn, journalled.
struct Stepping {
    now: Timestamp,
    /// The state of the pack last called, made when Lua is first reached.
    session: Option<(String, tandem_lua::Session)>,
    calls: Vec<LuaCall>,
}

impl Host for Stepping {
    fn lua(&mut self, pack: &Pack, module: &str, function: &str, args: &[Value]) -> LuaAnswer {
        if self
            .session
            .as_ref()
            .is_none_or(|(hash, _)| *hash != pack.hash)
        {
            let session = Session::new(&pack.lua, Limits::pure(), self.now, 0);
            self.session = Some((pack.hash.clone(), session));
        }
        let answer = match &mut self.session {
            Some((_, session)) => {
                off_the_workers(|| crate::actions::lua::pure(session, module, function, args))
            }
            None => LuaAnswer::Failed("no Lua state could be made".into()),
        };
        self.calls.push(LuaCall {
            module: module.to_owned(),
            function: function.to_owned(),
            value: args.first().cloned().unwrap_or_default(),
            answer: answer.clone(),
        });
        answer
    }
}

/// A script may take its whole time budget; other tasks of this worker go on meanwhile.
fn off_the_workers<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|h| h.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn around(draft: &Draft, lane: &Lane) -> Around {
    let mut contact: Map = draft.contact.attributes.clone();
    contact.extend(lane.private.clone());
    contact.extend(draft.private.clone());
    contact.insert("id".into(), json!(draft.contact.id));
    contact.insert("name".into(), json!(draft.contact.name));
    contact.insert("locale".into(), json!(draft.contact.locale));
    let c = &draft.conversation;
    let conversation = json!({
        "id": c.id, "channel": c.channel, "account": c.account, "tags": c.tags,
        "session": c.session, "started_at": c.created_at, "status": c.status,
        "routing_state": c.routing_state,
        "first": lane.version.is_none(),
    });
    Around {
        contact,
        conversation: match conversation {
            Value::Object(map) => map,
            _ => Map::new(),
        },
        channel: c.channel.clone(),
        control: c.control,
        locale: Some(c.locale.clone()),
    }
}

fn text(data: &Value, key: &str) -> String {
    data.get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into())
}
