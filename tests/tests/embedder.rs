//! A plugin as the embedding model of a running server: messages in other words are understood by
//! it, and by the next version of it once that is there.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use tandem_tests::{
    libraries, packs, require, root,
    server::{Server, Setup},
    visitor::text,
};

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem-under-test");

/// Knows two topics by their words, and what belongs to each depends on the version.
const TOPICS: &str = r#"
import os, sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tandem_plugin import Plugin
plugin = Plugin("topics", "VERSION")
TOPICS = [["parcel", FIRST], ["refund", SECOND]]
@plugin.method("embedder", "embed")
def embed(params, meta):
    rows = []
    for text in params["texts"]:
        row = [0.1] * NUMBERS
        for at, words in enumerate(TOPICS):
            row[at] += sum(text.lower().count(word) for word in words)
        rows.append(row)
    return {"vectors": rows}
plugin.run()
"#;

const FLOWS: &str = "
version: 1
flows:
  track:
    title: the way of a parcel
    start_when: {phrases: [where is my parcel, my parcel is late, no news of my parcel, I wait for my parcel, what about the parcel]}
    steps: [{say: It is on its way.}]
  refund:
    title: money back
    start_when: {phrases: [where is my refund, my refund is late, no news of my refund, I wait for my refund, what about the refund]}
    steps: [{say: You get it back.}]
";

fn save(folder: &Path, version: &str, (first, second): (&str, &str), numbers: usize) {
    let script = TOPICS
        .replace("VERSION", version)
        .replace("FIRST", &format!("{first:?}"))
        .replace("SECOND", &format!("{second:?}"))
        .replace("NUMBERS", &numbers.to_string());
    let part = folder.join("topics.part");
    fs::write(&part, script).unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o644)).unwrap();
    fs::rename(part, folder.join("topics.py")).unwrap();
}

/// A file as soon as it is there.
async fn read(path: &Path) -> Vec<u8> {
    let begun = Instant::now();
    loop {
        match fs::read(path) {
            Ok(bytes) => return bytes,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(60), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for new customers until one is answered so.
async fn until(server: &Server, words: &str, answer: &str) {
    let begun = Instant::now();
    let mut before = Vec::new();
    loop {
        let mut visitor = server.visitor().await.unwrap();
        let lines = visitor.say(words).await.unwrap();
        let said: Vec<String> = lines.iter().map(text).collect();
        let said = said.join("|");
        if said.contains(answer) {
            return;
        }
        before.push(said);
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{before:#?}\n{}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_lifts_understanding_and_its_next_version_takes_over_alone() {
    let test = "a_plugin_lifts_understanding_and_its_next_version_takes_over_alone";
    if !require::tool("python3", test) {
        return;
    }
    let folder = libraries::folder().unwrap();
    let module = root().join("plugins/examples/python-loyalty/tandem_plugin.py");
    libraries::replace(&module, &folder.path().join("tandem_plugin.py")).unwrap();
    save(folder.path(), "1", ("shipment", "reimbursed"), 4);
    let pack = packs::folder(&[
        (
            "pack.yaml",
            "name: p\nlocales: [en]\ntime_zone: UTC\ndefault_skill: general\n",
        ),
        ("desk.yaml", "skills: [general]\n"),
        ("main.flow.yaml", FLOWS),
    ]);
    let config = json!({
        "plugin_folders": [folder.path()],
        "plugins": {"topics": {"command": ["python3", "topics.py"], "kinds": ["embedder"]}},
        "understanding": {"embedder": {"plugin": "topics"}},
    });
    let mut server = Server::start_as(TANDEM, pack.path(), Setup::config(config))
        .await
        .unwrap();
    until(&server, "where is my shipment", "on its way").await;
    let kept = server.data().join("embeddings.bin");
    let first = read(&kept).await;

    // The next version means something else by the word, in vectors of another length.
    save(folder.path(), "2", ("reimbursed", "shipment"), 7);
    until(&server, "where is my shipment", "get it back").await;
    let second = read(&kept).await;
    // The model's name stands behind the eight bytes of the layout's, and its length behind that.
    assert_ne!(first[8..24], second[8..24]);
    assert_eq!((first[24], second[24]), (4, 7));

    // Kept between runs; and while the plugin is off, words are read as ever.
    server.stop().await.unwrap();
    server.restart().await.unwrap();
    until(&server, "where is my shipment", "get it back").await;
    server
        .api(Method::POST, "/plugins/topics/disable", None)
        .await
        .unwrap();
    until(&server, "where is my parcel", "on its way").await;
    server.stop().await.unwrap();
    assert_eq!(fs::read(&kept).unwrap()[8..24], second[8..24]);
}
