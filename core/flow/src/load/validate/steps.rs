//! Steps, which are told apart by their kind key.

use super::{Validator, all};
use crate::{
    diagnostic::{Place, Words, nearest, words},
    load::yaml::{Kind as NodeKind, Node},
    schema::table::{BRANCH, COLLECT, COMMON, Field, KINDS, Kind, TURN},
};

impl Validator<'_> {
    pub(super) fn steps(&mut self, node: &Node, name: &str) -> bool {
        match &node.kind {
            NodeKind::Seq(items) => all(items.iter().map(|item| self.step(item))),
            _ => {
                let example = "- say: …";
                let place = node.place();
                let is_step = node.map().is_some_and(|m| {
                    m.iter()
                        .any(|(k, _)| KINDS.iter().any(|kind| Some(kind.key) == k.text()))
                });
                let hint = if is_step {
                    words(
                        format!("put the step in a list: `{name}: [{{…}}]`"),
                        format!("请把步骤放进列表：`{name}: [{{…}}]`"),
                    )
                } else {
                    words(
                        format!("write one step per line, each as `{example}`"),
                        format!("每行一个步骤，写作 `{example}`"),
                    )
                };
                self.problems.error(
                    "wrong-type",
                    place,
                    words(
                        format!("`{name}` takes a list of steps"),
                        format!("`{name}` 应为步骤列表"),
                    ),
                    hint,
                );
                false
            }
        }
    }

    pub(super) fn step(&mut self, node: &Node) -> bool {
        let Some(pairs) = node.map() else {
            return self.wrong(node, "a step", "a map, as `say: …`", "映射，如 `say: …`");
        };
        let Some(kind) = self.kind_of(node, pairs) else {
            return false;
        };
        self.beside(node, pairs, kind, kind.fields)
    }

    /// A question of a form.
    pub(super) fn field(&mut self, node: &Node) -> bool {
        let Some(pairs) = node.map() else {
            return self.wrong(
                node,
                "collect",
                "a list of `collect: …`",
                "由 `collect: …` 组成的列表",
            );
        };
        let Some(kind) = KINDS.iter().find(|k| k.key == "collect") else {
            return false;
        };
        if node.get("collect").is_none() {
            let at = pairs.first().map_or(node.place(), |(k, _)| k.place());
            self.problems.error(
                "step-kind",
                at,
                words(
                    "inside a form every entry is a `collect`",
                    "表单内的每一项都必须是 `collect`",
                ),
                words(
                    "write `- collect: SLOT`; other steps go before or after the form",
                    "请写 `- collect: 槽位`；其他步骤放在表单之前或之后",
                ),
            );
            return false;
        }
        self.beside(node, pairs, kind, &COLLECT)
    }

    pub(super) fn beside(
        &mut self,
        node: &Node,
        pairs: &[(Node, Node)],
        kind: &'static Kind,
        fields: &'static [Field],
    ) -> bool {
        let mut fine = true;
        for (key, value) in pairs {
            let name = key.text().unwrap_or_default();
            if name == kind.key {
                fine &= self.value_of(value, kind);
            } else if let Some(field) = fields.iter().chain(&COMMON).find(|f| f.key == name) {
                fine &= self.ty(value, &field.ty, name);
            } else {
                let known = fields.iter().chain(&COMMON).map(|f| f.key);
                let of = format!("`{}`", kind.key);
                self.unknown_key(key, name, (&of, &of), known);
                fine = false;
            }
        }
        let of = format!("`{}`", kind.key);
        fine &= self.required(node, fields, (&of, &of));
        if kind.key == "collect" || kind.key == "form" {
            fine &= self.rules(node.get("validate"));
        }
        fine
    }

    pub(super) fn value_of(&mut self, value: &Node, kind: &'static Kind) -> bool {
        // These may stand without a value.
        if value.is_null() && matches!(kind.key, "answer" | "handoff" | "faq") {
            return true;
        }
        if value.is_null() && kind.key == "end" {
            self.problems.error(
                "wrong-type",
                value.place(),
                words("`end` needs an outcome", "`end` 需要一个结果"),
                words(
                    "write `end: resolved`, or a word of your own such as `end: declined`",
                    "请写 `end: resolved`，或自定的词，如 `end: declined`",
                ),
            );
            return false;
        }
        self.ty(value, &kind.ty, kind.key)
    }

    pub(super) fn rules(&mut self, node: Option<&Node>) -> bool {
        let mut fine = true;
        for rule in node.and_then(Node::seq).unwrap_or_default() {
            let given = ["must", "lua"]
                .iter()
                .filter(|k| rule.get(k).is_some())
                .count();
            if rule.map().is_some() && given != 1 {
                self.problems.error(
                    "rule-kind",
                    rule.place(),
                    words(
                        "a rule needs `must` or `lua`, one of the two",
                        "规则需要 `must` 或 `lua`，二者取一",
                    ),
                    words(
                        "write `- {must: qty <= 5, say: At most 5.}`",
                        "请写 `- {must: qty <= 5, say: 最多5件。}`",
                    ),
                );
                fine = false;
            }
        }
        fine
    }

    /// The kind of a step: exactly one kind key; `if` is one only beside `then`.
    pub(super) fn kind_of(&mut self, node: &Node, pairs: &[(Node, Node)]) -> Option<&'static Kind> {
        let mut found = kinds_in(node);
        let first = || pairs.first().map_or(node.place(), |(k, _)| k.place());
        match found.len() {
            1 => found.pop().map(|(_, kind)| kind),
            0 => {
                let place = first();
                let (message, hint) = self.no_kind(pairs);
                self.problems.error("step-kind", place, message, hint);
                None
            }
            _ => {
                let (key, second) = &found[1];
                let names: Vec<String> =
                    found.iter().map(|(_, k)| format!("`{}`", k.key)).collect();
                let second = second.key;
                self.problems.error(
                    "step-kind",
                    key.place(),
                    words(
                        format!("this step has several kinds: {}", names.join(", ")),
                        format!("这个步骤有多个类型：{}", names.join("、")),
                    ),
                    words(
                        format!("begin a new step with `- {second}: …`"),
                        format!("请用 `- {second}: …` 另起一个步骤"),
                    ),
                );
                None
            }
        }
    }

    pub(super) fn no_kind(&self, pairs: &[(Node, Node)]) -> (Words, Words) {
        let known = || KINDS.iter().map(|k| k.key);
        let none = || words("this step has no kind", "这个步骤没有类型");
        let keys: Vec<&str> = pairs.iter().filter_map(|(k, _)| k.text()).collect();
        if keys.contains(&"if") {
            let hint = words(
                "an `if` of its own needs `then`: a list of steps",
                "单独的 `if` 需要 `then`：一个步骤列表",
            );
            return (none(), hint);
        }
        for key in &keys {
            if let Some(near) = nearest(key, known()) {
                return (
                    words(
                        format!("there is no kind of step `{key}`"),
                        format!("没有名为 `{key}` 的步骤类型"),
                    ),
                    words(
                        format!("did you mean `{near}`?"),
                        format!("是不是想写 `{near}`？"),
                    ),
                );
            }
        }
        let list: Vec<&str> = known().collect();
        let hint = words(
            format!("the kinds are: {}, if", list.join(", ")),
            format!("步骤类型有：{}、if", list.join("、")),
        );
        (none(), hint)
    }

    pub(super) fn turn(&mut self, node: &Node) -> bool {
        if !self.shape(node, &TURN) {
            return false;
        }
        let keys = node.map().unwrap_or_default();
        if keys.len() == 1 {
            return true;
        }
        let place: Place = keys.get(1).map_or(node.place(), |(k, _)| k.place());
        self.problems.error(
            "turn-kind",
            place,
            words(
                "a turn is one thing: an input or a check",
                "每一轮只能是一个输入或一个检查",
            ),
            words("begin a new line with `- `", "请用 `- ` 另起一行"),
        );
        false
    }
}

/// The kind keys of a step, `if` among them only beside `then`.
pub(in crate::load) fn kinds_in(node: &Node) -> Vec<(&Node, &'static Kind)> {
    let mut found = Vec::new();
    for (key, _) in node.map().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        if name == "if" && node.get("then").is_some() {
            found.push((key, &BRANCH));
        } else if let Some(kind) = KINDS.iter().find(|k| k.key == name) {
            found.push((key, kind));
        }
    }
    // `wait`'s and `remind`'s own fields are no kinds, but `form` has a field `collect`.
    if found.iter().any(|(_, k)| k.key == "form") {
        found.retain(|(_, k)| k.key != "collect");
    }
    found
}
