//! Workers as a pod runs them: what they leave behind for whoever asks why one has ended, and what a signal costs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use strata_shared::store::Store;
use strata_tests::installed::InstalledModel;
use strata_tests::objects::{self, Objects};
use strata_tests::{binaries, skipped};

use super::folder::{Folder, Said};

/// A folder with a corpus in three raw shards, and a file for last words.
struct Pod {
    folder: Folder,
    model: InstalledModel,
}

impl Pod {
    fn new(documents: u64, rows_per_shard: usize) -> Option<Self> {
        let Some(model) = InstalledModel::find() else {
            skipped::note("map-workers as pods run them, for want of a model or of ONNX Runtime");
            return None;
        };
        let folder = Folder::with_corpus(documents);
        let words = format!("shard @corpus.jsonl --store @store --text-field none --rows-per-shard {rows_per_shard}");
        folder.strata(&words).ended_with(0);
        Some(Self { folder, model })
    }

    fn words_file(&self) -> PathBuf {
        self.folder.path("termination-log")
    }

    fn words(&self) -> String {
        std::fs::read_to_string(self.words_file()).unwrap()
    }

    fn map_worker(&self) -> Command {
        let mut command = self.folder.command(&binaries::path("map-worker").unwrap(), "--store @store --threads 1");
        command.args(self.model.arguments()).envs([("POD_NAME", "strata-map-0-abcde"), ("JOB_COMPLETION_INDEX", "0")]);
        command.env("STRATA_TERMINATION_LOG", self.words_file());
        command
    }

    async fn objects(&self) -> Objects {
        objects::read(&Store::open(self.folder.path("store").to_str().unwrap()).unwrap()).await.unwrap()
    }
}

fn vectors(objects: &Objects) -> usize {
    objects.keys().filter(|key| key.starts_with("vectors/")).count()
}

#[tokio::test]
async fn a_poisoned_shard_between_two_good_ones_is_named_and_the_good_ones_are_done() {
    let Some(pod) = Pod::new(60, 25) else { return };
    std::fs::write(pod.folder.path("store/raw/shard_00001.parquet"), "poison").unwrap();
    let said = Said::from(pod.map_worker().output().unwrap()).ended_with(3);
    let objects = pod.objects().await;
    let written: Vec<&String> = objects.keys().filter(|key| key.starts_with("vectors/")).collect();
    assert!(written.len() == 2 && written[0].ends_with("00000.parquet") && written[1].ends_with("00002.parquet"));
    let words = pod.words();
    assert!(words.contains("raw/shard_00001.parquet: has 6 bytes") && words.lines().count() == 1, "{words}");
    let lines = said.stderr.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    let about =
        |message: &str| lines.iter().find(|line| line["message"].as_str().unwrap().starts_with(message)).unwrap();
    assert_eq!(about("wrote vectors")["shard"], "raw/shard_00000.parquet");
    assert_eq!(about("set a shard aside")["shard"], "raw/shard_00001.parquet");
    assert!(lines.iter().all(|line| line["pod"] == "strata-map-0-abcde" && line["timestamp"].is_string()), "{lines:?}");
}

#[tokio::test]
async fn a_worker_that_is_evicted_ends_in_time_and_the_next_one_goes_on_to_the_same_bytes() {
    let Some(pod) = Pod::new(600, 250) else { return };
    let mut child = pod.map_worker().args(["--log-format", "json"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("wrote vectors")), "ended before it wrote anything");
    let begun = Instant::now();
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
    let said: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said:?}");
    assert!(begun.elapsed() < Duration::from_secs(28), "{:?}", begun.elapsed());
    assert!(pod.words().contains("stopped"), "{}", pod.words());
    let left = pod.objects().await;
    assert!((1..=3).contains(&vectors(&left)), "{left:?}");
    Said::from(pod.map_worker().output().unwrap()).ended_with(0);
    let undisturbed = pod.objects().await;
    assert_eq!(vectors(&undisturbed), 3);
    assert!(left.iter().all(|(key, sha256)| undisturbed.get(key) == Some(sha256)), "a shard was written anew");
}

#[test]
fn every_program_leaves_its_last_words_where_it_is_told_to() {
    let folder = Folder::with_corpus(20);
    let words_file = folder.path("termination-log");
    for (program, words, code, said) in [
        ("map-worker", "--task-count zero", 2, "--task-count"),
        ("reduce-worker", "--clusters some", 2, "--clusters"),
        ("strata", "reduce --seed some", 2, "--seed"),
        ("map-worker", "--store @absent", 2, "there is no such directory"),
        ("reduce-worker", "--store @absent", 2, "there is no such directory"),
        ("strata", "status --store @absent", 2, "there is no such directory"),
    ] {
        let mut command = folder.command(&binaries::path(program).unwrap(), words);
        Said::from(command.env("STRATA_TERMINATION_LOG", &words_file).output().unwrap()).ended_with(code);
        let told = std::fs::read_to_string(&words_file).unwrap();
        assert!(told.contains(said) && told.lines().count() == 1, "{program} {words}: {told}");
    }
    std::fs::remove_file(&words_file).unwrap();
    let mut help = folder.command(&binaries::path("map-worker").unwrap(), "--help");
    Said::from(help.env("STRATA_TERMINATION_LOG", &words_file).output().unwrap()).ended_with(0);
    assert!(!words_file.exists(), "help is no failure");
}

#[test]
fn what_a_worker_of_this_machine_said_last_is_not_replaced_by_less() {
    let folder = Folder::with_corpus(40);
    folder.shard();
    std::fs::write(folder.path("store/vectors/hashed/shard_00001.parquet"), "poison").unwrap();
    let words_file = folder.path("termination-log");
    let strata = binaries::path("strata").unwrap();
    let mut command = folder.command(&strata, "reduce --store @store --clusters 3");
    Said::from(command.env("STRATA_TERMINATION_LOG", &words_file).output().unwrap()).ended_with(3);
    let told = std::fs::read_to_string(&words_file).unwrap();
    assert!(told.contains("shard_00001.parquet") && !told.contains("reduce-worker ended"), "{told}");
}

#[test]
fn an_address_for_metrics_that_is_taken_ends_nothing() {
    let folder = Folder::with_corpus(40);
    folder.shard();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = "--store @store --run mine --clusters 3 --log-format json";
    let mut command = folder.command(&binaries::path("reduce-worker").unwrap(), words);
    let said = Said::from(command.env("STRATA_METRICS", &address).output().unwrap()).ended_with(0).stderr;
    assert!(said.contains(&address) && said.contains("going on without metrics"), "{said}");
    let stages: Vec<&str> = said.lines().filter(|line| line.contains("stage is done")).collect();
    assert!(stages.len() > 3 && stages.iter().all(|line| line.contains(r#""run":"mine""#)), "{said}");
}
