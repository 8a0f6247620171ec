//! Weights → draws in proportion to them, in constant time.
//!
//! Method: alias tables, Walker 1977, built as Vose 1991 does.

use super::draw::Draw;

/// Entries that are drawn in proportion to their weights.
#[derive(Debug)]
pub(super) struct Weighted {
    /// How much of a slot is its own entry's, in parts of 2^32, and whose the rest is.
    slots: Vec<(u32, u32)>,
}

impl Weighted {
    /// Prepares draws of `weights.len()` entries.
    ///
    /// # Panics
    /// If there is no positive weight, which is the caller's mistake.
    pub(super) fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        assert!(total > 0.0, "no entry has a weight");
        let mut parts: Vec<f64> = weights.iter().map(|weight| weight / total * weights.len() as f64).collect();
        let mut slots: Vec<(u32, u32)> = (0..weights.len() as u32).map(|entry| (u32::MAX, entry)).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(|&entry| parts[entry] < 1.0);
        while let (Some(&giver), Some(taker)) = (large.last(), small.pop()) {
            slots[taker] = ((parts[taker] * f64::from(u32::MAX)) as u32, giver as u32);
            parts[giver] -= 1.0 - parts[taker];
            if parts[giver] < 1.0 {
                small.push(giver);
                large.pop();
            }
        }
        Self { slots }
    }

    /// Draws one entry.
    pub(super) fn draw(&self, draw: &mut Draw) -> usize {
        let bits = draw.bits();
        let slot = (((bits >> 32) * self.slots.len() as u64) >> 32) as usize;
        let (own, other) = self.slots[slot];
        if bits as u32 <= own { slot } else { other as usize }
    }
}

/// Returns `num_entries` weights that fall as 1 / (rank + `offset`)^`exponent` (Zipf and Mandelbrot).
pub(super) fn power_law(num_entries: usize, offset: f64, exponent: f64) -> Vec<f64> {
    (0..num_entries).map(|rank| (rank as f64 + offset).powf(-exponent)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::draw::Purpose;
    use super::*;

    #[test]
    fn entries_come_in_proportion_to_their_weights() {
        let weights = [5.0, 0.0, 1.0, 3.0, 1.0];
        let weighted = Weighted::new(&weights);
        let mut draw = Draw::new(1, Purpose::Words, 0);
        let mut counts = [0_u32; 5];
        (0..100_000).for_each(|_| counts[weighted.draw(&mut draw)] += 1);
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) / 100_000.0 - weight / 10.0).abs() < 0.01, "{counts:?}");
        }
    }
}
