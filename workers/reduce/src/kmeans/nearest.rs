//! Turns rows and centroids into labels, and no more than that: what a step of k-means needs.
//!
//! Either each row meets all centroids, or the members of a cluster meet the centroids nearest to their own, a matrix
//! product for each cluster. The second looks at [`NEIGHBOURS`] centroids whatever k is and finds the nearest one of
//! all but a few rows, as centroids move little from step to step.
//!
//! Invariant: what a row gets depends on the row and the centroids that it meets, not on the number of threads.
//!
//! Method: k²-means, Agustsson, Timofte and Van Gool 2017.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::Centroids;
use super::members::Members;
use crate::assign::{highest, score_rows};
use crate::matrix::CHUNK_ROWS;

/// The centroids that a row is compared with where it need not be compared with all.
///
/// With 400 clusters of 35,709 abstracts of 384 dimensions, 24, 48 and all ended at inertias of 16,463, 16,465 and 16,465
/// after 1.9, 1.8 and 3.7 s of one core; with 100 clusters, 24 and 48 at 18,581 and 18,574 (means of six seeds).
pub(super) const NEIGHBOURS: usize = 48;

/// Centroids that one task compares with all others at a time, enough for a product that is worth its packing.
const BLOCK_CENTROIDS: usize = 64;

/// Where a row belongs among the centroids that it met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nearest {
    /// The label of the nearest one.
    pub(super) label: u32,
    /// By how much the next one is farther, in L2.
    pub(super) lead: f32,
}

/// Compares each row with all centroids and returns their labels; `rows` is in standard layout.
pub(super) fn among_all(rows: ArrayView2<'_, f32>, centroids: &Centroids) -> Vec<u32> {
    let mut labels = vec![0; rows.nrows()];
    rows.axis_chunks_iter(Axis(0), CHUNK_ROWS).into_par_iter().zip(labels.par_chunks_mut(CHUNK_ROWS)).for_each_init(
        Vec::new,
        |products, (rows, labels)| {
            score_rows(rows, centroids.vectors(), products);
            for (label, products) in labels.iter_mut().zip(products.chunks_exact(centroids.len())) {
                *label = highest(products, centroids.half_squared_norms()) as u32;
            }
        },
    );
    labels
}

/// Compares the members of each cluster with its neighbours, as [`neighbours`] names them; `rows` is in standard layout.
///
/// Returns the members, each with what it got; `squared_norm` tells that of a row.
pub(super) fn among_neighbours(
    rows: ArrayView2<'_, f32>,
    members: &Members,
    squared_norm: impl Fn(usize) -> f32 + Sync,
    centroids: &Centroids,
    neighbours: &[Vec<usize>],
) -> Vec<(usize, Nearest)> {
    let blocks: Vec<(usize, &[usize])> = (0..centroids.len())
        .flat_map(|label| members.of(label).chunks(CHUNK_ROWS).map(move |rows| (label, rows)))
        .collect();
    let found: Vec<Vec<(usize, Nearest)>> = blocks
        .par_iter()
        .map_init(Workspace::default, |work, &(label, members)| {
            work.multiply(rows, members, centroids, &neighbours[label]);
            let products = work.products.chunks_exact_mut(work.halves.len()).zip(members);
            products
                .map(|(products, &row)| (row, nearest(products, &work.halves, squared_norm(row), &neighbours[label])))
                .collect()
        })
        .collect();
    found.concat()
}

/// Finds where a row belongs by its products with some centroids, which are overwritten.
fn nearest(products: &mut [f32], halves: &[f32], squared_norm: f32, labels: &[usize]) -> Nearest {
    let distance = |product: f32, half: f32| (squared_norm - 2.0 * (product - half)).max(0.0).sqrt();
    let best = highest(products, halves);
    let shortest = distance(products[best], halves[best]);
    products[best] = f32::NEG_INFINITY;
    let next = highest(products, halves);
    Nearest { label: labels[best] as u32, lead: distance(products[next], halves[next]) - shortest }
}

/// Names the centroids nearest to each one, itself among them, in ascending order.
pub(super) fn neighbours(centroids: &Centroids) -> Vec<Vec<usize>> {
    let (vectors, k) = (centroids.vectors(), centroids.len());
    let blocks: Vec<Vec<Vec<usize>>> = vectors
        .axis_chunks_iter(Axis(0), BLOCK_CENTROIDS)
        .into_par_iter()
        .enumerate()
        .map_init(Vec::new, |products, (block, rows)| {
            score_rows(rows, vectors, products);
            let labels = block * BLOCK_CENTROIDS..;
            products
                .chunks_exact_mut(k)
                .zip(labels)
                .map(|(products, label)| nearest_to(label, products, centroids))
                .collect()
        })
        .collect();
    blocks.into_iter().flatten().collect()
}

/// Names the centroids nearest to one by its products with all; these are overwritten.
fn nearest_to(label: usize, products: &mut [f32], centroids: &Centroids) -> Vec<usize> {
    products.iter_mut().zip(centroids.half_squared_norms()).for_each(|(product, half)| *product -= half);
    products[label] = f32::INFINITY;
    let mut order: Vec<usize> = (0..products.len()).collect();
    if NEIGHBOURS < order.len() {
        order.select_nth_unstable_by(NEIGHBOURS, |&a, &b| products[b].total_cmp(&products[a]).then(a.cmp(&b)));
        order.truncate(NEIGHBOURS);
        order.sort_unstable();
    }
    order
}

/// What a task keeps from block to block.
#[derive(Default)]
struct Workspace {
    rows: Vec<f32>,
    candidates: Vec<f32>,
    /// |c|²/2 of each candidate.
    halves: Vec<f32>,
    /// `[members, candidates]`.
    products: Vec<f32>,
}

impl Workspace {
    /// Multiplies the members of one cluster with the candidates.
    fn multiply(&mut self, rows: ArrayView2<'_, f32>, members: &[usize], centroids: &Centroids, candidates: &[usize]) {
        gather(rows, members, &mut self.rows);
        gather(centroids.vectors(), candidates, &mut self.candidates);
        self.halves.clear();
        self.halves.extend(candidates.iter().map(|&label| centroids.half_squared_norms()[label]));
        let view = |values, num_rows| ArrayView2::from_shape((num_rows, rows.ncols()), values).expect("whole rows");
        score_rows(view(&self.rows, members.len()), view(&self.candidates, candidates.len()), &mut self.products);
    }
}

/// Copies some rows of a matrix, one after the other.
fn gather(matrix: ArrayView2<'_, f32>, rows: &[usize], out: &mut Vec<f32>) {
    out.clear();
    for &row in rows {
        out.extend_from_slice(matrix.row(row).to_slice().expect("a matrix in standard layout"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assign::assign;
    use crate::matrix::{squared_norm, squared_norms};
    use ndarray::Array2;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    fn random(rows: usize, dim: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        Array2::from_shape_simple_fn((rows, dim), || rng.gen_range(-1.0..1.0))
    }

    /// Compares all rows with the neighbours of the centroids that they are said to belong to.
    fn from_labels(rows: &Array2<f32>, labels: &[u32], centroids: &Centroids) -> Vec<Nearest> {
        let norms = squared_norms(rows.view());
        let members = Members::new(labels.iter().copied().enumerate(), centroids.len());
        let norm = |row: usize| norms[row] as f32;
        let mut found = among_neighbours(rows.view(), &members, norm, centroids, &neighbours(centroids));
        found.sort_by_key(|found| found.0);
        found.into_iter().map(|found| found.1).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn few_centroids_are_all_compared_either_way(
            rows in 1_usize..1500, k in 1_usize..=NEIGHBOURS, dim in 1_usize..40, seed: u64,
        ) {
            let (rows, centroids) = (random(rows, dim, seed), Centroids::new(random(k, dim, seed ^ 1)));
            let labels = among_all(rows.view(), &centroids);
            let expected: Vec<u32> =
                assign(rows.view(), &centroids).labels.into_iter().map(|label| label as u32).collect();
            prop_assert_eq!(&labels, &expected);
            let from: Vec<u32> = (0..rows.nrows()).map(|row| (row % k) as u32).collect();
            for (row, near) in from_labels(&rows, &from, &centroids).into_iter().enumerate() {
                prop_assert_eq!(near.label, labels[row]);
                let distance = |c: usize| squared_norm((&rows.row(row) - &centroids.vectors().row(c)).as_slice().unwrap()).sqrt();
                let others = (0..k).filter(|&label| label as u32 != near.label);
                let next = others.map(distance).fold(f64::INFINITY, f64::min);
                let lead = next - distance(near.label as usize);
                prop_assert!(near.lead.is_infinite() && k == 1 || (f64::from(near.lead) - lead).abs() < 1e-2);
            }
        }
    }

    #[test]
    fn of_many_centroids_the_neighbours_hold_nearly_always_the_nearest() {
        let (rows, centroids) = (random(3_000, 6, 1), Centroids::new(random(300, 6, 2)));
        let labels = among_all(rows.view(), &centroids);
        let moved = Centroids::new(centroids.vectors().map(|value| value + 0.02 * (value * 99.0).sin()));
        let (near, exact) = (from_labels(&rows, &labels, &moved), among_all(rows.view(), &moved));
        let num_alike = near.iter().zip(&exact).filter(|(near, exact)| near.label == **exact).count();
        assert!(num_alike >= 2_990, "{num_alike} of 3000");
    }

    #[test]
    fn a_centroid_is_among_its_own_neighbours_even_beside_its_copies() {
        let copies = Centroids::new(Array2::from_elem((200, 3), 0.5));
        for (label, neighbours) in neighbours(&copies).iter().enumerate() {
            assert_eq!(neighbours.len(), NEIGHBOURS);
            assert!(neighbours.contains(&label) && neighbours.is_sorted());
        }
    }

    #[test]
    fn labels_are_the_same_on_any_number_of_threads() {
        let (rows, centroids) = (random(5_000, 9, 3), Centroids::new(random(150, 9, 4)));
        let on_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let labels = among_all(rows.view(), &centroids);
                let near = from_labels(&rows, &labels, &centroids);
                (labels, near)
            })
        };
        assert_eq!(on_threads(1), on_threads(2));
        assert_eq!(on_threads(1), on_threads(5));
    }
}
