//! Settings from flags and files.

use super::folder::Folder;

/// The examples of configuration files in the README.
fn examples() -> Vec<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let blocks = readme.split("```toml\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn the_readmes_example_files_are_read_and_shown() {
    let folder = Folder::with_corpus(20);
    assert!(!examples().is_empty());
    for block in examples() {
        std::fs::write(folder.path("strata.toml"), &block).unwrap();
        let shown = folder.strata("config --config @strata.toml").ended_with(0).stdout;
        let example: toml::Table = block.parse().unwrap();
        assert!(example.len() > 3, "{block}");
        // Inputs are no setting that has a default, and a hook is not shown in full.
        for (name, value) in example.into_iter().filter(|(name, _)| name != "inputs") {
            let value =
                if name == "notify" { String::new() } else { value.as_str().map_or(value.to_string(), str::to_owned) };
            let is_it = |line: &&str| line.split_whitespace().next() == Some(&name);
            let line = shown.lines().find(is_it).unwrap_or_default();
            assert!(line.ends_with("file") && line.contains(&value), "{name} = {value} is not in\n{shown}");
        }
        assert!(shown.contains("log-format"), "{shown}");
    }
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
