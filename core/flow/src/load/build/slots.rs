//! Slots and their types.

use indexmap::IndexMap;

use super::{
    super::{
        validate::slot_keys,
        yaml::{Kind as NodeKind, Node},
    },
    Build, RESERVED,
};
use crate::{
    diagnostic::{Problems, words},
    model::{ChoiceOption, Keep, Phrases, Slot, SlotKind, Source},
};

/// Builds the slots, in two passes: first their names and types, then what refers to others.
pub(in crate::load) fn slots(build: &mut Build<'_>, sections: &[&Node]) {
    for section in sections {
        for (key, node) in section.map().unwrap_or_default() {
            let name = key.text().unwrap_or_default().to_owned();
            if !build.check_name(key, ("a slot", "槽位")) {
                continue;
            }
            if RESERVED.contains(&name.as_str()) {
                build.problems.error(
                    "reserved-name",
                    key.place(),
                    words(
                        format!("`{name}` is a name of the language"),
                        format!("`{name}` 是语言保留的名称"),
                    ),
                    words(
                        format!(
                            "call it otherwise, as `{name}_1`; reserved: {}",
                            RESERVED.join(", ")
                        ),
                        format!(
                            "请换个名称，如 `{name}_1`；保留名称有：{}",
                            RESERVED.join("、")
                        ),
                    ),
                );
                continue;
            }
            if let Some(other) = build.slots.get(&name) {
                let at = build.problems.describe(other.span);
                build.problems.error(
                    "duplicate-name",
                    key.place(),
                    words(
                        format!("the slot `{name}` is declared twice"),
                        format!("槽位 `{name}` 重复声明"),
                    ),
                    words(
                        format!("it stands in {at} already"),
                        format!("{at} 已经声明过"),
                    ),
                );
                continue;
            }
            slot_keys(build.problems, node);
            let slot = Slot {
                name: name.clone(),
                kind: kind(build.problems, node),
                sensitive: node.get("sensitive").and_then(Node::bool).unwrap_or(false),
                keep: match node.get("keep").and_then(Node::text) {
                    Some("conversation") => Keep::Conversation,
                    Some("contact") => Keep::Contact,
                    _ => Keep::Flow,
                },
                source: match node.get("source").and_then(Node::text) {
                    Some("http") => Source::Http,
                    Some("lua") => Source::Lua,
                    Some("plugin") => Source::Plugin,
                    _ => Source::Customer,
                },
                prepare: None,
                title: None,
                span: key.span,
            };
            build.slots.insert(name, slot);
        }
    }
    for section in sections {
        for (key, node) in section.map().unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            let prepare = node.get("prepare").and_then(|n| build.function(n));
            let title = node.get("title").map(|n| build.local_text(n));
            let options = options(build, node);
            let Some(slot) = build.slots.get_mut(name) else {
                continue;
            };
            slot.prepare = prepare.or(slot.prepare.take());
            slot.title = title.or(slot.title.take());
            if let SlotKind::Choice { options: kept } = &mut slot.kind
                && !options.is_empty()
            {
                *kept = options;
            }
        }
    }
}

fn kind(problems: &mut Problems, node: &Node) -> SlotKind {
    let size = |key: &str| {
        node.get(key)
            .and_then(Node::int)
            .and_then(|n| usize::try_from(n).ok())
    };
    let number = |key: &str| node.get(key).and_then(Node::number);
    for (low, high) in [("min", "max"), ("min_length", "max_length")] {
        if let (Some(a), Some(b)) = (number(low), number(high))
            && a > b
        {
            problems.error(
                "empty-range",
                node.get(low).map_or(node.place(), Node::place),
                words(
                    format!("`{low}` is {a}, above `{high}`, {b}: no value fits"),
                    format!("`{low}`（{a}）大于 `{high}`（{b}），没有值能满足"),
                ),
                words("swap the two", "请交换两个值"),
            );
        }
    }
    match node.get("type").and_then(Node::text).unwrap_or_default() {
        "integer" => {
            let mut whole = |key: &str| {
                let at = node.get(key)?;
                let value = at.int();
                if value.is_none() && at.number().is_some() {
                    problems.error(
                        "wrong-type",
                        at.place(),
                        words(
                            format!("`{key}` of an integer is a whole number"),
                            format!("integer 的 `{key}` 应为整数"),
                        ),
                        words(
                            "or give the slot the type `number`",
                            "或把槽位类型改为 `number`",
                        ),
                    );
                }
                value
            };
            SlotKind::Integer {
                min: whole("min"),
                max: whole("max"),
            }
        }
        "number" => SlotKind::Number {
            min: number("min"),
            max: number("max"),
        },
        "boolean" => SlotKind::Boolean,
        "date" => SlotKind::Date,
        "time" => SlotKind::Time,
        "datetime" => SlotKind::DateTime,
        "email" => SlotKind::Email,
        "phone" => SlotKind::Phone,
        "url" => SlotKind::Url,
        // Labels come in the second pass; the values are needed now.
        "choice" => SlotKind::Choice {
            options: values(node)
                .map(|value| {
                    let label = tandem_domain::Text::default();
                    (
                        value.to_owned(),
                        ChoiceOption {
                            label,
                            synonyms: Phrases::default(),
                        },
                    )
                })
                .collect(),
        },
        "file" => SlotKind::File {
            accept: node
                .get("accept")
                .and_then(Node::seq)
                .unwrap_or_default()
                .iter()
                .filter_map(|n| n.text().map(str::to_owned))
                .collect(),
            max_mb: number("max_mb"),
        },
        "object" => SlotKind::Object,
        "list" => SlotKind::List,
        _ => SlotKind::Text {
            pattern: node
                .get("match")
                .and_then(Node::text)
                .and_then(|p| super::pattern(p).ok()),
            min_length: size("min_length"),
            max_length: size("max_length"),
        },
    }
}

fn values(node: &Node) -> impl Iterator<Item = &str> {
    let options = node.get("options");
    let keys = options
        .and_then(Node::map)
        .unwrap_or_default()
        .iter()
        .map(|(k, _)| k);
    let items = options.and_then(Node::seq).unwrap_or_default().iter();
    keys.chain(items).filter_map(Node::text)
}

fn options(build: &mut Build<'_>, node: &Node) -> IndexMap<String, ChoiceOption> {
    let Some(options) = node.get("options") else {
        return IndexMap::new();
    };
    match &options.kind {
        NodeKind::Seq(items) => items
            .iter()
            .filter_map(|item| {
                let value = item.text()?.to_owned();
                let label = build.label(item);
                Some((
                    value,
                    ChoiceOption {
                        label,
                        synonyms: Phrases::default(),
                    },
                ))
            })
            .collect(),
        NodeKind::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| {
                let full = value.get("label").is_some();
                let label = build.label(if full {
                    value.get("label").unwrap_or(value)
                } else {
                    value
                });
                let synonyms = build.phrases(value.get("synonyms").filter(|_| full));
                (
                    key.text().unwrap_or_default().to_owned(),
                    ChoiceOption { label, synonyms },
                )
            })
            .collect(),
        NodeKind::Scalar { .. } => IndexMap::new(),
    }
}
