//! The kinds of steps.

use tandem_domain::Value;

use super::{
    super::{validate::kinds_in, yaml::Node},
    Build, duration,
    exprs::Type,
    flows::Draft,
    is_identifier,
};
use crate::{
    diagnostic::{suggest, words},
    model::{
        AfterBlock, AnswerStep, BlockId, Duration, LuaStep, SayStep, SlotKind, StepKind, StepRef,
        TicketStep,
    },
    template::{Expr, Template},
};

impl Build<'_> {
    pub(super) fn step(&mut self, draft: &mut Draft, node: &Node, at: StepRef) -> Option<StepKind> {
        let (_, kind) = kinds_in(node).into_iter().next()?;
        let value = node.get(kind.key)?;
        match kind.key {
            "say" => Some(StepKind::Say(SayStep {
                say: self.say(value)?,
                via: word(node, "via"),
                to: self.field(node, "to"),
            })),
            "collect" => {
                let collect = self.collect(draft, node, at, AfterBlock::Next)?;
                Some(StepKind::Collect(Box::new(collect)))
            }
            "form" => self.form(draft, node, value, at),
            "menu" => self.menu(draft, node, value, at),
            "faq" => self.faq_step(value),
            "if" => {
                let cond = self.expr(value)?;
                let then = self.branch(draft, node, "then", at)?;
                let otherwise = self.branch(draft, node, "else", at);
                Some(StepKind::If {
                    cond,
                    then,
                    otherwise,
                })
            }
            "switch" => self.switch(draft, node, value, at),
            "set" => {
                let values = self.slot_args(Some(value));
                Some(StepKind::Set { values })
            }
            "goto" => {
                draft.jumps.push((at, value.clone()));
                Some(StepKind::Goto {
                    label: value.text().unwrap_or_default().to_owned(),
                    target: StepRef::default(),
                    max: number(node, "max"),
                    otherwise: self.branch(draft, node, "else", at),
                })
            }
            "call" => {
                let flow = self.flow_name(value);
                let with = self.slot_args(node.get("with"));
                let save = self.save(node);
                Some(StepKind::Call {
                    flow: flow?,
                    with,
                    save,
                })
            }
            "link" => {
                let flow = self.flow_name(value);
                let with = self.slot_args(node.get("with"));
                Some(StepKind::Link { flow: flow?, with })
            }
            "http" => self.http(draft, node, value, at),
            "lua" => Some(StepKind::Lua(Box::new(LuaStep {
                function: self.function(value)?,
                with: self.args(node.get("with")),
                save: self.save(node),
                timeout: self.timeout(node),
                on_error: self.branch(draft, node, "on_error", at),
            }))),
            "plugin" => self.plugin(draft, node, value, at),
            "answer" => self.answer(node, value),
            "handoff" => Some(self.handoff(draft, node, value, at)),
            "ticket" => Some(StepKind::Ticket(Box::new(TicketStep {
                title: value.get("title").map(|n| self.local_text(n))?,
                fields: self.args(value.get("fields")),
                skill: value.get("skill").map(|n| self.skill(Some(n))),
                via: word(node, "via"),
                to: self.field(node, "to"),
            }))),
            "wait" => self.wait(draft, value, at),
            "remind" => self.remind(draft, node, value, at),
            "tag" => Some(StepKind::Tag {
                words: texts(Some(value)),
            }),
            "end" => Some(StepKind::End {
                outcome: value.text()?.to_owned(),
            }),
            _ => None,
        }
    }

    /// The list of steps under a key, as a block of its own.
    pub(super) fn branch(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        key: &str,
        at: StepRef,
    ) -> Option<BlockId> {
        self.branch_as(draft, node.get(key)?, key, at, AfterBlock::Next)
    }

    pub(super) fn branch_as(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        label: &str,
        at: StepRef,
        then: AfterBlock,
    ) -> Option<BlockId> {
        node.seq()?;
        Some(self.block(draft, node, Some(at), then, label))
    }

    pub(super) fn field(&mut self, node: &Node, key: &str) -> Option<Template> {
        node.get(key).and_then(|n| self.template(n))
    }

    pub(super) fn condition(&mut self, node: &Node, key: &str) -> Option<Expr> {
        node.get(key).and_then(|n| self.expr(n))
    }

    pub(super) fn faq_step(&mut self, value: &Node) -> Option<StepKind> {
        let path = if value.is_null() { "" } else { value.text()? };
        if !path.is_empty() && !self.names.faqs.contains(path) {
            let known: Vec<String> = self.names.faqs.iter().cloned().collect();
            let none = words("write it under `faqs:`", "请在 `faqs:` 下编写");
            let path = path.to_owned();
            self.unknown(
                "unknown-faq",
                value.place(),
                ("FAQ item", "常见问题"),
                &path,
                &known,
                none,
            );
            return None;
        }
        Some(StepKind::Faq {
            path: path.to_owned(),
        })
    }

    pub(super) fn switch(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
        let on = self.expr(value)?;
        let shape = self.templates.analysis(&on).shape.clone();
        let textual = shape
            .as_ref()
            .is_some_and(|s| self.type_of(s) == Type::Text);
        let options: Option<Vec<String>> = match &shape {
            Some(crate::template::Shape::Path(path)) if path.len() == 1 => {
                self.slots.get(&path[0]).and_then(|slot| match &slot.kind {
                    SlotKind::Choice { options } => Some(options.keys().cloned().collect()),
                    _ => None,
                })
            }
            _ => None,
        };
        let mut cases = Vec::new();
        for (key, steps) in node.get("cases").and_then(Node::map).unwrap_or_default() {
            let text = key.text().unwrap_or_default();
            if let Some(options) = &options
                && !options.iter().any(|o| o == text)
            {
                let hint = suggest(text, options.iter().map(String::as_str), words("", ""));
                self.problems.error(
                    "unknown-option",
                    key.place(),
                    words(
                        format!("`{}` has no option `{text}`", on.source),
                        format!("`{}` 没有选项 `{text}`", on.source),
                    ),
                    hint,
                );
            }
            let case = if textual {
                Value::String(text.to_owned())
            } else {
                key.value()
            };
            let label = format!("cases.{text}");
            if let Some(block) = self.branch_as(draft, steps, &label, at, AfterBlock::Next) {
                cases.push((case, block));
            }
        }
        Some(StepKind::Switch {
            on,
            cases,
            otherwise: self.branch(draft, node, "else", at),
        })
    }

    pub(super) fn answer(&mut self, node: &Node, value: &Node) -> Option<StepKind> {
        let word = value
            .text()
            .filter(|t| is_identifier(t) && !value.is_null());
        let word = word.filter(|t| !matches!(*t, "knowledge" | "true"));
        if let Some(name) = word {
            // A slot holds the question; else, as in an FAQ, the word names a response.
            if self.slots.contains_key(name) && !self.names.responses.contains(name) {
                self.uses.read.insert(name.to_owned());
                let source = format!("{{{{ {name} }}}}");
                let query = self.templates.text(&source, value.span).ok();
                let tags = texts(node.get("tags"));
                return Some(StepKind::Answer(AnswerStep { query, tags }));
            }
            let say = self.say(value)?;
            return Some(StepKind::Say(SayStep {
                say,
                via: None,
                to: None,
            }));
        }
        let own = value.map().is_some();
        let query = if own {
            value.get("query")
        } else {
            node.get("query")
        };
        let bare = own || value.is_null() || matches!(value.text(), Some("knowledge" | "true"));
        Some(StepKind::Answer(AnswerStep {
            query: if bare {
                query.and_then(|n| self.template(n))
            } else {
                self.template(value)
            },
            tags: texts(value.get("tags").or(node.get("tags"))),
        }))
    }
}

pub(super) fn word(node: &Node, key: &str) -> Option<String> {
    node.get(key)
        .filter(|n| !n.is_null())
        .and_then(Node::text)
        .map(str::to_owned)
}

pub(super) fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.map(Node::one_or_many).unwrap_or_default();
    items
        .iter()
        .filter_map(|n| n.text().map(str::to_owned))
        .collect()
}

pub(super) fn number(node: &Node, key: &str) -> Option<u32> {
    node.get(key)
        .and_then(Node::int)
        .and_then(|n| u32::try_from(n).ok())
}

pub(super) fn flag(node: &Node, key: &str, default: bool) -> bool {
    node.get(key).and_then(Node::bool).unwrap_or(default)
}

pub(super) fn span(node: &Node, key: &str) -> Option<Duration> {
    node.get(key).and_then(Node::text).and_then(duration)
}
