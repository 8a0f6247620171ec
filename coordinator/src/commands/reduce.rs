//! `strata reduce`: all vectors → a reduce-worker that makes a run of them, its page, and `latest.json`.

use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{self, ModelName, RunName};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::{self, RunRecord};

use super::{Context, status};
use crate::command_line::{MachineFlags, ReduceFlags};
use crate::launch::Worker;
use crate::page;
use crate::plan::Finding;
use crate::report::Report;

/// Keys that a message names; the others are counted.
const NAMED: usize = 5;

/// Shards that are to be embedded first.
#[derive(Debug, thiserror::Error)]
#[error("{missing} of {total} vector shards are missing ({keys}); `strata embed` makes them")]
struct MissingVectors {
    missing: usize,
    total: usize,
    keys: String,
}

impl Classify for MissingVectors {
    fn exit(&self) -> Exit {
        Exit::Retry
    }
}

/// `strata reduce`: all vectors → a finished run, its page, and `latest.json`.
///
/// # Errors
/// What keeps the run from being finished.
pub async fn reduce(context: &Context, flags: &ReduceFlags, machine: MachineFlags) -> Result<(), Failure> {
    Manifest::read(&context.store).await?;
    let vectors_of = match flags.vectors_of.clone() {
        Some(model) => model,
        None => status::only_model(&context.store).await?,
    };
    finish_run(context, flags, machine, vectors_of).await?;
    Ok(())
}

/// Makes the run that `flags` ask for, unless it is finished, and announces it.
///
/// # Errors
/// As [`reduce`].
pub(super) async fn finish_run(
    context: &Context,
    flags: &ReduceFlags,
    machine: MachineFlags,
    vectors_of: ModelName,
) -> Result<Report, Failure> {
    let (manifest, manifest_sha256) = Manifest::read(&context.store).await?;
    let settings = flags.settings()?;
    let default = || run_record::default_run(&manifest_sha256, &vectors_of, &settings);
    let run = flags.run.clone().unwrap_or_else(default);
    if flags.force || RunRecord::read_if_present(&context.store, &run).await?.is_none() {
        check_vectors(context, &manifest, &vectors_of).await?;
    }
    let worker = reduce_worker(context, flags, machine, &run, &vectors_of);
    context.launcher.run(vec![worker], &context.display).await?;
    page::publish(&context.store, &run).await
}

/// Refuses to reduce while vectors are missing, which a reduce-worker started again would find again.
///
/// Vectors that are there and unfit are the worker's to judge: it says what is wrong with each.
async fn check_vectors(context: &Context, manifest: &Manifest, model: &ModelName) -> Result<(), Failure> {
    let findings = status::vectors(&context.store, manifest, model).await?;
    let missing = findings.iter().enumerate().filter(|(_, finding)| **finding == Finding::Missing);
    let mut keys: Vec<String> = missing.map(|(index, _)| layout::vector_shard(model, index).to_string()).collect();
    let num_missing = keys.len();
    if num_missing == 0 || findings.contains(&Finding::Stale) {
        return Ok(());
    }
    if num_missing > NAMED {
        keys.truncate(NAMED);
        keys.push(format!("and {} more", num_missing - NAMED));
    }
    Err(MissingVectors { missing: num_missing, total: findings.len(), keys: keys.join(", ") }.into())
}

fn reduce_worker(
    context: &Context,
    flags: &ReduceFlags,
    machine: MachineFlags,
    run: &RunName,
    vectors_of: &ModelName,
) -> Worker {
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
    flag("kmeans", flags.kmeans.as_str().to_owned());
    flag("threads", machine.threads().to_string());
    flag("log-format", "json".to_owned());
    let optional = [
        ("clusters", flags.clusters.map(|clusters| clusters.to_string())),
        ("until", flags.until.clone()),
        ("index", flags.index.clone()),
        ("memory", flags.memory.clone()),
        ("scratch", flags.scratch.clone()),
    ];
    for (name, value) in optional {
        value.into_iter().for_each(|value| flag(name, value));
    }
    let switches = [("--force", flags.force), ("--lonely-exhaustive", flags.lonely_exhaustive)];
    arguments.extend(switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()));
    Worker { program: "reduce-worker", index: 0, arguments }
}
