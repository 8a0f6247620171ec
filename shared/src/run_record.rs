//! The run's record ↔ `run.json`, written last by the reduce, and `latest.json`, written by `strata`.
//!
//! Invariant: everything here is a function of the inputs and the parameters. Times, memory and hosts are in
//! `measurements.json`.

use std::collections::BTreeMap;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::digest;
use crate::exit::{Classify, Exit};
use crate::format::{self, FormatError};
use crate::layout::{self, FORMAT, ModelName, NameError, RunName, run_file};
use crate::settings::ReduceSettings;
use crate::store::{Store, StoreError};

/// What a finished run saw, did and wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// The version of this format.
    pub format: u32,
    /// The run's name.
    pub run: String,
    /// The model whose vectors it took.
    pub vectors_of: String,
    /// The number of the generation that it saw; absent from records of before there were any, which saw the first.
    #[serde(default = "first_generation")]
    pub generation: u64,
    /// The sha256 of that generation's manifest.
    pub manifest_sha256: String,
    /// Everything that can change a result.
    pub parameters: ReduceSettings,
    /// The run that this one follows, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<PredecessorRecord>,
    /// Documents.
    pub rows: u64,
    /// Dimensions of a vector.
    pub dim: usize,
    /// Sum of squared L2 distances to the nearest centroid.
    pub inertia: f64,
    /// How clusters came out.
    pub clusters: ClustersRecord,
    /// Above every topic's id that this run or one before it has given; absent from records of before topics had ids, whose
    /// labels stand for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_topic_id: Option<i64>,
    /// The FAISS index.
    pub index: IndexRecord,
    /// The search for the lonely.
    pub lonely: LonelyRecord,
    /// What the periods cover.
    pub periods: PeriodsRecord,
    /// What a reader of the findings should know.
    pub notes: Vec<String>,
    /// Every object that the reduce wrote, this record and the measurements aside.
    pub outputs: Vec<OutputEntry>,
}

const fn first_generation() -> u64 {
    1
}

/// The run that another one follows: an input, as the corpus is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredecessorRecord {
    /// Its name.
    pub run: String,
    /// The generation that it saw.
    pub generation: u64,
    /// The sha256 of its centroids' object.
    pub centroids_sha256: String,
    /// The sha256 of its table of topics, whose ids this one goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics_sha256: Option<String>,
    /// Whether the clustering started from its centroids; otherwise they led to a worse one than a fresh start.
    pub warm: bool,
    /// The inertia of the sample from these centroids over that from a fresh start, less 1.
    pub excess: f64,
}

/// How many clusters were asked for and came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClustersRecord {
    /// Asked for, by flag or by rule.
    pub requested: usize,
    /// Found; fewer where there are fewer distinct vectors.
    pub found: usize,
    /// Documents in the k-means sample.
    pub sample_rows: usize,
}

/// How the FAISS index was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexRecord {
    /// Its factory string.
    pub factory: String,
    /// Inverted lists to probe, where it has such.
    pub nprobe: Option<usize>,
    /// The part of the 10 nearest other documents that a search with this `nprobe` finds, over sampled documents; absent
    /// from records of before it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall_at_10: Option<f64>,
}

/// What the search for the lonely found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LonelyRecord {
    /// The neighbour that decides: `lonely_k`, or less in a corpus of fewer documents.
    pub k: usize,
    /// Entries listed.
    pub listed: usize,
    /// The similarity of the last entry: every document that is not listed has its k-th neighbour at least as near.
    pub cutoff: Option<f64>,
    /// Documents left out for having too few words.
    pub too_short: u64,
}

/// What the periods cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodsRecord {
    /// Documents without a date.
    pub undated: u64,
    /// The recent window, such as `2021..2023`; `None` where nothing is dated.
    pub recent: Option<String>,
    /// Periods that were left out: the last one if it broke off early, and those at the end that hold almost nothing.
    pub incomplete: Vec<String>,
    /// Periods with far fewer documents than their neighbours, or another mix of categories.
    pub thin: Vec<String>,
}

/// One object that the reduce wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputEntry {
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// The sha256 of its bytes.
    pub sha256: String,
}

/// The name of the newest finished run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// The run's name.
    pub run: String,
}

/// Why there is no record to work with.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store did not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The newest run's name is not safe.
    #[error("{key}: names a run that cannot be (edited by hand?)")]
    Name {
        /// The key of the object that names it.
        key: Path,
        /// What is wrong with the name.
        source: NameError,
    },
    /// There is no such finished run.
    #[error("{key}: is missing; no such finished run (`strata status` lists them)")]
    Missing {
        /// The record's key.
        key: Path,
    },
    /// The record is not JSON of this shape.
    #[error("{key}: is not a record that this program reads (edited by hand?); `strata reduce --force` makes it anew")]
    Unreadable {
        /// The record's key.
        key: Path,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The record was written by another version.
    #[error("{key}: format {found}, this program reads formats up to {FORMAT}")]
    Format {
        /// The record's key.
        key: Path,
        /// The version found.
        found: u32,
    },
}

impl Classify for RunError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Missing { .. } => Exit::Configuration,
            Self::Name { .. } | Self::Unreadable { .. } | Self::Format { .. } => Exit::Data,
        }
    }
}

impl RunRecord {
    /// Reads the record of `run`.
    ///
    /// # Errors
    /// [`RunError::Missing`] where the run is not finished, or [`RunError`]'s others.
    pub async fn read(store: &Store, run: &RunName) -> Result<Self, RunError> {
        let found = Self::read_if_present(store, run).await?;
        found.ok_or_else(|| RunError::Missing { key: layout::in_run(run, run_file::RECORD) })
    }

    /// Reads the record of `run`, or `None` where the run is not finished.
    ///
    /// # Errors
    /// [`RunError`], absence aside.
    pub async fn read_if_present(store: &Store, run: &RunName) -> Result<Option<Self>, RunError> {
        let key = layout::in_run(run, run_file::RECORD);
        let Some(bytes) = store.get_if_present(&key).await? else { return Ok(None) };
        match format::decode(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(FormatError::Other { found }) => Err(RunError::Format { key, found }),
            Err(FormatError::Unreadable(source)) => Err(RunError::Unreadable { key, source }),
        }
    }

    /// Returns the entry of an object of the run; `file` is its key below the run's folder.
    #[must_use]
    pub fn output(&self, file: &str) -> Option<&OutputEntry> {
        let key = RunName::new(&self.run).map(|run| layout::in_run(&run, file)).ok()?;
        self.outputs.iter().find(|output| output.key == key.as_ref())
    }

    /// Returns the objects that hold the documents' labels, in shard order.
    pub fn labels(&self) -> impl Iterator<Item = Path> + '_ {
        let keys = self.outputs.iter().map(|output| Path::from(output.key.as_str()));
        keys.filter(layout::is_labels)
    }

    /// Tells whether this is still the run that `predecessor` names, with the topics that it had then.
    #[must_use]
    pub fn is_that_of(&self, predecessor: &PredecessorRecord) -> bool {
        let sha256 = |file| self.output(file).map(|output| output.sha256.as_str());
        let topics = predecessor.topics_sha256.as_deref();
        sha256(run_file::CENTROIDS) == Some(predecessor.centroids_sha256.as_str())
            && topics.is_none_or(|topics| sha256(run_file::TOPICS) == Some(topics))
    }

    /// Returns the number above every topic's id that this run or one before it has given.
    #[must_use]
    pub fn next_topic_id(&self) -> i64 {
        self.next_topic_id.unwrap_or(self.clusters.found as i64)
    }

    /// Returns the first object of the run that is missing or not what the record says, and how it is.
    ///
    /// Tables are held to their sha256, labels and the index, which may be large, to their sizes.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be listed or a table cannot be read.
    pub async fn first_damaged(&self, store: &Store, run: &RunName) -> Result<Option<String>, StoreError> {
        let listed = store.list(&layout::run(run)).await?;
        let sizes: BTreeMap<String, u64> =
            listed.into_iter().map(|object| (object.location.to_string(), object.size)).collect();
        let damaged = self.outputs.iter().find_map(|output| match sizes.get(&output.key) {
            None => Some(format!("{} is missing", output.key)),
            Some(size) if *size != output.bytes => {
                Some(format!("{} has {size} bytes, expected {}", output.key, output.bytes))
            }
            Some(_) => None,
        });
        if damaged.is_some() {
            return Ok(damaged);
        }
        let tables = [run_file::CENTROIDS, run_file::TOPICS, run_file::TIMELINE, run_file::LONELY, run_file::CHANGES];
        for key in tables.map(|file| layout::in_run(run, file)) {
            let Some(output) = self.outputs.iter().find(|output| output.key == key.as_ref()) else { continue };
            let found = store.sha256(&key).await?.unwrap_or_else(|| "none".into());
            if found != output.sha256 {
                return Ok(Some(format!("{key} has sha256 {found}, expected {}", output.sha256)));
            }
        }
        Ok(None)
    }

    /// Encodes the record as indented JSON.
    ///
    /// # Panics
    /// Never: numbers and strings always serialise.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("numbers and strings always serialise");
        json.push(b'\n');
        json
    }
}

impl Latest {
    /// Reads the name of the newest finished run, or `None` where none was announced.
    ///
    /// # Errors
    /// [`RunError`], absence aside.
    pub async fn read(store: &Store) -> Result<Option<RunName>, RunError> {
        let key = layout::latest();
        let Some(bytes) = store.get_if_present(&key).await? else { return Ok(None) };
        match serde_json::from_slice::<Self>(&bytes).map(|latest| RunName::new(&latest.run)) {
            Ok(Ok(run)) => Ok(Some(run)),
            Ok(Err(source)) => Err(RunError::Name { key, source }),
            Err(source) => Err(RunError::Unreadable { key, source }),
        }
    }

    /// Announces `run` as the newest finished run.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written.
    pub async fn write(store: &Store, run: &RunName) -> Result<(), StoreError> {
        store.put(&layout::latest(), format!("{{\"run\": \"{run}\"}}\n").into_bytes()).await
    }
}

/// The version of the questions that names are made of: it stays while a question has the answer that it had.
const QUESTION: u32 = 1;

/// Names a run after what was asked: the same question over the same corpus has the same name.
///
/// # Panics
/// Never: the settings always serialise, and hexadecimal digits are a safe name.
#[must_use]
pub fn default_run(manifest_sha256: &str, vectors_of: &ModelName, parameters: &ReduceSettings) -> RunName {
    let question = serde_json::json!([QUESTION, manifest_sha256, vectors_of.as_str(), parameters]);
    let digest = digest::sha256_hex(question.to_string().as_bytes());
    RunName::new(&format!("run-{}", &digest[..12])).expect("a prefix and hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_record_of_a_newer_format_is_not_called_edited() {
        let (store, run) = (Store::new("memory", Arc::new(InMemory::new())), RunName::new("newer").unwrap());
        let newer = format!(r#"{{"format": {}, "run": "newer", "columns": []}}"#, FORMAT + 1);
        store.put(&layout::in_run(&run, run_file::RECORD), newer.into_bytes()).await.unwrap();
        let error = RunRecord::read(&store, &run).await.unwrap_err();
        assert!(matches!(error, RunError::Format { found, .. } if found == FORMAT + 1), "{error}");
    }
}
