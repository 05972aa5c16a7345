//! The words that tell of feelings, in one table that is walked unit by unit.

use std::collections::{HashMap, HashSet};

use tandem_domain::emotion::Feeling;

use super::scan::{Scanner, Unit};
use crate::{data, hash};

/// The kinds that have a level of their own, in the order of [`Entry::levels`].
pub(super) const LEVELS: [(&str, Feeling); 7] = [
    ("anger", Feeling::Anger),
    ("anxiety", Feeling::Anxiety),
    ("urgency", Feeling::Urgency),
    ("leaving", Feeling::Leaving),
    ("legal", Feeling::Legal),
    ("safety", Feeling::Safety),
    ("repetition", Feeling::Repetition),
];
pub(super) const ANGER: usize = 0;
pub(super) const REPETITION: usize = 6;

/// Units that the parts of a gapped entry may be apart.
const GAP: usize = 6;

/// What a word does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// It tells of a feeling.
    Feeling,
    /// It turns the feeling after it.
    Turn(f32),
    /// It stresses or softens the feeling after it.
    Times(f32),
    /// What comes after it weighs more than what came before.
    But,
    /// What its clause says weighs less.
    Although,
    /// Something happens once more: praise beside it is meant otherwise.
    Again,
    /// It looks like a feeling, but is none.
    Mask,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub role: Role,
    pub sentiment: f32,
    pub levels: [f32; LEVELS.len()],
    /// How surely praise in the same message is meant otherwise.
    pub irony: f32,
    /// Stands alone as an exclamation: `great`, 太棒了.
    pub gush: bool,
}

/// A piece of a message that is an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub start: usize,
    pub length: usize,
    pub entry: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    entry: Option<u32>,
    more: bool,
}

#[derive(Debug)]
struct Gapped {
    rest: Vec<u64>,
    after: Vec<Vec<u64>>,
    entry: u32,
}

#[derive(Debug)]
pub(super) struct Lexicon {
    /// Each beginning of an entry, by its units in order.
    nodes: HashMap<u64, Node, hash::Ready>,
    entries: Vec<Entry>,
    /// Entries with gaps, by the first unit.
    gapped: HashMap<u64, Vec<Gapped>, hash::Ready>,
    /// All single units of entries.
    units: HashSet<u64, hash::Ready>,
}

impl Lexicon {
    pub fn new(scanner: &Scanner<'_>) -> Self {
        let mut lexicon = Self {
            nodes: HashMap::default(),
            entries: Vec::new(),
            gapped: HashMap::default(),
            units: HashSet::default(),
        };
        let tables = [data::EMOTION_EN, data::EMOTION_ZH, data::EMOTION_FACES];
        for line in tables.into_iter().flat_map(data::lines) {
            let Some((tags, words)) = line.split_once(" : ") else {
                continue;
            };
            let entry = entry(tags);
            for word in words.split_whitespace() {
                lexicon.add(scanner, word, entry);
            }
        }
        lexicon
    }

    fn add(&mut self, scanner: &Scanner<'_>, word: &str, entry: Entry) {
        let halves: Vec<Vec<u64>> = word
            .split("..")
            .map(|half| {
                let words = half.replace('_', " ");
                let units = scanner.scan(&words, |_| true).units;
                units.iter().map(|u| u.key).collect()
            })
            .collect();
        self.units.extend(halves.iter().flatten());
        if let [first, after @ ..] = halves.as_slice()
            && !after.is_empty()
            && !first.is_empty()
        {
            let entry = self.entry(entry);
            self.gapped.entry(first[0]).or_default().push(Gapped {
                rest: first[1..].to_vec(),
                after: after.to_vec(),
                entry,
            });
            return;
        }
        let Some((last, before)) = halves.first().and_then(|h| h.split_last()) else {
            return;
        };
        let mut key = hash::SEED;
        for unit in before {
            key = hash::join(key, *unit);
            self.node(key).more = true;
        }
        key = hash::join(key, *last);
        let merged = match self.node(key).entry {
            Some(known) => merge(self.entries[known as usize], entry),
            None => entry,
        };
        let place = self.entry(merged);
        self.node(key).entry = Some(place);
    }

    fn node(&mut self, key: u64) -> &mut Node {
        self.nodes.entry(key).or_insert(Node {
            entry: None,
            more: false,
        })
    }

    fn entry(&mut self, entry: Entry) -> u32 {
        self.entries.push(entry);
        u32::try_from(self.entries.len() - 1).expect("the tables have fewer than 2^32 words")
    }

    pub fn get(&self, found: &Match) -> &Entry {
        &self.entries[found.entry as usize]
    }

    /// Whether a word is one, or a part of one, that tells of feelings.
    pub fn knows(&self, unit: u64) -> bool {
        self.units.contains(&unit)
    }

    /// The entries of a message, not overlapping: those that cover it with the longest words. Of
    /// two ways that are as good, the one with the later words, since Chinese builds its words
    /// from the end: 围着火锅 has 火锅 in it and no 着火, 慕尼黑店 no 黑店.
    pub fn matches(&self, units: &[Unit]) -> Vec<Match> {
        let mut best: Vec<(u32, Option<Match>)> = vec![(0, None); units.len() + 1];
        for start in 0..units.len() {
            let score = best[start].0;
            if score > best[start + 1].0 {
                best[start + 1] = (score, None);
            }
            let mut key = hash::SEED;
            for (n, unit) in units[start..].iter().enumerate() {
                key = hash::join(key, unit.key);
                let Some(node) = self.nodes.get(&key) else {
                    break;
                };
                if let Some(entry) = node.entry {
                    let length = n + 1;
                    let score = score + u32::try_from(length * length).unwrap_or(u32::MAX / 2);
                    let end = &mut best[start + length];
                    if score > end.0 || (score == end.0 && end.1.is_none_or(|m| m.start < start)) {
                        let found = Match {
                            start,
                            length,
                            entry,
                        };
                        *end = (score, Some(found));
                    }
                }
                if !node.more {
                    break;
                }
            }
        }
        let mut matches = Vec::new();
        let mut at = units.len();
        while at > 0 {
            at = match best[at].1 {
                Some(found) => {
                    matches.push(found);
                    found.start
                }
                None => at - 1,
            };
        }
        matches.reverse();
        matches
    }

    /// The gapped entries: all parts in one clause, with a few units between.
    pub fn gapped(&self, units: &[Unit], found: &mut Vec<Match>) {
        for (start, unit) in units.iter().enumerate() {
            for gapped in self.gapped.get(&unit.key).into_iter().flatten() {
                if !begins(&units[start + 1..], &gapped.rest) {
                    continue;
                }
                let first = Some(start + 1 + gapped.rest.len());
                let end = gapped
                    .after
                    .iter()
                    .fold(first, |end, part| after_gap(units, end?, part));
                if let Some(end) = end {
                    found.push(Match {
                        start,
                        length: end - start,
                        entry: gapped.entry,
                    });
                }
            }
        }
    }
}

/// Where a part ends that begins within a gap from `from` on, in the same clause.
fn after_gap(units: &[Unit], from: usize, part: &[u64]) -> Option<usize> {
    (from..units.len().min(from + GAP + 1))
        .take_while(|at| !units[*at].is_stop())
        .find(|at| begins(&units[*at..], part))
        .map(|at| at + part.len())
}

fn begins(units: &[Unit], keys: &[u64]) -> bool {
    units.len() >= keys.len() && units.iter().zip(keys).all(|(u, k)| u.key == *k)
}

/// Reads the tags of a line. An unknown tag is none.
fn entry(tags: &str) -> Entry {
    let mut entry = Entry {
        role: Role::Feeling,
        sentiment: 0.0,
        levels: [0.0; LEVELS.len()],
        irony: 0.0,
        gush: false,
    };
    let mut anger = None;
    for tag in tags.split_whitespace() {
        let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
        let number: Option<f32> = value.parse().ok();
        match name {
            "turn" => entry.role = Role::Turn(-number.unwrap_or(0.6)),
            "times" => entry.role = Role::Times(number.unwrap_or(1.0)),
            "but" => entry.role = Role::But,
            "although" => entry.role = Role::Although,
            "again" => entry.role = Role::Again,
            "mask" => entry.role = Role::Mask,
            "irony" => entry.irony = number.unwrap_or(1.0),
            "gush" => entry.gush = true,
            "anger" => anger = number,
            _ => {
                if let Ok(sentiment) = tag.parse() {
                    entry.sentiment = sentiment;
                }
                if let Some(at) = LEVELS.iter().position(|(level, _)| *level == name) {
                    entry.levels[at] = number.unwrap_or(0.0);
                }
            }
        }
    }
    let told = entry.levels.iter().any(|l| *l > 0.0) || entry.irony > 0.0;
    let follows = if told {
        0.0
    } else {
        ((-entry.sentiment - 0.3) * 1.25).max(0.0)
    };
    entry.levels[ANGER] = anger.unwrap_or(follows);
    entry
}

/// A word of two lines: what it masks stays masked, of feelings the stronger counts.
fn merge(a: Entry, b: Entry) -> Entry {
    match (a.role, b.role) {
        (Role::Mask, _) => a,
        (Role::Feeling, Role::Feeling) => {
            let mut both = a;
            if b.sentiment.abs() > a.sentiment.abs() {
                both.sentiment = b.sentiment;
            }
            for (level, other) in both.levels.iter_mut().zip(b.levels) {
                *level = level.max(other);
            }
            both.irony = a.irony.max(b.irony);
            both.gush |= b.gush;
            both
        }
        _ => b,
    }
}
