//! Centroids ↔ `centroids.parquet`: the final k-means centres that labels and inertia refer to, not normalised.

use std::sync::Arc;

use arrow::array::{AsArray, FixedSizeListArray, Int32Array};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Schema, SchemaRef};
use object_store::path::Path;

use crate::store::Store;
use crate::table::{self, TableError, TableReader};
use crate::vectors;

fn schema(dim: usize) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("label", DataType::Int32, false), vectors::field(dim)]))
}

/// Encodes centres, `[k, dim]` row-major; the label of a centre is its row.
///
/// # Errors
/// [`TableError::Encode`].
///
/// # Panics
/// If `values` is not a whole number of rows, which is the caller's mistake.
pub fn encode(dim: usize, values: &[f32]) -> Result<Vec<u8>, TableError> {
    assert!(dim > 0 && values.len().is_multiple_of(dim), "{} values are not rows of {dim}", values.len());
    let schema = schema(dim);
    let DataType::FixedSizeList(item, _) = schema.field(1).data_type() else { unreachable!("built just above") };
    let labels = Int32Array::from_iter_values(0..(values.len() / dim) as i32);
    let centres = arrow::array::Float32Array::from(values.to_vec());
    let column = FixedSizeListArray::new(Arc::clone(item), dim as i32, Arc::new(centres), None);
    let batch = table::batch(&schema, vec![Arc::new(labels), Arc::new(column)])?;
    table::encode(&[batch], &schema, &[])
}

/// Reads centres of `dim` dimensions, `[k, dim]` row-major, in label order.
///
/// # Errors
/// [`TableError`] for an object that is missing, unreadable, of another dimension, or whose labels are not its rows.
pub async fn read(store: &Store, key: &Path, dim: usize) -> Result<Vec<f32>, TableError> {
    let reader = TableReader::open(store, key).await?;
    let batch = reader.read(store, &schema(dim)).await?;
    let labels = batch.column(0).as_primitive::<Int32Type>().values().iter();
    if let Some((row, label)) = (0..).zip(labels).find(|(row, label)| row != *label) {
        let reason = format!("row {row} has label {label}, expected {row}");
        return Err(TableError::Content { key: key.clone(), reason });
    }
    Ok(batch.column(1).as_fixed_size_list().values().as_primitive::<Float32Type>().values().to_vec())
}
