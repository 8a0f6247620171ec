//! `strata embed`: the shards that have no vectors yet → map-workers that make them.

use object_store::path::Path;
use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::model::{self, Model};
use strata_shared::store::{Store, StoreError};
use strata_shared::work_list::WorkList;

use super::exclusive::exclusively;
use super::{Context, status};
use crate::command_line::{EmbedFlags, LeaseFlags, MachineFlags};
use crate::launch::Worker;
use crate::plan::EmbedPlan;

/// `strata embed`: the shards that have no vectors yet → vector shards.
///
/// # Errors
/// What keeps a shard from being embedded; the others are done first.
pub async fn embed(
    context: &Context,
    lease: LeaseFlags,
    flags: &EmbedFlags,
    machine: MachineFlags,
) -> Result<(), Failure> {
    let model = find_model(flags).await?;
    exclusively(context, lease, "strata embed", embed_with(context, flags, machine, &model)).await
}

/// A model on this machine.
pub(super) struct LocalModel {
    folder: String,
    /// Its name.
    pub(super) name: ModelName,
}

/// Finds the model that the flags name, else the one that the set-up installed.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) async fn find_model(flags: &EmbedFlags) -> Result<LocalModel, Failure> {
    let folder = model::locate(flags.model.as_deref()).await?;
    let shown = folder.display().to_string();
    let opened = tokio::task::spawn_blocking(move || Model::open(&folder)).await;
    let opened = opened.map_err(|error| Failure::new(Exit::Retry, error))??;
    Ok(LocalModel { folder: shown, name: opened.name().clone() })
}

/// Embeds with a model that was found.
///
/// # Errors
/// As [`embed`].
pub(super) async fn embed_with(
    context: &Context,
    flags: &EmbedFlags,
    machine: MachineFlags,
    model: &LocalModel,
) -> Result<(), Failure> {
    let (manifest, _) = Manifest::read(&context.store).await?;
    let findings = status::vectors(&context.store, &manifest, &model.name).await?;
    if let Some(plan) = EmbedPlan::new(flags.workers.get().get(), machine.threads(), &findings) {
        let list = if plan.needs_list { Some(write_list(&context.store, &model.name, &plan).await?) } else { None };
        let task = |index| map_worker(context, flags, &model.folder, &plan, list.as_ref(), index);
        context.launcher.run((0..plan.num_workers).map(task).collect(), &context.display).await?;
    } else {
        tracing::info!(shards = manifest.shards.len(), "every shard has its vectors: nothing to embed");
    }
    Ok(remove_lists(&context.store, &model.name).await?)
}

async fn write_list(store: &Store, model: &ModelName, plan: &EmbedPlan) -> Result<Path, StoreError> {
    let (key, json) = WorkList::new(plan.shards.clone()).encode(model);
    store.put(&key, json).await?;
    Ok(key)
}

/// Removes the list that workers were given, and those that killed runs left.
async fn remove_lists(store: &Store, model: &ModelName) -> Result<(), StoreError> {
    for list in store.list(&layout::work_lists(model)).await? {
        store.delete(&list.location).await?;
    }
    Ok(())
}

fn map_worker(
    context: &Context,
    flags: &EmbedFlags,
    folder: &str,
    plan: &EmbedPlan,
    list: Option<&Path>,
    index: usize,
) -> Worker {
    let mut arguments = vec![
        "--store".to_owned(),
        context.url.clone(),
        "--model".to_owned(),
        folder.to_owned(),
        format!("--task-index={index}"),
        format!("--task-count={}", plan.num_workers),
        format!("--threads={}", plan.threads),
        "--log-format=json".to_owned(),
    ];
    arguments.extend(list.map(|key| format!("--work-list={key}")));
    arguments.extend(flags.onnxruntime.iter().map(|library| format!("--onnxruntime={}", library.display())));
    Worker { program: "map-worker", index, arguments }
}
