//! Measures retrieval on the retail pack's labelled questions, and what an embedding model lifts.
//!
//! `cargo run --profile bench -p tandem-understanding --features local-model --example knowledge`
//!
//! `TANDEM_MODEL` names the folder of an embedding model; the English sets in `TANDEM_DATA` (else
//! `../shared/data` beside the workspace) are then measured by its vectors too. Vectors are kept
//! in the file `TANDEM_VECTORS` names. `--wrong` lists the questions that are not answered,
//! `--rows` prints what speaks for the best passage of each question: what the weights in
//! `confidence.rs` are fitted on.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures"
)]

#[path = "../tests/support/articles.rs"]
mod support;

use std::time::Instant;

use support::{Question, articles, questions};
use tandem_domain::reading::{Audience, Passage, Query};
use tandem_understanding::{
    embedding::{Cached, Embedder},
    knowledge::Knowledge,
};

fn query(question: &Question) -> Query {
    Query {
        text: question.text.clone(),
        locale: question.locale.clone(),
        tags: Vec::new(),
        limit: 10,
    }
}

fn figures(name: &str, find: impl Fn(&Query) -> Vec<Passage>) {
    for locale in ["en", "zh"] {
        let (mut first, mut passage, mut reciprocal, mut count) = (0.0, 0.0, 0.0, 0.0);
        let mut scored: Vec<(f32, bool)> = Vec::new();
        let mut wrong = Vec::new();
        let begun = Instant::now();
        let mut asked = 0.0;
        for question in questions() {
            if question.locale.as_str() != locale {
                continue;
            }
            asked += 1.0;
            let found = find(&query(&question));
            let best = found.first();
            let right = best.is_some_and(|p| question.is_answered_by(p));
            scored.push((best.map_or(0.0, |p| p.confidence), right));
            if question.article.is_none() {
                continue;
            }
            count += 1.0;
            first += f32::from(best.is_some_and(|p| question.is_in(p)));
            passage += f32::from(right);
            if !right {
                wrong.push(question.text.clone());
            }
            let rank = found.iter().position(|p| question.is_answered_by(p));
            reciprocal += rank.map_or(0.0, |r| 1.0 / (r + 1) as f32);
        }
        let each = begun.elapsed().as_secs_f64() * 1e6 / asked;
        let mean = |p: bool| {
            let of: Vec<f32> = scored
                .iter()
                .filter(|(_, r)| *r == p)
                .map(|(c, _)| *c)
                .collect();
            of.iter().sum::<f32>() / of.len().max(1) as f32
        };
        println!(
            "{name:<12} {locale}: article@1 {:.1}, passage@1 {:.1}, MRR {:.1}, AUROC {:.1}, ECE {:.1}, confidence right {:.2} wrong {:.2}, {each:.0} us",
            100.0 * first / count,
            100.0 * passage / count,
            100.0 * reciprocal / count,
            100.0 * auroc(&scored),
            100.0 * calibration_error(&scored),
            mean(true),
            mean(false),
        );
        if std::env::args().any(|a| a == "--wrong") {
            println!("   {wrong:?}");
        }
    }
}

fn auroc(scored: &[(f32, bool)]) -> f32 {
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (a, right) in scored.iter().filter(|(_, r)| *r) {
        for (b, _) in scored.iter().filter(|(_, r)| *r != *right) {
            pairs += 1.0;
            wins += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
        }
    }
    wins / f32::max(pairs, 1.0)
}

fn calibration_error(scored: &[(f32, bool)]) -> f32 {
    let mut bins = [(0.0_f32, 0.0_f32); 10];
    for (confidence, right) in scored {
        let bin = &mut bins[((confidence * 10.0) as usize).min(9)];
        bin.0 += confidence;
        bin.1 += f32::from(*right);
    }
    bins.iter().map(|(c, r)| (c - r).abs()).sum::<f32>() / scored.len().max(1) as f32
}

fn main() {
    let articles = articles();
    let begun = Instant::now();
    let mut knowledge = Knowledge::index(&articles);
    let took = begun.elapsed();
    let embedder = meaning::embedder();
    if std::env::args().any(|a| a == "--rows") {
        rows(&knowledge, None);
        if let Some(embedder) = &embedder {
            knowledge.embed(embedder).unwrap();
            rows(&knowledge, Some(embedder));
        }
        return;
    }
    println!(
        "{} passages indexed in {took:?}, the dictionary's loading included",
        knowledge.len()
    );
    let begun = Instant::now();
    let again = Knowledge::index(&articles);
    println!("again in {:?}", begun.elapsed());
    figures("words", |q| again.search(q));
    if let Some(embedder) = &embedder {
        knowledge.embed(embedder).unwrap();
        figures("with meaning", |q| {
            let meaning = embedder.embed(&[&q.text]).unwrap();
            knowledge.find(q, Audience::Customer, Some(&meaning[0]))
        });
        meaning::sets(embedder);
    }
}

fn rows(knowledge: &Knowledge, embedder: Option<&Cached>) {
    for question in questions() {
        let query = query(&question);
        let meaning = embedder.map(|e| e.embed(&[&query.text]).unwrap().remove(0));
        let found = knowledge.find(&query, Audience::Customer, meaning.as_deref());
        if let Some(inputs) = knowledge.evidence(&query, meaning.as_deref()) {
            let right = found.first().is_some_and(|p| question.is_answered_by(p));
            let group = question.article.unwrap_or(question.text);
            let (with, right) = (u8::from(embedder.is_some()), u8::from(right));
            println!(
                "{with}\t{}\t{group}\t{right}\t{inputs:?}",
                question.locale.as_str()
            );
        }
    }
}

/// The English sets by vectors: the dense classifier alone, and joined with the words.
mod meaning {
    use std::{path::PathBuf, sync::Arc, time::Instant};

    use tandem_domain::reading::{Example, Target, TrainingSet, Understanding};
    use tandem_understanding::{
        PhraseTrainer,
        embedding::{Cached, Dense, Embedder, EmbeddingTrainer, Local},
    };

    const SETS: [&str; 5] = [
        "hint3_sofmattress",
        "hint3_curekart",
        "hwu64",
        "banking77",
        "clinc150_full",
    ];

    pub(crate) fn embedder() -> Option<Cached> {
        let Some(folder) = std::env::var_os("TANDEM_MODEL") else {
            println!("SKIPPED: no embedding model (set TANDEM_MODEL to its folder)");
            return None;
        };
        let begun = Instant::now();
        let local = Local::open(&PathBuf::from(folder)).unwrap();
        println!("{} opened in {:?}", local.name(), begun.elapsed());
        let texts = ["where is my order, it should have come on tuesday"; 1];
        let begun = Instant::now();
        for _ in 0..20 {
            local.embed(&texts).unwrap();
        }
        println!("one message: {:?}", begun.elapsed() / 20);
        let cached = Cached::new(Arc::new(local), 100_000);
        if let Some(Ok(bytes)) = std::env::var_os("TANDEM_VECTORS").map(std::fs::read) {
            println!("{} vectors of an earlier run", cached.restore(&bytes));
        }
        Some(cached)
    }

    pub(crate) fn sets(embedder: &Cached) {
        let folder = std::env::var_os("TANDEM_DATA").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
            PathBuf::from,
        );
        for name in SETS {
            match std::fs::read_to_string(folder.join(format!("{name}.jsonl"))) {
                Ok(text) => set(name, &text, embedder),
                Err(_) => println!("{name}: SKIPPED, no such file"),
            }
            if let Some(file) = std::env::var_os("TANDEM_VECTORS") {
                std::fs::write(file, embedder.to_bytes()).unwrap();
            }
        }
    }

    fn set(name: &str, text: &str, embedder: &Cached) {
        let lines: Vec<(String, String, String)> = text
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let field = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
                (field("split"), field("label"), field("text"))
            })
            .collect();
        let of = |split: &'static str| lines.iter().filter(move |(s, ..)| s == split);
        let begun = Instant::now();
        let vectors = |split| -> Vec<Vec<f32>> {
            let texts: Vec<&str> = of(split).map(|(_, _, text)| text.as_str()).collect();
            embedder.embed(&texts).unwrap()
        };
        let (train, valid, outside) = (vectors("train"), vectors("valid"), vectors("oos_valid"));
        let embedded = begun.elapsed();
        let mut names: Vec<&str> = of("train").map(|(_, label, _)| label.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let number = |label: &str| names.iter().position(|n| *n == label);
        let labels: Vec<u32> = of("train")
            .map(|(_, l, _)| number(l).unwrap() as u32)
            .collect();
        let begun = Instant::now();
        let dense = Dense::train(&train, &labels);
        let trained = begun.elapsed();
        let best = |row: &[f32]| {
            let scores = dense.scores(row);
            let best = (0..scores.len())
                .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
                .unwrap();
            (best, scores[best])
        };
        let alone = of("valid").zip(&valid).map(|((_, label, _), row)| {
            let (best, score) = best(row);
            (score.exp(), Some(best) == number(label))
        });
        let mut alone: Vec<(f32, bool)> = alone.collect();
        let count = alone.len();
        report(
            &format!("{name}: vectors"),
            &mut alone,
            count,
            outside.iter().map(|r| best(r).1.exp()).collect(),
        );
        let set = TrainingSet {
            examples: of("train")
                .map(|(_, label, text)| Example {
                    target: Target::Flow(label.clone()),
                    locale: None,
                    text: text.clone(),
                })
                .collect(),
            ..TrainingSet::default()
        };
        let words = PhraseTrainer.model(&set);
        let lifted = EmbeddingTrainer::new(Arc::new(Shared::of(embedder)))
            .lifted(&set)
            .unwrap();
        for (kind, model) in [("words", &words as &dyn Understanding), ("joined", &lifted)] {
            let locale = tandem_domain::Locale::new("en");
            let read = of("valid").map(|(_, label, text)| {
                let reading = model.read(text, &locale);
                let first = reading.candidates.first();
                let right = first.is_some_and(|c| c.target == Target::Flow(label.clone()));
                (
                    first.map_or(0.0, |c| c.confidence),
                    right,
                    1.0 - reading.out_of_scope,
                )
            });
            let read: Vec<_> = read.collect();
            let mut scored: Vec<(f32, bool)> = read.iter().map(|(c, r, _)| (*c, *r)).collect();
            let outside = of("oos_valid").map(|(_, _, text)| {
                model
                    .read(text, &locale)
                    .candidates
                    .first()
                    .map_or(0.0, |c| c.confidence)
            });
            report(
                &format!("{name}: {kind}"),
                &mut scored,
                count,
                outside.collect(),
            );
        }
        println!("   embedded in {embedded:?}, dense trained in {trained:?}");
    }

    /// What the sets' vectors were already, under a name of its own.
    struct Shared(Cached);

    impl Shared {
        fn of(embedder: &Cached) -> Self {
            struct Kept(String, usize);
            impl Embedder for Kept {
                fn embed(
                    &self,
                    _: &[&str],
                ) -> Result<Vec<Vec<f32>>, tandem_understanding::embedding::EmbedError>
                {
                    Err(tandem_understanding::embedding::EmbedError::Busy)
                }
                fn dimensions(&self) -> usize {
                    self.1
                }
                fn name(&self) -> &str {
                    &self.0
                }
            }
            let kept = Cached::new(
                Arc::new(Kept(embedder.name().to_owned(), embedder.dimensions())),
                100_000,
            );
            kept.restore(&embedder.to_bytes());
            Self(kept)
        }
    }

    impl Embedder for Shared {
        fn embed(
            &self,
            texts: &[&str],
        ) -> Result<Vec<Vec<f32>>, tandem_understanding::embedding::EmbedError> {
            self.0.embed(texts)
        }
        fn dimensions(&self) -> usize {
            self.0.dimensions()
        }
        fn name(&self) -> &str {
            self.0.name()
        }
    }

    /// Accuracy, the share answered where 98 % is right, without and with what is out of scope,
    /// and how well scores tell in from out.
    fn report(name: &str, scored: &mut [(f32, bool)], count: usize, outside: Vec<f32>) {
        let accuracy = scored.iter().filter(|(_, r)| *r).count() as f32 / count as f32;
        let coverage = |scored: &mut Vec<(f32, bool)>| {
            scored.sort_by(|a, b| b.0.total_cmp(&a.0));
            let (mut right, mut best) = (0, 0);
            for (n, (_, ok)) in scored.iter().enumerate() {
                right += usize::from(*ok);
                if right as f32 >= 0.98 * (n + 1) as f32 {
                    best = n + 1;
                }
            }
            best as f32 / count as f32
        };
        let mut inside = scored.to_vec();
        let auroc = super::auroc(
            &inside
                .iter()
                .map(|(c, _)| (*c, true))
                .chain(outside.iter().map(|c| (*c, false)))
                .collect::<Vec<_>>(),
        );
        let alone = coverage(&mut inside);
        let mut mixed: Vec<(f32, bool)> = inside;
        mixed.extend(outside.iter().map(|c| (*c, false)));
        println!(
            "{name:<28} accuracy {:.1}, cov98 {:.1}, mixed {:.1}, AUROC {:.1}",
            100.0 * accuracy,
            100.0 * alone,
            100.0 * coverage(&mut mixed),
            100.0 * auroc
        );
    }
}
