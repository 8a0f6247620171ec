//! One line → one document, or the reason why it is none.
//!
//! Invariant: a pure function of the line and the field names. Whether an id was seen before is left to
//! [`super::assemble`], which sees all lines.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use strata_shared::documents::Document;
use strata_shared::settings::ShardSettings;

use super::dates;
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
    /// A date is given and cannot be read.
    pub(super) unreadable_date: bool,
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
    match parse(text, settings).map_err(|reason| (reason, None)).and_then(judge) {
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
            Line::Document(Candidate { document, id_hash: seen::hash(id), unreadable_date: false })
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
    let id_hash = seen::hash(&id);
    let unreadable_date = record.date == Date::Unreadable;
    let document = Document { id, title, abstract_text, categories: record.categories, created: record.date.known() };
    Ok(Candidate { document, id_hash, unreadable_date })
}

fn string(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Text(text) => Some(normalise(text)),
        _ => None,
    }
}

fn parse<'a>(text: &'a str, settings: &ShardSettings) -> Result<Record<'a>, Reason> {
    if !text.starts_with('{') {
        let other = serde_json::from_str::<IgnoredAny>(text);
        return Err(if other.is_ok() { Reason::NotObject } else { Reason::NotJson });
    }
    let read = || {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let fields = Fields { settings }.deserialize(&mut deserializer)?;
        deserializer.end()?;
        fields.decode()
    };
    read().map_err(|_: serde_json::Error| Reason::NotJson)
}

/// The wanted fields of an object, still as JSON: everything else is skipped over.
#[derive(Default)]
struct RawFields<'a> {
    id: Option<&'a RawValue>,
    title: Option<&'a RawValue>,
    text: Option<&'a RawValue>,
    categories: Option<&'a RawValue>,
    date: Option<&'a RawValue>,
    versions: Option<&'a RawValue>,
    update_date: Option<&'a RawValue>,
}

impl<'a> RawFields<'a> {
    fn decode(self) -> Result<Record<'a>, serde_json::Error> {
        Ok(Record {
            id: value(self.id)?,
            title: value(self.title)?,
            text: value(self.text)?,
            categories: categories(&value(self.categories)?)?,
            date: self.date()?,
        })
    }

    fn date(&self) -> Result<Date, serde_json::Error> {
        let created = match self.versions {
            Some(versions) if versions.get().starts_with('[') => {
                serde_json::from_str::<FirstCreated>(versions.get())?.0
            }
            _ => None,
        };
        let (named, created, updated) = (value(self.date)?, value(created)?, value(self.update_date)?);
        Ok(Date::of(&named).or_else(|| Date::of(&created)).or_else(|| Date::of(&updated)))
    }
}

fn value(raw: Option<&RawValue>) -> Result<Value<'_>, serde_json::Error> {
    let Some(json) = raw.map(RawValue::get) else { return Ok(Value::Null) };
    Ok(match json.as_bytes()[0] {
        b'n' => Value::Null,
        b'"' => Value::Text(unescape(json)?),
        b'[' => Value::List(json),
        b'-' | b'0'..=b'9' => integer(json),
        _ => Value::Other,
    })
}

fn unescape(json: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    if memchr::memchr(b'\\', json.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(&json[1..json.len() - 1]));
    }
    serde_json::from_str::<String>(json).map(Cow::Owned)
}

fn integer(json: &str) -> Value<'_> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true if digits == "0" => Value::Integer(Cow::Borrowed(digits)),
        true => Value::Integer(Cow::Borrowed(json)),
        false => Value::Other,
    }
}

/// Joins a list of categories by spaces; what is neither text, integer nor a list of those says nothing.
fn categories(value: &Value<'_>) -> Result<String, serde_json::Error> {
    match value {
        Value::Text(text) | Value::Integer(text) => Ok(normalise(text)),
        Value::List(json) => serde_json::from_str::<Joined>(json).map(|joined| joined.0),
        Value::Null | Value::Other => Ok(String::new()),
    }
}

struct Fields<'s> {
    settings: &'s ShardSettings,
}

impl Fields<'_> {
    fn keep<'de>(&self, key: &str, raw: &'de RawValue, fields: &mut RawFields<'de>) {
        let settings = self.settings;
        let named = settings.date_field.as_deref();
        for (wanted, slot) in [
            (key == settings.id_field, &mut fields.id),
            (key == settings.title_field, &mut fields.title),
            (key == settings.text_field, &mut fields.text),
            (key == settings.category_field, &mut fields.categories),
            (named == Some(key), &mut fields.date),
            (named.is_none() && key == "versions", &mut fields.versions),
            (named.is_none() && key == "update_date", &mut fields.update_date),
        ] {
            if wanted {
                *slot = Some(raw);
            }
        }
    }

    fn wants(&self, key: &str) -> bool {
        let settings = self.settings;
        let text = [&settings.id_field, &settings.title_field, &settings.text_field, &settings.category_field];
        text.into_iter().any(|field| field == key)
            || settings.date_field.as_ref().map_or(key == "versions" || key == "update_date", |field| field == key)
    }
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = RawFields<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<RawFields<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = RawFields<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawFields<'de>, A::Error> {
        let mut fields = RawFields::default();
        while let Some(key) = map.next_key_seed(Key { fields: &self })? {
            match key {
                Some(key) => self.keep(&key, map.next_value()?, &mut fields),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(fields)
    }
}

/// Reads a key: its name if it is wanted, without copying the others.
struct Key<'s> {
    fields: &'s Fields<'s>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(self.fields.wants(key).then_some(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.fields.wants(key).then(|| Cow::Owned(key.to_owned())))
    }
}

/// `created` of the first of arXiv's versions, where that is what `versions` holds.
struct FirstCreated<'a>(Option<&'a RawValue>);

impl<'de> serde::Deserialize<'de> for FirstCreated<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Versions).map(Self)
    }
}

struct Versions;

impl<'de> Visitor<'de> for Versions {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let first = list.next_element::<&RawValue>()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.and_then(|first| serde_json::from_str::<Version<'_>>(first.get()).ok()?.created))
    }
}

#[derive(serde::Deserialize)]
struct Version<'a> {
    #[serde(borrow)]
    created: Option<&'a RawValue>,
}

/// The strings and integers of a list, joined by spaces as they come.
struct Joined(String);

impl<'de> serde::Deserialize<'de> for Joined {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Words)
    }
}

struct Words;

impl<'de> Visitor<'de> for Words {
    type Value = Joined;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Joined, A::Error> {
        let mut joined = String::new();
        while let Some(raw) = list.next_element::<&RawValue>()? {
            if let Value::Text(text) | Value::Integer(text) = value(Some(raw)).map_err(serde::de::Error::custom)? {
                joined.push_str(&text);
                joined.push(' ');
            }
        }
        Ok(Joined(normalise(&joined)))
    }
}
