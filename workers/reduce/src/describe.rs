//! Labelled rows, one by one → what a reader is shown of each topic besides its name: the documents nearest to its
//! centroid, and its categories.
//!
//! Neither the order of the rows nor the cut into shards changes the outcome. Memory is bounded by the topics and by what
//! is kept of each, never by the rows.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use crate::categories::CategoryNumbers;

/// A document and how near it is to its topic's centroid.
#[derive(Debug, Clone, PartialEq)]
struct Representative {
    similarity: f32,
    id: String,
}

impl Representative {
    /// Orders the nearer first, ties by id; a similarity that is no number comes last.
    fn rank(&self, similarity: f32, id: &str) -> Ordering {
        let key = |similarity: f32| if similarity.is_nan() { f32::NEG_INFINITY } else { similarity + 0.0 };
        key(similarity).total_cmp(&key(self.similarity)).then_with(|| self.id.as_str().cmp(id))
    }
}

/// The documents of each topic that are most similar to its centroid.
#[derive(Debug, Clone, PartialEq)]
pub struct Representatives {
    num_kept: usize,
    /// For each topic, the best so far in order.
    topics: Vec<Vec<Representative>>,
}

impl Representatives {
    /// Keeps `num_kept` documents for each of `num_topics` topics.
    #[must_use]
    pub fn new(num_topics: usize, num_kept: usize) -> Self {
        Self { num_kept, topics: vec![Vec::new(); num_topics] }
    }

    /// Takes in a document with its cosine to the centroid; a label that no topic has is passed over.
    pub fn add(&mut self, label: usize, similarity: f32, id: &str) {
        let Some(kept) = self.topics.get_mut(label) else { return };
        let place = kept.partition_point(|other| other.rank(similarity, id) == Ordering::Less);
        if place < self.num_kept {
            kept.truncate(self.num_kept - 1);
            kept.insert(place, Representative { similarity, id: id.to_owned() });
        }
    }

    /// Returns the ids of a topic, by similarity (descending), then id (ascending).
    #[must_use]
    pub fn of_topic(&self, label: usize) -> Vec<String> {
        let kept = self.topics.get(label).map_or(&[][..], Vec::as_slice);
        kept.iter().map(|representative| representative.id.clone()).collect()
    }
}

/// How many documents of each topic are in each category.
#[derive(Debug, Clone, PartialEq)]
pub struct Categories {
    topics: Vec<BTreeMap<u32, u64>>,
    numbers: CategoryNumbers,
}

impl Categories {
    /// Returns counts of zero for `num_topics` topics.
    #[must_use]
    pub fn new(num_topics: usize) -> Self {
        Self { topics: vec![BTreeMap::new(); num_topics], numbers: CategoryNumbers::default() }
    }

    /// Takes in a document's categories, separated by spaces, each counted once; a label that no topic has is passed
    /// over.
    pub fn add(&mut self, label: usize, categories: &str) {
        let Some(counts) = self.topics.get_mut(label) else { return };
        let mut seen = HashSet::new();
        for category in categories.split_whitespace().filter(|category| seen.insert(*category)) {
            if let Some(number) = self.numbers.number(category) {
                *counts.entry(number).or_insert(0) += 1;
            }
        }
    }

    /// Returns the `num_wanted` most frequent categories of a topic, ties by name; none if there were more than
    /// [`MAX_CATEGORIES`](crate::categories::MAX_CATEGORIES) different ones in all.
    #[must_use]
    pub fn of_topic(&self, label: usize, num_wanted: usize) -> Vec<String> {
        let Some((counts, names)) = self.topics.get(label).zip(self.numbers.names()) else { return Vec::new() };
        let mut ranked: Vec<(u64, &str)> =
            counts.iter().map(|(number, count)| (*count, names[*number as usize])).collect();
        ranked.sort_unstable_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.cmp(right.1)));
        ranked.into_iter().take(num_wanted).map(|(_, name)| name.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::categories::MAX_CATEGORIES;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_are_kept_and_ties_go_by_id() {
        let mut kept = Representatives::new(2, 3);
        for (similarity, id) in [(0.5, "d"), (0.9, "b"), (0.9, "a"), (f32::NAN, "n"), (0.7, "c")] {
            kept.add(0, similarity, id);
        }
        kept.add(7, 1.0, "of no topic");
        assert_eq!(kept.of_topic(0), ["a", "b", "c"]);
        assert!(kept.of_topic(1).is_empty() && kept.of_topic(7).is_empty());
    }

    #[test]
    fn none_are_kept_where_none_are_wanted() {
        let mut kept = Representatives::new(1, 0);
        kept.add(0, 1.0, "a");
        assert!(kept.of_topic(0).is_empty());
    }

    #[test]
    fn a_category_counts_once_for_a_document() {
        let mut categories = Categories::new(1);
        categories.add(0, "cs.RO cs.RO cs.RO");
        categories.add(0, "cs.LG  cs.AI");
        categories.add(0, "cs.LG");
        assert_eq!(categories.of_topic(0, 2), ["cs.LG", "cs.AI"]);
        categories.add(3, "of no topic");
        assert!(categories.of_topic(3, 3).is_empty());
    }

    #[test]
    fn what_is_no_classification_is_not_reported() {
        let mut categories = Categories::new(1);
        for number in 0..=MAX_CATEGORIES {
            categories.add(0, &number.to_string());
        }
        assert!(categories.of_topic(0, 3).is_empty());
    }

    proptest! {
        #[test]
        fn the_order_of_the_rows_changes_nothing(
            rows in prop::collection::vec((0_usize..3, 0_u8..4, 0_u8..9, "[ab]( [a-d]){0,3}"), 0..40),
            rotation in 0_usize..40,
        ) {
            let read = |rows: &[(usize, u8, u8, String)]| {
                let (mut nearest, mut categories) = (Representatives::new(3, 2), Categories::new(3));
                for (label, similarity, id, category) in rows {
                    nearest.add(*label, f32::from(*similarity), &id.to_string());
                    categories.add(*label, category);
                }
                (nearest, categories)
            };
            let mut later = rows.clone();
            later.rotate_left(rotation.min(rows.len()));
            let ((nearest, categories), (nearest_later, categories_later)) = (read(&rows), read(&later));
            for label in 0..3 {
                prop_assert_eq!(nearest.of_topic(label), nearest_later.of_topic(label));
                prop_assert_eq!(categories.of_topic(label, 3), categories_later.of_topic(label, 3));
            }
        }
    }
}
