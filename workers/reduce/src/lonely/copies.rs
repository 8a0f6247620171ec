//! The eligible rows → those that are exact copies of one another.
//!
//! Rows of equal vectors have equal similarities to everything, and therefore equal loneliness: one search serves them
//! all. So a corpus of copies is no more work than its distinct vectors. Rows are taken for copies if their clusters, the
//! digests of their vectors (64 bits of XXH3) and of their halves (32 bits) are equal.
//!
//! Where every vector occurs twice, eight bytes a row stay of it. The halves are read of rows alone whose clusters and
//! digests occur twice, once each and list by list: nothing is read of a corpus without copies.

use half::f16;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::bounds::Bounds;
use crate::inverted_lists::{InvertedLists, ListsError};

/// Bits of the sieve for each row: so few rows share a bit by chance that one in nine is sorted for nothing.
const BITS_PER_ROW: usize = 8;

/// Rows whose halves are read at once.
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
    /// The rows of each group, ascending.
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
        let digest = |row: u32| (bounds.label(row as usize), bounds.digest(row as usize));
        let mut suspects = suspects(bounds, lists.num_rows(), eligible);
        suspects.par_sort_unstable_by_key(|suspect| (digest(suspect.row), suspect.row));
        keep_alike(&mut suspects, |suspect| digest(suspect.row));
        suspects.par_sort_unstable_by_key(|suspect| (bounds.list(suspect.row as usize), suspect.row));
        suspects.par_chunks_mut(ROWS_AT_ONCE).try_for_each(|suspects| digest_halves(suspects, bounds, lists))?;
        let key = |suspect: &Suspect| (digest(suspect.row), suspect.halves);
        suspects.par_sort_unstable_by_key(|suspect| (key(suspect), suspect.row));
        keep_alike(&mut suspects, key);
        let groups = groups(&suspects, key);
        let rows = suspects.iter().map(|suspect| suspect.row).collect();
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

/// A row that may have copies.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    row: u32,
    /// The digest of its halves, once they were read.
    halves: u32,
}

/// Eligible rows whose digest may occur twice, found without sorting them all.
fn suspects(bounds: &Bounds, num_rows: usize, eligible: &dyn Fn(usize) -> bool) -> Vec<Suspect> {
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
    let rows = (0..num_rows).filter(|&row| eligible(row) && occurs_twice(row));
    let mut suspects: Vec<Suspect> = rows.map(|row| Suspect { row: row as u32, halves: 0 }).collect();
    suspects.shrink_to_fit();
    suspects
}

/// Drops every suspect that no other one beside it is like.
fn keep_alike<K: PartialEq>(suspects: &mut Vec<Suspect>, key: impl Fn(&Suspect) -> K) {
    let (mut kept, mut start) = (0, 0);
    while start < suspects.len() {
        let first = key(&suspects[start]);
        let alike = suspects[start..].iter().take_while(|suspect| key(suspect) == first).count();
        if alike > 1 {
            suspects.copy_within(start..start + alike, kept);
            kept += alike;
        }
        start += alike;
    }
    suspects.truncate(kept);
}

/// Reads the halves of some rows and digests them.
fn digest_halves(suspects: &mut [Suspect], bounds: &Bounds, lists: &InvertedLists) -> Result<(), ListsError> {
    let rows: Vec<usize> = suspects.iter().map(|suspect| suspect.row as usize).collect();
    let codes = lists.codes(&rows, &|row| bounds.list(row))?;
    let mut bytes = Vec::new();
    for (suspect, codes) in suspects.iter_mut().zip(codes.chunks_exact(lists.dim().max(1))) {
        bytes.clear();
        bytes.extend(codes.iter().copied().flat_map(f16::to_le_bytes));
        suspect.halves = xxh3_64(&bytes) as u32;
    }
    Ok(())
}

/// The groups among suspects that lie key by key, each like another.
fn groups<K: PartialEq>(suspects: &[Suspect], key: impl Fn(&Suspect) -> K) -> Vec<Group> {
    let (mut groups, mut start) = (Vec::new(), 0);
    for alike in suspects.chunk_by(|left, right| key(left) == key(right)) {
        let len = alike.len() as u32;
        groups.push(Group { start, len });
        start += len;
    }
    groups.par_sort_unstable_by_key(|group| suspects[group.start as usize].row);
    groups.shrink_to_fit();
    groups
}
