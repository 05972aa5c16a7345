//! Sound packs check as they stand.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use tandem_flow::{
    check::check_dir,
    diagnostic::{Diagnostic, Lang, Severity},
    load::load_dir,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn shown(list: &[&Diagnostic]) -> String {
    list.iter()
        .map(|d| d.render_human(Lang::En, false))
        .collect()
}

#[test]
fn the_languages_own_example_checks_as_it_stands() {
    let loaded = load_dir(&folder("tests/packs/contract"));
    let odd: Vec<&Diagnostic> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity < Severity::Note && d.code != "plain-text")
        .collect();
    assert!(odd.is_empty(), "{}", shown(&odd));
    let pack = loaded.pack.unwrap();
    assert_eq!(pack.name, "retail");
    assert!(pack.flows.contains_key("return_item"));
}

#[test]
fn the_retail_pack_is_clean() {
    let report = check_dir(&folder("../../flows/retail"));
    let odd: Vec<&Diagnostic> = report
        .diagnostics
        .iter()
        .filter(|d| d.severity < Severity::Note)
        .collect();
    assert!(odd.is_empty(), "{}", shown(&odd));
}
