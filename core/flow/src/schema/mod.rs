//! JSON Schemas of everything a pack holds, from the table the loader validates against.
//!
//! An editor finds them by the line `# yaml-language-server: $schema=…/flow.schema.json`, or by
//! the file's name.

pub(crate) mod table;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use table::{BRANCH, COLLECT, COMMON, Field, KINDS, Kind, Shape, Ty};

use crate::diagnostic::Lang;

/// Of `*.flow.yaml`.
#[must_use]
pub fn flow() -> Value {
    flow_in(Lang::En)
}

/// The same with its explanations in a language.
#[must_use]
pub fn flow_in(lang: Lang) -> Value {
    whole(
        "flow.schema.json",
        ("Flows of a pack", "业务包的流程"),
        &table::FLOW_FILE,
        lang,
    )
}

/// Every schema with the name of its file, explanations in a language.
#[must_use]
pub fn all(lang: Lang) -> Vec<(&'static str, Value)> {
    vec![
        ("flow.schema.json", flow_in(lang)),
        (
            "pack.schema.json",
            whole(
                "pack.schema.json",
                ("pack.yaml", "pack.yaml"),
                &table::PACK,
                lang,
            ),
        ),
        (
            "connections.schema.json",
            whole(
                "connections.schema.json",
                ("connections.yaml", "connections.yaml"),
                &table::CONNECTIONS,
                lang,
            ),
        ),
        (
            "desk.schema.json",
            whole(
                "desk.schema.json",
                ("desk.yaml", "desk.yaml"),
                &table::DESK,
                lang,
            ),
        ),
        (
            "test.schema.json",
            whole(
                "test.schema.json",
                ("A conversation test", "会话测试"),
                &table::TEST,
                lang,
            ),
        ),
    ]
}

fn whole(id: &str, title: (&str, &str), shape: &'static Shape, lang: Lang) -> Value {
    let mut writer = Writer {
        lang,
        defs: BTreeMap::new(),
    };
    let Value::Object(body) = writer.object(shape) else {
        return Value::Null;
    };
    let mut schema = Map::new();
    schema.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    schema.insert("$id".into(), id.into());
    schema.insert("title".into(), writer.pick(title.0, title.1).into());
    schema.extend(body);
    let defs: Map<String, Value> = writer.defs.into_iter().collect();
    if !defs.is_empty() {
        schema.insert("$defs".into(), Value::Object(defs));
    }
    Value::Object(schema)
}

struct Writer {
    lang: Lang,
    defs: BTreeMap<String, Value>,
}

impl Writer {
    fn pick(&self, en: &str, zh: &str) -> String {
        if self.lang == Lang::Zh {
            zh.to_owned()
        } else {
            en.to_owned()
        }
    }

    fn object(&mut self, shape: &'static Shape) -> Value {
        self.fields(shape.fields.iter())
    }

    fn fields<'f>(&mut self, fields: impl Iterator<Item = &'static Field> + 'f) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in fields {
            properties.insert(field.key.into(), self.field(field));
            if field.required {
                required.push(field.key);
            }
        }
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    fn field(&mut self, field: &'static Field) -> Value {
        let about = self.pick(field.en, field.zh);
        self.described(&field.ty, about)
    }

    fn described(&mut self, ty: &'static Ty, about: String) -> Value {
        match self.ty(ty) {
            Value::Object(mut schema) => {
                schema.insert("description".into(), about.into());
                Value::Object(schema)
            }
            Value::Bool(true) => json!({"description": about}),
            other => other,
        }
    }

    /// A definition by name, written once.
    fn def(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.defs.contains_key(name) {
            // Holds the place while the definition refers to itself.
            self.defs.insert(name.to_owned(), Value::Null);
            let made = make(self);
            self.defs.insert(name.to_owned(), made);
        }
        json!({"$ref": format!("#/$defs/{name}")})
    }

    fn ty(&mut self, ty: &'static Ty) -> Value {
        match ty {
            Ty::Any => Value::Bool(true),
            Ty::Args => json!({"type": "object"}),
            Ty::Str => json!({"type": ["string", "number", "boolean", "null"]}),
            Ty::Tmpl => json!({"type": ["string", "number", "boolean"]}),
            Ty::Expr => json!({"type": ["string", "number", "boolean"]}),
            Ty::Pattern => json!({"type": "string", "format": "regex"}),
            Ty::Word => json!({"type": ["string", "number", "boolean"], "pattern": r"^\S+$"}),
            Ty::Func => json!({"type": "string", "pattern": r"^[^\s.]\S*\.[^\s.]+$"}),
            Ty::Bool => json!({"type": "boolean"}),
            Ty::Int => json!({"type": "integer", "minimum": 0}),
            Ty::Num => json!({"type": "number"}),
            Ty::Dur => json!({
                "type": "string",
                "pattern": r"^\s*(\d+(ms|s|min|m|h|d|w)\s*)+$",
                "examples": ["10m", "7d", "1h30m"],
            }),
            Ty::Enum(known) => json!({"enum": known}),
            Ty::Text => self.def("text", |_| {
                json!({"anyOf": [
                    {"type": ["string", "number", "boolean"]},
                    {
                        "type": "object",
                        "minProperties": 1,
                        "propertyNames": {"pattern": "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"},
                        "additionalProperties": {"type": ["string", "number", "boolean"]},
                    },
                ]})
            }),
            Ty::Phrases => self.def("phrases", |_| {
                let list = json!({"type": "array", "items": {"type": ["string", "number", "boolean"]}});
                json!({"anyOf": [list, {"type": "object", "additionalProperties": list}]})
            }),
            Ty::Response => self.def("response", |w| {
                let text = w.ty(&Ty::Text);
                let variation = w.shape(&table::VARIATION);
                let one = json!([text, variation]);
                json!({"anyOf": [
                    one[0], one[1],
                    {"type": "array", "minItems": 1, "items": {"anyOf": one}},
                ]})
            }),
            Ty::Say => self.def("say", |w| {
                let text = w.ty(&Ty::Text);
                let message = w.shape(&table::MESSAGE);
                json!({"anyOf": [text, message]})
            }),
            Ty::Steps => self.def("steps", |w| {
                let step = w.def("step", Writer::step);
                json!({"type": "array", "items": step})
            }),
            Ty::Fields => self.def("fields", |w| {
                let item = w.kind("collect", &Ty::Word, &COLLECT, None);
                json!({"type": "array", "items": item})
            }),
            Ty::Options => self.def("options", |w| {
                let text = w.ty(&Ty::Text);
                let full = w.shape(&table::CHOICE_OPTION);
                json!({"anyOf": [
                    {"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}},
                    {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [text, full]}},
                ]})
            }),
            Ty::Turns => {
                let turn = self.def("turn", |w| {
                    let mut turn = w.object(&table::TURN);
                    turn["minProperties"] = json!(1);
                    turn["maxProperties"] = json!(1);
                    turn
                });
                json!({"type": "array", "items": turn})
            }
            Ty::List(item) => {
                let items = self.ty(item);
                json!({"type": "array", "items": items})
            }
            Ty::Map(value) => {
                let value = self.ty(value);
                json!({"type": "object", "additionalProperties": value})
            }
            Ty::OneOrMany(item) => {
                let item = self.ty(item);
                json!({"anyOf": [item, {"type": "array", "items": item}]})
            }
            Ty::Object(shape) => self.shape(shape),
            Ty::Either(types) => {
                let types: Vec<Value> = types.iter().map(|ty| self.ty(ty)).collect();
                json!({"anyOf": types})
            }
        }
    }

    fn shape(&mut self, shape: &'static Shape) -> Value {
        let name: String = shape
            .name
            .trim_start_matches("an ")
            .trim_start_matches("a ")
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            })
            .collect();
        // Shapes of one name are told apart by their first field.
        let first = shape.fields.first().map_or("", |f| f.key);
        self.def(&format!("{name}_{first}"), |w| w.object(shape))
    }

    /// Any step: what it is depends on its kind key.
    fn step(&mut self) -> Value {
        let mut kinds: Vec<Value> = Vec::new();
        for kind in KINDS.iter().chain([&BRANCH]) {
            kinds.push(self.def(&format!("step_{}", kind.key), |w| {
                w.kind(kind.key, &kind.ty, kind.fields, Some(kind))
            }));
        }
        json!({"type": "object", "anyOf": kinds})
    }

    fn kind(
        &mut self,
        key: &'static str,
        ty: &'static Ty,
        fields: &'static [Field],
        kind: Option<&'static Kind>,
    ) -> Value {
        let common = COMMON.iter().filter(|f| f.key != key);
        let mut schema = self.fields(fields.iter().chain(common));
        let about = kind.map(|k| self.pick(k.en, k.zh));
        let value = match about {
            Some(about) => self.described(ty, about),
            None => self.ty(ty),
        };
        // These may stand without a value.
        let value = if matches!(key, "answer" | "handoff" | "faq") {
            json!({"anyOf": [value, {"type": "null"}]})
        } else {
            value
        };
        schema["properties"][key] = value;
        let mut required = vec![Value::from(key)];
        required.extend(schema["required"].as_array().cloned().unwrap_or_default());
        schema["required"] = Value::Array(required);
        schema
    }
}
