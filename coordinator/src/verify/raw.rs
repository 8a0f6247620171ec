//! Raw shards: each is there and has the bytes that every generation says, is a table of documents, and no id of a generation
//! is twice in it.
//!
//! Invariant: of a shard that nothing is wrong with, 16 bytes a row are kept, by which vectors and labels are compared with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use strata_shared::documents::Documents;
use strata_shared::exit::Failure;
use strata_shared::layout;
use strata_shared::manifest::ShardEntry;
use strata_shared::store::Store;
use strata_shared::table::TableError;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::desk::{self, Depth, Desk, Expected, SHARDS_AT_ONCE};
use super::finding::{Finding, Problem, Remedy};
use super::generations::{Corpus, Known};

/// XXH3-128 of an id, but for the lowest bit, in which it stands that the document has no date.
type Row = u128;

const UNDATED: Row = 1;

/// What is kept of a raw shard.
pub(super) struct Content {
    rows: Vec<Row>,
    /// XXH3-128 over all fields of all documents.
    documents: u128,
}

/// The raw shards that nothing is wrong with, by number.
pub(super) type Contents = BTreeMap<usize, Arc<Content>>;

impl Content {
    fn of(documents: &Documents) -> Self {
        let row = |row| hash(documents.id(row)) | if documents.created(row).is_none() { UNDATED } else { 0 };
        Self { rows: (0..documents.len()).map(row).collect(), documents: hash_documents(documents) }
    }

    /// Returns the first row in which `id` says another one than the shard's, of those rows that `is_live` holds of.
    pub(super) fn first_other<'a>(
        &self,
        is_live: impl Fn(usize) -> bool,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Option<usize> {
        let mut live = self.rows.iter().enumerate().filter(|(row, _)| is_live(*row)).map(|(_, hash)| hash & !UNDATED);
        let mut ids = ids.into_iter();
        let mut row = 0;
        loop {
            match (live.next(), ids.next()) {
                (None, None) => return None,
                (Some(expected), Some(id)) if expected == hash(id) => row += 1,
                _ => return Some(row),
            }
        }
    }

    /// Tells whether these are the shard's documents, field by field.
    pub(super) fn has(&self, documents: &Documents) -> bool {
        self.documents == hash_documents(documents)
    }
}

fn hash(id: &str) -> u128 {
    xxh3_128(id.as_bytes()) & !UNDATED
}

fn hash_documents(documents: &Documents) -> u128 {
    let mut hasher = Xxh3::new();
    for row in 0..documents.len() {
        for text in [documents.id(row), documents.title(row), documents.abstract_text(row), documents.categories(row)] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let created = documents.created(row);
        hasher.update(&created.unwrap_or_default().to_le_bytes());
        hasher.update(&[u8::from(created.is_some())]);
    }
    hasher.digest128()
}

/// Judges every raw shard that a generation lists, then the ids and dates of each generation.
///
/// # Errors
/// The store's own.
pub(super) async fn inspect(desk: &mut Desk<'_>, corpus: &Corpus) -> Result<Contents, Failure> {
    let mut contents = Contents::new();
    let mut sound = Vec::new();
    for (number, entry) in &corpus.shards {
        let expected = Expected { key: entry.path(), bytes: entry.bytes, sha256: entry.sha256.clone() };
        match desk.weigh(&expected) {
            Err(problem) => desk.find(Finding::damage(entry.path(), problem, corpus.remedy_of_shard(*number))),
            Ok(()) if desk.depth == Depth::Sizes => desk.count(&expected.key, 0),
            Ok(()) => sound.push((*number, entry.clone(), expected)),
        }
    }
    let store = desk.store.clone();
    let mut read = futures::stream::iter(sound)
        .map(|(number, entry, expected)| {
            let store = store.clone();
            desk::beside(async move { (number, read(&store, &entry, &expected).await, expected) })
        })
        .buffered(SHARDS_AT_ONCE);
    while let Some((number, found, expected)) = read.next().await {
        desk.count(&expected.key, expected.bytes);
        match found? {
            Ok(content) => drop(contents.insert(number, Arc::new(content))),
            Err(problem) => desk.find(Finding::damage(expected.key, problem, corpus.remedy_of_shard(number))),
        }
    }
    let is_blamed = |known: &&Known| corpus.blamed.contains(&known.manifest.generation);
    for known in corpus.generations.values().filter(|known| !is_blamed(known)) {
        compare_ids(desk, known, &contents);
        count_undated(desk, known, &contents);
    }
    Ok(contents)
}

async fn read(store: &Store, entry: &ShardEntry, expected: &Expected) -> Result<Result<Content, Problem>, TableError> {
    let bytes = match desk::fetch(store, expected).await? {
        Ok(bytes) => bytes,
        Err(problem) => return Ok(Err(problem)),
    };
    let alone = desk::alone(store, &expected.key, bytes).await?;
    match Documents::read(&alone, &expected.key).await {
        Ok(documents) if documents.len() as u64 != entry.rows => {
            Ok(Err(Problem::Rows { found: documents.len() as u64, expected: entry.rows }))
        }
        Ok(documents) => Ok(Ok(Content::of(&documents))),
        Err(error) => Ok(Err(Problem::of(error)?)),
    }
}

/// The live rows of the sound shards of a generation: the shard's number, the row, and what is kept of it.
fn live<'a>(known: &'a Known, contents: &'a Contents) -> impl Iterator<Item = (usize, usize, Row)> + 'a {
    let superseded = known.superseded.as_ref();
    let shards = known.manifest.shards.iter().map(ShardEntry::number);
    shards.filter_map(|number| Some((number, contents.get(&number)?))).flat_map(move |(number, content)| {
        let rows = content.rows.iter().enumerate();
        let live = rows.filter(move |(row, _)| superseded.is_some_and(|gone| !gone.contains(number, *row as u32)));
        live.map(move |(row, hash)| (number, row, *hash))
    })
}

fn compare_ids(desk: &mut Desk<'_>, known: &Known, contents: &Contents) {
    let mut hashes: Vec<Row> = Vec::with_capacity(known.manifest.rows as usize);
    hashes.extend(live(known, contents).map(|(_, _, hash)| hash & !UNDATED));
    hashes.sort_unstable();
    let repeated: Vec<Row> = hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    if repeated.is_empty() {
        return;
    }
    let mut first: BTreeMap<Row, (usize, usize)> = BTreeMap::new();
    for (number, row, hash) in live(known, contents) {
        let hash = hash & !UNDATED;
        if repeated.binary_search(&hash).is_err() {
            continue;
        }
        let (first, first_row) = *first.entry(hash).or_insert((number, row));
        if (first, first_row) != (number, row) {
            let problem = Problem::RepeatedId { row, first: layout::raw_shard(first).to_string(), first_row };
            desk.find(Finding::damage(layout::raw_shard(number), problem, Remedy::Restore));
        }
    }
}

fn count_undated(desk: &mut Desk<'_>, known: &Known, contents: &Contents) {
    let manifest = &known.manifest;
    let is_whole = manifest.shards.iter().all(|shard| contents.contains_key(&shard.number()));
    if !is_whole || known.superseded.is_none() {
        return;
    }
    let found = live(known, contents).filter(|(_, _, hash)| hash & UNDATED != 0).count() as u64;
    if found != manifest.undated {
        let is_numbered = desk.inventory.has(&layout::generation(manifest.generation));
        let key = if is_numbered { layout::generation(manifest.generation) } else { layout::manifest() };
        let problem = Problem::Undated { found, expected: manifest.undated };
        desk.find(Finding::damage(key, problem, Remedy::Restore));
    }
}
