//! How often chance is called a change, how often a planted change is found, and in which order changes are listed.

use super::super::distributions::gamma;
use super::super::{Change, Timeline, emerging_order, fading_order, measure};
use super::{BURSTY, Bursts, POISSON, Shape, noise_and_a_decline, settings, timeline, totals};
use rand::SeedableRng;
use rand::distributions::{Distribution, WeightedIndex};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use strata_shared::findings::Status;

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
