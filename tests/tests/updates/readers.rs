//! Readers of a generation while others are made, and findings that do not depend on how a corpus came to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array;
use object_store::memory::InMemory;
use strata_reduce::corpus::{Columns, Corpus};
use strata_shared::exit::Exit;
use strata_shared::findings::Findings;
use strata_shared::generations;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, ModelName, RunName};
use strata_shared::run_record::RunRecord;
use strata_shared::store::Store;
use strata_tests::hashed_vectors;
use strata_tests::monthly::Month;

use super::pipeline::{Pipeline, Vectors, question, reduce, runtime};

fn store() -> Store {
    Store::new("memory:", Arc::new(InMemory::new()))
}

/// Makes sure that a vector is that of a text, which was brought to unit length once more.
fn assert_vector(found: &[f32], text: &str) {
    let expected = hashed_vectors::vector(text);
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(one, other)| (one - other).abs() < 1e-6), "{text}: {found:?}");
}

/// Ids and titles of all rows, in their order.
fn rows(corpus: &Corpus) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for shard in corpus.stream(Columns::All) {
        let shard = shard.unwrap();
        assert_eq!(shard.first_row, rows.len());
        let documents = shard.documents.unwrap();
        assert_eq!((documents.len(), shard.vectors.len()), (shard.ids.len(), shard.ids.len()));
        for row in 0..documents.len() {
            assert_eq!(shard.ids.value(row), documents.id(row));
            assert_vector(shard.vectors.row(row), documents.title(row));
            rows.push((documents.id(row).to_owned(), documents.title(row).to_owned()));
        }
    }
    rows
}

fn open(store: &Store, generation: Option<u64>) -> Corpus {
    let opened = async { Corpus::open(store.clone(), generation, None).await?.open_shards().await };
    runtime().block_on(opened).unwrap()
}

/// Streams blocks, so that it needs a runtime around it and none beneath.
pub(crate) fn rows_of(store: &Store, generation: Option<u64>) -> Vec<(String, String)> {
    let corpus = open(store, generation);
    let runtime = runtime();
    let _entered = runtime.enter();
    rows(&corpus)
}

fn expected(month: &Month) -> BTreeMap<String, String> {
    month
        .documents
        .iter()
        .map(|&(number, version)| (format!("paper/{number}"), Month::title(number, version)))
        .collect()
}

#[test]
fn a_reader_keeps_the_generation_that_it_has_opened() {
    let (store, first) = (store(), Month::first(100));
    let second = first.next(30, &[1, 2, 60], &[5]);
    runtime().block_on(Pipeline::new(&first, Vectors::Brought).run(&store)).unwrap();
    let opened = open(&store, None);
    let before = rows_of(&store, None);
    runtime().block_on(Pipeline::new(&second, Vectors::BroughtSince(&first)).run(&store)).unwrap();
    let runtime = runtime();
    let _entered = runtime.enter();
    assert_eq!(rows(&opened), before);
    assert_eq!(rows_of(&store, Some(1)), before);
    assert_eq!(rows_of(&store, Some(2)).into_iter().collect::<BTreeMap<_, _>>(), expected(&second));
}

#[test]
fn single_rows_are_those_that_the_stream_shows() {
    let (store, first) = (store(), Month::first(100));
    let second = first.next(10, &[1, 2, 60], &[5, 39, 40]);
    for (month, vectors) in [(&first, Vectors::Brought), (&second, Vectors::BroughtSince(&first))] {
        runtime().block_on(Pipeline::new(month, vectors).run(&store)).unwrap();
    }
    let all = rows_of(&store, None);
    let corpus = open(&store, None);
    let places: Vec<usize> = (0..all.len()).step_by(3).collect();
    runtime().block_on(async {
        let ids = corpus.ids(&places).await.unwrap();
        assert_eq!(ids, places.iter().map(|&place| all[place].0.clone()).collect::<Vec<_>>());
        let vectors = corpus.vectors(&places).await.unwrap();
        for (vector, &place) in vectors.outer_iter().zip(&places) {
            assert_vector(&vector.to_vec(), &all[place].1);
        }
        let documents = corpus.documents(places.clone()).await.unwrap();
        assert!(places.iter().all(|place| documents[place].title == all[*place].1));
    });
}

#[test]
fn a_run_over_an_earlier_generation_is_what_it_was_then() {
    let (store, first) = (store(), Month::first(100));
    let second = first.next(30, &[1, 2, 60], &[5]);
    let then = runtime().block_on(Pipeline::new(&first, Vectors::Brought).run(&store)).unwrap();
    let record = runtime().block_on(RunRecord::read(&store, &then)).unwrap();
    let now = runtime().block_on(Pipeline::new(&second, Vectors::BroughtSince(&first)).run(&store)).unwrap();
    assert_ne!(then, now);
    runtime().block_on(async {
        let again = strata_reduce::run(strata_reduce::Config { force: true, ..question(Some(1)) }, store.clone()).await;
        assert_eq!(again.unwrap(), then);
        assert_eq!(RunRecord::read(&store, &then).await.unwrap(), record);
        assert_eq!((record.generation, RunRecord::read(&store, &now).await.unwrap().generation), (1, 2));
        let absent = strata_reduce::run(question(Some(3)), store.clone()).await.unwrap_err();
        assert!(absent.exit() == Exit::Configuration && absent.chain().contains("no generation 3"), "{absent}");
    });
}

/// The label of each document in a run, read from its label shards.
pub(crate) async fn labels(store: &Store, run: &RunName) -> BTreeMap<String, i32> {
    let record = RunRecord::read(store, run).await.unwrap();
    let manifest = generations::read(store, record.generation).await.unwrap().manifest;
    let mut labels = BTreeMap::new();
    for shard in &manifest.shards {
        let of_shard = Labels::read(store, &layout::labels(run, shard.number())).await.unwrap();
        assert_eq!(of_shard.labels.len() as u64, shard.live_rows());
        labels.extend((0..of_shard.ids.len()).map(|row| (of_shard.ids.value(row).to_owned(), of_shard.labels[row])));
    }
    labels
}

#[test]
fn findings_are_those_of_a_fresh_store_with_the_same_documents() {
    let (grown, fresh) = (store(), store());
    let mut months = vec![Month::first(120)];
    for month in 1..4 {
        let last = &months[month - 1];
        months.push(last.next(20, &[month as u64, 70 + month as u64], &[10 + month as u64]));
    }
    let since = months.iter().map(Vectors::BroughtSince);
    for (month, vectors) in months.iter().zip(std::iter::once(Vectors::Brought).chain(since)) {
        runtime().block_on(Pipeline::new(month, vectors).run(&grown)).unwrap();
    }
    let last = months.last().unwrap();
    runtime().block_on(Pipeline::new(last, Vectors::Brought).run(&fresh)).unwrap();
    let mut following_none = question(None);
    following_none.settings.fresh = true;
    runtime().block_on(async {
        let run = reduce(&grown, following_none.clone()).await.unwrap();
        let of_fresh = reduce(&fresh, following_none).await.unwrap();
        let read = async |store: &Store, run: &RunName| {
            let record = RunRecord::read(store, run).await.unwrap();
            Findings::read(store, run, record).await.unwrap()
        };
        let (ours, theirs) = (read(&grown, &run).await, read(&fresh, &of_fresh).await);
        assert_eq!((ours.record.generation, theirs.record.generation), (4, 1));
        assert_eq!(ours.record.rows, last.documents.len() as u64);
        assert_eq!((ours.lonely, ours.topics, ours.timeline), (theirs.lonely, theirs.topics, theirs.timeline));
        assert_eq!(labels(&grown, &run).await, labels(&fresh, &of_fresh).await);
    });
}

#[test]
fn only_what_is_new_or_changed_is_embedded() {
    let (store, first) = (store(), Month::first(100));
    let model = ModelName::new(hashed_vectors::MODEL).unwrap();
    let second = first.next(30, &[1, 2, 60], &[5]);
    runtime().block_on(async {
        Pipeline::new(&first, Vectors::Made).run(&store).await.unwrap();
        let before = store.list(&layout::vectors_of(&model)).await.unwrap();
        let outcome = Pipeline::new(&second, Vectors::Made).shard(&store).await.unwrap();
        let share = strata_map::work::Share { task_index: 0, task_count: 1 };
        let shards = strata_map::work::assigned(&store, &outcome.manifest, None, share).await.unwrap();
        let missing = strata_map::work::missing(&store, &model, shards).await.unwrap();
        assert_eq!(missing.iter().map(|shard| shard.entry.rows).sum::<u64>(), 30 + 3);
        hashed_vectors::embed(&store).await.unwrap();
        let after = store.list(&layout::vectors_of(&model)).await.unwrap();
        assert_eq!(after.len(), before.len() + missing.len());
        assert!(before.iter().all(|object| after.contains(object)), "what was embedded is not touched");
    });
}
