//! One spelling for what customers write in many: width, case, script, invisible characters.

use unicode_normalization::UnicodeNormalization;

use crate::data;

/// Characters of a message that are read; the rest is ignored.
pub const MAX_CHARS: usize = 4_000;

const HAN_FIRST: u32 = 0x4E00;
const HAN_LAST: u32 = 0x9FFF;

/// Brings texts into one spelling. Holds the table of traditional characters.
#[derive(Debug)]
pub struct Normaliser {
    /// The simplified form of each character from U+4E00 on; a table, since every character of
    /// every Chinese message asks for it.
    simplified: Box<[u16]>,
}

impl Default for Normaliser {
    fn default() -> Self {
        Self::new()
    }
}

impl Normaliser {
    #[must_use]
    pub fn new() -> Self {
        let mut simplified: Box<[u16]> = (HAN_FIRST..=HAN_LAST)
            .map(|c| u16::try_from(c).expect("the block lies within 16 bits"))
            .collect();
        for line in data::lines(data::TRADITIONAL) {
            let mut chars = line.chars();
            while let (Some(from), Some(to)) = (chars.next(), chars.next()) {
                let slot = han_index(from).and_then(|i| simplified.get_mut(i));
                if let (Some(slot), Ok(to)) = (slot, u16::try_from(u32::from(to))) {
                    *slot = to;
                }
            }
        }
        Self { simplified }
    }

    /// The text in NFKC, lower case, simplified characters, straight apostrophes, without
    /// invisible characters and stacked accents, runs of one character shortened; punctuation and
    /// emoji stay. Reads and gives at most [`MAX_CHARS`] characters.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = Collapsing::with_capacity(text.len().min(4 * MAX_CHARS));
        // A character can unfold into eighteen, so both ends are capped.
        let seen = text.chars().take(MAX_CHARS).filter(|c| !is_invisible(*c));
        if text.is_ascii() {
            for c in seen {
                out.push(c.to_ascii_lowercase());
            }
        } else {
            for c in seen.nfkc().take(MAX_CHARS) {
                if is_stacked_accent(c) {
                    continue;
                }
                for c in c.to_lowercase() {
                    if !is_stacked_accent(c) {
                        out.push(self.fold(c));
                    }
                }
            }
        }
        out.text
    }

    pub(crate) fn fold(&self, c: char) -> char {
        match c {
            '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2032}' | '\u{00B4}' | '`' => '\'',
            _ => han_index(c)
                .and_then(|i| self.simplified.get(i))
                .and_then(|s| char::from_u32(u32::from(*s)))
                .unwrap_or(c),
        }
    }
}

/// Whether a character belongs to a script written without spaces, which is read by characters
/// and not by words.
#[must_use]
pub fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x323AF // Han
        | 0x3005..=0x3007
        | 0x3041..=0x30FF | 0x31F0..=0x31FF // kana
        | 0x0E00..=0x0E4F | 0x0E80..=0x0EFF | 0x1780..=0x17D3 | 0x1000..=0x109F) // Thai, Lao, Khmer, Burmese
}

#[must_use]
pub fn is_han(c: char) -> bool {
    matches!(u32::from(c), 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x323AF)
}

fn han_index(c: char) -> Option<usize> {
    let c = u32::from(c);
    (HAN_FIRST..=HAN_LAST)
        .contains(&c)
        .then(|| (c - HAN_FIRST) as usize)
}

/// Zero-width, bidi and variation marks, tags, and controls that are no white space.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164
        | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF9..=0xFFFB | 0xE0000..=0xE0FFF)
        || (c.is_control() && !c.is_whitespace())
}

/// Accents that found no letter to merge with under NFKC.
pub(crate) fn is_stacked_accent(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0xFE20..=0xFE2F)
}

/// Shortens `sooooo` to `soo` and 快快快快 to 快. Digits stay: they are numbers of orders.
struct Collapsing {
    text: String,
    last: Option<char>,
    run: usize,
}

impl Collapsing {
    fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            last: None,
            run: 0,
        }
    }

    fn push(&mut self, c: char) {
        if self.last == Some(c) {
            self.run += 1;
        } else {
            self.last = Some(c);
            self.run = 1;
        }
        if self.run < 3 || c.is_numeric() {
            self.text.push(c);
        } else if self.run == 3 && is_unspaced(c) {
            self.text.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        Normaliser::new().clean(text)
    }

    #[test]
    fn width_case_and_script_are_one() {
        assert_eq!(clean("ＨＥＬＬＯ，我要退貨"), "hello,我要退货");
        assert_eq!(clean("訂單編號１２３"), "订单编号123");
    }

    #[test]
    fn invisible_characters_vanish() {
        assert_eq!(clean("re\u{200B}fu\u{202E}nd\u{FEFF}"), "refund");
        assert_eq!(clean("Z\u{0301}\u{0316}\u{0317}a\u{0316}"), "źa");
    }

    #[test]
    fn runs_are_shortened_but_not_numbers() {
        assert_eq!(clean("sooooo goooood!!!!"), "soo good!!");
        assert_eq!(clean("快快快快"), "快");
        assert_eq!(clean("10000"), "10000");
    }

    #[test]
    fn the_table_is_in_pairs_and_maps_to_characters_it_keeps() {
        let normaliser = Normaliser::new();
        for line in data::lines(data::TRADITIONAL) {
            assert_eq!(line.chars().count() % 2, 0, "{line}");
            for to in line.chars().skip(1).step_by(2) {
                assert_eq!(
                    normaliser.fold(to),
                    to,
                    "{to} is both an end and a beginning"
                );
            }
        }
    }
}
