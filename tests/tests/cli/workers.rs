//! Workers that `strata` starts: which shards they are told, what they say, and when none is started.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use strata_shared::store::Store;
use strata_tests::objects;
use strata_tests::process_group::ProcessGroup;
use strata_tests::sample_corpus::SampleCorpus;

use super::folder::{Folder, Said};

const LIMIT: Duration = Duration::from_mins(2);

/// Puts a worker of the test's making beside a copy of `strata`, and has it reduce.
fn reduce_with(folder: &Folder, script: &str, mode: u32, flags: &str) -> Said {
    let strata = folder.copy_of_strata();
    let worker = strata.with_file_name("reduce-worker");
    std::fs::write(&worker, script).unwrap();
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(mode)).unwrap();
    folder.command(&strata, &format!("reduce --store @store {flags}")).output().unwrap().into()
}

#[test]
fn a_worker_that_may_not_be_executed_is_named_and_tried_once() {
    let folder = Folder::with_corpus(20);
    folder.shard();
    let said = reduce_with(&folder, "", 0o644, "").ended_with(2).stderr;
    assert!(said.contains("bin/reduce-worker") && !said.contains("trying again"), "{said}");
}

#[test]
fn what_a_worker_prints_is_an_object_where_json_is_asked_for() {
    let folder = Folder::with_corpus(20);
    folder.shard();
    let script = "#!/bin/sh\nprintf 'a library \\033[2J speaks\\n' >&2\nexit 3\n";
    let said = reduce_with(&folder, script, 0o755, "--log-format json").ended_with(3).stderr;
    let lines: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "a library \u{1b}[2J speaks"), "{said}");
}

#[test]
fn what_a_worker_prints_steers_no_terminal() {
    let folder = Folder::with_corpus(20);
    folder.shard();
    let script = "#!/bin/sh\nprintf 'a library \\033[2J \\302\\233 \\342\\200\\256 speaks\\n' >&2\nexit 3\n";
    let said = reduce_with(&folder, script, 0o755, "").ended_with(3).stderr;
    assert!(said.contains("a library ⟨ESC⟩[2J ⟨U+009B⟩ ⟨U+202E⟩ speaks"), "{said}");
}

#[test]
fn missing_vectors_are_named_once_and_no_worker_is_started() {
    let folder = Folder::with_corpus(40);
    folder.shard();
    let missing = "vectors/hashed/shard_00001.parquet";
    std::fs::remove_file(folder.path("store").join(missing)).unwrap();
    let said = folder.reduce("mine", "").ended_with(1).stderr;
    assert_eq!(said.matches(missing).count(), 1, "{said}");
    assert!(!said.contains("trying again"), "{said}");
}

#[test]
fn a_finished_run_needs_its_vectors_no_more() {
    let folder = Folder::with_corpus(40);
    folder.shard();
    folder.reduce("mine", "").ended_with(0);
    std::fs::remove_dir_all(folder.path("store/vectors")).unwrap();
    folder.reduce("mine", "--vectors-of hashed").ended_with(0);
}

fn embed(corpus: &SampleCorpus, store: &Path, flags: &[&str]) -> String {
    // The run's own command names the model; what it needs besides is there already.
    let mut command = corpus.run(store.to_str().unwrap()).unwrap();
    command.args(flags);
    ProcessGroup::start(command).unwrap().wait(LIMIT).unwrap().succeeded().unwrap()
}

#[tokio::test]
async fn what_is_left_to_embed_is_shared_by_all_workers() {
    let (corpus, folder) = (SampleCorpus::write(180).unwrap(), tempfile::tempdir().unwrap());
    if !corpus.has_model {
        return;
    }
    embed(&corpus, folder.path(), &["--workers", "2"]);
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let expected = objects::read(&store).await.unwrap();
    let models = store.folders(&"vectors".into()).await.unwrap();
    let [model] = models.as_slice() else { panic!("{models:?}") };
    // Without a list, the first of two workers would find all its shards done.
    for shard in ["shard_00001", "shard_00003"] {
        store.delete(&format!("vectors/{model}/{shard}.parquet").into()).await.unwrap();
    }
    store.put(&format!("work/{model}/of-a-killed-run.json").into(), "{}").await.unwrap();
    let said = embed(&corpus, folder.path(), &["--workers", "2", "--log-format", "json"]);
    for worker in ["map-worker-0", "map-worker-1"] {
        let has_work = |line: &&str| line.contains(worker) && line.contains("wrote vectors");
        assert_eq!(said.lines().filter(has_work).count(), 1, "{worker}:\n{said}");
    }
    assert_eq!(objects::differences(&expected, &objects::read(&store).await.unwrap()), Vec::<String>::new());
}
