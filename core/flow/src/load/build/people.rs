//! Handing over, leaving a ticket, reminding.

use tandem_domain::conversation::HandoffMode;

use super::{
    super::yaml::Node,
    Build,
    flows::Draft,
    steps::{span, texts, word},
};
use crate::{
    diagnostic::{suggest, words},
    model::{HandoffStep, RemindStep, RemindWhen, StepKind, StepRef},
    template::Template,
};

impl Build<'_> {
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

    /// Opening hours by name.
    pub(super) fn hours(&mut self, node: &Node) -> Option<String> {
        let n = node.get("hours")?;
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
    }

    pub(super) fn handoff(
        &mut self,
        draft: &mut Draft,
        node: &Node,
        value: &Node,
        at: StepRef,
    ) -> StepKind {
        // Everything in one map reads as well as beside the key.
        let (node, skill) = match value.map() {
            Some(_) => (value, value.get("skill")),
            None => (node, Some(value)),
        };
        let hours = self.hours(node);
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

    pub(super) fn wait(
        &mut self,
        draft: &mut Draft,
        value: &Node,
        at: StepRef,
    ) -> Option<StepKind> {
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

    pub(super) fn remind(
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
    pub(super) fn check_sensitive(&mut self, node: &Node, text: &crate::model::LocalText) {
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
    pub(super) fn local_text_freely(&mut self, node: &Node) -> crate::model::LocalText {
        let before = std::mem::replace(&mut self.shipped, true);
        let text = self.local_text(node);
        self.shipped = before;
        text
    }
}
