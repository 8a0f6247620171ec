//! A Parquet file with a column `vector` → its vectors, of unit length.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::ArchiveError;
use super::sources::normalise;

/// Reads all vectors of `path`, `[rows, dim]` row-major.
///
/// # Errors
/// [`ArchiveError::Reference`] for a file that is no Parquet, or has no column of float32 lists of `dim`.
pub(super) fn read(path: &Path, dim: usize) -> Result<Vec<f32>, ArchiveError> {
    let refused = |reason: String| ArchiveError::Reference { path: path.to_owned(), reason };
    let failed = |error: &dyn std::error::Error| refused(error.to_string());
    let file = File::open(path).map_err(|error| failed(&error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["vector"]);
    let reader = builder.with_projection(mask).build().map_err(|error| failed(&error))?;
    let mut vectors = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| failed(&error))?;
        let column = batch.column_by_name("vector").ok_or_else(|| refused("has no column vector".into()))?;
        let before = vectors.len();
        append(column, &mut vectors).map_err(refused)?;
        if vectors.len() - before != batch.num_rows() * dim {
            return Err(refused(format!("has vectors of other lengths, expected {dim} dimensions")));
        }
    }
    if vectors.is_empty() {
        return Err(refused("has no rows".into()));
    }
    vectors.chunks_exact_mut(dim).for_each(normalise);
    Ok(vectors)
}

fn append(column: &ArrayRef, vectors: &mut Vec<f32>) -> Result<(), String> {
    let items = match column.data_type() {
        DataType::FixedSizeList(..) => Some(column.as_fixed_size_list().values()),
        DataType::List(_) => Some(column.as_list::<i32>().values()),
        _ => None,
    };
    let items = items.and_then(|items| items.as_primitive_opt::<Float32Type>());
    let items = items.ok_or_else(|| format!("column vector: found {}, expected float32 lists", column.data_type()))?;
    vectors.extend_from_slice(items.values());
    Ok(())
}
