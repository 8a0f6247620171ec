//! What a scraper gets, and what becomes of an address that is taken: one test, since a program has one set of metrics.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::time::Duration;

use strata_shared::metrics::{seconds, serve, tokens};
use strata_shared::store::Store;
use strata_shared::telemetry::Progress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Returns the value of the sample that is named so.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn a_scraper_finds_what_was_done_and_an_address_that_is_taken_ends_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    serve(address, "test").await;
    // Nothing is counted where nobody can ask.
    tokens(1);
    drop(taken);
    serve(address, "test").await;
    tokens(5);
    seconds("read", Duration::from_millis(1500));
    seconds("read", Duration::from_millis(500));
    let progress = Progress::start("embed", "documents", 3);
    progress.advance(2);
    progress.advance(1);
    Progress::start("shard", "bytes", 9).advance(9);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    store.put(&"a".into(), "four").await.unwrap();
    store.get(&"a".into()).await.unwrap();
    assert!(store.get_if_present(&"absent".into()).await.unwrap().is_none());
    store.list(&"".into()).await.unwrap();

    let answer = get(address, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.to_lowercase().contains("openmetrics-text"), "{answer}");
    let expected = [
        ("strata_tokens_total", 5.0),
        (r#"strata_documents_total{stage="embed"}"#, 3.0),
        (r#"strata_stage_seconds_total{stage="read"}"#, 2.0),
        (r#"strata_store_requests_total{kind="put"}"#, 1.0),
        (r#"strata_store_bytes_total{kind="put"}"#, 4.0),
        (r#"strata_store_requests_total{kind="get"}"#, 2.0),
        (r#"strata_store_bytes_total{kind="get"}"#, 4.0),
        (r#"strata_store_requests_total{kind="list"}"#, 1.0),
    ];
    for (name, value) in expected {
        assert_eq!(sample(&answer, name), Some(value), "{name}:\n{answer}");
    }
    assert!(!answer.contains(r#"stage="shard""#) && !answer.contains("strata_store_errors_total"), "{answer}");
    assert!(answer.contains(r#"strata_build_info{program="test",version="#), "{answer}");
    assert!(sample(&answer, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6), "{answer}");
    assert!(get(address, "/").await.starts_with("HTTP/1.1 404"));
}
