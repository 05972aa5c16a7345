//! The parts put together: training a pack, reading a message.

use std::sync::Arc;

use tandem_domain::{
    Locale,
    reading::{
        Candidate, Passage, Query, Reading, Thresholds, Trainer, TrainingSet, Understanding,
    },
};

use crate::{
    entities::Recogniser,
    emotion::Emotions,
    intent::{Intents, Reason},
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
    tables: Tables,
    intents: Intents,
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
        Self {
            knowledge: Knowledge::index(&set.articles),
            intents: Intents::train(set, &tables.normaliser, &tables.stop),
            tables,
        }
    }

    pub(crate) fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// What speaks for which target in a text, likeliest first.
    #[must_use]
    pub fn reasons(&self, text: &str) -> Vec<Reason> {
        let clean = self.tables.normaliser.clean(text);
        self.intents.reasons(&clean, &self.tables.stop)
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
        let reasons = self.intents.reasons(&clean, &tables.stop);
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

    fn thresholds(&self) -> Thresholds {
        self.intents.thresholds()
    }

    fn retrieve(&self, query: &Query) -> Vec<Passage> {
        self.knowledge.search(query)
    }
}
