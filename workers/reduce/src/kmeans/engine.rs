//! Who does the arithmetic of k-means: our matrix products or linfa-clustering, behind one trait.
//!
//! Invariant: a step means the same to both: the rows go to their nearest centroids, each centroid becomes the mean of
//! its rows.
//!
//! Leaves to others: what steps are taken ([`super::schedule`]).

use linfa::traits::FitWith;
use linfa::{DatasetBase, ParamGuard};
use linfa_clustering::{IncrKMeansError, KMeans, KMeansInit, KMeansParamsError};
use ndarray::{Array2, ArrayView2, s};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;
use strata_shared::settings::KmeansEngine;

use super::FitError;
use super::matrix_engine::MatrixSteps;

/// The centroids that rows are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of them.
    All,
    /// Those near the one that a row belonged to after the last step, if the engine can tell, else all.
    Near,
}

/// Centroids that move step by step.
pub(super) trait Steps {
    /// Labels the first `num_rows` rows of the sample, never fewer than before, and moves the centroids to the means.
    ///
    /// Returns the inertia of these rows under the centroids before the step.
    ///
    /// # Errors
    /// [`FitError`] if the engine fails.
    fn step(&mut self, num_rows: usize, reach: Reach) -> Result<f64, FitError>;

    /// Takes a step over the whole sample that is labelled already, by [`assign`](crate::assign::assign).
    ///
    /// # Errors
    /// [`FitError`] if the engine fails.
    fn step_labelled(&mut self, labels: &[i32]) -> Result<(), FitError>;

    /// Returns the centroids, `[k, dim]`.
    fn centroids(&self) -> ArrayView2<'_, f32>;
}

/// Prepares steps over the rows of a sample in standard layout from the given centroids, at least one.
pub(super) fn start<'a>(
    engine: KmeansEngine,
    sample: ArrayView2<'a, f32>,
    centroids: Array2<f32>,
) -> Box<dyn Steps + 'a> {
    match engine {
        KmeansEngine::Matrix => Box::new(MatrixSteps::new(sample, centroids)),
        KmeansEngine::Linfa => Box::new(LinfaSteps::new(sample, centroids)),
    }
}

/// Steps of linfa's incremental k-means, each from fresh counts; some thirty times slower than ours.
pub(super) struct LinfaSteps<'a> {
    sample: ArrayView2<'a, f32>,
    centroids: Array2<f32>,
}

impl<'a> LinfaSteps<'a> {
    pub(super) fn new(sample: ArrayView2<'a, f32>, centroids: Array2<f32>) -> Self {
        Self { sample, centroids }
    }
}

impl Steps for LinfaSteps<'_> {
    fn step(&mut self, num_rows: usize, _: Reach) -> Result<f64, FitError> {
        // Nothing is drawn from the generator: the centroids are given.
        let params = KMeans::params_with_rng(self.centroids.nrows(), Xoshiro256Plus::seed_from_u64(0))
            .init_method(KMeansInit::Precomputed(self.centroids.clone()))
            .check()?;
        let rows = self.sample.slice(s![..num_rows, ..]);
        let model = match params.fit_with(None, &DatasetBase::from(rows)) {
            Ok(model) | Err(IncrKMeansError::NotConverged(model)) => model,
            Err(IncrKMeansError::InvalidParams(source)) => return Err(source.into()),
            Err(IncrKMeansError::LinfaError(source)) => return Err(source.into()),
        };
        self.centroids.assign(model.centroids());
        Ok(f64::from(model.inertia()) * num_rows as f64)
    }

    fn step_labelled(&mut self, _: &[i32]) -> Result<(), FitError> {
        // It labels by itself or not at all.
        self.step(self.sample.nrows(), Reach::All).map(drop)
    }

    fn centroids(&self) -> ArrayView2<'_, f32> {
        self.centroids.view()
    }
}

impl From<KMeansParamsError> for FitError {
    fn from(source: KMeansParamsError) -> Self {
        Self::Parameters { source }
    }
}

impl From<linfa::error::Error> for FitError {
    fn from(source: linfa::error::Error) -> Self {
        Self::Engine { source }
    }
}
