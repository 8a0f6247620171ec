//! Products of row-major matrices: rows against rows in float32, and dot products in float64.
//!
//! Invariant: an element of a product is the same bits wherever its row stands in a block and whatever stands beside
//! it. matrixmultiply pads every panel to the micro-kernel's width, runs one micro-kernel per process and cuts the
//! inner dimension at fixed places, so each element goes through one fixed sequence of operations. Labels therefore do
//! not depend on how rows were cut into shards, blocks or threads; a property test below holds every small shape to it.
//!
//! Leaves to others: parallelism (callers cut rows into blocks of [`CHUNK_ROWS`] and hand them to rayon) and the
//! counting of operations.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ArrayViewMut2};

/// Rows that one task multiplies at a time.
///
/// 1,024 × 400 scores are 1.6 MiB. Between 256 and 2,048 rows the rate was the same within noise (Zen 4, one core, 384
/// dimensions: 85 to 95 GFLOP/s at 100 and at 400 centroids), so this is a matter of memory and of tasks to share out.
pub const CHUNK_ROWS: usize = 1024;

/// Independent sums in [`dot_f64`], enough to hide the latency of an addition.
const LANES: usize = 8;

/// Multiplies each row of `a` with each row of `b`.
///
/// `a` is `[m, d]`, `b` is `[n, d]`; returns `[m, n]`. Runs on the calling thread.
///
/// # Panics
/// If the rows of `a` and `b` differ in length.
#[must_use]
pub fn product_transposed(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut out = Array2::zeros((a.nrows(), b.nrows()));
    product_transposed_into(a, b, out.view_mut());
    out
}

/// Multiplies each row of `a` with each row of `b` into `out`, whose former content is overwritten.
///
/// `a` is `[m, d]`, `b` is `[n, d]`, `out` is `[m, n]`. Runs on the calling thread.
///
/// # Panics
/// If the shapes do not fit.
pub fn product_transposed_into(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, mut out: ArrayViewMut2<'_, f32>) {
    general_mat_mul(1.0, &a, &b.t(), 0.0, &mut out);
}

/// Multiplies two vectors of the same length, each product and sum in float64, in one fixed order.
///
/// Because the order is fixed, `dot_f64(x, x) - 2.0 * dot_f64(x, y) + dot_f64(y, y)` is exactly zero where `x == y`.
#[must_use]
pub fn dot_f64(a: &[f32], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len(), "the vectors differ in length");
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0_f64; LANES];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Returns the squared L2 norm of a vector in float64, by [`dot_f64`].
#[must_use]
pub fn squared_norm(vector: &[f32]) -> f64 {
    dot_f64(vector, vector)
}

/// Returns the squared L2 norm of each row of a `[n, d]` matrix, by [`squared_norm`].
#[must_use]
pub fn squared_norms(rows: ArrayView2<'_, f32>) -> Vec<f64> {
    let rows = rows.as_standard_layout();
    rows.rows().into_iter().map(|row| row.as_slice().map_or(0.0, squared_norm)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Axis, s};
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_xoshiro::Xoshiro256Plus;

    fn random(rows: usize, dim: usize, seed: u64) -> Array2<f32> {
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        Array2::from_shape_simple_fn((rows, dim), || rng.gen_range(-1.0..1.0))
    }

    fn bits(row: ndarray::ArrayView1<'_, f32>) -> Vec<u32> {
        row.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn a_row_alone_gives_the_bits_it_gives_at_any_place_of_any_block() {
        for (n, dim) in [(1, 384), (2, 1), (3, 255), (8, 256), (9, 257), (17, 384), (33, 768)] {
            let (a, b) = (random(70, dim, 1), random(n, dim, 2));
            let whole = product_transposed(a.view(), b.view());
            for rows in 1..=70 {
                for start in [0, 1, 7, 8, 15, 16, 33, 69].into_iter().filter(|start| start + rows <= 70) {
                    let part = product_transposed(a.slice(s![start..start + rows, ..]), b.view());
                    for (row, expected) in part.rows().into_iter().zip(whole.rows().into_iter().skip(start)) {
                        assert_eq!(bits(row), bits(expected), "n {n}, dim {dim}, start {start}, rows {rows}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn products_do_not_depend_on_what_stands_beside_a_row(
            m in 1_usize..200, n in 1_usize..80, dim in 1_usize..600, start in 0_usize..200, column in 0_usize..80, seed: u64,
        ) {
            let (start, column) = (start % m, column % n);
            let (a, b) = (random(m, dim, seed), random(n, dim, seed ^ 1));
            let whole = product_transposed(a.view(), b.view());
            let tail = product_transposed(a.slice(s![start.., ..]), b.view());
            prop_assert_eq!(bits(tail.row(0)), bits(whole.row(start)));
            let alone = product_transposed(a.slice(s![start..=start, ..]), b.slice(s![column..=column, ..]));
            prop_assert_eq!(alone[[0, 0]].to_bits(), whole[[start, column]].to_bits());
            let swapped = product_transposed(b.view(), a.view());
            prop_assert!((swapped[[column, start]] - whole[[start, column]]).abs() <= 1e-4);
        }

        #[test]
        fn products_agree_with_float64(m in 1_usize..20, n in 1_usize..20, dim in 0_usize..400, seed: u64) {
            let (a, b) = (random(m, dim, seed), random(n, dim, seed ^ 1));
            let product = product_transposed(a.view(), b.view());
            for ((i, j), &value) in product.indexed_iter() {
                let exact: f64 = a.row(i).iter().zip(b.row(j)).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                prop_assert!((f64::from(value) - exact).abs() <= 1e-4);
                let dot = dot_f64(a.row(i).as_slice().unwrap(), b.row(j).as_slice().unwrap());
                prop_assert!((dot - exact).abs() <= 1e-11);
            }
        }
    }

    #[test]
    fn norms_do_not_mind_the_memory_layout() {
        let rows = random(5, 19, 3);
        let columns = rows.t().as_standard_layout().into_owned();
        assert_eq!(squared_norms(columns.t()), squared_norms(rows.view()));
        assert_eq!(squared_norms(rows.view()).len(), rows.len_of(Axis(0)));
    }
}
