//! A store → what is wrong with it, object by object, and what mends that; nothing is written.
//!
//! Generations, raw shards, vectors, runs, leftovers: each is held against what names it and what it was made of, in the order
//! in which the one is made of the other. What depends on a damaged object is not blamed for it.
//!
//! Invariant: two shards are in memory at a time; beside them 16 bytes a row of all raw shards, and 16 more a document while
//! ids are compared. An object that nothing was wrong with holds what was written: raw shards and outputs of runs by their
//! sha256, vectors and their ids by that of their contents, the texts beside them by their raw shard's.

mod desk;
mod finding;
mod generations;
mod leftovers;
mod question;
mod raw;
mod runs;
mod vectors;

use std::time::{Duration, Instant};

use indicatif::HumanBytes;
use serde_json::{Value, json};
use strata_shared::exit::Failure;
use strata_shared::store::Store;

use crate::inventory::{Amount, Inventory};
use crate::report::visible;

pub use desk::Depth;
pub use finding::{Finding, Level, Problem, Remedy};
pub use question::Question;

use desk::Desk;

/// What was found in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was found, by object.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub read: Amount,
    /// What of that is generations, raw shards, vector shards and finished runs.
    pub looked_at: LookedAt,
    /// What others keep in strata's folders.
    pub foreign: Amount,
    /// How long it took.
    pub elapsed: Duration,
}

/// How much of each noun was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LookedAt {
    /// Generations.
    pub generations: usize,
    /// Raw shards.
    pub raw: usize,
    /// Vector shards.
    pub vectors: usize,
    /// Finished runs.
    pub runs: usize,
}

/// Looks a store over.
///
/// # Errors
/// A store that fails, or holds no corpus; whatever is wrong with objects is found, and no error.
pub async fn run(store: &Store, depth: Depth) -> Result<Verdict, Failure> {
    let started = Instant::now();
    let inventory = Inventory::list(store).await?;
    let mut desk = Desk::new(store, &inventory, depth);
    let records = runs::read(&mut desk).await?;
    let corpus = generations::inspect(&mut desk, &records).await?;
    desk.expect(leftovers::bytes(&inventory, &corpus, &records));
    let shards = raw::inspect(&mut desk, &corpus).await?;
    let num_vectors = vectors::inspect(&mut desk, &corpus, &shards, &records).await?;
    runs::inspect(&mut desk, &corpus, &shards, &records).await?;
    leftovers::inspect(&mut desk, &corpus, &records);
    let looked_at = LookedAt {
        generations: corpus.generations.len(),
        raw: corpus.shards.len(),
        vectors: num_vectors,
        runs: records.finished.len(),
    };
    let (findings, read) = desk.finish();
    Ok(Verdict { findings, read, looked_at, foreign: inventory.foreign, elapsed: started.elapsed() })
}

impl Verdict {
    /// Returns how many objects are damaged or lost.
    #[must_use]
    pub fn num_damaged(&self) -> usize {
        let mut objects: Vec<&str> = self.of(Level::Damage).map(|finding| finding.object.as_str()).collect();
        objects.dedup();
        objects.len()
    }

    fn of(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.level == level)
    }

    /// Returns it as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let LookedAt { generations, raw, vectors, runs } = self.looked_at;
        json!({
            "whole": self.num_damaged() == 0,
            "findings": self.findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
            "generations": generations, "raw": raw, "vectors": vectors, "runs": runs,
            "read": self.read, "foreign": self.foreign, "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

/// Draws a verdict: a line a finding, damage first, then what was looked at.
#[must_use]
pub fn terminal(verdict: &Verdict) -> String {
    let mut lines = Vec::new();
    for level in [Level::Damage, Level::Note] {
        let of_level = verdict.of(level);
        lines.extend(of_level.map(|finding| format!("{:<7} {}", level.as_str(), visible::plain(&finding.sentence()))));
    }
    let LookedAt { generations, raw, vectors, runs } = verdict.looked_at;
    let Amount { objects, bytes } = verdict.read;
    let foreign = match verdict.foreign.objects {
        0 => String::new(),
        objects => format!("; {objects} objects that are not strata's were left alone"),
    };
    lines.push(format!(
        "{} of {objects} objects damaged or lost: {generations} generations, {raw} raw shards, {vectors} vector shards, {runs} runs; \
         {} read in {:.1} s{foreign}",
        verdict.num_damaged(), HumanBytes(bytes), verdict.elapsed.as_secs_f64(),
    ));
    lines.join("\n")
}
