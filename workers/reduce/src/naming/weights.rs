//! Counts → how well each term names a topic.
//!
//! The weight is c-TF-IDF times what the term has in this topic beyond all others, times a factor for terms of several
//! words, which say more to a reader. Only what is present in a fair part of the topic's documents is considered.

use super::counts::TermCounts;
use super::vocabulary::{TermId, Vocabulary};

/// The terms of a topic that are considered further.
const NUM_CANDIDATES: usize = 200;

/// The part of a topic's documents that must have a term.
const LEAST_SHARE: f64 = 0.05;

/// What a term of several words weighs, against 1 for a word alone.
const COMPOUND_FACTOR: f64 = 2.0;

/// A term of a topic with its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weighted {
    pub(super) term: TermId,
    /// The weighted number of the topic's documents that have it.
    pub(super) count: u32,
    pub(super) weight: f64,
}

/// What the weights of all topics have in common.
pub(super) struct Weights<'c> {
    counts: &'c TermCounts<'c>,
    /// For each term, its count over all topics.
    totals: Vec<u64>,
    /// The mean over topics of the sum of their counts: c-TF-IDF's A.
    mean_size: f64,
    num_documents: f64,
}

impl<'c> Weights<'c> {
    pub(super) fn new(counts: &'c TermCounts<'c>) -> Self {
        let mut totals = vec![0_u64; counts.vocabulary().len()];
        for (term, count) in (0..counts.num_topics()).flat_map(|topic| counts.of_topic(topic)) {
            totals[*term as usize] += u64::from(*count);
        }
        let mean_size = totals.iter().sum::<u64>() as f64 / counts.num_topics().max(1) as f64;
        let num_documents = (0..counts.num_topics()).map(|topic| f64::from(counts.num_documents(topic))).sum();
        Self { counts, totals, mean_size, num_documents }
    }

    /// Returns the weightiest terms of a topic, in order; ties go to the term that sorts first.
    pub(super) fn of_topic(&self, topic: usize) -> Vec<Weighted> {
        let size = f64::from(self.counts.num_documents(topic));
        let least = (size * LEAST_SHARE).max(1.0);
        let terms = self.counts.of_topic(topic).iter().copied();
        let mut found: Vec<Weighted> = terms
            .filter(|(_, count)| f64::from(*count) >= least)
            .map(|(term, count)| Weighted { term, count, weight: self.weight(term, count, size) })
            .filter(|weighted| weighted.weight > 0.0)
            .collect();
        let key = |term: TermId| self.vocabulary().term(term).key.as_str();
        found.sort_unstable_by(|left, right| {
            right.weight.total_cmp(&left.weight).then_with(|| key(left.term).cmp(key(right.term)))
        });
        found.truncate(NUM_CANDIDATES);
        found
    }

    pub(super) fn vocabulary(&self) -> &'c Vocabulary {
        self.counts.vocabulary()
    }

    fn weight(&self, term: TermId, count: u32, size: f64) -> f64 {
        let total = self.totals[term as usize] as f64;
        let share = f64::from(count) / size;
        let elsewhere = (total - f64::from(count)) / (self.num_documents - size).max(1.0);
        let rarity = (1.0 + self.mean_size / total).ln();
        let excess = (1.0 - elsewhere / share).max(0.0);
        let is_compound = self.vocabulary().term(term).is_compound();
        share * rarity * excess * excess * if is_compound { COMPOUND_FACTOR } else { 1.0 }
    }
}
