//! K-means on matrix products over a growing batch.
//!
//! Each row of the batch counts once, with the label it had last: a step labels the rows, moves the changed ones from
//! sum to sum, and each centroid to the mean of its rows. A centroid without rows stays where it is. A row whose
//! centroid leads by far more than it and its neighbours have moved since keeps its label unseen.
//!
//! Invariant: a step's result does not depend on the number of threads. Each centroid is summed by one task, in
//! float64, in the order of its rows, and rounded once.
//!
//! Method: nested mini-batch k-means, Newling and Fleuret 2016; the lead is Hamerly's bound (2010), kept among
//! neighbours and loosely.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::engine::{Reach, Steps};
use super::members::Members;
use super::nearest::{NEIGHBOURS, among_all, among_neighbours, neighbours};
use super::{Centroids, FitError};
use crate::matrix::{squared_norm, squared_norms};

/// The part of the centroids' shifts that is taken from a row's lead.
///
/// All of it would be a bound, which is seldom needed: in many dimensions a shift is nearly orthogonal to the way to a
/// row. With 400 clusters of 35,709 abstracts of 384 dimensions, 1, 0.25 and 0.12 ended at inertias of 16,480, 16,480 and
/// 16,485 after 1.4, 1.2 and 1.2 s of one core; with 100 at 18,582, 18,581 and 18,585 after 0.78, 0.50 and 0.57 s (means of
/// six seeds); without leads it took 1.6 and 0.75 s. The schedule compares all rows with all centroids in the end.
const SHIFT_SHARE: f32 = 0.25;

/// Centroids in the making.
pub(super) struct MatrixSteps<'a> {
    sample: ArrayView2<'a, f32>,
    centroids: Centroids,
    /// How far each centroid went in the last step, in L2.
    shifts: Vec<f32>,
    /// The rows of the batch.
    rows: Vec<Row>,
    /// The sum of their squared norms.
    squared_norm: f64,
    /// The sum of the rows of each label, `[k, dim]`, and their number.
    sums: Array2<f64>,
    counts: Vec<u64>,
}

/// A row of the batch.
#[derive(Clone, Copy)]
struct Row {
    label: u32,
    /// By how much the nearest of the other centroids it met is still thought to be farther; up to 0 if that is not known.
    lead: f32,
    squared_norm: f32,
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
        let (sums, counts, shifts) =
            (Array2::zeros(initial.dim()), vec![0; initial.nrows()], vec![0.0; initial.nrows()]);
        let centroids = Centroids::new(initial);
        Self { sample, centroids, shifts, rows: Vec::new(), squared_norm: 0.0, sums, counts }
    }

    /// Labels rows of the batch anew by the centroids near theirs; returns the changes.
    fn compare_with_neighbours(&mut self) -> Vec<Change> {
        let neighbours = neighbours(&self.centroids);
        self.lower_leads(&neighbours);
        let unsure = self.rows.iter().enumerate().filter(|(_, row)| row.lead <= 0.0);
        let members = Members::new(unsure.map(|(row, state)| (row, state.label)), self.centroids.len());
        let norm = |row: usize| self.rows[row].squared_norm;
        let found = among_neighbours(self.sample, &members, norm, &self.centroids, &neighbours);
        let mut changes = Vec::new();
        for (row, nearest) in found {
            let state = &mut self.rows[row];
            if state.label != nearest.label {
                changes.push(Change { row, from: Some(state.label), to: nearest.label });
            }
            (state.label, state.lead) = (nearest.label, nearest.lead);
        }
        changes
    }

    /// Takes from each lead what the last step is thought to have taken at most.
    fn lower_leads(&mut self, neighbours: &[Vec<usize>]) {
        let farthest = |(label, neighbours): (usize, &Vec<usize>)| {
            let others = neighbours.iter().filter(|&&other| other != label);
            self.shifts[label] + others.map(|&other| self.shifts[other]).fold(0.0, f32::max)
        };
        let losses: Vec<f32> = neighbours.iter().enumerate().map(farthest).collect();
        self.rows.iter_mut().for_each(|row| row.lead -= SHIFT_SHARE * losses[row.label as usize]);
    }

    /// Labels the rows from the given one on, which are new to the batch or not, by all centroids; returns the changes.
    fn compare_with_all(&mut self, first: usize, num_rows: usize) -> Vec<Change> {
        let labels = among_all(self.sample.slice(s![first..num_rows, ..]), &self.centroids);
        self.relabel(first, &labels)
    }

    /// Gives labels to the rows from the given one on; returns the changes.
    fn relabel(&mut self, first: usize, labels: &[u32]) -> Vec<Change> {
        let num_known = self.rows.len();
        let fresh = self.sample.slice(s![num_known..first + labels.len(), ..]);
        let norms = fresh.axis_iter(Axis(0)).into_par_iter().map(|row| row.to_slice().map_or(0.0, squared_norm));
        let norms: Vec<f64> = norms.collect();
        self.squared_norm += norms.iter().sum::<f64>();
        self.rows.extend(norms.iter().map(|&norm| Row { label: 0, lead: 0.0, squared_norm: norm as f32 }));
        let mut changes = Vec::new();
        for ((row, state), &to) in self.rows.iter_mut().enumerate().skip(first).zip(labels) {
            let from = (row < num_known).then_some(state.label);
            if from != Some(to) {
                changes.push(Change { row, from, to });
            }
            (state.label, state.lead) = (to, 0.0);
        }
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

    /// Returns the inertia of the batch by its labels: a matter of the sums alone.
    fn inertia(&self) -> f64 {
        let clusters = self.centroids.vectors().into_iter().zip(&self.sums);
        let products: f64 = clusters.map(|(&centroid, sum)| f64::from(centroid) * sum).sum();
        let norms = self.centroids.squared_norms().iter().zip(&self.counts);
        let norms: f64 = norms.map(|(norm, &count)| norm * count as f64).sum();
        (self.squared_norm - 2.0 * products + norms).max(0.0)
    }

    /// Moves each centroid to the mean of its rows, if it has any.
    fn move_to_means(&mut self) {
        let mut means = self.centroids.vectors().to_owned();
        for ((mut mean, sums), &count) in means.rows_mut().into_iter().zip(self.sums.rows()).zip(&self.counts) {
            if count > 0 {
                mean.zip_mut_with(&sums, |mean, sum| *mean = (sum / count as f64) as f32);
            }
        }
        let differences = &means - &self.centroids.vectors();
        self.shifts = squared_norms(differences.view()).into_iter().map(|norm| norm.sqrt() as f32).collect();
        self.centroids = Centroids::new(means);
    }
}

impl Steps for MatrixSteps<'_> {
    fn step(&mut self, num_rows: usize, reach: Reach) -> Result<f64, FitError> {
        let num_known = if reach == Reach::All || NEIGHBOURS >= self.centroids.len() { 0 } else { self.rows.len() };
        let mut changes = if num_known > 0 { self.compare_with_neighbours() } else { Vec::new() };
        changes.extend(self.compare_with_all(num_known, num_rows));
        self.account(&changes);
        let inertia = self.inertia();
        self.move_to_means();
        Ok(inertia)
    }

    fn step_labelled(&mut self, labels: &[i32]) -> Result<(), FitError> {
        let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
        let changes = self.relabel(0, &labels);
        self.account(&changes);
        self.move_to_means();
        Ok(())
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
