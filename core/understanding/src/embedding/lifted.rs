//! A pack trained with an embedder: the words' reading and the vectors' side by side.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use tandem_domain::{
    Locale,
    entity::Entity,
    reading::{
        Audience, Candidate, Passage, Query, Reading, Target, Thresholds, Trainer, TrainingSet,
        Understanding,
    },
};

use super::{Dense, EmbedError, Embedder, cosine, scripts::Scripts};
use crate::{
    knowledge::Knowledge,
    model::{Model, PhraseTrainer},
};

/// Candidates of a reading, and the least likely that is told.
const MAX_CANDIDATES: usize = 5;
const LEAST: f32 = 0.01;
/// What a target has that the words did not put forward.
const UNSEEN: f32 = 0.003;
/// A reading as sure as this is a phrase of the pack itself: no vector can add to it.
const SURE: f32 = 0.97;
/// How much the vectors' word counts beside the words'.
const SHARE: f32 = 0.5;
/// From the nearest phrase's cosine and the vectors' top probability to the log-odds that the
/// message is meant for the pack. Chosen by hand: closeness leads.
const SCOPE: [f32; 3] = [-6.0, 9.0, 1.5];
/// Examples whose targets the dense classifier learns; the rest is found by its nearest phrase.
const MAX_ROWS: usize = 20_000;
const MAX_CLASSES: usize = 512;

/// Texts between two looks at whether the model is still wanted.
const CHUNK: usize = 256;

/// Trains packs with an embedder. A pack serves at once by its words; its phrases are embedded in
/// the background, and it is read by meaning too from then on. Where that fails it stays with the
/// words and says so in the log.
#[derive(Clone)]
pub struct EmbeddingTrainer {
    base: PhraseTrainer,
    embedder: Arc<dyn Embedder>,
    after: Arc<dyn Fn() + Send + Sync>,
}

/// A pack that is read by words and by meaning.
pub struct Lifted {
    base: Arc<Model>,
    embedder: Arc<dyn Embedder>,
    targets: Vec<Target>,
    /// Target, words and vector of each phrase.
    phrases: Vec<(u32, Box<str>, Vec<f32>)>,
    dense: Dense,
    /// The class of a target; a long tail of items has none.
    classes: Vec<Option<u32>>,
    knowledge: Knowledge,
    /// Which scripts the model was seen to understand.
    scripts: Scripts,
    /// Whether the last message had a vector, so that a failure is told once and not each time.
    fine: AtomicBool,
}

/// A pack that is read by words until its meanings are learned.
struct Rising {
    base: Arc<Model>,
    lifted: Arc<OnceLock<Lifted>>,
}

impl EmbeddingTrainer {
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self {
            base: PhraseTrainer,
            embedder,
            after: Arc::new(|| ()),
        }
    }

    /// Calls this each time a pack has been embedded, on the thread that did it: the moment to
    /// keep what a cache has learned.
    #[must_use]
    pub fn after(mut self, after: impl Fn() + Send + Sync + 'static) -> Self {
        self.after = Arc::new(after);
        self
    }

    /// Trains a pack and waits for its vectors, which takes the embedder's time for each phrase.
    ///
    /// # Errors
    /// When the embedder fails.
    pub fn lifted(&self, set: &TrainingSet) -> Result<Lifted, EmbedError> {
        self.lift(Arc::new(self.base.model(set)), set, &|| true)
    }

    /// `wanted` is asked now and then; when it says no, the work ends with [`EmbedError::Busy`].
    fn lift(
        &self,
        base: Arc<Model>,
        set: &TrainingSet,
        wanted: &dyn Fn() -> bool,
    ) -> Result<Lifted, EmbedError> {
        let mut targets: Vec<Target> = Vec::new();
        let mut places: HashMap<&Target, u32> = HashMap::new();
        let mut texts: Vec<(u32, &str)> = Vec::with_capacity(set.examples.len());
        for example in &set.examples {
            let place = *places.entry(&example.target).or_insert_with(|| {
                targets.push(example.target.clone());
                u32::try_from(targets.len() - 1).unwrap_or(u32::MAX)
            });
            texts.push((place, &example.text));
        }
        let mut rows: Vec<Vec<f32>> = Vec::with_capacity(texts.len());
        for chunk in texts.chunks(CHUNK) {
            if !wanted() {
                return Err(EmbedError::Busy);
            }
            let asked: Vec<&str> = chunk.iter().map(|(_, text)| *text).collect();
            rows.extend(self.embedder.embed(&asked)?);
        }
        let even = rows.windows(2).all(|pair| pair[0].len() == pair[1].len());
        if rows.len() != texts.len() || !even {
            let odd = "not one vector a text, all of one length";
            return Err(EmbedError::Answer(odd.to_owned()));
        }
        let mut knowledge = base.knowledge().clone();
        knowledge.embed(&*self.embedder)?;
        let mut counts = vec![0_u32; targets.len()];
        for (target, _) in &texts {
            counts[*target as usize] += 1;
        }
        let mut classes = vec![None; targets.len()];
        let mut by_count: Vec<usize> = (0..targets.len()).collect();
        by_count.sort_by_key(|t| std::cmp::Reverse(counts[*t]));
        for (class, target) in (0_u32..).zip(by_count.into_iter().take(MAX_CLASSES)) {
            classes[target] = Some(class);
        }
        let taught = texts.iter().zip(&rows);
        let (labels, taught): (Vec<u32>, Vec<Vec<f32>>) = taught
            .filter_map(|((target, _), row)| Some((classes[*target as usize]?, row.clone())))
            .take(MAX_ROWS)
            .unzip();
        let scripts = Scripts::seen(&texts, &rows);
        let phrases = texts.iter().zip(rows);
        Ok(Lifted {
            scripts,
            dense: Dense::train(&taught, &labels),
            phrases: phrases
                .map(|((target, text), row)| (*target, Box::from(*text), row))
                .collect(),
            base,
            embedder: self.embedder.clone(),
            targets,
            classes,
            knowledge,
            fine: AtomicBool::new(true),
        })
    }

    /// Learns the meanings for a model that already serves, unless it has been replaced meanwhile.
    fn raise(&self, base: Arc<Model>, set: &TrainingSet, place: &Weak<OnceLock<Lifted>>) {
        let embedder = self.embedder.name();
        let wanted = || place.strong_count() > 0;
        match self.lift(base, set, &wanted) {
            Ok(lifted) => {
                (self.after)();
                if let Some(place) = place.upgrade() {
                    tracing::info!(
                        embedder,
                        phrases = set.examples.len(),
                        "The pack is read by its meaning too."
                    );
                    // Only this thread fills it.
                    let _ = place.set(lifted);
                }
            }
            Err(_) if !wanted() => {}
            Err(error) => {
                tracing::warn!(%error, embedder, "The pack is understood by its words alone: its phrases could not be embedded.");
            }
        }
    }
}

impl Trainer for EmbeddingTrainer {
    fn train(&self, set: &TrainingSet) -> Arc<dyn Understanding> {
        self.serve(self.base.model(set), set)
    }

    fn retrain(&self, set: &TrainingSet, before: &dyn Understanding) -> Arc<dyn Understanding> {
        let before: &dyn Any = before;
        match before.downcast_ref::<Rising>() {
            Some(before) => self.serve(self.base.update(set, &before.base), set),
            None => self.train(set),
        }
    }
}

impl EmbeddingTrainer {
    /// Serves by the words, and by meaning as soon as a thread has learned it.
    fn serve(&self, base: Model, set: &TrainingSet) -> Arc<dyn Understanding> {
        let base = Arc::new(base);
        let lifted = Arc::new(OnceLock::new());
        let (trainer, place) = (self.clone(), Arc::downgrade(&lifted));
        let (model, set) = (base.clone(), set.clone());
        let thread = std::thread::Builder::new().name("embedding".to_owned());
        if let Err(error) = thread.spawn(move || trainer.raise(model, &set, &place)) {
            tracing::warn!(%error, "The pack is understood by its words alone: no thread could be had to embed it.");
        }
        Arc::new(Rising { base, lifted })
    }
}

impl Understanding for Rising {
    fn read(&self, text: &str, locale: &Locale) -> Reading {
        match self.lifted.get() {
            Some(lifted) => lifted.read(text, locale),
            None => self.base.read(text, locale),
        }
    }

    fn read_after(&self, text: &str, locale: &Locale, previous: &[&str]) -> Reading {
        match self.lifted.get() {
            Some(lifted) => lifted.read_after(text, locale, previous),
            None => self.base.read_after(text, locale, previous),
        }
    }

    fn entities(&self, text: &str, locale: &Locale) -> Vec<Entity> {
        self.base.entities(text, locale)
    }

    fn thresholds(&self) -> Thresholds {
        self.base.thresholds()
    }

    fn retrieve(&self, query: &Query) -> Vec<Passage> {
        match self.lifted.get() {
            Some(lifted) => lifted.retrieve(query),
            None => self.base.retrieve(query),
        }
    }
}

impl Understanding for Lifted {
    fn read(&self, text: &str, locale: &Locale) -> Reading {
        self.lift(self.base.read(text, locale), text)
    }

    fn read_after(&self, text: &str, locale: &Locale, previous: &[&str]) -> Reading {
        self.lift(self.base.read_after(text, locale, previous), text)
    }

    fn entities(&self, text: &str, locale: &Locale) -> Vec<Entity> {
        self.base.entities(text, locale)
    }

    fn thresholds(&self) -> Thresholds {
        self.base.thresholds()
    }

    fn retrieve(&self, query: &Query) -> Vec<Passage> {
        let meaning = self.vector(&query.text);
        self.knowledge
            .find(query, Audience::Customer, meaning.as_deref())
    }
}

impl Lifted {
    /// The vector of a message, where there is one to be had.
    fn vector(&self, text: &str) -> Option<Vec<f32>> {
        if text.trim().is_empty() || !self.scripts.understands(text) {
            return None;
        }
        let vector = self.embedder.embed(&[text]).and_then(|rows| {
            let numbers = self.phrases.first().map_or(0, |(_, _, row)| row.len());
            match rows.into_iter().next() {
                Some(row) if numbers == 0 || row.len() == numbers => Ok(row),
                _ => Err(EmbedError::Answer("no vector of this length".to_owned())),
            }
        });
        let fine = vector.is_ok();
        if self.fine.swap(fine, Ordering::Relaxed) != fine {
            match &vector {
                Ok(_) => tracing::info!(
                    embedder = self.embedder.name(),
                    "Messages are embedded again."
                ),
                Err(error) => {
                    tracing::warn!(%error, embedder = self.embedder.name(), "Messages are understood by their words alone: they could not be embedded.");
                }
            }
        }
        vector.ok()
    }

    fn lift(&self, reading: Reading, text: &str) -> Reading {
        let sure = reading
            .candidates
            .first()
            .is_some_and(|c| c.confidence >= SURE);
        // Two wishes have no one vector; each half was read surely by its words.
        if sure || reading.also.is_some() || self.targets.is_empty() {
            return reading;
        }
        match self.vector(text) {
            Some(vector) => self.joined(reading, &vector),
            None => reading,
        }
    }

    /// The average of both log-probabilities over the targets; in scope as far as either says.
    fn joined(&self, mut reading: Reading, vector: &[f32]) -> Reading {
        let mut nearest: Vec<(f32, usize)> = vec![(-1.0, usize::MAX); self.targets.len()];
        for (at, (target, _, row)) in self.phrases.iter().enumerate() {
            let similarity = cosine(row, vector);
            let best = &mut nearest[*target as usize];
            if similarity > best.0 {
                *best = (similarity, at);
            }
        }
        let scores = self.dense.scores(vector);
        let told: HashMap<Target, Candidate> = std::mem::take(&mut reading.candidates)
            .into_iter()
            .map(|c| (c.target.clone(), c))
            .collect();
        let inside = (1.0 - reading.out_of_scope).clamp(0.01, 0.99);
        let sum: f32 = told.values().map(|c| c.confidence).sum::<f32>().max(0.01);
        let mut top = f32::NEG_INFINITY;
        let mut joined: Vec<(usize, f32)> = Vec::with_capacity(self.targets.len());
        for (at, target) in self.targets.iter().enumerate() {
            let by_words = told.get(target).map_or(0.0, |c| c.confidence / sum) + UNSEEN;
            // An item without a class stands by its nearest phrase.
            let by_vector = match self.classes[at] {
                Some(class) => scores.get(class as usize).copied().unwrap_or(0.0),
                None => 12.0 * (nearest[at].0 - 1.0),
            };
            let score = (1.0 - SHARE) * by_words.ln() + SHARE * by_vector;
            top = top.max(score);
            joined.push((at, score));
        }
        let total: f32 = joined.iter().map(|(_, s)| (s - top).exp()).sum();
        joined.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let surest = scores
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max)
            .exp();
        let close = nearest.iter().map(|(s, _)| *s).fold(-1.0, f32::max);
        let [constant, by_closeness, by_surest] = SCOPE;
        let odds = constant + by_closeness * close + by_surest * surest;
        let odds = (1.0 - SHARE) * (inside / (1.0 - inside)).ln() + SHARE * odds;
        let inside = 1.0 / (1.0 + (-odds).exp());
        reading.out_of_scope = 1.0 - inside;
        reading.candidates = joined
            .into_iter()
            .take(MAX_CANDIDATES)
            .map(|(at, score)| {
                let target = self.targets[at].clone();
                let phrase = told.get(&target).and_then(|c| c.phrase.clone());
                let near = || {
                    self.phrases
                        .get(nearest[at].1)
                        .map(|(_, text, _)| text.to_string())
                };
                Candidate {
                    confidence: inside * (score - top).exp() / total,
                    phrase: phrase.or_else(near),
                    target,
                }
            })
            .filter(|c| c.confidence >= LEAST)
            .collect();
        reading
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicUsize};

    use tandem_domain::reading::Example;

    use super::*;

    /// Knows three topics by a word of each; can be told to fail, and how long its vectors are.
    struct Topics(Mutex<Option<EmbedError>>, AtomicUsize);

    impl Default for Topics {
        fn default() -> Self {
            Self(Mutex::default(), AtomicUsize::new(4))
        }
    }

    /// Gives each text a vector of another length.
    struct Uneven;

    impl Embedder for Uneven {
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            Ok((1..=texts.len()).map(|length| vec![1.0; length]).collect())
        }

        fn dimensions(&self) -> usize {
            0
        }

        fn name(&self) -> &str {
            "uneven"
        }
    }

    impl Embedder for Topics {
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
            if let Some(error) = &*self.0.lock().unwrap() {
                return Err(error.clone());
            }
            let topics = [
                ["parcel", "shipment"],
                ["refund", "reimbursed"],
                ["lamp", "light"],
            ];
            let of = |text: &&str| {
                let mut row = vec![0.1; self.1.load(Ordering::Relaxed)];
                for (number, words) in row.iter_mut().zip(topics) {
                    *number += words.iter().filter(|w| text.contains(*w)).count() as f32;
                }
                super::super::unit(row)
            };
            texts.iter().map(of).collect()
        }

        fn dimensions(&self) -> usize {
            4
        }

        fn name(&self) -> &str {
            "topics"
        }
    }

    fn set() -> TrainingSet {
        let examples = [
            ("track", "where is my parcel"),
            ("track", "parcel late"),
            ("refund", "I want a refund"),
            ("refund", "refund please"),
            ("bulb", "which bulb does the lamp take"),
        ];
        TrainingSet {
            examples: examples
                .iter()
                .map(|(name, text)| Example {
                    target: Target::Flow((*name).to_owned()),
                    locale: None,
                    text: (*text).to_owned(),
                })
                .collect(),
            ..TrainingSet::default()
        }
    }

    fn best(model: &dyn Understanding, text: &str) -> Option<Target> {
        let reading = model.read(text, &Locale::new("en"));
        let sum: f32 = reading.candidates.iter().map(|c| c.confidence).sum();
        assert!(sum + reading.out_of_scope < 1.01, "{reading:?}");
        Some(reading.candidates.first()?.target.clone())
    }

    #[test]
    fn a_message_in_other_words_is_understood() {
        let model = EmbeddingTrainer::new(Arc::new(Topics::default()));
        let model = model.lifted(&set()).unwrap();
        let target = |name: &str| Some(Target::Flow(name.to_owned()));
        assert_eq!(best(&model, "any news of the shipment"), target("track"));
        assert_eq!(best(&model, "will we be reimbursed"), target("refund"));
        assert_eq!(best(&model, "parcel late"), target("track"));
        let (text, locale) = ("12 lamps on Monday", Locale::new("en"));
        let entities = model.entities(text, &locale);
        assert!(!entities.is_empty());
        let rising = EmbeddingTrainer::new(Arc::new(Topics::default())).train(&set());
        assert_eq!(rising.entities(text, &locale), entities);
    }

    #[test]
    fn without_an_answer_the_words_are_read_as_ever() {
        let topics = Arc::new(Topics::default());
        let model = EmbeddingTrainer::new(topics.clone())
            .lifted(&set())
            .unwrap();
        let alone = PhraseTrainer.train(&set());
        *topics.0.lock().unwrap() = Some(EmbedError::Busy);
        let locale = Locale::new("en");
        for text in ["where is the parcel", "any news of the shipment", "", "👍"] {
            assert_eq!(model.read(text, &locale), alone.read(text, &locale));
        }
        // A vector of another length says nothing of these phrases.
        *topics.0.lock().unwrap() = None;
        topics.1.store(3, Ordering::Relaxed);
        let text = "any news of the shipment";
        assert_eq!(model.read(text, &locale), alone.read(text, &locale));
        let mixed = EmbeddingTrainer::new(Arc::new(Uneven));
        assert!(matches!(mixed.lifted(&set()), Err(EmbedError::Answer(_))));
        // And where there never was one.
        *topics.0.lock().unwrap() = Some(EmbedError::Busy);
        let model = EmbeddingTrainer::new(topics).train(&set());
        assert_eq!(model.read("refund", &locale), alone.read("refund", &locale));
    }

    #[test]
    fn a_pack_serves_at_once_and_rises_when_its_phrases_are_embedded() {
        let (told, hears) = std::sync::mpsc::sync_channel(1);
        let trainer = EmbeddingTrainer::new(Arc::new(Topics::default())).after(move || {
            let _ = told.send(());
        });
        let model = trainer.train(&set());
        assert_eq!(
            best(&*model, "parcel late"),
            Some(Target::Flow("track".to_owned()))
        );
        hears.recv().unwrap();
        drop(trainer);
        // A pack that nobody holds any more is not embedded to its end.
        let trainer = EmbeddingTrainer::new(Arc::new(Topics::default()));
        let base = Arc::new(PhraseTrainer.model(&set()));
        assert!(trainer.lift(base, &set(), &|| false).is_err());
    }
}
