//! Keys that are hashes or packed numbers already → places in a hash map, by one multiplication.
//!
//! The order in which such a map is walked is never seen in a result.

use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

/// The state of maps whose keys are numbers.
pub(super) type MixedState = BuildHasherDefault<MixedHasher>;

/// Mixes whole numbers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct MixedHasher(u64);

/// The golden ratio in 64 bits: Fibonacci hashing, Knuth, The Art of Computer Programming 3, section 6.4.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for MixedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u32(&mut self, key: u32) {
        self.absorb(u64::from(key));
    }

    fn write_u64(&mut self, key: u64) {
        self.absorb(key);
    }

    fn write_u128(&mut self, key: u128) {
        self.absorb(key as u64);
        self.absorb((key >> 64) as u64);
    }
}

impl MixedHasher {
    fn absorb(&mut self, key: u64) {
        self.0 = mix(self.0 ^ key);
    }
}

/// Spreads the bits of `key` over all 64.
pub(super) fn mix(key: u64) -> u64 {
    let product = u128::from(key ^ GOLDEN) * u128::from(GOLDEN);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Returns the hash of a word.
pub(super) fn hash(word: &str) -> u64 {
    xxh3_64(word.as_bytes())
}
