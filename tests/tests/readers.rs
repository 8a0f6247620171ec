//! Every output, opened by the programs that people have: pyarrow, pandas, DuckDB, polars and Python's faiss.
//!
//! Gated on `STRATA_TEST_PYTHON`, an interpreter that has them, which `run.sh` makes of `readers.txt`; one that lacks some
//! is asked for the others. What each
//! must find is said in `readers.py`: names and types of columns as the contract's tables have them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use strata_tests::binaries;
use strata_tests::corpus::Plan;
use strata_tests::planted_run::{Embedding, PlantedRun};
use strata_tests::skipped;

/// The exit code by which the script says that the interpreter lacks a library.
const LACKING: i32 = 77;

fn run() -> &'static PlantedRun {
    static RUN: OnceLock<PlantedRun> = OnceLock::new();
    RUN.get_or_init(|| {
        let plan = Plan { documents: 700, ..Plan::default() };
        let embedding = Embedding::Synthetic { seed: 1 };
        let first = PlantedRun::new(&plan, &embedding, &["--rows-per-shard", "300", "--run", "first"]);
        let run = first.expect("a run that ends well");
        // One that follows it, which has a table of changes.
        let mut second = binaries::command("strata").expect("a program");
        second.args(["reduce", "--run", "second", "--warm-from", "first", "--store"]).arg(run.store());
        let output = second.output().expect("a program that starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        run
    })
}

fn read_with(library: &str) {
    let python = std::env::var_os("STRATA_TEST_PYTHON").filter(|python| !python.is_empty()).map(PathBuf::from);
    let Some(python) = python else {
        skipped::note(&format!("outputs read by {library}, for want of a Python named by STRATA_TEST_PYTHON"));
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers.py");
    let output =
        Command::new(&python).arg(script).arg(library).arg(run().store()).output().expect("a Python that starts");
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => {}
        Some(LACKING) => {
            skipped::note(&format!("outputs read by {library}, for want of {}", said.trim()));
        }
        _ => panic!("{library}: {said}{}", String::from_utf8_lossy(&output.stdout)),
    }
}

#[test]
fn pyarrow_reads_every_output() {
    read_with("pyarrow");
}

#[test]
fn pandas_reads_every_output() {
    read_with("pandas");
}

#[test]
fn duckdb_reads_every_output() {
    read_with("duckdb");
}

#[test]
fn polars_reads_every_output() {
    read_with("polars");
}

#[test]
fn faiss_reads_the_index_and_finds_each_document_at_its_global_row() {
    read_with("faiss");
}
