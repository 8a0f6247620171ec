//! Sources → a corpus in the store: raw shards, then refusals; and vectors that come along. The manifest is left to
//! [`super::settle`].
//!
//! Invariant: what an earlier attempt left is overwritten or removed before there is a manifest, and every step can be
//! repeated.

use std::sync::Arc;

use object_store::path::Path;
use strata_shared::layout::{self, FORMAT, ModelName};
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::assemble::Assembled;
use super::bits::Bits;
use super::error::ShardError;
use super::input::Input;
use super::join::{self, CompleteVectors, IdRows, Owners, VectorFile, VectorShards};
use super::write::{self, ShardSender};
use super::{Request, ingest};

/// The folder of the raw shards.
pub(super) const RAW_FOLDER: &str = "raw";

/// The longest line that can be allowed: columns of text are addressed by 31 bits.
const MAX_LINE_BYTES: usize = 1 << 30;

/// Where a corpus comes from: all of it found, none of it read.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    inputs: Vec<Input>,
    vectors: Option<(Input, ModelName)>,
    /// How lines become documents.
    pub(super) settings: ShardSettings,
}

impl Sources {
    /// Finds the inputs and vectors that `request` names.
    ///
    /// # Errors
    /// [`ShardError`] for a request that cannot be met, or an input that is not there.
    pub(super) async fn find(request: &Request) -> Result<Self, ShardError> {
        check(request)?;
        let mut inputs = Vec::with_capacity(request.inputs.len());
        for name in &request.inputs {
            inputs.push(Input::find(name).await?);
        }
        let vectors = match &request.vectors {
            Some(vectors) => {
                Some((Input::find(&vectors.file.display().to_string()).await?, vectors.model_name.clone()))
            }
            None => None,
        };
        Ok(Self { inputs, vectors, settings: request.settings.clone() })
    }

    /// Returns the inputs whose lines become documents: the file of vectors, where there is no other.
    pub(super) fn lines(&self) -> &[Input] {
        match &self.vectors {
            Some((vectors, _)) if self.inputs.is_empty() => std::slice::from_ref(vectors),
            _ => &self.inputs,
        }
    }

    /// Makes sure that the lines can be read a second time.
    ///
    /// # Errors
    /// [`ShardError::StdinTwice`].
    pub(super) fn check_again(&self) -> Result<(), ShardError> {
        if self.lines().iter().any(Input::is_stdin) { Err(ShardError::StdinTwice) } else { Ok(()) }
    }

    /// Announces the reading of all lines; the total is 0 where an input has no known size.
    pub(super) fn progress(&self) -> Arc<Progress> {
        let unknown = self.lines().iter().any(Input::is_stdin);
        let total = if unknown { 0 } else { self.lines().iter().map(Input::bytes).sum() };
        Arc::new(Progress::start("shard", "bytes", total))
    }

    fn ingest(&self, shards: Option<ShardSender>) -> impl Future<Output = Result<Assembled, ShardError>> + use<> {
        let (sources, progress, runtime) = (self.clone(), self.progress(), Handle::current());
        super::blocking(move || match sources.vectors {
            Some((vectors, _)) if sources.inputs.is_empty() => {
                ingest::ingest_ids(&vectors, &sources.settings, shards, &progress, &runtime)
            }
            _ => ingest::ingest(sources.inputs, &sources.settings, shards, &progress, &runtime),
        })
    }
}

fn check(request: &Request) -> Result<(), ShardError> {
    if request.inputs.is_empty() && request.vectors.is_none() {
        return Err(ShardError::NoInput);
    }
    if request.inputs.iter().filter(|input| *input == "-").count() > 1 {
        return Err(ShardError::StdinTwice);
    }
    if request.vectors.as_ref().is_some_and(|vectors| vectors.file.as_os_str() == "-") {
        return Err(ShardError::Setting { name: "--vectors", found: "-".into(), expected: "a file or a store URL" });
    }
    let found = request.settings.max_line_bytes;
    if found > MAX_LINE_BYTES {
        return Err(ShardError::Setting { name: "--max-line", found: found.to_string(), expected: "at most 1GiB" });
    }
    Ok(())
}

/// Writes the raw shards.
///
/// # Errors
/// [`ShardError::NoRow`], and those of reading and writing.
pub(super) async fn make_shards(sources: &Sources, store: &Store) -> Result<(Assembled, Vec<ShardEntry>), ShardError> {
    let (sender, jobs) = ShardSender::new(sources.settings.rows_per_shard);
    match tokio::join!(sources.ingest(Some(sender)), write::write_shards(store, jobs)) {
        // A shard is abandoned because its sender failed, and the other way round.
        (Err(ShardError::Abandoned) | Ok(_), Err(error)) | (Err(error), _) => Err(error),
        (Ok(assembled), Ok(_)) if assembled.tally.rows == 0 => Err(no_row(sources, &assembled)),
        (Ok(assembled), Ok(shards)) => Ok((assembled, shards)),
    }
}

fn no_row(sources: &Sources, assembled: &Assembled) -> ShardError {
    let inputs: Vec<&str> = sources.lines().iter().map(Input::given).collect();
    let first = assembled.tally.first_refusal.as_ref().map_or_else(String::new, |first| format!(" (first {first})"));
    let lines = assembled.inputs.iter().map(|input| input.lines).sum();
    ShardError::NoRow { inputs: inputs.join(", "), lines, first }
}

/// Writes refusals, removes what a killed attempt left, and returns the manifest that is still to be written.
///
/// # Errors
/// The store's.
pub(super) async fn finish(
    assembled: Assembled,
    shards: Vec<ShardEntry>,
    sources: &Sources,
    store: &Store,
) -> Result<Manifest, ShardError> {
    assembled.rejected.put(store, &layout::rejected()).await?;
    remove_stale(shards.len(), store).await?;
    Ok(Manifest {
        format: FORMAT,
        rows: assembled.tally.rows,
        shards,
        inputs: assembled.inputs,
        rejected: assembled.tally.rejected,
        undated: assembled.tally.undated,
        settings: sources.settings.clone(),
    })
}

/// Removes raw shards beyond the last one, which an attempt on other inputs may have left.
///
/// # Errors
/// The store's.
pub(super) async fn remove_stale(num_shards: usize, store: &Store) -> Result<(), ShardError> {
    for object in store.list(&Path::from(RAW_FOLDER)).await? {
        if layout::shard_index(&object.location).is_some_and(|index| index >= num_shards) {
            store.delete(&object.location).await?;
        }
    }
    Ok(())
}

/// Adds the vectors of `sources` to a corpus that is there; tells whether any were missing.
///
/// The file is read even where none are: under the same name it may hold others.
///
/// # Errors
/// Those of [`complete_vectors`] and of [`NamedVectors::write`].
pub(super) async fn add_vectors(sources: &Sources, store: &Store, shards: &[ShardEntry]) -> Result<bool, ShardError> {
    match complete_vectors(sources, store, shards, None).await {
        Ok(Some(vectors)) => vectors.write(store, shards).await,
        Ok(None) => Ok(false),
        // Vectors by row cannot be compared without the lines; where all are there, nothing is to be done.
        Err(ShardError::StdinTwice) if are_present(sources, store, shards).await? => Ok(false),
        Err(error) => Err(error),
    }
}

async fn are_present(sources: &Sources, store: &Store, shards: &[ShardEntry]) -> Result<bool, ShardError> {
    match &sources.vectors {
        Some((_, model)) => VectorShards { store, model, shards }.are_present().await,
        None => Ok(true),
    }
}

/// Vectors for every document, under their name, on scratch disk.
pub(super) struct NamedVectors {
    vectors: CompleteVectors,
    model: ModelName,
}

impl NamedVectors {
    /// Writes the vector shards that are missing; tells whether there were any.
    ///
    /// # Errors
    /// [`ShardError::OtherVectors`], [`ShardError::Disturbed`] and the store's.
    pub(super) async fn write(&self, store: &Store, shards: &[ShardEntry]) -> Result<bool, ShardError> {
        VectorShards { store, model: &self.model, shards }.write(&self.vectors).await
    }
}

/// Reads the vectors of `sources`, if there are any, into the order of the documents in `shards`.
///
/// `lines` says which lines became documents; where it is not known and matters, the inputs are read again.
///
/// # Errors
/// [`ShardError::Vectors`] for vectors that do not fit the documents, and those of reading.
pub(super) async fn complete_vectors(
    sources: &Sources,
    store: &Store,
    shards: &[ShardEntry],
    lines: Option<Bits>,
) -> Result<Option<NamedVectors>, ShardError> {
    let Some((input, model)) = sources.vectors.clone() else { return Ok(None) };
    let (opened, settings, runtime) = (input.clone(), sources.settings.clone(), Handle::current());
    let file = super::blocking(move || VectorFile::open(&opened, &settings.id_field, &runtime)).await?;
    let owners = match lines {
        _ if !sources.inputs.is_empty() && !file.is_npy() => Owners::Ids(IdRows::read(store, shards).await?),
        Some(lines) => Owners::Lines(lines),
        None => {
            sources.check_again()?;
            Owners::Lines(sources.ingest(None).await?.accepted)
        }
    };
    let num_documents = shards.iter().map(|shard| shard.rows).sum();
    match super::blocking(move || join::place(file, &owners, num_documents)).await? {
        Ok(vectors) => Ok(Some(NamedVectors { vectors, model })),
        Err(row) => {
            let id = join::id_of(store, shards, row).await?;
            let reason = format!("has no vector for the document with id {id:?}, expected one for each");
            Err(ShardError::Vectors { file: input.given().to_owned(), reason })
        }
    }
}
