//! A corpus without its manifest → one with it, or a refusal where another command was there first.
//!
//! Invariant: of several commands that shard different inputs into one store at once, one keeps it. Raw shards cannot say
//! whose they are, since those of a killed attempt must give way to the next; the manifest is therefore written only
//! where there is none. Whoever comes too late removes what the manifest does not list, so that raw shards are as it
//! lists them or missing, and the first command makes the missing ones again. Names of inputs do not matter.

use object_store::path::Path;
use strata_shared::digest;
use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::store::Store;

use super::corpus::remove_stale;
use super::earlier;
use super::error::ShardError;

/// Writes the manifest of a store that had none, and returns the one that the store has.
///
/// # Errors
/// [`ShardError::OtherCorpus`] where another command wrote another one meanwhile, [`ShardError::Disturbed`] where it
/// overwrote raw shards, and the store's.
pub(super) async fn begin(store: &Store, manifest: Manifest) -> Result<Manifest, ShardError> {
    let settled = if store.create(&layout::manifest(), manifest.encode()).await? {
        manifest
    } else {
        let (first, _) = Manifest::read(store).await?;
        if !is_same(&first, &manifest) {
            return Err(give_way(store, &first).await?);
        }
        first
    };
    if earlier::is_whole(store, &settled).await? {
        Ok(settled)
    } else {
        Err(ShardError::Disturbed { store: store.url().to_owned() })
    }
}

/// Writes the manifest again after shards were made again: another version of this program may encode them otherwise.
///
/// # Errors
/// The store's.
pub(super) async fn replace(store: &Store, manifest: Manifest) -> Result<Manifest, ShardError> {
    store.put(&layout::manifest(), manifest.encode()).await?;
    Ok(manifest)
}

/// Tells whether two manifests list the same shards of the same inputs.
fn is_same(first: &Manifest, second: &Manifest) -> bool {
    let inputs = |manifest: &Manifest| manifest.inputs.iter().map(|input| input.sha256.clone()).collect::<Vec<_>>();
    (&first.shards, &first.settings) == (&second.shards, &second.settings) && inputs(first) == inputs(second)
}

/// Removes from `raw/` what this command wrote over the corpus of `first`, and returns the refusal.
async fn give_way(store: &Store, first: &Manifest) -> Result<ShardError, ShardError> {
    for shard in &first.shards {
        let key = Path::from(shard.key.as_str());
        let found = store.get_if_present(&key).await?;
        if found.is_some_and(|bytes| digest::sha256_hex(&bytes) != shard.sha256) {
            store.delete(&key).await?;
        }
    }
    remove_stale(first.shards.len(), store).await?;
    store.delete(&layout::rejected()).await?;
    let difference =
        "another command made it of other inputs meanwhile and has to be given again, since both wrote to it";
    Ok(ShardError::OtherCorpus { store: store.url().to_owned(), difference: difference.into() })
}
