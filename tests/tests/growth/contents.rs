//! A store → what it says that it holds, read object by object.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use chrono::{TimeZone, Utc};
use strata_shared::documents::Documents;
use strata_shared::exit::Failure;
use strata_shared::findings::Findings;
use strata_shared::generations;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, RunName};
use strata_shared::manifest::Manifest;
use strata_shared::run_record::RunRecord;
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use strata_shared::table::{TableError, TableReader};
use strata_shared::vectors::{RAW_SHA256, VectorShard};

use super::archive::{self, Archive};
use super::commands::{MODELS, vector};

/// Says of a failure what a person would be told.
pub(crate) fn told(failure: impl Into<Failure>) -> anyhow::Error {
    anyhow::anyhow!(failure.into().chain())
}

/// A document's title, when it was created.
type Document = (String, Option<i64>);

fn expected(archive: &Archive) -> BTreeMap<String, Document> {
    let document = |(&number, &version): (&u32, &u32)| {
        let month = archive::month(number, version);
        let created = month.map(|(year, month)| Utc.with_ymd_and_hms(year as i32, month, 15, 0, 0, 0).unwrap());
        (archive::id(number), (archive::title(number, version), created.map(|time| time.timestamp_micros())))
    };
    archive.iter().map(document).collect()
}

/// Makes sure that a generation consists of the documents of an archive, each once.
pub(crate) async fn check_documents(store: &Store, manifest: &Manifest, archive: &Archive) -> anyhow::Result<()> {
    let superseded = Superseded::read(store, manifest).await.map_err(told)?;
    let mut found = BTreeMap::new();
    for shard in &manifest.shards {
        let documents = Documents::read(store, &shard.path()).await.map_err(told)?;
        ensure!(documents.len() as u64 == shard.rows, "{}: has {} rows", shard.key, documents.len());
        for row in (0..documents.len()).filter(|&row| !superseded.contains(shard.number(), row as u32)) {
            let document = (documents.title(row).to_owned(), documents.created(row));
            ensure!(found.insert(documents.id(row).to_owned(), document).is_none(), "{} is twice", documents.id(row));
        }
    }
    let (generation, expected) = (manifest.generation, expected(archive));
    ensure!(found == expected, "generation {generation} has {found:#?}, expected {expected:#?}");
    let undated = found.values().filter(|(_, created)| created.is_none()).count() as u64;
    ensure!((manifest.rows, manifest.undated) == (found.len() as u64, undated), "generation {generation} counts wrong");
    Ok(())
}

/// The documents that have sound vectors, by their model and title: every vector must be its text's.
pub(crate) async fn covered(store: &Store, manifest: &Manifest) -> anyhow::Result<BTreeSet<(&'static str, String)>> {
    let superseded = Superseded::read(store, manifest).await.map_err(told)?;
    let mut covered = BTreeSet::new();
    for (model, shard) in MODELS.iter().flat_map(|model| manifest.shards.iter().map(move |shard| (*model, shard))) {
        let (name, number) = (model.parse().context("a model")?, shard.number());
        let key = layout::vector_shard(&name, number);
        let opened = match VectorShard::open(store, &key, &name, &shard.sha256, shard.rows as usize).await {
            Ok(opened) => opened,
            Err(TableError::Missing { .. } | TableError::Content { .. }) => continue,
            Err(error) => return Err(told(error)),
        };
        let (ids, vectors) = opened.read_vectors(store).await.map_err(told)?;
        let documents = Documents::read(store, &shard.path()).await.map_err(told)?;
        for row in (0..documents.len()).filter(|&row| !superseded.contains(number, row as u32)) {
            let is_its = vectors.row(row) == vector(model, documents.title(row)).as_slice();
            ensure!(ids.value(row) == documents.id(row) && is_its, "{key}: row {row} has another vector");
            covered.insert((model, documents.title(row).to_owned()));
        }
    }
    Ok(covered)
}

/// The raw shards of which there are vectors by a model, by their sha256.
pub(crate) async fn embedded(store: &Store, model: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut embedded = BTreeSet::new();
    for object in store.list(&layout::vectors_of(&model.parse().context("a model")?)).await.map_err(told)? {
        let reader = TableReader::open(store, &object.location).await.map_err(told)?;
        embedded.extend(reader.metadata(RAW_SHA256));
    }
    Ok(embedded)
}

/// What a run found, in an order of its own.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    lonely: String,
    topics: String,
    timeline: String,
    labels: BTreeMap<String, (i32, u32)>,
}

impl Answer {
    pub(crate) async fn read(store: &Store, run: &RunName) -> anyhow::Result<Self> {
        let record = RunRecord::read(store, run).await.map_err(told)?;
        let manifest = generations::read(store, record.generation).await.map_err(told)?.manifest;
        let mut labels = BTreeMap::new();
        for shard in &manifest.shards {
            let of_shard = Labels::read(store, &layout::labels(run, shard.number())).await.map_err(told)?;
            for row in 0..of_shard.labels.len() {
                let label = (of_shard.labels[row], of_shard.similarities[row].to_bits());
                let is_first = labels.insert(of_shard.ids.value(row).to_owned(), label).is_none();
                ensure!(is_first, "{run}: labels {} twice", of_shard.ids.value(row));
            }
        }
        let findings = Findings::read(store, run, record).await.map_err(told)?;
        let Findings { lonely, topics, timeline, .. } = &findings;
        let [lonely, topics, timeline] = [format!("{lonely:#?}"), format!("{topics:#?}"), format!("{timeline:#?}")];
        Ok(Self { lonely, topics, timeline, labels })
    }
}
