//! Tokens → vectors: the trait that runs a model, and the crew of threads that shares a shard's batches.
//!
//! Invariant: the vectors of a shard do not depend on the number of threads, since batches are fixed before any thread
//! sees one. What a model is made of stays behind [`Embed`].

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use strata_shared::exit::{Classify, Exit};
use strata_shared::metrics;
use strata_shared::telemetry::Progress;
use strata_shared::vectors::Vectors;

use crate::batch::Batches;
use crate::pool::NormError;
use crate::tokenize::Tokens;

/// Rows of equal length that go through a model together.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenBatch {
    /// The number of rows.
    pub num_rows: usize,
    /// The number of tokens of each row.
    pub num_tokens: usize,
    /// The token ids, `[num_rows, num_tokens]` row-major.
    pub ids: Vec<i64>,
}

/// A model that turns tokens into vectors.
pub trait Embed: Send {
    /// Returns the number of dimensions of a vector.
    fn dim(&self) -> usize;

    /// Embeds `batch` into `[num_rows, dim]` values, each row of L2 norm 1. A row's values depend on its tokens alone.
    ///
    /// # Errors
    /// [`EmbedError`].
    fn embed(&mut self, batch: &TokenBatch) -> Result<Vec<f32>, EmbedError>;
}

/// Why tokens did not become vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The model failed, as one does whose graph and tokenizer do not belong together.
    #[error("the model cannot embed a batch of {num_rows} texts of {num_tokens} tokens")]
    Model {
        /// The texts.
        num_rows: usize,
        /// The tokens of each.
        num_tokens: usize,
        /// What the runtime says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The graph gives something else than the model's configuration says.
    #[error("the graph gives a tensor of shape {found:?}, expected {expected:?}")]
    Shape {
        /// The shape found.
        found: Vec<i64>,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// A text has no tokens at all.
    #[error("row {row}: the tokenizer gives no token for its text")]
    NoTokens {
        /// The row of the shard, or of the batch until the crew knows better.
        row: usize,
    },
    /// A vector has no direction.
    #[error("row {row}: its text has no vector")]
    Norm {
        /// The row of the shard, or of the batch until the crew knows better.
        row: usize,
        /// What the vector is instead.
        source: NormError,
    },
    /// Somebody asked the program to stop.
    #[error("stopped before the shard was done; run it again to go on there")]
    Stopped,
}

impl EmbedError {
    /// Returns the row of the shard that is at fault, where one is.
    #[must_use]
    pub const fn row(&self) -> Option<usize> {
        match self {
            Self::NoTokens { row } | Self::Norm { row, .. } => Some(*row),
            _ => None,
        }
    }

    fn in_shard(self, rows: &[usize]) -> Self {
        match self {
            Self::NoTokens { row } => Self::NoTokens { row: rows[row] },
            Self::Norm { row, source } => Self::Norm { row: rows[row], source },
            other => other,
        }
    }
}

impl From<NormError> for EmbedError {
    fn from(source: NormError) -> Self {
        Self::Norm { row: source.row, source }
    }
}

impl Classify for EmbedError {
    fn exit(&self) -> Exit {
        match self {
            Self::Model { .. } | Self::Shape { .. } => Exit::Configuration,
            Self::NoTokens { .. } | Self::Norm { .. } => Exit::Data,
            Self::Stopped => Exit::Retry,
        }
    }
}

/// One embedder a thread.
pub struct Crew<E> {
    embedders: Vec<E>,
    token_budget: usize,
}

/// What a thread has embedded: the rows of the shard, and their vectors one after the other.
type Part = (Vec<usize>, Vec<f32>);

impl<E: Embed> Crew<E> {
    /// Gathers `embedders`, all of the same model; batches hold at most `token_budget` tokens.
    ///
    /// # Panics
    /// If there is no embedder, which is the caller's mistake.
    #[must_use]
    pub fn new(embedders: Vec<E>, token_budget: usize) -> Self {
        assert!(!embedders.is_empty(), "a crew has at least one member");
        Self { embedders, token_budget }
    }

    /// Embeds all rows of `tokens`; row i of the result is the vector of row i. Counts rows into `progress`, and gives up
    /// between two batches once `stop` is set.
    ///
    /// # Errors
    /// [`EmbedError`] of the first batch that fails, in the order of batches.
    pub fn embed(&mut self, tokens: &Tokens, progress: &Progress, stop: &AtomicBool) -> Result<Vectors, EmbedError> {
        let dim = self.embedders[0].dim();
        let batches = Batches::plan(&tokens.lengths(), self.token_budget);
        let queue = Queue { tokens, batches: &batches, next: AtomicUsize::new(0), progress, stop };
        let parts: Vec<Result<Part, (usize, EmbedError)>> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                self.embedders.iter_mut().map(|embedder| scope.spawn(|| queue.work(embedder))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut values = vec![0.0; tokens.len() * dim];
        let mut first_failure: Option<(usize, EmbedError)> = None;
        for part in parts {
            match part {
                Ok((rows, vectors)) => scatter(&rows, &vectors, dim, &mut values),
                Err(failure) if first_failure.as_ref().is_none_or(|first| failure.0 < first.0) => {
                    first_failure = Some(failure);
                }
                Err(_) => {}
            }
        }
        first_failure.map_or_else(|| Ok(Vectors::new(dim, values)), |(_, error)| Err(error))
    }
}

fn scatter(rows: &[usize], vectors: &[f32], dim: usize, values: &mut [f32]) {
    for (row, vector) in rows.iter().zip(vectors.chunks_exact(dim)) {
        values[row * dim..(row + 1) * dim].copy_from_slice(vector);
    }
}

/// The batches of one shard, taken one by one by whichever thread is free.
struct Queue<'a> {
    tokens: &'a Tokens,
    batches: &'a Batches,
    next: AtomicUsize,
    progress: &'a Progress,
    stop: &'a AtomicBool,
}

impl Queue<'_> {
    fn work(&self, embedder: &mut impl Embed) -> Result<Part, (usize, EmbedError)> {
        let (mut done, mut vectors) = (Vec::new(), Vec::new());
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(rows) = self.batches.get(index) else { return Ok((done, vectors)) };
            match self.embed(embedder, rows) {
                Ok(values) => vectors.extend_from_slice(&values),
                Err(error) => {
                    // The other threads finish their batch and find none left.
                    self.next.store(self.batches.len(), Ordering::Relaxed);
                    return Err((index, error.in_shard(rows)));
                }
            }
            done.extend_from_slice(rows);
            self.progress.advance(rows.len() as u64);
        }
    }

    fn embed(&self, embedder: &mut impl Embed, rows: &[usize]) -> Result<Vec<f32>, EmbedError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(EmbedError::Stopped);
        }
        let batch = self.token_batch(rows);
        if batch.num_tokens == 0 {
            return Err(EmbedError::NoTokens { row: 0 });
        }
        let values = embedder.embed(&batch)?;
        metrics::tokens(batch.ids.len() as u64);
        debug_assert_eq!(values.len(), rows.len() * embedder.dim());
        Ok(values)
    }

    fn token_batch(&self, rows: &[usize]) -> TokenBatch {
        let ids = rows.iter().flat_map(|&row| self.tokens.row(row)).map(|id| i64::from(*id)).collect();
        TokenBatch { num_rows: rows.len(), num_tokens: self.tokens.row(rows[0]).len(), ids }
    }
}
