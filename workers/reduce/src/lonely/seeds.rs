//! The lowest bounds → a first cutoff that is nearly the last.
//!
//! Rows are taken in ascending order of bound, and meet their own list, then a few near ones. The bounds of those that
//! look loneliest after that make a guess at the cutoff: which rows are worth a look before there is one. Nothing is dropped
//! on a guess; rows above it wait with what is proven of them. The loneliest of all then meet everything.

use strata_shared::telemetry::Progress;

use super::candidate::Candidate;
use super::filter::Filter;
use crate::inverted_lists::ListsError;

/// Rows of the first helping for each document wanted; each helping is twice the last, up to what can be held.
const FIRST_HELPING_PER_WANTED: usize = 80;

/// The most helpings before the cutoff is settled with what there is.
///
/// Of 2.7 million noisy copies of real vectors, four helpings held all 28,027 rows below the guess, and the first cutoff was 0.2476
/// where the last is 0.2448: 0.85 TFLOP in all. The 16,000 lowest bounds in one helping missed most of the loneliest there: a
/// first cutoff of 0.44, and 1.85 TFLOP.
const MAX_HELPINGS: usize = 5;

/// The most that the first helping's own lists may cost, in parts of the comparison of all documents wanted with everything:
/// where there are few clusters, fewer rows take part.
const HELPING_SHARE: f64 = 0.5;

/// Rows of a helping that meet [`NEAR_LISTS`] after their own list, for each document wanted, and those that are kept.
const NEAR_PER_WANTED: usize = 20;
const KEPT_PER_WANTED: usize = 2;

/// Lists, the nearest first, that the rows of a helping meet, and those that are kept. With 8 for 4, the helpings took 0.77 TFLOP
/// for 0.60 there.
const NEAR_LISTS: usize = 4;
const KEPT_LISTS: usize = 32;

/// How many rows meet everything, in hundredths of the documents wanted. The more of the loneliest are among them, the closer
/// is the cutoff to its final value; each costs as much as 400 rows that meet their own list.
const FINAL_PERCENT: usize = 125;

impl Filter<'_> {
    /// Finds a first cutoff; returns the rows looked at that may be below it.
    pub(super) fn seed(&mut self) -> Result<Vec<Candidate>, ListsError> {
        let mut candidates = self.look_for_the_loneliest()?;
        self.meet_near(&mut candidates, KEPT_LISTS, f64::INFINITY, |certificate| &mut certificate.seeds, &|_| ())?;
        self.sort_by_bound(&mut candidates);
        let last = self.wanted(FINAL_PERCENT).div_ceil(100);
        let mut waiting = candidates.split_off(last.min(candidates.len()));
        let progress = Progress::start("lonely: first rows", "comparisons", self.unmet(&candidates));
        self.meet_far(candidates, |certificate| &mut certificate.seeds, &|pairs| progress.advance(pairs))?;
        self.drop_fallen(&mut waiting, |certificate| &mut certificate.seeds, &|_| ());
        Ok(waiting)
    }

    /// Takes helpings of rows in ascending order of bound; returns those that look loneliest.
    fn look_for_the_loneliest(&mut self) -> Result<Vec<Candidate>, ListsError> {
        let progress = Progress::start("lonely: first cutoff", "steps", MAX_HELPINGS as u64);
        let (mut loneliest, mut guess, mut helping) = (Vec::new(), f64::INFINITY, self.first_helping());
        for step in 1..=MAX_HELPINGS {
            let rows = self.lowest_rows(helping.min(self.room().saturating_sub(loneliest.len())), guess);
            if rows.is_empty() {
                progress.advance((MAX_HELPINGS + 1 - step) as u64);
                break;
            }
            loneliest.append(&mut self.loneliest_of(&rows, guess)?);
            guess = self.keep(&mut loneliest, KEPT_PER_WANTED, guess);
            helping = helping.saturating_mul(2).min(self.settings.max_candidates.max(1));
            progress.advance(1);
        }
        Ok(loneliest)
    }

    /// Takes rows to their own list and some near ones; returns those that look loneliest then.
    fn loneliest_of(&mut self, rows: &[u32], guess: f64) -> Result<Vec<Candidate>, ListsError> {
        let mut candidates = self.candidates(rows)?;
        for lists in [1, NEAR_LISTS] {
            self.meet_near(&mut candidates, lists, guess, |certificate| &mut certificate.seeds, &|_| ())?;
            self.keep(&mut candidates, NEAR_PER_WANTED, guess);
        }
        Ok(candidates)
    }

    /// Keeps the candidates of the lowest bounds that are not above `guess`, as many as a multiple of the documents wanted,
    /// and puts the others back; returns a bound that all others are above, if there are so many.
    fn keep(&mut self, candidates: &mut Vec<Candidate>, per_wanted: usize, guess: f64) -> f64 {
        self.sort_by_bound(candidates);
        let within = candidates.partition_point(|candidate| candidate.bound(self.rule()) <= guess);
        let kept = self.wanted(per_wanted).min(self.settings.max_candidates.max(1));
        let mut others = candidates.split_off(within.min(kept));
        self.put_back(&mut others);
        let last = candidates.get(kept - 1);
        last.map_or(guess, |last| last.bound(self.rule()))
    }

    /// A multiple of the documents wanted, at least one.
    fn wanted(&self, factor: usize) -> usize {
        self.settings.want.saturating_mul(factor).max(1)
    }

    /// The number of rows of the first helping.
    fn first_helping(&self) -> usize {
        let affordable = HELPING_SHARE * self.settings.want as f64 * self.lists.num_lists() as f64;
        let most = self.settings.max_candidates.max(1);
        self.wanted(FIRST_HELPING_PER_WANTED).min(affordable as usize).max(self.wanted(KEPT_PER_WANTED)).min(most)
    }

    /// The rows of the `count` lowest bounds up to `guess`, in ascending order, ties by row.
    fn lowest_rows(&self, count: usize, guess: f64) -> Vec<u32> {
        if count == 0 {
            return Vec::new();
        }
        let lower = |left: &u32, right: &u32| {
            self.lowest[*left as usize].total_cmp(&self.lowest[*right as usize]).then(left.cmp(right))
        };
        let mut rows: Vec<u32> = Vec::with_capacity(2 * count);
        let is_low = |row: u32| self.is_in_doubt(row as usize) && f64::from(self.lowest[row as usize]) <= guess;
        for row in (0..self.lowest.len() as u32).filter(|&row| is_low(row)) {
            rows.push(row);
            if rows.len() == 2 * count {
                rows.select_nth_unstable_by(count - 1, lower);
                rows.truncate(count);
            }
        }
        rows.sort_unstable_by(lower);
        rows.truncate(count);
        rows
    }
}
