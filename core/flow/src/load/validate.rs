//! The shape of a file: keys and kinds of value, held against [`crate::schema::table`].

use super::yaml::{Kind as NodeKind, Node, Style};
use crate::{
    diagnostic::{Place, Problems, Words, nearest, suggest, words},
    schema::table::{
        self, BRANCH, CHOICE_OPTION, COLLECT, COMMON, Field, KINDS, Kind, MESSAGE, RULE, Shape,
        TURN, Ty, VARIATION,
    },
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
                    super::build::secret(self.problems, value);
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

    fn required(&mut self, node: &Node, fields: &'static [Field], of: (&str, &str)) -> bool {
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

    fn unknown_key(
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
                Some(text) if super::build::split_name(text).is_some() => true,
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
            Ty::Dur => match node.text().and_then(super::build::duration) {
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
    fn wrong(&mut self, node: &Node, name: &str, wanted: &str, wanted_zh: &str) -> bool {
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

    fn one_of(&mut self, node: &Node, known: &[&'static str], name: &str) -> bool {
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

    fn pattern(&mut self, node: &Node, text: &str) -> bool {
        match super::build::pattern(text) {
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
    fn text(&mut self, node: &Node, name: &str) -> bool {
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

    fn locale(&mut self, key: &Node, locale: &str) -> bool {
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

    fn phrases(&mut self, node: &Node, name: &str) -> bool {
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

    fn phrase(&mut self, node: &Node, name: &str) -> bool {
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

    fn response(&mut self, node: &Node, name: &str) -> bool {
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

    fn says_something(&mut self, node: &Node) -> bool {
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

    fn say(&mut self, node: &Node, name: &str) -> bool {
        match &node.kind {
            NodeKind::Map(_) if Self::is_message(node) => {
                self.shape(node, &MESSAGE) && self.says_something(node)
            }
            _ => self.text(node, name),
        }
    }

    fn options(&mut self, node: &Node, name: &str) -> bool {
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

    fn steps(&mut self, node: &Node, name: &str) -> bool {
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

    fn step(&mut self, node: &Node) -> bool {
        let Some(pairs) = node.map() else {
            return self.wrong(node, "a step", "a map, as `say: …`", "映射，如 `say: …`");
        };
        let Some(kind) = self.kind_of(node, pairs) else {
            return false;
        };
        self.beside(node, pairs, kind, kind.fields)
    }

    /// A question of a form.
    fn field(&mut self, node: &Node) -> bool {
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

    fn beside(
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

    fn value_of(&mut self, value: &Node, kind: &'static Kind) -> bool {
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

    fn rules(&mut self, node: Option<&Node>) -> bool {
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
        let _ = &RULE;
        fine
    }

    /// The kind of a step: exactly one kind key; `if` is one only beside `then`.
    fn kind_of(&mut self, node: &Node, pairs: &[(Node, Node)]) -> Option<&'static Kind> {
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

    fn no_kind(&self, pairs: &[(Node, Node)]) -> (Words, Words) {
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

    fn turn(&mut self, node: &Node) -> bool {
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

/// The kind keys of a step, `if` among them only beside `then`.
pub(super) fn kinds_in(node: &Node) -> Vec<(&Node, &'static Kind)> {
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
