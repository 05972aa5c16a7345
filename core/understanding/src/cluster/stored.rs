//! Clusters as they are kept from one day to the next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    rarity::Rarity,
    state::{Cluster, ClusterId, Clusters, Group, MAX_GROUPS},
};

/// What is stored. Its form has a number: another version's is refused, not guessed at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    format: u32,
    taken: u64,
    next_group: u64,
    next_cluster: u64,
    fresh: usize,
    total: u32,
    counts: Vec<(u64, u32)>,
    groups: Vec<Group>,
    clusters: Vec<(ClusterId, Cluster)>,
}

const FORMAT: u32 = 1;

/// Why stored clusters can't be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Written by another version.
    Format(u32),
    /// Numbers that contradict each other.
    Inconsistent,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Format(found) => write!(
                f,
                "these clusters have format {found}, and this version reads format {FORMAT}"
            ),
            Self::Inconsistent => f.write_str("these clusters contradict themselves"),
        }
    }
}

impl std::error::Error for Broken {}

impl Clusters {
    /// Everything there is, to be stored.
    #[must_use]
    pub fn store(&self) -> Stored {
        let mut counts: Vec<(u64, u32)> =
            self.rarity.counts.iter().map(|(k, n)| (*k, *n)).collect();
        counts.sort_unstable();
        Stored {
            format: FORMAT,
            taken: self.taken,
            next_group: self.next_group,
            next_cluster: self.next_cluster,
            fresh: self.fresh,
            total: self.rarity.total,
            counts,
            groups: self.groups.clone(),
            clusters: self
                .clusters
                .iter()
                .map(|(id, c)| (*id, c.clone()))
                .collect(),
        }
    }

    /// Goes on where [`Clusters::store`] left off.
    ///
    /// # Errors
    /// Where another version wrote it, or it contradicts itself.
    pub fn restore(stored: Stored) -> Result<Self, Broken> {
        if stored.format != FORMAT {
            return Err(Broken::Format(stored.format));
        }
        if !stored.is_consistent() {
            return Err(Broken::Inconsistent);
        }
        let mut clusters = Self::new();
        clusters.taken = stored.taken;
        clusters.next_group = stored.next_group;
        clusters.next_cluster = stored.next_cluster;
        clusters.fresh = stored.fresh;
        clusters.rarity = Rarity {
            counts: stored.counts.into_iter().collect(),
            total: stored.total,
        };
        clusters.groups = stored.groups;
        clusters.clusters = stored.clusters.into_iter().collect();
        clusters.reindex();
        Ok(clusters)
    }
}

impl Stored {
    fn is_consistent(&self) -> bool {
        let clusters: BTreeMap<ClusterId, &Cluster> =
            self.clusters.iter().map(|(id, c)| (*id, c)).collect();
        let used: BTreeSet<ClusterId> = self.groups.iter().map(|g| g.cluster).collect();
        let rising = self.groups.is_sorted_by(|a, b| a.id < b.id);
        let terms = self
            .groups
            .iter()
            .all(|g| !g.terms.is_empty() && g.terms.is_sorted_by(|a, b| a.0 < b.0));
        let dimensions: BTreeSet<usize> = self
            .groups
            .iter()
            .map(|g| g.dense.len())
            .filter(|n| *n > 0)
            .collect();
        self.groups.len() <= MAX_GROUPS
            && rising
            && terms
            && dimensions.len() <= 1
            && clusters.len() == self.clusters.len()
            && used.iter().all(|id| clusters.contains_key(id))
            && clusters
                .keys()
                .all(|id| used.contains(id) && id.0 < self.next_cluster)
            && self
                .groups
                .iter()
                .all(|g| g.id.0 < self.next_group && g.count > 0)
    }
}
