//! An article as one line of a snapshot in arXiv's schema, in its usual form or in an odd one that readers must accept.
//!
//! Invariant: a field that is `None` is absent from the line; fields keep the snapshot's order.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::draw::Draw;
use super::prose::Article;
use super::templates::{GIVEN_NAMES, SURNAMES};

/// Columns after which an abstract is wrapped, as the archive's own are.
const WRAP_COLUMN: usize = 76;

/// How a document that must be accepted departs from the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Usual,
    /// No `versions`; the date is in `update_date` alone.
    UpdateDateOnly,
    IntegerId,
    Dateless,
    UnreadableDate,
    Untitled,
    CategoryList,
    NoCategories,
    CrLf,
}

impl Form {
    /// Draws a form; `may_be_odd` is false for documents on which other planted truths rest.
    pub(super) fn drawn(draw: &mut Draw, may_be_odd: bool) -> Self {
        match draw.below(1000) {
            0..100 => Self::UpdateDateOnly,
            _ if !may_be_odd => Self::Usual,
            100..108 => Self::IntegerId,
            108..114 => Self::Dateless,
            114..120 => Self::UnreadableDate,
            120..124 => Self::Untitled,
            124..132 => Self::CategoryList,
            132..138 => Self::NoCategories,
            138..150 => Self::CrLf,
            _ => Self::Usual,
        }
    }

    pub(super) fn is_dated(self) -> bool {
        !matches!(self, Self::Dateless | Self::UnreadableDate)
    }
}

const UNREADABLE_DATES: &[&str] = &[
    "in press",
    "n.d.",
    "2011-13-01",
    "2013-02-30",
    "31/31/2012",
    "Thu, 45 Mar 2009 99:00:00 GMT",
    "spring, they say",
];

/// One line before it is written.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Value>,
    submitter: (),
    authors: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<Value>,
    comments: (),
    #[serde(rename = "journal-ref")]
    journal_ref: (),
    doi: (),
    #[serde(rename = "report-no")]
    report_no: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<Value>,
    license: (),
    #[serde(rename = "abstract", skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_date: Option<String>,
    authors_parsed: Vec<[&'static str; 3]>,
}

impl Line {
    /// The usual form: dated by its first version, updated up to 200 days later but never after `until`.
    pub(super) fn new(id: &str, article: &Article, created: DateTime<Utc>, until: NaiveDate, draw: &mut Draw) -> Self {
        let authors = authors(draw);
        let updated = (created.date_naive() + TimeDelta::days(draw.below(200) as i64)).min(until);
        Self {
            id: Some(json!(id)),
            submitter: (),
            authors: authors
                .iter()
                .map(|[family, given, _]| format!("{given} {family}"))
                .collect::<Vec<_>>()
                .join(", "),
            title: Some(json!(article.title)),
            comments: (),
            journal_ref: (),
            doi: (),
            report_no: (),
            categories: Some(json!(article.category)),
            license: (),
            text: Some(json!(format!("  {}\n", wrapped(&article.text)))),
            versions: Some(json!([{ "created": rfc_2822(created), "version": "v1" }])),
            update_date: Some(updated.to_string()),
            authors_parsed: authors,
        }
    }

    /// Puts the line into a form; `CrLf` shows only in [`Line::bytes`].
    pub(super) fn take_form(&mut self, form: Form, id: &str, created: DateTime<Utc>, draw: &mut Draw) {
        match form {
            Form::Usual | Form::CrLf => {}
            Form::UpdateDateOnly => {
                self.versions = None;
                self.update_date = Some(created.date_naive().to_string());
            }
            Form::IntegerId => self.id = id.parse::<u64>().ok().map(Value::from),
            Form::Dateless => (self.versions, self.update_date) = (None, None),
            Form::UnreadableDate => {
                let date = draw.pick(UNREADABLE_DATES);
                self.versions = Some(json!([{ "created": date, "version": "v1" }]));
                self.update_date = Some(date.to_owned());
            }
            Form::Untitled => self.title = Some(Value::Null),
            Form::CategoryList => {
                let category = self.categories.take().unwrap_or_default();
                self.categories = Some(json!([category, "misc.GEN"]));
            }
            Form::NoCategories => self.categories = None,
        }
    }

    /// The line as it is written, without its line feed.
    pub(super) fn bytes(&self, form: Form) -> Vec<u8> {
        // A struct of strings, numbers and nulls always serializes.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        if form == Form::CrLf {
            bytes.push(b'\r');
        }
        bytes
    }
}

fn authors(draw: &mut Draw) -> Vec<[&'static str; 3]> {
    let num_authors = 1 + draw.index(4);
    let order = draw.order(SURNAMES.len());
    order.iter().take(num_authors).map(|&i| [SURNAMES[i], GIVEN_NAMES[draw.index(GIVEN_NAMES.len())], ""]).collect()
}

fn rfc_2822(instant: DateTime<Utc>) -> String {
    instant.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Breaks a text into lines at spaces.
fn wrapped(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len());
    let mut column = 0;
    for word in text.split(' ') {
        if column > 0 {
            let fits = column + 1 + word.len() <= WRAP_COLUMN;
            wrapped.push(if fits { ' ' } else { '\n' });
            column = if fits { column + 1 } else { 0 };
        }
        wrapped.push_str(word);
        column += word.len();
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_changes_white_space_only() {
        let text = "a few words that go on and on ".repeat(20);
        let text = text.trim_end();
        let wrapped = wrapped(text);
        assert!(wrapped.lines().all(|line| line.len() <= WRAP_COLUMN));
        assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), text.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn no_unreadable_date_can_be_read() {
        for date in UNREADABLE_DATES {
            assert!(DateTime::parse_from_rfc2822(date).is_err(), "{date}");
            assert!(DateTime::parse_from_rfc3339(date).is_err(), "{date}");
            assert!(date.parse::<NaiveDate>().is_err(), "{date}");
        }
    }
}
