//! Lonely documents ↔ `lonely.parquet`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Schema, SchemaRef, TimestampMicrosecondType};
use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::encode as encode_columns;
use crate::documents::created_type;
use crate::store::Store;
use crate::table::{TableError, TableReader};

/// One document that stands alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LonelyDocument {
    /// 1 is the loneliest.
    pub rank: i32,
    /// The document.
    pub id: String,
    /// Its title.
    pub title: String,
    /// When it was created.
    pub created: Option<DateTime<Utc>>,
    /// Its categories, separated by spaces.
    pub categories: String,
    /// Its cluster.
    pub label: i32,
    /// The cosine to its k-th nearest other document.
    pub similarity: f32,
    /// The nearest other document; `None` in a corpus of one.
    pub nearest_id: Option<String>,
    /// That document's title.
    pub nearest_title: Option<String>,
    /// The cosine to it.
    pub nearest_similarity: Option<f32>,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("rank", DataType::Int32, false),
        Field::new("id", DataType::Utf8, false),
        Field::new("title", DataType::Utf8, false),
        Field::new("created", created_type(), true),
        Field::new("categories", DataType::Utf8, false),
        Field::new("label", DataType::Int32, false),
        Field::new("similarity", DataType::Float32, false),
        Field::new("nearest_id", DataType::Utf8, true),
        Field::new("nearest_title", DataType::Utf8, true),
        Field::new("nearest_similarity", DataType::Float32, true),
    ]))
}

pub(super) fn encode(lonely: &[LonelyDocument]) -> Result<Vec<u8>, TableError> {
    let text = |of: fn(&LonelyDocument) -> Option<&str>| -> ArrayRef {
        Arc::new(lonely.iter().map(of).collect::<StringArray>())
    };
    let created = lonely.iter().map(|entry| entry.created.map(|time| time.timestamp_micros()));
    let created = created.collect::<TimestampMicrosecondArray>().with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(lonely.iter().map(|entry| entry.rank))),
        text(|entry| Some(&entry.id)),
        text(|entry| Some(&entry.title)),
        Arc::new(created),
        text(|entry| Some(&entry.categories)),
        Arc::new(Int32Array::from_iter_values(lonely.iter().map(|entry| entry.label))),
        Arc::new(Float32Array::from_iter_values(lonely.iter().map(|entry| entry.similarity))),
        text(|entry| entry.nearest_id.as_deref()),
        text(|entry| entry.nearest_title.as_deref()),
        Arc::new(lonely.iter().map(|entry| entry.nearest_similarity).collect::<Float32Array>()),
    ];
    encode_columns(&schema(), columns)
}

pub(super) async fn read(store: &Store, key: &Path) -> Result<Vec<LonelyDocument>, TableError> {
    let reader = TableReader::open(store, key).await?;
    let batch = reader.read(store, &schema()).await?;
    Ok((0..batch.num_rows()).map(|row| lonely_document(&batch, row)).collect())
}

fn lonely_document(batch: &RecordBatch, row: usize) -> LonelyDocument {
    let text = |column: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
    let optional = |column: usize| batch.column(column).is_valid(row).then(|| text(column));
    let float = |column: usize| batch.column(column).as_primitive::<Float32Type>().value(row);
    let created = batch.column(3).as_primitive::<TimestampMicrosecondType>();
    LonelyDocument {
        rank: batch.column(0).as_primitive::<Int32Type>().value(row),
        id: text(1),
        title: text(2),
        created: created.is_valid(row).then(|| DateTime::from_timestamp_micros(created.value(row))).flatten(),
        categories: text(4),
        label: batch.column(5).as_primitive::<Int32Type>().value(row),
        similarity: float(6),
        nearest_id: optional(7),
        nearest_title: optional(8),
        nearest_similarity: batch.column(9).is_valid(row).then(|| float(9)),
    }
}
