//! Objects present → work remaining. Pure: what is in the store is looked up by the caller.
//!
//! Invariant: planning twice gives the same plan, and each shard is in exactly one of done, missing and stale.

use serde::Serialize;
use strata_shared::exit::{Classify, Exit};
use strata_shared::manifest::Manifest;
use strata_shared::table::TableError;

/// How far one stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Progress {
    /// There, and what it should be.
    pub done: usize,
    /// Not there.
    pub missing: usize,
    /// There, but not what it should be: of another corpus or model, or damaged.
    pub stale: usize,
}

/// What one object, or one run, turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// There, and what it should be.
    Done,
    /// Not there.
    Missing,
    /// There, but not what it should be.
    Stale,
}

impl Finding {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Missing => "missing",
            Self::Stale => "stale",
        }
    }

    /// Judges an attempt to open an object.
    ///
    /// # Errors
    /// The store's own error, which says nothing about the object.
    pub fn of<T>(opened: Result<T, TableError>) -> Result<Self, TableError> {
        match opened {
            Ok(_) => Ok(Self::Done),
            Err(TableError::Missing { .. }) => Ok(Self::Missing),
            Err(error) if error.exit() == Exit::Data => Ok(Self::Stale),
            Err(error) => Err(error),
        }
    }
}

impl FromIterator<Finding> for Progress {
    fn from_iter<I: IntoIterator<Item = Finding>>(findings: I) -> Self {
        findings.into_iter().fold(Self::default(), |mut progress, finding| {
            match finding {
                Finding::Done => progress.done += 1,
                Finding::Missing => progress.missing += 1,
                Finding::Stale => progress.stale += 1,
            }
            progress
        })
    }
}

/// How work is spread over tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// At most so many processes of this machine.
    Processes(usize),
    /// A pod for every so many shards.
    ShardsPerPod(usize),
}

/// The most tasks that an Indexed Job may have before Kubernetes bounds how many run at once and fail:
/// <https://kubernetes.io/docs/concepts/workloads/controllers/job/#parallel-jobs>.
const MAX_PODS: usize = 100_000;

impl Sharing {
    /// Returns the tasks that share `num_shards`: never more than shards, and none without any.
    fn num_tasks(self, num_shards: usize) -> usize {
        let wanted = match self {
            Self::Processes(wanted) => wanted,
            Self::ShardsPerPod(shards) => num_shards.div_ceil(shards.max(1)),
        };
        wanted.max(1).min(num_shards).min(MAX_PODS)
    }
}

/// What is left to embed, and how many tasks share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedPlan {
    /// The shards without sound vectors, by their places in the manifest.
    pub shards: Vec<usize>,
    /// The tasks.
    pub num_tasks: usize,
    /// Whether tasks have to be told the shards. One process finds them by itself, and all of the manifest need no list; a pod
    /// that starts later than others must still share the same list as they.
    pub needs_list: bool,
}

impl EmbedPlan {
    /// Returns the numbers of the shards that are left, of which `manifest` lists all.
    #[must_use]
    pub fn numbers(&self, manifest: &Manifest) -> Vec<usize> {
        self.shards.iter().map(|place| manifest.shards[*place].number()).collect()
    }

    /// Shares what is left; `None` where nothing is. `findings` are those of every shard's vectors, in the manifest's order.
    #[must_use]
    pub fn new(sharing: Sharing, findings: &[Finding]) -> Option<Self> {
        let without_vectors = findings.iter().enumerate().filter(|(_, finding)| **finding != Finding::Done);
        let shards: Vec<usize> = without_vectors.map(|(index, _)| index).collect();
        let num_tasks = sharing.num_tasks(shards.len());
        if num_tasks == 0 {
            return None;
        }
        let needs_list = match sharing {
            Sharing::Processes(_) => num_tasks > 1 && shards.len() < findings.len(),
            Sharing::ShardsPerPod(_) => true,
        };
        Some(Self { shards, num_tasks, needs_list })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finding(number: u8) -> Finding {
        [Finding::Done, Finding::Missing, Finding::Stale][usize::from(number)]
    }

    #[test]
    fn nothing_missing_needs_no_worker() {
        assert_eq!(EmbedPlan::new(Sharing::Processes(4), &[Finding::Done; 3]), None);
    }

    #[test]
    fn workers_are_told_what_is_left_where_something_is_done() {
        use Finding::{Done, Missing, Stale};
        let plan =
            EmbedPlan::new(Sharing::Processes(2), &[Missing, Done, Stale, Done, Missing, Done]).expect("there is work");
        let expected = EmbedPlan { shards: vec![0, 2, 4], num_tasks: 2, needs_list: true };
        assert_eq!(plan, expected);
        let needs_list = |wanted, findings: &[Finding]| {
            EmbedPlan::new(Sharing::Processes(wanted), findings).map(|plan| plan.needs_list)
        };
        assert_eq!(needs_list(2, &[Missing, Stale, Missing]), Some(false));
        assert_eq!(needs_list(1, &[Missing, Done, Missing]), Some(false));
        assert_eq!(needs_list(3, &[Missing, Done, Done]), Some(false));
    }

    #[test]
    fn pods_are_always_told_their_shards_and_take_as_many_as_they_should() {
        let plan = |per_pod, shards| EmbedPlan::new(Sharing::ShardsPerPod(per_pod), &vec![Finding::Missing; shards]);
        let counted = |per_pod, shards| plan(per_pod, shards).map(|plan| (plan.num_tasks, plan.needs_list));
        assert_eq!(counted(1, 7), Some((7, true)));
        assert_eq!(counted(3, 7), Some((3, true)));
        assert_eq!(counted(1, 250_000), Some((100_000, true)));
        assert_eq!(counted(1, 0), None);
    }

    proptest! {
        #[test]
        fn tasks_never_outnumber_shards(wanted in 0usize..50, shards in 1usize..50) {
            for sharing in [Sharing::Processes(wanted), Sharing::ShardsPerPod(wanted)] {
                let plan = EmbedPlan::new(sharing, &vec![Finding::Missing; shards]).expect("there is work");
                prop_assert!(plan.num_tasks >= 1 && plan.num_tasks <= shards);
            }
        }

        #[test]
        fn every_shard_is_done_or_planned_and_never_both(numbers in proptest::collection::vec(0u8..3, 0..100)) {
            let findings: Vec<Finding> = numbers.into_iter().map(finding).collect();
            let planned = EmbedPlan::new(Sharing::Processes(2), &findings).map_or_else(Vec::new, |plan| plan.shards);
            for (index, finding) in findings.iter().enumerate() {
                prop_assert_eq!(planned.contains(&index), *finding != Finding::Done);
            }
        }

        #[test]
        fn every_object_is_counted_once(numbers in proptest::collection::vec(0u8..3, 0..100)) {
            let progress: Progress = numbers.iter().copied().map(finding).collect();
            prop_assert_eq!(progress.done + progress.missing + progress.stale, numbers.len());
        }
    }
}
