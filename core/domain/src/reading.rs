//! What understanding makes of a message before the stepper sees it.

use std::{any::Any, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Locale;
pub use crate::emotion::{Emotion, Feeling, FeelingReason};
pub use crate::entity::{Entity, EntityKind, EntityValue};

/// Everything the stepper may know of a message's meaning. Stored in the journal, so that a
/// replay needs no model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The language of the message, where it shows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Locale>,
    /// What it may mean, best first; `confidence` of all candidates sums to at most 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// A second wish of the message: "cancel it, and where is my refund?" `candidates` then speaks
    /// of the main one alone, and this is a probability of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Wish>,
    /// How sure understanding is that none of the pack's targets is meant, 0–1.
    #[serde(default)]
    pub out_of_scope: f32,
    /// −1 (furious) to 1 (delighted).
    #[serde(default)]
    pub sentiment: f32,
    /// Why the sentiment is what it is: the words that counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentiment_words: Vec<String>,
    /// Anger, hurry, threats and the like, and the words that show them.
    #[serde(default, skip_serializing_if = "Emotion::is_none")]
    pub emotion: Emotion,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub target: Target,
    /// A probability, 0–1.
    pub confidence: f32,
    /// The nearest example, for `trace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase: Option<String>,
}

/// What a message wants beside what it mainly wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    #[serde(flatten)]
    pub candidate: Candidate,
    /// It is said before the main wish.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before: bool,
}

impl Reading {
    /// The likeliest of each wish: the main one's, and the second's where there is one.
    pub fn wishes(&self) -> impl Iterator<Item = &Candidate> {
        let also = self.also.as_ref().map(|wish| &wish.candidate);
        self.candidates.first().into_iter().chain(also)
    }
}

/// Something a phrase can lead to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Target {
    /// A flow by name.
    Flow(String),
    /// An FAQ item by its dotted path, `delivery.cost`.
    Faq(String),
    /// A handoff trigger by its place in the pack, from 0.
    Trigger(usize),
}

/// What a pack teaches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingSet {
    pub locales: Vec<Locale>,
    pub examples: Vec<Example>,
    /// Messages that none of the targets is meant by. A pack needs none; they sharpen
    /// `out_of_scope`.
    #[serde(default)]
    pub out_of_scope: Vec<String>,
    pub articles: Vec<Article>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    pub target: Target,
    /// None trains every language.
    pub locale: Option<Locale>,
    pub text: String,
}

/// A knowledge article of a pack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Article {
    /// Its path in the pack without the ending: `knowledge/shipping`.
    pub id: String,
    pub title: String,
    #[serde(default)]
    pub tags: Vec<String>,
    /// `customer` (the default) may be quoted to customers, `agent` only shown at the desk.
    #[serde(default)]
    pub audience: Audience,
    pub locale: Option<Locale>,
    /// Markdown.
    pub body: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    #[default]
    Customer,
    Agent,
}

/// A passage of an article that answers a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    pub article: String,
    pub title: String,
    /// The headings it stands under within the article, outermost first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub heading: String,
    pub text: String,
    /// How likely it is that it answers, 0–1; under the pack's threshold it is not said.
    pub confidence: f32,
    /// What of the text the question named: from and to, counted in characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<(u32, u32)>,
}

/// What to look for in the knowledge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    pub text: String,
    pub locale: Locale,
    /// Only articles with one of these; empty means all.
    #[serde(default)]
    pub tags: Vec<String>,
    pub limit: usize,
}

/// Confidences a caller may decide by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// The best candidate is taken alone from here on, so that at least as many answers are right
    /// as this says.
    pub answer: f32,
    /// From here on 98 of 100 answers are right, by cross-validation over the pack's phrases.
    pub alone: f32,
    /// Two candidates at least this likely, and no further apart than `clarify_gap`, are asked
    /// about.
    pub clarify: f32,
    pub clarify_gap: f32,
    /// A phrase within a longer message (a wish for a person, `cancel`) counts from here on.
    pub high: f32,
    /// `Reading::out_of_scope` from here on means: none of these.
    pub out_of_scope: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            answer: 0.6,
            alone: 0.95,
            clarify: 0.3,
            clarify_gap: 0.15,
            high: 0.8,
            out_of_scope: 0.5,
        }
    }
}

/// A trained model. Pure: the same input gives the same reading; no I/O; never panics; its time
/// is bounded by the message's length (input beyond 4,000 characters is not read) and does not
/// grow with the number of stored conversations.
pub trait Understanding: Any + Send + Sync {
    fn read(&self, text: &str, locale: &Locale) -> Reading;
    /// The same, where the customer's messages before this one are at hand, newest last: what is
    /// said again then shows in `Reading::emotion`. Only the last few are looked at.
    fn read_after(&self, text: &str, locale: &Locale, previous: &[&str]) -> Reading {
        let _ = previous;
        self.read(text, locale)
    }
    /// Numbers, days, addresses and the like in a text, from left to right. Apart from a reading,
    /// because not every message's are asked for.
    fn entities(&self, text: &str, locale: &Locale) -> Vec<Entity>;
    /// Which confidences this model's readings suit, learned from the pack's phrases.
    fn thresholds(&self) -> Thresholds {
        Thresholds::default()
    }
    /// Passages for customers, best first.
    fn retrieve(&self, query: &Query) -> Vec<Passage>;
}

/// Makes a model from a pack. Deterministic.
pub trait Trainer: Send + Sync {
    fn train(&self, set: &TrainingSet) -> Arc<dyn Understanding>;
    /// The same model, made with less work where one of an earlier version of the pack is at hand.
    fn retrain(&self, set: &TrainingSet, before: &dyn Understanding) -> Arc<dyn Understanding> {
        let _ = before;
        self.train(set)
    }
}
