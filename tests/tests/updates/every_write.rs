//! Every write of a month's update and its run, once: death before it, death after it, then the same command again.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use strata::verify::{self, Depth};
use strata_shared::exit::Failure;
use strata_shared::generations;
use strata_shared::layout;
use strata_shared::store::Store;
use strata_tests::faults::{Death, FaultStore, Moment};
use strata_tests::monthly::Month;
use strata_tests::objects;

use super::pipeline::{Pipeline, Vectors, copy, read, runtime};

fn store(inner: &Arc<dyn ObjectStore>) -> Store {
    Store::new("memory:", Arc::clone(inner))
}

/// Does `work` as one process that dies at `death`; returns what came of it and the number of its writes.
fn live(
    inner: &Arc<dyn ObjectStore>,
    work: &impl AsyncFn(&Store) -> Result<(), Failure>,
    death: Option<Death>,
) -> (Result<(), Failure>, u64) {
    let faulty = FaultStore::new(Arc::clone(inner), death);
    let store = Store::new("memory:", Arc::new(faulty.clone()));
    let runtime = runtime();
    let done = runtime.block_on(work(&store));
    drop(runtime);
    (done, faulty.num_writes())
}

/// Dies at each write of `second` over a store that holds what `make_first` left, and goes on.
pub(crate) fn dies_at_every_write(make_first: impl Fn(&Store), second: &impl AsyncFn(&Store) -> Result<(), Failure>) {
    let first: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    make_first(&store(&first));
    let before = read(&first);
    let again = || -> Arc<dyn ObjectStore> {
        let inner = InMemory::new();
        runtime().block_on(copy(&store(&first), &inner));
        Arc::new(inner)
    };
    let undisturbed = again();
    let (done, num_writes) = live(&undisturbed, second, None);
    done.unwrap();
    let expected = read(&undisturbed);
    assert!(num_writes > 15, "{num_writes} writes are too few for an update and a run");
    for write in 1..=num_writes {
        for moment in [Moment::Before, Moment::After] {
            let inner = again();
            let (done, _) = live(&inner, second, Some(Death { write, moment }));
            assert!(done.is_err(), "nobody noticed death {moment:?} write {write}");
            let left = read(&inner);
            let copies = [layout::manifest(), layout::rejected(), layout::latest()].map(|key| key.to_string());
            let is_kept = |key: &String| copies.contains(key) || left.get(key) == before.get(key);
            assert!(before.keys().all(is_kept), "death {moment:?} write {write} touched what was there");
            let (done, _) = live(&inner, second, None);
            done.unwrap_or_else(|failure| panic!("after death {moment:?} write {write}: {failure}"));
            let differences = objects::differences(&expected, &read(&inner));
            assert!(differences.is_empty(), "after death {moment:?} write {write}: {differences:#?}");
        }
    }
}

fn months() -> (Month, Month) {
    let first = Month::first(100);
    let second = first.next(25, &[3, 50], &[7, 90]);
    (first, second)
}

#[test]
fn an_update_with_vectors_brought_along_that_dies_at_any_write_ends_in_the_same_objects() {
    let (first, second) = months();
    let month = Pipeline::new(&first, Vectors::Brought);
    let make_first = |store: &Store| drop(runtime().block_on(month.run(store)).unwrap());
    let second = Pipeline::new(&second, Vectors::BroughtSince(&first));
    dies_at_every_write(make_first, &async |store| second.run(store).await.map(drop));
}

/// Lets February, with the vectors that it brings, die at each of its writes over January, and does `next` then; `check` gets what
/// is there after that.
fn after_every_death(
    february: &Pipeline,
    next: &impl AsyncFn(&Store) -> Result<(), Failure>,
    check: impl Fn(u64, &Arc<dyn ObjectStore>),
) {
    let january = Pipeline::new(&months().0, Vectors::Brought);
    let update = async |store: &Store| february.shard(store).await.map(drop);
    for write in 1.. {
        for moment in [Moment::Before, Moment::After] {
            let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            runtime().block_on(january.shard(&store(&inner))).unwrap();
            let (done, num_writes) = live(&inner, &update, Some(Death { write, moment }));
            if done.is_ok() {
                assert!(num_writes > 5, "{num_writes} writes are too few for an update");
                return;
            }
            let next = runtime().block_on(next(&store(&inner)));
            next.unwrap_or_else(|failure| panic!("after death {moment:?} write {write}: {failure}"));
            check(write, &inner);
        }
    }
}

#[test]
fn vectors_brought_along_are_never_missed_by_the_month_after_one_that_died() {
    let (first, second) = months();
    // It changes a document of the second month, whose vectors its own file does not have.
    let third = second.next(10, &[3, 105], &[]);
    let march = Pipeline::new(&third, Vectors::BroughtSince(&first));
    let february = Pipeline::new(&second, Vectors::BroughtSince(&first));
    after_every_death(&february, &async |store| march.run(store).await.map(drop), |_, _| {});
}

/// The second month with vectors of other words than its own.
fn february_with_others(first: &Month, second: &Month) -> Pipeline {
    let others = second.next(0, &[3, 50, 110], &[]);
    Pipeline::new(second, Vectors::BroughtSince(first)).with_vectors(&others.vectors_since(None))
}

#[test]
fn vectors_of_an_attempt_that_died_give_way_to_others_and_to_none() {
    let (first, second) = months();
    let february = Pipeline::new(&second, Vectors::BroughtSince(&first));
    let others = february_with_others(&first, &second);
    let made = |february: &Pipeline| {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let made = async {
            Pipeline::new(&first, Vectors::Brought).shard(&store(&inner)).await?;
            february.shard(&store(&inner)).await
        };
        runtime().block_on(made).unwrap();
        read(&inner)
    };
    let (expected, expected_others) = (made(&february), made(&others));
    assert!(!objects::differences(&expected, &expected_others).is_empty());
    let next = async |store: &Store| match generations::newest(store).await?.manifest.generation {
        1 => others.shard(store).await.map(drop),
        // Others are refused where the generation is there.
        _ => february.shard(store).await.map(drop),
    };
    after_every_death(&february, &next, |write, inner| {
        let differences = [&expected, &expected_others].map(|expected| objects::differences(expected, &read(inner)));
        assert!(differences.iter().any(Vec::is_empty), "after write {write}: {differences:?}");
    });

    let none = Pipeline::new(&second.next(3, &[], &[]), Vectors::Made);
    after_every_death(&february, &async |store| none.shard(store).await.map(drop), |write, inner| {
        let verdict = runtime().block_on(verify::run(&store(inner), Depth::Contents)).unwrap();
        assert_eq!(verdict.num_damaged(), 0, "after write {write}: {}", verify::terminal(&verdict));
        let found = read(inner);
        // Where February's generation was made before the death, the vectors are its own.
        let is_made = found.contains_key(layout::generation(3).as_ref());
        let is_left = |key: &String| key.starts_with("vectors/") && key.ends_with("shard_00003.parquet");
        assert!(is_made || !found.keys().any(is_left), "after write {write}: vectors that nobody has brought");
    });
}

/// Makes of a first generation what the first format had.
pub(crate) async fn as_first_format(store: &Store) {
    let found = generations::newest(store).await.unwrap();
    let text = String::from_utf8(found.bytes.to_vec()).unwrap();
    let lines = text.lines().filter(|line| !line.contains("\"generation\"") && !line.contains("\"next_shard\""));
    let first = lines.collect::<Vec<_>>().join("\n").replace("\"format\": 2", "\"format\": 1");
    store.put(&layout::manifest(), first.into_bytes()).await.unwrap();
    store.delete(&layout::generation(1)).await.unwrap();
    store.delete(&layout::rejected_of(1)).await.unwrap();
}

#[test]
fn an_update_of_a_store_of_the_first_format_that_dies_at_any_write_ends_in_the_same_objects() {
    let (first, second) = months();
    let month = Pipeline::new(&first, Vectors::Made);
    let make_first = |store: &Store| {
        runtime().block_on(async {
            month.run(store).await.unwrap();
            as_first_format(store).await;
        });
    };
    let second = Pipeline::new(&second, Vectors::Made);
    dies_at_every_write(make_first, &async |store| second.run(store).await.map(drop));
}
