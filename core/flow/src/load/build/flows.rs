//! Flows: what starts them, and their blocks of steps.

use std::collections::BTreeMap;

use super::{super::yaml::Node, Build, PATTERNS, duration};
use crate::{
    diagnostic::{suggest, words},
    model::{AfterBlock, Block, BlockId, Flow, PageTrigger, StartWhen, Step, StepKind, StepRef},
};

/// A flow in the making.
#[derive(Default)]
pub(super) struct Draft {
    pub blocks: Vec<Block>,
    pub ids: BTreeMap<String, StepRef>,
    /// Jumps whose target may come later.
    pub jumps: Vec<(StepRef, Node)>,
}

impl Build<'_> {
    pub(in crate::load) fn flow(&mut self, key: &Node, node: &Node) -> Flow {
        let name = key.text().unwrap_or_default().to_owned();
        self.check_name(key, ("a flow", "流程"));
        let mut draft = Draft::default();
        let elsewhere = std::mem::take(&mut self.uses.read);
        if let Some(steps) = node.get("steps") {
            if steps.seq().is_some_and(<[Node]>::is_empty) && !self.shipped {
                self.problems.warn(
                    "empty-steps",
                    steps.place(),
                    words("this flow does nothing", "这个流程没有步骤"),
                    words("add a step, as `- say: …`", "请添加步骤，如 `- say: …`"),
                );
            }
            self.block(&mut draft, steps, None, AfterBlock::Next, "steps");
        }
        self.resolve_jumps(&name, &mut draft);
        let callable_only = node
            .get("callable_only")
            .and_then(Node::bool)
            .unwrap_or(false);
        if callable_only && let Some((at, _)) = node.pair("start_when") {
            self.problems.warn(
                "never-starts",
                at.place(),
                words(
                    "`callable_only` flows are not started by phrases or events",
                    "`callable_only` 的流程不会由例句或事件启动",
                ),
                words("remove one of the two", "请删去其中一个"),
            );
        }
        let pattern = PATTERNS.contains(&name.as_str());
        let title = node.get("title").map(|n| self.local_text(n));
        if title.is_none() && !pattern && !self.shipped {
            self.problems.note(
                "no-title",
                key.place(),
                words(
                    format!("the flow `{name}` has no title"),
                    format!("流程 `{name}` 没有标题"),
                ),
                words(
                    "add `title: your order`; the bot says it when it comes back to the flow",
                    "请添加 `title: 您的订单`；机器人回到此流程时会提到",
                ),
            );
        }
        let start_when = self.start_when(node.get("start_when"));
        let here = std::mem::replace(&mut self.uses.read, elsewhere);
        self.uses.read.extend(here.iter().cloned());
        self.uses.read_in.insert(name.clone(), here);
        Flow {
            name,
            title,
            callable_only,
            start_when,
            blocks: draft.blocks,
            ids: draft.ids,
            pattern,
            span: key.span,
        }
    }

    fn start_when(&mut self, node: Option<&Node>) -> StartWhen {
        let Some(node) = node else {
            return StartWhen::default();
        };
        let phrases = self.phrases(node.get("phrases"));
        let after = node.get("after").and_then(Node::text).and_then(duration);
        let page = node.get("page").and_then(|page| {
            let url = page
                .text()
                .or_else(|| page.get("url").and_then(Node::text))?;
            let own = page.get("after").and_then(Node::text).and_then(duration);
            Some(PageTrigger {
                url: url.to_owned(),
                after: own.or(after),
            })
        });
        if let (Some((at, _)), None) = (node.pair("after"), node.get("page")) {
            self.problems.error(
                "unknown-key",
                at.place(),
                words("`after` belongs to `page`", "`after` 要和 `page` 一起使用"),
                words(
                    "add `page: /cart*`, or remove it",
                    "请添加 `page: /cart*`，或删去",
                ),
            );
        }
        StartWhen {
            phrases,
            event: node.get("event").and_then(Node::text).map(str::to_owned),
            page,
            media: node.get("media").and_then(Node::text).map(|m| {
                if m == "voice" {
                    "audio".to_owned()
                } else {
                    m.to_owned()
                }
            }),
        }
    }

    /// Adds a list of steps as a block.
    pub(super) fn block(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        parent: Option<StepRef>,
        then: AfterBlock,
        label: &str,
    ) -> BlockId {
        let id = u32::try_from(draft.blocks.len()).unwrap_or(u32::MAX);
        draft.blocks.push(Block {
            steps: Vec::new(),
            parent,
            then,
            label: label.to_owned(),
        });
        for item in node.seq().unwrap_or_default() {
            let index = u32::try_from(draft.blocks[id as usize].steps.len()).unwrap_or(u32::MAX);
            let at = StepRef { block: id, index };
            let name = item.get("id");
            if let Some(name) = name {
                self.add_id(draft, name, at);
            }
            let Some(kind) = self.step(draft, item, at) else {
                continue;
            };
            if name.is_none() && kind.is_question() && !self.shipped {
                self.problems.note(
                    "no-id",
                    item.map().and_then(|m| m.first()).map_or(item.place(), |(k, _)| k.place()),
                    words("this question has no id", "这个提问没有 id"),
                    words(
                        "add `id: …`; conversations find their place by it after the flow is edited",
                        "请添加 `id: …`；流程修改后，进行中的会话靠它找到位置",
                    ),
                );
            }
            let cond = match kind {
                StepKind::If { .. } => None,
                _ => item.get("if").and_then(|n| self.expr(n)),
            };
            let id_text = name.and_then(Node::text).map(str::to_owned);
            let step = Step {
                id: id_text,
                cond,
                kind,
                span: item.span,
            };
            draft.blocks[id as usize].steps.push(step);
        }
        id
    }

    pub(super) fn add_id(&mut self, draft: &mut Draft, node: &Node, at: StepRef) {
        let name = node.text().unwrap_or_default().to_owned();
        if draft.ids.insert(name.clone(), at).is_some() {
            self.problems.error(
                "duplicate-id",
                node.place(),
                words(
                    format!("two steps of this flow have the id `{name}`"),
                    format!("这个流程有两个步骤的 id 都是 `{name}`"),
                ),
                words("give one of them another", "请给其中一个换个 id"),
            );
        }
    }

    fn resolve_jumps(&mut self, flow: &str, draft: &mut Draft) {
        for (at, node) in std::mem::take(&mut draft.jumps) {
            let label = node.text().unwrap_or_default();
            let Some(to) = draft.ids.get(label).copied() else {
                let mut hint = suggest(
                    label,
                    draft.ids.keys().map(String::as_str),
                    words("give the step `id: …`", "请给目标步骤加 `id: …`"),
                );
                if label == "end" {
                    hint = words(
                        "to end the flow, write `- end: resolved`",
                        "要结束流程，请写 `- end: resolved`",
                    );
                } else if self.names.flows.contains(label) {
                    hint = words(
                        format!(
                            "`{label}` is a flow: write `- link: {label}` or `- call: {label}`"
                        ),
                        format!("`{label}` 是流程：请写 `- link: {label}` 或 `- call: {label}`"),
                    );
                }
                self.problems.error(
                    "unknown-step",
                    node.place(),
                    words(
                        format!("the flow `{flow}` has no step with the id `{label}`"),
                        format!("流程 `{flow}` 没有 id 为 `{label}` 的步骤"),
                    ),
                    hint,
                );
                continue;
            };
            let block = &mut draft.blocks[at.block as usize];
            if let Some(StepKind::Goto { target, .. }) =
                block.steps.get_mut(at.index as usize).map(|s| &mut s.kind)
            {
                *target = to;
            }
        }
    }
}

impl StepKind {
    /// Whether it waits for the customer.
    #[must_use]
    pub fn is_question(&self) -> bool {
        matches!(self, Self::Collect(_) | Self::Form(_) | Self::Menu(_))
    }
}
