//! A generation that is there already → whether it was made as asked, of the same snapshot, and whether it is whole.
//!
//! Invariant: a snapshot is the same if its inputs' bytes are; names and folders do not matter.

use std::collections::HashMap;

use object_store::path::Path;
use strata_shared::generations::Generation;
use strata_shared::layout;
use strata_shared::manifest::Manifest;
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use tokio::runtime::Handle;

use super::change::Terms;
use super::corpus::Sources;
use super::error::ShardError;

/// Refuses `sources` unless their lines become documents as those of the corpus did, and says what differs.
///
/// # Errors
/// [`ShardError::OtherSettings`].
pub(super) fn refuse_other_settings(store: &Store, manifest: &Manifest, sources: &Sources) -> Result<(), ShardError> {
    if manifest.settings == sources.settings {
        return Ok(());
    }
    let difference = difference(&manifest.settings, &sources.settings);
    Err(ShardError::OtherSettings { store: store.url().to_owned(), difference })
}

/// Tells whether the generation was made of these very inputs, so that they have nothing to add to it on these terms.
///
/// Standard input, which can be read only once, is not looked at: reading it as a snapshot tells as well.
///
/// # Errors
/// An input that cannot be read.
pub(super) async fn is_same_snapshot(
    manifest: &Manifest,
    sources: &Sources,
    terms: &Terms,
) -> Result<bool, ShardError> {
    // As the whole archive it removes what it lacks, unless it was taken for that then.
    let was_complete = manifest.update.is_none_or(|update| update.complete);
    let could_be = manifest.inputs.len() == sources.lines().len() && (was_complete || !terms.complete);
    if !could_be || sources.check_again().is_err() {
        return Ok(false);
    }
    let progress = sources.progress();
    for (input, entry) in sources.lines().iter().zip(&manifest.inputs) {
        let (opened, progress, runtime) = (input.clone(), progress.clone(), Handle::current());
        if super::blocking(move || opened.open(&runtime, progress)?.sha256()).await? != entry.sha256 {
            return Ok(false);
        }
    }
    Ok(true)
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

/// Returns the first object of a generation that is missing or of another size: a raw shard, or its list of superseded rows.
///
/// # Errors
/// The store's.
pub(super) async fn first_lost(store: &Store, manifest: &Manifest) -> Result<Option<Path>, ShardError> {
    let objects = store.list(&layout::raw()).await?;
    let sizes: HashMap<&str, u64> = objects.iter().map(|object| (object.location.as_ref(), object.size)).collect();
    let shards = manifest.shards.iter().map(|shard| (&shard.key, shard.bytes));
    let mut listed = shards.chain(manifest.superseded.iter().map(|superseded| (&superseded.key, superseded.bytes)));
    let lost = listed.find(|(key, bytes)| sizes.get(key.as_str()) != Some(bytes));
    Ok(lost.map(|(key, _)| Path::from(key.as_str())))
}

/// Returns where the refusals of a generation's snapshot should be and are not.
///
/// # Errors
/// The store's.
pub(super) async fn lost_refusals(store: &Store, generation: &Generation) -> Result<Option<Path>, ShardError> {
    let manifest = &generation.manifest;
    let key = if generation.is_numbered { layout::rejected_of(manifest.generation) } else { layout::rejected() };
    let are_lost = manifest.rejected > 0 && store.head(&key).await?.is_none();
    Ok(are_lost.then_some(key))
}
