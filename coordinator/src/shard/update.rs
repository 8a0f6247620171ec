//! A snapshot and the generation before it → the next generation: unchanged documents stay where they are, new and changed
//! ones go into new shards, and rows that they replace, or that are gone, are superseded.
//!
//! Invariant: nothing that an earlier generation names is written to. Until the generation is created nothing names its
//! shards, and whatever ends the update before that leaves the corpus as it was.

use std::collections::BTreeSet;

use object_store::path::Path;
use strata_shared::generations::{self, Generation};
use strata_shared::layout::FORMAT;
use strata_shared::manifest::{InputEntry, Manifest, ManifestError, ShardEntry, UpdateRecord};
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;

use super::assemble::Assembled;
use super::brought;
use super::change::{self, Change, Terms};
use super::corpus::{self, Sources};
use super::error::ShardError;
use super::known::KnownDocuments;
use super::write::Target;
use super::{Outcome, settle};

/// What a snapshot is compared with.
pub(super) struct Base {
    pub(super) manifest: Manifest,
    pub(super) superseded: Superseded,
}

impl Base {
    /// Reads which rows of a generation are superseded.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) async fn read(store: &Store, manifest: Manifest) -> Result<Self, ShardError> {
        let superseded = Superseded::read(store, &manifest).await?;
        Ok(Self { manifest, superseded })
    }

    async fn known(&self, store: &Store) -> Result<KnownDocuments, ShardError> {
        KnownDocuments::read(store, &self.manifest, &self.superseded).await
    }
}

/// Returns the documents that the snapshot of `manifest` was compared with.
///
/// # Errors
/// They cannot be read, or [`ShardError::Manifest`] where the generation before is gone.
pub(super) async fn known_before(store: &Store, manifest: &Manifest) -> Result<KnownDocuments, ShardError> {
    if manifest.update.is_none() {
        return Ok(KnownDocuments::default());
    }
    let before = generations::read(store, manifest.generation - 1).await?;
    Base::read(store, before.manifest).await?.known(store).await
}

/// Says what the snapshot would change, and writes nothing.
///
/// # Errors
/// Those of reading.
pub(super) async fn plan(sources: &Sources, store: &Store, base: &Base, terms: &Terms) -> Result<Change, ShardError> {
    let assembled = corpus::sift(sources, base.known(store).await?).await?;
    Ok(Sifted::new(assembled, Vec::new(), store, base, terms.complete).await?.change)
}

/// Updates the corpus of `newest` by the snapshot.
///
/// # Errors
/// [`ShardError::TooMuch`] or [`ShardError::Older`] where the terms do not allow it, and those of reading and writing; the
/// corpus is then as it was.
pub(super) async fn run(
    sources: &Sources,
    store: &Store,
    newest: Generation,
    terms: &Terms,
) -> Result<Outcome, ShardError> {
    let base = Base::read(store, newest.manifest.clone()).await?;
    let (generation, first_shard) = (base.manifest.generation + 1, base.manifest.next_shard);
    let target = Target { generation, first_shard, listed_by: None };
    let made = async {
        let sifted = make(sources, store, &base, terms.complete, target).await?;
        sifted.change.check(terms)?;
        target.expect_open(store).await?;
        Ok(sifted)
    };
    match made.await {
        Ok(sifted) if sifted.change.is_nothing() => nothing(sources, store, newest, sifted).await,
        Ok(sifted) => {
            generations::keep_first(store, &newest).await?;
            conclude(sources, store, (base, target), sifted).await
        }
        Err(error) => {
            // Nobody would read them, and the first error is the one to tell.
            let _ = corpus::give_up(&base.manifest, store).await;
            Err(error)
        }
    }
}

/// Makes a generation's shards again, of which some were lost, by the same snapshot and the generation before.
///
/// # Errors
/// Those of reading and writing, or of the generation before; [`ShardError::Lost`] where other shards come of it,
/// [`ShardError::LostForGood`] where the generation before was pruned.
pub(super) async fn remake(
    sources: &Sources,
    store: &Store,
    (manifest, update): (&Manifest, &UpdateRecord),
    lost: Path,
) -> Result<Outcome, ShardError> {
    let before = match generations::read(store, manifest.generation - 1).await {
        Err(ManifestError::Pruned { number, .. }) => {
            return Err(ShardError::LostForGood { store: store.url().to_owned(), key: lost, generation: number });
        }
        read => read?,
    };
    if before.manifest.next_shard != update.first_shard {
        // Its shards were not made of the snapshot alone.
        return Err(ShardError::Lost { store: store.url().to_owned(), key: lost });
    }
    let base = Base::read(store, before.manifest).await?;
    let target = Target { generation: manifest.generation, first_shard: update.first_shard, listed_by: Some(manifest) };
    let sifted = make(sources, store, &base, update.complete, target).await?;
    conclude(sources, store, (base, target), sifted).await
}

/// A snapshot held against a generation, its documents in shards that nothing names yet.
struct Sifted {
    assembled: Assembled,
    shards: Vec<ShardEntry>,
    /// The rows that make way, ascending, among all rows of the generation's shards.
    replaced: Vec<u32>,
    replaced_undated: u64,
    complete: bool,
    change: Change,
}

async fn make(
    sources: &Sources,
    store: &Store,
    base: &Base,
    complete: bool,
    target: Target<'_>,
) -> Result<Sifted, ShardError> {
    let known = base.known(store).await?;
    let (assembled, shards) = corpus::make_shards(sources, store, known, target).await?;
    Sifted::new(assembled, shards, store, base, complete).await
}

impl Sifted {
    async fn new(
        mut assembled: Assembled,
        shards: Vec<ShardEntry>,
        store: &Store,
        base: &Base,
        complete: bool,
    ) -> Result<Self, ShardError> {
        let known = std::mem::take(&mut assembled.known);
        // A line that cannot be read may be that of any document that was not met.
        let removes = complete && assembled.tally.unreadable == 0;
        let (replaced, replaced_undated) = known.replaced(removes);
        let reused = std::mem::take(&mut assembled.changes).find_reused(store, &base.manifest).await?;
        let (tally, missing) = (&assembled.tally, known.num_unnamed());
        let (gone, kept) = if removes { (missing, 0) } else { (0, missing) };
        let change = Change {
            generation: base.manifest.generation + 1,
            rows_before: base.manifest.rows,
            rows: base.manifest.rows + tally.new - gone,
            unchanged: tally.unchanged,
            changed: tally.changed,
            new: tally.new,
            gone,
            kept,
            reverted: tally.reverted,
            reused: reused.count,
            reused_ids: reused.first,
            rejected: tally.rejected,
            unreadable: tally.unreadable,
            newest_before: change::day(known.newest()),
            newest: change::day(tally.newest),
        };
        Ok(Self { assembled, shards, replaced, replaced_undated, complete, change })
    }

    /// Describes the next generation, with its list of superseded rows.
    fn describe(&self, sources: &Sources, base: Base) -> Result<(Manifest, Option<Vec<u8>>), ShardError> {
        let (Base { manifest: before, mut superseded }, change) = (base, &self.change);
        supersede(&mut superseded, &before.shards, &self.replaced);
        let shards = listed(&before, &superseded, &self.shards);
        let numbers: BTreeSet<usize> = shards.iter().map(ShardEntry::number).collect();
        superseded.keep_shards(|number| numbers.contains(&number));
        let encoded = superseded.encode(change.generation)?;
        let (superseded, bytes) = encoded.unzip();
        let update = UpdateRecord {
            complete: self.complete,
            first_shard: before.next_shard,
            unchanged: change.unchanged,
            changed: change.changed,
            new: change.new,
            gone: change.gone,
            kept: change.kept,
            reverted: change.reverted,
            reused: change.reused,
        };
        let manifest = Manifest {
            format: FORMAT,
            generation: change.generation,
            rows: change.rows,
            shards,
            next_shard: before.next_shard + self.shards.len(),
            superseded,
            inputs: self.assembled.inputs.clone(),
            rejected: change.rejected,
            undated: before.undated - self.replaced_undated + self.assembled.tally.written_undated,
            update: Some(update),
            compaction: None,
            settings: sources.settings.clone(),
        };
        Ok((manifest, bytes))
    }
}

/// Adds rows that are counted over all of `shards` to the superseded ones of each.
fn supersede(superseded: &mut Superseded, shards: &[ShardEntry], mut rows: &[u32]) {
    let mut first = 0;
    for shard in shards {
        let end = first + shard.rows;
        let (of_shard, later) = rows.split_at(rows.partition_point(|row| u64::from(*row) < end));
        superseded.add(shard.number(), of_shard.iter().map(|row| row - first as u32));
        (rows, first) = (later, end);
    }
}

/// Lists the shards of the generation before, but those of which no row is left, and then the new ones.
fn listed(before: &Manifest, superseded: &Superseded, new: &[ShardEntry]) -> Vec<ShardEntry> {
    let counted = before
        .shards
        .iter()
        .map(|shard| ShardEntry { superseded: superseded.of(shard.number()).len() as u64, ..shard.clone() });
    counted.filter(|shard| shard.live_rows() > 0).chain(new.iter().cloned()).collect()
}

/// Writes the vectors that came along for its own shards, and all that the next generation names, then creates it.
async fn conclude(
    sources: &Sources,
    store: &Store,
    (base, target): (Base, Target<'_>),
    mut sifted: Sifted,
) -> Result<Outcome, ShardError> {
    let (manifest, superseded) = sifted.describe(sources, base)?;
    let (written, tally) = (std::mem::take(&mut sifted.assembled.written), sifted.assembled.tally.clone());
    let brought = brought::bring(sources, store, &manifest, written, target).await?;
    target.expect_open(store).await?;
    if let Some((entry, bytes)) = manifest.superseded.as_ref().zip(superseded) {
        store.put(&entry.key.as_str().into(), bytes).await?;
    }
    corpus::finish(sifted.assembled.rejected, &manifest, store).await?;
    let manifest = settle::create(store, manifest).await?;
    if let Some(brought) = brought {
        brought.finish(store, &manifest).await?;
    }
    Ok(Outcome { manifest, already_done: false, tally: Some(tally), change: Some(sifted.change) })
}

/// Ends an update that has nothing to change; vectors are added where they are of the generation's own snapshot.
async fn nothing(sources: &Sources, store: &Store, newest: Generation, sifted: Sifted) -> Result<Outcome, ShardError> {
    generations::announce(store, &newest).await?;
    let manifest = newest.manifest;
    corpus::give_up(&manifest, store).await?;
    let digests = |inputs: &[InputEntry]| inputs.iter().map(|input| input.sha256.clone()).collect::<Vec<_>>();
    let is_same = digests(&manifest.inputs) == digests(&sifted.assembled.inputs);
    if !is_same && sources.vectors.is_some() {
        tracing::warn!(
            "--vectors: are not looked at, since the snapshot has nothing new and is not the newest generation's"
        );
    }
    let already_done = !(is_same && brought::add(sources, store, &manifest).await?);
    Ok(Outcome { manifest, already_done, tally: Some(sifted.assembled.tally), change: Some(sifted.change) })
}

#[cfg(test)]
mod tests;
