//! A store → the same store in which somebody replaces or removes one object right before its n-th read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

/// What is done to an object, and when.
#[derive(Debug, Clone)]
pub struct Tampering {
    /// The object.
    pub key: Path,
    /// The read of it that finds it changed, numbered from 1; looking whether it is there counts.
    pub read: u64,
    /// What it becomes; `None`: it goes.
    pub becomes: Option<Bytes>,
}

/// A store that somebody else writes to.
#[derive(Debug, Clone)]
pub struct TamperedStore {
    inner: Arc<dyn ObjectStore>,
    tampering: Arc<Tampering>,
    num_reads: Arc<AtomicU64>,
}

impl TamperedStore {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn ObjectStore>, tampering: Tampering) -> Self {
        Self { inner, tampering: Arc::new(tampering), num_reads: Arc::default() }
    }

    /// Tells whether the object was changed.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.num_reads.load(Ordering::SeqCst) >= self.tampering.read
    }

    async fn is_about_to_be_read(&self, location: &Path) -> Result<()> {
        let Tampering { key, read, becomes } = &*self.tampering;
        if location != key || self.num_reads.fetch_add(1, Ordering::SeqCst) + 1 != *read {
            return Ok(());
        }
        match becomes {
            Some(bytes) => self.inner.put(key, bytes.clone().into()).await.map(drop),
            None => self.inner.delete(key).await,
        }
    }
}

impl fmt::Display for TamperedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TamperedStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for TamperedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.is_about_to_be_read(location).await?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.is_about_to_be_read(location).await?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}
