//! K-means on matrix products over a growing batch.
//!
//! Each row of the batch counts once, with the label it had last: a step labels the rows, moves the changed ones from
//! sum to sum, and each centroid to the mean of its rows. A centroid without rows stays where it is.
//!
//! Invariant: a step's result does not depend on the number of threads. Each centroid is summed by one task, in
//! float64, in the order of its rows, and rounded once.
//!
//! Method: nested mini-batch k-means, Newling and Fleuret 2016, without its bounds.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::engine::{Reach, Steps};
use super::members::Members;
use super::nearest::{NEIGHBOURS, Nearest, among_all, among_neighbours};
use super::{Centroids, FitError};
use crate::matrix::{CHUNK_ROWS, squared_norm};

/// Centroids in the making.
pub(super) struct MatrixSteps<'a> {
    sample: ArrayView2<'a, f32>,
    centroids: Centroids,
    labels: Vec<u32>,
    /// The sum of the squared norms of the rows that have labels.
    squared_norm: f64,
    /// The sum of the rows of each label, `[k, dim]`, and their number.
    sums: Array2<f64>,
    counts: Vec<u64>,
}

/// A row that goes from one label to another, or gets its first.
#[derive(Clone, Copy)]
struct Change {
    row: usize,
    from: Option<u32>,
    to: u32,
}

impl<'a> MatrixSteps<'a> {
    /// Starts from `initial`, `[k, dim]`, at least one; the sample is in standard layout.
    pub(super) fn new(sample: ArrayView2<'a, f32>, initial: Array2<f32>) -> Self {
        let (sums, counts) = (Array2::zeros(initial.dim()), vec![0; initial.nrows()]);
        let centroids = Centroids::new(initial);
        Self { sample, centroids, labels: Vec::new(), squared_norm: 0.0, sums, counts }
    }

    /// Labels the first rows of the sample.
    fn label(&self, num_rows: usize, reach: Reach) -> Nearest {
        let num_known = self.labels.len();
        if reach == Reach::All || NEIGHBOURS >= self.centroids.len() || num_known == 0 {
            return among_all(self.sample.slice(s![..num_rows, ..]), &self.centroids);
        }
        let mut nearest = among_neighbours(self.sample.slice(s![..num_known, ..]), &self.labels, &self.centroids);
        let fresh = among_all(self.sample.slice(s![num_known..num_rows, ..]), &self.centroids);
        nearest.labels.extend(fresh.labels);
        nearest.score += fresh.score;
        nearest
    }

    /// Replaces the labels; returns the changes.
    fn relabel(&mut self, labels: Vec<u32>) -> Vec<Change> {
        let before = self.labels.iter().copied().map(Some).chain(std::iter::repeat(None));
        let changes = labels.iter().zip(before).enumerate();
        let changes = changes.map(|(row, (&to, from))| Change { row, from, to });
        let changes = changes.filter(|change| change.from != Some(change.to)).collect();
        self.labels = labels;
        changes
    }

    /// Moves the changed rows from sum to sum.
    fn account(&mut self, changes: &[Change]) {
        let joined = Members::new(changes.iter().map(|change| (change.row, change.to)), self.counts.len());
        let left = changes.iter().filter_map(|change| Some((change.row, change.from?)));
        let left = Members::new(left, self.counts.len());
        let sample = self.sample;
        let sums = self.sums.axis_iter_mut(Axis(0)).into_par_iter();
        sums.zip(self.counts.par_iter_mut()).enumerate().for_each(|(label, (mut sums, count))| {
            let sums = sums.as_slice_mut().expect("rows of a matrix in standard layout");
            let (joined, left) = (joined.of(label), left.of(label));
            joined.iter().for_each(|&row| add(sums, sample, row, |sum, value| *sum += value));
            left.iter().for_each(|&row| add(sums, sample, row, |sum, value| *sum -= value));
            *count = *count + joined.len() as u64 - left.len() as u64;
        });
    }

    /// Returns the mean of each centroid's rows, and the centroid itself where it has none.
    fn means(&self) -> Array2<f32> {
        let mut means = self.centroids.vectors().to_owned();
        for ((mut mean, sums), &count) in means.rows_mut().into_iter().zip(self.sums.rows()).zip(&self.counts) {
            if count > 0 {
                mean.zip_mut_with(&sums, |mean, sum| *mean = (sum / count as f64) as f32);
            }
        }
        means
    }
}

impl Steps for MatrixSteps<'_> {
    fn step(&mut self, num_rows: usize, reach: Reach) -> Result<f64, FitError> {
        self.squared_norm += sum_of_squares(self.sample.slice(s![self.labels.len()..num_rows, ..]));
        let nearest = self.label(num_rows, reach);
        let changes = self.relabel(nearest.labels);
        self.account(&changes);
        self.centroids = Centroids::new(self.means());
        Ok((self.squared_norm - 2.0 * nearest.score).max(0.0))
    }

    fn centroids(&self) -> ArrayView2<'_, f32> {
        self.centroids.vectors()
    }
}

/// Adds a row of the sample to sums, or takes it from them.
fn add(sums: &mut [f64], sample: ArrayView2<'_, f32>, row: usize, change: impl Fn(&mut f64, f64)) {
    // Slices, not ndarray's iterators: with those a pass took half as long again.
    let values = sample.row(row).to_slice().expect("rows of a matrix in standard layout");
    sums.iter_mut().zip(values).for_each(|(sum, &value)| change(sum, f64::from(value)));
}

/// Returns the sum of all squared norms, the same on any number of threads.
fn sum_of_squares(rows: ArrayView2<'_, f32>) -> f64 {
    let norm = |row: ndarray::ArrayView1<'_, f32>| row.to_slice().map_or(0.0, squared_norm);
    let chunks = rows.axis_chunks_iter(Axis(0), CHUNK_ROWS).into_par_iter();
    let sums: Vec<f64> = chunks.map(|rows| rows.rows().into_iter().map(norm).sum()).collect();
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmeans::engine::LinfaSteps;
    use ndarray::array;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    /// Rows scattered about `blobs` centres, so that float32 noise decides no label.
    fn blobs(rows: usize, dim: usize, blobs: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let centres = Array2::from_shape_simple_fn((blobs, dim), || rng.gen_range(-5.0_f32..5.0));
        Array2::from_shape_fn((rows, dim), |(row, column)| centres[[row % blobs, column]] + rng.gen_range(-0.5..0.5))
    }

    /// Takes the same steps with both engines and compares them after each.
    fn hold_against_linfa(rows: &Array2<f32>, clusters: usize, first_rows: usize) {
        let initial = rows.slice(s![..clusters, ..]).to_owned();
        let mut ours = MatrixSteps::new(rows.view(), initial.clone());
        let mut theirs = LinfaSteps::new(rows.view(), initial);
        for num_rows in [first_rows, first_rows, rows.nrows(), rows.nrows()] {
            let our_inertia = ours.step(num_rows, Reach::Near).unwrap();
            let their_inertia = theirs.step(num_rows, Reach::Near).unwrap();
            assert!((our_inertia - their_inertia).abs() <= 1e-3 * our_inertia.max(1e-3));
            for (our, their) in ours.centroids().iter().zip(theirs.centroids()) {
                assert!((our - their).abs() <= 2e-4, "{our} and {their}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn each_step_moves_each_centroid_as_linfa_does(
            rows in 50_usize..400, dim in 2_usize..40, clusters in 1_usize..12, first_rows in 20_usize..50, seed: u64,
        ) {
            hold_against_linfa(&blobs(rows, dim, clusters, seed), clusters, first_rows);
        }
    }

    #[test]
    fn a_centroid_without_rows_stays_where_it_is() {
        let sample = array![[1.0], [3.0]];
        let mut steps = MatrixSteps::new(sample.view(), array![[0.0], [100.0]]);
        let inertia = steps.step(2, Reach::All).unwrap();
        assert_eq!(steps.centroids(), array![[2.0], [100.0]]);
        assert!((inertia - 10.0).abs() < 1e-5);
    }

    #[test]
    fn a_row_counts_once_however_often_it_is_taken() {
        let sample = array![[0.0], [4.0], [5.0], [9.0]];
        let mut steps = MatrixSteps::new(sample.view(), array![[0.0], [4.0]]);
        steps.step(2, Reach::All).unwrap();
        steps.step(4, Reach::All).unwrap();
        assert_eq!(steps.centroids(), array![[0.0], [6.0]]);
        steps.step(4, Reach::All).unwrap();
        assert_eq!(steps.centroids(), array![[0.0], [6.0]]);
    }

    #[test]
    fn steps_are_the_same_on_any_number_of_threads() {
        let rows = blobs(5_000, 24, 130, 3);
        let after_steps = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut steps = MatrixSteps::new(rows.view(), rows.slice(s![..140, ..]).to_owned());
                let inertias = [1_500, 1_500, 5_000, 5_000].map(|n| steps.step(n, Reach::Near).unwrap().to_bits());
                (inertias, steps.centroids().to_owned())
            })
        };
        assert_eq!(after_steps(1), after_steps(2));
        assert_eq!(after_steps(1), after_steps(5));
    }
}
