//! The names a pack declares, before anything that uses one is read.

use std::collections::BTreeMap;

use super::{
    Trees,
    build::{self, Names},
    yaml::Node,
};

pub(super) fn collect_names(tree: &Node, names: &mut Names) {
    let keys = |key: &str| {
        let pairs = tree.get(key).and_then(Node::map).unwrap_or_default().iter();
        pairs
            .filter_map(|(k, _)| k.text().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    names.flows.extend(keys("flows"));
    names.responses.extend(keys("responses"));
    if let Some(faqs) = tree.get("faqs") {
        faq_paths(faqs, "", names);
    }
    if let Some(flows) = tree.get("flows") {
        step_ids(flows, names);
    }
}

fn faq_paths(node: &Node, above: &str, names: &mut Names) {
    for (key, item) in node.map().unwrap_or_default() {
        let Some(name) = key.text() else { continue };
        let path = if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above}.{name}")
        };
        if let Some(items) = item.get("items") {
            faq_paths(items, &path, names);
        }
        names.faqs.insert(path);
    }
}

/// Every map of a tree.
fn maps<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    if node.map().is_some() {
        found.push(node);
    }
    for (_, value) in node.map().unwrap_or_default() {
        maps(value, found);
    }
    for item in node.seq().unwrap_or_default() {
        maps(item, found);
    }
}

fn step_ids(flows: &Node, names: &mut Names) {
    let mut found = Vec::new();
    maps(flows, &mut found);
    for node in found {
        if let Some(id) = node.get("id").and_then(Node::text) {
            names.step_ids.insert(id.to_owned());
        }
    }
}

/// The fields of slots that only operations and methods with declared answers fill.
pub(super) fn known_fields(
    trees: &Trees,
    names: &Names,
) -> std::collections::HashMap<String, BTreeMap<String, String>> {
    let mut known: std::collections::HashMap<String, Option<BTreeMap<String, String>>> =
        std::collections::HashMap::new();
    let mut found = Vec::new();
    for (_, tree) in trees {
        for section in ["flows", "faqs"] {
            if let Some(node) = tree.get(section) {
                maps(node, &mut found);
            }
        }
    }
    for node in found {
        let text = |key: &str| node.get(key).and_then(Node::text);
        if let Some(slot) = text("save") {
            let of_plugin = || {
                let (plugin, method) = build::split_plugin(text("plugin")?)?;
                let method = names.contracts.get(plugin)?.methods.get(method)?;
                method.result.as_ref()?.fields()
            };
            let returns = text("http")
                .and_then(build::split_name)
                .and_then(|(c, o)| names.connections.get(c)?.get(o)?.returns.clone())
                .or_else(of_plugin);
            let entry = known
                .entry(slot.to_owned())
                .or_insert_with(|| Some(BTreeMap::new()));
            match (entry.as_mut(), returns) {
                (Some(fields), Some(returns)) => fields.extend(returns),
                _ => *entry = None,
            }
        }
        let mut filled: Vec<&str> = text("collect").into_iter().collect();
        for key in ["set", "with"] {
            let calls = ["http", "lua", "plugin"]
                .iter()
                .any(|k| node.get(k).is_some());
            if key == "with" && calls {
                continue;
            }
            for (slot, value) in node.get(key).and_then(Node::map).unwrap_or_default() {
                if !value.is_null() {
                    filled.extend(slot.text());
                }
            }
        }
        for slot in filled {
            known.insert(slot.to_owned(), None);
        }
    }
    known
        .into_iter()
        .filter_map(|(slot, fields)| Some((slot, fields?)))
        .collect()
}
