//! Snapshots in a bucket: the newest under a prefix is taken, whatever its name.

use std::time::Duration;

use object_store::path::Path;
use strata_tests::binaries;
use strata_tests::monthly::Month;
use strata_tests::process_group::{End, ProcessGroup};
use strata_tests::s3_server::{self, S3Server};

const LIMIT: Duration = Duration::from_secs(60);

fn shard(server: &S3Server) -> End {
    let mut command = binaries::command("strata").unwrap();
    command.args(["shard", "--newest", &s3_server::url("in puts/"), "--store", &s3_server::url("corpus")]);
    command.envs(server.environment());
    ProcessGroup::start(command).unwrap().wait(LIMIT).unwrap()
}

#[test]
fn the_newest_snapshot_under_a_prefix_is_taken() {
    let server = S3Server::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bucket = server.store("in puts").unwrap();
    let put = |key: &str, lines: String| {
        runtime.block_on(bucket.put(&Path::from(key), lines)).unwrap();
        // Stores tell times to the second.
        std::thread::sleep(Duration::from_millis(1_100));
    };
    let empty = shard(&server);
    assert!(empty.code() == Some(2) && empty.output.contains("none of the 0 objects"), "{}", empty.output);
    let first = Month::first(30);
    put("z 1%/january.jsonl", first.lines());
    let began = shard(&server);
    assert!(began.code() == Some(0) && began.output.contains("30 documents"), "{}", began.output);
    put("a/february.jsonl", first.next(5, &[], &[]).lines());
    put("a/_SUCCESS", String::new());
    let updated = shard(&server);
    assert!(updated.code() == Some(0) && updated.output.contains("5 new"), "{}", updated.output);
}
