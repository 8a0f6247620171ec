//! The eligible rows → those that are exact copies of one another.
//!
//! Rows of equal vectors have equal similarities to everything, and therefore equal loneliness: one search serves them
//! all. So a corpus of copies is no more work than its distinct vectors. Rows are taken for copies if the digests of their
//! vectors (64 bits of XXH3), their clusters and their halves are equal.
//!
//! Where every vector occurs twice, eight bytes a row stay of it, and each chunk of a list is read some few times: rows are
//! compared list by list.

use rayon::prelude::*;

use super::bounds::Bounds;
use crate::inverted_lists::{InvertedLists, ListsError};

/// Bits of the sieve for each row: so few rows share a bit by chance that one in nine is looked at for nothing.
const BITS_PER_ROW: usize = 8;

/// Rows whose halves are compared at once.
const ROWS_AT_ONCE: usize = 4096;

/// Rows of one vector, by their places among the rows that have copies.
#[derive(Debug, Clone, Copy)]
struct Group {
    start: u32,
    len: u32,
}

/// The rows that have eligible copies.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The rows of each group, ascending; between them some rows that only looked like copies.
    rows: Vec<u32>,
    /// In ascending order of their first row.
    groups: Vec<Group>,
}

impl Copies {
    /// Finds the copies among the rows for which `eligible` holds.
    pub(super) fn find(
        bounds: &Bounds,
        lists: &InvertedLists,
        eligible: &dyn Fn(usize) -> bool,
    ) -> Result<Self, ListsError> {
        let mut rows = suspects(bounds, lists.num_rows(), eligible);
        let key = |row: u32| (bounds.label(row as usize), bounds.digest(row as usize));
        rows.par_sort_unstable_by_key(|&row| (key(row), row));
        let parts = parts(&rows, key);
        let equal = parts.par_iter().map(|part| equal_to_the_first(part, key, bounds, lists));
        let equal: Vec<Vec<bool>> = equal.collect::<Result<_, _>>()?;
        let mut equal = equal.into_iter().flatten();
        rows.retain(|_| equal.next() == Some(true));
        let groups = groups(&rows, key);
        Ok(Self { rows, groups })
    }

    /// The groups, each of at least two rows, the first of which stands for all in the search.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        self.groups.iter().map(|&group| self.rows(group))
    }

    fn rows(&self, Group { start, len }: Group) -> &[u32] {
        &self.rows[start as usize..][..len as usize]
    }

    /// The copies of a group's first row, itself included; none for a row without copies.
    fn of(&self, row: usize) -> &[u32] {
        let found = self.groups.binary_search_by_key(&row, |group| self.rows[group.start as usize] as usize);
        found.map_or(&[], |at| self.rows(self.groups[at]))
    }

    /// The number of rows that `row` stands for.
    pub(super) fn weight(&self, row: usize) -> usize {
        self.of(row).len().max(1)
    }

    /// The rows that `row` stands for, itself first.
    pub(super) fn members(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(row).chain(self.of(row).iter().skip(1).map(|&row| row as usize))
    }

    /// The memory that it takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<u32>() + self.groups.capacity() * size_of::<Group>()
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
    drop(once);
    let occurs_twice = |row: usize| {
        let (word, bit) = place(row);
        again[word] & bit != 0
    };
    let mut rows: Vec<u32> =
        (0..num_rows).filter(|&row| eligible(row) && occurs_twice(row)).map(|row| row as u32).collect();
    rows.shrink_to_fit();
    rows
}

/// Cuts sorted rows, never between two of one key, into parts of [`ROWS_AT_ONCE`] or some more.
fn parts<K: PartialEq>(rows: &[u32], key: impl Fn(u32) -> K) -> Vec<&[u32]> {
    let (mut parts, mut rest) = (Vec::new(), rows);
    while !rest.is_empty() {
        let enough = ROWS_AT_ONCE.min(rest.len());
        let last = key(rest[enough - 1]);
        let more = rest[enough..].iter().take_while(|&&row| key(row) == last).count();
        let (part, later) = rest.split_at(enough + more);
        parts.push(part);
        rest = later;
    }
    parts
}

/// Tells which rows of a part have the halves of the first row of their key.
fn equal_to_the_first<K: PartialEq>(
    part: &[u32],
    key: impl Fn(u32) -> K,
    bounds: &Bounds,
    lists: &InvertedLists,
) -> Result<Vec<bool>, ListsError> {
    let (mut equal, mut first) = (Vec::with_capacity(part.len()), (None, Vec::new()));
    for rows in part.chunks(ROWS_AT_ONCE) {
        let global: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
        let codes = lists.codes(&global, &|row| bounds.list(row))?;
        for (&row, codes) in rows.iter().zip(codes.chunks_exact(lists.dim().max(1))) {
            if first.0.as_ref() != Some(&key(row)) {
                first = (Some(key(row)), codes.to_vec());
            }
            equal.push(first.1 == codes);
        }
    }
    Ok(equal)
}

/// The groups among rows that lie key by key.
fn groups<K: PartialEq>(rows: &[u32], key: impl Fn(u32) -> K) -> Vec<Group> {
    let (mut groups, mut start) = (Vec::new(), 0);
    for alike in rows.chunk_by(|&left, &right| key(left) == key(right)) {
        let len = alike.len() as u32;
        if len > 1 {
            groups.push(Group { start, len });
        }
        start += len;
    }
    groups.par_sort_unstable_by_key(|group| rows[group.start as usize]);
    groups.shrink_to_fit();
    groups
}
