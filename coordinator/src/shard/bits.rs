//! Numbered things → a yes or no for each, in one bit.

/// A growing row of bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
    length: u64,
}

impl Bits {
    /// Returns `length` bits, all no.
    #[must_use]
    pub(super) fn zeros(length: u64) -> Self {
        Self { words: vec![0; length.div_ceil(64) as usize], length }
    }

    /// Appends a bit.
    pub(super) fn push(&mut self, yes: bool) {
        if self.length.is_multiple_of(64) {
            self.words.push(0);
        }
        self.length += 1;
        if yes {
            self.set(self.length - 1);
        }
    }

    /// Sets a bit; tells whether it was not set before.
    pub(super) fn set(&mut self, index: u64) -> bool {
        let (word, mask) = (&mut self.words[(index / 64) as usize], 1 << (index % 64));
        let new = *word & mask == 0;
        *word |= mask;
        new
    }

    /// Tells whether a bit is set.
    #[must_use]
    pub(super) fn get(&self, index: u64) -> bool {
        self.words[(index / 64) as usize] & (1 << (index % 64)) != 0
    }

    /// Returns the number of bits.
    #[must_use]
    pub(super) const fn len(&self) -> u64 {
        self.length
    }

    /// Returns the number of bits that are set.
    #[must_use]
    pub(super) fn ones(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Returns the first bit that is not set.
    #[must_use]
    pub(super) fn first_zero(&self) -> Option<u64> {
        let word = self.words.iter().position(|word| *word != u64::MAX)?;
        let index = word as u64 * 64 + u64::from(self.words[word].trailing_ones());
        (index < self.length).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_are_as_they_were_pushed_and_set(bits in prop::collection::vec(any::<bool>(), 0..200)) {
            let mut pushed = Bits::default();
            let mut set = Bits::zeros(bits.len() as u64);
            for (index, &bit) in bits.iter().enumerate() {
                pushed.push(bit);
                prop_assert!(!bit || set.set(index as u64) && !set.set(index as u64));
            }
            prop_assert_eq!(&pushed, &set);
            prop_assert!(bits.iter().enumerate().all(|(index, &bit)| pushed.get(index as u64) == bit));
            prop_assert_eq!(pushed.ones(), bits.iter().filter(|bit| **bit).count() as u64);
            prop_assert_eq!(pushed.first_zero(), bits.iter().position(|bit| !bit).map(|index| index as u64));
        }
    }
}
