//! What a reduce says of itself: the least memory that it needs, and the stages that it went through.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use strata_shared::layout::run_file;
use strata_shared::measurements::Measurements;

/// Returns the MiB that a reduce names as the least; `command` grants it too little.
///
/// # Errors
/// It cannot be started, or names none.
pub fn least_memory(mut command: Command) -> anyhow::Result<u64> {
    let output = command.output().context("start the reduce")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let figure = said.split("this corpus needs ").nth(1).and_then(|rest| rest.split(" MiB").next());
    figure.and_then(|figure| figure.parse().ok()).with_context(|| format!("no figure in:\n{said}"))
}

/// Returns the names of the stages that the reduce went through which wrote the run in this folder.
///
/// # Errors
/// There are no measurements, or they cannot be read.
pub fn stages(run: &Path) -> anyhow::Result<Vec<String>> {
    let json = std::fs::read(run.join(run_file::MEASUREMENTS)).context("read the measurements")?;
    let measurements: Measurements = serde_json::from_slice(&json).context("parse the measurements")?;
    Ok(measurements.stages.into_iter().map(|stage| stage.name).collect())
}
