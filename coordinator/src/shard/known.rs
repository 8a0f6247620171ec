//! The documents of a generation → what a snapshot's document is to them: unchanged, changed, or new.
//!
//! Invariant: 24 bytes and three bits a document, and 8 bytes a superseded row; with what a change leaves
//! ([`super::reuse`]) never more than 40 bytes a document. Documents are told apart by 96 bits of their id's hash, as
//! [`super::seen`] does, and their contents by [`super::content`].

use std::sync::Arc;

use futures::StreamExt;
use object_store::memory::InMemory;
use strata_shared::digest;
use strata_shared::documents::Documents;
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use strata_shared::telemetry::Progress;

use super::bits::Bits;
use super::content::{self, ContentHash};
use super::error::ShardError;
use super::seen::{self, IdHash};

/// Raw shards that are read at once: each holds its texts twice while it is decoded.
const SHARDS_AT_ONCE: usize = 2;

/// One document of the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    id: IdHash,
    /// Its row among all rows of the manifest's shards, superseded ones included.
    row: u32,
    content: ContentHash,
}

/// What a document of the snapshot is to the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// No document has its id.
    New,
    /// The document of its id is the same.
    Unchanged,
    /// The document of its id, in this row of all, is another.
    Changed(u32),
    /// The snapshot had a document of its id before.
    Repeated,
}

/// The documents of a generation, and which of them a snapshot has shown so far.
#[derive(Debug, Default)]
pub(super) struct KnownDocuments {
    /// Sorted by id.
    entries: Vec<Entry>,
    /// Those that were met as documents.
    met: Bits,
    /// Those whose id was read at all, be it in a line that was refused.
    named: Bits,
    changed: Bits,
    /// The contents of superseded rows, sorted.
    superseded: Vec<ContentHash>,
    newest: Option<i64>,
}

/// What one raw shard holds.
struct ShardContents {
    live: Vec<(u32, IdHash, ContentHash)>,
    superseded: Vec<ContentHash>,
    newest: Option<i64>,
}

impl KnownDocuments {
    /// Reads the raw shards of a generation, and holds each to the sha256 that its manifest names.
    ///
    /// # Errors
    /// [`ShardError::Lost`] for a shard that is missing or another, and those of reading.
    pub(super) async fn read(store: &Store, manifest: &Manifest, rows: &Superseded) -> Result<Self, ShardError> {
        let progress = Progress::start("compare", "documents", manifest.rows);
        let mut known = Self { entries: Vec::with_capacity(manifest.rows as usize), ..Self::default() };
        known.superseded.reserve_exact(rows.num_rows() as usize);
        let mut shards = futures::stream::iter(&manifest.shards)
            .map(|shard| {
                let superseded = rows.of(shard.number()).to_vec();
                super::beside(read_shard(store.clone(), shard.clone(), superseded))
            })
            .buffered(SHARDS_AT_ONCE)
            .zip(futures::stream::iter(&manifest.shards));
        let mut first: u32 = 0;
        while let Some((contents, shard)) = shards.next().await {
            let ShardContents { live, superseded, newest } = contents?;
            progress.advance(live.len() as u64);
            known.entries.extend(live.into_iter().map(|(row, id, content)| Entry { id, row: first + row, content }));
            known.superseded.extend(superseded);
            known.newest = known.newest.max(newest);
            // 2³² rows would have filled terabytes of shards before.
            first += shard.rows as u32;
        }
        known.sort();
        Ok(known)
    }

    fn sort(&mut self) {
        self.entries.sort_unstable();
        self.superseded.sort_unstable();
        let none = Bits::zeros(self.entries.len() as u64);
        (self.met, self.named, self.changed) = (none.clone(), none.clone(), none);
    }

    /// Returns when the newest document was created.
    pub(super) const fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Takes the next document of the snapshot.
    pub(super) fn meet(&mut self, id: &IdHash, content: ContentHash) -> Standing {
        let Some(place) = self.place(id) else { return Standing::New };
        self.named.set(place);
        if !self.met.set(place) {
            return Standing::Repeated;
        }
        let entry = self.entries[place as usize];
        if entry.content == content {
            return Standing::Unchanged;
        }
        self.changed.set(place);
        Standing::Changed(entry.row)
    }

    /// Takes the id of a line of the snapshot that was refused: its document is not gone.
    pub(super) fn name(&mut self, id: &str) {
        if let Some(place) = self.place(&seen::hash(id)) {
            self.named.set(place);
        }
    }

    /// Tells whether a superseded row had this content.
    pub(super) fn was_superseded(&self, content: ContentHash) -> bool {
        self.superseded.binary_search(&content).is_ok()
    }

    /// Returns the number of documents that the snapshot did not name.
    pub(super) fn num_unnamed(&self) -> u64 {
        self.named.len() - self.named.ones()
    }

    /// Returns the rows that make way, ascending, and how many of them have no date: those of changed documents, and with
    /// `and_unnamed` those of documents that the snapshot did not name.
    pub(super) fn replaced(&self, and_unnamed: bool) -> (Vec<u32>, u64) {
        let (mut rows, mut undated) = (Vec::new(), 0);
        for (place, entry) in self.entries.iter().enumerate() {
            let place = place as u64;
            if self.changed.get(place) || and_unnamed && !self.named.get(place) {
                rows.push(entry.row);
                undated += u64::from(content::is_undated(entry.content));
            }
        }
        rows.sort_unstable();
        (rows, undated)
    }

    fn place(&self, id: &IdHash) -> Option<u64> {
        self.entries.binary_search_by(|entry| entry.id.cmp(id)).ok().map(|place| place as u64)
    }
}

/// Reads a raw shard that must be what its manifest says.
///
/// # Errors
/// [`ShardError::Lost`], and the store's.
pub(super) async fn read_documents(store: &Store, shard: &ShardEntry) -> Result<Documents, ShardError> {
    let key = shard.path();
    let lost = || ShardError::Lost { store: store.url().to_owned(), key: key.clone() };
    let bytes = store.get_if_present(&key).await?.ok_or_else(lost)?;
    if digest::sha256_hex(&bytes) != shard.sha256 {
        return Err(lost());
    }
    // The very bytes that were checked; reading the object again could give others.
    let checked = Store::new(store.url(), Arc::new(InMemory::new()));
    checked.put(&key, bytes).await?;
    Ok(Documents::read(&checked, &key).await?)
}

async fn read_shard(store: Store, shard: ShardEntry, superseded: Vec<u32>) -> Result<ShardContents, ShardError> {
    let documents = read_documents(&store, &shard).await?;
    super::blocking(move || Ok(contents(&documents, &superseded))).await
}

fn contents(documents: &Documents, superseded: &[u32]) -> ShardContents {
    let mut contents = ShardContents { live: Vec::new(), superseded: Vec::new(), newest: None };
    let mut passed_over = superseded.iter().peekable();
    for row in 0..documents.len() {
        let content = content::of_row(documents, row);
        if passed_over.next_if(|next| **next as usize == row).is_some() {
            contents.superseded.push(content);
        } else {
            contents.live.push((row as u32, seen::hash(documents.id(row)), content));
            contents.newest = contents.newest.max(documents.created(row));
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_takes_at_most_twenty_five_bytes() {
        assert_eq!(size_of::<Entry>(), 24);
        let mut known = KnownDocuments { entries: Vec::with_capacity(1000), ..KnownDocuments::default() };
        let entry = |row: u32| Entry { id: seen::hash(&row.to_string()), row, content: 2 * u64::from(row) };
        known.entries.extend((0..1000).map(entry));
        known.sort();
        let bits = [&known.met, &known.named, &known.changed].map(|bits| bits.len().div_ceil(64) * 8);
        let bytes = known.entries.capacity() as u64 * 24 + bits.iter().sum::<u64>();
        assert!(bytes <= 25 * 1000, "{bytes}");
    }

    #[test]
    fn a_document_is_met_once_and_told_by_its_content() {
        let entry = |id: &str, row, content| Entry { id: seen::hash(id), row, content };
        let mut known = KnownDocuments {
            entries: vec![entry("a", 7, 2), entry("b", 3, 5), entry("c", 5, 4), entry("d", 1, 6)],
            superseded: vec![8],
            ..KnownDocuments::default()
        };
        known.sort();
        assert_eq!(known.meet(&seen::hash("a"), 2), Standing::Unchanged);
        assert_eq!(known.meet(&seen::hash("b"), 8), Standing::Changed(3));
        assert_eq!(known.meet(&seen::hash("b"), 5), Standing::Repeated);
        assert_eq!(known.meet(&seen::hash("x"), 5), Standing::New);
        known.name("d");
        known.name("y");
        assert_eq!((known.num_unnamed(), known.was_superseded(8), known.was_superseded(5)), (1, true, false));
        assert_eq!(known.replaced(false), (vec![3], 1));
        assert_eq!(known.replaced(true), (vec![3, 5], 1));
    }
}
