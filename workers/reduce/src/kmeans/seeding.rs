//! Turns candidate rows into starting centroids: greedy k-means++ on matrix products, some centroids at a time.
//!
//! Candidates are drawn with probability proportional to their squared distance from the rows chosen so far; those are
//! chosen that lower the sum of squared distances most, one after the other. Candidates of one draw meet all rows in one
//! product, so k centroids of n rows cost O(n·k·d·trials) at the speed of large products. These products tell the
//! nearest chosen row of every row as well, so that the centroids start at the means: a step that costs nothing.
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

use super::members::Members;
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

/// Independent sums in [`sum`], enough to hide the latency of an addition.
const LANES: usize = 8;

/// Turns rows into starting centroids, as many as asked for or as there are rows: `[clusters, dim]`.
///
/// Each is the mean of the rows nearest to one that was chosen.
pub(super) fn choose(rows: ArrayView2<'_, f32>, clusters: usize, seed: u64) -> Array2<f32> {
    let clusters = clusters.min(rows.nrows());
    if clusters == 0 {
        return Array2::zeros((0, rows.ncols()));
    }
    choose_rows(rows, clusters, seed).means()
}

/// Chooses that many different rows, at least one and at most all of them.
fn choose_rows(rows: ArrayView2<'_, f32>, clusters: usize, seed: u64) -> Seeding<'_> {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut seeding = Seeding::new(rows, rng.gen_range(0..rows.nrows()));
    let choices = (clusters / CLUSTERS_PER_CHOICE).clamp(1, MAX_CHOICES);
    let trials = if choices == 1 { 2 + (clusters as f64).ln() as usize } else { TRIALS_OF_SEVERAL };
    while seeding.chosen.len() < clusters {
        let candidates = seeding.draw(trials * choices, &mut rng);
        seeding.take_best(&candidates, choices.min(clusters - seeding.chosen.len()));
    }
    seeding
}

/// The rows chosen so far and how far all others are from them.
struct Seeding<'a> {
    rows: ArrayView2<'a, f32>,
    squared_norms: Vec<f32>,
    nearest: Vec<Nearest>,
    chosen: Vec<usize>,
}

/// The chosen row that lies nearest to a row.
#[derive(Clone, Copy)]
struct Nearest {
    squared_distance: f32,
    /// Its place among the chosen.
    place: u32,
}

/// Squared distances of a chunk of rows to the nearest of chosen rows and one candidate, for each candidate.
struct Trial {
    /// `[candidates, rows]`.
    distances: Vec<f32>,
    /// The sum over the rows, for each candidate.
    sums: Vec<f64>,
}

impl Trial {
    /// Takes products of candidates with rows, the squared norms of both, and what is nearest to the rows so far.
    fn new(products: Array2<f32>, candidate_norms: &[f32], row_norms: &[f32], nearest: &[Nearest]) -> Self {
        let (mut distances, _) = products.into_raw_vec_and_offset();
        let candidates = distances.chunks_exact_mut(row_norms.len()).zip(candidate_norms);
        let lowered = candidates.map(|(distances, norm)| {
            for ((value, row_norm), nearest) in distances.iter_mut().zip(row_norms).zip(nearest) {
                *value = (row_norm - 2.0 * *value + norm).max(0.0).min(nearest.squared_distance);
            }
            sum(distances)
        });
        let sums = lowered.collect();
        Self { distances, sums }
    }

    /// Adds a candidate to the chosen rows: only rows that lie nearer to it than to those before change anything.
    fn choose(&mut self, candidate: usize, place: u32, nearest: &mut [Nearest]) {
        let num_rows = nearest.len();
        for (row, nearest) in nearest.iter_mut().enumerate() {
            let squared_distance = self.distances[candidate * num_rows + row];
            if squared_distance < nearest.squared_distance {
                *nearest = Nearest { squared_distance, place };
                for (distances, sum) in self.distances.chunks_exact_mut(num_rows).zip(&mut self.sums) {
                    let lower = distances[row].min(squared_distance);
                    *sum -= f64::from(distances[row] - lower);
                    distances[row] = lower;
                }
            }
        }
    }
}

/// Adds up in float64, in one fixed order that does not wait for each addition.
fn sum(values: &[f32]) -> f64 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &value)| *lane += f64::from(value));
    }
    lanes.iter().sum::<f64>() + rest.iter().copied().map(f64::from).sum::<f64>()
}

impl<'a> Seeding<'a> {
    /// Starts from one row.
    fn new(rows: ArrayView2<'a, f32>, first: usize) -> Self {
        let squared_norms = squared_norms(rows).into_iter().map(|norm| norm as f32).collect();
        let nearest = vec![Nearest { squared_distance: f32::INFINITY, place: 0 }; rows.nrows()];
        let mut seeding = Self { rows, squared_norms, nearest, chosen: Vec::new() };
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
            .map(|nearest| {
                total += f64::from(nearest.squared_distance);
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
            let distant =
                (0..candidates.len()).filter(|&candidate| self.nearest[candidates[candidate]].squared_distance > 0.0);
            next = best(&trials, distant);
        }
    }

    /// Chooses a row, the given candidate of the trials.
    fn take(&mut self, row: usize, candidate: usize, trials: &mut [Trial]) {
        // Rounding leaves a row at some distance from itself.
        let Trial { distances, sums } = &mut trials[row / CHUNK_ROWS];
        let num_rows = distances.len() / sums.len();
        distances[candidate * num_rows + row % CHUNK_ROWS] = 0.0;
        let (place, chunks) = (self.chosen.len() as u32, self.nearest.par_chunks_mut(CHUNK_ROWS));
        trials.par_iter_mut().zip(chunks).for_each(|(trial, nearest)| trial.choose(candidate, place, nearest));
        self.chosen.push(row);
    }

    /// Computes what each candidate would leave, chunk by chunk.
    fn try_out(&self, candidates: &[usize]) -> Vec<Trial> {
        let candidate_rows = self.rows.select(Axis(0), candidates);
        let norms: Vec<f32> = candidates.iter().map(|&candidate| self.squared_norms[candidate]).collect();
        self.rows
            .axis_chunks_iter(Axis(0), CHUNK_ROWS)
            .into_par_iter()
            .zip(self.squared_norms.par_chunks(CHUNK_ROWS))
            .zip(self.nearest.par_chunks(CHUNK_ROWS))
            .map(|((rows, row_norms), nearest)| {
                Trial::new(product_transposed(candidate_rows.view(), rows), &norms, row_norms, nearest)
            })
            .collect()
    }

    /// Returns the mean of the rows nearest to each chosen row, which is its own where it equals one chosen before.
    fn means(&self) -> Array2<f32> {
        let places = self.nearest.iter().map(|nearest| nearest.place).enumerate();
        let members = Members::new(places, self.chosen.len());
        let mut means = self.rows.select(Axis(0), &self.chosen);
        means.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(place, mut mean)| {
            let members = members.of(place);
            if !members.is_empty() {
                let mut sum = vec![0.0; self.rows.ncols()];
                for &row in members {
                    sum.iter_mut().zip(self.rows.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
                }
                mean.iter_mut().zip(sum).for_each(|(mean, sum)| *mean = (sum / members.len() as f64) as f32);
            }
        });
        means
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
    use crate::kmeans::Centroids;
    use ndarray::array;
    use proptest::prelude::*;
    use rand::Rng;

    proptest! {
        #[test]
        fn distinct_rows_are_chosen_once_each(n in 1_usize..60, clusters in 0_usize..70, seed: u64) {
            let rows = Array2::from_shape_fn((n, 3), |(row, column)| (row * 3 + column) as f32);
            prop_assert_eq!(choose(rows.view(), clusters, seed).nrows(), clusters.min(n));
            if clusters > 0 {
                let mut chosen = choose_rows(rows.view(), clusters.min(n), seed).chosen;
                chosen.sort_unstable();
                chosen.dedup();
                prop_assert_eq!(chosen.len(), clusters.min(n));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn centroids_are_the_means_of_the_rows_nearest_to_a_chosen_one(
            n in 1_usize..1500, dim in 1_usize..6, clusters in 1_usize..40, seed: u64,
        ) {
            let mut rng = Xoshiro256Plus::seed_from_u64(seed);
            let rows = Array2::from_shape_simple_fn((n, dim), || rng.gen_range(-9.0_f32..9.0));
            let chosen = choose_rows(rows.view(), clusters.min(n), seed).chosen;
            let nearest = crate::assign::assign(rows.view(), &Centroids::new(rows.select(Axis(0), &chosen))).labels;
            for (place, centroid) in choose(rows.view(), clusters, seed).rows().into_iter().enumerate() {
                let members: Vec<usize> = (0..n).filter(|&row| nearest[row] as usize == place).collect();
                let mean = rows.select(Axis(0), &members).mean_axis(Axis(0)).unwrap();
                prop_assert!(mean.iter().zip(centroid).all(|(mean, value)| (mean - value).abs() < 1e-3));
            }
        }
    }

    #[test]
    fn seeds_are_the_same_on_any_number_of_threads() {
        let mut rng = Xoshiro256Plus::seed_from_u64(1);
        let rows = Array2::from_shape_simple_fn((5_000, 9), || rng.gen_range(-1.0_f32..1.0));
        let on_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| choose(rows.view(), 60, 7))
        };
        assert_eq!(on_threads(1), on_threads(2));
        assert_eq!(on_threads(1), on_threads(5));
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
