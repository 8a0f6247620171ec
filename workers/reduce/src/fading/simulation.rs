//! Corpora whose truth is known → how often the intervals cover it, how often chance is called a change, how often a
//! planted change is found. Tests only; every corpus is a pure function of its seed.

use super::distributions::gamma;
use super::{Change, Period, Settings, Timeline, emerging_order, fading_order, measure};
use chrono::NaiveDate;
use rand::distributions::{Distribution, WeightedIndex};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use strata_shared::findings::Status;
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
    fn joined(parts: Vec<Self>) -> Self {
        let mut joined = Self::default();
        for part in parts {
            for (from, to) in [(part.all, &mut joined.all), (part.telling, &mut joined.telling)] {
                for (name, tally) in from {
                    let sum = to.entry(name).or_default();
                    sum.topics += tally.topics;
                    sum.above += tally.above;
                    sum.below += tally.below;
                }
            }
        }
        joined
    }

    fn print(&self) {
        for (name, tally) in &self.all {
            let telling = self.telling.get(name).copied().unwrap_or_default();
            print!("{name:22} {:5} topics, {:5.1} % covered, ", tally.topics, 100.0 * tally.coverage());
            print!("{} above, {} below; telling ", tally.above, tally.below);
            print!("{:5}, {:5.1} % covered, ", telling.topics, 100.0 * telling.coverage());
            println!("{} above, {} below", telling.above, telling.below);
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

/// Asserts coverage of all topics in every stratum of which there is enough, and that the telling intervals are not wide.
fn assert_calibrated(coverage: &Coverage) {
    coverage.print();
    for (name, tally) in &coverage.all {
        // Two standard errors of a coverage of 93 %.
        let chance = 2.0 * (0.93 * 0.07 / f64::from(tally.topics)).sqrt();
        assert!(tally.coverage() >= 0.93 - chance, "{name}: {:.3}", tally.coverage());
    }
    let telling = coverage.telling["all"].coverage();
    assert!(coverage.all["all"].coverage() >= 0.93 && (0.93..=0.98).contains(&telling), "{telling:.3}");
}

#[test]
fn intervals_cover_where_topics_differ_in_burstiness() {
    for kinds in [&LINEAR[..], &QUADRATIC[..]] {
        assert_calibrated(&coverage(0..9, 150, kinds));
    }
}

#[test]
fn intervals_cover_where_all_topics_are_equally_bursty() {
    let each = LINEAR.iter().chain(&QUADRATIC).zip(100..);
    let parts: Vec<Coverage> = each.map(|(kind, seed)| coverage(seed..seed + 1, 200, &[*kind])).collect();
    assert_calibrated(&Coverage::joined(parts));
}

#[test]
fn intervals_cover_in_corpora_of_few_topics() {
    let each = LINEAR.iter().zip([200, 300, 400, 500, 600]);
    let parts: Vec<Coverage> = each.map(|(kind, seed)| coverage(seed..seed + 12, 12, &[*kind])).collect();
    assert_calibrated(&Coverage::joined(parts));
}

/// Documents whose topic and period are independent of each other.
fn shuffled(seed: u64, documents: usize, topics: usize) -> Timeline {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let totals = totals(24, 8.0, documents as f64, &mut rng);
    let weights: Vec<f64> = (0..topics).map(|_| gamma(2.0, &mut rng)).collect();
    let topic = WeightedIndex::new(&weights).unwrap();
    let mut counts = vec![vec![0; totals.len()]; topics];
    for (period, total) in totals.iter().enumerate() {
        for _ in 0..*total {
            counts[topic.sample(&mut rng)][period] += 1;
        }
    }
    timeline(&totals, counts)
}

fn corpora_called(seeds: std::ops::Range<u64>, documents: usize, topics: usize) -> usize {
    let is_called = |change: &Change| change.status.is_decline() || change.status.is_growth();
    let called = |seed: &u64| measure(&shuffled(*seed, documents, topics), settings(*seed)).iter().any(is_called);
    seeds.into_par_iter().filter(called).count()
}

#[test]
fn shuffled_dates_are_called_a_change_in_at_most_one_corpus_of_twenty() {
    assert!(corpora_called(0..20, 3_000, 25) <= 1);
    assert!(corpora_called(0..20, 36_000, 100) <= 1);
}

#[test]
#[ignore = "a minute of two cores; the smaller corpora are always run"]
fn shuffled_dates_of_many_topics_are_called_a_change_in_at_most_one_corpus_of_twenty() {
    let called = [
        corpora_called(0..20, 36_000, 400),
        corpora_called(100..120, 36_000, 400),
        corpora_called(100..400, 3_000, 25),
        corpora_called(100..180, 36_000, 100),
    ];
    println!("{called:?} of [20, 20, 300, 80] corpora called");
    assert!(called[0] <= 1 && called[1] <= 1 && called[2] <= 15 && called[3] <= 4);
}

/// A kind of topic planted among held ones, and how it should be called.
struct Plant {
    documents: f64,
    size: f64,
    shape: Shape,
    variant: f64,
    called: fn(Status) -> bool,
}

/// The part of planted topics that are called as they should be, and the number of held ones that are called anything:
/// of 10 corpora, each with 5 planted and 20 held topics.
fn found(plant: &Plant, bursts: Bursts) -> (f64, usize) {
    let corpus = |seed: u64| {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let totals = totals(24, 8.0, plant.documents, &mut rng);
        let mut draw = |shape: Shape| -> Vec<u64> {
            let means = shape.means(plant.variant, plant.size, &totals);
            means.iter().map(|&mean| bursts.count(mean, &mut rng)).collect()
        };
        let counts = (0..25).map(|topic| draw(if topic < 5 { plant.shape } else { Shape::Flat })).collect();
        measure(&timeline(&totals, counts), settings(seed))
    };
    let changes: Vec<Vec<Change>> = (0..10).into_par_iter().map(corpus).collect();
    let planted = changes.iter().flat_map(|changes| &changes[..5]).filter(|change| (plant.called)(change.status));
    let held = changes.iter().flat_map(|changes| &changes[5..]).filter(|change| change.status != Status::Steady);
    let found = (planted.count() as f64 / 50.0, held.count());
    println!("{} {} {:?} {} phi {}: {found:?}", plant.documents, plant.size, plant.shape, plant.variant, bursts.linear);
    found
}

const POISSON: Bursts = Bursts { linear: 1.0, quadratic: 0.0 };
const BURSTY: Bursts = Bursts { linear: 2.5, quadratic: 0.0 };

#[test]
fn topics_of_500_documents_that_lose_three_quarters_of_their_share_are_called() {
    for (shape, variant) in
        [(Shape::Decline, 0.6), (Shape::Collapse, 1.0), (Shape::Decay, 0.15), (Shape::Slide, 0.5), (Shape::Bump, 0.5)]
    {
        for bursts in [POISSON, BURSTY] {
            let plant = Plant { documents: 36_000.0, size: 500.0, shape, variant, called: Status::is_decline };
            let (called, held) = found(&plant, bursts);
            assert!(called >= 0.95 && held <= 2);
        }
    }
}

#[test]
fn topics_of_500_documents_that_are_born_or_grow_sixfold_are_called() {
    for (shape, variant) in [(Shape::Birth, 0.1), (Shape::Birth, 0.9), (Shape::Rise, 0.0)] {
        let plant = Plant { documents: 36_000.0, size: 500.0, shape, variant, called: Status::is_growth };
        let (called, held) = found(&plant, POISSON);
        assert!(called >= 0.95 && held <= 2);
    }
}

#[test]
fn deaths_and_births_are_called_in_a_small_corpus() {
    let extinct: fn(Status) -> bool = |status| status == Status::Extinct;
    let emerging: fn(Status) -> bool = |status| status == Status::Emerging;
    for (shape, variant, called) in [
        (Shape::Death, 0.0, extinct),
        (Shape::Death, 0.9, extinct),
        (Shape::Birth, 0.2, emerging),
        (Shape::Birth, 0.9, emerging),
        (Shape::Slide, 0.5, Status::is_decline),
    ] {
        let plant = Plant { documents: 3_000.0, size: 110.0, shape, variant, called };
        let (called, held) = found(&plant, POISSON);
        assert!(called >= 0.95 && held <= 2);
    }
}

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

#[test]
fn noise_of_small_topics_does_not_outrank_a_large_decline() {
    for seed in 0..10 {
        let changes = measure(&noise_and_a_decline(seed), settings(seed));
        let order = fading_order(&changes);
        assert_eq!(order[0], 60);
        assert!((0..60).any(|topic| changes[topic].fade < changes[60].fade), "the raw fade would not be outranked");
    }
}

#[test]
fn the_newest_topic_is_the_first_to_emerge() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let totals = totals(24, 8.0, 36_000.0, &mut rng);
    let mut draw = |shape: Shape, size: f64| -> Vec<u64> {
        shape.means(0.9, size, &totals).iter().map(|&mean| POISSON.count(mean, &mut rng)).collect()
    };
    let counts = vec![draw(Shape::Flat, 30.0), draw(Shape::Rise, 800.0), draw(Shape::Birth, 400.0)];
    let changes = measure(&timeline(&totals, counts), settings(7));
    assert_eq!(emerging_order(&changes), [2, 1, 0]);
    assert_eq!(changes[2].status, Status::Emerging);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let timeline = noise_and_a_decline(3);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        format!("{:?}", pool.install(|| measure(&timeline, settings(1))))
    };
    assert_eq!(with(1), with(7));
}

#[test]
fn figures_are_those_of_the_contract() {
    let changes = measure(&timeline(&[10, 10, 10, 10, 10], vec![vec![1, 5, 4, 3, 0], vec![0; 5]]), settings(0));
    let change = &changes[0];
    assert_eq!((change.recent_share, change.peak_share), (Some(7.0 / 30.0), Some(0.4)));
    assert_eq!((change.peak_period.as_deref(), change.dated), (Some("2001..2003"), 13));
    assert!((change.fade.unwrap() - 7.0 / 12.0).abs() < 1e-12);
    assert!(change.fade_low <= change.fade && change.fade <= change.fade_high);
    assert_eq!((changes[1].status, changes[1].fade), (Status::Undated, None));
}

#[test]
fn a_topic_without_recent_documents_may_still_have_some_expected() {
    let changes = measure(&timeline(&[50; 8], vec![vec![9, 9, 9, 9, 9, 0, 0, 0]]), settings(0));
    assert_eq!((changes[0].fade, changes[0].fade_low), (Some(0.0), Some(0.0)));
    assert!(changes[0].fade_high > Some(0.02) && changes[0].fade_high < Some(0.5));
}

#[test]
fn figures_are_absent_where_the_recent_window_is_empty() {
    let changes = measure(&timeline(&[5, 5, 0, 0, 0], vec![vec![1, 2, 0, 0, 0]]), settings(0));
    assert_eq!((changes[0].recent_share, changes[0].fade, changes[0].fade_high), (None, None, None));
    assert_eq!(changes[0].status, Status::Steady);
    assert!(fading_order(&changes).is_empty());
}

#[test]
fn the_window_shrinks_to_the_complete_periods() {
    let changes = measure(&timeline(&[5, 5], vec![vec![4, 1]]), settings(0));
    assert_eq!((changes[0].fade, changes[0].fade_low.is_some()), (Some(1.0), true));
    assert_eq!(changes[0].peak_period.as_deref(), Some("2000..2001"));
    assert_eq!(measure(&timeline(&[], vec![vec![]]), settings(0))[0].status, Status::Undated);
    assert_eq!(measure(&timeline(&[3], vec![vec![3]]), settings(0))[0].fade, Some(1.0));
}

#[test]
fn incomplete_periods_are_left_out() {
    let mut timeline = timeline(&[10, 10, 10, 10, 10], vec![vec![5, 5, 5, 5, 0], vec![0, 0, 0, 0, 1]]);
    timeline.complete[4] = false;
    let changes = measure(&timeline, settings(0));
    assert_eq!((changes[0].fade, changes[0].size, changes[0].dated), (Some(1.0), 20, 20));
    assert_eq!((changes[1].status, changes[1].size, changes[1].dated), (Status::Undated, 1, 0));
}

#[test]
fn a_thousand_months_are_measured_too() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let totals = totals(1000, 4.0, 50_000.0, &mut rng);
    let draw = |shape: Shape, rng: &mut Xoshiro256PlusPlus| -> Vec<u64> {
        shape.means(0.3, 2_000.0, &totals).iter().map(|&mean| POISSON.count(mean, rng)).collect()
    };
    let counts = vec![draw(Shape::Death, &mut rng), draw(Shape::Flat, &mut rng), draw(Shape::Birth, &mut rng)];
    let recent = NonZeroUsize::new(24).unwrap();
    let statuses: Vec<Status> =
        measure(&timeline(&totals, counts), Settings { recent, seed: 0 }).iter().map(|change| change.status).collect();
    assert_eq!(statuses, [Status::Extinct, Status::Steady, Status::Emerging]);
}
