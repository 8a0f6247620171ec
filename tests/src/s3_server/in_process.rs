//! A folder → an S3 server in this process (s3s-fs over hyper), on a thread of its own.
//!
//! It stands in where there is no MinIO. Unlike s3s-fs by itself it says `NoSuchBucket` of a bucket that is not there, and
//! `NoSuchKey` of a key that is only the beginning of others.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use anyhow::Context;
use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Credentials, listen};

/// A running server.
#[derive(Debug)]
pub(super) struct InProcess {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl InProcess {
    /// Serves the folders in `folder` as buckets.
    pub(super) fn start(folder: &Path, credentials: &Credentials) -> anyhow::Result<Self> {
        let service = service(folder, credentials)?;
        let listener = listen()?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = {
            let _runtime = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                tokio::select! { () = serve(listener, service) => {}, _ = stopped => {} }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("s3-server".into()).spawn(serve)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the in-process S3 server panicked");
        }
    }
}

fn service(folder: &Path, credentials: &Credentials) -> anyhow::Result<S3Service> {
    let files = s3s_fs::FileSystem::new(folder).map_err(|error| anyhow::anyhow!("{error:?}")).context("serve S3")?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(&*credentials.access_key, &*credentials.secret_key));
    service.set_access(KnownBuckets { folder: folder.to_owned() });
    Ok(service.build())
}

async fn serve(listener: TcpListener, service: S3Service) {
    loop {
        // A client that gave up before it was accepted is no concern of the others.
        let Ok((connection, _)) = listener.accept().await else { continue };
        // Else each answer waits some 40 ms for the client's delayed acknowledgement; failing to set it costs only that.
        let _ = connection.set_nodelay(true);
        let service = service.clone();
        tokio::spawn(async move {
            // What goes wrong on a connection, its client is told.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

/// Lets signed requests through to buckets that are there, and to keys that are no folders.
struct KnownBuckets {
    folder: PathBuf,
}

#[async_trait]
impl S3Access for KnownBuckets {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "a signature is required"));
        }
        let path = context.s3_path();
        if path.get_bucket_name().is_some_and(|bucket| !self.folder.join(bucket).is_dir()) {
            return Err(s3_error!(NoSuchBucket));
        }
        match path.as_object() {
            Some((bucket, key)) if self.folder.join(bucket).join(key).is_dir() => Err(s3_error!(NoSuchKey)),
            _ => Ok(()),
        }
    }
}
