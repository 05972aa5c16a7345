//! The nearest phrases: for the long tail of items that have one or two.
//!
//! An inverted index from features to phrases, most telling first. A message walks from its
//! rarest features to its most frequent ones until a fixed number of postings is spent, so that
//! the time hardly grows with the number of phrases; the few phrases that gathered most are then
//! compared whole.

use std::cell::RefCell;

use crate::features::Term;

/// Postings read for one message.
const BUDGET: usize = 1_500;
/// Phrases compared whole.
const COMPARED: usize = 10;

thread_local! {
    /// A place for each phrase's sum while one text is read; all zero between two. Every model of a
    /// thread uses the same.
    static SUMS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Default)]
pub struct Phrases {
    /// Where each feature's postings begin; one more than there are features.
    starts: Vec<u32>,
    /// Phrase and weight, per feature by falling weight.
    postings: Vec<(u32, f32)>,
    rows: Vec<Box<[Near]>>,
}

/// A term of a phrase as far as it is compared.
#[derive(Clone, Copy, Debug)]
struct Near {
    id: u32,
    near: f32,
    like: f32,
}

/// A phrase near a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    pub phrase: u32,
    /// The cosine of the angle between their contents, 0–1.
    pub similarity: f32,
    /// The same with all words alike, and without what the message has beside what is known.
    pub likeness: f32,
}

impl Phrases {
    /// Indexes rows of terms sorted by number.
    #[must_use]
    pub fn index(rows: &[Vec<Term>], features: usize) -> Self {
        let rows: Vec<Box<[Near]>> = rows
            .iter()
            .map(|row| {
                let compared = row.iter().filter(|t| t.near > 0.0);
                compared
                    .map(|t| Near {
                        id: t.id,
                        near: t.near,
                        like: t.like,
                    })
                    .collect()
            })
            .collect();
        let mut starts = vec![0_u32; features + 1];
        for term in rows.iter().flat_map(|row| row.iter()) {
            starts[term.id as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut postings = vec![(0_u32, 0.0_f32); starts.last().map_or(0, |n| *n as usize)];
        for (phrase, row) in (0_u32..).zip(&rows) {
            for term in row.iter() {
                let at = &mut next[term.id as usize];
                postings[*at as usize] = (phrase, term.near);
                *at += 1;
            }
        }
        for bounds in starts.windows(2) {
            postings[bounds[0] as usize..bounds[1] as usize]
                .sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        Self {
            starts,
            postings,
            rows,
        }
    }

    /// The phrases nearest to a text of terms sorted by number, best first.
    #[must_use]
    pub fn nearest(&self, text: &[Term]) -> Vec<Hit> {
        self.nearest_where(text, |_| true)
    }

    /// The same among some of the phrases.
    #[must_use]
    pub fn nearest_where(&self, text: &[Term], is_in: impl Fn(u32) -> bool) -> Vec<Hit> {
        let mut hits = self.gather(text);
        hits.retain(|hit| is_in(hit.phrase));
        let order = |a: &Hit, b: &Hit| {
            b.similarity
                .total_cmp(&a.similarity)
                .then(a.phrase.cmp(&b.phrase))
        };
        if hits.len() > COMPARED {
            hits.select_nth_unstable_by(COMPARED - 1, order);
            hits.truncate(COMPARED);
        }
        for hit in &mut hits {
            (hit.similarity, hit.likeness) = compare(text, &self.rows[hit.phrase as usize]);
        }
        hits.sort_unstable_by(order);
        hits
    }

    /// Phrases with the sum of what the rarest features of the text give them.
    fn gather(&self, text: &[Term]) -> Vec<Hit> {
        // Features are numbered from frequent to rare.
        let mut left = BUDGET;
        let mut lists = Vec::with_capacity(text.len());
        for term in text.iter().rev().filter(|t| t.near > 0.0) {
            let first = term.id as usize;
            let Some(bounds) = self.starts.get(first..first + 2) else {
                continue;
            };
            let list = &self.postings[bounds[0] as usize..bounds[1] as usize];
            let list = &list[..list.len().min(left)];
            left -= list.len();
            lists.push((term.near, list));
            if left == 0 {
                break;
            }
        }
        SUMS.with_borrow_mut(|sums| {
            if sums.len() < self.rows.len() {
                sums.resize(self.rows.len(), 0.0);
            }
            let mut hits = Vec::with_capacity(BUDGET - left);
            for (near, list) in lists {
                for (phrase, weight) in list {
                    let sum = &mut sums[*phrase as usize];
                    // Both factors are above zero, so a sum is zero once only.
                    if *sum == 0.0 {
                        hits.push(Hit {
                            phrase: *phrase,
                            similarity: 0.0,
                            likeness: 0.0,
                        });
                    }
                    *sum += near * weight;
                }
            }
            for hit in &mut hits {
                hit.similarity = std::mem::take(&mut sums[hit.phrase as usize]);
            }
            hits
        })
    }
}

/// Similarity and likeness of two rows.
fn compare(a: &[Term], b: &[Near]) -> (f32, f32) {
    let (mut near, mut like) = (0.0_f32, 0.0_f32);
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].id.cmp(&b[j].id) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                near += a[i].near * b[j].near;
                like += a[i].like * b[j].like;
                i += 1;
                j += 1;
            }
        }
    }
    (near.clamp(0.0, 1.0), like.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(terms: &[(u32, f32)]) -> Vec<Term> {
        terms
            .iter()
            .map(|(id, near)| Term {
                id: *id,
                line: *near,
                like: *near,
                near: *near,
            })
            .collect()
    }

    #[test]
    fn the_nearest_phrase_is_first() {
        let rows = vec![
            row(&[(0, 0.6), (1, 0.8)]),
            row(&[(0, 0.6), (2, 0.8)]),
            row(&[(3, 1.0)]),
        ];
        let phrases = Phrases::index(&rows, 4);
        let hits = phrases.nearest(&row(&[(0, 0.6), (2, 0.8)]));
        assert_eq!(hits[0].phrase, 1);
        assert!((hits[0].similarity - 1.0).abs() < 1e-5);
        assert_eq!(hits[1].phrase, 0);
        assert_eq!(hits.len(), 2);
    }

    #[test]
    fn a_frequent_feature_spends_the_budget_and_no_more() {
        let rows: Vec<_> = (0..50_000)
            .map(|i| row(&[(0, 0.1), (1 + i, 0.9)]))
            .collect();
        let phrases = Phrases::index(&rows, 50_001);
        let hits = phrases.nearest(&row(&[(0, 0.1), (40_000, 0.9)]));
        assert_eq!(hits[0].phrase, 39_999);
        assert!(hits.len() <= COMPARED);
    }

    #[test]
    fn nothing_finds_nothing() {
        assert!(Phrases::default().nearest(&row(&[(7, 1.0)])).is_empty());
        assert!(Phrases::index(&[], 0).nearest(&[]).is_empty());
    }
}
