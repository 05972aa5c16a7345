//! Measures how messages with two wishes are read: labelled messages of different labels are
//! joined in pairs, and messages as they are show how often two wishes are seen where there is one.
//!
//! `cargo run --profile bench -p tandem-understanding --example wishes [-- SET…]`
//!
//! The folder is taken from `TANDEM_DATA`, else `../shared/data` beside the workspace.
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::{collections::BTreeSet, path::PathBuf};

use tandem_domain::{
    Locale,
    reading::{Reading, Target, Understanding},
};
use tandem_understanding::{
    PhraseTrainer,
    eval::{self, Sample},
};

const SETS: [(&str, &str); 7] = [
    ("clinc150_full", "en"),
    ("banking77", "en"),
    ("hwu64", "en"),
    ("hint3_curekart", "en"),
    ("hint3_sofmattress", "en"),
    ("smp2017_oos", "zh"),
    ("rasa_telecom_cn", "zh"),
];
const JOINTS_EN: [&str; 6] = [" and ", ", and also ", ". ", "? ", ", ", " then "];
const JOINTS_ZH: [&str; 6] = ["，", "。", "，还有", "，另外", " ", "，顺便问下"];

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
    println!("In 100: one wish: right, two seen; two wishes: one found, both, one too many");
    for (name, locale) in SETS {
        if !wanted.is_empty() && !wanted.iter().any(|w| name.contains(w.as_str())) {
            continue;
        }
        match std::fs::read_to_string(folder.join(format!("{name}.jsonl"))) {
            Ok(file) => measure(name, &file, &Locale::new(locale)),
            Err(_) => println!("{name:<18} SKIPPED: no such file"),
        }
    }
}

fn measure(name: &str, file: &str, locale: &Locale) {
    let (mut train, mut valid) = (Vec::new(), Vec::new());
    for (sample, split) in file.lines().filter_map(parse) {
        match (split.as_str(), &sample.label) {
            ("train" | "oos_train", _) => train.push(sample),
            (_, Some(label)) => valid.push((sample.text.clone(), label.clone())),
            _ => {}
        }
    }
    let model = PhraseTrainer.model(&eval::training_set(&train, locale));
    let (mut right, mut two) = (0, 0);
    for (text, label) in &valid {
        let reading = model.read(text, locale);
        two += usize::from(reading.also.is_some());
        right += usize::from(wishes(&reading).first() == Some(label));
    }
    let joints = match locale.as_str() {
        "zh" => JOINTS_ZH,
        _ => JOINTS_EN,
    };
    let (mut pairs, mut one, mut both, mut extra) = (0, 0, 0, 0);
    for (at, (first, label)) in valid.iter().enumerate() {
        // A stride that meets every message once.
        let (second, other) = &valid[(at * 7919 + 13) % valid.len()];
        if label == other {
            continue;
        }
        let first = first.trim_end_matches(['.', '?', '。', '？']);
        let text = format!("{first}{}{second}", joints[at % joints.len()]);
        let found: BTreeSet<String> = wishes(&model.read(&text, locale)).into_iter().collect();
        let hit = [label, other]
            .iter()
            .filter(|l| found.contains(**l))
            .count();
        pairs += 1;
        one += usize::from(hit > 0);
        both += usize::from(hit == 2);
        extra += usize::from(found.len() > 1 && hit < 2);
    }
    let share = |n: usize, of: usize| n as f64 * 100.0 / of.max(1) as f64;
    println!(
        "{name:<18} {:>6.1} {:>6.1}   {:>6.1} {:>6.1} {:>6.1}",
        share(right, valid.len()),
        share(two, valid.len()),
        share(one, pairs),
        share(both, pairs),
        share(extra, pairs),
    );
}

/// The labels of a message's wishes, the main one first.
fn wishes(reading: &Reading) -> Vec<String> {
    let label = |target: &Target| match target {
        Target::Flow(label) => label.clone(),
        Target::Faq(_) | Target::Trigger(_) => String::new(),
    };
    reading.wishes().map(|c| label(&c.target)).collect()
}

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
