//! Second pass over the corpus → a label and a similarity for every row, and all that the findings count.
//!
//! The pass is limited by arithmetic: shards are read and decoded ahead, and what is counted of a shard's documents is
//! counted on a thread of its own while the next shard is assigned. Labels go to the store shard by shard, vectors into
//! the inverted lists portion by portion.
//!
//! Invariant: what is counted does not depend on the order of rows, the cut into shards or the threads. Of a row, its
//! label, its bound, its digest and whether it is short stay in memory; its texts only where they name its topic.

mod again;
mod counting;
mod gathering;

use std::sync::Arc;
use std::sync::mpsc as blocking;

use arrow::array::StringArray;
use chrono::NaiveDate;
use strata_shared::documents::Documents;
use strata_shared::exit::Failure;
use strata_shared::telemetry::Progress;
use tokio::sync::mpsc;

use crate::assign::{Assigned, Inertia, assign_metered};
use crate::config::{Config, ReduceError};
use crate::corpus::{Columns, Corpus, ShardRows, ShardStream};
use crate::describe::{Categories, Representatives};
use crate::fading::Timeline;
use crate::faiss::IndexPlan;
use crate::inverted_lists::{InvertedLists, Place};
use crate::kmeans::Centroids;
use crate::lonely::Bounds;
use crate::meter::Meter;
use crate::naming::TopicName;
use crate::outputs::Outputs;
use crate::recall::{Queries, Recall};
use crate::sample::{Roll, Sample, SampleError};

use counting::Counting;
use gathering::{Gathering, Measured};

/// Shards that wait to be counted while the next one is assigned.
const SHARDS_UNCOUNTED: usize = 1;

/// What the second pass found.
#[derive(Debug)]
pub struct Labelling {
    /// The centres that labels refer to.
    pub centroids: Arc<Centroids>,
    /// A lower bound of each row's k-th similarity, for the lonely search.
    pub bounds: Arc<Bounds>,
    /// Rows with too few words to be listed as lonely.
    pub short_rows: Arc<Vec<bool>>,
    /// The vectors by cluster.
    pub lists: Arc<InvertedLists>,
    /// Which index there will be.
    pub plan: IndexPlan,
    /// What FAISS builds an index with, where it is to build one.
    pub training: Option<Training>,
    /// The part of the nearest rows that a search of any other index finds; unknown where the labelling was taken up again.
    pub recall: Option<f64>,
}

/// What FAISS builds an index with.
#[derive(Debug)]
pub struct Training {
    /// The sample that it is trained on.
    pub sample: Sample,
    /// What it is measured by.
    pub queries: Queries,
}

/// What the second pass is given.
#[derive(Debug)]
pub struct Question {
    /// The k-means sample.
    pub sample: Sample,
    /// The centres that rows are assigned to.
    pub centroids: Arc<Centroids>,
    /// Where vectors by cluster are kept.
    pub place: Place,
}

/// What was counted of the documents.
#[derive(Debug)]
pub struct Counts {
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
    /// The sum of squared distances to the centroids.
    pub inertia: f64,
    /// Rows with too few words to be listed as lonely.
    short_rows: Vec<bool>,
}

impl Labelling {
    /// Reads every shard once more, and writes its labels.
    ///
    /// # Errors
    /// A shard that cannot be read or has changed, labels that cannot be written, or a scratch folder that is full.
    pub async fn make(
        config: &Config,
        corpus: &Corpus,
        question: Question,
        outputs: &mut Outputs,
    ) -> Result<(Self, Counts), Failure> {
        let shards = corpus.stream(Columns::All);
        let (sender, mut labels) = mpsc::channel(1);
        let (asked, source) = (config.clone(), corpus.clone());
        let labelling = config.compute(move || {
            let counting = Counting::new(&asked.settings, question.centroids.len(), source.num_rows());
            Pass::new(&asked, &source, question)?.run(shards, counting, &sender)
        });
        // Dropping the receiver when a write fails ends the counting at a closed channel.
        let writing = async move {
            while let Some((shard, bytes)) = labels.recv().await {
                outputs.put_labels(shard, bytes).await?;
            }
            Ok::<_, Failure>(())
        };
        let (written, made) = tokio::join!(writing, labelling);
        written?;
        made
    }

    /// Returns the label of a global row.
    #[must_use]
    pub fn label(&self, row: usize) -> i32 {
        self.bounds.label(row)
    }

    /// Returns the number of rows with too few words to be listed as lonely.
    #[must_use]
    pub fn num_short(&self) -> u64 {
        self.short_rows.iter().filter(|&&short| short).count() as u64
    }
}

/// Encoded labels on their way to the store: the shard's number and its table.
type LabelSender = mpsc::Sender<(usize, Vec<u8>)>;

/// The second pass under way.
struct Pass {
    corpus: Corpus,
    centroids: Arc<Centroids>,
    roll: Roll,
    sample: Option<Sample>,
    plan: IndexPlan,
    gathering: Gathering,
    inertia: Inertia,
    progress: Progress,
    meter: Meter,
}

impl Pass {
    fn new(config: &Config, corpus: &Corpus, question: Question) -> Result<Self, Failure> {
        let Question { sample, centroids, place } = question;
        let (num_rows, meter) = (corpus.num_rows(), corpus.meter().clone());
        let plan = config.index_plan(num_rows, centroids.dim(), centroids.len())?;
        let of_search = (num_rows, config.settings.lonely_k);
        let measured = Measured::new(&sample, &centroids, &plan, of_search, meter.clone());
        Ok(Self {
            corpus: corpus.clone(),
            gathering: Gathering::new(&centroids, num_rows, place, Some(measured))?,
            inertia: Inertia::default(),
            progress: Progress::start("label", "documents", num_rows as u64),
            roll: sample.roll(sample.rows.len() == num_rows),
            sample: plan.is_trained_on_sample().then_some(sample),
            plan,
            centroids,
            meter,
        })
    }

    /// Assigns on this thread and its rayon pool, and counts on another.
    fn run(
        mut self,
        shards: ShardStream,
        counting: Counting,
        labels: &LabelSender,
    ) -> Result<(Labelling, Counts), Failure> {
        let (sender, receiver) = blocking::sync_channel(SHARDS_UNCOUNTED);
        let span = tracing::Span::current();
        let (assigned, counted) = std::thread::scope(|scope| {
            let counter = scope.spawn(|| span.in_scope(|| counting.count(receiver, labels)));
            let assigned = self.assign_all(shards, &sender);
            drop(sender);
            (assigned, counter.join())
        });
        let counting = counted.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        assigned?;
        self.conclude(counting)
    }

    fn assign_all(&mut self, shards: ShardStream, sender: &blocking::SyncSender<Labelled>) -> Result<(), Failure> {
        for rows in shards {
            let rows = rows?;
            let assigned = self.assign(&rows)?;
            let num_rows = rows.vectors.len() as u64;
            let ShardRows { shard, ids, documents, .. } = rows;
            // The counting has ended early, and says why itself.
            if sender.send(Labelled { shard, ids, documents, assigned }).is_err() {
                return Ok(());
            }
            self.progress.advance(num_rows);
        }
        Ok(())
    }

    fn assign(&mut self, rows: &ShardRows) -> Result<Assigned, Failure> {
        for row in 0..rows.vectors.len() {
            let called = self.roll.call(rows.ids.value(row), (rows.first_row + row) as u64, rows.vectors.row(row));
            called.map_err(|error| match error {
                SampleError::Changed { row } => self.corpus.changed(row as usize),
                other => ReduceError::stage("label", other),
            })?;
        }
        let assigned = assign_metered(rows.matrix(), &self.centroids, &self.meter);
        self.inertia.add(&assigned);
        self.gathering.add(rows.matrix(), &assigned.labels)?;
        Ok(assigned)
    }

    fn conclude(self, counting: Counting) -> Result<(Labelling, Counts), Failure> {
        let (lists, measured) = self.gathering.finish()?;
        let Measured { bounds, recall, .. } =
            measured.ok_or_else(|| ReduceError::stage("label", "nothing was measured"))?;
        drop((self.roll, self.progress));
        let mut counts = counting.conclude(self.inertia.total());
        let training = self.sample.zip(recall.as_ref().map(Recall::queries));
        let labelling = Labelling {
            recall: training.is_none().then(|| recall.map_or(1.0, |recall| recall.of_index())),
            training: training.map(|(sample, queries)| Training { sample, queries }),
            centroids: self.centroids,
            bounds: Arc::new(bounds),
            short_rows: Arc::new(std::mem::take(&mut counts.short_rows)),
            lists: Arc::new(lists),
            plan: self.plan,
        };
        Ok((labelling, counts))
    }
}

/// A shard, its vectors gone, with what the assignment made of it.
struct Labelled {
    shard: usize,
    ids: StringArray,
    documents: Option<Documents>,
    assigned: Assigned,
}
