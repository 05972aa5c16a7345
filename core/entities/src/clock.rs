//! Times of day and parts of the day.

use tandem_domain::entity::Clock;

use super::{
    Hit,
    number::{self, Form},
    tokens::{Class, View},
};

/// A part of the day: from when to when, and whether a small hour in it is one after noon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub from: i8,
    pub until: i8,
}

pub(super) const MORNING: Part = Part { from: 6, until: 12 };
pub(super) const AFTERNOON: Part = Part {
    from: 12,
    until: 18,
};
pub(super) const EVENING: Part = Part {
    from: 18,
    until: 24,
};
const DAWN: Part = Part { from: 0, until: 6 };
const MIDDAY: Part = Part {
    from: 11,
    until: 13,
};

impl Part {
    pub fn clock(self) -> Clock {
        Clock {
            hour: self.from,
            minute: 0,
            second: 0,
            until: Some(self.until),
            sure: true,
        }
    }

    /// An hour as it is said in this part of the day.
    fn hour(self, hour: i8) -> i8 {
        match self.from {
            12 | 18 if (1..12).contains(&hour) => hour + 12,
            18 if hour == 12 => 0,
            11 if (1..=3).contains(&hour) => hour + 12,
            0 | 6 if hour == 12 => 0,
            _ => hour,
        }
    }
}

pub(super) fn clock(hour: i64, minute: i64, sure: bool) -> Option<Clock> {
    let hour = i8::try_from(hour).ok().filter(|h| (0..24).contains(h))?;
    let minute = i8::try_from(minute).ok().filter(|m| (0..60).contains(m))?;
    Some(Clock {
        hour,
        minute,
        second: 0,
        until: None,
        sure: sure || hour > 12 || hour == 0,
    })
}

/// A time of day at a token. `loose` where a day or another time stands next to it, so that a
/// bare hour is one; `part` what that day says of the part of the day.
pub(super) fn at(v: View<'_>, i: usize, loose: bool, part: Option<Part>) -> Option<Hit<Clock>> {
    match v.class(i)? {
        Class::Digits => chinese(v, i, part)
            .or_else(|| digital(v, i, part))
            .or_else(|| english_hour(v, i, loose, part)),
        Class::Han => chinese(v, i, part),
        Class::Word => english(v, i, loose, part),
        Class::Mark => None,
    }
}

/// "in the morning", "at night", 上午: a part of the day at a token.
pub(super) fn part(v: View<'_>, i: usize) -> Option<(Part, usize)> {
    if v.class(i)? == Class::Han {
        const PARTS: [(&str, Part); 20] = [
            ("凌晨", DAWN),
            ("清晨", MORNING),
            ("早晨", MORNING),
            ("早上", MORNING),
            ("一早", MORNING),
            ("上午", MORNING),
            ("中午", MIDDAY),
            ("正午", MIDDAY),
            ("下午", AFTERNOON),
            ("午后", AFTERNOON),
            ("傍晚", EVENING),
            ("晚上", EVENING),
            ("晚间", EVENING),
            ("夜里", EVENING),
            ("夜晚", EVENING),
            ("夜间", EVENING),
            ("深夜", EVENING),
            ("半夜", DAWN),
            ("早", MORNING),
            ("晚", EVENING),
        ];
        let (name, part, end) = PARTS
            .iter()
            .find_map(|(name, part)| Some((*name, *part, v.eat(i, name)?)))?;
        // 早 and 晚 alone only before an hour: 早8点.
        let short = name.chars().count() == 1;
        let hour = number::at(v, end).is_some_and(|n| n.int().is_some() && is_hour_mark(v, n.end));
        return (!short || hour).then_some((part, end));
    }
    let mut at = i;
    if v.is_any(at, &["in", "during"]) && v.is(at + 1, "the") {
        at += 2;
    } else if v.is(at, "at") && v.is(at + 1, "night") {
        return Some((EVENING, at + 2));
    }
    at += usize::from(v.is_any(at, &["early", "late"]) && at == i);
    let part = match v.word(at) {
        "morning" => MORNING,
        "afternoon" => AFTERNOON,
        "evening" | "night" => EVENING,
        _ => return None,
    };
    Some((part, at + 1))
}

fn is_hour_mark(v: View<'_>, i: usize) -> bool {
    v.is_char(i, &['点', ':']) || v.is_char(i, &['时']) && !v.is_char(i + 1, &['候', '间', '尚'])
}

/// am, pm, a.m., p.m., o'clock and what is behind; `Some(None)` for o'clock.
fn half(v: View<'_>, i: usize) -> Option<(Option<bool>, usize)> {
    let word = v.word(i);
    match word {
        "am" => Some((Some(false), i + 1)),
        "pm" => Some((Some(true), i + 1)),
        "o'clock" | "oclock" => Some((None, i + 1)),
        "a" | "p" if v.is_char(i + 1, &['.']) && v.is(i + 2, "m") && v.glued(i + 2) => {
            let dot = usize::from(v.is_char(i + 3, &['.']) && v.glued(i + 3));
            Some((Some(word == "p"), i + 3 + dot))
        }
        _ => None,
    }
}

fn with_half(hour: i64, pm: bool) -> Option<i64> {
    match (hour, pm) {
        (1..=11, true) => Some(hour + 12),
        (12, false) => Some(0),
        (0..=12, _) => Some(hour),
        (13..=23, true) => Some(hour),
        _ => None,
    }
}

/// 15:00, 3:30 pm, 15h30, 3.30pm.
fn digital(v: View<'_>, i: usize, part: Option<Part>) -> Option<Hit<Clock>> {
    let hour = v
        .int(i)
        .filter(|h| (0..=24).contains(h) && v.width(i) <= 2)?;
    let colon = v.is_char(i + 1, &[':']);
    let point = v.is_char(i + 1, &['.']) && half(v, i + 3).is_some();
    let h = v.is(i + 1, "h") && v.glued(i + 1) && hour >= 7;
    let tight = v.glued(i + 1) && v.glued(i + 2) || colon && v.width(i + 2) == 2;
    if !(colon || point || h) || !tight || v.width(i + 2) != 2 {
        return None;
    }
    let minute = v.int(i + 2)?;
    let mut end = i + 3;
    let mut second = 0;
    if v.is_char(end, &[':']) && v.glued(end) && v.width(end + 1) == 2 {
        second = v.int(end + 1).filter(|s| *s < 60)?;
        end += 2;
    } else if v.is_char(end, &[':']) && v.glued(end) {
        return None;
    }
    let mut at = hour % 24;
    let mut sure = part.is_some() || v.width(i) == 2;
    if let Some((pm, behind)) = half(v, end) {
        if let Some(pm) = pm {
            at = with_half(hour, pm)?;
            sure = true;
        }
        end = behind;
    } else if let Some((part, behind)) = part_behind(v, end) {
        at = i64::from(part.hour(i8::try_from(hour).ok()?));
        sure = true;
        end = behind;
    } else if let Some(part) = part {
        at = i64::from(part.hour(i8::try_from(hour).ok()?));
    }
    let mut clock = clock(at, minute, sure)?;
    clock.second = i8::try_from(second).ok()?;
    Some(Hit::new(clock, end, 0.9, "clock"))
}

/// "in the afternoon" behind an hour.
fn part_behind(v: View<'_>, i: usize) -> Option<(Part, usize)> {
    (v.is(i, "in") && v.is(i + 1, "the") || v.is(i, "at"))
        .then(|| part(v, i))
        .flatten()
}

/// 3pm, 3 o'clock, and a bare hour where it can be nothing else.
fn english_hour(v: View<'_>, i: usize, loose: bool, part: Option<Part>) -> Option<Hit<Clock>> {
    let (hour, behind) = hour_word(v, i)?;
    if let Some((pm, end)) = half(v, behind) {
        // "3 am I" is three o'clock; "3a" is a house.
        let mut at = hour;
        let mut sure = false;
        let mut end = end;
        if let Some(pm) = pm {
            at = with_half(hour, pm)?;
            sure = true;
        } else if let Some((part, behind)) = part_behind(v, end) {
            at = i64::from(part.hour(i8::try_from(hour).ok()?));
            sure = true;
            end = behind;
        } else if let Some(part) = part {
            at = i64::from(part.hour(i8::try_from(hour).ok()?));
            sure = true;
        }
        return Some(Hit::new(clock(at, 0, sure)?, end, 0.9, "hour"));
    }
    if let Some((part, end)) = part_behind(v, behind)
        && (1..=12).contains(&hour)
    {
        let at = i64::from(part.hour(i8::try_from(hour).ok()?));
        return Some(Hit::new(clock(at, 0, true)?, end, 0.85, "hour"));
    }
    let after_at = v.is_any(i.wrapping_sub(1), &["at", "until", "till", "around"]) && i > 0;
    if !(loose || after_at) || !(1..=23).contains(&hour) {
        return None;
    }
    // Whatever the hour could count is no time.
    let free = match v.token(behind) {
        None => true,
        Some(token) => match token.class {
            Class::Mark => {
                let joined = v.glued(behind) && v.glued(behind + 1);
                let code = joined && v.is_char(behind, &['/', '.', ':', '@', '-']);
                !code && !v.is_char(behind, &['%', '€', '$', '£', '¥'])
            }
            Class::Word => {
                !token.glued
                    && (loose && after_at
                        || v.is_any(
                            behind,
                            &[
                                "on", "or", "and", "if", "please", "pls", "is", "works", "would",
                                "for", "then", "tomorrow", "today", "next", "this", "tonight",
                                "when", "but", "to", "until", "till", "would", "should", "sharp",
                                "thanks", "because", "suits", "fits",
                            ],
                        )
                        || token.word.weekday.is_some())
            }
            Class::Digits | Class::Han => false,
        },
    };
    if !free {
        return None;
    }
    let at = match part {
        Some(part) => i64::from(part.hour(i8::try_from(hour).ok()?)),
        None => hour,
    };
    let confidence = if loose && !after_at { 0.6 } else { 0.7 };
    Some(Hit::new(
        clock(at, 0, part.is_some())?,
        behind,
        confidence,
        "hour",
    ))
}

/// An hour in digits or as a word.
fn hour_word(v: View<'_>, i: usize) -> Option<(i64, usize)> {
    let hour = match v.class(i)? {
        Class::Digits => v.int(i).filter(|_| v.width(i) <= 2)?,
        Class::Word => i64::from(
            v.lexed(i)
                .small
                .filter(|_| !v.is_any(i, &["both", "single"]))?,
        ),
        _ => return None,
    };
    (0..=24).contains(&hour).then_some((hour, i + 1))
}

fn english(v: View<'_>, i: usize, loose: bool, part: Option<Part>) -> Option<Hit<Clock>> {
    match v.word(i) {
        "noon" | "midday" => {
            return Some(Hit::new(clock(12, 0, true)?, i + 1, 0.9, "word"));
        }
        "midnight" => return Some(Hit::new(clock(0, 0, true)?, i + 1, 0.9, "word")),
        "half" if v.is(i + 1, "past") => return past(v, i + 2, 30, part),
        "quarter" if v.is_any(i + 1, &["past", "after"]) => return past(v, i + 2, 15, part),
        "quarter" if v.is_any(i + 1, &["to", "before"]) => return past(v, i + 2, -15, part),
        "a" if v.is(i + 1, "quarter") => return english(v, i + 1, loose, part),
        _ => {}
    }
    let (minutes, behind) = hour_word(v, i)?;
    if matches!(minutes, 5 | 10 | 20)
        && hour_word(v, behind + 1).is_some()
        && (v.is(behind, "past") || v.is(behind, "to") && !loose && half(v, behind + 2).is_some())
    {
        let minutes = if v.is(behind, "to") {
            -minutes
        } else {
            minutes
        };
        return past(v, behind + 1, minutes, part);
    }
    // "six thirty"
    let told = loose || i > 0 && v.is_any(i - 1, &["at", "until", "till", "around"]);
    if told
        && (1..=12).contains(&minutes)
        && let Some(number) = number::at(v, behind).filter(|n| n.form == Form::Words)
        && let Some(minute) = number.int().filter(|m| (10..60).contains(m))
    {
        let (hour, sure, end) = match (half(v, number.end), part) {
            (Some((Some(pm), end)), _) => (with_half(minutes, pm)?, true, end),
            (_, Some(part)) => {
                let hour = part.hour(i8::try_from(minutes).ok()?);
                (i64::from(hour), true, number.end)
            }
            _ => (minutes, false, number.end),
        };
        return Some(Hit::new(clock(hour, minute, sure)?, end, 0.8, "hour"));
    }
    english_hour(v, i, loose, part)
}

/// So many minutes past the hour that is named at the token.
fn past(v: View<'_>, i: usize, minutes: i64, part: Option<Part>) -> Option<Hit<Clock>> {
    let (hour, mut end) = hour_word(v, i)?;
    if !(1..=12).contains(&hour) {
        return None;
    }
    let mut at = hour;
    let mut sure = false;
    if let Some((pm, behind)) = half(v, end) {
        if let Some(pm) = pm {
            at = with_half(hour, pm)?;
            sure = true;
        }
        end = behind;
    } else if let Some((part, behind)) = part_behind(v, end) {
        at = i64::from(part.hour(i8::try_from(hour).ok()?));
        sure = true;
        end = behind;
    } else if let Some(part) = part {
        at = i64::from(part.hour(i8::try_from(hour).ok()?));
        sure = true;
    }
    let total = at * 60 + minutes;
    let total = total.rem_euclid(24 * 60);
    Some(Hit::new(
        clock(total / 60, total % 60, sure)?,
        end,
        0.9,
        "past the hour",
    ))
}

/// 下午三点半, 14点20分, 上午10:15, 零点.
fn chinese(v: View<'_>, i: usize, hint: Option<Part>) -> Option<Hit<Clock>> {
    let (named, at) = match part(v, i) {
        Some((part, end)) if v.class(i) == Some(Class::Han) => (Some(part), end),
        _ => (None, i),
    };
    if v.eat(at, "零点").is_some() && number::at(v, at + 2).is_none() {
        return Some(Hit::new(clock(0, 0, true)?, at + 2, 0.85, "hour"));
    }
    let part = named.or(hint);
    if named.is_some()
        && let Some(hit) = digital(v, at, part)
    {
        return Some(hit);
    }
    // Only the numeral itself: 点 is no decimal point here.
    let (hour, behind) = small(v, at)?;
    let exact = v.is_char(behind, &['时']) && is_hour_mark(v, behind);
    if !v.is_char(behind, &['点']) && !exact {
        return None;
    }
    if v.glued(at)
        && v.class(at) == Some(Class::Digits)
        && v.before(at)
            .is_some_and(|t| t.class == Class::Word || t.first == '.')
    {
        return None;
    }
    let mut end = behind + 1;
    let mut minute = 0;
    let mut told = false;
    if let Some(after) = v.eat_any(end, &["钟", "整", "正"]) {
        end = after.1;
        told = true;
    } else if v.is_char(end, &['半']) {
        minute = 30;
        end += 1;
        told = true;
    } else if let Some((which, after)) = v.eat_any(end, &["一刻", "三刻"]) {
        minute = if which == 0 { 15 } else { 45 };
        end = after;
        told = true;
    } else {
        let past = usize::from(v.is_char(end, &['过']));
        let zero = usize::from(v.is_char(end + past, &['零', '〇']));
        if let Some((n, after)) = small(v, end + past + zero).filter(|(n, _)| *n < 60) {
            let marked = v.is_char(after, &['分']) && !v.is_char(after + 1, &['钟']);
            let digits = v.class(end + past) == Some(Class::Digits);
            let long = if digits {
                v.width(end + past) == 2
            } else {
                after - end >= 2 || zero == 1
            };
            if marked || long {
                minute = n;
                end = after + usize::from(marked);
                told = true;
            } else if named.is_none() && hint.is_none() {
                // 三点五 is a decimal.
                return None;
            }
        }
    }
    let shown = match part {
        Some(part) => i64::from(part.hour(i8::try_from(hour).ok()?)),
        None => hour % 24,
    };
    // 一点 is "a bit", 三点建议 are three suggestions.
    if part.is_none() && !told && !exact {
        let points = v
            .eat_any(
                end,
                &[
                    "建议", "意见", "要求", "问题", "原因", "想法", "儿", "疑问", "内容", "不",
                    "都", "也", "需", "希望", "理由", "反馈", "说明",
                ],
            )
            .is_some();
        let bit = v.is(at, "一");
        if points || bit {
            return None;
        }
    }
    let confidence = if part.is_some() || told { 0.9 } else { 0.65 };
    Some(Hit::new(
        clock(shown, minute, part.is_some() || hour > 12)?,
        end,
        confidence,
        "hour",
    ))
}

/// A whole number below 61 in digits or numerals, without any tail.
pub(super) fn small(v: View<'_>, i: usize) -> Option<(i64, usize)> {
    if v.class(i)? == Class::Digits {
        return v
            .int(i)
            .filter(|n| v.width(i) <= 2 && *n <= 60)
            .map(|n| (n, i + 1));
    }
    let mut end = i;
    let (mut tens, mut digit): (Option<i64>, Option<i64>) = (None, None);
    while let Some(c) = v.char(end)
        && end < i + 3
    {
        if c == '十' && tens.is_none() {
            tens = Some(digit.take().unwrap_or(1));
        } else if let Some(n) = number::numeral(c)
            && digit.is_none()
        {
            #[expect(clippy::cast_possible_truncation, reason = "0 to 9")]
            {
                digit = Some(n as i64);
            }
        } else {
            break;
        }
        end += 1;
    }
    let value = tens.unwrap_or(0) * 10 + digit.unwrap_or(0);
    (end > i && value <= 60).then_some((value, end))
}

/// Whether a number is a plain count of hours: what "3-5pm" begins with.
pub(super) fn bare_hour(v: View<'_>, i: usize) -> Option<(i64, usize)> {
    let number = number::at(v, i)?;
    let plain = matches!(
        number.form,
        Form::Plain(1 | 2) | Form::Words | Form::Numerals
    );
    let hour = number.int().filter(|n| plain && (0..=24).contains(n))?;
    Some((hour, number.end))
}
