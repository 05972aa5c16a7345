//! Codes by a pack's own patterns: order numbers, article numbers, vouchers.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use tandem_domain::entity::EntityValue;

use super::{
    Found,
    tokens::{Class, View},
};

/// Matches of one pattern that are told.
const MAX_MATCHES: usize = 16;
/// Words in a row that a code may be written as: `AB 123 456`.
const MAX_WORDS: usize = 3;
/// Memory a compiled pattern may take.
const MAX_SIZE: usize = 1 << 20;

/// A named form of codes.
#[derive(Clone, Debug)]
pub struct Pattern {
    name: String,
    regex: Regex,
    /// `^` or `$` holds for the code, not for the message.
    anchored: bool,
}

/// A pattern that is none, or too large.
#[derive(Debug)]
pub struct PatternError(regex::Error);

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the pattern cannot be used: {}", self.0)
    }
}

impl std::error::Error for PatternError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Pattern {
    /// # Errors
    /// [`PatternError`] where the regular expression has a fault or compiles to more than a
    /// megabyte.
    pub fn new(name: &str, pattern: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(pattern)
            .size_limit(MAX_SIZE)
            .build()
            .map_err(PatternError)?;
        let anchored = pattern.contains(['^', '$']) || pattern.contains("\\A");
        Ok(Self {
            name: name.to_owned(),
            regex,
            anchored,
        })
    }

    /// Whether it tells its codes from ordinary words.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        is_strict(&self.regex)
    }

    pub(super) fn find(&self, v: View<'_>) -> Vec<Found> {
        let mut out = Vec::new();
        if self.anchored {
            self.find_words(v, &mut out);
        } else {
            for found in self.regex.find_iter(&v.text.plain).take(MAX_MATCHES) {
                if !found.is_empty() && is_apart(&v.text.plain, &found.range()) {
                    self.push(v, found.range(), &mut out);
                }
            }
        }
        out
    }

    /// An anchored pattern is tried on each run of letters, digits and the marks of codes, and on
    /// some in a row.
    fn find_words(&self, v: View<'_>, out: &mut Vec<Found>) {
        let words = words(v);
        let mut at = 0;
        while at < words.len() && out.len() < MAX_MATCHES {
            let most = words[at..]
                .iter()
                .take(MAX_WORDS)
                .take_while(|word| is_code(&v.text.plain[word.start..word.end]))
                .count();
            if most == 0 {
                at += 1;
                continue;
            }
            let hit = (1..=most).rev().find_map(|count| {
                let span = words[at].start..words[at + count - 1].end;
                let part = &v.text.plain[span.clone()];
                let whole = self.regex.find(part).is_some_and(|m| m.len() == part.len());
                whole.then_some((count, span))
            });
            match hit {
                Some((count, span)) => {
                    self.push(v, span, out);
                    at += count;
                }
                None => at += 1,
            }
        }
    }

    fn push(&self, v: View<'_>, span: Range<usize>, out: &mut Vec<Found>) {
        let tokens = v.text.token_at(span.start)..v.text.token_at(span.end);
        if tokens.is_empty() {
            return;
        }
        out.push(Found {
            bytes: Some(span.clone()),
            ..Found::new(
                tokens,
                EntityValue::Pattern {
                    name: self.name.clone(),
                    text: v.text.plain[span].to_owned(),
                },
                0.95,
                "pattern",
            )
        });
    }
}

/// Whether a pattern tells its codes from ordinary words. One that takes any word recognises
/// nothing in passing.
#[must_use]
pub fn is_strict(pattern: &Regex) -> bool {
    const ORDINARY: [&str; 9] = [
        "", "hello", "Thanks", "yes", "return", "你好", "退货", "a lamp", "2",
    ];
    !ORDINARY.iter().any(|word| pattern.is_match(word))
}

/// Runs of letters and digits, with the marks codes have inside them.
fn words(v: View<'_>) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    for (at, token) in v.text.tokens.iter().enumerate() {
        let span = token.start as usize..token.end as usize;
        let letters = matches!(token.class, Class::Word | Class::Digits);
        let inner = matches!(token.first, '-' | '_' | '/' | '.' | '#')
            && token.glued
            && v.glued(at + 1)
            && matches!(v.class(at + 1), Some(Class::Word | Class::Digits));
        match out.last_mut() {
            Some(last) if open && token.glued && (letters || inner) => last.end = span.end,
            _ if letters => out.push(span),
            _ => {
                open = false;
                continue;
            }
        }
        open = true;
    }
    out
}

/// Codes have digits or are in capitals; other words need not be tried.
fn is_code(word: &str) -> bool {
    word.bytes().any(|b| b.is_ascii_digit()) || !word.chars().any(char::is_lowercase)
}

/// Whether no letter or digit touches a match that ends in one.
fn is_apart(text: &str, span: &Range<usize>) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let part = &text[span.clone()];
    let before = joins(part.chars().next()) && joins(text[..span.start].chars().next_back());
    let after = joins(part.chars().next_back()) && joins(text[span.end..].chars().next());
    !before && !after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_for_any_word_is_not_strict() {
        assert!(is_strict(&Regex::new(r"^\d{8}$").unwrap()));
        assert!(!is_strict(&Regex::new(r"^[A-Za-z ]{2,40}$").unwrap()));
    }
}
