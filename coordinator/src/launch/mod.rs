//! Work → workers, and their ends → exits: processes of this machine, or Jobs of Kubernetes.

pub mod kubernetes;
mod machine;
mod process;
mod work;

use strata_shared::exit::Failure;
use strata_shared::lease::Holder;
use strata_shared::store::Store;

use crate::display::Display;
use crate::plan::Sharing;
use kubernetes::Jobs;

pub use machine::Machine;
pub use process::{LaunchError, Processes, Worker};
pub use work::{Stage, Work, shard_keys};

/// What runs workers.
#[derive(Debug, Clone)]
pub enum Launcher {
    /// As processes of this machine.
    Machine(Machine),
    /// As pods of a cluster.
    Jobs(Jobs),
}

impl Launcher {
    /// Does `work`, until all of its tasks have ended.
    ///
    /// # Errors
    /// The gravest end of them: configuration before data before a retry.
    pub async fn launch(&self, work: &Work, display: &Display) -> Result<(), Failure> {
        match self {
            Self::Machine(machine) => machine.run(work, display).await,
            Self::Jobs(jobs) => Ok(jobs.run(work, display).await?),
        }
    }

    /// Waits for what an earlier life of this command has launched of the map and not heard the end of.
    ///
    /// # Errors
    /// As [`launch`](Self::launch).
    pub async fn join_map(&self, store: &Store, display: &Display) -> Result<(), Failure> {
        match self {
            // Processes end with the command that started them.
            Self::Machine(_) => Ok(()),
            Self::Jobs(jobs) => Ok(jobs.join_map(store, display).await?),
        }
    }

    /// Waits for what other commands have left running on the store at `url`, which this one has for itself now.
    ///
    /// # Errors
    /// What the cluster says.
    pub async fn await_others(&self, url: &str, display: &Display) -> Result<(), Failure> {
        match self {
            Self::Machine(_) => Ok(()),
            Self::Jobs(jobs) => Ok(jobs.await_others(url, display).await?),
        }
    }

    /// Returns who `command` is to the store: a process, or whichever pod of a Job goes on with it.
    #[must_use]
    pub fn holder(&self, command: &str) -> Holder {
        match self {
            Self::Machine(_) => Holder::this_process(command),
            Self::Jobs(jobs) => jobs.holder(),
        }
    }

    /// Ends what runs on this machine, at once when `insisted` is over; Jobs go on by themselves.
    pub async fn end(&self, insisted: impl Future<Output = ()>) {
        match self {
            Self::Machine(machine) => machine.end(insisted).await,
            Self::Jobs(_) => {}
        }
    }

    /// Returns how a map is spread over tasks.
    #[must_use]
    pub const fn sharing(&self) -> Sharing {
        match self {
            Self::Machine(machine) => machine.sharing(),
            Self::Jobs(jobs) => jobs.sharing(),
        }
    }

    /// Returns what tasks are told of a model that was `given`, and is in `folder` here.
    #[must_use]
    pub fn model_argument<'a>(&self, given: Option<&'a str>, folder: &'a str) -> &'a str {
        match self {
            Self::Machine(_) => folder,
            // Another pod has another cache.
            Self::Jobs(_) => given.unwrap_or(folder),
        }
    }
}
