//! What a stage asks of workers: the one place where their arguments are made.
//!
//! What differs between a process of this machine and a pod (its place among the tasks, its threads, its libraries) is left to
//! the launcher.

use object_store::path::Path;
use strata_shared::layout::{self, ModelName, RunName};
use strata_shared::manifest::Manifest;

use crate::command_line::ReduceFlags;
use crate::plan::EmbedPlan;

/// A stage that workers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Documents → vectors, many tasks.
    Map,
    /// Vectors → findings, one task.
    Reduce,
}

impl Stage {
    /// Returns the program that does it.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Map => "map-worker",
            Self::Reduce => "reduce-worker",
        }
    }

    /// Returns its name, as bars and labels have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Reduce => "reduce",
        }
    }
}

/// What the tasks of one stage are to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The stage.
    pub stage: Stage,
    /// How many tasks share it.
    pub num_tasks: usize,
    /// What every task is told.
    pub arguments: Vec<String>,
    /// The documents to be gone through.
    pub num_documents: u64,
    /// The numbers of the shards that tasks share: task i of n has those at i, i + n, and so on.
    pub shards: Vec<usize>,
    /// The run that comes of it, where one does.
    pub run: Option<RunName>,
}

impl Work {
    /// The map: `plan`'s shards of `manifest` by `model`, a folder or URL that tasks can open; `list` is the work list.
    #[must_use]
    pub fn map(store: &str, model: &str, plan: &EmbedPlan, list: Option<&Path>, manifest: &Manifest) -> Self {
        let mut arguments = vec!["--store".to_owned(), store.to_owned(), "--model".to_owned(), model.to_owned()];
        arguments.push(format!("--task-count={}", plan.num_tasks));
        arguments.push("--log-format=json".to_owned());
        arguments.extend(list.map(|key| format!("--work-list={key}")));
        let num_documents = plan.shards.iter().map(|place| manifest.shards[*place].rows).sum();
        let (num_tasks, shards) = (plan.num_tasks, plan.numbers(manifest));
        Self { stage: Stage::Map, num_tasks, arguments, num_documents, shards, run: None }
    }

    /// The reduce: what `flags` ask of the vectors of `vectors_of`, as `run`, over the generation that `manifest` describes.
    #[must_use]
    pub fn reduce(
        store: &str,
        flags: &ReduceFlags,
        run: &RunName,
        vectors_of: &ModelName,
        manifest: &Manifest,
    ) -> Self {
        let mut arguments = vec!["--store".to_owned(), store.to_owned()];
        let mut flag = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        flag("run", run.to_string());
        // The run was named after this one; another may have come since.
        flag("generation", manifest.generation.to_string());
        flag("vectors-of", vectors_of.to_string());
        flag("lonely", flags.lonely.to_string());
        flag("lonely-k", flags.lonely_k.to_string());
        flag("lonely-min-words", flags.lonely_min_words.to_string());
        flag("period", flags.period.as_str().to_owned());
        flag("recent", flags.recent.to_string());
        flag("seed", flags.seed.to_string());
        flag("kmeans", flags.kmeans.as_str().to_owned());
        flag("log-format", "json".to_owned());
        let optional = [
            ("clusters", flags.clusters.map(|clusters| clusters.to_string())),
            ("until", flags.until.clone()),
            ("index", flags.index.clone()),
            ("memory", flags.memory.clone()),
            ("scratch", flags.scratch.clone()),
            ("warm-from", flags.warm_from.as_ref().map(ToString::to_string)),
        ];
        for (name, value) in optional {
            value.into_iter().for_each(|value| flag(name, value));
        }
        let switches =
            [("--force", flags.force), ("--lonely-exhaustive", flags.lonely_exhaustive), ("--fresh", flags.fresh)];
        arguments.extend(switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()));
        let (run, num_documents) = (Some(run.clone()), manifest.rows);
        Self { stage: Stage::Reduce, num_tasks: 1, arguments, num_documents, shards: Vec::new(), run }
    }

    /// Returns the shards of task `index`.
    #[must_use]
    pub fn shards_of(&self, index: usize) -> Vec<usize> {
        self.shards.iter().copied().skip(index).step_by(self.num_tasks.max(1)).collect()
    }
}

/// Shards that a message names.
const NAMED: usize = 10;

/// Names the keys of the raw shards of these numbers, and counts those beyond the first ten.
#[must_use]
pub fn shard_keys(shards: &[usize]) -> String {
    let mut keys: Vec<String> = shards.iter().take(NAMED).map(|shard| layout::raw_shard(*shard).to_string()).collect();
    if shards.len() > NAMED {
        keys.push(format!("and {} more", shards.len() - NAMED));
    }
    keys.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_share_the_shards_as_map_workers_do() {
        let arguments = Vec::new();
        let work = Work {
            stage: Stage::Map,
            num_tasks: 2,
            arguments,
            num_documents: 5,
            shards: vec![1, 3, 4, 8, 9],
            run: None,
        };
        assert_eq!((work.shards_of(0), work.shards_of(1)), (vec![1, 4, 9], vec![3, 8]));
        assert_eq!(work.shards_of(7), Vec::<usize>::new());
    }
}
