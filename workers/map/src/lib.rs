//! map-worker: documents → vectors, one shard at a time.
//!
//! Task i of n takes entries i, i + n, i + 2n, … of the work list, leaves out those whose vectors are there, and writes
//! `vectors/MODEL/shard_NNNNN.parquet` for each of the others. Invariant: what it writes is a pure function of the raw
//! shard and the model, whatever the number of tasks and threads. Planning and launching are the coordinator's.

pub mod batch;
pub mod embed;
pub mod onnx;
mod pipeline;
pub mod pool;
mod shard;
pub mod tokenize;
pub mod work;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use object_store::path::Path;
use strata_shared::exit::Failure;
use strata_shared::manifest::Manifest;
use strata_shared::model::{self, Model};
use strata_shared::settings::SettingError;
use strata_shared::store::Store;

use crate::embed::Crew;
use crate::onnx::{OnnxEmbedder, OnnxError, Runtime};
use crate::pipeline::Pipeline;
use crate::tokenize::Tokenizer;
use crate::work::Share;

pub use crate::shard::ShardError;

/// What a map-worker is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The model's folder or URL; `None`: the one that set-up installed.
    pub model: Option<String>,
    /// This task, from 0.
    pub task_index: usize,
    /// All tasks.
    pub task_count: usize,
    /// The key of the work list; `None`: all shards of the manifest.
    pub work_list: Option<Path>,
    /// Threads, each with a session of its own; `None`: as many as the CPU quota and the affinity mask allow.
    pub num_threads: Option<NonZeroUsize>,
    /// ONNX Runtime's library; `None`: searched for as [`Runtime::load`] says.
    pub onnxruntime: Option<PathBuf>,
    /// Tokens a batch; changes the speed and nothing else.
    pub token_budget: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: None,
            task_index: 0,
            task_count: 1,
            work_list: None,
            num_threads: None,
            onnxruntime: None,
            token_budget: batch::DEFAULT_TOKEN_BUDGET,
        }
    }
}

impl Config {
    fn share(&self) -> Result<Share, SettingError> {
        let Self { task_index, task_count, .. } = *self;
        if task_index < task_count {
            return Ok(Share { task_index, task_count });
        }
        let found = format!("{task_index} of {task_count} tasks");
        Err(SettingError { name: "--task-index", found, expected: "a number below --task-count" })
    }

    fn num_threads(&self) -> usize {
        // The standard library reads the cgroup's quota (v1 and v2) and the affinity mask; ONNX Runtime does not.
        self.num_threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// Embeds this task's share of the corpus in `store`, until it is done or `stop` is set.
///
/// # Errors
/// Configuration where a setting, the model or ONNX Runtime is at fault; data where shards are, after all others were
/// done; and the store's own.
pub async fn run(config: Config, store: Store, stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let share = config.share()?;
    let (manifest, _) = Manifest::read(&store).await?;
    let model = open_model(config.model.as_deref()).await?;
    let shards = work::assigned(&store, &manifest, config.work_list.as_ref(), share).await?;
    let num_assigned = shards.len();
    let shards = work::missing(&store, model.name(), shards).await?;
    tracing::info!(model = %model.name(), shards = num_assigned, missing = shards.len(), "read work list");
    if shards.is_empty() {
        return Ok(());
    }
    let num_threads = config.num_threads();
    let name = model.name().clone();
    let opened = blocking(move || -> Result<_, Failure> {
        let tokenizer = Tokenizer::open(&model)?;
        let runtime = Runtime::load(config.onnxruntime.as_deref())?;
        Ok((tokenizer, Crew::new(open_embedders(&runtime, &model, num_threads)?, config.token_budget)))
    });
    let (tokenizer, crew) = opened.await?;
    Pipeline { store, model: name, tokenizer, crew, num_threads, stop }.run(shards).await
}

async fn open_model(given: Option<&str>) -> Result<Model, Failure> {
    let folder = model::locate(given).await?;
    Ok(blocking(move || Model::open(&folder)).await?)
}

/// Runs what takes long without an await on a thread of its own, so that signals are heard meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Loads the graph once a thread, on as many threads.
fn open_embedders(runtime: &Runtime, model: &Model, num_threads: usize) -> Result<Vec<OnnxEmbedder>, OnnxError> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..num_threads).map(|_| scope.spawn(|| OnnxEmbedder::open(runtime, model))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests;
