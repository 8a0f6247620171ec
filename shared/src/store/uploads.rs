//! Uploads in parts → objects, or uploads that were ended.
//!
//! Invariant: an upload that is dropped before it is complete, as by a program that was asked to stop, is ended in the store,
//! which would keep its parts else; [`Uploads::ended`] waits for that.

use std::sync::{Arc, Mutex, PoisonError};

use object_store::{MultipartUpload, PutPayload, Result};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The uploads of one store that are being ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<JoinSet<()>>>);

impl Uploads {
    /// Takes charge of an upload that the store has begun.
    pub(super) fn begin(&self, upload: Box<dyn MultipartUpload>) -> Upload {
        Upload { upload: Some(upload), uploads: self.clone() }
    }

    /// Waits until all that were dropped are ended.
    pub(super) async fn ended(&self) {
        let mut ending = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while ending.join_next().await.is_some() {}
    }
}

/// An upload under way.
#[derive(Debug)]
pub(super) struct Upload {
    /// None once it is complete or ended.
    upload: Option<Box<dyn MultipartUpload>>,
    uploads: Uploads,
}

impl Upload {
    /// Sends the next part.
    pub(super) async fn put_part(&mut self, part: PutPayload) -> Result<()> {
        match &mut self.upload {
            Some(upload) => upload.put_part(part).await,
            None => Ok(()),
        }
    }

    /// Makes an object of the parts.
    pub(super) async fn complete(&mut self) -> Result<()> {
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
        }
        self.upload = None;
        Ok(())
    }

    /// Ends it. Where that fails too there is nothing more to be done, and the error that led to it is the one to tell.
    pub(super) async fn abort(mut self) {
        if let Some(upload) = &mut self.upload {
            let _ = upload.abort().await;
        }
        self.upload = None;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        // Without a runtime the program is ending, and nothing can be asked of the store any more.
        if let Ok(runtime) = Handle::try_current() {
            let ending = async move { drop(upload.abort().await) };
            self.uploads.0.lock().unwrap_or_else(PoisonError::into_inner).spawn_on(ending, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::FutureExt;
    use object_store::{Error, Extensions, PutResult, UploadPart};

    use super::*;

    /// An upload whose parts never arrive.
    #[derive(Debug)]
    struct Endless {
        completes: bool,
        aborted: Arc<AtomicUsize>,
    }

    #[async_trait::async_trait]
    impl MultipartUpload for Endless {
        fn put_part(&mut self, _: PutPayload) -> UploadPart {
            futures::future::pending().boxed()
        }

        async fn complete(&mut self) -> Result<PutResult> {
            let done = PutResult { e_tag: None, version: None, extensions: Extensions::default() };
            if self.completes {
                Ok(done)
            } else {
                Err(Error::NotImplemented { operation: String::new(), implementer: String::new() })
            }
        }

        async fn abort(&mut self) -> Result<()> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.aborted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    fn begin(uploads: &Uploads, completes: bool) -> (Upload, Arc<AtomicUsize>) {
        let aborted = Arc::new(AtomicUsize::new(0));
        (uploads.begin(Box::new(Endless { completes, aborted: Arc::clone(&aborted) })), aborted)
    }

    #[tokio::test]
    async fn an_upload_that_is_dropped_halfway_is_ended() {
        let uploads = Uploads::default();
        let (mut upload, aborted) = begin(&uploads, true);
        let part = tokio::time::timeout(Duration::from_millis(5), upload.put_part(PutPayload::new())).await;
        assert!(part.is_err() && aborted.load(Ordering::Relaxed) == 0);
        drop(upload);
        uploads.ended().await;
        assert_eq!(aborted.load(Ordering::Relaxed), 1);
        uploads.ended().await;
    }

    #[tokio::test]
    async fn only_what_is_not_complete_is_ended_and_once() {
        let uploads = Uploads::default();
        let (mut whole, of_whole) = begin(&uploads, true);
        whole.complete().await.unwrap();
        drop(whole);
        let (mut failed, of_failed) = begin(&uploads, false);
        failed.complete().await.unwrap_err();
        failed.abort().await;
        uploads.ended().await;
        assert_eq!((of_whole.load(Ordering::Relaxed), of_failed.load(Ordering::Relaxed)), (0, 1));
    }
}
