//! How a customer feels, and which words say so.

use serde::{Deserialize, Serialize};

/// What a message shows beside its sentiment, each 0–1, and the words that show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Emotion {
    pub anger: f32,
    /// Worry, fear, not knowing what to do.
    pub anxiety: f32,
    /// It has to happen now.
    pub urgency: f32,
    /// The customer threatens to leave.
    pub leaving: f32,
    /// Lawyers, courts, authorities, the press.
    pub legal: f32,
    /// Somebody was hurt or might be: fire, injury, allergy, electric shock.
    pub safety: f32,
    /// Capitals, rows of marks, drawn letters.
    pub shouting: f32,
    /// The customer says the same again.
    pub repetition: f32,
    /// The words that counted, strongest first; those of the sentiment too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<FeelingReason>,
}

/// Words of a message that show a feeling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeelingReason {
    pub what: Feeling,
    /// The words as written; empty where the whole message shows it.
    pub words: String,
    /// From and to, in bytes of the message.
    pub start: u32,
    pub end: u32,
    /// How much they count: from −1 for a sentiment, else from 0, to 1.
    pub weight: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feeling {
    Sentiment,
    Anger,
    Anxiety,
    Urgency,
    Leaving,
    Legal,
    Safety,
    Shouting,
    Repetition,
    /// Praise that is meant otherwise.
    Irony,
}

impl Feeling {
    /// Its name in JSON and in expressions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sentiment => "sentiment",
            Self::Anger => "anger",
            Self::Anxiety => "anxiety",
            Self::Urgency => "urgency",
            Self::Leaving => "leaving",
            Self::Legal => "legal",
            Self::Safety => "safety",
            Self::Shouting => "shouting",
            Self::Repetition => "repetition",
            Self::Irony => "irony",
        }
    }
}

impl Emotion {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// A level and the words that show it, for people: `anger 0.75: unacceptable, scam`.
    #[must_use]
    pub fn told(&self, name: &str, level: f32) -> String {
        let words: Vec<&str> = self
            .reasons
            .iter()
            .filter(|r| r.what.name() == name && !r.words.is_empty())
            .map(|r| r.words.as_str())
            .take(3)
            .collect();
        let colon = if words.is_empty() { "" } else { ": " };
        format!("{name} {level:.2}{colon}{}", words.join(", "))
    }

    /// The levels by their names in expressions, in the order people read them.
    #[must_use]
    pub fn levels(&self) -> [(&'static str, f32); 8] {
        [
            ("anger", self.anger),
            ("anxiety", self.anxiety),
            ("urgency", self.urgency),
            ("leaving", self.leaving),
            ("legal", self.legal),
            ("safety", self.safety),
            ("shouting", self.shouting),
            ("repetition", self.repetition),
        ]
    }
}
