//! reduce-worker: vectors → centroids → labels → findings, over the whole corpus.
//!
//! The first pass over the store draws a seeded sample and clusters it, the second labels every row and counts what the
//! findings are made of; the lonely search reads vectors again. The record `run.json` is written last; a run without it is not finished.
//!
//! Invariant: the same corpus, parameters and seed give the same objects, whatever the threads, the memory limit and the
//! cut into shards; only `measurements.json` differs.

pub mod assign;
pub mod categories;
pub mod config;
pub mod corpus;
pub mod describe;
pub mod fading;
pub mod faiss;
pub mod findings;
pub mod kmeans;
pub mod labelling;
pub mod lonely;
pub mod lonely_list;
pub mod matrix;
pub mod measurements;
pub mod naming;
pub mod outputs;
pub mod sample;
pub mod survey;
#[cfg(test)]
mod tests;

use strata_shared::exit::Failure;
use strata_shared::layout::{self, FORMAT, RunName, run_file};
use strata_shared::run_record::{self, RunRecord};
use strata_shared::store::Store;

pub use config::Config;
use config::ReduceError;
use corpus::Corpus;
use labelling::Labelling;
use measurements::Measurements;
use outputs::Outputs;
use survey::Survey;

/// Runs the reduce: open, survey, label, search, conclude, announce. Returns the name of the finished run.
///
/// # Errors
/// [`Failure`] with the exit that its cause leads to; nothing says "finished" then.
pub async fn run(config: Config, store: Store) -> Result<RunName, Failure> {
    let corpus = Corpus::open(store, config.vectors_of.clone()).await?;
    let run = config.run_name(&corpus);
    let earlier = if config.force { Earlier::ToBeReplaced } else { earlier(&config, &corpus, &run).await? };
    if earlier == Earlier::Whole {
        tracing::info!(%run, "is finished already: nothing to do");
        return Ok(run);
    }
    let corpus = corpus.open_shards().await?;
    config.check(&corpus)?;
    tracing::info!(%run, rows = corpus.num_rows(), dim = corpus.dim(), model = %corpus.model(), "reduce begins");
    let record = reduce(&config, corpus.clone(), &run, earlier).await?;
    corpus.store().put(&layout::in_run(&run, run_file::RECORD), record.encode()).await?;
    tracing::info!(%run, topics = record.clusters.found, lonely = record.lonely.listed, "reduce is finished");
    Ok(run)
}

/// What there is of a run before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Earlier {
    /// No record: the run was never finished.
    Unfinished,
    /// A record whose objects are to be made again.
    ToBeReplaced,
    /// A finished run, with all that its record names.
    Whole,
}

/// Looks for a finished `run` with the same parameters.
async fn earlier(config: &Config, corpus: &Corpus, run: &RunName) -> Result<Earlier, Failure> {
    let Some(record) = RunRecord::read_if_present(corpus.store(), run).await? else { return Ok(Earlier::Unfinished) };
    let same = record.parameters == config.settings
        && record.manifest_sha256 == corpus.manifest_sha256()
        && record.vectors_of == corpus.model().as_str();
    if !same {
        return Err(ReduceError::OtherRun { run: run.clone() }.into());
    }
    let Some(damage) = record.first_damaged(corpus.store(), run).await? else { return Ok(Earlier::Whole) };
    tracing::warn!(%run, "was finished, but {damage}: it is made again");
    Ok(Earlier::ToBeReplaced)
}

async fn reduce(config: &Config, corpus: Corpus, run: &RunName, earlier: Earlier) -> Result<RunRecord, Failure> {
    let mut measurements = Measurements::start(config.threads);
    let mut outputs = Outputs::new(corpus.store().clone(), run.clone());
    let survey = measurements.stage("sample and k-means", Survey::make(config, &corpus)).await?;
    if earlier == Earlier::ToBeReplaced {
        // From here on the objects of a finished run are replaced; until here it stays what it was. Its page, which
        // is drawn only where there is none, goes first.
        corpus.store().delete(&layout::in_run(run, run_file::REPORT)).await?;
        corpus.store().delete(&layout::in_run(run, run_file::RECORD)).await?;
    }
    outputs.put(run_file::CENTROIDS, survey.encode_centroids()?).await?;
    let labelling = measurements.stage("labels", Labelling::make(config, &corpus, survey, &mut outputs)).await?;
    let lonely = measurements.stage("lonely", lonely_list::make(config, &corpus, &labelling)).await?;
    let findings = measurements.stage("findings", findings::make(config, &corpus, &labelling, &lonely)).await?;
    outputs.put(run_file::TOPICS, strata_shared::findings::encode_topics(&findings.topics)?).await?;
    outputs.put(run_file::TIMELINE, strata_shared::findings::encode_timeline(&findings.timeline)?).await?;
    outputs.put(run_file::LONELY, strata_shared::findings::encode_lonely(&findings.lonely)?).await?;
    let index = measurements.stage("index", labelling.write_index(&mut outputs)).await?;
    measurements.certificate(&lonely.certificate, corpus.dim());
    corpus.store().put(&layout::in_run(run, run_file::MEASUREMENTS), measurements.encode()).await?;
    Ok(RunRecord {
        format: FORMAT,
        run: run.to_string(),
        vectors_of: corpus.model().to_string(),
        manifest_sha256: corpus.manifest_sha256().to_owned(),
        parameters: config.settings.clone(),
        rows: corpus.num_rows() as u64,
        dim: corpus.dim(),
        inertia: labelling.inertia(),
        clusters: labelling.clusters().clone(),
        index,
        lonely: lonely.record(&findings.lonely, &labelling),
        periods: findings.periods,
        notes: findings.notes,
        outputs: outputs.finish(),
    })
}

/// Names the run that a question over a corpus leads to, where no name was given.
#[must_use]
pub fn default_run(corpus: &Corpus, config: &Config) -> RunName {
    run_record::default_run(corpus.manifest_sha256(), corpus.model(), &config.settings)
}
