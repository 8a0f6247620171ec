//! Finalists → their exact k-th similarities, in float64 from the float32 vectors of the store.
//!
//! A finalist's shortlist holds the rows among which its nearest are, so only these are read. Where near-copies crowd within
//! the margin and a shortlist had no room for all, the finalist is compared with the whole corpus again
//! ([`super::rescan`]).

use ndarray::Array2;

use super::bounds::{Bounds, digests};
use super::copies::Copies;
use super::cost::Budget;
use super::filter::Finalist;
use super::nearest::{NearestList, cosine, rounding_error};
use super::ranking::{Ranked, Ranking};
use super::rescan::Rescan;
use super::shortlist::Rule;
use super::{Certificate, LonelyError, Settings, VectorSource, WAVE_BYTES};
use crate::inverted_lists::InvertedLists;

/// The factor by which rounds of rescans grow while the cutoff settles.
const ROUND_GROWTH: usize = 4;

/// A row of the store beside its vector: its number, its id, and what is ranked of it.
const ROW_BYTES: usize = 400;

/// A neighbour found in a rescan, with its id.
const NEIGHBOUR_BYTES: usize = 80;

/// Rows of the store by number, id and vector.
#[derive(Debug)]
pub(super) struct Rows {
    /// Ascending.
    numbers: Vec<usize>,
    pub(super) ids: Vec<String>,
    pub(super) vectors: Array2<f32>,
}

impl Rows {
    /// The place of a row that was read.
    fn place(&self, row: usize) -> usize {
        self.numbers.binary_search(&row).expect("every row asked for was read")
    }
}

/// Finalists on the way to exactness.
pub(super) struct Exact<'a, S> {
    pub(super) source: &'a S,
    pub(super) lists: &'a InvertedLists,
    pub(super) bounds: &'a Bounds,
    pub(super) copies: &'a Copies,
    pub(super) settings: Settings,
    pub(super) rule: Rule,
}

impl<S: VectorSource> Exact<'_, S> {
    /// Ranks finalists.
    pub(super) fn rank(
        &self,
        finalists: Vec<Finalist>,
        ranking: &mut Ranking,
        certificate: &mut Certificate,
    ) -> Result<(), LonelyError<S::Error>> {
        let (whole, crowded): (Vec<_>, Vec<_>) =
            finalists.into_iter().partition(|finalist| finalist.shortlist.rows(&self.rule).is_some());
        let mut rest = whole.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.readable(rest));
            self.add(self.by_shortlist(now)?, ranking)?;
            rest = later;
        }
        self.rescan(crowded, ranking, certificate)
    }

    fn add(&self, ranked: Vec<Ranked>, ranking: &mut Ranking) -> Result<(), LonelyError<S::Error>> {
        ranking.add(ranked, self.copies, self.source)
    }

    /// The rows, each of so many bytes, for which there is room where candidates had their halves and their meetings.
    fn rows_at_once(&self, row_bytes: usize) -> usize {
        let halves = self.settings.max_candidates.saturating_mul(2 * self.lists.dim());
        (halves.saturating_add(WAVE_BYTES) / row_bytes).min(self.settings.max_candidates).max(1)
    }

    /// The number of finalists whose shortlists are read at once.
    fn readable(&self, finalists: &[Finalist]) -> usize {
        let (mut rows, most) = (0, self.rows_at_once(self.lists.dim() * size_of::<f32>() + ROW_BYTES));
        let within = finalists.iter().take_while(|finalist| {
            rows += 1 + finalist.shortlist.rows(&self.rule).map_or(0, Iterator::count);
            rows <= most
        });
        within.count().max(1)
    }

    /// Settles finalists by the rows of their shortlists.
    fn by_shortlist(&self, finalists: &[Finalist]) -> Result<Vec<Ranked>, LonelyError<S::Error>> {
        let rule = self.rule;
        let others = |finalist: &'_ Finalist| finalist.shortlist.rows(&rule).into_iter().flatten().collect::<Vec<_>>();
        let rows = finalists.iter().flat_map(|finalist| others(finalist).into_iter().chain([finalist.row])).collect();
        let read = self.read(rows)?;
        let error = rounding_error(self.lists.dim());
        let ranked = finalists.iter().map(|finalist| {
            let own = read.place(finalist.row);
            let mut nearest = NearestList::new(self.rule.k, finalist.at_least, error);
            for (row, place) in others(finalist).into_iter().map(|row| (row, read.place(row))) {
                let similarity = cosine(read.vectors.row(own), read.vectors.row(place));
                nearest.offer(similarity, row, &read.ids[place], error);
            }
            Ranked::new(finalist.row, &read.ids[own], read.vectors.row(own), &nearest)
        });
        Ok(ranked.collect())
    }

    /// Compares finalists with the whole corpus again, the loneliest first.
    fn rescan(
        &self,
        mut crowded: Vec<Finalist>,
        ranking: &mut Ranking,
        certificate: &mut Certificate,
    ) -> Result<(), LonelyError<S::Error>> {
        let (num_rows, dim) = (self.lists.num_rows(), self.lists.dim());
        let budget = Budget { max_operations: self.settings.max_operations, num_rows, dim };
        certificate.rescan.entered += crowded.len();
        crowded.sort_by(|left, right| left.at_least.total_cmp(&right.at_least).then(left.row.cmp(&right.row)));
        // Their vectors are there twice: as they were read, and those of them that are still compared.
        let most = self.rows_at_once(2 * dim * size_of::<f32>() + self.rule.k * NEIGHBOUR_BYTES + ROW_BYTES);
        let (mut round, mut rest) = (self.settings.want, crowded.as_slice());
        while !rest.is_empty() {
            let within = rest.partition_point(|finalist| finalist.at_least <= ranking.cutoff());
            let is_settled = ranking.cutoff().is_finite();
            round = if is_settled { most } else { round.saturating_mul(ROUND_GROWTH).min(most) };
            let now_len = within.min(round);
            if now_len == 0 {
                break;
            }
            // Until there is a cutoff nobody knows how many more there will be.
            let ahead = if is_settled { within } else { now_len };
            budget.check(certificate.rescan.pairs as f64 + ahead as f64 * num_rows as f64)?;
            let mut now: Vec<&Finalist> = rest[..now_len].iter().collect();
            now.sort_unstable_by_key(|finalist| finalist.row);
            let read = self.read(now.iter().map(|finalist| finalist.row).collect())?;
            let mut rescan = Rescan::new(&now, read, self.rule.k);
            certificate.rescan.pairs += rescan.run(self.source, ranking.cutoff())?;
            certificate.store_scans += 1;
            let ranked = rescan.finish(ranking.cutoff());
            certificate.rescan.fell += now.len() - ranked.len();
            self.add(ranked, ranking)?;
            rest = &rest[now_len..];
        }
        certificate.rescan.fell += rest.len();
        Ok(())
    }

    /// Reads rows, given in any order and more than once, and holds them to what was labelled.
    fn read(&self, mut rows: Vec<usize>) -> Result<Rows, LonelyError<S::Error>> {
        rows.sort_unstable();
        rows.dedup();
        let vectors = self.source.vectors(&rows).map_err(LonelyError::Source)?;
        let ids = self.source.ids(&rows).map_err(LonelyError::Ids)?;
        let (found, expected) = (vectors.ncols(), self.lists.dim());
        if found != expected {
            return Err(LonelyError::Dimension { row: rows[0], found, expected });
        }
        if vectors.nrows() != rows.len() || ids.len() != rows.len() {
            return Err(LonelyError::Rows { found: vectors.nrows().min(ids.len()), expected: rows.len() });
        }
        let digests = digests(vectors.view());
        if let Some((&row, _)) = rows.iter().zip(digests).find(|&(&row, digest)| digest != self.bounds.digest(row)) {
            return Err(LonelyError::Changed { row });
        }
        Ok(Rows { numbers: rows, ids, vectors })
    }
}
