//! Stores that are tidied and looked over, by the real programs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use strata_tests::monthly::Month;

use super::folder::{Folder, Said};

const PLACE: &str = "--store @store --rows-per-shard 40";
const QUESTION: &str = "--clusters 5 --lonely 10";

/// A folder with a store of three months, each with its run; the last month is made by `run last.jsonl`.
fn three_months() -> Folder {
    let folder = Folder::with_corpus(1);
    let first = Month::first(120);
    let second = first.next(25, &[3, 50], &[7]);
    let third = second.next(10, &[4], &[90]);
    for (name, month, earlier) in
        [("first", &first, None), ("second", &second, Some(&first)), ("last", &third, Some(&second))]
    {
        month.write(&folder.path(""), name, earlier).unwrap();
        folder.strata(&run(name)).ended_with(0);
    }
    folder
}

fn run(month: &str) -> String {
    format!("run @{month}.jsonl --vectors @{month}.parquet --model-name hashed --complete {PLACE} {QUESTION}")
}

fn runs(folder: &Folder) -> Vec<String> {
    let history = folder.strata("history --store @store --json").ended_with(0).json();
    history.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

/// The files in a store, the lease aside.
fn files(folder: &Folder) -> BTreeSet<PathBuf> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![folder.path("store")]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.insert(entry.path());
            }
        }
    }
    let lease = folder.path("store/lease");
    files.into_iter().filter(|file| !file.starts_with(&lease)).collect()
}

fn verify(folder: &Folder, flags: &str) -> Said {
    folder.strata(&format!("verify --store @store {flags}"))
}

#[test]
fn a_prune_does_what_its_plan_says_and_the_same_commands_go_on() {
    let folder = three_months();
    let before = runs(&folder);
    // What killed writers leave in a directory, beside an object of somebody else that looks much the same.
    for name in ["raw/shard_00009.parquet#1", "latest.json#2", "raw/notes#1", "raw/notes.txt"] {
        std::fs::write(folder.path("store").join(name), "half").unwrap();
    }
    let all = files(&folder);
    let kept = folder.strata("prune --store @store").ended_with(0).stdout;
    assert!(kept.contains("0 removed, 3 kept"), "{kept}");
    assert_eq!(files(&folder), all, "a year of months stays, and what is young");

    let planned = folder.strata("prune --store @store --keep 1 --grace 0 --plan --json").ended_with(0);
    assert!(planned.stderr.contains("nothing was removed"), "{}", planned.stderr);
    assert_eq!(files(&folder), all, "a plan writes nothing");
    let pruned = folder.strata("prune --store @store --keep 1 --grace 0 --json").ended_with(0);
    assert_eq!(pruned.stdout, planned.stdout);
    let says = pruned.json();
    assert_eq!(says["runs"], serde_json::json!({"removed": &before[..2], "kept": &before[2..]}));
    assert_eq!(says["generations"], serde_json::json!({"removed": [1, 2], "kept": [3]}));
    let removed: u64 =
        says["objects"].as_object().unwrap().values().map(|kind| kind["removed"]["objects"].as_u64().unwrap()).sum();
    let left = files(&folder);
    assert_eq!((left.len() as u64, says["foreign"]["objects"].as_u64()), (all.len() as u64 - removed, Some(1)));
    assert!(!left.contains(&folder.path("store/latest.json#2")));
    assert!(
        left.iter().any(|file| file.ends_with("notes#1"))
            && !left.iter().any(|file| file.ends_with("shard_00009.parquet#1"))
    );
    assert!(!folder.path("store/runs").join(&before[0]).exists(), "no empty folder is left");

    let whole = verify(&folder, "").ended_with(0);
    assert!(whole.stdout.starts_with("0 of ") && whole.stdout.contains("1 generations"), "{}", whole.stdout);
    assert_eq!(runs(&folder), before[2..]);
    let status = folder.strata("status --store @store --json").ended_with(0).json();
    assert_eq!((status["generation"].as_u64(), status["rows"].as_u64()), (Some(3), Some(153)));
    folder.strata("report --store @store").ended_with(0);
    let said = folder.strata(&format!("report --store @store --since {}", before[0])).ended_with(2).stderr;
    assert!(said.contains("is no longer there, or was made anew: `strata prune` removes old runs"), "{said}");
    let said = folder.strata(&format!("report --store @store --run {}", before[0])).ended_with(2).stderr;
    assert!(said.contains("no such finished run"), "{said}");
    let said = folder.strata("reduce --store @store --generation 1").ended_with(2).stderr;
    assert!(said.contains("generation 1 is no longer there") && said.contains("`strata prune`"), "{said}");
    let again = folder.strata(&run("last")).ended_with(0);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    assert_eq!(files(&folder), left);
    let again = folder.strata("prune --store @store --keep 1 --grace 0").ended_with(0).stdout;
    assert!(again.contains("0 removed, 1 kept"), "{again}");
}

#[test]
fn the_vectors_of_a_model_go_when_it_is_said_so() {
    let folder = three_months();
    let said = folder.strata("prune --store @store --drop-vectors hashed").ended_with(2).stderr;
    assert!(said.contains("are what") && said.contains("--even-if-used"), "{said}");
    let said = folder.strata("prune --store @store --drop-vectors other").ended_with(2).stderr;
    assert!(said.contains("found none, expected one of hashed"), "{said}");
    folder.strata("prune --store @store --drop-vectors hashed --even-if-used").ended_with(0);
    assert!(!folder.path("store/vectors/hashed").exists());
    folder.strata("report --store @store").ended_with(0);
    verify(&folder, "").ended_with(0);
}

#[test]
fn damage_ends_with_three_and_the_command_that_is_named_mends_it() {
    let folder = three_months();
    let latest = runs(&folder).pop().unwrap();
    let topics = folder.path("store/runs").join(latest).join("topics.parquet");
    let mut bytes = std::fs::read(&topics).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&topics, bytes).unwrap();
    let damaged = verify(&folder, "").ended_with(3);
    assert!(damaged.stdout.starts_with("damage  runs/") && damaged.stdout.contains("topics.parquet: has sha256"));
    assert!(damaged.stderr.contains("1 object is not what should be there"), "{}", damaged.stderr);
    verify(&folder, "--fast").ended_with(0);
    let says = verify(&folder, "--json").ended_with(3).json();
    assert_eq!((says["whole"].as_bool(), says["findings"][0]["problem"].as_str()), (Some(false), Some("sha256")));
    let remedy = says["findings"][0]["remedy"].as_str().unwrap().to_owned();
    let command = remedy.split('`').nth(1).unwrap().strip_prefix("strata ").unwrap().to_owned();
    folder.strata(&format!("{command} --store @store")).ended_with(0);
    verify(&folder, "").ended_with(0);

    let shard = folder.path("store/raw/shard_00000.parquet");
    std::fs::remove_file(shard).unwrap();
    let said = verify(&folder, "--fast").ended_with(3).stdout;
    assert!(said.contains("raw/shard_00000.parquet: is missing; restore it from a copy of the store"), "{said}");
}

#[test]
fn a_store_without_a_corpus_is_no_store_to_look_over() {
    let folder = Folder::with_corpus(1);
    std::fs::create_dir(folder.path("store")).unwrap();
    for command in ["verify", "prune", "prune --plan"] {
        let said = folder.strata(&format!("{command} --store @store")).ended_with(2).stderr;
        assert!(said.contains("holds no corpus"), "{said}");
    }
}

#[test]
fn what_may_not_be_asked_is_refused_before_anything_is_read() {
    let folder = Folder::with_corpus(1);
    for flags in ["--keep 0", "--grace 12", "--grace -1d", "--even-if-used", "--drop-vectors ../x"] {
        folder.strata(&format!("prune --store @store {flags}")).ended_with(2);
    }
    // A file of settings that names the model of a run must not name vectors that are to go.
    std::fs::write(folder.path("strata.toml"), "drop-vectors = \"hashed\"\n").unwrap();
    folder.strata("prune --store @store --config @strata.toml").ended_with(2);
    let help = folder.strata("prune --help").ended_with(0).stdout;
    for flag in
        ["--keep", "--grace", "--plan", "--json", "--no-wait", "--drop-vectors", "[default: 12]", "[default: 1d]"]
    {
        assert!(help.contains(flag), "{flag} in {help}");
    }
    let help = folder.strata("verify --help").ended_with(0).stdout;
    assert!(help.contains("--fast") && help.contains("--json"), "{help}");
}
