//! JSON in and out of Lua.
//!
//! In: `null` is `nil` in an object and at the top (a missing field counts as none) and
//! `json.null` in an array, so that positions hold; arrays carry a mark, so that an empty one comes
//! out as one; integers beyond 2^53 become digit strings, because Lua's numbers are doubles.
//! Out: keys must be strings or 1…n; functions, coroutines, NaN and infinity are refused.

use mlua::{Lua, Table, Value as LuaValue};
use tandem_domain::{Map, Value};

use crate::{Limits, LuaError, error::ErrorKind};

/// Integers up to here are exact in a double.
const EXACT: i64 = 1 << 53;

/// The way to it would only repeat itself.
const ITSELF: &str = "is nested too deeply or holds itself";

/// What a value that comes out may still use.
struct Budget {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// Bytes of a state that one byte of a JSON document becomes at most: `[],` is three bytes, a table
/// and its place in a list that grows by doubling.
pub const SPREAD: usize = 64;
/// What is left besides in a state that has room.
const SPARE: usize = 64 << 10;

/// Runs `work`, which makes values in the state that take at most `bytes`. Where there is surely
/// room for them, no single one is made under protection, which would cost more than the value
/// itself; elsewhere the limit is watched as always.
pub fn making<T>(lua: &Lua, bytes: usize, work: impl FnOnce() -> T) -> T {
    let _room = Room::of(lua, bytes);
    work()
}

/// While it lives, the state's limit is not watched.
struct Room<'a> {
    lua: &'a Lua,
    limit: usize,
}

impl<'a> Room<'a> {
    /// None where the state may become full.
    fn of(lua: &'a Lua, bytes: usize) -> Option<Self> {
        let limit = lua.set_memory_limit(0).ok()?;
        let room = Self { lua, limit };
        let needed = bytes
            .saturating_add(SPARE)
            .saturating_add(lua.used_memory());
        (needed < limit).then_some(room)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        // It could be set before, so it can be now.
        let _ = self.lua.set_memory_limit(self.limit);
    }
}

/// A JSON value for Lua; `array` is the metatable that marks a list.
///
/// # Errors
/// When it is nested more than `depth` deep, or the state's memory is used up.
pub fn to_lua(lua: &Lua, array: &Table, value: &Value, depth: usize) -> Result<LuaValue, LuaError> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(flag) => LuaValue::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(int) if (-EXACT..=EXACT).contains(&int) => LuaValue::Number(int as f64),
            Some(int) => text(lua, &int.to_string())?,
            None if number.is_u64() => text(lua, &number.to_string())?,
            None => LuaValue::Number(number.as_f64().unwrap_or_default()),
        },
        Value::String(string) => text(lua, string)?,
        Value::Array(items) => {
            let depth = deeper(depth)?;
            let table = lua
                .create_table_with_capacity(items.len(), 0)
                .map_err(|e| full(&e))?;
            for (i, item) in items.iter().enumerate() {
                let item = match to_lua(lua, array, item, depth)? {
                    LuaValue::Nil => LuaValue::NULL,
                    item => item,
                };
                table.raw_set(i + 1, item).map_err(|e| full(&e))?;
            }
            table
                .set_metatable(Some(array.clone()))
                .map_err(|e| full(&e))?;
            LuaValue::Table(table)
        }
        Value::Object(fields) => {
            let depth = deeper(depth)?;
            let table = lua
                .create_table_with_capacity(0, fields.len())
                .map_err(|e| full(&e))?;
            for (key, field) in fields {
                let field = to_lua(lua, array, field, depth)?;
                if !field.is_nil() {
                    table
                        .raw_set(text(lua, key)?, field)
                        .map_err(|e| full(&e))?;
                }
            }
            LuaValue::Table(table)
        }
    })
}

/// A Lua value as JSON. `what` begins the message of a refusal: `"the result"`.
///
/// # Errors
/// When it is no JSON, or larger than the limits.
pub fn from_lua(
    value: &LuaValue,
    array: &Table,
    limits: &Limits,
    what: &str,
) -> Result<Value, LuaError> {
    let mut budget = Budget {
        nodes: limits.nodes,
        bytes: limits.bytes,
        depth: limits.depth,
    };
    read(value, array, &mut budget)
        .map_err(|reason| LuaError::bad_value(format!("{what} {reason}")))
}

fn read(value: &LuaValue, array: &Table, budget: &mut Budget) -> Result<Value, String> {
    budget.nodes = budget.nodes.checked_sub(1).ok_or("holds too many values")?;
    match value {
        LuaValue::Nil => Ok(Value::Null),
        LuaValue::Boolean(flag) => Ok(Value::Bool(*flag)),
        LuaValue::Integer(int) => Ok(Value::from(*int)),
        LuaValue::Number(number) => number_out(*number),
        LuaValue::String(string) => {
            let string = string
                .to_str()
                .map_err(|_| "holds text that is not UTF-8")?;
            budget.bytes = budget
                .bytes
                .checked_sub(string.len())
                .ok_or("is too large")?;
            Ok(Value::String((*string).to_owned()))
        }
        LuaValue::Table(table) => read_table(table, array, budget),
        null if null.is_null() => Ok(Value::Null),
        other => Err(format!("holds a {}", kind(other))),
    }
}

fn read_table(table: &Table, array: &Table, budget: &mut Budget) -> Result<Value, String> {
    budget.depth = budget.depth.checked_sub(1).ok_or(ITSELF)?;
    let marked = table.metatable().is_some_and(|meta| meta == *array);
    let mut items: Vec<(usize, Value)> = Vec::new();
    let mut fields = Map::new();
    let mut entry = |key: LuaValue, item: LuaValue| -> Result<(), String> {
        match key {
            LuaValue::String(key) => {
                let key = key.to_str().map_err(|_| "has a key that is not UTF-8")?;
                budget.bytes = budget.bytes.checked_sub(key.len()).ok_or("is too large")?;
                let item = read(&item, array, budget).map_err(|e| within(&key, e))?;
                fields.insert((*key).to_owned(), item);
            }
            LuaValue::Integer(int) => {
                let place = usize::try_from(int)
                    .ok()
                    .filter(|place| *place > 0)
                    .ok_or_else(|| format!("has the key {int}; lists start at 1"))?;
                items.push((place, read(&item, array, budget)?));
            }
            LuaValue::Number(number) => {
                return Err(format!("has the key {number}; keys are text"));
            }
            other => return Err(format!("has a {} as a key; keys are text", kind(&other))),
        }
        Ok(())
    };
    let mut wrong = None;
    let walked = table.for_each(|key, item| {
        entry(key, item).map_err(|reason| {
            wrong = Some(reason);
            // Any error ends the walk.
            mlua::Error::StackError
        })
    });
    if walked.is_err() {
        return Err(wrong.unwrap_or_else(|| "changed while it was read".to_owned()));
    }
    budget.depth += 1;
    if items.is_empty() {
        return match (marked, fields.is_empty()) {
            (true, true) => Ok(Value::Array(Vec::new())),
            (true, false) => Err("is a list with named fields".to_owned()),
            (false, _) => Ok(Value::Object(fields)),
        };
    }
    if !fields.is_empty() {
        return Err("mixes a list with named fields".to_owned());
    }
    items.sort_unstable_by_key(|(place, _)| *place);
    let whole = items
        .iter()
        .enumerate()
        .all(|(i, (place, _))| *place == i + 1);
    if !whole {
        return Err("is a list with holes; put json.null there".to_owned());
    }
    Ok(Value::Array(
        items.into_iter().map(|(_, item)| item).collect(),
    ))
}

fn number_out(number: f64) -> Result<Value, String> {
    if number.is_nan() {
        return Err("holds a number that is not a number".to_owned());
    }
    if number.is_infinite() {
        return Err("holds an infinite number".to_owned());
    }
    if number.fract() == 0.0 && number.abs() <= EXACT as f64 {
        return Ok(Value::from(number as i64));
    }
    Ok(Value::from(number))
}

/// Names the way to the culprit: `.lines.price holds a function`.
fn within(key: &str, reason: String) -> String {
    if reason.len() > 200 || key.len() > 40 || reason.ends_with(ITSELF) {
        return reason;
    }
    match reason.strip_prefix("at ") {
        Some(rest) => format!("at {key}.{rest}"),
        None => format!("at {key} {reason}"),
    }
}

fn kind(value: &LuaValue) -> &'static str {
    match value {
        LuaValue::LightUserData(_) | LuaValue::UserData(_) | LuaValue::Other(_) => "userdata",
        LuaValue::Thread(_) => "coroutine",
        LuaValue::Error(_) => "error object",
        other => other.type_name(),
    }
}

fn deeper(depth: usize) -> Result<usize, LuaError> {
    depth
        .checked_sub(1)
        .ok_or_else(|| LuaError::bad_value("the argument is nested too deeply"))
}

fn text(lua: &Lua, string: &str) -> Result<LuaValue, LuaError> {
    lua.create_string(string)
        .map(LuaValue::String)
        .map_err(|e| full(&e))
}

/// Building plain tables and strings fails for one reason only.
fn full(error: &mlua::Error) -> LuaError {
    match error {
        mlua::Error::MemoryError(_) => LuaError::memory(),
        other => LuaError::new(ErrorKind::Runtime, other.to_string()),
    }
}
