//! Looking at all groups at once: which of them ask the same.
//!
//! 1. The similarity of every two groups: the cosine of their terms, joined with that of their
//!    vectors where both have one.
//! 2. Each group takes on what its nearest neighbours say, and these what theirs say: `Z ← α·P·Z +
//!    (1−α)·X` over the graph of nearest neighbours. Questions that share no word meet through
//!    those that share a word with both.
//! 3. Groups are joined from the nearest on, by the average distance of their members (UPGMA, by
//!    chains of nearest neighbours), as long as the distance is under [`CUT`]. So nobody has to
//!    say how many clusters there are.
//!
//! Time and memory grow with the square of the groups, whose number is capped, and not with the
//! questions.

/// Neighbours a group listens to.
const NEIGHBOURS: usize = 10;
/// Less similar groups are no neighbours.
const LEAST: f32 = 0.05;
const STEPS: usize = 5;
const ALPHA: f32 = 0.9;
/// The distance, 1 − cosine, up to which clusters are joined: between 0.25 and 0.45 the agreement
/// with labels is level on the average of labelled sets in both languages, and the lower the
/// purer are the clusters.
pub const CUT: f32 = 0.3;

/// A symmetric matrix with every row stored whole.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub n: usize,
    pub cells: Vec<f32>,
}

/// Two places joined, at a distance. The first is what stands for both from then on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Join {
    pub into: usize,
    pub from: usize,
    pub distance: f32,
}

impl Matrix {
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self {
            n,
            cells: vec![0.0; n * n],
        }
    }

    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.cells[i * self.n..(i + 1) * self.n]
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.cells[i * self.n..(i + 1) * self.n]
    }

    fn transpose(&mut self) {
        for i in 0..self.n {
            for j in 0..i {
                self.cells.swap(i * self.n + j, j * self.n + i);
            }
        }
    }
}

/// Turns similarities into those of what groups and their neighbours say.
pub fn diffuse(similar: &mut Matrix) {
    let graph = neighbours(similar);
    // F·S·Fᵀ, where F is the polynomial of the graph that the steps amount to.
    spread(&graph, similar);
    similar.transpose();
    spread(&graph, similar);
    let lengths: Vec<f32> = (0..similar.n)
        .map(|i| similar.row(i)[i].max(f32::MIN_POSITIVE).sqrt())
        .collect();
    for i in 0..similar.n {
        let own = lengths[i];
        for (cell, other) in similar.row_mut(i).iter_mut().zip(&lengths) {
            *cell = (*cell / (own * other)).clamp(-1.0, 1.0);
        }
    }
}

/// The graph of nearest neighbours, normalised by what both ends have.
fn neighbours(similar: &Matrix) -> Vec<Vec<(usize, f32)>> {
    let n = similar.n;
    let mut edges: Vec<Vec<(usize, f32)>> = vec![Vec::new(); n];
    for i in 0..n {
        let mut nearest: Vec<(usize, f32)> = Vec::with_capacity(NEIGHBOURS + 1);
        for (j, s) in similar.row(i).iter().enumerate() {
            if j == i || *s <= LEAST {
                continue;
            }
            if nearest.len() < NEIGHBOURS || nearest.last().is_some_and(|(_, last)| s > last) {
                let at = nearest.partition_point(|(_, other)| other >= s);
                nearest.insert(at, (j, *s));
                nearest.truncate(NEIGHBOURS);
            }
        }
        for (j, s) in nearest {
            edges[i].push((j, s));
            edges[j].push((i, s));
        }
    }
    for list in &mut edges {
        list.sort_unstable_by_key(|(j, _)| *j);
        list.dedup_by_key(|(j, _)| *j);
    }
    let degrees: Vec<f32> = edges
        .iter()
        .map(|list| list.iter().map(|(_, s)| s).sum::<f32>())
        .collect();
    for (i, list) in edges.iter_mut().enumerate() {
        for (j, s) in list {
            *s /= (degrees[i] * degrees[*j]).sqrt();
        }
    }
    edges
}

fn spread(graph: &[Vec<(usize, f32)>], start: &mut Matrix) {
    let n = start.n;
    let mut now = start.clone();
    let mut next = Matrix::new(n);
    for _ in 0..STEPS {
        for (i, edges) in graph.iter().enumerate() {
            let row = &mut next.cells[i * n..(i + 1) * n];
            for (cell, first) in row.iter_mut().zip(start.row(i)) {
                *cell = (1.0 - ALPHA) * first;
            }
            for (j, weight) in edges {
                let weight = ALPHA * weight;
                for (cell, other) in row.iter_mut().zip(now.row(*j)) {
                    *cell += weight * other;
                }
            }
        }
        std::mem::swap(&mut now, &mut next);
    }
    *start = now;
}

/// The joins under [`CUT`], each of whose parts weighs `weights`; nearest first. Uses `similar`
/// up.
#[must_use]
pub fn link(mut similar: Matrix, weights: &[f32]) -> Vec<Join> {
    let n = similar.n;
    for cell in &mut similar.cells {
        *cell = 1.0 - *cell;
    }
    let mut distance = similar;
    let mut weights = weights.to_vec();
    let mut open: Vec<bool> = vec![true; n];
    let mut joins = Vec::new();
    let mut chain: Vec<usize> = Vec::new();
    let mut first = 0;
    loop {
        let Some(&top) = chain.last() else {
            while first < n && !open[first] {
                first += 1;
            }
            if first == n {
                break;
            }
            chain.push(first);
            continue;
        };
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        // The one before wins a draw: otherwise the chain could go round.
        let mut nearest = before.map(|b| (b, distance.row(top)[b]));
        for (j, d) in distance.row(top).iter().enumerate() {
            if open[j] && j != top && nearest.is_none_or(|(_, best)| *d < best) {
                nearest = Some((j, *d));
            }
        }
        match nearest {
            Some((j, d)) if d < CUT && Some(j) == before => {
                chain.truncate(chain.len() - 2);
                let (into, from) = (j.min(top), j.max(top));
                merge(&mut distance, &mut weights, into, from);
                open[from] = false;
                joins.push(Join {
                    into,
                    from,
                    distance: d,
                });
            }
            Some((j, d)) if d < CUT => chain.push(j),
            // Whatever else is joined, an average never comes nearer than its parts.
            _ => {
                open[top] = false;
                chain.pop();
            }
        }
    }
    joins.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    joins
}

fn merge(distance: &mut Matrix, weights: &mut [f32], into: usize, from: usize) {
    let n = distance.n;
    let sum = weights[into] + weights[from];
    let (a, b) = (weights[into] / sum, weights[from] / sum);
    for k in 0..n {
        let d = a * distance.cells[into * n + k] + b * distance.cells[from * n + k];
        distance.cells[into * n + k] = d;
        distance.cells[k * n + into] = d;
    }
    weights[into] = sum;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, similar: impl Fn(usize, usize) -> f32) -> Matrix {
        let mut matrix = Matrix::new(n);
        for i in 0..n {
            for j in 0..n {
                matrix.row_mut(i)[j] = if i == j { 1.0 } else { similar(i, j) };
            }
        }
        matrix
    }

    fn parts(n: usize, joins: &[Join]) -> Vec<usize> {
        let mut part: Vec<usize> = (0..n).collect();
        for join in joins {
            let (into, from) = (part[join.into], part[join.from]);
            for p in &mut part {
                if *p == from {
                    *p = into;
                }
            }
        }
        part
    }

    #[test]
    fn near_ones_are_joined_and_far_ones_are_not() {
        let two = matrix(6, |i, j| if (i < 3) == (j < 3) { 0.8 } else { 0.1 });
        let joins = link(two, &[1.0; 6]);
        assert_eq!(parts(6, &joins), [0, 0, 0, 3, 3, 3]);
        assert!(link(matrix(4, |_, _| 0.2), &[1.0; 4]).is_empty());
        assert!(link(Matrix::new(0), &[]).is_empty());
    }

    #[test]
    fn groups_meet_through_their_neighbours() {
        // A chain: each is like the next alone.
        let mut chain = matrix(5, |i, j| if i.abs_diff(j) == 1 { 0.4 } else { 0.0 });
        diffuse(&mut chain);
        assert!(chain.row(0)[2] > 0.5, "{:?}", chain.row(0));
        let mut apart = matrix(4, |i, j| if i / 2 == j / 2 { 0.4 } else { 0.0 });
        diffuse(&mut apart);
        assert!(
            apart.row(0)[1] > 0.75 && apart.row(0)[2].abs() < 1e-6,
            "{:?}",
            apart.row(0)
        );
    }

    #[test]
    fn all_alike_is_one() {
        let joins = link(matrix(50, |_, _| 1.0), &[1.0; 50]);
        assert_eq!(joins.len(), 49);
    }
}
