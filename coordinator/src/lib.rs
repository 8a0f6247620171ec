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
pub mod watch;

use std::sync::Arc;

use strata_shared::exit::{Exit, Failure};
use strata_shared::store::Store;
use strata_shared::telemetry::LogFormat;

use command_line::{Command, CommandLine};
use commands::Context;
use configuration::Configured;
use display::Display;

/// Runs the command line `arguments`, the program's name first; returns how the program should end.
#[must_use]
pub fn run(arguments: Vec<std::ffi::OsString>) -> Exit {
    let configured = match configuration::parse(arguments) {
        Ok(configured) => configured,
        Err(refusal) => return refusal.tell(),
    };
    let display = Arc::new(Display::new(log_format(&configured.command_line)));
    watch::listen(Arc::clone(&display));
    let done = execute(configured, &display);
    display.finish();
    match done {
        Ok(()) => Exit::Done,
        Err(failure) => {
            tracing::error!("{}", failure.chain());
            failure.exit()
        }
    }
}

fn log_format(command_line: &CommandLine) -> LogFormat {
    command_line.log_format.unwrap_or(LogFormat::Plain)
}

fn execute(configured: Configured, display: &Arc<Display>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Retry, error))?;
    runtime.block_on(async {
        tokio::select! {
            done = dispatch(configured, display) => done,
            () = launch::interrupted() => {
                launch::end_workers().await;
                Err(Failure::new(Exit::Retry, "interrupted; the same command goes on from here"))
            }
        }
    })
}

async fn dispatch(configured: Configured, display: &Arc<Display>) -> Result<(), Failure> {
    let format = log_format(&configured.command_line);
    let with = |store, url: &str| Context { store, url: url.to_owned(), format, display: Arc::clone(display) };
    let open = |url: &str| Store::open(url).map(|store| with(store, url));
    let open_or_create = |url: &str| Store::open_or_create(url).map(|store| with(store, url));
    match configured.command_line.command {
        Command::Shard(flags) => commands::shard(&open_or_create(&flags.store.store)?, flags.shard).await,
        Command::Embed(flags) => commands::embed(&open(&flags.store.store)?, &flags.embed).await,
        Command::Reduce(flags) => commands::reduce(&open(&flags.store.store)?, &flags.reduce).await,
        Command::Run(flags) => {
            commands::run(&open_or_create(&flags.store.store)?, flags.shard, &flags.embed, &flags.reduce).await
        }
        Command::Status(flags) => commands::status(&open(&flags.store.store)?, flags.json).await,
        Command::Report(flags) => commands::report(&open(&flags.store.store)?, &flags.report).await,
        Command::Config => commands::config(&configured.values),
    }
}
