//! Documents → token ids: `title + "\n" + abstract` as the model's own tokenizer reads it, truncated at the model's own
//! maximum.
//!
//! Invariant: row i of the tokens is document i. Which rows share a batch is left to [`crate::batch`].

use std::ops::Range;

use strata_shared::documents::Documents;
use strata_shared::exit::{Classify, Exit};
use strata_shared::model::Model;
use tokenizers::pipeline::{EncodeOptions, Override, PipelineTokenizer};
use tokenizers::{ConvertError, TruncationParams};

/// Why texts could not be tokenised.
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
    /// The tokenizer's file is not one.
    #[error("{file}: is not a tokenizer that this program reads")]
    Convert {
        /// The file.
        file: String,
        /// What the reader says.
        source: ConvertError,
    },
    /// The tokenizer is of a kind that this program does not have.
    #[error("{file}: cannot be used, expected a BPE, Unigram, WordLevel or WordPiece tokenizer")]
    Kind {
        /// The file.
        file: String,
        /// What the reader says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A text cannot be encoded.
    #[error("document {id:?} cannot be tokenised")]
    Encode {
        /// The document.
        id: String,
        /// What the tokenizer says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Classify for TokenizeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Convert { .. } | Self::Kind { .. } => Exit::Configuration,
            Self::Encode { .. } => Exit::Data,
        }
    }
}

/// A model's tokenizer with the model's own settings.
pub struct Tokenizer {
    pipeline: PipelineTokenizer,
    options: EncodeOptions,
    prompt: String,
    lower_case: bool,
}

/// The token ids of a shard's documents, special tokens included, row after row.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

impl Tokens {
    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Tells whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the token ids of `row`.
    #[must_use]
    pub fn row(&self, row: usize) -> &[u32] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.ids[start..self.ends[row]]
    }

    /// Returns the number of tokens of each row.
    #[must_use]
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.len()).map(|row| self.row(row).len()).collect()
    }

    fn push(&mut self, row: impl Iterator<Item = u32>) {
        self.ids.extend(row);
        self.ends.push(self.ids.len());
    }

    fn append(&mut self, rows: &Self) {
        let start = self.ids.len();
        self.ids.extend_from_slice(&rows.ids);
        self.ends.extend(rows.ends.iter().map(|end| start + end));
    }
}

impl Tokenizer {
    /// Opens the tokenizer of `model`.
    ///
    /// # Errors
    /// [`TokenizeError::Convert`] or [`TokenizeError::Kind`] for a file that is no tokenizer, or none of this program's.
    pub fn open(model: &Model) -> Result<Self, TokenizeError> {
        // This program brings its own threads; the library's would come on top of them.
        tokenizers::parallelism::set_num_threads(1);
        let file = || model.tokenizer().display().to_string();
        let canonical = tokenizers::canonicalize_file(model.tokenizer())
            .map_err(|source| TokenizeError::Convert { file: file(), source })?;
        let tokenizer =
            tokenizers::from_json(&canonical).map_err(|error| TokenizeError::Kind { file: file(), source: error })?;
        let truncation = TruncationParams { max_length: model.max_tokens(), ..TruncationParams::default() };
        let options = EncodeOptions {
            truncation: Override::With(truncation),
            padding: Override::Off,
            ..EncodeOptions::default()
        };
        Ok(Self { pipeline: tokenizer, options, prompt: model.prompt().to_owned(), lower_case: model.lower_case() })
    }

    /// Tokenises every document, on `num_threads` threads.
    ///
    /// # Errors
    /// [`TokenizeError::Encode`] names the first document that cannot be encoded.
    pub fn tokenize(&self, documents: &Documents, num_threads: usize) -> Result<Tokens, TokenizeError> {
        let rows_per_thread = documents.len().div_ceil(num_threads.max(1)).max(1);
        let starts = (0..documents.len()).step_by(rows_per_thread);
        let ranges = starts.map(|start| start..documents.len().min(start + rows_per_thread));
        let parts: Vec<Result<Tokens, TokenizeError>> = std::thread::scope(|scope| {
            let threads: Vec<_> = ranges.map(|range| scope.spawn(|| self.tokenize_range(documents, range))).collect();
            threads.into_iter().map(join).collect()
        });
        let mut tokens = Tokens::default();
        for part in parts {
            tokens.append(&part?);
        }
        Ok(tokens)
    }

    fn tokenize_range(&self, documents: &Documents, range: Range<usize>) -> Result<Tokens, TokenizeError> {
        let mut tokens = Tokens::default();
        for row in range {
            let failed = |source| TokenizeError::Encode { id: documents.id(row).to_owned(), source };
            let encoded = self.pipeline.encode(self.text(documents, row), &self.options).wait();
            let encoding = encoded.map_err(failed)?.pop().ok_or_else(|| failed("the tokenizer gave nothing".into()))?;
            tokens.push(encoding.ids().iter().map(|token| token.id()));
        }
        Ok(tokens)
    }

    /// Returns what the model reads of document `row`; sentence-transformers trims and lower-cases in this order.
    fn text(&self, documents: &Documents, row: usize) -> String {
        let text = format!("{}{}\n{}", self.prompt, documents.title(row), documents.abstract_text(row));
        let trimmed = text.trim();
        if self.lower_case { trimmed.to_lowercase() } else { trimmed.to_owned() }
    }
}

/// Returns what a thread returned, or goes on with its panic.
fn join<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
