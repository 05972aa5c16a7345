//! What is legal YAML with every name in place, and wrong all the same: loops without an end,
//! steps nothing leads to, phrases that lead two ways, names nothing uses.

mod graph;
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use serde::Serialize;

use crate::{
    diagnostic::{Diagnostic, Problems, Severity, words},
    load::{self, Options, Uses},
    model::{FaqNode, Keep, Pack, Phrases, Span, StepKind},
    step::HANDED_OVER,
};
pub(crate) use tests::tests;

/// What `check` found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub errors: usize,
    pub warnings: usize,
    pub notes: usize,
    /// Errors first, then by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Whether the pack may go live.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.errors == 0
    }

    /// Counts what loading found.
    #[must_use]
    pub fn of(diagnostics: Vec<Diagnostic>) -> Self {
        let count = |s| diagnostics.iter().filter(|d| d.severity == s).count();
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            diagnostics,
        }
    }
}

/// Checks the pack in a folder. Opens nothing but its files.
#[must_use]
pub fn check_dir(path: &Path) -> Report {
    check_dir_with(path, &Options::default())
}

#[must_use]
pub fn check_dir_with(path: &Path, options: &Options) -> Report {
    Report::of(load::load_dir_with(path, options).diagnostics)
}

/// Judges a pack whose names resolve.
pub(crate) fn judge(pack: &Pack, uses: &Uses, problems: &mut Problems) {
    graph::call_cycles(pack, problems);
    for flow in pack.flows.values() {
        graph::loops(flow, problems);
        graph::unreachable(flow, problems);
    }
    // What an error left out would look unused.
    if problems.has_errors() {
        return;
    }
    never_started(pack, uses, problems);
    same_phrases(pack, problems);
    slots(pack, uses, problems);
    for (name, response) in &pack.responses {
        // The stepper says it by itself where a pack has it.
        let by_itself = name == HANDED_OVER;
        if !uses.responses.contains(name) && !uses.shipped.contains(name) && !by_itself {
            problems.warn(
                "unused-response",
                response.span,
                words(
                    format!("nothing says the response `{name}`"),
                    format!("回复 `{name}` 没有被使用"),
                ),
                words(
                    format!("use it, as `- say: {name}`, or remove it"),
                    format!("请使用它（`- say: {name}`），或删去"),
                ),
            );
        }
    }
}

fn never_started(pack: &Pack, uses: &Uses, problems: &mut Problems) {
    for flow in pack
        .flows
        .values()
        .filter(|f| !f.pattern && !uses.shipped.contains(&f.name))
    {
        let start = &flow.start_when;
        let starts = !start.phrases.0.is_empty()
            || start.event.is_some()
            || start.page.is_some()
            || start.media.is_some();
        if (starts && !flow.callable_only) || uses.flows.contains(&flow.name) {
            continue;
        }
        let name = &flow.name;
        problems.warn(
            "never-starts",
            flow.span,
            words(
                format!("nothing starts the flow `{name}`"),
                format!("没有什么会启动流程 `{name}`"),
            ),
            words(
                format!("add `start_when: {{phrases: […]}}`, or `- call: {name}` in another flow"),
                format!("请添加 `start_when: {{phrases: […]}}`，或在其他流程中写 `- call: {name}`"),
            ),
        );
    }
}

/// Two targets that learn from the same words cannot be told apart.
fn same_phrases(pack: &Pack, problems: &mut Problems) {
    let mut seen: HashMap<String, (String, Span)> = HashMap::new();
    let mut add = |target: &str, phrases: &Phrases, problems: &mut Problems| {
        for (text, span) in phrases.0.values().flatten() {
            let key: String = text
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || c.is_whitespace())
                .collect();
            let key = key.split_whitespace().collect::<Vec<_>>().join(" ");
            if key.is_empty() {
                continue;
            }
            match seen.get(&key) {
                Some((other, at)) if other != target => {
                    let at = problems.describe(*at);
                    problems.warn(
                        "same-phrase",
                        *span,
                        words(
                            format!("`{text}` leads to {target} and to {other}"),
                            format!("`{text}` 同时指向 {target} 和 {other}"),
                        ),
                        words(
                            format!("keep it in one of the two; the other stands in {at}"),
                            format!("请只保留一处；另一处在 {at}"),
                        ),
                    );
                }
                Some(_) => {}
                None => {
                    seen.insert(key, (target.to_owned(), *span));
                }
            }
        }
    };
    for flow in pack.flows.values().filter(|f| !f.callable_only) {
        add(
            &format!("flow `{}`", flow.name),
            &flow.start_when.phrases,
            problems,
        );
    }
    let mut waiting: Vec<&FaqNode> = pack.faqs.items.iter().collect();
    while let Some(node) = waiting.pop() {
        add(&format!("FAQ `{}`", node.path), &node.phrases, problems);
        waiting.extend(&node.items);
    }
    for (place, trigger) in pack.triggers.iter().enumerate() {
        add(
            &format!("handoff trigger {}", place + 1),
            &trigger.phrases,
            problems,
        );
    }
    add("nothing (`out_of_scope`)", &pack.out_of_scope, problems);
}

/// What the data of an event may fill: the slots that its flows read, and those that texts of the
/// pack name where any flow starts on an event.
fn filled_by_events(pack: &Pack, uses: &Uses) -> BTreeSet<String> {
    let mut flows: Vec<&str> = pack
        .flows
        .values()
        .filter(|f| f.start_when.event.is_some())
        .map(|f| f.name.as_str())
        .collect();
    if flows.is_empty() {
        return BTreeSet::new();
    }
    let in_flows: BTreeSet<&String> = uses.read_in.values().flatten().collect();
    let mut filled: BTreeSet<String> = uses
        .read
        .iter()
        .filter(|name| !in_flows.contains(name))
        .cloned()
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(name) = flows.pop() {
        if !seen.insert(name) {
            continue;
        }
        filled.extend(uses.read_in.get(name).into_iter().flatten().cloned());
        let steps = pack.flows.get(name).into_iter().flat_map(|f| &f.blocks);
        flows.extend(
            steps
                .flat_map(|b| &b.steps)
                .filter_map(|step| match &step.kind {
                    StepKind::Call { flow, .. } | StepKind::Link { flow, .. } => {
                        Some(flow.as_str())
                    }
                    _ => None,
                }),
        );
    }
    filled
}

fn slots(pack: &Pack, uses: &Uses, problems: &mut Problems) {
    let by_event = filled_by_events(pack, uses);
    for slot in pack
        .slots
        .values()
        .filter(|s| !uses.shipped.contains(&s.name))
    {
        let name = &slot.name;
        let read = uses.read.contains(name);
        let filled = uses.filled.contains(name) || by_event.contains(name);
        if !read && !filled {
            problems.warn(
                "unused-slot",
                slot.span,
                words(
                    format!("nothing uses the slot `{name}`"),
                    format!("槽位 `{name}` 没有被使用"),
                ),
                words(
                    format!("ask for it, as `- collect: {name}`, or remove it"),
                    format!("请询问它（`- collect: {name}`），或删去"),
                ),
            );
        } else if read && !filled && slot.keep != Keep::Contact {
            problems.warn(
                "never-filled",
                slot.span,
                words(
                    format!("the slot `{name}` is read, but nothing fills it"),
                    format!("槽位 `{name}` 被读取，但从未填写"),
                ),
                words(
                    format!("add `- collect: {name}`, or `save: {name}` on a step"),
                    format!("请添加 `- collect: {name}`，或在步骤上写 `save: {name}`"),
                ),
            );
        }
    }
}
