//! The store → the run that is followed, the documents shared with it, and which of some documents a run has.

use futures::{StreamExt, TryStreamExt};
use ndarray::Array2;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use strata_shared::centroids;
use strata_shared::exit::{Classify, Exit, Failure};
use strata_shared::findings::{self, Topic};
use strata_shared::generations;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, RunName, run_file};
use strata_shared::manifest::{Manifest, ManifestError};
use strata_shared::run_record::{PredecessorRecord, RunRecord};
use strata_shared::store::Store;
use strata_shared::table::TableError;

use super::identity::{Ancestor, Lineage, trace};
use super::overlap::FormerLabels;
use super::predecessor;
use crate::config::{Config, FormerExtent};
use crate::corpus::Corpus;
use crate::kmeans::Centroids;
use crate::survey::Start;

/// Label shards that are read ahead of the one that is counted.
const SHARDS_AHEAD: usize = 2;

/// Records that are read at once.
const RECORDS_AT_ONCE: usize = 8;

/// A run that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum LineageError {
    /// It is of other vectors.
    #[error("--warm-from {run}: is a run over vectors of {found}, expected one of {expected}")]
    Vectors {
        /// The run.
        run: RunName,
        /// The model whose vectors it took.
        found: String,
        /// The model whose vectors this run takes.
        expected: String,
    },
    /// It is the run that is to be made.
    #[error("--warm-from {run}: a run cannot follow itself; choose another --run")]
    Itself {
        /// The run.
        run: RunName,
    },
    /// It lacks an object.
    #[error("--warm-from {run}: is not whole: {damage}")]
    Damaged {
        /// The run.
        run: RunName,
        /// What is wrong.
        damage: String,
    },
}

impl Classify for LineageError {
    fn exit(&self) -> Exit {
        match self {
            Self::Vectors { .. } | Self::Itself { .. } => Exit::Configuration,
            Self::Damaged { .. } => Exit::Data,
        }
    }
}

/// A finished run that another one follows.
#[derive(Debug, Clone)]
pub struct Following {
    run: RunName,
    /// What it says of itself.
    pub record: RunRecord,
    /// Its topics, in label order.
    pub topics: Vec<Topic>,
    centroids: Array2<f32>,
    /// Whether it answered the same question about the very same documents, which were folded into other shards since.
    is_same: bool,
}

/// Topics and documents matched with those of the run that is followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traced {
    /// Who is whom.
    pub lineage: Lineage,
    /// Documents that the former run did not have.
    pub documents_in: u64,
    /// Documents that only the former run had.
    pub documents_out: u64,
}

impl Traced {
    /// Returns that of a run that follows none.
    #[must_use]
    pub fn first(num_topics: usize) -> Self {
        Self { lineage: Lineage::first(num_topics), documents_in: 0, documents_out: 0 }
    }
}

impl Following {
    /// Finds the run that `run` is to follow: the one that was named, or the newest that fits; none with `--fresh`.
    ///
    /// # Errors
    /// [`LineageError`] for one that was named and cannot be followed, or the store's own.
    pub async fn find(config: &Config, corpus: &Corpus, run: &RunName) -> Result<Option<Self>, Failure> {
        if config.settings.fresh {
            return Ok(None);
        }
        let record = match &config.settings.warm_from {
            Some(named) => Some(named_record(corpus, &RunName::new(named)?, run).await?),
            None => newest_record(config, corpus, run).await?,
        };
        match record {
            Some(record) => Ok(Some(Self::read(config, corpus, record).await?)),
            None => Ok(None),
        }
    }

    async fn read(config: &Config, corpus: &Corpus, record: RunRecord) -> Result<Self, Failure> {
        let (store, run) = (corpus.store(), RunName::new(&record.run)?);
        let topics = findings::read_topics(store, &layout::in_run(&run, run_file::TOPICS)).await?;
        let values = centroids::read(store, &layout::in_run(&run, run_file::CENTROIDS), corpus.dim()).await?;
        let shape = (values.len() / corpus.dim(), corpus.dim());
        let centroids = Array2::from_shape_vec(shape, values).map_err(|error| Failure::new(Exit::Data, error))?;
        tracing::info!(predecessor = %run, generation = record.generation, topics = topics.len(), "follows a run");
        let is_same = record.parameters == config.settings && is_folded(store, &record, corpus.manifest()).await?;
        Ok(Self { run, record, topics, centroids, is_same })
    }

    /// Returns what the run's size means for one that follows it.
    #[must_use]
    pub fn extent(&self) -> FormerExtent {
        FormerExtent { clusters: self.record.clusters.requested, rows: self.record.rows as usize }
    }

    /// Returns where a clustering starts that follows it.
    #[must_use]
    pub fn start(&self) -> Start {
        let centroids = self.centroids.clone();
        if !self.is_same {
            return Start::From(centroids);
        }
        let excess = self.record.predecessor.as_ref().filter(|predecessor| predecessor.warm);
        let excess = excess.map_or(0.0, |predecessor| predecessor.excess);
        Start::Same { centroids, inertia: self.record.inertia / self.record.rows as f64, excess }
    }

    /// Returns what the record of a run that follows it keeps; `warm` and `excess` say how the clustering came out.
    #[must_use]
    pub fn to_record(&self, warm: bool, excess: f64) -> PredecessorRecord {
        PredecessorRecord {
            run: self.run.to_string(),
            generation: self.record.generation,
            centroids_sha256: self.sha256(run_file::CENTROIDS).unwrap_or_default(),
            topics_sha256: self.sha256(run_file::TOPICS),
            warm,
            excess,
        }
    }

    /// Returns the sha256 of one of its objects.
    #[must_use]
    pub fn sha256(&self, file: &str) -> Option<String> {
        self.record.output(file).map(|output| output.sha256.clone())
    }

    /// Matches the topics of a run with its own, by the labels that stand under `labels` in the store.
    ///
    /// # Errors
    /// Labels that cannot be read.
    pub async fn trace(
        &self,
        store: &Store,
        labels: &[Path],
        centroids: &Centroids,
        sizes: &[u64],
    ) -> Result<Traced, TableError> {
        let mut former = FormerLabels::with_capacity(self.record.rows as usize);
        let own: Vec<Path> = self.record.labels().collect();
        for_each(store, &own, self.topics.len(), |id, label| former.add(id, label)).await?;
        for_each(store, labels, sizes.len(), |id, label| former.meet(id, label)).await?;
        let overlap = former.count();
        let ancestor = |topic: &Topic| Ancestor { id: topic.topic_id, size: topic.size.unsigned_abs() };
        let ancestors: Vec<Ancestor> = self.topics.iter().map(ancestor).collect();
        let both = (self.centroids.view(), centroids.vectors());
        let lineage = trace(&overlap, &ancestors, sizes, both, self.record.next_topic_id());
        Ok(Traced { lineage, documents_in: overlap.documents_in, documents_out: overlap.documents_out })
    }
}

/// Tells whether `now` has the very documents that the run of `record` saw, in shards that were folded together since.
async fn is_folded(store: &Store, record: &RunRecord, now: &Manifest) -> Result<bool, Failure> {
    match generations::read(store, record.generation).await {
        Ok(former) if former.sha256 == record.manifest_sha256 => Ok(has_same_documents(&former.manifest, now)),
        Err(ManifestError::Store(error)) => Err(error.into()),
        // It was lost, or is another one.
        _ => Ok(false),
    }
}

/// Tells whether a later generation comes of `former` by compactions alone, which carry on what is said of its snapshot.
fn has_same_documents(former: &Manifest, now: &Manifest) -> bool {
    let snapshot = |manifest: &Manifest| {
        (manifest.rows, manifest.rejected, manifest.undated, manifest.update, manifest.inputs.clone())
    };
    now.compaction.is_some() && snapshot(former) == snapshot(now)
}

/// Reads the record of a run that was named, if it can be followed.
async fn named_record(corpus: &Corpus, named: &RunName, run: &RunName) -> Result<RunRecord, Failure> {
    if named == run {
        return Err(LineageError::Itself { run: run.clone() }.into());
    }
    let record = RunRecord::read(corpus.store(), named).await?;
    if record.vectors_of != corpus.model().as_str() {
        let (found, expected) = (record.vectors_of, corpus.model().to_string());
        return Err(LineageError::Vectors { run: named.clone(), found, expected }.into());
    }
    match record.first_damaged(corpus.store(), named).await? {
        Some(damage) => Err(LineageError::Damaged { run: named.clone(), damage }.into()),
        None => Ok(record),
    }
}

/// Chooses among the finished runs of the store; those that are not whole are passed over.
async fn newest_record(config: &Config, corpus: &Corpus, run: &RunName) -> Result<Option<RunRecord>, Failure> {
    let generation = corpus.generation();
    let mut records = finished(corpus.store(), run).await?;
    while let Some(chosen) = predecessor::select(&records, generation, corpus.model().as_str(), &config.settings) {
        let name = RunName::new(&chosen.run)?;
        let Some(damage) = chosen.first_damaged(corpus.store(), &name).await? else { return Ok(Some(chosen.clone())) };
        tracing::warn!(predecessor = %name, "is not followed, since it is not whole: {damage}");
        records.retain(|record| record.run != name.as_str());
    }
    Ok(None)
}

/// Reads the records of all finished runs but one.
async fn finished(store: &Store, other_than: &RunName) -> Result<Vec<RunRecord>, Failure> {
    let folders = store.folders(&layout::runs()).await?;
    let names: Vec<RunName> =
        folders.iter().filter_map(|name| RunName::new(name).ok()).filter(|name| name != other_than).collect();
    let records: Vec<Option<RunRecord>> = futures::stream::iter(names)
        .map(|name| async move {
            match RunRecord::read_if_present(store, &name).await {
                Err(error) if error.exit() == Exit::Data => {
                    tracing::warn!("{error}: it is not followed");
                    Ok(None)
                }
                read => read,
            }
        })
        .buffered(RECORDS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(records.into_iter().flatten().filter(|record| RunName::new(&record.run).is_ok()).collect())
}

/// Reads labels of so many topics shard by shard.
async fn for_each(
    store: &Store,
    keys: &[Path],
    num_topics: usize,
    mut work: impl FnMut(&str, i32),
) -> Result<(), TableError> {
    let read = |key: Path| async move { Ok::<_, TableError>((Labels::read(store, &key).await?, key)) };
    let mut shards = futures::stream::iter(keys.to_vec()).map(read).buffered(SHARDS_AHEAD);
    while let Some((shard, key)) = shards.try_next().await? {
        let is_one = |label: &&i32| usize::try_from(**label).is_ok_and(|label| label < num_topics);
        if let Some(label) = shard.labels.iter().find(|label| !is_one(label)) {
            let reason = format!("has label {label}, expected one of {num_topics} topics from 0 on");
            return Err(TableError::Content { key, reason });
        }
        for (row, &label) in shard.labels.iter().enumerate() {
            work(shard.ids.value(row), label);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use strata_shared::manifest::{CompactionRecord, InputEntry, UpdateRecord};
    use strata_shared::settings::ShardSettings;

    use super::*;

    #[test]
    fn documents_are_the_same_after_compactions_alone() {
        let input = |name: &str| InputEntry { name: name.into(), lines: 9, blank: 0, sha256: name.into() };
        let first = Manifest::first(Vec::new(), vec![input("january")], (0, 0), ShardSettings::default());
        let compaction = Some(CompactionRecord { first_shard: 3, shards: 2, rows: 9, dropped: 0 });
        let folded = Manifest { generation: 2, compaction, ..first.clone() };
        let again = Manifest { generation: 3, ..folded.clone() };
        assert!(has_same_documents(&first, &folded) && has_same_documents(&folded, &again));
        assert!(has_same_documents(&first, &again) && !has_same_documents(&first, &first));
        let update = UpdateRecord {
            complete: false,
            first_shard: 5,
            unchanged: 9,
            changed: 0,
            new: 0,
            gone: 0,
            kept: 0,
            reverted: 0,
            reused: 0,
        };
        let updated = Manifest { inputs: vec![input("february")], update: Some(update), compaction: None, ..again };
        assert!(!has_same_documents(&first, &updated));
        assert!(!has_same_documents(&first, &Manifest { compaction, ..updated }));
    }
}
