//! A configuration as written: values with the place each one comes from, so that a mistake found
//! late still points at its line.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Unexpected, Visitor},
};
use serde_yaml::Spanned;

/// Where something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    #[default]
    Unknown,
    /// Both from 1; the column counts characters.
    File { line: u32, column: u32 },
    /// An environment variable.
    Variable(String),
    /// Another file as a whole, which the configuration leads to.
    Beside(String),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// From an environment variable: what it is depends on what is wanted.
    Raw(String),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

/// What a value is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    Switch,
    Number,
    Count,
    Text,
    List,
    Map,
}

impl Kind {
    pub fn of(found: &Unexpected<'_>) -> Self {
        match found {
            Unexpected::Bool(_) => Self::Switch,
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => Self::Number,
            Unexpected::Seq => Self::List,
            Unexpected::Map => Self::Map,
            Unexpected::Unit | Unexpected::Option => Self::Nothing,
            _ => Self::Text,
        }
    }

    pub fn en(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Switch => "true or false",
            Self::Number => "a number",
            Self::Count => "a whole number from 0",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a group of settings",
        }
    }

    pub fn zh(self) -> &'static str {
        match self {
            Self::Nothing => "空值",
            Self::Switch => "布尔值",
            Self::Number => "数字",
            Self::Count => "不小于 0 的整数",
            Self::Text => "文本",
            Self::List => "列表",
            Self::Map => "一组设置",
        }
    }
}

impl Node {
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place }
    }

    pub fn get(&self, step: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == step).map(|e| &e.node),
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Where the path was written, or the nearest thing above it that was.
    pub fn place_of(&self, path: &[String]) -> Place {
        let mut node = self;
        let mut place = self.place.clone();
        for step in path {
            match node.get(step) {
                Some(next) => {
                    node = next;
                    place = next.place.clone();
                }
                None => break,
            }
        }
        place
    }

    /// Takes out what stands at the path. False when nothing does.
    pub fn remove(&mut self, path: &[String]) -> bool {
        let Some((step, rest)) = path.split_first() else {
            return false;
        };
        match &mut self.value {
            Value::Map(entries) => {
                let Some(at) = entries.iter().position(|e| &e.key == step) else {
                    return false;
                };
                if rest.is_empty() {
                    entries.remove(at);
                    return true;
                }
                entries[at].node.remove(rest)
            }
            Value::List(items) => {
                let Some(at) = step.parse::<usize>().ok().filter(|at| *at < items.len()) else {
                    return false;
                };
                if rest.is_empty() {
                    items.remove(at);
                    return true;
                }
                items[at].remove(rest)
            }
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self::new(spanned.value, place(&spanned.referenced)))
    }
}

fn place(location: &serde_yaml::Location) -> Place {
    match (location.line(), location.column()) {
        (0, _) => Place::Unknown,
        (line, column) => Place::File {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        },
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        // No setting is that large; as a number it is then refused by what it is for.
        Ok(i64::try_from(value).map_or(Value::Number(value as f64), Value::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                place: place(&key.referenced),
                key: key.value,
                node: map.next_value()?,
            });
        }
        Ok(Value::Map(entries))
    }
}
