//! A URL prefix → whole objects in and out: a directory (synced) and S3-compatible endpoints, by one code path.
//!
//! Invariant: an object appears whole or not at all. Every error names the object and knows whether a retry may mend it.

mod error;
mod redaction;
mod s3;
mod staging;
mod uploads;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use url::Url;

use crate::digest;

pub use error::StoreError;
pub use staging::Staged;

use error::{hint, lacks_conditions, open_error, unusable, url_error};
use uploads::Uploads;
use watched::Watched;

/// The parts in which a large file is uploaded: S3 allows 10,000 of them, which makes 160 GB.
pub const PART_BYTES: usize = 16 << 20;

/// One store: whole objects under one URL prefix.
#[derive(Clone)]
pub struct Store {
    url: String,
    /// Where a directory store is.
    folder: Option<PathBuf>,
    objects: Arc<dyn ObjectStore>,
    uploads: Uploads,
}

impl std::fmt::Debug for Store {
    /// Shows where the store is, and nothing of the settings beneath, among which secrets may be.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Store").field(&self.url).finish()
    }
}

impl Store {
    /// Opens the store at `url`: a directory (`/path`, `file:///path`), `s3://bucket/prefix`, or what `object_store`
    /// opens besides.
    ///
    /// # Errors
    /// [`StoreError::Url`] for what is not a store's URL or a directory that is absent, [`StoreError::Open`] where the
    /// backend refuses it.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        match directory(url)? {
            Some(path) => match path.try_exists() {
                Ok(true) => Self::open_directory(url, &path),
                Ok(false) => Err(url_error(url, "there is no such directory; `strata shard` makes it")),
                Err(error) => Err(unusable(url, &error)),
            },
            None => Self::open_url(url),
        }
    }

    /// Opens the store at `url` as [`Store::open`] does; a directory is made if it is absent, a bucket is not.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_or_create(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = directory(url)? {
            std::fs::create_dir_all(path).map_err(|error| unusable(url, &error))?;
        }
        Self::open(url)
    }

    /// Opens the store at `url` to look at it alone: a directory that is absent is an empty store, and stays absent.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_or_empty(url: &str) -> Result<Self, StoreError> {
        match directory(url)? {
            Some(path) if matches!(path.try_exists(), Ok(false)) => Ok(Self::new(url, Arc::new(InMemory::new()))),
            _ => Self::open(url),
        }
    }

    /// Wraps a store that is already open, such as one in memory or one that injects faults.
    pub fn new(url: impl Into<String>, objects: Arc<dyn ObjectStore>) -> Self {
        Self { url: url.into(), folder: None, objects, uploads: Uploads::default() }
    }

    /// Wraps what was opened at `url`, so that its requests are counted and its errors can be shown.
    fn opened(url: String, objects: impl ObjectStore) -> Self {
        Self::new(url, Arc::new(Watched(objects)))
    }

    fn open_directory(url: &str, path: &std::path::Path) -> Result<Self, StoreError> {
        let path = path.canonicalize().map_err(|error| unusable(url, &error))?;
        let objects = LocalFileSystem::new_with_prefix(&path).map_err(|source| open_error(url, source))?;
        let store = Self::opened(path.display().to_string(), objects.with_fsync(true));
        Ok(Self { folder: Some(path), ..store })
    }

    fn open_url(url: &str) -> Result<Self, StoreError> {
        let url = &Url::parse(url).map_err(|error| url_error(url, &error.to_string()))?;
        let shown = without_credentials(url);
        if !url.username().is_empty() || url.password().is_some() {
            return Err(url_error(
                &shown,
                "has credentials in it; give them in AWS_* variables, which nobody is shown",
            ));
        }
        let failed = |source| open_error(&shown, source);
        if matches!(url.scheme(), "s3" | "s3a") {
            let bucket = url.host_str().ok_or_else(|| url_error(&shown, "expected s3://bucket/prefix"))?;
            let settings = s3::Settings::read(s3::Variables::of_environment());
            let objects = settings.map_err(|reason| url_error(&shown, &reason))?.open(bucket).map_err(failed)?;
            let prefix = Path::from_url_path(url.path()).map_err(|error| failed(error.into()))?;
            return Ok(Self::opened(shown, PrefixStore::new(objects, prefix)));
        }
        let variables =
            std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
        let settings = variables.filter(|(name, _)| name.starts_with("AWS_"));
        let (objects, prefix) = object_store::parse_url_opts(url, settings).map_err(failed)?;
        Ok(Self::opened(shown, PrefixStore::new(objects, prefix)))
    }

    /// Returns the folder of a directory store.
    #[must_use]
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_deref()
    }

    /// Returns the store's URL without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the `object_store` beneath, for codecs that read ranges.
    #[must_use]
    pub fn objects(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }

    /// Returns what makes an error about `key` out of a backend's.
    pub(crate) fn failed(&self, key: &Path, verb: &'static str) -> impl FnOnce(object_store::Error) -> StoreError {
        let (store, key) = (self.url.clone(), key.clone());
        move |source| {
            let hint = hint(&source);
            StoreError::Object { store, key, verb, hint, source }
        }
    }

    /// Reads an object whole.
    ///
    /// # Errors
    /// [`StoreError::Object`]; [`StoreError::is_not_found`] tells an absent object from an unreachable store.
    pub async fn get(&self, key: &Path) -> Result<Bytes, StoreError> {
        let read = async { self.objects.get(key).await?.bytes().await };
        read.await.map_err(self.failed(key, "be read"))
    }

    /// Reads an object whole, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Object`] for anything but absence.
    pub async fn get_if_present(&self, key: &Path) -> Result<Option<Bytes>, StoreError> {
        match self.get(key).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads an object piece by piece, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Object`] for anything but absence; each piece may fail with it too.
    pub async fn pieces(
        &self,
        key: &Path,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, StoreError>>>, StoreError> {
        match self.objects.get(key).await.map_err(self.failed(key, "be read")) {
            Ok(found) => {
                let (store, key) = (self.clone(), key.clone());
                let failed = move |source| store.failed(&key, "be read")(source);
                Ok(Some(found.into_stream().map_err(failed).boxed()))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads an object piece by piece and returns the sha256 of its bytes in hex, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Object`] for anything but absence.
    pub async fn sha256(&self, key: &Path) -> Result<Option<String>, StoreError> {
        let Some(mut pieces) = self.pieces(key).await? else { return Ok(None) };
        let mut hasher = Sha256::new();
        while let Some(piece) = pieces.try_next().await? {
            hasher.update(&piece);
        }
        Ok(Some(digest::finish(hasher)))
    }

    /// Returns an object's size and times, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Object`] for anything but absence.
    pub async fn head(&self, key: &Path) -> Result<Option<ObjectMeta>, StoreError> {
        match self.objects.head(key).await.map_err(self.failed(key, "be looked at")) {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes an object whole, replacing what was there.
    ///
    /// # Errors
    /// [`StoreError::Object`]; the object is then as it was before, or whole.
    pub async fn put(&self, key: &Path, bytes: impl Into<PutPayload>) -> Result<(), StoreError> {
        self.objects.put(key, bytes.into()).await.map_err(self.failed(key, "be written"))?;
        Ok(())
    }

    /// Writes an object unless there is one; tells whether it now holds these bytes.
    ///
    /// Where a store cannot write on that condition (a file system without hard links, an old S3), it is looked at first.
    ///
    /// # Errors
    /// [`StoreError::Object`]; the object is then as it was before, or whole.
    pub async fn create(&self, key: &Path, bytes: impl Into<Bytes>) -> Result<bool, StoreError> {
        let bytes = bytes.into();
        match self.objects.put_opts(key, bytes.clone().into(), PutMode::Create.into()).await {
            Ok(_) => return Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) if lacks_conditions(&error) => {
                if self.head(key).await?.is_none() {
                    self.put(key, bytes).await?;
                    return Ok(true);
                }
            }
            Err(error) => return Err(self.failed(key, "be written")(error)),
        }
        // A request that was repeated after its answer was lost finds its own object; one that was removed since is not.
        Ok(self.get_if_present(key).await?.is_some_and(|found| found == bytes))
    }

    /// Writes a local file as one object, in parts and in bounded memory.
    ///
    /// # Errors
    /// [`StoreError::Object`] or [`StoreError::File`]; nothing appears under `key` then.
    pub async fn put_file(&self, key: &Path, path: &std::path::Path) -> Result<(), StoreError> {
        let unreadable = |source| StoreError::File { path: path.display().to_string(), source };
        let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let parts = futures::stream::try_unfold(file, |mut file| async move {
            let mut part = Vec::with_capacity(PART_BYTES);
            (&mut file).take(PART_BYTES as u64).read_to_end(&mut part).await.map_err(unreadable)?;
            Ok::<_, StoreError>((!part.is_empty()).then(|| (part.into(), file)))
        });
        self.put_parts(key, parts).await
    }

    /// Writes parts that come one after the other as one object; all but the last are of [`PART_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Object`], or the error of a part that did not come; nothing appears under `key` then.
    pub async fn put_parts<E: From<StoreError>>(
        &self,
        key: &Path,
        parts: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<(), E> {
        let mut parts = std::pin::pin!(parts);
        let begun = self.objects.put_multipart(key).await.map_err(self.failed(key, "be written"))?;
        let mut upload = self.uploads.begin(begun);
        while let Some(part) = parts.next().await {
            let sent = match part {
                Ok(part) => {
                    upload.put_part(part.into()).await.map_err(|error| self.failed(key, "be written")(error).into())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                upload.abort().await;
                return Err(error);
            }
        }
        if let Err(error) = upload.complete().await {
            // Parts of an upload that nobody completes are kept, and billed; one that was completed after all stays.
            upload.abort().await;
            return Err(self.failed(key, "be written")(error).into());
        }
        Ok(())
    }

    /// Waits until uploads that were dropped halfway are ended in the store; for a program that was asked to stop.
    pub async fn uploads_ended(&self) {
        self.uploads.ended().await;
    }

    /// Writes what is under `from` under `to` too; tells whether there was anything.
    ///
    /// It is read and written as everything else is, since a directory's own way to copy neither syncs nor can be repeated.
    ///
    /// # Errors
    /// [`StoreError::Object`]; what is under `to` is then as it was before, or the copy.
    pub async fn copy(&self, from: &Path, to: &Path) -> Result<bool, StoreError> {
        let Some(meta) = self.head(from).await? else { return Ok(false) };
        if meta.size <= PART_BYTES as u64 {
            let Some(bytes) = self.get_if_present(from).await? else { return Ok(false) };
            return self.put(to, bytes).await.map(|()| true);
        }
        let Some(pieces) = self.pieces(from).await? else { return Ok(false) };
        let parts = futures::stream::try_unfold((pieces, BytesMut::new()), |(mut pieces, mut waiting)| async move {
            while waiting.len() < PART_BYTES
                && let Some(piece) = pieces.try_next().await?
            {
                waiting.extend_from_slice(&piece);
            }
            let part = waiting.split_to(waiting.len().min(PART_BYTES)).freeze();
            Ok::<_, StoreError>((!part.is_empty()).then_some((part, (pieces, waiting))))
        });
        self.put_parts(to, parts).await.map(|()| true)
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::Object`] for anything but absence.
    pub async fn delete(&self, key: &Path) -> Result<(), StoreError> {
        match self.objects.delete(key).await.map_err(self.failed(key, "be removed")) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Lists every object under `folder`, in key order.
    ///
    /// # Errors
    /// [`StoreError::Object`] if the store cannot be listed.
    pub async fn list(&self, folder: &Path) -> Result<Vec<ObjectMeta>, StoreError> {
        let listed: Result<Vec<_>, _> = self.objects.list(Some(folder)).try_collect().await;
        let mut objects = listed.map_err(self.failed(folder, "be listed"))?;
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    /// Lists the names of the folders directly under `folder` that hold an object, in order.
    ///
    /// A directory store keeps folders whose objects were removed or never finished; they are left out.
    ///
    /// # Errors
    /// [`StoreError::Object`] if the store cannot be listed.
    pub async fn folders(&self, folder: &Path) -> Result<Vec<String>, StoreError> {
        let listed = self.objects.list_with_delimiter(Some(folder)).await.map_err(self.failed(folder, "be listed"))?;
        let mut names = Vec::with_capacity(listed.common_prefixes.len());
        for prefix in &listed.common_prefixes {
            let first = self.objects.list(Some(prefix)).next().await;
            let first = first.transpose().map_err(self.failed(prefix, "be listed"))?;
            names.extend(first.and_then(|_| prefix.filename().map(str::to_owned)));
        }
        names.sort();
        Ok(names)
    }
}

/// Returns the directory that `url` means, or `None` where it means something else.
fn directory(url: &str) -> Result<Option<PathBuf>, StoreError> {
    match Url::parse(url) {
        Ok(parsed) if parsed.scheme() == "file" => {
            let path = parsed.to_file_path().ok().filter(|_| url.contains(":///") || url.contains("://localhost/"));
            path.map(Some).ok_or_else(|| url_error(url, "expected file:///absolute/path"))
        }
        Ok(parsed) if parsed.scheme() == "memory" => {
            Err(url_error(url, "would be gone with this program; expected a directory or s3://bucket/prefix"))
        }
        Ok(parsed) if parsed.scheme().len() > 1 => Ok(None),
        _ if url.is_empty() => Err(url_error(url, "is empty; expected a directory or s3://bucket/prefix")),
        _ => Ok(Some(PathBuf::from(url))),
    }
}

/// Returns a store's URL as it may be shown, without credentials and query; a directory as it is.
#[must_use]
pub fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(parsed) if url.contains("://") => without_credentials(&parsed),
        _ => url.to_owned(),
    }
}

fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    // Both fail only for URLs that cannot carry credentials at all.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.as_str().trim_end_matches('/').to_owned()
}
