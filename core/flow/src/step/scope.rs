//! What expressions and texts see, and where slots live.

use std::{borrow::Cow, sync::Arc};

use serde_json::json;
use tandem_domain::{Map, Value};

use super::{
    Effect,
    run::Run,
    state::{Held, Mode},
};
use crate::{
    model::{Arg, Args, Keep, LocalText, Pack, Slot, SlotKind, StepKind, StepRef},
    template::{self, Expr, Lookup, Template},
    value,
};

/// Where something is evaluated.
#[derive(Clone)]
pub(super) struct Place {
    pub pack: Arc<Pack>,
    /// Whose slots.
    pub scope: Option<u64>,
    pub frame: Option<u64>,
    pub at: StepRef,
    /// `flow/block.index`.
    pub step: Option<String>,
    pub it: Option<Value>,
    /// Which of `desk.yaml`'s hours `hours.open` means.
    pub hours: Option<String>,
}

impl Place {
    pub fn new(pack: Arc<Pack>, scope: Option<u64>) -> Self {
        Self {
            pack,
            scope,
            frame: None,
            at: StepRef::default(),
            step: None,
            it: None,
            hours: None,
        }
    }

    pub fn with_it(&self, it: Value) -> Self {
        Self {
            it: Some(it),
            ..self.clone()
        }
    }
}

/// A slot of a pack. Cloning a slot itself would clone its pattern, whose first search is dear.
#[derive(Clone)]
pub(super) struct SlotRef {
    pack: Arc<Pack>,
    index: usize,
}

impl SlotRef {
    pub fn new(pack: &Arc<Pack>, name: &str) -> Option<Self> {
        let index = pack.slots.get_index_of(name)?;
        Some(Self {
            pack: pack.clone(),
            index,
        })
    }
}

impl std::ops::Deref for SlotRef {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        // A pack does not change once it is loaded.
        &self.pack.slots[self.index]
    }
}

/// The name of a step in traces and coverage.
pub(crate) fn step_name(flow: &str, at: StepRef) -> String {
    format!("{flow}/{}.{}", at.block, at.index)
}

struct View<'r, 'a> {
    run: &'r Run<'a>,
    place: &'r Place,
}

impl Lookup for View<'_, '_> {
    fn get(&self, name: &str) -> Option<Cow<'_, Value>> {
        let run = self.run;
        if let Some(slot) = self.place.pack.slots.get(name) {
            return run.held(slot, self.place.scope).map(Cow::Borrowed);
        }
        Some(match name {
            "it" => return self.place.it.as_ref().map(Cow::Borrowed),
            "message" => Cow::Borrowed(&run.message),
            "repair" => Cow::Owned(json!({
                "count": run.state.repair.count,
                "same_step": run.state.repair.same_step,
            })),
            "channel" => Cow::Owned(Value::from(run.around.channel.as_str())),
            "contact" => Cow::Owned(run.contact(&self.place.pack)),
            "conversation" => Cow::Owned(run.conversation()),
            "hours" => Cow::Owned(run.hours(self.place)),
            _ => return None,
        })
    }

    fn label(&self, slot: &str, value: &Value) -> Option<String> {
        let SlotKind::Choice { options } = &self.place.pack.slots.get(slot)?.kind else {
            return None;
        };
        let option = options.get(value.as_str()?)?;
        let words = option
            .label
            .get(&self.run.locale, self.place.pack.default_locale())?;
        words.literal.as_ref().map(|l| l.to_string())
    }
}

impl Run<'_> {
    /// The place of the top frame's present step.
    pub fn top_place(&mut self) -> Option<Place> {
        let frame = self.state.frames.last()?;
        let (hash, name, pc) = (frame.pack.clone(), frame.flow.clone(), frame.pc);
        let (scope, id) = (frame.scope, frame.id);
        let it = (!frame.it.is_empty()).then(|| Value::Object(frame.it.clone()));
        let pack = self.pack(&hash);
        let hours = pack.flows.get(&name).and_then(|f| hours_of(f, pc));
        Some(Place {
            pack,
            scope: Some(scope),
            frame: Some(id),
            at: pc,
            step: Some(step_name(&name, pc)),
            it,
            hours,
        })
    }

    /// Where something is said that no step says: an FAQ answer, a built-in text.
    pub fn outside(&self) -> Place {
        Place::new(
            self.current.clone(),
            self.state.frames.last().map(|f| f.scope),
        )
    }

    fn evaluate<T>(
        &mut self,
        place: &Place,
        work: impl FnOnce(&template::Scope<'_>) -> Result<T, String>,
    ) -> Option<T> {
        let (result, notes) = {
            let view = View { run: &*self, place };
            let scope = template::Scope::new(&view, self.now, &place.pack.zone, &self.locale);
            let result = work(&scope);
            (result, scope.notes())
        };
        for note in notes {
            self.line("compare", &note, place);
        }
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.line("template", &error, place);
                None
            }
        }
    }

    pub fn test(&mut self, place: &Place, cond: &Expr) -> bool {
        let pack = place.pack.clone();
        self.evaluate(place, |scope| {
            pack.templates.test(cond, scope).map_err(|e| e.to_string())
        })
        .unwrap_or(false)
    }

    pub fn eval(&mut self, place: &Place, expr: &Expr) -> Value {
        let pack = place.pack.clone();
        self.evaluate(place, |scope| {
            pack.templates.eval(expr, scope).map_err(|e| e.to_string())
        })
        .unwrap_or(Value::Null)
    }

    pub fn render(&mut self, place: &Place, template: &Template) -> String {
        if let Some(literal) = &template.literal {
            return literal.to_string();
        }
        let pack = place.pack.clone();
        self.evaluate(place, |scope| {
            pack.templates
                .render(template, scope)
                .map_err(|e| e.to_string())
        })
        .unwrap_or_default()
    }

    /// A text in the customer's language.
    pub fn text(&mut self, place: &Place, text: &LocalText) -> String {
        let locale = self.locale.clone();
        match text.get(&locale, place.pack.default_locale()) {
            Some(template) => self.render(place, template),
            None => String::new(),
        }
    }

    pub fn arg(&mut self, place: &Place, arg: &Arg) -> Value {
        match arg {
            Arg::Literal { value, .. } => value.clone(),
            Arg::Template(template) => {
                let pack = place.pack.clone();
                self.evaluate(place, |scope| {
                    pack.templates
                        .value(template, scope)
                        .map_err(|e| e.to_string())
                })
                .unwrap_or(Value::Null)
            }
            Arg::List(items) => {
                Value::Array(items.iter().map(|item| self.arg(place, item)).collect())
            }
            Arg::Map(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, field)| (name.clone(), self.arg(place, field)))
                    .collect(),
            ),
        }
    }

    pub fn args(&mut self, place: &Place, args: &Args) -> Map {
        args.iter()
            .map(|(name, arg)| (name.clone(), self.arg(place, arg)))
            .collect()
    }

    /// A `set` or `with` on a slot: a literal is read from its source by the slot's type.
    pub fn set_arg(&mut self, place: &Place, scope: u64, name: &str, arg: &Arg) {
        let value = match arg {
            Arg::Literal { value, .. } if value.is_null() => Value::Null,
            Arg::Literal { source, .. } => Value::from(source.as_str()),
            other => self.arg(place, other),
        };
        let pack = place.pack.clone();
        self.set_coerced(&pack, scope, name, &value);
    }

    /// Fits a value to the slot's type; what does not fit leaves it empty, and is traced. False
    /// then.
    pub fn set_coerced(&mut self, pack: &Pack, scope: u64, name: &str, value: &Value) -> bool {
        let Some(slot) = pack.slots.get(name) else {
            self.note("slot", &format!("there is no slot `{name}`"));
            return false;
        };
        match value::coerce(&slot.kind, value) {
            Ok(value) => {
                self.set(slot, scope, value, false);
                true
            }
            Err(_) => {
                self.note(
                    "slot",
                    &format!("{name}: the value is not of its type, so it is empty"),
                );
                self.set(slot, scope, Value::Null, false);
                false
            }
        }
    }

    /// The value of a slot, if it has one.
    pub fn held(&self, slot: &Slot, scope: Option<u64>) -> Option<&Value> {
        let (held, owner) = match slot.keep {
            Keep::Flow => (
                self.state.scopes.get(&scope?)?.slots.get(&slot.name),
                Owner::Flow(scope?),
            ),
            Keep::Conversation => (self.state.conversation.get(&slot.name), Owner::Conversation),
            Keep::Contact => (self.state.contact.get(&slot.name), Owner::Contact),
        };
        match held {
            Some(held) if held.secret => self.state.secrets.get(&owner.secret(&slot.name)),
            Some(held) => Some(&held.value),
            None if slot.keep == Keep::Contact => self.around.contact.get(&slot.name),
            None => None,
        }
        .filter(|v| !v.is_null())
    }

    pub fn is_filled(&self, slot: &Slot, scope: u64) -> bool {
        self.held(slot, Some(scope)).is_some()
    }

    /// Fills or empties a slot.
    pub fn set(&mut self, slot: &Slot, scope: u64, value: Value, unseen: bool) {
        let shown = if value.is_null() {
            "empty".to_owned()
        } else if slot.sensitive {
            "(sensitive)".to_owned()
        } else {
            shorten(&value.to_string(), 200)
        };
        self.note("slot", &format!("{} = {shown}", slot.name));
        if slot.keep == Keep::Contact {
            self.effects.push(Effect::Remember {
                name: slot.name.clone(),
                value: value.clone(),
                sensitive: slot.sensitive,
            });
        }
        let owner = match slot.keep {
            Keep::Flow => Owner::Flow(scope),
            Keep::Conversation => Owner::Conversation,
            Keep::Contact => Owner::Contact,
        };
        let key = owner.secret(&slot.name);
        let empty = value.is_null();
        let held = if slot.sensitive && !empty {
            self.state.secrets.insert(key, value);
            self.state.secrets_changed = true;
            Held {
                value: Value::Null,
                secret: true,
                unseen,
            }
        } else {
            if self.state.secrets.remove(&key).is_some() {
                self.state.secrets_changed = true;
            }
            Held {
                value,
                secret: false,
                unseen,
            }
        };
        let place = match slot.keep {
            Keep::Flow => &mut self.state.scopes.entry(scope).or_default().slots,
            Keep::Conversation => &mut self.state.conversation,
            Keep::Contact => &mut self.state.contact,
        };
        if empty && slot.keep != Keep::Contact {
            place.remove(&slot.name);
        } else {
            place.insert(slot.name.clone(), held);
        }
        if !empty && let Some(scope) = self.state.scopes.get_mut(&scope) {
            scope.skipped.remove(&slot.name);
        }
    }

    pub fn is_unseen(&self, slot: &Slot, scope: u64) -> bool {
        let held = match slot.keep {
            Keep::Flow => self
                .state
                .scopes
                .get(&scope)
                .and_then(|s| s.slots.get(&slot.name)),
            Keep::Conversation => self.state.conversation.get(&slot.name),
            Keep::Contact => self.state.contact.get(&slot.name),
        };
        held.is_some_and(|h| h.unseen)
    }

    pub fn mark_seen(&mut self, slot: &Slot, scope: u64) {
        let held = match slot.keep {
            Keep::Flow => self
                .state
                .scopes
                .get_mut(&scope)
                .and_then(|s| s.slots.get_mut(&slot.name)),
            Keep::Conversation => self.state.conversation.get_mut(&slot.name),
            Keep::Contact => self.state.contact.get_mut(&slot.name),
        };
        if let Some(held) = held {
            held.unseen = false;
        }
    }

    pub fn is_skipped(&self, name: &str, scope: u64) -> bool {
        self.state
            .scopes
            .get(&scope)
            .is_some_and(|s| s.skipped.contains(name))
    }

    pub fn committed(&self, scope: u64) -> usize {
        self.state
            .scopes
            .get(&scope)
            .map_or(0, |s| s.committed.len())
    }

    fn contact(&self, pack: &Pack) -> Value {
        let mut contact = self.around.contact.clone();
        for (name, held) in &self.state.contact {
            // What a flow has learnt in this conversation is newer than what the row says.
            if let Some(slot) = pack.slots.get(name) {
                let value = self.held(slot, None).cloned().unwrap_or(Value::Null);
                contact.insert(name.clone(), value);
            } else if !held.secret {
                contact.insert(name.clone(), held.value.clone());
            }
        }
        Value::Object(contact)
    }

    fn conversation(&self) -> Value {
        let mut map = self.around.conversation.clone();
        map.insert("channel".into(), Value::from(self.around.channel.as_str()));
        if let Some(frame) = self
            .state
            .frames
            .iter()
            .rev()
            .find(|f| f.end == super::state::OnEnd::Resume)
        {
            map.insert("flow".into(), Value::from(frame.flow.as_str()));
        }
        Value::Object(map)
    }

    fn hours(&self, place: &Place) -> Value {
        let pack = &place.pack;
        let mut out = Map::new();
        let describe = |hours: &crate::model::Hours| {
            let next = super::cal::next_open(hours, self.now, &pack.zone)
                .map(|z| z.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
            (super::cal::is_open(hours, self.now, &pack.zone), next)
        };
        for (name, hours) in &pack.hours {
            let (open, next) = describe(hours);
            out.insert(name.clone(), json!({"open": open, "next_open": next}));
        }
        let main = place
            .hours
            .as_ref()
            .and_then(|name| pack.hours.get(name))
            .or_else(|| pack.hours.values().next());
        let (open, next) = main.map_or((true, None), describe);
        out.insert("open".into(), Value::from(open));
        out.insert("next_open".into(), next.map_or(Value::Null, Value::from));
        Value::Object(out)
    }

    /// Whether the top frame waits for an answer.
    pub fn asked(&self) -> Option<&super::state::Asked> {
        match self.state.frames.last().map(|f| &f.mode) {
            Some(Mode::Ask(asked)) => Some(asked),
            _ => None,
        }
    }
}

enum Owner {
    Flow(u64),
    Conversation,
    Contact,
}

impl Owner {
    fn secret(&self, name: &str) -> String {
        match self {
            Self::Flow(scope) => format!("{scope}/{name}"),
            Self::Conversation => format!("conversation/{name}"),
            Self::Contact => format!("contact/{name}"),
        }
    }
}

/// The hours of the nearest handoff that the step hangs under, or that it is.
fn hours_of(flow: &crate::model::Flow, at: StepRef) -> Option<String> {
    let mut here = Some(at);
    for _ in 0..64 {
        let place = here?;
        if let Some(step) = flow.step(place)
            && let StepKind::Handoff(handoff) = &step.kind
            && handoff.hours.is_some()
        {
            return handoff.hours.clone();
        }
        here = flow.blocks.get(place.block as usize)?.parent;
    }
    None
}

/// At most so many characters.
pub(super) fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
