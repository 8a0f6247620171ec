//! A labelled sample → a few reference rows of each cluster, against which every row of the corpus is bounded.

use ndarray::{Array2, ArrayView2, Axis};

/// A few rows, by number and by value.
#[derive(Debug, Clone)]
pub(super) struct ReferenceSet {
    /// Their global rows, ascending.
    pub(super) rows: Vec<usize>,
    /// `[rows, dim]` in the same order.
    pub(super) vectors: Array2<f32>,
}

impl ReferenceSet {
    /// Takes at most `limit` of `members`, evenly spread over them; members are positions in `rows` and `vectors`.
    fn spread(members: &[usize], limit: usize, rows: &[u64], vectors: ArrayView2<'_, f32>) -> Self {
        let taken = members.len().min(limit);
        let mut chosen: Vec<usize> = (0..taken).map(|place| members[place * members.len() / taken]).collect();
        chosen.sort_unstable_by_key(|&member| rows[member]);
        Self {
            rows: chosen.iter().map(|&member| rows[member] as usize).collect(),
            vectors: vectors.select(Axis(0), &chosen),
        }
    }

    /// The place of a row among the references, if it is one.
    pub(super) fn place(&self, row: usize) -> Option<usize> {
        self.rows.binary_search(&row).ok()
    }
}

/// Rows of a sample against which every row of the corpus is bounded.
#[derive(Debug, Clone)]
pub struct References {
    clusters: Vec<ReferenceSet>,
    /// A spread of the whole sample, for clusters that have too few of their own.
    whole: ReferenceSet,
}

impl References {
    /// Keeps at most `limit` sample rows of each cluster, evenly spread in the order given.
    ///
    /// `rows` are the sample's global rows, each once, `labels` (`0..num_clusters`) and `vectors` (`[rows, dim]`) those of
    /// the same rows. [`super::REFERENCES_PER_CLUSTER`] are enough; of the whole sample so many are kept that each row has
    /// `neighbours` others among them.
    ///
    /// # Panics
    /// If a label is not below `num_clusters`, or the three are not equally long.
    #[must_use]
    pub fn new(
        (num_clusters, limit, neighbours): (usize, usize, usize),
        rows: &[u64],
        labels: &[i32],
        vectors: ArrayView2<'_, f32>,
    ) -> Self {
        let mut members = vec![Vec::new(); num_clusters];
        for (position, &label) in labels.iter().enumerate() {
            members[label as usize].push(position);
        }
        let everyone: Vec<usize> = (0..rows.len()).collect();
        Self {
            clusters: members.iter().map(|some| ReferenceSet::spread(some, limit, rows, vectors)).collect(),
            whole: ReferenceSet::spread(&everyone, limit.max(neighbours + 1), rows, vectors),
        }
    }

    /// The rows that bound a row of cluster `label`: at least `neighbours` besides the row itself, if there are so many.
    pub(super) fn of(&self, label: i32, neighbours: usize) -> &ReferenceSet {
        let own = &self.clusters[label as usize];
        if own.rows.len() > neighbours { own } else { &self.whole }
    }
}
