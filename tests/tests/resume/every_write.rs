//! Every write of a whole run, once: death before it, death after it, then an undisturbed run over what was left.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use strata::shard::{self, Request, Terms, VectorsRequest};
use strata_reduce::Config;
use strata_shared::exit::Failure;
use strata_shared::layout::{self, ModelName, run_file};
use strata_shared::settings::{ReduceSettings, ShardSettings};
use strata_shared::store::Store;
use strata_tests::corpus::{self, Plan};
use strata_tests::faults::{Death, FaultStore, Moment};
use strata_tests::hashed_vectors;
use strata_tests::objects::{self, Objects};
use tempfile::TempDir;

const DOCUMENTS: u64 = 240;

/// A corpus in a file, and how its vectors are made.
struct Pipeline {
    folder: TempDir,
    /// The file of vectors, where they are brought along.
    brought: Option<PathBuf>,
    /// The index's factory string, where FAISS is to build it.
    index: Option<String>,
}

impl Pipeline {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = corpus::generate(&Plan { documents: DOCUMENTS, ..Plan::default() }).unwrap();
        std::fs::write(folder.path().join("corpus.jsonl"), snapshot.bytes()).unwrap();
        Self { folder, brought: None, index: None }
    }

    fn with_vectors_brought_along() -> Self {
        let pipeline = Self::new();
        let lines = std::fs::read(pipeline.input()).unwrap();
        let not_blank = |line: &&[u8]| !line.iter().all(u8::is_ascii_whitespace);
        let rows = lines.split(|byte| *byte == b'\n').filter(not_blank).count();
        let file = pipeline.folder.path().join("vectors.npy");
        std::fs::write(&file, hashed_vectors::npy(rows as u64)).unwrap();
        Self { brought: Some(file), ..pipeline }
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("corpus.jsonl")
    }

    /// Does everything as the programs do it, in this process.
    async fn run(&self, store: &Store) -> Result<(), Failure> {
        let model_name = ModelName::new(hashed_vectors::MODEL)?;
        let request = Request {
            inputs: vec![self.input().display().to_string()],
            settings: ShardSettings { rows_per_shard: 100, ..ShardSettings::default() },
            vectors: self.brought.clone().map(|file| VectorsRequest { file, model_name }),
            terms: Terms::default(),
        };
        shard::run(request, store).await?;
        if self.brought.is_none() {
            hashed_vectors::embed(store).await?;
        }
        let question = Config {
            settings: ReduceSettings {
                clusters: Some(8),
                lonely: 10,
                index: self.index.clone(),
                ..ReduceSettings::default()
            },
            run: None,
            generation: None,
            vectors_of: None,
            force: false,
            threads: 2,
            memory_bytes: 1 << 30,
            scratch: None,
            lonely_exhaustive: false,
            former: None,
        };
        let run = strata_reduce::run(question, store.clone()).await?;
        strata::page::publish(store, &run).await?;
        Ok(())
    }

    /// Runs as one process that dies at `death`; returns what came of it and the number of its writes.
    ///
    /// A runtime of its own, so that nothing of the process is left when it is dead.
    fn live(&self, inner: &Arc<dyn ObjectStore>, death: Option<Death>) -> (Result<(), Failure>, u64) {
        let faulty = FaultStore::new(Arc::clone(inner), death);
        let store = Store::new("memory:", Arc::new(faulty.clone()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let done = runtime.block_on(self.run(&store));
        drop(runtime);
        (done, faulty.num_writes())
    }
}

fn read(inner: &Arc<dyn ObjectStore>) -> Objects {
    let store = Store::new("memory:", Arc::clone(inner));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(objects::check_announced(&store)).unwrap();
    runtime.block_on(objects::read(&store)).unwrap()
}

/// An object's key, and a tag that changes when it is written.
type State = (String, Option<String>);

/// The state of each label shard, if a run that is not finished has finished its labels.
fn finished_labels(inner: &Arc<dyn ObjectStore>) -> Vec<State> {
    let store = Store::new("memory:", Arc::clone(inner));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let objects = runtime.block_on(store.list(&layout::runs())).unwrap();
    let Some(unfinished) = objects.iter().find(|object| object.location.filename() == Some(run_file::UNFINISHED))
    else {
        return Vec::new();
    };
    let unfinished = runtime.block_on(store.get(&unfinished.location)).unwrap();
    let unfinished: serde_json::Value = serde_json::from_slice(&unfinished).unwrap();
    if unfinished["labelled"].is_null() {
        return Vec::new();
    }
    states(inner).into_iter().filter(|(key, _)| key.contains("/labels/")).collect()
}

/// The state of all runs' objects.
fn states(inner: &Arc<dyn ObjectStore>) -> Vec<State> {
    let store = Store::new("memory:", Arc::clone(inner));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let objects = runtime.block_on(store.list(&layout::runs())).unwrap();
    objects.into_iter().map(|object| (object.location.to_string(), object.e_tag)).collect()
}

/// Dies at each write of a run over a store of its own, before and after it, and runs again.
fn dies_at_every_write(pipeline: &Pipeline, mut new_store: impl FnMut() -> Arc<dyn ObjectStore>) {
    let undisturbed = new_store();
    let (done, num_writes) = pipeline.live(&undisturbed, None);
    done.unwrap();
    let expected = read(&undisturbed);
    assert!(num_writes > 15, "{num_writes} writes are too few for a whole run");
    let mut num_kept = 0;
    for write in 1..=num_writes {
        for moment in [Moment::Before, Moment::After] {
            let store = new_store();
            let (done, _) = pipeline.live(&store, Some(Death { write, moment }));
            assert!(done.is_err(), "nobody noticed death {moment:?} write {write}");
            read(&store);
            let labels = finished_labels(&store);
            num_kept += labels.len();
            let (done, _) = pipeline.live(&store, None);
            done.unwrap_or_else(|failure| panic!("after death {moment:?} write {write}: {failure}"));
            let differences = objects::differences(&expected, &read(&store));
            assert!(differences.is_empty(), "after death {moment:?} write {write}: {differences:#?}");
            let kept = labels.iter().all(|label| states(&store).contains(label));
            assert!(kept, "after death {moment:?} write {write}: labels were made again");
        }
    }
    assert!(num_kept > 0, "no run died after its labels");
}

fn directory(path: &Path) -> Arc<dyn ObjectStore> {
    Arc::new(LocalFileSystem::new_with_prefix(path).unwrap().with_fsync(true))
}

#[test]
fn a_run_that_dies_at_any_write_in_memory_ends_in_the_same_objects() {
    dies_at_every_write(&Pipeline::new(), || Arc::new(InMemory::new()));
}

#[test]
fn a_run_that_dies_at_any_write_to_a_directory_ends_in_the_same_objects() {
    let mut folders = Vec::new();
    dies_at_every_write(&Pipeline::new(), || {
        folders.push(tempfile::tempdir().unwrap());
        directory(folders.last().unwrap().path())
    });
}

#[test]
fn a_run_whose_index_faiss_builds_that_dies_at_any_write_ends_in_the_same_objects() {
    let pipeline = Pipeline { index: Some("IVF4,SQ8".into()), ..Pipeline::new() };
    dies_at_every_write(&pipeline, || Arc::new(InMemory::new()));
}

#[test]
fn a_run_with_vectors_brought_along_that_dies_at_any_write_ends_in_the_same_objects() {
    dies_at_every_write(&Pipeline::with_vectors_brought_along(), || Arc::new(InMemory::new()));
}
