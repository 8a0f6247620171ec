//! Inputs → generations of a corpus: JSON lines and Parquet files as people have them become its first, or update it.
//!
//! Read, parse, assemble, write: [`input`] and [`lines`] (or [`rows`]) turn files into lines, [`document`] turns a line
//! into a document or a reason, [`assemble`] drops duplicates, counts, and holds documents against those that are [`known`],
//! [`write`] encodes and stores, [`corpus`] puts them together. [`update`] makes the next generation of a corpus, [`settle`]
//! creates it. [`compact`] folds shards of a corpus that has many. [`brought`] and [`join`] take in vectors that were made elsewhere.
//!
//! Invariant: every line is a row, a rejection or blank, and the counts add up. A generation is created after all that it
//! names: where there is one, it is whole. Memory does not grow with the input, but for the 15 to 30 bytes an id of [`seen`]
//! and at most 40 bytes a document of a corpus that is updated.

mod assemble;
mod bits;
mod brought;
mod change;
mod columns;
mod compact;
mod content;
mod corpus;
mod dates;
mod document;
mod earlier;
mod error;
mod fields;
mod ingest;
mod input;
mod join;
mod known;
mod lines;
mod newest;
mod reason;
mod reuse;
mod rows;
mod salvage;
mod seen;
mod settle;
mod spool;
#[cfg(test)]
mod tests;
mod update;
mod whitespace;
mod write;

use std::path::PathBuf;

use strata_shared::generations::{self, Generation};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use tokio::task::JoinError;

pub use assemble::Tally;
pub use change::{Change, DEFAULT_MAX_CHANGE, MaxChange, Terms};
pub use compact::{Compaction, plan as plan_compaction, run as compact};
pub use error::ShardError;
pub use newest::newest_in;
pub use reason::Reason;

use corpus::Sources;
use known::KnownDocuments;
use update::Base;
use write::Target;

/// What to shard, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Files, store URLs, or `-` for standard input; read in this order. Without any, `vectors` alone are the corpus.
    pub inputs: Vec<String>,
    /// How lines become documents.
    pub settings: ShardSettings,
    /// Vectors that were made elsewhere.
    pub vectors: Option<VectorsRequest>,
    /// On which terms a corpus that is there may be updated.
    pub terms: Terms,
}

/// Vectors that were made elsewhere.
#[derive(Debug, Clone)]
pub struct VectorsRequest {
    /// A Parquet or `.npy` file, or a store URL of one.
    pub file: PathBuf,
    /// The name under which they are kept.
    pub model_name: ModelName,
}

/// What there is after sharding.
#[derive(Debug)]
pub struct Outcome {
    /// The corpus.
    pub manifest: Manifest,
    /// The store held all of it before, and nothing was written.
    pub already_done: bool,
    /// What became of the lines; `None` where they were not read, since the store holds these very inputs.
    pub tally: Option<Tally>,
    /// What they changed; `None` where they were not read, or there was no corpus before.
    pub change: Option<Change>,
}

/// Shards the inputs of `request` into `store`, or updates its corpus by them, and its vectors, as far as that is not done
/// already.
///
/// # Errors
/// [`ShardError`]; the same request goes on where this one ended. After an error in the inputs or in the vectors the corpus is
/// what it was.
pub async fn run(request: Request, store: &Store) -> Result<Outcome, ShardError> {
    let sources = Sources::find(&request).await?;
    let Some(newest) = generations::newest_if_present(store).await? else {
        return begin(&sources, store, None).await;
    };
    earlier::refuse_other_settings(store, &newest.manifest, &sources)?;
    if earlier::is_same_snapshot(&newest.manifest, &sources, &request.terms).await? {
        return again(&sources, store, newest).await;
    }
    match earlier::first_lost(store, &newest.manifest).await? {
        Some(key) => Err(ShardError::Lost { store: store.url().to_owned(), key }),
        None => update::run(&sources, store, newest, &request.terms).await,
    }
}

/// Says what [`run`] would do to the corpus of `store`, and writes nothing.
///
/// # Errors
/// Those of reading; what the terms do not allow is no error here.
pub async fn plan(request: Request, store: &Store) -> Result<Change, ShardError> {
    let sources = Sources::find(&request).await?;
    let Some(newest) = generations::newest_if_present(store).await? else {
        let tally = corpus::sift(&sources, KnownDocuments::default()).await?.tally;
        let Tally { rows, new, rejected, unreadable, newest, .. } = tally;
        let newest = change::day(newest);
        return Ok(Change { generation: 1, rows, new, rejected, unreadable, newest, ..Change::default() });
    };
    earlier::refuse_other_settings(store, &newest.manifest, &sources)?;
    let base = Base::read(store, newest.manifest).await?;
    update::plan(&sources, store, &base, &request.terms).await
}

/// Makes the first generation; `listed_by` where it is there and some of its shards were lost.
async fn begin(sources: &Sources, store: &Store, listed_by: Option<&Manifest>) -> Result<Outcome, ShardError> {
    let target = Target { generation: 1, first_shard: 0, listed_by };
    let (mut assembled, shards) = corpus::make_shards(sources, store, KnownDocuments::default(), target).await?;
    let (tally, written) = (assembled.tally.clone(), std::mem::take(&mut assembled.written));
    let counts = (tally.rejected, tally.undated);
    let manifest = Manifest::first(shards, assembled.inputs, counts, sources.settings.clone());
    let brought = brought::bring(sources, store, &manifest, written, target).await?;
    target.expect_open(store).await?;
    corpus::finish(assembled.rejected, &manifest, store).await?;
    let manifest = settle::create(store, manifest).await?;
    if let Some(brought) = brought {
        brought.finish(store, &manifest).await?;
    }
    Ok(Outcome { manifest, already_done: false, tally: Some(tally), change: None })
}

/// Makes what is missing of a generation that was made of the same inputs.
async fn again(sources: &Sources, store: &Store, newest: Generation) -> Result<Outcome, ShardError> {
    let lost = match earlier::first_lost(store, &newest.manifest).await? {
        Some(key) => Some(key),
        None => earlier::lost_refusals(store, &newest).await?,
    };
    let Some(key) = lost else {
        generations::announce(store, &newest).await?;
        let already_done = !brought::add(sources, store, &newest.manifest).await?;
        return Ok(Outcome { manifest: newest.manifest, already_done, tally: None, change: None });
    };
    if newest.manifest.compaction.is_some() {
        // Its shards were not made of these inputs.
        return Err(ShardError::Lost { store: store.url().to_owned(), key });
    }
    match newest.manifest.update {
        // The first format's bytes cannot be made again; its generation has no number yet that would be used twice. What
        // lists them goes first: they may have the same size, and would be taken for them after a kill.
        None if !newest.is_numbered => {
            store.delete(&layout::manifest()).await?;
            begin(sources, store, None).await
        }
        None => begin(sources, store, Some(&newest.manifest)).await,
        Some(update) => update::remake(sources, store, (&newest.manifest, &update), key).await,
    }
}

/// Runs blocking work on its own thread; a panic there is one here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShardError> + Send + 'static,
) -> Result<T, ShardError> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// Runs work beside what waits for it; a panic there is one here.
async fn beside<T: Send + 'static>(
    work: impl Future<Output = Result<T, ShardError>> + Send + 'static,
) -> Result<T, ShardError> {
    joined(tokio::spawn(work).await)
}

fn joined<T>(done: Result<Result<T, ShardError>, JoinError>) -> Result<T, ShardError> {
    match done.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Only a runtime that shuts down cancels tasks.
        Err(Err(_)) => Err(ShardError::Abandoned),
    }
}
