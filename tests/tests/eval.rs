//! `tandem eval` and `tandem trace --explain` as a user types them.
#![allow(clippy::unwrap_used)]

use std::{fmt::Write as _, fs, path::Path, process::Output};

use serde_json::{Value, json};
use tandem_tests::command::{self, err, out};

fn tandem(args: &[&str], folder: &Path) -> Output {
    command::run(env!("CARGO_BIN_EXE_tandem-under-test"), args, folder)
}

fn json_of(args: &[&str], folder: &Path) -> Value {
    let mut all = args.to_vec();
    all.extend(["--format", "json"]);
    let output = tandem(&all, folder);
    assert!(output.status.success(), "{args:?}: {}", err(&output));
    serde_json::from_str(&out(&output)).unwrap()
}

const PARCEL: [&str; 8] = [
    "where is my parcel",
    "track the parcel",
    "parcel still not here",
    "when does the parcel come",
    "any news of my parcel",
    "is the parcel on its way",
    "my parcel is late",
    "find my parcel",
];
const REFUND: [&str; 8] = [
    "I want a refund",
    "refund my money",
    "when is the refund paid",
    "money back please",
    "refund still missing",
    "how do I get a refund",
    "give me my money back",
    "status of the refund",
];

fn labelled(folder: &Path, train: &str) {
    let mut lines = String::new();
    let mut add = |text: &str, label: &str, split: &str| {
        let line = json!({"text": text, "label": label, "split": split});
        writeln!(lines, "{line}").unwrap();
    };
    for text in PARCEL {
        add(text, "parcel", train);
    }
    for text in REFUND {
        add(text, "refund", train);
    }
    add("hello, where might my parcel be", "parcel", "valid");
    add("please refund the money", "refund", "valid");
    add("who won the match", "none", "oos_valid");
    fs::write(folder.join("messages.jsonl"), lines).unwrap();
}

#[test]
fn labelled_messages_are_learned_from_and_scored_by_split() {
    let folder = tempfile::tempdir().unwrap();
    labelled(folder.path(), "train");
    let report = json_of(&["eval", "--data", "messages.jsonl"], folder.path());
    let valid = &report["splits"]["valid"];
    for figure in [
        "accuracy",
        "macro_f1",
        "auroc",
        "oos_auroc",
        "cov98",
        "cov98_mixed",
        "ece",
        "oos_recall",
        "oos_let_through",
    ] {
        assert!(valid.get(figure).is_some(), "{figure}: {report:#}");
    }
    assert_eq!(valid["accuracy"], 1.0, "{report:#}");
    assert_eq!(valid["oos_auroc"], 1.0, "{report:#}");
    assert_eq!(valid["messages_out_of_scope"], 1);
    for figure in [
        "train_ms",
        "us_per_message_p50",
        "us_per_message_p99",
        "rss_mb",
    ] {
        assert!(
            report[figure].as_f64().is_some_and(|f| f > 0.0),
            "{figure}: {report:#}"
        );
    }
    let human = tandem(
        &["eval", "--data", "messages.jsonl", "--lang", "zh"],
        folder.path(),
    );
    assert!(out(&human).contains("正确率"), "{}", out(&human));
    assert!(
        !out(&human).contains('\u{1b}'),
        "colours only on a terminal"
    );
    let split = ["eval", "--data", "messages.jsonl", "--split", "test"];
    let unknown = tandem(&split, folder.path());
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("valid"), "{}", err(&unknown));
}

#[test]
fn without_train_messages_are_put_into_clusters() {
    let folder = tempfile::tempdir().unwrap();
    labelled(folder.path(), "valid");
    let report = json_of(&["eval", "--data", "messages.jsonl"], folder.path());
    let valid = &report["splits"]["valid"];
    assert!(valid["nmi"].as_f64().is_some_and(|n| n > 0.3), "{report:#}");
    assert!(valid["largest"][0]["label"].is_string(), "{report:#}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let told = |text: Option<&str>, args: &[&str]| {
        let path = folder.path().join("messages.jsonl");
        match text {
            Some(text) => fs::write(path, text).unwrap(),
            None => fs::remove_file(path).unwrap_or_default(),
        }
        let mut all = vec!["eval", "--data", "messages.jsonl"];
        all.extend(args);
        let output = tandem(&all, folder.path());
        assert_eq!(output.status.code(), Some(2), "{}", out(&output));
        err(&output)
    };
    assert!(told(None, &[]).contains("messages.jsonl"));
    assert!(told(Some(""), &[]).contains("empty"));
    let second = "{\"text\": \"a\", \"label\": \"x\", \"split\": \"train\"}\nnot json\n";
    assert!(told(Some(second), &[]).contains("messages.jsonl:2"));
    assert!(told(Some(second), &["--lang", "zh"]).contains("JSON 对象"));
    let outside = "{\"text\": \"a\", \"split\": \"oos_test\"}\n";
    assert!(told(Some(outside), &[]).contains("neither"));
    let embedder = told(Some(outside), &["--embedder", "no-such-folder"]);
    assert!(embedder.contains("no-such-folder"), "{embedder}");
}

#[test]
fn a_pack_measures_itself_and_explains_how_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    assert!(tandem(&["init", "hello"], folder.path()).status.success());
    let report = json_of(&["eval", "hello"], folder.path());
    let own = &report["splits"]["cross_validation"];
    assert!(
        own["messages"].as_u64().is_some_and(|n| n > 5),
        "{report:#}"
    );
    fs::create_dir(folder.path().join("hello/eval")).unwrap();
    let line = json!({"text": "are you open now", "label": "faq:hours", "split": "test"});
    let file = folder.path().join("hello/eval/messages.jsonl");
    fs::write(&file, line.to_string()).unwrap();
    let report = json_of(&["eval", "hello"], folder.path());
    assert_eq!(report["splits"]["test"]["messages"], 1, "{report:#}");
    assert_eq!(
        report["splits"].as_object().map(serde_json::Map::len),
        Some(2)
    );
    let both = [
        ("are you open now", "en"),
        ("你们几点开门", "zh"),
        ("opening times", "en"),
    ];
    let lines = both.map(|(text, locale)| {
        json!({"text": text, "label": "faq:hours", "split": "test", "locale": locale}).to_string()
    });
    fs::write(&file, lines.join("\n")).unwrap();
    let report = json_of(&["eval", "hello"], folder.path());
    for (split, messages) in [("test", 3), ("test.en", 2), ("test.zh", 1)] {
        assert_eq!(report["splits"][split]["messages"], messages, "{report:#}");
    }
    assert!(tandem(&["check", "hello"], folder.path()).status.success());
    let typo = json!({"text": "are you open now", "label": "faq:hour", "split": "test"});
    fs::write(&file, typo.to_string()).unwrap();
    let unknown = tandem(&["eval", "hello"], folder.path());
    assert_eq!(unknown.status.code(), Some(2));
    assert!(err(&unknown).contains("faq:hours"), "{}", err(&unknown));
    let explain = [
        "trace",
        "--explain",
        "your opening hours?",
        "--pack",
        "hello",
    ];
    let told = tandem(&explain, folder.path());
    assert!(told.status.success(), "{}", err(&told));
    assert!(out(&told).contains("faq:hours"), "{}", out(&told));
    assert!(out(&told).contains("opening"), "{}", out(&told));
}
