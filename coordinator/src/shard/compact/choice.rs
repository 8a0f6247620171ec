//! A generation's shards and what there is of their vectors → which of them are folded together. Pure, but for the look.
//!
//! Invariant: shards are folded only among those that have vectors by the same models, of the same dimensions: none is lost, and
//! none has to be made again. What has no vectors yet is left for whoever brings or makes them, but for a shard that nobody can
//! bring any for, since rows of it were superseded meanwhile. A second look at what came of the first finds nothing to fold.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use strata_shared::layout::{self, ModelName, Object};
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::store::Store;
use strata_shared::table::TableError;
use strata_shared::vectors::VectorShard;

use crate::shard::error::ShardError;
use crate::shard::write::SHARD_BYTES;

/// A shard is small whose documents take less than the whole over this, of rows and of text: two such fit in one.
const SMALL: u64 = 2;

/// A shard is worn once the whole over this of its rows is superseded: a third more is then read than is used.
const WORN: u64 = 4;

/// Footers that are read at once.
const FOOTERS_AT_ONCE: usize = 16;

/// The models whose vectors a shard has, with the vectors' dimensions.
pub(super) type Models = BTreeMap<ModelName, usize>;

/// A shard that may be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    /// Its place in the manifest.
    place: usize,
    models: Models,
    live_rows: u64,
    /// The text of those.
    text_bytes: u64,
    /// Whether it is worth the writing though as many shards come of it.
    is_worth_alone: bool,
    /// What is read to move it.
    read_bytes: u64,
}

/// Shards that are folded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Their places in the manifest, ascending.
    pub(super) places: Vec<usize>,
    /// The models whose vectors all of them have.
    pub(super) models: Models,
    /// The shards that come of them, by estimate: large texts may make it more.
    pub(super) num_targets: u64,
    /// What is read of them.
    pub(super) read_bytes: u64,
}

/// Looks at the shards of a generation, and chooses.
///
/// # Errors
/// The store's.
pub(super) async fn choose(store: &Store, manifest: &Manifest) -> Result<Vec<Group>, ShardError> {
    let models = Vectors::list(store, manifest).await?;
    let rows_per_shard = manifest.settings.rows_per_shard as u64;
    let candidates: Vec<Option<Candidate>> = futures::stream::iter(manifest.shards.iter().enumerate())
        .map(|(place, shard)| look(store, &models, place, shard, rows_per_shard))
        .buffered(FOOTERS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(group(candidates.into_iter().flatten().collect(), rows_per_shard))
}

/// The models by which shards of a generation have vectors, and those of them that only a compaction lets be completed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Vectors {
    all: BTreeSet<ModelName>,
    /// Vectors by these were made elsewhere, and rows were superseded of every shard that has none: no file has vectors of what
    /// those rows were. A model is none of these while another shard has none: those are still to be brought, or no longer.
    stuck: BTreeSet<ModelName>,
}

impl Vectors {
    async fn list(store: &Store, manifest: &Manifest) -> Result<Self, ShardError> {
        let objects = store.list(&layout::vectors()).await?;
        let shards = objects.iter().filter_map(|object| match Object::parse(&object.location)? {
            Object::VectorShard(model, number) => Some((model, number)),
            _ => None,
        });
        Ok(Self::of(shards, &manifest.shards))
    }

    /// Judges by the models and numbers of the vector shards that are there.
    fn of(present: impl Iterator<Item = (ModelName, usize)>, shards: &[ShardEntry]) -> Self {
        let mut by_model: BTreeMap<ModelName, BTreeSet<usize>> = BTreeMap::new();
        for (model, number) in present {
            by_model.entry(model).or_default().insert(number);
        }
        by_model.retain(|_, numbers| shards.iter().any(|shard| numbers.contains(&shard.number())));
        let is_stuck = |(model, numbers): &(&ModelName, &BTreeSet<usize>)| {
            let lets_be = |shard: &ShardEntry| numbers.contains(&shard.number()) || shard.superseded > 0;
            !model.has_fingerprint() && shards.iter().all(lets_be)
        };
        let stuck = by_model.iter().filter(is_stuck).map(|(model, _)| model.clone()).collect();
        Self { all: by_model.into_keys().collect(), stuck }
    }
}

async fn look(
    store: &Store,
    models: &Vectors,
    place: usize,
    shard: &ShardEntry,
    rows_per_shard: u64,
) -> Result<Option<Candidate>, ShardError> {
    let is_worn = shard.superseded * WORN >= shard.rows && shard.superseded > 0;
    let has_few_rows = shard.live_rows() * SMALL < rows_per_shard;
    let may_be_stuck = shard.superseded > 0 && !models.stuck.is_empty();
    if !is_worn && !has_few_rows && !may_be_stuck {
        return Ok(None);
    }
    let (mut found, mut text_bytes, mut read_bytes) = (Models::new(), 0, shard.bytes);
    for model in &models.all {
        let key = layout::vector_shard(model, shard.number());
        match VectorShard::open(store, &key, model, &shard.sha256, shard.rows as usize).await {
            Ok(vectors) => {
                text_bytes = vectors.text_bytes() * shard.live_rows() / shard.rows;
                read_bytes += vectors.stored_bytes(false);
                found.insert(model.clone(), vectors.dim());
            }
            Err(TableError::Missing { .. }) => {}
            Err(TableError::Store(error)) if error.is_not_found() => {}
            Err(TableError::Store(error)) => return Err(error.into()),
            Err(error) if may_be_stuck && models.stuck.contains(model) => {
                tracing::warn!("{error}: is left behind, so that others can be brought");
            }
            Err(error) => {
                tracing::warn!("{error}: its shard is left alone");
                return Ok(None);
            }
        }
    }
    let is_small = has_few_rows && text_bytes * SMALL < SHARD_BYTES as u64;
    let is_stuck = may_be_stuck && models.stuck.iter().any(|model| !found.contains_key(model));
    let is_chosen = is_stuck || (is_small || is_worn) && !found.is_empty();
    let (is_worth_alone, live_rows) = (is_worn || is_stuck, shard.live_rows());
    Ok(is_chosen.then_some(Candidate { place, models: found, live_rows, text_bytes, is_worth_alone, read_bytes }))
}

fn group(candidates: Vec<Candidate>, rows_per_shard: u64) -> Vec<Group> {
    let mut by_models: BTreeMap<Models, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        by_models.entry(candidate.models.clone()).or_default().push(candidate);
    }
    let groups = by_models.into_iter().map(|(models, candidates)| {
        let mut candidates = candidates;
        if num_targets(&candidates, rows_per_shard) >= candidates.len() as u64 {
            // As many shards would come of it: only rows that nobody reads any more are worth the writing.
            candidates.retain(|candidate| candidate.is_worth_alone);
        }
        Group {
            places: candidates.iter().map(|candidate| candidate.place).collect(),
            models,
            num_targets: num_targets(&candidates, rows_per_shard),
            read_bytes: candidates.iter().map(|candidate| candidate.read_bytes).sum(),
        }
    });
    let mut groups: Vec<Group> = groups.filter(|group| !group.places.is_empty()).collect();
    groups.sort_by_key(|group| group.places[0]);
    groups
}

fn num_targets(candidates: &[Candidate], rows_per_shard: u64) -> u64 {
    let sum = |of: fn(&Candidate) -> u64| candidates.iter().map(of).sum::<u64>();
    let by_rows = sum(|candidate| candidate.live_rows).div_ceil(rows_per_shard);
    by_rows.max(sum(|candidate| candidate.text_bytes).div_ceil(SHARD_BYTES as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: u64 = 100;

    /// A shard with vectors by these models, of so many rows, some of them superseded.
    fn candidate(place: usize, models: &[&str], rows: u64, superseded: u64) -> Candidate {
        let models = models.iter().map(|name| (name.parse().unwrap(), 4)).collect();
        let (live_rows, is_worth_alone) = (rows - superseded, superseded * WORN >= rows && superseded > 0);
        Candidate { place, models, live_rows, text_bytes: 1, is_worth_alone, read_bytes: 1 }
    }

    fn places(candidates: Vec<Candidate>) -> Vec<Vec<usize>> {
        group(candidates, ROWS).into_iter().map(|group| group.places).collect()
    }

    #[test]
    fn small_shards_are_folded_among_those_of_the_same_models() {
        let shards = vec![
            candidate(1, &["a"], 10, 0),
            candidate(2, &["a", "b"], 20, 0),
            candidate(4, &["a"], 30, 0),
            candidate(5, &["a", "b"], 1, 0),
            candidate(6, &["b"], 1, 0),
        ];
        assert_eq!(places(shards), [vec![1, 4], vec![2, 5]], "the only one of its models stays");
    }

    #[test]
    fn a_shard_alone_is_folded_only_for_the_rows_that_it_drops() {
        assert!(places(vec![candidate(0, &["a"], 40, 9)]).is_empty());
        assert_eq!(places(vec![candidate(0, &["a"], 40, 10)]), [[0]]);
        assert_eq!(places(vec![candidate(0, &["a"], 100, 25), candidate(3, &["a"], 40, 0)]), [[0]]);
        assert_eq!(places(vec![candidate(0, &["a"], 100, 60), candidate(3, &["a"], 40, 0)]), [[0, 3]]);
    }

    /// Which models are stuck where shards have so many superseded rows and vectors by these.
    fn stuck(shards: &[(u64, &[&str])]) -> Vec<String> {
        let entry = |(number, (superseded, _)): (usize, &(u64, &[&str]))| ShardEntry {
            key: layout::raw_shard(number).to_string(),
            rows: 10,
            superseded: *superseded,
            bytes: 1,
            sha256: String::new(),
        };
        let entries: Vec<ShardEntry> = shards.iter().enumerate().map(entry).collect();
        let of_shard = |(number, (_, models)): (usize, &(u64, &[&str]))| {
            let names: Vec<ModelName> = models.iter().map(|name| name.parse().unwrap()).collect();
            names.into_iter().map(move |model| (model, number))
        };
        Vectors::of(shards.iter().enumerate().flat_map(of_shard), &entries)
            .stuck
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_model_is_stuck_where_nothing_but_superseded_rows_keeps_its_vectors_away() {
        assert_eq!(stuck(&[(1, &[]), (0, &["a"])]), ["a"]);
        assert!(stuck(&[(1, &[]), (0, &[]), (0, &["a"])]).is_empty(), "the second can be brought as it is");
        assert!(stuck(&[(1, &["old"]), (1, &["new"]), (0, &["new"])]).contains(&"new".to_owned()));
        assert!(!stuck(&[(1, &["old"]), (1, &["new"]), (0, &["new"])]).contains(&"old".to_owned()), "nobody brings it");
        assert!(stuck(&[(1, &[]), (0, &["own-0123456789ab"])]).is_empty(), "strata makes it of any row");
    }

    #[test]
    fn shards_of_large_texts_are_not_folded_for_nothing() {
        let large = |place| Candidate { text_bytes: SHARD_BYTES as u64 - 1, ..candidate(place, &["a"], 3, 0) };
        assert!(places(vec![large(0), large(1)]).is_empty());
    }
}
