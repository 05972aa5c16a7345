//! The interpreter: the stack of frames, one step after another, until it has to wait.

use std::{collections::BTreeMap, sync::Arc};

use tandem_domain::{Locale, Map, Timestamp, Value};

use super::{
    Around, Effect, Event, Host, Packs, Stepped, TraceLine, Turn,
    buttons::Uncovered,
    scope::Place,
    state::{Mode, Press, State},
};
use crate::{
    model::{AfterBlock, Flow, Pack, Step, StepKind, StepRef},
    value::Words,
};

/// One turn at work.
pub(super) struct Run<'a> {
    pub packs: &'a dyn Packs,
    pub host: &'a mut dyn Host,
    pub now: Timestamp,
    pub around: &'a Around,
    pub event: &'a Event,
    pub current: Arc<Pack>,
    /// Pinned packs met in this turn.
    pub pinned: BTreeMap<String, Option<Arc<Pack>>>,
    pub state: State,
    pub effects: Vec<Effect>,
    pub trace: Vec<TraceLine>,
    pub locale: Locale,
    /// Steps since the last event.
    pub steps: u32,
    /// Buttons made in this turn.
    pub ordinal: u32,
    pub shown_this_turn: bool,
    /// The words a flow was started with in this turn: unmistakable values in them need no
    /// question.
    pub opening: Option<Words>,
    /// The frames that were handed to people stay silent, side frames apart.
    pub silent: bool,
    /// What expressions know of the event's message: an object.
    pub message: Value,
    /// Buttons the `clarify` pattern's words get.
    pub clarifying: Vec<(String, Press)>,
    /// Set while a press is judged whose flow lay under another.
    pub uncovered: Option<Uncovered>,
    /// See [`Stepped::ended`].
    pub ended: Map,
}

impl<'a> Run<'a> {
    pub fn new(turn: Turn<'a>, mut state: State) -> Self {
        let current = turn.packs.current().clone();
        state.turn += 1;
        state.secrets_changed = false;
        let locale = state
            .locale
            .clone()
            .or_else(|| {
                turn.around
                    .locale
                    .as_ref()
                    .and_then(|l| l.best(&current.locales))
                    .cloned()
            })
            .unwrap_or_else(|| current.default_locale().clone());
        Self {
            packs: turn.packs,
            host: turn.host,
            now: turn.now,
            around: turn.around,
            event: turn.event,
            current,
            pinned: BTreeMap::new(),
            state,
            effects: Vec::new(),
            trace: Vec::new(),
            locale,
            steps: 0,
            ordinal: 0,
            shown_this_turn: false,
            opening: None,
            silent: false,
            message: Value::Object(Map::new()),
            clarifying: Vec::new(),
            uncovered: None,
            ended: Map::new(),
        }
    }

    pub fn finish(mut self) -> Stepped {
        let event = self.event;
        self.begin_session();
        let changed = self.migrate();
        if changed {
            // Says so and asks anew; what was answered to a question that is gone goes no further.
            self.drive();
        }
        if !changed || self.survives_change(event) {
            self.event(event);
            self.drive();
        }
        self.work_off_deferred();
        self.settle();
        Stepped {
            state: self.state,
            effects: self.effects,
            trace: self.trace,
            ended: self.ended,
        }
    }

    /// Events that waited for an action, in order, as long as none runs again.
    fn work_off_deferred(&mut self) {
        for _ in 0..super::state::MAX_DEFERRED {
            if self.state.deferred.is_empty() || self.is_acting() {
                return;
            }
            if self.silent {
                self.leave_deferred_to_people();
                self.drive();
                return;
            }
            let Some(event) = self.state.deferred.pop_front() else {
                return;
            };
            self.note("deferred", "taking up what came in while an action ran");
            self.steps = 0;
            self.opening = None;
            self.event(&event);
            self.drive();
        }
    }

    /// People have the conversation: the customer's words are theirs to read. A timer or an event
    /// of the business comes once, so it does now what it does while people talk.
    pub fn leave_deferred_to_people(&mut self) {
        for event in std::mem::take(&mut self.state.deferred) {
            match event {
                Event::Message { .. } | Event::Press { .. } => {
                    self.note("deferred", "what came in meanwhile is left to the person");
                }
                event => self.event(&event),
            }
        }
    }

    /// Drops what nothing refers to any more, and minds the session timer.
    fn settle(&mut self) {
        let state = &mut self.state;
        let live: std::collections::BTreeSet<u64> = state
            .frames
            .iter()
            .map(|f| f.scope)
            .chain(state.reminders.values().map(|r| r.scope))
            .collect();
        let before = state.scopes.len();
        for (id, scope) in state.scopes.iter().filter(|(id, _)| !live.contains(id)) {
            for (name, held) in &scope.slots {
                let value = if held.secret {
                    state.secrets.get(&format!("{id}/{name}")).cloned()
                } else {
                    Some(held.value.clone())
                };
                self.ended
                    .insert(name.clone(), value.unwrap_or(Value::Null));
            }
        }
        state.scopes.retain(|id, _| live.contains(id));
        if state.scopes.len() != before {
            state.buttons.retain(|b| {
                b.from.as_ref().is_none_or(|f| live.contains(&f.scope))
                    || matches!(
                        b.act,
                        Press::Start { .. } | Press::Faq { .. } | Press::Link { .. }
                    )
            });
            let secrets = state.secrets.len();
            state.secrets.retain(|key, _| match key.split_once('/') {
                Some((scope, _)) => scope.parse::<u64>().map_or(true, |id| live.contains(&id)),
                None => true,
            });
            state.secrets_changed |= secrets != state.secrets.len();
        }
        // Links are only kept for their numbers under the last messages.
        let shown = &state.shown;
        state
            .buttons
            .retain(|b| !matches!(b.act, Press::Link { .. }) || shown.contains(&b.token));
        while state.buttons.len() > super::state::MAX_BUTTONS {
            state.buttons.pop_front();
        }
        self.mind_session_timer();
    }

    pub fn drive(&mut self) {
        loop {
            let Some(frame) = self.state.frames.last() else {
                return;
            };
            if self.silent && frame.root == 0 {
                return;
            }
            match &frame.mode {
                Mode::Run => {}
                Mode::Wait { .. } if frame.woken.is_some() => {
                    self.wake_top();
                    continue;
                }
                Mode::Act(acting) if acting.result.is_some() => {
                    self.take_result();
                    continue;
                }
                _ => return,
            }
            self.steps += 1;
            let limit = self.current.limits.steps_per_turn.clamp(1, 10_000);
            if self.steps > limit {
                self.note("limit", &format!("more than {limit} steps in one turn"));
                let scope = self.state.frames.last().map_or(0, |f| f.scope);
                self.drop_frames(|f| f.scope == scope);
                self.escalate_default("a flow ran on without asking anything");
                return;
            }
            self.one();
        }
    }

    /// One step of the top frame.
    fn one(&mut self) {
        let Some(place) = self.top_place() else {
            return;
        };
        let Some(frame) = self.state.frames.last() else {
            return;
        };
        let (pc, name) = (frame.pc, frame.flow.clone());
        let pack = place.pack.clone();
        let Some(flow) = pack.flows.get(&name) else {
            self.end_top(None);
            return;
        };
        let Some(step) = flow.step(pc) else {
            self.block_end(flow, pc);
            return;
        };
        if let Some(cond) = &step.cond
            && !self.test(&place, cond)
        {
            self.line(
                "skip",
                &format!("{}: its `if` does not hold", step.kind.key()),
                &place,
            );
            self.advance();
            return;
        }
        self.line("step", step.kind.key(), &place);
        self.exec(&place, step);
    }

    fn exec(&mut self, place: &Place, step: &Step) {
        match &step.kind {
            StepKind::Say(say) => self.do_say(place, say),
            StepKind::Collect(collect) => self.do_collect(place, collect),
            StepKind::Form(form) => self.do_form(place, form),
            StepKind::Menu(menu) => self.do_menu(place, menu),
            StepKind::Faq { path } => self.do_faq(path),
            StepKind::If {
                cond,
                then,
                otherwise,
            } => self.do_if(place, cond, *then, *otherwise),
            StepKind::Switch {
                on,
                cases,
                otherwise,
            } => self.do_switch(place, on, cases, *otherwise),
            StepKind::Set { values } => self.do_set(place, values),
            StepKind::Goto {
                label,
                target,
                max,
                otherwise,
            } => {
                self.do_goto(place, label, *target, *max, *otherwise);
            }
            StepKind::Call { flow, with, save } => self.do_call(place, flow, with, save.as_ref()),
            StepKind::Link { flow, with } => self.do_link(place, flow, with),
            StepKind::Http(http) => self.do_http(place, http),
            StepKind::Lua(lua) => self.do_lua(place, lua),
            StepKind::Plugin(plugin) => self.do_plugin(place, plugin),
            StepKind::Answer(answer) => self.do_answer(place, answer),
            StepKind::Handoff(handoff) => self.do_handoff(place, handoff),
            StepKind::Ticket(ticket) => self.do_ticket(place, ticket),
            StepKind::Wait { span, event, .. } => self.do_wait(place, *span, event.as_deref()),
            StepKind::Remind(remind) => self.do_remind(place, remind),
            StepKind::Tag { words } => self.do_tag(words),
            StepKind::End { outcome } => self.do_end(outcome),
        }
    }

    /// The top frame goes on with the step after the present one.
    pub fn advance(&mut self) {
        if let Some(frame) = self.state.frames.last_mut() {
            frame.pc.index += 1;
            frame.mode = Mode::Run;
            frame.step_id = None;
        }
    }

    /// Into a nested list.
    pub fn enter(&mut self, place: &Place, block: u32) {
        let label = self
            .state
            .frames
            .last()
            .and_then(|f| place.pack.flows.get(&f.flow))
            .and_then(|f| f.blocks.get(block as usize))
            .map_or_else(String::new, |b| b.label.clone());
        self.line("branch", &label, place);
        if let Some(frame) = self.state.frames.last_mut() {
            frame.pc = StepRef { block, index: 0 };
            frame.mode = Mode::Run;
        }
    }

    fn block_end(&mut self, flow: &Flow, pc: StepRef) {
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        if let Some(after) = frame.after.clone()
            && after.block == pc.block
        {
            frame.after = None;
            if !after.returned {
                self.note(
                    "handoff",
                    "the steps after the handoff are done and the conversation is closed",
                );
                self.drop_frames(|_| true);
                return;
            }
        }
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let Some(block) = flow.blocks.get(pc.block as usize) else {
            self.end_top(None);
            return;
        };
        match (pc.block == frame.root, block.parent) {
            (false, Some(parent)) => {
                frame.pc = parent;
                if block.then == AfterBlock::Next {
                    frame.pc.index += 1;
                }
            }
            _ => self.end_top(None),
        }
    }

    pub fn is_acting(&self) -> bool {
        matches!(
            self.state.frames.last().map(|f| &f.mode),
            Some(Mode::Act(_))
        )
    }

    /// The pack a frame is pinned to; the current one where that is gone.
    pub fn pack(&mut self, structure: &str) -> Arc<Pack> {
        if structure == self.current.structure {
            return self.current.clone();
        }
        self.pinned_pack(structure)
            .unwrap_or_else(|| self.current.clone())
    }

    pub fn pinned_pack(&mut self, structure: &str) -> Option<Arc<Pack>> {
        if structure == self.current.structure {
            return Some(self.current.clone());
        }
        if let Some(known) = self.pinned.get(structure) {
            return known.clone();
        }
        let found = self.packs.pinned(structure);
        self.pinned.insert(structure.to_owned(), found.clone());
        found
    }

    /// A trace line without a place.
    pub fn note(&mut self, kind: &str, text: &str) {
        self.trace.push(TraceLine {
            kind: kind.to_owned(),
            text: text.to_owned(),
            step: None,
        });
    }

    pub fn line(&mut self, kind: &str, text: &str, place: &Place) {
        self.trace.push(TraceLine {
            kind: kind.to_owned(),
            text: text.to_owned(),
            step: place.step.clone(),
        });
    }

    pub fn asks_faq(&self) -> bool {
        matches!(
            self.state.frames.last().map(|f| &f.mode),
            Some(Mode::Ask(a)) if matches!(a.what, super::state::What::Faq { .. })
        )
    }
}
