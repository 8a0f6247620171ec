//! Corpora whose truth is known → how often the intervals cover it, how often chance is called a change, how often a
//! planted change is found. Tests only; every corpus is a pure function of its seed.

use super::distributions::gamma;
use super::{Change, Period, PeriodKind, Settings, Status, Timeline, emerging_order, fading_order, measure};
use chrono::NaiveDate;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

const RECENT: usize = 3;

fn settings(seed: u64) -> Settings {
    Settings { recent: NonZeroUsize::new(RECENT).unwrap(), seed }
}

fn timeline(totals: &[u64], counts: Vec<Vec<u64>>) -> Timeline {
    let first = Period::of(PeriodKind::Year, NaiveDate::from_ymd_opt(2000, 1, 1).unwrap());
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

/// The ratio of expected shares that the interval is about.
fn true_fade(means: &[f64], totals: &[u64]) -> f64 {
    let share = |first: usize| {
        means[first..first + RECENT].iter().sum::<f64>() / totals[first..first + RECENT].iter().sum::<u64>() as f64
    };
    let last = means.len() - RECENT;
    share(last) / (0..=last).map(share).fold(0.0, f64::max)
}

/// How often an interval misses, on either side.
#[derive(Clone, Copy, Default)]
struct Tally {
    topics: u32,
    above: u32,
    below: u32,
}

impl Tally {
    fn coverage(self) -> f64 {
        1.0 - f64::from(self.above + self.below) / f64::from(self.topics.max(1))
    }

    fn add(&mut self, truth: f64, change: &Change) {
        self.topics += 1;
        self.below += u32::from(truth < change.fade_low.unwrap() - 1e-12);
        self.above += u32::from(truth > change.fade_high.unwrap() + 1e-12);
    }
}

/// Coverage by stratum: of all topics, and of those whose interval must not be wide.
#[derive(Default)]
struct Coverage {
    all: BTreeMap<String, Tally>,
    telling: BTreeMap<String, Tally>,
}

impl Coverage {
    fn print(&self) {
        for (name, tally) in &self.all {
            let telling = self.telling.get(name).copied().unwrap_or_default();
            println!(
                "{name:22} {:5} topics, covered {:5.1} %, too low {:4}, too high {:4} | telling {:5}, covered {:5.1} %, too low {:4}, too high {:4}",
                tally.topics,
                100.0 * tally.coverage(),
                tally.above,
                tally.below,
                telling.topics,
                100.0 * telling.coverage(),
                telling.above,
                telling.below
            );
        }
    }
}

const SIZES: [f64; 7] = [20.0, 50.0, 100.0, 250.0, 500.0, 1500.0, 5000.0];

/// Simulates a corpus of `topics` topics of all shapes and sizes, each bursty in one of the given ways.
fn cover(seed: u64, topics: usize, kinds: &[Bursts]) -> Vec<(Vec<String>, bool, f64, Change)> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let periods = rng.gen_range(12..=30);
    let totals = totals(periods, 10.0, 100_000.0, &mut rng);
    let mut planted = Vec::new();
    let mut counts = Vec::new();
    while counts.len() < topics {
        let (shape, size) = (*SHAPES.choose(&mut rng).unwrap(), *SIZES.choose(&mut rng).unwrap());
        let bursts = *kinds.choose(&mut rng).unwrap();
        let means = shape.means(rng.r#gen(), size, &totals);
        let drawn: Vec<u64> = means.iter().map(|&mean| bursts.count(mean, &mut rng)).collect();
        if drawn.iter().sum::<u64>() > 0 {
            counts.push(drawn);
            planted.push((shape, size, bursts, means));
        }
    }
    let changes = measure(&timeline(&totals, counts), settings(seed));
    let describe = |((shape, size, bursts, means), change): ((Shape, f64, Bursts, Vec<f64>), Change)| {
        let truth = true_fade(&means, &totals);
        let telling = means[periods - RECENT..].iter().sum::<f64>() >= 50.0 && truth < 0.8;
        let names = vec![
            format!("bursts {} + {} mean", bursts.linear, bursts.quadratic),
            format!("shape {shape:?}"),
            format!("size {size:4}"),
            "all".to_owned(),
        ];
        (names, telling, truth, change)
    };
    planted.into_iter().zip(changes).map(describe).collect()
}

fn coverage(seeds: std::ops::Range<u64>, topics: usize, kinds: &[Bursts]) -> Coverage {
    let mut coverage = Coverage::default();
    for (names, telling, truth, change) in
        seeds.into_par_iter().flat_map_iter(|seed| cover(seed, topics, kinds)).collect::<Vec<_>>()
    {
        for name in names {
            coverage.all.entry(name.clone()).or_default().add(truth, &change);
            if telling {
                coverage.telling.entry(name).or_default().add(truth, &change);
            }
        }
    }
    coverage
}

const LINEAR: [Bursts; 5] = [
    Bursts { linear: 1.0, quadratic: 0.0 },
    Bursts { linear: 1.5, quadratic: 0.0 },
    Bursts { linear: 2.0, quadratic: 0.0 },
    Bursts { linear: 3.0, quadratic: 0.0 },
    Bursts { linear: 4.0, quadratic: 0.0 },
];
const QUADRATIC: [Bursts; 4] = [
    Bursts { linear: 1.0, quadratic: 0.02 },
    Bursts { linear: 1.0, quadratic: 0.05 },
    Bursts { linear: 1.0, quadratic: 0.1 },
    Bursts { linear: 1.0, quadratic: 0.2 },
];

fn scale() -> u64 {
    std::env::var("SCALE").ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}

#[test]
fn intervals_cover_where_topics_differ_in_burstiness() {
    for kinds in [&LINEAR[..], &QUADRATIC[..]] {
        let coverage = coverage(0..12 * scale(), 150, kinds);
        coverage.print();
    }
}

#[test]
fn intervals_cover_where_all_topics_are_equally_bursty() {
    for kind in LINEAR.iter().chain(&QUADRATIC) {
        let coverage = coverage(100..100 + 3 * scale(), 150, &[*kind]);
        coverage.print();
    }
}

#[test]
fn intervals_cover_in_small_corpora() {
    for kind in &LINEAR {
        let coverage = coverage(200..200 + 12 * scale(), 12, &[*kind]);
        coverage.print();
    }
}

/// Documents whose topic and period are independent of each other.
fn shuffled(seed: u64, documents: usize, topics: usize) -> Timeline {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let totals = totals(24, 8.0, documents as f64, &mut rng);
    let weights: Vec<f64> = (0..topics).map(|_| gamma(2.0, &mut rng)).collect();
    let cumulative: Vec<f64> = weights
        .iter()
        .scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let mut counts = vec![vec![0; totals.len()]; topics];
    for (period, total) in totals.iter().enumerate() {
        for _ in 0..*total {
            let point = rng.gen_range(0.0..cumulative[topics - 1]);
            counts[cumulative.partition_point(|&upto| upto <= point).min(topics - 1)][period] += 1;
        }
    }
    timeline(&totals, counts)
}

fn is_called(change: &Change) -> bool {
    change.status.is_decline() || change.status.is_growth()
}

#[test]
fn shuffled_dates_are_called_a_change_in_at_most_one_corpus_of_twenty() {
    for (documents, topics) in [(3_000, 25), (36_000, 100), (36_000, 400)] {
        let called = |seed: &u64| measure(&shuffled(*seed, documents, topics), settings(*seed)).iter().any(is_called);
        let corpora = (0..20 * scale()).into_par_iter().filter(called).count();
        println!("{documents} documents, {topics} topics: {corpora} of {} corpora called", 20 * scale());
        assert!(corpora as u64 <= scale());
    }
}

fn planted(
    seed: u64,
    documents: f64,
    size: f64,
    shape: Shape,
    variant: f64,
    bursts: Bursts,
    planted: usize,
    held: usize,
) -> Vec<Change> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let totals = totals(24, 8.0, documents, &mut rng);
    let mut draw = |shape: Shape, size: f64| -> Vec<u64> {
        shape.means(variant, size, &totals).iter().map(|&mean| bursts.count(mean, &mut rng)).collect()
    };
    let mut counts: Vec<Vec<u64>> = (0..planted).map(|_| draw(shape, size)).collect();
    counts.extend((0..held).map(|_| draw(Shape::Flat, size)));
    measure(&timeline(&totals, counts), settings(seed))
}

#[test]
fn power() {
    let poisson = Bursts { linear: 1.0, quadratic: 0.0 };
    let bursty = Bursts { linear: 2.5, quadratic: 0.0 };
    for (documents, size, shape, variant) in [
        (36_000.0, 500.0, Shape::Decline, 0.55),
        (36_000.0, 500.0, Shape::Collapse, 1.0),
        (36_000.0, 500.0, Shape::Collapse, 0.3),
        (36_000.0, 500.0, Shape::Decay, 0.2),
        (36_000.0, 500.0, Shape::Slide, 0.5),
        (36_000.0, 500.0, Shape::Bump, 0.5),
        (36_000.0, 500.0, Shape::Birth, 0.5),
        (36_000.0, 500.0, Shape::Rise, 0.5),
        (3_000.0, 120.0, Shape::Death, 0.0),
        (3_000.0, 120.0, Shape::Death, 0.5),
        (3_000.0, 120.0, Shape::Death, 0.9),
        (3_000.0, 120.0, Shape::Birth, 0.0),
        (3_000.0, 120.0, Shape::Birth, 0.9),
        (3_000.0, 120.0, Shape::Rise, 0.0),
        (3_000.0, 120.0, Shape::Slide, 0.5),
        (3_000.0, 120.0, Shape::Decline, 0.5),
    ] {
        for bursts in [poisson, bursty] {
            let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
            let mut held: BTreeMap<&str, u32> = BTreeMap::new();
            for changes in (0..10)
                .into_par_iter()
                .map(|seed| planted(seed, documents, size, shape, variant, bursts, 5, 20))
                .collect::<Vec<_>>()
            {
                for change in &changes[..5] {
                    if change.status == Status::Steady { print!("[{:.2} {:.2} {:.2} g {:.1}] ", change.fade_low.unwrap(), change.fade.unwrap(), change.fade_high.unwrap(), change.growth_low.unwrap()); }
                    *seen.entry(change.status.as_str()).or_default() += 1;
                }
                for change in &changes[5..] {
                    *held.entry(change.status.as_str()).or_default() += 1;
                }
            }
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
            let t = totals(24, 8.0, documents, &mut rng);
            println!(
                "{documents} {size} {shape:?} {variant} phi {} truth {:.2}: {seen:?} held {held:?}",
                bursts.linear,
                true_fade(&shape.means(variant, size, &t), &t)
            );
        }
    }
}
