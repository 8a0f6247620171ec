//! What a store holds and names → what stays, what is left for later, and what is removed in which order. Pure.
//!
//! Invariant: wherever the removal ends, no generation and no run that is still announced names anything that is gone: what
//! announces goes first, runs before the generations that they name. What nobody names goes only once it has been left alone
//! for the time of grace, since somebody may be at work without the lease; a run that is not finished is judged by the
//! youngest of its objects, and so is what an update has left.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use strata_shared::layout::{Kind, ModelName, Object, RunName, run_file};
use strata_shared::store::Staged;

use super::announced::{Announced, FinishedRun, UnfinishedRun};
use super::policy::Policy;
use crate::inventory::{Amount, Inventory, Listed, References};

/// The steps of a removal: what is in one may go in any order.
const STEPS: usize = 3;

/// What becomes of the objects of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Fates {
    /// Removed.
    pub removed: Amount,
    /// Named by nobody, and too young.
    pub left: Amount,
    /// Kept.
    pub kept: Amount,
}

/// What becomes of runs or generations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chosen<T> {
    /// Those that go.
    pub removed: Vec<T>,
    /// Those that stay.
    pub kept: Vec<T>,
}

impl<T> Default for Chosen<T> {
    fn default() -> Self {
        Self { removed: Vec::new(), kept: Vec::new() }
    }
}

/// What is removed, and what stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Plan {
    /// Finished runs, by name.
    pub runs: Chosen<String>,
    /// Generations, by number.
    pub generations: Chosen<u64>,
    /// Runs that were not finished and go, with the time when anything in their folders was last written.
    #[serde(serialize_with = "names_alone")]
    pub unfinished: BTreeMap<RunName, DateTime<Utc>>,
    /// Objects by kind.
    pub objects: BTreeMap<Kind, Fates>,
    /// What others keep in strata's folders, which stays.
    pub foreign: Amount,
    /// The keys that go, step by step.
    #[serde(skip)]
    pub steps: [Vec<Object>; STEPS],
    /// Parts of objects that became none and go, at last.
    #[serde(skip)]
    pub staged: Vec<Staged>,
}

fn names_alone<S: serde::Serializer>(
    runs: &BTreeMap<RunName, DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(runs.keys().map(RunName::as_str))
}

/// What becomes of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Removed,
    Left,
    Kept,
}

impl Plan {
    /// Decides what goes, at the time `now`.
    #[must_use]
    pub fn new(inventory: &Inventory, announced: &Announced, policy: Policy, now: DateTime<Utc>) -> Self {
        let judge = Judge::new(inventory, announced, policy, now);
        let mut plan = Self { foreign: inventory.foreign, ..Self::default() };
        plan.choose(announced, &judge);
        for listed in without_leases(inventory) {
            let fate = judge.fate(listed);
            plan.count(listed.object.kind(), listed.bytes, fate);
            if fate == Fate::Removed {
                plan.note_unfinished(&listed.object, inventory, announced);
                plan.steps[step(&listed.object)].push(listed.object.clone());
            }
        }
        for staged in &inventory.staged {
            let fate = judge.fate_of_nobodys(staged.modified);
            plan.count(Kind::Staged, staged.bytes, fate);
            plan.staged.extend((fate == Fate::Removed).then(|| staged.clone()));
        }
        plan
    }

    /// Removes the vectors by one model, and the lists of shards for its workers.
    #[must_use]
    pub fn drop_vectors(inventory: &Inventory, model: &ModelName) -> Self {
        let mut plan = Self { foreign: inventory.foreign, ..Self::default() };
        for listed in without_leases(inventory) {
            let goes = match &listed.object {
                Object::VectorShard(of, _) | Object::WorkList(of, _) => of == model,
                _ => false,
            };
            plan.count(listed.object.kind(), listed.bytes, if goes { Fate::Removed } else { Fate::Kept });
            plan.steps[STEPS - 1].extend(goes.then(|| listed.object.clone()));
        }
        plan
    }

    fn choose(&mut self, announced: &Announced, judge: &Judge<'_>) {
        let mut runs: Vec<&FinishedRun> = announced.finished.iter().collect();
        runs.sort_by_key(|run| (run.record.generation, run.finished, &run.name));
        for run in runs {
            let chosen = if judge.kept_runs.contains(&run.name) { &mut self.runs.kept } else { &mut self.runs.removed };
            chosen.push(run.name.to_string());
        }
        for number in announced.generations.keys() {
            let is_kept = judge.kept_generations.contains(number);
            if is_kept { &mut self.generations.kept } else { &mut self.generations.removed }.push(*number);
        }
    }

    fn count(&mut self, kind: Kind, bytes: u64, fate: Fate) {
        let fates = self.objects.entry(kind).or_default();
        *match fate {
            Fate::Removed => &mut fates.removed,
            Fate::Left => &mut fates.left,
            Fate::Kept => &mut fates.kept,
        } += Amount::one(bytes);
    }

    fn note_unfinished(&mut self, object: &Object, inventory: &Inventory, announced: &Announced) {
        let Some(run) = object.run().filter(|run| announced.unfinished.iter().any(|other| other.name == **run)) else {
            return;
        };
        if let Some(written) = inventory.last_written(run) {
            self.unfinished.entry(run.clone()).or_insert(written);
        }
    }

    /// Returns what goes in all.
    #[must_use]
    pub fn removed(&self) -> Amount {
        self.objects.values().map(|fates| fates.removed).sum()
    }

    /// Returns what nobody names and is too young to go.
    #[must_use]
    pub fn left(&self) -> Amount {
        self.objects.values().map(|fates| fates.left).sum()
    }
}

/// Everything but the lease, of which more is written while this is decided.
fn without_leases(inventory: &Inventory) -> impl Iterator<Item = &Listed> {
    inventory.objects.values().filter(|listed| listed.object.kind() != Kind::Leases)
}

/// What announces comes first: records of runs, then manifests of generations, then all else.
fn step(object: &Object) -> usize {
    match object {
        Object::InRun(_, file) if is_announcement(file) => 0,
        Object::Generation(_) => 1,
        _ => STEPS - 1,
    }
}

fn is_announcement(file: &str) -> bool {
    matches!(file, run_file::RECORD | run_file::UNFINISHED)
}

/// What every object is judged by.
struct Judge<'a> {
    kept_runs: BTreeSet<&'a RunName>,
    kept_generations: BTreeSet<u64>,
    kept: References,
    /// What those that go name too.
    announced: References,
    /// When anything was last written in the folder of a run that is not finished.
    unfinished: BTreeMap<&'a RunName, DateTime<Utc>>,
    /// When an update last wrote anything that nobody names.
    updated: Option<DateTime<Utc>>,
    policy: Policy,
    now: DateTime<Utc>,
}

impl<'a> Judge<'a> {
    fn new(inventory: &Inventory, announced: &'a Announced, policy: Policy, now: DateTime<Utc>) -> Self {
        let manifests = announced.generations.values().map(|generation| &generation.manifest);
        let all = References::of(manifests, announced.finished.iter().map(|run| &run.record));
        let unfinished: BTreeMap<&RunName, DateTime<Utc>> = announced
            .unfinished
            .iter()
            .filter_map(|run| Some((&run.name, inventory.last_written(&run.name)?)))
            .collect();
        let nobodys =
            inventory.objects.values().filter(|listed| is_of_update(&listed.object) && !all.name(&listed.object));
        let updated = nobodys.map(|listed| listed.modified).max();
        let (kept_runs, kept_generations, kept) = (BTreeSet::new(), BTreeSet::new(), References::default());
        let mut judge = Self { kept_runs, kept_generations, kept, announced: all, unfinished, updated, policy, now };
        judge.keep(announced);
        judge
    }

    /// Keeps the newest runs, the generations that they name and the newest, and what runs under way need.
    fn keep(&mut self, announced: &'a Announced) {
        let mut runs: Vec<&FinishedRun> = announced.finished.iter().collect();
        runs.sort_by_key(|run| std::cmp::Reverse((run.record.generation, run.finished, &run.name)));
        let under_way: Vec<&UnfinishedRun> = announced.unfinished.iter().filter(|run| self.is_under_way(run)).collect();
        let is_followed = |name: &RunName| under_way.iter().any(|run| run.follows.as_deref() == Some(name.as_str()));
        let kept = runs.into_iter().enumerate().filter(|(place, run)| {
            *place < self.policy.keep.get() || announced.latest.as_ref() == Some(&run.name) || is_followed(&run.name)
        });
        let kept: Vec<&FinishedRun> = kept.map(|(_, run)| run).collect();
        let seen = |sha256: &str| under_way.iter().any(|run| run.manifest_sha256.as_deref() == Some(sha256));
        let needed = announced.generations.iter().filter(|(_, generation)| seen(&generation.sha256));
        self.kept_generations = needed
            .map(|(number, _)| *number)
            .chain(announced.generations.keys().next_back().copied())
            .chain(kept.iter().map(|run| run.record.generation))
            .collect();
        let manifests = self.kept_generations.iter().filter_map(|number| announced.generations.get(number));
        let manifests = manifests.map(|generation| &generation.manifest);
        self.kept = References::of(manifests, kept.iter().map(|run| &run.record));
        self.kept_runs = kept.iter().map(|run| &run.name).collect();
    }

    fn is_under_way(&self, run: &UnfinishedRun) -> bool {
        self.unfinished.get(&run.name).is_some_and(|written| self.fate_of_nobodys(*written) == Fate::Left)
    }

    fn fate(&self, listed: &Listed) -> Fate {
        let object = &listed.object;
        if self.kept.name(object) {
            return Fate::Kept;
        }
        if self.announced.name(object) {
            return Fate::Removed;
        }
        let of_run = object.run().and_then(|run| self.unfinished.get(run).copied());
        let of_update = self.updated.filter(|_| is_of_update(object));
        self.fate_of_nobodys(of_run.or(of_update).unwrap_or(listed.modified))
    }

    /// Judges what nobody names by the time of its last change; what is of a later time than now is young.
    fn fate_of_nobodys(&self, modified: DateTime<Utc>) -> Fate {
        let age = (self.now - modified).to_std().ok();
        if age.is_some_and(|age| age >= self.policy.grace.0) { Fate::Removed } else { Fate::Left }
    }
}

/// Tells whether an update writes such an object before its generation is there.
const fn is_of_update(object: &Object) -> bool {
    matches!(object, Object::RawShard(_) | Object::VectorShard(..) | Object::Superseded(_) | Object::RejectedOf(_))
}

#[cfg(test)]
mod tests;
