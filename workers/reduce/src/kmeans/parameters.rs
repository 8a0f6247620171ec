//! What a user may decide about the clustering, and the number of clusters where they did not.
//!
//! Leaves to others: reading flags and files.

use strata_shared::settings::KmeansEngine;

/// The number of clusters of a large corpus.
const MAX_CLUSTERS: usize = 400;

/// A run that follows another one keeps that one's number of clusters while the rule's is not greater or less by more than this.
///
/// A corpus of fewer than 90,000 documents grows by a third until then. Without it every month would split a topic or two of one
/// that grows by a hundredth.
const KEPT_WITHIN: f64 = 1.25;

/// The number of documents from which a corpus counts as large.
const LARGE_CORPUS_ROWS: usize = 90_000;

/// What a clustering is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// The number of clusters wanted, at least 1.
    pub clusters: usize,
    /// The seed of every random choice.
    pub seed: u64,
    /// Who does the arithmetic.
    pub engine: KmeansEngine,
    /// Rows in the first mini-batch, at least; each further one holds the one before and as many rows again.
    pub batch_rows: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { clusters: MAX_CLUSTERS, seed: 42, engine: KmeansEngine::Matrix, batch_rows: 4_096 }
    }
}

/// Returns the number of clusters for a corpus of `num_rows` documents where the user names none.
///
/// 400 from 90,000 documents on, and 400·(n / 90,000)^¾ below, at least 1: 200 for 35,709 documents, 31 for 3,000, 2
/// for 100. The exponent lets topics grow with the corpus (96 documents each at 3,000, 225 at 90,000), so that a small
/// corpus has topics large enough to follow through the years and a large one is not split without end. The number `before`, of
/// a run that is followed, stays while it is within a quarter of that.
#[must_use]
pub fn default_clusters(num_rows: usize, before: Option<usize>) -> usize {
    let by_rule = clusters_by_rule(num_rows);
    let (least, most) = (by_rule as f64 / KEPT_WITHIN, by_rule as f64 * KEPT_WITHIN);
    before.filter(|before| (least..=most).contains(&(*before as f64))).unwrap_or(by_rule)
}

fn clusters_by_rule(num_rows: usize) -> usize {
    let part = num_rows as f64 / LARGE_CORPUS_ROWS as f64;
    // Square roots are rounded alike on every platform, which `powf` does not promise.
    let clusters = (MAX_CLUSTERS as f64 * part.sqrt() * part.sqrt().sqrt()).round() as usize;
    clusters.clamp(1, MAX_CLUSTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_corpora_get_fewer_clusters_and_large_ones_400() {
        let expected =
            [(0, 1), (1, 1), (100, 2), (1_000, 14), (3_000, 31), (35_709, 200), (90_000, 400), (2_710_783, 400)];
        for (num_rows, clusters) in expected {
            assert_eq!(default_clusters(num_rows, None), clusters, "{num_rows} documents");
        }
    }

    #[test]
    fn a_run_that_follows_another_keeps_its_clusters_until_they_are_far_off() {
        for (before, clusters) in [(200, 200), (165, 165), (250, 250), (150, 200), (260, 200), (0, 200)] {
            assert_eq!(default_clusters(35_709, Some(before)), clusters, "after {before}");
        }
    }

    #[test]
    fn more_documents_never_get_fewer_clusters() {
        assert!((0..200_000).step_by(37).map(|rows| default_clusters(rows, None)).is_sorted());
    }
}
