//! Dates and times of day as customers write them, in English and Chinese.
//!
//! A date without a year is the one nearest to today. "Friday" is the coming one, "next Friday"
//! and 下周五 the one in next week. `03/04` is read by the zone: month first in the Americas'
//! US zones, day first elsewhere.

use std::{ops::Range, sync::LazyLock};

use jiff::{
    ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use regex::{Captures, Regex};

use super::{normal::overlaps, number::han_value};

/// What "today" is, and how `03/04` reads.
#[derive(Clone, Debug)]
pub struct Calendar {
    pub today: Date,
    pub month_first: bool,
}

impl Calendar {
    #[must_use]
    pub fn new(now: tandem_domain::Timestamp, zone: &TimeZone) -> Self {
        const US: [&str; 14] = [
            "America/New_York",
            "America/Chicago",
            "America/Denver",
            "America/Los_Angeles",
            "America/Phoenix",
            "America/Anchorage",
            "America/Detroit",
            "America/Boise",
            "America/Indiana/Indianapolis",
            "America/Kentucky/Louisville",
            "America/Adak",
            "America/Juneau",
            "America/Puerto_Rico",
            "Pacific/Honolulu",
        ];
        Self {
            today: now.to_jiff().to_zoned(zone.clone()).date(),
            month_first: zone
                .iana_name()
                .is_some_and(|name| US.contains(&name) || name.starts_with("US/")),
        }
    }
}

struct Rule {
    pattern: Regex,
    read: fn(&Captures<'_>, &Calendar) -> Option<Date>,
    /// Only as a whole answer: in a sentence it may be something else.
    bare: bool,
}

const MONTHS: &str = "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?";
const DAYS: &str = "mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?";
const NUMERALS: &str = "[0-9零〇一二两三四五六七八九十]";

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule =
        |pattern: &str, bare: bool, read: fn(&Captures<'_>, &Calendar) -> Option<Date>| Rule {
            pattern: Regex::new(pattern).expect("the pattern is a constant"),
            read,
            bare,
        };
    vec![
        rule(
            r"(?-u:\b)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?-u:\b)",
            false,
            |c, _| date(int(c, 1)?, int(c, 2)?, int(c, 3)?),
        ),
        rule(
            &format!(
                r"(?:({NUMERALS}{{2,4}})\s*年\s*)?({NUMERALS}{{1,3}})\s*月\s*({NUMERALS}{{1,3}})\s*[日号]?"
            ),
            false,
            |c, cal| {
                let (month, day) = (han(c, 2)?, han(c, 3)?);
                match c.get(1) {
                    Some(_) => date(century(han(c, 1)?), month, day),
                    None => nearest(cal, month, day),
                }
            },
        ),
        rule(
            r"(?-u:\b)(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})?",
            false,
            |c, cal| match c.get(3) {
                Some(_) => date(century(int(c, 3)?), int(c, 2)?, int(c, 1)?),
                None => nearest(cal, int(c, 2)?, int(c, 1)?),
            },
        ),
        rule(
            r"(?-u:\b)(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d{2})(?-u:\b)",
            false,
            |c, cal| {
                let (month, day) = ordered(int(c, 1)?, int(c, 2)?, cal);
                date(century(int(c, 3)?), month, day)
            },
        ),
        rule(r"(?-u:\b)(\d{1,2})/(\d{1,2})(?-u:\b)", true, |c, cal| {
            let (month, day) = ordered(int(c, 1)?, int(c, 2)?, cal);
            nearest(cal, month, day)
        }),
        rule(
            &format!(
                r"(?-u:\b)(\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+({MONTHS})(?-u:\b)\.?(?:,?\s+(\d{{4}})(?-u:\b))?"
            ),
            false,
            |c, cal| {
                named(
                    cal,
                    &c[2],
                    int(c, 1)?,
                    c.get(3).and_then(|y| y.as_str().parse().ok()),
                )
            },
        ),
        rule(
            &format!(
                r"(?-u:\b)({MONTHS})(?-u:\b)\.?\s+(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?(?-u:\b)(?:,?\s+(\d{{4}})(?-u:\b))?"
            ),
            false,
            |c, cal| {
                named(
                    cal,
                    &c[1],
                    int(c, 2)?,
                    c.get(3).and_then(|y| y.as_str().parse().ok()),
                )
            },
        ),
        rule(
            r"(?-u:\b)day after tomorrow(?-u:\b)|大?后天",
            false,
            |c, cal| shift(cal, if c[0].starts_with('大') { 3 } else { 2 }),
        ),
        rule(
            r"(?-u:\b)day before yesterday(?-u:\b)|大?前天",
            false,
            |c, cal| shift(cal, if c[0].starts_with('大') { -3 } else { -2 }),
        ),
        rule(
            r"(?-u:\b)(?:today|tonight)(?-u:\b)|今[天日晚]",
            false,
            |_, cal| shift(cal, 0),
        ),
        rule(
            r"(?-u:\b)(?:tomorrow|tmrw|tmr)(?-u:\b)|明[天日晚]",
            false,
            |_, cal| shift(cal, 1),
        ),
        rule(
            r"(?-u:\b)yesterday(?-u:\b)|昨[天日晚]",
            false,
            |_, cal| shift(cal, -1),
        ),
        rule(
            r"(?-u:\b)in (\d{1,3}|an?|one|two|three|four|five|six|seven) (day|week|month)s?(?-u:\b)",
            false,
            |c, cal| later(cal, count(&c[1])?, &c[2]),
        ),
        rule(
            r"(?-u:\b)(\d{1,3}|an?|one|two|three|four|five|six|seven) (day|week|month)s? ago(?-u:\b)",
            false,
            |c, cal| later(cal, -count(&c[1])?, &c[2]),
        ),
        rule(
            &format!(r"({NUMERALS}{{1,3}})\s*(天|周|个?星期|个?月)之?([后前])"),
            false,
            |c, cal| {
                let amount = han(c, 1)?;
                let unit = if c[2].contains('天') {
                    "day"
                } else if c[2].contains('月') {
                    "month"
                } else {
                    "week"
                };
                later(cal, if &c[3] == "前" { -amount } else { amount }, unit)
            },
        ),
        rule(
            &format!(r"(?-u:\b)(?:(next|this|last|coming|on|by)\s+)({DAYS})(?-u:\b)"),
            false,
            |c, cal| {
                weekday(
                    cal,
                    c.get(1).map_or("", |m| m.as_str()),
                    english_day(&c[2])?,
                )
            },
        ),
        rule(&format!(r"(?-u:\b)({DAYS})(?-u:\b)"), true, |c, cal| {
            weekday(cal, "", english_day(&c[1])?)
        }),
        rule(
            r"(下+|这|本|上)?个?(?:周|星期|礼拜)([一二三四五六日天])",
            false,
            |c, cal| {
                let day = match &c[2] {
                    "一" => Weekday::Monday,
                    "二" => Weekday::Tuesday,
                    "三" => Weekday::Wednesday,
                    "四" => Weekday::Thursday,
                    "五" => Weekday::Friday,
                    "六" => Weekday::Saturday,
                    _ => Weekday::Sunday,
                };
                match c.get(1).map_or("", |m| m.as_str()) {
                    "" => weekday(cal, "", day),
                    "上" => weekday(cal, "last", day),
                    "这" | "本" => in_week(cal, 0, day),
                    more => in_week(cal, i64::try_from(more.chars().count()).ok()?, day),
                }
            },
        ),
        rule(
            r"(?-u:\b)(?:on )?the (\d{1,2})(?:st|nd|rd|th)(?-u:\b)|^(\d{1,2})(?:st|nd|rd|th)$|(\d{1,2})[号日]",
            true,
            |c, cal| {
                let day = (1..=3).find_map(|g| int(c, g))?;
                (0..=2)
                    .filter_map(|m| {
                        let first = cal.today.first_of_month().checked_add(m.months()).ok()?;
                        Date::new(first.year(), first.month(), i8::try_from(day).ok()?).ok()
                    })
                    .find(|d| *d >= cal.today)
            },
        ),
    ]
});

/// The first date in a message in lower case. `whole` also takes forms that could be something
/// else inside a sentence.
#[must_use]
pub fn find_date(
    lower: &str,
    calendar: &Calendar,
    taken: &[Range<usize>],
    whole: bool,
) -> Option<(Date, Range<usize>)> {
    first_of(lower, calendar, taken, false).or_else(|| {
        whole
            .then(|| first_of(lower, calendar, taken, true))
            .flatten()
    })
}

fn first_of(
    lower: &str,
    calendar: &Calendar,
    taken: &[Range<usize>],
    bare: bool,
) -> Option<(Date, Range<usize>)> {
    let mut best: Option<(Date, Range<usize>)> = None;
    for rule in RULES.iter().filter(|r| r.bare == bare) {
        for found in rule.pattern.captures_iter(lower).take(8) {
            let Some(span) = found.get(0).map(|m| m.range()) else {
                continue;
            };
            if overlaps(&span, taken) {
                continue;
            }
            let Some(date) = (rule.read)(&found, calendar) else {
                continue;
            };
            // The leftmost wins, and of those the longest.
            let better = best.as_ref().is_none_or(|(_, b)| {
                span.start < b.start || (span.start == b.start && span.end > b.end)
            });
            if better {
                best = Some((date, span));
            }
            break;
        }
    }
    best
}

/// Where dates and times of day stand in a message in lower case: a number in one of them counts
/// nothing. "In 3 days" says how many, so it is none of them.
#[must_use]
pub fn moments(lower: &str, calendar: &Calendar) -> Vec<Range<usize>> {
    const MOST: usize = 8;
    let mut found: Vec<Range<usize>> = Vec::new();
    while found.len() < MOST
        && let Some((_, span)) = find_date(lower, calendar, &found, false)
    {
        found.push(span);
    }
    while found.len() < 2 * MOST
        && let Some((_, span)) = find_time(lower, &found)
    {
        found.push(span);
    }
    found.retain(|span| {
        let said = &lower[span.clone()];
        // "2.5." may be a number at the end of a sentence.
        let decimal = said.ends_with('.') && said.chars().all(|c| c.is_ascii_digit() || c == '.');
        let how_many =
            said.starts_with("in ") || said.ends_with("ago") || said.ends_with(['后', '前']);
        !decimal && !how_many
    });
    found
}

static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)(\d{1,2})[:h](\d{2})(?::(\d{2}))?\s*(a\.?m\.?|p\.?m\.?)?|(?-u:\b)(\d{1,2})\s*(a\.?m\.?|p\.?m\.?|o'clock)(?-u:\b|$)|(?-u:\b)(noon|midday|midnight)(?-u:\b)")
        .expect("the pattern is a constant")
});
static HAN_CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(
        r"(凌晨|早上|上午|中午|下午|傍晚|晚上|今晚|明晚)?\s*({NUMERALS}{{1,3}})\s*(?:[点时](?:钟|整)?(半|一刻|三刻|({NUMERALS}{{1,3}})分?)?|[:]({NUMERALS}{{2}}))"
    ))
    .expect("the pattern is a constant")
});

/// The first time of day in a message in lower case.
#[must_use]
pub fn find_time(lower: &str, taken: &[Range<usize>]) -> Option<(Time, Range<usize>)> {
    for c in HAN_CLOCK.captures_iter(lower).take(8) {
        let Some(whole) = c.get(0) else { continue };
        // Without 点 or a part of the day it is read as a plain clock time below.
        if c.get(5).is_some() && c.get(1).is_none() || overlaps(&whole.range(), taken) {
            continue;
        }
        let Some(mut hour) = han(&c, 2) else { continue };
        let minute = match (c.get(3).map(|m| m.as_str()), c.get(4), c.get(5)) {
            (Some("半"), ..) => 30,
            (Some("一刻"), ..) => 15,
            (Some("三刻"), ..) => 45,
            (_, Some(_), _) => han(&c, 4).unwrap_or(0),
            (_, _, Some(_)) => han(&c, 5).unwrap_or(0),
            _ => 0,
        };
        match c.get(1).map(|m| m.as_str()) {
            Some("下午" | "傍晚" | "晚上" | "今晚" | "明晚") if hour < 12 => hour += 12,
            Some("中午") if hour < 11 => hour += 12,
            Some("凌晨") if hour == 12 => hour = 0,
            _ => {}
        }
        if let Some(time) = clock(hour, minute, 0) {
            return Some((time, whole.range()));
        }
    }
    for c in CLOCK.captures_iter(lower).take(8) {
        let Some(whole) = c.get(0) else { continue };
        if overlaps(&whole.range(), taken) {
            continue;
        }
        let time = if let Some(word) = c.get(7) {
            clock(if word.as_str() == "midnight" { 0 } else { 12 }, 0, 0)
        } else {
            let (hour, minute, second, half) = if c.get(1).is_some() {
                (int(&c, 1), int(&c, 2), int(&c, 3), c.get(4))
            } else {
                (int(&c, 5), Some(0), None, c.get(6))
            };
            hour.zip(minute).and_then(|(hour, minute)| {
                let hour = match half.map(|m| m.as_str().as_bytes()[0]) {
                    Some(b'p') if hour < 12 => hour + 12,
                    Some(b'a') if hour == 12 => 0,
                    _ => hour,
                };
                clock(hour, minute, second.unwrap_or(0))
            })
        };
        if let Some(time) = time {
            return Some((time, whole.range()));
        }
    }
    None
}

fn clock(hour: i64, minute: i64, second: i64) -> Option<Time> {
    Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        0,
    )
    .ok()
}

fn int(c: &Captures<'_>, group: usize) -> Option<i64> {
    c.get(group)?.as_str().parse().ok()
}

fn han(c: &Captures<'_>, group: usize) -> Option<i64> {
    let text = c.get(group)?.as_str();
    text.parse().ok().or_else(|| {
        let value = han_value(text)?;
        #[expect(clippy::cast_possible_truncation, reason = "at most four numerals")]
        Some(value as i64)
    })
}

fn count(word: &str) -> Option<i64> {
    Some(match word {
        "a" | "an" | "one" => 1,
        "two" => 2,
        "three" => 3,
        "four" => 4,
        "five" => 5,
        "six" => 6,
        "seven" => 7,
        digits => digits.parse().ok()?,
    })
}

fn century(year: i64) -> i64 {
    if year < 100 { 2000 + year } else { year }
}

fn date(year: i64, month: i64, day: i64) -> Option<Date> {
    if !(1900..=2200).contains(&year) {
        return None;
    }
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

fn ordered(first: i64, second: i64, calendar: &Calendar) -> (i64, i64) {
    let month_first = if first > 12 {
        false
    } else if second > 12 {
        true
    } else {
        calendar.month_first
    };
    if month_first {
        (first, second)
    } else {
        (second, first)
    }
}

/// The day and month in the year that brings it nearest to today.
fn nearest(calendar: &Calendar, month: i64, day: i64) -> Option<Date> {
    let year = i64::from(calendar.today.year());
    (year - 1..=year + 1)
        .filter_map(|y| date(y, month, day))
        .min_by_key(|d| (*d - calendar.today).get_days().abs())
}

fn named(calendar: &Calendar, month: &str, day: i64, year: Option<i64>) -> Option<Date> {
    const FIRST: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let month = i64::try_from(FIRST.iter().position(|m| month.starts_with(m))?).ok()? + 1;
    match year {
        Some(year) => date(year, month, day),
        None => nearest(calendar, month, day),
    }
}

fn shift(calendar: &Calendar, days: i64) -> Option<Date> {
    calendar.today.checked_add(days.days()).ok()
}

fn later(calendar: &Calendar, amount: i64, unit: &str) -> Option<Date> {
    let span = match unit {
        "day" => amount.days(),
        "week" => amount.weeks(),
        _ => amount.months(),
    };
    calendar.today.checked_add(span).ok()
}

fn english_day(word: &str) -> Option<Weekday> {
    Some(match word.get(..2)? {
        "mo" => Weekday::Monday,
        "tu" => Weekday::Tuesday,
        "we" => Weekday::Wednesday,
        "th" => Weekday::Thursday,
        "fr" => Weekday::Friday,
        "sa" => Weekday::Saturday,
        "su" => Weekday::Sunday,
        _ => return None,
    })
}

fn in_week(calendar: &Calendar, weeks: i64, day: Weekday) -> Option<Date> {
    let back = i64::from(calendar.today.weekday().to_monday_zero_offset());
    let days = weeks * 7 - back + i64::from(day.to_monday_zero_offset());
    shift(calendar, days)
}

fn weekday(calendar: &Calendar, which: &str, day: Weekday) -> Option<Date> {
    let ahead = i64::from(day.to_monday_zero_offset())
        - i64::from(calendar.today.weekday().to_monday_zero_offset());
    match which {
        "next" => in_week(calendar, 1, day),
        "this" => shift(calendar, if ahead < 0 { ahead + 7 } else { ahead }),
        "last" => shift(calendar, if ahead >= 0 { ahead - 7 } else { ahead }),
        _ => shift(calendar, if ahead <= 0 { ahead + 7 } else { ahead }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date as d, time as t};

    fn on(text: &str) -> Option<Date> {
        // A Monday.
        let calendar = Calendar {
            today: d(2025, 3, 3),
            month_first: false,
        };
        find_date(&text.to_lowercase(), &calendar, &[], true).map(|f| f.0)
    }

    #[test]
    fn english_dates_are_read() {
        for (text, want) in [
            ("2025-03-25", d(2025, 3, 25)),
            ("it came on 25.2.2025", d(2025, 2, 25)),
            ("3 March", d(2025, 3, 3)),
            ("the 3rd of March 2024", d(2024, 3, 3)),
            ("March 5th", d(2025, 3, 5)),
            ("04/05", d(2025, 5, 4)),
            ("04/05/25", d(2025, 5, 4)),
            ("12/31", d(2024, 12, 31)),
            ("tomorrow please", d(2025, 3, 4)),
            ("the day after tomorrow", d(2025, 3, 5)),
            ("next Friday", d(2025, 3, 14)),
            ("on Friday", d(2025, 3, 7)),
            ("friday", d(2025, 3, 7)),
            ("last Tuesday", d(2025, 2, 25)),
            ("in 2 weeks", d(2025, 3, 17)),
            ("3 days ago", d(2025, 2, 28)),
            ("the 15th", d(2025, 3, 15)),
        ] {
            assert_eq!(on(text), Some(want), "{text}");
        }
        assert_eq!(on("31 February"), None);
        assert_eq!(on("hello"), None);
    }

    #[test]
    fn chinese_dates_are_read() {
        for (text, want) in [
            ("明天", d(2025, 3, 4)),
            ("大后天", d(2025, 3, 6)),
            ("下周五", d(2025, 3, 14)),
            ("下下周一", d(2025, 3, 17)),
            ("周五", d(2025, 3, 7)),
            ("3月5日", d(2025, 3, 5)),
            ("三月二十五号", d(2025, 3, 25)),
            ("2024年12月1日", d(2024, 12, 1)),
            ("三天后", d(2025, 3, 6)),
            ("两周前", d(2025, 2, 17)),
            ("15号", d(2025, 3, 15)),
        ] {
            assert_eq!(on(text), Some(want), "{text}");
        }
    }

    #[test]
    fn the_zone_decides_what_comes_first() {
        let us = Calendar {
            today: d(2025, 3, 3),
            month_first: true,
        };
        assert_eq!(find_date("04/05", &us, &[], true).unwrap().0, d(2025, 4, 5));
        assert!(find_date("4/5", &us, &[], false).is_none());
    }

    #[test]
    fn times_are_read() {
        for (text, want) in [
            ("14:30", t(14, 30, 0, 0)),
            ("at 2:30 pm", t(14, 30, 0, 0)),
            ("2pm", t(14, 0, 0, 0)),
            ("12 a.m.", t(0, 0, 0, 0)),
            ("noon", t(12, 0, 0, 0)),
            ("下午3点", t(15, 0, 0, 0)),
            ("晚上八点半", t(20, 30, 0, 0)),
            ("14点20分", t(14, 20, 0, 0)),
            ("上午10:15", t(10, 15, 0, 0)),
        ] {
            assert_eq!(find_time(text, &[]).map(|f| f.0), Some(want), "{text}");
        }
        assert!(find_time("25:00", &[]).is_none());
    }
}
