//! Dates and times in expressions.

use std::cmp::Ordering;

use jiff::{Timestamp, Zoned, civil, tz::TimeZone};

/// A date or time as JSON carries it, in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `2025-03-17`
    Date(civil::Date),
    /// `2025-03-17T10:00`, in the pack's zone.
    Local(civil::DateTime),
    /// `2025-03-17T10:00:00+01:00`
    Instant(Timestamp),
}

/// Reads a text that begins like a date; none for any other text.
#[must_use]
pub fn parse_moment(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let dated = bytes.len() >= 10
        && bytes.len() <= 64
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-';
    if !dated {
        return None;
    }
    if bytes.len() == 10 {
        return text.parse().ok().map(Moment::Date);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(Moment::Instant(instant));
    }
    text.parse().ok().map(Moment::Local)
}

impl Moment {
    /// The calendar day it falls on in `zone`.
    #[must_use]
    pub fn day(&self, zone: &TimeZone) -> civil::Date {
        match self {
            Self::Date(date) => *date,
            Self::Local(at) => at.date(),
            Self::Instant(at) => at.to_zoned(zone.clone()).date(),
        }
    }

    fn zoned(&self, zone: &TimeZone) -> Option<Zoned> {
        match self {
            Self::Date(date) => date.to_zoned(zone.clone()).ok(),
            Self::Local(at) => at.to_zoned(zone.clone()).ok(),
            Self::Instant(at) => Some(at.to_zoned(zone.clone())),
        }
    }

    /// A date and a time of the same day are equal.
    pub(super) fn order(&self, other: &Self, zone: &TimeZone) -> Ordering {
        if matches!((self, other), (Self::Date(_), _) | (_, Self::Date(_))) {
            return self.day(zone).cmp(&other.day(zone));
        }
        match (self.zoned(zone), other.zoned(zone)) {
            (Some(a), Some(b)) => a.timestamp().cmp(&b.timestamp()),
            _ => self.day(zone).cmp(&other.day(zone)),
        }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) fn date(moment: &Moment, zone: &TimeZone, language: &str) -> String {
    let day = moment.day(zone);
    let month = usize::try_from(day.month() - 1).unwrap_or_default();
    match language {
        "zh" | "ja" => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
        "en" => format!("{} {} {}", day.day(), MONTHS[month], day.year()),
        _ => day.to_string(),
    }
}

pub(super) fn time(moment: &Moment, zone: &TimeZone) -> String {
    moment
        .zoned(zone)
        .map_or_else(String::new, |at| at.strftime("%H:%M").to_string())
}

pub(super) fn datetime(moment: &Moment, zone: &TimeZone, language: &str) -> String {
    let date = date(moment, zone, language);
    match moment {
        Moment::Date(_) => date,
        _ if language == "en" => format!("{date}, {}", time(moment, zone)),
        _ => format!("{date} {}", time(moment, zone)),
    }
}

/// By a `strftime` pattern.
pub(super) fn pattern(moment: &Moment, zone: &TimeZone, pattern: &str) -> Result<String, String> {
    if pattern.len() > 100 {
        return Err("the pattern of a date is too long".to_owned());
    }
    let at = moment.zoned(zone).ok_or("this date has no such time")?;
    let text = jiff::fmt::strtime::format(pattern, &at).map_err(|e| e.to_string())?;
    if text.len() > 1_000 {
        Err("the date is too long".to_owned())
    } else {
        Ok(text)
    }
}
