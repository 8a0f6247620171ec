//! The programs under test → the image that pods run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::run;
use crate::binaries;

/// The image's name in the tests.
pub const IMAGE: &str = "strata:test";

/// Assembles the image in `folder` from the programs beside this test's own and ONNX Runtime's library; returns its
/// archive.
///
/// # Errors
/// A program was not built, or there is no Python.
pub fn assemble(folder: &Path, onnxruntime: &Path) -> anyhow::Result<PathBuf> {
    let programs = ["strata", "map-worker", "reduce-worker"].map(binaries::path);
    let [strata, ..] = programs;
    let strata = strata?;
    let archive = folder.join("image.tar");
    let mut command = Command::new("python3");
    command.arg(repository().join("deploy/image.py")).arg("--out").arg(&archive).args(["--name", IMAGE]);
    command.arg("--programs").arg(strata.parent().context("a program lies in a folder")?);
    run(command.arg("--onnxruntime").arg(onnxruntime))?;
    Ok(archive)
}

/// Returns the root of the checkout that these tests were built from.
pub(super) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}
