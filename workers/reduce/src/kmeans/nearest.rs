//! Turns rows and centroids into labels, and no more than that: what a step of k-means needs.
//!
//! Either each row meets all centroids, or the members of a cluster meet the centroids nearest to their own, a matrix
//! product for each cluster. The second looks at [`NEIGHBOURS`] centroids whatever k is and finds the nearest one of
//! all but a few rows, as centroids move little from step to step.
//!
//! Invariant: the labels and the sum depend on the arguments, not on the number of threads: sums are taken over blocks
//! of fixed rows and added in their order.
//!
//! Method: k²-means, Agustsson, Timofte and Van Gool 2017, without its bounds.

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;

use super::Centroids;
use super::members::Members;
use crate::assign::{highest, score_rows};
use crate::matrix::CHUNK_ROWS;

/// The centroids that a row is compared with where it need not be compared with all.
pub(super) const NEIGHBOURS: usize = 32;

/// Centroids that one task compares with all others at a time, enough for a product that is worth its packing.
const BLOCK_CENTROIDS: usize = 64;

/// Where rows belong.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nearest {
    /// The label of each row.
    pub(super) labels: Vec<u32>,
    /// The sum of `x·c − |c|²/2` over the rows x and their centroids c.
    pub(super) score: f64,
}

/// Compares each row with all centroids; `rows` is in standard layout.
pub(super) fn among_all(rows: ArrayView2<'_, f32>, centroids: &Centroids) -> Nearest {
    let mut labels = vec![0; rows.nrows()];
    let scores: Vec<f64> = rows
        .axis_chunks_iter(Axis(0), CHUNK_ROWS)
        .into_par_iter()
        .zip(labels.par_chunks_mut(CHUNK_ROWS))
        .map_init(Vec::new, |scores, (rows, labels)| {
            score_rows(rows, centroids.vectors(), scores);
            best_of_each(scores, centroids.half_squared_norms(), |row, label| labels[row] = label as u32)
        })
        .collect();
    Nearest { labels, score: scores.iter().sum() }
}

/// Compares each row with the centroids nearest to that of its label; `rows` is in standard layout.
pub(super) fn among_neighbours(rows: ArrayView2<'_, f32>, labels: &[u32], centroids: &Centroids) -> Nearest {
    let neighbours = neighbours(centroids);
    let members = Members::new(labels.iter().copied().enumerate(), centroids.len());
    let blocks: Vec<(usize, &[usize])> = (0..centroids.len())
        .flat_map(|label| members.of(label).chunks(CHUNK_ROWS).map(move |rows| (label, rows)))
        .collect();
    let found: Vec<Nearest> = blocks
        .par_iter()
        .map_init(Workspace::default, |work, &(label, members)| work.find(rows, members, centroids, &neighbours[label]))
        .collect();
    let mut nearest = Nearest { labels: vec![0; rows.nrows()], score: 0.0 };
    for ((_, members), found) in blocks.iter().zip(found) {
        members.iter().zip(found.labels).for_each(|(&row, label)| nearest.labels[row] = label);
        nearest.score += found.score;
    }
    nearest
}

/// Names the centroids nearest to each one, itself among them, in ascending order.
fn neighbours(centroids: &Centroids) -> Vec<Vec<usize>> {
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
    halves: Vec<f32>,
    scores: Vec<f32>,
}

impl Workspace {
    /// Compares the members of one cluster with the candidates.
    fn find(
        &mut self,
        rows: ArrayView2<'_, f32>,
        members: &[usize],
        centroids: &Centroids,
        candidates: &[usize],
    ) -> Nearest {
        gather(rows, members, &mut self.rows);
        gather(centroids.vectors(), candidates, &mut self.candidates);
        self.halves.clear();
        self.halves.extend(candidates.iter().map(|&label| centroids.half_squared_norms()[label]));
        let view = |values, num_rows| ArrayView2::from_shape((num_rows, rows.ncols()), values).expect("whole rows");
        score_rows(view(&self.rows, members.len()), view(&self.candidates, candidates.len()), &mut self.scores);
        let mut labels = vec![0; members.len()];
        let score = best_of_each(&self.scores, &self.halves, |row, place| labels[row] = candidates[place] as u32);
        Nearest { labels, score }
    }
}

/// Copies some rows of a matrix, one after the other.
fn gather(matrix: ArrayView2<'_, f32>, rows: &[usize], out: &mut Vec<f32>) {
    out.clear();
    for &row in rows {
        out.extend_from_slice(matrix.row(row).to_slice().expect("a matrix in standard layout"));
    }
}

/// Finds the best centroid of each row among products; returns the sum of the best scores.
fn best_of_each(products: &[f32], halves: &[f32], mut take: impl FnMut(usize, usize)) -> f64 {
    let mut sum = 0.0;
    for (row, products) in products.chunks_exact(halves.len()).enumerate() {
        let best = highest(products, halves);
        sum += f64::from(products[best] - halves[best]);
        take(row, best);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assign::assign;
    use ndarray::Array2;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    fn random(rows: usize, dim: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        Array2::from_shape_simple_fn((rows, dim), || rng.gen_range(-1.0..1.0))
    }

    fn signed(labels: &[u32]) -> Vec<i32> {
        labels.iter().map(|&label| label as i32).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn few_centroids_are_all_compared_either_way(
            rows in 1_usize..1500, k in 1_usize..=NEIGHBOURS, dim in 1_usize..40, seed: u64,
        ) {
            let (rows, centroids) = (random(rows, dim, seed), Centroids::new(random(k, dim, seed ^ 1)));
            let assigned = assign(rows.view(), &centroids);
            let all = among_all(rows.view(), &centroids);
            prop_assert_eq!(&signed(&all.labels), &assigned.labels);
            let from: Vec<u32> = (0..rows.nrows()).map(|row| (row % k) as u32).collect();
            let near = among_neighbours(rows.view(), &from, &centroids);
            prop_assert_eq!(&near.labels, &all.labels);
            let norms: f64 = rows.iter().map(|&value| f64::from(value).powi(2)).sum();
            let inertia: f64 = assigned.squared_distances.iter().sum();
            prop_assert!((norms - 2.0 * all.score - inertia).abs() <= 1e-5 * norms);
            prop_assert!((near.score - all.score).abs() <= 1e-5 * norms);
        }
    }

    #[test]
    fn of_many_centroids_the_neighbours_hold_nearly_always_the_nearest() {
        let (rows, centroids) = (random(3_000, 6, 1), Centroids::new(random(300, 6, 2)));
        let all = among_all(rows.view(), &centroids);
        let moved = Centroids::new(centroids.vectors().map(|value| value + 0.02 * (value * 99.0).sin()));
        let (near, exact) = (among_neighbours(rows.view(), &all.labels, &moved), among_all(rows.view(), &moved));
        assert!(near.score <= exact.score);
        let num_alike = near.labels.iter().zip(&exact.labels).filter(|(near, exact)| near == exact).count();
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
    fn labels_and_scores_are_the_same_on_any_number_of_threads() {
        let (rows, centroids) = (random(5_000, 9, 3), Centroids::new(random(150, 9, 4)));
        let on_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let all = among_all(rows.view(), &centroids);
                let near = among_neighbours(rows.view(), &all.labels, &centroids);
                (all, near)
            })
        };
        assert_eq!(on_threads(1), on_threads(2));
        assert_eq!(on_threads(1), on_threads(5));
    }
}
