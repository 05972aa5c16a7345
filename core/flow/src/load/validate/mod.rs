//! The shape of a file: keys and kinds of value, held against [`crate::schema::table`].

mod steps;
mod texts;

pub(in crate::load) use steps::kinds_in;

use super::yaml::{Kind as NodeKind, Node, Style};
use crate::{
    diagnostic::{Problems, suggest, words},
    schema::table::{self, Field, Shape, Ty},
};

/// Holds nodes against types and reports what does not fit. What it passes, the builder may take
/// for granted.
pub(super) struct Validator<'p> {
    pub problems: &'p mut Problems,
    pub locales: &'p [String],
}

/// What the value is called in a message.
type Name<'a> = &'a str;

impl Validator<'_> {
    pub fn shape(&mut self, node: &Node, shape: &'static Shape) -> bool {
        let Some(pairs) = node.map() else {
            self.wrong(node, shape.name, "a map of keys", "由键组成的映射");
            return false;
        };
        let mut fine = true;
        for (key, value) in pairs {
            let name = key.text().unwrap_or_default();
            match shape.fields.iter().find(|f| f.key == name) {
                Some(field) => fine &= self.ty(value, &field.ty, name),
                None if shape.name == "auth" && is_secret_key(name) => {
                    crate::load::build::secret(self.problems, value);
                    return false;
                }
                None => {
                    let known = shape.fields.iter().map(|f| f.key);
                    self.unknown_key(key, name, (shape.name, shape.name_zh), known);
                    fine = false;
                }
            }
        }
        self.required(node, shape.fields, (shape.name, shape.name_zh)) && fine
    }

    pub(super) fn required(
        &mut self,
        node: &Node,
        fields: &'static [Field],
        of: (&str, &str),
    ) -> bool {
        let mut fine = true;
        for field in fields
            .iter()
            .filter(|f| f.required && node.get(f.key).is_none())
        {
            let first = node
                .map()
                .and_then(|m| m.first())
                .map_or(node.place(), |(k, _)| k.place());
            self.problems.error(
                "missing-key",
                first,
                words(
                    format!("{} lacks `{}`", of.0, field.key),
                    format!("{} 缺少 `{}`", of.1, field.key),
                ),
                words(
                    format!("add `{}: …`. {}", field.key, field.en),
                    format!("请添加 `{}: …`。{}", field.key, field.zh),
                ),
            );
            fine = false;
        }
        fine
    }

    pub(super) fn unknown_key(
        &mut self,
        key: &Node,
        name: &str,
        of: (&str, &str),
        known: impl Iterator<Item = &'static str> + Clone,
    ) {
        let hint = if name == "<<" {
            words(
                "merge keys are not supported; write the keys out",
                "不支持合并键，请直接写出各个键",
            )
        } else {
            suggest(name, known, words("remove it", "请删去"))
        };
        self.problems.error(
            "unknown-key",
            key.place(),
            words(
                format!("{} has no key `{name}`", of.0),
                format!("{}没有键 `{name}`", of.1),
            ),
            hint,
        );
    }

    /// Whether `node` fits `ty`; `name` is the key it stands under.
    pub fn ty(&mut self, node: &Node, ty: &'static Ty, name: Name<'_>) -> bool {
        match ty {
            Ty::Any => true,
            Ty::Args => match node.kind {
                NodeKind::Map(_) => true,
                _ => self.wrong(node, name, "a map of names and values", "名称和值的映射"),
            },
            Ty::Str | Ty::Tmpl | Ty::Expr => match node.text() {
                Some(_) if node.is_null() && !matches!(ty, Ty::Str) => {
                    self.wrong(node, name, "a text", "一段文本")
                }
                Some(_) => true,
                None => self.wrong(node, name, "a text", "一段文本"),
            },
            Ty::Pattern => match node.text() {
                Some(text) => self.pattern(node, text),
                None => self.wrong(node, name, "a regular expression", "正则表达式"),
            },
            Ty::Word => match node.text() {
                Some(text) if !text.is_empty() && !text.contains(char::is_whitespace) => true,
                Some("") => self.wrong(node, name, "a name", "一个名称"),
                Some(_) => self.wrong(node, name, "a name without spaces", "不含空格的名称"),
                None => self.wrong(node, name, "a name", "一个名称"),
            },
            Ty::Func => match node.text() {
                Some(text) if crate::load::build::split_name(text).is_some() => true,
                _ => self.wrong(
                    node,
                    name,
                    "a Lua function, as `module.function`",
                    "Lua 函数，写作 `模块.函数`",
                ),
            },
            Ty::Bool => match node.bool() {
                Some(_) => true,
                None => self.wrong(node, name, "`true` or `false`", "`true` 或 `false`"),
            },
            Ty::Int => match node.int() {
                Some(n) if n >= 0 => true,
                Some(_) => self.wrong(node, name, "a whole number from 0 on", "不小于 0 的整数"),
                None => self.wrong(node, name, "a whole number", "整数"),
            },
            Ty::Num => match node.number() {
                Some(_) => true,
                None => self.wrong(node, name, "a number", "数字"),
            },
            Ty::Dur => match node.text().and_then(crate::load::build::duration) {
                Some(_) => true,
                None => self.wrong(
                    node,
                    name,
                    "a duration, as `10m`, `7d` or `1h30m`",
                    "时长，如 `10m`、`7d`、`1h30m`",
                ),
            },
            Ty::Enum(known) => self.one_of(node, known, name),
            Ty::Text => self.text(node, name),
            Ty::Phrases => self.phrases(node, name),
            Ty::Response => self.response(node, name),
            Ty::Say => self.say(node, name),
            Ty::Steps => self.steps(node, name),
            Ty::Fields => match node.seq() {
                Some(items) => all(items.iter().map(|item| self.field(item))),
                None => self.wrong(node, name, "a list of questions", "问题列表"),
            },
            Ty::Options => self.options(node, name),
            Ty::Turns => match node.seq() {
                Some(items) => all(items.iter().map(|item| self.turn(item))),
                None => self.wrong(node, name, "a list of turns", "对话轮次列表"),
            },
            Ty::List(item) => match node.seq() {
                Some(items) => all(items.iter().map(|node| self.ty(node, item, name))),
                None => self.wrong(node, name, "a list, as `[a, b]`", "列表，如 `[a, b]`"),
            },
            Ty::OneOrMany(item) => all(node
                .one_or_many()
                .iter()
                .map(|node| self.ty(node, item, name))),
            Ty::Map(value) => match node.map() {
                Some(pairs) => all(pairs.iter().map(|(key, node)| {
                    let name = key.text().unwrap_or_default();
                    self.ty(node, value, name)
                })),
                None => self.wrong(node, name, "a map of names", "以名称为键的映射"),
            },
            Ty::Object(shape) => self.shape(node, shape),
            Ty::Either(types) => match types.iter().find(|t| takes(t, node)) {
                Some(ty) => self.ty(node, ty, name),
                None => types.first().is_none_or(|ty| self.ty(node, ty, name)),
            },
        }
    }

    /// Reports a value of the wrong kind. Always false.
    pub(super) fn wrong(&mut self, node: &Node, name: &str, wanted: &str, wanted_zh: &str) -> bool {
        let (is, is_zh) = match &node.kind {
            _ if node.is_null() => ("nothing".to_owned(), "空值".to_owned()),
            NodeKind::Scalar { text, .. } if text.len() <= 40 => {
                (format!("`{text}`"), format!("`{text}`"))
            }
            NodeKind::Scalar { .. } => ("a long text".to_owned(), "一段长文本".to_owned()),
            NodeKind::Seq(_) => ("a list".to_owned(), "列表".to_owned()),
            NodeKind::Map(_) => ("a map".to_owned(), "映射".to_owned()),
        };
        // `say: {{ name }}` without quotes is a map whose key is a map.
        let hint = match &node.kind {
            NodeKind::Scalar {
                text,
                style: Style::Plain,
            } if wanted.starts_with("`true`")
                && matches!(text.as_str(), "yes" | "no" | "on" | "off") =>
            {
                let word = if matches!(text.as_str(), "yes" | "on") {
                    "true"
                } else {
                    "false"
                };
                words(
                    format!("write `{name}: {word}`"),
                    format!("请写 `{name}: {word}`"),
                )
            }
            _ => words(
                format!("`{name}` takes {wanted}"),
                format!("`{name}` 应为{wanted_zh}"),
            ),
        };
        self.problems.error(
            "wrong-type",
            node.place(),
            words(
                format!("`{name}` is {is}, not {wanted}"),
                format!("`{name}` 的值是{is_zh}，应为{wanted_zh}"),
            ),
            hint,
        );
        false
    }

    pub(super) fn one_of(&mut self, node: &Node, known: &[&'static str], name: &str) -> bool {
        let Some(text) = node.text().filter(|_| !node.is_null()) else {
            let list = known.join(", ");
            return self.wrong(
                node,
                name,
                &format!("one of {list}"),
                &format!("以下之一：{list}"),
            );
        };
        if known.contains(&text) {
            return true;
        }
        self.problems.error(
            "unknown-value",
            node.place(),
            words(
                format!("`{name}` cannot be `{text}`"),
                format!("`{name}` 不能是 `{text}`"),
            ),
            suggest(text, known.iter().copied(), words("remove it", "请删去")),
        );
        false
    }
}

/// Keys under which somebody would write a credential itself.
fn is_secret_key(name: &str) -> bool {
    matches!(
        name,
        "token"
            | "password"
            | "secret"
            | "value"
            | "key"
            | "api_key"
            | "user"
            | "username"
            | "bearer"
    )
}

fn all(results: impl Iterator<Item = bool>) -> bool {
    results.fold(true, |a, b| a & b)
}

/// Whether a type takes nodes of this kind at all.
fn takes(ty: &Ty, node: &Node) -> bool {
    match (ty, &node.kind) {
        (Ty::Any | Ty::OneOrMany(_), _) => true,
        (Ty::List(_) | Ty::Steps | Ty::Fields | Ty::Turns | Ty::Phrases, NodeKind::Seq(_))
        | (Ty::Object(_) | Ty::Map(_) | Ty::Args, NodeKind::Map(_))
        | (Ty::Text | Ty::Say | Ty::Response, NodeKind::Map(_)) => true,
        (
            Ty::List(_)
            | Ty::Steps
            | Ty::Fields
            | Ty::Turns
            | Ty::Object(_)
            | Ty::Map(_)
            | Ty::Args,
            _,
        ) => false,
        (_, NodeKind::Scalar { .. }) => true,
        _ => false,
    }
}

/// The keys only some slot types have.
pub(super) fn slot_keys(problems: &mut Problems, node: &Node) {
    let Some(ty) = node.get("type").and_then(Node::text) else {
        return;
    };
    if !table::SLOT_TYPES.contains(&ty) {
        return;
    }
    for (key, types) in table::TYPE_KEYS {
        if let Some((at, _)) = node.pair(key)
            && !types.contains(&ty)
        {
            problems.error(
                "slot-key",
                at.place(),
                words(
                    format!("a slot of type `{ty}` has no `{key}`"),
                    format!("`{ty}` 类型的槽位没有 `{key}`"),
                ),
                words(
                    format!("`{key}` belongs to the type {}", types.join(", ")),
                    format!("`{key}` 只用于类型 {}", types.join("、")),
                ),
            );
        }
    }
    if ty == "choice" && node.get("options").is_none() {
        problems.error(
            "missing-key",
            node.get("type").map_or(node.place(), Node::place),
            words("a choice needs `options`", "choice 需要 `options`"),
            words(
                "write `options: {damaged: Arrived damaged, unwanted: No longer wanted}`",
                "请写 `options: {damaged: 到货已损坏, unwanted: 不想要了}`",
            ),
        );
    }
}
