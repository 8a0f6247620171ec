//! Records of finished runs in the store → the runs that one follows, and all of them as `strata history` lists them.
//!
//! Invariant: a chain of runs ends where one follows none, or where the one that it follows is no longer there; it never goes
//! round.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::findings::{Change, ChangeKind, listed_only, read_changes, read_lonely, read_topics};
use strata_shared::generations;
use strata_shared::labels;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::manifest::ManifestError;
use strata_shared::run_record::{PredecessorRecord, RunError, RunRecord};
use strata_shared::store::Store;

use crate::report::{Changes, End, Step, compose};

/// Runs that a history of topics goes back, at most.
const MOST_RUNS: usize = 36;

/// There is no such run behind the one that is looked at.
#[derive(Debug, thiserror::Error)]
#[error("--since {since}: {found} among those that {run} follows ({ancestors}{pruned}); --run asks about another")]
struct NotFollowed {
    since: String,
    found: &'static str,
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
    let changes = match read_changes(store, &layout::in_run(name, run_file::CHANGES)).await {
        Ok(changes) => changes,
        Err(error) => {
            tracing::warn!("{error}: what it changed is not counted");
            return Ok(PastRun { record, finished, counts: None });
        }
    };
    let mut counts: BTreeMap<ChangeKind, i64> = BTreeMap::new();
    for change in changes {
        *counts.entry(change.kind).or_default() += if change.kind.is_sum() { change.documents.unwrap_or(0) } else { 1 };
    }
    Ok(PastRun { record, finished, counts: Some(counts) })
}

async fn finished(store: &Store, run: &RunName) -> Result<DateTime<Utc>, Failure> {
    let key = layout::in_run(run, run_file::RECORD);
    let found = store.head(&key).await?.ok_or_else(|| RunError::Missing { key })?;
    Ok(found.last_modified)
}

/// Compares a run with one that it follows: with the one before it, or with `since`, a run's name or the day by which it was
/// finished; `None` where no run was named and it follows none.
///
/// Of the run before it that is no longer there, or no longer whole, its own table of changes is left.
///
/// # Errors
/// `since` is no run that it follows, or a table that cannot be read.
pub async fn changes(store: &Store, run: &RunRecord, since: Option<&str>) -> Result<Option<Changes>, Failure> {
    let Some(predecessor) = &run.predecessor else {
        return match since {
            Some(since) => Err(not_followed(since, run, &[]).into()),
            None => Ok(None),
        };
    };
    // A history goes back so far where nobody asks for more.
    let most = if since.is_none_or(|since| since == predecessor.run) { MOST_RUNS } else { usize::MAX };
    let ancestors = ancestors(store, run, most).await?;
    let place = match since {
        Some(since) if since == predecessor.run => 0,
        Some(since) => find(store, run, &ancestors, since).await?,
        None => 0,
    };
    if place == 0 && is_lost(store, &ancestors).await? {
        return Ok(Some(own_changes(store, run, predecessor).await?));
    }
    let steps = steps(store, run, &ancestors, place).await?;
    let (since_place, former) = (steps.len() - 2 - place, &ancestors[place]);
    let changes = match place {
        0 => steps[since_place + 1].changes.clone(),
        _ => compare(store, former, run, &steps[since_place + 1..]).await?,
    };
    let same_periods = run.parameters.has_periods_of(&former.parameters);
    let corrected = corrected(store, former.generation, run.generation).await?;
    Ok(Some(Changes { since: former.run.clone(), changes, corrected, since_place, steps, same_periods }))
}

/// Returns the names of the runs that `run` follows, the newest first.
///
/// # Errors
/// The store's own.
pub async fn followed(store: &Store, run: &RunRecord) -> Result<Vec<String>, Failure> {
    Ok(ancestors(store, run, MOST_RUNS).await?.into_iter().map(|record| record.run).collect())
}

/// Adds up the documents that updates changed after generation `former` up to `now`; `None` where one of those is not there, or the
/// run that is followed is of a later one.
async fn corrected(store: &Store, former: u64, now: u64) -> Result<Option<u64>, Failure> {
    let mut sum = 0;
    if former > now {
        return Ok(None);
    }
    for number in former + 1..=now {
        match generations::read(store, number).await {
            // A compaction says again what the generation before it says.
            Ok(read) if read.manifest.compaction.is_some() => {}
            Ok(read) => sum += read.manifest.update.map_or(0, |update| update.changed),
            Err(ManifestError::Store(error)) => return Err(error.into()),
            // It was pruned, or lost.
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(sum))
}

/// Tells whether the run before is no longer there, or not whole.
async fn is_lost(store: &Store, ancestors: &[RunRecord]) -> Result<bool, Failure> {
    let Some(record) = ancestors.first() else { return Ok(true) };
    let damage = record.first_damaged(store, &RunName::new(&record.run)?).await?;
    if let Some(damage) = &damage {
        tracing::warn!(run = %record.run, "is not whole, and not looked at: {damage}");
    }
    Ok(damage.is_some())
}

/// Reads what a run says itself of what changed since the one before.
async fn own_changes(store: &Store, run: &RunRecord, predecessor: &PredecessorRecord) -> Result<Changes, Failure> {
    let own = step(store, run).await?;
    let corrected = corrected(store, predecessor.generation, run.generation).await?;
    let PredecessorRecord { run: since, generation, .. } = predecessor.clone();
    let before =
        Step { run: since.clone(), generation, rows: 0, topics: Vec::new(), changes: Vec::new(), is_fresh: false };
    // Its own table tells of statuses only where they can be compared.
    let (changes, steps) = (own.changes.clone(), vec![before, own]);
    Ok(Changes { since, changes, corrected, since_place: 0, steps, same_periods: true })
}

/// Reads the runs that lead to `run`, the oldest first; those before the one at `place` as far as they are whole.
async fn steps(store: &Store, run: &RunRecord, ancestors: &[RunRecord], place: usize) -> Result<Vec<Step>, Failure> {
    let mut steps = vec![step(store, run).await?];
    for (at, record) in ancestors.iter().enumerate() {
        match step(store, record).await {
            Ok(step) => steps.push(step),
            Err(error) if at > place => {
                tracing::warn!(run = %record.run, "older runs are left out: {error}");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    steps.reverse();
    Ok(steps)
}

/// Reads the records of the runs that one follows, the newest first, so many at most.
async fn ancestors(store: &Store, run: &RunRecord, most: usize) -> Result<Vec<RunRecord>, Failure> {
    let mut ancestors: Vec<RunRecord> = Vec::new();
    let mut next = run.predecessor.clone();
    while let Some(predecessor) = next.take().filter(|_| ancestors.len() < most) {
        let name = RunName::new(&predecessor.run)?;
        let is_known = ancestors.iter().any(|record| record.run == predecessor.run) || predecessor.run == run.run;
        let read = match RunRecord::read_if_present(store, &name).await {
            Err(error) if error.exit() == Exit::Data => {
                tracing::warn!("{error}: older runs are left out");
                break;
            }
            read => read?,
        };
        let Some(record) = read.filter(|_| !is_known) else { break };
        if !record.is_that_of(&predecessor) {
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
    if let (None, Some(day)) = (found, day(since)) {
        for (place, record) in ancestors.iter().enumerate() {
            if finished(store, &RunName::new(&record.run)?).await?.date_naive() <= day {
                found = Some(place);
                break;
            }
        }
    }
    Ok(found.ok_or_else(|| not_followed(since, run, ancestors))?)
}

fn day(since: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(since, "%Y-%m-%d").ok()
}

fn not_followed(since: &str, run: &RunRecord, ancestors: &[RunRecord]) -> NotFollowed {
    let oldest = ancestors.last().unwrap_or(run);
    let gone = oldest.predecessor.as_ref().map(|predecessor| {
        let (gone, oldest) = (&predecessor.run, &oldest.run);
        let mark = if ancestors.is_empty() { "" } else { "; " };
        format!(
            "{mark}{gone}, which {oldest} follows, is no longer there, or was made anew: `strata prune` removes old runs"
        )
    });
    let names = ancestors.iter().map(|record| record.run.as_str()).collect::<Vec<_>>().join(", ");
    let ancestors = if run.predecessor.is_none() { "it follows none".to_owned() } else { names };
    let found = match day(since) {
        Some(_) => "found no run that was finished by that day",
        None => "is neither a day, such as 2026-01-31, nor a run",
    };
    NotFollowed { since: since.into(), found, run: run.run.clone(), ancestors, pruned: gone.unwrap_or_default() }
}

async fn step(store: &Store, record: &RunRecord) -> Result<Step, Failure> {
    let run = RunName::new(&record.run)?;
    let changes = match record.output(run_file::CHANGES) {
        Some(_) => read_changes(store, &layout::in_run(&run, run_file::CHANGES)).await?,
        None => Vec::new(),
    };
    let topics = read_topics(store, &layout::in_run(&run, run_file::TOPICS)).await?;
    let is_fresh = record.predecessor.as_ref().is_some_and(|predecessor| !predecessor.warm);
    Ok(Step { run: record.run.clone(), generation: record.generation, rows: record.rows, topics, changes, is_fresh })
}

/// Compares two runs, of which the second follows the first by several steps.
async fn compare(store: &Store, former: &RunRecord, now: &RunRecord, steps: &[Step]) -> Result<Vec<Change>, Failure> {
    let (mut former, mut now) = (end(store, former).await?, end(store, now).await?);
    let (left, came) = (listed_only(&former.lonely, &now.lonely), listed_only(&now.lonely, &former.lonely));
    former.documents = labels::present(store, former.record.labels().collect(), &came).await?;
    now.documents = labels::present(store, now.record.labels().collect(), &left).await?;
    Ok(compose(&former, &now, steps))
}

async fn end(store: &Store, record: &RunRecord) -> Result<End, Failure> {
    let run = RunName::new(&record.run)?;
    Ok(End {
        record: record.clone(),
        topics: read_topics(store, &layout::in_run(&run, run_file::TOPICS)).await?,
        lonely: read_lonely(store, &layout::in_run(&run, run_file::LONELY)).await?,
        documents: BTreeSet::new(),
    })
}
