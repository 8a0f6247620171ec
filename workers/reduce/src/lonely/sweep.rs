//! A cutoff → every row whose bound is not above it, compared with its own list.
//!
//! Most rows have k neighbours above the cutoff in their own list, and the first blocks of it show them.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use strata_shared::telemetry::Progress;

use super::LonelyError;
use super::candidate::Candidate;
use super::cost::probes;
use super::filter::Filter;
use super::meeting::{CANDIDATES_AT_ONCE, Meeting, has_fallen};
use super::nearest::round_down;
use crate::inverted_lists::ListsError;

/// What became of some rows of one list.
#[derive(Debug)]
struct Swept {
    /// What is proven of each.
    bounds: Vec<f32>,
    /// Those that have not fallen; none if there is no room for more.
    standing: Vec<Candidate>,
    num_standing: usize,
    pairs: u64,
}

impl Filter<'_> {
    /// Compares every row whose bound is not above the cutoff with its own list.
    ///
    /// Returns those that have not fallen, if there are no more than `room`; their bounds are raised else.
    pub(super) fn sweep<E>(&mut self, room: usize) -> Result<Vec<Candidate>, LonelyError<E>> {
        if self.cutoff.is_infinite() {
            return Ok(Vec::new());
        }
        let mut rows = self.in_doubt();
        let worst: u64 = rows.iter().map(|&row| self.lists.len(self.bounds.list(row as usize)) as u64).sum();
        if !self.budget.covers(worst as f64) {
            let probes = probes(&rows);
            let pairs = self.sweep_rows(probes.clone(), 0)?.1;
            self.budget.check(pairs as f64 / probes.len() as f64 * rows.len() as f64)?;
        }
        rows.retain(|&row| self.is_in_doubt(row as usize));
        let standing = self.sweep_rows(rows, room)?.0;
        self.drop_all_fallen(|certificate| &mut certificate.own_cluster);
        Ok(standing)
    }

    /// Compares rows with their own lists; returns those that have not fallen, if there are no more than `room`, and the
    /// number of pairs.
    fn sweep_rows(&mut self, mut rows: Vec<u32>, room: usize) -> Result<(Vec<Candidate>, u64), ListsError> {
        let list_of = |row: u32| self.bounds.list(row as usize);
        rows.par_sort_unstable_by_key(|&row| (list_of(row), row));
        let parts: Vec<&[u32]> = rows
            .chunk_by(|&left, &right| list_of(left) == list_of(right))
            .flat_map(|rows| rows.chunks(CANDIDATES_AT_ONCE))
            .collect();
        let progress = Progress::start("lonely: own cluster", "documents", rows.len() as u64);
        let held = AtomicUsize::new(0);
        let swept = parts.par_iter().with_max_len(1).map(|part| {
            let swept = self.sweep_part(part, &held, room);
            progress.advance(part.len() as u64);
            swept
        });
        let swept: Vec<Swept> = swept.collect::<Result<_, _>>()?;
        let num_standing: usize = swept.iter().map(|swept| swept.num_standing).sum();
        let (mut standing, mut pairs) = (Vec::new(), 0);
        for (part, swept) in parts.iter().zip(swept) {
            for (&row, bound) in part.iter().zip(swept.bounds) {
                let proven = &mut self.lowest[row as usize];
                *proven = proven.max(bound);
            }
            pairs += swept.pairs;
            standing.extend(swept.standing);
        }
        self.certificate.own_cluster.pairs += pairs;
        if num_standing > room {
            standing.clear();
        }
        standing.iter().for_each(|candidate| self.lowest[candidate.row] = f32::INFINITY);
        Ok((standing, pairs))
    }

    /// Compares rows of one list with it.
    fn sweep_part(&self, rows: &[u32], held: &AtomicUsize, room: usize) -> Result<Swept, ListsError> {
        let (mut candidates, list) = (self.gather(rows)?, self.bounds.list(rows[0] as usize));
        let meeting = Meeting::new(candidates.iter(), self.lists.dim(), self.cutoff, self.rule());
        let (found, pairs) = meeting.with(self.lists, list)?;
        for (candidate, mut found) in candidates.iter_mut().zip(found) {
            found.keep(|_| true);
            candidate.shortlist = found;
            candidate.has_met_near(1, self.lists);
        }
        let bounds = candidates.iter().map(|candidate| round_down(candidate.bound(self.rule()))).collect();
        candidates.retain(|candidate| !has_fallen(&candidate.shortlist, self.cutoff, self.rule()));
        let num_standing = candidates.len();
        // The order of the threads decides who finds no room, but not whether there is enough for all.
        if held.fetch_add(num_standing, Ordering::Relaxed) + num_standing > room {
            candidates.clear();
        }
        Ok(Swept { bounds, standing: candidates, num_standing, pairs })
    }
}
