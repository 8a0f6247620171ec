//! Labelled texts → a name and some terms for each topic.
//!
//! [`TopicTexts`] keeps a bounded draw of each topic's texts as they come; in the end they give a [`Vocabulary`] and
//! counts of its terms, and these the names. All of it is a function of the set of documents: neither their order, nor how they
//! were cut into shards, nor the number of threads changes a bit of the [`TopicName`]s. Reading the rows and numbering the
//! labels are left to the caller.
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
mod texts;
mod tokens;
mod vocabulary;
mod weights;
mod words;

pub use names::{SEPARATOR as NAME_SEPARATOR, TopicName, UNTITLED};
pub use texts::{NamingError, TopicTexts, most_texts};
pub use vocabulary::{MAX_TERMS, Vocabulary, VocabularyBuilder};
