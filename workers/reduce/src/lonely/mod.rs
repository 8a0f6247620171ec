//! Vectors → the loneliest documents: exact k-th nearest neighbours for those few whose k-th is farthest.
//!
//! A document is as lonely as its k-th nearest *other* document is far; similarity is the cosine, computed in
//! float64 from the stored float32 values, and the document itself is left out by its row. [`Bounds`] gives
//! each row a lower bound of its k-th similarity while the labels are assigned; [`search`] then takes the rows in
//! ascending order of that bound, tightens a cutoff with every round and stops at the first bound above it.
//!
//! Invariant: a document is dropped only on k neighbours really found above the cutoff, with the rounding of float32
//! products allowed for ([`rounding_error`]) and everything within it settled in float64. The list is therefore
//! the one that brute force in float64 gives, whatever the blocks, the threads, the references and the sizes of rounds.
//!
//! Reading vectors, the titles of what is found, and the columns of its table are left to the caller.
//!
//! Method: ORCA, Bay and Schwabacher, KDD 2003 (a cutoff that only tightens; out as soon as k nearer ones are known),
//! with matrix products instead of single distances.

mod bounds;
mod candidates;
mod groups;
mod nearest;
mod ranking;
mod search;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use arrow::array::StringArray;
use ndarray::ArrayView2;
use strata_shared::exit::{Classify, Exit};

pub use bounds::{Bounds, References};
pub use nearest::rounding_error;
pub use search::search;

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

    /// Names rows: the id of each of `rows`, which ascend. Called for the listed documents and those that tie with the
    /// last of them, up to 65,536 at a time.
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
    /// The most vectors of candidates held at once: `4 * dim` bytes each.
    pub max_candidates: usize,
}

impl Default for Settings {
    /// The 100 loneliest by their 5th neighbour; 65,536 candidates are 96 MiB at 384 dimensions.
    fn default() -> Self {
        Self { neighbours: 5, want: 100, max_candidates: 65_536 }
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

/// How the list was come by.
///
/// `cutoff` and the first two counts are facts of the corpus, and the others up to `exhausted` of the corpus, the
/// references and the [`Settings`]; `operations` depends on the cut of the blocks too, because what has fallen is left out
/// from the next block on.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Certificate {
    /// Rows of the corpus, all of them neighbours.
    pub rows: usize,
    /// Distinct vectors among those that may be listed; the rows of one vector share one search.
    pub distinct: usize,
    /// Distinct vectors whose bound was not above the cutoff when their turn came.
    pub bounded_below: usize,
    /// Of these, the ones that their own cluster put above the cutoff.
    pub fell_in_cluster: usize,
    /// Of those left, the ones compared with the corpus.
    pub searched: usize,
    /// Of the searched, the ones that were out before its end.
    pub fell_in_search: usize,
    /// Of the searched, the ones compared with every row.
    pub exhausted: usize,
    /// Times that the corpus was read.
    pub scans: usize,
    /// Floating-point operations of the matrix products, the bounds' included.
    pub operations: u64,
    /// The similarity of the last document listed; every document not listed is at or above it. None while fewer
    /// documents may be listed than were wanted.
    pub cutoff: Option<f64>,
}

impl Certificate {
    /// Distinct vectors that the cutoff passed by after their cluster, and before the corpus, had been asked.
    #[must_use]
    pub fn unsearched(&self) -> usize {
        self.bounded_below - self.fell_in_cluster - self.searched
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
            Self::Dimension { .. } | Self::Rows { .. } => Exit::Data,
        }
    }
}
