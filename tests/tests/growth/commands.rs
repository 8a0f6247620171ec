//! What is done to a store, each as one process would do it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use strata::prune::{self, Clock, Grace, Policy};
use strata::shard::{self, Change, Request, Terms};
use strata_reduce::Config;
use strata_shared::documents::Documents;
use strata_shared::exit::{Exit, Failure};
use strata_shared::layout::{self, ModelName, RunName};
use strata_shared::manifest::Manifest;
use strata_shared::settings::{ReduceSettings, ShardSettings};
use strata_shared::store::Store;
use strata_shared::vectors::{self, Vectors};
use strata_tests::hashed_vectors;

use super::archive::Archive;

pub(crate) const ROWS_PER_SHARD: usize = 7;

/// One command with all that it takes.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// A snapshot in a file.
    Shard {
        /// The file.
        file: PathBuf,
        /// It is said to be the whole archive.
        complete: bool,
        /// What it makes of the corpus.
        after: Archive,
        /// Documents that are new or changed.
        written: u64,
    },
    /// The shards of the newest generation get vectors that have none, those that the bits choose.
    Embed { model: &'static str, chosen: u64 },
    /// Small shards become fewer.
    Compact,
    /// Vectors that are missing, then a run that follows the one before, or none.
    Reduce { fresh: bool },
    /// What nobody needs any more goes.
    Prune,
}

/// A shard that was embedded, whether or not its vectors arrived.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    pub(crate) model: &'static str,
    pub(crate) raw_sha256: String,
    /// The titles in all of its rows.
    pub(crate) titles: Vec<String>,
}

/// What a command did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// What a snapshot changed.
    pub(crate) change: Option<Change>,
    /// The shards that were embedded.
    pub(crate) embedded: Vec<Embedded>,
    /// The run that was made.
    pub(crate) run: Option<RunName>,
}

pub(crate) const MODELS: [&str; 2] = [hashed_vectors::MODEL, "another"];

impl Command {
    /// Does it; what was done stands in `done` even where it fails.
    pub(crate) async fn run(&self, store: &Store, done: &mut Done) -> Result<(), Failure> {
        match self {
            Self::Shard { file, complete, .. } => done.change = shard(store, file, *complete).await?,
            Self::Embed { model, chosen } => embed(store, model, *chosen, done).await?,
            Self::Compact => {
                shard::compact(store).await?;
            }
            Self::Reduce { fresh } => {
                embed(store, MODELS[0], u64::MAX, done).await?;
                let run = strata_reduce::run(question(*fresh), store.clone()).await?;
                strata::page::publish(store, &run).await?;
                done.run = Some(run);
            }
            Self::Prune => self::prune(store).await?,
        }
        Ok(())
    }
}

async fn shard(store: &Store, file: &Path, complete: bool) -> Result<Option<Change>, Failure> {
    let settings = ShardSettings { rows_per_shard: ROWS_PER_SHARD, ..ShardSettings::default() };
    let max_change = "100%".parse().expect("a share");
    let terms = Terms { complete, max_change, allow_older: true };
    let request = Request { inputs: vec![file.display().to_string()], settings, vectors: None, terms };
    Ok(shard::run(request, store).await?.change)
}

/// The vector of a title by a model.
pub(crate) fn vector(model: &str, title: &str) -> Vec<f32> {
    let mut vector = hashed_vectors::vector(title);
    if model != MODELS[0] {
        vector.truncate(4);
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    vector
}

/// Embeds as the map-worker would: the same plan, the same objects.
async fn embed(store: &Store, model: &'static str, chosen: u64, done: &mut Done) -> Result<(), Failure> {
    let name = ModelName::new(model)?;
    let (manifest, _) = Manifest::read(store).await?;
    let share = strata_map::work::Share { task_index: 0, task_count: 1 };
    let shards = strata_map::work::assigned(store, &manifest, None, share).await?;
    for shard in strata_map::work::missing(store, &name, shards).await? {
        if chosen >> (shard.number % 64) & 1 == 0 {
            continue;
        }
        let documents = Documents::read(store, &shard.key()).await?;
        if store.sha256(&shard.key()).await?.as_ref() != Some(&shard.entry.sha256) {
            return Err(Failure::new(Exit::Data, format!("{}: is another than the manifest says", shard.key())));
        }
        let values: Vec<f32> = (0..documents.len()).flat_map(|row| vector(model, documents.title(row))).collect();
        let vectors = Vectors::new(values.len() / documents.len(), values);
        let bytes = vectors::encode(&documents, &vectors, &name, &shard.entry.sha256)?;
        let titles = (0..documents.len()).map(|row| documents.title(row).to_owned()).collect();
        done.embedded.push(Embedded { model, raw_sha256: shard.entry.sha256.clone(), titles });
        store.put(&layout::vector_shard(&name, shard.number), bytes).await?;
    }
    Ok(())
}

fn question(fresh: bool) -> Config {
    let settings = ReduceSettings { clusters: Some(4), lonely: 5, fresh, ..ReduceSettings::default() };
    Config {
        settings,
        run: None,
        generation: None,
        vectors_of: Some(MODELS[0].parse().expect("a name")),
        force: false,
        threads: 1,
        memory_bytes: 1 << 30,
        scratch: None,
        lonely_exhaustive: false,
        former: None,
    }
}

/// Removes all but the newest two runs and what they name, and what killed commands have left.
async fn prune(store: &Store) -> Result<(), Failure> {
    let policy = Policy { keep: NonZeroUsize::MIN.saturating_add(1), grace: Grace(Duration::ZERO) };
    let plan = prune::plan(store, policy, Clock::Own(Utc::now())).await?;
    Ok(prune::carry_out(store, &plan).await?)
}
