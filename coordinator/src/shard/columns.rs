//! Columns of a Parquet file → the values that JSON lines would have had.
//!
//! Invariant: a column of a type that cannot hold what its field means is an error that names it, except for dates, which
//! are then all unreadable, so that no corpus is lost for them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType};

use super::dates;
use super::document::{Date, Value};
use super::error::ShardError;
use super::whitespace::normalise;

pub(super) enum TextColumn {
    Absent,
    Text(StringArray),
    Integers(StringArray),
}

pub(super) enum CategoryColumn {
    Absent,
    Text(StringArray),
    List(ListArray),
}

pub(super) enum DateColumn {
    Text(StringArray),
    /// The column as it is, for what is null, and as microseconds.
    Time(ArrayRef, ArrayRef),
    /// arXiv's list of versions, and `created` of all of them.
    Versions(ListArray, StringArray),
    /// Something that is no date.
    Unreadable(ArrayRef),
}

impl TextColumn {
    pub(super) fn text(&self, row: usize) -> Option<&str> {
        match self {
            Self::Text(texts) | Self::Integers(texts) if texts.is_valid(row) => Some(texts.value(row)),
            _ => None,
        }
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        match (self, self.text(row)) {
            (_, None) => Value::Null,
            (Self::Integers(_), Some(digits)) => Value::Integer(digits.into()),
            (_, Some(text)) => Value::Text(text.into()),
        }
    }
}

impl CategoryColumn {
    pub(super) fn value(&self, row: usize) -> String {
        match self {
            Self::Text(texts) if texts.is_valid(row) => normalise(texts.value(row)),
            Self::List(lists) if lists.is_valid(row) => {
                let list = lists.value(row);
                let words: Vec<&str> = list.as_string::<i32>().iter().flatten().collect();
                normalise(&words.join(" "))
            }
            _ => String::new(),
        }
    }
}

impl DateColumn {
    pub(super) fn value(&self, row: usize) -> Date {
        match self {
            Self::Text(texts) if texts.is_valid(row) => Date::of(&Value::Text(texts.value(row).into())),
            Self::Time(given, times) if given.is_valid(row) => {
                let times = times.as_primitive::<TimestampMicrosecondType>();
                let known = times.is_valid(row).then(|| dates::plausible_micros(times.value(row))).flatten();
                known.map_or(Date::Unreadable, Date::Known)
            }
            Self::Versions(lists, created) if lists.is_valid(row) && lists.value_length(row) > 0 => {
                let first = lists.value_offsets()[row] as usize;
                if created.is_null(first) {
                    return Date::Missing;
                }
                Date::of(&Value::Text(created.value(first).into()))
            }
            Self::Unreadable(column) if column.is_valid(row) => Date::Unreadable,
            _ => Date::Missing,
        }
    }
}

/// Tells whether values of this type are text.
pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Tells whether values of this type are integers.
pub(super) fn is_integer(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_integer(values),
        kind => kind.is_integer(),
    }
}

pub(super) fn column_error(input: &str, column: &str, found: &DataType, expected: &str) -> ShardError {
    ShardError::Column {
        input: input.to_owned(),
        column: column.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

fn converted(input: &str, name: &str, column: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ShardError> {
    cast(column, kind).map_err(|_| column_error(input, name, column.data_type(), &kind.to_string()))
}

fn strings(input: &str, name: &str, column: &ArrayRef) -> Result<StringArray, ShardError> {
    Ok(converted(input, name, column, &DataType::Utf8)?.as_string::<i32>().clone())
}

pub(super) fn text_column(input: &str, name: &str, column: &ArrayRef) -> Result<TextColumn, ShardError> {
    match column.data_type() {
        kind if is_text(kind) => strings(input, name, column).map(TextColumn::Text),
        kind if is_integer(kind) => strings(input, name, column).map(TextColumn::Integers),
        kind => Err(column_error(input, name, kind, "text (an id may be an integer)")),
    }
}

pub(super) fn category_column(input: &str, name: &str, batch: &RecordBatch) -> Result<CategoryColumn, ShardError> {
    let Some(column) = batch.column_by_name(name) else { return Ok(CategoryColumn::Absent) };
    match column.data_type() {
        kind if is_text(kind) || is_integer(kind) => strings(input, name, column).map(CategoryColumn::Text),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let kind = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
            Ok(CategoryColumn::List(converted(input, name, column, &kind)?.as_list::<i32>().clone()))
        }
        kind => Err(column_error(input, name, kind, "text or a list of texts")),
    }
}

/// Finds out how a column's dates are spelled; a column that has none that can be read is no reason to refuse a corpus.
pub(super) fn date_column(column: &ArrayRef) -> DateColumn {
    let dates = match column.data_type() {
        // An integer is a year, or a day as YYYYMMDD.
        kind if is_text(kind) || is_integer(kind) => texts(column).map(DateColumn::Text),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            // Without a zone it means UTC; with one the values are UTC already.
            let times = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None)).ok();
            times.map(|times| DateColumn::Time(Arc::clone(column), times))
        }
        DataType::List(item) | DataType::LargeList(item) => versions(column, item),
        _ => None,
    };
    dates.unwrap_or_else(|| DateColumn::Unreadable(Arc::clone(column)))
}

fn versions(column: &ArrayRef, item: &FieldRef) -> Option<DateColumn> {
    let lists = cast(column, &DataType::List(Arc::clone(item))).ok()?.as_list::<i32>().clone();
    let created = texts(lists.values().as_struct_opt()?.column_by_name("created")?)?;
    Some(DateColumn::Versions(lists, created))
}

fn texts(column: &ArrayRef) -> Option<StringArray> {
    cast(column, &DataType::Utf8).ok().map(|texts| texts.as_string::<i32>().clone())
}
