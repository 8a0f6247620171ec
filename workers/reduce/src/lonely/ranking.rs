//! Rows whose k-th similarity is known exactly → the list: a cutoff that only tightens, and ties broken by id.
//!
//! Invariant: no more rows are kept than are wanted, however many tie.

use ndarray::ArrayView1;

use super::copies::Copies;
use super::nearest::{NearestList, Neighbour, cosine};
use super::{Entry, LonelyError, VectorSource};

/// Ids that are asked for at once where very many documents tie.
const IDS_AT_ONCE: usize = 65_536;

/// A row whose k-th similarity is known exactly, and which stands for its copies.
#[derive(Debug, Clone)]
pub(super) struct Ranked {
    pub(super) similarity: f64,
    /// The nearest others of the row, the nearest first; two of them are enough.
    pub(super) nearest: Vec<Neighbour>,
    /// The row itself, as its copies see it: its similarity to a copy of itself.
    pub(super) itself: Neighbour,
}

impl Ranked {
    /// Joins a row with its nearest.
    pub(super) fn new(row: usize, id: &str, vector: ArrayView1<'_, f32>, nearest: &NearestList) -> Self {
        let itself = Neighbour { similarity: cosine(vector, vector), id: id.to_owned(), row };
        Self { similarity: nearest.kth(), nearest: nearest.neighbours().iter().take(2).cloned().collect(), itself }
    }

    /// The nearest other row of a copy: what the row itself has, with the two exchanged.
    fn nearest_of(&self, row: usize) -> &Neighbour {
        let itself = &self.itself;
        match self.nearest.iter().find(|other| other.row != row) {
            Some(other) if row == itself.row || other.is_nearer_than(itself.similarity, &itself.id) => other,
            _ => itself,
        }
    }

    /// The entry of one of the copies.
    fn entry(&self, row: usize, id: String) -> Entry {
        let nearest = self.nearest_of(row);
        Entry { row, id, similarity: self.similarity, nearest_row: nearest.row, nearest_similarity: nearest.similarity }
    }
}

/// The loneliest rows found so far.
#[derive(Debug)]
pub(super) struct Ranking {
    want: usize,
    /// In ascending order of similarity, ties by id; no more than are wanted.
    entries: Vec<Entry>,
}

impl Ranking {
    /// An empty ranking for `want` ≥ 1 rows.
    pub(super) const fn new(want: usize) -> Self {
        Self { want, entries: Vec::new() }
    }

    /// The `want`-th lowest k-th similarity of a row so far; infinite until there are so many.
    pub(super) fn cutoff(&self) -> f64 {
        self.entries.get(self.want - 1).map_or(f64::INFINITY, |last| last.similarity)
    }

    /// Takes in rows and their copies, of which it asks for the ids.
    pub(super) fn add<S: VectorSource>(
        &mut self,
        mut ranked: Vec<Ranked>,
        copies: &Copies,
        source: &S,
    ) -> Result<(), LonelyError<S::Error>> {
        let cutoff = self.cutoff_with(&ranked, copies);
        ranked.retain(|ranked| ranked.similarity <= cutoff);
        let mut rows: Vec<(u32, u32)> = Vec::new();
        for (place, ranked) in (0..).zip(&ranked) {
            rows.extend(copies.members(ranked.itself.row).map(|row| (row as u32, place)));
        }
        rows.sort_unstable();
        for portion in rows.chunks(IDS_AT_ONCE) {
            let of = |&(row, place): &(u32, u32)| (row as usize, &ranked[place as usize]);
            let unnamed = portion.iter().map(of).filter(|(row, ranked)| *row != ranked.itself.row);
            let unnamed: Vec<usize> = unnamed.map(|(row, _)| row).collect();
            let ids = if unnamed.is_empty() { Vec::new() } else { source.ids(&unnamed).map_err(LonelyError::Ids)? };
            if ids.len() != unnamed.len() {
                return Err(LonelyError::Rows { found: ids.len(), expected: unnamed.len() });
            }
            let mut ids = ids.into_iter();
            self.entries.extend(portion.iter().map(of).map(|(row, ranked)| {
                let itself = (row == ranked.itself.row).then(|| ranked.itself.id.clone());
                ranked.entry(row, itself.or_else(|| ids.next()).unwrap_or_default())
            }));
            self.shorten();
        }
        Ok(())
    }

    /// The cutoff once `ranked` rows and their copies are among the entries.
    fn cutoff_with(&self, ranked: &[Ranked], copies: &Copies) -> f64 {
        let entries = self.entries.iter().map(|entry| (entry.similarity, 1));
        let ranked = ranked.iter().map(|ranked| (ranked.similarity, copies.weight(ranked.itself.row)));
        let mut all: Vec<(f64, usize)> = entries.chain(ranked).collect();
        all.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
        let mut rows = 0;
        let last = all.iter().find(|(_, weight)| {
            rows += weight;
            rows >= self.want
        });
        last.map_or(f64::INFINITY, |(similarity, _)| *similarity)
    }

    /// Sorts by similarity, then id, and keeps the first `want`.
    fn shorten(&mut self) {
        self.entries.sort_by(|left, right| {
            (left.similarity.total_cmp(&right.similarity))
                .then_with(|| left.id.cmp(&right.id))
                .then(left.row.cmp(&right.row))
        });
        self.entries.truncate(self.want);
    }

    /// Returns the `want` loneliest rows, ties by id.
    pub(super) fn finish(self) -> Vec<Entry> {
        self.entries
    }
}
