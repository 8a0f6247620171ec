//! A folder with a tiny corpus, vectors for it, and a store; and programs that are run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use strata_tests::corpus::{self, Plan};
use strata_tests::{binaries, hashed_vectors};
use tempfile::TempDir;

/// A corpus whose vectors are brought along, so that no model is needed.
pub(crate) struct Folder {
    folder: TempDir,
}

/// What a program said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Said {
    /// Checks how the program ended, and shows what it said where that was otherwise.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Folder {
    /// Writes a corpus of so many documents, with refused lines among them, and its vectors.
    pub(crate) fn with_corpus(documents: u64) -> Self {
        let folder = Self { folder: tempfile::tempdir().unwrap() };
        let snapshot = corpus::generate(&Plan { documents, ..Plan::default() }).unwrap();
        let is_blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
        let rows = snapshot.lines.iter().filter(|line| !is_blank(line)).count();
        std::fs::write(folder.path("corpus.jsonl"), snapshot.bytes()).unwrap();
        std::fs::write(folder.path("vectors.npy"), hashed_vectors::npy(rows as u64)).unwrap();
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns `program` with the arguments `words`, where `@name` stands for a path in this folder.
    pub(crate) fn command(&self, program: &Path, words: &str) -> Command {
        let mut command = binaries::without_settings(Command::new(program));
        command.args(words.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(name) => self.path(name).into_os_string(),
            None => word.into(),
        }));
        command
    }

    /// Runs `strata` to its end.
    pub(crate) fn strata(&self, words: &str) -> Said {
        self.command(&binaries::path("strata").unwrap(), words).output().unwrap().into()
    }

    /// The same with variables of the environment.
    pub(crate) fn strata_with(&self, words: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = self.command(&binaries::path("strata").unwrap(), words);
        command.envs(variables.iter().copied()).output().unwrap().into()
    }

    /// Shards the corpus with its vectors, ten rows a shard, into `@store`.
    pub(crate) fn shard(&self) {
        self.shard_by(10);
    }

    /// As [`shard`](Self::shard), with so many rows a shard.
    pub(crate) fn shard_by(&self, rows: usize) {
        let words = "shard @corpus.jsonl --vectors @vectors.npy --model-name hashed --store @store --rows-per-shard";
        self.strata(&format!("{words} {rows}")).ended_with(0);
    }

    /// Makes a run of the given name.
    pub(crate) fn reduce(&self, run: &str, flags: &str) -> Said {
        self.strata(&format!("reduce --store @store --run {run} --clusters 3 --lonely 5 {flags}"))
    }

    /// Copies `strata` to a folder of its own, to be found beside workers of the test's making.
    pub(crate) fn copy_of_strata(&self) -> PathBuf {
        let copy = self.path("bin").join("strata");
        std::fs::create_dir(self.path("bin")).unwrap();
        std::fs::copy(binaries::path("strata").unwrap(), &copy).unwrap();
        copy
    }
}
