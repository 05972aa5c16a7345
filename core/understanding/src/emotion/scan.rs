//! A message as units – words, characters of Chinese, faces, marks – each with its place in the
//! message as it was written.

use unicode_normalization::UnicodeNormalization;

use crate::{
    hash,
    normalise::{self, MAX_CHARS, Normaliser},
};

/// Longer words are no words: only so much of them is kept.
const MAX_WORD: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// One character of a script without spaces.
    Character,
    /// An address, a link: data, not language.
    Datum,
    /// An emoji or a mark that may be part of a face.
    Mark,
    /// Ends a clause; true if it asks.
    Stop(bool),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub key: u64,
    /// Bytes of the text as written.
    pub start: u32,
    pub end: u32,
    pub kind: Kind,
    /// Written with letters repeated: `sooooo`.
    pub drawn: bool,
    /// Written in capitals only, three or more.
    pub capitals: bool,
}

impl Unit {
    pub fn is_stop(&self) -> bool {
        matches!(self.kind, Kind::Stop(_))
    }

    pub fn is_language(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Character)
    }
}

/// The units of a message and what its marks show.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub units: Vec<Unit>,
    pub upper: u32,
    pub lower: u32,
    /// The longest row of exclamation marks, and of question marks (of both mixed: both).
    pub exclamations: u32,
    pub questions: u32,
    /// Bytes of the text that were read.
    pub read: u32,
}

/// Cuts texts into units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a>(pub &'a Normaliser);

/// A character in its plain spelling and where it stands.
#[derive(Clone, Copy)]
struct Letter {
    plain: char,
    start: u32,
    end: u32,
    upper: bool,
}

impl Scanner<'_> {
    /// Cuts a text; `knows` says which words are in the tables, to find `good` in `goood`.
    pub fn scan(&self, text: &str, knows: impl Fn(u64) -> bool) -> Scan {
        let mut scan = Scan {
            units: Vec::with_capacity(text.len().min(4 * MAX_CHARS) / 4 + 4),
            ..Scan::default()
        };
        let mut letters = Vec::with_capacity(text.len().min(MAX_CHARS));
        for (at, c) in text.char_indices().take(MAX_CHARS) {
            let (start, end) = (place(at), place(at + c.len_utf8()));
            scan.read = end;
            let Some(plain) = self.plain(c) else { continue };
            letters.push(Letter {
                plain,
                start,
                end,
                upper: c.is_uppercase(),
            });
        }
        let mut at = 0;
        let mut plain = String::new();
        while at < letters.len() {
            let before = letters[..at].last();
            at += self.unit(&letters[at..], before, &mut scan, &mut plain, &knows);
        }
        scan
    }

    /// A character's plain spelling; none of what is invisible or only an accent.
    pub(super) fn plain(&self, c: char) -> Option<char> {
        if c.is_ascii() {
            return (!c.is_ascii_control() || c.is_ascii_whitespace())
                .then(|| c.to_ascii_lowercase());
        }
        let code = u32::from(c);
        let c = match code {
            0xFF01..=0xFF5E => char::from_u32(code - 0xFEE0)?.to_ascii_lowercase(),
            0x3000 => ' ',
            // Letters in circles, squares, mathematical styles.
            0x2100..=0x214F | 0x2460..=0x24FF | 0x1D400..=0x1D7FF | 0xFB00..=0xFB06 => {
                std::iter::once(c).nfkc().next()?.to_lowercase().next()?
            }
            _ if normalise::is_invisible(c) || normalise::is_stacked_accent(c) => return None,
            _ if normalise::is_han(c) => c,
            _ => c.to_lowercase().next().unwrap_or(c),
        };
        Some(self.0.fold(c))
    }

    /// Takes the unit that `rest` begins with; how many letters it has.
    fn unit(
        &self,
        rest: &[Letter],
        before: Option<&Letter>,
        scan: &mut Scan,
        plain: &mut String,
        knows: &impl Fn(u64) -> bool,
    ) -> usize {
        let first = rest[0];
        let c = first.plain;
        if c.is_whitespace() {
            // A space between Chinese characters parts clauses.
            let next = rest.iter().find(|l| !l.plain.is_whitespace());
            let parts = c == '\n'
                || before.is_some_and(|b| normalise::is_han(b.plain))
                    && next.is_some_and(|n| normalise::is_han(n.plain));
            if parts {
                push(scan, first, first, ' ', Kind::Stop(false), false);
            }
            return 1;
        }
        if normalise::is_unspaced(c) {
            let run = row(rest, |l| l.plain == c);
            let drawn = run >= 3;
            // More than two of one character are two: 哈哈哈哈.
            for letter in &rest[..run.min(2)] {
                let last = if drawn { rest[run - 1] } else { *letter };
                push(scan, *letter, last, c, Kind::Character, drawn);
            }
            return run;
        }
        if is_word(c) {
            return word(rest, scan, plain, knows);
        }
        let stop = match c {
            '!' | '?' => {
                let run = row(rest, |l| matches!(l.plain, '!' | '?'));
                let marks = rest[..run].iter().map(|l| l.plain);
                let asks = u32::try_from(marks.clone().filter(|m| *m == '?').count());
                let cries = u32::try_from(marks.filter(|m| *m == '!').count());
                scan.questions = scan.questions.max(asks.unwrap_or(u32::MAX));
                scan.exclamations = scan.exclamations.max(cries.unwrap_or(u32::MAX));
                let asks = rest[..run].iter().any(|l| l.plain == '?');
                push(scan, first, rest[run - 1], c, Kind::Stop(asks), false);
                return run;
            }
            ',' | ';' | '。' | '、' | '…' | '~' | '～' => true,
            // A point within 4.95 or shop.test ends nothing.
            '.' => rest
                .get(1)
                .is_none_or(|next| next.plain.is_whitespace() || next.plain == '.'),
            // A bracket or colon may be a face's; else it parts clauses, but reaches no table.
            _ => false,
        };
        let run = if stop { row(rest, |l| l.plain == c) } else { 1 };
        let kind = if stop { Kind::Stop(false) } else { Kind::Mark };
        push(scan, first, rest[run - 1], c, kind, false);
        run
    }
}

fn push(scan: &mut Scan, first: Letter, last: Letter, c: char, kind: Kind, drawn: bool) {
    scan.units.push(Unit {
        key: hash::end(hash::step(hash::SEED, c)),
        start: first.start,
        end: last.end,
        kind,
        drawn,
        capitals: false,
    });
}

/// Takes a word, number or address. `plain` is a buffer.
fn word(
    rest: &[Letter],
    scan: &mut Scan,
    plain: &mut String,
    knows: &impl Fn(u64) -> bool,
) -> usize {
    let whole = address(rest);
    if whole > 0 {
        let address = &rest[..whole];
        scan.units.push(Unit {
            key: hash::SEED,
            start: rest[0].start,
            end: address[whole - 1].end,
            kind: Kind::Datum,
            drawn: false,
            capitals: false,
        });
        return whole;
    }
    let mut length = row(rest, |l| is_word(l.plain) || matches!(l.plain, '\'' | '*'));
    while matches!(rest[length - 1].plain, '\'' | '*') {
        length -= 1;
    }
    let letters = &rest[..length];
    for letter in letters {
        scan.upper += u32::from(letter.upper);
        scan.lower += u32::from(!letter.upper && letter.plain.is_lowercase());
    }
    plain.clear();
    plain.extend(letters.iter().take(MAX_WORD).map(|l| l.plain));
    push_word(letters, plain, scan, knows);
    length
}

/// The length of the e-mail address or link that `rest` begins with, or 0.
fn address(rest: &[Letter]) -> usize {
    // Most words end at a space, a comma or a point, which is soon seen.
    let word = row(rest, |l| {
        is_word(l.plain) || matches!(l.plain, '-' | '_' | '+')
    });
    let Some('@' | '.' | ':') = rest.get(word).map(|l| l.plain) else {
        return 0;
    };
    let whole = row(rest, |l| l.plain.is_ascii_graphic());
    let address = &rest[..whole];
    let begins = |with: &str| {
        let mut letters = address.iter().map(|l| l.plain);
        with.chars().all(|c| letters.next() == Some(c))
    };
    let sign = address.iter().position(|l| l.plain == '@');
    let is_mail = sign.is_some_and(|at| address[at..].iter().any(|l| l.plain == '.'));
    if is_mail || begins("www.") || begins("http://") || begins("https://") {
        whole
    } else {
        0
    }
}

fn push_word(letters: &[Letter], plain: &str, scan: &mut Scan, knows: &impl Fn(u64) -> bool) {
    let capitals = letters.len() >= 3 && letters.iter().all(|l| l.upper);
    let mut unit = |text: &str, drawn: bool, from: usize, to: usize| {
        scan.units.push(Unit {
            key: hash::of_text(text),
            start: letters[from].start,
            end: letters[to - 1].end,
            kind: Kind::Word,
            drawn,
            capitals,
        });
    };
    let end = letters.len();
    if let Some([head, tail]) = parts(plain) {
        let cut = head.chars().count().clamp(1, end);
        if !head.is_empty() {
            unit(head, false, 0, end);
        }
        if !tail.is_empty() {
            unit(tail, false, cut.min(end - 1), end);
        }
        return;
    }
    if has_row_of_three(plain) {
        let two = shortened(plain, 2);
        let one = shortened(plain, 1);
        let text = if knows(hash::of_text(&two)) || !knows(hash::of_text(&one)) {
            two
        } else {
            one
        };
        unit(&text, true, 0, end);
    } else {
        unit(plain, false, 0, end);
    }
}

/// The parts of a word with an apostrophe, and of some that lost theirs.
fn parts(word: &str) -> Option<[&str; 2]> {
    let parts = match word {
        "cannot" | "can't" | "cant" => ["can", "not"],
        "won't" | "wont" => ["will", "not"],
        "ain't" | "aint" => ["is", "not"],
        "dont" => ["do", "not"],
        "doesnt" => ["does", "not"],
        "didnt" => ["did", "not"],
        "isnt" => ["is", "not"],
        "wasnt" => ["was", "not"],
        "arent" => ["are", "not"],
        "havent" => ["have", "not"],
        "hasnt" => ["has", "not"],
        "wouldnt" => ["would", "not"],
        "couldnt" => ["could", "not"],
        "shouldnt" => ["should", "not"],
        "im" => ["i", "am"],
        "ive" => ["i", "have"],
        "thats" => ["that", ""],
        _ => {
            let apostrophe = word.find('\'')?;
            if let Some(head) = word.strip_suffix("n't") {
                return Some([head, "not"]);
            }
            let tail = match &word[apostrophe + 1..] {
                "d" => "would",
                "ll" => "will",
                "re" => "are",
                "m" => "am",
                "ve" => "have",
                "s" => "",
                other => other,
            };
            [&word[..apostrophe], tail]
        }
    };
    Some(parts)
}

fn has_row_of_three(word: &str) -> bool {
    let mut before = ['\0'; 2];
    word.chars().any(|c| {
        let row = c.is_alphabetic() && before == [c, c];
        before = [before[1], c];
        row || (c == '*' && before[0] == '*')
    })
}

/// A word whose rows of three letters and more are `most` long.
fn shortened(word: &str, most: usize) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let run = rest.chars().take_while(|next| *next == c).count();
        let kept = if run >= 3 { most } else { run };
        out.extend(std::iter::repeat_n(c, kept));
        rest = &rest[run * c.len_utf8()..];
    }
    out
}

fn row(letters: &[Letter], belongs: impl Fn(&Letter) -> bool) -> usize {
    letters.iter().take_while(|l| belongs(l)).count()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !normalise::is_unspaced(c)
}

/// Beyond the cap on characters nothing is read, so that places fit.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
