//! `strata status`: what is there, missing or stale, stage by stage.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use serde::Serialize;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{self, ModelName, NameError, RunName};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::{Latest, RunError, RunRecord};
use strata_shared::store::{Store, StoreError};
use strata_shared::vectors::VectorShard;

use super::{Context, print};
use crate::plan::{Finding, Progress};

/// Footers that are read at once.
const FOOTERS_AT_ONCE: usize = 16;

#[derive(Debug, Serialize)]
struct Status {
    generation: u64,
    rows: u64,
    /// Rows of the shards that a later snapshot has replaced or removed.
    superseded: u64,
    shards: usize,
    stages: Stages,
    /// The vector stage, model by model.
    models: BTreeMap<String, Progress>,
    /// Each run, by its name.
    runs: BTreeMap<String, Finding>,
    /// The generation of each run that is finished.
    generations: BTreeMap<String, u64>,
    latest: Option<String>,
}

#[derive(Debug, Serialize)]
struct Stages {
    raw: Progress,
    vectors: Progress,
    runs: Progress,
}

/// `strata status`.
///
/// # Errors
/// A store that cannot be read, or holds no corpus.
pub async fn status(context: &Context, json: bool) -> Result<(), Failure> {
    let status = look(&context.store).await?;
    if json {
        let text = serde_json::to_string_pretty(&status).map_err(|error| Failure::new(Exit::Data, error))?;
        return print(&text);
    }
    print(&describe(&status))
}

async fn look(store: &Store) -> Result<Status, Failure> {
    let (manifest, sha256) = Manifest::read(store).await?;
    let mut models = BTreeMap::new();
    for model in named_folders(store, &layout::vectors()).await? {
        let findings = vectors(store, &manifest, &model).await?;
        models.insert(model.to_string(), findings.into_iter().collect::<Progress>());
    }
    let nothing = Progress { missing: manifest.shards.len(), ..Progress::default() };
    let all = models.values().copied().reduce(|a, b| Progress {
        done: a.done + b.done,
        missing: a.missing + b.missing,
        stale: a.stale + b.stale,
    });
    let (runs, generations) = runs(store, &sha256).await?;
    let stages = Stages {
        raw: raw(store, &manifest).await?,
        vectors: all.unwrap_or(nothing),
        runs: runs.values().copied().collect(),
    };
    let latest = latest(store).await?.map(|run| run.to_string());
    let superseded = manifest.shards.iter().map(|shard| shard.superseded).sum();
    let (generation, rows, shards) = (manifest.generation, manifest.rows, manifest.shards.len());
    Ok(Status { generation, rows, superseded, shards, stages, models, runs, generations, latest })
}

/// Returns the names of the folders in `folder`, and warns of those that no program here has made.
async fn named_folders<N: FromStr<Err = NameError>>(store: &Store, folder: &Path) -> Result<Vec<N>, Failure> {
    let mut names = Vec::new();
    for name in store.folders(folder).await? {
        if let Ok(name) = name.parse() {
            names.push(name);
        } else {
            tracing::warn!("{folder}/{name}: is left out, since no program of strata names a folder so");
        }
    }
    Ok(names)
}

/// Reads which run is the newest, and warns where that cannot be read.
async fn latest(store: &Store) -> Result<Option<RunName>, Failure> {
    match Latest::read(store).await {
        Err(error @ (RunError::Unreadable { .. } | RunError::Name { .. })) => {
            tracing::warn!("{error}");
            Ok(None)
        }
        read => Ok(read?),
    }
}

async fn raw(store: &Store, manifest: &Manifest) -> Result<Progress, Failure> {
    let sizes: BTreeMap<Path, u64> =
        store.list(&layout::raw()).await?.into_iter().map(|object| (object.location, object.size)).collect();
    let judge = |(key, bytes): (Path, u64)| match sizes.get(&key) {
        None => Finding::Missing,
        Some(size) if *size == bytes => Finding::Done,
        Some(_) => Finding::Stale,
    };
    Ok(manifest.shards.iter().map(|shard| (Path::from(shard.key.as_str()), shard.bytes)).map(judge).collect())
}

/// Judges the vectors of every shard by `model`, in the manifest's order.
///
/// # Errors
/// A store that cannot be read.
pub(super) async fn vectors(store: &Store, manifest: &Manifest, model: &ModelName) -> Result<Vec<Finding>, Failure> {
    let findings = futures::stream::iter(&manifest.shards)
        .map(|shard| async move {
            let key = layout::vector_shard(model, shard.number());
            Finding::of(VectorShard::open(store, &key, model, &shard.sha256, shard.rows as usize).await)
        })
        .buffered(FOOTERS_AT_ONCE);
    Ok(findings.try_collect().await?)
}

/// What each run turned out to be, and the generation of those that are finished, by their names.
type Runs = (BTreeMap<String, Finding>, BTreeMap<String, u64>);

/// Judges every run: finished over this generation, begun, or over another one or with a record that cannot be read.
async fn runs(store: &Store, manifest_sha256: &str) -> Result<Runs, Failure> {
    let (mut findings, mut generations) = Runs::default();
    for run in named_folders::<RunName>(store, &layout::runs()).await? {
        let finding = match RunRecord::read_if_present(store, &run).await {
            Ok(None) => Finding::Missing,
            Ok(Some(record)) => {
                generations.insert(run.to_string(), record.generation);
                judge(store, &run, &record, manifest_sha256).await?
            }
            Err(error) if error.exit() == Exit::Data => {
                tracing::warn!("{error}");
                Finding::Stale
            }
            Err(error) => return Err(error.into()),
        };
        findings.insert(run.to_string(), finding);
    }
    Ok((findings, generations))
}

async fn judge(store: &Store, run: &RunName, record: &RunRecord, manifest_sha256: &str) -> Result<Finding, StoreError> {
    if record.manifest_sha256 != manifest_sha256 {
        return Ok(Finding::Stale);
    }
    let damage = record.first_damaged(store, run).await?;
    if let Some(damage) = &damage {
        tracing::warn!("{damage}: `strata reduce --run {run}` makes it again");
    }
    Ok(if damage.is_none() { Finding::Done } else { Finding::Stale })
}

/// Returns the one model whose vectors the store holds.
///
/// # Errors
/// None or several.
pub(super) async fn only_model(store: &Store) -> Result<ModelName, Failure> {
    let mut models: Vec<ModelName> = named_folders(store, &layout::vectors()).await?;
    if models.len() > 1 {
        // Of a command that was killed there may be vectors of shards that nobody names.
        let shards = Manifest::read(store).await?.0.shards;
        let keys = store.list(&layout::vectors()).await?;
        let keys: BTreeSet<Path> = keys.into_iter().map(|object| object.location).collect();
        models.retain(|model| shards.iter().any(|shard| keys.contains(&layout::vector_shard(model, shard.number()))));
    }
    match models.as_slice() {
        [model] => Ok(model.clone()),
        [] => Err(Failure::new(Exit::Configuration, "the store holds no vectors; run `strata embed` first")),
        _ => {
            let models = models.iter().map(ModelName::as_str).collect::<Vec<_>>().join(", ");
            let reason = format!("the store holds vectors of several models; choose with --vectors-of: {models}");
            Err(Failure::new(Exit::Configuration, reason))
        }
    }
}

fn describe(status: &Status) -> String {
    let line = |name: &str, progress: &Progress, what: &str| {
        format!(
            "{name:<8} {:>7} done {:>7} missing {:>7} stale   {what}",
            progress.done, progress.missing, progress.stale
        )
    };
    let shards = if status.shards == 1 { "shard" } else { "shards" };
    let superseded = match status.superseded {
        0 => String::new(),
        rows => format!(", {rows} superseded rows"),
    };
    let mut lines = vec![
        format!(
            "{} documents in {} {shards}, generation {}{superseded}",
            status.rows, status.shards, status.generation
        ),
        line("raw", &status.stages.raw, "raw shards"),
    ];
    if status.models.is_empty() {
        lines.push(line("vectors", &status.stages.vectors, "no model yet: strata embed"));
    }
    lines.extend(status.models.iter().map(|(model, progress)| line("vectors", progress, model)));
    lines.push(line("runs", &status.stages.runs, if status.runs.is_empty() { "none yet: strata reduce" } else { "" }));
    let is_latest = |run: &String| if status.latest.as_ref() == Some(run) { ", the newest" } else { "" };
    let of =
        |run: &String| status.generations.get(run).map_or_else(String::new, |number| format!(", generation {number}"));
    lines.extend(
        status.runs.iter().map(|(run, state)| format!("  {run}  {}{}{}", state.as_str(), of(run), is_latest(run))),
    );
    lines.join("\n")
}
