//! Inputs → lines, in order: one thread reads and decompresses ahead, all cores parse, one takes the lines in order.
//!
//! Invariant: the order of the lines is that of the inputs, whatever the number of threads.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use rayon::prelude::*;
use strata_shared::settings::ShardSettings;
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::assemble::{Assembled, Assembly};
use super::document::{Line, Refusal, read_id, read_line};
use super::error::ShardError;
use super::input::{Content, Input};
use super::join::VectorFile;
use super::known::KnownDocuments;
use super::lines::{LineBatch, Lines, RawLine};
use super::reason::{Reason, cut};
use super::rows::{RowBatch, Rows};
use super::write::ShardSender;

/// How long a silent input is waited for before asking whether anybody still wants it.
const PATIENCE: Duration = Duration::from_millis(200);

/// What the reading thread has to say; few are in flight, and the large ones are the frequent ones.
#[allow(clippy::large_enum_variant, reason = "boxing the frequent variants would save nothing")]
enum Read {
    Begin(String),
    Lines(LineBatch),
    Rows(RowBatch),
    End { sha256: String },
}

/// Reads all inputs and sends those of their documents to `shards`, if those are to be made, that `known` has not as they are;
/// blocks.
///
/// # Errors
/// [`ShardError`] for an input that cannot be read to its end, or shards that are no longer written.
pub(super) fn ingest(
    inputs: Vec<Input>,
    settings: &ShardSettings,
    (known, shards): (KnownDocuments, Option<ShardSender>),
    progress: &Arc<Progress>,
    runtime: &Handle,
) -> Result<Assembled, ShardError> {
    // One batch is read while one is parsed; each may end in a line of the greatest length, so that none waits between.
    let (sender, receiver) = sync_channel(0);
    let (reader_settings, reader_progress, runtime) = (settings.clone(), Arc::clone(progress), runtime.clone());
    // Not a scoped thread: after an error nobody should wait for a read from standard input to return.
    let reader = std::thread::spawn(move || read_all(&inputs, &reader_settings, &reader_progress, &runtime, &sender));
    let mut assembly = Assembly::new(known, &settings.id_field, shards);
    take_all(&receiver, settings, &mut assembly)?;
    match reader.join() {
        Ok(read) => read?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    assembly.finish()
}

/// Makes documents without text of the ids of a file of vectors, or of its row numbers where it has no ids; blocks.
///
/// # Errors
/// [`ShardError`] for a file that cannot be read to its end, or shards that are no longer written.
pub(super) fn ingest_ids(
    input: &Input,
    settings: &ShardSettings,
    (known, shards): (KnownDocuments, Option<ShardSender>),
    progress: &Arc<Progress>,
    runtime: &Handle,
) -> Result<Assembled, ShardError> {
    let mut assembly = Assembly::new(known, &settings.id_field, shards);
    assembly.begin_input(input.name());
    let sha256 = input.open(runtime, Arc::clone(progress))?.sha256()?;
    let file = VectorFile::open(input, &settings.id_field, runtime)?;
    if file.has_ids() {
        file.visit_ids(|id| assembly.take(read_id(id), || id.map(cut_id).unwrap_or_default()))?;
    } else {
        (0..file.num_rows()).try_for_each(|row| assembly.take(read_id(Some(&row.to_string())), String::new))?;
    }
    assembly.end_input(sha256);
    assembly.finish()
}

fn cut_id(id: &str) -> String {
    cut(id.as_bytes())
}

fn take_all(receiver: &Receiver<Read>, settings: &ShardSettings, assembly: &mut Assembly) -> Result<(), ShardError> {
    loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(read) => take(read, settings, assembly)?,
            // The reader is at the end, or failed.
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) if assembly.is_abandoned() => return Err(ShardError::Abandoned),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn take(read: Read, settings: &ShardSettings, assembly: &mut Assembly) -> Result<(), ShardError> {
    match read {
        Read::Begin(name) => assembly.begin_input(name),
        Read::Lines(batch) => take_lines(&batch, settings, assembly)?,
        Read::Rows(batch) => take_rows(&batch, assembly)?,
        Read::End { sha256 } => assembly.end_input(sha256),
    }
    Ok(())
}

fn take_rows(batch: &RowBatch, assembly: &mut Assembly) -> Result<(), ShardError> {
    let rows: Vec<Line> = (0..batch.len()).into_par_iter().map(|row| batch.read_row(row)).collect();
    rows.into_iter().enumerate().try_for_each(|(row, line)| assembly.take(line, || batch.text(row)))
}

fn take_lines(batch: &LineBatch, settings: &ShardSettings, assembly: &mut Assembly) -> Result<(), ShardError> {
    let lines: Vec<Line> = batch.lines().par_iter().map(|line| parse(batch, line, settings)).collect();
    let numbered = lines.into_iter().zip(batch.lines());
    numbered.into_iter().try_for_each(|(line, raw)| assembly.take(line, || cut(batch.bytes(raw))))
}

fn parse(batch: &LineBatch, line: &RawLine, settings: &ShardSettings) -> Line {
    let bytes = batch.bytes(line);
    if line.is_too_long() {
        return Line::Refused(Refusal { reason: Reason::TooLong, id: None, text: cut(bytes) });
    }
    read_line(bytes, settings)
}

fn read_all(
    inputs: &[Input],
    settings: &ShardSettings,
    progress: &Arc<Progress>,
    runtime: &Handle,
    sender: &SyncSender<Read>,
) -> Result<(), ShardError> {
    let send = |read| sender.send(read).map_err(|_| ShardError::Abandoned);
    inputs.iter().try_for_each(|input| {
        send(Read::Begin(input.name()))?;
        let sha256 = match Content::recognise(input.open(runtime, Arc::clone(progress))?)? {
            Content::Lines(decoder) => {
                let mut lines = Lines::new(decoder, settings.max_line_bytes);
                while let Some(batch) = lines.next_batch()? {
                    send(Read::Lines(batch))?;
                }
                lines.sha256()?
            }
            Content::Parquet(source) => {
                let mut rows = Rows::open(source, input, settings)?;
                while let Some(batch) = rows.next_batch()? {
                    send(Read::Rows(batch))?;
                }
                rows.sha256()
            }
        };
        send(Read::End { sha256 })
    })
}
