//! Products of half-precision vectors as they are met → the few rows among which the k nearest must be.
//!
//! Every product is within the margin of the true similarity ([`Rule::margin`]). So the k-th best product, less the margin,
//! bounds the k-th similarity from below, and once a row was compared with all others it bounds it from above, plus the
//! margin; and a row among the true k nearest has a product of at least the k-th best less twice the margin. A shortlist
//! keeps those, by row, and its content does not depend on the order in which they came.

use super::nearest::{round_down, rounding_error};

/// Rows that a shortlist has room for beyond the k nearest. A corpus without crowds of near-copies needs one or two;
/// where more rows are within the margin, the corpus itself is asked again.
const SPARE: usize = 32;

/// How shortlists decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The neighbour that decides.
    pub(super) k: usize,
    /// The most by which a product can differ from the similarity.
    pub(super) margin: f64,
    /// The products that must be settled: k of them, and two where k is 1, because copies of a row share its nearest.
    depth: usize,
}

impl Rule {
    /// The rule for k ≥ 1 and vectors of `dim` dimensions whose halves are off by at most `max_error` in the L2 norm.
    ///
    /// `x·y` changes by at most `‖x − x′‖‖y′‖ + ‖x‖‖y − y′‖` when `x` and `y` are rounded to `x′` and `y′`; all of these
    /// norms are within 1e-5 of 1 or of that plus the error, and so is what float32 sums of the halves round.
    pub(super) fn new(k: usize, dim: usize, max_error: f64) -> Self {
        let length = 1.0 + 1.1e-5 + max_error;
        Self { k, margin: 2.0 * max_error * length + rounding_error(dim) * length * length, depth: k.max(2) }
    }

    /// The most that a shortlist's rows take.
    pub(super) fn max_bytes(&self) -> usize {
        (self.depth + SPARE) * size_of::<Met>()
    }

    /// What k neighbours of at least this product prove: a lower bound of the k-th similarity.
    pub(super) fn at_least(&self, product: f32) -> f64 {
        f64::from(product) - self.margin
    }

    /// What the k-th best product of all rows proves: an upper bound of the k-th similarity.
    pub(super) fn at_most(&self, product: f32) -> f64 {
        f64::from(product) + self.margin
    }
}

/// A row met, and its product.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Met {
    pub(super) product: f32,
    pub(super) row: u32,
}

impl Met {
    /// Tells whether it comes before another: the best first, ties by row.
    fn is_before(self, other: Self) -> bool {
        self.product > other.product || (self.product >= other.product && self.row < other.row)
    }
}

/// The rows among which the k nearest of those met so far are.
#[derive(Debug, Clone, Default)]
pub(super) struct Shortlist {
    entries: Vec<Met>,
    /// No product that there was no room for is above this.
    lost: Option<f32>,
}

impl Shortlist {
    /// The k-th best product; −∞ until there are k.
    pub(super) fn kth(&self, rule: &Rule) -> f32 {
        self.entries.get(rule.k - 1).map_or(f32::NEG_INFINITY, |met| met.product)
    }

    /// The least product that still matters.
    fn floor(&self, rule: &Rule) -> f32 {
        let deepest = self.entries.get(rule.depth - 1);
        deepest.map_or(f32::NEG_INFINITY, |met| round_down(f64::from(met.product) - 2.0 * rule.margin))
    }

    /// The least product that it would take in: what still matters, or what there is room for.
    pub(super) fn least(&self, rule: &Rule) -> f32 {
        let last = self.entries.last().filter(|_| self.is_full(rule));
        last.map_or_else(|| self.floor(rule), |last| last.product)
    }

    fn is_full(&self, rule: &Rule) -> bool {
        self.entries.len() >= rule.depth + SPARE
    }

    /// Takes in a row, which comes once.
    pub(super) fn offer(&mut self, met: Met, rule: &Rule) {
        let last = self.entries.last().copied().filter(|_| self.is_full(rule));
        if met.product < self.floor(rule) || last.is_some_and(|last| last.is_before(met)) {
            return;
        }
        self.entries.insert(self.entries.partition_point(|held| held.is_before(met)), met);
        self.entries.truncate(rule.depth + SPARE);
        let floor = self.floor(rule);
        while self.entries.last().is_some_and(|last| last.product < floor) {
            self.entries.pop();
        }
        if self.is_full(rule) {
            // Whatever is turned away from here on is not above this.
            let last = self.entries.last().map(|last| last.product);
            self.lost = if last > self.lost { last } else { self.lost };
        }
    }

    /// Keeps the rows for which `is_new` holds, and no memory for more.
    pub(super) fn keep(&mut self, is_new: impl Fn(u32) -> bool) {
        self.entries.retain(|met| is_new(met.row));
        self.entries.shrink_to_fit();
    }

    /// Takes in the rows of another, none of which it has.
    pub(super) fn join(&mut self, other: Self, rule: &Rule) {
        self.lost = if other.lost > self.lost { other.lost } else { self.lost };
        other.entries.into_iter().for_each(|met| self.offer(met, rule));
    }

    /// The rows, if none that matters had to be left out.
    pub(super) fn rows(&self, rule: &Rule) -> Option<impl Iterator<Item = usize> + '_> {
        let is_whole = self.lost.is_none_or(|lost| lost < self.floor(rule));
        is_whole.then(|| self.entries.iter().map(|met| met.row as usize))
    }
}
