//! What a compaction promises beside others and beside vectors that are brought along, on stores in memory.

use std::path::PathBuf;

use strata_shared::exit::{Classify, Exit};
use strata_shared::generations;
use strata_shared::layout;
use strata_shared::manifest::Manifest;

use super::{plan, run};
use crate::shard::tests::{Bench, line, runtime};
use crate::shard::{ShardError, VectorsRequest, corpus, settle};

/// Encodes so many unit vectors as numpy does.
fn npy(rows: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 2), }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.into_bytes());
    file.extend((0..rows).flat_map(|_| [0.6_f32, 0.8]).flat_map(f32::to_le_bytes));
    file
}

/// Shards the documents of these numbers, with vectors by row.
fn shard(bench: &mut Bench, numbers: std::ops::Range<usize>) -> PathBuf {
    let file = bench.file(&format!("{}.npy", numbers.start), &npy(numbers.len()));
    bench.vectors = Some(VectorsRequest { file, model_name: "brought".parse().unwrap() });
    let lines: String = numbers.clone().map(line).collect();
    let input = bench.file(&format!("{}.jsonl", numbers.start), lines.as_bytes());
    bench.shard(&[&input]).unwrap();
    input
}

/// Three small shards, of which the last two were updates; returns the last snapshot.
fn bench() -> (Bench, PathBuf) {
    let mut bench = Bench::new();
    bench.settings.rows_per_shard = 10;
    let inputs = [0..3, 3..5, 5..9].map(|numbers| shard(&mut bench, numbers));
    (bench, inputs[2].clone())
}

fn newest(bench: &Bench) -> Manifest {
    runtime().block_on(generations::newest(&bench.store)).unwrap().manifest
}

#[test]
fn vectors_by_row_are_told_where_their_rows_are_no_more() {
    let (bench, input) = bench();
    let planned = runtime().block_on(plan(&bench.store)).unwrap();
    assert_eq!((planned.shards_before, planned.shards, planned.rows, planned.dropped), (3, 1, 9, 0));
    runtime().block_on(run(&bench.store)).unwrap();
    let made = newest(&bench);
    assert_eq!((made.generation, made.shards[0].number(), made.shards.len(), made.rows), (4, 3, 1, 9));
    assert!(bench.shard(&[&input]).unwrap().already_done, "the vectors of its lines are there");
    runtime().block_on(bench.store.delete(&layout::vector_shard(&"brought".parse().unwrap(), 3))).unwrap();
    let error = bench.shard(&[&input]).unwrap_err();
    assert!(error.exit() == Exit::Data && error.to_string().contains("expected a Parquet file with ids"), "{error}");
}

#[test]
fn whoever_comes_second_leaves_no_shard_of_its_own_where_the_first_lists_another() {
    let (bench, _) = bench();
    let before = newest(&bench);
    runtime().block_on(run(&bench.store)).unwrap();
    let made = newest(&bench);
    // As an update would that began before, with a shard that is as long.
    let key = made.shards[0].path();
    let mut other = bench.objects().into_iter().find(|(name, _)| *name == made.shards[0].key).unwrap().1;
    other[100] ^= 1;
    runtime().block_on(bench.store.put(&key, other)).unwrap();
    let late = Manifest { generation: 4, next_shard: 4, undated: 1, ..before.clone() };
    let error = runtime().block_on(settle::create(&bench.store, late)).unwrap_err();
    assert!(matches!(error, ShardError::Overtaken { generation: 4, .. }), "{error}");
    assert!(runtime().block_on(bench.store.head(&key)).unwrap().is_none());
    runtime().block_on(run(&bench.store)).unwrap();
    assert_eq!(newest(&bench), made);
    assert_eq!(runtime().block_on(bench.store.sha256(&key)).unwrap(), Some(made.shards[0].sha256.clone()));
}

#[test]
fn whoever_gives_up_removes_nothing_that_another_made_meanwhile() {
    let (bench, _) = bench();
    let before = newest(&bench);
    runtime().block_on(run(&bench.store)).unwrap();
    let objects = bench.objects();
    runtime().block_on(corpus::give_up(&before, &bench.store)).unwrap();
    assert_eq!(bench.objects(), objects);
    runtime().block_on(bench.store.put(&layout::raw_shard(4), "half")).unwrap();
    runtime().block_on(corpus::give_up(&newest(&bench), &bench.store)).unwrap();
    assert_eq!(bench.objects(), objects);
}
