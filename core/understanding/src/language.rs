//! The language a message is written in, where it shows one.
//!
//! By script first, which needs one character; for the Latin script by frequent words and by
//! letters that few languages have. Short messages decide this: libraries that count runs of
//! letters guess at `ok` and `Lamp`, where the right answer is that nothing is shown and the
//! conversation's language stays.

use std::collections::HashMap;

use tandem_domain::Locale;

use crate::{
    data, hash,
    normalise::{self, MAX_CHARS},
};

/// A word of one language only counts as much; what several share is divided.
const WORD: f32 = 1.0;
/// A letter that few languages have.
const LETTER: f32 = 0.6;
/// The best language must lead by so much.
const LEAD: f32 = 0.15;
/// Longer words are none.
const MAX_WORD: usize = 30;

/// Tells languages apart.
#[derive(Debug)]
pub struct Languages {
    locales: Vec<Locale>,
    /// A frequent word's languages, as places in `locales`.
    words: HashMap<u64, Vec<u8>, hash::Ready>,
    /// Letters by which languages of the Latin script are told apart.
    letters: HashMap<char, Vec<u8>>,
    english: usize,
    chinese: Locale,
    traditional_chinese: Locale,
    /// Characters that only traditional, and only simplified, Chinese is written with.
    traditional: HashMap<char, bool>,
    others: HashMap<&'static str, Locale>,
}

const LETTERS: [(&str, &str); 16] = [
    ("de", "äöüß"),
    ("fr", "çéèêëàâîïôùûœ"),
    ("es", "ñáéíóú¿¡"),
    ("it", "àèéìòù"),
    ("pt", "ãõçáâéêíóô"),
    ("pl", "ąćęłńóśźż"),
    ("tr", "çğışöü"),
    ("sv", "åäö"),
    ("da", "åæø"),
    ("no", "åæø"),
    ("fi", "äö"),
    ("cs", "áčďéěíňóřšťúůýž"),
    ("ro", "ăâîșțşţ"),
    ("hu", "áéíóöőúüű"),
    ("vi", "đơưăâêôáàãóòíìúùýé"),
    ("nl", "ëï"),
];

/// Characters of Japanese that Chinese does not write.
const JAPANESE: &str = "気駅円図対売読応発変戻込届済払働込栃畑峠辻匂々桜沢浜広鉄県覚歩経験価価様";

const TAGS: [&str; 26] = [
    "ja", "ko", "ru", "uk", "sr", "bg", "ar", "fa", "ur", "he", "el", "th", "hi", "bn", "ta", "te",
    "gu", "pa", "kn", "ml", "lo", "km", "my", "ka", "hy", "am",
];

impl Default for Languages {
    fn default() -> Self {
        Self::new()
    }
}

/// What a message is made of.
#[derive(Default)]
struct Seen {
    /// Words of Latin letters, and those that are frequent English ones.
    latin_words: usize,
    english_words: usize,
    /// For each language of the Latin script what speaks for it.
    scores: Vec<f32>,
    han: usize,
    kana: usize,
    traditional: usize,
    simplified: usize,
    japanese: usize,
    /// Letters of the other scripts, by their place in [`TAGS`].
    others: [usize; TAGS.len()],
}

impl Languages {
    #[must_use]
    pub fn new() -> Self {
        let mut locales: Vec<Locale> = Vec::new();
        let mut words: HashMap<u64, Vec<u8>, hash::Ready> = HashMap::default();
        for line in data::lines(data::LANGUAGES) {
            let mut fields = line.split_whitespace();
            let Some(tag) = fields.next() else { continue };
            let place = u8::try_from(locales.len()).expect("the table has fewer than 256 lines");
            for word in fields {
                let of = words.entry(hash::of_text(word)).or_default();
                if !of.contains(&place) {
                    of.push(place);
                }
            }
            locales.push(Locale::new(tag));
        }
        let place = |tag: &str| locales.iter().position(|l| l.as_str() == tag);
        let mut letters: HashMap<char, Vec<u8>> = HashMap::new();
        for (tag, own) in LETTERS {
            let of = place(tag).and_then(|p| u8::try_from(p).ok());
            for letter in own.chars() {
                letters.entry(letter).or_default().extend(of);
            }
        }
        let mut traditional = HashMap::new();
        for line in data::lines(data::TRADITIONAL) {
            let mut chars = line.chars();
            while let (Some(from), Some(to)) = (chars.next(), chars.next()) {
                traditional.entry(to).or_insert(false);
                traditional.insert(from, true);
            }
        }
        Self {
            english: place("en").unwrap_or_default(),
            chinese: Locale::new("zh"),
            traditional_chinese: Locale::new("zh-Hant"),
            others: TAGS.iter().map(|tag| (*tag, Locale::new(tag))).collect(),
            locales,
            words,
            letters,
            traditional,
        }
    }

    /// The language of a text as written, or none where it could be several: digits, a name,
    /// `ok`. Chinese in traditional characters is `zh-Hant`.
    #[must_use]
    pub fn of(&self, text: &str) -> Option<Locale> {
        let seen = self.look(text);
        if seen.kana > 0 && seen.kana * 4 >= seen.han {
            return self.others.get("ja").cloned();
        }
        let (tag, letters) = TAGS
            .iter()
            .zip(seen.others)
            .max_by_key(|(_, n)| *n)
            .unwrap_or((&"", 0));
        if letters > seen.han && letters >= 2 * seen.latin_words {
            return self.others.get(tag).cloned();
        }
        let latin = self.latin(&seen);
        // A Chinese sentence is full of Latin names of goods; English ones hold Han but rarely.
        if seen.han > 0 {
            let han_words = seen.han.div_ceil(2);
            let english = latin == Some(self.english) && seen.english_words >= 2;
            if english && seen.english_words > han_words {
                return Some(self.locales[self.english].clone());
            }
            if seen.japanese > 0 && seen.japanese >= seen.simplified {
                return self.others.get("ja").cloned();
            }
            let is_traditional = seen.traditional > 0 && 2 * seen.traditional >= seen.simplified;
            let chinese = if is_traditional {
                &self.traditional_chinese
            } else {
                &self.chinese
            };
            return Some(chinese.clone());
        }
        latin.map(|l| self.locales[l].clone())
    }

    /// The language of the Latin script with most that speaks for it.
    fn latin(&self, seen: &Seen) -> Option<usize> {
        let best = (0..seen.scores.len()).max_by(|a, b| {
            let order = seen.scores[*a].total_cmp(&seen.scores[*b]);
            order.then(b.cmp(a))
        })?;
        let rivals = seen.scores.iter().enumerate().filter(|(i, _)| *i != best);
        let second = rivals.map(|(_, s)| *s).fold(0.0, f32::max);
        (seen.scores[best] > 0.3 && seen.scores[best] >= second + LEAD).then_some(best)
    }

    fn look(&self, text: &str) -> Seen {
        let mut seen = Seen {
            scores: vec![0.0; self.locales.len()],
            ..Seen::default()
        };
        let mut word = Word::default();
        // A space after the last word ends it.
        for c in text.chars().take(MAX_CHARS).chain([' ']) {
            if is_latin(c) {
                word.push(c);
                continue;
            }
            if is_apostrophe(c) && word.length > 0 {
                word.apostrophe();
                continue;
            }
            // Addresses, links, codes and mentions are no language.
            let joins = matches!(c, '@' | '_' | '/' | '#' | '\\') || c.is_ascii_digit();
            if joins || (c == '.' && word.is_code) {
                word.is_code = true;
                continue;
            }
            if !normalise::is_invisible(c) {
                self.word(&word, &mut seen);
                word = Word::default();
                self.character(c, &mut seen);
            }
        }
        seen
    }

    fn word(&self, word: &Word, seen: &mut Seen) {
        if word.length == 0 || word.length > MAX_WORD || word.is_code {
            return;
        }
        seen.latin_words += 1;
        let whole = self.words.get(&hash::end(word.key));
        let head = || self.words.get(&hash::end(word.head?));
        let languages = whole.or_else(head).map_or(&[][..], Vec::as_slice);
        for language in languages {
            seen.scores[usize::from(*language)] += WORD / languages.len() as f32;
        }
        let english = |l: &u8| usize::from(*l) == self.english;
        seen.english_words += usize::from(languages.iter().any(english));
        for letter in word.letters.iter().flatten() {
            // Most letters with marks are written in several languages; Vietnamese has its own.
            if matches!(u32::from(*letter), 0x1EA0..=0x1EF9) {
                let vietnamese = self.locales.iter().position(|l| l.as_str() == "vi");
                if let Some(score) = vietnamese.and_then(|l| seen.scores.get_mut(l)) {
                    *score += LETTER;
                }
            }
            let languages = self.letters.get(letter).map_or(&[][..], Vec::as_slice);
            for language in languages {
                seen.scores[usize::from(*language)] += LETTER / (languages.len() as f32).sqrt();
            }
        }
    }

    fn character(&self, c: char, seen: &mut Seen) {
        if c.is_ascii() {
            return;
        }
        if normalise::is_han(c) {
            seen.han += 1;
            match self.traditional.get(&c) {
                Some(true) => seen.traditional += 1,
                Some(false) => seen.simplified += 1,
                None => {}
            }
            seen.japanese += usize::from(JAPANESE.contains(c));
            return;
        }
        if matches!(c, '¿' | '¡') {
            for language in self.letters.get(&c).into_iter().flatten() {
                seen.scores[usize::from(*language)] += LETTER;
            }
        }
        let tag = match u32::from(c) {
            0x3041..=0x30FA | 0x30FC..=0x30FF | 0x31F0..=0x31FF | 0xFF66..=0xFF9D => {
                seen.kana += 1;
                return;
            }
            0xAC00..=0xD7AF | 0x1100..=0x11FF | 0x3130..=0x318F => "ko",
            0x0400..=0x052F => cyrillic(c),
            0x0600..=0x06FF | 0x0750..=0x077F | 0xFB50..=0xFDFF | 0xFE70..=0xFEFC => arabic(c),
            0x0590..=0x05FF => "he",
            0x0370..=0x03FF | 0x1F00..=0x1FFF => "el",
            0x0E00..=0x0E7F => "th",
            0x0900..=0x097F => "hi",
            0x0980..=0x09FF => "bn",
            0x0A00..=0x0A7F => "pa",
            0x0A80..=0x0AFF => "gu",
            0x0B80..=0x0BFF => "ta",
            0x0C00..=0x0C7F => "te",
            0x0C80..=0x0CFF => "kn",
            0x0D00..=0x0D7F => "ml",
            0x0E80..=0x0EFF => "lo",
            0x1000..=0x109F => "my",
            0x10A0..=0x10FF => "ka",
            0x0530..=0x058F => "hy",
            0x1200..=0x137F => "am",
            0x1780..=0x17FF => "km",
            _ => return,
        };
        let weight = match tag {
            // One letter of its own tells Ukrainian from Russian, whose others it shares.
            "uk" | "sr" | "fa" | "ur" => 100,
            "bg" => 10,
            _ if matches!(c, 'ы' | 'э' | 'ё') => 10,
            _ => 1,
        };
        if let Some(at) = TAGS.iter().position(|t| *t == tag) {
            seen.others[at] += weight;
        }
    }
}

/// A word that is being read.
struct Word {
    key: u64,
    /// The key up to the apostrophe.
    head: Option<u64>,
    length: usize,
    /// Its first letters with marks.
    letters: [Option<char>; 4],
    is_code: bool,
}

impl Default for Word {
    fn default() -> Self {
        Self {
            key: hash::SEED,
            head: None,
            length: 0,
            letters: [None; 4],
            is_code: false,
        }
    }
}

impl Word {
    fn push(&mut self, c: char) {
        for c in c.to_lowercase() {
            self.key = hash::step(self.key, c);
            if !c.is_ascii()
                && let Some(free) = self.letters.iter_mut().find(|l| l.is_none())
            {
                *free = Some(c);
            }
        }
        self.length += 1;
    }

    fn apostrophe(&mut self) {
        self.head = Some(self.key);
        self.key = hash::step(self.key, '\'');
    }
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(u32::from(c), 0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0x24F | 0x1E00..=0x1EFF)
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '`' | '\u{00B4}')
}

fn cyrillic(c: char) -> &'static str {
    match c.to_lowercase().next().unwrap_or(c) {
        'і' | 'ї' | 'є' | 'ґ' => "uk",
        'ј' | 'љ' | 'њ' | 'ћ' | 'ђ' => "sr",
        'ъ' => "bg",
        _ => "ru",
    }
}

fn arabic(c: char) -> &'static str {
    match c {
        'ٹ' | 'ڈ' | 'ڑ' | 'ں' | 'ے' | 'ہ' => "ur",
        'پ' | 'چ' | 'ژ' | 'گ' | 'ی' | 'ک' => "fa",
        _ => "ar",
    }
}
