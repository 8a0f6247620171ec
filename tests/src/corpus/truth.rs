//! What was planted, as a file beside the corpus: topics with their shares, loners, copies, refused lines, oddities.
//!
//! Invariant: `lines` = `rows` + refused + `blank`. Whole numbers and text only, in a fixed order.

use serde::{Deserialize, Serialize};

use super::topic::Fate;

/// Everything that a corpus holds on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The seed of the corpus.
    pub seed: u64,
    /// All lines, blank ones too.
    pub lines: u64,
    /// Lines that become documents.
    pub rows: u64,
    /// Lines of nothing but white space.
    pub blank: u64,
    /// Whether the first line starts with a byte order mark.
    pub byte_order_mark: bool,
    /// Documents whose line ends with CR LF.
    pub crlf: u64,
    /// Documents whose only date is `update_date`.
    pub dated_by_update: u64,
    /// Last day covered, `YYYY-MM-DD`.
    pub until: String,
    /// The years covered, in order; `by_year` and `share_ppm` of a topic run along them.
    pub years: Vec<i32>,
    /// Dated documents of each year.
    pub by_year: Vec<u64>,
    /// Planted topics.
    pub topics: Vec<PlantedTopic>,
    /// Documents unlike all others, in order of date.
    pub loners: Vec<PlantedLoner>,
    /// Documents with the text of another, word for word.
    pub exact_copies: Vec<PlantedCopy>,
    /// Documents with the text of another but for a few words.
    pub near_copies: Vec<PlantedCopy>,
    /// Documents without any date.
    pub dateless: Vec<String>,
    /// Documents whose date nobody can read.
    pub unreadable_dates: Vec<String>,
    /// Documents whose title is null.
    pub untitled: Vec<String>,
    /// Documents whose `id` is a JSON integer; here in decimal.
    pub integer_ids: Vec<String>,
    /// Lines that must be refused, in order of line.
    pub refused: Vec<PlantedRefusal>,
}

/// A topic and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedTopic {
    /// What a person would call it.
    pub name: String,
    /// Its documents' category.
    pub category: String,
    /// How its share moves; in a steady archive every topic holds.
    pub fate: Fate,
    /// Its dated documents in each year.
    pub by_year: Vec<u64>,
    /// Its planted share of the documents that are no loners and no copies, in parts per million, in each year.
    pub share_ppm: Vec<u64>,
    /// Its documents, copies included, in order of date.
    pub ids: Vec<String>,
}

/// A document on a subject that no other document has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedLoner {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// A document with the text of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedCopy {
    /// Its id.
    pub id: String,
    /// The id of the document that it copies.
    pub of: String,
}

/// A line that must be refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantedRefusal {
    /// Line of the snapshot, the first is 1; blank lines count.
    pub line: u64,
    /// What is wrong with it.
    pub kind: RefusalKind,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// Not JSON at all.
    NotJson,
    /// JSON that breaks off.
    TruncatedJson,
    /// A JSON object with bytes that are not UTF-8.
    InvalidUtf8,
    /// JSON, but an array, a string, a number, a boolean or null.
    NotAnObject,
    /// No `id`.
    MissingId,
    /// `id` is null.
    NullId,
    /// `id` is an empty string.
    EmptyId,
    /// `id` is a boolean, a fraction, an array or an object.
    IdType,
    /// The id of an earlier document.
    RepeatedId,
    /// `title` is neither a string nor null.
    TitleType,
    /// `abstract` is neither a string nor null.
    TextType,
    /// Neither a title nor an abstract.
    NothingToRead,
    /// Longer than [`Plan::too_long_bytes`](super::Plan::too_long_bytes), otherwise fine; only there when asked for.
    TooLong,
}

impl RefusalKind {
    /// The kinds that every corpus holds unless it is clean.
    pub(super) const EVERY_ROUND: [Self; 12] = [
        Self::NotJson,
        Self::TruncatedJson,
        Self::InvalidUtf8,
        Self::NotAnObject,
        Self::MissingId,
        Self::NullId,
        Self::EmptyId,
        Self::IdType,
        Self::RepeatedId,
        Self::TitleType,
        Self::TextType,
        Self::NothingToRead,
    ];
}
