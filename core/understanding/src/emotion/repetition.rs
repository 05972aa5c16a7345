//! The same said again: how much of a message its sender has written before.

use std::collections::HashMap;

use super::scan::{Scan, Unit};
use crate::hash;

/// Messages before this one that are compared.
const LAST: usize = 4;
/// Less than this is an answer (`yes`, 好的), and people say those again.
const LEAST_UNITS: usize = 3;
/// Two messages of one shop share so much anyway.
const ORDINARY: f32 = 0.5;

/// 0–1: how far one of the messages before, newest first, says the same.
pub(super) fn of<'a>(
    scan: &Scan,
    previous: impl Iterator<Item = &'a &'a str>,
    read: impl Fn(&str) -> Scan,
) -> f32 {
    let units = words(&scan.units);
    if units.len() < LEAST_UNITS {
        return 0.0;
    }
    previous
        .take(LAST)
        .map(|text| overlap(&units, &words(&read(text).units)))
        .fold(0.0, f32::max)
}

fn words(units: &[Unit]) -> Vec<u64> {
    let words = units.iter().filter(|u| u.is_language());
    words.map(|u| u.key).collect()
}

/// The share of units and of pairs of units that two messages have in common, above what any two
/// messages have.
fn overlap(a: &[u64], b: &[u64]) -> f32 {
    if b.len() < LEAST_UNITS {
        return 0.0;
    }
    let pairs = |units: &[u64]| -> Vec<u64> {
        let pairs = units.windows(2).map(|p| hash::join(p[0], p[1]));
        units.iter().copied().chain(pairs).collect()
    };
    let dice = common(&pairs(a), &pairs(b));
    ((dice - ORDINARY) / (1.0 - ORDINARY)).clamp(0.0, 1.0)
}

/// Dice's coefficient of two bags.
pub(super) fn common(a: &[u64], b: &[u64]) -> f32 {
    let mut counts: HashMap<u64, i32, hash::Ready> = HashMap::default();
    for key in a {
        *counts.entry(*key).or_default() += 1;
    }
    let mut shared = 0.0_f32;
    for key in b {
        if let Some(count) = counts.get_mut(key)
            && *count > 0
        {
            *count -= 1;
            shared += 1.0;
        }
    }
    let all = (a.len() + b.len()) as f32;
    if all == 0.0 { 0.0 } else { 2.0 * shared / all }
}
