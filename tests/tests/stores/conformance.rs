//! One function for every backend.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use strata_shared::store::Store;
use strata_tests::process_group::{End, ProcessGroup};
use strata_tests::s3_server::{self, S3Server};
use strata_tests::{binaries, conformance};

#[tokio::test]
async fn a_directory_does_what_every_store_must() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("made/when absent");
    conformance::check(&Store::open_or_create(deep.to_str().unwrap()).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_file_url_is_the_directory_that_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    Store::open_or_create(&url).unwrap().put(&"raw/a".into(), b"x".to_vec()).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("raw/a")).unwrap(), b"x");
}

#[tokio::test]
async fn memory_does_what_every_store_must() {
    conformance::check(&Store::new("memory:", Arc::new(InMemory::new()))).await.unwrap();
}

/// In a program of its own, which opens the store by its URL and finds the endpoint in its environment.
#[test]
fn an_s3_endpoint_does_what_every_store_must() {
    let server = S3Server::start().unwrap();
    for url in [s3_server::url("a/prefix"), s3_server::url("")] {
        let mut command = binaries::command("store-conformance").unwrap();
        command.arg(url).envs(server.environment());
        let end = ProcessGroup::start(command).unwrap().wait(Duration::from_mins(2));
        end.and_then(End::succeeded).unwrap();
    }
}
