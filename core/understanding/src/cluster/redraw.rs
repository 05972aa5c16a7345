//! Drawing the clusters anew, and saying what became of the old ones.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    refine::{self, Join, Matrix},
    state::{
        ClusterId, Clusters, Group, GroupId, MAX_KEPT, MAX_OF_CLUSTER, add_dense, fuse, limit,
    },
    terms,
};

/// What two groups that stood in one cluster before gain: without reason nothing moves.
const STAYS: f32 = 0.02;
/// A term of fewer questions joins nothing.
const SHARED: u32 = 2;
/// A group of more questions weighs no more.
const HEAVY: u32 = 32;

/// What [`Clusters::refine`] changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Groups whose cluster is another now.
    pub moved: Vec<Moved>,
    /// Groups that became part of another: what was in the first is in the second.
    pub joined: Vec<(GroupId, GroupId)>,
    pub opened: Vec<ClusterId>,
    pub closed: Vec<Closed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    pub group: GroupId,
    pub from: ClusterId,
    pub to: ClusterId,
}

/// A cluster that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub cluster: ClusterId,
    /// Where most of it went; none where it is forgotten.
    pub into: Option<ClusterId>,
}

impl Clusters {
    /// Looks at all groups and draws the clusters anew. A cluster keeps its id in the part that
    /// holds most of its questions. Takes up to a second or so at [`super::MAX_GROUPS`].
    pub fn refine(&mut self) -> Changes {
        let mut changes = Changes::default();
        if self.groups.is_empty() {
            return changes;
        }
        let mut similar = self.similarities();
        refine::diffuse(&mut similar);
        self.hold(&mut similar);
        let weights: Vec<f32> = self
            .groups
            .iter()
            .map(|g| g.count.min(HEAVY) as f32)
            .collect();
        let joins = refine::link(similar, &weights);
        let parts = parts(self.groups.len(), &joins);
        let before: BTreeSet<ClusterId> = self.clusters.keys().copied().collect();
        let went = self.rename(&parts, &mut changes);
        self.compact(&joins, &parts, &mut changes);
        self.drop_smallest();
        self.tidy();
        self.reindex();
        self.name_clusters();
        self.fresh = 0;
        for group in &mut self.groups {
            group.settled = true;
        }
        changes.opened = self
            .clusters
            .keys()
            .filter(|id| !before.contains(id))
            .copied()
            .collect();
        changes.closed = before
            .into_iter()
            .filter(|id| !self.clusters.contains_key(id))
            .map(|cluster| Closed {
                cluster,
                into: went
                    .get(&cluster)
                    .copied()
                    .filter(|to| *to != cluster && self.clusters.contains_key(to)),
            })
            .collect();
        changes
    }

    /// The similarity of every two groups.
    fn similarities(&self) -> Matrix {
        let n = self.groups.len();
        let mut similar = Matrix::new(n);
        let mut cells: Vec<(u64, u32, f32)> = Vec::new();
        for (place, group) in (0_u32..).zip(&self.groups) {
            let shared = |key: u64| self.rarity.frequency(key) >= SHARED;
            let alone = !group.terms.iter().any(|(key, _)| shared(*key));
            let told: Vec<(u64, f32)> = group
                .terms
                .iter()
                .filter(|(key, _)| alone || shared(*key))
                .map(|(key, weight)| (*key, *weight as f32 * self.rarity.of(*key)))
                .collect();
            let length = told.iter().map(|(_, w)| w * w).sum::<f32>().sqrt();
            for (key, weight) in told {
                cells.push((key, place, weight / length.max(f32::MIN_POSITIVE)));
            }
        }
        cells.sort_unstable_by_key(|(key, place, _)| (*key, *place));
        for same in cells.chunk_by(|a, b| a.0 == b.0) {
            for (_, i, a) in same {
                let row = similar.row_mut(*i as usize);
                for (_, j, b) in same {
                    row[*j as usize] += a * b;
                }
            }
        }
        self.add_vectors(&mut similar);
        for i in 0..n {
            similar.row_mut(i)[i] = 1.0;
        }
        similar
    }

    fn add_vectors(&self, similar: &mut Matrix) {
        let rows: Vec<Vec<f32>> = self.groups.iter().map(|g| unit(&g.dense)).collect();
        for i in 0..rows.len() {
            for j in 0..i {
                if rows[i].is_empty() || rows[i].len() != rows[j].len() {
                    continue;
                }
                let vectors = dot(&rows[i], &rows[j]);
                let fused = fuse(similar.row(i)[j], Some(vectors));
                similar.row_mut(i)[j] = fused;
                similar.row_mut(j)[i] = fused;
            }
        }
    }

    fn hold(&self, similar: &mut Matrix) {
        for i in 0..similar.n {
            for j in 0..similar.n {
                let (a, b) = (&self.groups[i], &self.groups[j]);
                if i != j && a.settled && b.settled && a.cluster == b.cluster {
                    let cell = &mut similar.row_mut(i)[j];
                    *cell = (*cell + STAYS).min(1.0);
                }
            }
        }
    }

    /// Gives each part the id of the cluster most of whose questions it holds, or a new one.
    /// Says where most of each old cluster went.
    fn rename(&mut self, parts: &[usize], changes: &mut Changes) -> BTreeMap<ClusterId, ClusterId> {
        let mut overlaps: BTreeMap<(ClusterId, usize), u64> = BTreeMap::new();
        for (group, part) in self.groups.iter().zip(parts) {
            *overlaps.entry((group.cluster, *part)).or_default() += u64::from(group.count);
        }
        let mut ranked: Vec<(u64, ClusterId, usize)> = overlaps
            .iter()
            .map(|((id, part), n)| (*n, *id, *part))
            .collect();
        ranked.sort_unstable_by_key(|(n, id, part)| (std::cmp::Reverse(*n), *id, *part));
        let mut name: BTreeMap<usize, ClusterId> = BTreeMap::new();
        let mut used: BTreeSet<ClusterId> = BTreeSet::new();
        for (_, id, part) in &ranked {
            if !used.contains(id) && !name.contains_key(part) {
                used.insert(*id);
                name.insert(*part, *id);
            }
        }
        for (place, part) in parts.iter().enumerate() {
            if !name.contains_key(part) {
                let id = self.open(self.groups[place].id);
                name.insert(*part, id);
            }
        }
        let mut went = BTreeMap::new();
        for (_, id, part) in &ranked {
            went.entry(*id).or_insert(name[part]);
        }
        for (group, part) in self.groups.iter_mut().zip(parts) {
            let to = name[part];
            if group.cluster != to {
                changes.moved.push(Moved {
                    group: group.id,
                    from: group.cluster,
                    to,
                });
                group.cluster = to;
            }
        }
        went
    }

    /// Joins the nearest groups of clusters that have too many.
    fn compact(&mut self, joins: &[Join], parts: &[usize], changes: &mut Changes) {
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        for part in parts {
            *sizes.entry(*part).or_default() += 1;
        }
        let mut stands: Vec<usize> = (0..parts.len()).collect();
        let mut gone = vec![false; parts.len()];
        for join in joins {
            let size = sizes.entry(parts[join.into]).or_default();
            if *size <= MAX_OF_CLUSTER {
                continue;
            }
            *size -= 1;
            let (into, from) = (root(&mut stands, join.into), root(&mut stands, join.from));
            if into == from {
                continue;
            }
            stands[from] = into;
            gone[from] = true;
            let from = self.groups[from].clone();
            let group = &mut self.groups[into];
            changes.joined.push((from.id, group.id));
            absorb(group, &from);
            limit(&mut group.terms, &self.rarity);
        }
        let mut gone = gone.into_iter();
        self.groups.retain(|_| gone.next() != Some(true));
    }

    /// Forgets whole clusters, the smallest and oldest first, until there is room.
    fn drop_smallest(&mut self) {
        let excess = self.groups.len().saturating_sub(MAX_KEPT);
        if excess == 0 {
            return;
        }
        let mut sizes: BTreeMap<ClusterId, (u64, u64, usize)> = BTreeMap::new();
        for group in &self.groups {
            let size = sizes.entry(group.cluster).or_default();
            size.0 += u64::from(group.count);
            size.1 = size.1.max(group.last);
            size.2 += 1;
        }
        let mut order: Vec<(u64, u64, ClusterId, usize)> = sizes
            .into_iter()
            .map(|(id, (count, last, groups))| (count, last, id, groups))
            .collect();
        order.sort_unstable();
        let mut freed = 0;
        let mut gone = BTreeSet::new();
        for (_, _, id, groups) in order {
            if freed >= excess {
                break;
            }
            freed += groups;
            gone.insert(id);
        }
        self.groups.retain(|g| !gone.contains(&g.cluster));
    }
}

/// Adds what a group holds to another.
fn absorb(group: &mut Group, from: &Group) {
    // The text of the larger one stands for both.
    if from.count > group.count {
        group.text.clone_from(&from.text);
    }
    terms::add(&mut group.terms, &from.terms);
    add_dense(&mut group.dense, &from.dense);
    group.count = group.count.saturating_add(from.count);
    group.last = group.last.max(from.last);
}

/// Which part each place is in, named by one of its places.
fn parts(n: usize, joins: &[Join]) -> Vec<usize> {
    let mut stands: Vec<usize> = (0..n).collect();
    for join in joins {
        let (into, from) = (root(&mut stands, join.into), root(&mut stands, join.from));
        stands[from.max(into)] = from.min(into);
    }
    (0..n).map(|i| root(&mut stands, i)).collect()
}

fn root(stands: &mut [usize], mut at: usize) -> usize {
    while stands[at] != at {
        stands[at] = stands[stands[at]];
        at = stands[at];
    }
    at
}

fn unit(dense: &[i32]) -> Vec<f32> {
    let square: f64 = dense.iter().map(|x| f64::from(*x).powi(2)).sum();
    let scale = 1.0 / square.sqrt().max(1.0);
    dense
        .iter()
        .map(|x| (f64::from(*x) * scale) as f32)
        .collect()
}

/// In eight lanes, so that the compiler can use vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8
        .remainder()
        .iter()
        .zip(b8.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in a8.zip(b8) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}
