//! Documents in order → raw shards in the store: encoded side by side, listed in order.
//!
//! Invariant: a shard's bytes are a function of its documents alone. A shard whose documents are large is cut into row
//! groups, so that neither its text nor its encoded form is ever held whole.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use futures::stream::{self, StreamExt, TryStreamExt};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use strata_shared::documents::{self, Document, Documents};
use strata_shared::layout;
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::store::Store;
use strata_shared::table;
use tokio::sync::mpsc;

use super::error::ShardError;
use super::spool::{Spool, Spooled, scratch_error};

/// The text after which a row group ends: above what 10,000 abstracts have (13 MB), so that they are one group.
const PIECE_BYTES: usize = 14 << 20;

/// The text after which a shard ends even if it has few rows: programs read a shard as one batch, whose columns of text
/// are addressed by 31 bits, and hold it in memory. A document that is larger is a shard of its own.
pub(super) const SHARD_BYTES: usize = 256 << 20;

/// The most shards that are encoded at once; each holds a piece, as documents and as columns.
const MAX_ENCODERS: usize = 4;

/// Consecutive documents of one shard, which become one row group.
#[derive(Debug)]
struct Piece {
    documents: Vec<Document>,
    last: bool,
}

/// A shard whose pieces are still to come.
#[derive(Debug)]
pub(super) struct ShardJob {
    number: usize,
    pieces: Receiver<Piece>,
}

/// Cuts documents into shards and hands them to [`write_shards`].
#[derive(Debug)]
pub(super) struct ShardSender {
    jobs: mpsc::Sender<ShardJob>,
    open: Option<SyncSender<Piece>>,
    next_number: usize,
    rows_per_shard: usize,
    bytes_per_shard: usize,
    rows: usize,
    /// The text of the shard so far.
    bytes: usize,
    documents: Vec<Document>,
    /// The text of `documents`.
    piece_bytes: usize,
}

impl ShardSender {
    /// Returns both ends of the way to the store; shards are numbered from `first_shard` on.
    pub(super) fn new(rows_per_shard: usize, first_shard: usize) -> (Self, mpsc::Receiver<ShardJob>) {
        let (jobs, receiver) = mpsc::channel(1);
        let sender = Self {
            jobs,
            open: None,
            next_number: first_shard,
            rows_per_shard,
            bytes_per_shard: SHARD_BYTES,
            rows: 0,
            bytes: 0,
            documents: Vec::new(),
            piece_bytes: 0,
        };
        (sender, receiver)
    }

    /// Tells whether the shards are no longer written.
    pub(super) fn is_abandoned(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Adds a document; blocks while the store is busy.
    ///
    /// # Errors
    /// [`ShardError::Abandoned`] if the shards are no longer written.
    pub(super) fn push(&mut self, document: Document) -> Result<(), ShardError> {
        let bytes = text_bytes(&document);
        if self.rows > 0 && self.bytes + bytes > self.bytes_per_shard {
            self.send(true)?;
        }
        self.documents.push(document);
        self.rows += 1;
        self.bytes += bytes;
        self.piece_bytes += bytes;
        let last = self.rows == self.rows_per_shard;
        if last || self.piece_bytes >= PIECE_BYTES { self.send(last) } else { Ok(()) }
    }

    /// Ends the last shard.
    ///
    /// # Errors
    /// [`ShardError::Abandoned`] if the shards are no longer written.
    pub(super) fn finish(mut self) -> Result<(), ShardError> {
        if self.rows == 0 { Ok(()) } else { self.send(true) }
    }

    fn send(&mut self, last: bool) -> Result<(), ShardError> {
        let pieces = match self.open.take() {
            Some(pieces) => pieces,
            None => self.begin()?,
        };
        let piece = Piece { documents: std::mem::take(&mut self.documents), last };
        self.piece_bytes = 0;
        pieces.send(piece).map_err(|_| ShardError::Abandoned)?;
        if last {
            (self.rows, self.bytes) = (0, 0);
        } else {
            self.open = Some(pieces);
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<SyncSender<Piece>, ShardError> {
        // Nothing waits in between: a piece is taken by an encoder, or its sender waits.
        let (sender, pieces) = sync_channel(0);
        let job = ShardJob { number: self.next_number, pieces };
        self.next_number += 1;
        self.jobs.blocking_send(job).map_err(|_| ShardError::Abandoned)?;
        Ok(sender)
    }
}

const fn text_bytes(document: &Document) -> usize {
    document.id.len() + document.title.len() + document.abstract_text.len() + document.categories.len()
}

/// Which shards are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// The number of the generation that they are made for.
    pub(super) generation: u64,
    /// The number of the first.
    pub(super) first_shard: usize,
    /// The generation that lists them already, some of which were lost; none of another content may take their place.
    pub(super) listed_by: Option<&'a Manifest>,
}

impl<'a> Target<'a> {
    /// Everything of a generation that is there.
    pub(super) const fn of(manifest: &'a Manifest) -> Self {
        Self { generation: manifest.generation, first_shard: 0, listed_by: Some(manifest) }
    }

    fn allows(&self, made: &ShardEntry) -> bool {
        let is_listed = |shard: &ShardEntry| (&shard.key, &shard.sha256) == (&made.key, &made.sha256);
        self.listed_by.is_none_or(|manifest| manifest.shards.iter().any(is_listed))
    }

    /// Makes sure that nobody has made the generation meanwhile, whose shards would be written over.
    ///
    /// The lease keeps others away; a machine that was suspended may have lost it without knowing.
    ///
    /// # Errors
    /// [`ShardError::Overtaken`], or the store's.
    pub(super) async fn expect_open(&self, store: &Store) -> Result<(), ShardError> {
        let generation = self.generation;
        if self.listed_by.is_some() || store.head(&layout::generation(generation)).await?.is_none() {
            return Ok(());
        }
        Err(ShardError::Overtaken { store: store.url().to_owned(), generation })
    }
}

/// Encodes and writes shards as they come, and lists them in order.
///
/// # Errors
/// The store's, [`ShardError::Scratch`], or [`ShardError::Lost`] for a shard that cannot be made again as it is listed; the
/// sender learns of it by [`ShardError::Abandoned`].
pub(super) async fn write_shards(
    store: &Store,
    jobs: mpsc::Receiver<ShardJob>,
    target: Target<'_>,
) -> Result<Vec<ShardEntry>, ShardError> {
    let num_encoders = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_ENCODERS);
    stream::unfold(jobs, |mut jobs| async { jobs.recv().await.map(|job| (job, jobs)) })
        .map(|job| write_shard(store, job, target))
        .buffered(num_encoders)
        .try_collect()
        .await
}

async fn write_shard(store: &Store, job: ShardJob, target: Target<'_>) -> Result<ShardEntry, ShardError> {
    let key = layout::raw_shard(job.number);
    let (rows, spooled) = super::blocking(move || encode(&job.pieces)).await?;
    let (bytes, sha256) = (spooled.bytes, spooled.sha256.clone());
    let entry = ShardEntry { key: key.to_string(), rows, superseded: 0, bytes, sha256 };
    if !target.allows(&entry) {
        return Err(ShardError::Lost { store: store.url().to_owned(), key });
    }
    target.expect_open(store).await?;
    spooled.put(store, &key).await?;
    Ok(entry)
}

fn encode(pieces: &Receiver<Piece>) -> Result<(u64, Spooled), ShardError> {
    let mut writer =
        ArrowWriter::try_new(Spool::new(), documents::schema(), Some(table::properties(&[]))).map_err(unspooled)?;
    let mut rows = 0;
    loop {
        // Without its last piece the shard is not whole: its sender failed, and says why.
        let piece = pieces.recv().map_err(|_| ShardError::Abandoned)?;
        rows += piece.documents.len() as u64;
        if !piece.documents.is_empty() {
            let columns = Documents::from_rows(&piece.documents);
            drop(piece.documents);
            writer.write(columns.columns()).map_err(unspooled)?;
        }
        if piece.last {
            return Ok((rows, writer.into_inner().map_err(unspooled)?.finish()?));
        }
        writer.flush().map_err(unspooled)?;
    }
}

/// The columns fit their schema by construction, so that only the scratch disk can fail here.
fn unspooled(error: ParquetError) -> ShardError {
    scratch_error(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tests::{memory_store, runtime};

    /// Returns the rows of each shard of documents with this many bytes of text.
    fn cut(rows_per_shard: usize, bytes_per_shard: usize, documents: &[usize]) -> Vec<u64> {
        let (sender, jobs) = ShardSender::new(rows_per_shard, 0);
        let mut sender = ShardSender { bytes_per_shard, ..sender };
        let target = Target { generation: 1, first_shard: 0, listed_by: None };
        let documents: Vec<Document> =
            documents.iter().map(|&bytes| Document { id: "x".repeat(bytes), ..Document::default() }).collect();
        let sending = std::thread::spawn(move || {
            documents.into_iter().try_for_each(|document| sender.push(document)).and_then(|()| sender.finish())
        });
        let shards = runtime().block_on(write_shards(&memory_store(), jobs, target)).unwrap();
        sending.join().unwrap().unwrap();
        shards.iter().map(|shard| shard.rows).collect()
    }

    #[test]
    fn a_shard_ends_at_its_rows_or_its_bytes_whichever_comes_first() {
        assert_eq!(cut(2, 100, &[10; 5]), [2, 2, 1]);
        assert_eq!(cut(4, 100, &[50, 50, 1, 99, 1]), [2, 2, 1]);
        assert_eq!(cut(4, 100, &[1, 1000, 1000, 1, 1, 1, 1]), [1, 1, 1, 4]);
        // Above the text of one row group, so that the shard's rows are sent before its end is known.
        assert_eq!(cut(4, PIECE_BYTES + 5, &[PIECE_BYTES, 5, 1, PIECE_BYTES, PIECE_BYTES]), [2, 2, 1]);
    }
}
