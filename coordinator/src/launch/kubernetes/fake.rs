//! An API server on loopback that answers what a test says.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::cluster::Cluster;

/// Returns a cluster whose API server gives the status and body that `answer` makes of a request's path.
pub(super) async fn cluster(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Cluster {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&answer)));
        }
    });
    Cluster::at(&format!("http://{address}"), "corpus")
}

async fn serve(mut stream: TcpStream, answer: Arc<impl Fn(&str) -> (u16, String)>) {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => request.extend_from_slice(&piece[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&request);
    let (status, body) = answer(head.split(' ').nth(1).unwrap_or_default());
    // The body ends with the connection, as it does where a server goes down in good order.
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
}
