//! Searched candidates → the list: a cutoff that only tightens, and ties broken by id.

use super::candidates::Candidates;
use super::groups::Groups;
use super::nearest::Neighbour;
use super::{Entry, VectorSource};

/// Ids that are asked for at once where very many documents tie.
const IDS_AT_ONCE: usize = 65_536;

/// A group of rows whose k-th similarity is known exactly.
#[derive(Debug, Clone)]
struct Finalist {
    group: usize,
    similarity: f64,
    /// The nearest others of the group's first row, the nearest first; two of them are enough.
    nearest: Vec<Neighbour>,
    /// The group's first row, as its other rows see it: its similarity to a copy of itself.
    first: Neighbour,
}

impl Finalist {
    /// The nearest other row of a member: what the first row has, with the two exchanged.
    fn nearest_of(&self, row: usize) -> &Neighbour {
        let first = &self.first;
        match self.nearest.iter().find(|other| other.row != row) {
            Some(other) if row == first.row || other.is_nearer_than(first.similarity, &first.id) => other,
            _ => first,
        }
    }

    /// The entry of one of the group's rows.
    fn entry(&self, row: usize, id: String) -> Entry {
        let nearest = self.nearest_of(row);
        Entry { row, id, similarity: self.similarity, nearest_row: nearest.row, nearest_similarity: nearest.similarity }
    }
}

/// The loneliest groups found so far.
#[derive(Debug)]
pub(super) struct Ranking {
    want: usize,
    finalists: Vec<Finalist>,
    cutoff: f64,
}

impl Ranking {
    /// An empty ranking for `want` ≥ 1 rows.
    pub(super) fn new(want: usize) -> Self {
        Self { want, finalists: Vec::new(), cutoff: f64::INFINITY }
    }

    /// The `want`-th lowest k-th similarity of a row so far; infinite until there are so many.
    pub(super) fn cutoff(&self) -> f64 {
        self.cutoff
    }

    /// Takes in candidates that were compared with the whole corpus, and lowers the cutoff.
    pub(super) fn add(&mut self, searched: &Candidates, groups: &Groups) {
        for (position, candidate) in searched.entries().iter().enumerate() {
            let (row, id) = (candidate.row, candidate.id.clone());
            let first = Neighbour { similarity: searched.self_similarity(position), id, row };
            let nearest = candidate.nearest.neighbours().iter().take(2).cloned().collect();
            let similarity = candidate.nearest.kth();
            self.finalists.push(Finalist { group: candidate.group, similarity, nearest, first });
        }
        self.finalists.sort_by(|left, right| left.similarity.total_cmp(&right.similarity));
        let mut rows = 0;
        for finalist in &self.finalists {
            rows += groups.members(finalist.group).len();
            if rows >= self.want {
                self.cutoff = finalist.similarity;
                break;
            }
        }
        let cutoff = self.cutoff;
        self.finalists.retain(|finalist| finalist.similarity <= cutoff);
    }

    /// Lists the `want` loneliest rows, ties by id.
    pub(super) fn entries<S: VectorSource>(self, groups: &Groups, source: &S) -> Result<Vec<Entry>, S::Error> {
        let mut rows: Vec<(usize, usize)> = Vec::new();
        for (place, finalist) in self.finalists.iter().enumerate() {
            rows.extend(groups.members(finalist.group).iter().map(|&row| (row, place)));
        }
        rows.sort_unstable();
        let mut entries = Vec::new();
        for portion in rows.chunks(IDS_AT_ONCE) {
            let ids = source.ids(&portion.iter().map(|&(row, _)| row).collect::<Vec<_>>())?;
            entries.extend(portion.iter().zip(ids).map(|(&(row, place), id)| self.finalists[place].entry(row, id)));
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
