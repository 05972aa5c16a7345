//! Files to a pack, with every problem placed.
//!
//! [`files`] reads and caps; [`yaml`] makes trees that know where everything stands; [`validate`]
//! holds them against the table of [`crate::schema`]; [`build`] resolves names and compiles. Each
//! stage goes on behind a slip, so that one does not hide another.

pub(crate) mod build;
mod contracts;
mod files;
mod hash;
mod head;
mod lua;
mod names;
mod scripts;
mod syntax;
mod validate;
pub(crate) mod yaml;

use std::{collections::BTreeMap, path::Path};

use indexmap::IndexMap;

use crate::{
    check,
    diagnostic::{Diagnostic, Problems, words},
    model::{FaqNode, Flow, Pack, Phrases, Response, Span, Trigger},
    schema::table,
};
pub(crate) use build::Uses;
use build::{Build, Names};
use head::{Head, head};
use lua::lua;
use names::{collect_names, known_fields};
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
    let contracts = contracts::contracts(&sorted, problems);
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

    let shipped_file = problems.add_other(SHIPPED_PATH, SHIPPED);
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
        bad_contracts: sorted
            .keys()
            .filter_map(|path| crate::contract::of_path(path))
            .filter(|plugin| !contracts.contains_key(*plugin))
            .map(str::to_owned)
            .collect(),
        contracts,
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
    // Scripts may name a response as their message.
    for (_, (file, text)) in sorted.iter().filter(|(path, _)| path.ends_with(".luau")) {
        build.script(*file, text);
        let named = build.names.responses.iter().filter(|name| {
            text.contains(&format!("\"{name}\"")) || text.contains(&format!("'{name}'"))
        });
        build.uses.responses.extend(named.cloned());
    }
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
        names: Names { contracts, .. },
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
        answer_unmatched: head.answer_unmatched,
        slots,
        responses: made.responses,
        faqs: FaqNode {
            items: made.faqs,
            ..FaqNode::default()
        },
        flows: made.flows,
        triggers: made.triggers,
        out_of_scope: made.out_of_scope,
        connections,
        contracts,
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
    out_of_scope: Phrases,
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
        for (locale, texts) in build.phrases(tree.get("out_of_scope")).0 {
            self.out_of_scope.0.entry(locale).or_default().extend(texts);
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
