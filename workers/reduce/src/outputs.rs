//! Objects of a run → the store, each remembered with its size and sha256 for the record.
//!
//! Invariant: nothing appears in a folder that somebody has taken for another question: right before each object is written,
//! the claim to the folder is confirmed.

use std::path::Path as FilePath;

use bytes::Bytes;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use strata_shared::digest;
use strata_shared::exit::Failure;
use strata_shared::layout;
use strata_shared::run_record::OutputEntry;
use strata_shared::store::PART_BYTES;
use tokio::sync::mpsc;

use crate::checkpoint::Claim;
use crate::config::{ReduceError, on_blocking_thread};
use crate::meter::Meter;

/// Parts of an upload that wait for the store.
const PARTS_AHEAD: usize = 1;

/// What a run has written so far.
#[derive(Debug)]
pub struct Outputs {
    claim: Claim,
    written: Vec<OutputEntry>,
    meter: Meter,
}

impl Outputs {
    /// Starts with nothing written.
    #[must_use]
    pub const fn new(claim: Claim, meter: Meter) -> Self {
        Self { claim, written: Vec::new(), meter }
    }

    fn key(&self, file: &str) -> Path {
        layout::in_run(self.claim.run(), file)
    }

    /// Writes one object of the run; `file` is its key below the run's folder.
    ///
    /// # Errors
    /// As [`Claim::confirm`]; the object is then not remembered.
    pub async fn put(&mut self, file: &str, bytes: Vec<u8>) -> Result<OutputEntry, Failure> {
        self.put_at(&self.key(file), bytes).await
    }

    /// Writes the labels of the shard of this number.
    ///
    /// # Errors
    /// As [`Claim::confirm`]; the object is then not remembered.
    pub async fn put_labels(&mut self, number: usize, bytes: Vec<u8>) -> Result<(), Failure> {
        self.put_at(&layout::labels(self.claim.run(), number), bytes).await?;
        Ok(())
    }

    async fn put_at(&mut self, key: &Path, bytes: Vec<u8>) -> Result<OutputEntry, Failure> {
        let entry = OutputEntry { key: key.to_string(), bytes: bytes.len() as u64, sha256: digest::sha256_hex(&bytes) };
        self.claim.confirm().await?;
        self.claim.store().put(key, bytes).await?;
        self.meter.wrote(entry.bytes);
        self.remember(entry.clone());
        Ok(entry)
    }

    /// Begins one object of the run that is written part by part.
    #[must_use]
    pub fn begin(&self, file: &str) -> Upload {
        Upload { claim: self.claim.clone(), key: self.key(file), meter: self.meter.clone() }
    }

    /// Remembers what an upload, or an earlier reduce, has written.
    pub fn remember(&mut self, entry: OutputEntry) {
        self.written.push(entry);
    }

    /// Returns how many objects are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.written.len()
    }

    /// Tells whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Returns the objects remembered after the first `num_earlier`.
    #[must_use]
    pub fn since(&self, num_earlier: usize) -> Vec<OutputEntry> {
        self.written[num_earlier..].to_vec()
    }

    /// Returns the keys of all labels that are remembered, in shard order.
    #[must_use]
    pub fn labels(&self) -> Vec<Path> {
        let mut keys: Vec<Path> = self.written.iter().map(|output| Path::from(output.key.as_str())).collect();
        keys.retain(layout::is_labels);
        keys.sort();
        keys
    }

    /// Writes a local file as one object of the run.
    ///
    /// # Errors
    /// As [`Claim::confirm`], or the file cannot be read.
    pub async fn put_file(&mut self, file: &str, path: &FilePath) -> Result<OutputEntry, Failure> {
        let (key, local) = (self.key(file), path.to_owned());
        let (bytes, sha256) = on_blocking_thread(move || hash_file(&local)).await?;
        self.claim.confirm().await?;
        self.claim.store().put_file(&key, path).await?;
        self.meter.wrote(bytes);
        let entry = OutputEntry { key: key.to_string(), bytes, sha256 };
        self.remember(entry.clone());
        Ok(entry)
    }

    /// Returns what was written, in key order.
    #[must_use]
    pub fn finish(mut self) -> Vec<OutputEntry> {
        self.written.sort_by(|a, b| a.key.cmp(&b.key));
        self.written
    }
}

/// An object of the run that is written part by part, beside others.
#[derive(Debug)]
pub struct Upload {
    claim: Claim,
    key: Path,
    meter: Meter,
}

impl Upload {
    /// Writes what `make` pushes, on a thread that may block, as one object.
    ///
    /// # Errors
    /// What `make` fails with, or the store; nothing appears then.
    pub async fn write(
        self,
        make: impl FnOnce(&mut Parts) -> Result<(), Failure> + Send + 'static,
    ) -> Result<OutputEntry, Failure> {
        let (sender, receiver) = mpsc::channel(PARTS_AHEAD);
        let making = on_blocking_thread(move || {
            let mut parts = Parts::new(sender);
            match make(&mut parts) {
                Ok(()) => Ok(Some(parts.finish())),
                Err(failure) => {
                    parts.fail(failure);
                    Ok(None)
                }
            }
        });
        let claim = &self.claim;
        let waiting = futures::stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(part) => Some((part, Some(receiver))),
                // The object appears once there are no more parts: an error in their place keeps it from that.
                None => claim.confirm().await.err().map(|taken| (Err(taken), None)),
            }
        });
        let (written, finished) = tokio::join!(claim.store().put_parts(&self.key, waiting), making);
        written?;
        let (bytes, sha256) = finished?.ok_or_else(|| ReduceError::stage("upload", "ended early"))?;
        self.meter.wrote(bytes);
        Ok(OutputEntry { key: self.key.to_string(), bytes, sha256 })
    }
}

/// Takes the bytes of an object in any helpings, and hands them on in parts.
#[derive(Debug)]
pub struct Parts {
    hasher: Sha256,
    bytes: u64,
    /// What makes up the next part.
    waiting: Vec<u8>,
    /// All parts are sent, or why there are no more; dropped before that, an object that breaks off must not appear.
    is_ended: bool,
    sender: mpsc::Sender<Result<Bytes, Failure>>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        if !self.is_ended {
            self.fail(ReduceError::stage("upload", "ended early").into());
        }
    }
}

impl Parts {
    fn new(sender: mpsc::Sender<Result<Bytes, Failure>>) -> Self {
        Self { hasher: Sha256::new(), bytes: 0, waiting: Vec::with_capacity(PART_BYTES), is_ended: false, sender }
    }

    /// Sends what is left; returns the number of all bytes and their sha256.
    fn finish(mut self) -> (u64, String) {
        self.flush();
        self.is_ended = true;
        (self.bytes, digest::finish(std::mem::take(&mut self.hasher)))
    }

    /// Appends bytes; they go nowhere once the store has failed, which says why itself.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PART_BYTES - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == PART_BYTES {
                self.flush();
            }
        }
    }

    /// Tells whether nobody takes the parts any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn flush(&mut self) {
        self.hasher.update(&self.waiting);
        self.bytes += self.waiting.len() as u64;
        let part = std::mem::replace(&mut self.waiting, Vec::with_capacity(PART_BYTES));
        if !part.is_empty() {
            let _ = self.sender.blocking_send(Ok(part.into()));
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.is_ended = true;
        let _ = self.sender.blocking_send(Err(failure));
    }
}

fn hash_file(path: &FilePath) -> Result<(u64, String), Failure> {
    let mut hasher = Sha256::new();
    let copied = std::fs::File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
    let bytes = copied.map_err(|source| ReduceError::ReadBack { file: path.display().to_string(), source })?;
    Ok((bytes, digest::finish(hasher)))
}
