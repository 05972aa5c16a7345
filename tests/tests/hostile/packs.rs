//! Packs that are broken, endless or enormous: `tandem check` says where, and a server that has a
//! good version keeps it.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::Value;
use tandem_tests::{packs::save, visitor::text};
use tempfile::TempDir;

use super::{BINARY, FLOWS, is_answered, pack, small};

/// What is written over which file.
type Change = (&'static str, &'static str, Vec<u8>);

fn flow(text: &str) -> Vec<u8> {
    format!("{FLOWS}{text}").into_bytes()
}

/// Name, file, new content.
fn changes() -> Vec<Change> {
    let main = "main.flow.yaml";
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..30 {
        let before = format!("*a{}, ", n - 1).repeat(10);
        bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
    }
    let calls = "  a: {title: a, start_when: {phrases: [go to a]}, steps: [{call: b}]}\n  b: {title: b, steps: [{call: a}]}\n";
    let nowhere = "  a: {title: a, start_when: {phrases: [go to a]}, steps: [{say: Hello there.}, {goto: nowhere}]}\n";
    let endless = "  a: {title: a, start_when: {phrases: [go to a]}, steps: [{id: x, say: Hello there.}, {goto: x}]}\n";
    let misspelt =
        "  a: {title: a, start_when: {phrases: [go to a]}, steps: [{say: 'Hello {{ nmae }}.'}]}\n";
    let looping = "  a: {title: a, start_when: {phrases: [go to a]}, steps: [{say: 'Hello {% macro m() %}{{ m() }}{% endmacro %}{{ m() }}.'}]}\n";
    vec![
        ("an unknown key", main, FLOWS.replacen("    title:", "    titel:", 1).into_bytes()),
        ("a key written twice", main, FLOWS.replacen("    title: signing up\n", "    title: one\n    title: two\n", 1).into_bytes()),
        ("a wrong type", main, FLOWS.replacen("[when are you open]", "{when: open}", 1).into_bytes()),
        ("anchors that explode", main, bomb.into_bytes()),
        ("50 MB", main, flow(&format!("# {}\n", "x".repeat(50 << 20)))),
        ("calls in a circle", main, flow(calls)),
        ("a goto to nowhere", main, flow(nowhere)),
        ("a loop without an end", main, flow(endless)),
        ("a misspelt name in a text", main, flow(misspelt)),
        ("a macro that calls itself", main, flow(looping)),
        ("no YAML", main, b"flows: [}: {\n".to_vec()),
        ("deeper than anybody writes", main, "[".repeat(100_000).into_bytes()),
        ("not UTF-8", main, b"version: 1\nflows: \xff\xfe\n".to_vec()),
        ("a binary", main, (0..=255).cycle().take(10_000).collect()),
        ("nothing", main, Vec::new()),
        ("two documents", main, flow("---\nversion: 1\n")),
        ("a module that loops while it is read", "bad.luau", b"while true do end".to_vec()),
        ("a module that is no Lua", "bad.luau", b"this is no lua".to_vec()),
        ("a pack without a name", "pack.yaml", b"locales: [en]\n".to_vec()),
        ("a secret", "connections.yaml", b"connections:\n  a:\n    base_url: https://a.example\n    auth: {type: bearer, token: abc123secret}\n    operations: {x: {method: GET, path: /}}\n".to_vec()),
    ]
}

fn check(folder: &Path) -> Output {
    Command::new(BINARY)
        .args(["check", "--format", "json"])
        .arg(folder)
        .output()
        .unwrap()
}

/// The pack is whole again.
fn mend(pack: &TempDir) {
    for (name, text) in super::PACK {
        save(pack.path(), name, text.as_bytes());
    }
    for extra in ["bad.luau", "connections.yaml"] {
        let _ = std::fs::remove_file(pack.path().join(extra));
    }
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let pack = pack();
    assert!(check(pack.path()).status.success());
    for (what, file, bytes) in changes() {
        save(pack.path(), file, &bytes);
        let begun = Instant::now();
        let checked = check(pack.path());
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{what} took {:?}",
            begun.elapsed()
        );
        assert_eq!(checked.status.code(), Some(1), "{what}: {checked:?}");
        let said: Value = serde_json::from_slice(&checked.stdout).unwrap();
        let problems = said["results"][0]["problems"].as_array().unwrap();
        let placed = problems
            .iter()
            .find(|p| p["file"] == file && p["severity"] == "error");
        let placed = placed.unwrap_or_else(|| panic!("{what}: {problems:#?}"));
        assert!(placed["line"].as_u64() > Some(0), "{what}: {placed}");
        assert!(placed["column"].as_u64() > Some(0), "{what}: {placed}");
        // No more of a file is shown than helps.
        assert!(
            checked.stdout.len() < 100_000,
            "{what}: {} bytes",
            checked.stdout.len()
        );
        assert!(checked.stderr.is_empty(), "{what}: {checked:?}");
        mend(&pack);
    }
    // A folder with more than a pack may hold.
    for n in 0..1_100 {
        save(
            pack.path(),
            &format!("many/f{n}.flow.yaml"),
            b"version: 1\n",
        );
    }
    assert_eq!(check(pack.path()).status.code(), Some(1));
    assert_eq!(check(&pack.path().join("nowhere")).status.code(), Some(1));
}

#[tokio::test]
async fn a_server_keeps_its_good_version_and_says_what_is_wrong_with_the_saved_one() {
    let (server, pack) = small(Default::default()).await;
    let mut ann = server.visitor().await.unwrap();
    let mut bob = server.visitor().await.unwrap();
    ann.say("sign me up").await.unwrap();
    ann.say("Ann").await.unwrap();
    let (_, before) = server.api(Method::GET, "/packs", None).await.unwrap();
    for (what, file, bytes) in changes() {
        save(pack.path(), file, &bytes);
        // The folder is watched; asking for it only saves the wait.
        let (status, answer) = server
            .api(Method::POST, "/packs/reload", None)
            .await
            .unwrap();
        assert_eq!(status, 422, "{what}: {answer}");
        let problems = answer["error"]["details"]["problems"].as_array().unwrap();
        let placed = problems
            .iter()
            .find(|p| p["file"] == file)
            .unwrap_or_else(|| panic!("{what}: {answer}"));
        assert!(placed["line"].as_u64() > Some(0), "{what}: {placed}");
        let (_, packs) = server.api(Method::GET, "/packs", None).await.unwrap();
        assert_eq!(
            packs["items"][0]["last_reload"]["outcome"], "refused",
            "{what}"
        );
        assert_eq!(
            packs["items"][0]["hash"], before["items"][0]["hash"],
            "{what}"
        );
        let place = format!("{file}:{}:{}", placed["line"], placed["column"]);
        assert!(
            server.log().contains(&place),
            "{what}: no {place} in the log"
        );
        is_answered(&mut bob).await;
        mend(&pack);
    }
    // A conversation that was under way goes on where it was.
    let welcome = ann.say("Berlin").await.unwrap();
    assert_eq!(text(&welcome[0]), "Welcome, Ann of Berlin!");
}
