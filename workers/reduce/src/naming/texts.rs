//! Labelled texts, one by one → the texts that each topic is named by.
//!
//! A topic is named by those of its documents whose ids have the smallest hashes, all of them where it is small: a random
//! draw that depends neither on the order of the documents nor on the cut into shards. So every text is read once,
//! labels being known by then, and none is kept beyond a bounded number.
//!
//! Method: bottom-k sampling, Cohen and Kaplan 2007, in each topic for itself.

use std::collections::BinaryHeap;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::counts::{Counter, TermCounts};
use super::{TopicName, VocabularyBuilder};

/// Texts that are kept in all.
///
/// 81 for each of 400 topics, of which a term that names one has some dozens; 35 MB of abstracts. Twice as many take twice the
/// time: 10 s of one core, and 400 MiB.
const TEXTS: usize = 32_768;

/// Texts that are kept of a topic, however many topics there are.
const LEAST_TEXTS_OF_TOPIC: usize = 64;

/// The part of a text that is kept: some 300 words, longer than nearly every abstract.
const TEXT_BYTES: usize = 2048;

/// Why a document could not be taken in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NamingError {
    /// A label that no topic has.
    #[error("label {label} is not below the number of topics, {num_topics}")]
    Label {
        /// The label given.
        label: usize,
        /// The number of topics.
        num_topics: usize,
    },
}

/// One kept text; the greatest hash goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Text {
    hash: u128,
    title: Box<str>,
    body: Box<str>,
}

/// The texts of each topic with the smallest hashes of their ids.
#[derive(Debug)]
pub struct TopicTexts {
    seed: u64,
    limit: usize,
    topics: Vec<BinaryHeap<Text>>,
}

/// Returns how many texts are kept at most for so many topics.
#[must_use]
pub fn most_texts(num_topics: usize) -> usize {
    num_topics * texts_of_topic(num_topics)
}

fn texts_of_topic(num_topics: usize) -> usize {
    (TEXTS / num_topics.max(1)).max(LEAST_TEXTS_OF_TOPIC)
}

impl TopicTexts {
    /// Keeps nothing yet of `num_topics` topics.
    #[must_use]
    pub fn new(num_topics: usize, seed: u64) -> Self {
        Self { seed, limit: texts_of_topic(num_topics), topics: (0..num_topics).map(|_| BinaryHeap::new()).collect() }
    }

    /// Takes in one document.
    ///
    /// # Errors
    /// [`NamingError::Label`] if there is no such topic.
    pub fn add(&mut self, topic: usize, id: &str, title: &str, text: &str) -> Result<(), NamingError> {
        let (num_topics, hash) = (self.topics.len(), xxh3_128_with_seed(id.as_bytes(), self.seed));
        let kept = self.topics.get_mut(topic).ok_or(NamingError::Label { label: topic, num_topics })?;
        if kept.len() >= self.limit {
            if kept.peek().is_none_or(|last| last.hash <= hash) {
                return Ok(());
            }
            kept.pop();
        }
        kept.push(Text { hash, title: beginning(title).into(), body: beginning(text).into() });
        Ok(())
    }

    /// Decides on the terms, counts them and names each topic, on all threads of the current rayon pool.
    #[must_use]
    pub fn names(self) -> Vec<TopicName> {
        let mut vocabulary = VocabularyBuilder::default();
        for text in self.topics.iter().flatten() {
            vocabulary.add(&text.title, &text.body);
        }
        let vocabulary = vocabulary.build();
        let counting = self.topics.par_iter().map_init(
            || Counter::new(&vocabulary),
            |counter, texts| {
                texts.iter().for_each(|text| counter.count(&text.title, &text.body));
                counter.end_topic()
            },
        );
        let topics = counting.collect();
        TermCounts::new(&vocabulary, topics).names()
    }
}

/// The beginning of a long text, cut where a word ends.
fn beginning(text: &str) -> &str {
    if text.len() <= TEXT_BYTES {
        return text;
    }
    let whole = &text[..text.floor_char_boundary(TEXT_BYTES)];
    whole.rfind(' ').map_or(whole, |end| &whole[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(documents: &[(usize, String)]) -> Vec<Vec<String>> {
        let mut texts = TopicTexts { limit: 5, ..TopicTexts::new(3, 7) };
        for (topic, id) in documents {
            texts.add(*topic, id, id, "").unwrap();
        }
        let sorted =
            |heap: BinaryHeap<Text>| heap.into_sorted_vec().iter().map(|text| text.title.to_string()).collect();
        texts.topics.into_iter().map(sorted).collect()
    }

    proptest! {
        #[test]
        fn the_order_of_the_documents_changes_nothing(
            topics in prop::collection::vec(0_usize..3, 0..60), rotation in 0_usize..60,
        ) {
            let documents: Vec<(usize, String)> =
                topics.into_iter().enumerate().map(|(row, topic)| (topic, format!("id {row}"))).collect();
            let mut turned = documents.clone();
            turned.rotate_left(rotation.min(documents.len()));
            prop_assert_eq!(kept(&documents), kept(&turned));
            let expected = (0..3).map(|topic| documents.iter().filter(|(of, _)| *of == topic).count().min(5));
            prop_assert!(kept(&documents).iter().map(Vec::len).eq(expected));
        }
    }

    #[test]
    fn a_long_text_is_cut_where_a_word_ends() {
        assert_eq!(beginning("as it is"), "as it is");
        let long = "wörter ".repeat(1000);
        let cut = beginning(&long);
        assert!(cut.len() <= TEXT_BYTES && cut.len() > TEXT_BYTES - 10 && cut.ends_with("wörter"), "{cut}");
        assert_eq!(beginning(&"ö".repeat(3000)).len(), TEXT_BYTES);
    }

    #[test]
    fn a_topic_that_is_not_there_is_refused() {
        let added = TopicTexts::new(2, 0).add(2, "id", "", "");
        assert_eq!(added, Err(NamingError::Label { label: 2, num_topics: 2 }));
    }
}
