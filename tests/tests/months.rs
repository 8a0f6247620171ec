//! Two years of a growing archive by the real programs: ids that stay, events that are told when they happen, and work for
//! what is new alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use arrow::array::Array;
use strata_shared::findings::{Change, ChangeKind, Topic, read_changes, read_topics};
use strata_shared::generations;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::{Latest, RunRecord};
use strata_shared::store::Store;
use strata_tests::binaries;
use strata_tests::planted_months::{Archive, BORN, Brought, HALF, TOPICS};
use tempfile::TempDir;

const MONTHS: usize = 24;

/// Months of what is planted.
const BIRTH: usize = 6;
const DIVISION: usize = 12;
const WITHDRAWAL: usize = 18;

const GONE: usize = 7;

const FLAGS: &str = "--complete --model-name planted --rows-per-shard 500 --text-field none --clusters 16 --lonely 5 \
                     --period month --recent 3";

/// The events that are told of topics.
const EVENTS: [ChangeKind; 4] = [ChangeKind::Born, ChangeKind::Split, ChangeKind::Merged, ChangeKind::Died];

struct Years {
    folder: TempDir,
    store: Store,
    archive: Archive,
    /// What was told of topics, month by month.
    told: Vec<Vec<Change>>,
    /// Topics that a run had, month by month.
    topics: Vec<Vec<Topic>>,
}

impl Years {
    fn begin(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(&folder.path().join("store").display().to_string()).unwrap();
        let mut years = Self { folder, store, archive: Archive::new(seed), told: Vec::new(), topics: Vec::new() };
        years.run();
        years
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    }

    /// Runs everything over the month's snapshot, with vectors of what is new or changed alone.
    fn run(&mut self) {
        let (lines, vectors) =
            (self.file("month.jsonl", self.archive.lines()), self.file("month.parquet", self.archive.vectors()));
        let mut command = binaries::without_settings(Command::new(binaries::path("strata").unwrap()));
        command.arg("run").arg(lines).arg("--vectors").arg(vectors).arg("--store").arg(self.store.url());
        let output = command.args(FLAGS.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (manifest, topics, changes) = block_on(self.read());
        assert_work(&manifest, self.archive.brought());
        self.told.push(changes.into_iter().filter(|change| EVENTS.contains(&change.kind)).collect());
        self.topics.push(topics);
    }

    async fn read(&self) -> (Manifest, Vec<Topic>, Vec<Change>) {
        let run = Latest::read(&self.store).await.unwrap().unwrap();
        let record = RunRecord::read(&self.store, &run).await.unwrap();
        assert!(record.predecessor.as_ref().is_none_or(|predecessor| predecessor.warm), "{run}: a trap");
        let table = |file| layout::in_run(&run, file);
        let changes = match record.predecessor {
            Some(_) => read_changes(&self.store, &table(run_file::CHANGES)).await.unwrap(),
            None => Vec::new(),
        };
        let manifest = generations::newest(&self.store).await.unwrap().manifest;
        (manifest, read_topics(&self.store, &table(run_file::TOPICS)).await.unwrap(), changes)
    }

    /// Goes on by a month, with what is planted in it where `is_planted` says so.
    fn next_month(&mut self, is_planted: bool) {
        let month = self.told.len();
        let has_half = is_planted && month > DIVISION;
        let lives = |topic: &usize| match *topic {
            BORN => false,
            HALF => has_half,
            GONE => !is_planted || month < WITHDRAWAL,
            _ => true,
        };
        let topics: Vec<usize> = (0..=HALF).filter(lives).collect();
        self.archive.next_month(&topics);
        if is_planted {
            self.plant(month);
        }
        self.run();
    }

    fn plant(&mut self, month: usize) {
        if month >= BIRTH {
            self.archive.bear();
        }
        if month == DIVISION {
            // One that lies in two clusters would leave them as they are, and move them.
            let labels = block_on(self.labels());
            let whole = (0..TOPICS).find(|topic| *topic != GONE && self.is_whole(&labels, *topic)).unwrap();
            self.archive.divide(whole);
        }
        if month == WITHDRAWAL {
            self.archive.withdraw_all(GONE);
        }
    }

    /// The label of each document in the newest run.
    async fn labels(&self) -> BTreeMap<String, i32> {
        let run: RunName = Latest::read(&self.store).await.unwrap().unwrap();
        let record = RunRecord::read(&self.store, &run).await.unwrap();
        let mut labels = BTreeMap::new();
        for key in record.labels() {
            let shard = Labels::read(&self.store, &key).await.unwrap();
            labels.extend((0..shard.ids.len()).map(|row| (shard.ids.value(row).to_owned(), shard.labels[row])));
        }
        labels
    }

    /// Counts a topic's documents by their label.
    fn counts(&self, labels: &BTreeMap<String, i32>, topic: usize) -> BTreeMap<i32, usize> {
        let mut counts = BTreeMap::new();
        for (_, label) in labels.iter().filter(|(id, _)| self.archive.topic(id) == Some(topic)) {
            *counts.entry(*label).or_default() += 1;
        }
        counts
    }

    fn is_whole(&self, labels: &BTreeMap<String, i32>, topic: usize) -> bool {
        let counts = self.counts(labels, topic);
        let all: usize = counts.values().sum();
        counts.iter().any(|(label, count)| {
            let size = labels.values().filter(|other| *other == label).count();
            10 * count >= 9 * all && 10 * count >= 8 * size
        })
    }

    /// The id of the topic that has most of a planted topic's documents in the newest run.
    fn main_id(&self, topic: usize) -> i64 {
        let counts = self.counts(&block_on(self.labels()), topic);
        let (label, _) = counts.into_iter().max_by_key(|(_, count)| *count).unwrap();
        self.topics.last().unwrap()[label as usize].topic_id
    }

    fn assert_told(&self, month: usize, kinds: &[ChangeKind], fits: impl Fn(&Change) -> bool) {
        let told = self.told[month..month + 2].iter().flatten();
        let is_told = told.filter(|change| kinds.contains(&change.kind)).any(fits);
        assert!(is_told, "month {month}, {kinds:?}: {:?}", self.told);
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Makes sure that what was written, and would be embedded, is what is new or changed.
fn assert_work(manifest: &Manifest, brought: &Brought) {
    let expected = brought.new.len() + brought.changed.len();
    assert_eq!(manifest.own_shards().map(|shard| shard.rows).sum::<u64>(), expected as u64);
    if let Some(update) = &manifest.update {
        let counted = [update.new, update.changed, update.gone];
        assert_eq!(counted, [brought.new.len(), brought.changed.len(), brought.gone.len()].map(|count| count as u64));
    }
}

#[test]
fn planted_events_are_told_within_two_months_and_ids_stay() {
    let mut years = Years::begin(1);
    let first: Vec<i64> = years.topics[0].iter().map(|topic| topic.topic_id).collect();
    (0..MONTHS).for_each(|_| years.next_month(true));
    let born = years.main_id(BORN);
    years.assert_told(BIRTH, &[ChangeKind::Born, ChangeKind::Split], |change| change.topic_id == Some(born));
    years.assert_told(DIVISION, &[ChangeKind::Split], |change| change.share > Some(0.25));
    years.assert_told(WITHDRAWAL, &[ChangeKind::Died, ChangeKind::Merged], |_| true);
    let told: usize = years.told.iter().map(Vec::len).sum();
    // A centroid that is needed elsewhere is missed where it was: each event may bring another one.
    assert!(told <= 8, "{:?}", years.told);
    let kept = years.topics[MONTHS].iter().filter(|topic| first.contains(&topic.topic_id)).count();
    assert!(kept + told >= first.len(), "{kept} of {} ids", first.len());
}

#[test]
fn without_an_event_at_most_one_is_told_in_two_years() {
    let mut years = Years::begin(2);
    (0..MONTHS).for_each(|_| years.next_month(false));
    let told: usize = years.told.iter().map(Vec::len).sum();
    assert!(told <= 1, "{:?}", years.told);
    let ids = |month: usize| years.topics[month].iter().map(|topic| topic.topic_id).collect::<Vec<_>>();
    let kept = ids(MONTHS).iter().filter(|id| ids(0).contains(id)).count();
    assert!(kept + told >= ids(0).len(), "{kept} of {} ids", ids(0).len());
}
