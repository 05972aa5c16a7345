//! The files that come with the program pass their own fixtures.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use tandem_channel_script::script::load;
use tandem_lua::Runner;

#[tokio::test]
async fn every_shipped_file_passes_its_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("files");
    let runner = Runner::new(2);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".luau").map(str::to_owned)
        })
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut wrong = Vec::new();
    for name in names {
        let source = fs::read_to_string(folder.join(format!("{name}.luau"))).unwrap();
        let fixtures = fs::read_to_string(folder.join(format!("{name}.fixtures.jsonl"))).ok();
        let loaded = load(&name, &source, fixtures.as_deref(), &runner).await;
        wrong.extend(loaded.problems.iter().map(ToString::to_string));
        assert!(!loaded.cases.is_empty() || !wrong.is_empty(), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
