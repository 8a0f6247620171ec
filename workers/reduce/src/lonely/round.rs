//! Candidates, each with some lists to meet → the same candidates, with what they found there.
//!
//! Candidates are grouped by the list that they are to meet, so that a list is decoded once for many of them, and the groups
//! are shared out among the threads. What all of them found is taken in wave by wave in one fixed order; the outcome,
//! counts included, does not depend on the threads.

use rayon::prelude::*;

use super::WAVE_BYTES;
use super::bounds::Bounds;
use super::candidate::Candidate;
use super::meeting::{CANDIDATES_AT_ONCE, Meeting};
use super::shortlist::{Rule, Shortlist};
use crate::inverted_lists::{InvertedLists, ListsError};

/// Fewer groups than this are cut smaller, so that threads have something to share out.
const MIN_TASKS: usize = 16;

/// Candidates that one task takes to a list where there would be fewer than [`MIN_TASKS`].
const FEW_CANDIDATES: usize = 32;

/// What the outcome of a meeting takes beside the rows that were met.
const MEETING_BYTES: usize = 64;

/// Some candidates, by position, and the list that they are to meet.
#[derive(Debug)]
struct Task {
    list: usize,
    guests: Vec<u32>,
}

/// What all rounds have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds<'a> {
    pub(super) lists: &'a InvertedLists,
    pub(super) bounds: &'a Bounds,
    pub(super) rule: Rule,
}

impl Rounds<'_> {
    /// Lets candidates meet lists until they are proven to be above `cutoff`; returns the number of pairs compared.
    pub(super) fn meet(
        &self,
        candidates: &mut [Candidate],
        lists_of: impl Fn(&Candidate, &mut Vec<usize>),
        cutoff: f64,
        advance: &(dyn Fn(u64) + Sync),
    ) -> Result<u64, ListsError> {
        let tasks = self.tasks(candidates, lists_of);
        let (mut pairs, mut rest) = (0, tasks.as_slice());
        while !rest.is_empty() {
            let (wave, later) = rest.split_at(wave_len(rest, &self.rule));
            rest = later;
            let met = wave.par_iter().with_max_len(1).map(|task| {
                let met = self.visit(task, candidates, cutoff);
                advance((task.guests.len() * self.lists.len(task.list)) as u64);
                met
            });
            let met: Vec<(Vec<Shortlist>, u64)> = met.collect::<Result<_, _>>()?;
            for (task, (found, compared)) in wave.iter().zip(met) {
                pairs += compared;
                for (&guest, found) in task.guests.iter().zip(found) {
                    candidates[guest as usize].shortlist.join(found, &self.rule);
                }
            }
        }
        Ok(pairs)
    }

    /// Groups candidates by the lists that they are to meet.
    fn tasks(&self, candidates: &[Candidate], lists_of: impl Fn(&Candidate, &mut Vec<usize>)) -> Vec<Task> {
        let (mut guests, mut lists) = (vec![Vec::new(); self.lists.num_lists()], Vec::new());
        for (position, candidate) in (0_u32..).zip(candidates) {
            lists_of(candidate, &mut lists);
            lists.drain(..).filter(|&list| self.lists.len(list) > 0).for_each(|list| guests[list].push(position));
        }
        let num_tasks: usize = guests.iter().map(|guests: &Vec<u32>| guests.len().div_ceil(CANDIDATES_AT_ONCE)).sum();
        let at_once = if num_tasks < MIN_TASKS { FEW_CANDIDATES } else { CANDIDATES_AT_ONCE };
        let tasks = guests.iter().enumerate().flat_map(|(list, guests)| {
            guests.chunks(at_once).map(move |guests| Task { list, guests: guests.to_vec() })
        });
        tasks.collect()
    }

    fn visit(&self, task: &Task, candidates: &[Candidate], cutoff: f64) -> Result<(Vec<Shortlist>, u64), ListsError> {
        let guests = task.guests.iter().map(|&guest| &candidates[guest as usize]);
        let (mut found, pairs) =
            Meeting::new(guests, self.lists.dim(), cutoff, &self.rule).with(self.lists, task.list)?;
        found.iter_mut().for_each(|found| found.keep(|row| self.bounds.list(row as usize) == task.list));
        Ok((found, pairs))
    }
}

/// The number of tasks that make up the next wave: as many as there is room for what they may find.
fn wave_len(tasks: &[Task], rule: &Rule) -> usize {
    let (mut bytes, meeting_bytes) = (0, rule.max_bytes() + MEETING_BYTES);
    let within = tasks.iter().take_while(|task| {
        bytes += task.guests.len() * meeting_bytes;
        bytes <= WAVE_BYTES
    });
    within.count().max(1)
}
