//! Values from flows, services and scripts, fitted to a slot's type.

use jiff::civil;
use tandem_domain::Value;

use super::{Invalid, invalid_name, number_value};
use crate::model::SlotKind;

/// The value as this type has it. `null` stays `null`: an empty slot. Limits such as `min` hold
/// for customers' answers only.
///
/// # Errors
/// [`Invalid`] names the type's built-in response where the value cannot be of it.
pub fn coerce(kind: &SlotKind, value: &Value) -> Result<Value, Invalid> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let bad = || Invalid::response(invalid_name(kind));
    match kind {
        SlotKind::Text { .. }
        | SlotKind::Email
        | SlotKind::Phone
        | SlotKind::Url
        | SlotKind::Time => match value {
            Value::String(_) => Ok(value.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(Value::from(value.to_string())),
            _ => Err(bad()),
        },
        SlotKind::Integer { .. } => number(value)
            .and_then(|n| number_value(n, true))
            .ok_or_else(bad),
        SlotKind::Number { .. } => number(value)
            .and_then(|n| number_value(n, false))
            .ok_or_else(bad),
        SlotKind::Boolean => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Ok(Value::Bool(true)),
                "false" | "no" | "0" => Ok(Value::Bool(false)),
                _ => Err(bad()),
            },
            Value::Number(n) => match n.as_i64() {
                Some(1) => Ok(Value::Bool(true)),
                Some(0) => Ok(Value::Bool(false)),
                _ => Err(bad()),
            },
            _ => Err(bad()),
        },
        SlotKind::Date => {
            let text = value.as_str().ok_or_else(bad)?.trim();
            let day = text.get(..10).unwrap_or(text);
            day.parse::<civil::Date>()
                .map(|date| Value::from(date.to_string()))
                .map_err(|_| bad())
        }
        SlotKind::DateTime => match value {
            Value::String(_) => Ok(value.clone()),
            _ => Err(bad()),
        },
        SlotKind::Choice { options } => match value {
            Value::String(text) if options.contains_key(text) => Ok(value.clone()),
            Value::Number(_) | Value::Bool(_) if options.contains_key(&value.to_string()) => {
                Ok(Value::from(value.to_string()))
            }
            _ => Err(bad()),
        },
        SlotKind::List => match value {
            Value::Array(_) => Ok(value.clone()),
            other => Ok(Value::Array(vec![other.clone()])),
        },
        SlotKind::Object if value.is_object() => Ok(value.clone()),
        SlotKind::Object => Err(bad()),
        SlotKind::File { .. } => Ok(value.clone()),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => {
            let text = text.trim();
            let plain = !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E'));
            if plain { text.parse().ok() } else { None }
        }
        _ => None,
    }
}
