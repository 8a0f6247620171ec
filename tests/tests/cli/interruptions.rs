//! Signals: programs end when they are asked to, leave nothing behind, and go on where they were.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};
use strata_shared::signals::Interruptions;
use strata_shared::store::Store;
use strata_tests::binaries;
use strata_tests::objects::{self, Objects};
use strata_tests::process_group::ProcessGroup;
use strata_tests::sample_corpus::SampleCorpus;

use super::folder::Folder;

const LIMIT: Duration = Duration::from_mins(2);

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed()).unwrap()
}

/// Waits for the end of a program, which must come soon; kills one that does not end.
fn wait(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < LIMIT {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("{} is still running after {LIMIT:?}", child.id());
}

/// Starts `strata`, signals it alone once it has said `word`, and returns its exit code.
fn interrupted(mut command: Command, word: &str, signal: Signal) -> Option<i32> {
    let mut child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let heard = lines.find(|line| line.contains(word));
    assert!(heard.is_some(), "ended without a word of {word:?}");
    kill_process(pid(&child), signal).unwrap();
    let said: Vec<String> = lines.collect();
    let code = wait(&mut child);
    assert!(test_kill_process_group(pid(&child)).is_err(), "workers outlive strata:\n{}", said.join("\n"));
    code
}

fn read(folder: &Path) -> Objects {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = Store::open(folder.to_str().unwrap()).unwrap();
    runtime.block_on(objects::read(&store)).unwrap()
}

fn finish(command: Command) {
    ProcessGroup::start(command).unwrap().wait(LIMIT).unwrap().succeeded().unwrap();
}

#[test]
fn strata_asked_to_stop_ends_its_workers_and_the_same_command_goes_on() {
    let (corpus, folder) = (SampleCorpus::write(600).unwrap(), tempfile::tempdir().unwrap());
    if !corpus.has_model {
        return;
    }
    let run = |store: &str| {
        let mut command = corpus.run(folder.path().join(store).to_str().unwrap()).unwrap();
        command.args(["--workers", "2"]);
        command
    };
    finish(run("undisturbed"));
    let expected = read(&folder.path().join("undisturbed"));
    for (store, signal) in [("terminated", Signal::TERM), ("interrupted", Signal::INT)] {
        assert_eq!(interrupted(run(store), "loaded ONNX Runtime", signal), Some(1), "{store}");
        let store_folder = folder.path().join(store);
        assert!(read(&store_folder).keys().all(|key| !key.starts_with("runs/")), "{store} was not interrupted");
        finish(run(store));
        assert_eq!(objects::differences(&expected, &read(&store_folder)), Vec::<String>::new(), "{store}");
    }
}

#[tokio::test]
async fn a_signal_asks_and_another_a_while_later_insists() {
    let mut interruptions = Interruptions::listen().unwrap();
    kill_process(rustix::process::getpid(), Signal::INT).unwrap();
    interruptions.asked().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    kill_process(rustix::process::getpid(), Signal::INT).unwrap();
    tokio::time::timeout(LIMIT, interruptions.insisted()).await.unwrap();
}

/// Tells whether the folder, or one in it, has an entry whose name begins so.
fn holds(folder: &Path, prefix: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        entry.file_name().to_string_lossy().starts_with(prefix) || entry.path().is_dir() && holds(&entry.path(), prefix)
    })
}

#[test]
fn a_reduce_asked_to_stop_ends_soon_and_leaves_no_temporary_file() {
    let folder = Folder::with_corpus(6000);
    folder.shard_by(3000);
    let scratch = folder.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let words = "--store @store --run mine --threads 1 --index HNSW64 --clusters 50";
    let mut command = folder.command(&binaries::path("reduce-worker").unwrap(), words);
    let mut child = command.env("TMPDIR", &scratch).stderr(Stdio::null()).spawn().unwrap();
    // The lonely list is written right before FAISS builds the index.
    while !folder.path("store/runs/mine/lonely.parquet").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "ended before it made an index");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(holds(&scratch, "strata-reduce-"));
    kill_process(pid(&child), Signal::TERM).unwrap();
    assert_eq!(wait(&mut child), Some(1));
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}
