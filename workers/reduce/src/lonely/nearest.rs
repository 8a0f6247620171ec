//! Similarities as they are met → the few best of them, in float64.
//!
//! A [`NearestList`] holds the best of what it was offered, by similarity and then by id, so that its content depends
//! neither on the order of offers nor on the order of rows. It looks at float32 products only to skip what cannot be among
//! the best.

use ndarray::ArrayView1;

use crate::matrix::{dot_f64, squared_norm};

/// The most by which the float32 inner product of two vectors of `dim` dimensions can differ from their float64 cosine.
///
/// Rounding is at most `dim · u / (1 − dim · u)` with `u = 2⁻²⁴` in every order of summation (Higham, Accuracy and
/// Stability of Numerical Algorithms, 2002, section 3.1), a quarter more here; norms that are 1 within 1e-5 add 2e-5.
#[must_use]
pub fn rounding_error(dim: usize) -> f64 {
    let unit_roundoff = f64::from(f32::EPSILON) / 2.0;
    1.25 * (dim as f64 + 2.0) * unit_roundoff + 2.1e-5
}

/// The float64 cosine; 0 where a vector has no length, and zero of one sign only, so that equal similarities compare equal.
pub(super) fn cosine(left: ArrayView1<'_, f32>, right: ArrayView1<'_, f32>) -> f64 {
    let (left, right) = (left.as_standard_layout(), right.as_standard_layout());
    let (Some(left), Some(right)) = (left.as_slice(), right.as_slice()) else {
        return 0.0;
    };
    let length = (squared_norm(left) * squared_norm(right)).sqrt();
    if length > 0.0 { dot_f64(left, right) / length + 0.0 } else { 0.0 }
}

/// The greatest float32 that is not above `value`.
pub(super) fn round_down(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) > value { nearest.next_down() } else { nearest }
}

/// Another document and the similarity to it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Neighbour {
    pub(super) similarity: f64,
    pub(super) id: String,
    pub(super) row: usize,
}

impl Neighbour {
    /// Nearer is more similar; of two equally similar, the one whose id comes first.
    pub(super) fn is_nearer_than(&self, similarity: f64, id: &str) -> bool {
        self.similarity > similarity || (self.similarity >= similarity && self.id.as_str() < id)
    }
}

/// The k nearest of the rows offered so far, and two of them even where k is 1: copies of a row share its list, and each
/// leaves itself out.
#[derive(Debug, Clone)]
pub(super) struct NearestList {
    neighbours: Vec<Neighbour>,
    k: usize,
    /// Float32 products below this cannot be among the k nearest.
    threshold: f32,
}

impl NearestList {
    /// An empty list for k ≥ 1, and for a row whose k-th similarity is known to be at least `bound`.
    pub(super) fn new(k: usize, bound: f64, error: f64) -> Self {
        Self { neighbours: Vec::with_capacity(k.max(2)), k, threshold: round_down(bound - error) }
    }

    /// The k-th best similarity; −∞ until there are k.
    pub(super) fn kth(&self) -> f64 {
        self.neighbours.get(self.k - 1).map_or(f64::NEG_INFINITY, |neighbour| neighbour.similarity)
    }

    /// The neighbours found, the nearest first.
    pub(super) fn neighbours(&self) -> &[Neighbour] {
        &self.neighbours
    }

    /// Whether a float32 product may belong to one of the k nearest.
    pub(super) fn admits(&self, product: f32) -> bool {
        product >= self.threshold
    }

    /// Puts a neighbour in its place, if it has one; each row is offered once.
    pub(super) fn offer(&mut self, similarity: f64, row: usize, id: &str, error: f64) {
        let (place, capacity) =
            (self.neighbours.partition_point(|held| held.is_nearer_than(similarity, id)), self.k.max(2));
        if place == capacity {
            return;
        }
        self.neighbours.truncate(capacity - 1);
        self.neighbours.insert(place, Neighbour { similarity, id: id.to_owned(), row });
        // Where there are fewer than k, the k-th similarity is −∞ and the threshold stays.
        self.threshold = self.threshold.max(round_down(self.kth() - error));
    }
}
