//! What a simulated conversation is made of: its beginning, what it asks of the outside, what comes
//! out of it.

use tandem_domain::{
    Locale, Map, Timestamp, Value,
    action::{ActionError, Request},
    conversation::{HandoffMode, Priority},
    message::{Content, Part},
};

use crate::{model::Pack, step::SaySource};

/// What time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Stands still until it is moved.
    Virtual(Timestamp),
    Real,
}

/// Answers what flows ask of the outside. Knowledge is looked up without it.
pub trait Actions {
    /// One call. It may block.
    ///
    /// # Errors
    /// What `on_error` chooses by.
    fn call(&mut self, pack: &Pack, request: &Request, at: Moment) -> Result<Value, ActionError>;
}

/// When and for how long a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub now: Timestamp,
    pub timeout_ms: u64,
}

/// How a conversation begins.
#[derive(Clone, Debug)]
pub struct Setup {
    pub clock: Clock,
    pub locale: Option<Locale>,
    /// What is known of the customer.
    pub contact: Map,
    pub channel: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            clock: Clock::Real,
            locale: None,
            contact: Map::new(),
            channel: "web".into(),
        }
    }
}

/// A message of the bot.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub content: Content,
    pub source: SaySource,
    /// Another channel it went to.
    pub via: Option<String>,
}

impl Said {
    /// Labels it offers, in order.
    #[must_use]
    pub fn options(&self) -> Vec<&str> {
        let cards = self.content.parts.iter().flat_map(|p| match p {
            Part::Card(card) => card.choices.as_slice(),
            _ => &[],
        });
        cards
            .chain(&self.content.choices)
            .map(|c| c.label.as_str())
            .collect()
    }
}

/// What happened after an input, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    Said(Said),
    /// For the people at the desk.
    Note(String),
    Handoff(Handed),
    Ticket {
        title: String,
        skill: String,
        fields: Map,
    },
    Tagged(String),
    Resolved(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    pub skill: String,
    pub priority: Priority,
    pub mode: HandoffMode,
    pub summary: Option<String>,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// `connection.operation`, `module.function`, `plugin.method`.
    pub operation: String,
    pub args: Value,
}
