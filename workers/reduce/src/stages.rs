//! The stages of a reduce, each of them done or taken up from an earlier reduce that was not finished.

use std::sync::Arc;

use ndarray::Array2;
use strata_shared::centroids;
use strata_shared::exit::Failure;
use strata_shared::findings::{encode_lonely, encode_timeline, encode_topics};
use strata_shared::layout::{self, FORMAT, RunName, run_file};
use strata_shared::run_record::{ClustersRecord, IndexRecord, LonelyRecord, OutputEntry, PredecessorRecord, RunRecord};

use crate::checkpoint::{Checkpoint, Clustered, Labelled, ListedLonely, WrittenIndex};
use crate::config::{Config, ReduceError};
use crate::corpus::Corpus;
use crate::faiss::IndexPlan;
use crate::findings::Origin;
use crate::inverted_lists::Place;
use crate::kmeans::Centroids;
use crate::labelling::{Counts, Labelling, Question, Training};
use crate::lineage::{self, Following, Traced};
use crate::lonely::Certificate;
use crate::lonely_list;
use crate::measurements::Stopwatch;
use crate::outputs::Outputs;
use crate::recall::Queries;
use crate::sample::Sample;
use crate::survey::{self, Start, Survey};
use crate::{findings, index};

/// A reduce under way.
#[derive(Debug)]
pub struct Stages {
    config: Config,
    corpus: Corpus,
    run: RunName,
    place: Place,
    following: Option<Following>,
    outputs: Outputs,
    checkpoint: Checkpoint,
    stopwatch: Stopwatch,
}

/// Centroids, and what led to them.
#[derive(Debug)]
pub struct Clustering {
    centroids: Arc<Centroids>,
    clusters: ClustersRecord,
    lowered: Option<String>,
    predecessor: Option<PredecessorRecord>,
    sample_sha256: String,
    /// The sample, where it was drawn just now.
    sample: Option<Sample>,
}

impl Stages {
    /// Begins, or takes up what is there.
    ///
    /// # Errors
    /// The run's folder belongs to another question, or the store fails.
    pub async fn begin(
        config: &Config,
        corpus: &Corpus,
        run: &RunName,
        (place, following): (Place, Option<Following>),
    ) -> Result<Self, Failure> {
        let peak = config.compute(|| Ok(crate::meter::peak_operations())).await?;
        let meter = corpus.meter().clone();
        let checkpoint = Checkpoint::open(config, corpus, run, following.as_ref()).await?;
        Ok(Self {
            outputs: Outputs::new(checkpoint.claim(), meter.clone()),
            checkpoint,
            stopwatch: Stopwatch::start(config.threads, peak, meter),
            config: config.clone(),
            corpus: corpus.clone(),
            run: run.clone(),
            place,
            following,
        })
    }

    /// Draws the sample and clusters it.
    ///
    /// # Errors
    /// A shard cannot be read, k-means fails, or the store does.
    pub async fn cluster(&mut self) -> Result<Clustering, Failure> {
        let earlier = self.checkpoint.clustered().await?;
        if let Some(earlier) = earlier.clone().filter(|_| self.checkpoint.has_confirmed_sample()) {
            return self.take_up(earlier, None).await;
        }
        // What was drawn before may have been drawn from shards that were broken.
        let sample = self.draw().await?;
        match earlier {
            Some(earlier) if earlier.sample_sha256 == sample.sha256() => self.take_up(earlier, Some(sample)).await,
            _ => self.cluster_sample(sample).await,
        }
    }

    async fn take_up(&mut self, earlier: Clustered, sample: Option<Sample>) -> Result<Clustering, Failure> {
        let Clustered { output, clusters, lowered, predecessor, sample_sha256 } = earlier;
        let key = layout::in_run(&self.run, run_file::CENTROIDS);
        let values = centroids::read(self.corpus.store(), &key, self.corpus.dim()).await?;
        self.outputs.remember(output);
        let centroids = Arc::new(matrix(values, &self.corpus)?);
        Ok(Clustering { centroids, clusters, lowered, predecessor, sample_sha256, sample })
    }

    async fn cluster_sample(&mut self, sample: Sample) -> Result<Clustering, Failure> {
        let sample_sha256 = sample.sha256();
        let Self { config, corpus, run, outputs, checkpoint, stopwatch, following, .. } = self;
        let start = following.as_ref().map_or(Start::Afresh, Following::start);
        let work = async {
            let survey = Survey::make(config, corpus, sample, start).await?;
            replace(config, corpus, run, checkpoint).await?;
            let output = outputs.put(run_file::CENTROIDS, survey::encode_centroids(&survey.fit.centroids)?).await?;
            Ok::<_, Failure>((survey, output))
        };
        let (Survey { sample, fit, requested, start }, output) =
            stopwatch.stage("k-means", corpus.num_rows(), work).await?;
        let (found, sample_rows) = (fit.centroids.len(), sample.rows.len());
        let clusters = ClustersRecord { requested, found, sample_rows };
        let (centroids, lowered) = (Arc::new(fit.centroids), fit.lowered.map(|lowered| lowered.to_string()));
        let predecessor = following.as_ref().zip(start);
        let predecessor = predecessor.map(|(following, start)| following.to_record(start.is_kept, start.excess));
        let clustered = Clustered { output, sample_sha256, clusters, lowered, predecessor };
        checkpoint.finish_clustering(clustered.clone()).await?;
        let Clustered { sample_sha256, clusters, lowered, predecessor, .. } = clustered;
        Ok(Clustering { centroids, clusters, lowered, predecessor, sample_sha256, sample: Some(sample) })
    }

    async fn draw(&mut self) -> Result<Sample, Failure> {
        let work = survey::draw(&self.config, &self.corpus);
        self.stopwatch.stage("sample", self.corpus.num_rows(), work).await
    }

    /// Labels every document, and finds what topics there are and how they change.
    ///
    /// # Errors
    /// A shard cannot be read or has changed, the scratch folder is full, or the store fails.
    pub async fn label(&mut self, clustering: &mut Clustering) -> Result<(Labelling, Labelled), Failure> {
        let (num_rows, centroids) = (self.corpus.num_rows(), Arc::clone(&clustering.centroids));
        if let Some(earlier) = self.label_again(clustering).await? {
            return Ok(earlier);
        }
        let sample = self.sample(clustering).await?;
        self.checkpoint.confirm().await?;
        let question = Question { sample, centroids, place: self.place.clone() };
        let num_earlier = self.outputs.len();
        let work = Labelling::make(&self.config, &self.corpus, question, &mut self.outputs);
        let (labelling, mut counts) = self.stopwatch.stage("labels", num_rows, work).await?;
        let traced = self.trace(clustering, &mut counts).await?;
        let work = async {
            let (lowered, predecessor) = (clustering.lowered.as_deref(), clustering.predecessor.as_ref());
            let origin = Origin { lowered, predecessor, identities: &traced.lineage.topics };
            let findings = findings::make(&self.config, &self.corpus, &counts, origin).await?;
            self.outputs.put(run_file::TOPICS, encode_topics(&findings.topics)?).await?;
            self.outputs.put(run_file::TIMELINE, encode_timeline(&findings.timeline)?).await?;
            Ok::<_, Failure>(findings)
        };
        let findings = self.stopwatch.stage("findings", num_rows, work).await?;
        let labelled = Labelled {
            outputs: self.outputs.since(num_earlier),
            rows: self.checkpoint.put_rows(labelling.encode_rows()).await?,
            inertia: counts.inertia,
            recall: labelling.recall,
            nearest: labelling.training.as_ref().map(|training| training.queries.nearest().to_vec()),
            periods: findings.periods,
            notes: findings.notes,
            traced,
        };
        self.checkpoint.finish_labelling(labelled.clone()).await?;
        Ok((labelling, labelled))
    }

    /// Matches topics with those of the run that is followed, whose names they keep.
    async fn trace(&mut self, clustering: &Clustering, counts: &mut Counts) -> Result<Traced, Failure> {
        let Some(following) = &self.following else { return Ok(Traced::first(counts.sizes.len())) };
        let (store, labels) = (self.corpus.store(), self.outputs.labels());
        let work = following.trace(store, &labels, &clustering.centroids, &counts.sizes);
        let traced = self.stopwatch.stage("lineage", self.corpus.num_rows(), work).await?;
        lineage::keep_names(&mut counts.names, &traced.lineage.topics, &following.topics);
        Ok(traced)
    }

    /// Compares the run with the one that it follows, and writes what changed.
    ///
    /// # Errors
    /// A table cannot be read, or the store fails.
    pub async fn compare(&mut self, labelled: &Labelled, lonely: &LonelyRecord) -> Result<(), Failure> {
        let Some(following) = &self.following else { return Ok(()) };
        let labels = self.outputs.labels();
        let (store, outputs) = (self.corpus.store(), &mut self.outputs);
        let work = async {
            let traced = (&labelled.traced, labels.as_slice());
            let asked = (&self.config.settings, lonely);
            let changes = lineage::encode_changes(store, &self.run, following, traced, asked).await?;
            outputs.put(run_file::CHANGES, changes).await
        };
        self.stopwatch.stage("changes", self.corpus.num_rows(), work).await.map(drop)
    }

    /// Takes up labels that were made before, if they were and their index can still be made.
    async fn label_again(&mut self, clustering: &mut Clustering) -> Result<Option<(Labelling, Labelled)>, Failure> {
        let Some((labelled, rows)) = self.checkpoint.labelled().await? else { return Ok(None) };
        let (num_rows, centroids) = (self.corpus.num_rows(), Arc::clone(&clustering.centroids));
        let plan = self.config.index_plan(num_rows, centroids.dim(), centroids.len())?;
        let is_trained = !index::is_streamed(&plan) && self.checkpoint.index().await?.is_none();
        let training = if is_trained { self.training(clustering, &labelled).await? } else { None };
        if is_trained && training.is_none() {
            return Ok(None);
        }
        let work = Labelling::again(&self.config, &self.corpus, &self.run, (centroids, self.place.clone()), &rows);
        let labelling = self.stopwatch.stage("sort", num_rows, work).await?;
        labelled.outputs.iter().for_each(|output| self.outputs.remember(output.clone()));
        Ok(Some((Labelling { training, ..labelling }, labelled)))
    }

    /// Returns what FAISS builds an index with, if the sample is the one that was clustered.
    async fn training(
        &mut self,
        clustering: &mut Clustering,
        labelled: &Labelled,
    ) -> Result<Option<Training>, Failure> {
        let Some(nearest) = labelled.nearest.clone() else { return Ok(None) };
        let sample = self.sample(clustering).await?;
        if sample.sha256() != clustering.sample_sha256 {
            // Making labels again finds out which row has changed.
            clustering.sample = Some(sample);
            return Ok(None);
        }
        let queries = Queries::again(&sample, nearest);
        Ok(Some(Training { sample, queries }))
    }

    /// Returns the sample, drawn again if need be.
    async fn sample(&mut self, clustering: &mut Clustering) -> Result<Sample, Failure> {
        match clustering.sample.take() {
            Some(sample) => Ok(sample),
            None => self.draw().await,
        }
    }

    /// Searches for the lonely and writes the index, side by side where the index is not built in memory.
    ///
    /// # Errors
    /// The search or FAISS fails, a shard cannot be read, or the store fails.
    pub async fn conclude(
        &mut self,
        mut labelling: Labelling,
        labelled: &Labelled,
    ) -> Result<(LonelyRecord, IndexRecord), Failure> {
        self.checkpoint.confirm().await?;
        if !index::is_streamed(&labelling.plan) {
            let lonely = self.lonely(&labelling).await?;
            return Ok((lonely, self.build_index(&mut labelling).await?));
        }
        if self.checkpoint.index().await?.is_some() || self.checkpoint.lonely().await?.is_some() {
            let lonely = self.lonely(&labelling).await?;
            return Ok((lonely, self.index(&labelling, labelled).await?));
        }
        let Self { config, corpus, outputs, .. } = self;
        let upload = outputs.begin(run_file::INDEX);
        let both = async {
            // Neither is cut off where the other fails, and what ends well is remembered.
            Ok::<_, Failure>(tokio::join!(
                list_lonely(config, corpus, outputs, &labelling),
                index::write(config, corpus, &labelling, upload)
            ))
        };
        let (lonely, index) = self.stopwatch.stage("lonely and index", corpus.num_rows(), both).await?;
        let index = match index {
            Ok(output) => Ok(self.finish_index(output, &labelling.plan, labelled).await?),
            Err(error) => Err(error),
        };
        let lonely = match lonely {
            Ok(listed) => Ok(self.finish_lonely(listed).await?),
            Err(error) => Err(error),
        };
        Ok((lonely?, index?))
    }

    async fn lonely(&mut self, labelling: &Labelling) -> Result<LonelyRecord, Failure> {
        if let Some(ListedLonely { output, record }) = self.checkpoint.lonely().await? {
            self.outputs.remember(output);
            return Ok(record);
        }
        let work = list_lonely(&self.config, &self.corpus, &mut self.outputs, labelling);
        let listed = self.stopwatch.stage("lonely", self.corpus.num_rows(), work).await?;
        self.finish_lonely(listed).await
    }

    async fn finish_lonely(
        &mut self,
        (listed, certificate): (ListedLonely, Certificate),
    ) -> Result<LonelyRecord, Failure> {
        self.stopwatch.certificate(&certificate);
        self.checkpoint.finish_lonely(listed.clone()).await?;
        Ok(listed.record)
    }

    async fn index(&mut self, labelling: &Labelling, labelled: &Labelled) -> Result<IndexRecord, Failure> {
        if let Some(WrittenIndex { output, record }) = self.checkpoint.index().await? {
            self.outputs.remember(output);
            return Ok(record);
        }
        let work = index::write(&self.config, &self.corpus, labelling, self.outputs.begin(run_file::INDEX));
        let output = self.stopwatch.stage("index", self.corpus.num_rows(), work).await?;
        self.finish_index(output, &labelling.plan, labelled).await
    }

    async fn finish_index(
        &mut self,
        output: OutputEntry,
        plan: &IndexPlan,
        labelled: &Labelled,
    ) -> Result<IndexRecord, Failure> {
        self.outputs.remember(output.clone());
        let record = index::record(plan, labelled.recall);
        self.checkpoint.finish_index(WrittenIndex { output, record: record.clone() }).await?;
        Ok(record)
    }

    async fn build_index(&mut self, labelling: &mut Labelling) -> Result<IndexRecord, Failure> {
        if let Some(WrittenIndex { output, record }) = self.checkpoint.index().await? {
            self.outputs.remember(output);
            return Ok(record);
        }
        let work = index::build(&self.config, &self.corpus, labelling, &mut self.outputs);
        let index = self.stopwatch.stage("index", self.corpus.num_rows(), work).await?;
        self.checkpoint.finish_index(index.clone()).await?;
        Ok(index.record)
    }

    /// Writes the measurements and, last of all, the run's record, which it returns.
    ///
    /// # Errors
    /// The run's folder was taken for another question, or the store fails.
    pub async fn finish(
        self,
        clustering: Clustering,
        labelled: Labelled,
        (lonely, index): (LonelyRecord, IndexRecord),
    ) -> Result<RunRecord, Failure> {
        self.checkpoint.confirm().await?;
        let measurements = self.stopwatch.encode();
        self.corpus.store().put(&layout::in_run(&self.run, run_file::MEASUREMENTS), measurements).await?;
        let record = RunRecord {
            format: FORMAT,
            run: self.run.to_string(),
            vectors_of: self.corpus.model().to_string(),
            generation: self.corpus.generation(),
            manifest_sha256: self.corpus.manifest_sha256().to_owned(),
            parameters: self.config.settings,
            predecessor: clustering.predecessor,
            rows: self.corpus.num_rows() as u64,
            dim: self.corpus.dim(),
            inertia: labelled.inertia,
            clusters: clustering.clusters,
            next_topic_id: Some(labelled.traced.lineage.next_topic_id),
            index,
            lonely,
            periods: labelled.periods,
            notes: labelled.notes,
            outputs: self.outputs.finish(),
        };
        self.checkpoint.claim().announce(&record).await?;
        Ok(record)
    }
}

/// Makes sure that the objects of the run may be replaced; until here a finished run stays what it was.
///
/// Its page, which is drawn only where there is none, goes first, and with it what somebody was told of the run as it was.
async fn replace(config: &Config, corpus: &Corpus, run: &RunName, checkpoint: &Checkpoint) -> Result<(), Failure> {
    if !config.force && crate::is_finished(config, corpus, run).await? {
        return Err(ReduceError::FinishedMeanwhile { run: run.clone() }.into());
    }
    checkpoint.confirm().await?;
    for file in [run_file::NOTIFIED, run_file::REPORT, run_file::RECORD] {
        corpus.store().delete(&layout::in_run(run, file)).await?;
    }
    Ok(())
}

/// Searches for the lonely and writes their table.
async fn list_lonely(
    config: &Config,
    corpus: &Corpus,
    outputs: &mut Outputs,
    labelling: &Labelling,
) -> Result<(ListedLonely, Certificate), Failure> {
    let lonely = lonely_list::make(config, corpus, labelling).await?;
    let output = outputs.put(run_file::LONELY, encode_lonely(&lonely.table(labelling))?).await?;
    Ok((ListedLonely { output, record: lonely.record(labelling) }, lonely.certificate))
}

fn matrix(values: Vec<f32>, corpus: &Corpus) -> Result<Centroids, ReduceError> {
    let shape = (values.len() / corpus.dim(), corpus.dim());
    let vectors = Array2::from_shape_vec(shape, values).map_err(|error| ReduceError::stage("k-means", error))?;
    Ok(Centroids::new(vectors))
}
