//! Files to a pack, with every problem placed.
//!
//! [`files`] reads and caps; [`yaml`] makes trees that know where everything stands; [`validate`]
//! holds them against the table of [`crate::schema`]; [`build`] resolves names and compiles. A
//! file that fails one stage is left out of the next, so that one slip does not hide another.

pub(crate) mod build;
mod files;
mod hash;
mod validate;
pub(crate) mod yaml;

use std::{collections::BTreeMap, path::Path};

use indexmap::IndexMap;
use tandem_domain::Locale;

use crate::{
    check,
    diagnostic::{Diagnostic, Problems, words},
    model::{FaqNode, Flow, Limits, Pack, Response, Span, Trigger},
    schema::table,
};
pub(crate) use build::Uses;
use build::{Build, Names};
use validate::Validator;
pub(crate) use yaml::Node;

/// The shipped patterns and built-in texts, under every pack.
const SHIPPED: &str = include_str!("../patterns.flow.yaml");
const SHIPPED_PATH: &str = "(shipped)/patterns.flow.yaml";

/// What came of reading a pack.
#[derive(Debug)]
pub struct Loaded {
    /// None where there was an error.
    pub pack: Option<Pack>,
    /// Errors first, then by file and line.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a channel shows as it is; longer labels and more buttons turn into a numbered list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelLimit {
    pub channel: String,
    /// Longest label, in characters.
    pub label: usize,
    /// Most buttons under one message.
    pub count: usize,
}

/// Against what a pack is judged.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub channels: Vec<ChannelLimit>,
}

/// Reads a pack from a folder. Never panics; a missing folder is a diagnostic too.
#[must_use]
pub fn load_dir(path: &Path) -> Loaded {
    load_dir_with(path, &Options::default())
}

#[must_use]
pub fn load_dir_with(path: &Path, options: &Options) -> Loaded {
    let mut problems = Problems::default();
    let files = files::read_dir(path, &mut problems);
    load(files, options, problems)
}

/// Reads a pack from (path, content) pairs, as the store keeps them.
#[must_use]
pub fn load_files(files: Vec<(String, String)>) -> Loaded {
    load_files_with(files, &Options::default())
}

#[must_use]
pub fn load_files_with(files: Vec<(String, String)>, options: &Options) -> Loaded {
    let mut problems = Problems::default();
    let files = files::take(files, &mut problems);
    load(files, options, problems)
}

/// Files of one kind, parsed and of the right shape: path and tree.
type Trees = Vec<(String, Node)>;

fn load(files: Vec<(String, String)>, options: &Options, mut problems: Problems) -> Loaded {
    let pack = read(&files, options, &mut problems);
    let pack = pack.filter(|_| !problems.has_errors()).map(|mut pack| {
        pack.files = files;
        pack
    });
    Loaded {
        pack,
        diagnostics: problems.finish(),
    }
}

#[allow(clippy::too_many_lines)]
fn read(files: &[(String, String)], options: &Options, problems: &mut Problems) -> Option<Pack> {
    let mut sorted: BTreeMap<&str, (u32, &str)> = BTreeMap::new();
    for (path, text) in files {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        sorted.insert(path, (problems.add_file(path, text), text));
    }
    let Some((file, text)) = sorted.get("pack.yaml") else {
        if files.is_empty() && problems.has_errors() {
            return None;
        }
        let at = sorted.values().next().map_or(u32::MAX, |(file, _)| *file);
        problems.error_in(
            "pack-missing",
            "pack.yaml",
            Span {
                file: at,
                line: 1,
                column: 1,
            },
            words("this folder has no pack.yaml", "这个文件夹中没有 pack.yaml"),
            words(
                "create it with `name: shop` and `locales: [en]`",
                "请创建该文件，写入 `name: shop` 和 `locales: [zh]`",
            ),
        );
        return None;
    };
    let head = head(*file, text, problems);
    let locales: Vec<String> = head
        .as_ref()
        .map(|h| h.locales.iter().map(|l| l.to_string()).collect())
        .unwrap_or_default();

    let lua = lua(&sorted, problems);
    let whole = |path: &str, shape, problems: &mut Problems| {
        let (file, text) = sorted.get(path)?;
        tree(*file, text, shape, &locales, problems)
    };
    let connections_tree = whole("connections.yaml", &table::CONNECTIONS, problems);
    let desk_tree = whole("desk.yaml", &table::DESK, problems);
    if let Some((file, text)) = sorted.get("quality.yaml") {
        // Its rules belong to the desk; here it only has to be YAML.
        parse(*file, text, problems);
    }
    let of_kind = |ending: &str, shape, problems: &mut Problems| -> Trees {
        let files = sorted.iter().filter(|(path, _)| path.ends_with(ending));
        files
            .filter_map(|(path, (file, text))| {
                Some((
                    (*path).to_owned(),
                    tree(*file, text, shape, &locales, problems)?,
                ))
            })
            .collect()
    };
    let flow_trees = of_kind(".flow.yaml", &table::FLOW_FILE, problems);
    let test_trees = of_kind(".test.yaml", &table::TEST, problems);
    let mut articles = Vec::new();
    for (path, (file, text)) in &sorted {
        if path.starts_with("knowledge/") && path.ends_with(".md") {
            articles.extend(build::article(problems, *file, path, text, &locales));
        }
    }

    let shipped_file = problems.add_file(SHIPPED_PATH, SHIPPED);
    let shipped = tree(shipped_file, SHIPPED, &table::FLOW_FILE, &[], problems)?;
    for (_, tree) in &flow_trees {
        version(tree, problems);
    }
    let connections = connections_tree
        .as_ref()
        .map(|t| build::connections(problems, t))
        .unwrap_or_default();
    let (skills, hours) = desk_tree
        .as_ref()
        .map(|t| build::desk(problems, t))
        .unwrap_or_default();
    let head = head?;
    if !skills.is_empty() && !skills.contains(&head.default_skill) {
        let known: Vec<&str> = skills.iter().map(String::as_str).collect();
        problems.error(
            "unknown-skill",
            head.default_skill_at,
            words(
                format!("nobody has the default skill `{}`", head.default_skill),
                format!("没有人具备默认技能 `{}`", head.default_skill),
            ),
            crate::diagnostic::suggest(&head.default_skill, known, words("", "")),
        );
    }

    let mut names = Names {
        connections: connections_tree
            .as_ref()
            .map(build::operations_of)
            .unwrap_or_default(),
        skills: skills.clone(),
        hours: hours.keys().cloned().collect(),
        ..Names::default()
    };
    for (_, tree) in &flow_trees {
        collect_names(tree, &mut names);
    }
    let mut shipped_names = Names::default();
    collect_names(&shipped, &mut shipped_names);
    for kind in [&shipped_names.flows, &shipped_names.responses] {
        let new = kind
            .iter()
            .filter(|n| !names.flows.contains(*n) && !names.responses.contains(*n));
        names.shipped.extend(new.cloned());
    }
    collect_names(&shipped, &mut names);
    names.fields = known_fields(&flow_trees, &names);

    let mut build = Build::new(
        problems,
        head.locales.clone(),
        head.default_skill.clone(),
        names,
        lua,
        options.channels.clone(),
    );
    let mut made = Made::default();
    let own: Vec<&Node> = flow_trees.iter().map(|(_, tree)| tree).collect();
    let sections = |key: &str| -> Vec<&Node> { own.iter().filter_map(|t| t.get(key)).collect() };
    build::slots(&mut build, &sections("slots"));
    for tree in &own {
        made.add(&mut build, tree);
    }
    build.shipped = true;
    let mine = std::mem::take(&mut build.uses);
    if let Some(slots) = shipped.get("slots") {
        build::slots(&mut build, &[slots]);
    }
    made.add(&mut build, &shipped);
    let uses = std::mem::replace(&mut build.uses, mine);
    build.uses.responses.extend(uses.responses);

    let mut uses = std::mem::take(&mut build.uses);
    uses.shipped.extend(shipped_names.flows);
    uses.shipped.extend(shipped_names.responses);
    let shipped_slots = shipped.get("slots").and_then(Node::map).unwrap_or_default();
    uses.shipped.extend(
        shipped_slots
            .iter()
            .filter_map(|(k, _)| k.text().map(str::to_owned)),
    );
    let Build {
        templates,
        slots,
        lua,
        ..
    } = build;
    let structure = hash::structure(
        &head,
        &own,
        &shipped,
        connections_tree.as_ref(),
        desk_tree.as_ref(),
        &sorted,
    );
    let pack = Pack {
        name: head.name,
        locales: head.locales,
        zone: head.zone,
        default_skill: head.default_skill,
        limits: head.limits,
        slots,
        responses: made.responses,
        faqs: FaqNode {
            items: made.faqs,
            ..FaqNode::default()
        },
        flows: made.flows,
        triggers: made.triggers,
        connections,
        skills,
        hours,
        articles,
        lua,
        templates,
        hash: hash::whole(&sorted),
        structure,
        files: Vec::new(),
    };
    check::judge(&pack, &uses, problems);
    check::tests(&pack, &test_trees, problems);
    Some(pack)
}

/// What flow files bring together.
#[derive(Default)]
struct Made {
    responses: IndexMap<String, Response>,
    faqs: Vec<FaqNode>,
    flows: IndexMap<String, Flow>,
    triggers: Vec<Trigger>,
}

impl Made {
    fn add(&mut self, build: &mut Build<'_>, tree: &Node) {
        for (key, node) in tree
            .get("responses")
            .and_then(Node::map)
            .unwrap_or_default()
        {
            let name = key.text().unwrap_or_default().to_owned();
            if let Some(other) = self.responses.get(&name) {
                if !build.shipped {
                    twice(build.problems, key, other.span, ("response", "回复"));
                }
                continue;
            }
            let response = build.response(node);
            self.responses.insert(
                name,
                Response {
                    span: key.span,
                    ..response
                },
            );
        }
        if let Some(node) = tree.get("faqs") {
            for item in build.faq_items(node, "") {
                if let Some(other) = self.faqs.iter().find(|f| f.path == item.path) {
                    let key = node.pair(&item.path).map_or(node, |(key, _)| key);
                    twice(build.problems, key, other.span, ("FAQ item", "常见问题"));
                    continue;
                }
                self.faqs.push(item);
            }
        }
        for (key, node) in tree.get("flows").and_then(Node::map).unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            if let Some(other) = self.flows.get(name) {
                if !build.shipped {
                    twice(build.problems, key, other.span, ("flow", "流程"));
                }
                continue;
            }
            let flow = build.flow(key, node);
            self.flows.insert(flow.name.clone(), flow);
        }
        for node in tree
            .get("handoff_triggers")
            .and_then(Node::seq)
            .unwrap_or_default()
        {
            let trigger = build.trigger(node);
            self.triggers.push(trigger);
        }
    }
}

fn twice(problems: &mut Problems, key: &Node, other: Span, what: (&str, &str)) {
    let name = key.text().unwrap_or_default();
    let at = problems.describe(other);
    problems.error(
        "duplicate-name",
        key.place(),
        words(
            format!("the {} `{name}` is written twice", what.0),
            format!("{} `{name}` 重复编写", what.1),
        ),
        words(
            format!("it stands in {at} already; rename one"),
            format!("{at} 已经有了，请重命名其中一个"),
        ),
    );
}

/// Parses a file that must not be empty.
fn parse(file: u32, text: &str, problems: &mut Problems) -> Option<Node> {
    let before = problems.count();
    let node = yaml::parse(file, text, problems);
    let empty = node.as_ref().is_none_or(Node::is_null);
    if empty && problems.count() == before {
        problems.error(
            "empty-file",
            Span {
                file,
                line: 1,
                column: 1,
            },
            words("this file is empty", "这个文件是空的"),
            words(
                "write something in it, or delete it",
                "请写入内容，或删除此文件",
            ),
        );
    }
    node.filter(|n| !n.is_null())
}

/// Parses a file and holds it against its shape; only a tree without fault goes on.
fn tree(
    file: u32,
    text: &str,
    shape: &'static table::Shape,
    locales: &[String],
    problems: &mut Problems,
) -> Option<Node> {
    let node = parse(file, text, problems)?;
    let mut validator = Validator { problems, locales };
    // What is wrong in one place must not hide what is wrong in another: the builder skips what
    // it cannot read.
    validator.shape(&node, shape);
    node.map().is_some().then_some(node)
}

fn version(tree: &Node, problems: &mut Problems) {
    if let Some(node) = tree.get("version")
        && node.text() != Some("1")
    {
        problems.error(
            "unsupported-version",
            node.place(),
            words(
                format!(
                    "version {} of the language is not known here",
                    node.text().unwrap_or_default()
                ),
                format!("不支持语言版本 {}", node.text().unwrap_or_default()),
            ),
            words("write `version: 1`", "请写 `version: 1`"),
        );
    }
}

/// pack.yaml.
struct Head {
    name: String,
    locales: Vec<Locale>,
    zone: jiff::tz::TimeZone,
    zone_name: String,
    default_skill: String,
    default_skill_at: crate::diagnostic::Place,
    limits: Limits,
}

fn head(file: u32, text: &str, problems: &mut Problems) -> Option<Head> {
    let node = tree(file, text, &table::PACK, &[], problems)?;
    let mut locales: Vec<Locale> = Vec::new();
    for item in node.get("locales").and_then(Node::seq).unwrap_or_default() {
        let tag = item.text().unwrap_or_default();
        let fine = tag.len() <= 20
            && tag.split('-').enumerate().all(|(at, part)| match at {
                0 => (2..=3).contains(&part.len()) && part.chars().all(|c| c.is_ascii_lowercase()),
                _ => {
                    (2..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
                }
            });
        if !fine {
            problems.error(
                "bad-locale",
                item.place(),
                words(
                    format!("`{tag}` is no language tag"),
                    format!("`{tag}` 不是语言标签"),
                ),
                words(
                    "write it as `en`, `zh` or `pt-BR`",
                    "请写成 `en`、`zh` 或 `pt-BR`",
                ),
            );
        } else if locales.iter().any(|l| l.as_str() == tag) {
            problems.error(
                "duplicate-name",
                item.place(),
                words(format!("`{tag}` is here twice"), format!("`{tag}` 重复")),
                words("remove one", "请删去一个"),
            );
        } else {
            locales.push(Locale::new(tag));
        }
    }
    if let Some(list) = node.get("locales")
        && locales.is_empty()
    {
        problems.error(
            "missing-key",
            list.place(),
            words("a pack needs a language", "业务包至少要有一种语言"),
            words("write `locales: [en]`", "请写 `locales: [zh]`"),
        );
    }
    let zone_name = node
        .get("time_zone")
        .and_then(Node::text)
        .unwrap_or("UTC")
        .to_owned();
    let zone = match jiff::tz::TimeZone::get(&zone_name) {
        Ok(zone) => zone,
        Err(_) => {
            let known: Vec<String> = jiff::tz::db()
                .available()
                .map(|name| name.to_string())
                .collect();
            let hint =
                match crate::diagnostic::nearest(&zone_name, known.iter().map(String::as_str)) {
                    Some(near) => words(
                        format!("did you mean `{near}`?"),
                        format!("是不是想写 `{near}`？"),
                    ),
                    None => words("write it as `Europe/Berlin`", "请写成 `Asia/Shanghai`"),
                };
            problems.error(
                "unknown-zone",
                node.get("time_zone").map_or(node.place(), Node::place),
                words(
                    format!("there is no time zone `{zone_name}`"),
                    format!("没有时区 `{zone_name}`"),
                ),
                hint,
            );
            jiff::tz::TimeZone::UTC
        }
    };
    let mut limits = Limits::default();
    for (key, target) in [
        ("attempts", &mut limits.attempts),
        ("jumps", &mut limits.jumps),
        ("steps_per_turn", &mut limits.steps_per_turn),
        ("repair", &mut limits.repair),
        ("session_minutes", &mut limits.session_minutes),
    ] {
        let Some(value) = node.get("limits").and_then(|l| l.get(key)) else {
            continue;
        };
        match value.int().and_then(|n| u32::try_from(n).ok()) {
            Some(n) if n > 0 => *target = n,
            Some(_) => problems.error(
                "wrong-type",
                value.place(),
                words(
                    format!("`{key}` is at least 1"),
                    format!("`{key}` 至少为 1"),
                ),
                words("remove it to use the default", "删去即使用默认值"),
            ),
            None => {}
        }
    }
    let skill = node.get("default_skill");
    let name = node.get("name").and_then(Node::text)?.to_owned();
    (!locales.is_empty()).then_some(Head {
        name,
        locales,
        zone,
        zone_name,
        default_skill: skill.and_then(Node::text).unwrap_or("general").to_owned(),
        default_skill_at: skill.map_or(node.place(), Node::place),
        limits,
    })
}

/// Compiles the modules that compile, and loads each once: what a module does on loading shows
/// here and not in a conversation.
fn lua(sorted: &BTreeMap<&str, (u32, &str)>, problems: &mut Problems) -> tandem_lua::Program {
    let mut sources: Vec<(&str, &str)> = sorted
        .iter()
        .filter(|(path, _)| path.ends_with(".luau"))
        .map(|(path, (_, text))| (*path, *text))
        .collect();
    let report = |problems: &mut Problems, error: &tandem_lua::LuaError, path: &str, code| {
        let path = error
            .module
            .as_deref()
            .filter(|m| sorted.contains_key(m))
            .unwrap_or(path);
        let file = sorted.get(path).map_or(u32::MAX, |(file, _)| *file);
        let line = error.line.unwrap_or(1);
        let column = error.column.unwrap_or(1);
        problems.error(
            code,
            Span { file, line, column },
            words(
                format!("this Lua module cannot be used: {}", error.message),
                format!("无法使用这个 Lua 模块：{}", error.message),
            ),
            words(
                "a module is `local m = {}`, functions `function m.name(value) … end`, and `return m`",
                "模块的写法：`local m = {}`、若干 `function m.name(value) … end`，最后 `return m`",
            ),
        );
    };
    let program = match tandem_lua::Program::compile(sources.iter().copied()) {
        Ok(program) => program,
        Err(errors) => {
            for error in &errors {
                report(problems, error, "", "lua-syntax");
            }
            sources.retain(|(path, _)| !errors.iter().any(|e| e.module.as_deref() == Some(path)));
            match tandem_lua::Program::compile(sources.iter().copied()) {
                Ok(program) => program,
                Err(_) => match tandem_lua::Program::compile(std::iter::empty::<(&str, &str)>()) {
                    Ok(program) => program,
                    Err(_) => unreachable!("no modules, no errors"),
                },
            }
        }
    };
    let modules: Vec<String> = program.modules().map(str::to_owned).collect();
    for module in modules {
        if let Err(error) = program.functions(&module, &tandem_lua::Limits::default()) {
            let path = program.path(&module).unwrap_or_default().to_owned();
            report(problems, &error, &path, "lua-load");
        }
    }
    program
}

fn collect_names(tree: &Node, names: &mut Names) {
    let keys = |key: &str| {
        let pairs = tree.get(key).and_then(Node::map).unwrap_or_default().iter();
        pairs
            .filter_map(|(k, _)| k.text().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    names.flows.extend(keys("flows"));
    names.responses.extend(keys("responses"));
    if let Some(faqs) = tree.get("faqs") {
        faq_paths(faqs, "", names);
    }
    if let Some(flows) = tree.get("flows") {
        step_ids(flows, names);
    }
}

fn faq_paths(node: &Node, above: &str, names: &mut Names) {
    for (key, item) in node.map().unwrap_or_default() {
        let Some(name) = key.text() else { continue };
        let path = if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above}.{name}")
        };
        if let Some(items) = item.get("items") {
            faq_paths(items, &path, names);
        }
        names.faqs.insert(path);
    }
}

/// Every map of a tree.
fn maps<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
    if node.map().is_some() {
        found.push(node);
    }
    for (_, value) in node.map().unwrap_or_default() {
        maps(value, found);
    }
    for item in node.seq().unwrap_or_default() {
        maps(item, found);
    }
}

fn step_ids(flows: &Node, names: &mut Names) {
    let mut found = Vec::new();
    maps(flows, &mut found);
    for node in found {
        if let Some(id) = node.get("id").and_then(Node::text) {
            names.step_ids.insert(id.to_owned());
        }
    }
}

/// The fields of slots that only operations with declared answers fill.
fn known_fields(
    trees: &Trees,
    names: &Names,
) -> std::collections::HashMap<String, BTreeMap<String, String>> {
    let mut known: std::collections::HashMap<String, Option<BTreeMap<String, String>>> =
        std::collections::HashMap::new();
    let mut found = Vec::new();
    for (_, tree) in trees {
        for section in ["flows", "faqs"] {
            if let Some(node) = tree.get(section) {
                maps(node, &mut found);
            }
        }
    }
    for node in found {
        let text = |key: &str| node.get(key).and_then(Node::text);
        if let Some(slot) = text("save") {
            let returns = text("http")
                .and_then(build::split_name)
                .and_then(|(c, o)| names.connections.get(c)?.get(o)?.returns.clone());
            let entry = known
                .entry(slot.to_owned())
                .or_insert_with(|| Some(BTreeMap::new()));
            match (entry.as_mut(), returns) {
                (Some(fields), Some(returns)) => fields.extend(returns),
                _ => *entry = None,
            }
        }
        let mut filled: Vec<&str> = text("collect").into_iter().collect();
        for key in ["set", "with"] {
            let is_http = node.get("http").is_some() || node.get("lua").is_some();
            if key == "with" && is_http {
                continue;
            }
            for (slot, value) in node.get(key).and_then(Node::map).unwrap_or_default() {
                if !value.is_null() {
                    filled.extend(slot.text());
                }
            }
        }
        for slot in filled {
            known.insert(slot.to_owned(), None);
        }
    }
    known
        .into_iter()
        .filter_map(|(slot, fields)| Some((slot, fields?)))
        .collect()
}
