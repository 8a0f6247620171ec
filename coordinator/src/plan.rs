//! Objects present → work remaining. Pure: what is in the store is looked up by the caller.
//!
//! Invariant: planning twice gives the same plan, and each shard is in exactly one of done, missing and stale.

use serde::Serialize;
use strata_shared::exit::{Classify, Exit};
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

/// What is left to embed, and how many processes share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedPlan {
    /// The shards without sound vectors, as indexes into the manifest's.
    pub shards: Vec<usize>,
    /// The processes.
    pub num_workers: usize,
    /// Threads of each.
    pub threads: usize,
    /// Whether the processes have to be told the shards: one alone finds them, and all of the manifest need no list.
    pub needs_list: bool,
}

impl EmbedPlan {
    /// Shares `threads` among at most `wanted` workers, no more than there are shards to embed; `None` where there are
    /// none. `findings` are those of every shard's vectors, in the manifest's order.
    #[must_use]
    pub fn new(wanted: usize, threads: usize, findings: &[Finding]) -> Option<Self> {
        let without_vectors = findings.iter().enumerate().filter(|(_, finding)| **finding != Finding::Done);
        let shards: Vec<usize> = without_vectors.map(|(index, _)| index).collect();
        let num_workers = wanted.max(1).min(shards.len());
        if num_workers == 0 {
            return None;
        }
        let needs_list = num_workers > 1 && shards.len() < findings.len();
        Some(Self { shards, num_workers, threads: (threads / num_workers).max(1), needs_list })
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
        assert_eq!(EmbedPlan::new(4, 8, &[Finding::Done; 3]), None);
    }

    #[test]
    fn workers_are_told_what_is_left_where_something_is_done() {
        use Finding::{Done, Missing, Stale};
        let plan = EmbedPlan::new(2, 4, &[Missing, Done, Stale, Done, Missing, Done]).expect("there is work");
        let expected = EmbedPlan { shards: vec![0, 2, 4], num_workers: 2, threads: 2, needs_list: true };
        assert_eq!(plan, expected);
        let needs_list = |wanted, findings: &[Finding]| EmbedPlan::new(wanted, 4, findings).map(|plan| plan.needs_list);
        assert_eq!(needs_list(2, &[Missing, Stale, Missing]), Some(false));
        assert_eq!(needs_list(1, &[Missing, Done, Missing]), Some(false));
        assert_eq!(needs_list(3, &[Missing, Done, Done]), Some(false));
    }

    proptest! {
        #[test]
        fn workers_never_outnumber_shards_or_starve(wanted in 0usize..50, threads in 1usize..50, shards in 1usize..50) {
            let plan = EmbedPlan::new(wanted, threads, &vec![Finding::Missing; shards]).expect("there is work");
            prop_assert!(plan.num_workers >= 1 && plan.num_workers <= shards && plan.threads >= 1);
            prop_assert!(plan.num_workers * plan.threads <= threads.max(plan.num_workers));
        }

        #[test]
        fn every_shard_is_done_or_planned_and_never_both(numbers in proptest::collection::vec(0u8..3, 0..100)) {
            let findings: Vec<Finding> = numbers.into_iter().map(finding).collect();
            let planned = EmbedPlan::new(2, 2, &findings).map_or_else(Vec::new, |plan| plan.shards);
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
