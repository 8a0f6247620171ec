//! A store → all that its generations and runs say of themselves, for deciding which of them stay.
//!
//! Invariant: whoever decides what is removed knows everything that names anything. What cannot be read, or is named and not
//! there, ends the reading with an error: an object whose owner is unknown is never taken for nobody's.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::Deserialize;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::generations;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::{Latest, RunRecord};
use strata_shared::store::{Store, StoreError};

use crate::inventory::Inventory;

/// Why nothing can be said about what nobody needs.
#[derive(Debug, thiserror::Error)]
pub enum AnnouncedError {
    /// The newest generation was lost.
    #[error(
        "{key}: is missing, though raw/manifest.json is a copy of it; nothing is removed from a store that has lost objects: copy \
         raw/manifest.json to it"
    )]
    LostGeneration {
        /// Where it should be.
        key: Path,
    },
    /// A run names a generation that is not there.
    #[error(
        "{key}: names generation {generation}, which is not there; nothing is removed from a store that has lost objects: \
         `strata reduce --run {run} --force` makes the run again, `strata verify` tells what else is lost"
    )]
    UnknownGeneration {
        /// The run's record.
        key: Path,
        /// The run.
        run: RunName,
        /// The generation.
        generation: u64,
    },
}

impl Classify for AnnouncedError {
    fn exit(&self) -> Exit {
        Exit::Data
    }
}

/// A generation of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedGeneration {
    /// What it lists.
    pub manifest: Manifest,
    /// The sha256 of that.
    pub sha256: String,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedRun {
    /// Its name.
    pub name: RunName,
    /// What it says of itself.
    pub record: RunRecord,
    /// When it was finished, by the store's clock.
    pub finished: DateTime<Utc>,
}

/// A run that is not finished, and may be under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedRun {
    /// Its name.
    pub name: RunName,
    /// The sha256 of the manifest of the generation that it sees, where it has begun so far as to say it.
    pub manifest_sha256: Option<String>,
    /// The run that it follows, where it follows one.
    pub follows: Option<String>,
}

/// All that names objects of a store.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Announced {
    /// The generations, by their numbers.
    pub generations: BTreeMap<u64, AnnouncedGeneration>,
    /// The finished runs.
    pub finished: Vec<FinishedRun>,
    /// The other ones.
    pub unfinished: Vec<UnfinishedRun>,
    /// The run that is called the newest.
    pub latest: Option<RunName>,
}

/// What of a checkpoint tells which objects a run needs; what else is in it is the reduce's.
#[derive(Deserialize)]
struct Checkpoint {
    question: Question,
    follows: Option<Followed>,
}

#[derive(Deserialize)]
struct Question {
    manifest_sha256: String,
}

#[derive(Deserialize)]
struct Followed {
    run: String,
}

impl Announced {
    /// Reads the manifests of all generations, the records of all finished runs and the checkpoints of the others.
    ///
    /// # Errors
    /// Any that cannot be read, [`AnnouncedError`] for what is named and not there, or a store without a corpus.
    pub async fn read(store: &Store, inventory: &Inventory) -> Result<Self, Failure> {
        let mut announced = Self { latest: Latest::read(store).await?, ..Self::default() };
        announced.read_generations(store, inventory).await?;
        for run in inventory.runs() {
            match inventory.finished(&run) {
                Some(finished) => announced.read_finished(store, run, finished).await?,
                None => announced.unfinished.push(unfinished(store, run).await?),
            }
        }
        Ok(announced)
    }

    async fn read_generations(&mut self, store: &Store, inventory: &Inventory) -> Result<(), Failure> {
        let newest = generations::newest(store).await?.manifest.generation;
        for number in inventory.generations().chain([newest]) {
            let found = generations::read(store, number).await?;
            self.generations.insert(number, AnnouncedGeneration { manifest: found.manifest, sha256: found.sha256 });
        }
        let copied = copied_generation(store).await?;
        match copied.filter(|copied| *copied > newest) {
            Some(lost) => Err(AnnouncedError::LostGeneration { key: layout::generation(lost) }.into()),
            None => Ok(()),
        }
    }

    async fn read_finished(&mut self, store: &Store, name: RunName, finished: DateTime<Utc>) -> Result<(), Failure> {
        let record = RunRecord::read(store, &name).await?;
        if !self.generations.contains_key(&record.generation) {
            let (key, generation) = (layout::in_run(&name, run_file::RECORD), record.generation);
            return Err(AnnouncedError::UnknownGeneration { key, run: name, generation }.into());
        }
        self.finished.push(FinishedRun { name, record, finished });
        Ok(())
    }
}

/// Reads of which generation `raw/manifest.json` is a copy; one that cannot be read is a copy of none.
async fn copied_generation(store: &Store) -> Result<Option<u64>, StoreError> {
    let key = layout::manifest();
    let bytes = store.get_if_present(&key).await?;
    Ok(bytes.and_then(|bytes| Manifest::decode(&key, &bytes).ok()).map(|manifest| manifest.generation))
}

async fn unfinished(store: &Store, name: RunName) -> Result<UnfinishedRun, StoreError> {
    let bytes = store.get_if_present(&layout::in_run(&name, run_file::UNFINISHED)).await?;
    let checkpoint: Option<Checkpoint> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (question, follows) = checkpoint.map(|checkpoint| (checkpoint.question, checkpoint.follows)).unzip();
    Ok(UnfinishedRun {
        name,
        manifest_sha256: question.map(|question| question.manifest_sha256),
        follows: follows.flatten().map(|followed| followed.run),
    })
}
