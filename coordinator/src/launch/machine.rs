//! Work → worker processes that share this machine's threads.

use std::path::PathBuf;
use std::sync::Arc;

use strata_shared::exit::Failure;

use super::{Processes, Stage, Work, Worker};
use crate::command_line::{EmbedFlags, MachineFlags};
use crate::display::Display;
use crate::plan::Sharing;

/// This machine, as far as workers may have it.
#[derive(Debug, Clone)]
pub struct Machine {
    processes: Arc<Processes>,
    threads: usize,
    num_workers: usize,
    onnxruntime: Option<PathBuf>,
}

impl Machine {
    /// Lets `processes` have what `flags` grant.
    #[must_use]
    pub fn new(processes: Arc<Processes>, flags: MachineFlags) -> Self {
        Self { processes, threads: flags.threads(), num_workers: 1, onnxruntime: None }
    }

    /// Runs maps as `flags` say.
    #[must_use]
    pub fn embedding(self, flags: &EmbedFlags) -> Self {
        Self { num_workers: flags.workers.get().get(), onnxruntime: flags.onnxruntime.clone(), ..self }
    }

    pub(super) const fn sharing(&self) -> Sharing {
        Sharing::Processes(self.num_workers)
    }

    pub(super) async fn run(&self, work: &Work, display: &Display) -> Result<(), Failure> {
        let workers = (0..work.num_tasks).map(|index| self.worker(work, index)).collect();
        self.processes.run(workers, display).await
    }

    pub(super) async fn end(&self, insisted: impl Future<Output = ()>) {
        self.processes.end(insisted).await;
    }

    fn worker(&self, work: &Work, index: usize) -> Worker {
        let mut arguments = work.arguments.clone();
        arguments.push(format!("--threads={}", (self.threads / work.num_tasks.max(1)).max(1)));
        if work.stage == Stage::Map {
            arguments.push(format!("--task-index={index}"));
            arguments.extend(self.onnxruntime.iter().map(|library| format!("--onnxruntime={}", library.display())));
        }
        Worker { program: work.stage.program(), index, arguments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads_of(num_tasks: usize, threads: usize) -> Vec<String> {
        let machine = Machine { processes: Arc::default(), threads, num_workers: num_tasks, onnxruntime: None };
        let work = Work {
            stage: Stage::Map,
            num_tasks,
            arguments: vec!["--store=s".into()],
            num_documents: 1,
            shards: (0..num_tasks).collect(),
            run: None,
        };
        machine.worker(&work, 1).arguments
    }

    #[test]
    fn processes_share_threads_and_none_starves() {
        assert_eq!(threads_of(2, 8), ["--store=s", "--threads=4", "--task-index=1"]);
        assert_eq!(threads_of(4, 2)[1], "--threads=1");
    }
}
