//! An S3 endpoint on loopback with one empty bucket: a real MinIO where one is found, else a server in this process.
//!
//! Invariant: each server has its own port, folder and credentials, and is gone with its [`S3Server`].

mod in_process;
mod minio;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::prefix::PrefixStore;
use rand::Rng;
use rand::distributions::Alphanumeric;
use strata_shared::store::Store;

use crate::skipped;

/// The bucket that every server has.
pub const BUCKET: &str = "strata-tests";

/// What the list of skipped tests says where there is no MinIO.
const WITHOUT_MINIO: &str = "stores on a real MinIO, for want of one; an in-process S3 server took its place";

const REGION: &str = "us-east-1";

/// Who may use a server.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The public half.
    pub access_key: String,
    /// The secret half, which no program may print.
    pub secret_key: String,
}

impl Credentials {
    /// Draws new ones.
    #[must_use]
    pub fn random() -> Self {
        let draw = |length| rand::thread_rng().sample_iter(Alphanumeric).take(length).map(char::from).collect();
        Self { access_key: draw(16), secret_key: draw(32) }
    }
}

/// A running server.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    credentials: Credentials,
    server: Server,
    _folder: tempfile::TempDir,
}

#[derive(Debug)]
enum Server {
    Minio { _process: minio::Minio },
    InProcess { _server: in_process::InProcess },
}

impl S3Server {
    /// Starts a server with an empty bucket.
    ///
    /// # Errors
    /// It does not start or does not answer.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for buckets")?;
        // To MinIO as to s3s-fs, a folder is a bucket.
        std::fs::create_dir(folder.path().join(BUCKET))?;
        let credentials = Credentials::random();
        let (address, server) = if let Some(program) = minio::find() {
            let process = minio::Minio::start(&program, folder.path(), &credentials)?;
            (process.address(), Server::Minio { _process: process })
        } else {
            skipped::note(WITHOUT_MINIO);
            let server = in_process::InProcess::start(folder.path(), &credentials)?;
            (server.address(), Server::InProcess { _server: server })
        };
        Ok(Self { address, credentials, server, _folder: folder })
    }

    /// Tells whether it is a real MinIO.
    #[must_use]
    pub const fn is_minio(&self) -> bool {
        matches!(self.server, Server::Minio { .. })
    }

    /// Returns who may use it.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the variables by which a program finds and may use it.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment_for(&self.credentials)
    }

    /// Returns the variables by which a program finds it and tries other credentials.
    #[must_use]
    pub fn environment_for(&self, credentials: &Credentials) -> Vec<(&'static str, String)> {
        environment(self.address, credentials)
    }

    /// Opens the store under `prefix` in the bucket from within this process.
    ///
    /// # Errors
    /// `object_store`'s own.
    pub fn store(&self, prefix: &str) -> anyhow::Result<Store> {
        Ok(Store::new(url(prefix), self.objects(prefix)?))
    }

    /// Opens what is under `prefix` in the bucket, for wrappers.
    ///
    /// # Errors
    /// `object_store`'s own.
    pub fn objects(&self, prefix: &str) -> anyhow::Result<Arc<dyn ObjectStore>> {
        Ok(Arc::new(PrefixStore::new(self.bucket()?, prefix)))
    }

    fn bucket(&self) -> object_store::Result<AmazonS3> {
        AmazonS3Builder::new()
            .with_endpoint(format!("http://{}", self.address))
            .with_allow_http(true)
            .with_region(REGION)
            .with_access_key_id(&self.credentials.access_key)
            .with_secret_access_key(&self.credentials.secret_key)
            .with_bucket_name(BUCKET)
            .build()
    }
}

/// Returns the URL of the store under `prefix` in the bucket that every server has.
#[must_use]
pub fn url(prefix: &str) -> String {
    format!("s3://{BUCKET}/{prefix}")
}

/// Returns the variables that send a program to the endpoint at `address`, whatever listens there.
#[must_use]
pub fn environment(address: SocketAddr, credentials: &Credentials) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ACCESS_KEY_ID", credentials.access_key.clone()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_key.clone()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
    ]
}

/// Binds a free port of loopback.
///
/// # Errors
/// The system's own.
pub fn listen() -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// Returns where nothing listens now.
///
/// # Errors
/// The system's own.
pub fn closed_port() -> std::io::Result<SocketAddr> {
    listen()?.local_addr()
}

/// Returns the `MinIO` program that servers are started with, where there is one.
#[must_use]
pub fn minio_program() -> Option<PathBuf> {
    minio::find()
}

/// Returns the first program `name` on `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}
