//! A store → the corpus as the reduce sees it: shards that were found sound, streamed in row order.
//!
//! Invariant: no shard is ever skipped. A shard that is missing or unsound stops the reduce before it begins; one that
//! changes under it stops it when its content no longer has the sha256 that its footer names.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::StringArray;
use futures::{StreamExt, TryStreamExt};
use ndarray::ArrayView2;
use strata_shared::documents::Documents;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;
use strata_shared::table::TableError;
use strata_shared::vectors::{VectorShard, Vectors};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::config::ReduceError;
use crate::lonely::{Block, VectorSource};

/// Footers that are read at once.
const FOOTERS_AT_ONCE: usize = 16;

/// Shards that are read ahead of the one in work.
const SHARDS_AHEAD: usize = 2;

/// Names in an error message before it says "and N more".
const NAMES_IN_ERROR: usize = 20;

/// The corpus of one store by one model.
#[derive(Debug, Clone)]
pub struct Corpus {
    store: Store,
    manifest: Arc<Manifest>,
    manifest_sha256: String,
    model: ModelName,
    shards: Arc<Vec<VectorShard>>,
}

/// One shard's rows.
#[derive(Debug)]
pub struct ShardRows {
    /// The shard's number.
    pub shard: usize,
    /// The global row of its first document.
    pub first_row: usize,
    /// The documents' ids.
    pub ids: StringArray,
    /// Their vectors.
    pub vectors: Vectors,
    /// Their texts and dates, where they were asked for.
    pub documents: Option<Documents>,
}

impl ShardRows {
    /// Returns the vectors as a matrix, `[rows, dim]`.
    ///
    /// # Errors
    /// [`ReduceError::Stage`] if they form none, which their codec rules out.
    pub fn matrix(&self) -> Result<ArrayView2<'_, f32>, ReduceError> {
        ArrayView2::from_shape((self.vectors.len(), self.vectors.dim()), self.vectors.values())
            .map_err(|error| ReduceError::stage("read", error))
    }
}

impl Corpus {
    /// Reads the manifest and decides on the model; opens no shard yet.
    ///
    /// # Errors
    /// A store without a corpus, without vectors, or with several models' and none chosen.
    pub async fn open(store: Store, vectors_of: Option<ModelName>) -> Result<Self, Failure> {
        let (manifest, manifest_sha256) = Manifest::read(&store).await?;
        let model = match vectors_of {
            Some(model) => model,
            None => only_model(&store).await?,
        };
        Ok(Self { store, manifest: Arc::new(manifest), manifest_sha256, model, shards: Arc::new(Vec::new()) })
    }

    /// Opens every shard's footer and checks it.
    ///
    /// # Errors
    /// [`ReduceError::MissingShards`] (a retry may mend it) or [`ReduceError::BadShards`], which name each.
    pub async fn open_shards(self) -> Result<Self, Failure> {
        let opened: Vec<Result<VectorShard, TableError>> = futures::stream::iter(0..self.manifest.shards.len())
            .map(|shard| self.open_shard(shard))
            .buffered(FOOTERS_AT_ONCE)
            .collect()
            .await;
        let shards = sound(opened)?;
        let expected = shards.first().map_or(0, VectorShard::dim);
        if let Some((at, shard)) = shards.iter().enumerate().find(|(_, shard)| shard.dim() != expected) {
            let key = layout::vector_shard(&self.model, at).to_string();
            return Err(ReduceError::Dimension { key, found: shard.dim(), expected }.into());
        }
        Ok(Self { shards: Arc::new(shards), ..self })
    }

    async fn open_shard(&self, shard: usize) -> Result<VectorShard, TableError> {
        let entry = &self.manifest.shards[shard];
        let key = layout::vector_shard(&self.model, shard);
        VectorShard::open(&self.store, &key, &self.model, &entry.sha256, entry.rows as usize).await
    }

    /// Returns the store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the model's name.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// Returns the sha256 of the manifest's bytes.
    #[must_use]
    pub fn manifest_sha256(&self) -> &str {
        &self.manifest_sha256
    }

    /// Returns the number of documents.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.manifest.rows as usize
    }

    /// Returns the number of dimensions of a vector; 0 before the shards are open.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.shards.first().map_or(0, VectorShard::dim)
    }

    /// Returns the bytes of all vector shards.
    #[must_use]
    pub fn num_bytes(&self) -> u64 {
        self.shards.iter().map(VectorShard::num_bytes).sum()
    }

    /// Streams all shards in row order, some read ahead of the one in work.
    #[must_use]
    pub fn stream(&self, with_documents: bool) -> mpsc::Receiver<Result<ShardRows, TableError>> {
        let (sender, receiver) = mpsc::channel(1);
        let corpus = self.clone();
        tokio::spawn(async move {
            let first_rows = corpus.manifest.first_rows();
            let mut shards = futures::stream::iter(first_rows.into_iter().enumerate())
                .map(|(shard, first_row)| {
                    let corpus = corpus.clone();
                    // A task each, so that decoding runs beside the arithmetic and beside other shards'.
                    tokio::spawn(async move { corpus.read_shard(shard, first_row as usize, with_documents).await })
                })
                .buffered(SHARDS_AHEAD);
            while let Some(read) = shards.next().await {
                // A reader that panicked drops the sender, which the receiver sees as rows missing.
                let Ok(rows) = read else { return };
                if sender.send(rows).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }

    async fn read_shard(&self, shard: usize, first_row: usize, with_documents: bool) -> Result<ShardRows, TableError> {
        let (ids, vectors) = self.shards[shard].read_vectors(&self.store).await?;
        let documents = if with_documents { Some(self.shards[shard].read_documents(&self.store).await?) } else { None };
        Ok(ShardRows { shard, first_row, ids, vectors, documents })
    }

    /// Reads the documents of `rows` (global, in any order), shard by shard.
    ///
    /// # Errors
    /// [`TableError`] for a shard that cannot be read any more.
    pub async fn documents(
        &self,
        rows: impl IntoIterator<Item = usize>,
    ) -> Result<BTreeMap<usize, Documents>, TableError> {
        let first_rows = self.manifest.first_rows();
        let mut by_shard: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in rows {
            let shard = first_rows.partition_point(|&first| first as usize <= row) - 1;
            by_shard.entry(shard).or_default().push(row);
        }
        let read = futures::stream::iter(by_shard)
            .map(|(shard, rows)| async move {
                let documents = self.shards[shard].read_documents(&self.store).await?;
                let first = first_rows_of(&self.manifest, shard);
                let rows = rows.into_iter().map(|row| (row, documents.row(row - first)));
                Ok::<_, TableError>(rows.collect::<Vec<_>>())
            })
            .buffered(SHARDS_AHEAD);
        let rows: Vec<Vec<(usize, Documents)>> = read.try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Lends the corpus to arithmetic that runs on blocking threads.
    #[must_use]
    pub fn source(&self) -> CorpusSource {
        CorpusSource { corpus: self.clone(), handle: Handle::current() }
    }
}

fn first_rows_of(manifest: &Manifest, shard: usize) -> usize {
    manifest.shards[..shard].iter().map(|entry| entry.rows as usize).sum()
}

async fn only_model(store: &Store) -> Result<ModelName, Failure> {
    let models = store.folders(&layout::vectors()).await?;
    match models.as_slice() {
        [] => Err(ReduceError::NoVectors { store: store.url().to_owned() }.into()),
        [model] => Ok(ModelName::new(model)?),
        _ => Err(ReduceError::SeveralModels { store: store.url().to_owned(), models: models.join(", ") }.into()),
    }
}

fn sound(opened: Vec<Result<VectorShard, TableError>>) -> Result<Vec<VectorShard>, Failure> {
    let total = opened.len();
    let (mut shards, mut missing, mut bad) = (Vec::with_capacity(total), Vec::new(), Vec::new());
    for result in opened {
        match result {
            Ok(shard) => shards.push(shard),
            Err(TableError::Missing { key }) => missing.push(key.to_string()),
            Err(error) if error.exit() == Exit::Data => bad.push(Failure::from(error).chain()),
            Err(error) => return Err(error.into()),
        }
    }
    if !bad.is_empty() {
        return Err(ReduceError::BadShards { bad: bad.len(), total, reasons: listed(&bad, "; ") }.into());
    }
    if !missing.is_empty() {
        return Err(ReduceError::MissingShards { missing: missing.len(), total, keys: listed(&missing, ", ") }.into());
    }
    Ok(shards)
}

fn listed(names: &[String], separator: &str) -> String {
    let mut text = names[..names.len().min(NAMES_IN_ERROR)].join(separator);
    if names.len() > NAMES_IN_ERROR {
        text.push_str(&format!("{separator}and {} more", names.len() - NAMES_IN_ERROR));
    }
    text
}

/// The corpus as a source of vectors for arithmetic on blocking threads.
#[derive(Debug, Clone)]
pub struct CorpusSource {
    corpus: Corpus,
    handle: Handle,
}

impl VectorSource for CorpusSource {
    type Error = TableError;

    fn num_rows(&self) -> usize {
        self.corpus.num_rows()
    }

    fn dim(&self) -> usize {
        self.corpus.dim()
    }

    fn scan(&self, visit: &mut dyn FnMut(Block<'_>) -> ControlFlow<()>) -> Result<(), TableError> {
        let mut shards = {
            let _runtime = self.handle.enter();
            self.corpus.stream(false)
        };
        while let Some(rows) = shards.blocking_recv() {
            let rows = rows?;
            let Ok(vectors) = rows.matrix() else { continue };
            if visit(Block { first_row: rows.first_row, vectors }).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn ids(&self, rows: &[usize]) -> Result<Vec<String>, TableError> {
        let documents = self.handle.block_on(self.corpus.documents(rows.iter().copied()))?;
        Ok(rows.iter().filter_map(|row| Some(documents.get(row)?.id(0).to_owned())).collect())
    }
}
