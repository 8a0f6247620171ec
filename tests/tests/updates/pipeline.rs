//! Months through everything that the programs do, in this process.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use strata::shard::{self, Request, Terms, VectorsRequest};
use strata_reduce::Config;
use strata_shared::exit::Failure;
use strata_shared::layout::{ModelName, RunName};
use strata_shared::settings::{ReduceSettings, ShardSettings};
use strata_shared::store::Store;
use strata_tests::hashed_vectors;
use strata_tests::monthly::Month;
use strata_tests::objects::{self, Objects};
use tempfile::TempDir;

/// A month in files, and whether its vectors are brought along or made by a map.
pub(crate) struct Pipeline {
    lines: PathBuf,
    vectors: Option<PathBuf>,
    folder: TempDir,
}

/// Where a month's vectors come from.
#[derive(Clone, Copy)]
pub(crate) enum Vectors<'a> {
    /// A map makes them.
    Made,
    /// All are brought along.
    Brought,
    /// Those are brought along that the month before does not have.
    BroughtSince(&'a Month),
}

impl Pipeline {
    /// Writes a month, and the vectors that are brought along.
    pub(crate) fn new(month: &Month, vectors: Vectors<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let earlier = if let Vectors::BroughtSince(earlier) = vectors { Some(earlier) } else { None };
        let (lines, file) = month.write(folder.path(), "month", earlier).unwrap();
        let vectors = if matches!(vectors, Vectors::Made) { None } else { Some(file) };
        Self { lines, vectors, folder }
    }

    /// Brings these vectors along instead.
    pub(crate) fn with_vectors(mut self, file: &[u8]) -> Self {
        let path = self.folder.path().join("others.parquet");
        std::fs::write(&path, file).unwrap();
        self.vectors = Some(path);
        self
    }

    /// Shards or updates by this month, as the whole archive.
    pub(crate) async fn shard(&self, store: &Store) -> Result<shard::Outcome, Failure> {
        let model_name = ModelName::new(hashed_vectors::MODEL)?;
        let request = Request {
            inputs: vec![self.lines.display().to_string()],
            settings: ShardSettings { rows_per_shard: 40, ..ShardSettings::default() },
            vectors: self.vectors.clone().map(|file| VectorsRequest { file, model_name }),
            terms: Terms { complete: true, ..Terms::default() },
        };
        Ok(shard::run(request, store).await?)
    }

    /// Does everything, and returns the run.
    pub(crate) async fn run(&self, store: &Store) -> Result<RunName, Failure> {
        self.shard(store).await?;
        if self.vectors.is_none() {
            hashed_vectors::embed(store).await?;
        }
        reduce(store, question(None)).await
    }
}

/// Asks, and announces the answer.
pub(crate) async fn reduce(store: &Store, question: Config) -> Result<RunName, Failure> {
    let run = strata_reduce::run(question, store.clone()).await?;
    strata::page::publish(store, &run).await?;
    Ok(run)
}

/// What is asked of a corpus.
pub(crate) fn question(generation: Option<u64>) -> Config {
    Config {
        settings: ReduceSettings { clusters: Some(5), lonely: 10, ..ReduceSettings::default() },
        run: None,
        generation,
        vectors_of: None,
        force: false,
        threads: 2,
        memory_bytes: 1 << 30,
        scratch: None,
        lonely_exhaustive: false,
        former: None,
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Reads everything, and holds what is announced against what is there.
pub(crate) fn read(inner: &Arc<dyn ObjectStore>) -> Objects {
    let store = Store::new("memory:", Arc::clone(inner));
    runtime().block_on(async {
        objects::check_announced(&store).await.unwrap();
        objects::read(&store).await.unwrap()
    })
}

/// Copies every object of one store into another.
pub(crate) async fn copy(from: &Store, to: &dyn ObjectStore) {
    for object in from.list(&Path::default()).await.unwrap() {
        let bytes = from.get(&object.location).await.unwrap();
        to.put(&object.location, bytes.into()).await.unwrap();
    }
}
