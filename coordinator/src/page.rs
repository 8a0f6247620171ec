//! A finished run in the store → what its report is drawn from, and the page in the store.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use strata_shared::documents::Documents;
use strata_shared::exit::{Exit, Failure};
use strata_shared::findings::Findings;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::{Latest, RunError, RunRecord};
use strata_shared::store::Store;
use strata_shared::table::TableError;

use crate::report::{self, Report};

/// Raw shards that are read at once for the titles of representative documents.
const SHARDS_AT_ONCE: usize = 4;

/// Reads everything that the report of `run` shows; of the newest finished run where none is named.
///
/// # Errors
/// No finished run, or one whose objects cannot be read.
pub async fn read(store: &Store, run: Option<RunName>) -> Result<Report, Failure> {
    let run = match run {
        Some(run) => run,
        None => newest(store).await?,
    };
    let record = RunRecord::read(store, &run).await?;
    let findings = Findings::read(store, &run, record).await?;
    let (manifest, _) = Manifest::read(store).await?;
    let rejections = rejections(store).await?;
    let titles = titles(store, &manifest, report::representative_ids(&findings)).await?;
    Ok(Report { findings, manifest, rejections, titles })
}

async fn newest(store: &Store) -> Result<RunName, Failure> {
    let found = Latest::read(store).await?;
    Ok(found.ok_or_else(|| RunError::Missing { key: layout::latest() })?)
}

/// Counts the refused lines by reason, or `None` where the store has no list of them.
async fn rejections(store: &Store) -> Result<Option<Vec<(String, u64)>>, Failure> {
    let key = layout::rejected();
    let Some(mut pieces) = store.pieces(&key).await? else { return Ok(None) };
    let damaged = |error| Failure::new(Exit::Data, error);
    let mut tally = report::Tally::default();
    while let Some(piece) = pieces.try_next().await? {
        tally.add(&piece).map_err(damaged)?;
    }
    tally.finish().map(Some).map_err(damaged)
}

async fn titles(
    store: &Store,
    manifest: &Manifest,
    wanted: BTreeSet<String>,
) -> Result<BTreeMap<String, String>, TableError> {
    let wanted = &wanted;
    let shards = futures::stream::iter(&manifest.shards)
        .map(|shard| async move {
            let key = Path::from(shard.key.as_str());
            Documents::read_titles(store, &key, |id| wanted.contains(id)).await
        })
        .buffered(SHARDS_AT_ONCE);
    let titles: Vec<Vec<_>> = shards.try_collect().await?;
    Ok(titles.into_iter().flatten().collect())
}

/// Draws the page of `run` into its folder, then announces the run as the newest.
///
/// # Errors
/// The run cannot be read, or the store not written.
pub async fn publish(store: &Store, run: &RunName) -> Result<Report, Failure> {
    let report = read(store, Some(run.clone())).await?;
    store.put(&layout::in_run(run, run_file::REPORT), report::html(&report).into_bytes()).await?;
    Latest::write(store, run).await?;
    Ok(report)
}
