//! Documents that topics of two runs share → who is whom, by one id, and what became of the others.
//!
//! The *strength* of a pair is the Jaccard index of its documents among those that both runs have: those in both topics over
//! those in either. Growth of the corpus alone does not lower it. Pairs are chosen together, so that their strengths and,
//! with a small weight, the cosines of their centroids add up to the most.
//!
//! Invariant: an id is given once. A topic without a former one gets a new id, above every id that the former run or one
//! before it has given.

use std::cmp::Reverse;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::assignment::{Edge, assign};
use super::overlap::{Overlap, Shared};
use crate::matrix::dot_f64;

/// From this strength on, a topic can be the continuation of a former one.
///
/// While 35,709 abstracts by date grew by a quarter in six steps of 3 to 5 %, in five clusterings of 100, 200 and 400 topics, topics
/// had at least 0.35 with the one whose centroid they started from (half of 6,000 above 0.97, all but one in a hundred above 0.64),
/// and with any other at most 0.22 (all but one in a hundred below 0.06).
pub const LEAST_STRENGTH: f64 = 0.25;

/// What the cosine of two centroids weighs beside the strength: it decides between two halves of a topic.
const CENTROIDS_WEIGHT: f64 = 0.1;

/// A new topic that has at least this part of a former one's documents was split from it, if these are half of those of its own
/// that were there before.
///
/// A topic that is born among the documents of another one leaves it before it is so large.
const LEAST_SPLIT: f64 = 0.25;

/// A former topic with at least this part of its documents in one topic is merged into that one.
const LEAST_MERGED: f64 = 0.5;

/// Strengths as whole numbers, so that sums of them are exact.
const UNITS: f64 = (1_u64 << 40) as f64;

/// A topic of the former run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ancestor {
    /// Its id.
    pub id: i64,
    /// Its documents then.
    pub size: u64,
}

/// Who a topic is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Its id.
    pub id: i64,
    /// The label of the former topic that it continues.
    pub former: Option<usize>,
    /// How much of it that one was; `None` for one that is new.
    pub strength: Option<f64>,
}

/// What became of a topic that has no counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A new topic.
    Born,
    /// A new topic that was part of a former one.
    Split,
    /// A former topic that is part of another one.
    Merged,
    /// A former topic whose documents are gone, or here and there.
    Died,
}

/// A topic that came or went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What happened to it.
    pub kind: EventKind,
    /// The topic.
    pub topic_id: i64,
    /// The topic that it was split from or is merged into.
    pub other: Option<i64>,
    /// Documents that it shares with that one, or has, or had.
    pub documents: u64,
    /// Of a topic that was born, the part of its documents that the former run had; of a split, the part that left of what is
    /// there yet of the former topic; of a merged topic, the part of its documents then that it shares.
    pub share: Option<f64>,
}

/// The topics of a run and what happened since its predecessor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// One entry a topic, in label order.
    pub topics: Vec<Identity>,
    /// What came, in the order of the new labels, then what went, in that of the former ones.
    pub events: Vec<Event>,
    /// Above every id given so far.
    pub next_topic_id: i64,
}

impl Lineage {
    /// Returns that of a run that follows none: labels are ids.
    #[must_use]
    pub fn first(num_topics: usize) -> Self {
        let identity = |label| Identity { id: label as i64, former: None, strength: None };
        let topics: Vec<Identity> = (0..num_topics).map(identity).collect();
        Self { next_topic_id: topics.len() as i64, topics, events: Vec::new() }
    }
}

/// Matches topics with former ones.
///
/// `ancestors` and `sizes` (documents now) are in label order, as the centroids are, `[k, dim]`; `next_topic_id` is the former
/// run's.
///
/// # Panics
/// If the overlap names a label that there is not.
#[must_use]
pub fn trace(
    overlap: &Overlap,
    ancestors: &[Ancestor],
    sizes: &[u64],
    (former_centroids, centroids): (ArrayView2<'_, f32>, ArrayView2<'_, f32>),
    next_topic_id: i64,
) -> Lineage {
    let flows = Flows::new(overlap, ancestors.len(), sizes.len());
    let former = flows.pairs(former_centroids, centroids);
    let mut next_topic_id = next_topic_id;
    let topics: Vec<Identity> = former
        .iter()
        .enumerate()
        .map(|(label, &former)| {
            let id = former.map_or(next_topic_id, |former| ancestors[former].id);
            next_topic_id += i64::from(former.is_none());
            Identity { id, former, strength: former.map(|former| flows.strength(former, label)) }
        })
        .collect();
    let events = flows.events(ancestors, &topics, sizes);
    Lineage { topics, events, next_topic_id }
}

/// Documents that both runs have, on their way from topic to topic.
struct Flows<'a> {
    shared: &'a [Shared],
    /// Of each former topic, those that are still there.
    kept: Vec<u64>,
    /// Of each topic, those that were there before.
    known: Vec<u64>,
    /// Where most of each former topic is now, the first of equals.
    targets: Vec<Option<Shared>>,
    /// Where most of each topic was, of equals the one of which it was the greater part, then the first.
    sources: Vec<Option<Shared>>,
}

impl<'a> Flows<'a> {
    fn new(overlap: &'a Overlap, num_former: usize, num_now: usize) -> Self {
        let (mut kept, mut known) = (vec![0; num_former], vec![0; num_now]);
        let (mut targets, mut sources) = (vec![None; num_former], vec![None; num_now]);
        for shared in &overlap.shared {
            kept[shared.former] += shared.documents;
            known[shared.now] += shared.documents;
        }
        for shared in &overlap.shared {
            let (target, source) = (&mut targets[shared.former], &mut sources[shared.now]);
            if target.is_none_or(|most: Shared| shared.documents > most.documents) {
                *target = Some(*shared);
            }
            let rank = |shared: &Shared| (shared.documents, Reverse(kept[shared.former]));
            if source.is_none_or(|most: Shared| rank(shared) > rank(&most)) {
                *source = Some(*shared);
            }
        }
        Self { shared: &overlap.shared, kept, known, targets, sources }
    }

    fn jaccard(&self, shared: &Shared) -> f64 {
        let either = self.kept[shared.former] + self.known[shared.now] - shared.documents;
        shared.documents as f64 / either as f64
    }

    fn strength(&self, former: usize, now: usize) -> f64 {
        let place = self.shared.binary_search_by_key(&(former, now), |shared| (shared.former, shared.now));
        place.map_or(0.0, |place| self.jaccard(&self.shared[place]))
    }

    /// Returns the former topic of each topic that has one.
    fn pairs(&self, former: ArrayView2<'_, f32>, now: ArrayView2<'_, f32>) -> Vec<Option<usize>> {
        let strong = self.shared.iter().map(|shared| (shared, self.jaccard(shared)));
        let edges = strong.filter(|(_, strength)| *strength >= LEAST_STRENGTH).map(|(shared, strength)| {
            let cosine = cosine(former.row(shared.former).to_slice(), now.row(shared.now).to_slice());
            let weight = strength + CENTROIDS_WEIGHT * cosine.max(0.0);
            Edge { row: shared.now, column: shared.former, weight: (weight * UNITS) as u64 }
        });
        assign(self.known.len(), self.kept.len(), &edges.collect::<Vec<_>>())
    }

    fn events(&self, ancestors: &[Ancestor], topics: &[Identity], sizes: &[u64]) -> Vec<Event> {
        let new = topics.iter().zip(sizes).enumerate().filter(|(_, (topic, _))| topic.former.is_none());
        let arrivals = new.map(|(label, (topic, &size))| self.arrival(ancestors, topic.id, label, size));
        let mut goes_on = vec![false; ancestors.len()];
        topics.iter().filter_map(|topic| topic.former).for_each(|former| goes_on[former] = true);
        let gone = (0..ancestors.len()).filter(|former| !goes_on[*former]);
        let departures = gone.map(|former| self.departure(ancestors[former], topics, former));
        arrivals.chain(departures).collect()
    }

    /// Says where a new topic comes from.
    fn arrival(&self, ancestors: &[Ancestor], topic_id: i64, label: usize, size: u64) -> Event {
        let known = (size > 0).then(|| self.known[label] as f64 / size as f64);
        let born = Event { kind: EventKind::Born, topic_id, other: None, documents: size, share: known };
        let Some(source) = self.sources[label] else { return born };
        let share = source.documents as f64 / self.kept[source.former] as f64;
        if share < LEAST_SPLIT || 2 * source.documents < self.known[label] {
            return born;
        }
        let other = Some(ancestors[source.former].id);
        Event { kind: EventKind::Split, other, documents: source.documents, share: Some(share), ..born }
    }

    /// Says where a former topic has gone.
    fn departure(&self, ancestor: Ancestor, topics: &[Identity], former: usize) -> Event {
        let Ancestor { id: topic_id, size: documents } = ancestor;
        let died = Event { kind: EventKind::Died, topic_id, other: None, documents, share: None };
        let Some(target) = self.targets[former] else { return died };
        let share = target.documents as f64 / documents.max(1) as f64;
        if share < LEAST_MERGED {
            return died;
        }
        let other = Some(topics[target.now].id);
        Event { kind: EventKind::Merged, other, documents: target.documents, share: Some(share), ..died }
    }
}

fn cosine(a: Option<&[f32]>, b: Option<&[f32]>) -> f64 {
    let (Some(a), Some(b)) = (a, b) else { return 0.0 };
    let lengths = (dot_f64(a, a) * dot_f64(b, b)).sqrt();
    if lengths > 0.0 { dot_f64(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis};
    use proptest::prelude::*;

    fn overlap(shared: &[(usize, usize, u64)]) -> Overlap {
        let mut shared: Vec<Shared> =
            shared.iter().map(|&(former, now, documents)| Shared { former, now, documents }).collect();
        shared.sort_unstable();
        Overlap { shared, documents_in: 0, documents_out: 0 }
    }

    fn ancestors(ids: &[i64]) -> Vec<Ancestor> {
        ids.iter().map(|&id| Ancestor { id, size: 100 }).collect()
    }

    /// Centroids that lie along different axes.
    fn centroids(num: usize) -> Array2<f32> {
        Array2::eye(num)
    }

    fn traced(shared: &[(usize, usize, u64)], ids: &[i64], sizes: &[u64]) -> Lineage {
        let dim = ids.len().max(sizes.len());
        let all = centroids(dim);
        let (former, now) = (all.slice(ndarray::s![..ids.len(), ..]), all.slice(ndarray::s![..sizes.len(), ..]));
        trace(&overlap(shared), &ancestors(ids), sizes, (former, now), 50)
    }

    fn ids(lineage: &Lineage) -> Vec<i64> {
        lineage.topics.iter().map(|topic| topic.id).collect()
    }

    #[test]
    fn a_run_that_follows_itself_finds_every_topic_again() {
        let lineage = traced(&[(0, 0, 90), (1, 1, 80), (2, 2, 1)], &[7, 3, 12], &[90, 80, 1]);
        assert_eq!(ids(&lineage), [7, 3, 12]);
        assert!(lineage.topics.iter().all(|topic| topic.strength == Some(1.0)));
        assert_eq!((lineage.events, lineage.next_topic_id), (vec![], 50));
    }

    #[test]
    fn documents_that_only_one_run_has_do_not_weaken_a_topic() {
        let lineage = traced(&[(0, 0, 10), (1, 1, 20)], &[0, 1], &[5_000, 20]);
        assert_eq!(lineage.topics[0].strength, Some(1.0));
    }

    #[test]
    fn a_half_that_leaves_a_topic_was_split_from_it() {
        let lineage = traced(&[(0, 0, 60), (0, 1, 40), (1, 2, 100)], &[7, 3], &[65, 45, 130]);
        assert_eq!(ids(&lineage), [7, 50, 3]);
        let split = Event { kind: EventKind::Split, topic_id: 50, other: Some(7), documents: 40, share: Some(0.4) };
        assert_eq!((lineage.events, lineage.next_topic_id), (vec![split], 51));
    }

    #[test]
    fn of_two_topics_that_gave_as_many_documents_the_one_that_gave_more_of_itself_was_split() {
        let lineage = traced(&[(0, 0, 47), (0, 2, 4), (1, 1, 11), (1, 2, 4)], &[7, 3], &[47, 11, 9]);
        let split =
            Event { kind: EventKind::Split, topic_id: 50, other: Some(3), documents: 4, share: Some(4.0 / 15.0) };
        assert_eq!(lineage.events, [split]);
    }

    #[test]
    fn a_topic_of_new_documents_is_born_even_among_those_of_another() {
        let lineage = traced(&[(0, 0, 90), (0, 1, 15)], &[7], &[100, 60]);
        let born = Event { kind: EventKind::Born, topic_id: 50, other: None, documents: 60, share: Some(0.25) };
        assert_eq!(lineage.events, [born]);
    }

    #[test]
    fn a_topic_that_goes_into_another_is_merged_and_one_that_scatters_or_is_withdrawn_has_died() {
        // Of former topic 8 most was withdrawn, and the rest is not the topic.
        let shared =
            [(0, 0, 200), (1, 0, 60), (2, 0, 10), (2, 1, 12), (2, 2, 11), (3, 1, 200), (5, 2, 200), (6, 1, 49)];
        let lineage = traced(&shared, &[7, 3, 4, 5, 9, 6, 8], &[300, 300, 220]);
        assert_eq!(ids(&lineage), [7, 5, 6]);
        let merged = Event { kind: EventKind::Merged, topic_id: 3, other: Some(7), documents: 60, share: Some(0.6) };
        let died = |topic_id| Event { kind: EventKind::Died, topic_id, other: None, documents: 100, share: None };
        assert_eq!(lineage.events, [merged, died(4), died(9), died(8)]);
    }

    #[test]
    fn the_whole_decides_where_a_greedy_choice_would_leave_a_topic_alone() {
        // Topic 0 is nearest to former topic 0, and so is topic 1, which has no other.
        let lineage = traced(&[(0, 0, 40), (0, 1, 38), (1, 0, 30)], &[7, 3], &[70, 38]);
        assert_eq!(ids(&lineage), [3, 7]);
    }

    #[test]
    fn centroids_decide_between_halves() {
        let all = centroids(2);
        let (former, now) = (all.slice(ndarray::s![1.., ..]), all.view());
        let lineage = trace(&overlap(&[(0, 0, 50), (0, 1, 50)]), &ancestors(&[7]), &[50, 50], (former, now), 8);
        assert_eq!(ids(&lineage), [8, 7]);
    }

    proptest! {
        #[test]
        fn the_numbering_of_labels_changes_nothing(
            cells in prop::collection::vec(0_u64..40, 30), order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle(),
            values in prop::collection::vec(-1.0_f32..1.0, 44),
        ) {
            let (num_former, num_now) = (6, 5);
            let cell = |former: usize, now: usize| cells[former * num_now + now];
            let former_centroids = Array2::from_shape_fn((num_former, 4), |(row, column)| values[row * 4 + column]);
            let now = Array2::from_shape_fn((num_now, 4), |(row, column)| values[24 + row * 4 + column]);
            let lineage = |order: &[usize]| {
                let pairs = (0..num_former).flat_map(|former| (0..num_now).map(move |at| (former, at)));
                let shared: Vec<(usize, usize, u64)> = pairs
                    .map(|(former, at)| (former, at, cell(former, order[at])))
                    .filter(|(_, _, documents)| *documents > 0)
                    .collect();
                let sizes: Vec<u64> = order.iter().map(|&now| (0..num_former).map(|former| cell(former, now)).sum()).collect();
                let centroids = now.select(Axis(0), order);
                let ancestors = ancestors(&[10, 11, 12, 13, 14, 15]);
                trace(&overlap(&shared), &ancestors, &sizes, (former_centroids.view(), centroids.view()), 50)
            };
            let (straight, shuffled) = (lineage(&[0, 1, 2, 3, 4]), lineage(&order));
            for (at, &now) in order.iter().enumerate() {
                prop_assert_eq!(shuffled.topics[at].former, straight.topics[now].former);
                prop_assert_eq!(shuffled.topics[at].strength, straight.topics[now].strength);
            }
            prop_assert_eq!(shuffled.next_topic_id, straight.next_topic_id);
            let mut given: Vec<i64> = straight.topics.iter().map(|topic| topic.id).collect();
            given.sort_unstable();
            given.dedup();
            prop_assert_eq!(given.len(), num_now, "an id twice");
        }
    }
}
