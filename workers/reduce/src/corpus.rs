//! A store → the corpus as the reduce sees it: one generation's shards that were found sound, streamed in row order.
//!
//! Superseded rows end here: no row number counts them, and nothing that is read of a shard holds them.
//!
//! Invariant: no shard is ever skipped. A shard that is missing or unsound stops the reduce before it begins; one that
//! changes under it stops it when its content no longer has the sha256 that its footer named in the beginning.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::{fmt, panic};

use arrow::array::{Array, AsArray, BooleanArray, StringArray};
use arrow::compute::filter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use ndarray::{Array2, ArrayView1, ArrayView2};
use object_store::path::Path;
use strata_shared::digest;
use strata_shared::documents::{Document, Documents};
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::generations::{self, Generation};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use strata_shared::table::TableError;
use strata_shared::vectors::{VectorShard, Vectors};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

use crate::config::ReduceError;
use crate::lonely::{Block, VectorSource};
use crate::meter::Meter;

/// Footers that are read at once.
const FOOTERS_AT_ONCE: usize = 16;

/// Shards that are read ahead of the one in work, so that decoding never waits for arithmetic nor the other way round.
pub const SHARDS_AHEAD: usize = 2;

/// Shards that an error names before it says "and N more"; the log names all.
const NAMES_IN_ERROR: usize = 20;

/// The corpus of one store by one model.
#[derive(Debug, Clone)]
pub struct Corpus {
    store: Store,
    manifest: Arc<Manifest>,
    manifest_sha256: String,
    superseded: Arc<Superseded>,
    /// The global row of the first document of each shard.
    first_rows: Arc<Vec<u64>>,
    model: ModelName,
    shards: Arc<Vec<VectorShard>>,
    /// Texts are decoded shard by shard: some at once would take several times their size, and none is waited for.
    decoding: Arc<Semaphore>,
    meter: Meter,
}

/// What is read of each shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Ids and vectors, held to nothing: for a pass whose findings a later one confirms.
    Unchecked,
    /// Ids and vectors, held to the sha256 of the footer.
    Vectors,
    /// These and all that is known of the documents.
    All,
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
    /// # Panics
    /// Never: vectors are a whole number of rows.
    #[must_use]
    pub fn matrix(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((self.vectors.len(), self.vectors.dim()), self.vectors.values())
            .expect("a whole number of rows")
    }
}

/// The shards of a corpus in row order, read ahead; for threads that may block.
pub struct ShardStream {
    shards: BoxStream<'static, Result<Result<ShardRows, TableError>, JoinError>>,
    handle: Handle,
}

impl fmt::Debug for ShardStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ShardStream").finish_non_exhaustive()
    }
}

impl Iterator for ShardStream {
    type Item = Result<ShardRows, TableError>;

    /// Waits for the next shard, and panics as its reader did.
    fn next(&mut self) -> Option<Self::Item> {
        match self.handle.block_on(self.shards.next())? {
            Ok(rows) => Some(rows),
            // A reader that did not panic was cancelled: the program is ending.
            Err(error) => error.try_into_panic().map_or(None, |cause| panic::resume_unwind(cause)),
        }
    }
}

impl Corpus {
    /// Reads what the generation of this number, else the newest, consists of, and decides on the model; opens no shard yet.
    ///
    /// # Errors
    /// A store without a corpus or such a generation, without vectors, or with several models' and none chosen.
    pub async fn open(store: Store, generation: Option<u64>, vectors_of: Option<ModelName>) -> Result<Self, Failure> {
        let Generation { manifest, sha256, .. } = match generation {
            Some(number) => generations::read(&store, number).await?,
            None => generations::newest(&store).await?,
        };
        let superseded = Superseded::read(&store, &manifest).await?;
        let model = match vectors_of {
            Some(model) => model,
            None => only_model(&store).await?,
        };
        Ok(Self {
            store,
            first_rows: Arc::new(manifest.first_rows()),
            manifest: Arc::new(manifest),
            manifest_sha256: sha256,
            superseded: Arc::new(superseded),
            model,
            shards: Arc::new(Vec::new()),
            decoding: Arc::new(Semaphore::new(1)),
            meter: Meter::default(),
        })
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
            let key = self.vector_key(at).to_string();
            return Err(ReduceError::Dimension { key, found: shard.dim(), expected }.into());
        }
        Ok(Self { shards: Arc::new(shards), ..self })
    }

    async fn open_shard(&self, shard: usize) -> Result<VectorShard, TableError> {
        let entry = &self.manifest.shards[shard];
        VectorShard::open(&self.store, &self.vector_key(shard), &self.model, &entry.sha256, entry.rows as usize).await
    }

    /// Returns the key of the vectors of the shard at this place.
    fn vector_key(&self, shard: usize) -> Path {
        layout::vector_shard(&self.model, self.manifest.shards[shard].number())
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

    /// Returns what the generation consists of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the number of the generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.manifest.generation
    }

    /// Returns the sha256 of the generation's manifest.
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

    /// Returns the sha256 over what the shards' footers say of their ids and vectors.
    #[must_use]
    pub fn vectors_sha256(&self) -> String {
        let contents: Vec<&str> = self.shards.iter().map(VectorShard::content_sha256).collect();
        digest::sha256_hex(contents.concat().as_bytes())
    }

    /// Returns the bytes of the largest shard's texts, uncompressed.
    #[must_use]
    pub fn max_text_bytes(&self) -> u64 {
        self.shards.iter().map(VectorShard::text_bytes).max().unwrap_or(0)
    }

    /// Returns what counts the bytes read of it.
    #[must_use]
    pub const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the rows of the largest shard, superseded ones included, since they are read with the others.
    #[must_use]
    pub fn max_shard_rows(&self) -> usize {
        self.manifest.shards.iter().map(|shard| shard.rows as usize).max().unwrap_or(0)
    }

    /// Streams all shards in row order, some read ahead of the one in work.
    #[must_use]
    pub fn stream(&self, columns: Columns) -> ShardStream {
        let (corpus, handle) = (self.clone(), Handle::current());
        let shards = futures::stream::iter(0..self.manifest.shards.len())
            .map(move |shard| {
                let corpus = corpus.clone();
                // A task each, so that decoding runs beside the arithmetic and beside other shards'.
                tokio::spawn(async move { corpus.read_shard(shard, columns).await })
            })
            .buffered(1 + SHARDS_AHEAD);
        ShardStream { shards: shards.boxed(), handle }
    }

    async fn read_shard(&self, shard: usize, columns: Columns) -> Result<ShardRows, TableError> {
        let (opened, store, number) = (&self.shards[shard], &self.store, self.manifest.shards[shard].number());
        let documents = if columns == Columns::All {
            let _turn = self.decoding.acquire().await;
            Some(self.live_documents(shard, opened.read_documents(store).await?)?)
        } else {
            None
        };
        let (ids, vectors) = match columns {
            Columns::Unchecked => opened.read_vectors_unchecked(store).await?,
            Columns::Vectors | Columns::All => opened.read_vectors(store).await?,
        };
        self.meter.read(opened.stored_bytes(columns == Columns::All));
        self.expect_rows(shard, vectors.len())?;
        let (ids, vectors) = (self.live_ids(shard, ids)?, vectors.without(self.superseded.of(number)));
        Ok(ShardRows { shard: number, first_row: self.first_rows[shard] as usize, ids, vectors, documents })
    }

    /// Passes over the superseded rows of documents.
    fn live_documents(&self, shard: usize, documents: Documents) -> Result<Documents, TableError> {
        self.expect_rows(shard, documents.len())?;
        Ok(match self.live_mask(shard) {
            Some(live) => documents.filter(&live),
            None => documents,
        })
    }

    /// Passes over the superseded rows of ids.
    fn live_ids(&self, shard: usize, ids: StringArray) -> Result<StringArray, TableError> {
        self.expect_rows(shard, ids.len())?;
        let Some(live) = self.live_mask(shard) else { return Ok(ids) };
        let kept = filter(&ids, &live).map_err(|error| self.unfit(shard, error.to_string()))?;
        Ok(kept.as_string::<i32>().clone())
    }

    fn live_mask(&self, shard: usize) -> Option<BooleanArray> {
        let entry = &self.manifest.shards[shard];
        self.superseded.mask(entry.number(), entry.rows as usize)
    }

    /// Makes sure that a shard still has the rows that its footer named in the beginning.
    fn expect_rows(&self, shard: usize, found: usize) -> Result<(), TableError> {
        let expected = self.manifest.shards[shard].rows;
        if found as u64 == expected {
            return Ok(());
        }
        Err(self.unfit(shard, format!("has {found} rows, its raw shard has {expected}")))
    }

    fn unfit(&self, shard: usize, reason: String) -> TableError {
        TableError::Content { key: self.vector_key(shard), reason }
    }

    /// Reads the documents of `rows` (global, in any order), shard by shard, without their texts.
    ///
    /// # Errors
    /// [`TableError`] for a shard that cannot be read any more.
    pub async fn documents(
        &self,
        rows: impl IntoIterator<Item = usize>,
    ) -> Result<BTreeMap<usize, Document>, TableError> {
        let read = futures::stream::iter(self.by_shard(rows))
            .map(|(shard, rows)| async move {
                let documents = self.shards[shard].read_rows(&self.store, &rows.places).await?;
                Ok::<_, TableError>(rows.global.into_iter().zip(documents).collect::<Vec<_>>())
            })
            .buffered(SHARDS_AHEAD);
        let rows: Vec<Vec<(usize, Document)>> = read.try_collect().await?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// Reads the ids of `rows` (global, ascending) in their order, and nothing else of their shards.
    ///
    /// # Errors
    /// [`TableError`] for a shard that cannot be read any more.
    pub async fn ids(&self, rows: &[usize]) -> Result<Vec<String>, TableError> {
        let read = futures::stream::iter(self.by_shard(rows.iter().copied()))
            .map(|(shard, rows)| async move { self.shards[shard].read_ids(&self.store, &rows.places).await })
            .buffered(SHARDS_AHEAD);
        let ids: Vec<Vec<String>> = read.try_collect().await?;
        Ok(ids.into_iter().flatten().collect())
    }

    /// Reads the vectors of `rows` (global, ascending) in their order, `[rows, dim]`, and little else of their shards.
    ///
    /// They are held to nothing: whoever asks compares them with what the whole shards showed.
    ///
    /// # Errors
    /// [`TableError`] for a shard that cannot be read any more.
    pub async fn vectors(&self, rows: &[usize]) -> Result<Array2<f32>, TableError> {
        let read = futures::stream::iter(self.by_shard(rows.iter().copied()))
            .map(|(shard, rows)| async move { self.shards[shard].read_vectors_at(&self.store, &rows.places).await })
            .buffered(SHARDS_AHEAD);
        let of_shards: Vec<Vectors> = read.try_collect().await?;
        let mut vectors = Array2::zeros((rows.len(), self.dim()));
        let read = of_shards.iter().flat_map(|vectors| (0..vectors.len()).map(|row| vectors.row(row)));
        for (mut place, vector) in vectors.outer_iter_mut().zip(read) {
            place.assign(&ArrayView1::from(vector));
        }
        Ok(vectors)
    }

    /// Says that a global row is not what it was.
    #[must_use]
    pub fn changed(&self, row: usize) -> ReduceError {
        let (shard, place) = self.place_of(row);
        ReduceError::Changed { key: self.vector_key(shard).to_string(), row: place }
    }

    /// Returns the place of the shard that has a global row, and the row's own in it.
    fn place_of(&self, row: usize) -> (usize, usize) {
        let shard = self.first_rows.partition_point(|&first| first as usize <= row) - 1;
        let live = row - self.first_rows[shard] as usize;
        (shard, self.superseded.row_of(self.manifest.shards[shard].number(), live))
    }

    fn by_shard(&self, rows: impl IntoIterator<Item = usize>) -> BTreeMap<usize, RowsOfShard> {
        let mut by_shard: BTreeMap<usize, RowsOfShard> = BTreeMap::new();
        for row in rows {
            let (shard, place) = self.place_of(row);
            let rows = by_shard.entry(shard).or_default();
            rows.global.push(row);
            rows.places.push(place);
        }
        by_shard
    }

    /// Lends the corpus to arithmetic that runs on blocking threads.
    #[must_use]
    pub fn source(&self) -> CorpusSource {
        CorpusSource { corpus: self.clone(), handle: Handle::current() }
    }
}

/// Some rows of one shard, by their global row and by their place in the shard.
#[derive(Debug, Default)]
struct RowsOfShard {
    global: Vec<usize>,
    places: Vec<usize>,
}

async fn only_model(store: &Store) -> Result<ModelName, Failure> {
    let models = store.folders(&layout::vectors()).await?;
    match models.as_slice() {
        [] => Err(ReduceError::NoVectors { store: store.url().to_owned() }.into()),
        [model] => Ok(ModelName::new(model)?),
        _ => Err(ReduceError::SeveralModels { store: store.url().to_owned(), models: models.join(", ") }.into()),
    }
}

/// Tells whether every shard was opened; each that was not is named in the log.
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
    missing.iter().for_each(|key| tracing::error!("{key}: is missing"));
    bad.iter().for_each(|reason| tracing::error!("{reason}"));
    match (bad.len(), missing.len()) {
        (0, 0) => Ok(shards),
        (0, missing_shards) => {
            let keys = listed(&missing, ", ");
            Err(ReduceError::MissingShards { missing: missing_shards, total, keys }.into())
        }
        (bad_shards, missing_shards) => {
            let also = if missing_shards == 0 {
                String::new()
            } else {
                format!("; {missing_shards} more are missing ({})", listed(&missing, ", "))
            };
            let reasons = listed(&bad, "; ") + &also;
            Err(ReduceError::BadShards { bad: bad_shards, total, reasons }.into())
        }
    }
}

fn listed(names: &[String], separator: &str) -> String {
    let mut text = names[..names.len().min(NAMES_IN_ERROR)].join(separator);
    if names.len() > NAMES_IN_ERROR {
        text.push_str(&format!("{separator}and {} more, which the log names", names.len() - NAMES_IN_ERROR));
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
        let shards = {
            let _runtime = self.handle.enter();
            self.corpus.stream(Columns::Vectors)
        };
        for rows in shards {
            let rows = rows?;
            let block = Block { first_row: rows.first_row, vectors: rows.matrix(), ids: &rows.ids };
            if visit(block).is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn vectors(&self, rows: &[usize]) -> Result<Array2<f32>, TableError> {
        self.handle.block_on(self.corpus.vectors(rows))
    }

    fn ids(&self, rows: &[usize]) -> Result<Vec<String>, TableError> {
        self.handle.block_on(self.corpus.ids(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(shard: usize) -> Result<VectorShard, TableError> {
        Err(TableError::Missing { key: Path::from(format!("vectors/m/shard_{shard:05}.parquet")) })
    }

    fn bad(shard: usize) -> Result<VectorShard, TableError> {
        let key = Path::from(format!("vectors/m/shard_{shard:05}.parquet"));
        Err(TableError::Content { key, reason: "is short of rows".into() })
    }

    #[test]
    fn bad_and_missing_shards_are_both_told() {
        let failure = sound(vec![missing(0), bad(1), missing(2)]).unwrap_err();
        let said = failure.chain();
        assert!((0..3).all(|shard| said.contains(&format!("shard_{shard:05}"))), "{said}");
        assert_eq!(failure.exit(), Exit::Data, "a retry does not mend the bad one: {said}");
        assert_eq!(sound(vec![missing(0), missing(1)]).unwrap_err().exit(), Exit::Retry);
    }

    #[test]
    fn a_reader_s_panic_is_the_receiver_s() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let handle = runtime.handle().clone();
        let shards = futures::stream::once(runtime.spawn(async { panic!("a fault of the decoder") })).boxed();
        let mut stream = ShardStream { shards, handle };
        let caught = panic::catch_unwind(panic::AssertUnwindSafe(|| stream.next())).unwrap_err();
        assert_eq!(caught.downcast_ref(), Some(&"a fault of the decoder"));
    }
}
