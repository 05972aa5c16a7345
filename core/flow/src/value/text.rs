//! Texts with a form: patterns, e-mail and web addresses, phone numbers.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::normal::{is_han, overlaps};

/// Longest run of tokens tried against an anchored pattern.
const MAX_RUN: usize = 8;
/// Tokens of a message that are tried at all.
const MAX_TOKENS: usize = 120;

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[A-Za-z0-9][A-Za-z0-9._%+'-]*@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+")
        .expect("the pattern is a constant")
});
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:\+|(?-u:\b))\(?\d[\d ()./-]{4,22}\d").expect("the pattern is a constant")
});
static URL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?i)(?-u:\b)(?:https?://|www\.)[^\s<>"'，。]+"#)
        .expect("the pattern is a constant")
});
static HOST: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}(?:[/?#]\S*)?$")
        .expect("the pattern is a constant")
});

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

/// Whether a pattern tells its values from ordinary words. One that takes any word recognises
/// nothing in passing.
#[must_use]
pub fn is_strict(pattern: &Regex) -> bool {
    const ORDINARY: [&str; 8] = [
        "hello", "Thanks", "yes", "return", "你好", "退货", "a lamp", "2",
    ];
    !ORDINARY.iter().any(|word| pattern.is_match(word))
}

#[must_use]
pub fn email(text: &str, taken: &[Range<usize>]) -> Option<(String, Range<usize>)> {
    EMAIL
        .find_iter(text)
        .find(|m| !overlaps(&m.range(), taken) && m.len() <= 254)
        .map(|m| (m.as_str().to_owned(), m.range()))
}

/// Digits with a leading plus where there was one. `certain` asks for a form that no order
/// number has.
#[must_use]
pub fn phone(text: &str, taken: &[Range<usize>], certain: bool) -> Option<(String, Range<usize>)> {
    PHONE.find_iter(text).find_map(|m| {
        if overlaps(&m.range(), taken) {
            return None;
        }
        let plus = m.as_str().starts_with('+');
        let digits: String = m.as_str().chars().filter(char::is_ascii_digit).collect();
        if !(6..=15).contains(&digits.len()) {
            return None;
        }
        let mobile = digits.len() == 11 && digits.starts_with('1') && digits.as_bytes()[1] >= b'3';
        let national = digits.len() >= 9 && digits.starts_with('0');
        if certain && !(plus || mobile || national) {
            return None;
        }
        let number = match (plus, digits.strip_prefix("00")) {
            (true, _) => format!("+{digits}"),
            (false, Some(rest)) => format!("+{rest}"),
            (false, None) => digits,
        };
        Some((number, m.range()))
    })
}

/// `whole` also takes an address without a scheme.
#[must_use]
pub fn url(text: &str, taken: &[Range<usize>], whole: bool) -> Option<(String, Range<usize>)> {
    if let Some(found) = URL.find_iter(text).find(|m| !overlaps(&m.range(), taken)) {
        let address = found
            .as_str()
            .trim_end_matches(['.', ',', ')', '!', '?', ';', ':']);
        let span = found.start()..found.start() + address.len();
        let address = if address.to_ascii_lowercase().starts_with("www.") {
            format!("https://{address}")
        } else {
            address.to_owned()
        };
        return Some((address, span));
    }
    if !whole {
        return None;
    }
    text.split_whitespace().find_map(|word| {
        let word = word.trim_end_matches(['.', ',', '!', '?']);
        if !HOST.is_match(word) || word.contains('@') {
            return None;
        }
        let start = text.find(word)?;
        Some((format!("https://{word}"), start..start + word.len()))
    })
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

    #[test]
    fn a_pattern_for_any_word_is_not_strict() {
        assert!(is_strict(&Regex::new(r"^\d{8}$").unwrap()));
        assert!(!is_strict(&Regex::new(r"^[A-Za-z ]{2,40}$").unwrap()));
    }

    #[test]
    fn addresses_and_phones_are_found() {
        assert_eq!(
            email("mail is ann@x.test, thanks", &[]).unwrap().0,
            "ann@x.test"
        );
        assert_eq!(email("邮箱ann@x.test谢谢", &[]).unwrap().0, "ann@x.test");
        assert_eq!(
            phone("call +49 30 1234-567", &[], true).unwrap().0,
            "+49301234567"
        );
        assert_eq!(
            phone("我的电话13800138000", &[], true).unwrap().0,
            "13800138000"
        );
        assert!(phone("12345678", &[], true).is_none());
        assert_eq!(phone("12345678", &[], false).unwrap().0, "12345678");
        assert_eq!(
            url("see www.x.test/a.", &[], false).unwrap().0,
            "https://www.x.test/a"
        );
        assert_eq!(url("x.test/a", &[], true).unwrap().0, "https://x.test/a");
    }
}
