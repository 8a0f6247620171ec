//! A store → the same store, its requests counted and its errors freed of what must not be shown.
//!
//! Invariants: what is not there, or is there already, is an answer and counts as no error; an error keeps its kind, and
//! its text but for what a server repeats of a request's headers, among which a session's token may be.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use super::redaction;
use crate::metrics::{self, Request};

/// A store whose requests are counted.
#[derive(Debug)]
pub(super) struct Watched<S>(pub(super) S);

impl<S: ObjectStore> std::fmt::Display for Watched<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, formatter)
    }
}

/// Counts a request by its answer, which moved so many bytes.
fn answered<T>(kind: Request, answer: Result<T>, bytes: impl FnOnce(&T) -> u64) -> Result<T> {
    metrics::request(kind, answer.as_ref().map_or(0, bytes));
    answer.map_err(|error| failed(kind, error))
}

fn failed(kind: Request, error: Error) -> Error {
    use Error::{AlreadyExists, NotFound, NotModified, Precondition};
    if !matches!(error, NotFound { .. } | AlreadyExists { .. } | Precondition { .. } | NotModified { .. }) {
        metrics::error(kind);
    }
    redaction::redact(error)
}

#[async_trait::async_trait]
impl<S: ObjectStore> ObjectStore for Watched<S> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let bytes = payload.content_length() as u64;
        answered(Request::put, self.0.put_opts(location, payload, options).await, |_| bytes)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = answered(Request::put, self.0.put_multipart_opts(location, options).await, |_| 0)?;
        Ok(Box::new(WatchedUpload(upload)))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let bytes = |found: &GetResult| if is_head { 0 } else { found.range.end - found.range.start };
        answered(Request::get, self.0.get_opts(location, options).await, bytes)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let bytes = |pieces: &Vec<Bytes>| pieces.iter().map(|piece| piece.len() as u64).sum();
        answered(Request::get, self.0.get_ranges(location, ranges).await, bytes)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations).map(|deleted| answered(Request::delete, deleted, |_| 0)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        metrics::request(Request::list, 0);
        let listed = self.0.list(prefix);
        listed.map(|object| object.map_err(|error| failed(Request::list, error))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        answered(Request::list, self.0.list_with_delimiter(prefix).await, |_| 0)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        answered(Request::copy, self.0.copy_opts(from, to, options).await, |()| 0)
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        answered(Request::copy, self.0.rename_opts(from, to, options).await, |()| 0)
    }
}

/// An upload in parts, each a request of its own.
#[derive(Debug)]
struct WatchedUpload(Box<dyn MultipartUpload>);

#[async_trait::async_trait]
impl MultipartUpload for WatchedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (bytes, part) = (data.content_length() as u64, self.0.put_part(data));
        async move { answered(Request::put, part.await, |()| bytes) }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        answered(Request::put, self.0.complete().await, |_| 0)
    }

    async fn abort(&mut self) -> Result<()> {
        self.0.abort().await.map_err(|error| failed(Request::delete, error))
    }
}
