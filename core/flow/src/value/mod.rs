//! Slot types: what a customer's words mean as a date, a number, a choice.
//!
//! Two ways to read a message: [`answer`] takes it as the answer to the open question and is
//! lenient ("it's 12345678"); [`recognise`] looks for a value in passing and only knows types
//! whose values look like nothing else. Numbers, moments and addresses are found by
//! [`tandem_entities`], as they are for a reading. [`coerce`] fits a value from a flow, a service or
//! a script to a slot's type.

pub mod choice;
pub mod normal;
pub mod text;

mod coerce;
mod said;

use std::ops::Range;

use jiff::tz::TimeZone;
use tandem_domain::{Locale, Map, Timestamp, Value, entity::Calendar, message::Media};

pub use choice::Choice;
pub use coerce::coerce;
pub use normal::Words;

use said::Said;

use crate::{
    model::{Function, Slot, SlotKind},
    step::LuaAnswer,
};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub value: Value,
    /// In [`Words::text`].
    pub span: Range<usize>,
    /// The message is this value and nothing else.
    pub exact: bool,
}

/// Why words are no value of a slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Invalid {
    /// A built-in response, and what its text may name as `it`.
    Response { name: &'static str, it: Map },
    /// What a script said: a response's name, a text, or a text per language.
    Said(Value),
}

impl Invalid {
    #[must_use]
    pub fn response(name: &'static str) -> Self {
        Self::Response {
            name,
            it: Map::new(),
        }
    }

    fn with(name: &'static str, key: &str, value: impl Into<Value>) -> Self {
        let mut it = Map::new();
        it.insert(key.to_owned(), value.into());
        Self::Response { name, it }
    }
}

/// Runs a slot's `prepare`.
pub type Prepare<'a> = dyn FnMut(&Function, &Value) -> LuaAnswer + 'a;

/// What words are read against besides the slot.
pub struct Reader<'a> {
    pub zone: &'a TimeZone,
    pub locale: &'a Locale,
    pub calendar: Calendar,
    pub words: &'a Words,
    pub files: &'a [Media],
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(
        zone: &'a TimeZone,
        now: Timestamp,
        locale: &'a Locale,
        words: &'a Words,
        files: &'a [Media],
    ) -> Self {
        Self {
            zone,
            locale,
            calendar: Calendar::new(now, zone, locale),
            words,
            files,
        }
    }
}

/// Whether any words would do: such a slot is filled last, and never in passing.
#[must_use]
pub fn is_free(slot: &Slot, has_options: bool) -> bool {
    match &slot.kind {
        SlotKind::Text { pattern, .. } => {
            !has_options && !pattern.as_ref().is_some_and(tandem_entities::is_strict)
        }
        SlotKind::List => !has_options,
        _ => false,
    }
}

/// Whether its values look like nothing else, so that one is recognised in a message that was not
/// asked for it.
#[must_use]
pub fn is_unmistakable(slot: &Slot) -> bool {
    match &slot.kind {
        SlotKind::Text { pattern, .. } => pattern.as_ref().is_some_and(tandem_entities::is_strict),
        SlotKind::Email | SlotKind::Phone | SlotKind::Url => true,
        _ => false,
    }
}

/// The message as the answer to a question for this slot.
///
/// # Errors
/// [`Invalid`] with the reason to tell the customer.
pub fn answer(
    slot: &Slot,
    options: &[Choice],
    reader: &Reader<'_>,
    prepare: &mut Prepare<'_>,
) -> Result<Parsed, Invalid> {
    if let SlotKind::File { accept, max_mb } = &slot.kind {
        return file(reader.files, accept, *max_mb);
    }
    let words = reader.words;
    if words.is_empty() {
        return Err(Invalid::response(invalid_name(&slot.kind)));
    }
    if !options.is_empty()
        && matches!(slot.kind, SlotKind::List)
        && let Some(several) = several(options, words)
    {
        return Ok(several);
    }
    if !options.is_empty()
        && let Some(pick) = choice::pick(options, words)
    {
        return Ok(Parsed {
            value: options[pick.index].value.clone(),
            span: pick.span,
            exact: pick.exact,
        });
    }
    if let SlotKind::Choice { .. } | SlotKind::Object = &slot.kind {
        return Err(Invalid::response(invalid_name(&slot.kind)));
    }
    let prepared = match prepared(slot, words, prepare) {
        Prepared::Words(words) => Some(words),
        Prepared::AsIs => None,
        Prepared::Value(value) => {
            let value = coerce(&slot.kind, &value)?;
            check_range(&slot.kind, &value)?;
            return Ok(Parsed {
                value,
                span: 0..words.text.len(),
                exact: true,
            });
        }
        Prepared::Refused(message) => {
            return Err(message.map_or_else(
                || Invalid::response(invalid_name(&slot.kind)),
                Invalid::Said,
            ));
        }
    };
    let used = prepared.as_ref().unwrap_or(words);
    let mut parsed = typed(slot, used, reader, &[], true)?;
    if !options.is_empty() && !options.iter().any(|o| o.value == parsed.value) {
        return Err(Invalid::response("invalid_choice"));
    }
    if let Some(used) = &prepared {
        parsed = relocate(parsed, used, words);
    }
    Ok(parsed)
}

/// Several of the options at once: a list in which each item names one. None where one does not.
fn several(options: &[Choice], words: &Words) -> Option<Parsed> {
    let items = text::items(&words.raw);
    if items.len() < 2 {
        return None;
    }
    let mut picked: Vec<Value> = Vec::new();
    for item in items {
        let pick = choice::pick(options, &Words::new(item))?;
        let values = match &options[pick.index].value {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        for value in values {
            if !picked.contains(&value) {
                picked.push(value);
            }
        }
    }
    Some(Parsed {
        value: Value::Array(picked),
        span: 0..words.text.len(),
        exact: true,
    })
}

/// A value of this slot in a message about something else, outside what is taken.
#[must_use]
pub fn recognise(
    slot: &Slot,
    options: &[Choice],
    reader: &Reader<'_>,
    taken: &[Range<usize>],
    prepare: &mut Prepare<'_>,
) -> Option<Parsed> {
    if let SlotKind::File { accept, max_mb } = &slot.kind {
        return file(reader.files, accept, *max_mb).ok();
    }
    let words = reader.words;
    if words.is_empty() || is_free(slot, !options.is_empty()) {
        return None;
    }
    match &slot.kind {
        SlotKind::Boolean | SlotKind::Object | SlotKind::List => return None,
        SlotKind::Choice { .. } => {
            let (index, span) = choice::in_passing(options, words, taken)?;
            return Some(Parsed {
                value: options[index].value.clone(),
                span,
                exact: false,
            });
        }
        _ => {}
    }
    match prepared(slot, words, prepare) {
        Prepared::AsIs => typed(slot, words, reader, taken, false).ok(),
        Prepared::Words(used) => {
            let parsed = typed(slot, &used, reader, &[], false).ok()?;
            let parsed = relocate(parsed, &used, words);
            (!normal::overlaps(&parsed.span, taken)).then_some(parsed)
        }
        Prepared::Value(_) | Prepared::Refused(_) => None,
    }
}

enum Prepared {
    AsIs,
    Words(Words),
    Value(Value),
    Refused(Option<Value>),
}

fn prepared(slot: &Slot, words: &Words, prepare: &mut Prepare<'_>) -> Prepared {
    let Some(function) = &slot.prepare else {
        return Prepared::AsIs;
    };
    match prepare(function, &Value::from(words.text.as_str())) {
        LuaAnswer::Value(Value::String(text)) => Prepared::Words(Words::new(&text)),
        LuaAnswer::Value(Value::Null) => Prepared::Refused(None),
        LuaAnswer::Value(value) => Prepared::Value(value),
        LuaAnswer::Refused(message) => Prepared::Refused(message),
        // A broken script must not lose a good answer.
        LuaAnswer::Failed(_) => Prepared::AsIs,
    }
}

/// Finds in the message what `prepare` made of it: as it is, or with spaces and signs in between.
/// What cannot be found takes up nothing.
fn relocate(parsed: Parsed, used: &Words, words: &Words) -> Parsed {
    let part = &used.text[parsed.span.clone()];
    let span = words
        .text
        .find(part)
        .map(|start| start..start + part.len())
        .or_else(|| find_loosely(&words.text, part))
        .unwrap_or(0..0);
    let exact = normal::fold(&words.text).len() <= span.len();
    Parsed {
        span,
        exact,
        ..parsed
    }
}

/// A run with the same letters and digits in the same order, whatever stands between them.
fn find_loosely(text: &str, part: &str) -> Option<Range<usize>> {
    let plain = |c: char| {
        c.is_alphanumeric()
            .then(|| c.to_lowercase().next().unwrap_or(c))
    };
    let wanted: Vec<char> = part.chars().filter_map(plain).collect();
    let there: Vec<(usize, char, usize)> = text
        .char_indices()
        .filter_map(|(at, c)| Some((at, plain(c)?, c.len_utf8())))
        .collect();
    if wanted.is_empty() {
        return None;
    }
    there
        .windows(wanted.len())
        .find(|run| run.iter().map(|(_, c, _)| *c).eq(wanted.iter().copied()))
        .and_then(|run| Some(run.first()?.0..run.last()?.0 + run.last()?.2))
}

fn typed(
    slot: &Slot,
    words: &Words,
    reader: &Reader<'_>,
    taken: &[Range<usize>],
    whole: bool,
) -> Result<Parsed, Invalid> {
    let invalid = || Invalid::response(invalid_name(&slot.kind));
    let said = Said {
        reader,
        words,
        taken,
        whole,
    };
    let (value, span) = match &slot.kind {
        SlotKind::Text {
            pattern,
            min_length,
            max_length,
        } => {
            let (value, span) = match pattern {
                Some(pattern) => {
                    let span = text::find_match(pattern, &words.text, taken)
                        .ok_or_else(|| Invalid::response("invalid_match"))?;
                    (words.text[span.clone()].to_owned(), span)
                }
                None => (words.raw.clone(), 0..words.text.len()),
            };
            let length = value.chars().count();
            if let Some(min) = min_length.filter(|min| length < *min) {
                return Err(Invalid::with("invalid_min_length", "min_length", min));
            }
            if let Some(max) = max_length.filter(|max| length > *max) {
                return Err(Invalid::with("invalid_max_length", "max_length", max));
            }
            (Value::from(value), span)
        }
        SlotKind::Integer { .. } | SlotKind::Number { .. } => {
            let (value, span) = pick_number(&slot.kind, said.numbers())?;
            check_range(&slot.kind, &value)?;
            (value, span)
        }
        SlotKind::Boolean => {
            let yes = crate::step::commands::yes_or_no(&words.text).ok_or_else(invalid)?;
            (Value::from(yes.yes), yes.span)
        }
        SlotKind::Date => {
            let (date, span) = said.date().ok_or_else(invalid)?;
            (Value::from(date.to_string()), span)
        }
        SlotKind::Time => {
            let (time, span) = said.time().ok_or_else(invalid)?;
            (Value::from(time.strftime("%H:%M").to_string()), span)
        }
        SlotKind::DateTime => {
            let (at, span) = said.instant().ok_or_else(invalid)?;
            let written = at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
            (Value::from(written), span)
        }
        SlotKind::Email | SlotKind::Phone | SlotKind::Url => {
            let (address, span) = said.address(&slot.kind).ok_or_else(invalid)?;
            (Value::from(address), span)
        }
        SlotKind::List => {
            let items: Vec<Value> = text::items(&words.raw)
                .into_iter()
                .map(Value::from)
                .collect();
            if items.is_empty() {
                return Err(invalid());
            }
            (Value::Array(items), 0..words.text.len())
        }
        SlotKind::Choice { .. } | SlotKind::Object | SlotKind::File { .. } => return Err(invalid()),
    };
    let exact = normal::fold(&words.text).len() <= span.len();
    Ok(Parsed { value, span, exact })
}

/// The one number that fits the slot.
fn pick_number(
    kind: &SlotKind,
    found: Vec<(f64, Range<usize>)>,
) -> Result<(Value, Range<usize>), Invalid> {
    let integer = matches!(kind, SlotKind::Integer { .. });
    let invalid = || Invalid::response(invalid_name(kind));
    let values: Vec<(Value, Range<usize>)> = found
        .into_iter()
        .filter_map(|(number, span)| Some((number_value(number, integer)?, span)))
        .collect();
    let fitting: Vec<&(Value, Range<usize>)> = values
        .iter()
        .filter(|(value, _)| check_range(kind, value).is_ok())
        .collect();
    match (fitting.as_slice(), values.as_slice()) {
        ([one], _) => Ok((*one).clone()),
        ([], [one]) => Ok(one.clone()),
        ([first, rest @ ..], _) if rest.iter().all(|other| other.0 == first.0) => {
            Ok((*first).clone())
        }
        _ => Err(invalid()),
    }
}

fn number_value(value: f64, integer: bool) -> Option<Value> {
    if !value.is_finite() {
        return None;
    }
    if value.fract() == 0.0 && value.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Some(Value::from(value as i64));
    }
    if integer {
        return None;
    }
    Some(Value::from(value))
}

fn check_range(kind: &SlotKind, value: &Value) -> Result<(), Invalid> {
    match kind {
        SlotKind::Integer { min, max } => {
            let Some(number) = value.as_i64() else {
                return Err(Invalid::response("invalid_integer"));
            };
            if let Some(min) = min.filter(|min| number < *min) {
                return Err(Invalid::with("invalid_min", "min", min));
            }
            if let Some(max) = max.filter(|max| number > *max) {
                return Err(Invalid::with("invalid_max", "max", max));
            }
        }
        SlotKind::Number { min, max } => {
            let Some(number) = value.as_f64() else {
                return Err(Invalid::response("invalid_number"));
            };
            if let Some(min) = min.filter(|min| number < *min) {
                return Err(Invalid::with("invalid_min", "min", min));
            }
            if let Some(max) = max.filter(|max| number > *max) {
                return Err(Invalid::with("invalid_max", "max", max));
            }
        }
        _ => {}
    }
    Ok(())
}

fn file(files: &[Media], accept: &[String], max_mb: Option<f64>) -> Result<Parsed, Invalid> {
    let Some(first) = files.first() else {
        return Err(Invalid::response("invalid_file"));
    };
    let Some(media) = files.iter().find(|m| accepts(accept, m)) else {
        let mut it = Map::new();
        it.insert("accept".into(), Value::from(accept.join(", ")));
        it.insert(
            "name".into(),
            Value::from(first.name.clone().unwrap_or_default()),
        );
        return Err(Invalid::Response {
            name: "invalid_accept",
            it,
        });
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "a size for a comparison with megabytes"
    )]
    let size = media.size.unwrap_or(0) as f64;
    if let Some(max) = max_mb.filter(|max| size > max * 1_000_000.0) {
        return Err(Invalid::with("invalid_max_mb", "max_mb", trim_float(max)));
    }
    let value = serde_json::to_value(media).unwrap_or(Value::Null);
    Ok(Parsed {
        value,
        span: 0..0,
        exact: false,
    })
}

/// 10 rather than 10.0 in a text.
fn trim_float(value: f64) -> Value {
    number_value(value, false).unwrap_or(Value::Null)
}

fn accepts(accept: &[String], media: &Media) -> bool {
    if accept.is_empty() {
        return true;
    }
    let mime = media
        .mime
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    let name = media.name.as_deref().unwrap_or("").to_ascii_lowercase();
    accept.iter().any(|want| {
        let want = want.trim().to_ascii_lowercase();
        if want == "*/*" || want == "*" {
            return true;
        }
        if let Some(kind) = want.strip_suffix("/*") {
            return mime.split('/').next() == Some(kind);
        }
        if want.starts_with('.') {
            return name.ends_with(&want);
        }
        mime == want
    })
}

/// The built-in response that says what a slot of this type takes.
#[must_use]
pub fn invalid_name(kind: &SlotKind) -> &'static str {
    match kind {
        SlotKind::Text {
            pattern: Some(_), ..
        } => "invalid_match",
        SlotKind::Text { .. } => "invalid_text",
        SlotKind::Integer { .. } => "invalid_integer",
        SlotKind::Number { .. } => "invalid_number",
        SlotKind::Boolean => "invalid_boolean",
        SlotKind::Date => "invalid_date",
        SlotKind::Time => "invalid_time",
        SlotKind::DateTime => "invalid_datetime",
        SlotKind::Email => "invalid_email",
        SlotKind::Phone => "invalid_phone",
        SlotKind::Url => "invalid_url",
        SlotKind::Choice { .. } | SlotKind::Object => "invalid_choice",
        SlotKind::File { .. } => "invalid_file",
        SlotKind::List => "invalid_list",
    }
}

#[cfg(test)]
mod tests;
