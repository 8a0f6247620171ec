//! The manifest and this task's place → the shards that it still has to embed.
//!
//! A shard is embedded whole, superseded rows included: its vectors are a function of it and the model, whatever later
//! generations make of it.
//!
//! Invariant: the tasks 0 to n − 1 of n share the work list without overlap. Resume trusts what a vector shard's footer
//! says of its raw shard and its model, and nothing else.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use strata_shared::exit::{Classify, Exit};
use strata_shared::layout::{self, FORMAT, ModelName};
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::store::{Store, StoreError};
use strata_shared::table::TableError;
use strata_shared::vectors::VectorShard;
use strata_shared::work_list::WorkList;

/// How many vector shards are looked at at a time.
const CONCURRENT_LOOKS: usize = 16;

/// Which part of the work list is this task's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// This task, from 0.
    pub task_index: usize,
    /// All tasks.
    pub task_count: usize,
}

impl Share {
    /// Returns entries i, i + n, i + 2n, … of `entries` for task i of n.
    #[must_use]
    pub fn of<T>(self, entries: Vec<T>) -> Vec<T> {
        entries.into_iter().skip(self.task_index).step_by(self.task_count.max(1)).collect()
    }
}

/// A raw shard to embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawShard {
    /// Its number.
    pub number: usize,
    /// What the manifest says of it.
    pub entry: ShardEntry,
}

impl RawShard {
    /// Returns its key.
    #[must_use]
    pub fn key(&self) -> Path {
        layout::raw_shard(self.number)
    }

    /// Returns the span of all that is said about it.
    pub(crate) fn span(&self) -> tracing::Span {
        // Kept at every level of the log: a warning without its shard says little.
        tracing::error_span!("shard", shard = %self.key())
    }
}

/// Why there is no knowing what to do.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such work list.
    #[error("{key}: work list is missing, expected {{format, shards: [number, …]}}")]
    Missing {
        /// The key that was named.
        key: Path,
    },
    /// The work list is not one.
    #[error("{key}: is not a work list, expected {{format, shards: [number, …]}}")]
    Unreadable {
        /// Its key.
        key: Path,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The work list does not fit this program or this corpus.
    #[error("{key}: names shard {number}, which the newest generation does not list; was the corpus updated since?")]
    Outdated {
        /// Its key.
        key: Path,
        /// The shard's number.
        number: usize,
    },
    /// It is of another version.
    #[error("{key}: {reason}")]
    Unfit {
        /// Its key.
        key: Path,
        /// What was found and what was expected.
        reason: String,
    },
}

impl Classify for WorkError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            // Another command that embeds into the same store may have removed it, once everything was done, or updated the
            // corpus since.
            Self::Missing { .. } | Self::Outdated { .. } => Exit::Retry,
            _ => Exit::Configuration,
        }
    }
}

/// Returns this task's shards: its share of the work list under `key`, or of the whole manifest.
///
/// # Errors
/// [`WorkError`] for a work list that is missing, unreadable, of another version, or of another corpus.
pub async fn assigned(
    store: &Store,
    manifest: &Manifest,
    key: Option<&Path>,
    share: Share,
) -> Result<Vec<RawShard>, WorkError> {
    let listed: BTreeMap<usize, &ShardEntry> = manifest.shards.iter().map(|entry| (entry.number(), entry)).collect();
    let numbers = match key {
        Some(key) => read_work_list(store, key, |number| listed.contains_key(&number)).await?,
        None => manifest.shards.iter().map(ShardEntry::number).collect(),
    };
    let shards = share.of(numbers).into_iter();
    Ok(shards.map(|number| RawShard { number, entry: listed[&number].clone() }).collect())
}

async fn read_work_list(store: &Store, key: &Path, is_listed: impl Fn(usize) -> bool) -> Result<Vec<usize>, WorkError> {
    let bytes = store.get_if_present(key).await?.ok_or_else(|| WorkError::Missing { key: key.clone() })?;
    let list: WorkList =
        serde_json::from_slice(&bytes).map_err(|source| WorkError::Unreadable { key: key.clone(), source })?;
    let unfit = |reason| Err(WorkError::Unfit { key: key.clone(), reason });
    if !layout::is_read(list.format) {
        return unfit(format!("has format {}, expected one up to {FORMAT}", list.format));
    }
    match list.shards.iter().find(|number| !is_listed(**number)) {
        Some(&number) => Err(WorkError::Outdated { key: key.clone(), number }),
        None => Ok(list.shards),
    }
}

/// Returns those of `shards`, in order, whose vectors by `model` are not there, or are of another raw shard.
///
/// # Errors
/// [`WorkError::Store`] if the store does not answer.
pub async fn missing(store: &Store, model: &ModelName, shards: Vec<RawShard>) -> Result<Vec<RawShard>, WorkError> {
    let looks = shards.into_iter().map(|shard| async move {
        let done = is_done(store, model, &shard).await?;
        Ok::<_, WorkError>((!done).then_some(shard))
    });
    let looked: Vec<Option<RawShard>> = futures::stream::iter(looks).buffered(CONCURRENT_LOOKS).try_collect().await?;
    Ok(looked.into_iter().flatten().collect())
}

async fn is_done(store: &Store, model: &ModelName, shard: &RawShard) -> Result<bool, WorkError> {
    let key = layout::vector_shard(model, shard.number);
    match VectorShard::open(store, &key, model, &shard.entry.sha256, shard.entry.rows as usize).await {
        Ok(_) => Ok(true),
        Err(TableError::Store(error)) => Err(error.into()),
        Err(TableError::Missing { .. }) => Ok(false),
        Err(error) => {
            tracing::warn!(key = %key, reason = %error, "embed again what does not fit");
            Ok(false)
        }
    }
}
