//! A labelling that was finished before → the same labelling, without assigning or counting anything.
//!
//! Labels are read back from the store, what else is known of each row from its object; the vectors by cluster are made
//! anew, since they were in the memory or the scratch folder of a process that is gone.

use std::sync::Arc;

use strata_shared::exit::Failure;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::telemetry::Progress;
use tokio::runtime::Handle;

use super::Labelling;
use super::gathering::Gathering;
use crate::config::{Config, ReduceError};
use crate::corpus::{Columns, Corpus};
use crate::inverted_lists::Place;
use crate::kmeans::Centroids;
use crate::lonely::Bounds;

/// Bytes of one row: its bound, its digest, and whether it is short.
const ROW_BYTES: usize = size_of::<f32>() + size_of::<u64>() + 1;

impl Labelling {
    /// Encodes what is known of each row beside its label: all bounds (f32), all digests (u64), all marks of short rows
    /// (one byte), little-endian.
    #[must_use]
    pub fn encode_rows(&self) -> Vec<u8> {
        let (lowest, digests) = (self.bounds.lowest(), self.bounds.digests());
        let mut bytes = Vec::with_capacity(lowest.len() * ROW_BYTES);
        bytes.extend(lowest.iter().flat_map(|bound| bound.to_le_bytes()));
        bytes.extend(digests.iter().flat_map(|digest| digest.to_le_bytes()));
        bytes.extend(self.short_rows.iter().map(|&short| u8::from(short)));
        bytes
    }

    /// Takes a finished labelling up again: `rows` is what [`Labelling::encode_rows`] made of it.
    ///
    /// # Errors
    /// Shards or labels that cannot be read, or do not fit together; a scratch folder that is full.
    pub async fn again(
        config: &Config,
        corpus: &Corpus,
        run: &RunName,
        (centroids, place): (Arc<Centroids>, Place),
        rows: &[u8],
    ) -> Result<Self, Failure> {
        let num_rows = corpus.num_rows();
        let plan = config.index_plan(num_rows, centroids.dim(), centroids.len())?;
        let (lowest, digests, short_rows) = decode_rows(run, rows, num_rows)?;
        let gathering = Gathering::new(&centroids, num_rows, place, None)?;
        let (source, run, handle) = (corpus.clone(), run.clone(), Handle::current());
        let shards = corpus.stream(Columns::Vectors);
        let made = config.compute(move || {
            let progress = Progress::start("sort", "documents", num_rows as u64);
            let (mut gathering, mut all_labels) = (gathering, Vec::with_capacity(num_rows));
            for rows in shards {
                let rows = rows?;
                let key = layout::labels(&run, rows.shard);
                let labels = handle.block_on(Labels::read(source.store(), &key))?.labels;
                let (found, expected) = (labels.len(), rows.vectors.len());
                if found != expected {
                    let reason = format!("{key}: has {found} rows, expected {expected}; begin anew with --force");
                    return Err(ReduceError::stage("sort", reason).into());
                }
                gathering.add(rows.matrix(), &labels)?;
                all_labels.extend(labels);
                progress.advance(rows.vectors.len() as u64);
            }
            Ok((gathering.finish()?.0, all_labels))
        });
        let (lists, labels) = made.await?;
        let bounds = Bounds::again(config.settings.lonely_k, lowest, digests, labels);
        Ok(Self {
            centroids,
            bounds: Arc::new(bounds),
            short_rows: Arc::new(short_rows),
            lists: Arc::new(lists),
            plan,
            training: None,
            recall: None,
        })
    }
}

/// Bounds, digests, and marks of short rows.
type Rows = (Vec<f32>, Vec<u64>, Vec<bool>);

fn decode_rows(run: &RunName, bytes: &[u8], num_rows: usize) -> Result<Rows, Failure> {
    if bytes.len() != num_rows * ROW_BYTES {
        let (key, found) = (layout::in_run(run, run_file::UNFINISHED_ROWS), bytes.len());
        let reason = format!(
            "{key}: has {found} bytes, expected {ROW_BYTES} for each of {num_rows} rows; begin anew with --force"
        );
        return Err(ReduceError::stage("sort", reason).into());
    }
    let (bounds, rest) = bytes.split_at(num_rows * size_of::<f32>());
    let (digests, short) = rest.split_at(num_rows * size_of::<u64>());
    let bounds = bounds.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let digests = digests.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    Ok((bounds, digests, short.iter().map(|&byte| byte != 0).collect()))
}
