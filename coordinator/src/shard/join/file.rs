//! A file of vectors made elsewhere (`.npy` or Parquet) → its rows: an id where there is one, and numbers.
//!
//! Invariant: rows come in the file's order. What is wrong with a row's numbers is told with the row, since a row that
//! belongs to no document does not matter.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use strata_shared::table::VECTOR_COLUMN;
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::npy;
use crate::shard::columns::{is_integer, is_text};
use crate::shard::error::ShardError;
use crate::shard::input::Input;
use crate::shard::rows::batch_rows;

/// How much of an `.npy` file is read at once.
const READ_BYTES: usize = 256 << 10;

/// A file of vectors, opened.
pub(in crate::shard) struct VectorFile {
    given: String,
    kind: Kind,
    num_rows: u64,
}

enum Kind {
    Npy(npy::Header, BufReader<File>),
    Parquet { builder: Box<ParquetRecordBatchReaderBuilder<File>>, id: Option<String>, vector: String },
}

/// One row.
pub(in crate::shard) struct VectorRow<'a> {
    /// Its position in the file, from 0.
    pub(in crate::shard) index: u64,
    /// Its id, where the file has ids and this row's is not null.
    pub(in crate::shard) id: Option<&'a str>,
    /// Its numbers, or what is wrong with them.
    pub(in crate::shard) numbers: Result<&'a [f64], String>,
}

impl VectorFile {
    /// Opens the file and looks at its header; blocks. Ids are looked for in the column `id_field`, else in `id`.
    ///
    /// # Errors
    /// [`ShardError::Vectors`] for what is no file of vectors, and those of opening an input.
    pub(in crate::shard) fn open(input: &Input, id_field: &str, runtime: &Handle) -> Result<Self, ShardError> {
        let mut file = match input.reopen()? {
            Some(file) => file,
            None => copy_to_scratch(input, runtime)?,
        };
        let given = input.given().to_owned();
        let wrong = |reason| ShardError::Vectors { file: given.clone(), reason };
        let (kind, num_rows) = if is_parquet(&mut file).map_err(|error| wrong(format!("cannot be read: {error}")))? {
            open_parquet(file, id_field).map_err(wrong)?
        } else {
            open_npy(file).map_err(wrong)?
        };
        Ok(Self { given, kind, num_rows })
    }

    /// Returns the file as it was given, for messages.
    pub(in crate::shard) fn given(&self) -> &str {
        &self.given
    }

    /// Returns the number of rows that the header names.
    pub(in crate::shard) const fn num_rows(&self) -> u64 {
        self.num_rows
    }

    /// Tells whether the rows are without names, so that their position must say whose they are.
    pub(in crate::shard) const fn is_npy(&self) -> bool {
        matches!(self.kind, Kind::Npy(..))
    }

    /// Tells whether the rows have ids.
    pub(in crate::shard) const fn has_ids(&self) -> bool {
        matches!(self.kind, Kind::Parquet { id: Some(_), .. })
    }

    /// Says that the file is not what it should be.
    pub(in crate::shard) fn wrong(&self, reason: String) -> ShardError {
        ShardError::Vectors { file: self.given.clone(), reason }
    }

    /// Shows every row with its numbers to `each`; blocks.
    ///
    /// # Errors
    /// The first of `each`, or [`ShardError::Vectors`] for a file that is damaged.
    pub(in crate::shard) fn visit(
        self,
        each: impl FnMut(VectorRow<'_>) -> Result<(), ShardError>,
    ) -> Result<(), ShardError> {
        let given = self.given;
        let wrong = |reason| ShardError::Vectors { file: given.clone(), reason };
        match self.kind {
            Kind::Npy(header, file) => visit_npy(&header, file, &wrong, each),
            Kind::Parquet { builder, id, vector } => {
                let reader = project(*builder, &[id.as_deref(), Some(&vector)]).map_err(wrong)?;
                visit_parquet(reader, id.as_deref(), &vector, &wrong, each)
            }
        }
    }

    /// Shows the id of every row to `each`, without reading numbers; rows without ids are not shown. Blocks.
    ///
    /// # Errors
    /// The first of `each`, or [`ShardError::Vectors`] for a file that is damaged.
    pub(in crate::shard) fn visit_ids(
        self,
        mut each: impl FnMut(Option<&str>) -> Result<(), ShardError>,
    ) -> Result<(), ShardError> {
        let given = self.given;
        let wrong = |reason| ShardError::Vectors { file: given.clone(), reason };
        let Kind::Parquet { builder, id: Some(id), .. } = self.kind else { return Ok(()) };
        for batch in project(*builder, &[Some(&id)]).map_err(wrong)? {
            let ids = batch.map_err(damaged).and_then(|batch| texts(&batch, &id)).map_err(wrong)?;
            ids.iter().try_for_each(&mut each)?;
        }
        Ok(())
    }
}

fn copy_to_scratch(input: &Input, runtime: &Handle) -> Result<File, ShardError> {
    let progress = Arc::new(Progress::start("vectors", "bytes", input.bytes()));
    Ok(input.open(runtime, progress)?.into_scratch()?.0)
}

fn is_parquet(file: &mut File) -> std::io::Result<bool> {
    let mut magic = Vec::new();
    file.by_ref().take(4).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic == b"PAR1")
}

fn open_npy(file: File) -> Result<(Kind, u64), String> {
    let bytes = file.metadata().map_err(|error| format!("cannot be read: {error}"))?.len();
    let mut file = BufReader::with_capacity(READ_BYTES, file);
    let mut magic = [0; 6];
    let begins = file.read_exact(&mut magic).is_ok() && magic == *npy::MAGIC;
    if !begins || file.rewind().is_err() {
        return Err("is neither Parquet nor .npy, expected one of them".into());
    }
    let header = npy::Header::read(&mut file)?;
    let start = file.stream_position().map_err(|error| format!("cannot be read: {error}"))?;
    let expected = u128::from(header.num_rows) * header.row_bytes() as u128 + u128::from(start);
    if u128::from(bytes) != expected {
        return Err(format!("has {bytes} bytes, its header announces {expected}: it breaks off or was damaged"));
    }
    let num_rows = header.num_rows;
    Ok((Kind::Npy(header, file), num_rows))
}

fn damaged(error: impl std::fmt::Display) -> String {
    format!("is not a readable Parquet file: {error}")
}

fn open_parquet(file: File, id_field: &str) -> Result<(Kind, u64), String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
    let num_rows = u64::try_from(builder.metadata().file_metadata().num_rows()).map_err(damaged)?;
    let schema = builder.schema();
    let vector = vector_column(schema)?;
    let id = [id_field, "id"].into_iter().find(|name| schema.field_with_name(name).is_ok()).map(str::to_owned);
    Ok((Kind::Parquet { builder: Box::new(builder), id, vector }, num_rows))
}

/// Chooses the column `vector`, else the only list of floats.
fn vector_column(schema: &Schema) -> Result<String, String> {
    let lists = schema.fields().iter().filter(|field| item(field.data_type()).is_some_and(DataType::is_floating));
    let names: Vec<&str> = lists.map(|field| field.name().as_str()).collect();
    match names.as_slice() {
        [only] => Ok((*only).to_owned()),
        names if names.contains(&VECTOR_COLUMN) => Ok(VECTOR_COLUMN.to_owned()),
        _ => {
            let columns: Vec<String> =
                schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
            Err(format!("has the columns {}, expected a list of floats named {VECTOR_COLUMN}", columns.join(", ")))
        }
    }
}

fn item(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

fn project(
    builder: ParquetRecordBatchReaderBuilder<File>,
    columns: &[Option<&str>],
) -> Result<ParquetRecordBatchReader, String> {
    let wanted = |name: &str| columns.contains(&Some(name));
    let fields = builder.schema().fields().iter().enumerate();
    let roots: Vec<usize> = fields.filter(|(_, field)| wanted(field.name())).map(|(root, _)| root).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let rows = batch_rows(&builder);
    builder.with_projection(mask).with_batch_size(rows).build().map_err(damaged)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    batch.column_by_name(name).ok_or_else(|| format!("has no column {name}"))
}

fn texts(batch: &RecordBatch, name: &str) -> Result<StringArray, String> {
    let column = column(batch, name)?;
    let kind = column.data_type();
    if !is_text(kind) && !is_integer(kind) {
        return Err(format!("has ids of type {kind} in column {name}, expected text or integers"));
    }
    cast(column, &DataType::Utf8).map(|texts| texts.as_string::<i32>().clone()).map_err(damaged)
}

fn visit_npy(
    header: &npy::Header,
    mut file: BufReader<File>,
    wrong: &impl Fn(String) -> ShardError,
    mut each: impl FnMut(VectorRow<'_>) -> Result<(), ShardError>,
) -> Result<(), ShardError> {
    let (mut bytes, mut row) = (Vec::new(), Vec::new());
    for index in 0..header.num_rows {
        header.read_row(&mut file, &mut bytes, &mut row).map_err(wrong)?;
        each(VectorRow { index, id: None, numbers: Ok(&row) })?;
    }
    Ok(())
}

fn visit_parquet(
    reader: ParquetRecordBatchReader,
    id: Option<&str>,
    vector: &str,
    wrong: &impl Fn(String) -> ShardError,
    mut each: impl FnMut(VectorRow<'_>) -> Result<(), ShardError>,
) -> Result<(), ShardError> {
    let mut index = 0;
    for batch in reader {
        let batch = batch.map_err(damaged).map_err(wrong)?;
        let ids = id.map(|name| texts(&batch, name)).transpose().map_err(wrong)?;
        let lists = Lists::new(column(&batch, vector).map_err(wrong)?).map_err(wrong)?;
        for row in 0..batch.num_rows() {
            let id = ids.as_ref().filter(|ids| ids.is_valid(row)).map(|ids| ids.value(row));
            each(VectorRow { index, id, numbers: lists.numbers(row) })?;
            index += 1;
        }
    }
    Ok(())
}

/// A column of lists of floats, its numbers as float64.
struct Lists {
    lists: ArrayRef,
    numbers: Float64Array,
}

impl Lists {
    fn new(lists: &ArrayRef) -> Result<Self, String> {
        let items = match lists.data_type() {
            DataType::List(_) => lists.as_list::<i32>().values(),
            DataType::LargeList(_) => lists.as_list::<i64>().values(),
            _ => lists.as_fixed_size_list().values(),
        };
        let numbers = cast(items, &DataType::Float64).map_err(damaged)?;
        Ok(Self { lists: Arc::clone(lists), numbers: numbers.as_primitive::<Float64Type>().clone() })
    }

    fn numbers(&self, row: usize) -> Result<&[f64], String> {
        if self.lists.is_null(row) {
            return Err("is null, expected a vector".into());
        }
        let range = self.range(row);
        if self.numbers.nulls().is_some_and(|nulls| range.clone().any(|item| nulls.is_null(item))) {
            return Err("holds a null, expected numbers".into());
        }
        Ok(&self.numbers.values()[range])
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        match self.lists.data_type() {
            DataType::List(_) => {
                let offsets = self.lists.as_list::<i32>().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
            DataType::LargeList(_) => {
                let offsets = self.lists.as_list::<i64>().value_offsets();
                offsets[row] as usize..offsets[row + 1] as usize
            }
            _ => {
                let lists = self.lists.as_fixed_size_list();
                let (start, length) = (lists.value_offset_at(row), lists.value_length() as usize);
                start..start + length
            }
        }
    }
}
