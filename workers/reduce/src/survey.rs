//! First pass over the corpus → a seeded sample, the vocabulary of its texts, and the centroids.
//!
//! Both draws are keyed by document id and seed, so that they do not depend on how rows were cut into shards.

use std::sync::Arc;

use strata_shared::centroids;
use strata_shared::exit::Failure;
use strata_shared::table::TableError;
use strata_shared::telemetry::Progress;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::config::{Config, ReduceError};
use crate::corpus::{Corpus, ShardRows, ShardStream};
use crate::kmeans::{self, Fit, Params};
use crate::naming::{Vocabulary, VocabularyBuilder};
use crate::sample::{Sample, Sampler, sample_size};

/// Documents whose texts decide on the vocabulary of names; of a smaller corpus, all.
const VOCABULARY_DOCUMENTS: usize = 100_000;

/// Kept apart from the k-means sample's draw, which uses the seed as it is.
const VOCABULARY_SALT: u64 = 0x766f_6361_6275_6c61;

/// What the first pass found.
#[derive(Debug)]
pub struct Survey {
    /// The k-means sample.
    pub sample: Sample,
    /// The clustering of the sample.
    pub fit: Fit,
    /// The terms that names may be made of.
    pub vocabulary: Arc<Vocabulary>,
    /// Clusters asked for, by flag or by rule.
    pub requested: usize,
}

impl Survey {
    /// Reads every shard once, then clusters the sample.
    ///
    /// # Errors
    /// A shard that cannot be read, or k-means that fails.
    pub async fn make(config: &Config, corpus: &Corpus) -> Result<Self, Failure> {
        let requested = config.clusters(corpus.num_rows());
        let shards = corpus.stream(true);
        let reader = Reader::new(config, corpus, requested);
        let params = Params {
            clusters: requested,
            seed: config.settings.seed,
            engine: config.settings.kmeans,
            ..Params::default()
        };
        config.compute(move || reader.read(shards)?.cluster(&params)).await
    }

    /// Encodes the centroids as their table.
    ///
    /// # Errors
    /// [`TableError::Encode`].
    pub fn encode_centroids(&self) -> Result<Vec<u8>, TableError> {
        let vectors = self.fit.centroids.vectors();
        let flat: Vec<f32> = vectors.iter().copied().collect();
        centroids::encode(vectors.ncols(), &flat)
    }
}

struct Reader {
    sampler: Sampler,
    vocabulary: VocabularyBuilder,
    vocabulary_seed: u64,
    /// A document's text is in the vocabulary's sample if its hash is at most this.
    vocabulary_threshold: u64,
    requested: usize,
    num_rows: usize,
    progress: Progress,
}

impl Reader {
    fn new(config: &Config, corpus: &Corpus, requested: usize) -> Self {
        let num_rows = corpus.num_rows();
        let part = VOCABULARY_DOCUMENTS as f64 / num_rows as f64;
        Self {
            sampler: Sampler::new(config.settings.seed, sample_size(num_rows, requested), corpus.dim()),
            vocabulary: VocabularyBuilder::default(),
            vocabulary_seed: config.settings.seed ^ VOCABULARY_SALT,
            vocabulary_threshold: if part >= 1.0 { u64::MAX } else { (part * u64::MAX as f64) as u64 },
            requested,
            num_rows,
            progress: Progress::start("sample", "documents", num_rows as u64),
        }
    }

    fn read(mut self, shards: ShardStream) -> Result<Read, Failure> {
        let mut seen = 0;
        for rows in shards {
            let rows = rows?;
            self.take(&rows)?;
            seen += rows.vectors.len();
            self.progress.advance(rows.vectors.len() as u64);
        }
        if seen != self.num_rows {
            let reason = format!("{seen} rows were read, the manifest has {}", self.num_rows);
            return Err(ReduceError::stage("sample", reason).into());
        }
        let sample = self.sampler.finish().map_err(|error| ReduceError::stage("sample", error))?;
        Ok(Read { sample, vocabulary: self.vocabulary.build(), requested: self.requested })
    }

    fn take(&mut self, rows: &ShardRows) -> Result<(), ReduceError> {
        for row in 0..rows.vectors.len() {
            let id = rows.ids.value(row);
            let offered = self.sampler.offer(id, (rows.first_row + row) as u64, rows.vectors.row(row));
            offered.map_err(|error| ReduceError::stage("sample", error))?;
            let Some(documents) = &rows.documents else { continue };
            if xxh3_64_with_seed(id.as_bytes(), self.vocabulary_seed) <= self.vocabulary_threshold {
                self.vocabulary.add(documents.title(row), documents.abstract_text(row));
            }
        }
        Ok(())
    }
}

struct Read {
    sample: Sample,
    vocabulary: Vocabulary,
    requested: usize,
}

impl Read {
    fn cluster(self, params: &Params) -> Result<Survey, Failure> {
        let Self { sample, vocabulary, requested } = self;
        let fit = kmeans::fit(sample.vectors.view(), params).map_err(|error| ReduceError::stage("k-means", error))?;
        if let Some(lowered) = fit.lowered {
            tracing::warn!("{lowered}");
        }
        Ok(Survey { sample, fit, vocabulary: Arc::new(vocabulary), requested })
    }
}
