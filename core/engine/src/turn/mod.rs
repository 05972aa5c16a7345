//! One turn: load the lane, read the message, step, and commit everything at once.
//!
//! The lane's lock keeps turns of one lane in line on this machine, and the guards of the commit
//! keep them in line everywhere: where one does not hold, the step is thrown away and done again
//! on what is stored.
//!
//! * [`cause`] – what makes a turn happen, with its guards and the rows that say it is done;
//! * [`load`] – reading the lane, or beginning it; sealing;
//! * [`seen`] – what a cause writes down by itself, and what the stepper sees of it;
//! * [`host`] – Lua for the stepper, and what it knows of contact and conversation.

mod cause;
mod host;
mod load;
mod seen;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::json;
use tandem_channel_kit::MenuOption;
use tandem_domain::{
    ConversationId, InboxId, Timestamp, WorkspaceId,
    action::{ActionError, Request},
    bus::{Signal, Topic},
    conversation::{
        Control, Conversation, HandoffMode, IllegalMove, Priority, RoutingState, Status,
    },
    message::{Author, InboundKind},
    store::{Commit, Guard, JournalRow, LaneRow, Message, Outcome, StoreError, Visibility, Write},
};
use tandem_flow::step::{self, Event, Packs as _, State};

pub(crate) use self::cause::{Cause, of_event};
use self::{
    host::{Stepping, around},
    seen::Seen,
};
use crate::{
    actions,
    draft::{self, Draft},
    engine::{Engine, Site},
    journal::{self, Entry, Steps},
    lanes::{Cell, Lane},
    menus,
    packs::PackError,
};

/// Tries of a turn whose guards failed because somebody else moved the lane.
const TRIES: usize = 5;
/// Local answers one turn may ask for, one after the other.
const LOCAL_ANSWERS: usize = 8;

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
        cause: &Cause,
    ) -> Result<Turned, TurnError> {
        let site = self
            .site(&cell.workspace)
            .ok_or_else(|| TurnError::NoSite(cell.workspace.clone()))?;
        let key = match cause {
            Cause::Inbound { row, .. } => {
                self.kept_key(&cell.workspace, cell.id, &row.event).await?
            }
            _ => None,
        };
        for _ in 0..TRIES {
            let lane = match slot.take() {
                Some(lane) => lane,
                None => match self.load(cell, &site, cause).await? {
                    Some(lane) => lane,
                    None => return Ok(Turned::Stale),
                },
            };
            // From here to the commit's answer the memory is empty: whatever goes wrong, the next
            // turn reads what is stored.
            let (draft, lane, steps) = match self.work(&site, lane, cause, key.as_ref())? {
                Worked::Draft(worked) => *worked,
                Worked::Past(lane) => {
                    self.settle_past(&site, cause, lane.conversation.id).await?;
                    *slot = Some(*lane);
                    return Ok(Turned::Stale);
                }
            };
            match self.commit(cell, &site, cause, draft, lane, steps).await? {
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

    /// Everything between load and commit: pure but for the clock and fresh ids.
    fn work(
        &self,
        site: &Site,
        mut lane: Lane,
        cause: &Cause,
        key: Option<&MenuOption>,
    ) -> Result<Worked, TurnError> {
        let now = self.now();
        let view = site.packs.view();
        let connected = self.channel(&lane.conversation.account);
        self.roll_over(&mut lane, cause, now);
        // What an action found answers the event that asked for it: it may still be written into
        // the platform's own request, and is numbered among that event's sends. There are none yet.
        let asked = match (cause, &lane.awaiting) {
            (Cause::ActionDone { .. }, Some((id, _))) => Some(*id),
            _ => None,
        };
        let mut draft = Draft::new(
            site.workspace.clone(),
            now,
            asked.map_or_else(|| cause.name(), of_event),
            connected,
            self.links(&site.workspace).cloned(),
            lane.conversation.clone(),
            lane.contact.clone(),
        );
        if let Some(id) = asked {
            draft.answers(id);
        }
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
        let was_after = lane.state.in_after();
        let meant = match cause {
            Cause::Inbound { row, .. } => menus::meant(lane.menu.as_ref(), key, &row.event, now),
            _ => None,
        };
        if meant.as_ref().is_some_and(|meant| meant.used) {
            lane.menu = None;
            draft.writes.push(menus::forget(lane.conversation.lane));
        }
        let meant = meant.map(|meant| meant.option);
        let event = match self.see(&view, &mut draft, &lane, cause, meant)? {
            Seen::Event(event) => event,
            Seen::Written => {
                finish(&mut draft, &mut lane, was_after);
                return Ok(Worked::Draft(Box::new((draft, lane, Vec::new()))));
            }
            Seen::Past => return Ok(Worked::Past(Box::new(lane))),
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
            finish(&mut draft, &mut lane, was_after);
            return Ok(Worked::Draft(Box::new((draft, lane, Vec::new()))));
        }
        let mut stepping = Stepping::new(now);
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
        finish(&mut draft, &mut lane, was_after);
        let entry = WorkedSteps {
            pack: view.current().hash.clone(),
            steps: worked,
            trace,
        };
        Ok(Worked::Draft(Box::new((draft, lane, vec![entry]))))
    }

    /// Settles a cause whose time has passed, so that nobody takes it up again.
    async fn settle_past(
        &self,
        site: &Site,
        cause: &Cause,
        conversation: ConversationId,
    ) -> Result<(), StoreError> {
        let mut commit = Commit::new(site.workspace.clone());
        cause.guard(&mut commit, conversation);
        cause.settle(&mut commit, self.now(), false);
        self.0.store.commit(commit).await?;
        self.claim_settled(cause);
        Ok(())
    }

    /// Wakes who waits for the result of a write that is done once.
    fn claim_settled(&self, cause: &Cause) {
        if matches!(cause, Cause::ActionDone { row, .. } if row.once.is_some()) {
            self.0.claims_changed.notify_waiters();
        }
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
            let calls = match cause {
                Cause::ActionDone { ran, .. } => ran.calls.clone(),
                _ => Vec::new(),
            };
            let plugins = calls.iter().filter_map(actions::plugins::traced);
            let entry = Entry {
                cause: cause.name(),
                now,
                pack: worked.pack,
                steps: Steps::keep(worked.steps, self.journal_key(&lane).as_ref()),
                trace: plugins.chain(worked.trace).collect(),
                calls,
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
        self.claim_settled(cause);
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
        if draft.sends
            && let Some(connected) = self.channel(&lane.conversation.account)
        {
            connected.wake.notify_one();
        }
        if draft.events > 0 {
            self.wake_events(&cell.workspace);
        }
        if draft.fetches {
            self.0.fetches_changed.notify_one();
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

/// The end of a draft: what it shows stays with the lane.
fn finish(draft: &mut Draft, lane: &mut Lane, was_after: bool) {
    draft.finish([was_after, lane.state.in_after()]);
    if let Some(menu) = draft.menu.take() {
        let kept = menus::show(
            draft.conversation.lane,
            menu,
            draft.now(),
            &mut draft.writes,
        );
        lane.menu = Some(kept);
    }
}

enum Worked {
    Draft(Box<(Draft, Lane, Vec<WorkedSteps>)>),
    /// The cause has nobody left to tell.
    Past(Box<Lane>),
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

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into())
}
