//! A plan and vectors in row order → the index, trained, filled and written to a file.

use std::path::Path;

use ::faiss::error::Error as NativeError;
use ::faiss::index::IndexImpl;
use ::faiss::index::autotune::ParameterSpace;
use ::faiss::index::io::{IoFlags, read_index, read_index_with_flags, write_index};
use ::faiss::{Idx, Index};
use ndarray::{ArrayView2, Axis};

use super::{FaissError, IndexPlan, threads};

/// Vectors that are handed to FAISS at once. Fixed, because a graph grows by portions.
pub(super) const ROWS_AT_ONCE: usize = 16_384;

/// An index that is being filled, in row order.
#[derive(Debug)]
pub struct IndexBuilder {
    plan: IndexPlan,
    index: IndexImpl,
    threads: usize,
    /// Rows that FAISS has; the next ones wait in `portion`.
    added: usize,
    portion: Vec<f32>,
}

impl IndexBuilder {
    /// Makes an empty index, trained where it needs that.
    ///
    /// `centroids` are the run's, `[k, dim]`, and become the inverted lists of an index chosen by size; `sample`, `[n,
    /// dim]`, is what an index of a factory string is trained on. `threads` bounds OpenMP, graphs aside; it holds on
    /// whichever thread the builder is used.
    ///
    /// # Errors
    /// [`FaissError::Factory`], [`FaissError::Train`], and [`FaissError::Dimension`] for centroids or a sample of another
    /// length.
    pub fn new(
        plan: IndexPlan,
        centroids: ArrayView2<'_, f32>,
        sample: ArrayView2<'_, f32>,
        threads: usize,
    ) -> Result<Self, FaissError> {
        check_dimension(&plan, 0, centroids)?;
        check_dimension(&plan, 0, sample)?;
        let threads = if plan.is_graph() { 1 } else { threads.max(1) };
        threads::limit(threads);
        let mut index = plan.build(centroids)?;
        if !index.is_trained() {
            let standard = sample.as_standard_layout();
            index.train(standard.as_slice().unwrap_or_default()).map_err(|source| FaissError::Train {
                factory: plan.factory.clone(),
                num_rows: sample.nrows(),
                source,
            })?;
        }
        if let Some(nprobe) = plan.nprobe {
            set_nprobe(&index, nprobe).map_err(|source| plan.factory_error(source))?;
        }
        Ok(Self { plan, index, threads, added: 0, portion: Vec::new() })
    }

    /// Adds the rows that follow those already added, `[rows, dim]`.
    ///
    /// # Errors
    /// [`FaissError::Dimension`], and [`FaissError::Add`] if the index refuses them.
    pub fn add(&mut self, vectors: ArrayView2<'_, f32>) -> Result<(), FaissError> {
        check_dimension(&self.plan, self.added, vectors)?;
        let mut rest = vectors;
        while rest.nrows() > 0 {
            let held = self.portion.len() / self.plan.dim;
            let (next, after) = rest.split_at(Axis(0), rest.nrows().min(ROWS_AT_ONCE - held));
            self.portion.extend(next.iter());
            rest = after;
            if held + next.nrows() == ROWS_AT_ONCE {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Hands the waiting rows to FAISS.
    fn flush(&mut self) -> Result<(), FaissError> {
        threads::limit(self.threads);
        let num_rows = self.portion.len() / self.plan.dim;
        let added = if self.plan.factory.contains("IDMap") {
            let ids: Vec<Idx> = (self.added..self.added + num_rows).map(|row| Idx::new(row as u64)).collect();
            self.index.add_with_ids(&self.portion, &ids)
        } else {
            self.index.add(&self.portion)
        };
        added.map_err(|source| FaissError::Add { factory: self.plan.factory.clone(), row: self.added, source })?;
        self.added += num_rows;
        self.portion.clear();
        Ok(())
    }

    /// Writes the index to a file of its own, reads back that it is whole, and returns its plan.
    ///
    /// # Errors
    /// [`FaissError::Rows`] if rows are missing, [`FaissError::Write`] and [`FaissError::Incomplete`].
    pub fn write(mut self, path: &Path) -> Result<IndexPlan, FaissError> {
        if !self.portion.is_empty() {
            self.flush()?;
        }
        let (found, expected) = (self.index.ntotal(), self.plan.num_rows as u64);
        if found != expected {
            return Err(FaissError::Rows { found: found as usize, expected: expected as usize });
        }
        let write_error = |source| FaissError::Write { path: path.to_owned(), source };
        let name = path.to_str().ok_or_else(|| write_error(NativeError::BadFilePath))?;
        write_index(&self.index, name).map_err(write_error)?;
        drop(self.index);
        // FAISS does not report a file that fails to close, as on a full disk. Mapped, because lists need not be read.
        let written = read_index_with_flags(name, IoFlags::MEM_MAP | IoFlags::READ_ONLY).map_err(write_error)?;
        if written.ntotal() != expected {
            return Err(FaissError::Incomplete { path: path.to_owned(), found: written.ntotal(), expected });
        }
        Ok(self.plan)
    }
}

/// Searches an index file for the rows nearest to each query, `[queries, dim]`, the nearest first, with its own `nprobe`.
///
/// # Errors
/// [`FaissError::Search`].
pub fn search_file(path: &Path, queries: ArrayView2<'_, f32>, num_nearest: usize) -> Result<Vec<Vec<u64>>, FaissError> {
    let failed = |source| FaissError::Search { path: path.to_owned(), source };
    let name = path.to_str().ok_or_else(|| failed(NativeError::BadFilePath))?;
    let mut index = read_index(name).map_err(failed)?;
    let standard = queries.as_standard_layout();
    let found = index.search(standard.as_slice().unwrap_or_default(), num_nearest).map_err(failed)?;
    let rows = found.labels.chunks(num_nearest.max(1));
    Ok(rows.map(|ids| ids.iter().filter_map(|id| id.get()).collect()).collect())
}

/// Refuses vectors of another length than the plan's, unless there are none.
fn check_dimension(plan: &IndexPlan, row: usize, vectors: ArrayView2<'_, f32>) -> Result<(), FaissError> {
    if vectors.nrows() > 0 && vectors.ncols() != plan.dim {
        return Err(FaissError::Dimension { row, found: vectors.ncols(), expected: plan.dim });
    }
    Ok(())
}

/// Sets the number of lists that a search reads, wherever in the index they are.
pub(super) fn set_nprobe(index: &IndexImpl, nprobe: usize) -> Result<(), NativeError> {
    ParameterSpace::new()?.set_index_parameter(index, "nprobe", nprobe as f64)
}
