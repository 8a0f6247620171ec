//! The schedule of a clustering: seeding, mini-batches, passes over the whole sample, repair, order.
//!
//! Invariant: both engines run the same schedule, and all that it decides depends on the sample and the parameters
//! alone.
//!
//! Leaves to others: a step ([`super::matrix_engine`]), the choice of seeds ([`super::seeding`]).

use std::fmt;

use ndarray::{Array2, ArrayView2, Axis};
use strata_shared::settings::KmeansEngine;

use super::distinct::distinct_rows;
use super::engine::pass;
use super::occupancy::{reseed_empty, settle};
use super::{Centroids, Params, seeding};
use crate::assign::{Inertia, assign};

/// Rows that k-means++ chooses from, unless the clusters need more.
///
/// On 35,709 abstracts of 384 dimensions, 4,096, 8,192 and 16,384 rows ended at inertias of 18,609, 18,590 and 18,572
/// with 100 clusters and 16,498, 16,466 and 16,486 with 400 (means of three seeds); choosing 400 took 0.6, 1.4 and 3.0
/// s of one core, where the whole fit takes 5.
const SEEDING_ROWS: usize = 8_192;

/// Rows that k-means++ chooses from for each cluster, where that is more than [`SEEDING_ROWS`].
const SEEDING_ROWS_PER_CLUSTER: usize = 4;

/// A clustering begins this often at most.
const MAX_STARTS: usize = 10;

/// The distances of one pass over the sample that all starts together may take; more than one start fits in it up to some
/// 7,000 rows by the default rule for clusters.
///
/// Where clusters are few, one that covers two topics stays so whatever the passes, and a small corpus has no time to lose.
const STARTS_DISTANCES: usize = 1_000_000;

/// What parts the seeds of two starts: 2⁶⁴ over the golden ratio, so that they are far apart.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Passes over the whole sample, at most.
const MAX_PASSES: usize = 20;

/// A pass that lowers the inertia by a smaller part than this is the last.
///
/// On the same abstracts with 400 clusters, 2e-4 ended after 14 to 20 passes at 16,474, 5e-4 after 10 to 12 at 16,497
/// (means of four seeds).
const LEAST_IMPROVEMENT: f64 = 2e-4;

/// Attempts to fill empty clusters before they are given up.
const MAX_REPAIRS: usize = 10;

/// Why there are no centroids.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Nothing to cluster.
    #[error("the sample has no row")]
    EmptySample,
    /// A number of clusters or a tolerance out of range.
    #[error("the parameters of k-means are out of range")]
    Parameters {
        /// What linfa's parameters say.
        source: linfa_clustering::KMeansParamsError,
    },
    /// The engine failed.
    #[error("a step of k-means failed")]
    Engine {
        /// What linfa says.
        source: linfa::error::Error,
    },
}

/// Why there are fewer clusters than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowered {
    /// The sample has fewer distinct vectors.
    Distinct {
        /// The clusters asked for.
        requested: usize,
        /// The distinct vectors there are.
        distinct: usize,
    },
    /// Vectors that differ by less than float32 products can tell apart cannot all have a cluster of their own.
    Indistinguishable {
        /// The clusters asked for.
        requested: usize,
        /// The clusters that have members.
        occupied: usize,
    },
}

impl fmt::Display for Lowered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distinct { requested, distinct } => {
                write!(formatter, "clusters lowered from {requested} to {distinct}, the number of distinct vectors")
            }
            Self::Indistinguishable { requested, occupied } => write!(
                formatter,
                "clusters lowered from {requested} to {occupied}: the other vectors are too alike to be told apart"
            ),
        }
    }
}

/// A clustering of the sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The centroids, the largest cluster of the sample first.
    pub centroids: Centroids,
    /// The rows of the sample in each cluster, none of them 0.
    pub sizes: Vec<u64>,
    /// Why there are fewer clusters than asked for, if so.
    pub lowered: Option<Lowered>,
    /// The sum of squared distances of the sample to its centroids.
    pub sample_inertia: f64,
}

/// Clusters a sample, `[n, dim]` in hash order, on all threads of the current rayon pool.
///
/// # Errors
/// [`FitError`] if the sample is empty or no cluster is asked for.
pub fn fit(sample: ArrayView2<'_, f32>, params: &Params) -> Result<Fit, FitError> {
    if sample.nrows() == 0 {
        return Err(FitError::EmptySample);
    }
    let requested = params.clusters;
    let seeds = seeding_rows(sample, requested);
    let clusters = requested.min(seeds.nrows());
    let mut best = start(sample, seeds.view(), &Params { clusters, ..*params })?;
    for attempt in 1..num_starts(sample.nrows(), clusters) {
        let seed = params.seed.wrapping_add(attempt.wrapping_mul(SEED_STEP));
        let other = start(sample, seeds.view(), &Params { clusters, seed, ..*params })?;
        if other.sample_inertia < best.sample_inertia {
            best = other;
        }
    }
    let lowered = if clusters < requested {
        Some(Lowered::Distinct { requested, distinct: clusters })
    } else {
        let occupied = best.centroids.len();
        (occupied < requested).then_some(Lowered::Indistinguishable { requested, occupied })
    };
    Ok(Fit { lowered, ..best })
}

/// How often a clustering begins anew from other seeds, the best one being kept.
fn num_starts(rows: usize, clusters: usize) -> u64 {
    let distances = rows.saturating_mul(clusters).max(1);
    (STARTS_DISTANCES / distances).clamp(1, MAX_STARTS) as u64
}

/// Clusters the sample once, from seeds among `seeds`.
fn start(sample: ArrayView2<'_, f32>, seeds: ArrayView2<'_, f32>, params: &Params) -> Result<Fit, FitError> {
    let initial = seeding::choose(seeds, params.clusters, params.seed);
    let warm = pass(params.engine, initial, sample, params.batch_rows)?;
    let polished = polish(params.engine, warm.centroids, sample)?;
    occupy(params.engine, polished, sample)
}

/// Returns the distinct rows, from the first on, that k-means++ chooses from; all of them where they are too few.
fn seeding_rows(sample: ArrayView2<'_, f32>, clusters: usize) -> Array2<f32> {
    let limit = SEEDING_ROWS.max(clusters.saturating_mul(SEEDING_ROWS_PER_CLUSTER));
    sample.select(Axis(0), &distinct_rows(sample, limit))
}

/// Passes over the whole sample until one improves it too little.
fn polish(
    engine: KmeansEngine,
    mut centroids: Array2<f32>,
    sample: ArrayView2<'_, f32>,
) -> Result<Array2<f32>, FitError> {
    let mut last_inertia = f64::INFINITY;
    for _ in 0..MAX_PASSES {
        let passed = pass(engine, centroids, sample, sample.nrows())?;
        centroids = passed.centroids;
        if passed.converged || passed.inertia >= last_inertia * (1.0 - LEAST_IMPROVEMENT) {
            break;
        }
        last_inertia = passed.inertia;
    }
    Ok(centroids)
}

/// Fills empty clusters, a pass after each attempt, then settles the order.
fn occupy(engine: KmeansEngine, vectors: Array2<f32>, sample: ArrayView2<'_, f32>) -> Result<Fit, FitError> {
    let mut centroids = Centroids::new(vectors);
    let mut assigned = assign(sample, &centroids);
    for _ in 0..MAX_REPAIRS {
        let Some(reseeded) = reseed_empty(sample, &centroids, &assigned) else { break };
        centroids = Centroids::new(pass(engine, reseeded, sample, sample.nrows())?.centroids);
        assigned = assign(sample, &centroids);
    }
    let occupied = settle(sample, centroids, assigned);
    let mut inertia = Inertia::default();
    inertia.add(&occupied.assigned);
    Ok(Fit { centroids: occupied.centroids, sizes: occupied.sizes, lowered: None, sample_inertia: inertia.total() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    fn params(clusters: usize, seed: u64) -> Params {
        Params { clusters, seed, batch_rows: 64, ..Params::default() }
    }

    /// Unit rows about `topics` directions, of which every fifth repeats its predecessor.
    fn corpus(rows: usize, dim: usize, topics: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let centres = Array2::from_shape_simple_fn((topics, dim), || rng.gen_range(-1.0_f32..1.0));
        let mut corpus = Array2::from_shape_fn((rows, dim), |(row, column)| {
            centres[[row % topics, column]] + rng.gen_range(-0.7..0.7)
        });
        for row in (5..rows).step_by(5) {
            let before = corpus.row(row - 1).to_owned();
            corpus.row_mut(row).assign(&before);
        }
        for mut row in corpus.rows_mut() {
            let norm = row.dot(&row).sqrt().max(1e-6);
            row /= norm;
        }
        corpus
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn no_cluster_is_empty_and_the_largest_comes_first(
            rows in 1_usize..300, dim in 1_usize..20, topics in 1_usize..10, clusters in 1_usize..320, seed: u64,
        ) {
            let sample = corpus(rows, dim, topics, seed);
            let fit = fit(sample.view(), &params(clusters, seed)).unwrap();
            let assigned = assign(sample.view(), &fit.centroids);
            let sizes = assigned.sizes(fit.centroids.len());
            prop_assert_eq!(&sizes, &fit.sizes);
            prop_assert!(sizes.iter().all(|&size| size > 0), "{sizes:?}");
            prop_assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
            prop_assert_eq!(fit.lowered.is_some(), fit.centroids.len() < clusters);
            let distinct = distinct_rows(sample.view(), usize::MAX).len();
            if clusters > distinct {
                prop_assert_eq!(fit.lowered, Some(Lowered::Distinct { requested: clusters, distinct }));
            }
        }
    }

    #[test]
    fn the_fit_is_the_same_on_any_number_of_threads() {
        let sample = corpus(4_000, 32, 25, 9);
        let on_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                fit(sample.view(), &Params { clusters: 40, batch_rows: 1_500, ..Params::default() }).unwrap()
            })
        };
        let expected = on_threads(1);
        assert_eq!(on_threads(2), expected);
        assert_eq!(on_threads(5), expected);
    }

    #[test]
    fn both_engines_run_the_same_schedule() {
        let sample = corpus(1_200, 16, 8, 4);
        let ours = fit(sample.view(), &params(8, 3)).unwrap();
        let theirs = fit(sample.view(), &Params { engine: KmeansEngine::Linfa, ..params(8, 3) }).unwrap();
        assert_eq!(ours.sizes, theirs.sizes);
        for (our, their) in ours.centroids.vectors().iter().zip(theirs.centroids.vectors()) {
            assert!((our - their).abs() < 1e-4);
        }
    }

    #[test]
    fn one_row_is_one_cluster_and_that_is_said() {
        let fit = fit(array![[0.6, 0.8]].view(), &params(400, 0)).unwrap();
        assert_eq!(fit.centroids.vectors(), array![[0.6, 0.8]]);
        assert_eq!(fit.lowered, Some(Lowered::Distinct { requested: 400, distinct: 1 }));
        let said = fit.lowered.unwrap().to_string();
        assert_eq!(said, "clusters lowered from 400 to 1, the number of distinct vectors");
    }

    #[test]
    fn identical_rows_are_one_cluster_without_inertia() {
        let sample = Array2::from_shape_fn((500, 3), |(_, column)| [0.6, 0.0, 0.8][column]);
        let fit = fit(sample.view(), &params(7, 0)).unwrap();
        assert_eq!(fit.sizes, [500]);
        assert_eq!(fit.centroids.vectors().row(0), sample.row(0));
        assert!(fit.sample_inertia.abs() < 1e-12);
    }

    #[test]
    fn as_many_clusters_as_distinct_rows_leave_no_inertia() {
        let sample = array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0], [1.0, 0.0]];
        let fit = fit(sample.view(), &params(3, 11)).unwrap();
        assert_eq!(fit.sizes, [3, 2, 1]);
        assert_eq!(fit.lowered, None);
        assert!(fit.sample_inertia.abs() < 1e-12);
    }

    #[test]
    fn rows_too_alike_for_float32_share_a_cluster_and_that_is_said() {
        let sample = Array2::from_shape_fn((40, 8), |(row, _)| f32::from_bits(1.0_f32.to_bits() + row as u32 % 20));
        let fit = fit(sample.view(), &params(20, 1)).unwrap();
        assert!(fit.sizes.iter().all(|&size| size > 0));
        assert_eq!(fit.lowered.is_some(), fit.centroids.len() < 20);
    }

    #[test]
    fn an_empty_sample_and_zero_clusters_are_refused() {
        assert!(matches!(fit(Array2::zeros((0, 4)).view(), &params(3, 0)), Err(FitError::EmptySample)));
        assert!(matches!(fit(array![[1.0]].view(), &params(0, 0)), Err(FitError::Parameters { .. })));
    }
}
