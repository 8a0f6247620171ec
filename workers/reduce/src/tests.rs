//! Whole reduces over a small store in memory: what is refused before it costs anything, and what is done again.

mod following;

use std::sync::Arc;

use ndarray::Array2;
use object_store::memory::InMemory;
use object_store::path::Path;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use strata_shared::digest;
use strata_shared::documents::{Document, Documents};
use strata_shared::exit::Exit;
use strata_shared::layout::{self, ModelName, run_file};
use strata_shared::manifest::{InputEntry, Manifest, ShardEntry};
use strata_shared::measurements::{Measurements, Stage};
use strata_shared::run_record::{ClustersRecord, OutputEntry};
use strata_shared::settings::{ReduceSettings, ShardSettings};
use strata_shared::vectors::{self, Vectors};

use super::*;
use crate::checkpoint::{Checkpoint, Clustered};
use crate::meter::Meter;
use crate::outputs::{Outputs, Parts};

const DIM: usize = 4;
const SHARDS: usize = 2;
const ROWS: usize = 20;

fn documents(shard: usize) -> Documents {
    let document = |row: usize| Document {
        id: format!("{shard}/{row}"),
        title: format!("Robots {}", row % 3),
        created: Some(row as i64 * 31_557_600_000_000),
        ..Document::default()
    };
    Documents::from_rows(&(0..ROWS).map(document).collect::<Vec<_>>())
}

fn unit_vectors(seed: u64) -> Vectors {
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut rows = Array2::from_shape_simple_fn((ROWS, DIM), || rng.gen_range(-1.0_f32..1.0));
    for mut row in rows.outer_iter_mut() {
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    Vectors::new(DIM, rows.iter().copied().collect())
}

/// A store with a corpus and its vectors.
async fn corpus() -> Store {
    let store = Store::new("memory", Arc::new(InMemory::new()));
    let shards: Vec<(Documents, Vectors)> =
        (0..SHARDS).map(|shard| (documents(shard), unit_vectors(shard as u64))).collect();
    put_corpus(&store, &shards).await;
    store
}

/// Writes a corpus of these shards over what there is.
async fn put_corpus(store: &Store, corpus: &[(Documents, Vectors)]) {
    let model = ModelName::new("small").unwrap();
    let mut shards = Vec::new();
    for (shard, (documents, vectors)) in corpus.iter().enumerate() {
        let raw = documents.encode().unwrap();
        let (bytes, sha256) = (raw.len() as u64, digest::sha256_hex(&raw));
        let vectors = vectors::encode(documents, vectors, &model, &sha256).unwrap();
        store.put(&layout::vector_shard(&model, shard), vectors).await.unwrap();
        let (key, rows) = (layout::raw_shard(shard).to_string(), documents.len() as u64);
        shards.push(ShardEntry { key, rows, superseded: 0, bytes, sha256 });
    }
    let lines = shards.iter().map(|shard| shard.rows).sum();
    let inputs = vec![InputEntry { name: "corpus.jsonl".into(), lines, blank: 0, sha256: digest::sha256_hex(b"") }];
    let manifest = Manifest::first(shards, inputs, (0, 0), ShardSettings::default());
    store.put(&layout::manifest(), manifest.encode()).await.unwrap();
}

fn config() -> Config {
    let settings = ReduceSettings { clusters: Some(3), lonely: 5, ..ReduceSettings::default() };
    let run = Some(RunName::new("r").unwrap());
    let (scratch, lonely_exhaustive) = (None, false);
    let (generation, vectors_of, force, memory_bytes) = (None, None, false, 4 << 30);
    let (threads, former) = (2, None);
    Config { settings, run, generation, vectors_of, force, threads, memory_bytes, scratch, lonely_exhaustive, former }
}

fn record() -> Path {
    layout::in_run(&RunName::new("r").unwrap(), run_file::RECORD)
}

#[tokio::test]
async fn a_finished_run_stays_until_there_is_something_to_replace_it() {
    let store = corpus().await;
    run(config(), store.clone()).await.unwrap();
    let finished = store.get(&record()).await.unwrap();
    let forced = Config { force: true, ..config() };
    let refused = run(Config { memory_bytes: 1 << 20, ..forced.clone() }, store.clone()).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Configuration, "{refused}");
    let shard = layout::vector_shard(&ModelName::new("small").unwrap(), 1);
    let kept = store.get(&shard).await.unwrap();
    store.delete(&shard).await.unwrap();
    let refused = run(forced.clone(), store.clone()).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Retry, "{refused}");
    assert_eq!(store.get(&record()).await.unwrap(), finished);
    store.put(&shard, kept).await.unwrap();
    run(forced, store.clone()).await.unwrap();
    assert_eq!(store.get(&record()).await.unwrap(), finished, "the same question has the same answer");
}

#[tokio::test]
async fn a_finished_run_that_lost_an_object_is_made_again() {
    let store = corpus().await;
    let name = run(config(), store.clone()).await.unwrap();
    let finished = store.get(&record()).await.unwrap();
    for file in [run_file::TOPICS, run_file::INDEX] {
        let key = layout::in_run(&name, file);
        let whole = store.get(&key).await.unwrap();
        for damaged in [None, Some(whole.slice(..whole.len() - 1))] {
            match damaged {
                None => store.delete(&key).await.unwrap(),
                Some(cut) => store.put(&key, cut).await.unwrap(),
            }
            run(config(), store.clone()).await.unwrap();
            assert_eq!((&store.get(&key).await.unwrap(), &store.get(&record()).await.unwrap()), (&whole, &finished));
        }
    }
}

#[tokio::test]
async fn force_replaces_a_record_that_cannot_be_read() {
    let store = corpus().await;
    for unreadable in ["{\"format\": 1, \"run\"", "{\"format\": 9}"] {
        store.put(&record(), unreadable.as_bytes().to_vec()).await.unwrap();
        assert_eq!(run(config(), store.clone()).await.unwrap_err().exit(), Exit::Data, "{unreadable}");
        run(Config { force: true, ..config() }, store.clone()).await.unwrap();
        RunRecord::read(&store, &RunName::new("r").unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_factory_string_is_refused_before_anything_is_read() {
    let store = corpus().await;
    // Vectors that are no longer what their footer says: a first pass over them would fail with another exit.
    let shard = layout::vector_shard(&ModelName::new("small").unwrap(), 0);
    let mut damaged = store.get(&shard).await.unwrap().to_vec();
    damaged[100..200].fill(0xff);
    store.put(&shard, damaged).await.unwrap();
    for index in ["Nonsense", "NSG16"] {
        let settings = ReduceSettings { index: Some(index.into()), ..config().settings };
        let refused = run(Config { settings, ..config() }, store.clone()).await.unwrap_err();
        assert_eq!(refused.exit(), Exit::Configuration, "{refused}");
    }
    assert_eq!(run(config(), store.clone()).await.unwrap_err().exit(), Exit::Data);
}

#[tokio::test]
async fn a_tight_limit_sends_vectors_to_the_scratch_folder_and_changes_nothing() {
    let store = corpus().await;
    run(config(), store.clone()).await.unwrap();
    let finished = store.get(&record()).await.unwrap();
    let corpus = corpus::Corpus::open(store.clone(), None, None).await.unwrap().open_shards().await.unwrap();
    let plan = faiss::IndexPlan::by_size(SHARDS * ROWS, DIM, 3);
    let least = memory::Needs::of(&memory::Extent::of(&config(), &corpus), &plan).least;
    let scratch = tempfile::tempdir().unwrap();
    let within =
        |memory_bytes| Config { force: true, memory_bytes, scratch: Some(scratch.path().to_owned()), ..config() };
    run(within(least), store.clone()).await.unwrap();
    assert_eq!(store.get(&record()).await.unwrap(), finished);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    let refused = run(within(least - 1), store).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Configuration, "{refused}");
}

#[tokio::test]
async fn every_byte_of_the_outputs_stands_in_a_stage() {
    for index in [None, Some("HNSW8".to_owned())] {
        let store = corpus().await;
        let settings = ReduceSettings { index, ..config().settings };
        let name = run(Config { settings, ..config() }, store.clone()).await.unwrap();
        let outputs = RunRecord::read(&store, &name).await.unwrap().outputs;
        let stages = Measurements::read(&store, &name).await.unwrap().stages;
        let (all, stages) = stages.split_last().unwrap();
        let sum = |bytes: fn(&Stage) -> u64| stages.iter().map(bytes).sum::<u64>();
        let written = outputs.iter().map(|output| output.bytes).sum::<u64>();
        assert_eq!([sum(|stage| stage.bytes_written), all.bytes_written], [written; 2], "{stages:?}");
        assert_eq!(sum(|stage| stage.bytes_read), all.bytes_read, "{stages:?}");
        let index = outputs.iter().find(|output| output.key.ends_with(run_file::INDEX)).unwrap();
        let writer = stages.iter().find(|stage| stage.name.ends_with("index")).unwrap();
        assert!(writer.bytes_written >= index.bytes && writer.bytes_read > 0, "{writer:?}");
    }
}

#[tokio::test]
async fn a_run_that_another_question_has_begun_is_not_taken_over() {
    let store = corpus().await;
    let corpus = corpus::Corpus::open(store.clone(), None, None).await.unwrap();
    Checkpoint::open(&config(), &corpus, &RunName::new("r").unwrap(), None).await.unwrap();
    let settings = ReduceSettings { lonely: 6, ..config().settings };
    let other = Config { settings, ..config() };
    let refused = run(other.clone(), store.clone()).await.unwrap_err();
    assert_eq!(refused.exit(), Exit::Configuration, "{refused}");
    run(config(), store.clone()).await.unwrap();
    let left = store.list(&layout::run(&RunName::new("r").unwrap())).await.unwrap();
    assert!(left.iter().all(|object| !object.location.to_string().contains("unfinished")), "{left:?}");
    run(Config { force: true, ..other }, store).await.unwrap();
}

#[tokio::test]
async fn a_reduce_whose_run_was_taken_for_another_question_remembers_and_announces_nothing() {
    let store = corpus().await;
    let corpus = corpus::Corpus::open(store.clone(), None, None).await.unwrap();
    let name = RunName::new("r").unwrap();
    let clustered = || Clustered {
        output: OutputEntry { key: "runs/r/centroids.parquet".into(), bytes: 1, sha256: "0".repeat(64) },
        sample_sha256: "1".repeat(64),
        clusters: ClustersRecord { requested: 3, found: 3, sample_rows: 9 },
        lowered: None,
        predecessor: None,
    };
    let other = ReduceSettings { lonely: 6, ..config().settings };
    let forced = Config { settings: other, force: true, ..config() };
    let unfinished = layout::in_run(&name, run_file::UNFINISHED);

    let mut mine = Checkpoint::open(&config(), &corpus, &name, None).await.unwrap();
    mine.finish_clustering(clustered()).await.unwrap();
    Checkpoint::open(&forced, &corpus, &name, None).await.unwrap();
    let theirs = store.get(&unfinished).await.unwrap();
    let taken = mine.finish_clustering(clustered()).await.unwrap_err();
    assert_eq!(taken.exit(), Exit::Configuration, "{taken}");
    assert!(mine.put_rows(vec![0]).await.is_err());
    assert_eq!(store.get(&unfinished).await.unwrap(), theirs, "what the other question has finished is lost");

    run(forced, store.clone()).await.unwrap();
    assert!(mine.finish_clustering(clustered()).await.is_err(), "the other question is finished");
    assert_eq!(store.get_if_present(&unfinished).await.unwrap(), None);
}

#[tokio::test]
async fn what_another_version_has_left_unfinished_is_begun_anew() {
    let store = corpus().await;
    run(config(), store.clone()).await.unwrap();
    let finished = store.get(&record()).await.unwrap();
    store.delete(&record()).await.unwrap();
    let corpus = corpus::Corpus::open(store.clone(), None, None).await.unwrap().open_shards().await.unwrap();
    let name = RunName::new("r").unwrap();
    Checkpoint::open(&config(), &corpus, &name, None).await.unwrap();
    let unfinished = layout::in_run(&name, run_file::UNFINISHED);
    let mut left: serde_json::Value = serde_json::from_slice(&store.get(&unfinished).await.unwrap()).unwrap();
    left.as_object_mut().unwrap().remove("method");
    left["clustered"] = serde_json::json!({
        "output": {"key": "runs/r/centroids.parquet", "bytes": 1, "sha256": "0".repeat(64)},
        "sample_sha256": "", "clusters": {"requested": 1, "found": 1, "sample_rows": 1}, "lowered": null,
    });
    store.put(&unfinished, left.to_string().into_bytes()).await.unwrap();
    let anew = Checkpoint::open(&config(), &corpus, &name, None).await.unwrap();
    assert_eq!(anew.clustered().await.unwrap(), None);
    let kept: serde_json::Value = serde_json::from_slice(&store.get(&unfinished).await.unwrap()).unwrap();
    assert_eq!(kept["clustered"], serde_json::Value::Null, "{kept}");
    anew.confirm().await.unwrap();
    run(config(), store.clone()).await.unwrap();
    assert_eq!(store.get(&record()).await.unwrap(), finished);
}

#[tokio::test]
async fn nothing_is_written_into_a_run_that_was_taken() {
    let store = corpus().await;
    let corpus = corpus::Corpus::open(store.clone(), None, None).await.unwrap();
    let name = RunName::new("r").unwrap();
    let mine = Checkpoint::open(&config(), &corpus, &name, None).await.unwrap();
    let mut outputs = Outputs::new(mine.claim(), Meter::default());
    let upload = outputs.begin(run_file::INDEX);
    let other = ReduceSettings { lonely: 6, ..config().settings };
    run(Config { settings: other, force: true, ..config() }, store.clone()).await.unwrap();
    let theirs = RunRecord::read(&store, &name).await.unwrap();
    assert!(outputs.put(run_file::LONELY, vec![1]).await.is_err());
    let push = |parts: &mut Parts| {
        parts.push(&[1]);
        Ok(())
    };
    assert!(upload.write(push).await.is_err());
    let mixture = RunRecord { parameters: config().settings, ..theirs.clone() };
    let taken = mine.claim().announce(&mixture).await.unwrap_err();
    assert_eq!(taken.exit(), Exit::Configuration, "{taken}");
    assert_eq!(RunRecord::read(&store, &name).await.unwrap(), theirs);
    for output in &theirs.outputs {
        let found = store.sha256(&Path::from(output.key.as_str())).await.unwrap();
        assert_eq!(found.as_ref(), Some(&output.sha256), "{}", output.key);
    }
}

#[tokio::test]
async fn a_run_one_of_whose_tables_is_another_of_the_same_size_is_made_again() {
    let store = corpus().await;
    let name = run(config(), store.clone()).await.unwrap();
    let key = layout::in_run(&name, run_file::LONELY);
    let whole = store.get(&key).await.unwrap();
    let mut other = whole.to_vec();
    other[whole.len() / 2] ^= 1;
    store.put(&key, other).await.unwrap();
    run(config(), store.clone()).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), whole);
}
