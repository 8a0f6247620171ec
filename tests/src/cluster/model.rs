//! A small model that is made on the spot, laid out as sentence-transformers does: vectors of letter pairs, reflected
//! as often as a test wants it slow.

// The one writer of ONNX files, which the map-worker's own tests have, too.
#[path = "../../../workers/map/src/tests/onnx_file.rs"]
mod onnx_file;

use std::path::Path;

use anyhow::Context;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use serde_json::{Map, Value, json};

use onnx_file::{FLOAT, INT64, dynamic, fixed, node, tensor, value};

const DIM: usize = 64;
const MAX_TOKENS: usize = 128;
const SEED: u64 = 7;

/// The special tokens; their ids come first.
const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// A model to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct SmallModel {
    /// Reflections between a token and its vector, each of 8,192 operations a token.
    pub num_layers: usize,
}

impl SmallModel {
    /// Writes the model into `folder`, whose name becomes the model's.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn write(self, folder: &Path) -> anyhow::Result<()> {
        for part in ["1_Pooling", "onnx"] {
            std::fs::create_dir_all(folder.join(part)).context("make a folder for a model")?;
        }
        let modules = json!([{"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]);
        let pooling = json!({"word_embedding_dimension": DIM, "pooling_mode_mean_tokens": true});
        let config = json!({"hidden_size": DIM, "max_position_embeddings": MAX_TOKENS});
        for (file, json) in [
            ("modules.json", modules),
            ("config.json", config),
            ("1_Pooling/config.json", pooling),
            ("tokenizer.json", tokenizer()),
        ] {
            std::fs::write(folder.join(file), json.to_string())?;
        }
        Ok(std::fs::write(folder.join("onnx/model.onnx"), self.encode())?)
    }

    fn encode(self) -> Vec<u8> {
        let mut draw = Xoshiro256Plus::seed_from_u64(SEED);
        let table: Vec<f32> = (0..pieces().len() * DIM).map(|_| draw.gen_range(-1.0..1.0)).collect();
        let tensors = [tensor("table", &table, DIM), tensor("weights", &reflection(&table[..DIM]), DIM)];
        let shape = [dynamic("batch"), dynamic("sequence"), fixed(DIM)];
        let inputs = ["input_ids", "attention_mask", "token_type_ids"].map(|name| value(name, INT64, &shape[..2]));
        let output = value("last_hidden_state", FLOAT, &shape);
        onnx_file::model(&onnx_file::graph("letter pairs", &self.nodes(), &tensors, &inputs, &[output]))
    }

    fn nodes(self) -> Vec<Vec<u8>> {
        let state =
            |layer: usize| if layer == self.num_layers { "last_hidden_state".into() } else { format!("s{layer}") };
        let reflect = |layer: usize| node("MatMul", &[&state(layer), "weights"], &state(layer + 1), &[]);
        let looked_up = node("Gather", &["table", "input_ids"], &state(0), &[]);
        std::iter::once(looked_up).chain((0..self.num_layers).map(reflect)).collect()
    }
}

/// The special tokens, every letter and every pair of letters, at the start of a word and within one.
fn pieces() -> Vec<String> {
    let letters = || ('a'..='z').map(String::from);
    let pairs = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let starts: Vec<String> = letters().chain(pairs).collect();
    let within = starts.iter().map(|piece| format!("##{piece}"));
    SPECIAL.map(String::from).into_iter().chain(starts.iter().cloned()).chain(within).collect()
}

fn tokenizer() -> Value {
    let special = |id: usize| {
        json!({"id": id, "content": SPECIAL[id], "special": true, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false})
    };
    let vocabulary: Map<String, Value> =
        pieces().into_iter().enumerate().map(|(id, piece)| (piece, id.into())).collect();
    let special_token = |id: usize| json!({"id": SPECIAL[id], "ids": [id], "tokens": [SPECIAL[id]]});
    json!({
        "version": "1.0",
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": special_token(2), "[SEP]": special_token(3)}},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

/// The reflection at the plane across `normal`: however many are applied, vectors keep their lengths and angles.
fn reflection(normal: &[f32]) -> Vec<f32> {
    let length: f32 = normal.iter().map(|value| value * value).sum();
    let entry =
        |row: usize, column: usize| f32::from(u8::from(row == column)) - 2.0 * normal[row] * normal[column] / length;
    (0..DIM).flat_map(|row| (0..DIM).map(move |column| entry(row, column))).collect()
}
