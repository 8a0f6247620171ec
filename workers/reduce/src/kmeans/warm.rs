//! A sample and the centroids of an earlier one → a clustering that goes on from there.
//!
//! The centroids are few steps away from where they belong now, so that no batches are needed: they would only carry them off
//! and back. Steps over the whole sample are followed by swaps ([`super::relocation`]), since topics come and go while the
//! number of clusters stays. Where another number is asked for, clusters are split or given up first.
//!
//! Invariant: as in [`super::schedule`]; the seed matters only where the clustering is given up for a fresh one.
//!
//! Measured: 35,709 abstracts by date, the last fifth of them added in six steps, ended at 0.1 % above the best of three fresh
//! starts with 100 clusters and with 200, without any swap.

use linfa_clustering::KMeansParamsError;
use ndarray::{Array2, ArrayView2};

use super::engine;
use super::occupancy::Occupied;
use super::relocation::{BOLD_RATIO, CAUTIOUS_RATIO, Prospects};
use super::schedule::{fit, lowered, occupy, polish, seeding_rows, total};
use super::{Centroids, Fit, FitError, Params};

/// A clustering that started from the centroids of an earlier one may have this much more inertia than one that started afresh;
/// otherwise it is trapped.
///
/// 35,709 abstracts in six steps ended at 0.1 %. Two fresh starts differ by 0.2 %.
const MOST_EXCESS: f64 = 0.01;

/// Rounds of swaps, at most.
const MAX_RELOCATIONS: usize = 8;

/// Swaps stay if they lower the inertia by at least this part of what they promised.
const LEAST_KEPT: f64 = 0.5;

/// Rounds in which clusters are split or given up, at most: each may double them, or give up an eighth.
const MAX_RESIZINGS: usize = 128;

/// How a start from the centroids of an earlier clustering came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmStart {
    /// Whether the clustering is the one that started there.
    pub is_kept: bool,
    /// Its inertia by that of a fresh start, less 1.
    pub excess: f64,
}

/// Clusters a sample, `[n, dim]`, from `initial` centroids, `[k, dim]`, or afresh where these lead into a trap.
///
/// Where the first attempt is trapped, swaps are made that would else be too little worth while, before it is given up.
///
/// # Errors
/// [`FitError`] if the sample is empty, no cluster is asked for or none is given.
pub fn fit_warm(
    sample: ArrayView2<'_, f32>,
    initial: Array2<f32>,
    params: &Params,
) -> Result<(Fit, WarmStart), FitError> {
    let fresh = fit(sample, params)?;
    let mut warm = fit_from(sample, initial, params, CAUTIOUS_RATIO)?;
    if !judge(&warm, &fresh).is_kept {
        warm = fit_from(sample, warm.centroids.vectors().to_owned(), params, BOLD_RATIO)?;
    }
    let start = judge(&warm, &fresh);
    Ok((if start.is_kept { warm } else { fresh }, start))
}

/// Takes the centroids of an earlier clustering of the very same sample, `[n, dim]`, as they are.
///
/// Further steps would pay little, and move documents from topic to topic though none has come or gone.
///
/// # Errors
/// [`FitError`] if the sample is empty or no centroid is given.
pub fn fit_same(sample: ArrayView2<'_, f32>, centroids: Array2<f32>, params: &Params) -> Result<Fit, FitError> {
    if sample.nrows() == 0 {
        return Err(FitError::EmptySample);
    }
    if centroids.nrows() == 0 {
        return Err(KMeansParamsError::NClusters.into());
    }
    let sample = sample.as_standard_layout();
    let occupied = Occupied::new(sample.view(), Centroids::new(centroids));
    let fit = occupy(params.engine, occupied, sample.view())?;
    let distinct = params.clusters.min(seeding_rows(sample.view(), params.clusters).nrows());
    let lowered = lowered(params.clusters, distinct, fit.centroids.len());
    Ok(Fit { lowered, ..fit })
}

/// Holds a warm start against a fresh one.
fn judge(warm: &Fit, fresh: &Fit) -> WarmStart {
    // Where a sample coincides with its centroids there is nothing to be trapped in.
    let excess = if fresh.sample_inertia > 0.0 { warm.sample_inertia / fresh.sample_inertia - 1.0 } else { 0.0 };
    WarmStart { is_kept: excess <= MOST_EXCESS, excess }
}

/// Clusters a sample from `initial` centroids, with swaps that gain at least so many times what they cost.
fn fit_from(
    sample: ArrayView2<'_, f32>,
    initial: Array2<f32>,
    params: &Params,
    least_ratio: f64,
) -> Result<Fit, FitError> {
    if sample.nrows() == 0 {
        return Err(FitError::EmptySample);
    }
    let sample = sample.as_standard_layout();
    let clusters = params.clusters.min(seeding_rows(sample.view(), params.clusters).nrows());
    if clusters == 0 || initial.nrows() == 0 {
        return Err(KMeansParamsError::NClusters.into());
    }
    let initial = resized(sample.view(), initial, clusters);
    let mut occupied = converged(sample.view(), initial, params)?;
    for _ in 0..MAX_RELOCATIONS {
        let Some(better) = relocated(sample.view(), &occupied, params, least_ratio)? else { break };
        occupied = better;
    }
    let fit = occupy(params.engine, occupied, sample.view())?;
    let lowered = lowered(params.clusters, clusters, fit.centroids.len());
    Ok(Fit { lowered, ..fit })
}

/// Splits clusters, or gives some up, until there are as many as are wanted or can be had.
fn resized(sample: ArrayView2<'_, f32>, mut centroids: Array2<f32>, clusters: usize) -> Array2<f32> {
    for _ in 0..MAX_RESIZINGS {
        if centroids.nrows() == clusters {
            break;
        }
        let prospects = Prospects::new(sample, &Occupied::new(sample, Centroids::new(centroids.clone())));
        let next = if centroids.nrows() < clusters {
            prospects.grown(centroids.view(), clusters - centroids.nrows())
        } else {
            prospects.shrunk(centroids.view(), centroids.nrows() - clusters)
        };
        if next.nrows() == centroids.nrows() {
            break;
        }
        centroids = next;
    }
    centroids
}

/// Takes steps over the whole sample until they stop paying.
fn converged(sample: ArrayView2<'_, f32>, initial: Array2<f32>, params: &Params) -> Result<Occupied, FitError> {
    let mut steps = engine::start(params.engine, sample, initial);
    polish(&mut *steps, sample, &mut |_| ())
}

/// Makes the swaps that are worth while, or else the best of them alone; `None` where they do not keep what they promise.
fn relocated(
    sample: ArrayView2<'_, f32>,
    occupied: &Occupied,
    params: &Params,
    least_ratio: f64,
) -> Result<Option<Occupied>, FitError> {
    if occupied.centroids.len() < 2 {
        return Ok(None);
    }
    let prospects = Prospects::new(sample, occupied);
    let (swaps, before) = (prospects.swaps(least_ratio), total(&occupied.assigned));
    let mut attempts = vec![swaps.len(), 1];
    attempts.dedup();
    for count in attempts.into_iter().filter(|count| *count > 0 && *count <= swaps.len()) {
        let promised: f64 = swaps[..count].iter().map(|swap| swap.promised).sum();
        let moved = prospects.swapped(occupied.centroids.vectors(), &swaps[..count]);
        let after = converged(sample, moved, params)?;
        if total(&after.assigned) <= before - LEAST_KEPT * promised {
            return Ok(Some(after));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assign::assign;
    use ndarray::{Axis, s};
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    const DIM: usize = 16;

    fn params(clusters: usize) -> Params {
        Params { clusters, batch_rows: 64, ..Params::default() }
    }

    /// Rows about some of the given number of directions, in random order.
    fn blobs(rows: usize, topics: &[usize], seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(9);
        let most = topics.iter().max().map_or(1, |topic| topic + 1);
        let centres = Array2::from_shape_simple_fn((most, DIM), || rng.gen_range(-1.0_f32..1.0));
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        Array2::from_shape_fn((rows, DIM), |(row, column)| {
            centres[[topics[row % topics.len()], column]] + rng.gen_range(-0.3..0.3)
        })
    }

    fn has_centroid_of_its_own(fit: &Fit, rows: ArrayView2<'_, f32>, others: ArrayView2<'_, f32>) -> bool {
        let labels = assign(rows, &fit.centroids).labels;
        let others = assign(others, &fit.centroids).labels;
        labels.iter().all(|label| !others.contains(label))
    }

    #[test]
    fn centroids_that_are_where_they_belong_stay() {
        let sample = blobs(2_000, &[0, 1, 2, 3, 4, 5], 1);
        let before = fit(sample.view(), &params(6)).unwrap();
        let after = fit_from(sample.view(), before.centroids.vectors().to_owned(), &params(6), CAUTIOUS_RATIO).unwrap();
        assert!((after.sample_inertia / before.sample_inertia - 1.0).abs() < 1e-4);
        assert_eq!(after.sizes, before.sizes);
    }

    #[test]
    fn centroids_of_the_same_sample_stay_where_steps_would_move_them() {
        let sample = blobs(2_000, &[0, 1, 2, 3, 4, 5], 1);
        let before = fit(sample.view(), &params(6)).unwrap();
        let aside = before.centroids.vectors().mapv(|value| value + 0.01);
        let same = fit_same(sample.view(), aside.clone(), &params(6)).unwrap();
        assert_eq!((same.centroids.vectors(), &same.sizes), (aside.view(), &before.sizes));
        assert!(same.sample_inertia > before.sample_inertia);
        let moved = fit_from(sample.view(), aside.clone(), &params(6), CAUTIOUS_RATIO).unwrap();
        assert_ne!(moved.centroids.vectors(), aside.view());
    }

    #[test]
    fn a_topic_that_is_new_gets_a_centroid_and_one_that_is_gone_leaves_none_behind() {
        let first = blobs(2_000, &[0, 1, 2, 3, 4, 5], 1);
        let before = fit(first.view(), &params(8)).unwrap();
        let born = blobs(150, &[6], 2);
        let sample = ndarray::concatenate![Axis(0), first.slice(s![..1_000, ..]), born, first.slice(s![1_000.., ..])];
        let after = fit_from(sample.view(), before.centroids.vectors().to_owned(), &params(8), CAUTIOUS_RATIO).unwrap();
        assert!(has_centroid_of_its_own(&after, born.view(), first.view()));
        let left = blobs(2_000, &[0, 1, 2, 3, 6], 3);
        let later = fit_from(left.view(), after.centroids.vectors().to_owned(), &params(8), CAUTIOUS_RATIO).unwrap();
        assert_eq!(later.centroids.len(), 8);
        let best = fit(left.view(), &params(8)).unwrap();
        assert!(later.sample_inertia <= 1.01 * best.sample_inertia);
    }

    #[test]
    fn another_number_of_clusters_is_reached_from_any() {
        let sample = blobs(1_500, &[0, 1, 2, 3, 4, 5, 6, 7], 4);
        let best = fit(sample.view(), &params(8)).unwrap();
        for clusters in [1, 3, 7, 8, 9, 20] {
            let initial = fit(sample.view(), &params(clusters)).unwrap().centroids.vectors().to_owned();
            let fit = fit_from(sample.view(), initial, &params(8), CAUTIOUS_RATIO).unwrap();
            assert_eq!((fit.centroids.len(), fit.lowered), (8, None), "from {clusters}");
            assert!(fit.sample_inertia <= 1.01 * best.sample_inertia, "from {clusters}");
        }
    }

    #[test]
    fn a_trapped_clustering_is_given_up() {
        let fit = |sample_inertia| Fit {
            centroids: Centroids::new(Array2::zeros((1, 1))),
            sizes: vec![1],
            lowered: None,
            sample_inertia,
        };
        assert!(judge(&fit(100.9), &fit(100.0)).is_kept && judge(&fit(90.0), &fit(100.0)).is_kept);
        assert!(!judge(&fit(101.1), &fit(100.0)).is_kept);
        assert!(judge(&fit(0.0), &fit(0.0)).is_kept);
    }

    #[test]
    fn the_clustering_is_the_same_on_any_number_of_threads() {
        let (first, sample) = (blobs(4_000, &[0, 1, 2, 3], 5), blobs(4_000, &[2, 3, 4, 5, 6], 6));
        let initial = fit(first.view(), &params(40)).unwrap().centroids.vectors().to_owned();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit_warm(sample.view(), initial.clone(), &params(40)).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn no_cluster_is_empty_wherever_the_centroids_come_from(
            rows in 1_usize..200, before in 1_usize..30, clusters in 1_usize..30, seed: u64,
        ) {
            let sample = blobs(rows, &[0, 1, 2], seed);
            let initial = blobs(before, &[1, 2, 3, 4], seed ^ 1);
            let (fit, _) = fit_warm(sample.view(), initial, &params(clusters)).unwrap();
            prop_assert!(fit.sizes.iter().all(|&size| size > 0));
            prop_assert!(fit.sizes.is_sorted_by(|a, b| a >= b));
            prop_assert_eq!(fit.sizes.iter().sum::<u64>(), rows as u64);
            prop_assert!(fit.centroids.len() <= clusters);
        }
    }
}
