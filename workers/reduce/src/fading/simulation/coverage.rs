//! How often the intervals cover the truth, by kind of topic.

use super::super::{Change, measure};
use super::{Bursts, RECENT, SHAPES, Shape, settings, timeline, totals};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::collections::BTreeMap;

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
