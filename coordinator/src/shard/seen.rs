//! Ids → whether they were seen before, in at most 40 bytes an id.
//!
//! Invariant: of two equal ids the second is told. Ids are held as 96-bit hashes: the odds that any two of n different
//! ids are confused are below n² / 2⁹⁷, which is 5·10⁻¹⁷ for 2.7 million and 6·10⁻¹² for a billion.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_128;

/// The first 96 bits of an id's XXH3-128 hash.
pub(super) type IdHash = [u8; 12];

/// Sets by the hash's first byte: a set that grows copies 1/256 of all.
const SETS: usize = 256;

/// Hashes an id.
#[must_use]
pub(super) fn hash(id: &str) -> IdHash {
    let mut hash = [0; 12];
    hash.copy_from_slice(&xxh3_128(id.as_bytes()).to_le_bytes()[..12]);
    hash
}

/// The ids seen so far. A slot takes 13 bytes, and between 7/16 and 7/8 of the slots are in use: 15 to 30 bytes an id.
#[derive(Debug)]
pub(super) struct SeenIds {
    sets: Vec<HashSet<IdHash, BuildHasherDefault<Already>>>,
}

impl SeenIds {
    /// Returns an empty set.
    #[must_use]
    pub(super) fn new() -> Self {
        Self { sets: (0..SETS).map(|_| HashSet::default()).collect() }
    }

    /// Adds an id; tells whether it is new.
    pub(super) fn insert(&mut self, id: IdHash) -> bool {
        self.sets[usize::from(id[0])].insert(id)
    }
}

/// Passes on eight bytes of what is a hash already; the first byte chose the set.
#[derive(Debug, Default)]
pub(super) struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk::<8>() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_second_of_two_equal_ids_was_seen() {
        let mut seen = SeenIds::new();
        let ids: Vec<String> = (0..100_000).map(|id| id.to_string()).collect();
        assert!(ids.iter().all(|id| seen.insert(hash(id))));
        assert!(!ids.iter().any(|id| seen.insert(hash(id))));
    }

    #[test]
    fn an_id_takes_at_most_forty_bytes() {
        let mut seen = SeenIds::new();
        let num_ids: usize = 300_000;
        (0..num_ids).for_each(|id| assert!(seen.insert(hash(&id.to_string()))));
        // hashbrown rounds the slots up to a power of two above 8/7 of the capacity it promises.
        let slots: usize = seen.sets.iter().map(|set| (set.capacity() * 8 / 7).next_power_of_two()).sum();
        assert!(slots * (size_of::<IdHash>() + 1) <= 40 * num_ids, "{slots} slots");
    }
}
