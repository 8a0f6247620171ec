//! The real program on a corpus of some size: killed in each of its stages, and out of room in its scratch folder.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use strata_shared::store::Store;
use strata_tests::archive::{Archive, Plan};
use strata_tests::objects::{self, Objects};
use strata_tests::process_group::ProcessGroup;
use strata_tests::reduce_runs::{least_memory, stages};
use strata_tests::{binaries, private_mount, skipped};
use tokio::runtime::Runtime;

/// More than an index that finds everything is made for.
const ROWS: usize = 110_000;

const DIM: usize = 32;

const SHARD_ROWS: usize = 10_000;

const CLUSTERS: usize = 100;

/// What lines of the log have once a stage has begun or ended, and the stages that are finished for good by then.
const STAGES: [(&str, &[&str]); 6] = [
    ("\"sample\"", &[]),
    ("\"label\"", &["k-means"]),
    ("\"findings\"", &["k-means"]),
    ("lonely: first rows", &["sample", "k-means", "labels", "findings"]),
    ("lonely: own cluster", &["sample", "k-means", "labels", "findings"]),
    ("lonely: other clusters", &["sample", "k-means", "labels", "findings"]),
];

const LIMIT: Duration = Duration::from_mins(5);

/// Runs the program at the end of a shell's life in a folder that is filled once the program counts on it.
const FILL: &str = r#"folder=$1 log=$2; shift 2; "$@" 2>"$log" & pid=$!
until grep -q "go to the scratch folder" "$log" || ! kill -0 $pid; do sleep 0.02; done
dd if=/dev/zero of="$folder/filler" bs=1M 2>/dev/null; wait $pid; code=$?; rm "$folder/filler"; cat "$log"; exit $code"#;

fn generate(store: &Path) {
    let (runtime, store) = (Runtime::new().unwrap(), Store::open_or_create(store.to_str().unwrap()).unwrap());
    let plan = Plan { rows: ROWS as u64, rows_per_shard: SHARD_ROWS, dim: DIM, ..Plan::default() };
    Archive::new(plan).unwrap().write(&store, runtime.handle()).unwrap();
}

fn worker(store: &Path, flags: &[&str]) -> Command {
    let mut command = binaries::command("reduce-worker").unwrap();
    command.arg("--store").arg(store).args(["--run", "mine", "--clusters", &CLUSTERS.to_string()]);
    command.args(["--log-format", "json"]).args(flags);
    command
}

fn finish(command: Command) {
    ProcessGroup::start(command).unwrap().wait(LIMIT).unwrap().succeeded().unwrap();
}

fn read(store: &Path) -> Objects {
    let store = Store::open(store.to_str().unwrap()).unwrap();
    Runtime::new().unwrap().block_on(objects::read(&store)).unwrap()
}

fn forget(store: &Path) {
    std::fs::remove_dir_all(store.join("runs")).unwrap();
}

/// Kills the program at the first line that has these words; tells whether there was one, and it was not too late.
fn killed_at(mut command: Command, words: &str) -> bool {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said = lines.into_iter().any(|line| line.contains(words));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    said && !status.success()
}

#[test]
fn a_reduce_killed_in_any_stage_goes_on_to_the_same_objects_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (store, scratch) = (folder.path().join("store"), folder.path().join("scratch"));
    std::fs::create_dir(&scratch).unwrap();
    generate(&store);
    let flags = ["--scratch", scratch.to_str().unwrap()];
    finish(worker(&store, &flags));
    let expected = read(&store);
    for (stage, finished) in STAGES {
        forget(&store);
        assert!(killed_at(worker(&store, &flags), stage), "nothing was killed at {stage:?}");
        // What a kill in the middle of a write leaves.
        std::fs::write(store.join("runs/mine/index.faiss#1"), "a part").unwrap();
        finish(worker(&store, &flags));
        assert_eq!(objects::differences(&expected, &read(&store)), Vec::<String>::new(), "killed at {stage:?}");
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "killed at {stage:?}");
        let run = store.join("runs/mine");
        assert!(!run.join("index.faiss#1").exists(), "killed at {stage:?}: a part of an object is left");
        let done_again = stages(&run).unwrap();
        assert!(!done_again.iter().any(|done| finished.contains(&done.as_str())), "{stage:?}: {done_again:?} again");
    }
}

#[test]
fn what_was_done_beside_an_index_that_could_not_be_written_is_not_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    generate(&store);
    // A file cannot take the place of a folder.
    let index = store.join("runs/mine/index.faiss");
    std::fs::create_dir_all(&index).unwrap();
    let end = ProcessGroup::start(worker(&store, &[])).unwrap().wait(LIMIT).unwrap();
    assert!(end.code().is_some_and(|code| code != 0) && end.output.contains("index.faiss"), "{}", end.output);
    std::fs::remove_dir(&index).unwrap();
    finish(worker(&store, &[]));
    assert_eq!(stages(&store.join("runs/mine")).unwrap(), ["sort", "index", "all"]);
}

#[test]
fn a_scratch_folder_that_fills_up_is_named_and_the_same_command_with_room_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let [store, scratch, left] = ["store", "scratch", "left"].map(|name| folder.path().join(name));
    [&scratch, &left].into_iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    generate(&store);
    finish(worker(&store, &[]));
    let expected = read(&store);
    forget(&store);
    let memory = format!("{}MiB", least_memory(worker(&store, &["--memory", "1MiB"])).unwrap());
    let flags = ["--memory", memory.as_str(), "--scratch", scratch.to_str().unwrap()];
    let (worker, log) = (worker(&store, &flags), folder.path().join("log"));
    let mut filling = Command::new("sh");
    filling.args(["-c", FILL, "sh"]).arg(&scratch).arg(&log).arg(worker.get_program()).args(worker.get_args());
    for variable in worker.get_envs().filter(|(_, value)| value.is_none()) {
        filling.env_remove(variable.0);
    }
    let Some(command) = private_mount::small(&filling, &scratch, "100m", &left) else {
        return skipped::note("a scratch folder that fills up, for want of the right to mount a small one");
    };
    let end = ProcessGroup::start(command).unwrap().wait(LIMIT).unwrap();
    assert_eq!(end.code(), Some(1), "{}", end.output);
    assert!(end.output.contains(scratch.to_str().unwrap()), "{}", end.output);
    assert_eq!(std::fs::read_dir(&left).unwrap().count(), 0, "the folder keeps something");
    finish(self::worker(&store, &flags));
    assert_eq!(objects::differences(&expected, &read(&store)), Vec::<String>::new());
}
