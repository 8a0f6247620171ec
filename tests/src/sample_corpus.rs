//! A small corpus in a folder, and what embeds it here: the model where set-up installed one, else vectors from a file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::corpus::{self, Plan};
use crate::installed::InstalledModel;
use crate::{binaries, hashed_vectors, skipped};

/// What the list of skipped tests says where there is no model.
const WITHOUT_MODEL: &str = "kills and restarts of map-workers, for want of a model or of ONNX Runtime";

/// A corpus in a file.
#[derive(Debug)]
pub struct SampleCorpus {
    folder: TempDir,
    /// The JSON lines.
    pub input: PathBuf,
    /// How its documents get their vectors: arguments of `strata run`.
    embedding: Vec<String>,
    /// Whether the real map-worker embeds.
    pub has_model: bool,
}

impl SampleCorpus {
    /// Writes some `documents` with refused lines, duplicates and bad dates among them.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn write(documents: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for a corpus")?;
        let input = folder.path().join("corpus.jsonl");
        let snapshot = corpus::generate(&Plan { documents, ..Plan::default() })?;
        std::fs::write(&input, snapshot.bytes())?;
        let installed = InstalledModel::find();
        let has_model = installed.is_some();
        let embedding = match installed {
            Some(installed) => installed.arguments().into(),
            None => without_model(folder.path(), snapshot.lines.iter().filter(|line| !is_blank(line)).count() as u64)?,
        };
        Ok(Self { folder, input, embedding, has_model })
    }

    /// Returns the folder that the corpus is in, for what belongs to it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the command that takes the corpus through everything, into the store at `url`.
    ///
    /// Texts other than titles are left out, which makes embedding fast.
    ///
    /// # Errors
    /// `strata` was not built.
    pub fn run(&self, url: &str) -> anyhow::Result<Command> {
        let mut command = binaries::command("strata")?;
        command.arg("run").arg(&self.input).args(["--store", url, "--rows-per-shard", "50"]).args(&self.embedding);
        command.args(["--text-field", "none", "--lonely", "20", "--clusters", "10"]);
        Ok(command)
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

fn without_model(folder: &Path, rows: u64) -> anyhow::Result<Vec<String>> {
    skipped::note(WITHOUT_MODEL);
    let file = folder.join("vectors.npy");
    std::fs::write(&file, hashed_vectors::npy(rows))?;
    let (file, name) = (file.display().to_string(), hashed_vectors::MODEL.to_owned());
    Ok(["--vectors".to_owned(), file, "--model-name".to_owned(), name].into())
}
