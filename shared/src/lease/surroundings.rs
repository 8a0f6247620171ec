//! Time, and what is known of other processes: what a lease asks of the machine that it is held on.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};

use super::process::Process;

/// A machine, as far as a lease depends on it.
pub trait Surroundings: std::fmt::Debug + Send + Sync {
    /// Returns the time since some instant, by a clock that never goes back.
    fn now(&self) -> Duration;

    /// Returns the date, for people only.
    fn date(&self) -> DateTime<Utc>;

    /// Waits that long.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Returns the process that a holder on this machine is, where the system tells.
    fn own_process(&self) -> Option<Process>;

    /// Tells whether a process is known to have ended.
    fn is_gone(&self, process: &Process) -> bool;
}

/// The machine that this program runs on, within a runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisMachine;

/// The clock of [`ThisMachine`], which goes on while the machine is suspended, unlike that of [`std::time::Instant`]: a lease that was
/// lost meanwhile is known for lost.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

impl Surroundings for ThisMachine {
    fn now(&self) -> Duration {
        let time = clock_gettime(CLOCK);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    }

    fn date(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }

    fn own_process(&self) -> Option<Process> {
        Process::own()
    }

    fn is_gone(&self, process: &Process) -> bool {
        process.is_gone()
    }
}
