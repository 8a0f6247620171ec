//! Sources → what a generation consists of, in the store: raw shards, then refusals. Vectors that come along are left to
//! [`super::brought`], the manifest to [`super::settle`].
//!
//! Invariant: what an earlier attempt left is overwritten or removed before there is a manifest, and every step can be
//! repeated.

use std::sync::Arc;

use strata_shared::generations;
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::{Manifest, ShardEntry};
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::assemble::Assembled;
use super::error::ShardError;
use super::input::Input;
use super::known::KnownDocuments;
use super::spool::Spooled;
use super::write::{self, ShardSender, Target};
use super::{Request, ingest};

/// The longest line that can be allowed: columns of text are addressed by 31 bits.
const MAX_LINE_BYTES: usize = 1 << 30;

/// Where a corpus comes from: all of it found, none of it read.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    /// Whose lines become documents.
    pub(super) inputs: Vec<Input>,
    /// What comes along, and under which name it is kept.
    pub(super) vectors: Option<(Input, ModelName)>,
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

    /// Reads all lines, and hands documents that `known` has not as they are to `shards`.
    pub(super) fn ingest(
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
        for object in store.list(&folder).await? {
            if layout::shard_number(&object.location).is_some_and(|number| number >= first) {
                store.delete(&object.location).await?;
            }
        }
    }
    Ok(())
}
