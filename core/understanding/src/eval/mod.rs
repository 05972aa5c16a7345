//! Measuring understanding on labelled messages.
//!
//! [`metrics`] holds the figures as pure functions; [`evaluate`] trains a model, reads every
//! message of every split and gives all figures as a [`Report`]. It is the only part of the
//! crate that looks at a clock, since how long reading takes is one of the figures.

pub mod metrics;

use std::{collections::BTreeMap, time::Instant};

use serde::Serialize;
use tandem_domain::{
    Locale,
    reading::{Example, Reading, Target, Thresholds, Trainer, TrainingSet, Understanding},
};

use metrics::Scored;

/// A message whose meaning is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub text: String,
    /// `None` is out of scope.
    pub label: Option<String>,
}

/// Messages that are scored together: a split and its messages out of scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub name: String,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The locale every message is read in.
    pub locale: Locale,
    /// Pairs of confused labels told per split.
    pub confusions: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            locale: Locale::new("en"),
            confusions: 10,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub splits: BTreeMap<String, SplitReport>,
    pub thresholds: Thresholds,
    pub train_ms: f64,
    pub us_per_message_p50: Option<f64>,
    pub us_per_message_p99: Option<f64>,
    /// What the process holds; for the caller to fill in, who may ask the system.
    pub rss_mb: Option<f64>,
}

/// The figures of one split. Shares are 0–1; `None` where a figure is not defined.
#[derive(Clone, Debug, Serialize)]
pub struct SplitReport {
    pub messages: usize,
    pub messages_out_of_scope: usize,
    pub accuracy: Option<f64>,
    pub macro_f1: Option<f64>,
    /// Right against wrong answers, by confidence.
    pub auroc: Option<f64>,
    /// Out of scope against in scope.
    pub oos_auroc: Option<f64>,
    /// With the best threshold on this split: an upper bound.
    pub cov98: Option<f64>,
    pub cov98_mixed: Option<f64>,
    /// With the threshold chosen on the training phrases.
    pub cov98_at_train: AtTrain,
    pub cov98_mixed_at_train: AtTrain,
    /// In-scope messages; and with those out of scope among them.
    pub ece: Option<f64>,
    pub ece_mixed: Option<f64>,
    /// At `thresholds.out_of_scope`: recognised as none of these; the in-scope accuracy and F1
    /// that go with it.
    pub oos_recall: Option<f64>,
    pub oos_accuracy: Option<f64>,
    pub oos_f1: Option<f64>,
    /// At `thresholds.answer`.
    pub oos_let_through: Option<f64>,
    pub labels: BTreeMap<String, LabelReport>,
    pub confusions: Vec<Confusion>,
    pub reliability: Vec<Reliability>,
}

/// What a threshold chosen beforehand gives on a split.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AtTrain {
    pub threshold: f32,
    pub coverage: f64,
    pub answered: usize,
    pub precision: Option<f64>,
    /// The 95 % interval of the precision.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct LabelReport {
    pub messages: usize,
    pub predicted: usize,
    pub right: usize,
    pub f1: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Confusion {
    pub gold: String,
    pub predicted: String,
    pub messages: usize,
}

/// One bar of a reliability diagram.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Reliability {
    pub messages: usize,
    pub confidence: f64,
    pub right: f64,
}

/// A training set whose targets are labels.
#[must_use]
pub fn training_set(samples: &[Sample], locale: &Locale) -> TrainingSet {
    let mut set = TrainingSet {
        locales: vec![locale.clone()],
        ..TrainingSet::default()
    };
    for sample in samples {
        match &sample.label {
            Some(label) => set.examples.push(Example {
                target: Target::Flow(label.clone()),
                locale: Some(locale.clone()),
                text: sample.text.clone(),
            }),
            None => set.out_of_scope.push(sample.text.clone()),
        }
    }
    set
}

/// Trains on `train` and scores every split.
#[must_use]
pub fn evaluate(
    trainer: &dyn Trainer,
    train: &[Sample],
    splits: &[Split],
    options: &Options,
) -> Report {
    let set = training_set(train, &options.locale);
    let begun = Instant::now();
    let model = trainer.train(&set);
    let train_ms = begun.elapsed().as_secs_f64() * 1e3;
    let mut times = Vec::new();
    let reports = splits.iter().map(|split| {
        let read = read(&*model, split, options, &mut times);
        let scored: Vec<Scored<'_>> = split
            .samples
            .iter()
            .zip(&read)
            .map(|(sample, reading)| scored(sample, reading))
            .collect();
        (
            split.name.clone(),
            report(&scored, &model.thresholds(), options),
        )
    });
    let splits = reports.collect();
    Report {
        splits,
        thresholds: model.thresholds(),
        train_ms,
        us_per_message_p50: metrics::percentile(&times, 0.5),
        us_per_message_p99: metrics::percentile(&times, 0.99),
        rss_mb: None,
    }
}

fn read(
    model: &dyn Understanding,
    split: &Split,
    options: &Options,
    times: &mut Vec<f64>,
) -> Vec<Reading> {
    let samples = split.samples.iter();
    samples
        .map(|sample| {
            let begun = Instant::now();
            let reading = model.read(&sample.text, &options.locale);
            times.push(begun.elapsed().as_secs_f64() * 1e6);
            reading
        })
        .collect()
}

/// A reading beside its sample.
#[must_use]
pub fn scored<'a>(sample: &'a Sample, reading: &'a Reading) -> Scored<'a> {
    let best = reading.candidates.first();
    Scored {
        gold: sample.label.as_deref(),
        predicted: best.map(|c| match &c.target {
            Target::Flow(name) | Target::Faq(name) => name.as_str(),
            Target::Trigger(_) => "trigger",
        }),
        confidence: best.map_or(0.0, |c| c.confidence),
        out_of_scope: reading.out_of_scope,
    }
}

/// All figures of scored messages.
#[must_use]
pub fn report(scored: &[Scored<'_>], thresholds: &Thresholds, options: &Options) -> SplitReport {
    let inside = metrics::inside(scored);
    let at = metrics::out_of_scope_at(scored, thresholds.out_of_scope);
    SplitReport {
        messages: inside.len(),
        messages_out_of_scope: scored.len() - inside.len(),
        accuracy: metrics::accuracy(scored),
        macro_f1: metrics::macro_f1(scored),
        auroc: metrics::auroc(scored),
        oos_auroc: metrics::oos_auroc(scored),
        cov98: metrics::cov98(scored),
        cov98_mixed: metrics::cov98_mixed(scored),
        cov98_at_train: at_train(&inside, thresholds.alone),
        cov98_mixed_at_train: at_train(scored, thresholds.alone),
        ece: metrics::ece(&inside),
        ece_mixed: metrics::ece(scored),
        oos_recall: at.recall,
        oos_accuracy: at.accuracy,
        oos_f1: at.f1,
        oos_let_through: metrics::oos_let_through(scored, thresholds.answer),
        labels: metrics::labels(scored)
            .into_iter()
            .map(|(name, label)| {
                let report = LabelReport {
                    messages: label.support,
                    predicted: label.predicted,
                    right: label.right,
                    f1: label.f1(),
                };
                (name.to_owned(), report)
            })
            .collect(),
        confusions: metrics::confusions(scored)
            .into_iter()
            .take(options.confusions)
            .map(|(gold, predicted, messages)| Confusion {
                gold: gold.to_owned(),
                predicted: predicted.to_owned(),
                messages,
            })
            .collect(),
        reliability: metrics::bins(&inside)
            .into_iter()
            .filter(|b| b.count > 0)
            .map(|b| Reliability {
                messages: b.count,
                confidence: b.confidence / b.count as f64,
                right: b.right as f64 / b.count as f64,
            })
            .collect(),
    }
}

fn at_train(scored: &[Scored<'_>], threshold: f32) -> AtTrain {
    let at = metrics::coverage_at(scored, threshold);
    let interval = metrics::wilson(at.right, at.answered);
    AtTrain {
        threshold,
        coverage: at.coverage,
        answered: at.answered,
        precision: at.precision(),
        low: interval.map(|i| i.0),
        high: interval.map(|i| i.1),
    }
}
