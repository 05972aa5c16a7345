//! What time does: nudges at a question, waits, reminders, the end of a session. A timer carries
//! the number of what it was set for; one that finds something else does nothing.

use serde_json::{Map, json};
use tandem_domain::{Timestamp, Value};

use super::{
    Effect, SaySource, cal,
    run::Run,
    say::Sending,
    scope::Place,
    state::{Mode, OnEnd, Reminder, What, Woken},
};
use crate::model::{Collect, Duration, RemindStep, RemindWhen, StepKind};

impl Run<'_> {
    pub fn set_timer(&mut self, key: String, due_at: Timestamp, epoch: u64) {
        self.effects.push(Effect::SetTimer {
            key,
            due_at,
            payload: json!({ "epoch": epoch }),
        });
    }

    pub fn timer(&mut self, key: &str, payload: &Value) {
        let epoch = payload.get("epoch").and_then(Value::as_u64).unwrap_or(0);
        let (kind, id) = key.split_once(':').unwrap_or((key, ""));
        let id: u64 = id.parse().unwrap_or(0);
        match kind {
            "ask" => self.ask_timeout(id, epoch),
            "wait" => self.wait_over(id, epoch, Woken::Timeout),
            "max_wait" => self.max_wait_over(id, epoch),
            "remind" => self.remind_due(id),
            "session" => self.session_due(),
            _ => self.note("timer", &format!("`{key}` is no timer of ours")),
        }
    }

    /// Sets the timer of a question that has one.
    pub fn start_timeout(&mut self, place: &Place, collect: &Collect) {
        let Some(timeout) = &collect.timeout else {
            return;
        };
        let after = timeout.after;
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let id = frame.id;
        let Mode::Ask(asked) = &mut frame.mode else {
            return;
        };
        asked.timed = true;
        let epoch = asked.epoch;
        let due_at = cal::add(self.now, after, &place.pack.zone);
        self.set_timer(format!("ask:{id}"), due_at, epoch);
    }

    fn ask_timeout(&mut self, frame: u64, epoch: u64) {
        let on_top = self.state.frames.last().is_some_and(|f| {
            f.id == frame && matches!(&f.mode, Mode::Ask(a) if a.epoch == epoch && a.timed)
        });
        if !on_top || self.silent {
            self.note(
                "timer",
                "stale: the question was answered or is no longer open",
            );
            return;
        }
        let Some(open) = self.open() else { return };
        let Some(timeout) = open.collect.timeout.clone() else {
            return;
        };
        let times = if timeout.say.is_some() {
            timeout.times.max(1)
        } else {
            0
        };
        let mut nudges = 0;
        if let Some(frame) = self.state.frames.last_mut()
            && let Mode::Ask(asked) = &mut frame.mode
        {
            nudges = asked.nudges;
            asked.nudges += 1;
        }
        if nudges < times {
            self.line(
                "timer",
                &format!("no answer: nudge {} of {times}", nudges + 1),
                &open.place,
            );
            if let Some(say) = &timeout.say
                && let Some(draft) = self.compose(&open.place, say)
            {
                let source = SaySource {
                    step: open.place.step.clone(),
                    ..SaySource::default()
                };
                self.send(
                    &open.place,
                    draft,
                    Sending {
                        source,
                        ..Sending::default()
                    },
                );
            }
            let last = nudges + 1 == times && timeout.then.is_none();
            if last {
                if let Some(frame) = self.state.frames.last_mut()
                    && let Mode::Ask(asked) = &mut frame.mode
                {
                    asked.timed = false;
                }
            } else {
                let due_at = cal::add(self.now, timeout.after, &open.place.pack.zone);
                self.set_timer(format!("ask:{frame}"), due_at, epoch);
            }
            return;
        }
        self.line("timer", "no answer: on without it", &open.place);
        if let Some(frame) = self.state.frames.last_mut()
            && let Mode::Ask(asked) = &mut frame.mode
        {
            asked.timed = false;
        }
        match timeout.then {
            Some(block) => {
                if open.field.is_some()
                    && let Some(scope) = open.place.scope
                    && let Some(s) = self.state.scopes.get_mut(&scope)
                {
                    s.skipped.insert(open.slot.name.clone());
                }
                self.enter(&open.place, block);
            }
            None => self.note(
                "timer",
                "nothing is written for that: the question stays open",
            ),
        }
    }

    /// A `wait` step.
    pub fn do_wait(&mut self, place: &Place, span: Option<Duration>, event: Option<&str>) {
        let epoch = self.state.fresh_id();
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        frame.mode = Mode::Wait {
            epoch,
            timed: span.is_some(),
        };
        frame.woken = None;
        frame.step_id = super::question::step_id(&place.pack, &frame.flow, frame.pc);
        let id = frame.id;
        if let Some(span) = span {
            let due_at = cal::add(self.now, span, &place.pack.zone);
            self.set_timer(format!("wait:{id}"), due_at, epoch);
        }
        self.line("wait", event.unwrap_or("for a time"), place);
    }

    fn wait_over(&mut self, id: u64, epoch: u64, how: Woken) {
        let Some(frame) = self.state.frames.iter_mut().find(|f| f.id == id) else {
            self.note("timer", "stale: the flow that waited is over");
            return;
        };
        match &mut frame.mode {
            Mode::Wait { epoch: now, timed } if *now == epoch && *timed => {
                *timed = false;
                frame.woken = Some(how);
                self.note("timer", "the wait is over");
            }
            _ => self.note("timer", "stale: it waits for something else"),
        }
    }

    /// Frames that wait for this event go on. True where there was one.
    pub fn wake_by_event(&mut self, name: &str) -> bool {
        let waiting: Vec<(usize, u64, bool)> = self
            .state
            .frames
            .iter()
            .enumerate()
            .filter_map(|(at, f)| match f.mode {
                Mode::Wait { timed, .. } => Some((at, f.id, timed)),
                _ => None,
            })
            .collect();
        let mut woken = false;
        for (at, id, timed) in waiting {
            let (flow, hash, pc) = {
                let f = &self.state.frames[at];
                (f.flow.clone(), f.pack.clone(), f.pc)
            };
            let pack = self.pack(&hash);
            let waits_for = pack
                .flows
                .get(&flow)
                .and_then(|f| f.step(pc))
                .and_then(|s| match &s.kind {
                    StepKind::Wait { event, .. } => event.clone(),
                    _ => None,
                });
            if waits_for.as_deref() == Some(name) {
                woken = true;
                self.note("event", &format!("{name}: {flow} waited for it"));
                if let Mode::Wait { timed, .. } = &mut self.state.frames[at].mode {
                    *timed = false;
                }
                self.state.frames[at].woken = Some(Woken::Event);
                if timed {
                    self.cancel_timer(format!("wait:{id}"));
                }
            }
        }
        woken
    }

    /// The top frame waited, and something came.
    pub fn wake_top(&mut self) {
        let Some(place) = self.top_place() else {
            return;
        };
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let woken = frame.woken.take();
        let pack = place.pack.clone();
        let on_timeout = pack
            .flows
            .get(&frame.flow)
            .and_then(|f| f.step(frame.pc))
            .and_then(|s| match &s.kind {
                StepKind::Wait { on_timeout, .. } => *on_timeout,
                _ => None,
            });
        match (woken, on_timeout) {
            (Some(Woken::Timeout), Some(block)) => self.enter(&place, block),
            _ => self.advance(),
        }
    }

    /// A `remind` step: the flow goes on, the reminder stays.
    pub fn do_remind(&mut self, place: &Place, step: &RemindStep) {
        let zone = place.pack.zone.clone();
        let due = match &step.when {
            RemindWhen::After(span) => Some(cal::add(self.now, *span, &zone)),
            RemindWhen::At(template) => {
                let text = self.render(place, template);
                cal::moment(&text, &zone)
            }
        };
        let Some(due) = due else {
            self.line(
                "remind",
                "its time is empty or none: no reminder is set",
                place,
            );
            self.advance();
            return;
        };
        let due = match step.quiet_hours {
            Some(quiet) => cal::after_quiet(due, quiet, &zone),
            None => due,
        };
        let id = self.state.fresh_id();
        if let (Some(scope), Some(frame)) = (place.scope, self.state.frames.last()) {
            // What it will speak of is what is known now: the flow may go on and fill its slots
            // anew, a second return for the first one's label.
            let values = self.state.scopes.get(&scope).cloned().unwrap_or_default();
            let (flow, pack) = (frame.flow.clone(), frame.pack.clone());
            let scope = self.state.copy_scope(scope, values);
            let reminder = Reminder {
                flow,
                pack,
                at: place.at,
                scope,
                overdue: false,
            };
            self.state.reminders.insert(id, reminder);
            self.line(
                "remind",
                &format!("set for {}", cal::stamp(due, &zone)),
                place,
            );
            self.set_timer(format!("remind:{id}"), due, id);
        }
        self.advance();
    }

    fn remind_due(&mut self, id: u64) {
        let Some(reminder) = self.state.reminders.get_mut(&id) else {
            self.note("timer", "stale: the reminder is gone");
            return;
        };
        if self.silent {
            reminder.overdue = true;
            self.note("timer", "people have the conversation: the reminder waits");
            return;
        }
        let reminder = reminder.clone();
        let Some(step) = self.reminder_step(&reminder) else {
            self.state.reminders.remove(&id);
            self.note("timer", "the reminder's step is gone");
            return;
        };
        if let Some(quiet) = step.quiet_hours {
            let zone = self.pack(&reminder.pack.clone()).zone.clone();
            let due = cal::after_quiet(self.now, quiet, &zone);
            if due > self.now {
                self.note("timer", "quiet hours: the reminder waits");
                self.set_timer(format!("remind:{id}"), due, id);
                return;
            }
        }
        self.note("timer", "a reminder is due");
        match step.refresh {
            Some(block) => {
                self.side_frame(
                    &reminder.flow,
                    &reminder.pack,
                    reminder.scope,
                    block,
                    OnEnd::Remind { id },
                );
            }
            None => self.say_reminder(id, reminder.scope),
        }
    }

    fn reminder_step(&mut self, reminder: &Reminder) -> Option<RemindStep> {
        let pack = self.pack(&reminder.pack);
        match &pack.flows.get(&reminder.flow)?.step(reminder.at)?.kind {
            StepKind::Remind(step) => Some((**step).clone()),
            _ => None,
        }
    }

    pub fn say_reminder(&mut self, id: u64, scope: u64) {
        let Some(reminder) = self.state.reminders.remove(&id) else {
            return;
        };
        let Some(step) = self.reminder_step(&reminder) else {
            return;
        };
        let pack = self.pack(&reminder.pack);
        let mut place = Place::new(pack, Some(scope));
        place.at = reminder.at;
        place.step = Some(super::scope::step_name(&reminder.flow, reminder.at));
        if let Some(unless) = &step.unless
            && self.test(&place, unless)
        {
            self.line("remind", "no longer needed", &place);
            return;
        }
        let to = step
            .to
            .as_ref()
            .map(|t| self.render(&place, t))
            .filter(|t| !t.is_empty());
        if let Some(draft) = self.compose(&place, &step.say) {
            let source = SaySource {
                step: place.step.clone(),
                ..SaySource::default()
            };
            self.send(
                &place,
                draft,
                Sending {
                    source,
                    via: step.via.clone(),
                    to,
                },
            );
        }
    }

    /// Reminders that came due while people had the conversation.
    pub fn wake_overdue(&mut self) {
        let due: Vec<u64> = self
            .state
            .reminders
            .iter()
            .filter(|(_, r)| r.overdue)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(reminder) = self.state.reminders.get_mut(&id) {
                reminder.overdue = false;
            }
            let now = self.now;
            self.set_timer(format!("remind:{id}"), now, id);
        }
    }

    /// One timer while a question is open. It is not moved with every message: where it comes too
    /// early it is set once more.
    pub fn mind_session_timer(&mut self) {
        let open = !self.state.frames.is_empty();
        if open && !self.state.session_timer && !self.silent && self.state.is_asking() {
            self.state.session_timer = true;
            let due = self.session_end();
            self.set_timer("session".into(), due, 0);
        } else if !open && self.state.session_timer {
            self.state.session_timer = false;
            self.cancel_timer("session".into());
        }
    }

    fn session_end(&self) -> Timestamp {
        let minutes = u64::from(self.current.limits.session_minutes.max(1));
        self.state.last_at.max(Timestamp(0)) + std::time::Duration::from_secs(minutes * 60)
    }

    fn session_due(&mut self) {
        if !self.state.session_timer {
            self.note("timer", "stale: no session is open");
            return;
        }
        self.state.session_timer = false;
        if self.asked().is_some_and(|asked| asked.timed) {
            // The question has a timeout of its own.
            self.note("timer", "the open question minds its own time");
            self.state.session_timer = true;
            let minutes = u64::from(self.current.limits.session_minutes.max(1));
            let due = self.now + std::time::Duration::from_secs(minutes * 60);
            self.set_timer("session".into(), due, 0);
            return;
        }
        if self.silent || !self.state.is_asking() {
            self.note("timer", "nothing is asked: the session goes on");
            return;
        }
        if self.session_end() > self.now {
            // The customer has written since; `settle` sets it anew.
            self.note("timer", "the customer has written since");
            return;
        }
        if matches!(self.asked().map(|a| &a.what), Some(What::Faq { .. })) {
            self.note("timer", "the menu of questions closes without a word");
            self.drop_frames(|_| true);
            return;
        }
        let scope = self.state.frames.last().map_or(0, |f| f.scope);
        let mut it = Map::new();
        it.insert("title".into(), Value::from(self.title_of(scope)));
        self.drop_frames(|_| true);
        self.pattern("session_timeout", it, OnEnd::Nothing);
    }
}
