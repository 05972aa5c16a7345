//! How a customer feels and how pressing it is, and the words that say so.
//!
//! * [`scan`] – a message as units, each with its place in the text as written;
//! * [`lexicon`] – the words that tell, English and Chinese, and the ones that only look so;
//! * [`rules`] – negation, stress, contrast, irony: from words to levels;
//! * [`repetition`] – the same said again;
//! * [`features`], [`model`] – what a business may train on its own labelled messages.
//!
//! The tables and rules are the project's own and come from no data set.

mod features;
mod lexicon;
mod model;
mod repetition;
mod rules;
mod scan;
mod solver;

pub use features::{Features, features};
pub use model::{EmotionModel, Labelled, Settings, train};
pub use rules::Mood;

use lexicon::Lexicon;
use scan::{Scan, Scanner};

use crate::normalise::Normaliser;

/// Reads feelings. Holds the tables; takes about two milliseconds to make.
#[derive(Debug)]
pub struct Emotions {
    lexicon: Lexicon,
}

impl Emotions {
    #[must_use]
    pub fn new(normaliser: &Normaliser) -> Self {
        Self {
            lexicon: Lexicon::new(&Scanner(normaliser)),
        }
    }

    /// The mood of a message as written. `previous` are the customer's messages before it, newest
    /// last; only the last few are read, to see what is said again.
    #[must_use]
    pub fn of(&self, normaliser: &Normaliser, text: &str, previous: &[&str]) -> Mood {
        let scan = self.scan(normaliser, text);
        let said = repetition::of(&scan, previous.iter().rev(), |t| self.scan(normaliser, t));
        rules::mood(&self.lexicon, text, &scan, said)
    }

    fn scan(&self, normaliser: &Normaliser, text: &str) -> Scan {
        Scanner(normaliser).scan(text, |unit| self.lexicon.knows(unit))
    }
}
