//! Where a corpus is written: a plain file, `.gz`, `.zst`, or standard output.
//!
//! Invariant: the bytes depend on the corpus and the name's extension alone; nothing is whole before [`Sink::finish`].

use std::fs::File;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// An open output.
pub enum Sink {
    /// As it is.
    Plain(BufWriter<File>),
    /// Compressed by gzip.
    Gzip(Box<GzEncoder<BufWriter<File>>>),
    /// In a Zstandard frame of stored blocks.
    Zstandard(StoredFrame<BufWriter<File>>),
    /// To standard output, as it is.
    Standard(BufWriter<Stdout>),
}

impl Sink {
    /// Opens `path` for writing; `-` is standard output.
    ///
    /// # Errors
    /// Whatever the system says of the file.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(BufWriter::new(io::stdout())));
        }
        let file = BufWriter::new(File::create(path)?);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Ok(Self::Gzip(Box::new(GzEncoder::new(file, Compression::default())))),
            Some("zst") => Ok(Self::Zstandard(StoredFrame::new(file)?)),
            _ => Ok(Self::Plain(file)),
        }
    }

    /// Writes what is left and ends the compression.
    ///
    /// # Errors
    /// Whatever the system says of the last writes.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut file) => file.flush(),
            Self::Gzip(encoder) => encoder.finish()?.flush(),
            Self::Zstandard(frame) => frame.finish()?.flush(),
            Self::Standard(mut stdout) => stdout.flush(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Plain(file) => file,
            Self::Gzip(encoder) => encoder.as_mut(),
            Self::Zstandard(frame) => frame,
            Self::Standard(stdout) => stdout,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}

/// Most bytes of a Zstandard block, and the window that the frame declares.
const BLOCK_BYTES: usize = 128 * 1024;
/// Magic number, a descriptor without options, a window of 2^(10 + 7) bytes.
const FRAME_HEADER: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];

/// A Zstandard frame whose blocks are stored, not compressed: enough to exercise a reader, without a compressor.
///
/// Method: RFC 8878, sections 3.1.1.1 and 3.1.1.2.
pub struct StoredFrame<W> {
    output: W,
    block: Vec<u8>,
}

impl<W: Write> StoredFrame<W> {
    /// Starts a frame.
    ///
    /// # Errors
    /// Whatever `output` says of the header.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(&FRAME_HEADER)?;
        Ok(Self { output, block: Vec::with_capacity(BLOCK_BYTES) })
    }

    /// Ends the frame and hands the output back.
    ///
    /// # Errors
    /// Whatever the output says of the last block.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_block(true)?;
        Ok(self.output)
    }

    fn write_block(&mut self, is_last: bool) -> io::Result<()> {
        let header = (self.block.len() as u32) << 3 | u32::from(is_last);
        self.output.write_all(&header.to_le_bytes()[..3])?;
        self.output.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for StoredFrame<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.write_block(false)?;
        }
        let taken = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
