//! The interpreter: the stack of frames, one step after another, until it has to wait.

use std::{collections::BTreeMap, sync::Arc};

use tandem_domain::{Locale, Map, Timestamp, Value};

use super::{
    Around, Effect, Event, Host, Packs, Stepped, TraceLine, Turn,
    scope::Place,
    state::{Frame, Mode, OnEnd, Press, Scope, State},
};
use crate::{
    model::{AfterBlock, Flow, Pack, Step, StepKind, StepRef},
    value::Words,
};

/// Users' flows on top of one another; the lowest gives way to one more.
const MAX_FLOWS: usize = 6;
/// Frames of one user's flow.
const MAX_CALLS: usize = 32;

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
    pub message: Map,
    /// Buttons the `clarify` pattern's words get.
    pub clarifying: Vec<(String, Press)>,
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
            message: Map::new(),
            clarifying: Vec::new(),
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
                self.note(
                    "deferred",
                    "what came in meanwhile is left to the people who have the conversation",
                );
                self.state.deferred.clear();
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
        if let Some(cond) = &step.cond {
            if !self.test(&place, cond) {
                self.line(
                    "skip",
                    &format!("{}: its `if` does not hold", step.kind.key()),
                    &place,
                );
                self.advance();
                return;
            }
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

    /// Ends the top frame and does what follows from it.
    pub fn end_top(&mut self, outcome: Option<String>) {
        let Some(frame) = self.state.frames.pop() else {
            return;
        };
        self.note(
            "end",
            &format!(
                "{} ends{}",
                frame.flow,
                outcome
                    .as_ref()
                    .map_or_else(String::new, |o| format!(": {o}"))
            ),
        );
        self.after_end(frame.end, outcome, frame.scope);
    }

    pub fn after_end(&mut self, end: OnEnd, outcome: Option<String>, scope: u64) {
        match end {
            OnEnd::Return { save } => {
                if let Some(slot) = save {
                    let value = Value::from(outcome.unwrap_or_else(|| "completed".into()));
                    let pack = self.top_place().map(|p| p.pack);
                    if let Some(pack) = pack {
                        self.set_coerced(&pack, scope, &slot, &value);
                    }
                }
                self.advance();
            }
            OnEnd::Resume => {
                let resolved = outcome.as_deref() == Some("resolved");
                if self.state.frames.is_empty() {
                    let end = if resolved {
                        OnEnd::Resolve {
                            outcome: "resolved".into(),
                        }
                    } else {
                        OnEnd::Nothing
                    };
                    let mut it = Map::new();
                    if let Some(outcome) = outcome {
                        it.insert("outcome".into(), Value::from(outcome));
                    }
                    self.pattern("completed", it, end);
                } else {
                    self.resume_below();
                }
            }
            OnEnd::Below => self.resume_below(),
            OnEnd::Reask => self.ask_again(),
            OnEnd::Escalate => {
                self.escalate_default("something went wrong on our side");
            }
            OnEnd::Remind { id } => self.say_reminder(id, scope),
            OnEnd::Resolve { outcome } => {
                self.note(
                    "resolve",
                    "the flow ended resolved: the conversation is closed",
                );
                self.effects.push(Effect::Resolve { outcome });
            }
            OnEnd::Nothing => {}
        }
    }

    /// Takes up the flow that lies on top now.
    pub fn resume_below(&mut self) {
        let Some(frame) = self.state.frames.last() else {
            return;
        };
        if !matches!(frame.mode, Mode::Ask(_)) {
            return;
        }
        let scope = frame.scope;
        let mut it = Map::new();
        it.insert("title".into(), Value::from(self.title_of(scope)));
        self.pattern("resumed", it, OnEnd::Reask);
    }

    /// What the user's flow of this scope is called.
    pub fn title_of(&mut self, scope: u64) -> String {
        let Some(at) = self.state.frames.iter().position(|f| f.scope == scope) else {
            return String::new();
        };
        let (name, hash) = (
            self.state.frames[at].flow.clone(),
            self.state.frames[at].pack.clone(),
        );
        let pack = self.pack(&hash);
        let place = Place::new(pack.clone(), Some(scope));
        match pack.flows.get(&name).and_then(|f| f.title.as_ref()) {
            Some(title) => self.text(&place, title),
            None => name.replace('_', " "),
        }
    }

    /// Runs one of the shipped patterns, or the pack's flow of that name, on top of what is there.
    pub fn pattern(&mut self, name: &str, it: Map, end: OnEnd) {
        let scope = match self.state.frames.last() {
            Some(frame) => frame.scope,
            None => self.new_scope(),
        };
        let steps = self
            .current
            .flows
            .get(name)
            .and_then(|f| f.blocks.first())
            .map_or(0, |b| b.steps.len());
        self.note("pattern", name);
        if steps == 0 {
            self.after_end(end, None, scope);
            return;
        }
        let frame = self.frame(name, scope, end);
        self.state.frames.push(Frame { it, ..frame });
    }

    pub fn new_scope(&mut self) -> u64 {
        let id = self.state.fresh_id();
        self.state.scopes.insert(id, Scope::default());
        id
    }

    /// A frame at the beginning of a flow of the current pack.
    pub fn frame(&mut self, flow: &str, scope: u64, end: OnEnd) -> Frame {
        Frame {
            id: self.state.fresh_id(),
            flow: flow.to_owned(),
            pack: self.current.structure.clone(),
            pc: StepRef::default(),
            step_id: None,
            scope,
            root: 0,
            end,
            mode: Mode::Run,
            jumps: BTreeMap::new(),
            attempts: BTreeMap::new(),
            form: None,
            after: None,
            it: Map::new(),
            woken: None,
        }
    }

    /// Starts a user's flow on top of whatever is open. One that runs already starts anew.
    pub fn start_flow(&mut self, name: &str, why: &str) -> Option<u64> {
        if !self.current.flows.contains_key(name) {
            self.note("match", &format!("there is no flow `{name}` any more"));
            return None;
        }
        let again: Vec<u64> = self
            .state
            .frames
            .iter()
            .filter(|f| f.flow == name && f.end == OnEnd::Resume)
            .map(|f| f.scope)
            .collect();
        if !again.is_empty() {
            self.note("match", &format!("{name} runs already and starts anew"));
            self.drop_frames(|f| again.contains(&f.scope));
        }
        // A menu of questions gives way to what was chosen from it.
        if self.asks_faq() {
            self.advance();
        }
        let mut users: Vec<u64> = self.state.frames.iter().map(|f| f.scope).collect();
        users.dedup();
        if users.len() >= MAX_FLOWS {
            let lowest = users[0];
            self.note(
                "limit",
                "too many flows lie on one another: the lowest is dropped",
            );
            self.drop_frames(|f| f.scope == lowest);
        }
        self.quiet_question();
        let scope = self.new_scope();
        let frame = self.frame(name, scope, OnEnd::Resume);
        self.note("start", &format!("{name}: {why}"));
        self.state.frames.push(frame);
        Some(scope)
    }

    /// Frames of one user's flow are not stacked for ever.
    pub fn too_deep(&mut self, scope: u64) -> bool {
        let deep = self
            .state
            .frames
            .iter()
            .filter(|f| f.scope == scope)
            .count()
            >= MAX_CALLS;
        if deep {
            self.note("limit", "flows call one another too deeply");
            self.drop_frames(|f| f.scope == scope);
            self.escalate_default("flows call one another without end");
        }
        deep
    }

    /// Removes frames with everything that was going to wake them.
    pub fn drop_frames(&mut self, gone: impl Fn(&Frame) -> bool) {
        let frames = std::mem::take(&mut self.state.frames);
        let (dropped, kept): (Vec<Frame>, Vec<Frame>) = frames.into_iter().partition(gone);
        self.state.frames = kept;
        for frame in dropped {
            self.release(&frame);
        }
    }

    /// Cancels the timer or action a frame waits for.
    pub fn release(&mut self, frame: &Frame) {
        match &frame.mode {
            Mode::Ask(asked) if asked.timed => self.cancel_timer(format!("ask:{}", frame.id)),
            Mode::Act(acting) => self.effects.push(Effect::CancelAct {
                key: acting.key.clone(),
            }),
            Mode::Wait { timed: true, .. } => self.cancel_timer(format!("wait:{}", frame.id)),
            Mode::Handoff { timed: true, .. } => {
                self.cancel_timer(format!("max_wait:{}", frame.id))
            }
            _ => {}
        }
    }

    /// The timer of the question on top stops: something else comes first.
    pub fn quiet_question(&mut self) {
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        if let Mode::Ask(asked) = &mut frame.mode
            && asked.timed
        {
            asked.timed = false;
            let key = format!("ask:{}", frame.id);
            self.cancel_timer(key);
        }
    }

    pub fn cancel_timer(&mut self, key: String) {
        self.effects.push(Effect::CancelTimer { key });
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

    /// Frames whose pack is gone go over to the current one: by step id, else from the beginning
    /// with their slots kept, after `flow_changed`.
    fn migrate(&mut self) -> bool {
        let mut changed: Option<String> = None;
        let mut at = 0;
        while at < self.state.frames.len() {
            let structure = self.state.frames[at].pack.clone();
            if self.pinned_pack(&structure).is_some() {
                at += 1;
                continue;
            }
            let current = self.current.clone();
            let frame = &mut self.state.frames[at];
            frame.pack = current.structure.clone();
            frame.form = None;
            let Some(flow) = current.flows.get(&frame.flow) else {
                let scope = frame.scope;
                let name = frame.flow.clone();
                changed = Some(name);
                self.drop_frames(|f| f.scope == scope);
                at = 0;
                continue;
            };
            let found = frame
                .step_id
                .as_ref()
                .and_then(|id| flow.ids.get(id))
                .copied();
            let name = frame.flow.clone();
            match found {
                Some(place) if frame.root == 0 => {
                    let asks = matches!(
                        flow.step(place).map(|s| &s.kind),
                        Some(StepKind::Collect(_) | StepKind::Form(_) | StepKind::Menu(_))
                    );
                    frame.pc = place;
                    if matches!(frame.mode, Mode::Ask(_)) && !asks {
                        frame.mode = Mode::Run;
                    }
                    self.note(
                        "migrate",
                        &format!("{name} was edited: goes on at the step of the same id"),
                    );
                }
                _ => {
                    let old = frame.clone();
                    let scope = old.scope;
                    if old.root == 0 && old.end == OnEnd::Resume {
                        frame.pc = StepRef::default();
                        frame.mode = Mode::Run;
                        frame.jumps.clear();
                        let base = old.id;
                        self.release(&old);
                        self.drop_frames(|f| f.scope == scope && f.id != base);
                    } else {
                        // A called flow lost its place: the user's flow begins again.
                        self.drop_frames(|f| f.scope == scope && f.end != OnEnd::Resume);
                        if let Some(base) = self.state.frames.iter_mut().find(|f| f.scope == scope)
                        {
                            base.pc = StepRef::default();
                            base.mode = Mode::Run;
                            base.pack = current.structure.clone();
                        }
                    }
                    self.note(
                        "migrate",
                        &format!("{name} was edited: begins again, with what is known"),
                    );
                    changed = Some(name);
                    at = 0;
                    continue;
                }
            }
            at += 1;
        }
        let Some(name) = changed else { return false };
        for scope in self.state.scopes.values_mut() {
            scope
                .history
                .retain(|h| h.frames.iter().all(|f| f.pack == self.current.structure));
        }
        let mut it = Map::new();
        it.insert("flow".into(), Value::from(name));
        let end = if self.state.is_asking() {
            OnEnd::Reask
        } else {
            OnEnd::Nothing
        };
        self.silent = self.is_human();
        self.pattern("flow_changed", it, end);
        true
    }

    /// Cancelling and asking for a person work whatever was edited; so does everything that is
    /// not the customer's.
    fn survives_change(&self, event: &Event) -> bool {
        match event {
            Event::Message { parts, .. } => {
                super::commands::command(&tandem_domain::message::text_of(parts)).is_some()
            }
            Event::Press { .. } => false,
            _ => true,
        }
    }

    pub fn asks_faq(&self) -> bool {
        matches!(
            self.state.frames.last().map(|f| &f.mode),
            Some(Mode::Ask(a)) if matches!(a.what, super::state::What::Faq { .. })
        )
    }
}
