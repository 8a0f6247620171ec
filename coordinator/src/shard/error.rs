//! What can go wrong between inputs and raw shards, and how the program should end.

use std::io;

use parquet::errors::ParquetError;
use strata_shared::exit::{Classify, Exit};
use strata_shared::manifest::ManifestError;
use strata_shared::store::StoreError;
use strata_shared::table::TableError;

use super::change::MaxChange;

/// Why inputs did not become shards.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The store did not give or take an object.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table could not be read or made.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The store holds a manifest that cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// There is nothing to shard.
    #[error("no INPUT: expected files, store URLs or `-`, or --vectors with a file")]
    NoInput,
    /// A setting is outside of what this stage can do.
    #[error("{name}: found {found}, expected {expected}")]
    Setting {
        /// The setting, as its flag is spelled.
        name: &'static str,
        /// What was given.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// Standard input is named twice, or would have to be read twice.
    #[error("input -: would be read twice, and standard input can be read only once; name a file instead")]
    StdinTwice,
    /// An input is not there or may not be read.
    #[error("input {input}: cannot be opened; expected a readable file, a store URL or `-`")]
    Open {
        /// The input as given.
        input: String,
        /// What the system says.
        source: io::Error,
    },
    /// An input is a directory.
    #[error(
        "input {input}: is a directory, expected a file; name the files in it one by one, or take the newest of them by --newest"
    )]
    Directory {
        /// The input as given.
        input: String,
    },
    /// An input in a store is not there.
    #[error("input {input}: is not in its store")]
    Absent {
        /// The input as given.
        input: String,
    },
    /// A folder holds no snapshot.
    #[error(
        "input {folder}: none of the {num_objects} objects in it is a snapshot by its name, expected .jsonl, .ndjson, .json or \
         .parquet, maybe with .gz or .zst"
    )]
    NoSnapshot {
        /// The folder as given.
        folder: String,
        /// What it holds.
        num_objects: usize,
    },
    /// An input could not be read to its end.
    #[error("input {input}: cannot be read")]
    Read {
        /// The input as given.
        input: String,
        /// What the system says.
        source: io::Error,
    },
    /// An input breaks off.
    #[error("input {input}: breaks off in the middle of its compression, expected a whole file; fetch it again")]
    Truncated {
        /// The input as given.
        input: String,
        /// What the decompressor says.
        source: io::Error,
    },
    /// An input's compression is damaged.
    #[error("input {input}: cannot be decompressed, it is damaged; fetch it again")]
    Damaged {
        /// The input as given.
        input: String,
        /// What the decompressor says.
        source: io::Error,
    },
    /// An input begins like Parquet and cannot be read as such.
    #[error("input {input}: is not a readable Parquet file (truncated, damaged, or compressed in an unknown way?)")]
    Parquet {
        /// The input as given.
        input: String,
        /// What the reader says.
        source: ParquetError,
    },
    /// A Parquet input lacks a column, or has it of another type.
    #[error("input {input}: column {column}: found {found}, expected {expected}")]
    Column {
        /// The input as given.
        input: String,
        /// The column.
        column: String,
        /// What is there.
        found: String,
        /// What would do.
        expected: String,
    },
    /// No line of any input became a document.
    #[error(
        "no valid row in {lines} lines of {inputs}{first}; expected one JSON object a line, or Parquet, with the fields that --id-field, --title-field and --text-field name"
    )]
    NoRow {
        /// The inputs as given.
        inputs: String,
        /// All their lines.
        lines: u64,
        /// What the first refused line was refused for, if there was one.
        first: String,
    },
    /// The lines of the store's corpus became documents in another way.
    #[error("store {store}: holds a corpus already, and {difference}; give the same flags, or shard into a new store")]
    OtherSettings {
        /// The store's URL.
        store: String,
        /// What differs.
        difference: String,
    },
    /// Another command made the same generation of other inputs.
    #[error("store {store}: another command made generation {generation} meanwhile; give this one again after it")]
    Overtaken {
        /// The store's URL.
        store: String,
        /// The number of the generation.
        generation: u64,
    },
    /// A part of the corpus is gone or damaged.
    #[error(
        "store {store}: {key} is missing, or another than the corpus lists; restore it, or, where the newest generation made it, \
         remove it and give that command again (the same inputs, or `strata compact`); else shard into a new store"
    )]
    Lost {
        /// The store's URL.
        store: String,
        /// The first such object.
        key: object_store::path::Path,
    },
    /// A raw shard is lost, and so is what the inputs would have to be compared with to make it again.
    #[error(
        "store {store}: {key} is missing, or another than the corpus lists, and cannot be made again, since generation \
         {generation}, with which its inputs were compared, was pruned; restore it, or shard into a new store"
    )]
    LostForGood {
        /// The store's URL.
        store: String,
        /// The first such object.
        key: object_store::path::Path,
        /// The generation that is gone.
        generation: u64,
    },
    /// The snapshot would change more than is allowed.
    #[error(
        "the snapshot changes {changed} and removes {gone} of {rows} documents, {allowed} are allowed; look at it with --plan, \
         and allow it by --max-change {needed}"
    )]
    TooMuch {
        /// Documents that it changes.
        changed: u64,
        /// Documents that it removes.
        gone: u64,
        /// Documents of the corpus.
        rows: u64,
        /// How much is allowed.
        allowed: MaxChange,
        /// What would allow it.
        needed: MaxChange,
    },
    /// The snapshot of a whole archive ends before the corpus does.
    #[error(
        "the snapshot's newest document is of {snapshot}, the corpus has one of {corpus}: as a whole archive it is older than \
         the store; leave out --complete, or allow it by --allow-older"
    )]
    Older {
        /// The day of the snapshot's newest document.
        snapshot: String,
        /// The day of the corpus's.
        corpus: String,
    },
    /// Raw shards changed while they were in use.
    #[error(
        "store {store}: holds other raw shards than this command wrote; give it again when no other one shards into it"
    )]
    Disturbed {
        /// The store's URL.
        store: String,
    },
    /// A file of vectors made elsewhere does not fit, or is damaged.
    #[error("vectors {file}: {reason}")]
    Vectors {
        /// The file as given.
        file: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// Vector shards of this name hold other vectors.
    #[error("{key}: was made from other vectors; choose another --model-name, or remove the folder")]
    OtherVectors {
        /// The first of them.
        key: object_store::path::Path,
    },
    /// Scratch space on the local disk failed.
    #[error("{path}: scratch space for the shards cannot be used; free some, or set TMPDIR to another folder")]
    Scratch {
        /// The file.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The other half of the pipeline ended first; its own error is the one to tell.
    #[error("the shards were abandoned")]
    Abandoned,
}

impl Classify for ShardError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            Self::Table(error) => error.exit(),
            Self::Manifest(error) => error.exit(),
            Self::NoInput
            | Self::Setting { .. }
            | Self::StdinTwice
            | Self::Open { .. }
            | Self::Directory { .. }
            | Self::Absent { .. }
            | Self::NoSnapshot { .. }
            | Self::OtherSettings { .. }
            | Self::TooMuch { .. }
            | Self::Older { .. }
            | Self::OtherVectors { .. } => Exit::Configuration,
            Self::Read { .. }
            | Self::Scratch { .. }
            | Self::Abandoned
            | Self::Overtaken { .. }
            | Self::Disturbed { .. } => Exit::Retry,
            Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::Parquet { .. }
            | Self::Column { .. }
            | Self::NoRow { .. }
            | Self::Lost { .. }
            | Self::LostForGood { .. }
            | Self::Vectors { .. } => Exit::Data,
        }
    }
}
