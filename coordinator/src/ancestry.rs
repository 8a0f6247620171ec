//! Records of finished runs in the store → the runs that one follows, and all of them as `strata history` lists them.
//!
//! Invariant: a chain of runs ends where one follows none, or where the one that it follows is no longer there; it never goes
//! round.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::findings::{ChangeKind, read_changes, read_lonely, read_topics};
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::run_record::{RunError, RunRecord};
use strata_shared::store::Store;

use crate::report::{Changes, End, Step, compose};

/// Runs that a history of topics goes back, at most.
const MOST_RUNS: usize = 36;

/// There is no such run behind the one that is looked at.
#[derive(Debug, thiserror::Error)]
#[error("--since {since}: found no such run among those that {run} follows ({ancestors}){pruned}")]
struct NotFollowed {
    since: String,
    run: String,
    ancestors: String,
    /// What is no longer there, where the chain ends there.
    pruned: String,
}

impl Classify for NotFollowed {
    fn exit(&self) -> Exit {
        Exit::Configuration
    }
}

/// A finished run in the list of all.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    /// What it says of itself.
    pub record: RunRecord,
    /// When it was finished.
    pub finished: DateTime<Utc>,
    /// How many changes of each kind there were since the run that it follows, or documents; `None` where it follows none.
    pub counts: Option<BTreeMap<ChangeKind, i64>>,
}

/// Reads every finished run, in the order of their generations, then of their end.
///
/// # Errors
/// The store's own, or a table that cannot be read; a record that cannot is warned of.
pub async fn all(store: &Store) -> Result<Vec<PastRun>, Failure> {
    let mut runs = Vec::new();
    for name in store.folders(&layout::runs()).await?.iter().filter_map(|name| RunName::new(name).ok()) {
        match RunRecord::read_if_present(store, &name).await {
            Ok(Some(record)) => runs.push(past_run(store, &name, record).await?),
            Ok(None) => {}
            Err(error) if error.exit() == Exit::Data => tracing::warn!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    runs.sort_by_key(|run| (run.record.generation, run.finished));
    Ok(runs)
}

async fn past_run(store: &Store, name: &RunName, record: RunRecord) -> Result<PastRun, Failure> {
    let finished = finished(store, name).await?;
    if record.output(run_file::CHANGES).is_none() {
        return Ok(PastRun { record, finished, counts: None });
    }
    let mut counts: BTreeMap<ChangeKind, i64> = BTreeMap::new();
    for change in read_changes(store, &layout::in_run(name, run_file::CHANGES)).await? {
        let is_sum = matches!(change.kind, ChangeKind::DocumentsIn | ChangeKind::DocumentsOut);
        *counts.entry(change.kind).or_default() += if is_sum { change.documents.unwrap_or(0) } else { 1 };
    }
    Ok(PastRun { record, finished, counts: Some(counts) })
}

async fn finished(store: &Store, run: &RunName) -> Result<DateTime<Utc>, Failure> {
    let key = layout::in_run(run, run_file::RECORD);
    let found = store.head(&key).await?.ok_or_else(|| RunError::Missing { key })?;
    Ok(found.last_modified)
}

/// Compares a run with one that it follows: with the one before it, or with `since`, a run's name or the day by which it was
/// finished; `None` where no run was named and it follows none that is still there.
///
/// # Errors
/// `since` is no run that it follows, or a table that cannot be read.
pub async fn changes(store: &Store, run: &RunRecord, since: Option<&str>) -> Result<Option<Changes>, Failure> {
    let ancestors = ancestors(store, run).await?;
    let place = match since {
        Some(since) => Some(find(store, run, &ancestors, since).await?),
        None => (!ancestors.is_empty()).then_some(0),
    };
    let Some(place) = place else { return Ok(None) };
    let mut steps = Vec::new();
    for record in ancestors.iter().rev().chain([run]) {
        steps.push(step(store, record).await?);
    }
    let since = steps.len() - 2 - place;
    let (former, now) = (end(store, &ancestors[place]).await?, end(store, run).await?);
    let composed = compose(&former, &now, &steps[since + 1..]);
    Ok(Some(Changes { since: former.record.run, changes: composed, since_place: since, steps }))
}

/// Reads the records of the runs that one follows, the newest first.
async fn ancestors(store: &Store, run: &RunRecord) -> Result<Vec<RunRecord>, Failure> {
    let mut ancestors: Vec<RunRecord> = Vec::new();
    let mut next = run.predecessor.clone();
    while let Some(predecessor) = next.take().filter(|_| ancestors.len() < MOST_RUNS) {
        let name = RunName::new(&predecessor.run)?;
        let is_known = ancestors.iter().any(|record| record.run == predecessor.run) || predecessor.run == run.run;
        let Some(record) = RunRecord::read_if_present(store, &name).await?.filter(|_| !is_known) else { break };
        let centroids = record.output(run_file::CENTROIDS).map(|output| output.sha256.as_str());
        if centroids != Some(predecessor.centroids_sha256.as_str()) {
            tracing::warn!(run = %name, "was made anew since another run followed it: older runs are left out");
            break;
        }
        next.clone_from(&record.predecessor);
        ancestors.push(record);
    }
    Ok(ancestors)
}

/// Finds the run that `since` means among the runs that one follows.
async fn find(store: &Store, run: &RunRecord, ancestors: &[RunRecord], since: &str) -> Result<usize, Failure> {
    let mut found = ancestors.iter().position(|record| record.run == since);
    if let (None, Ok(day)) = (found, NaiveDate::parse_from_str(since, "%Y-%m-%d")) {
        for (place, record) in ancestors.iter().enumerate() {
            if finished(store, &RunName::new(&record.run)?).await?.date_naive() <= day {
                found = Some(place);
                break;
            }
        }
    }
    let names = || match ancestors {
        [] => "it follows none".to_owned(),
        ancestors => ancestors.iter().map(|record| record.run.as_str()).collect::<Vec<_>>().join(", "),
    };
    if let Some(found) = found {
        return Ok(found);
    }
    let pruned = pruned(store, ancestors.last().unwrap_or(run)).await?;
    Err(NotFollowed { since: since.into(), run: run.run.clone(), ancestors: names(), pruned }.into())
}

/// Says that the run which the oldest one follows is no longer there, where that is so.
async fn pruned(store: &Store, oldest: &RunRecord) -> Result<String, Failure> {
    let Some(predecessor) = &oldest.predecessor else { return Ok(String::new()) };
    let is_there = RunRecord::read_if_present(store, &RunName::new(&predecessor.run)?).await?.is_some();
    if is_there {
        return Ok(String::new());
    }
    Ok(format!(
        "; {}, which {} follows, is no longer there: `strata prune` removes old runs",
        predecessor.run, oldest.run
    ))
}

async fn step(store: &Store, record: &RunRecord) -> Result<Step, Failure> {
    let run = RunName::new(&record.run)?;
    let changes = match record.output(run_file::CHANGES) {
        Some(_) => read_changes(store, &layout::in_run(&run, run_file::CHANGES)).await?,
        None => Vec::new(),
    };
    let topics = read_topics(store, &layout::in_run(&run, run_file::TOPICS)).await?;
    Ok(Step { run: record.run.clone(), generation: record.generation, rows: record.rows, topics, changes })
}

async fn end(store: &Store, record: &RunRecord) -> Result<End, Failure> {
    let run = RunName::new(&record.run)?;
    Ok(End {
        record: record.clone(),
        topics: read_topics(store, &layout::in_run(&run, run_file::TOPICS)).await?,
        lonely: read_lonely(store, &layout::in_run(&run, run_file::LONELY)).await?,
    })
}
