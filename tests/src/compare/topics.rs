//! Planted topics, found topics and labels → which found topics a planted one went into, and whether they say of it what
//! was planted.
//!
//! Invariant: a found topic is home to at most one planted topic, the one with most of its documents.

use std::collections::{BTreeMap, HashMap};

use strata_shared::findings::{Status, Topic};

use crate::corpus::{Fate, PlantedTopic};

/// One planted topic and the found topics that are its home.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicMatch {
    /// What a person would call it.
    pub name: String,
    /// How its share was planted to move.
    pub fate: Fate,
    /// Its documents, copies included.
    pub num_documents: usize,
    /// The found topics in which it has more documents than any other planted one, the largest part first.
    pub homes: Vec<Home>,
}

/// One found topic that a planted one went into.
#[derive(Debug, Clone, PartialEq)]
pub struct Home {
    /// Its label.
    pub label: i32,
    /// Its name.
    pub name: String,
    /// Its documents.
    pub size: usize,
    /// Its documents that are of the planted topic.
    pub num_held: usize,
    /// What it says has become of it.
    pub status: Status,
}

impl TopicMatch {
    /// Returns the planted documents that are in its homes.
    #[must_use]
    pub fn num_held(&self) -> usize {
        self.homes.iter().map(|home| home.num_held).sum()
    }

    /// Returns which part of the documents in its homes are its own; 0 without a home.
    #[must_use]
    pub fn purity(&self) -> f64 {
        let size: usize = self.homes.iter().map(|home| home.size).sum();
        self.num_held() as f64 / size.max(1) as f64
    }

    /// Tells whether its homes hold at least half of its documents and are mostly made of them.
    #[must_use]
    pub fn is_found(&self) -> bool {
        2 * self.num_held() >= self.num_documents && self.num_held() > 0 && self.purity() > 0.5
    }

    /// Returns what most of its documents at home are said to have become of; `None` without a home.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        // Of equally frequent ones the first, from the dead to the newborn.
        Status::ALL
            .into_iter()
            .rev()
            .max_by_key(|status| self.num_with(|found| found == *status))
            .filter(|_| self.is_found())
    }

    /// Tells whether most of its documents at home are in topics whose status fits its fate.
    #[must_use]
    pub fn is_called_as_planted(&self) -> bool {
        self.is_found() && 2 * self.num_with(|status| is_expected(self.fate, status)) > self.num_held()
    }

    /// Returns how many of its homes are called extinct, fading, rising or emerging.
    #[must_use]
    pub fn num_called(&self) -> usize {
        self.homes.iter().filter(|home| home.status.is_decline() || home.status.is_growth()).count()
    }

    fn num_with(&self, wanted: impl Fn(Status) -> bool) -> usize {
        self.homes.iter().filter(|home| wanted(home.status)).map(|home| home.num_held).sum()
    }
}

/// Tells whether a status is what should become of a topic with this fate.
#[must_use]
pub const fn is_expected(fate: Fate, status: Status) -> bool {
    match fate {
        Fate::Dies { .. } => status.is_decline(),
        Fate::Fades => matches!(status, Status::Fading),
        Fate::Holds => matches!(status, Status::Steady),
        Fate::Rises | Fate::Born { .. } => status.is_growth(),
    }
}

pub(super) fn compare(planted: &[PlantedTopic], found: &[Topic], labels: &HashMap<String, i32>) -> Vec<TopicMatch> {
    let held: Vec<BTreeMap<i32, usize>> = planted.iter().map(|topic| held(topic, labels)).collect();
    let homes = |at: usize| {
        let owned = found.iter().filter(|topic| owner(&held, topic.label) == Some(at));
        let mut homes: Vec<Home> = owned.map(|topic| home(topic, held[at][&topic.label])).collect();
        homes.sort_by_key(|home| (std::cmp::Reverse(home.num_held), home.label));
        homes
    };
    let matched = planted.iter().enumerate().map(|(at, topic)| TopicMatch {
        name: topic.name.clone(),
        fate: topic.fate,
        num_documents: topic.ids.len(),
        homes: homes(at),
    });
    matched.collect()
}

/// Counts a planted topic's documents under each label.
fn held(topic: &PlantedTopic, labels: &HashMap<String, i32>) -> BTreeMap<i32, usize> {
    let mut held = BTreeMap::new();
    topic.ids.iter().filter_map(|id| labels.get(id)).for_each(|label| *held.entry(*label).or_insert(0) += 1);
    held
}

/// Returns the planted topic with most documents under a label, the first of equals.
fn owner(held: &[BTreeMap<i32, usize>], label: i32) -> Option<usize> {
    let counts = held.iter().enumerate().filter_map(|(at, held)| Some((at, *held.get(&label)?)));
    counts.max_by_key(|&(at, count)| (count, std::cmp::Reverse(at))).map(|(at, _)| at)
}

fn home(topic: &Topic, num_held: usize) -> Home {
    Home { label: topic.label, name: topic.name.clone(), size: topic.size as usize, num_held, status: topic.status }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::empty_topic::empty_topic;

    pub(in crate::compare) fn planted(name: &str, fate: Fate, ids: &[&str]) -> PlantedTopic {
        PlantedTopic {
            name: name.into(),
            category: "c".into(),
            fate,
            by_year: Vec::new(),
            share_ppm: Vec::new(),
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
        }
    }

    pub(in crate::compare) fn found(label: i32, size: i64, status: Status) -> Topic {
        Topic { size, status, ..empty_topic(label) }
    }

    fn labels(pairs: &[(&str, i32)]) -> HashMap<String, i32> {
        pairs.iter().map(|&(id, label)| (id.to_owned(), label)).collect()
    }

    #[test]
    fn a_topic_split_in_two_has_two_homes_and_the_status_of_most_of_its_documents() {
        let planted =
            [planted("rain", Fate::Dies { gone: 600 }, &["a", "b", "c"]), planted("bees", Fate::Holds, &["d"])];
        let found = [found(0, 1, Status::Steady), found(1, 2, Status::Extinct), found(2, 1, Status::Steady)];
        let labels = labels(&[("a", 1), ("b", 1), ("c", 0), ("d", 2)]);
        let matches = compare(&planted, &found, &labels);
        assert_eq!(
            matches[0].homes.iter().map(|home| (home.label, home.num_held)).collect::<Vec<_>>(),
            [(1, 2), (0, 1)]
        );
        assert_eq!((matches[0].status(), matches[0].num_called()), (Some(Status::Extinct), 1));
        assert_eq!((matches[1].status(), matches[1].num_called()), (Some(Status::Steady), 0));
        assert!(matches.iter().all(TopicMatch::is_called_as_planted));
        assert!((matches[0].purity() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_topic_swallowed_by_a_larger_one_is_not_found() {
        let planted = [planted("rain", Fate::Fades, &["a", "b", "c"]), planted("bees", Fate::Holds, &["d"])];
        let matches =
            compare(&planted, &[found(0, 4, Status::Fading)], &labels(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)]));
        assert!((matches[0].purity() - 0.75).abs() < 1e-12 && matches[0].is_found());
        assert!(matches[1].homes.is_empty() && !matches[1].is_found() && !matches[1].is_called_as_planted());
        assert_eq!(matches[1].status(), None);
    }

    #[test]
    fn a_topic_drowned_among_documents_of_nobody_is_not_found() {
        let planted = [planted("rain", Fate::Holds, &["a", "b"])];
        let matches = compare(&planted, &[found(0, 4, Status::Steady)], &labels(&[("a", 0), ("b", 0)]));
        assert!(!matches[0].is_found());
    }

    #[test]
    fn each_fate_expects_its_own_statuses() {
        let expected = |fate| Status::ALL.into_iter().filter(|status| is_expected(fate, *status)).collect::<Vec<_>>();
        assert_eq!(expected(Fate::Dies { gone: 700 }), [Status::Extinct, Status::Fading]);
        assert_eq!(expected(Fate::Fades), [Status::Fading]);
        assert_eq!(expected(Fate::Holds), [Status::Steady]);
        assert_eq!(expected(Fate::Rises), [Status::Rising, Status::Emerging]);
        assert_eq!(expected(Fate::Born { first: 500 }), [Status::Rising, Status::Emerging]);
    }
}
