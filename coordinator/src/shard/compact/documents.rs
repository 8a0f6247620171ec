//! Documents of shards that are folded → new raw shards: those that are not superseded, in row order.
//!
//! Invariant: a new shard's bytes are those that `strata shard` would give it, a function of its documents alone.

use strata_shared::documents::{Document, Documents};
use strata_shared::manifest::ShardEntry;
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use tokio::runtime::Handle;

use crate::shard::error::ShardError;
use crate::shard::known;
use crate::shard::write::{self, ShardSender, Target};

/// Moves the documents of `sources` into shards of `rows_per_shard`, and lists them.
///
/// # Errors
/// [`ShardError::Lost`] for a source that is missing or another, and those of writing.
pub(super) async fn move_documents(
    store: &Store,
    sources: &[ShardEntry],
    superseded: &Superseded,
    rows_per_shard: usize,
    target: Target<'_>,
) -> Result<Vec<ShardEntry>, ShardError> {
    let (sender, jobs) = ShardSender::new(rows_per_shard, target.first_shard);
    let sources: Vec<(ShardEntry, Vec<u32>)> =
        sources.iter().map(|shard| (shard.clone(), superseded.of(shard.number()).to_vec())).collect();
    let (from, runtime) = (store.clone(), Handle::current());
    let sending = crate::shard::blocking(move || send(&from, &sources, sender, &runtime));
    match tokio::join!(sending, write::write_shards(store, jobs, target)) {
        // One half ends because the other has failed.
        (Err(ShardError::Abandoned) | Ok(()), made) => made,
        (Err(error), _) => Err(error),
    }
}

fn send(
    store: &Store,
    sources: &[(ShardEntry, Vec<u32>)],
    mut sender: ShardSender,
    runtime: &Handle,
) -> Result<(), ShardError> {
    for (shard, superseded) in sources {
        let documents = runtime.block_on(known::read_documents(store, shard))?;
        let live = (0..documents.len()).filter(|&row| superseded.binary_search(&(row as u32)).is_err());
        live.map(|row| document(&documents, row)).try_for_each(|document| sender.push(document))?;
    }
    sender.finish()
}

fn document(documents: &Documents, row: usize) -> Document {
    Document {
        id: documents.id(row).to_owned(),
        title: documents.title(row).to_owned(),
        abstract_text: documents.abstract_text(row).to_owned(),
        categories: documents.categories(row).to_owned(),
        created: documents.created(row),
    }
}
