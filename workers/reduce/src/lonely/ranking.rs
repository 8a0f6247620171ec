//! Rows whose k-th similarity is known exactly → the list: a cutoff that only tightens, and ties broken by id.

use ndarray::ArrayView1;

use super::copies::Copies;
use super::nearest::{NearestList, Neighbour, cosine};
use super::{Entry, VectorSource};

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
    ranked: Vec<Ranked>,
    cutoff: f64,
}

impl Ranking {
    /// An empty ranking for `want` ≥ 1 rows.
    pub(super) fn new(want: usize) -> Self {
        Self { want, ranked: Vec::new(), cutoff: f64::INFINITY }
    }

    /// The `want`-th lowest k-th similarity of a row so far; infinite until there are so many.
    pub(super) fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// Takes in rows, and lowers the cutoff.
    pub(super) fn add(&mut self, ranked: Vec<Ranked>, copies: &Copies) {
        self.ranked.extend(ranked);
        self.ranked.sort_by(|left, right| left.similarity.total_cmp(&right.similarity));
        let mut rows = 0;
        let last = self.ranked.iter().find(|ranked| {
            rows += copies.weight(ranked.itself.row);
            rows >= self.want
        });
        self.cutoff = last.map_or(f64::INFINITY, |last| last.similarity);
        let cutoff = self.cutoff;
        self.ranked.retain(|ranked| ranked.similarity <= cutoff);
    }

    /// Lists the `want` loneliest rows, ties by id.
    pub(super) fn entries<S: VectorSource>(self, copies: &Copies, source: &S) -> Result<Vec<Entry>, S::Error> {
        let mut rows: Vec<(usize, usize)> = Vec::new();
        for (place, ranked) in self.ranked.iter().enumerate() {
            rows.extend(copies.members(ranked.itself.row).map(|row| (row, place)));
        }
        rows.sort_unstable();
        let mut entries = Vec::new();
        for portion in rows.chunks(IDS_AT_ONCE) {
            let ids = source.ids(&portion.iter().map(|&(row, _)| row).collect::<Vec<_>>())?;
            entries.extend(portion.iter().zip(ids).map(|(&(row, place), id)| self.ranked[place].entry(row, id)));
            self.shorten(&mut entries);
        }
        Ok(entries)
    }

    /// Sorts by similarity, then id, and keeps the first `want`.
    fn shorten(&self, entries: &mut Vec<Entry>) {
        entries.sort_by(|left, right| {
            (left.similarity.total_cmp(&right.similarity))
                .then_with(|| left.id.cmp(&right.id))
                .then(left.row.cmp(&right.row))
        });
        entries.truncate(self.want);
    }
}
