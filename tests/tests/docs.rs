//! What the documents show is run: every pack written in them loads without an error and passes
//! the tests beside it, every kind of step and type of slot has an example, every link leads
//! somewhere.
//!
//! A fenced block with a title is a file: ```` ```yaml title="main.flow.yaml" ````. The titled
//! blocks between two headings (`##` or `###`) are one pack.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tandem_flow::{
    diagnostic::{Lang, Severity},
    load,
    model::{Pack, SlotKind},
    template, testing,
};
use tandem_understanding::PhraseTrainer;

/// Every key of `tandem_flow::model::StepKind`.
const KINDS: [&str; 21] = [
    "say", "collect", "form", "menu", "faq", "if", "switch", "set", "goto", "call", "link", "http",
    "lua", "plugin", "answer", "handoff", "ticket", "wait", "remind", "tag", "end",
];

/// Every slot type.
const TYPES: [&str; 14] = [
    "text", "integer", "number", "boolean", "date", "time", "datetime", "email", "phone", "url",
    "choice", "file", "object", "list",
];

/// Documents with packs, and their language.
const DOCUMENTS: [(&str, &str); 4] = [
    ("docs/flows.md", "en"),
    ("docs/flows.zh.md", "zh"),
    ("README.md", "en"),
    ("README.zh.md", "zh"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text between two headings.
struct Section {
    heading: String,
    files: Vec<File>,
}

/// A titled block.
struct File {
    path: String,
    /// Of its first line in the document.
    line: usize,
    text: String,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section {
        heading: String::new(),
        files: Vec::new(),
    }];
    let mut fence: Option<(&str, Option<File>)> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        match &mut fence {
            Some((mark, file)) => {
                if trimmed.starts_with(*mark) && trimmed.trim_matches('`').is_empty() {
                    let file = file.take();
                    sections.last_mut().unwrap().files.extend(file);
                    fence = None;
                } else if let Some(file) = file {
                    file.text.push_str(line);
                    file.text.push('\n');
                }
            }
            None if trimmed.starts_with("```") => {
                let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
                let title = trimmed
                    .split_once("title=\"")
                    .and_then(|(_, rest)| rest.split_once('"'));
                let file = title.map(|(path, _)| File {
                    path: path.to_owned(),
                    line: at + 2,
                    text: String::new(),
                });
                fence = Some((&trimmed[..ticks], file));
            }
            None if line.starts_with("## ") || line.starts_with("### ") => {
                sections.push(Section {
                    heading: line.to_owned(),
                    files: Vec::new(),
                });
            }
            None => {}
        }
    }
    assert!(fence.is_none(), "a block is not closed");
    sections
}

/// A section's pack, with what the document leaves out.
fn load(section: &Section, locale: &str) -> load::Loaded {
    let mut files: Vec<(String, String)> = section
        .files
        .iter()
        .map(|f| (f.path.clone(), f.text.clone()))
        .collect();
    let mut add = |name: &str, text: String| {
        if !files.iter().any(|(path, _)| path == name) {
            files.push((name.to_owned(), text));
        }
    };
    add("pack.yaml", format!("name: docs\nlocales: [{locale}]\n"));
    add(
        "desk.yaml",
        "skills: [general, orders, returns, complaints]\n".to_owned(),
    );
    load::load_files(files)
}

/// Loads every pack of a document and runs its tests. What is wrong is added to `wrong`.
fn run(document: &str, locale: &str, wrong: &mut Vec<String>) {
    let text = fs::read_to_string(root().join(document)).unwrap();
    for section in sections(&text).into_iter().filter(|s| !s.files.is_empty()) {
        let first = section.files[0].line;
        let place = |file: &str, line: u32| {
            let file = section.files.iter().find(|f| f.path == file);
            format!(
                "{document}:{}",
                file.map_or(first, |f| f.line + line as usize - 1)
            )
        };
        let loaded = load(&section, locale);
        for problem in loaded
            .diagnostics
            .iter()
            .filter(|d| d.severity != Severity::Note)
        {
            wrong.push(format!(
                "{}: {}",
                place(&problem.file, problem.line),
                problem.one_line()
            ));
        }
        let Some(pack) = loaded.pack else { continue };
        let pack = Arc::new(pack);
        let report = testing::run_tests(&pack, &PhraseTrainer, &testing::Options::default());
        for problem in &report.problems {
            wrong.push(format!(
                "{}: {}",
                place(&problem.file, problem.line),
                problem.one_line()
            ));
        }
        if report.tests.is_empty() {
            wrong.push(format!("{document}:{first}: a pack without a test"));
        }
        for test in report.tests.iter().filter(|t| !t.passed) {
            for failure in &test.failures {
                wrong.push(format!(
                    "{}: {}: expected {}, got {}\n    {}",
                    place(&test.file, failure.line),
                    test.name,
                    failure.expected.en,
                    failure.got.en,
                    test.transcript.join("\n    "),
                ));
            }
        }
    }
}

/// Fails with everything that is wrong.
fn judge(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{}\n({} in all)",
        wrong.join("\n"),
        wrong.len()
    );
}

#[test]
fn every_pack_in_the_documents_loads_and_passes_its_tests() {
    let mut wrong = Vec::new();
    for (document, locale) in DOCUMENTS {
        run(document, locale, &mut wrong);
    }
    judge(&wrong);
}

#[test]
fn every_step_kind_and_slot_type_has_a_section_with_an_example() {
    let mut wrong = Vec::new();
    for (document, locale) in &DOCUMENTS[..2] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let sections: Vec<(String, Option<Pack>)> = sections(&text)
            .into_iter()
            .filter(|s| !s.files.is_empty())
            .map(|s| {
                let pack = load(&s, locale).pack;
                (s.heading, pack)
            })
            .collect();
        let shown = |name: &str, in_pack: &dyn Fn(&Pack) -> bool| {
            sections.iter().any(|(heading, pack)| {
                heading.contains(&format!("`{name}`")) && pack.as_ref().is_some_and(in_pack)
            })
        };
        for kind in KINDS {
            if !shown(kind, &|pack| kinds(pack).contains(kind)) {
                wrong.push(format!(
                    "{document}: no section with an example of the step `{kind}`"
                ));
            }
        }
        for ty in TYPES {
            if !shown(ty, &|pack| {
                pack.slots.values().any(|s| type_of(&s.kind) == ty)
            }) {
                wrong.push(format!(
                    "{document}: no section with an example of the type `{ty}`"
                ));
            }
        }
    }
    judge(&wrong);
}

/// Kinds of the steps in a pack's own flows.
fn kinds(pack: &Pack) -> BTreeSet<&'static str> {
    let own = pack
        .flows
        .values()
        .filter(|f| !f.pattern && f.name != "faq_menu");
    let found: BTreeSet<&str> = own
        .flat_map(|f| &f.blocks)
        .flat_map(|b| &b.steps)
        .map(|s| s.kind.key())
        .collect();
    for kind in &found {
        assert!(
            KINDS.contains(kind),
            "a new kind of step, `{kind}`, is not in this test's list"
        );
    }
    found
}

fn type_of(kind: &SlotKind) -> &'static str {
    match kind {
        SlotKind::Text { .. } => "text",
        SlotKind::Integer { .. } => "integer",
        SlotKind::Number { .. } => "number",
        SlotKind::Boolean => "boolean",
        SlotKind::Date => "date",
        SlotKind::Time => "time",
        SlotKind::DateTime => "datetime",
        SlotKind::Email => "email",
        SlotKind::Phone => "phone",
        SlotKind::Url => "url",
        SlotKind::Choice { .. } => "choice",
        SlotKind::File { .. } => "file",
        SlotKind::Object => "object",
        SlotKind::List => "list",
    }
}

#[test]
fn both_languages_show_the_same_sections() {
    let names = |document: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(root().join(document)).unwrap();
        sections(&text)
            .iter()
            .filter(|s| !s.files.is_empty())
            .map(|s| code_in(&s.heading))
            .collect()
    };
    assert_eq!(names("docs/flows.md"), names("docs/flows.zh.md"));
}

/// Every name an author can write is told somewhere in both documents, as code.
#[test]
fn no_name_of_the_language_is_missing_from_the_documents() {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (_, schema) in tandem_flow::schema::all(Lang::En) {
        keys_of(&schema, &mut names);
    }
    names.extend(
        template::FILTERS
            .iter()
            .chain(template::TESTS)
            .map(|n| (*n).to_owned()),
    );
    names.extend(tandem_lua::api().iter().map(|item| item.path.to_owned()));
    let shipped = load::load_files(vec![
        (
            "pack.yaml".to_owned(),
            "name: empty\nlocales: [en]\n".to_owned(),
        ),
        (
            "main.flow.yaml".to_owned(),
            "version: 1\nflows: {}\n".to_owned(),
        ),
    ]);
    let shipped = shipped.pack.expect("an empty pack loads");
    names.extend(shipped.flows.keys().cloned());
    names.extend(shipped.responses.keys().cloned());
    let mut wrong = Vec::new();
    for (document, _) in &DOCUMENTS[..2] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let told = words_of_code(&text);
        for name in names.iter().filter(|name| !told.contains(*name)) {
            wrong.push(format!("{document}: `{name}` is told nowhere"));
        }
    }
    judge(&wrong);
}

/// The keys under every `properties` of a schema.
fn keys_of(schema: &serde_json::Value, names: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(properties)) = map.get("properties") {
                names.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys_of(value, names));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys_of(item, names)),
        _ => {}
    }
}

/// Names inside backticks and code blocks, dotted ones whole and in parts.
fn words_of_code(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let code: Vec<&str> = if fenced {
            vec![line]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for part in code {
            let names = part.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
            for name in names.map(|n| n.trim_matches('.')) {
                words.insert(name.to_owned());
                words.extend(name.split('.').map(str::to_owned));
            }
        }
    }
    words
}

/// What stands between backticks.
fn code_in(heading: &str) -> Vec<String> {
    heading
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn links_in_the_documents_lead_to_files_and_headings_that_exist() {
    let mut documents: Vec<PathBuf> = ["README.md", "README.zh.md", "CONTRIBUTING.md"]
        .iter()
        .map(|d| root().join(d))
        .collect();
    documents.extend(
        fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "md")),
    );
    let mut wrong = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let file = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let fine = file.exists()
                && (anchor.is_empty()
                    || fs::read_to_string(&file).is_ok_and(|text| anchors(&text).contains(anchor)));
            if !fine {
                wrong.push(format!(
                    "{}:{line}: {target} leads nowhere",
                    document.display()
                ));
            }
        }
    }
    judge(&wrong);
}

/// Targets of `](…)` outside code blocks, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for rest in line.split("](").skip(1) {
            if let Some((target, _)) = rest.split_once(')') {
                found.push((at + 1, target.to_owned()));
            }
        }
    }
    found
}

/// What headings are called in links: lower case, blanks as `-`, no punctuation.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|l| l.starts_with('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}
