//! Bytes of unknown length → one object, hashed as they are written: small ones in memory, large ones on scratch disk.
//!
//! Invariant: nothing reaches the store before all bytes are there, and the scratch file goes with the spool.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::path::Path as Key;
use sha2::{Digest, Sha256};
use strata_shared::digest;
use strata_shared::store::Store;

use super::error::ShardError;

/// Up to this size bytes stay in memory; raw shards of 10,000 abstracts take some 4 MB.
const MEMORY_BYTES: usize = 12 << 20;

/// A file in the system's folder for such files (`TMPDIR`), removed when this is dropped.
#[derive(Debug)]
pub(super) struct ScratchFile {
    path: PathBuf,
}

impl ScratchFile {
    /// Creates an empty file that no other program has.
    ///
    /// # Errors
    /// [`ShardError::Scratch`].
    pub(super) fn create() -> Result<(Self, File), ShardError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("strata-shard-{}-{count}", std::process::id()));
            match File::options().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Self { path }, file)),
                // Left by a killed process of the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(scratch_error(source)),
            }
        }
    }

    /// Creates an empty file that has no name any more, so that it goes with its handle even if the process is killed.
    ///
    /// # Errors
    /// [`ShardError::Scratch`].
    pub(super) fn unnamed() -> Result<File, ShardError> {
        Self::create().map(|(_, file)| file)
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Wraps an error about a scratch file.
pub(super) fn scratch_error(source: io::Error) -> ShardError {
    ShardError::Scratch { path: std::env::temp_dir().display().to_string(), source }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // Nobody is left to tell, and the system clears this folder.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Collects the bytes of one object.
#[derive(Debug)]
pub(super) struct Spool {
    memory: Vec<u8>,
    spilled: Option<(ScratchFile, BufWriter<File>)>,
    hasher: Sha256,
    bytes: u64,
}

/// An object's bytes, complete.
#[derive(Debug)]
pub(super) struct Spooled {
    memory: Vec<u8>,
    file: Option<ScratchFile>,
    /// How many there are.
    pub(super) bytes: u64,
    /// Their sha256.
    pub(super) sha256: String,
}

impl Spool {
    /// Returns an empty spool.
    pub(super) fn new() -> Self {
        Self { memory: Vec::new(), spilled: None, hasher: Sha256::new(), bytes: 0 }
    }

    fn spill(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.spilled.is_none() {
            let (scratch, file) = ScratchFile::create().map_err(io::Error::other)?;
            let mut writer = BufWriter::new(file);
            writer.write_all(&std::mem::take(&mut self.memory))?;
            self.spilled = Some((scratch, writer));
        }
        self.spilled.as_mut().map(|(_, writer)| writer).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Completes the object.
    ///
    /// # Errors
    /// [`ShardError::Scratch`] where the scratch disk is full.
    pub(super) fn finish(self) -> Result<Spooled, ShardError> {
        let file = match self.spilled {
            Some((scratch, mut writer)) => {
                writer.flush().map_err(scratch_error)?;
                Some(scratch)
            }
            None => None,
        };
        Ok(Spooled { memory: self.memory, file, bytes: self.bytes, sha256: digest::finish(self.hasher) })
    }
}

impl Write for Spool {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.spilled.is_some() || self.memory.len() + buffer.len() > MEMORY_BYTES {
            self.spill()?.write_all(buffer)?;
        } else {
            self.memory.extend_from_slice(buffer);
        }
        self.hasher.update(buffer);
        self.bytes += buffer.len() as u64;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Spooled {
    /// Writes the object under `key`.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn put(self, store: &Store, key: &Key) -> Result<(), ShardError> {
        match self.file {
            Some(file) => store.put_file(key, file.path()).await?,
            None => store.put(key, self.memory).await?,
        }
        Ok(())
    }
}
