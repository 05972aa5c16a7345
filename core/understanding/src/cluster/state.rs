//! Groups and clusters, and a question's place among them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    rarity::Rarity,
    terms::{self, Reader, Terms},
};
use crate::hash;

/// Groups that are held; beyond them the smallest and oldest are forgotten.
pub const MAX_GROUPS: usize = 2_048;
/// Groups of one cluster that outlive a [`Clusters::refine`]; more are joined.
pub(super) const MAX_OF_CLUSTER: usize = 64;
/// Groups that outlive it, so that there is room for new ones.
pub(super) const MAX_KEPT: usize = MAX_GROUPS * 3 / 4;
/// Terms of a group.
const MAX_TERMS: usize = 96;
/// Characters that are kept of a question to show it.
const MAX_TEXT: usize = 280;
/// From this similarity on a question says what a group says.
const SAME: f32 = 0.97;
/// From this similarity on it belongs to the group's cluster, until all are drawn anew.
const JOIN: f32 = 0.42;
/// The share of the vectors' similarity beside that of the words.
const DENSE: f32 = 0.65;
/// Vectors of any two questions are about this alike; what lies above it tells.
const ANY: f32 = 0.4;
/// Vectors are held in whole numbers of this fraction.
const FRACTION: f32 = 1_000.0;
/// Longer vectors are not taken.
const MAX_DIMENSIONS: usize = 4_096;
/// So few new groups are never worth drawing anew.
const FEW: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u64);

/// What a customer wrote, with the vector of an embedding model where there is one. A vector
/// that is not finite, or of another length than the first one, counts as none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Question<'a> {
    pub text: &'a str,
    pub vector: Option<&'a [f32]>,
}

impl<'a> Question<'a> {
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, vector: None }
    }
}

/// Where a question went. The group is its for good (until [`super::Changes::joined`] says
/// otherwise); the cluster is the group's for now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    pub group: GroupId,
    pub cluster: ClusterId,
    /// Whether it is the first of its cluster.
    pub opened: bool,
    /// To the nearest group there was, 0–1.
    pub similarity: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    pub id: GroupId,
    pub cluster: ClusterId,
    pub count: u32,
    /// The number of its newest question, counted from 1.
    pub last: u64,
    /// Whether its cluster was drawn with a view of all.
    pub settled: bool,
    pub text: String,
    pub terms: Terms,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dense: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cluster {
    /// The number of the question that opened it.
    pub opened: u64,
    /// The group whose text names it.
    pub medoid: GroupId,
}

/// Unmatched questions by what they ask.
#[derive(Debug)]
pub struct Clusters {
    pub(super) reader: Reader,
    pub(super) rarity: Rarity,
    /// By rising id.
    pub(super) groups: Vec<Group>,
    pub(super) clusters: BTreeMap<ClusterId, Cluster>,
    pub(super) next_group: u64,
    pub(super) next_cluster: u64,
    /// Questions taken.
    pub(super) taken: u64,
    /// Groups opened since all were drawn anew.
    pub(super) fresh: usize,
    /// Which groups have a term; made from the groups.
    pub(super) index: HashMap<u64, Vec<u32>, hash::Ready>,
}

impl Default for Clusters {
    fn default() -> Self {
        Self::new()
    }
}

impl Clusters {
    #[must_use]
    pub fn new() -> Self {
        Self {
            reader: Reader::new(),
            rarity: Rarity::default(),
            groups: Vec::new(),
            clusters: BTreeMap::new(),
            next_group: 1,
            next_cluster: 1,
            taken: 0,
            fresh: 0,
            index: HashMap::default(),
        }
    }

    /// Takes a question. `None` where it has no word: there is nothing to answer.
    pub fn add(&mut self, question: &Question<'_>) -> Option<Placed> {
        let clean = self.reader.clean(question.text);
        let terms = self.reader.terms(&clean);
        if terms.is_empty() {
            return None;
        }
        let dense = self.whole_numbers(question.vector);
        self.rarity.count(&terms);
        self.taken += 1;
        let nearest = self.nearest(&terms, &dense);
        let similarity = nearest.map_or(0.0, |(_, s)| s);
        if let Some((place, _)) = nearest.filter(|(_, s)| *s >= SAME) {
            self.join(place, &terms, &dense);
            let group = &self.groups[place];
            return Some(Placed {
                group: group.id,
                cluster: group.cluster,
                opened: false,
                similarity,
            });
        }
        let near = nearest.filter(|(_, s)| *s >= JOIN);
        let known = near.map(|(place, _)| self.groups[place].cluster);
        if self.groups.len() >= MAX_GROUPS {
            self.make_room();
        }
        let group = GroupId(self.next_group);
        self.next_group += 1;
        let cluster = known
            .filter(|id| self.clusters.contains_key(id))
            .unwrap_or_else(|| self.open(group));
        self.push(Group {
            id: group,
            cluster,
            count: 1,
            last: self.taken,
            settled: false,
            text: question.text.trim().chars().take(MAX_TEXT).collect(),
            terms,
            dense,
        });
        self.fresh += 1;
        Some(Placed {
            group,
            cluster,
            opened: self.clusters[&cluster].medoid == group,
            similarity,
        })
    }

    /// Whether so much is new that all should be drawn anew.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.fresh >= FEW.max((self.groups.len() - self.fresh.min(self.groups.len())) / 3)
    }

    /// Questions taken since the beginning, those of forgotten groups too.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// How many clusters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clusters.len()
    }

    /// The cluster a group is in now; none where the group is forgotten.
    #[must_use]
    pub fn cluster_of(&self, group: GroupId) -> Option<ClusterId> {
        let place = self.groups.binary_search_by_key(&group, |g| g.id).ok()?;
        Some(self.groups[place].cluster)
    }

    /// All groups with their clusters, by rising id.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, ClusterId)> {
        self.groups.iter().map(|g| (g.id, g.cluster))
    }

    /// Lets go of a cluster and all that is kept of its questions: they were answered, or are
    /// none. Says whether there was one.
    pub fn close(&mut self, cluster: ClusterId) -> bool {
        let was = self.clusters.remove(&cluster).is_some();
        if was {
            self.groups.retain(|g| g.cluster != cluster);
            self.reindex();
        }
        was
    }

    /// Forgets one group: a customer's words are to be erased. Says whether there was one.
    pub fn forget(&mut self, group: GroupId) -> bool {
        let before = self.groups.len();
        self.groups.retain(|g| g.id != group);
        let was = self.groups.len() < before;
        if was {
            self.tidy();
            self.reindex();
        }
        was
    }

    pub(super) fn open(&mut self, medoid: GroupId) -> ClusterId {
        let id = ClusterId(self.next_cluster);
        self.next_cluster += 1;
        let opened = self.taken;
        self.clusters.insert(id, Cluster { opened, medoid });
        id
    }

    /// Clusters without groups go; a medoid that is gone is replaced by the largest group.
    pub(super) fn tidy(&mut self) {
        let mut largest: BTreeMap<ClusterId, &Group> = BTreeMap::new();
        for group in &self.groups {
            let best = largest.entry(group.cluster).or_insert(group);
            if group.count > best.count {
                *best = group;
            }
        }
        let groups = &self.groups;
        self.clusters.retain(|id, cluster| {
            let Some(group) = largest.get(id) else {
                return false;
            };
            let there = groups
                .binary_search_by_key(&cluster.medoid, |g| g.id)
                .is_ok_and(|at| groups[at].cluster == *id);
            if !there {
                cluster.medoid = group.id;
            }
            true
        });
    }

    fn join(&mut self, place: usize, new: &Terms, dense: &[i32]) {
        let group = &mut self.groups[place];
        let before = group.terms.len();
        terms::add(&mut group.terms, new);
        group.count = group.count.saturating_add(1);
        group.last = self.taken;
        add_dense(&mut group.dense, dense);
        if group.terms.len() > before {
            limit(&mut group.terms, &self.rarity);
            let known: Vec<u64> = group.terms.iter().map(|(key, _)| *key).collect();
            let place = u32::try_from(place).expect("there are fewer groups than 2^32");
            for (key, _) in new {
                if known.binary_search(key).is_ok() {
                    self.note(*key, place);
                }
            }
        }
    }

    fn push(&mut self, mut group: Group) {
        limit(&mut group.terms, &self.rarity);
        let place = u32::try_from(self.groups.len()).expect("there are fewer groups than 2^32");
        for at in 0..group.terms.len() {
            self.note(group.terms[at].0, place);
        }
        self.groups.push(group);
    }

    /// Forgets the smallest and oldest eighth of the groups.
    fn make_room(&mut self) {
        let mut order: Vec<(u32, u64)> = self.groups.iter().map(|g| (g.count, g.last)).collect();
        order.sort_unstable();
        let last = order[(order.len() / 8).min(order.len() - 1)];
        self.groups.retain(|g| (g.count, g.last) > last);
        self.tidy();
        self.reindex();
    }

    fn whole_numbers(&self, vector: Option<&[f32]>) -> Vec<i32> {
        let Some(vector) = vector else {
            return Vec::new();
        };
        let known = self.groups.iter().find(|g| !g.dense.is_empty());
        let fits = known.is_none_or(|g| g.dense.len() == vector.len());
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !fits || !length.is_normal() || vector.len() > MAX_DIMENSIONS {
            return Vec::new();
        }
        vector
            .iter()
            .map(|x| (x / length * FRACTION).round() as i32)
            .collect()
    }
}

/// Joins the similarity of words with that of vectors, where there is one.
#[must_use]
pub(super) fn fuse(words: f32, vectors: Option<f32>) -> f32 {
    vectors.map_or(words, |v| {
        let above = ((v - ANY) / (1.0 - ANY)).clamp(0.0, 1.0);
        (1.0 - DENSE) * words + DENSE * above
    })
}

pub(super) fn add_dense(sum: &mut Vec<i32>, dense: &[i32]) {
    if sum.is_empty() {
        sum.extend_from_slice(dense);
    } else if sum.len() == dense.len() {
        for (a, b) in sum.iter_mut().zip(dense) {
            *a = a.saturating_add(*b);
        }
    }
}

/// Keeps the terms that tell most.
pub(super) fn limit(terms: &mut Terms, rarity: &Rarity) {
    if terms.len() <= MAX_TERMS {
        return;
    }
    let mut told: Vec<(f32, u64)> = terms
        .iter()
        .map(|(key, weight)| (*weight as f32 * rarity.of(*key), *key))
        .collect();
    told.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut kept: Vec<u64> = told[..MAX_TERMS].iter().map(|(_, key)| *key).collect();
    kept.sort_unstable();
    terms.retain(|(key, _)| kept.binary_search(key).is_ok());
}
