//! Which of a pack's targets a message means.
//!
//! [`Intents`] joins the classifier and the nearest phrases to evidence for each target that
//! comes into question, and [`calibration`] turns it into probabilities. [`wishes`] finds two in
//! one message. [`train`] makes one from examples: it holds phrases and whole targets out in turn, and what was found for them says how
//! sure this pack's scores are.

pub mod calibration;
mod train;
mod wishes;

use std::collections::{HashMap, HashSet};

use tandem_domain::reading::{Target, Thresholds};

use crate::{
    classifier::Linear,
    confidence::{self, Equality, Evidence, Message},
    features::{Features, Vector, Vocabulary},
    hash,
    retrieval::Phrases,
    tokens::{self, StopWords},
    words::Words,
};
use calibration::Calibration;

/// Phrases of the same words that are looked at.
const MAX_EQUALS: usize = 20;
/// Classes the classifier may put forward beside what the nearest phrases do.
const PUT_FORWARD: usize = 5;
/// Clauses of a message that are read on their own.
const MAX_CLAUSES: usize = 6;
/// A whole message as clear as this is not taken apart.
const SURE: f32 = 0.9;
/// From this similarity on, a clause says what a phrase says.
const SAYS: f32 = 0.8;
/// What is left of confidences in a message that the pack gives as out of scope, word for word.
const WRITTEN_OUT: f32 = 0.05;
/// What a clause that is next to nothing of its message keeps of its confidence.
const CLAUSE: f32 = 0.85;

/// A pack's targets and phrases, learned.
#[derive(Debug)]
pub struct Intents {
    words: Words,
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
    /// All words of what the pack gives as out of scope.
    outside: HashSet<u64, hash::Ready>,
    calibration: Calibration,
}

/// What a message wants and why.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasons {
    /// What the message, or its main wish, may mean; likeliest first.
    pub main: Vec<Reason>,
    /// Its second wish, where it has two, and whether that is said before the main one.
    pub also: Option<(Reason, bool)>,
}

/// Why a target is a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    pub target: Target,
    pub confidence: f32,
    pub evidence: Evidence,
    pub phrase: Option<String>,
}

impl Intents {
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        self.calibration.thresholds
    }

    /// What a cleaned text wants.
    #[must_use]
    pub fn reasons(&self, clean: &str, stop: &StopWords) -> Reasons {
        let mut found = self.weigh(clean, stop);
        let wishes = self.two_wishes(clean, stop, &found);
        let also = wishes.map(|wishes| {
            found = wishes.main;
            (self.reason(wishes.also), wishes.before)
        });
        if also.is_none() && !found.iter().any(|w| w.confidence >= SURE) {
            self.weigh_clauses(clean, stop, &mut found);
            self.sort(&mut found);
        }
        Reasons {
            main: found.into_iter().map(|w| self.reason(w)).collect(),
            also,
        }
    }

    fn sort(&self, found: &mut [Weighed]) {
        found.sort_by(|a, b| {
            let order = b.confidence.total_cmp(&a.confidence);
            order
                .then_with(|| self.targets[a.target as usize].cmp(&self.targets[b.target as usize]))
        });
    }

    fn reason(&self, weighed: Weighed) -> Reason {
        Reason {
            target: self.targets[weighed.target as usize].clone(),
            confidence: weighed.confidence,
            evidence: weighed.evidence,
            phrase: weighed
                .phrase
                .map(|phrase| self.texts[phrase as usize].1.to_string()),
        }
    }

    /// A clause that says what a phrase says counts in a message of several, whatever stands
    /// beside it.
    fn weigh_clauses(&self, clean: &str, stop: &StopWords, found: &mut Vec<Weighed>) {
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
            for mut weighed in self.weigh(clause, stop).into_iter().filter(says) {
                weighed.confidence *= keeps;
                merge(found, weighed);
            }
        }
        limit(found);
    }

    /// Weighs the targets for one text or clause; likeliest first.
    fn weigh(&self, clean: &str, stop: &StopWords) -> Vec<Weighed> {
        let (features, vector) = self.features(clean, stop);
        self.weigh_features(&features, &vector)
    }

    fn features(&self, clean: &str, stop: &StopWords) -> (Features, Vector) {
        let features = Features::of(&stop.tokens(clean), clean, &self.words);
        let vector = self.vocabulary.vector(&features);
        (features, vector)
    }

    fn weigh_features(&self, features: &Features, vector: &Vector) -> Vec<Weighed> {
        if features.is_empty() {
            return Vec::new();
        }
        let mut scores = Vec::new();
        if !vector.terms.is_empty() {
            self.classifier.scores(&vector.terms, &mut scores);
        }
        let mut found = self.collect(features, vector, &scores, |_| true);
        let message = self.message(features, vector);
        let evidence: Vec<(u32, Evidence)> = found.iter().map(|w| (w.target, w.evidence)).collect();
        let mut probabilities = confidence::probabilities(&evidence, &message, &self.calibration);
        if self.outside.contains(&features.plain)
            && !evidence.iter().any(|(_, e)| e.equality == Equality::Whole)
        {
            probabilities.iter_mut().for_each(|p| *p *= WRITTEN_OUT);
        }
        for (weighed, probability) in found.iter_mut().zip(probabilities) {
            weighed.confidence = probability;
        }
        self.sort(&mut found);
        found
    }

    fn message(&self, features: &Features, vector: &Vector) -> Message {
        Message {
            known: vector.known,
            words: features.words,
            content: features.content,
            phrases: self.texts.len() as f32 / self.targets.len().max(1) as f32,
        }
    }

    /// Everything that speaks for the targets of one text or clause, from the phrases that
    /// `is_in` says.
    fn collect(
        &self,
        features: &Features,
        vector: &Vector,
        scores: &[f32],
        is_in: impl Fn(u32) -> bool,
    ) -> Vec<Weighed> {
        let mut found = self.near(vector, &is_in);
        for class in best(scores, PUT_FORWARD) {
            let target = self.heads[class];
            if !found.iter().any(|w| w.target == target) {
                found.push(Weighed::new(target, None));
            }
        }
        let same_core = features.core.and_then(|key| self.core.get(&key));
        let same_core = same_core.into_iter().flatten().filter(|(p, _)| is_in(*p));
        for (phrase, words) in same_core.take(MAX_EQUALS) {
            // One word is not what a sentence of fillers around that word says.
            if features.content > 1.0 || features.words >= *words {
                self.equal(*phrase, Equality::Core, &mut found);
            }
        }
        let same = self.whole.get(&features.plain).into_iter().flatten();
        for phrase in same.filter(|p| is_in(**p)).take(MAX_EQUALS) {
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
        found
    }

    /// The targets of the nearest phrases.
    fn near(&self, vector: &Vector, is_in: impl Fn(u32) -> bool) -> Vec<Weighed> {
        let mut found: Vec<Weighed> = Vec::new();
        for hit in self.phrases.nearest_where(&vector.terms, is_in) {
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
