//! Every kind of damage to a store, one at a time: told with its object and its remedy, and mended by that.

use std::sync::Arc;

use arrow::array::StringArray;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use strata::page;
use strata::shard::{self, Request, Terms};
use strata::verify::{self, Depth, Level, Verdict};
use strata_reduce::Config;
use strata_shared::digest;
use strata_shared::documents::{Document, Documents};
use strata_shared::exit::Exit;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, ModelName, RunName, run_file};
use strata_shared::manifest::{InputEntry, Manifest, ShardEntry};
use strata_shared::run_record::RunRecord;
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use strata_shared::vectors::{self, Vectors as Values};
use strata_tests::faults::{Death, FaultStore, Moment};
use strata_tests::hashed_vectors;
use strata_tests::monthly::Month;

use super::pipeline::{Pipeline, Vectors, copy, question, runtime};

/// A store of two months with a run each.
struct Scene {
    inner: Arc<dyn ObjectStore>,
    runs: [RunName; 2],
}

fn months() -> [Month; 2] {
    let first = Month::first(90);
    let second = first.next(25, &[3, 50], &[7]);
    [first, second]
}

fn store(inner: &Arc<dyn ObjectStore>) -> Store {
    Store::new("memory:", Arc::clone(inner))
}

impl Scene {
    fn new() -> Self {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let made = |month| runtime().block_on(Pipeline::new(month, Vectors::Made).run(&store(&inner))).unwrap();
        let runs = months().each_ref().map(made);
        Self { inner, runs }
    }

    fn copy(&self) -> Store {
        let inner = InMemory::new();
        runtime().block_on(copy(&store(&self.inner), &inner));
        Store::new("memory:", Arc::new(inner))
    }
}

fn look(store: &Store) -> Verdict {
    runtime().block_on(verify::run(store, Depth::Contents)).unwrap()
}

/// The objects that are damaged, each with the word for how.
fn damage(verdict: &Verdict) -> Vec<(String, &'static str)> {
    let damaged = verdict.findings.iter().filter(|finding| finding.level == Level::Damage);
    damaged.map(|finding| (finding.object.clone(), finding.problem.kind())).collect()
}

fn sentences(verdict: &Verdict) -> String {
    verdict.findings.iter().map(verify::Finding::sentence).collect::<Vec<_>>().join("\n")
}

/// What is done to an object.
enum Harm {
    Flip,
    Truncate,
    Delete,
    Put(Vec<u8>),
    SwapWith(Path),
}

async fn harm(store: &Store, key: &Path, harm: Harm) {
    let mut bytes = store.get(key).await.unwrap().to_vec();
    match harm {
        Harm::Flip => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        Harm::Truncate => bytes.truncate(bytes.len() - 5),
        Harm::Delete => return store.delete(key).await.unwrap(),
        Harm::Put(other) => bytes = other,
        Harm::SwapWith(other) => {
            let others = store.get(&other).await.unwrap().to_vec();
            store.put(&other, std::mem::replace(&mut bytes, others)).await.unwrap();
        }
    }
    store.put(key, bytes).await.unwrap();
}

/// What mends it.
#[derive(Clone, Copy)]
enum Mend {
    /// Remove what is damaged, then the newest snapshot again.
    Shard,
    /// Remove what is damaged, then embed.
    Embed,
    /// Fold it, then bring the newest snapshot's vectors again; earlier runs miss it from then on.
    CompactAndBring,
    /// Reduce the run of this month again.
    Reduce(usize),
    /// Copy the object that is named.
    Copy,
    /// Nothing that a test could do.
    Restore,
}

impl Mend {
    const fn said(self) -> &'static str {
        match self {
            Self::Shard => "`strata shard` with the inputs of generation 2 again makes it",
            Self::Embed => "`strata shard` INPUTS `--vectors` FILE `--model-name hashed-words`",
            Self::CompactAndBring => "`strata compact` and then the command that brought it makes it",
            Self::Reduce(0) => "--vectors-of hashed-words --generation 1 --clusters 5 --lonely 10 --force` makes it",
            Self::Reduce(_) => "--vectors-of hashed-words --generation 2 --clusters 5 --lonely 10 --force` makes it",
            Self::Copy => "copy ",
            Self::Restore => "restore it from a copy of the store",
        }
    }

    async fn apply(self, scene: &Scene, store: &Store, damaged: &[(String, &str)]) {
        let keys = damaged.iter().map(|(key, _)| Path::from(key.as_str()));
        match self {
            Self::Shard => {
                for key in keys {
                    store.delete(&key).await.unwrap();
                }
                Pipeline::new(&months()[1], Vectors::Made).shard(store).await.unwrap();
            }
            Self::Embed => {
                for key in keys {
                    store.delete(&key).await.unwrap();
                }
                hashed_vectors::embed(store).await.unwrap();
            }
            Self::CompactAndBring => {
                assert!(!shard::compact(store).await.unwrap().is_nothing());
                Pipeline::new(&months()[1], Vectors::Brought).shard(store).await.unwrap();
            }
            Self::Reduce(month) => {
                let again =
                    Config { run: Some(scene.runs[month].clone()), force: true, ..question(Some(month as u64 + 1)) };
                let run = strata_reduce::run(again, store.clone()).await.unwrap();
                page::publish(store, &run).await.unwrap();
            }
            Self::Copy => {
                let copies =
                    [(layout::manifest(), layout::generation(2)), (layout::rejected(), layout::rejected_of(2))];
                for key in keys {
                    let (copy, original) = copies.iter().find(|(a, b)| *a == key || *b == key).unwrap();
                    let from = if *copy == key { original } else { copy };
                    store.put(&key, store.get(from).await.unwrap()).await.unwrap();
                }
            }
            Self::Restore => {}
        }
    }
}

/// Does harm, and checks that it is told as expected, with its remedy, and that the remedy mends it.
#[track_caller]
fn check(scene: &Scene, key: &Path, harmed: Harm, expected: &[(&Path, &str)], mend: Mend) {
    let store = scene.copy();
    runtime().block_on(harm(&store, key, harmed));
    check_told(scene, &store, expected, mend);
}

#[track_caller]
fn check_told(scene: &Scene, store: &Store, expected: &[(&Path, &str)], mend: Mend) {
    let verdict = look(store);
    let found = damage(&verdict);
    let expected: Vec<(String, &str)> = expected.iter().map(|(key, kind)| (key.to_string(), *kind)).collect();
    assert_eq!(found, expected, "{}", sentences(&verdict));
    assert_eq!(verdict.num_damaged(), expected.len());
    for finding in verdict.findings.iter().filter(|finding| finding.level == Level::Damage) {
        assert!(finding.sentence().contains(mend.said()), "{}", finding.sentence());
    }
    if matches!(mend, Mend::Restore) {
        return;
    }
    runtime().block_on(mend.apply(scene, store, &found));
    let verdict = look(store);
    let is_mended = verdict.findings.is_empty() || matches!(mend, Mend::CompactAndBring) && verdict.num_damaged() == 0;
    assert!(is_mended, "after the remedy: {}", sentences(&verdict));
}

fn model() -> ModelName {
    ModelName::new(hashed_vectors::MODEL).unwrap()
}

#[test]
fn a_store_that_nobody_touched_is_whole() {
    let scene = Scene::new();
    let verdict = look(&scene.copy());
    assert!(verdict.findings.is_empty(), "{}", sentences(&verdict));
    let looked_at = verdict.looked_at;
    assert_eq!((looked_at.generations, looked_at.raw, looked_at.vectors, looked_at.runs), (2, 4, 4, 2));
    assert!(verdict.read.objects > 25 && verdict.read.bytes > 10_000, "{:?}", verdict.read);
}

#[test]
fn damage_to_raw_shards_and_generations_is_told_and_mended() {
    let scene = Scene::new();
    // Of the second month; the shards of the first can be made by no update.
    let own = layout::raw_shard(3);
    check(&scene, &own, Harm::Flip, &[(&own, "sha256")], Mend::Shard);
    check(&scene, &own, Harm::Truncate, &[(&own, "bytes")], Mend::Shard);
    check(&scene, &own, Harm::Delete, &[(&own, "missing")], Mend::Shard);
    let [first, second] = [0, 1].map(layout::raw_shard);
    check(&scene, &first, Harm::Flip, &[(&first, "sha256")], Mend::Restore);
    let store = scene.copy();
    runtime().block_on(harm(&store, &first, Harm::SwapWith(second.clone())));
    let told = damage(&look(&store));
    let keys: Vec<&str> = told.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, [first.as_ref(), second.as_ref()]);

    let superseded = layout::superseded(2);
    check(&scene, &superseded, Harm::Flip, &[(&superseded, "sha256")], Mend::Shard);
    check(&scene, &superseded, Harm::Delete, &[(&superseded, "missing")], Mend::Shard);
    let rejected = layout::rejected_of(2);
    check(&scene, &rejected, Harm::Put(b"{\"reason\":\"x\"}\n".to_vec()), &[(&rejected, "rows")], Mend::Shard);

    let newest = layout::generation(2);
    let text = runtime().block_on(scene.copy().get(&newest)).unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let edited = text.replace("\"undated\": 0", "\"undated\": 1");
    assert_ne!(edited, text);
    check(&scene, &newest, Harm::Put(edited.clone().into()), &[(&newest, "sha256")], Mend::Copy);
    check(&scene, &newest, Harm::Truncate, &[(&newest, "unreadable")], Mend::Copy);
    check(&scene, &newest, Harm::Delete, &[(&newest, "missing")], Mend::Copy);
    let lines = text.replace("\"unchanged\": 87", "\"unchanged\": 86");
    assert_ne!(lines, text);
    check(&scene, &newest, Harm::Put(lines.into()), &[(&newest, "content")], Mend::Copy);
    let other = runtime().block_on(scene.copy().get(&layout::generation(1))).unwrap().to_vec();
    check(&scene, &newest, Harm::Put(other.clone()), &[(&newest, "content")], Mend::Copy);
    let copy = layout::manifest();
    // As a command leaves it that is killed before it has made the copies.
    let behind = scene.copy();
    runtime().block_on(harm(&behind, &copy, Harm::Put(other)));
    let verdict = look(&behind);
    assert!(
        damage(&verdict).is_empty() && sentences(&verdict).contains("raw/manifest.json"),
        "{}",
        sentences(&verdict)
    );
    check(&scene, &copy, Harm::Put(edited.into()), &[(&copy, "not_a_copy")], Mend::Copy);
    check(&scene, &copy, Harm::Delete, &[(&copy, "missing")], Mend::Copy);
    let rejected = layout::rejected();
    check(&scene, &rejected, Harm::Put(b"x".to_vec()), &[(&rejected, "not_a_copy")], Mend::Copy);

    let [record, _] = scene.runs.each_ref().map(|run| layout::in_run(run, run_file::RECORD));
    let store = scene.copy();
    runtime().block_on(harm(&store, &layout::generation(1), Harm::Delete));
    let verdict = look(&store);
    assert_eq!(damage(&verdict), [(record.to_string(), "no_generation")], "{}", sentences(&verdict));
}

#[test]
fn damage_to_vectors_is_told_and_mended() {
    let scene = Scene::new();
    let [first, second] = [2, 3].map(|number| layout::vector_shard(&model(), number));
    check(&scene, &first, Harm::Truncate, &[(&first, "unreadable")], Mend::Embed);
    let both = [(&first, "content"), (&second, "content")];
    check(&scene, &first, Harm::SwapWith(second.clone()), &both, Mend::Embed);
    let store = scene.copy();
    let (documents, raw_sha256) = runtime().block_on(async {
        let raw = layout::raw_shard(2);
        (Documents::read(&store, &raw).await.unwrap(), store.sha256(&raw).await.unwrap().unwrap())
    });
    let rows = documents.len();
    let unit = |dim: usize| {
        let mut values = vec![0.0; rows * dim];
        values.iter_mut().step_by(dim).for_each(|value| *value = 1.0);
        values
    };
    let encode = |documents: &Documents, dim: usize, values: Vec<f32>, model: &ModelName| {
        Harm::Put(vectors::encode(documents, &Values::new(dim, values), model, &raw_sha256).unwrap())
    };
    let dim = hashed_vectors::DIM;
    let mut without = unit(dim);
    without[3 * dim] = f32::NAN;
    check(&scene, &first, encode(&documents, dim, without, &model()), &[(&first, "content")], Mend::Embed);
    let mut long = unit(dim);
    long[5] = 0.5;
    check(&scene, &first, encode(&documents, dim, long, &model()), &[(&first, "content")], Mend::Embed);
    let other = ModelName::new("another-model").unwrap();
    check(&scene, &first, encode(&documents, dim, unit(dim), &other), &[(&first, "content")], Mend::Embed);
    check(&scene, &first, encode(&documents, dim + 1, unit(dim + 1), &model()), &[(&first, "dimensions")], Mend::Embed);
    let as_rows = |change: fn(&mut Vec<Document>)| {
        let row = |row| Document {
            id: documents.id(row).into(),
            title: documents.title(row).into(),
            abstract_text: documents.abstract_text(row).into(),
            categories: documents.categories(row).into(),
            created: documents.created(row),
        };
        let mut rows: Vec<Document> = (0..rows).map(row).collect();
        change(&mut rows);
        Documents::from_rows(&rows)
    };
    let swapped = encode(&as_rows(|rows| rows.swap(4, 9)), dim, unit(dim), &model());
    check(&scene, &first, swapped, &[(&first, "other_documents")], Mend::Embed);
    let retitled = encode(&as_rows(|rows| rows[4].title.push('!')), dim, unit(dim), &model());
    check(&scene, &first, retitled, &[(&first, "other_documents")], Mend::Embed);
}

#[test]
fn vectors_that_runs_were_made_of_are_missed_and_those_to_come_are_not() {
    let scene = Scene::new();
    let key = layout::vector_shard(&model(), 2);
    check(&scene, &key, Harm::Delete, &[(&key, "missing")], Mend::Embed);
    // Two of its rows are superseded: no file has their vectors.
    let worn = layout::vector_shard(&model(), 0);
    check(&scene, &worn, Harm::Delete, &[(&worn, "missing")], Mend::CompactAndBring);

    let store = scene.copy();
    let third = months()[1].next(30, &[], &[0]);
    runtime().block_on(Pipeline::new(&third, Vectors::Made).shard(&store)).unwrap();
    let verdict = look(&store);
    assert_eq!((verdict.num_damaged(), verdict.findings.len()), (0, 1), "{}", sentences(&verdict));
    assert!(verdict.findings[0].sentence().contains("1 of 5 shards have no vectors yet; the command that brought it"));
    runtime().block_on(store.delete(&key)).unwrap();
    let verdict = look(&store);
    assert_eq!(damage(&verdict), [(key.to_string(), "missing")]);
    assert!(sentences(&verdict).contains("1 of 4 shards have no vectors yet"), "{}", sentences(&verdict));

    // All of a model's are gone when somebody has removed them.
    for number in [0, 1, 3] {
        runtime().block_on(store.delete(&layout::vector_shard(&model(), number))).unwrap();
    }
    assert!(look(&store).findings.is_empty(), "{}", sentences(&look(&store)));
}

#[test]
fn vectors_that_earlier_runs_alone_were_made_of_are_no_damage() {
    let (scene, withdrawn) = (Scene::new(), (80..90).collect::<Vec<u64>>());
    let store = scene.copy();
    let third = months()[1].next(0, &[], &withdrawn);
    runtime().block_on(Pipeline::new(&third, Vectors::Made).run(&store)).unwrap();
    let key = layout::vector_shard(&model(), 2);
    runtime().block_on(store.delete(&key)).unwrap();
    let verdict = look(&store);
    assert_eq!((verdict.num_damaged(), verdict.findings.len()), (0, 1), "{}", sentences(&verdict));
    assert!(sentences(&verdict).starts_with(&format!("{key}: is missing; restore it")), "{}", sentences(&verdict));
}

#[test]
fn a_byte_of_a_vector_that_changed_is_told() {
    let scene = Scene::new();
    let key = layout::vector_shard(&model(), 2);
    let store = scene.copy();
    let value = runtime().block_on(async {
        let bytes = store.get(&key).await.unwrap().to_vec();
        let raw_sha256 = store.sha256(&layout::raw_shard(2)).await.unwrap().unwrap();
        let shard = vectors::VectorShard::open(&store, &key, &model(), &raw_sha256, 10).await.unwrap();
        let (_, values) = shard.read_vectors(&store).await.unwrap();
        let stored = values.row(7)[3].to_le_bytes();
        (0..bytes.len() - 4).find(|at| bytes[*at..at + 4] == stored).unwrap()
    });
    runtime().block_on(async {
        let mut bytes = store.get(&key).await.unwrap().to_vec();
        bytes[value] ^= 1;
        store.put(&key, bytes).await.unwrap();
    });
    check_told(&scene, &store, &[(&key, "content")], Mend::Embed);
}

#[test]
fn damage_to_runs_is_told_and_mended() {
    let scene = Scene::new();
    let [_, run] = &scene.runs;
    let labels = layout::labels(run, 1);
    check(&scene, &labels, Harm::Flip, &[(&labels, "sha256")], Mend::Reduce(1));
    check(&scene, &labels, Harm::Delete, &[(&labels, "missing")], Mend::Reduce(1));
    let of_first = layout::in_run(&scene.runs[0], run_file::TIMELINE);
    check(&scene, &of_first, Harm::Truncate, &[(&of_first, "bytes")], Mend::Reduce(0));
    for file in [run_file::INDEX, run_file::TOPICS, run_file::CHANGES, run_file::LONELY, run_file::CENTROIDS] {
        let key = layout::in_run(run, file);
        check(&scene, &key, Harm::Flip, &[(&key, "sha256")], Mend::Reduce(1));
    }
    let record = layout::in_run(run, run_file::RECORD);
    let text = String::from_utf8(runtime().block_on(scene.copy().get(&record)).unwrap().to_vec()).unwrap();
    let rows = text.replace("\"rows\": 114", "\"rows\": 115");
    assert_ne!(rows, text);
    check(&scene, &record, Harm::Put(rows.into()), &[(&record, "content")], Mend::Reduce(1));
    let sha256 = digest::sha256_hex(b"another generation");
    let seen = runtime().block_on(scene.copy().sha256(&layout::generation(2))).unwrap().unwrap();
    let other = text.replace(&seen, &sha256);
    check(&scene, &record, Harm::Put(other.into()), &[(&record, "other_generation")], Mend::Reduce(1));
    let store = scene.copy();
    runtime().block_on(harm(&store, &record, Harm::Truncate));
    let verdict = look(&store);
    assert_eq!(damage(&verdict), [(record.to_string(), "unreadable")], "{}", sentences(&verdict));
    runtime().block_on(Mend::Reduce(1).apply(&scene, &store, &[]));
    assert!(look(&store).findings.is_empty());
    let others = runtime().block_on(scene.copy().get(&layout::in_run(&scene.runs[0], run_file::RECORD))).unwrap();
    let store = scene.copy();
    runtime().block_on(store.put(&record, others)).unwrap();
    let verdict = look(&store);
    assert_eq!(damage(&verdict), [(record.to_string(), "content")], "{}", sentences(&verdict));
}

/// Rewrites the labels of one shard so that the record agrees with them.
async fn relabel(store: &Store, run: &RunName, change: impl Fn(&mut Labels)) -> Path {
    let key = layout::labels(run, 0);
    let mut labels = Labels::read(store, &key).await.unwrap();
    change(&mut labels);
    let bytes = labels.encode().unwrap();
    let mut record = RunRecord::read(store, run).await.unwrap();
    let output = record.outputs.iter_mut().find(|output| output.key == key.as_ref()).unwrap();
    (output.bytes, output.sha256) = (bytes.len() as u64, digest::sha256_hex(&bytes));
    store.put(&key, bytes).await.unwrap();
    store.put(&layout::in_run(run, run_file::RECORD), record.encode()).await.unwrap();
    key
}

#[test]
fn labels_that_no_reduce_could_have_given_are_told() {
    let scene = Scene::new();
    let run = &scene.runs[1];
    let store = scene.copy();
    let key = runtime().block_on(relabel(&store, run, |labels| labels.labels[4] = 5));
    check_told(&scene, &store, &[(&key, "content")], Mend::Reduce(1));
    let store = scene.copy();
    let key = runtime().block_on(relabel(&store, run, |labels| {
        let mut ids: Vec<String> = (0..labels.labels.len()).map(|row| labels.ids.value(row).to_owned()).collect();
        ids.swap(2, 8);
        labels.ids = StringArray::from(ids);
    }));
    check_told(&scene, &store, &[(&key, "other_documents")], Mend::Reduce(1));
}

#[test]
fn a_wrong_name_of_the_newest_run_is_told_and_mended() {
    let scene = Scene::new();
    let again = |store: &Store| {
        runtime().block_on(async {
            store.delete(&layout::latest()).await.unwrap();
            Pipeline::new(&months()[1], Vectors::Made).run(store).await.unwrap();
        });
        let verdict = look(store);
        assert!(verdict.findings.is_empty(), "{}", sentences(&verdict));
    };
    for (text, kind) in
        [("{\"run\": \"nobody\"}", "no_run"), ("{", "unreadable"), ("{\"run\": \"../x\"}", "unreadable")]
    {
        let store = scene.copy();
        runtime().block_on(store.put(&layout::latest(), text)).unwrap();
        let verdict = look(&store);
        assert_eq!(damage(&verdict), [("latest.json".to_owned(), kind)]);
        let said = sentences(&verdict);
        assert!(
            said.contains(&format!("`strata reduce --run {}", scene.runs[1])) && !said.contains("--force"),
            "{said}"
        );
        again(&store);
    }
    for key in [layout::latest(), layout::in_run(&scene.runs[1], run_file::REPORT)] {
        let store = scene.copy();
        runtime().block_on(store.delete(&key)).unwrap();
        let verdict = look(&store);
        assert_eq!((verdict.num_damaged(), verdict.findings[0].object.as_str()), (0, key.as_ref()));
        again(&store);
    }
}

#[test]
fn an_id_that_is_twice_in_a_generation_and_a_wrong_count_of_dates_are_told() {
    let store = Store::new("memory:", Arc::new(InMemory::new()));
    let shard = |number: usize, ids: &[&str]| {
        let document = |id: &&str| Document { id: (*id).into(), created: Some(1), ..Document::default() };
        let bytes = Documents::from_rows(&ids.iter().map(document).collect::<Vec<_>>()).encode().unwrap();
        let key = layout::raw_shard(number);
        runtime().block_on(store.put(&key, bytes.clone())).unwrap();
        let (rows, sha256) = (ids.len() as u64, digest::sha256_hex(&bytes));
        ShardEntry { key: key.to_string(), rows, superseded: 0, bytes: bytes.len() as u64, sha256 }
    };
    let shards = vec![shard(0, &["a", "b", "c"]), shard(1, &["d", "b"])];
    let input = InputEntry { name: "a".into(), lines: 5, blank: 0, sha256: String::new() };
    let manifest = Manifest::first(shards, vec![input], (0, 1), ShardSettings::default());
    for key in [layout::generation(1), layout::manifest()] {
        runtime().block_on(store.put(&key, manifest.encode())).unwrap();
    }
    let verdict = look(&store);
    let expected = [(layout::generation(1).to_string(), "undated"), (layout::raw_shard(1).to_string(), "repeated_id")];
    assert_eq!(damage(&verdict), expected);
    let said = sentences(&verdict);
    assert!(said.contains("row 1 has the id of row 1 of raw/shard_00000.parquet"), "{said}");
}

#[test]
fn what_is_left_over_is_no_damage_and_others_objects_are_only_counted() {
    let scene = Scene::new();
    let store = scene.copy();
    let half = RunName::new("half").unwrap();
    let left = [
        layout::raw_shard(77),
        layout::vector_shard(&model(), 77),
        layout::labels(&scene.runs[1], 77),
        layout::in_run(&half, run_file::UNFINISHED),
        layout::labels(&half, 0),
    ];
    for key in left.iter().cloned().chain(["raw/notes.txt", "vectors/readme.md"].map(Path::from)) {
        runtime().block_on(store.put(&key, "{}")).unwrap();
    }
    let verdict = look(&store);
    let found: Vec<(&str, &str)> =
        verdict.findings.iter().map(|finding| (finding.object.as_str(), finding.problem.kind())).collect();
    let labels = left[2].to_string();
    let mut expected = [
        ("raw/shard_00077.parquet", "orphan"),
        ("runs/half", "unfinished"),
        (labels.as_str(), "orphan"),
        ("vectors/hashed-words/shard_00077.parquet", "orphan"),
    ];
    expected.sort_unstable();
    assert_eq!((found.as_slice(), verdict.num_damaged(), verdict.foreign.objects), (&expected[..], 0, 2));
    assert!(verdict.findings.iter().all(|finding| finding.sentence().ends_with("`strata prune` removes it")));
}

#[test]
fn a_fast_look_sees_presence_and_sizes_alone() {
    let scene = Scene::new();
    let (shard, labels) = (layout::raw_shard(0), layout::labels(&scene.runs[0], 0));
    let fast = |store: &Store| runtime().block_on(verify::run(store, Depth::Sizes)).unwrap();
    let store = scene.copy();
    runtime().block_on(harm(&store, &shard, Harm::Flip));
    assert!(fast(&store).findings.is_empty());
    runtime().block_on(harm(&store, &shard, Harm::Truncate));
    runtime().block_on(harm(&store, &labels, Harm::Delete));
    let expected = [(shard.to_string(), "bytes"), (labels.to_string(), "missing")];
    assert_eq!(damage(&fast(&store)), expected);
}

fn golden_folder(version: u32) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/v{version}"))
}

/// The corpus and the vectors of a golden store, whose run is made up.
fn golden(version: u32) -> Store {
    let inner = InMemory::new();
    let store = Store::new("memory:", Arc::new(inner.clone()));
    runtime().block_on(async {
        copy(&Store::open(golden_folder(version).to_str().unwrap()).unwrap(), &inner).await;
        for object in store.list(&layout::runs()).await.unwrap() {
            store.delete(&object.location).await.unwrap();
        }
        store.delete(&layout::latest()).await.unwrap();
    });
    store
}

#[test]
fn corpora_of_every_format_are_whole() {
    for version in layout::OLDEST_FORMAT..=layout::FORMAT {
        let verdict = look(&golden(version));
        assert!(verdict.findings.is_empty(), "format {version}: {}", sentences(&verdict));
        assert_eq!((verdict.looked_at.raw, verdict.looked_at.generations), (version as usize, version as usize));
    }
}

#[test]
fn a_corpus_of_the_first_format_that_was_updated_is_whole() {
    let store = golden(1);
    let update = golden_folder(2).join("update.jsonl").display().to_string();
    runtime().block_on(async {
        let settings = Manifest::read(&store).await.unwrap().0.settings;
        let request = Request { inputs: vec![update], settings, vectors: None, terms: Terms::default() };
        assert_eq!(shard::run(request, &store).await.unwrap().manifest.generation, 2);
    });
    let verdict = look(&store);
    assert_eq!((verdict.num_damaged(), verdict.looked_at.generations), (0, 2), "{}", sentences(&verdict));
    assert!(sentences(&verdict).contains("1 of 2 shards have no vectors yet"), "{}", sentences(&verdict));
    let key = layout::rejected_of(1);
    runtime().block_on(store.delete(&key)).unwrap();
    assert_eq!(damage(&look(&store)), [(key.to_string(), "missing")]);
}

#[test]
fn a_run_over_the_first_format_is_whole_before_and_after_an_update() {
    let [first, second] = months();
    let store = Store::new("memory:", Arc::new(InMemory::new()));
    runtime().block_on(async {
        let month = Pipeline::new(&first, Vectors::Made);
        month.shard(&store).await.unwrap();
        let text = String::from_utf8(store.get(&layout::manifest()).await.unwrap().to_vec()).unwrap();
        let lines = text.lines().filter(|line| !line.contains("\"generation\"") && !line.contains("\"next_shard\""));
        let text = lines.collect::<Vec<_>>().join("\n").replace("\"format\": 2", "\"format\": 1");
        store.put(&layout::manifest(), text).await.unwrap();
        store.delete(&layout::generation(1)).await.unwrap();
        store.delete(&layout::rejected_of(1)).await.unwrap();
        month.run(&store).await.unwrap();
    });
    let verdict = look(&store);
    assert!(verdict.findings.is_empty() && verdict.looked_at.runs == 1, "{}", sentences(&verdict));
    runtime().block_on(Pipeline::new(&second, Vectors::Made).run(&store)).unwrap();
    let verdict = look(&store);
    assert!(verdict.findings.is_empty() && verdict.looked_at.runs == 2, "{}", sentences(&verdict));
}

#[test]
fn a_store_that_fails_is_not_called_damaged() {
    let scene = Scene::new();
    let death = Some(Death { write: 1, moment: Moment::Before });
    let store = Store::new("memory:", Arc::new(FaultStore::new(Arc::clone(&scene.inner), death)));
    runtime().block_on(store.delete(&Path::from("x"))).unwrap_err();
    let failure = runtime().block_on(verify::run(&store, Depth::Contents)).unwrap_err();
    assert_eq!(failure.exit(), Exit::Retry);
}
