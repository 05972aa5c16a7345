//! Labels of a given list in a message, with a slip of the pen.

use std::ops::Range;

use tandem_domain::entity::EntityValue;

use super::{
    Found, content,
    tokens::{self, Class, View},
};

/// Options of a list that are looked for.
const MAX_OPTIONS: usize = 500;
/// Tokens of a label beyond which it is no label.
const MAX_TOKENS: usize = 16;
/// A slip of the pen is forgiven for so many letters inside a message, and for fewer where the
/// message is nothing else.
const LETTERS: usize = 5;
const LETTERS_ALONE: usize = 4;

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
    text: String,
    tokens: usize,
    chars: usize,
    han: bool,
}

impl Name {
    /// Long enough to be told from the words around it.
    fn stands_out(&self) -> bool {
        self.chars >= if self.han { 2 } else { 3 }
    }

    /// The slips that make this name of what was said, up to one in so many letters. The first
    /// letter is rarely missed, and would make "gold" of "cold"; digits and "not" are never.
    fn slips(&self, said: &str, letters: usize) -> Option<usize> {
        if said == self.text {
            return Some(0);
        }
        let allowed = (self.chars / letters).min(2);
        let first = |text: &str| text.chars().next().filter(|_| !self.han);
        if allowed == 0
            || first(said) != first(&self.text)
            || said.chars().count().abs_diff(self.chars) > allowed
            || !fixed(said).eq(fixed(&self.text))
        {
            return None;
        }
        Some(strsim::osa_distance(said, &self.text)).filter(|slips| *slips <= allowed)
    }
}

/// What is never a slip: "size 42" is not "size 43", 不要 not 我要.
fn fixed(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|c| c.is_ascii_digit() || matches!(c, '不' | '没' | '无' | '未' | '非' | '别'))
}

impl OptionLabels {
    /// An option by its value, label and synonyms. What is shorter than three letters or two
    /// characters is found only where the message is nothing else.
    #[must_use]
    pub fn new<'a>(value: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names
            .into_iter()
            .filter_map(|name| {
                let text = tokens::folded(name);
                let name = Name {
                    tokens: tokens::pieces(&text).count(),
                    chars: text.chars().count(),
                    han: text.chars().any(tokens::is_han),
                    text,
                };
                (1..=MAX_TOKENS).contains(&name.tokens).then_some(name)
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

/// The labels in a message that was asked for one, from left to right.
pub(super) fn asked(v: View<'_>, list: &OptionList) -> Vec<Found> {
    let mut found = find(v, list);
    found.sort_by_key(|found| found.tokens.start);
    if found.is_empty() {
        found.extend(alone(v, list));
    }
    found
}

/// The one option whose name the message is, but for the words around an answer.
fn alone(v: View<'_>, list: &OptionList) -> Option<Found> {
    let tokens = content(v);
    if tokens.is_empty() || tokens.len() > 2 * MAX_TOKENS {
        return None;
    }
    let said = &v.text.lower[v.text.span(tokens.clone())];
    let nearest = |option: &OptionLabels| {
        let slips = option.names.iter();
        slips.filter_map(|n| n.slips(said, LETTERS_ALONE)).min()
    };
    let mut near: Vec<(usize, &OptionLabels)> = list
        .options
        .iter()
        .filter_map(|option| Some((nearest(option)?, option)))
        .collect();
    near.sort_by_key(|(slips, _)| *slips);
    match near.as_slice() {
        [(first, _), (second, _), ..] if first == second => None,
        [(slips, option), ..] => {
            // With a slip it counts where it was asked for.
            let doubt = if *slips > 0 { 0.6 } else { 0.0 };
            Some(choice(list, option, tokens, *slips, doubt))
        }
        [] => None,
    }
}

/// The labels in a message, the exact ones first, then those with slips; of two that overlap the
/// longer. A word as near to two options is neither.
pub(super) fn find(v: View<'_>, list: &OptionList) -> Vec<Found> {
    let mut hits: Vec<(Found, usize)> = Vec::new();
    for option in &list.options {
        for name in option.names.iter().filter(|name| name.stands_out()) {
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
    let mut unclear: Vec<Range<usize>> = Vec::new();
    for (found, slips) in hits {
        let overlaps = |tokens: &Range<usize>| {
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
        .filter(|found| !unclear.contains(&found.tokens) && !negated(v, found.tokens.start))
        .collect()
}

/// A label of Chinese characters, anywhere. With a character changed it is another word.
fn han(
    v: View<'_>,
    list: &OptionList,
    option: &OptionLabels,
    name: &Name,
    hits: &mut Vec<(Found, usize)>,
) {
    for (start, part) in v.text.lower.match_indices(name.text.as_str()).take(8) {
        let tokens = v.text.token_at(start)..v.text.token_at(start + part.len());
        if !tokens.is_empty() {
            hits.push((choice(list, option, tokens, 0, 0.0), 0));
        }
    }
}

/// A label of words, at every run of as many.
fn words(
    v: View<'_>,
    list: &OptionList,
    option: &OptionLabels,
    name: &Name,
    hits: &mut Vec<(Found, usize)>,
) {
    for start in 0..v.text.tokens.len() {
        let tokens = start..start + name.tokens;
        if tokens.end > v.text.tokens.len() {
            break;
        }
        if !matches!(v.class(start), Some(Class::Word | Class::Digits)) {
            continue;
        }
        let said = &v.text.lower[v.text.span(tokens.clone())];
        let Some(slips) = name.slips(said, LETTERS) else {
            continue;
        };
        // A short word with a slip may as well be another: "chair", "chain".
        let doubt = if name.chars < 6 * slips { 0.4 } else { 0.0 };
        hits.push((choice(list, option, tokens, slips, doubt), slips));
    }
}

fn negated(v: View<'_>, i: usize) -> bool {
    let article = v.is_any(i.wrapping_sub(1), &["the", "a", "an", "my"]);
    v.is_any(
        i.wrapping_sub(1 + usize::from(article)),
        &["not", "no", "isn't", "wasn't", "don't", "without"],
    ) || v.follows(i, &["不", "没", "没有", "不是", "别", "不要", "非"])
}

fn choice(
    list: &OptionList,
    option: &OptionLabels,
    tokens: Range<usize>,
    slips: usize,
    doubt: f32,
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
        confidence - doubt,
        if slips == 0 {
            "label"
        } else {
            "label with a slip"
        },
    )
}
