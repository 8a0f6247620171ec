//! Operations to come → whether the search goes on without being told to.
//!
//! A corpus without structure, or of a million near-copies, has no shortcut: nearly every row must be compared with nearly
//! every other. That is found out by the worst case of a stage and, where this is dear, by taking a few rows through it.

use super::LonelyError;

/// Floating-point operations up to which the search always goes on: 20 minutes at 85 GFLOP/s, one core of 2024. The whole of
/// 2.7 million vectors with topics takes a hundredth of it.
pub const MAX_OPERATIONS: u64 = 100_000_000_000_000;

/// Rows that are taken through a dear stage to find out what the others will cost.
const PROBES: usize = 256;

/// What the search may cost, and has cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    pub(super) max_operations: u64,
    pub(super) num_rows: usize,
    pub(super) dim: usize,
}

impl Budget {
    /// The operations of `pairs` inner products.
    fn operations(&self, pairs: f64) -> f64 {
        2.0 * pairs * self.dim as f64
    }

    /// Tells whether so many pairs need no second thought.
    pub(super) fn covers(&self, pairs: f64) -> bool {
        self.operations(pairs) <= self.max_operations as f64
    }

    /// Refuses more pairs than the budget covers.
    pub(super) fn check<E>(&self, pairs: f64) -> Result<(), LonelyError<E>> {
        if self.covers(pairs) {
            return Ok(());
        }
        let brute_force = (self.num_rows as f64).powi(2);
        Err(LonelyError::Cost { teraflop: self.operations(pairs) / 1e12, percent: 100.0 * pairs / brute_force })
    }
}

/// At most [`PROBES`] of `rows`, evenly spread.
pub(super) fn probes(rows: &[u32]) -> Vec<u32> {
    let count = rows.len().min(PROBES);
    (0..count).map(|probe| rows[probe * rows.len() / count]).collect()
}
