//! The map-worker's command line: flags and environment → [`strata_map::run`] → an exit code.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use strata_map::{Config, batch};
use strata_shared::exit::{Exit, Failure};
use strata_shared::settings::{Parallelism, SettingError};
use strata_shared::signals::{self, Interruptions};
use strata_shared::store::Store;
use strata_shared::telemetry::{self, LogFormat};
use strata_shared::{metrics, termination};

/// The variable in which an Indexed Job of Kubernetes numbers its pods.
const COMPLETION_INDEX: &str = "JOB_COMPLETION_INDEX";

/// Embeds raw shards: entry i, i+n, i+2n, … of the work list, for task i of n.
#[derive(Parser)]
#[command(name = "map-worker", version)]
struct Arguments {
    /// Where the corpus is: a directory or `s3://bucket/prefix`
    #[arg(long, env = "STRATA_STORE", value_name = "URL")]
    store: String,
    /// The model's folder, laid out as sentence-transformers does, or its URL [default: what deploy/setup.sh installed]
    #[arg(long, env = "STRATA_MODEL", value_name = "DIR|URL")]
    model: Option<String>,
    /// This task, from 0 [default: `JOB_COMPLETION_INDEX`, else 0]
    #[arg(long, env = "STRATA_TASK_INDEX", value_name = "I")]
    task_index: Option<usize>,
    /// All tasks
    #[arg(long, env = "STRATA_TASK_COUNT", value_name = "N", default_value_t = NonZeroUsize::MIN)]
    task_count: NonZeroUsize,
    /// The object that lists the shards to share, {format, shards: [index, …]} [default: all of the manifest]
    #[arg(long, env = "STRATA_WORK_LIST", value_name = "KEY")]
    work_list: Option<String>,
    /// Threads, each with a copy of the model in memory [default: as many as the CPU quota and the affinity mask allow]
    #[arg(long, env = "STRATA_THREADS", value_name = "N")]
    threads: Option<Parallelism>,
    /// ONNX Runtime's library [default: `ORT_DYLIB_PATH`, else what deploy/setup.sh installed, else the system's]
    #[arg(long, env = "STRATA_ONNXRUNTIME", value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// Tokens a batch: changes the speed and nothing else
    #[arg(long, env = "STRATA_TOKEN_BUDGET", value_name = "N", default_value_t = batch::DEFAULT_TOKEN_BUDGET)]
    token_budget: usize,
    /// plain or json [default: plain on a terminal, else json]
    #[arg(long, env = "STRATA_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Serve metrics for Prometheus here, such as 0.0.0.0:9464 [default: nowhere]
    #[arg(long, env = "STRATA_METRICS", value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

impl Arguments {
    fn config(&self) -> Result<Config, SettingError> {
        Ok(Config {
            model: self.model.clone(),
            task_index: self.task_index()?,
            task_count: self.task_count.get(),
            work_list: self.work_list.as_deref().map(Into::into),
            num_threads: self.threads.map(Parallelism::get),
            onnxruntime: self.onnxruntime.clone(),
            token_budget: self.token_budget,
        })
    }

    fn task_index(&self) -> Result<usize, SettingError> {
        match (self.task_index, std::env::var(COMPLETION_INDEX)) {
            (Some(index), _) => Ok(index),
            (None, Ok(index)) => index.parse().map_err(|_| SettingError {
                name: COMPLETION_INDEX,
                found: index,
                expected: "a number from 0",
            }),
            (None, Err(_)) => Ok(0),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| refuse(&error));
    telemetry::init(arguments.log_format.unwrap_or_else(LogFormat::for_worker));
    match start(&arguments) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            tracing::error!("{failure}");
            termination::tell(&failure);
            failure.exit().into()
        }
    }
}

/// Ends the program over its command line, or after the help that was asked for.
fn refuse(error: &clap::Error) -> ! {
    if error.use_stderr() {
        termination::tell_text(&error.to_string());
    }
    error.exit()
}

fn start(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Retry, error))?;
    let result = runtime.block_on(work(config, arguments));
    // A thread that is still in a batch must not hold up the end.
    runtime.shutdown_background();
    result
}

async fn work(config: Config, arguments: &Arguments) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let interruptions = Interruptions::listen().map_err(|error| Failure::new(Exit::Retry, error))?;
    if let Some(address) = arguments.metrics {
        metrics::serve(address, "map-worker").await;
    }
    let store = Store::open(&arguments.store)?;
    tokio::select! {
        result = strata_map::run(config, store, Arc::clone(&stop)) => result,
        () = interruption(interruptions, &stop) => {
            Err(Failure::new(Exit::Retry, "stopped by a signal; run it again to go on where it was"))
        }
    }
}

/// Sets `stop` once somebody asks for it, and ends a while later, or once somebody insists.
async fn interruption(mut interruptions: Interruptions, stop: &AtomicBool) {
    interruptions.asked().await;
    tracing::warn!("asked to stop: finishing what is being written");
    stop.store(true, Ordering::Relaxed);
    tokio::select! {
        () = interruptions.insisted() => {}
        () = tokio::time::sleep(signals::GRACE) => {}
    }
}
