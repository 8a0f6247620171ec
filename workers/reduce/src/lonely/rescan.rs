//! Rows whose shortlists were too short → their exact nearest, by one more reading of the whole corpus.
//!
//! Blocks of the corpus are multiplied with all rows in float32, and what may be among the k nearest is settled in float64.
//! A row is out as soon as k neighbours are above the cutoff.

use std::ops::ControlFlow;

use ndarray::{ArrayView2, Axis};
use rayon::prelude::*;
use strata_shared::telemetry::Progress;

use super::exact::Rows;
use super::filter::Finalist;
use super::nearest::{NearestList, cosine, rounding_error};
use super::ranking::Ranked;
use super::{Block, LonelyError, VectorSource};
use crate::matrix::product_transposed;

/// Rows of a block that are multiplied at once; with [`CANDIDATES_AT_ONCE`] a product of 1 MiB, which stays in the cache.
const ROWS_AT_ONCE: usize = 1024;

/// Candidates that one task multiplies at once.
const CANDIDATES_AT_ONCE: usize = 256;

/// A row and the nearest found so far.
#[derive(Debug)]
struct Searched {
    row: usize,
    nearest: NearestList,
}

/// Rows and their vectors, in one order.
#[derive(Debug)]
pub(super) struct Rescan {
    searched: Vec<Searched>,
    read: Rows,
    error: f64,
    /// Places of the rows that are not above the cutoff.
    standing: Vec<usize>,
}

impl Rescan {
    /// Begins with finalists in the order in which their rows were read.
    pub(super) fn new(finalists: &[&Finalist], read: Rows, k: usize) -> Self {
        let error = rounding_error(read.vectors.ncols());
        let searched: Vec<Searched> = finalists
            .iter()
            .map(|finalist| Searched { row: finalist.row, nearest: NearestList::new(k, finalist.at_least, error) })
            .collect();
        Self { standing: (0..searched.len()).collect(), searched, read, error }
    }

    /// Compares the rows with the whole corpus until they are above `cutoff`; returns the number of pairs.
    pub(super) fn run<S: VectorSource>(&mut self, source: &S, cutoff: f64) -> Result<u64, LonelyError<S::Error>> {
        let progress = Progress::start("lonely: near-copies", "documents", source.num_rows() as u64);
        let (mut pairs, mut found, mut dim) = (0, 0, None);
        let scanned = source.scan(&mut |block| {
            found += block.vectors.nrows();
            if block.vectors.ncols() != source.dim() {
                dim = Some((block.first_row, block.vectors.ncols()));
                return ControlFlow::Break(());
            }
            pairs += self.meet(block, cutoff);
            progress.advance(block.vectors.nrows() as u64);
            ControlFlow::Continue(())
        });
        scanned.map_err(LonelyError::Source)?;
        if let Some((row, found)) = dim {
            return Err(LonelyError::Dimension { row, found, expected: source.dim() });
        }
        if found != source.num_rows() {
            return Err(LonelyError::Rows { found, expected: source.num_rows() });
        }
        Ok(pairs)
    }

    /// Compares the rows that are left with a block; returns the number of pairs.
    fn meet(&mut self, block: Block<'_>, cutoff: f64) -> u64 {
        self.standing.retain(|&place| self.searched[place].nearest.kth() <= cutoff);
        if self.standing.is_empty() {
            return 0;
        }
        let vectors = self.read.vectors.select(Axis(0), &self.standing);
        let mut places = self.standing.iter().peekable();
        let left = |(place, searched)| places.next_if(|&&next| next == place).map(|_| searched);
        let mut standing: Vec<&mut Searched> = self.searched.iter_mut().enumerate().filter_map(left).collect();
        let (error, at_once) =
            (self.error, standing.len().div_ceil(rayon::current_num_threads()).clamp(1, CANDIDATES_AT_ONCE));
        standing
            .par_chunks_mut(at_once)
            .zip(vectors.axis_chunks_iter(Axis(0), at_once).into_par_iter())
            .for_each(|(searched, vectors)| meet_rows(searched, vectors, block, error));
        (vectors.nrows() * block.vectors.nrows()) as u64
    }

    /// Returns what was found of the rows that are not above the cutoff.
    pub(super) fn finish(self, cutoff: f64) -> Vec<Ranked> {
        let Self { searched, read, mut standing, .. } = self;
        standing.retain(|&place| searched[place].nearest.kth() <= cutoff);
        let ranked = |&place: &usize| {
            let Searched { row, nearest } = &searched[place];
            Ranked::new(*row, &read.ids[place], read.vectors.row(place), nearest)
        };
        standing.iter().map(ranked).collect()
    }
}

/// Compares some rows with all rows of a block.
fn meet_rows(searched: &mut [&mut Searched], vectors: ArrayView2<'_, f32>, block: Block<'_>, error: f64) {
    for (part, tile) in block.vectors.axis_chunks_iter(Axis(0), ROWS_AT_ONCE).enumerate() {
        let products = product_transposed(vectors, tile);
        for ((searched, vector), products) in searched.iter_mut().zip(vectors.outer_iter()).zip(products.outer_iter()) {
            for (position, &product) in (part * ROWS_AT_ONCE..).zip(products) {
                let row = block.first_row + position;
                if searched.nearest.admits(product) && row != searched.row {
                    let similarity = cosine(vector, block.vectors.row(position));
                    searched.nearest.offer(similarity, row, block.ids.value(position), error);
                }
            }
        }
    }
}
