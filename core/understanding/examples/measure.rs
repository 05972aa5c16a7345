//! Measures understanding on public labelled messages, which are not part of the project.
//!
//! `cargo run --profile bench -p tandem-understanding --example measure [-- SET…]`
//!
//! The folder is taken from `TANDEM_DATA`, else `../shared/data` beside the workspace. A file is
//! JSON lines with `text`, `label`, `split` (`train`, `valid`, `oos_train`, `oos_valid`).
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::path::PathBuf;

use tandem_understanding::{
    PhraseTrainer,
    eval::{self, Sample, Split, SplitReport},
};

const SETS: [&str; 7] = [
    "clinc150_full",
    "banking77",
    "hwu64",
    "hint3_curekart",
    "hint3_sofmattress",
    "smp2017_oos",
    "rasa_telecom_cn",
];

fn main() {
    let folder = std::env::var("TANDEM_DATA").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        println!(
            "SKIPPED: no labelled messages in {} (set TANDEM_DATA)",
            folder.display()
        );
        return;
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!(
        "{:<18} {:>8} {:>8} {:>8} {:>6} {:>6} {:>22} {:>5} {:>9} {:>15} {:>8} {:>6} {:>6}",
        "set",
        "accuracy",
        "macro-F1",
        "oos-area",
        "cov98",
        "mixed",
        "at train: cov, right",
        "ece",
        "ece mixed",
        "oos acc·rec·F1",
        "train ms",
        "us p50",
        "p99"
    );
    for name in SETS {
        if !wanted.is_empty() && !wanted.iter().any(|w| name.contains(w.as_str())) {
            continue;
        }
        let Ok(file) = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))) else {
            println!("{name:<18} SKIPPED: no such file");
            continue;
        };
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        for (sample, split) in file.lines().filter_map(parse) {
            match split.ends_with("train") {
                true => train.push(sample),
                false => valid.push(sample),
            }
        }
        let split = Split {
            name: "valid".to_owned(),
            samples: valid,
        };
        let options = eval::Options::default();
        let report = eval::evaluate(&PhraseTrainer, &train, &[split], &options);
        for valid in report.splits.values() {
            print(name, &report, valid);
        }
    }
}

fn print(name: &str, report: &eval::Report, valid: &SplitReport) {
    let at = valid.cov98_at_train;
    println!(
        "{name:<18} {:>8} {:>8} {:>8} {:>6} {:>6} {:>5.1} {:>4} [{:>4} {:>4}] {:>5} {:>9} {:>4}·{}·{} {:>8.0} {:>6.0} {:>6.0}",
        percent(valid.accuracy),
        percent(valid.macro_f1),
        percent(valid.oos_auroc),
        percent(valid.cov98),
        percent(valid.cov98_mixed),
        100.0 * at.coverage,
        percent(at.precision),
        percent(at.low),
        percent(at.high),
        percent(valid.ece),
        percent(valid.ece_mixed),
        percent(valid.oos_accuracy),
        percent(valid.oos_recall),
        percent(valid.oos_f1),
        report.train_ms,
        report.us_per_message_p50.unwrap_or(f64::NAN),
        report.us_per_message_p99.unwrap_or(f64::NAN),
    );
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |s| format!("{:.1}", 100.0 * s))
}

/// A message and its split.
fn parse(line: &str) -> Option<(Sample, String)> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| value[name].as_str().map(str::to_owned);
    let split = field("split")?;
    let label = (!split.starts_with("oos")).then(|| field("label"));
    let sample = Sample {
        text: field("text")?,
        label: label.flatten(),
    };
    Some((sample, split))
}
