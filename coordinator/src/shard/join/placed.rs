//! Unit vectors in any order → unit vectors in the order of the documents, on scratch disk.
//!
//! Invariant: each document has at most one vector. Takes rows × dimensions × 4 bytes of disk and one bit a document of
//! memory, whatever the order in which the vectors come.

use std::fs::File;
use std::os::unix::fs::FileExt;

use strata_shared::vectors::Vectors;

use crate::shard::bits::Bits;
use crate::shard::error::ShardError;
use crate::shard::spool::{scratch_error, scratch_file};

/// How much is written at once where the vectors come in the documents' order.
const RUN_BYTES: usize = 1 << 20;

/// The vectors of all documents, as far as they are known.
#[derive(Debug)]
pub(super) struct PlacedVectors {
    file: File,
    dim: usize,
    placed: Bits,
    /// Vectors of consecutive documents that are not yet written.
    run: Vec<u8>,
    run_start: u64,
}

impl PlacedVectors {
    /// Makes room for the vectors of `num_rows` documents in `dim` dimensions.
    ///
    /// # Errors
    /// [`ShardError::Scratch`].
    pub(super) fn new(num_rows: u64, dim: usize) -> Result<Self, ShardError> {
        let file = scratch_file()?;
        Ok(Self { file, dim, placed: Bits::zeros(num_rows), run: Vec::new(), run_start: 0 })
    }

    /// Returns the number of dimensions.
    pub(super) const fn dim(&self) -> usize {
        self.dim
    }

    fn vector_bytes(&self) -> u64 {
        self.dim as u64 * 4
    }

    /// Places the vector of document `row`; tells whether it is the first for it.
    ///
    /// # Errors
    /// [`ShardError::Scratch`] where the disk is full.
    pub(super) fn place(&mut self, row: u64, unit: &[f32]) -> Result<bool, ShardError> {
        if !self.placed.set(row) {
            return Ok(false);
        }
        let next = self.run_start + self.run.len() as u64 / self.vector_bytes();
        if row != next || self.run.len() >= RUN_BYTES {
            self.flush()?;
            self.run_start = row;
        }
        self.run.extend(unit.iter().flat_map(|value| value.to_le_bytes()));
        Ok(true)
    }

    fn flush(&mut self) -> Result<(), ShardError> {
        let start = self.run_start * self.vector_bytes();
        self.file.write_all_at(&self.run, start).map_err(scratch_error)?;
        self.run.clear();
        Ok(())
    }

    /// Ends the placing; returns the first document without a vector, if there is one.
    ///
    /// # Errors
    /// [`ShardError::Scratch`] where the disk is full.
    pub(super) fn finish(&mut self) -> Result<Option<u64>, ShardError> {
        self.flush()?;
        Ok(self.placed.first_zero())
    }

    /// Tells whether `num_rows` documents from `first` on have their vectors.
    pub(super) fn holds(&self, first: u64, num_rows: u64) -> bool {
        (first..first + num_rows).all(|row| self.placed.get(row))
    }

    /// Reads the vectors of `num_rows` documents from `first` on.
    ///
    /// # Errors
    /// [`ShardError::Scratch`].
    pub(super) fn read(&self, first: u64, num_rows: usize) -> Result<Vectors, ShardError> {
        let (mut values, mut bytes) = (Vec::with_capacity(num_rows * self.dim), vec![0; self.dim * 4]);
        for row in first..first + num_rows as u64 {
            self.file.read_exact_at(&mut bytes, row * self.vector_bytes()).map_err(scratch_error)?;
            values.extend(bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)));
        }
        Ok(Vectors::new(self.dim, values))
    }
}
