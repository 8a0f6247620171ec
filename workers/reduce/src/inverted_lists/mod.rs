//! Portions of labelled vectors → inverted lists: the vectors of each cluster as IEEE half floats, in memory or in a file.
//!
//! A [`Portion`] holds consecutive rows of the corpus sorted by label; [`ListsBuilder`] stores portion after portion, and
//! [`InvertedLists`] reads a cluster's rows back in ascending order, in blocks of bounded size. Halves are rounded to
//! nearest even, the codes of FAISS's `SQfp16`.
//!
//! Invariant: what is read is what was added. Each chunk in a file carries a checksum that every reading verifies, so a file
//! that was changed or cut is an error and never other vectors.
//!
//! Leaves to others: labels, the gathering of portions, and what the lists are read for.

mod portion;
mod storage;
#[cfg(test)]
mod tests;

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::Array2;
use strata_shared::exit::{Classify, Exit};

pub use portion::{PORTION_BYTES, Portion, PortionList};
use storage::Storage;

/// Rows of one list and portion that are read, and verified, at once: 384 KiB of halves at 384 dimensions.
const CHUNK_ROWS: usize = 512;

/// Where inverted lists are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory: two bytes a dimension of each row.
    Memory,
    /// In a file without a name in this folder, which is there already; it goes with the lists, or with the process.
    Folder(PathBuf),
}

/// Why inverted lists could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ListsError {
    /// The folder does not take or give back what it should.
    #[error("{}: inverted lists cannot be {doing} here; --scratch names another folder", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file gives back other bytes than it was given.
    #[error("{}: inverted lists at byte {offset} are not what was written; --scratch names another folder", folder.display())]
    Changed {
        /// The folder.
        folder: PathBuf,
        /// Where in the file.
        offset: u64,
    },
    /// Portions that do not make up the corpus.
    #[error("a portion of {len} rows begins at row {found}, expected one at row {expected} of {num_rows}")]
    Rows {
        /// The portion's first row.
        found: usize,
        /// Its rows.
        len: usize,
        /// The first row that was not there yet.
        expected: usize,
        /// The rows of the corpus.
        num_rows: usize,
    },
}

impl Classify for ListsError {
    fn exit(&self) -> Exit {
        use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::Io { source, .. } => match source.kind() {
                NotFound | NotADirectory | PermissionDenied | ReadOnlyFilesystem => Exit::Configuration,
                _ => Exit::Retry,
            },
            Self::Changed { .. } => Exit::Retry,
            Self::Rows { .. } => Exit::Data,
        }
    }
}

/// Some rows of one portion and one label, at most [`CHUNK_ROWS`].
#[derive(Debug, Clone, Copy)]
struct Chunk {
    label: u32,
    /// Its first place in the portion.
    start: u32,
}

/// What is known of a stored portion beside its codes.
#[derive(Debug)]
struct Stored {
    first_row: usize,
    /// Rows in the order of their codes, as offsets from the first.
    offsets: Vec<u32>,
    /// In the order of their places, with one after the last.
    chunks: Vec<Chunk>,
}

impl Stored {
    fn new(portion: &Portion) -> Self {
        let mut chunks = Vec::new();
        let mut start = 0;
        for list in portion.lists() {
            let end = start + list.len();
            chunks.extend(
                (start..end).step_by(CHUNK_ROWS).map(|at| Chunk { label: list.label as u32, start: at as u32 }),
            );
            start = end;
        }
        chunks.push(Chunk { label: u32::MAX, start: start as u32 });
        Self { first_row: portion.first_row(), offsets: portion.offsets().to_vec(), chunks }
    }

    /// The chunks of a list.
    fn of(&self, list: usize) -> Range<usize> {
        let chunks = &self.chunks[..self.chunks.len() - 1];
        let start = chunks.partition_point(|chunk| (chunk.label as usize) < list);
        start..chunks.partition_point(|chunk| chunk.label as usize <= list)
    }

    /// The places of a chunk's rows.
    fn places(&self, chunk: usize) -> Range<usize> {
        self.chunks[chunk].start as usize..self.chunks[chunk + 1].start as usize
    }

    /// The chunk of a list that holds an offset.
    fn chunk_of(&self, list: usize, offset: u32) -> usize {
        let chunks = self.of(list);
        chunks.start + self.chunks[chunks].partition_point(|chunk| self.offsets[chunk.start as usize] <= offset) - 1
    }
}

/// Inverted lists that portions are still added to.
#[derive(Debug)]
pub struct ListsBuilder {
    lists: InvertedLists,
    num_rows: usize,
}

impl ListsBuilder {
    /// Begins `num_lists` empty lists of vectors of `dim` dimensions, for a corpus of `num_rows`.
    ///
    /// # Errors
    /// [`ListsError::Io`] if the folder takes no file.
    pub fn new(num_lists: usize, dim: usize, num_rows: usize, place: Place) -> Result<Self, ListsError> {
        let storage = Storage::new(place)?;
        let lens = vec![0; num_lists];
        let lists = InvertedLists { dim, num_rows: 0, lens, max_error: 0.0, portions: Vec::new(), storage };
        Ok(Self { lists, num_rows })
    }

    /// Adds the next rows.
    ///
    /// # Errors
    /// [`ListsError::Io`] if they cannot be stored, [`ListsError::Rows`] if they are not the next rows of the corpus.
    ///
    /// # Panics
    /// If a label is not below the number of lists, or the vectors have other dimensions.
    pub fn add(&mut self, portion: &Portion) -> Result<(), ListsError> {
        let (lists, found, len) = (&mut self.lists, portion.first_row(), portion.len());
        if found != lists.num_rows || found + len > self.num_rows {
            return Err(ListsError::Rows { found, len, expected: lists.num_rows, num_rows: self.num_rows });
        }
        assert_eq!(portion.codes().len(), len * lists.dim, "vectors of {} dimensions", lists.dim);
        let stored = Stored::new(portion);
        lists.storage.add(portion.codes(), &stored, lists.dim)?;
        portion.lists().for_each(|list| lists.lens[list.label as usize] += list.len());
        lists.portions.push(stored);
        lists.num_rows += len;
        lists.max_error = lists.max_error.max(portion.max_error());
        Ok(())
    }

    /// Ends the lists.
    ///
    /// # Errors
    /// [`ListsError::Rows`] if the corpus has more rows than were added.
    pub fn finish(self) -> Result<InvertedLists, ListsError> {
        let (found, expected) = (self.lists.num_rows, self.num_rows);
        if found != expected {
            return Err(ListsError::Rows { found, len: 0, expected, num_rows: expected });
        }
        Ok(self.lists)
    }
}

/// The vectors of every cluster.
#[derive(Debug)]
pub struct InvertedLists {
    dim: usize,
    num_rows: usize,
    lens: Vec<usize>,
    max_error: f64,
    portions: Vec<Stored>,
    storage: Storage,
}

/// Some rows of a list.
#[derive(Debug, Clone, Copy)]
pub struct ListBlock<'a> {
    /// Their global rows, ascending.
    pub rows: &'a [usize],
    /// Their vectors, `[rows, dim]` row-major.
    pub codes: &'a [f16],
}

impl InvertedLists {
    /// Returns the dimensions of each vector.
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the rows of all lists.
    #[must_use]
    pub const fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// Returns the number of lists, empty ones included.
    #[must_use]
    pub fn num_lists(&self) -> usize {
        self.lens.len()
    }

    /// Returns the number of rows of a list.
    ///
    /// # Panics
    /// If there is no such list.
    #[must_use]
    pub fn len(&self, list: usize) -> usize {
        self.lens[list]
    }

    /// Tells whether there are no rows at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.num_rows == 0
    }

    /// Returns the greatest L2 norm of the difference between a row's vector and its halves, rounded up.
    #[must_use]
    pub const fn max_error(&self) -> f64 {
        self.max_error
    }

    /// Shows a list in ascending order of rows, `max_rows` ≥ 1 at a time and fewer at its end, until `visit` breaks off.
    ///
    /// # Errors
    /// [`ListsError::Io`] and [`ListsError::Changed`] if the lists are in a file that does not give them back.
    pub fn read(
        &self,
        list: usize,
        max_rows: usize,
        visit: &mut dyn FnMut(ListBlock<'_>) -> ControlFlow<()>,
    ) -> Result<(), ListsError> {
        let (mut rows, mut codes, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
        for (portion, stored) in self.portions.iter().enumerate() {
            for chunk in stored.of(list) {
                let mut places = stored.places(chunk);
                let mut unread = self.storage.chunk(portion, chunk, places.clone(), self.dim, &mut buffer)?;
                while !places.is_empty() {
                    let taken = places.len().min(max_rows - rows.len());
                    let (now, later) = unread.split_at(taken * self.dim);
                    codes.extend_from_slice(now);
                    rows.extend(places.by_ref().take(taken).map(|at| stored.first_row + stored.offsets[at] as usize));
                    unread = later;
                    if rows.len() == max_rows {
                        if visit(ListBlock { rows: &rows, codes: &codes }).is_break() {
                            return Ok(());
                        }
                        rows.clear();
                        codes.clear();
                    }
                }
            }
        }
        if !rows.is_empty() {
            let _ = visit(ListBlock { rows: &rows, codes: &codes });
        }
        Ok(())
    }

    /// Returns the codes of `rows`, in their order, `[rows, dim]` row-major; `list_of` tells the list of a row.
    ///
    /// # Errors
    /// As [`Self::read`].
    ///
    /// # Panics
    /// If a row is not in the list that it is said to be in.
    pub fn codes(&self, rows: &[usize], list_of: &dyn Fn(usize) -> usize) -> Result<Vec<f16>, ListsError> {
        let mut wanted: Vec<Wanted> = rows.iter().enumerate().map(|(at, &row)| self.find(at, row, list_of)).collect();
        wanted.sort_unstable_by_key(|wanted| (wanted.portion, wanted.chunk, wanted.offset));
        let mut codes = vec![f16::ZERO; rows.len() * self.dim];
        let mut buffer = Vec::new();
        for same in wanted.chunk_by(|left, right| (left.portion, left.chunk) == (right.portion, right.chunk)) {
            let Wanted { portion, chunk, .. } = same[0];
            let (stored, places) = (&self.portions[portion], self.portions[portion].places(chunk));
            let offsets = &stored.offsets[places.clone()];
            let found = self.storage.chunk(portion, chunk, places, self.dim, &mut buffer)?;
            for &Wanted { at, offset, .. } in same {
                let place = offsets.binary_search(&offset).expect("each row is in its list");
                let vector = &found[place * self.dim..][..self.dim];
                codes[at * self.dim..][..self.dim].copy_from_slice(vector);
            }
        }
        Ok(codes)
    }

    /// Finds where the codes of a row lie; `at` is its place among those that are asked for.
    fn find(&self, at: usize, row: usize, list_of: &dyn Fn(usize) -> usize) -> Wanted {
        let portion = self.portions.partition_point(|stored| stored.first_row <= row) - 1;
        let stored = &self.portions[portion];
        let offset = (row - stored.first_row) as u32;
        Wanted { portion, chunk: stored.chunk_of(list_of(row), offset), offset, at }
    }
}

/// A row that is asked for, and where it lies.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    portion: usize,
    chunk: usize,
    offset: u32,
    at: usize,
}

/// Turns codes into vectors, `[rows, dim]`.
///
/// # Panics
/// If the codes are not a whole number of vectors of `dim` dimensions.
#[must_use]
pub fn decode(codes: &[f16], dim: usize) -> Array2<f32> {
    let mut values = vec![0.0; codes.len()];
    codes.convert_to_f32_slice(&mut values);
    Array2::from_shape_vec((codes.len() / dim.max(1), dim), values).expect("a whole number of vectors")
}
