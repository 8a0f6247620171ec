//! A row → what it is: a document near a source vector, a near-copy of an earlier row, or a loner.
//!
//! Invariant: a row's role depends on the seed and the row alone, so that a longer corpus begins with a shorter one.

use super::draw::{Draw, Purpose};

/// One row in so many nearly copies an earlier one.
pub const COPY_ONE_IN: u64 = 100;

/// One row in so many is unlike all others.
pub const LONER_ONE_IN: u64 = 20_000;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A noisy copy of source vector `source`.
    Ordinary {
        /// Which of the source vectors.
        source: usize,
    },
    /// A near-copy of an earlier row, which is no copy itself.
    Copy {
        /// The row copied.
        of: u64,
    },
    /// Far from everything; the topic gives its date alone.
    Loner {
        /// A topic chosen at random.
        topic: usize,
    },
}

/// How many vectors and topics the roles choose from, and the seed of the choice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roles {
    pub(super) seed: u64,
    pub(super) num_sources: usize,
    pub(super) num_topics: usize,
}

impl Roles {
    /// Returns what `row` is.
    pub(super) fn of(&self, row: u64) -> Role {
        match self.first_copied(row) {
            Some(earlier) => Role::Copy { of: self.origin(earlier) },
            None => self.origin_role(row),
        }
    }

    /// Returns what a row is that copies no other.
    pub(super) fn origin_role(&self, row: u64) -> Role {
        let mut draw = Draw::new(self.seed, Purpose::Role, row);
        if draw.happens(LONER_ONE_IN) {
            return Role::Loner { topic: draw.index(self.num_topics) };
        }
        Role::Ordinary { source: draw.index(self.num_sources) }
    }

    /// Follows copies of copies to the row that they all go back to.
    fn origin(&self, mut row: u64) -> u64 {
        while let Some(earlier) = self.first_copied(row) {
            row = earlier;
        }
        row
    }

    fn first_copied(&self, row: u64) -> Option<u64> {
        // The second half of the streams for roles, so that being a copy says nothing about what else a row would be.
        let mut draw = Draw::new(self.seed, Purpose::Role, row | 1 << 63);
        (row > 0 && draw.happens(COPY_ONE_IN)).then(|| draw.below(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_go_back_to_earlier_rows_that_are_none() {
        let roles = Roles { seed: 3, num_sources: 50, num_topics: 5 };
        let mut copies = 0;
        for row in 0..20_000 {
            if let Role::Copy { of } = roles.of(row) {
                copies += 1;
                assert!(of < row && !matches!(roles.of(of), Role::Copy { .. }), "{row} copies {of}");
            }
        }
        assert!((150..250).contains(&copies), "{copies}");
    }
}
