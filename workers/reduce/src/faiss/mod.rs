//! Vectors in row order → a FAISS index file that any FAISS opens. The only room that names the `faiss` crate.
//!
//! The metric is the inner product over unit vectors; the id of a vector is its global row, because vectors are added in
//! row order and in portions of a fixed size. Which index is built is a function of the corpus's size alone, or a factory
//! string of FAISS's own:
//!
//! | rows | index | |
//! |---|---|---|
//! | up to 100,000 | `Flat` | exact; every search reads all vectors |
//! | above | `IVF{k},SQfp16` | the run's own k centroids as inverted lists, two bytes a dimension |
//!
//! These two are never built: FAISS writes the empty index, and the vectors are put into its file on the way to the store
//! ([`flat_header`], [`list_header`]). What a factory string asks for is built in memory ([`IndexBuilder`]).
//!
//! Invariant: the same vectors in the same order give the same bytes, however they were cut and whatever the number of
//! threads. BLAS therefore runs on one thread, and graphs, whose edges depend on the order of insertion, are built on one.
//!
//! Where the file goes in the end, and what is written about it, is left to the caller.

mod builder;
mod file;
mod plan;
mod size;
#[cfg(test)]
mod tests;
mod threads;

use std::path::PathBuf;

use ::faiss::error::Error as NativeError;
use strata_shared::exit::{Classify, Exit};

pub use builder::{IndexBuilder, search_file};
pub use file::{flat_header, list_header};
pub use plan::{Design, IndexPlan};

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum FaissError {
    /// FAISS makes nothing of the factory string.
    #[error(
        "index {factory:?} cannot be built for {dim} dimensions; strings that can: Flat, HNSW32, IVF400,Flat, \
         IVF400,SQfp16, IVF400,PQ16 (a number that divides the dimensions), and these behind PCA64, or OPQ16,"
    )]
    Factory {
        /// The factory string.
        factory: String,
        /// The dimensions that it was to be for.
        dim: usize,
        /// What FAISS said.
        source: NativeError,
    },
    /// FAISS may never come to an end with such an index.
    #[error(
        "index {factory:?} is refused: FAISS can link an NSG graph without end; HNSW32 is the graph that can be built"
    )]
    Endless {
        /// The factory string.
        factory: String,
    },
    /// The index cannot be trained on the sample.
    #[error("index {factory:?} cannot be trained on {num_rows} vectors")]
    Train {
        /// The factory string.
        factory: String,
        /// The size of the sample.
        num_rows: usize,
        /// What FAISS said.
        source: NativeError,
    },
    /// The index does not take vectors, or takes no more.
    #[error("index {factory:?} does not take the vectors from row {row} on")]
    Add {
        /// The factory string.
        factory: String,
        /// The first row of the portion.
        row: usize,
        /// What FAISS said.
        source: NativeError,
    },
    /// Vectors of another length.
    #[error("row {row}: vectors have {found} dimensions, the index expects {expected}")]
    Dimension {
        /// The first row of the block.
        row: usize,
        /// Its dimensions.
        found: usize,
        /// The index's.
        expected: usize,
    },
    /// The index has not been given the rows that it was planned for, or did not keep them.
    #[error("the index has {found} rows, the run expects {expected}")]
    Rows {
        /// Rows in the index.
        found: usize,
        /// Rows of the corpus.
        expected: usize,
    },
    /// The file cannot be written, or read back.
    #[error("{}: the index cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What FAISS said.
        source: NativeError,
    },
    /// The file cannot be searched.
    #[error("{}: the index cannot be searched", path.display())]
    Search {
        /// The file.
        path: PathBuf,
        /// What FAISS said.
        source: NativeError,
    },
    /// The file of an empty index is not what FAISS writes.
    #[error("{}: the empty index cannot be read back", path.display())]
    ReadBack {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file does not hold what was written.
    #[error("{}: the written index has {found} rows of {expected}", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Rows that were read back.
        found: u64,
        /// Rows that were written.
        expected: u64,
    },
}

impl Classify for FaissError {
    fn exit(&self) -> Exit {
        match self {
            Self::Factory { .. } | Self::Endless { .. } | Self::Train { .. } | Self::Add { .. } => Exit::Configuration,
            Self::Dimension { .. } | Self::Rows { .. } => Exit::Data,
            Self::Write { .. } | Self::Search { .. } | Self::ReadBack { .. } | Self::Incomplete { .. } => Exit::Retry,
        }
    }
}
