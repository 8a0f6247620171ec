//! Workers as processes of this machine: started, listened to, tried again where a retry may mend it.
//!
//! Invariant: no worker outlives the command that started it, unless the command itself is killed outright; such a worker
//! only finishes what is harmless to finish twice. Once workers are being ended, none is started any more.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::signals;
use strata_shared::telemetry::{self, LogLine};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::display::Display;

/// How often a worker is started again after an end that a retry may mend.
const MAX_RETRIES: u32 = 2;

/// How long workers have to stop by themselves: what they take for it, and a little to say so.
const GRACE: Duration = signals::GRACE.saturating_add(Duration::from_secs(5));

/// How long killed workers may take to be gone; one that the system holds up goes when it lets go.
const GONE_WITHIN: Duration = Duration::from_secs(2);

/// SIGILL, SIGABRT, SIGBUS, SIGFPE and SIGSEGV: what programs end themselves by whose code is broken.
const BROKEN: [i32; 5] = [4, 6, 7, 8, 11];

/// How often the list of running workers is looked at while they end.
const TICK: Duration = Duration::from_millis(20);

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
    /// It may not be executed.
    #[error("{}: may not be executed; make it executable, or put a worker that is beside strata", path.display())]
    NotExecutable {
        /// What was tried.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It cannot be started or listened to.
    #[error("{}: cannot be run", path.display())]
    Run {
        /// What was tried.
        path: PathBuf,
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
    /// A signal ended it, which it could not tell itself.
    #[error(
        "{program} was ended by signal {signal}{}; the same command goes on from here",
        if BROKEN.contains(signal) { " (a broken library or model, such as ONNX Runtime's?)" } else { "" }
    )]
    Killed {
        /// The program.
        program: &'static str,
        /// The signal's number.
        signal: i32,
    },
    /// Workers are being ended.
    #[error("{program}: is not started, since workers are being ended")]
    Stopping {
        /// The program.
        program: &'static str,
    },
}

impl LaunchError {
    fn start(program: &'static str, path: PathBuf, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { program, source },
            std::io::ErrorKind::PermissionDenied => Self::NotExecutable { path, source },
            _ => Self::Run { path, source },
        }
    }
}

impl Classify for LaunchError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } | Self::NotExecutable { .. } => Exit::Configuration,
            Self::Run { .. } | Self::Killed { .. } | Self::Stopping { .. } => Exit::Retry,
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

/// Runs workers, and ends them when the command is to end.
#[derive(Debug, Default)]
pub struct Processes {
    /// The process ids of the workers that run now; none of them was waited for, so that each still means its worker.
    running: Mutex<BTreeSet<u32>>,
    is_stopping: AtomicBool,
}

impl Processes {
    /// Runs all `workers` side by side until each has ended.
    ///
    /// # Errors
    /// The gravest end of them: configuration before data before a retry.
    pub async fn run(&self, workers: Vec<Worker>, display: &Display) -> Result<(), Failure> {
        let runs = workers.iter().map(|worker| self.run_with_retries(worker, display));
        let ends = futures::future::join_all(runs).await;
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

    async fn run_with_retries(&self, worker: &Worker, display: &Display) -> Result<(), LaunchError> {
        for attempt in 0.. {
            match self.run_once(worker, display).await {
                Err(error) if error.is_transient() && attempt < MAX_RETRIES && !self.is_stopping() => {
                    let wait = Duration::from_secs(1 << attempt);
                    tracing::warn!("{error}; trying again in {} s", wait.as_secs());
                    tokio::time::sleep(wait).await;
                }
                end => return end,
            }
        }
        Ok(())
    }

    async fn run_once(&self, worker: &Worker, display: &Display) -> Result<(), LaunchError> {
        let program = worker.program;
        if self.is_stopping() {
            return Err(LaunchError::Stopping { program });
        }
        let mut child = start(worker)?;
        let _registration = Registration::new(self, child.id());
        if let Some(stderr) = child.stderr.take() {
            listen(worker, stderr, display).await;
        }
        let status = child.wait().await.map_err(|source| LaunchError::Run { path: program.into(), source })?;
        match (Exit::from_code(status.code()), status.signal()) {
            (Exit::Done, _) => Ok(()),
            (_, Some(signal)) => Err(LaunchError::Killed { program, signal }),
            (exit, None) => Err(LaunchError::Ended { program, exit }),
        }
    }

    /// Asks every running worker to stop, waits for them, and kills those that do not, at once when `insisted` is over.
    ///
    /// Whoever polls [`run`](Self::run) must go on doing so meanwhile: it hears what the workers say, and that they end.
    pub async fn end(&self, insisted: impl Future<Output = ()>) {
        self.is_stopping.store(true, Ordering::Relaxed);
        if !self.running().is_empty() {
            tracing::warn!("asked to stop: workers finish what they are writing; ask again to end them at once");
        }
        self.send(Signal::TERM);
        tokio::select! {
            () = self.all_ended() => return,
            () = insisted => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        self.send(Signal::KILL);
        let _ = tokio::time::timeout(GONE_WITHIN, self.all_ended()).await;
    }

    async fn all_ended(&self) {
        while !self.running().is_empty() {
            tokio::time::sleep(TICK).await;
        }
    }

    fn send(&self, signal: Signal) {
        for id in self.running().iter().filter_map(|&id| Pid::from_raw(id.cast_signed())) {
            // It may have ended in between, which is what was asked.
            let _ = kill_process(id, signal);
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn running(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(worker: &Worker) -> Result<Child, LaunchError> {
    let path = find(worker.program);
    let child = Command::new(&path).args(&worker.arguments).stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    child.map_err(|source| LaunchError::start(worker.program, path, source))
}

/// Shows what a worker says, until it says no more.
async fn listen(worker: &Worker, stderr: ChildStderr, display: &Display) {
    let name = format!("{}-{}", worker.program, worker.index);
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        let parsed = LogLine::parse(&line).unwrap_or_else(|| foreign(&name, &line));
        display.show(&name, &parsed);
    }
}

/// Wraps a line that is no log line, such as one by a library that prints for itself.
fn foreign(name: &str, line: &str) -> LogLine {
    LogLine {
        level: "INFO".into(),
        target: name.into(),
        message: line.trim_end_matches('\r').into(),
        timestamp: Some(telemetry::timestamp()),
        ..LogLine::default()
    }
}

/// The worker beside this program, else its name for `PATH` to find.
fn find(program: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(program)));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(program))
}

/// Keeps a process on the list of those running while it lives.
struct Registration<'a> {
    processes: &'a Processes,
    id: Option<u32>,
}

impl<'a> Registration<'a> {
    fn new(processes: &'a Processes, id: Option<u32>) -> Self {
        processes.running().extend(id);
        Self { processes, id }
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.processes.running().remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use strata_shared::telemetry::LogFormat;

    use super::*;

    /// A process that passes signals by, and says so once it does.
    fn stubborn() -> Worker {
        let script = "trap '' TERM; echo ready >&2; while :; do sleep 0.05; done";
        Worker { program: "sh", index: 0, arguments: vec!["-c".into(), script.into()] }
    }

    #[tokio::test]
    async fn whoever_insists_has_workers_killed_and_none_is_started_after_that() {
        let (processes, display) = (Processes::default(), Display::new(LogFormat::Json));
        let run = processes.run(vec![stubborn()], &display);
        let end = async {
            while processes.running().is_empty() {
                tokio::time::sleep(TICK).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            processes.end(tokio::time::sleep(Duration::from_millis(100))).await;
        };
        let (done, ()) = tokio::time::timeout(GRACE, futures::future::join(run, end)).await.expect("an end");
        assert_eq!(done.expect_err("a killed worker").exit(), Exit::Retry);
        let refused = processes.run(vec![stubborn()], &display).await.expect_err("a refusal");
        assert!(refused.chain().contains("is not started"), "{refused}");
    }

    #[test]
    fn a_worker_that_may_not_be_executed_is_a_matter_of_configuration() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = LaunchError::start("map-worker", "/opt/strata/map-worker".into(), denied);
        assert_eq!(error.exit(), Exit::Configuration);
        assert!(error.to_string().contains("/opt/strata/map-worker"), "{error}");
    }
}
