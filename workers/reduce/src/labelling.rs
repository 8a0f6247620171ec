//! Second pass over the corpus → a label and a similarity for every row, and all that the findings count.
//!
//! Invariant: what is counted does not depend on the order of rows, the cut into shards or the threads. Labels go to the
//! store shard by shard; of a row, only its label, its bound and its digest stay in memory.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use rayon::prelude::*;
use strata_shared::documents::Documents;
use strata_shared::exit::Failure;
use strata_shared::labels::Labels;
use strata_shared::layout::run_file;
use strata_shared::run_record::{ClustersRecord, IndexRecord};
use strata_shared::settings::ReduceSettings;
use strata_shared::table::TableError;
use strata_shared::telemetry::Progress;
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::assign::{Assigned, Inertia, assign};
use crate::config::{Config, ReduceError};
use crate::corpus::{Corpus, ShardRows, ShardStream};
use crate::describe::{Categories, Representatives};
use crate::fading::{Timeline, TimelineBuilder};
use crate::faiss::{IndexBuilder, IndexPlan};
use crate::kmeans::{Centroids, Lowered};
use crate::lonely::{Bounds, References};
use crate::naming::{TermCounts, TopicName, Vocabulary};
use crate::outputs::Outputs;
use crate::sample::Sample;
use crate::survey::Survey;

/// Documents shown of each topic.
const REPRESENTATIVES: usize = 5;

/// Rows of the sample that bound the loneliness of a cluster's rows.
const REFERENCES_PER_CLUSTER: usize = 512;

/// What the second pass found.
#[derive(Debug)]
pub struct Labelling {
    /// Documents of each topic.
    pub sizes: Vec<u64>,
    /// The first and last day of each topic's dated documents.
    pub days: Vec<Option<(NaiveDate, NaiveDate)>>,
    /// Documents by topic and period.
    pub timeline: Timeline,
    /// What each topic is called.
    pub names: Vec<TopicName>,
    /// The documents nearest to each centroid.
    pub representatives: Representatives,
    /// The categories of each topic.
    pub categories: Categories,
    /// A lower bound of each row's k-th similarity, for the lonely search.
    pub bounds: Arc<Bounds>,
    /// Rows with too few words to be listed as lonely.
    pub short_rows: Arc<Vec<bool>>,
    /// Why there are fewer clusters than asked for, if so.
    pub lowered: Option<Lowered>,
    clusters: ClustersRecord,
    inertia: Inertia,
    index: IndexFile,
}

/// The index on local disk, before it is in the store.
#[derive(Debug)]
struct IndexFile {
    folder: TempDir,
    plan: IndexPlan,
}

impl IndexFile {
    fn path_in(folder: &TempDir) -> PathBuf {
        folder.path().join(run_file::INDEX)
    }
}

impl Labelling {
    /// Reads every shard once more, and writes its labels.
    ///
    /// # Errors
    /// A shard that cannot be read, labels that cannot be written, or an index that cannot be built.
    pub async fn make(
        config: &Config,
        corpus: &Corpus,
        survey: Survey,
        outputs: &mut Outputs,
    ) -> Result<Self, Failure> {
        let shards = corpus.stream(true);
        let (sender, mut labels) = mpsc::channel(1);
        let (asked, num_rows) = (config.clone(), corpus.num_rows());
        let counting = config.compute(move || Counting::new(&asked, survey, num_rows)?.finish(shards, &sender));
        // Dropping the receiver when a write fails ends the counting at a closed channel.
        let writing = async move {
            while let Some((shard, bytes)) = labels.recv().await {
                outputs.put_labels(shard, bytes).await?;
            }
            Ok::<_, Failure>(())
        };
        let (written, counted) = tokio::join!(writing, counting);
        written?;
        counted
    }

    /// Returns the sum of squared distances to the centroids.
    #[must_use]
    pub fn inertia(&self) -> f64 {
        self.inertia.total()
    }

    /// Returns how many clusters were asked for and came out.
    #[must_use]
    pub const fn clusters(&self) -> &ClustersRecord {
        &self.clusters
    }

    /// Returns the label of a global row.
    #[must_use]
    pub fn label(&self, row: usize) -> i32 {
        self.bounds.label(row)
    }

    /// Moves the index into the store.
    ///
    /// # Errors
    /// The file cannot be read or the object not written.
    pub async fn write_index(&self, outputs: &mut Outputs) -> Result<IndexRecord, Failure> {
        outputs.put_file(run_file::INDEX, &IndexFile::path_in(&self.index.folder)).await?;
        let plan = &self.index.plan;
        Ok(IndexRecord { factory: plan.factory().to_owned(), nprobe: plan.nprobe() })
    }
}

/// The second pass under way.
struct Counting {
    centroids: Centroids,
    vocabulary: Arc<Vocabulary>,
    lowered: Option<Lowered>,
    clusters: ClustersRecord,
    settings: ReduceSettings,
    folder: TempDir,
    index: IndexBuilder,
    bounds: Bounds,
    timeline: TimelineBuilder,
    representatives: Representatives,
    categories: Categories,
    sizes: Vec<u64>,
    days: Vec<Option<(NaiveDate, NaiveDate)>>,
    short_rows: Vec<bool>,
    inertia: Inertia,
    progress: Progress,
}

impl Counting {
    fn new(config: &Config, survey: Survey, num_rows: usize) -> Result<Self, Failure> {
        let Survey { sample, fit, vocabulary, requested } = survey;
        let (centroids, settings) = (fit.centroids, config.settings.clone());
        let num_topics = centroids.len();
        let plan = config.index_plan(num_rows, centroids.dim(), num_topics)?;
        let folder = tempfile::Builder::new()
            .prefix("strata-index-")
            .tempdir()
            .map_err(|error| ReduceError::System { what: "a temporary folder for the index", source: error.into() })?;
        Ok(Self {
            index: IndexBuilder::new(plan, centroids.vectors(), sample.vectors.view(), config.threads)?,
            bounds: bounds(&sample, &centroids, num_rows, settings.lonely_k),
            timeline: TimelineBuilder::new(settings.period, num_topics),
            representatives: Representatives::new(num_topics, REPRESENTATIVES),
            categories: Categories::new(num_topics),
            sizes: vec![0; num_topics],
            days: vec![None; num_topics],
            short_rows: Vec::with_capacity(num_rows),
            inertia: Inertia::default(),
            progress: Progress::start("label", "documents", num_rows as u64),
            clusters: ClustersRecord { requested, found: num_topics, sample_rows: sample.rows.len() },
            lowered: fit.lowered,
            vocabulary,
            settings,
            centroids,
            folder,
        })
    }

    fn finish(mut self, shards: ShardStream, labels: &mpsc::Sender<(usize, Vec<u8>)>) -> Result<Labelling, Failure> {
        let vocabulary = Arc::clone(&self.vocabulary);
        let counts = TermCounts::new(&vocabulary, self.centroids.len());
        for rows in shards {
            let rows = rows?;
            let assigned = self.take(&rows, &counts)?;
            let encoded = encode_labels(&rows, assigned)?;
            // The store's side has failed and says why itself.
            if labels.blocking_send((rows.shard, encoded)).is_err() {
                break;
            }
            self.progress.advance(rows.vectors.len() as u64);
        }
        let names = counts.names();
        self.conclude(names)
    }

    fn take(&mut self, rows: &ShardRows, counts: &TermCounts<'_>) -> Result<Assigned, Failure> {
        let matrix = rows.matrix();
        let assigned = assign(matrix, &self.centroids);
        self.inertia.add(&assigned);
        self.bounds.add(rows.first_row, matrix, &assigned.labels);
        self.index.add(matrix)?;
        if let Some(documents) = &rows.documents {
            count_terms(counts, documents, &assigned.labels)?;
            for row in 0..documents.len() {
                self.count(documents, row, assigned.labels[row], assigned.similarities[row])?;
            }
        }
        Ok(assigned)
    }

    fn count(&mut self, documents: &Documents, row: usize, label: i32, similarity: f32) -> Result<(), Failure> {
        let topic = label as usize;
        self.sizes[topic] += 1;
        self.representatives.add(topic, similarity, documents.id(row));
        self.categories.add(topic, documents.categories(row));
        let date = documents.created(row).and_then(DateTime::from_timestamp_micros).map(|time| time.date_naive());
        let counted = self.timeline.add(label, date, documents.categories(row));
        counted.map_err(|error| ReduceError::stage("label", error))?;
        if let Some(date) = date {
            let (first, last) = self.days[topic].unwrap_or((date, date));
            self.days[topic] = Some((first.min(date), last.max(date)));
        }
        self.short_rows.push(is_short(documents, row, self.settings.lonely_min_words));
        Ok(())
    }

    fn conclude(self, names: Vec<TopicName>) -> Result<Labelling, Failure> {
        let plan = self.index.write(&IndexFile::path_in(&self.folder))?;
        Ok(Labelling {
            sizes: self.sizes,
            days: self.days,
            timeline: self.timeline.finish(self.settings.until_date()),
            names,
            representatives: self.representatives,
            categories: self.categories,
            bounds: Arc::new(self.bounds),
            short_rows: Arc::new(self.short_rows),
            lowered: self.lowered,
            clusters: self.clusters,
            inertia: self.inertia,
            index: IndexFile { folder: self.folder, plan },
        })
    }
}

fn bounds(sample: &Sample, centroids: &Centroids, num_rows: usize, neighbours: usize) -> Bounds {
    let labels = assign(sample.vectors.view(), centroids).labels;
    let references =
        References::new(centroids.len(), REFERENCES_PER_CLUSTER, &sample.rows, &labels, sample.vectors.view());
    Bounds::new(references, num_rows, neighbours)
}

fn count_terms(counts: &TermCounts<'_>, documents: &Documents, labels: &[i32]) -> Result<(), ReduceError> {
    let part = labels.len().div_ceil(rayon::current_num_threads()).max(1);
    labels.par_chunks(part).enumerate().try_for_each(|(at, labels)| {
        let mut terms = counts.counter();
        labels.iter().enumerate().try_for_each(|(offset, &label)| {
            let row = at * part + offset;
            let counted = terms.count(label as usize, documents.title(row), documents.abstract_text(row));
            counted.map_err(|error| ReduceError::stage("label", error))
        })
    })
}

fn encode_labels(rows: &ShardRows, assigned: Assigned) -> Result<Vec<u8>, TableError> {
    Labels { ids: rows.ids.clone(), labels: assigned.labels, similarities: assigned.similarities }.encode()
}

fn is_short(documents: &Documents, row: usize, min_words: usize) -> bool {
    let words = documents.title(row).split_whitespace().chain(documents.abstract_text(row).split_whitespace());
    min_words > 0 && words.take(min_words).count() < min_words
}
