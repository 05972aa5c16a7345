//! The commands as a user types them.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Output};

use serde_json::Value;
use tandem_tests::{
    command::{self, err, out},
    root,
};

fn tandem(args: &[&str], folder: &Path) -> Output {
    command::run(env!("CARGO_BIN_EXE_tandem-under-test"), args, folder)
}

#[test]
fn a_new_pack_passes_its_own_tests() {
    let folder = tempfile::tempdir().unwrap();
    let made = tandem(&["init", "hello"], folder.path());
    assert!(made.status.success(), "{}", err(&made));
    let checked = tandem(&["check", "hello", "--strict"], folder.path());
    assert!(checked.status.success(), "{}", out(&checked));
    let tested = tandem(
        &["test", "hello", "--coverage", "--format", "json"],
        folder.path(),
    );
    assert!(tested.status.success(), "{}", out(&tested));
    let report: Value = serde_json::from_str(&out(&tested)).unwrap();
    assert_eq!(
        report["coverage"]["steps"]["reached"],
        report["coverage"]["steps"]["total"]
    );
    let again = tandem(&["init", "hello"], folder.path());
    assert_eq!(
        again.status.code(),
        Some(2),
        "a folder in use is left alone"
    );
}

#[test]
fn the_first_flow_of_the_readme_works_as_it_stands() {
    for readme in ["README.md", "README.zh.md"] {
        let text = std::fs::read_to_string(root().join(readme)).unwrap();
        let blocks: Vec<&str> = text
            .split("```yaml\n")
            .skip(1)
            .map(|block| block.split("```").next().unwrap())
            .collect();
        let [flow, slot, test] = blocks[..] else {
            panic!("{readme} shows a flow, a slot and a test");
        };
        let folder = tempfile::tempdir().unwrap();
        assert!(tandem(&["init", "hello"], folder.path()).status.success());
        let main = folder.path().join("hello/main.flow.yaml");
        let edited = std::fs::read_to_string(&main)
            .unwrap()
            .replacen("\nflows:\n", &format!("\nflows:\n{flow}\n"), 1)
            .replacen("\nslots:\n", &format!("\nslots:\n{slot}"), 1);
        std::fs::write(&main, edited).unwrap();
        std::fs::write(folder.path().join("hello/tests/visit.test.yaml"), test).unwrap();
        let checked = tandem(&["check", "hello"], folder.path());
        assert!(checked.status.success(), "{readme}: {}", out(&checked));
        let tested = tandem(&["test", "hello"], folder.path());
        assert!(tested.status.success(), "{readme}: {}", out(&tested));
    }
}

#[test]
fn the_retail_pack_is_clean_and_covered() {
    let checked = tandem(&["check", "flows/retail", "--strict"], &root());
    assert!(checked.status.success(), "{}", out(&checked));
    let tested = tandem(
        &["test", "flows/retail", "--coverage", "--format", "json"],
        &root(),
    );
    assert!(tested.status.success(), "{}", out(&tested));
    let report: Value = serde_json::from_str(&out(&tested)).unwrap();
    assert!(report["tests"].as_array().unwrap().len() >= 30);
    let steps = &report["coverage"]["steps"];
    let share = steps["reached"].as_f64().unwrap() / steps["total"].as_f64().unwrap();
    assert!(share > 0.9, "{share}");
    let learned = ["check", "flows/retail", "--thresholds"];
    let told = out(&tandem(&learned, &root()));
    assert!(
        told.contains("0.60  the likeliest meaning is taken"),
        "{told}"
    );
    let json = tandem(&[&learned[..], &["--format", "json"]].concat(), &root());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let thresholds = &json["results"][0]["thresholds"];
    assert!(
        thresholds["alone"]
            .as_f64()
            .is_some_and(|t| t > 0.6 && t < 1.0),
        "{json:#}"
    );
}

#[test]
fn a_broken_pack_ends_with_1_and_what_cannot_run_with_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pack.yaml"), "name: x\nlocals: [en]\n").unwrap();
    let broken = tandem(&["check", "."], folder.path());
    assert_eq!(broken.status.code(), Some(1));
    assert!(out(&broken).contains("pack.yaml:2:1"), "{}", out(&broken));
    assert!(
        !out(&broken).contains('\u{1b}'),
        "colours only on a terminal"
    );
    let chinese = tandem(&["check", ".", "--lang", "zh"], folder.path());
    assert!(out(&chinese).contains("错误"), "{}", out(&chinese));
    let missing = tandem(
        &["serve", "--pack", "nowhere", "--listen", "127.0.0.1:0"],
        folder.path(),
    );
    assert_eq!(missing.status.code(), Some(2), "{}", out(&missing));
    assert!(err(&missing).contains("nowhere"), "{}", err(&missing));
    assert_eq!(
        tandem(&["frobnicate"], folder.path()).status.code(),
        Some(2)
    );
}

#[test]
fn a_new_channel_passes_its_own_fixtures_and_a_broken_one_is_told_where() {
    let folder = tempfile::tempdir().unwrap();
    let made = tandem(&["channel", "new", "postbird"], folder.path());
    assert!(made.status.success(), "{}", err(&made));
    let again = tandem(&["channel", "new", "postbird"], folder.path());
    assert_eq!(again.status.code(), Some(2));
    let tested = tandem(&["channel", "test", "postbird.luau", "line"], folder.path());
    assert!(tested.status.success(), "{}", out(&tested));
    assert!(out(&tested).contains("✓ a text"), "{}", out(&tested));

    let file = folder.path().join("postbird.luau");
    let source = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, source.replace("max = 4000", "max = 4")).unwrap();
    let checked = tandem(&["channel", "check", "postbird.luau"], folder.path());
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        out(&checked).contains("postbird.luau:15"),
        "{}",
        out(&checked)
    );
    let chinese = tandem(
        &["channel", "check", "postbird.luau", "--lang", "zh"],
        folder.path(),
    );
    assert!(out(&chinese).contains("少于 16"), "{}", out(&chinese));
    let json = tandem(
        &["channel", "check", "postbird.luau", "--format", "json"],
        folder.path(),
    );
    let report: Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(report["results"][0]["problems"][0]["line"], 15);
    assert_eq!(
        tandem(&["channel", "test", "nothing"], folder.path())
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_port_in_use_is_said_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let pack = root().join("flows/retail");
    let refused = tandem(
        &[
            "serve",
            "--pack",
            pack.to_str().unwrap(),
            "--listen",
            &address,
        ],
        folder.path(),
    );
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("--listen"), "{}", err(&refused));
}

#[test]
fn the_schemas_in_docs_are_those_the_program_writes() {
    for kind in ["flow", "pack", "connections", "desk", "test", "config"] {
        let written = tandem(&["schema", kind], &root());
        let kept =
            std::fs::read_to_string(root().join(format!("docs/{kind}.schema.json"))).unwrap();
        let (written, kept): (Value, Value) = (
            serde_json::from_str(&out(&written)).unwrap(),
            serde_json::from_str(&kept).unwrap(),
        );
        assert!(written == kept, "run `tandem schema --write docs`: {kind}");
    }
}
