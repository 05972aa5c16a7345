//! Finding the groups that a question is like, without looking at all.

use std::collections::HashMap;

use super::{
    rarity::Rarity,
    state::{Clusters, fuse},
    terms::Terms,
};
use crate::hash;

/// Terms of a question that are looked up, the rarest first.
const LOOKED_UP: usize = 16;
/// Groups noted for one term; older ones give way.
const MAX_NOTED: usize = 256;
/// Groups that are compared.
const COMPARED: usize = 48;

impl Clusters {
    /// The most similar group and how similar it is.
    pub(super) fn nearest(&self, terms: &Terms, dense: &[i32]) -> Option<(usize, f32)> {
        let mut rarest: Vec<(f32, u64, u32)> = terms
            .iter()
            .map(|(key, weight)| (self.rarity.of(*key), *key, *weight))
            .collect();
        let own = length(&rarest);
        rarest.sort_by(|a, b| {
            let told = |t: &(f32, u64, u32)| t.0 * t.2 as f32;
            told(b).total_cmp(&told(a)).then(a.1.cmp(&b.1))
        });
        let mut shared: HashMap<u32, f32, hash::Ready> = HashMap::default();
        for (rarity, key, weight) in rarest.iter().take(LOOKED_UP) {
            for place in self.index.get(key).into_iter().flatten() {
                *shared.entry(*place).or_default() += rarity * rarity * *weight as f32;
            }
        }
        let mut shared: Vec<(u32, f32)> = shared.into_iter().collect();
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if shared.len() > COMPARED {
            shared.select_nth_unstable_by(COMPARED, order);
            shared.truncate(COMPARED);
        }
        let mut places: Vec<usize> = shared.iter().map(|(place, _)| *place as usize).collect();
        let own_dense = dense_length(dense);
        if !dense.is_empty() {
            places = (0..self.groups.len()).collect();
        }
        places.sort_unstable();
        let mut best: Option<(usize, f32)> = None;
        for place in places {
            let group = &self.groups[place];
            let vectors = (!dense.is_empty() && group.dense.len() == dense.len())
                .then(|| dense_dot(dense, &group.dense) / (own_dense * dense_length(&group.dense)));
            // Vectors far apart: the words cannot make up for it.
            if vectors.is_some_and(|v| fuse(1.0, Some(v as f32)) < 0.4) {
                continue;
            }
            let words = cosine(terms, own, &group.terms, &self.rarity);
            let similarity = fuse(words, vectors.map(|v| v as f32));
            if best.is_none_or(|(_, s)| similarity > s) {
                best = Some((place, similarity));
            }
        }
        best
    }

    /// Notes that a group has a term.
    pub(super) fn note(&mut self, key: u64, place: u32) {
        let noted = self.index.entry(key).or_default();
        if noted.contains(&place) {
            return;
        }
        if noted.len() >= 2 * MAX_NOTED {
            noted.drain(..MAX_NOTED);
        }
        noted.push(place);
    }

    /// Makes the index anew from the groups.
    pub(super) fn reindex(&mut self) {
        let mut index: HashMap<u64, Vec<u32>, hash::Ready> = HashMap::default();
        for (place, group) in (0_u32..).zip(&self.groups) {
            for (key, _) in &group.terms {
                let noted = index.entry(*key).or_default();
                if noted.len() >= 2 * MAX_NOTED {
                    noted.drain(..MAX_NOTED);
                }
                noted.push(place);
            }
        }
        self.index = index;
    }
}

fn length(terms: &[(f32, u64, u32)]) -> f32 {
    let squares: f32 = terms.iter().map(|(r, _, w)| (r * *w as f32).powi(2)).sum();
    squares.sqrt()
}

fn cosine(terms: &Terms, own: f32, other: &Terms, rarity: &Rarity) -> f32 {
    let (mut dot, mut square) = (0.0_f32, 0.0_f32);
    let mut at = 0;
    for (key, weight) in other {
        let told = rarity.of(*key);
        let theirs = told * *weight as f32;
        square += theirs * theirs;
        while terms.get(at).is_some_and(|(k, _)| k < key) {
            at += 1;
        }
        if let Some((k, w)) = terms.get(at)
            && k == key
        {
            dot += theirs * told * *w as f32;
        }
    }
    let lengths = own * square.sqrt();
    if lengths > 0.0 {
        (dot / lengths).min(1.0)
    } else {
        0.0
    }
}

fn dense_dot(a: &[i32], b: &[i32]) -> f64 {
    let sum: i64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| i64::from(*a) * i64::from(*b))
        .sum();
    sum as f64
}

fn dense_length(dense: &[i32]) -> f64 {
    dense_dot(dense, dense).sqrt().max(1.0)
}
