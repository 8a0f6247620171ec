//! What every store must do, whatever is beneath it: one function, run against each backend.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, ensure};
use object_store::path::Path;
use strata_shared::store::Store;

use crate::faults::{Death, FaultStore, Moment};

/// Above the size at which uploads take a second and a third part.
const LARGE_BYTES: usize = (33 << 20) + 5;

/// How often an object is replaced while another reader looks.
const REPLACEMENTS: u8 = 20;

/// Checks `store`, which must be empty and is empty again afterwards.
///
/// # Errors
/// The first promise that is not kept.
pub async fn check(store: &Store) -> anyhow::Result<()> {
    absence(store).await.context("absent objects")?;
    small_objects(store).await.context("small objects")?;
    listings(store).await.context("listings")?;
    files(store).await.context("files")?;
    creation(store).await.context("objects written where there is none")?;
    replacement(store).await.context("replacement")?;
    cut_uploads(store).await.context("uploads that are cut off")?;
    for object in store.list(&Path::default()).await? {
        store.delete(&object.location).await?;
    }
    ensure!(store.list(&Path::default()).await?.is_empty(), "objects are left after all were removed");
    Ok(())
}

async fn absence(store: &Store) -> anyhow::Result<()> {
    let key = Path::from("raw/absent.json");
    ensure!(store.list(&Path::default()).await?.is_empty(), "the store is not empty");
    ensure!(store.list(&Path::from("raw")).await?.is_empty(), "an absent folder lists objects");
    ensure!(store.folders(&Path::from("vectors")).await?.is_empty(), "an absent folder has folders");
    ensure!(store.get_if_present(&key).await?.is_none() && store.head(&key).await?.is_none(), "{key} is there");
    let error = store.get(&key).await.err().context("an absent object is read")?;
    ensure!(error.is_not_found(), "{error}: is not told from other failures");
    ensure!(error.to_string().contains(key.as_ref()), "{error}: does not name the object");
    store.delete(&key).await.context("remove what is not there")
}

async fn small_objects(store: &Store) -> anyhow::Result<()> {
    let key = Path::from("runs/a-run/labels/shard_00000.parquet");
    for bytes in [&b"first"[..], b"the second, which is longer", b"third", b""] {
        store.put(&key, bytes.to_vec()).await?;
        ensure!(store.get(&key).await? == bytes, "{key} reads back otherwise");
        let meta = store.head(&key).await?.context("a written object has no head")?;
        ensure!(meta.size == bytes.len() as u64 && meta.location == key, "{key} has the head {meta:?}");
    }
    let folder = store.get_if_present(&Path::from("runs/a-run")).await?;
    ensure!(folder.is_none(), "a folder reads as an object");
    store.delete(&key).await?;
    ensure!(store.get_if_present(&key).await?.is_none(), "{key} is there after it was removed");
    store.delete(&key).await.context("remove it again")
}

async fn listings(store: &Store) -> anyhow::Result<()> {
    let keys =
        ["raw/a", "raw/b.json", "raw-other/a", "vectors/m-1/s", "vectors/m-2/s", "vectors/m-2/t", "vectors/file"];
    for key in keys.into_iter().rev() {
        store.put(&Path::from(key), b"x".to_vec()).await?;
    }
    let listed = |folder: &'static str| async move {
        let objects = store.list(&Path::from(folder)).await?;
        Ok::<_, anyhow::Error>(objects.iter().map(|object| object.location.to_string()).collect::<Vec<_>>())
    };
    let mut all = keys.map(str::to_owned);
    all.sort_by_key(|key| Path::from(key.as_str()));
    ensure!(listed("").await? == all, "all objects are {:?}", listed("").await?);
    ensure!(listed("raw").await? == ["raw/a", "raw/b.json"], "raw holds {:?}", listed("raw").await?);
    let folders = store.folders(&Path::from("vectors")).await?;
    ensure!(folders == ["m-1", "m-2"], "vectors has the folders {folders:?}");
    for key in keys {
        store.delete(&Path::from(key)).await?;
    }
    ensure!(store.folders(&Path::from("vectors")).await?.is_empty(), "an empty folder stays");
    Ok(())
}

async fn files(store: &Store) -> anyhow::Result<()> {
    let key = Path::from("runs/a-run/index.faiss");
    let large: Vec<u8> = (0..LARGE_BYTES).map(|byte| (byte % 251) as u8).collect();
    for bytes in [&large[..], b"small", b""] {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(bytes)?;
        store.put_file(&key, file.path()).await?;
        ensure!(store.get(&key).await? == bytes, "a file of {} bytes reads back otherwise", bytes.len());
    }
    let folder = tempfile::tempdir()?;
    for unreadable in [folder.path().to_owned(), folder.path().join("absent")] {
        let error = store.put_file(&key, &unreadable).await.err().context("what is no file is uploaded")?;
        ensure!(error.to_string().contains(&unreadable.display().to_string()), "{error}: does not name the file");
        ensure!(store.get(&key).await?.is_empty(), "a failed upload changed the object");
    }
    store.delete(&key).await?;
    Ok(())
}

/// Of two that create an object one does, and the other learns whether it holds what it would have written.
async fn creation(store: &Store) -> anyhow::Result<()> {
    let key = Path::from("raw/manifest.json");
    let (one, other) = futures::try_join!(store.create(&key, &b"one"[..]), store.create(&key, &b"other"[..]))?;
    ensure!(one != other, "of two writers, {} succeeded", u8::from(one) + u8::from(other));
    let winner = if one { &b"one"[..] } else { &b"other"[..] };
    ensure!(store.get(&key).await? == winner, "{key} holds what the second writer wrote");
    ensure!(store.create(&key, winner).await?, "the same bytes are taken for others");
    Ok(store.delete(&key).await?)
}

/// Whoever reads while an object is replaced sees the one or the other.
async fn replacement(store: &Store) -> anyhow::Result<()> {
    let key = Path::from("latest.json");
    let content = |version: u8| vec![version; 100_000 + 1_000 * usize::from(version)];
    store.put(&key, content(0)).await?;
    let writer = async {
        for version in 1..=REPLACEMENTS {
            store.put(&key, content(version)).await?;
        }
        anyhow::Ok(())
    };
    let reader = async {
        loop {
            let found = store.get(&key).await?;
            let version = found.first().copied().context("an empty object is seen")?;
            ensure!(found == content(version), "a mixture of two objects is seen");
            if version == REPLACEMENTS {
                return Ok(());
            }
        }
    };
    let ((), ()) = futures::try_join!(writer, reader)?;
    Ok(store.delete(&key).await?)
}

/// An upload whose process dies at any of its steps leaves what was there.
async fn cut_uploads(store: &Store) -> anyhow::Result<()> {
    let key = Path::from("runs/a-run/index.faiss");
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(&vec![7; LARGE_BYTES])?;
    store.put(&key, b"before".to_vec()).await?;
    let deaths = [(1, Moment::Before), (1, Moment::After), (3, Moment::After), (4, Moment::Before)];
    for (write, moment) in deaths {
        let dying = FaultStore::new(store.objects(), Some(Death { write, moment }));
        let cut = Store::new(store.url(), Arc::new(dying.clone())).put_file(&key, file.path()).await;
        ensure!(cut.is_err() && dying.is_dead(), "death {moment:?} step {write} is not noticed");
        ensure!(store.get(&key).await? == b"before"[..], "death {moment:?} step {write} changed the object");
        let listed = store.list(&Path::default()).await?;
        ensure!(listed.len() == 1, "death {moment:?} step {write} left {listed:?}");
    }
    Ok(())
}
