//! Findings: what a run says about topics, their history and the documents that stand alone.
//!
//! Invariant: a column here is a column of the contract, under the same name.

mod lonely;
mod timeline;
mod topics;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, NaiveDate, TimeDelta};

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

fn date_of(days: i32) -> NaiveDate {
    DateTime::UNIX_EPOCH.date_naive() + TimeDelta::days(i64::from(days))
}
