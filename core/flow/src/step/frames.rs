//! The stack of frames: starting, ending, dropping, taking up again.

use std::collections::BTreeMap;

use tandem_domain::{Map, Value};

use super::{
    Effect,
    run::Run,
    scope::Place,
    state::{Frame, Mode, OnEnd, Scope},
};
use crate::model::StepRef;

/// Users' flows on top of one another; the lowest gives way to one more.
const MAX_FLOWS: usize = 6;
/// Frames of one user's flow.
const MAX_CALLS: usize = 32;

impl Run<'_> {
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
        let (pattern, end) = match frame.mode {
            Mode::Ask(_) => ("resumed", OnEnd::Reask),
            // The second wish of a message waits here.
            Mode::Run if frame.end == OnEnd::Resume && frame.pc == StepRef::default() => {
                ("next_wish", OnEnd::Nothing)
            }
            _ => return,
        };
        let scope = frame.scope;
        let mut it = Map::new();
        it.insert("title".into(), Value::from(self.title_of(scope)));
        self.pattern(pattern, it, end);
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
}
