//! A generation of many small or worn shards → the next one: the same documents in fewer shards, and their vectors with them.
//!
//! [`choice`] says which shards are folded together, [`documents`] and [`vectors`] move what they hold.
//!
//! Invariant: the documents, their ids, and the vectors that they have by every model are the same before and after; nothing
//! is embedded. As in an update nothing that an earlier generation names is written to, until the generation is created nothing
//! names its shards, and whatever ends it before that leaves the corpus as it was. The same generation is folded in the same
//! way each time, so that shards that were lost are made again.

mod choice;
mod documents;
#[cfg(test)]
mod tests;
mod vectors;

use std::collections::BTreeSet;

use object_store::path::Path;
use serde::Serialize;
use strata_shared::generations::{self, Generation};
use strata_shared::layout::{self, FORMAT};
use strata_shared::manifest::{CompactionRecord, Manifest, ShardEntry};
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;

use super::brought;
use super::corpus;
use super::earlier;
use super::error::ShardError;
use super::settle;
use super::update::Base;
use super::write::Target;
use choice::Group;
use vectors::{LiveVectors, Waiting};

/// What a compaction does to a corpus, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compaction {
    /// The generation that it makes.
    pub generation: u64,
    /// Shards of the corpus before.
    pub shards_before: u64,
    /// Shards of the corpus afterwards.
    pub shards: u64,
    /// Shards that are folded.
    pub folded: u64,
    /// Documents that are moved.
    pub rows: u64,
    /// Superseded rows that are left behind.
    pub dropped: u64,
    /// Bytes that are read; about as many are written.
    pub bytes: u64,
}

impl Compaction {
    /// Tells whether the corpus stays as it is.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.folded == 0
    }

    fn new(before: &Manifest, groups: &[Group]) -> Self {
        let folded = || groups.iter().flat_map(|group| &group.places).map(|&place| &before.shards[place]);
        let sum = |of: fn(&ShardEntry) -> u64| folded().map(of).sum::<u64>();
        let (shards_before, num_folded) = (before.shards.len() as u64, folded().count() as u64);
        Self {
            generation: before.generation + u64::from(!groups.is_empty()),
            shards_before,
            shards: shards_before - num_folded + groups.iter().map(|group| group.num_targets).sum::<u64>(),
            folded: num_folded,
            rows: sum(ShardEntry::live_rows),
            dropped: sum(|shard| shard.superseded),
            bytes: groups.iter().map(|group| group.read_bytes).sum(),
        }
    }
}

/// Says what [`run`] would do to the corpus of `store`, and writes nothing.
///
/// # Errors
/// Those of reading.
pub async fn plan(store: &Store) -> Result<Compaction, ShardError> {
    let newest = generations::newest(store).await?.manifest;
    Ok(Compaction::new(&newest, &choice::choose(store, &newest).await?))
}

/// Folds small and worn shards of the corpus together, as far as there are any.
///
/// # Errors
/// [`ShardError::Lost`] for a corpus that is not whole, and those of reading and writing; the corpus is then as it was.
pub async fn run(store: &Store) -> Result<Compaction, ShardError> {
    let newest = generations::newest(store).await?;
    let lost = lost(store, &newest).await?;
    match (newest.manifest.compaction, lost) {
        (Some(made), Some(key)) => remake(store, &newest.manifest, made, key).await,
        (None, Some(key)) => Err(ShardError::Lost { store: store.url().to_owned(), key }),
        (_, None) => next(store, &newest).await,
    }
}

async fn lost(store: &Store, generation: &Generation) -> Result<Option<Path>, ShardError> {
    match earlier::first_lost(store, &generation.manifest).await? {
        Some(key) => Ok(Some(key)),
        None => earlier::lost_refusals(store, generation).await,
    }
}

async fn next(store: &Store, newest: &Generation) -> Result<Compaction, ShardError> {
    let before = &newest.manifest;
    let groups = choice::choose(store, before).await?;
    let compaction = Compaction::new(before, &groups);
    if compaction.is_nothing() {
        generations::announce(store, newest).await?;
        return Ok(compaction);
    }
    let base = Base::read(store, before.clone()).await?;
    let made = async {
        let target = Target { generation: compaction.generation, first_shard: before.next_shard, listed_by: None };
        let made = fold(store, base, &groups, target).await?;
        target.expect_open(store).await?;
        generations::keep_first(store, newest).await?;
        made.write_lists(store).await?;
        Ok(made.manifest)
    };
    match made.await {
        Ok(manifest) => {
            let manifest = settle::create(store, manifest).await?;
            Ok(Compaction { shards: manifest.shards.len() as u64, ..compaction })
        }
        Err(error) => {
            // Nobody would read them, and the first error is the one to tell.
            let _ = corpus::give_up(before, store).await;
            Err(error)
        }
    }
}

/// Makes the shards of a compacted generation again, of which some were lost, out of the generation before.
async fn remake(
    store: &Store,
    listed: &Manifest,
    record: CompactionRecord,
    key: Path,
) -> Result<Compaction, ShardError> {
    let lost = |key| ShardError::Lost { store: store.url().to_owned(), key };
    let before = generations::read(store, listed.generation - 1).await?;
    if let Some(key) = self::lost(store, &before).await? {
        return Err(lost(key));
    }
    let base = Base::read(store, before.manifest).await?;
    let groups = choice::choose(store, &base.manifest).await?;
    let compaction = Compaction { shards: listed.shards.len() as u64, ..Compaction::new(&base.manifest, &groups) };
    let target = Target { generation: listed.generation, first_shard: record.first_shard, listed_by: Some(listed) };
    let made = fold(store, base, &groups, target).await?;
    if made.manifest != *listed {
        // Vectors have come or gone since, so that other shards would be folded.
        return Err(lost(key));
    }
    made.write_lists(store).await?;
    settle::create(store, made.manifest).await?;
    Ok(compaction)
}

/// A generation whose shards and vectors are written, and nothing else of it.
struct Folded {
    manifest: Manifest,
    superseded: Option<Vec<u8>>,
}

/// Moves what the groups hold into new shards, from the target's first on.
async fn fold(store: &Store, base: Base, groups: &[Group], target: Target<'_>) -> Result<Folded, ShardError> {
    let progress = Progress::start("compact", "documents", Compaction::new(&base.manifest, groups).rows);
    let mut made: Vec<ShardEntry> = Vec::new();
    for group in groups {
        let target = Target { first_shard: target.first_shard + made.len(), ..target };
        let shards = fold_group(store, &base, group, target).await?;
        progress.advance(shards.iter().map(|shard| shard.rows).sum());
        made.extend(shards);
    }
    Folded::new(base, groups, target.first_shard, made)
}

async fn fold_group(
    store: &Store,
    base: &Base,
    group: &Group,
    target: Target<'_>,
) -> Result<Vec<ShardEntry>, ShardError> {
    let Base { manifest, superseded } = base;
    let sources: Vec<ShardEntry> = group.places.iter().map(|&place| manifest.shards[place].clone()).collect();
    let rows_per_shard = manifest.settings.rows_per_shard;
    let shards = documents::move_documents(store, &sources, superseded, rows_per_shard, target).await?;
    for (model, &dim) in &group.models {
        let (sources, waiting) = (&sources[..], Waiting::default());
        LiveVectors { store, model, dim, superseded, sources, waiting }.move_to(&shards).await?;
    }
    Ok(shards)
}

impl Folded {
    fn new(base: Base, groups: &[Group], first_shard: usize, made: Vec<ShardEntry>) -> Result<Self, ShardError> {
        let Base { manifest: before, mut superseded } = base;
        let Compaction { generation, folded, rows, dropped, .. } = Compaction::new(&before, groups);
        let is_folded = |place: &usize| groups.iter().any(|group| group.places.binary_search(place).is_ok());
        let places = (0..before.shards.len()).filter(|place| !is_folded(place));
        let kept = places.map(|place| before.shards[place].clone());
        let next_shard = first_shard + made.len();
        let shards: Vec<ShardEntry> = kept.chain(made).collect();
        let numbers: BTreeSet<usize> = shards.iter().map(ShardEntry::number).collect();
        superseded.keep_shards(|number| numbers.contains(&number));
        let (superseded, bytes) = superseded.encode(generation)?.unzip();
        let compaction = Some(CompactionRecord { first_shard, shards: folded, rows, dropped });
        let manifest = Manifest { format: FORMAT, generation, shards, next_shard, superseded, compaction, ..before };
        Ok(Self { manifest, superseded: bytes })
    }

    /// Writes what the generation names besides shards, and removes what an earlier attempt at it has left.
    async fn write_lists(&self, store: &Store) -> Result<(), ShardError> {
        if let Some((entry, bytes)) = self.manifest.superseded.as_ref().zip(self.superseded.clone()) {
            store.put(&entry.key.as_str().into(), bytes).await?;
        }
        let number = self.manifest.generation;
        let refusals = layout::rejected_of(number);
        if !store.copy(&layout::rejected_of(number - 1), &refusals).await? {
            store.delete(&refusals).await?;
        }
        brought::remove_foreign(store, &self.manifest).await?;
        corpus::remove_shards(self.manifest.next_shard, store).await
    }
}
