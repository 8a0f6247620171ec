//! Candidates and an inverted list → the nearest rows that each finds there.
//!
//! A list is read in blocks, decoded and multiplied with all candidates that are to meet it; a candidate is out as soon as
//! k of the rows found are proven to be above the cutoff. What a candidate finds depends on what it brought along, and
//! on the list alone: neither threads nor other candidates are in it.

use std::ops::ControlFlow;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use super::candidate::Candidate;
use super::shortlist::{Met, Rule, Shortlist};
use crate::inverted_lists::{InvertedLists, ListBlock, ListsError, decode};
use crate::matrix::product_transposed_into;

/// Rows of a list that are decoded and multiplied at once: 768 KiB at 384 dimensions, and with [`CANDIDATES_AT_ONCE`] a
/// product of 1 MiB. Fewer would multiply less in vain with candidates that fall on the first few.
const ROWS_AT_ONCE: usize = 512;

/// The most candidates that one task takes to a list.
pub(super) const CANDIDATES_AT_ONCE: usize = 512;

/// A product is searched in pieces of so many values: a vector register or several on every CPU.
const LANES: usize = 16;

/// A candidate on its way through a list.
#[derive(Debug)]
struct Guest {
    row: usize,
    shortlist: Shortlist,
}

impl Guest {
    /// Looks at its products with some rows.
    fn look(&mut self, products: &mut [f32], rows: &[usize], rule: &Rule) {
        if let Ok(itself) = rows.binary_search(&self.row) {
            products[itself] = f32::NEG_INFINITY;
        }
        let mut least = self.shortlist.least(rule).max(f32::MIN);
        for (products, rows) in products.chunks(LANES).zip(rows.chunks(LANES)) {
            // Counted, not searched: without a branch for each value, this is a few vector instructions.
            if products.iter().filter(|&&product| product >= least).count() == 0 {
                continue;
            }
            for (&product, &row) in products.iter().zip(rows).filter(|&(&product, _)| product >= least) {
                self.shortlist.offer(Met { product, row: row as u32 }, rule);
            }
            least = self.shortlist.least(rule).max(f32::MIN);
        }
    }
}

/// Candidates at a list.
#[derive(Debug)]
pub(super) struct Meeting<'a> {
    rule: &'a Rule,
    cutoff: f64,
    guests: Vec<Guest>,
    /// The guests that are not proven to be above the cutoff, and their vectors in the same order.
    standing: Vec<usize>,
    vectors: Array2<f32>,
    decoded: Vec<f32>,
    products: Vec<f32>,
    /// Rows multiplied with candidates so far.
    pairs: u64,
}

impl<'a> Meeting<'a> {
    /// Brings candidates, which are to be compared until they are proven to be above `cutoff`.
    pub(super) fn new<'b>(
        candidates: impl Iterator<Item = &'b Candidate> + Clone,
        dim: usize,
        cutoff: f64,
        rule: &'a Rule,
    ) -> Self {
        let codes: Vec<f16> = candidates.clone().flat_map(|candidate| candidate.codes.iter().copied()).collect();
        let guests: Vec<Guest> =
            candidates.map(|candidate| Guest { row: candidate.row, shortlist: candidate.shortlist.clone() }).collect();
        let standing = (0..guests.len()).collect();
        let vectors = decode(&codes, dim);
        Self { rule, cutoff, guests, standing, vectors, decoded: Vec::new(), products: Vec::new(), pairs: 0 }
    }

    /// Compares the candidates with a list; returns what each has found, and the number of pairs.
    pub(super) fn with(mut self, lists: &InvertedLists, list: usize) -> Result<(Vec<Shortlist>, u64), ListsError> {
        lists.read(list, ROWS_AT_ONCE, &mut |block| {
            self.with_block(block);
            if self.standing.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok((self.guests.into_iter().map(|guest| guest.shortlist).collect(), self.pairs))
    }

    fn with_block(&mut self, block: ListBlock<'_>) {
        let (num_rows, dim) = (block.rows.len(), self.vectors.ncols());
        self.decoded.resize(block.codes.len(), 0.0);
        block.codes.convert_to_f32_slice(&mut self.decoded);
        self.products.resize(self.standing.len() * num_rows, 0.0);
        let rows = ArrayView2::from_shape((num_rows, dim), &self.decoded).expect("whole vectors");
        let shape = (self.standing.len(), num_rows);
        let out = ArrayViewMut2::from_shape(shape, &mut self.products).expect("one product a pair");
        product_transposed_into(self.vectors.view(), rows, out);
        self.pairs += self.products.len() as u64;
        let mut fallen = 0;
        for (&guest, products) in self.standing.iter().zip(self.products.chunks_mut(num_rows)) {
            let guest = &mut self.guests[guest];
            if !has_fallen(&guest.shortlist, self.cutoff, self.rule) {
                guest.look(products, block.rows, self.rule);
            }
            fallen += usize::from(has_fallen(&guest.shortlist, self.cutoff, self.rule));
        }
        // Moving the others is dearer than multiplying a few that have fallen.
        if fallen * 4 >= self.standing.len() {
            self.leave_out_the_fallen();
        }
    }

    fn leave_out_the_fallen(&mut self) {
        let stands = |&guest: &usize| !has_fallen(&self.guests[guest].shortlist, self.cutoff, self.rule);
        let kept: Vec<usize> = (0..self.standing.len()).filter(|&place| stands(&self.standing[place])).collect();
        self.vectors = self.vectors.select(Axis(0), &kept);
        self.standing = kept.into_iter().map(|place| self.standing[place]).collect();
    }
}

/// Tells whether k neighbours are proven to be above the cutoff.
pub(super) fn has_fallen(shortlist: &Shortlist, cutoff: f64, rule: &Rule) -> bool {
    rule.at_least(shortlist.kth(rule)) > cutoff
}
