//! Topics ↔ `topics.parquet`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, Int64Array, ListArray, ListBuilder, RecordBatch,
    StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Date32Type, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use chrono::NaiveDate;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{date_of, days_since_1970, encode as encode_columns};
use crate::store::Store;
use crate::table::{TableError, TableReader};

/// What has become of a topic's share. A topic that meets several definitions gets the first of extinct, fading, emerging,
/// rising. Shares are measured and tested by the reduce, whose thresholds these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Significant decline, `fade` at most 0.05 and `fade_high` at most 0.25.
    Extinct,
    /// Significant decline, `fade` at most 0.5 and `fade_high` at most 0.75.
    Fading,
    /// None of the others.
    Steady,
    /// Significant rise, recent share at least 1.5 times that of the first half of the earlier periods and 1.2 times
    /// that of all of them, `fade` above 0.5.
    Rising,
    /// Significant rise, share over the first half of the earlier periods at most a tenth of the recent one, `fade` above
    /// 0.5.
    Emerging,
    /// No document is dated within a complete period.
    Undated,
}

impl Status {
    /// All of them, from the dead to the newborn.
    pub const ALL: [Self; 6] = [Self::Extinct, Self::Fading, Self::Steady, Self::Rising, Self::Emerging, Self::Undated];

    /// Returns the word that tables use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extinct => "extinct",
            Self::Fading => "fading",
            Self::Steady => "steady",
            Self::Rising => "rising",
            Self::Emerging => "emerging",
            Self::Undated => "undated",
        }
    }

    /// Tells whether it is a call of decline.
    #[must_use]
    pub const fn is_decline(self) -> bool {
        matches!(self, Self::Extinct | Self::Fading)
    }

    /// Tells whether it is a call of growth.
    #[must_use]
    pub const fn is_growth(self) -> bool {
        matches!(self, Self::Rising | Self::Emerging)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == word);
        found.ok_or_else(|| {
            format!("status is {word:?}, expected one of extinct, fading, steady, rising, emerging, undated")
        })
    }
}

/// One topic: a cluster with its name and its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    /// Its cluster.
    pub label: i32,
    /// What a person would call it.
    pub name: String,
    /// Its most telling terms, best first.
    pub terms: Vec<String>,
    /// Its documents.
    pub size: i64,
    /// The day of its first dated document.
    pub first: Option<NaiveDate>,
    /// The day of its last dated document.
    pub last: Option<NaiveDate>,
    /// The window of its highest share, such as `2007..2009`.
    pub peak_period: Option<String>,
    /// Its highest share over any window of the recent window's length.
    pub peak_share: Option<f64>,
    /// Its share over the recent window.
    pub recent_share: Option<f64>,
    /// `recent_share / peak_share`, at most 1.
    pub fade: Option<f64>,
    /// The lower end of the 95 % interval of `fade`.
    pub fade_low: Option<f64>,
    /// The upper end of the 95 % interval of `fade`.
    pub fade_high: Option<f64>,
    /// What has become of it.
    pub status: Status,
    /// Its most frequent categories, most frequent first.
    pub top_categories: Vec<String>,
    /// The documents nearest to its centroid, nearest first.
    pub representative_ids: Vec<String>,
    /// Its place in the list of fading topics, from 1; `None` if it is not on it.
    pub fading_rank: Option<i32>,
    /// Its place in the list of emerging topics, from 1; `None` if it is not on it.
    pub emerging_rank: Option<i32>,
    /// What it is known by from run to run; in tables of format 1 the label stands for it.
    pub topic_id: i64,
    /// How much of it was the same topic in the run's predecessor; `None` for a topic that is new, and in a run that
    /// follows none.
    pub strength: Option<f64>,
}

/// The columns of format 1.
const FIRST_COLUMNS: usize = 17;

/// The columns of format 1, which every version has.
fn first_fields() -> Vec<Field> {
    let words = || DataType::List(Arc::new(Field::new("element", DataType::Utf8, false)));
    vec![
        Field::new("label", DataType::Int32, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("terms", words(), false),
        Field::new("size", DataType::Int64, false),
        Field::new("first", DataType::Date32, true),
        Field::new("last", DataType::Date32, true),
        Field::new("peak_period", DataType::Utf8, true),
        Field::new("peak_share", DataType::Float64, true),
        Field::new("recent_share", DataType::Float64, true),
        Field::new("fade", DataType::Float64, true),
        Field::new("fade_low", DataType::Float64, true),
        Field::new("fade_high", DataType::Float64, true),
        Field::new("status", DataType::Utf8, false),
        Field::new("top_categories", words(), false),
        Field::new("representative_ids", words(), false),
        Field::new("fading_rank", DataType::Int32, true),
        Field::new("emerging_rank", DataType::Int32, true),
    ]
}

fn schema() -> SchemaRef {
    let mut fields = first_fields();
    fields.push(Field::new("topic_id", DataType::Int64, false));
    fields.push(Field::new("strength", DataType::Float64, true));
    Arc::new(Schema::new(fields))
}

pub(super) fn encode(topics: &[Topic]) -> Result<Vec<u8>, TableError> {
    let floats =
        |of: fn(&Topic) -> Option<f64>| -> ArrayRef { Arc::new(topics.iter().map(of).collect::<Float64Array>()) };
    let days = |of: fn(&Topic) -> Option<NaiveDate>| -> ArrayRef {
        Arc::new(topics.iter().map(|topic| of(topic).map(days_since_1970)).collect::<Date32Array>())
    };
    let words = |of: fn(&Topic) -> &[String]| -> ArrayRef { Arc::new(lists(topics.iter().map(of))) };
    let ranks = |of: fn(&Topic) -> Option<i32>| -> ArrayRef { Arc::new(topics.iter().map(of).collect::<Int32Array>()) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(topics.iter().map(|topic| topic.label))),
        Arc::new(StringArray::from_iter_values(topics.iter().map(|topic| &topic.name))),
        words(|topic| &topic.terms),
        Arc::new(Int64Array::from_iter_values(topics.iter().map(|topic| topic.size))),
        days(|topic| topic.first),
        days(|topic| topic.last),
        Arc::new(topics.iter().map(|topic| topic.peak_period.as_deref()).collect::<StringArray>()),
        floats(|topic| topic.peak_share),
        floats(|topic| topic.recent_share),
        floats(|topic| topic.fade),
        floats(|topic| topic.fade_low),
        floats(|topic| topic.fade_high),
        Arc::new(StringArray::from_iter_values(topics.iter().map(|topic| topic.status.as_str()))),
        words(|topic| &topic.top_categories),
        words(|topic| &topic.representative_ids),
        ranks(|topic| topic.fading_rank),
        ranks(|topic| topic.emerging_rank),
        Arc::new(Int64Array::from_iter_values(topics.iter().map(|topic| topic.topic_id))),
        floats(|topic| topic.strength),
    ];
    encode_columns(&schema(), columns)
}

fn lists<'a>(rows: impl Iterator<Item = &'a [String]>) -> ListArray {
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, false));
    for row in rows {
        row.iter().for_each(|word| builder.values().append_value(word));
        builder.append(true);
    }
    builder.finish()
}

pub(super) async fn read(store: &Store, key: &Path) -> Result<Vec<Topic>, TableError> {
    let reader = TableReader::open(store, key).await?;
    let has_ids = reader.schema().field_with_name("topic_id").is_ok();
    let expected = if has_ids { schema() } else { Arc::new(Schema::new(first_fields())) };
    let batch = reader.read(store, &expected).await?;
    let content = |reason| TableError::Content { key: key.clone(), reason };
    (0..batch.num_rows()).map(|row| topic(&batch, row).map_err(content)).collect()
}

fn topic(batch: &RecordBatch, row: usize) -> Result<Topic, String> {
    let float = |column: usize| {
        let values = batch.column(column).as_primitive::<Float64Type>();
        values.is_valid(row).then(|| values.value(row))
    };
    let day = |column: usize| {
        let values = batch.column(column).as_primitive::<Date32Type>();
        values.is_valid(row).then(|| date_of(values.value(row))).transpose()
    };
    let rank = |column: usize| {
        let values = batch.column(column).as_primitive::<Int32Type>();
        values.is_valid(row).then(|| values.value(row))
    };
    let words = |column: usize| -> Vec<String> {
        let list = batch.column(column).as_list::<i32>().value(row);
        list.as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    };
    let peak_periods = batch.column(6).as_string::<i32>();
    let label = batch.column(0).as_primitive::<Int32Type>().value(row);
    let has_ids = batch.num_columns() > FIRST_COLUMNS;
    Ok(Topic {
        label,
        name: batch.column(1).as_string::<i32>().value(row).to_owned(),
        terms: words(2),
        size: batch.column(3).as_primitive::<Int64Type>().value(row),
        first: day(4)?,
        last: day(5)?,
        peak_period: peak_periods.is_valid(row).then(|| peak_periods.value(row).to_owned()),
        peak_share: float(7),
        recent_share: float(8),
        fade: float(9),
        fade_low: float(10),
        fade_high: float(11),
        status: batch.column(12).as_string::<i32>().value(row).parse()?,
        top_categories: words(13),
        representative_ids: words(14),
        fading_rank: rank(15),
        emerging_rank: rank(16),
        topic_id: if has_ids { batch.column(17).as_primitive::<Int64Type>().value(row) } else { i64::from(label) },
        strength: if has_ids { float(18) } else { None },
    })
}
