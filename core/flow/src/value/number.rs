//! Numbers as digits and as words, in English and Chinese.

use std::ops::Range;

use super::normal::{bounded, is_han, overlaps};

/// A number somewhere in a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub value: f64,
    pub span: Range<usize>,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Digits,
    /// "two", "both".
    Word,
    /// 两, 三百二十; true where a measure word follows.
    Han {
        measured: bool,
    },
}

const MEASURES: &str = "个件只条台张份次块位盏套本双箱包瓶部支把盒辆颗斤公";

/// Every number of a message in lower case, from left to right, none overlapping.
#[must_use]
pub fn numbers(lower: &str) -> Vec<Number> {
    let mut out = digits(lower);
    let taken: Vec<Range<usize>> = out.iter().map(|n| n.span.clone()).collect();
    out.extend(
        words(lower)
            .into_iter()
            .filter(|n| !overlaps(&n.span, &taken)),
    );
    out.extend(
        han(lower)
            .into_iter()
            .filter(|n| !overlaps(&n.span, &taken)),
    );
    out.sort_by_key(|n| n.span.start);
    out
}

fn digits(lower: &str) -> Vec<Number> {
    let bytes = lower.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        // Thousands: 1,000 or 12,345,678.
        if at - start <= 3 {
            while bytes.get(at) == Some(&b',')
                && bytes
                    .get(at + 1..at + 4)
                    .is_some_and(|g| g.iter().all(u8::is_ascii_digit))
                && !bytes.get(at + 4).is_some_and(u8::is_ascii_digit)
            {
                at += 4;
            }
        }
        if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            at += 1;
            while at < bytes.len() && bytes[at].is_ascii_digit() {
                at += 1;
            }
        }
        let mut end = at;
        let mut factor = 1.0;
        if let Some(c @ ('百' | '千' | '万' | '亿')) = lower[at..].chars().next() {
            factor = unit(c);
            end += c.len_utf8();
            at = end;
        }
        let negative = start > 0
            && bytes[start - 1] == b'-'
            && (start == 1 || bytes[start - 2].is_ascii_whitespace());
        let from = if negative { start - 1 } else { start };
        let before = lower[..from].chars().next_back();
        let after = &lower[end..];
        let inside_word = before.is_some_and(|c| {
            c.is_alphanumeric() && !is_han(c) && c != 'x' || matches!(c, '.' | '@' | '_' | '第')
        });
        let goes_on = after.starts_with(|c: char| {
            c.is_alphabetic() && !is_han(c) || matches!(c, '@' | '_' | ':' | '%')
        }) && !["x", "pcs", "pc"].iter().any(|unit| {
            after
                .strip_prefix(unit)
                .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        });
        let part_of_more = after
            .strip_prefix(['-', '/', '.'])
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            || lower[..from]
                .strip_suffix(['-', '/', ':'])
                .is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_digit()));
        if inside_word || goes_on || part_of_more {
            continue;
        }
        let plain: String = lower[start..end]
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        if let Ok(value) = plain.parse::<f64>()
            && value.is_finite()
        {
            let value = value * factor;
            out.push(Number {
                value: if negative { -value } else { value },
                span: from..end,
                form: Form::Digits,
            });
        }
    }
    out
}

fn word_value(word: &str) -> Option<f64> {
    Some(match word {
        "zero" | "none" | "nil" => 0.0,
        "one" | "single" => 1.0,
        "two" | "both" | "couple" | "pair" => 2.0,
        "three" => 3.0,
        "four" => 4.0,
        "five" => 5.0,
        "six" => 6.0,
        "seven" => 7.0,
        "eight" => 8.0,
        "nine" => 9.0,
        "ten" => 10.0,
        "eleven" => 11.0,
        "twelve" | "dozen" => 12.0,
        "thirteen" => 13.0,
        "fourteen" => 14.0,
        "fifteen" => 15.0,
        "sixteen" => 16.0,
        "seventeen" => 17.0,
        "eighteen" => 18.0,
        "nineteen" => 19.0,
        "twenty" => 20.0,
        "thirty" => 30.0,
        "forty" => 40.0,
        "fifty" => 50.0,
        "sixty" => 60.0,
        "seventy" => 70.0,
        "eighty" => 80.0,
        "ninety" => 90.0,
        "hundred" => 100.0,
        "thousand" => 1_000.0,
        "million" => 1_000_000.0,
        _ => return None,
    })
}

fn words(lower: &str) -> Vec<Number> {
    let tokens = latin_tokens(lower);
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(first) = word_value(&lower[tokens[at].clone()]) else {
            at += 1;
            continue;
        };
        let start =
            if at > 0 && matches!(&lower[tokens[at - 1].clone()], "a" | "an") && first >= 2.0 {
                tokens[at - 1].start
            } else {
                tokens[at].start
            };
        let (mut total, mut current) = (0.0_f64, first);
        let mut end = tokens[at].end;
        let mut last = first;
        at += 1;
        while at < tokens.len() {
            let skip_and = usize::from(
                &lower[tokens[at].clone()] == "and" && (last == 100.0 || last == 1_000.0),
            );
            let Some(next) = tokens
                .get(at + skip_and)
                .and_then(|t| word_value(&lower[t.clone()]))
            else {
                break;
            };
            let between = &lower[end..tokens[at].start];
            if !between.chars().all(|c| c == ' ' || c == '-') {
                break;
            }
            if next == 100.0 && current < 100.0 {
                current *= 100.0;
            } else if next >= 1_000.0 && current < 1_000.0 {
                total += current * next;
                current = 0.0;
            } else if ((20.0..100.0).contains(&last) && next < 10.0)
                || ((last == 100.0 || last >= 1_000.0) && next < 100.0)
            {
                current += next;
            } else {
                break;
            }
            last = next;
            end = tokens[at + skip_and].end;
            at += 1 + skip_and;
        }
        out.push(Number {
            value: total + current,
            span: start..end,
            form: Form::Word,
        });
    }
    out
}

/// Spans of runs of Latin letters, apostrophes included.
pub(crate) fn latin_tokens(lower: &str) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut start = None;
    for (at, c) in lower.char_indices() {
        let inside =
            c.is_alphabetic() && !is_han(c) || c == '\'' || c == '\u{2019}' || c.is_ascii_digit();
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                out.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        out.push(from..lower.len());
    }
    out
}

fn unit(c: char) -> f64 {
    match c {
        '十' => 10.0,
        '百' => 100.0,
        '千' => 1_000.0,
        '万' => 10_000.0,
        '亿' => 100_000_000.0,
        _ => 1.0,
    }
}

fn han_digit(c: char) -> Option<f64> {
    Some(match c {
        '零' | '〇' => 0.0,
        '一' | '壹' => 1.0,
        '二' | '两' | '俩' | '贰' => 2.0,
        '三' | '仨' | '叁' => 3.0,
        '四' | '肆' => 4.0,
        '五' | '伍' => 5.0,
        '六' | '陆' => 6.0,
        '七' | '柒' => 7.0,
        '八' | '捌' => 8.0,
        '九' | '玖' => 9.0,
        _ => return None,
    })
}

fn is_unit(c: char) -> bool {
    matches!(c, '十' | '百' | '千' | '万' | '亿')
}

/// The value of a whole run of numerals: 三百二十, 一万二, 二〇二五.
#[must_use]
pub fn han_value(run: &str) -> Option<f64> {
    let chars: Vec<char> = run.chars().collect();
    if chars.is_empty() || chars.len() > 20 {
        return None;
    }
    if chars.len() > 1 && !chars.iter().any(|c| is_unit(*c)) {
        let mut value = 0.0;
        for c in chars {
            value = value * 10.0 + han_digit(c)?;
        }
        return Some(value);
    }
    let (mut total, mut section, mut digit) = (0.0, 0.0, None::<f64>);
    let mut last_unit = 1.0;
    let mut zero = false;
    for c in &chars {
        if let Some(d) = han_digit(*c) {
            zero = d == 0.0;
            digit = if zero { None } else { Some(d) };
            if !zero {
                continue;
            }
        } else if matches!(c, '万' | '亿') {
            section += digit.take().unwrap_or(0.0);
            total = (total + section) * unit(*c);
            section = 0.0;
            last_unit = unit(*c);
        } else if is_unit(*c) {
            section += digit.take().unwrap_or(1.0) * unit(*c);
            last_unit = unit(*c);
            zero = false;
        } else {
            return None;
        }
    }
    if let Some(d) = digit {
        // 三百二 is 320, 三百零二 is 302, 十二 is 12.
        let colloquial =
            last_unit >= 100.0 && !chars.iter().any(|c| matches!(c, '零' | '〇')) && !zero;
        section += if colloquial { d * last_unit / 10.0 } else { d };
    }
    Some(total + section)
}

fn han(lower: &str) -> Vec<Number> {
    let mut out = Vec::new();
    let mut run: Option<usize> = None;
    let numeral = |c: char| han_digit(c).is_some() || is_unit(c);
    for (at, c) in lower.char_indices().chain([(lower.len(), ' ')]) {
        if at < lower.len() && numeral(c) {
            run.get_or_insert(at);
            continue;
        }
        let Some(start) = run.take() else { continue };
        let before = lower[..start].chars().next_back();
        if before.is_some_and(|b| b == '第' || b == '周' || b == '期' || b.is_ascii_digit()) {
            continue;
        }
        if let Some(value) = han_value(&lower[start..at]) {
            let alone = matches!(&lower[start..at], "俩" | "仨");
            out.push(Number {
                value,
                span: start..at,
                form: Form::Han {
                    measured: alone || (at < lower.len() && MEASURES.contains(c)),
                },
            });
        }
    }
    out
}

/// Numbers said on purpose, for recognising one in a message about something else: "one" in
/// "this one" and 一 in 一下 count nothing.
#[must_use]
pub fn deliberate(lower: &str, taken: &[Range<usize>]) -> Vec<Number> {
    numbers(lower)
        .into_iter()
        .filter(|n| !overlaps(&n.span, taken) && is_deliberate(lower, n))
        .collect()
}

fn is_deliberate(lower: &str, number: &Number) -> bool {
    let before = lower[..number.span.start].trim_end();
    let after = lower[number.span.end..].trim_start();
    let previous = before
        .rsplit(|c: char| !(c.is_alphanumeric() || c == '\''))
        .next()
        .unwrap_or("");
    let next = after
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .next()
        .unwrap_or("");
    let unit_of_time = matches!(
        next,
        "day"
            | "days"
            | "week"
            | "weeks"
            | "month"
            | "months"
            | "year"
            | "years"
            | "hour"
            | "hours"
            | "minute"
            | "minutes"
            | "am"
            | "pm"
            | "percent"
            | "euro"
            | "euros"
            | "dollar"
            | "dollars"
    ) || after.starts_with([
        '天', '月', '年', '号', '日', '点', '元', '%', '€', '$', '£', '周', '小', '分',
    ]);
    if unit_of_time || before.ends_with(['€', '$', '£', '¥', '#']) {
        return false;
    }
    match number.form {
        Form::Digits => number.value.abs() < 1e9 && bounded(lower, &number.span),
        Form::Word => {
            let vague = ["one", "single", "none", "nil", "zero", "pair", "couple"]
                .contains(&&lower[number.span.clone()]);
            !(vague
                && matches!(
                    previous,
                    "this"
                        | "that"
                        | "the"
                        | "no"
                        | "any"
                        | "every"
                        | "some"
                        | "which"
                        | "another"
                        | "wrong"
                        | "other"
                        | "each"
                        | "first"
                        | "second"
                        | "last"
                        | "new"
                        | "right"
                        | "same"
                        | "big"
                        | "small"
                ))
                && next != "of"
        }
        Form::Han { measured } => measured || super::normal::clauses(lower).contains(&number.span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<f64> {
        numbers(text).into_iter().map(|n| n.value).collect()
    }

    #[test]
    fn digits_and_words_count() {
        assert_eq!(all("2"), [2.0]);
        assert_eq!(all("1,250.5"), [1250.5]);
        assert_eq!(all("both"), [2.0]);
        assert_eq!(all("a couple"), [2.0]);
        assert_eq!(all("twenty-one"), [21.0]);
        assert_eq!(all("three hundred and five"), [305.0]);
        assert_eq!(all("two thousand"), [2000.0]);
        assert_eq!(all("one two"), [1.0, 2.0]);
        assert_eq!(all("-3"), [-3.0]);
        assert_eq!(all("2x lamps"), [2.0]);
        assert!(all("a4b 2025-03-03 12:30").is_empty());
    }

    #[test]
    fn chinese_numerals_count() {
        assert_eq!(all("两个"), [2.0]);
        assert_eq!(all("三百二十"), [320.0]);
        assert_eq!(all("三百二"), [320.0]);
        assert_eq!(all("三百零二"), [302.0]);
        assert_eq!(all("十二"), [12.0]);
        assert_eq!(all("一万二"), [12_000.0]);
        assert_eq!(all("二〇二五"), [2025.0]);
        assert_eq!(all("3万"), [30_000.0]);
        assert!(all("第二个").is_empty());
    }

    #[test]
    fn a_number_in_passing_is_said_on_purpose() {
        let found = |text: &str| deliberate(text, &[]).len();
        assert_eq!(found("sorry, only one"), 1);
        assert_eq!(found("arrived damaged, both"), 1);
        assert_eq!(found("坏了，两个"), 1);
        assert_eq!(found("一"), 1);
        assert_eq!(found("this one is broken"), 0);
        assert_eq!(found("等一下"), 0);
        assert_eq!(found("it broke after 3 days"), 0);
    }
}
