//! Decompressed bytes → batches of whole lines.
//!
//! Invariant: every line is in exactly one batch, under its number; a line that is too long is cut as it is read, never
//! held. A batch is bounded in bytes and in lines, so that memory is, whatever the input.

use std::ops::Range;

use super::error::ShardError;
use super::input::Decoder;
use super::reason::TEXT_BYTES;

/// How much is decompressed at once.
const READ_BYTES: usize = 256 << 10;

/// The bytes after which a batch ends: enough for every core, and little beside 300 MiB.
const BATCH_BYTES: usize = 2 << 20;

/// The lines after which a batch ends: a parsed line takes some 200 bytes besides its text.
const BATCH_LINES: usize = 8192;

/// Consecutive lines.
#[derive(Debug, Default)]
pub(super) struct LineBatch {
    bytes: Vec<u8>,
    lines: Vec<RawLine>,
}

/// One line of a batch.
#[derive(Debug, Clone)]
pub(super) struct RawLine {
    range: Range<usize>,
    too_long: bool,
}

impl LineBatch {
    /// Returns the lines in order: their bytes without the line break, and whether they were cut for being too long.
    pub(super) fn lines(&self) -> &[RawLine] {
        &self.lines
    }

    /// Returns the bytes of a line.
    pub(super) fn bytes(&self, line: &RawLine) -> &[u8] {
        &self.bytes[line.range.clone()]
    }
}

impl RawLine {
    /// Tells whether this is only the beginning of a line that is too long.
    pub(super) const fn is_too_long(&self) -> bool {
        self.too_long
    }
}

/// Splits one input into lines.
pub(super) struct Lines {
    decoder: Decoder,
    max_line_bytes: usize,
    buffer: Vec<u8>,
    unread: Range<usize>,
}

impl Lines {
    /// Splits what `decoder` gives into lines of at most `max_line_bytes`.
    pub(super) fn new(decoder: Decoder, max_line_bytes: usize) -> Self {
        Self { decoder, max_line_bytes, buffer: vec![0; READ_BYTES], unread: 0..0 }
    }

    /// Returns the next lines, or `None` at the end.
    ///
    /// # Errors
    /// [`ShardError`] where the input cannot be read or decompressed.
    pub(super) fn next_batch(&mut self) -> Result<Option<LineBatch>, ShardError> {
        let mut batch = LineBatch::default();
        while batch.bytes.len() < BATCH_BYTES && batch.lines.len() < BATCH_LINES {
            if !self.take_line(&mut batch)? {
                break;
            }
        }
        Ok(if batch.lines.is_empty() { None } else { Some(batch) })
    }

    /// Returns the sha256 of the input's bytes, after the last batch.
    ///
    /// # Errors
    /// [`ShardError::Read`].
    pub(super) fn sha256(self) -> Result<String, ShardError> {
        self.decoder.sha256()
    }

    fn take_line(&mut self, batch: &mut LineBatch) -> Result<bool, ShardError> {
        let start = batch.bytes.len();
        let mut length = 0;
        loop {
            if self.unread.is_empty() && !self.fill()? {
                // The last line may lack its line break.
                if length > 0 {
                    batch.lines.push(self.line(batch.bytes.len(), start, length));
                }
                return Ok(length > 0);
            }
            let unread = &self.buffer[self.unread.clone()];
            let end = memchr::memchr(b'\n', unread);
            let piece = &unread[..end.unwrap_or(unread.len())];
            length += piece.len();
            if length <= self.max_line_bytes {
                batch.bytes.extend_from_slice(piece);
            } else {
                keep_beginning(&mut batch.bytes, start, piece);
            }
            self.unread.start += piece.len() + usize::from(end.is_some());
            if end.is_some() {
                batch.lines.push(self.line(batch.bytes.len(), start, length));
                return Ok(true);
            }
        }
    }

    fn line(&self, end: usize, start: usize, length: usize) -> RawLine {
        RawLine { range: start..end, too_long: length > self.max_line_bytes }
    }

    fn fill(&mut self) -> Result<bool, ShardError> {
        self.unread = 0..self.decoder.read(&mut self.buffer)?;
        Ok(!self.unread.is_empty())
    }
}

/// Keeps what a rejection shows of a line that is too long: one byte more than it shows, so that it is seen to be cut.
fn keep_beginning(bytes: &mut Vec<u8>, start: usize, piece: &[u8]) {
    bytes.truncate(start + TEXT_BYTES + 1);
    let missing = (start + TEXT_BYTES + 1 - bytes.len()).min(piece.len());
    bytes.extend_from_slice(&piece[..missing]);
}
