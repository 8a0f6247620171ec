//! Objects of a run → the store, each remembered with its size and sha256 for the record.

use std::path::Path as FilePath;

use object_store::path::Path;
use sha2::{Digest, Sha256};
use strata_shared::digest;
use strata_shared::exit::Failure;
use strata_shared::layout::{self, RunName};
use strata_shared::run_record::OutputEntry;
use strata_shared::store::{Store, StoreError};

use crate::config::{ReduceError, on_blocking_thread};

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
        self.put_at(&layout::in_run(&self.run, file), bytes).await
    }

    /// Writes the labels of shard `index`.
    ///
    /// # Errors
    /// [`StoreError`]; the object is then not remembered.
    pub async fn put_labels(&mut self, index: usize, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.put_at(&layout::labels(&self.run, index), bytes).await
    }

    async fn put_at(&mut self, key: &Path, bytes: Vec<u8>) -> Result<(), StoreError> {
        let entry = OutputEntry { key: key.to_string(), bytes: bytes.len() as u64, sha256: digest::sha256_hex(&bytes) };
        self.store.put(key, bytes).await?;
        self.written.push(entry);
        Ok(())
    }

    /// Writes a local file as one object of the run.
    ///
    /// # Errors
    /// [`StoreError`], or the file cannot be read.
    pub async fn put_file(&mut self, file: &str, path: &FilePath) -> Result<(), Failure> {
        let (key, local) = (layout::in_run(&self.run, file), path.to_owned());
        let (bytes, sha256) = on_blocking_thread(move || hash_file(&local)).await?;
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

fn hash_file(path: &FilePath) -> Result<(u64, String), Failure> {
    let mut hasher = Sha256::new();
    let copied = std::fs::File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    let bytes = copied.map_err(|error| ReduceError::System { what: "reading back the index", source: error.into() })?;
    Ok((bytes, digest::finish(hasher)))
}
