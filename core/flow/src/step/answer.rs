//! Answers: reading them, judging them, what came along with them, and what happens to bad ones.

use std::ops::Range;

use tandem_domain::{Locale, Map, Value, reading::Reading};

use super::{
    LuaAnswer, SaySource,
    question::{Input, Open, Taken, Why, collects_of},
    run::Run,
    say::{Draft, Sending},
    scope::Place,
    state::{Mode, What},
};
use crate::{
    model::{BlockId, Collect, Function, Pack, Rule, RuleCheck, Say, Slot, SlotKind},
    value::{self, Invalid, Parsed, Reader, Words},
};

impl Run<'_> {
    /// Reads the message as the answer.
    pub fn read_answer(&mut self, open: &Open, input: &Input<'_>) -> Result<Parsed, Invalid> {
        let options = self.options(&open.place, &open.collect, &open.slot);
        let pack = open.place.pack.clone();
        let reader = Reader::new(&pack.zone, self.now, &self.locale, input.words, input.files);
        let around = self.lua_context();
        let host = &mut *self.host;
        let mut failed = None;
        let read = value::answer(&open.slot, &options, &reader, &mut |f, v| {
            let answer = host.lua(&pack, &f.module, &f.name, &[v.clone(), around.clone()]);
            if let LuaAnswer::Failed(error) = &answer {
                failed = Some(format!("{}.{}: {error}", f.module, f.name));
            }
            answer
        });
        if let Some(error) = failed {
            self.line("lua", &error, &open.place);
        }
        read
    }

    /// Judges a value and, where it does, takes it as the answer.
    pub fn accept(&mut self, open: &Open, parsed: Parsed, input: Option<&Input<'_>>) -> Taken {
        let Some(scope) = open.place.scope else {
            return Taken::No(Why::Silent);
        };
        let value = match self.judge(
            &open.place,
            &open.collect.validate,
            &open.slot,
            &parsed.value,
        ) {
            Ok(value) => value,
            Err(refused) => {
                if let Some(block) = refused.then {
                    self.tell(&open.place, &refused.why);
                    self.good_answer(&open.slot.name);
                    self.enter(&open.place, block);
                    return Taken::Yes;
                }
                return Taken::No(refused.why);
            }
        };
        self.line(
            "answer",
            &format!("it answers the open question for {}", open.slot.name),
            &open.place,
        );
        self.set(&open.slot, scope, value, false);
        if open.slot.sensitive {
            self.state.said.clear();
        }
        self.remember_answer(scope, &open.slot.name, open.field, true);
        self.good_answer(&open.slot.name);
        self.quiet_question();
        if let Some(input) = input {
            self.fill_in_passing(open, input, parsed.span.clone());
            self.digress_after(input, &parsed);
        }
        self.leave_question(open);
        Taken::Yes
    }

    /// Goes on behind a question that is settled.
    pub fn leave_question(&mut self, open: &Open) {
        match open.field {
            None => self.advance(),
            Some(field) => {
                if let Some(frame) = self.state.frames.last_mut() {
                    frame.mode = Mode::Run;
                    if let Some(form) = &mut frame.form {
                        form.answered.insert(field);
                    }
                }
            }
        }
    }

    pub fn good_answer(&mut self, name: &str) {
        if let Some(frame) = self.state.frames.last_mut() {
            frame.attempts.remove(name);
        }
        self.state.repair.same_step = 0;
    }

    /// Other empty slots of the same flow, from what the answer left over.
    fn fill_in_passing(&mut self, open: &Open, input: &Input<'_>, span: Range<usize>) {
        let Some(scope) = open.place.scope else {
            return;
        };
        let pack = open.place.pack.clone();
        let Some(flow) = self
            .state
            .frames
            .last()
            .and_then(|f| pack.flows.get(&f.flow))
        else {
            return;
        };
        let mut taken = vec![span];
        let mut wanted: Vec<(&Slot, &Collect)> = Vec::new();
        for collect in collects_of(flow) {
            let Some(slot) = pack.slots.get(&collect.slot) else {
                continue;
            };
            let fits = slot.name != open.slot.name
                && slot.source == crate::model::Source::Customer
                && !self.is_filled(slot, scope)
                && !self.is_skipped(&slot.name, scope)
                && !wanted.iter().any(|(known, _)| known.name == slot.name)
                && !matches!(slot.kind, SlotKind::Object);
            if fits {
                wanted.push((slot, collect));
            }
        }
        // Forms that look like nothing else first, so that a bare number is not taken from inside
        // one of them.
        wanted.sort_by_key(|(slot, _)| rank(&slot.kind));
        let mut at = 0;
        while at < wanted.len() {
            let class = rank(&wanted[at].0.kind);
            let alike = match wanted[at].0.kind {
                // Each has its own words: no one takes another's.
                SlotKind::Text { .. } | SlotKind::Choice { .. } => 1,
                _ => wanted[at..]
                    .iter()
                    .take_while(|(s, _)| rank(&s.kind) == class)
                    .count(),
            };
            let group = &wanted[at..at + alike];
            at += alike;
            let mut found = Vec::new();
            let mut used = taken.clone();
            for (slot, collect) in group {
                let options = match &slot.kind {
                    SlotKind::Choice { .. } => self.options(&open.place, collect, slot),
                    _ => Vec::new(),
                };
                let reader =
                    Reader::new(&pack.zone, self.now, &self.locale, input.words, input.files);
                let around = self.lua_context();
                let host = &mut *self.host;
                let parsed = value::recognise(slot, &options, &reader, &used, &mut |f, v| {
                    host.lua(&pack, &f.module, &f.name, &[v.clone(), around.clone()])
                });
                if let Some(parsed) = parsed {
                    used.push(parsed.span.clone());
                    found.push((*slot, parsed));
                }
            }
            // With two numbers wanted and one said, nobody knows which it is.
            if found.len() < group.len() {
                continue;
            }
            taken = used;
            for (slot, parsed) in found {
                self.line(
                    "slot",
                    &format!("{} was said in passing", slot.name),
                    &open.place,
                );
                if slot.sensitive {
                    self.state.said.clear();
                }
                self.set(slot, scope, parsed.value, true);
            }
        }
    }

    /// Runs a question's rules over a value; the value as the last Lua rule left it.
    pub fn judge(
        &mut self,
        place: &Place,
        rules: &[Rule],
        slot: &Slot,
        value: &Value,
    ) -> Result<Value, Refused> {
        let Some(scope) = place.scope else {
            return Ok(value.clone());
        };
        let mut value = value.clone();
        let before = self.held(slot, Some(scope)).cloned();
        let trace = self.trace.len();
        let effects = self.effects.len();
        let secrets_changed = self.state.secrets_changed;
        let mut verdict = Ok(());
        for rule in rules {
            match &rule.check {
                RuleCheck::Must(must) => {
                    self.set(slot, scope, value.clone(), false);
                    if !self.test(place, must) {
                        let why = rule
                            .say
                            .clone()
                            .map_or_else(|| Why::Invalid(Invalid::response("invalid")), Why::Said);
                        verdict = Err(Refused {
                            why,
                            then: rule.then,
                        });
                    }
                }
                RuleCheck::Lua(function) => {
                    let pack = place.pack.clone();
                    match self.pure(&pack, function, value.clone()) {
                        LuaAnswer::Value(better) => {
                            if let Ok(better) = value::coerce(&slot.kind, &better)
                                && !better.is_null()
                                && !matches!((&better, &slot.kind), (Value::Bool(_), kind) if !matches!(kind, SlotKind::Boolean))
                            {
                                value = better;
                            }
                        }
                        LuaAnswer::Refused(message) => {
                            let why = match (&rule.say, message) {
                                (Some(say), _) => Why::Said(say.clone()),
                                (None, Some(message)) => Why::Invalid(Invalid::Said(message)),
                                (None, None) => Why::Invalid(Invalid::response("invalid")),
                            };
                            verdict = Err(Refused {
                                why,
                                then: rule.then,
                            });
                        }
                        LuaAnswer::Failed(error) => {
                            self.line(
                                "lua",
                                &format!("{}.{}: {error}", function.module, function.name),
                                place,
                            );
                            let why = rule.say.clone().map_or_else(
                                || Why::Invalid(Invalid::response("invalid")),
                                Why::Said,
                            );
                            verdict = Err(Refused {
                                why,
                                then: rule.then,
                            });
                        }
                    }
                }
            }
            if verdict.is_err() {
                self.line(
                    "validate",
                    &format!("{}: a rule does not hold", slot.name),
                    place,
                );
                break;
            }
        }
        if rules.iter().any(|r| matches!(r.check, RuleCheck::Must(_))) {
            // The value was tried on: what is left of that is nobody's business.
            let said_why: Vec<_> = self
                .trace
                .drain(trace..)
                .filter(|l| l.kind != "slot")
                .collect();
            self.trace.extend(said_why);
            if verdict.is_err() {
                // Its words may name the refused value: "You bought 2."
                let mark = self.trace.len();
                self.set(slot, scope, before.unwrap_or(Value::Null), false);
                self.trace.truncate(mark);
            }
            self.effects.truncate(effects);
            self.state.secrets_changed |= secrets_changed;
        }
        verdict.map(|()| value)
    }

    /// Calls a validator: with the value, and what surrounds it.
    pub fn pure(&mut self, pack: &Pack, function: &Function, value: Value) -> LuaAnswer {
        let around = self.lua_context();
        self.host
            .lua(pack, &function.module, &function.name, &[value, around])
    }

    /// The second argument of pure Lua functions.
    pub fn lua_context(&self) -> Value {
        serde_json::json!({ "locale": self.locale.as_str() })
    }

    /// What a script says: a response by its name, a text, or a text per language.
    fn lua_words(&mut self, place: &Place, message: &Value) -> Option<Draft> {
        let text = match message {
            Value::String(name) if self.has_response(place, name) => {
                return self.compose(place, &Say::Response(name.clone()));
            }
            Value::String(text) => text.as_str(),
            Value::Object(texts) => {
                let offered: Vec<Locale> = texts.keys().map(|tag| Locale::new(tag)).collect();
                let locale = self
                    .locale
                    .best(&offered)
                    .or_else(|| place.pack.default_locale().best(&offered))
                    .or(offered.first())?;
                texts.get(locale.as_str())?.as_str()?
            }
            _ => return None,
        };
        Some(Draft::text(super::scope::shorten(text, 500)))
    }

    fn has_response(&self, place: &Place, name: &str) -> bool {
        place.pack.responses.contains_key(name) || self.current.responses.contains_key(name)
    }

    /// Says why an answer does not do.
    pub fn tell(&mut self, place: &Place, why: &Why) {
        match why {
            Why::Invalid(Invalid::Response { name, it }) => {
                self.builtin(name, it.clone());
            }
            Why::Invalid(Invalid::Said(message)) => {
                let Some(draft) = self.lua_words(place, message) else {
                    self.builtin("invalid", Map::new());
                    return;
                };
                let source = SaySource {
                    step: place.step.clone(),
                    ..SaySource::default()
                };
                self.send(
                    place,
                    draft,
                    Sending {
                        source,
                        ..Sending::default()
                    },
                );
            }
            Why::Said(say) => {
                if let Some(draft) = self.compose(place, say) {
                    let source = SaySource {
                        step: place.step.clone(),
                        ..SaySource::default()
                    };
                    self.send(
                        place,
                        draft,
                        Sending {
                            source,
                            ..Sending::default()
                        },
                    );
                }
            }
            Why::Silent => {}
        }
    }

    /// A failed answer: says why and asks again, or gives up.
    pub fn failed(&mut self, why: &Why) {
        let Some(place) = self.top_place() else {
            return;
        };
        let open = self.open();
        let name = match (&open, self.asked().map(|a| &a.what)) {
            (Some(open), _) => open.slot.name.clone(),
            (None, Some(What::Menu)) => "(menu)".into(),
            _ => "(question)".into(),
        };
        let max = open
            .as_ref()
            .and_then(|o| o.collect.max_attempts)
            .unwrap_or(place.pack.limits.attempts)
            .max(1);
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        let count = frame.attempts.entry(name.clone()).or_default();
        *count += 1;
        let count = *count;
        self.count_repair();
        self.line(
            "failed",
            &format!("{name}: failed answer {count} of {max}"),
            &place,
        );
        let own_way = open
            .as_ref()
            .is_some_and(|o| o.collect.on_give_up.is_some());
        if count >= max && own_way {
            if let Some(open) = open {
                self.give_up(&place, &open.collect, open.field);
            }
            return;
        }
        if self.repair_trigger() {
            return;
        }
        if count >= max {
            match open {
                Some(open) => self.give_up(&place, &open.collect, open.field),
                None => self.escalate_default("a question found no answer"),
            }
            return;
        }
        self.tell(&place, why);
        self.ask_again();
    }

    /// The last attempt failed, or there is nothing to choose from.
    pub fn give_up(&mut self, place: &Place, collect: &Collect, field: Option<u32>) {
        self.quiet_question();
        if let Some(frame) = self.state.frames.last_mut() {
            frame.attempts.remove(&collect.slot);
        }
        if let Some(block) = collect.on_give_up {
            if field.is_some()
                && let Some(scope) = place.scope
                && let Some(s) = self.state.scopes.get_mut(&scope)
            {
                // The form goes on without it.
                s.skipped.insert(collect.slot.clone());
            }
            self.line("give_up", &collect.slot, place);
            self.enter(place, block);
        } else {
            self.line(
                "give_up",
                &format!("{}: to people, as nothing else is written", collect.slot),
                place,
            );
            self.escalate_default("a question found no answer");
        }
    }

    /// An optional question is passed by.
    pub fn skip(&mut self, open: &Open) {
        let Some(scope) = open.place.scope else {
            return;
        };
        self.line(
            "skip",
            &format!("{}: the customer skips it", open.slot.name),
            &open.place,
        );
        if let Some(s) = self.state.scopes.get_mut(&scope) {
            s.skipped.insert(open.slot.name.clone());
        }
        self.good_answer(&open.slot.name);
        self.quiet_question();
        self.remember_answer(scope, &open.slot.name, open.field, true);
        self.leave_question(open);
        let mut it = Map::new();
        it.insert("slot".into(), Value::from(open.slot.name.as_str()));
        self.pattern("skipped", it, super::state::OnEnd::Nothing);
    }

    /// A press on an option of the open question, by its label as it was shown.
    pub fn answer_with_label(&mut self, label: &str) {
        let Some(open) = self.open() else { return };
        let options = self.options(&open.place, &open.collect, &open.slot);
        let Some(option) = options.iter().find(|o| o.label == label) else {
            self.expired("that option is gone");
            return;
        };
        let parsed = Parsed {
            value: option.value.clone(),
            span: 0..0,
            exact: true,
        };
        self.finish_press(&open, parsed);
    }

    /// A press on a button with a value.
    pub fn answer_with_value(&mut self, value: &str) {
        let Some(open) = self.open() else { return };
        match self.value_of(&open, value) {
            Ok(value) => self.finish_press(
                &open,
                Parsed {
                    value,
                    span: 0..0,
                    exact: true,
                },
            ),
            Err(invalid) => self.failed(&Why::Invalid(invalid)),
        }
    }

    /// A button's value, fitted to the slot as if the customer had given it.
    pub fn value_of(&mut self, open: &Open, value: &str) -> Result<Value, Invalid> {
        let options = self.options(&open.place, &open.collect, &open.slot);
        if let Some(option) = options.iter().find(|o| Self::value_text(&o.value) == value) {
            return Ok(option.value.clone());
        }
        if let Ok(fitting) = value::coerce(&open.slot.kind, &Value::from(value))
            && !matches!(
                open.slot.kind,
                SlotKind::Text {
                    pattern: Some(_),
                    ..
                }
            )
        {
            return Ok(fitting);
        }
        let words = Words::new(value);
        let reading = Reading::default();
        let input = Input {
            words: &words,
            files: &[],
            reading: &reading,
        };
        self.read_answer(open, &input).map(|p| p.value)
    }

    fn finish_press(&mut self, open: &Open, parsed: Parsed) {
        if let Taken::No(why) = self.accept(open, parsed, None) {
            self.failed(&why);
        }
    }
}

/// A rule that does not hold.
pub(super) struct Refused {
    pub why: Why,
    pub then: Option<BlockId>,
}

/// The order in which types are looked for in passing.
fn rank(kind: &SlotKind) -> u8 {
    match kind {
        SlotKind::Email => 0,
        SlotKind::Url => 1,
        SlotKind::Text { .. } => 2,
        SlotKind::Phone => 3,
        SlotKind::DateTime => 4,
        SlotKind::Date => 5,
        SlotKind::Time => 6,
        SlotKind::Choice { .. } => 7,
        SlotKind::Integer { .. } => 8,
        SlotKind::Number { .. } => 9,
        SlotKind::File { .. } => 10,
        SlotKind::Boolean | SlotKind::Object | SlotKind::List => 11,
    }
}
