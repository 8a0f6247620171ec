//! Turns candidate rows into starting centroids: greedy k-means++ on matrix products.
//!
//! Each further centroid is drawn with probability proportional to its squared distance from those there are; of a few
//! draws the one stays that lowers the sum of squared distances most. Only distances to the new candidates are
//! computed, so k centroids of n rows cost O(n·k·d·trials).
//!
//! Invariant: the choice depends on the rows and the seed, not on the number of threads: sums are taken over chunks of
//! fixed size and added in their order.
//!
//! Method: Arthur and Vassilvitskii 2007; the number of trials (2 + ln k) is that of their implementation.

use ndarray::{Array2, ArrayView2, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use crate::matrix::{CHUNK_ROWS, product_transposed, squared_norms};

/// Chooses `clusters` of the rows, at most all of them, as starting centroids: `[clusters, dim]`.
pub(super) fn choose(rows: ArrayView2<'_, f32>, clusters: usize, seed: u64) -> Array2<f32> {
    let clusters = clusters.min(rows.nrows());
    if clusters == 0 {
        return Array2::zeros((0, rows.ncols()));
    }
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut seeding = Seeding::new(rows, rng.gen_range(0..rows.nrows()));
    let trials = 2 + (clusters as f64).ln() as usize;
    while seeding.chosen.len() < clusters {
        let candidates = seeding.draw(trials, &mut rng);
        seeding.take_best(&candidates);
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
    distances: Array2<f32>,
    /// The sum over the rows, for each candidate.
    sums: Vec<f64>,
}

impl<'a> Seeding<'a> {
    /// Starts from one row.
    fn new(rows: ArrayView2<'a, f32>, first: usize) -> Self {
        let squared_norms = squared_norms(rows).into_iter().map(|norm| norm as f32).collect();
        let mut seeding = Self { rows, squared_norms, nearest: vec![f32::INFINITY; rows.nrows()], chosen: Vec::new() };
        seeding.take_best(&[first]);
        seeding
    }

    /// Draws rows with probability proportional to their squared distance, with repetition.
    ///
    /// Where no row has any distance left, the first row not yet chosen is drawn.
    fn draw(&self, trials: usize, rng: &mut Xoshiro256Plus) -> Vec<usize> {
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
            (0..trials)
                .map(|_| rng.r#gen::<f64>() * total)
                .map(|threshold| cumulative.partition_point(|&sum| sum <= threshold).min(last))
                .collect()
        } else {
            (0..self.nearest.len()).find(|row| !self.chosen.contains(row)).into_iter().collect()
        }
    }

    /// Chooses the candidate that leaves the smallest sum of squared distances, the first of equals.
    fn take_best(&mut self, candidates: &[usize]) {
        let trials = self.try_out(candidates);
        let mut sums = vec![0.0; candidates.len()];
        for trial in &trials {
            sums.iter_mut().zip(&trial.sums).for_each(|(sum, part)| *sum += part);
        }
        let Some(best) = (0..sums.len()).min_by(|&a, &b| sums[a].total_cmp(&sums[b])) else { return };
        for (nearest, trial) in self.nearest.chunks_mut(CHUNK_ROWS).zip(&trials) {
            nearest.iter_mut().zip(trial.distances.column(best)).for_each(|(nearest, &distance)| *nearest = distance);
        }
        self.nearest[candidates[best]] = 0.0;
        self.chosen.push(candidates[best]);
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
                let mut distances = product_transposed(rows, centroids.view());
                let mut sums = vec![0.0; norms.len()];
                for (row, mut products) in distances.rows_mut().into_iter().enumerate() {
                    for (candidate, value) in products.iter_mut().enumerate() {
                        let distance = row_norms[row] - 2.0 * *value + norms[candidate];
                        *value = distance.max(0.0).min(nearest[row]);
                        sums[candidate] += f64::from(*value);
                    }
                }
                Trial { distances, sums }
            })
            .collect()
    }
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
    fn rows_without_distance_are_taken_in_order() {
        assert_eq!(choose(array![[1.0], [1.0], [1.0]].view(), 3, 7).nrows(), 3);
    }
}
