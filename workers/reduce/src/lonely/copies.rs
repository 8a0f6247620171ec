//! The eligible rows → those that are exact copies of one another.
//!
//! Rows of equal vectors have equal similarities to everything, and therefore equal loneliness: one search serves them
//! all. So a corpus of copies is no more work than its distinct vectors. Rows are taken for copies if the digests of their
//! vectors (64 bits of XXH3), their clusters and their halves are equal.

use rayon::prelude::*;

use super::bounds::Bounds;
use crate::inverted_lists::{InvertedLists, ListsError};

/// Bits of the sieve for each row: so few rows share a bit by chance that one in nine is looked at for nothing.
const BITS_PER_ROW: usize = 8;

/// Rows whose halves are compared at once.
const ROWS_AT_ONCE: usize = 4096;

/// The rows that have eligible copies.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The rows of each group, ascending; groups in ascending order of their first row.
    groups: Vec<Box<[u32]>>,
}

impl Copies {
    /// Finds the copies among the rows for which `eligible` holds.
    pub(super) fn find(
        bounds: &Bounds,
        lists: &InvertedLists,
        eligible: &dyn Fn(usize) -> bool,
    ) -> Result<Self, ListsError> {
        let mut rows = suspects(bounds, lists.num_rows(), eligible);
        let key = |row: u32| (bounds.digest(row as usize), bounds.label(row as usize));
        rows.par_sort_unstable_by_key(|&row| (key(row), row));
        let mut groups = Vec::new();
        for alike in rows.chunk_by(|&left, &right| key(left) == key(right)).filter(|alike| alike.len() > 1) {
            let group = equals_of_the_first(alike, bounds, lists)?;
            if group.len() > 1 {
                groups.push(group);
            }
        }
        groups.sort_unstable_by_key(|group| group[0]);
        Ok(Self { groups })
    }

    /// The groups, each of at least two rows, the first of which stands for all in the search.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        self.groups.iter().map(AsRef::as_ref)
    }

    /// The copies of a group's first row, itself included; none for a row without copies.
    fn of(&self, row: usize) -> &[u32] {
        self.groups.binary_search_by_key(&row, |group| group[0] as usize).map_or(&[], |at| &self.groups[at])
    }

    /// The number of rows that `row` stands for.
    pub(super) fn weight(&self, row: usize) -> usize {
        self.of(row).len().max(1)
    }

    /// The rows that `row` stands for, itself first.
    pub(super) fn members(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(row).chain(self.of(row).iter().skip(1).map(|&row| row as usize))
    }
}

/// Eligible rows whose digest may occur twice, found without sorting them all.
fn suspects(bounds: &Bounds, num_rows: usize, eligible: &dyn Fn(usize) -> bool) -> Vec<u32> {
    let bits = (num_rows * BITS_PER_ROW).next_power_of_two().max(64);
    let (mut once, mut again) = (vec![0_u64; bits / 64], vec![0_u64; bits / 64]);
    let place = |row| (bounds.digest(row) as usize % bits / 64, 1_u64 << (bounds.digest(row) % 64));
    for row in (0..num_rows).filter(|&row| eligible(row)) {
        let (word, bit) = place(row);
        again[word] |= once[word] & bit;
        once[word] |= bit;
    }
    let occurs_twice = |row: usize| {
        let (word, bit) = place(row);
        again[word] & bit != 0
    };
    (0..num_rows).filter(|&row| eligible(row) && occurs_twice(row)).map(|row| row as u32).collect()
}

/// Those of `rows` whose halves are the first one's.
fn equals_of_the_first(rows: &[u32], bounds: &Bounds, lists: &InvertedLists) -> Result<Box<[u32]>, ListsError> {
    let list_of = |row| bounds.list(row);
    let first = lists.codes(&[rows[0] as usize], &list_of)?;
    let mut equal = Vec::new();
    for part in rows.chunks(ROWS_AT_ONCE) {
        let global: Vec<usize> = part.iter().map(|&row| row as usize).collect();
        let codes = lists.codes(&global, &list_of)?;
        let same = codes.chunks_exact(first.len().max(1)).map(|codes| codes == first);
        equal.extend(part.iter().zip(same).filter(|&(_, same)| same).map(|(&row, _)| row));
    }
    Ok(equal.into())
}
