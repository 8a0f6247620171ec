//! One raw shard in three steps: read and tokenised, embedded, written; and what can be wrong with it.
//!
//! Invariant: a vector shard is a pure function of the raw shard's bytes and the model, and is written only once the raw
//! shard's bytes were found to be those that the manifest names.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path;
use strata_shared::digest;
use strata_shared::documents::Documents;
use strata_shared::exit::{Classify, Exit};
use strata_shared::layout::{self, ModelName};
use strata_shared::store::{Store, StoreError};
use strata_shared::table::TableError;
use strata_shared::telemetry::Progress;
use strata_shared::vectors::{self, Vectors};

use crate::blocking;
use crate::embed::{Crew, Embed, EmbedError};
use crate::tokenize::{TokenizeError, Tokenizer, Tokens};
use crate::work::RawShard;

/// Why a shard was not embedded.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The store did not give or take an object.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The raw shard is gone.
    #[error("{key}: is missing, the manifest lists it; restore it, or shard into a new store")]
    Missing {
        /// The raw shard.
        key: Path,
    },
    /// The raw shard is not the one that the manifest lists.
    #[error(
        "{key}: has {found_bytes} bytes of sha256 {found}, the manifest says {expected_bytes} bytes of {expected}; restore it, or shard into a new store"
    )]
    Foreign {
        /// The raw shard.
        key: Path,
        /// Its size.
        found_bytes: usize,
        /// Its digest.
        found: String,
        /// The manifest's size.
        expected_bytes: u64,
        /// The manifest's digest.
        expected: String,
    },
    /// The raw shard has other rows than the manifest says.
    #[error("{key}: has {found} rows, the manifest says {expected}")]
    Rows {
        /// The raw shard.
        key: Path,
        /// Its rows.
        found: usize,
        /// The manifest's.
        expected: u64,
    },
    /// The raw shard cannot be read, or the vector shard not be encoded.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Its texts cannot be tokenised.
    #[error("{key}: cannot be tokenised")]
    Tokenize {
        /// The raw shard.
        key: Path,
        /// What the tokenizer says.
        source: TokenizeError,
    },
    /// One document cannot be embedded.
    #[error("{key}: document {id:?} cannot be embedded")]
    Document {
        /// The raw shard.
        key: Path,
        /// The document.
        id: String,
        /// What the model says.
        source: EmbedError,
    },
    /// The model fails on it.
    #[error("{key}: cannot be embedded")]
    Embed {
        /// The raw shard.
        key: Path,
        /// What the model says.
        source: EmbedError,
    },
}

impl Classify for ShardError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Table(error) => error.exit(),
            Self::Tokenize { source, .. } => source.exit(),
            Self::Document { source, .. } | Self::Embed { source, .. } => source.exit(),
            Self::Missing { .. } | Self::Foreign { .. } | Self::Rows { .. } => Exit::Data,
        }
    }
}

/// A raw shard that waits for the model.
pub(crate) struct Prepared {
    shard: RawShard,
    documents: Documents,
    tokens: Tokens,
}

impl Prepared {
    /// Returns the span of all that is said about the shard.
    pub(crate) fn span(&self) -> tracing::Span {
        self.shard.span()
    }
}

/// A shard that waits to be written.
pub(crate) struct Embedded {
    shard: RawShard,
    documents: Documents,
    vectors: Vectors,
}

impl Embedded {
    /// Returns the span of all that is said about the shard.
    pub(crate) fn span(&self) -> tracing::Span {
        self.shard.span()
    }
}

/// Reads a raw shard, holds it against the manifest, and tokenises it.
pub(crate) async fn prepare(
    store: &Store,
    tokenizer: &Arc<Tokenizer>,
    num_threads: usize,
    shard: RawShard,
) -> Result<Prepared, ShardError> {
    let key = shard.key();
    let bytes = store.get_if_present(&key).await?.ok_or_else(|| ShardError::Missing { key: key.clone() })?;
    check_bytes(&shard, &bytes)?;
    let documents = decode(store, &key, bytes).await?;
    if documents.len() as u64 != shard.entry.rows {
        return Err(ShardError::Rows { key, found: documents.len(), expected: shard.entry.rows });
    }
    let tokenizer = Arc::clone(tokenizer);
    let tokenised = blocking(move || {
        let tokens = tokenizer.tokenize(&documents, num_threads);
        (documents, tokens)
    });
    let (documents, tokens) = tokenised.await;
    let tokens = tokens.map_err(|source| ShardError::Tokenize { key, source })?;
    Ok(Prepared { shard, documents, tokens })
}

fn check_bytes(shard: &RawShard, bytes: &Bytes) -> Result<(), ShardError> {
    let found = digest::sha256_hex(bytes);
    if found == shard.entry.sha256 {
        return Ok(());
    }
    Err(ShardError::Foreign {
        key: shard.key(),
        found_bytes: bytes.len(),
        found,
        expected_bytes: shard.entry.bytes,
        expected: shard.entry.sha256.clone(),
    })
}

/// Decodes the very bytes that were checked; reading the object again could give others.
async fn decode(store: &Store, key: &Path, bytes: Bytes) -> Result<Documents, ShardError> {
    let checked = Store::new(store.url(), Arc::new(InMemory::new()));
    checked.put(key, bytes).await?;
    Ok(Documents::read(&checked, key).await?)
}

/// Embeds a prepared shard.
pub(crate) fn embed<E: Embed>(
    crew: &mut Crew<E>,
    prepared: Prepared,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Embedded, ShardError> {
    let Prepared { shard, documents, tokens } = prepared;
    match crew.embed(&tokens, progress, stop) {
        Ok(vectors) => Ok(Embedded { shard, documents, vectors }),
        Err(source) => Err(match source.row() {
            Some(row) => ShardError::Document { key: shard.key(), id: documents.id(row).to_owned(), source },
            None => ShardError::Embed { key: shard.key(), source },
        }),
    }
}

/// Encodes and writes an embedded shard.
pub(crate) async fn write(store: &Store, model: &ModelName, embedded: Embedded) -> Result<(), ShardError> {
    let key = layout::vector_shard(model, embedded.shard.number);
    let rows = embedded.shard.entry.rows;
    let name = model.clone();
    let encoded = blocking(move || {
        let Embedded { shard, documents, vectors } = embedded;
        vectors::encode(&documents, &vectors, &name, &shard.entry.sha256)
    });
    let bytes = encoded.await?;
    store.put(&key, bytes).await?;
    tracing::info!(%key, rows, "wrote vectors");
    Ok(())
}
