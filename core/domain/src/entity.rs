//! Things with a value in a message: numbers, money, days and times, addresses, codes.
//!
//! What is said relative to today stays relative ("next Friday", 大后天): an [`Entity`] is a
//! function of the words alone, so that a replay reads the same. [`Calendar`] says what now is
//! and in which zone, and turns it into a date, a time or an instant.

use std::{borrow::Cow, ops::Range};

use jiff::{Zoned, civil};
use serde::{Deserialize, Serialize};

mod calendar;

pub use calendar::{Calendar, Clock, Day, Edge, Length, Moment, Week};

/// From this confidence on, an entity counts in a message about something else. Below it, it
/// counts only where the message was asked for it.
pub const IN_PASSING: f32 = 0.5;

/// A value somewhere in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Bytes of the message as it was written. Entities of a message do not overlap.
    pub span: Range<usize>,
    #[serde(flatten)]
    pub value: EntityValue,
    /// How sure it is that the words mean this, 0–1.
    pub confidence: f32,
    /// By which rule it was read, for `trace`.
    pub how: Cow<'static, str>,
}

/// What an entity says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntityValue {
    Number {
        value: f64,
    },
    /// "the 2nd", 第二个; from 1.
    Ordinal {
        value: u32,
    },
    /// In the currency's main unit; the shortest decimal form of `amount` is what was said.
    Money {
        amount: f64,
        /// ISO 4217.
        currency: String,
    },
    /// 20 for "20 %". `off` where that much is taken off a price: "20 % off", 八折.
    Percentage {
        value: f64,
        #[serde(default, skip_serializing_if = "is_false")]
        off: bool,
    },
    /// A measured or packed amount: `kg`, `pair`, `size`.
    Quantity {
        value: f64,
        unit: String,
    },
    Duration {
        length: Length,
        /// The upper end of "3–5 days".
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Length>,
    },
    Date {
        at: Moment,
    },
    Time {
        at: Moment,
    },
    DateTime {
        at: Moment,
    },
    /// "between Monday and Wednesday", 三点到五点: both ends belong to it.
    Period {
        from: Moment,
        to: Moment,
    },
    Email {
        address: String,
    },
    /// E.164 with a leading plus where the country is known, else the digits.
    Phone {
        number: String,
    },
    Url {
        address: String,
    },
    /// Text that satisfies a pattern of the pack.
    Pattern {
        name: String,
        text: String,
    },
    /// An option of a list that was given, by its label, a synonym, or one with a slip.
    Choice {
        list: String,
        option: String,
    },
}

/// The kinds of values, for asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Number,
    Ordinal,
    Money,
    Percentage,
    Quantity,
    Duration,
    Date,
    Time,
    DateTime,
    Period,
    Email,
    Phone,
    Url,
    Pattern,
    Choice,
}

impl Entity {
    #[must_use]
    pub fn kind(&self) -> EntityKind {
        match &self.value {
            EntityValue::Number { .. } => EntityKind::Number,
            EntityValue::Ordinal { .. } => EntityKind::Ordinal,
            EntityValue::Money { .. } => EntityKind::Money,
            EntityValue::Percentage { .. } => EntityKind::Percentage,
            EntityValue::Quantity { .. } => EntityKind::Quantity,
            EntityValue::Duration { .. } => EntityKind::Duration,
            EntityValue::Date { .. } => EntityKind::Date,
            EntityValue::Time { .. } => EntityKind::Time,
            EntityValue::DateTime { .. } => EntityKind::DateTime,
            EntityValue::Period { .. } => EntityKind::Period,
            EntityValue::Email { .. } => EntityKind::Email,
            EntityValue::Phone { .. } => EntityKind::Phone,
            EntityValue::Url { .. } => EntityKind::Url,
            EntityValue::Pattern { .. } => EntityKind::Pattern,
            EntityValue::Choice { .. } => EntityKind::Choice,
        }
    }

    /// The figure of a number, a quantity, an amount or a percentage.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match &self.value {
            EntityValue::Number { value }
            | EntityValue::Quantity { value, .. }
            | EntityValue::Percentage { value, .. } => Some(*value),
            EntityValue::Money { amount, .. } => Some(*amount),
            EntityValue::Ordinal { value } => Some(f64::from(*value)),
            _ => None,
        }
    }

    /// The one day it names, alone or with a time. None for a week, a month or a range.
    #[must_use]
    pub fn date(&self, calendar: &Calendar) -> Option<civil::Date> {
        let (first, last) = self.moment()?.days(calendar)?;
        (first == last).then_some(first)
    }

    /// The time of day it names, alone or with a day. None for a part of the day.
    #[must_use]
    pub fn time(&self, calendar: &Calendar) -> Option<civil::Time> {
        self.moment()?.time(calendar)
    }

    /// The instant it names: a day with a time, or "in two hours".
    #[must_use]
    pub fn instant(&self, calendar: &Calendar) -> Option<Zoned> {
        self.moment()?.instant(calendar)
    }

    /// From when to when it is, the end left out: a day is until midnight, a range until the end
    /// of its last day, an instant has no length.
    #[must_use]
    pub fn bounds(&self, calendar: &Calendar) -> Option<(Zoned, Zoned)> {
        match &self.value {
            EntityValue::Period { from, to } => calendar.range(from, to),
            _ => self.moment()?.bounds(calendar),
        }
    }

    fn moment(&self) -> Option<&Moment> {
        match &self.value {
            EntityValue::Date { at } | EntityValue::Time { at } | EntityValue::DateTime { at } => {
                Some(at)
            }
            _ => None,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}
