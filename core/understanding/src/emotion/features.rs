//! A message, and what was said before it, as features from which a feeling can be learned.

use super::{
    Emotions,
    lexicon::{Match, Role},
    repetition,
    scan::{Kind, Scan, Scanner, Unit},
};
use crate::{hash, normalise::Normaliser};

/// How far a negation marks the words after it.
const REACH: usize = 4;
/// Runs of characters within a word, and of Chinese characters.
const WORD_RUNS: std::ops::RangeInclusive<usize> = 2..=5;
const HAN_RUNS: std::ops::RangeInclusive<usize> = 1..=3;
/// Longer words give no more runs.
const MAX_WORD: usize = 24;

const WORDS: u64 = 0x77;
const NEGATED: u64 = 0x6E;
const LETTERS: u64 = 0x6C;
const BEFORE: u64 = 0x70;
const SCORES: u64 = 0x73;

/// What a message consists of. Each group is to be scaled on its own, so that the many letters
/// don't drown the few words. A key may occur several times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Words and pairs of them.
    pub words: Vec<u64>,
    /// The same, where words within reach of a negation are others (`NOT good`), and the
    /// words of the tables, each with whether it is turned.
    pub negated: Vec<u64>,
    /// Runs of letters and of Chinese characters.
    pub letters: Vec<u64>,
    /// Words and pairs of the turn before.
    pub before: Vec<u64>,
    /// Numbers: the levels of [`super::Mood`], lengths, marks, what is shared with the turn before.
    pub scores: Vec<(u64, f32)>,
}

/// The features of a message and of the turn before it (empty where there is none).
#[must_use]
pub fn features(
    emotions: &Emotions,
    normaliser: &Normaliser,
    text: &str,
    before: &str,
) -> Features {
    let scan = emotions.scan(normaliser, text);
    let earlier = emotions.scan(normaliser, before);
    let mut features = Features::default();
    let keys: Vec<u64> = scan.units.iter().map(|u| plain_key(u, text)).collect();
    grams(&keys, WORDS, &mut features.words);
    let matches = emotions.lexicon.matches(&scan.units);
    let turned = turned(emotions, &scan.units, &matches);
    let marked: Vec<u64> = keys
        .iter()
        .zip(&turned)
        .map(|(key, turned)| {
            if *turned {
                hash::join(*key, NEGATED)
            } else {
                *key
            }
        })
        .collect();
    grams(&marked, NEGATED, &mut features.negated);
    for found in &matches {
        let key = hash::join(u64::from(found.entry), u64::from(turned[found.start]));
        features.negated.push(hash::join(key, SCORES));
    }
    letters(normaliser, text, &scan, &mut features.letters);
    let before_keys: Vec<u64> = earlier.units.iter().map(|u| plain_key(u, before)).collect();
    grams(&before_keys, BEFORE, &mut features.before);
    features.scores = scores(emotions, normaliser, [text, before], [&scan, &earlier]);
    features
}

/// A word's key; all numbers are one.
fn plain_key(unit: &Unit, text: &str) -> u64 {
    let written = text.get(unit.start as usize..unit.end as usize);
    let number =
        unit.kind == Kind::Word && written.is_some_and(|w| w.chars().all(|c| c.is_ascii_digit()));
    if number { hash::SEED ^ 1 } else { unit.key }
}

/// Single keys and pairs.
fn grams(keys: &[u64], salt: u64, out: &mut Vec<u64>) {
    out.extend(keys.iter().map(|k| hash::join(*k, salt)));
    out.extend(
        keys.windows(2)
            .map(|p| hash::join(hash::join(p[0], p[1]), salt)),
    );
}

/// Which units a negation before them reaches.
fn turned(emotions: &Emotions, units: &[Unit], matches: &[Match]) -> Vec<bool> {
    let mut turned = vec![false; units.len()];
    for found in matches {
        let entry = emotions.lexicon.get(found);
        if !matches!(entry.role, Role::Turn(_)) {
            continue;
        }
        let after = found.start + found.length;
        for (unit, turned) in units[after..].iter().zip(&mut turned[after..]).take(REACH) {
            if unit.is_stop() {
                break;
            }
            *turned = true;
        }
    }
    turned
}

/// Runs of letters within words and over Chinese characters.
fn letters(normaliser: &Normaliser, text: &str, scan: &Scan, out: &mut Vec<u64>) {
    let scanner = Scanner(normaliser);
    let mut run: Vec<char> = Vec::new();
    for (i, unit) in scan.units.iter().enumerate() {
        let written = text
            .get(unit.start as usize..unit.end as usize)
            .unwrap_or_default();
        match unit.kind {
            Kind::Character => {
                run.extend(written.chars().next().and_then(|c| scanner.plain(c)));
                if scan
                    .units
                    .get(i + 1)
                    .is_none_or(|u| u.kind != Kind::Character)
                {
                    runs(&run, HAN_RUNS, out);
                    run.clear();
                }
            }
            Kind::Word => {
                let mut word = vec![' '];
                word.extend(
                    written
                        .chars()
                        .filter_map(|c| scanner.plain(c))
                        .take(MAX_WORD),
                );
                word.push(' ');
                runs(&word, WORD_RUNS, out);
            }
            _ => out.push(hash::join(unit.key, LETTERS)),
        }
    }
}

fn runs(chars: &[char], lengths: std::ops::RangeInclusive<usize>, out: &mut Vec<u64>) {
    for start in 0..chars.len() {
        let mut key = hash::SEED ^ LETTERS;
        for (n, c) in chars[start..].iter().take(*lengths.end()).enumerate() {
            key = hash::step(key, *c);
            if lengths.contains(&(n + 1)) {
                out.push(hash::end(key));
            }
        }
    }
}

fn scores(
    emotions: &Emotions,
    normaliser: &Normaliser,
    [text, before]: [&str; 2],
    [scan, earlier]: [&Scan; 2],
) -> Vec<(u64, f32)> {
    let mood = emotions.of(normaliser, text, &[before]);
    let words = |scan: &Scan| -> Vec<u64> {
        let words = scan.units.iter().filter(|u| u.is_language());
        words.map(|u| u.key).collect()
    };
    let (here, there) = (words(scan), words(earlier));
    let asks = |scan: &Scan| scan.units.iter().any(|u| u.kind == Kind::Stop(true));
    let ends_asking = |scan: &Scan| {
        scan.units
            .last()
            .is_some_and(|u| u.kind == Kind::Stop(true))
    };
    let yes = |is: bool| if is { 1.0 } else { 0.0 };
    let level = mood.emotion;
    let number = |scan: &Scan, text: &str| {
        let written = |u: &Unit| {
            text.get(u.start as usize..u.end as usize)
                .unwrap_or_default()
        };
        scan.units
            .iter()
            .any(|u| written(u).contains(|c: char| c.is_ascii_digit()))
    };
    let values = [
        mood.sentiment,
        mood.praise.min(3.0),
        mood.blame.max(-3.0),
        mood.first,
        mood.last,
        yes(mood.ironic),
        level.anger,
        level.anxiety,
        level.urgency,
        level.leaving,
        level.legal,
        level.safety,
        level.shouting,
        level.repetition,
        yes(mood.sentiment > 0.5),
        yes(mood.sentiment > 0.15),
        yes(mood.sentiment < -0.15),
        yes(mood.sentiment < -0.5),
        yes(mood.praise > 0.2 && mood.blame < -0.1),
        (1.0 + here.len() as f32).ln(),
        yes(asks(scan)),
        yes(ends_asking(scan)),
        yes(number(scan, text)),
        yes(scan.units.iter().any(|u| u.kind == Kind::Datum)),
        yes(there.is_empty()),
        (1.0 + there.len() as f32).ln(),
        yes(asks(earlier)),
        yes(ends_asking(earlier)),
        yes(number(earlier, before)),
        repetition::common(&here, &there),
        (1.0 + here.len() as f32).ln() - (1.0 + there.len() as f32).ln(),
    ];
    (0..)
        .map(|i: u64| hash::join(i, SCORES))
        .zip(values)
        .collect()
}
