//! Two commands on one store: one works, the other one waits, or ends and says who works.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use strata_shared::layout;
use strata_shared::lease::{Holder, Lease, LeaseRecord, Patience, Process, ThisMachine};
use strata_shared::store::Store;
use strata_tests::binaries;

use super::folder::Folder;

const SHARD: &str = "shard @corpus.jsonl --vectors @vectors.npy --model-name hashed --store @store --rows-per-shard 10";

fn store(folder: &Folder) -> Store {
    Store::open_or_create(folder.path("store").to_str().unwrap()).unwrap()
}

async fn lease(store: &Store) -> Lease {
    let holder = Holder::named("a test", "a test that holds it");
    Lease::take(store.clone(), holder, Patience::Refuse, Arc::new(ThisMachine)).await.unwrap()
}

fn numbers(store: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(store.join("lease")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_use_is_waited_for_or_refused_by_name_and_only_looked_at_meanwhile() {
    let folder = Folder::with_corpus(40);
    let held = lease(&store(&folder)).await;
    let said = folder.strata(&format!("{SHARD} --no-wait")).ended_with(1).stderr;
    assert!(said.contains("a test that holds it") && !folder.path("store/raw").exists(), "{said}");

    let mut command = folder.command(&binaries::path("strata").unwrap(), SHARD);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("in use by a test that holds it")));
    held.release().await;
    let said: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "{said:?}");

    let held = lease(&store(&folder)).await;
    let status = folder.strata("status --store @store").ended_with(0).stdout;
    assert!(!status.contains("lease"), "{status}");
    folder.reduce("mine", "").ended_with(0);
    folder.strata("report --store @store").ended_with(0);
    held.release().await;
}

#[test]
fn a_command_gives_the_store_back_however_it_ends_and_leaves_two_small_objects() {
    let folder = Folder::with_corpus(40);
    for (words, code) in [(SHARD, 0), (SHARD, 0), ("shard @absent.jsonl --store @store", 2), (SHARD, 0)] {
        let begun = Instant::now();
        folder.strata(&format!("{words} --no-wait")).ended_with(code);
        assert!(begun.elapsed() < Duration::from_secs(30), "{words} waited");
    }
    assert_eq!(numbers(&folder.path("store")).len(), 2);
    let newest = numbers(&folder.path("store")).pop().unwrap();
    let text = std::fs::read_to_string(folder.path("store/lease").join(newest)).unwrap();
    let record: LeaseRecord = serde_json::from_str(&text).unwrap();
    assert!(record.released && record.what.starts_with("strata shard on "), "{record:?}");
}

#[tokio::test]
async fn what_a_killed_command_held_is_taken_at_once() {
    let folder = Folder::with_corpus(40);
    let store = store(&folder);
    let held = lease(&store).await;
    let text = store.get(&layout::lease(1)).await.unwrap();
    drop(held);
    let mut record: LeaseRecord = serde_json::from_slice(&text).unwrap();
    // No system gives ids that high.
    record.process = record.process.map(|process| Process { id: i32::MAX.cast_unsigned(), ..process });
    store.put(&layout::lease(2), serde_json::to_vec(&record).unwrap()).await.unwrap();
    folder.strata(&format!("{SHARD} --no-wait")).ended_with(0);
}
