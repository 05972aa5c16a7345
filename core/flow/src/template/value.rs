//! JSON in, JSON out, and what a value looks like in a text.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use minijinja::{
    Error, Output, State, Value,
    value::{Enumerator, Object, ValueKind},
};
use tandem_domain::{Locale, Timestamp};

use super::Scope;

/// The variable a rewritten expression leaves its value in.
pub(super) const RESULT: &str = "__result";
/// The variable under which filters find the [`Context`].
const CONTEXT: &str = "__context";

/// What filters need besides their value.
pub(super) struct Context {
    vars: Vec<(Arc<str>, Value)>,
    labels: Vec<(Arc<str>, String)>,
    pub(super) now: Timestamp,
    pub(super) zone: jiff::tz::TimeZone,
    pub(super) locale: Locale,
    notes: Mutex<Vec<String>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}

impl Context {
    pub(super) fn note(&self, note: String) {
        if let Ok(mut notes) = self.notes.lock()
            && notes.len() < 20
        {
            notes.push(note);
        }
    }

    pub(super) fn label(&self, slot: &str) -> Option<&str> {
        self.labels
            .iter()
            .find(|(s, _)| **s == *slot)
            .map(|(_, l)| l.as_str())
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if key == CONTEXT {
            return Some(Value::from_dyn_object(self.clone()));
        }
        self.vars
            .iter()
            .find(|(name, _)| **name == *key)
            .map(|(_, v)| v.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// The context of a running evaluation.
pub(super) fn context(state: &State<'_, '_>) -> Option<Arc<Context>> {
    state.lookup(CONTEXT)?.downcast_object::<Context>()
}

/// The variables one evaluation sees.
pub(super) struct Root(Arc<Context>);

impl Root {
    pub(super) fn new(scope: &Scope<'_>, names: &[Arc<str>], labels: &[Arc<str>]) -> Self {
        let vars = names
            .iter()
            .map(|name| {
                let value = match scope.vars.get(name) {
                    Some(value) => from_json(&value),
                    None if &**name == "now" => Value::from(
                        scope
                            .now
                            .to_jiff()
                            .to_zoned(scope.zone.clone())
                            .strftime("%FT%T%:z")
                            .to_string(),
                    ),
                    None if &**name == "locale" => Value::from(scope.locale.as_str()),
                    None => Value::from(()),
                };
                (name.clone(), value)
            })
            .collect();
        let labels = labels
            .iter()
            .filter_map(|slot| {
                let value = scope.vars.get(slot)?;
                Some((slot.clone(), scope.vars.label(slot, &value)?))
            })
            .collect();
        Self(Arc::new(Context {
            vars,
            labels,
            now: scope.now,
            zone: scope.zone.clone(),
            locale: scope.locale.clone(),
            notes: Mutex::default(),
        }))
    }

    pub(super) fn value(&self) -> Value {
        Value::from_dyn_object(self.0.clone())
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.0
            .notes
            .lock()
            .map(|mut n| std::mem::take(&mut *n))
            .unwrap_or_default()
    }
}

pub(super) fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(b) => Value::from(*b),
        serde_json::Value::Number(n) => {
            if let Some(i) = n.as_i64() {
                Value::from(i)
            } else if let Some(u) = n.as_u64() {
                Value::from(u)
            } else {
                Value::from(n.as_f64().unwrap_or_default())
            }
        }
        serde_json::Value::String(s) => Value::from(s.as_str()),
        serde_json::Value::Array(items) => {
            Value::from(items.iter().map(from_json).collect::<Vec<_>>())
        }
        serde_json::Value::Object(map) => {
            Value::from_pairs(map.iter().map(|(k, v)| (k.as_str(), from_json(v))))
        }
    }
}

pub(super) fn to_json(value: &Value) -> serde_json::Value {
    to_json_within(value, 64)
}

fn to_json_within(value: &Value, depth: usize) -> serde_json::Value {
    if depth == 0 {
        return serde_json::Value::Null;
    }
    match value.kind() {
        ValueKind::Bool => value.is_true().into(),
        ValueKind::Number => number(value),
        ValueKind::String => value.as_str().unwrap_or_default().into(),
        ValueKind::Seq | ValueKind::Iterable => match value.try_iter() {
            Ok(items) => items.map(|v| to_json_within(&v, depth - 1)).collect(),
            Err(_) => serde_json::Value::Null,
        },
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            if let Ok(keys) = value.try_iter() {
                for key in keys {
                    let item = value.get_item(&key).unwrap_or_default();
                    let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                    map.insert(name, to_json_within(&item, depth - 1));
                }
            }
            serde_json::Value::Object(map)
        }
        _ => serde_json::Value::Null,
    }
}

fn number(value: &Value) -> serde_json::Value {
    if value.is_integer() {
        if let Some(i) = value.as_i64() {
            return i.into();
        }
        if let Ok(u) = u64::try_from(value.clone()) {
            return u.into();
        }
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(serde_json::Number::from_f64)
        .map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// minijinja's formatter: how a value stands in a text.
pub(super) fn format(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => out.write_str(text)?,
        None => out.write_str(&display(value))?,
    }
    Ok(())
}

/// Nothing for none, no `.0` behind a whole number, lists joined by commas.
pub(super) fn display(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        // As they are written in YAML and in expressions.
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number => {
            let text = value.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut text = String::new();
            for (at, item) in value.try_iter().into_iter().flatten().enumerate() {
                if text.len() > super::OUTPUT_MAX {
                    break;
                }
                text.push_str(if at > 0 { ", " } else { "" });
                text.push_str(&display(&item));
            }
            text
        }
        ValueKind::Map => to_json(value).to_string(),
        _ => value.to_string(),
    }
}
