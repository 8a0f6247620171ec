//! What `--model` says → a folder on this machine: as it is, or fetched out of a store into the cache.
//!
//! Invariant: a folder under `models/by-digest` is whole; its digest is over the names, sizes and versions of the objects
//! it was fetched from, so that a model that changes in its store is fetched anew.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStoreExt};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::{ModelError, file_error, is_external_data};
use crate::layout;
use crate::store::Store;
use crate::{cache, digest};

/// The name of the graph in every model folder.
const GRAPH: &str = "model.onnx";

/// Returns the folder of the model that `given` names: a folder, `file:///folder`, or the URL of a store that holds it,
/// from which it is fetched once; where nothing is given, of the one that set-up installed.
///
/// # Errors
/// [`ModelError::NotInstalled`] where nothing is given and nothing installed, [`ModelError::Missing`] where a store holds
/// no graph there, [`ModelError::Store`], or [`ModelError::File`] where the cache cannot be written.
pub async fn locate(given: Option<&str>) -> Result<PathBuf, ModelError> {
    let Some(given) = given else {
        return cache::default_model().ok_or(ModelError::NotInstalled);
    };
    match Url::parse(given) {
        Ok(url) if url.scheme() == "file" => {
            url.to_file_path().map_err(|()| ModelError::Absent { folder: given.to_owned() })
        }
        Ok(url) if url.scheme().len() > 1 => {
            let name = url.path_segments().and_then(|mut names| names.rfind(|name| !name.is_empty()));
            let cache = cache::folder().unwrap_or_else(std::env::temp_dir);
            fetch(&Store::open(given)?, name.or(url.host_str()).unwrap_or_default(), &cache).await
        }
        _ => Ok(PathBuf::from(given)),
    }
}

/// Fetches the model in `store` into `cache`, unless it is there, and returns its folder, which is called `name`.
pub(super) async fn fetch(store: &Store, name: &str, cache: &Path) -> Result<PathBuf, ModelError> {
    let listed = store.list(&object_store::path::Path::default()).await?;
    let wanted: Vec<ObjectMeta> = listed.into_iter().filter(is_wanted).collect();
    if !wanted.iter().any(|object| object.location.filename() == Some(GRAPH)) {
        return Err(ModelError::Missing {
            file: format!("{}/onnx/{GRAPH}", store.url()),
            expected: "a model laid out as sentence-transformers does",
        });
    }
    let shelf = cache.join("models/by-digest");
    let place = shelf.join(&version_of(store.url(), &wanted)[..layout::FINGERPRINT_DIGITS]);
    let folder = place.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    let staging = shelf.join(staging_name());
    let fetched = fetch_into(store, &wanted, &staging.join(name)).await;
    let kept = match fetched {
        Ok(()) => keep(&staging, &place, &folder),
        Err(error) => Err(error),
    };
    // After a rename there is nothing left to remove.
    let _ = std::fs::remove_dir_all(&staging);
    kept.map(|()| folder)
}

/// Moves the fetched model to its place; another process may have put the same one there in the meantime.
fn keep(staging: &Path, place: &Path, folder: &Path) -> Result<(), ModelError> {
    match std::fs::rename(staging, place) {
        Err(source) if !folder.is_dir() => Err(file_error(place, "made")(source)),
        _ => Ok(()),
    }
}

async fn fetch_into(store: &Store, wanted: &[ObjectMeta], folder: &Path) -> Result<(), ModelError> {
    for object in wanted {
        let file = folder.join(object.location.as_ref());
        tracing::info!(file = %object.location, bytes = object.size, "fetch model");
        fetch_file(store, object, &file).await?;
    }
    Ok(())
}

async fn fetch_file(store: &Store, object: &ObjectMeta, path: &Path) -> Result<(), ModelError> {
    let unreadable = |source| store.failed(&object.location, "be read")(source);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(file_error(parent, "made"))?;
    }
    let mut file = tokio::fs::File::create(path).await.map_err(file_error(path, "written"))?;
    let mut chunks = store.objects().get(&object.location).await.map_err(unreadable)?.into_stream();
    while let Some(chunk) = chunks.try_next().await.map_err(unreadable)? {
        file.write_all(&chunk).await.map_err(file_error(path, "written"))?;
    }
    file.sync_all().await.map_err(file_error(path, "written"))
}

/// Tells whether an object is one that [`super::Model::open`] reads; model repositories hold the same weights many times.
fn is_wanted(object: &ObjectMeta) -> bool {
    let name = object.location.filename().unwrap_or_default();
    let is_json = object.location.extension() == Some("json") && object.location.parts().count() <= 2;
    is_json || name == GRAPH || is_external_data(name, GRAPH)
}

fn version_of(url: &str, objects: &[ObjectMeta]) -> String {
    let lines = objects.iter().map(|object| {
        let ObjectMeta { location, size, e_tag, last_modified, .. } = object;
        let version = e_tag.clone().unwrap_or_else(|| last_modified.to_rfc3339());
        format!("{location} {size} {version}\n")
    });
    digest::sha256_hex(format!("{url}\n{}", lines.collect::<String>()).as_bytes())
}

fn staging_name() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!(".fetching-{}-{}", std::process::id(), now.as_nanos())
}
