//! What a reduce was asked to do, and what is wrong with a question that it cannot answer.

use std::path::PathBuf;

use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{ModelName, RunName};
use strata_shared::settings::ReduceSettings;

use crate::corpus::Corpus;
use crate::faiss::{FaissError, IndexPlan};
use crate::kmeans;

/// What one reduce is asked.
#[derive(Debug, Clone)]
pub struct Config {
    /// What can change the result.
    pub settings: ReduceSettings,
    /// The run's name; `None`: made of the inputs' and the parameters' digest.
    pub run: Option<RunName>,
    /// The number of the generation to reduce; `None`: the newest.
    pub generation: Option<u64>,
    /// Whose vectors; `None`: those of the one model there is.
    pub vectors_of: Option<ModelName>,
    /// Do a finished run again.
    pub force: bool,
    /// Threads for arithmetic.
    pub threads: usize,
    /// Resident memory that must suffice, in bytes.
    pub memory_bytes: u64,
    /// The folder for what does not fit in memory; `None`: that of all temporary files.
    pub scratch: Option<PathBuf>,
    /// Search for the lonely whatever it costs.
    pub lonely_exhaustive: bool,
    /// How large the run is that this one follows, which the reduce finds out itself.
    pub former: Option<FormerExtent>,
}

/// How large a run is that another one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormerExtent {
    /// The clusters that it was asked for, by flag or by rule.
    pub clusters: usize,
    /// Its documents.
    pub rows: usize,
}

impl Config {
    /// Returns the run's name, given or by default.
    #[must_use]
    pub fn run_name(&self, corpus: &Corpus) -> RunName {
        self.run.clone().unwrap_or_else(|| crate::default_run(corpus, self))
    }

    /// Returns the clusters asked for, by flag or by rule; the rule leaves a run that follows another one the number that
    /// that one had, as long as it is not far off.
    #[must_use]
    pub fn clusters(&self, num_rows: usize) -> usize {
        let by_rule = || kmeans::default_clusters(num_rows, self.former.map(|former| former.clusters));
        self.settings.clusters.unwrap_or_else(by_rule)
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

    /// Returns the folder for what does not fit in memory.
    #[must_use]
    pub fn scratch_folder(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(tempfile::env::temp_dir)
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
    /// A run of that name that is not finished answers another question.
    #[error(
        "run {run} was begun with other parameters or another corpus and is not finished; choose another --run, or begin \
         anew with --force"
    )]
    OtherRunUnfinished {
        /// The run.
        run: RunName,
    },
    /// Somebody has begun another question under that name, with `--force`.
    #[error("run {run} was begun anew by another command with other parameters; choose another --run")]
    Taken {
        /// The run.
        run: RunName,
    },
    /// Somebody has finished the same question.
    #[error("run {run} was finished by another command meanwhile; the same command finds it")]
    FinishedMeanwhile {
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
    /// A shard that somebody changed meanwhile.
    #[error("{key}: row {row} is not what it was when the reduce began; let shards be until it ends, and reduce again")]
    Changed {
        /// The shard.
        key: String,
        /// The row's place in it.
        row: usize,
    },
    /// Rows are counted by 32 bits.
    #[error("the corpus has {found} documents, a reduce takes at most {}", u32::MAX)]
    Rows {
        /// Its documents.
        found: usize,
    },
    /// More memory is needed than was allowed.
    #[error("--memory: found {found} MiB (by flag, default or control group), this corpus needs {needed} MiB")]
    Memory {
        /// What was allowed.
        found: u64,
        /// What would do.
        needed: u64,
    },
    /// The scratch folder is too small.
    #[error(
        "{folder}: {found} MiB are free, this corpus needs {needed}; --scratch names another folder, more --memory none"
    )]
    ScratchSpace {
        /// The folder.
        folder: String,
        /// What is free.
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
    /// A file that was just written.
    #[error("{file}: was just written and cannot be read back; --scratch names another folder")]
    ReadBack {
        /// The file.
        file: String,
        /// What the system says.
        source: std::io::Error,
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
            Self::OtherRun { .. }
            | Self::OtherRunUnfinished { .. }
            | Self::Taken { .. }
            | Self::NoVectors { .. }
            | Self::SeveralModels { .. }
            | Self::Rows { .. }
            | Self::Memory { .. } => Exit::Configuration,
            Self::MissingShards { .. }
            | Self::FinishedMeanwhile { .. }
            | Self::ScratchSpace { .. }
            | Self::ReadBack { .. }
            | Self::System { .. } => Exit::Retry,
            Self::BadShards { .. } | Self::Dimension { .. } | Self::Changed { .. } | Self::Stage { .. } => Exit::Data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let settings = ReduceSettings::default();
        let (scratch, lonely_exhaustive) = (None, false);
        let (run, generation, vectors_of) = (None, None, None);
        Config {
            settings,
            run,
            generation,
            vectors_of,
            force: false,
            threads: 1,
            memory_bytes: 1 << 30,
            scratch,
            lonely_exhaustive,
            former: None,
        }
    }

    #[test]
    #[should_panic(expected = "a fault of the program")]
    fn a_panic_stays_a_panic() {
        let work = || -> Result<(), Failure> { panic!("a fault of the program") };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _ = runtime.block_on(config().compute(work));
    }
}
