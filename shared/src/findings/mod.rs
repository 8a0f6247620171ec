//! Findings: what a run says about topics, their history and the documents that stand alone.
//!
//! Invariant: a column here is a column of the contract, under the same name.

mod changes;
mod comparison;
mod lonely;
mod timeline;
mod topics;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta};
use object_store::path::Path;

pub use changes::{Change, ChangeKind};
pub use comparison::{LonelyList, compare_lonely, compare_topics, listed_only};
pub use lonely::LonelyDocument;
pub use timeline::TimelineEntry;
pub use topics::{Status, Topic};

use crate::layout::{RunName, in_run, run_file};
use crate::run_record::RunRecord;
use crate::store::Store;
use crate::table::{self, TableError};

/// Everything that a finished run found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// How the run was made.
    pub record: RunRecord,
    /// One entry a topic, in label order.
    pub topics: Vec<Topic>,
    /// One entry a topic and period, in label then period order.
    pub timeline: Vec<TimelineEntry>,
    /// The loneliest documents, loneliest first.
    pub lonely: Vec<LonelyDocument>,
}

impl Findings {
    /// Reads the findings of the finished run whose `record` was read.
    ///
    /// # Errors
    /// [`TableError`] for a table that is missing or unreadable.
    pub async fn read(store: &Store, run: &RunName, record: RunRecord) -> Result<Self, TableError> {
        Ok(Self {
            record,
            topics: topics::read(store, &in_run(run, run_file::TOPICS)).await?,
            timeline: timeline::read(store, &in_run(run, run_file::TIMELINE)).await?,
            lonely: lonely::read(store, &in_run(run, run_file::LONELY)).await?,
        })
    }
}

/// Reads a topics table.
///
/// # Errors
/// [`TableError`] for a table that is missing or unreadable.
pub async fn read_topics(store: &Store, key: &Path) -> Result<Vec<Topic>, TableError> {
    topics::read(store, key).await
}

/// Reads a lonely table.
///
/// # Errors
/// [`TableError`] for a table that is missing or unreadable.
pub async fn read_lonely(store: &Store, key: &Path) -> Result<Vec<LonelyDocument>, TableError> {
    lonely::read(store, key).await
}

/// Reads a table of changes.
///
/// # Errors
/// [`TableError`] for a table that is missing or unreadable.
pub async fn read_changes(store: &Store, key: &Path) -> Result<Vec<Change>, TableError> {
    changes::read(store, key).await
}

/// Encodes a table of changes.
///
/// # Errors
/// [`TableError::Encode`].
pub fn encode_changes(changes: &[Change]) -> Result<Vec<u8>, TableError> {
    changes::encode(changes)
}

/// Encodes the topics table.
///
/// # Errors
/// [`TableError::Encode`].
pub fn encode_topics(topics: &[Topic]) -> Result<Vec<u8>, TableError> {
    topics::encode(topics)
}

/// Encodes the timeline table.
///
/// # Errors
/// [`TableError::Encode`].
pub fn encode_timeline(timeline: &[TimelineEntry]) -> Result<Vec<u8>, TableError> {
    timeline::encode(timeline)
}

/// Encodes the lonely table.
///
/// # Errors
/// [`TableError::Encode`].
pub fn encode_lonely(lonely: &[LonelyDocument]) -> Result<Vec<u8>, TableError> {
    lonely::encode(lonely)
}

fn encode(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<Vec<u8>, TableError> {
    let batch = RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| TableError::Encode(parquet::errors::ParquetError::General(error.to_string())))?;
    table::encode(&[batch], schema, &[])
}

/// Arrow counts days from here.
fn days_since_1970(date: NaiveDate) -> i32 {
    (date - DateTime::UNIX_EPOCH.date_naive()).num_days() as i32
}

/// Reads a day as Arrow counts it; where the calendar ends before it, a sentence says so.
fn date_of(days: i32) -> Result<NaiveDate, String> {
    let date = DateTime::UNIX_EPOCH.date_naive().checked_add_signed(TimeDelta::days(i64::from(days)));
    date.ok_or_else(|| {
        format!("day {days} from 1970 on, expected one from {} to {}", NaiveDate::MIN.year(), NaiveDate::MAX.year())
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array};
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_day_beyond_the_calendar_is_a_fault_of_the_table() {
        let store = Store::new("memory", Arc::new(InMemory::new()));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(vec![0])),
            Arc::new(Date32Array::from(vec![i32::MAX])),
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(Float64Array::from(vec![1.0])),
            Arc::new(BooleanArray::from(vec![true])),
        ];
        let key = Path::from("timeline.parquet");
        store.put(&key, encode(&timeline::schema(), columns).unwrap()).await.unwrap();
        let error = timeline::read(&store, &key).await.unwrap_err();
        assert!(matches!(&error, TableError::Content { reason, .. } if reason.contains("262142")), "{error}");
    }
}
