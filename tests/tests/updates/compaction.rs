//! Shards that are folded together: the same documents, vectors and findings, in fewer objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::memory::InMemory;
use strata::shard::{self, Compaction, ShardError};
use strata_shared::documents::Documents;
use strata_shared::exit::{Exit, Failure};
use strata_shared::findings::{Findings, Topic, read_changes, read_topics};
use strata_shared::generations;
use strata_shared::layout::{self, ModelName, RunName, run_file};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::RunRecord;
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use strata_shared::vectors::{self, VectorShard, Vectors as Values};
use strata_tests::hashed_vectors;
use strata_tests::monthly::Month;
use strata_tests::objects;

use super::every_write::{as_first_format, dies_at_every_write};
use super::pipeline::{Pipeline, Vectors, question, reduce, runtime};
use super::readers::{labels, rows_of};

fn store() -> Store {
    Store::new("memory:", Arc::new(InMemory::new()))
}

/// Two months that leave two small shards and a worn one, of four.
fn months() -> (Month, Month) {
    let first = Month::first(95);
    let second = first.next(10, &[50, 90], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    (first, second)
}

/// Makes both months, and runs of each.
async fn make(store: &Store) -> Vec<RunName> {
    let (first, second) = months();
    let mut runs = Vec::new();
    for (month, vectors) in [(&first, Vectors::Brought), (&second, Vectors::BroughtSince(&first))] {
        runs.push(Pipeline::new(month, vectors).run(store).await.unwrap());
    }
    runs
}

async fn compact(store: &Store) -> Result<Compaction, Failure> {
    Ok(shard::compact(store).await?)
}

async fn newest(store: &Store) -> Manifest {
    generations::newest(store).await.unwrap().manifest
}

/// The bits of every vector by a model, by the id of its document; of shards that have none, nothing.
async fn vectors_of(store: &Store, model: &ModelName) -> BTreeMap<String, Vec<u32>> {
    let manifest = newest(store).await;
    let superseded = Superseded::read(store, &manifest).await.unwrap();
    let mut found = BTreeMap::new();
    for shard in &manifest.shards {
        let key = layout::vector_shard(model, shard.number());
        let opened = VectorShard::open(store, &key, model, &shard.sha256, shard.rows as usize).await;
        let Ok(opened) = opened else { continue };
        let (ids, vectors) = opened.read_vectors(store).await.unwrap();
        for row in (0..vectors.len()).filter(|&row| !superseded.contains(shard.number(), row as u32)) {
            let bits = vectors.row(row).iter().map(|value| value.to_bits()).collect();
            assert!(found.insert(ids.value(row).to_owned(), bits).is_none());
        }
    }
    found
}

#[test]
fn a_compaction_that_dies_at_any_write_ends_in_the_same_objects() {
    let make_first = |store: &Store| drop(runtime().block_on(make(store)));
    dies_at_every_write(make_first, &async |store: &Store| {
        compact(store).await?;
        reduce(store, question(None)).await.map(drop)
    });
}

#[test]
fn the_same_documents_and_vectors_are_in_fewer_shards() {
    let (store, model) = (store(), ModelName::new(hashed_vectors::MODEL).unwrap());
    runtime().block_on(make(&store));
    let rows = rows_of(&store, None).into_iter().collect::<BTreeMap<_, _>>();
    runtime().block_on(async {
        let (before, vectors) = (newest(&store).await, vectors_of(&store, &model).await);
        let all = objects::read(&store).await.unwrap();
        let planned = shard::plan_compaction(&store).await.unwrap();
        assert_eq!(objects::read(&store).await.unwrap(), all, "a plan writes nothing");
        let made = compact(&store).await.unwrap();
        assert_eq!(Compaction { bytes: made.bytes, ..planned.clone() }, made);
        assert_eq!((planned.shards_before, planned.shards, planned.folded), (4, 3, 3));
        assert_eq!((planned.rows, planned.dropped), (29 + 14 + 12, 11 + 1));
        let after = newest(&store).await;
        assert_eq!((after.generation, after.rows, after.undated), (3, before.rows, before.undated));
        assert_eq!((&after.inputs, after.rejected, after.update), (&before.inputs, before.rejected, before.update));
        assert_eq!(after.shards.iter().map(|shard| shard.rows).collect::<Vec<_>>(), [40, 40, 15]);
        assert_eq!((after.shards[0].number(), after.next_shard, after.own_shards().count()), (1, 6, 0));
        assert_eq!(vectors_of(&store, &model).await, vectors);
        let kept = objects::read(&store).await.unwrap();
        let copies = [layout::manifest(), layout::rejected()].map(|key| key.to_string());
        assert!(all.iter().all(|(key, sha256)| copies.contains(key) || kept.get(key) == Some(sha256)));
        let again = compact(&store).await.unwrap();
        assert!(again.is_nothing() && again.generation == 3);
        assert_eq!(objects::read(&store).await.unwrap(), kept, "there is nothing left to fold");
    });
    assert_eq!(rows_of(&store, None).into_iter().collect::<BTreeMap<_, _>>(), rows);
}

#[test]
fn findings_are_those_that_there_would_be_without() {
    let store = store();
    runtime().block_on(async {
        make(&store).await;
        let fresh = |generation| {
            let mut question = question(Some(generation));
            question.settings.fresh = true;
            question
        };
        let before = reduce(&store, fresh(2)).await.unwrap();
        let record = RunRecord::read(&store, &before).await.unwrap();
        compact(&store).await.unwrap();
        let after = reduce(&store, fresh(3)).await.unwrap();
        assert_ne!(before, after);
        let read = async |run: &RunName| {
            let record = RunRecord::read(&store, run).await.unwrap();
            Findings::read(&store, run, record).await.unwrap()
        };
        let (then, now) = (read(&before).await, read(&after).await);
        assert_eq!((now.record.generation, now.record.rows), (3, then.record.rows));
        assert_eq!((now.lonely, now.topics, now.timeline), (then.lonely, then.topics, then.timeline));
        assert_eq!(labels(&store, &after).await, labels(&store, &before).await);
        let again = strata_reduce::Config { force: true, ..fresh(2) };
        assert_eq!(reduce(&store, again).await.unwrap(), before);
        assert_eq!(RunRecord::read(&store, &before).await.unwrap(), record, "an earlier generation is what it was");
    });
}

#[test]
fn a_store_of_the_first_format_is_compacted_and_keeps_its_first_generation() {
    let store = store();
    let first = Month::first(95);
    runtime().block_on(async {
        Pipeline::new(&first, Vectors::Brought).shard(&store).await.unwrap();
        as_first_format(&store).await;
        let found = generations::newest(&store).await.unwrap();
        assert!(!found.is_numbered && compact(&store).await.unwrap().is_nothing(), "one small shard stays");
        let second = first.next(3, &[], &[]);
        Pipeline::new(&second, Vectors::BroughtSince(&first)).shard(&store).await.unwrap();
        assert_eq!(compact(&store).await.unwrap().generation, 3);
        assert_eq!(generations::read(&store, 1).await.unwrap().bytes, found.bytes);
        assert_eq!(newest(&store).await.rows, 98);
    });
    assert_eq!(rows_of(&store, Some(1)).len(), 95);
}

/// Gives every shard of the newest generation vectors by another model, but those of these numbers.
async fn add_model(store: &Store, model: &ModelName, without: &[usize]) {
    for shard in newest(store).await.shards.iter().filter(|shard| !without.contains(&shard.number())) {
        let documents = Documents::read(store, &shard.path()).await.unwrap();
        let values = (0..documents.len()).flat_map(|row| {
            let words = hashed_vectors::vector(&format!("{} otherwise", documents.id(row)));
            let norm = words[..4].iter().map(|value| value * value).sum::<f32>().sqrt();
            words.into_iter().take(4).map(move |value| value / norm)
        });
        let bytes = vectors::encode(&documents, &Values::new(4, values.collect()), model, &shard.sha256).unwrap();
        store.put(&layout::vector_shard(model, shard.number()), bytes).await.unwrap();
    }
}

#[test]
fn vectors_of_every_model_move_and_none_is_lost() {
    let models = [hashed_vectors::MODEL, "another"].map(|name| ModelName::new(name).unwrap());
    // The one of the third shard is folded, since nobody could bring vectors of the row of it that is superseded.
    for (without, folded) in [(&[][..], 3), (&[2], 2), (&[0, 2, 3], 3), (&[0], 3)] {
        let store = store();
        runtime().block_on(async {
            make(&store).await;
            add_model(&store, &models[1], without).await;
            let before = [vectors_of(&store, &models[0]).await, vectors_of(&store, &models[1]).await];
            assert_eq!(compact(&store).await.unwrap().folded, folded, "without {without:?}");
            let after = [vectors_of(&store, &models[0]).await, vectors_of(&store, &models[1]).await];
            assert_eq!(before, after, "without {without:?}");
        });
    }
}

#[test]
fn shards_without_vectors_are_left_for_whoever_makes_them() {
    let store = store();
    let (first, second) = months();
    runtime().block_on(async {
        for month in [&first, &second] {
            Pipeline::new(month, Vectors::Made).shard(&store).await.unwrap();
        }
        let before = objects::read(&store).await.unwrap();
        assert!(compact(&store).await.unwrap().is_nothing());
        assert_eq!(objects::read(&store).await.unwrap(), before);
        hashed_vectors::embed(&store).await.unwrap();
        assert_eq!(compact(&store).await.unwrap().folded, 3);
    });
}

#[test]
fn a_shard_that_nobody_can_bring_vectors_for_is_folded_so_that_somebody_can() {
    let store = store();
    let (first, second) = months();
    runtime().block_on(async {
        Pipeline::new(&first, Vectors::Made).shard(&store).await.unwrap();
        let month = Pipeline::new(&second, Vectors::Brought);
        let missing = month.run(&store).await.unwrap_err();
        assert_eq!(missing.exit(), Exit::Retry, "{missing}");
        // All but its own, which has vectors.
        assert_eq!(compact(&store).await.unwrap().folded, 3);
        assert!(!month.shard(&store).await.unwrap().already_done, "the vectors of what was folded are missing");
        reduce(&store, question(None)).await.unwrap();
        // The last of them and its own are small, and have vectors by the same model now.
        assert_eq!(compact(&store).await.unwrap().folded, 2);
    });
}

#[test]
fn a_run_over_folded_shards_finds_what_was_found_before() {
    let store = store();
    let tables = |run: RunName| {
        let store = store.clone();
        async move {
            let topics = read_topics(&store, &layout::in_run(&run, run_file::TOPICS)).await.unwrap();
            let same = topics.into_iter().map(|topic| Topic { strength: None, ..topic });
            (same.collect::<Vec<_>>(), RunRecord::read(&store, &run).await.unwrap())
        }
    };
    runtime().block_on(async {
        let before = tables(make(&store).await.remove(1)).await;
        assert!(!compact(&store).await.unwrap().is_nothing());
        let run = reduce(&store, question(None)).await.unwrap();
        let changes = read_changes(&store, &layout::in_run(&run, run_file::CHANGES)).await.unwrap();
        assert!(changes.iter().all(|change| change.kind.is_sum() && change.documents == Some(0)), "{changes:?}");
        let after = tables(run).await;
        assert_eq!(before.0, after.0);
        assert_eq!(after.1.predecessor.unwrap().run, before.1.run);
    });
}

#[test]
fn updates_go_on_from_a_compacted_generation() {
    let (store, model) = (store(), ModelName::new(hashed_vectors::MODEL).unwrap());
    let (_, second) = months();
    let third = second.next(5, &[60, 95], &[30]);
    runtime().block_on(async {
        make(&store).await;
        compact(&store).await.unwrap();
        let kept = objects::read(&store).await.unwrap();
        for vectors in [Vectors::Made, Vectors::Brought] {
            let same = Pipeline::new(&second, vectors).shard(&store).await.unwrap();
            assert!(same.already_done && same.manifest.generation == 3);
        }
        assert_eq!(objects::read(&store).await.unwrap(), kept, "the same inputs again do nothing");
        let change = Pipeline::new(&third, Vectors::BroughtSince(&second)).shard(&store).await.unwrap().change.unwrap();
        assert_eq!((change.generation, change.new, change.changed, change.gone), (4, 5, 2, 1));
        let after = newest(&store).await;
        assert_eq!((after.compaction, after.own_shards().map(|shard| shard.rows).sum()), (None, 7));
        assert_eq!(vectors_of(&store, &model).await.len() as u64, after.rows);
    });
    let expected = third.documents.iter().map(|&(number, version)| Month::title(number, version));
    let mut expected: Vec<String> = expected.collect();
    let mut found: Vec<String> = rows_of(&store, None).into_iter().map(|(_, title)| title).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn lost_shards_of_a_compacted_generation_are_made_again_by_compact_alone() {
    let store = store();
    let (_, second) = months();
    runtime().block_on(async {
        make(&store).await;
        compact(&store).await.unwrap();
        let whole = objects::read(&store).await.unwrap();
        for key in [layout::raw_shard(4), layout::raw_shard(5), layout::superseded(3), layout::rejected_of(3)] {
            if store.head(&key).await.unwrap().is_none() {
                continue;
            }
            store.delete(&key).await.unwrap();
            let rejected = newest(&store).await.rejected;
            if key != layout::rejected_of(3) || rejected > 0 {
                let inputs = Pipeline::new(&second, Vectors::Made).shard(&store).await.unwrap_err();
                assert!(inputs.exit() == Exit::Data && inputs.to_string().contains(key.as_ref()), "{key}: {inputs}");
                compact(&store).await.unwrap();
                assert_eq!(objects::differences(&whole, &objects::read(&store).await.unwrap()), Vec::<String>::new());
            }
        }
        store.delete(&layout::raw_shard(1)).await.unwrap();
        let error = shard::compact(&store).await.unwrap_err();
        assert!(matches!(&error, ShardError::Lost { key, .. } if *key == layout::raw_shard(1)), "{error}");
    });
}

#[test]
fn of_an_update_and_a_compaction_at_once_one_wins_and_nothing_is_lost() {
    let (_, second) = months();
    let third = second.next(50, &[60, 95], &[30]);
    for _ in 0..20 {
        let store = store();
        runtime().block_on(async {
            make(&store).await;
            let update = Pipeline::new(&third, Vectors::Made);
            let (folded, updated) = tokio::join!(compact(&store), update.shard(&store));
            for failure in [folded.err(), updated.err()].into_iter().flatten() {
                assert_eq!(failure.exit(), Exit::Retry, "{failure}");
            }
            // Whoever was told to comes again, the one whose generation it is first.
            if newest(&store).await.compaction.is_some() {
                compact(&store).await.unwrap();
            }
            update.shard(&store).await.unwrap();
            hashed_vectors::embed(&store).await.unwrap();
            objects::check_announced(&store).await.unwrap();
            assert_eq!(newest(&store).await.rows, third.documents.len() as u64);
        });
        assert_eq!(rows_of(&store, None).len(), third.documents.len());
    }
}
