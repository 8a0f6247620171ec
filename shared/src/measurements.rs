//! What a reduce cost ↔ `measurements.json`: all that differs from run to run, and nothing else does.

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::exit::{Classify, Exit};
use crate::format::{self, FormatError};
use crate::layout::{self, RunName, run_file};
use crate::store::{Store, StoreError};

/// Times, work and memory of one reduce.
///
/// A reduce that took up what an earlier one had finished measures its own stages alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// The version of this format.
    pub format: u32,
    /// Where it ran.
    pub host: Host,
    /// The stages in their order, and all of them together at the end.
    pub stages: Vec<Stage>,
    /// The peak of resident memory.
    pub peak_memory_bytes: Option<u64>,
    /// What proves the lonely list.
    pub lonely: Option<LonelyCost>,
}

/// The machine that a reduce ran on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Threads for arithmetic.
    pub threads: usize,
    /// The processor's architecture.
    pub architecture: String,
    /// The processor's name.
    pub cpu: Option<String>,
    /// Multiplications and additions a second of all threads in large float32 products, measured at the start.
    #[serde(default)]
    pub peak_operations_per_second: f64,
}

/// What one stage cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Wall time.
    pub seconds: f64,
    /// Processor time, user and system, of all threads.
    pub cpu_seconds: f64,
    /// Documents that it went through.
    #[serde(default)]
    pub rows: u64,
    /// Bytes of shards read, as stored.
    #[serde(default)]
    pub bytes_read: u64,
    /// Bytes of the run's objects written.
    #[serde(default)]
    pub bytes_written: u64,
    /// Multiplications and additions of matrix products.
    #[serde(default)]
    pub operations: u64,
    /// Operations over what the peak allows in the stage's seconds.
    #[serde(default)]
    pub share_of_peak: f64,
    /// The same over the processor time of the assignment's products alone.
    #[serde(default)]
    pub share_of_peak_in_assignment: Option<f64>,
    /// The peak of resident memory from the program's start to the end of the stage.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
}

/// How the lonely list was come by: rows that each stage of the search began with and put above the cutoff.
///
/// The stages are a chain that can be checked: `distinct` rows enter the first, each enters with what did not fall in the one
/// before it, and what does not fall in the last but one are the `finalists`. The last is of those finalists that have crowds
/// of near-copies. All pairs together, times two a dimension, are the `operations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LonelyCost {
    /// Distinct vectors among those that may be listed.
    pub distinct: usize,
    /// The search's stages in their order.
    #[serde(default)]
    pub stages: Vec<LonelyStage>,
    /// Rows compared with every other.
    pub exhausted: usize,
    /// Of these, the ones that half precision could not tell from the loneliest.
    #[serde(default)]
    pub finalists: usize,
    /// Times that the whole corpus was read from the store, beside the finalists.
    #[serde(default)]
    pub store_scans: usize,
    /// The most by which a product of half-precision vectors can differ from the similarity.
    #[serde(default)]
    pub margin: f64,
    /// The cutoff that the lowest bounds gave.
    #[serde(default)]
    pub first_cutoff: Option<f64>,
    /// The similarity of the last document listed.
    #[serde(default)]
    pub cutoff: Option<f64>,
    /// Multiplications and additions, the bounds' included.
    pub operations: u64,
    /// What comparing all rows with all rows takes.
    pub brute_force_operations: u64,
}

/// One stage of the search for the lonely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LonelyStage {
    /// Its name.
    pub name: String,
    /// Rows that no earlier stage has put above the cutoff.
    pub entered: usize,
    /// Of these, the ones that it put above the cutoff; each row falls once.
    pub fell: usize,
    /// Pairs of rows compared.
    pub pairs: u64,
}

/// Why there are no measurements to show.
#[derive(Debug, thiserror::Error)]
pub enum MeasurementsError {
    /// The store did not give them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are none of that run.
    #[error("{key}: is missing")]
    Missing {
        /// The key.
        key: Path,
    },
    /// They are not JSON of this shape and version.
    #[error("{key}: are not measurements that this program reads")]
    Unreadable {
        /// The key.
        key: Path,
        /// What the parser says.
        source: FormatError,
    },
}

impl Classify for MeasurementsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Missing { .. } => Exit::Configuration,
            Self::Unreadable { .. } => Exit::Data,
        }
    }
}

impl Measurements {
    /// Reads the measurements of `run`.
    ///
    /// # Errors
    /// [`MeasurementsError`].
    pub async fn read(store: &Store, run: &RunName) -> Result<Self, MeasurementsError> {
        let key = layout::in_run(run, run_file::MEASUREMENTS);
        let found = store.get_if_present(&key).await?;
        let bytes = found.ok_or_else(|| MeasurementsError::Missing { key: key.clone() })?;
        format::decode(&bytes).map_err(|source| MeasurementsError::Unreadable { key, source })
    }

    /// Encodes the measurements as indented JSON.
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
