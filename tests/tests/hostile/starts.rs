//! Servers that cannot start say why in a line, with a way out, and end.

use std::{
    path::Path,
    process::{Command, Output},
};

use tandem_tests::{packs, server::Setup};

use super::{BINARY, is_answered, pack, small};

/// Starts a server that is expected to end by itself.
fn serve(folder: &Path, pack: &Path, args: &[&str]) -> Output {
    Command::new("timeout")
        .args(["30", BINARY, "serve", "--listen", "127.0.0.1:0", "--pack"])
        .arg(pack)
        .args(args)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap()
}

/// The one line that says why, with all of these words in it.
#[track_caller]
fn one_line(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} in {}", errors[0]);
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_pack_that_is_missing_or_broken_stops_the_start_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let missing = serve(folder.path(), &folder.path().join("nowhere"), &[]);
    one_line(&missing, &["nowhere"]);
    assert!(
        String::from_utf8_lossy(&missing.stdout).contains("tandem init"),
        "{missing:?}"
    );

    let empty = tempfile::tempdir().unwrap();
    let found = serve(folder.path(), empty.path(), &[]);
    one_line(&found, &[empty.path().to_str().unwrap()]);
    assert!(
        String::from_utf8_lossy(&found.stdout).contains("pack.yaml"),
        "{found:?}"
    );

    let broken = pack();
    let flows = super::FLOWS.replacen("answer: hours", "answer: hourz", 1);
    packs::save(broken.path(), "main.flow.yaml", flows.as_bytes());
    let found = serve(folder.path(), broken.path(), &[]);
    one_line(&found, &["has errors"]);
    let said = String::from_utf8_lossy(&found.stdout);
    assert!(said.contains("main.flow.yaml:7:"), "{said}");
    assert!(said.contains("hours"), "no hint in {said}");
    // It never came so far as to make anything.
    assert!(!folder.path().join("data/files").exists());
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let (folder, pack) = (tempfile::tempdir().unwrap(), pack());
    let file = folder.path().join("letter");
    std::fs::write(&file, "not a folder").unwrap();
    let inside = file.join("data");
    for path in [&file, &inside] {
        let path = path.to_str().unwrap();
        let refused = serve(folder.path(), pack.path(), &["--data", path]);
        one_line(&refused, &["data folder", path]);
    }
    // A folder that even an administrator cannot write to.
    #[cfg(target_os = "linux")]
    one_line(
        &serve(folder.path(), pack.path(), &["--data", "/proc/self"]),
        &["/proc/self"],
    );

    // Something else under the database's name.
    let taken = tempfile::tempdir().unwrap();
    let letter = "this is a letter, not a database ".repeat(100);
    std::fs::write(taken.path().join("tandem.db"), &letter).unwrap();
    let refused = serve(
        folder.path(),
        pack.path(),
        &["--data", taken.path().to_str().unwrap()],
    );
    one_line(&refused, &["tandem.db"]);
    let kept = std::fs::read_to_string(taken.path().join("tandem.db")).unwrap();
    assert_eq!(kept, letter, "it was left as it was");
}

#[tokio::test]
async fn data_in_use_and_a_taken_port_are_named_and_the_running_server_goes_on() {
    let (server, pack) = small(Setup::default()).await;
    let mut ann = server.visitor().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = server.data();
    let pid = server.pid().unwrap().to_string();
    let second = serve(
        folder.path(),
        pack.path(),
        &["--data", data.to_str().unwrap()],
    );
    one_line(&second, &["tandem.db", &pid]);
    let address = server.url.trim_start_matches("http://");
    let third = Command::new(BINARY)
        .args(["serve", "--listen", address, "--pack"])
        .arg(pack.path())
        .current_dir(folder.path())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    one_line(&third, &[address, "--listen"]);
    is_answered(&mut ann).await;
}

#[test]
fn a_configuration_that_is_wrong_is_shown_with_its_place() {
    let (folder, pack) = (tempfile::tempdir().unwrap(), pack());
    let big = format!("# {}\n", "x".repeat(2 << 20));
    let deep = "[".repeat(50_000);
    let wrong = [
        ("server: {lisen: \"127.0.0.1:0\"}\n", "tandem.yaml:1:10"),
        (
            "log: {level: info}\nlog: {level: warn}\n",
            "tandem.yaml:2:1",
        ),
        ("server: {listen: here}\n", "tandem.yaml:1:18"),
        ("a: &a [*a]\n", "tandem.yaml:1:"),
        (big.as_str(), "1 MB"),
        (deep.as_str(), "tandem.yaml:1:"),
    ];
    for (text, place) in wrong {
        std::fs::write(folder.path().join("tandem.yaml"), text).unwrap();
        let refused = serve(folder.path(), pack.path(), &[]);
        assert_eq!(refused.status.code(), Some(1), "{place}: {refused:?}");
        let said = String::from_utf8_lossy(&refused.stdout);
        assert!(said.contains(place), "{place} in {said}");
        assert!(said.len() < 5_000, "{} bytes", said.len());
    }
}
