//! What the tokenizer makes of documents.

use strata_shared::documents::{Document, Documents};
use strata_shared::model::Model;

use super::corpus::{documents, model_folder};
use crate::tokenize::{TokenizeError, Tokenizer};

fn rows(documents: &Documents, change: impl FnOnce(&std::path::Path)) -> Vec<Vec<u32>> {
    let (_shelf, folder) = model_folder();
    change(&folder);
    let tokens = Tokenizer::open(&Model::open(&folder).unwrap()).unwrap().tokenize(documents, 2).unwrap();
    (0..tokens.len()).map(|row| tokens.row(row).to_vec()).collect()
}

#[test]
fn title_and_text_are_one_sequence_between_special_tokens() {
    let found = rows(&documents(0, &["Fossil layer", "River"]), |_| {});
    assert_eq!(found, [vec![2, 4, 5, 8, 3], vec![2, 7, 8, 3]]);
}

#[test]
fn a_text_is_truncated_at_the_models_own_maximum() {
    let found = rows(&documents(0, &["fossil fossil fossil fossil fossil fossil"]), |_| {});
    assert_eq!(found, [vec![2, 4, 4, 4, 4, 3]]);
}

#[test]
fn a_text_without_words_still_has_the_special_tokens() {
    let empty = Document { id: "a".into(), ..Document::default() };
    assert_eq!(rows(&Documents::from_rows(&[empty]), |_| {}), [vec![2, 3]]);
}

#[test]
fn a_default_prompt_stands_before_the_text() {
    let config = r#"{"prompts": {"document": "stone "}, "default_prompt_name": "document"}"#;
    let found = rows(&documents(0, &["fossil"]), |folder| {
        std::fs::write(folder.join("config_sentence_transformers.json"), config).unwrap();
    });
    assert_eq!(found, [vec![2, 6, 4, 8, 3]]);
}

#[test]
fn texts_are_lower_cased_where_the_model_says_so_and_not_otherwise() {
    let cased = |folder: &std::path::Path| {
        let tokenizer = std::fs::read_to_string(folder.join("tokenizer.json")).unwrap();
        let cased = tokenizer.replace(r#""lowercase":true"#, r#""lowercase":false"#);
        assert_ne!(cased, tokenizer);
        std::fs::write(folder.join("tokenizer.json"), cased).unwrap();
    };
    let documents = documents(0, &["FOSSIL"]);
    assert_eq!(rows(&documents, cased), [vec![2, 1, 1, 3]]);
    let lower_cased = rows(&documents, |folder| {
        cased(folder);
        std::fs::write(folder.join("sentence_bert_config.json"), r#"{"do_lower_case": true}"#).unwrap();
    });
    assert_eq!(lower_cased, [vec![2, 4, 8, 3]]);
}

#[test]
fn rows_keep_their_order_on_any_number_of_threads() {
    let titles: Vec<&str> = ["fossil", "layer stone", "river"].into_iter().cycle().take(20).collect();
    let (_shelf, folder) = model_folder();
    let tokenizer = Tokenizer::open(&Model::open(&folder).unwrap()).unwrap();
    let alone = tokenizer.tokenize(&documents(0, &titles), 1).unwrap();
    for num_threads in [2, 3, 19, 20, 50] {
        assert_eq!(tokenizer.tokenize(&documents(0, &titles), num_threads).unwrap(), alone);
    }
}

#[test]
fn a_file_that_is_no_tokenizer_is_named() {
    // Byte pairs without the bytes that they are made of.
    let bytes = r#"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}"#;
    let pairs = r#"{"type": "BPE", "vocab": {"a": 0}, "merges": []}"#;
    let kind = format!(r#"{{"pre_tokenizer": {bytes}, "model": {pairs}}}"#);
    for (text, kind) in [("not JSON", "convert"), (kind.as_str(), "kind")] {
        let (_shelf, folder) = model_folder();
        std::fs::write(folder.join("tokenizer.json"), text).unwrap();
        let error = Tokenizer::open(&Model::open(&folder).unwrap()).err().expect("an error");
        assert!(error.to_string().contains("tokenizer.json"), "{error}");
        assert_eq!(matches!(error, TokenizeError::Convert { .. }), kind == "convert", "{error}");
    }
}
