//! The robotics corpus and its reference vectors: the findings equal those of brute force and of other programs.
//!
//! Gated on `STRATA_TEST_DATA`, a folder that holds `corpora/robotics.jsonl.gz` and `reference/`. One store serves all
//! tests but that of determinism, which needs a second one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use strata_shared::centroids;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, ModelName, RunName, run_file};
use strata_shared::store::Store;
use strata_tests::compare::Found;
use strata_tests::planted_run::found;
use strata_tests::{binaries, skipped};
use tempfile::TempDir;

/// Documents of the corpus.
const ROWS: u64 = 35_709;

/// sklearn `MiniBatchKMeans` (batch 16,384, `max_iter` 80, `n_init` 1) on the reference vectors: inertia by clusters.
const SKLEARN_INERTIA: [(usize, f64); 2] = [(100, 18_710.0), (400, 16_670.0)];

/// What inertia may exceed sklearn's by.
const INERTIA_TOLERANCE: f64 = 1.01;

/// The reference folder of real data, or `None`, noted.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("STRATA_TEST_DATA").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    if folder.is_none() {
        skipped::note("parity on the robotics corpus, for want of a folder named by STRATA_TEST_DATA");
    }
    folder
}

fn strata(arguments: &[&str], threads: &str) {
    let mut command = binaries::command("strata").expect("a program that is built");
    let output = command.args(arguments).env("STRATA_THREADS", threads).output().expect("a program that starts");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn shard(data: &Path, store: &str, rows_per_shard: &str) {
    let input = data.join("corpora/robotics.jsonl.gz").display().to_string();
    let vectors = data.join("reference/robotics.vectors.parquet").display().to_string();
    let reference = ["--vectors", &vectors, "--model-name", "reference"];
    let arguments = ["shard", &input, "--store", store, "--rows-per-shard", rows_per_shard];
    strata(&[&arguments[..], &reference].concat(), "2");
}

fn reduce(store: &str, clusters: usize, threads: &str) {
    let (clusters, run) = (clusters.to_string(), run_name(clusters));
    strata(&["reduce", "--store", store, "--lonely", "200", "--clusters", &clusters, "--run", run.as_str()], threads);
}

fn run_name(clusters: usize) -> RunName {
    RunName::new(&format!("k{clusters}")).expect("a name")
}

/// A store with the corpus and a finished run of 400 clusters and one, the newest, of 100.
struct Reference {
    folder: TempDir,
    found: Found,
}

impl Reference {
    fn get(data: &Path) -> &'static Self {
        static REFERENCE: OnceLock<Reference> = OnceLock::new();
        REFERENCE.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let store = folder.path().display().to_string();
            shard(data, &store, "10000");
            reduce(&store, 400, "2");
            reduce(&store, 100, "2");
            let found = found(folder.path()).expect("a finished run");
            Self { folder, found }
        })
    }

    fn store(&self) -> Store {
        Store::open(&self.folder.path().display().to_string()).expect("a store")
    }
}

/// One line of `reference/robotics.lonely.csv` but for its title, which may hold commas.
#[derive(Debug, PartialEq)]
struct ReferenceLoner {
    id: String,
    similarity: f64,
    nearest_id: String,
    nearest_similarity: f64,
}

fn reference_loners(data: &Path) -> Vec<ReferenceLoner> {
    let csv = std::fs::read_to_string(data.join("reference/robotics.lonely.csv")).expect("the reference list");
    let lines = csv.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.splitn(6, ',').collect();
        let number = |field: &str| field.parse().expect("a number");
        ReferenceLoner {
            id: fields[1].into(),
            similarity: number(fields[2]),
            nearest_id: fields[3].into(),
            nearest_similarity: number(fields[4]),
        }
    });
    lines.collect()
}

#[test]
fn the_lonely_list_equals_that_of_brute_force_in_float64() {
    let Some(data) = data() else { return };
    let found = &Reference::get(&data).found;
    let expected = reference_loners(&data);
    assert_eq!((found.manifest.rows, found.manifest.undated, found.findings.record.rows), (ROWS, 0, ROWS));
    assert_eq!((expected.len(), found.findings.lonely.len()), (200, 200));
    for (entry, reference) in found.findings.lonely.iter().zip(&expected) {
        assert_eq!(entry.id, reference.id, "rank {}", entry.rank);
        assert_eq!(entry.nearest_id.as_ref(), Some(&reference.nearest_id), "rank {}", entry.rank);
        let nearest = f64::from(entry.nearest_similarity.expect("a nearest document"));
        assert!((f64::from(entry.similarity) - reference.similarity).abs() <= 1e-6, "rank {}", entry.rank);
        assert!((nearest - reference.nearest_similarity).abs() <= 1e-6, "rank {}", entry.rank);
    }
}

#[test]
fn topics_that_roboticists_saw_fade_are_said_to() {
    let Some(data) = data() else { return };
    let topics = &Reference::get(&data).found.findings.topics;
    // Gaze and head-eye control are a topic of their own in some clusterings of the same inertia and not in others.
    for subject in ["petri net", "visual servo", "parallel mechanism", "haptic", "particle filter"] {
        let about = topics.iter().filter(|topic| {
            let mut words = topic.terms.iter().take(5).chain([&topic.name]);
            words.any(|words| words.to_lowercase().contains(subject))
        });
        let statuses: Vec<_> = about.map(|topic| (topic.name.as_str(), topic.fade, topic.status)).collect();
        assert!(statuses.iter().any(|(_, _, status)| status.is_decline()), "{subject}: {statuses:?}");
    }
}

/// Which centroid is nearest to each vector by brute force in float64, and the squared distance to it.
struct BruteForce {
    nearest: Vec<(usize, f64)>,
    /// Squared distance to the centroid that the run's labels name.
    labelled: Vec<(usize, f64)>,
}

impl BruteForce {
    fn new(found: &Found, centroids: &[f32], labels: &[i32]) -> Self {
        let dim = found.vectors.dim();
        let distances = |row: usize| {
            let vector = found.vectors.row(row);
            centroids.chunks_exact(dim).map(move |centroid| squared_distance(vector, centroid))
        };
        let both = (0..found.vectors.len()).map(|row| {
            let distances: Vec<f64> = distances(row).collect();
            let nearest = (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
            let (nearest, label) = (nearest.expect("a centroid"), labels[row] as usize);
            ((nearest, distances[nearest]), (label, distances[label]))
        });
        let (nearest, labelled) = both.unzip();
        Self { nearest, labelled }
    }
}

/// Sums in eight lanes, which the compiler turns into vector instructions.
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            let difference = f64::from(a[lane]) - f64::from(b[lane]);
            lanes[lane] += difference * difference;
        }
    }
    lanes.iter().sum()
}

async fn labels(store: &Store, run: &RunName, num_shards: usize) -> Vec<i32> {
    let mut labels = Vec::new();
    for shard in 0..num_shards {
        labels.extend(Labels::read(store, &layout::labels(run, shard)).await.expect("labels").labels);
    }
    labels
}

#[test]
fn inertia_and_labels_equal_those_of_brute_force_and_are_as_good_as_sklearn() {
    let Some(data) = data() else { return };
    let reference = Reference::get(&data);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (clusters, sklearn) in SKLEARN_INERTIA {
        let (store, run, dim) = (reference.store(), run_name(clusters), reference.found.vectors.dim());
        let (record, centroids, labels) = runtime.block_on(async {
            let record = strata_shared::run_record::RunRecord::read(&store, &run).await.expect("a record");
            let key = layout::in_run(&run, run_file::CENTROIDS);
            let centroids = centroids::read(&store, &key, dim).await.expect("centroids");
            (record, centroids, labels(&store, &run, reference.found.manifest.shards.len()).await)
        });
        let brute = BruteForce::new(&reference.found, &centroids, &labels);
        let inertia: f64 = brute.nearest.iter().map(|(_, distance)| distance).sum();
        eprintln!("{clusters} clusters: inertia {inertia:.1}, sklearn's {sklearn}, recorded {:.1}", record.inertia);
        assert!(inertia <= INERTIA_TOLERANCE * sklearn);
        assert!((record.inertia / inertia - 1.0).abs() < 1e-6, "recorded {}, found {inertia}", record.inertia);
        for (row, (nearest, labelled)) in brute.nearest.iter().zip(&brute.labelled).enumerate() {
            assert!(labelled.1 - nearest.1 < 1e-5, "row {row}: {labelled:?}, nearest {nearest:?}");
        }
        let labels: BTreeSet<_> = labels.iter().collect();
        assert_eq!((labels.len(), record.clusters.found), (clusters, clusters), "an empty cluster");
    }
}

/// The sha256 of what a run wrote, its labels aside, which are cut as the corpus was.
fn outputs(found: &Found) -> BTreeMap<String, String> {
    let outputs = found.findings.record.outputs.iter().filter(|output| !output.key.contains("/labels/"));
    outputs.map(|output| (output.key.clone(), output.sha256.clone())).collect()
}

#[test]
fn neither_threads_nor_the_cut_into_shards_change_a_byte() {
    let Some(data) = data() else { return };
    let expected = &Reference::get(&data).found;
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().display().to_string();
    shard(&data, &store, "3777");
    reduce(&store, 100, "3");
    let other = found(folder.path()).expect("a finished run");
    assert_eq!(outputs(&other), outputs(expected));
    assert_eq!(other.labels, expected.labels);
    assert_eq!(outputs(&other).len(), 5);
}

#[test]
fn the_reference_vectors_arrive_as_they_were_made() {
    let Some(data) = data() else { return };
    let reference = Reference::get(&data);
    let model = ModelName::new("reference").expect("a name");
    assert_eq!(reference.found.findings.record.vectors_of, model.as_str());
    assert_eq!((reference.found.vectors.dim(), reference.found.vectors.len() as u64), (384, ROWS));
    assert_eq!(reference.found.vectors.first_not_unit(), None);
    assert_eq!(reference.found.ids.iter().collect::<BTreeSet<_>>().len() as u64, ROWS);
}
