//! Bounds and inverted lists → the finalists: the few rows among which the loneliest must be.
//!
//! First a cutoff: the rows of the lowest bounds meet more and more lists, fewer and fewer of them, until the last few
//! have met all ([`super::seeds`]). Then every row whose bound is not above the cutoff meets its own list ([`super::sweep`]),
//! and those that remain meet the others, the nearest first, until they have fallen or met all. The cutoff is an upper
//! bound of the want-th lowest k-th similarity, and tightens with each row that has met all.
//!
//! Invariant: a row falls only on k neighbours found whose products, less the margin, are above the cutoff; the finalists
//! are all rows that have not fallen, and each has met every list. Where they are so many that they and the next candidates
//! would outgrow [`Settings::max_candidates`], they are ranked meanwhile, and the cutoff is lowered to the list's own.

use half::f16;
use ndarray::ArrayView2;
use rayon::prelude::*;
use strata_shared::telemetry::Progress;

use super::bounds::Bounds;
use super::candidate::{self, Candidate, FAR_PARTS, NEAR_LISTS};
use super::copies::Copies;
use super::cost::{Budget, probes};
use super::nearest::round_down;
use super::round::Rounds;
use super::shortlist::{Rule, Shortlist};
use super::{Certificate, LonelyError, Settings, Stage};
use crate::inverted_lists::{InvertedLists, ListsError};

/// Candidates whose order of lists is found at once.
const ORDERED_AT_ONCE: usize = 1024;

/// Rows whose halves are read at once.
const ROWS_AT_ONCE: usize = 4096;

/// Candidates of the first cohort that meets all lists, for each document wanted; later ones are [`COHORT_GROWTH`] times
/// larger, because the cutoff has settled.
const FIRST_COHORT_PER_WANTED: usize = 2;

/// Lists that candidates have met when the first cohort of many goes ahead. Where the seeds had missed the loneliest and the
/// first cutoff of 2.7 million vectors was 0.37 for 0.24, 12,841 rows would have met 17 lists each before the next.
const LISTS_BEFORE_VANGUARD: usize = 4;

/// The factor by which cohorts grow.
const COHORT_GROWTH: usize = 4;

/// Where the certificate counts a stage.
type StageOf = fn(&mut Certificate) -> &mut Stage;

/// Ranks finalists, and returns the cutoff that the list has then.
pub(super) type Rank<'a, E> = dyn FnMut(Vec<Finalist>, &mut Certificate) -> Result<f64, LonelyError<E>> + 'a;

/// A row that has met every other, and the rows among which its nearest are.
#[derive(Debug)]
pub(super) struct Finalist {
    pub(super) row: usize,
    /// Rows that it stands for.
    pub(super) weight: usize,
    /// Bounds of its k-th similarity.
    pub(super) at_least: f64,
    at_most: f64,
    pub(super) shortlist: Shortlist,
}

/// A search for finalists under way.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    pub(super) lists: &'a InvertedLists,
    pub(super) bounds: &'a Bounds,
    pub(super) centroids: ArrayView2<'a, f32>,
    pub(super) copies: &'a Copies,
    pub(super) settings: Settings,
    pub(super) rounds: Rounds<'a>,
    pub(super) budget: Budget,
    /// What is proven of each row that is still to be looked at: a lower bound of its k-th similarity. Infinite for rows
    /// that are candidates, finalists, fallen, copies of an earlier row, or not to be listed.
    pub(super) lowest: Vec<f32>,
    pub(super) cutoff: f64,
    finalists: Vec<Finalist>,
    pub(super) certificate: Certificate,
}

impl<'a> Filter<'a> {
    pub(super) fn new(
        lists: &'a InvertedLists,
        bounds: &'a Bounds,
        centroids: ArrayView2<'a, f32>,
        copies: &'a Copies,
        eligible: &dyn Fn(usize) -> bool,
        settings: Settings,
    ) -> Self {
        let (num_rows, dim) = (lists.num_rows(), lists.dim());
        let rule = Rule::new(bounds.neighbours(), dim, lists.max_error());
        let lowest = lowest(num_rows, bounds, copies, eligible);
        let distinct = lowest.iter().filter(|&&bound| bound < f32::INFINITY).count();
        let margin = rule.margin;
        Self {
            rounds: Rounds { lists, bounds, rule },
            budget: Budget { max_operations: settings.max_operations, num_rows, dim },
            cutoff: f64::INFINITY,
            finalists: Vec::new(),
            certificate: Certificate {
                rows: num_rows,
                dim,
                distinct,
                bounds: Stage { pairs: bounds.pairs(), ..Stage::default() },
                margin,
                ..Certificate::default()
            },
            lists,
            bounds,
            centroids,
            copies,
            settings,
            lowest,
        }
    }

    pub(super) fn rule(&self) -> &Rule {
        &self.rounds.rule
    }

    /// Finds the finalists and has them ranked; returns how they were found.
    pub(super) fn run<E>(mut self, rank: &mut Rank<'_, E>) -> Result<Certificate, LonelyError<E>> {
        let num_rows = self.lists.num_rows() as f64;
        // Whatever is listed must have met everything.
        self.budget.check(self.settings.want.min(self.certificate.distinct) as f64 * num_rows)?;
        let mut candidates = self.seed()?;
        self.drop_all_fallen(|certificate| &mut certificate.seeds);
        self.certificate.first_cutoff = self.cutoff.is_finite().then_some(self.cutoff);
        candidates.extend(self.sweep(self.room().saturating_sub(candidates.len()))?);
        if !self.budget.covers(candidates.len() as f64 * num_rows) {
            self.put_back(&mut candidates);
        }
        self.settle(candidates)?;
        let rest = self.in_doubt();
        if !self.budget.covers(rest.len() as f64 * num_rows) {
            let (before, probes) = (self.pairs(), probes(&rest));
            let candidates = self.candidates(&probes)?;
            self.settle(candidates)?;
            let pairs_each = (self.pairs() - before) as f64 / probes.len() as f64;
            self.budget.check(pairs_each * rest.len() as f64)?;
        }
        for helping in rest.chunks(self.settings.max_candidates.max(1)) {
            let mut rows: Vec<u32> = helping.iter().copied().filter(|&row| self.is_in_doubt(row as usize)).collect();
            if rows.len() > self.room() {
                self.hand_over(rank)?;
                rows.retain(|&row| self.is_in_doubt(row as usize));
            }
            let candidates = self.candidates(&rows)?;
            self.settle(candidates)?;
        }
        let last_seen_in: StageOf = match self.certificate.first_cutoff {
            Some(_) => |certificate| &mut certificate.own_cluster,
            // There was no sweep.
            None => |certificate| &mut certificate.seeds,
        };
        self.drop_all_fallen(last_seen_in);
        self.certificate.link();
        self.hand_over(rank)?;
        Ok(self.certificate)
    }

    /// How many more rows there is room for.
    pub(super) fn room(&self) -> usize {
        self.settings.max_candidates.saturating_sub(self.finalists.len())
    }

    /// Has the finalists found so far ranked.
    fn hand_over<E>(&mut self, rank: &mut Rank<'_, E>) -> Result<(), LonelyError<E>> {
        self.certificate.finalists += self.finalists.len();
        let cutoff = rank(std::mem::take(&mut self.finalists), &mut self.certificate)?;
        self.cutoff = self.cutoff.min(cutoff);
        Ok(())
    }

    /// Pairs of rows compared so far.
    fn pairs(&self) -> u64 {
        self.certificate.stages().iter().map(|stage| stage.pairs).sum()
    }

    /// Tells whether a row is still to be looked at.
    pub(super) fn is_in_doubt(&self, row: usize) -> bool {
        self.lowest[row] < f32::INFINITY && f64::from(self.lowest[row]) <= self.cutoff
    }

    /// The rows that are still to be looked at, in ascending order of bound, ties by row.
    pub(super) fn in_doubt(&self) -> Vec<u32> {
        let rows = 0..self.lowest.len() as u32;
        let mut rows: Vec<u32> = rows.into_par_iter().filter(|&row| self.is_in_doubt(row as usize)).collect();
        rows.par_sort_unstable_by(|&left, &right| {
            self.lowest[left as usize].total_cmp(&self.lowest[right as usize]).then(left.cmp(&right))
        });
        rows
    }

    /// Takes rows in hand.
    pub(super) fn candidates(&mut self, rows: &[u32]) -> Result<Vec<Candidate>, ListsError> {
        let mut candidates = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ROWS_AT_ONCE) {
            candidates.extend(self.gather(rows)?);
            rows.iter().for_each(|&row| self.lowest[row as usize] = f32::INFINITY);
        }
        Ok(candidates)
    }

    /// Reads rows out of their lists.
    pub(super) fn gather(&self, rows: &[u32]) -> Result<Vec<Candidate>, ListsError> {
        let global: Vec<usize> = rows.iter().map(|&row| row as usize).collect();
        let codes = self.lists.codes(&global, &|row| self.bounds.list(row))?;
        let codes = codes.chunks_exact(self.lists.dim());
        let candidate = |(row, codes): (usize, &[f16])| {
            let (list, weight, proven) = (self.bounds.list(row), self.copies.weight(row), self.lowest[row]);
            Candidate::new(row, list, weight, proven, codes)
        };
        Ok(global.into_iter().zip(codes).map(candidate).collect())
    }

    /// Gives candidates up for now, and keeps what is proven of them.
    pub(super) fn put_back(&mut self, candidates: &mut Vec<Candidate>) {
        for candidate in candidates.drain(..) {
            self.lowest[candidate.row] = round_down(candidate.bound(self.rule()));
        }
    }

    /// Lets candidates meet lists, the nearest first, until each has fallen or met all.
    fn settle(&mut self, mut candidates: Vec<Candidate>) -> Result<(), ListsError> {
        let progress = Progress::start("lonely: other clusters", "comparisons", self.unmet(&candidates));
        let advance = |pairs| progress.advance(pairs);
        self.drop_fallen(&mut candidates, |certificate| &mut certificate.near_clusters, &advance);
        let mut lists = 1;
        while lists <= NEAR_LISTS && !candidates.is_empty() {
            self.meet_near(
                &mut candidates,
                lists,
                self.cutoff,
                |certificate| &mut certificate.near_clusters,
                &advance,
            )?;
            self.drop_fallen(&mut candidates, |certificate| &mut certificate.near_clusters, &advance);
            if lists == LISTS_BEFORE_VANGUARD {
                self.send_vanguard(&mut candidates, &advance)?;
            }
            lists *= 2;
        }
        let mut cohort = self.settings.want.saturating_mul(FIRST_COHORT_PER_WANTED);
        while !candidates.is_empty() {
            self.sort_by_bound(&mut candidates);
            let later = candidates.split_off(candidates.len().min(cohort));
            self.meet_far(candidates, |certificate| &mut certificate.far_clusters, &advance)?;
            candidates = later;
            self.drop_fallen(&mut candidates, |certificate| &mut certificate.far_clusters, &advance);
            cohort = cohort.saturating_mul(COHORT_GROWTH);
        }
        Ok(())
    }

    /// Lets those of many candidates that look loneliest meet all lists ahead of the others, for a lower cutoff.
    fn send_vanguard(
        &mut self,
        candidates: &mut Vec<Candidate>,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ListsError> {
        let vanguard = self.settings.want.saturating_mul(FIRST_COHORT_PER_WANTED);
        if candidates.len() > vanguard {
            self.sort_by_bound(candidates);
            let others = candidates.split_off(vanguard);
            let vanguard = std::mem::replace(candidates, others);
            self.meet_far(vanguard, |certificate| &mut certificate.far_clusters, advance)?;
            self.drop_fallen(candidates, |certificate| &mut certificate.near_clusters, advance);
        }
        Ok(())
    }

    /// Pairs that candidates are still to be compared in at most.
    pub(super) fn unmet(&self, candidates: &[Candidate]) -> u64 {
        candidates.iter().map(|candidate| (self.lists.num_rows() - candidate.rows_met) as u64).sum()
    }

    /// Sorts by what is proven, ties by row.
    pub(super) fn sort_by_bound(&self, candidates: &mut [Candidate]) {
        let rule = self.rule();
        candidates.sort_unstable_by(|left, right| {
            left.bound(rule).total_cmp(&right.bound(rule)).then(left.row.cmp(&right.row))
        });
    }

    /// Lets candidates meet the lists up to the `count`-th nearest, until each is proven to be above `cutoff`.
    pub(super) fn meet_near(
        &mut self,
        candidates: &mut [Candidate],
        count: usize,
        cutoff: f64,
        stage: StageOf,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ListsError> {
        if count > 1 {
            let centroids = self.centroids;
            let parts = candidates.par_chunks_mut(ORDERED_AT_ONCE);
            parts.for_each(|candidates| candidate::order_lists(candidates, centroids));
        }
        let lists_of = |candidate: &Candidate, lists: &mut Vec<usize>| lists.extend(candidate.unmet_near(count));
        stage(&mut self.certificate).pairs += self.rounds.meet(candidates, lists_of, cutoff, advance)?;
        candidates.iter_mut().for_each(|candidate| candidate.has_met_near(count, self.lists));
        Ok(())
    }

    /// Lets candidates that have met the near lists meet all others; those that do not fall become finalists.
    pub(super) fn meet_far(
        &mut self,
        mut candidates: Vec<Candidate>,
        stage: StageOf,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ListsError> {
        let num_lists = self.lists.num_lists();
        for part in 0..FAR_PARTS {
            let lists_of = |candidate: &Candidate, lists: &mut Vec<usize>| {
                lists.extend(candidate.far_lists(part, num_lists));
            };
            stage(&mut self.certificate).pairs += self.rounds.meet(&mut candidates, lists_of, self.cutoff, advance)?;
            candidates.iter_mut().for_each(|candidate| candidate.has_met_far(part, self.lists));
            self.drop_fallen(&mut candidates, stage, advance);
        }
        self.certificate.exhausted += candidates.len();
        stage(&mut self.certificate).fell += self.promote(candidates);
        Ok(())
    }

    /// Drops candidates with k neighbours above the cutoff.
    pub(super) fn drop_fallen(
        &mut self,
        candidates: &mut Vec<Candidate>,
        stage: StageOf,
        advance: &(dyn Fn(u64) + Sync),
    ) {
        let (rule, cutoff, num_rows) = (self.rounds.rule, self.cutoff, self.lists.num_rows());
        let before = candidates.len();
        candidates.retain(|candidate| {
            let falls = candidate.bound(&rule) > cutoff;
            if falls {
                advance((num_rows - candidate.rows_met) as u64);
            }
            !falls
        });
        stage(&mut self.certificate).fell += before - candidates.len();
    }

    /// Drops the rows that are in nobody's hand and not in doubt any more: by their bounds alone, or by what `stage` has
    /// shown of them before they were put back.
    pub(super) fn drop_all_fallen(&mut self, stage: StageOf) {
        let (bounds, copies, cutoff) = (self.bounds, self.copies, self.cutoff);
        let falls_by_bound = |row| copies.members(row).any(|row| f64::from(bounds.bound(row)) > cutoff);
        let fallen = self.lowest.par_iter_mut().enumerate();
        let fallen = fallen.filter(|(_, lowest)| **lowest < f32::INFINITY && f64::from(**lowest) > cutoff);
        let counted = fallen.map(|(row, lowest)| {
            *lowest = f32::INFINITY;
            if falls_by_bound(row) { [1, 0] } else { [0, 1] }
        });
        let [by_bound, by_stage] = counted.reduce(|| [0, 0], |left, right| [left[0] + right[0], left[1] + right[1]]);
        self.certificate.bounds.fell += by_bound;
        stage(&mut self.certificate).fell += by_stage;
    }

    /// Makes finalists of candidates that have met every list, and lowers the cutoff; returns how many finalists are above it.
    fn promote(&mut self, candidates: Vec<Candidate>) -> usize {
        let rule = self.rounds.rule;
        for Candidate { row, weight, mut shortlist, .. } in candidates {
            shortlist.keep(|_| true);
            let kth = shortlist.kth(&rule);
            let (at_least, at_most) = (rule.at_least(kth), rule.at_most(kth));
            self.finalists.push(Finalist { row, weight, at_least, at_most, shortlist });
        }
        self.finalists
            .sort_unstable_by(|left, right| left.at_most.total_cmp(&right.at_most).then(left.row.cmp(&right.row)));
        let mut rows = 0;
        let last = self.finalists.iter().find(|finalist| {
            rows += finalist.weight;
            rows >= self.settings.want
        });
        self.cutoff = last.map_or(self.cutoff, |last| last.at_most.min(self.cutoff));
        let before = self.finalists.len();
        self.finalists.retain(|finalist| finalist.at_least <= self.cutoff);
        before - self.finalists.len()
    }
}

/// The lower bound of each row that is to be looked at; infinite for others.
fn lowest(num_rows: usize, bounds: &Bounds, copies: &Copies, eligible: &dyn Fn(usize) -> bool) -> Vec<f32> {
    let bound = |row| if eligible(row) { bounds.bound(row) } else { f32::INFINITY };
    let mut lowest: Vec<f32> = (0..num_rows).map(bound).collect();
    for group in copies.groups() {
        // Every member's bound holds for all of them.
        let best = group.iter().map(|&row| lowest[row as usize]).fold(f32::NEG_INFINITY, f32::max);
        group.iter().for_each(|&row| lowest[row as usize] = f32::INFINITY);
        lowest[group[0] as usize] = best;
    }
    lowest
}
