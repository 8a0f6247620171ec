//! What a generation consists of → a generation of the store, or a word that another command was there first.
//!
//! Invariant: of several commands that make the same generation of different inputs at once, one makes it. Raw shards cannot
//! say whose they are, since those of a killed attempt must give way to the next; the generation is therefore created only
//! where there is none of its number. Whoever comes too late removes what that one does not list, so that raw shards are as
//! it lists them or missing, and its command makes the missing ones again; of vectors it removes those that are not of these shards.
//! Names of inputs do not matter.

use object_store::path::Path;
use strata_shared::generations::{self, Created};
use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;

use super::brought;
use super::corpus;
use super::earlier;
use super::error::ShardError;

/// Creates the generation that `manifest` describes, and returns the one that the store has.
///
/// # Errors
/// [`ShardError::Overtaken`] where another command made another one meanwhile, [`ShardError::Disturbed`] where it overwrote
/// raw shards, and the store's.
pub(super) async fn create(store: &Store, manifest: Manifest) -> Result<Manifest, ShardError> {
    let settled = match generations::create(store, &manifest).await? {
        Created::Ours => manifest,
        Created::Others(first) if is_same(&first.manifest, &manifest) => {
            generations::announce(store, &first).await?;
            first.manifest
        }
        Created::Others(first) => return Err(give_way(store, &first.manifest).await?),
    };
    match earlier::first_lost(store, &settled).await? {
        None => Ok(settled),
        Some(_) => Err(ShardError::Disturbed { store: store.url().to_owned() }),
    }
}

/// Tells whether two manifests list the same rows of the same inputs.
fn is_same(first: &Manifest, second: &Manifest) -> bool {
    let inputs = |manifest: &Manifest| manifest.inputs.iter().map(|input| input.sha256.clone()).collect::<Vec<_>>();
    let rows = |manifest: &Manifest| (manifest.shards.clone(), manifest.superseded.clone(), manifest.settings.clone());
    rows(first) == rows(second) && inputs(first) == inputs(second)
}

/// Removes what this command wrote over the generation of `first`, and returns the refusal.
async fn give_way(store: &Store, first: &Manifest) -> Result<ShardError, ShardError> {
    let shards = first.made_shards().map(|shard| (&shard.key, &shard.sha256));
    for (key, sha256) in shards.chain(first.superseded.iter().map(|superseded| (&superseded.key, &superseded.sha256))) {
        let key = Path::from(key.as_str());
        if store.sha256(&key).await?.is_some_and(|found| found != *sha256) {
            store.delete(&key).await?;
        }
    }
    brought::remove_foreign(store, first).await?;
    corpus::remove_shards(first.next_shard, store).await?;
    store.delete(&layout::rejected_of(first.generation)).await?;
    Ok(ShardError::Overtaken { store: store.url().to_owned(), generation: first.generation })
}
