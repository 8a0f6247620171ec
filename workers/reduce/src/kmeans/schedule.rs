//! The schedule of a clustering: seeding, growing batches, steps over the whole sample, repair, order.
//!
//! The sample comes in random order, so that any first part of it is a sample too. The first batch is a small part; each
//! further one holds the one before and as many rows again, the last one all. A step costs as much as its batch has
//! rows, and centroids that come from one batch have a short way to go on the next.
//!
//! Invariant: both engines run the same schedule, and all that it decides depends on the sample and the parameters
//! alone.
//!
//! Leaves to others: a step ([`super::matrix_engine`]), the choice of seeds ([`super::seeding`]).

use std::fmt;
use std::iter::successors;

use linfa_clustering::KMeansParamsError;
use ndarray::{Array2, ArrayView2, Axis};
use strata_shared::settings::KmeansEngine;

use super::distinct::distinct_rows;
use super::engine::{self, Reach, Steps};
use super::occupancy::{Occupied, reseed_empty, settle};
use super::{Centroids, Params, seeding};
use crate::assign::{Assigned, Inertia};

/// Rows for each cluster that k-means++ chooses from, within the limits below.
///
/// On 35,709 abstracts of 384 dimensions with 400 clusters, 10, 12, 16 and 20 rows a cluster ended at inertias of 16,511, 16,498,
/// 16,482 and 16,477 (medians of eight to ten seeds, of six for 20), and their seeds took 0.057, 0.065, 0.079 and 0.106 s of two
/// cores; without k-means++ at 16,515. With 100 clusters 41, 82 and 164 rows were alike.
const SEEDING_ROWS_PER_CLUSTER: usize = 16;

/// The fewest rows that k-means++ chooses from, if the sample has them: topics of one document in a hundred have 40.
const MIN_SEEDING_ROWS: usize = 4_096;

/// The most rows that k-means++ chooses from, unless [`LEAST_SEEDING_ROWS_PER_CLUSTER`] are more.
const MAX_SEEDING_ROWS: usize = 16_384;

/// What is left of [`SEEDING_ROWS_PER_CLUSTER`] where clusters are very many.
const LEAST_SEEDING_ROWS_PER_CLUSTER: usize = 4;

/// A clustering begins this often at most.
const MAX_STARTS: usize = 10;

/// The distances of one pass over the sample that all starts together may take; more than one start fits in it up to some
/// 7,000 rows by the default rule for clusters.
///
/// Where clusters are few, one that covers two topics stays so whatever the passes, and a small corpus has no time to lose.
const STARTS_DISTANCES: usize = 1_000_000;

/// What parts the seeds of two starts: 2⁶⁴ over the golden ratio, so that they are far apart.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Rows of the first batch for each cluster, at least.
///
/// Centroids that settle on few rows stay behind: with 400 clusters of 102,400 noisy copies of those abstracts, first
/// batches of 20 and 82 rows a cluster ended at 66,198 and 66,124 (three seeds). More would keep the first steps waiting.
const BATCH_ROWS_PER_CLUSTER: usize = 40;

/// Steps over one batch, at most.
const MAX_STEPS: usize = 40;

/// A step over a batch that is not the last and lowers its inertia by a smaller part than this ends the batch.
///
/// That is two to four steps; 5e-3, some more steps, ended alike.
const LEAST_BATCH_IMPROVEMENT: f64 = 2e-2;

/// A step over the whole sample that lowers the inertia by a smaller part than this is the last.
///
/// With 100 clusters of those abstracts, 1e-4, 3e-5 and 1e-5 ended at 18,580, 18,565 and 18,563 after 30, 40 and 55 steps, with
/// 400 at 16,477, 16,470 and 16,466 after 27, 42 and 58, in 1.7, 1.9 and 2.3 s of one core (medians of ten seeds). 25 iterations
/// of plain k-means from random rows end at 18,575 and 16,497.
const LEAST_IMPROVEMENT: f64 = 3e-5;

/// Times that the labels of all rows are compared with all centroids after steps among neighbours.
const MAX_ROUNDS: usize = 3;

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

/// Who looks at the centroids, `[k, dim]`, while they move.
pub type Watch<'a> = &'a mut dyn FnMut(ArrayView2<'_, f32>);

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

/// Clusters a sample, `[n, dim]` in random order, on all threads of the current rayon pool.
///
/// # Errors
/// [`FitError`] if the sample is empty or no cluster is asked for.
pub fn fit(sample: ArrayView2<'_, f32>, params: &Params) -> Result<Fit, FitError> {
    fit_watched(sample, params, &mut |_| ())
}

/// Clusters a sample as [`fit()`] does and shows the centroids, `[k, dim]`, after the seeding and after each step.
///
/// # Errors
/// [`FitError`] if the sample is empty or no cluster is asked for.
pub fn fit_watched(sample: ArrayView2<'_, f32>, params: &Params, watch: Watch<'_>) -> Result<Fit, FitError> {
    if sample.nrows() == 0 {
        return Err(FitError::EmptySample);
    }
    let sample = sample.as_standard_layout();
    let seeds = seeding_rows(sample.view(), params.clusters);
    let clusters = params.clusters.min(seeds.nrows());
    if clusters == 0 {
        return Err(KMeansParamsError::NClusters.into());
    }
    let mut best = start(sample.view(), seeds.view(), &Params { clusters, ..*params }, watch)?;
    for attempt in 1..num_starts(sample.nrows(), clusters) {
        let seed = params.seed.wrapping_add(attempt.wrapping_mul(SEED_STEP));
        let other = start(sample.view(), seeds.view(), &Params { clusters, seed, ..*params }, watch)?;
        if other.sample_inertia < best.sample_inertia {
            best = other;
        }
    }
    let lowered = lowered(params.clusters, clusters, best.centroids.len());
    Ok(Fit { lowered, ..best })
}

/// Says why there are fewer clusters than requested, if so.
pub(super) fn lowered(requested: usize, distinct: usize, occupied: usize) -> Option<Lowered> {
    if distinct < requested {
        Some(Lowered::Distinct { requested, distinct })
    } else {
        (occupied < requested).then_some(Lowered::Indistinguishable { requested, occupied })
    }
}

/// How often a clustering begins anew from other seeds, the best one being kept.
fn num_starts(rows: usize, clusters: usize) -> u64 {
    let distances = rows.saturating_mul(clusters).max(1);
    (STARTS_DISTANCES / distances).clamp(1, MAX_STARTS) as u64
}

/// Clusters the sample once, from seeds among `seeds`.
fn start(
    sample: ArrayView2<'_, f32>,
    seeds: ArrayView2<'_, f32>,
    params: &Params,
    watch: Watch<'_>,
) -> Result<Fit, FitError> {
    let initial = seeding::choose(seeds, params.clusters, params.seed);
    watch(initial.view());
    let mut steps = engine::start(params.engine, sample, initial);
    grow(&mut *steps, sample.nrows(), params, watch)?;
    let occupied = polish(&mut *steps, sample, watch)?;
    occupy(params.engine, occupied, sample)
}

/// Returns the distinct rows, from the first on, that k-means++ chooses from; all of them where they are too few.
pub(super) fn seeding_rows(sample: ArrayView2<'_, f32>, clusters: usize) -> Array2<f32> {
    let limit = clusters.saturating_mul(SEEDING_ROWS_PER_CLUSTER).clamp(MIN_SEEDING_ROWS, MAX_SEEDING_ROWS);
    let limit = limit.max(clusters.saturating_mul(LEAST_SEEDING_ROWS_PER_CLUSTER));
    sample.select(Axis(0), &distinct_rows(sample, limit))
}

/// Takes steps over batches that double, up to half the sample.
fn grow(steps: &mut dyn Steps, num_rows: usize, params: &Params, watch: Watch<'_>) -> Result<(), FitError> {
    let least_rows = params.batch_rows.max(params.clusters.saturating_mul(BATCH_ROWS_PER_CLUSTER));
    for rows in batches(num_rows, least_rows) {
        improve(steps, rows, LEAST_BATCH_IMPROVEMENT, watch)?;
    }
    Ok(())
}

/// Returns a half of the rows, a half of that and so on, as long as each is at least so large; the smallest first.
fn batches(num_rows: usize, least_rows: usize) -> Vec<usize> {
    let half = |&rows: &usize| Some(rows / 2).filter(|&half| half >= least_rows.max(1));
    let mut batches: Vec<usize> = successors(half(&num_rows), half).collect();
    batches.reverse();
    batches
}

/// Takes steps over the whole sample until neither one among neighbours nor a comparison of all rows with all
/// centroids improves it enough; returns where the rows belong.
pub(super) fn polish(
    steps: &mut dyn Steps,
    sample: ArrayView2<'_, f32>,
    watch: Watch<'_>,
) -> Result<Occupied, FitError> {
    let mut inertia = improve(steps, sample.nrows(), LEAST_IMPROVEMENT, watch)?;
    for _ in 1..MAX_ROUNDS {
        let occupied = Occupied::new(sample, Centroids::new(steps.centroids().to_owned()));
        // The last step made one improvement, the comparison may make another.
        if total(&occupied.assigned) >= inertia * (1.0 - 2.0 * LEAST_IMPROVEMENT) {
            return Ok(occupied);
        }
        steps.step_labelled(&occupied.assigned.labels)?;
        inertia = improve(steps, sample.nrows(), LEAST_IMPROVEMENT, watch)?;
    }
    Ok(Occupied::new(sample, Centroids::new(steps.centroids().to_owned())))
}

/// Takes steps over a batch until one improves its inertia by less than the given part; returns the last inertia.
fn improve(steps: &mut dyn Steps, num_rows: usize, least: f64, watch: Watch<'_>) -> Result<f64, FitError> {
    let mut last_inertia = f64::INFINITY;
    for _ in 0..MAX_STEPS {
        let inertia = steps.step(num_rows, Reach::Near)?;
        watch(steps.centroids());
        let is_last = inertia >= last_inertia * (1.0 - least);
        last_inertia = inertia;
        if is_last {
            break;
        }
    }
    Ok(last_inertia)
}

/// Fills empty clusters, a step after each attempt, then settles the order.
pub(super) fn occupy(
    engine: KmeansEngine,
    mut occupied: Occupied,
    sample: ArrayView2<'_, f32>,
) -> Result<Fit, FitError> {
    for _ in 0..MAX_REPAIRS {
        let Some(reseeded) = reseed_empty(sample, &occupied) else { break };
        let mut steps = engine::start(engine, sample, reseeded);
        steps.step(sample.nrows(), Reach::All)?;
        occupied = Occupied::new(sample, Centroids::new(steps.centroids().to_owned()));
    }
    let occupied = settle(sample, occupied);
    let (sizes, sample_inertia) = (occupied.sizes(), total(&occupied.assigned));
    Ok(Fit { centroids: occupied.centroids, sizes, lowered: None, sample_inertia })
}

/// Adds up the squared distances.
pub(super) fn total(assigned: &Assigned) -> f64 {
    let mut inertia = Inertia::default();
    inertia.add(assigned);
    inertia.total()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assign::assign;
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
    fn batches_double_up_to_half_the_sample() {
        assert_eq!(batches(35_709, 16_000), [17_854]);
        assert_eq!(batches(131_072, 8_192), [8_192, 16_384, 32_768, 65_536]);
        assert!(batches(1_000, 8_192).is_empty() && batches(1, 0).is_empty());
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
