//! Picking one of several options: by label, synonym, number, ordinal, a part of the label, or a
//! label with a slip of the pen.

use std::ops::Range;

use tandem_domain::Value;

use super::{
    normal::{Words, bounded, fold, is_han, overlaps},
    number::han_value,
};

/// One thing to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub value: Value,
    /// What the customer sees.
    pub label: String,
    /// Further words for it, the value's own name among them.
    pub words: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    pub index: usize,
    pub span: Range<usize>,
    /// The whole message, nothing else in it.
    pub exact: bool,
}

/// The option whose label is the whole message.
#[must_use]
pub fn by_label(options: &[Choice], message: &str) -> Option<usize> {
    let said = fold(message);
    if said.is_empty() {
        return None;
    }
    options.iter().position(|o| fold(&o.label) == said)
}

/// The option the message means, if it means just one.
#[must_use]
pub fn pick(options: &[Choice], words: &Words) -> Option<Pick> {
    let whole = |index| Pick {
        index,
        span: 0..words.text.len(),
        exact: true,
    };
    if options.is_empty() || words.is_empty() {
        return None;
    }
    if let Some(index) = by_label(options, &words.text) {
        return Some(whole(index));
    }
    let said = fold(&words.text);
    if let Some(index) = unique(options, |o| o.words.iter().any(|w| fold(w) == said)) {
        return Some(whole(index));
    }
    if let Some(number) = position(&said, options.len()) {
        return Some(whole(number));
    }
    if let Some((index, span)) = inside(options, &words.lower, &[]) {
        let exact = said.len() <= span.len();
        return Some(Pick { index, span, exact });
    }
    if let Some(index) = by_part(options, &said) {
        return Some(whole(index));
    }
    near(options, &said).map(whole)
}

/// The option named inside a message about something else; options named with others are none.
#[must_use]
pub fn in_passing(
    options: &[Choice],
    words: &Words,
    taken: &[Range<usize>],
) -> Option<(usize, Range<usize>)> {
    inside(options, &words.lower, taken)
}

/// "2", "no. 2", "option two", "the second one", "last", 第二个, 最后一个: an index.
#[must_use]
pub fn position(folded: &str, count: usize) -> Option<usize> {
    let said = folded
        .trim_end_matches(['.', ')'])
        .trim_start_matches(['#', '(']);
    let mut rest = said;
    for lead in [
        "option ", "number ", "no. ", "no ", "nr. ", "nr ", "item ", "the ", "choice ", "选择",
        "选项", "选", "我要", "要",
    ] {
        if let Some(shorter) = rest.strip_prefix(lead) {
            // "No 2" is a number, "no one" is not.
            if lead != "no " || shorter.starts_with(|c: char| c.is_ascii_digit()) {
                rest = shorter.trim_start();
            }
        }
    }
    for tail in [
        " please", " one", " option", " item", " thanks", "吧", "谢谢",
    ] {
        if let Some(shorter) = rest.strip_suffix(tail) {
            rest = shorter.trim_end();
        }
    }
    let index = match rest {
        "first" | "1st" | "one" => 1,
        "second" | "2nd" | "two" => 2,
        "third" | "3rd" | "three" => 3,
        "fourth" | "4th" | "four" => 4,
        "fifth" | "5th" | "five" => 5,
        "sixth" | "6th" | "six" => 6,
        "seventh" | "7th" | "seven" => 7,
        "eighth" | "8th" | "eight" => 8,
        "ninth" | "9th" | "nine" => 9,
        "tenth" | "10th" | "ten" => 10,
        "last" | "最后一个" | "最后" | "末一个" => count,
        other => {
            let numeral = other.strip_prefix('第').unwrap_or(other);
            let numeral = numeral.trim_end_matches(['个', '项', '条', '号', '种', '件', '款']);
            if let Ok(number) = numeral.parse::<usize>() {
                number
            } else if numeral.chars().all(is_han) && !numeral.is_empty() {
                let value = han_value(numeral)?;
                if !(1.0..=1000.0).contains(&value) {
                    return None;
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 1 and 1000"
                )]
                {
                    value as usize
                }
            } else {
                return None;
            }
        }
    };
    (1..=count).contains(&index).then(|| index - 1)
}

fn unique(options: &[Choice], mut meant: impl FnMut(&Choice) -> bool) -> Option<usize> {
    let mut found = None;
    for (index, option) in options.iter().enumerate() {
        if meant(option) {
            if found.is_some() {
                return None;
            }
            found = Some(index);
        }
    }
    found
}

/// The longest name that stands in the text; none where two different options do and neither
/// name contains the other.
fn inside(
    options: &[Choice],
    lower: &str,
    taken: &[Range<usize>],
) -> Option<(usize, Range<usize>)> {
    let mut found: Vec<(usize, Range<usize>)> = Vec::new();
    for (index, option) in options.iter().enumerate() {
        for name in std::iter::once(&option.label).chain(&option.words) {
            let name = fold(name);
            let long = if name.chars().any(is_han) {
                name.chars().count() >= 2
            } else {
                name.len() >= 3
            };
            if !long {
                continue;
            }
            for (start, part) in lower.match_indices(name.as_str()).take(8) {
                let span = start..start + part.len();
                if bounded(lower, &span) && !overlaps(&span, taken) && !negated(lower, start) {
                    found.push((index, span));
                }
            }
        }
    }
    let best = found
        .iter()
        .max_by_key(|(_, span)| (span.len(), std::cmp::Reverse(span.start)))?
        .clone();
    let rival = found.iter().any(|(index, span)| {
        *index != best.0 && !(span.start >= best.1.start && span.end <= best.1.end)
    });
    (!rival).then_some(best)
}

fn negated(lower: &str, start: usize) -> bool {
    let before = lower[..start].trim_end();
    [
        "not", "no", "isn't", "wasn't", "没", "没有", "不", "不是", "别",
    ]
    .iter()
    .any(|word| {
        before
            .strip_suffix(word)
            .is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() && !is_han(c)))
    })
}

/// Every word of the message belongs to one label only: "arrived" of "Arrived damaged".
fn by_part(options: &[Choice], said: &str) -> Option<usize> {
    const FILLER: [&str; 14] = [
        "the", "a", "an", "my", "it", "it's", "is", "was", "i", "please", "one", "that", "this",
        "option",
    ];
    let words: Vec<&str> = said
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .filter(|w| !w.is_empty() && !FILLER.contains(w))
        .collect();
    if words.is_empty() || words.len() > 6 {
        return None;
    }
    let han = said.chars().any(is_han);
    if han && said.chars().count() < 2 || !han && !words.iter().any(|w| w.len() >= 3) {
        return None;
    }
    unique(options, |o| {
        let label = fold(&o.label);
        if han {
            return label.contains(said);
        }
        let parts: Vec<&str> = label
            .split(|c: char| !(c.is_alphanumeric() || c == '\''))
            .collect();
        words.iter().all(|w| parts.contains(w))
    })
}

fn near(options: &[Choice], said: &str) -> Option<usize> {
    let length = said.chars().count();
    let slips = match length {
        0..4 => return None,
        4..8 => 1,
        8..40 => 2,
        _ => return None,
    };
    unique(options, |o| {
        std::iter::once(&o.label).chain(&o.words).any(|name| {
            let name = fold(name);
            name.chars().count().abs_diff(length) <= slips
                && strsim::osa_distance(&name, said) <= slips
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(labels: &[&str]) -> Vec<Choice> {
        labels
            .iter()
            .map(|l| Choice {
                value: Value::from(*l),
                label: (*l).to_owned(),
                words: Vec::new(),
            })
            .collect()
    }

    fn picked(labels: &[&str], text: &str) -> Option<usize> {
        pick(&options(labels), &Words::new(text)).map(|p| p.index)
    }

    #[test]
    fn options_are_named_in_many_ways() {
        let reasons = ["Arrived damaged", "No longer wanted"];
        for (text, want) in [
            ("Arrived damaged", Some(0)),
            ("arrived damaged, both", Some(0)),
            ("2", Some(1)),
            ("②", Some(1)),
            ("option 2.", Some(1)),
            ("the second one", Some(1)),
            ("last", Some(1)),
            ("第二个", Some(1)),
            ("damaged", Some(0)),
            ("arived damaged", Some(0)),
            ("3", None),
            ("no one", None),
            ("no 2", Some(1)),
            ("how much is delivery", None),
            ("not arrived damaged", None),
        ] {
            assert_eq!(picked(&reasons, text), want, "{text}");
        }
        assert_eq!(picked(&["退货", "换货"], "我想换货"), Some(1));
        assert_eq!(picked(&["退货", "换货"], "退货还是换货"), None);
        assert_eq!(picked(&["Small", "Small box"], "small box please"), Some(1));
    }
}
