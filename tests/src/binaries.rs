//! The programs under test: where they are, and how they are started without the settings of whoever runs the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// What programs under test may see of the environment among the variables that would change what they do.
const KEPT: [&str; 2] = ["STRATA_CACHE", "STRATA_TEST_SKIPPED"];

/// Returns where the program `name` is: beside the tests' own folder, where one build of the workspace leaves both.
///
/// # Errors
/// It was not built, or not since its sources changed: `cargo test` may build libraries alone.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this test's own program")?;
    // A test lies in target/release/deps, a program of this crate beside the others in target/release.
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    match beside {
        Some(path) => check_age(&path).map(|()| path),
        None => bail!("{name}: is not built; `cargo build --release --workspace` builds it beside the tests"),
    }
}

/// Checks that `program` is younger than all its sources, which cargo lists in a file beside it.
fn check_age(program: &Path) -> anyhow::Result<()> {
    let list = program.with_extension("d");
    let listed = std::fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    let built = changed(program)?;
    match sources(&listed).into_iter().find(|source| changed(source).map_or(true, |changed| changed > built)) {
        None => Ok(()),
        Some(source) => bail!(
            "{}: is older than {}; `cargo build --release --workspace` builds it anew",
            program.display(),
            source.display()
        ),
    }
}

/// Reads `program: source source…`, in which spaces within names are escaped.
fn sources(listed: &str) -> Vec<PathBuf> {
    let names = listed.split_once(": ").map_or("", |(_, names)| names).trim_end().replace("\\ ", "\0");
    names.split(' ').filter(|name| !name.is_empty()).map(|name| name.replace('\0', " ").into()).collect()
}

/// Returns a command for the program `name`, with none of the settings that the environment may hold.
///
/// # Errors
/// As [`path`].
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_program_that_is_older_than_one_of_its_sources_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age: u64| {
            let path = folder.path().join(name);
            let changed = SystemTime::now() - Duration::from_secs(age);
            File::create(&path).unwrap().set_modified(changed).unwrap();
            path
        };
        let (program, library) = (file("program", 20), file("a library.rs", 30));
        let listed = format!("{}: {}\n", program.display(), library.display().to_string().replace(' ', "\\ "));
        std::fs::write(folder.path().join("program.d"), listed).unwrap();
        check_age(&program).unwrap();
        file("a library.rs", 10);
        let said = check_age(&program).unwrap_err().to_string();
        assert!(said.contains("older") && said.contains("a library.rs"), "{said}");
    }
}
