//! strata: the command that people type; it plans, launches, watches and reports.
//!
//! Workers are other programs, met only in objects, command lines and exit codes. Every command reads what is in the
//! store first and does what is missing, so that the same command again goes on where the last one stopped.

pub mod ancestry;
pub mod command_line;
pub mod commands;
pub mod configuration;
mod dispatch;
pub mod display;
pub mod inventory;
pub mod launch;
pub mod notify;
pub mod page;
pub mod plan;
pub mod prune;
pub mod report;
pub mod shard;
pub mod submit;
pub mod verify;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use strata_shared::exit::{Exit, Failure};
use strata_shared::signals::Interruptions;
use strata_shared::termination;

use command_line::Command;
use configuration::Configured;
use dispatch::Means;
use display::Display;
use launch::LaunchError;

/// Runs the command line `arguments`, the program's name first; returns how the program should end.
#[must_use]
pub fn run(arguments: Vec<std::ffi::OsString>) -> Exit {
    let configured = match configuration::parse(arguments) {
        Ok(configured) => configured,
        Err(refusal) => return refusal.tell(),
    };
    let display = Arc::new(Display::new(configured.command_line.log_format));
    watch::listen(Arc::clone(&display));
    let done = execute(configured, &display);
    display.finish();
    match done {
        Ok(()) => Exit::Done,
        Err(failure) => {
            tracing::error!("{failure}");
            if !was_told_by_a_worker(&failure) {
                termination::tell(&failure);
            }
            failure.exit()
        }
    }
}

/// Tells whether a worker of this machine has failed, which says more closely why than can be said here.
fn was_told_by_a_worker(failure: &Failure) -> bool {
    matches!(failure.downcast_ref(), Some(LaunchError::Ended { .. }))
}

/// How long uploads that the work has left halfway may take to be ended in the store.
const UPLOADS: Duration = Duration::from_secs(5);

/// How long threads that the work has left may take to remove their temporary files.
const TIDYING: Duration = Duration::from_secs(1);

fn execute(configured: Configured, display: &Arc<Display>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Retry, error))?;
    let done = runtime.block_on(until_interrupted(configured, display));
    // Reading or hashing that is under way on a thread must not hold up the end for long; what can still tidy up, does.
    runtime.shutdown_timeout(TIDYING);
    done
}

/// Does the work; asked to stop, ends the workers first, which are heard until they are gone, then the uploads and the lease.
async fn until_interrupted(configured: Configured, display: &Arc<Display>) -> Result<(), Failure> {
    let mut interruptions = Interruptions::listen().map_err(|error| Failure::new(Exit::Retry, error))?;
    let means = Means::new(Arc::clone(display));
    let interrupted = parting_words(&configured.command_line.command);
    // On the heap, to be dropped before this ends: only then is what it uploads left halfway.
    let mut work = Box::pin(means.dispatch(configured));
    let finished = tokio::select! {
        done = &mut work => Some(done),
        () = interruptions.asked() => None,
    };
    let done = if let Some(done) = finished {
        done
    } else {
        // Jobs of a cluster go on: whoever coordinates them next joins them.
        tokio::select! {
            done = &mut work => done.map_err(|_| Failure::new(Exit::Retry, interrupted)),
            () = means.processes.end(interruptions.insisted()) => Err(Failure::new(Exit::Retry, interrupted)),
        }
    };
    drop(work);
    let tidied = async {
        let _ = tokio::time::timeout(UPLOADS, means.uploads_ended()).await;
        means.exclusive.release().await;
    };
    tokio::select! {
        () = tidied => {}
        () = interruptions.insisted() => {}
    }
    done
}

/// Returns what is left to be said when a command is asked to stop.
const fn parting_words(command: &Command) -> &'static str {
    match command {
        Command::Submit(_) | Command::Watch(_) => {
            "interrupted; what was submitted goes on in the cluster: `strata watch` looks at it again, `strata cancel` ends it"
        }
        _ => "interrupted; the same command goes on from here",
    }
}
