//! Stdout and stderr: which is whose, and what becomes of a program that nobody listens to.

use std::process::Command;

use strata_tests::binaries;

use super::folder::{Folder, Said};

/// Runs a command whose stderr nobody reads.
fn unheard(mut command: Command) -> Said {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stderr(writer).output().unwrap().into()
}

#[test]
fn a_stderr_that_nobody_reads_changes_no_end() {
    let folder = Folder::with_corpus(40);
    let strata = binaries::path("strata").unwrap();
    let run = "run @corpus.jsonl --vectors @vectors.npy --model-name hashed --store @store --clusters 3 --lonely 5";
    let said = unheard(folder.command(&strata, run)).ended_with(0);
    assert!(said.stdout.contains("40 documents"), "{}", said.stdout);
    unheard(folder.command(&strata, "config --config @none.toml")).ended_with(2);
    for worker in ["map-worker", "reduce-worker"] {
        let command = folder.command(&binaries::path(worker).unwrap(), "--store @none");
        unheard(command).ended_with(2);
    }
}
