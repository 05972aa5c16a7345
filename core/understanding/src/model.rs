//! The parts put together: training a pack, reading a message.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tandem_domain::{
    Locale,
    reading::{Candidate, Passage, Query, Reading, Target, Trainer, TrainingSet, Understanding},
};

use crate::{
    entities::Recogniser,
    classifier::Linear,
    confidence::{self, Equality, Evidence, Message},
    emotion::Emotions,
    features::{Features, Term, Vector, Vocabulary},
    hash,
    language::Languages,
    normalise::Normaliser,
    retrieval::Phrases,
    search::Knowledge,
    tokens::{self, StopWords},
};

/// Targets that get a line of the classifier, those with most phrases first. The others are
/// found by their phrases alone, so that reading does not slow down with each FAQ item.
const MAX_HEADS: usize = 256;
/// Phrases the classifier learns from; more are only searched.
const MAX_ROWS: usize = 40_000;
/// Candidates of a reading.
const MAX_CANDIDATES: usize = 5;
/// Phrases of the same words that are looked at.
const MAX_EQUALS: usize = 20;
/// Less likely candidates are not told.
const LEAST: f32 = 0.01;
/// Classes the classifier may put forward beside what the nearest phrases do.
const PUT_FORWARD: usize = 5;
/// Clauses of a message that are read on their own.
const MAX_CLAUSES: usize = 6;
/// A whole message as clear as this is not taken apart.
const SURE: f32 = 0.9;
/// From this similarity on, a clause says what a phrase says.
const SAYS: f32 = 0.8;
/// What a clause that is next to nothing of its message keeps of its confidence.
const CLAUSE: f32 = 0.85;

/// The tables every model needs.
#[derive(Debug)]
struct Tables {
    normaliser: Normaliser,
    stop: StopWords,
    languages: Languages,
    entities: Recogniser,
    emotions: Emotions,
}

/// Trains models. Each carries its own tables, which take about a millisecond to make.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhraseTrainer;

/// A trained pack.
#[derive(Debug)]
pub struct Model {
    tables: Tables,
    targets: Vec<Target>,
    /// How many phrases each target has.
    counts: Vec<u32>,
    vocabulary: Vocabulary,
    phrases: Phrases,
    /// Target and words of each phrase.
    texts: Vec<(u32, Box<str>)>,
    classifier: Linear,
    /// The target of each class of the classifier, and the class of each target.
    heads: Vec<u32>,
    class_of: Vec<Option<u32>>,
    /// Phrases by all their words, and by their content words.
    whole: HashMap<u64, Vec<u32>, hash::Ready>,
    core: HashMap<u64, Vec<(u32, f32)>, hash::Ready>,
    knowledge: Knowledge,
}

/// Why a target is a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    pub target: Target,
    pub confidence: f32,
    pub evidence: Evidence,
    pub phrase: Option<String>,
}

impl Tables {
    fn new() -> Self {
        let normaliser = Normaliser::new();
        let stop = StopWords::new();
        Self {
            emotions: Emotions::new(&normaliser),
            languages: Languages::new(),
            entities: Recogniser::new(),
            normaliser,
            stop,
        }
    }
}

impl PhraseTrainer {
    /// Trains a model. Takes anything: no phrases, one target, the same phrase twice.
    #[must_use]
    pub fn model(&self, set: &TrainingSet) -> Model {
        Model::train(Tables::new(), set)
    }
}

impl Trainer for PhraseTrainer {
    fn train(&self, set: &TrainingSet) -> Arc<dyn Understanding> {
        Arc::new(self.model(set))
    }
}

impl Model {
    fn train(tables: Tables, set: &TrainingSet) -> Self {
        let mut targets: Vec<Target> = Vec::new();
        let mut places: HashMap<&Target, u32> = HashMap::new();
        let mut seen: HashSet<(u32, u64)> = HashSet::new();
        let mut texts = Vec::with_capacity(set.examples.len());
        let mut features = Vec::with_capacity(set.examples.len());
        for example in &set.examples {
            let place = *places.entry(&example.target).or_insert_with(|| {
                targets.push(example.target.clone());
                index(targets.len() - 1)
            });
            let clean = tables.normaliser.clean(&example.text);
            let of = Features::of(&tables.stop.tokens(&clean));
            if !of.is_empty() && seen.insert((place, of.plain)) {
                texts.push((place, Box::from(example.text.as_str())));
                features.push(of);
            }
        }
        let vocabulary = Vocabulary::learn(features.iter());
        let rows: Vec<Vec<Term>> = features
            .iter()
            .map(|f| vocabulary.vector(f).terms)
            .collect();
        let mut whole: HashMap<u64, Vec<u32>, hash::Ready> = HashMap::default();
        let mut core: HashMap<u64, Vec<(u32, f32)>, hash::Ready> = HashMap::default();
        for (phrase, of) in (0_u32..).zip(&features) {
            whole.entry(of.plain).or_default().push(phrase);
            if let Some(key) = of.core {
                core.entry(key).or_default().push((phrase, of.words));
            }
        }
        let mut counts = vec![0_u32; targets.len()];
        for (target, _) in &texts {
            counts[*target as usize] += 1;
        }
        let heads = heads(&counts);
        let mut class_of = vec![None; targets.len()];
        for (class, target) in (0_u32..).zip(&heads) {
            class_of[*target as usize] = Some(class);
        }
        let taught = texts
            .iter()
            .zip(&rows)
            .filter_map(|((target, _), row)| Some((class_of[*target as usize]?, row.as_slice())))
            .take(MAX_ROWS);
        let (labels, taught): (Vec<_>, Vec<_>) = taught.unzip();
        let classifier = Linear::train(&taught, &labels, vocabulary.len(), heads.len());
        Self {
            knowledge: Knowledge::index(&set.articles, &tables.normaliser, &tables.stop),
            phrases: Phrases::index(rows, vocabulary.len()),
            tables,
            targets,
            counts,
            vocabulary,
            texts,
            classifier,
            heads,
            class_of,
            whole,
            core,
        }
    }

    /// What speaks for which target in a text, likeliest first.
    #[must_use]
    pub fn reasons(&self, text: &str) -> Vec<Reason> {
        self.clean_reasons(&self.tables.normaliser.clean(text))
    }

    fn clean_reasons(&self, clean: &str) -> Vec<Reason> {
        let mut found = self.weigh(clean);
        if !found.iter().any(|w| w.confidence >= SURE) {
            self.weigh_clauses(clean, &mut found);
        }
        found.sort_by(|a, b| {
            let order = b.confidence.total_cmp(&a.confidence);
            order.then(a.target.cmp(&b.target))
        });
        found
            .into_iter()
            .map(|weighed| Reason {
                target: self.targets[weighed.target as usize].clone(),
                confidence: weighed.confidence,
                evidence: weighed.evidence,
                phrase: weighed
                    .phrase
                    .map(|phrase| self.texts[phrase as usize].1.to_string()),
            })
            .collect()
    }

    /// A clause that says what a phrase says counts in a message of several, whatever stands
    /// beside it.
    fn weigh_clauses(&self, clean: &str, found: &mut Vec<Weighed>) {
        if tokens::clauses(clean).nth(1).is_none() {
            return;
        }
        let length = clean.chars().count().max(1) as f32;
        for clause in tokens::clauses(clean).take(MAX_CLAUSES) {
            let part = clause.chars().count() as f32 / length;
            let keeps = CLAUSE + (1.0 - CLAUSE) * part;
            let says = |w: &Weighed| {
                w.evidence.says_the_same() > Equality::None || w.evidence.similarity >= SAYS
            };
            for mut weighed in self.weigh(clause).into_iter().filter(says) {
                weighed.confidence *= keeps;
                merge(found, weighed);
            }
        }
        limit(found);
    }

    /// What the whole of a text shows, for each target that comes into question.
    #[must_use]
    pub fn evidence(&self, text: &str) -> (Message, Vec<(Target, Evidence)>) {
        let (message, found) = self.collect(&self.tables.normaliser.clean(text));
        let evidence = found
            .into_iter()
            .map(|w| (self.targets[w.target as usize].clone(), w.evidence))
            .collect();
        (message, evidence)
    }

    /// Weighs the targets for one text or clause.
    fn weigh(&self, clean: &str) -> Vec<Weighed> {
        let (message, mut found) = self.collect(clean);
        let evidence: Vec<Evidence> = found.iter().map(|w| w.evidence).collect();
        for (weighed, probability) in found
            .iter_mut()
            .zip(confidence::probabilities(&evidence, &message))
        {
            weighed.confidence = probability;
        }
        found
    }

    /// Everything that speaks for the targets of one text or clause.
    fn collect(&self, clean: &str) -> (Message, Vec<Weighed>) {
        let features = Features::of(&self.tables.stop.tokens(clean));
        if features.is_empty() {
            return (Message::default(), Vec::new());
        }
        let vector = self.vocabulary.vector(&features);
        let mut found = self.near(&vector);
        let mut scores = Vec::new();
        if !vector.terms.is_empty() {
            self.classifier.scores(&vector.terms, &mut scores);
        }
        for class in best(&scores, PUT_FORWARD) {
            let target = self.heads[class];
            if !found.iter().any(|w| w.target == target) {
                found.push(Weighed::new(target, None));
            }
        }
        let same_core = features.core.and_then(|key| self.core.get(&key));
        for (phrase, words) in same_core.into_iter().flatten().take(MAX_EQUALS) {
            // One word is not what a sentence of fillers around that word says.
            if features.content > 1.0 || features.words >= *words {
                self.equal(*phrase, Equality::Core, &mut found);
            }
        }
        let same = self.whole.get(&features.plain);
        for phrase in same.into_iter().flatten().take(MAX_EQUALS) {
            self.equal(*phrase, Equality::Whole, &mut found);
        }
        for weighed in &mut found {
            weighed.evidence.phrases = self.counts[weighed.target as usize] as f32;
            weighed.evidence.margin = match self.class_of[weighed.target as usize] {
                Some(class) if self.heads.len() > 1 => {
                    scores.get(class as usize).copied().unwrap_or(-1.0)
                }
                // A single phrase would be parted from the rest along its own direction.
                _ => 2.0 * weighed.evidence.similarity - 1.0,
            };
        }
        let message = Message {
            known: vector.known,
            words: features.words,
            content: features.content,
            phrases: self.texts.len() as f32 / self.targets.len().max(1) as f32,
        };
        (message, found)
    }

    /// The targets of the nearest phrases.
    fn near(&self, vector: &Vector) -> Vec<Weighed> {
        let mut found: Vec<Weighed> = Vec::new();
        for hit in self.phrases.nearest(&vector.terms) {
            let target = self.texts[hit.phrase as usize].0;
            if !found.iter().any(|w| w.target == target) {
                let mut weighed = Weighed::new(target, Some(hit.phrase));
                weighed.evidence.similarity = hit.similarity;
                weighed.evidence.likeness = hit.likeness * vector.all_known.sqrt();
                found.push(weighed);
            }
        }
        found
    }

    fn equal(&self, phrase: u32, equality: Equality, found: &mut Vec<Weighed>) {
        let target = self.texts[phrase as usize].0;
        let at = found.iter().position(|w| w.target == target);
        let at = at.unwrap_or_else(|| {
            found.push(Weighed::new(target, Some(phrase)));
            found.len() - 1
        });
        let weighed = &mut found[at];
        if weighed.evidence.equality < equality {
            weighed.evidence.equality = equality;
            weighed.phrase = Some(phrase);
        }
    }
}

impl Understanding for Model {
    fn read(&self, text: &str, locale: &Locale) -> Reading {
        self.read_after(text, locale, &[])
    }

    fn read_after(&self, text: &str, locale: &Locale, previous: &[&str]) -> Reading {
        let clean = self.tables.normaliser.clean(text);
        let tables = &self.tables;
        let mood = tables.emotions.of(&tables.normaliser, text, previous);
        let reasons = self.clean_reasons(&clean);
        let meant: f32 = reasons.iter().map(|r| r.confidence).sum();
        Reading {
            language: tables.languages.of(text),
            candidates: reasons
                .into_iter()
                .filter(|r| r.confidence >= LEAST)
                .take(MAX_CANDIDATES)
                .map(|r| Candidate {
                    target: r.target,
                    confidence: r.confidence,
                    phrase: r.phrase,
                })
                .collect(),
            out_of_scope: (1.0 - meant).clamp(0.0, 1.0),
            sentiment: mood.sentiment,
            sentiment_words: mood.words(),
            emotion: mood.emotion,
            entities: self.tables.entities.read(text, locale),
        }
    }

    fn retrieve(&self, query: &Query) -> Vec<Passage> {
        let tables = &self.tables;
        self.knowledge
            .search(query, &tables.normaliser, &tables.stop)
    }
}

/// A target under consideration.
#[derive(Clone, Debug)]
struct Weighed {
    target: u32,
    confidence: f32,
    evidence: Evidence,
    phrase: Option<u32>,
}

impl Weighed {
    fn new(target: u32, phrase: Option<u32>) -> Self {
        Self {
            target,
            confidence: 0.0,
            evidence: Evidence::default(),
            phrase,
        }
    }
}

/// The targets with most phrases, in their order.
fn heads(counts: &[u32]) -> Vec<u32> {
    let mut heads: Vec<u32> = (0..index(counts.len())).collect();
    heads.sort_by_key(|t| std::cmp::Reverse(counts[*t as usize]));
    heads.truncate(MAX_HEADS);
    heads.sort_unstable();
    heads
}

/// The places of the highest scores.
fn best(scores: &[f32], count: usize) -> Vec<usize> {
    let mut best: Vec<usize> = Vec::with_capacity(count + 1);
    for (i, score) in scores.iter().enumerate() {
        if best.len() < count || best.last().is_some_and(|b| *score > scores[*b]) {
            let at = best.partition_point(|b| scores[*b] >= *score);
            best.insert(at, i);
            best.truncate(count);
        }
    }
    best
}

/// Takes the surer of two views of a target.
fn merge(found: &mut Vec<Weighed>, weighed: Weighed) {
    match found.iter_mut().find(|w| w.target == weighed.target) {
        Some(known) if known.confidence >= weighed.confidence => {}
        Some(known) => *known = weighed,
        None => found.push(weighed),
    }
}

/// Scales confidences so that they sum to at most 1.
fn limit(found: &mut [Weighed]) {
    let sum: f32 = found.iter().map(|w| w.confidence).sum();
    if sum > 1.0 {
        for weighed in found {
            weighed.confidence /= sum;
        }
    }
}

/// Phrases and targets are counted in 32 bits; a pack of four thousand million is not loaded.
fn index(n: usize) -> u32 {
    u32::try_from(n).expect("a pack has fewer than 2^32 phrases")
}
