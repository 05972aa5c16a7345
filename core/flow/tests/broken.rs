//! Packs with one mistake each: what `check` says of them, held by snapshots.

#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use tandem_flow::{
    diagnostic::{Diagnostic, Lang},
    load::load_files,
};

/// Told in Chinese too.
const IN_CHINESE: [&str; 12] = [
    "call_of_an_unknown_flow",
    "choice_without_options",
    "comparison_of_text_with_a_number",
    "duplicate_key",
    "goto_backwards_without_an_end",
    "plugin_arguments_that_do_not_fit",
    "plugin_called_for_an_hour",
    "plugin_error_that_is_not_declared",
    "plugin_without_a_contract",
    "secret_written_inline",
    "text_in_an_unknown_locale",
    "unknown_step_kind",
];

fn packs() -> Vec<(String, Vec<(String, String)>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let mut packs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "pack"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, files(&fs::read_to_string(&path).unwrap()))
        })
        .collect();
    packs.sort();
    packs
}

fn files(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    let mut own_head = false;
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("--- ").map(str::trim) {
            Some("NO pack.yaml") => own_head = true,
            Some(path) => {
                own_head |= path == "pack.yaml";
                files.push((path.to_owned(), String::new()));
            }
            None => {
                if let Some((_, text)) = files.last_mut() {
                    text.push_str(line);
                }
            }
        }
    }
    if !own_head {
        let head = "name: broken\nlocales: [en]\ndefault_skill: general\n";
        files.push(("pack.yaml".to_owned(), head.to_owned()));
    }
    files
}

fn found(files: Vec<(String, String)>) -> Vec<Diagnostic> {
    load_files(files)
        .diagnostics
        .into_iter()
        .filter(|d| d.severity < tandem_flow::diagnostic::Severity::Note)
        .collect()
}

fn rendered(list: &[Diagnostic], lang: Lang) -> String {
    list.iter()
        .map(|d| d.render_human(lang, false))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_broken_pack_is_told_with_place_and_a_way_out() {
    let packs = packs();
    assert!(packs.len() >= 73, "{}", packs.len());
    for (name, files) in packs {
        let list = found(files);
        assert!(!list.is_empty(), "{name} went through");
        for d in &list {
            assert!(!d.file.is_empty(), "{name}: {d:?}");
            assert!(d.line >= 1 && d.column >= 1, "{name}: {d:?}");
            assert!(
                !d.hint.en.is_empty() && !d.hint.zh.is_empty(),
                "{name}: {d:?}"
            );
            assert!(
                !d.message.en.is_empty() && !d.message.zh.is_empty(),
                "{name}: {d:?}"
            );
        }
        insta::assert_snapshot!(name.clone(), rendered(&list, Lang::En));
        if IN_CHINESE.contains(&name.as_str()) {
            insta::assert_snapshot!(format!("{name}.zh"), rendered(&list, Lang::Zh));
        }
    }
}
