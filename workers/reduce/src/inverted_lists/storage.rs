//! The codes of portions, in memory or in a file: written in order, read chunk by chunk.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use half::f16;
use xxhash_rust::xxh3::xxh3_64;

use super::{ListsError, Place, Stored};

/// Bytes of a code.
const CODE_BYTES: usize = size_of::<f16>();

/// Where the codes of the portions added so far are.
#[derive(Debug)]
pub(super) enum Storage {
    /// The codes of each portion.
    Memory(Vec<Vec<f16>>),
    /// One after the other in a file.
    File(ScratchFile),
}

/// A file without a name, little-endian halves in it.
#[derive(Debug)]
pub(super) struct ScratchFile {
    folder: PathBuf,
    file: File,
    portions: Vec<Written>,
    bytes: u64,
}

/// Where a portion begins, and the checksum of each of its chunks.
#[derive(Debug)]
struct Written {
    offset: u64,
    checksums: Vec<u64>,
}

impl Storage {
    /// Finds room.
    pub(super) fn new(place: Place) -> Result<Self, ListsError> {
        Ok(match place {
            Place::Memory => Self::Memory(Vec::new()),
            Place::Folder(folder) => Self::File(ScratchFile::new(folder)?),
        })
    }

    /// Stores the codes of the next portion.
    pub(super) fn add(&mut self, codes: &[f16], stored: &Stored, dim: usize) -> Result<(), ListsError> {
        match self {
            Self::Memory(portions) => portions.push(codes.to_vec()),
            Self::File(file) => file.add(codes, stored, dim)?,
        }
        Ok(())
    }

    /// Reads the codes of a chunk, which has the given places in its portion; `buffer` is for those from a file.
    pub(super) fn chunk<'a>(
        &'a self,
        portion: usize,
        chunk: usize,
        places: Range<usize>,
        dim: usize,
        buffer: &'a mut Vec<f16>,
    ) -> Result<&'a [f16], ListsError> {
        match self {
            Self::Memory(portions) => Ok(&portions[portion][places.start * dim..places.end * dim]),
            Self::File(file) => file.chunk(&file.portions[portion], chunk, places, dim, buffer),
        }
    }
}

impl ScratchFile {
    fn new(folder: PathBuf) -> Result<Self, ListsError> {
        match tempfile::tempfile_in(&folder) {
            Ok(file) => Ok(Self { folder, file, portions: Vec::new(), bytes: 0 }),
            Err(source) => Err(ListsError::Io { folder, doing: "kept", source }),
        }
    }

    fn add(&mut self, codes: &[f16], stored: &Stored, dim: usize) -> Result<(), ListsError> {
        let mut bytes = vec![0; codes.len() * CODE_BYTES];
        for (bytes, code) in bytes.as_chunks_mut::<CODE_BYTES>().0.iter_mut().zip(codes) {
            *bytes = code.to_le_bytes();
        }
        let row_bytes = dim * CODE_BYTES;
        let checksums = (0..stored.chunks.len() - 1).map(|chunk| {
            let places = stored.places(chunk);
            xxh3_64(&bytes[places.start * row_bytes..places.end * row_bytes])
        });
        self.portions.push(Written { offset: self.bytes, checksums: checksums.collect() });
        self.bytes += bytes.len() as u64;
        self.file.write_all(&bytes).map_err(|source| self.failed("written", source))
    }

    fn chunk<'a>(
        &self,
        portion: &Written,
        chunk: usize,
        places: Range<usize>,
        dim: usize,
        buffer: &'a mut Vec<f16>,
    ) -> Result<&'a [f16], ListsError> {
        let mut bytes = vec![0; places.len() * dim * CODE_BYTES];
        let offset = portion.offset + (places.start * dim * CODE_BYTES) as u64;
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) if xxh3_64(&bytes) == portion.checksums[chunk] => {}
            Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(self.failed("read", error));
            }
            _ => return Err(ListsError::Changed { folder: self.folder.clone(), offset }),
        }
        buffer.clear();
        buffer.extend(bytes.as_chunks::<CODE_BYTES>().0.iter().map(|&code| f16::from_le_bytes(code)));
        Ok(buffer)
    }

    fn failed(&self, doing: &'static str, source: std::io::Error) -> ListsError {
        ListsError::Io { folder: self.folder.clone(), doing, source }
    }

    /// The file itself, for tests that harm it.
    #[cfg(test)]
    pub(super) fn file(&self) -> &File {
        &self.file
    }
}
