//! Seeded draws: each purpose and index has a stream of its own, so that one document's text never shifts another's.
//!
//! Invariant: whole numbers only, and the reduction to a range is our own, so that neither a floating-point unit nor a
//! new release of the random number crates changes a corpus.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// What a stream of draws is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Roles = 1,
    Loners = 2,
    Inserts = 3,
    Topic = 4,
    Instant = 5,
    Text = 6,
    Authors = 7,
    Form = 8,
    Retouch = 9,
}

/// One stream of draws.
pub(super) struct Draw(Xoshiro256PlusPlus);

impl Draw {
    /// The stream for a corpus seed, a purpose and an index within it.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let state = [purpose as u64, index]
            .iter()
            .fold(seed, |state, word| Xoshiro256PlusPlus::seed_from_u64(state ^ word).next_u64());
        Self(Xoshiro256PlusPlus::seed_from_u64(state))
    }

    /// A number from 0 to `bound` - 1; 0 where the bound is 0.
    ///
    /// Method: multiply and shift (Lemire 2019) without the rejection step, whose bias is below `bound` / 2^64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A position within something of `len` entries.
    pub(super) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// An entry of a pool that is not empty.
    pub(super) fn pick<'a>(&mut self, pool: &[&'a str]) -> &'a str {
        pool[self.index(pool.len())]
    }

    /// The numbers from 0 to `len` - 1 in random order (Fisher and Yates).
    pub(super) fn order(&mut self, len: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            order.swap(last, self.index(last + 1));
        }
        order
    }
}
