//! A MinIO in the cluster's network, where pods and programs that `exec` starts reach it.
//!
//! This process may be elsewhere: what it wants of the store it asks the program `store-objects` for.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::{Cluster, run, wait_for};
use crate::objects::Objects;
use crate::process_group::ProcessGroup;
use crate::s3_server::{self, BUCKET, Credentials};

const PORT: u16 = 9000;

/// How long a server may take to answer, on a machine that does much else.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// A MinIO with one bucket, which can be taken away and given back.
#[derive(Debug)]
pub struct ClusterMinio {
    program: PathBuf,
    data: PathBuf,
    address: IpAddr,
    credentials: Credentials,
    server: Option<ProcessGroup>,
}

impl ClusterMinio {
    /// Starts `program` with an empty bucket in `folder`.
    ///
    /// # Errors
    /// It does not start or does not answer.
    pub fn start(cluster: &Cluster, program: PathBuf, folder: &Path) -> anyhow::Result<Self> {
        let data = folder.join("minio");
        // To MinIO, a folder is a bucket.
        std::fs::create_dir_all(data.join(BUCKET)).context("make a folder for a bucket")?;
        let (address, credentials) = (cluster.address(), Credentials::random());
        let mut minio = Self { program, data, address, credentials, server: None };
        minio.give_back(cluster)?;
        Ok(minio)
    }

    /// Ends the server; what it holds stays.
    pub fn take_away(&mut self) {
        self.server = None;
    }

    /// Starts the server again, and waits until it answers.
    ///
    /// # Errors
    /// It does not start or does not answer.
    pub fn give_back(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        let mut command = cluster.exec(&self.program);
        command.args(["server", "--quiet", "--address", &self.socket().to_string()]).arg(&self.data);
        command.env("MINIO_ROOT_USER", &self.credentials.access_key);
        command.env("MINIO_ROOT_PASSWORD", &self.credentials.secret_key);
        command.envs([("MINIO_BROWSER", "off"), ("MINIO_UPDATE", "off")]);
        self.server = Some(ProcessGroup::start(command)?);
        let answers = || Ok(self.digests(cluster, "nothing").is_ok().then_some(()));
        wait_for("MinIO", READY_WITHIN, answers)
    }

    /// Tells whether the server was taken away.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.server.is_none()
    }

    const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, PORT)
    }

    /// Returns who may use it.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns where it is, as programs are told it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.socket())
    }

    /// Returns the variables by which a program finds and may use it.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        s3_server::environment(self.socket(), &self.credentials)
    }

    /// Copies a folder of this machine to `prefix`.
    ///
    /// # Errors
    /// The store's own.
    pub fn upload(&self, cluster: &Cluster, folder: &Path, prefix: &str) -> anyhow::Result<()> {
        run(self.objects(cluster, "copy")?.arg(folder).arg(s3_server::url(prefix))).map(drop)
    }

    /// Copies what is under `prefix` to a folder of this machine.
    ///
    /// # Errors
    /// The store's own.
    pub fn download(&self, cluster: &Cluster, prefix: &str, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        run(self.objects(cluster, "copy")?.arg(s3_server::url(prefix)).arg(folder)).map(drop)
    }

    /// Returns the sha256 of every object under `prefix`, as [`crate::objects::read`] does.
    ///
    /// # Errors
    /// The store's own.
    pub fn digests(&self, cluster: &Cluster, prefix: &str) -> anyhow::Result<Objects> {
        let told = run(self.objects(cluster, "digests")?.arg(s3_server::url(prefix)))?;
        serde_json::from_str(&told).context("read digests")
    }

    fn objects(&self, cluster: &Cluster, what: &str) -> anyhow::Result<Command> {
        let mut command = cluster.exec_built("store-objects")?;
        command.arg(what).envs(self.environment());
        Ok(command)
    }
}
