//! Runs: each finished one saw a generation that is still the same, and all that it wrote is there as it was written; labels
//! are of its documents and its clusters. `latest.json` names a finished run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::Array;
use futures::StreamExt;
use object_store::path::Path;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::labels::Labels;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::run_record::{Latest, OutputEntry, RunError, RunRecord};
use strata_shared::store::{Store, StoreError};
use strata_shared::superseded::Superseded;
use strata_shared::table::TableError;

use super::desk::{self, Depth, Desk, Expected, SHARDS_AT_ONCE};
use super::finding::{Finding, Problem, Remedy};
use super::generations::{Corpus, Known};
use super::question::Question;
use super::raw::{Content, Contents};

/// The records of all finished runs, as far as they can be read.
#[derive(Default)]
pub(super) struct Records {
    pub(super) finished: BTreeMap<RunName, RunRecord>,
    /// Whether one cannot be read, so that nobody can say what it names.
    pub(super) is_broken: bool,
}

impl Records {
    /// Tells whether some run saw this generation with this sha256.
    pub(super) fn agree(&self, generation: u64, sha256: &str) -> bool {
        let of_generation = self.finished.values().filter(|record| record.generation == generation);
        of_generation.map(|record| record.manifest_sha256.as_str()).any(|seen| seen == sha256)
    }
}

/// Reads the records of all finished runs.
///
/// # Errors
/// The store's own.
pub(super) async fn read(desk: &mut Desk<'_>) -> Result<Records, Failure> {
    let mut records = Records::default();
    for run in desk.inventory.runs().into_iter().filter(|run| desk.inventory.finished(run).is_some()) {
        let key = layout::in_run(&run, run_file::RECORD);
        desk.count(&key, desk.inventory.bytes(&key).unwrap_or(0));
        let problem = match RunRecord::read_if_present(desk.store, &run).await {
            Ok(Some(record)) if record.run == run.as_str() => {
                records.finished.insert(run, record);
                continue;
            }
            Ok(Some(record)) => Problem::Content { reason: format!("says that it is {}, expected {run}", record.run) },
            Ok(None) => continue,
            Err(error) if error.exit() == Exit::Data => unreadable(&error),
            Err(error) => return Err(error.into()),
        };
        records.is_broken = true;
        desk.find(Finding::damage(key, problem, Remedy::Reduce { run, question: None, force: true }));
    }
    Ok(records)
}

fn unreadable(error: &RunError) -> Problem {
    match error {
        RunError::Unreadable { source, .. } => Problem::Unreadable { reason: source.to_string() },
        RunError::Name { source, .. } => Problem::Unreadable { reason: source.to_string() },
        RunError::Format { found, .. } => {
            Problem::Content { reason: format!("format {found}, expected one up to {}", layout::FORMAT) }
        }
        error => Problem::Unreadable { reason: error.to_string() },
    }
}

/// Judges every finished run, and which one is called the newest.
///
/// # Errors
/// The store's own.
pub(super) async fn inspect(
    desk: &mut Desk<'_>,
    corpus: &Corpus,
    contents: &Contents,
    records: &Records,
) -> Result<(), Failure> {
    for (run, record) in &records.finished {
        let seen = judge(desk, corpus, run, record);
        let remedy = anew(corpus, run, record);
        compare_outputs(desk, (run, record), seen, contents, &remedy).await?;
        let page = layout::in_run(run, run_file::REPORT);
        if !desk.inventory.has(&page) {
            desk.find(Finding::note(page, Problem::Missing, again(corpus, run, record)));
        }
        note_predecessor(desk, records, run, record);
    }
    Ok(latest(desk, corpus, records).await?)
}

fn anew(corpus: &Corpus, run: &RunName, record: &RunRecord) -> Remedy {
    let question = Question::of(record, corpus.generations.contains_key(&record.generation));
    Remedy::Reduce { run: run.clone(), question: Some(question), force: true }
}

fn again(corpus: &Corpus, run: &RunName, record: &RunRecord) -> Remedy {
    match anew(corpus, run, record) {
        Remedy::Reduce { run, question, .. } => Remedy::Reduce { run, question, force: false },
        other => other,
    }
}

/// Holds a record against its generation, and returns that where it is the one that the run saw.
fn judge<'a>(desk: &mut Desk<'_>, corpus: &'a Corpus, run: &RunName, record: &RunRecord) -> Option<&'a Known> {
    let (generation, key) = (record.generation, layout::in_run(run, run_file::RECORD));
    let problem = match corpus.generations.get(&generation) {
        None if desk.inventory.has(&layout::generation(generation)) || corpus.is_broken => return None,
        None => Problem::NoGeneration { generation },
        Some(_) if corpus.blamed.contains(&generation) => return None,
        Some(known) if known.sha256 != record.manifest_sha256 => {
            let (found, expected) = (known.sha256.clone(), record.manifest_sha256.clone());
            Problem::OtherGeneration { generation, found, expected }
        }
        Some(known) => match contradiction(known, run, record) {
            None => return Some(known),
            Some(reason) => Problem::Content { reason },
        },
    };
    let remedy = match problem {
        Problem::NoGeneration { generation } => Remedy::RestoreGeneration { generation },
        _ => anew(corpus, run, record),
    };
    desk.find(Finding::damage(key, problem, remedy));
    None
}

fn contradiction(known: &Known, run: &RunName, record: &RunRecord) -> Option<String> {
    let manifest = &known.manifest;
    if record.rows != manifest.rows {
        return Some(format!("says {} rows, its generation has {}", record.rows, manifest.rows));
    }
    let expected: BTreeSet<String> =
        manifest.shards.iter().map(|shard| layout::labels(run, shard.number()).to_string()).collect();
    let found: BTreeSet<String> = record.labels().map(|key| key.to_string()).collect();
    let first = expected.symmetric_difference(&found).next()?;
    let how = if found.contains(first) {
        "which its generation has no documents for"
    } else {
        "expected it among its outputs"
    };
    Some(if found.contains(first) { format!("names {first}, {how}") } else { format!("does not name {first}, {how}") })
}

/// What is to be compared of one output.
struct Task {
    expected: Expected,
    labels: Option<LabelsTask>,
}

/// What labels are held against.
struct LabelsTask {
    /// The documents, where the raw shard is sound.
    content: Option<Arc<Content>>,
    superseded: Vec<u32>,
    num_clusters: usize,
}

async fn compare_outputs(
    desk: &mut Desk<'_>,
    (run, record): (&RunName, &RunRecord),
    seen: Option<&Known>,
    contents: &Contents,
    remedy: &Remedy,
) -> Result<(), Failure> {
    let mut tasks = Vec::new();
    for output in &record.outputs {
        let expected = expected(output);
        if !expected.key.prefix_matches(&layout::run(run)) {
            let reason = format!("names {}, which is in another folder", expected.key);
            desk.find(Finding::damage(
                layout::in_run(run, run_file::RECORD),
                Problem::Content { reason },
                remedy.clone(),
            ));
            continue;
        }
        match desk.weigh(&expected) {
            Err(problem) => desk.find(Finding::damage(expected.key, problem, remedy.clone())),
            Ok(()) if desk.depth == Depth::Sizes => desk.count(&expected.key, 0),
            Ok(()) => tasks.push(Task { labels: labels_task(&expected.key, record, seen, contents), expected }),
        }
    }
    let store = desk.store.clone();
    let mut compared = futures::stream::iter(tasks)
        .map(|task| {
            let store = store.clone();
            desk::beside(async move { (compare(&store, &task).await, task.expected) })
        })
        .buffered(SHARDS_AT_ONCE);
    while let Some((found, expected)) = compared.next().await {
        desk.count(&expected.key, expected.bytes);
        if let Err(problem) = found? {
            desk.find(Finding::damage(expected.key, problem, remedy.clone()));
        }
    }
    Ok(())
}

fn expected(output: &OutputEntry) -> Expected {
    Expected { key: Path::from(output.key.as_str()), bytes: output.bytes, sha256: output.sha256.clone() }
}

fn labels_task(key: &Path, record: &RunRecord, seen: Option<&Known>, contents: &Contents) -> Option<LabelsTask> {
    let number = layout::shard_number(key).filter(|_| layout::is_labels(key))?;
    let superseded = seen.and_then(|known| known.superseded.as_ref());
    Some(LabelsTask {
        content: superseded.and_then(|_| contents.get(&number).cloned()),
        superseded: superseded.map_or_else(Vec::new, |superseded: &Superseded| superseded.of(number).to_vec()),
        num_clusters: record.clusters.found,
    })
}

async fn compare(store: &Store, task: &Task) -> Result<Result<(), Problem>, TableError> {
    let Task { expected, labels } = task;
    let Some(labels) = labels else { return Ok(compare_digest(store, expected).await?) };
    let bytes = match desk::fetch(store, expected).await? {
        Ok(bytes) => bytes,
        Err(problem) => return Ok(Err(problem)),
    };
    let alone = desk::alone(store, &expected.key, bytes).await?;
    match Labels::read(&alone, &expected.key).await {
        Ok(found) => Ok(labels.judge(&found)),
        Err(error) => Ok(Err(Problem::of(error)?)),
    }
}

/// Compares an object that may be large, as an index is, piece by piece.
async fn compare_digest(store: &Store, expected: &Expected) -> Result<Result<(), Problem>, StoreError> {
    Ok(match store.sha256(&expected.key).await? {
        None => Err(Problem::Missing),
        Some(found) if found != expected.sha256 => Err(Problem::Sha256 { found, expected: expected.sha256.clone() }),
        Some(_) => Ok(()),
    })
}

impl LabelsTask {
    fn judge(&self, found: &Labels) -> Result<(), Problem> {
        let is_live = |row: usize| self.superseded.binary_search(&(row as u32)).is_err();
        let ids = (0..found.ids.len()).map(|row| found.ids.value(row));
        if let Some(row) = self.content.as_ref().and_then(|content| content.first_other(is_live, ids)) {
            return Err(Problem::OtherDocuments { row: Some(row) });
        }
        let in_range = |label: i32| usize::try_from(label).is_ok_and(|label| label < self.num_clusters);
        match found.labels.iter().position(|label| !in_range(*label)) {
            None => Ok(()),
            Some(row) => {
                let (label, num_clusters) = (found.labels[row], self.num_clusters);
                Err(Problem::Content {
                    reason: format!("row {row} has label {label}, the run has {num_clusters} clusters"),
                })
            }
        }
    }
}

/// Says where a run follows one that was made anew since; one that is gone was pruned.
fn note_predecessor(desk: &mut Desk<'_>, records: &Records, run: &RunName, record: &RunRecord) {
    let Some(predecessor) = &record.predecessor else { return };
    let followed = RunName::new(&predecessor.run).ok().and_then(|name| records.finished.get(&name));
    let centroids = followed.and_then(|followed| followed.output(run_file::CENTROIDS));
    if centroids.is_some_and(|centroids| centroids.sha256 != predecessor.centroids_sha256) {
        let problem = Problem::FollowsOther { run: predecessor.run.clone() };
        desk.find(Finding::note(layout::in_run(run, run_file::RECORD), problem, Remedy::Nothing));
    }
}

async fn latest(desk: &mut Desk<'_>, corpus: &Corpus, records: &Records) -> Result<(), RunError> {
    let newest = records
        .finished
        .iter()
        .max_by_key(|(run, record)| (record.generation, desk.inventory.finished(run), *run))
        .map(|(run, record)| again(corpus, run, record));
    let is_listed = desk.inventory.has(&layout::latest());
    if is_listed {
        desk.count(&layout::latest(), desk.inventory.bytes(&layout::latest()).unwrap_or(0));
    }
    let problem = match Latest::read(desk.store).await {
        Ok(Some(run)) if records.finished.contains_key(&run) => return Ok(()),
        // A record that cannot be read is told of by itself, and one that came since the store was listed is no harm.
        Ok(Some(run)) if desk.store.head(&layout::in_run(&run, run_file::RECORD)).await?.is_some() => return Ok(()),
        Ok(Some(run)) => Problem::NoRun { run: run.to_string() },
        Ok(None) => match newest {
            Some(remedy) => {
                desk.find(Finding::note(layout::latest(), Problem::Missing, remedy));
                return Ok(());
            }
            None => return Ok(()),
        },
        Err(error) if error.exit() == Exit::Data => unreadable(&error),
        Err(error) => return Err(error),
    };
    desk.find(Finding::damage(layout::latest(), problem, newest.unwrap_or(Remedy::Remove)));
    Ok(())
}
