//! A name on the command line → a stream of bytes, hashed as they were given and decompressed.
//!
//! Invariant: what an input is, is told by its first bytes, not by its name; an input that breaks off in the middle of
//! its compression is an error. Lines are left to [`super::lines`], rows to [`super::rows`].

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path as Key;
use sha2::{Digest, Sha256};
use strata_shared::digest;
use strata_shared::store::{Store, StoreError};
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::error::ShardError;
use super::spool::{scratch_error, scratch_file};

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// How many bytes tell what an input is.
const MAGIC_BYTES: usize = 4;

/// One input, found but not yet opened.
#[derive(Debug, Clone)]
pub(super) struct Input {
    given: String,
    place: Place,
    bytes: u64,
}

#[derive(Debug, Clone)]
enum Place {
    Stdin,
    File(PathBuf),
    Object { store: Store, key: Key },
}

impl Input {
    /// Finds the input that `given` names: a file, `-`, `file:///path`, or an object as `s3://bucket/key`.
    ///
    /// # Errors
    /// [`ShardError::Open`], [`ShardError::Directory`] or [`ShardError::Absent`] for one that is not there.
    pub(super) async fn find(given: &str) -> Result<Self, ShardError> {
        let found = |place, bytes| Ok(Self { given: given.to_owned(), place, bytes });
        if given == "-" {
            return found(Place::Stdin, 0);
        }
        if given.contains("://") && !given.starts_with("file:///") {
            let (store, key, bytes) = find_object(given).await?;
            return found(Place::Object { store, key }, bytes);
        }
        let path = local_path(given)?;
        let bytes = file_bytes(given, &path)?;
        found(Place::File(path), bytes)
    }

    /// Returns the input as it was given, for messages.
    #[must_use]
    pub(super) fn given(&self) -> &str {
        &self.given
    }

    /// Returns the file's name without its folder, for the manifest: the same corpus may lie anywhere.
    #[must_use]
    pub(super) fn name(&self) -> String {
        let last = self.given.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        last.to_owned()
    }

    /// Returns its size, 0 where that is unknown.
    #[must_use]
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells whether it can be read only once.
    #[must_use]
    pub(super) const fn is_stdin(&self) -> bool {
        matches!(self.place, Place::Stdin)
    }

    /// Opens it once more as a file, where it is one that can be sought.
    ///
    /// # Errors
    /// [`ShardError::Open`].
    pub(super) fn reopen(&self) -> Result<Option<File>, ShardError> {
        match &self.place {
            Place::File(path) if path.is_file() => {
                File::open(path).map(Some).map_err(|source| open_error(&self.given, source))
            }
            _ => Ok(None),
        }
    }

    /// Opens it; blocks, and `runtime` serves the reading of objects.
    ///
    /// # Errors
    /// [`ShardError::Open`], [`ShardError::Absent`] or the store's own.
    pub(super) fn open(&self, runtime: &Handle, progress: Arc<Progress>) -> Result<Source, ShardError> {
        let reader: Box<dyn Read + Send> = match &self.place {
            Place::Stdin => Box::new(io::stdin()),
            Place::File(path) => Box::new(File::open(path).map_err(|source| open_error(&self.given, source))?),
            Place::Object { store, key } => Box::new(ObjectReader::open(&self.given, store, key, runtime.clone())?),
        };
        Ok(Source {
            input: self.given.clone(),
            reader,
            hasher: Sha256::new(),
            progress,
            head: Vec::new(),
            failed: false,
        })
    }
}

fn local_path(given: &str) -> Result<PathBuf, ShardError> {
    let Some(path) = given.strip_prefix("file://") else { return Ok(PathBuf::from(given)) };
    let decoded = Key::from_url_path(path).map_err(|_| ShardError::Absent { input: given.to_owned() })?;
    Ok(Path::new("/").join(decoded.as_ref()))
}

fn file_bytes(given: &str, path: &Path) -> Result<u64, ShardError> {
    let metadata = std::fs::metadata(path).map_err(|source| open_error(given, source))?;
    if metadata.is_dir() { Err(ShardError::Directory { input: given.to_owned() }) } else { Ok(metadata.len()) }
}

fn open_error(given: &str, source: io::Error) -> ShardError {
    ShardError::Open { input: given.to_owned(), source }
}

async fn find_object(given: &str) -> Result<(Store, Key, u64), ShardError> {
    let absent = || ShardError::Absent { input: given.to_owned() };
    let (folder, file) = given.rsplit_once('/').ok_or_else(absent)?;
    let key = Key::from_url_path(file).map_err(|_| absent())?;
    let store = Store::open(folder)?;
    let meta = store.head(&key).await?.ok_or_else(absent)?;
    Ok((store, key, meta.size))
}

/// The bytes of an input as they were given: hashed, counted, and open to a look at the first of them.
pub(super) struct Source {
    input: String,
    reader: Box<dyn Read + Send>,
    hasher: Sha256,
    progress: Arc<Progress>,
    head: Vec<u8>,
    failed: bool,
}

impl Source {
    /// Returns the first four bytes, fewer where there are fewer; they will be read once more.
    fn magic(&mut self) -> io::Result<[u8; MAGIC_BYTES]> {
        let mut magic = [0; MAGIC_BYTES];
        let mut filled = 0;
        while filled < MAGIC_BYTES {
            match self.read_through(&mut magic[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        self.head = magic[..filled].to_vec();
        Ok(magic)
    }

    fn read_through(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
                Ok(read) => {
                    self.hasher.update(&buffer[..read]);
                    self.progress.advance(read as u64);
                    return Ok(read);
                }
            }
        }
    }

    /// Reads on to the end and returns the sha256 of all bytes.
    fn finish(mut self) -> io::Result<String> {
        let mut rest = vec![0; READ_BYTES];
        while self.read(&mut rest)? > 0 {}
        Ok(digest::finish(self.hasher))
    }

    /// Returns the sha256 of all bytes.
    ///
    /// # Errors
    /// [`ShardError::Read`].
    pub(super) fn sha256(self) -> Result<String, ShardError> {
        let input = self.input.clone();
        self.finish().map_err(|source| ShardError::Read { input, source })
    }

    /// Copies all bytes to scratch disk, where they can be sought, and returns their sha256.
    ///
    /// # Errors
    /// [`ShardError::Read`], or [`ShardError::Scratch`] where the disk is full.
    pub(super) fn into_scratch(mut self) -> Result<(File, String), ShardError> {
        let mut file = scratch_file()?;
        let copied = io::copy(&mut self, &mut file).and_then(|_| file.rewind());
        match copied {
            Ok(()) => Ok((file, self.sha256()?)),
            Err(source) if self.failed => Err(ShardError::Read { input: self.input, source }),
            Err(source) => Err(scratch_error(source)),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head.is_empty() {
            return self.read_through(buffer);
        }
        let taken = self.head.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.head[..taken]);
        self.head.drain(..taken);
        Ok(taken)
    }
}

/// What an input holds, as its first bytes tell.
pub(super) enum Content {
    /// JSON lines, decompressed as they are read.
    Lines(Decoder),
    /// A Parquet file, not yet read.
    Parquet(Source),
}

impl Content {
    /// Looks at the first bytes of `source`.
    ///
    /// # Errors
    /// [`ShardError::Read`], or [`ShardError::Truncated`] for a compressed file that is hardly there.
    pub(super) fn recognise(mut source: Source) -> Result<Self, ShardError> {
        let input = source.input.clone();
        let read_error = |source| ShardError::Read { input: input.clone(), source };
        let magic = source.magic().map_err(read_error)?;
        if source.head.len() < MAGIC_BYTES && is_named_compressed(&input) {
            return Err(ShardError::Truncated { input, source: io::ErrorKind::UnexpectedEof.into() });
        }
        if magic == *b"PAR1" {
            return Ok(Self::Parquet(source));
        }
        let compression = Compression::of(magic);
        let buffered = BufReader::with_capacity(READ_BYTES, source);
        Ok(Self::Lines(Decoder { input: input.clone(), stream: compression.open(buffered).map_err(read_error)? }))
    }
}

fn is_named_compressed(input: &str) -> bool {
    let extension = Path::new(input).extension().map(|extension| extension.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("gz" | "zst" | "parquet"))
}

enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(magic: [u8; MAGIC_BYTES]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame of Zstandard, or one that readers skip, with which pzstd begins its files (RFC 8878).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::None,
        }
    }

    fn open(self, source: BufReader<Source>) -> io::Result<Stream> {
        Ok(match self {
            Self::None => Stream::Plain(source),
            Self::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(source))),
            Self::Zstd => Stream::Zstd(Box::new(zstd::Decoder::with_buffer(source)?)),
        })
    }
}

#[allow(clippy::large_enum_variant, reason = "there is one a file")]
enum Stream {
    Plain(BufReader<Source>),
    Gzip(Box<MultiGzDecoder<BufReader<Source>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Source>>>),
}

/// The decompressed bytes of an input.
pub(super) struct Decoder {
    input: String,
    stream: Stream,
}

impl Decoder {
    /// Wraps a reader of what is not compressed.
    #[cfg(test)]
    pub(super) fn plain(reader: Box<dyn Read + Send>) -> Self {
        let (input, progress) = (String::from("test"), Arc::new(Progress::start("shard", "bytes", 0)));
        let (hasher, head) = (Sha256::new(), Vec::new());
        let source = Source { input: input.clone(), reader, hasher, progress, head, failed: false };
        Self { input, stream: Stream::Plain(BufReader::with_capacity(1, source)) }
    }

    /// Reads decompressed bytes; 0 is the end.
    ///
    /// # Errors
    /// [`ShardError::Read`], [`ShardError::Truncated`] or [`ShardError::Damaged`].
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ShardError> {
        let read = match &mut self.stream {
            Stream::Plain(reader) => reader.read(buffer),
            Stream::Gzip(reader) => reader.read(buffer),
            Stream::Zstd(reader) => reader.read(buffer),
        };
        read.map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> ShardError {
        let input = self.input.clone();
        if self.source().failed || matches!(self.stream, Stream::Plain(_)) {
            ShardError::Read { input, source }
        } else if source.kind() == io::ErrorKind::UnexpectedEof {
            ShardError::Truncated { input, source }
        } else {
            ShardError::Damaged { input, source }
        }
    }

    fn source(&self) -> &Source {
        match &self.stream {
            Stream::Plain(reader) => reader.get_ref(),
            Stream::Gzip(reader) => reader.get_ref().get_ref(),
            Stream::Zstd(reader) => reader.get_ref().get_ref(),
        }
    }

    /// Returns the sha256 of the input's bytes as they were given, after all were read.
    ///
    /// # Errors
    /// [`ShardError::Read`].
    pub(super) fn sha256(self) -> Result<String, ShardError> {
        let source = match self.stream {
            Stream::Plain(reader) => reader.into_inner(),
            Stream::Gzip(reader) => reader.into_inner().into_inner(),
            Stream::Zstd(reader) => reader.finish().into_inner(),
        };
        source.sha256()
    }
}

/// An object of a store as blocking reads.
struct ObjectReader {
    chunks: BoxStream<'static, Result<Bytes, StoreError>>,
    chunk: Bytes,
    runtime: Handle,
}

impl ObjectReader {
    fn open(given: &str, store: &Store, key: &Key, runtime: Handle) -> Result<Self, ShardError> {
        let chunks = runtime.block_on(store.pieces(key))?;
        let chunks = chunks.ok_or_else(|| ShardError::Absent { input: given.to_owned() })?;
        Ok(Self { chunks, chunk: Bytes::new(), runtime })
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.chunks.next()) {
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let taken = self.chunk.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.chunk.split_to(taken));
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3Builder;
    use object_store::{ClientOptions, RetryConfig};
    use strata_shared::exit::{Classify, Exit};

    use super::*;
    use crate::shard::tests::{memory_store, runtime};

    fn open(store: Store) -> ShardError {
        let place = Place::Object { store, key: Key::from("a.jsonl") };
        let input = Input { given: "s3://bucket/a.jsonl".into(), place, bytes: 0 };
        let opened = input.open(runtime().handle(), Arc::new(Progress::start("shard", "bytes", 0)));
        opened.err().expect("nothing to open")
    }

    #[test]
    fn an_unreachable_store_may_be_tried_again_and_an_absent_object_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let builder =
            AmazonS3Builder::new().with_bucket_name("bucket").with_endpoint(endpoint).with_skip_signature(true);
        let builder = builder.with_client_options(ClientOptions::new().with_allow_http(true));
        let objects = builder.with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() }).build().unwrap();
        let unreachable = open(Store::new("s3://bucket", Arc::new(objects)));
        assert_eq!(unreachable.exit(), Exit::Retry, "{unreachable}");
        let absent = open(memory_store());
        assert!(matches!(absent, ShardError::Absent { .. }) && absent.exit() == Exit::Configuration, "{absent}");
    }
}
