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
use crate::command_line::{LeaseFlags, ModelFlags};
use crate::launch::{Launcher, Work, shard_keys};
use crate::plan::{EmbedPlan, Sharing};

/// `strata embed`: the shards that have no vectors yet → vector shards.
///
/// # Errors
/// What keeps a shard from being embedded; the others are done first.
pub async fn embed(context: &Context, lease: LeaseFlags, flags: &ModelFlags) -> Result<(), Failure> {
    let model = find_model(flags).await?;
    // On the heap: it is all that a map does.
    exclusively(context, lease, "strata embed", Box::pin(embed_with(context, &model))).await
}

/// A model on this machine.
pub(super) struct LocalModel {
    /// What the flag said, which may be a URL.
    given: Option<String>,
    folder: String,
    /// Its name.
    pub(super) name: ModelName,
}

/// Finds the model that the flags name, else the one that the set-up installed.
///
/// # Errors
/// There is none, or it cannot be used.
pub(super) async fn find_model(flags: &ModelFlags) -> Result<LocalModel, Failure> {
    let folder = model::locate(flags.model.as_deref()).await?;
    let shown = folder.display().to_string();
    let opened = tokio::task::spawn_blocking(move || Model::open(&folder)).await;
    let opened = opened.map_err(|error| Failure::new(Exit::Retry, error))??;
    Ok(LocalModel { given: flags.model.clone(), folder: shown, name: opened.name().clone() })
}

/// Embeds with a model that was found.
///
/// # Errors
/// As [`embed`].
pub(super) async fn embed_with(context: &Context, model: &LocalModel) -> Result<(), Failure> {
    match map(context, model).await {
        Ok(()) => Ok(remove_lists(&context.store, &model.name).await?),
        Err(failure) => Err(name_what_is_left(context, &model.name, failure).await),
    }
}

async fn map(context: &Context, model: &LocalModel) -> Result<(), Failure> {
    let Context { store, launcher, .. } = context;
    launcher.join_map(store, &context.display).await?;
    let (manifest, _) = Manifest::read(store).await?;
    let findings = status::vectors(store, &manifest, &model.name).await?;
    let Some(plan) = EmbedPlan::new(launcher.sharing(), &findings) else {
        tracing::info!(shards = manifest.shards.len(), "every shard has its vectors: nothing to embed");
        return Ok(());
    };
    let list =
        if plan.needs_list { Some(write_list(store, &model.name, plan.numbers(&manifest)).await?) } else { None };
    let place = launcher.model_argument(model.given.as_deref(), &model.folder);
    let work = Work::map(&context.url, place, &plan, list.as_ref(), &manifest);
    launcher.launch(&work, &context.display).await
}

/// Adds to the failure of a map in a cluster which shards it has left without vectors, which the store alone knows: a pod of several
/// shards does the good ones. A process of this machine names its own, and wrong configuration is no shard's fault.
async fn name_what_is_left(context: &Context, model: &ModelName, failure: Failure) -> Failure {
    if matches!(context.launcher, Launcher::Machine(_)) || failure.exit() == Exit::Configuration {
        return failure;
    }
    match shards_left(&context.store, model).await {
        Ok(shards) if !shards.is_empty() => {
            Failure::new(failure.exit(), format!("{failure}; without vectors: {}", shard_keys(&shards)))
        }
        // A store that fails now has nothing to add to what failed before.
        _ => failure,
    }
}

async fn shards_left(store: &Store, model: &ModelName) -> Result<Vec<usize>, Failure> {
    let (manifest, _) = Manifest::read(store).await?;
    let findings = status::vectors(store, &manifest, model).await?;
    Ok(EmbedPlan::new(Sharing::Processes(1), &findings).map_or_else(Vec::new, |plan| plan.numbers(&manifest)))
}

async fn write_list(store: &Store, model: &ModelName, shards: Vec<usize>) -> Result<Path, StoreError> {
    let (key, json) = WorkList::new(shards).encode(model);
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
