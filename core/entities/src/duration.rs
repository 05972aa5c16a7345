//! Lengths of time, and points so far from now.

use tandem_domain::entity::{Day, Length, Moment};

use super::{
    clock,
    lexicon::Stretch,
    number::{self, Form, Number},
    tokens::{Class, View},
};

/// A length and what is behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub length: Length,
    pub to: Option<Length>,
    pub end: usize,
    pub confidence: f32,
}

/// So much of a unit; fractions go down to the unit below.
fn length(amount: f64, stretch: Stretch) -> Option<Length> {
    if !(0.0..1e6).contains(&amount) {
        return None;
    }
    let seconds = |n: f64| Length {
        seconds: whole(n),
        ..Length::default()
    };
    let days = |n: f64| Length {
        days: narrow(n.trunc()),
        seconds: whole(n.fract() * 86_400.0),
        ..Length::default()
    };
    let months = |n: f64| Length {
        months: narrow(n.trunc()),
        days: narrow((n.fract() * 30.0).round()),
        ..Length::default()
    };
    Some(match stretch {
        Stretch::Second => seconds(amount),
        Stretch::Minute => seconds(amount * 60.0),
        Stretch::Quarter => seconds(amount * 900.0),
        Stretch::Hour => seconds(amount * 3_600.0),
        Stretch::Day => days(amount),
        Stretch::WorkingDay => Length {
            working: true,
            ..days(amount)
        },
        Stretch::Week => days(amount * 7.0),
        Stretch::Fortnight => days(amount * 14.0),
        Stretch::Month => months(amount),
        Stretch::Season => months(amount * 3.0),
        Stretch::Year => months(amount * 12.0),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "below a hundred million")]
fn whole(n: f64) -> i64 {
    n.round() as i64
}

#[expect(clippy::cast_possible_truncation, reason = "below a hundred million")]
fn narrow(n: f64) -> i32 {
    n.round() as i32
}

fn add(a: Length, b: Length) -> Length {
    Length {
        months: a.months + b.months,
        days: a.days + b.days,
        seconds: a.seconds + b.seconds,
        working: a.working || b.working,
    }
}

/// A unit of time at a token, and what is behind it. `two` where a number stands before, which
/// single letters need.
pub(super) fn unit(v: View<'_>, i: usize) -> Option<(Stretch, usize)> {
    if v.class(i)? == Class::Han {
        return unit_zh(v, i);
    }
    if v.is_any(i, &["business", "working", "work", "week"]) && v.is_any(i + 1, &["day", "days"]) {
        return Some((Stretch::WorkingDay, i + 2));
    }
    let dash = usize::from(v.is_char(i, &['-']) && v.glued(i) && v.glued(i + 1));
    let stretch = v.lexed(i + dash).stretch?;
    // "5s" and "2h" are written together or not at all.
    if v.is_any(i, &["s"]) && !v.glued(i) {
        return None;
    }
    Some((stretch, i + dash + 1))
}

fn unit_zh(v: View<'_>, i: usize) -> Option<(Stretch, usize)> {
    const UNITS: [(&str, Stretch); 36] = [
        ("个多小时", Stretch::Hour),
        ("个多星期", Stretch::Week),
        ("个多钟头", Stretch::Hour),
        ("多分钟", Stretch::Minute),
        ("多周", Stretch::Week),
        ("个工作日", Stretch::WorkingDay),
        ("工作日", Stretch::WorkingDay),
        ("个小时", Stretch::Hour),
        ("个钟头", Stretch::Hour),
        ("个钟", Stretch::Hour),
        ("个月", Stretch::Month),
        ("个星期", Stretch::Week),
        ("个礼拜", Stretch::Week),
        ("个季度", Stretch::Season),
        ("个分钟", Stretch::Minute),
        ("个晚上", Stretch::Day),
        ("个多月", Stretch::Month),
        ("多小时", Stretch::Hour),
        ("多个月", Stretch::Month),
        ("多天", Stretch::Day),
        ("多年", Stretch::Year),
        ("小时", Stretch::Hour),
        ("钟头", Stretch::Hour),
        ("分钟", Stretch::Minute),
        ("秒钟", Stretch::Second),
        ("刻钟", Stretch::Quarter),
        ("星期", Stretch::Week),
        ("礼拜", Stretch::Week),
        ("季度", Stretch::Season),
        ("天", Stretch::Day),
        ("晚", Stretch::Day),
        ("周", Stretch::Week),
        ("年", Stretch::Year),
        ("秒", Stretch::Second),
        ("分", Stretch::Minute),
        ("月", Stretch::Month),
    ];
    if !v.is_char(
        i,
        &[
            '个', '工', '多', '小', '钟', '分', '秒', '刻', '星', '礼', '季', '天', '晚', '周',
            '年', '月',
        ],
    ) {
        return None;
    }
    UNITS
        .iter()
        .find_map(|(name, stretch)| Some((*stretch, v.eat(i, name)?)))
}

/// A length of time that begins at a token with a number read there.
pub(super) fn after(v: View<'_>, i: usize, number: &Number) -> Option<Found> {
    // 第二天 is the next day, "2day" today.
    let named =
        v.is_char(i.wrapping_sub(1), &['第']) || v.glued(number.end) && v.is(number.end, "day");
    if number.value < 0.0 || named {
        return None;
    }
    if let Some((upper, at)) = upper_end(v, number)
        && let Some((stretch, end)) = unit(v, at)
        && plausible(v, stretch, at, end)
    {
        return Some(Found {
            length: length(number.value, stretch)?,
            to: Some(length(upper, stretch)?),
            end,
            confidence: 0.9,
        });
    }
    let article = usize::from(number.form == Form::Half && v.is_any(number.end, &["a", "an"]));
    let at = number.end + article;
    let (stretch, mut end) = unit(v, at)?;
    if !plausible(v, stretch, at, end) {
        return None;
    }
    let mut confidence = 0.9;
    // 三天半, 一年半, an hour and a half
    let mut amount = number.value;
    if v.is_char(end, &['半']) && !v.is_char(end + 1, &['价', '折']) {
        amount += 0.5;
        end += 1;
    } else if v.is(end, "and") && v.is(end + 1, "a") && v.is(end + 2, "half") {
        amount += 0.5;
        end += 3;
    }
    let mut found = length(amount, stretch)?;
    // 分 is a minute only next to hours; 2分 alone are marks.
    let bare = v.is(end - 1, "分") && !v.follows(i, &["时", "点"]);
    if bare {
        return None;
    }
    if number.form == Form::Words && number.value == 1.0 && v.is(i, "one") {
        // "one day it stopped" tells a story.
        let story = stretch == Stretch::Day && v.class(end) == Some(Class::Word);
        confidence = if story { 0.3 } else { 0.7 };
    }
    if let Some(upper) = number.upper {
        return Some(Found {
            length: found,
            to: length(upper, stretch),
            end,
            confidence,
        });
    }
    // 1 h 30 min, 两小时三十分, 1h30
    for _ in 0..3 {
        let and = usize::from(v.is_any(end, &["and", "又", "零"]) || v.is_char(end, &[',']));
        let Some(next) = number::at(v, end + and).filter(|n| n.value >= 0.0) else {
            break;
        };
        if let Some((smaller, behind)) = unit(v, next.end)
            && smaller_than(smaller, stretch)
        {
            found = add(found, length(next.value, smaller)?);
            end = behind;
        } else if stretch == Stretch::Hour
            && v.glued(end)
            && and == 0
            && v.width(end) == 2
            && v.int(end).is_some_and(|m| m < 60)
            && !v.glued(end + 1)
        {
            found = add(found, length(next.value, Stretch::Minute)?);
            end = next.end;
        } else {
            break;
        }
    }
    Some(Found {
        length: found,
        to: None,
        end,
        confidence,
    })
}

fn smaller_than(a: Stretch, b: Stretch) -> bool {
    length(1.0, a)
        .zip(length(1.0, b))
        .is_some_and(|(a, b)| (a.months, a.days, a.seconds) < (b.months, b.days, b.seconds))
}

/// 3月 is a month of the year, 25年 may be a year, "5 s" a plural.
fn plausible(v: View<'_>, stretch: Stretch, at: usize, end: usize) -> bool {
    match stretch {
        Stretch::Month => !v.is_char(at, &['月']) || v.follows(at, &["个半"]),
        Stretch::Year if v.is_char(at, &['年']) => {
            let year = v.follows(at, &["今", "明", "去", "前", "后"])
                || at > 0 && v.class(at - 1) == Some(Class::Digits) && v.width(at - 1) == 4
                || v.follows(
                    at,
                    &[
                        "二", "一", "零", "〇", "三", "四", "五", "六", "七", "八", "九",
                    ],
                ) && at > 2
                    && [at - 2, at - 3]
                        .iter()
                        .all(|b| v.char(*b).and_then(number::numeral).is_some());
            let month = clock::small(v, end).is_some_and(|(_, end)| v.is_char(end, &['月']));
            !year && !month && !v.is_char(end, &['级', '货', '款']) && v.int(end).is_none()
        }
        Stretch::Day if v.is_char(at, &['天']) => !v.is_char(end, &['猫']),
        // 三周 but not 三周五; 一周一次 is a week.
        _ => true,
    }
}

/// Behind the number: the other end of "3-5", "3 to 5", 三到五.
fn upper_end(v: View<'_>, number: &Number) -> Option<(f64, usize)> {
    let at = number.end;
    let joined = v.is_char(at, &['-', '~', '到', '至'])
        || v.is_any(at, &["to", "or"])
        || v.eat(at, "或").is_some();
    if !joined {
        return None;
    }
    let upper = number::at(v, at + 1)?;
    (upper.value > number.value && !matches!(upper.form, Form::Half))
        .then_some((upper.value, upper.end))
}

/// "a week", "an hour": the article counts one.
pub(super) fn article(v: View<'_>, i: usize) -> Option<Found> {
    if !v.is_any(i, &["a", "an"]) {
        return None;
    }
    let one = Number {
        value: 1.0,
        upper: None,
        end: i + 1,
        form: Form::Words,
    };
    let lone = v.lexed(i + 1).stretch?;
    if matches!(lone, Stretch::Second) || v.word(i + 1).ends_with('s') || v.word(i + 1).len() < 3 {
        return None;
    }
    let found = after(v, i, &one)?;
    // "a day" is mostly said of something else: "have a nice day", "twice a day".
    let more = v.is(found.end - 1, "half");
    let rate = v.is_any(i.wrapping_sub(1), &["twice", "once", "times"]);
    Some(Found {
        confidence: if more {
            0.9
        } else if rate || v.is_any(i + 1, &["night", "minute", "quarter"]) {
            0.3
        } else {
            0.6
        },
        ..found
    })
}

/// The moment that lies so far from now, where the words around a length say so.
pub(super) fn from_now(v: View<'_>, i: usize, found: &Found) -> Option<(Moment, usize, usize)> {
    if found.to.is_some() || found.length.working {
        return None;
    }
    let mut from = i;
    let mut end = found.end;
    let sign = if v.is(i.wrapping_sub(1), "in") {
        from -= 1;
        1
    } else if v.is(end, "ago") {
        end += 1;
        -1
    } else if v.is(end, "from") && v.is_any(end + 1, &["now", "today"]) {
        end += 2;
        1
    } else if v.is(end, "later") {
        end += 1;
        1
    } else if let Some((which, behind)) =
        v.eat_any(end, &["之后", "以后", "后", "之前", "以前", "前"])
    {
        let sign = if which < 3 { 1 } else { -1 };
        // 三天后天 is no expression; 前 before a noun is "the first".
        if v.is_char(behind, &['天', '面', '台', '者', '来']) && which != 0 && which != 3 {
            return None;
        }
        end = behind;
        sign
    } else {
        return None;
    };
    let Length {
        months,
        days,
        seconds,
        ..
    } = found.length;
    let moment = if seconds == 0 {
        Moment::Day(Day::Shift {
            months: sign * months,
            days: sign * days,
        })
    } else if months == 0 {
        Moment::FromNow {
            seconds: i64::from(sign) * (seconds + i64::from(days) * 86_400),
        }
    } else {
        return None;
    };
    Some((moment, from, end))
}
