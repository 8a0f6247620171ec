//! Record batches ↔ Parquet bytes: the one place where Parquet is written and read.
//!
//! Invariant: the same batches give the same bytes. Vectors are stored plain, since they do not compress; text is
//! compressed with Zstandard.

mod floats;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, KeyValue, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::exit::{Classify, Exit};
use crate::layout::{self, FORMAT};
use crate::store::{Store, StoreError};

/// The metadata key under which every table carries its format version.
pub const FORMAT_KEY: &str = "strata.format";

/// The column of every table that holds vectors.
pub const VECTOR_COLUMN: &str = "vector";

/// Rows that are decoded at once: as few as take little beside the whole that they become.
const BATCH_ROWS: usize = 1024;

/// Text columns compress about 3:1 at this level, faster than a disk takes them.
const ZSTD_LEVEL: i32 = 3;

/// Why a table could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The store did not give or take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object is not there.
    #[error("{key}: is missing")]
    Missing {
        /// The object.
        key: Path,
    },
    /// The bytes are no such table.
    #[error("{key}: is not a readable Parquet file (truncated or damaged?); expected one that strata wrote")]
    Unreadable {
        /// The object.
        key: Path,
        /// What the reader says.
        source: ParquetError,
    },
    /// The table has other columns than its kind.
    #[error("{key}: column {column}: found {found}, expected {expected}")]
    Column {
        /// The object.
        key: Path,
        /// The column.
        column: String,
        /// What is there.
        found: String,
        /// What its kind has.
        expected: String,
    },
    /// The table was written by another version.
    #[error("{key}: format {found}, this program reads formats up to {FORMAT}")]
    Format {
        /// The object.
        key: Path,
        /// The version found.
        found: String,
    },
    /// The table's content contradicts itself.
    #[error("{key}: {reason}")]
    Content {
        /// The object.
        key: Path,
        /// What was found and what was expected.
        reason: String,
    },
    /// The batches cannot be encoded.
    #[error("columns do not fit together as a table")]
    Encode(#[source] ParquetError),
}

impl Classify for TableError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Missing { .. } => Exit::Retry,
            _ => Exit::Data,
        }
    }
}

/// Puts columns of equal length together.
///
/// # Errors
/// [`TableError::Encode`] if they do not fit the schema, or differ in length.
pub fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch, TableError> {
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| TableError::Encode(error.into()))
}

/// Encodes batches of one schema as a Parquet file with `metadata` and the format version.
///
/// # Errors
/// [`TableError::Encode`] if the batches differ in schema.
pub fn encode(batches: &[RecordBatch], schema: &SchemaRef, metadata: &[(&str, String)]) -> Result<Vec<u8>, TableError> {
    let mut writer =
        ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties(metadata))).map_err(TableError::Encode)?;
    for batch in batches {
        writer.write(batch).map_err(TableError::Encode)?;
    }
    writer.into_inner().map_err(TableError::Encode)
}

/// Returns the writer's properties for every table of strata.
#[must_use]
pub fn properties(metadata: &[(&str, String)]) -> WriterProperties {
    let vector = ColumnPath::new(vec![VECTOR_COLUMN.into(), "list".into(), "element".into()]);
    let mut pairs = vec![KeyValue::new(FORMAT_KEY.into(), FORMAT.to_string())];
    pairs.extend(metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())));
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default()))
        .set_column_compression(vector.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(vector, false)
        .set_key_value_metadata(Some(pairs))
        .build()
}

/// A table in the store: its footer read, its columns not yet.
#[derive(Debug)]
pub struct TableReader {
    key: Path,
    source: Source,
    footer: ArrowReaderMetadata,
}

impl TableReader {
    /// Opens the table under `key` and reads its footer.
    ///
    /// # Errors
    /// [`TableError::Missing`], [`TableError::Unreadable`], [`TableError::Format`], or the store's own.
    pub async fn open(store: &Store, key: &Path) -> Result<Self, TableError> {
        let missing = || TableError::Missing { key: key.clone() };
        let size = store.head(key).await?.ok_or_else(missing)?.size;
        let mut source = Source { objects: store.objects(), key: key.clone(), size };
        let unreadable = |error| from_parquet(store, key, error);
        let footer = ArrowReaderMetadata::load_async(&mut source, ArrowReaderOptions::default()).await;
        let reader = Self { key: key.clone(), source, footer: footer.map_err(unreadable)? };
        match reader.metadata(FORMAT_KEY) {
            Some(found) if found.parse().is_ok_and(layout::is_read) => Ok(reader),
            found => Err(TableError::Format { key: key.clone(), found: found.unwrap_or_else(|| "none".into()) }),
        }
    }

    /// Returns the object's key.
    #[must_use]
    pub const fn key(&self) -> &Path {
        &self.key
    }

    /// Returns the number of rows that the footer names.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        usize::try_from(self.footer.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Returns the bytes that the columns take as stored of which `chosen` holds.
    #[must_use]
    pub fn stored_bytes(&self, chosen: impl Fn(&str) -> bool) -> u64 {
        self.columns(chosen).map(|column| u64::try_from(column.compressed_size()).unwrap_or(0)).sum()
    }

    /// Returns the bytes that the columns of which `chosen` holds take once they are decompressed.
    ///
    /// The writer's dictionaries of texts that repeat are counted once, however often they are referred to.
    #[must_use]
    pub fn unpacked_bytes(&self, chosen: impl Fn(&str) -> bool) -> u64 {
        self.columns(chosen).map(|column| u64::try_from(column.uncompressed_size()).unwrap_or(0)).sum()
    }

    fn columns(&self, chosen: impl Fn(&str) -> bool) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let columns = self.footer.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
        columns.filter(move |column| column.column_path().parts().first().is_some_and(|root| chosen(root)))
    }

    /// Returns the table's schema as stored.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.footer.schema()
    }

    /// Returns the metadata value under `name`.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<String> {
        let pairs = self.footer.metadata().file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == name)?.value.clone()
    }

    /// Reads the columns of `expected`, in its order, as one batch of all rows.
    ///
    /// # Errors
    /// [`TableError::Column`] where a column is absent or of another type; [`TableError::Unreadable`].
    pub async fn read(&self, store: &Store, expected: &SchemaRef) -> Result<RecordBatch, TableError> {
        self.read_selected(store, expected, self.footer.clone(), None).await
    }

    /// Reads the rows at `rows`, which ascend, of the columns of `expected`: no more of the file than the pages that hold
    /// them, where it has an index of its pages.
    ///
    /// # Errors
    /// As [`TableReader::read`].
    pub async fn read_at(
        &self,
        store: &Store,
        expected: &SchemaRef,
        rows: &[usize],
    ) -> Result<RecordBatch, TableError> {
        let options = ArrowReaderOptions::default().with_offset_index_policy(PageIndexPolicy::Optional);
        let footer = ArrowReaderMetadata::load_async(&mut self.source.clone(), options).await;
        let footer = footer.map_err(|error| from_parquet(store, &self.key, error))?;
        let selection = RowSelection::from_consecutive_ranges(rows.iter().map(|&row| row..row + 1), self.num_rows());
        self.read_selected(store, expected, footer, Some(selection)).await
    }

    async fn read_selected(
        &self,
        store: &Store,
        expected: &SchemaRef,
        footer: ArrowReaderMetadata,
        selection: Option<RowSelection>,
    ) -> Result<RecordBatch, TableError> {
        self.check_columns(expected)?;
        let names = expected.fields().iter().map(|field| field.name().as_str());
        let mask = ProjectionMask::columns(footer.metadata().file_metadata().schema_descr(), names);
        let unreadable = |error| from_parquet(store, &self.key, error);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(self.source.clone(), footer);
        builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let stream = builder.build().map_err(unreadable)?;
        let batches: Vec<RecordBatch> = stream.try_collect().await.map_err(unreadable)?;
        let stored = batches.first().map_or_else(|| Arc::clone(expected), RecordBatch::schema);
        let whole = concat_batches(&stored, &batches).map_err(|error| self.content(error.to_string()))?;
        self.in_order(&whole, expected)
    }

    /// Reads a column of float32 lists as the bytes of its values (little-endian), page by page; `None` where it is stored
    /// otherwise than [`encode`] stores vectors, so that [`TableReader::read`] has to decode it.
    ///
    /// The lengths of the lists are not looked at: whoever knows their number has to compare it.
    ///
    /// # Errors
    /// [`TableError::Unreadable`], or the store's own.
    pub async fn read_floats(&self, store: &Store, column: &str) -> Result<Option<Vec<Bytes>>, TableError> {
        let footer = self.footer.metadata();
        let mut leaves = footer.file_metadata().schema_descr().columns().iter();
        let Some(leaf) = leaves.position(|leaf| leaf.path().parts().first().is_some_and(|root| root == column)) else {
            return Ok(None);
        };
        floats::read(&self.source, footer, leaf).await.map_err(|error| from_parquet(store, &self.key, error))
    }

    fn in_order(&self, whole: &RecordBatch, expected: &SchemaRef) -> Result<RecordBatch, TableError> {
        let columns = expected.fields().iter().filter_map(|field| whole.column_by_name(field.name()).cloned());
        RecordBatch::try_new(Arc::clone(expected), columns.collect()).map_err(|error| self.content(error.to_string()))
    }

    fn check_columns(&self, expected: &Schema) -> Result<(), TableError> {
        expected.fields().iter().try_for_each(|field| {
            let found = self.schema().field_with_name(field.name()).ok();
            let fits = found.is_some_and(|found| found.data_type() == field.data_type());
            if fits { Ok(()) } else { Err(self.column_error(field, found)) }
        })
    }

    fn column_error(&self, expected: &Field, found: Option<&Field>) -> TableError {
        TableError::Column {
            key: self.key.clone(),
            column: expected.name().clone(),
            found: found.map_or_else(|| "none".into(), |field| field.data_type().to_string()),
            expected: expected.data_type().to_string(),
        }
    }

    fn content(&self, reason: String) -> TableError {
        TableError::Content { key: self.key.clone(), reason }
    }
}

fn from_parquet(store: &Store, key: &Path, error: ParquetError) -> TableError {
    match error {
        ParquetError::External(source) => match source.downcast::<object_store::Error>() {
            Ok(source) => TableError::Store(store.failed(key, "be read")(*source)),
            Err(source) => TableError::Unreadable { key: key.clone(), source: ParquetError::External(source) },
        },
        source => TableError::Unreadable { key: key.clone(), source },
    }
}

#[derive(Debug, Clone)]
struct Source {
    objects: Arc<dyn ObjectStore>,
    key: Path,
    size: u64,
}

impl AsyncFileReader for Source {
    fn get_bytes(&mut self, range: std::ops::Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        Box::pin(async move { self.objects.get_range(&self.key, range).await.map_err(external) })
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<std::ops::Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        Box::pin(async move { self.objects.get_ranges(&self.key, &ranges).await.map_err(external) })
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        Box::pin(async move {
            let size = self.size;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        })
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
