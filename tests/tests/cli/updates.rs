//! A corpus that grows, by the real programs: what people type every month, and what they are told.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use strata_shared::digest;
use strata_tests::binaries;
use strata_tests::hashed_vectors;
use strata_tests::monthly::Month;
use strata_tests::objects::Objects;

use super::folder::Folder;

const PLACE: &str = "--store @store --rows-per-shard 40";
const QUESTION: &str = "--clusters 5 --lonely 10";

/// Three months: 25 more and 3 corrected, then 10 more and 2 withdrawn.
fn months() -> [Month; 3] {
    let first = Month::first(150);
    let second = first.next(25, &[3, 50, 120], &[]);
    let third = second.next(10, &[], &[7, 90]);
    [first, second, third]
}

/// A folder with the months' snapshots and the vectors that each adds.
fn folder() -> Folder {
    let folder = Folder::with_corpus(1);
    let [first, second, third] = months();
    for (name, month, earlier) in
        [("first", &first, None), ("second", &second, Some(&first)), ("third", &third, Some(&second))]
    {
        month.write(&folder.path(""), name, earlier).unwrap();
    }
    folder
}

fn words(command: &str, month: &str) -> String {
    format!("{command} @{month}.jsonl --vectors @{month}.parquet --model-name hashed {PLACE}")
}

fn objects(folder: &Folder) -> Objects {
    let mut objects = BTreeMap::new();
    let root = folder.path("store");
    let mut folders = vec![root.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let key = entry.path().strip_prefix(&root).unwrap().display().to_string();
                objects.insert(key, digest::sha256_hex(&std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    objects.retain(|key, _| !key.starts_with("lease/"));
    objects
}

#[test]
fn three_months_are_planned_updated_reduced_and_reported() {
    let folder = folder();
    let planned = folder.strata(&words("shard --plan --json", "first")).ended_with(0).json();
    assert_eq!((&planned["generation"], &planned["new"]), (&1.into(), &150.into()));
    assert!(!folder.path("store").exists(), "a plan makes no store");
    folder.strata(&format!("{} {QUESTION}", words("run", "first"))).ended_with(0);
    let january = folder.strata("status --store @store --json").ended_with(0).json()["latest"].clone();
    let before = objects(&folder);

    let planned = folder.strata(&words("shard --plan --json", "second")).ended_with(0).json();
    let counts = |name: &str| planned[name].as_u64().unwrap();
    assert_eq!(["unchanged", "changed", "new", "gone", "kept"].map(counts), [147, 3, 25, 0, 0]);
    let table = folder.strata(&words("shard --plan", "second")).ended_with(0).stdout;
    assert!(table.contains("changed               3") && table.contains("150 documents become 175"), "{table}");
    assert_eq!(objects(&folder), before, "a plan writes nothing");

    let said = folder.strata(&format!("{} {QUESTION}", words("run", "second"))).ended_with(0);
    assert!(said.stderr.contains("generation 2: 25 new, 3 changed, 147 unchanged"), "{}", said.stderr);
    assert!(said.stdout.contains("175 documents"), "{}", said.stdout);
    let after = objects(&folder);
    let copies = ["raw/manifest.json", "raw/rejected.jsonl", "latest.json"];
    assert!(before.iter().all(|(key, sha256)| copies.contains(&key.as_str()) || after.get(key) == Some(sha256)));
    let vectors = |objects: &Objects| objects.keys().filter(|key| key.starts_with("vectors/")).count();
    assert_eq!((vectors(&before), vectors(&after)), (4, 5));

    let status = folder.strata("status --store @store --json").ended_with(0).json();
    assert_eq!(
        (status["generation"].as_u64(), status["rows"].as_u64(), status["superseded"].as_u64()),
        (Some(2), Some(175), Some(3))
    );
    assert_eq!(status["stages"]["vectors"], serde_json::json!({"done": 5, "missing": 0, "stale": 0}));
    assert_eq!(status["stages"]["runs"], serde_json::json!({"done": 1, "missing": 0, "stale": 1}));
    assert_eq!(status["generations"][january.as_str().unwrap()], 1);

    let old = folder.strata(&format!("report --store @store --json --run {}", january.as_str().unwrap())).ended_with(0);
    assert_eq!(old.json()["rows"], 150);

    let said = folder.strata(&format!("{} {QUESTION} --complete", words("run", "third"))).ended_with(0);
    assert!(said.stderr.contains("10 new, 0 changed, 173 unchanged, 2 gone"), "{}", said.stderr);
    let report = folder.strata("report --store @store --json").ended_with(0).json();
    let sizes: i64 = report["topics"].as_array().unwrap().iter().map(|topic| topic["size"].as_i64().unwrap()).sum();
    assert_eq!((report["rows"].as_i64(), sizes), (Some(183), 183));

    let whole = objects(&folder);
    let again = folder.strata(&format!("{} {QUESTION} --complete", words("run", "third"))).ended_with(0);
    assert!(again.stderr.contains("nothing to do"), "{}", again.stderr);
    assert_eq!(objects(&folder), whole);
}

#[test]
fn small_shards_are_planned_and_folded_by_the_command() {
    let folder = folder();
    let third = months()[2].clone();
    third.next(5, &[], &[]).write(&folder.path(""), "fourth", Some(&third)).unwrap();
    for month in ["first", "second", "third"] {
        folder.strata(&words("shard", month)).ended_with(0);
    }
    // Of the four shards of the first month and those of 28 and 10 documents only the last is small.
    let whole = objects(&folder);
    let alone = folder.strata("compact --store @store").ended_with(0).stderr;
    assert!(alone.contains("none of its 6 shards is to be folded; nothing to do"), "{alone}");
    assert_eq!(objects(&folder), whole);
    folder.strata(&words("shard", "fourth")).ended_with(0);
    let before = objects(&folder);
    let planned = folder.strata("compact --store @store --plan --json").ended_with(0).json();
    let names = ["generation", "shards_before", "shards", "folded", "rows", "dropped"];
    assert_eq!(names.map(|name| planned[name].as_u64().unwrap()), [5, 7, 6, 2, 15, 0], "{planned}");
    let table = folder.strata("compact --store @store --plan").ended_with(0).stdout;
    assert!(table.contains("generation 5: 7 shards become 6; 2 are folded, 15 documents move"), "{table}");
    assert_eq!(objects(&folder), before, "a plan writes nothing");
    folder.strata("compact --store @store --no-wait").ended_with(0);
    let status = folder.strata("status --store @store --json").ended_with(0).json();
    assert_eq!((status["generation"].as_u64(), status["rows"].as_u64()), (Some(5), Some(190)));
    assert_eq!(status["stages"]["vectors"], serde_json::json!({"done": 6, "missing": 0, "stale": 0}));
    let again = folder.strata(&words("shard", "fourth")).ended_with(0).stderr;
    assert!(again.contains("in the store already"), "{again}");
    folder.strata("compact --store @store --json").ended_with(2);
}

#[test]
fn an_update_that_is_not_allowed_ends_with_two_and_says_how_it_would_be() {
    let folder = folder();
    folder.strata(&words("shard", "first")).ended_with(0);
    let before = objects(&folder);
    std::fs::write(folder.path("few.jsonl"), Month::first(100).lines()).unwrap();
    let said = folder.strata(&format!("shard @few.jsonl --complete {PLACE}")).ended_with(2).stderr;
    assert!(said.contains("removes 50 of 150") && said.contains("--max-change 34%"), "{said}");
    let said = folder.strata(&format!("{} --title-field heading", words("shard", "second"))).ended_with(2).stderr;
    assert!(said.contains("its --title-field is title, not heading"), "{said}");
    assert_eq!(objects(&folder), before);
    let flags = format!("shard @few.jsonl --complete --max-change 34% {PLACE}");
    folder.strata(&flags).ended_with(0);
    let status = folder.strata("status --store @store").ended_with(0).stdout;
    assert!(status.contains("100 documents in 3 shards, generation 2, 20 superseded rows"), "{status}");
}

#[test]
fn of_two_updates_at_the_same_moment_one_waits_for_the_other() {
    let folder = folder();
    folder.strata(&words("shard", "first")).ended_with(0);
    let start = |month: &str| {
        let mut command = folder.command(&binaries::path("strata").unwrap(), &words("shard", month));
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    // The vectors of the third month are those beyond the second's, so that it takes both files to embed it all.
    let both = [start("second"), start("third")].map(|child| child.wait_with_output().unwrap());
    let codes = both.each_ref().map(|output| output.status.code());
    let said = both.each_ref().map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    if codes == [Some(0), Some(0)] {
        let status = folder.strata("status --store @store --json").ended_with(0).json();
        assert_eq!((status["generation"].as_u64(), status["rows"].as_u64()), (Some(3), Some(185)), "{said:?}");
    } else {
        // The third came first, and lacks vectors of documents that the second brings.
        assert!(codes == [Some(0), Some(3)] && said[1].contains("has no vector for the document"), "{said:?}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_store_of_the_first_format_opens_and_is_updated_without_embedding_again() {
    let folder = Folder::with_corpus(1);
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1"), &folder.path("store"));
    let before = objects(&folder);
    let first_manifest = std::fs::read(folder.path("store/raw/manifest.json")).unwrap();
    folder.strata("report --store @store --run golden").ended_with(0);
    let said = folder.strata("shard @store/input.jsonl --store @store").ended_with(0).stderr;
    assert!(said.contains("in the store already"), "{said}");
    assert_eq!(objects(&folder), before);

    let line = |id: &str, title: &str| format!("{{\"id\": \"{id}\", \"title\": \"{title}\"}}\n");
    let lines = [line("golden/03", "Another title"), line("golden/new", "A new one")].concat();
    std::fs::write(folder.path("new.jsonl"), lines).unwrap();
    let narrow = hashed_vectors::parquet(&[("golden/03".into(), "a".into()), ("golden/new".into(), "b".into())]);
    std::fs::write(folder.path("wide.parquet"), narrow).unwrap();
    let update = "shard @new.jsonl --store @store --model-name golden-0123456789ab --vectors";
    let said = folder.strata(&format!("{update} @wide.parquet")).ended_with(3).stderr;
    assert!(said.contains("has vectors of 16 dimensions, those of golden-0123456789ab in the store have 8"), "{said}");
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 8), }";
    let mut array = b"\x93NUMPY\x01\x00".to_vec();
    array.extend((header.len() as u16).to_le_bytes());
    array.extend(header.bytes());
    array.extend((0..16u8).flat_map(|value| f32::from(value + 1).to_le_bytes()));
    std::fs::write(folder.path("new.npy"), array).unwrap();
    folder.strata(&format!("{update} @new.npy")).ended_with(0);

    let after = objects(&folder);
    let copies = ["raw/manifest.json", "raw/rejected.jsonl"];
    assert!(before.iter().all(|(key, sha256)| copies.contains(&key.as_str()) || after.get(key) == Some(sha256)));
    let kept = std::fs::read(folder.path("store/raw/generations/00000001.json")).unwrap();
    assert_eq!(kept, first_manifest);
    folder.strata("reduce --store @store --run new --clusters 2 --lonely 3").ended_with(0);
    let status = folder.strata("status --store @store --json").ended_with(0).json();
    assert_eq!((status["generation"].as_u64(), status["rows"].as_u64()), (Some(2), Some(21)));
    assert_eq!(status["stages"]["vectors"], serde_json::json!({"done": 2, "missing": 0, "stale": 0}));
    folder.strata("report --store @store --run golden").ended_with(0);
    folder.strata("report --store @store --run new --html @page.html").ended_with(0);
}
