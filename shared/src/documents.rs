//! Documents ↔ raw shards: `id`, `title`, `abstract`, `categories`, `created`.
//!
//! Invariant: ids are never empty, and text columns are never null; `created` is null where no date could be read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType};
use object_store::path::Path;

use crate::store::Store;
use crate::table::{self, TableError, TableReader};

/// One document, as it is read from an input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Unique and not empty.
    pub id: String,
    /// Whitespace-normalised; may be empty.
    pub title: String,
    /// The text, whitespace-normalised; may be empty.
    pub abstract_text: String,
    /// Separated by spaces; may be empty.
    pub categories: String,
    /// Microseconds since 1970 in UTC.
    pub created: Option<i64>,
}

/// The documents of one shard, column by column.
#[derive(Debug, Clone)]
pub struct Documents {
    columns: RecordBatch,
}

/// Returns the schema of a raw shard.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(fields()))
}

/// Returns the fields of a raw shard, with which a vector shard begins.
#[must_use]
pub fn fields() -> Vec<Field> {
    vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("title", DataType::Utf8, false),
        Field::new("abstract", DataType::Utf8, false),
        Field::new("categories", DataType::Utf8, false),
        Field::new("created", created_type(), true),
    ]
}

/// Returns the type of `created`.
#[must_use]
pub fn created_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl Documents {
    /// Gathers documents into columns.
    ///
    /// # Panics
    /// Never: the columns are built to their schema.
    #[must_use]
    pub fn from_rows(rows: &[Document]) -> Self {
        let text =
            |of: fn(&Document) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
        let created: TimestampMicrosecondArray = rows.iter().map(|row| row.created).collect();
        let columns = vec![
            text(|row| &row.id),
            text(|row| &row.title),
            text(|row| &row.abstract_text),
            text(|row| &row.categories),
            Arc::new(created.with_timezone("UTC")),
        ];
        Self {
            columns: RecordBatch::try_new(schema(), columns).expect("columns of equal length and the schema's types"),
        }
    }

    /// Wraps the columns of a raw shard, or of a vector shard's beginning.
    ///
    /// # Errors
    /// A sentence that says what is wrong, where an id is empty or a text is null.
    pub fn from_columns(columns: RecordBatch) -> Result<Self, String> {
        let documents = Self { columns };
        match (0..documents.len()).find(|&row| documents.id(row).is_empty()) {
            Some(row) => Err(format!("row {row} has an empty id, expected one that names the document")),
            None => Ok(documents),
        }
    }

    /// Keeps the rows of which `mask` holds.
    ///
    /// # Panics
    /// If `mask` is of another length.
    #[must_use]
    pub fn filter(&self, mask: &BooleanArray) -> Self {
        Self { columns: filter_record_batch(&self.columns, mask).expect("a mask of as many rows") }
    }

    /// Returns the columns, in the schema's order.
    #[must_use]
    pub const fn columns(&self) -> &RecordBatch {
        &self.columns
    }

    /// Returns the number of documents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.num_rows()
    }

    /// Tells whether there is no document.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn text(&self, column: usize, row: usize) -> &str {
        self.columns.column(column).as_string::<i32>().value(row)
    }

    /// Returns the id of document `row`.
    #[must_use]
    pub fn id(&self, row: usize) -> &str {
        self.text(0, row)
    }

    /// Returns the title of document `row`.
    #[must_use]
    pub fn title(&self, row: usize) -> &str {
        self.text(1, row)
    }

    /// Returns the text of document `row`.
    #[must_use]
    pub fn abstract_text(&self, row: usize) -> &str {
        self.text(2, row)
    }

    /// Returns the categories of document `row`, separated by spaces.
    #[must_use]
    pub fn categories(&self, row: usize) -> &str {
        self.text(3, row)
    }

    /// Returns when document `row` was created, in microseconds since 1970 in UTC.
    #[must_use]
    pub fn created(&self, row: usize) -> Option<i64> {
        let created = self.columns.column(4).as_primitive::<TimestampMicrosecondType>();
        created.is_valid(row).then(|| created.value(row))
    }

    /// Encodes the documents as a raw shard.
    ///
    /// # Errors
    /// [`TableError::Encode`].
    pub fn encode(&self) -> Result<Vec<u8>, TableError> {
        table::encode(std::slice::from_ref(&self.columns), &schema(), &[])
    }

    /// Reads the raw shard under `key`.
    ///
    /// # Errors
    /// [`TableError`] for a shard that is missing, unreadable or not a raw shard.
    pub async fn read(store: &Store, key: &Path) -> Result<Self, TableError> {
        let reader = TableReader::open(store, key).await?;
        Self::read_from(store, &reader).await
    }

    /// Reads the documents out of an open raw or vector shard.
    ///
    /// # Errors
    /// [`TableError`] for one that is unreadable or lacks the columns.
    pub async fn read_from(store: &Store, reader: &TableReader) -> Result<Self, TableError> {
        let columns = reader.read(store, &schema()).await?;
        Self::from_columns(columns).map_err(|reason| TableError::Content { key: reader.key().clone(), reason })
    }

    /// Reads the documents at `rows` out of an open raw or vector shard, without their texts: `abstract_text` is empty.
    ///
    /// What is returned holds on to nothing of the shard.
    ///
    /// # Errors
    /// As [`Documents::read_from`].
    ///
    /// # Panics
    /// If the shard has no such row.
    pub async fn read_rows(store: &Store, reader: &TableReader, rows: &[usize]) -> Result<Vec<Document>, TableError> {
        let fields: Vec<Field> = fields().into_iter().filter(|field| field.name() != "abstract").collect();
        let batch = reader.read(store, &Arc::new(Schema::new(fields))).await?;
        let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
        let created = batch.column(3).as_primitive::<TimestampMicrosecondType>();
        let document = |&row: &usize| Document {
            id: text(0, row),
            title: text(1, row),
            abstract_text: String::new(),
            categories: text(2, row),
            created: created.is_valid(row).then(|| created.value(row)),
        };
        Ok(rows.iter().map(document).collect())
    }

    /// Reads the ids at `rows` out of an open raw or vector shard, and no other column.
    ///
    /// # Errors
    /// As [`Documents::read_from`].
    ///
    /// # Panics
    /// If the shard has no such row.
    pub async fn read_ids(store: &Store, reader: &TableReader, rows: &[usize]) -> Result<Vec<String>, TableError> {
        let columns = Arc::new(Schema::new(schema().fields()[..1].to_vec()));
        let batch = reader.read(store, &columns).await?;
        let ids = batch.column(0).as_string::<i32>();
        Ok(rows.iter().map(|&row| ids.value(row).to_owned()).collect())
    }

    /// Reads the ids and titles alone of those documents of the raw or vector shard under `key` of whose row and id `wanted`
    /// holds.
    ///
    /// # Errors
    /// As [`Documents::read`].
    pub async fn read_titles(
        store: &Store,
        key: &Path,
        wanted: impl Fn(usize, &str) -> bool,
    ) -> Result<Vec<(String, String)>, TableError> {
        let columns = Arc::new(Schema::new(schema().fields()[..2].to_vec()));
        let batch = TableReader::open(store, key).await?.read(store, &columns).await?;
        let (ids, titles) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let wanted = (0..batch.num_rows()).filter(|&row| wanted(row, ids.value(row)));
        Ok(wanted.map(|row| (ids.value(row).to_owned(), titles.value(row).to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn rows_are_read_by_the_columns_that_they_need() {
        let store = Store::new("memory", Arc::new(InMemory::new()));
        let document = |row: i64| Document {
            id: format!("id {row}"),
            title: format!("title {row}"),
            abstract_text: "long".into(),
            categories: "cs.RO".into(),
            created: (row != 1).then_some(row),
        };
        let rows: Vec<Document> = (0..3).map(document).collect();
        let key = Path::from("rows.parquet");
        store.put(&key, Documents::from_rows(&rows).encode().unwrap()).await.unwrap();
        let reader = TableReader::open(&store, &key).await.unwrap();
        let untold = |row: usize| Document { abstract_text: String::new(), ..rows[row].clone() };
        let found = Documents::read_rows(&store, &reader, &[2, 1]).await.unwrap();
        assert_eq!(found, [untold(2), untold(1)]);
        // A table that has nothing but ids: whoever reads another column of it fails.
        let alone = rows.iter().map(|row| Some(row.id.as_str())).collect::<StringArray>();
        let ids = Arc::new(Schema::new(fields()[..1].to_vec()));
        let batch = RecordBatch::try_new(Arc::clone(&ids), vec![Arc::new(alone)]).unwrap();
        store.put(&key, table::encode(&[batch], &ids, &[]).unwrap()).await.unwrap();
        let reader = TableReader::open(&store, &key).await.unwrap();
        assert_eq!(Documents::read_ids(&store, &reader, &[1, 0]).await.unwrap(), ["id 1", "id 0"]);
    }
}
