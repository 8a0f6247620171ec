//! Settings from flags and files.

use super::folder::Folder;

#[test]
fn the_readmes_example_file_is_read_and_shown() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, block) = readme.split_once("```toml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let folder = Folder::with_corpus(20);
    std::fs::write(folder.path("strata.toml"), block).unwrap();
    let shown = folder.strata("config --config @strata.toml").ended_with(0).stdout;
    let example: toml::Table = block.parse().unwrap();
    assert!(example.len() > 3, "{block}");
    for (name, value) in example {
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        let expected = [name.as_str(), value.as_str(), "file"];
        let is_shown = shown.lines().any(|line| line.split_whitespace().eq(expected));
        assert!(is_shown, "{expected:?} is not in\n{shown}");
    }
    assert!(shown.contains("log-format"), "{shown}");
}

#[test]
fn vectors_from_a_file_need_the_name_of_their_model() {
    let folder = Folder::with_corpus(20);
    let vectors = folder.path("vectors.npy");
    std::fs::write(folder.path("strata.toml"), format!("vectors = {:?}\n", vectors.display().to_string())).unwrap();
    let shard = "shard @corpus.jsonl --store @store --config @strata.toml";
    let said = folder.strata(shard).ended_with(2).stderr;
    assert!(said.contains("--vectors") && said.contains("--model-name"), "{said}");
    folder.strata(&format!("{shard} --model-name hashed")).ended_with(0);
    assert!(folder.path("store/vectors/hashed/shard_00000.parquet").is_file());
}

#[test]
fn threads_are_those_of_the_reduce_too() {
    let folder = Folder::with_corpus(40);
    folder.shard();
    folder.reduce("mine", "--threads 3").ended_with(0);
    let measured = std::fs::read(folder.path("store/runs/mine/measurements.json")).unwrap();
    let measured: serde_json::Value = serde_json::from_slice(&measured).unwrap();
    assert_eq!(measured["host"]["threads"], 3);
}
