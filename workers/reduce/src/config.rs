//! What a reduce was asked to do, and what is wrong with a question that it cannot answer.

use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{ModelName, RunName};
use strata_shared::settings::ReduceSettings;

use crate::corpus::Corpus;
use crate::sample::sample_size;
use crate::{kmeans, naming};

/// Programs, shards in flight and what k-means works in; 330 MiB were measured beside index and sample.
const BASE_BYTES: u64 = 384 << 20;

/// What stays of a row: its label, its bound, the digest of its vector, and its place in the lonely search.
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

    /// Tells before the start whether the memory allowed will do.
    ///
    /// # Errors
    /// [`ReduceError::Memory`] with the figure that would do.
    pub fn check_memory(&self, corpus: &Corpus) -> Result<(), ReduceError> {
        let clusters = self.settings.clusters.unwrap_or_else(|| kmeans::default_clusters(corpus.num_rows()));
        let vector_bytes = (corpus.dim() * size_of::<f32>()) as u64;
        let sample = sample_size(corpus.num_rows(), clusters) as u64;
        let rows = corpus.num_rows() as u64;
        let terms = (naming::MAX_TERMS * clusters * size_of::<u32>()) as u64;
        // The index is built in memory, the sample is copied once by cluster.
        let needed = BASE_BYTES + rows * (ROW_BYTES + vector_bytes) + 2 * sample * vector_bytes + terms;
        if self.memory_bytes >= needed {
            return Ok(());
        }
        Err(ReduceError::Memory { found: self.memory_bytes >> 20, needed: needed.div_ceil(1 << 20) })
    }

    /// Does `work` on a thread that may block, with a rayon pool of the configured threads, in the current tracing span.
    ///
    /// # Errors
    /// What `work` fails with, or [`ReduceError::System`] where no thread can be had.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let system =
            |source: Box<dyn std::error::Error + Send + Sync>| ReduceError::System { what: "a thread", source };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
        let pool = pool.map_err(|error| system(error.into()))?;
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || span.in_scope(|| pool.install(work))).await;
        done.map_err(|error| system(error.into()))?
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
        /// What is wrong with each.
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
