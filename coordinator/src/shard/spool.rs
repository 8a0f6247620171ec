//! Bytes of unknown length → one object, hashed as they are written: small ones in memory, large ones on scratch disk.
//!
//! Invariant: nothing reaches the store before all bytes are there; scratch files are for their owner alone and go with
//! the spool.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use object_store::path::Path as Key;
use sha2::{Digest, Sha256};
use strata_shared::digest;
use strata_shared::store::Store;
use tempfile::{NamedTempFile, TempPath};

use super::error::ShardError;

/// Up to this size bytes stay in memory; raw shards of 10,000 abstracts take some 4 MB.
const MEMORY_BYTES: usize = 12 << 20;

/// Creates a file in the system's folder for such files (`TMPDIR`), without a name and for its owner alone: it goes with
/// its handle even if the process is killed.
///
/// # Errors
/// [`ShardError::Scratch`].
pub(super) fn scratch_file() -> Result<File, ShardError> {
    tempfile::tempfile().map_err(scratch_error)
}

/// Wraps an error about a scratch file.
pub(super) fn scratch_error(source: io::Error) -> ShardError {
    ShardError::Scratch { path: std::env::temp_dir().display().to_string(), source }
}

/// Collects the bytes of one object.
#[derive(Debug)]
pub(super) struct Spool {
    memory: Vec<u8>,
    spilled: Option<BufWriter<NamedTempFile>>,
    hasher: Sha256,
    bytes: u64,
}

/// An object's bytes, complete.
#[derive(Debug)]
pub(super) struct Spooled {
    memory: Vec<u8>,
    file: Option<TempPath>,
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

    fn spill(&mut self) -> io::Result<&mut BufWriter<NamedTempFile>> {
        let mut writer = match self.spilled.take() {
            Some(writer) => writer,
            None => BufWriter::new(NamedTempFile::new()?),
        };
        writer.write_all(&std::mem::take(&mut self.memory))?;
        Ok(self.spilled.insert(writer))
    }

    /// Completes the object.
    ///
    /// # Errors
    /// [`ShardError::Scratch`] where the scratch disk is full.
    pub(super) fn finish(self) -> Result<Spooled, ShardError> {
        let file = match self.spilled {
            Some(writer) => {
                Some(writer.into_inner().map_err(|error| scratch_error(error.into_error()))?.into_temp_path())
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
            Some(file) => store.put_file(key, &file).await?,
            None => store.put(key, self.memory).await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_spilled_is_for_its_owner_alone() {
        let mut spool = Spool::new();
        spool.write_all(b"ab").unwrap();
        spool.write_all(&vec![b'c'; MEMORY_BYTES]).unwrap();
        let spooled = spool.finish().unwrap();
        let file = spooled.file.expect("more than memory may hold");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read(&file).unwrap().starts_with(b"abccc"));
        assert_eq!(spooled.bytes, MEMORY_BYTES as u64 + 2);
    }
}
