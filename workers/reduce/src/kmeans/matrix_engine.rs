//! Turns a batch of vectors into better centroids: linfa's incremental k-means on matrix products.
//!
//! Behind linfa's trait `FitWith` (one mini-batch). A step assigns the batch to the centroids there are, then moves each
//! centroid to the running mean of all rows it was ever given; it has converged when the centroids moved less than the
//! tolerance, all together, in L2.
//!
//! Invariant: a step's result does not depend on the number of threads. Each centroid is summed by one task, in
//! float64, in the order of its rows, and rounded once.
//!
//! Method: mini-batch k-means, Sculley 2010.

use linfa::DatasetBase;
use linfa::traits::FitWith;
use linfa_clustering::{IncrKMeansError, KMeansParamsError};
use ndarray::{Array2, ArrayBase, ArrayView2, Axis, Data, Ix2};
use rayon::prelude::*;

use super::Centroids;
use crate::assign::{Inertia, assign};

/// What a run of steps starts from and when it has converged; always valid.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixKMeansParams {
    initial: Centroids,
    tolerance: f32,
}

impl MatrixKMeansParams {
    /// Starts from `initial`, `[k, dim]`, and calls a step converged that moves the centroids by less than `tolerance`.
    ///
    /// # Errors
    /// [`KMeansParamsError`] without any centroid, or if the tolerance is not above 0.
    pub fn new(initial: Array2<f32>, tolerance: f32) -> Result<Self, KMeansParamsError> {
        if initial.nrows() == 0 {
            Err(KMeansParamsError::NClusters)
        } else if tolerance > 0.0 {
            Ok(Self { initial: Centroids::new(initial), tolerance })
        } else {
            Err(KMeansParamsError::Tolerance)
        }
    }
}

/// Centroids in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixKMeans {
    centroids: Centroids,
    cluster_counts: Vec<u64>,
    inertia: f64,
}

impl MatrixKMeans {
    /// Returns the centroids after the last batch.
    #[must_use]
    pub fn centroids(&self) -> &Centroids {
        &self.centroids
    }

    /// Returns how many rows each centroid is the mean of.
    #[must_use]
    pub fn cluster_counts(&self) -> &[u64] {
        &self.cluster_counts
    }

    /// Returns the mean squared distance of the last batch to the centroids before it.
    #[must_use]
    pub fn inertia(&self) -> f64 {
        self.inertia
    }

    /// Takes in one batch; returns how far the centroids moved, all together, in L2.
    fn absorb(&mut self, batch: ArrayView2<'_, f32>) -> f64 {
        let batch = batch.as_standard_layout();
        let assigned = assign(batch.view(), &self.centroids);
        let mut inertia = Inertia::default();
        inertia.add(&assigned);
        self.inertia = if batch.is_empty() { 0.0 } else { inertia.total() / batch.nrows() as f64 };
        let members = Members::new(&assigned.labels, self.centroids.len());
        let mut moved = self.centroids.vectors().to_owned();
        moved.axis_iter_mut(Axis(0)).into_par_iter().zip(self.cluster_counts.par_iter_mut()).enumerate().for_each(
            |(label, (mut centroid, count))| {
                let rows = members.of(label);
                let mean = running_mean(self.centroids.vector(label), *count, batch.view(), rows);
                centroid.iter_mut().zip(mean).for_each(|(value, mean)| *value = mean);
                *count += rows.len() as u64;
            },
        );
        let shift = shift(self.centroids.vectors(), moved.view());
        self.centroids = Centroids::new(moved);
        shift
    }
}

/// The rows of a batch, gathered by label.
struct Members {
    rows: Vec<usize>,
    starts: Vec<usize>,
}

impl Members {
    /// Gathers rows by label, in ascending order within each.
    fn new(labels: &[i32], num_clusters: usize) -> Self {
        let mut starts = vec![0; num_clusters + 1];
        for &label in labels {
            starts[label as usize + 1] += 1;
        }
        for label in 0..num_clusters {
            starts[label + 1] += starts[label];
        }
        let (mut next, mut rows) = (starts.clone(), vec![0; labels.len()]);
        for (row, &label) in labels.iter().enumerate() {
            rows[next[label as usize]] = row;
            next[label as usize] += 1;
        }
        Self { rows, starts }
    }

    fn of(&self, label: usize) -> &[usize] {
        &self.rows[self.starts[label]..self.starts[label + 1]]
    }
}

/// Returns the mean of `count` rows whose mean is `centroid` and of `rows` of the batch, which is row-major.
///
/// Slices, not ndarray's iterators: with those a pass at k = 100 took 1.7 times as long as its assignment, now 1.2
/// times.
fn running_mean(centroid: &[f32], count: u64, batch: ArrayView2<'_, f32>, rows: &[usize]) -> Vec<f32> {
    if rows.is_empty() {
        return centroid.to_vec();
    }
    let mut sums: Vec<f64> = centroid.iter().map(|&value| f64::from(value) * count as f64).collect();
    for values in rows.iter().filter_map(|&row| batch.row(row).to_slice()) {
        sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let total = (count + rows.len() as u64) as f64;
    sums.into_iter().map(|sum| (sum / total) as f32).collect()
}

/// Returns the L2 distance between two matrices.
fn shift(before: ArrayView2<'_, f32>, after: ArrayView2<'_, f32>) -> f64 {
    let squares = before.iter().zip(after).map(|(&before, &after)| (f64::from(after) - f64::from(before)).powi(2));
    squares.sum::<f64>().sqrt()
}

impl<'a, S: Data<Elem = f32>, T> FitWith<'a, ArrayBase<S, Ix2>, T, IncrKMeansError<MatrixKMeans>>
    for MatrixKMeansParams
{
    type ObjectIn = Option<MatrixKMeans>;
    type ObjectOut = MatrixKMeans;

    /// Takes in one mini-batch, `[rows, dim]`; without a model, from the initial centroids and no counts.
    ///
    /// # Errors
    /// [`IncrKMeansError::NotConverged`] carries the model as long as the centroids move by the tolerance or more.
    fn fit_with(
        &self,
        model: Self::ObjectIn,
        dataset: &'a DatasetBase<ArrayBase<S, Ix2>, T>,
    ) -> Result<Self::ObjectOut, IncrKMeansError<Self::ObjectOut>> {
        let mut model = model.unwrap_or_else(|| MatrixKMeans {
            centroids: self.initial.clone(),
            cluster_counts: vec![0; self.initial.len()],
            inertia: 0.0,
        });
        let shift = model.absorb(dataset.records().view());
        if shift < f64::from(self.tolerance) { Ok(model) } else { Err(IncrKMeansError::NotConverged(model)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linfa::ParamGuard;
    use linfa::traits::Predict;
    use linfa_clustering::{KMeans, KMeansInit};
    use ndarray::{array, s};
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    /// Rows scattered about `blobs` centres, so that float32 noise decides no label.
    fn blobs(rows: usize, dim: usize, blobs: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let centres = Array2::from_shape_simple_fn((blobs, dim), || rng.gen_range(-5.0_f32..5.0));
        Array2::from_shape_fn((rows, dim), |(row, column)| centres[[row % blobs, column]] + rng.gen_range(-0.5..0.5))
    }

    fn either<M: std::fmt::Debug>(result: Result<M, IncrKMeansError<M>>) -> (M, bool) {
        match result {
            Ok(model) => (model, true),
            Err(IncrKMeansError::NotConverged(model)) => (model, false),
            Err(error) => panic!("{error}"),
        }
    }

    /// Runs both engines over the same batches and compares them after each.
    fn hold_against_linfa(rows: &Array2<f32>, clusters: usize, batch_rows: usize, tolerance: f32) {
        let initial = rows.slice(s![..clusters, ..]).to_owned();
        let ours = MatrixKMeansParams::new(initial.clone(), tolerance).unwrap();
        let theirs = KMeans::params_with_rng(clusters, Xoshiro256Plus::seed_from_u64(0))
            .init_method(KMeansInit::Precomputed(initial))
            .tolerance(tolerance)
            .check()
            .unwrap();
        let (mut our_model, mut their_model) = (None, None);
        for batch in rows.axis_chunks_iter(Axis(0), batch_rows).chain(rows.axis_chunks_iter(Axis(0), batch_rows)) {
            let dataset = DatasetBase::from(batch);
            let (our, our_end) = either(ours.fit_with(our_model, &dataset));
            let (their, their_end) = either(theirs.fit_with(their_model, &dataset));
            assert_eq!(our_end, their_end, "convergence");
            for (label, centroid) in their.centroids().rows().into_iter().enumerate() {
                for (our, their) in our.centroids().vector(label).iter().zip(centroid) {
                    assert!((our - their).abs() <= 2e-4, "centroid {label}: {our} and {their}");
                }
            }
            let their_counts: Vec<u64> = their.cluster_count().iter().map(|&count| count as u64).collect();
            assert_eq!(our.cluster_counts(), their_counts);
            assert!((our.inertia() - f64::from(their.inertia())).abs() <= 1e-3 * our.inertia().max(1e-3));
            let their_labels: Vec<i32> = their.predict(rows).iter().map(|&label| label as i32).collect();
            assert_eq!(assign(rows.view(), our.centroids()).labels, their_labels);
            (our_model, their_model) = (Some(our), Some(their));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn each_batch_moves_each_centroid_as_linfa_does(
            rows in 50_usize..400, dim in 2_usize..40, clusters in 1_usize..12, batch_rows in 20_usize..200, seed: u64,
        ) {
            hold_against_linfa(&blobs(rows, dim, clusters, seed), clusters, batch_rows, 1e-2);
        }
    }

    #[test]
    fn the_tolerance_is_the_l2_shift_of_all_centroids() {
        let rows = array![[1.0, 1.0], [11.0, 11.0]];
        for (tolerance, expected) in [(8.5, true), (8.4, false)] {
            let params = MatrixKMeansParams::new(array![[0.0, 0.0]], tolerance).unwrap();
            assert_eq!(either(params.fit_with(None, &DatasetBase::from(rows.view()))).1, expected);
        }
    }

    #[test]
    fn a_centroid_without_rows_stays_where_it_is() {
        let params = MatrixKMeansParams::new(array![[0.0], [100.0]], 1e-3).unwrap();
        let (model, _) = either(params.fit_with(None, &DatasetBase::from(array![[1.0], [3.0]].view())));
        assert_eq!(model.centroids().vectors(), array![[2.0], [100.0]]);
        assert_eq!(model.cluster_counts(), [2, 0]);
        assert!((model.inertia() - 5.0).abs() < 1e-12);
    }

    #[test]
    fn a_step_is_the_same_on_any_number_of_threads() {
        let rows = blobs(5_000, 24, 30, 3);
        let params = MatrixKMeansParams::new(rows.slice(s![..40, ..]).to_owned(), 1e-3).unwrap();
        let step = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| either(params.fit_with(None, &DatasetBase::from(rows.view()))).0)
        };
        assert_eq!(step(1), step(2));
        assert_eq!(step(1), step(5));
    }

    #[test]
    fn no_centroid_and_no_tolerance_are_refused() {
        assert!(matches!(MatrixKMeansParams::new(Array2::zeros((0, 3)), 1.0), Err(KMeansParamsError::NClusters)));
        assert!(matches!(MatrixKMeansParams::new(array![[1.0]], 0.0), Err(KMeansParamsError::Tolerance)));
    }
}
