//! A finished run in the store → what its report is drawn from, and the page in the store.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use strata_shared::documents::Documents;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::findings::Findings;
use strata_shared::generations;
use strata_shared::layout::{self, ModelName, RunName, run_file};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::{Latest, RunError, RunRecord};
use strata_shared::store::{Store, StoreError};
use strata_shared::superseded::Superseded;
use strata_shared::table::TableError;

use crate::ancestry;
use crate::report::{self, Report};

/// Vector shards that are read at once for the titles of representative documents.
const SHARDS_AT_ONCE: usize = 4;

/// Reads what the report of `run` shows; of the newest finished run where none is named. Titles and refusals, which not
/// every report shows, are left out.
///
/// # Errors
/// No finished run, or one whose objects cannot be read.
pub async fn read(store: &Store, run: Option<RunName>) -> Result<Report, Failure> {
    let record = record(store, run).await?;
    let manifest = generations::read(store, record.generation).await?.manifest;
    let run = RunName::new(&record.run)?;
    let findings = Findings::read(store, &run, record).await?;
    Ok(Report { findings, manifest, rejections: None, changes: None, titles: BTreeMap::new() })
}

/// Reads the record of `run`, or of the newest finished run.
///
/// # Errors
/// No finished run, or a record that cannot be read.
pub async fn record(store: &Store, run: Option<RunName>) -> Result<RunRecord, Failure> {
    let run = match run {
        Some(run) => run,
        None => newest(store).await?,
    };
    Ok(RunRecord::read(store, &run).await?)
}

async fn newest(store: &Store) -> Result<RunName, Failure> {
    let found = Latest::read(store).await?;
    Ok(found.ok_or_else(|| RunError::Missing { key: layout::latest() })?)
}

/// Adds the refused lines by reason, unless they are there; a list that is damaged or gone stays out, and is warned of.
///
/// # Errors
/// The store's own.
pub async fn read_rejections(store: &Store, report: &mut Report) -> Result<(), StoreError> {
    if report.rejections.is_some() || report.manifest.rejected == 0 {
        return Ok(());
    }
    let key = layout::rejected_of(report.manifest.generation);
    let pieces = match store.pieces(&key).await? {
        Some(pieces) => Some(pieces),
        // A store that nobody has updated since the first format.
        None => store.pieces(&layout::rejected()).await?,
    };
    if let Some(pieces) = pieces {
        report.rejections = tally(&key, pieces).await?;
    } else {
        tracing::warn!(%key, "the list of refused lines is missing: their reasons are not shown");
    }
    Ok(())
}

async fn tally(
    key: &Path,
    mut pieces: impl Stream<Item = Result<Bytes, StoreError>> + Unpin,
) -> Result<Option<Vec<(String, u64)>>, StoreError> {
    let mut tally = report::Tally::default();
    let mut counted = Ok(());
    while let (Ok(()), Some(piece)) = (&counted, pieces.try_next().await?) {
        counted = tally.add(&piece);
    }
    match counted.and_then(|()| tally.finish()) {
        Ok(reasons) => Ok(Some(reasons)),
        Err(error) => {
            tracing::warn!("{key}: {error}: the reasons for refusals are not shown");
            Ok(None)
        }
    }
}

/// Reads titles out of the vector shards, of which the reduce has made sure; raw shards may have gone by then.
async fn titles(
    store: &Store,
    model: &ModelName,
    manifest: &Manifest,
    wanted: BTreeSet<String>,
) -> Result<BTreeMap<String, String>, TableError> {
    let (wanted, superseded) = (&wanted, &Superseded::read(store, manifest).await?);
    let shards = futures::stream::iter(&manifest.shards)
        .map(|shard| async move {
            let number = shard.number();
            let key = layout::vector_shard(model, number);
            let is_live = |row: usize| !superseded.contains(number, row as u32);
            Documents::read_titles(store, &key, |row, id| wanted.contains(id) && is_live(row)).await
        })
        .buffered(SHARDS_AT_ONCE);
    let titles: Vec<Vec<_>> = shards.try_collect().await?;
    Ok(titles.into_iter().flatten().collect())
}

/// Draws the page, for which refusals, the run before and the titles of representative documents are read.
///
/// # Errors
/// They cannot be read.
pub async fn draw(store: &Store, report: &mut Report) -> Result<String, Failure> {
    read_rejections(store, report).await?;
    report.changes = ancestry::changes(store, &report.findings.record, None).await?;
    let model = ModelName::new(&report.findings.record.vectors_of)?;
    let wanted = report::representative_ids(&report.findings);
    report.titles = titles(store, &model, &report.manifest, wanted).await?;
    Ok(report::html(report))
}

/// Draws the page of the finished `run` into its folder, unless it is there, and announces the run as the newest, unless
/// that was done, or the announced one is of a later generation: asking for an older run again does not make it the newest.
///
/// # Errors
/// The run cannot be read, or the store not written.
pub async fn publish(store: &Store, run: &RunName) -> Result<Report, Failure> {
    let mut report = read(store, Some(run.clone())).await?;
    let page = layout::in_run(run, run_file::REPORT);
    let is_drawn = store.head(&page).await?.is_some();
    if !is_drawn {
        let drawn = draw(store, &mut report).await?;
        store.put(&page, drawn.into_bytes()).await?;
    }
    let announced = announced(store).await?;
    let is_due = !is_drawn || announced.is_none() || !is_announced(store, run).await?;
    // An older question that is asked again does not become the newest.
    if is_due && announced.is_none_or(|announced| announced.generation <= report.findings.record.generation) {
        Latest::write(store, run).await?;
    }
    Ok(report)
}

/// Reads the record of the run that is announced, where there is a finished one.
async fn announced(store: &Store) -> Result<Option<RunRecord>, Failure> {
    let record = match Latest::read(store).await {
        Ok(Some(run)) => RunRecord::read_if_present(store, &run).await,
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    match record {
        // What cannot be read is written anew.
        Err(error) if error.exit() == Exit::Data => Ok(None),
        record => Ok(record?),
    }
}

/// Tells whether some run, this one or a later one, was announced since `run` was finished.
async fn is_announced(store: &Store, run: &RunName) -> Result<bool, StoreError> {
    let finished = store.head(&layout::in_run(run, run_file::RECORD)).await?;
    let announced = store.head(&layout::latest()).await?;
    Ok(finished.zip(announced).is_some_and(|(finished, announced)| announced.last_modified >= finished.last_modified))
}
