//! One JSON object → the few fields that matter, decoded; all others are skipped over, not built.
//!
//! Invariant: the whole line is checked to be one JSON object, and memory is bounded by its length. What the fields mean
//! is left to [`super::document`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use strata_shared::settings::ShardSettings;

use super::document::{Date, Record, Value};
use super::reason::Reason;
use super::whitespace::normalise;

/// Reads the wanted fields of an object, by the names that `settings` gives them; of a field that occurs twice the last.
///
/// # Errors
/// [`Reason::NotJson`] or [`Reason::NotObject`].
pub(super) fn parse<'a>(text: &'a str, settings: &ShardSettings) -> Result<Record<'a>, Reason> {
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
