//! A program → the same program kept to so much resident memory, whatever it thinks of that.
//!
//! By a memory cgroup of its own where one can be made (Linux's kernel then takes back what it can and kills the program
//! where that does not suffice), else by a watch that kills it at the first sight of more. Limits of the address space
//! (`ulimit -v`) would count what is only reserved: threads' stacks and allocators' arenas.

use std::fmt;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How often a program is looked at.
const TICK: Duration = Duration::from_millis(5);

/// What a program may have resident, and who sees to it.
#[derive(Debug)]
pub(crate) struct Limit {
    bytes: u64,
    /// `None`: a watch.
    cgroup: Option<Cgroup>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct End {
    /// It ended well, and never had more.
    pub(crate) is_within: bool,
    /// What it said on stdout and stderr.
    pub(crate) output: String,
    /// The most that it was seen to have.
    pub(crate) peak_bytes: Option<u64>,
}

/// A memory cgroup; it goes with this value.
#[derive(Debug)]
struct Cgroup {
    folder: PathBuf,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cgroup {
            Some(cgroup) => write!(formatter, "the cgroup {}", cgroup.folder.display()),
            None => write!(formatter, "a watch of its high-water mark"),
        }
    }
}

impl Limit {
    /// Takes the best means there is.
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes, cgroup: Cgroup::make(bytes) }
    }

    /// Takes a watch, even where a cgroup could be made.
    pub(crate) const fn watched(bytes: u64) -> Self {
        Self { bytes, cgroup: None }
    }

    /// Runs `command` to its end.
    ///
    /// # Errors
    /// It cannot be started, or takes longer than `patience`.
    pub(crate) fn run(&self, command: Command, patience: Duration) -> anyhow::Result<End> {
        let mut said = tempfile::tempfile()?;
        let mut command = match &self.cgroup {
            Some(cgroup) => cgroup.entering(&command),
            None => command,
        };
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?);
        let mut child = command.spawn().with_context(|| format!("start {}", command.get_program().display()))?;
        let watched = self.watch(&mut child, patience);
        // Nothing to kill where it ended by itself.
        let _ = child.kill();
        child.wait()?;
        let (status, peak_bytes) = watched?;
        let mut output = Vec::new();
        said.seek(SeekFrom::Start(0))?;
        said.read_to_end(&mut output)?;
        let output = String::from_utf8_lossy(&output).into_owned();
        Ok(End { is_within: status.is_some_and(|status| status.success()), output, peak_bytes })
    }

    /// Waits for the program's end; no status where it had to be stopped.
    fn watch(&self, child: &mut Child, patience: Duration) -> anyhow::Result<(Option<ExitStatus>, Option<u64>)> {
        let (started, mut peak) = (Instant::now(), None);
        loop {
            // What a cgroup takes back and counts is its kernel's business: pages of files are resident too.
            peak = peak_bytes(child.id()).max(peak);
            if self.cgroup.is_none() && peak > Some(self.bytes) {
                return Ok((None, peak));
            }
            if let Some(status) = child.try_wait()? {
                return Ok((Some(status), peak));
            }
            if started.elapsed() > patience {
                bail!("still running after {patience:?}");
            }
            std::thread::sleep(TICK);
        }
    }
}

/// The most resident memory that a process has had: a mark that the kernel keeps, so that no peak falls between two looks.
fn peak_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

impl Cgroup {
    /// Makes a cgroup of version 1 or 2 with this limit, within the one that this process is in.
    fn make(bytes: u64) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (parent, file) = parent()?;
        let name = format!("strata-test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let cgroup = Self { folder: parent.join(name) };
        fs::create_dir(&cgroup.folder).ok()?;
        fs::write(cgroup.folder.join(file), bytes.to_string()).ok()?;
        // Absent where nothing is swapped.
        let _ = fs::write(cgroup.folder.join("memory.swap.max"), "0");
        let _ = fs::write(cgroup.folder.join("memory.memsw.limit_in_bytes"), bytes.to_string());
        Some(cgroup)
    }

    /// Returns a command that enters the cgroup and then becomes `command`.
    fn entering(&self, command: &Command) -> Command {
        let processes = self.folder.join("cgroup.procs");
        let mut entering = Command::new("sh");
        entering.args(["-c", r#"echo $$ >"$0" && exec "$@""#]).arg(processes).arg(command.get_program());
        entering.args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            entering.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => entering.env(name, value),
                None => entering.env_remove(name),
            };
        }
        entering
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel lets go of a cgroup a moment after its last process.
        let emptied = (0..400).any(|_| {
            std::thread::sleep(TICK);
            fs::remove_dir(&self.folder).is_ok() || !self.folder.exists()
        });
        if !emptied {
            eprintln!("{}: is left behind", self.folder.display());
        }
    }
}

/// Returns where memory cgroups can be made, and the name of the file that holds a limit.
fn parent() -> Option<(PathBuf, &'static str)> {
    let lines = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = |controller: &str| {
        let fields = lines.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
        let mut matching = fields.filter(|fields| fields.get(1) == Some(&controller));
        matching.next().and_then(|fields| Some(fields.get(2)?.trim_start_matches('/').to_owned()))
    };
    let first = PathBuf::from("/sys/fs/cgroup/memory");
    if let Some(own) = own("memory") {
        // A container may see its own cgroup as the root.
        let folder = Some(first.join(own)).filter(|folder| folder.is_dir()).unwrap_or(first);
        return Some((folder, "memory.limit_in_bytes"));
    }
    let second = PathBuf::from("/sys/fs/cgroup").join(own("")?);
    let controllers = fs::read_to_string(second.join("cgroup.subtree_control")).ok()?;
    controllers.split_whitespace().any(|name| name == "memory").then_some((second, "memory.max"))
}
