//! A MinIO program → a server on loopback that ends with its guard.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use strata_shared::cache;

use super::{Credentials, closed_port, on_path};

/// The variable that names the program; set and empty, there is none.
const PROGRAM: &str = "STRATA_TEST_MINIO";

/// How long a server may take to answer, on a machine that does much else.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// Another program may take the port between its choice and its use.
const ATTEMPTS: usize = 3;

const TICK: Duration = Duration::from_millis(50);

/// Returns the program: named by `STRATA_TEST_MINIO`, else on `PATH`, else where set-up keeps it.
pub(super) fn find() -> Option<PathBuf> {
    match std::env::var_os(PROGRAM) {
        Some(named) if named.is_empty() => None,
        Some(named) => Some(named.into()),
        None => on_path("minio").or_else(|| Some(cache::folder()?.join("bin/minio")).filter(|path| path.is_file())),
    }
}

/// A running MinIO.
#[derive(Debug)]
pub(super) struct Minio {
    process: Child,
    address: SocketAddr,
}

impl Minio {
    /// Starts `program` on `folder` and waits until it answers.
    pub(super) fn start(program: &Path, folder: &Path, credentials: &Credentials) -> anyhow::Result<Self> {
        let log = folder.with_extension("log");
        for _ in 0..ATTEMPTS {
            let mut minio = Self::spawn(program, folder, credentials, &log)?;
            if minio.becomes_ready()? {
                return Ok(minio);
            }
        }
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("{} does not start:\n{said}", program.display())
    }

    fn spawn(program: &Path, folder: &Path, credentials: &Credentials, log: &Path) -> anyhow::Result<Self> {
        let (address, console) = (closed_port()?, closed_port()?);
        let log = File::create(log)?;
        let process = Command::new(program)
            .arg("server")
            .arg(folder)
            .args(["--quiet", "--address", &address.to_string(), "--console-address", &console.to_string()])
            .env("MINIO_ROOT_USER", &credentials.access_key)
            .env("MINIO_ROOT_PASSWORD", &credentials.secret_key)
            .env("MINIO_BROWSER", "off")
            .env("MINIO_UPDATE", "off")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Self { process, address })
    }

    /// Returns where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it answers; `false` if it ended instead.
    fn becomes_ready(&mut self) -> anyhow::Result<bool> {
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if self.process.try_wait()?.is_some() {
                return Ok(false);
            }
            if is_ready(self.address).unwrap_or(false) {
                return Ok(true);
            }
            std::thread::sleep(TICK);
        }
        bail!("MinIO does not answer within {READY_WITHIN:?}")
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks for `/minio/health/ready`, which needs no credentials.
fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect_timeout(&address, TICK)?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(connection, "GET /minio/health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    connection.read_exact(&mut answer)?;
    Ok(&answer == b"HTTP/1.1 200")
}
