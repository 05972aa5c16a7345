//! Whether what a flow hands over fits a method's schema. Only what is certain is a fault.

use serde_json::Value;

use super::schema::{Schema, View};

/// Levels of a value that are looked at.
const DEPTH: usize = 32;

/// A kind of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    Number,
    Boolean,
    List,
    Map,
    Null,
}

impl Kind {
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "string" => Self::Text,
            "integer" => Self::Whole,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "array" => Self::List,
            "object" => Self::Map,
            "null" => Self::Null,
            _ => return None,
        })
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(n) if n.as_f64().is_some_and(|n| n.fract() == 0.0) => Self::Whole,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Map,
        }
    }

    /// Whether a value of this kind is one of `wanted`. A number of which nothing more is known may
    /// be a whole one.
    fn is(self, wanted: Self, literal: bool) -> bool {
        self == wanted
            || (self == Self::Whole && wanted == Self::Number)
            || (self == Self::Number && wanted == Self::Whole && !literal)
    }

    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "文本"),
            Self::Whole => ("a whole number", "整数"),
            Self::Number => ("a number", "数字"),
            Self::Boolean => ("true or false", "布尔值"),
            Self::List => ("a list", "列表"),
            Self::Map => ("a map", "映射"),
            Self::Null => ("nothing", "空值"),
        }
    }
}

/// A value as far as it is known before anything runs; `P` is where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Given<P> {
    pub at: P,
    pub what: What<P>,
}

#[derive(Clone, Debug)]
pub(crate) enum What<P> {
    /// Computed, of one kind.
    Some(Kind),
    /// Computed, of any kind.
    Any,
    Literal(Value),
    List(Vec<Given<P>>),
    /// Name, where the name stands, value.
    Map(Vec<(String, P, Given<P>)>),
}

impl<P> Given<P> {
    pub fn any(at: P) -> Self {
        Self {
            at,
            what: What::Any,
        }
    }

    pub fn some(at: P, kind: Kind) -> Self {
        Self {
            at,
            what: What::Some(kind),
        }
    }

    pub fn literal(at: P, value: Value) -> Self {
        Self {
            at,
            what: What::Literal(value),
        }
    }

    pub fn map(at: P, pairs: Vec<(String, P, Self)>) -> Self {
        Self {
            at,
            what: What::Map(pairs),
        }
    }

    pub fn list(at: P, items: Vec<Self>) -> Self {
        Self {
            at,
            what: What::List(items),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.what, What::Literal(Value::Null))
    }

    /// Its kind, and whether it stands there as it is.
    fn kind(&self) -> Option<(Kind, bool)> {
        match &self.what {
            What::Any => None,
            What::Some(kind) => Some((*kind, false)),
            What::Literal(value) => Some((Kind::of_value(value), true)),
            What::List(_) => Some((Kind::List, true)),
            What::Map(_) => Some((Kind::Map, true)),
        }
    }
}

/// Something a method would refuse.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault<P> {
    /// A field that is needed; the names say where: empty at the top, else the path to the map.
    Missing { at: P, name: String },
    /// A field that the schema does not name. `refused`: the method does not take it.
    Unknown {
        at: P,
        name: String,
        known: Vec<String>,
        refused: bool,
    },
    /// A value of another kind.
    Kind {
        at: P,
        is: Kind,
        wanted: Vec<Kind>,
        /// As it stands there.
        literal: Option<String>,
    },
    /// A literal that is of the right kind and does not fit all the same.
    Value {
        at: P,
        shown: String,
        en: String,
        zh: String,
    },
}

/// Everything about `given` that `schema` certainly refuses.
pub(crate) fn faults<P: Clone>(schema: &Schema, given: &Given<P>) -> Vec<Fault<P>> {
    let mut found = Vec::new();
    hold(View::of(schema), given, DEPTH, &mut found);
    found
}

fn hold<P: Clone>(schema: View<'_>, given: &Given<P>, depth: usize, found: &mut Vec<Fault<P>>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    if schema.object().is_none() {
        return;
    }
    if let (Some(wanted), Some((is, literal))) = (schema.kinds(), given.kind())
        && !wanted.iter().any(|wanted| is.is(*wanted, literal))
    {
        let literal = match &given.what {
            What::Literal(value) => Some(shown(value)),
            _ => None,
        };
        found.push(Fault::Kind {
            at: given.at.clone(),
            is,
            wanted,
            literal,
        });
        return;
    }
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        for one in all {
            hold(schema.at(one), given, depth, found);
        }
    }
    for key in ["anyOf", "oneOf"] {
        let Some(ways) = schema.get(key).and_then(Value::as_array) else {
            continue;
        };
        let mut first: Option<Vec<Fault<P>>> = None;
        let none_fits = ways.iter().all(|way| {
            let mut inner = Vec::new();
            hold(schema.at(way), given, depth, &mut inner);
            inner.retain(Fault::is_certain);
            let fails = !inner.is_empty();
            first.get_or_insert(inner);
            fails
        });
        if none_fits {
            found.extend(first.unwrap_or_default());
        }
    }
    match &given.what {
        What::Any | What::Some(_) => {}
        What::Literal(value) => literal(schema, value, &given.at, found),
        What::List(items) => {
            let same = !schema.has("prefixItems");
            if let Some(each) = schema.get("items").filter(|_| same) {
                for item in items {
                    hold(schema.at(each), item, depth, found);
                }
            }
        }
        What::Map(pairs) => map(schema, pairs, given, depth, found),
    }
}

fn map<P: Clone>(
    schema: View<'_>,
    pairs: &[(String, P, Given<P>)],
    given: &Given<P>,
    depth: usize,
    found: &mut Vec<Fault<P>>,
) {
    let none = serde_json::Map::new();
    let properties = schema.properties().unwrap_or(&none);
    let refused = schema.is_closed();
    let known: Vec<String> = properties.keys().cloned().collect();
    let all_named = refused || schema.promised().is_some();
    for (name, at, value) in pairs {
        match schema.property(name) {
            Some(field) => hold(field, value, depth, found),
            None if all_named => found.push(Fault::Unknown {
                at: at.clone(),
                name: name.clone(),
                known: known.clone(),
                refused,
            }),
            None => {}
        }
    }
    for name in schema.required() {
        if !pairs.iter().any(|(given, ..)| given == name) {
            found.push(Fault::Missing {
                at: given.at.clone(),
                name: name.to_owned(),
            });
        }
    }
}

/// What a schema says of values beyond their kind.
fn literal<P: Clone>(schema: View<'_>, value: &Value, at: &P, found: &mut Vec<Fault<P>>) {
    let mut fault = |en: String, zh: String| {
        found.push(Fault::Value {
            at: at.clone(),
            shown: shown(value),
            en,
            zh,
        });
    };
    if let Some(options) = schema.get("enum").and_then(Value::as_array)
        && !options.iter().any(|option| same(option, value))
    {
        let list: Vec<String> = options.iter().take(20).map(shown).collect();
        return fault(
            format!("it is one of {}", list.join(", ")),
            format!("应为以下之一：{}", list.join("、")),
        );
    }
    if let Some(only) = schema.get("const")
        && !same(only, value)
    {
        return fault(
            format!("it is always {}", shown(only)),
            format!("只能是 {}", shown(only)),
        );
    }
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let Some(n) = value.as_f64() {
        type Limit = (
            &'static str,
            fn(f64, f64) -> bool,
            &'static str,
            &'static str,
        );
        let limits: [Limit; 4] = [
            ("minimum", |n, l| n < l, "at least", "不小于"),
            ("exclusiveMinimum", |n, l| n <= l, "above", "大于"),
            ("maximum", |n, l| n > l, "at most", "不大于"),
            ("exclusiveMaximum", |n, l| n >= l, "below", "小于"),
        ];
        for (key, breaks, en, zh) in limits {
            if let Some(limit) = number(key).filter(|limit| breaks(n, *limit)) {
                return fault(format!("it is {en} {limit}"), format!("应{zh} {limit}"));
            }
        }
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as f64;
        if let Some(least) = number("minLength").filter(|least| length < *least) {
            return fault(
                format!("it has at least {least} characters"),
                format!("至少 {least} 个字符"),
            );
        }
        if let Some(most) = number("maxLength").filter(|most| length > *most) {
            return fault(
                format!("it has at most {most} characters"),
                format!("最多 {most} 个字符"),
            );
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && plain_pattern(pattern).is_some_and(|re| !re.is_match(text))
        {
            fault(format!("it matches {pattern}"), format!("应符合 {pattern}"));
        }
    }
}

/// A pattern that means the same here as in the language of JSON Schema: one with classes or
/// assertions of its own may not.
fn plain_pattern(pattern: &str) -> Option<regex::Regex> {
    let mut escaped = false;
    for c in pattern.chars() {
        if escaped && c.is_alphanumeric() && c != 'd' {
            return None;
        }
        escaped = c == '\\' && !escaped;
    }
    crate::load::build::pattern(pattern).ok()
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let short: String = text.chars().take(40).collect();
    let end = if short.len() < text.len() { "…" } else { "" };
    format!("`{short}{end}`")
}

impl<P> Fault<P> {
    /// Whether the method refuses the value for it.
    pub fn is_certain(&self) -> bool {
        !matches!(self, Self::Unknown { refused: false, .. })
    }
}
