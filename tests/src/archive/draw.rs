//! Seeded draws: each purpose and row has a stream of its own, so that no row's draws shift another's.
//!
//! Invariant: a stream is a function of seed, purpose and row; neither threads nor the cut into shards are in it.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// What a stream of draws is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Role = 1,
    Direction,
    Text,
    Ending,
    Instant,
    Categories,
    Sources,
    Clusters,
    Fates,
    Words,
}

/// One stream of draws.
#[derive(Debug)]
pub(super) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    /// Returns the stream for a corpus seed, a purpose and a row, topic or word within it.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        // Odd multipliers (Steele, Lea and Flood 2014) keep neighbouring rows far apart before the generator mixes them.
        let place = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (purpose as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = Xoshiro256PlusPlus::seed_from_u64(seed).next_u64() ^ place;
        Self(Xoshiro256PlusPlus::seed_from_u64(state))
    }

    /// Returns 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number from 0 to `bound` - 1; 0 where the bound is 0.
    ///
    /// Method: multiply and shift (Lemire 2019) without the rejection step, whose bias is below `bound` / 2^64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns a position within something of `len` entries.
    pub(super) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Returns a number in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a number in [`low`, `high`).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Tells whether one chance in `one_in` came true.
    pub(super) fn happens(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}
