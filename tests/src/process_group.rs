//! A command → a process group of its own: the program and every worker that it starts, killed at one stroke.
//!
//! Invariant: nothing of the group outlives its [`ProcessGroup`].

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How often a process is looked at.
const TICK: Duration = Duration::from_millis(5);

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A program and all that it started.
#[derive(Debug)]
pub struct ProcessGroup {
    leader: Child,
    output: File,
}

/// How a program ended, and everything that it said.
#[derive(Debug)]
pub struct End {
    /// Its exit.
    pub status: ExitStatus,
    /// Stdout and stderr, in the order of their lines.
    pub output: String,
}

impl End {
    /// Returns the exit code, `None` after a signal.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Returns the output if the program did what it was asked.
    ///
    /// # Errors
    /// It ended otherwise; the error holds the output.
    pub fn succeeded(self) -> anyhow::Result<String> {
        if self.status.success() { Ok(self.output) } else { bail!("{}:\n{}", self.status, self.output) }
    }
}

impl ProcessGroup {
    /// Starts `command` as the leader of a new group; stdin is empty, stdout and stderr go to one file.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let output = tempfile::tempfile().context("open a file for output")?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?).process_group(0);
        let leader = command.spawn().with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self { leader, output })
    }

    /// Waits for the program's end.
    ///
    /// # Errors
    /// It did not end within `limit`; its output so far is in the error.
    pub fn wait(mut self, limit: Duration) -> anyhow::Result<End> {
        match self.wait_until(Instant::now() + limit)? {
            Some(status) => Ok(End { status, output: self.said()? }),
            None => bail!("still running after {limit:?}:\n{}", self.said()?),
        }
    }

    /// Kills the whole group `after` that long, by the signal that no program can catch; tells whether the program was
    /// still running then. Returns once all of it is gone.
    ///
    /// # Errors
    /// The group does not go away.
    pub fn kill_after(mut self, after: Duration) -> anyhow::Result<bool> {
        let ended = self.wait_until(Instant::now() + after)?;
        self.kill()?;
        Ok(ended.is_none())
    }

    fn wait_until(&mut self, deadline: Instant) -> anyhow::Result<Option<ExitStatus>> {
        loop {
            let status = self.leader.try_wait()?;
            if status.is_some() || Instant::now() >= deadline {
                return Ok(status);
            }
            std::thread::sleep(TICK.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    fn said(&mut self) -> anyhow::Result<String> {
        let mut said = Vec::new();
        self.output.seek(SeekFrom::Start(0))?;
        self.output.read_to_end(&mut said)?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let id = self.leader.id();
        if let Some(group) = Pid::from_raw(id.cast_signed()) {
            // A group that is gone already is what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
        self.leader.wait()?;
        let deadline = Instant::now() + GONE_WITHIN;
        while has_members(id) {
            if Instant::now() > deadline {
                bail!("process group {id} is still there {GONE_WITHIN:?} after it was killed");
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{error}");
        }
    }
}

/// Tells whether a process of the group lives; one that has ended but that nobody waited for does not.
fn has_members(group: u32) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // The program's name may hold anything but ends at the last bracket; state, parent and group follow.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let is_alive = fields.next().is_some_and(|state| state != "Z" && state != "X");
        is_alive && fields.nth(1).and_then(|field| field.parse().ok()) == Some(group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_reaches_what_the_program_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        let mut group = ProcessGroup::start(command).unwrap();
        while !group.said().unwrap().ends_with('\n') {
            std::thread::sleep(TICK);
        }
        let started = group.said().unwrap().trim().to_owned();
        assert!(group.kill_after(Duration::ZERO).unwrap());
        let stat = std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }

    #[test]
    fn a_program_that_ends_by_itself_is_heard_to_the_end() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let end = ProcessGroup::start(command).unwrap().wait(Duration::from_mins(1)).unwrap();
        assert_eq!((end.code(), end.output.as_str()), (Some(3), "one\ntwo\n"));
    }
}
