//! How much work a schema can make of a value, found before it is used.
//!
//! A schema of a few lines may apply itself twice to each child of a value, and so be at work for
//! ever over a value some levels deep. What a plugin's process says is not trusted, and it says both
//! the schema and the value: such a schema is refused, and a value that a dear schema would take too
//! long over is not looked at.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::Said;

/// Applications of a schema or one of its parts along one path into a value.
const PATH_MAX: u64 = 10_000;
/// Levels of a value: the parser takes no more.
const DEPTH: usize = 128;
/// Applications over all of a value.
const VALUE_MAX: u64 = 1_000_000_000;
/// References that lead to references.
const CHAIN_MAX: usize = 128;
/// Parts of schemas that are looked at, level by level, for all of a manifest.
const LOOKS_MAX: usize = 2_000_000;

/// Keywords whose schemas apply where they stand.
const HERE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
const HERE_BY_NAME: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Those that apply to what an object or an array holds.
const OF_OBJECTS: [&str; 3] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
];
const OF_ARRAYS: [&str; 5] = [
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
];
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Values of these two hold others; all others are alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    Object,
    Array,
    Other,
}

/// What is left of the looks that a manifest's schemas are worth.
pub(crate) struct Looks(usize);

impl Default for Looks {
    fn default() -> Self {
        Self(LOOKS_MAX)
    }
}

/// The most work that a schema makes along one path of a value.
///
/// # Errors
/// When it is too much, or cannot be told because the schema leads out of itself.
pub(crate) fn of(schema: &Value, looks: &mut Looks) -> Result<u64, Said> {
    let Parts {
        count,
        anchors,
        plain,
    } = parts(schema)?;
    let dear = || {
        Said::new(
            format!("it applies itself or its parts more than {PATH_MAX} times to one value"),
            format!("它或它的部分对同一个值应用超过 {PATH_MAX} 次"),
        )
    };
    // Without a way to apply a part twice, no part is.
    let cost = if plain {
        count
    } else {
        let mut walk = Walk {
            root: schema,
            anchors,
            known: HashMap::new(),
            under_way: HashSet::new(),
            looks,
        };
        // Level by level, so that what leads back to the top was looked at before.
        let mut most = 0;
        for depth in 0..=DEPTH {
            most = walk.any_shape(schema, depth)?;
            if most > PATH_MAX {
                break;
            }
        }
        most
    };
    if cost > PATH_MAX {
        Err(dear())
    } else {
        Ok(cost)
    }
}

/// Whether a schema of this cost is done with a value in good time.
pub(crate) fn allows(cost: u64, value: &Value) -> bool {
    // The largest value that is taken has fewer parts than that for most schemas.
    cost <= 64 || size(value).saturating_mul(cost) <= VALUE_MAX
}

/// How many values a value consists of.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<u64>(),
        _ => 1,
    }
}

/// What a schema is made of.
struct Parts<'s> {
    count: u64,
    /// Names of places, for references to them.
    anchors: BTreeMap<&'s str, &'s Value>,
    /// It has no references, and nothing that evaluates a part again.
    plain: bool,
}

fn parts(schema: &Value) -> Result<Parts<'_>, Said> {
    let mut found = Parts {
        count: 0,
        anchors: BTreeMap::new(),
        plain: true,
    };
    let mut left = vec![(schema, true)];
    while let Some((node, top)) = left.pop() {
        match node {
            Value::Object(fields) => {
                found.count += 1;
                // Below another base, references mean something else.
                if !top && fields.get("$id").is_some_and(Value::is_string) {
                    return Err(Said::new(
                        "`$id` may only stand at the top",
                        "`$id` 只能写在最外层",
                    ));
                }
                for name in ["$anchor", "$dynamicAnchor"] {
                    if let Some(name) = fields.get(name).and_then(Value::as_str) {
                        found.anchors.entry(name).or_insert(node);
                    }
                }
                let again = ["unevaluatedProperties", "unevaluatedItems"];
                found.plain &= !REFERENCES
                    .iter()
                    .chain(&again)
                    .any(|n| fields.contains_key(*n));
                left.extend(fields.values().map(|field| (field, false)));
            }
            Value::Array(items) => left.extend(items.iter().map(|item| (item, false))),
            _ => {}
        }
    }
    Ok(found)
}

type Key = (usize, usize, Shape);

struct Walk<'s, 'l> {
    root: &'s Value,
    anchors: BTreeMap<&'s str, &'s Value>,
    /// By the address of a part, the levels below and the shape of the value.
    known: HashMap<Key, u64>,
    under_way: HashSet<Key>,
    looks: &'l mut Looks,
}

impl<'s> Walk<'s, '_> {
    fn any_shape(&mut self, schema: &'s Value, depth: usize) -> Result<u64, Said> {
        let mut most = 0;
        for shape in [Shape::Object, Shape::Array, Shape::Other] {
            most = most.max(self.cost(schema, depth, shape)?);
        }
        Ok(most)
    }

    fn cost(&mut self, schema: &'s Value, depth: usize, shape: Shape) -> Result<u64, Said> {
        let Value::Object(fields) = schema else {
            return Ok(1);
        };
        let key = (std::ptr::from_ref(schema).addr(), depth, shape);
        if let Some(cost) = self.known.get(&key) {
            return Ok(*cost);
        }
        // A part that leads back to itself on the same value is applied once.
        if !self.under_way.insert(key) {
            return Ok(1);
        }
        let Some(left) = self.looks.0.checked_sub(1) else {
            return Err(Said::new(
                "the schemas are too intricate",
                "schema 过于复杂",
            ));
        };
        self.looks.0 = left;
        if self.under_way.len() > CHAIN_MAX {
            return Err(Said::new(
                format!("references lead on more than {CHAIN_MAX} times"),
                format!("引用相连超过 {CHAIN_MAX} 次"),
            ));
        }
        let mut here = 1u64;
        for part in HERE.iter().filter_map(|name| fields.get(*name)) {
            here = here.saturating_add(self.each(part, depth, shape)?);
        }
        for parts in HERE_BY_NAME.iter().filter_map(|name| fields.get(*name)) {
            for part in parts
                .as_object()
                .into_iter()
                .flat_map(|parts| parts.values())
            {
                here = here.saturating_add(self.each(part, depth, shape)?);
            }
        }
        for name in REFERENCES.iter().filter_map(|name| fields.get(*name)) {
            let target = self.target(name)?;
            here = here.saturating_add(self.cost(target, depth, shape)?);
        }
        // To see what was not evaluated, all of it is evaluated once more.
        if fields.contains_key("unevaluatedProperties") || fields.contains_key("unevaluatedItems") {
            here = here.saturating_mul(2);
        }
        let below = match (shape, depth.checked_sub(1)) {
            (Shape::Other, _) | (_, None) => 0,
            (Shape::Object, Some(depth)) => self.of_object(fields, depth)?,
            (Shape::Array, Some(depth)) => self.of_array(fields, depth)?,
        };
        self.under_way.remove(&key);
        let cost = here.saturating_add(below);
        self.known.insert(key, cost);
        Ok(cost)
    }

    /// A path leads into one field, and every pattern may fit its name.
    fn of_object(
        &mut self,
        fields: &'s serde_json::Map<String, Value>,
        depth: usize,
    ) -> Result<u64, Said> {
        let parts = |name: &str| {
            let parts = fields.get(name).and_then(Value::as_object);
            parts.into_iter().flat_map(|parts| parts.values())
        };
        let mut named = 0;
        for part in parts("properties") {
            named = named.max(self.any_shape(part, depth)?);
        }
        let mut below = named;
        for part in parts("patternProperties") {
            below = below.saturating_add(self.any_shape(part, depth)?);
        }
        for part in OF_OBJECTS.iter().filter_map(|name| fields.get(*name)) {
            below = below.saturating_add(self.any_shape(part, depth)?);
        }
        Ok(below)
    }

    fn of_array(
        &mut self,
        fields: &'s serde_json::Map<String, Value>,
        depth: usize,
    ) -> Result<u64, Said> {
        let mut below = 0u64;
        for part in OF_ARRAYS.iter().filter_map(|name| fields.get(*name)) {
            let parts = part
                .as_array()
                .map_or(std::slice::from_ref(part), Vec::as_slice);
            let mut placed = 0;
            for part in parts {
                placed = placed.max(self.any_shape(part, depth)?);
            }
            below = below.saturating_add(placed);
        }
        Ok(below)
    }

    /// One schema, or each of a list.
    fn each(&mut self, part: &'s Value, depth: usize, shape: Shape) -> Result<u64, Said> {
        let parts = part
            .as_array()
            .map_or(std::slice::from_ref(part), Vec::as_slice);
        let mut cost = 0u64;
        for part in parts {
            cost = cost.saturating_add(self.cost(part, depth, shape)?);
        }
        Ok(cost)
    }

    fn target(&self, name: &Value) -> Result<&'s Value, Said> {
        let name = name.as_str().unwrap_or_default();
        let found = match name.strip_prefix('#') {
            Some("") => Some(self.root),
            Some(pointer) if pointer.starts_with('/') => self.root.pointer(&decoded(pointer)),
            Some(anchor) => self.anchors.get(anchor).copied(),
            None => None,
        };
        found.ok_or_else(|| {
            Said::new(
                format!("`{name}` leads nowhere in it: a reference begins with `#`"),
                format!("`{name}` 在其中没有对应的部分：引用以 `#` 开头"),
            )
        })
    }
}

/// A pointer in a reference is written as an address is.
fn decoded(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%' && tail.len() >= 2)
            .then(|| std::str::from_utf8(&tail[..2]).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cost(schema: &Value) -> Result<u64, Said> {
        of(schema, &mut Looks::default())
    }

    #[test]
    fn what_people_write_costs_little() {
        for (schema, most) in [
            (json!({}), 1),
            (json!(true), 1),
            (
                json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}),
                3,
            ),
            (json!({"$ref": "#"}), 2),
            (
                json!({"anyOf": [{"type": "string"}, {"items": {"$ref": "#/anyOf/0"}}]}),
                5,
            ),
            // A tree, whose children are of its own kind.
            (
                json!({"properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}}),
                400,
            ),
            // Any JSON, spelt out.
            (
                json!({"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}},
                {"additionalProperties": {"$ref": "#"}}]}),
                800,
            ),
            (
                json!({"$defs": {"n~/%": {"$anchor": "n"}}, "allOf": [{"$ref": "#/$defs/n~0~1%25"},
                {"$ref": "#n"}]}),
                5,
            ),
        ] {
            let cost = cost(&schema).unwrap();
            assert!(cost <= most, "{cost} {schema}");
        }
    }

    #[test]
    fn what_doubles_with_every_level_is_refused() {
        let mut defs = serde_json::Map::new();
        defs.insert("a0".into(), json!({"type": "object"}));
        for level in 1..=40 {
            let below = json!({"$ref": format!("#/$defs/a{}", level - 1)});
            defs.insert(format!("a{level}"), json!({"allOf": [below, below]}));
        }
        for schema in [
            json!({"$defs": defs, "$ref": "#/$defs/a40"}),
            json!({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}),
            json!({"items": {"anyOf": [{"$ref": "#"}, {"not": {"$ref": "#"}}]}}),
            json!({"patternProperties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}),
            json!({"additionalProperties": {"$ref": "#"}, "unevaluatedProperties": {"$ref": "#"}}),
            json!({"$dynamicAnchor": "x", "items": {"oneOf": [{"$dynamicRef": "#x"}, {"$ref": "#x"}]}}),
            json!({"dependentSchemas": {"a": {"properties": {"b": {"$ref": "#"}}}},
                "properties": {"b": {"$ref": "#"}}}),
        ] {
            assert!(cost(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for schema in [
            json!({"$ref": "https://example.com/s.json"}),
            json!({"$ref": "#/nowhere"}),
            json!({"$ref": "#nobody"}),
            json!({"$ref": 7}),
            json!({"properties": {"a": {"$id": "b"}}}),
        ] {
            assert!(cost(&schema).is_err(), "{schema}");
        }
        let mut chain = serde_json::Map::new();
        for place in 0..50_000 {
            chain.insert(
                format!("a{place}"),
                json!({"$ref": format!("#/a{}", place + 1)}),
            );
        }
        chain.insert("$ref".into(), json!("#/a0"));
        assert!(cost(&Value::Object(chain)).is_err());
        assert!(of(&json!({"$ref": "#"}), &mut Looks(1)).is_err());
        let value = json!(vec![0; 1000]);
        assert!(allows(PATH_MAX, &value) && !allows(PATH_MAX * 200, &value));
        assert_eq!(size(&json!({"a": [1, 2, {"b": null}], "c": "x"})), 7);
    }
}
