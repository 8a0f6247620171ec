//! Small corpora in memory, a small model folder, and an embedder whose vectors can be computed by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use object_store::memory::InMemory;
use strata_shared::digest;
use strata_shared::documents::{Document, Documents};
use strata_shared::exit::Failure;
use strata_shared::layout;
use strata_shared::manifest::{InputEntry, Manifest, ShardEntry};
use strata_shared::model::Model;
use strata_shared::settings::ShardSettings;
use strata_shared::store::Store;

use crate::embed::{Crew, Embed, EmbedError, TokenBatch};
use crate::pipeline::Pipeline;
use crate::pool;
use crate::tokenize::Tokenizer;
use crate::work::{self, Share};

/// The words of the small model, in the order of their ids; the first four are the special tokens.
pub(super) const WORDS: [&str; 10] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "fossil", "layer", "stone", "river", "sand", "poison"];

/// The id of the word that [`Counting`] fails on.
const POISON: i64 = 9;

/// Documents whose titles are words of the small model; document 5 of shard 1 has the id `1-5`.
pub(super) fn documents(shard: usize, titles: &[&str]) -> Documents {
    let rows = titles.iter().enumerate().map(|(row, title)| Document {
        id: format!("{shard}-{row}"),
        title: (*title).to_owned(),
        abstract_text: "Sand".into(),
        ..Document::default()
    });
    Documents::from_rows(&rows.collect::<Vec<_>>())
}

/// Writes a corpus of one raw shard for each of `shards`.
pub(super) async fn corpus(shards: &[&[&str]]) -> Store {
    let store = Store::new("memory://corpus", Arc::new(InMemory::new()));
    let mut entries = Vec::new();
    for (index, titles) in shards.iter().enumerate() {
        let bytes = documents(index, titles).encode().unwrap();
        let key = layout::raw_shard(index);
        let (rows, sha256) = (titles.len() as u64, digest::sha256_hex(&bytes));
        entries.push(ShardEntry { key: key.to_string(), rows, superseded: 0, bytes: bytes.len() as u64, sha256 });
        store.put(&key, bytes).await.unwrap();
    }
    let rows = entries.iter().map(|entry| entry.rows).sum();
    let inputs = vec![InputEntry { name: "corpus.jsonl".into(), lines: rows, blank: 0, sha256: String::new() }];
    let manifest = Manifest::first(entries, inputs, (0, 0), ShardSettings::default());
    store.put(&layout::manifest(), manifest.encode()).await.unwrap();
    store
}

/// A model folder with a `WordPiece` tokenizer of [`WORDS`], for four dimensions and at most six tokens.
pub(super) fn model_folder() -> (tempfile::TempDir, PathBuf) {
    let shelf = tempfile::tempdir().unwrap();
    let folder = shelf.path().join("small");
    for part in ["1_Pooling", "onnx"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let modules = r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]"#;
    let pooling = r#"{"word_embedding_dimension": 4, "pooling_mode_mean_tokens": true}"#;
    for (file, text) in [
        ("modules.json", modules),
        ("config.json", r#"{"hidden_size": 4, "max_position_embeddings": 6}"#),
        ("1_Pooling/config.json", pooling),
        ("tokenizer.json", &tokenizer_json()),
        ("onnx/model.onnx", "no graph"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    (shelf, folder)
}

fn tokenizer_json() -> String {
    let special = |id: usize| {
        serde_json::json!({"id": id, "content": WORDS[id], "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false})
    };
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let special_token = |id: usize| serde_json::json!({"id": WORDS[id], "ids": [id], "tokens": [WORDS[id]]});
    let json = serde_json::json!({
        "version": "1.0",
        // Settings of a file that the model's own settings override.
        "truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": special_token(2), "[SEP]": special_token(3)}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary}
    });
    json.to_string()
}

/// An embedder whose vector of a text is (1, sum of its token ids, number of its tokens, 0), normalised.
#[derive(Debug, Clone, Default)]
pub(super) struct Counting {
    /// Batches embedded so far by all clones.
    pub(super) batches: Arc<AtomicUsize>,
    /// Sets a flag once so many batches are done.
    pub(super) stop_after: Option<(usize, Arc<AtomicBool>)>,
    /// Fails as a model does once so many batches are done.
    pub(super) fail_after: Option<usize>,
}

impl Embed for Counting {
    fn dim(&self) -> usize {
        4
    }

    fn embed(&mut self, batch: &TokenBatch) -> Result<Vec<f32>, EmbedError> {
        let done = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((after, stop)) = &self.stop_after
            && done >= *after
        {
            stop.store(true, Ordering::Relaxed);
        }
        if self.fail_after.is_some_and(|after| done > after) {
            let (num_rows, num_tokens) = (batch.num_rows, batch.num_tokens);
            return Err(EmbedError::Model { num_rows, num_tokens, source: "the model is broken".into() });
        }
        let mut vectors: Vec<f32> = batch.ids.chunks(batch.num_tokens).flat_map(Self::vector).collect();
        pool::normalize(&mut vectors, 4)?;
        Ok(vectors)
    }
}

impl Counting {
    fn vector(ids: &[i64]) -> [f32; 4] {
        let first = if ids.contains(&POISON) { f32::NAN } else { 1.0 };
        [first, ids.iter().sum::<i64>() as f32, ids.len() as f32, 0.0]
    }
}

/// How a corpus is embedded in a test.
pub(super) struct Setup {
    pub(super) embedder: Counting,
    pub(super) num_threads: usize,
    pub(super) share: Share,
    pub(super) token_budget: usize,
    pub(super) stop: Arc<AtomicBool>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            embedder: Counting::default(),
            num_threads: 2,
            share: Share { task_index: 0, task_count: 1 },
            token_budget: 8,
            stop: Arc::default(),
        }
    }
}

impl Setup {
    /// Embeds what is missing in `store`, as [`crate::run`] does with a real model.
    pub(super) async fn run(&self, store: &Store) -> Result<(), Failure> {
        let (_shelf, folder) = model_folder();
        let model = Model::open(&folder).unwrap();
        let (manifest, _) = Manifest::read(store).await?;
        let shards = work::assigned(store, &manifest, None, self.share).await?;
        let shards = work::missing(store, model.name(), shards).await?;
        let pipeline = Pipeline {
            store: store.clone(),
            model: model.name().clone(),
            tokenizer: Tokenizer::open(&model).unwrap(),
            crew: Crew::new(vec![self.embedder.clone(); self.num_threads], self.token_budget),
            num_threads: self.num_threads,
            stop: Arc::clone(&self.stop),
        };
        pipeline.run(shards).await
    }
}

/// Returns every vector shard of `store` with its key.
pub(super) async fn vector_shards(store: &Store) -> Vec<(String, Vec<u8>)> {
    let mut shards = Vec::new();
    for object in store.list(&layout::vectors()).await.unwrap() {
        shards.push((object.location.to_string(), store.get(&object.location).await.unwrap().to_vec()));
    }
    shards
}
