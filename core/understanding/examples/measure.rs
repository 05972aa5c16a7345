//! Measures understanding on public labelled messages, which are not part of the project.
//!
//! `cargo run --profile bench -p tandem-understanding --example measure [-- --fit]`
//!
//! The folder is taken from `TANDEM_DATA`, else `../shared/data` beside the workspace. A file is
//! JSON lines with `text`, `label`, `split` (`train`, `valid`, `oos_train`, `oos_valid`).
//! `--fit` prints coefficients for `confidence.rs`.
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::{collections::BTreeMap, path::PathBuf, time::Instant};

use tandem_domain::{
    Locale,
    reading::{Example, Target, TrainingSet, Understanding},
};
use tandem_understanding::{
    Model, PhraseTrainer,
    confidence::{self, Equality},
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

struct Line {
    text: String,
    label: String,
    split: String,
}

fn main() {
    let fitting = std::env::args().any(|a| a == "--fit");
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
    let mut samples = Vec::new();
    if !fitting {
        println!(
            "{:<20} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>8}",
            "set", "accuracy", "auroc", "cov98", "mixed", "ece", "oos>thr", "train ms", "us/read"
        );
    }
    for name in SETS {
        let Ok(file) = std::fs::read_to_string(folder.join(format!("{name}.jsonl"))) else {
            println!("{name:<20} SKIPPED: no such file");
            continue;
        };
        let lines: Vec<Line> = file.lines().filter_map(parse).collect();
        if fitting {
            gather(&lines, &mut samples);
        } else {
            measure(name, &lines);
        }
    }
    if fitting {
        // A third of the messages is out of scope. A shop meets fewer, but should tell them well.
        fit("RIGHT", &samples, 0.5, |s| s.right);
        fit("SCOPE", &samples, 2.0, |s| s.scope);
    }
}

fn parse(line: &str) -> Option<Line> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| value[name].as_str().map(str::to_owned);
    Some(Line {
        text: field("text")?,
        label: field("label")?,
        split: field("split")?,
    })
}

fn train<'a>(lines: impl Iterator<Item = &'a Line>) -> Model {
    let examples = lines
        .map(|l| Example {
            target: Target::Flow(l.label.clone()),
            locale: None,
            text: l.text.clone(),
        })
        .collect();
    PhraseTrainer.model(&TrainingSet {
        examples,
        ..TrainingSet::default()
    })
}

fn measure(name: &str, lines: &[Line]) {
    let begun = Instant::now();
    let model = train(lines.iter().filter(|l| l.split == "train"));
    let train_ms = begun.elapsed().as_millis();
    let locale = Locale::new("en");
    let mut inside: Vec<(f32, bool)> = Vec::new();
    let mut outside: Vec<f32> = Vec::new();
    let begun = Instant::now();
    for line in lines.iter().filter(|l| l.split.ends_with("valid")) {
        let reading = model.read(&line.text, &locale);
        let best = reading.candidates.first();
        let confidence = best.map_or(0.0, |c| c.confidence);
        if line.split == "valid" {
            let right = best.is_some_and(|c| c.target == Target::Flow(line.label.clone()));
            inside.push((confidence, right));
        } else {
            outside.push(1.0 - reading.out_of_scope);
        }
    }
    let per_read = begun.elapsed().as_secs_f64() * 1e6 / (inside.len() + outside.len()) as f64;
    let accuracy = inside.iter().filter(|(_, right)| *right).count() as f32 / inside.len() as f32;
    let scope: Vec<f32> = lines
        .iter()
        .filter(|l| l.split == "valid")
        .map(|l| 1.0 - model.read(&l.text, &locale).out_of_scope)
        .collect();
    let mixed: Vec<(f32, bool)> = inside
        .iter()
        .copied()
        .chain(lines.iter().filter(|l| l.split == "oos_valid").map(|l| {
            let reading = model.read(&l.text, &locale);
            (
                reading.candidates.first().map_or(0.0, |c| c.confidence),
                false,
            )
        }))
        .collect();
    let threshold = tandem_understanding::THRESHOLDS.answer;
    let leaks = mixed[inside.len()..]
        .iter()
        .filter(|(c, _)| *c >= threshold)
        .count();
    println!(
        "{name:<20} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {train_ms:>9} {per_read:>8.1}",
        100.0 * accuracy,
        100.0 * auroc(&scope, &outside),
        100.0 * coverage(&inside, inside.len()),
        100.0 * coverage(&mixed, inside.len()),
        100.0 * calibration_error(&inside),
        100.0 * leaks as f32 / outside.len().max(1) as f32,
    );
}

/// The chance that a message in scope scores above one out of scope.
fn auroc(inside: &[f32], outside: &[f32]) -> f32 {
    let mut wins = 0.0;
    for i in inside {
        for o in outside {
            wins += match i.total_cmp(o) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    wins / (inside.len() * outside.len()).max(1) as f32
}

/// The share answered at the best threshold where 98 % of the answers are right.
fn coverage(scored: &[(f32, bool)], of: usize) -> f32 {
    let mut sorted = scored.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut best) = (0, 0);
    for (n, (_, ok)) in sorted.iter().enumerate() {
        right += usize::from(*ok);
        if right as f32 >= 0.98 * (n + 1) as f32 {
            best = right;
        }
    }
    best as f32 / of.max(1) as f32
}

/// The expected calibration error in ten bins.
fn calibration_error(scored: &[(f32, bool)]) -> f32 {
    let mut bins = [(0.0_f32, 0.0_f32, 0.0_f32); 10];
    for (confidence, right) in scored {
        let bin = &mut bins[((confidence * 10.0) as usize).min(9)];
        bin.0 += confidence;
        bin.1 += f32::from(u8::from(*right));
        bin.2 += 1.0;
    }
    bins.iter().map(|(c, r, _)| (c - r).abs()).sum::<f32>() / scored.len().max(1) as f32
}

/// What the best target shows, whether it is right, and whether any could be.
struct Sample {
    inputs: [f32; confidence::INPUTS],
    right: bool,
    scope: bool,
    weight: f32,
}

/// Leaves out each third of the labels once, at several numbers of phrases a label.
fn gather(lines: &[Line], samples: &mut Vec<Sample>) {
    let mut by_label: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines.iter().filter(|l| l.split == "train") {
        by_label.entry(&line.label).or_default().push(line);
    }
    let first = samples.len();
    for phrases in [1, 3, 6, 12, usize::MAX] {
        for left_out in 0..3 {
            let (mut taught, mut asked) = (Vec::new(), Vec::new());
            for (n, (_, of)) in by_label.iter().enumerate() {
                let held = of.len() / 4;
                // Spread over the label, the files being sorted in places.
                let (test, rest): (Vec<_>, Vec<_>) = of
                    .iter()
                    .enumerate()
                    .partition(|(i, _)| held > 0 && i % 4 == 3);
                let known = n % 3 != left_out;
                asked.extend(test.into_iter().take(6).map(|(_, l)| (*l, known)));
                if known {
                    taught.extend(rest.into_iter().take(phrases).map(|(_, l)| *l));
                }
            }
            let model = train(taught.into_iter());
            for (line, known) in asked {
                if let Some(sample) = sample(&model, line, known) {
                    samples.push(sample);
                }
            }
        }
    }
    // Each set counts the same.
    let all: f32 = samples[first..].iter().map(|s| s.weight).sum();
    for sample in &mut samples[first..] {
        sample.weight /= all;
    }
}

fn sample(model: &Model, line: &Line, known: bool) -> Option<Sample> {
    let (message, evidence) = model.evidence(&line.text);
    let (targets, evidence): (Vec<_>, Vec<_>) = evidence.into_iter().unzip();
    let (best, lead) = confidence::best(&evidence)?;
    if evidence[best].says_the_same() != Equality::None {
        return None;
    }
    Some(Sample {
        inputs: confidence::inputs(&evidence[best], lead, &message),
        right: known && targets[best] == Target::Flow(line.label.clone()),
        scope: known,
        weight: 1.0,
    })
}

/// Logistic regression by Newton's method.
fn fit(name: &str, samples: &[Sample], out: f64, truth: impl Fn(&Sample) -> bool) {
    const N: usize = confidence::INPUTS;
    let mut w = [0.0_f64; N];
    let mut loss = 0.0;
    let all: f64 = samples.iter().map(|s| f64::from(s.weight)).sum();
    for _ in 0..30 {
        let mut system = [[0.0_f64; N + 1]; N];
        loss = 0.0;
        for s in samples {
            let x = s.inputs.map(f64::from);
            let sum: f64 = x.iter().zip(&w).map(|(x, w)| x * w).sum();
            let p = (1.0 / (1.0 + (-sum).exp())).clamp(1e-6, 1.0 - 1e-6);
            let y = f64::from(u8::from(truth(s)));
            let weight = f64::from(s.weight) / all * if s.scope { 1.0 } else { out };
            loss -= weight * (y * p.ln() + (1.0 - y) * (1.0 - p).ln());
            for (row, xi) in system.iter_mut().zip(x) {
                for (cell, xj) in row.iter_mut().zip(x) {
                    *cell += weight * p * (1.0 - p) * xi * xj;
                }
                row[N] += weight * (y - p) * xi;
            }
        }
        for (i, row) in system.iter_mut().enumerate() {
            row[i] += 1e-5;
            row[N] -= 1e-5 * w[i];
        }
        for (w, step) in w.iter_mut().zip(solve(system)) {
            *w += step;
        }
    }
    println!(
        "{name}: {} samples, log loss {loss:.4}: {w:.2?}",
        samples.len()
    );
}

/// Solves a system of linear equations by elimination; the last column is the right side.
fn solve<const N: usize, const M: usize>(mut system: [[f64; M]; N]) -> [f64; N] {
    for i in 0..N {
        let pivot = system[i];
        for (j, row) in system.iter_mut().enumerate() {
            if j != i {
                let factor = row[i] / pivot[i];
                for (cell, p) in row.iter_mut().zip(pivot) {
                    *cell -= factor * p;
                }
            }
        }
    }
    std::array::from_fn(|i| system[i][M - 1] / system[i][i])
}
