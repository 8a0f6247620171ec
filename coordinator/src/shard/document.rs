//! One line → one document, or the reason why it is none.
//!
//! Invariant: a pure function of the line and the field names. Whether an id was seen before is left to
//! [`super::assemble`], which sees all lines.

use std::borrow::Cow;

use strata_shared::documents::Document;
use strata_shared::settings::ShardSettings;

use super::content::{self, ContentHash};
use super::dates;
use super::fields;
use super::reason::{Reason, cut};
use super::seen::{self, IdHash};
use super::whitespace::{is_blank, normalise};

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing but whitespace.
    Blank,
    /// A document, unless its id was seen before.
    Document(Candidate),
    /// Nothing that can be a document.
    Refused(Refusal),
}

/// A document that is valid in itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The document.
    pub(super) document: Document,
    /// The hash of its id.
    pub(super) id_hash: IdHash,
    /// The hash of all its fields.
    pub(super) content: ContentHash,
    /// A date is given and cannot be read.
    pub(super) unreadable_date: bool,
}

impl Candidate {
    /// Hashes a document, which is done on many threads before lines are taken in order.
    fn new(document: Document, unreadable_date: bool) -> Self {
        let (id_hash, content) = (seen::hash(&document.id), content::of(&document));
        Self { document, id_hash, content, unreadable_date }
    }
}

/// A line that is no document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Why.
    pub(super) reason: Reason,
    /// Its id, where it could be read.
    pub(super) id: Option<String>,
    /// What is kept of the line.
    pub(super) text: String,
}

/// The fields of one record, decoded but not yet judged.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    pub(super) id: Value<'a>,
    pub(super) title: Value<'a>,
    pub(super) text: Value<'a>,
    pub(super) categories: String,
    pub(super) date: Date,
}

/// A field's value, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Missing, or null.
    #[default]
    Null,
    /// A string.
    Text(Cow<'a, str>),
    /// An integer in decimal digits.
    Integer(Cow<'a, str>),
    /// A list, as JSON.
    List(&'a str),
    /// Anything else.
    Other,
}

/// What is known of a document's date.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Date {
    /// No date is given.
    #[default]
    Missing,
    /// A date is given that cannot be read.
    Unreadable,
    /// Microseconds since 1970 in UTC.
    Known(i64),
}

impl Date {
    /// Returns this date, or `other` where this one is not known; an unreadable one is remembered.
    #[must_use]
    pub(super) fn or_else(self, other: impl FnOnce() -> Self) -> Self {
        match (self, self.known().is_none().then(other)) {
            (_, Some(Self::Known(micros))) => Self::Known(micros),
            (Self::Missing, Some(other)) => other,
            (date, _) => date,
        }
    }

    const fn known(self) -> Option<i64> {
        match self {
            Self::Known(micros) => Some(micros),
            _ => None,
        }
    }

    /// Reads a string or a year.
    #[must_use]
    pub(super) fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::Text(text) if is_blank(text) => Self::Missing,
            Value::Text(text) | Value::Integer(text) => dates::parse(text).map_or(Self::Unreadable, Self::Known),
            Value::List(_) | Value::Other => Self::Unreadable,
        }
    }
}

/// Reads one line, without its line break, of a file of JSON lines.
pub(super) fn read_line(line: &[u8], settings: &ShardSettings) -> Line {
    let bytes = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).trim_ascii();
    let refused = |reason, id| Line::Refused(Refusal { reason, id, text: cut(line) });
    if bytes.is_empty() {
        return Line::Blank;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return refused(Reason::NotUtf8, None) };
    if is_blank(text) && !text.contains('\0') {
        return Line::Blank;
    }
    match fields::parse(text, settings).map_err(|reason| (reason, None)).and_then(judge) {
        Ok(candidate) => Line::Document(candidate),
        Err((reason, id)) => refused(reason, id),
    }
}

/// Makes a document without text of an id.
pub(super) fn read_id(id: Option<&str>) -> Line {
    let refused = |reason| Line::Refused(Refusal { reason, id: id.map(str::to_owned), text: String::new() });
    match id {
        None => refused(Reason::NoId),
        Some(id) if is_blank(id) => refused(Reason::EmptyId),
        Some(id) => {
            let document = Document { id: id.to_owned(), ..Document::default() };
            Line::Document(Candidate::new(document, false))
        }
    }
}

/// Turns a record into a document, or says why it is none; the id goes along where it could be read.
pub(super) fn judge(record: Record<'_>) -> Result<Candidate, (Reason, Option<String>)> {
    let id = match record.id {
        Value::Null => return Err((Reason::NoId, None)),
        Value::Text(id) if is_blank(&id) => return Err((Reason::EmptyId, Some(id.into_owned()))),
        Value::Text(id) | Value::Integer(id) => id.into_owned(),
        Value::List(_) | Value::Other => return Err((Reason::IdType, None)),
    };
    let Some(title) = string(&record.title) else { return Err((Reason::TitleType, Some(id))) };
    let Some(abstract_text) = string(&record.text) else { return Err((Reason::TextType, Some(id))) };
    if title.is_empty() && abstract_text.is_empty() {
        return Err((Reason::NoContent, Some(id)));
    }
    let unreadable_date = record.date == Date::Unreadable;
    let document = Document { id, title, abstract_text, categories: record.categories, created: record.date.known() };
    Ok(Candidate::new(document, unreadable_date))
}

fn string(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Text(text) => Some(normalise(text)),
        _ => None,
    }
}
