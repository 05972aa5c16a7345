//! Which steps and ways of a pack's flows the tests took.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    model::{Flow, Pack, StepKind, StepRef},
    step::TraceLine,
};

/// What was reached, over any number of conversations.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    steps: BTreeSet<String>,
    /// Steps left out because their `if` did not hold, and ways without steps of their own.
    others: BTreeSet<String>,
}

impl Reached {
    pub fn add(&mut self, trace: &[TraceLine]) {
        for line in trace {
            let Some(step) = &line.step else { continue };
            match line.kind.as_str() {
                "step" => {
                    self.steps.insert(step.clone());
                }
                "skip" if line.text.ends_with("its `if` does not hold") => {
                    self.others.insert(format!("{step} not"));
                }
                "branch" if line.text.is_empty() => {
                    self.others.insert(format!("{step} else"));
                }
                "branch" => {
                    self.others.insert(format!("{step} {}", line.text));
                }
                "jump" if line.text.starts_with("to ") => {
                    self.others.insert(format!("{step} taken"));
                }
                _ => {}
            }
        }
    }
}

/// A count of how much was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    pub reached: usize,
    pub total: usize,
}

impl Share {
    /// In percent; 100 where there is nothing to reach.
    #[must_use]
    pub fn percent(self) -> f64 {
        if self.total == 0 {
            return 100.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let share = self.reached as f64 * 100.0 / self.total as f64;
        share
    }

    fn count(&mut self, reached: bool) {
        self.total += 1;
        self.reached += usize::from(reached);
    }

    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.reached += other.reached;
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    pub steps: Share,
    /// Both sides of every `if`, every case, every nested list.
    pub branches: Share,
    pub flows: Vec<FlowCoverage>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct FlowCoverage {
    pub flow: String,
    pub steps: Share,
    pub branches: Share,
    pub missed: Vec<Missed>,
}

/// A step or way that no test took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    pub file: String,
    pub line: u32,
    /// `say`, `if: else`, `http: on_error.404`.
    pub what: String,
    pub is_branch: bool,
}

/// Holds what was reached against the pack's own flows.
#[must_use]
pub fn coverage(pack: &Pack, reached: &Reached) -> Coverage {
    let mut all = Coverage::default();
    for flow in pack.flows.values() {
        let Some((path, _)) = pack
            .files
            .get(flow.span.file as usize)
            .filter(|_| flow.span.line > 0)
        else {
            continue;
        };
        if !path.ends_with(".flow.yaml") {
            continue;
        }
        let of_flow = of_flow(flow, path, reached);
        all.steps.add(of_flow.steps);
        all.branches.add(of_flow.branches);
        all.flows.push(of_flow);
    }
    all
}

fn of_flow(flow: &Flow, path: &str, reached: &Reached) -> FlowCoverage {
    let mut out = FlowCoverage {
        flow: flow.name.clone(),
        ..FlowCoverage::default()
    };
    let mut missed = |line: u32, what: String, is_branch: bool| {
        out.missed.push(Missed {
            file: path.to_owned(),
            line,
            what,
            is_branch,
        });
    };
    let (mut steps, mut branches) = (Share::default(), Share::default());
    for (number, block) in flow.blocks.iter().enumerate() {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        for (index, step) in block.steps.iter().enumerate() {
            let at = StepRef {
                block: number,
                index: u32::try_from(index).unwrap_or(u32::MAX),
            };
            let name = format!("{}/{}.{}", flow.name, at.block, at.index);
            let done = reached.steps.contains(&name);
            steps.count(done);
            let key = step.kind.key();
            if !done {
                missed(step.span.line, key.to_owned(), false);
            }
            let mut way = |taken: bool, what: &str| {
                branches.count(taken);
                // A way out of a step that was never reached says nothing new.
                if !taken && done {
                    missed(step.span.line, format!("{key}: {what}"), true);
                }
            };
            if step.cond.is_some() {
                way(
                    reached.others.contains(&format!("{name} not")),
                    "its `if` not holding",
                );
            }
            match &step.kind {
                StepKind::If {
                    otherwise: None, ..
                }
                | StepKind::Switch {
                    otherwise: None, ..
                } => {
                    way(reached.others.contains(&format!("{name} else")), "else");
                }
                StepKind::Goto { .. } => {
                    way(reached.others.contains(&format!("{name} taken")), "taken")
                }
                _ => {}
            }
        }
        let Some(parent) = block.parent else { continue };
        let first = format!("{}/{number}.0", flow.name);
        let label = format!(
            "{}/{}.{} {}",
            flow.name, parent.block, parent.index, block.label
        );
        let taken = reached.steps.contains(&first)
            || reached.others.contains(&format!("{first} not"))
            || reached.others.contains(&label);
        branches.count(taken);
        let parent_name = format!("{}/{}.{}", flow.name, parent.block, parent.index);
        if !taken && reached.steps.contains(&parent_name) {
            let (line, key) = flow
                .step(parent)
                .map_or((0, ""), |s| (s.span.line, s.kind.key()));
            missed(line, format!("{key}: {}", block.label), true);
        }
    }
    out.steps = steps;
    out.branches = branches;
    out.missed
        .sort_by(|a, b| (a.line, &a.what).cmp(&(b.line, &b.what)));
    out.missed.dedup();
    out
}
