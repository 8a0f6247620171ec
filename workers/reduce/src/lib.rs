//! reduce-worker: vectors → centroids → labels → findings, over the whole corpus.
//!
//! The first pass over the store draws a seeded sample, which is clustered; the second labels every row, counts what the
//! findings are made of and sorts the vectors by cluster. Out of these come the index and the lonely; only the loneliest
//! few are compared with the store once more. A run that follows an earlier one starts from its centroids, and its topics are
//! matched with those. The record `run.json` is written last; a run without it is not finished.
//!
//! Invariant: the same corpus, parameters and seed give the same objects, whatever the threads, the memory limit and the
//! cut into shards; only `measurements.json` differs.

pub mod assign;
pub mod categories;
pub mod checkpoint;
pub mod config;
pub mod corpus;
pub mod describe;
pub mod fading;
pub mod faiss;
pub mod findings;
pub mod index;
pub mod inverted_lists;
pub mod kmeans;
pub mod labelling;
pub mod lineage;
pub mod lonely;
pub mod lonely_list;
pub mod matrix;
pub mod measurements;
pub mod memory;
pub mod meter;
pub mod naming;
pub mod outputs;
pub mod recall;
pub mod sample;
pub mod scratch;
pub mod stages;
pub mod survey;
#[cfg(test)]
mod tests;

use strata_shared::exit::Failure;
use strata_shared::layout::RunName;
use strata_shared::run_record::{self, RunRecord};
use strata_shared::store::Store;

pub use config::Config;
use config::ReduceError;
use corpus::Corpus;
use lineage::Following;
use stages::Stages;

/// Runs the reduce: open, survey, label, search, conclude, announce. Returns the name of the finished run.
///
/// # Errors
/// [`Failure`] with the exit that its cause leads to; nothing says "finished" then.
pub async fn run(config: Config, store: Store) -> Result<RunName, Failure> {
    let corpus = Corpus::open(store, config.generation, config.vectors_of.clone()).await?;
    let run = config.run_name(&corpus);
    if !config.force && is_finished(&config, &corpus, &run).await? {
        // One that ended right after it had written the record.
        checkpoint::remove(corpus.store(), &run).await?;
        tracing::info!(%run, "{run} is finished already: nothing to do");
        return Ok(run);
    }
    let corpus = corpus.open_shards().await?;
    let following = Following::find(&config, &corpus, &run).await?;
    let config = Config { former: following.as_ref().map(Following::extent), ..config };
    let room = memory::room(&config, &corpus)?;
    if room.is_plenty {
        memory::keep_what_is_freed();
    }
    tracing::info!(%run, rows = corpus.num_rows(), dim = corpus.dim(), model = %corpus.model(), "reduce begins");
    let mut stages = Stages::begin(&config, &corpus, &run, (room.place, following)).await?;
    let mut clustering = stages.cluster().await?;
    // On the heap: the future of the whole stays small.
    let (labelling, labelled) = Box::pin(stages.label(&mut clustering)).await?;
    let concluded = Box::pin(stages.conclude(labelling, &labelled)).await?;
    stages.compare(&labelled, &concluded.0).await?;
    let record = stages.finish(clustering, labelled, concluded).await?;
    checkpoint::remove(corpus.store(), &run).await?;
    tracing::info!(%run, topics = record.clusters.found, lonely = record.lonely.listed, "reduce is finished");
    Ok(run)
}

/// Tells whether `run` is finished, with the same parameters and all that its record names.
pub(crate) async fn is_finished(config: &Config, corpus: &Corpus, run: &RunName) -> Result<bool, Failure> {
    let Some(record) = RunRecord::read_if_present(corpus.store(), run).await? else { return Ok(false) };
    let same = record.parameters == config.settings
        && record.manifest_sha256 == corpus.manifest_sha256()
        && record.vectors_of == corpus.model().as_str();
    if !same {
        return Err(ReduceError::OtherRun { run: run.clone() }.into());
    }
    let damage = record.first_damaged(corpus.store(), run).await?;
    if let Some(damage) = &damage {
        tracing::warn!(%run, "was finished, but {damage}: it is made again");
    }
    Ok(damage.is_none())
}

/// Names the run that a question over a corpus leads to, where no name was given.
#[must_use]
pub fn default_run(corpus: &Corpus, config: &Config) -> RunName {
    run_record::default_run(corpus.manifest_sha256(), corpus.model(), &config.settings)
}
