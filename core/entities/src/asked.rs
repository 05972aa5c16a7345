//! What a message says as the answer to a question for a number, a time of day, one of several
//! options, a telephone number or a web address. Whoever was asked means less by it than whoever
//! mentions it, so more is read.

use std::ops::Range;

use tandem_domain::{
    Locale,
    entity::{Day, Entity, EntityValue, Moment},
};

use super::{
    Found, Recogniser, clock, code_end, contact, content, entities, is_part_of_more,
    number::{self, Form},
    plain,
    tokens::{Class, Text, View},
};

/// Below [`tandem_domain::entity::IN_PASSING`]: nothing of it would be told unasked.
const ASKED: f32 = 0.3;

impl Recogniser {
    /// The numbers that may answer "how many?", whatever they count: "3 kg", "in 3 days",
    /// "room 12". A number in a date, a time of day or an address is none.
    #[must_use]
    pub fn numbers(&self, message: &str, locale: &Locale) -> Vec<Entity> {
        let text = Text::new(message, &self.lexicon);
        let v = View { text: &text };
        let mut out = Vec::new();
        let all = self.found(v, locale);
        let taken: Vec<Range<usize>> = all.iter().map(|f| f.tokens.clone()).collect();
        let mut behind = 0;
        for found in all {
            bare_digits(v, behind..found.tokens.start, &mut out);
            behind = found.tokens.end;
            match found.value {
                EntityValue::Number { .. }
                | EntityValue::Quantity { .. }
                | EntityValue::Money { .. }
                | EntityValue::Percentage { .. }
                    if !is_about(v, found.tokens.start) =>
                {
                    out.push(found);
                }
                _ if says_how_many(v, &found) => bare(v, found.tokens, &mut out),
                _ => {}
            }
        }
        bare_digits(v, behind..text.tokens.len(), &mut out);
        if out.is_empty() {
            // "this one", "none": said of other things too, so only where nothing else counts.
            for gap in between(v, taken.into_iter()) {
                words(v, gap, &mut out);
            }
        }
        entities(v, out)
    }

    /// The hours that may answer "at what time?": "3", "15, please". What counts something, and what
    /// is part of a date, a code or a time, is none.
    #[must_use]
    pub fn hours(&self, message: &str, locale: &Locale) -> Vec<Entity> {
        let text = Text::new(message, &self.lexicon);
        let v = View { text: &text };
        let others = self.found(v, locale).into_iter();
        let others = others.filter(|f| !matches!(f.value, EntityValue::Number { .. }));
        let said = content(v);
        let mut out = Vec::new();
        for gap in between(v, others.map(|f| f.tokens)) {
            let mut i = gap.start;
            while i < gap.end {
                if is_part_of_more(v, i) {
                    i = code_end(v, i);
                    continue;
                }
                let hour = number::at(v, i)
                    .filter(|number| plain::plain(v, i, number).is_some())
                    .and_then(|_| clock::at(v, i, true, None))
                    // "Half three" is an hour off by half, here or there.
                    .filter(|_| !v.is_any(i.wrapping_sub(1), &["half", "quarter"]))
                    // "one" is an hour only where nothing else is said.
                    .filter(|hit| v.class(i) == Some(Class::Digits) || (i..hit.end) == said)
                    .filter(|hit| hit.end <= gap.end);
                let Some(hour) = hour else {
                    i += 1;
                    continue;
                };
                let at = Moment::Clock(hour.value);
                let value = EntityValue::Time { at };
                out.push(Found::new(i..hour.end, value, ASKED, "asked"));
                i = hour.end;
            }
        }
        entities(v, out)
    }

    /// Which one of so many a message means that says nothing else, from 1: "2", "no. 2", "option
    /// two", "the second one", "last", 第二个.
    #[must_use]
    pub fn nth(&self, message: &str, count: usize) -> Option<usize> {
        const MOST: usize = 100;
        const BEFORE: [&str; 6] = ["option", "number", "item", "choice", "the", "choose"];
        const BEHIND: [&str; 5] = ["please", "one", "option", "item", "thanks"];
        // "-2", "$2" and "2%" are no places.
        const MARKS: [char; 16] = [
            '#', '№', '(', ')', '.', ',', '!', '?', ':', ';', '"', '“', '”', '。', '、', '~',
        ];
        if message.len() > MOST {
            return None;
        }
        let text = Text::new(message, &self.lexicon);
        let v = View { text: &text };
        let mut i = 0;
        loop {
            if v.is_any(i, &["no", "nr"]) {
                // "No 2" is a number, "no two" is not.
                i += 1 + usize::from(v.is_char(i + 1, &['.']));
                if v.class(i) != Some(Class::Digits) {
                    return None;
                }
            } else if v.is_any(i, &BEFORE) || v.is_char(i, &MARKS) {
                i += 1;
            } else if let Some((_, end)) = v.eat_any(i, &["选择", "选项", "选", "我要", "要"])
            {
                i = end;
            } else {
                break;
            }
        }
        let (value, mut end) = ordinal(v, i, count)?;
        while end < text.tokens.len() {
            let idle =
                v.is_any(end, &BEHIND) || v.is_char(end, &MARKS) || v.is_char(end, &['吧', '谢']);
            if !idle {
                return None;
            }
            end += 1;
        }
        (1..=count).contains(&value).then_some(value)
    }

    /// The telephone numbers of a message; where there is none, any run of 6 to 15 digits.
    #[must_use]
    pub fn phones(&self, message: &str, locale: &Locale) -> Vec<Entity> {
        let text = Text::new(message, &self.lexicon);
        let v = View { text: &text };
        let found = self.found(v, locale);
        let (phones, others): (Vec<Found>, Vec<Found>) = found
            .into_iter()
            .partition(|f| matches!(f.value, EntityValue::Phone { .. }));
        if !phones.is_empty() {
            return entities(v, phones);
        }
        let others = others.into_iter().filter(|f| {
            !matches!(
                f.value,
                EntityValue::Number { .. } | EntityValue::Ordinal { .. }
            )
        });
        let mut out = Vec::new();
        for gap in between(v, others.map(|f| f.tokens)) {
            let mut i = gap.start;
            while i < gap.end {
                match contact::dialled(v, i).filter(|found| found.tokens.end <= gap.end) {
                    Some(found) => {
                        i = found.tokens.end;
                        out.push(found);
                    }
                    None => i += 1,
                }
            }
        }
        entities(v, out)
    }

    /// The web addresses of a message, those without a scheme by any ending.
    #[must_use]
    pub fn urls(&self, message: &str) -> Vec<Entity> {
        let text = Text::new(message, &self.lexicon);
        let v = View { text: &text };
        let found = self
            .contacts
            .links(&text, true)
            .into_iter()
            .filter(|(_, value, _)| matches!(value, EntityValue::Url { .. }))
            .filter_map(|link| Found::address(v, link))
            .collect();
        entities(v, found)
    }
}

/// A place in a row at a token, and what is behind it.
fn ordinal(v: View<'_>, i: usize, count: usize) -> Option<(usize, usize)> {
    if v.is(i, "last") {
        return Some((count, i + 1));
    }
    if let Some((_, end)) = v.eat_any(i, &["最后一个", "最后", "末一个"]) {
        return Some((count, end));
    }
    if let Some(value) = v.lexed(i).ordinal {
        return Some((usize::from(value), i + 1));
    }
    let named = v.is_char(i, &['第']);
    let i = i + usize::from(named);
    let number = number::at(v, i)?;
    let whole = match number.form {
        Form::Plain(_) => true,
        Form::Words => v.lexed(i).small.is_some() && !v.is_any(i, &["both", "single"]),
        Form::Numerals => number.upper.is_none(),
        _ => false,
    };
    let value = usize::try_from(number.int().filter(|_| whole)?).ok()?;
    let end = number.end;
    // 两个 are two, 第二个 is one.
    let unit = v.glued(end) && v.is_any(end, &["st", "nd", "rd", "th"])
        || v.is_char(end, &['号', '项'])
        || named && v.is_char(end, &['个', '条', '种', '件', '款']);
    Some((value, end + usize::from(unit)))
}

/// "In 3 days" says when, and how many days; digits that could be dialled, and "2.5." at the end of
/// a sentence, may count too.
fn says_how_many(v: View<'_>, found: &Found) -> bool {
    match found.value {
        EntityValue::Duration { .. } | EntityValue::Phone { .. } => true,
        EntityValue::Date {
            at: Moment::Day(Day::Shift { .. }),
        }
        | EntityValue::DateTime {
            at: Moment::FromNow { .. },
        } => true,
        EntityValue::Date { .. } => {
            let said = &v.text.lower[v.text.span(found.tokens.clone())];
            said.ends_with('.') && said.chars().all(|c| c.is_ascii_digit() || c == '.')
        }
        _ => false,
    }
}

/// 两三个 and 十几个 name no number.
fn is_about(v: View<'_>, i: usize) -> bool {
    number::at(v, i).is_some_and(|n| n.upper.is_some() || v.is_char(n.end, &['几', '多']))
}

fn found(tokens: Range<usize>, value: f64) -> Found {
    Found::new(tokens, EntityValue::Number { value }, ASKED, "asked")
}

/// The numbers of some tokens that are known to be a length or the like.
fn bare(v: View<'_>, tokens: Range<usize>, out: &mut Vec<Found>) {
    let mut i = tokens.start;
    while i < tokens.end {
        match number::at(v, i).filter(|n| n.end <= tokens.end && n.form != Form::Half) {
            Some(number) => {
                out.push(found(i..number.end, number.value));
                i = number.end;
            }
            None => i += 1,
        }
    }
}

/// Digits that are no part of a code, as "12" of "room 12".
fn bare_digits(v: View<'_>, tokens: Range<usize>, out: &mut Vec<Found>) {
    let mut i = tokens.start;
    while i < tokens.end {
        if is_part_of_more(v, i) {
            i = code_end(v, i);
            continue;
        }
        let digits = v.class(i) == Some(Class::Digits)
            || v.is_char(i, &['-']) && v.class(i + 1) == Some(Class::Digits);
        let number = digits
            .then(|| number::at(v, i))
            .flatten()
            .filter(|n| n.end <= tokens.end);
        let Some(number) = number else {
            i += 1;
            continue;
        };
        let goes_on = v.glued(number.end)
            && (v.class(number.end) == Some(Class::Word)
                || v.is_char(number.end, &['/', '.', ':', '-', '_', '@', '°'])
                    && v.glued(number.end + 1)
                    && matches!(v.class(number.end + 1), Some(Class::Digits | Class::Word)));
        let named = v.follows(i, &["第"]);
        if !goes_on && !named {
            out.push(found(i..number.end, number.value));
            i = number.end;
        } else {
            i = code_end(v, i).max(number.end);
        }
    }
}

/// Words and numerals that count. 一 before another character begins other words: 一下, 一样.
fn words(v: View<'_>, tokens: Range<usize>, out: &mut Vec<Found>) {
    let mut i = tokens.start;
    while i < tokens.end {
        if v.is_any(i, &["none", "nil"]) {
            out.push(found(i..i + 1, 0.0));
            i += 1;
            continue;
        }
        let spelt = matches!(v.class(i), Some(Class::Word | Class::Han));
        let number = spelt
            .then(|| number::at(v, i))
            .flatten()
            .filter(|n| n.end <= tokens.end)
            .filter(|n| match n.form {
                Form::Words => true,
                Form::Numerals => {
                    n.upper.is_none()
                        && !v.is_char(n.end, &['几', '多'])
                        && !v.follows(i, &["第", "周", "期"])
                        && (n.value != 1.0 || v.class(n.end) != Some(Class::Han))
                }
                _ => false,
            });
        match number {
            Some(number) => {
                out.push(found(i..number.end, number.value));
                i = number.end;
            }
            None => i += 1,
        }
    }
}

/// The stretches of a message outside what was found.
fn between(v: View<'_>, found: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let end = v.text.tokens.len();
    let mut behind = 0;
    found
        .chain(std::iter::once(end..end))
        .map(|tokens| {
            let gap = behind..tokens.start;
            behind = tokens.end;
            gap
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<f64> {
        Recogniser::new()
            .numbers(text, &Locale::new("en"))
            .iter()
            .filter_map(Entity::number)
            .collect()
    }

    #[test]
    fn whoever_is_asked_how_many_says_a_number() {
        for (text, want) in [
            ("2", vec![2.0]),
            ("-3", vec![-3.0]),
            ("1,250.5", vec![1250.5]),
            ("a couple", vec![2.0]),
            ("both", vec![2.0]),
            ("twenty-one", vec![21.0]),
            ("three hundred and five", vec![305.0]),
            ("a dozen", vec![12.0]),
            ("2x lamps", vec![2.0]),
            ("one two", vec![1.0, 2.0]),
            ("this one", vec![1.0]),
            ("none", vec![0.0]),
            ("zero", vec![0.0]),
            ("room 12", vec![12.0]),
            ("12345678", vec![12_345_678.0]),
            ("13800138000", vec![13_800_138_000.0]),
            ("It weighs 2.5.", vec![2.5]),
            ("2.5kg", vec![2.5]),
            ("20 %", vec![20.0]),
            ("$20", vec![20.0]),
            ("in 3 days", vec![3.0]),
            ("3天后", vec![3.0]),
            ("two weeks", vec![2.0]),
            ("一定要两个", vec![2.0]),
            ("两个", vec![2.0]),
            ("一", vec![1.0]),
            ("三百二", vec![320.0]),
            ("3万", vec![30_000.0]),
            (".5", vec![0.5]),
            ("半打", vec![6.0]),
            ("4 of us, on 5 March", vec![4.0]),
            ("四位，3月7日", vec![4.0]),
        ] {
            assert_eq!(numbers(text), want, "{text}");
        }
        for text in [
            "7 March",
            "at 5 pm",
            "下午三点",
            "2025-03-07",
            "a4b",
            "12:30",
            "第二个",
            "等一下",
            "两三个",
            "三四十",
            "十几个",
            "一个都没有",
            "2-3",
            "lamp",
            "ann2@x.test",
            "the second one",
        ] {
            assert!(numbers(text).is_empty(), "{text}: {:?}", numbers(text));
        }
    }

    #[test]
    fn whoever_is_asked_for_a_number_to_call_says_digits() {
        let phones = |text: &str| -> Vec<String> {
            Recogniser::new()
                .phones(text, &Locale::new("en"))
                .into_iter()
                .filter_map(|e| match e.value {
                    EntityValue::Phone { number } => Some(number),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(phones("call +49 30 1234-567"), ["+49301234567"]);
        assert_eq!(phones("我的电话13800138000"), ["+8613800138000"]);
        assert_eq!(phones("12345678"), ["12345678"]);
        assert_eq!(phones("030 123456"), ["030123456"]);
        assert_eq!(phones("0049 30 1234567"), ["+49301234567"]);
        assert_eq!(phones("call 12345678 on 2025-03-07"), ["12345678"]);
        for text in ["4", "no", "2025-03-07", "1234567890123456"] {
            assert!(phones(text).is_empty(), "{text}: {:?}", phones(text));
        }
    }

    #[test]
    fn whoever_is_asked_for_a_site_may_leave_out_the_scheme() {
        let urls = |text: &str| -> Vec<String> {
            Recogniser::new()
                .urls(text)
                .into_iter()
                .filter_map(|e| match e.value {
                    EntityValue::Url { address } => Some(address),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(urls("see www.x.test/a."), ["https://www.x.test/a"]);
        assert_eq!(urls("x.test/a"), ["https://x.test/a"]);
        assert_eq!(urls("it is lamps.berlin!"), ["https://lamps.berlin"]);
        assert_eq!(urls("http://x.test"), ["http://x.test"]);
        assert!(urls("no. 5.30 or ann@x.test").is_empty());
    }

    #[test]
    fn whoever_is_asked_when_says_an_hour() {
        let hours = |text: &str| -> Vec<(i8, bool)> {
            Recogniser::new()
                .hours(text, &Locale::new("en"))
                .into_iter()
                .filter_map(|e| match e.value {
                    EntityValue::Time {
                        at: Moment::Clock(clock),
                    } => Some((clock.hour, clock.sure)),
                    _ => None,
                })
                .collect()
        };
        for (text, want) in [
            ("3", vec![(3, false)]),
            ("15, please", vec![(15, true)]),
            ("three", vec![(3, false)]),
            ("maybe 4?", vec![(4, false)]),
            ("six thirty", vec![(6, false)]),
            ("my order A-4, 5 March or 4", vec![(4, false)]),
        ] {
            assert_eq!(hours(text), want, "{text}");
        }
        for text in [
            "half 3", "4 people", "4 of us", "room 12", "no one", "25", "1530", "A-4", "5 March",
        ] {
            assert!(hours(text).is_empty(), "{text}: {:?}", hours(text));
        }
    }

    #[test]
    fn one_of_several_is_named_by_its_place() {
        for (text, want) in [
            ("2", Some(2)),
            ("②", Some(2)),
            ("(2)", Some(2)),
            ("option 2.", Some(2)),
            ("number two please", Some(2)),
            ("No. 2", Some(2)),
            ("no 2", Some(2)),
            ("the 2nd one", Some(2)),
            ("twelfth", Some(12)),
            ("the last one", Some(12)),
            ("第二个", Some(2)),
            ("第十二项吧", Some(12)),
            ("我要第三个，谢谢", Some(3)),
            ("最后一个", Some(12)),
            ("二", Some(2)),
            ("13", None),
            ("0", None),
            ("no one", None),
            ("no two", None),
            ("both", None),
            ("两个", None),
            ("a couple", None),
            ("1/2", None),
            ("2 or 3", None),
            ("2 lamps", None),
            ("-2", None),
            ("$2", None),
            ("2%", None),
            ("", None),
        ] {
            assert_eq!(Recogniser::new().nth(text, 12), want, "{text}");
        }
    }
}
