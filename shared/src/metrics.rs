//! What a program has done so far → text for Prometheus, at `http://ADDRESS/metrics`.
//!
//! Invariant: without an address nothing listens and nothing is counted. Metrics never end the work: where the address is
//! taken, that is said and the work goes on without.

mod listener;
mod resident_memory;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use resident_memory::ResidentMemory;

/// The metrics of this program, once somebody asked for them.
static METRICS: OnceLock<Metrics> = OnceLock::new();

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    kind: Request,
}

/// The kinds of requests to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "labels are written in lower case")]
pub(crate) enum Request {
    get,
    put,
    list,
    delete,
    copy,
}

/// Everything that is counted.
#[derive(Debug)]
struct Metrics {
    registry: Registry,
    documents: Family<StageLabel, Counter>,
    tokens: Counter,
    seconds: Family<StageLabel, Counter<f64, AtomicU64>>,
    requests: Family<RequestLabel, Counter>,
    bytes: Family<RequestLabel, Counter>,
    errors: Family<RequestLabel, Counter>,
}

impl Metrics {
    fn new(program: &str) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            documents: Family::default(),
            tokens: Counter::default(),
            seconds: Family::default(),
            requests: Family::default(),
            bytes: Family::default(),
            errors: Family::default(),
        };
        metrics.register(program);
        metrics
    }

    fn register(&mut self, program: &str) {
        let build = [("program", program.to_owned()), ("version", env!("CARGO_PKG_VERSION").to_owned())];
        let registry = &mut self.registry;
        registry.register("strata_build", "The program that is asked", Info::new(build));
        registry.register("strata_documents", "Documents done, by stage", self.documents.clone());
        registry.register("strata_tokens", "Tokens embedded", self.tokens.clone());
        registry.register("strata_stage_seconds", "Time that stages took once they ended", self.seconds.clone());
        registry.register("strata_store_requests", "Requests to the store", self.requests.clone());
        registry.register("strata_store_bytes", "Bytes read from and written to the store", self.bytes.clone());
        let errors = "Requests to the store that failed after all their retries";
        registry.register("strata_store_errors", errors, self.errors.clone());
        registry.register_collector(Box::new(ResidentMemory));
    }

    /// Writes everything in the text format of `OpenMetrics`, which Prometheus reads.
    fn text(&self) -> String {
        let mut written = String::new();
        // Writing into a string cannot fail, and nothing registered here refuses to be encoded.
        let _ = text::encode(&mut written, &self.registry);
        written
    }
}

/// Serves the metrics of `program` at `address` from now on; where that is not to be had, says so and does nothing.
pub async fn serve(address: SocketAddr, program: &'static str) {
    match tokio::net::TcpListener::bind(address).await {
        Ok(listener) => {
            let metrics = METRICS.get_or_init(|| Metrics::new(program));
            let at = listener.local_addr().unwrap_or(address);
            tracing::info!("metrics are at http://{at}/metrics");
            tokio::spawn(listener::serve(listener, metrics));
        }
        Err(error) => tracing::warn!("--metrics {address}: {error}; going on without metrics"),
    }
}

/// Counts documents that a stage is done with.
pub fn documents(stage: &str, number: u64) {
    if let Some(metrics) = METRICS.get() {
        metrics.documents.get_or_create(&StageLabel { stage: stage.to_owned() }).inc_by(number);
    }
}

/// Counts tokens that went through the model.
pub fn tokens(number: u64) {
    if let Some(metrics) = METRICS.get() {
        metrics.tokens.inc_by(number);
    }
}

/// Adds the time that a stage took.
pub fn seconds(stage: &str, time: Duration) {
    if let Some(metrics) = METRICS.get() {
        metrics.seconds.get_or_create(&StageLabel { stage: stage.to_owned() }).inc_by(time.as_secs_f64());
    }
}

/// Counts a request to the store, and the bytes of objects that it moved.
pub(crate) fn request(kind: Request, bytes: u64) {
    if let Some(metrics) = METRICS.get() {
        metrics.requests.get_or_create(&RequestLabel { kind }).inc();
        metrics.bytes.get_or_create(&RequestLabel { kind }).inc_by(bytes);
    }
}

/// Counts a request to the store that failed.
pub(crate) fn error(kind: Request) {
    if let Some(metrics) = METRICS.get() {
        metrics.errors.get_or_create(&RequestLabel { kind }).inc();
    }
}
