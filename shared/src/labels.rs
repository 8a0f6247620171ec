//! Labels ↔ `labels/shard_NNNNN.parquet`: the nearest centroid of every document of one shard.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray, Float32Array, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;

use crate::store::Store;
use crate::table::{self, TableError, TableReader};

/// The labels of one shard, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// Document ids, in the shard's order.
    pub ids: StringArray,
    /// The nearest centroid in L2.
    pub labels: Vec<i32>,
    /// The cosine to that centroid.
    pub similarities: Vec<f32>,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("label", DataType::Int32, false),
        Field::new("similarity", DataType::Float32, false),
    ]))
}

/// Shards that are read ahead of the one that is looked at.
const SHARDS_AHEAD: usize = 2;

/// Returns those of the wanted documents that are among the labels under `keys`.
///
/// # Errors
/// Labels that cannot be read.
pub async fn present(
    store: &Store,
    keys: Vec<Path>,
    wanted: &BTreeSet<String>,
) -> Result<BTreeSet<String>, TableError> {
    let mut found = BTreeSet::new();
    let mut shards =
        futures::stream::iter(keys).map(|key| async move { Labels::read(store, &key).await }).buffered(SHARDS_AHEAD);
    while found.len() < wanted.len() {
        let Some(shard) = shards.try_next().await? else { break };
        found.extend(shard.ids.iter().flatten().filter(|id| wanted.contains(*id)).map(str::to_owned));
    }
    Ok(found)
}

impl Labels {
    /// Encodes the labels of one shard.
    ///
    /// # Errors
    /// [`TableError::Encode`] if the columns differ in length.
    pub fn encode(&self) -> Result<Vec<u8>, TableError> {
        let labels = Int32Array::from(self.labels.clone());
        let similarities = Float32Array::from(self.similarities.clone());
        let columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(self.ids.clone()), Arc::new(labels), Arc::new(similarities)];
        let batch = table::batch(&schema(), columns)?;
        table::encode(&[batch], &schema(), &[])
    }

    /// Reads the labels under `key`.
    ///
    /// # Errors
    /// [`TableError`] for an object that is missing or unreadable.
    pub async fn read(store: &Store, key: &Path) -> Result<Self, TableError> {
        let reader = TableReader::open(store, key).await?;
        let batch = reader.read(store, &schema()).await?;
        Ok(Self {
            ids: batch.column(0).as_string::<i32>().clone(),
            labels: batch.column(1).as_primitive::<Int32Type>().values().to_vec(),
            similarities: batch.column(2).as_primitive::<Float32Type>().values().to_vec(),
        })
    }
}
