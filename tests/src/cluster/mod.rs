//! The program that `STRATA_TEST_CLUSTER` names → a Kubernetes cluster that is there for as long as a test program runs.
//!
//! `tests/cluster/README.md` says what such a program does. Invariant: a [`Cluster`] that is dropped, in a panic too, is
//! down.

mod image;
mod minio;
mod model;
mod namespace;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

pub use image::{IMAGE, assemble};
pub use minio::ClusterMinio;
pub use model::SmallModel;
pub use namespace::{Job, Namespace, Settings};

use crate::binaries;

/// The variable that names the program; unset or empty, there is no cluster.
const PROGRAM: &str = "STRATA_TEST_CLUSTER";

/// Where pods reach a server that `exec` starts, where the program does not tell.
const DEFAULT_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));

/// How often a condition is looked at.
const TICK: Duration = Duration::from_millis(300);

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    program: PathBuf,
}

impl Cluster {
    /// Brings up a cluster; `None` where `STRATA_TEST_CLUSTER` names no program.
    ///
    /// # Errors
    /// The program's own.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let Some(program) = std::env::var_os(PROGRAM).filter(|program| !program.is_empty()) else { return Ok(None) };
        let program = PathBuf::from(program);
        run(Command::new(&program).arg("up"))?;
        Ok(Some(Self { program }))
    }

    /// Returns a command that runs `program` where the cluster is, without the settings of whoever runs the tests.
    #[must_use]
    pub fn exec(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = binaries::without_settings(Command::new(&self.program));
        command.arg("exec").arg(program);
        command
    }

    /// Runs one of the project's programs where the cluster is.
    ///
    /// # Errors
    /// It was not built.
    pub fn exec_built(&self, name: &str) -> anyhow::Result<Command> {
        Ok(self.exec(binaries::path(name)?))
    }

    /// Runs kubectl and returns what it says on stdout.
    ///
    /// # Errors
    /// It fails; the error holds its stderr.
    pub fn kubectl<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> anyhow::Result<String> {
        run(self.exec("kubectl").args(arguments))
    }

    /// Puts an image's archive where the node's pods find it.
    ///
    /// # Errors
    /// The program's own.
    pub fn load(&self, archive: &Path) -> anyhow::Result<()> {
        run(Command::new(&self.program).arg("load").arg(archive)).map(drop)
    }

    /// Ends the node's kubelet; its pods run on.
    ///
    /// # Errors
    /// The program's own.
    pub fn stop_node(&self) -> anyhow::Result<()> {
        run(Command::new(&self.program).arg("stop-node")).map(drop)
    }

    /// Starts the kubelet again.
    ///
    /// # Errors
    /// The program's own.
    pub fn start_node(&self) -> anyhow::Result<()> {
        run(Command::new(&self.program).arg("start-node")).map(drop)
    }

    /// Returns where pods reach a server that [`Cluster::exec`] starts.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        let told = run(Command::new(&self.program).arg("address")).ok();
        told.and_then(|told| told.trim().parse().ok()).unwrap_or(DEFAULT_ADDRESS)
    }

    /// Takes the cluster down.
    fn down(&self) -> anyhow::Result<()> {
        run(Command::new(&self.program).arg("down")).map(drop)
    }

    /// Takes the cluster down when a signal asks this process to stop, and ends the process.
    ///
    /// # Errors
    /// Signals cannot be listened to.
    pub fn go_down_on_signals(&self) -> anyhow::Result<()> {
        let program = self.program.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut interruptions = {
            let _entered = runtime.enter();
            strata_shared::signals::Interruptions::listen()?
        };
        std::thread::spawn(move || {
            runtime.block_on(interruptions.asked());
            drop(Self { program });
            std::process::exit(1);
        });
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            eprintln!("{error:#}");
        }
    }
}

/// Runs a command to its end and returns its stdout.
///
/// # Errors
/// It cannot be started, or does not succeed; the error holds its stderr.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    let shown = || format!("{command:?}").replace('"', "");
    let shown = shown();
    let output = command.output().with_context(|| format!("start {shown}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}: {}\n{}", output.status, said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Looks until `look` finds something.
///
/// # Errors
/// Nothing was found within `limit`, or `look`'s own.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().with_context(|| format!("wait for {what}"))? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {limit:?}");
        }
        std::thread::sleep(TICK);
    }
}
