//! Tokenizers of every kind that sentence embedding models use, by the ids that they give.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use strata_shared::documents::{Document, Documents};
use strata_shared::model::Model;

use super::corpus::model_folder;
use crate::tokenize::{TokenizeError, Tokenizer};

/// Returns the token ids of "low lower" as a tokenizer of these parts gives them.
fn ids(pre_tokenizer: &Value, model: &Value) -> Result<Vec<u32>, TokenizeError> {
    let (_shelf, folder) = model_folder();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": null, "model": model
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let document = Document { id: "1".into(), title: "low lower".into(), ..Document::default() };
    let tokens = Tokenizer::open(&Model::open(&folder).unwrap())?.tokenize(&Documents::from_rows(&[document]), 1)?;
    Ok(tokens.row(0).to_vec())
}

/// Returns the characters that stand for the 256 bytes in byte-level vocabularies: printable ones for themselves.
fn byte_characters() -> Vec<char> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=u8::MAX).filter(|byte| !printable(byte)).zip(256..).filter_map(|(_, code)| char::from_u32(code));
    (0..=u8::MAX).filter(printable).map(char::from).chain(others).collect()
}

#[test]
fn byte_pairs_are_merged_in_their_order() {
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let merged = ["lo", "low", "er", "Ġlow"].map(str::to_owned);
    let tokens = merged.into_iter().chain(byte_characters().into_iter().map(String::from));
    let vocabulary: BTreeMap<String, usize> = tokens.zip(0..).collect();
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
        "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary,
        "merges": [["l", "o"], ["lo", "w"], ["e", "r"], ["Ġ", "low"]]
    });
    assert_eq!(ids(&bytes, &model).unwrap(), [1, 3, 2]);
}

#[test]
fn the_likeliest_pieces_are_taken() {
    let spaces = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    let model = json!({
        "type": "Unigram", "unk_id": 0, "byte_fallback": false,
        "vocab": [["<unk>", 0.0], ["▁low", -1.0], ["er", -2.0], ["▁", -3.0], ["l", -4.0], ["o", -4.0], ["w", -4.0]]
    });
    assert_eq!(ids(&spaces, &model).unwrap(), [1, 1, 2]);
}

#[test]
fn whole_words_are_looked_up() {
    let model = json!({"type": "WordLevel", "vocab": {"[UNK]": 0, "low": 1, "lower": 2}, "unk_token": "[UNK]"});
    assert_eq!(ids(&json!({"type": "Whitespace"}), &model).unwrap(), [1, 2]);
}

#[test]
fn what_is_no_tokenizer_is_a_fault_of_the_configuration() {
    let refused = ids(&Value::Null, &json!({"type": "Oracle"})).unwrap_err();
    assert!(refused.to_string().contains("tokenizer.json"), "{refused}");
}
