//! What a cluster is called: a question of its own, and the words that tell it from the others.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    state::{Cluster, ClusterId, Clusters, Group},
    terms::{self, Terms},
};

/// Words beside the question.
const WORDS: usize = 4;
/// A longer question is a worse name.
const SHORT: f32 = 60.0;
/// How much better another question must be to take over the name.
const BETTER: f32 = 1.15;
/// The share of a run's occurrences that lie within a longer one: it is a part of that.
const WITHIN: f32 = 0.8;

/// A cluster as people see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub id: ClusterId,
    /// Questions in it.
    pub count: u64,
    /// The question that stands for the others best.
    pub label: String,
    /// Words its questions share and others don't have, strongest first.
    pub terms: Vec<String>,
    /// Questions as they were written, most frequent first.
    pub examples: Vec<String>,
    /// The numbers of the question that opened it and of the newest, counted from 1.
    pub opened: u64,
    pub last: u64,
}

impl Clusters {
    /// All clusters, those with most questions first; of each up to `examples` questions.
    #[must_use]
    pub fn summaries(&self, examples: usize) -> Vec<Summary> {
        let mut members: BTreeMap<ClusterId, Vec<usize>> = BTreeMap::new();
        let words: Vec<BTreeMap<u64, (String, bool)>> =
            self.groups.iter().map(|g| self.words(g)).collect();
        let mut everywhere: BTreeMap<u64, f32> = BTreeMap::new();
        for (place, group) in self.groups.iter().enumerate() {
            members.entry(group.cluster).or_default().push(place);
            for key in words[place].keys() {
                *everywhere.entry(*key).or_default() += 1.0;
            }
        }
        let mut summaries: Vec<Summary> = self
            .clusters
            .iter()
            .filter_map(|(id, cluster)| {
                let places = members.get(id)?;
                let terms = self.telling(places, &words, &everywhere);
                Some(self.summary(*id, cluster, places, terms, examples))
            })
            .collect();
        summaries.sort_by(|a, b| b.count.cmp(&a.count).then(a.id.cmp(&b.id)));
        summaries
    }

    fn summary(
        &self,
        id: ClusterId,
        cluster: &Cluster,
        places: &[usize],
        terms: Vec<String>,
        examples: usize,
    ) -> Summary {
        let mut groups: Vec<&Group> = places.iter().map(|p| &self.groups[*p]).collect();
        groups.sort_by_key(|g| (g.id != cluster.medoid, std::cmp::Reverse(g.count), g.id));
        Summary {
            id,
            count: groups.iter().map(|g| u64::from(g.count)).sum(),
            label: groups.first().map_or_else(String::new, |g| g.text.clone()),
            terms,
            examples: groups
                .iter()
                .take(examples)
                .map(|g| g.text.clone())
                .collect(),
            opened: cluster.opened,
            last: groups.iter().map(|g| g.last).max().unwrap_or(0),
        }
    }

    fn words(&self, group: &Group) -> BTreeMap<u64, (String, bool)> {
        let words = self.reader.words(&group.text).into_iter();
        words.map(|w| (w.key, (w.text, w.unspaced))).collect()
    }

    /// The words that many of these groups have and few others.
    fn telling(
        &self,
        places: &[usize],
        words: &[BTreeMap<u64, (String, bool)>],
        everywhere: &BTreeMap<u64, f32>,
    ) -> Vec<String> {
        let mut here: BTreeMap<u64, f32> = BTreeMap::new();
        let mut shown: BTreeMap<u64, BTreeMap<&str, u32>> = BTreeMap::new();
        let mut unspaced: BTreeSet<u64> = BTreeSet::new();
        for place in places {
            for (key, (text, run)) in &words[*place] {
                *here.entry(*key).or_default() += 1.0;
                *shown.entry(*key).or_default().entry(text).or_default() += 1;
                if *run {
                    unspaced.insert(*key);
                }
            }
        }
        let all = self.groups.len() as f32 + 1.0;
        let least = if places.len() >= 4 { 2.0 } else { 1.0 };
        let mut ranked: Vec<(f32, &str, f32)> = here
            .iter()
            .filter(|(_, n)| **n >= least)
            .filter_map(|(key, n)| {
                let forms = shown.get(key)?;
                let (text, _) = forms
                    .iter()
                    .max_by_key(|(t, n)| (**n, std::cmp::Reverse(*t)))?;
                let elsewhere = everywhere.get(key).copied().unwrap_or(1.0);
                let mut score = n / places.len() as f32 * (all / elsewhere).ln();
                if unspaced.contains(key) {
                    score *= (text.chars().count() as f32).sqrt();
                }
                Some((score, *text, *n))
            })
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let mut told: Vec<(&str, f32)> = Vec::new();
        for (_, text, n) in ranked {
            let overlaps = told.iter().any(|(other, m)| {
                let parts = other.contains(text) && n * WITHIN <= *m;
                parts || text.contains(other) || overlap(other, text)
            });
            if !overlaps {
                told.push((text, n));
            }
            if told.len() == WORDS {
                break;
            }
        }
        told.into_iter().map(|(text, _)| text.to_owned()).collect()
    }

    /// Chooses the question each cluster is named by.
    pub(super) fn name_clusters(&mut self) {
        let mut members: BTreeMap<ClusterId, Vec<usize>> = BTreeMap::new();
        for (place, group) in self.groups.iter().enumerate() {
            members.entry(group.cluster).or_default().push(place);
        }
        for (id, places) in members {
            let mut sum: Terms = Vec::new();
            for place in &places {
                terms::add(&mut sum, &self.groups[*place].terms);
            }
            let worth = |place: usize| {
                let group = &self.groups[place];
                let chars = group.text.chars().count() as f32;
                let brief = (SHORT / chars.max(SHORT)).sqrt();
                self.likeness(&group.terms, &sum) * brief
            };
            let Some(cluster) = self.clusters.get(&id) else {
                continue;
            };
            let mut best: Option<(usize, f32)> = None;
            let mut now = 0.0;
            for place in &places {
                let worth = worth(*place);
                if self.groups[*place].id == cluster.medoid {
                    now = worth;
                }
                if best.is_none_or(|(_, w)| worth > w) {
                    best = Some((*place, worth));
                }
            }
            if let Some((place, worth)) = best
                && worth > now * BETTER
            {
                let medoid = self.groups[place].id;
                if let Some(cluster) = self.clusters.get_mut(&id) {
                    cluster.medoid = medoid;
                }
            }
        }
    }

    fn likeness(&self, terms: &Terms, sum: &Terms) -> f32 {
        let (mut dot, mut own, mut all) = (0.0_f32, 0.0_f32, 0.0_f32);
        for (key, weight) in sum {
            let told = self.rarity.of(*key);
            let theirs = *weight as f32 * told;
            all += theirs * theirs;
            if let Ok(at) = terms.binary_search_by_key(key, |(k, _)| *k) {
                dot += theirs * told * terms[at].1 as f32;
            }
        }
        for (key, weight) in terms {
            own += (self.rarity.of(*key) * *weight as f32).powi(2);
        }
        dot / (own * all).sqrt().max(f32::MIN_POSITIVE)
    }
}

/// Whether two runs of Chinese overlap at an end, as windows of the same words do.
fn overlap(a: &str, b: &str) -> bool {
    let ends = |a: &str, b: &str| {
        let last = a.chars().count().min(b.chars().count()).saturating_sub(1);
        (1..=last).any(|n| {
            let tail: String = a.chars().skip(a.chars().count() - n).collect();
            n * 2 >= last && !tail.is_ascii() && b.starts_with(&tail)
        })
    };
    ends(a, b) || ends(b, a)
}
