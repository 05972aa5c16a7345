//! Texts with a form: patterns and lists.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::normal::{is_han, overlaps};

/// Longest run of tokens tried against an anchored pattern.
const MAX_RUN: usize = 8;
/// Tokens of a message that are tried at all.
const MAX_TOKENS: usize = 120;

/// The first part of the text that satisfies the pattern. An anchored pattern is tried on the
/// whole, then on runs of words, the longest first.
#[must_use]
pub fn find_match(pattern: &Regex, text: &str, taken: &[Range<usize>]) -> Option<Range<usize>> {
    if let Some(found) = pattern
        .find_iter(text)
        .take(MAX_TOKENS)
        .find(|m| !m.is_empty() && !overlaps(&m.range(), taken))
    {
        return Some(found.range());
    }
    let anchored = pattern.as_str().contains(['^', '$']) || pattern.as_str().contains("\\A");
    if !anchored {
        return None;
    }
    let tokens = tokens(text);
    for start in 0..tokens.len() {
        for end in (start..tokens.len().min(start + MAX_RUN)).rev() {
            let span = tokens[start].start..tokens[end].end;
            if overlaps(&span, taken) {
                continue;
            }
            let part = &text[span.clone()];
            if pattern.find(part).is_some_and(|m| m.len() == part.len()) {
                return Some(span);
            }
        }
    }
    None
}

/// Words, punctuation marks, and borders between Han and other scripts.
fn tokens(text: &str) -> Vec<Range<usize>> {
    #[derive(PartialEq, Clone, Copy)]
    enum Class {
        Space,
        Word,
        Han,
        Mark,
    }
    let class = |c: char| {
        if c.is_whitespace() {
            Class::Space
        } else if is_han(c) {
            Class::Han
        } else if c.is_alphanumeric() {
            Class::Word
        } else {
            Class::Mark
        }
    };
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut last = Class::Space;
    for (at, c) in text.char_indices() {
        let now = class(c);
        let end = at + c.len_utf8();
        match out.last_mut() {
            Some(token) if now == last && matches!(now, Class::Word | Class::Han) => {
                token.end = end
            }
            _ if now != Class::Space => {
                if out.len() == MAX_TOKENS {
                    break;
                }
                out.push(at..end);
            }
            _ => {}
        }
        last = now;
    }
    out
}

/// The items of a list as people write it: between commas, semicolons and line breaks, and around
/// "and" or 和. 和 counts behind two characters at least, so that 温和 and 柔和 stay whole.
#[must_use]
pub fn items(text: &str) -> Vec<&str> {
    const MOST: usize = 100;
    static AND: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)^and\s+|\s+(?:and|&)\s+|\s*以及\s*").expect("the pattern is a constant")
    });
    text.split([',', ';', '、', '，', '；', '\n'])
        .flat_map(|part| AND.split(part))
        .flat_map(around_han_and)
        .map(|item| item.trim().trim_end_matches(['.', '。', '!', '！']).trim())
        .filter(|item| !item.is_empty())
        .take(MOST)
        .collect()
}

fn around_han_and(part: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    for (at, sign) in part.match_indices('和') {
        let (before, after) = (part[start..at].trim(), part[at + sign.len()..].trim());
        if before.chars().count() >= 2 && !after.is_empty() {
            found.push(before);
            start = at + sign.len();
        }
    }
    found.push(&part[start..]);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchored_pattern_is_found_inside_a_sentence() {
        let eight = Regex::new(r"^\d{8}$").unwrap();
        let found = |text: &str| find_match(&eight, text, &[]).map(|r| text[r].to_owned());
        assert_eq!(found("it's 12345678"), Some("12345678".into()));
        assert_eq!(found("我的订单号是12345678谢谢"), Some("12345678".into()));
        assert_eq!(found("123456789"), None);
        let code = Regex::new(r"^[A-Z]{2}-\d{3}$").unwrap();
        let text = "see AB-123, please";
        assert_eq!(
            find_match(&code, text, &[]).map(|r| &text[r]),
            Some("AB-123")
        );
    }
}
