//! A model folder's JSON files → [`Settings`]: taken from the folder, never assumed.
//!
//! Invariant: settings that read without an error ask for nothing that this program does not do, and do not contradict
//! each other. The files are those of sentence-transformers; fields that do not decide a vector are left alone.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ModelError, Pooling, file_error};

/// What a model's configuration files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) dim: usize,
    pub(super) max_tokens: usize,
    pub(super) lower_case: bool,
    pub(super) pooling: Pooling,
    pub(super) normalizes: bool,
    pub(super) prompt: String,
}

/// Where the parts of a model lie, by its `modules.json`.
pub(super) struct Modules {
    folder: PathBuf,
    pub(super) transformer: PathBuf,
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
    pub(super) fn read(folder: &Path) -> Result<Self, ModelError> {
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
    pub(super) fn read(modules: &Modules) -> Result<Self, ModelError> {
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

/// Returns `file` if it is there.
pub(super) fn present(file: PathBuf, expected: &'static str) -> Result<PathBuf, ModelError> {
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
