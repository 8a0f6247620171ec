//! strata: the command that people type; it plans, launches, watches and reports.
//!
//! Workers are other programs, met only in objects, command lines and exit codes. Every command reads what is in the
//! store first and does what is missing, so that the same command again goes on where the last one stopped.

pub mod command_line;
pub mod commands;
pub mod configuration;
pub mod display;
pub mod launch;
pub mod page;
pub mod plan;
pub mod report;
pub mod shard;
pub mod submit;
pub mod watch;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use strata_shared::exit::{Exit, Failure};
use strata_shared::signals::Interruptions;
use strata_shared::store::Store;
use strata_shared::termination;

use command_line::{Command, CoordinateCommand, MachineFlags, RunCommand, ShardCommand};
use commands::{Context, Exclusive};
use configuration::Configured;
use display::Display;
use launch::{LaunchError, Launcher, Machine, Processes};

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

/// Does the work; asked to stop, ends the workers first, which are heard until they are gone.
async fn until_interrupted(configured: Configured, display: &Arc<Display>) -> Result<(), Failure> {
    let mut interruptions = Interruptions::listen().map_err(|error| Failure::new(Exit::Retry, error))?;
    let (processes, exclusive) = (Arc::new(Processes::default()), Arc::new(Exclusive::default()));
    let mut work = pin!(dispatch(configured, display, &processes, &exclusive));
    tokio::select! {
        done = &mut work => return done,
        () = interruptions.asked() => {}
    }
    // Jobs of a cluster go on: whoever coordinates them next joins them.
    let is_done = tokio::select! {
        done = &mut work => done.is_ok(),
        () = processes.end(interruptions.insisted()) => false,
    };
    tokio::select! {
        () = exclusive.release() => {}
        () = interruptions.insisted() => {}
    }
    let interrupted = || Failure::new(Exit::Retry, "interrupted; the same command goes on from here");
    if is_done { Ok(()) } else { Err(interrupted()) }
}

async fn dispatch(
    configured: Configured,
    display: &Arc<Display>,
    processes: &Arc<Processes>,
    exclusive: &Arc<Exclusive>,
) -> Result<(), Failure> {
    let machine = |flags| Machine::new(Arc::clone(processes), flags);
    let with = |store, url: &str, launcher| Context {
        store,
        url: url.to_owned(),
        display: Arc::clone(display),
        launcher,
        exclusive: Arc::clone(exclusive),
    };
    let on = |url: &str, machine| Store::open(url).map(|store| with(store, url, Launcher::Machine(machine)));
    let open = |url: &str| on(url, machine(MachineFlags::default()));
    match configured.command_line.command {
        Command::Shard(ShardCommand { store, lease, shard }) => {
            let launcher = Launcher::Machine(machine(MachineFlags::default()));
            let context = with(Store::open_or_create(&store.store)?, &store.store, launcher);
            commands::shard(&context, lease, shard).await
        }
        Command::Embed(flags) => {
            let machine = machine(flags.machine).embedding(&flags.embed);
            commands::embed(&on(&flags.store.store, machine)?, flags.lease, &flags.embed.model).await
        }
        Command::Reduce(flags) => {
            commands::reduce(&on(&flags.store.store, machine(flags.machine))?, &flags.reduce).await
        }
        Command::Run(flags) => {
            let RunCommand { store, lease, shard, embed, reduce, machine: granted } = *flags;
            let launcher = Launcher::Machine(machine(granted).embedding(&embed));
            let context = with(Store::open_or_create(&store.store)?, &store.store, launcher);
            commands::run(&context, lease, Some(shard), &embed.model, &reduce).await
        }
        Command::Coordinate(flags) => {
            let CoordinateCommand { store, lease, shard, model, reduce, jobs, place, metrics } = *flags;
            if let Some(address) = metrics {
                strata_shared::metrics::serve(address, "strata").await;
            }
            let launcher = Launcher::Jobs(commands::jobs(jobs, place).await?);
            let context = with(Store::open(&store.store)?, &store.store, launcher);
            commands::coordinate(&context, lease, shard, &model, &reduce).await
        }
        Command::Submit(flags) => commands::submit(*flags, configured.passed_on, display).await,
        Command::Watch(flags) => commands::watch(flags, display).await,
        Command::Cancel(flags) => commands::cancel(flags).await,
        Command::Schedule(flags) => commands::schedule(*flags, configured.passed_on).await,
        Command::Status(flags) => commands::status(&open(&flags.store.store)?, flags.json).await,
        Command::Report(flags) => commands::report(&open(&flags.store.store)?, &flags.report).await,
        Command::Config => commands::config(&configured.values),
    }
}
