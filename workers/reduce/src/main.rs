//! The `reduce-worker` program: command line and environment → one reduce.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use strata_reduce::scratch::ScratchFolder;
use strata_reduce::{Config, memory};
use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{ModelName, RunName};
use strata_shared::settings::{DEFAULT_MEMORY, KmeansEngine, Parallelism, PeriodLength, ReduceSettings, parse_bytes};
use strata_shared::signals::{GRACE, Interruptions};
use strata_shared::store::Store;
use strata_shared::telemetry::{self, LogFormat};
use strata_shared::{metrics, termination};
use tracing::Instrument;

/// Finds topics, their history and the documents that stand alone, over a whole corpus of vectors.
#[derive(Debug, Parser)]
#[command(name = "reduce-worker", version)]
struct Arguments {
    /// The store: a directory, or `s3://bucket/prefix`
    #[arg(long, env = "STRATA_STORE")]
    store: String,
    /// The run's name [default: made of the corpus and the parameters]
    #[arg(long, env = "STRATA_RUN")]
    run: Option<RunName>,
    /// The number of the generation to reduce [default: the newest]
    #[arg(long, env = "STRATA_GENERATION", value_name = "N")]
    generation: Option<u64>,
    /// Whose vectors [default: those of the one model there is]
    #[arg(long, env = "STRATA_VECTORS_OF", value_name = "NAME")]
    vectors_of: Option<ModelName>,
    /// Clusters [default: 400, fewer for a small corpus]
    #[arg(long, env = "STRATA_CLUSTERS", value_name = "K")]
    clusters: Option<usize>,
    /// Length of the lonely list
    #[arg(long, env = "STRATA_LONELY", default_value_t = ReduceSettings::default().lonely)]
    lonely: usize,
    /// The neighbour by whose distance loneliness is measured
    #[arg(long, env = "STRATA_LONELY_K", default_value_t = ReduceSettings::default().lonely_k)]
    lonely_k: usize,
    /// Documents of fewer words stay out of the lonely list
    #[arg(long, env = "STRATA_LONELY_MIN_WORDS", value_name = "N", default_value_t = ReduceSettings::default().lonely_min_words)]
    lonely_min_words: usize,
    /// Length of the periods: year, quarter or month
    #[arg(long, env = "STRATA_PERIOD", default_value = ReduceSettings::default().period.as_str())]
    period: PeriodLength,
    /// How many complete periods are recent
    #[arg(long, env = "STRATA_RECENT", default_value_t = ReduceSettings::default().recent)]
    recent: usize,
    /// The last day covered, YYYY-MM-DD [default: found from the data]
    #[arg(long, env = "STRATA_UNTIL", value_name = "DATE")]
    until: Option<String>,
    /// The seed of every draw
    #[arg(long, env = "STRATA_SEED", default_value_t = ReduceSettings::default().seed)]
    seed: u64,
    /// Memory that must suffice, such as 2GiB [default: 4GiB, or the control group's limit if that is less]
    #[arg(long, env = "STRATA_MEMORY", value_name = "SIZE")]
    memory: Option<String>,
    /// The folder for what does not fit in memory [default: that of all temporary files]
    #[arg(long, env = "STRATA_SCRATCH", value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Search for the lonely even where that takes hours
    #[arg(long, env = "STRATA_LONELY_EXHAUSTIVE")]
    lonely_exhaustive: bool,
    /// A FAISS factory string [default: by rows and dimensions]
    #[arg(long, env = "STRATA_INDEX", value_name = "FACTORY")]
    index: Option<String>,
    /// The k-means engine: matrix or linfa
    #[arg(long, env = "STRATA_KMEANS", default_value = ReduceSettings::default().kmeans.as_str())]
    kmeans: KmeansEngine,
    /// Follow no earlier run: neither its centroids nor its topics
    #[arg(long, env = "STRATA_FRESH")]
    fresh: bool,
    /// The run to follow [default: the newest of an earlier generation with the same vectors and --clusters]
    #[arg(long, env = "STRATA_WARM_FROM", value_name = "RUN")]
    warm_from: Option<String>,
    /// Threads [default: what the cgroup and the affinity mask leave]
    #[arg(long, env = "STRATA_THREADS", value_name = "N")]
    threads: Option<Parallelism>,
    /// Do a finished run again
    #[arg(long, env = "STRATA_FORCE")]
    force: bool,
    /// Log lines: plain or json [default: plain on a terminal, else json]
    #[arg(long, env = "STRATA_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Serve metrics for Prometheus here, such as 0.0.0.0:9464 [default: nowhere]
    #[arg(long, env = "STRATA_METRICS", value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

impl Arguments {
    /// Returns the span of all that is said about the run, where it has a name already.
    fn span(&self) -> tracing::Span {
        let name = self.run.as_ref().map(RunName::as_str);
        // Kept at every level of the log.
        tracing::error_span!("run", run = name)
    }

    fn config(self) -> Result<Config, Failure> {
        let settings = ReduceSettings {
            clusters: self.clusters,
            lonely: self.lonely,
            lonely_k: self.lonely_k,
            lonely_min_words: self.lonely_min_words,
            period: self.period,
            recent: self.recent,
            until: self.until,
            seed: self.seed,
            index: self.index,
            kmeans: self.kmeans,
            fresh: self.fresh,
            warm_from: self.warm_from,
        };
        let asked = self.threads.map(Parallelism::get);
        let threads = asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        Ok(Config {
            settings: settings.check()?,
            run: self.run,
            generation: self.generation,
            vectors_of: self.vectors_of,
            force: self.force,
            threads,
            memory_bytes: memory_bytes(self.memory.as_deref())?,
            scratch: None,
            lonely_exhaustive: self.lonely_exhaustive,
            former: None,
        })
    }
}

/// The memory that was named, or what there is; never more than the control group grants.
fn memory_bytes(named: Option<&str>) -> Result<u64, Failure> {
    let asked = parse_bytes("--memory", named.unwrap_or(DEFAULT_MEMORY))?;
    let granted = memory::cgroup_limit().unwrap_or(u64::MAX);
    if named.is_some() && granted < asked {
        tracing::warn!("--memory: found {} MiB, the control group grants {} MiB", asked >> 20, granted >> 20);
    }
    Ok(asked.min(granted))
}

fn main() -> ExitCode {
    memory::keep_little_of_what_is_freed();
    let arguments = Arguments::try_parse().unwrap_or_else(|error| refuse(&error));
    telemetry::init(arguments.log_format.unwrap_or_else(LogFormat::for_worker));
    match run(arguments) {
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

fn run(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Retry, error))?;
    let (store, metrics, span) = (arguments.store.clone(), arguments.metrics, arguments.span());
    let scratch = ScratchFolder::make(arguments.scratch.as_deref())?;
    let config = Config { scratch: Some(scratch.path().to_owned()), ..arguments.config()? };
    let done = runtime.block_on(work(config, &store, metrics).instrument(span));
    // Arithmetic that is under way on a thread must not hold up the end, nor leave its files behind.
    runtime.shutdown_background();
    drop(scratch);
    done
}

async fn work(config: Config, store: &str, metrics: Option<SocketAddr>) -> Result<(), Failure> {
    let mut interruptions = Interruptions::listen().map_err(|error| Failure::new(Exit::Retry, error))?;
    if let Some(address) = metrics {
        metrics::serve(address, "reduce-worker").await;
    }
    let store = Store::open(store)?;
    let done = tokio::select! {
        done = strata_reduce::run(config, store.clone()) => done.map(drop),
        () = interruptions.asked() => {
            Err(Failure::new(Exit::Retry, "stopped by a signal; the same command goes on after the last finished stage"))
        }
    };
    // An upload that was under way would leave its parts in the store.
    tokio::select! {
        _ = tokio::time::timeout(GRACE, store.uploads_ended()) => {}
        () = interruptions.insisted() => {}
    }
    done
}
