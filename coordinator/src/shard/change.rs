//! What a snapshot would do to a corpus, in numbers, and whether that may be done without asking.
//!
//! Invariant: every document of the snapshot is unchanged, changed or new, every other document of the corpus gone or kept.

use std::fmt;
use std::str::FromStr;

use chrono::DateTime;
use serde::Serialize;
use strata_shared::settings::SettingError;

use super::error::ShardError;

/// How much of the corpus a snapshot may change or remove, unless told otherwise.
pub const DEFAULT_MAX_CHANGE: MaxChange = MaxChange { percent: 20.0 };

/// The most of a corpus that a snapshot may change or remove.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct MaxChange {
    percent: f64,
}

impl MaxChange {
    /// Tells whether `part` of `whole` is within it.
    #[must_use]
    pub fn allows(self, part: u64, whole: u64) -> bool {
        part as f64 * 100.0 <= self.percent * whole as f64
    }
}

impl fmt::Display for MaxChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.percent)
    }
}

impl FromStr for MaxChange {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let number = text.strip_suffix('%').unwrap_or(text).trim();
        match number.parse() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self { percent }),
            _ => Err(SettingError { name: "--max-change", found: text.to_owned(), expected: "0% to 100%" }),
        }
    }
}

/// On which terms a snapshot may update a corpus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// The snapshot is the whole archive: what it lacks is gone.
    pub complete: bool,
    /// The most of the corpus that it may change or remove.
    pub max_change: MaxChange,
    /// A whole archive may end before the corpus does.
    pub allow_older: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self { complete: false, max_change: DEFAULT_MAX_CHANGE, allow_older: false }
    }
}

/// What a snapshot does to a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Change {
    /// The generation that it would be.
    pub generation: u64,
    /// Documents of the corpus before.
    pub rows_before: u64,
    /// Documents of the corpus afterwards.
    pub rows: u64,
    /// Documents of the snapshot that the corpus has as they are.
    pub unchanged: u64,
    /// Documents that the corpus has otherwise.
    pub changed: u64,
    /// Documents that the corpus does not have.
    pub new: u64,
    /// Documents that the snapshot lacks and the corpus loses.
    pub gone: u64,
    /// Documents that the snapshot lacks and the corpus keeps.
    pub kept: u64,
    /// Changed and new documents that are again what they were before an earlier update.
    pub reverted: u64,
    /// Changed documents that share hardly a word with what they were.
    pub reused: u64,
    /// The ids of the first of those.
    pub reused_ids: Vec<String>,
    /// Lines of the snapshot that are refused.
    pub rejected: u64,
    /// Refused lines among those whose document cannot be told; while there are any, nothing is gone.
    pub unreadable: u64,
    /// The day of the corpus's newest document.
    pub newest_before: Option<String>,
    /// The day of the snapshot's newest document.
    pub newest: Option<String>,
}

/// Returns the day of an instant in microseconds since 1970, as people write it.
pub(super) fn day(micros: Option<i64>) -> Option<String> {
    micros.and_then(DateTime::from_timestamp_micros).map(|time| time.format("%Y-%m-%d").to_string())
}

impl Change {
    /// Tells whether the corpus stays as it is.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.changed == 0 && self.new == 0 && self.gone == 0
    }

    /// Makes sure that the change may be made on these terms.
    ///
    /// # Errors
    /// [`ShardError::Older`] or [`ShardError::TooMuch`], which say what allows it.
    pub fn check(&self, terms: &Terms) -> Result<(), ShardError> {
        let (newest, before) = (self.newest.clone(), self.newest_before.clone());
        if terms.complete && !terms.allow_older && newest < before {
            let snapshot = newest.unwrap_or_else(|| "no day".into());
            return Err(ShardError::Older { snapshot, corpus: before.unwrap_or_default() });
        }
        if terms.max_change.allows(self.changed + self.gone, self.rows_before) {
            return Ok(());
        }
        let (changed, gone, rows) = (self.changed, self.gone, self.rows_before);
        let needed = ((changed + gone) as f64 * 100.0 / rows as f64).ceil().min(100.0);
        Err(ShardError::TooMuch {
            changed,
            gone,
            rows,
            allowed: terms.max_change,
            needed: MaxChange { percent: needed },
        })
    }
}

#[cfg(test)]
mod tests {
    use strata_shared::exit::{Classify, Exit};

    use super::*;

    #[test]
    fn percents_read_back_as_they_are_written() {
        for (text, shown) in [("20%", "20%"), ("2.5", "2.5%"), (" 0 %", "0%"), ("100%", "100%")] {
            assert_eq!(text.parse::<MaxChange>().map(|found| found.to_string()), Ok(shown.into()), "{text}");
        }
        for text in ["", "%", "-1", "101%", "NaN", "half"] {
            assert!(text.parse::<MaxChange>().unwrap_err().to_string().starts_with("--max-change: found "), "{text}");
        }
    }

    #[test]
    fn what_changes_more_than_allowed_is_refused_with_the_flag_that_allows_it() {
        let change = |changed, gone| Change { rows_before: 10, changed, gone, ..Change::default() };
        assert!(change(1, 1).check(&Terms::default()).is_ok());
        let error = change(1, 2).check(&Terms::default()).unwrap_err();
        assert_eq!(error.exit(), Exit::Configuration);
        for said in ["changes 1 and removes 2 of 10", "20%", "--max-change 30%"] {
            assert!(error.to_string().contains(said), "{error}");
        }
        let allowed = Terms { max_change: "30%".parse().unwrap(), ..Terms::default() };
        assert!(change(1, 2).check(&allowed).is_ok());
    }

    #[test]
    fn a_whole_archive_that_ends_before_the_corpus_does_is_refused_unless_told() {
        let days = |newest: Option<&str>, before: Option<&str>| Change {
            rows_before: 1,
            newest: newest.map(str::to_owned),
            newest_before: before.map(str::to_owned),
            ..Change::default()
        };
        let whole = Terms { complete: true, ..Terms::default() };
        let older = days(Some("2023-01-01"), Some("2023-02-01"));
        let error = older.check(&whole).unwrap_err();
        assert!(error.exit() == Exit::Configuration && error.to_string().contains("--allow-older"), "{error}");
        assert!(days(None, Some("2023-02-01")).check(&whole).is_err());
        assert!(older.check(&Terms { allow_older: true, ..whole }).is_ok());
        assert!(older.check(&Terms::default()).is_ok(), "a part of an archive may be of any time");
        assert!(
            days(Some("2023-02-01"), Some("2023-02-01")).check(&whole).is_ok()
                && days(None, None).check(&whole).is_ok()
        );
    }
}
