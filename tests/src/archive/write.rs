//! Shards side by side → a store: raw shards and vector shards, then the refusals (none) and the first generation.
//!
//! Invariant: where there is a manifest, the corpus is whole. Memory holds one shard a thread.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use strata_shared::digest;
use strata_shared::generations;
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::{InputEntry, Manifest, ShardEntry};
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::{Archive, ArchiveError};

/// The name of the one input that the manifest names.
const INPUT: &str = "archive";

/// The shards that are written, each with its documents without a date.
type Written = Vec<(usize, ShardEntry, u64)>;

impl Archive {
    /// Writes the whole corpus into `store`; blocks, and takes the runtime's `handle` for the store.
    ///
    /// # Errors
    /// [`ArchiveError::Taken`] for a store with a corpus, and the store's own.
    pub fn write(&self, store: &Store, handle: &Handle) -> Result<Manifest, ArchiveError> {
        if handle.block_on(Manifest::read_if_present(store))?.is_some() {
            return Err(ArchiveError::Taken { store: store.url().to_owned() });
        }
        let mut written = self.write_shards(store, handle)?;
        written.sort_by_key(|(index, ..)| *index);
        let undated = written.iter().map(|(_, _, undated)| undated).sum();
        let shards = written.into_iter().map(|(_, entry, _)| entry).collect();
        let manifest = self.manifest(shards, undated);
        handle.block_on(store.put(&layout::rejected_of(manifest.generation), Vec::new()))?;
        handle.block_on(generations::create(store, &manifest))?;
        Ok(manifest)
    }

    /// Writes all shards, each on the first thread that is free.
    fn write_shards(&self, store: &Store, handle: &Handle) -> Result<Written, ArchiveError> {
        let model = self.model()?;
        let next = AtomicUsize::new(0);
        let progress = Progress::start("archive", "documents", self.plan.rows);
        let work = || -> Result<Written, ArchiveError> {
            let mut written = Vec::new();
            while let Some(shard) = self.write_shard(next.fetch_add(1, Ordering::Relaxed), &model, store, handle)? {
                progress.advance(shard.1.rows);
                written.push(shard);
            }
            Ok(written)
        };
        let written: Vec<Result<Written, ArchiveError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.plan.threads.max(1)).map(|_| scope.spawn(work)).collect();
            let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect()
        });
        Ok(written.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn model(&self) -> Result<ModelName, ArchiveError> {
        let refused = |_| ArchiveError::Plan {
            name: "--model-name",
            found: self.plan.model.clone(),
            expected: "letters, digits, dots, hyphens and underscores",
        };
        ModelName::new(&self.plan.model).map_err(refused)
    }

    /// Writes shard `index`; `None` where the corpus has no such shard.
    fn write_shard(
        &self,
        index: usize,
        model: &ModelName,
        store: &Store,
        handle: &Handle,
    ) -> Result<Option<(usize, ShardEntry, u64)>, ArchiveError> {
        let start = index as u64 * self.plan.rows_per_shard as u64;
        if start >= self.plan.rows {
            return Ok(None);
        }
        let rows = start..self.plan.rows.min(start + self.plan.rows_per_shard as u64);
        let shard = self.shard(index, rows, model)?;
        handle.block_on(store.put(&layout::raw_shard(index), shard.raw))?;
        handle.block_on(store.put(&layout::vector_shard(model, index), shard.vectors))?;
        Ok(Some((index, shard.entry, shard.undated)))
    }

    fn manifest(&self, shards: Vec<ShardEntry>, undated: u64) -> Manifest {
        let mut digests = Sha256::new();
        shards.iter().for_each(|shard| digests.update(&shard.sha256));
        let sha256 = digest::finish(digests);
        let inputs = vec![InputEntry { name: INPUT.into(), lines: self.plan.rows, blank: 0, sha256 }];
        let settings = ShardSettings { rows_per_shard: self.plan.rows_per_shard, ..ShardSettings::default() };
        Manifest::first(shards, inputs, (0, undated), settings)
    }
}
