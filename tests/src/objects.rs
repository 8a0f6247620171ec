//! Everything in a store → each object's sha256: what two runs must agree on.

use std::collections::BTreeMap;

use object_store::path::Path;
use strata_shared::digest;
use strata_shared::generations;
use strata_shared::layout::{self, run_file};
use strata_shared::run_record::{Latest, RunRecord};
use strata_shared::store::Store;

/// The sha256 of every object by its key, `measurements.json` and the lease aside.
pub type Objects = BTreeMap<String, String>;

/// Reads every object of `store`.
///
/// # Errors
/// The store's own.
pub async fn read(store: &Store) -> anyhow::Result<Objects> {
    let mut objects = Objects::new();
    for object in store.list(&Path::default()).await? {
        let is_result = object.location.filename() != Some(run_file::MEASUREMENTS);
        if is_result && !object.location.prefix_matches(&layout::leases()) {
            objects.insert(object.location.to_string(), digest::sha256_hex(&store.get(&object.location).await?));
        }
    }
    Ok(objects)
}

/// Names what differs between `expected` and `found`, an object a line; empty where nothing does.
#[must_use]
pub fn differences(expected: &Objects, found: &Objects) -> Vec<String> {
    let missing = expected.keys().filter(|key| !found.contains_key(*key)).map(|key| format!("{key}: is missing"));
    let others = found.iter().filter_map(|(key, sha256)| match expected.get(key) {
        None => Some(format!("{key}: should not be there")),
        Some(other) if other != sha256 => Some(format!("{key}: has other bytes")),
        Some(_) => None,
    });
    missing.chain(others).collect()
}

/// Checks that whatever the store announces is there and whole: the shards of all generations, the outputs of a finished run,
/// the run that is called the newest.
///
/// # Errors
/// What is announced and not so, or the store's own.
pub async fn check_announced(store: &Store) -> anyhow::Result<()> {
    let objects = read(store).await?;
    let mut announced = Vec::new();
    let newest = generations::newest_if_present(store).await?.map(|generation| generation.manifest.generation);
    for number in generations::list(store).await?.into_iter().chain(newest) {
        let manifest = generations::read(store, number).await?.manifest;
        announced.extend(manifest.superseded.into_iter().map(|superseded| (superseded.key, superseded.sha256)));
        announced.extend(manifest.shards.into_iter().map(|shard| (shard.key, shard.sha256)));
    }
    for run in store.folders(&layout::runs()).await? {
        if let Some(record) = RunRecord::read_if_present(store, &run.parse()?).await? {
            announced.extend(record.outputs.into_iter().map(|output| (output.key, output.sha256)));
        }
    }
    for (key, sha256) in announced {
        anyhow::ensure!(objects.get(&key) == Some(&sha256), "{key}: is announced with sha256 {sha256} and is not so");
    }
    if let Some(run) = Latest::read(store).await? {
        let files = [run_file::RECORD, run_file::REPORT].map(|file| layout::in_run(&run, file));
        anyhow::ensure!(files.iter().all(|key| objects.contains_key(key.as_ref())), "{run} is announced unfinished");
    }
    Ok(())
}
