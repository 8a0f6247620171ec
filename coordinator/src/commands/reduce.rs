//! `strata reduce`: all vectors → a reduce-worker that makes a run of them, its page, and `latest.json`.

use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::generations::{self, Generation};
use strata_shared::layout::{self, ModelName, RunName, run_file};
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::run_record::{self, RunRecord};
use strata_shared::store::Store;

use super::{Context, status};
use crate::command_line::ReduceFlags;
use crate::launch::Work;
use crate::page;
use crate::plan::Finding;
use crate::report::Report;

/// Keys that a message names; the others are counted.
const NAMED: usize = 5;

/// Shards that are to be embedded first.
#[derive(Debug, thiserror::Error)]
#[error(
    "{missing} of {total} vector shards are missing ({keys}); `strata embed` makes them, or `strata shard` takes them from a file of \
     --vectors with all ids of a shard, after `strata compact` where rows of it were superseded"
)]
struct MissingVectors {
    missing: usize,
    total: usize,
    keys: String,
}

impl Classify for MissingVectors {
    fn exit(&self) -> Exit {
        Exit::Retry
    }
}

/// `strata reduce`: all vectors → a finished run, its page, and `latest.json`.
///
/// # Errors
/// What keeps the run from being finished.
pub async fn reduce(context: &Context, flags: &ReduceFlags) -> Result<(), Failure> {
    Manifest::read(&context.store).await?;
    let vectors_of = match flags.vectors_of.clone() {
        Some(model) => model,
        None => status::only_model(&context.store).await?,
    };
    finish_run(context, flags, vectors_of).await?;
    Ok(())
}

/// Makes the run that `flags` ask for, unless it is finished, and announces it.
///
/// # Errors
/// As [`reduce`].
pub(super) async fn finish_run(
    context: &Context,
    flags: &ReduceFlags,
    vectors_of: ModelName,
) -> Result<Report, Failure> {
    let Generation { manifest, sha256, .. } = match flags.generation {
        Some(number) => generations::read(&context.store, number).await?,
        None => generations::newest(&context.store).await?,
    };
    let settings = flags.settings()?;
    let default = || run_record::default_run(&sha256, &vectors_of, &settings);
    let run = flags.run.clone().unwrap_or_else(default);
    let record = if flags.force { None } else { RunRecord::read_if_present(&context.store, &run).await? };
    let answers = |record: &RunRecord| {
        record.manifest_sha256 == sha256 && record.vectors_of == vectors_of.as_str() && record.parameters == settings
    };
    if let Some(record) = record.as_ref().filter(|record| answers(record))
        && is_whole(&context.store, &run, record).await?
    {
        tracing::info!("{run} is finished already: nothing to do");
        return page::publish(&context.store, &run).await;
    }
    if record.is_none() {
        check_vectors(context, &manifest, &vectors_of).await?;
    }
    let work = Work::reduce(&context.url, flags, &run, &vectors_of, &manifest);
    context.launcher.launch(&work, &context.display).await?;
    page::publish(&context.store, &run).await
}

/// Tells whether a finished run has all that its record names, and nothing of its making is left.
async fn is_whole(store: &Store, run: &RunName, record: &RunRecord) -> Result<bool, Failure> {
    let is_tidy = store.head(&layout::in_run(run, run_file::UNFINISHED)).await?.is_none();
    Ok(is_tidy && record.first_damaged(store, run).await?.is_none())
}

/// Refuses to reduce while vectors are missing, which a reduce-worker started again would find again.
///
/// Vectors that are there and unfit are the worker's to judge: it says what is wrong with each.
async fn check_vectors(context: &Context, manifest: &Manifest, model: &ModelName) -> Result<(), Failure> {
    let findings = status::vectors(&context.store, manifest, model).await?;
    let missing = manifest.shards.iter().zip(&findings).filter(|(_, finding)| **finding == Finding::Missing);
    let key = |shard: &ShardEntry| layout::vector_shard(model, shard.number()).to_string();
    let mut keys: Vec<String> = missing.map(|(shard, _)| key(shard)).collect();
    let num_missing = keys.len();
    if num_missing == 0 || findings.contains(&Finding::Stale) {
        return Ok(());
    }
    if num_missing > NAMED {
        keys.truncate(NAMED);
        keys.push(format!("and {} more", num_missing - NAMED));
    }
    Err(MissingVectors { missing: num_missing, total: findings.len(), keys: keys.join(", ") }.into())
}
