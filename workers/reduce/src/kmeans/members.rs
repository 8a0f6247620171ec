//! Gathers rows by their labels.
//!
//! Invariant: the rows of a label keep the order in which they came.

/// Rows, those of one label after those of another.
pub(super) struct Members {
    rows: Vec<usize>,
    starts: Vec<usize>,
}

impl Members {
    /// Gathers pairs of a row and its label, each label below `num_clusters`.
    pub(super) fn new(labelled: impl Iterator<Item = (usize, u32)> + Clone, num_clusters: usize) -> Self {
        let mut starts = vec![0; num_clusters + 1];
        for (_, label) in labelled.clone() {
            starts[label as usize + 1] += 1;
        }
        for label in 0..num_clusters {
            starts[label + 1] += starts[label];
        }
        let (mut next, mut rows) = (starts.clone(), vec![0; starts[num_clusters]]);
        for (row, label) in labelled {
            rows[next[label as usize]] = row;
            next[label as usize] += 1;
        }
        Self { rows, starts }
    }

    /// Returns the rows of one label.
    pub(super) fn of(&self, label: usize) -> &[usize] {
        &self.rows[self.starts[label]..self.starts[label + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_gathered_by_label_in_their_order() {
        let members = Members::new([(7, 2), (1, 0), (5, 2), (3, 0)].into_iter(), 4);
        assert_eq!([members.of(0), members.of(1), members.of(2), members.of(3)], [&[1, 3][..], &[], &[7, 5], &[]]);
    }
}
