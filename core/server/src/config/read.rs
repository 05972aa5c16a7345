//! From a [`Node`] to a typed value, with the place of whatever does not fit.

use serde::{
    de::{self, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::{
    problem::Problem,
    tree::{Entry, Node, Value},
};

/// Reads a typed value.
pub(super) fn read<T: de::DeserializeOwned>(node: &Node) -> Result<T, Problem> {
    T::deserialize(Reader {
        node,
        path: Vec::new(),
    })
    .map_err(|problem| problem.within(&node.place, &[]))
}

struct Reader<'a> {
    node: &'a Node,
    path: Vec<String>,
}

impl<'a> Reader<'a> {
    fn below(&self, node: &'a Node, step: String) -> Self {
        let mut path = self.path.clone();
        path.push(step);
        Self { node, path }
    }

    /// An environment variable says what it is only by what is wanted of it.
    fn raw(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Raw(text) => Some(text),
            _ => None,
        }
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let place = self.node.place.clone();
        let path = self.path.clone();
        match self.raw() {
            Some(text) => match (text.trim().parse::<i64>(), text.trim().parse::<f64>()) {
                (Ok(whole), _) => whole_number(whole, visitor),
                (_, Ok(number)) => visitor.visit_f64(number),
                _ => Err(de::Error::invalid_type(de::Unexpected::Str(""), &visitor)),
            }
            .map_err(|problem: Problem| problem.within(&place, &path)),
            None => self.deserialize_any_inner(visitor),
        }
    }

    fn deserialize_any_inner<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let node = self.node;
        let path = self.path.clone();
        match &node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Whole(value) => whole_number(*value, visitor),
            Value::Number(value) => visitor.visit_f64(*value),
            Value::Text(text) | Value::Raw(text) => visitor.visit_str(text),
            Value::List(items) => visitor.visit_seq(List {
                reader: self,
                items,
                next: 0,
            }),
            Value::Map(entries) => visitor.visit_map(Map {
                reader: self,
                entries: entries.iter(),
                open: None,
            }),
        }
        .map_err(|problem: Problem| problem.within(&node.place, &path))
    }
}

fn whole_number<'de, V: Visitor<'de>>(value: i64, visitor: V) -> Result<V::Value, Problem> {
    match u64::try_from(value) {
        Ok(value) => visitor.visit_u64(value),
        Err(_) => visitor.visit_i64(value),
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_any_inner(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.raw().map(|text| text.trim().to_ascii_lowercase()) {
            Some(word) if ["true", "yes", "on", "1"].contains(&word.as_str()) => {
                visitor.visit_bool(true)
            }
            Some(word) if ["false", "no", "off", "0"].contains(&word.as_str()) => {
                visitor.visit_bool(false)
            }
            _ => self.deserialize_any_inner(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            Value::Raw(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.raw() {
            // `a, b` in a variable is a list.
            Some(text) => {
                let items: Vec<Node> = text
                    .split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Node::new(Value::Raw(item.to_owned()), self.node.place.clone()))
                    .collect();
                let place = self.node.place.clone();
                let path = self.path.clone();
                visitor
                    .visit_seq(List {
                        reader: self,
                        items: &items,
                        next: 0,
                    })
                    .map_err(|problem: Problem| problem.within(&place, &path))
            }
            None if matches!(self.node.value, Value::Null) => visitor.visit_seq(List {
                reader: self,
                items: &[],
                next: 0,
            }),
            None => self.deserialize_any_inner(visitor),
        }
    }

    /// A heading with nothing under it is a group of nothing: people comment out what they don't
    /// change.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let node = self.node;
        match &node.value {
            Value::Map(_) => self.deserialize_any_inner(visitor),
            Value::Null => {
                let path = self.path.clone();
                visitor
                    .visit_map(Map {
                        reader: self,
                        entries: [].iter(),
                        open: None,
                    })
                    .map_err(|problem: Problem| problem.within(&node.place, &path))
            }
            // The derived reading of a group would take a list for one.
            Value::List(_) => {
                let problem: Problem = de::Error::invalid_type(de::Unexpected::Seq, &visitor);
                Err(problem.within(&node.place, &self.path))
            }
            _ => self.deserialize_any_inner(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let node = self.node;
        let path = self.path.clone();
        match &node.value {
            Value::Text(word) | Value::Raw(word) => {
                let word: StrDeserializer<'_, Problem> = word.as_str().into_deserializer();
                de::Deserializer::deserialize_enum(word, name, variants, visitor)
            }
            Value::Map(entries) => visitor.visit_enum(de::value::MapAccessDeserializer::new(Map {
                reader: self,
                entries: entries.iter(),
                open: None,
            })),
            _ => self.deserialize_any_inner(visitor),
        }
        .map_err(|problem: Problem| problem.within(&node.place, &path))
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.number(visitor)
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

struct List<'a, 'n> {
    reader: Reader<'a>,
    items: &'n [Node],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for List<'_, '_> {
    type Error = Problem;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some(node) = self.items.get(self.next) else {
            return Ok(None);
        };
        let mut path = self.reader.path.clone();
        path.push(self.next.to_string());
        self.next += 1;
        let own = path.clone();
        seed.deserialize(Reader { node, path })
            .map(Some)
            .map_err(|problem| problem.within(&node.place, &own))
    }
}

struct Map<'a> {
    reader: Reader<'a>,
    entries: std::slice::Iter<'a, Entry>,
    open: Option<&'a Entry>,
}

impl<'de> de::MapAccess<'de> for Map<'_> {
    type Error = Problem;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.open = Some(entry);
        let key: StrDeserializer<'_, Problem> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|problem: Problem| {
            let mut path = self.reader.path.clone();
            path.push(entry.key.clone());
            problem.within(&entry.place, &path)
        })
    }

    fn next_value_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Problem> {
        let entry = self
            .open
            .take()
            .expect("serde asks for a value after its key");
        let reader = self.reader.below(&entry.node, entry.key.clone());
        let path = reader.path.clone();
        seed.deserialize(reader)
            .map_err(|problem| problem.within(&entry.node.place, &path))
    }
}
