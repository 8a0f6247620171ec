//! Objects of a run → the store, each remembered with its size and sha256 for the record.

use std::path::Path as FilePath;

use sha2::{Digest, Sha256};
use strata_shared::digest;
use strata_shared::exit::Failure;
use strata_shared::layout::{self, RunName};
use strata_shared::run_record::OutputEntry;
use strata_shared::store::{Store, StoreError};

use crate::config::ReduceError;

/// What a run has written so far.
#[derive(Debug)]
pub struct Outputs {
    store: Store,
    run: RunName,
    written: Vec<OutputEntry>,
}

impl Outputs {
    /// Starts with nothing written.
    #[must_use]
    pub const fn new(store: Store, run: RunName) -> Self {
        Self { store, run, written: Vec::new() }
    }

    /// Writes one object of the run; `file` is its key below the run's folder.
    ///
    /// # Errors
    /// [`StoreError`]; the object is then not remembered.
    pub async fn put(&mut self, file: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let key = layout::in_run(&self.run, file);
        let entry = OutputEntry { key: key.to_string(), bytes: bytes.len() as u64, sha256: digest::sha256_hex(&bytes) };
        self.store.put(&key, bytes).await?;
        self.written.push(entry);
        Ok(())
    }

    /// Writes the labels of shard `index`.
    ///
    /// # Errors
    /// [`StoreError`]; the object is then not remembered.
    pub async fn put_labels(&mut self, index: usize, bytes: Vec<u8>) -> Result<(), StoreError> {
        let key = layout::labels(&self.run, index);
        let file = key.as_ref().trim_start_matches(layout::run(&self.run).as_ref()).trim_start_matches('/');
        self.put(file, bytes).await
    }

    /// Writes a local file as one object of the run.
    ///
    /// # Errors
    /// [`StoreError`], or the file cannot be read.
    pub async fn put_file(&mut self, file: &str, path: &FilePath) -> Result<(), Failure> {
        let key = layout::in_run(&self.run, file);
        let (bytes, sha256) = hash_file(path)
            .map_err(|error| ReduceError::System { what: "reading back the index", source: error.into() })?;
        self.store.put_file(&key, path).await?;
        self.written.push(OutputEntry { key: key.to_string(), bytes, sha256 });
        Ok(())
    }

    /// Returns what was written, in key order.
    #[must_use]
    pub fn finish(mut self) -> Vec<OutputEntry> {
        self.written.sort_by(|a, b| a.key.cmp(&b.key));
        self.written
    }
}

fn hash_file(path: &FilePath) -> std::io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let bytes = std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok((bytes, digest::finish(hasher)))
}
