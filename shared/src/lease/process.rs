//! This process and others of the same machine → whether a lease's holder is provably gone.
//!
//! Invariant: a process is called gone only by what the same kernel says in the same namespace of process ids; about any
//! other nothing is known.

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

/// A process, told from every other one that the same kernel ever ran in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The id of the kernel's start.
    pub boot: String,
    /// The namespace that gives processes their ids: two containers of one machine both have a process 1.
    pub namespace: String,
    /// The process's id in it.
    pub id: u32,
    /// When it was started, in the kernel's ticks: ids are given again.
    pub started: u64,
}

impl Process {
    /// Returns this very process, or `None` where the system does not tell (it has no `/proc`).
    #[must_use]
    pub fn own() -> Option<Self> {
        let (boot, namespace) = kernel()?;
        let id = std::process::id();
        Some(Self { boot, namespace, id, started: Stat::read(id)?.started })
    }

    /// Tells whether the process is known to have ended; `false` where nothing is known of it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let same_kernel = kernel().is_some_and(|(boot, namespace)| boot == self.boot && namespace == self.namespace);
        let Some(id) = Pid::from_raw(self.id.cast_signed()).filter(|_| same_kernel) else { return false };
        // Where /proc hides the processes of others, asking the kernel still tells whether there is one.
        if test_kill_process(id) == Err(Errno::SRCH) {
            return true;
        }
        Stat::read(self.id).is_some_and(|stat| stat.has_ended || stat.started != self.started)
    }
}

fn kernel() -> Option<(String, String)> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some((boot.trim().to_owned(), namespace.to_str()?.to_owned()))
}

/// What `/proc/ID/stat` says.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// It has ended, and only its parent has not noticed.
    has_ended: bool,
    started: u64,
}

impl Stat {
    fn read(id: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The program's name may hold anything but ends at the last bracket; the state follows, and the start 19 fields on.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X" | "x");
        Some(Self { has_ended, started: fields.nth(18)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_once_it_has_ended_even_before_its_parent_looks() {
        let own = Process::own().expect("a system that tells");
        assert!(!own.is_gone());
        assert!(Process { started: own.started + 1, ..own.clone() }.is_gone(), "an id that was given again");
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let started = Stat::read(child.id()).unwrap().started;
        let other = Process { id: child.id(), started, ..own };
        assert!(!other.is_gone());
        child.kill().unwrap();
        while !other.is_gone() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(other.is_gone());
    }

    #[test]
    fn nothing_is_known_of_another_machine_or_another_container() {
        let own = Process::own().expect("a system that tells");
        let gone = Process { id: 4_000_000, ..own };
        assert!(gone.is_gone());
        assert!(!Process { boot: "another".into(), ..gone.clone() }.is_gone());
        assert!(!Process { namespace: "pid:[1]".into(), ..gone }.is_gone());
    }

    #[test]
    fn a_name_with_brackets_and_blanks_is_passed_over() {
        let text = "7 (a) Z (b) S 1 7 7 0 -1 4 0 0 0 0 1 2 3 4 20 0 1 0 4242 9 9";
        assert_eq!(Stat::parse(text), Some(Stat { has_ended: false, started: 4242 }));
        assert_eq!(Stat::parse("7 (a"), None);
    }
}
