//! The lonely search over the store → the list as its table has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use strata_shared::documents::Document;
use strata_shared::exit::{Classify, Failure};
use strata_shared::findings::LonelyDocument;
use strata_shared::run_record::LonelyRecord;
use strata_shared::table::TableError;

use crate::config::{Config, ReduceError};
use crate::corpus::Corpus;
use crate::labelling::Labelling;
use crate::lonely::{Certificate, Entry, Lonely, LonelyError, MAX_OPERATIONS, Settings, search};

/// What the search found, with the documents that it names.
#[derive(Debug)]
pub struct LonelyList {
    /// How the list was come by.
    pub certificate: Certificate,
    /// The neighbour that decided.
    pub neighbours: usize,
    entries: Vec<Entry>,
    documents: BTreeMap<usize, Document>,
}

/// Searches the corpus for its loneliest documents, and reads what they are.
///
/// # Errors
/// A shard that cannot be read any more.
pub async fn make(config: &Config, corpus: &Corpus, labelling: &Labelling) -> Result<LonelyList, Failure> {
    let (source, bounds, short) = (corpus.source(), Arc::clone(&labelling.bounds), Arc::clone(&labelling.short_rows));
    let max_operations = if config.lonely_exhaustive { u64::MAX } else { MAX_OPERATIONS };
    let (neighbours, want) = (config.settings.lonely_k, config.settings.lonely);
    let settings = Settings { neighbours, want, max_operations, ..Settings::default() };
    let (lists, centroids, asked) = (Arc::clone(&labelling.lists), Arc::clone(&labelling.centroids), corpus.clone());
    let found = config
        .compute(move || {
            let found = search(&source, &lists, &bounds, centroids.vectors(), &|row| !short[row], settings);
            found.map_err(|error| failure(error, &asked))
        })
        .await?;
    let Lonely { entries, neighbours, certificate } = found;
    // Those of the bounds were counted as the portions passed.
    corpus.meter().computed(certificate.search_operations());
    let rows = entries.iter().flat_map(|entry| [entry.row, entry.nearest_row]);
    let documents = corpus.documents(rows).await?;
    Ok(LonelyList { certificate, neighbours, entries, documents })
}

fn failure(error: LonelyError<TableError>, corpus: &Corpus) -> Failure {
    match error {
        LonelyError::Changed { row } => corpus.changed(row).into(),
        LonelyError::Source(error) | LonelyError::Ids(error) => Failure::new(error.exit(), error),
        LonelyError::Lists(error) => error.into(),
        cost @ LonelyError::Cost { .. } => Failure::new(cost.exit(), cost),
        other => ReduceError::stage("lonely", other).into(),
    }
}

impl LonelyList {
    /// Returns the list as its table has it, loneliest first.
    ///
    /// # Panics
    /// Never: the documents of every entry were read.
    #[must_use]
    pub fn table(&self, labelling: &Labelling) -> Vec<LonelyDocument> {
        self.entries.iter().enumerate().map(|(at, entry)| self.row(at, entry, labelling)).collect()
    }

    fn row(&self, at: usize, entry: &Entry, labelling: &Labelling) -> LonelyDocument {
        let (document, nearest) = (&self.documents[&entry.row], &self.documents[&entry.nearest_row]);
        LonelyDocument {
            rank: at as i32 + 1,
            id: document.id.clone(),
            title: document.title.clone(),
            created: document.created.and_then(DateTime::from_timestamp_micros),
            categories: document.categories.clone(),
            label: labelling.label(entry.row),
            similarity: entry.similarity as f32,
            nearest_id: Some(nearest.id.clone()),
            nearest_title: Some(nearest.title.clone()),
            nearest_similarity: Some(entry.nearest_similarity as f32),
        }
    }

    /// Returns what the run's record keeps of the search.
    #[must_use]
    pub fn record(&self, labelling: &Labelling) -> LonelyRecord {
        LonelyRecord {
            k: self.neighbours,
            listed: self.entries.len(),
            cutoff: self.certificate.cutoff,
            too_short: labelling.num_short(),
        }
    }
}
