//! Any life of a store, drawn by a seed: snapshots, maps, compactions, runs and prunes in any order, killed at any write, two at once.
//!
//! Whatever happens to it, the store holds what a map would hold, nothing is embedded twice, old runs stay what they were, and
//! what is found is found in a fresh store of the same documents.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archive;
mod commands;
mod contents;
mod life;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use archive::Random;
use life::{Step, Tally, live};

/// Lives that are lived where `STRATA_GROWTH` does not say how many.
const SEQUENCES: u64 = 300;

/// Where no life is begun any more: on a machine that is busy the rest is left out.
const TIME: Duration = Duration::from_secs(60);

const MOST_STEPS: usize = 14;

fn draw(seed: u64) -> Vec<Step> {
    let mut random = Random(seed);
    (0..3 + random.below(MOST_STEPS - 2)).map(|_| Step::draw(&mut random)).collect()
}

fn attempt(steps: &[Step]) -> Result<Tally, String> {
    match catch_unwind(AssertUnwindSafe(|| live(steps))) {
        Ok(lived) => lived.map_err(|error| format!("{error:#}")),
        Err(_) => Err("it panicked".into()),
    }
}

/// Leaves out steps for as long as something still goes wrong.
fn shrink(mut steps: Vec<Step>, mut error: String) -> (Vec<Step>, String) {
    let mut place = 0;
    while place < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(place);
        match attempt(&fewer) {
            Ok(_) => place += 1,
            Err(still) => (steps, error, place) = (fewer, still, 0),
        }
    }
    (steps, error)
}

#[test]
fn any_life_of_a_store_ends_in_what_a_map_would_hold() {
    let sequences = std::env::var("STRATA_GROWTH").ok().and_then(|number| number.parse().ok());
    let first: u64 = std::env::var("STRATA_GROWTH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let (begun, next, total) = (Instant::now(), AtomicU64::new(first), Mutex::new(Tally::default()));
    let failed = Mutex::new(None);
    let work = || {
        while failed.lock().unwrap().is_none() && (sequences.is_some() || begun.elapsed() < TIME) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + sequences.unwrap_or(SEQUENCES) {
                break;
            }
            let steps = draw(seed);
            match attempt(&steps) {
                Ok(tally) => total.lock().unwrap().add(&tally),
                Err(error) => *failed.lock().unwrap() = Some((seed, steps, error)),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    eprintln!("{:?} in {:.1} s", total.lock().unwrap(), begun.elapsed().as_secs_f64());
    if let Some((seed, steps, error)) = failed.into_inner().unwrap() {
        let (steps, error) = shrink(steps, error);
        panic!("seed {seed}: {error}\nthe shortest life found that goes wrong: {steps:#?}");
    }
}
