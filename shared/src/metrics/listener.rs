//! Connections → answers to `GET /metrics`.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::Metrics;

/// The format of what is answered.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long one connection may last: a scraper comes back on a new one.
const CONNECTION: Duration = Duration::from_mins(5);

/// How long to wait before the next connection is accepted when the system has none to give.
const BREATH: Duration = Duration::from_millis(100);

/// Answers every connection until the program ends.
pub(super) async fn serve(listener: TcpListener, metrics: &'static Metrics) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(tokio::time::timeout(CONNECTION, answer_all(stream, metrics)))),
            Err(_) => tokio::time::sleep(BREATH).await,
        }
    }
}

async fn answer_all(stream: TcpStream, metrics: &'static Metrics) {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(&request, metrics)) });
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        // A scraper that hangs up concerns nobody here.
        tracing::debug!("a connection for metrics: {error}");
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    if request.method() == Method::GET && request.uri().path() == "/metrics" {
        let mut response = Response::new(Full::from(metrics.text()));
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(OPEN_METRICS));
        return response;
    }
    let mut response = Response::new(Full::from("metrics are at /metrics\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
