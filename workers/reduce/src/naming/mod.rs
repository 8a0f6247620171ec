//! Labelled texts → a name and some terms for each topic.
//!
//! Two passes: a [`Vocabulary`] from a sample of the documents, then [`TermCounts`] over all of them, row by row. Both
//! are functions of the set of documents: neither their order, nor how they were cut into shards, nor the number of
//! threads changes a bit of the [`TopicName`]s. Memory is bounded by the vocabulary and the number of topics. Drawing
//! the sample, reading the rows and numbering the labels are left to the caller.
//!
//! Method: class-based TF-IDF, Grootendorst 2022 (`BERTopic`), section 3.3, with counts of documents for term
//! frequencies; diversity by maximal marginal relevance, Carbonell and Goldstein 1998.

mod counts;
mod hashing;
mod latex;
mod names;
mod ngrams;
mod overlap;
mod sample;
mod spelling;
mod surface;
mod tokens;
mod vocabulary;
mod weights;
mod words;

pub use counts::{Counter, NamingError, TermCounts};
pub use names::{TopicName, UNTITLED};
pub use vocabulary::{MAX_TERMS, Vocabulary, VocabularyBuilder};
