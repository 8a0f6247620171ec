//! `compare-truth`: a truth and the store of a finished run → what was planted and what was found, for people.
//!
//! Exit code 0 whenever the two could be compared, however they differ; 2 when they could not. All that it does is in
//! [`strata_tests::compare`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use strata_shared::store::Store;
use strata_tests::compare::{Comparison, Found, compare};
use strata_tests::corpus::Truth;

/// Says what was planted in a generated corpus and what the newest finished run found of it
#[derive(Parser)]
struct Arguments {
    /// What was planted, as generate-corpus wrote it
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,
    /// The store of the run
    #[arg(long, value_name = "URL")]
    store: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let shown = comparison(&arguments).and_then(|comparison| show(&comparison));
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare-truth: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn comparison(arguments: &Arguments) -> anyhow::Result<Comparison> {
    let truth = read_truth(&arguments.truth).with_context(|| format!("read {}", arguments.truth.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let found = runtime.block_on(async { Found::read(&Store::open(&arguments.store)?).await });
    let found = found.map_err(|failure| anyhow::anyhow!(failure.chain())).context("read the newest finished run")?;
    Ok(compare(&truth, &found))
}

fn read_truth(path: &Path) -> anyhow::Result<Truth> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Writes to stdout; a reader that has gone away, as `head` does, is no failure.
fn show(comparison: &Comparison) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{comparison}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("write to stdout"),
        _ => Ok(()),
    }
}
