//! Finished stages of a run that is not finished → `unfinished.json` and what a reduce that is started again takes from it.
//!
//! A stage is finished once its objects are in the store and the checkpoint names them with their sha256. Whoever goes on
//! reads them back and compares; a stage whose objects are not what they were is done again, and all after it.
//!
//! Where FAISS is to build the index, it is trained on the sample, which is drawn again and must have the sha256 of the one that
//! was clustered, and measured by neighbours that the labels' stage has found: these are kept here.
//!
//! Invariant: a run's folder belongs to one question. Another one under the same name is refused as long as this one is
//! not finished, and two reduces of the same question that follow the same run write the same bytes, so that it does not matter
//! who is first. What was made of other vectors, as shards that were broken and have been mended, is never taken up.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use strata_shared::digest;
use strata_shared::exit::Failure;
use strata_shared::layout::{self, FORMAT, RunName, run_file};
use strata_shared::run_record::{
    ClustersRecord, IndexRecord, LonelyRecord, OutputEntry, PeriodsRecord, PredecessorRecord, RunRecord,
};
use strata_shared::settings::ReduceSettings;
use strata_shared::store::{Store, StoreError};
use tokio::sync::OnceCell;

use crate::config::{Config, ReduceError};
use crate::corpus::Corpus;
use crate::lineage::{Following, Traced};

/// What a run is to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    manifest_sha256: String,
    vectors_of: String,
    parameters: ReduceSettings,
}

/// The run that is followed: an input, which is found anew each time that a reduce begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Followed {
    run: String,
    centroids_sha256: String,
    /// Absent in those of before it was noted.
    #[serde(default)]
    topics_sha256: Option<String>,
}

impl Followed {
    fn by(record: &RunRecord) -> Option<Self> {
        let predecessor = record.predecessor.as_ref()?;
        let PredecessorRecord { run, centroids_sha256, topics_sha256, .. } = predecessor.clone();
        Some(Self { run, centroids_sha256, topics_sha256 })
    }
}

/// What this version makes of a question; to be raised with whatever changes the bytes of an object.
const METHOD: u32 = 5;

/// The stages that are finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    format: u32,
    /// Absent in those of before it was noted.
    #[serde(default)]
    method: u32,
    question: Question,
    /// What the footers of all shards say of their contents.
    vectors_sha256: String,
    follows: Option<Followed>,
    clustered: Option<Clustered>,
    labelled: Option<Labelled>,
    lonely: Option<ListedLonely>,
    index: Option<WrittenIndex>,
}

impl Progress {
    /// Nothing is finished.
    const fn begin(question: Question, vectors_sha256: String, follows: Option<Followed>) -> Self {
        let (format, method) = (FORMAT, METHOD);
        let (clustered, labelled, lonely, index) = (None, None, None, None);
        Self { format, method, question, vectors_sha256, follows, clustered, labelled, lonely, index }
    }
}

/// The centroids are in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clustered {
    /// `centroids.parquet`.
    pub output: OutputEntry,
    /// The sample that they were made of, which was held to nothing when it was read.
    pub sample_sha256: String,
    /// How clusters came out.
    pub clusters: ClustersRecord,
    /// Why they are fewer than asked for, if so.
    pub lowered: Option<String>,
    /// The run that is followed, and how the clustering came out.
    pub predecessor: Option<PredecessorRecord>,
}

/// Labels, topics and timeline are in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    /// They, and the label shards.
    pub outputs: Vec<OutputEntry>,
    /// What the lonely search needs to know of each row.
    pub rows: OutputEntry,
    /// Sum of squared L2 distances to the nearest centroid.
    pub inertia: f64,
    /// What a search of the index finds, unless FAISS is to build it.
    pub recall: Option<f64>,
    /// The rows that each query of an index should find that FAISS is to build.
    #[serde(default)]
    pub nearest: Option<Vec<Vec<u64>>>,
    /// What the periods cover.
    pub periods: PeriodsRecord,
    /// What a reader of the findings should know.
    pub notes: Vec<String>,
    /// Topics and documents matched with those of the run that is followed.
    pub traced: Traced,
}

/// The lonely list is in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedLonely {
    /// `lonely.parquet`.
    pub output: OutputEntry,
    /// What the record says of it.
    pub record: LonelyRecord,
}

/// The index is in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenIndex {
    /// `index.faiss`.
    pub output: OutputEntry,
    /// What the record says of it.
    pub record: IndexRecord,
}

/// A run's folder, and the question that it was taken for.
#[derive(Debug, Clone)]
pub struct Claim {
    store: Store,
    run: RunName,
    question: Arc<Question>,
    follows: Option<Followed>,
}

impl Claim {
    /// Returns the store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the run.
    #[must_use]
    pub const fn run(&self) -> &RunName {
        &self.run
    }

    /// Makes sure that nobody has taken the folder for another question, or to follow another run; one who has finished this one
    /// may have tidied up.
    ///
    /// # Errors
    /// [`ReduceError::Taken`], or the store fails.
    pub async fn confirm(&self) -> Result<(), Failure> {
        let is_ours = match self.store.get_if_present(&layout::in_run(&self.run, run_file::UNFINISHED)).await? {
            Some(found) => {
                let is_ours = |found: Progress| found.question == *self.question && found.follows == self.follows;
                serde_json::from_slice::<Progress>(&found).is_ok_and(is_ours)
            }
            None => {
                RunRecord::read_if_present(&self.store, &self.run).await?.is_none_or(|record| self.answers(&record))
            }
        };
        if is_ours { Ok(()) } else { Err(ReduceError::Taken { run: self.run.clone() }.into()) }
    }

    /// Tells whether a record answers the question.
    fn answers(&self, record: &RunRecord) -> bool {
        let Question { manifest_sha256, vectors_of, parameters } = &*self.question;
        record.manifest_sha256 == *manifest_sha256
            && record.vectors_of == *vectors_of
            && record.parameters == *parameters
            && Followed::by(record) == self.follows
    }

    /// Writes the record, which says that the run is finished, over none but one that answers the same.
    ///
    /// # Errors
    /// As [`Claim::confirm`].
    pub async fn announce(&self, record: &RunRecord) -> Result<(), Failure> {
        self.confirm().await?;
        let key = layout::in_run(&self.run, run_file::RECORD);
        if self.store.create(&key, record.encode()).await? {
            return Ok(());
        }
        match RunRecord::read_if_present(&self.store, &self.run).await? {
            Some(other) if !self.answers(&other) => Err(ReduceError::Taken { run: self.run.clone() }.into()),
            _ => Ok(self.store.put(&key, record.encode()).await?),
        }
    }
}

/// The checkpoint of a run under way.
#[derive(Debug)]
pub struct Checkpoint {
    store: Store,
    run: RunName,
    progress: Progress,
    /// Whether the index that was there in the beginning is as it was; to tell takes the reading of all of it.
    index_is_whole: OnceCell<bool>,
}

impl Checkpoint {
    /// Opens what an earlier reduce of the same question left, or begins anew; with `--force`, always anew.
    ///
    /// # Errors
    /// [`ReduceError::OtherRunUnfinished`] if the folder belongs to another question, or the store fails.
    pub async fn open(
        config: &Config,
        corpus: &Corpus,
        run: &RunName,
        following: Option<&Following>,
    ) -> Result<Self, Failure> {
        let question = Question {
            manifest_sha256: corpus.manifest_sha256().to_owned(),
            vectors_of: corpus.model().to_string(),
            parameters: config.settings.clone(),
        };
        let follows = following.map(|following| Followed {
            run: following.record.run.clone(),
            centroids_sha256: following.sha256(run_file::CENTROIDS).unwrap_or_default(),
            topics_sha256: following.sha256(run_file::TOPICS),
        });
        let progress = Progress::begin(question, corpus.vectors_sha256(), follows);
        let mut checkpoint =
            Self { store: corpus.store().clone(), run: run.clone(), progress, index_is_whole: OnceCell::new() };
        if config.force {
            checkpoint.put().await?;
        } else if !checkpoint.store.create(&checkpoint.key(), checkpoint.encode()).await? {
            checkpoint.join().await?;
        }
        Ok(checkpoint)
    }

    fn key(&self) -> Path {
        layout::in_run(&self.run, run_file::UNFINISHED)
    }

    fn rows_key(&self) -> Path {
        layout::in_run(&self.run, run_file::UNFINISHED_ROWS)
    }

    /// Takes over what is there.
    async fn join(&mut self) -> Result<(), Failure> {
        let (run, found) = (&self.run, self.store.get(&self.key()).await?);
        match serde_json::from_slice::<Progress>(&found) {
            Ok(found) if found.question != self.progress.question => {
                return Err(ReduceError::OtherRunUnfinished { run: run.clone() }.into());
            }
            Ok(found) if (found.format, found.method) != (FORMAT, METHOD) => {
                tracing::warn!(%run, "an earlier reduce by another version was not finished: beginning anew");
            }
            Ok(found) if found.vectors_sha256 != self.progress.vectors_sha256 => {
                tracing::warn!(%run, "an earlier reduce was not finished, and saw other vectors: beginning anew");
            }
            Ok(found) if found.follows != self.progress.follows => {
                tracing::warn!(%run, "an earlier reduce was not finished, and followed another run: beginning anew");
            }
            Ok(found) => {
                tracing::info!(%run, "an earlier reduce was not finished: going on after its last finished stage");
                self.progress = found;
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(%run, %error, "what an earlier reduce left cannot be read: beginning anew");
            }
        }
        Ok(self.put().await?)
    }

    /// Returns what this reduce has the folder for.
    #[must_use]
    pub fn claim(&self) -> Claim {
        let (store, run) = (self.store.clone(), self.run.clone());
        Claim { store, run, question: Arc::new(self.progress.question.clone()), follows: self.progress.follows.clone() }
    }

    /// Makes sure that nobody has taken the folder, as [`Claim::confirm`] does.
    ///
    /// # Errors
    /// As [`Claim::confirm`].
    pub async fn confirm(&self) -> Result<(), Failure> {
        self.claim().confirm().await
    }

    fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.progress).expect("numbers and strings always serialise")
    }

    async fn put(&self) -> Result<(), StoreError> {
        self.store.put(&self.key(), self.encode()).await
    }

    /// Writes what is finished, unless somebody has taken the folder meanwhile.
    async fn save(&self) -> Result<(), Failure> {
        self.confirm().await?;
        Ok(self.put().await?)
    }

    /// Returns the centroids' stage, if its object is as it was.
    ///
    /// # Errors
    /// The store fails.
    pub async fn clustered(&self) -> Result<Option<Clustered>, StoreError> {
        let Some(clustered) = &self.progress.clustered else { return Ok(None) };
        Ok(self.read(&clustered.output).await?.map(|_| clustered.clone()))
    }

    /// Tells whether the labels' stage was finished, which has confirmed the sample.
    #[must_use]
    pub const fn has_confirmed_sample(&self) -> bool {
        self.progress.labelled.is_some()
    }

    /// Returns the labels' stage and what is known of each row, if all of its objects are as they were.
    ///
    /// # Errors
    /// The store fails.
    pub async fn labelled(&self) -> Result<Option<(Labelled, Bytes)>, StoreError> {
        let Some(labelled) = &self.progress.labelled else { return Ok(None) };
        for output in &labelled.outputs {
            if self.read(output).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(self.read(&labelled.rows).await?.map(|bytes| (labelled.clone(), bytes)))
    }

    /// Returns the lonely list's stage, if its object is as it was.
    ///
    /// # Errors
    /// The store fails.
    pub async fn lonely(&self) -> Result<Option<ListedLonely>, StoreError> {
        let Some(lonely) = &self.progress.lonely else { return Ok(None) };
        Ok(self.read(&lonely.output).await?.map(|_| lonely.clone()))
    }

    /// Returns the index's stage, if its object is as it was.
    ///
    /// # Errors
    /// The store fails.
    pub async fn index(&self) -> Result<Option<WrittenIndex>, StoreError> {
        let Some(index) = &self.progress.index else { return Ok(None) };
        let compare = async {
            let found = self.store.sha256(&Path::from(index.output.key.as_str())).await?;
            Ok::<_, StoreError>(found.as_ref() == Some(&index.output.sha256))
        };
        Ok(self.index_is_whole.get_or_try_init(|| compare).await?.then(|| index.clone()))
    }

    /// Reads an object, if it is as it was.
    async fn read(&self, entry: &OutputEntry) -> Result<Option<Bytes>, StoreError> {
        let found = self.store.get_if_present(&Path::from(entry.key.as_str())).await?;
        Ok(found.filter(|bytes| digest::sha256_hex(bytes) == entry.sha256))
    }

    /// Remembers that the centroids are in the store, and nothing of later stages.
    ///
    /// # Errors
    /// As [`Checkpoint::confirm`].
    pub async fn finish_clustering(&mut self, clustered: Clustered) -> Result<(), Failure> {
        let Progress { question, vectors_sha256, follows, .. } = self.progress.clone();
        self.progress = Progress { clustered: Some(clustered), ..Progress::begin(question, vectors_sha256, follows) };
        self.save().await
    }

    /// Writes what is known of each row.
    ///
    /// # Errors
    /// As [`Checkpoint::confirm`].
    pub async fn put_rows(&self, rows: Vec<u8>) -> Result<OutputEntry, Failure> {
        let (key, bytes, sha256) = (self.rows_key(), rows.len() as u64, digest::sha256_hex(&rows));
        self.confirm().await?;
        self.store.put(&key, rows).await?;
        Ok(OutputEntry { key: key.to_string(), bytes, sha256 })
    }

    /// Remembers that labels, topics and timeline are in the store, and nothing of later stages.
    ///
    /// # Errors
    /// As [`Checkpoint::confirm`].
    pub async fn finish_labelling(&mut self, labelled: Labelled) -> Result<(), Failure> {
        (self.progress.labelled, self.progress.lonely, self.progress.index) = (Some(labelled), None, None);
        self.save().await
    }

    /// Remembers that the lonely list is in the store.
    ///
    /// # Errors
    /// As [`Checkpoint::confirm`].
    pub async fn finish_lonely(&mut self, lonely: ListedLonely) -> Result<(), Failure> {
        self.progress.lonely = Some(lonely);
        self.save().await
    }

    /// Remembers that the index is in the store.
    ///
    /// # Errors
    /// As [`Checkpoint::confirm`].
    pub async fn finish_index(&mut self, index: WrittenIndex) -> Result<(), Failure> {
        (self.progress.index, self.index_is_whole) = (Some(index), OnceCell::new_with(Some(true)));
        self.save().await
    }
}

/// Removes what a run under way keeps in the store, once it is finished.
///
/// # Errors
/// The store fails.
pub async fn remove(store: &Store, run: &RunName) -> Result<(), StoreError> {
    store.remove_staging(&layout::run(run));
    // The rows go first: without them the checkpoint still says whose the folder is.
    store.delete(&layout::in_run(run, run_file::UNFINISHED_ROWS)).await?;
    store.delete(&layout::in_run(run, run_file::UNFINISHED)).await
}
