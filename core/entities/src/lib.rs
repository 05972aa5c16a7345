//! Entities: numbers, money, days, times, lengths of time, quantities, addresses, codes and
//! option labels in a message, in English and Chinese at once. [`Recogniser::read`] finds what is
//! told of any message; slots are answered from the same grammars.
//!
//! One pass from left to right over the tokens of a message; at each that a value may begin with,
//! the grammars are asked in a fixed order, and each looks a bounded number of tokens ahead. So
//! the time is linear, nothing overlaps, and the same message reads the same. What is relative to
//! now stays relative: [`tandem_domain::entity::Calendar`] says what it is.
//!
//! * [`tokens`] – the message in one spelling, with places in the original;
//! * [`lexicon`] – English words and their roles;
//! * [`number`] – digits, words, numerals; [`plain`] – which of them are meant as such;
//! * [`amount`] – money, percentages, quantities;
//! * [`day`], [`clock`], [`duration`], and [`moment`], which joins them;
//! * [`contact`] – e-mail, web, telephone; [`pattern`] – codes of the pack; [`options`] – labels;
//! * [`asked`] – what more a message says to whoever asked for it.

mod amount;
mod asked;
mod clock;
mod contact;
mod day;
mod duration;
mod lexicon;
mod moment;
mod number;
mod options;
mod pattern;
mod plain;
mod tokens;

use std::{borrow::Cow, ops::Range};

use tandem_domain::{
    Locale,
    entity::{Entity, EntityValue},
};

pub use options::{OptionLabels, OptionList};
pub use pattern::{Pattern, PatternError, is_strict};

use contact::Contacts;
use lexicon::Lexicon;
use number::{Form, Number};
use tokens::{Class, Text, View};

/// The rule that reads "the last 3 days": a period by its length, which names no day.
pub const AROUND_NOW: &str = "around now";

/// Finds entities. Holds the word list and what the pack gives; made once, shared by all.
#[derive(Debug)]
pub struct Recogniser {
    lexicon: Lexicon,
    contacts: Contacts,
    patterns: Vec<Pattern>,
    lists: Vec<OptionList>,
}

impl Default for Recogniser {
    fn default() -> Self {
        Self::new()
    }
}

impl Recogniser {
    #[must_use]
    pub fn new() -> Self {
        Self {
            lexicon: Lexicon::new(),
            contacts: Contacts::new(),
            patterns: Vec::new(),
            lists: Vec::new(),
        }
    }

    /// With a pack's own codes and lists. A pattern that ordinary words satisfy is left out: it
    /// recognises nothing.
    #[must_use]
    pub fn with(patterns: Vec<Pattern>, lists: Vec<OptionList>) -> Self {
        Self {
            patterns: patterns.into_iter().filter(Pattern::is_strict).collect(),
            lists,
            ..Self::new()
        }
    }

    /// The entities of a message, from left to right, none overlapping. The locale says whose
    /// dollars and telephone numbers are meant; both languages are always read.
    #[must_use]
    pub fn read(&self, message: &str, locale: &Locale) -> Vec<Entity> {
        let text = Text::new(message, &self.lexicon);
        if text.tokens.is_empty() {
            return Vec::new();
        }
        let v = View { text: &text };
        entities(v, self.found(v, locale))
    }

    fn found(&self, v: View<'_>, locale: &Locale) -> Vec<Found> {
        let mut given = self.given(v);
        given.sort_by_key(|found| found.tokens.start);
        let mut out: Vec<Found> = Vec::new();
        let mut given = given.into_iter().peekable();
        let mut i = 0;
        while i < v.text.tokens.len() {
            // What is found beforehand goes first, the earliest of those that overlap.
            while given.peek().is_some_and(|found| found.tokens.start < i) {
                given.next();
            }
            if given.peek().is_some_and(|found| found.tokens.start == i) {
                if let Some(found) = given.next() {
                    i = found.tokens.end.max(i + 1);
                    out.push(found);
                }
                continue;
            }
            match self.at(v, i, locale) {
                Step::Skip(end) => i = end.max(i + 1),
                Step::Found(found) => {
                    let before = out.last().map_or(0, |last| last.tokens.end);
                    let cut = given
                        .peek()
                        .is_some_and(|next| next.tokens.start < found.tokens.end);
                    if cut || found.tokens.start < before {
                        i += 1;
                    } else {
                        i = found.tokens.end.max(i + 1);
                        out.push(*found);
                    }
                }
            }
        }
        out
    }

    /// The options of a list that a message names, with up to one slip in five letters. What could
    /// be another word has a confidence for whoever asked; a message that is nothing but a name may
    /// be shorter, or a slip further from it.
    #[must_use]
    pub fn choices(&self, message: &str, list: &OptionList) -> Vec<Entity> {
        let text = Text::new(message, &self.lexicon);
        let v = View { text: &text };
        entities(v, options::asked(v, list))
    }

    /// Addresses, codes and labels: what is found by itself, wherever it stands.
    fn given(&self, v: View<'_>) -> Vec<Found> {
        let mut out: Vec<Found> = Vec::new();
        let mut add = |found: Found| {
            let free = out
                .iter()
                .all(|o| found.tokens.end <= o.tokens.start || o.tokens.end <= found.tokens.start);
            if free {
                out.push(found);
            }
        };
        let links = self.contacts.links(v.text, false);
        links
            .into_iter()
            .filter_map(|link| Found::address(v, link))
            .for_each(&mut add);
        for pattern in &self.patterns {
            pattern.find(v).into_iter().for_each(&mut add);
        }
        for list in &self.lists {
            options::find(v, list).into_iter().for_each(&mut add);
        }
        out
    }

    /// What begins at a token, or where to go on.
    fn at(&self, v: View<'_>, i: usize, locale: &Locale) -> Step {
        let Some(token) = v.token(i) else {
            return Step::Skip(i + 1);
        };
        let begins = match token.class {
            Class::Word => token.word.begins || v.is_char(i + 1, &['$']) && v.glued(i + 1),
            Class::Digits => true,
            Class::Han => begins_value(token.first),
            Class::Mark => matches!(
                token.first,
                '+' | '-' | '.' | '$' | '€' | '£' | '¥' | '₩' | '₹' | '('
            ),
        };
        if !begins {
            return Step::Skip(i + 1);
        }
        let found = contact::phone(v, i, locale, false)
            .or_else(|| amount::money_before(v, i, dollar(locale)))
            .or_else(|| amount::lettered(v, i))
            .or_else(|| amount::percentage_before(v, i))
            .or_else(|| amount::size_before(v, i));
        if let Some(found) = found {
            return found.into();
        }
        if is_part_of_more(v, i) {
            return Step::Skip(code_end(v, i));
        }
        // A length is asked before the days, as 三天后 begins like 三 and 天后; a day before the
        // number it is made of.
        let number = number::at(v, i);
        if let Some(number) = &number
            && let Some(found) = counted(v, i, number, false)
        {
            return found.into();
        }
        if let Some(found) = moment::at(v, i) {
            return found.into();
        }
        if let Some(found) = duration::article(v, i) {
            return lasting(v, i, &found).into();
        }
        if let Some(found) = amount::article_quantity(v, i) {
            return found.into();
        }
        if let Some(ordinal) = plain::ordinal(v, i) {
            return ordinal.into();
        }
        let Some(number) = number else {
            return Step::Skip(i + 1);
        };
        if let Some(found) = counted(v, i, &number, true) {
            return found.into();
        }
        if let Some(found) = contact::phone(v, i, locale, true) {
            return found.into();
        }
        match plain::plain(v, i, &number) {
            Some(confidence) => Found::new(
                i..number.end,
                EntityValue::Number {
                    value: number.value,
                },
                confidence,
                match number.form {
                    Form::Words => "words",
                    Form::Numerals | Form::Half => "numerals",
                    Form::Fraction => "fraction",
                    _ => "digits",
                },
            )
            .into(),
            None => Step::Skip(number.end),
        }
    }
}

enum Step {
    Found(Box<Found>),
    Skip(usize),
}

impl From<Found> for Step {
    fn from(found: Found) -> Self {
        Self::Found(Box::new(found))
    }
}

/// A part of a grammar that was read: its value and what is behind it.
#[derive(Clone, Copy, Debug)]
struct Hit<T> {
    value: T,
    end: usize,
    confidence: f32,
    how: &'static str,
}

impl<T> Hit<T> {
    fn new(value: T, end: usize, confidence: f32, how: &'static str) -> Self {
        Self {
            value,
            end,
            confidence,
            how,
        }
    }
}

/// An entity by its tokens.
#[derive(Clone, Debug)]
struct Found {
    tokens: Range<usize>,
    /// Where it does not end with its tokens.
    bytes: Option<Range<usize>>,
    value: EntityValue,
    confidence: f32,
    how: &'static str,
}

impl Found {
    fn new(tokens: Range<usize>, value: EntityValue, confidence: f32, how: &'static str) -> Self {
        Self {
            tokens,
            bytes: None,
            value,
            confidence,
            how,
        }
    }

    fn address(v: View<'_>, link: (Range<usize>, EntityValue, f32)) -> Option<Self> {
        let (span, value, confidence) = link;
        let tokens = v.text.token_at(span.start)..v.text.token_at(span.end);
        (!tokens.is_empty()).then(|| Self {
            bytes: Some(span),
            ..Self::new(tokens, value, confidence, "address")
        })
    }

    /// What is the whole message is surely meant.
    fn entity(self, v: View<'_>, said: &Range<usize>) -> Entity {
        // What is doubtful, as "sat" is, has to be all there is.
        let all = self.tokens == (0..v.text.tokens.len());
        let alone = (self.confidence >= 0.4 || all && self.confidence >= 0.3)
            && self.tokens.start <= said.start
            && self.tokens.end >= said.end;
        let span = self.bytes.unwrap_or_else(|| v.text.span(self.tokens));
        Entity {
            span: v.text.original(&span),
            value: self.value,
            confidence: if alone {
                self.confidence.max(0.9)
            } else {
                self.confidence
            },
            how: Cow::Borrowed(self.how),
        }
    }
}

/// What was found, from left to right, by its place in the message as it was written.
fn entities(v: View<'_>, found: Vec<Found>) -> Vec<Entity> {
    let said = content(v);
    let mut out: Vec<Entity> = Vec::with_capacity(found.len());
    for found in found {
        let entity = found.entity(v, &said);
        // One character as it was written, ½, may be tokens of two values.
        if out.last().is_none_or(|o| o.span.end <= entity.span.start) {
            out.push(entity);
        }
    }
    out
}

/// Characters a Chinese value may begin with.
fn begins_value(c: char) -> bool {
    number::numeral(c).is_some()
        || matches!(
            c,
            '十' | '百'
                | '半'
                | '负'
                | '第'
                | '对'
                | '今'
                | '明'
                | '后'
                | '昨'
                | '前'
                | '大'
                | '去'
                | '年'
                | '月'
                | '周'
                | '星'
                | '礼'
                | '下'
                | '上'
                | '这'
                | '本'
                | '凌'
                | '清'
                | '早'
                | '中'
                | '正'
                | '午'
                | '傍'
                | '晚'
                | '夜'
                | '深'
                | '最'
                | '过'
                | '近'
                | '未'
                | '接'
                | '尺'
                | '鞋'
                | '码'
        )
}

fn dollar(locale: &Locale) -> &'static str {
    let tag = locale.as_str();
    match tag.rsplit(['-', '_']).next() {
        Some("AU") => "AUD",
        Some("CA") => "CAD",
        Some("NZ") => "NZD",
        Some("SG") => "SGD",
        Some("HK") => "HKD",
        Some("TW") => "TWD",
        _ => "USD",
    }
}

/// What a number counts. Units that a date could also mean wait until the dates are asked.
fn counted(v: View<'_>, i: usize, number: &Number, late: bool) -> Option<Found> {
    if late {
        let found = amount::quantity_after(v, i, number)?;
        return Some(found);
    }
    if let Some(found) = amount::percentage_after(v, i, number) {
        return Some(found);
    }
    if let Some(found) = duration::after(v, i, number) {
        return Some(lasting(v, i, &found));
    }
    amount::money_after(v, i, number)
}

/// A length of time, or the moment that lies that far from now.
fn lasting(v: View<'_>, i: usize, found: &duration::Found) -> Found {
    if let Some((at, from, end)) = duration::from_now(v, i, found) {
        let value = match at {
            tandem_domain::entity::Moment::Day(_) => EntityValue::Date { at },
            _ => EntityValue::DateTime { at },
        };
        return Found::new(from..end, value, 0.9, "from now");
    }
    Found::new(
        i..found.end,
        EntityValue::Duration {
            length: found.length,
            to: found.to,
        },
        found.confidence,
        "length",
    )
}

/// Whether digits are a part of a code, a version or an address: a4, 1.2.3, 12-34-56x.
fn is_part_of_more(v: View<'_>, i: usize) -> bool {
    if v.class(i) != Some(Class::Digits) {
        return false;
    }
    v.glued(i)
        && v.before(i).is_some_and(|t| match t.class {
            Class::Word => !v.is(i - 1, "x"),
            Class::Mark => {
                matches!(t.first, '.' | '/' | ':' | '-' | '_' | '@' | '&' | '=')
                    && t.glued
                    && i >= 2
                    && matches!(v.class(i - 2), Some(Class::Digits | Class::Word))
            }
            _ => false,
        })
}

/// Behind the code that a token is a part of.
fn code_end(v: View<'_>, i: usize) -> usize {
    let mut end = i + 1;
    while v.glued(end)
        && (matches!(v.class(end), Some(Class::Word | Class::Digits))
            || v.is_char(end, &['.', '/', '-', '_', ':'])
                && v.glued(end + 1)
                && matches!(v.class(end + 1), Some(Class::Word | Class::Digits)))
    {
        end += 1;
    }
    end
}

/// The tokens of a message without the words around an answer.
fn content(v: View<'_>) -> Range<usize> {
    const FILLERS: [&str; 26] = [
        "please", "pls", "thanks", "thank", "you", "it's", "its", "it", "is", "about", "the", "on",
        "at", "by", "for", "just", "only", "yes", "ok", "okay", "hi", "hello", "i", "want", "need",
        "roughly",
    ];
    let filler = |at: usize| match v.class(at) {
        Some(Class::Mark) => !v.is_char(at, &['+', '-', '$', '€', '£', '¥', '(', '%']),
        Some(Class::Word) => FILLERS.contains(&v.word(at)),
        Some(Class::Han) => v.is_char(
            at,
            &[
                '是', '请', '谢', '吧', '的', '了', '啊', '呢', '约', '我', '要', '想', '好', '嗯',
                '就', '在',
            ],
        ),
        _ => false,
    };
    let count = v.text.tokens.len();
    let start = (0..count).find(|at| !filler(*at)).unwrap_or(0);
    let end = (start..count)
        .rev()
        .find(|at| !filler(*at))
        .map_or(count, |at| at + 1);
    start..end
}
