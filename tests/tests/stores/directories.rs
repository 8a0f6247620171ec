//! Directories that cannot be written: read-only ones, ones on a full disk, ones that are no directories.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use strata_shared::documents::Documents;
use strata_shared::layout;
use strata_shared::store::Store;
use strata_tests::corpus::{self, Plan};
use strata_tests::process_group::{End, ProcessGroup};
use strata_tests::{binaries, objects, private_mount, skipped};

/// Where not even root may make a file, and nothing has to be mounted.
const SYSTEM_FOLDER: &str = "/sys/kernel";

const LIMIT: Duration = Duration::from_mins(1);

/// A corpus that makes several shards of some 200 kB.
fn write_corpus(path: &Path) {
    let snapshot = corpus::generate(&Plan { documents: 3000, clean: true, ..Plan::default() }).unwrap();
    std::fs::write(path, snapshot.bytes()).unwrap();
}

fn shard(input: &Path, store: &Path) -> Command {
    let mut command = binaries::command("strata").unwrap();
    command.arg("shard").arg(input).arg("--store").arg(store).args(["--rows-per-shard", "500"]);
    command
}

fn end_of(command: Command) -> End {
    ProcessGroup::start(command).unwrap().wait(LIMIT).unwrap()
}

#[test]
fn a_directory_that_nobody_may_write_is_a_matter_of_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("corpus.jsonl");
    write_corpus(&input);
    for store in [Path::new(SYSTEM_FOLDER), &Path::new(SYSTEM_FOLDER).join("strata")] {
        let end = end_of(shard(&input, store));
        assert_eq!(end.code(), Some(2), "{}", end.output);
        assert!(end.output.contains(SYSTEM_FOLDER), "{}", end.output);
    }
}

#[test]
fn a_read_only_directory_is_a_matter_of_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (input, store) = (folder.path().join("corpus.jsonl"), folder.path().join("store"));
    write_corpus(&input);
    std::fs::create_dir(&store).unwrap();
    let Some(command) = private_mount::read_only(&shard(&input, &store), &store) else {
        return skipped::note("a store on a read-only file system, for want of the right to mount one");
    };
    let end = end_of(command);
    assert_eq!(end.code(), Some(2), "{}", end.output);
    assert!(end.output.contains("store") && end.output.contains("permissions"), "{}", end.output);
    assert_eq!(std::fs::read_dir(&store).unwrap().count(), 0);
}

#[test]
fn a_file_in_the_place_of_the_directory_is_a_matter_of_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corpus.jsonl");
    write_corpus(&file);
    let end = end_of(shard(&file, &file));
    assert_eq!(end.code(), Some(2), "{}", end.output);
    assert!(end.output.contains("corpus.jsonl"), "{}", end.output);
}

#[tokio::test]
async fn a_full_disk_leaves_whole_objects_and_a_retry_with_room_ends_in_the_same_ones() {
    let folder = tempfile::tempdir().unwrap();
    let [input, full, left, roomy] = ["corpus.jsonl", "full", "left", "roomy"].map(|name| folder.path().join(name));
    write_corpus(&input);
    for folder in [&full, &left] {
        std::fs::create_dir(folder).unwrap();
    }
    let Some(command) = private_mount::small(&shard(&input, &full), &full, "256k", &left) else {
        return skipped::note("a store on a full disk, for want of the right to mount a small one");
    };
    let end = end_of(command);
    assert_eq!(end.code(), Some(1), "{}", end.output);
    assert!(end.output.contains("shard_0"), "does not name the object:\n{}", end.output);

    let store = Store::open(left.to_str().unwrap()).unwrap();
    for object in store.list(&"raw".into()).await.unwrap() {
        assert!(layout::shard_number(&object.location).is_some(), "{} is there", object.location);
        assert_eq!(Documents::read(&store, &object.location).await.unwrap().len(), 500);
    }
    end_of(shard(&input, &left)).succeeded().unwrap();
    end_of(shard(&input, &roomy)).succeeded().unwrap();
    let roomy = Store::open(roomy.to_str().unwrap()).unwrap();
    let (expected, found) = (objects::read(&roomy).await.unwrap(), objects::read(&store).await.unwrap());
    assert_eq!(objects::differences(&expected, &found), Vec::<String>::new());
}
