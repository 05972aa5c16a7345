//! What is asked: questions, forms, menus and the rules of their answers.

use tandem_domain::Value;

use super::{
    super::yaml::Node,
    Build,
    flows::Draft,
    steps::{flag, number, span},
};
use crate::{
    diagnostic::words,
    model::{
        AfterBlock, Collect, Field, Form, Menu, MenuOption, Rule, RuleCheck, SlotKind, StepKind,
        StepRef, Timeout,
    },
};

impl Build<'_> {
    /// `collect` as a step or as a field of a form; `then` is where its blocks lead.
    pub(super) fn collect(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        at: StepRef,
        then: AfterBlock,
    ) -> Option<Collect> {
        let name_node = node.get("collect")?;
        let slot = self.slot_name(name_node);
        if let Some(slot) = slot.as_ref().and_then(|s| self.slots.get(s)) {
            let (name, source) = (slot.name.clone(), slot.source);
            let chosen = node.get("options_from").is_some();
            let unasked = matches!(slot.kind, SlotKind::Object) && !chosen;
            self.uses.filled.insert(name.clone());
            if source != crate::model::Source::Customer {
                let key = serde_json::to_value(source).ok();
                let key = key
                    .as_ref()
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                self.problems.error(
                    "slot-source",
                    name_node.place(),
                    words(
                        format!("`{name}` has `source: {key}`, so customers cannot fill it"),
                        format!("`{name}` 的来源是 `{key}`，客户不能填写"),
                    ),
                    words(
                        "remove its `source`, or ask for another slot",
                        "请删去它的 `source`，或询问其他槽位",
                    ),
                );
            } else if unasked {
                self.problems.error(
                    "slot-options",
                    name_node.place(),
                    words(
                        format!("nobody can type the object `{name}`: it needs `options_from`"),
                        format!("客户无法输入对象 `{name}`：需要 `options_from`"),
                    ),
                    words(
                        "add `options_from: order.lines`",
                        "请添加 `options_from: order.lines`",
                    ),
                );
            }
        }
        if node.get("ask").is_none() && !self.shipped {
            self.problems.warn(
                "no-question",
                name_node.place(),
                words("nothing is asked here", "这里没有提问"),
                words("add `ask: …`", "请添加 `ask: …`"),
            );
        }
        if let (Some((label, _)), None) = (node.pair("label"), node.get("options_from")) {
            self.problems.warn(
                "label-alone",
                label.place(),
                words(
                    "`label` without `options_from` does nothing",
                    "没有 `options_from` 时 `label` 不起作用",
                ),
                words(
                    "add `options_from: …`, or remove it",
                    "请添加 `options_from: …`，或删去",
                ),
            );
        }
        let ask = node.get("ask").and_then(|n| self.say(n));
        let options_from = self.condition(node, "options_from");
        let label = node.get("label").map(|n| self.label(n));
        let rules = node.get("validate").and_then(Node::seq).unwrap_or_default();
        let validate = rules
            .iter()
            .filter_map(|r| self.rule(draft, r, at, then))
            .collect();
        let on_give_up = node
            .get("on_give_up")
            .and_then(|n| self.branch_as(draft, n, "on_give_up", at, then));
        let timeout = node.get("timeout").and_then(|n| {
            Some(Timeout {
                after: span(n, "after")?,
                say: n.get("say").and_then(|n| self.say(n)),
                times: number(n, "times").unwrap_or(1),
                then: n
                    .get("then")
                    .and_then(|n| self.branch_as(draft, n, "timeout.then", at, then)),
            })
        });
        Some(Collect {
            slot: slot?,
            ask,
            options_from,
            label,
            validate,
            max_attempts: number(node, "max_attempts"),
            on_give_up,
            optional: flag(node, "optional", false),
            always_ask: flag(node, "always_ask", false),
            digressions: flag(node, "digressions", true),
            timeout,
        })
    }

    pub(super) fn rule(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        at: StepRef,
        then: AfterBlock,
    ) -> Option<Rule> {
        let (check, names) = match (node.get("must"), node.get("lua")) {
            (Some(must), _) => {
                let expr = self.expr(must)?;
                let names = self.templates.names(&expr).into_iter().map(str::to_owned);
                let names = names.filter(|n| self.slots.contains_key(n)).collect();
                (RuleCheck::Must(expr), names)
            }
            (None, Some(lua)) => (RuleCheck::Lua(self.function(lua)?), Vec::new()),
            (None, None) => return None,
        };
        Some(Rule {
            check,
            say: node.get("say").and_then(|n| self.say(n)),
            then: node
                .get("then")
                .and_then(|n| self.branch_as(draft, n, "validate.then", at, then)),
            names,
        })
    }

    pub(super) fn form(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
        let mut fields = Vec::new();
        for item in node.get("collect").and_then(Node::seq).unwrap_or_default() {
            let cond = self.condition(item, "if");
            let id = item.get("id");
            if let Some(id) = id {
                self.add_id(draft, id, at);
            }
            if let Some(collect) = self.collect(draft, item, at, AfterBlock::Parent) {
                let id = id.and_then(Node::text).map(str::to_owned);
                fields.push(Field {
                    id,
                    cond,
                    collect,
                    span: item.span,
                });
            }
        }
        if node
            .get("collect")
            .and_then(Node::seq)
            .is_some_and(<[Node]>::is_empty)
        {
            self.problems.error(
                "form-empty",
                value.place(),
                words("this form asks nothing", "这个表单没有提问"),
                words(
                    "add `collect: [{collect: SLOT, ask: …}]`",
                    "请添加 `collect: [{collect: 槽位, ask: …}]`",
                ),
            );
        }
        let rules = node.get("validate").and_then(Node::seq).unwrap_or_default();
        let validate = rules
            .iter()
            .filter_map(|r| self.rule(draft, r, at, AfterBlock::Parent))
            .collect();
        Some(StepKind::Form(Box::new(Form {
            name: value.text()?.to_owned(),
            fields,
            validate,
            confirm: node.get("confirm").and_then(|n| self.say(n)),
        })))
    }

    pub(super) fn menu(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
        let list = node.get("options")?;
        let items = list.seq()?;
        if items.is_empty() {
            self.problems.error(
                "menu-empty",
                list.place(),
                words("this menu offers nothing", "这个菜单没有选项"),
                words(
                    "add `options: [{label: …, then: […]}]`",
                    "请添加 `options: [{label: …, then: […]}]`",
                ),
            );
        }
        self.check_count(list, items.len());
        let mut options = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let Some(label) = item.get("label").map(|n| self.label(n)) else {
                continue;
            };
            let block = format!("options.{}", place + 1);
            options.push(MenuOption {
                label,
                phrases: self.phrases(item.get("phrases")),
                then: item
                    .get("then")
                    .and_then(|n| self.branch_as(draft, n, &block, at, AfterBlock::Next)),
                cond: self.condition(item, "if"),
            });
        }
        Some(StepKind::Menu(Menu {
            name: value.text()?.to_owned(),
            ask: node.get("ask").and_then(|n| self.say(n)),
            options,
            otherwise: self.branch(draft, node, "else", at),
        }))
    }
}
