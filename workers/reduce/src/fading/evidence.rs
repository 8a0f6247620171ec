//! One topic's counts → how surprising its decline or rise would be if its share had not changed; many topics' surprises
//! → which of them stand out from all that were looked at.
//!
//! The recent window is compared with spans of earlier time given the sum of both counts, which makes dates shuffled
//! among documents an exact null. Choosing the most striking span is paid for, and so is looking at many topics. How
//! large a change must be is left to `change`.
//!
//! Sources: Przyborowski and Wilenski 1940 (comparison of two Poisson counts given their sum); Benjamini and Hochberg
//! 1995 (false discovery rate).

use super::burstiness::NoiseWeights;
use super::distributions::{beta_upper, incomplete_beta};
use super::trend::{NOISES, Series};
use super::window::RunningSum;

/// Probabilities of a fall, and of a rise, at least as marked as the one seen, if the share had not changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Surprise {
    pub(super) fall: f64,
    pub(super) rise: f64,
}

/// A span of time summed up.
#[derive(Clone, Copy, Debug)]
struct Span {
    count: f64,
    total: f64,
    periods: f64,
}

/// What a count's variance over its mean is believed to be.
#[derive(Clone, Copy, Debug)]
struct Scale<'a> {
    noise: &'a NoiseWeights,
    periods_per_step: f64,
}

impl Scale<'_> {
    /// Averaged over the kinds of noise, at the mean count that an unchanged share gives the two spans.
    fn dispersion(&self, recent: Span, earlier: Span) -> f64 {
        let mean = (recent.count + earlier.count) / (recent.periods + earlier.periods) * self.periods_per_step;
        self.noise.iter().zip(NOISES).map(|(weight, kind)| weight * kind.dispersion(mean)).sum()
    }
}

/// Compares the last `width` periods with what came before.
///
/// A rise is looked for above all earlier time and above its first half. A fall is looked for below the same two, which
/// half of the error is spent on, and with the other half below any span of `width`, twice, four times … as many periods,
/// at half steps. `periods_per_step` is that of the series that the noise was weighed on.
pub(super) fn surprise(series: &Series, width: usize, noise: &NoiseWeights, periods_per_step: usize) -> Surprise {
    let begin = series.counts.len() - width;
    let (counts, totals) =
        (RunningSum::of(series.counts.iter().copied()), RunningSum::of(series.totals.iter().copied()));
    let span = |from: usize, to: usize| Span {
        count: counts.over(from, to),
        total: totals.over(from, to),
        periods: (to - from) as f64,
    };
    let recent = span(begin, series.counts.len());
    if begin == 0 || recent.total == 0.0 {
        return Surprise { fall: 1.0, rise: 1.0 };
    }
    let scale = Scale { noise, periods_per_step: periods_per_step as f64 };
    let least = |ranges: &[(usize, usize)], tail: fn(f64, f64, f64) -> f64| {
        let spans: Vec<Span> = ranges.iter().map(|&(from, to)| span(from, to)).filter(|s| s.total > 0.0).collect();
        let least = spans.iter().map(|earlier| compare(recent, *earlier, scale, tail)).fold(1.0, f64::min);
        (least * spans.len() as f64).min(1.0)
    };
    let whole = [(0, begin), (0, begin.div_ceil(2))];
    let fall = least(&whole, fall_tail).min(least(&spans_before(begin, width), fall_tail));
    Surprise { fall: (2.0 * fall).min(1.0), rise: least(&whole, rise_tail) }
}

/// Spans of dyadic lengths at half steps, counted from the end.
fn spans_before(end: usize, width: usize) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut length = width;
    while length < end {
        let mut to = end;
        while to >= length {
            spans.push((to - length, to));
            to = to.saturating_sub(length.div_ceil(2));
        }
        length *= 2;
    }
    spans
}

/// The tail probability of counts scaled down to what they are worth.
fn compare(recent: Span, earlier: Span, scale: Scale<'_>, tail: fn(f64, f64, f64) -> f64) -> f64 {
    let dispersion = scale.dispersion(recent, earlier);
    tail(recent.count / dispersion, earlier.count / dispersion, recent.total / (recent.total + earlier.total))
}

/// P(X ≤ recent) for X binomial of `recent + earlier` trials, each recent with probability `part`.
fn fall_tail(recent: f64, earlier: f64, part: f64) -> f64 {
    if earlier > 0.0 { beta_upper(recent + 1.0, earlier, part) } else { 1.0 }
}

/// P(X ≥ recent) for the same X.
fn rise_tail(recent: f64, earlier: f64, part: f64) -> f64 {
    if recent > 0.0 { incomplete_beta(recent, earlier + 1.0, part) } else { 1.0 }
}

/// Which probabilities stand out so that of those named at most `rate` are expected to be chance.
pub(super) fn discoveries(probabilities: &[f64], rate: f64) -> Vec<bool> {
    let mut ascending: Vec<f64> = probabilities.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let count = ascending.len() as f64;
    let within = |(rank, probability): &(usize, &f64)| **probability <= rate * (*rank + 1) as f64 / count;
    let cutoff = ascending.iter().enumerate().filter(within).map(|(_, probability)| *probability).next_back();
    probabilities.iter().map(|probability| cutoff.is_some_and(|cutoff| *probability <= cutoff)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tails_are_those_of_the_binomial() {
        // 5 trials at 1/4: P(X ≤ 1) = (3/4)^5 + 5/4 (3/4)^4.
        let expected = 0.75f64.powi(5) + 1.25 * 0.75f64.powi(4);
        assert!((fall_tail(1.0, 4.0, 0.25) - expected).abs() < 1e-12);
        assert!((rise_tail(2.0, 3.0, 0.25) - (1.0 - expected)).abs() < 1e-12);
        assert!((rise_tail(0.0, 5.0, 0.25) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn discoveries_step_up() {
        assert_eq!(discoveries(&[0.04, 0.5, 0.001, 0.024], 0.05), [false, false, true, true]);
        assert_eq!(discoveries(&[0.3, 0.06], 0.05), [false, false]);
        assert_eq!(discoveries(&[], 0.05), Vec::<bool>::new());
    }

    #[test]
    fn spans_lie_before_the_recent_window() {
        let spans = spans_before(10, 3);
        assert!(spans.contains(&(7, 10)) && spans.contains(&(4, 10)));
        assert!(spans.iter().all(|&(from, to)| from < to && to <= 10));
    }
}
