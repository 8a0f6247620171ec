//! Corpora whose truth is known: totals, bursts, shapes. Tests only; every corpus is a pure function of its seed.
//!
//! `coverage` asks how often the intervals cover the truth, `calls` how often chance is called a change and a planted
//! change is found, `figures` what comes out in detail.

mod calls;
mod coverage;
mod figures;

use super::distributions::gamma;
use super::{Period, Settings, Timeline};
use chrono::NaiveDate;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::num::NonZeroUsize;
use strata_shared::settings::PeriodLength;

const RECENT: usize = 3;

fn settings(seed: u64) -> Settings {
    Settings { recent: NonZeroUsize::new(RECENT).unwrap(), seed }
}

fn timeline(totals: &[u64], counts: Vec<Vec<u64>>) -> Timeline {
    let first = Period::of(PeriodLength::Year, NaiveDate::from_ymd_opt(2000, 1, 1).unwrap());
    Timeline {
        periods: (0..totals.len()).map(|i| first.later(i as i32)).collect(),
        totals: totals.to_vec(),
        complete: vec![true; totals.len()],
        thin: vec![false; totals.len()],
        lopsided: vec![false; totals.len()],
        undated: vec![0; counts.len()],
        counts,
    }
}

/// Totals that grow `growth` times, by a tenth more or less each period, and add up to about `documents`.
fn totals(periods: usize, growth: f64, documents: f64, rng: &mut impl Rng) -> Vec<u64> {
    let grown: Vec<f64> =
        (0..periods).map(|i| growth.powf(i as f64 / (periods - 1) as f64) * rng.gen_range(0.85..1.15)).collect();
    let sum: f64 = grown.iter().sum();
    grown.iter().map(|total| (total * documents / sum).round().max(1.0) as u64).collect()
}

/// Counts exponential gaps of a Poisson process; large means go by way of the gamma distribution (Ahrens and Dieter 1974).
fn poisson(mean: f64, rng: &mut impl Rng) -> u64 {
    if mean > 20.0 {
        let arrivals = (mean * 0.875).floor();
        let time = gamma(arrivals, rng);
        return if time > mean {
            (1..arrivals as u64).filter(|_| rng.gen_bool(mean / time)).count() as u64
        } else {
            arrivals as u64 + poisson(mean - time, rng)
        };
    }
    let mut product: f64 = rng.r#gen();
    let mut count = 0;
    while product > (-mean).exp() {
        product *= rng.r#gen::<f64>();
        count += 1;
    }
    count
}

/// Bursts: variance is `linear · mean + quadratic · mean²`, by a gamma mixture of Poisson counts.
#[derive(Clone, Copy)]
struct Bursts {
    linear: f64,
    quadratic: f64,
}

impl Bursts {
    fn count(self, mean: f64, rng: &mut impl Rng) -> u64 {
        let excess = self.linear - 1.0 + self.quadratic * mean;
        if mean <= 0.0 || excess <= 0.0 { poisson(mean, rng) } else { poisson(excess * gamma(mean / excess, rng), rng) }
    }
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Flat,
    Decline,
    Decay,
    Death,
    Collapse,
    Slide,
    Bump,
    Rise,
    Birth,
}

const SHAPES: [Shape; 9] = [
    Shape::Flat,
    Shape::Decline,
    Shape::Decay,
    Shape::Death,
    Shape::Collapse,
    Shape::Slide,
    Shape::Bump,
    Shape::Rise,
    Shape::Birth,
];

impl Shape {
    /// Relative expected share at a time from 0 to 1, in the variant from 0 to 1.
    fn share(self, time: f64, variant: f64) -> f64 {
        let before = |end: f64| if time < end { 1.0 } else { 0.0 };
        match self {
            Self::Flat => 1.0,
            Self::Decline => 1.0 - (0.5 + 0.5 * variant) * time,
            Self::Decay => (-(1.0 + 3.0 * variant) * time).exp(),
            Self::Death => before(0.45 + 0.4 * variant),
            Self::Collapse => before(0.45 + 0.4 * variant).max(0.05 + 0.2 * variant),
            Self::Slide => 0.1 + 0.9 / (1.0 + ((time - 0.4 - 0.3 * variant) / 0.08).exp()),
            Self::Bump => 0.1 + (-((time - 0.3 - 0.4 * variant) / 0.15).powi(2) / 2.0).exp(),
            Self::Rise => 0.1 + (0.5 + variant) * time,
            Self::Birth => 1.0 - before(0.5 + 0.3 * variant),
        }
    }

    /// Expected counts of a topic of this many documents.
    fn means(self, variant: f64, documents: f64, totals: &[u64]) -> Vec<f64> {
        let last = (totals.len() - 1) as f64;
        let weights: Vec<f64> =
            totals.iter().enumerate().map(|(i, &total)| total as f64 * self.share(i as f64 / last, variant)).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight * documents / sum).collect()
    }
}

const POISSON: Bursts = Bursts { linear: 1.0, quadratic: 0.0 };
const BURSTY: Bursts = Bursts { linear: 2.5, quadratic: 0.0 };

/// 60 flat topics of 25 documents, and last one of 2,000 that falls to a third.
fn noise_and_a_decline(seed: u64) -> Timeline {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let totals = totals(24, 8.0, 36_000.0, &mut rng);
    let mut draw = |shape: Shape, size: f64| -> Vec<u64> {
        shape.means(0.6, size, &totals).iter().map(|&mean| BURSTY.count(mean, &mut rng)).collect()
    };
    let mut counts: Vec<Vec<u64>> = (0..60).map(|_| draw(Shape::Flat, 25.0)).collect();
    counts.push(draw(Shape::Decline, 2_000.0));
    timeline(&totals, counts)
}
