//! The centroids of a corpus with the norms that scoring needs.
//!
//! Invariant: the norms belong to the vectors; nothing changes one without the other.

use ndarray::{Array2, ArrayView2};

use crate::matrix::squared_norms;

/// The centres of clusters; the label of a centroid is its row.
#[derive(Debug, Clone, PartialEq)]
pub struct Centroids {
    vectors: Array2<f32>,
    squared_norms: Vec<f64>,
    half_squared_norms: Vec<f32>,
}

impl Centroids {
    /// Takes `[k, dim]` centres, not normalised, and computes their norms.
    #[must_use]
    pub fn new(vectors: Array2<f32>) -> Self {
        let vectors = if vectors.is_standard_layout() { vectors } else { vectors.as_standard_layout().into_owned() };
        let squared_norms = squared_norms(vectors.view());
        let half_squared_norms = squared_norms.iter().map(|norm| (norm / 2.0) as f32).collect();
        Self { vectors, squared_norms, half_squared_norms }
    }

    /// Returns the number of centroids, k.
    #[must_use]
    pub fn len(&self) -> usize {
        self.vectors.nrows()
    }

    /// Tells whether there is no centroid at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the length of each centroid.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.vectors.ncols()
    }

    /// Returns all centroids, `[k, dim]`.
    #[must_use]
    pub fn vectors(&self) -> ArrayView2<'_, f32> {
        self.vectors.view()
    }

    /// Returns one centroid.
    ///
    /// # Panics
    /// If there is no such label.
    #[must_use]
    pub fn vector(&self, label: usize) -> &[f32] {
        let dim = self.dim();
        self.vectors.as_slice().map_or(&[], |values| &values[label * dim..(label + 1) * dim])
    }

    /// Returns |c|² of each centroid, by [`crate::matrix::squared_norm`].
    #[must_use]
    pub fn squared_norms(&self) -> &[f64] {
        &self.squared_norms
    }

    /// Returns |c|²/2 of each centroid, rounded once.
    #[must_use]
    pub fn half_squared_norms(&self) -> &[f32] {
        &self.half_squared_norms
    }
}
