//! A model folder → its settings and its name: laid out as sentence-transformers lays it out, read without ONNX.
//!
//! Invariant: two models of the same name turn the same text into the same vector, since the name holds a fingerprint of
//! everything that decides it. What runs the graph is the map-worker's business.

mod fetch;
mod settings;

use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::digest;
use crate::exit::{Classify, Exit};
use crate::layout::{self, ModelName, NameError};
use crate::store::StoreError;

pub use fetch::locate;
use settings::{Modules, Settings};

/// The longest part of a folder's name that a model's name keeps; names have at most 100 characters.
const MAX_FOLDER_NAME: usize = 80;

/// A folder's name where nothing of it is safe in a key.
const NAMELESS: &str = "model";

/// Why a folder is no model that this program can run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// None is named, and set-up has installed none.
    #[error("no model: give --model DIR, or run `bash deploy/setup.sh`, which installs one")]
    NotInstalled,
    /// There is no such folder.
    #[error(
        "model {folder}: is not a folder, expected one laid out as sentence-transformers does; `bash deploy/setup.sh` installs one, --model names another"
    )]
    Absent {
        /// What was given.
        folder: String,
    },
    /// A file of the folder is not there.
    #[error("{file}: is missing, expected {expected}")]
    Missing {
        /// The file.
        file: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A file of the folder, or of the cache, cannot be read or written.
    #[error("{file}: cannot be {verb}")]
    File {
        /// The file.
        file: String,
        /// What was tried.
        verb: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of the folder is not the JSON it should be.
    #[error("{file}: is not JSON of the expected shape")]
    Json {
        /// The file.
        file: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A file of the folder asks for something that this program does not do, or contradicts another.
    #[error("{file}: {reason}")]
    Setting {
        /// The file.
        file: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// The folder's name does not make a model's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The store that the model lies in did not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for ModelError {
    fn exit(&self) -> Exit {
        match self {
            Self::Store(error) => error.exit(),
            _ => Exit::Configuration,
        }
    }
}

/// How token states become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over all tokens.
    Mean,
    /// The state of the first token.
    Cls,
    /// The largest value of each dimension over all tokens.
    Max,
    /// None beside the graph: the graph itself gives one vector a text.
    InGraph,
}

impl Pooling {
    /// Returns the word that fingerprints use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::InGraph => "in-graph",
        }
    }
}

/// A model's settings, taken from its folder.
#[derive(Debug, Clone)]
pub struct Model {
    name: ModelName,
    graph: PathBuf,
    tokenizer: PathBuf,
    settings: Settings,
}

impl Model {
    /// Reads the settings of the model in `folder` and takes its fingerprint, which reads the graph once.
    ///
    /// # Errors
    /// [`ModelError`] names the file that is missing or at fault, and what was expected.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let folder = folder
            .canonicalize()
            .ok()
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| ModelError::Absent { folder: folder.display().to_string() })?;
        let modules = Modules::read(&folder)?;
        let settings = Settings::read(&modules)?;
        let tokenizer = settings::present(
            modules.transformer.join("tokenizer.json"),
            "the tokenizer, as a fast tokenizer saves it",
        )?;
        let graph = find_graph(&folder, &modules.transformer)?;
        let fingerprint = fingerprint(&graph, &tokenizer, &settings)?;
        let name = ModelName::new(&format!("{}-{}", folder_name(&folder), &fingerprint[..layout::FINGERPRINT_DIGITS]))?;
        Ok(Self { name, graph, tokenizer, settings })
    }

    /// Returns the name under which this model's vectors are kept: its folder's name and its fingerprint.
    #[must_use]
    pub const fn name(&self) -> &ModelName {
        &self.name
    }

    /// Returns the ONNX graph's file.
    #[must_use]
    pub fn graph(&self) -> &Path {
        &self.graph
    }

    /// Returns the `tokenizer.json`.
    #[must_use]
    pub fn tokenizer(&self) -> &Path {
        &self.tokenizer
    }

    /// Returns the number of dimensions of a vector.
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.settings.dim
    }

    /// Returns the tokens that a text is truncated to, special ones included.
    #[must_use]
    pub const fn max_tokens(&self) -> usize {
        self.settings.max_tokens
    }

    /// Tells whether texts are lower-cased before the tokenizer sees them.
    #[must_use]
    pub const fn lower_case(&self) -> bool {
        self.settings.lower_case
    }

    /// Returns how token states become one vector.
    #[must_use]
    pub const fn pooling(&self) -> Pooling {
        self.settings.pooling
    }

    /// Tells whether the model ends in a normalise step of its own; stored vectors are of unit norm either way.
    #[must_use]
    pub const fn normalizes(&self) -> bool {
        self.settings.normalizes
    }

    /// Returns what stands before every text: the model's default prompt, empty if it has none.
    #[must_use]
    pub fn prompt(&self) -> &str {
        &self.settings.prompt
    }
}

fn find_graph(folder: &Path, transformer: &Path) -> Result<PathBuf, ModelError> {
    let places = [folder.join("onnx"), folder.to_owned(), transformer.join("onnx"), transformer.to_owned()];
    let found = places.iter().map(|place| place.join("model.onnx")).find(|graph| graph.is_file());
    found.ok_or_else(|| ModelError::Missing {
        file: folder.join("onnx/model.onnx").display().to_string(),
        expected: "the graph there, or in model.onnx beside config.json",
    })
}

/// Lists the files that hold a graph's weights where they are too large for the graph itself: `model.onnx_data`, as
/// exporters call it, and whatever beside the graph ends as such files do.
fn external_data(graph: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let (Some(folder), Some(name)) = (graph.parent(), graph.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let entries = std::fs::read_dir(folder).map_err(file_error(folder, "listed"))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.is_file()
                && path.file_name().and_then(|file| file.to_str()).is_some_and(|file| is_external_data(file, name))
        })
        .collect();
    files.sort();
    Ok(files)
}

fn is_external_data(file: &str, graph: &str) -> bool {
    const ENDINGS: [&str; 4] = ["bin", "data", "weight", "weights"];
    // These are other programs' copies of the weights, in repositories that keep the graph beside them.
    const FOREIGN: [&str; 3] = ["pytorch_model", "openvino_model", "training_args"];
    let ending = Path::new(file).extension().and_then(|ending| ending.to_str());
    let is_data = ending.is_some_and(|ending| ENDINGS.contains(&ending))
        && !FOREIGN.iter().any(|foreign| file.starts_with(foreign));
    is_data || file.strip_prefix(graph).is_some_and(|rest| rest.starts_with(['_', '.']))
}

fn fingerprint(graph: &Path, tokenizer: &Path, settings: &Settings) -> Result<String, ModelError> {
    let mut hasher = Sha256::new();
    hash_file(&mut hasher, graph)?;
    external_data(graph)?.iter().try_for_each(|file| hash_file(&mut hasher, file))?;
    hash_file(&mut hasher, tokenizer)?;
    let Settings { max_tokens, lower_case, pooling, prompt, .. } = settings;
    hasher.update(format!("{} {max_tokens} {lower_case} {prompt}", pooling.as_str()));
    Ok(digest::finish(hasher))
}

fn hash_file(hasher: &mut Sha256, path: &Path) -> Result<(), ModelError> {
    let read = |hasher: &mut Sha256| -> std::io::Result<()> {
        let mut file = std::fs::File::open(path)?;
        // The length comes first, so that bytes cannot move from one file to the next unnoticed.
        hasher.update(file.metadata()?.len().to_le_bytes());
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                length => hasher.update(&buffer[..length]),
            }
        }
    };
    read(hasher).map_err(file_error(path, "read"))
}

/// Makes a folder's name safe as the beginning of a model's name.
fn folder_name(folder: &Path) -> String {
    let given = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let safe = given.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' });
    let name: String = safe.skip_while(|c| !c.is_ascii_alphanumeric()).take(MAX_FOLDER_NAME).collect();
    if name.is_empty() { NAMELESS.into() } else { name }
}

fn file_error(file: &Path, verb: &'static str) -> impl FnOnce(std::io::Error) -> ModelError {
    let file = file.display().to_string();
    move |source| ModelError::File { file, verb, source }
}

#[cfg(test)]
mod tests;
