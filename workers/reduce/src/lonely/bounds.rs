//! Portions of labelled rows → a lower bound of each row's k-th similarity, and a digest of each vector.
//!
//! The bound of a row is its k-th best similarity among a few reference rows of its own cluster, less the rounding error,
//! so the true k-th similarity is never below it. It is taken while the assignment has the vectors in hand anyway, and
//! 16 bytes a row stay of it. Searching is left to [`super::search`].

use ndarray::{ArrayView2, Axis, s};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::nearest::{round_down, rounding_error};
use super::references::{ReferenceSet, References};
use crate::inverted_lists::{Portion, PortionList};
use crate::matrix::product_transposed;

/// Rows that are multiplied with one cluster's references at once: as a product with 128 of them, 256 KiB.
const ROWS_AT_ONCE: usize = 512;

/// Rows whose largest products are found side by side.
const LANES: usize = 16;

/// A lower bound of each row's k-th similarity, filled portion by portion.
#[derive(Debug, Clone)]
pub struct Bounds {
    references: Option<References>,
    neighbours: usize,
    lowest: Vec<f32>,
    digests: Vec<u64>,
    labels: Vec<i32>,
    rows_seen: usize,
    pairs: u64,
}

/// What is found of one row.
struct Bounded {
    row: usize,
    bound: f32,
    digest: u64,
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
            references: Some(references),
            rows_seen: 0,
            pairs: 0,
        }
    }

    /// Bounds the rows of a portion; each row of the corpus is to come once, in any order.
    ///
    /// The vectors are unit vectors. A row's bound does not depend on the rows that come with it.
    ///
    /// # Panics
    /// If a row or a label is out of range, or the references are gone ([`Self::forget_references`]).
    pub fn add(&mut self, portion: &Portion) {
        let references = self.references.as_ref().expect("references, for rows still to come");
        let neighbours = self.neighbours;
        let parts: Vec<(PortionList<'_>, &ReferenceSet, usize)> = portion
            .lists()
            .flat_map(|list| {
                let own = references.of(list.label, neighbours);
                (0..list.len()).step_by(ROWS_AT_ONCE).map(move |start| (list, own, start))
            })
            .collect();
        let bounded: Vec<Vec<Bounded>> =
            parts.par_iter().map(|(list, own, start)| bound_part(list, *start, own, neighbours)).collect();
        for ((list, own, _), rows) in parts.iter().zip(&bounded) {
            for &Bounded { row, bound, digest } in rows {
                (self.lowest[row], self.digests[row], self.labels[row]) = (bound, digest, list.label);
            }
            self.pairs += (rows.len() * own.rows.len()) as u64;
        }
        self.rows_seen += portion.len();
    }

    /// Bounds that were found before, of every row; `labels` are theirs.
    ///
    /// # Panics
    /// If there are not as many of one as of the others.
    #[must_use]
    pub fn again(neighbours: usize, lowest: Vec<f32>, digests: Vec<u64>, labels: Vec<i32>) -> Self {
        let num_rows = labels.len();
        assert!(lowest.len() == num_rows && digests.len() == num_rows, "one bound and one digest a label");
        let neighbours = neighbours.max(1).min(num_rows.saturating_sub(1));
        Self { references: None, neighbours, lowest, digests, labels, rows_seen: num_rows, pairs: 0 }
    }

    /// Returns the bound of each row.
    #[must_use]
    pub fn lowest(&self) -> &[f32] {
        &self.lowest
    }

    /// Returns a digest of each row's vector.
    #[must_use]
    pub fn digests(&self) -> &[u64] {
        &self.digests
    }

    /// Frees the references, once every row was added.
    pub fn forget_references(&mut self) {
        self.references = None;
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

    /// Pairs of rows and references compared so far.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.pairs
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

    /// The inverted list of a row.
    pub(super) fn list(&self, row: usize) -> usize {
        self.labels[row] as usize
    }

    /// A digest of a row's vector: 64 bits of XXH3.
    pub(super) fn digest(&self, row: usize) -> u64 {
        self.digests[row]
    }
}

/// Bounds some rows of a portion's list, from its place `start` on.
fn bound_part(list: &PortionList<'_>, start: usize, references: &ReferenceSet, neighbours: usize) -> Vec<Bounded> {
    let end = list.len().min(start + ROWS_AT_ONCE);
    let vectors = list.vectors.slice_move(s![start..end, ..]);
    let mut products = product_transposed(references.vectors.view(), vectors);
    for (place, row) in list.rows().skip(start).take(end - start).enumerate() {
        if let Some(itself) = references.place(row) {
            products[[itself, place]] = f32::NEG_INFINITY;
        }
    }
    let error = rounding_error(vectors.ncols());
    // A corpus of one row has no neighbours, and no use for its bound.
    let bounds =
        kth_largest(products.view(), neighbours.max(1)).into_iter().map(|kth| round_down(f64::from(kth) - error));
    let rows = list.rows().skip(start).zip(bounds).zip(digests(vectors));
    rows.map(|((row, bound), digest)| Bounded { row, bound, digest }).collect()
}

/// The digest of each of some vectors, which lie one after the other.
pub(super) fn digests(vectors: ArrayView2<'_, f32>) -> impl Iterator<Item = u64> {
    let mut bytes = vec![0; vectors.ncols() * size_of::<f32>()];
    let values = vectors.to_slice().expect("rows that lie one after the other");
    values.chunks_exact(vectors.ncols()).map(move |vector| {
        for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(vector) {
            *bytes = value.to_le_bytes();
        }
        xxh3_64(&bytes)
    })
}

/// The k-th largest value of each column, −∞ where there are fewer than k ≥ 1 rows.
///
/// Columns are taken some at a time: each keeps its k largest in order, and a value moves those below it down, without a
/// branch, so that the columns share vector registers.
fn kth_largest(values: ArrayView2<'_, f32>, k: usize) -> Vec<f32> {
    let mut kth = Vec::with_capacity(values.ncols());
    let mut largest = vec![[f32::NEG_INFINITY; LANES]; k];
    for columns in values.axis_chunks_iter(Axis(1), LANES) {
        largest.fill([f32::NEG_INFINITY; LANES]);
        for row in columns.rows() {
            let mut sinking = [f32::NEG_INFINITY; LANES];
            let row = row.to_slice().expect("a product's rows are contiguous");
            sinking[..row.len()].copy_from_slice(row);
            for held in &mut largest {
                for lane in 0..LANES {
                    let (upper, lower) = (held[lane], sinking[lane]);
                    held[lane] = if upper > lower { upper } else { lower };
                    sinking[lane] = if upper > lower { lower } else { upper };
                }
            }
        }
        kth.extend_from_slice(&largest[k - 1][..columns.ncols()]);
    }
    kth
}
