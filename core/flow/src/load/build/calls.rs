//! Calls to the outside, and the values handed over.

use std::collections::BTreeMap;

use tandem_domain::Value;

use super::{
    super::yaml::{Kind as NodeKind, Node, Style},
    Build,
    flows::Draft,
    split_name,
    steps::{number, span},
};
use crate::{
    contract::{self, Kind},
    diagnostic::words,
    model::{
        AfterBlock, Arg, Args, BlockId, Duration, ErrorKey, HttpStep, SlotKind, StepKind, StepRef,
    },
    template::Expr,
};

/// Codes of `on_error` besides HTTP statuses and a plugin's own.
const ERROR_CODES: [&str; 7] = [
    "timeout",
    "unavailable",
    "refused",
    "too_large",
    "bad_response",
    "script",
    "unknown",
];
/// All codes that `on_error` does not name.
const REST: &str = "other";

/// Whose errors they are.
#[derive(Clone, Copy)]
pub(super) enum Error<'a> {
    Http,
    /// Of a plugin whose codes nobody knows.
    Plugin,
    /// Of a method that declares its codes.
    Declared {
        called: &'a str,
        codes: &'a BTreeMap<String, String>,
    },
}

/// What says how often a call may be made.
pub(super) struct Repeat {
    pub write: bool,
    pub once_per: Vec<Expr>,
    pub once_for: Option<Duration>,
    pub retry: Option<u32>,
}

impl Build<'_> {
    pub(super) fn save(&mut self, node: &Node) -> Option<String> {
        let name = node.get("save").and_then(|n| self.slot_name(n))?;
        self.uses.filled.insert(name.clone());
        Some(name)
    }

    pub(super) fn http(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
        let operation = self.operation(node, value);
        let with = self.args(node.get("with"));
        let save = self.save(node);
        if let Some((connection, operation)) = &operation {
            let known = self.names.connections.get(connection);
            let returns = known.and_then(|c| c.get(operation)?.returns.as_ref());
            self.check_save(node, returns.map(|_| Kind::Map));
        }
        let timeout = self.timeout(node);
        let Repeat {
            write,
            once_per,
            once_for,
            retry,
        } = self.repeat(node);
        let on_error = self.on_error(draft, node, at, Error::Http);
        let (connection, operation) = operation?;
        Some(StepKind::Http(Box::new(HttpStep {
            connection,
            operation,
            with,
            save,
            write,
            once_per,
            once_for,
            retry,
            timeout,
            on_error,
        })))
    }

    /// What says how often a call may be made.
    pub(super) fn repeat(&mut self, node: &Node) -> Repeat {
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
        Repeat {
            write: node.get("effect").and_then(Node::text) == Some("write"),
            once_per,
            once_for: span(node, "for"),
            retry: number(node, "retry"),
        }
    }

    /// How long a call may take, if that is written.
    pub(super) fn timeout(&mut self, node: &Node) -> Option<Duration> {
        let at = node.get("timeout")?;
        let timeout = span(node, "timeout")?;
        if timeout.days == 0 && (1..=contract::TIMEOUT_MAX_MS).contains(&timeout.ms) {
            return Some(timeout);
        }
        let (en, zh) = if timeout == Duration::default() {
            (
                "it would have failed before it began",
                "调用尚未开始就会超时",
            )
        } else {
            (
                "nobody waits for a call longer than ten minutes",
                "没有人会等一次调用超过十分钟",
            )
        };
        self.problems.warn(
            "call-timeout",
            at.place(),
            words(en, zh),
            words(
                "write a few seconds, as `timeout: 5s`; `wait` is for what comes later",
                "请写几秒，如 `timeout: 5s`；要等更久请用 `wait`",
            ),
        );
        Some(timeout)
    }

    /// Whether the kind of an answer can be kept in the slot.
    pub(super) fn check_save(&mut self, node: &Node, kind: Option<Kind>) {
        let Some(at) = node.get("save") else { return };
        let Some(slot) = at.text().and_then(|name| self.slots.get(name)) else {
            return;
        };
        let (fits, wanted) = match kind {
            Some(Kind::Map) => (
                matches!(slot.kind, SlotKind::Object | SlotKind::File { .. }),
                "object",
            ),
            Some(Kind::List) => (matches!(slot.kind, SlotKind::List), "list"),
            _ => return,
        };
        if fits {
            return;
        }
        let name = slot.name.clone();
        let (en, zh) = kind.map_or(("", ""), Kind::words);
        self.problems.error(
            "wrong-type",
            at.place(),
            words(
                format!("the answer is {en}, which the slot `{name}` cannot hold"),
                format!("结果是{zh}，槽位 `{name}` 存不下"),
            ),
            words(
                format!("declare `{name}: {{type: {wanted}}}`"),
                format!("请声明 `{name}: {{type: {wanted}}}`"),
            ),
        );
    }

    /// The ways a failed call takes: by its code, or one for all.
    pub(super) fn on_error(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        at: StepRef,
        of: Error<'_>,
    ) -> Vec<(ErrorKey, BlockId)> {
        let mut ways = Vec::new();
        if let Some(block) = self.branch(draft, node, "on_error", at) {
            ways.push((ErrorKey::Other, block));
        }
        for (key, steps) in node.get("on_error").and_then(Node::map).unwrap_or_default() {
            let text = key.text().unwrap_or_default();
            let Some(key_of) = self.error_key(key, text, of) else {
                continue;
            };
            let label = format!("on_error.{text}");
            if let Some(block) = self.branch_as(draft, steps, &label, at, AfterBlock::Next) {
                ways.push((key_of, block));
            }
        }
        ways
    }

    fn error_key(&mut self, key: &Node, text: &str, of: Error<'_>) -> Option<ErrorKey> {
        if text == REST {
            return Some(ErrorKey::Other);
        }
        let status = text.len() == 3 && text.parse::<u16>().is_ok_and(|s| (100..600).contains(&s));
        let known = match of {
            Error::Http => status || ERROR_CODES.contains(&text),
            Error::Plugin => ERROR_CODES.contains(&text),
            Error::Declared { codes, .. } => codes.contains_key(text) || of_any_plugin(text),
        };
        let known = known || self.guessed_error(key, text, of);
        known.then(|| ErrorKey::Code(text.to_owned()))
    }

    /// Tells of a code that nobody knows; whether it may be one all the same.
    fn guessed_error(&mut self, key: &Node, text: &str, of: Error<'_>) -> bool {
        let own = match of {
            Error::Declared { codes, .. } => codes.keys().map(String::as_str).collect(),
            Error::Http | Error::Plugin => Vec::new(),
        };
        let hosts = ERROR_CODES.into_iter().filter(|code| match of {
            Error::Declared { .. } => of_any_plugin(code),
            Error::Http | Error::Plugin => true,
        });
        let list: Vec<&str> = own.into_iter().chain([REST]).chain(hosts).collect();
        let near = crate::diagnostic::nearest(text, list.iter().copied());
        let meant = near.map(|near| {
            words(
                format!("did you mean `{near}`?"),
                format!("是不是想写 `{near}`？"),
            )
        });
        let (en, zh) = (list.join(", "), list.join("、"));
        let (message, hint) = match of {
            Error::Plugin if contract::is_error_code(text) => {
                // A plugin has codes of its own, and its contract does not name them. One that says
                // more than a known code, `unknown_serial`, is not a misspelt one.
                let parts = |code: &str| code.split(['_', '-', '.']).count();
                if let (Some(near), Some(hint)) = (near, meant)
                    && parts(near) == parts(text)
                {
                    self.problems.warn(
                        "unknown-error",
                        key.place(),
                        words(
                            format!(
                                "only a plugin that has a code `{text}` of its own ever gives it"
                            ),
                            format!("只有插件自己定义了错误码 `{text}` 才会出现"),
                        ),
                        hint,
                    );
                }
                return true;
            }
            Error::Plugin => (
                words(
                    format!("`{text}` is no error code"),
                    format!("`{text}` 不是错误码"),
                ),
                words(
                    "a plugin's codes have letters, digits, `_`, `-` and `.`",
                    "插件的错误码由字母、数字、`_`、`-` 和 `.` 组成",
                ),
            ),
            Error::Declared { called, .. } => {
                let known = match meant {
                    Some(meant) => words(
                        format!("{} Known are: {en}", meant.en),
                        format!("{}可用的有：{zh}", meant.zh),
                    ),
                    None => words(format!("known are: {en}"), format!("可用的有：{zh}")),
                };
                let message = words(
                    format!("`{called}` never fails with `{text}`"),
                    format!("`{called}` 没有错误码 `{text}`"),
                );
                (message, known)
            }
            Error::Http => (
                words(
                    format!("`{text}` is no HTTP status and no error code"),
                    format!("`{text}` 既不是 HTTP 状态码，也不是错误码"),
                ),
                meant.unwrap_or_else(|| {
                    words(
                        format!("write a status as 404, or one of: {en}"),
                        format!("请写状态码（如 404），或以下之一：{zh}"),
                    )
                }),
            ),
        };
        self.problems
            .error("unknown-error", key.place(), message, hint);
        false
    }

    /// `connection.operation`, with the arguments its path needs.
    pub(super) fn operation(&mut self, node: &Node, value: &Node) -> Option<(String, String)> {
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

    /// Named values for slots of the pack.
    pub(super) fn slot_args(&mut self, node: Option<&Node>) -> Args {
        for (key, value) in node.and_then(Node::map).unwrap_or_default() {
            if let Some(name) = self.slot_name(key) {
                self.uses.filled.insert(name.clone());
                self.check_fits(&name, value);
            }
        }
        self.args(node)
    }

    /// Whether a value as written suits the slot's type.
    pub(super) fn check_fits(&mut self, name: &str, node: &Node) {
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
    pub(super) fn args(&mut self, node: Option<&Node>) -> Args {
        let mut args = Args::new();
        for (key, value) in node.and_then(Node::map).unwrap_or_default() {
            self.check_secret(key, value);
            if let Some(arg) = self.arg(value) {
                args.push((key.text().unwrap_or_default().to_owned(), arg));
            }
        }
        args
    }

    pub(super) fn arg(&mut self, node: &Node) -> Option<Arg> {
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

/// Whether any method of a plugin may fail so, whatever it declares.
fn of_any_plugin(code: &str) -> bool {
    // A plugin runs no script of the pack.
    ERROR_CODES.contains(&code) && code != "script"
}
