//! Sees to it that each centroid has members, and puts centroids into their canonical order.
//!
//! Invariant: what counts as a member is decided by [`assign`], the very scoring that labels the corpus.

use ndarray::{Array2, ArrayView2, Axis};

use super::Centroids;
use crate::assign::{Assigned, assign, assign_and_find_ties};

/// Reorderings after which ties between equal scores are left as they are; one is the rule.
const MAX_REORDERINGS: usize = 8;

/// Centroids and what each has of the sample.
pub(super) struct Occupied {
    pub(super) centroids: Centroids,
    pub(super) assigned: Assigned,
    /// The rows that several centroids score alike, so that their order decides.
    tied: Vec<usize>,
}

impl Occupied {
    /// Assigns the sample to centroids.
    pub(super) fn new(sample: ArrayView2<'_, f32>, centroids: Centroids) -> Self {
        let (assigned, tied) = assign_and_find_ties(sample, &centroids);
        Self { centroids, assigned, tied }
    }

    /// Counts the members of each centroid.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.assigned.sizes(self.centroids.len())
    }

    /// Keeps the given centroids only, all that have members, in the given order.
    ///
    /// The centroids score as before, so that labels keep their centroids but for ties, which go to the first.
    fn reorder(&mut self, sample: ArrayView2<'_, f32>, kept: &[usize]) {
        let mut places = vec![0; self.centroids.len()];
        kept.iter().enumerate().for_each(|(place, &label)| places[label] = place as i32);
        self.centroids = Centroids::new(self.centroids.vectors().select(Axis(0), kept));
        self.assigned.labels.iter_mut().for_each(|label| *label = places[*label as usize]);
        let tied = assign(sample.select(Axis(0), &self.tied).view(), &self.centroids);
        for (place, &row) in self.tied.iter().enumerate() {
            self.assigned.labels[row] = tied.labels[place];
            self.assigned.similarities[row] = tied.similarities[place];
            self.assigned.squared_distances[row] = tied.squared_distances[place];
        }
    }
}

/// Moves each empty centroid to a row that lies far from its own centroid; `None` if no centroid is empty.
///
/// Rows are taken from the farthest on, ties by their order, each vector once, and none that is alone in its cluster or
/// already lies at its centroid. Where there are too few of them, the remaining centroids stay empty.
pub(super) fn reseed_empty(sample: ArrayView2<'_, f32>, occupied: &Occupied) -> Option<Array2<f32>> {
    let sizes = occupied.sizes();
    let empty: Vec<usize> = (0..sizes.len()).filter(|&label| sizes[label] == 0).collect();
    if empty.is_empty() {
        return None;
    }
    let mut moved = occupied.centroids.vectors().to_owned();
    for (&label, row) in empty.iter().zip(farthest_rows(sample, &occupied.assigned, &sizes, empty.len())) {
        moved.row_mut(label).assign(&sample.row(row));
    }
    Some(moved)
}

/// Returns up to `count` rows of different vectors, the farthest from their centroids first.
fn farthest_rows(sample: ArrayView2<'_, f32>, assigned: &Assigned, sizes: &[u64], count: usize) -> Vec<usize> {
    let distances = &assigned.squared_distances;
    let movable = |&row: &usize| distances[row] > 0.0 && sizes[assigned.labels[row] as usize] > 1;
    let mut rows: Vec<usize> = (0..distances.len()).filter(movable).collect();
    rows.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
    let mut taken: Vec<usize> = Vec::new();
    for row in rows {
        if taken.len() == count {
            break;
        }
        if !taken.iter().any(|&other| sample.row(other) == sample.row(row)) {
            taken.push(row);
        }
    }
    taken
}

/// Drops centroids without members and orders the rest by size, the largest first, ties by their former order.
///
/// A new order can hand a row from one to another of two centroids that score exactly alike; the order is settled anew
/// until it agrees with the sizes, or such ties prove endless.
pub(super) fn settle(sample: ArrayView2<'_, f32>, mut occupied: Occupied) -> Occupied {
    for num_reorderings in 0.. {
        let sizes = occupied.sizes();
        let mut kept: Vec<usize> = (0..sizes.len()).filter(|&label| sizes[label] > 0).collect();
        if num_reorderings < MAX_REORDERINGS {
            kept.sort_by(|&a, &b| sizes[b].cmp(&sizes[a]));
        }
        if kept.len() == sizes.len() && kept.is_sorted() {
            break;
        }
        occupied.reorder(sample, &kept);
    }
    occupied
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn an_empty_centroid_moves_to_the_farthest_row_with_company() {
        let sample = array![[0.0], [1.0], [2.5], [2.5], [50.0]];
        let centroids = Centroids::new(array![[0.0], [49.0], [900.0], [901.0]]);
        let moved = reseed_empty(sample.view(), &Occupied::new(sample.view(), centroids));
        assert_eq!(moved, Some(array![[0.0], [49.0], [2.5], [1.0]]));
    }

    #[test]
    fn full_centroids_are_left_alone() {
        let sample = array![[0.0], [50.0]];
        let centroids = Centroids::new(array![[0.0], [49.0]]);
        assert_eq!(reseed_empty(sample.view(), &Occupied::new(sample.view(), centroids)), None);
    }

    #[test]
    fn the_largest_cluster_comes_first_and_empty_ones_go() {
        let sample = array![[0.0], [7.0], [7.1], [20.0], [20.1], [20.2]];
        let centroids = Centroids::new(array![[0.0], [7.0], [-400.0], [20.0]]);
        let occupied = settle(sample.view(), Occupied::new(sample.view(), centroids));
        assert_eq!(occupied.centroids.vectors(), array![[20.0], [7.0], [0.0]]);
        assert_eq!(occupied.sizes(), [3, 2, 1]);
        assert_eq!(occupied.assigned.labels, [2, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn a_cluster_that_loses_its_tied_member_to_a_larger_one_goes() {
        // 5 lies midway; before the order it belongs to the first centroid, whose only member it is.
        let sample = array![[5.0], [10.0], [10.0]];
        let centroids = Centroids::new(array![[0.0], [10.0]]);
        let occupied = Occupied::new(sample.view(), centroids);
        assert_eq!(occupied.assigned.labels, [0, 1, 1]);
        let occupied = settle(sample.view(), occupied);
        assert_eq!(occupied.centroids.vectors(), array![[10.0]]);
        assert_eq!(occupied.sizes(), [3]);
    }

    #[test]
    fn settled_labels_are_those_that_the_centroids_give() {
        // On a grid many rows lie midway between two centroids.
        let sample = Array2::from_shape_fn((2_000, 2), |(row, column)| ((row * 7 + column * row / 11) % 9) as f32);
        let centroids = Array2::from_shape_fn((30, 2), |(label, column)| ((label * 5 + column * label / 3) % 9) as f32);
        let occupied = settle(sample.view(), Occupied::new(sample.view(), Centroids::new(centroids)));
        assert_eq!(occupied.assigned, assign(sample.view(), &occupied.centroids));
        assert!(!occupied.tied.is_empty() && occupied.sizes().is_sorted_by(|a, b| a >= b));
    }
}
