//! A Parquet file → batches of rows, judged by the same rules as JSON lines.
//!
//! Invariant: columns are found by the same field names; rows keep their order and count from 1 as lines do. A file that
//! cannot be sought (standard input, an object) is copied to scratch disk first.

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use strata_shared::settings::ShardSettings;

use super::columns::{CategoryColumn, DateColumn, TextColumn, category_column, date_column, text_column};
use super::document::{Date, Line, Record, Refusal, judge};
use super::error::ShardError;
use super::input::{Input, Source};
use super::reason::{Reason, cut};

/// The uncompressed bytes that a batch should have, as the file's own statistics foretell them.
const BATCH_BYTES: i64 = 2 << 20;

/// The most rows of a batch.
const BATCH_ROWS: i64 = 8192;

/// A Parquet input, opened.
pub(super) struct Rows {
    input: String,
    reader: ParquetRecordBatchReader,
    fields: Arc<RowFields>,
    sha256: String,
}

/// Which columns mean what, and how long a row may be.
#[derive(Debug)]
struct RowFields {
    settings: ShardSettings,
    dates: Vec<String>,
}

/// Consecutive rows.
pub(super) struct RowBatch {
    fields: Arc<RowFields>,
    id: TextColumn,
    title: TextColumn,
    text: TextColumn,
    categories: CategoryColumn,
    dates: Vec<DateColumn>,
    num_rows: usize,
}

impl Rows {
    /// Opens `source`, which begins like Parquet, and finds its columns.
    ///
    /// # Errors
    /// [`ShardError::Parquet`], or [`ShardError::Column`] for one without an id, or without title and text.
    pub(super) fn open(source: Source, input: &Input, settings: &ShardSettings) -> Result<Self, ShardError> {
        let given = input.given().to_owned();
        let (file, sha256) = seekable(source, input)?;
        let unreadable = |source| ShardError::Parquet { input: given.clone(), source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
        let fields = find_columns(&given, builder.schema(), settings)?;
        let schema = builder.schema();
        let wanted = |name: &String| fields.dates.contains(name) || fields.text_fields().contains(&name);
        let roots: Vec<usize> = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| wanted(field.name()))
            .map(|(root, _)| root)
            .collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let rows = batch_rows(&builder);
        let reader = builder.with_projection(mask).with_batch_size(rows).build().map_err(unreadable)?;
        Ok(Self { input: given, reader, fields: Arc::new(fields), sha256 })
    }

    /// Returns the next rows, or `None` at the end.
    ///
    /// # Errors
    /// [`ShardError::Parquet`] where the file is damaged, [`ShardError::Column`] for a column that is no text.
    pub(super) fn next_batch(&mut self) -> Result<Option<RowBatch>, ShardError> {
        let unreadable = |error| ShardError::Parquet {
            input: self.input.clone(),
            source: ParquetError::ArrowError(format!("{error}")),
        };
        match self.reader.next().transpose().map_err(unreadable)? {
            Some(batch) => RowBatch::new(&self.input, &self.fields, &batch).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the sha256 of the file.
    pub(super) fn sha256(self) -> String {
        self.sha256
    }
}

/// Hashes all bytes of `source` and returns them as a file that can be sought.
fn seekable(source: Source, input: &Input) -> Result<(File, String), ShardError> {
    if let Some(file) = input.reopen()? {
        return Ok((file, source.sha256()?));
    }
    source.into_scratch()
}

impl RowFields {
    fn text_fields(&self) -> [&String; 4] {
        let settings = &self.settings;
        [&settings.id_field, &settings.title_field, &settings.text_field, &settings.category_field]
    }
}

/// Returns how many rows a batch should have to be of [`BATCH_BYTES`], by the widest row group.
pub(super) fn batch_rows(builder: &ParquetRecordBatchReaderBuilder<File>) -> usize {
    let groups = builder.metadata().row_groups().iter();
    let widest = groups.map(|group| group.total_byte_size() / group.num_rows().max(1)).max().unwrap_or(0);
    (BATCH_BYTES / widest.max(1)).clamp(1, BATCH_ROWS) as usize
}

fn find_columns(input: &str, schema: &Schema, settings: &ShardSettings) -> Result<RowFields, ShardError> {
    let has = |name: &str| schema.field_with_name(name).is_ok();
    let absent = |column: &str, expected: &str| ShardError::Column {
        input: input.to_owned(),
        column: column.to_owned(),
        found: format!("none (there are {})", names(schema)),
        expected: expected.to_owned(),
    };
    if !has(&settings.id_field) {
        return Err(absent(&settings.id_field, "one that names each document; choose it by --id-field"));
    }
    if !has(&settings.title_field) && !has(&settings.text_field) {
        let columns = format!("{} or {}", settings.title_field, settings.text_field);
        return Err(absent(&columns, "one with text; choose it by --title-field or --text-field"));
    }
    let dates = match &settings.date_field {
        Some(field) if !has(field) => return Err(absent(field, "one with dates, as --date-field says")),
        Some(field) => vec![field.clone()],
        // strata's own shards have `created`; the arXiv snapshot has the others.
        None => {
            ["created", "versions", "update_date"].into_iter().filter(|name| has(name)).map(str::to_owned).collect()
        }
    };
    Ok(RowFields { settings: settings.clone(), dates })
}

fn names(schema: &Schema) -> String {
    schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}

impl RowBatch {
    fn new(input: &str, fields: &Arc<RowFields>, batch: &RecordBatch) -> Result<Self, ShardError> {
        let settings = &fields.settings;
        let text = |name: &String| {
            batch.column_by_name(name).map_or(Ok(TextColumn::Absent), |column| text_column(input, name, column))
        };
        let dates = fields.dates.iter().filter_map(|name| batch.column_by_name(name));
        Ok(Self {
            id: text(&settings.id_field)?,
            title: text(&settings.title_field)?,
            text: text(&settings.text_field)?,
            categories: category_column(input, &settings.category_field, batch)?,
            dates: dates.map(date_column).collect(),
            fields: Arc::clone(fields),
            num_rows: batch.num_rows(),
        })
    }

    /// Returns the number of rows.
    pub(super) const fn len(&self) -> usize {
        self.num_rows
    }

    /// Reads one row.
    pub(super) fn read_row(&self, row: usize) -> Line {
        if self.text_bytes(row) > self.fields.settings.max_line_bytes {
            return Line::Refused(Refusal { reason: Reason::TooLong, id: None, text: self.text(row) });
        }
        let record = Record {
            id: self.id.value(row),
            title: self.title.value(row),
            text: self.text.value(row),
            categories: self.categories.value(row),
            date: self.dates.iter().fold(Date::Missing, |date, column| date.or_else(|| column.value(row))),
        };
        match judge(record) {
            Ok(candidate) => Line::Document(candidate),
            Err((reason, id)) => Line::Refused(Refusal { reason, id, text: self.text(row) }),
        }
    }

    /// Returns what a rejection keeps of a row: its texts as a JSON object.
    pub(super) fn text(&self, row: usize) -> String {
        let settings = &self.fields.settings;
        let columns =
            [(&settings.id_field, &self.id), (&settings.title_field, &self.title), (&settings.text_field, &self.text)];
        let object: serde_json::Map<String, serde_json::Value> = columns
            .into_iter()
            .map(|(name, column)| (name.clone(), column.text(row).map(|text| cut(text.as_bytes())).into()))
            .collect();
        cut(serde_json::Value::Object(object).to_string().as_bytes())
    }

    fn text_bytes(&self, row: usize) -> usize {
        [&self.id, &self.title, &self.text].into_iter().filter_map(|column| column.text(row)).map(str::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Array, ArrayRef, BooleanArray, Date32Array, Date64Array, DictionaryArray, Float64Array, Int32Array,
        LargeStringArray, ListArray, ListBuilder, StringArray, StringBuilder, StringViewArray, StructArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray,
    };
    use arrow::compute::cast;
    use arrow::datatypes::{DataType, Field, Int32Type};
    use parquet::arrow::ArrowWriter;
    use strata_shared::exit::{Classify, Exit};

    use super::*;
    use crate::shard::tests::Bench;

    fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
        let batch = batch.unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn days(bench: &Bench) -> Vec<Option<i64>> {
        let shard = &bench.documents()[0];
        (0..shard.len()).map(|row| shard.created(row).map(|micros| micros / 86_400_000_000)).collect()
    }

    #[test]
    fn text_is_read_from_every_type_of_column() {
        let ids: ArrayRef = Arc::new(Int32Array::from(vec![5, 6]));
        let titles: ArrayRef = Arc::new(LargeStringArray::from(vec![Some(" a\n title "), None]));
        let view: ArrayRef = Arc::new(StringViewArray::from(vec!["text", "more"]));
        let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::from_iter(["cs.RO", "cs.RO"]));
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("cs.AI"), None, Some("cs.LG")]);
        lists.append_null();
        for (categories, expected) in
            [(dictionary, ["cs.RO", "cs.RO"]), (Arc::new(lists.finish()) as ArrayRef, ["cs.AI cs.LG", ""])]
        {
            let bench = Bench::new();
            let columns = vec![
                ("id", Arc::clone(&ids)),
                ("title", Arc::clone(&titles)),
                ("abstract", Arc::clone(&view)),
                ("categories", categories),
                ("unread", Arc::new(BooleanArray::from(vec![true, false])) as ArrayRef),
            ];
            bench.shard(&[&bench.file("a.parquet", &parquet(columns))]).unwrap();
            let shard = &bench.documents()[0];
            assert_eq!((shard.id(0), shard.title(0), shard.abstract_text(0)), ("5", "a title", "text"));
            assert_eq!((shard.id(1), shard.title(1), shard.abstract_text(1)), ("6", "", "more"));
            assert_eq!([shard.categories(0), shard.categories(1)], expected);
        }
    }

    #[test]
    fn dates_are_read_from_every_type_of_column() {
        let texts = |texts: [Option<&str>; 4]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
        let created = texts([Some("Mon, 2 Apr 2007 19:18:42 GMT"), Some("?"), None, None]);
        let versions = StructArray::from(vec![(Arc::new(Field::new("created", DataType::Utf8, true)), created)]);
        let lengths = arrow::buffer::OffsetBuffer::from_lengths([2, 0, 1, 1]);
        let item = Arc::new(Field::new("element", versions.data_type().clone(), true));
        let lists = ListArray::new(item, lengths, Arc::new(versions), None);
        let seconds = TimestampSecondArray::from(vec![Some(86_400), Some(253_400_000_000), None, Some(i64::MAX)]);
        let large = DataType::LargeList(Arc::new(Field::new("element", lists.value_type(), true)));
        let zoned = seconds.clone().with_timezone("Europe/Berlin");
        let nanos =
            TimestampNanosecondArray::from(vec![Some(86_400_000_000_000), None, None, Some(-86_400_000_000_000)]);
        let millis = TimestampMillisecondArray::from(vec![Some(86_400_000), None, None, Some(5)]);
        for (name, column, expected, unreadable) in [
            ("created", Arc::new(seconds.clone()) as ArrayRef, [Some(1), None, None, None], 2),
            ("created", Arc::new(seconds.with_timezone("+02:00")), [Some(1), None, None, None], 2),
            ("created", Arc::new(Date32Array::from(vec![1, 2, 3, -800_000])), [Some(1), Some(2), Some(3), None], 1),
            (
                "update_date",
                texts([Some("1970-01-02"), Some("x"), None, Some("1971")]),
                [Some(1), None, None, Some(365)],
                1,
            ),
            (
                "update_date",
                Arc::new(Int32Array::from(vec![1971, 0, 9999, 19_700_103])),
                [Some(365), None, None, Some(2)],
                2,
            ),
            ("versions", Arc::new(lists.clone()), [Some(13_605), None, None, None], 0),
            ("versions", cast(&lists, &large).unwrap(), [Some(13_605), None, None, None], 0),
            ("created", Arc::new(zoned), [Some(1), None, None, None], 2),
            ("created", Arc::new(nanos), [Some(1), None, None, Some(-1)], 0),
            ("created", Arc::new(millis), [Some(1), None, None, Some(0)], 0),
            (
                "created",
                Arc::new(Date64Array::from(vec![Some(86_400_000), None, None, Some(i64::MIN)])),
                [Some(1), None, None, None],
                1,
            ),
        ] {
            let bench = Bench::new();
            let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c", "d"]));
            let columns = vec![("id", Arc::clone(&ids)), ("title", ids), (name, column)];
            let outcome = bench.shard(&[&bench.file("a.parquet", &parquet(columns))]).unwrap();
            assert_eq!(days(&bench), expected, "{name}");
            assert_eq!(outcome.tally.unwrap().unreadable_dates, unreadable, "{name}");
        }
    }

    #[test]
    fn a_column_that_holds_no_dates_is_counted_as_unreadable() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![Some(2007.0), None]));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None]));
        let mut words = ListBuilder::new(StringBuilder::new());
        words.append_value([Some("2007")]);
        words.append_null();
        let words: ArrayRef = Arc::new(words.finish());
        for (name, column) in [("created", &floats), ("update_date", &flags), ("versions", &words)] {
            let bench = Bench::new();
            let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
            let columns = vec![("id", Arc::clone(&ids)), ("title", ids), (name, Arc::clone(column))];
            let tally = bench.shard(&[&bench.file("a.parquet", &parquet(columns))]).unwrap().tally.unwrap();
            assert_eq!((tally.rows, tally.undated, tally.unreadable_dates), (2, 2, 1), "{name}");
        }
    }

    #[test]
    fn rows_are_refused_as_lines_are() {
        let bench = Bench::new();
        let ids: ArrayRef =
            Arc::new(StringArray::from(vec![Some("a"), None, Some(" "), Some("a"), Some("b"), Some("c")]));
        let titles: ArrayRef =
            Arc::new(StringArray::from(vec![Some("t"), Some("t"), Some("t"), Some("again"), None, Some("t")]));
        let input = bench.file("a.parquet", &parquet(vec![("id", ids), ("title", titles)]));
        let manifest = bench.shard(&[&input]).unwrap().manifest;
        assert_eq!(
            (manifest.rows, manifest.rejected, manifest.inputs[0].lines, manifest.inputs[0].blank),
            (2, 4, 6, 0)
        );
        let found: Vec<(u64, String)> =
            bench.rejections().into_iter().map(|entry| (entry.line, entry.reason)).collect();
        let reasons = [Reason::NoId, Reason::EmptyId, Reason::DuplicateId, Reason::NoContent];
        assert_eq!(found, [2, 3, 4, 5].into_iter().zip(reasons.map(|reason| reason.to_string())).collect::<Vec<_>>());
        assert_eq!(bench.rejections()[2].text, r#"{"abstract":null,"id":"a","title":"again"}"#);
    }

    #[test]
    fn a_row_that_is_too_long_is_refused() {
        let mut bench = Bench::new();
        bench.settings.max_line_bytes = 1024;
        let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1023), "x".repeat(1024)]));
        bench.shard(&[&bench.file("a.parquet", &parquet(vec![("id", ids), ("title", texts)]))]).unwrap();
        assert_eq!(bench.rejections()[0].reason, Reason::TooLong.to_string());
    }

    #[test]
    fn columns_that_are_absent_or_of_another_type_are_named() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
        for (columns, said) in [
            (vec![("name", &text), ("title", &text)], "column id: found none (there are name, title)"),
            (vec![("id", &text), ("body", &text)], "column title or abstract: found none (there are id, body)"),
            (vec![("id", &float), ("title", &text)], "column id: found Float64, expected text"),
            (vec![("id", &text), ("title", &float)], "column title: found Float64, expected text"),
            (vec![("id", &text), ("title", &text), ("categories", &float)], "column categories: found Float64"),
        ] {
            let bench = Bench::new();
            let columns = columns.into_iter().map(|(name, column)| (name, Arc::clone(column))).collect();
            let error = bench.shard(&[&bench.file("a.parquet", &parquet(columns))]).expect_err(said);
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!((error.exit(), bench.objects()), (Exit::Data, Vec::new()));
        }
    }

    #[test]
    fn a_truncated_parquet_file_is_an_error() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let whole = parquet(vec![("id", Arc::clone(&text)), ("title", text)]);
        for end in [4, 50, whole.len() - 1] {
            let bench = Bench::new();
            let error = bench.shard(&[&bench.file("a.data", &whole[..end])]).expect_err("truncated");
            assert!(matches!(error, ShardError::Parquet { .. }) && error.exit() == Exit::Data, "{error}");
        }
    }

    #[test]
    fn raw_shards_make_the_same_shards_again() {
        let first = Bench::new();
        let lines: String = (0..5).map(crate::shard::tests::line).collect();
        first.shard(&[&first.file("a.jsonl", lines.as_bytes())]).unwrap();
        let objects = first.objects();
        let (_, shard) = objects.iter().find(|(key, _)| key.ends_with(".parquet")).unwrap();
        let second = Bench::new();
        second.shard(&[&second.file("shard.parquet", shard)]).unwrap();
        assert!(second.objects().iter().any(|(_, bytes)| bytes == shard));
    }
}
