//! A customer's words made comparable: one form for full-width, circled and compatibility
//! characters, no invisible ones, a bounded length.

use std::ops::Range;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Longer messages are read up to here.
pub const MAX_CHARS: usize = 4_000;

/// A message, once as written and once in lower case, with the same byte offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Cleaned, and in Unicode's compatibility form: what types are read from.
    pub text: String,
    pub lower: String,
    /// Cleaned but otherwise as written: what a free text slot keeps.
    pub raw: String,
}

impl Words {
    #[must_use]
    pub fn new(message: &str) -> Self {
        let raw = clean(message);
        let text: String = match is_nfkc_quick(raw.chars()) {
            IsNormalized::Yes => raw.clone(),
            _ => {
                // "2½" is not "21/2".
                let gap = |c: char| matches!(c, '¼'..='¾' | '⅓' | '⅔').then_some(' ');
                let apart = raw.chars().flat_map(|c| gap(c).into_iter().chain([c]));
                apart.nfkc().take(MAX_CHARS).collect()
            }
        };
        let text = text.trim().to_owned();
        let lower = lower(&text);
        Self { text, lower, raw }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// Without control, zero-width and direction characters; trimmed and cut to [`MAX_CHARS`]. Joiners
/// stay where a script or an emoji is written with them.
#[must_use]
pub fn clean(message: &str) -> String {
    let plain = |b: u8| matches!(b, b'\n' | b' '..=b'~');
    if message.len() <= MAX_CHARS && message.bytes().all(plain) {
        return message.trim().to_owned();
    }
    let mut chars = message.chars().take(MAX_CHARS).peekable();
    let mut before = None;
    let kept: String = std::iter::from_fn(|| {
        let c = chars.next()?;
        let joined = before.is_some_and(joins) && chars.peek().copied().is_some_and(joins);
        before = Some(c);
        Some((c, joined))
    })
    .filter_map(|(c, joined)| match c {
        '\n' => Some('\n'),
        '\t' | '\r' | '\u{a0}' => Some(' '),
        '\u{200c}' | '\u{200d}' if joined => Some(c),
        c if c.is_control() => None,
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}'
        | '\u{ad}' => None,
        c => Some(c),
    })
    .collect();
    kept.trim().to_owned()
}

/// Is a zero-width joiner beside this part of how it is written? Emoji, and the scripts from Arabic
/// to those of South Asia.
fn joins(c: char) -> bool {
    matches!(c, '\u{0600}'..='\u{0dff}' | '\u{2190}'..='\u{2bff}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

/// Lower case where that keeps the byte offsets.
fn lower(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut small = c.to_lowercase();
            match (small.next(), small.next()) {
                (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
                _ => c,
            }
        })
        .map(|c| if c == '\u{2019}' { '\u{2019}' } else { c })
        .collect()
}

/// For comparing labels and commands: lower case, no punctuation around, single spaces.
#[must_use]
pub fn fold(message: &str) -> String {
    let text = clean(message);
    // Most text is in this form already, and finding that out is cheap.
    let text = match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text.to_lowercase(),
        _ => text.nfkc().collect::<String>().to_lowercase(),
    };
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        let c = if c == '\u{2019}' { '\'' } else { c };
        if c.is_whitespace() {
            gap = !out.is_empty();
        } else {
            if gap {
                out.push(' ');
                gap = false;
            }
            out.push(c);
        }
    }
    out.trim_matches(is_punctuation).trim().to_owned()
}

#[must_use]
pub fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '.' | ','
            | '!'
            | '?'
            | ';'
            | ':'
            | '"'
            | '\''
            | '('
            | ')'
            | '['
            | ']'
            | '~'
            | '-'
            | '…'
            | '*'
            | '。'
            | '、'
            | '！'
            | '？'
            | '；'
            | '：'
            | '，'
            | '“'
            | '”'
            | '「'
            | '」'
            | '《'
            | '》'
            | '–'
            | '—'
            | '|'
            | '/'
    ) || c.is_whitespace()
}

#[must_use]
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '〇')
}

/// Whether no letter or digit of an alphabet that puts spaces between words touches the span.
#[must_use]
pub fn bounded(text: &str, span: &Range<usize>) -> bool {
    let joins = |c: char| c.is_alphanumeric() && !is_han(c) || c == '_';
    let inner_first = text[span.clone()].chars().next();
    let inner_last = text[span.clone()].chars().next_back();
    let before = text[..span.start].chars().next_back();
    let after = text[span.end..].chars().next();
    let touches = |inside: Option<char>, outside: Option<char>| {
        inside.is_some_and(joins) && outside.is_some_and(joins)
    };
    !touches(inner_first, before) && !touches(inner_last, after)
}

/// The parts of a message between punctuation, "and" and line breaks, trimmed, none empty.
#[must_use]
pub fn clauses(lower: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut push = |from: usize, to: usize| {
        let part = &lower[from..to];
        let lead = part.len() - part.trim_start().len();
        let trimmed = part.trim();
        if !trimmed.is_empty() {
            out.push(from + lead..from + lead + trimmed.len());
        }
    };
    let bytes = lower.as_bytes();
    for (at, c) in lower.char_indices() {
        let wide = matches!(
            c,
            '。' | '，' | '、' | '；' | '！' | '？' | '!' | '?' | ';' | '\n'
        );
        // A full stop, comma or colon inside a number, an address or a time parts nothing.
        let narrow = matches!(c, '.' | ',' | ':')
            && bytes
                .get(at + 1)
                .is_none_or(|next| next.is_ascii_whitespace() || !next.is_ascii());
        let dash = matches!(c, '–' | '—');
        if wide || narrow || dash {
            push(start, at);
            start = at + c.len_utf8();
        } else if c == ' ' && at >= start {
            for word in [" and ", " but ", " also "] {
                if lower[at..].starts_with(word) {
                    push(start, at);
                    start = at + word.len() - 1;
                }
            }
        }
    }
    push(start, lower.len());
    out
}

/// Overlaps any of the spans.
#[must_use]
pub fn overlaps(span: &Range<usize>, taken: &[Range<usize>]) -> bool {
    taken
        .iter()
        .any(|other| span.start < other.end && other.start < span.end)
}

/// Latin words and single Han characters: how much is said.
#[must_use]
pub fn weight(text: &str) -> usize {
    let mut count = 0;
    let mut inside = false;
    for c in text.chars() {
        if is_han(c) {
            count += 1;
            inside = false;
        } else if c.is_alphanumeric() || c == '\'' {
            if !inside {
                count += 1;
            }
            inside = true;
        } else {
            inside = false;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_width_and_invisible_characters_become_plain() {
        let words = Words::new("\u{202e}１２３\u{200b}，①\u{0}");
        assert_eq!(words.text, "123,1");
        assert_eq!(fold("  “Yes,  please!” "), "yes, please");
        assert_eq!(fold("好的。"), "好的");
    }

    #[test]
    fn clauses_part_at_punctuation_but_not_inside_numbers() {
        let text = "yes, any fees? 3.5 and a@b.cd";
        let parts: Vec<&str> = clauses(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(parts, ["yes", "any fees", "3.5", "a@b.cd"]);
        let text = "两个，运费多少";
        assert_eq!(clauses(text).len(), 2);
    }

    #[test]
    fn lower_case_keeps_the_offsets() {
        let words = Words::new("İSTANBUL Straße");
        assert_eq!(words.text.len(), words.lower.len());
    }
}
