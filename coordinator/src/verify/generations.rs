//! Generations: each is readable, is the one that its key says and adds up; its lists of superseded rows and of refused lines
//! are what it says; the copies are of the newest.
//!
//! Invariant: where two of them differ, the one that nobody else agrees with is blamed.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use strata_shared::digest;
use strata_shared::exit::{Exit, Failure};
use strata_shared::layout;
use strata_shared::manifest::{Manifest, ManifestError, ShardEntry, SupersededEntry};
use strata_shared::store::StoreError;
use strata_shared::superseded::Superseded;

use super::desk::{self, Depth, Desk, Expected};
use super::finding::{Finding, Problem, Remedy};
use super::runs::Records;
use crate::report::Tally;

/// A generation that can be read.
pub(super) struct Known {
    pub(super) manifest: Manifest,
    pub(super) sha256: String,
    /// The rows that it passes over; `None` where they cannot be told.
    pub(super) superseded: Option<Superseded>,
    bytes: Bytes,
}

/// The corpus, as far as it can be read.
#[derive(Default)]
pub(super) struct Corpus {
    pub(super) generations: BTreeMap<u64, Known>,
    /// Whether some generation cannot be read, so that nobody can say what it names.
    pub(super) is_broken: bool,
    /// Every raw shard that a generation lists, as the first of them lists it.
    pub(super) shards: BTreeMap<usize, ShardEntry>,
    /// The generations that were found to be other ones than they were.
    pub(super) blamed: Vec<u64>,
    /// Whether `raw/manifest.json` is the copy of the newest generation, so that `raw/rejected.jsonl` should be one too.
    has_copies: bool,
}

impl Corpus {
    pub(super) fn newest(&self) -> Option<&Known> {
        self.generations.values().next_back()
    }

    /// Returns what mends an object that a generation consists of: of the newest, its inputs, as long as what they were
    /// compared with is there.
    pub(super) fn remedy(&self, generation: u64) -> Remedy {
        let is_newest = self.generations.keys().next_back() == Some(&generation);
        let Some(known) = self.generations.get(&generation).filter(|_| is_newest) else { return Remedy::Restore };
        let has_base = known.manifest.is_one_snapshot() || self.generations.contains_key(&(generation - 1));
        match known.manifest.compaction {
            _ if !has_base => Remedy::Restore,
            Some(_) => Remedy::Compact,
            None => Remedy::Shard { generation },
        }
    }

    /// Returns what mends a raw shard.
    pub(super) fn remedy_of_shard(&self, number: usize) -> Remedy {
        match self.newest().filter(|newest| newest.manifest.made_shards().any(|shard| shard.number() == number)) {
            Some(newest) => self.remedy(newest.manifest.generation),
            None => Remedy::Restore,
        }
    }
}

/// Reads and judges all generations.
///
/// # Errors
/// The store's own, or that it holds no corpus.
pub(super) async fn inspect(desk: &mut Desk<'_>, records: &Records) -> Result<Corpus, Failure> {
    let mut corpus = read(desk).await?;
    for known in corpus.generations.values() {
        for shard in &known.manifest.shards {
            let first = corpus.shards.entry(shard.number()).or_insert_with(|| shard.clone());
            if (&first.sha256, first.rows, first.bytes) != (&shard.sha256, shard.rows, shard.bytes) {
                let reason = format!("lists {} otherwise than an earlier generation", shard.key);
                let key = layout::generation(known.manifest.generation);
                desk.find(Finding::damage(key, Problem::Content { reason }, Remedy::Restore));
            }
        }
    }
    compare_copies(desk, &mut corpus, records).await?;
    for number in corpus.generations.keys().copied().collect::<Vec<_>>() {
        let superseded = superseded(desk, &corpus, number).await?;
        let are_as_told = rejections(desk, &corpus, number).await?;
        if are_as_told && corpus.has_copies && corpus.generations.keys().next_back() == Some(&number) {
            compare_rejected(desk, number).await?;
        }
        if let Some(known) = corpus.generations.get_mut(&number) {
            known.superseded = superseded;
        }
    }
    Ok(corpus)
}

async fn read(desk: &mut Desk<'_>) -> Result<Corpus, Failure> {
    let mut corpus = Corpus::default();
    let numbers: Vec<u64> = desk.inventory.generations().collect();
    if numbers.is_empty() {
        return read_unnumbered(desk).await;
    }
    for number in numbers {
        let key = layout::generation(number);
        let Some(bytes) = desk.read(&key).await? else { continue };
        match decode(&key, &bytes, Some(number)) {
            Ok(known) => drop(corpus.generations.insert(number, known)),
            Err(problem) => {
                corpus.is_broken = true;
                let copy = desk.store.get_if_present(&layout::manifest()).await?;
                let is_copied = copy.is_some_and(|copy| decode(&layout::manifest(), &copy, Some(number)).is_ok());
                let from = layout::manifest().to_string();
                let remedy = if is_copied { Remedy::Copy { from } } else { Remedy::Restore };
                desk.find(Finding::damage(key, problem, remedy));
            }
        }
    }
    Ok(corpus)
}

/// Reads the corpus of a store of the first format that nobody has updated.
async fn read_unnumbered(desk: &mut Desk<'_>) -> Result<Corpus, Failure> {
    let (key, mut corpus) = (layout::manifest(), Corpus::default());
    let Some(bytes) = desk.read(&key).await? else {
        let store = desk.store.url().to_owned();
        return Err(Failure::new(Exit::Configuration, ManifestError::Missing { store, key }));
    };
    match decode(&key, &bytes, None) {
        Ok(known) => drop(corpus.generations.insert(known.manifest.generation, known)),
        Err(problem) => {
            corpus.is_broken = true;
            desk.find(Finding::damage(key, problem, Remedy::Restore));
        }
    }
    Ok(corpus)
}

fn decode(key: &Path, bytes: &Bytes, number: Option<u64>) -> Result<Known, Problem> {
    let manifest = Manifest::decode(key, bytes).map_err(|error| match error {
        ManifestError::Unreadable { source, .. } => Problem::Unreadable { reason: source.to_string() },
        ManifestError::Inconsistent { reason, .. } => Problem::Content { reason },
        other => Problem::Content { reason: other.to_string() },
    })?;
    let says = manifest.generation;
    if let Some(number) = number.filter(|number| *number != says) {
        return Err(Problem::Content { reason: format!("says that it is generation {says}, expected {number}") });
    }
    Ok(Known { manifest, sha256: digest::sha256_hex(bytes), superseded: None, bytes: bytes.clone() })
}

/// Compares `raw/manifest.json` with the newest generation, of which it should be a copy.
async fn compare_copies(desk: &mut Desk<'_>, corpus: &mut Corpus, records: &Records) -> Result<(), StoreError> {
    let Some(number) = desk.inventory.generations().last() else { return Ok(()) };
    let (key, from) = (layout::manifest(), layout::generation(number));
    let found = desk.read(&key).await?;
    let copy = found.as_ref().and_then(|bytes| decode(&key, bytes, None).ok());
    let copied = copy.as_ref().map(|copy| copy.manifest.generation);
    if let Some(lost) = copied.filter(|copied| *copied > number) {
        if desk.store.head(&layout::generation(lost)).await?.is_some() {
            // An update has made it since the store was listed.
            return Ok(());
        }
        corpus.is_broken = true;
        let remedy = Remedy::Copy { from: key.to_string() };
        desk.find(Finding::damage(layout::generation(lost), Problem::Missing, remedy));
        return Ok(());
    }
    let Some(newest) = corpus.generations.get(&number) else { return Ok(()) };
    if found.as_ref() == Some(&newest.bytes) {
        corpus.has_copies = true;
        return Ok(());
    }
    if let Some(copy) =
        copy.filter(|copy| records.agree(number, &copy.sha256) && !records.agree(number, &newest.sha256))
    {
        let problem = Problem::Sha256 { found: newest.sha256.clone(), expected: copy.sha256 };
        desk.find(Finding::damage(from, problem, Remedy::Copy { from: key.to_string() }));
        corpus.blamed.push(number);
        return Ok(());
    }
    let of = from.to_string();
    let is_earlier = |known: &Known| found.as_ref() == Some(&known.bytes);
    if corpus.generations.values().any(is_earlier) {
        // A command was killed before it had made the copies; whatever comes next makes them.
        desk.find(Finding::note(key, Problem::NotACopy { of: of.clone() }, Remedy::Copy { from: of }));
        return Ok(());
    }
    let problem = if found.is_none() { Problem::Missing } else { Problem::NotACopy { of: of.clone() } };
    desk.find(Finding::damage(key, problem, Remedy::Copy { from: of }));
    Ok(())
}

/// Compares `raw/rejected.jsonl` with the refusals of the newest generation, of which it should be a copy.
async fn compare_rejected(desk: &mut Desk<'_>, number: u64) -> Result<(), StoreError> {
    let (key, of) = (layout::rejected(), layout::rejected_of(number));
    let (found, expected) = (desk.inventory.bytes(&key), desk.inventory.bytes(&of));
    let is_copy = match (found, expected) {
        // What is missing of the generation's own is told of that.
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(found), Some(expected)) if found != expected || desk.depth == Depth::Sizes => found == expected,
        _ => desk.store.sha256(&key).await? == desk.store.sha256(&of).await?,
    };
    desk.count(&key, found.unwrap_or(0));
    if !is_copy {
        let of = of.to_string();
        let problem = if found.is_none() { Problem::Missing } else { Problem::NotACopy { of: of.clone() } };
        desk.find(Finding::damage(key, problem, Remedy::Copy { from: of }));
    }
    Ok(())
}

/// Reads which rows a generation passes over.
async fn superseded(desk: &mut Desk<'_>, corpus: &Corpus, number: u64) -> Result<Option<Superseded>, Failure> {
    let manifest = &corpus.generations[&number].manifest;
    let Some(SupersededEntry { key, bytes, sha256, .. }) = manifest.superseded.clone() else {
        return Ok(Some(Superseded::default()));
    };
    let expected = Expected { key: Path::from(key), bytes, sha256 };
    let problem = match desk.weigh(&expected) {
        Err(problem) => problem,
        Ok(()) if desk.depth == Depth::Sizes => {
            desk.count(&expected.key, 0);
            return Ok(None);
        }
        Ok(()) => match read_superseded(desk, manifest, &expected).await? {
            Ok(superseded) => return Ok(Some(superseded)),
            Err(problem) => problem,
        },
    };
    let remedy = corpus.remedy(number);
    desk.find(Finding::damage(expected.key, problem, remedy));
    Ok(None)
}

async fn read_superseded(
    desk: &mut Desk<'_>,
    manifest: &Manifest,
    expected: &Expected,
) -> Result<Result<Superseded, Problem>, Failure> {
    desk.count(&expected.key, expected.bytes);
    let bytes = match desk::fetch(desk.store, expected).await? {
        Ok(bytes) => bytes,
        Err(problem) => return Ok(Err(problem)),
    };
    let alone = desk::alone(desk.store, &expected.key, bytes).await?;
    match Superseded::read(&alone, manifest).await {
        Ok(superseded) => Ok(Ok(superseded)),
        Err(error) => Ok(Err(Problem::of(error)?)),
    }
}

/// Counts the lines that a generation's snapshot was refused; tells whether nothing is wrong with them.
async fn rejections(desk: &mut Desk<'_>, corpus: &Corpus, number: u64) -> Result<bool, StoreError> {
    let expected = corpus.generations[&number].manifest.rejected;
    let is_numbered = desk.inventory.has(&layout::generation(number));
    let key = if is_numbered { layout::rejected_of(number) } else { layout::rejected() };
    let problem = match desk.inventory.bytes(&key) {
        None => (expected > 0).then_some(Problem::Missing),
        Some(_) if desk.depth == Depth::Sizes => {
            desk.count(&key, 0);
            None
        }
        Some(bytes) => {
            desk.count(&key, bytes);
            count_lines(desk, &key, expected).await?
        }
    };
    let Some(problem) = problem else { return Ok(true) };
    let remedy = corpus.remedy(number);
    desk.find(Finding::damage(key, problem, remedy));
    Ok(false)
}

async fn count_lines(desk: &Desk<'_>, key: &Path, expected: u64) -> Result<Option<Problem>, StoreError> {
    let Some(mut pieces) = desk.store.pieces(key).await? else { return Ok(Some(Problem::Missing)) };
    let (mut tally, mut counted) = (Tally::default(), Ok(()));
    while let (Ok(()), Some(piece)) = (&counted, pieces.try_next().await?) {
        counted = tally.add(&piece);
    }
    Ok(match counted.and_then(|()| tally.finish()) {
        Ok(reasons) => {
            let found = reasons.iter().map(|(_, lines)| lines).sum();
            (found != expected).then_some(Problem::Rows { found, expected })
        }
        Err(error) => Some(Problem::Unreadable { reason: error.to_string() }),
    })
}
