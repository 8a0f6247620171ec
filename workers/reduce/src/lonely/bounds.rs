//! Vectors and their labels → a lower bound of each row's k-th similarity, and a digest of each vector.
//!
//! The bound of a row is its k-th best similarity among a few reference rows of its own cluster, less the rounding error,
//! so the true k-th similarity is never below it. It costs one pass over vectors that the assignment has in hand anyway,
//! and holds 24 bytes a row. Searching is left to [`super::search`].

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use super::nearest::{round_down, rounding_error};
use crate::matrix::product_transposed;

/// Rows that are multiplied with one cluster's references at once: as a product with 512 of them, 2 MiB.
const ROWS_AT_ONCE: usize = 1024;

/// A few rows, by number and by value.
#[derive(Debug, Clone)]
struct ReferenceSet {
    rows: Vec<usize>,
    vectors: Array2<f32>,
}

impl ReferenceSet {
    /// Takes at most `limit` of `members`, evenly spread over them; members are positions in `rows` and `vectors`.
    fn spread(members: &[usize], limit: usize, rows: &[u64], vectors: ArrayView2<'_, f32>) -> Self {
        let taken = members.len().min(limit);
        let chosen: Vec<usize> = (0..taken).map(|place| members[place * members.len() / taken]).collect();
        Self {
            rows: chosen.iter().map(|&member| rows[member] as usize).collect(),
            vectors: vectors.select(Axis(0), &chosen),
        }
    }
}

/// Rows of a sample against which every row of the corpus is bounded.
#[derive(Debug, Clone)]
pub struct References {
    clusters: Vec<ReferenceSet>,
    /// A spread of the whole sample, for clusters that have too few of their own.
    whole: ReferenceSet,
}

impl References {
    /// Keeps at most `limit` sample rows of each cluster, evenly spread in the order given.
    ///
    /// `rows` are the sample's global rows, each once, `labels` (`0..num_clusters`) and `vectors` (`[rows, dim]`) those of
    /// the same rows. 256 to 512 are plenty: 128 left one row in five below the first cutoff at 2.7 million rows.
    ///
    /// # Panics
    /// If a label is not below `num_clusters`, or the three are not equally long.
    #[must_use]
    pub fn new(num_clusters: usize, limit: usize, rows: &[u64], labels: &[i32], vectors: ArrayView2<'_, f32>) -> Self {
        let mut members = vec![Vec::new(); num_clusters];
        for (position, &label) in labels.iter().enumerate() {
            members[label as usize].push(position);
        }
        let everyone: Vec<usize> = (0..rows.len()).collect();
        Self {
            clusters: members.iter().map(|some| ReferenceSet::spread(some, limit, rows, vectors)).collect(),
            whole: ReferenceSet::spread(&everyone, limit, rows, vectors),
        }
    }

    /// The rows that bound a row of cluster `label`: at least `neighbours` besides the row itself, if there are so many.
    fn of(&self, label: i32, neighbours: usize) -> &ReferenceSet {
        let own = &self.clusters[label as usize];
        if own.rows.len() > neighbours { own } else { &self.whole }
    }
}

/// A lower bound of each row's k-th similarity, filled block by block.
#[derive(Debug, Clone)]
pub struct Bounds {
    references: References,
    neighbours: usize,
    lowest: Vec<f32>,
    digests: Vec<u128>,
    labels: Vec<i32>,
    cluster_sizes: Vec<usize>,
    rows_seen: usize,
    operations: u64,
}

impl Bounds {
    /// Bounds for a corpus of `num_rows`, of which none has been seen; k is lowered to `num_rows − 1` where it must be.
    #[must_use]
    pub fn new(references: References, num_rows: usize, neighbours: usize) -> Self {
        Self {
            neighbours: neighbours.max(1).min(num_rows.saturating_sub(1)),
            lowest: vec![f32::NEG_INFINITY; num_rows],
            digests: vec![0; num_rows],
            labels: vec![0; num_rows],
            cluster_sizes: vec![0; references.clusters.len()],
            references,
            rows_seen: 0,
            operations: 0,
        }
    }

    /// Bounds the rows from `first_row` on; each row of the corpus is to come once, in any order.
    ///
    /// `vectors` is `[rows, dim]` of unit vectors, `labels` the cluster of each. A row's bound does not
    /// depend on the rows that come with it.
    ///
    /// # Panics
    /// If a row or a label is out of range, or there are fewer labels than vectors.
    pub fn add(&mut self, first_row: usize, vectors: ArrayView2<'_, f32>, labels: &[i32]) {
        let num_rows = vectors.nrows();
        let rows = first_row..first_row + num_rows;
        self.digests[rows.clone()].par_iter_mut().zip(vectors.axis_iter(Axis(0)).into_par_iter()).for_each(
            |(digest, vector)| {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                *digest = xxh3_128(&bytes);
            },
        );
        let bounded = self.bounds_of(first_row, vectors, labels);
        for (row, bound) in bounded {
            self.lowest[row] = bound;
        }
        for &label in labels {
            self.cluster_sizes[label as usize] += 1;
            self.operations += 2 * (self.references.of(label, self.neighbours).vectors.len() as u64);
        }
        self.labels[rows].copy_from_slice(labels);
        self.rows_seen += num_rows;
    }

    /// Each row of a block with its bound, cluster by cluster.
    fn bounds_of(&self, first_row: usize, vectors: ArrayView2<'_, f32>, labels: &[i32]) -> Vec<(usize, f32)> {
        let mut order: Vec<usize> = (0..vectors.nrows()).collect();
        order.sort_by_key(|&position| labels[position]);
        let parts: Vec<&[usize]> = order
            .chunk_by(|&left, &right| labels[left] == labels[right])
            .flat_map(|cluster| cluster.chunks(ROWS_AT_ONCE))
            .collect();
        parts.into_par_iter().flat_map_iter(|part| self.bounds_of_part(first_row, vectors, labels, part)).collect()
    }

    /// The bounds of the rows at the positions `part` of a block, all of one cluster.
    fn bounds_of_part(
        &self,
        first_row: usize,
        vectors: ArrayView2<'_, f32>,
        labels: &[i32],
        part: &[usize],
    ) -> Vec<(usize, f32)> {
        let references = self.references.of(labels[part[0]], self.neighbours);
        let products = product_transposed(vectors.select(Axis(0), part).view(), references.vectors.view());
        let error = rounding_error(vectors.ncols());
        part.iter()
            .zip(products.outer_iter())
            .map(|(&position, products)| {
                let row = first_row + position;
                let others = references.rows.iter().zip(products).filter(|&(&other, _)| other != row);
                let kth = kth_largest(others.map(|(_, &product)| product), self.neighbours);
                (row, round_down(f64::from(kth) - error))
            })
            .collect()
    }

    /// The k in force: at most the number of other rows.
    #[must_use]
    pub fn neighbours(&self) -> usize {
        self.neighbours
    }

    /// Rows that have been bounded.
    pub(super) fn rows_seen(&self) -> usize {
        self.rows_seen
    }

    /// Operations of the products so far.
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    /// The bound of a row.
    pub(super) fn bound(&self, row: usize) -> f32 {
        self.lowest[row]
    }

    /// The cluster of a row.
    #[must_use]
    pub fn label(&self, row: usize) -> i32 {
        self.labels[row]
    }

    /// A digest of a row's vector; equal digests are taken for equal vectors (128 bits of XXH3).
    pub(super) fn digest(&self, row: usize) -> u128 {
        self.digests[row]
    }

    /// Whether a cluster has rows that its members were not bounded against.
    pub(super) fn can_be_refined(&self, label: i32) -> bool {
        let own = &self.references.clusters[label as usize];
        let size = self.cluster_sizes[label as usize];
        size > self.neighbours && (size > own.rows.len() || own.rows.len() <= self.neighbours)
    }
}

/// The k-th largest of `values`, −∞ if there are fewer; k ≥ 1.
fn kth_largest(values: impl Iterator<Item = f32>, k: usize) -> f32 {
    let mut largest: Vec<f32> = Vec::with_capacity(k + 1);
    for value in values {
        if largest.len() == k && largest.last().is_some_and(|&least| value <= least) {
            continue;
        }
        let place = largest.partition_point(|&held| held >= value);
        largest.insert(place, value);
        largest.truncate(k);
    }
    if largest.len() == k { largest.last().copied().unwrap_or(f32::NEG_INFINITY) } else { f32::NEG_INFINITY }
}
