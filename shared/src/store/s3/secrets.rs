//! No error and no debug output of a store tells a secret, whatever the server answers.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Settings, Variables};
use crate::exit::Failure;
use crate::store::{Store, StoreError};

const SECRET: &str = "canary-secret-access-key";
const TOKEN: &str = "canary-session-token";
const CUSTOMER_KEY: &str = "Y2FuYXJ5LWN1c3RvbWVyLWtleS1vZi0zMi1ieXRlcyE=";

/// Answers one request as a server does that has something against it.
type Answer = fn(&str) -> Option<String>;

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// As AWS answers a wrong signature: with all that was signed.
fn wrong_signature(request: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match</Message>\
         <StringToSign>AWS4-HMAC-SHA256\n{request}</StringToSign><CanonicalRequest>{request}</CanonicalRequest>\
         <CanonicalRequestBytes>{}</CanonicalRequestBytes><RequestId>7</RequestId></Error>",
        hex(request)
    );
    response("403 Forbidden", &body)
}

const ANSWERS: [Answer; 7] = [
    |request| Some(wrong_signature(request)),
    |request| Some(response("401 Unauthorized", request)),
    |request| Some(response("400 Bad Request", request)),
    |request| Some(response("200 OK", request)),
    |request| Some(response("404 Not Found", &format!("<Code>NoSuchBucket</Code>{request}"))),
    |request| Some(response("503 Service Unavailable", request)),
    |_| None,
];

async fn serve(listener: TcpListener, answer: Answer) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(refuse(stream, answer));
    }
}

async fn refuse(mut stream: TcpStream, answer: Answer) {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    if let Some(answer) = answer(&String::from_utf8_lossy(&request)) {
        // Whoever asked may be gone.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

fn settings(endpoint: &str) -> Settings {
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", TOKEN),
        ("AWS_SERVER_SIDE_ENCRYPTION", "sse-c"),
        ("AWS_SSE_CUSTOMER_KEY_BASE64", CUSTOMER_KEY),
        ("STRATA_STORE_TIMEOUT", "1"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Settings::read(Variables(variables.into())).unwrap()
}

/// Asks the store for everything that it can do, and returns what fails.
async fn errors(store: &Store) -> Vec<StoreError> {
    let (key, parts) = (Path::from("raw/a"), || futures::stream::iter([Ok::<_, StoreError>(Bytes::from_static(b"x"))]));
    let (get, head, put, create) =
        tokio::join!(store.get(&key), store.head(&key), store.put(&key, "x"), store.create(&key, "x"));
    let (delete, list, folders, upload) =
        tokio::join!(store.delete(&key), store.list(&key), store.folders(&key), store.put_parts(&key, parts()));
    let all = [
        get.err(),
        head.err(),
        put.err(),
        create.err(),
        delete.err(),
        list.err(),
        folders.err(),
        upload.err(),
        store.sha256(&key).await.err(),
    ];
    all.into_iter().flatten().collect()
}

fn check(text: &str) {
    for secret in [SECRET, TOKEN, CUSTOMER_KEY] {
        let is_told = text.contains(secret) || text.contains(&hex(secret));
        assert!(!is_told, "{secret} is told in {text}");
    }
}

async fn errors_at(answer: Answer) -> Vec<StoreError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(&format!("http://{}", listener.local_addr().unwrap()));
    check(&format!("{settings:?}"));
    let server = tokio::spawn(serve(listener, answer));
    let objects = PrefixStore::new(settings.open("bucket").unwrap(), "prefix");
    let store = Store::opened("s3://bucket/prefix".into(), objects);
    check(&format!("{store:?}"));
    let errors = errors(&store).await;
    server.abort();
    errors
}

#[tokio::test]
async fn no_error_tells_a_secret_whatever_the_server_answers() {
    let all = futures::future::join_all(ANSWERS.map(errors_at)).await;
    for errors in all {
        assert!(errors.len() >= 3, "{errors:?}");
        for error in errors {
            check(&format!("{error:?}"));
            check(&Failure::from(error).chain());
        }
    }
    let said = Failure::from(errors_at(ANSWERS[0]).await.remove(0)).chain();
    assert!(said.contains("SignatureDoesNotMatch") && said.contains("check the credentials"), "{said}");
}

#[tokio::test]
async fn an_endpoint_that_nobody_serves_is_named_without_a_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let objects: Arc<dyn object_store::ObjectStore> = Arc::new(settings(&endpoint).open("bucket").unwrap());
    let error = Store::new("s3://bucket", objects).get(&"a".into()).await.unwrap_err();
    check(&format!("{error:?}"));
    assert!(Failure::from(error).chain().contains("s3://bucket/a"));
}
