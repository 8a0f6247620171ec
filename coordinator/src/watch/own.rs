//! This program's own events → the display, in the same shape as those of its workers.

use std::sync::Arc;

use strata_shared::telemetry::{self, LogLine};
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::display::Display;

/// Everything worth knowing; what fails at asking a cluster is told by whoever asked, and once.
const DEFAULT_FILTER: &str = "info,kube_client=off,kube_runtime=off";

/// Sends every event of this process to `display`; `STRATA_LOG` filters as `RUST_LOG` does (default `info`).
pub fn listen(display: Arc<Display>) {
    let filter = EnvFilter::try_from_env("STRATA_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    // A second call, as tests make, leaves the first in force.
    let _ = tracing_subscriber::registry().with(filter).with(Listener { display }).try_init();
}

struct Listener {
    display: Arc<Display>,
}

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = LogLine {
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            message: fields.message + &fields.others,
            stage: fields.stage,
            done: fields.done,
            total: fields.total,
            unit: fields.unit,
            timestamp: Some(telemetry::timestamp()),
            pod: telemetry::pod(),
            ..LogLine::default()
        };
        self.display.show("strata", &line);
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
    stage: Option<String>,
    done: Option<u64>,
    total: Option<u64>,
    unit: Option<String>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.others.push_str(&format!(" {name}={value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "stage" => self.stage = Some(value.to_owned()),
            "unit" => self.unit = Some(value.to_owned()),
            name => self.others.push_str(&format!(" {name}={value}")),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "done" => self.done = Some(value),
            "total" => self.total = Some(value),
            name => self.others.push_str(&format!(" {name}={value}")),
        }
    }
}
