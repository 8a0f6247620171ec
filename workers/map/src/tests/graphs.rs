//! Small graphs through ONNX Runtime: every shape of text model, and every way in which a graph can be wrong.
//!
//! Without ONNX Runtime these tests say so and pass.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::model::Model;
use strata_shared::vectors::VectorShard;

use super::corpus::{corpus, model_folder, vector_shards};
use super::graph::Table;
use crate::embed::{Embed, EmbedError, TokenBatch};
use crate::onnx::{OnnxEmbedder, OnnxError, Runtime};
use crate::{Config, run};

/// Loads ONNX Runtime, or notes that the test `what` cannot run without it.
fn runtime(what: &str) -> Option<Runtime> {
    let runtime = Runtime::load(None).ok();
    if runtime.is_none() {
        let line = format!("map-worker: {what}, for want of ONNX Runtime");
        println!("not run: {line}");
        if let Some(file) = std::env::var_os("STRATA_TEST_SKIPPED") {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
            writeln!(file, "{line}").unwrap();
        }
    }
    runtime
}

fn write_pooling(folder: &Path, mode: &str, dim: usize) {
    let pooling = format!(r#"{{"word_embedding_dimension": {dim}, "pooling_mode_{mode}": true}}"#);
    std::fs::write(folder.join("1_Pooling/config.json"), pooling).unwrap();
}

fn open(runtime: &Runtime, table: &Table, mode: &str) -> Result<OnnxEmbedder, OnnxError> {
    let (_shelf, folder) = model_folder();
    std::fs::write(folder.join("onnx/model.onnx"), table.encode()).unwrap();
    write_pooling(&folder, mode, 4);
    OnnxEmbedder::open(runtime, &Model::open(&folder).unwrap())
}

fn batch() -> TokenBatch {
    TokenBatch { num_rows: 2, num_tokens: 3, ids: vec![2, 7, 3, 2, 4, 3] }
}

/// Two unit vectors whose direction is (a, a + 0.1, a + 0.2, a + 0.3), for each of `firsts`.
fn expected(firsts: [f32; 2]) -> Vec<f32> {
    let row = |first: f32| (0..4).map(move |d| first + d as f32 / 10.0);
    let norm = |first| row(first).map(|value| value * value).sum::<f32>().sqrt();
    firsts.into_iter().flat_map(|first| row(first).map(move |value| value / norm(first))).collect()
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near, "found {found:?}, expected {expected:?}");
}

#[test]
fn states_are_pooled_as_the_model_says() {
    let Some(runtime) = runtime("pooling of a graph's states") else { return };
    for (mode, firsts) in [("mean_tokens", [4.0, 3.0]), ("cls_token", [2.0, 2.0]), ("max_tokens", [7.0, 4.0])] {
        let mut embedder = open(&runtime, &Table::default(), mode).unwrap();
        assert_near(&embedder.embed(&batch()).unwrap(), &expected(firsts));
    }
}

#[test]
fn inputs_that_a_graph_does_not_have_are_not_sent() {
    let Some(runtime) = runtime("graphs with fewer inputs") else { return };
    for inputs in [vec!["input_ids"], vec!["input_ids", "attention_mask"]] {
        let mut embedder = open(&runtime, &Table { inputs, ..Table::default() }, "mean_tokens").unwrap();
        assert_near(&embedder.embed(&batch()).unwrap(), &expected([4.0, 3.0]));
    }
}

#[test]
fn a_graph_that_pools_is_recognised_by_the_rank_of_its_output() {
    let Some(runtime) = runtime("graphs that pool") else { return };
    for output in ["sentence_embedding", "output"] {
        let table = Table { pools: true, output, ..Table::default() };
        // The graph's mean wins over the model's first token.
        let mut embedder = open(&runtime, &table, "cls_token").unwrap();
        assert_near(&embedder.embed(&batch()).unwrap(), &expected([4.0, 3.0]));
    }
}

#[test]
fn a_graph_of_another_dimension_is_refused() {
    let Some(runtime) = runtime("graphs of a wrong dimension") else { return };
    let error = open(&runtime, &Table { dim: 5, ..Table::default() }, "mean_tokens").err().expect("an error");
    assert!(error.to_string().contains("gives vectors of 5 dimensions, the model's configuration says 4"), "{error}");
    assert_eq!(error.exit(), Exit::Configuration);
}

#[test]
fn a_graph_with_an_unknown_input_is_refused() {
    let Some(runtime) = runtime("graphs with unknown inputs") else { return };
    let table = Table { inputs: vec!["input_ids", "pixel_values"], ..Table::default() };
    let error = open(&runtime, &table, "mean_tokens").err().expect("an error");
    assert!(error.to_string().contains("has an input pixel_values"), "{error}");
}

#[test]
fn a_graph_without_pooling_by_a_model_without_pooling_is_refused() {
    let Some(runtime) = runtime("graphs that do not pool") else { return };
    let (_shelf, folder) = model_folder();
    std::fs::write(folder.join("onnx/model.onnx"), Table::default().encode()).unwrap();
    let modules = r#"[{"path": "", "type": "sentence_transformers.models.Transformer"}]"#;
    std::fs::write(folder.join("modules.json"), modules).unwrap();
    let error = OnnxEmbedder::open(&runtime, &Model::open(&folder).unwrap()).err().expect("an error");
    assert!(error.to_string().contains("modules.json has no Pooling"), "{error}");
}

#[test]
fn a_tokenizer_of_another_model_is_a_fault_of_the_configuration() {
    let Some(runtime) = runtime("graphs with a smaller vocabulary") else { return };
    let table = Table { num_tokens: 5, ..Table::default() };
    let error = open(&runtime, &table, "mean_tokens").unwrap().embed(&batch()).unwrap_err();
    assert!(matches!(error, EmbedError::Model { .. }), "{error}");
    assert_eq!(error.exit(), Exit::Configuration);
}

async fn run_on(graph: Option<Vec<u8>>, num_threads: usize) -> (Result<(), Failure>, Vec<(String, Vec<u8>)>) {
    let (_shelf, folder) = model_folder();
    let graph_file = folder.join("onnx/model.onnx");
    match graph {
        Some(graph) => std::fs::write(graph_file, graph).unwrap(),
        None => std::fs::remove_file(graph_file).unwrap(),
    }
    let store = corpus(&[&["fossil", "layer stone", "river"], &["sand sand", "stone"]]).await;
    let model = Some(folder.display().to_string());
    let config = Config { model, num_threads: std::num::NonZeroUsize::new(num_threads), ..Config::default() };
    let result = run(config, store.clone(), Arc::default()).await;
    if result.is_ok() {
        let name = Model::open(&folder).unwrap().name().clone();
        let (manifest, _) = Manifest::read(&store).await.unwrap();
        let key = layout::vector_shard(&name, 0);
        let shard = VectorShard::open(&store, &key, &name, &manifest.shards[0].sha256, 3).await.unwrap();
        shard.read_vectors(&store).await.unwrap();
    }
    let shards = vector_shards(&store).await;
    (result, shards)
}

#[tokio::test]
async fn a_whole_run_gives_the_same_bytes_on_one_thread_and_on_three() {
    if runtime("a whole run of a small graph").is_none() {
        return;
    }
    let (one, expected) = run_on(Some(Table::default().encode()), 1).await;
    one.unwrap();
    assert_eq!(expected.len(), 2);
    let (three, found) = run_on(Some(Table::default().encode()), 3).await;
    three.unwrap();
    assert!(found == expected);
}

#[tokio::test]
async fn a_broken_graph_ends_the_run_before_anything_is_written() {
    if runtime("a whole run of a broken graph").is_none() {
        return;
    }
    let whole = Table::default().encode();
    for graph in [whole[..whole.len() / 2].to_vec(), b"no graph".to_vec(), Vec::new()] {
        let (result, written) = run_on(Some(graph), 1).await;
        let failure = result.unwrap_err();
        assert_eq!(failure.exit(), Exit::Configuration);
        assert!(failure.chain().contains("onnx/model.onnx"), "{failure}");
        assert!(written.is_empty());
    }
    let (result, _) = run_on(None, 1).await;
    assert!(result.unwrap_err().chain().contains("is missing"));
}

#[tokio::test]
async fn a_task_beyond_the_last_is_refused() {
    let store = corpus(&[&["fossil"]]).await;
    let config = Config { task_index: 2, task_count: 2, ..Config::default() };
    let failure = run(config, store, Arc::default()).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Configuration);
    assert!(failure.chain().contains("--task-index: found 2 of 2 tasks"), "{failure}");
}
