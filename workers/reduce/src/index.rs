//! The labelled corpus → `index.faiss` in the store, and what is known of it.
//!
//! A flat index is its rows as the store has them, inverted lists are the lists as the labelling left them; both go to the
//! store part by part. An index of a factory string is built by FAISS in memory, from one more reading of the corpus.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use strata_shared::exit::Failure;
use strata_shared::layout::run_file;
use strata_shared::run_record::{IndexRecord, OutputEntry};

use crate::checkpoint::WrittenIndex;
use crate::config::{Config, ReduceError};
use crate::corpus::{Columns, Corpus, ShardStream};
use crate::faiss::{Design, IndexBuilder, IndexPlan, flat_header, list_header, search_file};
use crate::inverted_lists::InvertedLists;
use crate::kmeans::Centroids;
use crate::labelling::{Labelling, Training};
use crate::outputs::{Outputs, Parts, Upload};
use crate::recall::{NEAREST, Queries};
use crate::sample::Sample;

/// Rows of a list that are read at once.
const ROWS_AT_ONCE: usize = 4096;

/// Writes the index beside whatever else is done with the labelled corpus.
///
/// # Errors
/// FAISS, a shard, the scratch folder or the store fails.
pub async fn write(
    config: &Config,
    corpus: &Corpus,
    labelling: &Labelling,
    upload: Upload,
) -> Result<OutputEntry, Failure> {
    let (plan, folder) = (labelling.plan.clone(), config.scratch_folder());
    if plan.design() == Design::Lists {
        let (lists, centroids) = (Arc::clone(&labelling.lists), Arc::clone(&labelling.centroids));
        return upload.write(move |parts| push_lists(&plan, &centroids, &lists, &folder, parts)).await;
    }
    let shards = corpus.stream(Columns::Vectors);
    upload.write(move |parts| push_rows(&plan, shards, &folder, parts)).await
}

/// Whether the index needs nothing that the lonely search needs too, so that both may be done at once.
#[must_use]
pub fn is_streamed(plan: &IndexPlan) -> bool {
    plan.design() != Design::Factory
}

/// Says what is known of an index; `recall` is what a search of it finds.
#[must_use]
pub fn record(plan: &IndexPlan, recall: Option<f64>) -> IndexRecord {
    IndexRecord { factory: plan.factory().to_owned(), nprobe: plan.nprobe(), recall_at_10: recall }
}

fn push_lists(
    plan: &IndexPlan,
    centroids: &Centroids,
    lists: &InvertedLists,
    folder: &Path,
    parts: &mut Parts,
) -> Result<(), Failure> {
    let sizes: Vec<usize> = (0..lists.num_lists()).map(|list| lists.len(list)).collect();
    parts.push(&list_header(plan, centroids.vectors(), &sizes, folder)?);
    for list in 0..lists.num_lists() {
        let mut ids: Vec<u8> = Vec::with_capacity(lists.len(list) * size_of::<u64>());
        lists.read(list, ROWS_AT_ONCE, &mut |block| {
            let codes: Vec<u8> = block.codes.iter().flat_map(|code| code.to_le_bytes()).collect();
            parts.push(&codes);
            ids.extend(block.rows.iter().flat_map(|&row| (row as u64).to_le_bytes()));
            if parts.is_closed() { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
        })?;
        parts.push(&ids);
    }
    Ok(())
}

fn push_rows(plan: &IndexPlan, shards: ShardStream, folder: &Path, parts: &mut Parts) -> Result<(), Failure> {
    parts.push(&flat_header(plan, folder)?);
    for rows in shards {
        let bytes: Vec<u8> = rows?.vectors.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        parts.push(&bytes);
        if parts.is_closed() {
            break;
        }
    }
    Ok(())
}

/// Builds the index of a factory string, writes it, and measures what it finds.
///
/// # Errors
/// FAISS, a shard or the store fails, or the scratch folder is full.
pub async fn build(
    config: &Config,
    corpus: &Corpus,
    labelling: &mut Labelling,
    outputs: &mut Outputs,
) -> Result<WrittenIndex, Failure> {
    let training = labelling.training.take();
    let Training { sample, queries } =
        training.ok_or_else(|| ReduceError::stage("index", "there is no sample to train it on"))?;
    let folder = tempfile::tempdir_in(config.scratch_folder());
    let folder =
        folder.map_err(|error| ReduceError::System { what: "a folder for the index", source: error.into() })?;
    let path = folder.path().join(run_file::INDEX);
    let (plan, threads, shards) = (labelling.plan.clone(), config.threads, corpus.stream(Columns::Vectors));
    let (centroids, written) = (Arc::clone(&labelling.centroids), path.clone());
    config.compute(move || fill(plan, &centroids, sample, threads, shards, &written)).await?;
    let output = outputs.put_file(run_file::INDEX, &path).await?;
    let recall = config.compute(move || measure(&queries, &path)).await?;
    Ok(WrittenIndex { output, record: record(&labelling.plan, Some(recall)) })
}

fn fill(
    plan: IndexPlan,
    centroids: &Centroids,
    sample: Sample,
    threads: usize,
    shards: ShardStream,
    path: &Path,
) -> Result<(), Failure> {
    let mut builder = IndexBuilder::new(plan, centroids.vectors(), sample.vectors.view(), threads)?;
    drop(sample);
    for rows in shards {
        builder.add(rows?.matrix())?;
    }
    builder.write(path)?;
    Ok(())
}

/// Searches the index in the file.
fn measure(queries: &Queries, path: &Path) -> Result<f64, Failure> {
    // A query finds itself, which does not count.
    let found = search_file(path, queries.vectors(), NEAREST + 1)?;
    let others = |query: usize| -> HashSet<u64> {
        let others = found[query].iter().copied().filter(|&row| row != queries.rows()[query]);
        others.take(NEAREST).collect()
    };
    Ok(queries.recall(others))
}
