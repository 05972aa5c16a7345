//! Going back: corrections, `back`, and old buttons that still count.
//!
//! A correction returns to the question it is about. What was answered after it is hidden until
//! its question comes again, so that every `if` on the way is judged anew and what is no longer
//! asked for is gone. A write is the point of no return.

use std::ops::Range;

use tandem_domain::{Map, Value};

use super::{
    commands,
    question::{Input, Open},
    run::Run,
    scope::{Place, SlotRef},
    state::{Frame, From, Mode, OnEnd, What},
};
use crate::{
    model::{Collect, SlotKind, Source, StepKind},
    value::{self, Reader, choice, normal},
};

/// What a press corrects a slot to.
pub(super) enum Change {
    /// An option by its label.
    Label(String),
    Value(String),
}

/// A slot that may be corrected.
struct Candidate {
    /// In the history; none for one that was filled but never passed.
    entry: Option<usize>,
    slot: SlotRef,
    collect: Collect,
    title: String,
    committed: bool,
}

impl Run<'_> {
    /// Whether the message mends an earlier answer; if so, it is done.
    pub fn correct(&mut self, input: &Input<'_>) -> bool {
        self.correct_values(input, true)
    }

    /// `naming`: a slot that is named without a value is asked for again.
    pub fn correct_values(&mut self, input: &Input<'_>, naming: bool) -> bool {
        let Some(place) = self.top_place() else {
            return false;
        };
        let Some(scope) = place.scope else {
            return false;
        };
        let summary = matches!(
            self.asked().map(|a| &a.what),
            Some(What::Confirm { .. } | What::Change)
        );
        let marked = summary || commands::is_correction(&input.words.lower);
        let candidates = self.candidates(&place, scope, summary);
        if candidates.is_empty() {
            return false;
        }
        let found = self.corrections_in(&place, input, &candidates, marked);
        let (gone, open): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|(index, _)| candidates[*index].committed);
        if open.is_empty() {
            if !gone.is_empty() && marked {
                self.line(
                    "correction",
                    "what it is about has already been acted upon",
                    &place,
                );
                self.builtin("already_done", Map::new());
                self.ask_again();
                return true;
            }
            // A slot is named, but no value for it.
            if marked
                && naming
                && let Some(candidate) = named(&candidates, &input.words.lower)
            {
                if candidate.committed {
                    self.builtin("already_done", Map::new());
                    self.ask_again();
                } else {
                    let name = candidate.slot.name.clone();
                    self.line("correction", &format!("{name} is to be changed"), &place);
                    self.rewind_to_ask(&place, &name);
                }
                return true;
            }
            return false;
        }
        self.apply(&place, scope, &candidates, open)
    }

    /// Slots of the user's flow that the customer filled, the latest first.
    fn candidates(&mut self, place: &Place, scope: u64, summary: bool) -> Vec<Candidate> {
        // Lent out while it is looked through: it may be long.
        let Some(history) = self
            .state
            .scopes
            .get_mut(&scope)
            .map(|s| std::mem::take(&mut s.history))
        else {
            return Vec::new();
        };
        let done = self.committed(scope);
        let open = self.open_slot();
        let mut out: Vec<Candidate> = Vec::new();
        for (index, entry) in history.iter().enumerate().rev() {
            if out.iter().any(|c| c.slot.name == entry.slot)
                || open.as_ref().is_some_and(|(name, _)| *name == entry.slot)
            {
                continue;
            }
            let Some(frame) = entry.frames.last() else {
                continue;
            };
            let pack = self.pack(&frame.pack.clone());
            let Some(slot) = SlotRef::new(&pack, &entry.slot) else {
                continue;
            };
            let Some(collect) = collect_at(&pack, frame, entry.field) else {
                continue;
            };
            let optional_now = summary && self.is_skipped(&slot.name, scope);
            if slot.source != Source::Customer || !(self.is_filled(&slot, scope) || optional_now) {
                continue;
            }
            let title = self.slot_title(place, &slot);
            out.push(Candidate {
                entry: Some(index),
                slot,
                collect,
                title: normal::fold(&title),
                committed: entry.committed != done,
            });
        }
        if let Some(s) = self.state.scopes.get_mut(&scope) {
            s.history = history;
        }
        out
    }

    /// New values for candidates in the message: numbers go to number slots, the rest to what they
    /// look like. With two slots alike, the one that is named, else the latest.
    fn corrections_in(
        &mut self,
        place: &Place,
        input: &Input<'_>,
        candidates: &[Candidate],
        marked: bool,
    ) -> Vec<(usize, Value)> {
        let pack = place.pack.clone();
        let scope = place.scope.unwrap_or(0);
        let mut taken: Vec<Range<usize>> = Vec::new();
        let mut found: Vec<(usize, Value)> = Vec::new();
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(|i| {
            let candidate = &candidates[*i];
            let unnamed = !mentions(&input.words.lower, candidate);
            (rank(&candidate.slot.kind), unnamed, *i)
        });
        for index in order {
            let candidate = &candidates[index];
            let slot = &candidate.slot;
            let strict = value::is_unmistakable(slot);
            if !(marked || strict && stands_in(slot, input)) {
                continue;
            }
            if candidate.committed && !marked {
                continue;
            }
            let same_kind_done = found.iter().any(|(done, _)| {
                let other = &candidates[*done].slot.kind;
                rank(other) == rank(&slot.kind)
                    && !matches!(slot.kind, SlotKind::Text { .. } | SlotKind::Choice { .. })
            });
            if same_kind_done && !mentions(&input.words.lower, candidate) {
                continue;
            }
            let options = match slot.kind {
                SlotKind::Choice { .. } | SlotKind::Object => {
                    self.options(place, &candidate.collect, slot)
                }
                _ => Vec::new(),
            };
            let parsed = if matches!(slot.kind, SlotKind::Object) {
                choice::in_passing(&options, input.words, &taken)
                    .map(|(at, span)| (options[at].value.clone(), span))
            } else if matches!(slot.kind, SlotKind::Boolean) {
                None
            } else {
                let reader =
                    Reader::new(&pack.zone, self.now, &self.locale, input.words, input.files);
                let around = self.lua_context();
                let host = &mut *self.host;
                value::recognise(slot, &options, &reader, &taken, &mut |f, v| {
                    host.lua(&pack, &f.module, &f.name, &[v.clone(), around.clone()])
                })
                .map(|p| (p.value, p.span))
            };
            let Some((value, span)) = parsed else {
                continue;
            };
            taken.push(span);
            if self.held(slot, Some(scope)) == Some(&value) {
                continue;
            }
            found.push((index, value));
        }
        found
    }

    /// Takes the new values, from the earliest question on.
    fn apply(
        &mut self,
        place: &Place,
        scope: u64,
        candidates: &[Candidate],
        found: Vec<(usize, Value)>,
    ) -> bool {
        let mut judged = Vec::new();
        for (index, value) in found {
            let candidate = &candidates[index];
            match self.judge(place, &candidate.collect.validate, &candidate.slot, &value) {
                Ok(value) => judged.push((index, value)),
                Err(refused) => {
                    self.line(
                        "correction",
                        &format!("{}: the new value does not do", candidate.slot.name),
                        place,
                    );
                    self.failed(&refused.why);
                    return true;
                }
            }
        }
        let names: Vec<String> = judged
            .iter()
            .map(|(i, _)| candidates[*i].slot.name.clone())
            .collect();
        self.line(
            "correction",
            &format!("{} changed", names.join(", ")),
            place,
        );
        self.state.repair.same_step = 0;
        let earliest = judged
            .iter()
            .filter_map(|(i, _)| candidates[*i].entry)
            .min();
        if let Some(entry) = earliest {
            self.rewind(scope, entry);
        }
        for (index, value) in judged {
            let slot = candidates[index].slot.clone();
            if let Some(s) = self.state.scopes.get_mut(&scope) {
                s.pending.remove(&slot.name);
            }
            self.set(&slot, scope, value, true);
            if slot.sensitive {
                self.state.said.clear();
            }
        }
        self.corrected(&names);
        true
    }

    /// An old option of a question that was passed.
    pub fn correct_by_button(&mut self, name: &str, from: &From, change: Change) {
        let scope = from.scope;
        let entry = self.state.scopes.get(&scope).and_then(|s| {
            s.history.iter().rposition(|h| {
                h.slot == name && h.frames.last().is_some_and(|f| f.id == from.frame)
            })
        });
        let Some(entry) = entry else {
            self.expired("its question was never passed");
            return;
        };
        let Some(answered) = self
            .state
            .scopes
            .get(&scope)
            .and_then(|s| s.history.get(entry))
            .cloned()
        else {
            return;
        };
        let Some(frame) = answered.frames.last() else {
            return;
        };
        let pack = self.pack(&frame.pack.clone());
        let (Some(slot), Some(collect)) = (
            SlotRef::new(&pack, name),
            collect_at(&pack, frame, answered.field),
        ) else {
            self.expired("its question is gone");
            return;
        };
        let mut place = Place::new(pack.clone(), Some(scope));
        place.frame = Some(frame.id);
        place.at = frame.pc;
        place.step = Some(super::scope::step_name(&frame.flow, frame.pc));
        let value = match change {
            Change::Label(label) => {
                let options = self.options(&place, &collect, &slot);
                options
                    .into_iter()
                    .find(|o| o.label == label)
                    .map(|o| o.value)
            }
            Change::Value(value) => {
                let open = Open {
                    place: place.clone(),
                    slot: slot.clone(),
                    collect: collect.clone(),
                    field: answered.field,
                };
                self.value_of(&open, &value).ok()
            }
        };
        let Some(value) = value else {
            self.expired("that option is gone");
            return;
        };
        match self.judge(&place, &collect.validate, &slot, &value) {
            Ok(value) => {
                self.line(
                    "correction",
                    &format!("{name} changed by an older button"),
                    &place,
                );
                self.state.repair.same_step = 0;
                self.rewind(scope, entry);
                self.set(&slot, scope, value, true);
                self.corrected(&[name.to_owned()]);
            }
            Err(refused) => {
                self.tell(&place, &refused.why);
                self.ask_again();
            }
        }
    }

    /// The question that followed the message a value button stood on.
    pub fn slot_after(&self, from: &From) -> Option<String> {
        let s = self.state.scopes.get(&from.scope)?;
        s.history
            .iter()
            .find(|h| {
                h.frames.last().is_some_and(|f| {
                    f.id == from.frame && f.pc.block == from.at.block && f.pc >= from.at
                })
            })
            .map(|h| h.slot.clone())
    }

    /// Cancels the user's flow on top, whatever it has called.
    pub fn cancel(&mut self) {
        let Some(top) = self.state.frames.last() else {
            self.note("cancel", "nothing is open");
            self.builtin("nothing_to_cancel", Map::new());
            return;
        };
        let scope = top.scope;
        let mut committed = self
            .state
            .scopes
            .get(&scope)
            .map(|s| s.committed.clone())
            .unwrap_or_default();
        if let Mode::Act(acting) = &top.mode
            && acting.write
        {
            committed.push(acting.what.clone());
        }
        let title = self.title_of(scope);
        self.note("cancel", &format!("ends {title}"));
        self.drop_frames(|f| f.scope == scope);
        let mut it = Map::new();
        it.insert("title".into(), Value::from(title));
        let done: Vec<Value> = committed
            .iter()
            .map(|op| Value::from(op.rsplit('.').next().unwrap_or(op).replace('_', " ")))
            .collect();
        it.insert("committed".into(), Value::Array(done));
        self.pattern("cancelled", it, OnEnd::Below);
    }
}

fn collect_at(pack: &crate::model::Pack, frame: &Frame, field: Option<u32>) -> Option<Collect> {
    match (&pack.flows.get(&frame.flow)?.step(frame.pc)?.kind, field) {
        (StepKind::Collect(collect), None) => Some((**collect).clone()),
        (StepKind::Form(form), Some(field)) => {
            form.fields.get(field as usize).map(|f| f.collect.clone())
        }
        _ => None,
    }
}

/// Whether the message holds a value as it is: a script is not asked about every message.
fn stands_in(slot: &crate::model::Slot, input: &Input<'_>) -> bool {
    match (&slot.prepare, &slot.kind) {
        (
            Some(_),
            SlotKind::Text {
                pattern: Some(pattern),
                ..
            },
        ) => value::text::find_match(pattern, &input.words.text, &[]).is_some(),
        _ => true,
    }
}

fn mentions(lower: &str, candidate: &Candidate) -> bool {
    let names = [
        candidate.title.clone(),
        candidate.slot.name.replace('_', " "),
    ];
    names.iter().any(|name| {
        name.chars().count() >= 2
            && lower
                .match_indices(name.as_str())
                .any(|(start, part)| normal::bounded(lower, &(start..start + part.len())))
    })
}

fn named<'c>(candidates: &'c [Candidate], lower: &str) -> Option<&'c Candidate> {
    candidates.iter().find(|c| mentions(lower, c))
}

fn rank(kind: &SlotKind) -> u8 {
    match kind {
        SlotKind::Email => 0,
        SlotKind::Url => 1,
        SlotKind::Text { .. } => 2,
        SlotKind::Phone => 3,
        SlotKind::DateTime => 4,
        SlotKind::Date => 5,
        SlotKind::Time => 6,
        SlotKind::Integer { .. } | SlotKind::Number { .. } => 7,
        SlotKind::Choice { .. } => 8,
        SlotKind::Object => 9,
        SlotKind::File { .. } => 10,
        SlotKind::Boolean | SlotKind::List => 11,
    }
}
