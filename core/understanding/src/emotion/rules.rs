//! From the words of a message to its mood.

use tandem_domain::emotion::{Emotion, Feeling, FeelingReason};

use super::{
    lexicon::{LEVELS, Lexicon, Match, REPETITION, Role},
    scan::{Kind, Scan, Unit},
};

/// How far after its negation or stress a word may stand, in words and in characters of Chinese.
const REACH_WORDS: usize = 3;
const REACH_CHARACTERS: usize = 4;
/// A joyful word in a question (`is it good?`) says little.
const IN_QUESTION: f32 = 0.3;
/// A negated harsh word (`not the worst`) is no praise.
const NEGATED_HARSH: f32 = 0.3;
/// What is left of a level whose word is negated (`not urgent`).
const NEGATED_LEVEL: f32 = 0.1;
/// Contrast: what came before `but`, what comes after, and what `although` concedes.
const BEFORE_BUT: f32 = 0.4;
const AFTER_BUT: f32 = 1.4;
const CONCEDED: f32 = 0.4;
/// Praise that is meant otherwise.
const BENT: f32 = -0.7;
/// Trouble from here on makes an exclamation beside it ironic.
const TROUBLE: f32 = -0.1;
/// What an exclamation may begin with: `oh well that's just great`.
const OPENING: [&str; 11] = [
    "oh",
    "well",
    "that",
    "is",
    "just",
    "so",
    "how",
    "simply",
    "absolutely",
    "wow",
    "yeah",
];
/// How many units after `thanks for` its reason is looked for.
const THANKS_FOR: usize = 10;
/// Sets how soon the sum of the words approaches the ends of the scale.
const SOFTNESS: f32 = 0.5;
/// Reasons that are kept, the strongest.
const MAX_REASONS: usize = 16;
/// A reason's words are shown up to here.
const MAX_SHOWN: usize = 80;
/// Less than this is not told.
const LEAST: f32 = 0.05;

const QUESTION_WORDS: [&str; 12] = [
    "what", "which", "where", "when", "who", "how", "does", "do", "can", "could", "why", "is",
];

/// What a message shows of its writer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mood {
    /// −1 (furious) to 1 (delighted).
    pub sentiment: f32,
    /// The other levels and all reasons.
    pub emotion: Emotion,
    /// The sum of praise and the sum of blame before they were weighed against each other; for
    /// [`super::features`].
    pub praise: f32,
    pub blame: f32,
    /// The first and the last word's share.
    pub first: f32,
    pub last: f32,
    /// Praise was taken as irony.
    pub ironic: bool,
}

impl Mood {
    /// The words that made the sentiment, strongest first.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let reasons = self.emotion.reasons.iter();
        reasons
            .filter(|r| r.what == Feeling::Sentiment)
            .map(|r| r.words.clone())
            .collect()
    }
}

/// A word that tells, with what stands before it.
#[derive(Clone, Debug)]
struct Hit {
    /// Units, with the words that turned or stressed it.
    start: usize,
    word: usize,
    end: usize,
    clause: usize,
    value: f32,
    levels: [f32; LEVELS.len()],
    irony: f32,
    gush: bool,
    /// A face, which tells the tone of what stands before it.
    face: bool,
}

/// What is seen on the way through the clauses.
#[derive(Default)]
struct Reader {
    hits: Vec<Hit>,
    /// The weight of each clause.
    clauses: Vec<f32>,
    /// Clauses that say that something happened once more.
    again: Vec<usize>,
    /// Clauses that begin with `but`.
    buts: Vec<usize>,
}

pub(super) fn mood(lexicon: &Lexicon, text: &str, scan: &Scan, repeated: f32) -> Mood {
    let mut matches = lexicon.matches(&scan.units);
    lexicon.gapped(&scan.units, &mut matches);
    matches.sort_by_key(|m| (m.start, m.length));
    let mut reader = Reader::default();
    reader.read(lexicon, &scan.units, &matches);
    let ironic = reader.bend(&scan.units);
    reader.weigh();

    let praise: f32 = reader.hits.iter().map(|h| h.value.max(0.0)).sum();
    let blame: f32 = reader.hits.iter().map(|h| h.value.min(0.0)).sum();
    let shouting = shouting(scan);
    let sum = stressed(scan, praise + blame);
    let sentiment = (sum / (sum * sum + SOFTNESS).sqrt()).clamp(-1.0, 1.0) + 0.0;
    let mut levels = levels(&reader.hits);
    if sentiment < -0.2 {
        levels[0] = both(levels[0], 0.35 * shouting);
    }
    let said = both(levels[REPETITION], repeated);
    let reasons = reasons(&reader.hits, text, scan, shouting, repeated);
    let [anger, anxiety, urgency, leaving, legal, safety, _] = levels;
    Mood {
        sentiment,
        emotion: Emotion {
            anger,
            anxiety,
            urgency,
            leaving,
            legal,
            safety,
            shouting,
            repetition: said,
            reasons,
        },
        praise,
        blame,
        first: reader.hits.first().map_or(0.0, |h| h.value),
        last: reader.hits.last().map_or(0.0, |h| h.value),
        ironic,
    }
}

impl Reader {
    fn read(&mut self, lexicon: &Lexicon, units: &[Unit], matches: &[Match]) {
        let mut matches = matches.iter().peekable();
        let mut at = 0;
        self.clauses.push(1.0);
        // Words that may still turn or stress the next one: first unit, end, factor.
        let mut pending: Vec<(usize, usize, f32)> = Vec::new();
        let mut asks = asks(units);
        let mut covered = 0;
        while at < units.len() {
            if units[at].is_stop() {
                pending.clear();
                self.clauses.push(1.0);
                asks = self::asks(&units[at + 1..]);
            }
            while let Some(found) = matches.next_if(|m| m.start == at) {
                let entry = lexicon.get(found);
                let end = found.start + found.length;
                match entry.role {
                    Role::Mask => {}
                    Role::Turn(factor) | Role::Times(factor) => {
                        pending.push((at, end, factor));
                    }
                    Role::Again => self.again.push(self.clauses.len() - 1),
                    Role::But => {
                        pending.clear();
                        for clause in &mut self.clauses {
                            *clause *= BEFORE_BUT;
                        }
                        self.clauses.push(AFTER_BUT);
                        self.buts.push(self.clauses.len() - 1);
                    }
                    Role::Although => {
                        if let Some(clause) = self.clauses.last_mut() {
                            *clause *= CONCEDED;
                        }
                    }
                    Role::Feeling => {
                        pending.retain(|(_, after, _)| reaches(&units[*after..at.max(*after)]));
                        let factor: f32 = pending.iter().map(|(_, _, f)| f).product();
                        let mut value = entry.sentiment * factor;
                        if factor < 0.0 && value > 0.0 {
                            value *= NEGATED_HARSH;
                        }
                        if asks && value > 0.0 && entry.sentiment > 0.0 {
                            value *= IN_QUESTION;
                        }
                        let level = if factor < 0.0 { NEGATED_LEVEL } else { factor };
                        self.hits.push(Hit {
                            start: pending.first().map_or(at, |(start, _, _)| *start),
                            word: at,
                            end,
                            clause: self.clauses.len() - 1,
                            value: value.clamp(-1.0, 1.0),
                            levels: entry.levels.map(|l| (l * level).min(1.0)),
                            irony: entry.irony,
                            gush: entry.gush && factor > 0.0,
                            face: units[at].kind == Kind::Mark,
                        });
                        // A gapped entry lies over others, which stay as they are.
                        if at >= covered {
                            pending.clear();
                        }
                        covered = covered.max(end);
                    }
                }
            }
            at += 1;
        }
        self.again.sort_unstable();
    }

    /// Turns praise that is meant otherwise; whether there was any.
    fn bend(&mut self, units: &[Unit]) -> bool {
        let trouble = |h: &Hit| h.value <= TROUBLE && !h.face;
        let troubled = self.hits.iter().any(trouble) || !self.again.is_empty();
        let marked = self
            .hits
            .iter()
            .filter(|h| h.irony >= 1.0 || (h.irony > 0.0 && (troubled || h.face)))
            .map(|h| (h.irony, h.end))
            .reduce(|a, b| if b.0 > a.0 { b } else { a });
        let mut bent = vec![0.0_f32; self.hits.len()];
        for (i, hit) in self.hits.iter().enumerate() {
            if hit.value <= 0.0 {
                continue;
            }
            if let Some((irony, _)) = marked {
                bent[i] = irony;
            }
            if hit.gush && is_alone(units, hit) && self.exclaimed_at_trouble(hit) {
                bent[i] = bent[i].max(0.9);
            }
            let trouble_after = self.hits[i + 1..].iter().any(|h| {
                trouble(h) && h.clause == hit.clause && h.word.saturating_sub(hit.end) <= THANKS_FOR
            });
            let is_applause =
                hit.gush && hit.end - hit.word == 2 && units[hit.word].kind == Kind::Word;
            if trouble_after && (is_applause || is_thanks_for(&units[hit.end..])) {
                bent[i] = 1.0;
            }
        }
        let mut any = false;
        for (hit, bent) in self.hits.iter_mut().zip(bent) {
            if bent > 0.0 {
                hit.value *= BENT * bent;
                hit.irony = bent;
                any = true;
            }
        }
        any
    }

    /// `Great, another delay`; 太棒了，又坏了: an exclamation by itself, and the clause after it
    /// tells of trouble.
    fn exclaimed_at_trouble(&self, hit: &Hit) -> bool {
        let next = hit.clause + 1;
        !self.buts.contains(&next)
            && (self
                .hits
                .iter()
                .any(|h| h.clause == next && h.value <= TROUBLE && !h.face)
                || self.again.contains(&next)
                    && !self.hits.iter().any(|h| h.clause == next && h.value > 0.2))
    }

    fn weigh(&mut self) {
        for hit in &mut self.hits {
            hit.value *= self.clauses[hit.clause];
        }
    }
}

/// Whether nothing else stands in its clause but an opening.
fn is_alone(units: &[Unit], hit: &Hit) -> bool {
    let openings = OPENING.map(crate::hash::of_text);
    let before = units[..hit.start].iter().rev();
    let mut before = before.take_while(|u| !u.is_stop());
    before.all(|u| openings.contains(&u.key)) && units.get(hit.end).is_none_or(Unit::is_stop)
}

/// `thanks for`, 谢谢你们让/把/弄/害.
fn is_thanks_for(after: &[Unit]) -> bool {
    use crate::hash::{SEED, end, of_text, step};
    match after.first().map(|u| u.kind) {
        Some(Kind::Word) => after[0].key == of_text("for"),
        Some(Kind::Character) => after.iter().take(4).any(|u| {
            ['让', '把', '弄', '害']
                .map(|c| end(step(SEED, c)))
                .contains(&u.key)
        }),
        _ => false,
    }
}

/// Whether a word after these units is within reach.
fn reaches(between: &[Unit]) -> bool {
    let characters = between.iter().filter(|u| u.kind == Kind::Character).count();
    let words = between.iter().filter(|u| u.kind == Kind::Word).count();
    characters + words == between.len() && characters <= REACH_CHARACTERS && words <= REACH_WORDS
}

/// Whether the clause that units begin with is a question.
fn asks(units: &[Unit]) -> bool {
    let end = units.iter().position(Unit::is_stop).unwrap_or(units.len());
    let clause = &units[..end];
    if matches!(units.get(end).map(|u| u.kind), Some(Kind::Stop(true))) {
        return true;
    }
    let character = |c| crate::hash::end(crate::hash::step(crate::hash::SEED, c));
    let last = clause.last().filter(|u| u.kind == Kind::Character);
    let first = clause.first().filter(|u| u.kind == Kind::Word);
    last.is_some_and(|u| ['吗', '么', '呢'].map(character).contains(&u.key))
        || first.is_some_and(|u| QUESTION_WORDS.map(crate::hash::of_text).contains(&u.key))
}

/// Capitals, rows of marks and drawn letters, 0–1.
fn shouting(scan: &Scan) -> f32 {
    let loud = scan.units.iter().filter(|u| u.capitals).count();
    let words = scan.units.iter().filter(|u| u.kind == Kind::Word).count();
    let mut shouting = 0.0;
    if is_capitals(scan) {
        shouting = 0.8;
    } else if loud > 0 && words >= 3 && scan.lower > 0 {
        // One word in capitals may be a name or a size.
        shouting = if loud >= 2 { 0.3 } else { 0.15 };
    }
    shouting = both(
        shouting,
        [0.0, 0.05, 0.3, 0.55, 0.7][scan.exclamations.min(4) as usize],
    );
    shouting = both(shouting, if scan.questions >= 3 { 0.35 } else { 0.0 });
    let drawn = scan.units.iter().any(|u| u.drawn);
    both(shouting, if drawn { 0.2 } else { 0.0 })
}

fn is_capitals(scan: &Scan) -> bool {
    let words = scan.units.iter().filter(|u| u.kind == Kind::Word).count();
    scan.upper >= 8 && words >= 2 && scan.upper >= 3 * scan.lower
}

/// Capitals and marks make a feeling stronger, and show impatience where the words show none.
fn stressed(scan: &Scan, sum: f32) -> f32 {
    let shouts = is_capitals(scan);
    let mut sum = sum;
    if sum <= 0.0 {
        sum -= if shouts { 0.15 } else { 0.0 };
        sum -= if scan.questions >= 3 { 0.1 } else { 0.0 };
    }
    let marks = 1.0 + 0.08 * scan.exclamations.min(4) as f32;
    sum * marks * if shouts { 1.25 } else { 1.0 }
}

fn levels(hits: &[Hit]) -> [f32; LEVELS.len()] {
    let mut levels = [0.0; LEVELS.len()];
    for hit in hits {
        for (level, of) in levels.iter_mut().zip(hit.levels) {
            *level = both(*level, of);
        }
    }
    levels.map(|l| if l < LEAST { 0.0 } else { l.min(1.0) })
}

/// Two signs of one thing: the chance that at least one of them is right.
fn both(a: f32, b: f32) -> f32 {
    1.0 - (1.0 - a) * (1.0 - b)
}

fn reasons(
    hits: &[Hit],
    text: &str,
    scan: &Scan,
    shouting: f32,
    repeated: f32,
) -> Vec<FeelingReason> {
    let mut reasons = Vec::new();
    for hit in hits {
        let (start, end) = (scan.units[hit.start].start, scan.units[hit.end - 1].end);
        let mut tell = |what, weight: f32| {
            if weight.abs() >= LEAST {
                reasons.push(FeelingReason {
                    what,
                    words: shown(text, start, end),
                    start,
                    end,
                    weight,
                });
            }
        };
        tell(Feeling::Sentiment, hit.value);
        for (level, (_, what)) in hit.levels.iter().zip(LEVELS) {
            tell(what, *level);
        }
        tell(Feeling::Irony, hit.irony);
    }
    for (what, weight) in [
        (Feeling::Shouting, shouting),
        (Feeling::Repetition, repeated),
    ] {
        if weight >= 0.3 {
            reasons.push(FeelingReason {
                what,
                words: String::new(),
                start: 0,
                end: scan.read,
                weight,
            });
        }
    }
    reasons.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    reasons.truncate(MAX_REASONS);
    reasons
}

fn shown(text: &str, start: u32, end: u32) -> String {
    let words = text.get(start as usize..end as usize).unwrap_or_default();
    words.chars().take(MAX_SHOWN).collect()
}
