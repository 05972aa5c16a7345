//! A schema as a Luau type, for editors.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Contract, Schema, fit::Kind, schema::View};

/// Levels that are written out.
const DEPTH: usize = 6;
const ANY: &str = "any";

impl Contract {
    /// The signatures of its methods.
    pub fn signatures(&self) -> impl Iterator<Item = tandem_lua::PluginMethod> {
        self.methods.iter().map(|(name, method)| {
            let ty = |schema: &Option<Schema>| {
                schema
                    .as_ref()
                    .map_or_else(|| ANY.to_owned(), |schema| written(View::of(schema), DEPTH))
            };
            tandem_lua::PluginMethod {
                plugin: self.plugin.clone(),
                method: name.clone(),
                params: ty(&method.params),
                result: ty(&method.result),
            }
        })
    }
}

fn written(schema: View<'_>, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else {
        return ANY.to_owned();
    };
    if ["anyOf", "oneOf", "allOf", "if"]
        .iter()
        .any(|key| schema.has(key))
    {
        return ANY.to_owned();
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        let words: Option<Vec<String>> = options
            .iter()
            .map(|option| option.as_str().filter(|text| is_plain(text)))
            .map(|text| text.map(|text| format!("\"{text}\"")))
            .collect();
        return words
            .filter(|words| !words.is_empty())
            .map_or_else(|| ANY.to_owned(), |words| words.join(" | "));
    }
    let Some(kind) = schema.kind() else {
        return ANY.to_owned();
    };
    match kind {
        Kind::Text => "string".to_owned(),
        Kind::Whole | Kind::Number => "number".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Null => "nil".to_owned(),
        Kind::List => {
            let item = schema
                .get("items")
                .map(|item| written(schema.at(item), depth));
            format!("{{{}}}", item.as_deref().unwrap_or(ANY))
        }
        Kind::Map => map(schema, depth),
    }
}

fn map(schema: View<'_>, depth: usize) -> String {
    let open = "{[string]: any}".to_owned();
    let Some(properties) = schema.promised() else {
        return open;
    };
    if !properties.keys().all(|name| is_identifier(name)) {
        return open;
    }
    let required: Vec<&str> = schema.required().collect();
    let mut out = String::from("{");
    for (at, name) in properties.keys().enumerate() {
        let ty = schema
            .property(name)
            .map_or_else(|| ANY.to_owned(), |field| written(field, depth));
        let ty = match (required.contains(&name.as_str()), ty.contains('|')) {
            (true, _) => ty,
            (false, true) => format!("({ty})?"),
            (false, false) => format!("{ty}?"),
        };
        let comma = if at == 0 { "" } else { ", " };
        let _ = write!(out, "{comma}{name}: {ty}");
    }
    out.push('}');
    out
}

fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| !c.is_control() && c != '"' && c != '\\')
}

fn is_identifier(name: &str) -> bool {
    const KEYWORDS: [&str; 21] = [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in",
        "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
    ];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&name)
}
