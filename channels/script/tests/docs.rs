//! What the documentation shows is run.
#![allow(clippy::unwrap_used)]

use tandem_channel_script::{caps::KEYS, library::GLOBALS, script::load};
use tandem_lua::Runner;

const PAGE: &str = include_str!("../../../docs/channels/lua.md");

/// The block with this title.
fn block(title: &str) -> &'static str {
    let head = format!("title=\"{title}\"\n");
    let (_, rest) = PAGE.split_once(&head).unwrap();
    rest.split_once("```").unwrap().0
}

#[tokio::test]
async fn the_channel_of_the_page_runs() {
    let fixtures = block("postbird.fixtures.jsonl");
    let loaded = load(
        "postbird",
        block("postbird.luau"),
        Some(fixtures),
        &Runner::new(2),
    )
    .await;
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.cases.len(), 3);
    assert!(loaded.cases[0].derived > 100);
}

#[test]
fn the_page_names_everything_a_file_can_use() {
    let missing: Vec<&str> = GLOBALS
        .iter()
        .copied()
        .filter(|name| !PAGE.contains(&format!("`{name}")))
        .collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}

#[test]
fn the_page_explains_every_key_of_caps() {
    let (_, rest) = PAGE.split_once("\n### caps\n").unwrap();
    let table = rest.split_once("\n|---|---|---|\n").unwrap().1;
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut explained: Vec<&str> = rows
        .flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
        .collect();
    let mut known = KEYS;
    explained.sort_unstable();
    known.sort_unstable();
    assert_eq!(explained, known);
}
