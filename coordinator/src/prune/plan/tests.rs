use std::num::NonZeroUsize;
use std::time::Duration;

use object_store::path::Path;
use proptest::prelude::*;
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::{InputEntry, Manifest, ShardEntry, SupersededEntry};
use strata_shared::run_record::{ClustersRecord, IndexRecord, LonelyRecord, OutputEntry, PeriodsRecord, RunRecord};
use strata_shared::settings::{ReduceSettings, ShardSettings};

use super::super::announced::AnnouncedGeneration;
use super::super::policy::Grace;
use super::*;

const DAY: i64 = 86_400;
const NOW: i64 = 100 * DAY;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn policy(keep: usize) -> Policy {
    Policy { keep: NonZeroUsize::new(keep).unwrap(), grace: Grace(Duration::from_secs(DAY as u64)) }
}

fn name(name: &str) -> RunName {
    RunName::new(name).unwrap()
}

fn model() -> ModelName {
    ModelName::new("m").unwrap()
}

fn manifest(generation: u64, shards: &[usize], superseded: bool) -> Manifest {
    let entry = |number: &usize| ShardEntry {
        key: layout::raw_shard(*number).to_string(),
        rows: 2,
        superseded: 0,
        bytes: 1,
        sha256: String::new(),
    };
    let input = InputEntry { name: "a".into(), lines: 0, blank: 0, sha256: String::new() };
    let first = Manifest::first(shards.iter().map(entry).collect(), vec![input], (0, 0), ShardSettings::default());
    let key = layout::superseded(generation).to_string();
    let superseded = superseded.then_some(SupersededEntry { key, rows: 1, bytes: 1, sha256: String::new() });
    Manifest { generation, superseded, ..first }
}

fn record(run: &RunName, generation: u64, shards: &[usize]) -> RunRecord {
    let tables = [run_file::CENTROIDS, run_file::TOPICS].map(|file| layout::in_run(run, file));
    let keys = tables.into_iter().chain(shards.iter().map(|number| layout::labels(run, *number)));
    let output = |key: Path| OutputEntry { key: key.to_string(), bytes: 1, sha256: String::new() };
    RunRecord {
        format: 2,
        run: run.to_string(),
        vectors_of: "m".into(),
        generation,
        manifest_sha256: String::new(),
        parameters: ReduceSettings::default(),
        predecessor: None,
        rows: 1,
        dim: 1,
        inertia: 0.0,
        clusters: ClustersRecord { requested: 1, found: 1, sample_rows: 1 },
        next_topic_id: None,
        index: IndexRecord { factory: String::new(), nprobe: None, recall_at_10: None },
        lonely: LonelyRecord { k: 1, listed: 0, cutoff: None, too_short: 0 },
        periods: PeriodsRecord { undated: 0, recent: None, incomplete: Vec::new(), thin: Vec::new() },
        notes: Vec::new(),
        outputs: keys.map(output).collect(),
    }
}

/// A store of which every object has a byte.
#[derive(Debug, Clone, Default)]
struct Scene {
    inventory: Inventory,
    announced: Announced,
}

impl Scene {
    fn put(&mut self, object: Object, written: i64) {
        self.inventory.objects.insert(object.key(), Listed { object, bytes: 1, modified: at(written) });
    }

    fn generation(&mut self, number: u64, shards: &[usize], superseded: bool) {
        self.put(Object::Generation(number), 0);
        self.put(Object::RejectedOf(number), 0);
        if superseded {
            self.put(Object::Superseded(number), 0);
        }
        for &shard in shards {
            self.put(Object::RawShard(shard), 0);
            self.put(Object::VectorShard(model(), shard), 0);
        }
        let generation = AnnouncedGeneration {
            manifest: manifest(number, shards, superseded),
            sha256: format!("sha256 of {number}"),
        };
        self.announced.generations.insert(number, generation);
    }

    fn finished(&mut self, run: &str, generation: u64, finished: i64) {
        let run = name(run);
        let shards: Vec<usize> =
            self.announced.generations[&generation].manifest.shards.iter().map(ShardEntry::number).collect();
        let record = record(&run, generation, &shards);
        for output in &record.outputs {
            self.put(Object::parse(&Path::from(output.key.as_str())).unwrap(), finished);
        }
        for file in [run_file::RECORD, run_file::MEASUREMENTS, run_file::REPORT] {
            self.put(Object::InRun(run.clone(), file), finished);
        }
        self.announced.finished.push(FinishedRun { name: run, record, finished: at(finished) });
    }

    fn unfinished(&mut self, run: &str, generation: u64, follows: Option<&str>, written: i64) {
        let run = name(run);
        self.put(Object::InRun(run.clone(), run_file::UNFINISHED), written);
        self.put(Object::InRun(run.clone(), run_file::CENTROIDS), 0);
        self.put(Object::Labels(run.clone(), 0), 0);
        let manifest_sha256 = Some(format!("sha256 of {generation}"));
        self.announced.unfinished.push(UnfinishedRun {
            name: run,
            manifest_sha256,
            follows: follows.map(str::to_owned),
        });
    }

    fn plan(&self, keep: usize) -> Plan {
        Plan::new(&self.inventory, &self.announced, policy(keep), at(NOW))
    }

    fn removed(&self, keep: usize) -> Vec<String> {
        let mut keys: Vec<String> =
            self.plan(keep).steps.iter().flatten().map(|object| object.key().to_string()).collect();
        keys.sort();
        keys
    }

    /// Three generations that each have a run; the second replaces shard 1 by shard 2, the third adds shard 3.
    fn three_months() -> Self {
        let mut scene = Self::default();
        scene.generation(1, &[0, 1], false);
        scene.generation(2, &[0, 2], true);
        scene.generation(3, &[0, 2, 3], true);
        for object in [Object::Manifest, Object::Rejected, Object::Latest, Object::Lease(1)] {
            scene.put(object, 0);
        }
        (1..=3).for_each(|number| scene.finished(&format!("month-{number}"), number, number as i64 * 30 * DAY));
        scene.announced.latest = Some(name("month-3"));
        scene
    }
}

#[test]
fn the_newest_runs_stay_with_all_that_they_name() {
    let scene = Scene::three_months();
    assert!(scene.removed(3).is_empty() && scene.removed(12).is_empty());
    let plan = scene.plan(1);
    assert_eq!((plan.runs.kept, plan.runs.removed), (vec!["month-3".into()], vec!["month-1".into(), "month-2".into()]));
    assert_eq!((plan.generations.kept, plan.generations.removed), (vec![3], vec![1, 2]));
    let removed = scene.removed(2);
    assert_eq!(
        removed,
        [
            "raw/generations/00000001.json",
            "raw/generations/00000001.rejected.jsonl",
            "raw/shard_00001.parquet",
            "runs/month-1/centroids.parquet",
            "runs/month-1/labels/shard_00000.parquet",
            "runs/month-1/labels/shard_00001.parquet",
            "runs/month-1/measurements.json",
            "runs/month-1/report.html",
            "runs/month-1/run.json",
            "runs/month-1/topics.parquet",
            "vectors/m/shard_00001.parquet",
        ]
    );
}

#[test]
fn the_run_that_is_called_the_newest_stays_whatever_its_age() {
    let mut scene = Scene::three_months();
    scene.announced.latest = Some(name("month-1"));
    let plan = scene.plan(1);
    assert_eq!(plan.runs.removed, ["month-2"]);
    assert_eq!(plan.generations.removed, [2]);
}

#[test]
fn runs_of_one_generation_are_ordered_by_their_end_and_then_by_name() {
    let mut scene = Scene::three_months();
    scene.finished("fine", 3, 95 * DAY);
    scene.finished("coarse", 3, 95 * DAY);
    scene.announced.latest = None;
    assert_eq!(scene.plan(1).runs.kept, ["fine"]);
    assert_eq!(scene.plan(2).runs.kept, ["coarse", "fine"], "the oldest first");
    assert_eq!(scene.plan(3).runs.kept, ["month-3", "coarse", "fine"]);
}

#[test]
fn what_nobody_names_goes_once_it_is_old() {
    let mut scene = Scene::three_months();
    let old = [
        Object::RawShard(9),
        Object::Superseded(4),
        Object::RejectedOf(4),
        Object::VectorShard(model(), 9),
        Object::WorkList(model(), "a".repeat(64)),
        Object::Labels(name("month-3"), 7),
        Object::InRun(name("month-3"), run_file::UNFINISHED),
    ];
    old.iter().for_each(|object| scene.put(object.clone(), NOW - DAY));
    let mut expected: Vec<String> = old.iter().map(|object| object.key().to_string()).collect();
    expected.sort();
    assert_eq!(scene.removed(3), expected);
    for object in &old {
        scene.put(object.clone(), NOW - DAY + 1);
    }
    assert!(scene.removed(3).is_empty());
    assert_eq!(scene.plan(3).left().objects, old.len() as u64);
    // What an update has left is as young as its youngest object; a clock that went backwards makes all of it young.
    scene.put(Object::RawShard(9), 0);
    assert!(scene.removed(3).is_empty());
    old.iter().for_each(|object| scene.put(object.clone(), NOW + DAY));
    assert!(scene.removed(3).is_empty());
}

#[test]
fn a_run_that_may_be_under_way_stays_whole_with_what_it_needs() {
    let mut scene = Scene::three_months();
    scene.unfinished("again", 1, Some("month-2"), NOW - 60);
    let plan = scene.plan(1);
    assert_eq!((plan.runs.removed, plan.generations.removed), (vec!["month-1".to_owned()], vec![]));
    let mut scene = Scene::three_months();
    scene.unfinished("again", 1, Some("month-2"), NOW - DAY);
    let plan = scene.plan(1);
    assert_eq!((plan.runs.removed.len(), plan.generations.removed), (2, vec![1, 2]));
    assert_eq!(plan.unfinished.keys().collect::<Vec<_>>(), [&name("again")]);
}

#[test]
fn the_vectors_of_one_model_go_alone() {
    let mut scene = Scene::three_months();
    let other = ModelName::new("other").unwrap();
    scene.put(Object::VectorShard(other.clone(), 0), NOW);
    scene.put(Object::WorkList(other.clone(), "b".repeat(64)), NOW);
    let plan = Plan::drop_vectors(&scene.inventory, &other);
    assert_eq!(plan.removed().objects, 2);
    assert!(plan.steps.iter().flatten().all(|object| object.key().as_ref().contains("/other/")));
}

/// A store of some generations, whose shards come and go, with runs over them, and things that nobody names.
fn scenes() -> impl Strategy<Value = Scene> {
    let generations = prop::collection::vec((prop::collection::btree_set(0usize..8, 1..5), any::<bool>()), 1..6);
    let runs = prop::collection::vec((0usize..6, 0..NOW, 0u8..3), 0..8);
    let orphans = prop::collection::vec((0usize..12, NOW - 2 * DAY..NOW + DAY, 0u8..4), 0..8);
    (generations, runs, orphans, any::<prop::sample::Index>()).prop_map(|(generations, runs, orphans, latest)| {
        let mut scene = Scene::default();
        for (number, (shards, superseded)) in (1..).zip(&generations) {
            scene.generation(number, &shards.iter().copied().collect::<Vec<_>>(), *superseded);
        }
        for (place, (generation, written, state)) in runs.into_iter().enumerate() {
            let generation = (generation % generations.len()) as u64 + 1;
            match state {
                0 => scene.unfinished(&format!("run-{place}"), generation, None, written),
                _ => scene.finished(&format!("run-{place}"), generation, written),
            }
        }
        for (number, written, kind) in orphans {
            let object = match kind {
                0 => Object::RawShard(number + 20),
                1 => Object::VectorShard(model(), number + 20),
                2 => Object::Superseded(number as u64 + 20),
                _ => Object::Labels(name("lost"), number),
            };
            scene.put(object, written);
        }
        let names: Vec<RunName> = scene.announced.finished.iter().map(|run| run.name.clone()).collect();
        scene.announced.latest = (!names.is_empty()).then(|| latest.get(&names).clone());
        if scene.inventory.runs().contains(&name("lost")) {
            let lost = UnfinishedRun { name: name("lost"), manifest_sha256: None, follows: None };
            scene.announced.unfinished.push(lost);
        }
        scene
    })
}

/// Returns the scene without these objects, and what it then announces.
fn without(scene: &Scene, gone: &[Object]) -> Scene {
    let mut left = scene.clone();
    for object in gone {
        left.inventory.objects.remove(&object.key());
    }
    let has = |object: Object| left.inventory.has(&object.key());
    left.announced.generations.retain(|number, _| has(Object::Generation(*number)));
    let (finished, others): (Vec<_>, Vec<_>) = std::mem::take(&mut left.announced.finished)
        .into_iter()
        .partition(|run| has(Object::InRun(run.name.clone(), run_file::RECORD)));
    left.announced.finished = finished;
    let unfinished =
        others.into_iter().map(|run| UnfinishedRun { name: run.name, manifest_sha256: None, follows: None });
    left.announced.unfinished.extend(unfinished);
    let runs = left.inventory.runs();
    left.announced.unfinished.retain(|run| runs.contains(&run.name));
    left
}

/// Names what a generation or a run of the scene names and is not there, of what was there before.
fn dangling(scene: &Scene, before: &Scene) -> Vec<String> {
    let manifests = scene.announced.generations.values().map(|generation| &generation.manifest);
    let named = References::of(manifests, scene.announced.finished.iter().map(|run| &run.record));
    let gone = before.inventory.objects.iter().filter(|(key, _)| !scene.inventory.has(key));
    let mut dangling: Vec<String> =
        gone.filter(|(_, listed)| named.name(&listed.object)).map(|(key, _)| key.to_string()).collect();
    let numbers = scene.announced.generations.keys().copied().collect::<BTreeSet<u64>>();
    let unknown = scene.announced.finished.iter().filter(|run| !numbers.contains(&run.record.generation));
    dangling.extend(unknown.map(|run| run.name.to_string()));
    dangling
}

proptest! {
    #[test]
    fn wherever_a_removal_ends_nothing_that_is_announced_names_what_is_gone(
        scene in scenes(), keep in 1usize..4, cut in any::<prop::sample::Index>(), seed in any::<u64>(),
    ) {
        let plan = scene.plan(keep);
        let mut order = plan.steps.clone();
        // Within a step any order will do.
        for step in &mut order {
            let turn = if step.is_empty() { 0 } else { seed as usize % step.len() };
            step.rotate_left(turn);
        }
        let order: Vec<Object> = order.into_iter().flatten().collect();
        let left = without(&scene, &order[..cut.index(order.len() + 1)]);
        prop_assert_eq!(dangling(&left, &scene), Vec::<String>::new());
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_what_is_kept_and_what_is_young(scene in scenes(), keep in 1usize..4) {
        let plan = scene.plan(keep);
        let gone: Vec<Object> = plan.steps.iter().flatten().cloned().collect();
        let left = without(&scene, &gone);
        let again = left.plan(keep);
        prop_assert_eq!(again.removed(), Amount::default(), "removed twice: {:?}", again.steps);
        prop_assert_eq!((&again.runs.kept, &again.generations.kept), (&plan.runs.kept, &plan.generations.kept));
        prop_assert_eq!(again.left(), plan.left());
        let counted: u64 = plan.objects.values().map(|fates| {
            fates.removed.objects + fates.left.objects + fates.kept.objects
        }).sum();
        prop_assert_eq!(counted, scene.inventory.objects.len() as u64);
    }

    #[test]
    fn keeping_more_removes_no_more(scene in scenes(), keep in 1usize..4) {
        let few: BTreeSet<Object> = scene.plan(keep).steps.into_iter().flatten().collect();
        let more: BTreeSet<Object> = scene.plan(keep + 1).steps.into_iter().flatten().collect();
        prop_assert!(more.is_subset(&few));
    }

    #[test]
    fn what_more_generations_and_runs_name_only_grows(scene in scenes()) {
        let manifests: Vec<&Manifest> = scene.announced.generations.values().map(|known| &known.manifest).collect();
        let records: Vec<&RunRecord> = scene.announced.finished.iter().map(|run| &run.record).collect();
        let fewer = References::of(manifests.iter().copied().skip(1), records.iter().copied().skip(1));
        let all = References::of(manifests, records);
        prop_assert!(scene.inventory.objects.values().all(|listed| !fewer.name(&listed.object) || all.name(&listed.object)));
    }
}
