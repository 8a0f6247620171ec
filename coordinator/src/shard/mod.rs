//! Inputs → raw shards: JSON lines and Parquet files as people have them become the corpus of a store.
//!
//! Read, parse, assemble, write: [`input`] and [`lines`] (or [`rows`]) turn files into lines, [`document`] turns a line
//! into a document or a reason, [`assemble`] drops duplicates and counts, [`write`] encodes and stores.
//!
//! Invariant: every line is a row, a rejection or blank, and the counts add up. The manifest is written last: where there
//! is one, the shards are whole. Memory does not grow with the input, but for [`seen`]'s 30 bytes an id.

mod assemble;
mod dates;
mod document;
mod error;
mod ingest;
mod input;
mod lines;
mod reason;
mod rows;
mod seen;
mod spool;
#[cfg(test)]
mod tests;
mod whitespace;
mod write;

use std::sync::Arc;

use strata_shared::layout::{self, FORMAT};
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;
use tokio::task::JoinError;

pub use assemble::Tally;
pub use error::ShardError;
pub use reason::Reason;

use assemble::Assembled;
use input::Input;
use write::ShardSender;

/// The longest line that can be allowed: columns of text are addressed by 31 bits.
const MAX_LINE_BYTES: usize = 1 << 30;

/// What to shard, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Files, store URLs, or `-` for standard input; read in this order.
    pub inputs: Vec<String>,
    /// How lines become documents.
    pub settings: ShardSettings,
}

/// What there is after sharding.
#[derive(Debug)]
pub struct Outcome {
    /// The corpus.
    pub manifest: Manifest,
    /// The same inputs had been sharded before, and nothing was done.
    pub already_done: bool,
    /// What became of the lines; `None` where nothing was done.
    pub tally: Option<Tally>,
}

/// Shards the inputs of `request` into `store`, unless it holds their shards already.
///
/// # Errors
/// [`ShardError`]; the store then has no new manifest, and the same request goes on where this one ended.
pub async fn run(request: Request, store: &Store) -> Result<Outcome, ShardError> {
    check(&request)?;
    let inputs = find(&request.inputs).await?;
    if let Some((manifest, _)) = Manifest::read_if_present(store).await? {
        refuse_other_settings(store, &manifest, &request.settings, inputs.len())?;
        refuse_other_inputs(store, &manifest, inputs).await?;
        return Ok(Outcome { manifest, already_done: true, tally: None });
    }
    let (assembled, shards) = make_shards(&request, inputs, store).await?;
    let tally = assembled.tally.clone();
    let manifest = finish(assembled, shards, request.settings, store).await?;
    Ok(Outcome { manifest, already_done: false, tally: Some(tally) })
}

fn check(request: &Request) -> Result<(), ShardError> {
    if request.inputs.is_empty() {
        return Err(ShardError::NoInput);
    }
    if request.inputs.iter().filter(|input| *input == "-").count() > 1 {
        return Err(ShardError::StdinTwice);
    }
    let max_line_bytes = request.settings.max_line_bytes;
    if max_line_bytes > MAX_LINE_BYTES {
        return Err(ShardError::Setting {
            name: "--max-line",
            found: max_line_bytes.to_string(),
            expected: "at most 1GiB",
        });
    }
    Ok(())
}

async fn find(names: &[String]) -> Result<Vec<Input>, ShardError> {
    let mut inputs = Vec::with_capacity(names.len());
    for name in names {
        inputs.push(Input::find(name).await?);
    }
    Ok(inputs)
}

/// Announces the reading of `inputs`; the total is 0 where one of them has no known size.
fn progress(inputs: &[Input]) -> Arc<Progress> {
    let unknown = inputs.iter().any(Input::is_stdin);
    let total = if unknown { 0 } else { inputs.iter().map(Input::bytes).sum() };
    Arc::new(Progress::start("shard", "bytes", total))
}

async fn make_shards(
    request: &Request,
    inputs: Vec<Input>,
    store: &Store,
) -> Result<(Assembled, Vec<ShardEntry>), ShardError> {
    let (sender, jobs) = ShardSender::new(request.settings.rows_per_shard);
    let (settings, progress) = (request.settings.clone(), progress(&inputs));
    let ingest = tokio::task::spawn_blocking(move || ingest::ingest(inputs, &settings, sender, &progress));
    let written = write::write_shards(store, jobs).await;
    match (unwind(ingest.await), written) {
        (Err(ShardError::Abandoned), Err(error)) | (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        (Ok(assembled), Ok(_)) if assembled.tally.rows == 0 => Err(no_row(&request.inputs, &assembled)),
        (Ok(assembled), Ok(shards)) => Ok((assembled, shards)),
    }
}

fn no_row(names: &[String], assembled: &Assembled) -> ShardError {
    let first = assembled.tally.first_refusal.as_ref().map_or_else(String::new, |first| format!(" (first {first})"));
    let lines = assembled.inputs.iter().map(|input| input.lines).sum();
    ShardError::NoRow { inputs: names.join(", "), lines, first }
}

async fn finish(
    assembled: Assembled,
    shards: Vec<ShardEntry>,
    settings: ShardSettings,
    store: &Store,
) -> Result<Manifest, ShardError> {
    assembled.rejected.put(store, &layout::rejected()).await?;
    remove_stale(shards.len(), store).await?;
    let tally = assembled.tally;
    let manifest = Manifest {
        format: FORMAT,
        rows: tally.rows,
        shards,
        inputs: assembled.inputs,
        rejected: tally.rejected,
        undated: tally.undated,
        settings,
    };
    store.put(&layout::manifest(), manifest.encode()).await?;
    Ok(manifest)
}

/// Removes raw shards beyond the last one, which a killed attempt on other inputs may have left.
async fn remove_stale(num_shards: usize, store: &Store) -> Result<(), ShardError> {
    for object in store.list(&object_store::path::Path::from("raw")).await? {
        if layout::shard_index(&object.location).is_some_and(|index| index >= num_shards) {
            store.delete(&object.location).await?;
        }
    }
    Ok(())
}

fn refuse_other_settings(
    store: &Store,
    manifest: &Manifest,
    settings: &ShardSettings,
    num_inputs: usize,
) -> Result<(), ShardError> {
    if manifest.settings != *settings {
        return Err(other_corpus(store, difference(&manifest.settings, settings)));
    }
    if manifest.inputs.len() != num_inputs {
        return Err(other_corpus(store, format!("it has {} inputs, not {num_inputs}", manifest.inputs.len())));
    }
    Ok(())
}

fn other_corpus(store: &Store, difference: String) -> ShardError {
    ShardError::OtherCorpus { store: store.url().to_owned(), difference }
}

fn difference(made: &ShardSettings, asked: &ShardSettings) -> String {
    let arxiv = |field: &Option<String>| field.clone().unwrap_or_else(|| "(arXiv's)".into());
    let pairs = [
        ("--rows-per-shard", made.rows_per_shard.to_string(), asked.rows_per_shard.to_string()),
        ("--max-line", made.max_line_bytes.to_string(), asked.max_line_bytes.to_string()),
        ("--id-field", made.id_field.clone(), asked.id_field.clone()),
        ("--title-field", made.title_field.clone(), asked.title_field.clone()),
        ("--text-field", made.text_field.clone(), asked.text_field.clone()),
        ("--date-field", arxiv(&made.date_field), arxiv(&asked.date_field)),
        ("--category-field", made.category_field.clone(), asked.category_field.clone()),
    ];
    let different = pairs.into_iter().filter(|(_, made, asked)| made != asked);
    let said: Vec<String> = different.map(|(flag, made, asked)| format!("its {flag} is {made}, not {asked}")).collect();
    said.join(", ")
}

async fn refuse_other_inputs(store: &Store, manifest: &Manifest, inputs: Vec<Input>) -> Result<(), ShardError> {
    let progress = progress(&inputs);
    for (input, entry) in inputs.into_iter().zip(&manifest.inputs) {
        let (given, progress, runtime) = (input.given().to_owned(), Arc::clone(&progress), Handle::current());
        let hash = tokio::task::spawn_blocking(move || input.open(&runtime, progress)?.sha256());
        let found = unwind(hash.await)?;
        if found != entry.sha256 {
            let expected = format!("its input {} has sha256 {}, {given} has {found}", entry.name, entry.sha256);
            return Err(other_corpus(store, expected));
        }
    }
    Ok(())
}

/// Passes on a panic of a blocking task, as if it had happened here.
fn unwind<T>(joined: Result<Result<T, ShardError>, JoinError>) -> Result<T, ShardError> {
    match joined.map_err(JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Only a runtime that shuts down cancels tasks.
        Err(Err(_)) => Err(ShardError::Abandoned),
    }
}
