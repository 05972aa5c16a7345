//! Ways through flows.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diagnostic::{Problems, words},
    model::{BlockId, Flow, Pack, Span, Step, StepKind, StepRef},
};

/// Flows that call each other in a circle never come to an end.
pub(super) fn call_cycles(pack: &Pack, problems: &mut Problems) {
    let calls: BTreeMap<&str, Vec<(&str, Span)>> = pack
        .flows
        .values()
        .map(|flow| {
            let steps = flow.blocks.iter().flat_map(|b| &b.steps);
            let calls = steps.filter_map(|step| match &step.kind {
                StepKind::Call { flow, .. } => Some((flow.as_str(), step.span)),
                _ => None,
            });
            (flow.name.as_str(), calls.collect())
        })
        .collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for start in calls.keys().copied() {
        // Depth first without recursion: a pack may chain a thousand flows.
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((name, next)) = path.last_mut() {
            let (at, index) = (*name, *next);
            let Some((callee, span)) = calls.get(at).and_then(|c| c.get(index)).copied() else {
                done.insert(at);
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(from) = path.iter().position(|(n, _)| *n == callee) {
                let circle: Vec<&str> = path[from..]
                    .iter()
                    .map(|(n, _)| *n)
                    .chain([callee])
                    .collect();
                let circle = circle.join(" → ");
                problems.error(
                    "call-cycle",
                    span,
                    words(
                        format!("these flows call each other without end: {circle}"),
                        format!("这些流程互相调用，没有尽头：{circle}"),
                    ),
                    words(
                        format!(
                            "remove one of the calls, or go over for good with `- link: {callee}`"
                        ),
                        format!("请去掉其中一个调用，或用 `- link: {callee}` 直接转过去"),
                    ),
                );
            } else if !done.contains(callee) {
                path.push((callee, 0));
            }
        }
    }
}

/// The blocks under each step.
fn children(flow: &Flow) -> BTreeMap<StepRef, Vec<BlockId>> {
    let mut map: BTreeMap<StepRef, Vec<BlockId>> = BTreeMap::new();
    for (id, block) in flow.blocks.iter().enumerate() {
        if let Some(parent) = block.parent {
            map.entry(parent)
                .or_default()
                .push(u32::try_from(id).unwrap_or(u32::MAX));
        }
    }
    map
}

/// Steps in the order they are written, nested ones after what they hang under.
fn written(flow: &Flow) -> Vec<(StepRef, &Step)> {
    let mut steps: Vec<(StepRef, &Step)> = Vec::new();
    for (id, block) in flow.blocks.iter().enumerate() {
        for (index, step) in block.steps.iter().enumerate() {
            let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
            steps.push((
                StepRef {
                    block: number(id),
                    index: number(index),
                },
                step,
            ));
        }
    }
    steps.sort_by_key(|(_, step)| step.span);
    steps
}

/// A jump back over steps that ask nothing spins until a cap stops it.
pub(super) fn loops(flow: &Flow, problems: &mut Problems) {
    let steps = written(flow);
    let place = |at: StepRef| steps.iter().position(|(s, _)| *s == at);
    for (from, (_, step)) in steps.iter().enumerate() {
        let StepKind::Goto {
            label,
            target,
            max: None,
            ..
        } = &step.kind
        else {
            continue;
        };
        if !flow.ids.contains_key(label) {
            continue;
        }
        let Some(to) = place(*target) else { continue };
        if to > from {
            continue;
        }
        let waits = steps[to..=from].iter().any(|(_, step)| {
            step.kind.is_question()
                || matches!(
                    step.kind,
                    StepKind::Wait { .. } | StepKind::Handoff(_) | StepKind::Faq { .. }
                )
        });
        if !waits {
            problems.error(
                "endless-loop",
                step.span,
                words(
                    format!("this jump back to `{label}` has no end: nothing is asked on the way"),
                    format!("跳回 `{label}` 没有尽头：途中没有提问"),
                ),
                words(
                    "add `max: 2, else: [{handoff: …}]`, or ask something in between",
                    "请添加 `max: 2, else: [{handoff: …}]`，或在途中提问",
                ),
            );
        }
    }
}

/// Steps behind one that always leaves.
pub(super) fn unreachable(flow: &Flow, problems: &mut Problems) {
    let under = children(flow);
    let mut ends = Ends {
        flow,
        under: &under,
        known: BTreeMap::new(),
    };
    for (id, block) in flow.blocks.iter().enumerate() {
        let mut reached = true;
        for (index, step) in block.steps.iter().enumerate() {
            if !reached && step.id.is_none() {
                problems.warn(
                    "unreachable",
                    step.span,
                    words("nothing leads to this step", "没有什么会走到这个步骤"),
                    words(
                        "the step before it always leaves; remove this one, or move it up",
                        "前一个步骤总会离开；请删去此步骤，或移到前面",
                    ),
                );
                break;
            }
            let number = |n| u32::try_from(n).unwrap_or(u32::MAX);
            let at = StepRef {
                block: number(id),
                index: number(index),
            };
            reached = ends.goes_on(at, step);
        }
    }
}

struct Ends<'f> {
    flow: &'f Flow,
    under: &'f BTreeMap<StepRef, Vec<BlockId>>,
    known: BTreeMap<BlockId, bool>,
}

impl Ends<'_> {
    /// Whether the step after this one can be next.
    fn goes_on(&mut self, at: StepRef, step: &Step) -> bool {
        if step.cond.is_some() {
            return true;
        }
        match &step.kind {
            StepKind::End { .. } | StepKind::Link { .. } => false,
            StepKind::Goto { max: None, .. } => false,
            StepKind::Goto { otherwise, .. } => otherwise.is_none_or(|b| self.falls(b)),
            StepKind::If {
                then, otherwise, ..
            } => self.falls(*then) | otherwise.is_none_or(|b| self.falls(b)),
            StepKind::Switch {
                otherwise: Some(_), ..
            } => {
                let blocks = self.under.get(&at).cloned().unwrap_or_default();
                blocks.into_iter().fold(false, |any, b| any | self.falls(b))
            }
            _ => true,
        }
    }

    /// Whether a block can be left at its end.
    fn falls(&mut self, id: BlockId) -> bool {
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        let mut falls = true;
        let steps = self
            .flow
            .blocks
            .get(id as usize)
            .map_or(&[][..], |b| &b.steps);
        for (index, step) in steps.iter().enumerate() {
            if falls || step.id.is_some() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                falls = self.goes_on(StepRef { block: id, index }, step);
            }
        }
        self.known.insert(id, falls);
        falls
    }
}
