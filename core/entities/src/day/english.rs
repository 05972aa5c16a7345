//! Days in English and in figures.

use tandem_domain::entity::{Day, Edge, Week};

use super::{
    super::{
        Hit,
        clock::{self, EVENING, MORNING},
        tokens::{Class, View},
    },
    Named, full_year, hit, in_part, month_day,
};

/// Whether the number goes on as something else: a version, a longer code.
fn goes_on(v: View<'_>, end: usize) -> bool {
    v.glued(end)
        && (v.is_char(end, &['-', '/', '_', '@']) && v.glued(end + 1)
            || v.is_char(end, &['.'])
                && v.glued(end + 1)
                && v.class(end + 1) == Some(Class::Digits)
            || matches!(v.class(end), Some(Class::Word)) && !v.is(end, "t"))
}

/// 2025-03-05, 5.3.2025, 03/04, 3/4/25, 5 March, 5th.
pub(super) fn digits(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    let first = v.int(i)?;
    let separator = v.char(i + 1).filter(|_| v.glued(i + 1) && v.glued(i + 2));
    if let (Some(mark @ ('-' | '/' | '.')), Some(second)) = (separator, v.int(i + 2)) {
        let third = (v.is_char(i + 3, &[mark]) && v.glued(i + 3) && v.glued(i + 4))
            .then(|| v.int(i + 4))
            .flatten();
        if let Some(third) = third {
            if goes_on(v, i + 5) {
                return None;
            }
            if v.width(i) == 4 {
                return hit(month_day(Some(first), second, third)?, i + 5, 0.95, "date");
            }
            if v.width(i) > 2 || v.width(i + 2) > 2 || !matches!(v.width(i + 4), 2 | 4) {
                return None;
            }
            let year = full_year(third)?;
            if mark == '.' {
                return hit(month_day(Some(third), second, first)?, i + 5, 0.9, "date");
            }
            return hit(slashed(first, second, Some(year))?, i + 5, 0.85, "date");
        }
        if goes_on(v, i + 3) || v.width(i) > 2 || v.width(i + 2) > 2 {
            return if v.width(i) == 4 && mark == '/' && (1..=12).contains(&second) {
                hit(
                    Day::NamedMonth {
                        year: Some(full_year(first)?),
                        month: i8::try_from(second).ok()?,
                    },
                    i + 3,
                    0.6,
                    "date",
                )
            } else {
                None
            };
        }
        // Within a sentence 1/2 is a half; on its own, or behind "on", it is a day.
        let half = v.width(i) == 1
            && v.width(i + 2) == 1
            && first < second
            && matches!(second, 2 | 3 | 4 | 5 | 8);
        if mark == '/' {
            let led = v.is_any(
                i.wrapping_sub(1),
                &[
                    "on", "by", "until", "till", "before", "after", "since", "from", "date",
                    "dated",
                ],
            ) || v.follows(i, &["在", "于", "是", "从"]);
            if half && !led && v.text.tokens.len() > 3 {
                return None;
            }
            return hit(
                slashed(first, second, None)?,
                i + 3,
                if led { 0.8 } else { 0.45 },
                "date",
            );
        }
        if mark == '.' && v.is_char(i + 3, &['.']) && v.glued(i + 3) {
            // "25.2." as it is written in German-speaking countries.
            return hit(month_day(None, second, first)?, i + 4, 0.6, "date");
        }
        return None;
    }
    if !(1..=31).contains(&first) || v.width(i) > 2 {
        return None;
    }
    let suffix = v.glued(i + 1) && v.is_any(i + 1, &["st", "nd", "rd", "th"]);
    let mut at = i + 1 + usize::from(suffix);
    at += usize::from(v.is(at, "of"));
    at += usize::from(v.is_char(at, &['-', '.']) && v.glued(at) && v.lexed(at + 1).month.is_some());
    if let Some(found) = day_before_month(v, first, at) {
        return Some(found);
    }
    suffix.then(|| of_month(v, i, first, i + 2)).flatten()
}

/// "5 [of] March 2025" from the month on.
fn day_before_month(v: View<'_>, day: i64, at: usize) -> Option<Hit<Named>> {
    let month = i64::from(v.lexed(at).month?);
    // "5 may have arrived" says nothing of May.
    if v.is(at, "may") && v.is_any(at + 1, &["be", "have", "not", "i", "we", "need", "take"]) {
        return None;
    }
    let mut end = at + 1;
    end += usize::from(v.is_char(end, &['.', '-']) && v.glued(end));
    let (year, end) = year_behind(v, end, at + 1);
    hit(month_day(year, month, day)?, end, 0.95, "date")
}

/// A year behind a date, else `without`.
fn year_behind(v: View<'_>, i: usize, without: usize) -> (Option<i64>, usize) {
    let comma = usize::from(v.is_char(i, &[',']));
    let at = i + comma;
    match v.int(at) {
        Some(year)
            if v.width(at) == 4
                && (1900..=2200).contains(&year)
                && !v.is_char(at + 1, &[':', '%', '/'])
                && v.lexed(at + 1).currency.is_none() =>
        {
            (Some(year), at + 1)
        }
        _ => (None, without),
    }
}

/// "the 5th", "the 5th of next month".
fn of_month(v: View<'_>, i: usize, day: i64, end: usize) -> Option<Hit<Named>> {
    let day = i8::try_from(day).ok()?;
    let at = if v.is(end, "of") { end + 1 } else { end };
    let months = match v.word(at) {
        "next" if v.is(at + 1, "month") => Some(1),
        "this" if v.is(at + 1, "month") => Some(0),
        "last" if v.is(at + 1, "month") => Some(-1),
        _ => None,
    };
    if let Some(months) = months {
        let day = Day::DayOfMonth {
            day,
            months: Some(months),
        };
        return hit(day, at + 2, 0.9, "day of the month");
    }
    if v.is(end, "of") && v.is(end + 1, "the") && v.is(end + 2, "month") {
        return hit(
            Day::DayOfMonth { day, months: None },
            end + 3,
            0.85,
            "day of the month",
        );
    }
    let led = i > 0
        && v.is_any(
            i - 1,
            &[
                "the", "on", "by", "until", "till", "before", "after", "from", "since", "to",
            ],
        );
    let free = match v.class(end) {
        None | Some(Class::Mark) => true,
        Some(Class::Word) => v.is_any(
            end,
            &[
                "at",
                "and",
                "or",
                "if",
                "please",
                "pls",
                "but",
                "in",
                "is",
                "for",
                "would",
                "to",
                "works",
                "when",
                "because",
                "morning",
                "evening",
                "afternoon",
                "it",
                "i",
                "my",
                "not",
                "instead",
                "thanks",
                "until",
                "till",
                "so",
            ],
        ),
        _ => false,
    };
    (led && free)
        .then(|| {
            hit(
                Day::DayOfMonth { day, months: None },
                end,
                0.75,
                "day of the month",
            )
        })
        .flatten()
}

fn slashed(first: i64, second: i64, year: Option<i16>) -> Option<Day> {
    let (a, b) = (i8::try_from(first).ok()?, i8::try_from(second).ok()?);
    let fits = (1..=12).contains(&a) && (1..=31).contains(&b)
        || (1..=31).contains(&a) && (1..=12).contains(&b);
    fits.then_some(Day::Slashed {
        first: a,
        second: b,
        year,
    })
}

pub(super) fn english(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    let word = v.word(i);
    let shift = |days| Day::Shift { months: 0, days };
    match word {
        "today" => return hit(shift(0), i + 1, 0.95, "day word"),
        "tonight" => return in_part(shift(0), EVENING, i + 1),
        "tomorrow" | "tmrw" | "tmr" | "tmw" | "tomorow" | "tommorow" | "tommorrow" => {
            return hit(shift(1), i + 1, 0.95, "day word");
        }
        "yesterday" => return hit(shift(-1), i + 1, 0.95, "day word"),
        "day" if v.is(i + 1, "after") && v.is(i + 2, "tomorrow") => {
            return hit(shift(2), i + 3, 0.95, "day word");
        }
        "day" if v.is(i + 1, "before") && v.is(i + 2, "yesterday") => {
            return hit(shift(-2), i + 3, 0.95, "day word");
        }
        "next" | "this" | "last" | "coming" | "following" | "past" => {
            return relative(v, i);
        }
        "end" | "beginning" | "start" | "middle" if v.is(i + 1, "of") => return edge(v, i, i + 2),
        "mid" | "early" | "late" => {
            let dash = usize::from(v.is_char(i + 1, &['-']));
            return edge(v, i, i + 1 + dash);
        }
        "weekend" if v.is(i.wrapping_sub(1), "the") => {
            return hit(Day::Weekend { weeks: 0 }, i + 1, 0.7, "weekend");
        }
        _ => {}
    }
    let lexed = v.lexed(i);
    if let Some(weekday) = lexed.weekday {
        return weekday_name(v, i, weekday, lexed.doubtful);
    }
    if lexed.month.is_some() {
        return month_name(v, i);
    }
    if let Some(ordinal) = lexed.ordinal {
        let day = i64::from(ordinal);
        if v.is(i + 1, "of") {
            return day_before_month(v, day, i + 2).or_else(|| {
                v.is_any(i + 2, &["next", "this", "last", "the"])
                    .then(|| of_month(v, i, day, i + 1))
                    .flatten()
            });
        }
    }
    if v.is(i, "in") && v.width(i + 1) == 4 {
        let year = v.int(i + 1).filter(|y| (1950..=2100).contains(y))?;
        if v.class(i + 2)
            .is_none_or(|c| c != Class::Word || !v.glued(i + 2))
        {
            return hit(
                Day::NamedYear {
                    year: full_year(year)?,
                },
                i + 2,
                0.6,
                "year",
            );
        }
    }
    None
}

/// "next Friday", "this week", "last May".
fn relative(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    let offset: i8 = match v.word(i) {
        "next" | "following" => 1,
        "last" | "past" => -1,
        _ => 0,
    };
    // "coming" and "following" name the next one.
    let coming = v.is(i, "coming");
    let at = i + 1;
    if let Some(weekday) = v.lexed(at).weekday {
        let week = match v.word(i) {
            "next" | "following" => Week::In(1),
            "this" => Week::Nearest,
            "coming" => Week::Coming,
            _ => Week::Past,
        };
        let weekday = i8::try_from(weekday).ok()?;
        return hit(Day::Weekday { weekday, week }, at + 1, 0.95, "weekday");
    }
    let day = match v.word(at) {
        "week" if !v.is_char(at + 1, &['\'']) => Day::Week {
            weeks: offset + i8::from(coming),
        },
        "weekend" => Day::Weekend { weeks: offset },
        "month" => Day::Month {
            months: offset + i8::from(coming),
        },
        "year" => Day::Year {
            years: offset + i8::from(coming),
        },
        "morning" if v.is(i, "this") => {
            return in_part(Day::Shift { months: 0, days: 0 }, MORNING, at + 1);
        }
        "afternoon" if v.is(i, "this") => {
            return in_part(Day::Shift { months: 0, days: 0 }, clock::AFTERNOON, at + 1);
        }
        "evening" if v.is(i, "this") => {
            return in_part(Day::Shift { months: 0, days: 0 }, EVENING, at + 1);
        }
        "night" if v.is(i, "last") => {
            return in_part(
                Day::Shift {
                    months: 0,
                    days: -1,
                },
                EVENING,
                at + 1,
            );
        }
        _ => {
            let month = v.lexed(at).month?;
            let month = i8::try_from(month).ok()?;
            return hit(Day::NamedMonth { year: None, month }, at + 1, 0.8, "month");
        }
    };
    // "next week Friday" names a day.
    if let Day::Week { weeks } = day {
        let on = usize::from(v.is(at + 1, "on"));
        if let Some(weekday) = v.lexed(at + 1 + on).weekday {
            let day = Day::Weekday {
                weekday: i8::try_from(weekday).ok()?,
                week: Week::In(weeks),
            };
            return hit(day, at + 2 + on, 0.95, "weekday");
        }
    }
    hit(day, at + 1, 0.85, "period")
}

/// "end of next month", "mid March".
fn edge(v: View<'_>, i: usize, at: usize) -> Option<Hit<Named>> {
    let edge = match v.word(i) {
        "end" | "late" => Edge::End,
        "middle" | "mid" => Edge::Middle,
        _ => Edge::Start,
    };
    if let Some(month) = v.lexed(at).month
        && !v.is_any(at, &["may", "march"]) | v.is(i + 1, "of")
    {
        let month = i8::try_from(month).ok()?;
        return hit(Day::NamedMonthEdge { month, edge }, at + 1, 0.8, "edge");
    }
    let mut at = at;
    let mut offset = 0;
    match v.word(at) {
        "the" | "this" => at += 1,
        "next" => {
            offset = 1;
            at += 1;
        }
        "last" => {
            offset = -1;
            at += 1;
        }
        _ => {}
    }
    let day = match v.word(at) {
        "month" => Day::MonthEdge {
            months: offset,
            edge,
        },
        "year" => Day::YearEdge {
            years: offset,
            edge,
        },
        "week" => Day::Weekday {
            weekday: match edge {
                Edge::Start => 1,
                Edge::Middle => 3,
                Edge::End => 5,
            },
            week: Week::In(offset),
        },
        "day" if edge == Edge::End => Day::Shift { months: 0, days: 0 },
        _ => return None,
    };
    hit(day, at + 1, 0.8, "edge")
}

fn weekday_name(v: View<'_>, i: usize, weekday: u8, doubtful: bool) -> Option<Hit<Named>> {
    let weekday = i8::try_from(weekday).ok()?;
    let mut end = i + 1;
    end += usize::from(
        v.is_char(end, &['.'])
            && v.glued(end)
            && v.word(i).len() <= 5
            && v.token(end + 1).is_some(),
    );
    // "Friday, 7 March": the date says it.
    let comma = usize::from(v.is_char(end, &[',']));
    let the = usize::from(v.is(end + comma, "the"));
    let dated = match v.class(end + comma + the) {
        Some(Class::Digits) => digits(v, end + comma + the),
        Some(Class::Word) if v.lexed(end + comma).month.is_some() => month_name(v, end + comma),
        _ => None,
    };
    if let Some(date) = dated
        && matches!(
            date.value.day,
            Day::MonthDay { .. } | Day::Date { .. } | Day::Slashed { .. } | Day::DayOfMonth { .. }
        )
    {
        return Some(Hit {
            confidence: 0.95,
            ..date
        });
    }
    if v.is_any(i + 1, &["next", "this", "last"]) && v.is(i + 2, "week") {
        let weeks = match v.word(i + 1) {
            "next" => 1,
            "last" => -1,
            _ => 0,
        };
        let day = Day::Weekday {
            weekday,
            week: Week::In(weeks),
        };
        return hit(day, i + 3, 0.95, "weekday");
    }
    let led = i > 0
        && (v.is_any(
            i - 1,
            &[
                "on", "by", "until", "till", "til", "before", "after", "from", "since", "for",
                "to", "through", "and", "between", "or", "of",
            ],
        ) || v.is_char(i - 1, &['-', '~', '/']));
    let timed = clock::at(v, i + 1, false, None).is_some()
        || v.is(i + 1, "at")
        || v.is_any(i + 1, &["morning", "afternoon", "evening"])
        || v.is_any(i + 1, &["to"]) && v.lexed(i + 2).weekday.is_some()
        || v.is_char(i + 1, &['-']) && v.lexed(i + 2).weekday.is_some();
    let confidence = match (doubtful, led || timed) {
        (_, true) => 0.9,
        (false, false) if v.word(i).ends_with("day") => 0.8,
        (false, false) => 0.6,
        (true, false) => 0.3,
    };
    let confidence = if v.word(i).ends_with("days") {
        0.5
    } else {
        confidence
    };
    let week = Week::Coming;
    hit(Day::Weekday { weekday, week }, i + 1, confidence, "weekday")
}

/// "March 5th, 2025", "March 2024", "in May".
fn month_name(v: View<'_>, i: usize) -> Option<Hit<Named>> {
    let month = i64::from(v.lexed(i).month?);
    let doubtful = v.lexed(i).doubtful;
    let short = v.word(i).len() == 3 && !v.is(i, "may");
    let dot = usize::from(short && v.is_char(i + 1, &['.']) && v.glued(i + 1));
    let dash = usize::from(v.is_char(i + 1, &['-']) && v.glued(i + 1) && v.glued(i + 2));
    let at = i + 1 + dot + dash;
    let the = usize::from(v.is(at, "the"));
    let said = v
        .int(at + the)
        .filter(|_| v.width(at + the) <= 2)
        .or_else(|| v.lexed(at + the).ordinal.map(i64::from));
    if let Some(day) = said {
        let mut end = at + the + 1;
        let suffix = v.glued(end) && v.is_any(end, &["st", "nd", "rd", "th"]);
        end += usize::from(suffix);
        // "may 5 people", "march 3 times": a count follows.
        let counts = v.is(i, "may") && !suffix && {
            v.class(end) == Some(Class::Word)
                && v.lexed(end).weekday.is_none()
                && !v.is_any(
                    end,
                    &["at", "and", "or", "please", "is", "for", "to", "until"],
                )
        };
        let clash = v.glued(end)
            && v.is_char(end, &[':', '%', '.'])
            && v.glued(end + 1)
            && v.class(end + 1) == Some(Class::Digits)
            || v.lexed(end).currency.is_some();
        let grows = v.glued(end) && v.class(end) == Some(Class::Word);
        if !counts && !clash && !grows {
            let (year, end) = year_behind(v, end, end);
            if let Some(day) = month_day(year, month, day) {
                return hit(day, end, 0.95, "date");
            }
        }
    }
    let (year, end) = year_behind(v, i + 1 + dot, i + 1);
    let month = i8::try_from(month).ok()?;
    if let Some(year) = year {
        return hit(
            Day::NamedMonth {
                year: full_year(year),
                month,
            },
            end,
            0.9,
            "month",
        );
    }
    let led = i > 0
        && v.is_any(
            i - 1,
            &[
                "in", "by", "since", "until", "till", "before", "after", "during", "from", "of",
            ],
        );
    let confidence = match (doubtful, led) {
        (_, true) => 0.75,
        (false, false) => 0.6,
        (true, false) => return None,
    };
    hit(
        Day::NamedMonth { year: None, month },
        i + 1,
        confidence,
        "month",
    )
}
