//! Understanding: what a customer's message may mean, how sure that is, how it feels, what
//! language it is in, and which passages of the knowledge answer it.
//!
//! [`PhraseTrainer`] makes a [`Model`] from what a pack teaches; both stand behind the traits of
//! [`tandem_domain::reading`]. Nothing here does I/O, nothing depends on a clock or on chance:
//! the same pack and the same message give the same reading.
//!
//! A message passes through, in this order:
//!
//! * [`normalise`] – one spelling: width, case, simplified characters, nothing invisible;
//! * [`tokens`] – words and runs of Chinese, each with how much it tells;
//! * [`words`] – vectors of English words;
//! * [`features`] – weighted features and the vocabulary that numbers them, keyed by [`hash`];
//! * [`classifier`] – a line for each target with several phrases;
//! * [`retrieval`] – the nearest phrases, for the long tail;
//! * [`confidence`] – from both to probabilities;
//! * [`intent`] – these together: training with cross-validation, and reading;
//! * [`emotion`], [`language`] – beside it;
//! * [`tandem_entities`] – numbers, money, days, addresses, codes in a message;
//! * [`knowledge`] – articles cut up and searched;
//! * [`embedding`] – texts as vectors, where an operator adds a model;
//! * [`cluster`] – questions that nothing answered, put together;
//! * [`eval`] – the figures of a model on labelled messages;
//! * [`explain`] – why a message is read as it is;
//! * [`model`] – assembles them; [`data`] – the word lists.

pub mod classifier;
pub mod cluster;
pub mod confidence;
mod data;
pub mod embedding;
pub mod emotion;
pub mod eval;
pub mod explain;
pub mod features;
pub mod hash;
pub mod intent;
pub mod knowledge;
pub mod language;
pub mod model;
pub mod normalise;
pub mod retrieval;
pub mod tokens;
pub mod words;

pub use intent::Reason;
pub use model::{Model, PhraseTrainer};

/// From which confidence on a caller acts on a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// The best candidate is taken alone from here on.
    pub answer: f32,
    /// A phrase within a longer message (a wish for a person, `cancel`) counts from here on.
    pub high: f32,
}

/// The thresholds that suit the confidences of [`Model`].
pub const THRESHOLDS: Thresholds = Thresholds {
    answer: 0.6,
    high: 0.8,
};
