//! Labels of two runs, document by document → how many documents each pair of their topics shares.
//!
//! Of a document of the former run its id's digest, its label and the label that it has now stay in memory, 16 bytes. The
//! counts take the place of the documents.
//!
//! Invariant: the order in which documents come changes nothing. Two ids of one digest are taken for one another; among ten
//! million documents that happens to one in 400,000 corpora.

use xxhash_rust::xxh3::xxh3_64;

/// What is kept of each document of the former run.
pub const ENTRY_BYTES: u64 = size_of::<Entry>() as u64;

/// Marks a document that was not met.
const NOT_MET: u32 = u32::MAX;

/// A document of the former run; once all are counted, a pair of labels with its documents in `digest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    digest: u64,
    former: u32,
    now: u32,
}

/// The labels of the former run.
#[derive(Debug)]
pub struct FormerLabels {
    entries: Vec<Entry>,
    is_sorted: bool,
    num_former: u64,
    num_now: u64,
}

/// Documents of a former topic that are in a topic now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shared {
    /// The label of the topic in the former run.
    pub former: usize,
    /// The label of the topic now.
    pub now: usize,
    /// How many.
    pub documents: u64,
}

/// What two runs share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// Every pair of topics that share documents, in the order of their labels.
    pub shared: Vec<Shared>,
    /// Documents that the former run did not have.
    pub documents_in: u64,
    /// Documents that only the former run had.
    pub documents_out: u64,
}

impl FormerLabels {
    /// Makes room for as many documents.
    #[must_use]
    pub fn with_capacity(num_rows: usize) -> Self {
        Self { entries: Vec::with_capacity(num_rows), is_sorted: false, num_former: 0, num_now: 0 }
    }

    /// Takes in a document of the former run.
    pub fn add(&mut self, id: &str, label: i32) {
        self.entries.push(Entry { digest: xxh3_64(id.as_bytes()), former: label.cast_unsigned(), now: NOT_MET });
        self.num_former += 1;
    }

    /// Takes in a document as it is now, once all of the former run are there.
    pub fn meet(&mut self, id: &str, label: i32) {
        if !self.is_sorted {
            self.entries.sort_unstable();
            self.is_sorted = true;
        }
        self.num_now += 1;
        let digest = xxh3_64(id.as_bytes());
        if let Ok(at) = self.entries.binary_search_by_key(&digest, |entry| entry.digest) {
            self.entries[at].now = label.cast_unsigned();
        }
    }

    /// Counts the documents by the pair of their labels.
    #[must_use]
    pub fn count(mut self) -> Overlap {
        self.entries.retain(|entry| entry.now != NOT_MET);
        let num_shared = self.entries.len() as u64;
        self.entries.iter_mut().for_each(|entry| entry.digest = 1);
        self.entries.sort_unstable_by_key(|entry| (entry.former, entry.now));
        self.entries.dedup_by(|next, first| {
            let is_same = (next.former, next.now) == (first.former, first.now);
            if is_same {
                first.digest += next.digest;
            }
            is_same
        });
        let shared = self.entries.iter().map(|entry| Shared {
            former: entry.former as usize,
            now: entry.now as usize,
            documents: entry.digest,
        });
        Overlap {
            shared: shared.collect(),
            documents_in: self.num_now - num_shared,
            documents_out: self.num_former - num_shared,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_document_takes_sixteen_bytes() {
        assert_eq!(ENTRY_BYTES, 16);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_map_in_any_order(
            former in prop::collection::btree_map(0_u16..80, 0_i32..5, 0..60),
            now in prop::collection::btree_map(0_u16..80, 0_i32..5, 0..60),
        ) {
            let count = |former: Vec<(&u16, &i32)>, now: Vec<(&u16, &i32)>| {
                let mut labels = FormerLabels::with_capacity(former.len());
                former.iter().for_each(|(id, label)| labels.add(&id.to_string(), **label));
                now.iter().for_each(|(id, label)| labels.meet(&id.to_string(), **label));
                labels.count()
            };
            let overlap = count(former.iter().collect(), now.iter().collect());
            let mut expected: BTreeMap<(i32, i32), u64> = BTreeMap::new();
            for (id, label) in &former {
                if let Some(now) = now.get(id) {
                    *expected.entry((*label, *now)).or_default() += 1;
                }
            }
            let expected: Vec<Shared> = expected
                .into_iter()
                .map(|((former, now), documents)| Shared { former: former as usize, now: now as usize, documents })
                .collect();
            prop_assert_eq!(&overlap.shared, &expected);
            prop_assert_eq!(overlap.documents_in, now.keys().filter(|id| !former.contains_key(id)).count() as u64);
            prop_assert_eq!(overlap.documents_out, former.keys().filter(|id| !now.contains_key(id)).count() as u64);
            prop_assert_eq!(count(former.iter().rev().collect(), now.iter().rev().collect()), overlap);
        }
    }
}
