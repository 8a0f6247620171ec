//! Turns candidate rows into starting centroids: greedy k-means++ on matrix products, some centroids at a time.
//!
//! Candidates are drawn with probability proportional to their squared distance from the centroids there are; those
//! stay that lower the sum of squared distances most, one after the other. Candidates of one draw meet all rows in one
//! product, so k centroids of n rows cost O(n·k·d·trials) at the speed of large products.
//!
//! Invariant: the choice depends on the rows and the seed, not on the number of threads: sums are taken over chunks of
//! fixed size and added in their order.
//!
//! Method: Arthur and Vassilvitskii 2007; the number of trials (2 + ln k) is that of their implementation. Drawing for
//! several centroids at once is that of Bahmani et al. 2012 (k-means||), with a choice among the drawn.

use ndarray::{Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use crate::matrix::{CHUNK_ROWS, product_transposed, squared_norms};

/// The clusters for which one centroid more is chosen out of each draw: below twice as many, k-means++ is as published.
const CLUSTERS_PER_CHOICE: usize = 8;

/// Centroids chosen out of one draw, at most: enough for a product at full speed.
const MAX_CHOICES: usize = 64;

/// Candidates for each centroid chosen out of a draw of several, which also compete with the others' candidates.
///
/// With 400 clusters of 35,709 abstracts, 2, 3 and 4 ended at inertias of 16,488, 16,465 and 16,469 (means of six seeds);
/// choosing one of 7 at a time, as published, at 16,470, and took seven times as long to choose.
const TRIALS_OF_SEVERAL: usize = 3;

/// Chooses `clusters` of the rows, at most all of them, as starting centroids: `[clusters, dim]`.
pub(super) fn choose(rows: ArrayView2<'_, f32>, clusters: usize, seed: u64) -> Array2<f32> {
    let clusters = clusters.min(rows.nrows());
    if clusters == 0 {
        return Array2::zeros((0, rows.ncols()));
    }
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut seeding = Seeding::new(rows, rng.gen_range(0..rows.nrows()));
    let choices = (clusters / CLUSTERS_PER_CHOICE).clamp(1, MAX_CHOICES);
    let trials = if choices == 1 { 2 + (clusters as f64).ln() as usize } else { TRIALS_OF_SEVERAL };
    while seeding.chosen.len() < clusters {
        let candidates = seeding.draw(trials * choices, &mut rng);
        seeding.take_best(&candidates, choices.min(clusters - seeding.chosen.len()));
    }
    rows.select(Axis(0), &seeding.chosen)
}

/// The rows chosen so far and how far all others are from them.
struct Seeding<'a> {
    rows: ArrayView2<'a, f32>,
    squared_norms: Vec<f32>,
    /// The squared distance of each row to the nearest chosen one.
    nearest: Vec<f32>,
    chosen: Vec<usize>,
}

/// Squared distances of a chunk of rows to the nearest of chosen rows and one candidate, for each candidate.
struct Trial {
    /// `[rows, candidates]`.
    distances: Vec<f32>,
    /// The sum over the rows, for each candidate.
    sums: Vec<f64>,
}

impl Trial {
    /// Takes products of rows with candidates, the squared norms of both, and the distances to the nearest chosen rows.
    fn new(products: Array2<f32>, row_norms: &[f32], candidate_norms: &[f32], nearest: &[f32]) -> Self {
        let mut sums = vec![0.0; candidate_norms.len()];
        // Slices, not ndarray's iterators: with those all of the seeding took twice as long.
        let (mut distances, _) = products.into_raw_vec_and_offset();
        let rows = distances.chunks_exact_mut(candidate_norms.len()).zip(row_norms).zip(nearest);
        for ((distances, row_norm), nearest) in rows {
            for ((value, norm), sum) in distances.iter_mut().zip(candidate_norms).zip(&mut sums) {
                *value = (row_norm - 2.0 * *value + norm).max(0.0).min(*nearest);
                *sum += f64::from(*value);
            }
        }
        Self { distances, sums }
    }

    /// Adds a candidate to the chosen rows: only rows that lie nearer to it than to those before change anything.
    fn choose(&mut self, candidate: usize, nearest: &mut [f32]) {
        let rows = self.distances.chunks_exact_mut(self.sums.len()).zip(nearest);
        for (distances, nearest) in rows.filter(|(distances, nearest)| distances[candidate] < **nearest) {
            *nearest = distances[candidate];
            for (distance, sum) in distances.iter_mut().zip(&mut self.sums) {
                let lower = distance.min(*nearest);
                *sum -= f64::from(*distance - lower);
                *distance = lower;
            }
        }
    }
}

impl<'a> Seeding<'a> {
    /// Starts from one row.
    fn new(rows: ArrayView2<'a, f32>, first: usize) -> Self {
        let squared_norms = squared_norms(rows).into_iter().map(|norm| norm as f32).collect();
        let mut seeding = Self { rows, squared_norms, nearest: vec![f32::INFINITY; rows.nrows()], chosen: Vec::new() };
        seeding.take_best(&[first], 1);
        seeding
    }

    /// Draws rows with probability proportional to their squared distance, with repetition.
    ///
    /// Where no row has any distance left, the first row not yet chosen is drawn.
    fn draw(&self, num_candidates: usize, rng: &mut Xoshiro256Plus) -> Vec<usize> {
        let mut total = 0.0;
        let cumulative: Vec<f64> = self
            .nearest
            .iter()
            .map(|&distance| {
                total += f64::from(distance);
                total
            })
            .collect();
        if total > 0.0 {
            let last = cumulative.len() - 1;
            (0..num_candidates)
                .map(|_| rng.r#gen::<f64>() * total)
                .map(|threshold| cumulative.partition_point(|&sum| sum <= threshold).min(last))
                .collect()
        } else {
            (0..self.nearest.len()).find(|row| !self.chosen.contains(row)).into_iter().collect()
        }
    }

    /// Chooses up to `choices` candidates, each the one that leaves the smallest sum of squared distances, the first of
    /// equals; after the first, only rows that are still at some distance.
    fn take_best(&mut self, candidates: &[usize], choices: usize) {
        let mut trials = self.try_out(candidates);
        let mut next = best(&trials, 0..candidates.len());
        for _ in 0..choices {
            let Some(candidate) = next else { return };
            self.take(candidates[candidate], candidate, &mut trials);
            let distant = (0..candidates.len()).filter(|&candidate| self.nearest[candidates[candidate]] > 0.0);
            next = best(&trials, distant);
        }
    }

    /// Chooses a row, the given candidate of the trials.
    fn take(&mut self, row: usize, candidate: usize, trials: &mut [Trial]) {
        // Rounding leaves a row at some distance from itself.
        let trial = &mut trials[row / CHUNK_ROWS];
        trial.distances[row % CHUNK_ROWS * trial.sums.len() + candidate] = 0.0;
        let chunks = trials.par_iter_mut().zip(self.nearest.par_chunks_mut(CHUNK_ROWS));
        chunks.for_each(|(trial, nearest)| trial.choose(candidate, nearest));
        self.chosen.push(row);
    }

    /// Computes what each candidate would leave, chunk by chunk.
    fn try_out(&self, candidates: &[usize]) -> Vec<Trial> {
        let centroids = self.rows.select(Axis(0), candidates);
        let norms: Vec<f32> = candidates.iter().map(|&candidate| self.squared_norms[candidate]).collect();
        self.rows
            .axis_chunks_iter(Axis(0), CHUNK_ROWS)
            .into_par_iter()
            .zip(self.squared_norms.par_chunks(CHUNK_ROWS))
            .zip(self.nearest.par_chunks(CHUNK_ROWS))
            .map(|((rows, row_norms), nearest)| {
                Trial::new(product_transposed(rows, centroids.view()), row_norms, &norms, nearest)
            })
            .collect()
    }
}

/// Finds the candidate of the smallest sum over all chunks, the first of equals.
fn best(trials: &[Trial], candidates: impl Iterator<Item = usize>) -> Option<usize> {
    let sum = |candidate: usize| trials.iter().map(|trial| trial.sums[candidate]).sum::<f64>();
    candidates.map(|candidate| (sum(candidate), candidate)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|best| best.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distinct_rows_are_chosen_once_each(n in 1_usize..60, clusters in 0_usize..70, seed: u64) {
            let rows = Array2::from_shape_fn((n, 3), |(row, column)| (row * 3 + column) as f32);
            let chosen = choose(rows.view(), clusters, seed);
            prop_assert_eq!(chosen.nrows(), clusters.min(n));
            let mut firsts: Vec<u32> = chosen.column(0).iter().map(|value| value.to_bits()).collect();
            firsts.sort_unstable();
            firsts.dedup();
            prop_assert_eq!(firsts.len(), clusters.min(n));
        }
    }

    #[test]
    fn far_groups_all_get_a_centroid() {
        let rows = array![[0.0, 0.0], [0.1, 0.0], [9.0, 0.0], [9.1, 0.0], [0.0, 9.0], [0.0, 9.1]];
        for seed in 0..50 {
            let mut groups: Vec<usize> = choose(rows.view(), 3, seed)
                .rows()
                .into_iter()
                .map(|row| usize::from(row[0] > 5.0) + 2 * usize::from(row[1] > 5.0))
                .collect();
            groups.sort_unstable();
            assert_eq!(groups, [0, 1, 2], "seed {seed}");
        }
    }

    #[test]
    fn centroids_chosen_out_of_one_draw_leave_no_group_out() {
        let num_groups = 3 * CLUSTERS_PER_CHOICE;
        let rows = Array2::from_shape_fn((40 * num_groups, 2), |(row, column)| {
            [(row % num_groups) as f32 * 100.0, (row / num_groups) as f32 * 0.01][column]
        });
        let chosen = choose(rows.view(), num_groups, 5);
        let mut groups: Vec<usize> = chosen.column(0).iter().map(|&value| value as usize / 100).collect();
        groups.sort_unstable();
        assert_eq!(groups, (0..num_groups).collect::<Vec<_>>());
    }

    #[test]
    fn rows_without_distance_are_taken_in_order() {
        assert_eq!(choose(array![[1.0], [1.0], [1.0]].view(), 3, 7).nrows(), 3);
    }
}
