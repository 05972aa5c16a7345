//! The tree of questions and the handoff triggers.

use super::{super::yaml::Node, Build};
use crate::{
    diagnostic::words,
    model::{FaqNode, Trigger},
    value::normal,
};

impl Build<'_> {
    pub(in crate::load) fn faq_items(&mut self, node: &Node, above: &str) -> Vec<FaqNode> {
        let mut items = Vec::new();
        for (key, item) in node.map().unwrap_or_default() {
            if self.check_name(key, ("an FAQ item", "常见问题")) {
                items.push(self.faq(key, item, above));
            }
        }
        items
    }

    fn faq(&mut self, key: &Node, node: &Node, above: &str) -> FaqNode {
        let name = key.text().unwrap_or_default();
        let path = if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above}.{name}")
        };
        let given = ["answer", "start", "items"]
            .iter()
            .filter(|k| node.get(k).is_some())
            .count();
        if given == 0 {
            self.problems.error(
                "faq-empty",
                key.place(),
                words(
                    format!("the FAQ item `{path}` leads nowhere"),
                    format!("常见问题 `{path}` 没有内容"),
                ),
                words(
                    "add `answer: …`, `start: FLOW` or `items:`",
                    "请添加 `answer: …`、`start: 流程` 或 `items:`",
                ),
            );
        }
        if node.get("answer").is_some()
            && let Some((start, _)) = node.pair("start")
        {
            self.problems.error(
                "faq-twofold",
                start.place(),
                words(
                    "an FAQ item answers or starts a flow, not both",
                    "常见问题要么回答，要么启动流程，不能兼有",
                ),
                words(
                    "let the answer have a button: `buttons: [{label: …, start: FLOW}]`",
                    "可以在回答中加按钮：`buttons: [{label: …, start: 流程}]`",
                ),
            );
        }
        let title = node.get("title").map(|n| self.label(n)).unwrap_or_default();
        let phrases = self.phrases(node.get("phrases"));
        FaqNode {
            title,
            phrases,
            answer: node.get("answer").and_then(|n| self.say(n)),
            start: node.get("start").and_then(|n| self.flow_name(n)),
            items: node
                .get("items")
                .map(|n| self.faq_items(n, &path))
                .unwrap_or_default(),
            span: key.span,
            path,
        }
    }

    pub(in crate::load) fn trigger(&mut self, node: &Node) -> Trigger {
        if node.get("phrases").is_none() && node.get("if").is_none() {
            self.problems.error(
                "trigger-empty",
                node.place(),
                words("this trigger never fires", "这个触发条件永远不会生效"),
                words(
                    "add `phrases: […]` or `if: …`",
                    "请添加 `phrases: […]` 或 `if: …`",
                ),
            );
        }
        if node.get("skill").is_none() {
            let skill = self.default_skill.clone();
            self.problems.warn(
                "trigger-skill",
                node.place(),
                words(
                    format!("this trigger names no skill; it asks for `{skill}`"),
                    format!("这个触发条件未写技能，将使用 `{skill}`"),
                ),
                words(
                    format!("add `skill: {skill}`"),
                    format!("请添加 `skill: {skill}`"),
                ),
            );
        }
        let phrases = self.phrases(node.get("phrases"));
        let folded = phrases.0.values().flatten();
        Trigger {
            folded: folded.map(|(phrase, _)| normal::fold(phrase)).collect(),
            phrases,
            cond: node.get("if").and_then(|n| self.expr(n)),
            skill: self.skill(node.get("skill")),
            priority: node.get("priority").and_then(|n| self.priority(n)),
            hours: self.hours(node),
            span: node.span,
        }
    }
}
