//! Filters, tests and the operators that rewritten sources call.

use minijinja::{
    Environment, Error, ErrorKind, State, Value,
    value::{Kwargs, Rest, ValueKind},
};
use unicode_segmentation::UnicodeSegmentation;

use super::{
    OUTPUT_MAX,
    dates::{self, Moment},
    value::{context, display},
};

/// What rewritten comparisons and operations call.
pub(super) const COMPARE: &str = "__compare";
pub(super) const OPERATE: &str = "__operate";

/// Longest list an expression makes.
const LIST_MAX: usize = 1_000;

/// Filters an expression may use.
pub const FILTERS: &[&str] = &[
    "abs",
    "bool",
    "capitalize",
    "count",
    "date",
    "datetime",
    "days_ago",
    "days_until",
    "default",
    "d",
    "dictsort",
    "first",
    "float",
    "int",
    "items",
    "join",
    "label",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "money",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "time",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "yesno",
];

/// Tests (`x is …`) an expression may use.
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "even",
    "false",
    "float",
    "in",
    "int",
    "integer",
    "iterable",
    "lower",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Functions an expression may call.
pub const FUNCTIONS: &[&str] = &["range"];

pub(super) fn install(env: &mut Environment<'static>) {
    use minijinja::{filters as f, tests as t};
    env.add_filter("abs", |v: Value| if empty(&v) { Ok(v) } else { f::abs(v) });
    env.add_filter("bool", |v: Value| v.is_true());
    env.add_filter("capitalize", |v: Value| {
        text(v, |s| {
            let mut chars = s.chars();
            chars.next().map_or_else(String::new, |first| {
                first
                    .to_uppercase()
                    .chain(chars.flat_map(char::to_lowercase))
                    .collect()
            })
        })
    });
    env.add_filter("date", date);
    env.add_filter("time", time);
    env.add_filter("datetime", datetime);
    env.add_filter("days_ago", |state: &State<'_, '_>, v: Value| {
        days(state, &v)
    });
    env.add_filter("days_until", |state: &State<'_, '_>, v: Value| {
        days(state, &v).map(|days| days.map(|d| -d))
    });
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("dictsort", f::dictsort);
    env.add_filter(
        "first",
        |v: Value| if empty(&v) { Ok(v) } else { f::first(&v) },
    );
    env.add_filter(
        "last",
        |v: Value| if empty(&v) { Ok(v) } else { f::last(v) },
    );
    env.add_filter("float", float);
    env.add_filter("int", |v: Value| {
        float(v).map(|v| f64::try_from(v).ok().map(whole))
    });
    env.add_filter(
        "items",
        |v: Value| if empty(&v) { Ok(v) } else { f::items(&v) },
    );
    env.add_filter("join", join);
    env.add_filter("label", label);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("lines", |v: Value| f::lines(&v));
    env.add_filter("list", f::list);
    env.add_filter("lower", |v: Value| text(v, |s| s.to_lowercase()));
    env.add_filter("map", f::map);
    env.add_filter("max", |state: &State<'_, '_>, v: Value, k: Kwargs| {
        f::max(state, sortable(v)?, k)
    });
    env.add_filter("min", |state: &State<'_, '_>, v: Value, k: Kwargs| {
        f::min(state, sortable(v)?, k)
    });
    env.add_filter("money", money);
    env.add_filter("reject", f::reject);
    env.add_filter("rejectattr", f::rejectattr);
    env.add_filter("replace", replace);
    env.add_filter(
        "reverse",
        |v: Value| if empty(&v) { Ok(v) } else { f::reverse(&v) },
    );
    env.add_filter("round", |v: Value, precision: Option<i32>, k: Kwargs| {
        if empty(&v) {
            Ok(v)
        } else {
            f::round(v, precision.map(|p| p.clamp(-18, 18)), None, k)
        }
    });
    env.add_filter("select", f::select);
    env.add_filter("selectattr", f::selectattr);
    env.add_filter("sort", |state: &State<'_, '_>, v: Value, k: Kwargs| {
        f::sort(state, sortable(v)?, k)
    });
    env.add_filter("split", |v: Value, by: Option<String>| {
        let text = display(&v);
        let parts: Vec<Value> = match by.as_deref() {
            None | Some("") => text
                .split_whitespace()
                .take(LIST_MAX)
                .map(Value::from)
                .collect(),
            Some(by) => text.split(by).take(LIST_MAX).map(Value::from).collect(),
        };
        Value::from(parts)
    });
    env.add_filter("string", |v: Value| display(&v));
    env.add_filter("sum", |state: &mut State<'_, '_>, v: Value| sum(state, &v));
    env.add_filter("title", |v: Value| text(v, |s| f::title(s.into())));
    env.add_filter("tojson", |v: Value| super::value::to_json(&v).to_string());
    env.add_filter("trim", |v: Value| text(v, |s| s.trim().to_owned()));
    env.add_filter("truncate", truncate);
    env.add_filter("unique", |state: &State<'_, '_>, v: Value, k: Kwargs| {
        f::unique(state, v, k)
    });
    env.add_filter("upper", |v: Value| text(v, |s| s.to_uppercase()));
    env.add_filter("yesno", yesno);

    env.add_test("boolean", t::is_boolean);
    env.add_test("defined", |v: Value| !empty(&v));
    env.add_test("divisibleby", t::is_divisibleby);
    env.add_test("endingwith", |v: Value, end: String| {
        display(&v).ends_with(&end)
    });
    env.add_test("even", |v: Value| v.as_i64().is_some_and(|i| i % 2 == 0));
    env.add_test("false", t::is_false);
    env.add_test("float", t::is_float);
    env.add_test("in", |v: Value, list: Value| contains(&list, &v));
    env.add_test("int", t::is_integer);
    env.add_test("integer", t::is_integer);
    env.add_test("iterable", t::is_iterable);
    env.add_test("lower", t::is_lower);
    env.add_test("mapping", t::is_mapping);
    env.add_test("none", |v: Value| empty(&v));
    env.add_test("number", t::is_number);
    env.add_test("odd", |v: Value| v.as_i64().is_some_and(|i| i % 2 != 0));
    env.add_test("sequence", t::is_sequence);
    env.add_test("startingwith", |v: Value, start: String| {
        display(&v).starts_with(&start)
    });
    env.add_test("string", t::is_string);
    env.add_test("true", t::is_true);
    env.add_test("undefined", |v: Value| empty(&v));
    env.add_test("upper", t::is_upper);

    env.add_function("range", range);
    env.add_function(COMPARE, compare);
    env.add_function(OPERATE, operate);
}

/// "yes" and "no" in the customer's language, or words of the author's own: `yesno('new', 'used')`.
/// An empty value stays empty.
fn yesno(state: &State<'_, '_>, value: Value, yes: Option<Value>, no: Option<Value>) -> Value {
    if empty(&value) {
        return value;
    }
    let chinese = context(state).is_some_and(|c| c.locale.language() == "zh");
    let (own, built_in) = match (value.is_true(), chinese) {
        (true, false) => (yes, "yes"),
        (true, true) => (yes, "是"),
        (false, false) => (no, "no"),
        (false, true) => (no, "否"),
    };
    own.unwrap_or_else(|| Value::from(built_in))
}

fn empty(value: &Value) -> bool {
    value.is_none() || value.is_undefined()
}

fn failed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, detail.into())
}

/// A text filter: none stays none, a result has the size of a message at most.
fn text(value: Value, change: impl Fn(&str) -> String) -> Value {
    if empty(&value) {
        return value;
    }
    let mut changed = change(&display(&value));
    cut(&mut changed);
    Value::from(changed)
}

fn cut(text: &mut String) {
    if text.len() > OUTPUT_MAX {
        let mut end = OUTPUT_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
}

fn too_large() -> Error {
    failed("the result would be too large")
}

/// `__compare(shown, a, '<', b, '<', c)`.
fn compare(state: &State<'_, '_>, args: Rest<Value>) -> Result<bool, Error> {
    let [shown, first, rest @ ..] = args.0.as_slice() else {
        return Err(failed("a comparison needs two sides"));
    };
    let mut left = first;
    for pair in rest.chunks_exact(2) {
        let (sign, right) = (pair[0].as_str().unwrap_or_default(), &pair[1]);
        let holds = match sign {
            "==" => same(left, right),
            "!=" => !same(left, right),
            "in" => contains(right, left),
            "not in" => !contains(right, left),
            _ => ordered(state, shown, sign, left, right),
        };
        if !holds {
            return Ok(false);
        }
        left = right;
    }
    Ok(true)
}

fn same(left: &Value, right: &Value) -> bool {
    if empty(left) || empty(right) {
        return empty(left) && empty(right);
    }
    left == right
}

fn contains(list: &Value, item: &Value) -> bool {
    match list.kind() {
        ValueKind::String => list
            .as_str()
            .zip(item.as_str())
            .is_some_and(|(list, item)| !item.is_empty() && list.contains(item)),
        ValueKind::Map => !empty(&list.get_item(item).unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => list
            .try_iter()
            .is_ok_and(|mut items| items.any(|i| same(&i, item))),
        _ => false,
    }
}

fn ordered(state: &State<'_, '_>, shown: &Value, sign: &str, left: &Value, right: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let note = |what: &str| {
        if let Some(context) = context(state) {
            context.note(format!("{}: {what}", display(shown)));
        }
    };
    match (empty(left), empty(right)) {
        (true, true) => {
            note("both sides are empty");
            return false;
        }
        (true, false) => {
            note("the left side is empty");
            return false;
        }
        (false, true) => {
            note("the right side is empty");
            return false;
        }
        (false, false) => {}
    }
    let order = match (left.kind(), right.kind()) {
        (ValueKind::Number, ValueKind::Number) | (ValueKind::Bool, ValueKind::Bool) => {
            Some(left.cmp(right))
        }
        (ValueKind::String, ValueKind::String) => {
            let (a, b) = (
                left.as_str().unwrap_or_default(),
                right.as_str().unwrap_or_default(),
            );
            let zone = context(state).map(|c| c.zone.clone());
            match (dates::parse_moment(a), dates::parse_moment(b), zone) {
                (Some(a), Some(b), Some(zone)) => Some(a.order(&b, &zone)),
                _ => Some(a.cmp(b)),
            }
        }
        _ => None,
    };
    let Some(order) = order else {
        note(&format!(
            "{} cannot be compared with {}",
            left.kind(),
            right.kind()
        ));
        return false;
    };
    match sign {
        "<" => order == Less,
        "<=" => order != Greater,
        ">" => order == Greater,
        ">=" => order != Less,
        _ => order == Equal,
    }
}

/// `__operate(a, '+', b)`: minijinja's meaning with caps.
fn operate(left: Value, sign: &str, right: Value) -> Result<Value, Error> {
    let lists = |v: &Value| matches!(v.kind(), ValueKind::Seq | ValueKind::Iterable);
    match sign {
        "~" => {
            let mut joined = display(&left);
            joined.push_str(&display(&right));
            if joined.len() > OUTPUT_MAX {
                Err(too_large())
            } else {
                Ok(Value::from(joined))
            }
        }
        "+" if left.kind() == ValueKind::String && right.kind() == ValueKind::String => {
            operate(left, "~", right)
        }
        "+" if lists(&left) && lists(&right) => {
            let both = left.try_iter()?.chain(right.try_iter()?);
            let items: Vec<Value> = both.take(LIST_MAX + 1).collect();
            if items.len() > LIST_MAX {
                Err(too_large())
            } else {
                Ok(Value::from(items))
            }
        }
        "*" if left.kind() == ValueKind::String || right.kind() == ValueKind::String => {
            let (text, times) = if left.kind() == ValueKind::String {
                (left, right)
            } else {
                (right, left)
            };
            let (text, times) = (display(&text), times.as_usize().unwrap_or(0));
            match text.len().checked_mul(times) {
                Some(size) if size <= OUTPUT_MAX => Ok(Value::from(text.repeat(times))),
                _ => Err(too_large()),
            }
        }
        _ => arithmetic(&left, sign, &right),
    }
}

fn arithmetic(left: &Value, sign: &str, right: &Value) -> Result<Value, Error> {
    let odd = || {
        failed(format!(
            "`{sign}` does not work on {} and {}",
            left.kind(),
            right.kind()
        ))
    };
    if left.kind() != ValueKind::Number || right.kind() != ValueKind::Number {
        return Err(odd());
    }
    if let (true, true, Some(a), Some(b)) = (
        left.is_integer(),
        right.is_integer(),
        left.as_i64(),
        right.as_i64(),
    ) {
        let result = match sign {
            "+" => a.checked_add(b),
            "*" => a.checked_mul(b),
            _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        };
        if let Some(result) = result {
            return Ok(Value::from(result));
        }
    }
    let (Ok(a), Ok(b)) = (f64::try_from(left.clone()), f64::try_from(right.clone())) else {
        return Err(odd());
    };
    let result = match sign {
        "+" => a + b,
        "*" => a * b,
        _ => a.powf(b),
    };
    if result.is_finite() {
        Ok(Value::from(result))
    } else {
        Err(too_large())
    }
}

fn range(first: i64, second: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (from, to) = second.map_or((0, first), |second| (first, second));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(failed("the step of a range is not 0"));
    }
    let mut items = Vec::new();
    let mut at = from;
    while if step > 0 { at < to } else { at > to } {
        if items.len() == LIST_MAX {
            return Err(failed(format!("a range has {LIST_MAX} numbers at most")));
        }
        items.push(Value::from(at));
        let Some(next) = at.checked_add(step) else {
            break;
        };
        at = next;
    }
    Ok(Value::from(items))
}

fn default(value: Value, args: Rest<Value>) -> Value {
    let lax = args.get(1).is_some_and(Value::is_true);
    if empty(&value) || (lax && !value.is_true()) {
        args.first().cloned().unwrap_or_else(|| Value::from(""))
    } else {
        value
    }
}

fn float(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => Ok(display(&value)
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|f| f.is_finite())
            .map_or_else(|| Value::from(()), Value::from)),
        ValueKind::Number | ValueKind::Bool => f64::try_from(value).map(Value::from),
        _ => Ok(Value::from(())),
    }
}

fn whole(number: f64) -> i64 {
    number.trunc() as i64
}

fn length(value: Value) -> Result<usize, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => Ok(0),
        ValueKind::String => Ok(display(&value).graphemes(true).count()),
        kind => value
            .len()
            .ok_or_else(|| failed(format!("{kind} has no length"))),
    }
}

fn join(value: Value, by: Option<String>) -> Result<Value, Error> {
    if empty(&value) {
        return Ok(Value::from(""));
    }
    let by = by.unwrap_or_default();
    let mut joined = String::new();
    for (at, item) in value.try_iter()?.enumerate() {
        if at > 0 {
            joined.push_str(&by);
        }
        joined.push_str(&display(&item));
        if joined.len() > OUTPUT_MAX {
            return Err(too_large());
        }
    }
    Ok(Value::from(joined))
}

fn replace(value: Value, from: String, to: String) -> Result<Value, Error> {
    if empty(&value) || from.is_empty() {
        return Ok(value);
    }
    let text = display(&value);
    let grown = text.len() + text.matches(&from).count() * to.len();
    if grown > OUTPUT_MAX {
        Err(too_large())
    } else {
        Ok(Value::from(text.replace(&from, &to)))
    }
}

fn sum(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let _ = state;
    if empty(value) {
        return Ok(Value::from(0));
    }
    value
        .try_iter()?
        .filter(|item| !empty(item))
        .try_fold(Value::from(0), |sum, item| arithmetic(&sum, "+", &item))
}

/// Lists of one kind only: minijinja orders different kinds by kind.
fn sortable(value: Value) -> Result<Value, Error> {
    if empty(&value) {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    value.try_iter()?;
    Ok(value)
}

fn truncate(value: Value, length: Option<usize>) -> Value {
    let length = length.unwrap_or(255).max(1);
    text(value, |s| {
        if s.graphemes(true).nth(length).is_none() {
            return s.to_owned();
        }
        let mut short: String = s.graphemes(true).take(length - 1).collect();
        short.truncate(short.trim_end().len());
        short.push('…');
        short
    })
}

fn label(state: &State<'_, '_>, value: Value, slot: Option<String>) -> Value {
    if empty(&value) {
        return value;
    }
    slot.and_then(|slot| context(state)?.label(&slot).map(Value::from))
        .unwrap_or(value)
}

fn moment(value: &Value) -> Option<Moment> {
    match value.kind() {
        ValueKind::String => parse_moment_of(value),
        // Milliseconds since 1970.
        ValueKind::Number => value
            .as_i64()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .map(Moment::Instant),
        _ => None,
    }
}

fn parse_moment_of(value: &Value) -> Option<Moment> {
    dates::parse_moment(value.as_str()?)
}

/// A moment as text; what is no moment stays as it is.
fn dated(
    state: &State<'_, '_>,
    value: Value,
    pattern: Option<&str>,
    write: fn(&Moment, &jiff::tz::TimeZone, &str) -> String,
) -> Result<Value, Error> {
    let (Some(moment), Some(context)) = (moment(&value), context(state)) else {
        return Ok(value);
    };
    let text = match pattern {
        None => write(&moment, &context.zone, context.locale.language()),
        Some(pattern) => dates::pattern(&moment, &context.zone, pattern).map_err(failed)?,
    };
    Ok(Value::from(text))
}

fn date(state: &State<'_, '_>, value: Value, pattern: Option<&str>) -> Result<Value, Error> {
    dated(state, value, pattern, dates::date)
}

fn time(state: &State<'_, '_>, value: Value, pattern: Option<&str>) -> Result<Value, Error> {
    dated(state, value, pattern, |m, zone, _| dates::time(m, zone))
}

fn datetime(state: &State<'_, '_>, value: Value, pattern: Option<&str>) -> Result<Value, Error> {
    dated(state, value, pattern, dates::datetime)
}

/// Days from the value's date to today; none of what is no date.
fn days(state: &State<'_, '_>, value: &Value) -> Result<Option<i64>, Error> {
    let (Some(moment), Some(context)) = (moment(value), context(state)) else {
        return Ok(None);
    };
    let today = context.now.to_jiff().to_zoned(context.zone.clone()).date();
    Ok(today
        .since((jiff::Unit::Day, moment.day(&context.zone)))
        .ok()
        .map(|span| i64::from(span.get_days())))
}

/// `€1,234.50`; whole yen; a code without a sign stands behind: `12.00 CHF`.
fn money(value: Value, currency: Option<&str>) -> Result<Value, Error> {
    let amount = float(value.clone())?;
    let Ok(amount) = f64::try_from(amount) else {
        return Ok(value);
    };
    let code = currency.unwrap_or_default().to_ascii_uppercase();
    let places = if code == "JPY" || code == "KRW" { 0 } else { 2 };
    let digits = format!("{:.places$}", amount.abs());
    let (whole, cents) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if !cents.is_empty() {
        grouped.push('.');
        grouped.push_str(cents);
    }
    let minus = if amount < 0.0 { "-" } else { "" };
    let sign = match code.as_str() {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        "CNY" | "JPY" => "¥",
        "KRW" => "₩",
        "INR" => "₹",
        _ => "",
    };
    Ok(Value::from(match (sign, code.as_str()) {
        ("", "") => format!("{minus}{grouped}"),
        ("", code) => format!("{minus}{grouped} {code}"),
        (sign, _) => format!("{minus}{sign}{grouped}"),
    }))
}
