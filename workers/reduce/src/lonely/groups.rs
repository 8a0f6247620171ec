//! The eligible rows → groups of equal vectors, in ascending order of their bound.
//!
//! Rows of equal vectors have equal similarities to everything, and therefore equal loneliness: one search serves them
//! all. So a corpus of copies is no more work than its distinct vectors.

use rayon::prelude::*;

use super::bounds::Bounds;

/// Rows of one vector.
#[derive(Debug, Clone, Copy)]
struct Group {
    first: usize,
    len: usize,
    bound: f32,
}

/// All groups of a corpus, the lowest bound first, ties by first row.
#[derive(Debug)]
pub(super) struct Groups {
    rows: Vec<usize>,
    groups: Vec<Group>,
}

impl Groups {
    /// Groups the rows for which `eligible` holds.
    pub(super) fn new(num_rows: usize, bounds: &Bounds, eligible: &dyn Fn(usize) -> bool) -> Self {
        let mut rows: Vec<usize> = (0..num_rows).filter(|&row| eligible(row)).collect();
        rows.par_sort_unstable_by_key(|&row| (bounds.digest(row), row));
        let mut first = 0;
        let mut groups = Vec::new();
        for members in rows.chunk_by(|&left, &right| bounds.digest(left) == bounds.digest(right)) {
            // Every member's bound holds for all of them.
            let bound = members.iter().map(|&row| bounds.bound(row)).fold(f32::NEG_INFINITY, f32::max);
            groups.push(Group { first, len: members.len(), bound });
            first += members.len();
        }
        groups.par_sort_unstable_by(|left, right| {
            left.bound.total_cmp(&right.bound).then_with(|| rows[left.first].cmp(&rows[right.first]))
        });
        Self { rows, groups }
    }

    /// The number of groups.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The bound of a group.
    pub(super) fn bound(&self, group: usize) -> f64 {
        f64::from(self.groups[group].bound)
    }

    /// The rows of a group in ascending order; the first stands for all in the search.
    pub(super) fn members(&self, group: usize) -> &[usize] {
        let Group { first, len, .. } = self.groups[group];
        &self.rows[first..first + len]
    }
}
