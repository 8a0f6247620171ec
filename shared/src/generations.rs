//! Generations of a corpus ↔ `raw/generations/NNNNNNNN.json`: which there are, which is the newest, and the next one.
//!
//! Invariant: a generation's object is created once and never changes, and its shards never do either, so that whoever has
//! opened one reads on undisturbed while the next is made. Of several that are made at once under the same number one
//! becomes the store's, and the others learn of it. Generations are ordered by their number; no clock decides anything.
//! Numbers are given without gaps; gaps are generations that `strata prune` has removed, never the newest.
//!
//! `raw/manifest.json` is a copy of the newest for readers that know of no generations. Only in a store that nobody has
//! updated since the first format does it stand for the first generation itself; [`keep_first`] gives that its number.

use bytes::Bytes;
use object_store::path::Path;

use crate::digest;
use crate::layout;
use crate::manifest::{Manifest, ManifestError};
use crate::store::{Store, StoreError};

/// One generation as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// What it consists of.
    pub manifest: Manifest,
    /// The sha256 of the manifest's bytes.
    pub sha256: String,
    /// The manifest's bytes.
    pub bytes: Bytes,
    /// Whether it has its numbered object; the corpus of a store of the first format may not.
    pub is_numbered: bool,
}

/// What became of a generation that was to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is the store's.
    Ours,
    /// Another one has its number.
    Others(Box<Generation>),
}

/// Returns the numbers of all generations that have an object of their own, in order.
///
/// # Errors
/// [`StoreError`] if the store cannot be listed.
pub async fn list(store: &Store) -> Result<Vec<u64>, StoreError> {
    let objects = store.list(&layout::generations()).await?;
    let mut numbers: Vec<u64> =
        objects.iter().filter_map(|object| layout::generation_number(&object.location)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads the newest generation.
///
/// # Errors
/// [`ManifestError::Missing`] where there is none, and [`ManifestError`]'s others.
pub async fn newest(store: &Store) -> Result<Generation, ManifestError> {
    let found = newest_if_present(store).await?;
    found.ok_or_else(|| ManifestError::Missing { store: store.url().to_owned(), key: layout::manifest() })
}

/// Reads the newest generation, or `None` in a store without a corpus.
///
/// # Errors
/// [`ManifestError`], absence aside.
pub async fn newest_if_present(store: &Store) -> Result<Option<Generation>, ManifestError> {
    let Some(mut number) = list(store).await?.pop() else { return unnumbered(store).await };
    // A list may be older than what was written last: what comes next is asked for by its key.
    while number < u64::MAX && store.head(&layout::generation(number + 1)).await?.is_some() {
        number += 1;
    }
    match copied(store).await?.filter(|copied| *copied > number) {
        None => numbered(store, number).await,
        // It was made since, or its object is lost, and with it what it says of its shards.
        Some(later) => match numbered(store, later).await? {
            Some(found) => Ok(Some(found)),
            None => Err(ManifestError::Lost { key: layout::generation(later), copy: layout::manifest() }),
        },
    }
}

/// Returns the number of the generation that `raw/manifest.json` is a copy of, where that can be read.
async fn copied(store: &Store) -> Result<Option<u64>, StoreError> {
    let key = layout::manifest();
    let bytes = store.get_if_present(&key).await?;
    Ok(bytes.and_then(|bytes| Manifest::decode(&key, &bytes).ok()).map(|manifest| manifest.generation))
}

/// Reads the generation of this number.
///
/// # Errors
/// [`ManifestError::NoGeneration`] where there never was one, [`ManifestError::Pruned`] where it was removed, and [`ManifestError`]'s others.
pub async fn read(store: &Store, number: u64) -> Result<Generation, ManifestError> {
    if let Some(found) = numbered(store, number).await? {
        return Ok(found);
    }
    let newest = newest(store).await?;
    let found = newest.manifest.generation;
    if found == number {
        return Ok(newest);
    }
    let (store, newest) = (store.url().to_owned(), found);
    Err(match number {
        1.. if number < newest => ManifestError::Pruned { store, number, newest },
        _ => ManifestError::NoGeneration { store, number, newest },
    })
}

async fn numbered(store: &Store, number: u64) -> Result<Option<Generation>, ManifestError> {
    let key = layout::generation(number);
    let Some(bytes) = store.get_if_present(&key).await? else { return Ok(None) };
    let found = decode(&key, bytes, true)?;
    let says = found.manifest.generation;
    if says != number {
        let reason = format!("says that it is generation {says}, expected {number}");
        return Err(ManifestError::Inconsistent { key, reason });
    }
    Ok(Some(found))
}

/// Reads the corpus of a store that has no numbered generation.
async fn unnumbered(store: &Store) -> Result<Option<Generation>, ManifestError> {
    let key = layout::manifest();
    let Some(bytes) = store.get_if_present(&key).await? else { return Ok(None) };
    decode(&key, bytes, false).map(Some)
}

fn decode(key: &Path, bytes: Bytes, is_numbered: bool) -> Result<Generation, ManifestError> {
    let manifest = Manifest::decode(key, &bytes)?;
    Ok(Generation { manifest, sha256: digest::sha256_hex(&bytes), bytes, is_numbered })
}

/// Creates the generation that `manifest` describes, and announces it where it is now the store's.
///
/// A creation whose answer was lost is known by its bytes.
///
/// # Errors
/// [`ManifestError`] where the store fails, or holds something else under that number that cannot be read.
pub async fn create(store: &Store, manifest: &Manifest) -> Result<Created, ManifestError> {
    let (key, bytes) = (layout::generation(manifest.generation), Bytes::from(manifest.encode()));
    if !store.create(&key, bytes.clone()).await? {
        return Ok(Created::Others(Box::new(read(store, manifest.generation).await?)));
    }
    announce(store, &decode(&key, bytes, true)?).await?;
    Ok(Created::Ours)
}

/// Makes `raw/rejected.jsonl` and then `raw/manifest.json` the copies of a generation's, unless they are that.
///
/// # Errors
/// [`StoreError`].
pub async fn announce(store: &Store, generation: &Generation) -> Result<(), StoreError> {
    let key = layout::manifest();
    if store.get_if_present(&key).await?.as_ref() == Some(&generation.bytes) {
        return Ok(());
    }
    store.copy(&layout::rejected_of(generation.manifest.generation), &layout::rejected()).await?;
    store.put(&key, generation.bytes.clone()).await
}

/// Gives the corpus of a store of the first format its number, by the very bytes of its manifest, before there is a second.
///
/// # Errors
/// [`StoreError`].
pub async fn keep_first(store: &Store, generation: &Generation) -> Result<(), StoreError> {
    if generation.is_numbered {
        return Ok(());
    }
    let number = generation.manifest.generation;
    store.copy(&layout::rejected(), &layout::rejected_of(number)).await?;
    store.create(&layout::generation(number), generation.bytes.clone()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::layout::FORMAT;
    use crate::manifest::{InputEntry, ShardEntry};
    use crate::settings::ShardSettings;

    /// What the first format has of a corpus of one shard.
    const VERSION_1: &str = concat!(
        r#"{"format":1,"rows":2,"shards":[{"key":"raw/shard_00000.parquet","rows":2,"bytes":9,"#,
        r#""sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],"#,
        r#""inputs":[{"name":"a","lines":3,"blank":0,"sha256":""}],"rejected":1,"undated":0,"#,
        r#""settings":{"rows_per_shard":10000,"max_line_bytes":16777216,"id_field":"id","title_field":"title","#,
        r#""text_field":"abstract","date_field":null,"category_field":"categories"}}"#
    );

    fn store() -> Store {
        Store::new("memory", Arc::new(InMemory::new()))
    }

    fn manifest(generation: u64) -> Manifest {
        let (key, sha256) = (layout::raw_shard(0).to_string(), digest::sha256_hex(b""));
        let shard = ShardEntry { key, rows: 2, superseded: 0, bytes: 9, sha256 };
        let input = InputEntry { name: "a".into(), lines: 2, blank: 0, sha256: String::new() };
        let first = Manifest::first(vec![shard], vec![input], (0, 0), ShardSettings::default());
        Manifest { generation, ..first }
    }

    #[tokio::test]
    async fn the_newest_generation_is_the_one_of_the_highest_number() {
        let store = store();
        assert!(matches!(newest(&store).await, Err(ManifestError::Missing { .. })));
        for number in 1..=12 {
            assert_eq!(create(&store, &manifest(number)).await.unwrap(), Created::Ours);
            assert_eq!(newest(&store).await.unwrap().manifest.generation, number);
            assert_eq!(store.get(&layout::manifest()).await.unwrap(), manifest(number).encode());
        }
        assert_eq!(list(&store).await.unwrap(), (1..=12).collect::<Vec<_>>());
        assert_eq!(read(&store, 3).await.unwrap().manifest, manifest(3));
        let absent = read(&store, 13).await.unwrap_err();
        assert!(absent.to_string().contains("has no generation 13 (the newest is 12)"), "{absent}");
    }

    #[tokio::test]
    async fn a_generation_that_is_lost_is_told_and_none_takes_its_number() {
        let store = store();
        for number in 1..=2 {
            create(&store, &manifest(number)).await.unwrap();
        }
        store.delete(&layout::generation(2)).await.unwrap();
        let lost = newest(&store).await.unwrap_err();
        assert!(lost.to_string().contains("copy raw/manifest.json to it"), "{lost}");
        store.copy(&layout::manifest(), &layout::generation(2)).await.unwrap();
        assert_eq!(newest(&store).await.unwrap().manifest, manifest(2));
    }

    #[tokio::test]
    async fn a_generation_is_created_once_and_known_again_by_its_bytes() {
        let store = store();
        assert_eq!(create(&store, &manifest(1)).await.unwrap(), Created::Ours);
        assert_eq!(create(&store, &manifest(1)).await.unwrap(), Created::Ours, "as where an answer was lost");
        let other = Manifest { undated: 1, ..manifest(1) };
        let Created::Others(first) = create(&store, &other).await.unwrap() else { panic!("it was replaced") };
        assert_eq!(first.manifest, manifest(1));
        assert_eq!(newest(&store).await.unwrap().manifest, manifest(1));
    }

    #[tokio::test]
    async fn a_corpus_of_the_first_format_is_the_first_generation_and_keeps_its_bytes() {
        let store = store();
        store.put(&layout::manifest(), VERSION_1.as_bytes()).await.unwrap();
        store.put(&layout::rejected(), "refused").await.unwrap();
        let found = newest(&store).await.unwrap();
        let says = &found.manifest;
        assert_eq!((says.generation, says.rows, says.next_shard, found.is_numbered), (1, 2, 1, false));
        assert_eq!(read(&store, 1).await.unwrap(), found);
        keep_first(&store, &found).await.unwrap();
        create(&store, &manifest(2)).await.unwrap();
        let kept = read(&store, 1).await.unwrap();
        assert_eq!((&kept.bytes, &kept.sha256, kept.is_numbered), (&found.bytes, &found.sha256, true));
        assert_eq!(store.get(&layout::rejected_of(1)).await.unwrap(), "refused");
        assert_eq!(newest(&store).await.unwrap().manifest.generation, 2);
    }

    #[tokio::test]
    async fn a_manifest_of_a_newer_format_is_not_called_edited() {
        for key in [layout::manifest(), layout::generation(1)] {
            let store = store();
            let newer = format!(r#"{{"format": {}, "parts": []}}"#, FORMAT + 1);
            store.put(&key, newer.into_bytes()).await.unwrap();
            let error = newest(&store).await.unwrap_err();
            assert!(matches!(error, ManifestError::Format { found, .. } if found == FORMAT + 1), "{error}");
        }
    }

    #[tokio::test]
    async fn a_generation_under_another_number_than_its_own_is_refused() {
        let store = store();
        store.put(&layout::generation(7), manifest(6).encode()).await.unwrap();
        let error = newest(&store).await.unwrap_err();
        assert!(error.to_string().contains("says that it is generation 6, expected 7"), "{error}");
    }

    #[test]
    fn counts_that_do_not_add_up_are_refused() {
        let key = layout::manifest();
        let read = |manifest: &Manifest| Manifest::decode(&key, &manifest.encode());
        assert_eq!(read(&manifest(1)).unwrap(), manifest(1));
        let with = |change: fn(&mut Manifest)| {
            let mut manifest = manifest(1);
            change(&mut manifest);
            read(&manifest).unwrap_err().to_string()
        };
        for (said, expected) in [
            (with(|manifest| manifest.rows = 3), "says 3 rows, its shards have 2"),
            (with(|manifest| manifest.rejected = 1), "counts 2 lines, rows, rejected and blank ones make 3"),
            (with(|manifest| manifest.next_shard = 0), "shard 0 has key"),
            (with(|manifest| manifest.shards[0].superseded = 2), "has 0 rows that are not superseded"),
            (with(|manifest| manifest.shards.clear()), "lists no shard"),
            (
                with(|manifest| (manifest.shards[0].superseded, manifest.rows) = (1, 1)),
                "lists 0 superseded rows, its shards have 1",
            ),
            (with(|manifest| manifest.shards.push(manifest.shards[0].clone())), "shard 1 has key"),
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }
}
