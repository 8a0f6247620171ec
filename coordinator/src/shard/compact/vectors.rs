//! Vectors of shards that are folded → vector shards of the new raw shards, by one model.
//!
//! Invariant: every vector stays with its document, bit for bit; a new vector shard is what a map would have written, had it
//! made these vectors. Memory holds the vectors of one shard that is read and of one that is written.

use arrow::array::{Array, AsArray, StringArray};
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::ShardEntry;
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use strata_shared::table::TableError;
use strata_shared::vectors::{self, VectorShard, Vectors};

use crate::shard::error::ShardError;
use crate::shard::known;

/// The vectors by one model of rows that are not superseded, shard after shard.
pub(super) struct LiveVectors<'a> {
    pub(super) store: &'a Store,
    pub(super) model: &'a ModelName,
    pub(super) dim: usize,
    pub(super) superseded: &'a Superseded,
    /// The shards that are still to be read.
    pub(super) sources: &'a [ShardEntry],
    /// What was read and not taken yet.
    pub(super) waiting: Waiting,
}

/// Rows in order: an id each, and a vector.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    ids: Vec<String>,
    values: Vec<f32>,
}

impl LiveVectors<'_> {
    /// Writes the vectors of `targets`, whose documents are those of the sources, in order.
    ///
    /// # Errors
    /// [`ShardError::Table`] for vectors that cannot be read or are not of these documents, [`ShardError::Disturbed`] for a
    /// target that was overwritten meanwhile, and the store's.
    pub(super) async fn move_to(mut self, targets: &[ShardEntry]) -> Result<(), ShardError> {
        for target in targets {
            let documents = known::read_documents(self.store, target).await.map_err(|error| match error {
                ShardError::Lost { store, .. } => ShardError::Disturbed { store },
                error => error,
            })?;
            let vectors = self.take(documents.columns().column(0).as_string()).await?;
            let (model, sha256) = (self.model.clone(), target.sha256.clone());
            let encoded =
                crate::shard::blocking(move || Ok(vectors::encode(&documents, &vectors, &model, &sha256)?)).await?;
            self.store.put(&layout::vector_shard(self.model, target.number()), encoded).await?;
        }
        Ok(())
    }

    /// Takes the vectors of the next rows, which must have these ids.
    async fn take(&mut self, ids: &StringArray) -> Result<Vectors, ShardError> {
        while self.waiting.ids.len() < ids.len() && !self.sources.is_empty() {
            self.read_next().await?;
        }
        let num_rows = ids.len().min(self.waiting.ids.len());
        let taken: Vec<String> = self.waiting.ids.drain(..num_rows).collect();
        if !ids.iter().flatten().eq(taken.iter().map(String::as_str)) {
            let key = layout::vectors_of(self.model);
            let reason = "has vectors in another order than its raw shards have documents; remove it and make it again";
            return Err(TableError::Content { key, reason: reason.into() }.into());
        }
        Ok(Vectors::new(self.dim, self.waiting.values.drain(..num_rows * self.dim).collect()))
    }

    async fn read_next(&mut self) -> Result<(), ShardError> {
        let Some((shard, later)) = self.sources.split_first() else { return Ok(()) };
        self.sources = later;
        let key = layout::vector_shard(self.model, shard.number());
        let opened = VectorShard::open(self.store, &key, self.model, &shard.sha256, shard.rows as usize).await?;
        let (ids, vectors) = opened.read_vectors(self.store).await?;
        if vectors.dim() != self.dim {
            let reason = format!("has vectors of {} dimensions, expected {}", vectors.dim(), self.dim);
            return Err(TableError::Content { key, reason }.into());
        }
        let superseded = self.superseded.of(shard.number());
        let live =
            ids.iter().flatten().enumerate().filter(|(row, _)| superseded.binary_search(&(*row as u32)).is_err());
        self.waiting.ids.extend(live.map(|(_, id)| id.to_owned()));
        self.waiting.values.extend_from_slice(vectors.without(superseded).values());
        Ok(())
    }
}
