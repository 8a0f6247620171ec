//! A plan → a corpus of any size straight in a store, in minutes: what benchmarks and tests of size run on.
//!
//! Raw shards, manifest and vector shards are as `strata shard --vectors` leaves them. Vectors are noisy copies of a
//! reference's (or of a mixture's), with near-copies and loners; dates follow topics that rise and die; abstracts are drawn
//! from vocabularies of topics. [`role`] says what a row is, [`direction`], [`prose`] and [`history`] what it holds,
//! [`write`] puts it into the store.
//!
//! Invariant: every row is a function of its number and of the plan's seed, dimensions, topics and reference. Neither the
//! number of rows, nor the threads, nor the cut into shards change it. (Logarithms are the platform's: two platforms may
//! differ in last bits.)

mod category;
mod direction;
mod draw;
mod history;
mod normal;
mod prose;
mod reference;
mod role;
mod shard;
mod sources;
#[cfg(test)]
mod tests;
mod truth;
mod weighted;
mod words;
mod write;

use std::path::PathBuf;

use strata_shared::store::StoreError;
use strata_shared::table::TableError;

pub use history::{FIRST_YEAR, Fate, LAST_YEAR};
pub use role::{COPY_ONE_IN, LONER_ONE_IN, Role};
pub use truth::{PlannedTopic, Truth};

use history::History;
use normal::Normal;
use prose::Prose;
use role::Roles;
use sources::Sources;

/// What corpus is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Documents.
    pub rows: u64,
    /// Dimensions of a vector; those of the reference, where there is one.
    pub dim: usize,
    /// Same plan and seed, same bytes.
    pub seed: u64,
    /// Topics of texts and dates.
    pub topics: usize,
    /// A Parquet file of vectors whose noisy copies the rows are; `None`: a mixture.
    pub reference: Option<PathBuf>,
    /// Documents a shard.
    pub rows_per_shard: usize,
    /// Leaves texts empty and dates null; ids are row numbers.
    pub vectors_only: bool,
    /// Shards made at once; changes no byte.
    pub threads: usize,
    /// The name under which the vectors are kept.
    pub model: String,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rows: 50_000,
            dim: 384,
            seed: 1,
            topics: 400,
            reference: None,
            rows_per_shard: 10_000,
            vectors_only: false,
            threads: 2,
            model: "archive".into(),
        }
    }
}

/// Why there is no such corpus.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A number of the plan is out of range.
    #[error("{name}: found {found}, expected {expected}")]
    Plan {
        /// The flag.
        name: &'static str,
        /// What was given.
        found: String,
        /// What can be done.
        expected: &'static str,
    },
    /// The reference does not give its vectors.
    #[error("{path}: {reason}")]
    Reference {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The store holds a corpus.
    #[error("{store}: holds a corpus already; give a new folder")]
    Taken {
        /// The store.
        store: String,
    },
    /// A shard cannot be encoded.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifest that is there cannot be read.
    #[error(transparent)]
    Manifest(#[from] strata_shared::manifest::ManifestError),
}

impl Plan {
    fn check(&self) -> Result<(), ArchiveError> {
        let refuse = |name, found: String, expected| Err(ArchiveError::Plan { name, found, expected });
        match self {
            Self { rows: 0, .. } => refuse("--rows", "0".into(), "at least 1"),
            Self { dim, .. } if !(2..=4_096).contains(dim) => refuse("--dim", dim.to_string(), "2 to 4096"),
            Self { topics, .. } if !(1..=10_000).contains(topics) => {
                refuse("--topics", topics.to_string(), "1 to 10000")
            }
            Self { rows_per_shard, .. } if !(1..=1_000_000).contains(rows_per_shard) => {
                refuse("--rows-per-shard", rows_per_shard.to_string(), "1 to 1000000")
            }
            _ => Ok(()),
        }
    }
}

/// A corpus that is planned: any row of it can be drawn.
#[derive(Debug)]
pub struct Archive {
    plan: Plan,
    normal: Normal,
    sources: Sources,
    history: History,
    /// `None` where there are vectors only.
    prose: Option<Prose>,
}

impl Archive {
    /// Plans a corpus, and reads its reference.
    ///
    /// # Errors
    /// [`ArchiveError::Plan`] or [`ArchiveError::Reference`].
    pub fn new(plan: Plan) -> Result<Self, ArchiveError> {
        plan.check()?;
        let normal = Normal::new();
        let sources = Sources::of(&plan, &normal)?;
        let (seed, num_topics) = (plan.seed, sources.num_topics);
        let prose = (!plan.vectors_only).then(|| Prose::new(seed, num_topics));
        Ok(Self { history: History::new(seed, num_topics), prose, sources, normal, plan })
    }

    /// Returns what `row` is.
    #[must_use]
    pub fn role(&self, row: u64) -> Role {
        self.roles().of(row)
    }

    fn roles(&self) -> Roles {
        Roles { seed: self.plan.seed, num_sources: self.sources.len(), num_topics: self.sources.num_topics }
    }
}
