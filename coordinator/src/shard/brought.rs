//! Vectors that come along with a snapshot → the vector shards of its documents.
//!
//! Invariant: those of a generation's own shards are there before it is. Were it created first, and the command ended in between, a
//! later snapshot could supersede rows of a shard that has no vectors yet, and no file has vectors of what those rows were. What
//! an earlier attempt left under their keys gives way, since it may be others.

use object_store::path::Path;
use strata_shared::layout::{self, ModelName, Object};
use strata_shared::manifest::{Manifest, ManifestError, ShardEntry};
use strata_shared::store::Store;
use tokio::runtime::Handle;

use super::bits::Bits;
use super::corpus::Sources;
use super::error::ShardError;
use super::join::{self, CompleteVectors, Extent, IdRows, Owners, VectorFile, VectorShards};
use super::update;
use super::write::Target;

/// Writes the vectors of `sources`, if there are any, for the own shards of `manifest`, whose generation is still to be created, and
/// returns all of them.
///
/// # Errors
/// [`ShardError::Vectors`] for vectors that do not fit the documents, [`ShardError::Disturbed`], [`ShardError::Overtaken`], and those
/// of reading and writing.
pub(super) async fn bring(
    sources: &Sources,
    store: &Store,
    manifest: &Manifest,
    written: Bits,
    target: Target<'_>,
) -> Result<Option<Brought>, ShardError> {
    if target.listed_by.is_some() {
        // The generation is there, and its vectors are held against these once its other objects are whole.
        return read(sources, store, manifest, Some(written)).await;
    }
    let own = sources.vectors.as_ref().map(|(_, model)| model);
    // Of a first generation nobody can say whether an attempt at it died or it was lost, with the vectors of others.
    let is_update = target.first_shard > 0;
    let gives_way = |model: &ModelName| own == Some(model) || is_update && !model.has_fingerprint();
    for key in leftovers(store, manifest, target.first_shard, gives_way).await? {
        target.expect_open(store).await?;
        store.delete(&key).await?;
    }
    let brought = read(sources, store, manifest, Some(written)).await?;
    if let Some(Brought { vectors, model, shards, num_own }) = &brought {
        VectorShards { store, model, shards: &shards[..*num_own] }.write(vectors, target).await?;
    }
    Ok(brought)
}

/// Removes vectors that are not of the shards that a generation has made, as a command leaves them that came too late for it.
///
/// # Errors
/// The store's.
pub(super) async fn remove_foreign(store: &Store, manifest: &Manifest) -> Result<(), ShardError> {
    let Some(first) = manifest.made_shards().map(ShardEntry::number).min() else { return Ok(()) };
    for key in leftovers(store, manifest, first, |_| false).await? {
        store.delete(&key).await?;
    }
    Ok(())
}

/// Returns the vector shards from the number `first` on whose model gives way, or that are not of what `manifest` has under their
/// number.
async fn leftovers(
    store: &Store,
    manifest: &Manifest,
    first: usize,
    gives_way: impl Fn(&ModelName) -> bool,
) -> Result<Vec<Path>, ShardError> {
    let shards: Vec<ShardEntry> = manifest.made_shards().cloned().collect();
    let mut leftovers = Vec::new();
    for object in store.list(&layout::vectors()).await? {
        let Some(Object::VectorShard(model, number)) = Object::parse(&object.location) else { continue };
        if number < first {
            continue;
        }
        let vectors = VectorShards { store, model: &model, shards: &shards };
        let place = shards.iter().position(|shard| shard.number() == number).filter(|_| !gives_way(&model));
        let is_sound = match place {
            Some(place) => vectors.is_present(place).await?,
            None => false,
        };
        if !is_sound {
            leftovers.push(object.location);
        }
    }
    Ok(leftovers)
}

/// Adds the vectors of `sources` to a corpus that is there, made of the same snapshot; tells whether any were missing.
///
/// The file is read even where none are: under the same name it may hold others.
///
/// # Errors
/// Those of [`bring`], and [`ShardError::OtherVectors`].
pub(super) async fn add(sources: &Sources, store: &Store, manifest: &Manifest) -> Result<bool, ShardError> {
    match read(sources, store, manifest, None).await {
        Ok(Some(vectors)) => vectors.finish(store, manifest).await,
        Ok(None) => Ok(false),
        // Vectors by row cannot be compared without the lines and what those were compared with; where all are there, nothing is to
        // be done.
        Err(ShardError::StdinTwice | ShardError::Manifest(ManifestError::Pruned { .. }))
            if are_present(sources, store, manifest).await? =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn are_present(sources: &Sources, store: &Store, manifest: &Manifest) -> Result<bool, ShardError> {
    let Some((_, model)) = &sources.vectors else { return Ok(true) };
    let shards: Vec<ShardEntry> = manifest.own_shards().cloned().collect();
    VectorShards { store, model, shards: &shards }.are_present().await
}

/// Makes sure that no vectors by row are needed where the documents of their lines are in other shards by now.
async fn expect_folded<T>(
    store: &Store,
    manifest: &Manifest,
    model: &ModelName,
    file: &str,
) -> Result<Option<T>, ShardError> {
    if (VectorShards { store, model, shards: &manifest.shards }).are_present().await? {
        return Ok(None);
    }
    let reason =
        "belong to lines whose documents were folded into other shards since; expected a Parquet file with ids";
    Err(ShardError::Vectors { file: file.to_owned(), reason: reason.into() })
}

/// Vectors of the documents of some shards, under their name, on scratch disk.
pub(super) struct Brought {
    vectors: CompleteVectors,
    model: ModelName,
    /// The snapshot's own shards, then earlier ones without vectors.
    shards: Vec<ShardEntry>,
    num_own: usize,
}

impl Brought {
    /// Writes those that are missing of a generation that is there, and holds the others against what is there; tells whether any
    /// were missing.
    ///
    /// # Errors
    /// [`ShardError::OtherVectors`], [`ShardError::Disturbed`] and the store's.
    pub(super) async fn finish(&self, store: &Store, manifest: &Manifest) -> Result<bool, ShardError> {
        let Self { vectors, model, shards, .. } = self;
        VectorShards { store, model, shards }.write(vectors, Target::of(manifest)).await
    }
}

/// Reads the vectors of `sources`, if there are any, into the order of the documents in the shards of `manifest` that were
/// made of its snapshot; and, where they come with ids, of those that lack their vectors otherwise, as far as it has them.
///
/// `written` says which lines became documents of those shards; where it is not known and matters, the inputs are read again.
///
/// # Errors
/// [`ShardError::Vectors`] for vectors that do not fit the documents, and those of reading.
async fn read(
    sources: &Sources,
    store: &Store,
    manifest: &Manifest,
    written: Option<Bits>,
) -> Result<Option<Brought>, ShardError> {
    let Some((input, model)) = sources.vectors.clone() else { return Ok(None) };
    let mut shards: Vec<ShardEntry> = manifest.own_shards().cloned().collect();
    let num_own = shards.len();
    let required = shards.iter().map(|shard| shard.rows).sum();
    let (opened, settings, runtime) = (input.clone(), sources.settings.clone(), Handle::current());
    let file = super::blocking(move || VectorFile::open(&opened, &settings.id_field, &runtime)).await?;
    let owners = if !sources.inputs.is_empty() && !file.is_npy() {
        shards.extend(join::without_vectors(store, &model, manifest).await?);
        Owners::Ids(IdRows::read(store, &shards).await?)
    } else if let Some(written) = written {
        Owners::Lines(written)
    } else if manifest.compaction.is_some() {
        return expect_folded(store, manifest, &model, input.given()).await;
    } else {
        sources.check_again()?;
        let known = update::known_before(store, manifest).await?;
        Owners::Lines(sources.ingest(known, None).await?.written)
    };
    if shards.is_empty() {
        return Ok(None);
    }
    let num_documents = Extent { all: shards.iter().map(|shard| shard.rows).sum(), required };
    match super::blocking(move || join::place(file, &owners, num_documents)).await? {
        Ok(vectors) => {
            join::expect_dim(store, manifest, &model, &vectors, input.given()).await?;
            Ok(Some(Brought { vectors, model, shards, num_own }))
        }
        Err(row) => {
            let id = join::id_of(store, &shards, row).await?;
            let reason = format!("has no vector for the document with id {id:?}, expected one for each");
            Err(ShardError::Vectors { file: input.given().to_owned(), reason })
        }
    }
}
