//! The manifest ↔ one generation of the corpus: which raw shards make it up, which of their rows are superseded, and what
//! every line of its snapshot became.
//!
//! Invariant: a manifest that reads without an error is complete in itself (what earlier ones say adds nothing), lists its
//! shards in row order, and its counts add up: every line of its snapshot is a document, refused or blank. Where it is kept
//! and which is the newest is left to [`crate::generations`].

use std::collections::BTreeSet;

use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::digest::is_sha256_hex;
use crate::exit::{Classify, Exit};
use crate::format::{self, FormatError};
use crate::generations;
use crate::layout::{self, FORMAT};
use crate::settings::ShardSettings;
use crate::store::{Store, StoreError};

/// The shards, the inputs and the counts of a corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this format.
    pub format: u32,
    /// The number of the generation, from 1; the first format had no other.
    #[serde(default = "first")]
    pub generation: u64,
    /// Documents: the rows of all shards that are not superseded.
    pub rows: u64,
    /// The raw shards in row order.
    pub shards: Vec<ShardEntry>,
    /// The number that the next shard gets. Every shard of this and of earlier generations has a lower one.
    #[serde(default)]
    pub next_shard: usize,
    /// The rows that readers pass over, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<SupersededEntry>,
    /// The inputs of the snapshot in the order in which they were read; a corpus of vectors only has the file of vectors.
    pub inputs: Vec<InputEntry>,
    /// Lines of the snapshot refused, each an entry of `raw/generations/NNNNNNNN.rejected.jsonl`.
    pub rejected: u64,
    /// Documents without a date.
    pub undated: u64,
    /// What the snapshot changed; absent from the first generation, which consists of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateRecord>,
    /// What was folded together of the one before, where this generation has its documents in other shards and no snapshot of
    /// its own: inputs, refusals and `update` are then those of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compaction: Option<CompactionRecord>,
    /// What shaped the rows: rows a shard, field names, the longest line.
    pub settings: ShardSettings,
}

const fn first() -> u64 {
    1
}

/// One raw shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// Its key.
    pub key: String,
    /// Its rows, superseded ones included.
    pub rows: u64,
    /// Its superseded rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub superseded: u64,
    /// Its size.
    pub bytes: u64,
    /// The sha256 of its bytes.
    pub sha256: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ShardEntry {
    /// Returns the shard's number.
    ///
    /// # Panics
    /// If its key is no raw shard's, as in no manifest that was read.
    #[must_use]
    pub fn number(&self) -> usize {
        layout::shard_number(&self.path()).expect("the key of a raw shard")
    }

    /// Returns its key as a path.
    #[must_use]
    pub fn path(&self) -> Path {
        Path::from(self.key.as_str())
    }

    /// Returns the number of its rows that are not superseded.
    #[must_use]
    pub const fn live_rows(&self) -> u64 {
        self.rows.saturating_sub(self.superseded)
    }
}

/// The object that lists superseded rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupersededEntry {
    /// Its key.
    pub key: String,
    /// The rows that it lists.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// The sha256 of its bytes.
    pub sha256: String,
}

/// What the snapshot of a generation changed of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateRecord {
    /// Whether the snapshot was said to be the whole archive, so that what it lacks is gone.
    pub complete: bool,
    /// The number of the first shard that was made of it.
    pub first_shard: usize,
    /// Documents of the snapshot that the corpus had as they are.
    pub unchanged: u64,
    /// Documents that the corpus had otherwise.
    pub changed: u64,
    /// Documents that the corpus did not have.
    pub new: u64,
    /// Documents that the corpus had and no longer has.
    pub gone: u64,
    /// Documents that the snapshot lacks and the corpus keeps.
    pub kept: u64,
    /// Changed and new documents that are again what they were before an earlier update.
    pub reverted: u64,
    /// Changed documents that share hardly a word with what they were.
    pub reused: u64,
}

/// What a compaction folded together of the generation before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompactionRecord {
    /// The number of the first shard that it made.
    pub first_shard: usize,
    /// Shards that were folded, and are listed no more.
    pub shards: u64,
    /// Documents that were moved.
    pub rows: u64,
    /// Superseded rows that were left behind.
    pub dropped: u64,
}

impl UpdateRecord {
    /// Returns the number of documents in the snapshot.
    #[must_use]
    pub const fn documents(&self) -> u64 {
        self.unchanged.saturating_add(self.changed).saturating_add(self.new)
    }
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
    /// The store has no such generation.
    #[error("store {store}: has no generation {number} (the newest is {newest})")]
    NoGeneration {
        /// The store.
        store: String,
        /// The number asked for.
        number: u64,
        /// The newest generation's.
        newest: u64,
    },
    /// The generation was there once.
    #[error(
        "store {store}: generation {number} is no longer there (the newest is {newest}): `strata prune` removes those that no \
         kept run names, or it was lost"
    )]
    Pruned {
        /// The store.
        store: String,
        /// The number asked for.
        number: u64,
        /// The newest generation's.
        newest: u64,
    },
    /// The newest generation is lost, and its copy is not.
    #[error("{key}: is missing, though {copy} is a copy of it; copy {copy} to it")]
    Lost {
        /// The generation's key.
        key: Path,
        /// The copy's.
        copy: Path,
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
    #[error("{key}: format {found}, this program reads formats up to {FORMAT}")]
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
            Self::Missing { .. } | Self::NoGeneration { .. } | Self::Pruned { .. } => Exit::Configuration,
            Self::Lost { .. } | Self::Unreadable { .. } | Self::Format { .. } | Self::Inconsistent { .. } => Exit::Data,
        }
    }
}

impl Manifest {
    /// Describes a first generation, which consists of the whole of its snapshot.
    #[must_use]
    pub fn first(
        shards: Vec<ShardEntry>,
        inputs: Vec<InputEntry>,
        (rejected, undated): (u64, u64),
        settings: ShardSettings,
    ) -> Self {
        Self {
            format: FORMAT,
            generation: first(),
            rows: shards.iter().map(|shard| shard.rows).sum(),
            next_shard: shards.len(),
            shards,
            superseded: None,
            inputs,
            rejected,
            undated,
            update: None,
            compaction: None,
            settings,
        }
    }

    /// Reads and checks the manifest of the store's newest generation, and returns it with the sha256 of its bytes.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub async fn read(store: &Store) -> Result<(Self, String), ManifestError> {
        let generation = generations::newest(store).await?;
        Ok((generation.manifest, generation.sha256))
    }

    /// Reads and checks the manifest of the store's newest generation where there is one, with the sha256 of its bytes.
    ///
    /// # Errors
    /// [`ManifestError`], absence aside.
    pub async fn read_if_present(store: &Store) -> Result<Option<(Self, String)>, ManifestError> {
        let found = generations::newest_if_present(store).await?;
        Ok(found.map(|generation| (generation.manifest, generation.sha256)))
    }

    /// Decodes and checks the manifest that was found under `key`.
    ///
    /// # Errors
    /// [`ManifestError::Format`], [`ManifestError::Unreadable`] or [`ManifestError::Inconsistent`].
    pub fn decode(key: &Path, bytes: &[u8]) -> Result<Self, ManifestError> {
        let key = key.clone();
        let mut manifest: Self = match format::decode(bytes) {
            Ok(manifest) => manifest,
            Err(FormatError::Other { found }) => return Err(ManifestError::Format { key, found }),
            Err(FormatError::Unreadable(source)) => return Err(ManifestError::Unreadable { key, source }),
        };
        if manifest.format == 1 {
            manifest.next_shard = manifest.shards.len();
        }
        manifest.check().map_err(|reason| ManifestError::Inconsistent { key, reason })?;
        Ok(manifest)
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

    /// Returns the number of documents in the snapshot, which may be fewer or more than the corpus has.
    #[must_use]
    pub fn documents_of_snapshot(&self) -> u64 {
        self.update.as_ref().map_or(self.rows, UpdateRecord::documents)
    }

    /// Returns the shards that were made of the snapshot itself: none where they were folded since.
    pub fn own_shards(&self) -> impl Iterator<Item = &ShardEntry> {
        let first = if self.compaction.is_some() { usize::MAX } else { self.first_made() };
        self.shards.iter().filter(move |shard| shard.number() >= first)
    }

    /// Returns the shards that were made for this generation, and are in no earlier one.
    pub fn made_shards(&self) -> impl Iterator<Item = &ShardEntry> {
        let first = self.first_made();
        self.shards.iter().filter(move |shard| shard.number() >= first)
    }

    fn first_made(&self) -> usize {
        let updated = self.update.map_or(0, |update| update.first_shard);
        self.compaction.map_or(updated, |compaction| compaction.first_shard)
    }

    /// Tells whether the shards are those that the snapshot alone was cut into, as in a first generation.
    #[must_use]
    pub const fn is_one_snapshot(&self) -> bool {
        self.update.is_none() && self.compaction.is_none()
    }

    /// Returns the global row of the first document of each shard: superseded rows have none.
    #[must_use]
    pub fn first_rows(&self) -> Vec<u64> {
        let starts = self.shards.iter().scan(0, |next, shard| {
            let first = *next;
            *next += shard.live_rows();
            Some(first)
        });
        starts.collect()
    }

    fn check(&self) -> Result<(), String> {
        self.check_shards()?;
        // Sums are taken wide, since a file that was edited can hold any number.
        let sum = |of: fn(&ShardEntry) -> u64| self.shards.iter().map(|shard| u128::from(of(shard))).sum::<u128>();
        let live = sum(ShardEntry::live_rows);
        if live != u128::from(self.rows) {
            return Err(format!("says {} rows, its shards have {live}", self.rows));
        }
        let (listed, superseded) =
            (self.superseded.as_ref().map_or(0, |entry| entry.rows), sum(|shard| shard.superseded));
        if u128::from(listed) != superseded {
            return Err(format!("lists {listed} superseded rows, its shards have {superseded}"));
        }
        let lines: u128 = self.inputs.iter().map(|input| u128::from(input.lines)).sum();
        let blank: u128 = self.inputs.iter().map(|input| u128::from(input.blank)).sum();
        let accounted = u128::from(self.documents_of_snapshot()) + u128::from(self.rejected) + blank;
        if lines != accounted {
            return Err(format!("counts {lines} lines, rows, rejected and blank ones make {accounted}"));
        }
        Ok(())
    }

    fn check_shards(&self) -> Result<(), String> {
        if self.shards.is_empty() {
            return Err("lists no shard, expected at least one".into());
        }
        let mut numbers = BTreeSet::new();
        self.shards.iter().enumerate().try_for_each(|(place, shard)| {
            let expected = layout::raw_shard(place);
            let number = layout::shard_number(&shard.path()).filter(|&number| {
                layout::raw_shard(number).as_ref() == shard.key && number < self.next_shard && numbers.insert(number)
            });
            if number.is_none() || self.format == 1 && number != Some(place) {
                Err(format!("shard {place} has key {:?}, expected one such as {:?}", shard.key, expected.as_ref()))
            } else if !is_sha256_hex(&shard.sha256) {
                Err(format!("{}: sha256 is {:?}, expected 64 hexadecimal digits", shard.key, shard.sha256))
            } else if shard.live_rows() == 0 {
                Err(format!("{}: has 0 rows that are not superseded, expected at least 1", shard.key))
            } else {
                Ok(())
            }
        })
    }
}
