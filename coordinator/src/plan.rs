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

/// What one object turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// There, and what it should be.
    Done,
    /// Not there.
    Missing,
    /// There, but not what it should be.
    Stale,
}

impl Finding {
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

/// The processes that will embed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// How many.
    pub count: usize,
    /// Threads of each.
    pub threads: usize,
}

impl Workers {
    /// Shares `threads` among at most `wanted` workers, no more than there are shards to embed; `None` where there are
    /// none.
    #[must_use]
    pub fn plan(wanted: usize, threads: usize, shards_to_embed: usize) -> Option<Self> {
        let count = wanted.max(1).min(shards_to_embed);
        (count > 0).then(|| Self { count, threads: (threads / count).max(1) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_missing_needs_no_worker() {
        assert_eq!(Workers::plan(4, 8, 0), None);
    }

    proptest! {
        #[test]
        fn workers_never_outnumber_shards_or_starve(wanted in 0usize..50, threads in 1usize..50, shards in 1usize..50) {
            let workers = Workers::plan(wanted, threads, shards).expect("there is work");
            prop_assert!(workers.count >= 1 && workers.count <= shards && workers.threads >= 1);
            prop_assert!(workers.count * workers.threads <= threads.max(workers.count));
        }

        #[test]
        fn every_object_is_counted_once(findings in proptest::collection::vec(0u8..3, 0..100)) {
            let progress: Progress = findings
                .iter()
                .map(|finding| [Finding::Done, Finding::Missing, Finding::Stale][usize::from(*finding)])
                .collect();
            prop_assert_eq!(progress.done + progress.missing + progress.stale, findings.len());
        }
    }
}
