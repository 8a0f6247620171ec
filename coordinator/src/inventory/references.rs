//! Generations and finished runs → the objects that they name.
//!
//! Invariant: pure, and it only grows: what some of them name, more of them name too. A vector shard is named by its raw shard's
//! number, whatever the model, so that all sets of vectors live as long as the documents do.

use std::collections::BTreeSet;

use object_store::path::Path;
use strata_shared::layout::{Object, run_file};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::RunRecord;

/// What some generations and finished runs name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References {
    generations: BTreeSet<u64>,
    shards: BTreeSet<usize>,
    runs: BTreeSet<String>,
    /// What is named by its key: lists of superseded rows, and what runs wrote.
    keys: BTreeSet<Path>,
}

impl References {
    /// Gathers what these name.
    #[must_use]
    pub fn of<'a>(
        generations: impl IntoIterator<Item = &'a Manifest>,
        runs: impl IntoIterator<Item = &'a RunRecord>,
    ) -> Self {
        let mut references = Self::default();
        generations.into_iter().for_each(|manifest| references.add_generation(manifest));
        runs.into_iter().for_each(|record| references.add_run(record));
        references
    }

    fn add_generation(&mut self, manifest: &Manifest) {
        self.generations.insert(manifest.generation);
        self.shards.extend(manifest.shards.iter().map(strata_shared::manifest::ShardEntry::number));
        self.keys.extend(manifest.superseded.iter().map(|superseded| Path::from(superseded.key.as_str())));
    }

    fn add_run(&mut self, record: &RunRecord) {
        self.runs.insert(record.run.clone());
        self.keys.extend(record.outputs.iter().map(|output| Path::from(output.key.as_str())));
    }

    /// Tells whether anything names an object. What belongs to the store as a whole is always named: the copies of the newest
    /// generation, the name of the newest run, the lease.
    #[must_use]
    pub fn name(&self, object: &Object) -> bool {
        match object {
            Object::Manifest | Object::Rejected | Object::Latest | Object::Lease(_) => true,
            Object::Generation(number) | Object::RejectedOf(number) => self.generations.contains(number),
            Object::RawShard(number) | Object::VectorShard(_, number) => self.shards.contains(number),
            Object::WorkList(..) => false,
            Object::InRun(run, run_file::RECORD | run_file::MEASUREMENTS | run_file::REPORT | run_file::NOTIFIED) => {
                self.runs.contains(run.as_str())
            }
            Object::Superseded(_) | Object::InRun(..) | Object::Labels(..) => self.keys.contains(&object.key()),
        }
    }

    /// Tells whether a raw shard of this number is named, and thereby its vectors.
    #[must_use]
    pub fn name_shard(&self, number: usize) -> bool {
        self.shards.contains(&number)
    }
}
