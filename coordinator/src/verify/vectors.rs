//! Vector shards: each is of its model and its raw shard, has the raw shard's documents in its order, and a finite unit vector
//! for each. What is not there is not damaged: it was not embedded yet, or was removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array;
use futures::StreamExt;
use object_store::path::Path;
use strata_shared::exit::Failure;
use strata_shared::layout::{self, ModelName, Object};
use strata_shared::manifest::ShardEntry;
use strata_shared::store::Store;
use strata_shared::table::TableError;
use strata_shared::vectors::VectorShard;

use super::desk::{self, Depth, Desk, SHARDS_AT_ONCE};
use super::finding::{Finding, Problem, Remedy};
use super::generations::Corpus;
use super::raw::{Content, Contents};

/// A vector shard and what it was made of.
struct Task {
    key: Path,
    model: ModelName,
    entry: ShardEntry,
    content: Option<Arc<Content>>,
}

/// Judges the vectors by every model of the raw shards that are listed, and returns how many shards of them there are.
///
/// # Errors
/// The store's own.
pub(super) async fn inspect(desk: &mut Desk<'_>, corpus: &Corpus, contents: &Contents) -> Result<usize, Failure> {
    note_missing(desk, corpus);
    let tasks = tasks(desk, corpus, contents);
    let num_shards = tasks.len();
    if desk.depth == Depth::Sizes {
        tasks.iter().for_each(|task| desk.count(&task.key, 0));
        return Ok(num_shards);
    }
    let store = desk.store.clone();
    let mut read = futures::stream::iter(tasks)
        .map(|task| {
            let store = store.clone();
            desk::beside(async move { (read(&store, &task).await, task) })
        })
        .buffered(SHARDS_AT_ONCE);
    let mut dims: BTreeMap<ModelName, BTreeMap<usize, Vec<Path>>> = BTreeMap::new();
    while let Some((found, Task { key, model, .. })) = read.next().await {
        desk.count(&key, desk.inventory.bytes(&key).unwrap_or(0));
        match found? {
            Ok(dim) => dims.entry(model).or_default().entry(dim).or_default().push(key),
            Err(problem) => desk.find(Finding::damage(key, problem, Remedy::Embed)),
        }
    }
    dims.into_values().for_each(|dims| compare_dims(desk, &dims));
    Ok(num_shards)
}

fn tasks(desk: &Desk<'_>, corpus: &Corpus, contents: &Contents) -> Vec<Task> {
    let shards = desk.inventory.objects.iter().filter_map(|(key, listed)| match &listed.object {
        Object::VectorShard(model, number) => Some((key, model, *number)),
        _ => None,
    });
    let tasks = shards.filter_map(|(key, model, number)| {
        let entry = corpus.shards.get(&number)?.clone();
        Some(Task { key: key.clone(), model: model.clone(), entry, content: contents.get(&number).cloned() })
    });
    tasks.collect()
}

/// Says of each model how many shards of the newest generation have no vectors by it.
fn note_missing(desk: &mut Desk<'_>, corpus: &Corpus) {
    let Some(newest) = corpus.newest() else { return };
    let models = desk.inventory.objects.values().filter_map(|listed| match &listed.object {
        Object::VectorShard(model, _) => Some(model.clone()),
        _ => None,
    });
    for model in models.collect::<std::collections::BTreeSet<_>>() {
        let shards = &newest.manifest.shards;
        let is_missing = |shard: &&ShardEntry| !desk.inventory.has(&layout::vector_shard(&model, shard.number()));
        let (missing, total) = (shards.iter().filter(is_missing).count(), shards.len());
        if missing > 0 {
            desk.find(Finding::note(layout::vectors_of(&model), Problem::NoVectors { missing, total }, Remedy::Embed));
        }
    }
}

/// Reads a vector shard, and returns the dimensions of its vectors.
async fn read(store: &Store, task: &Task) -> Result<Result<usize, Problem>, TableError> {
    let Some(bytes) = store.get_if_present(&task.key).await? else { return Ok(Err(Problem::Missing)) };
    let alone = desk::alone(store, &task.key, bytes).await?;
    match compare(&alone, task).await {
        Ok(compared) => Ok(compared),
        Err(error) => Ok(Err(Problem::of(error)?)),
    }
}

async fn compare(store: &Store, task: &Task) -> Result<Result<usize, Problem>, TableError> {
    let Task { key, model, entry, content } = task;
    let shard = VectorShard::open(store, key, model, &entry.sha256, entry.rows as usize).await?;
    let (ids, _) = shard.read_vectors(store).await?;
    let documents = shard.read_documents(store).await?;
    let Some(content) = content else { return Ok(Ok(shard.dim())) };
    if let Some(row) = content.first_other(|_| true, (0..ids.len()).map(|row| ids.value(row))) {
        return Ok(Err(Problem::OtherDocuments { row: Some(row) }));
    }
    if !content.has(&documents) {
        return Ok(Err(Problem::OtherDocuments { row: None }));
    }
    Ok(Ok(shard.dim()))
}

/// Finds the shards of a model whose vectors have other dimensions than most of its shards'.
fn compare_dims(desk: &mut Desk<'_>, dims: &BTreeMap<usize, Vec<Path>>) {
    let most = dims.iter().max_by_key(|(dim, keys)| (keys.len(), std::cmp::Reverse(**dim)));
    let Some((&expected, _)) = most else { return };
    for (&found, keys) in dims.iter().filter(|(dim, _)| **dim != expected) {
        for key in keys {
            desk.find(Finding::damage(key.clone(), Problem::Dimensions { found, expected }, Remedy::Embed));
        }
    }
}
