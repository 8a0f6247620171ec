//! Vectors made elsewhere → vector shards, as if a map had made them.
//!
//! Invariant: no vector shard is written before every document has a vector of the same length and a direction. A Parquet
//! file joins by id, in any order; an `.npy` file by row. Scratch disk (`TMPDIR`) holds the vectors in the documents'
//! order; memory holds 16 bytes a document while ids are matched, and the vectors of a shard while it is written.

mod file;
mod npy;
mod placed;
mod unit;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use object_store::path::Path;
use strata_shared::digest;
use strata_shared::documents::Documents;
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::store::Store;
use strata_shared::table::{TableError, TableReader};
use strata_shared::telemetry::Progress;
use strata_shared::vectors::{self, VectorShard};

use super::bits::Bits;
use super::error::ShardError;
use super::seen::{self, IdHash};
use super::write::Target;
use placed::PlacedVectors;
use unit::append_unit;

pub(super) use file::{VectorFile, VectorRow};

/// Whose vectors the rows of a file are.
pub(super) enum Owners {
    /// Row i belongs to the i-th line that is not blank: whether it became a document.
    Lines(Bits),
    /// A row belongs to the document with its id.
    Ids(IdRows),
}

/// The row of the document with each id, by the id's hash.
pub(super) struct IdRows {
    sorted: Vec<(IdHash, u32)>,
}

impl IdRows {
    /// Reads the ids of all raw shards.
    ///
    /// # Errors
    /// [`ShardError::Table`] for a shard that cannot be read.
    pub(super) async fn read(store: &Store, shards: &[ShardEntry]) -> Result<Self, ShardError> {
        let num_rows: u64 = shards.iter().map(|shard| shard.rows).sum();
        let mut sorted = Vec::with_capacity(num_rows as usize);
        for shard in shards {
            for id in read_ids(store, shard).await?.iter().flatten() {
                // 2³² documents would have filled terabytes of shards before.
                sorted.push((seen::hash(id), sorted.len() as u32));
            }
        }
        sorted.sort_unstable();
        Ok(Self { sorted })
    }

    fn row(&self, id: &str) -> Option<u64> {
        let hash = seen::hash(id);
        let found = self.sorted.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        Some(u64::from(self.sorted[found].1))
    }
}

async fn read_ids(store: &Store, shard: &ShardEntry) -> Result<StringArray, TableError> {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, false)]));
    let batch = TableReader::open(store, &Path::from(shard.key.as_str())).await?.read(store, &schema).await?;
    Ok(batch.column(0).as_string().clone())
}

/// The vector shards of a corpus by one model, those that are there and those to come.
pub(super) struct VectorShards<'a> {
    pub(super) store: &'a Store,
    pub(super) model: &'a ModelName,
    pub(super) shards: &'a [ShardEntry],
}

/// Vectors of documents in their order, of unit length: complete for those that need one.
pub(super) struct CompleteVectors {
    placed: PlacedVectors,
}

/// How many documents there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// All whose vectors are taken.
    pub(super) all: u64,
    /// The first of them, which need a vector each.
    pub(super) required: u64,
}

/// Places the vectors of `file` in the order of the documents; blocks.
///
/// Returns the first document that has none as `Err(row)` inside, so that the caller can name it.
///
/// # Errors
/// [`ShardError::Vectors`] for a vector of another length, with NaN or all zeros, of an id that has two, or another
/// number of rows than lines.
pub(super) fn place(
    file: VectorFile,
    owners: &Owners,
    num_documents: Extent,
) -> Result<Result<CompleteVectors, u64>, ShardError> {
    check_rows(&file, owners, num_documents.all)?;
    let name = file.given().to_owned();
    let mut placing = Placing { name, num_documents, placed: None, next: 0, unit: Vec::new() };
    file.visit(|row| placing.take(owners, &row))?;
    placing.finish()
}

fn check_rows(file: &VectorFile, owners: &Owners, num_documents: u64) -> Result<(), ShardError> {
    let found = file.num_rows();
    match owners {
        Owners::Ids(_) if !file.has_ids() => Err(file.wrong("has no column of ids, expected one named id".into())),
        Owners::Lines(lines) if lines.len() != found => {
            let expected = lines.len();
            Err(file.wrong(format!("has {found} rows, the inputs have {expected} lines that are not blank")))
        }
        Owners::Lines(lines) if lines.ones() != num_documents => {
            let expected = lines.ones();
            Err(file.wrong(format!("belong to {expected} documents, the store holds {num_documents}: use a new store")))
        }
        _ => Ok(()),
    }
}

struct Placing {
    name: String,
    num_documents: Extent,
    /// Made with the first vector, which sets the dimensions.
    placed: Option<PlacedVectors>,
    /// The next document, where rows follow lines.
    next: u64,
    unit: Vec<f32>,
}

impl Placing {
    fn take(&mut self, owners: &Owners, row: &VectorRow<'_>) -> Result<(), ShardError> {
        let Some(document) = self.owner(owners, row) else { return Ok(()) };
        let numbers = row.numbers.clone().map_err(|reason| self.wrong(row, &reason))?;
        let mut placed = match self.placed.take() {
            Some(placed) => placed,
            None if numbers.is_empty() => return Err(self.wrong(row, "has no dimensions, expected at least one")),
            None => PlacedVectors::new(self.num_documents.all, numbers.len())?,
        };
        if numbers.len() != placed.dim() {
            let reason = format!("has {} dimensions, those before have {}", numbers.len(), placed.dim());
            return Err(self.wrong(row, &reason));
        }
        self.unit.clear();
        append_unit(numbers, &mut self.unit).map_err(|reason| self.wrong(row, &reason.to_string()))?;
        if !placed.place(document, &self.unit)? {
            return Err(self.wrong(row, "is the second of its id, expected one"));
        }
        self.placed = Some(placed);
        Ok(())
    }

    fn owner(&mut self, owners: &Owners, row: &VectorRow<'_>) -> Option<u64> {
        match owners {
            Owners::Ids(ids) => ids.row(row.id?),
            Owners::Lines(lines) if lines.get(row.index) => {
                self.next += 1;
                Some(self.next - 1)
            }
            Owners::Lines(_) => None,
        }
    }

    fn wrong(&self, row: &VectorRow<'_>, reason: &str) -> ShardError {
        let id = row.id.map_or_else(String::new, |id| format!(" (id {id:?})"));
        ShardError::Vectors { file: self.name.clone(), reason: format!("the vector in row {}{id} {reason}", row.index) }
    }

    fn finish(self) -> Result<Result<CompleteVectors, u64>, ShardError> {
        let Some(mut placed) = self.placed else { return Ok(Err(0)) };
        Ok(match placed.finish()? {
            Some(row) if row < self.num_documents.required => Err(row),
            _ => Ok(CompleteVectors { placed }),
        })
    }
}

/// Returns the shards of earlier snapshots that have no vectors by `model` yet and can be given some: superseded rows have
/// ids that mean another text now.
///
/// # Errors
/// The store's.
pub(super) async fn without_vectors(
    store: &Store,
    model: &ModelName,
    manifest: &Manifest,
) -> Result<Vec<ShardEntry>, ShardError> {
    let own: Vec<usize> = manifest.own_shards().map(ShardEntry::number).collect();
    let earlier = manifest.shards.iter().filter(|shard| !own.contains(&shard.number()));
    let shards: Vec<ShardEntry> = earlier.cloned().collect();
    let vectors = VectorShards { store, model, shards: &shards };
    let mut without = Vec::new();
    for (place, shard) in shards.iter().enumerate() {
        if vectors.present(place).await?.is_none() {
            without.push(shard.clone());
        }
    }
    let num_without = without.len();
    without.retain(|shard| shard.superseded == 0);
    if without.len() < num_without {
        let shards = num_without - without.len();
        tracing::warn!(%model, shards, "shards with superseded rows get no vectors that were made elsewhere: `strata compact` makes others of them that do");
    }
    Ok(without)
}

/// Makes sure that vectors have as many dimensions as those of the same name that the store has.
///
/// # Errors
/// [`ShardError::Vectors`], and the store's.
pub(super) async fn expect_dim(
    store: &Store,
    manifest: &Manifest,
    model: &ModelName,
    vectors: &CompleteVectors,
    file: &str,
) -> Result<(), ShardError> {
    let found = vectors.placed.dim();
    match (VectorShards { store, model, shards: &manifest.shards }).dim().await? {
        // Vectors of the same documents are compared as a whole.
        Some(expected) if expected != found && !manifest.is_one_snapshot() => {
            let reason = format!("has vectors of {found} dimensions, those of {model} in the store have {expected}");
            Err(ShardError::Vectors { file: file.to_owned(), reason })
        }
        _ => Ok(()),
    }
}

/// Returns the id of document `row`, for messages.
pub(super) async fn id_of(store: &Store, shards: &[ShardEntry], mut row: u64) -> Result<String, ShardError> {
    for shard in shards {
        if row < shard.rows {
            let documents = Documents::read(store, &Path::from(shard.key.as_str())).await?;
            return Ok(documents.id(row as usize).to_owned());
        }
        row -= shard.rows;
    }
    Ok(String::new())
}

impl VectorShards<'_> {
    /// Returns the dimensions of those that are there.
    async fn dim(&self) -> Result<Option<usize>, ShardError> {
        for place in 0..self.shards.len() {
            if let Some(shard) = self.present(place).await? {
                return Ok(Some(shard.dim()));
            }
        }
        Ok(None)
    }

    /// Tells whether the vectors of the shard at this place are there, whole, of this model and of that shard.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn is_present(&self, place: usize) -> Result<bool, ShardError> {
        Ok(self.present(place).await?.is_some())
    }

    /// Opens the vectors of the shard at this place where they are there, whole, of this model and of that shard.
    async fn present(&self, place: usize) -> Result<Option<VectorShard>, ShardError> {
        let (key, raw) = (self.key(place), &self.shards[place]);
        match VectorShard::open(self.store, &key, self.model, &raw.sha256, raw.rows as usize).await {
            Ok(shard) => Ok(Some(shard)),
            Err(TableError::Store(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    fn key(&self, place: usize) -> Path {
        layout::vector_shard(self.model, self.shards[place].number())
    }

    /// Tells whether every vector shard is there.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn are_present(&self) -> Result<bool, ShardError> {
        for index in 0..self.shards.len() {
            if self.present(index).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes the vector shards that are not there yet; tells whether there were any.
    ///
    /// # Errors
    /// [`ShardError::OtherVectors`] where those that are there hold other vectors: nothing is written then.
    /// [`ShardError::Disturbed`], [`ShardError::Overtaken`] and the store's.
    pub(super) async fn write(&self, complete: &CompleteVectors, target: Target<'_>) -> Result<bool, ShardError> {
        let missing = self.missing(&complete.placed).await?;
        if missing.is_empty() {
            return Ok(false);
        }
        let rows = missing.iter().map(|(index, _)| self.shards[*index].rows);
        let progress = Progress::start("vectors", "documents", rows.sum());
        // One after the other: side by side they would be twice as fast, and take 300 MiB in 384 dimensions.
        for (index, first) in missing {
            self.write_shard(index, first, &complete.placed, target).await?;
            progress.advance(self.shards[index].rows);
        }
        Ok(true)
    }

    /// Returns the place of each shard whose vectors are not there and known, with the row of its first document among all.
    async fn missing(&self, placed: &PlacedVectors) -> Result<Vec<(usize, u64)>, ShardError> {
        let (mut missing, mut first) = (Vec::new(), 0);
        for (index, raw) in self.shards.iter().enumerate() {
            if let Some(shard) = self.present(index).await? {
                let vectors = placed.read(first, raw.rows as usize)?;
                if shard.content_sha256() != vectors::content_sha256(&read_ids(self.store, raw).await?, &vectors) {
                    return Err(ShardError::OtherVectors { key: self.key(index) });
                }
            } else if placed.holds(first, raw.rows) {
                missing.push((index, first));
            }
            first += raw.rows;
        }
        Ok(missing)
    }

    async fn write_shard(
        &self,
        index: usize,
        first: u64,
        placed: &PlacedVectors,
        target: Target<'_>,
    ) -> Result<(), ShardError> {
        let raw = &self.shards[index];
        let raw_key = Path::from(raw.key.as_str());
        if digest::sha256_hex(&self.store.get(&raw_key).await?) != raw.sha256 {
            return Err(ShardError::Disturbed { store: self.store.url().to_owned() });
        }
        let documents = Documents::read(self.store, &raw_key).await?;
        let vectors = placed.read(first, documents.len())?;
        let (model, sha256) = (self.model.clone(), raw.sha256.clone());
        let encoded = super::blocking(move || Ok(vectors::encode(&documents, &vectors, &model, &sha256)?)).await?;
        target.expect_open(self.store).await?;
        self.store.put(&self.key(index), encoded).await?;
        Ok(())
    }
}
