//! What joining promises, on stores in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ArrowWriter;
use strata_shared::exit::{Classify, Exit};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::vectors::VectorShard;

use super::npy::tests::npy;
use crate::shard::tests::{Bench, line, runtime};
use crate::shard::{ShardError, VectorsRequest};

const DIM: usize = 3;

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn ids(ids: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(ids))
}

fn fixed(rows: &[[f64; DIM]], float: &DataType) -> ArrayRef {
    let values = cast(&Float64Array::from(rows.concat()), float).unwrap();
    let item = Arc::new(Field::new("item", float.clone(), true));
    Arc::new(FixedSizeListArray::new(item, DIM as i32, values, None))
}

fn variable(rows: &[&[f64]], float: &DataType) -> ArrayRef {
    let values = cast(&Float64Array::from(rows.concat()), float).unwrap();
    let item = Arc::new(Field::new("element", float.clone(), true));
    Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(rows.iter().map(|row| row.len())), values, None))
}

fn floats(rows: &[[f64; DIM]]) -> Vec<u8> {
    rows.iter().flatten().flat_map(|x| (*x as f32).to_le_bytes()).collect()
}

fn model() -> ModelName {
    ModelName::new("elsewhere").unwrap()
}

fn with_vectors(file: PathBuf) -> Bench {
    let mut bench = Bench::new();
    bench.vectors = Some(VectorsRequest { file, model_name: model() });
    bench
}

/// All ids with their vectors, in the order of the shards.
fn stored(bench: &Bench) -> Vec<(String, Vec<f32>)> {
    runtime().block_on(async {
        let (manifest, _) = Manifest::read(&bench.store).await.unwrap();
        let mut rows = Vec::new();
        for (index, shard) in manifest.shards.iter().enumerate() {
            let key = layout::vector_shard(&model(), index);
            let shard =
                VectorShard::open(&bench.store, &key, &model(), &shard.sha256, shard.rows as usize).await.unwrap();
            let (ids, vectors) = shard.read_vectors(&bench.store).await.unwrap();
            rows.extend(ids.iter().flatten().enumerate().map(|(row, id)| (id.to_owned(), vectors.row(row).to_vec())));
        }
        rows
    })
}

fn unit(x: f32, y: f32, z: f32) -> Vec<f32> {
    let norm = (x * x + y * y + z * z).sqrt();
    vec![x / norm, y / norm, z / norm]
}

const ROWS: [[f64; DIM]; 4] = [[0.0, 0.0, 7.0], [3.0, 4.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.5, 0.0]];

#[test]
fn parquet_joins_by_id_whatever_its_order_and_type() {
    let names = ids(&["nobody", "2", "0", "1"]);
    let rows = [&[f64::NAN; 5][..], &ROWS[2], &ROWS[0], &ROWS[1]];
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![77, 2, 0, 1]));
    let tidy = [[9.0; DIM], ROWS[2], ROWS[0], ROWS[1]];
    for float in [DataType::Float16, DataType::Float32, DataType::Float64] {
        for columns in [
            vec![("id", Arc::clone(&names)), ("vector", variable(&rows, &float))],
            vec![("embedding", fixed(&tidy, &float)), ("id", Arc::clone(&numbers))],
            vec![("id", Arc::clone(&names)), ("other", fixed(&ROWS, &float)), ("vector", fixed(&tidy, &float))],
        ] {
            let folder = Bench::new();
            let mut bench = with_vectors(folder.file("v.parquet", &parquet(columns)));
            bench.settings.rows_per_shard = 2;
            let input = bench.file("a.jsonl", [line(0), line(1), line(2)].concat().as_bytes());
            bench.shard(&[&input]).unwrap();
            let expected = [unit(0.0, 0.0, 1.0), unit(3.0, 4.0, 0.0), unit(-1.0, 0.0, 0.0)];
            let found = stored(&bench);
            assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["0", "1", "2"]);
            assert!(found.iter().zip(&expected).all(|((_, found), expected)| found == expected), "{float}: {found:?}");
        }
    }
}

#[test]
fn an_array_joins_by_row_and_refused_lines_count() {
    let folder = Bench::new();
    let rows = [ROWS[0], [f64::NAN; DIM], ROWS[1], [0.0; DIM], ROWS[3]];
    let bench = with_vectors(folder.file("v.npy", &npy("<f4", "False", "(5, 3)", &floats(&rows))));
    let lines = ["\n", &line(0), "refused\n", " \n", &line(1), &line(0), &line(3)].concat();
    bench.shard(&[&bench.file("a.jsonl", lines.as_bytes())]).unwrap();
    let expected: Vec<(String, Vec<f32>)> =
        [("0", unit(0.0, 0.0, 1.0)), ("1", unit(3.0, 4.0, 0.0)), ("3", unit(0.0, 1.0, 0.0))]
            .map(|(id, vector)| (id.to_owned(), vector))
            .to_vec();
    assert_eq!(stored(&bench), expected);
}

#[test]
fn vectors_alone_are_a_corpus() {
    let folder = Bench::new();
    let array = folder.file("v.npy", &npy("<f4", "False", "(4, 3)", &floats(&ROWS)));
    let named = vec![("id", ids(&["x", "", "x", "y"])), ("vector", fixed(&ROWS, &DataType::Float32))];
    let named = folder.file("v.parquet", &parquet(named));
    let nameless = folder.file("n.parquet", &parquet(vec![("vector", fixed(&ROWS, &DataType::Float64))]));
    for (file, expected) in
        [(array, vec!["0", "1", "2", "3"]), (nameless, vec!["0", "1", "2", "3"]), (named, vec!["x", "y"])]
    {
        let bench = with_vectors(file);
        let manifest = bench.shard(&[]).unwrap().manifest;
        assert_eq!((manifest.lines(), manifest.undated), (4, expected.len() as u64));
        assert_eq!(manifest.rejected, 4 - expected.len() as u64);
        let found = stored(&bench);
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), expected);
        assert_eq!((&found[0].1, &found.last().unwrap().1), (&unit(0.0, 0.0, 1.0), &unit(0.0, 1.0, 0.0)));
        assert_eq!(bench.documents()[0].title(0), "");
        assert!(bench.shard(&[]).unwrap().already_done);
    }
}

#[test]
fn vectors_that_do_not_fit_are_refused_and_nothing_is_finished() {
    let three = ids(&["0", "1", "2"]);
    let named = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes);
    let of =
        |rows: &[&[f64]]| parquet(vec![("id", Arc::clone(&three)), ("vector", variable(rows, &DataType::Float32))]);
    let [a, b, c] = [&ROWS[0][..], &ROWS[1][..], &ROWS[2][..]];
    let whole = npy("<f4", "False", "(3, 3)", &floats(&ROWS[..3]));
    let cases = [
        (named("v.npy", npy("<f4", "False", "(2, 3)", &floats(&ROWS[..2]))), "has 2 rows, the inputs have 3 lines"),
        (named("v.npy", npy("<f4", "False", "(4, 3)", &floats(&ROWS))), "has 4 rows, the inputs have 3 lines"),
        (named("v.npy", whole[..whole.len() - 1].to_vec()), "it breaks off"),
        (named("v.npy", npy("<f4", "True", "(3, 3)", &floats(&ROWS[..3]))), "Fortran"),
        (named("v.txt", b"1 2 3\n".to_vec()), "neither Parquet nor .npy"),
        (named("v.txt", Vec::new()), "neither Parquet nor .npy"),
        (named("v.parquet", of(&[a, b, c])[..200].to_vec()), "not a readable Parquet file"),
        (named("v.parquet", of(&[a, b, &c[..2]])), "row 2 (id \"2\") has 2 dimensions, those before have 3"),
        (named("v.parquet", of(&[&[], b, c])), "row 0 (id \"0\") has no dimensions"),
        (named("v.parquet", of(&[a, &[1.0, f64::NAN, 0.0], c])), "row 1 (id \"1\") holds NaN"),
        (named("v.parquet", of(&[a, &[1.0, f64::INFINITY, 0.0], c])), "row 1 (id \"1\") holds NaN or an infinity"),
        (named("v.parquet", of(&[a, b, &[0.0; DIM]])), "row 2 (id \"2\") is all zeros"),
        (
            named(
                "v.parquet",
                parquet(vec![("id", ids(&["0", "2"])), ("vector", fixed(&ROWS[..2], &DataType::Float32))]),
            ),
            "no vector for the document with id \"1\"",
        ),
        (
            named(
                "v.parquet",
                parquet(vec![("id", ids(&["0", "0"])), ("vector", fixed(&ROWS[..2], &DataType::Float32))]),
            ),
            "row 1 (id \"0\") is the second of its id",
        ),
        (named("v.parquet", parquet(vec![("vector", fixed(&ROWS[..3], &DataType::Float32))])), "has no column of ids"),
        (named("v.parquet", parquet(vec![("id", Arc::clone(&three))])), "expected a list of floats named vector"),
    ];
    for ((name, bytes), said) in cases {
        let bench = Bench::new();
        let bench = Bench { vectors: Some(request(bench.file(&name, &bytes))), ..bench };
        let error =
            bench.shard(&[&bench.file("a.jsonl", [line(0), line(1), line(2)].concat().as_bytes())]).expect_err(said);
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.exit(), Exit::Data);
        let written: Vec<String> = bench.objects().into_iter().map(|(key, _)| key).collect();
        assert!(
            !written.iter().any(|key| key.ends_with("manifest.json") || key.starts_with("vectors/")),
            "{written:?}"
        );
    }
    let absent = with_vectors(PathBuf::from("/absent/v.npy"));
    assert_eq!(absent.shard(&[]).expect_err("absent").exit(), Exit::Configuration);
}

fn request(file: PathBuf) -> VectorsRequest {
    VectorsRequest { file, model_name: model() }
}

/// Shards a corpus of two shards with vectors, forgets the vector shard `lost`, and shards again.
fn resume(file: &Path, again: &Path, lost: Option<usize>) -> (Bench, Result<crate::shard::Outcome, ShardError>) {
    let mut bench = with_vectors(file.to_owned());
    bench.settings.rows_per_shard = 2;
    let lines = [&line(0), "refused\n", &line(1), "\n", &line(2), &line(3)].map(str::to_owned).concat();
    let input = bench.file("a.jsonl", lines.as_bytes());
    bench.shard(&[&input]).unwrap();
    let objects = bench.objects();
    if let Some(index) = lost {
        runtime().block_on(bench.store.delete(&layout::vector_shard(&model(), index))).unwrap();
    }
    bench.vectors = Some(request(again.to_owned()));
    let outcome = bench.shard(&[&input]);
    if outcome.is_ok() {
        assert_eq!(bench.objects(), objects);
    }
    (bench, outcome)
}

#[test]
fn a_killed_join_goes_on_and_a_finished_one_does_nothing() {
    let folder = Bench::new();
    let five = [ROWS[0], [0.0; DIM], ROWS[1], ROWS[2], ROWS[3]];
    let array = folder.file("v.npy", &npy("<f4", "False", "(5, 3)", &floats(&five)));
    let columns = vec![("id", ids(&["3", "2", "1", "0"])), ("vector", fixed(&ROWS, &DataType::Float32))];
    let table = folder.file("v.parquet", &parquet(columns));
    for file in [array, table] {
        let (bench, outcome) = resume(&file, &file, Some(1));
        assert!(!outcome.unwrap().already_done);
        let again = bench.shard(&[&bench.folder.path().join("a.jsonl")]).unwrap();
        assert!(again.already_done);
    }
}

#[test]
fn other_vectors_do_not_go_on_under_the_same_name() {
    let folder = Bench::new();
    let five = [ROWS[0], ROWS[0], ROWS[1], ROWS[2], ROWS[3]];
    let array = folder.file("v.npy", &npy("<f4", "False", "(5, 3)", &floats(&five)));
    let other = folder.file("w.npy", &npy("<f4", "False", "(5, 3)", &floats(&[ROWS[3]; 5])));
    for lost in [None, Some(0), Some(1)] {
        let (bench, outcome) = resume(&array, &other, lost);
        let error = outcome.expect_err("other vectors");
        assert!(matches!(error, ShardError::OtherVectors { .. }) && error.exit() == Exit::Configuration, "{error}");
        for index in 0..2 {
            let key = layout::vector_shard(&model(), index);
            let found = runtime().block_on(bench.store.get_if_present(&key)).unwrap();
            assert_eq!(found.is_none(), lost == Some(index), "{key}: no shard of the other vectors is mixed in");
        }
    }
}

#[test]
fn vectors_of_raw_shards_that_changed_are_not_written() {
    let mut bench = Bench::new();
    let input = bench.file("a.jsonl", [line(0), line(1)].concat().as_bytes());
    bench.shard(&[&input]).unwrap();
    let other = Bench::new();
    other.shard(&[&other.file("b.jsonl", [line(2), line(3)].concat().as_bytes())]).unwrap();
    let foreign = runtime().block_on(other.store.get(&layout::raw_shard(0))).unwrap();
    runtime().block_on(bench.store.put(&layout::raw_shard(0), foreign)).unwrap();
    bench.vectors = Some(request(bench.file("v.npy", &npy("<f4", "False", "(2, 3)", &floats(&ROWS[..2])))));
    let error = bench.shard(&[&input]).expect_err("other raw shards");
    assert!(matches!(error, ShardError::Disturbed { .. }) && error.exit() == Exit::Retry, "{error}");
}

#[test]
fn vectors_are_added_to_a_corpus_that_has_none() {
    let mut bench = Bench::new();
    let input = bench.file("a.jsonl", [line(0), line(1), line(2)].concat().as_bytes());
    let manifest = bench.shard(&[&input]).unwrap().manifest;
    bench.vectors = Some(request(bench.file("v.npy", &npy("<f4", "False", "(3, 3)", &floats(&ROWS[..3])))));
    let outcome = bench.shard(&[&input]).unwrap();
    assert!(!outcome.already_done && outcome.manifest == manifest);
    assert_eq!(stored(&bench).len(), 3);
}
