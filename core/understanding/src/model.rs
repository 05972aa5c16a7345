//! The parts put together: training a pack, reading a message.

use std::{any::Any, sync::Arc};

use tandem_domain::{
    Locale,
    entity::Entity,
    reading::{
        Candidate, Passage, Query, Reading, Thresholds, Trainer, TrainingSet, Understanding, Wish,
    },
};
use tandem_entities::Recogniser;

use crate::{
    emotion::Emotions,
    intent::{Intents, Reason, Reasons},
    knowledge::Knowledge,
    language::Languages,
    normalise::Normaliser,
    tokens::StopWords,
};

/// Candidates of a reading.
const MAX_CANDIDATES: usize = 5;
/// Less likely candidates are not told.
const LEAST: f32 = 0.01;

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
    tables: Arc<Tables>,
    intents: Arc<Intents>,
    /// Of what the intents were learned from.
    lessons: [u8; 32],
    knowledge: Knowledge,
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
        Model::train(None, set)
    }

    /// The same model, with less work: what an edit left as it was is taken from the one before.
    #[must_use]
    pub fn update(&self, set: &TrainingSet, before: &Model) -> Model {
        Model::train(Some(before), set)
    }
}

impl Trainer for PhraseTrainer {
    fn train(&self, set: &TrainingSet) -> Arc<dyn Understanding> {
        Arc::new(self.model(set))
    }

    fn retrain(&self, set: &TrainingSet, before: &dyn Understanding) -> Arc<dyn Understanding> {
        let before: &dyn Any = before;
        match before.downcast_ref::<Model>() {
            Some(before) => Arc::new(self.update(set, before)),
            None => self.train(set),
        }
    }
}

impl Model {
    fn train(before: Option<&Self>, set: &TrainingSet) -> Self {
        let lessons = lessons(set);
        let tables = before.map_or_else(|| Arc::new(Tables::new()), |b| b.tables.clone());
        let intents = match before {
            Some(before) if before.lessons == lessons => before.intents.clone(),
            _ => Arc::new(Intents::train(set, &tables.normaliser, &tables.stop)),
        };
        Self {
            knowledge: match before {
                Some(before) => before.knowledge.update(&set.articles),
                None => Knowledge::index(&set.articles),
            },
            intents,
            lessons,
            tables,
        }
    }

    pub(crate) fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// What a text wants, and what speaks for it.
    #[must_use]
    pub fn reasons(&self, text: &str) -> Reasons {
        let clean = self.tables.normaliser.clean(text);
        self.intents.reasons(&clean, &self.tables.stop)
    }
}

fn candidate(reason: Reason) -> Candidate {
    Candidate {
        target: reason.target,
        confidence: reason.confidence,
        phrase: reason.phrase,
    }
}

/// Tells whether intents would be learned from the same.
fn lessons(set: &TrainingSet) -> [u8; 32] {
    let TrainingSet {
        locales,
        examples,
        out_of_scope,
        articles: _,
    } = set;
    let lessons = format!("{locales:?}{examples:?}{out_of_scope:?}");
    *blake3::hash(lessons.as_bytes()).as_bytes()
}

impl Understanding for Model {
    fn read(&self, text: &str, locale: &Locale) -> Reading {
        self.read_after(text, locale, &[])
    }

    fn read_after(&self, text: &str, _locale: &Locale, previous: &[&str]) -> Reading {
        let clean = self.tables.normaliser.clean(text);
        let tables = &self.tables;
        let mood = tables.emotions.of(&tables.normaliser, text, previous);
        let reasons = self.intents.reasons(&clean, &tables.stop);
        let meant: f32 = reasons.main.iter().map(|r| r.confidence).sum();
        Reading {
            language: tables.languages.of(text),
            candidates: reasons
                .main
                .into_iter()
                .filter(|r| r.confidence >= LEAST)
                .take(MAX_CANDIDATES)
                .map(candidate)
                .collect(),
            also: reasons.also.map(|(also, before)| Wish {
                candidate: candidate(also),
                before,
            }),
            out_of_scope: (1.0 - meant).clamp(0.0, 1.0),
            sentiment: mood.sentiment,
            sentiment_words: mood.words(),
            emotion: mood.emotion,
        }
    }

    fn entities(&self, text: &str, locale: &Locale) -> Vec<Entity> {
        self.tables.entities.read(text, locale)
    }

    fn thresholds(&self) -> Thresholds {
        self.intents.thresholds()
    }

    fn retrieve(&self, query: &Query) -> Vec<Passage> {
        self.knowledge.search(query)
    }
}
