//! Labels of a given list in a message, with a slip of the pen.

use tandem_domain::entity::EntityValue;

use super::{
    Found,
    tokens::{Class, View},
};

/// Options of a list that are looked for.
const MAX_OPTIONS: usize = 500;
/// Words of a label beyond which it is no label.
const MAX_WORDS: usize = 8;

/// What can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionList {
    name: String,
    options: Vec<OptionLabels>,
}

/// One option: its value and what it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionLabels {
    value: String,
    names: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    /// In lower case, words apart by one space.
    text: String,
    words: usize,
    chars: usize,
    han: bool,
}

impl OptionLabels {
    /// An option by its value, label and synonyms; names of one letter are not looked for.
    #[must_use]
    pub fn new<'a>(value: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names
            .into_iter()
            .filter_map(|name| {
                let text = name
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .to_lowercase();
                let chars = text.chars().count();
                let han = text.chars().any(super::tokens::is_han);
                let words = text.split(' ').count();
                let long = if han { chars >= 2 } else { chars >= 3 };
                (long && words <= MAX_WORDS && chars <= 60).then_some(Name {
                    text,
                    words,
                    chars,
                    han,
                })
            })
            .collect();
        Self {
            value: value.to_owned(),
            names,
        }
    }
}

impl OptionList {
    /// A list of at most 500 options; further ones are not looked for.
    #[must_use]
    pub fn new(name: &str, mut options: Vec<OptionLabels>) -> Self {
        options.truncate(MAX_OPTIONS);
        Self {
            name: name.to_owned(),
            options,
        }
    }
}

/// The labels in a message, the exact ones first, then those with slips; of two that overlap the
/// longer. A word as near to two options is neither.
pub(super) fn find(v: View<'_>, list: &OptionList) -> Vec<Found> {
    let mut hits: Vec<(Found, usize)> = Vec::new();
    for option in &list.options {
        for name in &option.names {
            if name.han {
                han(v, list, option, name, &mut hits);
            } else {
                words(v, list, option, name, &mut hits);
            }
        }
    }
    hits.sort_by(|(a, slips_a), (b, slips_b)| {
        slips_a
            .cmp(slips_b)
            .then(b.tokens.len().cmp(&a.tokens.len()))
            .then(a.tokens.start.cmp(&b.tokens.start))
    });
    let mut out: Vec<(Found, usize)> = Vec::new();
    let mut unclear: Vec<std::ops::Range<usize>> = Vec::new();
    for (found, slips) in hits {
        let overlaps = |tokens: &std::ops::Range<usize>| {
            found.tokens.start < tokens.end && tokens.start < found.tokens.end
        };
        if let Some((known, best)) = out.iter().find(|(o, _)| overlaps(&o.tokens)) {
            // Two different options in the same words, each with as many slips.
            if *best == slips
                && slips > 0
                && known.tokens == found.tokens
                && known.value != found.value
            {
                unclear.push(found.tokens.clone());
            }
            continue;
        }
        out.push((found, slips));
    }
    out.into_iter()
        .map(|(found, _)| found)
        .filter(|found| !unclear.contains(&found.tokens))
        .collect()
}

/// A label of Chinese characters, anywhere.
fn han(
    v: View<'_>,
    list: &OptionList,
    option: &OptionLabels,
    name: &Name,
    hits: &mut Vec<(Found, usize)>,
) {
    for (start, part) in v.text.lower.match_indices(name.text.as_str()).take(8) {
        let tokens = v.text.token_at(start)..v.text.token_at(start + part.len());
        if !tokens.is_empty() && !negated(v, tokens.start) {
            hits.push((choice(list, option, tokens, 0), 0));
        }
    }
}

/// A label of words, at every run of as many words.
fn words(
    v: View<'_>,
    list: &OptionList,
    option: &OptionLabels,
    name: &Name,
    hits: &mut Vec<(Found, usize)>,
) {
    let allowed = match name.chars {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    let first = name.text.chars().next();
    for start in 0..v.text.tokens.len() {
        let token = &v.text.tokens[start];
        if !matches!(token.class, Class::Word | Class::Digits) {
            continue;
        }
        let end = start + name.words;
        if end > v.text.tokens.len() {
            break;
        }
        let span = v.text.span(start..end);
        let said = &v.text.lower[span.clone()];
        let length = said.chars().count();
        if length.abs_diff(name.chars) > allowed {
            continue;
        }
        let slips = if said == name.text {
            0
        } else if allowed == 0
            // A slip in the first letter is rare, and would make "gold" of "cold".
            || said.chars().next() != first
            || digits(said) != digits(&name.text)
        {
            continue;
        } else {
            strsim::osa_distance(said, &name.text)
        };
        if slips <= allowed && !negated(v, start) {
            hits.push((choice(list, option, start..end, slips), slips));
        }
    }
}

/// Digits of a label are not slipped on: "size 42" is not "size 43".
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn negated(v: View<'_>, i: usize) -> bool {
    v.is_any(
        i.wrapping_sub(1),
        &["not", "no", "isn't", "wasn't", "don't", "without"],
    ) || v.follows(i, &["不", "没", "没有", "不是", "别", "不要", "非"])
}

fn choice(
    list: &OptionList,
    option: &OptionLabels,
    tokens: std::ops::Range<usize>,
    slips: usize,
) -> Found {
    let confidence = match slips {
        0 => 0.95,
        1 => 0.8,
        _ => 0.65,
    };
    Found::new(
        tokens,
        EntityValue::Choice {
            list: list.name.clone(),
            option: option.value.clone(),
        },
        confidence,
        if slips == 0 {
            "label"
        } else {
            "label with a slip"
        },
    )
}
