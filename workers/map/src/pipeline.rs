//! Many shards through reading, embedding and writing at the same time, each step on another shard.
//!
//! Invariant: at most five shards are in memory, however many there are: one that is read, one that waits, one that is
//! embedded, one that waits, one that is written. A shard whose data is at fault is set aside and the others are done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::layout::ModelName;
use strata_shared::metrics;
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::Instrument;

use crate::embed::{Crew, Embed};
use crate::shard::{self, Embedded, Prepared, ShardError};
use crate::tokenize::Tokenizer;
use crate::work::RawShard;

/// What shards pass through.
pub(crate) struct Pipeline<E> {
    /// Where shards come from and go to.
    pub(crate) store: Store,
    /// The model's name.
    pub(crate) model: ModelName,
    /// The model's tokenizer.
    pub(crate) tokenizer: Tokenizer,
    /// The model itself, once a thread.
    pub(crate) crew: Crew<E>,
    /// The threads that tokenise.
    pub(crate) num_threads: usize,
    /// Ends the work between two batches once it is set.
    pub(crate) stop: Arc<AtomicBool>,
}

/// The shards that were set aside, or the error that ended a step.
type Step = Result<Vec<ShardError>, ShardError>;

/// The shards whose data is at fault.
#[derive(Debug, thiserror::Error)]
#[error("{} of {num_shards} shards could not be embedded, the others are: {}", faults.len(), faults.join("; "))]
struct Faults {
    num_shards: usize,
    faults: Vec<String>,
}

impl<E: Embed + 'static> Pipeline<E> {
    /// Embeds and writes every one of `shards`.
    ///
    /// # Errors
    /// [`Exit::Data`] names each shard that was set aside after all others were done; any other failure ends the work.
    pub(crate) async fn run(self, shards: Vec<RawShard>) -> Result<(), Failure> {
        let num_shards = shards.len();
        let num_rows = shards.iter().map(|shard| shard.entry.rows).sum();
        let progress = Progress::start("embed", "documents", num_rows);
        let (to_embed, prepared) = channel(1);
        let (to_write, embedded) = channel(1);
        let Self { store, model, tokenizer, crew, num_threads, stop } = self;
        let tokenizer = Arc::new(tokenizer);
        let reading = read_all(&store, &tokenizer, num_threads, shards, to_embed);
        let stop_embedding = Arc::clone(&stop);
        let embedding =
            tokio::task::spawn_blocking(move || embed_all(crew, prepared, &to_write, &progress, &stop_embedding));
        let writing = write_all(&store, &model, embedded, &stop);
        let (read, embedded, written) = tokio::join!(reading, embedding, writing);
        let embedded = embedded.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        // A write that failed is why the embedding was stopped, so it comes first.
        let faults = [written?, read?, embedded?].into_iter().flatten().collect();
        report(num_shards, faults)
    }
}

fn report(num_shards: usize, mut faults: Vec<ShardError>) -> Result<(), Failure> {
    if faults.is_empty() {
        return Ok(());
    }
    if num_shards == 1
        && let Some(only) = faults.pop()
    {
        return Err(only.into());
    }
    let mut faults: Vec<String> = faults.into_iter().map(|fault| Failure::from(fault).chain()).collect();
    faults.sort();
    Err(Failure::new(Exit::Data, Faults { num_shards, faults }))
}

/// Keeps an error that concerns one shard only; any other ends the step.
fn set_aside(faults: &mut Vec<ShardError>, error: ShardError) -> Result<(), ShardError> {
    if error.exit() != Exit::Data {
        return Err(error);
    }
    tracing::warn!("set a shard aside; it is named with its reason once the others are done");
    faults.push(error);
    Ok(())
}

async fn read_all(
    store: &Store,
    tokenizer: &Arc<Tokenizer>,
    num_threads: usize,
    shards: Vec<RawShard>,
    to_embed: Sender<Prepared>,
) -> Step {
    let mut faults = Vec::new();
    for shard in shards {
        // A place in the queue before the shard, so that no shard is in memory without one. A closed queue means that
        // embedding ended, which says why itself.
        let Ok(place) = to_embed.reserve().await else { break };
        let (span, begun) = (shard.span(), Instant::now());
        let prepared = shard::prepare(store, tokenizer, num_threads, shard).instrument(span.clone()).await;
        metrics::seconds("read", begun.elapsed());
        match prepared {
            Ok(prepared) => place.send(prepared),
            Err(error) => span.in_scope(|| set_aside(&mut faults, error))?,
        }
    }
    Ok(faults)
}

fn embed_all<E: Embed>(
    mut crew: Crew<E>,
    mut prepared: Receiver<Prepared>,
    to_write: &Sender<Embedded>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Step {
    let mut faults = Vec::new();
    while let Some(shard) = prepared.blocking_recv() {
        let (_entered, begun) = (shard.span().entered(), Instant::now());
        let embedded = shard::embed(&mut crew, shard, progress, stop);
        metrics::seconds("embed", begun.elapsed());
        match embedded {
            // A closed queue means that writing ended, which says why itself.
            Ok(embedded) => {
                if to_write.blocking_send(embedded).is_err() {
                    break;
                }
            }
            Err(error) => set_aside(&mut faults, error)?,
        }
    }
    Ok(faults)
}

async fn write_all(store: &Store, model: &ModelName, mut embedded: Receiver<Embedded>, stop: &AtomicBool) -> Step {
    let mut faults = Vec::new();
    while let Some(shard) = embedded.recv().await {
        let (span, begun) = (shard.span(), Instant::now());
        let written = shard::write(store, model, shard).instrument(span.clone()).await;
        metrics::seconds("write", begun.elapsed());
        if let Err(error) = written {
            span.in_scope(|| set_aside(&mut faults, error)).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
        }
    }
    Ok(faults)
}
