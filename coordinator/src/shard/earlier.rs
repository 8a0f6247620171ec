//! A manifest that is there already → whether this request asks for the same corpus.
//!
//! Invariant: a corpus is the same if its inputs' bytes and the settings are; names and folders do not matter.

use std::collections::HashMap;

use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use tokio::runtime::Handle;

use super::corpus::{RAW_FOLDER, Sources};
use super::error::ShardError;

/// Refuses `sources` unless `manifest` was made of the same, and says what differs.
///
/// # Errors
/// [`ShardError::OtherCorpus`], or an input that cannot be read.
pub(super) async fn refuse_another(store: &Store, manifest: &Manifest, sources: &Sources) -> Result<(), ShardError> {
    let other = |difference| ShardError::OtherCorpus { store: store.url().to_owned(), difference };
    if manifest.settings != sources.settings {
        return Err(other(difference(&manifest.settings, &sources.settings)));
    }
    let (made, asked) = (manifest.inputs.len(), sources.lines().len());
    if made != asked {
        return Err(other(format!("it was made of {made} inputs, not {asked}")));
    }
    let progress = sources.progress();
    for (input, entry) in sources.lines().iter().zip(&manifest.inputs) {
        let (opened, progress, runtime) = (input.clone(), progress.clone(), Handle::current());
        let found = super::blocking(move || opened.open(&runtime, progress)?.sha256()).await?;
        if found != entry.sha256 {
            let given = input.given();
            return Err(other(format!("its input {} has sha256 {}, {given} has {found}", entry.name, entry.sha256)));
        }
    }
    Ok(())
}

fn difference(made: &ShardSettings, asked: &ShardSettings) -> String {
    let arxiv = |field: &Option<String>| field.clone().unwrap_or_else(|| "arXiv's".into());
    let pairs = [
        ("--rows-per-shard", made.rows_per_shard.to_string(), asked.rows_per_shard.to_string()),
        ("--max-line", made.max_line_bytes.to_string(), asked.max_line_bytes.to_string()),
        ("--id-field", made.id_field.clone(), asked.id_field.clone()),
        ("--title-field", made.title_field.clone(), asked.title_field.clone()),
        ("--text-field", made.text_field.clone(), asked.text_field.clone()),
        ("--date-field", arxiv(&made.date_field), arxiv(&asked.date_field)),
        ("--category-field", made.category_field.clone(), asked.category_field.clone()),
    ];
    let different = pairs.into_iter().filter(|(_, made, asked)| made != asked);
    let said: Vec<String> = different.map(|(flag, made, asked)| format!("its {flag} is {made}, not {asked}")).collect();
    said.join(", ")
}

/// Tells whether every raw shard of the manifest is there in its size, and the refusals where there are any.
///
/// # Errors
/// The store's.
pub(super) async fn is_whole(store: &Store, manifest: &Manifest) -> Result<bool, ShardError> {
    let objects = store.list(&object_store::path::Path::from(RAW_FOLDER)).await?;
    let sizes: HashMap<&str, u64> = objects.iter().map(|object| (object.location.as_ref(), object.size)).collect();
    let refusals = manifest.rejected == 0 || sizes.contains_key(layout::rejected().as_ref());
    Ok(refusals && manifest.shards.iter().all(|shard| sizes.get(shard.key.as_str()) == Some(&shard.bytes)))
}
