//! A store → the same store under a process that dies: before or after its n-th write, once and for good.
//!
//! Invariant: a death before a write leaves the store as it was; a death after it leaves the write done and unannounced.
//! From then on nothing that this wrapper is asked reaches the store. Restarting is the caller's: a new wrapper over the
//! same store.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

/// On which side of a write death comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The write does not happen.
    Before,
    /// The write happens, and nobody is told.
    After,
}

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// The write, numbered from 1.
    pub write: u64,
    /// The side of it.
    pub moment: Moment,
}

/// What every request to a dead store is told.
#[derive(Debug)]
struct Dead;

impl fmt::Display for Dead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the process that asks is dead")
    }
}

impl std::error::Error for Dead {}

fn dead<T>() -> Result<T> {
    Err(Error::Generic { store: "FaultStore", source: Box::new(Dead) })
}

/// The life of one process: its writes so far, and when it ends.
#[derive(Debug)]
struct Life {
    death: Option<Death>,
    num_writes: AtomicU64,
    is_over: AtomicBool,
}

impl Life {
    fn check(&self) -> Result<()> {
        if self.is_over.load(Ordering::SeqCst) { dead() } else { Ok(()) }
    }

    async fn write<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        let number = self.num_writes.fetch_add(1, Ordering::SeqCst) + 1;
        let fatal = self.death.filter(|death| death.write == number).map(|death| death.moment);
        if fatal == Some(Moment::Before) {
            self.is_over.store(true, Ordering::SeqCst);
            return dead();
        }
        // One that fails, as the removal of what is not there may, is done with all the same.
        let done = work.await;
        if fatal == Some(Moment::After) {
            self.is_over.store(true, Ordering::SeqCst);
        }
        // A write beside the fatal one may still arrive, as a request on its way from a killed process may.
        self.check()?;
        done
    }
}

/// A store as one process sees it: writes are numbered from 1 (an object, a part, the completion of parts, a removal, a
/// copy), and one of them may be its last.
#[derive(Debug, Clone)]
pub struct FaultStore {
    inner: Arc<dyn ObjectStore>,
    life: Arc<Life>,
}

impl FaultStore {
    /// Wraps `inner` for a process that dies at `death`, or only counts its writes.
    pub fn new(inner: Arc<dyn ObjectStore>, death: Option<Death>) -> Self {
        let life = Life { death, num_writes: AtomicU64::new(0), is_over: AtomicBool::new(false) };
        Self { inner, life: Arc::new(life) }
    }

    /// Returns the number of writes that were begun.
    #[must_use]
    pub fn num_writes(&self) -> u64 {
        self.life.num_writes.load(Ordering::SeqCst)
    }

    /// Tells whether death has come.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.life.is_over.load(Ordering::SeqCst)
    }

    /// Passes a stream on for as long as there is life.
    fn while_alive<T: Send + 'static>(&self, stream: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        let life = Arc::clone(&self.life);
        stream.map(move |item| life.check().and(item)).boxed()
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "FaultStore({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.life.write(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.life.check()?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(FaultUpload { inner, life: Arc::clone(&self.life) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.life.check()?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.life.check()?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let delete = move |location: Result<Path>| {
            let this = this.clone();
            async move {
                let location = location?;
                let one = futures::stream::once(futures::future::ready(Ok(location.clone()))).boxed();
                let mut deleted = this.inner.delete_stream(one);
                this.life.write(async { deleted.next().await.unwrap_or(Ok(location)) }).await
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.life.check() {
            Ok(()) => self.while_alive(self.inner.list(prefix)),
            Err(error) => futures::stream::once(futures::future::ready(Err(error))).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.life.check()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.life.write(self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.life.write(self.inner.rename_opts(from, to, options)).await
    }
}

/// An upload in parts by a process that may die.
#[derive(Debug)]
struct FaultUpload {
    inner: Box<dyn MultipartUpload>,
    life: Arc<Life>,
}

#[async_trait]
impl MultipartUpload for FaultUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        if let Err(error) = self.life.check() {
            return futures::future::ready(Err(error)).boxed();
        }
        let (part, life) = (self.inner.put_part(data), Arc::clone(&self.life));
        async move { life.write(part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.life.write(self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.life.check()?;
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    async fn write_twice(death: Option<Death>) -> (FaultStore, Vec<String>) {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = FaultStore::new(Arc::clone(&inner), death);
        for key in ["a", "b"] {
            let _ = store.put(&Path::from(key), PutPayload::from_static(b"x")).await;
        }
        let listed: Vec<_> = inner.list(None).map(|object| object.unwrap().location.to_string()).collect().await;
        (store, listed)
    }

    #[tokio::test]
    async fn death_before_a_write_leaves_it_undone_and_death_after_it_done() {
        let before = write_twice(Some(Death { write: 1, moment: Moment::Before })).await;
        assert!(before.1.is_empty() && before.0.is_dead());
        let after = write_twice(Some(Death { write: 1, moment: Moment::After })).await;
        assert_eq!(after.1, ["a"]);
        assert!(after.0.is_dead() && after.0.get(&Path::from("a")).await.is_err());
    }

    #[tokio::test]
    async fn a_life_without_death_counts_its_writes() {
        let (store, listed) = write_twice(None).await;
        assert_eq!((store.num_writes(), store.is_dead(), listed.len()), (2, false, 2));
    }

    #[tokio::test]
    async fn an_upload_cut_off_between_its_parts_leaves_no_object() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let store = FaultStore::new(Arc::clone(&inner), Some(Death { write: 2, moment: Moment::After }));
        let mut upload = store.put_multipart(&Path::from("large")).await.unwrap();
        assert!(upload.put_part(PutPayload::from_static(b"one")).await.is_ok());
        assert!(upload.put_part(PutPayload::from_static(b"two")).await.is_err());
        assert!(upload.complete().await.is_err());
        assert!(inner.list(None).next().await.is_none());
    }
}
