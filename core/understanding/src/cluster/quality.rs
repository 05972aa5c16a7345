//! How well clusters agree with known labels.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

/// The figures of a clustering against labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Agreement {
    /// Normalised mutual information (arithmetic mean of the entropies), 0–1.
    pub nmi: f64,
    /// The adjusted Rand index: 0 by chance, 1 when equal.
    pub ari: f64,
    /// The share of questions whose cluster's most frequent label is theirs.
    pub purity: f64,
    pub clusters: usize,
    pub labels: usize,
}

/// Compares clusters with labels, one pair a question. Two empty or constant sides agree wholly.
#[must_use]
pub fn agreement<C: Ord + Hash, L: Ord + Hash>(pairs: &[(C, L)]) -> Agreement {
    let mut both: BTreeMap<(&C, &L), f64> = BTreeMap::new();
    let mut clusters: BTreeMap<&C, f64> = BTreeMap::new();
    let mut labels: BTreeMap<&L, f64> = BTreeMap::new();
    for (cluster, label) in pairs {
        *both.entry((cluster, label)).or_default() += 1.0;
        *clusters.entry(cluster).or_default() += 1.0;
        *labels.entry(label).or_default() += 1.0;
    }
    let n = pairs.len().max(1) as f64;
    let entropy = |counts: &mut dyn Iterator<Item = f64>| -> f64 {
        counts.map(|c| -(c / n) * (c / n).ln()).sum()
    };
    let of_clusters = entropy(&mut clusters.values().copied());
    let of_labels = entropy(&mut labels.values().copied());
    let shared: f64 = both
        .iter()
        .map(|((c, l), k)| k / n * (k * n / (clusters[c] * labels[l])).ln())
        .sum();
    let mean = f64::midpoint(of_clusters, of_labels);
    let choose = |k: f64| k * (k - 1.0) / 2.0;
    let index: f64 = both.values().map(|k| choose(*k)).sum();
    let of_c: f64 = clusters.values().map(|k| choose(*k)).sum();
    let of_l: f64 = labels.values().map(|k| choose(*k)).sum();
    let expected = of_c * of_l / choose(n).max(1.0);
    let most = f64::midpoint(of_c, of_l);
    let seen: BTreeSet<&C> = clusters.keys().copied().collect();
    let pure: f64 = seen
        .iter()
        .map(|cluster| {
            let of = both.iter().filter(|((c, _), _)| c == cluster);
            of.map(|(_, k)| *k).fold(0.0, f64::max)
        })
        .sum();
    Agreement {
        nmi: if mean > 0.0 { shared / mean } else { 1.0 },
        ari: if most > expected {
            (index - expected) / (most - expected)
        } else {
            1.0
        },
        purity: if pairs.is_empty() { 1.0 } else { pure / n },
        clusters: clusters.len(),
        labels: labels.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_one_and_one_heap_is_nothing() {
        let equal = agreement(&[(1, 'a'), (1, 'a'), (2, 'b'), (2, 'b')]);
        assert!((equal.nmi - 1.0).abs() < 1e-9 && (equal.ari - 1.0).abs() < 1e-9);
        let heap = agreement(&[(1, 'a'), (1, 'a'), (1, 'b'), (1, 'b')]);
        assert!(heap.nmi.abs() < 1e-9 && heap.ari.abs() < 1e-9);
        assert!((heap.purity - 0.5).abs() < 1e-9);
        assert_eq!(agreement::<u8, u8>(&[]).clusters, 0);
    }

    #[test]
    fn a_known_case() {
        // The figures that scikit-learn gives for the same lists.
        let pairs: Vec<(u8, u8)> = [0, 0, 1, 1, 2, 2]
            .into_iter()
            .zip([0, 0, 0, 1, 1, 1])
            .collect();
        let found = agreement(&pairs);
        assert!((found.nmi - 0.515_803_7).abs() < 1e-6, "{found:?}");
        assert!((found.ari - 0.242_424_2).abs() < 1e-6, "{found:?}");
    }
}
