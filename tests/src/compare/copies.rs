//! Planted copies and vectors → whether a copy's nearest neighbour is what it was copied from.

use std::collections::HashMap;

use strata_shared::vectors::Vectors;

use super::Found;
use crate::corpus::{PlantedCopy, Truth};

/// How much nearer than its source another document may be, for rounding's sake.
const ROUNDING: f32 = 1e-6;

/// One planted copy and its source.
#[derive(Debug, Clone, PartialEq)]
pub struct CopyMatch {
    /// Its id.
    pub id: String,
    /// The id of its source.
    pub of: String,
    /// Whether it was copied word for word.
    pub is_exact: bool,
    /// The cosine to its source; `None` where one of the two is no row.
    pub similarity: Option<f32>,
    /// Whether no other document is nearer to it than its source.
    pub is_nearest: bool,
    /// Whether both have one label.
    pub shares_label: bool,
}

pub(super) fn compare(truth: &Truth, found: &Found) -> Vec<CopyMatch> {
    let rows: HashMap<&str, usize> = found.ids.iter().enumerate().map(|(row, id)| (id.as_str(), row)).collect();
    let exact = truth.exact_copies.iter().map(|copy| (copy, true));
    let near = truth.near_copies.iter().map(|copy| (copy, false));
    exact.chain(near).map(|(copy, is_exact)| matched(copy, is_exact, found, &rows)).collect()
}

fn matched(copy: &PlantedCopy, is_exact: bool, found: &Found, rows: &HashMap<&str, usize>) -> CopyMatch {
    let pair = rows.get(copy.id.as_str()).zip(rows.get(copy.of.as_str()));
    let similarity = pair.map(|(&row, &source)| dot(found.vectors.row(row), found.vectors.row(source)));
    let (label, source_label) = (found.labels.get(&copy.id), found.labels.get(&copy.of));
    CopyMatch {
        id: copy.id.clone(),
        of: copy.of.clone(),
        is_exact,
        similarity,
        is_nearest: pair.zip(similarity).is_some_and(|((&row, _), nearness)| is_nearest(&found.vectors, row, nearness)),
        shares_label: label.is_some() && label == source_label,
    }
}

fn is_nearest(vectors: &Vectors, row: usize, nearness: f32) -> bool {
    let own = vectors.row(row);
    (0..vectors.len()).all(|other| other == row || dot(own, vectors.row(other)) <= nearness + ROUNDING)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_among_all_others_but_itself() {
        let vectors = Vectors::new(2, vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0]);
        assert!(is_nearest(&vectors, 0, 0.8));
        assert!(!is_nearest(&vectors, 0, 0.0));
    }
}
