//! Days and times as they are said, and what they are on a given day in a given zone.

use jiff::{
    Span, ToSpan, Zoned,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use crate::{Locale, Timestamp};

/// A stretch of time, by what keeps its length: months, days, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    #[serde(default, skip_serializing_if = "is_zero_i32")]
    pub months: i32,
    #[serde(default, skip_serializing_if = "is_zero_i32")]
    pub days: i32,
    #[serde(default, skip_serializing_if = "is_zero_i64")]
    pub seconds: i64,
    /// The days are working days.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub working: bool,
}

/// Which week a weekday is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Week {
    /// The next such day after today.
    Coming,
    /// The next such day, today included.
    Nearest,
    /// The last such day before today.
    Past,
    /// That of the week so many weeks from this one.
    In(i8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    Start,
    Middle,
    End,
}

/// A day, or several in a row, as they are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Day {
    Date {
        year: i16,
        month: i8,
        day: i8,
    },
    /// In the year so many years from this one; without, the one nearest to today.
    MonthDay {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        years: Option<i8>,
        month: i8,
        day: i8,
    },
    /// 03/04: the calendar knows which is the month.
    Slashed {
        first: i8,
        second: i8,
        year: Option<i16>,
    },
    /// "the 5th": the next to come, or that of the month so many months from this one.
    DayOfMonth {
        day: i8,
        months: Option<i8>,
    },
    /// So far from today.
    Shift {
        months: i32,
        days: i32,
    },
    /// `weekday` from 1 for Monday to 7.
    Weekday {
        weekday: i8,
        week: Week,
    },
    Weekend {
        weeks: i8,
    },
    Week {
        weeks: i8,
    },
    Month {
        months: i8,
    },
    /// "March", "March 2024"; without a year the one nearest to today.
    NamedMonth {
        year: Option<i16>,
        month: i8,
    },
    Year {
        years: i8,
    },
    NamedYear {
        year: i16,
    },
    /// 月底, "end of next month".
    MonthEdge {
        months: i8,
        edge: Edge,
    },
    NamedMonthEdge {
        month: i8,
        edge: Edge,
    },
    YearEdge {
        years: i8,
        edge: Edge,
    },
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    pub hour: i8,
    pub minute: i8,
    #[serde(default)]
    pub second: i8,
    /// A part of the day ("in the morning") ends at this hour, up to 24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i8>,
    /// Half of the day was said, or cannot be mistaken; not so in "at 3", which is three in the
    /// afternoon: from one to seven, few shops are open in the other half.
    pub sure: bool,
}

/// A point in time as it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    Day(Day),
    Clock(Clock),
    DayClock(Day, Clock),
    /// "in two hours", "ten minutes ago".
    FromNow {
        seconds: i64,
    },
}

/// What "today" is, in which zone, and how 03/04 reads.
#[derive(Clone, Debug)]
pub struct Calendar {
    now: Zoned,
    month_first: bool,
}

impl Calendar {
    /// 03/04 is read month first in the zones of the United States unless the locale names
    /// another country, in American English, and in Chinese, Japanese and Korean; else day first.
    #[must_use]
    pub fn new(now: Timestamp, zone: &TimeZone, locale: &Locale) -> Self {
        let region = locale.as_str().split(['-', '_']).nth(1);
        let month_first = match (locale.language(), region) {
            ("zh" | "ja" | "ko", _) => true,
            (_, Some(region)) if region.len() == 2 => region.eq_ignore_ascii_case("US"),
            _ => in_the_states(zone),
        };
        Self {
            now: now.to_jiff().to_zoned(zone.clone()),
            month_first,
        }
    }

    #[must_use]
    pub fn today(&self) -> Date {
        self.now.date()
    }

    #[must_use]
    pub fn month_first(&self) -> bool {
        self.month_first
    }

    pub(super) fn range(&self, from: &Moment, to: &Moment) -> Option<(Zoned, Zoned)> {
        let (start, _) = from.bounds(self)?;
        let (_, mut end) = to.bounds(self)?;
        if end < start {
            // "Friday to Monday", "10 pm to 2 am": the end is that after the start.
            let step = match to {
                Moment::Day(Day::Weekday { .. }) => 7.days(),
                Moment::Clock(_) => 1.day(),
                Moment::Day(Day::MonthDay { .. } | Day::NamedMonth { .. }) => 1.year(),
                Moment::Day(Day::DayOfMonth { .. }) => 1.month(),
                _ => return None,
            };
            end = end.checked_add(step).ok()?;
        }
        (end >= start).then_some((start, end))
    }

    fn zoned(&self, date: Date, time: Time) -> Option<Zoned> {
        DateTime::from_parts(date, time)
            .to_zoned(self.now.time_zone().clone())
            .ok()
    }

    fn shift(&self, span: Span) -> Option<Date> {
        self.today().checked_add(span).ok()
    }

    /// The first of the month so many months from this one.
    fn month(&self, months: i64) -> Option<Date> {
        let first = self.today().first_of_month();
        first.checked_add(Span::new().try_months(months).ok()?).ok()
    }

    /// Monday of the week so many weeks from this one.
    fn monday(&self, weeks: i64) -> Option<Date> {
        let back = i64::from(self.today().weekday().to_monday_zero_offset());
        let days = weeks.checked_mul(7)?.checked_sub(back)?;
        self.shift(Span::new().try_days(days).ok()?)
    }

    /// The year that brings a date nearest to today; the earlier of two as near.
    fn nearest(&self, at: impl Fn(i16) -> Option<Date>) -> Option<Date> {
        let year = self.today().year();
        (year.saturating_sub(1)..=year.saturating_add(1))
            .filter_map(at)
            .min_by_key(|d| days_between(self.today(), *d).abs())
    }
}

impl Moment {
    /// The first and the last day it names.
    #[must_use]
    pub fn days(&self, calendar: &Calendar) -> Option<(Date, Date)> {
        match self {
            Self::Day(day) | Self::DayClock(day, _) => day.days(calendar),
            Self::Clock(_) => None,
            Self::FromNow { .. } => {
                let date = self.instant(calendar)?.date();
                Some((date, date))
            }
        }
    }

    /// The time of day, where one is named.
    #[must_use]
    pub fn time(&self, calendar: &Calendar) -> Option<Time> {
        match self {
            Self::Clock(clock) | Self::DayClock(_, clock) => {
                clock.until.is_none().then(|| clock.start()).flatten()
            }
            Self::FromNow { .. } => Some(self.instant(calendar)?.time()),
            Self::Day(_) => None,
        }
    }

    /// The instant, where a day and a time are named. A time that a change of the clock leaves
    /// out is the one an hour later.
    #[must_use]
    pub fn instant(&self, calendar: &Calendar) -> Option<Zoned> {
        match self {
            Self::DayClock(day, clock) if clock.until.is_none() => {
                let (first, last) = day.days(calendar)?;
                (first == last)
                    .then(|| calendar.zoned(first, clock.start()?))
                    .flatten()
            }
            Self::FromNow { seconds } => {
                let span = Span::new().try_seconds(*seconds).ok()?;
                calendar.now.checked_add(span).ok()
            }
            _ => None,
        }
    }

    /// From when to when, the end left out. A time alone is that of today.
    #[must_use]
    pub fn bounds(&self, calendar: &Calendar) -> Option<(Zoned, Zoned)> {
        match self {
            Self::Day(day) => {
                let (first, last) = day.days(calendar)?;
                let end = calendar.zoned(last.tomorrow().ok()?, Time::midnight())?;
                Some((calendar.zoned(first, Time::midnight())?, end))
            }
            Self::Clock(clock) => clock.on(calendar, calendar.today()),
            Self::DayClock(day, clock) => {
                let (first, last) = day.days(calendar)?;
                let (start, _) = clock.on(calendar, first)?;
                let (_, end) = clock.on(calendar, last)?;
                Some((start, end))
            }
            Self::FromNow { .. } => {
                let at = self.instant(calendar)?;
                Some((at.clone(), at))
            }
        }
    }
}

impl Clock {
    fn start(&self) -> Option<Time> {
        let after_noon = !self.sure && (1..=7).contains(&self.hour);
        let hour = self.hour + if after_noon { 12 } else { 0 };
        Time::new(hour, self.minute, self.second, 0).ok()
    }

    fn on(&self, calendar: &Calendar, date: Date) -> Option<(Zoned, Zoned)> {
        let start = calendar.zoned(date, self.start()?)?;
        let end = match self.until {
            None => start.clone(),
            Some(24) => calendar.zoned(date.tomorrow().ok()?, Time::midnight())?,
            Some(hour) => calendar.zoned(date, Time::new(hour, 0, 0, 0).ok()?)?,
        };
        Some((start, end))
    }
}

impl Day {
    /// The first and the last day; none where the calendar has no such day.
    #[must_use]
    pub fn days(&self, calendar: &Calendar) -> Option<(Date, Date)> {
        let one = |date: Option<Date>| date.map(|d| (d, d));
        match *self {
            Self::Date { year, month, day } => one(Date::new(year, month, day).ok()),
            Self::MonthDay { years, month, day } => one(match years {
                Some(years) => {
                    let year = calendar.today().year().checked_add(i16::from(years))?;
                    Date::new(year, month, day).ok()
                }
                None => calendar.nearest(|year| Date::new(year, month, day).ok()),
            }),
            Self::Slashed {
                first,
                second,
                year,
            } => {
                let month_first = second > 12 || (first <= 12 && calendar.month_first);
                let (month, day) = if month_first {
                    (first, second)
                } else {
                    (second, first)
                };
                one(match year {
                    Some(year) => Date::new(year, month, day).ok(),
                    None => calendar.nearest(|year| Date::new(year, month, day).ok()),
                })
            }
            Self::DayOfMonth { day, months } => {
                let on = |months: i64| {
                    let first = calendar.month(months)?;
                    Date::new(first.year(), first.month(), day).ok()
                };
                one(match months {
                    Some(months) => on(i64::from(months)),
                    None => (0..=2)
                        .filter_map(on)
                        .find(|date| *date >= calendar.today()),
                })
            }
            Self::Shift { months, days } => {
                let span = Span::new()
                    .try_months(months)
                    .and_then(|s| s.try_days(days))
                    .ok()?;
                one(calendar.shift(span))
            }
            Self::Weekday { weekday, week } => {
                let wanted = i64::from(
                    Weekday::from_monday_one_offset(weekday)
                        .ok()?
                        .to_monday_zero_offset(),
                );
                let ahead = wanted - i64::from(calendar.today().weekday().to_monday_zero_offset());
                let days = match week {
                    Week::Coming if ahead <= 0 => ahead + 7,
                    Week::Nearest if ahead < 0 => ahead + 7,
                    Week::Past if ahead >= 0 => ahead - 7,
                    Week::In(weeks) => ahead + 7 * i64::from(weeks),
                    _ => ahead,
                };
                one(calendar.shift(days.days()))
            }
            Self::Weekend { weeks } => {
                let monday = calendar.monday(i64::from(weeks))?;
                Some((
                    monday.checked_add(5.days()).ok()?,
                    monday.checked_add(6.days()).ok()?,
                ))
            }
            Self::Week { weeks } => {
                let monday = calendar.monday(i64::from(weeks))?;
                Some((monday, monday.checked_add(6.days()).ok()?))
            }
            Self::Month { months } => whole_month(calendar.month(i64::from(months))?),
            Self::NamedMonth { year, month } => whole_month(match year {
                Some(year) => Date::new(year, month, 1).ok()?,
                None => calendar.nearest(|year| Date::new(year, month, 1).ok())?,
            }),
            Self::Year { years } => {
                whole_year(calendar.today().year().checked_add(i16::from(years))?)
            }
            Self::NamedYear { year } => whole_year(year),
            Self::MonthEdge { months, edge } => {
                one(edge_of_month(calendar.month(i64::from(months))?, edge))
            }
            Self::NamedMonthEdge { month, edge } => {
                let first = calendar.nearest(|year| Date::new(year, month, 1).ok())?;
                one(edge_of_month(first, edge))
            }
            Self::YearEdge { years, edge } => {
                let year = calendar.today().year().checked_add(i16::from(years))?;
                one(match edge {
                    Edge::Start => Date::new(year, 1, 1).ok(),
                    Edge::Middle => Date::new(year, 7, 1).ok(),
                    Edge::End => Date::new(year, 12, 31).ok(),
                })
            }
        }
    }
}

fn whole_month(first: Date) -> Option<(Date, Date)> {
    Some((first, first.last_of_month()))
}

fn whole_year(year: i16) -> Option<(Date, Date)> {
    let first = Date::new(year, 1, 1).ok()?;
    Some((first, first.last_of_year()))
}

fn edge_of_month(first: Date, edge: Edge) -> Option<Date> {
    match edge {
        Edge::Start => Some(first),
        Edge::Middle => Date::new(first.year(), first.month(), 15).ok(),
        Edge::End => Some(first.last_of_month()),
    }
}

fn days_between(a: Date, b: Date) -> i64 {
    i64::from((b - a).get_days())
}

/// Zones where 03/04 is the fourth of March.
fn in_the_states(zone: &TimeZone) -> bool {
    const ZONES: [&str; 15] = [
        "America/New_York",
        "America/Chicago",
        "America/Denver",
        "America/Los_Angeles",
        "America/Phoenix",
        "America/Anchorage",
        "America/Detroit",
        "America/Boise",
        "America/Menominee",
        "America/Adak",
        "America/Juneau",
        "America/Nome",
        "America/Sitka",
        "America/Puerto_Rico",
        "Pacific/Honolulu",
    ];
    const PARTS: [&str; 4] = [
        "US/",
        "America/Indiana/",
        "America/Kentucky/",
        "America/North_Dakota/",
    ];
    zone.iana_name().is_some_and(|name| {
        ZONES.contains(&name) || PARTS.iter().any(|part| name.starts_with(part))
    })
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero_i32(value: &i32) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero_i64(value: &i64) -> bool {
    *value == 0
}
