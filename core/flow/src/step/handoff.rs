//! To people and back: triggers, caps, the silence of the bot meanwhile.

use serde_json::Map;
use tandem_domain::{
    Value,
    conversation::{Control, HandoffMode, Priority},
    reading::{Reading, Target},
};

use super::{
    Effect,
    commands::Command,
    run::Run,
    say::Sending,
    scope::Place,
    state::{After, Frame, HandedOff, Mode, OnEnd},
    thresholds as at,
};
use crate::{
    model::{HandoffStep, Pack, Say, StepKind, StepRef},
    value::normal::fold,
};

/// The built-in response of a trigger outside its hours.
const CLOSED: &str = "closed";

impl Run<'_> {
    pub fn is_human(&self) -> bool {
        self.around.control != Control::Bot
    }

    pub fn do_handoff(&mut self, place: &Place, step: &HandoffStep) {
        let priority = match &step.priority {
            Some(template) => {
                let word = self.render(place, template);
                priority_of(&word)
            }
            None => Priority::Normal,
        };
        let summary = step
            .summary
            .as_ref()
            .map(|t| self.text(place, t))
            .filter(|s| !s.trim().is_empty());
        let mut mode = step.mode;
        if mode == HandoffMode::Queue
            && let Some(hours) = step
                .hours
                .as_ref()
                .and_then(|name| place.pack.hours.get(name))
            && !super::cal::is_open(hours, self.now, &place.pack.zone)
        {
            if let Some(block) = step.when_closed {
                self.line("handoff", "it is closed", place);
                self.enter(place, block);
                return;
            }
            self.line(
                "handoff",
                "it is closed, and nothing is written for that: a ticket",
                place,
            );
            mode = HandoffMode::Ticket;
        }
        self.line("handoff", &format!("to {}", step.skill), place);
        self.effects.push(Effect::Handoff {
            skill: step.skill.clone(),
            priority,
            summary,
            tags: step.tags.clone(),
            mode,
        });
        if mode != HandoffMode::Queue {
            self.advance();
            return;
        }
        let epoch = self.state.fresh_id();
        let timed = step.max_wait.is_some();
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        frame.mode = Mode::Handoff { epoch, timed };
        frame.step_id = super::question::step_id(&place.pack, &frame.flow, frame.pc);
        let id = frame.id;
        if let Some(wait) = step.max_wait {
            let due_at = super::cal::add(self.now, wait, &place.pack.zone);
            self.set_timer(format!("max_wait:{id}"), due_at, epoch);
        }
        self.fall_silent(Some(id));
    }

    fn fall_silent(&mut self, frame: Option<u64>) {
        self.state.handoff = Some(HandedOff {
            frame,
            since: self.now,
        });
        self.silent = true;
        self.quiet_question();
    }

    /// To people without a step of a flow: a trigger, a cap, a defect.
    pub fn escalate(&mut self, skill: &str, priority: Priority, why: &str) {
        if self.silent || self.state.handoff.is_some() {
            return;
        }
        self.note("handoff", &format!("to {skill}: {why}"));
        if self.current.responses.contains_key(super::HANDED_OVER) {
            self.builtin(super::HANDED_OVER, Map::new());
        }
        self.effects.push(Effect::Handoff {
            skill: skill.to_owned(),
            priority,
            summary: Some(why.to_owned()),
            tags: Vec::new(),
            mode: HandoffMode::Queue,
        });
        self.fall_silent(None);
    }

    pub fn escalate_default(&mut self, why: &str) {
        let skill = self.current.default_skill.clone();
        self.escalate(&skill, Priority::Normal, why);
    }

    /// A wish for a person: a whole message, or one that is surely meant so.
    pub fn wants_person(
        &mut self,
        command: Option<Command>,
        text: &str,
        reading: &Reading,
    ) -> bool {
        let said = fold(text);
        let by_phrase = Some(&said)
            .filter(|said| !said.is_empty())
            .and_then(|said| {
                let mut triggers = self.current.triggers.iter();
                triggers.position(|trigger| trigger.folded.contains(said))
            });
        let by_reading = reading
            .wishes()
            .filter(|c| c.confidence >= at::HIGH)
            .find_map(|c| match c.target {
                Target::Trigger(index) if index < self.current.triggers.len() => Some(index),
                _ => None,
            });
        if let Some(index) = by_phrase.or(by_reading)
            && self.trigger_holds(index)
        {
            self.pull_trigger(index, "the customer asks for a person");
            return true;
        }
        if command == Some(Command::Handoff) {
            match self
                .current
                .triggers
                .iter()
                .position(|t| !t.phrases.0.is_empty())
            {
                Some(index) => self.pull_trigger(index, "the customer asks for a person"),
                None => self.escalate_default("the customer asks for a person"),
            }
            return true;
        }
        false
    }

    /// Its `if`, where it has one beside its phrases.
    fn trigger_holds(&mut self, index: usize) -> bool {
        let pack = self.current.clone();
        let Some(trigger) = pack.triggers.get(index) else {
            return false;
        };
        let place = self.outside();
        trigger
            .cond
            .as_ref()
            .is_none_or(|cond| self.test(&place, cond))
    }

    pub fn pull_trigger(&mut self, index: usize, why: &str) {
        let pack = self.current.clone();
        let Some(trigger) = pack.triggers.get(index) else {
            return;
        };
        let place = self.outside();
        let priority = match &trigger.priority {
            Some(template) => priority_of(&self.render(&place, template)),
            None => Priority::Normal,
        };
        match self.closed_hours(&pack, trigger.hours.as_ref()) {
            None => self.escalate(&trigger.skill, priority, why),
            Some(hours) => self.leave_ticket(&trigger.skill, priority, why, hours),
        }
    }

    /// The hours of this name, where they are closed now.
    fn closed_hours(&self, pack: &Pack, name: Option<&String>) -> Option<String> {
        let name = name?;
        let closed = !super::cal::is_open(pack.hours.get(name)?, self.now, &pack.zone);
        closed.then(|| name.clone())
    }

    /// Nobody is there: a ticket, said so, and the bot goes on.
    fn leave_ticket(&mut self, skill: &str, priority: Priority, why: &str, hours: String) {
        if self.silent || self.state.handoff.is_some() {
            return;
        }
        self.note(
            "handoff",
            &format!("to {skill}: {why}; it is closed: a ticket"),
        );
        self.effects.push(Effect::Handoff {
            skill: skill.to_owned(),
            priority,
            summary: Some(why.to_owned()),
            tags: Vec::new(),
            mode: HandoffMode::Ticket,
        });
        let place = Place {
            hours: Some(hours),
            ..self.outside()
        };
        if let Some(draft) = self.compose(&place, &Say::Response(CLOSED.to_owned())) {
            self.send(&place, draft, Sending::default());
        }
        self.ask_again();
    }

    /// A trigger whose condition has come to hold. Each acts once until its condition no longer
    /// holds, or people have had the conversation.
    pub fn condition_trigger(&mut self) -> bool {
        let pack = self.current.clone();
        let place = self.outside();
        for (index, trigger) in pack.triggers.iter().enumerate() {
            let Some(cond) = trigger
                .cond
                .as_ref()
                .filter(|_| trigger.phrases.0.is_empty())
            else {
                continue;
            };
            if !self.test(&place, cond) {
                self.state.fired.remove(&index);
                continue;
            }
            if self.state.fired.insert(index) {
                self.pull_trigger(index, &format!("the trigger `{}`", cond.source));
                return true;
            }
        }
        false
    }

    pub fn count_repair(&mut self) {
        self.state.repair.count += 1;
        self.state.repair.same_step += 1;
    }

    /// After a failed answer: a trigger, or the cap on repairs. True where people get it now.
    pub fn repair_trigger(&mut self) -> bool {
        if self.condition_trigger() {
            return true;
        }
        let limit = self.current.limits.repair.max(1);
        if self.state.repair.count >= limit {
            self.note("limit", &format!("{limit} repairs in this session"));
            self.escalate_default("the bot had to ask again too often");
            return true;
        }
        false
    }

    /// A person took the conversation without being asked.
    pub fn taken_over(&mut self) {
        self.note("handoff", "a person took over: the bot is silent");
        self.quiet_question();
        self.silent = true;
        if self.state.handoff.is_none() {
            self.state.handoff = Some(HandedOff {
                frame: None,
                since: self.now,
            });
        }
        if let Some(frame) = self
            .state
            .frames
            .iter_mut()
            .find(|f| matches!(f.mode, Mode::Handoff { timed: true, .. }))
        {
            if let Mode::Handoff { timed, .. } = &mut frame.mode {
                *timed = false;
            }
            let key = format!("max_wait:{}", frame.id);
            self.cancel_timer(key);
        }
        self.leave_deferred_to_people();
    }

    /// A person let go: the handoff's `after`, then on with the flow if it was given back.
    pub fn closed(&mut self, returned: bool) {
        self.silent = false;
        self.state.handoff = None;
        self.state.repair = super::state::Repair::default();
        self.state.fired.clear();
        self.wake_overdue();
        let at = self
            .state
            .frames
            .iter()
            .rposition(|f| matches!(f.mode, Mode::Handoff { .. }));
        let Some(at) = at else {
            self.note(
                "handoff",
                if returned {
                    "given back: the open question once more"
                } else {
                    "closed: what was open is dropped"
                },
            );
            if !returned {
                self.drop_frames(|_| true);
                return;
            }
            self.give_back_on_top();
            return;
        };
        let above: Vec<u64> = self.state.frames[at + 1..].iter().map(|f| f.id).collect();
        self.drop_frames(|f| above.contains(&f.id));
        let Some(place) = self.top_place() else {
            return;
        };
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        if let Mode::Handoff { timed: true, .. } = frame.mode {
            let key = format!("max_wait:{}", frame.id);
            self.cancel_timer(key);
        }
        let pack = place.pack.clone();
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let after = pack
            .flows
            .get(&frame.flow)
            .and_then(|f| f.step(frame.pc))
            .and_then(|s| match &s.kind {
                StepKind::Handoff(step) => step.after,
                _ => None,
            });
        match after {
            Some(block) => {
                frame.after = Some(After { block, returned });
                frame.pc = StepRef { block, index: 0 };
                frame.mode = Mode::Run;
                self.line("branch", "after", &place);
            }
            None if returned => {
                self.line("handoff", "given back: the flow goes on", &place);
                self.advance();
            }
            None => {
                self.line("handoff", "closed: the flow is dropped", &place);
                self.drop_frames(|_| true);
            }
        }
    }

    fn give_back_on_top(&mut self) {
        let Some(frame) = self.state.frames.last() else {
            return;
        };
        // A result that came meanwhile is taken by `drive`.
        if let Mode::Ask(_) = &frame.mode {
            self.resume_below();
        }
    }

    /// The queue took longer than `max_wait`.
    pub fn max_wait_over(&mut self, frame: u64, epoch: u64) {
        let Some(at) = self.state.frames.iter().position(|f| f.id == frame) else {
            self.note("timer", "stale: the handoff is over");
            return;
        };
        let current = matches!(&self.state.frames[at].mode, Mode::Handoff { epoch: now, timed: true } if *now == epoch);
        let served = matches!(
            self.around
                .conversation
                .get("routing_state")
                .and_then(Value::as_str),
            Some("assigned" | "wrapping" | "none")
        );
        if !current || served {
            self.note("timer", "stale: somebody has the conversation");
            return;
        }
        if let Mode::Handoff { timed, .. } = &mut self.state.frames[at].mode {
            *timed = false;
        }
        let (flow, hash, pc, scope) = {
            let f = &self.state.frames[at];
            (f.flow.clone(), f.pack.clone(), f.pc, f.scope)
        };
        let pack = self.pack(&hash);
        let block = pack
            .flows
            .get(&flow)
            .and_then(|f| f.step(pc))
            .and_then(|s| match &s.kind {
                StepKind::Handoff(step) => step.on_timeout,
                _ => None,
            });
        self.note("timer", "the longest wait is over");
        if let Some(block) = block {
            self.side_frame(&flow, &hash, scope, block, OnEnd::Nothing);
        }
    }

    /// Runs a block beside what is open.
    pub fn side_frame(&mut self, flow: &str, hash: &str, scope: u64, block: u32, end: OnEnd) {
        let frame = self.frame(flow, scope, end);
        self.trace.push(super::TraceLine {
            kind: "branch".into(),
            text: "beside".into(),
            step: Some(super::scope::step_name(flow, StepRef { block, index: 0 })),
        });
        self.state.frames.push(Frame {
            pack: hash.to_owned(),
            root: block,
            pc: StepRef { block, index: 0 },
            ..frame
        });
    }
}

pub(super) fn priority_of(word: &str) -> Priority {
    match word.trim().to_ascii_lowercase().as_str() {
        "low" => Priority::Low,
        "high" => Priority::High,
        "urgent" => Priority::Urgent,
        _ => Priority::Normal,
    }
}
