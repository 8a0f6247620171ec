//! Vectors → the loneliest documents: exact k-th nearest neighbours for those few whose k-th is farthest.
//!
//! A document is as lonely as its k-th nearest *other* document is far; similarity is the cosine, computed in
//! float64 from the stored float32 values, and the document itself is left out by its row. [`Bounds`] gives
//! each row a lower bound of its k-th similarity while the labels are assigned. [`search`] finds a cutoff with the rows of the
//! lowest bounds, drops every row that the inverted lists prove to be above it, and reads the few that are left from the
//! store.
//!
//! Invariant: a document is dropped only on k neighbours really found above the cutoff, with the rounding to half
//! precision and of float32 products allowed for; everything within that margin is settled in float64. The list is therefore
//! the one that brute force in float64 gives, whatever the portions, the threads, the references and the clusters, and
//! the counts of the certificate do not depend on the threads.
//!
//! Reading vectors, the titles of what is found, and the columns of its table are left to the caller.
//!
//! Method: ORCA, Bay and Schwabacher, KDD 2003 (a cutoff that only tightens; out as soon as k nearer ones are known),
//! with matrix products instead of single distances, and clusters for the order in which others are met.

mod bounds;
mod candidate;
mod copies;
mod cost;
mod exact;
mod filter;
mod meeting;
mod nearest;
mod ranking;
mod references;
mod rescan;
mod round;
mod search;
mod seeds;
mod shortlist;
mod sweep;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use arrow::array::StringArray;
use ndarray::{Array2, ArrayView2};
use strata_shared::exit::{Classify, Exit};

use crate::inverted_lists::ListsError;

pub use bounds::Bounds;
pub use cost::MAX_OPERATIONS;
pub use nearest::rounding_error;
pub use references::References;
pub use search::search;

/// Rows of the sample that bound a cluster's rows, for [`References::new`].
///
/// With 128 and with 64, no row but the lowest bounds themselves was left below the first cutoff of 2.7 million noisy copies of
/// real vectors, with 32 there were 1,351; the bounds took 7.7, 5.4 and 3.6 seconds of one core (64: 0.13 TFLOP).
pub const REFERENCES_PER_CLUSTER: usize = 64;

/// What the search holds beside its candidates: the outcome of a wave of meetings, and vectors of finalists after that.
pub const WAVE_BYTES: usize = 64 << 20;

/// Consecutive rows of the corpus, as a [`VectorSource`] shows them.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The global row of the block's first vector.
    pub first_row: usize,
    /// `[rows, dim]` f32 row-major, each row of L2 norm 1 (within 1e-5).
    pub vectors: ArrayView2<'a, f32>,
    /// The documents' ids, one a row.
    pub ids: &'a StringArray,
}

/// A corpus of vectors that can be read from beginning to end, more than once.
pub trait VectorSource {
    /// What a failed read is.
    type Error;

    /// The number of rows in the corpus.
    fn num_rows(&self) -> usize;

    /// The number of dimensions of each vector.
    fn dim(&self) -> usize;

    /// Shows every row once, in blocks of any size and in any order, until `visit` breaks off.
    ///
    /// # Errors
    /// Whatever keeps a block from being read; a scan that `visit` ended is no error.
    fn scan(&self, visit: &mut dyn FnMut(Block<'_>) -> ControlFlow<()>) -> Result<(), Self::Error>;

    /// Reads the vectors of `rows`, which ascend: `[rows, dim]`. Called for the finalists and their nearest, some hundreds
    /// of rows where crowds of near-copies are not among the loneliest; the search tells other vectors from what was labelled.
    ///
    /// # Errors
    /// Whatever keeps the vectors from being read.
    fn vectors(&self, rows: &[usize]) -> Result<Array2<f32>, Self::Error>;

    /// Names rows: the id of each of `rows`, which ascend. Called for the finalists and their nearest, the listed documents
    /// and those that tie with the last of them, up to 65,536 at a time.
    ///
    /// # Errors
    /// Whatever keeps the ids from being read.
    fn ids(&self, rows: &[usize]) -> Result<Vec<String>, Self::Error>;
}

/// What to look for, and in what helpings. Only the first two change the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The neighbour that decides: k.
    pub neighbours: usize,
    /// The number of documents to list.
    pub want: usize,
    /// The most candidates and finalists held at once: `2 * dim` bytes and some 400 each, 960 where near-copies crowd.
    pub max_candidates: usize,
    /// The most floating-point operations to begin: [`MAX_OPERATIONS`], or `u64::MAX` for whatever it takes.
    pub max_operations: u64,
}

impl Default for Settings {
    /// The 100 loneliest by their 5th neighbour; 32,768 candidates are 40 MiB at 384 dimensions.
    fn default() -> Self {
        Self { neighbours: 5, want: 100, max_candidates: 32_768, max_operations: MAX_OPERATIONS }
    }
}

/// One document of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its global row.
    pub row: usize,
    /// Its id.
    pub id: String,
    /// Its similarity to its k-th nearest other document.
    pub similarity: f64,
    /// The row of its nearest other document, of several equally near the one whose id comes first.
    pub nearest_row: usize,
    /// The similarity to that.
    pub nearest_similarity: f64,
}

/// What a stage of the search did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stage {
    /// Rows that no earlier stage has put above the cutoff.
    pub entered: usize,
    /// Of these, the ones that it put above the cutoff: by what it compared, or because the cutoff came down to what they had
    /// shown before. Each row falls once.
    pub fell: usize,
    /// Pairs of rows compared.
    pub pairs: u64,
}

/// How the list was come by.
///
/// The stages up to the far clusters are a chain: `distinct` rows enter the first, each enters with what did not fall in the
/// one before it, and what does not fall in the last are the `finalists`.
///
/// `cutoff` and the first two counts are facts of the corpus, the others of the corpus, its clusters, the references, the
/// portions and the [`Settings`]; none depends on the threads.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Certificate {
    /// Rows of the corpus, all of them neighbours.
    pub rows: usize,
    /// Dimensions of their vectors.
    pub dim: usize,
    /// Distinct vectors among those that may be listed; the rows of one vector share one search.
    pub distinct: usize,
    /// All of them, against the references of their cluster while labels were made; no pairs where labels were taken up again.
    pub bounds: Stage,
    /// The lowest bounds, against lists near and far, with which the first cutoff was found.
    pub seeds: Stage,
    /// Rows whose bound was not above the first cutoff, against their own cluster.
    pub own_cluster: Stage,
    /// Those that remained, against the nearest clusters.
    pub near_clusters: Stage,
    /// Those that remained, against all other clusters.
    pub far_clusters: Stage,
    /// Those finalists that have crowds of near-copies, against the whole corpus in float32.
    pub rescan: Stage,
    /// Rows compared with every other.
    pub exhausted: usize,
    /// Of these, the ones that half precision could not tell from the loneliest: the end of the chain.
    pub finalists: usize,
    /// Times that the whole corpus was read from the store, beside the finalists.
    pub store_scans: usize,
    /// The most by which a product of half-precision vectors can differ from the similarity.
    pub margin: f64,
    /// The cutoff that the seeds gave; None if everything had to be compared with everything.
    pub first_cutoff: Option<f64>,
    /// The similarity of the last document listed; every document not listed is at or above it. None while fewer
    /// documents may be listed than were wanted.
    pub cutoff: Option<f64>,
}

impl Certificate {
    /// The stages in their order; the last is of finalists and no part of the chain.
    #[must_use]
    pub fn stages(&self) -> [Stage; 6] {
        [self.bounds, self.seeds, self.own_cluster, self.near_clusters, self.far_clusters, self.rescan]
    }

    /// Lets every stage of the chain begin with what did not fall in the one before it.
    fn link(&mut self) {
        let Self { bounds, seeds, own_cluster, near_clusters, far_clusters, .. } = self;
        let mut standing = self.distinct;
        for stage in [bounds, seeds, own_cluster, near_clusters, far_clusters] {
            stage.entered = standing;
            standing -= stage.fell;
        }
    }

    /// Floating-point operations of the matrix products of all stages.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations_of(&self.stages())
    }

    /// Floating-point operations of the search itself, that is without those of the bounds.
    #[must_use]
    pub fn search_operations(&self) -> u64 {
        self.operations_of(&self.stages()[1..])
    }

    fn operations_of(&self, stages: &[Stage]) -> u64 {
        2 * self.dim as u64 * stages.iter().map(|stage| stage.pairs).sum::<u64>()
    }

    /// Floating-point operations of brute force.
    #[must_use]
    pub fn brute_force_operations(&self) -> u64 {
        2 * (self.rows as u64).pow(2) * self.dim as u64
    }
}

/// The loneliest documents, and what proves it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lonely {
    /// In ascending order of similarity, ties by id.
    pub entries: Vec<Entry>,
    /// The k that was used: rows − 1 where the corpus has no more than k rows.
    pub neighbours: usize,
    /// How the list was come by.
    pub certificate: Certificate,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum LonelyError<E> {
    /// The source of vectors failed.
    #[error("the vectors cannot be read again")]
    Source(#[source] E),
    /// The ids of tied documents could not be had.
    #[error("the ids of lonely documents cannot be read")]
    Ids(#[source] E),
    /// The inverted lists failed.
    #[error("the inverted lists cannot be read")]
    Lists(#[from] ListsError),
    /// The search would take very long.
    #[error(
        "the lonely search would take another {teraflop:.0} TFLOP, {percent:.2} % of comparing everything with everything; \
         --lonely-exhaustive lets it; --lonely 0 under another --run leaves it out"
    )]
    Cost {
        /// Operations to come, in 10¹².
        teraflop: f64,
        /// Their share of brute force.
        percent: f64,
    },
    /// The store shows another vector than before.
    #[error("row {row}: the vector is not the one that was labelled")]
    Changed {
        /// The row.
        row: usize,
    },
    /// A block has vectors of another length.
    #[error("row {row}: vectors have {found} dimensions, the run expects {expected}")]
    Dimension {
        /// The block's first row.
        row: usize,
        /// Its dimensions.
        found: usize,
        /// The corpus's.
        expected: usize,
    },
    /// The rows shown are not the rows counted.
    #[error("{found} rows were read, the run expects {expected}")]
    Rows {
        /// Rows that were seen.
        found: usize,
        /// Rows that there should be.
        expected: usize,
    },
}

impl<E: Classify> Classify for LonelyError<E> {
    fn exit(&self) -> Exit {
        match self {
            Self::Source(error) | Self::Ids(error) => error.exit(),
            Self::Lists(error) => error.exit(),
            Self::Cost { .. } => Exit::Configuration,
            Self::Dimension { .. } | Self::Rows { .. } | Self::Changed { .. } => Exit::Data,
        }
    }
}
