//! `tandem eval`: how well messages are understood, and what to do about it.

mod advice;
mod data;
mod human;
mod score;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use serde::Serialize;
use tandem_domain::{
    Locale,
    embedder::Embedder,
    reading::{Thresholds, Understanding},
};
use tandem_flow::model::Pack;
use tandem_understanding::{
    cluster::{Summary, quality::Agreement},
    eval::{self, SplitReport, metrics},
};

use self::{
    advice::Advice,
    data::{Data, Row},
    score::{Kind, Read, Reader},
};
use super::{Common, End, load_pack, pack_folder};
use crate::lang::Pick as _;

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Without --data a pack's own phrases are read by cross-validation, with the labelled messages of \
its folder eval/ where there is one. With --data alone a file is learned from and scored: JSON \
lines with text, label and split, learned from where split is train (and oos_train: messages \
that mean none), scored split by split elsewhere (oos_valid belongs to valid). A file without \
train is put into clusters. With both, the pack reads the file; labels are flow:NAME, faq:PATH, \
trigger:PLACE or, in a split oos_…, none.")]
pub(crate) struct Options {
    /// The pack's folder.
    pack: Option<PathBuf>,
    /// Labelled messages, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Score this split alone.
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// A folder with an embedding model (config.json, tokenizer.json, model.safetensors).
    #[arg(long, value_name = "DIR")]
    embedder: Option<PathBuf>,
    /// How many of the answers given alone should be right.
    #[arg(long, default_value_t = 0.98, value_parser = precision)]
    precision: f64,
    /// How labels are read; by their number when left out.
    #[arg(long = "as", value_enum)]
    kind: Option<Kind>,
    /// Language of the messages; seen from them when left out.
    #[arg(long)]
    locale: Option<String>,
    /// Show every intent and every confusion.
    #[arg(long)]
    all: bool,
}

fn precision(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.5..1.0).contains(&share) => Ok(share),
        _ => Err("a share from 0.5 to below 1, as 0.98 / 0.5 到 1 之间的小数，如 0.98".into()),
    }
}

/// Everything that is told, in the form that programs read.
#[derive(Debug, Serialize)]
struct Report {
    /// How the labels were read; none where the messages were put into clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    locale: String,
    phrases: usize,
    labels: usize,
    splits: BTreeMap<String, Split>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thresholds: Option<Thresholds>,
    advice: Vec<Advice>,
    train_ms: Option<f64>,
    us_per_message_p50: Option<f64>,
    us_per_message_p99: Option<f64>,
    rss_mb: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Split {
    Read(Box<ReadSplit>),
    Clustered(ClusteredSplit),
}

#[derive(Debug, Serialize)]
struct ReadSplit {
    #[serde(flatten)]
    figures: SplitReport,
    /// What is answered alone at the wanted precision, by the threshold chosen beforehand.
    at_precision: AtPrecision,
    /// The none-of-these decision from strict to lenient.
    out_of_scope_curve: Vec<CurvePoint>,
    /// Messages of the most frequent confusions.
    confused: Vec<Confused>,
}

#[derive(Debug, Serialize)]
struct AtPrecision {
    wanted: f64,
    /// Chosen on the training phrases.
    threshold: f32,
    /// Of the in-scope messages, with those out of scope among what may be answered.
    coverage: f64,
    answered: usize,
    precision: Option<f64>,
    /// Its 95 % interval.
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Debug, Serialize)]
struct CurvePoint {
    threshold: f32,
    /// In-scope messages let in and read right.
    accuracy: Option<f64>,
    recall: Option<f64>,
    f1: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Confused {
    gold: String,
    predicted: String,
    messages: usize,
    examples: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ClusteredSplit {
    messages: usize,
    #[serde(flatten)]
    agreement: Agreement,
    largest: Vec<Summary>,
}

pub(crate) fn run(common: &Common, options: &Options) -> anyhow::Result<End> {
    let embedder = options.embedder.as_deref().map(open).transpose()?;
    let mut data = match &options.data {
        Some(path) => Some(Data::read(path, common.lang())?),
        None => None,
    };
    let report = match (&options.pack, &mut data) {
        (None, Some(data)) => of_data(common, options, data, embedder.as_ref())?,
        (pack, _) => {
            let folder = pack_folder(pack.as_deref());
            let Some(pack) = load_pack(common, &folder)? else {
                return Ok(End::Wrong);
            };
            let data = match data {
                Some(data) => Some(data),
                None => own_messages(common, &folder)?,
            };
            of_pack(common, options, &pack, data, embedder.as_ref())?
        }
    };
    if common.json() {
        common.print_json(&report)?;
    } else {
        human::print(common, &report, options.all)?;
    }
    Ok(End::Well)
}

/// Opens an embedding model.
#[cfg(feature = "embedding")]
fn open(folder: &Path) -> anyhow::Result<Arc<dyn Embedder>> {
    Ok(Arc::new(tandem_understanding::embedding::Local::open(
        folder,
    )?))
}

#[cfg(not(feature = "embedding"))]
fn open(_folder: &Path) -> anyhow::Result<Arc<dyn Embedder>> {
    bail!("this program was built without embedding models; build it with the feature `embedding`")
}

/// The labelled messages in a pack's folder `eval`, where there are some.
fn own_messages(common: &Common, folder: &Path) -> anyhow::Result<Option<Data>> {
    let Ok(entries) = std::fs::read_dir(folder.join("eval")) else {
        return Ok(None);
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let mut all: Option<Data> = None;
    for file in files {
        let data = Data::read(&file, common.lang())?;
        for (split, rows) in data.splits {
            let all = all.get_or_insert_default();
            all.splits.entry(split).or_default().extend(rows);
        }
    }
    Ok(all)
}

fn of_data(
    common: &Common,
    options: &Options,
    data: &mut Data,
    embedder: Option<&Arc<dyn Embedder>>,
) -> anyhow::Result<Report> {
    let locale = locale(options, data);
    let Some(train) = data.take_train() else {
        return of_clusters(common, options, data, &locale, embedder);
    };
    if let Some(split) = &options.split {
        data.only(split, common.lang())?;
    }
    let kind = options.kind.unwrap_or_else(|| Kind::of(&train));
    let refs: Vec<&Row> = train.iter().collect();
    let begun = Instant::now();
    let reader = score::train(kind, &refs, &locale, embedder)?;
    let train_ms = begun.elapsed().as_secs_f64() * 1e3;
    let thresholds = reader.thresholds();
    let learn = |rows: &[&Row]| score::train(kind, rows, &locale, embedder);
    let threshold = if kind == Kind::Feelings || is_other(options.precision) {
        let (rows, reads) = score::cross_validate(&train, learn)?;
        best_threshold(&rows, &reads, options.precision)
    } else {
        thresholds.alone
    };
    let mut times = Vec::new();
    let mut report = Report {
        kind: Some(kind),
        locale: locale.as_str().to_owned(),
        phrases: train.iter().filter(|r| r.label.is_some()).count(),
        labels: labels(&train),
        splits: BTreeMap::new(),
        thresholds: Some(thresholds),
        advice: Vec::new(),
        train_ms: Some(train_ms),
        us_per_message_p50: None,
        us_per_message_p99: None,
        rss_mb: None,
    };
    let mut outside = BTreeSet::new();
    if kind == Kind::Intents {
        report.advice = advice::of_phrases(&train, |_| false);
    }
    for (name, rows) in &data.splits {
        let reads = score::read_all(rows, &mut times, |row| reader.read(row));
        outside.extend(rows.iter().map(|r| r.label.is_none()));
        let view = View {
            reader: Some(&reader),
            thresholds: &thresholds,
            threshold,
            options,
        };
        view.split(&mut report, name, rows, &reads);
    }
    report.advice.extend(advice::of_scope(&train, &outside));
    report.finish(&times);
    Ok(report)
}

fn of_clusters(
    common: &Common,
    options: &Options,
    data: &mut Data,
    locale: &Locale,
    embedder: Option<&Arc<dyn Embedder>>,
) -> anyhow::Result<Report> {
    if let Some(split) = &options.split {
        data.only(split, common.lang())?;
    }
    let labelled = data.splits.values().flatten().any(|r| r.label.is_some());
    if !labelled {
        let lang = common.lang();
        bail!(lang.pick(
            "the file has neither messages to learn from (split train) nor labels to compare clusters with",
            "文件既没有可学习的消息（split 为 train），也没有可与聚类比较的标签",
        ));
    }
    let mut times = Vec::new();
    let mut splits = BTreeMap::new();
    for (name, rows) in &data.splits {
        let (agreement, mut largest) = score::cluster(rows, embedder, &mut times)?;
        largest.truncate(if options.all { usize::MAX } else { 20 });
        splits.insert(
            name.clone(),
            Split::Clustered(ClusteredSplit {
                messages: rows.len(),
                agreement,
                largest,
            }),
        );
    }
    let mut report = Report {
        kind: None,
        locale: locale.as_str().to_owned(),
        phrases: 0,
        labels: 0,
        splits,
        thresholds: None,
        advice: Vec::new(),
        train_ms: None,
        us_per_message_p50: None,
        us_per_message_p99: None,
        rss_mb: None,
    };
    report.finish(&times);
    Ok(report)
}

fn of_pack(
    common: &Common,
    options: &Options,
    pack: &Pack,
    data: Option<Data>,
    embedder: Option<&Arc<dyn Embedder>>,
) -> anyhow::Result<Report> {
    let set = pack.training_set();
    let phrases: Vec<Row> = set
        .examples
        .iter()
        .map(|example| Row {
            text: example.text.clone(),
            label: Some(score::full(&example.target)),
            ..Row::default()
        })
        .chain(set.out_of_scope.iter().map(|text| Row {
            text: text.clone(),
            ..Row::default()
        }))
        .collect();
    if labels(&phrases) < 2 {
        bail!(common.lang().pick(
            "the pack has fewer than two flows or FAQ items with phrases: there is nothing to tell apart",
            "业务包里带说法的流程或问答不足两个，没有可区分的内容",
        ));
    }
    let locale = options.locale.as_deref().map_or_else(
        || {
            pack.locales
                .first()
                .cloned()
                .unwrap_or_else(|| Locale::new("en"))
        },
        Locale::new,
    );
    let begun = Instant::now();
    let model = score::understand(&set, embedder)?;
    let train_ms = begun.elapsed().as_secs_f64() * 1e3;
    let thresholds = model.thresholds();
    let learn = |rows: &[&Row]| score::train(Kind::Intents, rows, &locale, embedder);
    let (held, held_reads) = score::cross_validate(&phrases, learn)?;
    let threshold = if is_other(options.precision) {
        best_threshold(&held, &held_reads, options.precision)
    } else {
        thresholds.alone
    };
    let mut report = Report {
        kind: Some(Kind::Intents),
        locale: locale.as_str().to_owned(),
        phrases: set.examples.len(),
        labels: labels(&phrases),
        splits: BTreeMap::new(),
        thresholds: Some(thresholds),
        advice: advice::of_phrases(&phrases, |label| label.starts_with("faq:")),
        train_ms: Some(train_ms),
        us_per_message_p50: None,
        us_per_message_p99: None,
        rss_mb: None,
    };
    let view = View {
        reader: None,
        thresholds: &thresholds,
        threshold,
        options,
    };
    let mut times = Vec::new();
    match data {
        Some(mut data) => {
            if let Some(split) = &options.split {
                data.only(split, common.lang())?;
            }
            known_labels(common, &data, &phrases)?;
            for (name, rows) in &data.splits {
                let reads =
                    score::read_all(rows, &mut times, |row| read_by_pack(&*model, row, &locale));
                view.split(&mut report, name, rows, &reads);
                for (locale, places) in Data::by_locale(rows) {
                    let rows: Vec<Row> = places.iter().map(|at| rows[*at].clone()).collect();
                    let reads: Vec<Read> = places.iter().map(|at| reads[*at].clone()).collect();
                    view.split(&mut report, &format!("{name}.{locale}"), &rows, &reads);
                }
            }
        }
        None => {
            let rows = held.iter().take(1_000);
            for row in rows {
                score::read_all(std::slice::from_ref(row), &mut times, |row| {
                    read_by_pack(&*model, row, &locale)
                });
            }
        }
    }
    view.split(&mut report, "cross_validation", &held, &held_reads);
    report.finish(&times);
    Ok(report)
}

fn read_by_pack(model: &dyn Understanding, row: &Row, locale: &Locale) -> Read {
    let reading = model.read(&row.text, locale);
    let best = reading.candidates.first();
    Read {
        predicted: best.map(|c| score::full(&c.target)),
        confidence: best.map_or(0.0, |c| c.confidence),
        out_of_scope: reading.out_of_scope,
        positive: None,
    }
}

/// A label that the pack does not know would count as a mistake of the pack.
fn known_labels(common: &Common, data: &Data, phrases: &[Row]) -> anyhow::Result<()> {
    let known: BTreeSet<&str> = phrases.iter().filter_map(|r| r.label.as_deref()).collect();
    let rows = data.splits.values().flatten();
    for label in rows.filter_map(|r| r.label.as_deref()) {
        if known.contains(label) {
            continue;
        }
        let near = known
            .iter()
            .min_by_key(|k| strsim::damerau_levenshtein(k, label))
            .copied()
            .unwrap_or_default();
        bail!(common.lang().pick(
            format!("the pack has no `{label}` that phrases lead to; did you mean `{near}`? A message that means none has a split that begins with oos_"),
            format!("业务包中没有说法指向 `{label}`；是否想写 `{near}`？不属于任何一类的消息，split 以 oos_ 开头"),
        ));
    }
    Ok(())
}

/// How a split is looked at.
struct View<'a> {
    reader: Option<&'a Reader>,
    thresholds: &'a Thresholds,
    /// For the wanted precision.
    threshold: f32,
    options: &'a Options,
}

impl View<'_> {
    fn split(&self, report: &mut Report, name: &str, rows: &[Row], reads: &[Read]) {
        let told = eval::Options {
            locale: Locale::new(&report.locale),
            confusions: if self.options.all { usize::MAX } else { 10 },
        };
        let figures = score::figures(self.reader, rows, reads, self.thresholds, &told);
        let scored = score::scored(rows, reads);
        let at = metrics::coverage_at(&scored, self.threshold);
        let interval = metrics::wilson(at.right, at.answered);
        let at_precision = AtPrecision {
            wanted: self.options.precision,
            threshold: self.threshold,
            coverage: at.coverage,
            answered: at.answered,
            precision: at.precision(),
            low: interval.map(|i| i.0),
            high: interval.map(|i| i.1),
        };
        let out_of_scope_curve = if figures.messages_out_of_scope > 0 {
            let points = (1..=9_u8).map(|n| f32::from(n) / 10.0);
            points.map(|t| point(&scored, t)).collect()
        } else {
            Vec::new()
        };
        let confused = figures.confusions.iter().map(|pair| Confused {
            gold: pair.gold.clone(),
            predicted: pair.predicted.clone(),
            messages: pair.messages,
            examples: rows
                .iter()
                .zip(&scored)
                .filter(|(_, s)| {
                    s.gold == Some(pair.gold.as_str())
                        && s.predicted == Some(pair.predicted.as_str())
                })
                .take(3)
                .map(|(row, _)| row.text.clone())
                .collect(),
        });
        let confused = confused.collect();
        if self
            .reader
            .is_none_or(|r| matches!(r, Reader::Intents { .. }))
        {
            let more = advice::of_readings(rows, &scored, self.thresholds.answer);
            for piece in more {
                if !report
                    .advice
                    .iter()
                    .any(|a| a.kind == piece.kind && a.about == piece.about)
                {
                    report.advice.push(piece);
                }
            }
        }
        let split = ReadSplit {
            figures,
            at_precision,
            out_of_scope_curve,
            confused,
        };
        report
            .splits
            .insert(name.to_owned(), Split::Read(Box::new(split)));
    }
}

fn point(scored: &[metrics::Scored<'_>], threshold: f32) -> CurvePoint {
    let at = metrics::out_of_scope_at(scored, threshold);
    CurvePoint {
        threshold,
        accuracy: at.accuracy,
        recall: at.recall,
        f1: at.f1,
    }
}

impl Report {
    fn finish(&mut self, times: &[f64]) {
        self.us_per_message_p50 = metrics::percentile(times, 0.5);
        self.us_per_message_p99 = metrics::percentile(times, 0.99);
        give_back();
        self.rss_mb = score::rss_mb();
    }
}

/// What training has freed, the allocator gives back a second later and while it is asked for more:
/// a server's memory is what is left then.
#[allow(
    clippy::disallowed_methods,
    reason = "the allocator goes by the real clock, and nothing else runs in this command"
)]
fn give_back() {
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(600));
        for _ in 0..64 {
            std::hint::black_box(vec![0_u8; 1 << 20]);
        }
    }
}

/// A model's own threshold is for 98 of 100.
fn is_other(precision: f64) -> bool {
    (precision - 0.98).abs() > 1e-9
}

/// The threshold with the largest coverage at a precision; beyond all confidences where none is.
fn best_threshold(rows: &[Row], reads: &[Read], precision: f64) -> f32 {
    metrics::coverage(&score::scored(rows, reads), precision).map_or(1.01, |c| c.threshold)
}

fn labels(rows: &[Row]) -> usize {
    let labels: BTreeSet<_> = rows.iter().filter_map(|r| r.label.as_ref()).collect();
    labels.len()
}

fn locale(options: &Options, data: &Data) -> Locale {
    Locale::new(options.locale.as_deref().unwrap_or_else(|| data.locale()))
}
