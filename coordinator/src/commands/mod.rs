//! One function a command: each reads as what the command does.

mod describe;
mod status;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{ModelName, RunName};
use strata_shared::manifest::Manifest;
use strata_shared::model::{self, Model};
use strata_shared::run_record;
use strata_shared::store::Store;
use strata_shared::telemetry::LogFormat;

use crate::command_line::{EmbedFlags, ReduceFlags, ReportFlags, ShardFlags};
use crate::configuration::Value;
use crate::display::Display;
use crate::launch::{Worker, run_workers};
use crate::plan::Workers;
use crate::report::{self, View};
use crate::{page, shard as sharding};

pub use status::status;

/// The widest that tables get: what fits a terminal and a mail.
const MAX_WIDTH: usize = 100;

/// What every command works with.
#[derive(Debug, Clone)]
pub struct Context {
    /// The store.
    pub store: Store,
    /// Its URL as it was given, for workers.
    pub url: String,
    /// How this program logs.
    pub format: LogFormat,
    /// Where everything that is said goes.
    pub display: Arc<Display>,
}

/// `strata shard`: inputs → raw shards.
///
/// # Errors
/// What keeps the corpus from being whole.
pub async fn shard(context: &Context, flags: ShardFlags) -> Result<(), Failure> {
    let settings = flags.settings()?;
    let vectors =
        flags.vectors.zip(flags.model_name).map(|(file, model_name)| sharding::VectorsRequest { file, model_name });
    let outcome = sharding::run(sharding::Request { inputs: flags.inputs, settings, vectors }, &context.store).await?;
    describe::shards(&outcome);
    Ok(())
}

/// `strata embed`: the shards that have no vectors yet → vector shards.
///
/// # Errors
/// What keeps a shard from being embedded; the others are done first.
pub async fn embed(context: &Context, flags: &EmbedFlags) -> Result<(), Failure> {
    embed_with(context, flags, &find_model(flags).await?).await
}

/// A model on this machine.
struct LocalModel {
    folder: String,
    name: ModelName,
}

/// Finds the model that the flags name, else the one that the set-up installed.
async fn find_model(flags: &EmbedFlags) -> Result<LocalModel, Failure> {
    let folder = model::locate(flags.model.as_deref()).await?;
    let shown = folder.display().to_string();
    let opened = tokio::task::spawn_blocking(move || Model::open(&folder)).await;
    let opened = opened.map_err(|error| Failure::new(Exit::Retry, error))??;
    Ok(LocalModel { folder: shown, name: opened.name().clone() })
}

async fn embed_with(context: &Context, flags: &EmbedFlags, model: &LocalModel) -> Result<(), Failure> {
    let (manifest, _) = Manifest::read(&context.store).await?;
    let progress = status::vectors(&context.store, &manifest, &model.name).await?;
    let threads = flags.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let Some(plan) = Workers::plan(flags.workers, threads, progress.missing + progress.stale) else {
        tracing::info!(shards = manifest.shards.len(), "every shard has its vectors: nothing to embed");
        return Ok(());
    };
    let workers = (0..plan.count).map(|index| map_worker(context, flags, &model.folder, plan, index)).collect();
    run_workers(workers, &context.display).await
}

fn map_worker(context: &Context, flags: &EmbedFlags, folder: &str, plan: Workers, index: usize) -> Worker {
    let mut arguments = vec![
        "--store".to_owned(),
        context.url.clone(),
        "--model".to_owned(),
        folder.to_owned(),
        format!("--task-index={index}"),
        format!("--task-count={}", plan.count),
        format!("--threads={}", plan.threads),
        "--log-format=json".to_owned(),
    ];
    if let Some(library) = &flags.onnxruntime {
        arguments.extend(["--onnxruntime".to_owned(), library.display().to_string()]);
    }
    Worker { program: "map-worker", index, arguments }
}

/// `strata reduce`: all vectors → a finished run, its page, and `latest.json`.
///
/// # Errors
/// What keeps the run from being finished.
pub async fn reduce(context: &Context, flags: &ReduceFlags) -> Result<(), Failure> {
    Manifest::read(&context.store).await?;
    let vectors_of = match flags.vectors_of.clone() {
        Some(model) => model,
        None => status::only_model(&context.store).await?,
    };
    finish_run(context, flags, vectors_of).await?;
    Ok(())
}

async fn finish_run(context: &Context, flags: &ReduceFlags, vectors_of: ModelName) -> Result<report::Report, Failure> {
    let (_, manifest_sha256) = Manifest::read(&context.store).await?;
    let settings = flags.settings()?;
    let default = || run_record::default_run(&manifest_sha256, &vectors_of, &settings);
    let run = flags.run.clone().unwrap_or_else(default);
    run_workers(vec![reduce_worker(context, flags, &run, &vectors_of)], &context.display).await?;
    page::publish(&context.store, &run).await
}

fn reduce_worker(context: &Context, flags: &ReduceFlags, run: &RunName, vectors_of: &ModelName) -> Worker {
    let mut arguments = vec!["--store".to_owned(), context.url.clone()];
    let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
    flag("run", run.to_string());
    flag("vectors-of", vectors_of.to_string());
    flag("lonely", flags.lonely.to_string());
    flag("lonely-k", flags.lonely_k.to_string());
    flag("lonely-min-words", flags.lonely_min_words.to_string());
    flag("period", flags.period.as_str().to_owned());
    flag("recent", flags.recent.to_string());
    flag("seed", flags.seed.to_string());
    flag("memory", flags.memory.clone());
    flag("kmeans", flags.kmeans.as_str().to_owned());
    flag("log-format", "json".to_owned());
    let optional = [
        ("clusters", flags.clusters.map(|clusters| clusters.to_string())),
        ("until", flags.until.clone()),
        ("index", flags.index.clone()),
    ];
    for (name, value) in optional {
        value.into_iter().for_each(|value| flag(name, value));
    }
    if flags.force {
        arguments.push("--force".to_owned());
    }
    Worker { program: "reduce-worker", index: 0, arguments }
}

/// `strata run`: all of it, then the tables on stdout.
///
/// # Errors
/// What keeps a stage from being finished; the same command goes on from there.
pub async fn run(
    context: &Context,
    inputs: ShardFlags,
    flags: &EmbedFlags,
    question: &ReduceFlags,
) -> Result<(), Failure> {
    question.settings()?;
    // A model that cannot be used is told before hours of sharding, not after.
    let brought = inputs.vectors.as_ref().and(inputs.model_name.clone());
    let (model, vectors_of) = if let Some(brought) = brought {
        (None, brought)
    } else {
        let model = find_model(flags).await?;
        let name = model.name.clone();
        (Some(model), name)
    };
    check_vectors_of(question, &vectors_of)?;
    shard(context, inputs).await?;
    if let Some(model) = model {
        embed_with(context, flags, &model).await?;
    }
    let report = finish_run(context, question, vectors_of).await?;
    show(context, &report)
}

/// Refuses a question about other vectors than the ones that the command makes.
fn check_vectors_of(question: &ReduceFlags, made: &ModelName) -> Result<(), Failure> {
    match &question.vectors_of {
        Some(asked) if asked != made => {
            let reason =
                format!("--vectors-of {asked}: this command makes vectors of {made}; ask with `strata reduce`");
            Err(Failure::new(Exit::Configuration, reason))
        }
        _ => Ok(()),
    }
}

/// `strata report`: a finished run on stdout, and its page in a file.
///
/// # Errors
/// No finished run, or a file that cannot be written.
pub async fn report(context: &Context, flags: &ReportFlags) -> Result<(), Failure> {
    let report = page::read(&context.store, flags.run.clone()).await?;
    if let Some(file) = &flags.html {
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Configuration, format!("{}: the page cannot be written: {error}", file.display()))
        };
        std::fs::write(file, report::html(&report)).map_err(failed)?;
        tracing::info!("the page is {}", file.display());
    }
    if flags.json {
        let json = report::json(&report).map_err(|error| Failure::new(Exit::Data, error))?;
        print(&json)
    } else {
        show(context, &report)
    }
}

fn show(context: &Context, report: &report::Report) -> Result<(), Failure> {
    let stdout = std::io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let page = format!("{}/runs/{}/report.html", context.store.url(), report.findings.record.run);
    context.display.finish();
    print(&report::terminal(report, &View { width: MAX_WIDTH, colour, page: Some(page) }))
}

/// `strata config`: every setting in force, and where it comes from.
///
/// # Errors
/// Stdout cannot be written.
pub fn config(values: &BTreeMap<String, Value>) -> Result<(), Failure> {
    print(&describe::settings(values))
}

/// Writes data to stdout; a reader that has gone away, as `head` does, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| writeln!(stdout)).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Retry, format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
