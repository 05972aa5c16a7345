//! Expressions and texts: compiled, their names resolved, their comparisons typed.

use tandem_domain::Value;

use super::{super::yaml::Node, Build, RESERVED};
use crate::{
    diagnostic::{suggest, words},
    model::SlotKind,
    template::{Analysis, Comparison, Expr, Shape, Template, TemplateError, parse_moment},
};

/// What `check` knows of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    Boolean,
    Date,
    List,
    Object,
    None,
    Unknown,
}

impl Type {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "文本"),
            Self::Number => ("a number", "数字"),
            Self::Boolean => ("true or false", "布尔值"),
            Self::Date => ("a date or time", "日期或时间"),
            Self::List => ("a list", "列表"),
            Self::Object => ("an object", "对象"),
            Self::None => ("none", "空值"),
            Self::Unknown => ("something", "未知类型"),
        }
    }
}

/// The type of a slot type's values in expressions.
fn type_named(name: &str) -> Type {
    match name {
        "text" | "email" | "phone" | "url" | "choice" => Type::Text,
        "integer" | "number" => Type::Number,
        "boolean" => Type::Boolean,
        "date" | "time" | "datetime" => Type::Date,
        "list" => Type::List,
        "object" | "file" => Type::Object,
        _ => Type::Unknown,
    }
}

/// Fields of the names the language brings along.
const KNOWN_FIELDS: &[(&str, &[(&str, Type)])] = &[
    (
        "repair",
        &[("count", Type::Number), ("same_step", Type::Number)],
    ),
    (
        "message",
        &[
            ("text", Type::Text),
            ("sentiment", Type::Number),
            ("anger", Type::Number),
            ("anxiety", Type::Number),
            ("urgency", Type::Number),
            ("leaving", Type::Number),
            ("legal", Type::Number),
            ("safety", Type::Number),
            ("shouting", Type::Number),
            ("repetition", Type::Number),
            ("language", Type::Text),
        ],
    ),
    (
        "hours",
        &[("open", Type::Boolean), ("next_open", Type::Date)],
    ),
];

impl Build<'_> {
    pub(super) fn expr(&mut self, node: &Node) -> Option<Expr> {
        let source = node.text()?;
        match self.templates.expr(source, node.span) {
            Ok(expr) => {
                let analysis = self.templates.analysis(&expr).clone();
                self.judge(node, &analysis);
                Some(expr)
            }
            Err(error) => {
                self.template_error(node, &error);
                None
            }
        }
    }

    pub(super) fn template(&mut self, node: &Node) -> Option<Template> {
        let source = node.text()?;
        match self.templates.text(source, node.span) {
            Ok(template) => {
                if let Some(analysis) = self.templates.text_analysis(&template).cloned() {
                    self.judge(node, &analysis);
                }
                Some(template)
            }
            Err(error) => {
                self.template_error(node, &error);
                None
            }
        }
    }

    fn template_error(&mut self, node: &Node, error: &TemplateError) {
        let at = error
            .offset
            .map_or(node.place(), |o| node.inside(o, self.problems));
        let (en, zh) = error.hint.clone().map_or_else(
            || {
                (
                    "see the filters in docs/flows.md".to_owned(),
                    "可用的过滤器见 docs/flows.md".to_owned(),
                )
            },
            |hint| *hint,
        );
        self.problems.error(
            error.code,
            at,
            words(error.en.clone(), error.zh.clone()),
            words(en, zh),
        );
    }

    fn judge(&mut self, node: &Node, analysis: &Analysis) {
        for used in &analysis.names {
            if self.slots.contains_key(&used.name) {
                self.uses.read.insert(used.name.clone());
            } else if !RESERVED.contains(&used.name.as_str()) {
                let known: Vec<&str> = self
                    .slots
                    .keys()
                    .map(String::as_str)
                    .chain(RESERVED)
                    .collect();
                let hint = suggest(&used.name, known.iter().copied(), words("", ""));
                let at = node.inside(used.offset, self.problems);
                let mut at = at;
                at.len = u32::try_from(used.name.chars().count()).unwrap_or(1);
                self.problems.error(
                    "unknown-name",
                    at,
                    words(
                        format!("there is no slot or name `{}`", used.name),
                        format!("没有名为 `{}` 的槽位或名称", used.name),
                    ),
                    hint,
                );
            }
        }
        for used in &analysis.paths {
            let [root, field, ..] = used.path.as_slice() else {
                continue;
            };
            let known: Vec<String> = match (self.names.fields.get(root), builtin(root)) {
                (Some(fields), _) => fields.keys().cloned().collect(),
                (None, Some(fields)) => fields.iter().map(|(f, _)| (*f).to_owned()).collect(),
                _ => continue,
            };
            // `hours.support.open`
            if root == "hours" && self.names.hours.contains(field) {
                continue;
            }
            if used.path.len() == 2 && !known.iter().any(|k| k == field) {
                let mut at = node.inside(used.offset, self.problems);
                at.len = u32::try_from(field.chars().count()).unwrap_or(1);
                let hint = suggest(field, known.iter().map(String::as_str), words("", ""));
                self.problems.error(
                    "unknown-field",
                    at,
                    words(
                        format!("`{root}` has no field `{field}`"),
                        format!("`{root}` 没有字段 `{field}`"),
                    ),
                    hint,
                );
            }
        }
        for comparison in &analysis.comparisons {
            self.judge_comparison(node, comparison);
        }
    }

    fn judge_comparison(&mut self, node: &Node, comparison: &Comparison) {
        let (left, right) = (
            self.type_of(&comparison.left),
            self.type_of(&comparison.right),
        );
        let at = node.inside(comparison.offset, self.problems);
        if comparison.sign == "in" {
            self.judge_options(node, comparison);
            if matches!(right, Type::Number | Type::Boolean) {
                self.problems.error(
                    "compare-types",
                    at,
                    words(
                        format!(
                            "`{}`: nothing can be in {}",
                            comparison.shown,
                            right.words().0
                        ),
                        format!(
                            "`{}`：`in` 的右边不能是{}",
                            comparison.shown,
                            right.words().1
                        ),
                    ),
                    words(
                        "the right side of `in` is a list, as `['a', 'b']`",
                        "`in` 的右边应为列表，如 `['a', 'b']`",
                    ),
                );
            }
            return;
        }
        let ordering = matches!(comparison.sign, "<" | "<=" | ">" | ">=");
        if self.comparable(left, right, ordering, comparison) {
            self.judge_options(node, comparison);
            return;
        }
        let (l, r) = (left.words(), right.words());
        let mixed = matches!(
            (left, right),
            (Type::Text, Type::Number) | (Type::Number, Type::Text)
        );
        let hint = if mixed {
            words(
                "make both numbers: give the slot the type integer, or write `x | int`",
                "请让两边都是数字：把槽位类型设为 integer，或写 `x | int`",
            )
        } else if left == Type::Boolean || right == Type::Boolean {
            words(
                "write `if: ready` or `if: not ready`",
                "请写 `if: ready` 或 `if: not ready`",
            )
        } else if left == Type::Date || right == Type::Date {
            words(
                "compare dates with dates, as '2025-03-17', or days: `(x | days_ago) <= 30`",
                "日期要和日期比较，如 '2025-03-17'，或比较天数：`(x | days_ago) <= 30`",
            )
        } else {
            words("compare values of the same kind", "请比较同类的值")
        };
        self.problems.error(
            "compare-types",
            at,
            words(
                format!("`{}` compares {} with {}", comparison.shown, l.0, r.0),
                format!("`{}` 把{}和{}相比较", comparison.shown, l.1, r.1),
            ),
            hint,
        );
    }

    fn comparable(&self, left: Type, right: Type, ordering: bool, c: &Comparison) -> bool {
        use Type::{Boolean, Date, List, Number, Object, Text};
        if matches!(left, Type::Unknown | Type::None) || matches!(right, Type::Unknown | Type::None)
        {
            return true;
        }
        match (left, right) {
            (Text, Text) | (Number, Number) | (Date, Date) => true,
            (Date, Text) => dated(&c.right),
            (Text, Date) => dated(&c.left),
            (Boolean, Boolean) | (List, List) | (Object, Object) => !ordering,
            _ => false,
        }
    }

    /// A choice is compared with one of its options.
    fn judge_options(&mut self, node: &Node, c: &Comparison) {
        for (path, constant) in [(&c.left, &c.right), (&c.right, &c.left)] {
            let (Shape::Path(path), Shape::Constant(Value::String(value))) = (path, constant)
            else {
                continue;
            };
            let [name] = path.as_slice() else { continue };
            let Some(slot) = self.slots.get(name) else {
                continue;
            };
            let SlotKind::Choice { options } = &slot.kind else {
                continue;
            };
            if options.contains_key(value) || c.sign == "in" {
                continue;
            }
            let hint = suggest(value, options.keys().map(String::as_str), words("", ""));
            let at = node.inside(c.offset, self.problems);
            self.problems.error(
                "unknown-option",
                at,
                words(
                    format!(
                        "`{name}` has no option `{value}`, so `{}` never changes",
                        c.shown
                    ),
                    format!("`{name}` 没有选项 `{value}`，`{}` 的结果永远不变", c.shown),
                ),
                hint,
            );
        }
    }

    pub(super) fn type_of(&self, shape: &Shape) -> Type {
        match shape {
            Shape::Constant(value) => match value {
                Value::Null => Type::None,
                Value::Bool(_) => Type::Boolean,
                Value::Number(_) => Type::Number,
                Value::String(_) => Type::Text,
                Value::Array(_) => Type::List,
                Value::Object(_) => Type::Object,
            },
            Shape::Path(path) => self.type_of_path(path),
            Shape::Filter(name, inner) => match name.as_str() {
                "days_ago" | "days_until" | "length" | "count" | "int" | "float" | "round"
                | "sum" => Type::Number,
                "date" | "time" | "datetime" | "label" | "upper" | "lower" | "title"
                | "capitalize" | "trim" | "truncate" | "join" | "string" | "replace" | "money"
                | "tojson" => Type::Text,
                "bool" => Type::Boolean,
                "list" | "split" | "lines" | "sort" | "map" | "select" | "reject" => Type::List,
                "abs" => self.type_of(inner),
                _ => Type::Unknown,
            },
            Shape::Either(shapes) => {
                let mut types = shapes
                    .iter()
                    .map(|s| self.type_of(s))
                    .filter(|t| *t != Type::None);
                match types.next() {
                    Some(first) if types.all(|t| t == first) => first,
                    _ => Type::Unknown,
                }
            }
            Shape::Number => Type::Number,
            Shape::Text => Type::Text,
            Shape::Boolean => Type::Boolean,
            Shape::List => Type::List,
            Shape::Unknown => Type::Unknown,
        }
    }

    fn type_of_path(&self, path: &[String]) -> Type {
        match path {
            [name] if name == "now" => Type::Date,
            [name] if name == "channel" || name == "locale" => Type::Text,
            [name] => self
                .slots
                .get(name)
                .map_or(Type::Unknown, |slot| match slot.kind {
                    SlotKind::Text { .. }
                    | SlotKind::Email
                    | SlotKind::Phone
                    | SlotKind::Url
                    | SlotKind::Choice { .. } => Type::Text,
                    SlotKind::Integer { .. } | SlotKind::Number { .. } => Type::Number,
                    SlotKind::Boolean => Type::Boolean,
                    SlotKind::Date | SlotKind::Time | SlotKind::DateTime => Type::Date,
                    SlotKind::List => Type::List,
                    SlotKind::Object | SlotKind::File { .. } => Type::Object,
                }),
            [name, field] => {
                if let Some(ty) = self.names.fields.get(name).and_then(|f| f.get(field)) {
                    return type_named(ty);
                }
                builtin(name)
                    .and_then(|fields| fields.iter().find(|(f, _)| f == field))
                    .map_or(Type::Unknown, |(_, ty)| *ty)
            }
            _ => Type::Unknown,
        }
    }
}

fn builtin(name: &str) -> Option<&'static [(&'static str, Type)]> {
    KNOWN_FIELDS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, fields)| *fields)
}

/// A text that is a date or a time of day.
fn dated(shape: &Shape) -> bool {
    match shape {
        Shape::Constant(Value::String(text)) => {
            parse_moment(text).is_some() || text.parse::<jiff::civil::Time>().is_ok()
        }
        _ => true,
    }
}
