//! Where objects are laid out: read, weighed and compared with what is said of them; and what was found so far.
//!
//! Invariant: an object is read once, and decoded from the very bytes that were compared.

use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use strata_shared::digest;
use strata_shared::store::{Store, StoreError};
use strata_shared::telemetry::Progress;

use super::finding::{Finding, Problem};
use crate::inventory::{Amount, Inventory};

/// Shards that are read and decoded at once.
pub(super) const SHARDS_AT_ONCE: usize = 2;

/// How closely objects are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What names others is read; of the others, presence and size.
    Sizes,
    /// Everything is read.
    Contents,
}

/// What is said of an object by what names it.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) key: Path,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// A store that is looked over.
pub(super) struct Desk<'a> {
    pub(super) store: &'a Store,
    pub(super) inventory: &'a Inventory,
    pub(super) depth: Depth,
    findings: Vec<Finding>,
    read: Amount,
    progress: Option<Progress>,
}

impl<'a> Desk<'a> {
    pub(super) const fn new(store: &'a Store, inventory: &'a Inventory, depth: Depth) -> Self {
        Self { store, inventory, depth, findings: Vec::new(), read: Amount { objects: 0, bytes: 0 }, progress: None }
    }

    /// Announces how many bytes are still to be read.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.progress = (self.depth == Depth::Contents).then(|| Progress::start("verify", "bytes", bytes));
    }

    pub(super) fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Counts an object that was read, or of which presence and size were looked at.
    pub(super) fn count(&mut self, key: &Path, read: u64) {
        self.read += Amount::one(read);
        if let Some(progress) = &self.progress {
            progress.advance(self.inventory.bytes(key).unwrap_or(0));
        }
    }

    /// Returns what was found, by object, and how much was looked at.
    pub(super) fn finish(mut self) -> (Vec<Finding>, Amount) {
        self.findings.sort();
        self.findings.dedup();
        (self.findings, self.read)
    }

    /// Reads a small object whole, or `None` where it is missing.
    pub(super) async fn read(&mut self, key: &Path) -> Result<Option<Bytes>, StoreError> {
        let found = self.store.get_if_present(key).await?;
        self.count(key, found.as_ref().map_or(0, |bytes| bytes.len() as u64));
        Ok(found)
    }

    /// Compares an object's presence and size with what is said of it.
    pub(super) fn weigh(&self, expected: &Expected) -> Result<(), Problem> {
        match self.inventory.bytes(&expected.key) {
            None => Err(Problem::Missing),
            Some(found) if found != expected.bytes => Err(Problem::Bytes { found, expected: expected.bytes }),
            Some(_) => Ok(()),
        }
    }
}

/// Reads an object whole and compares it with what is said of it.
///
/// # Errors
/// The store's own.
pub(super) async fn fetch(store: &Store, expected: &Expected) -> Result<Result<Bytes, Problem>, StoreError> {
    let Some(bytes) = store.get_if_present(&expected.key).await? else { return Ok(Err(Problem::Missing)) };
    let found = digest::sha256_hex(&bytes);
    if found == expected.sha256 {
        return Ok(Ok(bytes));
    }
    let size = bytes.len() as u64;
    Ok(Err(if size == expected.bytes {
        Problem::Sha256 { found, expected: expected.sha256.clone() }
    } else {
        Problem::Bytes { found: size, expected: expected.bytes }
    }))
}

/// Returns a store that holds one object, in memory: what is decoded from it is what was read.
///
/// # Errors
/// None that memory has.
pub(super) async fn alone(store: &Store, key: &Path, bytes: Bytes) -> Result<Store, StoreError> {
    let alone = Store::new(store.url(), Arc::new(InMemory::new()));
    alone.put(key, bytes).await?;
    Ok(alone)
}

/// Runs work on a thread of its own beside its like; a panic there is one here.
pub(super) async fn beside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that shuts down cancels tasks, and this one waits for them.
            Err(_) => std::future::pending().await,
        },
    }
}
