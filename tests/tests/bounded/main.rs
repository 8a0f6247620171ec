//! A corpus through the real reduce within memory that another process keeps it to: the least that it says it needs.
//!
//! The path is that of millions of documents: inverted lists in a scratch file, an index of halves. What it may take would
//! not hold the corpus, so that a reduce that gathers texts or vectors instead of streaming them is stopped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod limit;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use strata_shared::layout;
use strata_shared::run_record::Latest;
use strata_shared::store::Store;
use strata_tests::archive::{Archive, Plan};
use strata_tests::binaries;
use strata_tests::compare::Found;
use strata_tests::planted_run::found;
use strata_tests::reduce_runs::least_memory;
use tokio::runtime::Runtime;

use limit::Limit;

/// Documents: more than an index that finds everything is made for. They are 54 MiB of vectors and 130 of text.
const ROWS: u64 = 110_000;

const DIM: usize = 128;

const CLUSTERS: u64 = 100;

/// The most that a reduce may need: 400 MiB and 40 bytes a document.
const MOST_BYTES: u64 = (400 << 20) + ROWS * 40;

/// The longest that the reduce may take, on two busy cores.
const PATIENCE: Duration = Duration::from_mins(10);

const RUN: &str = "bounded";

/// How far a similarity may be from what float64 says, since the table holds float32.
const ROUNDING: f64 = 1e-6;

fn generate(folder: &Path) -> u64 {
    let runtime = Runtime::new().unwrap();
    let store = Store::open_or_create(&folder.display().to_string()).unwrap();
    let plan = Plan { rows: ROWS, dim: DIM, ..Plan::default() };
    Archive::new(plan).unwrap().write(&store, runtime.handle()).unwrap().undated
}

fn worker(folder: &Path, memory: &str, flags: &[&str]) -> Command {
    let mut command = binaries::command("reduce-worker").unwrap();
    command.arg("--store").arg(folder).args(["--run", RUN, "--memory", memory, "--clusters", &CLUSTERS.to_string()]);
    command.args(flags);
    command
}

/// Reduces within the least that the program says it needs, and returns that in bytes.
fn reduce(folder: &Path, flags: &[&str]) -> u64 {
    let least = least_memory(worker(folder, "1MiB", flags)).unwrap();
    let limit = Limit::new(least << 20);
    eprintln!("kept to {least} MiB by {limit}");
    let end = limit.run(worker(folder, &format!("{least}MiB"), flags), PATIENCE).unwrap();
    let peak = end.peak_bytes.map_or("unknown".into(), |bytes| format!("{} MiB", bytes >> 20));
    assert!(end.is_within, "took more than it may: a peak of {peak}\n{}", end.output);
    eprintln!("resident at most: {peak}");
    least << 20
}

fn read(folder: &Path) -> Found {
    let latest = serde_json::to_vec(&Latest { run: RUN.into() }).unwrap();
    let store = Store::open(&folder.display().to_string()).unwrap();
    Runtime::new().unwrap().block_on(store.put(&layout::latest(), latest)).unwrap();
    found(folder).unwrap()
}

fn assert_all_counted(found: &Found, undated: u64) {
    let findings = &found.findings;
    assert_eq!((findings.record.rows, findings.record.periods.undated), (ROWS, undated));
    assert_eq!(findings.topics.iter().map(|topic| topic.size).sum::<i64>(), ROWS as i64);
    assert_eq!(found.labels.len() as u64, ROWS);
    assert!(findings.topics.iter().all(|topic| !topic.name.is_empty()));
    let counted: i64 = findings.timeline.iter().map(|entry| entry.count).sum();
    assert_eq!(counted as u64, ROWS - undated);
}

/// Compares the list with brute force that ends for a document at its k-th neighbour above the list's last.
fn assert_the_loneliest_are_listed(found: &Found) {
    let lonely = &found.findings.lonely;
    assert_eq!(lonely.len(), 100);
    let last = f64::from(lonely[99].similarity);
    let k = found.findings.record.lonely.k;
    let listed = |id: &str| lonely.iter().any(|document| document.id == id);
    for (row, id) in found.ids.iter().enumerate() {
        let similarities = (0..found.ids.len()).filter(|other| *other != row).map(|other| cosine(found, row, other));
        if similarities.clone().filter(|cosine| *cosine > last + ROUNDING).take(k).count() == k {
            assert!(!listed(id), "{id} has {k} neighbours nearer than {last}");
        } else if similarities.filter(|cosine| *cosine >= last - ROUNDING).take(k).count() < k {
            assert!(listed(id), "{id} is lonelier than {last}, the last of the list");
        }
    }
}

fn cosine(found: &Found, row: usize, other: usize) -> f64 {
    let (left, right) = (found.vectors.row(row).as_chunks::<8>().0, found.vectors.row(other).as_chunks::<8>().0);
    let mut sums = [0.0_f64; 8];
    for (left, right) in left.iter().zip(right) {
        sums.iter_mut().zip(left.iter().zip(right)).for_each(|(sum, (a, b))| *sum += f64::from(*a) * f64::from(*b));
    }
    sums.iter().sum()
}

#[test]
fn documents_are_reduced_within_the_memory_that_is_said_to_suffice() {
    let folder = tempfile::tempdir().unwrap();
    let undated = generate(folder.path());
    assert!(reduce(folder.path(), &[]) <= MOST_BYTES);
    let found = read(folder.path());
    assert_all_counted(&found, undated);
    assert_the_loneliest_are_listed(&found);
}

#[test]
fn indexes_that_faiss_builds_stay_within_what_they_are_said_to_take() {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path());
    for factory in ["Flat", "IVF100,Flat", "HNSW8"] {
        eprintln!("{factory}:");
        reduce(folder.path(), &["--force", "--index", factory]);
    }
}

/// The cgroup where there can be one, and the watch that takes its place elsewhere.
fn both_kinds() -> [Limit; 2] {
    [Limit::new(64 << 20), Limit::watched(64 << 20)]
}

#[test]
fn a_program_that_takes_more_than_it_may_is_stopped() {
    for limit in both_kinds() {
        let mut greedy = Command::new("dd");
        greedy.args(["if=/dev/zero", "of=/dev/null", "bs=256M", "count=40"]);
        let end = limit.run(greedy, Duration::from_mins(1)).unwrap();
        assert!(!end.is_within, "{limit}: {}", end.output);
    }
}

#[test]
fn a_program_that_takes_little_is_left_alone() {
    for limit in both_kinds() {
        let mut modest = Command::new("sh");
        modest.args(["-c", "echo done"]);
        let end = limit.run(modest, Duration::from_mins(1)).unwrap();
        assert!(end.is_within && end.output == "done\n", "{limit}: {}", end.output);
    }
}
