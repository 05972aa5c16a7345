//! Days with times, and from when to when.

use tandem_domain::entity::{Clock, Day, EntityValue, Length, Moment, Week};

use super::{
    Found, Hit, clock, day, duration, number,
    tokens::{Class, View},
};

/// The date, time or period at a token.
pub(super) fn at(v: View<'_>, i: usize) -> Option<Found> {
    if let Some(found) = tail_first(v, i).or_else(|| around_now(v, i)) {
        return Some(found);
    }
    let first = single(v, i, false)?;
    let found = period(v, i, &first).unwrap_or_else(|| {
        Found::new(
            i..first.end,
            value(first.value),
            first.confidence,
            first.how,
        )
    });
    Some(found)
}

fn value(at: Moment) -> EntityValue {
    match at {
        Moment::Day(_) => EntityValue::Date { at },
        Moment::Clock(_) => EntityValue::Time { at },
        Moment::DayClock(..) | Moment::FromNow { .. } => EntityValue::DateTime { at },
    }
}

/// A day, a time, or both in either order.
fn single(v: View<'_>, i: usize, loose: bool) -> Option<Hit<Moment>> {
    if let Some(named) = day::at(v, i) {
        let day = named.value.day;
        // 2025-03-25T14:30
        let join = match v.word(named.end) {
            "t" if v.glued(named.end) => named.end + 1,
            _ => connector(v, named.end),
        };
        if let Some(time) = clock::at(v, join, true, named.value.part) {
            let confidence = (named.confidence.max(time.confidence) + 0.05).min(0.97);
            let confidence = if time.confidence < 0.7 {
                0.75
            } else {
                confidence
            };
            return Some(Hit::new(
                Moment::DayClock(day, time.value),
                time.end,
                confidence,
                "day and time",
            ));
        }
        let loosely = v.eat(named.end, "的").unwrap_or(named.end);
        if let Some((part, end)) = clock::part(v, loosely) {
            // 今天晚上八点 has its hour behind.
            return Some(Hit::new(
                Moment::DayClock(day, part.clock()),
                end,
                named.confidence.max(0.8),
                "day and part",
            ));
        }
        let moment = match named.value.part {
            Some(part) => Moment::DayClock(day, part.clock()),
            None => Moment::Day(day),
        };
        return Some(Hit::new(moment, named.end, named.confidence, named.how));
    }
    if let Some(time) = clock::at(v, i, loose, None) {
        let on = connector(v, time.end);
        if let Some(named) = day::at(v, on).filter(|d| d.confidence >= 0.3) {
            let single = !matches!(
                named.value.day,
                Day::NamedMonth { .. } | Day::NamedYear { .. } | Day::Year { .. }
            );
            // "3 pm tomorrow", but not "3 pm, Monday I was away".
            let apart =
                v.is_char(time.end, &[',']) && !v.is_any(on, &["on"]) && time.confidence < 0.7;
            if single && !apart {
                let mut clock = time.value;
                let mut end = named.end;
                if let Some(part) = named.value.part
                    && !clock.sure
                    && part.from >= 12
                    && clock.hour < 12
                {
                    clock.hour += 12;
                    clock.sure = true;
                } else if !clock.sure
                    && let Some((part, behind)) = clock::part(v, named.end)
                {
                    // "at 7 tomorrow evening"
                    if part.from >= 12 && clock.hour < 12 {
                        clock.hour += 12;
                    }
                    clock.sure = true;
                    end = behind;
                }
                return Some(Hit::new(
                    Moment::DayClock(named.value.day, clock),
                    end,
                    named.confidence.max(time.confidence),
                    "time and day",
                ));
            }
        }
        return Some(Hit::new(
            Moment::Clock(time.value),
            time.end,
            time.confidence,
            time.how,
        ));
    }
    // A part of the day alone: 下午, "in the morning".
    let (part, end) = clock::part(v, i)?;
    let said = v.class(i) == Some(Class::Han)
        && !v.is_char(end, &['好', '安', '餐'])
        && !v.is_any(i, &["一"])
        || v.is_any(i, &["in", "during", "at"]);
    let greeting = v.is(i.wrapping_sub(1), "good");
    (said && !greeting).then(|| Hit::new(Moment::Clock(part.clock()), end, 0.7, "part of the day"))
}

/// Behind the words that join a day and a time.
fn connector(v: View<'_>, i: usize) -> usize {
    let comma = i + usize::from(v.is_char(i, &[',']) && !v.is_char(i, &['.']));
    if v.is_any(comma, &["at", "on", "around", "about", "by", "of"]) {
        let more = usize::from(v.is_any(comma + 1, &["around", "about", "the"]));
        return comma + 1 + more;
    }
    if v.is_char(comma, &['@']) {
        return comma + 1;
    }
    if v.is(comma, "from") || v.is(comma, "between") {
        return i;
    }
    if let Some((_, end)) = v.eat_any(i, &["的", "大概", "大约", "差不多", "约"]) {
        return end;
    }
    comma
}

/// Behind what stands between two ends: "to", "-", 到.
fn joiner(v: View<'_>, i: usize, between: bool) -> Option<usize> {
    if v.is_char(i, &['-', '~', '到', '至']) {
        return Some(i + 1);
    }
    if v.is_any(i, &["to", "until", "till", "til", "through", "thru"]) || between && v.is(i, "and")
    {
        return Some(i + 1);
    }
    if between && v.is_char(i, &['和', '与']) {
        return Some(i + 1);
    }
    None
}

fn is_between(v: View<'_>, i: usize) -> bool {
    v.is(i.wrapping_sub(1), "between") || v.follows(i, &["在"])
}

/// From the first moment to one that is named behind it.
fn period(v: View<'_>, i: usize, first: &Hit<Moment>) -> Option<Found> {
    let between = is_between(v, i);
    let at = joiner(v, first.end, between)?;
    let found = |to: Moment, end: usize, from: Moment| {
        Some(Found::new(
            i..end,
            EntityValue::Period { from, to },
            first.confidence.max(0.85),
            "from and to",
        ))
    };
    // "March 5-7", 3月5-7日
    if let Moment::Day(day @ (Day::MonthDay { .. } | Day::Date { .. })) = first.value
        && let Some((last, end)) = clock::small(v, at).filter(|(d, _)| (1..=31).contains(d))
        && day::at(v, at).is_none_or(|d| matches!(d.value.day, Day::DayOfMonth { .. }))
        && !v.is_char(end, &[':', '点', '.'])
    {
        let last = i8::try_from(last).ok()?;
        let end = v.eat_any(end, &["号", "日"]).map_or(end, |(_, end)| end);
        let end = if v.glued(end) && v.is_any(end, &["st", "nd", "rd", "th"]) {
            end + 1
        } else {
            end
        };
        let to = match day {
            Day::MonthDay { years, month, .. } => Day::MonthDay {
                years,
                month,
                day: last,
            },
            Day::Date { year, month, .. } => Day::Date {
                year,
                month,
                day: last,
            },
            other => other,
        };
        return found(Moment::Day(to), end, first.value);
    }
    let loose = matches!(first.value, Moment::Clock(_) | Moment::DayClock(..));
    let second = single(v, at, loose)?;
    let (from, to) = fit(first.value, second.value)?;
    found(to, second.end, from)
}

/// Two ends of a kind, the second taking over what the first one said for both.
fn fit(from: Moment, to: Moment) -> Option<(Moment, Moment)> {
    match (from, to) {
        (Moment::Day(a), Moment::Day(b)) => {
            let b = match (a, b) {
                (
                    Day::Weekday {
                        week: Week::In(weeks),
                        weekday,
                    },
                    Day::Weekday {
                        week: Week::Coming,
                        weekday: last,
                    },
                ) if last >= weekday => Day::Weekday {
                    weekday: last,
                    week: Week::In(weeks),
                },
                (Day::DayOfMonth { months, .. }, Day::DayOfMonth { day, months: None }) => {
                    Day::DayOfMonth { day, months }
                }
                (Day::MonthDay { years, month, .. }, Day::DayOfMonth { day, months: None }) => {
                    Day::MonthDay { years, month, day }
                }
                (Day::Date { year, month, .. }, Day::DayOfMonth { day, months: None }) => {
                    Day::Date { year, month, day }
                }
                (
                    Day::Date { year, .. },
                    Day::MonthDay {
                        years: None,
                        month,
                        day,
                    },
                ) => Day::Date { year, month, day },
                _ => b,
            };
            Some((Moment::Day(a), Moment::Day(b)))
        }
        (Moment::Clock(a), Moment::Clock(b)) => {
            let (a, b) = hours(a, b);
            Some((Moment::Clock(a), Moment::Clock(b)))
        }
        (Moment::DayClock(day, a), Moment::Clock(b)) => {
            let (a, b) = hours(a, b);
            Some((Moment::DayClock(day, a), Moment::DayClock(day, b)))
        }
        (Moment::Clock(a), Moment::DayClock(day, b)) => {
            let (a, b) = hours(a, b);
            Some((Moment::DayClock(day, a), Moment::DayClock(day, b)))
        }
        (Moment::DayClock(..), Moment::DayClock(..)) => Some((from, to)),
        _ => None,
    }
}

/// "3 to 5 pm", 下午三点到五点, "9 to 5": the half of the day that is said of one holds for both
/// where that keeps their order. Where none is said, both are of the one that the first is of.
fn hours(mut a: Clock, mut b: Clock) -> (Clock, Clock) {
    const HALF: i32 = 12 * 60;
    let minutes = |c: &Clock| i32::from(c.hour) * 60 + i32::from(c.minute);
    let (from, to) = (minutes(&a), minutes(&b));
    match (a.sure, b.sure) {
        (_, false) if to <= from && b.hour < 12 && (from < to + HALF || !a.sure) => b.hour += 12,
        // "9 to 17" and "9 am to 5 pm" begin in the morning.
        (false, true) if b.hour >= 13 && a.hour < 8 && from + HALF < to => a.hour += 12,
        (false, false) if from < to && a.hour < 8 && b.hour < 12 => {
            a.hour += 12;
            b.hour += 12;
        }
        _ => {}
    }
    b.sure |= a.sure;
    if minutes(&a) < minutes(&b) {
        (a.sure, b.sure) = (true, true);
    }
    (a, b)
}

/// "3-5 pm", "5-7 March", 3到5号: the first end is a bare number.
fn tail_first(v: View<'_>, i: usize) -> Option<Found> {
    let (first, end) = clock::bare_hour(v, i)
        .or_else(|| clock::small(v, i))
        .or_else(|| {
            let number = number::at(v, i)?;
            Some((number.int().filter(|n| (1..=31).contains(n))?, number.end))
        })?;
    let at = joiner(v, end, is_between(v, i))?;
    // A code or a date with dashes is neither.
    if v.is_char(end, &['-']) && v.glued(end) && !v.glued(at)
        || v.glued(i)
            && i > 0
            && v.before(i).is_some_and(|t| {
                t.class == Class::Word || matches!(t.first, '-' | '/' | '.' | ':' | '#')
            })
    {
        return None;
    }
    let second = single(v, at, false)?;
    let (from, to) = match second.value {
        Moment::Day(day) => {
            let first = i8::try_from(first).ok().filter(|d| (1..=31).contains(d))?;
            let from = match day {
                Day::MonthDay { years, month, .. } => Day::MonthDay {
                    years,
                    month,
                    day: first,
                },
                Day::Date { year, month, .. } => Day::Date {
                    year,
                    month,
                    day: first,
                },
                Day::DayOfMonth { months, .. } => Day::DayOfMonth { day: first, months },
                _ => return None,
            };
            (Moment::Day(from), Moment::Day(day))
        }
        Moment::Clock(last) if last.until.is_none() => {
            let (from, to) = hours(clock::clock(first, 0, false)?, last);
            (Moment::Clock(from), Moment::Clock(to))
        }
        Moment::DayClock(day, last) if last.until.is_none() => {
            let (from, to) = hours(clock::clock(first, 0, false)?, last);
            (Moment::DayClock(day, from), Moment::DayClock(day, to))
        }
        _ => return None,
    };
    Some(Found::new(
        i..second.end,
        EntityValue::Period { from, to },
        0.85,
        "from and to",
    ))
}

/// "the last 3 days", 最近一周, 未来三天.
fn around_now(v: View<'_>, i: usize) -> Option<Found> {
    let (sign, at) = match v.class(i)? {
        Class::Word => match v.word(i) {
            "last" | "past" => (-1, i + 1),
            "next" | "coming" => (1, i + 1),
            _ => return None,
        },
        Class::Han => {
            let (which, end) = v.eat_any(i, &["最近", "过去", "近", "未来", "接下来", "今后"])?;
            (if which < 3 { -1 } else { 1 }, end)
        }
        _ => return None,
    };
    let number = number::at(v, at)?;
    let found = duration::after(v, at, &number).filter(|f| f.to.is_none())?;
    let Length {
        months,
        days,
        seconds,
        working,
    } = found.length;
    if seconds != 0 || working {
        return None;
    }
    let today = Moment::Day(Day::Shift { months: 0, days: 0 });
    let other = Moment::Day(Day::Shift {
        months: sign * months,
        days: sign * days,
    });
    let (from, to) = if sign < 0 {
        (other, today)
    } else {
        (today, other)
    };
    Some(Found::new(
        i..found.end,
        EntityValue::Period { from, to },
        0.85,
        super::AROUND_NOW,
    ))
}
