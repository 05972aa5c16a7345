//! A message cut into tokens, in one spelling, each knowing where it stands in the original.

use std::ops::Range;

use super::lexicon::{Lexicon, Word};

/// Characters of a message that are read; the rest is ignored.
pub(super) const MAX_CHARS: usize = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Letters of a script with spaces between words.
    Word,
    /// ASCII digits.
    Digits,
    /// One Chinese character.
    Han,
    /// One character of anything else.
    Mark,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub start: u32,
    pub end: u32,
    pub class: Class,
    /// The first character.
    pub first: char,
    /// Nothing stands between it and the token before.
    pub glued: bool,
    /// What the lexicon says of a word.
    pub word: Word,
}

/// A message without invisible characters, full-width forms as ASCII; once as written and once in
/// lower case and simplified characters, both with the same byte offsets.
#[derive(Debug)]
pub(super) struct Text {
    pub plain: String,
    pub lower: String,
    pub tokens: Vec<Token>,
    /// For each byte where its character begins and ends in the original; empty where both are
    /// the same.
    places: Vec<(u32, u32)>,
}

impl Text {
    pub fn new(original: &str, lexicon: &Lexicon) -> Self {
        let mut text = Self {
            plain: String::with_capacity(original.len().min(4 * MAX_CHARS)),
            lower: String::new(),
            tokens: Vec::new(),
            places: Vec::new(),
        };
        text.fold(original);
        text.cut(lexicon);
        text
    }

    fn fold(&mut self, original: &str) {
        if original.is_ascii() {
            self.plain
                .push_str(&original[..original.len().min(MAX_CHARS)]);
            self.lower = self.plain.to_ascii_lowercase();
            return;
        }
        self.lower.reserve(original.len().min(4 * MAX_CHARS));
        self.places.reserve(original.len().min(4 * MAX_CHARS));
        for (at, c) in original.char_indices().take(MAX_CHARS) {
            if is_invisible(c) {
                continue;
            }
            let place = (narrow(at), narrow(at + c.len_utf8()));
            let mut push = |plain: char, lower: char| {
                self.plain.push(plain);
                self.lower.push(lower);
                for _ in 0..plain.len_utf8() {
                    self.places.push(place);
                }
            };
            match unfolded(c) {
                Some(ascii) => ascii.chars().for_each(|c| push(c, c)),
                None => {
                    let plain = narrowed(c);
                    push(plain, lowered(plain));
                }
            }
        }
    }

    fn cut(&mut self, lexicon: &Lexicon) {
        let mut behind = None;
        for (span, class) in pieces(&self.lower) {
            let said = &self.lower[span.clone()];
            let word = if class == Class::Word {
                lexicon.get(said)
            } else {
                Word::default()
            };
            self.tokens.push(Token {
                start: narrow(span.start),
                end: narrow(span.end),
                class,
                first: said.chars().next().unwrap_or_default(),
                glued: behind == Some(span.start),
                word,
            });
            behind = Some(span.end);
        }
    }

    /// The bytes of the original that a part of the text was made from.
    pub fn original(&self, span: &Range<usize>) -> Range<usize> {
        if self.places.is_empty() || span.is_empty() {
            return span.clone();
        }
        self.places[span.start].0 as usize..self.places[span.end - 1].1 as usize
    }

    /// The part of the text that tokens cover.
    pub fn span(&self, tokens: Range<usize>) -> Range<usize> {
        let start = self.tokens[tokens.start].start as usize;
        let end = self.tokens[tokens.end - 1].end as usize;
        start..end
    }

    /// The first token at or behind a byte.
    pub fn token_at(&self, byte: usize) -> usize {
        self.tokens.partition_point(|t| (t.start as usize) < byte)
    }
}

/// Where the tokens of a text in lower case are.
pub(super) fn pieces(lower: &str) -> impl Iterator<Item = (Range<usize>, Class)> {
    let mut chars = lower.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, c) = chars.find(|(_, c)| !c.is_whitespace())?;
        let class = class(c);
        let mut end = start + c.len_utf8();
        if matches!(class, Class::Word | Class::Digits) {
            while let Some((at, next)) = chars.peek().copied() {
                // An apostrophe within a word belongs to it.
                let inside = self::class(next) == class
                    || class == Class::Word
                        && next == '\''
                        && lower[at + 1..].starts_with(|c: char| c.is_ascii_lowercase());
                if !inside {
                    break;
                }
                end = at + next.len_utf8();
                chars.next();
            }
        }
        Some((start..end, class))
    })
}

/// A name as [`Text::lower`] has it, with single spaces and no punctuation around.
pub(super) fn folded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars().filter(|c| !is_invisible(*c)) {
        match unfolded(c) {
            Some(ascii) => out.push_str(ascii),
            None => out.push(lowered(narrowed(c))),
        }
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    let around = |c: char| {
        matches!(
            c,
            '.' | ',' | '!' | '?' | ';' | ':' | '"' | '\'' | '(' | ')' | '。' | '、' | '“' | '”'
        )
    };
    words.join(" ").trim_matches(around).trim().to_owned()
}

/// A cursor's view of the tokens; an index past the end is no token.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub text: &'a Text,
}

impl<'a> View<'a> {
    pub fn token(&self, i: usize) -> Option<&'a Token> {
        self.text.tokens.get(i)
    }

    pub fn before(&self, i: usize) -> Option<&'a Token> {
        i.checked_sub(1).and_then(|i| self.token(i))
    }

    pub fn word(&self, i: usize) -> &'a str {
        self.token(i)
            .map_or("", |t| &self.text.lower[t.start as usize..t.end as usize])
    }

    pub fn previous(&self, i: usize) -> &'a str {
        i.checked_sub(1).map_or("", |i| self.word(i))
    }

    pub fn lexed(&self, i: usize) -> Word {
        self.token(i).map_or_else(Word::default, |t| t.word)
    }

    pub fn is(&self, i: usize, word: &str) -> bool {
        self.word(i) == word
    }

    pub fn is_any(&self, i: usize, words: &[&str]) -> bool {
        let word = self.word(i);
        !word.is_empty() && words.contains(&word)
    }

    /// The single character of a token that is Chinese or a mark.
    pub fn char(&self, i: usize) -> Option<char> {
        self.token(i)
            .filter(|t| matches!(t.class, Class::Han | Class::Mark))
            .map(|t| t.first)
    }

    pub fn is_char(&self, i: usize, chars: &[char]) -> bool {
        self.char(i).is_some_and(|c| chars.contains(&c))
    }

    pub fn class(&self, i: usize) -> Option<Class> {
        self.token(i).map(|t| t.class)
    }

    pub fn glued(&self, i: usize) -> bool {
        self.token(i).is_some_and(|t| t.glued)
    }

    /// Behind the given run of characters, where it begins at the token.
    pub fn eat(&self, i: usize, run: &str) -> Option<usize> {
        let mut at = i;
        for c in run.chars() {
            if self.char(at) != Some(c) {
                return None;
            }
            at += 1;
        }
        Some(at)
    }

    /// The first of several runs that stands at the token: its index and what is behind it.
    pub fn eat_any(&self, i: usize, runs: &[&str]) -> Option<(usize, usize)> {
        let first = self.char(i)?;
        runs.iter()
            .enumerate()
            .filter(|(_, run)| run.starts_with(first))
            .find_map(|(which, run)| Some((which, self.eat(i, run)?)))
    }

    /// Whether characters right before the token are these.
    pub fn follows(&self, i: usize, runs: &[&str]) -> bool {
        runs.iter().any(|run| {
            i.checked_sub(run.chars().count())
                .is_some_and(|from| self.eat(from, run) == Some(i))
        })
    }

    /// The whole number that digits say, if it has at most nine of them.
    pub fn int(&self, i: usize) -> Option<i64> {
        let token = self.token(i)?;
        if token.class != Class::Digits || token.end - token.start > 9 {
            return None;
        }
        self.word(i).parse().ok()
    }

    /// How many digits a token has.
    pub fn width(&self, i: usize) -> usize {
        self.token(i).map_or(0, |t| (t.end - t.start) as usize)
    }

    /// Whether the token as written has a capital behind its first letter, as names have.
    pub fn is_brand(&self, i: usize) -> bool {
        self.token(i).is_some_and(|t| {
            let written = &self.text.plain[t.start as usize..t.end as usize];
            let lower = written.chars().any(char::is_lowercase);
            lower && written.chars().skip(1).any(char::is_uppercase)
        })
    }
}

pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '〇')
}

fn class(c: char) -> Class {
    if c.is_ascii_digit() {
        Class::Digits
    } else if is_han(c) {
        Class::Han
    } else if c.is_alphabetic() {
        Class::Word
    } else {
        Class::Mark
    }
}

/// Offsets within a message fit 32 bits: at most 4,000 characters are read.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00AD | 0x034F | 0x061C | 0x180B..=0x180F | 0x200B..=0x200F | 0x202A..=0x202E
        | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF | 0xE0000..=0xE0FFF)
        || (c.is_control() && !c.is_whitespace())
}

/// Characters that stand for several.
fn unfolded(c: char) -> Option<&'static str> {
    Some(match c {
        '½' => " 1/2",
        '¼' => " 1/4",
        '¾' => " 3/4",
        '⅓' => " 1/3",
        '⅔' => " 2/3",
        '⑩' | '⑽' | '⒑' => "10",
        '…' => "...",
        '℃' => "°c",
        '㎏' => "kg",
        '㎝' => "cm",
        '㎜' => "mm",
        '㎡' => "m2",
        _ => return None,
    })
}

fn narrowed(c: char) -> char {
    let shifted = |from: char, to: char| {
        char::from_u32(u32::from(to) + u32::from(c) - u32::from(from)).unwrap_or(c)
    };
    match c {
        '①'..='⑨' => shifted('①', '1'),
        '⑴'..='⑼' => shifted('⑴', '1'),
        '⒈'..='⒐' => shifted('⒈', '1'),
        '❶'..='❾' => shifted('❶', '1'),
        '！'..='～' => shifted('！', '!'),
        '\u{3000}' | '\u{a0}' | '\u{2009}' | '\u{202f}' => ' ',
        '￥' => '¥',
        '⁄' | '∕' => '/',
        '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2032}' => '\'',
        '–' | '—' | '‑' | '‒' | '−' | '〜' | '∼' => '-',
        _ => c,
    }
}

/// Lower case and simplified, where that keeps the length; of traditional characters only those
/// that say a number, a unit or a day.
fn lowered(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    if is_han(c) {
        return match c {
            '點' => '点',
            '週' => '周',
            '號' => '号',
            '兩' => '两',
            '萬' => '万',
            '億' => '亿',
            '塊' => '块',
            '後' => '后',
            '個' => '个',
            '禮' => '礼',
            '鐘' | '鍾' => '钟',
            '時' => '时',
            '間' => '间',
            '內' => '内',
            '圓' => '圆',
            '幣' => '币',
            '錢' => '钱',
            '雙' => '双',
            '對' => '对',
            '條' => '条',
            '張' => '张',
            '碼' => '码',
            '這' => '这',
            '歐' => '欧',
            '鎊' => '镑',
            '韓' => '韩',
            '臺' => '台',
            '從' => '从',
            '貳' => '贰',
            '叁' | '參' => '叁',
            '陸' => '陆',
            '負' => '负',
            '釐' => '厘',
            '裏' | '裡' => '里',
            '頓' => '吨',
            '噸' => '吨',
            '寸' => '寸',
            '瓦' => '瓦',
            '過' => '过',
            '還' => '还',
            '幾' => '几',
            '歲' => '岁',
            '樓' => '楼',
            '線' => '线',
            '種' => '种',
            '樣' => '样',
            '盞' => '盏',
            '輛' => '辆',
            '顆' => '颗',
            '電' => '电',
            '話' => '话',
            '機' => '机',
            '聯' => '联',
            '係' => '系',
            '價' => '价',
            '為' => '为',
            '約' => '约',
            '請' => '请',
            '謝' => '谢',
            _ => c,
        };
    }
    let mut small = c.to_lowercase();
    match (small.next(), small.next()) {
        (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
        _ => c,
    }
}
