//! A model folder → its settings and its name: laid out as sentence-transformers lays it out, read without ONNX.
//!
//! Invariant: two models of the same name turn the same text into the same vector, since the name holds a fingerprint of
//! everything that decides it. What runs the graph is the map-worker's business.

mod fetch;

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::digest;
use crate::exit::{Classify, Exit};
use crate::layout::{ModelName, NameError};
use crate::store::StoreError;

pub use fetch::locate;

/// The hexadecimal digits of the fingerprint that a model's name ends in.
const FINGERPRINT_DIGITS: usize = 12;

/// The longest part of a folder's name that a model's name keeps; names have at most 100 characters.
const MAX_FOLDER_NAME: usize = 80;

/// A folder's name where nothing of it is safe in a key.
const NAMELESS: &str = "model";

/// Why a folder is no model that this program can run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
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

/// What a model's configuration files say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    dim: usize,
    max_tokens: usize,
    lower_case: bool,
    pooling: Pooling,
    normalizes: bool,
    prompt: String,
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
        let tokenizer =
            present(modules.transformer.join("tokenizer.json"), "the tokenizer, as a fast tokenizer saves it")?;
        let graph = find_graph(&folder, &modules.transformer)?;
        let fingerprint = fingerprint(&graph, &tokenizer, &settings)?;
        let name = ModelName::new(&format!("{}-{}", folder_name(&folder), &fingerprint[..FINGERPRINT_DIGITS]))?;
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

/// Where the parts of a model lie, by its `modules.json`.
struct Modules {
    folder: PathBuf,
    transformer: PathBuf,
    pooling: Option<PathBuf>,
    normalizes: bool,
}

#[derive(Deserialize)]
struct ModuleEntry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

impl Modules {
    fn read(folder: &Path) -> Result<Self, ModelError> {
        let file = folder.join("modules.json");
        let entries: Vec<ModuleEntry> =
            read_json(&file, "the model's parts in order, as sentence-transformers saves it")?;
        let mut modules =
            Self { folder: folder.to_owned(), transformer: folder.to_owned(), pooling: None, normalizes: false };
        for entry in entries {
            let path = folder.join(&entry.path);
            // The modules moved between Python packages over time; their last name stayed.
            match entry.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => modules.transformer = path,
                "Pooling" => modules.pooling = Some(path),
                "Normalize" => modules.normalizes = true,
                _ => {
                    let reason =
                        format!("module {} found, expected Transformer, Pooling and Normalize only", entry.kind);
                    return Err(setting(&file, reason));
                }
            }
        }
        Ok(modules)
    }
}

#[derive(Deserialize)]
struct TransformerConfig {
    #[serde(alias = "dim", alias = "d_model")]
    hidden_size: Option<usize>,
    max_position_embeddings: Option<usize>,
}

#[derive(Deserialize, Default)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Deserialize, Default)]
struct TokenizerConfig {
    // Tokenizers without a limit say 1e30.
    model_max_length: Option<f64>,
}

#[derive(Deserialize, Default)]
struct PromptConfig {
    #[serde(default)]
    prompts: std::collections::BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

impl Settings {
    fn read(modules: &Modules) -> Result<Self, ModelError> {
        let config_file = modules.transformer.join("config.json");
        let config: TransformerConfig = read_json(&config_file, "the transformer's configuration")?;
        let sentence: SentenceConfig = read_json_if_present(&modules.transformer.join("sentence_bert_config.json"))?;
        let prompt = read_prompt(&modules.folder.join("config_sentence_transformers.json"))?;
        let (pooling, dim) = read_pooling(modules, &config, !prompt.is_empty())?;
        let tokenizer: TokenizerConfig = read_json_if_present(&modules.transformer.join("tokenizer_config.json"))?;
        let max_tokens = max_tokens(&config, &sentence, &tokenizer).ok_or_else(|| {
            setting(&config_file, "no max_position_embeddings here and no max_seq_length in sentence_bert_config.json, expected one of them".into())
        })?;
        let lower_case = sentence.do_lower_case;
        Ok(Self { dim, max_tokens, lower_case, pooling, normalizes: modules.normalizes, prompt })
    }
}

/// The model's own limit, else the tokenizer's, and never more than the transformer has positions.
fn max_tokens(config: &TransformerConfig, sentence: &SentenceConfig, tokenizer: &TokenizerConfig) -> Option<usize> {
    let tokenizer_limit = tokenizer.model_max_length.filter(|limit| *limit < 1e6).map(|limit| limit as usize);
    let limits = [sentence.max_seq_length.or(tokenizer_limit), config.max_position_embeddings];
    limits.into_iter().flatten().filter(|limit| *limit > 0).min()
}

fn read_prompt(file: &Path) -> Result<String, ModelError> {
    let config: PromptConfig = read_json_if_present(file)?;
    let Some(name) = config.default_prompt_name else { return Ok(String::new()) };
    let prompt = config.prompts.get(&name).cloned();
    prompt.ok_or_else(|| setting(file, format!("default_prompt_name is {name:?}, expected one of its prompts")))
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the file's own fields")]
struct PoolingConfig {
    word_embedding_dimension: Option<usize>,
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
    #[serde(default = "yes")]
    include_prompt: bool,
}

const fn yes() -> bool {
    true
}

impl PoolingConfig {
    fn pooling(&self) -> Result<Pooling, String> {
        let modes = [
            ("cls_token", self.pooling_mode_cls_token, Some(Pooling::Cls)),
            ("mean_tokens", self.pooling_mode_mean_tokens, Some(Pooling::Mean)),
            ("max_tokens", self.pooling_mode_max_tokens, Some(Pooling::Max)),
            ("mean_sqrt_len_tokens", self.pooling_mode_mean_sqrt_len_tokens, None),
            ("weightedmean_tokens", self.pooling_mode_weightedmean_tokens, None),
            ("lasttoken", self.pooling_mode_lasttoken, None),
        ];
        let chosen: Vec<_> = modes.iter().filter(|(_, on, _)| *on).collect();
        match chosen.as_slice() {
            [(_, _, Some(pooling))] => Ok(*pooling),
            [] => Err("no pooling mode is on, expected mean_tokens, cls_token or max_tokens".into()),
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _, _)| *name).collect();
                Err(format!(
                    "pooling by {}, expected one of mean_tokens, cls_token and max_tokens",
                    names.join(" and ")
                ))
            }
        }
    }
}

fn read_pooling(
    modules: &Modules,
    config: &TransformerConfig,
    has_prompt: bool,
) -> Result<(Pooling, usize), ModelError> {
    let unknown =
        |file: &Path| setting(file, "does not say how many dimensions a vector has, expected hidden_size".into());
    let Some(folder) = &modules.pooling else {
        let dim = config.hidden_size.ok_or_else(|| unknown(&modules.transformer.join("config.json")))?;
        return Ok((Pooling::InGraph, dim));
    };
    let file = folder.join("config.json");
    let pooling: PoolingConfig = read_json(&file, "how token states become one vector")?;
    let mode = pooling.pooling().map_err(|reason| setting(&file, reason))?;
    if has_prompt && !pooling.include_prompt {
        return Err(setting(&file, "include_prompt is false and the model has a default prompt, expected true".into()));
    }
    match (pooling.word_embedding_dimension, config.hidden_size) {
        (Some(found), Some(expected)) if found != expected => {
            Err(setting(&file, format!("word_embedding_dimension is {found}, config.json says hidden_size {expected}")))
        }
        (found, expected) => found.or(expected).map(|dim| (mode, dim)).ok_or_else(|| unknown(&file)),
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

/// Lists the files that hold a graph's weights where they are too large for the graph itself (`model.onnx_data`).
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
    file.strip_prefix(graph).is_some_and(|rest| rest.starts_with(['_', '.']))
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

fn present(file: PathBuf, expected: &'static str) -> Result<PathBuf, ModelError> {
    if file.is_file() { Ok(file) } else { Err(ModelError::Missing { file: file.display().to_string(), expected }) }
}

fn read_json<T: DeserializeOwned>(file: &Path, expected: &'static str) -> Result<T, ModelError> {
    let file = present(file.to_owned(), expected)?;
    let bytes = std::fs::read(&file).map_err(file_error(&file, "read"))?;
    serde_json::from_slice(&bytes).map_err(|source| ModelError::Json { file: file.display().to_string(), source })
}

fn read_json_if_present<T: DeserializeOwned + Default>(file: &Path) -> Result<T, ModelError> {
    if file.is_file() { read_json(file, "") } else { Ok(T::default()) }
}

fn setting(file: &Path, reason: String) -> ModelError {
    ModelError::Setting { file: file.display().to_string(), reason }
}

fn file_error(file: &Path, verb: &'static str) -> impl FnOnce(std::io::Error) -> ModelError {
    let file = file.display().to_string();
    move |source| ModelError::File { file, verb, source }
}

#[cfg(test)]
mod tests;
