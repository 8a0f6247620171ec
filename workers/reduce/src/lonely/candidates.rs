//! Rows whose loneliness is in doubt, with their vectors → what is left of them after a reading of the corpus.
//!
//! Each reading compares the candidates with blocks of the corpus by matrix products and drops one as soon as k of the
//! neighbours found are above the cutoff. Which rows become candidates, and the cutoff, are left to [`super::search`].

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::Block;
use super::nearest::{NearestList, cosine, rounding_error};
use crate::matrix::product_transposed;

/// Rows of a block that are multiplied at once; with [`CANDIDATES_AT_ONCE`] a product of 1 MiB, which stays in the cache.
const ROWS_AT_ONCE: usize = 1024;

/// Candidates that one task multiplies at once.
const CANDIDATES_AT_ONCE: usize = 256;

/// A row that may be lonely.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Its group; the row is the group's first.
    pub(super) group: usize,
    pub(super) row: usize,
    /// Its id, once its vector was read.
    pub(super) id: String,
    pub(super) label: i32,
    /// Its k-th similarity is proven to be at least this.
    pub(super) bound: f64,
    pub(super) nearest: NearestList,
}

impl Candidate {
    /// Looks at the products of this candidate with rows of a block, each with its position, and keeps what is near.
    fn meet<'a>(
        &mut self,
        vector: ndarray::ArrayView1<'_, f32>,
        products: impl Iterator<Item = (usize, &'a f32)>,
        block: Block<'_>,
        error: f64,
    ) {
        for (position, &product) in products {
            let row = block.first_row + position;
            if self.nearest.admits(product) && row != self.row {
                let similarity = cosine(vector, block.vectors.row(position));
                self.nearest.offer(similarity, row, block.ids.value(position), error);
            }
        }
    }
}

/// Candidates and their vectors, in one order.
#[derive(Debug)]
pub(super) struct Candidates {
    entries: Vec<Candidate>,
    vectors: Array2<f32>,
    error: f64,
}

impl Candidates {
    /// Joins candidates with their vectors, `[entries, dim]` in the same order.
    pub(super) fn new(entries: Vec<Candidate>, vectors: Array2<f32>) -> Self {
        let error = rounding_error(vectors.ncols());
        Self { entries, vectors, error }
    }

    /// The number of candidates.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The candidates themselves.
    pub(super) fn entries(&self) -> &[Candidate] {
        &self.entries
    }

    /// The similarity of a candidate to a copy of itself: 1, or 0 for a vector of no length.
    pub(super) fn self_similarity(&self, position: usize) -> f64 {
        cosine(self.vectors.row(position), self.vectors.row(position))
    }

    /// Puts the candidates and their vectors into another order, or leaves some out.
    fn select(&mut self, order: &[usize]) {
        self.vectors = self.vectors.select(Axis(0), order);
        self.entries = order.iter().map(|&position| self.entries[position].clone()).collect();
    }

    /// Sorts by `key`.
    pub(super) fn sort_by_key<K: PartialOrd>(&mut self, key: impl Fn(&Candidate) -> K) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|&left, &right| {
            let (left, right) = (key(&self.entries[left]), key(&self.entries[right]));
            left.partial_cmp(&right).unwrap_or(std::cmp::Ordering::Equal)
        });
        self.select(&order);
    }

    /// Takes the first `count` candidates out.
    pub(super) fn split_off_front(&mut self, count: usize) -> Self {
        let rest = self.entries.split_off(count);
        let entries = std::mem::replace(&mut self.entries, rest);
        let vectors = self.vectors.slice(s![..count, ..]).to_owned();
        self.vectors = self.vectors.slice(s![count.., ..]).to_owned();
        Self { entries, vectors, error: self.error }
    }

    /// Drops the candidates with k neighbours above `cutoff`; returns how many.
    pub(super) fn drop_above(&mut self, cutoff: f64) -> usize {
        let before = self.len();
        let kept: Vec<usize> = (0..before).filter(|&place| self.entries[place].nearest.kth() <= cutoff).collect();
        if kept.len() < before {
            self.select(&kept);
        }
        before - kept.len()
    }

    /// Drops the same once they are a quarter of all; before that, moving the others would cost more than it saves.
    pub(super) fn thin_above(&mut self, cutoff: f64) -> usize {
        let fallen = self.entries.iter().filter(|entry| entry.nearest.kth() > cutoff).count();
        if fallen * 4 >= self.len() { self.drop_above(cutoff) } else { 0 }
    }

    /// Forgets the neighbours found, and keeps what they prove about the k-th similarity.
    pub(super) fn keep_bounds(&mut self, neighbours: usize) {
        for entry in &mut self.entries {
            entry.bound = entry.bound.max(entry.nearest.kth());
            entry.nearest = NearestList::new(neighbours, entry.bound, self.error);
        }
    }

    /// Compares all candidates with all rows of a block; returns the number of pairs.
    pub(super) fn meet_all(&mut self, block: Block<'_>, cutoff: f64) -> u64 {
        let error = self.error;
        let at_once = self.len().div_ceil(rayon::current_num_threads()).clamp(1, CANDIDATES_AT_ONCE);
        self.entries
            .par_chunks_mut(at_once)
            .zip(self.vectors.axis_chunks_iter(Axis(0), at_once).into_par_iter())
            .map(|(entries, vectors)| meet_rows(entries, vectors, block, cutoff, error))
            .sum()
    }

    /// Compares the candidates, which are sorted by label, with the block's rows of their own cluster.
    pub(super) fn meet_own_cluster(&mut self, block: Block<'_>, label_of: &dyn Fn(usize) -> i32, cutoff: f64) -> u64 {
        let mut order: Vec<(i32, usize)> =
            (0..block.vectors.nrows()).map(|position| (label_of(block.first_row + position), position)).collect();
        order.sort_unstable();
        let (error, vectors) = (self.error, self.vectors.view());
        let mut first = 0;
        let mut clusters = Vec::new();
        for entries in self.entries.chunk_by_mut(|left, right| left.label == right.label) {
            let label = entries[0].label;
            let start = order.partition_point(|&(other, _)| other < label);
            let end = order.partition_point(|&(other, _)| other <= label);
            let own = vectors.slice(s![first..first + entries.len(), ..]);
            first += entries.len();
            clusters.push((entries, own, &order[start..end]));
        }
        clusters
            .into_par_iter()
            .map(|(entries, own, members)| meet_members(entries, own, members, block, cutoff, error))
            .sum()
    }
}

/// Compares some candidates with all rows of a block, leaving out those that fall on the way.
fn meet_rows(
    entries: &mut [Candidate],
    vectors: ArrayView2<'_, f32>,
    block: Block<'_>,
    cutoff: f64,
    error: f64,
) -> u64 {
    let mut pairs = 0;
    for (part, tile) in block.vectors.axis_chunks_iter(Axis(0), ROWS_AT_ONCE).enumerate() {
        let products = product_transposed(vectors, tile);
        for ((entry, vector), products) in entries.iter_mut().zip(vectors.outer_iter()).zip(products.outer_iter()) {
            if entry.nearest.kth() <= cutoff {
                entry.meet(vector, (part * ROWS_AT_ONCE..).zip(products), block, error);
            }
        }
        pairs += products.len() as u64;
    }
    pairs
}

/// Compares some candidates of one cluster with its `members` in a block, each a label and a position.
fn meet_members(
    entries: &mut [Candidate],
    vectors: ArrayView2<'_, f32>,
    members: &[(i32, usize)],
    block: Block<'_>,
    cutoff: f64,
    error: f64,
) -> u64 {
    let mut pairs = 0;
    for members in members.chunks(CANDIDATES_AT_ONCE) {
        let positions: Vec<usize> = members.iter().map(|&(_, position)| position).collect();
        let products = product_transposed(vectors, block.vectors.select(Axis(0), &positions).view());
        for ((entry, vector), products) in entries.iter_mut().zip(vectors.outer_iter()).zip(products.outer_iter()) {
            if entry.nearest.kth() <= cutoff {
                entry.meet(vector, positions.iter().copied().zip(products), block, error);
            }
        }
        pairs += products.len() as u64;
    }
    pairs
}
