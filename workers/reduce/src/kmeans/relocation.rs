//! Where a clustering has a centroid too many and where one too few: pairs of them are swapped.
//!
//! Steps of k-means move centroids but never from one part of the corpus to another, so that a topic that is new finds none
//! near it, and the one of a topic that is gone has nothing to do. What removing a centroid would cost and what a second one
//! in a cluster would gain are reckoned for all of them, from the labels that they have.
//!
//! Invariant: what comes out depends on the rows, their order and the labels, not on the number of threads.
//!
//! Method: random swap, Fränti 2018, with the best pairs instead of random ones; a cluster is split from the candidate
//! that lowers its inertia most, as greedy k-means++ chooses (Arthur and Vassilvitskii 2007).

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use rayon::prelude::*;

use super::Centroids;
use super::members::Members;
use super::occupancy::Occupied;
use crate::assign::{highest, score_rows};
use crate::matrix::{CHUNK_ROWS, dot_f64, product_transposed, squared_norms};

/// A swap gains at least this many times what it costs, as long as a clustering is not worse than a fresh one.
///
/// In k-means of 35,709 abstracts that have converged and to which nothing was added, the best pair gained 0.8, 2.4, 1.8 and
/// 3.7 times its cost with 50, 100, 200 and 400 clusters: there is always some room for another optimum, and no topic's
/// coming or going in it. While that corpus grew by a quarter in six steps, the ratio stayed between 0.98 and 1.5.
pub(super) const CAUTIOUS_RATIO: f64 = 4.0;

/// A swap gains at least this many times what it costs where a clustering would else be given up: anything at all.
pub(super) const BOLD_RATIO: f64 = 1.0;

/// One cluster in so many takes part in the swaps of one round, at least one.
const CLUSTERS_PER_SWAP: usize = 8;

/// Members tried as the second centroid of a cluster: a group of a tenth of it is missed once in 29 times.
const CANDIDATES: usize = 32;

/// Steps of the k-means of one cluster with two centroids.
const SPLIT_STEPS: usize = 8;

/// What each cluster would cost to be without, and gain by a second centroid.
pub(super) struct Prospects {
    costs: Vec<f64>,
    splits: Vec<Option<Split>>,
}

/// Two centroids for one cluster.
struct Split {
    /// By how much they lower the cluster's inertia.
    gain: f64,
    /// `[2, dim]`.
    halves: Array2<f32>,
}

/// One centroid that goes to where another one is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Swap {
    removed: usize,
    split: usize,
    /// By how much it would lower the inertia, other rows staying with their centroids.
    pub(super) promised: f64,
}

impl Prospects {
    /// Reckons them for a clustering of the sample, which is in standard layout.
    pub(super) fn new(sample: ArrayView2<'_, f32>, occupied: &Occupied) -> Self {
        let (centroids, labels) = (&occupied.centroids, &occupied.assigned.labels);
        let labelled = labels.iter().enumerate().map(|(row, &label)| (row, label as u32));
        let members = Members::new(labelled, centroids.len());
        let split = |label| split(sample, members.of(label), centroids.vector(label));
        let splits = (0..centroids.len()).into_par_iter().map(split).collect();
        Self { costs: removal_costs(sample, centroids, labels), splits }
    }

    fn gain(&self, label: usize) -> f64 {
        self.splits[label].as_ref().map_or(0.0, |split| split.gain)
    }

    /// Returns the clusters by what they would gain, the most first, those that can be split only.
    fn by_gain(&self) -> Vec<usize> {
        let mut labels: Vec<usize> = (0..self.splits.len()).filter(|&label| self.gain(label) > 0.0).collect();
        labels.sort_by(|&a, &b| self.gain(b).total_cmp(&self.gain(a)).then(a.cmp(&b)));
        labels
    }

    /// Returns the clusters by what they would cost, the least first.
    fn by_cost(&self) -> Vec<usize> {
        let mut labels: Vec<usize> = (0..self.costs.len()).collect();
        labels.sort_by(|&a, &b| self.costs[a].total_cmp(&self.costs[b]).then(a.cmp(&b)));
        labels
    }

    /// Pairs the centroids that cost least with the clusters that gain most, as long as they gain at least so many times what they
    /// cost; the best first.
    pub(super) fn swaps(&self, least_ratio: f64) -> Vec<Swap> {
        let most = (self.costs.len() / CLUSTERS_PER_SWAP).max(1);
        let (mut taken, mut swaps) = (BTreeSet::new(), Vec::new());
        let (removed, mut split) = (self.by_cost(), self.by_gain().into_iter());
        for removed in removed.into_iter().take(most) {
            if taken.contains(&removed) {
                continue;
            }
            let Some(split) = split.by_ref().find(|split| *split != removed && !taken.contains(split)) else { break };
            let (gain, cost) = (self.gain(split), self.costs[removed]);
            if gain <= least_ratio * cost {
                break;
            }
            taken.extend([removed, split]);
            swaps.push(Swap { removed, split, promised: gain - cost });
        }
        swaps
    }

    /// Makes swaps.
    pub(super) fn swapped(&self, centroids: ArrayView2<'_, f32>, swaps: &[Swap]) -> Array2<f32> {
        let mut moved = centroids.to_owned();
        for swap in swaps {
            let Some(Split { halves, .. }) = &self.splits[swap.split] else { continue };
            moved.row_mut(swap.split).assign(&halves.row(0));
            moved.row_mut(swap.removed).assign(&halves.row(1));
        }
        moved
    }

    /// Adds up to `count` centroids where they gain most, one a cluster.
    pub(super) fn grown(&self, centroids: ArrayView2<'_, f32>, count: usize) -> Array2<f32> {
        let mut moved = centroids.to_owned();
        for label in self.by_gain().into_iter().take(count) {
            let Some(Split { halves, .. }) = &self.splits[label] else { continue };
            moved.row_mut(label).assign(&halves.row(0));
            moved = concatenate![Axis(0), moved, halves.slice(ndarray::s![1.., ..])];
        }
        moved
    }

    /// Removes up to `count` centroids that cost least, a few in one round, since the cost of others grows by it.
    pub(super) fn shrunk(&self, centroids: ArrayView2<'_, f32>, count: usize) -> Array2<f32> {
        let few = count.min((self.costs.len() / CLUSTERS_PER_SWAP).max(1));
        let removed: BTreeSet<usize> = self.by_cost().into_iter().take(few).collect();
        let kept: Vec<usize> = (0..self.costs.len()).filter(|label| !removed.contains(label)).collect();
        centroids.select(Axis(0), &kept)
    }
}

/// Adds up, cluster by cluster, how much farther the second nearest centroid is than the nearest, in squared distance.
fn removal_costs(sample: ArrayView2<'_, f32>, centroids: &Centroids, labels: &[i32]) -> Vec<f64> {
    let halves = centroids.half_squared_norms();
    let chunks = sample.axis_chunks_iter(Axis(0), CHUNK_ROWS).into_par_iter().zip(labels.par_chunks(CHUNK_ROWS));
    let leads: Vec<Vec<f32>> = chunks
        .map_init(Vec::new, |products, (rows, labels)| {
            score_rows(rows, centroids.vectors(), products);
            let rows = products.chunks_exact_mut(centroids.len()).zip(labels);
            rows.map(|(products, &label)| lead(products, halves, label as usize)).collect()
        })
        .collect();
    let mut costs = vec![0.0; centroids.len()];
    for (lead, &label) in leads.iter().flatten().zip(labels) {
        costs[label as usize] += f64::from(*lead);
    }
    costs
}

/// Returns by how much the squared distance to the next best centroid is greater, given a row's products with all.
fn lead(products: &mut [f32], halves: &[f32], label: usize) -> f32 {
    let own = products[label] - halves[label];
    products[label] = f32::NEG_INFINITY;
    let next = highest(products, halves);
    (2.0 * (own - (products[next] - halves[next]))).max(0.0)
}

/// Splits a cluster in two; `None` where it has no two different rows.
fn split(sample: ArrayView2<'_, f32>, members: &[usize], centroid: &[f32]) -> Option<Split> {
    if members.len() < 2 {
        return None;
    }
    let rows = sample.select(Axis(0), members);
    let second = best_candidate(rows.view(), centroid)?;
    let mut halves = Array2::zeros((2, centroid.len()));
    halves.row_mut(0).assign(&ndarray::ArrayView1::from(centroid));
    halves.row_mut(1).assign(&rows.row(second));
    let mut gain = 0.0;
    for _ in 0..SPLIT_STEPS {
        let (means, next_gain) = two_means_step(rows.view(), halves.view())?;
        let is_settled = next_gain <= gain;
        (halves, gain) = (means, next_gain);
        if is_settled {
            break;
        }
    }
    (gain > 0.0).then_some(Split { gain, halves })
}

/// Finds the member that, as a second centroid, leaves the least inertia; `None` where every one tried is the centroid.
fn best_candidate(rows: ArrayView2<'_, f32>, centroid: &[f32]) -> Option<usize> {
    let count = CANDIDATES.min(rows.nrows());
    let candidates: Vec<usize> = (0..count).map(|at| at * rows.nrows() / count).collect();
    let chosen = rows.select(Axis(0), &candidates);
    let (norms, products) = (squared_norms(chosen.view()), product_transposed(rows, chosen.view()));
    let mut saved = vec![0.0; count];
    for (row, products) in rows.rows().into_iter().zip(products.rows()) {
        let row = row.to_slice().unwrap_or_default();
        // Both distances lack the row's own norm.
        let own = dot_f64(centroid, centroid) - 2.0 * dot_f64(row, centroid);
        for ((saved, norm), &product) in saved.iter_mut().zip(&norms).zip(products) {
            *saved += (own - (norm - 2.0 * f64::from(product))).max(0.0);
        }
    }
    let best = (0..count).max_by(|&a, &b| saved[a].total_cmp(&saved[b]).then(b.cmp(&a)))?;
    (saved[best] > 0.0).then_some(candidates[best])
}

/// Gives each row to the nearer of two centroids; returns the means, and by how much they lower the inertia; `None` where one
/// gets no row.
fn two_means_step(rows: ArrayView2<'_, f32>, halves: ArrayView2<'_, f32>) -> Option<(Array2<f32>, f64)> {
    let (first, second) = (halves.row(0).to_vec(), halves.row(1).to_vec());
    let direction: Vec<f32> = second.iter().zip(&first).map(|(second, first)| second - first).collect();
    let middle = (dot_f64(&second, &second) - dot_f64(&first, &first)) / 2.0;
    let (mut sums, mut counts) = (Array2::<f64>::zeros((2, first.len())), [0_usize; 2]);
    for row in rows.rows() {
        let side = usize::from(dot_f64(row.to_slice().unwrap_or_default(), &direction) > middle);
        counts[side] += 1;
        sums.row_mut(side).zip_mut_with(&row, |sum, &value| *sum += f64::from(value));
    }
    if counts.contains(&0) {
        return None;
    }
    let counts = counts.map(|count| count as f64);
    for (mut sums, count) in sums.rows_mut().into_iter().zip(counts) {
        sums /= count;
    }
    let apart = &sums.row(0) - &sums.row(1);
    let gain = counts[0] * counts[1] / (counts[0] + counts[1]) * apart.dot(&apart);
    Some((sums.mapv(|value| value as f32), gain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn prospects(sample: &Array2<f32>, centroids: Array2<f32>) -> (Prospects, Occupied) {
        let occupied = Occupied::new(sample.view(), Centroids::new(centroids));
        (Prospects::new(sample.view(), &occupied), occupied)
    }

    #[test]
    fn costs_and_gains_are_those_of_the_inertia() {
        // Two centroids have a row each, and one has two groups.
        let sample = array![[0.0], [1.0], [50.0], [52.0], [70.0], [72.0]];
        let (prospects, _) = prospects(&sample, array![[0.0], [1.0], [61.0]]);
        assert!((prospects.costs[0] - 1.0).abs() < 1e-6, "{:?}", prospects.costs);
        assert!((prospects.gain(2) - 400.0).abs() < 1e-3, "{}", prospects.gain(2));
        assert!(prospects.gain(0).abs() < 1e-9, "a single row cannot be split");
    }

    #[test]
    fn a_centroid_that_does_little_goes_to_where_one_is_missing() {
        let sample = array![[0.0], [0.1], [50.0], [52.0], [70.0], [72.0]];
        let (prospects, occupied) = prospects(&sample, array![[0.0], [0.1], [61.0]]);
        let swaps = prospects.swaps(CAUTIOUS_RATIO);
        assert_eq!(swaps.len(), 1);
        let moved = prospects.swapped(occupied.centroids.vectors(), &swaps);
        let mut values: Vec<f32> = moved.iter().copied().collect();
        values.sort_by(f32::total_cmp);
        assert_eq!(values, [0.1, 51.0, 71.0]);
    }

    #[test]
    fn nothing_moves_where_it_would_gain_little() {
        let sample = array![[0.0], [1.0], [10.0], [11.0], [20.0], [21.0]];
        let (prospects, _) = prospects(&sample, array![[0.5], [10.5], [20.5]]);
        assert_eq!(prospects.swaps(CAUTIOUS_RATIO), []);
    }

    #[test]
    fn a_centroid_without_members_costs_nothing() {
        let sample = array![[0.0], [1.0], [10.0], [11.0]];
        let (prospects, _) = prospects(&sample, array![[0.5], [10.5], [900.0]]);
        assert!(prospects.costs[2].abs() < 1e-9);
        assert_eq!(prospects.swaps(CAUTIOUS_RATIO).first().map(|swap| swap.removed), Some(2));
    }

    #[test]
    fn rows_that_are_all_alike_are_not_split() {
        let sample = Array2::from_elem((5, 3), 0.5);
        let (prospects, occupied) = prospects(&sample, Array2::from_elem((1, 3), 0.5));
        assert!(prospects.by_gain().is_empty());
        assert_eq!(prospects.grown(occupied.centroids.vectors(), 4).nrows(), 1);
    }
}
