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
use strata_shared::manifest::ShardEntry;
use strata_shared::store::Store;
use strata_shared::table;
use tokio::sync::mpsc;

use super::error::ShardError;
use super::spool::{Spool, Spooled, scratch_error};

/// The text after which a row group ends: above what 10,000 abstracts have (13 MB), so that they are one group.
const PIECE_BYTES: usize = 14 << 20;

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
    index: usize,
    pieces: Receiver<Piece>,
}

/// Cuts documents into shards and hands them to [`write_shards`].
#[derive(Debug)]
pub(super) struct ShardSender {
    jobs: mpsc::Sender<ShardJob>,
    open: Option<SyncSender<Piece>>,
    next_index: usize,
    rows_per_shard: usize,
    rows: usize,
    documents: Vec<Document>,
    bytes: usize,
}

impl ShardSender {
    /// Returns both ends of the way to the store.
    pub(super) fn new(rows_per_shard: usize) -> (Self, mpsc::Receiver<ShardJob>) {
        let (jobs, receiver) = mpsc::channel(1);
        let (documents, open) = (Vec::new(), None);
        (Self { jobs, open, next_index: 0, rows_per_shard, rows: 0, documents, bytes: 0 }, receiver)
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
        self.bytes +=
            document.id.len() + document.title.len() + document.abstract_text.len() + document.categories.len();
        self.documents.push(document);
        self.rows += 1;
        let last = self.rows == self.rows_per_shard;
        if last || self.bytes >= PIECE_BYTES { self.send(last) } else { Ok(()) }
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
        self.bytes = 0;
        pieces.send(piece).map_err(|_| ShardError::Abandoned)?;
        if last {
            self.rows = 0;
        } else {
            self.open = Some(pieces);
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<SyncSender<Piece>, ShardError> {
        // Nothing waits in between: a piece is taken by an encoder, or its sender waits.
        let (sender, pieces) = sync_channel(0);
        let job = ShardJob { index: self.next_index, pieces };
        self.next_index += 1;
        self.jobs.blocking_send(job).map_err(|_| ShardError::Abandoned)?;
        Ok(sender)
    }
}

/// Encodes and writes shards as they come, and lists them in order.
///
/// # Errors
/// The store's, or [`ShardError::Scratch`]; the sender learns of it by [`ShardError::Abandoned`].
pub(super) async fn write_shards(store: &Store, jobs: mpsc::Receiver<ShardJob>) -> Result<Vec<ShardEntry>, ShardError> {
    let num_encoders = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_ENCODERS);
    stream::unfold(jobs, |mut jobs| async { jobs.recv().await.map(|job| (job, jobs)) })
        .map(|job| write_shard(store, job))
        .buffered(num_encoders)
        .try_collect()
        .await
}

async fn write_shard(store: &Store, job: ShardJob) -> Result<ShardEntry, ShardError> {
    let key = layout::raw_shard(job.index);
    let (rows, spooled) = super::blocking(move || encode(&job.pieces)).await?;
    let entry = ShardEntry { key: key.to_string(), rows, bytes: spooled.bytes, sha256: spooled.sha256.clone() };
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
