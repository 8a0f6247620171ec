//! Vectors that the real map-worker makes of real papers equal those that Python made of them.
//!
//! Gated on `STRATA_TEST_DATA`, a folder that holds `corpora/robotics.jsonl.gz` and `reference/robotics.vectors.parquet`
//! (all-MiniLM-L6-v2 through sentence-transformers, float32, 256 tokens), on that model, and on ONNX Runtime.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::datatypes::Float32Type;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::SeedableRng;
use rand::seq::index;
use rand_xoshiro::Xoshiro256PlusPlus;
use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::model::Model;
use strata_shared::store::Store;
use strata_shared::vectors::VectorShard;
use strata_tests::installed::InstalledModel;
use strata_tests::{binaries, skipped};

/// Papers in the corpus.
const PAPERS: usize = 35_709;

/// Papers that are embedded, drawn by [`SEED`].
const SAMPLE: usize = 500;

/// The seed of the sample.
const SEED: u64 = 20_261_122;

/// What the cosine of a paper's two vectors must reach.
const COSINE: f64 = 0.999_99;

/// The real data, the model and ONNX Runtime, or `None`, noted.
fn means() -> Option<(PathBuf, PathBuf, PathBuf)> {
    let data = std::env::var_os("STRATA_TEST_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    match (data, InstalledModel::find()) {
        (Some(data), Some(InstalledModel { model, onnxruntime })) => Some((data, model, onnxruntime)),
        (None, _) => {
            skipped::note("vector parity on the robotics corpus, for want of a folder named by STRATA_TEST_DATA");
            None
        }
        _ => {
            skipped::note("vector parity on the robotics corpus, for want of a model or of ONNX Runtime");
            None
        }
    }
}

/// Writes the sampled lines of the corpus to `path`.
fn write_sample(data: &Path, path: &Path) {
    let mut drawn = index::sample(&mut Xoshiro256PlusPlus::seed_from_u64(SEED), PAPERS, SAMPLE).into_vec();
    drawn.sort_unstable();
    let corpus = MultiGzDecoder::new(File::open(data.join("corpora/robotics.jsonl.gz")).unwrap());
    let mut sample = File::create(path).unwrap();
    let mut drawn = drawn.into_iter().peekable();
    for (line, text) in BufReader::new(corpus).lines().enumerate() {
        if drawn.next_if_eq(&line).is_some() {
            writeln!(sample, "{}", text.unwrap()).unwrap();
        }
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = binaries::command(program).unwrap().args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn reference(data: &Path) -> HashMap<String, Vec<f32>> {
    let file = File::open(data.join("reference/robotics.vectors.parquet")).unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let mut vectors = HashMap::new();
    for batch in batches {
        let batch = batch.unwrap();
        let ids = batch.column_by_name("id").unwrap().as_string::<i32>();
        let column = batch.column_by_name("vector").unwrap().as_fixed_size_list();
        for row in 0..batch.num_rows() {
            let vector = column.value(row).as_primitive::<Float32Type>().values().to_vec();
            vectors.insert(ids.value(row).to_owned(), vector);
        }
    }
    vectors
}

async fn embedded(store: &str, model: &Path) -> Vec<(String, Vec<f32>)> {
    let (store, model) = (Store::open(store).unwrap(), Model::open(model).unwrap());
    let (manifest, _) = Manifest::read(&store).await.unwrap();
    let mut vectors = Vec::new();
    for (index, shard) in manifest.shards.iter().enumerate() {
        let key = layout::vector_shard(model.name(), index);
        let opened = VectorShard::open(&store, &key, model.name(), &shard.sha256, shard.rows as usize).await.unwrap();
        let (ids, found) = opened.read_vectors(&store).await.unwrap();
        vectors.extend((0..found.len()).map(|row| (ids.value(row).to_owned(), found.row(row).to_vec())));
    }
    vectors
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn vectors_of_real_papers_equal_those_that_python_made() {
    let Some((data, model, onnxruntime)) = means() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (input, store) = (folder.path().join("sample.jsonl"), folder.path().join("store").display().to_string());
    write_sample(&data, &input);
    run("strata", &["shard", &input.display().to_string(), "--store", &store, "--rows-per-shard", "200"]);
    let (model_folder, library) = (model.display().to_string(), onnxruntime.display().to_string());
    run("map-worker", &["--store", &store, "--model", &model_folder, "--onnxruntime", &library]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found = runtime.block_on(embedded(&store, &model));
    assert_eq!(found.len(), SAMPLE);
    let expected = reference(&data);
    let mut worst = f64::MAX;
    for (id, vector) in &found {
        let similarity = cosine(vector, &expected[id]);
        assert!(similarity >= COSINE, "{id}: cosine {similarity}");
        worst = worst.min(similarity);
    }
    eprintln!("{SAMPLE} papers, seed {SEED}: the worst cosine is {worst:.9}");
}
