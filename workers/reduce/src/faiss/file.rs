//! The shape of an index → the bytes that stand in its FAISS file before the vectors.
//!
//! FAISS writes the empty index; the number of its vectors is put in, and the sizes of its lists. Whoever appends the
//! vectors then has the file that FAISS would write of an index to which the same rows were added in their order (a test
//! compares the two; halves are rounded to nearest even, as FAISS does where the processor has instructions for it), and
//! neither FAISS nor a copy of the vectors is ever in memory.
//!
//! Format: `faiss/impl/index_write.cpp`: `write_index_header`, and `write_InvertedLists` (`ilar`, the numbers of lists and of
//! bytes in a code, the sizes of all lists, or of the non-empty ones if they are at most half; then each list's codes and
//! its ids, 64 bits each).

use std::path::Path;

use ::faiss::index::io::write_index;
use half::f16;
use ndarray::{Array2, ArrayView2};

use super::builder::set_nprobe;
use super::{FaissError, IndexPlan};

/// Where a header has the number of vectors: after four letters and the dimensions.
const NUM_ROWS_AT: usize = 8;

/// The codes of an empty flat index: their number, 0.
const EMPTY_CODES: [u8; 8] = [0; 8];

/// Returns what stands before the float32 vectors of a flat index.
///
/// # Errors
/// [`FaissError::Factory`], [`FaissError::Write`] or [`FaissError::ReadBack`] where FAISS does not make or write the empty
/// index in the folder `scratch`.
pub fn flat_header(plan: &IndexPlan, scratch: &Path) -> Result<Vec<u8>, FaissError> {
    let mut header = empty_index(plan, Array2::zeros((0, plan.dim)).view(), scratch, &EMPTY_CODES)?;
    push(&mut header, plan.num_rows * plan.dim);
    Ok(header)
}

/// Returns what stands before the first list's codes (float16) and ids.
///
/// `centroids`, `[k, dim]`, are the lists' quantizer, `sizes` the rows of each list.
///
/// # Errors
/// As [`flat_header`].
pub fn list_header(
    plan: &IndexPlan,
    centroids: ArrayView2<'_, f32>,
    sizes: &[usize],
    scratch: &Path,
) -> Result<Vec<u8>, FaissError> {
    let mut lists = b"ilar".to_vec();
    push(&mut lists, sizes.len());
    push(&mut lists, plan.dim * size_of::<f16>());
    let mut empty = [lists.as_slice(), b"sprs"].concat();
    push(&mut empty, 0);
    let mut header = empty_index(plan, centroids, scratch, &empty)?;
    header.extend(lists);
    let filled: Vec<(usize, usize)> = sizes.iter().copied().enumerate().filter(|(_, size)| *size > 0).collect();
    let is_dense = filled.len() > sizes.len() / 2;
    header.extend(if is_dense { b"full" } else { b"sprs" });
    let numbers =
        if is_dense { sizes.to_vec() } else { filled.into_iter().flat_map(|(list, size)| [list, size]).collect() };
    push(&mut header, numbers.len());
    numbers.into_iter().for_each(|number| push(&mut header, number));
    Ok(header)
}

fn push(header: &mut Vec<u8>, number: usize) {
    header.extend((number as u64).to_le_bytes());
}

/// The file of the index without a row, but with their number, and without `end`, which it ends with.
fn empty_index(
    plan: &IndexPlan,
    centroids: ArrayView2<'_, f32>,
    scratch: &Path,
    end: &[u8],
) -> Result<Vec<u8>, FaissError> {
    let folder = tempfile::tempdir_in(scratch);
    let folder = folder.map_err(|source| FaissError::ReadBack { path: scratch.to_owned(), source })?;
    let path = folder.path().join("empty.faiss");
    let write_error = |source| FaissError::Write { path: path.clone(), source };
    let index = plan.build(centroids)?;
    if let Some(nprobe) = plan.nprobe {
        set_nprobe(&index, nprobe).map_err(|source| plan.factory_error(source))?;
    }
    let name = path.to_str().ok_or_else(|| write_error(::faiss::error::Error::BadFilePath))?;
    write_index(&index, name).map_err(write_error)?;
    let mut bytes = std::fs::read(&path).map_err(|source| FaissError::ReadBack { path: path.clone(), source })?;
    // FAISS does not say that a disk was full when it closed the file.
    let Some(num_rows) = bytes.ends_with(end).then(|| bytes.get_mut(NUM_ROWS_AT..NUM_ROWS_AT + 8)).flatten() else {
        return Err(FaissError::ReadBack { path, source: std::io::ErrorKind::UnexpectedEof.into() });
    };
    num_rows.copy_from_slice(&(plan.num_rows as u64).to_le_bytes());
    bytes.truncate(bytes.len() - end.len());
    Ok(bytes)
}
