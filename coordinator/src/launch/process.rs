//! Workers as processes of this machine: started, listened to, tried again where a retry may mend it.
//!
//! Invariant: no worker outlives the command that started it, unless the command itself is killed outright; such a worker
//! only finishes what is harmless to finish twice.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::telemetry::LogLine;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::display::Display;

/// How often a worker is started again after an end that a retry may mend.
const MAX_RETRIES: u32 = 2;

/// How long workers have to stop by themselves.
const GRACE: Duration = Duration::from_secs(10);

/// The workers that run now.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Why a worker did no work.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no such program.
    #[error("{program}: found neither beside strata nor on PATH; build the workspace, or put the worker beside strata")]
    Missing {
        /// The program.
        program: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// It cannot be started or listened to.
    #[error("{program}: cannot be run")]
    Run {
        /// The program.
        program: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// It ended without its work done, and has said why.
    #[error("{program} ended with exit code {} {}", exit.code(), advice(*exit))]
    Ended {
        /// The program.
        program: &'static str,
        /// What its end means.
        exit: Exit,
    },
}

impl Classify for LaunchError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } => Exit::Configuration,
            Self::Run { .. } => Exit::Retry,
            Self::Ended { exit, .. } => *exit,
        }
    }
}

const fn advice(exit: Exit) -> &'static str {
    match exit {
        Exit::Configuration => "(configuration is at fault; its message above says what to change)",
        Exit::Data => "(the data is at fault; its message above names what)",
        Exit::Retry | Exit::Done => "(a retry may mend it: the same command goes on from here)",
    }
}

/// One process to be run.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The program.
    pub program: &'static str,
    /// Its place among several of the same, from 0.
    pub index: usize,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Runs all `workers` side by side until each has ended.
///
/// # Errors
/// The gravest end of them: configuration before data before a retry.
pub async fn run_workers(workers: Vec<Worker>, display: &Display) -> Result<(), Failure> {
    let ends = futures::future::join_all(workers.iter().map(|worker| run_with_retries(worker, display))).await;
    let severity = |failure: &LaunchError| match failure.exit() {
        Exit::Configuration => 2,
        Exit::Data => 1,
        Exit::Retry | Exit::Done => 0,
    };
    match ends.into_iter().filter_map(Result::err).max_by_key(severity) {
        Some(gravest) => Err(gravest.into()),
        None => Ok(()),
    }
}

async fn run_with_retries(worker: &Worker, display: &Display) -> Result<(), LaunchError> {
    for attempt in 0.. {
        match run_once(worker, display).await {
            Err(error) if error.is_transient() && attempt < MAX_RETRIES => {
                let wait = Duration::from_secs(1 << attempt);
                tracing::warn!("{error}; trying again in {} s", wait.as_secs());
                tokio::time::sleep(wait).await;
            }
            end => return end,
        }
    }
    Ok(())
}

async fn run_once(worker: &Worker, display: &Display) -> Result<(), LaunchError> {
    let program = worker.program;
    let mut child = Command::new(find(program))
        .args(&worker.arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => LaunchError::Missing { program, source },
            _ => LaunchError::Run { program, source },
        })?;
    let _registration = Registration::new(child.id());
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line);
            match LogLine::parse(&line) {
                Some(parsed) => display.show(&format!("{program}-{}", worker.index), &parsed),
                None => display.line(&line),
            }
        }
    }
    let status = child.wait().await.map_err(|source| LaunchError::Run { program, source })?;
    match Exit::from_code(status.code()) {
        Exit::Done => Ok(()),
        exit => Err(LaunchError::Ended { program, exit }),
    }
}

/// The worker beside this program, else its name for `PATH` to find.
fn find(program: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(program)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(program))
}

/// Keeps a process on the list of those running while it lives.
struct Registration(Option<u32>);

impl Registration {
    fn new(id: Option<u32>) -> Self {
        running().extend(id);
        Self(id)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            running().remove(&id);
        }
    }
}

fn running() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks every running worker to stop, waits for them, and ends those that do not.
pub async fn end_workers() {
    let ids: Vec<Pid> = running().iter().filter_map(|&id| Pid::from_raw(id.cast_signed())).collect();
    send(&ids, Signal::TERM);
    let started = tokio::time::Instant::now();
    while ids.iter().any(|&id| is_alive(id)) && started.elapsed() < GRACE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    send(&ids, Signal::KILL);
}

fn send(ids: &[Pid], signal: Signal) {
    for &id in ids.iter().filter(|&&id| is_alive(id)) {
        // It may have ended in between, which is what was asked.
        let _ = kill_process(id, signal);
    }
}

/// A process that has ended but was not waited for yet counts as ended.
fn is_alive(id: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
}
