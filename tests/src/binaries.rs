//! The programs under test: where they are, and how they are started without the settings of whoever runs the tests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

/// What programs under test may see of the environment among the variables that would change what they do.
const KEPT: [&str; 2] = ["STRATA_CACHE", "STRATA_TEST_SKIPPED"];

/// Returns where the program `name` is: beside the tests' own folder, where one build of the workspace leaves both.
///
/// # Errors
/// It was not built.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this test's own program")?;
    // A test lies in target/release/deps, a program of this crate beside the others in target/release.
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    match beside {
        Some(path) => Ok(path),
        None => bail!("{name}: is not built; `cargo build --release --workspace` builds it beside the tests"),
    }
}

/// Returns a command for the program `name`, with none of the settings that the environment may hold.
///
/// # Errors
/// It was not built.
pub fn command(name: &str) -> anyhow::Result<Command> {
    Ok(without_settings(Command::new(path(name)?)))
}

/// Takes the settings that the environment may hold from a command.
#[must_use]
pub fn without_settings(mut command: Command) -> Command {
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        let is_setting = text.starts_with("STRATA_") || text.starts_with("AWS_") || text == "JOB_COMPLETION_INDEX";
        if is_setting && !KEPT.contains(&text.as_ref()) {
            command.env_remove(&variable);
        }
    }
    command.env("NO_COLOR", "1");
    command
}
