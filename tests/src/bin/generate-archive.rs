//! `generate-archive`: writes a corpus of any size straight into a store, for benchmarks.
//!
//! Invariant: the same arguments give the same bytes. All that it does is in [`strata_tests::archive`].

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use strata_shared::store::Store;
use strata_shared::telemetry::{self, LogFormat};
use strata_tests::archive::{Archive, Plan, Truth};

/// Writes a corpus of any size into a store: raw shards, manifest and vector shards, as `strata shard --vectors` does
#[derive(Parser)]
struct Arguments {
    /// The store: a new directory, or `s3://bucket/prefix`
    #[arg(long)]
    store: String,
    /// Documents
    #[arg(long, default_value_t = Plan::default().rows)]
    rows: u64,
    /// Dimensions of a vector
    #[arg(long, default_value_t = Plan::default().dim)]
    dim: usize,
    /// Same arguments and seed, same bytes
    #[arg(long, default_value_t = Plan::default().seed)]
    seed: u64,
    /// Topics of texts and dates
    #[arg(long, default_value_t = Plan::default().topics)]
    topics: usize,
    /// A Parquet file of vectors whose noisy copies the rows are [default: a mixture]
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Documents a shard
    #[arg(long, default_value_t = Plan::default().rows_per_shard)]
    rows_per_shard: usize,
    /// No texts and no dates; ids are row numbers
    #[arg(long)]
    vectors_only: bool,
    /// Shards made at once
    #[arg(long, default_value_t = Plan::default().threads)]
    threads: usize,
    /// The name under which the vectors are kept
    #[arg(long, default_value_t = Plan::default().model)]
    model_name: String,
    /// Also write what was planned, as JSON
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        Plan {
            rows: self.rows,
            dim: self.dim,
            seed: self.seed,
            topics: self.topics,
            reference: self.reference.clone(),
            rows_per_shard: self.rows_per_shard,
            vectors_only: self.vectors_only,
            threads: self.threads,
            model: self.model_name.clone(),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    telemetry::init(LogFormat::Plain);
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let archive = Archive::new(arguments.plan()).context("plan the archive")?;
    let store = Store::open_or_create(&arguments.store).context("open the store")?;
    archive.write(&store, runtime.handle()).with_context(|| format!("write {}", store.url()))?;
    match &arguments.truth {
        Some(path) => write_truth(&archive.truth(), path).with_context(|| format!("write {}", path.display())),
        None => Ok(()),
    }
}

fn write_truth(truth: &Truth, path: &Path) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    serde_json::to_writer_pretty(&mut file, truth)?;
    writeln!(file)?;
    Ok(file.flush()?)
}
