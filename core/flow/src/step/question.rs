//! Questions: asking, reading the answer, judging it, asking again, giving up.

use std::ops::Range;

use tandem_domain::{Map, Value, message::Media, reading::Reading};

use super::{
    SaySource,
    run::Run,
    say::{Draft, Sending},
    scope::{Place, SlotRef},
    state::{Asked, Mode, Press, What},
};
use crate::{
    model::{Collect, Flow, Form, Say, Slot, SlotKind, Source, StepKind},
    value::{self, Choice, Invalid, Reader, Words, normal},
};

/// Most options of one question; a list longer than this is cut.
const MAX_OPTIONS: usize = 100;

/// A customer's message, read once.
pub(super) struct Input<'i> {
    pub words: &'i Words,
    pub files: &'i [Media],
    pub reading: &'i Reading,
}

/// What became of an attempt to take a message as an answer.
pub(super) enum Taken {
    Yes,
    /// Not an answer, for this reason.
    No(Why),
}

/// Why a question stays open.
#[derive(Clone, Debug)]
pub(super) enum Why {
    Invalid(Invalid),
    Said(Say),
    /// Nothing more to say than the question.
    Silent,
}

/// A question of the top frame, with what it is made of.
pub(super) struct Open {
    pub place: Place,
    pub slot: SlotRef,
    pub collect: Collect,
    pub field: Option<u32>,
}

impl Run<'_> {
    pub fn do_collect(&mut self, place: &Place, collect: &Collect) {
        if self.pass_or_ask(place, collect, None) {
            self.advance();
        }
    }

    /// True where the question needs no asking (any more); else it is open now, or its steps for
    /// giving up run.
    pub fn pass_or_ask(&mut self, place: &Place, collect: &Collect, field: Option<u32>) -> bool {
        let pack = place.pack.clone();
        let Some(scope) = place.scope else {
            return true;
        };
        let Some(slot) = pack.slots.get(&collect.slot) else {
            return true;
        };
        let mut restored = false;
        if let Some(mut held) = self
            .state
            .scopes
            .get_mut(&scope)
            .and_then(|s| s.pending.remove(&slot.name))
        {
            // Hidden by a correction, and asked for again: it stands, if the rules still agree.
            restored = true;
            if !self.is_filled(slot, scope) {
                held.unseen = true;
                if let Some(s) = self.state.scopes.get_mut(&scope) {
                    s.slots.insert(slot.name.clone(), held);
                }
                self.line("slot", &format!("{} is kept", slot.name), place);
            }
        }
        if !self.is_filled(slot, scope)
            && value::is_unmistakable(slot)
            && slot.source == Source::Customer
        {
            self.fill_from_opening(place, slot, scope);
        }
        if self.is_filled(slot, scope)
            && (!collect.always_ask || restored || self.is_unseen(slot, scope))
        {
            let said = self.is_unseen(slot, scope);
            if said {
                let value = self.held(slot, Some(scope)).cloned().unwrap_or(Value::Null);
                match self.judge(place, &collect.validate, slot, &value) {
                    Ok(value) => {
                        if self.held(slot, Some(scope)) != Some(&value) {
                            self.set(slot, scope, value, false);
                        }
                        self.mark_seen(slot, scope);
                    }
                    Err(refused) => {
                        self.set(slot, scope, Value::Null, false);
                        self.line(
                            "slot",
                            &format!("{}: what was said in passing does not do", slot.name),
                            place,
                        );
                        self.tell(place, &refused.why);
                        if let Some(block) = refused.then {
                            self.enter(place, block);
                        } else {
                            self.ask(place, collect, field);
                        }
                        return false;
                    }
                }
            }
            self.line("skip", &format!("{} is known", slot.name), place);
            self.remember_answer(scope, &slot.name, field, said);
            return true;
        }
        if self.is_skipped(&slot.name, scope) {
            self.line("skip", &format!("{} was skipped", slot.name), place);
            self.remember_answer(scope, &slot.name, field, false);
            return true;
        }
        self.ask(place, collect, field);
        false
    }

    /// An unmistakable value in the words the flow was started with.
    fn fill_from_opening(&mut self, place: &Place, slot: &Slot, scope: u64) {
        let Some(words) = self.opening.clone() else {
            return;
        };
        let pack = place.pack.clone();
        let reader = Reader::new(&pack.zone, self.now, &self.locale, &words, &[]);
        let around = self.lua_context();
        let host = &mut *self.host;
        let parsed = value::recognise(slot, &[], &reader, &[], &mut |f, v| {
            host.lua(&pack, &f.module, &f.name, &[v.clone(), around.clone()])
        });
        if let Some(parsed) = parsed {
            self.line(
                "slot",
                &format!("{} was said with the first message", slot.name),
                place,
            );
            if slot.sensitive {
                self.state.said.clear();
            }
            self.set(slot, scope, parsed.value, true);
        }
    }

    /// Choices that are named in the words a flow was started with, by a label or a synonym. They
    /// are looked for at once: by the time their question comes, the words are forgotten.
    pub fn fill_choices_from_opening(&mut self, flow: &str, scope: u64) {
        let Some(words) = self.opening.clone() else {
            return;
        };
        let pack = self.current.clone();
        let place = Place::new(pack.clone(), Some(scope));
        let mut taken = Vec::new();
        for collect in pack.flows.get(flow).into_iter().flat_map(collects_of) {
            let Some(slot) = pack.slots.get(&collect.slot) else {
                continue;
            };
            let wanted = matches!(slot.kind, SlotKind::Choice { .. })
                && slot.source == Source::Customer
                && !self.is_filled(slot, scope);
            if !wanted {
                continue;
            }
            let mut offered = self.options(&place, collect, slot);
            for option in &mut offered {
                // The value's own name is the pack's word, not the customer's.
                option.words.retain(|word| {
                    let key = option.value.as_str().unwrap_or_default();
                    *word != key && *word != key.replace('_', " ") && says_something(word)
                });
                if !says_something(&option.label) {
                    option.label.clear();
                }
            }
            let Some((index, span)) = value::choice::in_passing(&offered, &words, &taken) else {
                continue;
            };
            self.line(
                "slot",
                &format!("{} was said with the first message", slot.name),
                &place,
            );
            taken.push(span);
            if slot.sensitive {
                self.state.said.clear();
            }
            self.set(slot, scope, offered[index].value.clone(), true);
        }
    }

    /// Opens the question.
    pub fn ask(&mut self, place: &Place, collect: &Collect, field: Option<u32>) {
        let pack = place.pack.clone();
        let Some(slot) = pack.slots.get(&collect.slot) else {
            return;
        };
        let options = self.options(place, collect, slot);
        if options.is_empty()
            && (collect.options_from.is_some() || matches!(slot.kind, SlotKind::Object))
        {
            self.line(
                "ask",
                &format!("{}: there is nothing to choose from", slot.name),
                place,
            );
            self.give_up(place, collect, field);
            return;
        }
        let epoch = self.state.fresh_id();
        let Some(frame) = self.state.frames.last_mut() else {
            return;
        };
        frame.mode = Mode::Ask(Asked {
            what: What::Slot {
                slot: slot.name.clone(),
                field,
            },
            epoch,
            nudges: 0,
            timed: false,
        });
        frame.step_id = step_id(&pack, &frame.flow, frame.pc);
        let mut draft = match &collect.ask {
            Some(say) => self.compose(place, say).unwrap_or_default(),
            None => self.default_ask(place, slot),
        };
        let own = draft
            .buttons
            .iter()
            .any(|(_, act)| matches!(act, Press::Value { .. }));
        if !own {
            let act = || Press::Option {
                slot: slot.name.clone(),
            };
            if !options.is_empty() {
                draft
                    .buttons
                    .extend(options.iter().map(|o| (o.label.clone(), act())));
            } else if matches!(slot.kind, SlotKind::Boolean) {
                for (name, fallback, value) in [("yes", "Yes", "true"), ("no", "No", "false")] {
                    let label = self.builtin_text(name, Map::new(), fallback);
                    draft.buttons.push((
                        label,
                        Press::Value {
                            value: value.into(),
                        },
                    ));
                }
            }
        }
        let source = SaySource {
            asks: Some(slot.name.clone()),
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
        self.start_timeout(place, collect);
    }

    fn default_ask(&mut self, place: &Place, slot: &Slot) -> Draft {
        let title = self.slot_title(place, slot);
        let mut it = Map::new();
        it.insert("title".into(), Value::from(title));
        let text = self.builtin_text("ask", it, &slot.name);
        Draft::text(text)
    }

    pub fn slot_title(&mut self, place: &Place, slot: &Slot) -> String {
        match &slot.title {
            Some(title) => self.text(place, title),
            None => slot.name.replace('_', " "),
        }
    }

    /// What there is to choose, with labels in the customer's language.
    pub fn options(&mut self, place: &Place, collect: &Collect, slot: &Slot) -> Vec<Choice> {
        if let Some(from) = &collect.options_from {
            let items = match self.eval(place, from) {
                Value::Array(items) => items,
                Value::Null => Vec::new(),
                one => vec![one],
            };
            return items
                .into_iter()
                .take(MAX_OPTIONS)
                .map(|item| {
                    let label = match &collect.label {
                        Some(label) => {
                            let place = place.with_it(item.clone());
                            self.text(&place, label)
                        }
                        None => label_of(&item),
                    };
                    let value = match &slot.kind {
                        SlotKind::Object => item,
                        kind => value::coerce(kind, &item).unwrap_or(item),
                    };
                    Choice {
                        value,
                        label,
                        words: Vec::new(),
                    }
                })
                .filter(|choice| !choice.label.trim().is_empty())
                .collect();
        }
        let SlotKind::Choice { options } = &slot.kind else {
            return Vec::new();
        };
        options
            .iter()
            .map(|(key, option)| {
                let label = self.text(place, &option.label);
                let mut words: Vec<String> = vec![key.clone(), key.replace('_', " ")];
                words.extend(
                    option
                        .synonyms
                        .0
                        .values()
                        .flatten()
                        .map(|(word, _)| word.clone()),
                );
                words.extend(
                    option
                        .label
                        .0
                        .values()
                        .filter_map(|t| t.literal.as_ref().map(|l| l.to_string())),
                );
                Choice {
                    value: Value::from(key.as_str()),
                    label,
                    words,
                }
            })
            .collect()
    }

    /// The open question of the top frame, where it is one for a slot.
    pub fn open(&mut self) -> Option<Open> {
        let (name, field) = self.open_slot()?;
        let place = self.top_place()?;
        let pack = place.pack.clone();
        let frame = self.state.frames.last()?;
        let step = pack.flows.get(&frame.flow)?.step(frame.pc)?;
        let collect = match (&step.kind, field) {
            (StepKind::Collect(collect), None) => (**collect).clone(),
            (StepKind::Form(form), Some(field)) => form.fields.get(field as usize)?.collect.clone(),
            _ => return None,
        };
        let slot = SlotRef::new(&pack, &name).or_else(|| SlotRef::new(&pack, &collect.slot))?;
        Some(Open {
            place,
            slot,
            collect,
            field,
        })
    }

    /// The form of the top frame's present step.
    pub fn open_form(&mut self) -> Option<(Place, Form)> {
        let place = self.top_place()?;
        let pack = place.pack.clone();
        let frame = self.state.frames.last()?;
        match &pack.flows.get(&frame.flow)?.step(frame.pc)?.kind {
            StepKind::Form(form) => Some((place, (**form).clone())),
            _ => None,
        }
    }

    /// Says the open question once more. With nothing open, nothing.
    pub fn ask_again(&mut self) {
        let Some(asked) = self.asked().cloned() else {
            return;
        };
        match asked.what {
            What::Slot { .. } => {
                let Some(open) = self.open() else { return };
                self.quiet_question();
                self.ask(&open.place, &open.collect, open.field);
            }
            What::Confirm { .. } => {
                if let Some((place, form)) = self.open_form() {
                    self.ask_confirm(&place, &form);
                }
            }
            What::Change => {
                if let Some((place, form)) = self.open_form() {
                    self.ask_change(&place, &form);
                }
            }
            What::Menu => {
                if let Some(place) = self.top_place()
                    && let Some(frame) = self.state.frames.last()
                    && let Some(StepKind::Menu(menu)) = place
                        .pack
                        .clone()
                        .flows
                        .get(&frame.flow)
                        .and_then(|f| f.step(frame.pc))
                        .map(|s| &s.kind)
                {
                    self.do_menu(&place, menu);
                }
            }
            What::Faq { path, entry } => self.show_faq(&path, &entry),
        }
    }
}

/// What a flow asks, in plain questions and in forms.
pub(super) fn collects_of(flow: &Flow) -> impl Iterator<Item = &Collect> {
    let steps = flow.blocks.iter().flat_map(|b| &b.steps);
    steps.flat_map(|step| match &step.kind {
        StepKind::Collect(collect) => vec![&**collect],
        StepKind::Form(form) => form.fields.iter().map(|f| &f.collect).collect(),
        _ => Vec::new(),
    })
}

/// Whether a label says what is meant even in a message about something else.
fn says_something(label: &str) -> bool {
    const VAGUE: [&str; 16] = [
        "all", "any", "both", "neither", "new", "no", "none", "nothing", "other", "others", "yes",
        "其他", "其它", "全部", "没有", "都要",
    ];
    !VAGUE.contains(&normal::fold(label).as_str())
}

fn label_of(item: &Value) -> String {
    match item {
        Value::String(text) => text.clone(),
        Value::Object(map) => ["label", "title", "name", "id"]
            .iter()
            .find_map(|key| map.get(*key))
            .map_or_else(String::new, |v| {
                v.as_str().map_or_else(|| v.to_string(), str::to_owned)
            }),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn step_id(
    pack: &crate::model::Pack,
    flow: &str,
    at: crate::model::StepRef,
) -> Option<String> {
    pack.flows.get(flow)?.step(at)?.id.clone()
}

/// Whether a part of a message other than the span says something of its own.
pub(super) fn says_more(words: &Words, span: &Range<usize>) -> bool {
    let before = words.lower.get(..span.start).unwrap_or("");
    let after = words.lower.get(span.end..).unwrap_or("");
    before.contains('?')
        || after.contains('?')
        || normal::weight(before) + normal::weight(after) >= 2
}
