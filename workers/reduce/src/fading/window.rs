//! Counts of one topic and of all → shares over windows of consecutive periods.
//!
//! The share of a window is its documents of the topic over its documents of all topics. A window without any document
//! has no share. Uncertainty is left to `interval`.

/// Where a window begins, and the share in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WindowShare {
    pub(super) first: usize,
    pub(super) share: f64,
}

/// Sums over any window in constant time.
#[derive(Clone, Debug)]
pub(super) struct RunningSum(Vec<f64>);

impl RunningSum {
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sums = vec![0.0];
        let mut sum = 0.0;
        for value in values {
            sum += value;
            sums.push(sum);
        }
        Self(sums)
    }

    /// Sum over `from..to`.
    pub(super) fn over(&self, from: usize, to: usize) -> f64 {
        self.0[to] - self.0[from]
    }
}

/// The share over `from..to`, if there is a document.
pub(super) fn share(counts: &[f64], totals: &[f64], from: usize, to: usize) -> Option<f64> {
    let total: f64 = totals[from..to].iter().sum();
    (total > 0.0).then(|| counts[from..to].iter().sum::<f64>() / total)
}

/// The window of `width` periods with the greatest share; the latest of equals.
pub(super) fn peak(counts: &[f64], totals: &[f64], width: usize) -> Option<WindowShare> {
    (0..=counts.len().checked_sub(width)?)
        .filter_map(|first| share(counts, totals, first, first + width).map(|share| WindowShare { first, share }))
        .max_by(|a, b| a.share.total_cmp(&b.share).then(a.first.cmp(&b.first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_without_a_document_have_no_share() {
        let (counts, totals) = ([0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 4.0, 2.0, 0.0]);
        assert_eq!(share(&counts, &totals, 0, 2), None);
        assert_eq!(share(&counts, &totals, 4, 5), None);
        assert_eq!(peak(&counts, &totals, 2), Some(WindowShare { first: 1, share: 0.25 }));
        assert_eq!(peak(&counts, &totals, 6), None);
    }

    #[test]
    fn the_latest_of_equal_peaks_is_taken() {
        let (counts, totals) = ([1.0, 2.0, 1.0, 3.0], [2.0, 4.0, 4.0, 6.0]);
        assert_eq!(peak(&counts, &totals, 1), Some(WindowShare { first: 3, share: 0.5 }));
    }
}
