//! A store → all that its newest finished run found, in memory: meant for corpora of a demo's size.
//!
//! Invariant: ids, vectors and labels are of the same rows, in global row order.

use std::collections::HashMap;

use arrow::array::Array;
use strata_shared::exit::{Exit, Failure};
use strata_shared::findings::Findings;
use strata_shared::generations;
use strata_shared::labels::Labels;
use strata_shared::layout::{self, ModelName};
use strata_shared::manifest::{Manifest, Rejection};
use strata_shared::run_record::{Latest, RunError, RunRecord};
use strata_shared::store::Store;
use strata_shared::superseded::Superseded;
use strata_shared::vectors::{VectorShard, Vectors};

/// What the newest finished run of a store found.
#[derive(Debug, Clone)]
pub struct Found {
    /// What was sharded.
    pub manifest: Manifest,
    /// Every refused line.
    pub rejections: Vec<Rejection>,
    /// Record, topics, timeline and the lonely.
    pub findings: Findings,
    /// Ids by global row.
    pub ids: Vec<String>,
    /// Vectors by global row.
    pub vectors: Vectors,
    /// The label of each document.
    pub labels: HashMap<String, i32>,
}

impl Found {
    /// Reads the run that `latest.json` names.
    ///
    /// # Errors
    /// No finished run, or objects of it that are missing or unreadable.
    pub async fn read(store: &Store) -> Result<Self, Failure> {
        let run = Latest::read(store).await?.ok_or_else(|| RunError::Missing { key: layout::latest() })?;
        let record = RunRecord::read(store, &run).await?;
        let manifest = generations::read(store, record.generation).await?.manifest;
        let model: ModelName = record.vectors_of.parse()?;
        let (ids, vectors) = vectors(store, &manifest, &model).await?;
        let mut labels = HashMap::with_capacity(ids.len());
        for shard in &manifest.shards {
            let of_shard = Labels::read(store, &layout::labels(&run, shard.number())).await?;
            labels.extend(of_shard.ids.iter().flatten().map(str::to_owned).zip(of_shard.labels));
        }
        let findings = Findings::read(store, &run, record).await?;
        Ok(Self { rejections: rejections(store).await?, manifest, findings, ids, vectors, labels })
    }
}

async fn vectors(store: &Store, manifest: &Manifest, model: &ModelName) -> Result<(Vec<String>, Vectors), Failure> {
    let (mut ids, mut values, mut dim) = (Vec::new(), Vec::new(), 1);
    let superseded = Superseded::read(store, manifest).await?;
    for entry in &manifest.shards {
        let number = entry.number();
        let key = layout::vector_shard(model, number);
        let opened = VectorShard::open(store, &key, model, &entry.sha256, entry.rows as usize).await?;
        let (of_shard, vectors) = opened.read_vectors(store).await?;
        let is_live = |row: &usize| !superseded.contains(number, *row as u32);
        ids.extend((0..of_shard.len()).filter(is_live).map(|row| of_shard.value(row).to_owned()));
        dim = vectors.dim();
        values.extend_from_slice(vectors.without(superseded.of(number)).values());
    }
    Ok((ids, Vectors::new(dim, values)))
}

async fn rejections(store: &Store) -> Result<Vec<Rejection>, Failure> {
    let bytes = store.get_if_present(&layout::rejected()).await?.unwrap_or_default();
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed: Result<Vec<Rejection>, _> = lines.map(serde_json::from_slice).collect();
    parsed.map_err(|error| Failure::new(Exit::Data, format!("{}: {error}", layout::rejected())))
}
