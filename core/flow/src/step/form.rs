//! Forms: fields in any order, rules as soon as their slots are filled, a summary to confirm.

use std::collections::BTreeSet;

use tandem_domain::{Map, Value};

use super::{
    LuaAnswer, SaySource,
    question::Why,
    run::Run,
    say::{Draft, Sending},
    scope::Place,
    state::{Asked, FormState, Mode, OnEnd, Press, What},
};
use crate::{
    model::{Field, Form, Keep, RuleCheck, Source},
    value::Invalid,
};

impl Run<'_> {
    /// Looks over the whole form: drops what is no longer asked, judges what is complete, asks for
    /// what is missing, and at last for a yes.
    pub fn do_form(&mut self, place: &Place, form: &Form) {
        let Some(scope) = place.scope else { return };
        let pack = place.pack.clone();
        if let Some(frame) = self.state.frames.last_mut()
            && frame.form.as_ref().is_none_or(|f| f.at != place.at)
        {
            frame.form = Some(FormState {
                at: place.at,
                ..FormState::default()
            });
        }
        // What a correction hid comes back in order, so that each `if` sees what stands before it.
        for field in &form.fields {
            let hidden = self
                .state
                .scopes
                .get(&scope)
                .is_some_and(|s| s.pending.contains_key(&field.collect.slot));
            if hidden && self.is_asked(place, field) {
                self.restore(scope, &field.collect.slot);
            }
        }
        let asked: Vec<bool> = form
            .fields
            .iter()
            .map(|field| self.is_asked(place, field))
            .collect();
        self.drop_unasked(place, form, &asked, scope);
        for (index, field) in form.fields.iter().enumerate() {
            if self.form_rule_fails(place, form, &asked, scope) {
                return;
            }
            if !asked[index] {
                continue;
            }
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            let answered = self
                .state
                .frames
                .last()
                .and_then(|f| f.form.as_ref())
                .is_some_and(|f| f.answered.contains(&number));
            let mut collect = field.collect.clone();
            collect.always_ask &= !answered;
            let known = pack.slots.get(&collect.slot).is_some_and(|s| {
                (self.is_filled(s, scope) && !self.is_unseen(s, scope) && answered)
                    || (self.is_skipped(&s.name, scope) && answered)
            });
            if known {
                continue;
            }
            if !self.pass_or_ask(place, &collect, Some(number)) {
                return;
            }
            if let Some(frame) = self.state.frames.last_mut()
                && let Some(state) = &mut frame.form
            {
                state.answered.insert(number);
            }
        }
        if self.form_rule_fails(place, form, &asked, scope) {
            return;
        }
        if form.confirm.is_some() {
            self.ask_confirm(place, form);
        } else {
            self.leave_form();
        }
    }

    fn is_asked(&mut self, place: &Place, field: &Field) -> bool {
        match &field.cond {
            Some(cond) => self.test(place, cond),
            None => true,
        }
    }

    fn restore(&mut self, scope: u64, name: &str) {
        if let Some(s) = self.state.scopes.get_mut(&scope)
            && let Some(mut held) = s.pending.remove(name)
        {
            held.unseen = true;
            s.slots.entry(name.to_owned()).or_insert(held);
            self.note("slot", &format!("{name} is kept"));
        }
    }

    fn leave_form(&mut self) {
        if let Some(frame) = self.state.frames.last_mut() {
            frame.form = None;
        }
        self.advance();
    }

    /// Slots of fields whose condition no longer holds are emptied, unless another field asks for
    /// the same slot.
    fn drop_unasked(&mut self, place: &Place, form: &Form, asked: &[bool], scope: u64) {
        let pack = place.pack.clone();
        let wanted: BTreeSet<&str> = form
            .fields
            .iter()
            .zip(asked)
            .filter(|(_, asked)| **asked)
            .map(|(field, _)| field.collect.slot.as_str())
            .collect();
        for field in form
            .fields
            .iter()
            .zip(asked)
            .filter(|(_, asked)| !**asked)
            .map(|(f, _)| f)
        {
            let name = field.collect.slot.as_str();
            if wanted.contains(name) || self.is_undecided(place, form, field, scope) {
                continue;
            }
            if let Some(s) = self.state.scopes.get_mut(&scope) {
                s.pending.remove(name);
                s.history.retain(|h| h.slot != name);
            }
            if let Some(slot) = pack.slots.get(name)
                && slot.keep == Keep::Flow
                && slot.source == Source::Customer
                && self.is_filled(slot, scope)
            {
                self.line("drop", &format!("{name} is no longer asked for"), place);
                self.set(slot, scope, Value::Null, false);
            }
        }
    }

    /// Its `if` names a field that is still to come.
    fn is_undecided(&self, place: &Place, form: &Form, field: &Field, scope: u64) -> bool {
        let Some(cond) = &field.cond else {
            return false;
        };
        let names = place.pack.templates.names(cond);
        form.fields
            .iter()
            .map(|f| f.collect.slot.as_str())
            .any(|name| {
                names.contains(&name)
                    && name != field.collect.slot
                    && !self.is_skipped(name, scope)
                    && place
                        .pack
                        .slots
                        .get(name)
                        .is_some_and(|s| !self.is_filled(s, scope))
            })
    }

    /// Judges the rules whose slots are all settled. True where one does not hold and something
    /// else happens now.
    fn form_rule_fails(&mut self, place: &Place, form: &Form, asked: &[bool], scope: u64) -> bool {
        let pack = place.pack.clone();
        for (index, rule) in form.validate.iter().enumerate() {
            let settled = |run: &Self, name: &str| {
                let Some(slot) = pack.slots.get(name) else {
                    return true;
                };
                if run.is_filled(slot, scope) || run.is_skipped(name, scope) {
                    return true;
                }
                // Not asked for here at all, or not any more: it stays empty.
                !form
                    .fields
                    .iter()
                    .zip(asked)
                    .any(|(field, asked)| *asked && field.collect.slot == name)
            };
            if !rule.names.iter().all(|name| settled(self, name)) {
                continue;
            }
            let mut seen = String::new();
            let names: Vec<&String> = match &rule.check {
                RuleCheck::Must(_) => rule.names.iter().collect(),
                RuleCheck::Lua(_) => form.fields.iter().map(|f| &f.collect.slot).collect(),
            };
            for name in names {
                if let Some(slot) = pack.slots.get(name) {
                    let value = self.held(slot, Some(scope)).map_or_else(String::new, |v| {
                        if slot.sensitive {
                            blake3::hash(v.to_string().as_bytes()).to_hex().to_string()
                        } else {
                            v.to_string()
                        }
                    });
                    seen.push_str(&format!("{name}={value};"));
                }
            }
            let seen = blake3::hash(seen.as_bytes()).to_hex()[..16].to_owned();
            let known = self
                .state
                .frames
                .last()
                .and_then(|f| f.form.as_ref())
                .and_then(|f| f.judged.get(&index))
                .cloned();
            if known.as_ref() == Some(&seen) {
                continue;
            }
            let mut said = None;
            let holds = match &rule.check {
                RuleCheck::Must(must) => self.test(place, must),
                RuleCheck::Lua(function) => {
                    let values: Map = form
                        .fields
                        .iter()
                        .filter_map(|f| pack.slots.get(&f.collect.slot))
                        .filter_map(|s| Some((s.name.clone(), self.held(s, Some(scope))?.clone())))
                        .collect();
                    let complete = form
                        .fields
                        .iter()
                        .zip(asked)
                        .all(|(f, asked)| !asked || settled(self, &f.collect.slot));
                    if !complete {
                        continue;
                    }
                    match self.pure(&pack, function, Value::Object(values)) {
                        LuaAnswer::Value(Value::Bool(holds)) => holds,
                        LuaAnswer::Value(Value::Null) => false,
                        LuaAnswer::Refused(message) => {
                            said = message.map(|m| Why::Invalid(Invalid::Said(m)));
                            false
                        }
                        LuaAnswer::Value(_) => true,
                        LuaAnswer::Failed(error) => {
                            self.line("lua", &error, place);
                            false
                        }
                    }
                }
            };
            if holds {
                continue;
            }
            self.line(
                "validate",
                &format!("rule {} of the form does not hold", index + 1),
                place,
            );
            if let Some(frame) = self.state.frames.last_mut()
                && let Some(state) = &mut frame.form
            {
                state.judged.insert(index, seen);
            }
            let why = rule
                .say
                .clone()
                .map(Why::Said)
                .or(said)
                .unwrap_or_else(|| Why::Invalid(Invalid::response("invalid")));
            self.tell(place, &why);
            if let Some(block) = rule.then {
                self.enter(place, block);
                return true;
            }
            let all: Vec<String>;
            let names = match &rule.check {
                RuleCheck::Must(_) => &rule.names,
                // A script judges the whole form: the last answer of all is asked for again.
                RuleCheck::Lua(_) => {
                    all = form.fields.iter().map(|f| f.collect.slot.clone()).collect();
                    &all
                }
            };
            return self.ask_for_another(place, form, names, scope);
        }
        false
    }

    /// A rule without `then`: the last answered of its slots is asked for again.
    fn ask_for_another(
        &mut self,
        place: &Place,
        form: &Form,
        names: &[String],
        scope: u64,
    ) -> bool {
        let pack = place.pack.clone();
        let latest = self
            .state
            .scopes
            .get(&scope)
            .and_then(|s| {
                s.history
                    .iter()
                    .rev()
                    .find(|h| names.contains(&h.slot) && h.field.is_some())
            })
            .map(|h| h.slot.clone());
        let field = latest
            .as_ref()
            .or_else(|| {
                names
                    .iter()
                    .rev()
                    .find(|n| form.fields.iter().any(|f| f.collect.slot == **n))
            })
            .and_then(|name| form.fields.iter().position(|f| f.collect.slot == *name));
        let Some(index) = field else {
            self.escalate_default(
                "a form's rule does not hold and nothing in the form can change that",
            );
            return true;
        };
        let collect = &form.fields[index].collect;
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let max = collect.max_attempts.unwrap_or(pack.limits.attempts).max(1);
        let key = format!("{} (rule)", collect.slot);
        let mut count = 0;
        if let Some(frame) = self.state.frames.last_mut() {
            let entry = frame.attempts.entry(key).or_default();
            *entry += 1;
            count = *entry;
            if let Some(state) = &mut frame.form {
                state.answered.remove(&number);
            }
        }
        self.count_repair();
        if count >= max {
            self.escalate_default("a form's rule never held");
            return true;
        }
        if let Some(slot) = pack.slots.get(&collect.slot) {
            self.set(slot, scope, Value::Null, false);
        }
        self.ask(place, collect, Some(number));
        true
    }

    pub fn ask_confirm(&mut self, place: &Place, form: &Form) {
        let Some(confirm) = &form.confirm else { return };
        let draft = self.compose(place, confirm).unwrap_or_default();
        let mark = blake3::hash(draft.plain().as_bytes()).to_hex()[..12].to_owned();
        self.open_question(place, What::Confirm { mark: mark.clone() });
        let mut draft = draft;
        for (name, fallback, yes) in [("yes", "Yes", true), ("no", "No", false)] {
            let label = self.builtin_text(name, Map::new(), fallback);
            draft.buttons.push((
                label,
                Press::Confirm {
                    yes,
                    mark: mark.clone(),
                },
            ));
        }
        let source = SaySource {
            confirms: Some(form.name.clone()),
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

    /// "What should I change?", with the fields as buttons.
    pub fn ask_change(&mut self, place: &Place, form: &Form) {
        self.open_question(place, What::Change);
        let text = self.builtin_text("change", Map::new(), "?");
        let mut draft = Draft::text(text);
        draft.says = Some("change".into());
        for (index, label) in self.changeable(place, form) {
            draft.buttons.push((label, Press::Change { field: index }));
        }
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

    /// Fields the customer has settled, and what they are called.
    pub fn changeable(&mut self, place: &Place, form: &Form) -> Vec<(u32, String)> {
        let Some(scope) = place.scope else {
            return Vec::new();
        };
        let pack = place.pack.clone();
        let mut out = Vec::new();
        for (index, field) in form.fields.iter().enumerate() {
            let Some(slot) = pack.slots.get(&field.collect.slot) else {
                continue;
            };
            if !self.is_filled(slot, scope) && !self.is_skipped(&slot.name, scope) {
                continue;
            }
            let title = self.slot_title(place, slot);
            let title = capitalised(&title);
            out.push((u32::try_from(index).unwrap_or(u32::MAX), title));
        }
        out
    }

    pub fn open_question(&mut self, place: &Place, what: What) {
        let epoch = self.state.fresh_id();
        let pack = place.pack.clone();
        if let Some(frame) = self.state.frames.last_mut() {
            frame.mode = Mode::Ask(Asked {
                what,
                epoch,
                nudges: 0,
                timed: false,
            });
            frame.step_id = super::question::step_id(&pack, &frame.flow, frame.pc);
        }
    }

    /// Yes or no to the summary.
    pub fn confirmed(&mut self, yes: bool) {
        let Some((place, form)) = self.open_form() else {
            return;
        };
        self.state.repair.same_step = 0;
        if yes {
            self.line("answer", "the summary is confirmed", &place);
            self.leave_form();
        } else {
            self.line("answer", "the summary is not right", &place);
            self.ask_change(&place, &form);
        }
    }

    /// One field is asked for again.
    pub fn change_field(&mut self, field: u32) {
        let Some((place, form)) = self.open_form() else {
            return;
        };
        let Some(name) = form
            .fields
            .get(field as usize)
            .map(|f| f.collect.slot.clone())
        else {
            return;
        };
        self.rewind_to_ask(&place, &name);
    }

    /// Announces a correction.
    pub fn corrected(&mut self, slots: &[String]) {
        let mut it = Map::new();
        it.insert(
            "slots".into(),
            slots.iter().map(|s| Value::from(s.as_str())).collect(),
        );
        self.pattern("corrected", it, OnEnd::Nothing);
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
