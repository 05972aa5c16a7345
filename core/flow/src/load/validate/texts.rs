//! What is said, in its many forms.

use super::{Validator, all};
use crate::{
    diagnostic::words,
    load::yaml::{Kind as NodeKind, Node},
    schema::table::{CHOICE_OPTION, MESSAGE, Ty, VARIATION},
};

impl Validator<'_> {
    pub(super) fn pattern(&mut self, node: &Node, text: &str) -> bool {
        match crate::load::build::pattern(text) {
            Ok(_) => true,
            Err(why) => {
                self.problems.error(
                    "bad-pattern",
                    node.place(),
                    words(
                        format!("this regular expression cannot be used: {why}"),
                        format!("无法使用这个正则表达式：{why}"),
                    ),
                    words(
                        r"write it in single quotes, as '^\d{8}$'; look-around and back-references do not exist",
                        r"请用单引号，如 '^\d{8}$'；不支持环视和反向引用",
                    ),
                );
                false
            }
        }
    }

    /// A text, or a map of locale to text.
    pub(super) fn text(&mut self, node: &Node, name: &str) -> bool {
        match &node.kind {
            NodeKind::Scalar { .. } if node.is_null() => {
                self.wrong(node, name, "a text", "一段文本")
            }
            NodeKind::Scalar { .. } => true,
            NodeKind::Map(pairs) => all(pairs.iter().map(|(key, value)| {
                let locale = key.text().unwrap_or_default();
                self.locale(key, locale) && self.ty(value, &Ty::Tmpl, locale)
            })),
            NodeKind::Seq(_) => self.wrong(
                node,
                name,
                "a text, or a text per locale",
                "文本，或按语言给出的文本",
            ),
        }
    }

    pub(super) fn locale(&mut self, key: &Node, locale: &str) -> bool {
        if self.locales.is_empty() || self.locales.iter().any(|l| l == locale) {
            return true;
        }
        let cut = locale.contains(' ') || !locale.is_ascii();
        if cut {
            self.problems.error(
                "unknown-locale",
                key.place(),
                words(
                    format!("`{locale}` is no locale, but the rest of a text"),
                    format!("`{locale}` 不是语言，而是文本的后半段"),
                ),
                words(
                    "between `{` and `}` a text with a comma needs quotes: `{en: \"Yes, please\"}`",
                    "在 `{` 和 `}` 之间，含逗号的文本要加引号：`{en: \"Yes, please\"}`",
                ),
            );
            return false;
        }
        self.problems.error(
            "unknown-locale",
            key.place(),
            words(
                format!("`{locale}` is no locale of this pack"),
                format!("`{locale}` 不是本业务包的语言"),
            ),
            words(
                format!(
                    "pack.yaml has: {}; add it there or remove it here",
                    self.locales.join(", ")
                ),
                format!(
                    "pack.yaml 中有：{}；请在那里添加，或在此删去",
                    self.locales.join("、")
                ),
            ),
        );
        false
    }

    pub(super) fn phrases(&mut self, node: &Node, name: &str) -> bool {
        match &node.kind {
            NodeKind::Seq(items) => all(items.iter().map(|item| self.phrase(item, name))),
            NodeKind::Map(pairs) => all(pairs.iter().map(|(key, list)| {
                let locale = key.text().unwrap_or_default();
                let fine = self.locale(key, locale);
                match list.seq() {
                    Some(items) => fine & all(items.iter().map(|item| self.phrase(item, name))),
                    None => self.wrong(list, locale, "a list, as `[a, b]`", "列表，如 `[a, b]`"),
                }
            })),
            NodeKind::Scalar { .. } => {
                self.wrong(node, name, "a list, as `[a, b]`", "列表，如 `[a, b]`")
            }
        }
    }

    pub(super) fn phrase(&mut self, node: &Node, name: &str) -> bool {
        match node.text() {
            Some(text) if !text.trim().is_empty() => true,
            _ => self.wrong(node, name, "a list of texts", "文本列表"),
        }
    }

    /// Whether a map is a message rather than a text per locale.
    pub fn is_message(node: &Node) -> bool {
        node.map().is_some_and(|pairs| {
            pairs.iter().any(|(key, _)| {
                let key = key.text().unwrap_or_default();
                VARIATION.fields.iter().any(|f| f.key == key)
            }) || !pairs.iter().all(|(_, v)| v.text().is_some())
        })
    }

    pub(super) fn response(&mut self, node: &Node, name: &str) -> bool {
        match &node.kind {
            NodeKind::Seq(items) if items.is_empty() => self.wrong(
                node,
                name,
                "a text or a list of variations",
                "文本或若干种说法",
            ),
            NodeKind::Seq(items) => all(items.iter().map(|item| match &item.kind {
                NodeKind::Map(_) if Self::is_message(item) => {
                    self.shape(item, &VARIATION) && self.says_something(item)
                }
                _ => self.text(item, name),
            })),
            NodeKind::Map(_) if Self::is_message(node) => {
                self.shape(node, &VARIATION) && self.says_something(node)
            }
            _ => self.text(node, name),
        }
    }

    pub(super) fn says_something(&mut self, node: &Node) -> bool {
        let said = MESSAGE.fields.iter().any(|f| node.get(f.key).is_some());
        if !said {
            self.problems.error(
                "missing-key",
                node.place(),
                words("this message says nothing", "这条消息没有内容"),
                words("add `text: …`", "请添加 `text: …`"),
            );
        }
        said
    }

    pub(super) fn say(&mut self, node: &Node, name: &str) -> bool {
        match &node.kind {
            NodeKind::Map(_) if Self::is_message(node) => {
                self.shape(node, &MESSAGE) && self.says_something(node)
            }
            _ => self.text(node, name),
        }
    }

    pub(super) fn options(&mut self, node: &Node, name: &str) -> bool {
        let empty = match &node.kind {
            NodeKind::Seq(items) => items.is_empty(),
            NodeKind::Map(pairs) => pairs.is_empty(),
            NodeKind::Scalar { .. } => true,
        };
        if empty {
            return self.wrong(node, name, "a map of value to label", "值到显示名称的映射");
        }
        match &node.kind {
            NodeKind::Seq(items) => all(items.iter().map(|item| self.ty(item, &Ty::Str, name))),
            NodeKind::Map(pairs) => all(pairs.iter().map(|(key, value)| {
                if value.get("label").is_some() || value.get("synonyms").is_some() {
                    self.shape(value, &CHOICE_OPTION)
                } else {
                    self.text(value, key.text().unwrap_or(name))
                }
            })),
            NodeKind::Scalar { .. } => false,
        }
    }
}
