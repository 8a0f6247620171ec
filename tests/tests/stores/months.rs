//! Months of a corpus in a bucket: updates, runs, a compaction and a prune leave the very objects that they leave in a directory,
//! and nothing of them is damaged.

use std::path::PathBuf;
use std::time::Duration;

use strata_shared::store::Store;
use strata_tests::binaries;
use strata_tests::monthly;
use strata_tests::objects::{self, Objects};
use strata_tests::process_group::ProcessGroup;
use strata_tests::s3_server::{self, S3Server};

const LIMIT: Duration = Duration::from_secs(120);

/// Gives `command` to the program, which must end well.
fn strata(command: &[&str], store: &str, environment: &[(&str, String)]) {
    let mut program = binaries::command("strata").unwrap();
    program.args(command).args(["--store", store]).envs(environment.iter().map(|(name, value)| (name, value)));
    let end = ProcessGroup::start(program).unwrap().wait(LIMIT).unwrap();
    assert_eq!(end.code(), Some(0), "{command:?}: {}", end.output);
}

/// Lets a store live through the months.
fn live(months: &[(PathBuf, PathBuf)], store: &str, environment: &[(&str, String)]) {
    let run = |(lines, vectors): &(PathBuf, PathBuf)| {
        let [lines, vectors] = [lines, vectors].map(|path| path.to_str().unwrap());
        let flags = ["--vectors", vectors, "--model-name", "hashed", "--complete", "--rows-per-shard", "40"];
        let question = ["--clusters", "5", "--lonely", "10"];
        strata(&[&["run", lines], &flags[..], &question].concat(), store, environment);
    };
    months.iter().for_each(run);
    strata(&["compact"], store, environment);
    run(months.last().unwrap());
    strata(&["prune", "--keep", "2", "--grace", "0s"], store, environment);
    strata(&["verify"], store, environment);
}

fn read(store: &Store) -> Objects {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(objects::read(store)).unwrap()
}

#[test]
fn months_in_a_bucket_leave_what_they_leave_in_a_directory() {
    let (server, folder) = (S3Server::start().unwrap(), tempfile::tempdir().unwrap());
    let months = monthly::write_all(folder.path(), &monthly::four()).unwrap();
    let directory = folder.path().join("store").display().to_string();
    live(&months, &directory, &[]);
    live(&months, &s3_server::url("corpus"), &server.environment());
    let (expected, found) = (read(&Store::open(&directory).unwrap()), read(&server.store("corpus").unwrap()));
    assert!(expected.keys().filter(|key| key.ends_with("run.json")).count() == 2, "{:?}", expected.keys());
    assert!(expected.contains_key("raw/generations/00000005.json"), "nothing was folded: {:?}", expected.keys());
    let differences = objects::differences(&expected, &found);
    assert!(differences.is_empty(), "{differences:#?}");
}
