//! The kinds of steps.

use tandem_domain::{Value, conversation::HandoffMode};

use super::{
    super::{
        validate::kinds_in,
        yaml::{Kind as NodeKind, Node, Style},
    },
    Build, duration,
    exprs::Type,
    flows::Draft,
    is_identifier, split_name,
};
use crate::{
    diagnostic::{suggest, words},
    model::{
        AfterBlock, AnswerStep, Arg, Args, BlockId, Collect, Duration, ErrorKey, Field, Form,
        HandoffStep, HttpStep, LuaStep, Menu, MenuOption, PluginStep, RemindStep, RemindWhen, Rule,
        RuleCheck, SayStep, SlotKind, StepKind, StepRef, TicketStep, Timeout,
    },
    template::{Expr, Template},
};

/// Codes of `on_error` besides HTTP statuses.
const ERROR_CODES: [&str; 7] = [
    "timeout",
    "unavailable",
    "refused",
    "too_large",
    "bad_response",
    "script",
    "unknown",
];

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
                timeout: span(node, "timeout"),
                on_error: self.branch(draft, node, "on_error", at),
            }))),
            "plugin" => {
                let Some((plugin, method)) = split_name(value.text()?) else {
                    self.problems.error(
                        "wrong-type",
                        value.place(),
                        words(
                            "`plugin` takes `plugin.method`",
                            "`plugin` 应写作 `插件.方法`",
                        ),
                        words("write `plugin: crm.lookup`", "请写成 `plugin: crm.lookup`"),
                    );
                    return None;
                };
                Some(StepKind::Plugin(Box::new(PluginStep {
                    plugin: plugin.to_owned(),
                    method: method.to_owned(),
                    with: self.args(node.get("with")),
                    save: self.save(node),
                    timeout: span(node, "timeout"),
                    on_error: self.branch(draft, node, "on_error", at),
                })))
            }
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
    fn branch(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        key: &str,
        at: StepRef,
    ) -> Option<BlockId> {
        self.branch_as(draft, node.get(key)?, key, at, AfterBlock::Next)
    }

    fn branch_as(
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

    fn field(&mut self, node: &Node, key: &str) -> Option<Template> {
        node.get(key).and_then(|n| self.template(n))
    }

    fn condition(&mut self, node: &Node, key: &str) -> Option<Expr> {
        node.get(key).and_then(|n| self.expr(n))
    }

    fn save(&mut self, node: &Node) -> Option<String> {
        let name = node.get("save").and_then(|n| self.slot_name(n))?;
        self.uses.filled.insert(name.clone());
        Some(name)
    }

    /// `collect` as a step or as a field of a form; `then` is where its blocks lead.
    fn collect(
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
            let unasked = matches!(slot.kind, SlotKind::Object | SlotKind::List) && !chosen;
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

    fn rule(
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

    fn form(
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

    fn menu(
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

    fn faq_step(&mut self, value: &Node) -> Option<StepKind> {
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

    fn switch(
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

    fn http(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
        let operation = self.operation(node, value);
        let with = self.args(node.get("with"));
        let save = self.save(node);
        let keys = node
            .get("once_per")
            .map(Node::one_or_many)
            .unwrap_or_default();
        let once_per = keys.iter().filter_map(|n| self.expr(n)).collect();
        if let (Some((at, _)), None) = (node.pair("for"), node.get("once_per")) {
            self.problems.error(
                "unknown-key",
                at.place(),
                words(
                    "`for` belongs to `once_per`",
                    "`for` 要和 `once_per` 一起使用",
                ),
                words(
                    "add `once_per: [order_no]`, or remove it",
                    "请添加 `once_per: [order_no]`，或删去",
                ),
            );
        }
        let mut on_error = Vec::new();
        for (key, steps) in node.get("on_error").and_then(Node::map).unwrap_or_default() {
            let text = key.text().unwrap_or_default();
            let status =
                text.len() == 3 && text.parse::<u16>().is_ok_and(|s| (100..600).contains(&s));
            let key_of = if text == "other" {
                ErrorKey::Other
            } else if status || ERROR_CODES.contains(&text) {
                ErrorKey::Code(text.to_owned())
            } else {
                let known = ["other"].into_iter().chain(ERROR_CODES);
                self.problems.error(
                    "unknown-error",
                    key.place(),
                    words(
                        format!("`{text}` is no HTTP status and no error code"),
                        format!("`{text}` 既不是 HTTP 状态码，也不是错误码"),
                    ),
                    match crate::diagnostic::nearest(text, known.clone()) {
                        Some(near) => words(
                            format!("did you mean `{near}`?"),
                            format!("是不是想写 `{near}`？"),
                        ),
                        None => {
                            let list: Vec<&str> = known.collect();
                            words(
                                format!("write a status as 404, or one of: {}", list.join(", ")),
                                format!("请写状态码（如 404），或以下之一：{}", list.join("、")),
                            )
                        }
                    },
                );
                continue;
            };
            let label = format!("on_error.{text}");
            if let Some(block) = self.branch_as(draft, steps, &label, at, AfterBlock::Next) {
                on_error.push((key_of, block));
            }
        }
        let (connection, operation) = operation?;
        Some(StepKind::Http(Box::new(HttpStep {
            connection,
            operation,
            with,
            save,
            write: node.get("effect").and_then(Node::text) == Some("write"),
            once_per,
            once_for: span(node, "for"),
            retry: number(node, "retry"),
            timeout: span(node, "timeout"),
            on_error,
        })))
    }

    /// `connection.operation`, with the arguments its path needs.
    fn operation(&mut self, node: &Node, value: &Node) -> Option<(String, String)> {
        let text = value.text()?;
        let Some((connection, operation)) = split_name(text) else {
            self.problems.error(
                "wrong-type",
                value.place(),
                words(
                    "`http` takes `connection.operation`",
                    "`http` 应写作 `连接.操作`",
                ),
                words(
                    "write `http: shop.find_order`; both are declared in connections.yaml",
                    "请写成 `http: shop.find_order`，两者都在 connections.yaml 中声明",
                ),
            );
            return None;
        };
        let Some(known) = self.names.connections.get(connection) else {
            let names: Vec<String> = self.names.connections.keys().cloned().collect();
            let none = words(
                "declare it in connections.yaml",
                "请在 connections.yaml 中声明",
            );
            self.unknown(
                "unknown-connection",
                value.place(),
                ("connection", "连接"),
                connection,
                &names,
                none,
            );
            return None;
        };
        let Some(found) = known.get(operation).cloned() else {
            let names: Vec<String> = known.keys().cloned().collect();
            let at = value.inside(connection.len() + 1, self.problems);
            let none = words(
                "declare it in connections.yaml",
                "请在 connections.yaml 中声明",
            );
            let (en, zh) = (
                format!("operation of `{connection}` called"),
                format!("`{connection}` 操作"),
            );
            self.unknown("unknown-operation", at, (&en, &zh), operation, &names, none);
            return None;
        };
        for name in &found.placeholders {
            if node.get("with").and_then(|w| w.get(name)).is_none() {
                self.problems.error(
                    "missing-argument",
                    value.place(),
                    words(
                        format!("the path of `{text}` needs `{name}`"),
                        format!("`{text}` 的路径需要 `{name}`"),
                    ),
                    words(
                        format!("add `with: {{{name}: \"{{{{ … }}}}\"}}`"),
                        format!("请添加 `with: {{{name}: \"{{{{ … }}}}\"}}`"),
                    ),
                );
            }
        }
        if found.method == "DELETE" && node.get("effect").is_none() {
            self.problems.warn(
                "write-effect",
                value.place(),
                words(
                    format!("`{text}` deletes something, yet may be repeated by a correction"),
                    format!("`{text}` 会删除内容，但更正时可能被重复执行"),
                ),
                words("add `effect: write`", "请添加 `effect: write`"),
            );
        }
        Some((connection.to_owned(), operation.to_owned()))
    }

    fn answer(&mut self, node: &Node, value: &Node) -> Option<StepKind> {
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

    pub(super) fn priority(&mut self, node: &Node) -> Option<Template> {
        let known = ["low", "normal", "high", "urgent"];
        let text = node.text()?;
        if !text.contains("{{") && !text.contains("{%") && !known.contains(&text) {
            self.problems.error(
                "unknown-value",
                node.place(),
                words(
                    format!("`{text}` is no priority"),
                    format!("`{text}` 不是优先级"),
                ),
                suggest(text, known, words("", "")),
            );
            return None;
        }
        self.template(node)
    }

    fn handoff(&mut self, draft: &mut Draft, node: &Node, value: &Node, at: StepRef) -> StepKind {
        // Everything in one map reads as well as beside the key.
        let (node, skill) = match value.map() {
            Some(_) => (value, value.get("skill")),
            None => (node, Some(value)),
        };
        let hours = node.get("hours").and_then(|n| {
            let name = n.text()?.to_owned();
            if !self.names.hours.contains(&name) {
                let known: Vec<String> = self.names.hours.iter().cloned().collect();
                let none = words(
                    "declare them under `hours:` in desk.yaml",
                    "请在 desk.yaml 的 `hours:` 下声明",
                );
                self.unknown(
                    "unknown-hours",
                    n.place(),
                    ("opening hours called", "营业时间"),
                    &name,
                    &known,
                    none,
                );
            }
            Some(name)
        });
        if let (Some((at, _)), None) = (node.pair("when_closed"), &hours) {
            self.problems.warn(
                "no-hours",
                at.place(),
                words(
                    "`when_closed` without `hours` is never run",
                    "没有 `hours` 时 `when_closed` 不会执行",
                ),
                words(
                    "add `hours: NAME`, of desk.yaml",
                    "请添加 `hours: 名称`（见 desk.yaml）",
                ),
            );
        }
        if let (Some((at, _)), None) = (node.pair("on_timeout"), node.get("max_wait")) {
            self.problems.warn(
                "no-max-wait",
                at.place(),
                words(
                    "`on_timeout` without `max_wait` is never run",
                    "没有 `max_wait` 时 `on_timeout` 不会执行",
                ),
                words("add `max_wait: 10m`", "请添加 `max_wait: 10m`"),
            );
        }
        StepKind::Handoff(Box::new(HandoffStep {
            skill: self.skill(skill),
            priority: node.get("priority").and_then(|n| self.priority(n)),
            summary: node.get("summary").map(|n| {
                let text = self.local_text_freely(n);
                self.check_sensitive(n, &text);
                text
            }),
            tags: texts(node.get("tags")),
            mode: match node.get("mode").and_then(Node::text) {
                Some("ticket") => HandoffMode::Ticket,
                Some("callback") => HandoffMode::Callback,
                _ => HandoffMode::Queue,
            },
            hours,
            when_closed: self.branch(draft, node, "when_closed", at),
            max_wait: span(node, "max_wait"),
            on_timeout: self.branch(draft, node, "on_timeout", at),
            after: self.branch(draft, node, "after", at),
        }))
    }

    fn wait(&mut self, draft: &mut Draft, value: &Node, at: StepRef) -> Option<StepKind> {
        let for_ = span(value, "for");
        let event = word(value, "event");
        if for_.is_none() && event.is_none() {
            self.problems.error(
                "wait-empty",
                value.place(),
                words(
                    "`wait` needs `for` or `event`",
                    "`wait` 需要 `for` 或 `event`",
                ),
                words(
                    "write `wait: {for: 1h}` or `wait: {event: paid, for: 1d}`",
                    "请写 `wait: {for: 1h}` 或 `wait: {event: paid, for: 1d}`",
                ),
            );
            return None;
        }
        if let (Some((key, _)), None) = (value.pair("on_timeout"), for_) {
            self.problems.warn(
                "no-max-wait",
                key.place(),
                words(
                    "`on_timeout` without `for` is never run",
                    "没有 `for` 时 `on_timeout` 不会执行",
                ),
                words("add `for: 1d`", "请添加 `for: 1d`"),
            );
        }
        let on_timeout = self.branch(draft, value, "on_timeout", at);
        Some(StepKind::Wait {
            span: for_,
            event,
            on_timeout,
        })
    }

    fn remind(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
        let say = self.say(value);
        let when = match (node.get("after"), node.get("at")) {
            (Some(_), None) => span(node, "after").map(RemindWhen::After),
            (None, Some(at)) => self.template(at).map(RemindWhen::At),
            (both, _) => {
                let place = node
                    .pair("at")
                    .filter(|_| both.is_some())
                    .map_or(value.place(), |(k, _)| k.place());
                self.problems.error(
                    "remind-when",
                    place,
                    words(
                        "`remind` needs `after` or `at`, one of the two",
                        "`remind` 需要 `after` 或 `at`，二者取一",
                    ),
                    words(
                        "write `after: 7d`, or `at: \"{{ order.eta }}\"`",
                        "请写 `after: 7d` 或 `at: \"{{ order.eta }}\"`",
                    ),
                );
                None
            }
        };
        let quiet_hours = node.get("quiet_hours").and_then(|n| {
            let found = n.text().and_then(super::others::hours);
            if found.is_none() {
                super::others::bad_hours(self.problems, n);
            }
            found
        });
        Some(StepKind::Remind(Box::new(RemindStep {
            say: say?,
            when: when?,
            refresh: self.branch(draft, node, "refresh", at),
            unless: self.condition(node, "unless"),
            quiet_hours,
            via: word(node, "via"),
            to: self.field(node, "to"),
        })))
    }

    /// A sensitive slot in a text that stays with the conversation.
    fn check_sensitive(&mut self, node: &Node, text: &crate::model::LocalText) {
        for template in text.0.values() {
            let Some(analysis) = self.templates.text_analysis(template) else {
                continue;
            };
            let told = analysis
                .names
                .iter()
                .find(|n| self.slots.get(&n.name).is_some_and(|s| s.sensitive));
            let Some(name) = told.map(|n| n.name.clone()) else {
                continue;
            };
            self.problems.warn(
                "sensitive-told",
                node.place(),
                words(
                    format!("the summary tells the sensitive slot `{name}` in plain text"),
                    format!("摘要会以明文写出敏感槽位 `{name}`"),
                ),
                words(
                    "leave it out; people who may see it find it with the contact",
                    "请不要写入；有权限的人可在联系人处查看",
                ),
            );
        }
    }

    /// A text for the desk: not translated, so no warning.
    fn local_text_freely(&mut self, node: &Node) -> crate::model::LocalText {
        let before = std::mem::replace(&mut self.shipped, true);
        let text = self.local_text(node);
        self.shipped = before;
        text
    }

    /// Named values for slots of the pack.
    fn slot_args(&mut self, node: Option<&Node>) -> Args {
        for (key, value) in node.and_then(Node::map).unwrap_or_default() {
            if let Some(name) = self.slot_name(key) {
                self.uses.filled.insert(name.clone());
                self.check_fits(&name, value);
            }
        }
        self.args(node)
    }

    /// Whether a value as written suits the slot's type.
    fn check_fits(&mut self, name: &str, node: &Node) {
        let Some(text) = node.text() else { return };
        if node.is_null() || text.contains("{{") || text.contains("{%") {
            return;
        }
        let Some(slot) = self.slots.get(name) else {
            return;
        };
        let (fits, en, zh): (bool, String, String) = match &slot.kind {
            SlotKind::Integer { .. } => (
                text.parse::<i64>().is_ok(),
                "a whole number".into(),
                "整数".into(),
            ),
            SlotKind::Number { .. } => (node.number().is_some(), "a number".into(), "数字".into()),
            SlotKind::Boolean => (
                matches!(text, "true" | "false" | "True" | "False"),
                "`true` or `false`".into(),
                "`true` 或 `false`".into(),
            ),
            SlotKind::Date => (
                text.parse::<jiff::civil::Date>().is_ok(),
                "a date, as 2025-03-17".into(),
                "日期，如 2025-03-17".into(),
            ),
            SlotKind::Time => (
                text.parse::<jiff::civil::Time>().is_ok(),
                "a time, as 14:30".into(),
                "时间，如 14:30".into(),
            ),
            SlotKind::Choice { options } => {
                let list: Vec<&str> = options.keys().map(String::as_str).collect();
                (
                    options.contains_key(text),
                    format!("one of {}", list.join(", ")),
                    format!("以下之一：{}", list.join("、")),
                )
            }
            _ => (true, String::new(), String::new()),
        };
        if !fits {
            self.problems.error(
                "wrong-type",
                node.place(),
                words(
                    format!("the slot `{name}` cannot be `{text}`"),
                    format!("槽位 `{name}` 的值不能是 `{text}`"),
                ),
                words(format!("it takes {en}"), format!("应为{zh}")),
            );
        }
    }

    /// Named values of any kind.
    fn args(&mut self, node: Option<&Node>) -> Args {
        let mut args = Args::new();
        for (key, value) in node.and_then(Node::map).unwrap_or_default() {
            self.check_secret(key, value);
            if let Some(arg) = self.arg(value) {
                args.push((key.text().unwrap_or_default().to_owned(), arg));
            }
        }
        args
    }

    fn arg(&mut self, node: &Node) -> Option<Arg> {
        Some(match &node.kind {
            NodeKind::Scalar { text, style } => {
                if text.contains("{{") || text.contains("{%") {
                    return self.template(node).map(Arg::Template);
                }
                let value = match style {
                    Style::Plain => node.value(),
                    _ => Value::String(text.clone()),
                };
                Arg::Literal {
                    source: text.clone(),
                    value,
                }
            }
            NodeKind::Seq(items) => Arg::List(items.iter().filter_map(|n| self.arg(n)).collect()),
            NodeKind::Map(_) => Arg::Map(self.args(Some(node))),
        })
    }
}

fn word(node: &Node, key: &str) -> Option<String> {
    node.get(key)
        .filter(|n| !n.is_null())
        .and_then(Node::text)
        .map(str::to_owned)
}

fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.map(Node::one_or_many).unwrap_or_default();
    items
        .iter()
        .filter_map(|n| n.text().map(str::to_owned))
        .collect()
}

fn number(node: &Node, key: &str) -> Option<u32> {
    node.get(key)
        .and_then(Node::int)
        .and_then(|n| u32::try_from(n).ok())
}

fn flag(node: &Node, key: &str, default: bool) -> bool {
    node.get(key).and_then(Node::bool).unwrap_or(default)
}

fn span(node: &Node, key: &str) -> Option<Duration> {
    node.get(key).and_then(Node::text).and_then(duration)
}
