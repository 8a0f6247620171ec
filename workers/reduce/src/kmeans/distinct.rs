//! Finds the rows of a matrix that differ from all rows before them.
//!
//! Invariant: rows are equal when all their elements are, so that 0 and −0 do not count as different.

use std::collections::HashMap;

use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

/// Rows hashed at a time: the search ends once it has found enough, which is mostly in the first stretch.
const STRETCH_ROWS: usize = 4_096;

/// Returns the first rows that equal no row before them, at most `limit`, in ascending order.
pub(super) fn distinct_rows(rows: ArrayView2<'_, f32>, limit: usize) -> Vec<usize> {
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (stretch, block) in rows.axis_chunks_iter(Axis(0), STRETCH_ROWS).enumerate() {
        let hashes: Vec<u64> = block.axis_iter(Axis(0)).into_par_iter().map_init(Vec::new, hash_row).collect();
        for (offset, hash) in hashes.into_iter().enumerate() {
            if found.len() >= limit {
                return found;
            }
            let row = stretch * STRETCH_ROWS + offset;
            let alike = seen.entry(hash).or_default();
            if !alike.iter().any(|&other| rows.row(other) == rows.row(row)) {
                alike.push(row);
                found.push(row);
            }
        }
    }
    found
}

/// Hashes the values of a row; `bytes` is kept from row to row.
fn hash_row(bytes: &mut Vec<u8>, row: ArrayView1<'_, f32>) -> u64 {
    bytes.resize(4 * row.len(), 0);
    // Adding 0 turns −0 into 0 and leaves all else alone.
    let values = row.iter().map(|value| (value + 0.0).to_bits().to_le_bytes());
    bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(bytes, value)| *bytes = value);
    xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn repeated_rows_are_named_once() {
        let rows = array![[1.0, 0.0], [1.0, -0.0], [0.0, 1.0], [1.0, 0.0], [2.0, 0.0]];
        assert_eq!(distinct_rows(rows.view(), 10), [0, 2, 4]);
        assert_eq!(distinct_rows(rows.view(), 2), [0, 2]);
        assert!(distinct_rows(Array2::zeros((0, 2)).view(), 2).is_empty());
    }

    #[test]
    fn the_search_goes_on_past_the_first_stretch() {
        let mut rows = Array2::zeros((STRETCH_ROWS + 3, 1));
        rows[[STRETCH_ROWS + 1, 0]] = 1.0;
        assert_eq!(distinct_rows(rows.view(), 5), [0, STRETCH_ROWS + 1]);
    }
}
