//! A cleaned text as words and runs of Chinese, each with how much it tells of the topic.

use std::collections::HashMap;

use crate::{data, hash, normalise};

/// What counts fully.
pub const CONTENT: f32 = 1.0;
/// What only connects; a word of the stop list weighs this or more.
pub const FILLER: f32 = 0.2;

/// The stop lists.
#[derive(Debug)]
pub struct StopWords {
    words: HashMap<u64, f32, hash::Ready>,
    /// Runs of characters, for scripts without spaces.
    runs: HashMap<u64, f32, hash::Ready>,
    longest_run: usize,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    Word {
        text: &'a str,
        weight: f32,
    },
    /// Characters of a script without spaces, each with its weight.
    Run(Vec<(char, f32)>),
    /// A number, an order code, an address: data, not language.
    Datum(&'a str),
}

impl Default for StopWords {
    fn default() -> Self {
        Self::new()
    }
}

impl StopWords {
    #[must_use]
    pub fn new() -> Self {
        let words = data::weighted(data::STOP_EN)
            .map(|(weight, word)| (hash::of_text(&word), weight))
            .collect();
        let mut longest_run = 0;
        let runs = data::weighted(data::STOP_ZH)
            .map(|(weight, run)| {
                longest_run = longest_run.max(run.chars().count());
                (hash::of_text(&run), weight)
            })
            .collect();
        Self {
            words,
            runs,
            longest_run,
        }
    }

    fn word(&self, word: &str) -> f32 {
        self.words
            .get(&hash::of_text(word))
            .copied()
            .unwrap_or(CONTENT)
    }

    /// Weighs a run by the longest entries of the list found from left to right.
    fn run(&self, run: &str) -> Vec<(char, f32)> {
        let mut weighted: Vec<(char, f32)> = run.chars().map(|c| (c, CONTENT)).collect();
        let mut at = 0;
        while at < weighted.len() {
            let mut key = hash::SEED;
            let mut found = None;
            for (n, (c, _)) in weighted[at..].iter().take(self.longest_run).enumerate() {
                key = hash::step(key, *c);
                if let Some(weight) = self.runs.get(&hash::end(key)) {
                    found = Some((n + 1, *weight));
                }
            }
            let (n, weight) = found.unwrap_or((1, CONTENT));
            for (_, w) in &mut weighted[at..at + n] {
                *w = weight;
            }
            at += n;
        }
        weighted
    }

    /// Splits a cleaned text.
    #[must_use]
    pub fn tokens<'a>(&self, clean: &'a str) -> Vec<Token<'a>> {
        let mut tokens = Vec::with_capacity(clean.len() / 4 + 1);
        let mut rest = clean;
        while let Some(first) = rest.chars().next() {
            let length = if normalise::is_unspaced(first) {
                let n = span(rest, normalise::is_unspaced);
                tokens.push(Token::Run(self.run(&rest[..n])));
                n
            } else if is_word(first) {
                let n = self.word_or_datum(rest, &mut tokens);
                debug_assert!(n > 0, "a word has a character");
                n
            } else {
                first.len_utf8()
            };
            rest = &rest[length..];
        }
        tokens
    }

    /// Takes the word, number or address that `rest` begins with; its length in bytes.
    fn word_or_datum<'a>(&self, rest: &'a str, tokens: &mut Vec<Token<'a>>) -> usize {
        let whole = span(rest, |c| c.is_ascii_graphic());
        let address = &rest[..whole];
        let is_mail = address
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
        if is_mail || address.starts_with("www.") || address.contains("://") {
            tokens.push(Token::Datum(address));
            return whole;
        }
        let length = span(rest, |c| is_word(c) || c == '\'');
        let word = rest[..length].trim_end_matches('\'');
        let digits = word.chars().filter(|c| c.is_numeric()).count();
        if digits >= 3 || (digits > 0 && digits == word.chars().count()) {
            tokens.push(Token::Datum(word));
        } else {
            for part in expand(word) {
                if !part.is_empty() {
                    tokens.push(Token::Word {
                        text: part,
                        weight: self.word(part),
                    });
                }
            }
        }
        length
    }
}

/// The parts of a cleaned message that can stand for themselves: what lies between marks.
pub fn clauses(clean: &str) -> impl Iterator<Item = &str> {
    clauses_and_marks(clean).map(|(clause, _)| clause)
}

/// Like [`clauses`], each with whether a question mark ends it.
pub fn clauses_and_marks(clean: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = clean;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = clause_end(rest);
            let clause = rest[..end].trim();
            let mark = rest[end..].chars().next();
            rest = &rest[end + mark.map_or(0, char::len_utf8)..];
            if !clause.is_empty() {
                return Some((clause, mark == Some('?')));
            }
        }
        None
    })
}

fn clause_end(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends = match c {
            '!' | '?' | ';' | ',' | '\n' | '。' | '、' | '…' => true,
            // A point within 4.95 or shop.test ends nothing.
            '.' => chars.peek().is_none_or(|(_, next)| next.is_whitespace()),
            _ => false,
        };
        if ends {
            return at;
        }
    }
    text.len()
}

/// Words that join two wishes, in a cleaned text.
const JOINING_EN: [&str; 8] = ["and", "also", "plus", "then", "but", "btw", "besides", "oh"];
const JOINING_ZH: [&str; 13] = [
    "还有",
    "另外",
    "顺便",
    "再就是",
    "对了",
    "同时",
    "并且",
    "而且",
    "然后",
    "以及",
    "此外",
    "外加",
    "再帮我",
];

/// Where a text can be cut in two: the end of the left piece and the start of the right one, at
/// marks, at gaps between Chinese characters and at joining words, which belong to neither.
pub fn cuts(clean: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < clean.len() {
            let from = at;
            let length = joint(clean, at);
            if length == 0 {
                at += clean[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            at += length;
            // `, and also ` is one joint.
            while let n @ 1.. = joint(clean, at) {
                at += n;
            }
            let sides = (clean[..from].trim(), clean[at..].trim());
            if !sides.0.is_empty() && !sides.1.is_empty() {
                return Some((from, at));
            }
        }
        None
    })
}

/// The length of a mark, a gap or a joining word that begins at a place; 0 where there is none.
fn joint(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let before = text[..at].chars().next_back();
    let Some(first) = rest.chars().next() else {
        return 0;
    };
    if clause_end(rest) == 0 {
        return first.len_utf8();
    }
    if first == ' ' {
        let parted = before.is_some_and(normalise::is_unspaced);
        let parts = rest[1..].chars().next().is_some_and(normalise::is_unspaced);
        let after = before.is_some_and(|c| clause_end(c.encode_utf8(&mut [0; 4])) == 0);
        return usize::from((parted && parts) || after);
    }
    if normalise::is_unspaced(first) {
        let joining = JOINING_ZH.iter().find(|word| rest.starts_with(**word));
        return joining.map_or(0, |word| word.len());
    }
    if before.is_none_or(|c| c == ' ' || clause_end(c.encode_utf8(&mut [0; 4])) == 0) {
        let end = rest.find(' ').unwrap_or(rest.len());
        if JOINING_EN.contains(&rest[..end].trim_end_matches(',')) {
            return (end + 1).min(rest.len());
        }
    }
    0
}

/// The key of a word without an English plural, so that `parcels` meets `parcel`.
#[must_use]
pub fn stem(word: &str) -> u64 {
    let n = word.len();
    if n > 4 && word.ends_with("ies") {
        return word[..n - 3]
            .chars()
            .chain(std::iter::once('y'))
            .fold(hash::SEED, hash::step);
    }
    let plural =
        n > 3 && word.ends_with('s') && !["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    let kept = if plural { &word[..n - 1] } else { word };
    kept.chars().fold(hash::SEED, hash::step)
}

/// The key of a word without its English ending, so that `cleaning`, `cleans` and `cleaned` meet.
/// Coarser than [`stem`]: for search, where another word of the query decides.
#[must_use]
pub fn root(word: &str) -> u64 {
    let plural = word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
    let mut root = if plural {
        &word[..word.len() - 1]
    } else {
        word
    };
    for ending in ["ing", "ed", "ly"] {
        if let Some(head) = root.strip_suffix(ending)
            && head.len() >= 3
            && head.contains(['a', 'e', 'i', 'o', 'u', 'y'])
        {
            root = head;
            break;
        }
    }
    let bytes = root.as_bytes();
    match bytes {
        // fitted, fitting
        [.., a, b] if root.len() > 3 && a == b && b.is_ascii_alphabetic() && !b"ls".contains(b) => {
            root = &root[..root.len() - 1];
        }
        // include, included; delivery, deliveries
        [.., b'e'] | [.., b'y'] if root.len() > 4 => root = &root[..root.len() - 1],
        _ => {}
    }
    let root = root.strip_suffix('i').unwrap_or(root);
    root.chars().fold(hash::SEED, hash::step)
}

/// The parts of a word with an apostrophe, and of some that lost theirs.
fn expand(word: &str) -> [&str; 2] {
    match word {
        "can't" | "cant" => return ["can", "not"],
        "won't" | "wont" => return ["will", "not"],
        "dont" => return ["do", "not"],
        "doesnt" => return ["does", "not"],
        "didnt" => return ["did", "not"],
        "isnt" => return ["is", "not"],
        "wasnt" => return ["was", "not"],
        "havent" => return ["have", "not"],
        "hasnt" => return ["has", "not"],
        "im" => return ["i", "am"],
        "ive" => return ["i", "have"],
        "whats" => return ["what", "is"],
        "wheres" => return ["where", "is"],
        _ => {}
    }
    if let Some(head) = word.strip_suffix("n't") {
        return [head, "not"];
    }
    let Some((head, tail)) = word.split_once('\'') else {
        return [word, ""];
    };
    let tail = match tail {
        "d" => "would",
        "ll" => "will",
        "re" => "are",
        "m" => "am",
        "ve" => "have",
        "s" => "",
        other => other,
    };
    [head, tail]
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !normalise::is_unspaced(c)
        // Vowel signs of Indic scripts are no letters but belong to the word.
        || matches!(u32::from(c), 0x0900..=0x0DFF)
}

fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut shown = String::new();
        for token in StopWords::new().tokens(text) {
            match token {
                Token::Word { text, weight } if weight < 0.5 => {
                    shown.push_str(&text.to_uppercase());
                }
                Token::Word { text, .. } => shown.push_str(text),
                Token::Run(chars) => shown.extend(
                    chars
                        .into_iter()
                        .map(|(c, w)| if w < 0.5 { '_' } else { c }),
                ),
                Token::Datum(_) => shown.push('#'),
            }
            shown.push(' ');
        }
        shown.trim_end().to_owned()
    }

    #[test]
    fn fillers_are_told_from_content() {
        assert_eq!(
            shown("i'd like to send it back"),
            "I WOULD LIKE TO send IT back"
        );
        assert_eq!(shown("请问我想退货可以吗"), "____退货___");
        assert_eq!(shown("don't"), "DO not");
    }

    #[test]
    fn data_is_no_language() {
        assert_eq!(shown("12345678, mail is ann@x.test"), "# mail IS #");
        assert_eq!(
            shown("ab-12345 https://x.test/a?b=1 www.x.test"),
            "ab # # #"
        );
        assert_eq!(shown("我的邮箱ann@x.test谢谢"), "__邮箱 # __");
    }

    #[test]
    fn plurals_meet_their_singular() {
        assert_eq!(stem("parcels"), stem("parcel"));
        assert_eq!(stem("deliveries"), stem("delivery"));
        assert_ne!(stem("address"), stem("addres"));
    }

    #[test]
    fn endings_meet_their_root() {
        for (a, b) in [
            ("cleaning", "clean"),
            ("fitted", "fit"),
            ("includes", "including"),
            ("deliveries", "delivery"),
            ("delivered", "deliver"),
            ("lamps", "lamp"),
        ] {
            assert_eq!(root(a), root(b), "{a} {b}");
        }
        for (a, b) in [
            ("red", "r"),
            ("string", "str"),
            ("need", "ne"),
            ("bed", "b"),
        ] {
            assert_ne!(root(a), root(b), "{a} {b}");
        }
        for odd in ["", "s", "ing", "ée", "été", "ñing", "ss", "e"] {
            let _ = root(odd);
        }
    }

    #[test]
    fn clauses_are_parted_at_marks_but_not_within_numbers() {
        let parts: Vec<_> = clauses("it costs 4.95. why? 退货,谢谢。").collect();
        assert_eq!(parts, ["it costs 4.95", "why", "退货", "谢谢"]);
    }

    #[test]
    fn a_text_can_be_cut_at_marks_gaps_and_joining_words() {
        let halves = |text: &'static str| -> Vec<(&str, &str)> {
            cuts(text)
                .map(|(end, start)| (text[..end].trim(), text[start..].trim()))
                .collect()
        };
        assert_eq!(
            halves("cancel it, and also where is my refund?"),
            [("cancel it", "where is my refund?")]
        );
        assert_eq!(
            halves("hand me the sand and go. why"),
            [
                ("hand me the sand", "go. why"),
                ("hand me the sand and go", "why")
            ]
        );
        assert_eq!(
            halves("取消订单,另外还有退款呢 多少钱"),
            [
                ("取消订单", "退款呢 多少钱"),
                ("取消订单,另外还有退款呢", "多少钱")
            ]
        );
        for whole in ["", " ", "and", ", and", "it costs 4.95", "band aid", "对了"] {
            assert_eq!(halves(whole), [], "{whole}");
        }
        // Any text: within it, on characters, from left to right.
        for text in [
            "é, and é",
            "，and，",
            "a,,b",
            "and and and",
            "👍 and 👍",
            "然后然后",
        ] {
            for (end, start) in cuts(text) {
                assert!(end < start && text.get(..end).is_some() && text.get(start..).is_some());
            }
        }
    }
}
