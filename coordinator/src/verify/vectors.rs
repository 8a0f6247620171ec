//! Vector shards: each is of its model and its raw shard, has the raw shard's documents in its order, and a finite unit vector
//! for each. What is not there is lost where a finished run was made of it and other vectors by its model are there; else it was
//! not embedded yet, or all of the model's were removed.

use std::collections::{BTreeMap, BTreeSet};
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
use super::runs::Records;

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
pub(super) async fn inspect(
    desk: &mut Desk<'_>,
    corpus: &Corpus,
    contents: &Contents,
    records: &Records,
) -> Result<usize, Failure> {
    find_missing(desk, corpus, records);
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
            Err(problem) => {
                let remedy = remedy(corpus, &key);
                desk.find(Finding::damage(key, problem, remedy));
            }
        }
    }
    dims.into_values().for_each(|dims| compare_dims(desk, corpus, &dims));
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

/// Says which vectors of finished runs are lost, and how many other shards of the newest generation have none, model by model.
fn find_missing(desk: &mut Desk<'_>, corpus: &Corpus, records: &Records) {
    let Some(newest) = corpus.newest() else { return };
    let models = desk.inventory.objects.values().filter_map(|listed| match &listed.object {
        Object::VectorShard(model, _) => Some(model.clone()),
        _ => None,
    });
    for model in models.collect::<BTreeSet<_>>() {
        let used = used(corpus, records, &model);
        let is_missing = |number: &usize| !desk.inventory.has(&layout::vector_shard(&model, *number));
        let numbers = newest.manifest.shards.iter().map(ShardEntry::number);
        let (lost, others): (Vec<usize>, Vec<usize>) =
            numbers.partition(|number| used.contains(number) && is_missing(number));
        let (missing, total) = (others.iter().copied().filter(is_missing).count(), others.len());
        let folded = used.into_iter().filter(is_missing).filter(|number| !lost.contains(number));
        let folded: Vec<Path> = folded.map(|number| layout::vector_shard(&model, number)).collect();
        for key in lost.into_iter().map(|number| layout::vector_shard(&model, number)) {
            let remedy = remedy(corpus, &key);
            desk.find(Finding::damage(key, Problem::Missing, remedy));
        }
        // Of earlier generations alone: months to come do not need them.
        folded.into_iter().for_each(|key| desk.find(Finding::note(key, Problem::Missing, Remedy::RestoreVectors)));
        if missing > 0 {
            let is_worn = |shard: &&ShardEntry| shard.superseded > 0 && is_missing(&shard.number());
            let is_stuck = !model.has_fingerprint() && newest.manifest.shards.iter().any(|shard| is_worn(&shard));
            let remedy = if is_stuck { Remedy::CompactAndBring } else { Remedy::Embed };
            desk.find(Finding::note(layout::vectors_of(&model), Problem::NoVectors { missing, total }, remedy));
        }
    }
}

/// Returns the shards of whose vectors by `model` finished runs were made.
fn used(corpus: &Corpus, records: &Records, model: &ModelName) -> BTreeSet<usize> {
    let of_model = records.finished.values().filter(|record| record.vectors_of == model.as_str());
    let seen = of_model.filter_map(|record| {
        corpus.generations.get(&record.generation).filter(|known| known.sha256 == record.manifest_sha256)
    });
    seen.flat_map(|known| known.manifest.shards.iter().map(ShardEntry::number)).collect()
}

/// Returns what mends a vector shard: what makes vectors makes those of the newest generation.
fn remedy(corpus: &Corpus, key: &Path) -> Remedy {
    let Some(Object::VectorShard(model, number)) = Object::parse(key) else { return Remedy::RestoreVectors };
    let newest = corpus.newest().into_iter().flat_map(|newest| &newest.manifest.shards);
    let entry = newest.into_iter().find(|shard| shard.number() == number);
    match entry {
        Some(entry) if entry.superseded == 0 || model.has_fingerprint() => Remedy::Embed,
        Some(_) => Remedy::CompactAndBring,
        None => Remedy::RestoreVectors,
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
fn compare_dims(desk: &mut Desk<'_>, corpus: &Corpus, dims: &BTreeMap<usize, Vec<Path>>) {
    let most = dims.iter().max_by_key(|(dim, keys)| (keys.len(), std::cmp::Reverse(**dim)));
    let Some((&expected, _)) = most else { return };
    for (&found, keys) in dims.iter().filter(|(dim, _)| **dim != expected) {
        for key in keys {
            let problem = Problem::Dimensions { found, expected };
            desk.find(Finding::damage(key.clone(), problem, remedy(corpus, key)));
        }
    }
}
