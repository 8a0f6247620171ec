use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use object_store::memory::InMemory;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;
use crate::report::fixture;

fn store() -> Store {
    Store::new("memory:", Arc::new(InMemory::new()))
}

fn record() -> RunRecord {
    RunRecord { predecessor: None, ..fixture::report().findings.record }
}

fn hook(given: &str) -> Hook {
    given.parse().unwrap()
}

async fn is_told(store: &Store) -> bool {
    let key = layout::in_run(&RunName::new(&record().run).unwrap(), run_file::NOTIFIED);
    store.head(&key).await.unwrap().is_some()
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[tokio::test]
async fn a_command_gets_the_notification_once() {
    let (store, folder) = (store(), tempfile::tempdir().unwrap());
    let file = folder.path().join("told");
    let hook = hook(&format!("cat >> {}", file.display()));
    for _ in 0..2 {
        tell(&hook, &store, &record()).await.unwrap();
    }
    let told = read(&file);
    assert_eq!((&told["store"], &told["run"]), (&"memory:".into(), &record().run.into()));
    assert!(told["text"].as_str().unwrap().contains("report.html") && told["changes"].is_null(), "{told}");
}

#[tokio::test]
async fn a_command_that_fails_is_told_of_and_given_the_notification_again() {
    let store = store();
    let failed = tell(&hook("exit 3 # secret"), &store, &record()).await.unwrap_err();
    assert_eq!(failed.exit(), Exit::Retry);
    assert!(failed.to_string().contains("found exit status: 3") && !failed.to_string().contains("secret"), "{failed}");
    assert!(!is_told(&store).await);
    // It need not read what it is told.
    tell(&hook("true"), &store, &record()).await.unwrap();
    assert!(is_told(&store).await);
}

/// Answers one request with `status`, and returns what was asked.
async fn server(status: &'static str) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"}\n") {
            let read = stream.read_buf(&mut asked).await.unwrap();
            assert!(read > 0, "broken off: {}", String::from_utf8_lossy(&asked));
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nlocation: http://127.0.0.1:9/\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    (address, serving)
}

#[tokio::test]
async fn a_url_is_posted_to() {
    let (store, (address, serving)) = (store(), server("204 No Content").await);
    tell(&hook(&format!("http://{address}/services/T0KEN")), &store, &record()).await.unwrap();
    let asked = serving.await.unwrap();
    assert!(asked.starts_with("POST /services/T0KEN HTTP/1.1\r\n"), "{asked}");
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["generation"], record().generation);
    assert!(is_told(&store).await);
}

#[tokio::test]
async fn what_a_server_refuses_is_told_without_the_rest_of_its_url() {
    for (status, exit) in
        [("403 Forbidden", Exit::Configuration), ("503 Busy", Exit::Retry), ("302 Found", Exit::Configuration)]
    {
        let (store, (address, _serving)) = (store(), server(status).await);
        let failed = tell(&hook(&format!("http://{address}/services/T0KEN")), &store, &record()).await.unwrap_err();
        assert_eq!(failed.exit(), exit, "{failed}");
        let said = failed.to_string();
        assert!(said.contains("http://127.0.0.1/...: answered") && said.contains(&status[..3]), "{said}");
        assert!(!said.contains("T0KEN") && !is_told(&store).await, "{said}");
    }
    let (address, serving) = server("204 No Content").await;
    serving.abort();
    let _ = serving.await;
    let failed = tell(&hook(&format!("http://{address}/T0KEN")), &store(), &record()).await.unwrap_err();
    assert_eq!(failed.exit(), Exit::Retry);
    assert!(failed.to_string().contains("no answer") && !failed.to_string().contains("T0KEN"), "{failed}");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_a_matter_of_configuration() {
    let failed = tell(&hook("/nowhere/tell"), &store(), &record()).await.unwrap_err();
    assert_eq!(failed.exit(), Exit::Configuration, "{failed}");
}

#[tokio::test]
async fn a_command_that_is_given_up_ends_with_all_that_it_started() {
    let (store, folder) = (store(), tempfile::tempdir().unwrap());
    let file = folder.path().join("late");
    let (hook, record) = (hook(&format!("(sleep 1; touch {}) | cat", file.display())), record());
    let telling = tokio::time::timeout(Duration::from_millis(300), tell(&hook, &store, &record)).await;
    assert!(telling.is_err() && !is_told(&store).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!file.exists(), "what it started goes on");
}

#[test]
fn what_is_no_url_is_a_command_and_neither_is_shown() {
    assert!(matches!(hook("https://hooks.example.com/T0KEN"), Hook::Url(_)));
    for command in ["mail -s strata me@example.com", "/usr/local/bin/tell", "T0KEN=x tell.sh", "http:"] {
        assert!(matches!(hook(command), Hook::Command(_)), "{command}");
        assert_eq!(hook(command).to_string(), "(a command)");
    }
    assert_eq!([hook(""), hook(" ")], [Hook::Nobody, Hook::Nobody]);
    for neither in ["htps://hooks.example.com/T0KEN", "s3://bucket/x", "http:///x y"] {
        assert!(!neither.parse::<Hook>().unwrap_err().to_string().contains("T0KEN"), "{neither}");
    }
    let hidden = hook("https://user:pass@hooks.example.com/T0KEN?a=b");
    assert_eq!(format!("{hidden:?}"), "Hook(https://hooks.example.com/...)");
}
