//! Consecutive rows of the corpus → the same rows sorted by label, as vectors and as halves.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// The size of a portion's vectors that callers should gather: 16,384 rows at 384 dimensions, some 40 of each of 400
/// clusters, so that a file is written in helpings of 12 MiB and read back in pieces of 30 KiB.
pub const PORTION_BYTES: usize = 24 << 20;

/// Rows that one task sorts into their places and rounds.
const ROWS_AT_ONCE: usize = 256;

/// Consecutive rows of the corpus, sorted by label, then row.
#[derive(Debug, Clone, Default)]
pub struct Portion {
    first_row: usize,
    offsets: Vec<u32>,
    /// The labels that occur, each with its first place; ascending.
    starts: Vec<(i32, usize)>,
    vectors: Array2<f32>,
    codes: Vec<f16>,
    max_error: f64,
}

/// The rows of a portion that share a label.
#[derive(Debug, Clone, Copy)]
pub struct PortionList<'a> {
    /// The label.
    pub label: i32,
    /// The portion's first row.
    pub first_row: usize,
    /// The rows, ascending, as offsets from the portion's first.
    pub offsets: &'a [u32],
    /// `[rows, dim]` in the order of `offsets`.
    pub vectors: ArrayView2<'a, f32>,
    /// The same as halves, row-major.
    pub codes: &'a [f16],
}

impl PortionList<'_> {
    /// Returns the number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Tells whether there are none, which no list of a portion is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Returns the global rows, ascending.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.offsets.iter().map(|&offset| self.first_row + offset as usize)
    }
}

impl Portion {
    /// Sorts the rows from `first_row` on, on all threads of the current rayon pool.
    ///
    /// `vectors` is `[rows, dim]`, `labels` has the label of each row, `0..num_lists`.
    ///
    /// # Panics
    /// If a label is out of range, there are not as many labels as vectors, or more than 2³² of them.
    #[must_use]
    pub fn new(first_row: usize, vectors: ArrayView2<'_, f32>, labels: &[i32], num_lists: usize) -> Self {
        let mut portion = Self::default();
        portion.refill(first_row, vectors, labels, num_lists);
        portion
    }

    /// Does what [`Self::new`] does in the memory of an earlier portion, whose content is overwritten.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn refill(&mut self, first_row: usize, vectors: ArrayView2<'_, f32>, labels: &[i32], num_lists: usize) {
        assert_eq!(vectors.nrows(), labels.len(), "one label a row");
        assert!(u32::try_from(labels.len()).is_ok(), "a portion of {} rows", labels.len());
        self.first_row = first_row;
        self.sort(labels, num_lists);
        if self.vectors.dim() != vectors.dim() {
            self.vectors = Array2::zeros(vectors.dim());
            self.codes = vec![f16::ZERO; vectors.len()];
        }
        self.fill(vectors);
    }

    /// Puts the rows' offsets in the order of their labels.
    fn sort(&mut self, labels: &[i32], num_lists: usize) {
        let mut places = vec![0; num_lists];
        labels.iter().for_each(|&label| places[label as usize] += 1);
        self.starts.clear();
        let mut start = 0;
        for (label, place) in places.iter_mut().enumerate() {
            let len = std::mem::replace(place, start);
            if len > 0 {
                self.starts.push((label as i32, start));
            }
            start += len;
        }
        self.offsets.resize(labels.len(), 0);
        for (offset, &label) in labels.iter().enumerate() {
            let place = &mut places[label as usize];
            self.offsets[*place] = offset as u32;
            *place += 1;
        }
    }

    /// Copies and rounds the vectors, which are in the order of rows.
    fn fill(&mut self, vectors: ArrayView2<'_, f32>) {
        let dim = vectors.ncols();
        let errors = self
            .offsets
            .par_chunks(ROWS_AT_ONCE)
            .zip(self.vectors.axis_chunks_iter_mut(Axis(0), ROWS_AT_ONCE).into_par_iter())
            .zip(self.codes.par_chunks_mut((ROWS_AT_ONCE * dim).max(1)))
            .map(|((offsets, mut sorted), codes)| {
                let (mut decoded, mut error) = (vec![0.0; dim], 0.0_f64);
                for (place, &offset) in offsets.iter().enumerate() {
                    let mut row = sorted.row_mut(place);
                    row.assign(&vectors.row(offset as usize));
                    let (row, codes) = (row.as_slice().unwrap_or_default(), &mut codes[place * dim..][..dim]);
                    codes.convert_from_f32_slice(row);
                    codes.convert_to_f32_slice(&mut decoded);
                    error = error.max(distance(row, &decoded));
                }
                error
            });
        self.max_error = errors.reduce(|| 0.0, f64::max);
    }

    /// Returns the global row of the first.
    #[must_use]
    pub const fn first_row(&self) -> usize {
        self.first_row
    }

    /// Returns the number of rows.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Returns the greatest L2 norm of the difference between a vector and its halves, rounded up.
    #[must_use]
    pub const fn max_error(&self) -> f64 {
        self.max_error
    }

    /// The rows in the order of their labels, as offsets from the first.
    pub(super) fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// The halves of all rows in the order of their labels.
    pub(super) fn codes(&self) -> &[f16] {
        &self.codes
    }

    /// Returns the rows of each label that occurs, in ascending order of label.
    #[must_use]
    pub fn lists(&self) -> impl ExactSizeIterator<Item = PortionList<'_>> {
        let dim = self.vectors.ncols();
        self.starts.iter().enumerate().map(move |(at, &(label, start))| {
            let end = self.starts.get(at + 1).map_or(self.len(), |&(_, next)| next);
            PortionList {
                label,
                first_row: self.first_row,
                offsets: &self.offsets[start..end],
                vectors: self.vectors.slice(s![start..end, ..]),
                codes: &self.codes[start * dim..end * dim],
            }
        })
    }
}

/// The L2 distance of a vector from its halves, rounded up.
///
/// The differences are exact in float32 (a half is within a factor of 2, or 0); squares and sums round, which
/// `dim + 2` units make up for, and may underflow by less than `1e-18` of the result.
fn distance(vector: &[f32], decoded: &[f32]) -> f64 {
    const LANES: usize = 16;
    let ((left, left_rest), (right, right_rest)) = (vector.as_chunks::<LANES>(), decoded.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += (left[lane] - right[lane]) * (left[lane] - right[lane]);
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| (left - right) * (left - right)).sum();
    let sum: f64 = sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + f64::from(rest);
    sum.sqrt() * (1.0 + f64::from(f32::EPSILON) * (vector.len() as f64 + 2.0)) + 1e-18 * vector.len() as f64
}
