//! The manifest ↔ `raw/manifest.json`: which raw shards make up the corpus, and what every input line became.
//!
//! Invariant: a manifest that reads without an error lists its shards in order, its counts add up, and
//! `lines = rows + rejected + blank`.

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::digest::{self, is_sha256_hex};
use crate::exit::{Classify, Exit};
use crate::format::{self, FormatError};
use crate::layout::{self, FORMAT};
use crate::settings::ShardSettings;
use crate::store::{Store, StoreError};

/// The shards, the inputs and the counts of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format.
    pub format: u32,
    /// Documents in all shards.
    pub rows: u64,
    /// The raw shards in row order.
    pub shards: Vec<ShardEntry>,
    /// The inputs in the order in which they were read; a corpus of vectors only has the file of vectors.
    pub inputs: Vec<InputEntry>,
    /// Lines refused, each an entry of `raw/rejected.jsonl`.
    pub rejected: u64,
    /// Documents without a date.
    pub undated: u64,
    /// What shaped the rows: rows a shard, field names, the longest line.
    pub settings: ShardSettings,
}

/// One raw shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Its key.
    pub key: String,
    /// Its documents.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The sha256 of its bytes.
    pub sha256: String,
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputEntry {
    /// Its name: the file's name, or `-`.
    pub name: String,
    /// Its lines (JSONL) or rows (Parquet), blank ones included.
    pub lines: u64,
    /// Its blank lines.
    pub blank: u64,
    /// The sha256 of its bytes as they were given (still compressed).
    pub sha256: String,
}

/// One refused line, as `raw/rejected.jsonl` keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// The input's name.
    pub input: String,
    /// The line's number, from 1.
    pub line: u64,
    /// Why it was refused.
    pub reason: String,
    /// The document's id, where it could be read.
    pub id: Option<String>,
    /// The line itself, cut at 64 KiB; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// Why there is no manifest to work with.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The store did not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds no corpus.
    #[error("{store}: holds no corpus ({key} is missing); run `strata shard` first")]
    Missing {
        /// The store.
        store: String,
        /// The manifest's key.
        key: Path,
    },
    /// The manifest is not JSON of this shape.
    #[error("{key}: is not a manifest that this program reads (edited by hand?)")]
    Unreadable {
        /// The manifest's key.
        key: Path,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The manifest was written by another version.
    #[error("{key}: format {found}, this program reads format {FORMAT}")]
    Format {
        /// The manifest's key.
        key: Path,
        /// The version found.
        found: u32,
    },
    /// The manifest contradicts itself.
    #[error("{key}: {reason}; the manifest was edited or damaged: restore it, or shard into a new store")]
    Inconsistent {
        /// The manifest's key.
        key: Path,
        /// What was found and what was expected.
        reason: String,
    },
}

impl Classify for ManifestError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Missing { .. } => Exit::Configuration,
            Self::Unreadable { .. } | Self::Format { .. } | Self::Inconsistent { .. } => Exit::Data,
        }
    }
}

impl Manifest {
    /// Reads and checks the store's manifest, and returns it with the sha256 of its bytes.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub async fn read(store: &Store) -> Result<(Self, String), ManifestError> {
        let found = Self::read_if_present(store).await?;
        found.ok_or_else(|| ManifestError::Missing { store: store.url().to_owned(), key: layout::manifest() })
    }

    /// Reads and checks the store's manifest where there is one, with the sha256 of its bytes.
    ///
    /// # Errors
    /// [`ManifestError`], absence aside.
    pub async fn read_if_present(store: &Store) -> Result<Option<(Self, String)>, ManifestError> {
        let key = layout::manifest();
        let Some(bytes) = store.get_if_present(&key).await? else { return Ok(None) };
        let manifest: Self = match format::decode(&bytes) {
            Ok(manifest) => manifest,
            Err(FormatError::Other { found }) => return Err(ManifestError::Format { key, found }),
            Err(FormatError::Unreadable(source)) => return Err(ManifestError::Unreadable { key, source }),
        };
        manifest.check().map_err(|reason| ManifestError::Inconsistent { key, reason })?;
        Ok(Some((manifest, digest::sha256_hex(&bytes))))
    }

    /// Encodes the manifest as indented JSON.
    ///
    /// # Panics
    /// Never: numbers and strings always serialise.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("numbers and strings always serialise");
        json.push(b'\n');
        json
    }

    /// Returns the number of lines read from all inputs.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.inputs.iter().map(|input| input.lines).sum()
    }

    /// Returns the global row of the first document of each shard.
    #[must_use]
    pub fn first_rows(&self) -> Vec<u64> {
        let starts = self.shards.iter().scan(0, |next, shard| {
            let first = *next;
            *next += shard.rows;
            Some(first)
        });
        starts.collect()
    }

    fn check(&self) -> Result<(), String> {
        self.check_shards()?;
        // Sums are taken wide, since a file that was edited can hold any number.
        let sum: u128 = self.shards.iter().map(|shard| u128::from(shard.rows)).sum();
        if sum != u128::from(self.rows) {
            return Err(format!("says {} rows, its shards have {sum}", self.rows));
        }
        let lines: u128 = self.inputs.iter().map(|input| u128::from(input.lines)).sum();
        let blank: u128 = self.inputs.iter().map(|input| u128::from(input.blank)).sum();
        let accounted = sum + u128::from(self.rejected) + blank;
        if lines != accounted {
            return Err(format!("counts {lines} lines, rows, rejected and blank ones make {accounted}"));
        }
        Ok(())
    }

    fn check_shards(&self) -> Result<(), String> {
        if self.shards.is_empty() {
            return Err("lists no shard, expected at least one".into());
        }
        self.shards.iter().enumerate().try_for_each(|(index, shard)| {
            let expected = layout::raw_shard(index).to_string();
            if shard.key != expected {
                Err(format!("shard {index} has key {:?}, expected {expected:?}", shard.key))
            } else if !is_sha256_hex(&shard.sha256) {
                Err(format!("{}: sha256 is {:?}, expected 64 hexadecimal digits", shard.key, shard.sha256))
            } else if shard.rows == 0 {
                Err(format!("{}: has 0 rows, expected at least 1", shard.key))
            } else {
                Ok(())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn a_manifest_of_a_newer_format_is_not_called_edited() {
        let store = Store::new("memory", Arc::new(InMemory::new()));
        let newer = format!(r#"{{"format": {}, "parts": []}}"#, FORMAT + 1);
        store.put(&layout::manifest(), newer.into_bytes()).await.unwrap();
        let error = Manifest::read(&store).await.unwrap_err();
        assert!(matches!(error, ManifestError::Format { found, .. } if found == FORMAT + 1), "{error}");
    }
}
