//! A command → the same command on a small or read-only file system that nobody else sees.
//!
//! Needs mount namespaces (`unshare`), which root has and other users may have; where they are not to be had, tests say so.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Mounts $2 on folder $1, runs what follows $3 there, then takes the folder's content out to $3.
const SMALL: &str = r#"mount -t tmpfs -o "size=$2" none "$1" || exit 99
folder=$1 out=$3; shift 3; "$@"; code=$?; cp -a "$folder/." "$out/" || exit 99; exit "$code""#;

/// Mounts folder $1 on itself, read-only, and runs what follows.
const READ_ONLY: &str = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99
shift; exec "$@""#;

/// Returns how to enter a mount namespace here, or `None` where there is no way.
fn namespace() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-rm"]];
    WAYS.into_iter().find(|way| mounts(way))
}

fn mounts(way: &[&str]) -> bool {
    let Ok(folder) = tempfile::tempdir() else { return false };
    let mut trial = Command::new(way[0]);
    trial.args(&way[1..]).args(["mount", "-t", "tmpfs", "none"]).arg(folder.path());
    trial.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Returns `command` to be run with `folder` on a file system of `size` (as tmpfs counts: `2m`); what it leaves there is
/// copied to `out`. `None` where no file system can be mounted.
#[must_use]
pub fn small(command: &Command, folder: &Path, size: &str, out: &Path) -> Option<Command> {
    wrap(command, SMALL, &[folder.as_os_str(), OsStr::new(size), out.as_os_str()])
}

/// Returns `command` to be run with `folder` read-only. `None` where no file system can be mounted.
#[must_use]
pub fn read_only(command: &Command, folder: &Path) -> Option<Command> {
    wrap(command, READ_ONLY, &[folder.as_os_str()])
}

fn wrap(command: &Command, script: &str, arguments: &[&OsStr]) -> Option<Command> {
    let way = namespace()?;
    let mut wrapped = Command::new(way[0]);
    wrapped.args(&way[1..]).args(["sh", "-c", script, "sh"]).args(arguments);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    Some(wrapped)
}
