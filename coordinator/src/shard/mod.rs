//! Inputs → raw shards: JSON lines and Parquet files as people have them become the corpus of a store.
//!
//! Read, parse, assemble, write: [`input`] and [`lines`] (or [`rows`]) turn files into lines, [`document`] turns a line
//! into a document or a reason, [`assemble`] drops duplicates and counts, [`write`] encodes and stores, [`corpus`] puts
//! them together. [`join`] brings in vectors that were made elsewhere.
//!
//! Invariant: every line is a row, a rejection or blank, and the counts add up. The manifest is written after the shards:
//! where there is one, they are whole. Memory does not grow with the input, but for the 15 to 30 bytes an id of [`seen`].

mod assemble;
mod bits;
mod columns;
mod corpus;
mod dates;
mod document;
mod earlier;
mod error;
mod fields;
mod ingest;
mod input;
mod join;
mod lines;
mod reason;
mod rows;
mod seen;
mod settle;
mod spool;
#[cfg(test)]
mod tests;
mod whitespace;
mod write;

use std::path::PathBuf;

use strata_shared::layout::ModelName;
use strata_shared::manifest::Manifest;
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use tokio::task::JoinError;

pub use assemble::Tally;
pub use error::ShardError;
pub use reason::Reason;

use corpus::Sources;

/// What to shard, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Files, store URLs, or `-` for standard input; read in this order. Without any, `vectors` alone are the corpus.
    pub inputs: Vec<String>,
    /// How lines become documents.
    pub settings: ShardSettings,
    /// Vectors that were made elsewhere.
    pub vectors: Option<VectorsRequest>,
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
    /// What became of the lines; `None` where the shards were there already.
    pub tally: Option<Tally>,
}

/// Shards the inputs of `request` into `store`, and its vectors, as far as that is not done already.
///
/// # Errors
/// [`ShardError`]; the same request goes on where this one ended. Without a manifest before, there is none after an error
/// in the inputs or in the vectors.
pub async fn run(request: Request, store: &Store) -> Result<Outcome, ShardError> {
    let sources = Sources::find(&request).await?;
    let Some((manifest, _)) = Manifest::read_if_present(store).await? else {
        return begin(&sources, store, false).await;
    };
    earlier::refuse_another(store, &manifest, &sources).await?;
    if !earlier::is_whole(store, &manifest).await? {
        sources.check_again()?;
        return begin(&sources, store, true).await;
    }
    let already_done = !corpus::add_vectors(&sources, store, &manifest.shards).await?;
    Ok(Outcome { manifest, already_done, tally: None })
}

/// Shards all inputs; `again` where the store's manifest is of these inputs and some of its shards were lost.
async fn begin(sources: &Sources, store: &Store, again: bool) -> Result<Outcome, ShardError> {
    let (mut assembled, shards) = corpus::make_shards(sources, store).await?;
    let tally = assembled.tally.clone();
    let lines = std::mem::take(&mut assembled.accepted);
    let vectors = corpus::complete_vectors(sources, store, &shards, Some(lines)).await?;
    let manifest = corpus::finish(assembled, shards, sources, store).await?;
    let manifest = if again { settle::replace(store, manifest).await? } else { settle::begin(store, manifest).await? };
    if let Some(vectors) = vectors {
        vectors.write(store, &manifest.shards).await?;
    }
    Ok(Outcome { manifest, already_done: false, tally: Some(tally) })
}

/// Runs blocking work on its own thread; a panic there is one here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShardError> + Send + 'static,
) -> Result<T, ShardError> {
    match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Only a runtime that shuts down cancels tasks.
        Err(Err(_)) => Err(ShardError::Abandoned),
    }
}
