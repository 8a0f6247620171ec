//! What a reduce was asked to do, and what is wrong with a question that it cannot answer.

use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{ModelName, RunName};
use strata_shared::settings::ReduceSettings;

use crate::corpus::Corpus;
use crate::faiss::{FaissError, IndexPlan};
use crate::sample::sample_size;
use crate::{kmeans, naming};

/// Programs, shards in flight and what k-means works in; 330 MiB were measured beside index and sample.
const BASE_BYTES: u64 = 384 << 20;

/// What stays of a row beside the index: its label, its bound, the digest of its vector, and its place in the lonely search.
const ROW_BYTES: u64 = 72;

/// What one reduce is asked.
#[derive(Debug, Clone)]
pub struct Config {
    /// What can change the result.
    pub settings: ReduceSettings,
    /// The run's name; `None`: made of the inputs' and the parameters' digest.
    pub run: Option<RunName>,
    /// Whose vectors; `None`: those of the one model there is.
    pub vectors_of: Option<ModelName>,
    /// Do a finished run again.
    pub force: bool,
    /// Threads for arithmetic.
    pub threads: usize,
    /// Resident memory that must suffice, in bytes.
    pub memory_bytes: u64,
}

impl Config {
    /// Returns the run's name, given or by default.
    #[must_use]
    pub fn run_name(&self, corpus: &Corpus) -> RunName {
        self.run.clone().unwrap_or_else(|| crate::default_run(corpus, self))
    }

    /// Returns the clusters asked for, by flag or by rule.
    #[must_use]
    pub fn clusters(&self, num_rows: usize) -> usize {
        self.settings.clusters.unwrap_or_else(|| kmeans::default_clusters(num_rows))
    }

    /// Plans the index of a corpus of `num_rows` vectors of `dim` dimensions in `num_topics` clusters.
    ///
    /// # Errors
    /// [`FaissError`] for a factory string that cannot be used.
    pub fn index_plan(&self, num_rows: usize, dim: usize, num_topics: usize) -> Result<IndexPlan, FaissError> {
        match &self.settings.index {
            Some(factory) => IndexPlan::by_factory(num_rows, dim, factory),
            None => Ok(IndexPlan::by_size(num_rows, dim, num_topics)),
        }
    }

    /// Tells before the start whether index and memory will do.
    ///
    /// # Errors
    /// [`FaissError`] for a factory string that cannot be used, [`ReduceError::Memory`] with the figure that would do.
    pub fn check(&self, corpus: &Corpus) -> Result<(), Failure> {
        let (num_rows, dim) = (corpus.num_rows(), corpus.dim());
        let plan = self.index_plan(num_rows, dim, self.clusters(num_rows))?;
        let needed = self.needed_bytes(num_rows, dim, &plan);
        if self.memory_bytes >= needed {
            return Ok(());
        }
        Err(ReduceError::Memory { found: self.memory_bytes >> 20, needed: needed.div_ceil(1 << 20) }.into())
    }

    /// The memory that a reduce of `num_rows` vectors of `dim` dimensions takes at most, in bytes.
    fn needed_bytes(&self, num_rows: usize, dim: usize, plan: &IndexPlan) -> u64 {
        let clusters = self.clusters(num_rows);
        let sample = sample_size(num_rows, clusters) * dim * size_of::<f32>();
        let terms = naming::MAX_TERMS * clusters * size_of::<u32>();
        // The index is built in memory, the sample is copied once by cluster.
        BASE_BYTES + num_rows as u64 * ROW_BYTES + plan.memory_bytes() + (2 * sample + terms) as u64
    }

    /// Does `work` on a thread that may block, with a rayon pool of the configured threads, in the current tracing span.
    ///
    /// # Errors
    /// What `work` fails with, or [`ReduceError::System`] where no thread can be had.
    ///
    /// # Panics
    /// As `work` did.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
        let pool = pool.map_err(|error| ReduceError::System { what: "a thread", source: error.into() })?;
        let span = tracing::Span::current();
        on_blocking_thread(move || span.in_scope(|| pool.install(work))).await
    }
}

/// Does `work` on a thread that may block.
///
/// # Errors
/// What `work` fails with, or [`ReduceError::System`] where no thread can be had.
///
/// # Panics
/// As `work` did.
pub async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(ReduceError::System { what: "a thread", source: error.into() }.into()),
    }
}

/// Why a reduce does not start or does not end.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// A finished run of that name answers another question.
    #[error(
        "run {run} is finished with other parameters or another corpus; choose another --run, or do it again with --force"
    )]
    OtherRun {
        /// The run.
        run: RunName,
    },
    /// No vectors at all.
    #[error("{store}: holds no vectors; run `strata embed` first")]
    NoVectors {
        /// The store.
        store: String,
    },
    /// Several models' vectors.
    #[error("{store}: holds vectors of several models ({models}); choose one with --vectors-of")]
    SeveralModels {
        /// The store.
        store: String,
        /// Their names.
        models: String,
    },
    /// Shards that are not there yet.
    #[error("{missing} of {total} vector shards are missing ({keys}); `strata embed` makes them")]
    MissingShards {
        /// How many.
        missing: usize,
        /// Shards in all.
        total: usize,
        /// Their keys, the first few.
        keys: String,
    },
    /// Shards that no retry mends.
    #[error("{bad} of {total} vector shards cannot be used; remove them and run `strata embed` again: {reasons}")]
    BadShards {
        /// How many.
        bad: usize,
        /// Shards in all.
        total: usize,
        /// What is wrong with each, the first few, and which others are missing.
        reasons: String,
    },
    /// Shards of different dimensions.
    #[error("{key}: vectors have {found} dimensions, the first shard has {expected}")]
    Dimension {
        /// The shard.
        key: String,
        /// Its dimensions.
        found: usize,
        /// The first shard's.
        expected: usize,
    },
    /// More memory is needed than was allowed.
    #[error("--memory: found {found} MiB, this corpus needs {needed} MiB")]
    Memory {
        /// What was allowed.
        found: u64,
        /// What would do.
        needed: u64,
    },
    /// A step of the arithmetic failed.
    #[error("the {stage} stage failed")]
    Stage {
        /// The stage.
        stage: &'static str,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The machine does not give what the work needs.
    #[error("{what}: cannot be had")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReduceError {
    /// Wraps an error of the stage `stage` whose data are at fault.
    pub fn stage(stage: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Stage { stage, source: source.into() }
    }
}

impl Classify for ReduceError {
    fn exit(&self) -> Exit {
        match self {
            Self::OtherRun { .. } | Self::NoVectors { .. } | Self::SeveralModels { .. } | Self::Memory { .. } => {
                Exit::Configuration
            }
            Self::MissingShards { .. } | Self::System { .. } => Exit::Retry,
            Self::BadShards { .. } | Self::Dimension { .. } | Self::Stage { .. } => Exit::Data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn config(index: Option<&str>) -> Config {
        let settings = ReduceSettings { index: index.map(str::to_owned), ..ReduceSettings::default() };
        Config { settings, run: None, vectors_of: None, force: false, threads: 1, memory_bytes: 4 * GIB }
    }

    #[test]
    fn memory_is_charged_by_the_index_that_is_built() {
        let needed = |num_rows, index| {
            let config = config(index);
            let plan = config.index_plan(num_rows, 384, config.clusters(num_rows)).unwrap();
            config.needed_bytes(num_rows, 384, &plan)
        };
        let (arxiv, vectors) = (2_710_783, 2_710_783 * 384 * 4);
        assert!(needed(arxiv, None) < 4 * GIB, "two bytes a dimension");
        assert!(needed(arxiv, Some("Flat")) > 4 * GIB, "four");
        assert!(needed(arxiv, Some("HNSW32")) > vectors + 2_710_783 * 256, "vectors and edges");
        assert!(needed(arxiv, Some("IVF400,PQ48")) < 2 * GIB);
        assert!(needed(35_709, None) < GIB);
    }

    #[test]
    #[should_panic(expected = "a fault of the program")]
    fn a_panic_stays_a_panic() {
        let work = || -> Result<(), Failure> { panic!("a fault of the program") };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _ = runtime.block_on(config(None).compute(work));
    }
}
