//! The language a message is written in, where it shows one.

use std::collections::HashMap;

use tandem_domain::Locale;

use crate::{data, normalise, tokens::Token};

/// Tells languages apart: by script, and for the Latin script by frequent words.
#[derive(Debug)]
pub struct Languages {
    locales: Vec<Locale>,
    /// A frequent word's languages, as places in `locales`.
    words: HashMap<String, Vec<usize>>,
    english: Locale,
    chinese: Locale,
}

impl Default for Languages {
    fn default() -> Self {
        Self::new()
    }
}

/// Letters of a message by script.
#[derive(Default)]
struct Scripts {
    latin_words: usize,
    han: usize,
    kana: usize,
    hangul: usize,
    cyrillic: usize,
    ukrainian: usize,
    arabic: usize,
    persian: usize,
    hebrew: usize,
    greek: usize,
    thai: usize,
    devanagari: usize,
}

impl Languages {
    #[must_use]
    pub fn new() -> Self {
        let mut locales = Vec::new();
        let mut words: HashMap<String, Vec<usize>> = HashMap::new();
        for line in data::lines(data::LANGUAGES) {
            let mut fields = line.split_whitespace();
            if let Some(tag) = fields.next() {
                for word in fields {
                    let of = words.entry(word.to_owned()).or_default();
                    if !of.contains(&locales.len()) {
                        of.push(locales.len());
                    }
                }
                locales.push(Locale::new(tag));
            }
        }
        Self {
            locales,
            words,
            english: Locale::new("en"),
            chinese: Locale::new("zh"),
        }
    }

    /// The language of a cleaned text, or none where it could be several: digits, a name, `ok`.
    #[must_use]
    pub fn of(&self, clean: &str, tokens: &[Token<'_>]) -> Option<Locale> {
        let scripts = Scripts::count(clean);
        if scripts.kana > 0 && scripts.kana * 4 >= scripts.han {
            return Some(Locale::new("ja"));
        }
        // A Chinese sentence is full of Latin names of goods; English ones hold Han but rarely.
        if scripts.han > 0 {
            let english = self.latin(tokens).is_some_and(|l| l == self.english);
            let han_words = scripts.han.div_ceil(2);
            if !english || han_words >= scripts.latin_words {
                return Some(self.chinese.clone());
            }
            return Some(self.english.clone());
        }
        let (tag, letters) = scripts.other();
        if letters > 0 && letters >= 2 * scripts.latin_words {
            return Some(Locale::new(tag));
        }
        self.latin(tokens)
    }

    /// By frequent words: the language with most of them, if no other has as many.
    fn latin(&self, tokens: &[Token<'_>]) -> Option<Locale> {
        let mut hits = vec![0_usize; self.locales.len()];
        for token in tokens {
            if let Token::Word { text, .. } = token {
                for language in self.words.get(*text).into_iter().flatten() {
                    hits[*language] += 1;
                }
            }
        }
        let best = (0..hits.len()).max_by_key(|l| (hits[*l], usize::MAX - l))?;
        let ties = hits.iter().filter(|h| **h == hits[best]).count();
        (hits[best] > 0 && ties == 1).then(|| self.locales[best].clone())
    }
}

impl Scripts {
    fn count(clean: &str) -> Self {
        let mut scripts = Self::default();
        let mut in_word = false;
        for c in clean.chars() {
            let latin =
                c.is_ascii_alphabetic() || matches!(u32::from(c), 0xC0..=0x24F | 0x1E00..=0x1EFF);
            scripts.latin_words += usize::from(latin && !in_word);
            in_word = latin;
            if latin || c.is_ascii() {
                continue;
            }
            match u32::from(c) {
                _ if normalise::is_han(c) => scripts.han += 1,
                0x3041..=0x30FF | 0x31F0..=0x31FF => scripts.kana += 1,
                0xAC00..=0xD7AF | 0x1100..=0x11FF | 0x3130..=0x318F => scripts.hangul += 1,
                0x0400..=0x052F => {
                    scripts.cyrillic += 1;
                    scripts.ukrainian += usize::from(matches!(c, 'і' | 'ї' | 'є' | 'ґ'));
                }
                0x0600..=0x06FF => {
                    scripts.arabic += 1;
                    scripts.persian += usize::from(matches!(c, 'پ' | 'چ' | 'ژ' | 'گ' | 'ی' | 'ک'));
                }
                0x0590..=0x05FF => scripts.hebrew += 1,
                0x0370..=0x03FF => scripts.greek += 1,
                0x0E00..=0x0E7F => scripts.thai += 1,
                0x0900..=0x097F => scripts.devanagari += 1,
                _ => {}
            }
        }
        scripts
    }

    /// The script with most letters that is neither Latin nor Han.
    fn other(&self) -> (&'static str, usize) {
        [
            ("ko", self.hangul),
            (if self.ukrainian > 0 { "uk" } else { "ru" }, self.cyrillic),
            (if self.persian > 0 { "fa" } else { "ar" }, self.arabic),
            ("he", self.hebrew),
            ("el", self.greek),
            ("th", self.thai),
            ("hi", self.devanagari),
        ]
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .unwrap_or(("", 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{normalise::Normaliser, tokens::StopWords};

    fn of(text: &str) -> Option<String> {
        let clean = Normaliser::new().clean(text);
        Languages::new()
            .of(&clean, &StopWords::new().tokens(&clean))
            .map(|l| l.as_str().to_owned())
    }

    #[test]
    fn sentences_show_their_language() {
        for (text, tag) in [
            ("Where is my order?", "en"),
            ("I'd like to send it back", "en"),
            ("我想退货", "zh"),
            ("我想退貨", "zh"),
            ("我的iPhone 15 Pro Max 256GB 有货吗", "zh"),
            ("What does 你好 mean in your shop?", "en"),
            ("wo ist meine bestellung", "de"),
            ("où est ma commande", "fr"),
            ("¿dónde está mi pedido?", "es"),
            ("どこですか", "ja"),
            ("주문은 어디에 있나요", "ko"),
            ("где мой заказ", "ru"),
            ("де моє замовлення і коли", "uk"),
            ("أين طلبي", "ar"),
            ("退", "zh"),
        ] {
            assert_eq!(of(text).as_deref(), Some(tag), "{text}");
        }
    }

    #[test]
    fn what_shows_no_language_has_none() {
        for text in [
            "",
            "12345678",
            "ok",
            "Lamp",
            "👍",
            "ann@x.test",
            "asdf qwer",
            "!!!",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
