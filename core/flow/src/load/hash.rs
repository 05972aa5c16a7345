//! What a version of a pack is called.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    Head,
    validate::{Validator, kinds_in},
    yaml::{Kind as NodeKind, Node},
};
use crate::{
    contract,
    schema::table::{self, COLLECT, COMMON, Field, Ty},
};

/// Of every file.
pub(super) fn whole(files: &BTreeMap<&str, (u32, &str)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, (_, text)) in files {
        piece(&mut hasher, path);
        piece(&mut hasher, text);
    }
    hasher.finalize().to_hex().to_string()
}

/// With its length, so that no two lists of pieces are equal by accident.
fn piece(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// Of everything but texts. The order of keys and files does not matter, the order of lists does.
pub(super) fn structure(
    head: &Head,
    flows: &[&Node],
    shipped: &Node,
    connections: Option<&Node>,
    desk: Option<&Node>,
    files: &BTreeMap<&str, (u32, &str)>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    piece(&mut hasher, &head.name);
    for locale in &head.locales {
        piece(&mut hasher, locale.as_str());
    }
    piece(&mut hasher, &head.zone_name);
    piece(&mut hasher, &head.default_skill);
    piece(&mut hasher, &format!("{:?}", head.limits));
    piece(&mut hasher, &head.answer_unmatched.to_string());
    let mut parts: Vec<String> = Vec::new();
    let mut triggers: Vec<String> = Vec::new();
    for tree in flows.iter().copied().chain([shipped]) {
        for field in table::FLOW_FILE.fields {
            let Some(node) = tree.get(field.key) else {
                continue;
            };
            match (&field.ty, node.map()) {
                (Ty::Map(ty), Some(pairs)) => {
                    for (key, value) in pairs {
                        let mut out = format!("{}.{}=", field.key, key.text().unwrap_or_default());
                        write(value, ty, &mut out);
                        parts.push(out);
                    }
                }
                (Ty::Int, _) => {}
                (ty, _) => {
                    let mut out = format!("{}=", field.key);
                    write(node, ty, &mut out);
                    triggers.push(out);
                }
            }
        }
    }
    parts.sort_unstable();
    for part in parts.iter().chain(&triggers) {
        piece(&mut hasher, part);
    }
    for (node, shape) in [(connections, &table::CONNECTIONS), (desk, &table::DESK)] {
        let mut out = String::new();
        if let Some(node) = node {
            object(node, shape.fields, &mut out);
        }
        piece(&mut hasher, &out);
    }
    let whole = |path: &str| path.ends_with(".luau") || contract::of_path(path).is_some();
    for (path, (_, text)) in files.iter().filter(|(path, _)| whole(path)) {
        piece(&mut hasher, path);
        piece(&mut hasher, text);
    }
    hasher.finalize().to_hex().to_string()
}

fn write(node: &Node, ty: &Ty, out: &mut String) {
    match ty {
        Ty::Text => {}
        Ty::Say | Ty::Response => said(node, out),
        Ty::Object(shape) => object(node, shape.fields, out),
        Ty::Steps => list(node, out, step),
        Ty::Fields => list(node, out, |node, out| {
            beside(node, &COLLECT, &Ty::Word, "collect", out)
        }),
        Ty::Options => {
            let mut keys: Vec<&str> = match &node.kind {
                NodeKind::Map(pairs) => pairs.iter().filter_map(|(k, _)| k.text()).collect(),
                NodeKind::Seq(items) => items.iter().filter_map(Node::text).collect(),
                NodeKind::Scalar { .. } => Vec::new(),
            };
            keys.dedup();
            let _ = write!(out, "{keys:?}");
        }
        Ty::List(item) | Ty::OneOrMany(item) => {
            out.push('[');
            for node in node.one_or_many() {
                write(node, item, out);
                out.push(',');
            }
            out.push(']');
        }
        Ty::Map(value) => {
            let mut parts: Vec<String> = Vec::new();
            for (key, node) in node.map().unwrap_or_default() {
                let mut part = format!("{:?}:", key.text().unwrap_or_default());
                write(node, value, &mut part);
                parts.push(part);
            }
            parts.sort_unstable();
            let _ = write!(out, "{{{}}}", parts.join(","));
        }
        Ty::Either(types) => {
            let is_map = node.map().is_some();
            let fitting = types
                .iter()
                .find(|t| matches!(t, Ty::Object(_) | Ty::Map(_)) == is_map);
            match fitting {
                Some(ty) => write(node, ty, out),
                None => plain(node, out),
            }
        }
        _ => plain(node, out),
    }
}

/// A value as written.
fn plain(node: &Node, out: &mut String) {
    match &node.kind {
        NodeKind::Scalar { text, .. } => {
            let _ = write!(out, "{text:?}{}", if node.is_null() { "0" } else { "" });
        }
        NodeKind::Seq(items) => {
            out.push('[');
            for item in items {
                plain(item, out);
                out.push(',');
            }
            out.push(']');
        }
        NodeKind::Map(pairs) => {
            let mut parts: Vec<String> = Vec::new();
            for (key, value) in pairs {
                let mut part = format!("{:?}:", key.text().unwrap_or_default());
                plain(value, &mut part);
                parts.push(part);
            }
            parts.sort_unstable();
            let _ = write!(out, "{{{}}}", parts.join(","));
        }
    }
}

fn object(node: &Node, fields: &[Field], out: &mut String) {
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in node.map().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        if let Some(field) = fields.iter().find(|f| f.key == name) {
            let mut part = format!("{name}:");
            write(value, &field.ty, &mut part);
            parts.push(part);
        }
    }
    parts.sort_unstable();
    let _ = write!(out, "{{{}}}", parts.join(","));
}

fn list(node: &Node, out: &mut String, item: impl Fn(&Node, &mut String)) {
    out.push('[');
    for node in node.seq().unwrap_or_default() {
        item(node, out);
        out.push(',');
    }
    out.push(']');
}

fn step(node: &Node, out: &mut String) {
    if let Some((_, kind)) = kinds_in(node).into_iter().next() {
        beside(node, kind.fields, &kind.ty, kind.key, out);
    }
}

fn beside(node: &Node, fields: &[Field], ty: &Ty, kind: &str, out: &mut String) {
    let _ = write!(out, "{kind}(");
    if let Some(value) = node.get(kind) {
        write(value, ty, out);
    }
    out.push(')');
    object(node, fields, out);
    if kind != "if" {
        object(node, &COMMON, out);
    } else if let Some(id) = node.get("id").and_then(Node::text) {
        let _ = write!(out, "id:{id}");
    }
}

/// Of what is said only what its buttons do, under which condition.
fn said(node: &Node, out: &mut String) {
    let variations = match &node.kind {
        NodeKind::Seq(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for node in variations.iter().filter(|n| Validator::is_message(n)) {
        let buttons = node.get("buttons").and_then(Node::seq).unwrap_or_default();
        if buttons.is_empty() {
            continue;
        }
        if let Some(cond) = node.get("if").and_then(Node::text) {
            let _ = write!(out, "if {cond:?} ");
        }
        for button in buttons {
            for key in ["value", "start", "goto"] {
                if let Some(target) = button.get(key).and_then(Node::text) {
                    let _ = write!(out, "{key}={target:?};");
                }
            }
        }
    }
}
