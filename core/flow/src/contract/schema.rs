//! A JSON Schema, and what is certain about it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fit::Kind;

/// References followed from one place.
const REFERENCES: usize = 16;

/// A JSON Schema of a plugin's method.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema(Value);

/// The fields of an object whose schema names them all: name → type as slots name it, `any` where
/// it is not known.
pub type Fields = BTreeMap<String, String>;

impl Schema {
    #[must_use]
    pub fn new(schema: Value) -> Self {
        Self(schema)
    }

    /// The fields of the object it describes, where it describes one and names its fields. A field
    /// that no `properties` names may still come where the schema says nothing against it; it is
    /// not promised.
    #[must_use]
    pub fn fields(&self) -> Option<Fields> {
        let root = View::of(self);
        let properties = root.promised()?;
        Some(
            properties
                .keys()
                .map(|name| {
                    let ty = root.property(name).map_or("any", |field| field.slot_type());
                    (name.clone(), ty.to_owned())
                })
                .collect(),
        )
    }

    /// The one kind of value it describes.
    pub(crate) fn kind(&self) -> Option<Kind> {
        View::of(self).kind()
    }
}

/// A place in a schema.
#[derive(Clone, Copy)]
pub(super) struct View<'s> {
    root: &'s Value,
    here: &'s Value,
}

impl<'s> View<'s> {
    pub fn of(schema: &'s Schema) -> Self {
        Self {
            root: &schema.0,
            here: &schema.0,
        }
        .resolved()
    }

    /// Behind its references inside the same schema. One that leads elsewhere, or in a circle, is
    /// a schema that says nothing.
    fn resolved(mut self) -> Self {
        const NOTHING: &Value = &Value::Bool(true);
        for _ in 0..REFERENCES {
            let Some(reference) = self.here.get("$ref") else {
                return self;
            };
            let target = reference
                .as_str()
                .and_then(|r| r.strip_prefix('#'))
                .and_then(|pointer| self.root.pointer(pointer));
            // What stands beside a reference would have to hold too: say nothing then.
            let alone = self.here.as_object().is_some_and(|o| {
                o.keys()
                    .all(|k| matches!(k.as_str(), "$ref" | "title" | "description" | "default"))
            });
            self.here = target.filter(|_| alone).unwrap_or(NOTHING);
        }
        Self {
            here: NOTHING,
            ..self
        }
    }

    pub fn at(self, here: &'s Value) -> Self {
        Self { here, ..self }.resolved()
    }

    pub fn object(self) -> Option<&'s Map<String, Value>> {
        self.here.as_object()
    }

    pub fn get(self, key: &str) -> Option<&'s Value> {
        self.here.get(key)
    }

    pub fn has(self, key: &str) -> bool {
        self.here.get(key).is_some()
    }

    /// The kinds of value it may be; none where it does not say, or in words nobody knows.
    pub fn kinds(self) -> Option<Vec<Kind>> {
        match self.get("type")? {
            Value::String(word) => Some(vec![Kind::of(word)?]),
            Value::Array(words) if !words.is_empty() => {
                words.iter().map(|word| Kind::of(word.as_str()?)).collect()
            }
            _ => None,
        }
    }

    /// The one kind it may be, null aside.
    pub fn kind(self) -> Option<Kind> {
        let mut kinds = self.kinds()?;
        kinds.retain(|k| *k != Kind::Null);
        (kinds.len() == 1).then(|| kinds[0])
    }

    pub fn properties(self) -> Option<&'s Map<String, Value>> {
        self.get("properties")?.as_object()
    }

    pub fn property(self, name: &str) -> Option<Self> {
        Some(self.at(self.properties()?.get(name)?))
    }

    pub fn required(self) -> impl Iterator<Item = &'s str> {
        self.get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }

    /// Whether a field that `properties` does not name is refused.
    pub fn is_closed(self) -> bool {
        self.get("additionalProperties") == Some(&Value::Bool(false))
            && !self.has("patternProperties")
    }

    /// The properties, where nothing says that there are others.
    pub fn promised(self) -> Option<&'s Map<String, Value>> {
        let others = [
            "allOf",
            "anyOf",
            "oneOf",
            "if",
            "patternProperties",
            "dependentSchemas",
            "$dynamicRef",
        ];
        if others.iter().any(|key| self.has(key)) {
            return None;
        }
        if !matches!(
            self.get("additionalProperties"),
            None | Some(Value::Bool(false))
        ) {
            return None;
        }
        self.properties().filter(|p| !p.is_empty())
    }

    fn slot_type(self) -> &'static str {
        let moment = matches!(
            self.get("format").and_then(Value::as_str),
            Some("date" | "date-time" | "time")
        );
        match self.kind() {
            Some(Kind::Text) if moment => "date",
            Some(Kind::Text) => "text",
            Some(Kind::Whole) => "integer",
            Some(Kind::Number) => "number",
            Some(Kind::Boolean) => "boolean",
            Some(Kind::List) => "list",
            Some(Kind::Map) => "object",
            _ => "any",
        }
    }
}
