use std::sync::Arc;

use object_store::memory::InMemory;
use strata_shared::layout::{self, ModelName};
use strata_shared::store::Store;
use strata_shared::vectors::{VectorShard, Vectors};
use tokio::runtime::Runtime;

use super::*;

fn plan() -> Plan {
    Plan { rows: 700, dim: 24, topics: 12, rows_per_shard: 300, ..Plan::default() }
}

fn written(plan: Plan) -> (Runtime, Store, strata_shared::manifest::Manifest) {
    let runtime = Runtime::new().unwrap();
    let store = Store::new("memory", Arc::new(InMemory::new()));
    let manifest = Archive::new(plan).unwrap().write(&store, runtime.handle()).unwrap();
    (runtime, store, manifest)
}

/// Reads all ids, titles and vectors back as the reduce does.
fn read(plan: Plan) -> (Vec<String>, Vec<f32>) {
    let (runtime, store, manifest) = written(plan);
    let model = ModelName::new("archive").unwrap();
    let (mut texts, mut values) = (Vec::new(), Vec::new());
    for (index, entry) in manifest.shards.iter().enumerate() {
        let key = layout::vector_shard(&model, index);
        let shard = VectorShard::open(&store, &key, &model, &entry.sha256, entry.rows as usize);
        let shard = runtime.block_on(shard).unwrap();
        let (_, vectors) = runtime.block_on(shard.read_vectors(&store)).unwrap();
        let documents = runtime.block_on(shard.read_documents(&store)).unwrap();
        values.extend_from_slice(vectors.values());
        texts.extend(
            (0..documents.len()).map(|row| {
                format!("{} {} {:?}", documents.id(row), documents.abstract_text(row), documents.created(row))
            }),
        );
    }
    (texts, values)
}

#[test]
fn neither_threads_nor_the_cut_nor_the_number_of_rows_change_a_row() {
    let (texts, values) = read(plan());
    assert_eq!((texts.len(), values.len()), (700, 700 * 24));
    let cut_otherwise = read(Plan { rows_per_shard: 97, threads: 5, ..plan() });
    assert_eq!((&texts, &values), (&cut_otherwise.0, &cut_otherwise.1));
    let longer = read(Plan { rows: 900, ..plan() });
    assert_eq!((&texts[..], &values[..]), (&longer.0[..700], &longer.1[..700 * 24]));
    let other_seed = read(Plan { seed: 2, ..plan() });
    assert_ne!(texts, other_seed.0);
}

#[test]
fn a_corpus_of_vectors_only_has_row_numbers_for_ids_and_no_texts() {
    let archive = Archive::new(Plan { vectors_only: true, ..plan() }).unwrap();
    let document = archive.document(17);
    assert_eq!((document.id.as_str(), document.abstract_text.as_str(), document.created), ("17", "", None));
}

#[test]
fn a_store_that_holds_a_corpus_is_left_alone() {
    let (runtime, store, _) = written(plan());
    let again = Archive::new(plan()).unwrap().write(&store, runtime.handle());
    assert!(matches!(again, Err(ArchiveError::Taken { .. })));
}

#[test]
fn copies_lie_close_and_loners_far_and_most_rows_in_between() {
    let plan = Plan { rows: 60_000, dim: 384, topics: 50, vectors_only: true, ..Plan::default() };
    let archive = Archive::new(plan).unwrap();
    let directions = direction::Directions {
        seed: archive.plan.seed,
        roles: archive.roles(),
        sources: &archive.sources,
        normal: &archive.normal,
    };
    let mut near_source = Vec::new();
    for row in 0..60_000 {
        match archive.role(row) {
            Role::Copy { of } => {
                assert!(sources::dot(&directions.draw(row), &directions.draw(of)) > 0.99, "row {row} copies {of}");
            }
            Role::Loner { .. } => {
                let loner = directions.draw(row);
                let similarities = (0..archive.sources.len()).map(|s| sources::dot(&loner, archive.sources.vector(s)));
                let nearest = similarities.fold(-1.0_f32, f32::max);
                assert!((0.1..0.65).contains(&nearest), "row {row} has {nearest} to the nearest source");
            }
            Role::Ordinary { source } if row < 5_000 => {
                near_source.push(sources::dot(&directions.draw(row), archive.sources.vector(source)));
            }
            Role::Ordinary { .. } => {}
        }
    }
    near_source.sort_by(f32::total_cmp);
    let quantile = |part: usize| near_source[near_source.len() * part / 100];
    assert!((0.86..0.90).contains(&quantile(50)), "{}", quantile(50));
    assert!((0.75..0.79).contains(&quantile(10)), "{}", quantile(10));
    assert!(Vectors::new(384, directions.draw(1)).first_not_unit().is_none());
}
