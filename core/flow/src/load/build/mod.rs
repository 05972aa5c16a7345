//! From validated nodes to the model. References are resolved here, where the node that makes
//! them is at hand.

mod calls;
mod exprs;
mod faqs;
mod flows;
mod others;
mod people;
mod plugins;
mod questions;
mod slots;
mod steps;
mod texts;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::IndexMap;
use tandem_domain::Locale;

use super::yaml::Node;
use crate::{
    contract::Contract,
    diagnostic::{Place, Problems, Words, suggest, words},
    model::{Duration, Slot},
    template::Templates,
};

pub(super) use others::{article, connections, desk, operations_of};
pub(crate) use plugins::split as split_plugin;
pub(super) use slots::slots;

/// Names of the language that no slot may take.
pub(crate) const RESERVED: [&str; 9] = [
    "contact",
    "conversation",
    "message",
    "repair",
    "hours",
    "it",
    "now",
    "channel",
    "locale",
];

/// The shipped patterns.
pub(crate) const PATTERNS: [&str; 12] = [
    "cancelled",
    "corrected",
    "resumed",
    "next_wish",
    "clarify",
    "skipped",
    "repeat",
    "cannot_handle",
    "flow_changed",
    "session_timeout",
    "internal_error",
    "completed",
];

/// What an operation takes and gives, as far as it is declared.
#[derive(Clone, Debug, Default)]
pub(super) struct OperationNames {
    pub placeholders: Vec<String>,
    pub returns: Option<BTreeMap<String, String>>,
    pub method: String,
}

/// Every name of the pack, before anything that uses one is read.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub flows: BTreeSet<String>,
    pub responses: BTreeSet<String>,
    pub faqs: BTreeSet<String>,
    pub step_ids: BTreeSet<String>,
    pub connections: BTreeMap<String, BTreeMap<String, OperationNames>>,
    pub contracts: BTreeMap<String, Contract>,
    /// Plugins whose contracts cannot be read.
    pub bad_contracts: BTreeSet<String>,
    pub skills: Vec<String>,
    pub hours: BTreeSet<String>,
    /// Flows and responses that are shipped: no suggestion, unless near.
    pub shipped: BTreeSet<String>,
    /// Slots whose fields are known: those filled by nothing but operations and methods that say
    /// what they return.
    pub fields: HashMap<String, BTreeMap<String, String>>,
}

impl Names {
    /// The names that the pack itself brings.
    pub fn own(&self, names: &BTreeSet<String>) -> Vec<String> {
        names.difference(&self.shipped).cloned().collect()
    }
}

/// What the pack made use of, for warnings.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    pub read: BTreeSet<String>,
    /// By flow.
    pub read_in: BTreeMap<String, BTreeSet<String>>,
    pub filled: BTreeSet<String>,
    pub responses: BTreeSet<String>,
    pub flows: BTreeSet<String>,
    /// Names the shipped files bring along: overriding one is use enough.
    pub shipped: BTreeSet<String>,
}

pub(super) struct Build<'p> {
    pub problems: &'p mut Problems,
    pub templates: Templates,
    pub locales: Vec<Locale>,
    pub default_skill: String,
    pub names: Names,
    pub uses: Uses,
    pub slots: IndexMap<String, Slot>,
    pub lua: tandem_lua::Program,
    functions: HashMap<String, Option<Vec<String>>>,
    /// Reading the shipped patterns: their texts have the locales they have.
    pub shipped: bool,
    /// Longest label and most buttons that every channel in question shows.
    pub channels: Vec<super::ChannelLimit>,
}

impl<'p> Build<'p> {
    pub fn new(
        problems: &'p mut Problems,
        locales: Vec<Locale>,
        default_skill: String,
        names: Names,
        lua: tandem_lua::Program,
        channels: Vec<super::ChannelLimit>,
    ) -> Self {
        Self {
            problems,
            templates: Templates::new(),
            locales,
            default_skill,
            names,
            uses: Uses::default(),
            slots: IndexMap::new(),
            lua,
            functions: HashMap::new(),
            shipped: false,
            channels,
        }
    }

    fn unknown(
        &mut self,
        code: &'static str,
        at: impl Into<Place>,
        kind: (&str, &str),
        name: &str,
        known: &[String],
        none: Words,
    ) {
        let hint = suggest(name, known.iter().map(String::as_str), none);
        self.problems.error(
            code,
            at,
            words(
                format!("there is no {} `{name}`", kind.0),
                format!("没有名为 `{name}` 的{}", kind.1),
            ),
            hint,
        );
    }

    /// A slot by name, for reading or filling.
    fn slot_name(&mut self, node: &Node) -> Option<String> {
        let name = node.text()?.to_owned();
        if self.slots.contains_key(&name) {
            return Some(name);
        }
        let known: Vec<String> = self.slots.keys().cloned().collect();
        self.unknown(
            "unknown-slot",
            node.place(),
            ("slot", "槽位"),
            &name,
            &known,
            words(
                format!("declare it under `slots:`, as `{name}: {{type: text}}`"),
                format!("请在 `slots:` 下声明，如 `{name}: {{type: text}}`"),
            ),
        );
        None
    }

    fn flow_name(&mut self, node: &Node) -> Option<String> {
        let name = node.text()?.to_owned();
        if self.names.flows.contains(&name) {
            self.uses.flows.insert(name.clone());
            return Some(name);
        }
        let known = self.names.own(&self.names.flows);
        self.unknown(
            "unknown-flow",
            node.place(),
            ("flow", "流程"),
            &name,
            &known,
            words("write it under `flows:`", "请在 `flows:` 下编写"),
        );
        None
    }

    fn skill(&mut self, node: Option<&Node>) -> String {
        let Some(node) = node.filter(|n| !n.is_null()) else {
            return self.default_skill.clone();
        };
        let name = node.text().unwrap_or_default().to_owned();
        if !self.names.skills.is_empty() && !self.names.skills.contains(&name) {
            let known = self.names.skills.clone();
            let none = words(
                "add it to `skills` in desk.yaml",
                "请加入 desk.yaml 的 `skills`",
            );
            self.unknown(
                "unknown-skill",
                node.place(),
                ("skill", "技能"),
                &name,
                &known,
                none,
            );
        }
        name
    }

    /// A function of the pack's Lua.
    fn function(&mut self, node: &Node) -> Option<crate::model::Function> {
        let (module, name) = split_name(node.text()?)?;
        if !self.lua.has_module(module) {
            let known: Vec<String> = self.lua.modules().map(str::to_owned).collect();
            let none = words(
                format!("write it in a file `{module}.luau` beside this one"),
                format!("请在旁边的文件 `{module}.luau` 中编写"),
            );
            self.unknown(
                "unknown-module",
                node.place(),
                ("Lua module", "Lua 模块"),
                module,
                &known,
                none,
            );
            return None;
        }
        let known = self.functions_of(module)?;
        if !known.iter().any(|f| f == name) {
            let offset = module.len() + 1;
            let at = node.inside(offset, self.problems);
            let none = words(
                format!("`{module}.luau` must end with `return {module}`, a table of functions"),
                format!("`{module}.luau` 末尾要写 `return {module}`，返回函数表"),
            );
            let what = format!("function in `{module}.luau` called");
            let what_zh = format!("`{module}.luau` 函数");
            self.unknown(
                "unknown-function",
                at,
                (&what, &what_zh),
                name,
                &known,
                none,
            );
            return None;
        }
        Some(crate::model::Function {
            module: module.to_owned(),
            name: name.to_owned(),
        })
    }

    fn functions_of(&mut self, module: &str) -> Option<Vec<String>> {
        if let Some(known) = self.functions.get(module) {
            return known.clone();
        }
        let found = self
            .lua
            .functions(module, &tandem_lua::Limits::default())
            .ok()
            .map(|list| list.into_iter().map(|f| f.name).collect::<Vec<_>>());
        self.functions.insert(module.to_owned(), found.clone());
        found
    }
}

/// `module.function` of a dotted name; the last dot divides.
pub(crate) fn split_name(text: &str) -> Option<(&str, &str)> {
    let (module, name) = text.rsplit_once('.')?;
    let plain = |s: &str| {
        !s.is_empty()
            && s.len() <= 100
            && s.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.'))
            && !s.starts_with('.')
            && !s.contains("..")
    };
    (plain(module) && plain(name)).then_some((module, name))
}

/// `7d`, `10m`, `1h30m`, `500ms`, `2w`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() || rest.len() > 40 {
        return None;
    }
    let mut total = Duration::default();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = &rest[..letters];
        rest = rest[letters..].trim_start();
        let ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" | "w" => {
                let days =
                    u32::try_from(count)
                        .ok()?
                        .checked_mul(if unit == "w" { 7 } else { 1 })?;
                total.days = total.days.checked_add(days)?;
                0
            }
            _ => return None,
        };
        total.ms = total.ms.checked_add(count.checked_mul(ms)?)?;
    }
    // A hundred years is a slip of the pen.
    (total.days <= 36_525 && total.ms <= 36_525 * 86_400_000).then_some(total)
}

/// A regular expression of bounded size.
pub(crate) fn pattern(text: &str) -> Result<regex::Regex, String> {
    if text.len() > 1_000 {
        return Err("it is longer than 1,000 characters".to_owned());
    }
    regex::RegexBuilder::new(text)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let last = text
                .lines()
                .rev()
                .find(|l| !l.trim().is_empty())
                .unwrap_or(&text);
            last.trim().trim_start_matches("error: ").to_owned()
        })
}

/// A name of a slot, response or flow: letters, digits and `_`, not beginning with a digit.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && text.len() <= 100
}

/// Whether a text looks like the name of a response rather than like words.
pub(crate) fn is_identifier(text: &str) -> bool {
    text.is_ascii() && is_name(text)
}

impl Build<'_> {
    /// Refuses names that expressions could not say.
    fn check_name(&mut self, key: &Node, what: (&str, &str)) -> bool {
        let name = key.text().unwrap_or_default();
        if is_name(name) {
            return true;
        }
        let fixed: String = name
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .take(60)
            .collect();
        self.problems.error(
            "bad-name",
            key.place(),
            words(
                format!("`{name}` cannot be the name of {}", what.0),
                format!("`{name}` 不能作为{}名称", what.1),
            ),
            words(
                format!("use letters, digits and `_`, as `{fixed}`"),
                format!("请使用字母、数字和 `_`，如 `{fixed}`"),
            ),
        );
        false
    }

    /// A key-shaped name beside a literal value is a secret in the making.
    fn check_secret(&mut self, key: &Node, value: &Node) {
        let name = key
            .text()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .replace('-', "_");
        let telling = [
            "token",
            "password",
            "passwd",
            "secret",
            "api_key",
            "apikey",
            "authorization",
            "access_key",
            "private_key",
            "client_secret",
            "x_api_key",
        ];
        let Some(text) = value.text().filter(|t| !t.is_empty() && !t.contains("{{")) else {
            return;
        };
        let prefixed = ["sk_live_", "sk-", "ghp_", "xoxb-", "Bearer ", "Basic "]
            .iter()
            .any(|p| text.starts_with(p) && text.len() > p.len() + 8);
        if telling.contains(&name.as_str()) || prefixed {
            secret(self.problems, value);
        }
    }
}

pub(in crate::load) fn secret(problems: &mut Problems, value: &Node) {
    problems.error(
        "secret-inline",
        value.place(),
        words("a secret stands in a file of the pack", "业务包的文件中写有密钥"),
        words(
            "keep it in an environment variable and name that: `auth: {type: bearer, token_env: SHOP_TOKEN}`",
            "请放入环境变量，只写变量名：`auth: {type: bearer, token_env: SHOP_TOKEN}`",
        ),
    );
}
