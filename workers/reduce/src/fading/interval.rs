//! One topic's counts and weighted models → 95 % intervals for its fade and for its growth.
//!
//! What is bracketed is the ratio of *expected* shares, recent over peak, at most 1. The expected peak is drawn from the
//! models' trends, so that the largest of many noisy windows is not taken at its word. The expected recent share is drawn
//! from its own count alone, without the trend's help: a sudden death must not be smoothed away. Whether a change is
//! called one is left to `evidence` and `change`.

use super::distributions::gamma;
use super::trend::{Fit, NOISES, Series};
use super::window::RunningSum;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Draws per topic.
const DRAWS: usize = 1000;
/// Part of the draws left out at either end. A little less than 0.025, because the burstiness of the burstiest topics is
/// drawn towards the others': with 0.025 simulated coverage of telling intervals was 93 to 94 %.
const TAIL: f64 = 0.02;
/// What is added to a count, in units of its dispersion, for the gamma distribution of its mean, seen from below and
/// from above. 0 and 1 are the exact limits for Poisson counts (Garwood 1936), which cover too much; 1/2 is the mid-P
/// limit.
const BELOW: f64 = 0.5;
/// See [`BELOW`]; between mid-P and exact, since a recent count of 0 is common and its upper limit all that is known.
const ABOVE: f64 = 0.75;

/// Bounds of 95 % intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) fade_low: f64,
    pub(super) fade_high: f64,
    /// Lower bound of the recent share over the share of all earlier periods; none where there are no earlier documents.
    pub(super) growth_low: Option<f64>,
}

/// The recent window and what lies before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent {
    pub(super) count: f64,
    pub(super) total: f64,
    pub(super) earlier_count: f64,
    pub(super) earlier_total: f64,
}

/// Brackets fade and growth. `steps` is the width of a window in steps of the series; `weights` sum to 1.
pub(super) fn bounds(
    series: &Series,
    steps: usize,
    recent: Recent,
    fits: &[Fit],
    weights: &[f64],
    seed: u64,
) -> Bounds {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let begin = series.counts.len() - steps;
    let totals = RunningSum::of(series.totals.iter().copied());
    let (mut lows, mut highs, mut growths) = (Vec::new(), Vec::new(), Vec::new());
    for (fit, draws) in fits.iter().zip(apportion(weights)) {
        if draws == 0 {
            continue;
        }
        let expected = fit.expected(series);
        let dispersion = dispersion_over(&expected[begin..], fit.noise);
        let earlier_dispersion = dispersion_over(&expected[..begin], fit.noise);
        for _ in 0..draws {
            let peak = highest_share(&fit.draw(&mut rng), series, &totals, steps);
            let below = mean_draw(recent.count, dispersion, BELOW, &mut rng) / recent.total;
            let above = mean_draw(recent.count, dispersion, ABOVE, &mut rng) / recent.total;
            let earlier = mean_draw(recent.earlier_count, earlier_dispersion, ABOVE, &mut rng);
            lows.push((below / peak).min(1.0));
            highs.push((above / peak).min(1.0));
            growths.push(below * recent.earlier_total / earlier);
        }
    }
    Bounds {
        fade_low: if recent.count > 0.0 { quantile(&mut lows, TAIL) } else { 0.0 },
        fade_high: quantile(&mut highs, 1.0 - TAIL),
        growth_low: (recent.earlier_total > 0.0).then(|| quantile(&mut growths, TAIL)),
    }
}

/// Shares out the draws in proportion to the weights, so that no chance decides how often a model is asked.
fn apportion(weights: &[f64]) -> Vec<usize> {
    let mut sum = 0.0;
    let mut given = 0;
    let share = |weight: &f64| {
        sum += weight;
        let upto = ((sum * DRAWS as f64 + 0.5).floor() as usize).min(DRAWS);
        let draws = upto.saturating_sub(given);
        given += draws;
        draws
    };
    weights.iter().map(share).collect()
}

/// Draws the mean of an overdispersed count.
fn mean_draw(count: f64, dispersion: f64, added: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
    dispersion * gamma(count / dispersion + added, rng)
}

/// Variance over mean of a sum of counts of these means.
fn dispersion_over(means: &[f64], noise: usize) -> f64 {
    let sum: f64 = means.iter().sum();
    if sum <= 0.0 {
        return NOISES[noise].linear;
    }
    means.iter().map(|&mean| mean * NOISES[noise].dispersion(mean)).sum::<f64>() / sum
}

/// The highest expected share over any window that has a document.
fn highest_share(log_shares: &[f64], series: &Series, totals: &RunningSum, steps: usize) -> f64 {
    let counts = RunningSum::of(log_shares.iter().zip(&series.totals).map(|(x, total)| total * x.exp()));
    let mut highest: f64 = 0.0;
    for first in 0..=log_shares.len() - steps {
        let total = totals.over(first, first + steps);
        if total > 0.0 {
            highest = highest.max(counts.over(first, first + steps) / total);
        }
    }
    highest
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    let rank = (part * (values.len() - 1) as f64).round() as usize;
    *values.select_nth_unstable_by(rank, f64::total_cmp).1
}
