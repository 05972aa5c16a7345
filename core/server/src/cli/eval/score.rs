//! Training on some messages and reading others, with everything timed.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde::Serialize;
use tandem_domain::{
    Locale,
    embedder::Embedder,
    reading::{Example, Target, Thresholds, Trainer as _, TrainingSet, Understanding},
};
use tandem_understanding::{
    PhraseTrainer,
    cluster::{Clusters, GroupId, Question, quality},
    embedding::EmbeddingTrainer,
    emotion::{self, EmotionModel, Emotions, Labelled, Settings},
    eval::{
        Options, SplitReport,
        metrics::{self, Scored},
    },
    normalise::Normaliser,
};

use super::data::Row;

/// Parts a cross-validation makes: each is read by what was learned from the others.
pub(super) const FOLDS: usize = 5;
/// A set of so few labels is read as one of feelings.
const FEELINGS: usize = 3;

/// How a set of labels is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// What a message is about: the model that packs are read with.
    Intents,
    /// How it is said: sentiment, satisfaction.
    Feelings,
}

impl Kind {
    pub(super) fn of(train: &[Row]) -> Self {
        let labels: std::collections::BTreeSet<_> =
            train.iter().filter_map(|r| r.label.as_ref()).collect();
        let inside = train.iter().all(|r| r.label.is_some());
        if inside && labels.len() <= FEELINGS && train.len() >= 100 * labels.len() {
            Self::Feelings
        } else {
            Self::Intents
        }
    }
}

/// What was made of one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Read {
    pub predicted: Option<String>,
    pub confidence: f32,
    pub out_of_scope: f32,
    /// Of a set with two labels: how much it is the positive one rather than the other.
    pub positive: Option<f32>,
}

/// Something that reads messages.
pub(super) enum Reader {
    Intents {
        model: Arc<dyn Understanding>,
        locale: Locale,
    },
    Feelings(Box<Feelings>),
}

pub(super) struct Feelings {
    normaliser: Normaliser,
    emotions: Emotions,
    model: EmotionModel,
    positive: Option<usize>,
}

/// Learns from a training set; waits for the vectors where there is an embedder.
pub(super) fn understand(
    set: &TrainingSet,
    embedder: Option<&Arc<dyn Embedder>>,
) -> anyhow::Result<Arc<dyn Understanding>> {
    Ok(match embedder {
        Some(embedder) => Arc::new(EmbeddingTrainer::new(embedder.clone()).lifted(set)?),
        None => PhraseTrainer.train(set),
    })
}

/// Learns from labelled messages.
pub(super) fn train(
    kind: Kind,
    rows: &[&Row],
    locale: &Locale,
    embedder: Option<&Arc<dyn Embedder>>,
) -> anyhow::Result<Reader> {
    if kind == Kind::Intents {
        let mut set = TrainingSet {
            locales: vec![locale.clone()],
            ..TrainingSet::default()
        };
        for row in rows {
            match &row.label {
                Some(label) => set.examples.push(Example {
                    target: Target::Flow(label.clone()),
                    locale: None,
                    text: row.text.clone(),
                }),
                None => set.out_of_scope.push(row.text.clone()),
            }
        }
        return Ok(Reader::Intents {
            model: understand(&set, embedder)?,
            locale: locale.clone(),
        });
    }
    let normaliser = Normaliser::new();
    let emotions = Emotions::new(&normaliser);
    let examples: Vec<Labelled<'_>> = rows
        .iter()
        .filter_map(|row| {
            Some(Labelled {
                text: &row.text,
                before: &row.prev,
                label: row.label.as_deref()?,
            })
        })
        .collect();
    let model = emotion::train(&emotions, &normaliser, &examples, Settings::default());
    let positive = match model.labels() {
        // The one that is looked for: low satisfaction; else the second in the alphabet, which
        // `positive` is.
        [first, second] => Some(usize::from(!(first == "low" || second == "high"))),
        _ => None,
    };
    Ok(Reader::Feelings(Box::new(Feelings {
        normaliser,
        emotions,
        model,
        positive,
    })))
}

impl Reader {
    pub(super) fn thresholds(&self) -> Thresholds {
        match self {
            Self::Intents { model, .. } => model.thresholds(),
            Self::Feelings(_) => Thresholds::default(),
        }
    }

    pub(super) fn read(&self, row: &Row) -> Read {
        match self {
            Self::Intents { model, locale } => {
                let reading = model.read(&row.text, locale);
                let best = reading.candidates.first();
                Read {
                    predicted: best.map(|c| bare(&c.target)),
                    confidence: best.map_or(0.0, |c| c.confidence),
                    out_of_scope: reading.out_of_scope,
                    positive: None,
                }
            }
            Self::Feelings(f) => f.read(row),
        }
    }
}

impl Feelings {
    fn read(&self, row: &Row) -> Read {
        let scores = self
            .model
            .scores(&self.emotions, &self.normaliser, &row.text, &row.prev);
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let Some(best) = best else {
            return Read::default();
        };
        let sum: f32 = scores
            .iter()
            .map(|s| (2.0 * (s - scores[best])).exp())
            .sum();
        Read {
            predicted: Some(self.model.labels()[best].clone()),
            confidence: 1.0 / sum,
            out_of_scope: 0.0,
            positive: self.positive.map(|p| scores[p] - scores[1 - p]),
        }
    }

    fn positive(&self) -> Option<&str> {
        self.positive.map(|p| self.model.labels()[p].as_str())
    }
}

/// The name alone, as the labels of a file are.
fn bare(target: &Target) -> String {
    match target {
        Target::Flow(name) | Target::Faq(name) => name.clone(),
        Target::Trigger(place) => format!("trigger:{place}"),
    }
}

/// The name with its kind, as the labels of a pack are.
pub(super) fn full(target: &Target) -> String {
    match target {
        Target::Flow(name) => format!("flow:{name}"),
        Target::Faq(path) => format!("faq:{path}"),
        Target::Trigger(place) => format!("trigger:{place}"),
    }
}

/// Reads every row; how long each took, in microseconds, goes into `times`.
pub(super) fn read_all(
    rows: &[Row],
    times: &mut Vec<f64>,
    read: impl Fn(&Row) -> Read,
) -> Vec<Read> {
    rows.iter()
        .map(|row| {
            let begun = Instant::now();
            let found = read(row);
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            found
        })
        .collect()
}

/// Rows beside what was made of them. Where one of several right labels was given, that is the
/// right one.
pub(super) fn scored<'a>(rows: &'a [Row], reads: &'a [Read]) -> Vec<Scored<'a>> {
    rows.iter()
        .zip(reads)
        .map(|(row, read)| {
            let predicted = read.predicted.as_deref();
            let other =
                predicted.filter(|p| row.label.is_some() && row.also.iter().any(|a| a == p));
            Scored {
                gold: other.or(row.label.as_deref()),
                predicted,
                confidence: read.confidence,
                out_of_scope: read.out_of_scope,
            }
        })
        .collect()
}

/// All figures of a split.
pub(super) fn figures(
    reader: Option<&Reader>,
    rows: &[Row],
    reads: &[Read],
    thresholds: &Thresholds,
    options: &Options,
) -> SplitReport {
    let scored = scored(rows, reads);
    let mut report = tandem_understanding::eval::report(&scored, thresholds, options);
    if let Some(Reader::Feelings(feelings)) = reader
        && let Some(positive) = feelings.positive()
    {
        let side = |is: bool| -> Vec<f32> {
            rows.iter()
                .zip(reads)
                .filter(|(row, _)| row.label.as_deref().is_some_and(|l| (l == positive) == is))
                .filter_map(|(_, read)| read.positive)
                .collect()
        };
        report.auroc = metrics::area(&side(true), &side(false));
    }
    report
}

/// Reads every row by what was learned from the rows of other folds. A label's rows are dealt out
/// in turn; the only row of a label is read by a model that cannot know it, and left out.
pub(super) fn cross_validate(
    rows: &[Row],
    train: impl Fn(&[&Row]) -> anyhow::Result<Reader>,
) -> anyhow::Result<(Vec<Row>, Vec<Read>)> {
    let mut seen: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let folds: Vec<usize> = rows
        .iter()
        .map(|row| {
            let n = seen.entry(row.label.as_deref()).or_default();
            *n += 1;
            (*n - 1) % FOLDS
        })
        .collect();
    let alone = |row: &Row| seen.get(&row.label.as_deref()).is_none_or(|n| *n < 2);
    let (mut read, mut reads) = (Vec::new(), Vec::new());
    for fold in 0..FOLDS {
        let (held, kept): (Vec<_>, Vec<_>) = rows
            .iter()
            .zip(&folds)
            .partition(|(row, f)| **f == fold && !alone(row));
        if held.is_empty() {
            continue;
        }
        let kept: Vec<&Row> = kept.into_iter().map(|(row, _)| row).collect();
        let reader = train(&kept)?;
        for (row, _) in held {
            reads.push(reader.read(row));
            read.push(row.clone());
        }
    }
    Ok((read, reads))
}

/// Puts a split's messages into clusters as they come, and compares these with the labels.
pub(super) fn cluster(
    rows: &[Row],
    embedder: Option<&Arc<dyn Embedder>>,
    times: &mut Vec<f64>,
) -> anyhow::Result<(
    quality::Agreement,
    Vec<tandem_understanding::cluster::Summary>,
)> {
    let mut clusters = Clusters::new();
    let mut joined: BTreeMap<GroupId, GroupId> = BTreeMap::new();
    let mut placed: Vec<(Option<GroupId>, &str)> = Vec::new();
    for row in rows {
        let vector = match embedder {
            Some(embedder) if !row.text.trim().is_empty() => {
                embedder.embed(&[row.text.as_str()])?.pop()
            }
            _ => None,
        };
        let begun = Instant::now();
        let found = clusters.add(&Question {
            text: &row.text,
            vector: vector.as_deref(),
        });
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        if let Some(label) = &row.label {
            placed.push((found.map(|p| p.group), label));
        }
        if clusters.is_due() {
            joined.extend(clusters.refine().joined);
        }
    }
    joined.extend(clusters.refine().joined);
    let pairs: Vec<_> = placed
        .into_iter()
        .map(|(group, label)| {
            let mut group = group;
            while let Some(into) = group.and_then(|g| joined.get(&g)) {
                group = Some(*into);
            }
            // What was forgotten stands alone.
            let cluster = group.and_then(|g| clusters.cluster_of(g));
            (
                (cluster, if cluster.is_none() { group } else { None }),
                label,
            )
        })
        .collect();
    Ok((quality::agreement(&pairs), clusters.summaries(3)))
}

/// What the process holds in memory.
pub(super) fn rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kilobytes / 1024.0 * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: Option<&str>, text: &str) -> Row {
        Row {
            text: text.to_owned(),
            label: label.map(str::to_owned),
            ..Row::default()
        }
    }

    #[test]
    fn every_row_with_a_sibling_is_read_once() {
        let rows = [
            row(Some("a"), "where is my parcel"),
            row(Some("a"), "track the parcel"),
            row(Some("b"), "cancel it"),
            row(Some("b"), "please cancel"),
            row(Some("b"), "cancel that order"),
            row(Some("once"), "the only one"),
        ];
        let locale = Locale::new("en");
        let train = |rows: &[&Row]| super::train(Kind::Intents, rows, &locale, None);
        let (read, reads) = cross_validate(&rows, train).unwrap();
        assert_eq!((read.len(), reads.len()), (5, 5));
        assert!(read.iter().all(|r| r.label.as_deref() != Some("once")));
    }

    #[test]
    fn any_of_several_right_labels_is_right() {
        let mut message = row(Some("a"), "both");
        message.also = vec!["b".to_owned()];
        let read = Read {
            predicted: Some("b".to_owned()),
            confidence: 0.9,
            ..Read::default()
        };
        assert!(scored(&[message], &[read])[0].is_right());
        let outside = row(None, "neither");
        assert!(!scored(&[outside], &[Read::default()])[0].is_right());
    }

    #[test]
    fn few_labels_with_many_messages_are_feelings() {
        let many: Vec<Row> = (0..300)
            .map(|n| row(Some(if n % 2 == 0 { "good" } else { "bad" }), "x"))
            .collect();
        assert_eq!(Kind::of(&many), Kind::Feelings);
        assert_eq!(Kind::of(&many[..50]), Kind::Intents);
    }

    #[test]
    fn clusters_are_compared_with_labels() {
        let rows = [
            row(Some("a"), "rent a carpet cleaner"),
            row(Some("a"), "carpet cleaner for rent"),
            row(Some("b"), "旧灯泡回收吗"),
            row(Some("b"), "回收旧灯泡"),
            row(None, "🙂"),
        ];
        let (found, summaries) = cluster(&rows, None, &mut Vec::new()).unwrap();
        assert_eq!(found.labels, 2);
        assert!(found.nmi > 0.6 && !summaries.is_empty(), "{found:?}");
    }
}
