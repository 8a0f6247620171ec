//! A row that may be lonely: its halves, the nearest rows found so far, and the inverted lists that it has met.
//!
//! A candidate meets its own list first, then the others in descending order of its product with their centroids as far as
//! [`NEAR_LISTS`], then the others in [`FAR_PARTS`] parts.

use half::f16;
use ndarray::{ArrayView2, Axis};

use super::shortlist::{Rule, Shortlist};
use crate::inverted_lists::{InvertedLists, decode};
use crate::matrix::product_transposed;

/// Lists that a candidate meets in the order of their distance, its own included. Of 3,087 rows of 2.7 million that their own
/// cluster left in doubt, 3,065 fell among these; an order of hundreds of lists would outweigh the vector.
pub(super) const NEAR_LISTS: usize = 64;

/// The parts in which candidates meet the remaining lists; between them, those that have fallen are left out.
pub(super) const FAR_PARTS: usize = 4;

/// A row that may be lonely.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) row: usize,
    /// Its own list.
    pub(super) list: usize,
    /// Eligible rows that it stands for: itself and its copies.
    pub(super) weight: usize,
    /// What its bound was before it met anything.
    proven: f32,
    pub(super) codes: Box<[f16]>,
    pub(super) shortlist: Shortlist,
    /// The lists that it meets first, its own first of all.
    near: Box<[u32]>,
    /// Lists of `near` that it has met.
    met_near: usize,
    /// Rows of all lists that it has met.
    pub(super) rows_met: usize,
}

impl Candidate {
    /// A candidate that has met nothing yet.
    pub(super) fn new(row: usize, list: usize, weight: usize, proven: f32, codes: &[f16]) -> Self {
        let near = Box::new([list as u32]);
        let codes = codes.into();
        Self { row, list, weight, proven, codes, shortlist: Shortlist::default(), near, met_near: 0, rows_met: 0 }
    }

    /// What is proven of its k-th similarity: a lower bound.
    pub(super) fn bound(&self, rule: &Rule) -> f64 {
        f64::from(self.proven).max(rule.at_least(self.shortlist.kth(rule)))
    }

    /// Tells whether the order of its lists is still to be found.
    fn lacks_order(&self, num_lists: usize) -> bool {
        self.near.len() == 1 && num_lists > 1
    }

    /// The lists up to the `count`-th nearest that it is still to meet.
    pub(super) fn unmet_near(&self, count: usize) -> impl Iterator<Item = usize> + '_ {
        let end = count.min(self.near.len()).max(self.met_near);
        self.near[self.met_near..end].iter().map(|&list| list as usize)
    }

    /// Notes that it has met the `count` nearest lists.
    pub(super) fn has_met_near(&mut self, count: usize, lists: &InvertedLists) {
        self.rows_met += self.unmet_near(count).map(|list| lists.len(list)).sum::<usize>();
        self.met_near = self.met_near.max(count.min(self.near.len()));
    }

    /// The lists of a part that it has not met as near ones.
    pub(super) fn far_lists(&self, part: usize, num_lists: usize) -> impl Iterator<Item = usize> + '_ {
        let met = &self.near[..self.met_near];
        (part..num_lists).step_by(FAR_PARTS).filter(move |&list| !met.contains(&(list as u32)))
    }

    /// Notes that it has met a part of the other lists.
    pub(super) fn has_met_far(&mut self, part: usize, lists: &InvertedLists) {
        self.rows_met += self.far_lists(part, lists.num_lists()).map(|list| lists.len(list)).sum::<usize>();
    }

    /// Puts the lists that it meets first in their order; `scores` are its products with all centroids.
    fn order_lists(&mut self, scores: impl Iterator<Item = f32>) {
        let own = self.list;
        let mut others: Vec<(f32, u32)> = (0_u32..)
            .zip(scores)
            .filter(|&(list, _)| list as usize != own)
            .map(|(list, score)| (score, list))
            .collect();
        let nearer = |left: &(f32, u32), right: &(f32, u32)| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1));
        if others.len() >= NEAR_LISTS {
            others.select_nth_unstable_by(NEAR_LISTS - 1, nearer);
            others.truncate(NEAR_LISTS - 1);
        }
        others.sort_unstable_by(nearer);
        self.near = std::iter::once(own as u32).chain(others.into_iter().map(|(_, list)| list)).collect();
    }
}

/// Puts the lists of candidates that lack it in their order; `centroids` is `[lists, dim]`.
pub(super) fn order_lists(candidates: &mut [Candidate], centroids: ArrayView2<'_, f32>) {
    let (num_lists, dim) = centroids.dim();
    let mut lacking: Vec<&mut Candidate> =
        candidates.iter_mut().filter(|candidate| candidate.lacks_order(num_lists)).collect();
    let codes: Vec<f16> = lacking.iter().flat_map(|candidate| candidate.codes.iter().copied()).collect();
    let scores = product_transposed(decode(&codes, dim).view(), centroids);
    for (candidate, scores) in lacking.iter_mut().zip(scores.axis_iter(Axis(0))) {
        candidate.order_lists(scores.iter().copied());
    }
}
