//! Timeline ↔ `timeline.parquet`: a row for every topic and period, zeros too.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array};
use arrow::datatypes::{DataType, Date32Type, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef};
use chrono::NaiveDate;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{date_of, days_since_1970, encode as encode_columns};
use crate::store::Store;
use crate::table::{TableError, TableReader};

/// One topic in one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// The topic's cluster.
    pub label: i32,
    /// The period's first day.
    pub period: NaiveDate,
    /// The topic's documents in the period.
    pub count: i64,
    /// Dated documents of all topics in the period.
    pub total: i64,
    /// `count / total`; 0 where there is no document.
    pub share: f64,
    /// Whether the corpus covers the period to its end.
    pub complete: bool,
}

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("label", DataType::Int32, false),
        Field::new("period", DataType::Date32, false),
        Field::new("count", DataType::Int64, false),
        Field::new("total", DataType::Int64, false),
        Field::new("share", DataType::Float64, false),
        Field::new("complete", DataType::Boolean, false),
    ]))
}

pub(super) fn encode(timeline: &[TimelineEntry]) -> Result<Vec<u8>, TableError> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(timeline.iter().map(|entry| entry.label))),
        Arc::new(Date32Array::from_iter_values(timeline.iter().map(|entry| days_since_1970(entry.period)))),
        Arc::new(Int64Array::from_iter_values(timeline.iter().map(|entry| entry.count))),
        Arc::new(Int64Array::from_iter_values(timeline.iter().map(|entry| entry.total))),
        Arc::new(Float64Array::from_iter_values(timeline.iter().map(|entry| entry.share))),
        Arc::new(timeline.iter().map(|entry| Some(entry.complete)).collect::<BooleanArray>()),
    ];
    encode_columns(&schema(), columns)
}

pub(super) async fn read(store: &Store, key: &Path) -> Result<Vec<TimelineEntry>, TableError> {
    let reader = TableReader::open(store, key).await?;
    let batch = reader.read(store, &schema()).await?;
    let labels = batch.column(0).as_primitive::<Int32Type>();
    let periods = batch.column(1).as_primitive::<Date32Type>();
    let counts = batch.column(2).as_primitive::<Int64Type>();
    let totals = batch.column(3).as_primitive::<Int64Type>();
    let shares = batch.column(4).as_primitive::<Float64Type>();
    let complete = batch.column(5).as_boolean();
    let content = |reason| TableError::Content { key: key.clone(), reason };
    let entry = |row| {
        Ok(TimelineEntry {
            label: labels.value(row),
            period: date_of(periods.value(row)).map_err(content)?,
            count: counts.value(row),
            total: totals.value(row),
            share: shares.value(row),
            complete: complete.value(row),
        })
    };
    (0..batch.num_rows()).map(entry).collect()
}
