//! Whole corpora with an embedder that only counts: the same bytes however it goes, resume, and shards at fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use strata_shared::exit::Exit;
use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::model::Model;
use strata_shared::store::Store;
use strata_shared::vectors::VectorShard;

use super::corpus::{Counting, Setup, corpus, model_folder, vector_shards};
use crate::work::Share;

const SHARDS: [&[&str]; 3] = [
    &["fossil", "layer stone", "river", "", "fossil layer stone"],
    &["stone", "stone", "sand river"],
    &["layer", "river river river river river river", "sand", "sand"],
];

async fn undisturbed() -> Vec<(String, Vec<u8>)> {
    let store = corpus(&SHARDS).await;
    Setup::default().run(&store).await.unwrap();
    vector_shards(&store).await
}

#[tokio::test]
async fn every_row_gets_the_vector_of_its_own_tokens() {
    let store = corpus(&SHARDS).await;
    Setup::default().run(&store).await.unwrap();
    let (_shelf, folder) = model_folder();
    let model = Model::open(&folder).unwrap();
    let (manifest, _) = Manifest::read(&store).await.unwrap();
    let key = layout::vector_shard(model.name(), 0);
    let shard = VectorShard::open(&store, &key, model.name(), &manifest.shards[0].sha256, 5).await.unwrap();
    let (ids, vectors) = shard.read_vectors(&store).await.unwrap();
    assert_eq!((ids.value(1), shard.dim()), ("0-1", 4));
    // [CLS] layer stone sand [SEP]
    let norm = (1.0f32 + 24.0 * 24.0 + 25.0).sqrt();
    let expected = [1.0 / norm, 24.0 / norm, 5.0 / norm, 0.0];
    assert!(vectors.row(1).iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6));
}

#[tokio::test]
async fn threads_tasks_and_budgets_change_no_byte() {
    let expected = undisturbed().await;
    assert_eq!(expected.len(), 3);
    for (num_threads, task_count, token_budget) in [(1, 1, 8), (3, 1, 8), (2, 2, 8), (1, 5, 1), (2, 3, 1000)] {
        let store = corpus(&SHARDS).await;
        for task_index in (0..task_count).rev() {
            let share = Share { task_index, task_count };
            Setup { num_threads, share, token_budget, ..Setup::default() }.run(&store).await.unwrap();
        }
        assert!(vector_shards(&store).await == expected, "{num_threads} threads, {task_count} tasks");
    }
}

#[tokio::test]
async fn what_is_there_is_not_embedded_again() {
    let store = corpus(&SHARDS).await;
    Setup::default().run(&store).await.unwrap();
    let batches = Arc::new(AtomicUsize::new(0));
    let embedder = Counting { batches: Arc::clone(&batches), ..Counting::default() };
    Setup { embedder, ..Setup::default() }.run(&store).await.unwrap();
    assert_eq!(batches.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_vector_shard_that_is_truncated_or_of_another_raw_shard_is_made_again() {
    let expected = undisturbed().await;
    let store = corpus(&SHARDS).await;
    Setup::default().run(&store).await.unwrap();
    let (first, second) = (expected[0].0.as_str().into(), expected[1].0.as_str().into());
    store.put(&first, expected[0].1[..expected[0].1.len() / 2].to_vec()).await.unwrap();
    store.put(&second, expected[2].1.clone()).await.unwrap();
    Setup::default().run(&store).await.unwrap();
    assert!(vector_shards(&store).await == expected);
}

#[tokio::test]
async fn a_run_stopped_anywhere_goes_on_to_the_same_bytes() {
    let expected = undisturbed().await;
    for after in 1..=8 {
        let store = corpus(&SHARDS).await;
        let stop = Arc::new(AtomicBool::new(false));
        let embedder = Counting { stop_after: Some((after, Arc::clone(&stop))), ..Counting::default() };
        let stopped = Setup { embedder, stop, ..Setup::default() }.run(&store).await.unwrap_err();
        assert_eq!(stopped.exit(), Exit::Retry);
        assert!(vector_shards(&store).await.len() < expected.len());
        Setup::default().run(&store).await.unwrap();
        assert!(vector_shards(&store).await == expected, "stopped after {after} batches");
    }
}

#[tokio::test]
async fn a_model_that_breaks_ends_the_work_and_leaves_whole_shards() {
    let expected = undisturbed().await;
    let store = corpus(&SHARDS).await;
    let embedder = Counting { fail_after: Some(6), ..Counting::default() };
    let failure = Setup { embedder, ..Setup::default() }.run(&store).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Configuration);
    assert!(failure.chain().contains("the model is broken"), "{failure}");
    let written = vector_shards(&store).await;
    assert!(written.len() < 3 && written.iter().all(|shard| expected.contains(shard)));
}

#[tokio::test]
async fn a_poisoned_document_is_named_after_all_other_shards_are_done() {
    let store = corpus(&[&["fossil"], &["stone", "layer poison"], &["river"]]).await;
    let failure = Setup::default().run(&store).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Data);
    let said = failure.chain();
    assert!(said.contains("raw/shard_00001.parquet: document \"1-1\"") && said.contains("NaN"), "{said}");
    assert_eq!(vector_shards(&store).await.len(), 2);
}

/// Embeds a corpus whose first shard was changed, and returns what is said of it.
async fn said_of_first_shard(store: &Store) -> String {
    let failure = Setup::default().run(store).await.unwrap_err();
    assert_eq!(failure.exit(), Exit::Data);
    assert_eq!(vector_shards(store).await.len(), 2, "the other shards are done");
    failure.chain()
}

#[tokio::test]
async fn a_truncated_foreign_or_missing_raw_shard_is_named_after_the_others() {
    let key = layout::raw_shard(0);
    let store = corpus(&SHARDS).await;
    let bytes = store.get(&key).await.unwrap();
    store.put(&key, bytes.slice(..bytes.len() - 10)).await.unwrap();
    let said = said_of_first_shard(&store).await;
    assert!(said.contains("raw/shard_00000.parquet: has") && said.contains("the manifest says"), "{said}");

    let store = corpus(&SHARDS).await;
    store.put(&key, store.get(&layout::raw_shard(1)).await.unwrap()).await.unwrap();
    assert!(said_of_first_shard(&store).await.contains("raw/shard_00000.parquet: has"));

    let store = corpus(&SHARDS).await;
    store.delete(&key).await.unwrap();
    assert!(said_of_first_shard(&store).await.contains("raw/shard_00000.parquet: is missing"));
}

#[tokio::test]
async fn rows_that_contradict_the_manifest_are_named() {
    let store = corpus(&SHARDS).await;
    let (mut manifest, _) = Manifest::read(&store).await.unwrap();
    manifest.shards[0].rows += 1;
    manifest.rows += 1;
    manifest.inputs[0].lines += 1;
    store.put(&layout::manifest(), manifest.encode()).await.unwrap();
    let said = said_of_first_shard(&store).await;
    assert!(said.contains("has 5 rows, the manifest says 6"), "{said}");
}

#[tokio::test]
async fn every_shard_at_fault_is_named_and_the_rest_is_done() {
    let store = corpus(&SHARDS).await;
    for index in [0, 2] {
        store.put(&layout::raw_shard(index), b"not Parquet".to_vec()).await.unwrap();
    }
    let failure = Setup::default().run(&store).await.unwrap_err();
    let said = failure.chain();
    assert_eq!(failure.exit(), Exit::Data);
    assert!(said.contains("2 of 3 shards") && said.contains("shard_00000") && said.contains("shard_00002"), "{said}");
    assert_eq!(vector_shards(&store).await.len(), 1);
}
