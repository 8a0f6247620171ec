//! First pass over the corpus → a seeded sample and the centroids.
//!
//! The draw is keyed by document id and seed, so that it does not depend on how rows were cut into shards. The pass reads
//! ids and vectors and holds them to nothing: the pass that labels, which checks every byte, confirms the sample too
//! ([`crate::sample::Roll`]).

use ndarray::{Array2, ArrayView2};
use strata_shared::centroids;
use strata_shared::exit::Failure;
use strata_shared::table::TableError;
use strata_shared::telemetry::Progress;

use crate::config::{Config, ReduceError};
use crate::corpus::{Columns, Corpus, ShardStream};
use crate::kmeans::{self, Centroids, Fit, FitError, Params, WarmStart};
use crate::sample::{Sample, Sampler, sample_size};

/// Documents whose inertia a sample puts higher by more than this part have other vectors than when their centroids were found: of
/// 35,709 abstracts the squared distances scatter by a fifth of their mean, so that 65,536 tell that to 0.08 %.
const MOST_OTHER: f64 = 0.01;

/// What the first pass found.
#[derive(Debug)]
pub struct Survey {
    /// The k-means sample.
    pub sample: Sample,
    /// The clustering of the sample.
    pub fit: Fit,
    /// Clusters asked for, by flag or by rule.
    pub requested: usize,
    /// How a start from the centroids of an earlier run came out.
    pub start: Option<WarmStart>,
}

/// Where a clustering starts.
#[derive(Debug, Clone)]
pub enum Start {
    /// Nowhere.
    Afresh,
    /// From centroids of an earlier sample, `[k, dim]`, unless a fresh start is better.
    From(Array2<f32>),
    /// From those of the same documents, which stay, unless the vectors turn out to be others.
    Same {
        /// The centroids, `[k, dim]`.
        centroids: Array2<f32>,
        /// The inertia of a document then.
        inertia: f64,
        /// What the clustering had more than a fresh one then, as a part of that.
        excess: f64,
    },
}

impl Survey {
    /// Clusters a sample that was drawn.
    ///
    /// # Errors
    /// k-means fails.
    pub async fn make(config: &Config, corpus: &Corpus, sample: Sample, start: Start) -> Result<Self, Failure> {
        let requested = config.clusters(corpus.num_rows());
        let params = Params {
            clusters: requested,
            seed: config.settings.seed,
            engine: config.settings.kmeans,
            ..Params::default()
        };
        config.compute(move || cluster(sample, requested, &params, start)).await
    }
}

/// Encodes centroids as their table.
///
/// # Errors
/// [`TableError::Encode`].
pub fn encode_centroids(centroids: &Centroids) -> Result<Vec<u8>, TableError> {
    let flat: Vec<f32> = centroids.vectors().iter().copied().collect();
    centroids::encode(centroids.dim(), &flat)
}

/// Reads every shard once and draws the sample.
///
/// # Errors
/// A shard that cannot be read, or rows other than the manifest has.
pub async fn draw(config: &Config, corpus: &Corpus) -> Result<Sample, Failure> {
    let (num_rows, seed) = (corpus.num_rows(), config.settings.seed);
    let capacity = sample_size(num_rows, config.clusters(num_rows));
    let (shards, sampler) = (corpus.stream(Columns::Unchecked), Sampler::new(seed, capacity, corpus.dim()));
    config.compute(move || read(shards, sampler, num_rows)).await
}

fn read(shards: ShardStream, mut sampler: Sampler, num_rows: usize) -> Result<Sample, Failure> {
    let progress = Progress::start("sample", "documents", num_rows as u64);
    let failed = |error| ReduceError::stage("sample", error);
    let mut seen = 0;
    for rows in shards {
        let rows = rows?;
        for row in 0..rows.vectors.len() {
            let offered = sampler.offer(rows.ids.value(row), (rows.first_row + row) as u64, rows.vectors.row(row));
            offered.map_err(failed)?;
        }
        seen += rows.vectors.len();
        progress.advance(rows.vectors.len() as u64);
    }
    if seen != num_rows {
        let reason = format!("{seen} rows were read, the manifest has {num_rows}");
        return Err(ReduceError::stage("sample", reason).into());
    }
    Ok(sampler.finish().map_err(failed)?)
}

fn begin(vectors: ArrayView2<'_, f32>, params: &Params, start: Start) -> Result<(Fit, Option<WarmStart>), FitError> {
    let initial = match start {
        Start::Afresh => return Ok((kmeans::fit(vectors, params)?, None)),
        Start::From(initial) => initial,
        Start::Same { centroids, inertia, excess } => {
            let fit = kmeans::fit_same(vectors, centroids.clone(), params)?;
            if fit.sample_inertia <= inertia * vectors.nrows() as f64 * (1.0 + MOST_OTHER) {
                tracing::info!("the same documents as before: their clusters stay");
                return Ok((fit, Some(WarmStart { is_kept: true, excess })));
            }
            centroids
        }
    };
    let (fit, start) = kmeans::fit_warm(vectors, initial, params)?;
    tracing::info!(excess = start.excess, kept = start.is_kept, "clusters from earlier centroids");
    Ok((fit, Some(start)))
}

fn cluster(sample: Sample, requested: usize, params: &Params, start: Start) -> Result<Survey, Failure> {
    let (fit, start) =
        begin(sample.vectors.view(), params, start).map_err(|error| ReduceError::stage("k-means", error))?;
    if let Some(lowered) = fit.lowered {
        tracing::warn!("{lowered}");
    }
    Ok(Survey { sample, fit, requested, start })
}
