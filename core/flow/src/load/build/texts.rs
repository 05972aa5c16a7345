//! What is said: texts per locale, responses, messages, buttons.

use std::sync::Arc;

use tandem_domain::{Locale, Text};

use super::{
    super::{
        validate::Validator,
        yaml::{Kind as NodeKind, Node},
    },
    Build, is_identifier,
};
use crate::{
    diagnostic::words,
    model::{
        Button, ButtonAction, Card, LocalText, Media, Message, Phrases, Response, Say, Variation,
    },
    template::Template,
};

impl Build<'_> {
    /// A text, or a text per locale.
    pub(super) fn local_text(&mut self, node: &Node) -> LocalText {
        let mut texts = Text::default();
        match &node.kind {
            NodeKind::Map(pairs) => {
                for (key, value) in pairs {
                    let locale = Locale::new(key.text().unwrap_or_default());
                    if let Some(template) = self.template(value) {
                        texts.0.insert(locale, template);
                    }
                }
                self.check_translations(node, texts.0.keys());
            }
            _ => {
                if let Some(template) = self.template(node) {
                    self.check_plain(node, &template);
                    texts.0.insert(self.locales[0].clone(), template);
                }
            }
        }
        texts
    }

    fn check_translations<'l>(&mut self, node: &Node, given: impl Iterator<Item = &'l Locale>) {
        if self.shipped {
            return;
        }
        let given: Vec<&Locale> = given.collect();
        let missing: Vec<&str> = self
            .locales
            .iter()
            .filter(|l| !given.contains(l))
            .map(Locale::as_str)
            .collect();
        if missing.is_empty() || given.is_empty() {
            return;
        }
        let (list, list_zh) = (missing.join(", "), missing.join("、"));
        let first = self.locales[0].clone();
        self.problems.warn(
            "missing-translation",
            node.map()
                .and_then(|m| m.first())
                .map_or(node.place(), |(k, _)| k.place()),
            words(
                format!("no translation into: {list}"),
                format!("缺少这些语言的翻译：{list_zh}"),
            ),
            words(
                format!(
                    "add `{}: …`; until then these customers read `{first}`",
                    missing[0]
                ),
                format!(
                    "请添加 `{}: …`；在此之前这些客户会看到 `{first}` 的文本",
                    missing[0]
                ),
            ),
        );
    }

    fn check_plain(&mut self, node: &Node, template: &Template) {
        if self.shipped || self.locales.len() < 2 {
            return;
        }
        let wordy = match &template.literal {
            Some(text) => text.chars().any(char::is_alphabetic),
            // What is left of a text without its `{{ }}`.
            None => !template.single && outside_tags(&template.source).any(char::is_alphabetic),
        };
        if !wordy {
            return;
        }
        let first = self.locales[0].clone();
        let all: Vec<String> = self.locales.iter().map(|l| format!("{l}: …")).collect();
        let all = all.join(", ");
        self.problems.warn(
            "plain-text",
            node.place(),
            words(
                format!("this text is in one language; it stands for `{first}`"),
                format!("这段文本只有一种语言，视为 `{first}`"),
            ),
            words(
                format!("write it as `{{{all}}}`"),
                format!("请写成 `{{{all}}}`"),
            ),
        );
    }

    pub(in crate::load) fn phrases(&mut self, node: Option<&Node>) -> Phrases {
        let mut phrases = Phrases::default();
        let Some(node) = node else { return phrases };
        let mut add = |locale: Option<Locale>, list: &Node| {
            let texts = list.seq().unwrap_or_default().iter();
            let texts: Vec<_> = texts
                .filter_map(|n| Some((n.text()?.trim().to_owned(), n.span)))
                .collect();
            phrases.0.entry(locale).or_default().extend(texts);
        };
        match node.map() {
            Some(pairs) => {
                for (key, list) in pairs {
                    add(Some(Locale::new(key.text().unwrap_or_default())), list);
                }
                let given: Vec<Locale> = phrases.0.keys().flatten().cloned().collect();
                self.check_translations(node, given.iter());
            }
            None => add(None, node),
        }
        phrases
    }

    pub(in crate::load) fn response(&mut self, node: &Node) -> Response {
        let variations = match &node.kind {
            NodeKind::Seq(items) => items.iter().map(|item| self.variation(item)).collect(),
            _ => vec![self.variation(node)],
        };
        let last: Option<&Variation> = variations.last();
        if last.is_some_and(|v| v.cond.is_some()) && !self.shipped {
            self.problems.warn(
                "no-last-variation",
                node.place(),
                words(
                    "where no condition holds, nothing is said",
                    "所有条件都不成立时什么也不会说",
                ),
                words(
                    "end with a variation without `if`",
                    "最后请加一种不带 `if` 的说法",
                ),
            );
        }
        Response {
            variations,
            span: node.span,
        }
    }

    fn variation(&mut self, node: &Node) -> Variation {
        if Validator::is_message(node) {
            let cond = node.get("if").and_then(|n| self.expr(n));
            return Variation {
                cond,
                message: self.message(node),
            };
        }
        let text = Some(self.local_text(node));
        Variation {
            cond: None,
            message: Message {
                text,
                ..Message::default()
            },
        }
    }

    fn message(&mut self, node: &Node) -> Message {
        let buttons = self.buttons(node.get("buttons"));
        let cards = node.get("cards").and_then(Node::seq).unwrap_or_default();
        Message {
            text: node.get("text").map(|n| self.local_text(n)),
            buttons,
            cards: cards.iter().filter_map(|n| self.card(n)).collect(),
            image: node.get("image").and_then(|n| self.media(n)),
            file: node.get("file").and_then(|n| self.media(n)),
        }
    }

    fn buttons(&mut self, node: Option<&Node>) -> Vec<Button> {
        let Some(node) = node else { return Vec::new() };
        let items = node.seq().unwrap_or_default();
        self.check_count(node, items.len());
        items.iter().filter_map(|n| self.button(n)).collect()
    }

    fn button(&mut self, node: &Node) -> Option<Button> {
        let actions = ["value", "start", "goto", "url"];
        let given: Vec<&str> = actions
            .into_iter()
            .filter(|k| node.get(k).is_some())
            .collect();
        let [action] = given.as_slice() else {
            let at = given
                .get(1)
                .and_then(|k| node.pair(k))
                .map_or(node.place(), |(k, _)| k.place());
            self.problems.error(
                "button-action",
                at,
                words(
                    "a button does one thing: `value`, `start`, `goto` or `url`",
                    "按钮只做一件事：`value`、`start`、`goto` 或 `url`",
                ),
                if given.is_empty() {
                    words(
                        "add `start: FLOW`, `value: …`, `goto: STEP` or `url: https://…`",
                        "请添加 `start: 流程`、`value: …`、`goto: 步骤` 或 `url: https://…`",
                    )
                } else {
                    words("keep one of them", "请只保留一个")
                },
            );
            return None;
        };
        let label = node.get("label").map(|n| self.label(n))?;
        let target = node.get(action)?;
        let action = match *action {
            "value" => ButtonAction::Value(self.template(target)?),
            "url" => ButtonAction::Url(self.url(target)?),
            "start" => ButtonAction::Start(self.flow_name(target)?),
            _ => ButtonAction::Goto(self.step_id(target)?),
        };
        Some(Button {
            label,
            action,
            span: node.span,
        })
    }

    /// A step that some flow of the pack has.
    fn step_id(&mut self, node: &Node) -> Option<String> {
        let name = node.text()?.to_owned();
        if self.names.step_ids.contains(&name) {
            return Some(name);
        }
        let known: Vec<String> = self.names.step_ids.iter().cloned().collect();
        let none = words("give the step an `id`", "请给该步骤加 `id`");
        self.unknown(
            "unknown-step",
            node.place(),
            ("step", "步骤"),
            &name,
            &known,
            none,
        );
        None
    }

    /// A text on a button or menu entry, held against what channels show.
    pub(super) fn label(&mut self, node: &Node) -> LocalText {
        let text = self.local_text(node);
        let limits = self.channels.clone();
        for template in text.0.values() {
            let Some(literal) = &template.literal else {
                continue;
            };
            let length = literal.chars().count();
            for limit in limits.iter().filter(|l| length > l.label) {
                self.problems.warn(
                    "channel-limit",
                    template.span,
                    words(
                        format!(
                            "`{literal}` has {length} characters; {} shows {}",
                            limit.channel, limit.label
                        ),
                        format!(
                            "`{literal}` 有 {length} 个字符，{} 只显示 {} 个",
                            limit.channel, limit.label
                        ),
                    ),
                    words(
                        "shorten it, or it becomes a numbered list",
                        "请缩短，否则会改为编号列表",
                    ),
                );
            }
        }
        text
    }

    pub(super) fn check_count(&mut self, node: &Node, count: usize) {
        let limits = self.channels.clone();
        for limit in limits.iter().filter(|l| count > l.count) {
            self.problems.warn(
                "channel-limit",
                node.place(),
                words(
                    format!("{count} buttons; {} shows {}", limit.channel, limit.count),
                    format!(
                        "有 {count} 个按钮，{} 只显示 {} 个",
                        limit.channel, limit.count
                    ),
                ),
                words(
                    "offer fewer, or they become a numbered list",
                    "请减少数量，否则会改为编号列表",
                ),
            );
        }
    }

    fn card(&mut self, node: &Node) -> Option<Card> {
        Some(Card {
            title: node.get("title").map(|n| self.local_text(n))?,
            text: node.get("text").map(|n| self.local_text(n)),
            image: node.get("image").and_then(|n| self.url(n)),
            url: node.get("url").and_then(|n| self.url(n)),
            buttons: self.buttons(node.get("buttons")),
        })
    }

    fn media(&mut self, node: &Node) -> Option<Media> {
        if node.map().is_some() {
            return Some(Media {
                url: node.get("url").and_then(|n| self.url(n))?,
                alt: node.get("alt").map(|n| self.local_text(n)),
                name: node.get("name").map(|n| self.local_text(n)),
            });
        }
        Some(Media {
            url: self.url(node)?,
            alt: None,
            name: None,
        })
    }

    /// An address on the web.
    fn url(&mut self, node: &Node) -> Option<Template> {
        let text = node.text()?;
        let fine = text.contains("{{")
            || ["https://", "http://", "mailto:", "tel:"]
                .iter()
                .any(|s| text.starts_with(s));
        if !fine {
            let out = text.contains("..") || text.starts_with('/');
            let code = if out { "path-outside" } else { "bad-url" };
            self.problems.error(
                code,
                node.place(),
                words(format!("`{text}` is no web address"), format!("`{text}` 不是网址")),
                words(
                    "write a full address, as `https://shop.example/label.pdf`; files of the server are not served",
                    "请写完整网址，如 `https://shop.example/label.pdf`；不提供服务器上的文件",
                ),
            );
            return None;
        }
        self.template(node)
    }

    /// A response's name, or words.
    pub(super) fn say(&mut self, node: &Node) -> Option<Say> {
        let text = node.text();
        if let Some(name) = text.filter(|t| self.names.responses.contains(*t)) {
            self.uses.responses.insert(name.to_owned());
            return Some(Say::Response(name.to_owned()));
        }
        if let Some(name) = text.filter(|t| is_identifier(t)) {
            let known = self.names.own(&self.names.responses);
            let hint = match crate::diagnostic::nearest(name, known.iter().map(String::as_str)) {
                Some(near) => words(
                    format!("did you mean `{near}`?"),
                    format!("是不是想写 `{near}`？"),
                ),
                None => words(
                    format!(
                        "write it under `responses:`; a text of one word stands as `{{text: {name}}}`"
                    ),
                    format!("请在 `responses:` 下编写；单个词的文本要写成 `{{text: {name}}}`"),
                ),
            };
            self.problems.error(
                "unknown-response",
                node.place(),
                words(
                    format!("there is no response `{name}`"),
                    format!("没有名为 `{name}` 的回复"),
                ),
                hint,
            );
            return None;
        }
        let message = if Validator::is_message(node) {
            self.message(node)
        } else {
            Message {
                text: Some(self.local_text(node)),
                ..Message::default()
            }
        };
        let variations = vec![Variation {
            cond: None,
            message,
        }];
        Some(Say::Inline(Arc::new(Response {
            variations,
            span: node.span,
        })))
    }
}

/// The characters of a text that stand in no `{{ }}` or `{% %}`.
fn outside_tags(source: &str) -> impl Iterator<Item = char> + '_ {
    let mut depth = 0_u32;
    let mut before = ' ';
    source.chars().filter(move |c| {
        match (before, *c) {
            ('{', '{' | '%' | '#') => depth += 1,
            ('}' | '%' | '#', '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = *c;
        depth == 0
    })
}
