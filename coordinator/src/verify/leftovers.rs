//! What is left over: runs that are not finished, objects that nothing names, and parts of objects that became none.
//!
//! Invariant: as long as something that names objects cannot be read, nothing is called left over.

use object_store::path::Path;
use strata_shared::layout::{self, Object, RunName, run_file};
use strata_shared::run_record::RunRecord;

use super::desk::Desk;
use super::finding::{Finding, Problem, Remedy};
use super::generations::Corpus;
use super::runs::Records;
use crate::inventory::{Inventory, References};

fn references(corpus: &Corpus, records: &Records) -> References {
    References::of(corpus.generations.values().map(|known| &known.manifest), records.finished.values())
}

/// Returns the bytes of all shards and outputs of runs that are to be read.
pub(super) fn bytes(inventory: &Inventory, corpus: &Corpus, records: &Records) -> u64 {
    let references = references(corpus, records);
    let is_read = |object: &Object| match object {
        Object::RawShard(number) | Object::VectorShard(_, number) => corpus.shards.contains_key(number),
        Object::InRun(_, run_file::RECORD | run_file::MEASUREMENTS | run_file::REPORT | run_file::NOTIFIED) => false,
        Object::Latest => true,
        Object::InRun(..) | Object::Labels(..) => references.name(object),
        _ => false,
    };
    inventory.objects.values().filter(|listed| is_read(&listed.object)).map(|listed| listed.bytes).sum()
}

/// Notes what is left over.
pub(super) fn inspect(desk: &mut Desk<'_>, corpus: &Corpus, records: &Records) {
    for staged in &desk.inventory.staged {
        desk.find(Finding::note(staged.name(), Problem::Staged, Remedy::Prune));
    }
    let is_lost = |record: &RunRecord| !corpus.generations.contains_key(&record.generation);
    if corpus.is_broken || records.is_broken || records.finished.values().any(is_lost) {
        return;
    }
    let references = references(corpus, records);
    let is_unfinished = |run: &RunName| desk.inventory.finished(run).is_none();
    let unfinished: Vec<Path> =
        desk.inventory.runs().iter().filter(|run| is_unfinished(run)).map(layout::run).collect();
    let orphans: Vec<&Path> = desk
        .inventory
        .objects
        .iter()
        .filter(|(_, listed)| !references.name(&listed.object) && !listed.object.run().is_some_and(is_unfinished))
        .map(|(key, _)| key)
        .collect();
    unfinished.into_iter().for_each(|run| desk.find(Finding::note(run, Problem::Unfinished, Remedy::Prune)));
    orphans.into_iter().for_each(|key| desk.find(Finding::note(key.clone(), Problem::Orphan, Remedy::Prune)));
}
