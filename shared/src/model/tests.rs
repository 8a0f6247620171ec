//! The model folder's settings, its name, and every way in which a folder can be wrong.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path as Key;

use super::*;
use crate::store::Store;

const POOLING: &str = r#"{"word_embedding_dimension": 4, "pooling_mode_mean_tokens": true}"#;

/// Writes a small model folder called `name` and returns the folder that holds it, with its path.
fn model_folder(name: &str) -> (tempfile::TempDir, PathBuf) {
    let shelf = tempfile::tempdir().unwrap();
    let folder = shelf.path().join(name);
    for part in ["1_Pooling", "onnx"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    let modules = r#"[
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;
    for (file, text) in [
        ("modules.json", modules),
        ("config.json", r#"{"hidden_size": 4, "max_position_embeddings": 512}"#),
        ("sentence_bert_config.json", r#"{"max_seq_length": 256, "do_lower_case": false}"#),
        ("1_Pooling/config.json", POOLING),
        ("tokenizer.json", "{}"),
        ("onnx/model.onnx", "graph"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    (shelf, folder)
}

/// Opens a small model after one of its files was replaced, or removed where `text` is `None`.
fn open_changed(file: &str, text: Option<&str>) -> Result<Model, ModelError> {
    let (_shelf, folder) = model_folder("small");
    match text {
        Some(text) => std::fs::write(folder.join(file), text).unwrap(),
        None => std::fs::remove_file(folder.join(file)).unwrap(),
    }
    Model::open(&folder)
}

fn message(result: Result<Model, ModelError>) -> String {
    let error = result.expect_err("a folder at fault");
    assert_eq!(error.exit(), Exit::Configuration);
    error.to_string()
}

#[test]
fn settings_are_taken_from_the_folder() {
    let (_shelf, folder) = model_folder("small");
    let model = Model::open(&folder).unwrap();
    assert_eq!((model.dim(), model.max_tokens(), model.lower_case()), (4, 256, false));
    assert_eq!((model.pooling(), model.normalizes(), model.prompt()), (Pooling::Mean, true, ""));
    assert!(model.graph().ends_with("onnx/model.onnx"));
}

#[test]
fn the_name_is_the_folders_with_a_fingerprint() {
    let (_shelf, folder) = model_folder("my model");
    let name = Model::open(&folder).unwrap().name().to_string();
    assert!(name.starts_with("my-model-") && name.len() == "my-model-".len() + 12, "{name}");
}

#[test]
fn everything_that_decides_a_vector_changes_the_name() {
    let (_shelf, folder) = model_folder("small");
    let plain = Model::open(&folder).unwrap().name().clone();
    let prompt = r#"{"prompts": {"document": "passage: "}, "default_prompt_name": "document"}"#;
    for (file, text) in [
        ("onnx/model.onnx", "another graph"),
        ("onnx/model.onnx_data", "weights"),
        ("onnx/weights.bin", "weights"),
        ("tokenizer.json", "{ }"),
        ("1_Pooling/config.json", r#"{"word_embedding_dimension": 4, "pooling_mode_cls_token": true}"#),
        ("sentence_bert_config.json", r#"{"max_seq_length": 128}"#),
        ("sentence_bert_config.json", r#"{"max_seq_length": 256, "do_lower_case": true}"#),
        ("config_sentence_transformers.json", prompt),
    ] {
        assert_ne!(open_changed(file, Some(text)).unwrap().name(), &plain, "{file} {text}");
    }
    assert_eq!(open_changed("README.md", Some("text")).unwrap().name(), &plain);
}

#[test]
fn a_missing_file_is_named() {
    for file in ["modules.json", "config.json", "tokenizer.json", "1_Pooling/config.json", "onnx/model.onnx"] {
        let said = message(open_changed(file, None));
        assert!(said.contains(file) && said.contains("is missing, expected"), "{said}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let said = message(Model::open(Path::new("/nowhere/model")));
    assert!(said.contains("/nowhere/model") && said.contains("deploy/setup.sh"), "{said}");
}

#[test]
fn the_graph_may_lie_beside_the_configuration() {
    let (_shelf, folder) = model_folder("small");
    std::fs::rename(folder.join("onnx/model.onnx"), folder.join("model.onnx")).unwrap();
    assert!(Model::open(&folder).unwrap().graph().ends_with("small/model.onnx"));
}

#[test]
fn a_dimension_that_contradicts_the_transformer_is_refused() {
    let text = r#"{"word_embedding_dimension": 5, "pooling_mode_mean_tokens": true}"#;
    let said = message(open_changed("1_Pooling/config.json", Some(text)));
    assert!(said.contains("word_embedding_dimension is 5") && said.contains("hidden_size 4"), "{said}");
}

#[test]
fn pooling_that_is_not_known_or_not_single_is_refused() {
    for (modes, named) in [
        (r#""pooling_mode_lasttoken": true"#, "lasttoken"),
        (r#""pooling_mode_cls_token": true, "pooling_mode_max_tokens": true"#, "cls_token and max_tokens"),
        (r#""pooling_mode_mean_tokens": false"#, "no pooling mode is on"),
    ] {
        let said = message(open_changed("1_Pooling/config.json", Some(&format!("{{{modes}}}"))));
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn a_module_that_is_not_known_is_refused() {
    let text = r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
                   {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]"#;
    assert!(message(open_changed("modules.json", Some(text))).contains("models.Dense"));
}

#[test]
fn a_model_without_a_pooling_module_pools_in_its_graph() {
    let text = r#"[{"path": "", "type": "sentence_transformers.models.Transformer"}]"#;
    let model = open_changed("modules.json", Some(text)).unwrap();
    assert_eq!((model.pooling(), model.dim(), model.normalizes()), (Pooling::InGraph, 4, false));
}

#[test]
fn what_is_not_json_is_named() {
    assert!(message(open_changed("config.json", Some("not JSON"))).contains("config.json"));
}

#[test]
fn the_length_falls_back_on_tokenizer_and_positions() {
    let (_shelf, folder) = model_folder("small");
    std::fs::remove_file(folder.join("sentence_bert_config.json")).unwrap();
    assert_eq!(Model::open(&folder).unwrap().max_tokens(), 512);
    std::fs::write(folder.join("tokenizer_config.json"), r#"{"model_max_length": 1e30}"#).unwrap();
    assert_eq!(Model::open(&folder).unwrap().max_tokens(), 512);
    std::fs::write(folder.join("tokenizer_config.json"), r#"{"model_max_length": 128}"#).unwrap();
    assert_eq!(Model::open(&folder).unwrap().max_tokens(), 128);
}

#[test]
fn the_default_prompt_is_taken_and_must_exist() {
    let file = "config_sentence_transformers.json";
    let named = r#"{"prompts": {"document": "passage: "}, "default_prompt_name": "document"}"#;
    assert_eq!(open_changed(file, Some(named)).unwrap().prompt(), "passage: ");
    let unnamed = r#"{"prompts": {"query": "query: "}, "default_prompt_name": null}"#;
    assert_eq!(open_changed(file, Some(unnamed)).unwrap().prompt(), "");
    assert!(message(open_changed(file, Some(r#"{"default_prompt_name": "query"}"#))).contains("\"query\""));
}

async fn store_with(folder: &Path, files: &[&str]) -> Store {
    let store = Store::new("memory://models/small", Arc::new(InMemory::new()));
    for file in files {
        store.put(&Key::from(*file), std::fs::read(folder.join(file)).unwrap()).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_model_in_a_store_is_fetched_once_and_has_the_same_name() {
    let (shelf, folder) = model_folder("small");
    let files = ["modules.json", "config.json", "tokenizer.json", "1_Pooling/config.json", "onnx/model.onnx"];
    let store = store_with(&folder, &files).await;
    store.put(&Key::from("pytorch_model.bin"), vec![0; 9]).await.unwrap();
    let cache = shelf.path().join("cache");
    let fetched = fetch::fetch(&store, "small", &cache).await.unwrap();
    std::fs::remove_file(folder.join("sentence_bert_config.json")).unwrap();
    assert_eq!(Model::open(&fetched).unwrap().name(), Model::open(&folder).unwrap().name());
    assert!(!fetched.join("pytorch_model.bin").exists());
    let before = std::fs::metadata(fetched.join("tokenizer.json")).unwrap().modified().unwrap();
    assert_eq!(fetch::fetch(&store, "small", &cache).await.unwrap(), fetched);
    assert_eq!(std::fs::metadata(fetched.join("tokenizer.json")).unwrap().modified().unwrap(), before);
    assert_eq!(std::fs::read_dir(cache.join("models/by-digest")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_store_without_a_graph_is_no_model() {
    let (shelf, folder) = model_folder("small");
    let store = store_with(&folder, &["modules.json"]).await;
    let error = fetch::fetch(&store, "small", shelf.path()).await.unwrap_err();
    assert!(error.to_string().contains("memory://models/small/onnx/model.onnx"), "{error}");
}
