//! Who does the arithmetic of k-means: our matrix products or linfa-clustering, through the same traits.
//!
//! Invariant: a pass means the same to both: counts start at zero, batches are taken in order, each centroid is the
//! running mean of the rows it was given.
//!
//! Leaves to others: what passes there are ([`super::schedule`]).

use std::fmt::Debug;

use linfa::traits::FitWith;
use linfa::{DatasetBase, ParamGuard};
use linfa_clustering::{IncrKMeansError, KMeans, KMeansInit, KMeansParamsError};
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;
use strata_shared::settings::KmeansEngine;

use super::{FitError, MatrixKMeansParams};

/// A step that moves the centroids by less than this, all together, ends a pass: linfa's own default.
const TOLERANCE: f32 = 1e-4;

/// What one pass over batches arrived at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pass {
    /// `[k, dim]`, after the last batch.
    pub(super) centroids: Array2<f32>,
    /// The mean squared distance of the last batch to the centroids before it.
    pub(super) inertia: f64,
    /// Whether the last batch moved the centroids by less than the tolerance.
    pub(super) converged: bool,
}

/// Takes the rows in batches, in order, from the given centroids; linfa's engine is some thirty times slower than ours.
///
/// # Errors
/// [`FitError`] if there is no row or no centroid, or the engine fails.
pub(super) fn pass(
    engine: KmeansEngine,
    centroids: Array2<f32>,
    rows: ArrayView2<'_, f32>,
    batch_rows: usize,
) -> Result<Pass, FitError> {
    match engine {
        KmeansEngine::Matrix => {
            let params = MatrixKMeansParams::new(centroids, TOLERANCE)?;
            absorb(&params, rows, batch_rows, |model| (model.centroids().vectors().to_owned(), model.inertia()))
        }
        KmeansEngine::Linfa => {
            // Nothing is drawn from the generator: the centroids are given.
            let params = KMeans::params_with_rng(centroids.nrows(), Xoshiro256Plus::seed_from_u64(0))
                .init_method(KMeansInit::Precomputed(centroids))
                .tolerance(TOLERANCE)
                .check()?;
            absorb(&params, rows, batch_rows, |model| (model.centroids().clone(), f64::from(model.inertia())))
        }
    }
}

/// Hands the batches to a k-means behind linfa's trait and reads centroids and inertia from the last model.
fn absorb<P, M: Debug>(
    params: &P,
    rows: ArrayView2<'_, f32>,
    batch_rows: usize,
    read: impl Fn(&M) -> (Array2<f32>, f64),
) -> Result<Pass, FitError>
where
    P: for<'a, 'b> FitWith<
            'a,
            ArrayView2<'b, f32>,
            Array1<()>,
            IncrKMeansError<M>,
            ObjectIn = Option<M>,
            ObjectOut = M,
        >,
{
    let (mut model, mut converged) = (None, false);
    for batch in rows.axis_chunks_iter(Axis(0), batch_rows.max(1)) {
        let (next, end) = match params.fit_with(model, &DatasetBase::from(batch)) {
            Ok(next) => (next, true),
            Err(IncrKMeansError::NotConverged(next)) => (next, false),
            Err(IncrKMeansError::InvalidParams(source)) => return Err(source.into()),
            Err(IncrKMeansError::LinfaError(source)) => return Err(source.into()),
        };
        (model, converged) = (Some(next), end);
    }
    let (centroids, inertia) = model.as_ref().map(read).ok_or(FitError::EmptySample)?;
    Ok(Pass { centroids, inertia, converged })
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
