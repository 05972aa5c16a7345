//! Names in tests that the pack does not have. The test would only fail; so it is a warning.

use std::collections::BTreeSet;

use crate::{
    diagnostic::{Problems, suggest, words},
    load::Node,
    model::{FaqNode, Pack, StepKind},
};

/// Names a test may speak of.
#[derive(Default)]
struct Known {
    asked: BTreeSet<String>,
    forms: BTreeSet<String>,
    operations: BTreeSet<String>,
}

pub(crate) fn tests(pack: &Pack, trees: &[(String, Node)], problems: &mut Problems) {
    let mut known = Known {
        asked: pack.slots.keys().cloned().collect(),
        ..Known::default()
    };
    // The whole tree is asked as `faq`, a node by its path.
    known.asked.insert("faq".to_owned());
    let mut nodes: Vec<&FaqNode> = pack.faqs.items.iter().collect();
    while let Some(node) = nodes.pop() {
        if !node.items.is_empty() {
            known.asked.insert(node.path.clone());
            nodes.extend(&node.items);
        }
    }
    for connection in pack.connections.values() {
        for operation in connection.operations.keys() {
            known
                .operations
                .insert(format!("{}.{operation}", connection.name));
        }
    }
    // Scripts call them too.
    for contract in pack.contracts.values() {
        for method in contract.methods.keys() {
            known
                .operations
                .insert(format!("{}.{method}", contract.plugin));
        }
    }
    for step in pack
        .flows
        .values()
        .flat_map(|f| &f.blocks)
        .flat_map(|b| &b.steps)
    {
        let operation = |left: &str, right: &str| format!("{left}.{right}");
        match &step.kind {
            StepKind::Menu(menu) => known.asked.extend([menu.name.clone()]),
            StepKind::Form(form) => known.forms.extend([form.name.clone()]),
            StepKind::Lua(l) => {
                known
                    .operations
                    .extend([operation(&l.function.module, &l.function.name)]);
            }
            _ => {}
        }
    }
    for (_, tree) in trees {
        test(pack, &known, tree, problems);
    }
}

fn test(pack: &Pack, known: &Known, tree: &Node, problems: &mut Problems) {
    let locales: BTreeSet<String> = pack.locales.iter().map(ToString::to_string).collect();
    name(tree.get("locale"), &locales, ("locale", "语言"), problems);
    for (key, _) in tree.get("stub").and_then(Node::map).unwrap_or_default() {
        // `GET https://…` answers the `http` of a script.
        if key.text().is_some_and(|k| k.contains('/')) {
            continue;
        }
        name(
            Some(key),
            &known.operations,
            ("operation", "操作"),
            problems,
        );
    }
    for turn in tree.get("turns").and_then(Node::seq).unwrap_or_default() {
        for (key, _) in turn.get("called").and_then(Node::map).unwrap_or_default() {
            name(
                Some(key),
                &known.operations,
                ("operation", "操作"),
                problems,
            );
        }
        for (key, _) in turn.get("slot").and_then(Node::map).unwrap_or_default() {
            let slots = pack.slots.keys().cloned().collect();
            name(Some(key), &slots, ("slot", "槽位"), problems);
        }
        let said = turn.get("bot").map(Node::one_or_many).unwrap_or_default();
        for message in said {
            name(
                message.get("asks"),
                &known.asked,
                ("slot, menu or FAQ menu", "槽位、菜单或常见问题菜单"),
                problems,
            );
            name(
                message.get("confirms"),
                &known.forms,
                ("form", "表单"),
                problems,
            );
            let responses = pack.responses.keys().cloned().collect();
            name(
                message.get("says"),
                &responses,
                ("response", "回复"),
                problems,
            );
        }
    }
}

fn name(
    node: Option<&Node>,
    known: &BTreeSet<String>,
    what: (&str, &str),
    problems: &mut Problems,
) {
    let Some(node) = node else { return };
    let Some(name) = node.text() else { return };
    if known.contains(name) {
        return;
    }
    problems.warn(
        "test-name",
        node.place(),
        words(
            format!("the pack has no {} `{name}`", what.0),
            format!("业务包中没有{} `{name}`", what.1),
        ),
        suggest(
            name,
            known.iter().map(String::as_str),
            words(
                "correct the test, or add it to the pack",
                "请修正测试，或在业务包中添加",
            ),
        ),
    );
}
