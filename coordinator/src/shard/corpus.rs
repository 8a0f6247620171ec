//! Sources → what a generation consists of, in the store: raw shards, then refusals; and vectors that come along. The
//! manifest is left to [`super::settle`].
//!
//! Invariant: what an earlier attempt left is overwritten or removed before there is a manifest, and every step can be
//! repeated.

use std::sync::Arc;

use object_store::path::Path;
use strata_shared::generations;
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::{Manifest, ManifestError, ShardEntry};
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::assemble::Assembled;
use super::bits::Bits;
use super::error::ShardError;
use super::input::Input;
use super::join::{self, CompleteVectors, Extent, IdRows, Owners, VectorFile, VectorShards};
use super::known::KnownDocuments;
use super::spool::Spooled;
use super::write::{self, ShardSender, Target};
use super::{Request, ingest, update};

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

    /// Tells whether vectors come along.
    pub(super) const fn has_vectors(&self) -> bool {
        self.vectors.is_some()
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

    fn ingest(
        &self,
        known: KnownDocuments,
        shards: Option<ShardSender>,
    ) -> impl Future<Output = Result<Assembled, ShardError>> + use<> {
        let (sources, progress, runtime) = (self.clone(), self.progress(), Handle::current());
        super::blocking(move || match sources.vectors {
            Some((vectors, _)) if sources.inputs.is_empty() => {
                ingest::ingest_ids(&vectors, &sources.settings, (known, shards), &progress, &runtime)
            }
            _ => ingest::ingest(sources.inputs, &sources.settings, (known, shards), &progress, &runtime),
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

/// Writes documents that `known` has not as they are into raw shards, as `target` says.
///
/// # Errors
/// [`ShardError::NoRow`], and those of reading and writing.
pub(super) async fn make_shards(
    sources: &Sources,
    store: &Store,
    known: KnownDocuments,
    target: Target<'_>,
) -> Result<(Assembled, Vec<ShardEntry>), ShardError> {
    let (sender, jobs) = ShardSender::new(sources.settings.rows_per_shard, target.first_shard);
    match tokio::join!(sources.ingest(known, Some(sender)), write::write_shards(store, jobs, target)) {
        // A shard is abandoned because its sender failed, and the other way round.
        (Err(ShardError::Abandoned) | Ok(_), Err(error)) | (Err(error), _) => Err(error),
        (Ok(assembled), Ok(shards)) => expect_row(sources, assembled).map(|assembled| (assembled, shards)),
    }
}

/// Reads all lines against what is `known`, and writes nothing.
///
/// # Errors
/// [`ShardError::NoRow`], and those of reading.
pub(super) async fn sift(sources: &Sources, known: KnownDocuments) -> Result<Assembled, ShardError> {
    expect_row(sources, sources.ingest(known, None).await?)
}

fn expect_row(sources: &Sources, assembled: Assembled) -> Result<Assembled, ShardError> {
    if assembled.tally.rows == 0 { Err(no_row(sources, &assembled)) } else { Ok(assembled) }
}

fn no_row(sources: &Sources, assembled: &Assembled) -> ShardError {
    let inputs: Vec<&str> = sources.lines().iter().map(Input::given).collect();
    let first = assembled.tally.first_refusal.as_ref().map_or_else(String::new, |first| format!(" (first {first})"));
    let lines = assembled.inputs.iter().map(|input| input.lines).sum();
    ShardError::NoRow { inputs: inputs.join(", "), lines, first }
}

/// Writes the refusals of the snapshot of this generation, and removes shards from `next_shard` on, which an attempt on
/// other inputs may have left.
///
/// # Errors
/// The store's.
pub(super) async fn finish(rejected: Spooled, manifest: &Manifest, store: &Store) -> Result<(), ShardError> {
    rejected.put(store, &layout::rejected_of(manifest.generation)).await?;
    if manifest.superseded.is_none() {
        store.delete(&layout::superseded(manifest.generation)).await?;
    }
    remove_shards(manifest.next_shard, store).await
}

/// Removes what an attempt at the generation after `before` has left, unless another command has made that one meanwhile.
///
/// # Errors
/// The store's.
pub(super) async fn give_up(before: &Manifest, store: &Store) -> Result<(), ShardError> {
    if generations::newest(store).await?.manifest.generation == before.generation {
        remove_shards(before.next_shard, store).await?;
    }
    Ok(())
}

/// Removes raw shards whose number is `first` or higher, and vectors of such.
///
/// # Errors
/// The store's.
pub(super) async fn remove_shards(first: usize, store: &Store) -> Result<(), ShardError> {
    for folder in [layout::raw(), layout::vectors()] {
        remove_numbers(first, &folder, store).await?;
    }
    Ok(())
}

/// Removes the shards in `folder` whose number is `first` or higher.
async fn remove_numbers(first: usize, folder: &Path, store: &Store) -> Result<(), ShardError> {
    for object in store.list(folder).await? {
        if layout::shard_number(&object.location).is_some_and(|number| number >= first) {
            store.delete(&object.location).await?;
        }
    }
    Ok(())
}

/// Writes the vectors of `sources`, if there are any, for the shards of `manifest`, whose generation is still to be created.
///
/// Were it created first, and the command ended in between, a later snapshot could supersede rows of a shard that has no vectors
/// yet, and no file has vectors of what those rows were. Vectors of an earlier attempt, which may be others, give way.
///
/// # Errors
/// Those of [`complete_vectors`] and of [`NamedVectors::write`].
pub(super) async fn bring_vectors(
    sources: &Sources,
    store: &Store,
    manifest: &Manifest,
    written: Bits,
    target: Target<'_>,
) -> Result<(), ShardError> {
    let Some(vectors) = complete_vectors(sources, store, manifest, Some(written)).await? else { return Ok(()) };
    if target.listed_by.is_none() {
        target.expect_open(store).await?;
        remove_numbers(target.first_shard, &layout::vectors(), store).await?;
    }
    vectors.write(store, target).await.map(drop)
}

/// Adds the vectors of `sources` to a corpus that is there, made of the same snapshot; tells whether any were missing.
///
/// The file is read even where none are: under the same name it may hold others.
///
/// # Errors
/// Those of [`complete_vectors`] and of [`NamedVectors::write`].
pub(super) async fn add_vectors(sources: &Sources, store: &Store, manifest: &Manifest) -> Result<bool, ShardError> {
    match complete_vectors(sources, store, manifest, None).await {
        Ok(Some(vectors)) => vectors.write(store, Target::of(manifest)).await,
        Ok(None) => Ok(false),
        // Vectors by row cannot be compared without the lines and what those were compared with; where all are there, nothing is to
        // be done.
        Err(ShardError::StdinTwice | ShardError::Manifest(ManifestError::Pruned { .. }))
            if are_present(sources, store, manifest).await? =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn are_present(sources: &Sources, store: &Store, manifest: &Manifest) -> Result<bool, ShardError> {
    let Some((_, model)) = &sources.vectors else { return Ok(true) };
    let shards: Vec<ShardEntry> = manifest.own_shards().cloned().collect();
    VectorShards { store, model, shards: &shards }.are_present().await
}

/// Makes sure that no vectors by row are needed where the documents of their lines are in other shards by now.
async fn expect_folded<T>(
    store: &Store,
    manifest: &Manifest,
    model: &ModelName,
    file: &str,
) -> Result<Option<T>, ShardError> {
    if (VectorShards { store, model, shards: &manifest.shards }).are_present().await? {
        return Ok(None);
    }
    let reason =
        "belong to lines whose documents were folded into other shards since; expected a Parquet file with ids";
    Err(ShardError::Vectors { file: file.to_owned(), reason: reason.into() })
}

/// Vectors for every document of some shards, under their name, on scratch disk.
pub(super) struct NamedVectors {
    vectors: CompleteVectors,
    model: ModelName,
    shards: Vec<ShardEntry>,
}

impl NamedVectors {
    /// Writes the vector shards that are missing; tells whether there were any.
    ///
    /// # Errors
    /// [`ShardError::OtherVectors`], [`ShardError::Disturbed`], [`ShardError::Overtaken`] and the store's.
    pub(super) async fn write(&self, store: &Store, target: Target<'_>) -> Result<bool, ShardError> {
        VectorShards { store, model: &self.model, shards: &self.shards }.write(&self.vectors, target).await
    }
}

/// Reads the vectors of `sources`, if there are any, into the order of the documents in the shards of `manifest` that were
/// made of its snapshot; and, where they come with ids, of those that lack their vectors otherwise, as far as it has them.
///
/// `written` says which lines became documents of those shards; where it is not known and matters, the inputs are read again.
///
/// # Errors
/// [`ShardError::Vectors`] for vectors that do not fit the documents, and those of reading.
pub(super) async fn complete_vectors(
    sources: &Sources,
    store: &Store,
    manifest: &Manifest,
    written: Option<Bits>,
) -> Result<Option<NamedVectors>, ShardError> {
    let Some((input, model)) = sources.vectors.clone() else { return Ok(None) };
    let mut shards: Vec<ShardEntry> = manifest.own_shards().cloned().collect();
    let required = shards.iter().map(|shard| shard.rows).sum();
    let (opened, settings, runtime) = (input.clone(), sources.settings.clone(), Handle::current());
    let file = super::blocking(move || VectorFile::open(&opened, &settings.id_field, &runtime)).await?;
    let owners = if !sources.inputs.is_empty() && !file.is_npy() {
        shards.extend(join::without_vectors(store, &model, manifest).await?);
        Owners::Ids(IdRows::read(store, &shards).await?)
    } else if let Some(written) = written {
        Owners::Lines(written)
    } else if manifest.compaction.is_some() {
        return expect_folded(store, manifest, &model, input.given()).await;
    } else {
        sources.check_again()?;
        let known = update::known_before(store, manifest).await?;
        Owners::Lines(sources.ingest(known, None).await?.written)
    };
    if shards.is_empty() {
        return Ok(None);
    }
    let num_documents = Extent { all: shards.iter().map(|shard| shard.rows).sum(), required };
    match super::blocking(move || join::place(file, &owners, num_documents)).await? {
        Ok(vectors) => {
            let named = NamedVectors { vectors, model, shards };
            join::expect_dim(store, manifest, &named.model, &named.vectors, input.given()).await?;
            Ok(Some(named))
        }
        Err(row) => {
            let id = join::id_of(store, &shards, row).await?;
            let reason = format!("has no vector for the document with id {id:?}, expected one for each");
            Err(ShardError::Vectors { file: input.given().to_owned(), reason })
        }
    }
}
