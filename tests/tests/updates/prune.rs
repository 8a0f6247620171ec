//! Old runs and generations that go: deaths at every removal, and what is left works on as if nothing had ever been there.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use strata::prune::{self, Clock, Grace, Plan, Policy};
use strata::shard::ShardError;
use strata::verify::{self, Depth};
use strata::{ancestry, page};
use strata_shared::exit::{Exit, Failure};
use strata_shared::generations;
use strata_shared::layout::{self, ModelName, RunName, run_file};
use strata_shared::manifest::ManifestError;
use strata_shared::store::Store;
use strata_tests::faults::{Death, FaultStore, Moment};
use strata_tests::hashed_vectors;
use strata_tests::monthly::Month;
use strata_tests::objects;

use super::pipeline::{Pipeline, Vectors, copy, read, runtime};

fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

fn store(inner: &Arc<dyn ObjectStore>) -> Store {
    Store::new("memory:", Arc::clone(inner))
}

/// Three months: each has more documents, corrects some and withdraws some.
fn months() -> [Month; 3] {
    let first = Month::first(90);
    let second = first.next(25, &[3, 50], &[7]);
    let third = second.next(15, &[4], &[8, 60]);
    [first, second, third]
}

/// A store of three months, each with its run, and what killed commands left; returns the runs.
fn three_months(inner: &Arc<dyn ObjectStore>) -> Vec<RunName> {
    let store = store(inner);
    let runs = months().map(|month| runtime().block_on(Pipeline::new(&month, Vectors::Made).run(&store)).unwrap());
    let half = RunName::new("half").unwrap();
    let model = ModelName::new(hashed_vectors::MODEL).unwrap();
    let left = [
        layout::raw_shard(99),
        layout::vector_shard(&model, 99),
        layout::superseded(4),
        layout::rejected_of(4),
        layout::work_list(&model, &"a".repeat(64)),
        layout::in_run(&half, run_file::UNFINISHED),
        layout::in_run(&half, run_file::CENTROIDS),
        layout::labels(&half, 0),
    ];
    for key in left.into_iter().chain(["raw/notes.txt", "runs/half/notes.txt"].map(Path::from)) {
        runtime().block_on(store.put(&key, "{}")).unwrap();
    }
    runs.to_vec()
}

fn policy(keep: usize) -> Policy {
    Policy { keep: NonZeroUsize::new(keep).unwrap(), grace: Grace(Duration::from_secs(3_600)) }
}

/// Prunes as somebody would who comes back in two hours.
fn prune(store: &Store, keep: usize) -> Result<Plan, Failure> {
    runtime().block_on(async {
        let plan = prune::plan(store, policy(keep), Clock::Own(Utc::now() + Duration::from_secs(7_200))).await?;
        prune::carry_out(store, &plan).await?;
        Ok(plan)
    })
}

/// Returns what is damaged, and what is left over.
fn verify(inner: &Arc<dyn ObjectStore>) -> (usize, Vec<String>) {
    let verdict = runtime().block_on(verify::run(&store(inner), Depth::Contents)).unwrap();
    (verdict.num_damaged(), verdict.findings.iter().map(verify::Finding::sentence).collect())
}

#[test]
fn a_prune_that_dies_at_any_removal_leaves_nothing_damaged_and_goes_on() {
    let first = memory();
    three_months(&first);
    let again = || {
        let inner = InMemory::new();
        runtime().block_on(copy(&store(&first), &inner));
        Arc::new(inner) as Arc<dyn ObjectStore>
    };
    let undisturbed = again();
    let counting = FaultStore::new(Arc::clone(&undisturbed), None);
    let plan = prune(&Store::new("memory:", Arc::new(counting.clone())), 1).unwrap();
    assert_eq!(counting.num_writes(), plan.removed().objects);
    assert!(plan.removed().objects > 30, "{plan:?}");
    let expected = read(&undisturbed);
    assert_eq!(verify(&undisturbed), (0, vec![]));
    for write in 1..=counting.num_writes() {
        for moment in [Moment::Before, Moment::After] {
            let inner = again();
            let faulty = FaultStore::new(Arc::clone(&inner), Some(Death { write, moment }));
            assert!(prune(&Store::new("memory:", Arc::new(faulty)), 1).is_err(), "death {moment:?} removal {write}");
            read(&inner);
            let (damaged, said) = verify(&inner);
            assert_eq!(damaged, 0, "after death {moment:?} removal {write}: {said:#?}");
            prune(&store(&inner), 1).unwrap();
            let differences = objects::differences(&expected, &read(&inner));
            assert!(differences.is_empty(), "after death {moment:?} removal {write}: {differences:#?}");
        }
    }
}

#[test]
fn what_is_left_works_on_without_the_generations_and_runs_that_went() {
    let inner = memory();
    let runs = three_months(&inner);
    let [_, _, third] = months();
    let store = store(&inner);
    let plan = prune(&store, 1).unwrap();
    assert_eq!((plan.generations.removed, plan.generations.kept), (vec![1, 2], vec![3]));
    let keys = read(&inner);
    assert!(keys.contains_key("raw/notes.txt") && keys.contains_key("runs/half/notes.txt"), "others' objects stay");
    assert!(!keys.keys().any(|key| key.contains("shard_00099") || key.starts_with("work/")));

    runtime().block_on(async {
        // The same question finds its answer, though the run that it followed is gone.
        assert_eq!(Pipeline::new(&third, Vectors::Made).run(&store).await.unwrap(), runs[2]);
        let report = page::read(&store, None).await.unwrap();
        assert_eq!(report.findings.record.predecessor.as_ref().unwrap().run, runs[1].as_str());
        let error = ancestry::changes(&store, &report.findings.record, Some(runs[0].as_str())).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&format!("{}, which {} follows, is no longer there", runs[1], runs[2])), "{said}");
        assert_eq!(ancestry::all(&store).await.unwrap().len(), 1);
        let error = generations::read(&store, 2).await.unwrap_err();
        assert!(matches!(error, ManifestError::Pruned { number: 2, newest: 3, .. }), "{error}");
        for number in [0, 4] {
            let error = generations::read(&store, number).await.unwrap_err();
            assert!(matches!(error, ManifestError::NoGeneration { .. }), "{error}");
        }
    });
    assert!(objects::differences(&keys, &read(&inner)).is_empty());

    runtime().block_on(async {
        // A shard of the newest generation that is lost cannot be made again without the one before.
        let newest = generations::newest(&store).await.unwrap().manifest;
        let own = newest.own_shards().next().unwrap().path();
        let bytes = store.get(&own).await.unwrap();
        store.delete(&own).await.unwrap();
        let failure = Pipeline::new(&third, Vectors::Made).shard(&store).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Data);
        let lost = failure.downcast_ref::<ShardError>();
        assert!(matches!(lost, Some(ShardError::LostForGood { generation: 2, .. })), "{failure}");
        let verdict = verify::run(&store, Depth::Sizes).await.unwrap();
        let said = verdict.findings[0].sentence();
        assert!(said.contains(own.as_ref()) && said.contains("restore it"), "{said}");
        store.put(&own, bytes).await.unwrap();
        // The next month comes as ever.
        let fourth = third.next(10, &[5], &[]);
        Pipeline::new(&fourth, Vectors::Made).run(&store).await.unwrap();
        assert_eq!(generations::list(&store).await.unwrap(), [3, 4]);
    });
    assert_eq!(verify(&inner), (0, vec![]));
}

#[test]
fn nothing_goes_from_a_store_that_has_lost_what_names_objects() {
    let first = memory();
    let runs = three_months(&first);
    let cases = [
        (layout::generation(3), None, "00000003.json: is missing, though raw/manifest.json is a copy of it"),
        (layout::generation(1), None, "names generation 1, which is not there"),
        (layout::generation(2), Some("{"), "is not a manifest that this program reads"),
        (layout::in_run(&runs[0], run_file::RECORD), Some("{}"), "is not a record that this program reads"),
        (layout::latest(), Some("{\"run\": \"../x\"}"), "names a run that cannot be"),
    ];
    for (key, becomes, expected) in cases {
        let inner = memory();
        runtime().block_on(copy(&store(&first), &*inner));
        runtime().block_on(async {
            match becomes {
                Some(text) => store(&inner).put(&key, text).await.unwrap(),
                None => store(&inner).delete(&key).await.unwrap(),
            }
        });
        let before = runtime().block_on(objects::read(&store(&inner))).unwrap();
        let failure = prune(&store(&inner), 1).unwrap_err();
        assert!(failure.exit() == Exit::Data && failure.to_string().contains(expected), "{failure}");
        assert_eq!(runtime().block_on(objects::read(&store(&inner))).unwrap(), before, "{key}");
    }
    let empty = memory();
    runtime().block_on(store(&empty).put(&layout::raw_shard(0), "x")).unwrap();
    assert_eq!(prune(&store(&empty), 1).unwrap_err().exit(), Exit::Configuration);
}

#[test]
fn a_run_that_goes_on_after_the_plan_was_made_is_left_alone() {
    let inner = memory();
    three_months(&inner);
    let store = store(&inner);
    let half = RunName::new("half").unwrap();
    runtime().block_on(async {
        let clock = Clock::Own(Utc::now() + Duration::from_secs(7_200));
        let plan = prune::plan(&store, policy(1), clock).await.unwrap();
        assert!(plan.unfinished.contains_key(&half));
        let labels = layout::labels(&half, 1);
        store.put(&labels, "new").await.unwrap();
        prune::carry_out(&store, &plan).await.unwrap();
        for key in [labels, layout::labels(&half, 0), layout::in_run(&half, run_file::UNFINISHED)] {
            assert!(store.head(&key).await.unwrap().is_some(), "{key}");
        }
    });
}

#[test]
fn the_vectors_of_one_model_go_if_no_run_was_made_of_them() {
    let inner = memory();
    three_months(&inner);
    let store = store(&inner);
    let (used, other) = (ModelName::new(hashed_vectors::MODEL).unwrap(), ModelName::new("other").unwrap());
    runtime().block_on(async {
        store.put(&layout::vector_shard(&other, 0), "x").await.unwrap();
        let error = prune::plan_vectors(&store, &used, false).await.unwrap_err();
        assert!(error.exit() == Exit::Configuration && error.to_string().contains("--even-if-used"), "{error}");
        let error = prune::plan_vectors(&store, &ModelName::new("absent").unwrap(), true).await.unwrap_err();
        assert!(error.to_string().contains("expected one of hashed-words, other"), "{error}");
        for (model, even_if_used) in [(&other, false), (&used, true)] {
            let plan = prune::plan_vectors(&store, model, even_if_used).await.unwrap();
            prune::carry_out(&store, &plan).await.unwrap();
            assert!(store.list(&layout::vectors_of(model)).await.unwrap().is_empty());
        }
    });
    let (damaged, _) = verify(&inner);
    assert_eq!(damaged, 0, "vectors that are not there can be made");
}
