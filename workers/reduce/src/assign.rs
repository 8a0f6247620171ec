//! Turns vectors and centroids into labels, similarities and squared distances.
//!
//! The label is the centroid of the highest score `x·c − |c|²/2`, which is the nearest one in L2; ties go to the lowest
//! label. Scores are float32 matrix products; what is reported of the chosen centroid (cosine, squared distance) is
//! computed anew in float64.
//!
//! Invariant: what a row gets depends on the row and the centroids alone, never on its block, its shard, the number of
//! threads or the rows beside it (see [`crate::matrix`]). [`Inertia`] adds in fixed point, so that its total does
//! not depend on the order of addition either.
//!
//! Leaves to others: reading blocks, writing labels, and what labels mean.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::kmeans::Centroids;
use crate::matrix::{CHUNK_ROWS, dot_f64, product_transposed_into, squared_norm};
use crate::meter::Meter;

/// Independent maxima in the search for the best score: a whole number of vector registers on every CPU.
const LANES: usize = 16;

/// Where each row of a block belongs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assigned {
    /// The label of the nearest centroid in L2.
    pub labels: Vec<i32>,
    /// The cosine to that centroid, in [-1, 1]; 0 where the row or the centroid has no length.
    pub similarities: Vec<f32>,
    /// The squared L2 distance to that centroid.
    pub squared_distances: Vec<f64>,
}

impl Assigned {
    /// Makes room for `num_rows` rows.
    fn with_rows(num_rows: usize) -> Self {
        Self { labels: vec![0; num_rows], similarities: vec![0.0; num_rows], squared_distances: vec![0.0; num_rows] }
    }

    /// Counts the rows of each of `num_clusters` labels.
    #[must_use]
    pub fn sizes(&self, num_clusters: usize) -> Vec<u64> {
        let mut sizes = vec![0; num_clusters];
        for &label in &self.labels {
            sizes[label as usize] += 1;
        }
        sizes
    }
}

/// Assigns each row of `block` to its nearest centroid, on all threads of the current rayon pool.
///
/// `block` is `[rows, dim]`, and every list returned has one entry for each row.
///
/// # Panics
/// If there is no centroid, or the block's rows and the centroids differ in length.
#[must_use]
pub fn assign(block: ArrayView2<'_, f32>, centroids: &Centroids) -> Assigned {
    assign_metered(block, centroids, &Meter::default())
}

/// Does what [`assign`] does, and counts its products.
///
/// # Panics
/// As [`assign`].
#[must_use]
pub fn assign_metered(block: ArrayView2<'_, f32>, centroids: &Centroids, meter: &Meter) -> Assigned {
    assign_block(block, centroids, meter, |_, _, _| false).0
}

/// Assigns each row as [`assign`] does and names those that two or more centroids score exactly alike, in ascending
/// order: the rows that another order of the same centroids can give to another one.
pub(crate) fn assign_and_find_ties(block: ArrayView2<'_, f32>, centroids: &Centroids) -> (Assigned, Vec<usize>) {
    assign_block(block, centroids, &Meter::default(), is_tied)
}

/// Assigns each row and names those of which `is_named` holds, given products, |c|²/2 and label.
fn assign_block(
    block: ArrayView2<'_, f32>,
    centroids: &Centroids,
    meter: &Meter,
    is_named: impl Fn(&[f32], &[f32], usize) -> bool + Sync,
) -> (Assigned, Vec<usize>) {
    let block = block.as_standard_layout();
    let mut assigned = Assigned::with_rows(block.nrows());
    let named: Vec<Vec<usize>> = block
        .axis_chunks_iter(Axis(0), CHUNK_ROWS)
        .into_par_iter()
        .zip(assigned.labels.par_chunks_mut(CHUNK_ROWS))
        .zip(assigned.similarities.par_chunks_mut(CHUNK_ROWS))
        .zip(assigned.squared_distances.par_chunks_mut(CHUNK_ROWS))
        .enumerate()
        .map_init(Vec::new, |scores, (chunk, (((rows, labels), similarities), squared_distances))| {
            let operations = 2 * (rows.len() * centroids.len()) as u64;
            meter.products(operations, || score_rows(rows, centroids.vectors(), scores));
            let mut named = Vec::new();
            for (row, x) in rows.rows().into_iter().filter_map(|row| row.to_slice()).enumerate() {
                let products = &scores[row * centroids.len()..(row + 1) * centroids.len()];
                let label = highest(products, centroids.half_squared_norms());
                labels[row] = label as i32;
                (similarities[row], squared_distances[row]) = compare(x, label, centroids);
                if is_named(products, centroids.half_squared_norms(), label) {
                    named.push(chunk * CHUNK_ROWS + row);
                }
            }
            named
        })
        .collect();
    (assigned, named.concat())
}

/// Returns the `count` nearest centroids of each row in L2, the nearest first, ties by label; all of them if they are fewer.
///
/// # Panics
/// As [`assign`].
#[must_use]
pub fn nearest_labels(rows: ArrayView2<'_, f32>, centroids: &Centroids, count: usize) -> Vec<Vec<usize>> {
    let mut scores = Vec::new();
    score_rows(rows, centroids.vectors(), &mut scores);
    let halves = centroids.half_squared_norms();
    let order = |products: &[f32]| {
        let score = |label: usize| products[label] - halves[label];
        let mut labels: Vec<usize> = (0..products.len()).collect();
        labels.sort_by(|&left, &right| score(right).total_cmp(&score(left)).then(left.cmp(&right)));
        labels.truncate(count);
        labels
    };
    scores.chunks(centroids.len()).map(order).collect()
}

/// Fills `products` with those of all rows and all centroids, a row after the other.
pub(crate) fn score_rows(rows: ArrayView2<'_, f32>, centroids: ArrayView2<'_, f32>, products: &mut Vec<f32>) {
    products.resize(rows.nrows() * centroids.nrows(), 0.0);
    let shape = (rows.nrows(), centroids.nrows());
    let out = ArrayViewMut2::from_shape(shape, products).expect("one product a row and centroid");
    product_transposed_into(rows, centroids, out);
}

/// Finds the first centroid of the highest score among the products of one row, given |c|²/2 of each centroid.
pub(crate) fn highest(products: &[f32], halves: &[f32]) -> usize {
    let ((products_chunks, products_rest), (halves_chunks, halves_rest)) =
        (products.as_chunks::<LANES>(), halves.as_chunks::<LANES>());
    let mut best = [f32::NEG_INFINITY; LANES];
    for (products, halves) in products_chunks.iter().zip(halves_chunks) {
        for lane in 0..LANES {
            let score = products[lane] - halves[lane];
            best[lane] = if score > best[lane] { score } else { best[lane] };
        }
    }
    let rest = products_rest.iter().zip(halves_rest).map(|(product, half)| product - half);
    let best = best.into_iter().chain(rest).fold(f32::NEG_INFINITY, f32::max);
    products.iter().zip(halves).position(|(product, half)| product - half >= best).unwrap_or(0)
}

/// Tells whether a centroid after the best one scores as high.
fn is_tied(products: &[f32], halves: &[f32], best: usize) -> bool {
    let score = products[best] - halves[best];
    let after = products[best + 1..].iter().zip(&halves[best + 1..]);
    // Counted, not searched for: the first match ends a search, which keeps it from running in vector registers.
    after.filter(|&(product, half)| product - half >= score).count() > 0
}

/// Returns cosine and squared distance of a row and its centroid.
fn compare(x: &[f32], label: usize, centroids: &Centroids) -> (f32, f64) {
    let (dot, x_norm, centroid_norm) =
        (dot_f64(x, centroids.vector(label)), squared_norm(x), centroids.squared_norms()[label]);
    let length = (x_norm * centroid_norm).sqrt();
    let cosine = if length > 0.0 { (dot / length).clamp(-1.0, 1.0) } else { 0.0 };
    (cosine as f32, (x_norm - 2.0 * dot + centroid_norm).max(0.0))
}

/// The sum of squared distances of all rows to their centroids, whatever the order in which they come.
///
/// Each squared distance is cut off to a multiple of 2⁻⁶⁰ and added as an integer, so additions commute exactly. Room
/// for 2³⁰ rows at squared distances of up to 2³⁸; beyond that it saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inertia(u128);

impl Inertia {
    /// The integer that stands for 1.
    const ONE: f64 = (1_u64 << 60) as f64;

    /// Adds the rows of a block.
    pub fn add(&mut self, assigned: &Assigned) {
        for distance in &assigned.squared_distances {
            self.0 = self.0.saturating_add((distance * Self::ONE) as u128);
        }
    }

    /// Returns the sum so far.
    #[must_use]
    pub fn total(self) -> f64 {
        self.0 as f64 / Self::ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array, s};
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    fn random(rows: usize, dim: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        Array2::from_shape_simple_fn((rows, dim), || rng.gen_range(-1.0..1.0))
    }

    fn squared_distance(x: ndarray::ArrayView1<'_, f32>, y: ndarray::ArrayView1<'_, f32>) -> f64 {
        x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
    }

    fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
    }

    proptest! {
        #[test]
        fn labels_and_distances_equal_brute_force(rows in 0_usize..90, k in 1_usize..40, dim in 1_usize..70, seed: u64) {
            let (block, centroids) = (random(rows, dim, seed), Centroids::new(random(k, dim, seed ^ 1)));
            let assigned = assign(block.view(), &centroids);
            prop_assert_eq!(assigned.labels.len(), rows);
            for (row, x) in block.rows().into_iter().enumerate() {
                let distances: Vec<f64> =
                    centroids.vectors().rows().into_iter().map(|c| squared_distance(x, c)).collect();
                let nearest = distances.iter().copied().fold(f64::INFINITY, f64::min);
                let label = assigned.labels[row] as usize;
                prop_assert!(distances[label] <= nearest + 1e-5 * dim as f64);
                prop_assert!((assigned.squared_distances[row] - distances[label]).abs() <= 1e-12 * dim as f64);
                let c = centroids.vector(label);
                let x = x.as_slice().unwrap();
                let cosine = dot_f64(x, c) / (squared_norm(x) * squared_norm(c)).sqrt();
                prop_assert!((f64::from(assigned.similarities[row]) - cosine).abs() <= 1e-7);
            }
        }

        #[test]
        fn a_row_gets_the_same_in_any_block_on_any_number_of_threads(
            rows in 1_usize..2500, k in 1_usize..20, cut in 0_usize..2500, threads in 1_usize..6, seed: u64,
        ) {
            let (block, centroids) = (random(rows, 9, seed), Centroids::new(random(k, 9, seed ^ 1)));
            let whole = on_threads(1, || assign(block.view(), &centroids));
            let cut = cut % rows;
            let (head, tail) = on_threads(threads, || {
                (assign(block.slice(s![..cut, ..]), &centroids), assign(block.slice(s![cut.., ..]), &centroids))
            });
            prop_assert_eq!(&[head.labels.clone(), tail.labels.clone()].concat(), &whole.labels);
            prop_assert_eq!(&[head.similarities.clone(), tail.similarities.clone()].concat(), &whole.similarities);
            let (mut forwards, mut backwards, mut expected) = (Inertia::default(), Inertia::default(), Inertia::default());
            forwards.add(&head);
            forwards.add(&tail);
            backwards.add(&tail);
            backwards.add(&head);
            expected.add(&whole);
            prop_assert_eq!(forwards, expected);
            prop_assert_eq!(backwards.total().to_bits(), expected.total().to_bits());
        }
    }

    #[test]
    fn ties_go_to_the_lowest_label_wherever_they_stand() {
        for (k, twin) in [(2, 1), (16, 7), (40, 39), (40, 16)] {
            let mut vectors = random(k, 24, 5);
            let copied = vectors.row(0).to_owned();
            vectors.row_mut(twin).assign(&copied);
            let assigned = assign(copied.view().insert_axis(Axis(0)), &Centroids::new(vectors));
            assert_eq!(assigned.labels, [0]);
            assert_eq!(assigned.squared_distances, [0.0]);
            assert_eq!(assigned.similarities, [1.0]);
        }
    }

    #[test]
    fn rows_that_two_centroids_score_alike_are_named() {
        let centroids = Centroids::new(array![[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [0.0, -2.0]]);
        let block = array![[0.1, 0.7], [0.5, 0.5], [0.0, -9.0], [0.0, -0.1], [2.0, 2.0]];
        let (assigned, tied) = assign_and_find_ties(block.view(), &centroids);
        assert_eq!(assigned, assign(block.view(), &centroids));
        assert_eq!(assigned.labels, [0, 0, 3, 1, 0]);
        assert_eq!(tied, [1, 3, 4]);
    }

    #[test]
    fn vectors_without_length_have_similarity_zero() {
        let centroids = Centroids::new(array![[0.0, 0.0], [5.0, 5.0]]);
        let assigned = assign(array![[0.1, 0.0], [0.0, 0.0], [5.0, 4.0]].view(), &centroids);
        assert_eq!(assigned.labels, [0, 0, 1]);
        assert_eq!(assigned.similarities[..2], [0.0, 0.0]);
        assert_eq!(assigned.sizes(2), [2, 1]);
    }

    #[test]
    fn a_block_in_another_memory_layout_is_assigned_alike() {
        let (block, centroids) = (random(40, 6, 1), Centroids::new(random(5, 6, 2)));
        let columns = block.t().as_standard_layout().into_owned();
        assert_eq!(assign(columns.t(), &centroids), assign(block.view(), &centroids));
    }
}
