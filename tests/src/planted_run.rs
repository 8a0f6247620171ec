//! A plan → its corpus taken through the real binaries by `strata run`, and what the store then holds.
//!
//! Invariant: the same plan and embedding give the same store, but for measurements.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use strata_shared::store::Store;
use tempfile::TempDir;

use crate::binaries;
use crate::compare::{Comparison, Found, compare};
use crate::corpus::{self, Plan, Truth};
use crate::installed::InstalledModel;
use crate::synthetic::SyntheticVectors;

/// Dimensions of synthetic vectors: enough that random directions are nearly orthogonal.
const SYNTHETIC_DIM: usize = 64;

/// Where a corpus gets its vectors from.
#[derive(Debug, Clone)]
pub enum Embedding {
    /// The real map-worker with this model.
    Model(InstalledModel),
    /// [`SyntheticVectors`] with this seed, through `--vectors`.
    Synthetic {
        /// The seed of the vectors; that of the corpus is in its plan.
        seed: u64,
    },
}

/// A finished run over a planted corpus, in a folder of its own.
#[derive(Debug)]
pub struct PlantedRun {
    folder: TempDir,
    /// What was planted.
    pub truth: Truth,
    /// What `strata run` printed for people.
    pub stdout: String,
}

impl PlantedRun {
    /// Generates the corpus of `plan` and runs it, with `flags` added to the command line.
    ///
    /// # Errors
    /// A file that cannot be written, or a run that does not end well, with what it said.
    pub fn new(plan: &Plan, embedding: &Embedding, flags: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for a run")?;
        let snapshot = corpus::generate(plan).context("generate the corpus")?;
        let input = folder.path().join("corpus.jsonl");
        std::fs::write(&input, snapshot.bytes()).context("write the corpus")?;
        let truth = snapshot.truth;
        std::fs::write(folder.path().join("truth.json"), serde_json::to_vec(&truth)?).context("write the truth")?;
        let mut command = binaries::command("strata")?;
        command.arg("run").arg(&input).arg("--store").arg(folder.path().join("store")).args(flags);
        match embedding {
            Embedding::Model(installed) => {
                command.args(installed.arguments());
            }
            Embedding::Synthetic { seed } => {
                let file = folder.path().join("vectors.parquet");
                std::fs::write(&file, SyntheticVectors::draw(&truth, SYNTHETIC_DIM, *seed).encode()?)?;
                command.arg("--vectors").arg(&file).args(["--model-name", "synthetic"]);
            }
        }
        let output = command.output().context("start strata")?;
        ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        Ok(Self { folder, truth, stdout: String::from_utf8(output.stdout)? })
    }

    /// Returns the folder of the store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Returns the file that holds the truth.
    #[must_use]
    pub fn truth_file(&self) -> PathBuf {
        self.folder.path().join("truth.json")
    }

    /// Reads what the run found.
    ///
    /// # Errors
    /// Objects that are missing or unreadable.
    pub fn found(&self) -> anyhow::Result<Found> {
        found(&self.store())
    }

    /// Holds what was planted against what was found.
    ///
    /// # Errors
    /// As [`found`](Self::found).
    pub fn compare(&self) -> anyhow::Result<Comparison> {
        Ok(compare(&self.truth, &self.found()?))
    }
}

/// Reads what the newest finished run in the store `folder` found.
///
/// # Errors
/// Objects that are missing or unreadable.
pub fn found(folder: &Path) -> anyhow::Result<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let found = runtime.block_on(async { Found::read(&Store::open(&folder.display().to_string())?).await });
    found.map_err(|failure| anyhow::anyhow!(failure.chain()))
}
