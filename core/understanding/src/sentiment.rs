//! How a customer feels, from word lists: a number and the words it comes from.

use std::collections::HashMap;

use crate::{
    data, hash,
    normalise::{MAX_CHARS, Normaliser},
    tokens::{self, StopWords, Token},
};

/// How far before a word its negation may stand.
const REACH: usize = 3;
/// A joyful word in a question (`is it good?`) says little.
const IN_QUESTION: f32 = 0.3;
const QUESTION_WORDS: [&str; 10] = [
    "what", "which", "where", "when", "who", "does", "do", "can", "could", "why",
];
/// A negated harsh word (`not the worst`) is no praise.
const NEGATED_HARSH: f32 = 0.3;
/// Sets how soon the sum of the words approaches the ends of the scale.
const SOFTNESS: f32 = 0.5;
/// Words kept to show why.
const MAX_WORDS: usize = 10;

/// The word lists, keyed by their words in order.
#[derive(Debug)]
pub struct Sentiment {
    entries: HashMap<u64, Entry, hash::Ready>,
    longest: usize,
    emoji: HashMap<char, f32>,
    faces: HashMap<&'static str, f32>,
}

/// A feeling and its reasons.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feeling {
    /// −1 (furious) to 1 (delighted).
    pub score: f32,
    /// The words that counted, strongest first.
    pub words: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Feeling(f32),
    Modifier(f32),
}

/// A word, or a character of a script without spaces.
#[derive(Clone, Copy)]
enum Unit<'a> {
    Word(&'a str),
    Character(char),
}

impl Unit<'_> {
    fn key(self) -> u64 {
        match self {
            Self::Word(word) => hash::of_text(word),
            Self::Character(c) => hash::of_text(c.encode_utf8(&mut [0; 4])),
        }
    }
}

impl Sentiment {
    #[must_use]
    pub fn new(normaliser: &Normaliser, stop: &StopWords) -> Self {
        let mut sentiment = Self {
            entries: HashMap::default(),
            longest: 1,
            emoji: HashMap::new(),
            faces: HashMap::new(),
        };
        let feelings = data::weighted(data::SENTIMENT_EN)
            .chain(data::weighted(data::SENTIMENT_ZH))
            .map(|(weight, words)| (Entry::Feeling(weight), words));
        let modifiers = data::weighted(data::SENTIMENT_MODIFIERS)
            .map(|(weight, words)| (Entry::Modifier(weight), words));
        for (entry, words) in modifiers.chain(feelings) {
            let clean = normaliser.clean(&words);
            let units = units(stop, &clean);
            sentiment.longest = sentiment.longest.max(units.len());
            let key = units.iter().fold(0, |key, u| hash::join(key, u.key()));
            sentiment.entries.insert(key, entry);
        }
        for line in data::lines(data::SENTIMENT_EMOJI) {
            let mut fields = line.split_whitespace();
            let Some(Ok(weight)) = fields.next().map(str::parse::<f32>) else {
                continue;
            };
            for face in fields {
                match face.chars().next() {
                    Some(c) if !c.is_ascii() => sentiment.emoji.insert(c, weight),
                    _ => sentiment.faces.insert(face, weight),
                };
            }
        }
        sentiment
    }

    /// The feeling of a message, given as written and as [`Normaliser::clean`] gives it.
    #[must_use]
    pub fn of(&self, text: &str, clean: &str, stop: &StopWords) -> Feeling {
        let mut found: Vec<(f32, String)> = Vec::new();
        for (clause, asks) in tokens::clauses_and_marks(clean) {
            let units = units(stop, clause);
            let asks = asks
                || clause.ends_with(['吗', '么', '呢'])
                || matches!(units.first(), Some(Unit::Word(word)) if QUESTION_WORDS.contains(word));
            self.clause(&units, asks, &mut found);
        }
        self.faces(clean, &mut found);
        let sum = found.iter().fold(0.0, |sum, (weight, _)| sum + weight);
        let sum = stress(text, sum);
        found.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        found.truncate(MAX_WORDS);
        Feeling {
            score: (sum / (sum * sum + SOFTNESS).sqrt()).clamp(-1.0, 1.0),
            words: found.into_iter().map(|(_, word)| word).collect(),
        }
    }

    fn clause(&self, units: &[Unit<'_>], asks: bool, found: &mut Vec<(f32, String)>) {
        // Modifiers that may still reach the next word: place and factor.
        let mut pending: Vec<(usize, f32)> = Vec::new();
        let mut at = 0;
        while at < units.len() {
            let Some((length, entry)) = self.longest_at(&units[at..]) else {
                at += 1;
                continue;
            };
            match entry {
                Entry::Modifier(factor) => pending.push((at, factor)),
                Entry::Feeling(weight) => {
                    pending.retain(|(place, _)| at - place <= REACH);
                    let factor: f32 = pending.iter().map(|(_, f)| f).product();
                    let mut felt = weight * factor;
                    if factor < 0.0 && weight < 0.0 {
                        felt *= NEGATED_HARSH;
                    }
                    if asks && felt > 0.0 {
                        felt *= IN_QUESTION;
                    }
                    if felt != 0.0 {
                        let start = pending.first().map_or(at, |(place, _)| *place);
                        found.push((felt.clamp(-1.0, 1.0), shown(&units[start..at + length])));
                    }
                    pending.clear();
                }
            }
            at += length;
        }
    }

    fn longest_at(&self, units: &[Unit<'_>]) -> Option<(usize, Entry)> {
        let mut key = 0;
        let mut best = None;
        for (n, unit) in units.iter().take(self.longest).enumerate() {
            key = hash::join(key, unit.key());
            if let Some(entry) = self.entries.get(&key) {
                best = Some((n + 1, *entry));
            }
        }
        best
    }

    fn faces(&self, clean: &str, found: &mut Vec<(f32, String)>) {
        let emoji = clean
            .chars()
            .filter(|c| !c.is_ascii())
            .filter_map(|c| Some((*self.emoji.get(&c)?, c.to_string())));
        let faces = clean
            .split_whitespace()
            .filter_map(|piece| Some((*self.faces.get(piece)?, piece.to_owned())));
        found.extend(emoji.chain(faces).take(MAX_WORDS));
    }
}

fn units<'a>(stop: &StopWords, clean: &'a str) -> Vec<Unit<'a>> {
    let mut units = Vec::new();
    for token in stop.tokens(clean) {
        match token {
            Token::Word { text, .. } | Token::Datum(text) => units.push(Unit::Word(text)),
            Token::Run(chars) => units.extend(chars.iter().map(|(c, _)| Unit::Character(*c))),
        }
    }
    units
}

fn shown(units: &[Unit<'_>]) -> String {
    let mut shown = String::new();
    for unit in units {
        match unit {
            Unit::Word(word) => {
                if !shown.is_empty() {
                    shown.push(' ');
                }
                shown.push_str(word);
            }
            Unit::Character(c) => shown.push(*c),
        }
    }
    shown
}

/// Capitals and marks make a feeling stronger, and show impatience where the words show none.
fn stress(text: &str, sum: f32) -> f32 {
    let (mut upper, mut lower, mut exclamations, mut questions) = (0_u32, 0_u32, 0_u8, 0_u8);
    for c in text.chars().take(MAX_CHARS) {
        match c {
            '!' | '！' => exclamations = exclamations.saturating_add(1),
            '?' | '？' => questions = questions.saturating_add(1),
            _ if c.is_uppercase() => upper += 1,
            _ if c.is_lowercase() => lower += 1,
            _ => {}
        }
    }
    let shouts = upper >= 8 && upper >= 3 * lower;
    let mut sum = sum;
    if sum <= 0.0 {
        sum -= if shouts { 0.15 } else { 0.0 };
        sum -= if questions >= 3 { 0.1 } else { 0.0 };
    }
    let marks = 1.0 + 0.08 * f32::from(exclamations.min(4));
    sum * marks * if shouts { 1.25 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Feeling {
        let normaliser = Normaliser::new();
        let stop = StopWords::new();
        let clean = normaliser.clean(text);
        Sentiment::new(&normaliser, &stop).of(text, &clean, &stop)
    }

    #[test]
    fn anger_and_complaints_are_negative() {
        for text in [
            "I want to complain, this is unacceptable",
            "This is the WORST service ever!!!",
            "You scammed me, I will call my lawyer",
            "太差了，我要投诉",
            "骗子公司，气死我了！！",
            "垃圾服务，再也不买了",
            "😡😡",
        ] {
            let feeling = of(text);
            assert!(feeling.score < -0.6, "{text}: {feeling:?}");
        }
    }

    #[test]
    fn joy_and_thanks_are_positive() {
        for text in [
            "thanks, great!",
            "I love it, perfect",
            "太棒了，谢谢",
            "非常满意👍",
            "❤️ thank you",
        ] {
            let feeling = of(text);
            assert!(feeling.score > 0.5, "{text}: {feeling:?}");
        }
    }

    #[test]
    fn questions_and_data_are_neutral() {
        for text in [
            "where is my order",
            "How much is delivery?",
            "I'd like to send it back",
            "我想退货",
            "请问运费多少",
            "不好意思，请问可以开发票吗",
            "麻烦您帮我查一下订单",
            "good morning",
            "12345678",
            "",
            "What kind of lamp do you have?",
        ] {
            let feeling = of(text);
            assert!(feeling.score.abs() < 0.15, "{text}: {feeling:?}");
        }
    }

    #[test]
    fn trouble_is_milder_than_anger() {
        for text in [
            "my lamp arrived broken",
            "灯坏了",
            "I have not received my parcel",
        ] {
            let score = of(text).score;
            assert!(score < 0.0 && score > -0.5, "{text}: {score}");
        }
    }

    #[test]
    fn negation_turns_and_intensifiers_strengthen() {
        assert!(of("not happy").score < -0.3);
        assert!(of("I'm not very happy with it").score < -0.3);
        assert!(of("不满意").score < -0.3);
        assert!(of("不是很满意").score < -0.3);
        assert!(of("not bad").score > 0.0);
        assert!(of("very happy").score > of("happy").score);
        assert!(of("a bit disappointed").score > of("disappointed").score);
        assert!(of("没有问题").score >= 0.0);
        assert_eq!(of("I'm not happy").words, ["not happy"]);
    }

    #[test]
    fn shouting_and_marks_strengthen() {
        assert!(of("terrible!!!").score < of("terrible").score);
        assert!(of("WHERE IS MY ORDER").score < -0.1);
        assert!(of("I HATE THIS SHOP").score < of("I hate this shop").score);
    }
}
