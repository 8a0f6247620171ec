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
                make_room(&mut batch.bytes, piece.len());
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

/// Makes room for more: by a quarter, since doubling would hold half a long line's length in vain.
fn make_room(bytes: &mut Vec<u8>, more: usize) {
    if bytes.capacity() - bytes.len() < more {
        bytes.reserve_exact(more.max(bytes.len() / 4));
    }
}

/// Keeps what a rejection shows of a line that is too long: one byte more than it shows, so that it is seen to be cut.
fn keep_beginning(bytes: &mut Vec<u8>, start: usize, piece: &[u8]) {
    bytes.truncate(start + TEXT_BYTES + 1);
    let missing = (start + TEXT_BYTES + 1 - bytes.len()).min(piece.len());
    bytes.extend_from_slice(&piece[..missing]);
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of at most `most`.
    struct Dribble(io::Cursor<Vec<u8>>, usize);

    impl Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_arrive(
            text in "[a\r\n\u{e9}]{0,200}",
            piece in 1usize..50,
            buffer in 1usize..50,
            max_line_bytes in 0usize..30,
        ) {
            let reader = Dribble(io::Cursor::new(text.clone().into_bytes()), piece);
            let mut lines = Lines::new(Decoder::plain(Box::new(reader)), max_line_bytes);
            lines.buffer = vec![0; buffer];
            let mut found = Vec::new();
            while let Some(batch) = lines.next_batch().unwrap() {
                let rows = batch.lines().iter().map(|line| (batch.bytes(line).to_vec(), line.is_too_long()));
                found.extend(rows);
            }
            let mut expected: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b'\n').collect();
            // What follows the last line break is a line only if there is something.
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let expected: Vec<(Vec<u8>, bool)> =
                expected.into_iter().map(|line| (line.to_vec(), line.len() > max_line_bytes)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_batch_is_bounded_in_lines_and_bytes() {
        for (line, most) in [("\n".to_owned(), BATCH_LINES), (format!("{}\n", "x".repeat(999)), BATCH_BYTES / 999 + 1)]
        {
            let text = line.repeat(3 * BATCH_LINES).into_bytes();
            let mut lines = Lines::new(Decoder::plain(Box::new(io::Cursor::new(text))), 1 << 20);
            let mut num_lines = 0;
            while let Some(batch) = lines.next_batch().unwrap() {
                assert!(batch.lines().len() <= most);
                num_lines += batch.lines().len();
            }
            assert_eq!(num_lines, 3 * BATCH_LINES);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_held() {
        let endless = io::repeat(b'x').take(200 << 20);
        let mut lines = Lines::new(Decoder::plain(Box::new(endless)), 1 << 20);
        let batch = lines.next_batch().unwrap().unwrap();
        assert_eq!(batch.lines().len(), 1);
        assert!(batch.lines()[0].is_too_long() && batch.bytes.len() == TEXT_BYTES + 1);
        assert!(batch.bytes.capacity() <= 4 << 20, "{}", batch.bytes.capacity());
    }
}
