//! Vectors ↔ vector shards: the rows of a raw shard with a unit vector each.
//!
//! Invariant: a shard that reads without an error has one unit vector a row, is of the model and the raw shard that its
//! metadata name, and its ids and vectors are those that were written (`strata.content_sha256`).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef};
use bytes::Bytes;
use object_store::path::Path;
use sha2::{Digest, Sha256};

use crate::digest;
use crate::documents::{self, Document, Documents};
use crate::layout::ModelName;
use crate::store::Store;
use crate::table::{self, TableError, TableReader, VECTOR_COLUMN};

/// The metadata key of the sha256 of the raw shard's bytes.
pub const RAW_SHA256: &str = "strata.raw_sha256";
/// The metadata key of the model's name.
pub const MODEL: &str = "strata.model";
/// The metadata key of the sha256 over ids and vectors as decoded.
pub const CONTENT_SHA256: &str = "strata.content_sha256";

/// How far from 1 the L2 norm of a stored vector may be: what the margins of exact searches reckon with.
pub const UNIT_TOLERANCE: f64 = 1e-5;

/// Squares that are added up side by side, so that the processor does several at once.
const LANES: usize = 8;

/// Vectors of one length, row-major.
#[derive(Debug, Clone)]
pub struct Vectors {
    dim: usize,
    values: Float32Array,
}

impl Vectors {
    /// Wraps `values`, `[rows, dim]` row-major.
    ///
    /// # Panics
    /// If `values` is not a whole number of rows, which is the caller's mistake.
    #[must_use]
    pub fn new(dim: usize, values: Vec<f32>) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "{} values are not rows of {dim}", values.len());
        Self { dim, values: values.into() }
    }

    /// Returns the number of dimensions.
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Tells whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns all values, `[rows, dim]` row-major.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        self.values.values()
    }

    /// Returns vector `row`.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values()[row * self.dim..(row + 1) * self.dim]
    }

    /// Returns the first row that is not a unit vector (zeros, NaN, other norms), with its norm.
    #[must_use]
    pub fn first_not_unit(&self) -> Option<(usize, f64)> {
        let norms = self.values().chunks_exact(self.dim).map(norm);
        // A norm that is no number is within no tolerance.
        norms.enumerate().find(|(_, norm)| norm.is_nan() || (norm - 1.0).abs() > UNIT_TOLERANCE)
    }

    /// Removes the rows at `rows`, which ascend, in place where nobody else holds the values.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn without(self, rows: &[u32]) -> Self {
        if rows.is_empty() {
            return self;
        }
        let (dim, num_rows) = (self.dim, self.len());
        let mut values = Vec::from(self.values.into_parts().1);
        let mut kept = rows[0] as usize;
        for (place, &row) in rows.iter().enumerate() {
            let (start, end) = (row as usize + 1, rows.get(place + 1).map_or(num_rows, |&next| next as usize));
            values.copy_within(start * dim..end * dim, kept * dim);
            kept += end - start;
        }
        values.truncate(kept * dim);
        Self { dim, values: values.into() }
    }

    fn column(&self) -> ArrayRef {
        let item = Arc::new(item_field());
        Arc::new(FixedSizeListArray::new(item, self.dim as i32, Arc::new(self.values.clone()), None))
    }
}

/// Returns the L2 norm in float64.
fn norm(row: &[f32]) -> f64 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, &value)| *sum += f64::from(value) * f64::from(value));
    }
    let rest: f64 = rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    (sums.iter().sum::<f64>() + rest).sqrt()
}

/// Returns the field of a vector column of `dim` dimensions.
#[must_use]
pub fn field(dim: usize) -> Field {
    Field::new(VECTOR_COLUMN, DataType::FixedSizeList(Arc::new(item_field()), dim as i32), false)
}

fn item_field() -> Field {
    // The name and the nullability that pyarrow and DuckDB give to list items.
    Field::new("element", DataType::Float32, false)
}

fn schema(dim: usize) -> SchemaRef {
    let mut fields = documents::fields();
    fields.push(field(dim));
    Arc::new(Schema::new(fields))
}

/// Hashes ids and vectors as decoded: for each row the id's length in bytes (u32, little-endian) and the id; then all
/// vectors row by row as little-endian float32.
#[must_use]
pub fn content_sha256(ids: &StringArray, vectors: &Vectors) -> String {
    let rows = vectors.values().chunks_exact(vectors.dim());
    hash_content(ids, rows.map(|row| row.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()))
}

fn hash_content(ids: &StringArray, vectors: impl Iterator<Item: AsRef<[u8]>>) -> String {
    let mut hasher = Sha256::new();
    for id in (0..ids.len()).map(|row| ids.value(row)) {
        hasher.update((id.len() as u32).to_le_bytes());
        hasher.update(id);
    }
    vectors.for_each(|bytes| hasher.update(bytes));
    digest::finish(hasher)
}

/// Encodes a vector shard: `documents` and their `vectors`, made by `model` from the raw shard of `raw_sha256`.
///
/// # Errors
/// [`TableError::Encode`] if there are not as many vectors as documents.
pub fn encode(
    documents: &Documents,
    vectors: &Vectors,
    model: &ModelName,
    raw_sha256: &str,
) -> Result<Vec<u8>, TableError> {
    let schema = schema(vectors.dim());
    let mut columns = documents.columns().columns().to_vec();
    columns.push(vectors.column());
    let batch = table::batch(&schema, columns)?;
    let content = content_sha256(documents.columns().column(0).as_string(), vectors);
    let metadata = [(RAW_SHA256, raw_sha256.to_owned()), (MODEL, model.to_string()), (CONTENT_SHA256, content)];
    table::encode(&[batch], &schema, &metadata)
}

/// A vector shard whose footer was read and found to be what was expected.
#[derive(Debug)]
pub struct VectorShard {
    reader: TableReader,
    dim: usize,
    content_sha256: String,
}

impl VectorShard {
    /// Opens the shard under `key` and checks its footer: rows, model and raw shard.
    ///
    /// # Errors
    /// [`TableError::Missing`], or [`TableError::Content`] and its like for a shard that is truncated, short of rows, or
    /// from another model or raw shard.
    pub async fn open(
        store: &Store,
        key: &Path,
        model: &ModelName,
        raw_sha256: &str,
        num_rows: usize,
    ) -> Result<Self, TableError> {
        let reader = TableReader::open(store, key).await?;
        let content = |reason| TableError::Content { key: key.clone(), reason };
        expect(&reader, MODEL, model.as_str()).map_err(content)?;
        expect(&reader, RAW_SHA256, raw_sha256).map_err(content)?;
        if reader.num_rows() != num_rows {
            return Err(content(format!("has {} rows, its raw shard has {num_rows}", reader.num_rows())));
        }
        let dim = stored_dim(&reader).ok_or_else(|| content("has no vector column of fixed size".into()))?;
        let content_sha256 = reader
            .metadata(CONTENT_SHA256)
            .ok_or_else(|| content(format!("has no {CONTENT_SHA256} in its metadata")))?;
        Ok(Self { reader, dim, content_sha256 })
    }

    /// Returns the number of dimensions of its vectors.
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the sha256 over ids and vectors that the footer names.
    #[must_use]
    pub fn content_sha256(&self) -> &str {
        &self.content_sha256
    }

    /// Returns the bytes that ids and vectors take as stored, or the whole shard's with its documents.
    #[must_use]
    pub fn stored_bytes(&self, with_documents: bool) -> u64 {
        self.reader.stored_bytes(|column| with_documents || column == "id" || column == VECTOR_COLUMN)
    }

    /// Returns the bytes that its documents take in memory, ids and vectors aside.
    #[must_use]
    pub fn text_bytes(&self) -> u64 {
        self.reader.unpacked_bytes(|column| column != "id" && column != VECTOR_COLUMN)
    }

    /// Reads ids and vectors, and checks them against the footer's sha256 and for unit norm.
    ///
    /// # Errors
    /// [`TableError::Content`] where they differ, or a vector is not of unit norm.
    pub async fn read_vectors(&self, store: &Store) -> Result<(StringArray, Vectors), TableError> {
        let ids = self.read_id_column(store).await?;
        let (vectors, found) = if let Some(pages) = self.stored_values(store).await? {
            let found = hash_content(&ids, pages.iter());
            (Vectors::new(self.dim, floats(&pages)), found)
        } else {
            let vectors = self.decode_vectors(store).await?;
            let found = content_sha256(&ids, &vectors);
            (vectors, found)
        };
        if found != self.content_sha256 {
            let expected = &self.content_sha256;
            let reason = format!(
                "ids and vectors have sha256 {found}, its metadata say {expected}; remove it and make it again"
            );
            return Err(self.content(reason));
        }
        match vectors.first_not_unit() {
            Some((row, norm)) => Err(self.content(format!("vector of row {row} has norm {norm}, expected 1"))),
            None => Ok((ids, vectors)),
        }
    }

    /// Reads ids and vectors and checks neither: for whoever compares them with what [`VectorShard::read_vectors`] gives.
    ///
    /// # Errors
    /// [`TableError`] for a shard that is unreadable.
    pub async fn read_vectors_unchecked(&self, store: &Store) -> Result<(StringArray, Vectors), TableError> {
        let ids = self.read_id_column(store).await?;
        let vectors = match self.stored_values(store).await? {
            Some(pages) => Vectors::new(self.dim, floats(&pages)),
            None => self.decode_vectors(store).await?,
        };
        Ok((ids, vectors))
    }

    async fn read_id_column(&self, store: &Store) -> Result<StringArray, TableError> {
        let id = Field::new("id", DataType::Utf8, false);
        let batch = self.reader.read(store, &Arc::new(Schema::new(vec![id]))).await?;
        Ok(batch.column(0).as_string::<i32>().clone())
    }

    /// The bytes of all vectors, where they are stored as [`encode`] stores them and none is missing.
    async fn stored_values(&self, store: &Store) -> Result<Option<Vec<Bytes>>, TableError> {
        let pages = self.reader.read_floats(store, VECTOR_COLUMN).await?;
        let expected = self.reader.num_rows() * self.dim * size_of::<f32>();
        Ok(pages.filter(|pages| pages.iter().map(Bytes::len).sum::<usize>() == expected))
    }

    async fn decode_vectors(&self, store: &Store) -> Result<Vectors, TableError> {
        let batch = self.reader.read(store, &Arc::new(Schema::new(vec![field(self.dim)]))).await?;
        Ok(self.vectors_of(&batch))
    }

    /// Reads the vectors at `rows`, which ascend, and checks them against nothing.
    ///
    /// # Errors
    /// [`TableError`] for a shard that is unreadable, or has fewer rows.
    pub async fn read_vectors_at(&self, store: &Store, rows: &[usize]) -> Result<Vectors, TableError> {
        let batch = self.reader.read_at(store, &Arc::new(Schema::new(vec![field(self.dim)])), rows).await?;
        if batch.num_rows() != rows.len() {
            return Err(self.content(format!("{} rows were read, expected {}", batch.num_rows(), rows.len())));
        }
        Ok(self.vectors_of(&batch))
    }

    fn vectors_of(&self, batch: &RecordBatch) -> Vectors {
        let values = batch.column(0).as_fixed_size_list().values().as_primitive::<Float32Type>().clone();
        Vectors { dim: self.dim, values }
    }

    /// Reads the documents without their vectors.
    ///
    /// # Errors
    /// [`TableError`] for a shard that is unreadable or lacks the columns.
    pub async fn read_documents(&self, store: &Store) -> Result<Documents, TableError> {
        Documents::read_from(store, &self.reader).await
    }

    /// Reads the documents at `rows`, without their texts.
    ///
    /// # Errors
    /// As [`VectorShard::read_documents`].
    pub async fn read_rows(&self, store: &Store, rows: &[usize]) -> Result<Vec<Document>, TableError> {
        Documents::read_rows(store, &self.reader, rows).await
    }

    /// Reads the ids at `rows` alone.
    ///
    /// # Errors
    /// As [`VectorShard::read_documents`].
    pub async fn read_ids(&self, store: &Store, rows: &[usize]) -> Result<Vec<String>, TableError> {
        Documents::read_ids(store, &self.reader, rows).await
    }

    fn content(&self, reason: String) -> TableError {
        TableError::Content { key: self.reader.key().clone(), reason }
    }
}

/// Little-endian bytes → the numbers that they are.
fn floats(pages: &[Bytes]) -> Vec<f32> {
    let num_values = pages.iter().map(Bytes::len).sum::<usize>() / size_of::<f32>();
    let mut values = Vec::with_capacity(num_values);
    for page in pages {
        let (numbers, _) = page.as_chunks::<{ size_of::<f32>() }>();
        values.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
    values
}

fn expect(reader: &TableReader, name: &str, expected: &str) -> Result<(), String> {
    let found = reader.metadata(name).unwrap_or_else(|| "none".into());
    if found == expected { Ok(()) } else { Err(format!("{name} is {found}, expected {expected}")) }
}

fn stored_dim(reader: &TableReader) -> Option<usize> {
    match reader.schema().field_with_name(VECTOR_COLUMN).ok()?.data_type() {
        DataType::FixedSizeList(_, dim) => usize::try_from(*dim).ok().filter(|dim| *dim > 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_that_are_removed_leave_the_others_in_order(removed in prop::collection::btree_set(0u32..20, 0..20)) {
            let vectors = Vectors::new(3, (0..60_u8).map(f32::from).collect());
            let expected: Vec<f32> = (0..20)
                .filter(|row| !removed.contains(row))
                .flat_map(|row| vectors.row(row as usize).to_vec())
                .collect();
            let rows: Vec<u32> = removed.into_iter().collect();
            let left = vectors.without(&rows);
            prop_assert_eq!(left.values(), expected);
        }
    }

    #[test]
    fn what_is_no_unit_vector_is_found() {
        let unit: Vec<f32> = vec![0.6, 0.0, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for (value, expected) in [(0.6, None), (0.600_05, Some(1)), (0.599_95, Some(1)), (f32::NAN, Some(1))] {
            let mut values = unit.repeat(3);
            values[9] = value;
            let found = Vectors::new(9, values).first_not_unit().map(|(row, _)| row);
            assert_eq!(found, expected, "{value}");
        }
        assert_eq!(Vectors::new(9, vec![0.0; 9]).first_not_unit(), Some((0, 0.0)));
    }
}
