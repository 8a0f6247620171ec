//! Bounds and a source of vectors → the loneliest documents.

use std::ops::{ControlFlow, Range};

use ndarray::{Array2, s};

use super::bounds::Bounds;
use super::candidates::{Candidate, Candidates};
use super::groups::Groups;
use super::nearest::{NearestList, rounding_error};
use super::ranking::Ranking;
use super::{Block, Certificate, Lonely, LonelyError, Settings, VectorSource};

/// Candidates of the first helping for each document wanted: enough for a first cutoff that keeps later helpings small.
const FIRST_CANDIDATES_PER_WANTED: usize = 20;

/// Candidates of the first round of comparisons with the corpus, for each document wanted.
const FIRST_ROUND_PER_WANTED: usize = 2;

/// The factor by which rounds grow while the cutoff settles.
const ROUND_GROWTH: usize = 4;

/// Finds the loneliest documents of a corpus.
///
/// `bounds` has been given every row. Rows for which `eligible` does not hold are not listed and are neighbours all the
/// same.
///
/// The corpus is read twice for each helping of candidates and once for each round of them; the memory is that of
/// [`Settings::max_candidates`] vectors (twice that while they are sorted), a block, and some 40 bytes a row.
///
/// # Errors
/// [`LonelyError::Source`] and [`LonelyError::Ids`] pass on the caller's errors; [`LonelyError::Dimension`] and
/// [`LonelyError::Rows`] say that the source shows other vectors than it announced.
pub fn search<S: VectorSource>(
    source: &S,
    bounds: &Bounds,
    eligible: &dyn Fn(usize) -> bool,
    settings: Settings,
) -> Result<Lonely, LonelyError<S::Error>> {
    let num_rows = source.num_rows();
    if bounds.rows_seen() != num_rows {
        return Err(LonelyError::Rows { found: bounds.rows_seen(), expected: num_rows });
    }
    if bounds.neighbours() == 0 || settings.want == 0 {
        let certificate = Certificate { rows: num_rows, ..Certificate::default() };
        return Ok(Lonely { entries: Vec::new(), neighbours: bounds.neighbours(), certificate });
    }
    let mut search = Search::new(source, bounds, eligible, settings);
    search.run()?;
    let Search { groups, ranking, mut certificate, .. } = search;
    let cutoff = ranking.cutoff();
    let entries = ranking.entries(&groups, source).map_err(LonelyError::Ids)?;
    certificate.cutoff = cutoff.is_finite().then_some(cutoff);
    certificate.operations += bounds.operations();
    Ok(Lonely { entries, neighbours: bounds.neighbours(), certificate })
}

/// A search under way.
struct Search<'a, S> {
    source: &'a S,
    bounds: &'a Bounds,
    settings: Settings,
    groups: Groups,
    ranking: Ranking,
    certificate: Certificate,
    /// Candidates of the next round.
    round: usize,
}

impl<'a, S: VectorSource> Search<'a, S> {
    fn new(source: &'a S, bounds: &'a Bounds, eligible: &dyn Fn(usize) -> bool, settings: Settings) -> Self {
        let groups = Groups::new(source.num_rows(), bounds, eligible);
        let certificate = Certificate { rows: source.num_rows(), distinct: groups.len(), ..Certificate::default() };
        let round = settings.want.saturating_mul(FIRST_ROUND_PER_WANTED);
        Self { source, bounds, settings, groups, ranking: Ranking::new(settings.want), certificate, round }
    }

    /// Takes helping after helping in ascending order of bound, until the next bound is above the cutoff.
    fn run(&mut self) -> Result<(), LonelyError<S::Error>> {
        let most = self.settings.max_candidates.max(1);
        let mut helping = self.settings.want.saturating_mul(FIRST_CANDIDATES_PER_WANTED).min(most);
        let mut first = 0;
        loop {
            let last = (first..self.groups.len())
                .take(helping)
                .find(|&group| self.groups.bound(group) > self.ranking.cutoff())
                .unwrap_or_else(|| (first + helping).min(self.groups.len()));
            if first == last {
                return Ok(());
            }
            let mut candidates = self.gather(first..last)?;
            self.compare_with_cluster(&mut candidates)?;
            self.compare_with_corpus(candidates)?;
            (first, helping) = (last, most);
        }
    }

    /// Reads the vectors and the ids of the first rows of some groups.
    fn gather(&mut self, range: Range<usize>) -> Result<Candidates, LonelyError<S::Error>> {
        let error = rounding_error(self.source.dim());
        let mut entries: Vec<Candidate> = range
            .map(|group| {
                let (row, bound) = (self.groups.members(group)[0], self.groups.bound(group));
                let nearest = NearestList::new(self.bounds.neighbours(), bound, error);
                Candidate { group, row, id: String::new(), label: self.bounds.label(row), bound, nearest }
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.row);
        let mut vectors = Array2::zeros((entries.len(), self.source.dim()));
        let mut missing = entries.len();
        self.read(|block| {
            let rows = block.first_row..block.first_row + block.vectors.nrows();
            let start = entries.partition_point(|entry| entry.row < rows.start);
            let end = entries.partition_point(|entry| entry.row < rows.end);
            let mut places = vectors.slice_mut(s![start..end, ..]);
            for (entry, mut place) in entries[start..end].iter_mut().zip(places.outer_iter_mut()) {
                let position = entry.row - rows.start;
                place.assign(&block.vectors.row(position));
                block.ids.value(position).clone_into(&mut entry.id);
            }
            missing -= end - start;
            if missing == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.certificate.bounded_below += entries.len();
        Ok(Candidates::new(entries, vectors))
    }

    /// Raises the bounds of candidates by their whole cluster, and drops those that it puts above the cutoff.
    fn compare_with_cluster(&mut self, candidates: &mut Candidates) -> Result<(), LonelyError<S::Error>> {
        let bounds = self.bounds;
        if !candidates.entries().iter().any(|candidate| bounds.can_be_refined(candidate.label)) {
            return Ok(());
        }
        candidates.sort_by_key(|candidate| (candidate.label, candidate.row));
        let (mut pairs, mut fallen, cutoff) = (0, 0, self.ranking.cutoff());
        self.read(|block| {
            pairs += candidates.meet_own_cluster(block, &|row| bounds.label(row), cutoff);
            fallen += candidates.thin_above(cutoff);
            ControlFlow::Continue(())
        })?;
        self.count_operations(pairs);
        self.certificate.fell_in_cluster += fallen + candidates.drop_above(cutoff);
        candidates.keep_bounds(bounds.neighbours());
        Ok(())
    }

    /// Compares candidates with the corpus in rounds, in ascending order of bound, and ranks those that remain.
    fn compare_with_corpus(&mut self, mut candidates: Candidates) -> Result<(), LonelyError<S::Error>> {
        candidates.sort_by_key(|candidate| (candidate.bound, candidate.row));
        while candidates.entries().first().is_some_and(|candidate| candidate.bound <= self.ranking.cutoff()) {
            let cutoff = self.ranking.cutoff();
            let within = candidates.entries().partition_point(|candidate| candidate.bound <= cutoff);
            let mut round = candidates.split_off_front(within.min(self.round));
            self.certificate.searched += round.len();
            self.certificate.fell_in_search += self.compare_round(&mut round, cutoff)?;
            self.certificate.exhausted += round.len();
            self.ranking.add(&round, &self.groups);
            self.round = self.round.saturating_mul(ROUND_GROWTH);
        }
        Ok(())
    }

    /// Compares one round with every row of the corpus; returns how many fell.
    fn compare_round(&mut self, round: &mut Candidates, cutoff: f64) -> Result<usize, LonelyError<S::Error>> {
        let (mut pairs, mut fallen) = (0, 0);
        self.read(|block| {
            pairs += round.meet_all(block, cutoff);
            fallen += round.thin_above(cutoff);
            if round.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.count_operations(pairs);
        Ok(fallen + round.drop_above(cutoff))
    }

    /// Reads the corpus and holds it to what was announced.
    fn read(&mut self, mut visit: impl FnMut(Block<'_>) -> ControlFlow<()>) -> Result<(), LonelyError<S::Error>> {
        let (expected, dim) = (self.source.num_rows(), self.source.dim());
        let (mut found, mut fault, mut ended) = (0, None, false);
        let scanned = self.source.scan(&mut |block| {
            let vectors = block.vectors.as_standard_layout();
            found += vectors.nrows();
            if vectors.ncols() != dim {
                fault = Some(LonelyError::Dimension { row: block.first_row, found: vectors.ncols(), expected: dim });
            } else if block.first_row + vectors.nrows() > expected || found > expected {
                fault = Some(LonelyError::Rows { found: found.max(block.first_row + vectors.nrows()), expected });
            }
            if fault.is_some() {
                return ControlFlow::Break(());
            }
            let flow = visit(Block { vectors: vectors.view(), ..block });
            ended = flow.is_break();
            flow
        });
        self.certificate.scans += 1;
        scanned.map_err(LonelyError::Source)?;
        match fault {
            Some(fault) => Err(fault),
            None if !ended && found != expected => Err(LonelyError::Rows { found, expected }),
            None => Ok(()),
        }
    }

    /// Counts the multiplications and additions of `pairs` inner products.
    fn count_operations(&mut self, pairs: u64) {
        self.certificate.operations += 2 * pairs * self.source.dim() as u64;
    }
}
